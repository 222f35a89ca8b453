// SPDX-License-Identifier: MIT OR Apache-2.0
//! `AudioWriter`: an output file that exists under its name only when it is whole.
//!
//! It is written under a hidden temporary name in the same directory, brought to the disk, and
//! renamed by `finish`; dropped before that, it leaves nothing behind. A file that already has the
//! final name stays as it is until the moment of the rename, which replaces it.
use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::flac_writer::FlacSink;
use super::quantise::DEFAULT_SEED;
use super::spec::MAX_SAMPLE_RATE;
use super::wav_writer::{MAX_RIFF_BYTES, WavSink};
use super::{Bext, BitDepth, FileError, MAX_CHANNELS, WriteSpec};

/// The extensions that an output may have, each of which names its format.
pub const OUTPUT_EXTENSIONS: [&str; 3] = ["wav", "rf64", "flac"];

/// How samples become integers; without meaning for 32f and 64f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// TPDF dither of ±1 LSB; otherwise plain rounding.
    pub dither: bool,
    /// The same seed and input give the same file.
    pub seed: u64,
}

impl Default for WriteOptions {
    fn default() -> Self {
        WriteOptions { dither: true, seed: DEFAULT_SEED }
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteReport {
    pub path: PathBuf,
    pub frames: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Samples (not frames) that had to be clamped to full scale; integers only.
    pub clipped: u64,
    /// NaNs, written as zero; integers only.
    pub not_numbers: u64,
}

/// What a format does with samples. Errors are the system's; `finish` completes the header.
pub(super) trait Sink: Send {
    fn write(&mut self, planar: &[&[f64]]) -> std::io::Result<()>;
    /// Makes a whole file of what is there, and goes on. Returns the frames that are in it.
    fn checkpoint(&mut self) -> std::io::Result<u64>;
    fn finish(&mut self) -> std::io::Result<Totals>;
    /// After an error: cuts off what is not whole and makes a file of the rest. Needs no room on the disk.
    fn salvage(&mut self) -> std::io::Result<Totals>;
    /// Another content for the `bext` chunk; nothing in a format that has none.
    fn describe(&mut self, _: Bext) {}
    /// Brings everything to the disk.
    fn sync(&mut self) -> std::io::Result<()>;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub frames: u64,
    pub clipped: u64,
    pub not_numbers: u64,
}

/// An output file in the making.
pub struct AudioWriter {
    // Dropped in this order: the sink lets go of the file before the file is removed.
    sink: Box<dyn Sink>,
    temporary: NamedTempFile,
    path: PathBuf,
    channels: usize,
}

impl AudioWriter {
    /// The extension of `path` names the format. WAV turns into RF64 by itself beyond 4 GiB.
    pub fn create(
        path: impl AsRef<Path>,
        spec: WriteSpec,
        depth: BitDepth,
        options: WriteOptions,
    ) -> Result<Self, FileError> {
        Self::create_with_limit(path.as_ref(), spec, depth, options, MAX_RIFF_BYTES)
    }

    fn create_with_limit(
        path: &Path,
        spec: WriteSpec,
        depth: BitDepth,
        options: WriteOptions,
        riff_limit: u64,
    ) -> Result<Self, FileError> {
        let kind = Kind::of(path)?;
        check(path, kind, &spec, depth)?;
        let temporary = tempfile::Builder::new()
            .prefix(".lathe-")
            .suffix(".tmp")
            .make_in(directory(path), |name| {
                File::options().read(true).write(true).create_new(true).open(name)
            })
            .map_err(|e| FileError::io(path, "create", e))?;
        let sink = || -> std::io::Result<Box<dyn Sink>> {
            let file = temporary.as_file().try_clone()?;
            Ok(match kind {
                Kind::Flac => Box::new(FlacSink::new(file, &spec, depth, options)?),
                Kind::Wav => Box::new(WavSink::new(file, &spec, depth, options, riff_limit, None)?),
                Kind::Rf64 => Box::new(WavSink::new(file, &spec, depth, options, 0, None)?),
            })
        };
        let sink = sink().map_err(|e| FileError::io(path, "write", e))?;
        Ok(AudioWriter { sink, temporary, path: path.into(), channels: spec.channels })
    }

    /// Appends one slice per channel, all of the same length.
    pub fn write(&mut self, planar: &[&[f64]]) -> Result<(), FileError> {
        let frames = planar.first().map_or(0, |plane| plane.len());
        if planar.len() != self.channels || planar.iter().any(|plane| plane.len() != frames) {
            let what = format!(
                "{} planes were given for {} channels, or planes differ in length",
                planar.len(),
                self.channels
            );
            return Err(FileError::request(&self.path, what, "pass one equal plane per channel"));
        }
        self.sink.write(planar).map_err(|e| FileError::io(&self.path, "write", e))
    }

    /// Completes the header, brings everything to the disk and gives the file its name.
    pub fn finish(self) -> Result<WriteReport, FileError> {
        self.complete()?.keep()
    }

    /// Completes the header and brings everything to the disk; the file has no name yet.
    pub fn complete(mut self) -> Result<Complete, FileError> {
        let path = self.path;
        let failed = |e| FileError::io(&path, "write", e);
        let totals = self.sink.finish().map_err(failed)?;
        drop(self.sink);
        let file = self.temporary.as_file();
        file.sync_all().map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok(Complete { temporary: self.temporary, path, bytes, totals })
    }
}

/// A whole output file under its temporary name. Dropped, it leaves nothing.
pub struct Complete {
    temporary: NamedTempFile,
    path: PathBuf,
    bytes: u64,
    totals: Totals,
}

impl Complete {
    /// Where it is for now, to be read.
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives the file its name.
    pub fn keep(self) -> Result<WriteReport, FileError> {
        let Complete { temporary, path, bytes, totals } = self;
        temporary.persist(&path).map_err(|e| FileError::io(&path, "rename to", e.error))?;
        // The name itself is on the disk once its directory is.
        let synced = File::open(directory(&path)).and_then(|dir| dir.sync_all());
        synced.map_err(|e| FileError::io(&path, "write", e))?;
        let Totals { frames, clipped, not_numbers } = totals;
        Ok(WriteReport { path, frames, bytes, clipped, not_numbers })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wav,
    Rf64,
    Flac,
}

impl Kind {
    fn of(path: &Path) -> Result<Self, FileError> {
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match extension.as_deref() {
            Some("wav") => Ok(Kind::Wav),
            Some("rf64") => Ok(Kind::Rf64),
            Some("flac") => Ok(Kind::Flac),
            other => {
                let what = match other {
                    Some(other) => format!("'.{other}' cannot be written"),
                    None => "the name has no extension to tell the format by".into(),
                };
                let list = OUTPUT_EXTENSIONS.map(|e| format!(".{e}")).join(", ");
                Err(FileError::request(path, what, format!("use one of {list}")))
            }
        }
    }
}

/// Refuses what the format cannot hold, before anything is created.
fn check(path: &Path, kind: Kind, spec: &WriteSpec, depth: BitDepth) -> Result<(), FileError> {
    let refuse = |what: String, remedy: &str| Err(FileError::request(path, what, remedy));
    let WriteSpec { sample_rate, channels, channel_mask } = *spec;
    if path.is_dir() {
        return refuse("it is a directory".into(), "name a file in it");
    }
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return refuse(format!("{channels} channels"), "use 1 to 64 channels");
    }
    if !(1..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return refuse(format!("{sample_rate} Hz"), "use a rate from 1 to 1536000 Hz");
    }
    if channel_mask.is_some_and(|mask| mask.count_ones() as usize != channels) {
        let what = format!("the channel mask does not name {channels} speakers");
        return refuse(what, "give one bit per channel, or no mask");
    }
    if kind != Kind::Flac {
        return Ok(());
    }
    if depth.integer_bits().is_none() {
        let what = format!("FLAC holds no floating point ({depth})");
        return refuse(what, "choose 16, 20 or 24 bits, or write .wav");
    }
    if channels > 8 {
        return refuse(format!("FLAC holds 8 channels, not {channels}"), "write .wav");
    }
    if sample_rate > 655_350 {
        return refuse(format!("FLAC holds rates up to 655350 Hz, not {sample_rate}"), "write .wav");
    }
    Ok(())
}

/// Where the temporary file goes: beside the final one, so that the rename cannot cross disks.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const STEREO: WriteSpec = WriteSpec { sample_rate: 48_000, channels: 2, channel_mask: None };

    fn create(path: &Path, spec: WriteSpec, depth: BitDepth) -> Result<AudioWriter, FileError> {
        AudioWriter::create(path, spec, depth, WriteOptions::default())
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn an_abandoned_file_leaves_nothing_and_the_old_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.wav", "a.flac", "a.rf64"] {
            let path = dir.path().join(name);
            std::fs::write(&path, b"old").unwrap();
            let mut writer = create(&path, STEREO, BitDepth::I24).unwrap();
            writer.write(&[&[0.5; 100_000], &[0.25; 100_000]]).unwrap();
            let during = names(dir.path());
            assert!(during.len() == 2 && during.iter().any(|n| n.starts_with('.')), "{during:?}");
            drop(writer);
            assert_eq!(names(dir.path()), [name]);
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
            let report = create(&path, STEREO, BitDepth::I24).unwrap().finish().unwrap();
            assert_eq!(report.bytes, std::fs::metadata(&path).unwrap().len());
            assert_eq!(names(dir.path()), [name]);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o600, 0o600, "{mode:o}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn impossible_outputs_are_refused_with_the_remedy_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let spec = |sample_rate, channels| WriteSpec { sample_rate, channels, channel_mask: None };
        for (name, spec, depth, expected) in [
            ("a.mp3", STEREO, BitDepth::I16, ".wav, .rf64, .flac"),
            ("a", STEREO, BitDepth::I16, ".wav, .rf64, .flac"),
            ("a.flac", STEREO, BitDepth::F32, "16, 20 or 24 bits, or write .wav"),
            ("a.flac", spec(48_000, 9), BitDepth::I16, "8 channels, not 9; write .wav"),
            ("a.flac", spec(700_000, 2), BitDepth::I16, "655350 Hz"),
            ("a.wav", spec(48_000, 0), BitDepth::I16, "1 to 64 channels"),
            ("a.wav", spec(0, 2), BitDepth::I16, "1 to 1536000 Hz"),
            ("a.wav", WriteSpec { channel_mask: Some(7), ..STEREO }, BitDepth::I16, "one bit per"),
        ] {
            let error = create(&dir.path().join(name), spec, depth).err().unwrap();
            assert!(!error.is_io() && error.to_string().contains(expected), "{error}");
        }
        assert!(names(dir.path()).is_empty());
        let error = create(&dir.path().join("no/a.wav"), STEREO, BitDepth::I16).err().unwrap();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound), "{error}");
    }

    #[test]
    fn planes_must_match() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = create(&dir.path().join("a.wav"), STEREO, BitDepth::I16).unwrap();
        assert!(writer.write(&[&[0.0]]).is_err());
        assert!(writer.write(&[&[0.0], &[0.0, 0.0]]).is_err());
        assert!(writer.write(&[&[], &[]]).is_ok());
    }

    #[test]
    fn the_report_counts() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.wav", "a.flac"] {
            let mut writer = create(&dir.path().join(name), STEREO, BitDepth::I16).unwrap();
            writer.write(&[&[1.5, 0.0, f64::NAN], &[-2.0, 0.5, 0.9]]).unwrap();
            let report = writer.finish().unwrap();
            assert_eq!((report.frames, report.clipped, report.not_numbers), (3, 2, 1));
        }
    }

    #[test]
    fn the_switch_to_rf64_is_automatic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        for (limit, kind) in [(10_000, b"RF64"), (MAX_RIFF_BYTES, b"RIFF")] {
            let options = WriteOptions::default();
            let depth = BitDepth::F64;
            let mut writer = AudioWriter::create_with_limit(&path, STEREO, depth, options, limit).unwrap();
            let ramp: Vec<f64> = (0..2000).map(f64::from).collect();
            writer.write(&[&ramp, &ramp]).unwrap();
            writer.finish().unwrap();
            assert_eq!(&std::fs::read(&path).unwrap()[..4], kind);
            let mut reader = super::super::open(&path).unwrap();
            assert_eq!(reader.spec().frames, Some(2000));
            let mut out = vec![Vec::new(); 2];
            assert_eq!(reader.read(&mut out, 9999).unwrap(), 2000);
            assert_eq!(out[1][..2000], ramp);
        }
    }
}
