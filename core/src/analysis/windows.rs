// SPDX-License-Identifier: MIT OR Apache-2.0
//! Windows of the Fourier analysers, and where between the bins a sine lies.
//!
//! All are periodic (the point after the last would be the first). Figures of each, in bins and dB:
//!
//! | window | noise bandwidth | half of the main lobe | highest side lobe | scalloping |
//! |---|---|---|---|---|
//! | Hann | 1.500 | 2 | −31.5 | 1.42 |
//! | Blackman–Harris, 4 terms (Harris 1978) | 2.004 | 4 | −92.0 | 0.83 |
//! | Kaiser, β 20 | 2.564 | 6.5 | −155 | 0.51 |
//! | flat top HFT95 (Heinzel, Rüdiger, Schilling 2002) | 3.811 | 5 | −95 | 0.004 |
//!
//! Scalloping is how much too low a bin reads for a sine halfway to the next. [`Lobe`] takes it back for
//! lines: it knows the window's own main lobe, so a sine by itself is found within 0.001 of a bin and 0.001 dB.

use std::f64::consts::PI;

use crate::dsp::math;

/// The shape that a stretch of audio is given before it is transformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Window {
    Hann,
    #[default]
    BlackmanHarris,
    /// β 20: for looking 150 dB below a line.
    Kaiser,
    FlatTop,
}

const KAISER_BETA: f64 = 20.0;

impl Window {
    pub const ALL: [Window; 4] = [Window::Hann, Window::BlackmanHarris, Window::Kaiser, Window::FlatTop];

    /// The cosines that a window is the sum of, with alternating signs.
    fn cosines(self) -> &'static [f64] {
        match self {
            Window::Hann => &[0.5, 0.5],
            Window::BlackmanHarris => &[0.358_75, 0.488_29, 0.141_28, 0.011_68],
            Window::FlatTop => &[1.0, 1.938_337_9, 1.304_520_2, 0.402_827_0, 0.035_066_5],
            Window::Kaiser => &[],
        }
    }

    /// `size` points.
    pub fn taps(self, size: usize) -> Vec<f64> {
        if self == Window::Kaiser {
            let unit = 1.0 / math::bessel_i0(KAISER_BETA);
            let at = |n: usize| 2.0 * n as f64 / size as f64 - 1.0;
            let tap = |n: usize| unit * math::bessel_i0(KAISER_BETA * (1.0 - at(n) * at(n)).max(0.0).sqrt());
            return (0..size).map(tap).collect();
        }
        // One turn of cosines serves all terms.
        let turn: Vec<f64> = (0..size).map(|n| libm::cos(2.0 * PI * n as f64 / size as f64)).collect();
        let tap = |n: usize| {
            let term = |(i, c): (usize, &f64)| if i % 2 == 0 { *c } else { -c } * turn[i * n % size];
            self.cosines().iter().enumerate().map(term).sum()
        };
        (0..size).map(tap).collect()
    }

    /// Bins from the middle of the main lobe to its first zero, rounded up.
    pub fn lobe_bins(self) -> usize {
        match self {
            Window::Hann => 2,
            Window::BlackmanHarris => 4,
            Window::Kaiser => 7,
            Window::FlatTop => 5,
        }
    }
}

/// Noise bandwidth of a window in bins: the width of the rectangle that passes as much noise.
pub fn noise_bandwidth(taps: &[f64]) -> f64 {
    let (sum, squares) = taps.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
    squares * taps.len() as f64 / (sum * sum)
}

/// 10·log10(2): one octave of power in dB.
pub(super) const DB_PER_OCTAVE: f64 = 3.010_299_956_639_812;
/// Places between two bins at which the main lobe is known; odd.
const PLACES: usize = 129;
/// Points of the window that it is worked out from; its shape in bins hardly depends on them.
const POINTS: usize = 1024;

/// The top of a window's main lobe: from three bins to the sine between them.
#[derive(Clone, Debug)]
pub struct Lobe {
    /// For each place from −½ to +½ of a bin: by how many dB the upper neighbour is above the lower one.
    slope: Vec<f64>,
    /// And by how many dB the sine is above the middle bin.
    rise: Vec<f64>,
}

impl Lobe {
    pub fn new(window: Window) -> Self {
        let taps = window.taps(POINTS);
        // The window is even around its middle, so its transform there is a sum of cosines.
        let level = |bins: f64| {
            let turn = 2.0 * PI * bins / POINTS as f64;
            let middle = POINTS as f64 / 2.0;
            let sum: f64 =
                taps.iter().enumerate().map(|(n, w)| w * libm::cos(turn * (n as f64 - middle))).sum();
            math::gain_to_db(sum.abs())
        };
        let place = |i: usize| i as f64 / (PLACES - 1) as f64 - 0.5;
        let top = level(0.0);
        Lobe {
            slope: (0..PLACES).map(|i| level(1.0 - place(i)) - level(1.0 + place(i))).collect(),
            rise: (0..PLACES).map(|i| top - level(place(i))).collect(),
        }
    }

    /// Where a sine lies, in bins from the middle one of three powers, and how many dB it is above that one.
    pub fn locate(&self, [lower, _, upper]: [f64; 3]) -> (f64, f64) {
        let log = |power: f64| math::log2(power.max(f64::MIN_POSITIVE));
        let slope = DB_PER_OCTAVE * (log(upper) - log(lower));
        let next = self.slope.partition_point(|s| *s < slope).clamp(1, PLACES - 1);
        let (a, b) = (self.slope[next - 1], self.slope[next]);
        let share = if b > a { ((slope - a) / (b - a)).clamp(0.0, 1.0) } else { 0.0 };
        let at = (next - 1) as f64 + share;
        let rise = self.rise[next - 1] + share * (self.rise[next] - self.rise[next - 1]);
        (at / (PLACES - 1) as f64 - 0.5, rise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::fft::RealFft;

    #[test]
    fn they_have_the_figures_of_the_table() {
        for (window, bandwidth, scalloping) in [
            (Window::Hann, 1.5, 1.4236),
            (Window::BlackmanHarris, 2.0044, 0.8256),
            (Window::Kaiser, 2.5643, 0.5097),
            (Window::FlatTop, 3.8112, 0.0039),
        ] {
            let taps = window.taps(4096);
            let (noise, lobe) = (noise_bandwidth(&taps), Lobe::new(window));
            let rise = lobe.rise[0];
            // Side lobes, of the window with zeros around it.
            let wide = RealFft::new(4096 * 16).spectrum(&taps);
            let db = |(re, im): (f64, f64)| 20.0 * re.hypot(im).max(1e-30).log10();
            let from = 16 * window.lobe_bins();
            let side = wide[from..].iter().map(|b| db(*b)).fold(f64::MIN, f64::max) - db(wide[0]);
            println!("{window:?}: noise {noise:.4} bins, side lobes {side:.1} dB, scalloping {rise:.4} dB");
            assert!((noise - bandwidth).abs() < 1e-3 && (rise - scalloping).abs() < 1e-3);
            let most = match window {
                Window::Hann => -31.4,
                Window::BlackmanHarris => -91.9,
                Window::Kaiser => -154.0,
                Window::FlatTop => -94.0,
            };
            assert!(side < most, "{window:?}: {side}");
            assert!(lobe.slope.is_sorted(), "{window:?}: {:?}", lobe.slope);
        }
    }
}
