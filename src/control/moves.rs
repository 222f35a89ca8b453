// SPDX-License-Identifier: MIT OR Apache-2.0
//! The difference of two racks of one layout, as writes for the audio thread.

use std::collections::{BTreeMap, BTreeSet};

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::engine::{ChainSpec, SlotIndex, Write, design_slot};
use lathe_core::param::{Motion, ParamIndex, ParamTable, Values};
use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::{Notes, glide_frames, ramp_frames};

use super::Settings;
use super::designers::Parts;

/// Parts that were designed beforehand, by slot.
pub type Designs = BTreeMap<String, Parts>;

/// Ramp times that a client asked for, by address and in milliseconds.
pub type Ramps<'a> = &'a [(String, f64)];

/// What to send, which slots it changes, and which had to be left for later.
#[derive(Default)]
pub struct Moves {
    pub writes: Vec<Write>,
    pub changed: BTreeSet<String>,
    pub left: BTreeSet<String>,
}

/// Names under which `rack/bypass` and the monitor stand among the slots.
const RACK: &str = "rack";
const MONITOR: &str = "monitor";
/// And that of what is listened to.
const LISTEN: &str = "monitor/listen";

/// Everything that differs in value, with the ramp asked for or the usual one. Slots in `held`, and those
/// that wait for another chain, are left.
pub fn moves(
    from: &Settings,
    to: &Settings,
    spec: &ChainSpec,
    ramps: Ramps,
    held: &BTreeSet<String>,
    mut designs: Designs,
) -> Moves {
    let before: BTreeMap<&str, &SlotPlan> =
        from.rack.walk().into_iter().map(|s| (s.id.as_str(), s)).collect();
    let mut out = Moves::default();
    for slot in to.rack.walk() {
        let (Some(index), Some(was)) = (spec.find_slot(&slot.id), before.get(slot.id.as_str())) else {
            continue;
        };
        if !was.table.same_symbols(&slot.table) || was.values == slot.values {
            continue;
        }
        if held.contains(&slot.id) || waits_for_a_chain(was, slot) {
            out.left.insert(slot.id.clone());
        } else {
            let design = designs.remove(&slot.id);
            slot_writes(was, slot, spec, index, ramps, design, &mut out.writes);
            out.changed.insert(slot.id.clone());
        }
    }
    if from.rack.bypass != to.rack.bypass
        && let Some(slot) = out.claim(RACK, held).then(|| spec.find_slot(RACK)).flatten()
    {
        let frames = asked(ramps, "rack/bypass", spec)
            .unwrap_or_else(|| ramp_frames(lathe_core::units::GLIDE_MS, spec.sample_rate));
        let on = f64::from(u8::from(to.rack.bypass));
        out.writes.push(Write::Glide { slot, param: ParamIndex(0), to: on, frames });
    }
    if from.monitor != to.monitor && out.claim(MONITOR, held) {
        monitor_writes(&from.monitor, &to.monitor, spec, ramps, &mut out.writes);
    }
    if from.listening != to.listening {
        listen_writes(to, spec, &mut out, held);
    }
    out
}

/// A slot that the chain does not have yet is listened to once it has.
fn listen_writes(to: &Settings, spec: &ChainSpec, out: &mut Moves, held: &BTreeSet<String>) {
    let (slot, what) = match &to.listening {
        Some(l) => (spec.find_slot(&l.slot), l.what as u16),
        None => (Some(SlotIndex(0)), 0),
    };
    match slot {
        Some(slot) if out.claim(LISTEN, held) => out.writes.push(Write::Listen { slot, what }),
        Some(_) => {}
        None => _ = out.left.insert(LISTEN.to_string()),
    }
}

impl Moves {
    /// Notes the slot as changed, or as left if it is held.
    fn claim(&mut self, slot: &str, held: &BTreeSet<String>) -> bool {
        let free = !held.contains(slot);
        let notes = if free { &mut self.changed } else { &mut self.left };
        notes.insert(slot.to_string());
        free
    }
}

/// True if a design differs, and no chain is to come first.
pub fn needs_design(was: &SlotPlan, slot: &SlotPlan) -> bool {
    let differs = |i: ParamIndex| was.values.get(i) != slot.values.get(i);
    was.table.same_symbols(&slot.table)
        && !waits_for_a_chain(was, slot)
        && slot.table.iter().any(|(i, line)| line.change == Motion::Designed && differs(i))
}

/// True if a structural value differs: the slot is built with its new values when its chain comes.
fn waits_for_a_chain(was: &SlotPlan, slot: &SlotPlan) -> bool {
    let differs = |i: ParamIndex| was.values.get(i) != slot.values.get(i);
    slot.table.iter().any(|(i, line)| line.change == Motion::Structural && differs(i))
}

fn monitor_writes(from: &Values, to: &Values, spec: &ChainSpec, ramps: Ramps, out: &mut Vec<Write>) {
    for (param, line) in ParamTable::new(MonitorParam::SPECS).iter() {
        let (a, b) = (from.get(param), to.get(param));
        if a != b {
            let frames = asked(ramps, &format!("monitor/{}", line.symbol), spec)
                .unwrap_or_else(|| glide_frames(line, a, b, spec.sample_rate));
            out.push(Write::Glide { slot: SlotIndex::MONITOR, param, to: b, frames });
        }
    }
}

fn slot_writes(
    was: &SlotPlan,
    slot: &SlotPlan,
    spec: &ChainSpec,
    index: SlotIndex,
    ramps: Ramps,
    design: Option<Parts>,
    out: &mut Vec<Write>,
) {
    let mut designed = false;
    for (param, line) in slot.table.iter() {
        let (a, b) = (was.values.get(param), slot.values.get(param));
        match line.change {
            _ if a == b => {}
            Motion::Glide => {
                let frames = asked(ramps, &format!("{}/{}", slot.id, line.symbol), spec)
                    .unwrap_or_else(|| glide_frames(line, a, b, spec.sample_rate));
                out.push(Write::Glide { slot: index, param, to: b, frames });
            }
            Motion::Designed => designed = true,
            Motion::Structural => {}
        }
    }
    if designed {
        let format = &spec.slots[usize::from(index.0)].format;
        // Values that cannot be designed were refused before they came here.
        let now = || design_slot(slot, format, &mut Notes::default()).ok().flatten();
        if let Some(parts) = design.unwrap_or_else(now) {
            out.push(Write::Parts { slot: index, parts });
        }
    }
}

fn asked(ramps: Ramps, address: &str, spec: &ChainSpec) -> Option<u32> {
    ramps.iter().find(|(a, _)| a == address).map(|(_, ms)| ramp_frames(*ms, spec.sample_rate))
}

/// In slots that kept their seats, `rack` goes back to the values of `old`.
pub fn keep_old_values(old: &RackPlan, rack: &mut RackPlan, spec: &ChainSpec, kept: &[usize]) {
    rack.bypass = if spec.find_slot("rack").is_some_and(|r| kept.contains(&usize::from(r.0))) {
        old.bypass
    } else {
        rack.bypass
    };
    for was in old.walk() {
        let stays = spec.find_slot(&was.id).is_some_and(|i| kept.contains(&usize::from(i.0)));
        if let Some(slot) = rack.slot_mut(&was.id).filter(|s| stays && s.table.same_symbols(&was.table)) {
            // Structural values are in the chain itself.
            for (param, line) in slot.table.clone().iter() {
                if line.change != Motion::Structural {
                    slot.values.set(param, was.values.get(param));
                }
            }
        }
    }
}

/// Takes over the values of slots that both have, but for those in `left`.
pub fn copy_values(from: &Settings, to: &mut Settings, left: &BTreeSet<String>) {
    if !left.contains(RACK) {
        to.rack.bypass = from.rack.bypass;
    }
    if !left.contains(MONITOR) {
        to.monitor = from.monitor.clone();
    }
    if !left.contains(LISTEN) {
        to.listening = from.listening.clone();
    }
    for slot in from.rack.walk().into_iter().filter(|s| !left.contains(&s.id)) {
        if let Some(own) = to.rack.slot_mut(&slot.id).filter(|s| s.table.same_symbols(&slot.table)) {
            own.values = slot.values.clone();
        }
    }
}
