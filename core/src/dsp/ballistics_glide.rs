// SPDX-License-Identifier: MIT OR Apache-2.0
//! New attack and release times without a kink: every constant travels along a quintic.

use super::ballistics::Ballistics;
use super::ramp::Quintic;
use super::{Frames, QUANTUM, SILENCE};

/// Constants under way to those of the newest design.
pub struct BallisticsGlide {
    /// Where the last quantum ended; all of it while nothing moves.
    last: Ballistics,
    quintics: [Quintic; 4],
    frames: [Frames; 4],
    pending: Option<(Ballistics, usize)>,
    length: u32,
}

impl BallisticsGlide {
    /// Stands at `b`; later moves take `length` frames.
    pub fn new(b: Ballistics, length: u32) -> Self {
        BallisticsGlide {
            last: b,
            quintics: b.as_array().map(Quintic::at),
            frames: [SILENCE; 4],
            pending: None,
            length,
        }
    }

    /// Audio thread. Sets out for `b`, `at` frames into the coming quantum.
    pub fn go(&mut self, b: Ballistics, at: usize) {
        self.pending = Some((b, at.min(QUANTUM - 1)));
    }

    /// Audio thread. Works out this quantum's constants; false if they stand still.
    pub fn advance(&mut self) -> bool {
        if self.pending.is_none() && !self.quintics.iter().any(Quintic::is_moving) {
            return false;
        }
        let (to, at) = self.pending.take().unwrap_or((self.last, QUANTUM));
        let ways = self.quintics.iter_mut().zip(&mut self.frames).zip(to.as_array());
        for ((quintic, frames), to) in ways {
            for (i, f) in frames.iter_mut().enumerate() {
                if i == at {
                    quintic.go(to, self.length);
                }
                *f = quintic.next_frame().clamp(1e-9, 1.0);
            }
        }
        self.last = self.at(QUANTUM - 1);
        true
    }

    /// Audio thread. The constants of frame `i` of a quantum that moves.
    #[inline(always)]
    pub fn at(&self, i: usize) -> Ballistics {
        Ballistics::from_array([self.frames[0][i], self.frames[1][i], self.frames[2][i], self.frames[3][i]])
    }

    /// Audio thread. The constants of all frames of a quantum that does not move.
    pub fn held(&self) -> Ballistics {
        self.last
    }

    /// Audio thread. To where it was going, at once.
    pub fn arrive(&mut self) {
        let to = match self.pending.take() {
            Some((b, _)) => b.as_array(),
            None => std::array::from_fn(|k| self.quintics[k].target()),
        };
        self.last = Ballistics::from_array(to);
        self.quintics = to.map(Quintic::at);
    }
}
