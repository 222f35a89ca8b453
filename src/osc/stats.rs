// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was taken and what was not: counters for anyone, and a line in the log now and then.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One log line per kind in this time at most.
const QUIET: Duration = Duration::from_secs(10);

/// Why something was not done, or not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Not OSC, or beyond the limits.
    Malformed,
    /// Understood, but refused.
    Refused,
    /// More packets than a source may send.
    Rate,
    /// More than fit in the line, or more sources than are kept.
    Full,
    /// From a network that is not allowed.
    Stranger,
    /// An answer or feedback that was not sent.
    Unsent,
}

const KINDS: usize = 6;

/// The counters, as anyone may read them.
#[derive(Debug, Default)]
pub struct Stats {
    received: AtomicU64,
    sent: AtomicU64,
    clients: AtomicU64,
    dropped: [AtomicU64; KINDS],
}

impl Stats {
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }
    /// Subscribers now.
    pub fn clients(&self) -> u64 {
        self.clients.load(Relaxed)
    }
    pub fn dropped(&self, kind: Loss) -> u64 {
        self.dropped[kind as usize].load(Relaxed)
    }
    pub(super) fn count_received(&self) {
        self.received.fetch_add(1, Relaxed);
    }
    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }
    pub(super) fn set_clients(&self, n: usize) {
        self.clients.store(n as u64, Relaxed);
    }
}

/// The log's side: who said what last.
#[derive(Default)]
pub(super) struct Log {
    last: [Option<Instant>; KINDS],
    unsaid: [u64; KINDS],
}

impl Log {
    /// Counts, and says so unless that was said lately. `what` must be escaped.
    pub fn dropped(&mut self, stats: &Stats, kind: Loss, n: u64, what: impl FnOnce() -> String) {
        if n == 0 {
            return;
        }
        stats.dropped[kind as usize].fetch_add(n, Relaxed);
        let k = kind as usize;
        self.unsaid[k] += n;
        let now = Instant::now();
        if self.last[k].is_none_or(|t| now.duration_since(t) >= QUIET) {
            self.last[k] = Some(now);
            tracing::warn!("osc: {} not taken ({kind:?}); the last: {}", self.unsaid[k], what());
            self.unsaid[k] = 0;
        }
    }
}
