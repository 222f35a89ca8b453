// SPDX-License-Identifier: MIT OR Apache-2.0
//! Levenberg and Marquardt's method on the error of a magnitude in dB. Control side.
//!
//! The unknowns are a gain and, of every second-order polynomial that is free, the logarithms of its
//! frequency and damping: any step lands on a stable minimum-phase filter.

use super::matched::{DB, POINTS, Point, Poly, solve};

/// Most polynomials that are free at a time.
pub(super) const MOST: usize = 8;
/// Unknowns.
const N: usize = 1 + 2 * MOST;
/// Most steps.
const STEPS: usize = 40;
/// Logarithms of frequency and damping stay within this of 0, and a step moves none further than 1.
const WIDEST: f64 = 14.0;

/// `1 + k t/g + t²/g²`, above or below the line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quad {
    ln_g: f64,
    ln_k: f64,
    below: bool,
}

impl Quad {
    pub(super) fn new(poly: &Poly, below: bool) -> Quad {
        let Poly([c0, c1, c2]) = *poly;
        let g = (c0 / c2).sqrt();
        Quad { ln_g: libm::log(g), ln_k: libm::log((c1 * g / c0).max(1e-6)), below }
    }

    pub(super) fn poly(&self) -> Poly {
        let (g, k) = (libm::exp(self.ln_g), libm::exp(self.ln_k));
        Poly([1.0, k / g, 1.0 / (g * g)])
    }
}

/// Error at every point in nepers of power, and in `system` the lower half of what the next step needs.
fn look(
    points: &[Point; POINTS],
    weights: &[f64; POINTS],
    quads: &[Quad],
    ln_gain: f64,
    mut system: Option<(&mut [[f64; N]; N], &mut [f64; N])>,
) -> (f64, [f64; POINTS]) {
    let mut shape = [(0.0, 0.0, 1.0); MOST];
    for (s, q) in shape.iter_mut().zip(quads) {
        let (g, k) = (libm::exp(q.ln_g), libm::exp(q.ln_k));
        *s = (1.0 / (g * g), k * k, if q.below { -1.0 } else { 1.0 });
    }
    let (mut sum, mut errors) = (0.0, [0.0; POINTS]);
    for ((p, weight), e) in points.iter().zip(weights).zip(&mut errors) {
        let (v, mut ratio, mut row) = (1.0 - p.u, 1.0 / p.power, [0.0; N]);
        row[0] = 1.0;
        for (i, (h, k2, sign)) in shape[..quads.len()].iter().enumerate() {
            let y = p.u * h;
            let even = v - y;
            let power = even * even + k2 * v * y;
            ratio *= if *sign > 0.0 { power } else { 1.0 / power };
            row[1 + 2 * i] = -2.0 * sign * y * (k2 * v - 2.0 * even) / power;
            row[2 + 2 * i] = 2.0 * sign * k2 * v * y / power;
        }
        *e = libm::log(ratio) + ln_gain;
        let w = weight * weight;
        sum += w * *e * *e;
        if let Some((a, b)) = &mut system {
            let n = 1 + 2 * quads.len();
            for i in 0..n {
                for j in 0..=i {
                    a[i][j] += w * row[i] * row[j];
                }
                b[i] -= w * row[i] * *e;
            }
        }
    }
    (sum, errors)
}

/// Moves `quads` to where their product and a gain are nearest to the points' powers. Returns the gain
/// (of amplitude) and the largest weighted error in dB.
pub(super) fn polish(points: &[Point; POINTS], quads: &mut [Quad]) -> (f64, f64) {
    let n = 1 + 2 * quads.len();
    let mut weights = points.map(|p| p.weight);
    let (mut ln_gain, mut damping) = (0.0, 1e-2);
    let (_, first) = look(points, &weights, quads, 0.0, None);
    ln_gain -= first[0];
    let mut best = (f64::INFINITY, ln_gain, [Quad::default(); MOST]);
    for step in 0..STEPS {
        let (mut a, mut b) = ([[0.0; N]; N], [0.0; N]);
        let (sum, errors) = look(points, &weights, quads, ln_gain, Some((&mut a, &mut b)));
        let worst = errors.iter().zip(points).map(|(e, p)| (e * p.weight).abs()).fold(0.0, f64::max);
        if worst < best.0 {
            best = (worst, ln_gain, [Quad::default(); MOST]);
            best.2[..quads.len()].copy_from_slice(quads);
        }
        for i in 1..n {
            let (above, row) = a.split_at_mut(i);
            above.iter_mut().zip(&row[0]).for_each(|(upper, lower)| upper[i] = *lower);
        }
        let mut moved = false;
        for _ in 0..6 {
            let (mut damped, mut x) = (a, b);
            for (i, row) in damped.iter_mut().enumerate().take(n) {
                row[i] += damping * row[i] + 1e-12;
            }
            solve(&mut damped, &mut x, n);
            let mut next = [Quad::default(); MOST];
            next[..quads.len()].copy_from_slice(quads);
            for (i, q) in next[..quads.len()].iter_mut().enumerate() {
                q.ln_g = (q.ln_g + x[1 + 2 * i].clamp(-1.0, 1.0)).clamp(-WIDEST, WIDEST);
                q.ln_k = (q.ln_k + x[2 + 2 * i].clamp(-1.0, 1.0)).clamp(-WIDEST, WIDEST);
            }
            let (tried, _) = look(points, &weights, &next[..quads.len()], ln_gain + x[0], None);
            if tried < sum {
                moved = tried < 0.999 * sum;
                quads.copy_from_slice(&next[..quads.len()]);
                ln_gain += x[0];
                damping = (damping * 0.2).max(1e-9);
                break;
            }
            damping *= 5.0;
        }
        if !moved && step > 4 {
            // It stands still: weigh what is worst.
            for ((w, e), p) in weights.iter_mut().zip(&errors).zip(points) {
                *w *= (((e * p.weight).abs() + 0.05 * worst) / (1.05 * worst)).max(1e-6).sqrt();
            }
            let most = weights.iter().fold(0.0, |a: f64, b| a.max(*b));
            weights.iter_mut().for_each(|w| *w /= most);
            damping = damping.min(1e-3);
        }
    }
    quads.copy_from_slice(&best.2[..quads.len()]);
    (libm::exp(0.5 * best.1), DB * best.0)
}
