// SPDX-License-Identifier: MIT OR Apache-2.0
//! Completions that know the rack: addresses, values, slots and snapshots of the daemon that runs, or
//! the controls of the file in `LATHE_RACK`. Whatever fails, a shell gets no candidates and no noise.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use lathe_core::param;

use super::remote;
use crate::client::v1::{GetRackRequest, Param, ParamKind, ParamSpec};
use crate::client::{Client, Server};

/// A shell waits at most this long for a daemon.
const PATIENCE: Duration = Duration::from_millis(300);

/// One control, as much as a completion needs.
struct Control {
    address: String,
    help: String,
    values: Vec<String>,
}

/// The value of an option in the words that the shell completes.
fn option(name: &str) -> Option<String> {
    let words: Vec<String> = std::env::args().skip_while(|w| w != "--").skip(1).collect();
    let with_equals = format!("{name}=");
    let at = words.iter().position(|w| w == name).and_then(|n| words.get(n + 1).cloned());
    at.or_else(|| words.iter().find_map(|w| w.strip_prefix(&with_equals).map(String::from)))
}

fn client() -> Option<Client> {
    let server: Server = match option("--server") {
        Some(text) => text.parse().ok()?,
        None => remote::usual().ok()?,
    };
    Client::connect_within(&server, PATIENCE).ok()
}

/// The controls of the daemon's rack, else of the file in `LATHE_RACK`.
fn controls() -> Vec<Control> {
    let Some(client) = client() else { return of_file().unwrap_or_default() };
    let Ok(answer) = client.call(client.rack().get_rack(GetRackRequest {})) else { return Vec::new() };
    let rack = answer.rack.unwrap_or_default();
    rack.slots.iter().flat_map(|s| &s.params).chain(&rack.params).filter_map(control).collect()
}

fn of_file() -> Option<Vec<Control>> {
    let path = std::env::var_os("LATHE_RACK")?;
    let plan = super::read_rack(Path::new(&path)).ok()?.ok()?.plan;
    let all = plan.params().into_iter().map(|(address, _, spec)| Control {
        address: address.to_string(),
        help: format!("{}: {}", spec.name, spec.allowed()),
        values: match spec.kind {
            param::ParamKind::Toggle => vec!["on".to_string(), "off".to_string()],
            _ => spec.choices().iter().map(|c| c.symbol.to_string()).collect(),
        },
    });
    Some(all.collect())
}

fn control(p: &Param) -> Option<Control> {
    let spec: &ParamSpec = p.spec.as_ref()?;
    let now = p.value.as_ref().map_or("", |v| v.text.as_str());
    let values = match spec.kind() {
        ParamKind::Toggle => vec!["on".to_string(), "off".to_string()],
        ParamKind::Choice => spec.choices.iter().map(|c| c.symbol.clone()).collect(),
        _ => vec![now.replace(' ', "")],
    };
    Some(Control { address: spec.address.clone(), help: format!("{}, now {now}", spec.name), values })
}

fn candidate(value: String, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help((!help.is_empty()).then(|| help.to_string().into()))
}

/// Addresses that begin with what is there.
pub fn addresses(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = controls().into_iter().filter(|c| c.address.starts_with(current.as_ref()));
    all.map(|c| candidate(c.address, &c.help)).collect()
}

/// Addresses up to the `=`, then the values of that control.
pub fn assignments(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = controls().into_iter();
    let Some((address, begun)) = current.split_once('=') else {
        let all = all.filter(|c| c.address.starts_with(current.as_ref()));
        return all.map(|c| candidate(format!("{}=", c.address), &c.help)).collect();
    };
    let values = all.filter(|c| c.address == address).flat_map(|c| c.values);
    values.filter(|v| v.starts_with(begun)).map(|v| candidate(format!("{address}={v}"), "")).collect()
}

/// Slots that can be bypassed, and `rack`.
pub fn slots(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = controls().into_iter();
    let slots = all.filter_map(|c| c.address.strip_suffix("/bypass").map(String::from));
    slots.filter(|s| s.starts_with(current.as_ref())).map(|s| candidate(s, "")).collect()
}

/// Names of prints, the newest first.
pub fn prints(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = client().and_then(|c| super::print::all(&c).ok()).map_or(Vec::new(), |(all, _)| all);
    let names = all.into_iter().rev().filter(|p| p.name.starts_with(current.as_ref()));
    names.map(|p| candidate(p.name, &p.reason)).collect()
}

/// Names of snapshots.
pub fn snapshots(current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let all = client().and_then(|c| super::snapshot::all(&c).ok()).map_or(Vec::new(), |(all, _)| all);
    let names = all.into_iter().map(|s| s.name).filter(|n| n.starts_with(current.as_ref()));
    names.map(|n| candidate(n, "")).collect()
}
