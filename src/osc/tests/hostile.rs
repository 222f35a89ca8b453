// SPDX-License-Identifier: MIT OR Apache-2.0
//! Malformed and malicious packets, each by name. Refused with a reason, in little time.

use std::time::{Duration, Instant};

use super::super::codec::{Arg, Message, decode};
use super::super::error::{MAX_SHOWN, OscError, escaped};
use super::super::precheck::{MAX_ELEMENTS, MAX_PACKET};
use super::super::request::{Code, OscRequest, requests};
use super::super::time::{MAX_AHEAD, due};
use super::{bundle, nested, padded, raw};

fn refusal(bytes: &[u8]) -> OscError {
    decode(bytes).expect_err("is refused")
}

#[test]
fn the_64_kb_packet_of_3200_nested_bundles() {
    let packet = nested(3_275);
    assert!(packet.len() > 65_000 && packet.len() <= 65_507, "as one datagram");
    // A thread of 64 kB: any recursion over the levels would end the process.
    let thread = std::thread::Builder::new().stack_size(64 << 10);
    let error = thread.spawn(move || refusal(&packet)).expect("a thread").join().expect("no overflow");
    assert_eq!(error, OscError::TooDeep { at: 160 });
    assert_eq!(refusal(&nested(9)), OscError::TooDeep { at: 160 });
}

#[test]
fn nested_arrays_deeper_than_eight() {
    let tags = |n: usize| format!(",{}{}", "[".repeat(n), "]".repeat(n));
    assert!(decode(&raw("/a", &tags(8), &[])).is_ok());
    assert_eq!(refusal(&raw("/a", &tags(9), &[])), OscError::Brackets { at: 4 });
    assert!(matches!(refusal(&raw("/a", &tags(30_000), &[])), OscError::TooManyArgs { .. }));
    for tags in [",[", ",]", ",][", ",[[]"] {
        assert_eq!(refusal(&raw("/a", tags, &[])), OscError::Brackets { at: 4 }, "{tags}");
    }
}

#[test]
fn every_truncation_of_a_packet() {
    let message = raw(
        "/rack/eq/gain",
        ",isb",
        &[[0, 0, 0, 1].to_vec(), padded("on"), vec![0, 0, 0, 4, 1, 2, 3, 4]].concat(),
    );
    let length = message.len();
    let whole = bundle(1, &[message.clone(), bundle(1, &[message])]);
    assert!(decode(&whole).is_ok());
    // A bundle that ends between two elements is a shorter bundle, not a broken one.
    let second = 16 + 4 + length;
    for cut in (0..whole.len()).filter(|&cut| cut != 16 && cut != second) {
        assert!(decode(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
    }
}

#[test]
fn wrong_padding() {
    assert_eq!(refusal(b"/a\0x"), OscError::Padding { what: "an address", at: 0 });
    assert_eq!(refusal(b"/a\0\0,\0\0x"), OscError::Padding { what: "a type tag string", at: 4 });
    let error = refusal(&raw("/a", ",s", b"on\0x"));
    assert_eq!(error, OscError::Padding { what: "a string argument", at: 8 });
    let error = refusal(&raw("/a", ",b", &[0, 0, 0, 1, 9, 0, 9, 0]));
    assert_eq!(error, OscError::Padding { what: "a blob", at: 8 });
    assert_eq!(refusal(b"/a\0"), OscError::Unaligned { at: 0, size: 3 });
}

#[test]
fn unterminated_strings() {
    assert_eq!(refusal(b"/abc"), OscError::Unterminated { what: "an address", at: 0 });
    assert_eq!(refusal(b"/a\0\0,iii"), OscError::Unterminated { what: "a type tag string", at: 4 });
    assert_eq!(
        refusal(&raw("/a", ",s", b"full")),
        OscError::Unterminated { what: "a string argument", at: 8 }
    );
    // Terminated only beyond its own element.
    let error = refusal(&bundle(1, &[b"/abc".to_vec(), padded("/d")]));
    assert_eq!(error, OscError::Unterminated { what: "an address", at: 20 });
}

#[test]
fn negative_and_wrong_sizes() {
    let sized = |size: i32| [bundle(1, &[]), size.to_be_bytes().to_vec(), padded("/undo")].concat();
    for size in [-1, i32::MIN, -8, 0, 12, i32::MAX] {
        assert!(matches!(refusal(&sized(size)), OscError::ElementSize { .. }), "{size}");
    }
    assert_eq!(refusal(&sized(6)), OscError::Unaligned { at: 20, size: 6 });
    for size in [-1_i32, i32::MIN, 5, i32::MAX] {
        let error = refusal(&raw("/a", ",b", &[size.to_be_bytes().to_vec(), vec![0; 4]].concat()));
        assert!(matches!(error, OscError::BlobSize { .. }), "{size}: {error}");
    }
    // An inner bundle's element that reaches beyond the inner bundle.
    let mut packet = bundle(1, &[bundle(1, &[padded("/undo")]), padded("/redo")]);
    packet[39] = 12;
    assert!(matches!(refusal(&packet), OscError::ElementSize { at: 36, .. }));
}

#[test]
fn type_tags_that_lie() {
    for tags in [",i", ",f", ",h", ",d", ",t", ",s", ",b", ",c", ",r", ",m", ",ii", ",Ti"] {
        assert!(decode(&raw("/a", tags, &[])).is_err(), "{tags} without bytes");
    }
    assert_eq!(refusal(&raw("/a", ",x", &[0; 4])), OscError::UnknownTag { at: 4, tag: 'x' });
    assert_eq!(refusal(&raw("/a", "i", &[0; 4])), OscError::NoTags { at: 4 });
    assert_eq!(refusal(&raw("/a", ",T", &[0; 4])), OscError::LeftOver { at: 8, left: 4 });
    assert_eq!(refusal(&raw("/a", ",c", &[0xff; 4])), OscError::NotAChar { at: 8 });
    assert!(!refusal(&raw("/a", ",\u{1b}", &[])).to_string().contains('\u{1b}'));
}

#[test]
fn neither_message_nor_bundle() {
    assert_eq!(refusal(b""), OscError::Empty);
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"#bundlX\0", b"\0\0\0\0", b"\xff\xff\xff\xff"] {
        assert!(matches!(refusal(bytes), OscError::NotOsc { at: 0 }), "{bytes:?}");
    }
    assert!(matches!(refusal(b"#bundle\0\0\0\0\0"), OscError::Truncated { .. }));
    assert_eq!(refusal(b"/\xff\xfe\0"), OscError::Utf8 { what: "an address", at: 0 });
    assert_eq!(refusal(&vec![b'/'; MAX_PACKET + 4]), OscError::TooLong(MAX_PACKET + 4));
}

#[test]
fn more_messages_than_allowed() {
    let packet = |n: usize| bundle(1, &vec![padded("/undo"); n]);
    assert_eq!(decode(&packet(MAX_ELEMENTS - 1)).map(|p| p.messages.len()), Ok(MAX_ELEMENTS - 1));
    assert_eq!(refusal(&packet(MAX_ELEMENTS)), OscError::TooMany);
    assert_eq!(refusal(&bundle(1, &vec![bundle(1, &[]); 3_000])), OscError::TooMany);
}

#[test]
fn more_arguments_than_allowed() {
    let message = |n: usize| raw("/a", &format!(",{}", "T".repeat(n)), &[]);
    assert!(decode(&bundle(1, &vec![message(64); 64])).is_ok());
    assert_eq!(refusal(&message(65)), OscError::TooManyArgs { at: 4 });
    assert_eq!(refusal(&bundle(1, &vec![message(64); 65])), OscError::TooManyArgsInAll);
}

#[test]
fn giant_strings() {
    let giant = "a".repeat(65_000);
    let message = decode(&padded(&format!("/{giant}"))).expect("well formed").messages.remove(0);
    let refused = requests(&message).expect_err("too long");
    assert_eq!(refused.code, Code::Address);
    assert!(refused.address.chars().count() <= MAX_SHOWN + 1 && refused.text.len() < 200);
    let message =
        decode(&raw("/snapshot/store", ",s", &padded(&giant))).expect("well formed").messages.remove(0);
    let refused = requests(&message).expect_err("too long");
    assert!(refused.code == Code::Value && refused.text.len() < 300, "{refused}");
}

#[test]
fn wildcard_bombs_in_one_packet() {
    for bomb in
        ["/rack/*a*a*a*a*a*a*a*a*a*a*a*b", "/rack/{a,a,a,a,a,a}{a,a,a,a,a}*b", "////////////*//*//*//*"]
    {
        let packet = bundle(1, &vec![raw(bomb, ",", &[]); 1_000]);
        let start = Instant::now();
        let mut asked = 0;
        for message in &decode(&packet).expect("well formed").messages {
            asked += requests(message).expect("a pattern").len();
        }
        let time = start.elapsed();
        assert!(asked >= 1_000 && time < Duration::from_millis(200), "{bomb}: {asked} in {time:?}");
    }
}

#[test]
fn far_future_time_tags() {
    let now = 0xee00_0000_u64 << 32;
    for ahead in [(MAX_AHEAD.as_secs() << 32) + 8, 60 << 32, 86_400 << 32, i64::MAX as u64] {
        let error = due(Some(now.wrapping_add(ahead)), now).expect_err("too far");
        assert!(error.to_string().contains("up to 10 s ahead"), "{error}");
    }
}

#[test]
fn path_tricks_are_names_or_nothing() {
    for address in [
        "/rack/../../etc/passwd",
        "/rack/eq/../gain",
        "/rack/./eq",
        "/rack/eq\\..\\x",
        "/meter/../in/peak",
        "/rack/%2e%2e/x",
    ] {
        let refused = requests(&Message::new(address, vec![])).expect_err(address);
        assert_eq!(refused.code, Code::Address, "{refused}");
    }
    let store = |name: &str| requests(&Message::new("/snapshot/store", vec![Arg::Str(name.into())]));
    // A name like a path is a name like any other: files have names of their own.
    let name = "../../etc/passwd".to_string();
    assert_eq!(store(&name), Ok(vec![OscRequest::SnapshotStore { name }]));
    for bad in ["", " ", "a\nb", "\u{1b}[2J", "a\u{202e}b", &"x".repeat(97)] {
        assert_eq!(store(bad).map_err(|r| r.code), Err(Code::Value), "{bad:?}");
    }
    assert!(store(&"ü".repeat(96)).is_ok() && store("Mix 3 👩‍🎤").is_ok());
}

#[test]
fn control_characters_stay_out_of_logs() {
    assert_eq!(escaped("eq/\u{1b}[31m\n\u{202e}x"), "eq/\\u{1b}[31m\\n\\u{202e}x");
    assert_eq!(escaped("größe 🎚"), "größe 🎚");
    let refused = requests(&Message::new("/\u{1b}]0;x\u{7}", vec![])).expect_err("nothing");
    assert!(!refused.to_string().chars().any(char::is_control), "{refused}");
}
