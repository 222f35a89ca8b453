// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks (ITU-R BS.1770-5, Annex 2) and sample peaks of every channel.
//!
//! The detector is the limiter's: interpolated ×8 with 96 taps a phase and a parabola through the top, at
//! every rate, so that what is up to 0.47 of the rate is read within ±0.01 dB. Annex 2 asks for ×4 at 48 kHz
//! and less above; ours reads what it would miss, at the highest rates too. A true peak is never below the
//! sample peak, which is judged in f64.

use super::records::Records;
use crate::dsp::true_peak::{TruePeak, TruePeakFilters};
use crate::dsp::{Frames, SILENCE};

/// The detector's longest filters are those for rates up to 50 kHz; they know frames, not seconds.
const LONGEST_FILTERS_HZ: f64 = 48_000.0;
/// Quanta after a gap until the interpolation no longer reaches back to it.
const BLIND_QUANTA: u8 = 2;

/// Amplitudes. `since` is a moment as given to `process`.
#[derive(Clone, Debug)]
struct Channel {
    detector: TruePeak,
    true_peaks: Records,
    peaks: Records,
    true_max: f64,
    max: f64,
}

/// True and sample peaks of all channels.
#[derive(Clone, Debug)]
pub struct PeakMeter {
    filters: TruePeakFilters,
    channels: Vec<Channel>,
    blind: u8,
}

impl PeakMeter {
    /// Any rate. Before the first frame there was silence.
    pub fn new(channels: usize) -> Self {
        let channel = Channel {
            detector: TruePeak::default(),
            true_peaks: Records::default(),
            peaks: Records::default(),
            true_max: 0.0,
            max: 0.0,
        };
        PeakMeter {
            filters: TruePeakFilters::new(LONGEST_FILTERS_HZ),
            channels: vec![channel; channels],
            blind: 0,
        }
    }

    /// Forgets all maxima; the sound itself goes on. True peaks that are still on their way are left out.
    pub fn reset(&mut self) {
        for c in &mut self.channels {
            c.true_peaks.reset();
            c.peaks.reset();
            (c.true_max, c.max) = (0.0, 0.0);
        }
        self.blind = self.blind.max(1);
    }

    /// What comes next does not join what came before. Until the interpolation has filled again true peaks are
    /// sample peaks: across the seam it would see a jump that was never there.
    pub fn gap(&mut self) {
        self.channels.iter_mut().for_each(|c| c.detector.reset());
        self.blind = BLIND_QUANTA;
    }

    /// One quantum of every channel at `moment`, which never falls. `keep`: it counts for the maxima since
    /// the reset. A true peak shows [`PeakMeter::delay`] frames after its sample.
    pub fn process(&mut self, audio: &[Frames], moment: u64, keep: bool) {
        let mut peaks = SILENCE;
        for (c, x) in self.channels.iter_mut().zip(audio) {
            let peak = x.iter().fold(0.0, |m, v| larger(m, v.abs()));
            c.detector.process(&self.filters, x, &mut peaks);
            let between = if self.blind > 0 { 0.0 } else { peaks.iter().fold(0.0, |m, v| larger(m, *v)) };
            let true_peak = larger(peak, between);
            c.peaks.push(moment, peak);
            c.true_peaks.push(moment, true_peak);
            if keep {
                c.max = larger(c.max, peak);
                c.true_max = larger(c.true_max, true_peak);
            }
        }
        self.blind = self.blind.saturating_sub(1);
    }

    /// Frames from a sample to its true peak.
    pub fn delay(&self) -> usize {
        self.filters.delay()
    }

    /// Largest true peak of a channel after a moment, and since the reset.
    pub fn true_peak(&self, channel: usize, since: u64) -> (f64, f64) {
        let c = &self.channels[channel];
        (c.true_peaks.since(since), c.true_max)
    }

    /// Largest sample of a channel after a moment, and since the reset.
    pub fn peak(&self, channel: usize, since: u64) -> (f64, f64) {
        let c = &self.channels[channel];
        (c.peaks.since(since), c.max)
    }
}

/// One instruction, unlike `f64::max`, which has rules for NaN.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}
