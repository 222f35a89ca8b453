// SPDX-License-Identifier: MIT OR Apache-2.0
//! RMS and DC of every channel, correlation and balance of the first pair.
//!
//! All over one rectangular sliding window of 300 ms, rounded to whole quanta, refreshed every quantum; while
//! it fills, over what there is. Wide band, no weighting.

use super::window::SlidingSum;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

const WINDOW_SECONDS: f64 = 0.3;
/// A channel below −120 dBFS RMS has no correlation and no balance.
pub(super) const SILENT_POWER: f64 = 1e-12;

/// Sums over the window.
#[derive(Clone, Debug)]
struct Sums {
    squares: SlidingSum,
    samples: SlidingSum,
}

#[derive(Clone, Debug)]
pub struct LevelMeter {
    quanta: usize,
    filled: usize,
    channels: Vec<Sums>,
    pair: Option<(usize, usize)>,
    products: SlidingSum,
}

impl LevelMeter {
    pub fn new(rate: u32, layout: &Layout) -> Self {
        let quanta = libm::round(WINDOW_SECONDS * f64::from(rate) / QUANTUM as f64).max(1.0) as usize;
        let sums = Sums { squares: SlidingSum::new(quanta), samples: SlidingSum::new(quanta) };
        LevelMeter {
            quanta,
            filled: 0,
            channels: vec![sums; layout.len()],
            pair: layout.pairs().first().copied(),
            products: SlidingSum::new(quanta),
        }
    }

    /// Empties the window; also for a gap.
    pub fn reset(&mut self) {
        for c in &mut self.channels {
            c.squares.reset();
            c.samples.reset();
        }
        self.products.reset();
        self.filled = 0;
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for (c, x) in self.channels.iter_mut().zip(audio) {
            c.squares.push(sum(x, x));
            c.samples.push(sum(x, &[1.0; QUANTUM]));
        }
        if let Some((l, r)) = self.pair {
            self.products.push(sum(&audio[l], &audio[r]));
        }
        self.filled = (self.filled + 1).min(self.quanta);
    }

    fn mean(&self, w: &SlidingSum) -> f64 {
        w.sum() / (self.filled.max(1) * QUANTUM) as f64
    }

    fn power(&self, channel: usize) -> f64 {
        self.mean(&self.channels[channel].squares)
    }

    /// Amplitude: a sine of full scale reads 0.707, that is −3.01 dB.
    pub fn rms(&self, channel: usize) -> f64 {
        self.power(channel).sqrt()
    }

    /// Mean sample, −1 … +1.
    pub fn dc(&self, channel: usize) -> f64 {
        self.mean(&self.channels[channel].samples)
    }

    /// −1 (opposite) … 0 (unrelated) … +1 (the same) of the first pair; `None` without one, or in silence.
    pub fn correlation(&self) -> Option<f64> {
        let (l, r) = self.pair?;
        let (ll, rr) = (self.power(l), self.power(r));
        let heard = ll > SILENT_POWER && rr > SILENT_POWER;
        heard.then(|| (self.mean(&self.products) / (ll.sqrt() * rr.sqrt())).clamp(-1.0, 1.0))
    }

    /// −1 (left alone) … +1 (right alone) of the first pair: the difference of the RMS values over their sum.
    pub fn balance(&self) -> Option<f64> {
        let (l, r) = self.pair?;
        let heard = self.power(l) > SILENT_POWER || self.power(r) > SILENT_POWER;
        heard.then(|| (self.rms(r) - self.rms(l)) / (self.rms(r) + self.rms(l)))
    }
}

/// Σ xy in four lanes, always in the same order.
pub(super) fn sum(x: &Frames, y: &Frames) -> f64 {
    let mut lanes = [0.0; 4];
    for (x, y) in x.as_chunks::<4>().0.iter().zip(y.as_chunks::<4>().0) {
        for i in 0..4 {
            lanes[i] += x[i] * y[i];
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}
