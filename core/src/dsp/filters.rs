// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filter designs in user units, closed form and pure: the same numbers give the same bits anywhere.
//!
//! | shape | stated design |
//! |---|---|
//! | bell | poles by impulse invariance, zeros matched: gain at DC, gain and peak at the centre (Vicanek 2016); a cut is the exact inverse of the boost |
//! | high-pass, low-pass | Butterworth; poles by impulse invariance, gain matched at the passband's end and the corner (Vicanek 2016) |
//! | shelves, tilt, notch, band-pass, all-pass | bilinear, pre-warped at the frequency |
//!
//! Vicanek's equations are written here in the s plane of [`Section`], where `X = (tan(ω/2)/g)²` and
//! `|D|² = (1 − X)² + k²X`; low frequencies then lose no digits to cancellation. Where a matched
//! numerator does not exist the bilinear one takes its place.

use super::svf::Section;
pub use super::svf::{Chain, MAX_SECTIONS};
use std::f64::consts::PI;

/// Highest frequency a design realises, as a share of the sample rate.
pub const TOP: f64 = 0.49;

/// `freq` as far as the rate realises it. All in Hz.
pub fn realised(freq: f64, sample_rate: f64) -> f64 {
    freq.min(TOP * sample_rate)
}

/// ω in radians per frame, of a realisable frequency.
fn omega(freq: f64, sample_rate: f64) -> f64 {
    2.0 * PI * realised(freq, sample_rate) / sample_rate
}

/// tan(ω/2): the pre-warped frequency.
fn warp(freq: f64, sample_rate: f64) -> f64 {
    libm::tan(0.5 * omega(freq, sample_rate))
}

/// Amplitude of half the level, the `A` of the shelves and bells: gain = A².
fn root_gain(gain_db: f64) -> f64 {
    libm::exp(gain_db * (std::f64::consts::LN_10 / 40.0))
}

/// `g` and `k` of the poles of the analog `s² + k s + 1` at `w`, mapped by `z = e^s`.
fn mapped_poles(w: f64, k: f64) -> (f64, f64) {
    let q = 0.5 * k;
    // Each is worked out without differences of nearly equal numbers:
    // sum = 1 + a1 + a2, diff = 1 − a1 + a2, rest = 1 − a2.
    let (sum, diff, rest) = if q < 1.0 {
        let (e, y) = (libm::exp(-q * w), 0.5 * w * (1.0 - q * q).sqrt());
        let (fall, sin, cos) = (libm::expm1(-q * w), libm::sin(y), libm::cos(y));
        let fall2 = fall * fall;
        (fall2 + 4.0 * e * sin * sin, fall2 + 4.0 * e * cos * cos, -libm::expm1(-2.0 * q * w))
    } else {
        let fast = q + (q * q - 1.0).sqrt();
        let (m1, m2) = (libm::expm1(-fast * w), libm::expm1(-w / fast));
        (m1 * m2, (2.0 + m1) * (2.0 + m2), -libm::expm1(-2.0 * q * w))
    };
    let g = (sum / diff).sqrt();
    (g, 2.0 * rest / (diff * g))
}

/// A bell: `gain_db` at `freq`, 0 dB far away; bandwidth as of the analog `(s² + sA/Q + 1)/(s² + s/(AQ) + 1)`.
pub fn bell(freq: f64, gain_db: f64, q: f64, sample_rate: f64) -> Chain {
    let boost = bell_boost(freq, gain_db.abs(), q, sample_rate);
    Chain::one(if gain_db < 0.0 { boost.inverse() } else { boost })
}

fn bell_boost(freq: f64, gain_db: f64, q: f64, sample_rate: f64) -> Section {
    let a = root_gain(gain_db);
    let (gain2, t) = (a * a * a * a, warp(freq, sample_rate));
    let (g, k) = mapped_poles(omega(freq, sample_rate), 1.0 / (a * q));
    let x = (t / g) * (t / g);
    // |N|² = 1 + n2 X + n1 X²: at X = x its value and slope are gain² times those of |D|².
    let n1 = (gain2 * (x - 1.0) * (x + 1.0) + 1.0) / (x * x);
    let hp = n1.max(0.0).sqrt();
    let bp2 = gain2 * k * k + 2.0 * (gain2 * (1.0 - x) - 1.0) / x + 2.0 * hp;
    if n1 > 0.0 && bp2 > 0.0 {
        Section { g, k, hp, bp: bp2.sqrt(), lp: 1.0 }
    } else {
        Section { g: t, k: 1.0 / (a * q), hp: 1.0, bp: a / q, lp: 1.0 }
    }
}

/// A high shelf: half of `gain_db` at `freq`, all of it above.
pub fn high_shelf(freq: f64, gain_db: f64, q: f64, sample_rate: f64) -> Chain {
    let (a, t) = (root_gain(gain_db.abs()), warp(freq, sample_rate));
    let boost = Section { g: t * a.sqrt(), k: 1.0 / q, hp: a * a, bp: a / q, lp: 1.0 };
    Chain::one(if gain_db < 0.0 { boost.inverse() } else { boost })
}

/// A low shelf: half of `gain_db` at `freq`, all of it below.
pub fn low_shelf(freq: f64, gain_db: f64, q: f64, sample_rate: f64) -> Chain {
    let (a, t) = (root_gain(gain_db.abs()), warp(freq, sample_rate));
    let boost = Section { g: t / a.sqrt(), k: 1.0 / q, hp: 1.0, bp: a / q, lp: a * a };
    Chain::one(if gain_db < 0.0 { boost.inverse() } else { boost })
}

/// A first-order tilt about `freq`: −`gain_db`/2 far below, +`gain_db`/2 far above.
pub fn tilt(freq: f64, gain_db: f64, sample_rate: f64) -> Chain {
    let a = root_gain(gain_db);
    Chain::one(Section::first_order(warp(freq, sample_rate) * a, a, 1.0 / a))
}

/// Zero at `freq`, −3 dB bandwidth `freq`/`q`.
pub fn notch(freq: f64, q: f64, sample_rate: f64) -> Chain {
    Chain::one(Section { g: warp(freq, sample_rate), k: 1.0 / q, hp: 1.0, bp: 0.0, lp: 1.0 })
}

/// Unity at `freq`, −3 dB bandwidth `freq`/`q`.
pub fn bandpass(freq: f64, q: f64, sample_rate: f64) -> Chain {
    Chain::one(Section { g: warp(freq, sample_rate), k: 1.0 / q, hp: 0.0, bp: 1.0 / q, lp: 0.0 })
}

/// Unity everywhere, 180° at `freq`.
pub fn allpass(freq: f64, q: f64, sample_rate: f64) -> Chain {
    Chain::one(Section { g: warp(freq, sample_rate), k: 1.0 / q, hp: 1.0, bp: -1.0 / q, lp: 1.0 })
}

/// The Q of each second-order section of a Butterworth filter.
fn butterworth(order: usize) -> impl Iterator<Item = f64> {
    (1..=order / 2).map(move |k| 0.5 / libm::sin((2 * k - 1) as f64 * PI / (2 * order) as f64))
}

/// A Butterworth high-pass of order 1 to 8, −3.01 dB at `freq`.
pub fn highpass(freq: f64, order: usize, sample_rate: f64) -> Chain {
    let (w, t) = (omega(freq, sample_rate), warp(freq, sample_rate));
    let mut chain = Chain::EMPTY;
    for q in butterworth(order) {
        let (g, k) = mapped_poles(w, 1.0 / q);
        let x = (t / g) * (t / g);
        let d = (1.0 - x) * (1.0 - x) + k * k * x;
        chain.add(Section { g, k, hp: q * d.sqrt() / x, bp: 0.0, lp: 0.0 });
    }
    if order % 2 == 1 {
        let g = libm::tanh(0.5 * w);
        let x = (t / g) * (t / g);
        chain.add(Section::first_order(g, ((1.0 + x) / (2.0 * x)).sqrt(), 0.0));
    }
    chain
}

/// A Butterworth low-pass of order 1 to 8, −3.01 dB at `freq`.
pub fn lowpass(freq: f64, order: usize, sample_rate: f64) -> Chain {
    let (w, t) = (omega(freq, sample_rate), warp(freq, sample_rate));
    let mut chain = Chain::EMPTY;
    for q in butterworth(order) {
        chain.add(lowpass_section(w, t, q));
    }
    if order % 2 == 1 {
        // (1 + h²X)/(1 + X) = ½ at the corner; tan ≥ tanh, so h² ≥ 0.
        let g = libm::tanh(0.5 * w);
        let x = (t / g) * (t / g);
        chain.add(Section::first_order(g, ((x - 1.0).max(0.0) / (2.0 * x)).sqrt(), 1.0));
    }
    chain
}

/// |N|² = (1 + g²X)(1 + rX): a numerator without b2, which is `Q²|D|²` at the corner.
fn lowpass_section(w: f64, t: f64, q: f64) -> Section {
    let (g, k) = mapped_poles(w, 1.0 / q);
    let x = (t / g) * (t / g);
    let d = (1.0 - x) * (1.0 - x) + k * k * x;
    let r = (q * q * d / (1.0 + t * t) - 1.0) / x;
    if r < 0.0 {
        return Section { g: t, k: 1.0 / q, hp: 0.0, bp: 0.0, lp: 1.0 };
    }
    let root = r.sqrt();
    Section { g, k, hp: g * root, bp: g + root, lp: 1.0 }
}
