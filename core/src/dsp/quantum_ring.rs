// SPDX-License-Identifier: MIT OR Apache-2.0
//! A history of one signal in whole quanta, read in place any number of frames back.

use super::QUANTUM;

/// The newest quanta of one signal.
#[derive(Debug)]
pub struct QuantumRing<T = f64> {
    /// From `first` on, all of it twice over, so that any 64 frames lie in one piece.
    values: Vec<T>,
    /// Where a cache line begins.
    first: usize,
    rows: usize,
    newest: usize,
    rest: [T; QUANTUM],
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl<T: Copy> QuantumRing<T> {
    /// Reaches `frames` back from the newest quantum; before the stream every value was `rest`.
    pub fn new(frames: usize, rest: T) -> Self {
        let rows = frames.div_ceil(QUANTUM) + 1;
        let values = vec![rest; (2 * rows + 1) * QUANTUM];
        let first = values.as_ptr().align_offset(64).min(QUANTUM);
        QuantumRing { values, first, rows, newest: 0, rest: [rest; QUANTUM] }
    }
}

impl<T: Copy> Clone for QuantumRing<T> {
    fn clone(&self) -> Self {
        let mut ring = QuantumRing::new((self.rows - 1) * QUANTUM, self.rest[0]);
        ring.copy(self);
        ring
    }
}

impl<T: Copy> QuantumRing<T> {
    /// As if every value had been `rest`.
    pub fn fill(&mut self, rest: T) {
        self.values.fill(rest);
    }

    /// Audio thread. As `other`, of the same length.
    pub fn copy(&mut self, other: &QuantumRing<T>) {
        let frames = 2 * self.rows * QUANTUM;
        if let (Some(to), Some(from)) = (
            self.values.get_mut(self.first..self.first + frames),
            other.values.get(other.first..other.first + frames),
        ) {
            to.copy_from_slice(from);
        }
        self.newest = other.newest;
    }

    /// How many quanta are remembered.
    pub fn quanta(&self) -> usize {
        self.rows
    }

    /// Audio thread.
    #[inline(always)]
    pub fn push(&mut self, quantum: &[T; QUANTUM]) {
        self.newest = if self.newest + 1 == self.rows { 0 } else { self.newest + 1 };
        for row in [self.newest, self.newest + self.rows] {
            if let Some(to) =
                self.values.get_mut(self.first + row * QUANTUM..).and_then(|v| v.first_chunk_mut())
            {
                *to = *quantum;
            }
        }
    }

    /// Audio thread. What was there `frames` before the newest quantum.
    #[inline(always)]
    pub fn at(&self, frames: usize) -> &[T; QUANTUM] {
        debug_assert!(frames <= (self.rows - 1) * QUANTUM, "{frames} back of {} quanta", self.rows);
        let from = (self.first + (self.newest + self.rows) * QUANTUM).wrapping_sub(frames);
        self.values.get(from..).and_then(|v| v.first_chunk()).unwrap_or(&self.rest)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn any_delay_reads_exactly() {
        for frames in [0, 1, 5, 63, 64, 65, 100, 128, 1000] {
            let mut ring = QuantumRing::new(frames, -1.0);
            for q in 0..40 {
                ring.push(&std::array::from_fn(|i| (q * QUANTUM + i) as f64));
                for (i, v) in ring.at(frames).iter().enumerate() {
                    let n = (q * QUANTUM + i) as f64 - frames as f64;
                    assert_eq!(*v, n.max(-1.0), "{frames} back");
                }
            }
        }
    }
}
