// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audio files in and out, streaming: memory use does not grow with the length of the file.
//!
//! Samples cross this module as planar `f64`, full scale ±1.0; an integer of n bits is divided by
//! 2^(n−1) on the way in and multiplied by it on the way out.
//!
//! | file | what it holds |
//! |---|---|
//! | `spec` | what a file is: rate, channels, encoding, bit depth for output |
//! | `error` | `FileError`: which file, what is wrong, what to do |
//! | `reader` | `AudioReader`: looks at the first bytes and picks `wav` or `decoded` |
//! | `wav_header`, `wav` | WAV, RF64 and BW64 in |
//! | `decoded`, `decoded_facts`, `gapless` | every other format in, by way of symphonia |
//! | `vorbis` | which Vorbis streams symphonia gets right |
//! | `convert` | delivery rates, and the conversion to them |
//! | `quantise` | TPDF dither, rounding, clamping, counting |
//! | `writer` | `AudioWriter`: temporary file, rename at the end |
//! | `wav_writer`, `flac_writer` | WAV, RF64 and FLAC out |
//! | `recording` | `Recording`: an output that grows for hours and may end at any moment |
//! | `storage` | what a recording is written to: a file, or what a test has in its place |
//! | `replace` | a small file that is there whole or not at all |
//! | `bext` | the chunk that says what was recorded when, and how loud it is |
mod bext;
mod convert;
mod decoded;
mod decoded_facts;
mod error;
mod flac_writer;
mod gapless;
mod quantise;
mod reader;
mod recording;
mod replace;
mod spec;
mod storage;
mod vorbis;
mod wav;
mod wav_header;
mod wav_writer;
mod writer;

#[cfg(test)]
mod hostile;

use std::path::Path;

pub use bext::{Bext, BextLoudness};
pub use convert::{Converter, DELIVERY_RATES, delivery_rate};
pub use error::FileError;
pub use quantise::DEFAULT_SEED;
pub use reader::{AudioReader, Warnings};
pub use recording::{Container, Recorded, Recording, repair_wav};
pub use replace::replace;
pub use spec::{AudioSpec, BitDepth, Encoding, MAX_CHANNELS, WriteSpec};
pub use storage::Storage;
pub use writer::{AudioWriter, Complete, OUTPUT_EXTENSIONS, WriteOptions, WriteReport};

/// Opens an audio file; the same as [`AudioReader::open`].
pub fn open(path: impl AsRef<Path>) -> Result<AudioReader, FileError> {
    AudioReader::open(path)
}

/// Starts an output file; the same as [`AudioWriter::create`].
pub fn create(
    path: impl AsRef<Path>,
    spec: WriteSpec,
    depth: BitDepth,
    options: WriteOptions,
) -> Result<AudioWriter, FileError> {
    AudioWriter::create(path, spec, depth, options)
}
