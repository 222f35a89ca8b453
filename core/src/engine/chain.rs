// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flat list of steps over numbered buses. Every bus is written by one step a quantum, so the
//! signal before and after any slot is there to be tapped.

use std::any::Any;

use super::link::Reductions;
use super::listen::{Ask, Heard};
use crate::dsp::crossover::{Crossover, Points};
use crate::dsp::delay::DelayLine;
use crate::dsp::simd::Class;
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::ParamIndex;
use crate::rack::split::BranchParam;
use crate::units::{AnyUnit, Block, Glides, Listen, Ramp, Readings, SlotParam};

/// One signal of one quantum, a `Frames` for each channel.
pub type Bus = Vec<Frames>;

/// Most signals one step writes.
pub const MAX_OUTS: usize = 8;

/// What a step does.
pub enum Op {
    /// ins: input [, sidechain]; out: input through the unit, mixed with its dry path.
    Unit(Box<UnitOp>),
    /// ins: input; out: later.
    Delay(DelayLine),
    /// ins: input; outs: the bands.
    Bands(Box<Crossover>),
    /// ins: input; outs: first and second of every pair, the rest.
    Pairs(PairOp),
    /// ins: the branches in order; out: their sum.
    Sum(BranchOp),
    /// ins: first, second, rest; out: the pairs put together again.
    Join(BranchOp, PairOp),
    /// ins: dry, wet; out: by the slot's mix and bypass.
    Blend(SlotOp),
    /// ins: source; out: each channel the mean of some channels of the source.
    Route(Vec<Vec<usize>>),
}

/// A unit with what every slot has.
pub struct UnitOp {
    pub unit: Box<dyn AnyUnit>,
    pub dry: DelayLine,
    pub width: Width,
    pub slot: SlotOp,
    /// Scratch for the delayed dry signal.
    pub scratch: Bus,
    /// What the unit lets one listen to, while someone does.
    pub heard: Bus,
    /// For each channel of the monitor, the channels of `heard` it is the mean of.
    pub heard_map: Vec<Vec<usize>>,
}

/// Where a slot's `bypass` and `mix` stand in its table.
#[derive(Clone, Copy, Debug)]
pub struct SlotOp {
    pub bypass: ParamIndex,
    pub mix: Option<ParamIndex>,
}

impl SlotOp {
    /// For a table whose last lines are [`SlotParam`].
    pub fn of_table(len: usize) -> Self {
        let first = (len - SlotParam::SPECS.len()) as u16;
        SlotOp {
            bypass: ParamIndex(first + SlotParam::Bypass as u16),
            mix: Some(ParamIndex(first + SlotParam::Mix as u16)),
        }
    }

    /// Audio thread. True if nothing of the dry signal is heard in this quantum.
    pub fn is_wet(&self, glides: &Glides) -> bool {
        let mix = self.mix.map_or(Ramp::Hold(100.0), |m| glides.ramp(m));
        matches!((mix, glides.ramp(self.bypass)), (Ramp::Hold(100.0), Ramp::Hold(0.0)))
    }

    /// Audio thread. Blends `dry` into `wet` in place; wet weight = mix × (1 − bypass).
    pub fn blend(&self, glides: &Glides, dry: &[Frames], wet: &mut [Frames]) {
        let bypass = glides.ramp(self.bypass);
        let mix = self.mix.map(|m| glides.ramp(m));
        let weight = |i: usize| mix.map_or(1.0, |m| m.at(i) * 0.01) * (1.0 - bypass.at(i));
        if !bypass.is_moving() && !mix.is_some_and(|m| m.is_moving()) {
            let w = weight(0);
            if w == 1.0 {
                return;
            }
            if w == 0.0 {
                for (w, d) in wet.iter_mut().zip(dry) {
                    *w = *d;
                }
                return;
            }
        }
        let mut weights = SILENCE;
        for (i, w) in weights.iter_mut().enumerate() {
            *w = weight(i);
        }
        for (wet, dry) in wet.iter_mut().zip(dry) {
            crossfade(&weights, dry, wet);
        }
    }
}

/// `to = w·to + (1 − w)·from`, exactly `from` at 0 and `to` at 1. Audio thread.
pub fn crossfade(weights: &Frames, from: &Frames, to: &mut Frames) {
    for ((t, f), w) in to.iter_mut().zip(from).zip(weights) {
        *t = if *w == 1.0 {
            *t
        } else if *w == 0.0 {
            *f
        } else {
            w * *t + (1.0 - w) * f
        };
    }
}

/// How pairs are taken apart and put together.
#[derive(Clone, Debug)]
pub struct PairOp {
    /// Mid and side instead of left and right.
    pub midside: bool,
    pub pairs: Vec<(usize, usize)>,
    /// Channels in no pair.
    pub rest: Vec<usize>,
}

/// Level and mute of the branches of a split.
#[derive(Clone, Debug)]
pub struct BranchOp {
    /// Index of each branch's `gain`; `mute` follows it.
    pub first: Vec<ParamIndex>,
    pub weights: Vec<Frames>,
    pub class: Class,
}

impl BranchOp {
    /// Audio thread. Fills `weights` for this quantum.
    fn weigh(&mut self, glides: &Glides) {
        for (first, weights) in self.first.iter().zip(&mut self.weights) {
            let gain = glides.ramp(ParamIndex(first.0 + BranchParam::Gain as u16));
            let mute = glides.ramp(ParamIndex(first.0 + BranchParam::Mute as u16));
            *weights = gain.gains(self.class);
            for (i, w) in weights.iter_mut().enumerate() {
                *w *= 1.0 - mute.at(i);
            }
        }
    }
}

/// One step of a chain.
pub struct Step {
    pub ins: Vec<usize>,
    pub first_out: usize,
    pub outs: usize,
    pub slot: usize,
    pub op: Op,
}

/// The moving values of one slot.
pub struct SlotState {
    pub glides: Glides,
    /// The step that takes designed parts.
    pub step: Option<usize>,
    pub readings: Readings,
    /// Quanta in which the unit produced something that is not a number.
    pub faults: u64,
}

/// The whole chain with its state. Built on the control side, run on the audio thread.
pub struct Chain {
    pub steps: Vec<Step>,
    pub slots: Vec<SlotState>,
    pub buses: Vec<Bus>,
    pub main_out: usize,
    /// Main in, as late as main out.
    pub dry: usize,
    pub latency: usize,
    /// Who is listened to.
    pub listen: Option<Ask>,
    /// Input buses come first: main, then sidechain ports.
    pub inputs: usize,
    /// (input, output) bus of each slot, for taps.
    pub slot_io: Vec<(usize, usize)>,
    /// A number for each slot that stays the same from chain to chain, for taps.
    pub serials: Vec<u32>,
}

impl Chain {
    /// Audio thread. Works out this quantum's gliding values.
    pub fn advance(&mut self) {
        for slot in &mut self.slots {
            slot.glides.advance();
        }
    }

    /// Audio thread. Runs one step; returns true if its unit had to be reset.
    pub fn run_step(&mut self, index: usize) -> bool {
        let Some(step) = self.steps.get_mut(index) else { return false };
        let Some(slot) = self.slots.get_mut(step.slot) else { return false };
        let Some((before, rest)) = self.buses.split_at_mut_checked(step.first_out) else { return false };
        let Some((outs, after)) = rest.split_at_mut_checked(step.outs) else { return false };
        let others = Others { before, after, next: step.first_out + step.outs };
        let asked = self.listen.filter(|a| self.serials.get(step.slot) == Some(&a.slot));
        let what = asked.map_or(0, |a| a.what);
        run(&mut step.op, &step.ins, &others, outs, slot, what)
    }

    /// Audio thread. The step of the unit in the slot with this serial number.
    pub fn unit_step(&self, serial: u32) -> Option<usize> {
        let place = self.serials.iter().position(|s| *s == serial)?;
        let step = self.slots.get(place)?.step?;
        matches!(self.steps.get(step)?.op, Op::Unit(_)).then_some(step)
    }

    /// Audio thread. What the slot that is listened to lets one hear of this quantum.
    pub fn heard(&self) -> Option<Heard<'_>> {
        let step = self.unit_step(self.listen?.slot)?;
        match &self.steps.get(step)?.op {
            Op::Unit(u) => Some(Heard { audio: &u.heard, map: &u.heard_map }),
            _ => None,
        }
    }

    /// Audio thread. Shows what each slot has reduced in the last quantum.
    pub fn show_reductions(&self, to: &Reductions) {
        for (n, slot) in self.slots.iter().enumerate() {
            if let Some(db) = slot.readings.gain_reduction {
                to.show(n, db);
            }
        }
    }

    /// Audio thread. Hands designed parts to the slot's step; they stay (or others come home) in the box.
    pub fn exchange(&mut self, slot: usize, parts: &mut (dyn Any + Send), at: usize) {
        let Some(step) = self.slots.get(slot).and_then(|s| s.step) else { return };
        match self.steps.get_mut(step).map(|s| &mut s.op) {
            Some(Op::Unit(u)) => u.unit.exchange(parts, at),
            Some(Op::Bands(x)) => {
                if let Some(points) = parts.downcast_mut::<Option<Points>>().and_then(|p| *p) {
                    x.exchange(points);
                }
            }
            _ => {}
        }
    }
}

/// The buses that a step does not write.
struct Others<'a> {
    before: &'a [Bus],
    after: &'a [Bus],
    /// The number of the first one after.
    next: usize,
}

impl Others<'_> {
    fn get(&self, bus: usize) -> &[Frames] {
        let found = self.before.get(bus).or_else(|| self.after.get(bus.checked_sub(self.next)?));
        found.map_or(&[], |b| b.as_slice())
    }
}

/// Audio thread. One operation; true if a unit produced something not finite and was reset.
/// `what` is listened to, 0 for nothing.
fn run(
    op: &mut Op,
    ins: &[usize],
    others: &Others<'_>,
    outs: &mut [Bus],
    slot: &mut SlotState,
    what: u16,
) -> bool {
    let input = |i: usize| ins.get(i).map_or(&[][..], |b| others.get(*b));
    let [out, ..] = outs else { return false };
    match op {
        Op::Unit(u) => return run_unit(u, input(0), (ins.len() > 1).then(|| input(1)), out, slot, what),
        Op::Delay(d) => d.process(input(0), out),
        Op::Bands(x) => {
            let mut bands: [&mut [Frames]; MAX_OUTS] = Default::default();
            let n = outs.len();
            for (b, o) in bands.iter_mut().zip(outs.iter_mut()) {
                *b = o;
            }
            x.process(input(0), &mut bands[..n]);
        }
        Op::Pairs(p) => {
            if let [first, second, rest @ ..] = outs {
                take_apart(p, input(0), first, second, rest.first_mut());
            }
        }
        Op::Sum(b) => {
            b.weigh(&slot.glides);
            out.iter_mut().for_each(|o| *o = SILENCE);
            for (branch, weights) in b.weights.iter().enumerate() {
                for (o, x) in out.iter_mut().zip(input(branch)) {
                    for i in 0..QUANTUM {
                        o[i] += weights[i] * x[i];
                    }
                }
            }
        }
        Op::Join(b, p) => {
            b.weigh(&slot.glides);
            put_together(b, p, input(0), input(1), input(2), out);
        }
        Op::Blend(s) => {
            for (o, w) in out.iter_mut().zip(input(1)) {
                *o = *w;
            }
            s.blend(&slot.glides, input(0), out);
        }
        Op::Route(map) => route(map, input(0), out),
    }
    false
}

/// Audio thread. The unit, its dry path, and the guard that no unit's NaN leaves its slot.
fn run_unit(
    u: &mut UnitOp,
    input: &[Frames],
    sidechain: Option<&[Frames]>,
    out: &mut Bus,
    slot: &mut SlotState,
    what: u16,
) -> bool {
    u.dry.push(input);
    for (o, i) in out.iter_mut().zip(input) {
        *o = *i;
    }
    let mut block = Block::new(out, sidechain, &slot.glides);
    if what > 0 {
        u.heard.fill(SILENCE);
        block.listen = Some(Listen { what, out: &mut u.heard });
    }
    u.unit.process(&mut block);
    if what > 0 && !all_finite(u.width, &u.heard) {
        // The unit stays as it is: listening touches nothing.
        u.heard.fill(SILENCE);
    }
    slot.readings = Readings::default();
    u.unit.readings(&mut slot.readings);
    let fault = !all_finite(u.width, out);
    if fault {
        u.unit.reset();
        slot.faults += 1;
        u.dry.read(out);
    }
    if !u.slot.is_wet(&slot.glides) {
        u.dry.read(&mut u.scratch);
        u.slot.blend(&slot.glides, &u.scratch, out);
    }
    fault
}

/// Audio thread. True if no sample is NaN or infinite: x·0 is 0 for every finite x.
pub fn all_finite(width: Width, channels: &[Frames]) -> bool {
    struct Zeros<'a>(&'a [Frames], &'a mut bool);
    impl Kernel for Zeros<'_> {
        #[inline(always)]
        fn run(self) {
            let mut lanes = [0.0f64; 16];
            for x in self.0.iter().flat_map(|c| c.as_chunks::<16>().0) {
                for i in 0..16 {
                    lanes[i] += x[i] * 0.0;
                }
            }
            *self.1 = lanes.iter().all(|l| *l == 0.0);
        }
    }
    let mut finite = true;
    width.run(Zeros(channels, &mut finite));
    finite
}

fn take_apart(p: &PairOp, x: &[Frames], first: &mut Bus, second: &mut Bus, rest: Option<&mut Bus>) {
    for (n, &(l, r)) in p.pairs.iter().enumerate() {
        let (Some(l), Some(r)) = (x.get(l), x.get(r)) else { continue };
        let (Some(a), Some(b)) = (first.get_mut(n), second.get_mut(n)) else { continue };
        if p.midside {
            for i in 0..QUANTUM {
                a[i] = (l[i] + r[i]) * 0.5;
                b[i] = (l[i] - r[i]) * 0.5;
            }
        } else {
            *a = *l;
            *b = *r;
        }
    }
    if let Some(rest) = rest {
        for (o, c) in rest.iter_mut().zip(&p.rest) {
            *o = x.get(*c).copied().unwrap_or(SILENCE);
        }
    }
}

fn put_together(
    b: &BranchOp,
    p: &PairOp,
    first: &[Frames],
    second: &[Frames],
    rest: &[Frames],
    out: &mut Bus,
) {
    let [wa, wb, ..] = b.weights.as_slice() else { return };
    for ((&(l, r), a), b) in p.pairs.iter().zip(first).zip(second) {
        let (mut left, mut right) = (SILENCE, SILENCE);
        for i in 0..QUANTUM {
            let (a, b) = (wa[i] * a[i], wb[i] * b[i]);
            (left[i], right[i]) = if p.midside { (a + b, a - b) } else { (a, b) };
        }
        if let Some(o) = out.get_mut(l) {
            *o = left;
        }
        if let Some(o) = out.get_mut(r) {
            *o = right;
        }
    }
    for (c, x) in p.rest.iter().zip(rest) {
        if let Some(o) = out.get_mut(*c) {
            *o = *x;
        }
    }
}

/// Audio thread. Each channel of `out` is the mean of some of `x`, or silent.
pub fn route(map: &[Vec<usize>], x: &[Frames], out: &mut [Frames]) {
    for (o, sources) in out.iter_mut().zip(map) {
        *o = SILENCE;
        let share = 1.0 / sources.len().max(1) as f64;
        for x in sources.iter().filter_map(|s| x.get(*s)) {
            for i in 0..QUANTUM {
                o[i] += share * x[i];
            }
        }
    }
}
