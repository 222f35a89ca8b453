// SPDX-License-Identifier: MIT OR Apache-2.0
//! RMS over a window of 50 ms to 10 s, and the scales built on it: AES17 and the K-System.
//!
//! A rectangular sliding window, rounded to whole quanta and refreshed every quantum; while it fills, over what
//! there is. AES17 adds 3.01 dB, so that a sine of full scale reads 0 dBFS. The K-System (Katz, "Level
//! practices", JAES 48, 2000) is the same over 600 ms with its 0 at −20, −14 or −12 dBFS; from his descriptions
//! of it, as there is no standard.

use super::decibels;
use super::window::SlidingSum;
use crate::dsp::{Frames, QUANTUM};

pub const SHORTEST_SECONDS: f64 = 0.05;
pub const LONGEST_SECONDS: f64 = 10.0;
/// A sine's peak over its RMS value, dB.
pub const SINE_CREST: f64 = 3.010_299_956_639_812;

/// A window that is not measured over.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("a window of {0} s is outside {SHORTEST_SECONDS} to {LONGEST_SECONDS} s")]
pub struct BadWindow(pub f64);

/// Bob Katz's scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KScale {
    K12,
    K14,
    K20,
}

impl KScale {
    pub const WINDOW_SECONDS: f64 = 0.6;

    /// What reads 0, in dBFS of a sine's peak.
    pub fn zero_dbfs(self) -> f64 {
        match self {
            KScale::K12 => -12.0,
            KScale::K14 => -14.0,
            KScale::K20 => -20.0,
        }
    }

    /// The reading of an RMS value in dBFS (a full-scale sine: −3.01).
    pub fn reading(self, rms_dbfs: f64) -> f64 {
        rms_dbfs + SINE_CREST - self.zero_dbfs()
    }
}

#[derive(Clone, Debug)]
pub struct RmsMeter {
    quanta: usize,
    filled: usize,
    channels: Vec<SlidingSum>,
}

impl RmsMeter {
    pub fn new(rate: u32, channels: usize, seconds: f64) -> Result<Self, BadWindow> {
        if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&seconds) {
            return Err(BadWindow(seconds));
        }
        let quanta = libm::round(seconds * f64::from(rate) / QUANTUM as f64).max(1.0) as usize;
        Ok(RmsMeter { quanta, filled: 0, channels: vec![SlidingSum::new(quanta); channels] })
    }

    /// Empties the window.
    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(SlidingSum::reset);
        self.filled = 0;
    }

    /// No window spans what was missed.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for (c, x) in self.channels.iter_mut().zip(audio) {
            c.push(super::levels::sum(x, x));
        }
        self.filled = (self.filled + 1).min(self.quanta);
    }

    /// dBFS; a sine of full scale reads −3.01.
    pub fn read(&self, channel: usize) -> f64 {
        let frames = (self.filled.max(1) * QUANTUM) as f64;
        decibels((self.channels[channel].sum() / frames).sqrt())
    }

    /// dBFS after AES17; a sine of full scale reads 0.
    pub fn read_aes17(&self, channel: usize) -> f64 {
        self.read(channel) + SINE_CREST
    }
}
