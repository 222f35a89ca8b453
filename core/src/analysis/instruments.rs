// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instruments of one tap, each only while somebody wants it.
//!
//! An [`Instrument`] says which one and how it is set; equal ones are shared. It is added and removed at any
//! time; one that is added amid sound begins as after silence. They are few, so they are looked up in a list.

use super::alarms::{AlarmSettings, Alarms, BadAlarm};
use super::bars::{BadBar, BarSettings, PeakBars};
use super::clips::ClipCounter;
use super::integrator::{Integrator, IntegratorSettings};
use super::levels::LevelMeter;
use super::loudness::LoudnessMeter;
use super::polarity::{self, PolarityMeter};
use super::ppm::{PpmMeter, PpmType};
use super::rms::{BadWindow, RmsMeter};
use super::true_peak::{PeakMeter, PeakMode};
use super::vu::VuMeter;
use super::word_length::WordLengthMeter;
use crate::dsp::Frames;
use crate::units::Layout;

/// Longest that [`Instrument::Last`] looks back, seconds.
pub const LONGEST_HISTORY: u32 = 3600;

/// Which instrument, and how it is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Instrument {
    /// Momentary, short-term, integrated, range.
    Loudness,
    /// The same with the last so many seconds.
    Last {
        seconds: u32,
    },
    /// Sample and true peaks.
    Peaks(PeakMode),
    /// RMS and DC over 300 ms, correlation and balance of the first pair.
    Levels,
    Rms {
        seconds: f64,
    },
    Vu {
        reference_dbfs: f64,
    },
    Ppm {
        kind: PpmType,
        reference_dbfs: f64,
    },
    /// Bars and marks of the sample peaks.
    Bars(BarSettings),
    Clips {
        full_scale: f64,
    },
    WordLength,
    Alarms(AlarmSettings),
    /// Of the first pair.
    Polarity,
    /// All integrated figures: PLR, PSR, crest, DR and more.
    Integrated(IntegratorSettings),
}

/// One that runs.
#[derive(Clone, Debug)]
pub enum Running {
    Loudness(Box<LoudnessMeter>),
    Peaks(Box<PeakMeter>),
    Levels(Box<LevelMeter>),
    Rms(RmsMeter),
    Vu(Box<VuMeter>),
    Ppm(Box<PpmMeter>),
    Bars(PeakBars),
    Clips(ClipCounter),
    WordLength(WordLengthMeter),
    Alarms(Alarms),
    Polarity(Box<PolarityMeter>),
    Integrated(Box<Integrator>),
}

/// Why an instrument is not made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadInstrument {
    #[error(transparent)]
    Window(#[from] BadWindow),
    #[error(transparent)]
    Bar(#[from] BadBar),
    #[error(transparent)]
    Alarm(#[from] BadAlarm),
    #[error("a reference level of {0} dBFS is outside -40 to 0 dBFS")]
    Reference(f64),
    #[error("full scale at {0} is outside 0.001 to 10")]
    FullScale(f64),
    #[error("a look back of {0} s is outside 1 to {LONGEST_HISTORY} s")]
    History(u32),
    #[error("a list of {0} true peaks is longer than 1000")]
    List(usize),
    #[error("the layout {0} has no pair to compare")]
    NoPair(String),
}

impl Instrument {
    /// Makes it; refuses what it cannot be set to.
    pub fn build(&self, rate: u32, layout: &Layout) -> Result<Running, BadInstrument> {
        let n = layout.len();
        Ok(match *self {
            Instrument::Loudness => Running::Loudness(Box::new(LoudnessMeter::new(rate, layout))),
            Instrument::Last { seconds } => {
                if !(1..=LONGEST_HISTORY).contains(&seconds) {
                    return Err(BadInstrument::History(seconds));
                }
                Running::Loudness(Box::new(LoudnessMeter::new(rate, layout).with_history(seconds)))
            }
            Instrument::Peaks(mode) => Running::Peaks(Box::new(PeakMeter::with_mode(n, mode))),
            Instrument::Levels => Running::Levels(Box::new(LevelMeter::new(rate, layout))),
            Instrument::Rms { seconds } => Running::Rms(RmsMeter::new(rate, n, seconds)?),
            Instrument::Vu { reference_dbfs } => {
                Running::Vu(Box::new(VuMeter::new(rate, n, reference(reference_dbfs)?)))
            }
            Instrument::Ppm { kind, reference_dbfs } => {
                Running::Ppm(Box::new(PpmMeter::new(rate, n, kind, reference(reference_dbfs)?)))
            }
            Instrument::Bars(settings) => Running::Bars(PeakBars::new(rate, n, settings)?),
            Instrument::Clips { full_scale: f } => Running::Clips(ClipCounter::new(n, full_scale(f)?)),
            Instrument::WordLength => Running::WordLength(WordLengthMeter::new(n)),
            Instrument::Alarms(settings) => Running::Alarms(Alarms::new(rate, n, settings)?),
            Instrument::Polarity => {
                let pair = layout.pairs().first().copied();
                let pair = pair.ok_or_else(|| BadInstrument::NoPair(layout.name()))?;
                Running::Polarity(Box::new(PolarityMeter::new(rate, pair, polarity::WINDOW_SECONDS)))
            }
            Instrument::Integrated(settings) => {
                full_scale(settings.full_scale)?;
                if settings.true_peaks > 1000 {
                    return Err(BadInstrument::List(settings.true_peaks));
                }
                Running::Integrated(Box::new(Integrator::new(rate, layout, settings)))
            }
        })
    }
}

fn reference(dbfs: f64) -> Result<f64, BadInstrument> {
    (-40.0..=0.0).contains(&dbfs).then_some(dbfs).ok_or(BadInstrument::Reference(dbfs))
}

fn full_scale(level: f64) -> Result<f64, BadInstrument> {
    (0.001..=10.0).contains(&level).then_some(level).ok_or(BadInstrument::FullScale(level))
}

impl Running {
    /// One quantum of every channel at `moment`, which never falls; `keep`: it counts for maxima since the reset.
    pub fn process(&mut self, audio: &[Frames], moment: u64, keep: bool) {
        match self {
            Running::Loudness(i) => i.process(audio),
            Running::Peaks(i) => i.process(audio, moment, keep),
            Running::Levels(i) => i.process(audio),
            Running::Rms(i) => i.process(audio),
            Running::Vu(i) => i.process(audio),
            Running::Ppm(i) => i.process(audio, moment),
            Running::Bars(i) => {
                i.process(audio.iter().map(|x| x.iter().fold(0.0, |m: f64, v| m.max(v.abs()))))
            }
            Running::Clips(i) if keep => i.process(audio),
            Running::WordLength(i) if keep => i.process(audio),
            Running::Clips(_) | Running::WordLength(_) => {}
            Running::Alarms(i) => i.process(audio),
            Running::Polarity(i) => i.process(audio),
            Running::Integrated(i) => i.process(audio),
        }
    }

    /// These many frames were missed before what comes next.
    pub fn gap(&mut self, frames: u64) {
        match self {
            Running::Loudness(i) => i.gap(frames),
            Running::Peaks(i) => i.gap(),
            Running::Levels(i) => i.reset(),
            Running::Rms(i) => i.gap(),
            Running::Vu(i) => i.gap(),
            Running::Ppm(i) => i.gap(),
            Running::Clips(i) => i.gap(),
            Running::Alarms(i) => i.gap(),
            Running::Polarity(i) => i.gap(),
            Running::Integrated(i) => i.gap(frames),
            // A bar falls and a word has its length whatever was missed.
            Running::Bars(_) | Running::WordLength(_) => {}
        }
    }

    /// Begins a new measurement of what is measured since a reset; the sound itself goes on. An integrator is
    /// started, paused and closed by its owner and not by this.
    pub fn reset(&mut self) {
        match self {
            Running::Loudness(i) => i.reset(),
            Running::Peaks(i) => i.reset(),
            Running::Bars(i) => i.reset(),
            Running::Clips(i) => i.reset(),
            Running::WordLength(i) => i.reset(),
            Running::Levels(_)
            | Running::Rms(_)
            | Running::Vu(_)
            | Running::Ppm(_)
            | Running::Alarms(_)
            | Running::Polarity(_)
            | Running::Integrated(_) => {}
        }
    }

    fn set_paused(&mut self, paused: bool) {
        if let Running::Loudness(i) = self {
            i.set_paused(paused);
        }
    }
}

#[derive(Clone, Debug)]
struct Entry {
    what: Instrument,
    running: Running,
}

/// Those of one tap that are wanted now.
#[derive(Clone, Debug)]
pub struct Instruments {
    rate: u32,
    layout: Layout,
    entries: Vec<Entry>,
    paused: bool,
}

impl Instruments {
    /// None yet.
    pub fn new(rate: u32, layout: &Layout) -> Self {
        Instruments { rate, layout: layout.clone(), entries: Vec::new(), paused: false }
    }

    /// Adds one, amid sound, unless an equal one is there.
    pub fn add(&mut self, what: Instrument) -> Result<(), BadInstrument> {
        let new = self.get(&what).is_none();
        self.add_fresh(what)?;
        if let Some(last) = self.entries.last_mut().filter(|_| new) {
            last.running.gap(0);
        }
        Ok(())
    }

    /// Adds one unless an equal one is there; before it there was silence.
    pub fn add_fresh(&mut self, what: Instrument) -> Result<(), BadInstrument> {
        if self.get(&what).is_none() {
            let mut running = what.build(self.rate, &self.layout)?;
            running.set_paused(self.paused);
            self.entries.push(Entry { what, running });
        }
        Ok(())
    }

    pub fn remove(&mut self, what: &Instrument) {
        self.entries.retain(|e| e.what != *what);
    }

    /// Those there are.
    pub fn list(&self) -> impl Iterator<Item = &Instrument> {
        self.entries.iter().map(|e| &e.what)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, what: &Instrument) -> Option<&Running> {
        self.entries.iter().find(|e| e.what == *what).map(|e| &e.running)
    }

    /// To start, pause or close an integrator.
    pub fn get_mut(&mut self, what: &Instrument) -> Option<&mut Running> {
        self.entries.iter_mut().find(|e| e.what == *what).map(|e| &mut e.running)
    }

    /// One quantum of every channel, finite, at `moment`, which never falls.
    pub fn process(&mut self, audio: &[Frames], moment: u64) {
        self.entries.iter_mut().for_each(|e| e.running.process(audio, moment, !self.paused));
    }

    pub fn gap(&mut self, frames: u64) {
        self.entries.iter_mut().for_each(|e| e.running.gap(frames));
    }

    pub fn reset(&mut self) {
        self.entries.iter_mut().for_each(|e| e.running.reset());
    }

    /// While paused, integrated figures and maxima since the reset stand still; the rest goes on.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.entries.iter_mut().for_each(|e| e.running.set_paused(paused));
    }
}
