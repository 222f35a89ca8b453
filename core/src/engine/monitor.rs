// SPDX-License-Identifier: MIT OR Apache-2.0
//! The monitor output: a source, or what a slot lets one listen to, then level, dim, mute and mono.
//! Audio thread, but for `new`. Nothing here writes to main.

use super::chain::route;
use super::listen::{Ear, Heard};
use super::output::MainFade;
use crate::dsp::math::db_to_gain;
use crate::dsp::ramp::Quintic;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::{self, Choice, ParamIndex, ParamTable};
use crate::units::{Glides, Layout, Ramp, ramp_frames};

crate::params! {
    /// The monitor's own parameters: outside the rack, outside snapshots.
    pub enum MonitorParam {
        Level = param::float("level", "Level", param::Unit::Decibel, (-80.0, 12.0), 0.0).step(0.5)
            .doc("Monitor level."),
        Dim = param::toggle("dim", "Dim", false).doc("Lowers the monitor by 20 dB."),
        Mute = param::toggle("mute", "Mute", false).doc("Silences the monitor."),
        Mono = param::toggle("mono", "Mono", false)
            .doc("The mean of left and right on both; other channels stay."),
        Source = param::choice("source", "Source", SOURCES, 0).designed()
            .doc("What is heard, while no slot is listened to; crossfades."),
    }
}

const SOURCES: &[Choice] = &[
    Choice { symbol: "main", doc: "The rack's output." },
    Choice { symbol: "in", doc: "The rack's input, as late as its output." },
    Choice { symbol: "delta", doc: "Output minus input: what the rack adds and takes away." },
];

/// Weights of main and of the input in each source.
const WEIGHTS: [(f64, f64); 3] = [(1.0, 0.0), (0.0, 1.0), (1.0, -1.0)];

/// What `dim` takes off, in dB.
const DIM_DB: f64 = -20.0;
/// Time of the crossfade from one source to another, in milliseconds.
pub(super) const SOURCE_MS: f64 = 20.0;

/// A source chosen but not yet begun.
#[derive(Clone, Copy, Debug)]
struct Chosen {
    weights: (f64, f64),
    /// Frames into the coming quantum.
    at: usize,
}

/// The monitor chain.
pub struct Monitor {
    glides: Glides,
    /// Left and right of the first pair.
    pair: Option<(usize, usize)>,
    main: Quintic,
    input: Quintic,
    chosen: Option<Chosen>,
    fade_frames: u32,
    pub ear: Ear,
    /// What a slot lets one listen to, on the monitor's channels.
    heard: Vec<Frames>,
}

impl Monitor {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(layout: &Layout, sample_rate: u32) -> Self {
        let table = ParamTable::new(MonitorParam::SPECS);
        Monitor {
            glides: Glides::new(&table, &table.defaults()),
            pair: layout.pairs().first().copied(),
            main: Quintic::at(WEIGHTS[0].0),
            input: Quintic::at(WEIGHTS[0].1),
            chosen: None,
            fade_frames: ramp_frames(SOURCE_MS, sample_rate),
            ear: Ear::new(sample_rate),
            heard: vec![SILENCE; layout.len()],
        }
    }

    /// Sets out for a value, beginning `at` frames into the coming quantum.
    pub fn set(&mut self, param: ParamIndex, to: f64, frames: u32, at: usize) {
        if param == MonitorParam::Source.into() {
            let weights = WEIGHTS.get(to as usize).copied().unwrap_or(WEIGHTS[0]);
            self.chosen = Some(Chosen { weights, at: at.min(QUANTUM - 1) });
        } else {
            self.glides.go(param, to, frames, at);
        }
    }

    /// One quantum. `main` has the fade to silence in it; `input` is as late as main and has not, nor has
    /// what is heard of a slot.
    pub fn process(
        &mut self,
        main: &[Frames],
        input: &[Frames],
        heard: Option<Heard<'_>>,
        fade: &MainFade,
        out: &mut [Frames],
    ) {
        self.glides.advance();
        self.mix_source(main, input, fade, out);
        if self.ear.is_open() {
            match heard {
                Some(h) => route(h.map, h.audio, &mut self.heard),
                None => self.heard.fill(SILENCE),
            }
            fade.apply(&mut self.heard);
            self.ear.mix(&self.heard, out);
        }
        self.shape(out);
    }

    fn mix_source(&mut self, main: &[Frames], input: &[Frames], fade: &MainFade, out: &mut [Frames]) {
        let rests = self.chosen.is_none() && !self.main.is_moving() && !self.input.is_moving();
        if rests && self.input.value() == 0.0 {
            for (o, x) in out.iter_mut().zip(main) {
                *o = *x;
            }
            return;
        }
        let (mut a, mut b) = (SILENCE, SILENCE);
        for i in 0..QUANTUM {
            if let Some(c) = self.chosen.filter(|c| c.at <= i) {
                self.chosen = None;
                self.main.go(c.weights.0, self.fade_frames);
                self.input.go(c.weights.1, self.fade_frames);
            }
            (a[i], b[i]) = (self.main.next_frame(), self.input.next_frame());
        }
        for (o, x) in out.iter_mut().zip(input) {
            *o = *x;
        }
        fade.apply(out);
        for (o, x) in out.iter_mut().zip(main) {
            for i in 0..QUANTUM {
                o[i] = a[i] * x[i] + b[i] * o[i];
            }
        }
    }

    /// Level, dim, mute and mono, in place.
    fn shape(&self, out: &mut [Frames]) {
        let (level, dim) =
            (self.glides.ramp(MonitorParam::Level.into()), self.glides.ramp(MonitorParam::Dim.into()));
        let (mute, mono) =
            (self.glides.ramp(MonitorParam::Mute.into()), self.glides.ramp(MonitorParam::Mono.into()));
        let gain = |i: usize| db_to_gain(level.at(i) + DIM_DB * dim.at(i)) * (1.0 - mute.at(i));
        let moves = [level, dim, mute].iter().any(Ramp::is_moving);
        let gains: Frames = if moves { std::array::from_fn(gain) } else { [gain(0); QUANTUM] };
        if moves || gains[0] != 1.0 {
            for o in out.iter_mut() {
                o.iter_mut().zip(&gains).for_each(|(o, g)| *o *= g);
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
