// SPDX-License-Identifier: MIT OR Apache-2.0
//! A second-order Butterworth high-pass for sidechains; its corner may move every frame.
//!
//! The trapezoidal state-variable form (Zavalishin, "The Art of VA Filter Design", §4), stable under
//! any movement of the corner; −3 dB exactly at the corner, 12 dB per octave below it.

use std::f64::consts::{PI, SQRT_2};

/// Below this a state is silence; −600 dBFS.
const SILENT: f64 = 1e-30;

/// Coefficients for one corner.
#[derive(Clone, Copy, Debug)]
pub struct Corner {
    a1: f64,
    a2: f64,
    a3: f64,
}

impl Corner {
    /// Any thread. `hz` is kept below 0.49 of the rate.
    pub fn new(hz: f64, sample_rate: f64) -> Self {
        let g = libm::tan(PI * hz.min(0.49 * sample_rate) / sample_rate);
        let a1 = 1.0 / (1.0 + g * (g + SQRT_2));
        Corner { a1, a2: g * a1, a3: g * g * a1 }
    }
}

/// One channel's filter.
#[derive(Clone, Copy, Debug, Default)]
pub struct HighPass {
    s1: f64,
    s2: f64,
}

impl HighPass {
    pub fn reset(&mut self) {
        *self = HighPass::default();
    }

    /// Audio thread. One frame.
    #[inline(always)]
    pub fn next_frame(&mut self, x: f64, c: &Corner) -> f64 {
        let v3 = x - self.s2;
        let v1 = c.a1 * self.s1 + c.a2 * v3;
        let v2 = self.s2 + c.a2 * self.s1 + c.a3 * v3;
        self.s1 = 2.0 * v1 - self.s1;
        self.s2 = 2.0 * v2 - self.s2;
        x - SQRT_2 * v1 - v2
    }

    /// Audio thread. Once a quantum: takes what has died away to exactly nothing.
    pub fn flush(&mut self) {
        if self.s1.abs() < SILENT && self.s2.abs() < SILENT {
            self.reset();
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn minus_3_db_at_the_corner_and_12_db_per_octave() {
        for (hz, want) in [(100.0, -3.0103), (10.0, -40.0004), (1000.0, -0.0004)] {
            let (mut f, c) = (HighPass::default(), Corner::new(100.0, 48_000.0));
            let (mut re, mut im) = (0.0, 0.0);
            for n in 0..96_000 {
                let w = 2.0 * PI * hz / 48_000.0 * f64::from(n);
                let y = f.next_frame(w.sin(), &c);
                if n >= 48_000 {
                    re += y * w.cos() / 24_000.0;
                    im += y * w.sin() / 24_000.0;
                }
            }
            let db = 10.0 * (re * re + im * im).log10();
            assert!((db - want).abs() < 0.002, "{hz} Hz: {db:.4} dB, expected {want}");
        }
    }
}
