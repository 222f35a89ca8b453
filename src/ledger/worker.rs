// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread of the ledger: reads the tap of the running track, does what is asked on the frame that the
//! engine had reached when it was asked, watches the engine, and gives what is to be kept to the disk's thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::tap::{Tap, TapId, TapReader};
use lathe_core::engine::{Frame, Status, TapPoint};
use lathe_core::units::Layout;

use super::book::{Book, blank};
use super::keeper::Desk;
use super::{LedgerError, NOT_OPEN, Shown, now_unix_ms};
use crate::control::Handle;
use crate::control::taps::place;
use crate::store::{Album, MAX_TRACKS, Track, TrackState};

/// Between two reads of a tap, and between two looks around when nothing runs.
const POLL: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(200);
/// Between two looks at the engine.
const LOOK: Duration = Duration::from_millis(20);
/// Between two saves while a track runs: what a kill may cost.
pub const SAVE: Duration = Duration::from_secs(10);
/// How long a start waits for the first frame, an end for the last, and a tap for its place.
const FIRST: Duration = Duration::from_millis(1500);
const LAST: Duration = Duration::from_millis(500);
/// Seconds that a tap holds while this thread does not run.
const RING: usize = 4;
/// Quanta that are taken between two looks.
const AT_ONCE: usize = 256;

/// What a ledger does by itself.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub save_every: Duration,
    /// It starts, pauses and resumes with the server's transport.
    pub follows: bool,
}

/// What may be asked.
#[derive(Clone, Debug)]
pub enum Verb {
    Show,
    Start {
        name: String,
        tap: String,
    },
    Pause,
    Resume,
    Close,
    /// The album is over, and another one begins.
    Turn {
        name: String,
    },
}

/// What is answered: how the ledger stands, and the number of what is to be on the disk.
pub type Answer = Result<(Shown, u64), LedgerError>;

/// One thing asked for.
pub struct Ask {
    pub verb: Verb,
    pub reply: SyncSender<Answer>,
}

/// The engine that can be heard, and a tap in it.
struct Sound {
    engine: Arc<Status>,
    point: TapPoint,
    /// Of the tap.
    layout: Layout,
    rate: u32,
}

/// A tap in an engine.
struct Line {
    engine: Arc<Status>,
    tap: TapId,
    name: String,
    layout: Layout,
    reader: TapReader,
    /// Glitches that the server had told of before.
    xruns: u64,
}

pub struct Worker {
    host: Handle,
    desk: Arc<Desk>,
    book: Book,
    line: Option<Line>,
    /// The engine whose frames the book knows.
    engine: Option<Arc<Status>>,
    looked: Instant,
    /// What the transport did when it was last followed; `None` in one that is not followed.
    rolling: Option<bool>,
    follows: bool,
    saved: Instant,
    save_every: Duration,
    /// The number of what was last given to the disk.
    given: u64,
}

impl Worker {
    pub fn new(host: Handle, desk: Arc<Desk>, book: Book, habits: Habits) -> Worker {
        let Habits { save_every, follows } = habits;
        let now = Instant::now();
        Worker {
            host,
            desk,
            book,
            line: None,
            engine: None,
            looked: now,
            rolling: None,
            follows,
            saved: now,
            save_every,
            given: 0,
        }
    }

    /// Ledger thread. Until nobody can ask any more.
    pub fn run(mut self, asks: &Receiver<Ask>) {
        loop {
            let patience = match (self.book.is_running(), self.follows) {
                (true, _) => POLL,
                (_, true) => LOOK,
                _ => IDLE,
            };
            match asks.recv_timeout(patience) {
                Ok(Ask { verb, reply }) => {
                    let done = self.perform(verb);
                    // Who asked may have gone.
                    let _ = reply.send(done.map(|()| (self.shown(), self.given)));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
            self.pump(None);
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                self.look();
            }
            if self.book.is_running() && self.saved.elapsed() >= self.save_every {
                self.save(None);
            }
        }
    }

    fn finish(mut self) {
        if self.line.is_some() {
            self.settle();
            self.hang_up();
        }
        self.save(None);
    }

    fn shown(&self) -> Shown {
        Shown { album: self.book.shown(), unsaved: String::new() }
    }

    fn save(&mut self, over: Option<Album>) {
        self.saved = Instant::now();
        self.given = self.desk.give(self.book.file(now_unix_ms()), over);
    }

    fn perform(&mut self, verb: Verb) -> Result<(), LedgerError> {
        match verb {
            Verb::Show => {
                self.pump(None);
                return Ok(());
            }
            Verb::Start { name, tap } => self.start(&name, &tap)?,
            Verb::Pause => self.pause()?,
            Verb::Resume => self.resume()?,
            Verb::Close => {
                self.book.track().ok_or(NOT_OPEN)?;
                self.settle();
                self.book.close("closed", now_unix_ms());
                self.hang_up();
            }
            Verb::Turn { name } => {
                self.settle();
                let over = self.book.turn_over(Album::new(&name, now_unix_ms()), now_unix_ms());
                self.hang_up();
                self.save((!over.tracks.is_empty()).then_some(over));
                return Ok(());
            }
        }
        self.save(None);
        Ok(())
    }

    /// The engine that runs, if somebody can hear it, it does not play the demo, and it has the tap.
    fn sound(&self, tap: &str) -> Result<Sound, LedgerError> {
        let audio = self.host.audio();
        if audio.audible && audio.source == "demo" {
            return Err(LedgerError::Demo);
        }
        let why = match (audio.hung, audio.audible, self.host.control().sound()) {
            (true, ..) => "the audio server hangs",
            (_, false, _) => "no audio runs",
            (.., None) => "no engine runs",
            (.., Some(s)) => match place(tap, &s.spec) {
                Some((point, layout)) => {
                    return Ok(Sound { engine: s.status, point, layout, rate: s.spec.sample_rate });
                }
                None => return Err(LedgerError::Unheard(gone(tap))),
            },
        };
        Err(LedgerError::Unheard(why.into()))
    }

    fn start(&mut self, name: &str, tap: &str) -> Result<(), LedgerError> {
        self.host.control().check_taps(&[tap.to_string()])?;
        let sound = self.sound(tap)?;
        let album = self.book.album();
        if album.tracks.len() >= MAX_TRACKS {
            return Err(LedgerError::Full);
        }
        let layout = sound.layout.name();
        if !album.layout.is_empty() && album.layout != layout {
            return Err(LedgerError::Layout { album: album.layout.clone(), sound: layout });
        }
        // The same tap of the same engine goes on: not a frame is lost between two tracks.
        let goes_on =
            |l: &Line| Arc::ptr_eq(&l.engine, &sound.engine) && l.name == tap && l.layout == sound.layout;
        let same = self.line.as_ref().is_some_and(goes_on) && self.book.track().is_some();
        let line = if same { None } else { Some(self.arm(tap, &sound)?) };
        self.settle();
        let now = now_unix_ms();
        let why = format!("followed by \"{name}\"");
        if same {
            self.book.end_track(&why, now);
        } else {
            self.book.close(&why, now);
            self.hang_up();
            self.connect(line);
        }
        let track = Track {
            name: name.to_string(),
            tap: tap.to_string(),
            sample_rate: sound.rate,
            layout,
            state: TrackState::Running,
            why: String::new(),
            begun_unix_ms: now,
            ended_unix_ms: None,
            start_frame: 0,
            position: 0,
            pauses: 0,
            interruptions: 0,
            xruns: 0,
            figures: blank(sound.rate, &sound.layout),
        };
        self.book.begin(track, &sound.layout).map_err(LedgerError::Unheard)?;
        if !self.hears(0) {
            self.book.abandon();
            self.hang_up();
            self.save(None);
            return Err(LedgerError::Unheard("no audio came".into()));
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), LedgerError> {
        self.book.track().ok_or(NOT_OPEN)?;
        if self.book.is_running() {
            self.settle();
            self.book.pause();
            self.hang_up();
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), LedgerError> {
        let track = self.book.track().ok_or(NOT_OPEN)?.clone();
        if track.state == TrackState::Running {
            return Ok(());
        }
        let sound = self.sound(&track.tap)?;
        if let Some(why) = differs(&track, &sound) {
            return Err(LedgerError::Unheard(format!("{why}; close it and start another")));
        }
        let (line, before) = (self.arm(&track.tap, &sound)?, self.book.frames());
        self.connect(Some(line));
        self.book.resume();
        if !self.hears(before) {
            self.book.pause();
            self.hang_up();
            return Err(LedgerError::Unheard("no audio came".into()));
        }
        Ok(())
    }

    /// Takes what has come, up to a frame; true if there was something.
    fn pump(&mut self, until: Option<Frame>) -> bool {
        let mut reached = self.book.reached();
        let Some(line) = &mut self.line else { return false };
        let mut taken = Vec::new();
        while taken.len() < AT_ONCE && until.is_none_or(|at| reached.is_none_or(|r| r < at)) {
            let Some(chunk) = line.reader.read() else { break };
            reached = Some(chunk.frame + QUANTUM as u64);
            taken.push(chunk);
        }
        // A slot that is taken out of the rack leaves a tap that gives silence. If it is still accepted now, it
        // was in the sound of what was read before.
        if taken.is_empty() || self.line_gone().is_some() {
            return false;
        }
        taken.iter().for_each(|chunk| self.book.chunk(chunk));
        true
    }

    /// Why the tap of the running track is not in the accepted rack any more.
    fn line_gone(&self) -> Option<String> {
        let line = self.line.as_ref()?;
        let sound = self.host.control().sound()?;
        match place(&line.name, &sound.spec) {
            Some((_, layout)) if layout == line.layout => None,
            Some(_) => Some(format!("{} has other channels now", line.name)),
            None => Some(gone(&line.name)),
        }
    }

    /// Takes all up to the frame that the engine has reached now.
    fn settle(&mut self) {
        let Some(line) = &self.line else { return };
        let (at, end) = (line.engine.frame.load(Relaxed), Instant::now() + LAST);
        while self.book.reached().is_none_or(|r| r < at) && Instant::now() < end {
            if !self.pump(Some(at)) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Waits until more frames count than before; false if none come.
    fn hears(&mut self, before: u64) -> bool {
        let end = Instant::now() + FIRST;
        while self.book.frames() <= before {
            if Instant::now() > end {
                return false;
            }
            if !self.pump(None) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        true
    }

    /// Sends a tap to the engine.
    fn arm(&self, tap: &str, sound: &Sound) -> Result<Line, LedgerError> {
        let name = tap.to_string();
        let frames = (RING * sound.rate as usize).next_multiple_of(QUANTUM);
        let (tap, reader) = Tap::new(sound.point, sound.layout.len(), frames);
        let (id, mut tap) = (tap.id, Box::new(tap));
        let end = Instant::now() + LAST;
        loop {
            let mut control = self.host.control();
            if !control.status().is_some_and(|s| Arc::ptr_eq(s, &sound.engine)) {
                return Err(LedgerError::Unheard("the engine was replaced at this moment; try again".into()));
            }
            // A slot that was put in at this moment is heard once its chain runs.
            let runs = control.sound().is_some_and(|s| s.status.chain.load(Relaxed) >= s.revision);
            if runs {
                match control.arm(tap) {
                    Ok(()) => break,
                    Err(back) => tap = back,
                }
            }
            drop(control);
            if Instant::now() > end {
                return Err(LedgerError::Unheard("the engine takes no commands".into()));
            }
            std::thread::sleep(POLL);
        }
        let xruns = self.host.audio().xruns;
        let (engine, layout) = (sound.engine.clone(), sound.layout.clone());
        Ok(Line { engine, tap: id, name, layout, reader, xruns })
    }

    /// What is heard from now on.
    fn connect(&mut self, line: Option<Line>) {
        let Some(line) = line else { return };
        if !self.engine.as_ref().is_some_and(|e| Arc::ptr_eq(e, &line.engine)) {
            self.book.forget_frames();
        }
        self.engine = Some(line.engine.clone());
        self.line = Some(line);
    }

    /// Takes the tap home. An engine that is gone has none of ours.
    fn hang_up(&mut self) {
        let Some(line) = self.line.take() else { return };
        let end = Instant::now() + LAST;
        while Instant::now() < end {
            let mut control = self.host.control();
            let same = control.status().is_some_and(|s| Arc::ptr_eq(s, &line.engine));
            if !same || control.disarm(line.tap) {
                return;
            }
            drop(control);
            std::thread::sleep(POLL);
        }
        tracing::error!("the engine does not give the ledger's tap back");
    }

    /// Is it still the same engine, and does somebody hear it? If not, waits for the next one.
    fn look(&mut self) {
        let audio = self.host.audio();
        if self.follows && audio.rolling != self.rolling {
            self.rolling = audio.rolling;
            self.follow();
        }
        if let Some(line) = &mut self.line {
            let xruns = audio.xruns.saturating_sub(line.xruns);
            if xruns > 0 {
                line.xruns = audio.xruns;
                self.book.note_xruns(xruns);
            }
            let engine = line.engine.clone();
            let same = self.host.control().status().is_some_and(|s| Arc::ptr_eq(s, &engine));
            let gone = self.line_gone();
            if same && audio.audible && !audio.hung && gone.is_none() {
                return;
            }
            // What the engine gave before is still to be had.
            while self.pump(None) {}
            let why = match (audio.hung, audio.audible, gone) {
                (true, ..) => "the audio server hangs".into(),
                (_, false, _) => "the audio server is gone".into(),
                (.., Some(gone)) if same => gone,
                _ => "the engine was replaced".to_string(),
            };
            tracing::warn!("the running track is interrupted: {why}");
            self.book.lose(&why);
            self.hang_up();
            self.save(None);
        } else if let Some(track) = self.book.track().filter(|t| t.state == TrackState::Running).cloned() {
            self.rejoin(&track);
        }
    }

    /// The transport has started or stopped: so does the track.
    fn follow(&mut self) {
        let state = self.book.track().map(|t| t.state);
        let verb = match (self.rolling, state) {
            (Some(true), None) => {
                let name = format!("Track {}", self.book.album().tracks.len() + 1);
                Verb::Start { name, tap: super::DEFAULT_TAP.into() }
            }
            (Some(true), Some(TrackState::Paused)) => Verb::Resume,
            (Some(false), Some(TrackState::Running)) => Verb::Pause,
            _ => return,
        };
        if let Err(why) = self.perform(verb) {
            tracing::warn!("the ledger does not follow the transport: {why}");
        }
    }

    /// The running track goes on, if there is sound for it.
    fn rejoin(&mut self, track: &Track) {
        let sound = match self.sound(&track.tap) {
            Ok(sound) => sound,
            Err(why) => return self.book.wait_for(&format!("it waits: {why}")),
        };
        if let Some(why) = differs(track, &sound) {
            tracing::warn!(track = track.name, "the track is closed: {why}");
            self.book.close(&why, now_unix_ms());
            return self.save(None);
        }
        match self.arm(&track.tap, &sound) {
            Ok(line) => {
                self.connect(Some(line));
                self.book.resume();
            }
            Err(why) => self.book.wait_for(&format!("it waits: {why}")),
        }
    }
}

/// Why this sound cannot be of this track.
fn differs(track: &Track, sound: &Sound) -> Option<String> {
    let layout = sound.layout.name();
    if track.sample_rate != sound.rate {
        return Some(format!("the rate changed from {} Hz to {} Hz", track.sample_rate, sound.rate));
    }
    (track.layout != layout).then(|| format!("the layout changed from {} to {layout}", track.layout))
}

/// What is said of a tap that the rack does not have now.
fn gone(tap: &str) -> String {
    format!("the rack has no {tap}")
}
