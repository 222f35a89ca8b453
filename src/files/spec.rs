// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an audio file is: rate, channels and encoding of an input, bit depth of an output.
use std::fmt;
use std::str::FromStr;

use super::FileError;

/// More channels than this in a header are taken for damage. The widest mask names 18 speakers.
pub const MAX_CHANNELS: usize = 64;
/// Twice the fastest PCM rate in use (768 kHz); beyond it a header is taken for damage. Hz.
pub(super) const MAX_SAMPLE_RATE: u32 = 1_536_000;

/// What an open file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSpec {
    /// Hz.
    pub sample_rate: u32,
    pub channels: usize,
    /// Speaker positions, as in WAVE_FORMAT_EXTENSIBLE; `None` when the file does not say, or says
    /// something that does not fit its channel count.
    pub channel_mask: Option<u32>,
    /// Length in frames when the file states it exactly, encoder delay and padding not counted.
    pub frames: Option<u64>,
    pub encoding: Encoding,
}

/// How the samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Linear or losslessly packed integers of this many valid bits.
    Int { bits: u16 },
    /// IEEE floating point of this many bits.
    Float { bits: u16 },
    /// A lossy codec, by its short name.
    Lossy { codec: &'static str },
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Encoding::Int { bits } => write!(f, "{bits}-bit integer"),
            Encoding::Float { bits } => write!(f, "{bits}-bit float"),
            Encoding::Lossy { codec } => write!(f, "{codec} (lossy)"),
        }
    }
}

/// The part of an output's specification that is not its bit depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteSpec {
    /// Hz.
    pub sample_rate: u32,
    pub channels: usize,
    /// `None`: front centre for one channel, front left and right for two, unassigned above.
    pub channel_mask: Option<u32>,
}

impl From<&AudioSpec> for WriteSpec {
    fn from(spec: &AudioSpec) -> Self {
        WriteSpec { sample_rate: spec.sample_rate, channels: spec.channels, channel_mask: spec.channel_mask }
    }
}

/// Sample format of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitDepth {
    I16,
    I20,
    I24,
    F32,
    F64,
}

impl BitDepth {
    /// False for what ends in integers (of so many bits) that a file of this depth holds as they are: dither comes
    /// once.
    pub fn is_to_dither(self, made: Option<u32>) -> bool {
        made.is_none_or(|made| self.integer_bits().is_none_or(|bits| made > bits))
    }

    /// Valid bits when the format is an integer; `None` for floats.
    pub fn integer_bits(self) -> Option<u32> {
        match self {
            BitDepth::I16 => Some(16),
            BitDepth::I20 => Some(20),
            BitDepth::I24 => Some(24),
            BitDepth::F32 | BitDepth::F64 => None,
        }
    }

    /// Bytes that one sample takes in a WAV file; 20 bits travel in a 24-bit container.
    pub(super) fn container_bytes(self) -> usize {
        match self {
            BitDepth::I16 => 2,
            BitDepth::I20 | BitDepth::I24 => 3,
            BitDepth::F32 => 4,
            BitDepth::F64 => 8,
        }
    }
}

impl FromStr for BitDepth {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Self, FileError> {
        match text {
            "16" => Ok(BitDepth::I16),
            "20" => Ok(BitDepth::I20),
            "24" => Ok(BitDepth::I24),
            "32f" => Ok(BitDepth::F32),
            "64f" => Ok(BitDepth::F64),
            _ => Err(FileError::BitDepth { given: text.into() }),
        }
    }
}

impl fmt::Display for BitDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BitDepth::I16 => "16",
            BitDepth::I20 => "20",
            BitDepth::I24 => "24",
            BitDepth::F32 => "32f",
            BitDepth::F64 => "64f",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_depths_parse_and_print_the_same() {
        for text in ["16", "20", "24", "32f", "64f"] {
            assert_eq!(text.parse::<BitDepth>().unwrap().to_string(), text);
        }
        let error = "32".parse::<BitDepth>().unwrap_err().to_string();
        assert!(error.contains("'32'") && error.contains("16, 20, 24, 32f, 64f"), "{error}");
    }
}
