// SPDX-License-Identifier: MIT OR Apache-2.0
//! The full-wave rectifier of the classic meters, at 176.4 kHz and more.
//!
//! A meter of moving coil sees the waveform, not samples of it. The magnitudes of the samples themselves would
//! average a tone of a quarter of the rate between −2.1 and +0.9 dB, depending on its phase, and miss its
//! peaks by 3 dB. So the signal is interpolated first: ×4 up to 50 kHz, ×2 up to 100 kHz. What VU and PPM then
//! read is the same at every rate.

use crate::dsp::oversample::{OversampleFilters, Oversampler, Stop};
use crate::dsp::{Frames, QUANTUM};

#[derive(Clone, Debug)]
pub struct Rectifier {
    filters: OversampleFilters,
    channels: Vec<Oversampler>,
    magnitudes: Vec<f64>,
}

impl Rectifier {
    pub fn new(rate: u32, channels: usize) -> Self {
        let factor = match rate {
            0..50_000 => 4,
            50_000..100_000 => 2,
            _ => 1,
        };
        let filters = OversampleFilters::new(f64::from(rate), factor, Stop::Mirror);
        let channel = Oversampler::new(&filters);
        Rectifier { filters, channels: vec![channel; channels], magnitudes: vec![0.0; QUANTUM * factor] }
    }

    /// Points a frame.
    pub fn factor(&self) -> usize {
        self.filters.factor()
    }

    pub fn reset(&mut self) {
        self.channels.iter_mut().for_each(Oversampler::reset);
    }

    /// The magnitudes of one channel's quantum.
    pub fn process(&mut self, channel: usize, x: &Frames) -> &[f64] {
        let points = self.channels[channel].up(&self.filters, x);
        for (m, p) in self.magnitudes.iter_mut().zip(points) {
            *m = p.abs();
        }
        &self.magnitudes
    }
}
