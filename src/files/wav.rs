// SPDX-License-Identifier: MIT OR Apache-2.0
//! WAV, RF64 and BW64 in: integers of 8 to 32 bits, floats of 32 and 64, files over 4 GB.
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::reader::{Warnings, prepare_planes};
use super::wav_header::{Container, Format, HeaderError, parse};
use super::{AudioSpec, Encoding, FileError};

/// Bytes read at once, about.
const BLOCK_BYTES: usize = 1 << 16;

pub(super) struct WavReader {
    path: PathBuf,
    file: File,
    spec: AudioSpec,
    container: Container,
    data_start: u64,
    /// Whole frames in the file, and how many of them have been read.
    frames: u64,
    position: u64,
    truncated: bool,
    bytes: Vec<u8>,
}

impl WavReader {
    pub fn new(path: &Path, mut file: File) -> Result<Self, FileError> {
        let length = file.metadata().map_err(|e| FileError::io(path, "read", e))?.len();
        let header = parse(&mut file, length).map_err(|e| match e {
            HeaderError::Io(e) => FileError::io(path, "read", e),
            HeaderError::Bad(what) => FileError::bad(path, what),
            HeaderError::Unsupported(what) => FileError::unsupported(path, what),
        })?;
        let mut reader = WavReader {
            path: path.into(),
            file,
            spec: describe(&header.format, header.frames),
            container: header.format.container,
            data_start: header.data_start,
            frames: header.frames,
            position: 0,
            truncated: header.truncated,
            bytes: Vec::new(),
        };
        reader.rewind()?;
        Ok(reader)
    }

    pub fn spec(&self) -> &AudioSpec {
        &self.spec
    }

    pub fn warnings(&self) -> Warnings {
        Warnings { truncated: self.truncated, corrupt_packets: 0 }
    }

    pub fn rewind(&mut self) -> Result<(), FileError> {
        self.position = 0;
        let start = SeekFrom::Start(self.data_start);
        self.file.seek(start).map_err(|e| FileError::io(&self.path, "read", e))?;
        Ok(())
    }

    pub fn read(&mut self, out: &mut [Vec<f64>], frames: usize) -> Result<usize, FileError> {
        let left = usize::try_from(self.frames - self.position).unwrap_or(usize::MAX);
        let wanted = frames.min(left);
        let planes = prepare_planes(&self.path, out, self.spec.channels, wanted)?;
        let frame_bytes = self.container.bytes() * self.spec.channels;
        let mut done = 0;
        while done < wanted {
            let block = (wanted - done).min(BLOCK_BYTES.div_ceil(frame_bytes));
            self.bytes.resize(block * frame_bytes, 0);
            let got = read_full(&mut self.file, &mut self.bytes)
                .map_err(|e| FileError::io(&self.path, "read", e))?
                / frame_bytes;
            decode(self.container, &self.bytes[..got * frame_bytes], planes, done);
            done += got;
            self.position += got as u64;
            if got < block {
                // The file became shorter while it was read.
                self.truncated = true;
                self.frames = self.position;
                break;
            }
        }
        Ok(done)
    }
}

fn describe(format: &Format, frames: u64) -> AudioSpec {
    AudioSpec {
        sample_rate: format.sample_rate,
        channels: format.channels,
        channel_mask: format.channel_mask,
        frames: Some(frames),
        encoding: match format.container {
            Container::F32 => Encoding::Float { bits: 32 },
            Container::F64 => Encoding::Float { bits: 64 },
            _ => Encoding::Int { bits: format.valid_bits },
        },
    }
}

/// Fills `bytes` as far as the file goes.
fn read_full(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < bytes.len() {
        match file.read(&mut bytes[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Interleaved bytes to planes, from frame `at` on. Integers are left-justified in their
/// container, whatever their valid bits, so the container alone sets the scale.
fn decode(container: Container, bytes: &[u8], planes: &mut [Vec<f64>], at: usize) {
    match container {
        Container::U8 => spread(bytes, planes, at, |b: [u8; 1]| (f64::from(b[0]) - 128.0) / 128.0),
        Container::I16 => spread(bytes, planes, at, |b| f64::from(i16::from_le_bytes(b)) / 32768.0),
        Container::I24 => spread(bytes, planes, at, |[a, b, c]: [u8; 3]| {
            f64::from(i32::from_le_bytes([0, a, b, c])) / 2_147_483_648.0
        }),
        Container::I32 => spread(bytes, planes, at, |b| f64::from(i32::from_le_bytes(b)) / 2_147_483_648.0),
        Container::F32 => spread(bytes, planes, at, |b| f64::from(f32::from_le_bytes(b))),
        Container::F64 => spread(bytes, planes, at, f64::from_le_bytes),
    }
}

fn spread<const N: usize>(bytes: &[u8], planes: &mut [Vec<f64>], at: usize, sample: impl Fn([u8; N]) -> f64) {
    let channels = planes.len();
    let (samples, _) = bytes.as_chunks::<N>();
    for (channel, plane) in planes.iter_mut().enumerate() {
        let channel = samples.iter().skip(channel).step_by(channels);
        for (out, bytes) in plane[at..].iter_mut().zip(channel) {
            *out = sample(*bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A WAV of any tag and width, header and all.
    fn wav(tag: u16, channels: u16, bits: u16, block: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + data.len() as u32).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0");
        bytes.extend(tag.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(44_100u32.to_le_bytes());
        bytes.extend((44_100 * u32::from(block)).to_le_bytes());
        bytes.extend(block.to_le_bytes());
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn read_all(bytes: &[u8]) -> (AudioSpec, Vec<Vec<f64>>, Warnings) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut reader = WavReader::new(file.path(), file.reopen().unwrap()).unwrap();
        let mut planes = vec![Vec::new(); reader.spec().channels];
        let frames = reader.read(&mut planes, 1 << 20).unwrap();
        planes.iter_mut().for_each(|plane| plane.truncate(frames));
        (reader.spec().clone(), planes, reader.warnings())
    }

    #[test]
    fn every_container_is_scaled_to_full_scale() {
        let cases: [(u16, u16, u16, Vec<u8>); 8] = [
            (1, 8, 1, vec![0, 128, 192]),
            (1, 16, 2, vec![0, 0x80, 0, 0, 0, 0x40]),
            (1, 20, 3, vec![0, 0, 0x80, 0, 0, 0, 0, 0, 0x40]),
            (1, 24, 3, vec![0, 0, 0x80, 0, 0, 0, 0, 0, 0x40]),
            (1, 24, 4, vec![0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x40]),
            (1, 32, 4, vec![0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x40]),
            (3, 32, 4, [-1.0f32, 0.0, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect()),
            (3, 64, 8, [-1.0f64, 0.0, 0.5].iter().flat_map(|x| x.to_le_bytes()).collect()),
        ];
        for (tag, bits, block, data) in cases {
            let (spec, planes, warnings) = read_all(&wav(tag, 1, bits, block, &data));
            assert_eq!(planes, [[-1.0, 0.0, 0.5]], "{}", spec.encoding);
            assert_eq!(spec.frames, Some(3));
            assert_eq!(warnings, Warnings::default());
        }
    }

    #[test]
    fn channels_come_apart_across_blocks() {
        let frames = 50_000;
        let data: Vec<u8> = (0..frames)
            .flat_map(|n: i32| [n as i16, (n as i16).wrapping_neg(), 7].map(i16::to_le_bytes))
            .flatten()
            .collect();
        let (_, planes, _) = read_all(&wav(1, 3, 16, 6, &data));
        for (n, (first, third)) in planes[0].iter().zip(&planes[2]).enumerate() {
            assert_eq!(*first, f64::from(n as i16) / 32768.0);
            assert_eq!(*third, 7.0 / 32768.0);
        }
        assert_eq!(planes[1].len(), frames as usize);
    }

    #[test]
    fn a_truncated_file_gives_its_whole_frames_and_says_so() {
        let whole = wav(1, 2, 16, 4, &[0x40; 400]);
        let (spec, planes, warnings) = read_all(&whole[..whole.len() - 201]);
        assert_eq!((spec.frames, planes[0].len(), warnings.truncated), (Some(49), 49, true));
    }

    #[test]
    fn a_wav_of_no_frames_opens() {
        let (spec, planes, warnings) = read_all(&wav(1, 2, 16, 4, &[]));
        assert_eq!((spec.frames, planes[1].len(), warnings.truncated), (Some(0), 0, false));
    }

    #[test]
    fn not_a_number_comes_through_and_rewind_repeats() {
        let data: Vec<u8> = [f32::NAN, f32::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), wav(3, 1, 32, 4, &data)).unwrap();
        let mut reader = WavReader::new(file.path(), file.reopen().unwrap()).unwrap();
        let mut planes = vec![Vec::new()];
        for _ in 0..2 {
            assert_eq!(reader.read(&mut planes, 9).unwrap(), 2);
            assert!(planes[0][0].is_nan() && planes[0][1] == f64::INFINITY);
            assert_eq!(reader.read(&mut planes, 9).unwrap(), 0);
            reader.rewind().unwrap();
        }
        assert!(reader.read(&mut [], 1).is_err());
    }
}
