// SPDX-License-Identifier: MIT OR Apache-2.0
//! The minimum over a sliding window whose length may change from quantum to quantum, in bounded work.
//!
//! Windows of 1, 2, 4 … 64 frames are doubled up: `m₂ₖ[n] = min(mₖ[n], mₖ[n−k])`; a longer one is the minimum of
//! windows of 64 that lie side by side, the last of them overlapping to make the length. All lane-wise, without
//! a branch on the signal: a monotone queue has a worst case that depends on it.

use super::quantum_ring::QuantumRing;
use super::{Frames, QUANTUM};

/// Doublings up to a quantum.
const STEPS: usize = QUANTUM.ilog2() as usize;

/// `out[n] = min(x[n], x[n−1], …, x[n−length+1])`.
#[derive(Clone, Debug)]
pub struct SlidingMin {
    rest: f64,
    longest: usize,
    /// The last quantum and this one of the minima over 1, 2, 4 … 32 frames.
    short: [[f64; 2 * QUANTUM]; STEPS],
    /// Minima over 64 frames.
    long: QuantumRing,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl SlidingMin {
    /// Windows of up to `longest` frames; before the stream every value was `rest`.
    pub fn new(longest: usize, rest: f64) -> Self {
        SlidingMin {
            rest,
            longest: longest.max(1),
            short: [[rest; 2 * QUANTUM]; STEPS],
            long: QuantumRing::new(longest, rest),
        }
    }
}

impl SlidingMin {
    pub fn reset(&mut self) {
        self.short.fill([self.rest; 2 * QUANTUM]);
        self.long.fill(self.rest);
    }

    /// Audio thread. As `other`, of the same longest window.
    pub fn copy(&mut self, other: &SlidingMin) {
        self.short = other.short;
        self.long.copy(&other.long);
    }

    /// Audio thread. One quantum in place, over a window of `length` frames, at least 1 and at most the longest.
    #[inline(always)]
    pub fn process(&mut self, x: &mut Frames, length: usize) {
        let length = length.clamp(1, self.longest);
        for (step, row) in self.short.iter_mut().enumerate() {
            row.copy_within(QUANTUM.., 0);
            row[QUANTUM..].copy_from_slice(x);
            lower(x, &row[QUANTUM - (1 << step)..]);
        }
        self.long.push(x);
        if length < QUANTUM {
            let step = length.ilog2() as usize;
            let row = &self.short[step.min(STEPS - 1)];
            x.copy_from_slice(&row[QUANTUM..]);
            lower(x, &row[QUANTUM - (length - (1 << step))..]);
            return;
        }
        for back in 1..length / QUANTUM {
            lower(x, self.long.row(back));
        }
        if !length.is_multiple_of(QUANTUM) {
            let mut last = [0.0; QUANTUM];
            self.long.read(length - QUANTUM, &mut last);
            lower(x, &last);
        }
    }
}

/// Lowers `x` to what stands at the beginning of `to`.
#[inline(always)]
fn lower(x: &mut Frames, to: &[f64]) {
    // One instruction, unlike `f64::min`, which has rules for NaN.
    x.iter_mut().zip(to).for_each(|(x, t)| *x = if *t < *x { *t } else { *x });
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
