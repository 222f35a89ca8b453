// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last state against the rack file of today: who wins, value by value.
//!
//! Unchanged file: the state wins. Changed file: its layout, with the values it changed; all other
//! values stay as they were. No state, or a fresh start: the file.

use std::collections::BTreeMap;
use std::fmt;

use lathe_core::param::Unit;
use lathe_core::rack::address::Target;
use lathe_core::rack::plan::{Content, RackPlan, SlotPlan};
use lathe_core::rack::{export, load};

use super::difference::kind;
use super::last_state::{LastState, rack_hash};

/// Where the values at start came from; `state=` of the ready line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Restored,
    Merged,
    File,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Restored => "restored",
            Origin::Merged => "merged",
            Origin::File => "file",
        })
    }
}

/// What to start with.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    pub origin: Origin,
    /// The rack that was running, if it is to be built instead of the file's.
    pub rack: Option<String>,
    /// Every address of that rack, with a value that is allowed today; `rack/bypass` if it was known.
    pub values: BTreeMap<String, f64>,
    pub monitor: BTreeMap<String, f64>,
    pub panic: bool,
    pub revision: u64,
    /// What the user should know: values that could not stay, and why.
    pub notes: Vec<String>,
}

/// Decides. `plan` is what `file` loads to; `fresh` ignores the state, the latched panic too.
pub fn restore(state: Option<&LastState>, fresh: bool, file: &str, plan: &RackPlan) -> Restored {
    let Some(state) = state else { return from_file(plan, 0) };
    if fresh {
        let mut out = from_file(plan, state.revision);
        out.notes.extend(state.panic.then(|| "panic was on; a fresh start takes it off".to_string()));
        return out;
    }
    let mut out =
        if state.rack_hash == rack_hash(file) { unchanged(state, plan) } else { changed(state, plan) };
    out.monitor = state.monitor.clone();
    out.panic = state.panic;
    out
}

fn from_file(plan: &RackPlan, revision: u64) -> Restored {
    Restored {
        origin: Origin::File,
        rack: None,
        values: values(plan),
        monitor: BTreeMap::new(),
        panic: false,
        revision,
        notes: Vec::new(),
    }
}

fn unchanged(state: &LastState, plan: &RackPlan) -> Restored {
    let running = state.rack.as_ref().map(|text| load(text, "last state").map(|l| l.plan));
    let mut out = match &running {
        None => overlay(state, plan, |_| true),
        Some(Ok(running)) => Restored { rack: state.rack.clone(), ..overlay(state, running, |_| true) },
        Some(Err(_)) => {
            let mut out = overlay(state, plan, |_| true);
            out.notes.push("the rack that was running no longer loads; the rack file is used".into());
            out
        }
    };
    out.origin = Origin::Restored;
    out
}

fn changed(state: &LastState, plan: &RackPlan) -> Restored {
    let text = state.rack.as_ref().unwrap_or(&state.rack_file);
    let (Ok(file), Ok(running)) = (load(&state.rack_file, "last state"), load(text, "last state")) else {
        let mut out = from_file(plan, state.revision);
        let note = "the rack file changed and the one before no longer loads: all values are the file's";
        out.notes.push(note.into());
        return out;
    };
    let (before, after) = (values(&file.plan), values(plan));
    let kinds = |plan: &RackPlan| -> BTreeMap<String, &'static str> {
        plan.walk().into_iter().map(|s| (s.id.clone(), kind(s))).collect()
    };
    let (had, has) = (kinds(&running.plan), kinds(plan));
    let stays = |address: &str| {
        let slot = address.split('/').next().unwrap_or(address);
        let same_kind = had.get(slot) == has.get(slot);
        let written = |file: &BTreeMap<String, f64>| file.get(address).map(|v| v.to_bits());
        same_kind && written(&before) == written(&after)
    };
    Restored { origin: Origin::Merged, ..overlay(state, plan, stays) }
}

/// The plan's values with those of the state over them, where they may stay and are allowed.
fn overlay(state: &LastState, plan: &RackPlan, stays: impl Fn(&str) -> bool) -> Restored {
    let mut out = from_file(plan, state.revision);
    let walk = plan.walk();
    for (address, &was) in &state.values {
        let value = match plan.find(address) {
            Err(_) => Err(format!("{address} = {was} is not in the rack any more")),
            Ok(_) if !stays(address) => {
                let is = out.values.get(address).copied().unwrap_or(0.0);
                let changed = is.to_bits() != was.to_bits();
                // Nothing to tell if the file now says what was set by hand.
                if changed { Err(format!("{address} was {was}; the rack file says {is}")) } else { Ok(was) }
            }
            Ok(Target::RackBypass) if was == 0.0 || was == 1.0 => Ok(was),
            Ok(Target::RackBypass) => Err(format!("{address} = {was} is not allowed: on or off")),
            Ok(Target::Param { slot, param }) => {
                let kept = walk[slot].table[param].check(was);
                kept.map_err(|e| format!("{address} = {was} is not kept: {e}"))
            }
        };
        match value {
            Ok(value) => _ = out.values.insert(address.clone(), value),
            Err(note) => out.notes.push(note),
        }
    }
    settle_splits(plan, &mut out);
    out
}

/// Values that are allowed one by one may not be together: crossover frequencies must rise. The
/// splits then take theirs from the file.
fn settle_splits(plan: &RackPlan, out: &mut Restored) {
    let mut merged = plan.clone();
    fill(&mut merged.slots, &out.values);
    if load(&export(&merged), "merged").is_ok() {
        return;
    }
    for slot in plan.walk().into_iter().filter(|s| matches!(s.content, Content::Split { .. })) {
        for (index, spec) in slot.table.iter().filter(|(_, spec)| spec.unit == Unit::Hertz) {
            let (address, file) = (format!("{}/{}", slot.id, spec.symbol), slot.values.get(index));
            if let Some(was) = out.values.insert(address.clone(), file).filter(|was| *was != file) {
                let why = "crossover frequencies must rise";
                out.notes.push(format!("{address} was {was}; {why}, so it is {file} as in the rack file"));
            }
        }
    }
}

/// Sets the values of a plan by address.
fn fill(slots: &mut [SlotPlan], values: &BTreeMap<String, f64>) {
    for slot in slots {
        for (index, spec) in slot.table.iter() {
            if let Some(value) = values.get(&format!("{}/{}", slot.id, spec.symbol)) {
                slot.values.set(index, *value);
            }
        }
        if let Content::Split { branches, .. } = &mut slot.content {
            branches.iter_mut().for_each(|b| fill(&mut b.slots, values));
        }
    }
}

/// The plan's own values by address.
fn values(plan: &RackPlan) -> BTreeMap<String, f64> {
    let walk = plan.walk();
    let value = |t: Target| match t {
        Target::Param { slot, param } => walk[slot].values.get(param),
        Target::RackBypass => 0.0,
    };
    plan.params().into_iter().map(|(address, target, _)| (address.to_string(), value(target))).collect()
}
