// SPDX-License-Identifier: MIT OR Apache-2.0
//! Racks to measure: every unit of the catalog and every split, neutral, working, and at random.

#![allow(dead_code, reason = "shared by two test binaries")]

use lathe_core::param::{Motion, ParamKind};
use lathe_core::rack::plan::{BranchPlan, RackPlan, SlotPlan};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::{AnyKind, CATALOG, Layout, find};

use crate::rig::Rng;

pub fn rack(layout: &str, slots: Vec<SlotPlan>) -> RackPlan {
    let mut plan = RackPlan::empty(Layout::named(layout).unwrap());
    plan.slots = slots;
    plan
}

/// A unit with settings under which it works on a full-scale signal.
pub fn working(kind: &'static dyn AnyKind) -> SlotPlan {
    let slot = SlotPlan::unit("u", kind);
    match kind.spec().symbol {
        "gain" => slot.with("trim", -3.0),
        "equalizer" => slot
            .with("band1/freq", 200.0)
            .with("band1/gain", 6.0)
            .with("band2/freq", 4000.0)
            .with("band2/gain", -4.0)
            .with("band2/q", 2.0),
        "compressor" => slot.with("threshold", -20.0).with("ratio", 4.0).with("knee", 6.0),
        "limiter" => slot.with("gain", 6.0).with("ceiling", -3.0),
        "stereo" => slot.with("width", 160.0).with("mono_slope", 1.0).with("mono_freq", 200.0),
        "dither" => slot.with("bits", 24.0),
        "clipper" => slot.with("gain", 6.0).with("ceiling", -3.0),
        "saturator" => slot.with("drive", 6.0),
        other => panic!("{other}: say here with which settings it works"),
    }
}

/// An equalizer of which bands move with the level.
pub fn moving_equalizer() -> SlotPlan {
    SlotPlan::unit("u", find("equalizer").unwrap())
        .with("band1/freq", 200.0)
        .with("band1/gain", 3.0)
        .with("band1/range", -9.0)
        .with("band2/shape", 2.0)
        .with("band2/freq", 6000.0)
        .with("band2/range", 4.0)
        .with("band2/detector", 1.0)
}

/// A stereo unit of which everything works.
pub fn turned_stereo() -> SlotPlan {
    SlotPlan::unit("u", find("stereo").unwrap())
        .with("rotation", 20.0)
        .with("balance", -30.0)
        .with("mid_side", 3.0)
        .with("width", 70.0)
        .with("constant_power", 1.0)
        .with("mono_slope", 3.0)
        .with("guard", 1.0)
        .with("guard_min", 0.3)
}

/// A limiter whose channels go apart, with the soft clip before it.
pub fn clipping_limiter() -> SlotPlan {
    working(find("limiter").unwrap()).with("style", 2.0).with("clip", 1.0).with("link", 60.0)
}

/// Saturators of the models that are not the default.
pub fn saturators() -> Vec<SlotPlan> {
    let saturator = || working(find("saturator").unwrap());
    (1..MODELS.len()).map(|m| saturator().with("model", m as f64)).collect()
}

const MODELS: [&str; 5] = ["", "tape ", "transformer ", "harmonics ", "soft "];

fn branches(ids: &[&str]) -> Vec<BranchPlan> {
    let gain = |id: &str| SlotPlan::unit(&format!("g_{id}"), find("gain").unwrap());
    ids.iter().map(|id| BranchPlan { id: id.to_string(), slots: vec![gain(id)] }).collect()
}

/// Every kind of split with a neutral gain in each branch.
pub fn splits() -> Vec<SlotPlan> {
    vec![
        SlotPlan::split("u", SplitKind::Parallel, branches(&["a"])),
        SlotPlan::split("u", SplitKind::MidSide, branches(&["mid", "side"])),
        SlotPlan::split("u", SplitKind::LeftRight, branches(&["left", "right"])),
        SlotPlan::split("u", SplitKind::Bands, branches(&["a", "b", "c", "d"])),
    ]
}

/// Every unit as it is built by default.
pub fn neutral_units() -> Vec<SlotPlan> {
    CATALOG.iter().map(|k| SlotPlan::unit("u", *k)).collect()
}

/// Every unit and split, working.
pub fn all_working() -> Vec<SlotPlan> {
    let more = [moving_equalizer(), turned_stereo(), clipping_limiter()];
    CATALOG.iter().map(|k| working(*k)).chain(more).chain(saturators()).chain(splits()).collect()
}

/// True for units that shape waves, which make more of some settings on the way than of those at its ends.
pub fn shapes(slot: &SlotPlan) -> bool {
    let name = name(slot);
    name.ends_with("saturator") || ["clipper", "clipping limiter"].contains(&name.as_str())
}

/// What to call a slot in a message.
pub fn name(slot: &SlotPlan) -> String {
    use lathe_core::rack::plan::Content;
    match &slot.content {
        Content::Unit { kind, .. } => {
            let has = |symbol| slot.table.find(symbol).is_some_and(|p| slot.values.get(p) != 0.0);
            let how = match () {
                () if has("band1/range") => "moving ",
                () if has("guard") => "turned ",
                () if kind.spec().symbol == "limiter" && has("clip") => "clipping ",
                () if kind.spec().symbol == "saturator" => {
                    MODELS[slot.values.get(slot.table.find("model").unwrap()) as usize]
                }
                () => "",
            };
            format!("{how}{}", kind.spec().symbol)
        }
        Content::Split { kind, .. } => kind.symbol().to_string(),
    }
}

/// A random legal value of a parameter.
pub fn random_value(spec: &lathe_core::param::ParamSpec, r: &mut Rng) -> f64 {
    match spec.kind {
        ParamKind::Float => spec.from_norm(r.unit()),
        _ => spec.min + r.below((spec.max - spec.min) as usize + 1) as f64,
    }
}

/// Sets every parameter but bypass and mix at random.
pub fn randomized(mut slot: SlotPlan, r: &mut Rng) -> SlotPlan {
    let table = slot.table.clone();
    for (i, spec) in table.iter().filter(|(_, s)| s.symbol != "bypass" && s.symbol != "mix") {
        slot.values.set(i, random_value(spec, r));
    }
    slot
}

/// Symbols of the parameters that change in this way.
pub fn symbols(slot: &SlotPlan, change: Motion) -> Vec<String> {
    slot.table.iter().filter(|(_, s)| s.change == change).map(|(_, s)| s.symbol.to_string()).collect()
}
