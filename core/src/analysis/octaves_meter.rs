// SPDX-License-Identifier: MIT OR Apache-2.0
//! Octaves or thirds of one through filters of class 1, with the time weightings of sound level meters.
//!
//! Fast (125 ms) and slow (1 s) are exponential averages of the squared signal (IEC 61672-1). Before the first
//! frame there was silence. After a gap a band is not known until its filter has forgotten the seam and the
//! average has heard one time constant; until then it is the mean of what it has heard, not less.

use super::octaves::{Band, HIGH, LOW};
use super::octaves_filter::{FilterBank, LANES, Lanes};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, power_db, within};
use crate::dsp::Frames;

/// Time weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighting {
    #[default]
    Fast,
    Slow,
}

impl Weighting {
    fn seconds(self) -> f64 {
        match self {
            Weighting::Fast => 0.125,
            Weighting::Slow => 1.0,
        }
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
        within("lowest band", self.low_hz, LOW, "Hz")?;
        within("highest band", self.high_hz, HIGH, "Hz")
    }
}

/// Levels of the bands in dBFS (a full-scale sine reads 0); NaN: not known; −∞: silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OctaveMeterReadings {
    pub bands: Vec<Band>,
    /// Of each source.
    pub levels: Vec<Vec<f32>>,
    /// The highest since the reset.
    pub highest: Vec<Vec<f32>>,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

/// The averages of one group of filters.
#[derive(Clone, Debug)]
struct Averages {
    seats: Vec<(usize, usize)>,
    /// Share of the newest sample.
    share: f64,
    mean: Lanes,
    /// How much of the average is heard, 0 … 1.
    heard: f64,
    /// Samples to leave out, and how many after a gap.
    wait: usize,
    settle: usize,
    highest: Lanes,
}

/// An average counts once it has heard one time constant: 1 − 1/e.
const ENOUGH: f64 = 0.632;

impl Averages {
    fn add(&mut self, audio: &[Lanes]) {
        let left_out = self.wait.min(audio.len());
        self.wait -= left_out;
        for y in &audio[left_out..] {
            self.heard += self.share * (1.0 - self.heard);
            for i in 0..LANES {
                self.mean[i] += self.share * (y[i] * y[i] - self.mean[i]);
            }
            if self.heard > ENOUGH {
                for i in 0..LANES {
                    self.highest[i] = self.highest[i].max(self.mean[i]);
                }
            }
        }
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
                share: -libm::expm1(-1.0 / (settings.weighting.seconds() * rate)),
                mean: [0.0; LANES],
                heard: 1.0,
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

    /// Forgets the highest levels; the sound goes on.
    pub fn reset(&mut self) {
        self.groups.iter_mut().for_each(|g| g.highest = [0.0; LANES]);
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.signals.clear();
        self.signals.extend(self.sources.iter().map(|s| s.take(audio)));
        let groups = &mut self.groups;
        self.bank.process(&self.signals, |g, audio| groups[g].add(audio));
    }

    /// These many frames were missed before what comes next; filters and averages begin anew.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.bank.clear();
        for g in &mut self.groups {
            (g.mean, g.heard, g.wait) = ([0.0; LANES], 0.0, g.settle);
        }
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
                // Mean squares: twice as much is the power over that of a full-scale sine.
                if g.heard > ENOUGH {
                    r.levels[*signal][*band] = power_db(2.0 * g.mean[lane] / g.heard);
                }
                r.highest[*signal][*band] = power_db(2.0 * g.highest[lane]);
            }
        }
        r
    }
}
