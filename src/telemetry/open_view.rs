// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instruments that somebody watches, shared between watchers, and what the telemetry thread knows of each
//! watcher.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_core::dsp::{Frames, QUANTUM};
use lathe_core::engine::ChainSpec;

use super::feed::Post;
use super::subscriber::Moment;
use super::views::{Look, Place, Running, Watch};
use crate::control::taps::place;

/// Quanta that one tap of a transfer may be ahead of the other: half a second at 48 kHz.
const AHEAD: usize = 375;

/// One instrument.
pub(super) struct OpenView {
    pub watch: Watch,
    running: Running,
    rate: u32,
    channels: Vec<usize>,
    /// Of two taps: what has come of each tap and not of the other, by the engine's frame.
    waiting: [VecDeque<(u64, Vec<Frames>)>; 2],
    next: Option<u64>,
    /// Frames missed since it was made.
    missed: u64,
}

/// Channels at each tap of a watch in a chain; `None` if a slot is not there.
fn channels(watch: &Watch, spec: &ChainSpec) -> Option<Vec<usize>> {
    watch.taps().map(|tap| Some(place(tap, spec)?.1.len())).collect()
}

impl OpenView {
    /// Makes it for a chain; `None` if this chain has not what it looks at.
    pub fn new(watch: &Watch, spec: &ChainSpec) -> Option<OpenView> {
        let channels = channels(watch, spec)?;
        let running = watch.view.build(spec.sample_rate, channels.iter().sum()).ok()?;
        let mut view = OpenView {
            watch: watch.clone(),
            running,
            rate: spec.sample_rate,
            channels,
            waiting: Default::default(),
            next: None,
            missed: 0,
        };
        // It begins amid sound.
        view.running.gap(0);
        Some(view)
    }

    /// True while the chain has what it looks at.
    pub fn fits(&self, spec: &ChainSpec) -> bool {
        self.rate == spec.sample_rate && channels(&self.watch, spec).as_ref() == Some(&self.channels)
    }

    /// A tap missed so many frames.
    pub fn gap(&mut self, tap: &str, frames: u64) {
        if self.watch.reference.is_none() && self.watch.tap == tap {
            self.skip(frames);
        }
    }

    fn skip(&mut self, frames: u64) {
        self.missed += frames;
        self.running.gap(frames);
    }

    /// One quantum of a tap, at the engine's frame.
    pub fn process(&mut self, tap: &str, frame: u64, audio: &[Frames]) {
        let Some(reference) = &self.watch.reference else {
            if self.watch.tap == tap {
                self.running.process(audio);
            }
            return;
        };
        let ends = [reference == tap, self.watch.tap == tap];
        for (queue, _) in self.waiting.iter_mut().zip(ends).filter(|(_, here)| *here) {
            queue.push_back((frame, audio.to_vec()));
            if queue.len() > AHEAD {
                queue.pop_front();
            }
        }
        self.match_taps();
    }

    /// Takes what has come of both.
    fn match_taps(&mut self) {
        loop {
            let [Some(a), Some(b)] = self.waiting.each_ref().map(|q| q.front().map(|f| f.0)) else { return };
            if a != b {
                self.waiting[usize::from(b < a)].pop_front();
                continue;
            }
            if let Some(next) = self.next.filter(|next| *next != a) {
                self.skip(a.saturating_sub(next));
            }
            self.next = Some(a + QUANTUM as u64);
            let both = self.waiting.each_mut().map(|q| q.pop_front());
            let audio: Vec<Frames> = both.into_iter().flatten().flat_map(|(_, audio)| audio).collect();
            self.running.process(&audio);
        }
    }

    pub fn reset(&mut self) {
        self.running.reset();
    }
}

/// One who watches.
pub(super) struct Watcher {
    pub post: Arc<Post<Watch, Look>>,
    due: Instant,
    sequence: u64,
    /// Where it is, and where it was before the last look.
    place: Option<(Place, Place)>,
}

impl Watcher {
    pub fn new(post: Arc<Post<Watch, Look>>, now: Instant) -> Self {
        Watcher { due: now + interval(&post.want), post, sequence: 0, place: None }
    }

    /// Its instrument is another one from now on.
    pub fn start_over(&mut self) {
        self.place = None;
    }

    /// Begins to look through this instrument, if it is its own.
    pub fn join(&mut self, view: &OpenView) {
        if self.place.is_none() && view.watch.same(&self.post.want) {
            let place = view.running.place(view.missed);
            self.place = Some((place, place));
        }
    }

    /// Puts a look in the post if one is due; never waits for the reader. One that nobody has read is replaced by
    /// one that reaches back as far.
    pub fn serve(&mut self, moment: &Moment, views: &[OpenView]) {
        if moment.now < self.due {
            return;
        }
        self.due += interval(&self.post.want);
        if self.due < moment.now {
            self.due = moment.now + interval(&self.post.want);
        }
        self.sequence += 1;
        let unread = self.post.take();
        let mut look = Look {
            sequence: self.sequence,
            missed: unread.as_ref().map_or(0, |u| u.missed + 1),
            engine_frame: moment.engine_frame,
            audible: moment.audible,
            sight: None,
            frames_missed: 0,
        };
        let view = views.iter().find(|v| v.watch.same(&self.post.want));
        match (view, &mut self.place) {
            (Some(view), Some((now, before))) if moment.audible => {
                if unread.is_some() {
                    *now = *before;
                }
                *before = *now;
                let (sight, missed) = view.running.look(now, view.missed);
                look.sight = Some(sight);
                look.frames_missed = missed;
            }
            // Nothing to see: what was missed before is still told.
            _ => look.frames_missed = unread.map_or(0, |u| u.frames_missed),
        }
        self.post.put(look);
    }
}

fn interval(watch: &Watch) -> Duration {
    Duration::from_secs_f64(1.0 / watch.hz)
}
