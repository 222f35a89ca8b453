// SPDX-License-Identifier: MIT OR Apache-2.0
//! The true peak of finished audio, as exactly as it can be told: interpolated ×32 in f64 with 256 taps a phase, and
//! a parabola through the top. For files; it shares nothing with the detector that limits them.
//!
//! A signal without anything above half the rate has, at most 1/8 frame from its peak P, a point of a ×4
//! interpolation that is at least P cos(π/8) (Bernstein's inequality in Duffin and Schaeffer's form). So only the points
//! within 0.69 dB of the highest are looked at more closely, and stretches whose samples are too low for any sum of
//! the taps to reach that are passed over. Sines up to 0.48 of the rate read within 0.0005 dB.

use std::f64::consts::PI;

use crate::dsp::math::kaiser;
use crate::dsp::resample::dot;
use crate::dsp::wide::{Kernel, Width};

/// Points between two frames.
const POINTS: usize = 32;
/// Points from one to the next of the first, coarse look.
const COARSE: usize = 8;
/// Taps of each of the filters.
const TAPS: usize = 256;
/// Kaiser window: 118 dB.
const BETA: f64 = 12.0;
/// cos(π/8): the least that the nearest coarse point has of a peak.
const NEAR: f64 = 0.923_879_532_511_286_7;
/// Frames that are looked at together.
const STRETCH: usize = 64;

/// Finds the highest true peak of any channel.
#[derive(Clone, Debug)]
pub struct ExactPeak {
    /// By point between two frames, `TAPS` each.
    filters: Vec<f64>,
    /// The most that a filter makes of samples within ±1.
    gain: f64,
    /// Input from the first sample that the next frame's filters reach.
    past: Vec<Vec<f64>>,
    top: f64,
    width: Width,
}

impl ExactPeak {
    /// Before the first frame there was silence.
    pub fn new(channels: usize) -> Self {
        let half = (TAPS / 2) as f64;
        let tap = |n: usize| {
            let t = (n % TAPS) as f64 - (half - 1.0) - (n / TAPS) as f64 / POINTS as f64;
            let sinc = if t == 0.0 { 1.0 } else { libm::sin(PI * t) / (PI * t) };
            sinc * kaiser(t / half, BETA)
        };
        let filters: Vec<f64> = (0..POINTS * TAPS).map(tap).collect();
        let sum = |f: &[f64]| f.iter().map(|c| c.abs()).sum::<f64>();
        let gain = filters.chunks_exact(TAPS).map(sum).fold(0.0, f64::max);
        let past = vec![vec![0.0; TAPS / 2 - 1]; channels];
        ExactPeak { filters, gain, past, top: 0.0, width: Width::widest() }
    }

    /// Takes the next frames of every channel.
    pub fn push(&mut self, planes: &[&[f64]]) {
        for (c, x) in planes.iter().enumerate() {
            let Some(mut past) = self.past.get_mut(c).map(std::mem::take) else { continue };
            past.extend_from_slice(x);
            let mut from = 0;
            while past.len() >= from + STRETCH + TAPS {
                self.look(&past[from..from + STRETCH + TAPS]);
                from += STRETCH;
            }
            past.drain(..from);
            self.past[c] = past;
        }
    }

    /// The audio has ended, with silence after it: the highest true peak as an amplitude.
    pub fn finish(mut self) -> f64 {
        let silence = vec![0.0; STRETCH + TAPS];
        let planes = vec![silence.as_slice(); self.past.len()];
        self.push(&planes);
        self.top
    }

    /// One stretch: frame i of it is `x[TAPS/2 − 1 + i]`.
    fn look(&mut self, x: &[f64]) {
        let high = x.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        if high * self.gain < self.top * NEAR {
            return;
        }
        let mut top = self.top;
        self.width.run(Look { filters: &self.filters, x, top: &mut top });
        self.top = top;
    }
}

/// [`ExactPeak::look`] where there may be something to see.
struct Look<'a> {
    filters: &'a [f64],
    x: &'a [f64],
    top: &'a mut f64,
}

impl Kernel for Look<'_> {
    #[inline(always)]
    fn run(mut self) {
        for i in 0..STRETCH {
            for point in (0..POINTS).step_by(COARSE) {
                let v = self.at(i * POINTS + point);
                if v > *self.top {
                    *self.top = v;
                }
                if v > 0.0 && v >= *self.top * NEAR {
                    self.closer(i * POINTS + point);
                }
            }
        }
    }
}

impl Look<'_> {
    /// Magnitude at a point, counted from the stretch's first frame.
    #[inline(always)]
    fn at(&self, point: usize) -> f64 {
        let (frame, point) = (point / POINTS, point % POINTS);
        if point == 0 {
            return self.x[frame + TAPS / 2 - 1].abs();
        }
        dot(&self.x[frame..frame + TAPS], &self.filters[point * TAPS..(point + 1) * TAPS]).abs()
    }

    /// The points around a coarse one, and the top of the parabola through the highest. The first frame's
    /// left neighbours belong to the stretch before, which has seen them.
    #[inline(always)]
    fn closer(&mut self, point: usize) {
        let reach = COARSE / 2;
        let last = STRETCH * POINTS;
        let (mut best, mut high) = (point, self.at(point));
        for p in point.saturating_sub(reach)..=(point + reach).min(last) {
            let v = self.at(p);
            if v > high {
                (best, high) = (p, v);
            }
        }
        if best > 0 && best < last {
            let (l, r) = (self.at(best - 1), self.at(best + 1));
            let bend = (high - l) + (high - r);
            if l <= high && r <= high && bend > 0.0 {
                high += (l - r) * (l - r) / (8.0 * bend);
            }
        }
        if high > *self.top {
            *self.top = high;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(x: &[f64], piece: usize) -> f64 {
        let mut e = ExactPeak::new(1);
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
        let mut worst = 0.0f64;
        for k in 1..=96 {
            let share = 0.005 * f64::from(k);
            for phase in 0..5 {
                // The top of the fade is flat for 1e-4 dB over 4 frames; a slow tone may peak elsewhere.
                let phase = if share < 0.1 { 0.0 } else { PI * share * 0.2 * f64::from(phase) };
                let db = 20.0 * read(&tone(share, phase), 333).log10();
                worst = worst.max(db.abs());
            }
        }
        println!("tones up to 0.48 of the rate read within {worst:.6} dB");
        assert!(worst < 0.0005, "{worst} dB");
    }

    #[test]
    fn nothing_is_passed_over() {
        // Against every one of the 32 points of loud and of quiet noise, wherever the audio is cut.
        let mut s = 9u64;
        let mut noise = |a: f64| {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            a * ((s >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
        };
        let x: Vec<f64> = (0..6000).map(|n| noise(if n / 1000 % 2 == 0 { 0.05 } else { 1.0 })).collect();
        let e = ExactPeak::new(1);
        let mut padded = vec![0.0; TAPS];
        padded.extend(&x);
        padded.extend([0.0; TAPS]);
        let all = padded.windows(TAPS).flat_map(|w| e.filters.chunks_exact(TAPS).map(move |f| dot(w, f).abs()));
        let wanted = all.fold(0.0, f64::max);
        for piece in [1, 64, 1000, 6000] {
            let db = 20.0 * (read(&x, piece) / wanted).log10();
            println!("pieces of {piece}: {db:.5} dB over the highest of all points");
            // The parabola may lie between two points: at most 1/64 frame, cos(π/64).
            assert!((0.0..0.0105).contains(&db), "{db} dB");
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
