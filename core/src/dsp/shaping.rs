// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of a signal through a waveshaper: up to a high rate, there at the shaper's disposal, and back.
//!
//! Whole frames, and the same number of them whatever the shaper: what it delays at the top rate is told, and
//! filled up. A shaper that works on the mean of three samples ([`super::adaa`]) lowers what is high, by 0.37 dB
//! at 20 kHz at 8 × 44.1 kHz; five taps in front of it undo that. They stand in front, not behind, so that
//! nothing after the shaper can lift a clipped sample over its ceiling but the way down itself.

use std::f64::consts::PI;

use super::oversample::{OversampleFilters, Oversampler, Stop};
use super::wide::{Kernel, Width};
use super::{Frames, QUANTUM};

/// Samples that a shaper and the taps in front of it delay at the top rate, at most.
const MOST: usize = 3;
/// The taps reach as far to either side.
const REACH: usize = 2;
/// The taps are right up to this frequency in Hz, where the pass band goes so far.
const UP_TO_HZ: f64 = 21_000.0;

/// What a shaper does to the sound besides shaping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shaper {
    /// Every sample by itself, without delay.
    Instant,
    /// The mean of three samples, one sample late.
    Mean,
}

/// Filters and delays for one rate, factor and kind of shaper. Shared by the channels.
#[derive(Clone, Debug)]
pub struct Shaping {
    filters: OversampleFilters,
    width: Width,
    /// The middle tap, its neighbours, theirs.
    taps: [f64; REACH + 1],
    shaper: Shaper,
    /// Samples at the top rate before the oldest that the taps reach.
    wait: usize,
    latency: usize,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct Lane {
    oversampler: Oversampler,
    /// The past that is waited for, then the newest quantum, at the top rate.
    row: Vec<f64>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Shaping {
    /// Control side. `factor` is 1, 2, 4, 8 or 16.
    pub fn new(sample_rate: f64, factor: usize, shaper: Shaper) -> Self {
        let filters = OversampleFilters::new(sample_rate, factor, Stop::Nyquist);
        let factor = filters.factor();
        let frames = MOST.div_ceil(factor);
        let late = REACH + usize::from(shaper == Shaper::Mean);
        let top = 2.0 * PI * filters.pass_band().min(UP_TO_HZ) / (sample_rate * factor as f64);
        Shaping {
            taps: if shaper == Shaper::Mean { against_mean(top) } else { [1.0, 0.0, 0.0] },
            wait: frames * factor - late,
            latency: filters.latency() + frames,
            width: Width::widest(),
            shaper,
            filters,
        }
    }

    pub fn lane(&self) -> Lane {
        let row = vec![0.0; self.wait + 2 * REACH + QUANTUM * self.filters.factor()];
        Lane { oversampler: Oversampler::new(&self.filters), row }
    }
}

impl Shaping {
    /// Samples at the top rate for each frame.
    pub fn factor(&self) -> usize {
        self.filters.factor()
    }

    /// Frames of the whole way.
    pub fn latency(&self) -> usize {
        self.latency
    }

    pub fn width(&self) -> Width {
        self.width
    }
}

/// Five taps, symmetric, that undo the mean of three samples up to `top` (radians): exact at 0 and at two
/// more places of the band.
fn against_mean(top: f64) -> [f64; REACH + 1] {
    // In z = 1 − cos ω the mean is 1 − 2z/3, and the taps are 1 + a z + b z².
    let want = |z: f64| 1.0 / (1.0 - 2.0 / 3.0 * z) - 1.0;
    let end = 1.0 - libm::cos(top);
    let (p, q) = (0.5 * end, 0.95 * end);
    let (u, v) = (want(p) / p, want(q) / q);
    let b = (v - u) / (q - p);
    let a = u - b * p;
    // cos² ω = (1 + cos 2ω)/2.
    [1.0 + a + 1.5 * b, -0.5 * a - b, 0.25 * b]
}

impl Lane {
    pub fn reset(&mut self) {
        self.oversampler.reset();
        self.row.fill(0.0);
    }

    /// Audio thread. The quantum at the top rate, to be shaped in place.
    pub fn up(&mut self, s: &Shaping, input: &Frames) -> &mut [f64] {
        let new = self.oversampler.up(&s.filters, input);
        let past = self.row.len() - new.len();
        self.row.copy_within(new.len().., 0);
        self.row[past..].copy_from_slice(new);
        match s.shaper {
            Shaper::Instant => new.copy_from_slice(&self.row[REACH..][..new.len()]),
            Shaper::Mean => s.width.run(Sharpen { taps: s.taps, row: &self.row, out: new }),
        }
        self.oversampler.top()
    }

    /// Audio thread. The same samples once more.
    #[inline]
    pub fn top(&mut self) -> &mut [f64] {
        self.oversampler.top()
    }

    /// Audio thread. What has been shaped comes back.
    pub fn down(&mut self, s: &Shaping, output: &mut Frames) {
        self.oversampler.down(&s.filters, output);
    }
}

/// The taps over one quantum.
struct Sharpen<'a> {
    taps: [f64; REACH + 1],
    row: &'a [f64],
    out: &'a mut [f64],
}

impl Kernel for Sharpen<'_> {
    #[inline(always)]
    fn run(self) {
        let [c, d, e] = self.taps;
        for (y, x) in self.out.iter_mut().zip(self.row.array_windows::<{ 2 * REACH + 1 }>()) {
            *y = c * x[2] + d * (x[1] + x[3]) + e * (x[0] + x[4]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use crate::dsp::SILENCE;

    /// Level in dB at `hz` of what comes of a strike, with a mean of three as the shaper.
    fn levels(rate: f64, factor: usize, shaper: Shaper, hz: &[f64]) -> (Vec<f64>, usize) {
        let s = Shaping::new(rate, factor, shaper);
        let (mut lane, mut out, mut last) = (s.lane(), Vec::new(), [0.0; 2]);
        for q in 0..12 {
            let mut x = SILENCE;
            x[0] = if q == 0 { 1.0 } else { 0.0 };
            for v in lane.up(&s, &x).iter_mut().filter(|_| shaper == Shaper::Mean) {
                let mean = (*v + last[0] + last[1]) / 3.0;
                last = [*v, last[0]];
                *v = mean;
            }
            let mut y = SILENCE;
            lane.down(&s, &mut y);
            out.extend(y);
        }
        let peak = (0..out.len()).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).unwrap();
        assert_eq!(peak, s.latency(), "{rate} Hz, {factor} times");
        let level = |hz: &f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (n, v) in out.iter().enumerate() {
                let w = 2.0 * PI * hz / rate * (n as f64 - s.latency() as f64);
                re += v * w.cos();
                im += v * w.sin();
            }
            assert!(im.abs() < 1e-9, "{rate} Hz, {factor} times: not linear in phase, {im:e} at {hz}");
            20.0 * re.log10()
        };
        (hz.iter().map(level).collect(), s.latency())
    }

    #[test]
    fn it_is_flat_to_20_khz_and_late_by_whole_frames() {
        let hz: Vec<f64> = (0..=100).map(|k| 200.0 * f64::from(k)).collect();
        for rate in [44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0] {
            let least = if rate < 80e3 { 4 } else { 2 };
            for factor in [2, 4, 8, 16].into_iter().filter(|f| *f >= least) {
                let (mean, late) = levels(rate, factor, Shaper::Mean, &hz);
                let (instant, alike) = levels(rate, factor, Shaper::Instant, &hz);
                let worst = |l: &[f64]| l.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
                let (m, i) = (worst(&mean), worst(&instant));
                println!("{rate} Hz, {factor} times: {late} frames, {m:.5} and {i:.5} dB to 20 kHz");
                assert!(m < 0.005 && i < 2e-4 && late == alike);
            }
        }
    }
}
