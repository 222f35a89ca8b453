// SPDX-License-Identifier: MIT OR Apache-2.0
//! The minimum over a sliding window whose length may change from quantum to quantum, in bounded work.
//!
//! Windows of 2, 4, 8 … 64 frames are two of half the length side by side; from 8 frames on the halves lie whole
//! registers apart. A longer window is the minimum of windows of 64 that lie side by side, the last of them
//! overlapping to make the length. No branch depends on the signal: a monotone queue has a worst case that does.

use super::quantum_ring::QuantumRing;
use super::{Aligned, Frames, QUANTUM};

/// `out[n] = min(x[n], x[n−1], …, x[n−length+1])`.
#[derive(Clone, Debug)]
pub struct SlidingMin {
    rest: f64,
    longest: usize,
    halves: Halves,
    /// Minima over 64 frames.
    long: QuantumRing,
}

/// What the steps to minima over 64 frames need of the past, in whole registers, then a quantum. The first of
/// them is kept for windows shorter than 64.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Halves {
    by32: [f64; 2 * QUANTUM],
    by16: [f64; 16 + QUANTUM],
    by8: [f64; 8 + QUANTUM],
    last: [f64; 8 + QUANTUM],
}

impl Halves {
    fn new(rest: f64) -> Halves {
        let (by32, by16) = ([rest; 2 * QUANTUM], [rest; 16 + QUANTUM]);
        Halves { by32, by16, by8: [rest; 8 + QUANTUM], last: [rest; 8 + QUANTUM] }
    }

    /// `x` becomes its minima over 64 frames.
    #[inline(always)]
    fn process(&mut self, x: &mut Frames) {
        pair::<64, 128>(&mut self.by32, x, 32);
        pair::<16, 80>(&mut self.by16, x, 16);
        pair::<8, 72>(&mut self.by8, x, 8);
        self.eight(x);
    }

    /// The minima over 8 frames of all those that lie 8 apart.
    #[inline(always)]
    fn eight(&mut self, x: &mut Frames) {
        let (past, newest) = self.last.split_at_mut(QUANTUM);
        past[..8].copy_from_slice(newest);
        self.last[8..].copy_from_slice(x);
        let [a, b, c, d, e, f, g] = std::array::from_fn(|k| &self.last[k + 1..k + 1 + QUANTUM]);
        for i in 0..QUANTUM {
            let low = min(min(min(a[i], b[i]), min(c[i], d[i])), min(min(e[i], f[i]), g[i]));
            x[i] = min(x[i], low);
        }
    }
}

/// `x[n]` becomes `min(x[n], x[n−by])`; `row` keeps the last P of `x`.
#[inline(always)]
fn pair<const P: usize, const N: usize>(row: &mut [f64; N], x: &mut Frames, by: usize) {
    let (past, newest) = row.split_at_mut(QUANTUM);
    past[..P].copy_from_slice(newest);
    row[P..].copy_from_slice(x);
    let from = &row[P - by..P - by + QUANTUM];
    x.iter_mut().zip(from).for_each(|(x, v)| *x = min(*x, *v));
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl SlidingMin {
    /// Windows of up to `longest` frames; before the stream every value was `rest`.
    pub fn new(longest: usize, rest: f64) -> Self {
        SlidingMin {
            rest,
            longest: longest.max(1),
            halves: Halves::new(rest),
            long: QuantumRing::new(longest, rest),
        }
    }
}

impl SlidingMin {
    pub fn reset(&mut self) {
        self.halves = Halves::new(self.rest);
        self.long.fill(self.rest);
    }

    /// Audio thread. As `other`, of the same longest window.
    pub fn copy(&mut self, other: &SlidingMin) {
        self.halves = other.halves.clone();
        self.long.copy(&other.long);
    }

    /// Audio thread. One quantum in place, over a window of `length` frames, at least 1 and at most the longest.
    #[inline(always)]
    pub fn process(&mut self, x: &mut Frames, length: usize) {
        let length = length.clamp(1, self.longest);
        self.halves.process(x);
        self.long.push(x);
        if length < QUANTUM {
            short(&self.halves.by32, length, x);
        } else {
            let mut low = Aligned(*x).0;
            for back in 1..length / QUANTUM {
                lower(&mut low, self.long.at(back * QUANTUM));
            }
            lower(&mut low, self.long.at(length - QUANTUM));
            *x = low;
        }
    }
}

/// Minima over fewer frames than a quantum, of two quanta.
#[inline(always)]
fn short(both: &[f64; 2 * QUANTUM], length: usize, out: &mut Frames) {
    let mut x = *both;
    let mut window = 1;
    while window < length {
        // The last doubling overlaps.
        let by = window.min(length - window);
        let was = x;
        for i in by..2 * QUANTUM {
            x[i] = min(was[i], was[i - by]);
        }
        window += by;
    }
    out.copy_from_slice(&x[QUANTUM..]);
}

/// One instruction, unlike `f64::min`, which has rules for NaN.
#[inline(always)]
fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// Lowers `x` to what stands at the beginning of `to`.
#[inline(always)]
fn lower(x: &mut Frames, to: &[f64]) {
    x.iter_mut().zip(to).for_each(|(x, t)| *x = min(*t, *x));
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f64> {
        let mut seed = 1u64;
        (0..n)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 40) as f64 / 16_777_216.0
            })
            .collect()
    }

    fn check(longest: usize, length: impl Fn(usize) -> usize) {
        let (x, mut m) = (noise(64 * 120), SlidingMin::new(longest, 1.0));
        for (q, quantum) in x.as_chunks::<QUANTUM>().0.iter().enumerate() {
            let (mut y, length) = (*quantum, length(q));
            m.process(&mut y, length);
            for (i, y) in y.iter().enumerate() {
                let n = q * QUANTUM + i;
                let want = x[(n + 1).saturating_sub(length)..=n].iter().copied().fold(1.0, f64::min);
                assert_eq!(*y, want, "window {length}, frame {n}");
            }
        }
    }

    #[test]
    fn any_length_agrees_with_the_definition() {
        for length in [1, 2, 3, 5, 63, 64, 65, 96, 127, 128, 129, 200, 576, 1000, 5760] {
            check(length, |_| length);
        }
    }

    #[test]
    fn so_does_one_that_changes() {
        check(700, |q| 1 + (q * 7919) % 700);
    }
}
