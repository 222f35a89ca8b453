// SPDX-License-Identifier: MIT OR Apache-2.0
//! A history of one signal in whole quanta, read any number of frames back by copies of at most two pieces.

use super::{Frames, QUANTUM};

/// The newest quanta of one signal.
#[derive(Clone, Debug)]
pub struct QuantumRing {
    rows: Vec<Frames>,
    newest: usize,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl QuantumRing {
    /// Reaches `frames` back from the newest quantum; before the stream every value was `rest`.
    pub fn new(frames: usize, rest: f64) -> Self {
        QuantumRing { rows: vec![[rest; QUANTUM]; frames.div_ceil(QUANTUM) + 1], newest: 0 }
    }
}

impl QuantumRing {
    /// As if every value had been `rest`.
    pub fn fill(&mut self, rest: f64) {
        self.rows.fill([rest; QUANTUM]);
    }

    /// Audio thread. As `other`, of the same length.
    pub fn copy(&mut self, other: &QuantumRing) {
        self.rows.copy_from_slice(&other.rows);
        self.newest = other.newest;
    }

    /// Audio thread.
    #[inline(always)]
    pub fn push(&mut self, quantum: &Frames) {
        self.newest = if self.newest + 1 == self.rows.len() { 0 } else { self.newest + 1 };
        self.rows[self.newest] = *quantum;
    }

    /// Audio thread. The quantum `back` quanta before the newest.
    #[inline(always)]
    pub fn row(&self, back: usize) -> &Frames {
        let n = self.rows.len();
        let back = back % n;
        &self.rows[if back <= self.newest { self.newest - back } else { self.newest + n - back }]
    }

    /// Audio thread. What was there `frames` before the newest quantum.
    #[inline(always)]
    pub fn read(&self, frames: usize, out: &mut Frames) {
        let (back, over) = (frames / QUANTUM, frames % QUANTUM);
        if over == 0 {
            *out = *self.row(back);
        } else {
            out[over..].copy_from_slice(&self.row(back)[..QUANTUM - over]);
            out[..over].copy_from_slice(&self.row(back + 1)[QUANTUM - over..]);
        }
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
                let mut out = [0.0; QUANTUM];
                ring.read(frames, &mut out);
                for (i, v) in out.iter().enumerate() {
                    let n = (q * QUANTUM + i) as f64 - frames as f64;
                    assert_eq!(*v, n.max(-1.0), "{frames} back");
                }
            }
        }
    }
}
