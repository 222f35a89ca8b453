// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings with which each unit is measured: as it is built, at work, and with each of its choices of quality,
//! model, style and the like.

use lathe_core::param::{ParamKind, ParamTable};
use lathe_core::rack::plan::SlotPlan;
use lathe_core::units::AnyKind;

/// A unit at work, where it takes more than its drive: symbols and values.
const WORKING: &[(&str, &[(&str, f64)])] = &[
    ("gain", &[("trim", -3.0)]),
    (
        "equalizer",
        &[
            ("band1/freq", 200.0),
            ("band1/gain", 6.0),
            ("band2/freq", 4000.0),
            ("band2/gain", -4.0),
            ("band2/q", 2.0),
        ],
    ),
    ("compressor", &[("threshold", -20.0)]),
    ("saturator", &[("drive", 12.0)]),
    ("clipper", &[("gain", 12.0)]),
    ("stereo", &[("width", 150.0), ("rotation", 15.0)]),
    ("dither", &[("bits", 16.0)]),
];

/// What drives a unit that is not in [`WORKING`], and how far: the first of these that it has.
const DRIVE: [&str; 2] = ["drive", "gain"];
const DRIVE_DB: f64 = 6.0;

/// Choices of which each is measured.
const VARIED: [&str; 6] = ["quality", "model", "style", "phase", "detector", "shape"];

/// One unit with some settings.
#[derive(Clone, Debug)]
pub struct Case {
    pub slot: SlotPlan,
    /// Stable id of the unit, its name, and the revision of its sound.
    pub symbol: &'static str,
    pub name: &'static str,
    pub sound: u32,
    /// The settings that are not as built, in words.
    pub label: String,
    pub as_built: bool,
}

/// The cases of a unit.
pub fn of(kind: &'static dyn AnyKind) -> Vec<Case> {
    let table = kind.table();
    let working = working(kind.spec().symbol, &table);
    let mut cases = vec![case(kind, &[])];
    if !working.is_empty() {
        cases.push(case(kind, &working));
    }
    for symbol in VARIED {
        let Some(spec) = table.find(symbol).map(|p| &table[p]) else { continue };
        if matches!(spec.kind, ParamKind::Choice(_)) {
            let others = (0..spec.choices().len()).map(|n| n as f64).filter(|n| *n != spec.default);
            cases.extend(others.map(|n| {
                let mut settings = working.clone();
                settings.push((symbol, n));
                case(kind, &settings)
            }));
        }
    }
    cases
}

fn working(unit: &str, table: &ParamTable) -> Vec<(&'static str, f64)> {
    match WORKING.iter().find(|(symbol, _)| *symbol == unit) {
        Some((_, settings)) => settings.to_vec(),
        None => DRIVE.iter().find(|d| table.find(d).is_some()).map(|d| (*d, DRIVE_DB)).into_iter().collect(),
    }
}

/// A setting that the unit does not have, or that is out of its range, is left as built.
fn case(kind: &'static dyn AnyKind, settings: &[(&str, f64)]) -> Case {
    let spec = kind.spec();
    let mut slot = SlotPlan::unit("unit", kind);
    let mut words = Vec::new();
    for (symbol, value) in settings {
        let Some(p) = slot.table.find(symbol) else { continue };
        let Ok(value) = slot.table[p].check(*value) else { continue };
        slot.values.set(p, value);
        words.push(format!("{symbol} {}", slot.table[p].show(value)));
    }
    let as_built = words.is_empty();
    let label = if as_built { "as built".to_string() } else { words.join(", ") };
    Case { slot, symbol: spec.symbol, name: spec.name, sound: spec.sound, label, as_built }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lathe_core::units::{CATALOG, find};

    #[test]
    fn what_is_set_exists() {
        for (unit, settings) in WORKING {
            let Some(kind) = find(unit) else { continue };
            let table = kind.table();
            for (symbol, value) in *settings {
                let p = table.find(symbol).unwrap_or_else(|| panic!("{unit} has no {symbol}"));
                assert_eq!(table[p].check(*value).as_ref(), Ok(value), "{unit}/{symbol}");
            }
        }
    }

    #[test]
    fn every_unit_is_measured_as_built_and_no_case_twice() {
        for kind in CATALOG {
            let labels: Vec<String> = of(*kind).into_iter().map(|c| c.label).collect();
            let mut unique = labels.clone();
            unique.sort();
            unique.dedup();
            assert!(labels[0] == "as built" && unique.len() == labels.len(), "{labels:?}");
        }
        let phases = of(find("equalizer").unwrap()).iter().filter(|c| c.label.contains("phase")).count();
        assert_eq!(phases, 2, "linear and mixed");
    }
}
