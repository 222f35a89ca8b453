// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dynamics of a programme: crest factor, PSR, PLR, DR.
//!
//! | figure | what it is |
//! |---|---|
//! | crest | largest sample over the RMS value of the whole, dB |
//! | PSR | true peak of the last 3 s over the short-term loudness of the same, LU; ten a second |
//! | PLR | true peak of the whole over its integrated loudness, LU (AES TD1004) |
//! | DR | see [`dr`](super::dr) |
//!
//! PSR is not given below −70 LUFS, the absolute gate, where it would say nothing. Its peak is taken by whole
//! quanta.

use serde::{Deserialize, Serialize};

use super::decibels;
use super::dr::DrMeter;
use super::histogram::ABSOLUTE_GATE;
use super::levels::sum;
use super::loudness::{Grid, lufs};
use crate::dsp::{Frames, QUANTUM};

/// 100 ms places in 3 s.
const PLACES: usize = 30;

/// Largest true peak of the last 3 s.
#[derive(Clone, Debug)]
struct PeakWindow {
    places: [f64; PLACES],
    next: usize,
    open: f64,
}

impl Default for PeakWindow {
    fn default() -> Self {
        PeakWindow { places: [0.0; PLACES], next: 0, open: 0.0 }
    }
}

impl PeakWindow {
    fn pass(&mut self) -> (f64, f64) {
        let newest = std::mem::take(&mut self.open);
        self.places[self.next] = newest;
        self.next = (self.next + 1) % PLACES;
        (newest, self.places.iter().fold(0.0, |m: f64, p| m.max(*p)))
    }
}

/// One place of the 100 ms grid, in LUFS, LU and dBTP; `None`: not yet known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub momentary: Option<f64>,
    pub short_term: Option<f64>,
    /// Of these 100 ms and all channels; −∞ for silence.
    pub true_peak: f64,
    pub psr: Option<f64>,
}

/// What only adds up; the sums of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChannelSums {
    pub squares: f64,
    pub samples: f64,
    /// Largest magnitude.
    pub peak: f64,
}

#[derive(Clone, Debug)]
pub struct Dynamics {
    pub(super) frames: u64,
    pub(super) channels: Vec<ChannelSums>,
    /// Of the first pair.
    pub(super) products: f64,
    pair: Option<(usize, usize)>,
    pub(super) dr: DrMeter,
    window: PeakWindow,
    passed: u64,
    point: Option<Point>,
    pub(super) psr_min: Option<f64>,
}

impl Dynamics {
    pub fn new(rate: u32, channels: usize, pair: Option<(usize, usize)>) -> Self {
        Dynamics {
            frames: 0,
            channels: vec![ChannelSums::default(); channels],
            products: 0.0,
            pair,
            dr: DrMeter::new(rate, channels),
            window: PeakWindow::default(),
            passed: 0,
            point: None,
            psr_min: None,
        }
    }

    pub fn reset(&mut self) {
        self.frames = 0;
        self.channels.fill(ChannelSums::default());
        (self.products, self.psr_min) = (0.0, None);
        self.dr.reset();
    }

    /// What comes next does not join what came before.
    pub fn gap(&mut self) {
        self.dr.gap();
        self.window = PeakWindow::default();
    }

    /// The first `frames` of one quantum of every channel, after loudness and peaks have had it: their grid,
    /// and the true peak of the quantum as an amplitude. `keep`: it counts for what is summed.
    pub fn process(&mut self, audio: &[Frames], frames: usize, grid: &Grid, true_peak: f64, keep: bool) {
        if keep {
            self.add(audio, frames);
        }
        self.window.open = self.window.open.max(true_peak);
        self.point = None;
        if grid.count == self.passed {
            return;
        }
        self.passed = grid.count;
        let (newest, highest) = self.window.pass();
        let loud = grid.short_term.map(lufs).filter(|s| *s > ABSOLUTE_GATE);
        let psr = loud.map(|s| decibels(highest) - s);
        if let Some(psr) = psr
            && keep
        {
            self.psr_min = Some(self.psr_min.map_or(psr, |m| m.min(psr)));
        }
        self.point = Some(Point {
            momentary: grid.momentary.map(lufs),
            short_term: grid.short_term.map(lufs),
            true_peak: decibels(newest),
            psr,
        });
    }

    fn add(&mut self, audio: &[Frames], frames: usize) {
        self.frames += frames as u64;
        for (c, x) in self.channels.iter_mut().zip(audio) {
            // What lies behind the end of a file is zero.
            c.squares += sum(x, x);
            c.samples += sum(x, &[1.0; QUANTUM]);
            c.peak = x.iter().fold(c.peak, |m, v| if v.abs() > m { v.abs() } else { m });
        }
        if let Some((l, r)) = self.pair {
            self.products += sum(&audio[l], &audio[r]);
        }
        self.dr.process_first(audio, frames);
    }

    /// The sound is over.
    pub fn finish(&mut self) {
        self.dr.finish();
    }

    /// The place of the 100 ms grid that the last quantum passed, if it did.
    pub fn point(&self) -> Option<Point> {
        self.point
    }

    /// RMS of a channel as an amplitude, since the reset.
    pub fn rms(&self, channel: usize) -> f64 {
        (self.channels[channel].squares / self.frames.max(1) as f64).sqrt()
    }

    /// Mean sample of a channel.
    pub fn dc(&self, channel: usize) -> f64 {
        self.channels[channel].samples / self.frames.max(1) as f64
    }

    /// Crest factor of a channel in dB; `None` in silence.
    pub fn crest(&self, channel: usize) -> Option<f64> {
        let peak = self.channels[channel].peak;
        (peak > 0.0).then(|| decibels(peak) - decibels(self.rms(channel)))
    }

    /// Of all channels: the largest sample over the RMS value of the loudest.
    pub fn crest_of_all(&self) -> Option<f64> {
        let peak = self.channels.iter().fold(0.0, |m: f64, c| m.max(c.peak));
        let rms = (0..self.channels.len()).fold(0.0, |m: f64, c| m.max(self.rms(c)));
        (peak > 0.0).then(|| decibels(peak) - decibels(rms))
    }

    /// Of the first pair, −1 … +1; `None` without one, or where one side is silent.
    pub fn correlation(&self) -> Option<f64> {
        let (l, r) = self.pair?;
        let (l, r) = (self.channels[l].squares, self.channels[r].squares);
        let quiet = super::levels::SILENT_POWER * self.frames as f64;
        (l > quiet && r > quiet).then(|| (self.products / (l.sqrt() * r.sqrt())).clamp(-1.0, 1.0))
    }

    /// Smallest since the reset, LU.
    pub fn psr_min(&self) -> Option<f64> {
        self.psr_min
    }

    /// Dynamic range of the TT meter.
    pub fn dr(&self) -> &DrMeter {
        &self.dr
    }
}
