// SPDX-License-Identifier: MIT OR Apache-2.0
//! What needs no memory: rotation, balance, mid against side, width. Every value is one of its frame.
//! Audio thread, but for `new` of [`Balance`].

use super::P;
use crate::dsp::math::quantum;
use crate::dsp::ramp::Quintic;
use crate::dsp::simd::Class;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::{Block, GLIDE_MS, Ramp, ramp_frames};

/// The gains of left and right on their way. The law of `balance` has a corner at the centre, so they travel, not it.
pub struct Balance {
    gains: [Quintic; 2],
    /// Where they are to go, and in which frame of the coming quantum they set out.
    next: Option<([f64; 2], usize)>,
    travel: u32,
}

impl Balance {
    /// Control side.
    pub fn new(gains: [f64; 2], sample_rate: u32) -> Self {
        Balance { gains: gains.map(Quintic::at), next: None, travel: ramp_frames(GLIDE_MS, sample_rate) }
    }

    pub fn go(&mut self, gains: [f64; 2], at: usize) {
        self.next = Some((gains, at.min(QUANTUM - 1)));
    }

    /// The gains of this quantum; `None`: both are 1.
    fn advance(&mut self) -> Option<[Frames; 2]> {
        let rests = self.next.is_none() && self.gains.iter().all(|g| !g.is_moving() && g.value() == 1.0);
        if rests {
            return None;
        }
        let mut out = [[1.0; QUANTUM]; 2];
        for i in 0..QUANTUM {
            if let Some((to, _)) = self.next.filter(|n| n.1 == i) {
                self.next = None;
                for (gain, to) in self.gains.iter_mut().zip(to) {
                    if gain.target() != to {
                        gain.go(to, self.travel);
                    }
                }
            }
            for (out, gain) in out.iter_mut().zip(&mut self.gains) {
                out[i] = gain.next_frame();
            }
        }
        Some(out)
    }
}

/// The factors of one quantum; `None` where there is nothing to do.
pub struct Picture {
    /// Cosine and sine of the rotation.
    turn: Option<[Frames; 2]>,
    balance: Option<[Frames; 2]>,
    /// Gains of mid and side.
    gains: Option<[Frames; 2]>,
}

impl Picture {
    pub fn new(block: &Block<'_>, balance: &mut Balance, class: Class) -> Picture {
        let turn = match block.ramp(P::Rotation) {
            Ramp::Hold(0.0) => None,
            angle => Some(each(angle, turn)),
        };
        Picture { turn, balance: balance.advance(), gains: gains(block, class) }
    }

    /// One pair in place.
    pub fn apply(&self, audio: &mut [Frames], (l, r): (usize, usize)) {
        if self.turn.is_none() && self.balance.is_none() && self.gains.is_none() {
            return;
        }
        let (mut left, mut right) = (audio[l], audio[r]);
        if let Some([cos, sin]) = &self.turn {
            for i in 0..QUANTUM {
                let (x, y) = (left[i], right[i]);
                left[i] = cos[i] * x - sin[i] * y;
                right[i] = sin[i] * x + cos[i] * y;
            }
        }
        if let Some([a, b]) = &self.balance {
            for i in 0..QUANTUM {
                left[i] *= a[i];
                right[i] *= b[i];
            }
        }
        if let Some([a, b]) = &self.gains {
            for i in 0..QUANTUM {
                let mid = (left[i] + right[i]) * (0.5 * a[i]);
                let side = (left[i] - right[i]) * (0.5 * b[i]);
                left[i] = mid + side;
                right[i] = mid - side;
            }
        }
        (audio[l], audio[r]) = (left, right);
    }
}

/// Two factors for every frame; worked out once where the value stands still.
fn each(ramp: Ramp<'_>, f: impl Fn(f64) -> [f64; 2]) -> [Frames; 2] {
    let (mut a, mut b) = (SILENCE, SILENCE);
    let mut last = f(ramp.at(0));
    for (i, (a, b)) in a.iter_mut().zip(&mut b).enumerate() {
        if i > 0 && ramp.is_moving() {
            last = f(ramp.at(i));
        }
        [*a, *b] = last;
    }
    [a, b]
}

/// Cosine and sine of an angle in degrees up to ±90; exact at 0 and ±90, and equal at ±45.
fn turn(degrees: f64) -> [f64; 2] {
    const RADIANS: f64 = std::f64::consts::PI / 180.0;
    [libm::sin((90.0 - degrees.abs()) * RADIANS), libm::sin(degrees * RADIANS)]
}

/// Gains of mid and side.
fn gains(block: &Block<'_>, class: Class) -> Option<[Frames; 2]> {
    let (width, power, balance) =
        (block.ramp(P::Width), block.ramp(P::ConstantPower), block.ramp(P::MidSide));
    if matches!((width, balance), (Ramp::Hold(100.0), Ramp::Hold(0.0))) {
        return None;
    }
    // The common gain of constant power, and the width.
    let [mut mid, mut side] = each(width, |w| {
        let w = 0.01 * w;
        [(2.0 / (1.0 + w * w)).sqrt(), w]
    });
    for (i, (m, s)) in mid.iter_mut().zip(&mut side).enumerate() {
        *m = 1.0 + power.at(i) * (*m - 1.0);
        *s *= *m;
    }
    if !matches!(balance, Ramp::Hold(0.0)) {
        let mut lift: Frames = std::array::from_fn(|i| 0.5 * balance.at(i));
        quantum::db_to_gain(class, &mut lift);
        mid.iter_mut().zip(&lift).for_each(|(m, l)| *m /= l);
        side.iter_mut().zip(&lift).for_each(|(s, l)| *s *= l);
    }
    Some([mid, side])
}
