// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the clock plays: silence, the demo programme, or a file in a loop. Clock thread, but for
//! opening; a file is decoded on a thread of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lathe_core::units::{Layout, Role};

use super::demo::Demo;
use crate::files::{AudioReader, FileError};

/// A stream of planar audio for the rack's main inputs.
pub enum Source {
    Silence,
    Demo(DemoSource),
    File(FileSource),
}

impl Source {
    /// Clock thread. Fills the start of every plane with the next `frames` frames.
    pub fn fill(&mut self, planes: &mut [Vec<f64>], frames: usize) {
        match self {
            Source::Silence => planes.iter_mut().for_each(|p| p[..frames].fill(0.0)),
            Source::Demo(demo) => demo.fill(planes, frames),
            Source::File(file) => file.fill(planes, frames),
        }
    }

    /// The word for it in the ready line and in status.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Silence => "none",
            Source::Demo(_) => "demo",
            Source::File(_) => "file",
        }
    }
}

/// The demo, laid out on the rack's channels.
pub struct DemoSource {
    demo: Demo,
    /// How much of left and right each channel gets.
    pan: Vec<[f64; 2]>,
    frame: u64,
}

impl DemoSource {
    pub fn new(rate: u32, layout: &Layout) -> Self {
        let pan = |r: &Role| match r {
            Role::Lfe => [0.0, 0.0],
            r if r.is_left() => [1.0, 0.0],
            r if r.is_right() => [0.0, 1.0],
            _ => [0.5, 0.5],
        };
        DemoSource { demo: Demo::new(rate), pan: layout.roles.iter().map(pan).collect(), frame: 0 }
    }

    fn fill(&mut self, planes: &mut [Vec<f64>], frames: usize) {
        for i in 0..frames {
            let [l, r] = self.demo.frame(self.frame + i as u64);
            for (plane, pan) in planes.iter_mut().zip(&self.pan) {
                plane[i] = pan[0] * l + pan[1] * r;
            }
        }
        self.frame += frames as u64;
    }
}

/// Decoded ahead, in seconds.
const AHEAD_S: usize = 2;
/// Frames decoded at once.
const STEP: usize = 4096;

/// A file, again and again.
pub struct FileSource {
    ring: rtrb::Consumer<f64>,
    channels: usize,
    rate: u32,
    /// Periods that were not decoded in time, and have silence instead.
    glitches: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl FileSource {
    /// Main thread. Opens the file and decodes its beginning.
    pub fn open(path: &Path) -> Result<FileSource, FileError> {
        let mut reader = AudioReader::open(path)?;
        let (channels, rate) = (reader.spec().channels, reader.spec().sample_rate);
        let mut planes = vec![Vec::new(); channels];
        let first = reader.read(&mut planes, STEP)?;
        if first == 0 {
            return Err(FileError::bad(path, "there is no audio in it"));
        }
        let (mut out, ring) = rtrb::RingBuffer::new(AHEAD_S * rate as usize * channels);
        push(&mut out, &planes, first);
        let stop = Arc::new(AtomicBool::new(false));
        let (ours, name) = (stop.clone(), path.display().to_string());
        let spawned = std::thread::Builder::new().name("decode".into()).spawn(move || {
            if let Err(error) = decode(&mut reader, &mut out, &ours) {
                tracing::error!(%error, file = name, "playback stopped");
            }
        });
        spawned.map_err(|e| FileError::io(path, "decode", e))?;
        Ok(FileSource { ring, channels, rate, glitches: Arc::default(), stop })
    }

    /// Counts its glitches there.
    pub fn counting(mut self, glitches: Arc<AtomicU64>) -> FileSource {
        self.glitches = glitches;
        self
    }

    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Clock thread. A mono file goes to every channel, others channel by channel.
    fn fill(&mut self, planes: &mut [Vec<f64>], frames: usize) {
        let ready = (self.ring.slots() / self.channels).min(frames);
        let chunk = self.ring.read_chunk(ready * self.channels);
        let audio = chunk.as_ref().map_or((&[][..], &[][..]), |c| c.as_slices());
        let at = |i: usize| audio.0.get(i).or_else(|| audio.1.get(i - audio.0.len())).copied();
        for (c, plane) in planes.iter_mut().enumerate() {
            let from = if self.channels == 1 { 0 } else { c };
            for (i, x) in plane[..frames].iter_mut().enumerate() {
                let there = from < self.channels && i < ready;
                *x = if there { at(i * self.channels + from).unwrap_or(0.0) } else { 0.0 };
            }
        }
        if let Ok(chunk) = chunk {
            chunk.commit_all();
        }
        if ready < frames {
            self.glitches.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for FileSource {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Decode thread. Keeps the ring full until the source is dropped.
fn decode(
    reader: &mut AudioReader,
    out: &mut rtrb::Producer<f64>,
    stop: &AtomicBool,
) -> Result<(), FileError> {
    let mut planes = vec![Vec::new(); reader.spec().channels];
    let mut empty = 0;
    while !stop.load(Ordering::Relaxed) {
        let n = reader.read(&mut planes, STEP)?;
        if n == 0 {
            empty += 1;
            if empty > 1 {
                tracing::error!("the file that plays has become empty; silence from here on");
                return Ok(());
            }
            reader.rewind()?;
            continue;
        }
        empty = 0;
        while out.slots() < n * planes.len() {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        push(out, &planes, n);
    }
    Ok(())
}

fn push(out: &mut rtrb::Producer<f64>, planes: &[Vec<f64>], frames: usize) {
    if let Ok(chunk) = out.write_chunk_uninit(frames * planes.len()) {
        let interleaved = (0..frames).flat_map(|i| planes.iter().map(move |p| p[i]));
        chunk.fill_from_iter(interleaved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{AudioWriter, BitDepth, WriteOptions, WriteSpec};

    #[test]
    fn a_file_is_played_in_a_loop_without_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ramp.wav");
        let spec = WriteSpec { sample_rate: 48_000, channels: 2, channel_mask: None };
        let mut w = AudioWriter::create(&path, spec, BitDepth::F64, WriteOptions::default()).unwrap();
        let left: Vec<f64> = (0..1000).map(|n| n as f64 / 1000.0).collect();
        let right: Vec<f64> = left.iter().map(|x| -x).collect();
        w.write(&[&left, &right]).unwrap();
        w.finish().unwrap();
        let glitches = Arc::new(AtomicU64::new(0));
        let mut file = FileSource::open(&path).unwrap().counting(glitches.clone());
        let mut planes = vec![vec![0.0; 100]; 2];
        for n in 0..50 {
            while file.ring.slots() < 200 {
                std::thread::yield_now();
            }
            file.fill(&mut planes, 100);
            let from = n * 100 % 1000;
            assert_eq!(planes[0], left[from..from + 100]);
            assert_eq!(planes[1], right[from..from + 100]);
        }
        assert_eq!(glitches.load(Ordering::Relaxed), 0);
        // More at once than is ever decoded ahead.
        let mut planes = vec![vec![1.0; 100_000]; 2];
        file.fill(&mut planes, 100_000);
        assert_eq!((glitches.load(Ordering::Relaxed), planes[0][99_999]), (1, 0.0));
    }
}
