// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which design of the mono maker is heard, which is coming, and where the spent ones wait for their way home.
//! Audio thread, but for `new`.
//!
//! A coming design runs unheard until it has settled and then fades in over 20 ms; the newest of those offered
//! meanwhile is next. Nothing is dropped here: what is not needed any more leaves with the next exchange.

use super::Design;
use crate::dsp::ramp::Quintic;
use crate::dsp::{Frames, SILENCE};
use crate::units::{GLIDE_MS, ramp_frames};

pub struct Change {
    now: Design,
    coming: Option<Design>,
    next: Option<Design>,
    /// One is heard of at most three, so two seats are enough.
    spent: [Option<Design>; 2],
    /// Frames since the change began; negative while it waits for its first frame.
    pos: i64,
    /// Share of the coming design.
    fade: Quintic,
    fade_frames: u32,
    /// What is coming has not run yet.
    fresh: bool,
}

impl Change {
    /// Control side.
    pub fn new(now: Design, sample_rate: u32) -> Self {
        Change {
            now,
            coming: None,
            next: None,
            spent: [None, None],
            pos: 0,
            fade: Quintic::at(0.0),
            fade_frames: ramp_frames(GLIDE_MS, sample_rate),
            fresh: false,
        }
    }

    pub fn now(&self) -> &Design {
        &self.now
    }

    pub fn coming(&self) -> Option<&Design> {
        self.coming.as_ref()
    }

    /// True once for each design that comes: its memory is to be made ready.
    pub fn is_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// Takes what is offered, unless it sounds like the newest there is, and leaves a spent one or none.
    pub fn offer(&mut self, parts: &mut Option<Design>, at: usize) {
        let newest = self.next.as_ref().or(self.coming.as_ref()).unwrap_or(&self.now);
        if parts.as_ref().is_some_and(|new| new.mono.sounds_like(&newest.mono)) {
            return;
        }
        let home = match parts.take() {
            None => None,
            Some(new) if self.coming.is_none() => {
                self.begin(new, at);
                None
            }
            Some(new) => self.next.replace(new),
        };
        *parts = home.or_else(|| self.spent.iter_mut().find_map(Option::take));
    }

    fn begin(&mut self, design: Design, at: usize) {
        // Its seat is empty: nothing is dropped here.
        debug_assert!(self.coming.is_none());
        self.coming = Some(design);
        self.fresh = true;
        self.pos = -(at as i64);
        self.fade = Quintic::at(0.0);
        self.fade.go(1.0, self.fade_frames);
    }

    /// Shares of the coming design in this quantum, after it has run for `settle` frames.
    pub fn weights(&mut self, settle: usize) -> Frames {
        let mut out = SILENCE;
        for w in &mut out {
            if self.pos >= settle as i64 {
                *w = self.fade.next_frame();
            }
            self.pos += 1;
        }
        out
    }

    /// After a quantum. True if the coming design has become the heard one.
    pub fn finish(&mut self) -> bool {
        if self.coming.is_none() || self.fade.is_moving() {
            return false;
        }
        if let Some(new) = self.coming.take() {
            let old = std::mem::replace(&mut self.now, new);
            self.put_away(old);
        }
        if let Some(next) = self.next.take() {
            self.begin(next, 0);
        }
        true
    }

    /// The newest design is heard at once.
    pub fn reset(&mut self) {
        let next = self.next.take();
        for newer in [self.coming.take(), next].into_iter().flatten() {
            let old = std::mem::replace(&mut self.now, newer);
            self.put_away(old);
        }
        self.fresh = false;
    }

    fn put_away(&mut self, old: Design) {
        if let Some(seat) = self.spent.iter_mut().find(|s| s.is_none()) {
            *seat = Some(old);
        } else {
            debug_assert!(false, "no seat for a spent design");
            std::mem::forget(old);
        }
    }
}
