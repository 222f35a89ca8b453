// SPDX-License-Identifier: MIT OR Apache-2.0
//! What costs more than the figures and is only measured where somebody looks at it: the spectrum, the
//! goniometer, correlation over time and by octaves.

use lathe_core::analysis::density::Density;
use lathe_core::analysis::long_term::{LongTerm, LongTermReadings, LongTermSettings};
use lathe_core::analysis::spectrum_frames::SIZES;
use lathe_core::analysis::spectrum_settings::Source;
use lathe_core::analysis::stereo_field::{StereoField, StereoSettings};
use lathe_core::dsp::Frames;
use lathe_core::units::Layout;

/// Least length of a window of the spectrum: 1/6 octave at 20 Hz is 2.3 Hz wide.
const WINDOW_SECONDS: f64 = 0.3;

/// Correlation of one octave, over windows of 300 ms every 100 ms in which both channels were heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Octave {
    pub hz: f64,
    pub mean: f64,
    pub lowest: f64,
}

/// The first pair of channels.
#[derive(Clone, Debug)]
pub struct Stereo {
    pub density: Density,
    /// Over 300 ms; entry n is at (n + 1) · 100 ms. NaN: not defined.
    pub correlation: Vec<f32>,
    /// Those in which both channels were ever heard.
    pub octaves: Vec<Octave>,
}

impl Stereo {
    /// The lowest correlation and when it was, in seconds.
    pub fn lowest(&self) -> Option<(f64, f64)> {
        let known = self.correlation.iter().enumerate().filter(|(_, c)| !c.is_nan());
        let (n, lowest) = known.min_by(|a, b| a.1.total_cmp(b.1))?;
        Some((f64::from(*lowest), (n + 1) as f64 / 10.0))
    }
}

#[derive(Clone, Debug)]
pub struct Detail {
    /// Mean of the powers of all channels (the first 16): a full-scale sine in each of them reads 0 dBFS. `None` at
    /// rates that the analyser does not take.
    pub spectrum: Option<LongTermReadings>,
    /// `None` without a pair of channels.
    pub stereo: Option<Stereo>,
}

/// Sum and count of the correlations of an octave.
#[derive(Clone, Copy, Debug)]
struct Sum {
    hz: f64,
    sum: f64,
    count: u64,
    lowest: f64,
}

struct Pair {
    left: usize,
    right: usize,
    field: StereoField,
    density: Density,
    correlation: Vec<f32>,
    sums: Vec<Sum>,
}

/// Listens to a file as it passes.
pub struct Recorder {
    spectrum: Option<LongTerm>,
    /// By how much the powers of all channels are more than their mean.
    sum_db: f32,
    pair: Option<Pair>,
}

impl Recorder {
    /// For a rate in Hz.
    pub fn new(rate: u32, layout: &Layout) -> Recorder {
        let sources = Source::each(layout.len());
        let mut settings = LongTermSettings::new(&sources);
        let long_enough = |size: &usize| *size as f64 >= WINDOW_SECONDS * f64::from(rate);
        settings.shape.size = SIZES.into_iter().find(long_enough).unwrap_or(SIZES[SIZES.len() - 1]);
        let pair = layout.pairs().first().copied().and_then(|(left, right)| {
            let field = StereoField::new(rate, layout.len(), &StereoSettings::new(left, right)).ok()?;
            let (density, correlation, sums) = (Density::default(), Vec::new(), Vec::new());
            Some(Pair { left, right, field, density, correlation, sums })
        });
        Recorder {
            spectrum: LongTerm::new(rate, layout.len(), &settings).ok(),
            sum_db: 10.0 * (sources.len().max(1) as f32).log10(),
            pair,
        }
    }

    /// One quantum of every channel, of which the first `frames` are sound; `passed`: it passed a place of the
    /// 100 ms grid.
    pub fn process(&mut self, audio: &[Frames], frames: usize, passed: bool) {
        if let Some(s) = &mut self.spectrum {
            s.process(audio);
        }
        if let Some(p) = &mut self.pair {
            p.density.add(&audio[p.left][..frames], &audio[p.right][..frames]);
            p.field.process(audio);
            if passed {
                p.read();
            }
        }
    }

    pub fn finish(self) -> Detail {
        let spectrum = self.spectrum.map(|s| {
            let mut r = s.read();
            r.mean.iter_mut().chain(r.percentiles.iter_mut().flatten()).for_each(|v| *v -= self.sum_db);
            r
        });
        let stereo = self.pair.map(|p| Stereo {
            octaves: p.sums.iter().filter(|s| s.count > 0).map(Sum::octave).collect(),
            density: p.density,
            correlation: p.correlation,
        });
        Detail { spectrum, stereo }
    }
}

impl Pair {
    fn read(&mut self) {
        let r = self.field.read();
        self.correlation.push(r.correlation.map_or(f32::NAN, |c| c as f32));
        if self.sums.is_empty() {
            let sum = |hz: f64| Sum { hz, sum: 0.0, count: 0, lowest: 1.0 };
            self.sums = r.bands.iter().map(|b| sum(b.nominal)).collect();
        }
        for (s, c) in self.sums.iter_mut().zip(&r.band_correlation) {
            if !c.is_nan() {
                s.sum += f64::from(*c);
                s.count += 1;
                s.lowest = s.lowest.min(f64::from(*c));
            }
        }
    }
}

impl Sum {
    fn octave(&self) -> Octave {
        Octave { hz: self.hz, mean: self.sum / self.count as f64, lowest: self.lowest }
    }
}
