// SPDX-License-Identifier: MIT OR Apache-2.0
//! The correlation guard: how much of the side a pair can keep. Audio thread, but for `new`.
//!
//! With the side multiplied by w, the correlation of left and right is
//! `ρ(w) = (m² − w²s²)/√((m² + w²s²)² − 4w²c²)`, where m² and s² are the mean powers of mid and side and c the mean
//! of their product. It falls from 1 as w grows, so there is one w at which it has reached the limit r. With
//! `u = w²s²` that is a quadratic, `u² − 2bu + m⁴ = 0`, `b = (m²(1 + r²) − 2r²c²/s²)/(1 − r²)`; its lower root has
//! ρ = |r| and its upper one −|r|.

use super::mid_side;
use crate::dsp::math::{gain_to_db, one_pole};
use crate::dsp::{Frames, QUANTUM};
use crate::units::Ramp;

/// Time constants in seconds: of the means, and of the side on its way down and up.
const MEAN: f64 = 0.3;
const DOWN: f64 = 0.1;
const UP: f64 = 0.5;

/// The longest of them.
pub const SLOWEST: f64 = UP;

/// Powers below this (−300 dBFS) are silence.
const TINY: f64 = 1e-30;

/// One pair.
///
/// | state | meaning | rate |
/// |---|---|---|
/// | `mid`, `side` | mean powers, full scale² | frame |
/// | `cross` | mean of mid × side | frame |
/// | `gain` | gain of the side | frame |
#[derive(Clone, Copy)]
struct Pair {
    mid: f64,
    side: f64,
    cross: f64,
    gain: f64,
}

const AT_REST: Pair = Pair { mid: 0.0, side: 0.0, cross: 0.0, gain: 1.0 };

pub struct Guard {
    pairs: Vec<Pair>,
    /// Shares of the new in one frame.
    mean: f64,
    down: f64,
    up: f64,
    /// Lowest gain of a side in the last quantum; `None` while the guard is off.
    lowest: Option<f64>,
}

impl Guard {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(pairs: usize, rate: f64) -> Guard {
        let share = |seconds| 1.0 - one_pole(seconds, rate);
        let (mean, down, up) = (share(MEAN), share(DOWN), share(UP));
        Guard { pairs: vec![AT_REST; pairs], mean, down, up, lowest: None }
    }

    pub fn reset(&mut self) {
        self.pairs.fill(AT_REST);
        self.lowest = None;
    }

    /// One quantum in place, as far as the guard is on.
    pub fn process(&mut self, on: Ramp<'_>, limit: Ramp<'_>, pairs: &[(usize, usize)], audio: &mut [Frames]) {
        if matches!(on, Ramp::Hold(0.0)) {
            if self.lowest.is_some() {
                self.reset();
            }
            return;
        }
        let mut lowest = 1.0;
        for (state, (l, r)) in self.pairs.iter_mut().zip(pairs) {
            let (mid, side) = mid_side(&audio[*l], &audio[*r]);
            for i in 0..QUANTUM {
                let (m, s) = (mid[i], side[i]);
                state.mid += self.mean * (m * m - state.mid);
                state.side += self.mean * (s * s - state.side);
                state.cross += self.mean * (m * s - state.cross);
                let to = state.widest(limit.at(i));
                state.gain += if to < state.gain { self.down } else { self.up } * (to - state.gain);
                let away = on.at(i) * (state.gain - 1.0);
                audio[*l][i] += away * s;
                audio[*r][i] -= away * s;
                lowest = if 1.0 + away < lowest { 1.0 + away } else { lowest };
            }
            state.flush();
        }
        self.lowest = Some(lowest);
    }

    /// How much of a side was taken away in the last quantum, dB.
    pub fn reduction(&self) -> Option<f64> {
        self.lowest.map(|g| -gain_to_db(g))
    }
}

impl Pair {
    /// The largest gain of the side, up to 1, at which the correlation is no lower than `limit`.
    #[inline(always)]
    fn widest(&self, limit: f64) -> f64 {
        if self.side < TINY {
            return 1.0;
        }
        let (m, r2) = (self.mid, limit * limit);
        let b = (m * (1.0 + r2) - 2.0 * r2 * (self.cross * self.cross / self.side)) / (1.0 - r2);
        let square = b * b - m * m;
        let upper = b + if square > 0.0 { square.sqrt() } else { 0.0 };
        let u = if limit < 0.0 {
            upper
        } else if upper > TINY {
            m * m / upper
        } else {
            0.0
        };
        if u >= self.side { 1.0 } else { (u / self.side).sqrt() }
    }

    /// At the end of a quantum, long before anything is denormal.
    fn flush(&mut self) {
        for v in [&mut self.mid, &mut self.side, &mut self.cross] {
            *v = if v.abs() < TINY { 0.0 } else { *v };
        }
        self.gain = if self.gain < TINY { 0.0 } else { self.gain };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At the gain it finds, the formula of the correlation gives the limit.
    #[test]
    fn the_gain_it_finds_has_the_limit() {
        let mut worst = 0.0f64;
        for (mid, side) in [(1.0, 1.0), (0.1, 3.0), (1e-6, 1e-7), (0.5, 200.0)] {
            for lean in [-0.9, -0.3, 0.0, 0.5, 0.99] {
                for limit in [-0.9, -0.5, -0.01, 0.0, 0.01, 0.4, 0.9] {
                    let cross = lean * f64::sqrt(mid * side);
                    let p = Pair { mid, side, cross, gain: 1.0 };
                    let rho = |w: f64| {
                        let u = w * w * side;
                        (mid - u) / ((mid + u).powi(2) - 4.0 * w * w * cross * cross).sqrt()
                    };
                    let w = p.widest(limit);
                    if rho(1.0) >= limit {
                        assert_eq!(w, 1.0, "{p:?} at {limit}", p = (mid, side, lean));
                    } else {
                        worst = worst.max((rho(w) - limit).abs());
                    }
                }
            }
        }
        println!("correlation at most {worst:.1e} off");
        assert!(worst < 1e-9, "{worst}");
    }

    #[test]
    fn silence_and_pure_sides_have_an_answer() {
        assert_eq!(AT_REST.widest(0.9), 1.0);
        let side = Pair { side: 1.0, ..AT_REST };
        assert_eq!(side.widest(0.0), 0.0);
        assert_eq!(side.widest(-0.9), 0.0);
    }
}
