// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last step of a master: from `f64` to whole numbers of `bits`, with dither and shaped noise.
//!
//! `v = x − Σ c_i e[n−i]`, `y = round(v + d)`, `e = y − v`, all in least significant bits; d is triangular of
//! two bits peak to peak, which makes mean and power of the error independent of the signal (Lipshitz,
//! Wannamaker and Vanderkooy, "Quantization and dither: a theoretical survey", JAES 40/5, 1992). The power is
//! LSB²/4: −96.33 dBFS at 16 bits, −144.49 at 24.
//!
//! **Full scale.** y is clamped to the range of the integers, and at most ±2 LSB of the error are fed back, so
//! that a clip does not wind up the shaper.
//!
//! **Digital silence stays silence.** After a second in which every channel was exactly zero, dither and shaper
//! stop and are put back to their beginning; the first sample that is not zero starts them again. They begin
//! stopped. So what a programme is dithered with depends on its seed and on nothing that was before the silence
//! it began from: printed live it has the bits of its render.

use super::noise_shaper::{MOST_TAPS, Shaper};
use super::random::Xoshiro256;

/// The seed where nobody has another wish: fixed, so that a render repeats bit for bit.
pub const DEFAULT_SEED: u64 = 0x6c61_7468_6500_0001;

/// Silence after which the dither stops, in seconds.
const BLANK_SECONDS: f64 = 1.0;

/// Most of an error that is fed back, LSB; without clipping there is never more than 1.5.
const MOST_ERROR: f64 = 2.0;

/// What to make of the samples: plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// 2 to 32.
    pub bits: u32,
    pub shaper: Shaper,
    pub seed: u64,
}

/// One channel.
///
/// | state | meaning |
/// |---|---|
/// | `first` | the generator as it begins |
/// | `generator` | the generator |
/// | `errors` | errors of 1, 2, … samples ago, LSB |
#[derive(Clone, Debug)]
struct Lane {
    first: Xoshiro256,
    generator: Xoshiro256,
    errors: [f64; MOST_TAPS],
}

/// A sample as an integer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantised {
    /// A whole number in LSB, −2^(bits−1) to 2^(bits−1) − 1.
    pub value: f64,
    /// It would have been beyond.
    pub clipped: bool,
}

/// The kernel, for all channels of a signal. Frame by frame: [`begin`](Self::begin), then
/// [`next`](Self::next) for every channel.
#[derive(Clone, Debug)]
pub struct Dither {
    target: Target,
    lanes: Vec<Lane>,
    /// Frames of silence that stop it, and how many there were.
    blank: u64,
    silent: u64,
}

impl Dither {
    #[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
    pub fn new(channels: usize, target: Target, sample_rate: f64) -> Self {
        let lane = |n: usize| {
            let first = Xoshiro256::lane(target.seed, n);
            Lane { first, generator: first, errors: [0.0; MOST_TAPS] }
        };
        let blank = libm::ceil(BLANK_SECONDS * sample_rate) as u64;
        Dither { target, lanes: (0..channels).map(lane).collect(), blank, silent: blank }
    }

    /// Audio thread. Other bits, shaper or seed from the next frame on.
    pub fn set(&mut self, target: Target) {
        if target.seed != self.target.seed {
            for (n, lane) in self.lanes.iter_mut().enumerate() {
                lane.first = Xoshiro256::lane(target.seed, n);
                lane.generator = lane.first;
            }
        }
        if target.bits != self.target.bits || target.shaper != self.target.shaper {
            // Errors of another grid or filter mean nothing.
            self.lanes.iter_mut().for_each(|l| l.errors = [0.0; MOST_TAPS]);
        }
        self.target = target;
    }

    /// Audio thread. Back to the beginning, stopped.
    pub fn reset(&mut self) {
        self.silent = self.blank;
        self.restart();
    }

    /// LSB in full scale.
    pub fn scale(&self) -> f64 {
        (1u64 << (self.target.bits - 1)) as f64
    }

    /// Audio thread. Begins a frame, of which all channels are exactly zero or not.
    #[inline(always)]
    pub fn begin(&mut self, silent: bool) {
        if !silent {
            self.silent = 0;
        } else if self.silent < self.blank {
            self.silent += 1;
            if self.silent == self.blank {
                self.restart();
            }
        }
    }

    /// Audio thread. One channel's sample of this frame, full scale ±1. Infinite ones are clipped; NaN must
    /// not come.
    #[inline(always)]
    pub fn next(&mut self, channel: usize, sample: f64) -> Quantised {
        let scale = self.scale();
        let blank = self.silent >= self.blank;
        let Some(lane) = self.lanes.get_mut(channel).filter(|_| !blank) else {
            return Quantised { value: 0.0, clipped: false };
        };
        let mut v = sample * scale;
        let order = self.target.shaper.order;
        for (c, e) in self.target.shaper.taps.iter().zip(&lane.errors).take(order) {
            v -= c * e;
        }
        let rounded = (v + lane.generator.triangular()).round_ties_even();
        let (low, high) = (-scale, scale - 1.0);
        let value = rounded.clamp(low, high);
        if order > 0 {
            lane.errors.copy_within(..MOST_TAPS - 1, 1);
            lane.errors[0] = (value - v).clamp(-MOST_ERROR, MOST_ERROR);
        }
        Quantised { value, clipped: value != rounded }
    }

    fn restart(&mut self) {
        for lane in &mut self.lanes {
            lane.generator = lane.first;
            lane.errors = [0.0; MOST_TAPS];
        }
    }
}

#[cfg(test)]
mod tests;
