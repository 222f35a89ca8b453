// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filter designs in user units, pure: the same numbers give the same bits anywhere. Control side.
//!
//! Every shape but the all-pass has the magnitude of its analog prototype, within hundredths of a dB up to
//! 0.95 of half the sample rate (see [`super::analog`]); its frequency may lie above that. Cuts are exact
//! inverses of boosts. Phases are minimum phase.
//!
//! | shape | prototype |
//! |---|---|
//! | bell, shelves | second order; `Q` or slope |
//! | tilt, Baxandall shelves | first order |
//! | high-pass, low-pass | Butterworth of order 1 to 16; Linkwitz–Riley of order 2, 4, 8 and 16 |
//! | passive low | first-order boost at the frequency, second-order cut (Q 0.6) whose half lies at 8 times it |
//! | passive high | bell, and a first-order shelf cut at a frequency of its own |
//! | notch, band-pass | second order |
//! | all-pass | bilinear, pre-warped at the frequency, which is at most [`TOP`] of the sample rate |

use super::analog::{Matched, Prototype, closed, matched};

pub use super::analog::closed::TOP;
pub use super::svf::{Chain, MAX_SECTIONS};

/// `freq` as far as an all-pass of this rate realises it. All in Hz.
pub fn realised(freq: f64, sample_rate: f64) -> f64 {
    freq.min(TOP * sample_rate)
}

/// The boost, or for a cut what undoes it; nothing for 0 dB.
fn either(gain_db: f64, boost: impl Fn(f64) -> Matched) -> Matched {
    if gain_db == 0.0 {
        return Matched { chain: Chain::EMPTY, error_db: 0.0 };
    }
    let m = boost(gain_db.abs());
    if gain_db < 0.0 { Matched { chain: m.chain.inverse(), ..m } } else { m }
}

/// A bell: `gain_db` at `freq`, 0 dB far away; bandwidth as of the analog `(s² + sA/Q + 1)/(s² + s/(AQ) + 1)`.
pub fn bell(freq: f64, gain_db: f64, q: f64, rate: f64) -> Matched {
    either(gain_db, |g| matched(&Prototype::bell(freq, g, q), rate, closed::bell(freq, g, q, rate)))
}

/// A high shelf: half of `gain_db` at `freq`, all of it above.
pub fn high_shelf(freq: f64, gain_db: f64, q: f64, rate: f64) -> Matched {
    either(gain_db, |g| {
        matched(&Prototype::high_shelf(freq, g, q), rate, closed::high_shelf(freq, g, q, rate))
    })
}

/// A low shelf: half of `gain_db` at `freq`, all of it below.
pub fn low_shelf(freq: f64, gain_db: f64, q: f64, rate: f64) -> Matched {
    either(gain_db, |g| matched(&Prototype::low_shelf(freq, g, q), rate, closed::low_shelf(freq, g, q, rate)))
}

/// A first-order tilt about `freq`: −`gain_db`/2 far below, +`gain_db`/2 far above.
pub fn tilt(freq: f64, gain_db: f64, rate: f64) -> Matched {
    either(gain_db, |g| matched(&Prototype::tilt(freq, g), rate, None))
}

/// A first-order low shelf; a boost has lost about 3 dB at `freq`.
pub fn baxandall_low(freq: f64, gain_db: f64, rate: f64) -> Matched {
    either(gain_db, |g| matched(&Prototype::baxandall_low(freq, g), rate, None))
}

/// A first-order high shelf; a boost has lost about 3 dB at `freq`.
pub fn baxandall_high(freq: f64, gain_db: f64, rate: f64) -> Matched {
    either(gain_db, |g| matched(&Prototype::baxandall_high(freq, g), rate, None))
}

/// The half of a passive low cut lies so many times above the boost.
pub const PASSIVE_RATIO: f64 = 8.0;
/// Q of the passive low cut.
pub const PASSIVE_Q: f64 = 0.6;

/// A low boost and a low cut at once, both in dB ≥ 0: together they lift the lows and dip above them.
pub fn passive_low(freq: f64, boost_db: f64, cut_db: f64, rate: f64) -> Matched {
    let boost = baxandall_low(freq, boost_db, rate);
    boost.and(&low_shelf(PASSIVE_RATIO * freq, -cut_db, PASSIVE_Q, rate))
}

/// A bell boost and a high cut from `cut_freq` on at once, both in dB ≥ 0.
pub fn passive_high(freq: f64, boost_db: f64, q: f64, cut_freq: f64, cut_db: f64, rate: f64) -> Matched {
    bell(freq, boost_db, q, rate).and(&baxandall_high(cut_freq, -cut_db, rate))
}

/// Zero at `freq`, −3 dB bandwidth `freq`/`q`.
pub fn notch(freq: f64, q: f64, rate: f64) -> Matched {
    matched(&Prototype::notch(freq, q), rate, None)
}

/// Unity at `freq`, −3 dB bandwidth `freq`/`q`.
pub fn bandpass(freq: f64, q: f64, rate: f64) -> Matched {
    matched(&Prototype::bandpass(freq, q), rate, None)
}

/// Unity everywhere, 180° at `freq`.
pub fn allpass(freq: f64, q: f64, rate: f64) -> Matched {
    Matched { chain: Chain::one(closed::allpass(freq, q, rate)), error_db: 0.0 }
}

/// A Butterworth high-pass of order 1 to 16, −3.01 dB at `freq`.
pub fn highpass(freq: f64, order: usize, rate: f64) -> Matched {
    matched(&Prototype::highpass(freq, order), rate, None)
}

/// A Butterworth low-pass of order 1 to 16, −3.01 dB at `freq`.
pub fn lowpass(freq: f64, order: usize, rate: f64) -> Matched {
    matched(&Prototype::lowpass(freq, order), rate, None)
}

/// A Linkwitz–Riley high-pass of order 2, 4, 8 or 16, −6.02 dB at `freq`.
pub fn linkwitz_riley_highpass(freq: f64, order: usize, rate: f64) -> Matched {
    matched(&Prototype::linkwitz_riley(true, freq, order), rate, None)
}

/// A Linkwitz–Riley low-pass of order 2, 4, 8 or 16, −6.02 dB at `freq`.
pub fn linkwitz_riley_lowpass(freq: f64, order: usize, rate: f64) -> Matched {
    matched(&Prototype::linkwitz_riley(false, freq, order), rate, None)
}
