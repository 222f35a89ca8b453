// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session's ledger: integrated measures per track and album while the rack runs.
//!
//! A track is started, paused, resumed and closed by whoever may operate the rack; an album is all tracks since
//! it was begun. The figures are those of the instrument that measures files, so that what the ledger says of a
//! track is what a measurement of the same samples says. Everything outlives the process; see
//! [`store`](crate::store). Of the demo programme nothing is written.
//!
//! | file | what it is |
//! |---|---|
//! | `book` | the album, its tracks, and what integrates them |
//! | `worker` | the thread that reads the tap and does what is asked |
//! | `keeper` | the thread that brings it to the disk |

mod book;
mod keeper;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use self::book::Book;
use self::keeper::Desk;
use self::worker::{Ask, Habits, Verb, Worker};
use crate::control::Handle;
use crate::control::taps::NoTap;
use crate::store::{Album, AlbumSummary, LedgerStore, MAX_TRACKS, Track, TrackState, check_name};

/// The tap of a track for which none is named.
pub const DEFAULT_TAP: &str = "out";
/// Longest name of a tap that is looked for, in bytes.
const MAX_TAP: usize = 256;
/// How long who asked waits for the disk.
const DISK: Duration = Duration::from_secs(5);
/// Most that wait for the thread.
const MAX_ASKS: usize = 64;

/// Why it was not done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LedgerError {
    #[error("{0}")]
    Name(String),
    #[error(transparent)]
    Tap(#[from] NoTap),
    #[error("no track is open; start one first")]
    NotOpen,
    #[error(
        "the built-in programme plays (source=demo), and of it no ledger is written; play a file or use JACK"
    )]
    Demo,
    #[error("nothing can be measured: {0}")]
    Unheard(String),
    #[error("the album is in {album}, and the sound in {sound}; begin another album first")]
    Layout { album: String, sound: String },
    #[error("the album has {MAX_TRACKS} tracks, which is the most; begin another album first")]
    Full,
    #[error("there is no album {0}")]
    NoAlbum(String),
    #[error("{0}")]
    Disk(String),
    #[error("the ledger has ended, as lathed does")]
    Ended,
}

const NOT_OPEN: LedgerError = LedgerError::NotOpen;

/// How the ledger stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The album that is being made.
    pub album: Album,
    /// Why what it says is not on the disk; empty if it is.
    pub unsaved: String,
}

impl Shown {
    /// The track that is open, or was last.
    pub fn track(&self) -> Option<&Track> {
        self.album.tracks.last()
    }

    /// `idle`, `running`, `paused` or `waiting`.
    pub fn state(&self) -> &'static str {
        match self.track() {
            Some(Track { state: TrackState::Running, why, .. }) if why.is_empty() => "running",
            Some(Track { state: TrackState::Running, .. }) => "waiting",
            Some(Track { state: TrackState::Paused, .. }) => "paused",
            _ => "idle",
        }
    }
}

/// The ledger of a daemon.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    store: LedgerStore,
    desk: Arc<Desk>,
    /// `None` once it is to end.
    asks: Mutex<Option<SyncSender<Ask>>>,
    threads: Mutex<Option<[JoinHandle<()>; 2]>>,
}

impl Ledger {
    /// Goes on with what the disk says; what was damaged is told in the log. `follows`: it starts, pauses and
    /// resumes with the server's transport.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(host: Handle, store: LedgerStore, follows: bool) -> std::io::Result<Ledger> {
        Ledger::with(Habits { save_every: worker::SAVE, follows }, host, store)
    }

    fn with(habits: Habits, host: Handle, store: LedgerStore) -> std::io::Result<Ledger> {
        let book = restored(&store);
        let former = match store.albums() {
            Ok((albums, refused)) => {
                for (file, why) in refused {
                    tracing::warn!("{file} in the ledger is refused: {why}");
                }
                albums
            }
            Err(e) => {
                tracing::error!("former albums are not listed: {e}");
                Vec::new()
            }
        };
        let desk = Arc::new(Desk::new(former));
        let (asks, asked) = sync_channel(MAX_ASKS);
        let keeper = keeper::start(&desk, store.clone())?;
        let worker = Worker::new(host, desk.clone(), book, habits);
        let thread = std::thread::Builder::new().name("ledger".into());
        let worker = thread.spawn(move || worker.run(&asked)).inspect_err(|_| desk.end())?;
        let threads = Mutex::new(Some([worker, keeper]));
        Ok(Ledger(Arc::new(Inner { store, desk, asks: Mutex::new(Some(asks)), threads })))
    }

    /// False if a thread has failed.
    pub fn is_running(&self) -> bool {
        let threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.as_ref().is_none_or(|t| t.iter().all(|t| !t.is_finished()))
    }

    fn ask(&self, verb: Verb) -> Result<(Shown, u64), LedgerError> {
        let asks = self.0.asks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = sync_channel(1);
        let ask = Ask { verb, reply };
        asks.ok_or(LedgerError::Ended)?.send(ask).map_err(|_| LedgerError::Ended)?;
        let (mut shown, number) = answer.recv().map_err(|_| LedgerError::Ended)??;
        shown.unsaved = self.0.desk.unsaved();
        Ok((shown, number))
    }

    /// Asks, and waits until what came of it is on the disk; a disk that fails is told in the answer.
    fn change(&self, verb: Verb) -> Result<Shown, LedgerError> {
        let (mut shown, number) = self.ask(verb)?;
        self.0.desk.wait(number, DISK);
        shown.unsaved = self.0.desk.unsaved();
        Ok(shown)
    }

    /// Starts a track; one that is open is closed on the same frame. An empty name: one by its number. The tap is
    /// any that a meter may read; an empty one is `out`.
    ///
    /// # Errors
    /// Nothing was started.
    pub fn start_track(&self, name: &str, tap: &str) -> Result<Shown, LedgerError> {
        let tap = if tap.is_empty() { DEFAULT_TAP } else { tap };
        if tap.len() > MAX_TAP {
            let name = tap.chars().take(32).chain(['…']).collect();
            return Err(NoTap { name, hint: format!(": a name of {} bytes", tap.len()) }.into());
        }
        let name = match name.trim() {
            "" => format!("Track {}", self.show()?.album.tracks.len() + 1),
            name => checked(name)?,
        };
        self.change(Verb::Start { name, tap: tap.into() })
    }

    /// What sounds from now on does not count. Does nothing to a paused one.
    ///
    /// # Errors
    /// No track is open.
    pub fn pause(&self) -> Result<Shown, LedgerError> {
        self.change(Verb::Pause)
    }

    /// What sounds counts again. Does nothing to a running one.
    ///
    /// # Errors
    /// No track is open, or there is no sound for it.
    pub fn resume(&self) -> Result<Shown, LedgerError> {
        self.change(Verb::Resume)
    }

    /// The open track is over.
    ///
    /// # Errors
    /// No track is open.
    pub fn close(&self) -> Result<Shown, LedgerError> {
        self.change(Verb::Close)
    }

    /// The album is over, with its open track, and another one begins. Without a track it is forgotten, else kept.
    /// An empty name: one from the day.
    ///
    /// # Errors
    /// The name cannot be read.
    pub fn new_album(&self, name: &str) -> Result<Shown, LedgerError> {
        let name = if name.trim().is_empty() { usual_name() } else { checked(name)? };
        self.change(Verb::Turn { name })
    }

    /// The album that is being made, as it stands.
    ///
    /// # Errors
    /// The daemon ends.
    pub fn show(&self) -> Result<Shown, LedgerError> {
        self.ask(Verb::Show).map(|(shown, _)| shown)
    }

    /// Albums that are over, the oldest first.
    pub fn former(&self) -> Vec<AlbumSummary> {
        self.0.desk.former()
    }

    /// An album by its id; an empty one: the one that is being made. May wait for the disk.
    ///
    /// # Errors
    /// There is none, or its file is damaged.
    pub fn album(&self, id: &str) -> Result<Album, LedgerError> {
        let shown = self.show()?;
        if id.is_empty() || id == shown.album.id {
            return Ok(shown.album);
        }
        if let Some(album) = self.0.desk.album(id) {
            return Ok(album);
        }
        self.0.store.album(id).map_err(|why| match why {
            crate::store::Refused::Missing => LedgerError::NoAlbum(id.into()),
            why => LedgerError::Disk(format!("the album {id} is refused: {why}")),
        })
    }

    /// The daemon ends: what is open is kept as it is, and goes on after the next start.
    pub fn end(&self) {
        drop(self.0.asks.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some([worker, keeper]) = threads else { return };
        if worker.join().is_err() {
            tracing::error!("the ledger had failed");
        }
        self.0.desk.end();
        if keeper.join().is_err() {
            tracing::error!("the ledger's way to the disk had failed");
        }
    }
}

/// What the disk says, or a new album.
fn restored(store: &LedgerStore) -> Book {
    let (read, refused) = store.load();
    for (file, why) in &refused {
        tracing::warn!("{file} in the ledger is refused: {why}");
    }
    let empty = || Book::new(Album::new(&usual_name(), now_unix_ms()));
    let Some(read) = read else {
        if !refused.is_empty() {
            tracing::error!("no ledger can be read; a new album begins");
        }
        return empty();
    };
    if read.generation > 0 {
        tracing::warn!("the ledger goes on from {}, which was saved before", read.file);
    }
    let (file, album) = (read.file, read.content.album.clone());
    Book::load(read.content).unwrap_or_else(|why| {
        tracing::error!("{file} cannot be gone on with: {why}; the album is kept, and a new one begins");
        if let Err(e) = store.keep(&ended(album)) {
            tracing::error!("the album was not kept: {e}");
        }
        empty()
    })
}

/// An album that cannot be gone on with, as one that is over.
fn ended(mut album: Album) -> Album {
    let now = now_unix_ms();
    album.ended_unix_ms = Some(now);
    if let Some(track) = album.tracks.last_mut().filter(|t| !t.is_closed()) {
        (track.state, track.ended_unix_ms) = (TrackState::Closed, Some(now));
        track.why = "it could not be gone on with after a restart".into();
    }
    album
}

/// The channels of a layout by its name.
pub fn channels(layout: &str) -> Vec<&'static str> {
    book::layout(layout).map_or(Vec::new(), |l| l.names())
}

fn checked(name: &str) -> Result<String, LedgerError> {
    check_name(name).map(String::from).map_err(|e| LedgerError::Name(e.to_string()))
}

fn usual_name() -> String {
    let now = crate::utc::moment((now_unix_ms() / 1000) as i64);
    format!("Album of {}", now.split('T').next().unwrap_or_default())
}

/// Milliseconds since 1970, for people.
fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
