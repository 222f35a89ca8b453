// SPDX-License-Identifier: MIT OR Apache-2.0
//! One subscriber's end: a place for one frame. The producer never waits for its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_utils::atomic::AtomicCell;
use tokio::sync::Notify;

use super::{Frame, Want};

/// Between a feed and the telemetry thread: what is wanted, and a place for one frame of it.
pub(super) struct Post<W = Want, F = Frame> {
    pub want: W,
    frame: AtomicCell<Option<Box<F>>>,
    arrived: Notify,
    /// The feed was dropped.
    gone: AtomicBool,
    /// No frame will come any more.
    over: AtomicBool,
}

/// A subscription. Dropping it frees its taps if it was their last user.
pub struct Feed<W = Want, F = Frame> {
    post: Arc<Post<W, F>>,
}

impl<W, F> Post<W, F> {
    pub fn new(want: W) -> Arc<Self> {
        Arc::new(Post {
            want,
            frame: AtomicCell::new(None),
            arrived: Notify::new(),
            gone: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// The frame that nobody has read yet.
    pub fn take(&self) -> Option<F> {
        self.frame.take().map(|f| *f)
    }

    pub fn put(&self, frame: F) {
        self.frame.store(Some(Box::new(frame)));
        self.arrived.notify_one();
    }

    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.arrived.notify_one();
    }
}

impl<W, F> Feed<W, F> {
    pub(super) fn new(post: Arc<Post<W, F>>) -> Self {
        Feed { post }
    }

    /// The next frame; `None` once telemetry has ended. May be cancelled without losing one.
    pub async fn next(&mut self) -> Option<F> {
        loop {
            let arrived = self.post.arrived.notified();
            if let Some(frame) = self.post.take() {
                return Some(frame);
            }
            if self.post.over.load(Ordering::Acquire) {
                return self.post.take();
            }
            arrived.await;
        }
    }

    /// The frame that has come since, if one has.
    pub fn try_next(&mut self) -> Option<F> {
        self.post.take()
    }
}

impl<W, F> Drop for Feed<W, F> {
    fn drop(&mut self) {
        self.post.gone.store(true, Ordering::Release);
    }
}
