// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mutated packets: never a panic, never much time, and what is taken can be acted upon.

use std::time::{Duration, Instant};

use super::super::codec::{Booleans, decode, encode};
use super::super::matcher::Pattern;
use super::super::reply;
use super::super::request::requests;
use super::{Random, bundle, nested, padded, raw};

const PACKETS: usize = 500_000;

fn seeds() -> Vec<Vec<u8>> {
    let float = 1.5_f32.to_be_bytes();
    let recall = [padded("Verse 2"), float.to_vec()].concat();
    let messages = vec![
        raw("/rack/eq/band1/gain", ",f", &float),
        raw("/rack/{eq,air}//[a-g]*/norm", ",d", &0.5_f64.to_be_bytes()),
        raw("/rack/eq/band1/gain/text", ",s", &padded("-1.5 dB")),
        raw("/snapshot/recall", ",sf", &recall),
        raw("/subscribe", ",sii", &[padded("/meter/out"), vec![0, 0, 0, 20, 0, 0, 0x1f, 0x90]].concat()),
        raw("/a", ",ihfdsbtcrmTFNI[i]", &[0; 56]),
        raw("/meter/out/true_peak", ",", &[]),
        padded("/xremote"),
    ];
    let mut all = messages.clone();
    all.push(bundle(1, &messages));
    all.push(bundle(
        1 << 40,
        &[bundle(1, &messages[..3]), messages[3].clone(), bundle(1, &[bundle(1, &messages[4..])])],
    ));
    all.push(nested(12));
    all
}

fn mutate(packet: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const BYTES: [u8; 16] = *b"\0\x01\x7f\x80\xff/*?[]{},#sb";
    for _ in 0..=random.below(3) {
        let at = random.below(packet.len());
        match random.below(12) {
            0..4 if at < packet.len() => packet[at] ^= 1 << random.below(8),
            4..7 if at < packet.len() => packet[at] = BYTES[random.below(BYTES.len())],
            7 => packet.truncate(at & !3),
            8 => packet.extend_from_within(at..),
            9 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len()) & !3;
                let at = at & !3;
                packet.splice(at..at, other[from..].iter().copied());
            }
            10 => drop(packet.drain(at & !3..(at & !3).saturating_add(4).min(packet.len()))),
            _ => packet.extend(std::iter::repeat_n(BYTES[random.below(BYTES.len())], random.below(9))),
        }
    }
    packet.truncate(70_000);
}

#[test]
fn mutated_packets_never_panic_nor_take_long() {
    let seeds = seeds();
    let mut random = Random(7_700);
    let (mut taken, mut asked, mut refused, mut slowest) = (0, 0, 0, Duration::ZERO);
    let mut packet = Vec::new();
    for n in 0..PACKETS {
        if n % 2 == 0 || packet.len() > 4_096 {
            packet.clone_from(&seeds[random.below(seeds.len())]);
        }
        mutate(&mut packet, &seeds, &mut random);
        let start = Instant::now();
        let Ok(decoded) = decode(&packet) else { continue };
        taken += 1;
        for message in &decoded.messages {
            match requests(message) {
                Ok(all) => asked += all.len(),
                Err(error) => {
                    refused += 1;
                    assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
                    let answer = encode(&reply::error(&error), Booleans::Integers);
                    assert!(decode(&answer).is_ok(), "{error}");
                }
            }
        }
        slowest = slowest.max(start.elapsed());
    }
    println!("{PACKETS} packets: {taken} decoded, {asked} requests, {refused} refused, slowest {slowest:?}");
    assert!(taken > PACKETS / 20 && asked > 1_000 && refused > 1_000, "{taken} {asked} {refused}");
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(1);
    for _ in 0..50_000 {
        let mut packet: Vec<u8> = (0..random.below(64)).flat_map(|_| random.next().to_be_bytes()).collect();
        if random.below(2) == 0 && packet.len() >= 16 {
            packet[..8].copy_from_slice(b"#bundle\0");
        }
        drop(decode(&packet));
    }
}

#[test]
fn random_text_as_pattern_never_panics() {
    let mut random = Random(2);
    let pieces =
        ["/", "//", "*", "**", "?", "[", "]", "{", "}", ",", "-", "!", "a", "z", "é", "\u{0}", "😀", "a-z"];
    for _ in 0..200_000 {
        let text: String = (0..random.below(40)).map(|_| pieces[random.below(pieces.len())]).collect();
        for pattern in [Pattern::parse(&format!("/{text}")), Pattern::glob(&text)].into_iter().flatten() {
            pattern.matches("/rack/eq/band1/gain");
            pattern.matches(&text);
            pattern.may_begin_with("rack");
        }
    }
}

#[test]
fn the_dearest_well_formed_packets_are_cheap() {
    let dear = [
        ("1,023 gets", bundle(1, &vec![raw("/rack/eq/band1/gain", ",", &[]); 1_023])),
        ("1,023 sets", bundle(1, &vec![raw("/rack/eq/band1/gain", ",f", &[0; 4]); 1_023])),
        ("4,096 arguments", bundle(1, &vec![raw("/a", &format!(",{}", "T".repeat(64)), &[]); 64])),
        ("a blob", raw("/a", ",b", &[vec![0, 0, 0xf0, 0], vec![0; 0xf000]].concat())),
        ("1,023 unknown", bundle(1, &vec![raw("/statsu", ",", &[]); 1_023])),
    ];
    for (what, packet) in dear {
        let mut best = Duration::MAX;
        for _ in 0..20 {
            let start = Instant::now();
            let decoded = decode(&packet).expect(what);
            decoded.messages.iter().for_each(|m| drop(requests(m)));
            best = best.min(start.elapsed());
        }
        println!("{what}: {} bytes in {best:?}", packet.len());
        assert!(best < Duration::from_millis(20), "{what}: {best:?}");
    }
}
