// SPDX-License-Identifier: MIT OR Apache-2.0
//! The album with its tracks and what integrates them: knows audio and moments, no engine and no disk.
//! Ledger thread.
//!
//! The album has an integrator of its own that hears what the running track hears, so that it is one programme
//! and not a mean of tracks. Sound after a pause or an interruption does not join the sound before it; a track
//! that follows another without a gap does.

use lathe_core::analysis::integrator::Saved;
use lathe_core::analysis::{Figures, Integrator, IntegratorSettings};
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Frame;
use lathe_core::engine::tap::TapChunk;
use lathe_core::units::{Layout, Role};

use crate::store::{Album, LedgerFile, Track, TrackState};

/// What a running track does that was just read back.
const WAITS: &str = "it waits for sound";

/// An integrator, and where the sound it had last ended.
struct Ear {
    of: Integrator,
    /// The frame after the last one, if the engine is still the same.
    last: Option<Frame>,
    /// What comes next joins what came before.
    joined: bool,
}

impl Ear {
    fn new(rate: u32, layout: &Layout) -> Ear {
        let of = Integrator::new(rate, layout, IntegratorSettings::default());
        Ear { of, last: None, joined: true }
    }

    fn resume(rate: u32, layout: &Layout, saved: &Saved) -> Result<Ear, String> {
        let of = Integrator::resume(rate, layout, IntegratorSettings::default(), saved);
        Ok(Ear { of: of.map_err(|e| e.to_string())?, last: None, joined: false })
    }

    fn chunk(&mut self, chunk: &TapChunk) {
        if !self.joined {
            self.of.gap(self.last.map_or(0, |last| chunk.frame.saturating_sub(last)));
            self.of.set_paused(false);
            self.joined = true;
        } else if chunk.missed > 0 {
            self.of.gap(chunk.missed);
        }
        self.of.process(&chunk.audio);
        self.last = Some(chunk.frame + QUANTUM as u64);
    }

    fn pause(&mut self) {
        self.of.set_paused(true);
        self.joined = false;
    }

    /// The sound was lost.
    fn lose(&mut self) {
        self.joined = false;
    }
}

/// The album that is being made.
pub struct Book {
    album: Album,
    whole: Option<Ear>,
    /// Of the last track, if it is open.
    open: Option<Ear>,
}

impl Book {
    pub fn new(album: Album) -> Book {
        Book { album, whole: None, open: None }
    }

    /// Goes on from what was kept. A track that ran was interrupted, and runs on.
    ///
    /// # Errors
    /// What was integrated cannot be taken.
    pub fn load(file: LedgerFile) -> Result<Book, String> {
        let LedgerFile { album, whole, open, .. } = file;
        let mut book = Book::new(album);
        if let Some(saved) = whole {
            let layout = layout(&book.album.layout)?;
            book.whole = Some(Ear::resume(book.album.sample_rate, &layout, &saved)?);
        }
        if let (Some(saved), Some(track)) = (open, book.album.tracks.last_mut()) {
            book.open = Some(Ear::resume(track.sample_rate, &layout(&track.layout)?, &saved)?);
            if track.state == TrackState::Running {
                track.interruptions = track.interruptions.saturating_add(1);
                track.why = WAITS.into();
            }
        }
        Ok(book)
    }

    /// What is to be kept.
    pub fn file(&self, now_unix_ms: u64) -> LedgerFile {
        LedgerFile {
            saved_unix_ms: now_unix_ms,
            album: self.shown(),
            whole: self.whole.as_ref().map(|e| e.of.save()),
            open: self.open.as_ref().map(|e| e.of.save()),
        }
    }

    /// The album with all figures as they are now.
    pub fn shown(&self) -> Album {
        let mut album = self.album.clone();
        album.figures = self.whole.as_ref().map(|e| e.of.figures());
        if let (Some(ear), Some(track)) = (&self.open, album.tracks.last_mut()) {
            (track.figures, track.position) = (ear.of.figures(), ear.of.position());
        }
        album
    }

    pub fn album(&self) -> &Album {
        &self.album
    }

    /// The open track.
    pub fn track(&self) -> Option<&Track> {
        self.album.tracks.last().filter(|t| !t.is_closed())
    }

    fn track_mut(&mut self) -> Option<&mut Track> {
        self.album.tracks.last_mut().filter(|t| !t.is_closed())
    }

    pub fn is_running(&self) -> bool {
        self.track().is_some_and(|t| t.state == TrackState::Running)
    }

    /// Frames of the open track that count.
    pub fn frames(&self) -> u64 {
        self.open.as_ref().map_or(0, |e| e.of.frames())
    }

    /// The engine's frame that the open track has reached.
    pub fn reached(&self) -> Option<Frame> {
        self.open.as_ref().and_then(|e| e.last)
    }

    /// A new track; the one before is closed. Its figures and frames are to come.
    ///
    /// # Errors
    /// The album is of another layout.
    pub fn begin(&mut self, track: Track, layout: &Layout) -> Result<(), String> {
        let rate = track.sample_rate;
        if !self.album.layout.is_empty() && self.album.layout != track.layout {
            return Err(format!(
                "the album is in {}, and the sound in {}; begin another album",
                self.album.layout, track.layout
            ));
        }
        match &mut self.whole {
            Some(whole) if self.album.sample_rate != rate => {
                // Frames of the album are counted at the rate of its last track.
                *whole = Ear::resume(rate, layout, &whole.of.save().at_rate(rate))?;
            }
            Some(_) => {}
            whole => *whole = Some(Ear::new(rate, layout)),
        }
        self.open = Some(Ear::new(rate, layout));
        (self.album.sample_rate, self.album.layout) = (rate, track.layout.clone());
        self.album.tracks.push(track);
        Ok(())
    }

    /// The track that was begun has heard nothing: it was none.
    pub fn abandon(&mut self) {
        self.open = None;
        self.album.tracks.pop();
        match (self.album.tracks.last(), &mut self.whole) {
            (None, whole) => {
                *whole = None;
                (self.album.sample_rate, self.album.layout) = (0, String::new());
            }
            (Some(_), Some(whole)) => whole.pause(),
            _ => {}
        }
    }

    /// One quantum, and what was lost before it.
    pub fn chunk(&mut self, chunk: &TapChunk) {
        let Some(open) = &mut self.open else { return };
        if open.of.position() == 0
            && let Some(track) = self.album.tracks.last_mut()
        {
            track.start_frame = chunk.frame;
        }
        open.chunk(chunk);
        self.whole.iter_mut().for_each(|e| e.chunk(chunk));
    }

    fn ears(&mut self) -> impl Iterator<Item = &mut Ear> {
        self.open.iter_mut().chain(&mut self.whole)
    }

    /// What comes next does not count.
    pub fn pause(&mut self) {
        self.ears().for_each(Ear::pause);
        if let Some(track) = self.track_mut() {
            track.state = TrackState::Paused;
            track.pauses = track.pauses.saturating_add(1);
            track.why.clear();
        }
    }

    /// What comes next counts again.
    pub fn resume(&mut self) {
        if let Some(track) = self.track_mut() {
            track.state = TrackState::Running;
            track.why.clear();
        }
    }

    /// The track is over; what comes next is of no track.
    pub fn close(&mut self, why: &str, now_unix_ms: u64) {
        self.end_track(why, now_unix_ms);
        self.whole.iter_mut().for_each(Ear::pause);
    }

    /// The track is over; what comes next is of the next one.
    pub fn end_track(&mut self, why: &str, now_unix_ms: u64) {
        let Some(mut ear) = self.open.take() else { return };
        ear.of.close();
        if let Some(track) = self.track_mut() {
            (track.figures, track.position) = (ear.of.figures(), ear.of.position());
            (track.state, track.why) = (TrackState::Closed, why.to_string());
            track.ended_unix_ms = Some(now_unix_ms);
        }
    }

    /// The sound of the running track was lost; it waits for more.
    pub fn lose(&mut self, why: &str) {
        self.ears().for_each(Ear::lose);
        if let Some(track) = self.track_mut() {
            track.interruptions = track.interruptions.saturating_add(1);
            track.why = why.to_string();
        }
    }

    /// Why the running track waits; empty if it does not.
    pub fn wait_for(&mut self, why: &str) {
        if let Some(track) = self.track_mut().filter(|t| t.why != why) {
            track.why = why.to_string();
        }
    }

    /// Another engine counts its frames anew.
    pub fn forget_frames(&mut self) {
        self.ears().for_each(|e| e.last = None);
    }

    pub fn note_xruns(&mut self, count: u64) {
        if let Some(track) = self.track_mut() {
            track.xruns = track.xruns.saturating_add(count);
        }
    }

    /// The album is over: gives it away, and begins the next one.
    pub fn turn_over(&mut self, next: Album, now_unix_ms: u64) -> Album {
        self.close("the album ended", now_unix_ms);
        let mut album = self.shown();
        album.ended_unix_ms = Some(now_unix_ms);
        *self = Book::new(next);
        album
    }
}

/// The figures of a track that has heard nothing yet.
pub fn blank(rate: u32, layout: &Layout) -> Figures {
    Integrator::new(rate, layout, IntegratorSettings::default()).figures()
}

/// A layout by what [`Layout::name`] gave.
pub fn layout(name: &str) -> Result<Layout, String> {
    let roles = || name.split('+').map(Role::from_name).collect::<Option<Vec<Role>>>();
    let found = Layout::named(name).or_else(|| roles().map(|r| Layout::new(&r)));
    found.ok_or_else(|| format!("{name:?} is no layout"))
}
