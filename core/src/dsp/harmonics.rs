// SPDX-License-Identifier: MIT OR Apache-2.0
//! Harmonics by their levels: a sum of Chebyshev polynomials.
//!
//! `Tₙ(cos θ) = cos nθ`: of a sine that reaches ±1, each polynomial makes its harmonic and nothing else. Their
//! constants and linear terms are left out, so that silence stays silence and quiet sound keeps its level; odd
//! polynomials then lift the fundamental of that sine, and the amplitudes are chosen so that its harmonics have
//! their levels beside it. Below that level harmonic n falls by n dB for each dB. Above it the polynomials go
//! no further than ±1, so that no harmonic runs away.

use super::wide::{Kernel, Width};

/// Harmonics 2 to 7.
pub const COUNT: usize = 6;
/// Powers 2 to 7.
pub const POWERS: usize = 6;

/// Coefficients of the powers 2 to 7 for amplitudes of the harmonics 2 to 7, in parts of the fundamental. The
/// third and seventh must stay below 0.1 together.
#[inline(always)]
pub fn powers(of_fundamental: [f64; COUNT]) -> [f64; POWERS] {
    let [_, t3, _, t5, _, t7] = of_fundamental;
    // What leaving out the linear terms lifts the fundamental to.
    let fundamental = 1.0 / (1.0 - 3.0 * t3 + 5.0 * t5 - 7.0 * t7);
    let [h2, h3, h4, h5, h6, h7] = of_fundamental.map(|t| t * fundamental);
    [
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
        let [a, b, c, d, e, f] = self.powers.map(|p| &p[..n]);
        let (x, y) = (&self.x[..n], &mut self.y[..n]);
        for i in 0..n {
            let v = x[i];
            y[i] += v * v * (a[i] + v * (b[i] + v * (c[i] + v * (d[i] + v * (e[i] + v * f[i])))));
        }
    }
}
