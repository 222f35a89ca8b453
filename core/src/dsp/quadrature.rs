// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two copies of a signal a quarter of a turn apart, whose squares add up to a level without ripple.
//!
//! Both branches are all-passes: those of an elliptic half-band filter, shifted by a quarter of the sample
//! rate. The coefficients are the closed form of Valenzuela and Constantinides, "Digital signal processing
//! schemes for efficient interpolation and decimation", IEE Proc. G 130(6) 1983, in theta series of the
//! nome. A section reaches back two frames, so even and odd frames never meet and are worked side by side.

use std::f64::consts::{FRAC_PI_4, PI};

use super::{Frames, QUANTUM};

/// Sections of each branch.
const SECTIONS: usize = 7;

/// The quarter turn holds from here, in Hz, to as far below half the sample rate.
pub const LOWEST: f64 = 20.0;

/// Time in which its slowest section forgets to 37 %, in seconds.
pub const TAU: f64 = 0.06;

/// States below this become zero at the end of a quantum.
const TINY: f64 = 1e-30;

/// The all-passes of both branches at one sample rate.
#[derive(Clone, Debug)]
pub struct Quadrature {
    coefs: [[f64; SECTIONS]; 2],
}

/// What one channel's branches remember.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Turned {
    /// By branch and section: its input of the last even and the last odd frame; then the last's output.
    seen: [[[f64; 2]; SECTIONS + 1]; 2],
    /// The last frame: the second branch lags by one.
    last: f64,
}

impl Quadrature {
    /// Control side.
    pub fn new(sample_rate: f64) -> Quadrature {
        let all = elliptic(LOWEST / sample_rate);
        Quadrature { coefs: std::array::from_fn(|b| std::array::from_fn(|n| all[2 * n + b])) }
    }

    /// Audio thread. The sum of the two squares of every frame: the square of a sine's amplitude.
    #[inline(always)]
    pub fn power(&self, state: &mut Turned, x: &Frames, out: &mut Frames) {
        let Turned { mut seen, mut last } = *state;
        for i in (0..QUANTUM).step_by(2) {
            let mut v = [[x[i], x[i + 1]], [last, x[i]]];
            last = x[i + 1];
            for n in 0..SECTIONS {
                for b in 0..2 {
                    for p in 0..2 {
                        let y = self.coefs[b][n] * (v[b][p] + seen[b][n + 1][p]) - seen[b][n][p];
                        seen[b][n][p] = v[b][p];
                        v[b][p] = y;
                    }
                }
            }
            (seen[0][SECTIONS], seen[1][SECTIONS]) = (v[0], v[1]);
            for p in 0..2 {
                out[i + p] = v[0][p] * v[0][p] + v[1][p] * v[1][p];
            }
        }
        for v in seen.as_flattened_mut().as_flattened_mut() {
            if v.abs() < TINY {
                *v = 0.0;
            }
        }
        *state = Turned { seen, last };
    }
}

/// The coefficients of a half-band filter whose transition is this share of the sample rate, in rising order.
fn elliptic(transition: f64) -> [f64; 2 * SECTIONS] {
    let t = libm::tan((1.0 - 2.0 * transition) * FRAC_PI_4);
    let k = t * t;
    let root = (1.0 - k * k).sqrt().sqrt();
    let e = 0.5 * (1.0 - root) / (1.0 + root);
    let e4 = e * e * e * e;
    let nome = e * (1.0 + e4 * (2.0 + e4 * (15.0 + 150.0 * e4)));
    let order = (4 * SECTIONS + 1) as f64;
    std::array::from_fn(|n| {
        let angle = (n + 1) as f64 * PI / order;
        let (mut above, mut below) = (0.0, 0.5);
        for i in 0..20 {
            let (j, sign) = (f64::from(i), if i % 2 == 0 { 1.0 } else { -1.0 });
            above += sign * libm::pow(nome, j * (j + 1.0)) * libm::sin((2.0 * j + 1.0) * angle);
            if i > 0 {
                below += sign * libm::pow(nome, j * j) * libm::cos(2.0 * j * angle);
            }
        }
        let w = nome.sqrt() * (above / below) * (above / below);
        let x = ((1.0 - w * k) * (1.0 - w / k)).max(0.0).sqrt() / (1.0 + w);
        (1.0 - x) / (1.0 + x)
    })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_sine_has_a_level_without_ripple() {
        for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0, 384_000.0] {
            let quadrature = Quadrature::new(rate);
            let mut worst = 0.0f64;
            for hz in [20.0, 23.0, 30.0, 41.0, 60.0, 100.0, 333.0, 1000.0, 5000.0, 12_000.0, 20_000.0] {
                let (mut state, mut out) = (Turned::default(), [0.0; QUANTUM]);
                let frames = (rate * 1.2) as usize / QUANTUM;
                for q in 0..frames {
                    let at = |i: usize| 2.0 * PI * hz * ((q * QUANTUM + i) as f64 / rate);
                    let x: Frames = std::array::from_fn(|i| 0.5 * libm::sin(at(i)));
                    quadrature.power(&mut state, &x, &mut out);
                    if q * QUANTUM > rate as usize {
                        let db = |v: f64| 10.0 * libm::log10(4.0 * v);
                        worst = out.iter().fold(worst, |w, v| w.max(db(*v).abs()));
                    }
                }
            }
            println!("level of a sine from 20 Hz to 20 kHz at {rate}: {worst:.5} dB of ripple");
            assert!(worst < 0.01 * (rate / 96_000.0).max(1.0), "{worst} dB at {rate}");
        }
    }

    #[test]
    fn silence_stays_silence() {
        let (quadrature, mut state) = (Quadrature::new(48_000.0), Turned::default());
        let mut out = [1.0; QUANTUM];
        quadrature.power(&mut state, &[0.0; QUANTUM], &mut out);
        assert!(state == Turned::default() && out == [0.0; QUANTUM]);
    }
}
