// SPDX-License-Identifier: MIT OR Apache-2.0
//! `Recording`: an output that grows for as long as somebody plays and may end at any moment.
//!
//! Unlike an `AudioWriter` it has no name and no file of its own: who records decides where it lies and
//! what becomes of it. It is a whole file after every checkpoint, and what is whole is kept whatever fails.
use std::io;

use super::flac_writer::FlacSink;
use super::quantise::DEFAULT_SEED;
use super::storage::Storage;
use super::wav_writer::{MAX_RIFF_BYTES, WavSink};
use super::writer::{Sink, WriteOptions};
use super::{Bext, BitDepth, WriteSpec};

/// The kinds of files a recording may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// RF64 beyond 4 GiB, by itself.
    Wav,
    Rf64,
    Flac,
}

impl Container {
    pub fn extension(self) -> &'static str {
        match self {
            Container::Wav => "wav",
            Container::Rf64 => "rf64",
            Container::Flac => "flac",
        }
    }

    /// Why it cannot hold this; `None` if it can.
    pub fn refuses(self, spec: &WriteSpec, depth: BitDepth) -> Option<String> {
        if self != Container::Flac {
            return None;
        }
        if depth.integer_bits().is_none() {
            return Some(format!("FLAC holds no floating point ({depth}): choose 24 bits, or wav"));
        }
        if spec.channels > 8 {
            return Some(format!("FLAC holds 8 channels, not {}: choose wav", spec.channels));
        }
        let fast = spec.sample_rate > 655_350;
        fast.then(|| format!("FLAC holds rates up to 655350 Hz, not {}: choose wav", spec.sample_rate))
    }
}

/// What is in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub frames: u64,
    /// Samples that were clamped to full scale; integers only.
    pub clipped: u64,
}

/// A recording under way.
pub struct Recording {
    sink: Box<dyn Sink>,
}

impl Recording {
    /// Begins a file in an empty storage; `dither` where integers are still to be made. The chunk `bext` keeps its length to the end; FLAC has none.
    pub fn start(
        out: Box<dyn Storage>,
        container: Container,
        spec: &WriteSpec,
        (depth, dither): (BitDepth, bool),
        bext: Bext,
    ) -> io::Result<Recording> {
        Self::with_limit(out, container, spec, (depth, dither), bext, MAX_RIFF_BYTES)
    }

    fn with_limit(
        out: Box<dyn Storage>,
        container: Container,
        spec: &WriteSpec,
        (depth, dither): (BitDepth, bool),
        bext: Bext,
        riff_limit: u64,
    ) -> io::Result<Recording> {
        let options = WriteOptions { dither, seed: DEFAULT_SEED };
        let limit = if container == Container::Rf64 { 0 } else { riff_limit };
        let sink: Box<dyn Sink> = match container {
            Container::Flac => Box::new(FlacSink::new(out, spec, depth, options)?),
            _ => Box::new(WavSink::new(out, spec, depth, options, limit, Some(bext))?),
        };
        Ok(Recording { sink })
    }

    /// Appends one slice per channel, all of the same length.
    pub fn write(&mut self, planar: &[&[f64]]) -> io::Result<()> {
        self.sink.write(planar)
    }

    /// Makes a whole file of what is there, and goes on. Returns the frames that are in it.
    pub fn checkpoint(&mut self) -> io::Result<u64> {
        self.sink.checkpoint()
    }

    /// Completes the file and brings it to the disk.
    pub fn finish(&mut self, bext: Bext) -> io::Result<Recorded> {
        self.sink.describe(bext);
        let totals = self.sink.finish()?;
        self.sink.sync()?;
        Ok(Recorded { frames: totals.frames, clipped: totals.clipped })
    }

    /// After an error: what is whole becomes the file. Needs no room on the disk.
    pub fn salvage(&mut self, bext: Bext) -> io::Result<Recorded> {
        self.sink.describe(bext);
        let totals = self.sink.salvage()?;
        self.sink.sync()?;
        Ok(Recorded { frames: totals.frames, clipped: totals.clipped })
    }
}

/// Completes the header of a WAV or RF64 recording whose program was ended in the middle, for all frames
/// that are whole. `bext` must be as long as the one it was started with. Returns the frames.
pub fn repair_wav(
    out: Box<dyn Storage>,
    container: Container,
    spec: &WriteSpec,
    depth: BitDepth,
    bext: Bext,
) -> io::Result<u64> {
    let limit = if container == Container::Rf64 { 0 } else { MAX_RIFF_BYTES };
    let mut sink = WavSink::resumed(out, spec, depth, WriteOptions::default(), limit, Some(bext));
    let totals = sink.salvage()?;
    Sink::sync(&mut sink)?;
    Ok(totals.frames)
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use std::fs::File;
    use std::io::{Seek, SeekFrom, Write};
    use std::path::Path;

    const STEREO: WriteSpec = WriteSpec { sample_rate: 48_000, channels: 2, channel_mask: None };
    const KINDS: [(Container, BitDepth); 5] = [
        (Container::Wav, BitDepth::F32),
        (Container::Wav, BitDepth::I24),
        (Container::Rf64, BitDepth::F32),
        (Container::Rf64, BitDepth::I24),
        (Container::Flac, BitDepth::I24),
    ];

    fn bext() -> Bext {
        Bext { description: "take".into(), history: "A=PCM\r\n".into(), ..Bext::default() }
    }

    fn create(path: &Path) -> Box<dyn Storage> {
        Box::new(File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap())
    }

    /// A ramp, exact in 24 bits, that names its frame.
    fn ramp(from: usize, frames: usize) -> Vec<f64> {
        (from..from + frames).map(|n| (n % 8_000_000) as f64 / 8_388_608.0).collect()
    }

    fn frames_of(path: &Path) -> (Vec<f64>, bool) {
        let mut reader = open(path).unwrap();
        let mut out = vec![Vec::new(); 2];
        let n = reader.read(&mut out, 1 << 22).unwrap();
        (out[1][..n].to_vec(), reader.warnings().truncated)
    }

    /// Dither moves 24 bits by up to two steps.
    fn near(got: &[f64], wanted: &[f64]) -> bool {
        got.len() == wanted.len() && got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 2.5 / 8_388_608.0)
    }

    #[test]
    fn every_checkpoint_is_a_whole_file_and_so_is_the_end() {
        let dir = tempfile::tempdir().unwrap();
        for (container, depth) in KINDS {
            let path = dir.path().join(format!("a.{}", container.extension()));
            let mut r = Recording::start(create(&path), container, &STEREO, (depth, true), bext()).unwrap();
            let block = 40_960;
            for n in 0..3 {
                r.write(&[&ramp(n * block, block), &ramp(n * block, block)]).unwrap();
                let whole = r.checkpoint().unwrap();
                let (audio, _) = frames_of(&path);
                let wanted = ramp(0, (n + 1) * block);
                assert_eq!(whole, wanted.len() as u64);
                assert!(near(&audio, &wanted), "{container:?} {depth}: {} frames", audio.len());
            }
            r.write(&[&ramp(3 * block, 100), &ramp(3 * block, 100)]).unwrap();
            let loud = Bext { time_reference: 7, ..bext() };
            assert_eq!(r.finish(loud.clone()).unwrap().frames, 3 * block as u64 + 100);
            let (audio, truncated) = frames_of(&path);
            assert!(near(&audio, &ramp(0, 3 * block + 100)) && !truncated, "{container:?} {depth}");
            let bytes = std::fs::read(&path).unwrap();
            let chunk = loud.chunk();
            let at = bytes.windows(4).position(|w| w == b"bext");
            assert_eq!(at.is_some(), container != Container::Flac);
            if let Some(at) = at {
                assert_eq!((at, &bytes[at..at + chunk.len()]), (48, &chunk[..]), "right behind ds64");
            }
        }
    }

    #[test]
    fn a_wav_becomes_rf64_with_its_bext_when_it_grows_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.wav");
        let kind = |path: &Path| std::fs::read(path).unwrap()[..4].to_vec();
        let out = create(&path);
        let mut r =
            Recording::with_limit(out, Container::Wav, &STEREO, (BitDepth::F32, true), bext(), 100_000)
                .unwrap();
        r.write(&[&ramp(0, 10_000), &ramp(0, 10_000)]).unwrap();
        r.checkpoint().unwrap();
        assert_eq!(kind(&path), b"RIFF");
        r.write(&[&ramp(10_000, 10_000), &ramp(10_000, 10_000)]).unwrap();
        r.checkpoint().unwrap();
        assert_eq!(kind(&path), b"RF64");
        r.finish(bext()).unwrap();
        assert_eq!(frames_of(&path).0, ramp(0, 20_000));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((&bytes[12..16], &bytes[48..52]), (&b"ds64"[..], &b"bext"[..]));
    }

    /// A disk with room for so many bytes; what does not fit is an error, as much as fits is written.
    struct Small {
        file: File,
        room: u64,
    }

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let left = self.room.saturating_sub(self.file.stream_position()?);
            match bytes.len().min(left as usize) {
                0 => Err(io::ErrorKind::StorageFull.into()),
                n => self.file.write(&bytes[..n]),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.file.seek(to)
        }
    }

    impl Storage for Small {
        fn set_len(&mut self, bytes: u64) -> io::Result<()> {
            self.file.set_len(bytes)
        }
        fn sync(&mut self) -> io::Result<()> {
            self.file.sync_all()
        }
    }

    #[test]
    fn what_was_written_before_the_disk_was_full_is_a_whole_file() {
        let dir = tempfile::tempdir().unwrap();
        for (container, depth) in KINDS {
            let path = dir.path().join(format!("full.{}", container.extension()));
            create(&path);
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let out = Box::new(Small { file, room: 700_003 });
            let mut r = Recording::start(out, container, &STEREO, (depth, true), bext()).unwrap();
            let mut n = 0;
            let error = loop {
                match r.write(&[&ramp(n * 4096, 4096), &ramp(n * 4096, 4096)]) {
                    Ok(()) => n += 1,
                    Err(e) => break e,
                }
                assert!(n < 10_000);
            };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            let kept = r.salvage(bext()).unwrap().frames as usize;
            let (audio, truncated) = frames_of(&path);
            assert!(near(&audio, &ramp(0, kept)) && !truncated, "{container:?}: {} of {kept}", audio.len());
            assert!(kept > 50_000, "{container:?} {depth}: {kept} frames");
            println!("{container:?} {depth}: {kept} frames of {} kept", n * 4096);
        }
    }

    #[test]
    fn a_killed_wav_is_completed_to_its_last_whole_frame() {
        let dir = tempfile::tempdir().unwrap();
        for (container, depth, bytes) in
            [(Container::Wav, BitDepth::F32, 8), (Container::Rf64, BitDepth::I24, 6)]
        {
            let path = dir.path().join("killed.wav");
            let mut r = Recording::start(create(&path), container, &STEREO, (depth, true), bext()).unwrap();
            r.write(&[&ramp(0, 100_000), &ramp(0, 100_000)]).unwrap();
            drop(r); // without a checkpoint; a part of the audio never left the program
            let there = std::fs::metadata(&path).unwrap().len();
            File::options().append(true).open(&path).unwrap().write_all(&[9; 3]).unwrap();
            let file = File::options().read(true).write(true).open(&path).unwrap();
            let frames = repair_wav(Box::new(file), container, &STEREO, depth, bext()).unwrap();
            let (audio, truncated) = frames_of(&path);
            assert!(near(&audio, &ramp(0, frames as usize)) && !truncated);
            assert!(frames > 50_000 && frames * bytes + 1000 > there, "{frames} frames of {there} bytes");
        }
    }
}
