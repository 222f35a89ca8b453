// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe list` and `lathe get`: what the running rack is made of, and how its controls stand.

use std::collections::BTreeSet;

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::complete;
use super::remote::{Remote, number, safe, value_json};
use crate::client::Client;
use crate::client::v1::{
    GetRackRequest, GetValuesRequest, Param, ParamKind, ParamSpec, ParamValue, Rack, Slot, slot,
};
use crate::exit::Failure;

/// List the running rack's slots and controls, with value, range and meaning
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe list\n  lathe list eq\n  lathe list '*/bypass'\n  lathe list --slots\n  lathe list --json | jq -r '.slots[].params[].address'"
)]
pub struct ListArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only the slots, without their controls
    #[arg(long)]
    slots: bool,
    /// A slot, an address or a pattern: * stays within one level, ** descends
    #[arg(value_name = "PATTERN", add = ArgValueCompleter::new(complete::addresses))]
    pattern: Option<String>,
}

/// Show values of the running rack, in the form that `lathe set` takes
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe get eq/band1/gain\n  lathe get 'eq/**' '*/bypass'\n  lathe get -n limiter/ceiling\n  lathe get --json | jq '.values[] | select(.norm == 1)'"
)]
pub struct GetArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only the values, without their addresses
    #[arg(long, short = 'n')]
    no_address: bool,
    /// Addresses or patterns: * stays within one level, ** descends; none: everything
    #[arg(value_name = "PATTERN", add = ArgValueCompleter::new(complete::addresses))]
    patterns: Vec<String>,
}

pub fn get(args: &GetArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let (revision, values) = fetch(&client, args.patterns.clone())?;
    if values.is_empty() {
        eprintln!("lathe: no control matches {}", args.patterns.join(" "));
    }
    args.remote.say(
        || json!({ "revision": revision, "values": values.iter().map(value_json).collect::<Vec<_>>() }),
        || {
            let line = |v: &ParamValue| match args.no_address {
                true => v.text.clone(),
                false => format!("{}={}", v.address, v.text),
            };
            values.iter().map(line).collect::<Vec<_>>().join("\n")
        },
    );
    Ok(())
}

/// Values by addresses and patterns, at one revision.
pub fn fetch(client: &Client, addresses: Vec<String>) -> Result<(u64, Vec<ParamValue>), Failure> {
    let names = addresses.clone();
    let got = client.call_about(&names, client.rack().get_values(GetValuesRequest { addresses }))?;
    Ok((got.revision, got.values))
}

pub fn list(args: &ListArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let mut rack = client.call(client.rack().get_rack(GetRackRequest {}))?.rack.unwrap_or_default();
    if let Some(pattern) = &args.pattern {
        // The daemon matches, so that a pattern means the same everywhere.
        let slot = pattern.trim_matches('/');
        let first = |p: &Param| address(p).split('/').next() == Some(slot);
        let is_slot = rack.slots.iter().any(|s| s.id == slot) || rack.params.iter().any(first);
        let pattern = if is_slot { format!("{slot}/**") } else { pattern.clone() };
        let (_, values) = fetch(&client, vec![pattern])?;
        let wanted: BTreeSet<&str> = values.iter().map(|v| v.address.as_str()).collect();
        rack.slots.iter_mut().for_each(|s| s.params.retain(|p| wanted.contains(address(p))));
        rack.slots.retain(|s| !s.params.is_empty());
        rack.params.retain(|p| wanted.contains(address(p)));
        if values.is_empty() {
            eprintln!("lathe: no control matches {}", args.pattern.as_deref().unwrap_or_default());
        }
    }
    if args.slots {
        rack.slots.iter_mut().for_each(|s| s.params.clear());
        rack.params.clear();
    }
    args.remote.say(|| rack_json(&rack), || rack_text(&rack));
    Ok(())
}

fn address(p: &Param) -> &str {
    p.spec.as_ref().map_or("", |s| &s.address)
}

fn rack_json(r: &Rack) -> Value {
    let params = |all: &[Param]| Value::Array(all.iter().map(param_json).collect());
    let slot = |s: &Slot| {
        let (kind, symbol) = content(s);
        json!({
            "id": s.id, "kind": kind, "symbol": symbol, "parent": s.parent, "branch": s.branch,
            "branches": s.branches, "sidechain": s.sidechain, "latency_frames": s.latency_frames,
            "notes": s.notes, "params": params(&s.params),
        })
    };
    json!({
        "name": r.name, "layout": r.layout, "channels": r.channels, "revision": r.revision, "panic": r.panic,
        "sample_rate": r.sample_rate, "latency_frames": r.latency_frames, "latency_ms": r.latency_ms,
        "sidechains": r.sidechains.iter().map(|s| json!({ "name": s.name, "channels": s.channels })).collect::<Vec<_>>(),
        "slots": r.slots.iter().map(slot).collect::<Vec<_>>(), "params": params(&r.params),
    })
}

fn param_json(p: &Param) -> Value {
    let (s, v) = (p.spec.clone().unwrap_or_default(), p.value.clone().unwrap_or_default());
    let kind = match s.kind() {
        ParamKind::Integer => "integer",
        ParamKind::Toggle => "toggle",
        ParamKind::Choice => "choice",
        _ => "float",
    };
    json!({
        "address": s.address, "name": s.name, "unit": s.unit, "kind": kind, "min": number(s.min),
        "max": number(s.max), "default": number(s.default), "step": number(s.step), "doc": s.doc,
        "choices": s.choices.iter().map(|c| &c.symbol).collect::<Vec<_>>(),
        "real": number(v.real), "norm": number(v.norm), "text": v.text,
    })
}

/// What sits in a slot: `unit` or `split`, and its symbol.
fn content(s: &Slot) -> (&'static str, &str) {
    match &s.content {
        Some(slot::Content::Unit(u)) => ("unit", u),
        Some(slot::Content::Split(u)) => ("split", u),
        None => ("unit", ""),
    }
}

/// Slots as a tree with their controls below them.
pub fn rack_text(r: &Rack) -> String {
    let name = if r.name.is_empty() { "(no name)".to_string() } else { safe(&r.name) };
    let mut out = format!("{name}: {}, revision {}\n", r.layout, r.revision);
    let width = r.slots.iter().flat_map(|s| &s.params).chain(&r.params).map(|p| address(p).len());
    let width = width.max().unwrap_or(0);
    for s in &r.slots {
        let (kind, symbol) = content(s);
        let place =
            if s.parent.is_empty() { String::new() } else { format!(", in {}/{}", s.parent, s.branch) };
        let late =
            if s.latency_frames > 0 { format!(", {} frames late", s.latency_frames) } else { String::new() };
        let split = if kind == "split" { "split " } else { "" };
        let ears = if s.sidechain.is_empty() || s.sidechain == "self" {
            String::new()
        } else {
            format!(", listens to {}", s.sidechain)
        };
        out += &format!("\n{} ({split}{symbol}{place}{ears}{late})\n", s.id);
        s.notes.iter().for_each(|n| out += &format!("  note: {n}\n"));
        s.params.iter().for_each(|p| out += &param_text(p, width));
    }
    if !r.params.is_empty() {
        out.push('\n');
        r.params.iter().for_each(|p| out += &param_text(p, width));
    }
    out
}

fn param_text(p: &Param, width: usize) -> String {
    let (s, v) = (p.spec.clone().unwrap_or_default(), p.value.clone().unwrap_or_default());
    format!("  {:<width$}  {:<12} {}\n", s.address, v.text, allowed(&s))
}

/// The allowed values, in few words.
fn allowed(s: &ParamSpec) -> String {
    match s.kind() {
        ParamKind::Toggle => "on, off".to_string(),
        ParamKind::Choice => s.choices.iter().map(|c| c.symbol.as_str()).collect::<Vec<_>>().join(", "),
        _ => format!("{} to {} {}", s.min, s.max, s.unit).trim_end().to_string(),
    }
}
