// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clipping with second-order antiderivative antialiasing, in a form that never loses precision.
//!
//! Second-order antialiasing (Bilbao, Esqueda, Parker and Välimäki, IEEE Signal Processing Letters 24, 2017) is
//! twice the second divided difference of the curve's second antiderivative. By Peano's theorem that is the
//! mean of the curve itself under the linear B-spline whose knots are three successive samples. For a clipper
//! the mean is the sorted knots' own, less what lies beyond the threshold, which is one cube over a product:
//! no difference of antiderivatives is taken, so no sample needs a substitute where two of them nearly agree,
//! and no result lies beyond the ceiling.
//!
//! A knee of half width `h` is linear to `1 − h` and ends at `1 + h`. It lies below the hard clip by
//! `(h − |x − 1|)³/(6 h²)`: three cubics that join with two continuous derivatives. Its mean under the spline
//! is integrated by Gauss and Legendre's three points, which are exact for a cubic times a straight line.
//!
//! The mean of three samples is one sample late and lowers what is high; [`super::shaping`] undoes that.

use super::wide::{Kernel, Width};

/// Samples that are worked on together.
const CHUNK: usize = 8;
/// Knots are taken as no closer than this where a distance divides.
const CLOSE: f64 = 1e-30;
/// Gauss and Legendre's outer point, √(3/5), and the weights of outer and middle points, halved.
const OUTER: f64 = 0.774_596_669_241_483_4;
const OUTER_WEIGHT: f64 = 5.0 / 18.0;
const MIDDLE_WEIGHT: f64 = 8.0 / 18.0;

/// One channel's clipper at ±1: the last two samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clip {
    last: [f64; 2],
}

impl Clip {
    pub fn reset(&mut self) {
        *self = Clip::default();
    }

    /// Audio thread. In place, whole chunks of eight; one sample late. `knee` is the half width for each sample,
    /// 0 to 1.
    pub fn process(&mut self, width: Width, x: &mut [f64], knee: &[f64]) {
        width.run(Clipping { last: &mut self.last, x, knee });
    }

    /// Audio thread. As `process` without a knee; leaves the means of three before they are clipped in `mean`.
    pub fn split(&mut self, width: Width, x: &mut [f64], mean: &mut [f64]) {
        width.run(Splitting { last: &mut self.last, x, mean });
    }
}

/// Three successive samples in rising order, for each of a chunk.
struct Knots {
    low: [f64; CHUNK],
    middle: [f64; CHUNK],
    high: [f64; CHUNK],
    mean: [f64; CHUNK],
}

#[inline(always)]
fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

impl Knots {
    #[inline(always)]
    fn new(last: &mut [f64; 2], x: &[f64; CHUNK]) -> Knots {
        let mut row = [0.0; CHUNK + 2];
        row[..2].copy_from_slice(last);
        row[2..].copy_from_slice(x);
        last.copy_from_slice(&row[CHUNK..]);
        let mut k = Knots { low: *x, middle: *x, high: *x, mean: *x };
        for i in 0..CHUNK {
            let (a, b, c) = (row[i], row[i + 1], row[i + 2]);
            let (lower, upper) = (min(a, b), max(a, b));
            k.low[i] = min(lower, c);
            k.high[i] = max(upper, c);
            k.middle[i] = max(lower, min(upper, c));
            k.mean[i] = (a + b + c) * (1.0 / 3.0);
        }
        k
    }

    /// Takes the knees from the clipped `x`, where the knots meet them; none is wider than `widest`.
    #[inline(always)]
    fn bend(&self, x: &mut [f64; CHUNK], h: &[f64; CHUNK], widest: f64) {
        let lowest = self.low.iter().fold(f64::INFINITY, |m, v| min(m, *v));
        let highest = self.high.iter().fold(f64::NEG_INFINITY, |m, v| max(m, *v));
        let (from, to) = (1.0 - widest, 1.0 + widest);
        if highest > from && lowest < to {
            for i in 0..CHUNK {
                let h = max(h[i], CLOSE);
                x[i] -= knee(self.low[i] - 1.0, self.middle[i] - 1.0, self.high[i] - 1.0, h);
            }
        }
        if lowest < -from && highest > -to {
            for i in 0..CHUNK {
                let h = max(h[i], CLOSE);
                x[i] += knee(-1.0 - self.high[i], -1.0 - self.middle[i], -1.0 - self.low[i], h);
            }
        }
    }

    /// The largest magnitude.
    #[inline(always)]
    fn peak(&self) -> f64 {
        let mut p = [0.0; CHUNK];
        for (i, p) in p.iter_mut().enumerate() {
            *p = max(self.high[i], -self.low[i]);
        }
        p.iter().fold(0.0, |m, v| max(m, *v))
    }
}

/// Mean of what lies above 1, given the knots less 1.
#[inline(always)]
fn beyond(low: f64, middle: f64, high: f64) -> f64 {
    let upper = middle >= 0.0;
    let (end, side) = if upper { (-low, middle - low) } else { (high, high - middle) };
    let corner = end * end * end / (3.0 * ((high - low) * side));
    let whole = (low + middle + high) * (1.0 / 3.0);
    let across = if upper { whole + corner } else { corner };
    if high <= 0.0 {
        0.0
    } else if low >= 0.0 {
        whole
    } else {
        across
    }
}

/// Mean under the spline of the clip at ±1.
#[inline(always)]
fn hard(low: f64, middle: f64, high: f64, mean: f64) -> f64 {
    let above = beyond(low - 1.0, middle - 1.0, high - 1.0);
    let below = beyond(-1.0 - high, -1.0 - middle, -1.0 - low);
    max(min(mean - above + below, 1.0), -1.0)
}

/// `∫ 2s (1 − |p + q s|)₊³/6 ds` from 0 to 1: what an end of the spline has of the knee, in half widths.
#[inline(always)]
fn rounding(p: f64, q: f64) -> f64 {
    let per = 1.0 / if q.abs() > CLOSE { q } else { CLOSE };
    let cut = |u: f64| max(min((u - p) * per, 1.0), 0.0);
    let (a, b, c) = (cut(-1.0), cut(0.0), cut(1.0));
    let piece = |from: f64, to: f64| {
        let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
        let at = |s: f64| {
            let d = max(1.0 - (p + q * s).abs(), 0.0);
            s * (d * d * d)
        };
        let outer = at(middle - OUTER * half) + at(middle + OUTER * half);
        2.0 * half.abs() * (OUTER_WEIGHT * outer + MIDDLE_WEIGHT * at(middle))
    };
    (piece(a, b) + piece(b, c)) * (1.0 / 3.0)
}

/// Mean under the spline of what the knee at 1 takes from the hard clip, given the knots less 1.
#[inline(always)]
fn knee(low: f64, middle: f64, high: f64, h: f64) -> f64 {
    let per = 1.0 / h;
    let (l, m, u) = (low * per, middle * per, high * per);
    let (left, right) = (max(m - l, CLOSE), max(u - m, CLOSE));
    let share = left / (left + right);
    h * (share * rounding(l, m - l) + (1.0 - share) * rounding(u, m - u))
}

/// [`Clip::process`].
struct Clipping<'a> {
    last: &'a mut [f64; 2],
    x: &'a mut [f64],
    knee: &'a [f64],
}

impl Kernel for Clipping<'_> {
    #[inline(always)]
    fn run(self) {
        let knees = self.knee.as_chunks::<CHUNK>().0;
        for (x, h) in self.x.as_chunks_mut::<CHUNK>().0.iter_mut().zip(knees) {
            let k = Knots::new(self.last, x);
            let (peak, widest) = (k.peak(), h.iter().fold(0.0, |m, v| max(m, *v)));
            if peak <= 1.0 - widest {
                *x = k.mean;
                continue;
            }
            for (i, x) in x.iter_mut().enumerate() {
                *x = hard(k.low[i], k.middle[i], k.high[i], k.mean[i]);
            }
            if widest > 0.0 {
                k.bend(x, h, widest);
            }
        }
    }
}

/// [`Clip::split`].
struct Splitting<'a> {
    last: &'a mut [f64; 2],
    x: &'a mut [f64],
    mean: &'a mut [f64],
}

impl Kernel for Splitting<'_> {
    #[inline(always)]
    fn run(self) {
        let means = self.mean.as_chunks_mut::<CHUNK>().0;
        for (x, mean) in self.x.as_chunks_mut::<CHUNK>().0.iter_mut().zip(means) {
            let k = Knots::new(self.last, x);
            *mean = k.mean;
            if k.peak() <= 1.0 {
                *x = k.mean;
                continue;
            }
            for (i, x) in x.iter_mut().enumerate() {
                *x = hard(k.low[i], k.middle[i], k.high[i], k.mean[i]);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use crate::units::rig::Noise;

    /// The curve itself.
    fn curve(x: f64, h: f64) -> f64 {
        let d = (h - (x.abs() - 1.0).abs()).max(0.0);
        let rounding = if h > 0.0 { d * d * d / (6.0 * h * h) } else { 0.0 };
        x.signum() * (x.abs().min(1.0) - rounding)
    }

    /// Its mean under the spline of three knots, by brute force: the midpoint rule in 2,000,000 steps of the
    /// inverse distribution.
    fn brute(x: [f64; 3], h: f64) -> f64 {
        let mut k = x;
        k.sort_by(f64::total_cmp);
        let (left, right) = (k[1] - k[0], k[2] - k[1]);
        let steps = 20_000;
        let end = |from: f64, way: f64| {
            (0..steps)
                .map(|i| (f64::from(i) + 0.5) / f64::from(steps))
                .map(|s| 2.0 * s * curve(from + way * s, h))
                .sum::<f64>()
                / f64::from(steps)
        };
        let all = left + right;
        if all == 0.0 {
            return curve(k[0], h);
        }
        (left * end(k[0], left) + right * end(k[2], -right)) / all
    }

    fn mean_of(x: [f64; 3], h: f64) -> f64 {
        let mut clip = Clip { last: [x[0], x[1]] };
        let mut row = [0.0; CHUNK];
        row[0] = x[2];
        clip.process(Width::all().next().unwrap(), &mut row, &[h; CHUNK]);
        row[0]
    }

    #[test]
    fn it_is_the_mean_of_the_curve_between_three_samples() {
        let mut r = Noise(11);
        let mut worst = 0.0f64;
        for n in 0..400 {
            let h = [0.0, 1.0, 0.3, 1e-3][n % 4];
            let far = [2.0, 0.3, 1e-3, 1e-9, 20.0][n % 5];
            let at = if n % 3 == 0 { 1.0 } else { 2.5 * r.next() };
            let x = [at + far * r.next(), at + far * r.next(), at + far * r.next()];
            worst = worst.max((mean_of(x, h) - brute(x, h)).abs());
        }
        println!("largest distance from the mean by brute force: {worst:.1e}");
        assert!(worst < 1e-7, "{worst}");
        for h in [0.0, 0.2, 1.0] {
            for x in [0.0, 0.9, 1.0, 1.1, 1.3, 5.0, -0.95, -4.0] {
                assert!((mean_of([x; 3], h) - curve(x, h)).abs() < 1e-15, "still at {x}, knee {h}");
            }
        }
    }

    #[test]
    fn nothing_lies_beyond_the_ceiling_whatever_comes() {
        let (mut r, mut clip, mut x) = (Noise(5), Clip::default(), vec![0.0; 1024]);
        for n in 0..400 {
            let loud = [0.5, 1.0, 1.000_000_1, 3.0, 1e3, 1e8][n % 6];
            x.iter_mut()
                .for_each(|v| *v = loud * [r.next(), 1.0, -1.0, 0.0][(4.0 * r.next().abs()) as usize % 4]);
            let knee = vec![[0.0, 1e-6, 0.1, 1.0][n % 4]; 1024];
            clip.process(Width::widest(), &mut x, &knee);
            let over = x.iter().find(|v| v.is_nan() || v.abs() > 1.0);
            assert!(over.is_none(), "{over:?} at {loud}");
        }
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let mut r = Noise(3);
        let x: Vec<f64> = (0..4096).map(|_| 2.0 * r.next()).collect();
        for h in [0.0, 0.4] {
            let all: Vec<Vec<f64>> = Width::all()
                .map(|w| {
                    let mut y = x.clone();
                    Clip::default().process(w, &mut y, &vec![h; 4096]);
                    y
                })
                .collect();
            assert!(all.iter().all(|y| *y == all[0]));
        }
    }
}
