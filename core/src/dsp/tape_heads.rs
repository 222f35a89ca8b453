// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the heads of a tape machine lose and add, by the tape's speed.
//!
//! The losses of short wavelengths, as in Bertram, "Theory of Magnetic Recording", ch. 6: at wave number `k = 2πf/v`
//! the spacing `d` costs `e^(−kd)` and the gap `g` `sin(kg/2)/(kg/2)`. The loss of the coating's thickness is what the
//! machine's equalization takes back, so it is not here. The length of the head makes long waves bump: a bell where a
//! wave is as long as the head is wide.
//!
//! The losses are a short kernel of minimum phase, so there is no latency.

use std::f64::consts::PI;

use super::filters;
use super::linear_phase::{self, Phase};
use super::svf::{self, Coefs, MAX_SECTIONS, State};
use super::wide::{Kernel, Width};
use super::{Frames, QUANTUM, SILENCE};

/// Metres in an inch.
const INCH: f64 = 0.0254;
/// Spacing and gap in metres.
const SPACING: f64 = 0.3e-6;
const GAP: f64 = 3e-6;
/// Width of the head in metres, and height and Q of its bump.
const HEAD: f64 = 8e-3;
const BUMP_DB: f64 = 1.2;
const BUMP_Q: f64 = 1.0;
/// Taps of the kernel.
const TAPS: usize = 129;
/// The gap's first zero is taken as no lower than this, −60 dB.
const LEAST: f64 = 1e-3;

/// Filters of one speed at one rate.
#[derive(Clone, Debug)]
pub struct Heads {
    /// The oldest sample's tap first.
    taps: [f64; TAPS],
    bump: [Coefs; MAX_SECTIONS],
    sections: usize,
    width: Width,
}

/// One channel's memory.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    row: [f64; TAPS - 1 + QUANTUM],
    states: [State; MAX_SECTIONS],
}

impl Default for Passed {
    fn default() -> Self {
        Passed { row: [0.0; TAPS - 1 + QUANTUM], states: [State::default(); MAX_SECTIONS] }
    }
}

/// Magnitude of the losses at `hz`, tape at `speed` metres per second. Any thread.
pub fn loss(hz: f64, speed: f64) -> f64 {
    let k = 2.0 * PI * hz / speed;
    let half = 0.5 * k * GAP;
    let gap = if half > 0.0 { (libm::sin(half) / half).abs() } else { 1.0 };
    (libm::exp(-k * SPACING) * gap).max(LEAST)
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Heads {
    /// Control side. `inches` of tape per second.
    pub fn new(rate: f64, inches: f64) -> Heads {
        let speed = inches * INCH;
        let fir = linear_phase::design(|hz| loss(hz, speed), TAPS, rate, Phase::Minimum);
        let mut taps = [0.0; TAPS];
        taps.iter_mut().rev().zip(&fir.taps).for_each(|(t, f)| *t = *f);
        let sum: f64 = taps.iter().sum();
        taps.iter_mut().for_each(|t| *t /= sum);
        let chain = filters::bell(speed / HEAD, BUMP_DB, BUMP_Q, rate).chain;
        let mut bump = [Coefs::new(&svf::Section::UNITY); MAX_SECTIONS];
        bump.iter_mut().zip(chain.as_slice()).for_each(|(b, s)| *b = Coefs::new(s));
        Heads { taps, bump, sections: chain.as_slice().len(), width: Width::widest() }
    }
}

impl Heads {
    /// Audio thread. One quantum of a channel, in place.
    pub fn process(&self, passed: &mut Passed, audio: &mut Frames) {
        for (coefs, state) in self.bump[..self.sections].iter().zip(&mut passed.states) {
            svf::process(coefs, state, audio);
        }
        passed.row.copy_within(QUANTUM.., 0);
        passed.row[TAPS - 1..].copy_from_slice(audio);
        self.width.run(Reading { taps: &self.taps, row: &passed.row, out: audio });
    }
}

struct Reading<'a> {
    taps: &'a [f64; TAPS],
    row: &'a [f64; TAPS - 1 + QUANTUM],
    out: &'a mut Frames,
}

impl Kernel for Reading<'_> {
    #[inline(always)]
    fn run(self) {
        let mut sum = SILENCE;
        for (tap, x) in self.taps.iter().zip(self.row.array_windows::<QUANTUM>()) {
            sum.iter_mut().zip(x).for_each(|(s, x)| *s += tap * x);
        }
        *self.out = sum;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn losses_and_bump_are_those_of_the_speed() {
        for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
            for inches in [7.5, 15.0, 30.0] {
                let (heads, mut passed, mut h) = (Heads::new(rate, inches), Passed::default(), Vec::new());
                for q in 0..2048 {
                    let mut x = SILENCE;
                    x[0] = if q == 0 { 1.0 } else { 0.0 };
                    heads.process(&mut passed, &mut x);
                    h.extend(x);
                }
                let level = |hz: f64| {
                    let (mut re, mut im) = (0.0, 0.0);
                    for (n, v) in h.iter().enumerate() {
                        let w = 2.0 * PI * (hz / rate * n as f64).fract();
                        re += v * w.cos();
                        im += v * w.sin();
                    }
                    20.0 * re.hypot(im).log10()
                };
                let bump = level(inches * INCH / HEAD);
                let want = |hz: f64| 20.0 * loss(hz, inches * INCH).log10();
                let worst = [3e3, 5e3, 10e3, 15e3, 20e3].map(|f| (level(f) - want(f)).abs());
                let worst = worst.into_iter().fold(0.0, f64::max);
                println!(
                    "{rate} Hz, {inches} in/s: bump {bump:.3}, 20 kHz {:.2} dB, off {worst:.4}",
                    level(20e3)
                );
                assert!((bump - BUMP_DB).abs() < 0.03 && worst < 0.06);
            }
        }
    }
}
