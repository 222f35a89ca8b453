// SPDX-License-Identifier: MIT OR Apache-2.0
//! Alarms of a running daemon: once when they begin and once when they end, the same over gRPC, OSC, log and metrics;
//! and wiring.

use std::time::Duration;

use lathed::grpc::v1;
use lathed::osc::{Arg, Message};

use super::files::Desk;
use super::lathed::{GAIN, Lathed};
use super::metrics::{scrape, value_of};
use super::music::write;
use super::osc::text;
use super::remote::{Remote, reachable};

const RATE: u32 = 48_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon that loops a file of a tone for 1.2 s and then silence for 1.5 s, left; right has the tone, then one value.
fn studio(desk: &Desk, settings: &str) -> Lathed {
    let (tone, rest) = (RATE as usize * 6 / 5, RATE as usize * 3 / 2);
    let sine = |n: usize| 0.25 * (n as f32 * 0.1).sin();
    let side = |after: f32| (0..tone + rest).map(|n| if n < tone { sine(n) } else { after }).collect();
    write(&desk.path("song.wav"), &[side(0.0), side(0.125)], RATE);
    std::fs::write(desk.path("lathed.toml"), settings).unwrap();
    let (config, song) = (desk.path("lathed.toml"), desk.path("song.wav"));
    let args = ["--config", config.to_str().unwrap(), "--input", song.to_str().unwrap(), "--rack", GAIN];
    Lathed::start(&reachable(&[&["--backend", "clock"], &args[..]].concat()))
}

/// The place, the channels, and whether it began.
fn told(e: &v1::WatchEventsResponse) -> Option<(v1::AlarmKind, String, Vec<String>, bool)> {
    let a = e.alarm.as_ref()?;
    Some((a.kind(), a.tap.clone(), a.channels.clone(), e.r#type() == v1::EventType::AlarmStarted))
}

fn seconds(e: &v1::WatchEventsResponse) -> f64 {
    let t = e.time.unwrap();
    t.seconds as f64 + f64::from(t.nanos) * 1e-9
}

#[test]
fn an_alarm_is_told_on_every_wire_when_it_begins_and_when_it_ends() {
    let desk = Desk::new();
    let daemon = studio(&desk, "[alarms]\nsilence_seconds = 0.8\nstuck_seconds = 0.5\ninverted = false\n");
    let remote = Remote::of(&daemon);
    let peer = remote.peer();
    peer.send("/subscribe", &[text("/alarm")]);
    let mut system = remote.system();
    let events: Vec<v1::WatchEventsResponse> = remote.runtime.block_on(async {
        let mut stream = system.watch_events(v1::WatchEventsRequest {}).await.unwrap().into_inner();
        let mut all = Vec::new();
        while all.iter().filter(|e: &&v1::WatchEventsResponse| e.alarm.is_some()).count() < 17 {
            all.push(tokio::time::timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap());
        }
        all
    });
    assert_eq!(events[0].r#type(), v1::EventType::State);
    // Of each place: on, off, on, off, and nothing twice.
    let all: Vec<_> = events.iter().filter_map(told).collect();
    for tap in ["in", "out"] {
        for (kind, channel) in [(v1::AlarmKind::Silence, "L"), (v1::AlarmKind::Stuck, "R")] {
            let of: Vec<bool> =
                all.iter().filter(|(k, t, ..)| (*k, t.as_str()) == (kind, tap)).map(|a| a.3).collect();
            assert!(of.len() >= 3 && of.windows(2).all(|w| w[0] != w[1]), "{kind:?} {tap}: {of:?}");
            let channels = all.iter().filter(|(k, ..)| *k == kind).map(|a| &a.2);
            assert!(channels.clone().all(|c| c == &[channel.to_string()]), "{all:?}");
        }
    }
    // Sound comes back, lasts 1.2 s, and then there are 0.8 s of silence.
    let of = |on| (v1::AlarmKind::Silence, "in".to_string(), vec!["L".to_string()], on);
    let over = events.iter().position(|e| told(e) == Some(of(false))).unwrap();
    let again = events[over..].iter().find(|e| told(e) == Some(of(true))).unwrap();
    let late = seconds(again) - seconds(&events[over]) - 2.0;
    println!("silence was told {:.0} ms beside its time: {}", late * 1e3, again.message);
    assert!(again.message == "in: L silent for 0.8 s, no sample above -60 dBFS" && again.count == 1);
    // The same over OSC: the last state, and every change.
    let heard: Vec<Message> = peer.all(Duration::from_millis(3_500));
    let changes: Vec<&Message> = heard.iter().filter(|m| m.address == "/alarm/in/silence/L").collect();
    assert!(changes.len() >= 4 && changes.iter().any(|m| m.args == [Arg::Int(1)]), "{heard:?}");
    assert!(changes.windows(2).skip(1).all(|w| w[0].args != w[1].args), "{changes:?}");
    let asked = remote.peer().ask("/alarms", &[]);
    assert_eq!((asked.len(), &asked[0].args[1]), (10, &Arg::Int(9)), "2 taps, 2 channels, 2 kinds, a clock");
    assert!(asked.iter().any(|m| m.address == "/alarm/clock" && m.args == [Arg::Int(0)]), "{asked:?}");
    // In the log and in the metrics.
    daemon.wait_log(0, "alarm: in: L silent for 0.8 s");
    daemon.wait_log(0, "alarm over: in: L has sound again");
    daemon.wait_log(0, "alarm: out: R stuck on one value for 0.5 s");
    let page = scrape(daemon.ready("http"));
    let raised = |kind| value_of(&page, "lathe_alarms", &[("alarm", kind)]);
    println!("{} silences, {} stuck", raised("silence"), raised("stuck"));
    assert!(raised("silence") >= 4.0 && raised("stuck") >= 4.0 && raised("inverted") == 0.0);
    assert_eq!(value_of(&page, "lathe_alarms_on", &[("alarm", "clock"), ("tap", "")]), 0.0);
}

/// `out` against `in` of a rack whose left channel is turned over, as arguments and over gRPC.
#[test]
fn wiring_is_read_by_name() {
    let desk = Desk::new();
    let side = |seed: u32| {
        let mut z = seed;
        let noise = move |_| {
            z = z.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (z >> 8) as f32 / 16_777_216.0 - 0.5
        };
        (0..RATE * 2).map(noise).collect::<Vec<f32>>()
    };
    write(&desk.path("song.wav"), &[side(1), side(2)], RATE);
    let rack = "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"lr\"\nsplit = \"leftright\"\n\
                [[slot.branch]]\nid = \"left\"\n[[slot.branch.slot]]\nid = \"turn\"\nunit = \"gain\"\n\
                params = { polarity = true }\n[[slot.branch]]\nid = \"right\"\n";
    std::fs::write(desk.path("rack.toml"), rack).unwrap();
    let (song, rack) = (desk.path("song.wav"), desk.path("rack.toml"));
    let args = ["--backend", "clock", "--input", song.to_str().unwrap(), "--rack", rack.to_str().unwrap()];
    let daemon = Lathed::start(&reachable(&args));
    let remote = Remote::of(&daemon);
    let peer = remote.peer();
    peer.send("/subscribe", &[text("/meter/out/wiring"), Arg::Int(5)]);
    let first = peer.until("/meter/out/wiring", PATIENCE);
    assert_eq!(first, [Arg::Float(0.0), Arg::Float(0.0)], "nothing is known before ten seconds");
    let mut meters = remote.meters();
    let analysis = v1::watch_spectrum_request::Analysis::Wiring(Default::default());
    let request = v1::WatchSpectrumRequest { hz: 5.0, analysis: Some(analysis), ..Default::default() };
    let look = remote.runtime.block_on(async {
        let mut stream = meters.watch_spectrum(request).await.unwrap().into_inner();
        loop {
            let look = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap().unwrap().unwrap();
            if look.wiring.iter().any(|w| w.source.is_some()) {
                return look;
            }
        }
    });
    let seen: Vec<_> = look.wiring.iter().map(|w| (w.source, w.inverted)).collect();
    assert_eq!(seen, [(Some(0), true), (Some(1), false)], "{look:?}");
    // The subscription was not renewed in these ten seconds; what waits in the socket is from before.
    peer.send("/subscribe", &[text("/meter/out/wiring"), Arg::Int(5)]);
    super::jackd::wait_for("the inverted channel", PATIENCE, || {
        let args = peer.until("/meter/out/wiring", PATIENCE);
        (args == [Arg::Float(-1.0), Arg::Float(2.0)]).then_some(())
    });
}

#[test]
fn alarms_that_are_off_are_not_there() {
    let desk = Desk::new();
    let off = "[alarms]\nsilence_seconds = 0\nstuck_seconds = 0\ninverted = false\nclock = false\n";
    let daemon = studio(&desk, off);
    let remote = Remote::of(&daemon);
    std::thread::sleep(Duration::from_secs(3));
    let asked = remote.peer().ask("/alarms", &[]);
    assert_eq!((asked.len(), &asked[0].args), (1, &vec![Arg::Int(0), Arg::Int(0)]));
    assert!(!daemon.log().iter().any(|l| l.contains("alarm")), "{:?}", daemon.log());
}
