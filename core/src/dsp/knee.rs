// SPDX-License-Identifier: MIT OR Apache-2.0
//! The static curve of a compressor: threshold, ratio and a quadratic knee.
//!
//! Giannoulis, Massberg and Reiss, JAES 60(6) 2012, eq. 4, as a reduction and without a branch: it is
//! quadratic over the knee and goes on in a straight line from there.

/// The curve with its constants worked out. All levels and reductions are dB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    /// Where the knee begins.
    begin: f64,
    knee: f64,
    /// 1 − 1/ratio.
    slope: f64,
    /// Slope over twice the knee.
    bend: f64,
    /// Deepest reduction.
    range: f64,
}

impl Curve {
    /// Any thread. `threshold`, `knee` and `range` in dB.
    pub fn new(threshold: f64, ratio: f64, knee: f64, range: f64) -> Self {
        let slope = 1.0 - 1.0 / ratio;
        let bend = 0.5 * slope / if knee > 1e-9 { knee } else { 1e-9 };
        Curve { begin: threshold - 0.5 * knee, knee, slope, bend, range }
    }

    /// Audio thread. Reduction at a level in dB; exactly 0 below the knee and for a ratio of 1.
    #[inline(always)]
    pub fn reduction(&self, level: f64) -> f64 {
        let over = level - self.begin;
        let over = if over > 0.0 { over } else { 0.0 };
        let inside = if over < self.knee { over } else { self.knee };
        let r = inside * inside * self.bend + (over - inside) * self.slope;
        if r < self.range { r } else { self.range }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_meets_its_two_lines_and_its_range() {
        let c = Curve::new(-20.0, 4.0, 6.0, 12.0);
        assert_eq!(c.reduction(-23.0), 0.0);
        assert!((c.reduction(-20.0) - 0.75 * 9.0 / 12.0).abs() < 1e-12);
        assert!((c.reduction(-17.0) - 0.75 * 3.0).abs() < 1e-12);
        assert!((c.reduction(-8.0) - 9.0).abs() < 1e-12);
        assert_eq!(c.reduction(20.0), 12.0);
        assert_eq!(Curve::new(-60.0, 1.0, 24.0, 60.0).reduction(0.0), 0.0);
    }
}
