// SPDX-License-Identifier: MIT OR Apache-2.0
//! All instruments for one tap, and readers that each have their own maxima.
//!
//! A [`Reader`] is where one reader last read, nothing more: it needs no registration, may be slow, may be
//! dropped, and a peak of one sample still reaches every one of them.

use super::decibels;
use super::levels::LevelMeter;
use super::loudness::LoudnessMeter;
use super::true_peak::PeakMeter;
use crate::dsp::{Frames, SILENCE};
use crate::units::Layout;

/// One reader's place in the meter's time.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    moment: u64,
    missed: u64,
}

impl Reader {
    /// Its first reading covers what comes from now on.
    pub fn new(meter: &TapMeter) -> Self {
        Reader { moment: meter.moment, missed: meter.missed }
    }
}

/// One channel's levels in dBFS, true peaks in dBTP; −∞ for silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelReadings {
    /// Since this reader's last read.
    pub true_peak: f64,
    /// Since the reset.
    pub true_peak_max: f64,
    /// Since this reader's last read.
    pub peak: f64,
    /// Since the reset.
    pub peak_max: f64,
    /// Of 300 ms; a sine of full scale reads −3.01.
    pub rms: f64,
    /// Of 300 ms, −1 … +1.
    pub dc: f64,
}

/// Loudness in LUFS, its range in LU; levels in dBFS, true peaks in dBTP. `None`: not known, or not
/// defined. −∞: silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TapReadings {
    pub momentary: Option<f64>,
    pub short_term: Option<f64>,
    pub integrated: Option<f64>,
    pub loudness_range: Option<f64>,
    /// Since the reset, as are all that end so.
    pub momentary_max: Option<f64>,
    pub short_term_max: Option<f64>,
    /// Of all channels, since this reader's last read.
    pub true_peak: f64,
    pub true_peak_max: f64,
    pub channels: Vec<ChannelReadings>,
    /// Of the first pair, −1 … +1.
    pub correlation: Option<f64>,
    pub balance: Option<f64>,
    /// Frames that no reading here has seen, since this reader's last read.
    pub frames_missed: u64,
    /// The same since the reset.
    pub frames_missed_total: u64,
    /// Samples since the reset that were no number, measured as silence.
    pub non_finite: u64,
}

/// Every instrument for one tap.
#[derive(Clone, Debug)]
pub struct TapMeter {
    loudness: LoudnessMeter,
    peaks: PeakMeter,
    levels: LevelMeter,
    channels: usize,
    /// Quanta seen, never set back.
    moment: u64,
    /// Frames missed, never set back; and when last reset.
    missed: u64,
    missed_before: u64,
    non_finite: u64,
}

impl TapMeter {
    /// For a rate in Hz. Before the first frame there was silence; where that is not known, as in a tap
    /// armed amid sound, begin with `gap(0)`.
    pub fn new(rate: u32, layout: &Layout) -> Self {
        TapMeter {
            loudness: LoudnessMeter::new(rate, layout),
            peaks: PeakMeter::new(layout.len()),
            levels: LevelMeter::new(rate, layout),
            channels: layout.len(),
            moment: 0,
            missed: 0,
            missed_before: 0,
            non_finite: 0,
        }
    }

    /// Begins a new measurement; the sound goes on, and readers stay valid. A new sound: also `gap(0)`.
    pub fn reset(&mut self) {
        self.loudness.reset();
        self.peaks.reset();
        self.missed_before = self.missed;
        self.non_finite = 0;
    }

    /// While paused, integrated, range and all maxima since the reset stand still; the rest goes on.
    pub fn set_paused(&mut self, paused: bool) {
        self.loudness.set_paused(paused);
    }

    pub fn paused(&self) -> bool {
        self.loudness.paused()
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        debug_assert_eq!(audio.len(), self.channels);
        if audio.iter().flatten().all(|v| v.is_finite()) {
            self.measure(audio);
        } else {
            let clean = |v: &f64| if v.is_finite() { *v } else { 0.0 };
            let cleaned: Vec<Frames> = audio.iter().map(|x| x.each_ref().map(clean)).collect();
            self.non_finite += audio.iter().flatten().filter(|v| !v.is_finite()).count() as u64;
            self.measure(&cleaned);
        }
    }

    fn measure(&mut self, audio: &[Frames]) {
        self.moment += 1;
        self.loudness.process(audio);
        self.peaks.process(audio, self.moment, !self.paused());
        self.levels.process(audio);
    }

    /// These many frames were missed before what comes next; windows begin anew, so none spans them.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.loudness.gap();
        self.peaks.gap();
        self.levels.reset();
    }

    /// The sound is over: brings out the true peaks of its last frames. Only peaks hear this silence.
    pub fn finish(&mut self) {
        self.moment += 1;
        let silence = vec![SILENCE; self.channels];
        self.peaks.process(&silence, self.moment, !self.paused());
    }

    /// The readings now; maxima since this reader's last read.
    pub fn read(&self, reader: &mut Reader) -> TapReadings {
        let since = reader.moment;
        let channels: Vec<ChannelReadings> = (0..self.channels).map(|c| self.channel(c, since)).collect();
        let most = |f: fn(&ChannelReadings) -> f64| channels.iter().map(f).fold(f64::NEG_INFINITY, f64::max);
        let loudness = self.loudness.read();
        let readings = TapReadings {
            momentary: loudness.momentary,
            short_term: loudness.short_term,
            integrated: loudness.integrated,
            loudness_range: loudness.loudness_range,
            momentary_max: loudness.momentary_max,
            short_term_max: loudness.short_term_max,
            true_peak: most(|c| c.true_peak),
            true_peak_max: most(|c| c.true_peak_max),
            correlation: self.levels.correlation(),
            balance: self.levels.balance(),
            frames_missed: self.missed.saturating_sub(reader.missed),
            frames_missed_total: self.missed - self.missed_before,
            non_finite: self.non_finite,
            channels,
        };
        *reader = Reader::new(self);
        readings
    }

    fn channel(&self, c: usize, since: u64) -> ChannelReadings {
        let ((true_peak, true_peak_max), (peak, peak_max)) =
            (self.peaks.true_peak(c, since), self.peaks.peak(c, since));
        ChannelReadings {
            true_peak: decibels(true_peak),
            true_peak_max: decibels(true_peak_max),
            peak: decibels(peak),
            peak_max: decibels(peak_max),
            rms: decibels(self.levels.rms(c)),
            dc: self.levels.dc(c),
        }
    }
}
