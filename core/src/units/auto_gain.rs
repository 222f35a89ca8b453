// SPDX-License-Identifier: MIT OR Apache-2.0
//! Auto gain: what a unit does changes the sound, not the loudness.
//!
//! The K-weighted energies before and after its work are averaged over the same time, so that what changes
//! in the programme cancels; their ratio, within limits, is what is taken back. It stands
//! still while the input is silent. In the unit and on the audio thread, so live and offline are the same.

use crate::dsp::kweight::KWeighting;
use crate::dsp::math::{TINY, db_to_gain, gain_to_db, one_pole};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::{Format, Ramp};

/// Time in which the averages take in 63 % of a change, in seconds.
pub(super) const WINDOW: f64 = 3.0;
/// Of the average that tells silence.
const GATE: f64 = 0.1;
/// Mean weighted power of −70 LUFS: 10^((−70 + 0.691)/10).
const SILENT: f64 = 1.172_465e-7;
/// How far a correction may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The largest, dB either way.
    most: f64,
    /// The fastest, dB per second.
    slew: f64,
}

/// For filters, whose bands are moved while one listens.
pub(super) const GENTLE: Limits = Limits { most: 12.0, slew: 1.0 };
/// For what saturates: it takes more from the level, and at once.
pub(super) const FIRM: Limits = Limits { most: 24.0, slew: 3.0 };

/// Time constant that rounds its corners, in seconds.
const ROUND: f64 = 0.05;

pub(super) struct AutoGain {
    input: KWeighting,
    output: KWeighting,
    on: bool,
    /// Weighted energy of this quantum's input, then its averages.
    heard: f64,
    recent: f64,
    energy_in: f64,
    energy_out: f64,
    /// What is to be applied and what is, in dB.
    goal: f64,
    gain: f64,
    keep_recent: f64,
    keep: f64,
    most: f64,
    step: f64,
    rounding: f64,
}

impl AutoGain {
    /// Control side.
    pub(super) fn new(format: &Format, limits: Limits) -> AutoGain {
        let weighting = KWeighting::new(format.sample_rate, &format.layout.loudness_weights());
        let quanta = format.rate() / QUANTUM as f64;
        AutoGain {
            output: weighting.clone(),
            input: weighting,
            on: false,
            heard: 0.0,
            recent: 0.0,
            energy_in: 0.0,
            energy_out: 0.0,
            goal: 0.0,
            gain: 0.0,
            keep_recent: one_pole(GATE, quanta),
            keep: one_pole(WINDOW, quanta),
            most: limits.most,
            step: limits.slew / format.rate(),
            rounding: 1.0 - one_pole(ROUND, format.rate()),
        }
    }

    /// Audio thread. Before the work; `weight` is the share of the correction.
    pub(super) fn hear(&mut self, weight: Ramp<'_>, audio: &[Frames]) {
        let on = weight.is_moving() || weight.last() > 0.0;
        if self.on && !on {
            self.reset();
        }
        self.on = on;
        if on {
            self.heard = energy(&mut self.input, audio);
        }
    }

    /// Audio thread. After it, in place.
    pub(super) fn apply(&mut self, weight: Ramp<'_>, audio: &mut [Frames]) {
        if !self.on {
            return;
        }
        let played = energy(&mut self.output, audio);
        self.recent = average(self.keep_recent, self.recent, self.heard);
        if self.recent > SILENT {
            self.energy_in = average(self.keep, self.energy_in, self.heard);
            self.energy_out = average(self.keep, self.energy_out, played);
        }
        let wanted = if self.recent > SILENT { self.wanted() } else { self.goal };
        let mut gains = SILENCE;
        for (i, g) in gains.iter_mut().enumerate() {
            self.goal += (wanted - self.goal).clamp(-self.step, self.step);
            self.gain += self.rounding * (self.goal - self.gain);
            *g = db_to_gain(weight.at(i) * self.gain);
        }
        for c in audio.iter_mut() {
            c.iter_mut().zip(&gains).for_each(|(x, g)| *x *= g);
        }
    }

    /// What would make both equally loud, dB.
    fn wanted(&self) -> f64 {
        let ratio = (self.energy_in / self.energy_out.max(TINY * TINY)).sqrt();
        gain_to_db(ratio).clamp(-self.most, self.most)
    }

    /// Audio thread. As after `new`.
    pub(super) fn reset(&mut self) {
        self.input.reset();
        self.output.reset();
        (self.heard, self.recent, self.energy_in, self.energy_out) = (0.0, 0.0, 0.0, 0.0);
        (self.goal, self.gain) = (0.0, 0.0);
    }
}

/// Mean weighted power of one quantum.
fn energy(weighting: &mut KWeighting, audio: &[Frames]) -> f64 {
    let mut power = SILENCE;
    weighting.process(audio, &mut power);
    power.iter().sum::<f64>() / QUANTUM as f64
}

fn average(keep: f64, old: f64, new: f64) -> f64 {
    keep * old + (1.0 - keep) * new
}
