// SPDX-License-Identifier: MIT OR Apache-2.0
//! The true peak of finished audio, as exactly as it can be told. For files; it shares nothing with the detector that
//! limits them.
//!
//! A signal without anything above half the rate has, at most 1/8 frame from its peak P, a point of a ×4
//! interpolation that is at least P cos(π/8) (Bernstein's inequality in Duffin and Schaeffer's form). So a first look is
//! at 4 points a frame, with 256 taps; around those that are high enough it is at 32, and where these promise a new
//! highest peak, it is read with 4096 taps as well, each time with a parabola through the top. The short filters read what
//! lies above 0.485 of the rate too low or too high, as those of meters do, the long ones only what lies above 0.499.
//! Where the two differ, which takes sound next to half the rate, the samples of 1.4 s to either side decide. The
//! highest reading counts, so that no kind of meter finds more. Stretches whose samples are too low for any sum of the
//! taps are passed over.

use std::f64::consts::PI;

use crate::dsp::math::bessel_i0;
use crate::dsp::resample::dot;
use crate::dsp::wide::{Kernel, Width};

/// Points between two frames.
const POINTS: usize = 32;
/// Points from one to the next of the first, coarse look.
const COARSE: usize = 8;
/// Taps and Kaiser windows of the filters of the first looks (118 dB), and of those that decide (100 dB).
const SHORT: (usize, f64) = (256, 12.0);
const LONG: (usize, f64) = (4096, 10.0);
/// cos(π/8): the least that the nearest coarse point has of a peak.
const NEAR: f64 = 0.923_879_532_511_286_7;
/// Frames to either side that the last reading takes in.
const SPAN: usize = 1 << 16;
/// Readings of short and long filters that differ by less than this share agree: 0.001 dB.
const AGREE: f64 = 1e-4;
/// Of that difference, what the last reading may differ from the long one.
const DOUBT: f64 = 4.0;
/// What the short filters may read of a peak where much lies next to half the rate: −0.45 dB.
const TRUST: f64 = 0.95;
/// Frames that are looked at together.
const STRETCH: usize = 64;

/// One filter for each point between two frames.
#[derive(Clone, Debug)]
struct Filters {
    all: Vec<f64>,
    taps: usize,
}

impl Filters {
    fn new((taps, beta): (usize, f64)) -> Filters {
        let half = (taps / 2) as f64;
        let whole = bessel_i0(beta);
        let tap = |n: usize| {
            let t = (n % taps) as f64 - (half - 1.0) - (n / taps) as f64 / POINTS as f64;
            let sinc = if t == 0.0 { 1.0 } else { libm::sin(PI * t) / (PI * t) };
            let u = t / half;
            sinc * bessel_i0(beta * (1.0 - u * u).max(0.0).sqrt()) / whole
        };
        Filters { all: (0..POINTS * taps).map(tap).collect(), taps }
    }

    /// The most that a filter makes of samples within ±1.
    fn gain(&self) -> f64 {
        let sum = |f: &[f64]| f.iter().map(|c| c.abs()).sum::<f64>();
        self.all.chunks_exact(self.taps).map(sum).fold(0.0, f64::max)
    }

    /// Magnitude at a point, counted from the frame `zero` of `x`.
    #[inline(always)]
    fn at(&self, x: &[f64], zero: usize, point: usize) -> f64 {
        let (frame, point) = (zero + point / POINTS, point % POINTS);
        if point == 0 {
            return x[frame].abs();
        }
        let from = frame + 1 - self.taps / 2;
        dot(&x[from..from + self.taps], &self.all[point * self.taps..(point + 1) * self.taps]).abs()
    }
}

/// Finds the highest true peak of any channel.
#[derive(Clone, Debug)]
pub struct ExactPeak {
    short: Filters,
    long: Filters,
    /// [`Filters::gain`] of the short ones.
    gain: f64,
    /// Input from the first sample that the next frame's filters reach.
    past: Vec<Vec<f64>>,
    /// Highest peak so far, and by how much its last readings differ.
    top: (f64, f64),
    width: Width,
}

impl ExactPeak {
    /// Before the first frame there was silence.
    pub fn new(channels: usize) -> Self {
        let (short, long) = (Filters::new(SHORT), Filters::new(LONG));
        let past = vec![vec![0.0; REACH]; channels];
        ExactPeak { gain: short.gain(), short, long, past, top: (0.0, 0.0), width: Width::widest() }
    }

    /// Takes the next frames of every channel.
    pub fn push(&mut self, planes: &[&[f64]]) {
        for (c, x) in planes.iter().enumerate() {
            let Some(mut past) = self.past.get_mut(c).map(std::mem::take) else { continue };
            past.extend_from_slice(x);
            let mut from = 0;
            while past.len() >= from + STRETCH + 2 * REACH {
                self.look(&past[from..from + STRETCH + 2 * REACH]);
                from += STRETCH;
            }
            past.drain(..from);
            self.past[c] = past;
        }
    }

    /// The audio has ended, with silence after it: the highest true peak as an amplitude.
    pub fn finish(self) -> f64 {
        self.finish_with_doubt().0
    }

    /// [`ExactPeak::finish`], and by how much two ways to read it differ: 0 unless there is much sound next to half
    /// the rate.
    pub fn finish_with_doubt(mut self) -> (f64, f64) {
        let silence = vec![0.0; STRETCH + 2 * REACH];
        let planes = vec![silence.as_slice(); self.past.len()];
        self.push(&planes);
        self.top
    }

    /// One stretch: its first frame is `x[REACH]`.
    fn look(&mut self, x: &[f64]) {
        let seen = &x[REACH - SHORT.0 / 2..REACH + STRETCH + SHORT.0 / 2];
        let high = seen.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if high == 0.0 || high * self.gain < self.top.0 * NEAR * TRUST {
            return;
        }
        let mut top = self.top;
        self.width.run(Look { short: &self.short, long: &self.long, x, top: &mut top, decided: usize::MAX });
        self.top = top;
    }
}

/// Frames to either side of a frame that the filters of its points reach, and one more for a neighbouring point.
const REACH: usize = SPAN + 1;

/// [`ExactPeak::look`] where there may be something to see.
struct Look<'a> {
    short: &'a Filters,
    long: &'a Filters,
    x: &'a [f64],
    top: &'a mut (f64, f64),
    /// The point around which it was read last.
    decided: usize,
}

impl Kernel for Look<'_> {
    #[inline(always)]
    fn run(mut self) {
        for point in (0..STRETCH * POINTS).step_by(COARSE) {
            let v = self.short.at(self.x, REACH, point);
            if v > 0.0 && v >= self.top.0 * NEAR * TRUST {
                self.closer(point);
            }
        }
    }
}

impl Look<'_> {
    /// The points around a coarse one. Points are counted from the frame before the stretch, so that there are some
    /// to the left of its first.
    #[inline(always)]
    fn closer(&mut self, point: usize) {
        let (middle, reach) = (point + POINTS, COARSE / 2);
        let (mut best, mut high) = (middle, 0.0);
        for p in middle - reach..=middle + reach {
            let v = self.short.at(self.x, REACH - 1, p);
            if v > high {
                (best, high) = (p, v);
            }
        }
        if high >= self.top.0 * TRUST && best != self.decided {
            self.decided = best;
            self.decide(best);
        }
    }

    /// Raises the top to the highest reading next to a point.
    #[inline(always)]
    fn decide(&mut self, best: usize) {
        let short = summit(|p| self.short.at(self.x, REACH - 1, p), best);
        let long = summit(|p| self.long.at(self.x, REACH - 1, p), best);
        let (mut high, mut doubt) = (larger(short, long), 0.0);
        let apart = (short - long).abs();
        if apart > AGREE * high && high + DOUBT * apart > self.top.0 {
            let last = summit(|p| unbounded(self.x, REACH - 1, p), best);
            (high, doubt) = (larger(high, last), (last - long).abs());
        }
        if high > self.top.0 {
            *self.top = (high, doubt);
        }
    }
}

/// Climbs from a point to the highest next to it, and gives the top of the parabola there.
#[inline(always)]
fn summit(at: impl Fn(usize) -> f64, from: usize) -> f64 {
    let mut p = from;
    let (mut l, mut high, mut r) = (at(p - 1), at(p), at(p + 1));
    for _ in 0..COARSE {
        if l > high {
            p -= 1;
            (l, high, r) = (at(p - 1), l, high);
        } else if r > high {
            p += 1;
            (l, high, r) = (high, r, at(p + 1));
        }
    }
    let bend = (high - l) + (high - r);
    if l <= high && r <= high && bend > 0.0 { high + (l - r) * (l - r) / (8.0 * bend) } else { high }
}

/// Magnitude at a point, counted from the frame `zero` of `x`, by a sinc that ends only after [`SPAN`] frames:
/// `sin πφ/π Σ (−1)^k x[k]/(φ − k)`, with (1 − u²) over it.
#[inline(always)]
fn unbounded(x: &[f64], zero: usize, point: usize) -> f64 {
    let (frame, fraction) = (zero + point / POINTS, (point % POINTS) as f64 / POINTS as f64);
    if fraction == 0.0 {
        return x[frame].abs();
    }
    let mut sums = [0.0; 16];
    for (n, x) in x[frame + 1 - SPAN..frame + 1 + SPAN].as_chunks::<16>().0.iter().enumerate() {
        for (i, (sum, x)) in sums.iter_mut().zip(x).enumerate() {
            let k = (16 * n + i) as f64 - (SPAN - 1) as f64 - fraction;
            let u = k * (1.0 / SPAN as f64);
            let sign = if i % 2 == 0 { -1.0 } else { 1.0 };
            *sum += sign * x * (1.0 - u * u) / k;
        }
    }
    (libm::sin(PI * fraction) / PI * sums.iter().sum::<f64>()).abs()
}

/// One instruction, unlike `f64::max`, which has rules for NaN.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::fft::RealFft;
    use crate::dsp::math::kaiser;

    fn read(x: &[f64], piece: usize) -> f64 {
        read_by(ExactPeak::new(1), x, piece)
    }

    fn read_by(mut e: ExactPeak, x: &[f64], piece: usize) -> f64 {
        x.chunks(piece).for_each(|c| e.push(&[c]));
        e.finish()
    }

    /// A tone that comes and goes within the audio, so that its edges have no peaks of their own.
    fn tone(share: f64, phase: f64) -> Vec<f64> {
        let n = 2048;
        let fade = |i: usize| kaiser((i as f64 - 1024.0) / 1024.0, 14.0);
        (0..n).map(|i| fade(i) * (2.0 * PI * share * (i as f64 - 1024.0) + phase).cos()).collect()
    }

    #[test]
    fn tones_read_their_amplitude() {
        let mut worst = (0.0f64, 0.0);
        let fresh = ExactPeak::new(1);
        for k in 1..=32 {
            let share = 0.015 * f64::from(k);
            for phase in 0..4 {
                // The top of the fade is flat for 1e-4 dB over 4 frames; a slow tone may peak elsewhere.
                let phase = if share < 0.1 { 0.0 } else { PI * share * 0.2 * f64::from(phase) };
                let db = 20.0 * read_by(fresh.clone(), &tone(share, phase), 333).log10();
                if db.abs() > worst.0 {
                    worst = (db.abs(), share);
                }
            }
        }
        println!("tones up to 0.48 of the rate read within {:.6} dB, worst at {}", worst.0, worst.1);
        assert!(worst.0 < 0.0005, "{worst:?}");
    }

    const SIZE: usize = 1 << 15;

    /// The highest of 32 points a frame by Fourier transform: of the audio, silence after it, and its repetition.
    fn transformed(bins: &mut Vec<(f64, f64)>) -> f64 {
        // Half of the middle belongs to either side.
        bins[SIZE / 2] = (0.5 * bins[SIZE / 2].0, 0.0);
        bins.resize(SIZE / 2 * POINTS + 1, (0.0, 0.0));
        let all = RealFft::new(SIZE * POINTS).signal(bins);
        all.iter().fold(0.0, |m: f64, v| m.max(v.abs())) * POINTS as f64
    }

    #[test]
    fn noise_reads_as_its_transform_has_it() {
        let mut s = 9u64;
        let mut noise = |a: f64| {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            a * ((s >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        };
        let x: Vec<f64> = (0..3000).map(|n| noise(if n / 500 % 2 == 0 { 0.05 } else { 1.0 })).collect();
        let fft = RealFft::new(SIZE);
        // The top may lie between two points: at most 1/64 frame, cos(π/64). What has energy up to half the rate
        // is another signal without its repetition, and short filters read it higher.
        for (share, range) in [(0.45, -0.0005..0.0105), (0.5, -0.003..0.25)] {
            let mut bins = fft.spectrum(&x);
            bins.iter_mut().skip((share * SIZE as f64) as usize + 1).for_each(|b| *b = (0.0, 0.0));
            let faded = |(n, v): (usize, f64)| v * kaiser((n as f64 - 1500.0) / 1500.0, 8.0);
            let audio: Vec<f64> = fft.signal(&bins).into_iter().take(3000).enumerate().map(faded).collect();
            let wanted = transformed(&mut fft.spectrum(&audio));
            let reads = [7, 3000].map(|piece| 20.0 * (read(&audio, piece) / wanted).log10());
            println!("noise up to {share} of the rate: {:.5} dB over the highest of all points", reads[0]);
            assert!(range.contains(&reads[0]) && reads[0] == reads[1], "{reads:?} dB");
        }
        assert_eq!(read(&[0.0; 500], 500), 0.0);
        assert_eq!(read(&[], 1), 0.0);
    }

    #[test]
    fn a_peak_at_either_end_counts() {
        let mut x = vec![0.0; 1000];
        x[0] = 1.0;
        x[1] = 1.0;
        let first = 20.0 * read(&x, 1000).log10();
        x.reverse();
        let last = 20.0 * read(&x, 1000).log10();
        println!("two full-scale frames: {first:.4} dB at the start, {last:.4} dB at the end");
        // 4/π.
        assert!((first - 2.098).abs() < 0.01 && (last - first).abs() < 1e-9);
    }
}
