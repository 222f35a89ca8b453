// SPDX-License-Identifier: MIT OR Apache-2.0
//! What stands between the chain and the ports: the fade to silence, the guard and the monitor.
//! Audio thread, but for `new`.

use crate::dsp::math::quantum;
use crate::dsp::ramp::Quintic;
use crate::dsp::simd::Class;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::{self, ParamTable};
use crate::units::{Glides, ramp_frames};

crate::params! {
    /// The monitor's own parameters: outside the rack, outside snapshots.
    pub enum MonitorParam {
        Level = param::float("level", "Level", param::Unit::Decibel, (-80.0, 12.0), 0.0).step(0.5)
            .doc("Monitor level."),
        Dim = param::toggle("dim", "Dim", false).doc("Lowers the monitor by 20 dB."),
        Mute = param::toggle("mute", "Mute", false).doc("Silences the monitor."),
        Mono = param::toggle("mono", "Mono", false)
            .doc("The mean of left and right on both; other channels stay."),
    }
}

/// What `dim` takes off, in dB.
const DIM_DB: f64 = -20.0;
/// Times of the fades to silence, in milliseconds.
const PANIC_MS: f64 = 5.0;
const CLOSING_MS: f64 = 50.0;
const SWAP_MS: f64 = super::transition::FADE_MS;

/// Why main is to be silent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet {
    pub panic: bool,
    pub closing: bool,
    pub swap: bool,
}

/// The fade at main.
pub struct MainFade {
    level: Quintic,
    sample_rate: u32,
    weights: Frames,
}

impl MainFade {
    /// `silent`: main begins in silence.
    pub fn new(sample_rate: u32, silent: bool) -> Self {
        let level = Quintic::at(if silent { 0.0 } else { 1.0 });
        MainFade { level, sample_rate, weights: SILENCE }
    }

    /// Begins in silence and fades in, unless there is a reason for silence.
    pub fn begin_silent(&mut self) {
        self.level = Quintic::at(0.0);
    }

    /// True if main is silent and stays so.
    pub fn is_silent(&self) -> bool {
        self.level.value() == 0.0 && !self.level.is_moving()
    }

    /// Applies the fade in place and keeps every sample within the range of an `f32`.
    pub fn process(&mut self, quiet: Quiet, main: &mut [Frames]) {
        let target = if quiet.panic || quiet.closing || quiet.swap { 0.0 } else { 1.0 };
        if target != self.level.target() {
            let ms = match quiet {
                Quiet { panic: true, .. } => PANIC_MS,
                Quiet { closing: true, .. } => CLOSING_MS,
                _ => SWAP_MS,
            };
            self.level.go(target, ramp_frames(ms, self.sample_rate));
        }
        if self.level.quantum(&mut self.weights) {
            for c in main.iter_mut() {
                for (x, w) in c.iter_mut().zip(&self.weights) {
                    *x *= w.clamp(0.0, 1.0);
                }
            }
        } else if self.level.value() == 0.0 {
            main.iter_mut().for_each(|c| *c = SILENCE);
        }
        const LIMIT: f64 = f32::MAX as f64;
        for x in main.iter_mut().flatten() {
            *x = if x.is_finite() { x.clamp(-LIMIT, LIMIT) } else { 0.0 };
        }
    }
}

/// Copies the input, with what is not audio replaced by zero; returns how many samples that were.
pub fn guard_input(input: &[Frames], bus: &mut [Frames]) -> u64 {
    /// +80 dBFS: beyond any converter and any mix.
    const LIMIT: f64 = 1e4;
    let mut refused = 0;
    for (o, i) in bus.iter_mut().zip(input) {
        for (o, x) in o.iter_mut().zip(i) {
            let audio = x.abs() <= LIMIT;
            refused += u64::from(!audio);
            *o = if audio { *x } else { 0.0 };
        }
    }
    refused
}

/// The monitor chain; its source is main.
pub struct Monitor {
    pub glides: Glides,
    /// Left and right of the first pair.
    pair: Option<(usize, usize)>,
    class: Class,
}

impl Monitor {
    pub fn new(layout: &crate::units::Layout) -> Self {
        let table = ParamTable::new(MonitorParam::SPECS);
        let pair = layout.pairs().first().copied();
        Monitor { glides: Glides::new(&table, &table.defaults()), pair, class: Class::chosen() }
    }

    pub fn process(&mut self, main: &[Frames], out: &mut [Frames]) {
        self.glides.advance();
        let (level, dim) =
            (self.glides.ramp(MonitorParam::Level.into()), self.glides.ramp(MonitorParam::Dim.into()));
        let (mute, mono) =
            (self.glides.ramp(MonitorParam::Mute.into()), self.glides.ramp(MonitorParam::Mono.into()));
        let mut gain: Frames = std::array::from_fn(|i| level.at(i) + DIM_DB * dim.at(i));
        quantum::db_to_gain(self.class, &mut gain);
        for (i, g) in gain.iter_mut().enumerate() {
            *g *= 1.0 - mute.at(i);
        }
        for (o, x) in out.iter_mut().zip(main) {
            for i in 0..QUANTUM {
                o[i] = x[i] * gain[i];
            }
        }
        if let Some((l, r)) = self.pair.filter(|_| mono.is_moving() || mono.at(0) > 0.0) {
            for i in 0..QUANTUM {
                let (Some(a), Some(b)) = (out.get(l).map(|c| c[i]), out.get(r).map(|c| c[i])) else { return };
                let (mean, w) = (0.5 * (a + b), mono.at(i));
                if let Some(c) = out.get_mut(l) {
                    c[i] = w * mean + (1.0 - w) * a;
                }
                if let Some(c) = out.get_mut(r) {
                    c[i] = w * mean + (1.0 - w) * b;
                }
            }
        }
    }
}
