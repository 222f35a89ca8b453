// SPDX-License-Identifier: MIT OR Apache-2.0
//! One print between its recorder and those who ask: what it is, and whether it is to end.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry::{Entry, State};

/// Why somebody wants it to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Ask {
    Nothing,
    /// Who printed has what was wanted.
    Stop,
    /// The daemon ends.
    Leave,
    /// Nothing was recorded in time: leave no trace.
    GiveUp,
}

/// What moves while it records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Share of the buffer that is full now, 0 to 1.
    pub buffer: f64,
    /// LUFS.
    pub momentary: Option<f64>,
    pub short_term: Option<f64>,
    /// dBTP, since the reading before.
    pub true_peak: f64,
}

/// One print of the list.
pub struct Live {
    entry: Mutex<(Entry, Progress)>,
    changed: Condvar,
    ask: AtomicU8,
}

impl Live {
    pub fn new(entry: Entry) -> Live {
        let entry = Mutex::new((entry, Progress::default()));
        Live { entry, changed: Condvar::new(), ask: AtomicU8::new(Ask::Nothing as u8) }
    }

    fn lock(&self) -> MutexGuard<'_, (Entry, Progress)> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn entry(&self) -> Entry {
        self.lock().0.clone()
    }

    pub fn shown(&self) -> (Entry, Progress) {
        self.lock().clone()
    }

    pub fn name(&self) -> String {
        self.lock().0.name.clone()
    }

    pub fn is_over(&self) -> bool {
        self.lock().0.state.is_over()
    }

    /// Replaces what is shown; wakes those who wait.
    pub fn show(&self, entry: &Entry, progress: Progress) {
        *self.lock() = (entry.clone(), progress);
        self.changed.notify_all();
    }

    pub fn ask(&self, ask: Ask) {
        self.ask.store(ask as u8, Ordering::Release);
    }

    pub fn asked(&self) -> Ask {
        let asked = self.ask.load(Ordering::Acquire);
        [Ask::Stop, Ask::Leave, Ask::GiveUp].into_iter().find(|a| *a as u8 == asked).unwrap_or(Ask::Nothing)
    }

    /// Waits until this holds of the entry, at most so long. Returns the entry and whether it holds.
    pub fn wait(&self, patience: Duration, holds: impl Fn(&Entry) -> bool) -> (Entry, bool) {
        let end = Instant::now() + patience;
        let mut shown = self.lock();
        loop {
            if holds(&shown.0) {
                return (shown.0.clone(), true);
            }
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) else {
                return (shown.0.clone(), false);
            };
            shown = self.changed.wait_timeout(shown, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for the end; false if it takes longer.
    pub fn wait_over(&self, patience: Duration) -> (Entry, bool) {
        self.wait(patience, |e| e.state.is_over())
    }

    pub fn is_recording(&self) -> bool {
        self.lock().0.state == State::Recording
    }
}
