// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the equaliser remembers: its input, its detectors' and, every few quanta, its states. Audio thread but for `new`.
//!
//! With it a new design can live through the last seconds before it is heard.

use super::BANDS;
use super::cascade::Cascade;
use super::design::PLACES;
use super::dynamic::Memory;
use crate::dsp::svf::State;
use crate::dsp::{Frames, QUANTUM, SILENCE};

/// Frames remembered: 2.5 s at 48 kHz.
const FRAMES: usize = 120_000;
const QUANTA: u64 = (FRAMES / QUANTUM) as u64;

/// Quanta from one checkpoint of the states to the next.
const STRIDE: u64 = 8;

pub(super) struct History {
    channels: usize,
    /// `QUANTA` quanta of all channels; quantum `q` lies at `q % QUANTA`.
    audio: Vec<Frames>,
    /// What external detectors heard, likewise.
    external: Vec<Frames>,
    /// Before every quantum that `STRIDE` divides.
    checkpoints: Vec<State>,
    /// `BANDS` for every lane.
    memories: Vec<Memory>,
    /// Quanta seen since the start.
    now: u64,
    /// The first quantum that counts; nothing older is asked for.
    since: u64,
}

impl History {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub(super) fn new(channels: usize) -> History {
        let count = QUANTA.div_ceil(STRIDE) as usize * channels * PLACES;
        let mut h = History {
            channels,
            audio: vec![SILENCE; QUANTA as usize * channels],
            external: vec![SILENCE; QUANTA as usize * channels],
            checkpoints: vec![State::default(); count],
            memories: vec![Memory::default(); count / PLACES * BANDS],
            now: 0,
            since: 0,
        };
        // Touched here, so that the audio thread never meets a page for the first time.
        h.audio.iter_mut().chain(&mut h.external).for_each(|q| *std::hint::black_box(q) = SILENCE);
        h.checkpoints.iter_mut().for_each(|s| *std::hint::black_box(s) = State::default());
        h.memories.iter_mut().for_each(|m| *std::hint::black_box(m) = Memory::default());
        h
    }

    /// Takes in the coming quantum and, where one is due, the states before it.
    pub(super) fn push(&mut self, audio: &[Frames], external: &[Frames], heard: &Cascade) {
        let at = (self.now % QUANTA) as usize * self.channels;
        self.audio[at..at + self.channels].copy_from_slice(audio);
        self.external[at..at + self.channels].copy_from_slice(external);
        if self.now.is_multiple_of(STRIDE) {
            let at = self.checkpoint(self.now);
            for (seat, lane) in self.checkpoints[at * PLACES..].chunks_exact_mut(PLACES).zip(&heard.states) {
                seat.copy_from_slice(lane);
            }
            let memory = &heard.moves.memory;
            for (seat, lane) in self.memories[at * BANDS..].chunks_exact_mut(BANDS).zip(memory) {
                seat.copy_from_slice(lane);
            }
        }
        self.now += 1;
    }

    /// How far back from the quantum last pushed to begin, so that about `frames` frames lie between: as many
    /// quanta, up to a checkpoint, as far as there are any.
    pub(super) fn reach(&self, frames: f64) -> u64 {
        let last = self.now.saturating_sub(1);
        // The oldest seats are about to be written again.
        let oldest = self.since.max(self.now.saturating_sub(QUANTA - 2 * STRIDE));
        let wanted = last.saturating_sub((frames / QUANTUM as f64) as u64);
        let start = (wanted / STRIDE * STRIDE).max(oldest.next_multiple_of(STRIDE));
        last.saturating_sub(start)
    }

    /// Quanta pushed since the start.
    pub(super) fn quanta(&self) -> u64 {
        self.now
    }

    /// The number of the quantum `back` quanta before the one last pushed.
    pub(super) fn quantum(&self, back: u64) -> u64 {
        self.now - 1 - back
    }

    /// The states of one lane before the quantum `back` quanta before the one last pushed; `None` where there
    /// is no checkpoint that counts.
    pub(super) fn states(&self, back: u64, lane: usize) -> Option<&[State]> {
        let at = (self.checkpoint_at(back)? + lane) * PLACES;
        Some(&self.checkpoints[at..at + PLACES])
    }

    /// The same of the dynamic bands.
    pub(super) fn memories(&self, back: u64, lane: usize) -> Option<&[Memory]> {
        let at = (self.checkpoint_at(back)? + lane) * BANDS;
        Some(&self.memories[at..at + BANDS])
    }

    fn checkpoint_at(&self, back: u64) -> Option<usize> {
        let quantum = self.quantum(back);
        (quantum.is_multiple_of(STRIDE) && quantum >= self.since).then(|| self.checkpoint(quantum))
    }

    /// The audio `back` quanta before the one last pushed.
    pub(super) fn audio(&self, back: u64) -> &[Frames] {
        let at = ((self.now - 1 - back) % QUANTA) as usize * self.channels;
        &self.audio[at..at + self.channels]
    }

    /// What external detectors heard then.
    pub(super) fn external(&self, back: u64) -> &[Frames] {
        let at = ((self.now - 1 - back) % QUANTA) as usize * self.channels;
        &self.external[at..at + self.channels]
    }

    /// What was before is not asked for any more.
    pub(super) fn forget(&mut self) {
        self.since = self.now;
    }

    /// The first lane of the checkpoint before this quantum.
    fn checkpoint(&self, quantum: u64) -> usize {
        (quantum % QUANTA / STRIDE) as usize * self.channels
    }
}
