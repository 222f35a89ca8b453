// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rows of a spectrogram: so many a second, a byte for each point of an even grid of octaves.
//!
//! A byte b is −120 + b/2 dBFS (0 is that or less, 255 is 7.5 or more), rounded to the nearest: 1/24 octave from
//! 20 Hz to 20 kHz at 30 rows a second is 7.2 kB/s. A row is the mean of the windows that ended in its time;
//! coarser resolutions, whose windows come less often, stand until the next. Readers keep the number of the
//! row that they want next; the newest rows are kept for the slow ones.

use std::collections::VecDeque;

use super::spectrum_frames::{Averaging, OVERLAPS, Shape};
use super::spectrum_multi::{MultiAnalyser, MultiSettings};
use super::spectrum_settings::{Refused, Source, within};
use super::windows::Window;
use crate::dsp::{Frames, QUANTUM};

/// Rows a second that may be asked for.
const ROWS_HZ: (f64, f64) = (1.0, 60.0);
/// Seconds of rows that are kept.
const KEPT_SECONDS: f64 = 4.0;
/// Level of the byte 0, and bytes per dB.
pub const BYTE_LOW_DB: f64 = -120.0;
pub const BYTES_PER_DB: f64 = 2.0;

#[derive(Clone, Debug, PartialEq)]
pub struct SpectrogramSettings {
    pub sources: Vec<Source>,
    pub size: usize,
    pub window: Window,
    /// 1, or 3: at the rate, a quarter and a sixteenth of it.
    pub resolutions: usize,
    /// In an octave.
    pub points: usize,
    pub low_hz: f64,
    pub high_hz: f64,
    /// Rows a second.
    pub rows_hz: f64,
}

impl SpectrogramSettings {
    /// 30 rows a second of 1/24 octave from 20 Hz to 20 kHz, 4096 points at one resolution.
    pub fn new(sources: &[Source]) -> Self {
        SpectrogramSettings {
            sources: sources.to_vec(),
            size: 4096,
            window: Window::default(),
            resolutions: 1,
            points: 24,
            low_hz: 20.0,
            high_hz: 20_000.0,
            rows_hz: 30.0,
        }
    }

    /// The analyser that it looks through: at least one new window a row where the overlaps allow.
    fn multi(&self, rate: u32) -> MultiSettings {
        let row = f64::from(rate) / self.rows_hz;
        let fits = |o: &&usize| (self.size / **o) as f64 <= row;
        let overlap = *OVERLAPS.iter().find(fits).unwrap_or(&OVERLAPS[OVERLAPS.len() - 1]);
        MultiSettings {
            shape: Shape { size: self.size, window: self.window, overlap },
            resolutions: self.resolutions,
            averaging: Averaging::Infinite,
            hold_decay: 0.0,
            points: self.points,
            low_hz: self.low_hz,
            high_hz: self.high_hz,
            ..MultiSettings::new(&self.sources)
        }
    }
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Rows are numbered from 0, without holes.
    pub number: u64,
    /// Frames from the start to the row's end, missed ones included.
    pub end: u64,
    /// Frames missed between the row before and this one.
    pub frames_missed: u64,
    /// Of each source, lowest frequency first.
    pub levels: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub struct Spectrogram {
    analyser: MultiAnalyser,
    sources: usize,
    hz: Vec<f64>,
    /// Frames a row, as a fraction; frames since the start or the gap, and the end of the next row there.
    rate: f64,
    rows_hz: f64,
    frame: u64,
    since: u64,
    ends: u64,
    rows: VecDeque<Row>,
    kept: usize,
    next: u64,
    missed: u64,
}

impl Spectrogram {
    /// For a tap of so many channels at a rate in Hz.
    pub fn new(rate: u32, channels: usize, settings: &SpectrogramSettings) -> Result<Self, Refused> {
        within("rows a second", settings.rows_hz, ROWS_HZ, "Hz")?;
        let analyser = MultiAnalyser::new(rate, channels, &settings.multi(rate))?;
        let kept = (KEPT_SECONDS * settings.rows_hz).ceil() as usize;
        Ok(Spectrogram {
            hz: analyser.hz(),
            analyser,
            sources: settings.sources.len(),
            rate: f64::from(rate),
            rows_hz: settings.rows_hz,
            frame: 0,
            since: 0,
            ends: 0,
            rows: VecDeque::with_capacity(kept),
            kept,
            next: 0,
            missed: 0,
        })
    }

    /// Drops the rows that are kept; their numbers go on.
    pub fn reset(&mut self) {
        self.rows.clear();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.analyser.process(audio);
        self.frame += QUANTUM as u64;
        self.since += QUANTUM as u64;
        let end = (self.ends + 1) as f64 * self.rate / self.rows_hz;
        if self.since as f64 >= end {
            self.ends += 1;
            self.end_row();
        }
    }

    fn end_row(&mut self) {
        let bytes = |source| Some(self.analyser.powers(source, &self.hz)?.into_iter().map(byte).collect());
        let Some(levels) = (0..self.sources).map(bytes).collect() else { return };
        if self.rows.len() == self.kept {
            self.rows.pop_front();
        }
        let row = Row { number: self.next, end: self.frame, frames_missed: self.missed, levels };
        self.rows.push_back(row);
        (self.next, self.missed) = (self.next + 1, 0);
        self.analyser.restart();
    }

    /// These many frames were missed before what comes next; no row spans them.
    pub fn gap(&mut self, frames: u64) {
        self.analyser.gap(frames);
        self.analyser.forget();
        self.frame += frames;
        self.missed += frames;
        (self.since, self.ends) = (0, 0);
    }

    /// Frequencies of the bytes of a row.
    pub fn hz(&self) -> &[f64] {
        &self.hz
    }

    /// The number that the next row will have: where a new reader begins.
    pub fn next_row(&self) -> u64 {
        self.next
    }

    /// The rows from this number on that are still kept, oldest first.
    pub fn rows_from(&self, number: u64) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |r| r.number >= number)
    }
}

/// The byte of a power.
fn byte(power: f64) -> u8 {
    let level = f64::from(super::spectrum_settings::power_db(power));
    ((level - BYTE_LOW_DB) * BYTES_PER_DB + 0.5).clamp(0.0, 255.0) as u8
}
