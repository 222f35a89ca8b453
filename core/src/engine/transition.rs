// SPDX-License-Identifier: MIT OR Apache-2.0
//! How one chain becomes another without a click. Control side: compares the two specs.
//!
//! Steps with the same key *change seats*: the box with all its state moves into the new chain. What is
//! left of the old chain runs there as a *guest*, on copies of the buses it reads, until the new steps
//! have settled on live input. Wherever a kept step would read something new, it reads a blend of the
//! guest's bus and the new one. If all such pairs have equal latency the blend is a crossfade; if not,
//! main fades to silence, the blend switches, and main fades in, so what is downstream never hears a gap.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side")]

use std::collections::HashMap;
use std::sync::Arc;

use super::chain::Chain;
use super::spec::{ChainSpec, StepSpec};
use crate::dsp::SILENCE;
use crate::units::ramp_frames;

/// Crossfades of a swap last this long, in milliseconds; so does each half of a fade through silence.
pub const FADE_MS: f64 = 20.0;
/// New steps settle for 5 of their longest time constants, but no longer than this many seconds.
pub const LONGEST_SETTLE: f64 = 2.0;

/// What is done for the guest, in order, before a step of the new chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GuestOp {
    /// Copy a bus of the new chain to one of the old.
    Import { from: usize, to: usize },
    /// Run steps of the old chain.
    Run { first: usize, count: usize },
    /// Write w·new + (1 − w)·old to a bus of the new chain.
    Blend { old: usize, new: usize, out: usize },
}

/// The place of a patched bus number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Patch {
    Arg { step: usize, arg: usize },
    MainOut,
    Dry,
}

/// The whole way from one chain to the next; times in frames.
#[derive(Clone, Debug, Default)]
pub struct Transition {
    /// (old, new) steps that change seats.
    pub seats: Box<[(usize, usize)]>,
    /// (old, new) slots whose values keep moving.
    pub slots: Box<[(usize, usize)]>,
    /// Guest operations, each before a step of the new chain.
    pub ops: Box<[(usize, GuestOp)]>,
    /// While the guest stays, these read the blend (first number); afterwards the bus itself (second).
    pub patches: Box<[(Patch, usize, usize)]>,
    /// Through silence at main instead of a crossfade.
    pub silence: bool,
    pub settle: u32,
    pub fade: u32,
    /// Silence after the switch, until what was on its way has left.
    pub hold: u32,
}

/// Works out the way from `old` to `new` and gives `chain` (built with `new`) the buses it needs for it.
/// The two must have the same ports.
pub fn transition(old: &Arc<ChainSpec>, new: &Arc<ChainSpec>, chain: &mut Chain) -> Transition {
    debug_assert!(old.same_ports(new));
    let mut way = Way::new(old, new, kept(&old.steps, &new.steps));
    if !way.equal_latency && old.latency == new.latency {
        way = Way::new(old, new, kept_around_one_span(&old.steps, &new.steps));
    }
    for (_, op) in &way.ops {
        if let GuestOp::Blend { new: bus, .. } = op {
            chain.buses.push(vec![SILENCE; new.buses[*bus].channels]);
        }
    }
    let changed = (0..new.steps.len()).filter(|j| !way.partner.contains_key(j));
    let tau = changed.map(|j| new.steps[j].time_constant).fold(0.0, f64::max);
    let rate = f64::from(new.sample_rate);
    let settle = (5.0 * tau).min(LONGEST_SETTLE) * rate;
    Transition {
        slots: slots(old, new, &way.partner),
        seats: way.partner.iter().map(|(j, i)| (*i, *j)).collect(),
        ops: way.ops.into(),
        patches: way.patches.into(),
        silence: !way.equal_latency,
        settle: settle as u32 + new.latency as u32,
        fade: ramp_frames(FADE_MS, new.sample_rate),
        hold: old.latency.max(new.latency) as u32 + 64,
    }
}

/// Slots that have a kept step and the same table: their values keep moving.
fn slots(old: &ChainSpec, new: &ChainSpec, partner: &HashMap<usize, usize>) -> Box<[(usize, usize)]> {
    let mut pairs: Vec<(usize, usize)> = partner
        .iter()
        .filter_map(|(j, i)| Some((old.steps[*i].slot?.0 as usize, new.steps[*j].slot?.0 as usize)))
        .filter(|&(i, j)| old.slots[i].id == new.slots[j].id)
        .filter(|&(i, j)| old.slots[i].table.same_symbols(&new.slots[j].table))
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into()
}

/// (old, new) pairs of equal keys in the same order in both: the longest rising run.
fn kept(old: &[StepSpec], new: &[StepSpec]) -> Vec<(usize, usize)> {
    let place: HashMap<&str, usize> = old.iter().enumerate().map(|(i, s)| (s.key.as_str(), i)).collect();
    let pairs: Vec<(usize, usize)> =
        new.iter().enumerate().filter_map(|(j, s)| Some((*place.get(s.key.as_str())?, j))).collect();
    let mut best = vec![1usize; pairs.len()];
    let mut before = vec![usize::MAX; pairs.len()];
    for k in 0..pairs.len() {
        for l in 0..k {
            if pairs[l].0 < pairs[k].0 && best[l] + 1 > best[k] {
                best[k] = best[l] + 1;
                before[k] = l;
            }
        }
    }
    let mut run = Vec::new();
    let mut k = (0..pairs.len()).max_by_key(|&k| best[k]).unwrap_or(usize::MAX);
    while k < pairs.len() {
        run.push(pairs[k]);
        k = before[k];
    }
    run.reverse();
    run
}

/// As [`kept`], but with everything between the first and the last change counted as changed.
fn kept_around_one_span(old: &[StepSpec], new: &[StepSpec]) -> Vec<(usize, usize)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a.key == b.key).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a.key == b.key).count();
    let heads = (0..head).map(|k| (k, k));
    let tails = (0..tail).rev().map(|k| (old.len() - 1 - k, new.len() - 1 - k));
    heads.chain(tails).collect()
}

/// The guest's schedule for one choice of kept steps.
struct Way<'a> {
    old: &'a ChainSpec,
    new: &'a ChainSpec,
    /// New step → the old step whose box it takes.
    partner: HashMap<usize, usize>,
    /// Old bus → the new bus that carries the same signal.
    same: HashMap<usize, usize>,
    ops: Vec<(usize, GuestOp)>,
    patches: Vec<(Patch, usize, usize)>,
    /// (old, new) → the bus of their blend.
    blends: HashMap<(usize, usize), usize>,
    equal_latency: bool,
}

impl<'a> Way<'a> {
    fn new(old: &'a ChainSpec, new: &'a ChainSpec, kept: Vec<(usize, usize)>) -> Self {
        let mut way = Way {
            old,
            new,
            partner: kept.iter().map(|&(i, j)| (j, i)).collect(),
            same: (0..new.inputs.len()).map(|b| (b, b)).collect(),
            ops: Vec::new(),
            patches: Vec::new(),
            blends: HashMap::new(),
            equal_latency: true,
        };
        for &(i, j) in &kept {
            let (a, b) = (&old.steps[i], &new.steps[j]);
            way.same.extend((0..a.outs).map(|n| (a.first_out + n, b.first_out + n)));
        }
        let mut done = 0;
        for &(i, j) in &kept {
            way.guest(done..i, j);
            done = i + 1;
            for (arg, (a, b)) in old.steps[i].ins.iter().zip(&new.steps[j].ins).enumerate() {
                way.read(*a, *b, j, Patch::Arg { step: j, arg });
            }
        }
        way.guest(done..old.steps.len(), new.steps.len());
        way.read(old.main_out, new.main_out, new.steps.len(), Patch::MainOut);
        way.read(old.dry, new.dry, new.steps.len(), Patch::Dry);
        way
    }

    /// Old steps that nobody keeps: bring what they read, then run them, before new step `before`.
    fn guest(&mut self, steps: std::ops::Range<usize>, before: usize) {
        if steps.is_empty() {
            return;
        }
        for i in steps.clone() {
            for bus in &self.old.steps[i].ins {
                self.import(*bus, before);
            }
        }
        self.ops.push((before, GuestOp::Run { first: steps.start, count: steps.len() }));
    }

    fn import(&mut self, bus: usize, before: usize) {
        if let Some(from) = self.same.get(&bus) {
            let op = (before, GuestOp::Import { from: *from, to: bus });
            if !self.ops.iter().any(|o| o.1 == op.1) {
                self.ops.push(op);
            }
        }
    }

    /// A kept step reads `a` in the old chain and `b` in the new one.
    fn read(&mut self, a: usize, b: usize, before: usize, place: Patch) {
        if self.same.get(&a) == Some(&b) {
            return;
        }
        let out = match self.blends.get(&(a, b)) {
            Some(out) => *out,
            None => {
                self.import(a, before);
                let out = self.new.buses.len() + self.blends.len();
                self.blends.insert((a, b), out);
                self.ops.push((before, GuestOp::Blend { old: a, new: b, out }));
                self.equal_latency &= self.old.buses[a].latency == self.new.buses[b].latency;
                out
            }
        };
        self.patches.push((place, out, b));
    }
}
