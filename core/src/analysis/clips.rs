// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clipping: runs of samples at full scale.
//!
//! The rule: a sample is *at full scale* when its magnitude is at least `full_scale`; a *run* is an unbroken
//! row of them of one sign in one channel. A run of one may be a peak that was normalised to full scale; three
//! or more in a row are a flat top, which no band-limited signal has by chance. Both are counted. A run goes on
//! from quantum to quantum and ends at a gap.

use serde::{Deserialize, Serialize};

use crate::dsp::Frames;

/// From so many samples on a run is a flat top.
pub const FLAT_TOP: u64 = 3;

/// The smallest magnitude that is full scale in integers of so many bits: their largest code.
pub fn full_scale(bits: u32) -> f64 {
    1.0 - libm::exp2(1.0 - f64::from(bits))
}

/// One channel's count since the reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clips {
    /// Samples at full scale.
    pub samples: u64,
    /// Runs of one and more, and of three and more.
    pub runs: u64,
    pub flat_tops: u64,
    /// Samples of the longest run.
    pub longest: u64,
}

#[derive(Clone, Debug)]
pub struct ClipCounter {
    full_scale: f64,
    channels: Vec<(Clips, u64, bool)>,
}

impl ClipCounter {
    /// `full_scale` is 1.0 for floating point; see [`full_scale`] for integers.
    pub fn new(channels: usize, full_scale: f64) -> Self {
        ClipCounter { full_scale, channels: vec![(Clips::default(), 0, false); channels] }
    }

    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(|c| *c = (Clips::default(), 0, false));
    }

    /// What comes next does not join what came before.
    pub fn gap(&mut self) {
        self.channels.iter_mut().for_each(|c| c.1 = 0);
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for ((clips, run, negative), x) in self.channels.iter_mut().zip(audio) {
            let any = x.iter().fold(false, |any, v| any | (v.abs() >= self.full_scale));
            if !any {
                *run = 0;
                continue;
            }
            for v in x {
                if v.abs() < self.full_scale {
                    *run = 0;
                    continue;
                }
                *run = if *run > 0 && *negative == (*v < 0.0) { *run + 1 } else { 1 };
                *negative = *v < 0.0;
                clips.samples += 1;
                clips.runs += u64::from(*run == 1);
                clips.flat_tops += u64::from(*run == FLAT_TOP);
                clips.longest = clips.longest.max(*run);
            }
        }
    }

    pub fn read(&self, channel: usize) -> Clips {
        self.channels[channel].0
    }

    pub(super) fn restore(&mut self, channel: usize, clips: Clips) {
        self.channels[channel] = (clips, 0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::SILENCE;

    #[test]
    fn runs_are_of_one_sign_and_go_on_over_quanta() {
        let mut c = ClipCounter::new(1, 1.0);
        let mut x = SILENCE;
        (x[3], x[10], x[11], x[20], x[21], x[22]) = (1.0, 1.0, -1.0, -1.2, -1.0, -1.0);
        (x[62], x[63]) = (1.0, 1.0);
        c.process(&[x]);
        let mut y = SILENCE;
        (y[0], y[1]) = (1.0, 1.0);
        c.process(&[y]);
        // One; two of two signs; three; four over the seam.
        assert_eq!(c.read(0), Clips { samples: 10, runs: 5, flat_tops: 2, longest: 4 });
        c.process(&[y]);
        c.gap();
        assert_eq!(c.read(0).runs, 6, "silence parts two runs");
        let (sixteen, below) = (full_scale(16), full_scale(16) - 1e-9);
        let mut c = ClipCounter::new(1, sixteen);
        (x[0], x[1]) = (32767.0 / 32768.0, below);
        c.process(&[x.map(|v| if v.abs() >= 1.0 { 0.0 } else { v })]);
        assert_eq!(c.read(0).samples, 1);
    }
}
