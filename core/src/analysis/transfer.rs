// SPDX-License-Identifier: MIT OR Apache-2.0
//! What lies between two signals: magnitude, phase and coherence of a transfer, with its delay taken out.
//!
//! Welch's averages of windows of both signals: H = Sxy/Sxx, so that noise at the output does not bias it, and
//! γ² = |Sxy|²/(Sxx Syy), the share of the output that the input explains (Bendat & Piersol). With fractions
//! of an octave the spectra are summed over each band first. The reference is delayed by whole frames before
//! it is compared; [`TransferAnalyser::align`] finds by how many. What is left of a delay much shorter than a
//! window turns the phase and costs little else.

use super::octaves::{Band, Bins, FRACTIONS, bands};
use super::spectrum_frames::{Averaging, Framer, Shape, Transform};
use super::spectrum_settings::{Refused, Source, check_rate, check_sources, one_of, within};
use super::windows::Window;
use crate::dsp::fft::{Complex, RealFft};
use crate::dsp::{Frames, QUANTUM};

/// Longest delay in frames that is taken out.
pub const MOST_DELAY: usize = 1 << 18;

#[derive(Clone, Debug, PartialEq)]
pub struct TransferSettings {
    /// What went in; channels of two taps are counted one after the other.
    pub reference: Source,
    /// What came out.
    pub measured: Source,
    pub shape: Shape,
    pub averaging: Averaging,
    /// Frames by which the reference is delayed.
    pub delay: usize,
    /// Bands in an octave over which is summed; `None` for every bin.
    pub fraction: Option<usize>,
}

impl TransferSettings {
    /// Hann windows of 16384 points, slow, 1/24 octave.
    pub fn new(reference: Source, measured: Source) -> Self {
        TransferSettings {
            reference,
            measured,
            shape: Shape { window: Window::Hann, ..Shape::new(16384) },
            averaging: Averaging::Slow,
            delay: 0,
            fraction: Some(24),
        }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        check_sources(&[self.reference, self.measured], channels)?;
        self.shape.check()?;
        within("delay", self.delay as f64, (0.0, MOST_DELAY as f64), "frames")?;
        self.fraction.map_or(Ok(()), |f| one_of("bands an octave", f, &FRACTIONS))
    }
}

/// Empty before the first window. NaN where the reference is silent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransferReadings {
    pub hz: Vec<f64>,
    /// dB.
    pub magnitude: Vec<f32>,
    /// Degrees, −180 … +180.
    pub phase: Vec<f32>,
    /// 0 (unrelated) … 1 (all of it); NaN until there are two windows, as one explains everything.
    pub coherence: Vec<f32>,
    pub windows: u64,
    /// Frames by which the reference is delayed.
    pub delay: usize,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

/// Averages of one bin: power of the reference, of the measured, and between them.
#[derive(Clone, Copy, Debug, Default)]
struct Cross {
    xx: f64,
    yy: f64,
    re: f64,
    im: f64,
}

/// The lowest and highest band of a smoothed reading, Hz.
const BANDS_HZ: (f64, f64) = (10.0, 100_000.0);

#[derive(Clone, Debug)]
pub struct TransferAnalyser {
    settings: TransferSettings,
    bin_hz: f64,
    /// The newest of the reference, as many frames as it is delayed and a quantum more.
    line: Vec<f64>,
    at: usize,
    framers: [Framer; 2],
    transforms: [Transform; 2],
    bins: Vec<Cross>,
    bands: Vec<(Band, Bins)>,
    windows: u64,
    /// Least share of the newest window.
    share: f64,
    missed: u64,
}

impl TransferAnalyser {
    /// For a tap (or two, side by side) of so many channels at a rate in Hz.
    pub fn new(rate: u32, channels: usize, settings: &TransferSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let (shape, rate) = (&settings.shape, f64::from(rate));
        let (count, bin_hz) = (shape.size / 2 + 1, rate / shape.size as f64);
        let mut bands = settings.fraction.map_or(Vec::new(), |f| bands(f, BANDS_HZ.0, BANDS_HZ.1));
        bands.retain(|b| b.centre < 0.5 * rate);
        let seconds = shape.hop() as f64 / rate;
        let transform = Transform::new(shape);
        let mut made = TransferAnalyser {
            bin_hz,
            line: Vec::new(),
            at: 0,
            framers: [Framer::new(shape), Framer::new(shape)],
            transforms: [transform.clone(), transform],
            bins: vec![Cross::default(); count],
            bands: bands.iter().map(|b| (*b, Bins::new(b, bin_hz, count))).collect(),
            windows: 0,
            share: match settings.averaging {
                Averaging::Infinite => 0.0,
                a => -libm::expm1(-seconds / a.seconds()),
            },
            settings: settings.clone(),
            missed: 0,
        };
        made.begin();
        Ok(made)
    }

    /// Empties the delay; windows begin when it is full.
    fn begin(&mut self) {
        self.line.clear();
        self.line.resize(self.settings.delay + QUANTUM, 0.0);
        self.at = 0;
        let wait = self.settings.delay.next_multiple_of(QUANTUM);
        self.framers.iter_mut().for_each(|f| f.clear(wait));
    }

    /// Begins a new average; the sound goes on.
    pub fn reset(&mut self) {
        self.windows = 0;
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let mut x = self.settings.reference.take(audio);
        let (delay, length) = (self.settings.delay, self.line.len());
        for x in &mut x {
            self.line[self.at] = *x;
            *x = self.line[(self.at + length - delay) % length];
            self.at = (self.at + 1) % length;
        }
        let due = self.framers[0].push(&x);
        self.framers[1].push(&self.settings.measured.take(audio));
        if due {
            self.add();
        }
    }

    fn add(&mut self) {
        self.windows += 1;
        let share = self.share.max(1.0 / self.windows as f64);
        let [first, second] = &mut self.transforms;
        let (x, y) = (first.bins(&self.framers[0]), second.bins(&self.framers[1]));
        for ((c, x), y) in self.bins.iter_mut().zip(x).zip(y) {
            c.xx += share * (x.0 * x.0 + x.1 * x.1 - c.xx);
            c.yy += share * (y.0 * y.0 + y.1 * y.1 - c.yy);
            c.re += share * (x.0 * y.0 + x.1 * y.1 - c.re);
            c.im += share * (x.0 * y.1 - x.1 * y.0 - c.im);
        }
    }

    /// These many frames were missed before what comes next; no window spans them.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.begin();
        if !self.settings.averaging.survives() {
            self.windows = 0;
        }
    }

    /// Frames by which the measured is later than the reference beyond the delay that is already taken out,
    /// up to half a window either way: where the impulse response is largest.
    pub fn residual_delay(&self) -> Option<i64> {
        if self.windows == 0 {
            return None;
        }
        let floor = 1e-12 * self.bins.iter().map(|c| c.xx).fold(0.0, f64::max);
        let h = |c: &Cross| match c.xx > floor {
            true => (c.re / c.xx, c.im / c.xx),
            false => (0.0, 0.0),
        };
        let spectrum: Vec<Complex> = self.bins.iter().map(h).collect();
        let response = RealFft::new(self.settings.shape.size).signal(&spectrum);
        let (at, _) = response.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
        let half = response.len() / 2;
        Some(if at > half { at as i64 - response.len() as i64 } else { at as i64 })
    }

    /// Takes the residual delay out as well and begins anew. Returns the delay now taken out.
    pub fn align(&mut self) -> usize {
        let delay = self.settings.delay as i64 + self.residual_delay().unwrap_or(0);
        self.settings.delay = delay.clamp(0, MOST_DELAY as i64) as usize;
        self.begin();
        self.reset();
        self.settings.delay
    }

    pub fn read(&self) -> TransferReadings {
        let mut r = TransferReadings {
            windows: self.windows,
            delay: self.settings.delay,
            frames_missed: self.missed,
            ..TransferReadings::default()
        };
        if self.windows == 0 {
            return r;
        }
        let mut point = |hz: f64, c: Cross| {
            let (h, known) = ((c.re / c.xx, c.im / c.xx), c.xx > 0.0);
            let size = (h.0 * h.0 + h.1 * h.1).sqrt();
            let or_nan = |known: bool, v: f64| if known { v as f32 } else { f32::NAN };
            let explained = (c.re * c.re + c.im * c.im) / (c.xx * c.yy);
            r.hz.push(hz);
            r.magnitude.push(or_nan(known, super::decibels(size)));
            r.phase.push(or_nan(known, libm::atan2(h.1, h.0).to_degrees()));
            r.coherence.push(or_nan(known && c.yy > 0.0 && self.windows > 1, explained.min(1.0)));
        };
        if self.settings.fraction.is_some() {
            self.bands.iter().for_each(|(band, bins)| point(band.centre, self.band(band, bins)));
        } else {
            self.bins.iter().enumerate().for_each(|(k, c)| point(k as f64 * self.bin_hz, *c));
        }
        r
    }

    /// The spectra of a band's bins, summed; of a band narrower than two bins, those at its centre.
    fn band(&self, band: &Band, bins: &Bins) -> Cross {
        if band.high - band.low < 2.0 * self.bin_hz {
            let place = band.centre / self.bin_hz;
            let k = (place as usize).min(self.bins.len() - 2);
            let (a, b, t) = (&self.bins[k], &self.bins[k + 1], place - k as f64);
            let mix = |a: f64, b: f64| a + t * (b - a);
            return Cross {
                xx: mix(a.xx, b.xx),
                yy: mix(a.yy, b.yy),
                re: mix(a.re, b.re),
                im: mix(a.im, b.im),
            };
        }
        let sum = |of: fn(&Cross) -> f64| bins.sum_of(|k| of(&self.bins[k]));
        Cross { xx: sum(|c| c.xx), yy: sum(|c| c.yy), re: sum(|c| c.re), im: sum(|c| c.im) }
    }
}
