// SPDX-License-Identifier: MIT OR Apache-2.0
//! Curves that saturate, made of [`super::math`] alone: the same bits on every processor, and loops over them
//! vectorise.

use super::math::{exp2, log2};

/// Hyperbolic tangent; absolute error below 1e-15.
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let e = exp2(-2.0 * std::f64::consts::LOG2_E * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

/// What a triode's anode does, from 0 (cut off) to 1 (bottomed), by its grid.
///
/// The current follows Langmuir and Child's law, the 3/2 power of the grid's voltage, with a soft cut-off
/// (Koren, Glass Audio 5/1996, has the same logarithm of one plus an exponential); the anode's load lets it
/// rise no further as the anode bottoms. Analytic everywhere, so its harmonics fall fast.
#[inline(always)]
pub fn triode(grid: f64) -> f64 {
    let current = three_halves(soft_positive(grid));
    current / (1.0 + current)
}

/// Slope of [`triode`]. Any thread.
pub fn triode_slope(grid: f64) -> f64 {
    let v = soft_positive(grid);
    let e = exp2(-std::f64::consts::LOG2_E * grid.abs());
    let opening = if grid > 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    let all = 1.0 + three_halves(v);
    1.5 * v.sqrt() * opening / (all * all)
}

#[inline(always)]
fn three_halves(v: f64) -> f64 {
    v * v.sqrt()
}

/// ln(1 + eˣ).
#[inline(always)]
fn soft_positive(x: f64) -> f64 {
    let e = exp2(-std::f64::consts::LOG2_E * x.abs());
    let above = if x > 0.0 { x } else { 0.0 };
    above + std::f64::consts::LN_2 * log2(1.0 + e)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn they_are_what_they_say() {
        let (mut t, mut c, mut s) = (0.0f64, 0.0f64, 0.0f64);
        for k in -40_000..=40_000 {
            let x = f64::from(k) * 0.001;
            t = t.max((tanh(x) - libm::tanh(x)).abs());
            let i = libm::pow(libm::log1p(libm::exp(-x.abs())) + x.max(0.0), 1.5);
            c = c.max((triode(x) - i / (1.0 + i)).abs());
            s = s.max((triode_slope(x) - (triode(x + 1e-4) - triode(x - 1e-4)) / 2e-4).abs());
        }
        println!("tanh {t:.1e}, triode {c:.1e}, its slope {s:.1e}");
        assert!(t < 1e-15 && c < 1e-15 && s < 1e-8);
        assert!(tanh(1e8) == 1.0 && triode(-1e8) == 0.0 && triode(1e9).is_finite());
    }
}
