// SPDX-License-Identifier: MIT OR Apache-2.0
//! The analyser on an even grid of octaves: one or three resolutions, no line lost between two points.
//!
//! Each point shows the highest of what lies in its part of the octave: lines in it at their true level (see
//! [`super::windows::Lobe`]), and the spectrum at its middle where bins are wider apart than points. Around
//! 1200 and 300 Hz the three resolutions blend over an octave.

use std::f64::consts::SQRT_2;
use std::ops::Range;

use super::spectrum::{DECAY, SpectrumReadings, TILT, Trace, each_line};
use super::spectrum_frames::{Average, Averaging, Shape, Transform};
use super::spectrum_levels::{Levels, STEP, bin_hz, check_resolutions, top};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, power_db, within};
use super::windows::Lobe;
use crate::dsp::Frames;
use crate::dsp::math::{exp2, log2};

/// Points in an octave that may be asked for.
pub const POINTS: [usize; 6] = [3, 6, 12, 24, 48, 96];
/// Frequencies that the grid may reach, in Hz; it ends at half the rate at most.
const RANGE: (f64, f64) = (5.0, 384_000.0);

#[derive(Clone, Debug, PartialEq)]
pub struct MultiSettings {
    pub sources: Vec<Source>,
    /// Of each resolution.
    pub shape: Shape,
    /// 1, or 3: at the rate, a quarter and a sixteenth of it.
    pub resolutions: usize,
    pub averaging: Averaging,
    /// dB/s by which held levels fall; 0 holds them until the reset.
    pub hold_decay: f64,
    /// dB an octave that the display rises by, around 1 kHz.
    pub tilt: f64,
    /// In an octave, one of [`POINTS`].
    pub points: usize,
    pub low_hz: f64,
    pub high_hz: f64,
}

impl MultiSettings {
    /// 4096 points at three resolutions, fast, 48 points an octave from 20 Hz to 20 kHz.
    pub fn new(sources: &[Source]) -> Self {
        MultiSettings {
            sources: sources.to_vec(),
            shape: Shape::new(4096),
            resolutions: 3,
            averaging: Averaging::Fast,
            hold_decay: 20.0,
            tilt: 0.0,
            points: 48,
            low_hz: 20.0,
            high_hz: 20_000.0,
        }
    }

    pub(super) fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&self.sources, channels)?;
        self.shape.check()?;
        check_resolutions(self.resolutions)?;
        within("hold decay", self.hold_decay, DECAY, "dB/s")?;
        within("tilt", self.tilt, TILT, "dB/oct")?;
        one_of("points an octave", self.points, &POINTS)?;
        within("lowest frequency", self.low_hz, RANGE, "Hz")?;
        within("highest frequency", self.high_hz, (self.low_hz, RANGE.1), "Hz")
    }
}

/// Points evenly spaced in octaves: 1 kHz is one of them.
#[derive(Clone, Debug)]
struct Grid {
    first: i64,
    count: usize,
    points: f64,
}

impl Grid {
    fn new(settings: &MultiSettings, rate: f64) -> Self {
        let points = settings.points as f64;
        let place = |hz: f64| points * log2(hz / 1000.0);
        let first = (place(settings.low_hz) - 1e-9).ceil() as i64;
        let last = (place(settings.high_hz.min(0.5 * rate)) + 1e-9).floor() as i64;
        Grid { first, count: (last - first + 1).max(1) as usize, points }
    }

    fn hz(&self, point: usize) -> f64 {
        1000.0 * exp2((self.first + point as i64) as f64 / self.points)
    }

    /// The point whose part of the octave a frequency is in.
    fn point(&self, hz: f64) -> Option<usize> {
        if hz <= 0.0 {
            return None;
        }
        let place = self.points * log2(hz / 1000.0) + 0.5 - self.first as f64;
        (place >= 0.0 && place < self.count as f64).then_some(place as usize)
    }
}

#[derive(Clone, Debug)]
struct Signal {
    source: Source,
    levels: Levels,
    /// Of each resolution.
    averages: Vec<Average>,
}

#[derive(Clone, Debug)]
pub struct MultiAnalyser {
    settings: MultiSettings,
    rate: f64,
    grid: Grid,
    /// Of each resolution, the point that each bin belongs to.
    places: Vec<Vec<Option<usize>>>,
    transform: Transform,
    lobe: Lobe,
    signals: Vec<Signal>,
    missed: u64,
}

impl MultiAnalyser {
    /// For a tap of so many channels at a rate in Hz.
    pub fn new(rate: u32, channels: usize, settings: &MultiSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let (shape, rate) = (&settings.shape, f64::from(rate));
        let average = |r: usize| {
            let hop = (shape.hop() * STEP.pow(r as u32)) as f64 / rate;
            Average::new(shape.size / 2 + 1, settings.averaging, hop, settings.hold_decay)
        };
        let grid = Grid::new(settings, rate);
        let places = |r: usize| -> Vec<Option<usize>> {
            let bin_hz = bin_hz(r, shape, rate);
            (0..=shape.size / 2).map(|k| grid.point(k as f64 * bin_hz)).collect()
        };
        let signal = |s: &Source| Signal {
            source: *s,
            levels: Levels::new(shape, settings.resolutions),
            averages: (0..settings.resolutions).map(average).collect(),
        };
        Ok(MultiAnalyser {
            settings: settings.clone(),
            rate,
            places: (0..settings.resolutions).map(places).collect(),
            grid,
            transform: Transform::new(shape),
            lobe: Lobe::new(shape.window),
            signals: settings.sources.iter().map(signal).collect(),
            missed: 0,
        })
    }

    /// Forgets averages and held levels; the sound goes on.
    pub fn reset(&mut self) {
        self.signals.iter_mut().flat_map(|s| &mut s.averages).for_each(Average::reset);
    }

    /// The next window of each resolution takes its average's place; until then they stand.
    pub(super) fn restart(&mut self) {
        self.signals.iter_mut().flat_map(|s| &mut s.averages).for_each(Average::restart);
    }

    /// Averages are not known until their next window.
    pub(super) fn forget(&mut self) {
        self.signals.iter_mut().flat_map(|s| &mut s.averages).for_each(Average::forget);
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for s in &mut self.signals {
            let averages = &mut s.averages;
            let x = s.source.take(audio);
            s.levels.push(&x, &mut self.transform, |r, powers| averages[r].add(powers));
        }
    }

    /// These many frames were missed before what comes next; see [`super::spectrum::SpectrumAnalyser::gap`].
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        for s in &mut self.signals {
            s.levels.clear();
            for (r, a) in s.averages.iter_mut().enumerate() {
                a.fall(frames as f64 / (self.settings.shape.hop() * STEP.pow(r as u32)) as f64);
                if !self.settings.averaging.survives() {
                    a.forget();
                }
            }
        }
    }

    /// Levels on the grid. Where the finest resolution has no window yet, a coarser one stands in.
    pub fn read(&self) -> SpectrumReadings {
        let hz = self.hz();
        let levels = |powers: Vec<f64>| -> Vec<f32> {
            let tilt = |hz: f64| (self.settings.tilt * log2(hz / 1000.0)) as f32;
            powers.iter().zip(&hz).map(|(p, hz)| power_db(*p) + tilt(*hz)).collect()
        };
        let trace = |s: &Signal| match s.averages.iter().any(|a| a.known) {
            false => Trace::default(),
            true => Trace {
                level: levels(self.merged(s, &hz, |a| &a.mean)),
                hold: levels(self.merged(s, &hz, |a| &a.hold)),
            },
        };
        SpectrumReadings {
            traces: self.signals.iter().map(trace).collect(),
            windows: self.signals.iter().map(|s| s.averages[0].windows).min().unwrap_or(0),
            frames_missed: self.missed,
            hz,
        }
    }

    /// The points.
    pub fn hz(&self) -> Vec<f64> {
        (0..self.grid.count).map(|i| self.grid.hz(i)).collect()
    }

    /// Mean powers of a source at the points; `None` before the first window.
    pub(super) fn powers(&self, source: usize, hz: &[f64]) -> Option<Vec<f64>> {
        let s = self.signals.get(source)?;
        s.averages[0].known.then(|| self.merged(s, hz, |a| &a.mean))
    }

    /// Powers at the points, of all resolutions that have any.
    fn merged(&self, s: &Signal, hz: &[f64], of: impl Fn(&Average) -> &Vec<f64>) -> Vec<f64> {
        let known: Vec<usize> = (0..s.averages.len()).filter(|r| s.averages[*r].known).collect();
        let mut out = vec![0.0; hz.len()];
        // The share of each resolution is what the coarser one before it leaves, and more than nothing up to `end`.
        let mut end = f64::INFINITY;
        for (i, r) in known.iter().enumerate() {
            let meets = |r: &usize| top(*r, self.rate);
            let begin = known.get(i + 1).map_or(0.0, |next| meets(next) / SQRT_2);
            let used = begin..end;
            let grid = self.on_grid(*r, hz, of(&s.averages[*r]), &used);
            for ((out, power), hz) in out.iter_mut().zip(grid).zip(hz).filter(|(_, hz)| used.contains(hz)) {
                let share = match i {
                    0 => 1.0,
                    _ => (0.5 - log2(hz / meets(r))).clamp(0.0, 1.0),
                };
                *out += share * (power - *out);
            }
            end = known.get(i + 1).map_or(0.0, |next| meets(next) * SQRT_2);
        }
        out
    }

    /// One resolution's powers at the points within a range of frequencies.
    fn on_grid(&self, resolution: usize, hz: &[f64], powers: &[f64], used: &Range<f64>) -> Vec<f64> {
        let bin_hz = bin_hz(resolution, &self.settings.shape, self.rate);
        let last = powers.len() - 1;
        let between = |hz: &f64| {
            if !used.contains(hz) || *hz > last as f64 * bin_hz {
                return 0.0;
            }
            let k = ((hz / bin_hz) as usize).min(last - 1);
            let share = hz / bin_hz - k as f64;
            // Straight in dB; silence stays silence.
            let log = |p: f64| log2(p.max(f64::MIN_POSITIVE));
            let power = exp2(log(powers[k]) + share * (log(powers[k + 1]) - log(powers[k])));
            if powers[k].max(powers[k + 1]) > 0.0 { power } else { 0.0 }
        };
        let mut out: Vec<f64> = hz.iter().map(between).collect();
        let mut raise = |point: Option<usize>, power: f64| {
            if let Some(i) = point {
                out[i] = power.max(out[i]);
            }
        };
        // A bin more on either side: the points there reach half a step beyond.
        let first = ((used.start / (1.1 * bin_hz)) as usize).max(1);
        let end = ((1.1 * used.end / bin_hz).min(last as f64) as usize + 1).max(first);
        for (p, point) in powers[first..end].iter().zip(&self.places[resolution][first..end]) {
            raise(*point, *p);
        }
        each_line(&powers[first - 1..end], &self.lobe, |bin, power| {
            raise(self.grid.point((bin + (first - 1) as f64) * bin_hz), power);
        });
        out
    }
}
