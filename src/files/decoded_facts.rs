// SPDX-License-Identifier: MIT OR Apache-2.0
//! symphonia's words in ours: lengths, encodings, speakers and errors.
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_MP3};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::Track;

use super::spec::{MAX_CHANNELS, MAX_SAMPLE_RATE};
use super::{AudioSpec, Encoding, FileError};

/// The stated length, unless it is an estimate (MP3 without a LAME header, raw AAC) or counts the
/// padding of the last packet (ALAC in CAF).
pub(super) fn exact_frames(track: &Track, params: &AudioCodecParameters, container: &str) -> Option<u64> {
    let inexact = match params.codec {
        CODEC_ID_MP3 => track.delay.is_none(),
        CODEC_ID_AAC => !matches!(container, "isomp4" | "caf"),
        CODEC_ID_ALAC => container == "caf",
        _ => false,
    };
    // Ogg states its last position, which is no length where a stream was cut out of a longer one. Its first
    // time stamp is before what its decoder cuts off.
    let begins = track.start_ts.get().saturating_add(i64::from(track.delay.unwrap_or(0)));
    let cut = container == "ogg" && begins > 0;
    track.num_frames.filter(|_| !inexact && !cut)
}

pub(super) fn encoding(params: &AudioCodecParameters, decoder: &dyn AudioDecoder) -> Encoding {
    // The bit depth of ALAC is the sixth byte of its configuration, which CAF wraps in 24 more.
    let bits_at = |at| params.extra_data.as_ref().and_then(|data| data.get(at)).copied();
    let alac_bits = [5, 29].into_iter().filter_map(bits_at).find(|b| matches!(b, 16 | 20 | 24 | 32));
    let bits = params.bits_per_sample.unwrap_or(0) as u16;
    match decoder.codec_info().short_name {
        name if name.starts_with("pcm_f64") => Encoding::Float { bits: 64 },
        name if name.starts_with("pcm_f32") => Encoding::Float { bits: 32 },
        "alac" => Encoding::Int { bits: alac_bits.map_or(bits, u16::from) },
        name if name.starts_with("pcm") || name == "flac" => Encoding::Int { bits },
        codec => Encoding::Lossy { codec },
    }
}

/// The 18 positions of WAVE_FORMAT_EXTENSIBLE are the low bits of symphonia's. A single channel that
/// some of its readers call "front left" is plain mono.
pub(super) fn channel_mask(channels: &Channels) -> Option<u32> {
    match channels {
        Channels::Positioned(p) if p.bits() == 1 => Some(0x4),
        Channels::Positioned(p) if p.bits() < 1 << 18 => u32::try_from(p.bits()).ok(),
        _ => None,
    }
}

pub(super) fn changed(path: &Path, how: &str) -> FileError {
    FileError::unsupported(path, format!("rate or channels change in the middle ({how})"))
}

pub(super) fn open_error(path: &Path, error: SymphoniaError) -> FileError {
    match error {
        SymphoniaError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            FileError::bad(path, "it ends inside its header, or is not of a known format")
        }
        other => read_error(path, other),
    }
}

pub(super) fn read_error(path: &Path, error: SymphoniaError) -> FileError {
    match error {
        // symphonia's own parsers use these two kinds for data that makes no sense.
        SymphoniaError::IoError(e)
            if !matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::Other) =>
        {
            FileError::io(path, "read", e)
        }
        SymphoniaError::Unsupported(what) if what.contains("missing moov") => {
            FileError::bad(path, "it has no index (moov), as if its recording was never finished")
        }
        // "core (probe): no suitable …": only the last part means anything to a user.
        SymphoniaError::Unsupported(what) if what.contains("no suitable format reader") => {
            FileError::unsupported(path, "it is not an audio file of a known format")
        }
        SymphoniaError::Unsupported(what) => {
            FileError::unsupported(path, what.rsplit(": ").next().unwrap_or(what))
        }
        SymphoniaError::ResetRequired => changed(path, "a second stream begins"),
        other => FileError::bad(path, other.to_string()),
    }
}

pub(super) fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T, FileError>) -> Result<T, FileError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(FileError::bad(path, "its decoder gave up on it")))
}

/// Refuses what no decoder should have let through.
pub(super) fn check(path: &Path, spec: &AudioSpec) -> Result<(), FileError> {
    let AudioSpec { channels, sample_rate, .. } = *spec;
    if !(1..=MAX_CHANNELS).contains(&channels) {
        let what = format!("it states {channels} channels, 1 to {MAX_CHANNELS} are possible");
        return Err(FileError::bad(path, what));
    }
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        let what = format!("it states {sample_rate} Hz, 1 to {MAX_SAMPLE_RATE} are possible");
        return Err(FileError::bad(path, what));
    }
    Ok(())
}
