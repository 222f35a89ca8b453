// SPDX-License-Identifier: MIT OR Apache-2.0
//! The difference of two racks of one layout, as writes for the audio thread.

use std::collections::BTreeMap;

use lathe_core::engine::output::MonitorParam;
use lathe_core::engine::{ChainSpec, SlotIndex, Write, design_slot};
use lathe_core::param::{Motion, ParamIndex, ParamTable, Values};
use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::{Notes, glide_frames, ramp_frames};

use super::Settings;

/// Ramp times that a client asked for, by address and in milliseconds.
pub type Ramps<'a> = &'a [(String, f64)];

/// Everything that differs in value, with the ramp asked for or the usual one.
pub fn writes(from: &Settings, to: &Settings, spec: &ChainSpec, ramps: Ramps) -> Vec<Write> {
    let before: BTreeMap<&str, &SlotPlan> =
        from.rack.walk().into_iter().map(|s| (s.id.as_str(), s)).collect();
    let mut out = Vec::new();
    for slot in to.rack.walk() {
        let (Some(index), Some(was)) = (spec.find_slot(&slot.id), before.get(slot.id.as_str())) else {
            continue;
        };
        if was.table.len() == slot.table.len() && was.values != slot.values {
            slot_writes(was, slot, spec, index, ramps, &mut out);
        }
    }
    if from.rack.bypass != to.rack.bypass
        && let Some(slot) = spec.find_slot("rack")
    {
        let frames = asked(ramps, "rack/bypass", spec)
            .unwrap_or_else(|| ramp_frames(lathe_core::units::GLIDE_MS, spec.sample_rate));
        let on = f64::from(u8::from(to.rack.bypass));
        out.push(Write::Glide { slot, param: ParamIndex(0), to: on, frames });
    }
    monitor_writes(&from.monitor, &to.monitor, spec, ramps, &mut out);
    out
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
    out: &mut Vec<Write>,
) {
    // A slot whose chain is still to come is built with its new design.
    let differs = |i: ParamIndex| was.values.get(i) != slot.values.get(i);
    if slot.table.iter().any(|(i, line)| line.change == Motion::Structural && differs(i)) {
        return;
    }
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
        if let Ok(Some(parts)) = design_slot(slot, format, &mut Notes::default()) {
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
        if let Some(slot) = rack.slot_mut(&was.id).filter(|s| stays && s.table.len() == was.table.len()) {
            // Structural values are in the chain itself.
            for (param, line) in slot.table.clone().iter() {
                if line.change != Motion::Structural {
                    slot.values.set(param, was.values.get(param));
                }
            }
        }
    }
}

/// Takes over the values of slots that both racks have.
pub fn copy_values(from: &RackPlan, to: &mut RackPlan) {
    to.bypass = from.bypass;
    for slot in from.walk() {
        if let Some(own) = to.slot_mut(&slot.id).filter(|s| s.table.len() == slot.table.len()) {
            own.values = slot.values.clone();
        }
    }
}
