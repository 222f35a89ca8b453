// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bands of 1/1 to 1/48 octave: their edges, and their levels from Fourier transforms.
//!
//! Mid-band frequencies are those of IEC 61260-1:2014, base ten: G = 10^(3/10), 1 kHz · G^(x/b) for odd
//! denominators b and 1 kHz · G^((2x+1)/2b) for even ones, edges half a band away. A band's level is the sum
//! of the powers of its bins, those at its edges by the share that lies within: exact for noise, and for
//! sines where the band is wider than the main lobe of the window (`resolved`). Without the memory of filters
//! it has no time weighting; [`super::octaves_meter`] has.

use super::spectrum::{DECAY, SpectrumReadings, Trace};
use super::spectrum_frames::{Average, Averaging, Shape, Transform};
use super::spectrum_levels::{Levels, STEP, bin_hz, check_resolutions, top};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, power_db, within};
use crate::dsp::Frames;

/// Bands in an octave that may be asked for.
pub const FRACTIONS: [usize; 7] = [1, 2, 3, 6, 12, 24, 48];
/// Frequencies, in Hz, that bands may be asked to be at.
const RANGE: (f64, f64) = (5.0, 100_000.0);

/// Refuses a range of bands that ends before it begins, or is out of the world.
pub(super) fn check_range(low_hz: f64, high_hz: f64) -> Result<(), Refused> {
    within("lowest band", low_hz, RANGE, "Hz")?;
    within("highest band", high_hz, (low_hz, RANGE.1), "Hz")
}

/// The first digits of nominal frequencies of thirds of an octave (R10 of ISO 3).
const R10: [f64; 10] = [1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0];

/// One band, in Hz.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    pub centre: f64,
    pub low: f64,
    pub high: f64,
    /// What people call it: 31.5, 16000. For fractions other than 1/1 and 1/3 the centre.
    pub nominal: f64,
}

/// All bands of 1/`fraction` octave whose centres, to 2 %, lie between two frequencies.
pub fn bands(fraction: usize, low_hz: f64, high_hz: f64) -> Vec<Band> {
    let b = fraction as f64;
    let of = |exponent: f64| 1000.0 * libm::pow(10.0, 0.3 * exponent);
    let half = if fraction.is_multiple_of(2) { 0.5 } else { 0.0 };
    let place = |hz: f64| b * libm::log10(hz / 1000.0) / 0.3 - half;
    let (first, last) = (place(low_hz / 1.02).ceil() as i64, place(high_hz * 1.02).floor() as i64);
    let band = |x: i64| {
        let at = (x as f64 + half) / b;
        let centre = of(at);
        // In thirds, three to the octave; ten make a decade.
        let thirds = 3 * x / fraction as i64;
        let nominal = match fraction {
            1 | 3 => {
                R10[thirds.rem_euclid(10) as usize] * libm::pow(10.0, 3.0 + thirds.div_euclid(10) as f64)
            }
            _ => centre,
        };
        Band { centre, low: of(at - 0.5 / b), high: of(at + 0.5 / b), nominal }
    };
    (first..=last).map(band).collect()
}

/// The bins that a band is made of: whole ones, and shares of those at its ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bins {
    first: usize,
    last: usize,
    first_share: f64,
    last_share: f64,
}

impl Bins {
    /// Bin k reaches from k − ½ to k + ½.
    pub fn new(band: &Band, bin_hz: f64, bins: usize) -> Self {
        let edge = |hz: f64| (hz / bin_hz + 0.5).clamp(0.0, bins as f64);
        let (low, high) = (edge(band.low), edge(band.high));
        let at = |edge: f64| (edge as usize).min(bins - 1);
        let (first, last) = (at(low), at(high));
        if first == last {
            return Bins { first, last, first_share: high - low, last_share: 0.0 };
        }
        Bins { first, last, first_share: (first + 1) as f64 - low, last_share: high - last as f64 }
    }

    /// Their power, not yet divided by the window's noise bandwidth.
    pub fn sum(&self, powers: &[f64]) -> f64 {
        self.sum_of(|k| powers[k])
    }

    /// The sum of anything that bins have.
    pub fn sum_of(&self, of: impl Fn(usize) -> f64) -> f64 {
        let ends = self.first_share * of(self.first) + self.last_share * of(self.last);
        ends + ((self.first + 1).min(self.last)..self.last).map(of).sum::<f64>()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct OctaveSettings {
    pub sources: Vec<Source>,
    /// Bands in an octave, one of [`FRACTIONS`].
    pub fraction: usize,
    /// Of each resolution.
    pub shape: Shape,
    /// 1, or 3: at the rate, a quarter and a sixteenth of it.
    pub resolutions: usize,
    pub averaging: Averaging,
    /// dB/s by which held levels fall; 0 holds them until the reset.
    pub hold_decay: f64,
    pub low_hz: f64,
    pub high_hz: f64,
}

impl OctaveSettings {
    /// 1/3 octave from 20 Hz to 20 kHz, 8192 points at three resolutions, slow.
    pub fn new(sources: &[Source]) -> Self {
        OctaveSettings {
            sources: sources.to_vec(),
            fraction: 3,
            shape: Shape::new(8192),
            resolutions: 3,
            averaging: Averaging::Slow,
            hold_decay: 20.0,
            low_hz: 20.0,
            high_hz: 20_000.0,
        }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&self.sources, channels)?;
        one_of("bands an octave", self.fraction, &FRACTIONS)?;
        self.shape.check()?;
        check_resolutions(self.resolutions)?;
        within("hold decay", self.hold_decay, DECAY, "dB/s")?;
        check_range(self.low_hz, self.high_hz)
    }
}

/// The bands of one resolution.
#[derive(Clone, Debug)]
struct Share {
    bins: Vec<Bins>,
    scratch: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Signal {
    source: Source,
    levels: Levels,
    /// Of each resolution, over its bands.
    averages: Vec<Average>,
}

#[derive(Clone, Debug)]
pub struct OctaveAnalyser {
    averaging: Averaging,
    /// Seconds between windows of each resolution.
    hops: Vec<f64>,
    rate: f64,
    bands: Vec<Band>,
    resolved: Vec<bool>,
    /// Of each resolution, which have the lowest bands last.
    shares: Vec<Share>,
    transform: Transform,
    signals: Vec<Signal>,
    missed: u64,
}

impl OctaveAnalyser {
    /// For a tap of so many channels at a rate in Hz. Bands beyond half the rate are left out.
    pub fn new(rate: u32, channels: usize, settings: &OctaveSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let (shape, rate, count) = (&settings.shape, f64::from(rate), settings.resolutions);
        let mut bands = bands(settings.fraction, settings.low_hz, settings.high_hz);
        bands.retain(|b| b.centre < 0.5 * rate);
        let of = |b: &Band| (0..count).rev().find(|r| b.high <= top(*r, rate)).unwrap_or(0);
        let lobe = shape.window.lobe_bins() as f64;
        let resolved = bands.iter().map(|b| b.high - b.low >= lobe * bin_hz(of(b), shape, rate)).collect();
        let share = |r: usize| {
            let mine = bands.iter().filter(|b| of(b) == r);
            let bins: Vec<Bins> =
                mine.map(|b| Bins::new(b, bin_hz(r, shape, rate), shape.size / 2 + 1)).collect();
            Share { scratch: vec![0.0; bins.len()], bins }
        };
        let shares: Vec<Share> = (0..count).map(share).collect();
        let hops: Vec<f64> = (0..count).map(|r| (shape.hop() * STEP.pow(r as u32)) as f64 / rate).collect();
        let average = |(s, hop): (&Share, &f64)| {
            Average::new(s.bins.len(), settings.averaging, *hop, settings.hold_decay)
        };
        let averages: Vec<Average> = shares.iter().zip(&hops).map(average).collect();
        let signal =
            |s: &Source| Signal { source: *s, levels: Levels::new(shape, count), averages: averages.clone() };
        Ok(OctaveAnalyser {
            averaging: settings.averaging,
            signals: settings.sources.iter().map(signal).collect(),
            transform: Transform::new(shape),
            hops,
            rate,
            bands,
            resolved,
            shares,
            missed: 0,
        })
    }

    /// Forgets averages and held levels; the sound goes on.
    pub fn reset(&mut self) {
        self.signals.iter_mut().flat_map(|s| &mut s.averages).for_each(Average::reset);
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let (shares, scale) = (&mut self.shares, 1.0 / self.transform.noise_bins);
        for s in &mut self.signals {
            let averages = &mut s.averages;
            s.levels.push(&s.source.take(audio), &mut self.transform, |r, powers| {
                let share = &mut shares[r];
                for (out, bins) in share.scratch.iter_mut().zip(&share.bins) {
                    *out = scale * bins.sum(powers);
                }
                averages[r].add(&share.scratch);
            });
        }
    }

    /// These many frames were missed before what comes next; see [`super::spectrum::SpectrumAnalyser::gap`].
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        let seconds = frames as f64 / self.rate;
        for s in &mut self.signals {
            s.levels.clear();
            for (a, hop) in s.averages.iter_mut().zip(&self.hops) {
                a.fall(seconds / hop);
                if !self.averaging.survives() {
                    a.forget();
                }
            }
        }
    }

    /// The bands of the readings.
    pub fn bands(&self) -> &[Band] {
        &self.bands
    }

    /// For each band, whether a sine at its centre reads its own level.
    pub fn resolved(&self) -> &[bool] {
        &self.resolved
    }

    /// Levels at the bands' centres; NaN for bands whose window is not complete.
    pub fn read(&self) -> SpectrumReadings {
        let levels = |s: &Signal, of: fn(&Average) -> &Vec<f64>| -> Vec<f32> {
            // The lowest bands have the last resolution.
            let level = |a: &Average, p: &f64| if a.known { power_db(*p) } else { f32::NAN };
            s.averages
                .iter()
                .rev()
                .flat_map(|a| of(a).iter().map(|p| level(a, p)).collect::<Vec<_>>())
                .collect()
        };
        let trace = |s: &Signal| Trace { level: levels(s, |a| &a.mean), hold: levels(s, |a| &a.hold) };
        SpectrumReadings {
            hz: self.bands.iter().map(|b| b.centre).collect(),
            traces: self.signals.iter().map(trace).collect(),
            windows: self.signals.iter().map(|s| s.averages[0].windows).min().unwrap_or(0),
            frames_missed: self.missed,
        }
    }
}
