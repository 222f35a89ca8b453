// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peaks for the eye: a bar that falls at an even speed, and a mark that holds the highest for a while.
//!
//! Both rise at once. The bar falls by so many dB a second; the mark stays for the hold time and then falls as
//! fast. A hold of infinite length keeps it until the reset.

use super::decibels;
use crate::dsp::QUANTUM;

/// How bars fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BarSettings {
    /// Seconds that the mark stays; infinite: until the reset.
    pub hold_s: f64,
    /// dB a second; 0: never.
    pub decay_db_s: f64,
}

impl Default for BarSettings {
    /// A second and a half; 20 dB in 1.7 s (IEC 60268-18, as secondary sources quote it).
    fn default() -> Self {
        BarSettings { hold_s: 1.5, decay_db_s: 20.0 / 1.7 }
    }
}

/// A time or speed that no bar has.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadBar {
    #[error("a hold of {0} s is not 0 or more")]
    Hold(f64),
    #[error("a decay of {0} dB/s is outside 0 to 1000 dB/s")]
    Decay(f64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Bar {
    level: f64,
    mark: f64,
    /// Quanta since the mark was set.
    age: f64,
}

#[derive(Clone, Debug)]
pub struct PeakBars {
    /// Factor a quantum, and quanta of hold.
    decay: f64,
    hold: f64,
    bars: Vec<Bar>,
}

impl PeakBars {
    pub fn new(rate: u32, channels: usize, settings: BarSettings) -> Result<Self, BadBar> {
        if settings.hold_s.is_nan() || settings.hold_s < 0.0 {
            return Err(BadBar::Hold(settings.hold_s));
        }
        if !(0.0..=1000.0).contains(&settings.decay_db_s) {
            return Err(BadBar::Decay(settings.decay_db_s));
        }
        let quantum = QUANTUM as f64 / f64::from(rate.max(1));
        Ok(PeakBars {
            decay: crate::dsp::math::db_to_gain(-settings.decay_db_s * quantum),
            hold: settings.hold_s / quantum,
            bars: vec![Bar::default(); channels],
        })
    }

    pub fn reset(&mut self) {
        self.bars.fill(Bar::default());
    }

    /// One quantum's peak of every channel, as an amplitude: sample peaks or true peaks.
    pub fn process(&mut self, peaks: impl IntoIterator<Item = f64>) {
        for (b, peak) in self.bars.iter_mut().zip(peaks) {
            let fallen = b.level * self.decay;
            b.level = if peak > fallen { peak } else { fallen };
            b.age += 1.0;
            if b.age > self.hold {
                b.mark *= self.decay;
            }
            if b.level >= b.mark {
                (b.mark, b.age) = (b.level, 0.0);
            }
        }
    }

    /// dBFS.
    pub fn level(&self, channel: usize) -> f64 {
        decibels(self.bars[channel].level)
    }

    /// dBFS.
    pub fn mark(&self, channel: usize) -> f64 {
        decibels(self.bars[channel].mark)
    }
}
