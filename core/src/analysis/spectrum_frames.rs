// SPDX-License-Identifier: MIT OR Apache-2.0
//! Overlapping windows of a signal and their power spectra: what every Fourier instrument here begins with.
//!
//! Powers are relative to that of a full-scale sine, calibrated so that a sine on a bin reads its own power.
//! Divided by the window's noise bandwidth they add up to the power of a band (Parseval). A window only
//! holds what came without a gap.

use super::spectrum_settings::{Refused, one_of};
use super::windows::{Window, noise_bandwidth};
use crate::dsp::fft::{Complex, RealFft};

/// Points of a transform that may be asked for.
pub const SIZES: [usize; 7] = [1024, 2048, 4096, 8192, 16384, 32768, 65536];
/// Windows begun in the length of one: 75, 87.5 and 93.75 % overlap.
pub const OVERLAPS: [usize; 3] = [4, 8, 16];

/// Size, window and overlap of a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Points, one of [`SIZES`].
    pub size: usize,
    pub window: Window,
    /// Windows begun in the length of one, one of [`OVERLAPS`].
    pub overlap: usize,
}

impl Shape {
    pub fn new(size: usize) -> Self {
        Shape { size, window: Window::default(), overlap: 4 }
    }

    pub(super) fn check(&self) -> Result<(), Refused> {
        one_of("size", self.size, &SIZES)?;
        one_of("overlap", self.overlap, &OVERLAPS)
    }

    /// Samples from one window to the next: whole quanta.
    pub fn hop(&self) -> usize {
        self.size / self.overlap
    }
}

/// The last samples of one signal, and when a window of them is due.
#[derive(Clone, Debug)]
pub(super) struct Framer {
    ring: Vec<f64>,
    at: usize,
    /// Samples to leave out, then those since the gap, at most the size.
    skip: usize,
    filled: usize,
    since: usize,
    hop: usize,
}

impl Framer {
    pub fn new(shape: &Shape) -> Self {
        Framer { ring: vec![0.0; shape.size], at: 0, skip: 0, filled: 0, since: 0, hop: shape.hop() }
    }

    /// Begins anew after leaving out `skip` samples, for a filter before it to fill.
    pub fn clear(&mut self, skip: usize) {
        (self.at, self.skip, self.filled, self.since) = (0, skip, 0, 0);
    }

    /// A few samples, a part of a hop. True when a window is due.
    pub fn push(&mut self, samples: &[f64]) -> bool {
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(samples.len());
            return false;
        }
        for x in samples {
            self.ring[self.at] = *x;
            self.at = (self.at + 1) % self.ring.len();
        }
        self.filled = (self.filled + samples.len()).min(self.ring.len());
        self.since += samples.len();
        let due = self.since >= self.hop;
        if due {
            self.since -= self.hop;
        }
        due && self.filled == self.ring.len()
    }

    /// The window, times `taps`.
    pub fn windowed(&self, taps: &[f64], out: &mut [f64]) {
        let (newer, older) = self.ring.split_at(self.at);
        for ((out, x), w) in out.iter_mut().zip(older.iter().chain(newer)).zip(taps) {
            *out = x * w;
        }
    }
}

/// The transform of windows of one shape, with its scratch.
#[derive(Clone, Debug)]
pub(super) struct Transform {
    fft: RealFft,
    taps: Vec<f64>,
    scratch: Vec<f64>,
    work: Vec<Complex>,
    bins: Vec<Complex>,
    powers: Vec<f64>,
    scale: f64,
    /// Noise bandwidth of the window in bins.
    pub noise_bins: f64,
}

impl Transform {
    pub fn new(shape: &Shape) -> Self {
        let (taps, size) = (shape.window.taps(shape.size), shape.size);
        let sum: f64 = taps.iter().sum();
        Transform {
            fft: RealFft::new(size),
            noise_bins: noise_bandwidth(&taps),
            taps,
            scratch: vec![0.0; size],
            work: vec![(0.0, 0.0); size / 2],
            bins: vec![(0.0, 0.0); size / 2 + 1],
            powers: vec![0.0; size / 2 + 1],
            scale: 4.0 / (sum * sum),
        }
    }

    /// Complex bins of a signal's newest window.
    pub fn bins(&mut self, framer: &Framer) -> &[Complex] {
        framer.windowed(&self.taps, &mut self.scratch);
        self.fft.spectrum_into(&self.scratch, &mut self.work, &mut self.bins);
        &self.bins
    }

    /// Powers of a signal's newest window. DC and half the rate have no mirror image and count half.
    pub fn powers(&mut self, framer: &Framer) -> &[f64] {
        self.bins(framer);
        for (p, (re, im)) in self.powers.iter_mut().zip(&self.bins) {
            *p = self.scale * (re * re + im * im);
        }
        self.powers[0] *= 0.5;
        if let Some(last) = self.powers.last_mut() {
            *last *= 0.5;
        }
        &self.powers
    }
}

/// How the windows of a spectrum become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Averaging {
    /// The newest window alone.
    Off,
    /// Exponential, 125 ms.
    #[default]
    Fast,
    /// Exponential, 1 s.
    Slow,
    /// All windows since the reset alike.
    Infinite,
}

impl Averaging {
    /// Seconds to 63 %.
    pub fn seconds(self) -> f64 {
        match self {
            Averaging::Off => 0.0,
            Averaging::Fast => 0.125,
            Averaging::Slow => 1.0,
            Averaging::Infinite => f64::INFINITY,
        }
    }

    /// True if the average may go on after a gap: it is one of whole windows, none of which spans it.
    pub(super) fn survives(self) -> bool {
        self == Averaging::Infinite
    }
}

/// Mean powers, and the largest ones with a decay.
#[derive(Clone, Debug)]
pub(super) struct Average {
    pub mean: Vec<f64>,
    pub hold: Vec<f64>,
    /// In the mean.
    pub windows: u64,
    /// False until the first window, and when it is forgotten.
    pub known: bool,
    /// Least share of the newest window.
    share: f64,
    /// What is left of a held power after a window.
    decay: f64,
}

impl Average {
    /// `hop_seconds` from one window to the next; held powers fall by `decay` dB/s.
    pub fn new(bins: usize, averaging: Averaging, hop_seconds: f64, decay: f64) -> Self {
        let share = match averaging {
            Averaging::Infinite => 0.0,
            _ => -libm::expm1(-hop_seconds / averaging.seconds()),
        };
        Average {
            mean: vec![0.0; bins],
            hold: vec![0.0; bins],
            windows: 0,
            known: false,
            share,
            decay: libm::pow(10.0, -0.1 * decay * hop_seconds),
        }
    }

    /// The next window takes the mean's place; until then it stands.
    pub fn restart(&mut self) {
        self.windows = 0;
    }

    /// Forgets the mean; what is held stays.
    pub fn forget(&mut self) {
        (self.windows, self.known) = (0, false);
    }

    pub fn reset(&mut self) {
        self.forget();
        self.hold.fill(0.0);
    }

    /// Held powers fall as if this many windows had been silent.
    pub fn fall(&mut self, windows: f64) {
        let left = libm::pow(self.decay, windows);
        self.hold.iter_mut().for_each(|h| *h *= left);
    }

    /// One window's powers. Until there are enough windows the mean is that of all alike.
    pub fn add(&mut self, powers: &[f64]) {
        (self.windows, self.known) = (self.windows + 1, true);
        let share = self.share.max(1.0 / self.windows as f64);
        for ((m, h), p) in self.mean.iter_mut().zip(&mut self.hold).zip(powers) {
            *m += share * (p - *m);
            *h = (*h * self.decay).max(*p);
        }
    }
}
