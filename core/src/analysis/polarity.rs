// SPDX-License-Identifier: MIT OR Apache-2.0
//! Suspicions of wrong wiring: an inverted channel, channels that changed places.
//!
//! [`PolarityMeter`] looks at one pair: programme whose two sides are opposite for long was not meant so; their
//! correlation over the window says how sure that is. Whether it is the left or the right cannot be heard.
//! [`WiringCheck`] has a reference, say the rack's input against what comes back from an insert or a recorder,
//! and so can name the channel: it looks which channel of the reference each one resembles, and with which
//! sign. Both signals must be aligned in time.

use super::levels::sum;
use super::window::SlidingSum;
use crate::dsp::{Frames, QUANTUM};

/// Long enough for a bar of music.
pub const WINDOW_SECONDS: f64 = 10.0;
/// From here on opposite is a suspicion.
pub const OPPOSITE: f64 = -0.6;
/// From here on two channels are taken for the same.
const ALIKE: f64 = 0.9;
/// Below −70 dBFS RMS nothing is said.
const QUIET_POWER: f64 = 1e-7;

fn quanta(rate: u32, seconds: f64) -> usize {
    libm::round(seconds * f64::from(rate) / QUANTUM as f64).max(1.0) as usize
}

fn correlation(xy: f64, xx: f64, yy: f64, frames: f64) -> Option<f64> {
    let heard = xx > QUIET_POWER * frames && yy > QUIET_POWER * frames;
    heard.then(|| (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0))
}

/// One pair.
#[derive(Clone, Debug)]
pub struct PolarityMeter {
    pair: (usize, usize),
    quanta: usize,
    filled: usize,
    sums: [SlidingSum; 3],
}

impl PolarityMeter {
    /// `pair`: indices of left and right.
    pub fn new(rate: u32, pair: (usize, usize), seconds: f64) -> Self {
        let quanta = quanta(rate, seconds);
        PolarityMeter { pair, quanta, filled: 0, sums: std::array::from_fn(|_| SlidingSum::new(quanta)) }
    }

    pub fn reset(&mut self) {
        self.sums.iter_mut().for_each(SlidingSum::reset);
        self.filled = 0;
    }

    /// No window spans what was missed.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let (l, r) = (&audio[self.pair.0], &audio[self.pair.1]);
        for (s, (x, y)) in self.sums.iter_mut().zip([(l, r), (l, l), (r, r)]) {
            s.push(sum(x, y));
        }
        self.filled = (self.filled + 1).min(self.quanta);
    }

    /// Over the window, −1 … +1; `None` until it is full, and where one side is silent.
    pub fn correlation(&self) -> Option<f64> {
        let [xy, xx, yy] = [0, 1, 2].map(|n| self.sums[n].sum());
        let known =
            (self.filled == self.quanta).then(|| correlation(xy, xx, yy, (self.quanta * QUANTUM) as f64));
        known.flatten()
    }

    /// One of the two is probably inverted.
    pub fn suspicious(&self) -> bool {
        self.correlation().is_some_and(|c| c <= OPPOSITE)
    }
}

/// What a channel seems to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wiring {
    /// The channel of the reference that it resembles most.
    pub source: usize,
    pub inverted: bool,
    /// Their correlation without its sign.
    pub likeness: f64,
}

/// A signal against what it should be.
#[derive(Clone, Debug)]
pub struct WiringCheck {
    channels: usize,
    quanta: usize,
    filled: usize,
    /// Products of every channel with every one of the reference, row by row.
    products: Vec<SlidingSum>,
    own: Vec<SlidingSum>,
    reference: Vec<SlidingSum>,
}

impl WiringCheck {
    pub fn new(rate: u32, channels: usize, seconds: f64) -> Self {
        let quanta = quanta(rate, seconds);
        let sums = |n| vec![SlidingSum::new(quanta); n];
        WiringCheck {
            channels,
            quanta,
            filled: 0,
            products: sums(channels * channels),
            own: sums(channels),
            reference: sums(channels),
        }
    }

    pub fn reset(&mut self) {
        for s in self.products.iter_mut().chain(&mut self.own).chain(&mut self.reference) {
            s.reset();
        }
        self.filled = 0;
    }

    /// No window spans what was missed.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// One quantum of every channel of both, at the same time.
    pub fn process(&mut self, reference: &[Frames], audio: &[Frames]) {
        for (c, x) in audio.iter().take(self.channels).enumerate() {
            self.own[c].push(sum(x, x));
            for (d, y) in reference.iter().take(self.channels).enumerate() {
                self.products[c * self.channels + d].push(sum(x, y));
            }
        }
        for (s, y) in self.reference.iter_mut().zip(reference) {
            s.push(sum(y, y));
        }
        self.filled = (self.filled + 1).min(self.quanta);
    }

    /// What a channel resembles; `None` until the window is full, in silence, and when it is like nothing.
    /// Where it is like its own as much as like another, it is its own.
    pub fn read(&self, channel: usize) -> Option<Wiring> {
        let frames = (self.quanta * QUANTUM) as f64;
        let like = |d: usize| {
            let xy = self.products[channel * self.channels + d].sum();
            let c = correlation(xy, self.own[channel].sum(), self.reference[d].sum(), frames)?;
            Some(Wiring { source: d, inverted: c < 0.0, likeness: c.abs() })
        };
        let order = std::iter::once(channel).chain((0..self.channels).filter(|d| *d != channel));
        let best = order.filter_map(like).reduce(|a, b| if b.likeness > a.likeness + 1e-9 { b } else { a });
        best.filter(|w| self.filled == self.quanta && w.likeness >= ALIKE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::signals::Noise;

    fn stereo(noise: &mut [Noise; 3]) -> [Frames; 2] {
        let common: Frames = std::array::from_fn(|_| noise[0].next());
        [1, 2].map(|n| std::array::from_fn(|i| 0.3 * (common[i] + 0.7 * noise[n].next())))
    }

    #[test]
    fn an_inverted_channel_and_exchanged_ones() {
        for (swapped, inverted) in [(false, false), (true, false), (false, true), (true, true)] {
            let mut noise = [Noise(1), Noise(2), Noise(3)];
            let mut polarity = PolarityMeter::new(48_000, (0, 1), WINDOW_SECONDS);
            let mut wiring = WiringCheck::new(48_000, 2, WINDOW_SECONDS);
            for q in 0..7600 {
                let x = stereo(&mut noise);
                let mut y = if swapped { [x[1], x[0]] } else { x };
                if inverted {
                    y[0] = y[0].map(|v| -v);
                }
                polarity.process(&y);
                wiring.process(&x, &y);
                assert!(q > 7000 || (polarity.correlation().is_none() && wiring.read(0).is_none()));
            }
            let c = polarity.correlation().unwrap();
            println!("swapped {swapped}, inverted {inverted}: correlation {c:.3}");
            assert!(polarity.suspicious() == inverted && (c.abs() - 0.67).abs() < 0.02, "{c}");
            let (l, r) = (wiring.read(0).unwrap(), wiring.read(1).unwrap());
            assert_eq!((l.source, l.inverted), (usize::from(swapped), inverted), "{l:?}");
            assert_eq!((r.source, r.inverted), (usize::from(!swapped), false), "{r:?}");
            polarity.gap();
            assert!(polarity.correlation().is_none());
        }
    }
}
