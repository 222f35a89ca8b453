// SPDX-License-Identifier: MIT OR Apache-2.0
//! The gain path of a channel, or of a link group: from what each frame allows to the gain applied. Audio thread.
//!
//! All in octaves of amplitude. The need of a frame is how far the input gain is above the least that the window
//! allows; the leveller takes a share of it slowly, the peak stage the rest at once. What they take together is
//! never less than the need, whatever the leveller does, and the boxes only average it.

use crate::dsp::box_cascade::BoxCascade;
use crate::dsp::math::exp2;
use crate::dsp::sliding_min::SlidingMin;
use crate::dsp::{Aligned, Frames, QUANTUM, SILENCE};

use super::style::Style;

/// Above any input gain: what a frame of silence allows.
pub const FREE: f64 = 4.0;
/// A reduction that is left to give back and taken as none: 2^-34 octaves.
const SNAP: f64 = 1.0 / (1u64 << 34) as f64;
/// How far below its goal the leveller aims on its way back: 0.006 dB, in octaves.
const ARRIVES: f64 = 1.0 / 1024.0;
/// Time in which a reduction is taken as one that lasts, in seconds.
const LASTS_SECONDS: f64 = 0.8;

#[inline(always)]
pub fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
pub fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The highest of values ≥ 0.
#[inline(always)]
pub fn highest(x: &Frames) -> f64 {
    let mut tops = [0.0; 16];
    for x in x.as_chunks::<16>().0 {
        for i in 0..16 {
            tops[i] = max(tops[i], x[i]);
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            tops[i] = max(tops[i], tops[i + half]);
        }
    }
    tops[0]
}

/// What `1 - keep` of a pole is after a quantum, for a time in frames.
fn per_quantum(frames: f64) -> f64 {
    1.0 - exp2(-std::f64::consts::LOG2_E * QUANTUM as f64 / max(frames, 1.0))
}

/// The input gain of a quantum in octaves.
pub struct Drive {
    pub octaves: Frames,
    /// By how much it is lower than in the frame before; `None`: it stands still.
    pub falls: Option<Frames>,
}

/// Times of a quantum; worked out anew only when the release moves.
#[derive(Clone, Debug)]
pub struct Times {
    /// Of the peak stage, frames.
    release: f64,
    isolated: f64,
    share: f64,
    /// Parts of the way that the leveller goes in a quantum, down and up.
    attack: f64,
    recover: f64,
    /// The same of the memory of what lasts.
    remember: f64,
    forget: f64,
}

impl Times {
    /// `release_ms` as set. What the boxes add to 63 % is taken out of the time stated.
    pub fn new(style: &Style, release_ms: f64, rate: f64, (mean, variance): (f64, f64)) -> Times {
        let ms = 0.001 * rate;
        let stated = release_ms * style.release * ms;
        let release = max(stated - mean - 0.5 * variance / stated, 1.0);
        Times {
            release,
            isolated: style.isolated,
            share: style.share,
            attack: per_quantum(style.attack_ms * ms),
            recover: per_quantum(stated * style.lasting),
            remember: per_quantum(LASTS_SECONDS * rate),
            forget: per_quantum(8.0 * stated),
        }
    }
}

/// One path.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `minimum` | least gain allowed in the window, octaves | frame |
/// | `level` | reduction of the leveller, octaves | quantum |
/// | `peak` | reduction of the peak stage, octaves | frame |
/// | `lasts` | what of that has lasted, octaves | quantum |
/// | `keep` | what the peak stage keeps from frame to frame | quantum |
/// | `boxes` | the smoothing | frame |
#[derive(Clone, Debug)]
pub struct Path {
    minimum: SlidingMin,
    level: f64,
    peak: f64,
    lasts: f64,
    keep: f64,
    pub boxes: BoxCascade,
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl Path {
    /// A lookahead and a longest window in frames, an input gain in octaves.
    pub fn new(lookahead: usize, longest: usize, drive: f64) -> Path {
        Path {
            minimum: SlidingMin::new(longest, FREE),
            level: 0.0,
            peak: 0.0,
            lasts: 0.0,
            keep: 0.0,
            boxes: BoxCascade::new(lookahead, drive),
        }
    }
}

impl Path {
    pub fn reset(&mut self, drive: f64) {
        self.minimum.reset();
        (self.level, self.peak, self.lasts) = (0.0, 0.0, 0.0);
        self.boxes.reset(drive);
    }

    /// As `other`, of the same lengths.
    pub fn copy(&mut self, other: &Path) {
        self.minimum.copy(&other.minimum);
        (self.level, self.peak, self.lasts) = (other.level, other.peak, other.lasts);
        self.boxes.copy(&other.boxes);
    }

    /// What the frames allow becomes what they need, over a window of frames.
    #[inline(always)]
    pub fn need(&mut self, x: &mut Frames, window: usize, drive: &Drive) {
        self.minimum.process(x, window);
        // A need that the boxes' fixed point cannot tell from none would be none.
        let least = self.boxes.step();
        for (x, d) in x.iter_mut().zip(&drive.octaves) {
            let need = *d - *x;
            let some = if need > least { need } else { least };
            *x = if need > 0.0 { some } else { 0.0 };
        }
    }

    /// The leveller's reduction, from frame to frame.
    #[inline(always)]
    pub fn leveller(&mut self, need: &Frames, times: &Times, drive: &Drive) -> Frames {
        if times.share == 0.0 {
            return SILENCE;
        }
        let goal = times.share * highest(need);
        let from = self.level;
        let to = if goal > from {
            from + times.attack * (goal - from)
        } else {
            // It aims a little lower, so that it arrives.
            max(from + times.recover * (goal - ARRIVES - from), goal)
        };
        let step = (to - from) * (1.0 / QUANTUM as f64);
        let mut level: Frames = std::array::from_fn(|i| from + step * (i + 1) as f64);
        level[QUANTUM - 1] = to;
        if let Some(falls) = &drive.falls {
            // An input gain that falls takes the reduction with it, and the level stays.
            let mut fallen = 0.0;
            for (l, f) in level.iter_mut().zip(falls) {
                fallen += f;
                *l = max(*l - fallen, 0.0);
            }
        }
        self.level = level[QUANTUM - 1];
        level
    }

    /// What the peak stage keeps from frame to frame. It takes a while and hangs on the quantum before alone, so it is
    /// begun early.
    #[inline(always)]
    pub fn begin(&mut self, times: &Times) {
        let lasting = if self.lasts < self.peak { self.lasts / self.peak } else { 1.0 };
        let tau = times.release * (times.isolated + (1.0 - times.isolated) * lasting);
        self.keep = exp2(-std::f64::consts::LOG2_E / tau);
    }

    /// The peak stage, once begun: up to `x` at once, back with the release. In place.
    #[inline(always)]
    pub fn peaks(&mut self, x: &mut Frames, times: &Times, drive: &Drive) {
        let keep = self.keep;
        match &drive.falls {
            None => fade(x, self.peak, keep),
            Some(falls) => {
                let mut r = self.peak;
                for (x, f) in x.iter_mut().zip(falls) {
                    let back = (r - f) * keep;
                    r = if back > max(*x, SNAP) { back } else { *x };
                    *x = r;
                }
            }
        }
        self.peak = x[QUANTUM - 1];
        let part = if self.peak > self.lasts { times.remember } else { times.forget };
        self.lasts += part * (self.peak - self.lasts);
    }
}

/// `x[n] = max(x[n], keep · x[n−1])` from `before` on: the highest of 64 frames as each has faded by then. Frames 32,
/// 16 and 8 apart are whole registers apart; those nearer are all put to each other at once.
#[inline(always)]
fn fade(x: &mut Frames, before: f64, keep: f64) {
    const PAST: usize = 8;
    let [k1, k2, k4] = [keep, keep * keep, (keep * keep) * (keep * keep)];
    let [k3, k5, k6, k8] = [k2 * k1, k4 * k1, k4 * k2, k4 * k4];
    let (k7, k16) = (k4 * k3, k8 * k8);
    let Aligned(y) = &mut Aligned([0.0; PAST + QUANTUM]);
    y[PAST..].copy_from_slice(x);
    y[PAST] = max(y[PAST], before * k1);
    later::<32>(&mut y[PAST..], k16 * k16);
    later::<16>(&mut y[PAST..], k16);
    later::<8>(&mut y[PAST..], k8);
    let [y7, y6, y5, y4, y3, y2, y1, y0] = std::array::from_fn(|k| &y[k + 1..k + 1 + QUANTUM]);
    for i in 0..QUANTUM {
        let near = max(max(y0[i], y1[i] * k1), max(y2[i] * k2, y3[i] * k3));
        let far = max(max(y4[i] * k4, y5[i] * k5), max(y6[i] * k6, y7[i] * k7));
        let faded = max(near, far);
        x[i] = if faded < SNAP { x[i] } else { faded };
    }
}

/// What stands BY frames before comes on, faded by `keep`; the last first, so that nothing comes on twice.
#[inline(always)]
fn later<const BY: usize>(x: &mut [f64], keep: f64) {
    for from in (0..QUANTUM - BY).step_by(BY).rev() {
        let (old, new) = x[from..from + 2 * BY].split_at_mut(BY);
        new.iter_mut().zip(&*old).for_each(|(new, old)| *new = max(*new, *old * keep));
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_quantum_fades_as_one_frame_after_the_other() {
        let mut seed = 5u64;
        for keep in [0.0, 0.3, 0.99, 0.9997] {
            let mut before = 0.7;
            for _ in 0..50 {
                let x: Frames = std::array::from_fn(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let v = (seed >> 40) as f64 / 16_777_216.0;
                    if v > 0.9 { v } else { 0.0 }
                });
                let mut y = x;
                fade(&mut y, before, keep);
                for (x, y) in x.iter().zip(&y) {
                    before = x.max(before * keep);
                    assert!((y - before).abs() < 1e-13 || *y == 0.0 && before < SNAP, "{y} for {before}");
                }
            }
        }
    }
}
