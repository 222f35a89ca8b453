// SPDX-License-Identifier: MIT OR Apache-2.0
//! A snapshot against the rack of today: what recalling it could not bring back, or not as it was.

use std::collections::BTreeMap;
use std::fmt;

use lathe_core::rack::address::Target;
use lathe_core::rack::load;
use lathe_core::rack::plan::{Content, RackPlan, SlotPlan};

use super::snapshot::{Snapshot, layout_hash};

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The snapshot's rack does not load in this lathe.
    Unreadable {
        reason: String,
    },
    Channels {
        snapshot: String,
        rack: String,
    },
    /// A slot has another kind of unit or split.
    Kind {
        slot: String,
        snapshot: String,
        rack: String,
    },
    Sidechain {
        slot: String,
    },
    /// The same parts, in other places.
    Order,
    OnlyInSnapshot {
        address: String,
        value: f64,
    },
    OnlyInRack {
        address: String,
    },
    OutOfRange {
        address: String,
        value: f64,
        allowed: String,
    },
    /// The same settings sound different from when the snapshot was stored.
    Sound {
        unit: String,
        snapshot: u32,
        rack: u32,
    },
}

impl Difference {
    /// True if the layouts differ; else only values or sound.
    pub fn is_layout(&self) -> bool {
        !matches!(self, Difference::OutOfRange { .. } | Difference::Sound { .. })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { reason } => write!(f, "the snapshot's rack no longer loads: {reason}"),
            Self::Channels { snapshot, rack } => {
                write!(f, "the snapshot has the channels {snapshot}, the rack {rack}")
            }
            Self::Kind { slot, snapshot, rack } => {
                write!(f, "slot \"{slot}\" is \"{snapshot}\" in the snapshot and \"{rack}\" in the rack")
            }
            Self::Sidechain { slot } => write!(f, "slot \"{slot}\" listens to another sidechain"),
            Self::Order => write!(f, "the slots, branches, ports or links are in another order"),
            Self::OnlyInSnapshot { address, value } => {
                write!(f, "{address} = {value} is not in the rack")
            }
            Self::OnlyInRack { address } => write!(f, "{address} is not in the snapshot"),
            Self::OutOfRange { address, value, allowed } => {
                write!(f, "{address} = {value} is not allowed today: {allowed}")
            }
            Self::Sound { unit, snapshot, rack } => write!(
                f,
                "\"{unit}\" had sound revision {snapshot}, now {rack}: the same settings sound different"
            ),
        }
    }
}

/// Everything that differs; empty if the recall is complete and sounds the same.
pub fn differences(snapshot: &Snapshot, plan: &RackPlan) -> Vec<Difference> {
    let mut out = Vec::new();
    match load(&snapshot.rack, "snapshot") {
        Ok(loaded) => layout(&loaded.plan, plan, &mut out),
        Err(e) => {
            let reason = e.iter().next().map_or_else(|| "not known".into(), |d| d.message.clone());
            out.push(Difference::Unreadable { reason });
        }
    }
    values(snapshot, plan, &mut out);
    if snapshot.layout_hash != layout_hash(plan) && !out.iter().any(Difference::is_layout) {
        out.push(Difference::Order);
    }
    let today = super::sound_revisions(plan);
    for (unit, &was) in &snapshot.sound_revisions {
        if let Some(&now) = today.get(unit).filter(|n| **n != was) {
            out.push(Difference::Sound { unit: unit.clone(), snapshot: was, rack: now });
        }
    }
    out
}

/// The symbol of what sits in a slot.
pub(super) fn kind(slot: &SlotPlan) -> &'static str {
    match &slot.content {
        Content::Unit { kind, .. } => kind.spec().symbol,
        Content::Split { kind, .. } => kind.symbol(),
    }
}

fn layout(then: &RackPlan, now: &RackPlan, out: &mut Vec<Difference>) {
    if then.layout.roles != now.layout.roles {
        out.push(Difference::Channels { snapshot: then.layout.name(), rack: now.layout.name() });
    }
    let slots: BTreeMap<&str, &SlotPlan> = now.walk().into_iter().map(|s| (s.id.as_str(), s)).collect();
    for was in then.walk() {
        let Some(is) = slots.get(was.id.as_str()) else { continue };
        if kind(was) != kind(is) {
            let (snapshot, rack) = (kind(was).to_string(), kind(is).to_string());
            out.push(Difference::Kind { slot: was.id.clone(), snapshot, rack });
        } else if let (Content::Unit { sidechain: a, .. }, Content::Unit { sidechain: b, .. }) =
            (&was.content, &is.content)
            && a != b
        {
            out.push(Difference::Sidechain { slot: was.id.clone() });
        }
    }
}

fn values(snapshot: &Snapshot, plan: &RackPlan, out: &mut Vec<Difference>) {
    for (address, &value) in &snapshot.values {
        let (address, walk) = (address.clone(), plan.walk());
        match plan.find(&address) {
            Err(_) => out.push(Difference::OnlyInSnapshot { address, value }),
            Ok(Target::RackBypass) if value != 0.0 && value != 1.0 => {
                out.push(Difference::OutOfRange { address, value, allowed: "on or off".into() });
            }
            Ok(Target::RackBypass) => {}
            Ok(Target::Param { slot, param }) => {
                let spec = &walk[slot].table[param];
                if spec.check(value).is_err() {
                    out.push(Difference::OutOfRange { address, value, allowed: spec.allowed() });
                }
            }
        }
    }
    let here = plan.params().into_iter().map(|(address, ..)| address.to_string());
    let missing = here.filter(|a| !snapshot.values.contains_key(a));
    out.extend(missing.map(|address| Difference::OnlyInRack { address }));
}
