// SPDX-License-Identifier: MIT OR Apache-2.0
//! Equiripple FIR design by the Remez exchange (Parks & McClellan 1972). Control side; pure and portable.
//!
//! A polynomial in x = cos ω of n coefficients is fitted to a wanted curve so that the largest weighted
//! error is least. It then alternates in sign between n + 1 points; each round takes the polynomial that
//! does so on the present points (barycentric interpolation) and moves them to where its error peaks.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs filters")]

use std::f64::consts::PI;

/// Points of the grid for every place where the error may peak.
const DENSITY: usize = 12;
const MOST_ROUNDS: usize = 40;
/// Done when the largest error is within this share of the levelled one.
const LEVEL: f64 = 1e-3;

/// A half-band low-pass as its side taps `g`: 2k of them, symmetric, for every second place of 4k − 1 taps
/// whose centre is 1; the gain is 2 (up-sampling) and all but the sides and the centre are 0.
///
/// Returns the first half. `pass` is the end of the pass band as a share of the higher rate, below 0.25; the
/// stop band begins at 0.5 − `pass`. `ripple` is the most that both bands may err, gain 1 in the pass band.
pub fn half_band(pass: f64, ripple: f64) -> Vec<f64> {
    let mut k = (0.2 * length(ripple, ripple, 0.5 - 2.0 * pass)).max(2.0) as usize;
    loop {
        let (grid, places) =
            points(&[(0.0, 4.0 * PI * pass)], k + 1, |w| (1.0 / libm::cos(0.5 * w), libm::cos(0.5 * w)));
        let fit = Fit::new(&grid, places);
        // The sides are cos(ω/2) · polynomial at the lower rate, and err by twice as much as the whole.
        if fit.error <= 2.0 * ripple {
            let at: Vec<f64> = (0..k).map(|m| PI * (m as f64 + 0.5) / k as f64).collect();
            let gain: Vec<f64> = at.iter().map(|w| libm::cos(0.5 * w) * fit.at(libm::cos(*w))).collect();
            let tap = |n: usize| {
                let turn = n as f64 + 0.5;
                let sum: f64 = at.iter().zip(&gain).map(|(w, g)| g * libm::cos(turn * w)).sum();
                sum / k as f64
            };
            return (0..k).rev().map(tap).collect();
        }
        k += 1;
    }
}

/// A symmetric low-pass of odd length: the centre tap and those after it, gain 1.
///
/// `pass` and `stop` are shares of the rate it runs at, the ripples the most that either band may err.
pub fn low_pass(pass: f64, stop: f64, pass_ripple: f64, stop_ripple: f64) -> Vec<f64> {
    let mut n = (0.5 * length(pass_ripple, stop_ripple, stop - pass) + 2.0).ceil() as usize;
    loop {
        let bands = [(0.0, 2.0 * PI * pass), (2.0 * PI * stop, PI)];
        let (grid, places) = points(&bands, n + 1, |w| {
            if w <= bands[0].1 { (1.0, stop_ripple / pass_ripple) } else { (0.0, 1.0) }
        });
        let fit = Fit::new(&grid, places);
        if fit.error <= stop_ripple {
            let at: Vec<f64> = (0..n).map(|m| PI * (m as f64 + 0.5) / n as f64).collect();
            let gain: Vec<f64> = at.iter().map(|w| fit.at(libm::cos(*w))).collect();
            let tap = |k: usize| {
                let sum: f64 = at.iter().zip(&gain).map(|(w, g)| g * libm::cos(k as f64 * w)).sum();
                sum / n as f64
            };
            return (0..n).map(tap).collect();
        }
        n += 1;
    }
}

/// Taps that two ripples and a transition (share of the rate) need, by Kaiser's rule.
fn length(pass_ripple: f64, stop_ripple: f64, transition: f64) -> f64 {
    (-10.0 * libm::log10(pass_ripple * stop_ripple) - 13.0) / (14.6 * transition)
}

/// One place of the curve.
#[derive(Clone, Copy, Debug)]
struct Point {
    x: f64,
    want: f64,
    weight: f64,
}

/// A grid over the bands (radians), and `count` of its points to begin with: evenly spaced, and both ends
/// of each band among them.
fn points(bands: &[(f64, f64)], count: usize, curve: impl Fn(f64) -> (f64, f64)) -> (Vec<Point>, Vec<usize>) {
    let mut width: f64 = bands.iter().map(|(a, b)| b - a).sum();
    let (mut grid, mut places, mut left) = (Vec::new(), Vec::new(), count);
    for (a, b) in bands {
        let share = libm::round(left as f64 * (b - a) / width) as usize;
        let last = (share.max(2) - 1) * DENSITY;
        for i in 0..=last {
            let w = a + (b - a) * i as f64 / last as f64;
            let (want, weight) = curve(w);
            if i % DENSITY == 0 {
                places.push(grid.len());
            }
            grid.push(Point { x: libm::cos(w), want, weight });
        }
        left -= share;
        width -= b - a;
    }
    (grid, places)
}

/// A polynomial by its values at n + 1 points, one of which follows from the others.
struct Fit {
    x: Vec<f64>,
    value: Vec<f64>,
    /// Barycentric weights.
    beta: Vec<f64>,
    /// Largest weighted error on the grid.
    error: f64,
}

impl Fit {
    /// Begins with as many `places` as there are coefficients, and one more.
    fn new(grid: &[Point], mut places: Vec<usize>) -> Fit {
        let count = places.len();
        let (mut fit, mut level) = Fit::levelled(grid, &places);
        for _ in 0..MOST_ROUNDS {
            let errors: Vec<f64> = grid.iter().map(|p| p.weight * (p.want - fit.at(p.x))).collect();
            fit.error = errors.iter().fold(0.0, |m, e| m.max(e.abs()));
            if fit.error <= level.abs() * (1.0 + LEVEL) {
                break;
            }
            match peaks(&errors, count) {
                Some(p) => places = p,
                None => break,
            }
            let error = fit.error;
            (fit, level) = Fit::levelled(grid, &places);
            fit.error = error;
        }
        fit
    }

    /// The polynomial whose errors at `places` are equal and alternate, and that error.
    fn levelled(grid: &[Point], places: &[usize]) -> (Fit, f64) {
        let p: Vec<Point> = places.iter().map(|i| grid[*i]).collect();
        let x: Vec<f64> = p.iter().map(|p| p.x).collect();
        let others = |k: usize| x.iter().enumerate().filter(move |(j, _)| *j != k);
        let beta: Vec<f64> =
            (0..x.len()).map(|k| 1.0 / others(k).map(|(_, v)| 2.0 * (x[k] - v)).product::<f64>()).collect();
        let sign = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let above: f64 = beta.iter().zip(&p).map(|(b, p)| b * p.want).sum();
        let below: f64 = beta.iter().zip(&p).enumerate().map(|(k, (b, p))| sign(k) * b / p.weight).sum();
        let level = above / below;
        let value = p.iter().enumerate().map(|(k, p)| p.want - sign(k) * level / p.weight).collect();
        (Fit { x, value, beta, error: level.abs() }, level)
    }

    fn at(&self, x: f64) -> f64 {
        let (mut above, mut below) = (0.0, 0.0);
        for ((v, b), p) in self.value.iter().zip(&self.beta).zip(&self.x) {
            let d = x - p;
            if d == 0.0 {
                return *v;
            }
            let t = b / d;
            above += t * v;
            below += t;
        }
        above / below
    }
}

/// Where the error peaks, alternating in sign, `count` places; `None` if there are fewer.
fn peaks(errors: &[f64], count: usize) -> Option<Vec<usize>> {
    let last = errors.len() - 1;
    let mut found: Vec<usize> = Vec::new();
    for i in 0..=last {
        let e = errors[i].abs();
        let left = i == 0 || e >= errors[i - 1] * errors[i].signum();
        let right = i == last || e > errors[i + 1] * errors[i].signum();
        if !(left && right) {
            continue;
        }
        match found.last_mut() {
            Some(f) if (errors[*f] > 0.0) == (errors[i] > 0.0) => {
                if e > errors[*f].abs() {
                    *f = i;
                }
            }
            _ => found.push(i),
        }
    }
    while found.len() > count {
        // Only an end may go, or two neighbours of one sign would meet.
        let (a, b) = (errors[found[0]].abs(), errors[found[found.len() - 1]].abs());
        if a < b {
            found.remove(0);
        } else {
            found.pop();
        }
    }
    (found.len() == count).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gain(taps: impl Iterator<Item = (f64, f64)>, f: f64) -> f64 {
        taps.map(|(at, h)| h * (2.0 * PI * f * at).cos()).sum()
    }

    #[test]
    fn half_bands_keep_their_ripple() {
        for (pass, most) in
            [(20.0 / 88.2, 41), (20.0 / 96.0, 23), (0.25 / 2.0, 8), (0.25 / 4.0, 5), (0.25 / 8.0, 3)]
        {
            let g = half_band(pass, 1e-6);
            let k = g.len();
            let whole = |f: f64| {
                let sides = (0..k).map(|j| ((2 * (k - j) - 1) as f64, 2.0 * g[j]));
                0.5 * (1.0 + gain(sides, f))
            };
            let mut worst = 0.0f64;
            for i in 0..=4000 {
                let f = pass * f64::from(i) / 4000.0;
                worst = worst.max((whole(f) - 1.0).abs()).max(whole(0.5 - f).abs());
            }
            println!("pass {pass:.4}: {} taps, error {worst:.2e}", 4 * k - 1);
            assert!(worst < 1.02e-6 && k <= most, "{worst} {k}");
        }
    }

    #[test]
    fn low_passes_keep_both_ripples() {
        for (pass, stop) in [(20.0 / 88.2, 0.25), (20.0 / 96.0, 0.25)] {
            let h = low_pass(pass, stop, 4e-6, 1e-6);
            let whole = |f: f64| {
                let taps = h.iter().enumerate().map(|(n, h)| (n as f64, if n == 0 { *h } else { 2.0 * h }));
                gain(taps, f)
            };
            let (mut p, mut s) = (0.0f64, 0.0f64);
            for i in 0..=4000 {
                let t = f64::from(i) / 4000.0;
                p = p.max((whole(pass * t) - 1.0).abs());
                s = s.max(whole(stop + (0.5 - stop) * t).abs());
            }
            println!("{pass:.4} to {stop}: {} taps, errors {p:.2e} and {s:.2e}", 2 * h.len() - 1);
            assert!(p < 4.2e-6 && s < 1.05e-6, "{p} {s}");
        }
    }
}
