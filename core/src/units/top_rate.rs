// SPDX-License-Identifier: MIT OR Apache-2.0
//! What units that shape at a higher rate have in common: qualities, parameters at that rate, gains that wait.

use super::{Block, Ramp};
use crate::dsp::delay::DelayLine;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::{self, Choice, ParamSpec};

/// The values of `quality`.
pub const QUALITIES: &[Choice] = &[
    Choice { symbol: "eco", doc: "four times the sample rate" },
    Choice { symbol: "normal", doc: "eight times" },
    Choice { symbol: "high", doc: "sixteen times" },
];

/// Index of `normal`.
pub const NORMAL: usize = 1;

/// Rates above these in Hz need half as many times, and half of that: what counts is the rate reached.
const DOUBLE: f64 = 80_000.0;
const QUADRUPLE: f64 = 160_000.0;

/// Times the sample rate that a quality works at; at least 2.
pub fn factor(quality: usize, rate: f64) -> usize {
    let share = if rate > QUADRUPLE {
        4
    } else if rate > DOUBLE {
        2
    } else {
        1
    };
    ((4 << quality) / share).max(2)
}

/// Values that follow parameters, at the top rate: a straight line from frame to frame.
#[derive(Clone, Debug)]
pub struct Tracks<const N: usize> {
    last: [f64; N],
    /// The rows hold `last` throughout.
    still: bool,
    rows: [Vec<f64>; N],
}

impl<const N: usize> Tracks<N> {
    /// Control side.
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(factor: usize, values: [f64; N]) -> Self {
        Tracks { last: values, still: true, rows: values.map(|v| vec![v; QUANTUM * factor]) }
    }

    /// Audio thread. The values of this quantum: `at` a frame, the same at all of them unless they are `moving`.
    pub fn follow(&mut self, moving: bool, at: impl Fn(usize) -> [f64; N]) {
        if !moving {
            let values = at(0);
            if self.still && values == self.last {
                return;
            }
            self.still = true;
            self.last = values;
            self.rows.iter_mut().zip(values).for_each(|(r, v)| r.fill(v));
            return;
        }
        self.still = false;
        let factor = self.rows.first().map_or(1, |r| r.len() / QUANTUM);
        let step = 1.0 / factor as f64;
        for frame in 0..QUANTUM {
            let values = at(frame);
            for (k, row) in self.rows.iter_mut().enumerate() {
                let (from, way) = (self.last[k], values[k] - self.last[k]);
                let points = &mut row[frame * factor..(frame + 1) * factor];
                points.iter_mut().enumerate().for_each(|(i, p)| *p = from + way * ((i + 1) as f64 * step));
            }
            self.last = values;
        }
    }

    /// Audio thread. One row a value.
    pub fn rows(&self) -> [&[f64]; N] {
        self.rows.each_ref().map(Vec::as_slice)
    }
}

/// A gain that waits as long as the audio it belongs to.
#[derive(Clone, Debug)]
pub struct Waiting {
    ring: Vec<f64>,
    at: usize,
    last: f64,
    /// Frames for which the gain has been `last`, no more than the ring holds.
    same: usize,
}

impl Waiting {
    /// Control side.
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(frames: usize, gain: f64) -> Self {
        Waiting { ring: vec![gain; frames], at: 0, last: gain, same: frames }
    }

    /// Audio thread. This quantum's gains, and in their place those of the delay before.
    pub fn turn(&mut self, gains: &mut Frames) {
        let len = self.ring.len();
        let still = gains.iter().all(|g| *g == self.last);
        if len == 0 || (still && self.same == len) {
            return;
        }
        self.same = if still { (self.same + QUANTUM).min(len) } else { 0 };
        for g in gains {
            self.last = *g;
            *g = std::mem::replace(&mut self.ring[self.at], *g);
            self.at = if self.at + 1 == len { 0 } else { self.at + 1 };
        }
    }

    /// Audio thread. As if the gain had always been what it is now.
    pub fn reset(&mut self) {
        self.ring.fill(self.last);
        self.same = self.ring.len();
    }
}

/// What came in, as late as what goes out, while someone listens to the difference.
#[derive(Clone, Debug)]
pub struct Past {
    line: DelayLine,
    late: Vec<Frames>,
    listening: bool,
}

impl Past {
    /// Control side.
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(channels: usize, frames: usize) -> Self {
        Past { line: DelayLine::new(channels, frames), late: vec![SILENCE; channels], listening: false }
    }

    /// Audio thread. Before the work.
    pub fn remember(&mut self, block: &Block<'_>) {
        let listening = block.listen.is_some();
        if listening {
            if !self.listening {
                self.line.reset();
            }
            self.line.process(block.audio, &mut self.late);
        }
        self.listening = listening;
    }

    /// Audio thread. What comes out less what came in, lifted by `gain`, to where someone listens.
    pub fn difference(&self, block: &mut Block<'_>, gain: &Frames) {
        let Some(listen) = &mut block.listen else { return };
        for ((heard, y), x) in listen.out.iter_mut().zip(block.audio.iter()).zip(&self.late) {
            for i in 0..QUANTUM {
                heard[i] = y[i] - gain[i] * x[i];
            }
        }
    }

    pub fn reset(&mut self) {
        self.line.reset();
    }
}

const HEARD: &[Choice] = &[
    Choice { symbol: "off", doc: "nothing" },
    Choice { symbol: "delta", doc: "what the unit adds to the sound that comes in, or takes from it" },
];

/// What such units let one listen to.
pub fn delta() -> ParamSpec {
    param::choice("listen", "Listen", HEARD, 0)
        .doc("What is heard at the monitor: nothing of this unit, or the difference that it makes.")
}

/// True if any of these moves.
pub fn moving(ramps: &[Ramp<'_>]) -> bool {
    ramps.iter().any(Ramp::is_moving)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_waits_to_the_frame() {
        for frames in [0, 1, 63, 64, 65, 170] {
            let gain = |n: usize| if (300..900).contains(&n) { (n as f64).sin() } else { 0.5 };
            let mut w = Waiting::new(frames, 0.5);
            for q in 0..30 {
                let mut g: Frames = std::array::from_fn(|i| gain(q * QUANTUM + i));
                w.turn(&mut g);
                for (i, g) in g.iter().enumerate() {
                    let n = q * QUANTUM + i;
                    assert_eq!(*g, if n < frames { 0.5 } else { gain(n - frames) }, "{n}, {frames} frames");
                }
            }
        }
    }

    #[test]
    fn a_track_meets_its_values_at_the_frames() {
        let mut t = Tracks::new(4, [1.0, 2.0]);
        t.follow(true, |i| [1.0 + (i + 1) as f64, 2.0]);
        let [a, b] = t.rows();
        assert_eq!((a[0], a[1], a[3], a[255]), (1.25, 1.5, 2.0, 65.0));
        assert!(b.iter().all(|v| *v == 2.0));
        t.follow(false, |_| [65.0, 2.0]);
        assert!(t.rows()[0].iter().all(|v| *v == 65.0));
    }

    #[test]
    fn every_rate_comes_to_about_the_same_top_rate() {
        for (quality, low) in [170e3, 350e3, 700e3].into_iter().enumerate() {
            for rate in [44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0] {
                let top = rate * factor(quality, rate) as f64;
                assert!((low..2.3 * low).contains(&top), "{top}");
            }
        }
    }
}
