// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe check --live`: what the running rack would become if it were loaded from a file.

use std::collections::BTreeMap;

use lathe_core::rack::plan::{Content, RackPlan, Source};
use serde_json::{Value, json};

use super::export;
use super::remote::At;
use crate::client::v1::{Diagnostic, LoadRackRequest, LoadRackResponse, Severity};
use crate::exit::{Exit, Failure};

/// What differs between the rack that runs and a file.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    /// Slots, layout, name and order, one sentence each.
    pub structure: Vec<String>,
    /// Address, value now, value then.
    pub values: Vec<(String, String, String)>,
}

/// Asks the daemon to check a rack's text, and compares; true if it could be loaded.
pub fn check(at: &At, name: &str, text: &str, json: bool) -> Result<bool, Failure> {
    let client = at.connect()?;
    let request =
        LoadRackRequest { toml: text.to_string(), validate_only: true, file_name: name.to_string() };
    let answer = client.call(client.rack().load_rack(request))?;
    let running = export::loaded(&export::running(&client)?, &format!("rack of {}", client.server()))?;
    let changes = match lathe_core::rack::load(text, name) {
        Ok(loaded) => Some(changes(&running, &loaded.plan)),
        Err(_) => None,
    };
    if answer.valid && changes.is_none() {
        return Err(Failure::new(Exit::Config, format!("{name}: the daemon reads what this lathe cannot")));
    }
    let changes = changes.unwrap_or_default();
    if json {
        super::print_json(&to_json(name, &answer, &changes));
    } else {
        for d in &answer.diagnostics {
            let word = if d.severity() == Severity::Warning { "warning" } else { "error" };
            let label = if d.label.is_empty() { String::new() } else { format!(": {}", d.label) };
            eprintln!("{name}:{}:{}: {word}: {}{label}", d.line, d.column, d.message);
        }
        print!("{}", text_of(name, &answer, &changes));
    }
    Ok(answer.valid)
}

fn to_json(name: &str, answer: &LoadRackResponse, changes: &Changes) -> Value {
    let diagnostic = |d: &Diagnostic| {
        let severity = if d.severity() == Severity::Warning { "warning" } else { "error" };
        json!({ "severity": severity, "message": d.message, "line": d.line, "column": d.column,
                "label": d.label, "help": d.help })
    };
    let values = changes.values.iter();
    let values = values.map(|(a, now, then)| json!({ "address": a, "now": now, "then": then }));
    json!({
        "file": name, "ok": answer.valid, "revision": answer.revision, "ports_changed": answer.ports_changed,
        "structure": changes.structure, "values": values.collect::<Vec<_>>(),
        "diagnostics": answer.diagnostics.iter().map(diagnostic).collect::<Vec<_>>(),
    })
}

fn text_of(name: &str, answer: &LoadRackResponse, changes: &Changes) -> String {
    if !answer.valid {
        return String::new();
    }
    let total = changes.structure.len() + changes.values.len();
    let s = if total == 1 { "" } else { "s" };
    let mut out = match total {
        0 => format!("{name}: ok, and it is what runs\n"),
        n => format!("{name}: ok, a reload would make {n} change{s}\n"),
    };
    changes.structure.iter().for_each(|c| out += &format!("  {c}\n"));
    changes.values.iter().for_each(|(a, now, then)| out += &format!("  {a}: {now} -> {then}\n"));
    if answer.ports_changed {
        out += "  other ports: they are registered anew, which interrupts the sound\n";
    }
    out
}

/// What would come, go, move and change its value.
pub fn changes(now: &RackPlan, then: &RackPlan) -> Changes {
    let mut structure = Vec::new();
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            structure.push(format!("{what}: {a} -> {b}"));
        }
    };
    differ("name", format!("\"{}\"", now.name), format!("\"{}\"", then.name));
    differ("layout", now.layout.name(), then.layout.name());
    differ("latency_ms", constant(now), constant(then));
    differ("sidechain ports", ports(now), ports(then));
    let (old, new) = (slots(now), slots(then));
    structure.extend(
        old.iter().filter(|o| !new.iter().any(|n| n.0 == o.0)).map(|o| format!("- {} ({})", o.0, o.1)),
    );
    for (id, content) in &new {
        match old.iter().find(|o| o.0 == *id) {
            None => structure.push(format!("+ {id} ({content})")),
            Some((_, before)) if before != content => structure.push(format!("{id}: {before} -> {content}")),
            Some(_) => {}
        }
    }
    let order = |a: &[(String, String)], b: &[(String, String)]| -> Vec<String> {
        a.iter().filter(|s| b.iter().any(|o| o.0 == s.0)).map(|s| s.0.clone()).collect()
    };
    let (before, after) = (order(&old, &new), order(&new, &old));
    if before != after {
        structure.push(format!("order: {} -> {}", before.join(" "), after.join(" ")));
    }
    Changes { structure, values: values(now, then) }
}

fn constant(plan: &RackPlan) -> String {
    plan.latency_ms.map_or_else(|| "none".to_string(), |ms| ms.to_string())
}

fn ports(plan: &RackPlan) -> String {
    let ports = plan.sidechains.iter().map(|p| format!("{} ({})", p.name, p.layout.name()));
    let all = ports.collect::<Vec<_>>().join(", ");
    if all.is_empty() { "none".to_string() } else { all }
}

/// Every slot in the order of the signal, with what sits there.
fn slots(plan: &RackPlan) -> Vec<(String, String)> {
    let content = |c: &Content| match c {
        Content::Unit { kind, sidechain } => {
            let ears = match sidechain {
                Source::Own => String::new(),
                Source::MainIn => ", listens to main_in".to_string(),
                Source::Slot(id) | Source::Port(id) => format!(", listens to {id}"),
            };
            format!("{}{ears}", kind.spec().symbol)
        }
        Content::Split { kind, branches } => {
            let inside = branches.iter().map(|b| {
                let ids: Vec<&str> = b.slots.iter().map(|s| s.id.as_str()).collect();
                format!("{}[{}]", b.id, ids.join(" "))
            });
            format!("{} {}", kind.symbol(), inside.collect::<Vec<_>>().join(" "))
        }
    };
    plan.walk().into_iter().map(|s| (s.id.clone(), content(&s.content))).collect()
}

/// Values of the controls that both have, where they differ.
fn values(now: &RackPlan, then: &RackPlan) -> Vec<(String, String, String)> {
    let shown = |plan: &RackPlan| -> Vec<(String, String)> {
        let slots = plan.walk().into_iter();
        let params = slots.flat_map(|s| {
            s.table
                .iter()
                .map(move |(at, spec)| (format!("{}/{}", s.id, spec.symbol), spec.show(s.values.get(at))))
        });
        params.collect()
    };
    let then: BTreeMap<String, String> = shown(then).into_iter().collect();
    let pairs = shown(now).into_iter();
    pairs.filter_map(|(a, v)| then.get(&a).filter(|t| **t != v).map(|t| (a, v, t.clone()))).collect()
}
