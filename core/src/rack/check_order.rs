// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may follow what in the main path: integers are made once and last, a ceiling that something follows may
//! not hold, a clipper holds none, and what limits in a branch may have a conversion after it.

use std::ops::Range;

use super::check::Catalog;
use super::diagnostic::{Sink, quoted, short};
use super::layout::{ParamText, RackLayout, SlotLayout};
use super::plan::RackPlan;
use crate::units::Place;

/// Where a slot's unit may stand; anywhere if there is no such unit.
fn place(slot: &SlotLayout, catalog: &Catalog) -> Place {
    let unit = slot.unit.as_ref().filter(|_| slot.split.is_none());
    let kind = unit.and_then(|unit| catalog.iter().find(|k| k.spec().symbol == unit.value));
    kind.map_or(Place::Anywhere, |k| k.place())
}

fn id(slot: &SlotLayout) -> String {
    quoted(slot.id.as_ref().map_or("", |id| &id.value))
}

/// Where a slot says what it holds.
fn what(slot: &SlotLayout) -> Range<usize> {
    let held = slot.unit.as_ref().or(slot.split.as_ref());
    held.map_or_else(|| slot.at.clone(), |held| held.span.clone())
}

/// `plan` is what `rack` was resolved to.
pub(super) fn check(rack: &RackLayout, plan: &RackPlan, catalog: &Catalog, sink: &mut Sink) {
    for slot in &rack.slots {
        slot.branches.iter().for_each(|b| none_inside(&b.slots, slot, catalog, sink));
    }
    last(&rack.slots, plan, catalog, sink);
    // Of a rack that has errors, warnings would be guesses.
    if !sink.has_errors() {
        after_a_ceiling(&rack.slots, catalog, sink);
        only_clipped(&rack.slots, catalog, sink);
        converted_after_a_limiter(&rack.slots, catalog, sink);
    }
}

/// Slots of a branch: none may be the last of the rack.
fn none_inside(slots: &[SlotLayout], split: &SlotLayout, catalog: &Catalog, sink: &mut Sink) {
    for slot in slots {
        if place(slot, catalog) == Place::Last {
            let message = format!(
                "slot {} makes the final integers, so it cannot stand in split {}: what follows would leave their grid",
                id(slot),
                id(split)
            );
            sink.error(what(slot), message)
                .label("must be the last slot of the rack")
                .related(what(split), "the split");
        }
        slot.branches.iter().for_each(|b| none_inside(&b.slots, split, catalog, sink));
    }
}

/// Slots of the main path: what is last is last, and is there once.
fn last(slots: &[SlotLayout], plan: &RackPlan, catalog: &Catalog, sink: &mut Sink) {
    let is_last = |slot: &&SlotLayout| place(slot, catalog) == Place::Last;
    for (n, slot) in slots.iter().enumerate().filter(|(_, slot)| is_last(slot)) {
        mixed(slot, plan, sink);
        let rest = &slots[n + 1..];
        if let Some(again) = rest.iter().find(is_last) {
            let message =
                format!("slots {} and {} both make the final integers: once is enough", id(slot), id(again));
            sink.error(what(slot), message)
                .label("must be left out")
                .related(what(again), "the last one stays");
        } else if let Some(next) = rest.first() {
            let message = format!(
                "slot {} makes the final integers, so it must be the last slot; {} follows it",
                id(slot),
                id(next)
            );
            sink.error(what(slot), message)
                .label("must be the last slot of the rack")
                .related(what(next), "follows it");
        }
    }
}

/// A mixture of integers and what they were made of lies on no grid.
fn mixed(slot: &SlotLayout, plan: &RackPlan, sink: &mut Sink) {
    let Some(mix) = slot.params.iter().find(|p| p.key.value == "mix") else { return };
    let ParamText::Value(value) = &mix.value else { return };
    let Some(planned) = plan.slots.iter().find(|p| slot.id.as_ref().is_some_and(|id| id.value == p.id))
    else {
        return;
    };
    let percent = planned.table.find("mix").map_or(100.0, |mix| planned.values.get(mix));
    if percent != 100.0 {
        let message = format!(
            "\"mix\" of slot {} is {} %: only at 100 % is its output one of integers",
            id(slot),
            short(percent)
        );
        sink.warning(value.span.clone(), message).label("100 %, or left out");
    }
}

/// What comes after the last ceiling of the main path.
fn after_a_ceiling(slots: &[SlotLayout], catalog: &Catalog, sink: &mut Sink) {
    let Some(at) = slots.iter().rposition(|slot| place(slot, catalog) == Place::Ceiling) else { return };
    let ceiling = &slots[at];
    let passes = |slot: &&SlotLayout| !matches!(place(slot, catalog), Place::Ceiling | Place::Last);
    for slot in slots[at + 1..].iter().filter(passes) {
        let message = format!(
            "slot {} comes after {}, whose ceiling no longer holds for the output",
            id(slot),
            id(ceiling)
        );
        sink.warning(what(slot), message)
            .label("may exceed the ceiling")
            .related(what(ceiling), "holds a ceiling");
    }
}

/// A clipper at the end, whose ceiling might be taken for that of the output.
fn only_clipped(slots: &[SlotLayout], catalog: &Catalog, sink: &mut Sink) {
    let last = slots.iter().rfind(|slot| place(slot, catalog) != Place::Last);
    let Some(slot) = last.filter(|slot| place(slot, catalog) == Place::Clips) else { return };
    // After a limiter, that has been said.
    if slots.iter().any(|slot| place(slot, catalog) == Place::Ceiling) {
        return;
    }
    let message = format!(
        "slot {} clips at a higher rate, and on the way down its output rings over its ceiling, by 3 dB and more; \
         a limiter after it would hold one",
        id(slot)
    );
    sink.warning(what(slot), message).label("holds no ceiling");
}

/// What holds a ceiling: the slot, or the first one in its branches.
fn limiter<'a>(slot: &'a SlotLayout, catalog: &Catalog) -> Option<&'a SlotLayout> {
    match place(slot, catalog) {
        Place::Ceiling => Some(slot),
        _ => slot.branches.iter().flat_map(|b| &b.slots).find_map(|inner| limiter(inner, catalog)),
    }
}

/// A render to another rate converts before the last limiter of the main path. Without one it converts before the
/// last split that has a limiter in a branch, and so after the limiters in splits before that.
fn converted_after_a_limiter(slots: &[SlotLayout], catalog: &Catalog, sink: &mut Sink) {
    if slots.iter().any(|slot| place(slot, catalog) == Place::Ceiling) {
        return;
    }
    let Some(last) = slots.iter().rposition(|slot| limiter(slot, catalog).is_some()) else { return };
    for (slot, inner) in slots[..last].iter().filter_map(|slot| Some((slot, limiter(slot, catalog)?))) {
        let message = format!(
            "limiter {} stands in a branch of {}: rendered to another rate, the audio is converted after it, before {}; \
             a limiter in the main path would come after the conversion",
            id(inner),
            id(slot),
            id(&slots[last])
        );
        sink.warning(what(inner), message)
            .label("a conversion may exceed its ceiling")
            .related(what(&slots[last]), "is converted before");
    }
}
