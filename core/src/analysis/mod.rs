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
//! | [`loudness`], [`history`] | momentary, short-term, integrated, loudness range; those of the last seconds |
//! | [`records`] | the maximum since any moment, so that every reader has its own |
//! | [`true_peak`] | true and sample peaks; [`interpolation`] finds what lies between samples, [`annex2`] as the Recommendation prints it, [`top_peaks`] keeps the highest |
//! | [`exact_peak`] | the true peak of finished audio, as exactly as it can be told |
//! | [`bars`], [`clips`] | bars that fall and marks that hold; runs at full scale |
//! | [`levels`], [`rms`] | RMS, DC, correlation, balance; RMS over any window, AES17, K-System |
//! | [`vu`], [`ppm`] | the classic needles, behind a [`rectifier`] |
//! | [`dynamics`], [`dr`] | crest, PSR, PLR; the DR of the TT meter |
//! | [`word_length`], [`alarms`], [`polarity`], [`clock`] | health: bits in use, silence, stuck values, wiring, rate |
//! | [`instruments`], [`meter`] | those of one tap, and its readers |
//! | [`spectrum`], [`spectrum_multi`] | lines of one transform; an even grid of octaves from several |
//! | [`octaves`], [`octaves_meter`] | bands of octaves from transforms, and through filters of class 1 ([`octaves_filter`]) |
//! | [`long_term`], [`spectrogram`] | the gated mean of a programme with percentiles; rows of bytes |
//! | [`transfer`] | magnitude, phase and coherence between two signals |
//! | [`wiring`] | which channel of one signal each of another resembles |
//! | [`scope`], [`stereo_field`] | points of a pair; correlation, balance and what mono loses, by bands too |
//! | [`spectrum_settings`], [`spectrum_frames`], [`windows`] | what these are asked for, and what they begin with; [`spectrum_halver`] and [`spectrum_levels`] for the lower octaves |
//! | [`density`] | the goniometer of a whole programme |
//! | [`integrator`], [`programme`] | all integrated figures: of a track that is going on, of a file |

pub mod alarms;
pub mod annex2;
pub mod bars;
pub mod clips;
pub mod clock;
pub mod density;
pub mod dr;
pub mod dynamics;
pub mod exact_peak;
pub mod histogram;
pub mod history;
pub mod instruments;
pub mod integrator;
pub mod interpolation;
pub mod levels;
pub mod long_term;
pub mod loudness;
pub mod meter;
pub mod octaves;
pub mod octaves_filter;
pub mod octaves_meter;
pub mod polarity;
pub mod ppm;
pub mod programme;
pub mod records;
pub mod rectifier;
pub mod rms;
pub mod scope;
pub mod spectrogram;
pub mod spectrum;
pub mod spectrum_frames;
pub mod spectrum_halver;
pub mod spectrum_levels;
pub mod spectrum_multi;
pub mod spectrum_settings;
pub mod stereo_field;
pub mod top_peaks;
pub mod transfer;
pub mod true_peak;
pub mod vu;
pub mod window;
pub mod windows;
pub mod wiring;
pub mod word_length;

pub use instruments::{Instrument, Instruments, Running};
pub use integrator::{Figures, Integrator, IntegratorSettings};
pub use loudness::{LoudnessMeter, LoudnessReadings};
pub use meter::{ChannelReadings, Reader, TapMeter, TapReadings};
pub use programme::Programme;

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
