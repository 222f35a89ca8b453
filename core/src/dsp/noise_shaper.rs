// SPDX-License-Identifier: MIT OR Apache-2.0
//! Noise shapers: filters that move the noise of a quantiser to where the ear is deaf. Control side.
//!
//! The error of earlier samples is subtracted from the next, so the noise gets the spectrum of
//! `1 − Σ c_i z⁻ⁱ`. Whatever the c are, the mean of that spectrum in dB is at best 0 (Gerzon and Craven,
//! "Optimal noise shaping and dither of digital signals", AES 87, 1989). The c that make the weighted
//! noise least are those of linear prediction from the autocorrelation whose spectrum is the weight,
//! which Levinson's recursion solves.
//!
//! The weight is the inverse of the threshold of hearing (Terhardt 1979), `3.64 k^−0.8 −
//! 6.5 e^(−0.6 (k − 3.3)²) + 10⁻³ k⁴` dB at k kHz, taken as no more than a cap above its minimum: a higher
//! cap digs deeper where the ear is keen and piles up more where it is not.
//!
//! | shaper | order | cap | total noise over flat | weighted noise | highest gain |
//! |---|---|---|---|---|---|
//! | light, 44.1 kHz | 9 | 25 dB | +5.5 dB | −7.8 dB | +9.2 dB |
//! | strong, 44.1 kHz | 9 | 40 dB | +13.1 dB | −13.9 dB | +18.3 dB |
//! | light, 48 kHz | 9 | 25 dB | +5.2 dB | −8.1 dB | +8.7 dB |
//! | strong, 48 kHz | 9 | 40 dB | +12.3 dB | −14.9 dB | +17.0 dB |
//! | light, 88.2 and 96 kHz | 13 | 25 dB | +3.0 and +2.8 dB | −9.1 dB | +4.8 and +4.5 dB |
//! | strong, 88.2 and 96 kHz | 13 | 40 dB | +7.1 and +6.7 dB | −19.5 and −19.8 dB | +10.0 and +9.7 dB |
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs filters")]

use super::fft::{Complex, RealFft};

/// Highest order.
pub const MOST_TAPS: usize = 13;

/// Rates there are shapers for, in Hz, with their order.
const RATES: [(u32, usize); 4] = [(44_100, 9), (48_000, 9), (88_200, 13), (96_000, 13)];

/// Points of the transform that gives the autocorrelation; more change no coefficient by 1e-5.
const POINTS: usize = 1 << 16;

/// Below this the threshold is taken as flat: its formula has a pole at 0 Hz.
const LOWEST_HZ: f64 = 20.0;

/// How much is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    Light,
    Strong,
}

impl Strength {
    /// How far above its minimum the threshold counts, dB.
    fn cap(self) -> f64 {
        match self {
            Strength::Light => 25.0,
            Strength::Strong => 40.0,
        }
    }
}

/// The filter: plain data. Order 0 leaves the noise flat.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shaper {
    /// Shares of the errors of 1, 2, … samples ago.
    pub taps: [f64; MOST_TAPS],
    pub order: usize,
}

impl Shaper {
    pub const FLAT: Shaper = Shaper { taps: [0.0; MOST_TAPS], order: 0 };

    /// `None` at rates that have none: the threshold of hearing is of no use where the band ends within
    /// it, and at 176.4 kHz and above there is next to nothing to gain.
    pub fn design(strength: Strength, sample_rate: u32) -> Option<Shaper> {
        let (rate, order) = RATES.into_iter().find(|(rate, _)| *rate == sample_rate)?;
        let fft = RealFft::new(POINTS);
        let hz = |k: usize| k as f64 * f64::from(rate) / POINTS as f64;
        let threshold: Vec<f64> = (0..=POINTS / 2).map(|k| threshold(hz(k))).collect();
        let lowest = threshold.iter().fold(f64::MAX, |m, t| m.min(*t));
        let weight = |t: &f64| (libm::exp10(-0.1 * t.min(lowest + strength.cap())), 0.0);
        let weights: Vec<Complex> = threshold.iter().map(weight).collect();
        Some(levinson(&fft.signal(&weights), order))
    }

    /// Power gain of the noise at `freq` Hz.
    pub fn power(&self, freq: f64, sample_rate: f64) -> f64 {
        let (mut re, mut im) = (1.0, 0.0);
        for (n, c) in self.taps[..self.order].iter().enumerate() {
            let w = 2.0 * std::f64::consts::PI * freq / sample_rate * (n + 1) as f64;
            re -= c * libm::cos(w);
            im += c * libm::sin(w);
        }
        re * re + im * im
    }

    /// Power gain of the whole noise.
    pub fn total(&self) -> f64 {
        1.0 + self.taps.iter().map(|c| c * c).sum::<f64>()
    }
}

/// The threshold of hearing at `hz`, dB SPL.
fn threshold(hz: f64) -> f64 {
    let k = hz.max(LOWEST_HZ) / 1000.0;
    let dip = k - 3.3;
    3.64 * libm::pow(k, -0.8) - 6.5 * libm::exp(-0.6 * dip * dip) + 1e-3 * k * k * k * k
}

/// The predictor of `order` for this autocorrelation.
fn levinson(r: &[f64], order: usize) -> Shaper {
    let mut taps = [0.0; MOST_TAPS];
    let mut error = r[0];
    for n in 0..order {
        let predicted: f64 = (0..n).map(|i| taps[i] * r[n - i]).sum();
        let k = (r[n + 1] - predicted) / error;
        let before = taps;
        for i in 0..n {
            taps[i] = before[i] - k * before[n - 1 - i];
        }
        taps[n] = k;
        error *= 1.0 - k * k;
    }
    Shaper { taps, order }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out apart in another language, rounded to five digits.
    #[test]
    fn the_designs_are_the_known_ones() {
        let known: [(Strength, u32, &[f64]); 3] = [
            (
                Strength::Light,
                44_100,
                &[1.36754, -0.69496, -0.24017, 0.29702, 0.00332, -0.23761, -0.00987, 0.11043, -0.09785],
            ),
            (
                Strength::Light,
                48_000,
                &[1.33727, -0.52191, -0.34925, 0.20997, 0.13068, -0.17704, -0.11029, 0.10364, -0.05652],
            ),
            (
                Strength::Strong,
                96_000,
                &[
                    1.6848, -0.20764, -0.63307, -0.28855, 0.15469, 0.31371, 0.16186, -0.09079, -0.20874,
                    -0.10722, 0.09584, 0.16254, -0.1113,
                ],
            ),
        ];
        for (strength, rate, taps) in known {
            let s = Shaper::design(strength, rate).unwrap();
            let worst = taps.iter().zip(&s.taps).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{strength:?} at {rate} Hz: {worst:.1e} off");
            assert!(s.order == taps.len() && worst < 1.5e-5, "{strength:?} at {rate} Hz: {:?}", s.taps);
        }
    }

    /// Noise as the capped threshold weighs it, over that of flat noise, dB.
    fn weighted(s: &Shaper, strength: Strength, rate: f64) -> f64 {
        let hz = |k: i32| f64::from(k) / 16_384.0 * rate;
        let lowest = (0..=8192).map(|k| threshold(hz(k))).fold(f64::MAX, f64::min);
        let weight = |k: i32| 10f64.powf(-0.1 * threshold(hz(k)).min(lowest + strength.cap()));
        let heard: f64 = (0..=8192).map(|k| weight(k) * s.power(hz(k), rate)).sum();
        10.0 * (heard / (0..=8192).map(weight).sum::<f64>()).log10()
    }

    /// The mean of the spectrum in dB is 0 if and only if all zeros lie within the unit circle: the design
    /// is the best there is for its weight, and stable.
    #[test]
    fn the_mean_in_db_is_nought_and_the_total_as_stated() {
        let stated =
            [(44_100, 5.54, 13.12), (48_000, 5.19, 12.30), (88_200, 3.01, 7.12), (96_000, 2.78, 6.65)];
        for (rate, light, strong) in stated {
            for (strength, total) in [(Strength::Light, light), (Strength::Strong, strong)] {
                let s = Shaper::design(strength, rate).unwrap();
                let n = 4096;
                let db = |k: usize| 10.0 * s.power((k as f64 + 0.5) / n as f64, 2.0).log10();
                let mean = (0..n).map(db).sum::<f64>() / n as f64;
                let got = 10.0 * s.total().log10();
                let weighted = weighted(&s, strength, f64::from(rate));
                println!(
                    "{strength:?} at {rate} Hz: mean {mean:.4} dB, total {got:.2}, weighted {weighted:.2} dB"
                );
                assert!(
                    mean.abs() < 1e-3 && (got - total).abs() < 0.01,
                    "{strength:?} at {rate} Hz: {mean}, {got}"
                );
            }
        }
        assert_eq!(Shaper::design(Strength::Strong, 192_000), None);
        assert_eq!(Shaper::FLAT.total(), 1.0);
    }
}
