// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brings the ledger to the disk on a thread of its own, so that a disk that stands still costs no sound. The
//! newest content wins; albums that are over are kept before the file that no longer has them is replaced.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Album, AlbumSummary, LedgerFile, LedgerStore};

/// Between two attempts after one that failed.
const AGAIN: Duration = Duration::from_secs(2);
/// What waits for longer is told.
const SLOW: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Waiting {
    albums: Vec<Album>,
    file: Option<LedgerFile>,
    /// Of the newest content, and of the newest that is on the disk.
    given: u64,
    kept: u64,
    /// Since when something waits.
    since: Option<Instant>,
    /// Why it is not on the disk; empty if the last attempt went well.
    error: String,
    former: Vec<AlbumSummary>,
    ending: bool,
}

/// What is to be kept, between the thread and the others.
pub struct Desk {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Desk {
    pub fn new(former: Vec<AlbumSummary>) -> Desk {
        let waiting = Waiting { former, ..Waiting::default() };
        Desk { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the newest content; returns its number. An album that is over comes with the file that lacks it.
    pub fn give(&self, file: LedgerFile, over: Option<Album>) -> u64 {
        let mut waiting = self.lock();
        waiting.former.extend(over.as_ref().map(AlbumSummary::of));
        waiting.albums.extend(over);
        waiting.file = Some(file);
        waiting.given += 1;
        waiting.since.get_or_insert_with(Instant::now);
        self.changed.notify_all();
        waiting.given
    }

    /// Waits until a content or a newer one is on the disk, but not for a disk that fails or stands still.
    pub fn wait(&self, number: u64, patience: Duration) {
        let end = Instant::now() + patience;
        let mut waiting = self.lock();
        while waiting.kept < number && waiting.error.is_empty() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Why the newest content is not on the disk; empty if it is.
    pub fn unsaved(&self) -> String {
        let waiting = self.lock();
        match (waiting.error.as_str(), waiting.since.is_some_and(|s| s.elapsed() >= SLOW)) {
            ("", true) => "the ledger is not saved: the disk does not answer".into(),
            (error, _) => error.into(),
        }
    }

    /// Albums that are over, the oldest first.
    pub fn former(&self) -> Vec<AlbumSummary> {
        self.lock().former.clone()
    }

    /// One that is over and not on the disk yet.
    pub fn album(&self, id: &str) -> Option<Album> {
        self.lock().albums.iter().find(|a| a.id == id).cloned()
    }

    /// A last attempt at what waits, and then the end.
    pub fn end(&self) {
        self.lock().ending = true;
        self.changed.notify_all();
    }

    /// Keeper thread. Until the end.
    pub fn run(&self, store: &LedgerStore) {
        let mut failed = false;
        loop {
            let mut waiting = self.lock();
            if failed && !waiting.ending {
                waiting = self.changed.wait_timeout(waiting, AGAIN).unwrap_or_else(PoisonError::into_inner).0;
            }
            while waiting.file.is_none() && !waiting.ending {
                waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            let (albums, file) = (waiting.albums.clone(), waiting.file.take());
            let (number, ending) = (waiting.given, waiting.ending);
            drop(waiting);
            let Some(file) = file else { return };
            let done = albums.iter().try_for_each(|a| store.keep(a)).and_then(|()| store.save(&file));
            let mut waiting = self.lock();
            failed = done.is_err();
            match done {
                Ok(()) => {
                    waiting.albums.drain(..albums.len());
                    waiting.kept = number;
                    waiting.error.clear();
                    waiting.since = waiting.file.as_ref().map(|_| Instant::now());
                }
                Err(e) => {
                    tracing::error!("the ledger was not saved: {e}");
                    waiting.error = format!("the ledger is not saved: {e}");
                    // What came meanwhile is newer.
                    waiting.file.get_or_insert(file);
                }
            }
            self.changed.notify_all();
            if ending && failed {
                return;
            }
        }
    }
}

/// The thread, which ends with [`Desk::end`].
pub fn start(desk: &Arc<Desk>, store: LedgerStore) -> std::io::Result<std::thread::JoinHandle<()>> {
    let desk = desk.clone();
    std::thread::Builder::new().name("ledger-disk".into()).spawn(move || desk.run(&store))
}
