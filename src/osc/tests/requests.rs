// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every message kind by table, as it is meant and as it is got wrong.

use lathe_core::param::{self, Choice, Unit};

use super::super::codec::{Arg, Message};
use super::super::matcher::Budget;
use super::super::request::{
    Code, Form, LedgerErrand, OscRequest, PrintErrand, Refused, Select, Subtree, Value, requests,
};

fn ask(address: &str, args: &[Arg]) -> Result<Vec<OscRequest>, Refused> {
    requests(&Message::new(address, args.to_vec()))
}

fn s(text: &str) -> Arg {
    Arg::Str(text.into())
}

fn one(name: &str) -> Select {
    Select::One(name.into())
}

fn set(name: &str, value: Value) -> OscRequest {
    OscRequest::Set { controls: one(name), value }
}

#[test]
fn controls_are_got_and_set() {
    let get = |name: &str, form| OscRequest::Get { controls: one(name), form };
    let cases = [
        ("/rack/eq/band1/gain", vec![], get("eq/band1/gain", Form::Plain)),
        ("/rack/eq/band1/gain/norm", vec![], get("eq/band1/gain", Form::Norm)),
        ("/rack/eq/band1/gain/text", vec![], get("eq/band1/gain", Form::Text)),
        ("/rack/bypass", vec![], get("rack/bypass", Form::Plain)),
        ("/rack/bypass/text", vec![], get("rack/bypass", Form::Text)),
        ("/rack/eq/gain", vec![Arg::Float(-1.5)], set("eq/gain", Value::Real(-1.5))),
        ("/rack/eq/gain", vec![Arg::Int(3)], set("eq/gain", Value::Real(3.0))),
        ("/rack/eq/gain", vec![Arg::Double(0.1)], set("eq/gain", Value::Real(0.1))),
        ("/rack/eq/gain", vec![Arg::Long(2)], set("eq/gain", Value::Real(2.0))),
        ("/rack/bypass", vec![Arg::Bool(true)], set("rack/bypass", Value::Switch(true))),
        ("/rack/bypass", vec![Arg::Int(1)], set("rack/bypass", Value::Real(1.0))),
        ("/rack/eq/shape", vec![s("bell")], set("eq/shape", Value::Symbol("bell".into()))),
        ("/rack/eq/gain/norm", vec![Arg::Float(0.5)], set("eq/gain", Value::Norm(0.5))),
        ("/rack/eq/gain/norm", vec![Arg::Double(1.000_000_1)], set("eq/gain", Value::Norm(1.0))),
        ("/rack/eq/gain/text", vec![s("-1.5 dB")], set("eq/gain", Value::Text("-1.5 dB".into()))),
    ];
    for (address, args, expected) in cases {
        assert_eq!(ask(address, &args), Ok(vec![expected]), "{address} {args:?}");
    }
}

#[test]
fn every_command_decodes() {
    let store = |n: &str| OscRequest::SnapshotStore { name: n.into() };
    let recall = |seconds| OscRequest::SnapshotRecall { name: "A".into(), seconds };
    let ledger = OscRequest::Ledger;
    let print = OscRequest::Print;
    let track = |name: &str, tap: &str| LedgerErrand::Start { name: name.into(), tap: tap.into() };
    let start = |name: &str, source: &str| PrintErrand::Start { name: name.into(), source: source.into() };
    let tracks = |album: &str, most| LedgerErrand::Tracks { album: album.into(), most };
    let readings = one("out/peak/L");
    let cases = [
        ("/meter/out/peak/L", vec![], OscRequest::Meter { readings }),
        ("/meter/reset", vec![], OscRequest::MeterReset),
        ("/meter/reset", vec![Arg::Float(1.0)], OscRequest::MeterReset),
        ("/unsubscribe", vec![], OscRequest::Unsubscribe),
        ("/xremote", vec![], OscRequest::Xremote),
        ("/snapshot/store", vec![s("Mix 1")], store("Mix 1")),
        ("/snapshot/recall", vec![s("A")], recall(0.0)),
        ("/snapshot/recall", vec![s("A"), Arg::Float(2.5)], recall(2.5)),
        ("/snapshot/recall", vec![s("A"), Arg::Int(3)], recall(3.0)),
        ("/snapshot/delete", vec![s("A")], OscRequest::SnapshotDelete { name: "A".into() }),
        ("/snapshot/list", vec![], OscRequest::SnapshotList),
        ("/snapshot/current", vec![], OscRequest::SnapshotCurrent),
        ("/ledger/start", vec![s("Song 1")], ledger(track("Song 1", ""))),
        ("/ledger/start", vec![s("Song 1"), s("eq/out")], ledger(track("Song 1", "eq/out"))),
        ("/ledger/start", vec![], ledger(track("", ""))),
        ("/ledger/start", vec![Arg::Float(1.0)], ledger(track("", ""))),
        ("/ledger/album", vec![s("Second")], ledger(LedgerErrand::Album("Second".into()))),
        ("/ledger/album", vec![Arg::Int(1)], ledger(LedgerErrand::Album("".into()))),
        ("/ledger/tracks", vec![], ledger(tracks("", 20))),
        ("/ledger/tracks", vec![Arg::Int(100)], ledger(tracks("", 100))),
        ("/ledger/tracks", vec![s("0123"), Arg::Float(1.0)], ledger(tracks("0123", 1))),
        ("/ledger/albums", vec![Arg::Int(3)], ledger(LedgerErrand::Albums(3))),
        ("/alarms", vec![], OscRequest::Alarms),
        ("/print/start", vec![], print(start("", ""))),
        ("/print/start", vec![s("Song 1"), s("monitor")], print(start("Song 1", "monitor"))),
        ("/print/start", vec![s(""), s("input")], print(start("", "input"))),
        ("/print/stop", vec![Arg::Int(1)], print(PrintErrand::Stop("".into()))),
        ("/print/stop", vec![s("Song 1")], print(PrintErrand::Stop("Song 1".into()))),
        ("/print/status", vec![], print(PrintErrand::Status("".into()))),
        ("/print/status", vec![s("Song 1")], print(PrintErrand::Status("Song 1".into()))),
        ("/print/list", vec![], print(PrintErrand::List(20))),
        ("/print/list", vec![Arg::Int(7)], print(PrintErrand::List(7))),
        ("/ledger/pause", vec![], ledger(LedgerErrand::Pause)),
        ("/ledger/resume", vec![Arg::Int(1)], ledger(LedgerErrand::Resume)),
        ("/ledger/close", vec![Arg::Impulse], ledger(LedgerErrand::Close)),
        ("/ledger/status", vec![], ledger(LedgerErrand::Status)),
        ("/undo", vec![], OscRequest::Undo),
        ("/undo", vec![Arg::Impulse], OscRequest::Undo),
        ("/redo", vec![Arg::Bool(true)], OscRequest::Redo),
        ("/panic", vec![Arg::Int(1)], OscRequest::Panic(true)),
        ("/panic", vec![Arg::Float(0.0)], OscRequest::Panic(false)),
        ("/panic", vec![Arg::Bool(false)], OscRequest::Panic(false)),
        ("/status", vec![], OscRequest::Status(None)),
        ("/status", vec![Arg::Int(4)], OscRequest::Status(Some(4))),
        ("/ping", vec![Arg::Int(-9)], OscRequest::Ping(Some(-9))),
        ("/hello", vec![], OscRequest::Hello(None)),
        ("/hello", vec![Arg::Int(77)], OscRequest::Hello(Some(77))),
        ("/sync", vec![], OscRequest::Sync(0)),
        ("/sync", vec![Arg::Int(12)], OscRequest::Sync(12)),
    ];
    for (address, args, expected) in cases {
        assert_eq!(ask(address, &args), Ok(vec![expected]), "{address} {args:?}");
    }
    assert_eq!(ask("/undo", &[Arg::Float(0.0)]), Ok(vec![]), "the button is let go");
}

#[test]
fn subscriptions_take_every_form() {
    let all = |subtree: Option<&str>, hz, port| {
        let subtree = subtree.map(|t| Subtree::parse(t).expect(t));
        Ok(vec![OscRequest::Subscribe { subtree, hz, port }])
    };
    let i = Arg::Int;
    assert_eq!(ask("/subscribe", &[]), all(None, None, None));
    assert_eq!(ask("/subscribe", &[i(20)]), all(None, Some(20), None));
    assert_eq!(ask("/subscribe", &[i(20), i(9000)]), all(None, Some(20), Some(9000)));
    assert_eq!(ask("/subscribe", &[s("/rack/eq")]), all(Some("/rack/eq"), None, None));
    assert_eq!(ask("/subscribe", &[s("/meter/"), i(5)]), all(Some("/meter"), Some(5), None));
    assert_eq!(
        ask("/subscribe", &[s("//gain"), Arg::Float(5.0), i(1024)]),
        all(Some("//gain"), Some(5), Some(1024))
    );
    let tree = Subtree::parse("/rack/e?").expect("a subtree");
    let covers = |tree: &Subtree, address: &str| tree.covers(address, &mut Budget(10_000)) == Ok(true);
    assert!(
        covers(&tree, "/rack/eq") && covers(&tree, "/rack/eq/band1/gain") && !covers(&tree, "/rack/air/gain")
    );
    let everything = Subtree::parse("/").expect("all");
    assert!(covers(&everything, "/rack/eq/bypass") && covers(&everything, "/meter/in/momentary"));
}

#[test]
fn patterns_reach_controls_readings_and_questions() {
    let asked = ask("/rack/*/bypass", &[Arg::Int(1)]).expect("a set");
    let [OscRequest::Set { controls, value: Value::Real(1.0) }] = &asked[..] else { panic!("{asked:?}") };
    let has = |name: &str| controls.has_control(name, &mut Budget(1_000));
    assert_eq!(
        (has("eq/bypass"), has("rack/bypass"), has("air/low/bypass")),
        (Ok(true), Ok(false), Ok(false))
    );
    let asked = ask("//bypass", &[]).expect("a get");
    let [OscRequest::Get { controls, .. }, OscRequest::Meter { .. }] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(controls.has_control("rack/bypass", &mut Budget(1_000)), Ok(true));
    let asked = ask("/rack/eq/*/norm", &[Arg::Float(0.0)]).expect("a set");
    let [OscRequest::Set { controls: Select::Many(p), value: Value::Norm(_) }] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(p.text(), "/rack/eq/*");
    let asked = ask("/meter//*", &[]).expect("readings");
    let [OscRequest::Meter { readings }] = &asked[..] else { panic!("resets nothing: {asked:?}") };
    assert_eq!(readings.has_reading("out/peak/L", &mut Budget(1_000)), Ok(true));
    assert_eq!(ask("/snapshot/*", &[]), Ok(vec![OscRequest::SnapshotList, OscRequest::SnapshotCurrent]));
    assert_eq!(ask("/stat?s", &[]), Ok(vec![OscRequest::Status(None)]));
    for (address, args, code) in [
        ("/pan*", vec![Arg::Int(1)], Code::Pattern),
        ("/{undo,redo}", vec![], Code::Pattern),
        ("/q*", vec![], Code::Address),
        ("/x*", vec![], Code::Pattern),
        ("/meter/*/peak", vec![Arg::Int(1)], Code::Arguments),
        ("/rack/[a", vec![], Code::Pattern),
    ] {
        assert_eq!(ask(address, &args).expect_err(address).code, code, "{address}");
    }
}

#[test]
fn what_is_wrong_is_told_with_what_is_right() {
    let f = Arg::Float;
    let cases: Vec<(&str, Vec<Arg>, Code, &str)> = vec![
        ("/rack/eq/gain", vec![f(1.0), f(2.0)], Code::Arguments, "expected one value"),
        ("/rack/eq/gain", vec![Arg::Blob(vec![])], Code::Arguments, "here stands \",b\""),
        ("/rack/eq/gain", vec![Arg::Other('[')], Code::Arguments, "here stands \",[\""),
        ("/rack/eq/gain/norm", vec![f(1.5)], Code::Value, "0 to 1"),
        ("/rack/eq/gain/norm", vec![f(f32::NAN)], Code::Value, "NaN is not allowed"),
        ("/rack/eq/gain/norm", vec![s("x")], Code::Arguments, "f from 0 to 1"),
        ("/rack/eq/gain/text", vec![f(1.0)], Code::Arguments, "expected s"),
        ("/rack/eq", vec![], Code::Address, "<slot>/<parameter>"),
        ("/rack/rack/bypass", vec![], Code::Address, "/rack/bypass"),
        ("/rack/Eq/gain", vec![], Code::Address, "lower-case"),
        ("/meter/out/momentary", vec![f(1.0)], Code::Arguments, "without arguments"),
        ("/meter/out", vec![], Code::Address, "/meter/<tap>/<reading>"),
        ("/subscribe", vec![Arg::Int(0)], Code::Value, "1 to 60"),
        ("/subscribe", vec![Arg::Int(20), Arg::Int(53)], Code::Value, "1024 to 65535"),
        ("/subscribe", vec![s("rack")], Code::Pattern, "begins with /"),
        ("/subscribe", vec![Arg::Int(20), s("/rack")], Code::Arguments, "[s subtree]"),
        ("/snapshot/store", vec![], Code::Arguments, "the snapshot's name; here stands nothing"),
        ("/snapshot/store", vec![s("a"), f(1.0)], Code::Arguments, "expected s"),
        ("/snapshot/recall", vec![s("a"), f(-1.0)], Code::Value, "0 to 600 s"),
        ("/snapshot/recall", vec![s("a"), f(f32::INFINITY)], Code::Value, "0 to 600 s"),
        ("/panic", vec![], Code::Arguments, "1 fades to silence"),
        ("/panic", vec![Arg::Int(2)], Code::Arguments, "1 fades to silence"),
        ("/undo", vec![s("now")], Code::Arguments, "a button's 1"),
        ("/ping", vec![f(0.5)], Code::Arguments, "[i number]"),
        ("/ping", vec![Arg::Long(1 << 40)], Code::Arguments, "[i number]"),
        ("/statsu", vec![], Code::Address, "did you mean \"/status\"?"),
        ("/", vec![], Code::Address, "/rack/<slot>/<parameter>"),
    ];
    for (address, args, code, text) in cases {
        let refused = ask(address, &args).expect_err(address);
        assert_eq!(refused.code, code, "{refused}");
        assert!(refused.text.contains(text), "{refused}");
    }
}

#[test]
fn values_become_the_parameters_own() {
    const SHAPES: &[Choice] = &[Choice { symbol: "bell", doc: "" }, Choice { symbol: "notch", doc: "" }];
    let gain = param::float("gain", "Gain", Unit::Decibel, (-24.0, 24.0), 0.0);
    let on = param::toggle("on", "On", true);
    let shape = param::choice("shape", "Shape", SHAPES, 0);
    let order = param::integer("order", "Order", (1, 8), 2);
    let symbol = |t: &str| Value::Symbol(t.into());
    let text = |t: &str| Value::Text(t.into());
    for (value, spec, expected) in [
        (Value::Real(-1.5), &gain, -1.5),
        (Value::Real(24.000_001), &gain, 24.0),
        (Value::Norm(0.5), &gain, 0.0),
        (text("-3 dB"), &gain, -3.0),
        (Value::Switch(true), &on, 1.0),
        (Value::Real(0.0), &on, 0.0),
        (text("on"), &on, 1.0),
        (symbol("off"), &on, 0.0),
        (symbol("notch"), &shape, 1.0),
        (Value::Real(1.0), &shape, 1.0),
        (text("bell"), &shape, 0.0),
        (Value::Real(4.0), &order, 4.0),
    ] {
        assert_eq!(value.resolve(spec), Ok(expected), "{value:?} for {}", spec.symbol);
    }
    for (value, spec, told) in [
        (Value::Real(f64::NAN), &gain, "-24 dB to 24 dB"),
        (Value::Real(f64::INFINITY), &gain, "-24 dB to 24 dB"),
        (Value::Real(24.1), &gain, "-24 dB to 24 dB"),
        (Value::Switch(true), &gain, "-24 dB to 24 dB"),
        (symbol("0"), &gain, "-24 dB to 24 dB"),
        (text("\u{1b}[2J"), &gain, "\\u{1b}[2J"),
        (text(&"9".repeat(70)), &gain, "-24 dB to 24 dB"),
        (text("nan"), &gain, "-24 dB to 24 dB"),
        (Value::Real(0.5), &on, "on or off"),
        (symbol("bel"), &shape, "one of \"bell\", \"notch\""),
        (Value::Real(2.0), &shape, "one of"),
        (Value::Real(1.5), &order, "whole number from 1 to 8"),
    ] {
        let error = value.resolve(spec).expect_err("is refused").to_string();
        assert!(error.contains(told) && !error.contains('\u{1b}'), "{error}");
    }
}
