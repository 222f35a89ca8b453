// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands between the chain and the ports: the guard at the input and the fade to silence.
//! Audio thread, but for `new`.

use crate::dsp::ramp::Quintic;
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{Frames, SILENCE};
use crate::units::ramp_frames;

/// Times of the fades to silence, in milliseconds.
const PANIC_MS: f64 = 5.0;
const CLOSING_MS: f64 = 50.0;
const SWAP_MS: f64 = super::transition::FADE_MS;

/// Why main is to be silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    pub panic: bool,
    pub closing: bool,
    pub swap: bool,
}

/// The fade at main.
pub struct MainFade {
    level: Quintic,
    sample_rate: u32,
    /// Of this quantum, if `moving`.
    weights: Frames,
    moving: bool,
    width: Width,
}

impl MainFade {
    /// `silent`: main begins in silence.
    pub fn new(sample_rate: u32, silent: bool) -> Self {
        let level = Quintic::at(if silent { 0.0 } else { 1.0 });
        MainFade { level, sample_rate, weights: SILENCE, moving: false, width: Width::widest() }
    }

    /// Begins in silence and fades in, unless there is a reason for silence.
    pub fn begin_silent(&mut self) {
        self.level = Quintic::at(0.0);
    }

    /// True if main is silent and stays so.
    pub fn is_silent(&self) -> bool {
        self.level.value() == 0.0 && !self.level.is_moving()
    }

    /// Applies the fade in place and keeps every sample within the range of an `f32`.
    pub fn process(&mut self, quiet: Quiet, main: &mut [Frames]) {
        let target = if quiet.panic || quiet.closing || quiet.swap { 0.0 } else { 1.0 };
        if target != self.level.target() {
            let ms = match quiet {
                Quiet { panic: true, .. } => PANIC_MS,
                Quiet { closing: true, .. } => CLOSING_MS,
                _ => SWAP_MS,
            };
            self.level.go(target, ramp_frames(ms, self.sample_rate));
        }
        self.moving = self.level.quantum(&mut self.weights);
        self.apply(main);
        self.width.run(Bound(main));
    }

    /// Fades another signal as main was faded in this quantum.
    pub fn apply(&self, audio: &mut [Frames]) {
        if self.moving {
            for c in audio.iter_mut() {
                for (x, w) in c.iter_mut().zip(&self.weights) {
                    *x *= w.clamp(0.0, 1.0);
                }
            }
        } else if self.level.value() == 0.0 {
            audio.iter_mut().for_each(|c| *c = SILENCE);
        }
    }
}

/// Keeps every sample within the range of an `f32`.
struct Bound<'a>(&'a mut [Frames]);

impl Kernel for Bound<'_> {
    #[inline(always)]
    fn run(self) {
        const LIMIT: f64 = f32::MAX as f64;
        for channel in self.0.iter_mut() {
            for x in channel {
                let level = x.abs();
                let within = if level <= LIMIT { *x } else { LIMIT.copysign(*x) };
                *x = if level <= f64::MAX { within } else { 0.0 };
            }
        }
    }
}

/// Copies the input, with what is not audio replaced by zero; returns how many samples that were.
pub fn guard_input(width: Width, input: &[Frames], bus: &mut [Frames]) -> u64 {
    let mut refused = 0;
    width.run(Guard { input, bus, refused: &mut refused });
    refused
}

struct Guard<'a> {
    input: &'a [Frames],
    bus: &'a mut [Frames],
    refused: &'a mut u64,
}

impl Kernel for Guard<'_> {
    #[inline(always)]
    fn run(self) {
        /// +80 dBFS: beyond any converter and any mix.
        const LIMIT: f64 = 1e4;
        let mut refused = 0u64;
        for (o, i) in self.bus.iter_mut().zip(self.input) {
            for (o, x) in o.iter_mut().zip(i) {
                let level = x.abs();
                let audio = level <= LIMIT;
                refused = refused.wrapping_add(u64::from(!audio));
                // What is too small for arithmetic here is taken as nothing from the start.
                let some = if level < f64::MIN_POSITIVE { 0f64.copysign(*x) } else { *x };
                *o = if audio { some } else { 0.0 };
            }
        }
        *self.refused = refused;
    }
}
