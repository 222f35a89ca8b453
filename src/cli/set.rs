// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe set` and `lathe bypass`: values of the running rack, several at once as one change.

use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::complete;
use super::remote::{Remote, change_json, unheard, value_json};
use super::show::fetch;
use crate::client::Client;
use crate::client::v1::{SetValuesItem, SetValuesRequest, set_values_item};
use crate::exit::{Exit, Failure};

/// Set values of the running rack; several at once are one atomic change
///
/// A value is written as `lathe get` shows it: with or without its unit, on or off, or a choice by its
/// name. Either all are made or none. A pattern sets every control it matches.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe set eq/band1/gain=-1.5dB 'eq/band1/freq=1.25 kHz'\n  lathe set limiter/ceiling=-1 --ramp 500\n  lathe set '*/bypass=on' --dry-run\n  lathe get 'eq/**' > eq.txt; lathe set --from eq.txt"
)]
pub struct SetArgs {
    #[command(flatten)]
    remote: Remote,
    /// Milliseconds to get there (0 to 600000); only for controls that glide
    #[arg(long, value_name = "MS", value_parser = ramp, allow_negative_numbers = true)]
    ramp: Option<f64>,
    /// Check only, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also the assignments of this file, one a line; - is stdin
    #[arg(long, value_name = "FILE")]
    from: Option<std::path::PathBuf>,
    /// What to set, and to what
    #[arg(value_name = "ADDRESS=VALUE", required_unless_present = "from", value_parser = assignment, add = ArgValueCompleter::new(complete::assignments))]
    assignments: Vec<Assignment>,
}

/// Bypass a slot or the whole rack, click-free; without on or off it is toggled
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe bypass eq\n  lathe bypass limiter off\n  lathe bypass rack on\n  lathe bypass rack --json | jq .bypass"
)]
pub struct BypassArgs {
    #[command(flatten)]
    remote: Remote,
    /// A slot, or rack for the whole
    #[arg(value_name = "SLOT", add = ArgValueCompleter::new(complete::slots))]
    slot: String,
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    state: Option<String>,
}

/// One address and what it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub address: String,
    pub value: String,
}

/// Reads `ADDRESS=VALUE`; blanks around both are taken off, and a leading `/` of the address.
///
/// # Errors
/// What is missing, and how it is written.
pub fn assignment(text: &str) -> Result<Assignment, String> {
    let Some((address, value)) = text.split_once('=') else {
        return Err(format!("write ADDRESS=VALUE without blanks around the =, as in {}=-1.5", text.trim()));
    };
    let (address, value) = (address.trim().trim_start_matches('/'), value.trim());
    if address.is_empty() {
        return Err("the address before = is missing".to_string());
    }
    if value.is_empty() {
        return Err(format!("{address} gets no value: write it after the ="));
    }
    Ok(Assignment { address: address.to_string(), value: value.to_string() })
}

fn ramp(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number of milliseconds"))?;
    if (0.0..=600_000.0).contains(&v) { Ok(v) } else { Err(format!("{v} ms is not allowed: 0 to 600000")) }
}

pub fn run(args: &SetArgs) -> Result<(), Failure> {
    let mut wanted = args.assignments.clone();
    if let Some(file) = &args.from {
        wanted.extend(read(file)?);
    }
    if wanted.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing to set"));
    }
    let client = args.remote.connect()?;
    let wanted = expanded(&client, wanted)?;
    let items: Vec<SetValuesItem> = wanted
        .into_iter()
        .map(|a| SetValuesItem {
            address: a.address,
            value: Some(set_values_item::Value::Text(a.value)),
            ramp_ms: args.ramp,
        })
        .collect();
    set(&client, &args.remote, items, args.dry_run)
}

/// The assignments of a file; empty lines and those that begin with # are passed over.
fn read(file: &std::path::Path) -> Result<Vec<Assignment>, Failure> {
    let text = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(file),
    };
    let name = file.display();
    let text = text.map_err(|e| Failure::new(Exit::Io, format!("cannot read {name}: {e}")))?;
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.trim().starts_with('#'));
    lines
        .map(|(n, l)| assignment(l).map_err(|e| Failure::new(Exit::Usage, format!("{name}:{}: {e}", n + 1))))
        .collect()
}

/// Every pattern as the addresses it matches now.
fn expanded(client: &Client, wanted: Vec<Assignment>) -> Result<Vec<Assignment>, Failure> {
    let mut all = Vec::with_capacity(wanted.len());
    for a in wanted {
        if !a.address.contains(['*', '?', '[', '{']) {
            all.push(a);
            continue;
        }
        let (_, values) = fetch(client, vec![a.address.clone()])?;
        if values.is_empty() {
            return Err(Failure::new(Exit::Usage, format!("no control matches {}", a.address)));
        }
        all.extend(values.into_iter().map(|v| Assignment { address: v.address, value: a.value.clone() }));
    }
    Ok(all)
}

/// Makes one change and shows what was accepted.
fn set(client: &Client, remote: &Remote, items: Vec<SetValuesItem>, dry_run: bool) -> Result<(), Failure> {
    let names: Vec<String> = items.iter().map(|i| i.address.clone()).collect();
    let request = SetValuesRequest { items, validate_only: dry_run, ..SetValuesRequest::default() };
    let done = client.call_about(&names, client.rack().set_values(request))?;
    let values: Vec<Value> = done.values.iter().map(value_json).collect();
    remote.say(
        || change_json(done.revision, done.audible, json!({ "dry_run": dry_run, "values": values })),
        || done.values.iter().map(|v| format!("{}={}", v.address, v.text)).collect::<Vec<_>>().join("\n"),
    );
    if dry_run {
        eprintln!("lathe: this would be accepted; nothing was changed");
    } else {
        unheard(done.audible);
    }
    Ok(())
}

pub fn bypass(args: &BypassArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let slot = args.slot.trim_matches('/');
    let address = format!("{}/bypass", slot.strip_suffix("/bypass").unwrap_or(slot));
    let on = match args.state.as_deref() {
        Some(state) => state == "on",
        None => {
            let (_, values) = fetch(&client, vec![address.clone()])?;
            values.first().is_none_or(|v| v.real < 0.5)
        }
    };
    let real = Some(set_values_item::Value::Real(if on { 1.0 } else { 0.0 }));
    let item = SetValuesItem { address: address.clone(), value: real, ramp_ms: None };
    let request = SetValuesRequest { items: vec![item], ..SetValuesRequest::default() };
    let done = client.call_about(std::slice::from_ref(&address), client.rack().set_values(request))?;
    args.remote.say(
        || change_json(done.revision, done.audible, json!({ "address": address, "bypass": on })),
        || format!("{address}={}", if on { "on" } else { "off" }),
    );
    unheard(done.audible);
    Ok(())
}
