// SPDX-License-Identifier: MIT OR Apache-2.0
//! How fast the driver's frames pass beside the machine's clock: an interface that is slaved to another rate than
//! it says makes every frequency and every loudness wrong.

use std::sync::Arc;
use std::time::Instant;

use lathe_core::analysis::clock::{ClockCheck, ClockReadings};

use crate::control::AudioState;
use crate::control::taps::Sound;

/// The check of the engine that runs.
pub(super) struct Clock {
    start: Option<Instant>,
    check: ClockCheck,
    /// The engine, its rate, its period and the glitches when it was looked at last.
    of: (usize, u32, usize, u64),
}

impl Clock {
    pub fn new() -> Self {
        Clock { start: None, check: ClockCheck::new(1), of: (0, 0, 0, 0) }
    }

    /// Takes a reading: the frames that an engine counted at this moment. A glitch has lost frames, and another engine
    /// counts its own: both begin anew.
    pub fn look(&mut self, counted: Option<(&Sound, u64)>, audio: &AudioState, now: Instant) {
        let Some((sound, frames)) = counted.filter(|_| audio.audible && !audio.hung) else {
            self.check.gap();
            return;
        };
        let of = (Arc::as_ptr(&sound.status).addr(), sound.spec.sample_rate, audio.period, audio.xruns);
        if of != self.of {
            if of.1 != self.of.1 {
                self.check = ClockCheck::new(of.1);
            }
            self.check.gap();
            self.of = of;
        }
        let start = *self.start.get_or_insert(now);
        let ns = now.saturating_duration_since(start).as_nanos() as u64;
        self.check.push(frames, ns, audio.period);
    }

    pub fn reading(&self) -> Option<ClockReadings> {
        self.check.read()
    }
}
