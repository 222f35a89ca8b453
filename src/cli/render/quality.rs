// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe render --quality`: one quality for every unit that has a choice of it, for this render only.

use std::fmt;

use clap::ValueEnum;
use lathe_core::param::{Motion, ParamIndex};
use lathe_core::rack::plan::{RackPlan, SlotPlan};

/// The symbol of the structural choice that sets a unit's quality, its choices in rising order.
const SYMBOL: &str = "quality";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Quality {
    Eco,
    Normal,
    High,
    /// The highest that each unit has
    Max,
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quality::Eco => "eco",
            Quality::Normal => "normal",
            Quality::High => "high",
            Quality::Max => "max",
        })
    }
}

/// What became of the wish.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Slots that now have another quality than their rack says: id, before, now.
    pub changed: Vec<(String, &'static str, &'static str)>,
    /// Slots that had it already.
    pub same: Vec<String>,
    /// Slots that have a quality, but not this one: id, and what they stay at.
    pub lacking: Vec<(String, &'static str)>,
}

impl Applied {
    /// True if the render is not what a daemon with this rack would play.
    pub fn differs_from_live(&self) -> bool {
        !self.changed.is_empty()
    }
}

/// Sets the quality of every unit in the rack that has one.
pub fn apply(plan: &mut RackPlan, quality: Quality) -> Applied {
    let mut applied = Applied::default();
    let ids: Vec<String> = plan.walk().iter().map(|s| s.id.clone()).collect();
    for id in ids {
        if let Some(slot) = plan.slot_mut(&id)
            && let Some(p) = parameter(slot)
        {
            set(slot, p, quality, &mut applied);
        }
    }
    applied
}

fn parameter(slot: &SlotPlan) -> Option<ParamIndex> {
    let p = slot.table.find(SYMBOL)?;
    let spec = &slot.table[p];
    (spec.change == Motion::Structural && !spec.choices().is_empty()).then_some(p)
}

fn set(slot: &mut SlotPlan, p: ParamIndex, quality: Quality, applied: &mut Applied) {
    let choices = slot.table[p].choices();
    let before = choices[slot.values.choice(p).min(choices.len() - 1)].symbol;
    let named = choices.iter().position(|c| c.symbol == quality.to_string());
    let highest = (quality == Quality::Max).then_some(choices.len() - 1);
    match named.or(highest) {
        None => applied.lacking.push((slot.id.clone(), before)),
        Some(n) if choices[n].symbol == before => applied.same.push(slot.id.clone()),
        Some(n) => {
            slot.values.set(p, n as f64);
            applied.changed.push((slot.id.clone(), before, choices[n].symbol));
        }
    }
}

/// What whoever renders should know of it.
pub fn tell(applied: &Applied, quality: Quality) -> Vec<String> {
    let Applied { changed, same, lacking } = applied;
    if changed.is_empty() && same.is_empty() && lacking.is_empty() {
        return vec![format!(
            "no unit of this rack has a choice of quality; --quality {quality} changes nothing"
        )];
    }
    let mut lines = Vec::new();
    if !changed.is_empty() {
        let list: Vec<String> =
            changed.iter().map(|(id, a, b)| format!("{id} {b} (the rack says {a})")).collect();
        lines.push(format!(
            "--quality {quality}: {}; the render therefore differs from what the rack plays live",
            list.join(", ")
        ));
    } else if lacking.is_empty() {
        lines.push(format!("--quality {quality} is what the rack says already"));
    }
    lines.extend(lacking.iter().map(|(id, at)| format!("{id} has no quality {quality} and stays at {at}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_core::param::{Choice, ParamTable, choice, float};
    use lathe_core::rack::plan::{BranchPlan, Content};
    use lathe_core::rack::split::SplitKind;
    use lathe_core::units::{Layout, find};

    const fn named(symbol: &'static str) -> Choice {
        Choice { symbol, doc: "" }
    }

    /// A slot whose unit has these qualities, set to the second.
    fn slot(id: &str, choices: &'static [Choice]) -> SlotPlan {
        let mut slot = SlotPlan::unit(id, find("gain").unwrap());
        let table = ParamTable::new(&[choice(SYMBOL, "Quality", choices, 1)]);
        slot.values = table.defaults();
        slot.table = std::sync::Arc::new(table);
        slot
    }

    const THREE: &[Choice] = &[named("eco"), named("normal"), named("high")];
    const FOUR: &[Choice] = &[named("eco"), named("normal"), named("high"), named("max")];
    const TWO: &[Choice] = &[named("eco"), named("normal")];

    fn plan() -> RackPlan {
        let mut plan = RackPlan::empty(Layout::named("stereo").unwrap());
        let branch = BranchPlan { id: "a".into(), slots: vec![slot("inner", FOUR), slot("small", TWO)] };
        let split = SlotPlan::split("par", SplitKind::Parallel, vec![branch]);
        plan.slots = vec![SlotPlan::unit("g", find("gain").unwrap()), slot("lim", THREE), split];
        assert!(matches!(plan.slots[2].content, Content::Split { .. }));
        plan
    }

    fn qualities(plan: &RackPlan) -> Vec<f64> {
        let get = |s: &SlotPlan| s.table.find(SYMBOL).map(|p| s.values.get(p));
        plan.walk().into_iter().filter_map(get).collect()
    }

    #[test]
    fn every_unit_that_has_a_quality_gets_it_wherever_it_stands() {
        for (quality, wanted, changed, lacking) in [
            (Quality::Eco, [0.0, 0.0, 0.0], 3, 0),
            (Quality::Normal, [1.0, 1.0, 1.0], 0, 0),
            (Quality::High, [2.0, 2.0, 1.0], 2, 1),
            (Quality::Max, [2.0, 3.0, 1.0], 2, 0),
        ] {
            let mut p = plan();
            let applied = apply(&mut p, quality);
            assert_eq!(qualities(&p), wanted, "{quality}");
            let got = (applied.changed.len(), applied.lacking.len(), applied.differs_from_live());
            assert_eq!(got, (changed, lacking, changed > 0), "{quality}: {applied:?}");
        }
    }

    #[test]
    fn it_says_what_it_did() {
        let said = |q| tell(&apply(&mut plan(), q), q).join("\n");
        assert!(said(Quality::High).contains("lim high (the rack says normal), inner high"));
        assert!(said(Quality::High).contains("differs from what the rack plays live"));
        assert!(said(Quality::High).contains("small has no quality high and stays at normal"));
        assert_eq!(said(Quality::Normal), "--quality normal is what the rack says already");
        let mut none = RackPlan::empty(Layout::named("mono").unwrap());
        let mut glides = SlotPlan::unit("x", find("gain").unwrap());
        let table = ParamTable::new(&[float(SYMBOL, "Q", lathe_core::param::Unit::None, (0.0, 1.0), 0.0)]);
        (glides.values, glides.table) = (table.defaults(), std::sync::Arc::new(table));
        none.slots = vec![glides];
        let lines = tell(&apply(&mut none, Quality::Max), Quality::Max);
        assert!(lines[0].contains("no unit of this rack has a choice of quality"), "{lines:?}");
    }
}
