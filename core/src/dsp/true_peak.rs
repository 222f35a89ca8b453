// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks, frame by frame: what the signal reaches between a sample and its two neighbours.
//!
//! The signal is interpolated ×2 with a long half-band filter, which decides how near to half the
//! sample rate a peak is still seen, then ×4, ×2 or not at all with a short one (its band is half empty
//! by then). A parabola through each local maximum finds the rest. 168 multiplications a frame at 48 kHz
//! in f32, which only *reads* the peaks; the samples themselves are judged by the caller in f64. Steady sines
//! read within 0.005 dB up to 0.47 of the rate at 44.1 and 48 kHz, and to 22.5 kHz at every rate.
//!
//! All loops run along the frames in one fixed order, so every register width gives the same bits.

use std::f64::consts::PI;

use super::math::bessel_i0;
use super::{Frames, QUANTUM};

/// Frames after the long filter that the short one looks ahead.
const SHORT_REACH: usize = 3;
/// Taps of the short filter, per phase, at twice the rate.
const SHORT_TAPS: usize = 4 * SHORT_REACH;
/// Midpoints kept from the past.
const PAST: usize = 2 * SHORT_REACH;
/// Longest long filter, per phase.
const MOST_TAPS: usize = 96;
/// Kaiser windows: 72 dB up to 0.477 of the rate with 96 taps; 81 dB for the short one.
const LONG_BETA: f64 = 7.0;
const SHORT_BETA: f64 = 8.0;
/// Largest factor of interpolation.
const MOST: usize = 8;
/// Taps of the long filter that go over the frames together; its length is a multiple.
const TOGETHER: usize = 8;

type Row = [f32; QUANTUM];

/// Filters for one sample rate. Made on the control side, shared by the channels.
#[derive(Clone, Debug)]
pub struct TruePeakFilters {
    /// 8 up to 50 kHz, 4 up to 100 kHz, 2 above.
    factor: usize,
    long: Vec<f32>,
    /// One filter a fraction between two points of the doubled rate.
    short: Vec<[f32; SHORT_TAPS]>,
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl TruePeakFilters {
    pub fn new(sample_rate: f64) -> Self {
        let (factor, taps) = match sample_rate {
            r if r < 50e3 => (8, MOST_TAPS),
            r if r < 100e3 => (4, 64),
            _ => (2, 48),
        };
        let steps = factor / 2;
        let long = kaiser_sinc(taps, 0.5, LONG_BETA).collect();
        let short = (1..steps).map(|k| {
            let mut taps = kaiser_sinc(SHORT_TAPS, k as f64 / steps as f64, SHORT_BETA);
            std::array::from_fn(|_| taps.next().unwrap_or(0.0))
        });
        TruePeakFilters { factor, long, short: short.collect() }
    }

    /// Frames from a sample to the quantum that reads its peak.
    pub fn delay(&self) -> usize {
        self.long.len() / 2 + SHORT_REACH
    }
}

/// Taps that interpolate `at` (0..1) between the two samples in the middle; they sum to 1.
fn kaiser_sinc(taps: usize, at: f64, beta: f64) -> impl Iterator<Item = f32> {
    let half = (taps / 2) as f64;
    let tap = move |k: usize| {
        let t = k as f64 - (half - 1.0) - at;
        let sinc = if t == 0.0 { 1.0 } else { libm::sin(PI * t) / (PI * t) };
        let u = t / half;
        sinc * bessel_i0(beta * (1.0 - u * u).max(0.0).sqrt())
    };
    let sum: f64 = (0..taps).map(tap).sum();
    (0..taps).map(move |k| (tap(k) / sum) as f32)
}

/// One channel's detector.
///
/// | state | meaning |
/// |---|---|
/// | `x` | input, the newest quantum last |
/// | `odd` | midpoints between frames, the newest quantum last |
/// | `before` | last point of the quantum before, as magnitude |
/// | `interval` | peak of the last interval of the quantum before |
#[derive(Clone, Debug)]
pub struct TruePeak {
    x: [f32; MOST_TAPS + QUANTUM],
    odd: [f32; PAST + QUANTUM],
    before: f32,
    interval: f32,
}

impl Default for TruePeak {
    fn default() -> Self {
        TruePeak { x: [0.0; MOST_TAPS + QUANTUM], odd: [0.0; PAST + QUANTUM], before: 0.0, interval: 0.0 }
    }
}

impl TruePeak {
    pub fn reset(&mut self) {
        *self = TruePeak::default();
    }

    /// Audio thread. `peaks[i]` is the highest magnitude in the two half-open intervals that touch the
    /// frame `delay()` before `input[i]`, interpolated in f32.
    pub fn process(&mut self, f: &TruePeakFilters, input: &Frames, peaks: &mut Frames) {
        let half = f.long.len() / 2;
        self.x.copy_within(QUANTUM.., 0);
        for (x, v) in self.x[MOST_TAPS..].iter_mut().zip(input) {
            *x = *v as f32;
        }
        self.odd.copy_within(QUANTUM.., 0);
        let mut row = [0.0; QUANTUM];
        fir(&self.x[MOST_TAPS + 1 - 2 * half..], &f.long, &mut row);
        self.odd[PAST..].copy_from_slice(&row);

        let mut points = [[0.0f32; QUANTUM]; MOST];
        self.interpolate(f, &mut points);
        let next = self.even(f, 1);
        let mut high = [0.0f32; QUANTUM];
        for k in 0..f.factor {
            let mut left = points[(k + f.factor - 1) % f.factor];
            if k == 0 {
                left.copy_within(..QUANTUM - 1, 1);
                left[0] = self.before;
            }
            let right = if k + 1 < f.factor { &points[k + 1] } else { &next };
            raise(&mut high, &left, &points[k], right);
        }
        self.before = points[f.factor - 1][QUANTUM - 1];
        let mut last = self.interval;
        for (p, h) in peaks.iter_mut().zip(high) {
            *p = f64::from(if last > h { last } else { h });
            last = h;
        }
        self.interval = last;
    }

    /// Magnitudes of the frames `by` after those whose peaks are read.
    fn even(&self, f: &TruePeakFilters, by: usize) -> Row {
        let from = MOST_TAPS - f.delay() + by;
        std::array::from_fn(|i| self.x[from + i].abs())
    }

    /// Magnitudes at every fraction of the intervals whose peaks are read.
    fn interpolate(&self, f: &TruePeakFilters, points: &mut [Row; MOST]) {
        let even = &self.x[MOST_TAPS - f.delay() - (SHORT_REACH - 1)..];
        let half = f.factor / 2;
        points[0] = self.even(f, 0);
        for (p, o) in points[half].iter_mut().zip(&self.odd[PAST - SHORT_REACH..]) {
            *p = o.abs();
        }
        for (k, taps) in f.short.iter().enumerate() {
            // Points 2n−5 … 2n+6 of the doubled rate start with a midpoint, 2n−4 … 2n+7 with a sample.
            comb(&self.odd, even, taps, &mut points[1 + k]);
            comb(even, &self.odd[1..], taps, &mut points[half + 1 + k]);
        }
    }
}

/// `out[i] = Σ taps[k] x[i+k]`, a few taps at a time so that a loop over the frames vectorises.
#[inline(always)]
fn fir(x: &[f32], taps: &[f32], out: &mut Row) {
    out.fill(0.0);
    for (n, c) in taps.as_chunks::<TOGETHER>().0.iter().enumerate() {
        let Some(x) = x[n * TOGETHER..].first_chunk::<{ QUANTUM + TOGETHER - 1 }>() else { return };
        for i in 0..QUANTUM {
            let mut sum = out[i];
            for k in 0..TOGETHER {
                sum += c[k] * x[i + k];
            }
            out[i] = sum;
        }
    }
}

/// Magnitude of the filter over `first` and `second` interleaved.
#[inline(always)]
fn comb(first: &[f32], second: &[f32], taps: &[f32; SHORT_TAPS], out: &mut Row) {
    const SPAN: usize = QUANTUM + SHORT_TAPS / 2 - 1;
    let (Some(x), Some(y)) = (first.first_chunk::<SPAN>(), second.first_chunk::<SPAN>()) else { return };
    for i in 0..QUANTUM {
        let mut sum = 0.0;
        for k in 0..SHORT_TAPS / 2 {
            sum += taps[2 * k] * x[i + k] + taps[2 * k + 1] * y[i + k];
        }
        out[i] = sum.abs();
    }
}

/// Raises `high` to the points, and where a point is a local maximum to the top of the parabola.
#[inline(always)]
fn raise(high: &mut Row, left: &Row, point: &Row, right: &Row) {
    for i in 0..QUANTUM {
        let (l, c, r) = (left[i], point[i], right[i]);
        let bend = (c - l) + (c - r);
        let top = c + (l - r) * (l - r) / (8.0 * bend + f32::MIN_POSITIVE);
        let v = if (c >= l) & (c >= r) { top } else { c };
        high[i] = if v > high[i] { v } else { high[i] };
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn steady_sines_read_their_amplitude() {
        // As far as 22.5 kHz within 0.01 dB at every rate; higher up the higher rates read less exactly.
        for (rate, most, bound) in [
            (44_100.0, 0.47, 0.01),
            (48_000.0, 0.47, 0.01),
            (96_000.0, 0.235, 0.01),
            (96_000.0, 0.45, 0.05),
            (192_000.0, 0.1175, 0.01),
            (192_000.0, 0.25, 0.1),
        ] {
            let f = TruePeakFilters::new(rate);
            let mut worst = 0.0f64;
            for k in 1..=47 {
                let freq = most * f64::from(k) / 47.0;
                for phase in 0..8 {
                    let w = |n: usize| (2.0 * PI * freq * n as f64 + f64::from(phase) * PI / 16.0).sin();
                    let (mut d, mut p, mut top) = (TruePeak::default(), [0.0; QUANTUM], 0.0f64);
                    for q in 0..24 {
                        d.process(&f, &std::array::from_fn(|i| w(q * 64 + i)), &mut p);
                        if q > 3 {
                            top = p.iter().copied().fold(top, f64::max);
                        }
                    }
                    // A slow sine may have no peak among so few frames.
                    if freq > 0.01 {
                        worst = worst.max((20.0 * top.log10()).abs());
                    }
                }
            }
            println!("{rate} Hz: sines up to {most} of the rate read within {worst:.4} dB");
            assert!(worst < bound, "{rate}: {worst}");
        }
    }

    #[test]
    fn a_peak_constrains_both_neighbours_and_nothing_else() {
        let f = TruePeakFilters::new(48_000.0);
        let (mut d, mut p) = (TruePeak::default(), [0.0; QUANTUM]);
        let mut x = [[0.0; QUANTUM]; 3];
        x[0][10] = 1.0;
        let mut peaks = Vec::new();
        for q in x {
            d.process(&f, &q, &mut p);
            peaks.extend(p);
        }
        let at = 10 + f.delay();
        assert!(peaks[at] >= 1.0 && peaks[at + 1] >= 1.0, "{:?}", &peaks[at - 2..at + 3]);
        assert!(peaks[at - 1] > 0.9 && peaks[at - 2] < 0.3 && peaks[at + 2] < 0.3);
    }
}
