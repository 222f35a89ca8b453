// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pure integer delay of whole frames, the only kind there is between paths.

use super::{Frames, QUANTUM};

/// Delays each channel by the same number of frames. Bit-exact; zero frames is a copy.
#[derive(Debug, Clone)]
pub struct DelayLine {
    frames: usize,
    /// `ring[channel]` holds `frames` samples, the oldest at `pos`.
    ring: Vec<Vec<f64>>,
    pos: usize,
}

impl DelayLine {
    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "control side: built before it runs"
    )]
    pub fn new(channels: usize, frames: usize) -> Self {
        DelayLine { frames, ring: vec![vec![0.0; frames]; channels], pos: 0 }
    }

    pub fn reset(&mut self) {
        self.ring.iter_mut().for_each(|r| r.fill(0.0));
    }

    /// Audio thread. `input` and `output` have the channels given at `new`.
    pub fn process(&mut self, input: &[Frames], output: &mut [Frames]) {
        if self.frames == 0 {
            for (o, i) in output.iter_mut().zip(input) {
                *o = *i;
            }
            return;
        }
        let (len, start) = (self.frames, self.pos);
        for ((ring, i), o) in self.ring.iter_mut().zip(input).zip(output) {
            let mut pos = start;
            for (x, y) in i.iter().zip(o.iter_mut()) {
                *y = std::mem::replace(&mut ring[pos], *x);
                pos += 1;
                if pos == len {
                    pos = 0;
                }
            }
        }
        self.pos = (start + QUANTUM) % len;
    }

    pub fn latency(&self) -> usize {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_delays_exactly() {
        for frames in [0, 1, 5, 63, 64, 65, 100, 128, 1000] {
            let mut d = DelayLine::new(1, frames);
            let x: Vec<f64> = (0..64 * 40).map(|n| n as f64 + 1.0).collect();
            let mut y = Vec::new();
            for q in x.chunks(64) {
                let mut o = [[0.0; 64]];
                d.process(&[q.try_into().unwrap()], &mut o);
                y.extend(o[0]);
            }
            for (n, v) in y.iter().enumerate() {
                let want = if n < frames { 0.0 } else { x[n - frames] };
                assert_eq!(*v, want, "delay {frames}, frame {n}");
            }
        }
    }
}
