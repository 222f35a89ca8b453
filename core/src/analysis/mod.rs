// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instruments: samples in, readings out. They run off the audio thread and may allocate and wait.
//!
//! Samples are planar quanta of 64 frames, as taps deliver them; full scale is ±1.0. An instrument that
//! missed audio is told so by `gap` and never lets a reading span it.
//!
//! | file | what it is |
//! |---|---|
//! | [`window`] | the sum over a sliding window, without drift |
//! | [`histogram`] | gated blocks of weeks in constant memory |
//! | [`loudness`] | momentary, short-term, integrated, loudness range |
//! | [`records`] | the maximum since any moment, so that every reader has its own |
//! | [`true_peak`] | true and sample peaks |
//! | [`levels`] | RMS, DC, correlation, balance |
//! | [`exact_peak`] | the true peak of finished audio, as exactly as it can be told |
//! | [`meter`] | all of these for one tap, and its readers |

pub mod exact_peak;
pub mod histogram;
pub mod levels;
pub mod loudness;
pub mod meter;
pub mod records;
pub mod true_peak;
pub mod window;

pub use loudness::{LoudnessMeter, LoudnessReadings};
pub use meter::{ChannelReadings, Reader, TapMeter, TapReadings};

#[cfg(test)]
mod tests;

/// Level in dB of an amplitude; −∞ for silence.
pub fn decibels(amplitude: f64) -> f64 {
    if amplitude > crate::dsp::math::TINY {
        crate::dsp::math::gain_to_db(amplitude)
    } else {
        f64::NEG_INFINITY
    }
}
