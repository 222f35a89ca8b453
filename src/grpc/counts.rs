// SPDX-License-Identifier: MIT OR Apache-2.0
//! How many connections and calls there are and were, for whoever watches the daemon.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

/// The counters, as anyone may read them.
#[derive(Debug, Default)]
pub struct Counts {
    connections: AtomicU64,
    turned_away: AtomicU64,
    calls: AtomicU64,
    foreign: AtomicU64,
    under_way: AtomicU64,
}

impl Counts {
    /// Open now.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }
    /// Closed at once, because there were too many.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Relaxed)
    }
    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }
    /// Calls refused because they came from another site.
    pub fn foreign(&self) -> u64 {
        self.foreign.load(Relaxed)
    }
    /// Calls whose answer is not complete, streams among them.
    pub fn under_way(&self) -> u64 {
        self.under_way.load(Relaxed)
    }
    pub(super) fn turn_away(&self) {
        self.turned_away.fetch_add(1, Relaxed);
    }
    pub(super) fn count_foreign(&self) {
        self.foreign.fetch_add(1, Relaxed);
    }
    /// Counts a connection for as long as what is returned lives.
    pub(super) fn connect(self: &Arc<Self>) -> Counted {
        Counted::new(self.clone(), |c| &c.connections)
    }
    /// Counts a call, and for as long as what is returned lives that it is under way.
    pub(super) fn call(self: &Arc<Self>) -> Counted {
        self.calls.fetch_add(1, Relaxed);
        Counted::new(self.clone(), |c| &c.under_way)
    }
}

/// One more of something, until it is dropped.
pub(super) struct Counted {
    counts: Arc<Counts>,
    which: fn(&Counts) -> &AtomicU64,
}

impl Counted {
    fn new(counts: Arc<Counts>, which: fn(&Counts) -> &AtomicU64) -> Self {
        which(&counts).fetch_add(1, Relaxed);
        Counted { counts, which }
    }

    /// An answer that is under way until it was sent or dropped.
    pub fn until_sent(self, body: Body) -> Body {
        Body::new(Answer { body, _call: self })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.which)(&self.counts).fetch_sub(1, Relaxed);
    }
}

struct Answer {
    body: Body,
    _call: Counted,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
