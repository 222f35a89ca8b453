// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tablet layouts: what is shipped is current, every address is one of the rack with a legal range, the
//! format is that of the app, and a running daemon answers to all of it.
use std::collections::BTreeSet;
use std::time::Duration;

use lathe_core::rack::{self, plan::RackPlan};
use lathed::cli::layout::{stage, touch};
use lathed::control::Control;
use lathed::osc::{Arg, Message, OscRequest, Select, requests};
use lathed::racks::SHIPPED;
use serde_json::Value;

use crate::docs::golden;
use crate::files::{Desk, repository};
use crate::lathed::Lathed;
use crate::osc::Peer;

/// The racks whose layouts are checked in.
const EXAMPLES: [&str; 2] = ["stereo-master", "midside"];
const TARGET: &str = "127.0.0.1:7700";

fn plan(name: &str) -> RackPlan {
    let (_, text) = SHIPPED.iter().find(|(n, _)| *n == name).unwrap();
    rack::load(text, name).unwrap().plan
}

/// One thing that a layout sends, or takes.
#[derive(Debug)]
struct Wire {
    message: Message,
    sends: bool,
}

// ---- Open Stage Control

fn session(plan: &RackPlan) -> Value {
    serde_json::from_str(&stage::layout(plan, TARGET)).unwrap()
}

/// Every widget below, and itself.
fn widgets(widget: &Value) -> Vec<&Value> {
    let children = ["widgets", "tabs"].iter().filter_map(|k| widget[k].as_array()).flatten();
    std::iter::once(widget).chain(children.flat_map(widgets)).collect()
}

/// What a widget can send, at both ends of its range, or takes.
fn of_widget(w: &Value) -> Vec<Wire> {
    let Some(address) = w["address"].as_str() else { return Vec::new() };
    let sends = w["bypass"] != true;
    let number = |v: &Value| match w["typeTags"] == "i" {
        true => Arg::Int(v.as_f64().unwrap() as i32),
        false => Arg::Float(v.as_f64().unwrap() as f32),
    };
    let end = |v: &Value| number(v.as_object().map_or(v, |marks| marks.values().next().unwrap()));
    let args: Vec<Vec<Arg>> = match w["type"].as_str().unwrap() {
        "fader" if sends => vec![vec![end(&w["range"]["min"])], vec![end(&w["range"]["max"])]],
        "button" if w["mode"] == "toggle" => vec![vec![number(&w["on"])], vec![number(&w["off"])]],
        "button" => match w["preArgs"].as_str() {
            Some(name) => vec![vec![Arg::Str(name.replace("@{snapshot_name}", "as written"))]],
            None => vec![Vec::new()],
        },
        "dropdown" => w["values"]["values"].as_array().unwrap().iter().map(|v| vec![number(v)]).collect(),
        _ => vec![Vec::new()],
    };
    args.into_iter().map(|a| Wire { message: Message::new(address, a), sends }).collect()
}

fn stage_wires(plan: &RackPlan) -> Vec<Wire> {
    widgets(&session(plan)["content"]).into_iter().flat_map(of_widget).collect()
}

// ---- TouchOSC

/// The text between two marks, for every such pair.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).map(move |rest| rest.split_once(to).unwrap().0)
}

fn one<'a>(text: &'a str, from: &'a str, to: &'a str) -> &'a str {
    between(text, from, to).next().unwrap_or_else(|| panic!("no {from} in {text}"))
}

fn touch_xml(plan: &RackPlan) -> String {
    let bytes = miniz_oxide::inflate::decompress_to_vec_zlib(&touch::layout(plan)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn touch_wires(plan: &RackPlan) -> Vec<Wire> {
    let mut wires = Vec::new();
    for osc in between(&touch_xml(plan), "<osc>", "</osc>") {
        let address = one(one(osc, "<path>", "</path>"), "<![CDATA[", "]]>");
        let sends = one(osc, "<send>", "</send>") == "1";
        let partials: Vec<&str> =
            between(one(osc, "<arguments>", "</arguments>"), "<partial>", "</partial>").collect();
        for scale in ["scaleMin", "scaleMax"] {
            let argument = |p: &&str| {
                let bound: f64 = one(p, &format!("<{scale}>"), "<").parse().unwrap();
                match (one(p, "<type>", "<"), one(p, "<conversion>", "<")) {
                    ("CONSTANT", "STRING") => Arg::Str(one(p, "<![CDATA[", "]]>").into()),
                    ("VALUE", "INTEGER") => Arg::Int(bound as i32),
                    ("VALUE", "FLOAT") => Arg::Float(bound as f32),
                    ("VALUE", "STRING") => Arg::Str(String::new()),
                    other => panic!("{other:?} in {p}"),
                }
            };
            let args = if sends { partials.iter().map(argument).collect() } else { Vec::new() };
            wires.push(Wire { message: Message::new(address, args), sends });
        }
    }
    wires
}

// ---- tests

#[test]
fn the_examples_are_current() {
    for name in EXAMPLES {
        let plan = plan(name);
        golden(&format!("clients/layouts/{name}.json"), &stage::layout(&plan, TARGET));
        let path = repository().join(format!("clients/layouts/{name}.tosc"));
        let bytes = touch::layout(&plan);
        if std::env::var_os("LATHE_UPDATE").is_some_and(|v| v == "1") {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        let text = miniz_oxide::inflate::decompress_to_vec_zlib(&kept).unwrap_or_default();
        let differ = text.iter().zip(touch_xml(&plan).as_bytes()).position(|(a, b)| a != b);
        assert!(kept == bytes, "{name}.tosc, byte {differ:?} of its XML; LATHE_UPDATE=1 writes it anew");
    }
}

/// Every control of a rack is on a page, nothing else is, and both ends of every fader are taken.
#[test]
fn every_address_is_a_control_of_the_rack_with_a_legal_range() {
    for (name, _) in SHIPPED {
        let plan = plan(name);
        let control = Control::new(plan.clone());
        // Of 24 bands the first eight and those in use.
        let unused = |a: &str| {
            let band = a.split('/').find_map(|part| part.strip_prefix("band")?.parse::<usize>().ok());
            band.is_some_and(|n| {
                let group = a.rsplit_once('/').map_or(a, |g| g.0);
                let used = |c: &lathed::control::address::Control| {
                    c.address.starts_with(&format!("{group}/")) && c.value != c.spec.default
                };
                n > 8 && !control.controls().iter().any(used)
            })
        };
        let all: BTreeSet<String> =
            control.controls().into_iter().map(|c| c.address).filter(|a| !unused(a)).collect();
        for (app, wires) in [("stage", stage_wires(&plan)), ("touch", touch_wires(&plan))] {
            let (mut set, mut read) = (BTreeSet::new(), BTreeSet::new());
            for wire in &wires {
                let what = || format!("{name} for {app}: {wire:?}");
                let asked = requests(&wire.message).unwrap_or_else(|e| panic!("{}: {e}", what()));
                assert!(
                    wire.sends || asked.iter().all(|r| !matches!(r, OscRequest::Set { .. })),
                    "{}",
                    what()
                );
                for request in asked {
                    match request {
                        OscRequest::Set { controls: Select::One(address), value } => {
                            let (spec, _) =
                                control.get(&address).unwrap_or_else(|e| panic!("{}: {e}", what()));
                            value.resolve(&spec).unwrap_or_else(|e| panic!("{}: {e}", what()));
                            set.insert(address);
                        }
                        OscRequest::Get { controls: Select::One(address), .. } => {
                            control.get(&address).unwrap_or_else(|e| panic!("{}: {e}", what()));
                            read.insert(address);
                        }
                        _ => {}
                    }
                }
            }
            assert_eq!(set, all, "{name} for {app}: what can be set");
            let shown: BTreeSet<String> = all.iter().filter(|a| *a != "rack/bypass").cloned().collect();
            assert_eq!(read, shown, "{name} for {app}: what is shown as text");
            for address in
                ["/snapshot/store", "/snapshot/recall", "/snapshot/list", "/undo", "/redo", "/panic"]
            {
                assert!(
                    wires.iter().any(|w| w.sends && w.message.address == address),
                    "{app} has no {address}"
                );
            }
        }
    }
}

/// A fader in real units has the range of its parameter; one along `/norm` has 0 to 1.
#[test]
fn faders_have_the_range_and_scale_of_their_parameter() {
    let plan = plan("stereo-master");
    let control = Control::new(plan.clone());
    let session = session(&plan);
    let faders =
        widgets(&session["content"]).into_iter().filter(|w| w["type"] == "fader" && w["bypass"] != true);
    let (mut real, mut along) = (0, 0);
    for w in faders {
        let address = w["address"].as_str().unwrap().strip_prefix("/rack/").unwrap();
        if let Some(address) = address.strip_suffix("/norm") {
            let (spec, _) = control.get(address).unwrap();
            let low = w["range"]["min"].as_object().unwrap();
            assert_eq!(low.values().next().unwrap(), 0.0, "{w}");
            assert_eq!(*low.keys().next().unwrap(), spec.show(spec.min), "{w}");
            along += 1;
        } else {
            let (spec, _) = control.get(address).unwrap();
            assert_eq!((&w["range"]["min"], &w["range"]["max"]), (&spec.min.into(), &spec.max.into()), "{w}");
            real += 1;
        }
    }
    assert!(real > 10 && along > 10, "{real} faders in real units, {along} along /norm");
}

/// What a widget may have, as declared in the sources of Open Stage Control 1.30.0-beta4
/// (src/client/widgets): what every widget has, and what each type adds or does without.
const EVERY: &str = "lock type id visible interaction comments left top width height expand colorText colorWidget \
    colorStroke colorFill alphaStroke alphaFillOff alphaFillOn lineWidth borderRadius padding html css value default \
    linkId address preArgs typeTags decimals target ignoreDefaults bypass onCreate onValue";
const PANEL: &str = "variables traversing colorBg layout justify gridTemplate contain scroll innerPadding tabsPosition \
    widgets tabs onTouch";
const TYPES: [(&str, &str, &str); 8] = [
    (
        "root",
        "hideMenu onPreload",
        "left top expand colorFill colorStroke alphaStroke alphaFillOff lineWidth",
    ),
    (
        "tab",
        "label",
        "left top width height expand colorStroke alphaStroke alphaFillOff alphaFillOn lineWidth",
    ),
    ("panel", "", ""),
    (
        "fader",
        "design knobSize colorKnob horizontal pips dashed gradient snap touchZone spring doubleTap range logScale \
         sensitivity steps origin onTouch",
        "",
    ),
    ("button", "colorTextOn label vertical wrap on off mode doubleTap decoupled", ""),
    ("text", "vertical wrap align", "typeTags ignoreDefaults"),
    ("dropdown", "label icon align values", ""),
    ("input", "align unit noCanvas asYouType numeric validation maxLength", ""),
];
/// Properties that take only these words.
const WORDS: [(&str, &str, &[&str]); 6] = [
    ("panel", "layout", &["default", "vertical", "horizontal", "grid"]),
    ("tab", "layout", &["default", "vertical", "horizontal", "grid"]),
    ("button", "mode", &["toggle", "push", "momentary", "tap"]),
    ("fader", "design", &["default", "round", "compact"]),
    ("text", "wrap", &["soft"]),
    ("button", "wrap", &["soft"]),
];

/// What is wrong with a session.
fn wrong(session: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, value) in
        [("type", "session"), ("version", "1.30.0-beta4"), ("createdWith", "Open Stage Control")]
    {
        if session[key] != value {
            wrong.push(format!("{key} is {}", session[key]));
        }
    }
    if session["content"]["type"] != "root" || session["content"]["id"] != "root" {
        wrong.push("the content is no root".into());
    }
    let mut ids = BTreeSet::new();
    for w in widgets(&session["content"]) {
        let kind = w["type"].as_str().unwrap_or_default();
        let Some((_, adds, without)) = TYPES.iter().find(|(k, ..)| *k == kind) else {
            wrong.push(format!("there is no widget \"{kind}\""));
            continue;
        };
        let id = w["id"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id) {
            wrong.push(format!("id \"{id}\": widgets that share one copy each other's value"));
        }
        let container = ["root", "tab", "panel"].contains(&kind);
        let known = |key: &str| {
            let names = EVERY.split_whitespace().chain(adds.split_whitespace());
            let panel = PANEL.split_whitespace().filter(|_| container);
            names.chain(panel).any(|n| n == key) && !without.split_whitespace().any(|n| n == key)
        };
        for (key, value) in w.as_object().unwrap() {
            if !known(key) {
                wrong.push(format!("{id}: a {kind} has no \"{key}\""));
            }
            let words = WORDS.iter().find(|(k, p, _)| *k == kind && p == key);
            if let (Some((.., words)), Some(text)) = (words, value.as_str())
                && !words.contains(&text)
            {
                wrong.push(format!("{id}: {key} is not \"{text}\""));
            }
        }
        if !w["widgets"].is_null() && !w["tabs"].is_null() {
            wrong.push(format!("{id}: widgets and tabs together"));
        }
        if w["bypass"] != true && (w["target"] != TARGET || w["ignoreDefaults"] != true) {
            wrong.push(format!("{id}: sends, but not to the daemon"));
        }
    }
    wrong
}

#[test]
fn the_session_is_one_of_open_stage_control() {
    for (name, _) in SHIPPED {
        let session = session(&plan(name));
        assert_eq!(wrong(&session), [""; 0], "{name}");
        let script = session["content"]["onCreate"].as_str().unwrap();
        for address in ["/rack/bypass/norm", "/subscribe", "/snapshot/list"] {
            assert!(script.contains(&format!("send('{TARGET}', '{address}'")), "{script}");
        }
    }
    // The check itself sees what is wrong.
    let mut broken = session(&plan("mono"));
    broken["content"]["tabs"][0]["colour"] = "red".into();
    broken["content"]["tabs"][1]["id"] = broken["content"]["tabs"][0]["id"].clone();
    assert_eq!(wrong(&broken).len(), 2, "{:?}", wrong(&broken));
}

#[test]
fn a_running_daemon_answers_to_every_address() {
    for name in EXAMPLES {
        let rack = format!("{}/config/racks/{name}.toml", repository().display());
        let daemon = Lathed::start(&["--backend", "clock", "--rack", &rack, "--osc", "127.0.0.1:0"]);
        let peer = Peer {
            socket: std::net::UdpSocket::bind("127.0.0.1:0").unwrap(),
            to: daemon.ready("osc").parse().unwrap(),
        };
        let plan = plan(name);
        let wires = stage_wires(&plan).into_iter().chain(touch_wires(&plan));
        let addresses: BTreeSet<String> = wires
            .map(|w| w.message.address)
            .filter(|a| a.starts_with("/rack/") || a.starts_with("/meter/") && a != "/meter/reset")
            .collect();
        assert!(addresses.len() > 100, "{} addresses", addresses.len());
        for address in &addresses {
            let answers = peer.ask(address, &[]);
            assert!(answers.len() == 1 && answers[0].address == *address, "{address}: {answers:?}");
        }
        // What the script of a layout says, once: the state comes in every form, and readings.
        peer.send("/rack/bypass/norm", &[]);
        peer.send("/subscribe", &[]);
        peer.send("/subscribe", &[Arg::Str("/meter/out".into()), Arg::Int(10)]);
        let told: BTreeSet<String> =
            peer.all(Duration::from_millis(1500)).into_iter().map(|m| m.address).collect();
        let missing: Vec<&String> = addresses.difference(&told).collect();
        assert!(missing.is_empty(), "{name}: a subscriber is not told of {missing:?}");
    }
}

#[test]
fn the_verb_writes_both_and_says_what_was_not_tried() {
    let desk = Desk::new();
    let said = desk.lathe("layout touchosc --rack racks/midside.toml --output a.tosc").exits(0);
    assert!(said.out.is_empty() && said.err == "wrote a.tosc\n", "{}", said.err);
    assert!(std::fs::read(desk.path("a.tosc")).unwrap() == touch::layout(&plan("midside")));
    let said =
        desk.lathe("layout open-stage-control --rack racks/midside.toml --host fe80::1 --port 7000").exits(0);
    assert_eq!(said.out, stage::layout(&plan("midside"), "[fe80::1]:7000"));
    for app in ["touchosc", "open-stage-control"] {
        let help = desk.lathe(&format!("layout {app} --help")).exits(0).out;
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("not been tried in the app"), "{help}");
    }
    for (line, code, words) in [
        ("layout", 2, "touchosc"),
        ("layout faders", 2, "unrecognized subcommand"),
        ("layout open-stage-control --rack racks/mono.toml --host ../x", 2, "a host is a name"),
        ("layout open-stage-control --rack racks/mono.toml --port 0", 2, "1..=65535"),
        ("layout touchosc --rack racks/broken.toml --output b.tosc", 78, "error"),
        ("layout touchosc --rack racks/mono.toml --output nowhere/b.tosc", 74, "cannot write nowhere/b.tosc"),
        ("layout touchosc --server 127.0.0.1:1 --output b.tosc", 69, "no daemon answers"),
    ] {
        let said = desk.lathe(line).exits(code);
        assert!(said.err.contains(words) && said.out.is_empty(), "lathe {line}: {}{}", said.out, said.err);
    }
}
