// SPDX-License-Identifier: MIT OR Apache-2.0
//! The lint over every parameter table, and the list of symbols that never change.

use std::collections::BTreeSet;

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::param::{Motion, ParamKind, ParamTable, Scale};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::{CATALOG, SlotParam};

fn tables() -> Vec<(String, ParamTable, bool)> {
    let units = CATALOG.iter().map(|k| (k.spec().symbol.to_string(), k.spec().own_params(), false));
    let splits = SplitKind::ALL.into_iter().map(|k| {
        let table = match k.fixed_branches() {
            Some(b) => k.table(&b),
            None => k.table(&["a", "b", "c"]),
        };
        (k.symbol().to_string(), table, true)
    });
    let monitor = ("monitor".to_string(), ParamTable::new(MonitorParam::SPECS), true);
    units.chain(splits).chain([monitor]).collect()
}

#[test]
fn every_line_of_every_table_is_sound() {
    let mut faults = Vec::new();
    for (unit, table, may_have_slot_params) in tables() {
        let mut seen = BTreeSet::new();
        for (_, s) in table.iter() {
            let mut fault = |what: &str| faults.push(format!("{unit}/{}: {what}", s.symbol));
            let legal = s.symbol.split('/').all(|p| {
                p.starts_with(|c: char| c.is_ascii_lowercase())
                    && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            });
            if !legal {
                fault("symbols are [a-z][a-z0-9_]*");
            }
            if !seen.insert(s.symbol.to_string()) {
                fault("stands twice");
            }
            if ["in", "out", "norm", "text"].contains(&&*s.symbol) {
                fault("reserved");
            }
            if !may_have_slot_params && ["bypass", "mix"].contains(&&*s.symbol) {
                fault("every slot has it already");
            }
            for suffix in ["_db", "_hz", "_ms", "_percent"] {
                if s.symbol.ends_with(suffix) {
                    fault("no unit suffix in a symbol");
                }
            }
            if s.min >= s.max || !s.min.is_finite() || !s.max.is_finite() {
                fault("range");
            }
            if s.check(s.default) != Ok(s.default) {
                fault("the default is not legal");
            }
            if s.scale == Scale::Log && s.min <= 0.0 {
                fault("a logarithmic range starts above zero");
            }
            if s.doc.is_empty() || !s.doc.ends_with('.') {
                fault("one sentence of documentation");
            }
            if s.name.is_empty() {
                fault("a name");
            }
            if s.change == Motion::Glide && matches!(s.kind, ParamKind::Integer | ParamKind::Choice(_)) {
                fault("whole numbers and choices cannot glide");
            }
            for v in [s.min, s.max, s.default] {
                let back = s.from_norm(s.to_norm(v));
                if (back - v).abs() > 1e-9 * v.abs().max(1.0) {
                    fault(&format!("norm of {v} comes back as {back}"));
                }
                if s.parse(&s.show(v)).is_ok_and(|p| (p - v).abs() > 1e-5 * v.abs().max(1.0)) {
                    fault(&format!("text of {v} is {}", s.show(v)));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_catalog_is_sound() {
    let mut seen = BTreeSet::new();
    for k in CATALOG {
        let s = k.spec();
        assert!(seen.insert(s.symbol), "{} stands twice", s.symbol);
        assert!(s.doc.ends_with('.') && s.sound >= 1, "{}", s.symbol);
        assert!(SplitKind::from_symbol(s.symbol).is_none(), "{} is a split", s.symbol);
        assert_eq!(k.table().len(), s.own_params().len() + SlotParam::SPECS.len());
    }
}

/// Symbols are a promise to every file, tablet and script: they are added, never renamed.
#[test]
fn no_symbol_was_renamed() {
    let now: Vec<String> = tables()
        .iter()
        .flat_map(|(u, t, _)| t.iter().map(|(_, s)| format!("{u}/{}", s.symbol)).collect::<Vec<_>>())
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/symbols.txt");
    if std::env::var_os("LATHE_UPDATE").is_some() {
        std::fs::write(path, now.join("\n") + "\n").unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap();
    let now_set: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let kept_set: BTreeSet<&str> = kept.lines().collect();
    let gone: Vec<_> = kept_set.difference(&now_set).collect();
    let new: Vec<_> = now_set.difference(&kept_set).collect();
    assert!(gone.is_empty(), "gone: {gone:?}");
    assert!(new.is_empty(), "new: {new:?}; run with LATHE_UPDATE=1 to add them to symbols.txt");
}
