// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a built chain looks like: steps, buses and slots by name and number. Control side.

use std::sync::Arc;

use crate::dsp::QUANTUM;
use crate::param::ParamTable;
use crate::units::{Format, Layout};

/// Number of a slot in one chain: its place in schedule order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotIndex(pub u16);

impl SlotIndex {
    /// The monitor's own parameters, outside every rack.
    pub const MONITOR: SlotIndex = SlotIndex(u16::MAX);
}

/// One signal: several channels of one latency, written by one step.
#[derive(Clone, Debug, PartialEq)]
pub struct BusSpec {
    pub channels: usize,
    /// Frames behind the main input.
    pub latency: usize,
}

/// One step, by what it is and what it reads and writes.
#[derive(Clone, Debug)]
pub struct StepSpec {
    /// Two steps with the same key do the same with the same state: they may change seats.
    pub key: String,
    pub ins: Vec<usize>,
    pub first_out: usize,
    pub outs: usize,
    pub slot: Option<SlotIndex>,
    /// Longest time constant in seconds.
    pub time_constant: f64,
}

/// One slot.
#[derive(Clone, Debug)]
pub struct SlotSpec {
    pub id: String,
    pub format: Format,
    pub table: Arc<ParamTable>,
    /// The step that takes the slot's designed parts, if it has one.
    pub step: Option<usize>,
    pub input: usize,
    pub output: usize,
    /// Frames from the slot's input to its output.
    pub latency: usize,
    pub notes: crate::units::Notes,
}

/// The whole of a chain but its state.
#[derive(Clone, Debug)]
pub struct ChainSpec {
    pub sample_rate: u32,
    pub layout: Layout,
    /// Channels of each input: main first, then the sidechain ports.
    pub inputs: Vec<usize>,
    pub steps: Vec<StepSpec>,
    pub buses: Vec<BusSpec>,
    /// Schedule order; the rack itself (whole-rack bypass) is last, with the id `rack`.
    pub slots: Vec<SlotSpec>,
    pub main_out: usize,
    /// Main in, as late as main out.
    pub dry: usize,
    /// Frames from main in to main out.
    pub latency: usize,
}

impl ChainSpec {
    pub fn find_slot(&self, id: &str) -> Option<SlotIndex> {
        self.slots.iter().position(|s| s.id == id).map(|i| SlotIndex(i as u16))
    }

    /// The largest block a step works in, in frames.
    pub fn largest_block(&self) -> usize {
        QUANTUM
    }

    /// True if one engine can run both: same rate, layout and ports.
    pub fn same_ports(&self, other: &ChainSpec) -> bool {
        self.sample_rate == other.sample_rate && self.layout == other.layout && self.inputs == other.inputs
    }
}
