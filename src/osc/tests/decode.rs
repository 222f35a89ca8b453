// SPDX-License-Identifier: MIT OR Apache-2.0
//! Well-formed packets, and feedback and back.

use std::time::Duration;

use super::super::codec::{Arg, Booleans, Message, decode, encode, encode_bundle};
use super::super::time::{Due, due};
use super::{bundle, nested, padded, raw};

fn one(bytes: &[u8]) -> Message {
    let mut packet = decode(bytes).expect("decodes");
    assert_eq!((packet.messages.len(), packet.time), (1, None));
    packet.messages.remove(0)
}

#[test]
fn every_argument_type_decodes() {
    let blob = [0, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
    let cases: Vec<(&str, Vec<u8>, Vec<Arg>)> = vec![
        (",", vec![], vec![]),
        (",i", (-5_i32).to_be_bytes().into(), vec![Arg::Int(-5)]),
        (",f", 1.5_f32.to_be_bytes().into(), vec![Arg::Float(1.5)]),
        (",s", padded("on"), vec![Arg::Str("on".into())]),
        (",s", padded(""), vec![Arg::Str(String::new())]),
        (",s", padded("four"), vec![Arg::Str("four".into())]),
        (",s", padded("größe"), vec![Arg::Str("größe".into())]),
        (",b", blob.into(), vec![Arg::Blob(vec![1, 2, 3, 4, 5])]),
        (",b", vec![0; 4], vec![Arg::Blob(vec![])]),
        (",h", i64::MIN.to_be_bytes().into(), vec![Arg::Long(i64::MIN)]),
        (",d", 0.25_f64.to_be_bytes().into(), vec![Arg::Double(0.25)]),
        (",t", 0x1234_5678_9abc_def0_u64.to_be_bytes().into(), vec![Arg::Time(0x1234_5678_9abc_def0)]),
        (",TFNI", vec![], vec![Arg::Bool(true), Arg::Bool(false), Arg::Nil, Arg::Impulse]),
        (
            ",crm",
            [0, 0, 0, 65, 1, 2, 3, 4, 5, 6, 7, 8].into(),
            vec![Arg::Other('c'), Arg::Other('r'), Arg::Other('m')],
        ),
        (",[ii]f", vec![0; 12], vec![Arg::Other('['), Arg::Float(0.0)]),
    ];
    for (tags, bytes, expected) in cases {
        assert_eq!(one(&raw("/a", tags, &bytes)), Message::new("/a", expected), "{tags}");
    }
}

#[test]
fn messages_without_type_tags_are_taken() {
    for address in ["/xremote", "/abc", "/rack/eq/band1/gain"] {
        assert_eq!(one(&padded(address)), Message::new(address, vec![]));
        assert_eq!(one(&raw(address, "", &[])), Message::new(address, vec![]), "an empty tag string");
    }
    let packet = decode(&bundle(1, &[padded("/undo"), raw("/a", ",i", &[0, 0, 0, 1])])).expect("in a bundle");
    assert_eq!(packet.messages, [Message::new("/undo", vec![]), Message::new("/a", vec![Arg::Int(1)])]);
}

#[test]
fn nested_bundles_are_flattened_in_order_under_the_outermost_time() {
    let m = |n: i32| raw("/n", ",i", &n.to_be_bytes());
    let inner = bundle(99, &[m(2), bundle(7, &[m(3), bundle(1, &[])]), m(4)]);
    let packet = decode(&bundle(42, &[m(1), inner, m(5), bundle(1, &[]), m(6)])).expect("decodes");
    let numbers: Vec<_> = packet.messages.iter().map(|m| m.args[0].number()).collect();
    assert_eq!(numbers, (1..=6).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    assert_eq!(packet.time, Some(42));
    assert_eq!(decode(&nested(8)).map(|p| (p.messages.len(), p.time)), Ok((0, Some(1))), "eight levels");
}

#[test]
fn numbers_that_are_none_are_flagged() {
    for bits in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let arg = one(&raw("/a", ",f", &bits.to_be_bytes())).args.remove(0);
        assert!(matches!(arg, Arg::Float(_)));
        assert_eq!(arg.number(), None, "{bits}");
        let arg = one(&raw("/a", ",d", &f64::from(bits).to_be_bytes())).args.remove(0);
        assert_eq!(arg.number(), None, "{bits}");
    }
    assert_eq!(Arg::Float(0.5).number(), Some(0.5));
    assert_eq!(Arg::Bool(true).number(), None, "a switch is no number");
}

#[test]
fn feedback_is_of_four_types() {
    let all = vec![
        Arg::Int(7),
        Arg::Long(1 << 40),
        Arg::Float(-1.5),
        Arg::Double(0.5),
        Arg::Str("a\0b".into()),
        Arg::Blob(vec![9]),
        Arg::Bool(true),
        Arg::Nil,
        Arg::Impulse,
        Arg::Time(1),
        Arg::Other('m'),
    ];
    let message = Message::new("/m", all);
    let sent = |b| one(&encode(&message, b)).args;
    let mut expected = vec![
        Arg::Int(7),
        Arg::Int(i32::MAX),
        Arg::Float(-1.5),
        Arg::Float(0.5),
        Arg::Str("a".into()),
        Arg::Blob(vec![9]),
        Arg::Int(1),
    ];
    assert_eq!(sent(Booleans::Integers), expected);
    expected[6] = Arg::Bool(true);
    assert_eq!(sent(Booleans::Tags), expected);
    let both = [Message::new("/a", vec![]), Message::new("/b", vec![Arg::Bool(false)])];
    let packet = decode(&encode_bundle(&both, 0x0102_0304_0506_0708, Booleans::Integers)).expect("decodes");
    assert_eq!(packet.time, Some(0x0102_0304_0506_0708));
    assert_eq!(packet.messages[1].args, [Arg::Int(0)]);
}

#[test]
fn the_bytes_of_feedback_are_those_of_the_specification() {
    let message = Message::new("/oscillator/4/frequency", vec![Arg::Float(440.0)]);
    let expected = b"/oscillator/4/frequency\0,f\0\0\x43\xdc\0\0";
    assert_eq!(encode(&message, Booleans::Integers), expected);
    let message = Message::new(
        "/foo",
        vec![Arg::Int(1000), Arg::Int(-1), Arg::Str("hello".into()), Arg::Float(1.234), Arg::Float(5.678)],
    );
    let expected =
        b"/foo\0\0\0\0,iisff\0\0\0\0\x03\xe8\xff\xff\xff\xffhello\0\0\0\x3f\x9d\xf3\xb6\x40\xb5\xb2\x2d";
    assert_eq!(encode(&message, Booleans::Integers), expected);
}

#[test]
fn time_tags_are_relative_and_late_ones_are_now() {
    let second = 1_u64 << 32;
    let now = 0xee00_0000 * second;
    for tag in [None, Some(0), Some(1), Some(now), Some(now - 3600 * second)] {
        assert_eq!(due(tag, now), Ok(Due::Now), "{tag:?}");
    }
    assert_eq!(due(Some(now + second / 2), now), Ok(Due::In(Duration::from_millis(500))));
    assert_eq!(due(Some(now + 10 * second), now), Ok(Due::In(Duration::from_secs(10))));
    assert_eq!(due(Some(2 * second), 0_u64.wrapping_sub(second)), Ok(Due::In(Duration::from_secs(3))), "era");
}

/// Captured from `oscsend`.
#[test]
fn packets_of_liblo_decode() {
    let s = |t: &str| Arg::Str(t.into());
    let bytes = b"/snapshot/recall\0\0\0\0,sf\0Verse 2\0@ \0\0";
    assert_eq!(one(bytes), Message::new("/snapshot/recall", vec![s("Verse 2"), Arg::Float(2.5)]));
    let bytes = b"/subscribe\0\0,sii\0\0\0\0/meter\0\0\0\0\0\x14\0\0#(";
    assert_eq!(one(bytes), Message::new("/subscribe", vec![s("/meter"), Arg::Int(20), Arg::Int(9000)]));
    let bytes = b"/x\0\0,ihdfsTFNIcmS\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02?\xe0\0\0\0\0\0\0?\xc0\0\0text\0\0\0\0\0\0\0a\x01\x02\x03\x04sym\0";
    let flat = vec![
        Arg::Int(1),
        Arg::Long(2),
        Arg::Double(0.5),
        Arg::Float(1.5),
        s("text"),
        Arg::Bool(true),
        Arg::Bool(false),
        Arg::Nil,
        Arg::Impulse,
        Arg::Other('c'),
        Arg::Other('m'),
        s("sym"),
    ];
    assert_eq!(one(bytes), Message::new("/x", flat));
}
