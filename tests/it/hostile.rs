// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hostile OSC packets of every kind against a daemon that plays: it answers a probe after each kind, its
//! settings stay, and not one sample is another.

use std::path::Path;
use std::time::{Duration, Instant};

use lathed::osc::{Arg, Booleans, encode, encode_bundle};

use super::clients::Clients;
use super::jack::noise;
use super::jackd::Jackd;
use super::lathed::Lathed;
use super::music::rendered;
use super::osc::{Peer, message, tag, text};
use super::remote::{Remote, from_env, reachable};

/// SplitMix64: small, seeded.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

/// A control that the rack has, and the packet that sets it, which must not come through whole.
const CONTROL: &str = "/rack/eq/band1/gain";

fn set(value: f32) -> Vec<u8> {
    encode(&message(CONTROL, &[Arg::Float(value)]), Booleans::Tags)
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize((bytes.len() + 4) & !3, 0);
    out
}

/// Bundles within bundles, with true sizes.
fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(levels * 20);
    for level in 0..levels {
        bytes.extend(b"#bundle\0\0\0\0\0\0\0\0\x01");
        if level + 1 < levels {
            bytes.extend(((levels - level - 1) as u32 * 20 - 4).to_be_bytes());
        }
    }
    bytes
}

type Make = fn(&mut Random) -> Vec<u8>;

/// Every kind, with a maker of packets of it.
const KINDS: [(&str, Make); 13] = [
    ("malformed", |r| {
        let n = r.below(1500);
        r.bytes(n)
    }),
    ("floods", |r| {
        let address = ["/ping", "/status", "/rack/eq/*", "/meter//*", "/hello", "/sync"][r.below(6)];
        encode(&message(address, &[]), Booleans::Tags)
    }),
    ("deep nest", |r| nested(9 + r.below(3200))),
    ("wildcard bombs", |r| {
        let part = ["{a,b,c}*", "[a-z]*", "*?*", "{,a,aa}", "**"][r.below(5)];
        let args = if r.below(2) == 0 { vec![Arg::Float(99.0)] } else { Vec::new() };
        encode(&message(&format!("/rack/{}x", part.repeat(1 + r.below(24))), &args), Booleans::Tags)
    }),
    ("giant strings", |r| {
        let long = "a".repeat(1000 + r.below(59_000));
        let all = [
            message(&format!("/{long}"), &[]),
            message(CONTROL, &[text(&long)]),
            message(&format!("{CONTROL}/text"), &[text(&long)]),
            message("/snapshot/recall", &[text(&long)]),
        ];
        encode(&all[r.below(4)], Booleans::Tags)
    }),
    ("far-future time tags", |r| {
        let ahead = Duration::from_secs(11 + r.below(1 << 20) as u64);
        encode_bundle(&[message(CONTROL, &[Arg::Float(9.0)])], tag(ahead), Booleans::Tags)
    }),
    ("path tricks", |r| {
        let name = ["../../etc/passwd", "/etc/shadow", "..", "a/../../b", "%2e%2e%2f", "C:\\x", "\\\\h\\s"];
        let name = name[r.below(7)];
        let all = [
            message("/snapshot/recall", &[text(name)]),
            message("/snapshot/delete", &[text(name)]),
            message(&format!("/rack/{name}"), &[Arg::Float(9.0)]),
            message(&format!("/meter/{name}/momentary"), &[]),
        ];
        encode(&all[r.below(4)], Booleans::Tags)
    }),
    ("no type tags", |r| {
        // Alone it is a question; with arguments it is nothing.
        let mut bytes = padded(CONTROL.as_bytes());
        if r.below(2) == 0 {
            bytes.extend(9.0_f32.to_be_bytes());
        }
        bytes
    }),
    ("truncated", |r| {
        let whole = encode_bundle(&[message(CONTROL, &[Arg::Float(9.0), text("x")])], 1, Booleans::Tags);
        whole[..r.below(whole.len())].to_vec()
    }),
    ("wrong padding", |r| {
        let mut bytes = set(9.0);
        let zero = CONTROL.len();
        match r.below(3) {
            0 => bytes[zero] = b'x',
            1 => bytes.push(0),
            _ => drop(bytes.remove(zero)),
        }
        bytes
    }),
    ("not UTF-8", |r| {
        let mut bytes = encode(&message("/rack/eq/band1/gain/text", &[text("xxxxxxx")]), Booleans::Tags);
        let at = if r.below(2) == 0 { 7 } else { bytes.len() - 6 };
        bytes[at] = 0xc0 | (r.next() as u8 & 0x3f);
        bytes
    }),
    ("not a number", |r| {
        let bits = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0x7f7f_ffff];
        let value = Arg::Float(f32::from_bits(bits[r.below(6)]));
        let address = [CONTROL.to_string(), format!("{CONTROL}/norm"), "/rack//gain".into()];
        encode(&message(&address[r.below(3)], &[value]), Booleans::Tags)
    }),
    ("broken sets", |r| {
        // A packet with one bit turned over in its head.
        // What it may come to be is another control, so the value is one that none of them takes.
        let mut bytes = set(1e9);
        let at = r.below(bytes.len() - 8);
        bytes[at] ^= 1 << r.below(8);
        bytes
    }),
];

/// The time to the pong of a probe from an address of its own.
fn probe(peer: &Peer) -> Duration {
    let asked = Instant::now();
    peer.until_pong();
    asked.elapsed()
}

/// Packets of one recording.
const AT_ONCE: usize = 300_000;

#[test]
fn the_sound_is_the_same_to_the_bit_under_hostile_packets() {
    let (count, seed) = (from_env("LATHE_PACKETS", 20_000) as usize, from_env("LATHE_SEED", 1));
    for (n, from) in (0..count).step_by(AT_ONCE).enumerate() {
        under_fire((count - from).min(AT_ONCE), seed.wrapping_add(n as u64));
    }
}

fn under_fire(count: usize, seed: u64) {
    let rack = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/racks/stereo-master.toml");
    let a_kind = count.div_ceil(KINDS.len());
    // Sent at 8,000 a second at most.
    let seconds = 4.0 + count as f64 / 4_000.0;
    let input = noise(2, (seconds * 48_000.0) as usize / 64 * 64, 19);
    let expected = rendered(&rack, 48_000, &input);
    let server = Jackd::start(48_000, 256);
    for run in 1..=6 {
        let mut daemon = Lathed::on(&server, &reachable(&["--rack", rack.to_str().unwrap()]));
        let remote = Remote::of(&daemon);
        let before = remote.status().revision;
        let origin = daemon.origin().expect("the log names the origin");
        let playing = Clients::start(&server, "lathe", &["L", "R"], &input, 16_384, origin.jack_frame);
        playing.wait_started();
        let (asker, mut r) = (remote.peer(), Random(seed));
        let (begun, mut sent, mut worst) = (Instant::now(), 0_u32, (Duration::ZERO, ""));
        for (kind, make) in KINDS {
            let hostile = remote.peer();
            let mut during = Duration::ZERO;
            for n in 0..a_kind {
                let packet = make(&mut r);
                // What does not fit into a datagram is refused by the kernel already.
                sent += u32::from(hostile.socket.send_to(&packet, hostile.to).is_ok());
                if n % 8 == 7 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                if n % 400 == 200 {
                    during = during.max(probe(&asker));
                }
            }
            let after = probe(&asker);
            println!("{kind}: probe during {during:?}, after {after:?}");
            worst = worst.max((during.max(after), kind));
            assert!(daemon.is_running());
        }
        println!("{sent} packets in {:?}; slowest probe {:?} ({})", begun.elapsed(), worst.0, worst.1);
        assert!(worst.0 < Duration::from_secs(1), "{worst:?}");
        assert_eq!(remote.status().revision, before, "nothing was set");
        let live = playing.finish();
        let shift = live.reported.0 as usize;
        let differ: usize = (0..2)
            .map(|c| {
                let (a, b) = (&live.audio[c][shift..][..expected[c].len()], &expected[c]);
                a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
            })
            .sum();
        let heard = live.audio.iter().flatten().filter(|x| **x != 0.0).count();
        if differ == 0 {
            assert!(heard > input[0].len());
            println!("{} samples equal to a render, {heard} not zero, run {run}", 2 * input[0].len());
            return;
        }
        let told = Instant::now();
        while !live.disturbed && daemon.xruns() == 0 {
            assert!(told.elapsed() < Duration::from_millis(1500), "{differ} samples differ without an xrun");
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("run {run}: {differ} samples differ, with an xrun; again");
    }
    panic!("six runs in a row had xruns");
}
