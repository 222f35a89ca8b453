// SPDX-License-Identifier: MIT OR Apache-2.0
//! The minimum over a sliding window of any length, with the same work in every quantum.
//!
//! Windows of 1, 2, 4 … frames are doubled up: `m₂ₖ[n] = min(mₖ[n], mₖ[n−k])`; the last two overlap to
//! make the length. That is log₂(length) minima a frame, all lane-wise, without a branch on the signal:
//! a monotone queue has a worst case that depends on it.

use super::{Frames, QUANTUM};

/// A delay of fewer frames than a quantum.
#[derive(Clone, Debug)]
struct Short {
    frames: usize,
    /// The last quantum and this one.
    buffer: [f64; 2 * QUANTUM],
}

/// A delay of whole quanta.
#[derive(Clone, Debug)]
struct Long {
    ring: Vec<Frames>,
    pos: usize,
}

/// `out[n] = min(x[n], x[n−1], …, x[n−length+1])`.
#[derive(Clone, Debug)]
pub struct SlidingMin {
    rest: f64,
    short: Vec<Short>,
    long: Vec<Long>,
    /// What the last doubling overlaps with: a delay of any length below the window's half.
    last: Vec<f64>,
    pos: usize,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl SlidingMin {
    /// A window of `length` ≥ 1 frames; before the stream every value was `rest`.
    pub fn new(length: usize, rest: f64) -> Self {
        let mut m = SlidingMin { rest, short: Vec::new(), long: Vec::new(), last: Vec::new(), pos: 0 };
        let mut k = 1;
        while 2 * k <= length {
            if k < QUANTUM {
                m.short.push(Short { frames: k, buffer: [rest; 2 * QUANTUM] });
            } else {
                m.long.push(Long { ring: vec![[rest; QUANTUM]; k / QUANTUM], pos: 0 });
            }
            k *= 2;
        }
        m.last = vec![rest; length - k];
        m
    }
}

impl SlidingMin {
    pub fn reset(&mut self) {
        let rest = self.rest;
        self.short.iter_mut().for_each(|s| s.buffer.fill(rest));
        self.long.iter_mut().for_each(|l| l.ring.fill([rest; QUANTUM]));
        self.last.fill(rest);
    }

    /// Audio thread. One quantum in place.
    pub fn process(&mut self, x: &mut Frames) {
        for s in &mut self.short {
            s.buffer.copy_within(QUANTUM.., 0);
            s.buffer[QUANTUM..].copy_from_slice(x);
            let before = &s.buffer[QUANTUM - s.frames..2 * QUANTUM - s.frames];
            x.iter_mut().zip(before).for_each(|(v, b)| *v = min(*v, *b));
        }
        for l in &mut self.long {
            let before = std::mem::replace(&mut l.ring[l.pos], *x);
            l.pos = if l.pos + 1 == l.ring.len() { 0 } else { l.pos + 1 };
            x.iter_mut().zip(&before).for_each(|(v, b)| *v = min(*v, *b));
        }
        if self.last.is_empty() {
            return;
        }
        let mut pos = self.pos;
        for v in x.iter_mut() {
            let before = std::mem::replace(&mut self.last[pos], *v);
            *v = min(*v, before);
            pos = if pos + 1 == self.last.len() { 0 } else { pos + 1 };
        }
        self.pos = pos;
    }
}

/// One instruction, unlike `f64::min`, which has rules for NaN.
#[inline(always)]
fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn any_length_agrees_with_the_definition() {
        for length in [1, 2, 3, 5, 63, 64, 65, 96, 127, 128, 129, 200, 576, 1000, 5760] {
            let mut seed = 1u64;
            let x: Vec<f64> = (0..64 * 120)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (seed >> 40) as f64 / 16_777_216.0
                })
                .collect();
            let mut m = SlidingMin::new(length, 1.0);
            let mut y = Vec::new();
            for q in x.chunks(64) {
                let mut f: Frames = q.try_into().unwrap();
                m.process(&mut f);
                y.extend(f);
            }
            for n in 0..x.len() {
                let from = (n + 1).saturating_sub(length);
                let want = x[from..=n].iter().copied().fold(1.0, f64::min);
                assert_eq!(y[n], want, "window {length}, frame {n}");
            }
        }
    }
}
