// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header of a WAV, RF64 or BW64 file, read without trusting a single field of it.
//!
//! Sources: Microsoft "Multiple Channel Audio Data and WAVE Files"; EBU Tech 3306 (RF64);
//! ITU-R BS.2088 (BW64).
use std::io::{self, Read, Seek, SeekFrom};

use super::spec::{MAX_CHANNELS, MAX_SAMPLE_RATE};

pub(super) const TAG_PCM: u16 = 1;
pub(super) const TAG_FLOAT: u16 = 3;
pub(super) const TAG_EXTENSIBLE: u16 = 0xfffe;
/// What follows the format tag in the subformat of WAVE_FORMAT_EXTENSIBLE.
pub(super) const SUBFORMAT_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
/// The same for B-format ambisonics.
const AMBISONIC_TAIL: [u8; 14] = [0, 0, 0x21, 7, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0];
/// A length that a writer without a seekable output leaves behind: the usual one, and sox's.
const UNKNOWN_SIZE: u32 = 0xffff_ffff;
const UNKNOWN_SIZE_SOX: u32 = 0x7fff_f000;
/// More chunks than this before the audio are taken for damage.
const MAX_CHUNKS: usize = 4096;

/// How a sample lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Container {
    pub fn bytes(self) -> usize {
        match self {
            Container::U8 => 1,
            Container::I16 => 2,
            Container::I24 => 3,
            Container::I32 | Container::F32 => 4,
            Container::F64 => 8,
        }
    }
}

/// The `fmt ` chunk, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub container: Container,
    pub valid_bits: u16,
    pub channels: usize,
    pub sample_rate: u32,
    pub channel_mask: Option<u32>,
}

/// Where the audio is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub format: Format,
    /// Bytes from the start of the file.
    pub data_start: u64,
    /// Whole frames that are there.
    pub frames: u64,
    /// Less than the header states, or a part of a frame at the end.
    pub truncated: bool,
}

pub(super) enum HeaderError {
    Io(io::Error),
    Bad(String),
    Unsupported(String),
}

impl From<io::Error> for HeaderError {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => bad("the file ends inside its header"),
            _ => HeaderError::Io(e),
        }
    }
}

fn bad(what: impl Into<String>) -> HeaderError {
    HeaderError::Bad(what.into())
}

/// Reads chunk by chunk up to the audio.
pub(super) fn parse<R: Read + Seek>(input: &mut R, file_len: u64) -> Result<Header, HeaderError> {
    let head: [u8; 12] = read_array(input)?;
    if &head[..4] == b"RIFX" {
        return Err(HeaderError::Unsupported("it is a big-endian WAV (RIFX)".into()));
    }
    let is_64 = matches!(&head[..4], b"RF64" | b"BW64");
    let riff_size = u32_at(&head, 4);
    let (mut format, mut ds64_data) = (None, None);
    for _ in 0..MAX_CHUNKS {
        let at = input.stream_position()?;
        if at >= file_len {
            return Err(bad("there is no 'data' chunk"));
        }
        let chunk: [u8; 8] = read_array(input)?;
        let size = u32_at(&chunk, 4);
        let start = at + 8;
        match &chunk[..4] {
            b"fmt " => format = Some(parse_format(&read_some(input, size.min(40))?)?),
            b"ds64" if is_64 => {
                let body = read_some(input, size.min(24))?;
                ds64_data = body.get(8..16).map(|b| u64_at(b, 0));
            }
            b"data" => {
                let format = format.ok_or_else(|| bad("there is no 'fmt ' chunk before the audio"))?;
                let stated = stated_size(size, ds64_data.filter(|_| is_64), riff_size, start);
                return Ok(locate(format, start, stated, file_len));
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        let next = start + u64::from(size) + u64::from(size & 1);
        input.seek(SeekFrom::Start(next))?;
    }
    Err(bad(format!("there are more than {MAX_CHUNKS} chunks before the audio")))
}

/// Bytes of audio by the header's own account; `None` when its writer could not know.
fn stated_size(size: u32, ds64: Option<u64>, riff_size: u32, data_start: u64) -> Option<u64> {
    match (size, ds64) {
        (UNKNOWN_SIZE, Some(size)) => Some(size),
        (UNKNOWN_SIZE | UNKNOWN_SIZE_SOX, _) => None,
        // No audio at all, or a header that was never completed: then the outer size is no better.
        (0, _) if riff_size == UNKNOWN_SIZE || u64::from(riff_size) + 8 <= data_start => None,
        (size, _) => Some(u64::from(size)),
    }
}

fn locate(format: Format, data_start: u64, stated: Option<u64>, file_len: u64) -> Header {
    let frame_bytes = (format.container.bytes() * format.channels) as u64;
    let there = file_len.saturating_sub(data_start);
    let bytes = stated.unwrap_or(there).min(there);
    Header {
        format,
        data_start,
        frames: bytes / frame_bytes,
        truncated: stated.is_some_and(|stated| stated > there) || !bytes.is_multiple_of(frame_bytes),
    }
}

fn parse_format(body: &[u8]) -> Result<Format, HeaderError> {
    if body.len() < 16 {
        return Err(bad(format!("its 'fmt ' chunk has {} bytes, at least 16 are needed", body.len())));
    }
    let channels = usize::from(u16_at(body, 2));
    let sample_rate = u32_at(body, 4);
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(bad(format!("it states {channels} channels, 1 to {MAX_CHANNELS} are possible")));
    }
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(bad(format!("it states {sample_rate} Hz, 1 to {MAX_SAMPLE_RATE} are possible")));
    }
    let bits = u16_at(body, 14);
    let (mut tag, mut valid_bits, mut mask) = (u16_at(body, 0), bits, 0);
    if tag == TAG_EXTENSIBLE {
        if body.len() < 40 {
            return Err(bad("its extensible 'fmt ' chunk is too short"));
        }
        let tail = &body[26..40];
        if tail != SUBFORMAT_TAIL && tail != AMBISONIC_TAIL {
            return Err(HeaderError::Unsupported("its subformat is unknown".into()));
        }
        tag = u16_at(body, 24);
        mask = u32_at(body, 20);
        valid_bits = match u16_at(body, 18) {
            0 => bits,
            stated => stated.min(bits),
        };
    }
    let container = container(tag, bits, usize::from(u16_at(body, 12)), channels)?;
    let channel_mask = Some(mask).filter(|mask| mask.count_ones() as usize == channels);
    Ok(Format { container, valid_bits, channels, sample_rate, channel_mask })
}

/// The container follows from the block size, not from the bits: 24 bits may lie in four bytes.
fn container(tag: u16, bits: u16, block: usize, channels: usize) -> Result<Container, HeaderError> {
    let by_bits = usize::from(bits).div_ceil(8);
    let bytes = if block == 0 { by_bits } else { block / channels };
    if !block.is_multiple_of(channels) || bytes < by_bits || bits == 0 {
        let what = format!("{bits} bits and {channels} channels do not make blocks of {block} bytes");
        return Err(bad(what));
    }
    match (tag, bytes) {
        (TAG_PCM, 1) => Ok(Container::U8),
        (TAG_PCM, 2) => Ok(Container::I16),
        (TAG_PCM, 3) => Ok(Container::I24),
        (TAG_PCM, 4) => Ok(Container::I32),
        (TAG_FLOAT, 4) => Ok(Container::F32),
        (TAG_FLOAT, 8) => Ok(Container::F64),
        (TAG_PCM | TAG_FLOAT, _) => {
            Err(HeaderError::Unsupported(format!("its samples take {bytes} bytes each")))
        }
        _ => Err(HeaderError::Unsupported(format!("its codec (format tag {tag:#06x}) is unknown"))),
    }
}

fn read_array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_some(input: &mut impl Read, count: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count as usize];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn fmt(tag: u16, channels: u16, rate: u32, block: u16, bits: u16) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(tag.to_le_bytes());
        body.extend(channels.to_le_bytes());
        body.extend(rate.to_le_bytes());
        body.extend((rate.wrapping_mul(u32::from(block))).to_le_bytes());
        body.extend(block.to_le_bytes());
        body.extend(bits.to_le_bytes());
        body
    }

    fn file(kind: &[u8; 4], riff_size: u32, chunks: &[(&[u8; 4], u32, &[u8])]) -> Vec<u8> {
        let mut bytes = kind.to_vec();
        bytes.extend(riff_size.to_le_bytes());
        bytes.extend(b"WAVE");
        for (id, size, body) in chunks {
            bytes.extend(*id);
            bytes.extend(size.to_le_bytes());
            bytes.extend(*body);
        }
        bytes
    }

    fn parsed(bytes: &[u8], file_len: u64) -> Result<Header, String> {
        parse(&mut Cursor::new(bytes), file_len).map_err(|e| match e {
            HeaderError::Io(e) => e.to_string(),
            HeaderError::Bad(what) | HeaderError::Unsupported(what) => what,
        })
    }

    #[test]
    fn rf64_of_12_gib_by_arithmetic_alone() {
        let data_bytes = 12 * (1u64 << 30);
        let mut ds64 = (data_bytes + 72).to_le_bytes().to_vec();
        ds64.extend(data_bytes.to_le_bytes());
        ds64.extend((data_bytes / 6).to_le_bytes());
        ds64.extend([0; 4]);
        let format = fmt(1, 2, 96_000, 6, 24);
        for kind in [b"RF64", b"BW64"] {
            let chunks: [(&[u8; 4], u32, &[u8]); 3] =
                [(b"ds64", 28, &ds64), (b"fmt ", 16, &format), (b"data", u32::MAX, &[])];
            let header = parsed(&file(kind, u32::MAX, &chunks), data_bytes + 80).unwrap();
            assert_eq!((header.frames, header.data_start), (data_bytes / 6, 80));
            assert!(!header.truncated);
        }
    }

    #[test]
    fn odd_chunks_are_padded_and_streams_read_to_the_end() {
        let format = fmt(3, 1, 48_000, 4, 32);
        for (riff, size, frames, truncated) in [
            (u32::MAX, u32::MAX, 5, false),
            (0, 0, 5, false),
            (48, 0, 5, false),
            (50, 0, 0, false),
            (0x7fff_f024, 0x7fff_f000, 5, false),
            (50, 12, 3, false),
            (50, 400, 5, true),
        ] {
            let chunks: [(&[u8; 4], u32, &[u8]); 3] =
                [(b"LIST", 3, b"abc\0"), (b"fmt ", 16, &format), (b"data", size, &[0; 20])];
            let bytes = file(b"RIFF", riff, &chunks);
            let header = parsed(&bytes, bytes.len() as u64).unwrap();
            let got = (header.frames, header.truncated, header.data_start);
            assert_eq!(got, (frames, truncated, 56), "data size {size:#x}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for (body, expected) in [
            (fmt(1, 0, 44_100, 4, 16), "0 channels"),
            (fmt(1, 65, 44_100, 130, 16), "65 channels"),
            (fmt(1, 2, 0, 4, 16), "0 Hz"),
            (fmt(1, 2, u32::MAX, 4, 16), "4294967295 Hz"),
            (fmt(1, 2, 44_100, 4, 0), "0 bits"),
            (fmt(1, 2, 44_100, 5, 16), "blocks of 5 bytes"),
            (fmt(1, 1, 44_100, 8, 64), "8 bytes each"),
            (fmt(0x55, 2, 44_100, 4, 16), "0x0055"),
        ] {
            let chunks: [(&[u8; 4], u32, &[u8]); 2] = [(b"fmt ", 16, &body), (b"data", 4, &[0; 4])];
            let error = parsed(&file(b"RIFF", 40, &chunks), 48).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = parsed(&file(b"RIFF", 4, &[(b"fmt ", u32::MAX, &[0; 9])]), 29).unwrap_err();
        assert!(error.contains("inside its header"), "{error}");
        let error = parsed(&file(b"RIFF", 4, &[(b"junk", u32::MAX, &[])]), 20).unwrap_err();
        assert!(error.contains("no 'data' chunk"), "{error}");
    }
}
