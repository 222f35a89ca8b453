// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instruments of one tap, and readers that each have their own maxima.
//!
//! [`TapMeter::new`] has what every console shows: loudness, peaks, levels. [`TapMeter::empty`] has nothing but what
//! is added. What only some want is among [`TapMeter::instruments`].
//!
//! A [`Reader`] is where one reader last read, nothing more: it needs no registration, may be slow, may be
//! dropped, and a peak of one sample still reaches every one of them.

use super::decibels;
use super::instruments::{BadInstrument, Instrument, Instruments, Running};
use super::levels::LevelMeter;
use super::loudness::{LoudnessMeter, LoudnessReadings};
use super::true_peak::{PeakMeter, PeakMode};
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

    /// When it last read; instruments are asked for what was since.
    pub fn moment(&self) -> u64 {
        self.moment
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

/// The usual instruments of a tap; peaks are those of [`PeakMode::Exact`].
const USUAL: [Instrument; 3] = [Instrument::Loudness, Instrument::Peaks(PeakMode::Exact), Instrument::Levels];

/// The instruments of one tap.
#[derive(Clone, Debug)]
pub struct TapMeter {
    instruments: Instruments,
    paused: bool,
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
        let mut m = TapMeter::empty(rate, layout);
        for what in USUAL {
            // These have no settings to refuse; before the first frame there was silence.
            let _ = m.instruments.add_fresh(what);
        }
        m
    }

    /// Without any instrument.
    pub fn empty(rate: u32, layout: &Layout) -> Self {
        TapMeter {
            instruments: Instruments::new(rate, layout),
            paused: false,
            channels: layout.len(),
            moment: 0,
            missed: 0,
            missed_before: 0,
            non_finite: 0,
        }
    }

    /// Adds an instrument unless an equal one is there. Amid sound it begins as after a gap.
    pub fn add(&mut self, what: Instrument) -> Result<(), BadInstrument> {
        self.instruments.add(what)
    }

    pub fn remove(&mut self, what: &Instrument) {
        self.instruments.remove(what);
    }

    /// All there are, to be read; what they call a moment is [`Reader::moment`].
    pub fn instruments(&self) -> &Instruments {
        &self.instruments
    }

    /// To start, pause or close an integrator.
    pub fn instruments_mut(&mut self) -> &mut Instruments {
        &mut self.instruments
    }

    fn loudness(&self) -> Option<&LoudnessMeter> {
        match self.instruments.get(&USUAL[0])? {
            Running::Loudness(i) => Some(i),
            _ => None,
        }
    }

    fn peaks(&self) -> Option<&PeakMeter> {
        match self.instruments.get(&USUAL[1])? {
            Running::Peaks(i) => Some(i),
            _ => None,
        }
    }

    fn levels(&self) -> Option<&LevelMeter> {
        match self.instruments.get(&USUAL[2])? {
            Running::Levels(i) => Some(i),
            _ => None,
        }
    }

    /// Begins a new measurement; the sound goes on, and readers stay valid. A new sound: also `gap(0)`.
    pub fn reset(&mut self) {
        self.instruments.reset();
        self.missed_before = self.missed;
        self.non_finite = 0;
    }

    /// While paused, integrated, range and all maxima since the reset stand still; the rest goes on.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.instruments.set_paused(paused);
    }

    pub fn paused(&self) -> bool {
        self.paused
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
        self.instruments.process(audio, self.moment);
    }

    /// These many frames were missed before what comes next; windows begin anew, so none spans them.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.instruments.gap(frames);
    }

    /// The sound is over: brings out the true peaks of its last frames. Only peaks hear this silence.
    pub fn finish(&mut self) {
        self.moment += 1;
        let silence = vec![SILENCE; self.channels];
        let keep = !self.paused;
        if let Some(peaks) = self.instruments.get_mut(&USUAL[1]) {
            peaks.process(&silence, self.moment, keep);
        }
    }

    /// The readings now; maxima since this reader's last read. What there is no instrument for reads like silence,
    /// or `None`.
    pub fn read(&self, reader: &mut Reader) -> TapReadings {
        let since = reader.moment;
        let channels: Vec<ChannelReadings> = (0..self.channels).map(|c| self.channel(c, since)).collect();
        let most = |f: fn(&ChannelReadings) -> f64| channels.iter().map(f).fold(f64::NEG_INFINITY, f64::max);
        let loudness = self.loudness().map_or(LoudnessReadings::default(), LoudnessMeter::read);
        let readings = TapReadings {
            momentary: loudness.momentary,
            short_term: loudness.short_term,
            integrated: loudness.integrated,
            loudness_range: loudness.loudness_range,
            momentary_max: loudness.momentary_max,
            short_term_max: loudness.short_term_max,
            true_peak: most(|c| c.true_peak),
            true_peak_max: most(|c| c.true_peak_max),
            correlation: self.levels().and_then(LevelMeter::correlation),
            balance: self.levels().and_then(LevelMeter::balance),
            frames_missed: self.missed.saturating_sub(reader.missed),
            frames_missed_total: self.missed - self.missed_before,
            non_finite: self.non_finite,
            channels,
        };
        *reader = Reader::new(self);
        readings
    }

    fn channel(&self, c: usize, since: u64) -> ChannelReadings {
        let none = ((0.0, 0.0), (0.0, 0.0));
        let ((true_peak, true_peak_max), (peak, peak_max)) =
            self.peaks().map_or(none, |p| (p.true_peak(c, since), p.peak(c, since)));
        ChannelReadings {
            true_peak: decibels(true_peak),
            true_peak_max: decibels(true_peak_max),
            peak: decibels(peak),
            peak_max: decibels(peak_max),
            rms: decibels(self.levels().map_or(0.0, |l| l.rms(c))),
            dc: self.levels().map_or(0.0, |l| l.dc(c)),
        }
    }
}
