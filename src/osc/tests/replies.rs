// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every answer, through bytes and back.

use lathe_core::param::{self, Choice, Unit};

use super::super::codec::{Arg, Booleans, Message, decode, encode};
use super::super::reply;
use super::super::request::{Code, Form, Refused};

fn sent(message: &Message) -> (String, Vec<Arg>) {
    let packet = decode(&encode(message, Booleans::Integers)).expect("decodes");
    let message = packet.messages.into_iter().next().expect("one message");
    (message.address, message.args)
}

fn s(text: &str) -> Arg {
    Arg::Str(text.into())
}

#[test]
fn values_are_sent_by_kind_and_form() {
    const SHAPES: &[Choice] = &[Choice { symbol: "bell", doc: "" }, Choice { symbol: "notch", doc: "" }];
    let gain = param::float("gain", "Gain", Unit::Decibel, (-24.0, 24.0), 0.0);
    let on = param::toggle("bypass", "Bypass", false);
    let shape = param::choice("shape", "Shape", SHAPES, 0);
    let order = param::integer("order", "Order", (1, 8), 2);
    for (name, spec, value, form, address, arg) in [
        ("eq/gain", &gain, -1.5, Form::Plain, "/rack/eq/gain", Arg::Float(-1.5)),
        ("eq/gain", &gain, 12.0, Form::Norm, "/rack/eq/gain/norm", Arg::Float(0.75)),
        ("eq/gain", &gain, -1.5, Form::Text, "/rack/eq/gain/text", s("-1.5 dB")),
        ("rack/bypass", &on, 1.0, Form::Plain, "/rack/bypass", Arg::Int(1)),
        ("rack/bypass", &on, 1.0, Form::Text, "/rack/bypass/text", s("on")),
        ("eq/shape", &shape, 1.0, Form::Plain, "/rack/eq/shape", Arg::Int(1)),
        ("eq/shape", &shape, 1.0, Form::Text, "/rack/eq/shape/text", s("notch")),
        ("eq/order", &order, 4.0, Form::Plain, "/rack/eq/order", Arg::Int(4)),
    ] {
        assert_eq!(sent(&reply::value(name, spec, value, form)), (address.into(), vec![arg]));
    }
    let switch = reply::value("eq/bypass", &on, 0.0, Form::Plain);
    let bytes = encode(&switch, Booleans::Tags);
    assert_eq!(decode(&bytes).expect("decodes").messages[0].args, [Arg::Bool(false)], "on request");
}

#[test]
fn every_answer_has_its_address_and_types() {
    let refused = Refused::new("/x\u{7}", Code::Address, "no");
    let fields = [("rate", Arg::Int(48_000)), ("backend", s("clock"))];
    let reading = |value| reply::reading("out/momentary", value);
    let cases: Vec<(Message, &str, Vec<Arg>)> = vec![
        (reply::pong(None), "/pong", vec![]),
        (reply::pong(Some(3)), "/pong", vec![Arg::Int(3)]),
        (reply::synced(12, true), "/synced", vec![Arg::Int(12), Arg::Int(1)]),
        (reply::hello("lathe", "0.1.0", 5), "/hello.reply", vec![s("lathe"), s("0.1.0"), Arg::Int(5)]),
        (reply::error(&refused), "/error", vec![s("/x\\u{7}"), s("address"), s("no")]),
        (
            reply::status(Some(1), &fields),
            "/status.reply",
            vec![Arg::Int(1), s("rate"), Arg::Int(48_000), s("backend"), s("clock")],
        ),
        (reading(Some(-23.0)), "/meter/out/momentary", vec![Arg::Float(-23.0)]),
        (reading(Some(f64::NEG_INFINITY)), "/meter/out/momentary", vec![Arg::Float(-200.0)]),
        (reading(Some(f64::NAN)), "/meter/out/momentary", vec![Arg::Float(-200.0)]),
        (reading(None), "/meter/out/momentary", vec![Arg::Float(-200.0)]),
        (reply::frames("in/scope", &[1.0]), "/meter/in/scope", vec![Arg::Blob(vec![0x3f, 0x80, 0, 0])]),
        (reply::snapshot_list(["A", "B"]), "/snapshot/list", vec![s("A"), s("B")]),
        (reply::snapshot_current(Some("A"), true), "/snapshot/current", vec![s("A"), Arg::Int(1)]),
        (reply::snapshot_current(None, false), "/snapshot/current", vec![s(""), Arg::Int(0)]),
    ];
    for (message, address, args) in cases {
        assert_eq!(sent(&message), (address.to_string(), args));
    }
}
