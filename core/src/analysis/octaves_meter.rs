// SPDX-License-Identifier: MIT OR Apache-2.0
//! Octaves or thirds of one through filters of class 1, with the time weightings of sound level meters.
//!
//! Fast (125 ms) and slow (1 s) are exponential averages of the squared signal (IEC 61672-1), equal is the mean
//! since the reset (Leq). Before the first frame there was silence. After a gap a band is not known until its filter has forgotten the seam and the
//! average has heard one time constant; until then it is the mean of what it has heard, not less.

use super::octaves::{Band, check_range};
use super::octaves_filter::{FilterBank, LANES, Lanes};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, power_db};
use crate::dsp::Frames;

/// Time weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighting {
    #[default]
    Fast,
    Slow,
    /// All since the reset alike.
    Equal,
}

impl Weighting {
    /// Share of the newest sample in an exponential average.
    fn share(self, rate: f64) -> Option<f64> {
        let seconds = match self {
            Weighting::Fast => 0.125,
            Weighting::Slow => 1.0,
            Weighting::Equal => return None,
        };
        Some(-libm::expm1(-1.0 / (seconds * rate)))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OctaveMeterSettings {
    pub sources: Vec<Source>,
    /// 1 or 3 bands in an octave.
    pub fraction: usize,
    pub weighting: Weighting,
    pub low_hz: f64,
    pub high_hz: f64,
}

impl OctaveMeterSettings {
    /// 1/3 octave from 20 Hz to 20 kHz, fast.
    pub fn new(sources: &[Source]) -> Self {
        OctaveMeterSettings {
            sources: sources.to_vec(),
            fraction: 3,
            weighting: Weighting::Fast,
            low_hz: 20.0,
            high_hz: 20_000.0,
        }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&self.sources, channels)?;
        one_of("bands an octave", self.fraction, &[1, 3])?;
        check_range(self.low_hz, self.high_hz)
    }
}

/// Levels of the bands in dBFS (a full-scale sine reads 0); NaN: not known; −∞: silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OctaveMeterReadings {
    pub bands: Vec<Band>,
    /// Of each source.
    pub levels: Vec<Vec<f32>>,
    /// The highest since the reset; of an equal weighting the level itself.
    pub highest: Vec<Vec<f32>>,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

/// The averages of one group of filters.
#[derive(Clone, Debug)]
struct Averages {
    seats: Vec<(usize, usize)>,
    /// Share of the newest sample; none where all are alike.
    share: Option<f64>,
    /// Squares: their exponential average, or their sum.
    squares: Lanes,
    /// What that average would be of ones: up to 1, or the number of samples. Their quotient is the mean.
    heard: f64,
    /// Samples to leave out, and how many after a gap.
    wait: usize,
    settle: usize,
    highest: Lanes,
}

/// An exponential average counts once it has heard one time constant: 1 − 1/e.
const ENOUGH: f64 = 0.632;

impl Averages {
    fn add(&mut self, audio: &[Lanes]) {
        let left_out = self.wait.min(audio.len());
        self.wait -= left_out;
        let audio = &audio[left_out..];
        let Some(share) = self.share else {
            self.heard += audio.len() as f64;
            for y in audio {
                self.squares.iter_mut().zip(y).for_each(|(s, y)| *s += y * y);
            }
            return;
        };
        for y in audio {
            self.heard += share * (1.0 - self.heard);
            self.squares.iter_mut().zip(y).for_each(|(s, y)| *s += share * (y * y - *s));
            if self.heard > ENOUGH {
                let scale = 1.0 / self.heard;
                let squares = self.highest.iter_mut().zip(&self.squares);
                squares.for_each(|(h, s)| *h = h.max(scale * s));
            }
        }
    }

    fn reset(&mut self) {
        self.highest = [0.0; LANES];
        if self.share.is_none() {
            (self.squares, self.heard) = ([0.0; LANES], 0.0);
        }
    }

    fn gap(&mut self) {
        self.wait = self.settle;
        if self.share.is_some() {
            (self.squares, self.heard) = ([0.0; LANES], 0.0);
        }
    }

    /// Level and highest level of a lane.
    fn read(&self, lane: usize) -> (f32, f32) {
        // Mean squares: twice as much is the power over that of a full-scale sine.
        let level = match self.heard > ENOUGH {
            true => power_db(2.0 * self.squares[lane] / self.heard),
            false => f32::NAN,
        };
        (level, if self.share.is_none() { level } else { power_db(2.0 * self.highest[lane]) })
    }
}

#[derive(Clone, Debug)]
pub struct OctaveMeter {
    sources: Vec<Source>,
    bank: FilterBank,
    groups: Vec<Averages>,
    signals: Vec<Frames>,
    missed: u64,
}

impl OctaveMeter {
    /// For a tap of so many channels at a rate in Hz. Bands beyond 0.48 of the rate are left out.
    pub fn new(rate: u32, channels: usize, settings: &OctaveMeterSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let count = settings.sources.len();
        let bank = FilterBank::new(rate, count, settings.fraction, settings.low_hz, settings.high_hz);
        let group = |seats: &[(usize, usize)]| {
            let filters = || seats.iter().map(|(_, b)| &bank.filters[*b]);
            let rate = filters().map(|f| f.rate).fold(1.0, f64::max);
            Averages {
                seats: seats.to_vec(),
                share: settings.weighting.share(rate),
                squares: [0.0; LANES],
                heard: settings.weighting.share(rate).map_or(0.0, |_| 1.0),
                wait: 0,
                settle: filters().map(|f| f.settle).max().unwrap_or(0),
                highest: [0.0; LANES],
            }
        };
        let groups = bank.groups().map(group).collect();
        Ok(OctaveMeter {
            sources: settings.sources.clone(),
            groups,
            bank,
            signals: Vec::with_capacity(count),
            missed: 0,
        })
    }

    /// Forgets the highest levels and begins an equal average anew; the sound goes on.
    pub fn reset(&mut self) {
        self.groups.iter_mut().for_each(Averages::reset);
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.signals.clear();
        self.signals.extend(self.sources.iter().map(|s| s.take(audio)));
        let groups = &mut self.groups;
        self.bank.process(&self.signals, |g, audio| groups[g].add(audio));
    }

    /// These many frames were missed before what comes next; filters and exponential averages
    /// begin anew.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.bank.clear();
        self.groups.iter_mut().for_each(Averages::gap);
    }

    pub fn read(&self) -> OctaveMeterReadings {
        let empty = vec![vec![f32::NAN; self.bank.filters.len()]; self.sources.len()];
        let mut r = OctaveMeterReadings {
            bands: self.bank.filters.iter().map(|f| f.band).collect(),
            highest: empty.clone(),
            levels: empty,
            frames_missed: self.missed,
        };
        for g in &self.groups {
            for (lane, (signal, band)) in g.seats.iter().enumerate() {
                (r.levels[*signal][*band], r.highest[*signal][*band]) = g.read(lane);
            }
        }
        r
    }
}
