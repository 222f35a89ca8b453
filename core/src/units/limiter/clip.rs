// SPDX-License-Identifier: MIT OR Apache-2.0
//! The soft clip ahead of the limiting: takes the tips off the loudest peaks. Audio thread.
//!
//! The signal is oversampled only to see what the curve takes away; that is brought down, with the stop edge at
//! half the rate, and subtracted from the delayed input. So what is not clipped passes with every bit, and
//! nothing of what is above the pass band comes or goes.

use crate::dsp::oversample::{OversampleFilters, Oversampler, Stop};
use crate::dsp::quantum_ring::QuantumRing;
use crate::dsp::soft_knee::{excess, onset};
use crate::dsp::{Frames, QUANTUM, SILENCE};

pub struct Clip {
    filters: OversampleFilters,
    channels: Vec<Channel>,
    /// Quanta until the filters have forgotten.
    reach: usize,
    /// The settings of the frame before: `over` and `share`.
    before: (f64, f64),
}

struct Channel {
    oversampler: Oversampler,
    delayed: QuantumRing,
    /// Quanta since something was taken away, up to `reach`.
    quiet: usize,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Clip {
    /// `before`: 1 over the ceiling, and 1 less the gain at the depth, before the stream.
    pub fn new(rate: f64, channels: usize, factor: usize, before: (f64, f64)) -> Clip {
        let filters = OversampleFilters::new(rate, factor, Stop::Nyquist);
        let reach = 2 * filters.latency() / QUANTUM + 2;
        let channel = || Channel {
            oversampler: Oversampler::new(&filters),
            delayed: QuantumRing::new(filters.latency(), 0.0),
            quiet: reach,
        };
        Clip { channels: (0..channels).map(|_| channel()).collect(), reach, filters, before }
    }
}

impl Clip {
    pub fn reset(&mut self) {
        for c in &mut self.channels {
            c.oversampler.reset();
            c.delayed.fill(0.0);
            c.quiet = self.reach;
        }
    }

    pub fn latency(&self) -> usize {
        self.filters.latency()
    }

    /// In place. `over` is 1 over the ceiling of each frame, in terms of `audio`; `share` of each frame is 1 less
    /// the gain at the depth.
    pub fn process(&mut self, audio: &mut [Frames], over: &Frames, share: &Frames) {
        let (latency, factor) = (self.filters.latency(), self.filters.factor());
        let most = over.iter().fold(0.0, |m, o| if *o > m { *o } else { m });
        for (c, x) in self.channels.iter_mut().zip(audio) {
            c.delayed.push(x);
            let top = c.oversampler.up(&self.filters, x);
            *x = *c.delayed.at(latency);
            let highest = top.iter().fold(0.0, |m: f64, v| if v.abs() > m { v.abs() } else { m });
            let clips = highest * most > onset();
            c.quiet = if clips { 0 } else { (c.quiet + 1).min(self.reach) };
            if c.quiet == self.reach {
                // What is left in the filters is silence.
                continue;
            }
            if clips {
                // Settings that move do so within the frame, too: steps at the rate would mix with harmonics.
                let (mut o, mut s) = self.before;
                for ((frame, over), share) in top.chunks_exact_mut(factor).zip(over).zip(share) {
                    let (by, sy) = ((over - o) / factor as f64, (share - s) / factor as f64);
                    for (k, v) in frame.iter_mut().enumerate() {
                        let k = (k + 1) as f64;
                        *v = excess(*v, o + by * k, s + sy * k);
                    }
                    (o, s) = (*over, *share);
                }
            } else {
                top.fill(0.0);
            }
            let mut taken = SILENCE;
            c.oversampler.down(&self.filters, &mut taken);
            x.iter_mut().zip(&taken).for_each(|(x, t)| *x -= *t);
        }
        self.before = (over[QUANTUM - 1], share[QUANTUM - 1]);
    }
}
