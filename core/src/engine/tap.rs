// SPDX-License-Identifier: MIT OR Apache-2.0
//! Audio copied out for those who only look at it: armed on demand, read off the audio thread.
//!
//! Each quantum travels with its absolute frame, so a reader that was too slow knows exactly what it
//! missed. The samples are the engine's own f64.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rtrb::{Consumer, Producer, RingBuffer};

use super::Frame;
use crate::dsp::{Frames, QUANTUM};

/// A place in the rack where audio can be copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TapPoint {
    /// Main in, as the engine received it.
    In,
    /// Main out, as the driver receives it.
    Out,
    Monitor,
    /// A slot's input or output; the slot by its serial number.
    SlotIn(u32),
    SlotOut(u32),
}

impl TapPoint {
    /// The input of the slot with this id.
    pub fn slot_in(id: &str) -> Self {
        TapPoint::SlotIn(super::build::serial(id))
    }

    /// The output of the slot with this id.
    pub fn slot_out(id: &str) -> Self {
        TapPoint::SlotOut(super::build::serial(id))
    }
}

/// Tells taps of one point apart; no two taps of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TapId(u64);

/// The audio thread's end of a tap.
pub struct Tap {
    pub id: TapId,
    pub point: TapPoint,
    channels: usize,
    ring: Producer<f64>,
}

/// The reader's end.
pub struct TapReader {
    pub channels: usize,
    ring: Consumer<f64>,
    next: Option<Frame>,
}

/// One quantum from a tap.
#[derive(Clone, Debug, PartialEq)]
pub struct TapChunk {
    /// The engine's frame of the first sample.
    pub frame: Frame,
    /// Frames lost between the chunk before and this one.
    pub missed: u64,
    /// Planar.
    pub audio: Vec<Frames>,
}

impl Tap {
    /// A tap of `channels` that holds `frames` before it loses any.
    pub fn new(point: TapPoint, channels: usize, frames: usize) -> (Tap, TapReader) {
        let quanta = frames.div_ceil(QUANTUM).max(2);
        let length = quanta * (1 + channels * QUANTUM);
        let (mut ring, mut out) = RingBuffer::new(length);
        // Once through, so that the audio thread is not the first to touch its pages.
        if let Ok(all) = ring.write_chunk_uninit(length) {
            all.fill_from_iter(std::iter::repeat(0.0));
        }
        if let Ok(all) = out.read_chunk(length) {
            all.commit_all();
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = TapId(NEXT.fetch_add(1, Relaxed));
        (Tap { id, point, channels, ring }, TapReader { channels, ring: out, next: None })
    }

    /// Audio thread. Copies one quantum; if the reader is behind, this quantum is lost whole.
    pub fn write(&mut self, frame: Frame, audio: &[Frames]) {
        let len = 1 + self.channels * QUANTUM;
        let Ok(mut chunk) = self.ring.write_chunk(len) else { return };
        // The ring holds whole quanta, so the second slice is empty.
        if let Some((first, rows)) = chunk.as_mut_slices().0.split_first_mut() {
            *first = f64::from_bits(frame);
            rows.chunks_exact_mut(QUANTUM).zip(audio).for_each(|(row, x)| row.copy_from_slice(x));
        }
        chunk.commit_all();
    }
}

#[allow(clippy::disallowed_methods, reason = "the reader's side")]
impl TapReader {
    /// The next quantum, if one has arrived.
    pub fn read(&mut self) -> Option<TapChunk> {
        let len = 1 + self.channels * QUANTUM;
        let chunk = self.ring.read_chunk(len).ok()?;
        let (frame, rows) = chunk.as_slices().0.split_first()?;
        let frame = frame.to_bits();
        let audio = rows.as_chunks::<QUANTUM>().0.to_vec();
        chunk.commit_all();
        let missed = self.next.map_or(0, |n| frame.saturating_sub(n));
        self.next = Some(frame + QUANTUM as u64);
        Some(TapChunk { frame, missed, audio })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_knows_what_it_missed() {
        let (mut tap, mut reader) = Tap::new(TapPoint::Out, 1, 2 * QUANTUM);
        for q in 0..5u64 {
            tap.write(q * 64, &[[q as f64; QUANTUM]]);
        }
        assert_eq!(reader.read().map(|c| (c.frame, c.missed)), Some((0, 0)));
        assert_eq!(reader.read().map(|c| (c.frame, c.missed)), Some((64, 0)));
        assert_eq!(reader.read(), None);
        tap.write(320, &[[5.0; QUANTUM]]);
        let c = reader.read().unwrap();
        assert_eq!((c.frame, c.missed, c.audio[0][63]), (320, 192, 5.0));
    }
}
