// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dynamic range of the TT meter ("DR14"): how far the second-highest peak stands over the loud parts.
//!
//! Blocks of 3 s (at 44.1 kHz of 3 · 44 160 frames, as the original has it) without overlap. Of each, √(2 · mean
//! x²), so that a sine's is its peak, and the largest sample. `DR = 20 log10(peak₂ / √(mean r²))`, the mean over
//! the loudest fifth of the blocks (rounded down, at least one), peak₂ the second-largest block peak, and then
//! the mean of all channels that are not silent. The last block counts however short it is. Fewer than three
//! blocks have no DR. The rule is that of public implementations; there is no standard.
//!
//! Constant memory: levels are kept in bins of 0.01 dB with their exact sums ([`Histogram`]), so that only the
//! bin where the fifth ends counts with its mean. Blocks below −70 dBFS count as silent ones.

use super::decibels;
use super::histogram::{BadBin, Histogram, SavedBin};
use crate::dsp::{Frames, QUANTUM};

const SECONDS: usize = 3;
const LOUDEST: u64 = 5;
const FEWEST: u64 = 3;

/// One channel's blocks, as plain data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedDr {
    pub blocks: Vec<SavedBin>,
    /// The largest two block peaks.
    pub peaks: [f64; 2],
}

#[derive(Clone, Debug)]
struct Channel {
    blocks: Histogram,
    peaks: [f64; 2],
    squares: f64,
    peak: f64,
}

impl Channel {
    fn close(&mut self, frames: usize) {
        let mean = 2.0 * std::mem::take(&mut self.squares) / frames as f64;
        let peak = std::mem::take(&mut self.peak);
        self.blocks.add(mean);
        if peak > self.peaks[0] {
            self.peaks = [peak, self.peaks[0]];
        } else if peak > self.peaks[1] {
            self.peaks[1] = peak;
        }
    }

    fn dr(&self, blocks: u64) -> Option<f64> {
        let loudest = (blocks / LOUDEST).max(1);
        let level = (self.blocks.sum_of_largest(loudest) / loudest as f64).sqrt();
        (level > 0.0 && self.peaks[1] > 0.0).then(|| decibels(self.peaks[1]) - decibels(level))
    }
}

#[derive(Clone, Debug)]
pub struct DrMeter {
    length: usize,
    /// Frames in the open block.
    filled: usize,
    blocks: u64,
    channels: Vec<Channel>,
}

impl DrMeter {
    pub fn new(rate: u32, channels: usize) -> Self {
        let channel = Channel { blocks: Histogram::default(), peaks: [0.0; 2], squares: 0.0, peak: 0.0 };
        let second = if rate == 44_100 { 44_160 } else { rate as usize };
        DrMeter { length: SECONDS * second.max(1), filled: 0, blocks: 0, channels: vec![channel; channels] }
    }

    pub fn reset(&mut self) {
        self.gap();
        self.blocks = 0;
        for c in &mut self.channels {
            c.blocks.reset();
            c.peaks = [0.0; 2];
        }
    }

    /// What comes next does not join what came before: the open block is dropped.
    pub fn gap(&mut self) {
        self.filled = 0;
        self.channels.iter_mut().for_each(|c| (c.squares, c.peak) = (0.0, 0.0));
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.process_first(audio, QUANTUM);
    }

    /// The last quantum of a file, of which only the first `frames` are sound.
    pub fn process_first(&mut self, audio: &[Frames], frames: usize) {
        let mut from = 0;
        while from < frames.min(QUANTUM) {
            let to = (from + self.length - self.filled).min(frames);
            for (c, x) in self.channels.iter_mut().zip(audio) {
                for v in &x[from..to] {
                    c.squares += v * v;
                    c.peak = if v.abs() > c.peak { v.abs() } else { c.peak };
                }
            }
            self.filled += to - from;
            if self.filled == self.length {
                self.close();
            }
            from = to;
        }
    }

    fn close(&mut self) {
        self.channels.iter_mut().for_each(|c| c.close(self.filled));
        self.blocks += 1;
        self.filled = 0;
    }

    /// The sound is over: the last block counts as it is.
    pub fn finish(&mut self) {
        if self.filled > 0 {
            self.close();
        }
    }

    /// Of one channel in dB, before it is rounded; `None` if it is silent or shorter than three blocks.
    pub fn channel(&self, channel: usize) -> Option<f64> {
        (self.blocks >= FEWEST).then(|| self.channels[channel].dr(self.blocks))?
    }

    /// Mean of the channels in dB, before it is rounded to the whole number that is quoted.
    pub fn read(&self) -> Option<f64> {
        let of: Vec<f64> = (0..self.channels.len()).filter_map(|c| self.channel(c)).collect();
        (!of.is_empty()).then(|| of.iter().sum::<f64>() / of.len() as f64)
    }

    pub(super) fn save(&self) -> (u64, Vec<SavedDr>) {
        let save = |c: &Channel| SavedDr { blocks: c.blocks.save(), peaks: c.peaks };
        (self.blocks, self.channels.iter().map(save).collect())
    }

    pub(super) fn restore(&mut self, blocks: u64, channels: &[SavedDr]) -> Result<(), BadBin> {
        self.gap();
        self.blocks = blocks;
        for (c, saved) in self.channels.iter_mut().zip(channels) {
            c.blocks = Histogram::restore(&saved.blocks)?;
            c.peaks = saved.peaks;
        }
        Ok(())
    }
}
