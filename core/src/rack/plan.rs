// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as resolved: every slot with its kind, its whole parameter table and its values.

use std::sync::Arc;

use super::split::SplitKind;
use crate::param::{ParamTable, Values};
use crate::units::{AnyKind, Layout, Place};

/// A checked rack: building it cannot fail for reasons the file's author could have been told.
#[derive(Clone, Debug, PartialEq)]
pub struct RackPlan {
    pub name: String,
    pub layout: Layout,
    /// Constant total latency to pad to; a chain that exceeds it is refused.
    pub latency_ms: Option<f64>,
    /// Extra input ports, in port order.
    pub sidechains: Vec<SidechainPort>,
    /// In signal order.
    pub slots: Vec<SlotPlan>,
    /// Whole-rack bypass, `rack/bypass`; a rack file does not say it, so it is off in a loaded plan.
    pub bypass: bool,
}

/// An extra input of the rack, `[[rack.sidechain]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct SidechainPort {
    pub name: String,
    pub layout: Layout,
}

/// A position in the rack and what sits there.
#[derive(Clone, Debug)]
pub struct SlotPlan {
    pub id: String,
    pub content: Content,
    /// All parameters of the slot, `bypass` and `mix` last.
    pub table: Arc<ParamTable>,
    pub values: Values,
}

#[derive(Clone)]
pub enum Content {
    Unit { kind: &'static dyn AnyKind, sidechain: Source },
    Split { kind: SplitKind, branches: Vec<BranchPlan> },
}

/// One branch of a split.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchPlan {
    pub id: String,
    pub slots: Vec<SlotPlan>,
}

/// Where a detector listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The unit's own input.
    Own,
    /// The rack's main input.
    MainIn,
    /// The output of a slot that is earlier in the schedule.
    Slot(String),
    /// A `[[rack.sidechain]]` port.
    Port(String),
}

/// The table follows from the content.
impl PartialEq for SlotPlan {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.content == other.content && self.values == other.values
    }
}

/// Two kinds are the same if they have the same symbol.
impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Content::Unit { kind: a, sidechain: s }, Content::Unit { kind: b, sidechain: t }) => {
                a.spec().symbol == b.spec().symbol && s == t
            }
            (Content::Split { kind: a, branches: s }, Content::Split { kind: b, branches: t }) => {
                a == b && s == t
            }
            _ => false,
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Content::Unit { kind, sidechain } => f
                .debug_struct("Unit")
                .field("kind", &kind.spec().symbol)
                .field("sidechain", sidechain)
                .finish(),
            Content::Split { kind, branches } => {
                f.debug_struct("Split").field("kind", kind).field("branches", branches).finish()
            }
        }
    }
}

impl RackPlan {
    /// A rack without slots.
    pub fn empty(layout: Layout) -> Self {
        RackPlan {
            name: String::new(),
            layout,
            latency_ms: None,
            sidechains: Vec::new(),
            slots: Vec::new(),
            bypass: false,
        }
    }

    /// Every slot in schedule order: a split before the slots of its branches.
    pub fn walk(&self) -> Vec<&SlotPlan> {
        fn go<'a>(slots: &'a [SlotPlan], out: &mut Vec<&'a SlotPlan>) {
            for s in slots {
                out.push(s);
                if let Content::Split { branches, .. } = &s.content {
                    branches.iter().for_each(|b| go(&b.slots, out));
                }
            }
        }
        let mut out = Vec::new();
        go(&self.slots, &mut out);
        out
    }

    /// Bits of the integers that the rack's output already is, as far as its last slot makes them: who writes
    /// it with at least as many rounds exactly, and must not dither it again. `None`: it is no integers.
    pub fn integer_bits(&self) -> Option<u32> {
        let slot = self.slots.last().filter(|_| !self.bypass)?;
        let Content::Unit { kind, .. } = &slot.content else { return None };
        let value = |symbol| slot.table.find(symbol).map(|p| slot.values.get(p));
        let whole = value("bypass") == Some(0.0) && value("mix") == Some(100.0);
        let bits = value("bits").filter(|_| kind.place() == Place::Last && whole)?;
        Some(bits as u32)
    }

    /// The slot with this id, wherever it stands.
    pub fn slot_mut(&mut self, id: &str) -> Option<&mut SlotPlan> {
        fn go<'a>(slots: &'a mut [SlotPlan], id: &str) -> Option<&'a mut SlotPlan> {
            for s in slots {
                if s.id == id {
                    return Some(s);
                }
                if let Content::Split { branches, .. } = &mut s.content
                    && let Some(found) = branches.iter_mut().find_map(|b| go(&mut b.slots, id))
                {
                    return Some(found);
                }
            }
            None
        }
        go(&mut self.slots, id)
    }
}

impl SlotPlan {
    /// A unit with its default values, listening to itself.
    pub fn unit(id: &str, kind: &'static dyn AnyKind) -> Self {
        let table = kind.table();
        SlotPlan {
            id: id.to_string(),
            content: Content::Unit { kind, sidechain: Source::Own },
            values: table.defaults(),
            table: Arc::new(table),
        }
    }

    /// A split with default values over these branches.
    pub fn split(id: &str, kind: SplitKind, branches: Vec<BranchPlan>) -> Self {
        let ids: Vec<&str> = branches.iter().map(|b| b.id.as_str()).collect();
        let table = kind.table(&ids);
        SlotPlan {
            id: id.to_string(),
            values: table.defaults(),
            table: Arc::new(table),
            content: Content::Split { kind, branches },
        }
    }

    /// Sets a value by symbol; panics on a symbol that is not there. For tests and built-in racks.
    pub fn with(mut self, symbol: &str, value: f64) -> Self {
        let i = self.table.find(symbol).unwrap_or_else(|| panic!("no parameter {symbol} in {}", self.id));
        self.values.set(i, value);
        self
    }
}
