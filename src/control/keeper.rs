// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps the last state on the disk: half a second after the last change, at most five after the first,
//! and at the end. A thread of its own, so that no change waits for the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::host::Handle;
use super::snapshots::now_unix_ms;
use super::{Control, listening};
use crate::store::{LastState, LastStateStore, rack_hash};

const QUIET: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// The running keeper.
pub struct Keeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub fn start(host: Handle, store: LastStateStore) -> std::io::Result<Keeper> {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread =
            std::thread::Builder::new().name("keeper".into()).spawn(move || keep(&host, &store, &asked))?;
        Ok(Keeper { stop, thread })
    }

    /// False if the thread has failed.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Saves a last time and ends.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Release);
        if self.thread.join().is_err() {
            tracing::error!("the keeper of the last state had failed");
        }
    }
}

fn keep(host: &Handle, store: &LastStateStore, stop: &AtomicBool) {
    let mut saved = None;
    let (mut seen, mut first, mut last) = (0, None::<Instant>, Instant::now());
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let stamp = host.control().stamp();
        if stamp != seen {
            seen = stamp;
            last = Instant::now();
            first.get_or_insert(last);
        }
        let due = first.is_some_and(|f| last.elapsed() >= QUIET || f.elapsed() >= LONGEST);
        if due || (stopping && saved != Some(seen)) {
            let state = host.control().last_state();
            match store.save(&state) {
                Ok(()) => saved = Some(seen),
                Err(e) => tracing::error!("the state was not saved: {e}"),
            }
            first = None;
        }
        if stopping {
            return;
        }
        std::thread::sleep(POLL);
    }
}

impl Control {
    /// All that a restart brings back.
    pub fn last_state(&self) -> LastState {
        let lines = self.controls();
        let (monitor, values) = lines
            .into_iter()
            .filter(|l| !l.address.starts_with(listening::PREFIX))
            .map(|l| (l.address, l.value))
            .partition(|(address, _)| address.starts_with("monitor/"));
        LastState {
            revision: self.revision,
            saved_unix_ms: now_unix_ms(),
            panic: self.panic(),
            rack_hash: rack_hash(&self.file),
            rack_file: self.file.clone(),
            rack: self.loaded.clone(),
            monitor,
            values,
        }
    }
}
