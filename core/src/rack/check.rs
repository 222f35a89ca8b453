// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as written → the rack as resolved, with every mistake found in one go: the rack itself.

use std::ops::Range;

use super::check_order;
use super::check_slots::{Checker, claim_slots};
use super::diagnostic::{Sink, list, quoted, short};
use super::layout::{At, Channels, RackLayout};
use super::names::{RESERVED_SLOTS, Taken, check_id};
use super::plan::{RackPlan, SidechainPort};
use crate::units::{AnyKind, Layout, NAMED, Role};

/// Bounds of `latency_ms` in milliseconds.
pub const LATENCY_MS: std::ops::RangeInclusive<f64> = 0.0..=2000.0;

/// Longest name of a rack in characters.
pub const MAX_NAME: usize = 96;

/// Layout of a sidechain port that does not say one: a detector needs one channel.
pub const PORT_LAYOUT: &str = "mono";

pub(super) type Catalog = [&'static dyn AnyKind];

/// Resolves the layout. What comes back is only worth something if the sink has no errors.
pub(super) fn check(rack: &RackLayout, catalog: &Catalog, sink: &mut Sink) -> RackPlan {
    let layout = rack_layout(rack, sink);
    let mut plan = RackPlan::empty(layout.clone());
    plan.name = name(rack, sink);
    plan.latency_ms = latency(rack, sink);
    let mut taken = Taken::default();
    claim_slots(&rack.slots, &mut taken, sink);
    for port in &rack.sidechains {
        let layout = channels(port.layout.as_ref(), sink);
        let layout = layout.unwrap_or_else(|| Layout::new(&[Role::Mono]));
        match &port.name {
            Some(name) => {
                if check_id(name, "sidechain", RESERVED_SLOTS, sink) {
                    taken.claim(name, "sidechain", sink);
                }
                plan.sidechains.push(SidechainPort { name: name.value.clone(), layout });
            }
            None => missing(port.at.clone(), "name", "[[rack.sidechain]]", sink),
        }
    }
    let ports = rack.sidechains.iter().filter_map(|p| Some(p.name.as_ref()?.value.as_str())).collect();
    plan.slots = Checker::new(catalog, sink, taken, ports).slots(&rack.slots, &layout);
    check_order::check(rack, &plan, catalog, sink);
    if rack.slots.is_empty() && !sink.has_errors() {
        sink.warning(0..0, "the rack has no slots: it passes the audio unchanged");
    }
    plan
}

pub(super) fn missing(at: Range<usize>, key: &str, what: &str, sink: &mut Sink) {
    sink.error(at, format!("{what} has no \"{key}\"")).label(format!("\"{key}\" is missing")).absence();
}

fn name(rack: &RackLayout, sink: &mut Sink) -> String {
    let Some(name) = &rack.name else { return String::new() };
    let length = name.value.chars().count();
    if !(1..=MAX_NAME).contains(&length) || name.value.chars().any(char::is_control) {
        let message = format!(
            "the rack's name {} is not allowed: 1 to {MAX_NAME} printable characters",
            quoted(&name.value)
        );
        sink.error(name.span.clone(), message).label(format!("1 to {MAX_NAME} printable characters"));
    }
    name.value.clone()
}

fn latency(rack: &RackLayout, sink: &mut Sink) -> Option<f64> {
    let at = rack.latency_ms.as_ref()?;
    if !LATENCY_MS.contains(&at.value) {
        let range = format!("{} ms to {} ms", LATENCY_MS.start(), LATENCY_MS.end());
        let message = format!("latency_ms = {} is out of range: {range}", short(at.value));
        sink.error(at.span.clone(), message).label(range);
    }
    Some(at.value)
}

fn rack_layout(rack: &RackLayout, sink: &mut Sink) -> Layout {
    match (&rack.rack, &rack.layout) {
        (None, _) => sink
            .error(0..0, "[rack] is missing: it says the layout")
            .help("add the lines: [rack] and layout = \"stereo\"")
            .absence()
            .done(),
        (Some(at), None) => missing(at.clone(), "layout", "[rack]", sink),
        _ => {}
    }
    let mut layout =
        channels(rack.layout.as_ref(), sink).unwrap_or_else(|| Layout::new(&[Role::Left, Role::Right]));
    if let Some(groups) = &rack.link {
        link(groups, &mut layout, sink);
    }
    layout
}

/// The channels of a layout; an error and `None` if there is no such layout.
fn channels(text: Option<&At<Channels>>, sink: &mut Sink) -> Option<Layout> {
    let at = text?;
    match &at.value {
        Channels::Refused => None,
        Channels::Named(name) => {
            let known = Layout::named(name);
            if known.is_none() {
                let names: Vec<&str> = NAMED.iter().map(|(n, _)| *n).collect();
                let message = format!(
                    "there is no layout {}; there is {}, or a list of channel names",
                    quoted(name),
                    list(names.iter().copied())
                );
                sink.error(at.span.clone(), message)
                    .label(format!("one of {}", list(names.iter().copied())))
                    .suggest(name, names);
            }
            known
        }
        Channels::List(names) => channel_list(names, &at.span, sink),
    }
}

fn channel_list(names: &[At<String>], at: &Range<usize>, sink: &mut Sink) -> Option<Layout> {
    let mut roles: Vec<Role> = Vec::new();
    let mut taken = Taken::default();
    let mut good = !names.is_empty();
    for name in names {
        match role(name, sink) {
            Some(r) => {
                taken.claim(name, "channel", sink);
                roles.push(r);
            }
            None => good = false,
        }
    }
    if names.is_empty() {
        sink.error(at.clone(), "the layout has no channels; it needs at least one");
    } else if roles.len() > 1 && roles.contains(&Role::Mono) {
        let message = "channel \"M\" is mono and stands alone; the centre of a layout is \"C\"";
        sink.error(at.clone(), message).label("\"M\" beside other channels");
    }
    good.then(|| Layout::new(&roles))
}

fn role(name: &At<String>, sink: &mut Sink) -> Option<Role> {
    let found = Role::from_name(&name.value);
    if found.is_none() {
        let all = Role::all().map(Role::name);
        let message = format!("there is no channel {}; there is {}", quoted(&name.value), list(all.clone()));
        sink.error(name.span.clone(), message)
            .label(format!("one of {}", list(all.clone())))
            .suggest(&name.value.to_lowercase(), all);
    }
    found
}

/// Applies the link groups as written; a channel in no group is linked to nothing.
fn link(groups: &[Vec<At<String>>], layout: &mut Layout, sink: &mut Sink) {
    let mut taken = Taken::default();
    let mut of: Vec<Option<usize>> = vec![None; layout.len()];
    for (group, names) in groups.iter().enumerate() {
        for name in names {
            let Some(role) = role(name, sink) else { continue };
            match layout.roles.iter().position(|r| *r == role) {
                Some(channel) => {
                    taken.claim(name, "link group", sink);
                    of[channel] = Some(group);
                }
                None => {
                    let message = format!(
                        "channel {} is not in the layout, which has {}",
                        quoted(&name.value),
                        list(layout.names())
                    );
                    sink.error(name.span.clone(), message).label(format!("one of {}", list(layout.names())));
                }
            }
        }
    }
    layout.relink(|a, b| of[a].is_some() && of[a] == of[b]);
}
