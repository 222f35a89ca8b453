// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as resolved → TOML that loads back to the same plan.
//!
//! Only what differs from the defaults is written, in the order of the signal and of the tables.

use std::fmt::Write as _;

use super::check::PORT_LAYOUT;
use super::plan::{Content, RackPlan, SlotPlan, Source};
use crate::param::{ParamKind, ParamSpec};
use crate::units::Layout;

/// Longest line of `params` before each parameter gets a line of its own.
const WIDTH: usize = 100;

/// Writes the whole rack file.
pub fn export(plan: &RackPlan) -> String {
    let mut out = String::from("format = 1\n\n[rack]\n");
    if !plan.name.is_empty() {
        line(&mut out, 0, "name", &quoted(&plan.name));
    }
    line(&mut out, 0, "layout", &channels(&plan.layout));
    if let Some(ms) = plan.latency_ms {
        line(&mut out, 0, "latency_ms", &format!("{ms}"));
    }
    if plan.layout != Layout::new(&plan.layout.roles) {
        line(&mut out, 0, "link", &links(&plan.layout));
    }
    for port in &plan.sidechains {
        out.push_str("\n[[rack.sidechain]]\n");
        line(&mut out, 0, "name", &quoted(&port.name));
        if port.layout.name() != PORT_LAYOUT {
            line(&mut out, 0, "layout", &channels(&port.layout));
        }
    }
    for s in &plan.slots {
        out.push('\n');
        slot(&mut out, s, "slot", 0);
    }
    out
}

fn slot(out: &mut String, s: &SlotPlan, path: &str, depth: usize) {
    indent(out, depth);
    _ = writeln!(out, "[[{path}]]");
    line(out, depth, "id", &quoted(&s.id));
    match &s.content {
        Content::Unit { kind, sidechain } => {
            line(out, depth, "unit", &quoted(kind.spec().symbol));
            match sidechain {
                Source::Own => {}
                Source::MainIn => line(out, depth, "sidechain", "\"main_in\""),
                Source::Slot(id) | Source::Port(id) => line(out, depth, "sidechain", &quoted(id)),
            }
            params(out, s, depth);
        }
        Content::Split { kind, branches } => {
            line(out, depth, "split", &quoted(kind.symbol()));
            params(out, s, depth);
            for b in branches {
                indent(out, depth + 1);
                _ = writeln!(out, "[[{path}.branch]]");
                line(out, depth + 1, "id", &quoted(&b.id));
                b.slots.iter().for_each(|s| slot(out, s, &format!("{path}.branch.slot"), depth + 2));
            }
        }
    }
}

/// A parameter as written, or a group of them.
enum Item {
    Value(String),
    Group(Vec<(String, Item)>),
}

fn params(out: &mut String, s: &SlotPlan, depth: usize) {
    let mut root = Vec::new();
    for (index, spec) in s.table.iter() {
        let v = s.values.get(index);
        if v.to_bits() != spec.default.to_bits() {
            insert(&mut root, &spec.symbol, value(spec, v));
        }
    }
    if root.is_empty() {
        return;
    }
    let inline = table(&root);
    if inline.len() + 2 * depth + "params = ".len() <= WIDTH {
        line(out, depth, "params", &inline);
    } else {
        root.iter().for_each(|(key, item)| line(out, depth, &format!("params.{key}"), &text(item)));
    }
}

fn insert(into: &mut Vec<(String, Item)>, symbol: &str, value: String) {
    let Some((group, rest)) = symbol.split_once('/') else {
        into.push((symbol.to_string(), Item::Value(value)));
        return;
    };
    let at = into.iter().position(|(k, _)| k == group).unwrap_or_else(|| {
        into.push((group.to_string(), Item::Group(Vec::new())));
        into.len() - 1
    });
    if let Item::Group(inner) = &mut into[at].1 {
        insert(inner, rest, value);
    }
}

fn text(item: &Item) -> String {
    match item {
        Item::Value(v) => v.clone(),
        Item::Group(items) => table(items),
    }
}

fn table(items: &[(String, Item)]) -> String {
    let items: Vec<String> = items.iter().map(|(k, item)| format!("{k} = {}", text(item))).collect();
    format!("{{ {} }}", items.join(", "))
}

/// A value as a rack file has it: the shortest number that reads back as the same.
fn value(spec: &ParamSpec, v: f64) -> String {
    match spec.kind {
        ParamKind::Toggle => (v >= 0.5).to_string(),
        ParamKind::Choice(_) => quoted(&spec.show(v)),
        ParamKind::Integer | ParamKind::Float => format!("{v}"),
    }
}

fn channels(layout: &Layout) -> String {
    match Layout::named(&layout.name()) {
        Some(_) => quoted(&layout.name()),
        None => strings(layout.names()),
    }
}

/// The link groups with more than one channel; a channel in none is linked to nothing.
fn links(layout: &Layout) -> String {
    let names = |group: &Vec<usize>| strings(group.iter().map(|&c| layout.roles[c].name()));
    let groups: Vec<String> = layout.linked().iter().filter(|g| g.len() > 1).map(names).collect();
    format!("[{}]", groups.join(", "))
}

fn strings<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", super::diagnostic::list(names))
}

fn line(out: &mut String, depth: usize, key: &str, value: &str) {
    indent(out, depth);
    _ = writeln!(out, "{key} = {value}");
}

fn indent(out: &mut String, depth: usize) {
    (0..depth).for_each(|_| out.push_str("  "));
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::super::tests::{TREE, load_probe};
    use super::*;

    fn round_trip(text: &str) -> String {
        let plan = load_probe(text).expect("loads").plan;
        let written = export(&plan);
        let again = load_probe(&written).unwrap_or_else(|e| panic!("{}\n{written}", e.render(false))).plan;
        assert_eq!(plan, again, "{written}");
        assert_eq!(written, export(&again));
        written
    }

    #[test]
    fn what_is_written_loads_back_to_the_same_plan() {
        round_trip(TREE);
        let rack = "format = 1\n[rack]\nname = \"Say \\\"hi\\\" \\\\ λ\"\nlayout = [\"L\", \"R\", \"Ls\", \"Rs\", \"C\"]\n\
            latency_ms = 12.5\nlink = [[\"L\", \"Rs\"], [\"C\", \"R\"]]\n\
            [[rack.sidechain]]\nname = \"kick\"\n[[rack.sidechain]]\nname = \"key\"\nlayout = \"stereo\"\n\
            [[slot]]\nid = \"p\"\nunit = \"probe\"\nsidechain = \"key\"\n\
            params = { mode = \"rms\", depth = 0.1, count = 3, on = true, bypass = true, mix = 33.3, band2 = { freq = 80 }, \
            band1 = { freq = 123.456789012345, gain = -0.25 } }\n\
            [[slot]]\nid = \"q\"\nunit = \"probe\"\nsidechain = \"p\"\n[[slot]]\nid = \"r\"\nunit = \"probe\"\nsidechain = \"main_in\"\n";
        let written = round_trip(rack);
        assert!(written.contains("link = [[\"L\", \"Rs\"], [\"R\", \"C\"]]"), "{written}");
        assert!(written.contains("params.band1 = { freq = 123.456789012345, gain = -0.25 }"), "{written}");
        assert!(written.lines().all(|l| l.len() <= WIDTH), "{written}");
    }

    #[test]
    fn defaults_are_not_written() {
        let written = round_trip(
            "format=1\n[rack]\nlayout='stereo'\n[[slot]]\nid='vol'\nunit='gain'\nparams={trim=0}\n",
        );
        assert_eq!(
            written,
            "format = 1\n\n[rack]\nlayout = \"stereo\"\n\n[[slot]]\nid = \"vol\"\nunit = \"gain\"\n"
        );
    }
}
