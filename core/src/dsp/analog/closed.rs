// SPDX-License-Identifier: MIT OR Apache-2.0
//! Closed forms of one section, good far below half the sample rate. Control side.
//!
//! Bells have poles by impulse invariance and zeros matched: gain at DC, gain and peak at the centre
//! (Vicanek 2016), written in the s plane of [`Section`], where `X = (tan(ω/2)/g)²` and
//! `|D|² = (1 − X)² + k²X`; low frequencies then lose no digits to cancellation. Shelves and all-passes are
//! bilinear, pre-warped at the frequency. All are boosts: `gain_db` ≥ 0.

use super::matched::mapped_poles;
use super::prototype::root_gain;
use crate::dsp::svf::Section;
use std::f64::consts::PI;

/// Highest frequency a closed form realises, as a share of the sample rate.
pub const TOP: f64 = 0.49;

/// ω in radians a frame, if the rate has room for it.
fn omega(hz: f64, rate: f64) -> Option<f64> {
    (hz < TOP * rate).then_some(2.0 * PI * hz / rate)
}

pub fn bell(hz: f64, gain_db: f64, q: f64, rate: f64) -> Option<Section> {
    let (a, w) = (root_gain(gain_db), omega(hz, rate)?);
    let (gain2, t) = (a * a * a * a, libm::tan(0.5 * w));
    let (g, k) = mapped_poles(w, 1.0 / (a * q));
    let x = (t / g) * (t / g);
    // |N|² = 1 + n2 X + n1 X²: at X = x its value and slope are gain² times those of |D|².
    let n1 = (gain2 * (x - 1.0) * (x + 1.0) + 1.0) / (x * x);
    let hp = n1.max(0.0).sqrt();
    let bp2 = gain2 * k * k + 2.0 * (gain2 * (1.0 - x) - 1.0) / x + 2.0 * hp;
    (n1 > 0.0 && bp2 > 0.0).then(|| Section { g, k, hp, bp: bp2.sqrt(), lp: 1.0 })
}

pub fn high_shelf(hz: f64, gain_db: f64, q: f64, rate: f64) -> Option<Section> {
    let (a, t) = (root_gain(gain_db), libm::tan(0.5 * omega(hz, rate)?));
    Some(Section { g: t * a.sqrt(), k: 1.0 / q, hp: a * a, bp: a / q, lp: 1.0 })
}

pub fn low_shelf(hz: f64, gain_db: f64, q: f64, rate: f64) -> Option<Section> {
    let (a, t) = (root_gain(gain_db), libm::tan(0.5 * omega(hz, rate)?));
    Some(Section { g: t / a.sqrt(), k: 1.0 / q, hp: 1.0, bp: a / q, lp: a * a })
}

/// At no more than [`TOP`].
pub fn allpass(hz: f64, q: f64, rate: f64) -> Section {
    let t = libm::tan(PI * (hz / rate).min(TOP));
    Section { g: t, k: 1.0 / q, hp: 1.0, bp: -1.0 / q, lp: 1.0 }
}
