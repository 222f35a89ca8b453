// SPDX-License-Identifier: MIT OR Apache-2.0
//! `AudioReader`: any audio file as a stream of planar `f64`.
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use super::decoded::DecodedReader;
use super::wav::WavReader;
use super::{AudioSpec, FileError};

/// What was wrong with a file that could be read all the same. Complete at the end of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// The file ends before the length that it states, or in the middle of a frame.
    pub truncated: bool,
    /// Packets that did not decode; each is replaced by silence, so what follows stays in time.
    pub corrupt_packets: u64,
}

/// An open audio file.
///
/// Values outside ±1.0, NaN and ±∞ of a float file come through as they are.
pub struct AudioReader {
    inner: Inner,
}

enum Inner {
    Wav(WavReader),
    Decoded(Box<DecodedReader>),
}

impl AudioReader {
    /// Opens a regular file and reads its header. The format is told from the bytes; the extension
    /// only helps where the bytes leave a choice.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let mut file = open_regular(path)?;
        let inner = if is_wave(&mut file).map_err(|e| FileError::io(path, "read", e))? {
            Inner::Wav(WavReader::new(path, file)?)
        } else {
            Inner::Decoded(Box::new(DecodedReader::new(path, file)?))
        };
        Ok(AudioReader { inner })
    }

    pub fn spec(&self) -> &AudioSpec {
        match &self.inner {
            Inner::Wav(reader) => reader.spec(),
            Inner::Decoded(reader) => reader.spec(),
        }
    }

    pub fn warnings(&self) -> Warnings {
        match &self.inner {
            Inner::Wav(reader) => reader.warnings(),
            Inner::Decoded(reader) => reader.warnings(),
        }
    }

    /// Reads up to `frames` frames into the start of every plane of `out`, which holds one plane
    /// per channel (further planes are left alone; a plane that is too short grows). Returns how
    /// many were read: fewer than asked for only at the end, 0 from then on.
    pub fn read(&mut self, out: &mut [Vec<f64>], frames: usize) -> Result<usize, FileError> {
        match &mut self.inner {
            Inner::Wav(reader) => reader.read(out, frames),
            Inner::Decoded(reader) => reader.read(out, frames),
        }
    }

    /// Back to the first frame.
    pub fn rewind(&mut self) -> Result<(), FileError> {
        match &mut self.inner {
            Inner::Wav(reader) => reader.rewind(),
            Inner::Decoded(reader) => reader.rewind(),
        }
    }
}

/// One plane per channel, each at least `frames` long.
pub(super) fn prepare_planes<'a>(
    path: &Path,
    out: &'a mut [Vec<f64>],
    channels: usize,
    frames: usize,
) -> Result<&'a mut [Vec<f64>], FileError> {
    let given = out.len();
    let Some(planes) = out.get_mut(..channels) else {
        let what = format!("{given} planes were given for {channels} channels");
        return Err(FileError::request(path, what, "pass one plane per channel"));
    };
    for plane in planes.iter_mut().filter(|plane| plane.len() < frames) {
        plane.resize(frames, 0.0);
    }
    Ok(planes)
}

/// A pipe could block for ever, and a directory opens but does not read: both are refused first.
fn open_regular(path: &Path) -> Result<File, FileError> {
    let metadata = std::fs::metadata(path).map_err(|e| FileError::io(path, "open", e))?;
    if metadata.is_dir() {
        return Err(FileError::io(path, "open", io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        let remedy = "save the stream to a file first";
        return Err(FileError::request(path, "it is not a regular file", remedy));
    }
    if metadata.len() == 0 {
        return Err(FileError::bad(path, "the file is empty (0 bytes)"));
    }
    File::open(path).map_err(|e| FileError::io(path, "open", e))
}

/// RIFF, RIFX, RF64 or BW64 of the form WAVE.
fn is_wave(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::with_capacity(12);
    file.by_ref().take(12).read_to_end(&mut head)?;
    file.rewind()?;
    let family = matches!(head.get(..4), Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"));
    Ok(family && head.get(8..12).is_none_or(|form| form == b"WAVE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_opened_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let missing = AudioReader::open(dir.path().join("no.wav")).err().unwrap();
        assert_eq!(missing.io_kind(), Some(io::ErrorKind::NotFound));
        let directory = AudioReader::open(dir.path()).err().unwrap();
        assert_eq!(directory.io_kind(), Some(io::ErrorKind::IsADirectory));
        let empty = dir.path().join("empty.wav");
        std::fs::write(&empty, b"").unwrap();
        let error = AudioReader::open(&empty).err().unwrap();
        assert!(!error.is_io() && error.to_string().contains("0 bytes"), "{error}");
        let text = dir.path().join("notes.txt");
        std::fs::write(&text, "not audio at all. ".repeat(500)).unwrap();
        let error = AudioReader::open(&text).err().unwrap();
        assert!(!error.is_io() && error.to_string().contains("notes.txt"), "{error}");
    }
}
