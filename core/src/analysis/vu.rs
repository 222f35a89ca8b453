// SPDX-License-Identifier: MIT OR Apache-2.0
//! The VU meter (standard volume indicator; IEC 60268-17, ANSI C16.5).
//!
//! An average-responding rectifier and a needle: second order, 99 % of the deflection 300 ms after a tone begins
//! (±10 %), and 1 to 1.5 % beyond it before it rests. Here 1.25 %: damping ζ from `exp(−πζ/√(1−ζ²))` = 0.0125,
//! and ω₀ from where such a needle first meets 99 %. It falls as it rises. The scale is that of a sine, whose
//! magnitude averages 2/π of its peak: 0 VU is a sine of the reference level, −18 dBFS unless said otherwise.
//!
//! What it reads is flat within 0.12 dB up to a quarter of the rate, whatever the phase.
//!
//! The standard itself was not at hand; 300 ms, 99 % and the overshoot are quoted alike by all secondary
//! sources, the ±10 % by some.

use std::f64::consts::FRAC_PI_2;

use super::decibels;
use super::rectifier::Rectifier;
use crate::dsp::Frames;

/// Alignment level (EBU R 68), dBFS.
pub const REFERENCE_DBFS: f64 = -18.0;
const DAMPING: f64 = 0.812_716_986_428_961_7;
/// rad/s.
const NATURAL: f64 = 13.511_912_562_540_525;

/// Where a needle stands and how fast it moves, as sine peaks; in a second.
#[derive(Clone, Copy, Debug, Default)]
struct Needle {
    at: f64,
    speed: f64,
}

/// What a frame makes of a needle's distance from its goal, exactly: the goal stands still for a frame.
#[derive(Clone, Copy, Debug)]
struct Step {
    at_at: f64,
    at_speed: f64,
    speed_at: f64,
    speed_speed: f64,
}

impl Step {
    fn new(seconds: f64) -> Step {
        let (decay, turn) = (DAMPING * NATURAL, NATURAL * (1.0 - DAMPING * DAMPING).sqrt());
        let e = libm::exp(-decay * seconds);
        let (s, c) = (libm::sin(turn * seconds) / turn, libm::cos(turn * seconds));
        Step {
            at_at: e * (c + decay * s),
            at_speed: e * s,
            speed_at: -e * NATURAL * NATURAL * s,
            speed_speed: e * (c - decay * s),
        }
    }
}

#[derive(Clone, Debug)]
pub struct VuMeter {
    reference_dbfs: f64,
    rectifier: Rectifier,
    step: Step,
    needles: Vec<Needle>,
}

impl VuMeter {
    pub fn new(rate: u32, channels: usize, reference_dbfs: f64) -> Self {
        VuMeter {
            reference_dbfs,
            rectifier: Rectifier::new(rate, channels),
            step: Step::new(1.0 / f64::from(rate.max(1))),
            needles: vec![Needle::default(); channels],
        }
    }

    /// The needles lie at rest.
    pub fn reset(&mut self) {
        self.rectifier.reset();
        self.needles.fill(Needle::default());
    }

    /// Nothing is known of what was missed: the needles begin anew.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let (factor, s) = (self.rectifier.factor(), self.step);
        for (c, (n, x)) in self.needles.iter_mut().zip(audio).enumerate() {
            for frame in self.rectifier.process(c, x).chunks_exact(factor) {
                let goal = FRAC_PI_2 * frame.iter().sum::<f64>() / factor as f64;
                let from = n.at - goal;
                let at = goal + (s.at_at * from + s.at_speed * n.speed);
                n.speed = s.speed_at * from + s.speed_speed * n.speed;
                n.at = at;
            }
            if n.at.abs() < 1e-30 && n.speed.abs() < 1e-30 {
                *n = Needle::default();
            }
        }
    }

    /// Where the needle stands in dBFS of a sine's peak; −∞ at rest.
    pub fn level(&self, channel: usize) -> f64 {
        decibels(self.needles[channel].at)
    }

    /// The reading in VU.
    pub fn read(&self, channel: usize) -> f64 {
        self.level(channel) - self.reference_dbfs
    }
}
