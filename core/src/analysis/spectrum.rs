// SPDX-License-Identifier: MIT OR Apache-2.0
//! The FFT analyser: levels of evenly spaced bins, averaged and held, and the lines among them.
//!
//! Levels are calibrated for sines (full scale reads 0 dBFS on a bin; between bins less, by the scalloping of
//! the window) or as a density per Hz, whose sum over a band is the band's level. Lines are interpolated and
//! read right anywhere from one main lobe above 0 Hz to one below half the rate; nearer to those ends a real
//! sine overlaps its own mirror image and reads according to its phase.

use super::spectrum_frames::{Average, Averaging, Framer, Shape, Transform};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, power_db, within};
use super::windows::{DB_PER_OCTAVE, Lobe};
use crate::dsp::Frames;
use crate::dsp::math::{exp2, log2};

/// What the level of a bin means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// dBFS of a sine there.
    #[default]
    Level,
    /// dBFS per Hz.
    Density,
}

/// Greatest tilt of the display in dB an octave, and greatest fall of held levels in dB/s.
pub(super) const TILT: (f64, f64) = (0.0, 6.0);
pub(super) const DECAY: (f64, f64) = (0.0, 1000.0);
/// The tilt turns the display around this frequency.
const TILT_HZ: f64 = 1000.0;

#[derive(Clone, Debug, PartialEq)]
pub struct SpectrumSettings {
    pub sources: Vec<Source>,
    pub shape: Shape,
    pub averaging: Averaging,
    pub scale: Scale,
    /// dB/s by which held levels fall; 0 holds them until the reset.
    pub hold_decay: f64,
    /// dB an octave that the display rises by, around 1 kHz: 0, 3 (pink reads flat), 4.5 or any between 0 and 6.
    pub tilt: f64,
}

impl SpectrumSettings {
    /// 8192 points, Blackman–Harris, fast.
    pub fn new(sources: &[Source]) -> Self {
        SpectrumSettings {
            sources: sources.to_vec(),
            shape: Shape::new(8192),
            averaging: Averaging::Fast,
            scale: Scale::Level,
            hold_decay: 20.0,
            tilt: 0.0,
        }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&self.sources, channels)?;
        self.shape.check()?;
        within("hold decay", self.hold_decay, DECAY, "dB/s")?;
        within("tilt", self.tilt, TILT, "dB/oct")
    }
}

/// One signal's levels at the frequencies of the readings, in dB; −∞ for silence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    pub level: Vec<f32>,
    pub hold: Vec<f32>,
}

/// Levels of all sources. No window was complete: empty traces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpectrumReadings {
    pub hz: Vec<f64>,
    /// One for each source.
    pub traces: Vec<Trace>,
    /// Windows in the average.
    pub windows: u64,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

/// A sine found in a spectrum: its frequency in Hz and its level in dBFS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    pub hz: f64,
    pub level: f64,
}

#[derive(Clone, Debug)]
struct Signal {
    source: Source,
    framer: Framer,
    average: Average,
}

#[derive(Clone, Debug)]
pub struct SpectrumAnalyser {
    settings: SpectrumSettings,
    bin_hz: f64,
    transform: Transform,
    lobe: Lobe,
    signals: Vec<Signal>,
    missed: u64,
}

impl SpectrumAnalyser {
    /// For a tap of so many channels at a rate in Hz.
    pub fn new(rate: u32, channels: usize, settings: &SpectrumSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let shape = &settings.shape;
        let hop_seconds = shape.hop() as f64 / f64::from(rate);
        let average = Average::new(shape.size / 2 + 1, settings.averaging, hop_seconds, settings.hold_decay);
        let signal = |s: &Source| Signal { source: *s, framer: Framer::new(shape), average: average.clone() };
        Ok(SpectrumAnalyser {
            settings: settings.clone(),
            bin_hz: f64::from(rate) / shape.size as f64,
            transform: Transform::new(shape),
            lobe: Lobe::new(shape.window),
            signals: settings.sources.iter().map(signal).collect(),
            missed: 0,
        })
    }

    /// Forgets averages and held levels; the sound goes on.
    pub fn reset(&mut self) {
        self.signals.iter_mut().for_each(|s| s.average.reset());
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for s in &mut self.signals {
            if s.framer.push(&s.source.take(audio)) {
                s.average.add(self.transform.powers(&s.framer));
            }
        }
    }

    /// These many frames were missed before what comes next. No window spans them; an infinite average goes
    /// on with the windows after them, the others begin anew; held levels fall meanwhile.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        for s in &mut self.signals {
            s.framer.clear(0);
            s.average.fall(frames as f64 / self.settings.shape.hop() as f64);
            if !self.settings.averaging.survives() {
                s.average.forget();
            }
        }
    }

    pub fn read(&self) -> SpectrumReadings {
        let hz: Vec<f64> = (0..=self.settings.shape.size / 2).map(|k| k as f64 * self.bin_hz).collect();
        let offset: Vec<f32> = hz.iter().map(|hz| self.offset(hz.max(self.bin_hz))).collect();
        let levels = |powers: &[f64]| -> Vec<f32> {
            powers.iter().zip(&offset).map(|(p, o)| power_db(*p) + o).collect()
        };
        let trace = |s: &Signal| match s.average.known {
            false => Trace::default(),
            true => Trace { level: levels(&s.average.mean), hold: levels(&s.average.hold) },
        };
        SpectrumReadings {
            traces: self.signals.iter().map(trace).collect(),
            hz,
            windows: self.signals.iter().map(|s| s.average.windows).min().unwrap_or(0),
            frames_missed: self.missed,
        }
    }

    /// What is added to the level of a line at `hz`: density and tilt.
    fn offset(&self, hz: f64) -> f32 {
        let density = match self.settings.scale {
            Scale::Level => 0.0,
            Scale::Density => -10.0 * libm::log10(self.transform.noise_bins * self.bin_hz),
        };
        (density + self.settings.tilt * log2(hz / TILT_HZ)) as f32
    }

    /// The strongest lines of a source, at most `count`, strongest first: without scalloping, tilt or density.
    pub fn lines(&self, source: usize, count: usize) -> Vec<Line> {
        let Some(signal) = self.signals.get(source).filter(|s| s.average.known) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        each_line(&signal.average.mean, &self.lobe, |bin, power| {
            lines.push(Line { hz: bin * self.bin_hz, level: f64::from(power_db(power)) });
        });
        lines.sort_by(|a, b| b.level.total_cmp(&a.level));
        lines.truncate(count);
        lines
    }
}

/// Every maximum of a power spectrum as the line that makes it: its place in bins and its power.
pub(super) fn each_line(powers: &[f64], lobe: &Lobe, mut line: impl FnMut(f64, f64)) {
    for (k, w) in powers.windows(3).enumerate() {
        if w[1] > 0.0 && w[1] >= w[0] && w[1] > w[2] {
            let (offset, rise) = lobe.locate([w[0], w[1], w[2]]);
            line((k + 1) as f64 + offset, w[1] * exp2(rise / DB_PER_OCTAVE));
        }
    }
}
