// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every integrated figure of a track, an album or a file: started, paused, closed, kept and resumed.
//!
//! The same instrument measures live sound, a quantum at a time, and files ([`Programme`](super::Programme)), so
//! that what a session's ledger says of a track is what a measurement of its print says.
//!
//! [`Integrator::save`] gives all that has been integrated as plain data. An integrator that is resumed from it
//! reads the same at once and goes on as the first one would have after a gap: the sound after a restart does
//! not join the sound before it, so that no window, block or interpolation spans the two.

use serde::{Deserialize, Serialize};

use super::clips::{ClipCounter, Clips};
use super::decibels;
use super::dr::SavedDr;
use super::dynamics::{ChannelSums, Dynamics, Point};
use super::histogram::{BadBin, Histogram};
use super::loudness::{LoudnessMeter, LoudnessReadings, SavedLoudness};
use super::top_peaks::{TopPeaks, TruePeakAt};
use super::true_peak::{PeakMeter, PeakMode};
use super::word_length::{WordLength, WordLengthMeter};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::Layout;

/// Peaks nearer to each other are one event.
const SPACING_SECONDS: f64 = 0.1;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Running,
    /// Hears, and counts nothing.
    Paused,
    /// For good: a closed one takes no more sound.
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntegratorSettings {
    pub peak_mode: PeakMode,
    /// What counts as clipped; see [`clips`](super::clips).
    pub full_scale: f64,
    /// How many of the highest true peaks are listed.
    pub true_peaks: usize,
}

impl Default for IntegratorSettings {
    fn default() -> Self {
        IntegratorSettings { peak_mode: PeakMode::Exact, full_scale: 1.0, true_peaks: 20 }
    }
}

/// One channel's figures; levels in dBFS and dBTP, −∞ for silence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelFigures {
    pub true_peak: f64,
    pub sample_peak: f64,
    /// A sine of full scale reads −3.01.
    pub rms: f64,
    pub crest: Option<f64>,
    /// Before it is rounded.
    pub dr: Option<f64>,
    /// Mean sample.
    pub dc: f64,
    pub clips: Clips,
    pub word: WordLength,
}

/// All figures. `None`: not known or not defined.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Frames that count.
    pub frames: u64,
    /// Frames that were lost meanwhile.
    pub missed: u64,
    /// Samples that were no number, measured as silence.
    pub non_finite: u64,
    pub loudness: LoudnessReadings,
    pub true_peak: f64,
    pub sample_peak: f64,
    /// LU.
    pub plr: Option<f64>,
    pub psr_min: Option<f64>,
    pub crest: Option<f64>,
    /// Before it is rounded.
    pub dr: Option<f64>,
    pub correlation: Option<f64>,
    pub channels: Vec<ChannelFigures>,
    /// The highest first.
    pub true_peaks: Vec<TruePeakAt>,
}

/// One channel of [`Saved`]; peaks are amplitudes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedChannel {
    pub true_peak: f64,
    pub sample_peak: f64,
    pub sums: ChannelSums,
    pub clips: Clips,
    pub word: WordLength,
    pub dr: SavedDr,
}

/// All that has been integrated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    pub rate: u32,
    pub state: State,
    /// Frames heard from the start on, gaps and pauses too.
    pub position: u64,
    pub frames: u64,
    pub missed: u64,
    pub non_finite: u64,
    pub loudness: SavedLoudness,
    pub psr_min: Option<f64>,
    pub products: f64,
    pub dr_blocks: u64,
    pub channels: Vec<SavedChannel>,
    pub true_peaks: Vec<TruePeakAt>,
}

/// Why an integrator is not resumed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadSaved {
    #[error("what was saved is of {0} Hz and not of {1} Hz")]
    Rate(u32, u32),
    #[error("what was saved has {0} channels and not {1}")]
    Channels(usize, usize),
    #[error("{0} is {1}, which is no number")]
    Number(&'static str, f64),
    #[error(transparent)]
    Bin(#[from] BadBin),
}

#[derive(Clone, Debug)]
pub struct Integrator {
    rate: u32,
    state: State,
    loudness: LoudnessMeter,
    peaks: PeakMeter,
    clips: ClipCounter,
    words: WordLengthMeter,
    dynamics: Dynamics,
    moment: u64,
    position: u64,
    missed: u64,
    non_finite: u64,
    channels: usize,
}

impl Integrator {
    /// Begins as after silence, for a rate in Hz.
    pub fn new(rate: u32, layout: &Layout, settings: IntegratorSettings) -> Self {
        let channels = layout.len();
        let top = TopPeaks::new(settings.true_peaks, (SPACING_SECONDS * f64::from(rate)) as u64);
        Integrator {
            rate,
            state: State::Running,
            loudness: LoudnessMeter::new(rate, layout),
            peaks: PeakMeter::with_mode(channels, settings.peak_mode).with_top(top),
            clips: ClipCounter::new(channels, settings.full_scale),
            words: WordLengthMeter::new(channels),
            dynamics: Dynamics::new(rate, channels, layout.pairs().first().copied()),
            moment: 0,
            position: 0,
            missed: 0,
            non_finite: 0,
            channels,
        }
    }

    /// Goes on where another one was saved, after a gap of unknown length.
    pub fn resume(
        rate: u32,
        layout: &Layout,
        settings: IntegratorSettings,
        saved: &Saved,
    ) -> Result<Self, BadSaved> {
        let mut i = Integrator::new(rate, layout, settings);
        saved.check(rate, i.channels)?;
        i.loudness.restore(&saved.loudness)?;
        i.loudness.set_paused(saved.state != State::Running);
        let maxima: Vec<(f64, f64)> = saved.channels.iter().map(|c| (c.true_peak, c.sample_peak)).collect();
        i.peaks.restore(&maxima, &saved.true_peaks, saved.position);
        let dr: Vec<SavedDr> = saved.channels.iter().map(|c| c.dr.clone()).collect();
        i.dynamics.dr.restore(saved.dr_blocks, &dr)?;
        for (n, c) in saved.channels.iter().enumerate() {
            i.clips.restore(n, c.clips);
            i.words.restore(n, c.word);
            i.dynamics.channels[n] = c.sums;
        }
        (i.dynamics.frames, i.dynamics.products, i.dynamics.psr_min) =
            (saved.frames, saved.products, saved.psr_min);
        (i.state, i.position, i.missed, i.non_finite) =
            (saved.state, saved.position, saved.missed, saved.non_finite);
        i.gap(0);
        Ok(i)
    }

    /// All that has been integrated, at any time. What is in an open window or block is not part of it.
    pub fn save(&self) -> Saved {
        let (dr_blocks, dr) = self.dynamics.dr.save();
        let channel = |(n, dr): (usize, SavedDr)| SavedChannel {
            true_peak: self.peaks.true_peak(n, 0).1,
            sample_peak: self.peaks.peak(n, 0).1,
            sums: self.dynamics.channels[n],
            clips: self.clips.read(n),
            word: self.words.read(n),
            dr,
        };
        Saved {
            rate: self.rate,
            state: self.state,
            position: self.position,
            frames: self.dynamics.frames,
            missed: self.missed,
            non_finite: self.non_finite,
            loudness: self.loudness.save(),
            psr_min: self.dynamics.psr_min,
            products: self.dynamics.products,
            dr_blocks,
            channels: dr.into_iter().enumerate().map(channel).collect(),
            true_peaks: self.peaks.top().to_vec(),
        }
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Frames heard from the start on, gaps and pauses too.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Frames that count.
    pub fn frames(&self) -> u64 {
        self.dynamics.frames
    }

    /// Pauses or goes on; a closed one stays closed.
    pub fn set_paused(&mut self, paused: bool) {
        let state = if paused { State::Paused } else { State::Running };
        if self.state == State::Closed || self.state == state {
            return;
        }
        self.state = state;
        self.loudness.set_paused(paused);
        self.clips.gap();
        self.dynamics.dr.gap();
    }

    /// The track is over: brings out the true peaks of its last frames and the last block of DR.
    pub fn close(&mut self) {
        if self.state == State::Closed {
            return;
        }
        if self.state == State::Running {
            self.peaks.process(&vec![SILENCE; self.channels], self.moment + 1, true);
            self.dynamics.finish();
        }
        self.state = State::Closed;
    }

    /// These many frames were lost before what comes next.
    pub fn gap(&mut self, frames: u64) {
        if self.state == State::Closed {
            return;
        }
        self.missed += if self.state == State::Running { frames } else { 0 };
        self.position += frames;
        self.loudness.gap(frames);
        self.peaks.gap();
        self.peaks.skip(frames);
        self.clips.gap();
        self.dynamics.gap();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.process_first(audio, QUANTUM);
    }

    /// The last quantum of a file: after the first `frames` of it come zeros, which are no sound.
    pub fn process_first(&mut self, audio: &[Frames], frames: usize) {
        debug_assert_eq!(audio.len(), self.channels);
        if self.state == State::Closed {
            return;
        }
        if audio.iter().flatten().all(|v| v.is_finite()) {
            self.measure(audio, frames);
        } else {
            let clean = |v: &f64| if v.is_finite() { *v } else { 0.0 };
            let cleaned: Vec<Frames> = audio.iter().map(|x| x.each_ref().map(clean)).collect();
            if self.state == State::Running {
                self.non_finite += audio.iter().flatten().filter(|v| !v.is_finite()).count() as u64;
            }
            self.measure(&cleaned, frames);
        }
    }

    fn measure(&mut self, audio: &[Frames], frames: usize) {
        let keep = self.state == State::Running;
        self.moment += 1;
        self.position += frames as u64;
        self.loudness.process_first(audio, frames);
        self.peaks.process(audio, self.moment, keep);
        if keep {
            self.clips.process(audio);
            self.words.process(audio);
        }
        let (grid, latest) = (self.loudness.grid(), self.peaks.latest());
        self.dynamics.process(audio, frames, &grid, latest, keep);
    }

    /// The place of the 100 ms grid that the last quantum passed, if it did.
    pub fn point(&self) -> Option<Point> {
        self.dynamics.point()
    }

    /// Gating blocks by loudness.
    pub fn blocks(&self) -> &Histogram {
        self.loudness.blocks()
    }

    /// Short-term values by loudness.
    pub fn short_terms(&self) -> &Histogram {
        self.loudness.short_terms()
    }

    pub fn figures(&self) -> Figures {
        let channels: Vec<ChannelFigures> = (0..self.channels).map(|c| self.channel(c)).collect();
        let most = |f: fn(&ChannelFigures) -> f64| channels.iter().map(f).fold(f64::NEG_INFINITY, f64::max);
        let (loudness, true_peak) = (self.loudness.read(), most(|c| c.true_peak));
        Figures {
            frames: self.dynamics.frames,
            missed: self.missed,
            non_finite: self.non_finite,
            plr: loudness.integrated.map(|i| true_peak - i),
            loudness,
            true_peak,
            sample_peak: most(|c| c.sample_peak),
            psr_min: self.dynamics.psr_min(),
            crest: self.dynamics.crest_of_all(),
            dr: self.dynamics.dr().read(),
            correlation: self.dynamics.correlation(),
            channels,
            true_peaks: self.peaks.top().to_vec(),
        }
    }

    fn channel(&self, c: usize) -> ChannelFigures {
        ChannelFigures {
            true_peak: decibels(self.peaks.true_peak(c, 0).1),
            sample_peak: decibels(self.peaks.peak(c, 0).1),
            rms: decibels(self.dynamics.rms(c)),
            crest: self.dynamics.crest(c),
            dr: self.dynamics.dr().channel(c),
            dc: self.dynamics.dc(c),
            clips: self.clips.read(c),
            word: self.words.read(c),
        }
    }
}

impl Saved {
    /// The same programme as if it had been heard at another rate: what counts frames is scaled, and so are the
    /// sums over them, so that every mean stays what it is. Clipped samples are counted as they were.
    #[must_use]
    pub fn at_rate(mut self, rate: u32) -> Saved {
        let ratio = f64::from(rate) / f64::from(self.rate.max(1));
        let scaled = |n: u64| (n as f64 * ratio).round() as u64;
        (self.position, self.frames, self.missed) =
            (scaled(self.position), scaled(self.frames), scaled(self.missed));
        self.true_peaks.iter_mut().for_each(|t| t.frame = scaled(t.frame));
        self.products *= ratio;
        for c in &mut self.channels {
            (c.sums.squares, c.sums.samples) = (c.sums.squares * ratio, c.sums.samples * ratio);
        }
        self.rate = rate;
        self
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), BadSaved> {
        if self.rate != rate {
            return Err(BadSaved::Rate(self.rate, rate));
        }
        if self.channels.len() != channels {
            return Err(BadSaved::Channels(self.channels.len(), channels));
        }
        let number = |name, v: f64| if v.is_finite() { Ok(()) } else { Err(BadSaved::Number(name, v)) };
        number("the sum of products", self.products)?;
        self.psr_min.map_or(Ok(()), |v| number("the smallest PSR", v))?;
        for c in &self.channels {
            number("a true peak", c.true_peak)?;
            number("a sample peak", c.sample_peak)?;
            number("a sum of squares", c.sums.squares)?;
            number("a sum of samples", c.sums.samples)?;
            number("a largest sample", c.sums.peak)?;
            c.dr.peaks.iter().try_for_each(|p| number("a block peak", *p))?;
        }
        self.true_peaks.iter().try_for_each(|t| number("a listed true peak", t.amplitude))
    }
}
