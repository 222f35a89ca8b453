// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints: main, the monitor or the input recorded to files while it plays.
//!
//! The audio thread copies quanta into a tap, as for a meter, and never waits for a disk. A print is whole
//! or says what is missing: one with a gap or an xrun is marked failed and kept, with where and how much.
//! What a print is lies beside its audio in `NAME.json`; while it records, the audio is `.NAME.wav.part`.
//!
//! | file | what it is |
//! |---|---|
//! | [`entry`] | all that is known of one print |
//! | [`want`] | what somebody wants, what the machine allows, why it is refused |
//! | `draft` | the entry of a print that is about to begin |
//! | `facts` | what was running when it began |
//! | `take` | quanta to a file and a meter |
//! | `recorder` | the thread of one print |
//! | [`live`] | one print between its recorder and those who ask |
//! | `shelf` | the prints of a directory, and what a killed daemon left |
//! | [`folder`] | the system calls of the directory |

mod draft;
pub mod entry;
mod facts;
pub mod folder;
pub mod live;
mod recorder;
mod shelf;
mod take;
#[cfg(test)]
mod tests;
pub mod want;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lathe_core::engine::tap::Tap;
use lathe_core::engine::{Status, TapPoint, TapReader};
use lathe_core::param::suggest;
use lathe_core::units::Layout;

use self::draft::{claim, draft};
use self::entry::{Entry, Source, State};
use self::facts::Facts;
#[cfg(test)]
use self::folder::Folder;
use self::folder::OsFolder;
use self::live::{Ask, Live, Progress};
use self::recorder::{Recorder, buffer_frames, put_sidecar};
use self::shelf::Shelf;
use self::take::Take;
use self::want::frames;
pub use self::want::{Limits, PrintError, Want};
use crate::control::Handle;
use crate::files::{BitDepth, Recording};

/// Most prints at once.
pub const MAX_RUNNING: usize = 4;
/// How long a start waits for the first frame, and a stop for the file.
const START: Duration = Duration::from_millis(1500);
const STOP: Duration = Duration::from_secs(10);
/// How long the end of the daemon waits for all prints.
const LEAVE: Duration = Duration::from_secs(5);

/// How prints stand.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The oldest first.
    pub prints: Vec<(Entry, Progress)>,
    /// Where they are.
    pub dir: String,
    /// Bytes free there, and bytes that stay so.
    pub free: u64,
    pub spare: u64,
}

/// All prints of a daemon.
#[derive(Clone)]
pub struct Prints(Arc<Desk>);

struct Desk {
    host: Handle,
    dir: PathBuf,
    limits: Limits,
    /// Opened at the start, or once the directory can be had.
    shelf: Mutex<Option<Arc<Shelf>>>,
}

impl Prints {
    /// Opens the directory. One that cannot be had yet is tried again with every call, as no disk is a
    /// reason for silence.
    pub fn new(host: Handle, dir: &Path, limits: Limits) -> Prints {
        let prints = Prints(Arc::new(Desk { host, dir: dir.to_path_buf(), limits, shelf: Mutex::new(None) }));
        if let Err(e) = prints.shelf() {
            tracing::error!("{e}");
        }
        prints
    }

    #[cfg(test)]
    fn on(host: Handle, folder: Arc<dyn Folder>, limits: Limits) -> Prints {
        let shelf = Shelf::open(folder).unwrap();
        let shelf = Mutex::new(Some(Arc::new(shelf)));
        Prints(Arc::new(Desk { host, dir: PathBuf::from("fake"), limits, shelf }))
    }

    fn shelf(&self) -> Result<Arc<Shelf>, PrintError> {
        let mut shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shelf) = &*shelf {
            return Ok(shelf.clone());
        }
        let opened = OsFolder::open(&self.0.dir).and_then(|f| Shelf::open(Arc::new(f)));
        let opened = Arc::new(opened.map_err(|e| self.disk(&e))?);
        *shelf = Some(opened.clone());
        Ok(opened)
    }

    fn disk(&self, e: &std::io::Error) -> PrintError {
        PrintError::Disk { dir: self.0.dir.display().to_string(), why: e.to_string() }
    }

    /// Begins a print; returns once its first frame is recorded. May wait for the disk.
    ///
    /// # Errors
    /// Nothing was begun and nothing is left.
    pub fn start(&self, want: &Want) -> Result<Entry, PrintError> {
        let shelf = self.shelf()?;
        shelf.follow().map_err(|e| self.disk(&e))?;
        let (engine, layout, rate) = self.sound()?;
        let mut entry = draft(want, &layout, rate)?;
        let most = frames(want.seconds, rate)?;
        let free = shelf.folder.free().map_err(|e| self.disk(&e))?;
        if free < self.0.limits.spare_bytes {
            let mib = |b: u64| b as f64 / f64::from(1 << 20);
            let (free, spare) = (mib(free), mib(self.0.limits.spare_bytes));
            return Err(self.disk(&std::io::Error::other(format!(
                "only {free:.0} MiB are free, and {spare:.0} MiB are to stay so"
            ))));
        }
        let live = claim(&shelf, &mut entry, want.name.trim().is_empty())?;
        let begun = self.begin(&shelf, &live, entry, (engine, layout, rate), most);
        let begun = begun.and_then(|()| {
            let (entry, fine) = live.wait(START, |e| e.frames > 0 || e.state.is_over());
            match (fine, entry.frames) {
                (true, 1..) => Ok(entry),
                (true, _) => Err(PrintError::Unheard(entry.why)),
                _ => {
                    live.ask(Ask::GiveUp);
                    Err(PrintError::Unheard("no audio came".into()))
                }
            }
        });
        if begun.is_err() {
            shelf.forget(&live);
        }
        begun
    }

    /// The engine that runs, with its channels and rate, if somebody can hear it.
    fn sound(&self) -> Result<(Arc<Status>, Layout, u32), PrintError> {
        let audio = self.0.host.audio();
        let why = match (audio.hung, audio.audible, self.0.host.control().sound()) {
            (true, ..) => "the audio server hangs",
            (_, false, _) => "no audio runs",
            (.., None) => "no engine runs",
            (.., Some(s)) => return Ok((s.status, s.spec.layout.clone(), s.spec.sample_rate)),
        };
        Err(PrintError::Unheard(why.into()))
    }

    /// File, tap, thread.
    fn begin(
        &self,
        shelf: &Arc<Shelf>,
        live: &Arc<Live>,
        mut entry: Entry,
        (engine, layout, rate): (Arc<Status>, Layout, u32),
        most: u64,
    ) -> Result<(), PrintError> {
        let (part, sidecar) = (entry.part(), entry.sidecar());
        let depth = entry.depth().unwrap_or(BitDepth::F32);
        // A rack that ends in a dither has made the integers of main.
        let made = self.0.host.control().plan().integer_bits().filter(|_| entry.source == Source::Out);
        let how = (depth, depth.is_to_dither(made));
        let out = shelf.folder.create(&part).map_err(|e| self.disk(&e))?;
        let begun = Recording::start(out, entry.container, &entry.spec(), how, entry.bext())
            .and_then(|recording| put_sidecar(&*shelf.folder, &entry, true).map(|()| recording))
            .map_err(|e| self.disk(&e))
            .and_then(|recording| {
                let take = Take::new(recording, rate, &layout, most);
                let (tap, reader) = self.arm(&mut entry, &engine, &layout)?;
                let recorder = Recorder {
                    host: self.0.host.clone(),
                    folder: shelf.folder.clone(),
                    live: live.clone(),
                    engine,
                    tap,
                    reader,
                    take,
                    entry,
                    buffer: buffer_frames(self.0.limits.buffer_seconds, rate, layout.len()) as u64,
                    spare: self.0.limits.spare_bytes,
                    xruns: self.0.host.audio().xruns,
                };
                let (thread, live) = (std::thread::Builder::new().name("print".into()), live.clone());
                thread.spawn(move || run(recorder, &live)).map(drop).map_err(|e| self.disk(&e))
            });
        begun.inspect_err(|_| {
            // The sidecar may not be there yet.
            for name in [&part, &sidecar] {
                if let Err(e) = shelf.folder.remove(name)
                    && e.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!("{name} was not removed: {e}");
                }
            }
        })
    }

    /// Sends a tap to the engine, and notes what runs at that moment.
    fn arm(
        &self,
        entry: &mut Entry,
        engine: &Arc<Status>,
        layout: &Layout,
    ) -> Result<(lathe_core::engine::tap::TapId, TapReader), PrintError> {
        let point = match entry.source {
            Source::Out => TapPoint::Out,
            Source::Monitor => TapPoint::Monitor,
            Source::In => TapPoint::In,
        };
        let frames = buffer_frames(self.0.limits.buffer_seconds, entry.sample_rate, layout.len());
        let (tap, reader) = Tap::new(point, layout.len(), frames);
        let (id, mut tap) = (tap.id, Box::new(tap));
        let end = Instant::now() + START;
        loop {
            let mut control = self.0.host.control();
            if !control.status().is_some_and(|s| Arc::ptr_eq(s, engine)) {
                return Err(PrintError::Unheard("the engine was replaced at this moment; try again".into()));
            }
            let facts = Facts::of(&control);
            entry.latency_frames = engine.latency.load(std::sync::atomic::Ordering::Relaxed) as u64;
            match control.arm(tap) {
                Ok(()) => {
                    drop(control);
                    entry.adopt(facts);
                    return Ok((id, reader));
                }
                Err(back) => tap = back,
            }
            drop(control);
            if Instant::now() > end {
                return Err(PrintError::Unheard("the engine takes no commands".into()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends a print and waits for its file, but for one that is hashed for longer than 10 s: then its state
    /// says so. An empty name: the only one that runs.
    ///
    /// # Errors
    /// There is none of this name that runs.
    pub fn stop(&self, name: &str) -> Result<Entry, PrintError> {
        let shelf = self.shelf()?;
        let running: Vec<Arc<Live>> = shelf.prints().iter().filter(|p| !p.is_over()).cloned().collect();
        let live = match (name.trim(), &running[..]) {
            ("", [one]) => one.clone(),
            ("", []) => return Err(PrintError::NotFound { name: String::new(), hint: ": none runs".into() }),
            ("", _) => {
                let names: Vec<String> = running.iter().map(|p| format!("\"{}\"", p.name())).collect();
                return Err(PrintError::Name(format!(
                    "say which one is to be stopped: {}",
                    names.join(", ")
                )));
            }
            (name, _) => shelf.find(name).ok_or_else(|| not_found(&shelf, name))?,
        };
        if live.is_over() {
            return Err(PrintError::Over(live.name()));
        }
        live.ask(Ask::Stop);
        Ok(live.wait_over(STOP).0)
    }

    /// One print as it stands.
    ///
    /// # Errors
    /// There is none of this name. An empty name: the one that began last.
    pub fn get(&self, name: &str) -> Result<(Entry, Progress), PrintError> {
        let shelf = self.shelf()?;
        one(&shelf, name)
    }

    /// As [`Prints::get`], but `None` if it would have to wait for the disk.
    pub fn known(&self, name: &str) -> Option<Result<(Entry, Progress), PrintError>> {
        let shelf = self.0.shelf.try_lock().ok()?.clone()?;
        Some(one(&shelf, name))
    }

    /// All prints, and the room there is for more. May wait for the disk.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> Result<Listing, PrintError> {
        let shelf = self.shelf()?;
        shelf.follow().map_err(|e| self.disk(&e))?;
        let prints = shelf.prints().iter().map(|p| p.shown()).collect();
        let free = shelf.folder.free().map_err(|e| self.disk(&e))?;
        let dir = self.0.dir.display().to_string();
        Ok(Listing { prints, dir, free, spare: self.0.limits.spare_bytes })
    }

    /// Those that are not over, those of these names, and the one that began last, as they stand. Waits for
    /// the disk only while the directory is being opened.
    pub fn moving(&self, names: &[String]) -> Vec<Entry> {
        let shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(shelf) = shelf else { return Vec::new() };
        let wanted: Vec<Arc<Live>> = {
            let prints = shelf.prints();
            let last = prints.len().saturating_sub(1);
            let wanted = |n: usize, p: &Arc<Live>| n == last || !p.is_over() || names.contains(&p.name());
            prints.iter().enumerate().filter(|(n, p)| wanted(*n, p)).map(|(_, p)| p.clone()).collect()
        };
        wanted.iter().map(|p| p.entry()).collect()
    }

    /// Bytes free.
    pub fn free(&self) -> u64 {
        self.shelf().ok().and_then(|s| s.folder.free().ok()).unwrap_or(0)
    }

    /// The daemon ends: all prints are completed, as they are.
    pub fn end(&self) {
        let shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(shelf) = shelf else { return };
        let running: Vec<Arc<Live>> = shelf.prints().iter().filter(|p| !p.is_over()).cloned().collect();
        running.iter().filter(|p| p.is_recording()).for_each(|p| p.ask(Ask::Leave));
        let end = Instant::now() + LEAVE;
        for print in running {
            let left = end.saturating_duration_since(Instant::now());
            if !print.wait_over(left).1 {
                tracing::warn!(print = print.name(), "it is not complete yet; the next start sees to it");
            }
        }
    }
}

/// Recorder thread. One that fails is no print that runs for ever.
fn run(recorder: Recorder, live: &Live) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| recorder.run())).is_err() {
        let (mut entry, progress) = live.shown();
        entry.state = State::Failed;
        entry.why = "the recorder failed, see the log; the next start completes the file".into();
        tracing::error!(print = entry.name, "{}", entry.why);
        live.show(&entry, progress);
    }
}

/// One print as it stands; an empty name: the one that began last.
fn one(shelf: &Shelf, name: &str) -> Result<(Entry, Progress), PrintError> {
    let found = match name.trim() {
        "" => shelf.prints().last().cloned(),
        name => shelf.find(name),
    };
    found.map(|p| p.shown()).ok_or_else(|| not_found(shelf, name))
}

fn not_found(shelf: &Shelf, name: &str) -> PrintError {
    let names: Vec<String> = shelf.prints().iter().map(|p| p.name()).collect();
    let hint = suggest(name, names.iter().map(String::as_str));
    let hint = hint.map(|h| format!(" (did you mean \"{h}\"?)")).unwrap_or_default();
    PrintError::NotFound { name: name.to_string(), hint }
}

/// Milliseconds since 1970, for people.
fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
