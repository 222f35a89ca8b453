// SPDX-License-Identifier: MIT OR Apache-2.0
//! The recorder of one print, on a thread of its own: reads the tap, writes, watches the engine and the
//! disk, and completes the file whatever happened. The tap's ring is what a slow disk has in time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Status;
use lathe_core::engine::tap::{TapId, TapReader};

use super::entry::{Entry, Fault, FaultKind, State};
use super::facts::{values, values_hash};
use super::folder::Folder;
use super::live::{Ask, Live, Progress};
use super::now_unix_ms;
use super::take::Take;
use crate::control::Handle;

/// Between two reads of a tap that has nothing new.
const POLL: Duration = Duration::from_millis(5);
/// Between two looks at the engine.
const LOOK: Duration = Duration::from_millis(20);
/// Between two showings of the readings.
const SHOW: Duration = Duration::from_millis(100);
/// Between two checkpoints: what a kill may cost.
const CHECKPOINT: Duration = Duration::from_secs(1);
/// Audio that has not come for so long will not come.
const SILENT: Duration = Duration::from_secs(2);
/// The server may tell of a glitch so long after it.
const TOLD_LATE: Duration = Duration::from_millis(30);
/// Bytes of memory for one print's buffer.
const MAX_BUFFER: usize = 256 << 20;
/// Quanta that are taken between two looks.
const AT_ONCE: usize = 256;

/// Why it ended.
#[derive(Debug)]
pub enum End {
    Asked(Ask),
    /// It has as many frames as were wanted.
    Complete,
    /// The engine is another one, or nobody can hear it.
    Lost(String),
    Disk(io::Error),
    /// Bytes free, and bytes that are to stay free.
    Space(u64, u64),
}

/// Everything the thread has.
pub struct Recorder {
    pub host: Handle,
    pub folder: Arc<dyn Folder>,
    pub live: Arc<Live>,
    /// The engine that the tap is in.
    pub engine: Arc<Status>,
    pub tap: TapId,
    pub reader: TapReader,
    pub take: Take,
    pub entry: Entry,
    /// Frames that the tap holds.
    pub buffer: u64,
    /// Bytes that are to stay free.
    pub spare: u64,
    /// Glitches that the server had told of before.
    pub xruns: u64,
}

impl Recorder {
    /// Recorder thread. From the first quantum to the file on the disk.
    pub fn run(mut self) {
        self.write_sidecar(false);
        let end = self.record();
        self.finish(end);
    }

    fn record(&mut self) -> End {
        let start = Instant::now();
        let (mut heard, mut looked, mut shown, mut checked) = (start, start, start, start);
        let mut until = None;
        loop {
            let some = match self.pump(until) {
                Ok(some) => some,
                Err(e) => return End::Disk(e),
            };
            let now = Instant::now();
            match self.live.asked() {
                _ if self.take.is_complete() => return End::Complete,
                Ask::Nothing => {}
                Ask::GiveUp => return End::Asked(Ask::GiveUp),
                ask => {
                    // To the frame that the engine had reached when it was asked.
                    let at = *until.get_or_insert_with(|| self.engine.frame.load(Relaxed));
                    if self.take.position() >= at {
                        return End::Asked(ask);
                    }
                }
            }
            if some {
                heard = now;
            } else if now - heard > SILENT {
                return End::Lost("no audio came for 2 s".into());
            }
            if now - looked >= LOOK {
                looked = now;
                if let Some(end) = self.look() {
                    return end;
                }
            }
            if now - shown >= SHOW || self.entry.frames == 0 && self.take.frames > 0 {
                shown = now;
                self.show();
            }
            if now - checked >= CHECKPOINT {
                checked = now;
                if let Some(end) = self.check() {
                    return end;
                }
            }
            if !some {
                std::thread::sleep(POLL);
            }
        }
    }

    /// Takes what has come; true if there was something.
    fn pump(&mut self, until: Option<u64>) -> io::Result<bool> {
        for n in 0..AT_ONCE {
            let there = until.is_some_and(|at| self.take.position() >= at) || self.take.is_complete();
            if there {
                return Ok(n > 0);
            }
            let Some(chunk) = self.reader.read() else { return Ok(n > 0) };
            if let Some(gap) = self.take.chunk(&chunk)? {
                self.entry.note(gap);
            }
        }
        Ok(true)
    }

    fn count_xruns(&mut self, total: u64) {
        let count = total.saturating_sub(self.xruns);
        if count > 0 {
            self.xruns = total;
            let at_frame = self.take.frames;
            self.entry.note(Fault { kind: FaultKind::Xrun, at_frame, frames: 0, count });
        }
    }

    /// Is it still the same engine, and does somebody hear it?
    fn look(&mut self) -> Option<End> {
        let audio = self.host.audio();
        self.count_xruns(audio.xruns);
        let same = self.host.control().status().is_some_and(|s| Arc::ptr_eq(s, &self.engine));
        if same && audio.audible {
            return None;
        }
        // What the engine gave before is still to be had.
        while let Ok(true) = self.pump(None) {
            if self.take.is_complete() {
                return Some(End::Complete);
            }
        }
        let rate = self.entry.sample_rate;
        let why = match (audio.hung, audio.audible) {
            (true, _) => "the audio server hangs".to_string(),
            (_, false) => "the audio server is gone".to_string(),
            _ if audio.rate != rate => format!("the rate changed from {rate} Hz to {} Hz", audio.rate),
            _ => "the engine was replaced, as the rack has other channels or had failed".to_string(),
        };
        Some(End::Lost(why))
    }

    /// The file on the disk and the room left there.
    fn check(&mut self) -> Option<End> {
        let frames = match self.take.checkpoint() {
            Ok(frames) => frames,
            Err(e) => return Some(End::Disk(e)),
        };
        // What the next start finds, should this be the last.
        let entry = Entry { frames, ..self.entry.clone() };
        if let Err(e) = put_sidecar(&*self.folder, &entry, false) {
            tracing::warn!(print = entry.name, "its sidecar was not written: {e}");
        }
        match self.folder.free() {
            Ok(free) if free < self.spare => Some(End::Space(free, self.spare)),
            Ok(_) => None,
            Err(e) => Some(End::Disk(e)),
        }
    }

    fn show(&mut self) {
        let behind = self.engine.frame.load(Relaxed).saturating_sub(self.take.position());
        let buffer = (behind as f64 / self.buffer as f64).min(1.0);
        let r = self.take.readings();
        if self.entry.frames == 0 {
            self.entry.begin(now_unix_ms() - behind * 1000 / u64::from(self.entry.sample_rate));
        }
        self.entry.buffer_used = self.entry.buffer_used.max(buffer);
        self.entry.frames = self.take.frames;
        self.entry.start_frame = self.take.start.unwrap_or(0);
        self.entry.loudness = super::take::loudness(&r);
        let progress =
            Progress { buffer, momentary: r.momentary, short_term: r.short_term, true_peak: r.true_peak };
        self.live.show(&self.entry, progress);
    }

    /// Completes everything. Nothing that fails here loses what is on the disk.
    fn finish(mut self, end: End) {
        self.disarm();
        let gone = matches!(end, End::Asked(Ask::GiveUp)) || self.take.frames == 0;
        if gone {
            return self.leave_nothing(&end);
        }
        std::thread::sleep(TOLD_LATE);
        self.count_xruns(self.host.audio().xruns);
        self.entry.loudness = self.take.end();
        self.entry.start_frame = self.take.start.unwrap_or(0);
        self.entry.frames = self.take.frames;
        self.entry.state = State::Finishing;
        self.note_values();
        self.live.show(&self.entry, Progress::default());
        let mut wrong = match &end {
            End::Asked(Ask::Leave) => Ok("lathed was told to end"),
            End::Asked(_) => Ok("stopped"),
            End::Complete => Ok("it has its full length"),
            End::Lost(why) => Err(why.clone()),
            End::Disk(e) => Err(format!("the disk refused to take more: {e}")),
            End::Space(free, spare) => {
                let mib = |b: &u64| *b as f64 / f64::from(1 << 20);
                Err(format!("only {:.0} MiB are free, and {:.0} MiB are to stay so", mib(free), mib(spare)))
            }
        };
        if let Err(why) = self.complete(matches!(end, End::Disk(_))) {
            wrong = Err(why);
        }
        let (state, why) = match (wrong, self.entry.trouble()) {
            (Ok(why), None) => (State::Done, why.to_string()),
            (Ok(_), Some(trouble)) => (State::Failed, trouble),
            (Err(why), None) => (State::Failed, why),
            (Err(why), Some(trouble)) => (State::Failed, format!("{why}; before that, {trouble}")),
        };
        (self.entry.state, self.entry.why) = (state, why);
        self.write_sidecar(true);
        self.hash();
        self.tell();
    }

    /// Completes the file and gives it its name; what went wrong, if something did.
    fn complete(&mut self, failed: bool) -> Result<(), String> {
        let mut wrong = None;
        let mut done = self.take.finish(self.entry.bext(), failed);
        if let (Err(e), false) = (&done, failed) {
            wrong = Some(format!("the disk refused to take the end: {e}"));
            done = self.take.finish(self.entry.bext(), true);
        }
        match done {
            Ok(recorded) => {
                (self.entry.frames, self.entry.clipped_samples) = (recorded.frames, recorded.clipped);
            }
            Err(e) => wrong = Some(format!("the file could not be completed: {e}")),
        }
        let part = self.entry.part();
        if let Err(e) = self.folder.publish(&part, &self.entry.file) {
            wrong = Some(format!("the file could not get its name and is {part:?}: {e}"));
            self.entry.file = part;
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Whether something was changed since the start.
    fn note_values(&mut self) {
        let control = self.host.control();
        let (last, now) = (control.revision(), values(&control));
        drop(control);
        self.entry.revision_last = last;
        self.entry.changed =
            last != self.entry.revision_first || values_hash(&now) != self.entry.hashes.values;
    }

    /// Reads the file back; the hash is of what is on the disk.
    fn hash(&mut self) {
        match self.folder.hash(&self.entry.file) {
            Ok(hash) => self.entry.hashes.audio = Some(hash),
            Err(e) => {
                self.entry.state = State::Failed;
                self.entry.why = format!("the file cannot be read back: {e}");
            }
        }
        self.write_sidecar(true);
    }

    /// An engine that is gone has none of our taps.
    fn disarm(&self) {
        let end = Instant::now() + Duration::from_millis(500);
        while Instant::now() < end {
            let mut control = self.host.control();
            let same = control.status().is_some_and(|s| Arc::ptr_eq(s, &self.engine));
            if !same || control.disarm(self.tap) {
                return;
            }
            drop(control);
            std::thread::sleep(POLL);
        }
        tracing::error!(print = self.entry.name, "the engine does not give the tap back");
    }

    /// A print without a frame is none.
    fn leave_nothing(mut self, end: &End) {
        // The sidecar last: what has one is completed at the next start.
        for name in [self.entry.part(), self.entry.sidecar()] {
            if let Err(e) = self.folder.remove(&name) {
                tracing::warn!(print = self.entry.name, "{name} was not removed: {e}");
            }
        }
        self.entry.state = State::Failed;
        self.entry.why = match end {
            End::Lost(why) => why.clone(),
            End::Disk(e) => format!("the disk takes nothing: {e}"),
            _ => "no audio came".into(),
        };
        self.live.show(&self.entry, Progress::default());
    }

    fn write_sidecar(&self, durable: bool) {
        if let Err(e) = put_sidecar(&*self.folder, &self.entry, durable) {
            tracing::error!(print = self.entry.name, "its sidecar was not written: {e}");
        }
    }

    /// The end, for the log and those who wait. What only the sidecar has is let go.
    fn tell(mut self) {
        let Entry { name, frames, why, state, .. } = &self.entry;
        match state {
            State::Failed => tracing::warn!(print = name, frames, "the print failed: {why}"),
            _ => tracing::info!(print = name, frames, "printed: {why}"),
        }
        self.entry.slim();
        self.live.show(&self.entry, Progress::default());
    }
}

/// Writes all that is known beside the audio.
pub fn put_sidecar(folder: &dyn Folder, entry: &Entry, durable: bool) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(entry).map_err(io::Error::other)?;
    folder.put(&entry.sidecar(), &text, durable)
}

/// Frames that the tap of a print holds: so many seconds, less where that would take more memory than any
/// print may have, but two seconds at least.
pub fn buffer_frames(seconds: u32, rate: u32, channels: usize) -> usize {
    let (wanted, least) = (seconds as usize * rate as usize, 2 * rate as usize);
    wanted.min(MAX_BUFFER / (8 * channels.max(1))).max(least).next_multiple_of(QUANTUM)
}
