// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the OSC server withstands, and what it refuses: leases, hostile packets, roles, amplification.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lathed::osc::policy::{Allow, Ledger, Nonces, Role, standing};
use lathed::osc::ports::Refusal;
use lathed::osc::request::Code;
use lathed::osc::stats::Loss;
use lathed::osc::{Arg, BindError, Booleans, OscSettings, Target, bind, encode, encode_bundle};

use super::osc::{Rig, message, tag, text};

#[test]
fn a_lease_ends_and_who_returns_gets_the_full_state() {
    let lease = Duration::from_millis(400);
    let rig = Rig::start(OscSettings { lease, ..OscSettings::default() });
    let (a, b) = (rig.peer(), rig.peer());
    let state = a.listen("/rack/gain");
    assert!(state.len() > 4);
    for _ in 0..4 {
        std::thread::sleep(lease / 2);
        assert_eq!(a.until_pong(), [], "any message renews");
    }
    b.send("/rack/gain/trim", &[Arg::Float(-1.0)]);
    assert_eq!(a.all(lease / 2).len(), 2);
    std::thread::sleep(lease);
    b.send("/rack/gain/trim", &[Arg::Float(-2.0)]);
    assert_eq!(a.all(lease / 2), [], "the lease is over");
    assert_eq!(rig.server.stats().clients(), 0);
    let again = a.listen("/rack/gain");
    assert_eq!(again.len(), state.len());
    assert!(again.contains(&message("/rack/gain/trim", &[Arg::Float(-2.0)])));
    rig.end();
}

#[test]
fn readings_come_at_their_rate_to_clients_and_fixed_receivers() {
    let fixed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let targets = vec![Target { addr: fixed.local_addr().unwrap(), hz: 20 }];
    let rig = Rig::start(OscSettings { targets, ..OscSettings::default() });
    let fixed = super::osc::Peer { socket: fixed, to: rig.server.address() };
    let a = rig.peer();
    a.send("/subscribe", &[text("/meter/out"), Arg::Int(50)]);
    let got = a.all(Duration::from_secs(1));
    let count = |all: &[lathed::osc::Message], a: &str| all.iter().filter(|m| m.address == a).count();
    let (momentary, others) = (count(&got, "/meter/out/momentary"), count(&got, "/meter/in/peak/L"));
    println!("{momentary} readings in a second at 50 Hz");
    assert!((40..=51).contains(&momentary) && others == 0);
    assert!(count(&got, "/rack/gain/trim") == 0);
    let told = fixed.all(Duration::from_millis(500));
    let reduction = message("/meter/comp/gain_reduction", &[Arg::Float(-200.0)]);
    assert!(told.contains(&reduction), "silence is -200");
    assert!(count(&told, "/rack/gain/trim") == 1, "the full state");
    assert_eq!(a.ask("/meter/in/*/L", &[]).iter().filter(|m| m.address == "/meter/in/peak/L").count(), 1);
    a.send("/unsubscribe", &[]);
    a.until_pong();
    assert_eq!(rig.meters.dropped().len(), 1);
    rig.end();
}

#[test]
fn sync_is_answered_when_all_before_is_audible() {
    let rig = Rig::start(OscSettings::default());
    let a = rig.peer();
    for n in 0..20 {
        a.send("/rack/gain/trim", &[Arg::Float(-(n as f32))]);
        let begin = Instant::now();
        a.send("/sync", &[Arg::Int(n)]);
        let got = a.all(Duration::from_millis(60));
        assert_eq!(got, [message("/synced", &[Arg::Int(n), Arg::Int(1)])], "after {:?}", begin.elapsed());
    }
    a.send("/status", &[Arg::Int(7)]);
    let status = a.until_pong();
    assert_eq!((status[0].address.as_str(), &status[0].args[0]), ("/status.reply", &Arg::Int(7)));
    assert_eq!(a.ask("/snapshot/store", &[text("Verse")]), []);
    assert_eq!(a.ask("/snapshot/list", &[]), [message("/snapshot/list", &[text("Verse")])]);
    rig.end();
}

/// At most 50,000 packets a second: what the kernel has no room for, no server can take.
fn breathe(n: u32) {
    if n.is_multiple_of(50) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_flood_is_told_at_30_hz_and_ends_on_its_last_value() {
    let rig = Rig::start(OscSettings::default());
    let (a, b) = (rig.peer(), rig.peer());
    b.listen("/rack/gain/trim");
    let begin = Instant::now();
    for n in 0..=20_000_u32 {
        a.send("/rack/gain/trim", &[Arg::Float(-(n as f32) / 1000.0)]);
        breathe(n);
    }
    let sent = begin.elapsed();
    let plain: Vec<_> =
        b.all(Duration::from_secs(1)).into_iter().filter(|m| m.address == "/rack/gain/trim").collect();
    let seconds = begin.elapsed().as_secs_f64();
    println!("20,001 sets sent in {sent:?}; told {} times in {seconds:.2} s", plain.len());
    assert!((plain.len() as f64) < 30.0 * seconds + 2.0);
    assert_eq!(plain.last(), Some(&message("/rack/gain/trim", &[Arg::Float(-20.0)])));
    assert_eq!(rig.value("gain/trim"), -20.0);
    rig.end();
}

#[test]
fn others_are_answered_during_a_flood_over_many_controls() {
    let rig = Rig::start(OscSettings::default());
    let (a, b) = (rig.peer(), rig.peer());
    let flood = std::thread::spawn(move || {
        for n in 0..20_000_u32 {
            let name = format!("/rack/eq/band{}/gain", 1 + n % 4);
            a.send(&name, &[Arg::Float((n % 97) as f32 / 10.0)]);
            breathe(n);
        }
        a.send("/rack/eq/band1/gain", &[Arg::Float(-5.0)]);
        a
    });
    let mut waits = Vec::new();
    while !flood.is_finished() || waits.len() < 200 {
        let asked = Instant::now();
        b.until_pong();
        waits.push(asked.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    let a = flood.join().unwrap();
    a.until_pong();
    waits.sort();
    let lost = rig.server.stats().dropped(Loss::Full) + rig.server.stats().dropped(Loss::Rate);
    println!("{} pings, p99 {:?}; {lost} lost", waits.len(), waits[waits.len() * 99 / 100]);
    println!("{} sets made of 20,001, {} came", rig.revision(), rig.server.stats().received());
    assert_eq!(rig.value("eq/band1/gain"), -5.0);
    rig.end();
}

/// Two programs of liblo, where they are installed.
#[test]
fn liblo_and_we_understand_each_other() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dump = Command::new("oscdump").arg("-L").arg(port.to_string()).stdout(Stdio::piped()).spawn();
    let Ok(mut dump) = dump else { return println!("oscdump is not installed") };
    std::thread::sleep(Duration::from_millis(200));
    let addr = SocketAddr::new(ip("127.0.0.1"), port);
    let rig = Rig::start(OscSettings { targets: vec![Target { addr, hz: 1 }], ..OscSettings::default() });
    let to = rig.server.address().port().to_string();
    for args in
        [["/rack/gain/trim", "f", "-3.5"], ["/rack/gain/polarity", "T", ""], ["/rack/eq/bypass", "i", "1"]]
    {
        let args = args.iter().filter(|a| !a.is_empty());
        assert!(Command::new("oscsend").args(["127.0.0.1", &to]).args(args).status().unwrap().success());
    }
    std::thread::sleep(Duration::from_millis(300));
    dump.kill().unwrap();
    let told = String::from_utf8(dump.wait_with_output().unwrap().stdout).unwrap();
    let has = |line: &str| told.lines().any(|l| l.contains(line));
    assert!(has("/rack/gain/trim f -3.5"), "{told}");
    assert!(has("/rack/gain/trim/text s \"-3.5 dB\"") && has("/rack/gain/polarity i 1"), "{told}");
    assert!(has("/rack/eq/bypass i 1") && has("/meter/out/momentary f -14.5"), "{told}");
    rig.end();
}

/// Packets of every wrong kind.
fn malformed(n: usize) -> Vec<u8> {
    let good =
        encode_bundle(&[message("/rack/gain/trim", &[Arg::Float(-3.0), text("x")])], 1, Booleans::Tags);
    let nested = || {
        (0..300).flat_map(|_| [b"#bundle\0\0\0\0\0\0\0\0\x01".as_slice(), &[0, 0, 16, 0]].concat()).collect()
    };
    match n % 12 {
        0 => Vec::new(),
        1 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        2 => good[..4 * (n / 12 % (good.len() / 4))].to_vec(),
        3 => good
            .iter()
            .enumerate()
            .map(|(i, b)| if i == n / 12 % good.len() { b ^ 0x55 } else { *b })
            .collect(),
        4 => nested(),
        5 => vec![0xff; 4 * (1 + n % 2000)],
        6 => encode(&message(&format!("/{}", "a".repeat(60_000)), &[]), Booleans::Tags),
        7 => {
            encode(&message(&format!("/rack/{}", "{a,b,c}*".repeat(20)), &[Arg::Float(1.0)]), Booleans::Tags)
        }
        8 => encode_bundle(
            &[message("/rack/gain/trim", &[Arg::Float(1.0)])],
            tag(Duration::from_secs(3600)),
            Booleans::Tags,
        ),
        9 => encode(&message("/snapshot/recall", &[text("../../etc/passwd")]), Booleans::Tags),
        10 => encode(&message("/rack/../gain", &[Arg::Float(1.0)]), Booleans::Tags),
        _ => b"/rack/gain/trim\0,f\0\0\x7f\xc0\0\0".to_vec(),
    }
}

#[test]
fn twenty_thousand_malformed_packets_and_then_a_probe() {
    let rig = Rig::start(OscSettings::default());
    let (bad, probe) = (rig.peer(), rig.peer());
    let before = rig.revision();
    let (begin, mut worst) = (Instant::now(), Duration::ZERO);
    for n in 0..20_000 {
        bad.raw(&malformed(n));
        if n % 500 == 0 {
            let asked = Instant::now();
            probe.until_pong();
            worst = worst.max(asked.elapsed());
        }
    }
    let asked = Instant::now();
    probe.until_pong();
    println!("sent in {:?}; probe during {worst:?}, after {:?}", begin.elapsed(), asked.elapsed());
    println!("malformed {}", rig.server.stats().dropped(Loss::Malformed));
    assert!(worst < Duration::from_millis(500));
    assert_eq!(rig.revision(), before, "nothing was set");
    // Most of a flood is lost in the socket; what was read is counted.
    assert!(rig.server.stats().dropped(Loss::Malformed) > 100);
    rig.end();
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn networks_have_roles_and_others_are_strangers() {
    let allow = |net: &str, role| Allow { net: net.parse().unwrap(), role };
    let list = [
        allow("192.168.0.0/16", Role::View),
        allow("192.168.7.0/24", Role::Operate),
        allow("203.0.113.0/24", Role::View),
    ];
    let role = |a: &str| standing(ip(a), &list).map(|s| (s.role, s.proved));
    assert_eq!(role("192.168.1.9"), Some((Role::View, true)));
    assert_eq!(role("192.168.7.9"), Some((Role::Operate, true)), "the narrowest decides");
    assert_eq!(role("::ffff:192.168.7.9"), Some((Role::Operate, true)));
    assert_eq!(role("203.0.113.5"), Some((Role::View, false)), "a public address can be forged");
    assert_eq!(role("127.0.0.1"), Some((Role::Admin, true)));
    assert_eq!((role("10.0.0.1"), role("fd00::1")), (None, None));
    let rig =
        Rig::start(OscSettings { allow: vec![allow("127.0.0.0/8", Role::View)], ..OscSettings::default() });
    let a = rig.peer();
    let refused = a.ask("/rack/gain/trim", &[Arg::Float(-3.0)]);
    assert!(matches!(&refused[..], [m] if m.args[1] == text("role")), "{refused:?}");
    assert_eq!(a.ask("/rack/gain/trim", &[]).len(), 1);
    assert_eq!(rig.value("gain/trim"), 0.0);
    rig.end();
}

#[test]
fn an_open_address_needs_a_list_and_a_taken_one_is_said_to_be() {
    let any: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let error = bind(any, &[]).unwrap_err();
    assert!(matches!(error, BindError::Exposed(_)) && error.to_string().contains("[[osc.allow]]"), "{error}");
    let list = [Allow { net: "10.0.0.0/8".parse().unwrap(), role: Role::View }];
    let first = bind(any, &list).unwrap();
    let taken = SocketAddr::new(ip("0.0.0.0"), first.local_addr().unwrap().port());
    assert!(matches!(bind(taken, &list), Err(BindError::Taken(_))));
}

#[test]
fn who_has_not_proved_its_address_gets_no_more_than_it_sent() {
    let (mut ledger, mut sent, mut got) = (Ledger::new(false), 0, 0);
    for n in 0..10_000_usize {
        let (asks, answer) = (4 * (1 + n % 40), 4 * (1 + n * 7 % 300));
        ledger.received(asks);
        sent += asks;
        got += if ledger.may_send(answer) { answer } else { 0 };
        assert!(got <= sent);
    }
    ledger.proved = true;
    assert!(ledger.may_send(1 << 20));
    let nonces = Nonces::default();
    let [a, b] = ["203.0.113.5:9000", "203.0.113.5:9001"].map(|a| a.parse::<SocketAddr>().unwrap());
    let nonce = nonces.of(a, 100);
    assert!(nonces.accepts(a, 100, nonce) && nonces.accepts(a, 170, nonce));
    assert!(!nonces.accepts(a, 300, nonce) && !nonces.accepts(b, 100, nonce));
}

#[test]
fn switches_come_as_tags_to_who_asks_for_them() {
    let rig = Rig::start(OscSettings::default());
    let (a, b) = (rig.peer(), rig.peer());
    // Taken in every form, from everyone.
    for (given, on) in [
        (Arg::Bool(true), 1.0),
        (Arg::Bool(false), 0.0),
        (Arg::Int(1), 1.0),
        (Arg::Float(0.0), 0.0),
        (Arg::Bool(true), 1.0),
    ] {
        assert_eq!(a.ask("/rack/gain/polarity", &[given]), []);
        assert_eq!(rig.value("gain/polarity"), on);
    }
    let asked = |p: &super::osc::Peer| p.ask("/rack/gain/polarity", &[])[0].args.clone();
    assert_eq!(asked(&a), [Arg::Int(1)]);
    assert_eq!(a.ask("/booleans", &[text("tags")]), []);
    assert_eq!((asked(&a), asked(&b)), (vec![Arg::Bool(true)], vec![Arg::Int(1)]));
    a.listen("/rack/gain/polarity");
    b.send("/rack/gain/polarity", &[Arg::Bool(false)]);
    let plain = |all: Vec<lathed::osc::Message>| -> Vec<Arg> {
        all.into_iter().filter(|m| m.address == "/rack/gain/polarity").flat_map(|m| m.args).collect()
    };
    assert_eq!(plain(a.all(Duration::from_millis(150))), [Arg::Bool(false)]);
    assert_eq!(a.ask("/booleans", &[text("integers")]), []);
    b.send("/rack/gain/polarity", &[Arg::Bool(true)]);
    assert_eq!(plain(a.all(Duration::from_millis(150))), [Arg::Int(1)]);
    let refused = a.ask("/booleans", &[Arg::Int(1)]);
    assert!(matches!(&refused[..], [m] if m.address == "/error" && m.args[1] == text("arguments")));
    rig.end();
}

/// Snapshots on a disk that takes its time.
struct Slow(std::sync::Mutex<Vec<String>>);

const SLOW: Duration = Duration::from_millis(400);

impl lathed::osc::ports::Snapshots for Slow {
    fn store(&self, name: &str, _: lathed::control::Client) -> Result<(), Refusal> {
        std::thread::sleep(SLOW);
        self.0.lock().unwrap().push(name.into());
        Ok(())
    }
    fn recall(&self, _: &str, _: f64, _: lathed::control::Client) -> Result<u64, Refusal> {
        std::thread::sleep(SLOW);
        Err((Code::Value, "not allowed".into()))
    }
    fn delete(&self, _: &str, _: lathed::control::Client) -> Result<(), Refusal> {
        Ok(())
    }
    fn list(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    fn current(&self) -> Option<(String, bool)> {
        self.0.lock().unwrap().last().map(|n| (n.clone(), false))
    }
}

#[test]
fn a_slow_disk_keeps_nobody_waiting() {
    let rig = Rig::with(OscSettings::default(), std::sync::Arc::new(Slow(Default::default())));
    let (a, b) = (rig.peer(), rig.peer());
    b.listen("/snapshot");
    let begun = Instant::now();
    a.send("/snapshot/store", &[text("Verse")]);
    a.send("/snapshot/list", &[]);
    a.send("/snapshot/recall", &[text("Verse")]);
    a.send("/sync", &[Arg::Int(5)]);
    let mut worst = Duration::ZERO;
    let mut came = Vec::new();
    while begun.elapsed() < SLOW / 2 {
        for peer in [&a, &b] {
            let asked = Instant::now();
            came.extend(peer.until_pong());
            worst = worst.max(asked.elapsed());
        }
    }
    println!("pings beside a store of {SLOW:?}: {worst:?} at most");
    assert!(worst < SLOW / 4 && came.is_empty(), "{worst:?} {came:?}");
    let told = a.all(3 * SLOW - begun.elapsed());
    let addresses: Vec<&str> = told.iter().map(|m| m.address.as_str()).collect();
    assert_eq!(addresses, ["/snapshot/list", "/error", "/synced"], "in order, and the sync after all of it");
    assert_eq!(told[0].args, [text("Verse")]);
    assert_eq!(told[1].args, [text("/snapshot/recall"), text("value"), text("not allowed")]);
    assert!(
        b.all(Duration::from_millis(50))
            .contains(&message("/snapshot/current", &[text("Verse"), Arg::Int(0)]))
    );
    // As many as may wait of one host, then a refusal.
    for n in 0..80 {
        a.send("/snapshot/store", &[text(&format!("{n}"))]);
    }
    let refused = a.until_pong();
    assert!((54..=57).contains(&refused.len()), "{}", refused.len());
    let said = |t: &str| t.contains("24 requests of this host wait");
    assert!(matches!(&refused[0].args[2], Arg::Str(t) if said(t)), "{refused:?}");
    std::mem::forget(rig); // slow stores are not waited for
}

/// A client on TCP, with the framing it begins with.
struct Wire {
    tcp: std::net::TcpStream,
    slip: bool,
}

impl Wire {
    fn to(rig: &Rig, slip: bool) -> Wire {
        let tcp = std::net::TcpStream::connect(rig.server.address()).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        Wire { tcp, slip }
    }

    fn send(&mut self, packet: &[u8]) {
        use std::io::Write as _;
        let framed = match self.slip {
            false => [&(packet.len() as u32).to_be_bytes(), packet].concat(),
            true => {
                let escape = |b: &u8| match *b {
                    0xc0 => vec![0xdb, 0xdc],
                    0xdb => vec![0xdb, 0xdd],
                    b => vec![b],
                };
                [vec![0xc0], packet.iter().flat_map(escape).collect(), vec![0xc0]].concat()
            }
        };
        self.tcp.write_all(&framed).unwrap();
    }

    fn message(&mut self, address: &str, args: &[Arg]) {
        self.send(&encode(&message(address, args), Booleans::Tags));
    }

    /// The next packet.
    fn next(&mut self) -> Vec<lathed::osc::Message> {
        use std::io::Read as _;
        let mut one = || {
            let mut b = [0];
            self.tcp.read_exact(&mut b).unwrap();
            b[0]
        };
        let mut packet = Vec::new();
        if self.slip {
            assert_eq!(one(), 0xc0);
            loop {
                match one() {
                    0xc0 => break,
                    0xdb => packet.push(if one() == 0xdc { 0xc0 } else { 0xdb }),
                    b => packet.push(b),
                }
            }
        } else {
            let length = u32::from_be_bytes([one(), one(), one(), one()]);
            packet.extend((0..length).map(|_| one()));
        }
        lathed::osc::decode(&packet).unwrap().messages
    }
}

#[test]
fn tcp_takes_both_framings_on_the_same_number() {
    let rig = Rig::start(OscSettings::default());
    let udp = rig.peer();
    for slip in [false, true] {
        let mut wire = Wire::to(&rig, slip);
        wire.message("/rack/gain/trim", &[Arg::Float(-7.0)]);
        wire.message("/rack/gain/trim", &[]);
        assert_eq!(wire.next(), [message("/rack/gain/trim", &[Arg::Float(-7.0)])], "SLIP: {slip}");
        wire.message("/ping", &[Arg::Int(0xc0db)]);
        assert_eq!(wire.next(), [message("/pong", &[Arg::Int(0xc0db)])]);
        wire.message("/rack/gain/trim", &[Arg::Float(700.0)]);
        assert!(matches!(&wire.next()[..], [m] if m.address == "/error"));
        wire.message("/subscribe", &[text("/rack/gain/polarity")]);
        wire.next();
        udp.send("/rack/gain/polarity", &[Arg::Bool(!slip)]);
        assert_eq!(wire.next()[0], message("/rack/gain/polarity", &[Arg::Int(i32::from(!slip))]));
        assert_eq!(rig.server.stats().clients(), 1);
        drop(wire);
        super::jackd::wait_for("its subscription to end", Duration::from_secs(2), || {
            (rig.server.stats().clients() == 0).then_some(())
        });
    }
    rig.end();
}

#[test]
fn tcp_clients_are_bounded_and_who_does_not_read_or_speak_osc_is_let_go() {
    use std::io::{Read as _, Write as _};
    let rig = Rig::start(OscSettings::default());
    let closed = |tcp: &mut std::net::TcpStream| {
        tcp.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut rest = Vec::new();
        // Closed, or reset with something of ours unread.
        let end = tcp.read_to_end(&mut rest);
        end.is_ok() || end.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset)
    };
    let mut web = std::net::TcpStream::connect(rig.server.address()).unwrap();
    web.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert!(closed(&mut web), "a browser is let go");
    // Who asks for everything and reads nothing.
    let mut stuck = Wire::to(&rig, false);
    stuck.tcp.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let question = encode(&message("/rack//*", &[]), Booleans::Tags);
    let framed = [&(question.len() as u32).to_be_bytes()[..], &question].concat();
    let (peer, begun, mut worst) = (rig.peer(), Instant::now(), Duration::ZERO);
    let mut sent = 0;
    while stuck.tcp.write_all(&framed).is_ok() && begun.elapsed() < Duration::from_secs(20) {
        sent += 1;
        if sent % 50 == 0 {
            let asked = Instant::now();
            peer.until_pong();
            worst = worst.max(asked.elapsed());
        }
    }
    println!("let go after {sent} questions in {:?}; others waited {worst:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20) && worst < Duration::from_millis(500));
    let mut wires: Vec<Wire> = (0..32).map(|_| Wire::to(&rig, true)).collect();
    for (n, wire) in wires.iter_mut().enumerate() {
        wire.message("/ping", &[Arg::Int(n as i32)]);
        assert_eq!(wire.next(), [message("/pong", &[Arg::Int(n as i32)])]);
    }
    let mut more = std::net::TcpStream::connect(rig.server.address()).unwrap();
    assert!(closed(&mut more), "the 33rd");
    rig.end();
}
