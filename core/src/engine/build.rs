// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compiles a checked rack to a flat chain. Control side: may allocate and refuse.
//!
//! The tree is walked in signal order. Wherever two paths meet (dry and wet, branches, a sidechain)
//! the earlier one is delayed, so every bus has one latency. Every rack runs through the same steps
//! on first start, reload, a structural parameter, a new rate and a server that came back.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side")]

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use super::chain::{BranchOp, Chain, Op, PairOp, SlotOp, SlotState, Step, UnitOp};
use super::spec::{BusSpec, ChainSpec, SlotIndex, SlotSpec, StepSpec};
use crate::dsp::SILENCE;
use crate::dsp::crossover::{self, Crossover, Points, Slope};
use crate::dsp::delay::DelayLine;
use crate::dsp::wide::Width;
use crate::param::{Motion, ParamTable, Values};
use crate::rack::plan::{BranchPlan, Content, RackPlan, SlotPlan, Source};
use crate::rack::split::{BranchParam, FIRST_FREQ, SLOPE_INDEX, SplitKind};
use crate::units::{AnyKind, Format, Glides, Layout, Notes, Readings, Refusal, SlotParam};

/// A rack that cannot be built although its file is well formed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BuildError {
    #[error("a sample rate of {0} Hz is not allowed: 8000 Hz to 768000 Hz")]
    Rate(u32),
    #[error("slot \"{slot}\": {refusal}")]
    Refused { slot: String, refusal: Refusal },
    #[error(
        "the chain's latency of {frames} frames ({ms:.2} ms) exceeds latency_ms = {limit_ms}; \
         raise latency_ms to {ms:.2} or more, or leave it out"
    )]
    Latency { frames: usize, ms: f64, limit_ms: f64 },
    #[error("slot \"{slot}\" listens to \"{source_id}\", which is not earlier in the schedule")]
    Source { slot: String, source_id: String },
}

/// A chain and what the control side needs to know of it.
pub struct Built {
    pub chain: Box<Chain>,
    pub spec: Arc<ChainSpec>,
}

/// Builds `plan` for `sample_rate` in Hz.
pub fn build(plan: &RackPlan, sample_rate: u32) -> Result<Built, BuildError> {
    if !RATES.contains(&sample_rate) {
        return Err(BuildError::Rate(sample_rate));
    }
    let mut b = Builder::new(plan, sample_rate);
    let wet = b.serial(&plan.slots, MAIN, &plan.layout)?;
    let wet = b.pad(plan, wet)?;
    let (dry, main_out) = b.whole_rack(&plan.layout, wet, plan.bypass);
    Ok(b.finish(dry, main_out))
}

/// The parts that a slot's designed parameters ask for: a boxed `Option<Parts>`; `None` if there are none.
pub fn design_slot(
    slot: &SlotPlan,
    format: &Format,
    notes: &mut Notes,
) -> Result<Option<Box<dyn Any + Send>>, Refusal> {
    match &slot.content {
        Content::Unit { kind, .. } => kind.design(format, &slot.values, notes).map(Some),
        Content::Split { kind: SplitKind::Bands, branches } => {
            let (points, ..) = crossover_design(slot, branches.len(), format);
            Ok(Some(Box::new(Some(points))))
        }
        Content::Split { .. } => Ok(None),
    }
}

const MAIN: usize = 0;

/// Sample rates that a rack can be built for, in Hz.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=768_000;

fn crossover_design(slot: &SlotPlan, bands: usize, format: &Format) -> (Points, Slope, f64) {
    let slope = if slot.values.choice(SLOPE_INDEX) == 1 { Slope::Lr8 } else { Slope::Lr4 };
    let first = FIRST_FREQ as usize;
    let freqs = &slot.values.as_slice()[first..first + bands - 1];
    (Points::new(freqs, slope, format.rate()), slope, crossover::time_constant(freqs, slope))
}

struct Builder {
    sample_rate: u32,
    layout: Layout,
    inputs: Vec<usize>,
    ports: HashMap<String, (usize, Layout)>,
    steps: Vec<StepSpec>,
    running: Vec<Step>,
    buses: Vec<BusSpec>,
    slots: Vec<SlotSpec>,
    states: Vec<SlotState>,
    /// Output bus and layout of every slot done so far, for sidechains.
    done: HashMap<String, (usize, Layout)>,
}

impl Builder {
    fn new(plan: &RackPlan, sample_rate: u32) -> Self {
        let mut b = Builder {
            sample_rate,
            layout: plan.layout.clone(),
            inputs: vec![plan.layout.len()],
            ports: HashMap::new(),
            steps: Vec::new(),
            running: Vec::new(),
            buses: vec![BusSpec { channels: plan.layout.len(), latency: 0 }],
            slots: Vec::new(),
            states: Vec::new(),
            done: HashMap::new(),
        };
        for port in &plan.sidechains {
            b.ports.insert(port.name.clone(), (b.buses.len(), port.layout.clone()));
            b.inputs.push(port.layout.len());
            b.buses.push(BusSpec { channels: port.layout.len(), latency: 0 });
        }
        b
    }

    fn serial(&mut self, slots: &[SlotPlan], mut bus: usize, layout: &Layout) -> Result<usize, BuildError> {
        for slot in slots {
            bus = self.slot(slot, bus, layout)?;
        }
        Ok(bus)
    }

    fn slot(&mut self, slot: &SlotPlan, input: usize, layout: &Layout) -> Result<usize, BuildError> {
        let format = Format { sample_rate: self.sample_rate, layout: layout.clone() };
        let index = self.slots.len();
        self.slots.push(SlotSpec {
            id: slot.id.clone(),
            format: format.clone(),
            table: slot.table.clone(),
            step: None,
            input,
            output: input,
            latency: 0,
            notes: Notes::default(),
        });
        self.states.push(SlotState {
            glides: Glides::new(&slot.table, &slot.values),
            step: None,
            readings: Readings::default(),
            faults: 0,
        });
        let output = match &slot.content {
            Content::Unit { kind, sidechain } => self.unit(slot, index, *kind, sidechain, input, &format)?,
            Content::Split { kind, branches } => self.split(slot, index, *kind, branches, input, &format)?,
        };
        self.slots[index].output = output;
        self.slots[index].latency = self.buses[output].latency - self.buses[input].latency;
        self.done.insert(slot.id.clone(), (output, layout.clone()));
        Ok(output)
    }

    fn unit(
        &mut self,
        slot: &SlotPlan,
        index: usize,
        kind: &'static dyn AnyKind,
        source: &Source,
        input: usize,
        format: &Format,
    ) -> Result<usize, BuildError> {
        let mut ins = vec![input];
        if let Some((bus, layout)) = self.source(slot, source)? {
            let bus = self.routed(slot, index, bus, &layout, &format.layout);
            let latency = self.buses[bus].latency.max(self.buses[input].latency);
            ins = vec![
                self.delayed(&format!("{}|in", slot.id), index, input, latency),
                self.delayed(&format!("{}|sidechain", slot.id), index, bus, latency),
            ];
        }
        let mut notes = Notes::default();
        let refused = |refusal| BuildError::Refused { slot: slot.id.clone(), refusal };
        let unit = kind.build(format, &slot.values, &mut notes).map_err(refused)?;
        self.slots[index].notes = notes;
        let latency = unit.latency();
        let channels = format.channels();
        let op = Op::Unit(Box::new(UnitOp {
            dry: DelayLine::new(channels, latency),
            width: Width::widest(),
            unit,
            slot: SlotOp::of_table(slot.table.len()),
            scratch: vec![SILENCE; channels],
            heard: vec![SILENCE; channels],
            heard_map: heard_map(&format.layout, &self.layout),
        }));
        let structure = structure(&slot.table, &slot.values);
        let key =
            format!("{}|unit|{}|{structure}|{}|{source:?}", slot.id, kind.spec().symbol, layout_key(format));
        let time_constant = kind.time_constant(format, &slot.values);
        let step = self.steps.len();
        self.slots[index].step = Some(step);
        self.states[index].step = Some(step);
        let at = self.buses[ins[0]].latency + latency;
        Ok(self.step(key, ins, &[(channels, at)], index, time_constant, op))
    }

    /// The bus a detector listens to, `None` for the unit's own input.
    fn source(&self, slot: &SlotPlan, source: &Source) -> Result<Option<(usize, Layout)>, BuildError> {
        let found = match source {
            Source::Own => return Ok(None),
            Source::MainIn => Some((MAIN, self.layout.clone())),
            Source::Slot(id) => self.done.get(id).cloned(),
            Source::Port(name) => self.ports.get(name).cloned(),
        };
        let name = match source {
            Source::Slot(id) | Source::Port(id) => id.clone(),
            _ => String::new(),
        };
        found.map(Some).ok_or(BuildError::Source { slot: slot.id.clone(), source_id: name })
    }

    /// Gives a detector the channels of its unit: the same role where there is one, else the mean of all.
    fn routed(&mut self, slot: &SlotPlan, index: usize, bus: usize, from: &Layout, to: &Layout) -> usize {
        if from.roles == to.roles {
            return bus;
        }
        let all: Vec<usize> = (0..from.len()).collect();
        let map: Vec<Vec<usize>> = to
            .roles
            .iter()
            .map(|r| from.roles.iter().position(|f| f == r).map_or_else(|| all.clone(), |p| vec![p]))
            .collect();
        let key = format!("{}|route|{from:?}|{to:?}", slot.id);
        let latency = self.buses[bus].latency;
        self.step(key, vec![bus], &[(to.len(), latency)], index, 0.0, Op::Route(map))
    }

    fn split(
        &mut self,
        slot: &SlotPlan,
        index: usize,
        kind: SplitKind,
        branches: &[BranchPlan],
        input: usize,
        format: &Format,
    ) -> Result<usize, BuildError> {
        let pairs = pair_op(kind, &format.layout);
        let heads = self.heads(slot, index, kind, branches.len(), input, format, &pairs);
        let mut ends = Vec::new();
        for (n, branch) in branches.iter().enumerate() {
            let layout = kind.branch_layout(&format.layout, n);
            ends.push(self.serial(&branch.slots, heads[n], &layout)?);
        }
        ends.extend_from_slice(&heads[branches.len()..]);
        let latency = ends.iter().map(|b| self.buses[*b].latency).max().unwrap_or(0);
        let ends: Vec<usize> = ends
            .iter()
            .enumerate()
            .map(|(n, b)| self.delayed(&format!("{}|branch{n}", slot.id), index, *b, latency))
            .collect();
        let op = BranchOp {
            first: (0..branches.len())
                .map(|n| kind.branch_param(branches.len(), n, BranchParam::Gain))
                .collect(),
            weights: vec![SILENCE; branches.len()],
            class: crate::dsp::simd::Class::chosen(),
        };
        let op = match pairs {
            Some(p) => Op::Join(op, p),
            None => Op::Sum(op),
        };
        let ids: Vec<&str> = branches.iter().map(|b| b.id.as_str()).collect();
        let key = format!("{}|join|{}|{ids:?}|{}", slot.id, kind.symbol(), layout_key(format));
        let channels = format.channels();
        let wet = self.step(key, ends, &[(channels, latency)], index, 0.0, op);
        let dry = self.delayed(&format!("{}|dry", slot.id), index, input, latency);
        let op = Op::Blend(SlotOp::of_table(slot.table.len()));
        let key = format!("{}|blend|{}|{ids:?}|{}", slot.id, kind.symbol(), layout_key(format));
        Ok(self.step(key, vec![dry, wet], &[(channels, latency)], index, 0.0, op))
    }

    /// The bus that each branch starts from, then one for the channels in no pair if there are any.
    #[allow(clippy::too_many_arguments, reason = "one step of split")]
    fn heads(
        &mut self,
        slot: &SlotPlan,
        index: usize,
        kind: SplitKind,
        branches: usize,
        input: usize,
        format: &Format,
        pairs: &Option<PairOp>,
    ) -> Vec<usize> {
        let at = self.buses[input].latency;
        let key = |what: &str| format!("{}|{what}|{}", slot.id, layout_key(format));
        match (kind, pairs) {
            (SplitKind::Bands, _) => {
                let (points, slope, tau) = crossover_design(slot, branches, format);
                let op = Op::Bands(Box::new(Crossover::new(format.channels(), points, slope, format.rate())));
                let step = self.steps.len();
                self.slots[index].step = Some(step);
                self.states[index].step = Some(step);
                let outs = vec![(format.channels(), at); branches];
                let first =
                    self.step(key(&format!("bands{branches}{slope:?}")), vec![input], &outs, index, tau, op);
                (first..first + branches).collect()
            }
            (_, Some(p)) => {
                let mut outs = vec![(p.pairs.len(), at); 2];
                if !p.rest.is_empty() {
                    outs.push((p.rest.len(), at));
                }
                let op = Op::Pairs(p.clone());
                let first = self.step(key(kind.symbol()), vec![input], &outs, index, 0.0, op);
                (first..first + outs.len()).collect()
            }
            (_, None) => vec![input; branches],
        }
    }

    /// `bus`, delayed so that it stands `latency` frames behind the main input.
    fn delayed(&mut self, what: &str, slot: usize, bus: usize, latency: usize) -> usize {
        let BusSpec { channels, latency: now } = self.buses[bus];
        if now == latency {
            return bus;
        }
        let frames = latency - now;
        let key = format!("{what}|delay|{frames}|{channels}");
        self.step(
            key,
            vec![bus],
            &[(channels, latency)],
            slot,
            0.0,
            Op::Delay(DelayLine::new(channels, frames)),
        )
    }

    fn step(
        &mut self,
        key: String,
        ins: Vec<usize>,
        outs: &[(usize, usize)],
        slot: usize,
        time_constant: f64,
        op: Op,
    ) -> usize {
        let first_out = self.buses.len();
        self.buses.extend(outs.iter().map(|&(channels, latency)| BusSpec { channels, latency }));
        self.running.push(Step { ins: ins.clone(), first_out, outs: outs.len(), slot, op });
        self.steps.push(StepSpec {
            key,
            ins,
            first_out,
            outs: outs.len(),
            slot: Some(SlotIndex(slot as u16)),
            time_constant,
        });
        first_out
    }

    /// The constant latency that the rack asks for.
    fn pad(&mut self, plan: &RackPlan, wet: usize) -> Result<usize, BuildError> {
        let Some(limit_ms) = plan.latency_ms else { return Ok(wet) };
        let rate = f64::from(self.sample_rate);
        let limit = libm::round(limit_ms * rate / 1000.0) as usize;
        let frames = self.buses[wet].latency;
        if frames > limit {
            let ms = libm::ceil(frames as f64 * 100_000.0 / rate) / 100.0;
            return Err(BuildError::Latency { frames, ms, limit_ms });
        }
        Ok(self.delayed("rack|pad", self.slots.len(), wet, limit))
    }

    /// The rack itself as the last slot: its bypass, with a dry path from main in. Returns the buses of the
    /// dry path and of main out.
    fn whole_rack(&mut self, layout: &Layout, wet: usize, bypass: bool) -> (usize, usize) {
        let table = Arc::new(ParamTable::new(&SlotParam::SPECS[..1]));
        let index = self.slots.len();
        let format = Format { sample_rate: self.sample_rate, layout: layout.clone() };
        let latency = self.buses[wet].latency;
        let mut values = table.defaults();
        values.set(crate::param::ParamIndex(0), f64::from(u8::from(bypass)));
        self.states.push(SlotState {
            glides: Glides::new(&table, &values),
            step: None,
            readings: Readings::default(),
            faults: 0,
        });
        self.slots.push(SlotSpec {
            id: "rack".to_string(),
            format,
            table,
            step: None,
            input: MAIN,
            output: MAIN,
            latency,
            notes: Notes::default(),
        });
        let dry = self.delayed("rack|dry", index, MAIN, latency);
        let op = Op::Blend(SlotOp { bypass: crate::param::ParamIndex(0), mix: None });
        let out =
            self.step("rack|blend".to_string(), vec![dry, wet], &[(layout.len(), latency)], index, 0.0, op);
        self.slots[index].output = out;
        (dry, out)
    }

    fn finish(self, dry: usize, main_out: usize) -> Built {
        let latency = self.buses[main_out].latency;
        let chain = Chain {
            steps: self.running,
            slots: self.states,
            buses: self.buses.iter().map(|b| vec![SILENCE; b.channels]).collect(),
            main_out,
            dry,
            latency,
            listen: None,
            inputs: self.inputs.len(),
            slot_io: self.slots.iter().map(|s| (s.input, s.output)).collect(),
            serials: self.slots.iter().map(|s| serial(&s.id)).collect(),
        };
        let spec = ChainSpec {
            sample_rate: self.sample_rate,
            layout: self.layout,
            inputs: self.inputs,
            steps: self.steps,
            buses: self.buses,
            slots: self.slots,
            main_out,
            dry,
            latency,
        };
        Built { chain: Box::new(chain), spec: Arc::new(spec) }
    }
}

/// A number that stands for a slot id on the audio thread.
pub(super) fn serial(id: &str) -> u32 {
    let hash = blake3::hash(id.as_bytes());
    let b = hash.as_bytes();
    u32::from_le_bytes([b[0], b[1], b[2], b[3]])
}

fn pair_op(kind: SplitKind, layout: &Layout) -> Option<PairOp> {
    if !matches!(kind, SplitKind::MidSide | SplitKind::LeftRight) {
        return None;
    }
    let pairs = layout.pairs();
    let rest = (0..layout.len()).filter(|c| !pairs.iter().any(|&(l, r)| l == *c || r == *c)).collect();
    Some(PairOp { midside: kind == SplitKind::MidSide, pairs, rest })
}

/// How what a slot lets one hear comes to the monitor's channels: the same role, else the other of its pair,
/// one channel alone on all, else silence.
fn heard_map(slot: &Layout, monitor: &Layout) -> Vec<Vec<usize>> {
    let find = |c: usize| slot.roles.iter().position(|r| *r == monitor.roles[c]);
    let partner = |c: usize| {
        let other = |&(l, r): &(usize, usize)| match c {
            _ if c == l => Some(r),
            _ if c == r => Some(l),
            _ => None,
        };
        monitor.pairs().iter().find_map(other).and_then(find)
    };
    let alone = if slot.len() == 1 { Some(0) } else { None };
    (0..monitor.len()).map(|c| find(c).or_else(|| partner(c)).or(alone).into_iter().collect()).collect()
}

/// The values that decide memory, latency and topology.
fn structure(table: &ParamTable, values: &Values) -> String {
    let fixed = table.iter().filter(|(_, s)| s.change == Motion::Structural);
    fixed.map(|(i, s)| format!("{}={}", s.symbol, values.get(i))).collect::<Vec<_>>().join(",")
}

fn layout_key(format: &Format) -> String {
    format!("{:?}{:?}", format.layout.roles, format.layout.groups)
}
