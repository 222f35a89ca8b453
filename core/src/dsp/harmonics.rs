// SPDX-License-Identifier: MIT OR Apache-2.0
//! Harmonics by their levels: a sum of Chebyshev polynomials.
//!
//! `Tₙ(cos θ) = cos nθ`: of a sine that reaches ±1, each polynomial makes its harmonic and nothing else. Below that
//! level harmonic n falls by n dB for each dB, and odd polynomials bring some of the fundamental. Above it the
//! polynomials go no further than ±1, so that no harmonic runs away. Silence stays silence.

use super::wide::{Kernel, Width};

/// Harmonics 2 to 7.
pub const COUNT: usize = 6;
/// Powers 1 to 7.
pub const POWERS: usize = 7;

/// Coefficients of the powers 1 to 7 for amplitudes of the harmonics 2 to 7.
#[inline(always)]
pub fn powers(a: [f64; COUNT]) -> [f64; POWERS] {
    let [h2, h3, h4, h5, h6, h7] = a;
    [
        -3.0 * h3 + 5.0 * h5 - 7.0 * h7,
        2.0 * h2 - 8.0 * h4 + 18.0 * h6,
        4.0 * h3 - 20.0 * h5 + 56.0 * h7,
        8.0 * h4 - 48.0 * h6,
        16.0 * h5 - 112.0 * h7,
        32.0 * h6,
        64.0 * h7,
    ]
}

/// Audio thread. Adds the polynomial of `x`, within ±1, to `y`.
pub fn add(width: Width, x: &[f64], powers: [&[f64]; POWERS], y: &mut [f64]) {
    width.run(Adding { x, powers, y });
}

struct Adding<'a> {
    x: &'a [f64],
    powers: [&'a [f64]; POWERS],
    y: &'a mut [f64],
}

impl Kernel for Adding<'_> {
    #[inline(always)]
    fn run(self) {
        let n = self.y.len().min(self.x.len());
        let [a, b, c, d, e, f, g] = self.powers.map(|p| &p[..n]);
        let (x, y) = (&self.x[..n], &mut self.y[..n]);
        for i in 0..n {
            let v = x[i];
            y[i] += v * (a[i] + v * (b[i] + v * (c[i] + v * (d[i] + v * (e[i] + v * (f[i] + v * g[i]))))));
        }
    }
}
