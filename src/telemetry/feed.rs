// SPDX-License-Identifier: MIT OR Apache-2.0
//! One subscriber's end: a place for one frame. The producer never waits for its reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_utils::atomic::AtomicCell;
use tokio::sync::Notify;

use super::{Frame, Want};

/// Between a feed and the telemetry thread.
pub(super) struct Post {
    pub want: Want,
    frame: AtomicCell<Option<Box<Frame>>>,
    arrived: Notify,
    /// The feed was dropped.
    gone: AtomicBool,
    /// No frame will come any more.
    over: AtomicBool,
}

/// A subscription. Dropping it frees its taps if it was their last user.
pub struct Feed {
    post: Arc<Post>,
}

impl Post {
    pub fn new(want: Want) -> Arc<Self> {
        Arc::new(Post {
            want,
            frame: AtomicCell::new(None),
            arrived: Notify::new(),
            gone: AtomicBool::new(false),
            over: AtomicBool::new(false),
        })
    }

    /// The frame that nobody has read yet.
    pub fn take(&self) -> Option<Frame> {
        self.frame.take().map(|f| *f)
    }

    pub fn put(&self, frame: Frame) {
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

impl Feed {
    pub(super) fn new(post: Arc<Post>) -> Self {
        Feed { post }
    }

    /// The next frame; `None` once telemetry has ended. May be cancelled without losing one.
    pub async fn next(&mut self) -> Option<Frame> {
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
    pub fn try_next(&mut self) -> Option<Frame> {
        self.post.take()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.post.gone.store(true, Ordering::Release);
    }
}
