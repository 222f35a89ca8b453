// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pure integer delay of whole frames, the only kind there is between paths.

use super::{Frames, QUANTUM, SILENCE};

/// Delays each channel by the same number of frames. Bit-exact; zero frames is a copy.
#[derive(Debug, Clone)]
pub struct DelayLine {
    frames: usize,
    /// By channel: the newest quanta in a ring, so many as reach back.
    channels: Vec<Vec<Frames>>,
    newest: usize,
}

impl DelayLine {
    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "control side: built before it runs"
    )]
    pub fn new(channels: usize, frames: usize) -> Self {
        let ring = vec![SILENCE; frames.div_ceil(QUANTUM) + 1];
        DelayLine { frames, channels: vec![ring; channels], newest: 0 }
    }

    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(|c| c.fill(SILENCE));
    }

    /// Audio thread. `input` and `output` have the channels given at `new`.
    pub fn process(&mut self, input: &[Frames], output: &mut [Frames]) {
        self.push(input);
        self.read(output);
    }

    /// Audio thread. Takes the newest quantum.
    pub fn push(&mut self, input: &[Frames]) {
        self.newest = (self.newest + 1) % (self.frames.div_ceil(QUANTUM) + 1);
        for (ring, i) in self.channels.iter_mut().zip(input) {
            ring[self.newest] = *i;
        }
    }

    /// Audio thread. The quantum that is as late as it should be.
    pub fn read(&self, output: &mut [Frames]) {
        let (back, over) = (self.frames / QUANTUM, self.frames % QUANTUM);
        for (ring, o) in self.channels.iter().zip(output) {
            let at = |back: usize| &ring[(self.newest + ring.len() - back) % ring.len()];
            if over == 0 {
                *o = *at(back);
            } else {
                o[over..].copy_from_slice(&at(back)[..QUANTUM - over]);
                o[..over].copy_from_slice(&at(back + 1)[QUANTUM - over..]);
            }
        }
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
