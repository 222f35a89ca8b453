// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ours to theirs and back: pure, no sockets.

use lathe_core::param::{Motion, ParamKind, ParamSpec, Scale};
use lathe_core::rack::diagnostic::{Diagnostic, Severity};
use lathe_core::rack::plan::{Content, SlotPlan, Source};

use super::v1;
use crate::control::address::Control as Line;
use crate::control::{AudioState, Control, Input, Item};
use crate::store::{Snapshot, Summary};

/// A declaration under its address.
pub fn spec(address: &str, s: &ParamSpec) -> v1::ParamSpec {
    let kind = match s.kind {
        ParamKind::Float => v1::ParamKind::Float,
        ParamKind::Integer => v1::ParamKind::Integer,
        ParamKind::Toggle => v1::ParamKind::Toggle,
        ParamKind::Choice(_) => v1::ParamKind::Choice,
    };
    let scale = match s.scale {
        Scale::Linear => v1::ParamScale::Linear,
        Scale::Log => v1::ParamScale::Log,
        Scale::Decibel => v1::ParamScale::Decibel,
    };
    let change = match s.change {
        Motion::Glide => v1::ParamChange::Glide,
        Motion::Designed => v1::ParamChange::Designed,
        Motion::Structural => v1::ParamChange::Structural,
    };
    let choice = |c: &lathe_core::param::Choice| v1::Choice { symbol: c.symbol.into(), doc: c.doc.into() };
    v1::ParamSpec {
        address: address.to_string(),
        name: s.name.to_string(),
        unit: s.unit.sign().to_string(),
        kind: kind.into(),
        min: s.min,
        max: s.max,
        default: s.default,
        scale: scale.into(),
        step: s.step,
        change: change.into(),
        doc: s.doc.to_string(),
        choices: s.choices().iter().map(choice).collect(),
    }
}

/// One value in its three forms.
pub fn value(address: &str, spec: &ParamSpec, real: f64) -> v1::ParamValue {
    v1::ParamValue { address: address.to_string(), real, norm: spec.to_norm(real), text: spec.show(real) }
}

fn param(address: &str, s: &ParamSpec, real: f64) -> v1::Param {
    v1::Param { spec: Some(spec(address, s)), value: Some(value(address, s, real)) }
}

pub fn line(line: &Line) -> v1::ParamValue {
    value(&line.address, &line.spec, line.value)
}

/// The whole rack as accepted; latencies and notes are those of the chain that runs.
pub fn rack(control: &Control) -> v1::Rack {
    let plan = control.plan();
    let mut slots = Vec::new();
    walk(control, &plan.slots, ("", ""), &mut slots);
    let outside = |l: &&Line| l.address.starts_with("rack/") || l.address.starts_with("monitor/");
    let lines = control.controls();
    let port = |p: &lathe_core::rack::plan::SidechainPort| v1::SidechainPort {
        name: p.name.clone(),
        channels: p.layout.names().into_iter().map(String::from).collect(),
    };
    v1::Rack {
        revision: control.revision(),
        name: plan.name.clone(),
        layout: plan.layout.name(),
        channels: plan.layout.names().into_iter().map(String::from).collect(),
        slots,
        params: lines.iter().filter(outside).map(|l| param(&l.address, &l.spec, l.value)).collect(),
        sidechains: plan.sidechains.iter().map(port).collect(),
        sample_rate: control.spec().map_or(0, |s| s.sample_rate),
        latency_frames: control.spec().map_or(0, |s| s.latency as u32),
        latency_ms: plan.latency_ms,
        panic: control.panic(),
    }
}

/// Slots of one level, each split before the slots of its branches.
fn walk(control: &Control, slots: &[SlotPlan], place: (&str, &str), out: &mut Vec<v1::Slot>) {
    for s in slots {
        out.push(slot(control, s, place));
        if let Content::Split { branches, .. } = &s.content {
            branches.iter().for_each(|b| walk(control, &b.slots, (&s.id, &b.id), out));
        }
    }
}

fn slot(control: &Control, s: &SlotPlan, (parent, branch): (&str, &str)) -> v1::Slot {
    let built = control.spec().and_then(|c| c.slots.iter().find(|b| b.id == s.id));
    let (content, sidechain, branches) = match &s.content {
        Content::Unit { kind, sidechain } => {
            (v1::slot::Content::Unit(kind.spec().symbol.to_string()), source(sidechain), Vec::new())
        }
        Content::Split { kind, branches } => {
            let ids = branches.iter().map(|b| b.id.clone()).collect();
            (v1::slot::Content::Split(kind.symbol().to_string()), "", ids)
        }
    };
    let params =
        s.table.iter().map(|(i, spec)| param(&format!("{}/{}", s.id, spec.symbol), spec, s.values.get(i)));
    v1::Slot {
        id: s.id.clone(),
        content: Some(content),
        parent: parent.to_string(),
        branch: branch.to_string(),
        branches,
        sidechain: sidechain.to_string(),
        latency_frames: built.map_or(0, |b| b.latency as u32),
        notes: built.map_or_else(Vec::new, |b| b.notes.0.iter().map(|n| n.text.clone()).collect()),
        params: params.collect(),
    }
}

fn source(source: &Source) -> &str {
    match source {
        Source::Own => "self",
        Source::MainIn => "main_in",
        Source::Slot(id) | Source::Port(id) => id,
    }
}

/// One set; `None` if it says no value.
pub fn item(item: &v1::SetValuesItem) -> Option<Item> {
    let input = match item.value.as_ref()? {
        v1::set_values_item::Value::Real(v) => Input::Real(*v),
        v1::set_values_item::Value::Norm(v) => Input::Norm(*v),
        v1::set_values_item::Value::Text(v) => Input::Text(v.clone()),
    };
    Some(Item { address: item.address.clone(), input, ramp_ms: item.ramp_ms })
}

/// Seconds of a duration; `None` if it is not one.
pub fn seconds(d: &prost_types::Duration) -> Option<f64> {
    let fine = (0..1_000_000_000).contains(&d.nanos);
    fine.then(|| d.seconds as f64 + f64::from(d.nanos) * 1e-9)
}

/// A Unix time in milliseconds.
pub fn time(unix_ms: u64) -> prost_types::Timestamp {
    let nanos = (unix_ms % 1000) as i32 * 1_000_000;
    prost_types::Timestamp { seconds: (unix_ms / 1000) as i64, nanos }
}

pub fn diagnostic(d: &Diagnostic) -> v1::Diagnostic {
    let severity = match d.severity {
        Severity::Error => v1::Severity::Error,
        Severity::Warning => v1::Severity::Warning,
    };
    v1::Diagnostic {
        severity: severity.into(),
        message: d.message.clone(),
        line: d.span.line as u32,
        column: d.span.column as u32,
        label: d.label.clone(),
        help: d.help.clone().unwrap_or_default(),
    }
}

/// What drives the sound.
pub fn audio(a: &AudioState) -> v1::AudioStatus {
    v1::AudioStatus {
        backend: a.backend.to_string(),
        source: a.source.to_string(),
        sample_rate: a.rate,
        period_frames: a.period as u32,
        latency_frames: a.latency as u32,
        audible: a.audible,
        hung: a.hung,
        xruns: a.xruns,
        lost_engines: a.lost_engines,
    }
}

fn etag(id: &str, version: u32) -> String {
    format!("{id}-{version}")
}

/// A snapshot, whole.
pub fn snapshot(s: Snapshot) -> v1::Snapshot {
    v1::Snapshot {
        etag: etag(&s.id, s.version),
        name: s.name,
        id: s.id,
        version: s.version,
        create_time: Some(time(s.created_unix_ms)),
        author: s.author,
        notes: s.notes,
        sample_rate: s.sample_rate,
        layout_hash: s.layout_hash,
        toml: s.rack,
        sound_revisions: s.sound_revisions.into_iter().collect(),
        values: s.values.into_iter().collect(),
    }
}

/// A snapshot as a list has it.
pub fn summary(s: &Summary) -> v1::Snapshot {
    v1::Snapshot {
        name: s.name.clone(),
        id: s.id.clone(),
        version: s.version,
        etag: etag(&s.id, s.version),
        create_time: Some(time(s.created_unix_ms)),
        author: s.author.clone(),
        layout_hash: s.layout_hash.clone(),
        ..v1::Snapshot::default()
    }
}
