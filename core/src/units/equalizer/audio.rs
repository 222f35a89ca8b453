// SPDX-License-Identifier: MIT OR Apache-2.0
//! The equaliser's audio half: two cascades, of which one is heard, and how the other takes its place.
//!
//! A new design does not begin without a past. Its cascade starts from what the heard one remembers of as
//! many time constants ago as it takes, lives through the input since then many quanta at a time until it
//! has caught up, and then fades in over 20 ms: the output is `(1 − w)·now + w·coming`, exactly one of them
//! at either end. Bands that did not change go on from their own states of then, and so do bands of the same
//! kind at the same place; others begin with none. So do dynamic parts, whose moves go on from those of
//! then; one that is new begins without a move and takes it up with its attack.

use super::cascade::{Cascade, Routes};
use super::design::{Design, PLACES};
use super::dynamic::{self, Memory, Moves};
use super::history::History;
use super::linear::Linear;
use super::listen::BandListen;
use super::{BANDS, P};
use crate::dsp::filters::MAX_SECTIONS;
use crate::dsp::math::db_to_gain;
use crate::dsp::ramp::Quintic;
use crate::dsp::svf::State;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::auto_gain::{self, AutoGain};
use crate::units::{Block, Format, Readings, Unit, ramp_frames};

/// Time constants that a new design lives through before it is heard: 0.01 % of its past is missing then.
const TAUS: f64 = 9.0;

/// Time in which it does so, in ms: the lesser of those time constants and the longest, but the least.
const RUN_MS: f64 = 25.0;
const LEAST_RUN_MS: f64 = 2.0;

/// Time of the fade in ms; longer, up to the longest, where the memory does not reach back far enough.
const FADE_MS: f64 = 20.0;
const LONGEST_FADE_MS: f64 = 250.0;

/// The taking over of the coming cascade.
struct Change {
    /// Frames since the start; negative while it waits for its first frame.
    pos: i64,
    /// Frames before the fade.
    run: i64,
    /// Quanta that the coming cascade is behind, and how many it lives through in one.
    behind: u64,
    pace: u64,
    /// Share of the coming cascade in the output.
    fade: Quintic,
}

/// Audio half. Boxes inside: heard, coming, next and the spent ones, never more than three altogether.
pub struct EqualizerUnit {
    routes: Routes,
    now: Cascade,
    coming: Cascade,
    /// Waits until `coming` is heard; a newer one takes its seat.
    next: Option<Box<Design>>,
    /// Spent designs on their way home.
    spent: [Option<Box<Design>>; 2],
    change: Change,
    history: History,
    /// The first quantum that each band lived through as it is heard.
    arrived: [u64; BANDS],
    /// Bands of linear or mixed phase, before the cascade; `None` in a unit of minimum phase.
    linear: Option<Linear>,
    listen: BandListen,
    auto_gain: AutoGain,
    /// The coming cascade's audio.
    side: Vec<Frames>,
    run_frames: f64,
    least_run: f64,
    fade_frames: u32,
    longest_fade: u32,
}

impl EqualizerUnit {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub(super) fn new(format: &Format, design: Box<Design>, linear: Option<Linear>) -> Self {
        let states = || vec![[State::default(); PLACES]; format.channels()];
        EqualizerUnit {
            routes: Routes::new(format),
            listen: BandListen::new(format, design.regions),
            auto_gain: AutoGain::new(format, auto_gain::GENTLE),
            now: Cascade { design: Some(design), states: states(), moves: Moves::new(format.channels()) },
            coming: Cascade { design: None, states: states(), moves: Moves::new(format.channels()) },
            next: None,
            spent: [None, None],
            change: Change { pos: 0, run: 0, behind: 0, pace: 0, fade: Quintic::at(0.0) },
            history: History::new(format.channels()),
            arrived: [0; BANDS],
            linear,
            side: vec![SILENCE; format.channels()],
            run_frames: RUN_MS * 1e-3 * format.rate(),
            least_run: LEAST_RUN_MS * 1e-3 * format.rate(),
            fade_frames: ramp_frames(FADE_MS, format.sample_rate),
            longest_fade: ramp_frames(LONGEST_FADE_MS, format.sample_rate),
        }
    }

    /// Audio thread. Sets the coming cascade going, `at` frames into the coming quantum; it begins in the
    /// next call of [`Self::process_change`], when that quantum is remembered.
    fn begin(&mut self, design: Box<Design>, at: usize) {
        let Some(now) = &self.now.design else {
            self.now.design = Some(design);
            return;
        };
        if let Some(linear) = &mut self.linear {
            linear.begin(now, &design, at);
        }
        // Its seat is empty: nothing is dropped here.
        debug_assert!(self.coming.design.is_none());
        self.coming.design = Some(design);
        self.change.pos = -(at as i64);
        self.change.pace = 0;
    }

    /// Audio thread. Puts the coming cascade back to where its life begins.
    fn send_back(&mut self) {
        let (Some(now), Some(new)) = (&self.now.design, &self.coming.design) else { return };
        let c = &mut self.change;
        let Some(mut first) = (0..BANDS).find(|b| !now.same_band(new, *b)) else {
            // No other sound: it goes on where the heard one stands.
            for (states, heard) in self.coming.states.iter_mut().zip(&self.now.states) {
                states.copy_from_slice(heard);
            }
            for (memory, heard) in self.coming.moves.memory.iter_mut().zip(&self.now.moves.memory) {
                memory.copy_from_slice(heard);
            }
            (c.behind, c.pace, c.run, c.fade) = (0, 1, 0, Quintic::at(1.0));
            return;
        };
        let (tau, run) = loop {
            let tau = new.bands[first..].iter().map(|b| b.tau).fold(0.0, f64::max);
            let run = (TAUS * tau).max(self.least_run).min(self.run_frames);
            let wanted = (TAUS * tau - run).max(0.0).min(dynamic::reach(&new.dynamics, run));
            c.behind = self.history.reach(wanted);
            // What is remembered of a band that was another then is as good as a change of it.
            let start = self.history.quantum(c.behind);
            match (0..first).find(|b| self.arrived[*b] > start) {
                Some(young) => first = young,
                None => break (tau, run),
            }
        };
        let lived = (c.behind * QUANTUM as u64) as f64 + run;
        let missing = (TAUS * tau - lived).max(0.0);
        let fade = (missing as u32).clamp(self.fade_frames, self.longest_fade);
        c.fade = Quintic::at(0.0);
        c.fade.go(1.0, fade);
        c.run = run as i64;
        // One more than it takes, for the quantum that passes meanwhile.
        let quanta = (c.run as u64 / QUANTUM as u64).max(1);
        c.pace = c.behind.div_ceil(quanta) + 1;
        let start = self.history.quantum(c.behind);
        let was_itself = |band: usize| self.arrived[band] <= start;
        for (lane, states) in self.coming.states.iter_mut().enumerate() {
            match self.history.states(c.behind, lane) {
                Some(then) => states.copy_from_slice(then),
                None => states.fill(State::default()),
            }
            for band in (0..BANDS).filter(|b| !(now.alike(new, *b) && was_itself(*b))) {
                states[band * MAX_SECTIONS..][..MAX_SECTIONS].fill(State::default());
            }
        }
        for (lane, memory) in self.coming.moves.memory.iter_mut().enumerate() {
            match self.history.memories(c.behind, lane) {
                Some(then) => memory.copy_from_slice(then),
                None => memory.fill(Memory::default()),
            }
            for band in (0..BANDS).filter(|b| !(now.dynamics_alike(new, *b) && was_itself(*b))) {
                memory[band] = Memory::default();
            }
        }
    }

    /// Audio thread. One quantum with both cascades.
    fn process_change(&mut self, audio: &mut [Frames]) {
        if self.change.pace == 0 {
            self.send_back();
        }
        let c = &mut self.change;
        // The quantum of now is one of them.
        for back in (0..=c.behind).rev().take(c.pace as usize) {
            self.side.copy_from_slice(self.history.audio(back));
            self.coming.run(&self.routes, &mut self.side, self.history.external(back));
        }
        c.behind = (c.behind + 1).saturating_sub(c.pace);
        self.now.run(&self.routes, audio, self.history.external(0));
        for i in 0..QUANTUM {
            if c.pos >= c.run {
                let w = c.fade.next_frame();
                for (a, b) in audio.iter_mut().zip(&self.side) {
                    a[i] = (1.0 - w) * a[i] + w * b[i];
                }
            }
            c.pos += 1;
        }
        if !c.fade.is_moving() && !self.linear.as_ref().is_some_and(Linear::is_changing) {
            self.arrive();
        }
    }

    /// Audio thread. The coming cascade is the heard one; the next sets out.
    fn arrive(&mut self) {
        if let (Some(was), Some(is)) = (&self.now.design, &self.coming.design) {
            for band in (0..BANDS).filter(|b| !was.same_band(is, *b)) {
                self.arrived[band] = self.history.quanta();
            }
        }
        std::mem::swap(&mut self.now, &mut self.coming);
        let old = self.coming.design.take();
        self.put_away(old);
        if let Some(linear) = &mut self.linear {
            linear.arrive();
        }
        if let Some(next) = self.next.take() {
            self.begin(next, 0);
        }
    }

    fn put_away(&mut self, old: Option<Box<Design>>) {
        if old.is_some() {
            // Of three boxes one is heard, so there is always a seat.
            if let Some(seat) = self.spent.iter_mut().find(|s| s.is_none()) {
                *seat = old;
            } else {
                debug_assert!(false, "no seat for a spent design");
                std::mem::forget(old);
            }
        }
    }
}

#[cfg(test)]
impl EqualizerUnit {
    pub(super) fn heard(&self) -> Option<&Design> {
        self.now.design.as_deref()
    }
}

impl Unit for EqualizerUnit {
    type Parts = Box<Design>;

    fn exchange(&mut self, parts: &mut Option<Box<Design>>, at: usize) {
        if let Some(new) = parts {
            self.listen.regions = new.regions;
        }
        let home = match parts.take() {
            None => None,
            Some(new) if self.coming.design.is_none() => {
                self.begin(new, at);
                None
            }
            Some(new) => self.next.replace(new),
        };
        *parts = match home {
            Some(old) => Some(old),
            None => self.spent.iter_mut().find_map(Option::take),
        };
    }

    fn process(&mut self, block: &mut Block<'_>) {
        let weight = block.ramp(P::AutoGain);
        self.listen.process(&self.routes, block);
        self.auto_gain.hear(weight, block.audio);
        let mut external = block.sidechain;
        if let (Some(linear), Some(now)) = (&mut self.linear, &self.now.design) {
            linear.process(block.audio, now, self.coming.design.as_deref());
            external = external.map(|side| linear.delayed_ear(side));
        }
        self.history.push(block.audio, external.unwrap_or(block.audio), &self.now);
        if self.coming.design.is_some() {
            self.process_change(block.audio);
        } else {
            self.now.run(&self.routes, block.audio, self.history.external(0));
        }
        self.auto_gain.apply(weight, block.audio);
        let output = block.ramp(P::Output);
        if output.is_moving() || output.last() != 0.0 {
            let gain: Frames = std::array::from_fn(|i| db_to_gain(output.at(i)));
            for audio in block.audio.iter_mut() {
                audio.iter_mut().zip(&gain).for_each(|(x, g)| *x *= g);
            }
        }
    }

    fn latency(&self) -> usize {
        self.linear.as_ref().map_or(0, Linear::latency)
    }

    fn reset(&mut self) {
        if let Some(newest) = self.next.take().or_else(|| self.coming.design.take()) {
            let (old, coming) = (self.now.design.replace(newest), self.coming.design.take());
            self.put_away(old);
            self.put_away(coming);
        }
        self.now.clear();
        self.coming.clear();
        self.history.forget();
        self.auto_gain.reset();
        self.listen.reset();
        if let Some(linear) = &mut self.linear {
            linear.reset();
        }
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = self.now.moves.deepest;
    }
}
