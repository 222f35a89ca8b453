// SPDX-License-Identifier: MIT OR Apache-2.0
//! The long-term average spectrum of a programme: its mean and the range in which it moves, gated.
//!
//! Windows of the transform are treated like the blocks of BS.1770: those below −70 LUFS do not count, nor
//! those 10 LU below the mean of the others. A window's loudness is the K-weighted sum of its own bins, without
//! the weights of channels. The relative gate is only known at the end, so everything is kept apart by the
//! windows' loudness, in classes of 1 LU: means exactly, percentiles as counts in steps of 0.5 dB (and so
//! within 0.25 dB). The class that the relative gate cuts counts whole or not at all. Memory depends on the
//! number of bands alone, about 100 kB each.

use super::loudness::{energy_of, lufs};
use super::octaves::{Bins, bands, check_range};
use super::spectrum_frames::{Framer, Shape, Transform};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, power_db};
use super::windows::Window;
use crate::dsp::Frames;
use crate::dsp::kweight::sections;

/// Bands in an octave that may be asked for.
pub const LONG_TERM_FRACTIONS: [usize; 4] = [1, 3, 6, 12];
/// Gates, LUFS and share of the mean energy.
const ABSOLUTE_GATE: f64 = -70.0;
const RELATIVE_GATE: f64 = 0.1;
/// Classes of 1 LU from the absolute gate; louder windows go to the last.
const CLASSES: usize = 81;
/// Steps of 0.5 dB from −150 dBFS; the first holds all that is lower.
const STEPS: usize = 324;
const LOWEST: f64 = -150.0;
const STEPS_PER_DB: f64 = 2.0;

#[derive(Clone, Debug, PartialEq)]
pub struct LongTermSettings {
    /// Their powers are added.
    pub sources: Vec<Source>,
    pub shape: Shape,
    /// Bands in an octave, one of [`LONG_TERM_FRACTIONS`].
    pub fraction: usize,
    pub low_hz: f64,
    pub high_hz: f64,
}

impl LongTermSettings {
    /// 1/6 octave from 20 Hz to 20 kHz, Hann windows of 16384 points.
    pub fn new(sources: &[Source]) -> Self {
        LongTermSettings {
            sources: sources.to_vec(),
            shape: Shape { window: Window::Hann, ..Shape::new(16384) },
            fraction: 6,
            low_hz: 20.0,
            high_hz: 20_000.0,
        }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&self.sources, channels)?;
        self.shape.check()?;
        one_of("bands an octave", self.fraction, &LONG_TERM_FRACTIONS)?;
        check_range(self.low_hz, self.high_hz)
    }
}

/// Levels of the bands in dBFS (a full-scale sine reads 0); −∞ for silence. Empty before the first window
/// above the absolute gate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LongTermReadings {
    pub hz: Vec<f64>,
    /// Of the mean power.
    pub mean: Vec<f32>,
    /// 10, 50 and 90 % of the windows are below.
    pub percentiles: [Vec<f32>; 3],
    /// Windows above both gates, and all since the reset.
    pub windows: u64,
    pub windows_all: u64,
    /// LUFS below which windows did not count.
    pub gate: Option<f64>,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

const RANKS: [f64; 3] = [0.1, 0.5, 0.9];

/// Windows of about one loudness.
#[derive(Clone, Debug)]
struct Class {
    windows: u64,
    energy: f64,
    /// Sum of the powers of each band.
    power: Vec<f64>,
    /// Windows of each band by their level there.
    counts: Vec<u32>,
}

#[derive(Clone, Debug)]
pub struct LongTerm {
    sources: Vec<Source>,
    framers: Vec<Framer>,
    transform: Transform,
    hz: Vec<f64>,
    bins: Vec<Bins>,
    /// K weighting of the power of each bin, as mean squares.
    weights: Vec<f64>,
    /// Powers of the bins of all sources.
    sum: Vec<f64>,
    classes: Vec<Class>,
    windows: u64,
    missed: u64,
}

impl LongTerm {
    /// For a tap of so many channels at a rate in Hz. Bands beyond half the rate are left out.
    pub fn new(rate: u32, channels: usize, settings: &LongTermSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let (shape, rate) = (&settings.shape, f64::from(rate));
        let (count, bin_hz) = (shape.size / 2 + 1, rate / shape.size as f64);
        let mut bands = bands(settings.fraction, settings.low_hz, settings.high_hz);
        bands.retain(|b| b.centre < 0.5 * rate);
        let transform = Transform::new(shape);
        let k = sections(rate);
        let weight = |bin: usize| {
            let gain: f64 = k.iter().map(|s| s.magnitude(bin as f64 * bin_hz, rate)).product();
            0.5 * gain * gain / transform.noise_bins
        };
        let class = Class {
            windows: 0,
            energy: 0.0,
            power: vec![0.0; bands.len()],
            counts: vec![0; bands.len() * STEPS],
        };
        Ok(LongTerm {
            framers: settings.sources.iter().map(|_| Framer::new(shape)).collect(),
            sources: settings.sources.clone(),
            hz: bands.iter().map(|b| b.centre).collect(),
            bins: bands.iter().map(|b| Bins::new(b, bin_hz, count)).collect(),
            // Half the rate is left out: no gain is known there.
            weights: (0..count).map(|bin| if bin + 1 < count { weight(bin) } else { 0.0 }).collect(),
            sum: vec![0.0; count],
            classes: vec![class; CLASSES],
            transform,
            windows: 0,
            missed: 0,
        })
    }

    /// Begins a new average; the sound goes on.
    pub fn reset(&mut self) {
        self.windows = 0;
        for c in &mut self.classes {
            (c.windows, c.energy) = (0, 0.0);
            c.power.fill(0.0);
            c.counts.fill(0);
        }
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let mut due = false;
        for (source, framer) in self.sources.iter().zip(&mut self.framers) {
            due = framer.push(&source.take(audio));
        }
        if due {
            self.sum.fill(0.0);
            for framer in &self.framers {
                let powers = self.transform.powers(framer);
                self.sum.iter_mut().zip(powers).for_each(|(s, p)| *s += p);
            }
            self.add();
        }
    }

    /// One window of all sources.
    fn add(&mut self) {
        self.windows += 1;
        let energy: f64 = self.sum.iter().zip(&self.weights).map(|(p, w)| p * w).sum();
        if energy <= energy_of(ABSOLUTE_GATE) {
            return;
        }
        let at = ((lufs(energy) - ABSOLUTE_GATE) as usize).min(CLASSES - 1);
        let class = &mut self.classes[at];
        class.windows += 1;
        class.energy += energy;
        let scale = 1.0 / self.transform.noise_bins;
        let bands = class.power.iter_mut().zip(class.counts.chunks_exact_mut(STEPS));
        for ((sum, counts), bins) in bands.zip(&self.bins) {
            let power = scale * bins.sum(&self.sum);
            *sum += power;
            let step = (f64::from(power_db(power)) - LOWEST) * STEPS_PER_DB;
            let count = &mut counts[(step.max(0.0) as usize).min(STEPS - 1)];
            *count = count.saturating_add(1);
        }
    }

    /// These many frames were missed before what comes next: no window spans them, the average goes on.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.framers.iter_mut().for_each(|f| f.clear(0));
    }

    pub fn read(&self) -> LongTermReadings {
        let (windows, energy) = self.classes.iter().fold((0, 0.0), |(n, e), c| (n + c.windows, e + c.energy));
        let mut r = LongTermReadings {
            windows_all: self.windows,
            frames_missed: self.missed,
            ..LongTermReadings::default()
        };
        if windows == 0 {
            return r;
        }
        let gate = RELATIVE_GATE * energy / windows as f64;
        let counted: Vec<&Class> =
            self.classes.iter().filter(|c| c.windows > 0 && c.energy > gate * c.windows as f64).collect();
        r.windows = counted.iter().map(|c| c.windows).sum();
        r.gate = Some(lufs(gate).max(ABSOLUTE_GATE));
        r.hz = self.hz.clone();
        let mut counts = vec![0u64; STEPS];
        for band in 0..self.hz.len() {
            let power: f64 = counted.iter().map(|c| c.power[band]).sum();
            r.mean.push(power_db(power / r.windows as f64));
            counts.fill(0);
            for c in &counted {
                let of = &c.counts[band * STEPS..][..STEPS];
                counts.iter_mut().zip(of).for_each(|(sum, n)| *sum += u64::from(*n));
            }
            for (out, rank) in r.percentiles.iter_mut().zip(RANKS) {
                out.push(percentile(&counts, rank));
            }
        }
        r
    }
}

/// The level below which a share of the windows lies, straight within a step.
fn percentile(counts: &[u64], rank: f64) -> f32 {
    let mut left = rank * counts.iter().sum::<u64>() as f64;
    for (step, count) in counts.iter().enumerate() {
        let count = *count as f64;
        if count > 0.0 && left <= count {
            // The lowest step has no lower end.
            return match step {
                0 => f32::NEG_INFINITY,
                _ => (LOWEST + (step as f64 + left / count) / STEPS_PER_DB) as f32,
            };
        }
        left -= count;
    }
    f32::NEG_INFINITY
}
