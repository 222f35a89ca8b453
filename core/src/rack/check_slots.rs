// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tree of slots: what each holds, what its branches are called, where its detector listens.

use std::sync::Arc;

use super::check::{Catalog, missing};
use super::check_params;
use super::diagnostic::{Sink, list, quoted};
use super::layout::{At, BranchLayout, SlotLayout};
use super::names::{RESERVED_BRANCHES, RESERVED_SLOTS, Taken, check_id};
use super::plan::{BranchPlan, Content, SlotPlan, Source};
use super::split::SplitKind;
use crate::units::{AnyKind, Layout};

/// Claims every slot id of the tree, so that later ones can be told from unknown ones.
pub(super) fn claim_slots<'a>(slots: &'a [SlotLayout], taken: &mut Taken<'a>, sink: &mut Sink) {
    for slot in slots {
        match &slot.id {
            Some(id) => {
                if check_id(id, "slot", RESERVED_SLOTS, sink) {
                    taken.claim(id, "slot", sink);
                }
            }
            None => missing(slot.at.clone(), "id", "this slot", sink),
        }
        slot.branches.iter().for_each(|b| claim_slots(&b.slots, taken, sink));
    }
}

pub(super) struct Checker<'a, 's> {
    catalog: &'a Catalog,
    sink: &'s mut Sink,
    /// Every slot id and port name of the rack.
    taken: Taken<'a>,
    ports: Vec<&'a str>,
    /// Slots whose output exists when the slot at hand runs.
    finished: Vec<&'a str>,
    /// Splits around the slot at hand.
    open: Vec<&'a str>,
}

impl<'a, 's> Checker<'a, 's> {
    pub fn new(catalog: &'a Catalog, sink: &'s mut Sink, taken: Taken<'a>, ports: Vec<&'a str>) -> Self {
        Checker { catalog, sink, taken, ports, finished: Vec::new(), open: Vec::new() }
    }

    pub fn slots(&mut self, slots: &'a [SlotLayout], layout: &Layout) -> Vec<SlotPlan> {
        let mut out = Vec::new();
        for slot in slots {
            out.extend(self.slot(slot, layout));
            self.finished.extend(slot.id.as_ref().map(|id| id.value.as_str()));
        }
        out
    }

    fn slot(&mut self, slot: &'a SlotLayout, layout: &Layout) -> Option<SlotPlan> {
        match (&slot.unit, &slot.split) {
            (Some(unit), Some(split)) => {
                self.sink
                    .error(split.span.clone(), "a slot holds a unit or a split; this one names both")
                    .label("one too many")
                    .related(unit.span.clone(), "the unit");
                self.split(slot, split, layout)
            }
            (Some(unit), None) => self.unit(slot, unit),
            (None, Some(split)) => self.split(slot, split, layout),
            (None, None) => {
                let units = list(self.catalog.iter().map(|k| k.spec().symbol));
                let splits = list(SplitKind::ALL.map(SplitKind::symbol));
                self.sink
                    .error(slot.at.clone(), "this slot has neither \"unit\" nor \"split\"")
                    .label("\"unit\" or \"split\" is missing")
                    .help(format!("unit is one of {units}; split is one of {splits}"))
                    .absence();
                None
            }
        }
    }

    fn unit(&mut self, slot: &'a SlotLayout, unit: &At<String>) -> Option<SlotPlan> {
        if let Some(at) = &slot.branch_at {
            self.sink
                .error(at.clone(), format!("a unit has no branches; only a split has ({})", splits()))
                .label("branches of a unit")
                .related(unit.span.clone(), "the unit");
        }
        let Some(kind) = self.catalog.iter().find(|k| k.spec().symbol == unit.value) else {
            self.unknown_unit(unit);
            return None;
        };
        let mut plan = SlotPlan::unit(slot.id.as_ref().map_or("", |id| &id.value), *kind);
        let of = format!("unit \"{}\"", unit.value);
        check_params::fill(&slot.params, &plan.table, &of, &mut plan.values, self.sink);
        let source = self.sidechain(slot, *kind);
        plan.content = Content::Unit { kind: *kind, sidechain: source };
        Some(plan)
    }

    fn unknown_unit(&mut self, unit: &At<String>) {
        let names: Vec<&str> = self.catalog.iter().map(|k| k.spec().symbol).collect();
        let allowed = list(names.iter().copied());
        let d = self
            .sink
            .error(unit.span.clone(), format!("there is no unit {}; there is {allowed}", quoted(&unit.value)))
            .label(format!("one of {allowed}"))
            .suggest(&unit.value, names);
        if SplitKind::from_symbol(&unit.value).is_some() {
            d.help(format!("\"{0}\" is a split: write split = \"{0}\"", unit.value));
        }
    }

    fn split(&mut self, slot: &'a SlotLayout, split: &At<String>, layout: &Layout) -> Option<SlotPlan> {
        if let Some(at) = &slot.sidechain {
            let message = "a split has no sidechain; give it to a unit in a branch";
            self.sink.error(at.span.clone(), message).label("sidechain of a split");
        }
        let kind = SplitKind::from_symbol(&split.value);
        if kind.is_none() {
            self.unknown_split(split);
        }
        if let Some(kind) = kind.filter(|k| k.fixed_branches().is_some() && layout.pairs().is_empty()) {
            let message = format!(
                "\"{}\" needs a pair of left and right channels; here the signal is {}",
                kind.symbol(),
                layout.name()
            );
            self.sink.error(split.span.clone(), message).label("no pair to split");
        }
        self.branch_ids(slot, kind);
        let id = slot.id.as_ref().map(|id| id.value.as_str());
        self.open.extend(id);
        let branches: Vec<BranchPlan> =
            slot.branches.iter().enumerate().map(|(n, b)| self.branch(b, n, kind, layout)).collect();
        self.open.truncate(self.open.len() - usize::from(id.is_some()));
        let kind = kind?;
        let mut plan = SlotPlan::split(id.unwrap_or(""), kind, branches);
        let of = format!("split \"{}\"", split.value);
        let table = Arc::clone(&plan.table);
        check_params::fill(&slot.params, &table, &of, &mut plan.values, self.sink);
        check_params::rising(&slot.params, &plan, self.sink);
        Some(plan)
    }

    fn branch(
        &mut self,
        b: &'a BranchLayout,
        n: usize,
        kind: Option<SplitKind>,
        layout: &Layout,
    ) -> BranchPlan {
        let inner = match kind {
            // A split that found no pairs has been refused; its branches are still worth reading.
            Some(k) if k.fixed_branches().is_none() || !layout.pairs().is_empty() => {
                k.branch_layout(layout, n)
            }
            _ => layout.clone(),
        };
        let id = b.id.as_ref().map_or_else(String::new, |id| id.value.clone());
        BranchPlan { id, slots: self.slots(&b.slots, &inner) }
    }

    fn unknown_split(&mut self, split: &At<String>) {
        let d = self
            .sink
            .error(
                split.span.clone(),
                format!("there is no split {}; there is {}", quoted(&split.value), splits()),
            )
            .label(format!("one of {}", splits()))
            .suggest(&split.value, SplitKind::ALL.map(SplitKind::symbol));
        if self.catalog.iter().any(|k| k.spec().symbol == split.value) {
            d.help(format!("\"{0}\" is a unit: write unit = \"{0}\"", split.value));
        }
    }

    /// Ids and number of the branches.
    fn branch_ids(&mut self, slot: &'a SlotLayout, kind: Option<SplitKind>) {
        let mut taken = Taken::default();
        for b in &slot.branches {
            match &b.id {
                None => missing(b.at.clone(), "id", "this branch", self.sink),
                Some(id) => {
                    if check_id(id, "branch", RESERVED_BRANCHES, self.sink) {
                        taken.claim(id, "branch", self.sink);
                    }
                }
            }
        }
        let Some(kind) = kind else { return };
        let (count, allowed) = (slot.branches.len(), kind.branch_count());
        if !allowed.contains(&count) {
            let range = match (allowed.start(), allowed.end()) {
                (a, b) if a == b => format!("exactly {a}"),
                (a, b) => format!("{a} to {b}"),
            };
            let ids = kind.fixed_branches().map_or_else(String::new, |f| format!(": {}", list(f)));
            let message = format!("\"{}\" has {range} branches{ids}; here are {count}", kind.symbol());
            let d = self.sink.error(slot.at.clone(), message).label(format!("{range} branches"));
            if count == 0 {
                d.absence();
            }
        } else if let Some(fixed) = kind.fixed_branches() {
            for (b, wanted) in slot.branches.iter().zip(fixed) {
                if let Some(id) = b.id.as_ref().filter(|id| id.value != wanted) {
                    let message = format!(
                        "the branches of \"{}\" are {}, in this order; here is {}",
                        kind.symbol(),
                        list(fixed),
                        quoted(&id.value)
                    );
                    self.sink.error(id.span.clone(), message).label(format!("must be \"{wanted}\""));
                }
            }
        }
    }

    /// Where the unit's detector listens.
    fn sidechain(&mut self, slot: &'a SlotLayout, kind: &'static dyn AnyKind) -> Source {
        let Some(at) = &slot.sidechain else { return Source::Own };
        let given = at.value.as_str();
        if !kind.spec().sidechain {
            let message = format!("unit \"{}\" does not listen to a sidechain", kind.spec().symbol);
            self.sink.error(at.span.clone(), message).label("must be left out");
            return Source::Own;
        }
        match given {
            "self" => return Source::Own,
            "main_in" => return Source::MainIn,
            port if self.ports.contains(&port) => return Source::Port(port.to_string()),
            id if self.finished.contains(&id) => return Source::Slot(id.to_string()),
            _ => {}
        }
        let sources = self.sources();
        let d = if slot.id.as_ref().is_some_and(|id| id.value == given) {
            let message = format!("slot {} cannot listen to its own output", quoted(given));
            self.sink.error(at.span.clone(), message).help("\"self\" is its own input")
        } else if self.open.contains(&given) {
            let message = format!(
                "{} is the split around this slot: its output exists only after this slot has run",
                quoted(given)
            );
            self.sink.error(at.span.clone(), message)
        } else if self.taken.contains(given) {
            let message = format!(
                "slot {} comes later: a sidechain can only listen to what has already run",
                quoted(given)
            );
            self.sink.error(at.span.clone(), message)
        } else {
            let message = format!("there is no sidechain source {}; there is {sources}", quoted(given));
            let names = self.taken.names().chain(["self", "main_in"]);
            self.sink.error(at.span.clone(), message).suggest(given, names).absence()
        };
        d.label(format!("one of {sources}"));
        Source::Own
    }

    /// The sources there are at this point of the schedule, in words.
    fn sources(&self) -> String {
        const SHOWN: usize = 12;
        let names: Vec<&str> = ["self", "main_in"]
            .into_iter()
            .chain(self.ports.iter().copied())
            .chain(self.finished.iter().copied())
            .collect();
        let more = if names.len() > SHOWN { ", …" } else { "" };
        list(names.into_iter().take(SHOWN)) + more
    }
}

fn splits() -> String {
    list(SplitKind::ALL.map(SplitKind::symbol))
}
