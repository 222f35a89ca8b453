// SPDX-License-Identifier: MIT OR Apache-2.0
//! Quanta from a tap to a file and a meter: what is missing is counted, and silence stands in its place.
//! Recorder thread.

use std::borrow::Cow;
use std::io;

use lathe_core::analysis::{Reader, TapMeter, TapReadings};
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Frame;
use lathe_core::engine::tap::TapChunk;
use lathe_core::units::Layout;

use super::entry::{Fault, FaultKind, Loudness};
use crate::files::{Bext, Recorded, Recording};

/// Frames of silence written at once.
const SILENT_FRAMES: usize = 4096;

/// The audio of one print.
pub struct Take {
    recording: Recording,
    meter: TapMeter,
    reader: Reader,
    channels: usize,
    /// The engine's frame of the first sample.
    pub start: Option<Frame>,
    /// Given to the file.
    pub frames: u64,
    /// It is complete with these.
    most: u64,
}

impl Take {
    /// `most`: frames after which it is complete.
    pub fn new(recording: Recording, rate: u32, layout: &Layout, most: u64) -> Take {
        // Before a file there is silence, so the meter begins as one that measures the file.
        let meter = TapMeter::new(rate, layout);
        let reader = Reader::new(&meter);
        Take { recording, meter, reader, channels: layout.len(), start: None, frames: 0, most }
    }

    /// The engine's frame after the last sample.
    pub fn position(&self) -> Frame {
        self.start.unwrap_or(0) + self.frames
    }

    pub fn is_complete(&self) -> bool {
        self.frames >= self.most
    }

    /// One quantum, and the gap before it if there is one.
    ///
    /// # Errors
    /// The disk's; then nothing more can be taken.
    pub fn chunk(&mut self, chunk: &TapChunk) -> io::Result<Option<Fault>> {
        self.start.get_or_insert(chunk.frame);
        let mut fault = None;
        let missed = chunk.missed.min(self.most - self.frames);
        if missed > 0 {
            fault = Some(Fault { kind: FaultKind::Gap, at_frame: self.frames, frames: missed, count: 1 });
            self.meter.gap(missed);
            self.silence(missed)?;
        }
        let n = (QUANTUM as u64).min(self.most - self.frames) as usize;
        if n > 0 {
            let mut audio = Cow::Borrowed(&chunk.audio);
            if n < QUANTUM {
                audio.to_mut().iter_mut().for_each(|c| c[n..].fill(0.0));
            }
            self.meter.process(&audio);
            let slices: Vec<&[f64]> = audio.iter().map(|c| &c[..n]).collect();
            self.recording.write(&slices)?;
            self.frames += n as u64;
        }
        Ok(fault)
    }

    fn silence(&mut self, frames: u64) -> io::Result<()> {
        let zeros = [0.0; SILENT_FRAMES];
        let mut left = frames;
        while left > 0 {
            let n = left.min(SILENT_FRAMES as u64) as usize;
            self.recording.write(&vec![&zeros[..n]; self.channels])?;
            self.frames += n as u64;
            left -= n as u64;
        }
        Ok(())
    }

    /// What is there so far is a whole file, with the frames that are returned.
    pub fn checkpoint(&mut self) -> io::Result<u64> {
        self.recording.checkpoint()
    }

    /// The readings now; maxima since the call before.
    pub fn readings(&mut self) -> TapReadings {
        self.meter.read(&mut self.reader)
    }

    /// The sound is over: brings out the peaks of the last frames.
    pub fn end(&mut self) -> Loudness {
        self.meter.finish();
        loudness(&self.readings())
    }

    /// Completes the file; after an error, for all that is whole.
    pub fn finish(&mut self, bext: Bext, failed: bool) -> io::Result<Recorded> {
        let done = if failed { self.recording.salvage(bext) } else { self.recording.finish(bext) }?;
        self.frames = done.frames;
        Ok(done)
    }
}

/// What a print says of its loudness.
pub fn loudness(r: &TapReadings) -> Loudness {
    let known = |v: Option<f64>| v.filter(|v| v.is_finite());
    let peak = r.channels.iter().map(|c| c.peak_max).fold(f64::NEG_INFINITY, f64::max);
    Loudness {
        integrated_lufs: known(r.integrated),
        loudness_range_lu: known(r.loudness_range),
        true_peak_dbtp: known(Some(r.true_peak_max)),
        sample_peak_dbfs: known(Some(peak)),
        momentary_max_lufs: known(r.momentary_max),
        short_term_max_lufs: known(r.short_term_max),
    }
}
