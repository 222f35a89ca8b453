// SPDX-License-Identifier: MIT OR Apache-2.0
//! The minimum over a sliding window whose length may change from quantum to quantum, in bounded work.
//!
//! The minimum over 64 frames is that of the quantum so far and of the rest of the one before (van Herk 1992, Gil
//! and Werman 1993); a longer one is the minimum of windows of 64 that lie side by side, the last of them
//! overlapping to make the length; a shorter one is doubled up from 1, 2, 4 … frames. No branch depends on the
//! signal: a monotone queue has a worst case that does.

use super::quantum_ring::QuantumRing;
use super::{Frames, QUANTUM};

/// Frames that are scanned one after the other; the runs of a quantum do not wait for each other.
const RUN: usize = 8;

/// `out[n] = min(x[n], x[n−1], …, x[n−length+1])`.
#[derive(Clone, Debug)]
pub struct SlidingMin {
    rest: f64,
    longest: usize,
    /// The quantum before, and its minima from each frame to its end.
    before: Frames,
    ending: Frames,
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
            before: [rest; QUANTUM],
            ending: [rest; QUANTUM],
            long: QuantumRing::new(longest, rest),
        }
    }
}

impl SlidingMin {
    pub fn reset(&mut self) {
        (self.before, self.ending) = ([self.rest; QUANTUM], [self.rest; QUANTUM]);
        self.long.fill(self.rest);
    }

    /// Audio thread. As `other`, of the same longest window.
    pub fn copy(&mut self, other: &SlidingMin) {
        (self.before, self.ending) = (other.before, other.ending);
        self.long.copy(&other.long);
    }

    /// Audio thread. One quantum in place, over a window of `length` frames, at least 1 and at most the longest.
    #[inline(always)]
    pub fn process(&mut self, x: &mut Frames, length: usize) {
        let length = length.clamp(1, self.longest);
        let now = *x;
        beginning(x);
        lower(x, &self.ending[1..]);
        self.long.push(x);
        if length < QUANTUM {
            short(&self.before, &now, length, x);
        }
        for back in 1..length / QUANTUM {
            lower(x, self.long.row(back));
        }
        if length > QUANTUM && !length.is_multiple_of(QUANTUM) {
            let mut last = [0.0; QUANTUM];
            self.long.read(length - QUANTUM, &mut last);
            lower(x, &last);
        }
        (self.before, self.ending) = (now, now);
        self.ending.reverse();
        beginning(&mut self.ending);
        self.ending.reverse();
    }
}

/// Minima from the first frame of the quantum on.
#[inline(always)]
fn beginning(x: &mut Frames) {
    let runs = x.as_chunks_mut::<RUN>().0;
    for run in runs.iter_mut() {
        for i in 1..RUN {
            run[i] = min(run[i], run[i - 1]);
        }
    }
    let mut least = f64::INFINITY;
    for run in runs {
        run.iter_mut().for_each(|v| *v = min(*v, least));
        least = run[RUN - 1];
    }
}

/// Minima over fewer frames than a quantum.
#[inline(always)]
fn short(before: &Frames, now: &Frames, length: usize, out: &mut Frames) {
    let mut x = [0.0; 2 * QUANTUM];
    x[..QUANTUM].copy_from_slice(before);
    x[QUANTUM..].copy_from_slice(now);
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
