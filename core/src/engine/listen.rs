// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ear: which slot is listened to, and how one thing heard gives way to another. Audio thread.
//!
//! One slot at a time. Its unit works on what it lets one hear for a moment before that fades in over the
//! source; another thing takes its place through silence. A slot that leaves the rack fades out where it
//! runs last, in the old chain.

use super::chain::Chain;
use super::monitor::SOURCE_MS;
use crate::dsp::ramp::Quintic;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::ramp_frames;

/// Time that a unit has before what it lets one hear fades in, in milliseconds.
const LEAD_MS: f64 = 10.0;

/// What is asked for: a slot by its serial number, and what of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ask {
    pub slot: u32,
    pub what: u16,
}

/// What a slot lets one hear in this quantum.
pub struct Heard<'a> {
    /// On the slot's channels.
    pub audio: &'a [Frames],
    /// For each channel of the monitor, the slot's channels it is the mean of.
    pub map: &'a [Vec<usize>],
}

/// Who listens to what.
pub struct Ear {
    wanted: Option<Ask>,
    heard: Option<Ask>,
    /// What is heard runs in the old chain of a swap.
    guest: bool,
    /// Frames before what is heard fades in.
    lead: u32,
    /// Share of what is heard, and of the source.
    level: Quintic,
    source: Quintic,
    lead_frames: u32,
    fade_frames: u32,
}

impl Ear {
    pub fn new(sample_rate: u32) -> Self {
        Ear {
            wanted: None,
            heard: None,
            guest: false,
            lead: 0,
            level: Quintic::at(0.0),
            source: Quintic::at(1.0),
            lead_frames: ramp_frames(LEAD_MS, sample_rate),
            fade_frames: ramp_frames(SOURCE_MS, sample_rate),
        }
    }

    /// From now on this, or nothing.
    pub fn want(&mut self, ask: Option<Ask>) {
        self.wanted = ask;
    }

    /// True if the monitor is anything but its source.
    pub fn is_open(&self) -> bool {
        self.heard.is_some() || self.source.is_moving() || self.source.value() != 1.0
    }

    /// True if what is heard runs in the old chain of a swap.
    pub fn is_in_guest(&self) -> bool {
        self.guest
    }

    /// A swap begins. `moves`: the old step whose seat in the new chain is this, for each that is kept.
    pub fn begin_swap(&mut self, old: &Chain, seats: &[(usize, usize)]) {
        let step = self.heard.and_then(|h| old.unit_step(h.slot));
        self.guest = step.is_some_and(|step| !seats.iter().any(|(i, _)| *i == step));
    }

    /// The old chain goes home; what was heard of it has faded by then.
    pub fn end_swap(&mut self) {
        if self.guest {
            self.guest = false;
            self.heard = None;
            self.level = Quintic::at(0.0);
        }
    }

    /// Starts a quantum: tells the chains whom to listen to.
    pub fn advance(&mut self, chain: &mut Chain, guest: Option<&mut Chain>) {
        if self.wanted.is_none() && !self.is_open() {
            return;
        }
        let wanted = self.wanted.filter(|a| chain.unit_step(a.slot).is_some());
        let leaves = self.heard != wanted || self.guest;
        if leaves && self.level.value() == 0.0 && !self.level.is_moving() {
            (self.heard, self.guest, self.lead) = (wanted, false, self.lead_frames);
        }
        let stays = self.heard.is_some() && self.heard == wanted && !self.guest;
        let begins = stays && self.lead == 0;
        if stays {
            self.lead = self.lead.saturating_sub(QUANTUM as u32);
        }
        let covered = wanted.is_some() && (begins || self.source.target() == 0.0);
        go(&mut self.level, begins, self.fade_frames);
        go(&mut self.source, !covered, self.fade_frames);
        let (here, there) = if self.guest { (None, self.heard) } else { (self.heard, None) };
        chain.listen = here;
        if let Some(guest) = guest {
            guest.listen = there;
        }
    }

    /// `out`, the source, gives way to what is heard.
    pub fn mix(&mut self, heard: &[Frames], out: &mut [Frames]) {
        let (mut a, mut b) = (SILENCE, SILENCE);
        for i in 0..QUANTUM {
            (a[i], b[i]) = (self.source.next_frame(), self.level.next_frame());
        }
        for (o, h) in out.iter_mut().zip(heard) {
            for i in 0..QUANTUM {
                o[i] = a[i] * o[i] + b[i] * h[i];
            }
        }
    }
}

fn go(level: &mut Quintic, up: bool, frames: u32) {
    let to = f64::from(u8::from(up));
    if level.target() != to {
        level.go(to, frames);
    }
}
