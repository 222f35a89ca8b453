// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logarithms and exponentials for the audio thread: branch-free, so loops over them vectorise, and
//! made of additions, multiplications and divisions alone, so every processor gives the same bits.

pub mod quantum;

/// 20·log10(2): one octave of amplitude in dB.
const DB_PER_OCTAVE: f64 = 6.020_599_913_279_624;

/// Amplitudes below this (−240 dBFS) are taken as this by [`gain_to_db`].
pub const TINY: f64 = 1e-12;

/// Base-2 logarithm of a positive, normal number; absolute error below 4e-15 · max(1, |result|).
///
/// The mantissa is brought into [√½, √2), where `2/ln 2 · artanh((m−1)/(m+1))` converges fast.
#[inline(always)]
pub fn log2(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    let offset = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (offset as i64) >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((exponent << 52) as u64));
    let t = (m - 1.0) / (m + 1.0);
    let s = t * t;
    // 2/ln2 / (2k+1)
    const C: f64 = 2.885_390_081_777_926_8;
    // Even and odd powers apart: two chains that do not wait for each other.
    let s2 = s * s;
    let even = C / 9.0 + s2 * (C / 13.0 + s2 * (C / 17.0));
    let even = C + s2 * (C / 5.0 + s2 * even);
    let odd = C / 7.0 + s2 * (C / 11.0 + s2 * (C / 15.0));
    let odd = C / 3.0 + s2 * odd;
    let p = even + s * odd;
    exponent as i32 as f64 + t * p
}

/// 2 to the power of `x`, |x| ≤ 1000; relative error below 4e-16 · 4; exact at whole numbers.
#[inline(always)]
pub fn exp2(x: f64) -> f64 {
    // Adding 1.5·2^52 rounds to the nearest whole number and leaves it in the low bits.
    const SHIFT: f64 = 6_755_399_441_055_744.0;
    let x = x.clamp(-1000.0, 1000.0);
    let shifted = x + SHIFT;
    let whole = shifted - SHIFT;
    let scale = f64::from_bits(((shifted.to_bits() as i64).wrapping_add(1023) << 52) as u64);
    let f = (x - whole) * std::f64::consts::LN_2;
    // Even and odd powers apart: two chains that do not wait for each other.
    let f2 = f * f;
    let even = 1.0 / 3_628_800.0 + f2 * (1.0 / 479_001_600.0);
    let even = 1.0 / 720.0 + f2 * (1.0 / 40_320.0 + f2 * even);
    let even = 1.0 + f2 * (0.5 + f2 * (1.0 / 24.0 + f2 * even));
    let odd = 1.0 / 39_916_800.0 + f2 * (1.0 / 6_227_020_800.0);
    let odd = 1.0 / 5_040.0 + f2 * (1.0 / 362_880.0 + f2 * odd);
    let odd = 1.0 + f2 * (1.0 / 6.0 + f2 * (1.0 / 120.0 + f2 * odd));
    (even + f * odd) * scale
}

/// Amplitude of a level in dB; exactly 1 at 0 dB.
#[inline(always)]
pub fn db_to_gain(db: f64) -> f64 {
    exp2(db * (1.0 / DB_PER_OCTAVE))
}

/// Level in dB of an amplitude ≥ 0; no lower than −240 dB.
#[inline(always)]
pub fn gain_to_db(gain: f64) -> f64 {
    DB_PER_OCTAVE * log2(if gain > TINY { gain } else { TINY })
}

/// The coefficient of a one-pole whose step response reaches 63 % after `seconds`; 0 for none.
pub fn one_pole(seconds: f64, sample_rate: f64) -> f64 {
    if seconds <= 0.0 { 0.0 } else { libm::exp(-1.0 / (seconds * sample_rate)) }
}

/// A Kaiser window of shape `beta` at `at` of its half length: 1 at 0, the least at ±1, 0 beyond.
pub fn kaiser(at: f64, beta: f64) -> f64 {
    if at.abs() > 1.0 { 0.0 } else { bessel_i0(beta * (1.0 - at * at).sqrt()) / bessel_i0(beta) }
}

/// Modified Bessel function of order 0, by its series; up to 30.
pub fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, q) = (1.0, 1.0, 0.25 * x * x);
    for k in 1..60 {
        term *= q / f64::from(k * k);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_agree_with_libm() {
        let mut worst = (0.0f64, 0.0f64);
        let mut x = 1e-300;
        while x < 1e300 {
            let e = (log2(x) - libm::log2(x)).abs() / libm::log2(x).abs().max(1.0);
            worst.0 = worst.0.max(e);
            x *= 1.000_37 * 1.7;
        }
        for k in -200_000..200_000 {
            let x = f64::from(k) * 0.001_234_5;
            worst.1 = worst.1.max((exp2(x) / libm::exp2(x) - 1.0).abs());
        }
        println!("log2 error {:.1e}, exp2 error {:.1e}", worst.0, worst.1);
        assert!(worst.0 < 4e-15 && worst.1 < 2e-15, "{worst:?}");
        assert_eq!(db_to_gain(0.0), 1.0);
        assert_eq!(log2(1.0), 0.0);
        assert_eq!(gain_to_db(0.0), gain_to_db(1e-13));
    }
}
