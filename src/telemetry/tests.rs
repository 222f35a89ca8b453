// SPDX-License-Identifier: MIT OR Apache-2.0
//! What readers are promised, over an engine that runs by hand.

use std::sync::atomic::Ordering::Relaxed;

use lathe_core::dsp::QUANTUM;

use super::rig::{Rig, SLOTS, plan};
use super::worker::Worker;
use super::*;
use crate::control::{Host, Kind};

fn slot(frame: &Frame, id: &str) -> Option<f64> {
    frame.slots.iter().find(|(s, _)| s == id).map(|(_, db)| *db)
}

#[test]
fn one_sample_reaches_every_reader_once() {
    let mut rig = Rig::new();
    let mut feeds = [1.0, 5.0, 60.0].map(|hz| rig.feed(hz, &["in", "out"]));
    let [a, b, c] = &mut feeds;
    rig.run(1.05, &mut [a, b, c]);
    rig.ports.0 = Some(1.0);
    let got = rig.run(2.2, &mut [a, b, c]);
    for (frames, least) in got.iter().zip([2, 10, 120]) {
        assert!(frames.len() >= least, "{}", frames.len());
        assert!(frames.iter().all(|f| f.missed == 0 && f.audible && f.taps[0].0 == "in"));
        let heard: Vec<_> = frames.iter().filter(|f| f.taps[0].1.channels[0].peak > -100.0).collect();
        assert_eq!(heard.len(), 1, "once");
        let r = &heard[0].taps[0].1;
        println!("peak {} dBFS, true peak {} dBTP", r.channels[1].peak, r.true_peak);
        assert_eq!((r.channels[0].peak, r.channels[1].peak), (0.0, 0.0));
        assert!((0.0..0.1).contains(&r.true_peak), "{}", r.true_peak);
        assert_eq!((r.frames_missed, r.frames_missed_total), (0, 0));
    }
}

#[test]
fn who_never_reads_delays_nobody_and_gets_one_frame() {
    let mut rig = Rig::new();
    let (mut lazy, mut keen) = (rig.feed(60.0, &["in"]), rig.feed(60.0, &["in"]));
    rig.run(0.2, &mut [&mut keen]);
    rig.ports.0 = Some(0.5);
    let got = rig.run(2.0, &mut [&mut keen]);
    assert!((118..=121).contains(&got[0].len()), "{}", got[0].len());
    assert!(got[0].iter().all(|f| f.missed == 0));
    let frame = lazy.try_next().unwrap();
    assert!(lazy.try_next().is_none());
    assert_eq!(frame.sequence, frame.missed + 1);
    assert!((130..=133).contains(&frame.sequence), "{}", frame.sequence);
    let peak = frame.taps[0].1.channels[0].peak;
    assert!((peak + 6.0206).abs() < 1e-3, "the oldest maximum is kept: {peak}");
}

#[test]
fn a_starved_poll_is_flagged() {
    let mut rig = Rig::new();
    let mut feed = rig.feed(60.0, &["in"]);
    rig.run(0.1, &mut [&mut feed]);
    // Two seconds fit; three are played.
    rig.quanta(2250);
    let got = rig.run(0.1, &mut [&mut feed]);
    let missed: u64 = got[0].iter().map(|f| f.taps[0].1.frames_missed).sum();
    assert_eq!(missed, 48_256, "a third second, and what came until the next poll");
    assert_eq!(got[0].last().unwrap().taps[0].1.frames_missed_total, 48_256);
}

#[test]
fn taps_are_shared_and_freed() {
    let mut rig = Rig::new();
    let (a, b) = (rig.feed(10.0, &["in", "lim/out", "in"]), rig.feed(20.0, &["lim/out", "a/in"]));
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 3);
    drop(a);
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 2);
    drop(b);
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 0);
    let feed = rig.feed(20.0, &["out"]);
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 1);
    rig.worker = Worker::new(rig.host.clone(), rig.telemetry.shared.clone(), Standards::default());
    rig.quanta(1);
    assert_eq!(rig.armed(), 0, "freed with the thread");
    drop(feed);
}

#[test]
fn of_two_taps_on_one_point_each_can_be_taken_away() {
    use lathe_core::engine::TapPoint;
    use lathe_core::engine::tap::Tap;
    let mut rig = Rig::new();
    let (first, mut one) = Tap::new(TapPoint::Out, 2, 4096);
    let (second, mut two) = Tap::new(TapPoint::Out, 2, 4096);
    let second_id = second.id;
    assert_ne!(first.id, second_id);
    for tap in [first, second] {
        assert!(rig.host.control().arm(Box::new(tap)).is_ok());
    }
    rig.quanta(4);
    let drained = |r: &mut lathe_core::engine::TapReader| std::iter::from_fn(|| r.read()).count();
    assert_eq!((drained(&mut one), drained(&mut two)), (4, 4));
    assert!(rig.host.control().disarm(second_id));
    rig.quanta(4);
    assert_eq!((drained(&mut one), drained(&mut two), rig.armed()), (4, 0, 1));
}

#[test]
fn another_engine_is_followed() {
    let mut rig = Rig::new();
    let mut feed = rig.feed(10.0, &["in", "lim/out"]);
    rig.run(0.12, &mut [&mut feed]);
    rig.ports.0 = Some(0.5);
    rig.quanta(4);
    rig.poll();
    rig.restart(96_000);
    let got = rig.run(0.3, &mut [&mut feed]);
    assert_eq!(rig.armed(), 2);
    let first = &got[0][0].taps[0].1;
    assert!(first.frames_missed >= 64, "flagged: {}", first.frames_missed);
    assert!((first.channels[0].peak + 6.0206).abs() < 1e-3, "what the first engine heard is kept");
    assert!(got[0].len() >= 2 && got[0].last().unwrap().taps[0].1.frames_missed == 0);
    rig.ports.0 = Some(0.25);
    let got = rig.run(0.3, &mut [&mut feed]);
    let peak = got[0].iter().map(|f| f.taps[0].1.channels[0].peak).fold(-200.0, f64::max);
    assert!((peak + 12.0412).abs() < 1e-3, "{peak}");
}

#[test]
fn a_slot_that_goes_takes_its_readings_with_it() {
    let mut rig = Rig::new();
    let mut feed = rig.feed(20.0, &["a/out", "in", "lim/out"]);
    let got = rig.run(0.3, &mut [&mut feed]);
    assert_eq!(got[0].last().unwrap().taps.len(), 3);
    assert!(slot(got[0].last().unwrap(), "lim").is_some() && slot(got[0].last().unwrap(), "a").is_none());
    rig.host.control().reload(plan(&SLOTS[..1])).unwrap();
    let got = rig.run(3.0, &mut [&mut feed]);
    let last = got[0].last().unwrap();
    assert_eq!(last.taps.iter().map(|t| t.0.as_str()).collect::<Vec<_>>(), ["a/out", "in"]);
    assert!(last.slots.is_empty(), "{:?}", last.slots);
    assert_eq!(rig.armed(), 2);
    rig.host.control().reload(plan(&SLOTS)).unwrap();
    let got = rig.run(3.0, &mut [&mut feed]);
    assert_eq!(got[0].last().unwrap().taps.len(), 3);
    assert_eq!(slot(got[0].last().unwrap(), "lim"), Some(0.0));
}

#[test]
fn the_deepest_reduction_is_kept() {
    let mut rig = Rig::new();
    let (mut slow, mut fast) = (rig.feed(1.0, &[]), rig.feed(60.0, &[]));
    rig.run(0.1, &mut [&mut fast]);
    rig.ports.0 = Some(4.0);
    let got = rig.run(0.95, &mut [&mut fast]);
    let deepest = got[0].iter().filter_map(|f| slot(f, "lim")).fold(0.0, f64::max);
    let end = slot(got[0].last().unwrap(), "lim").unwrap();
    let kept = slot(&slow.try_next().unwrap(), "lim").unwrap();
    println!("deepest {deepest:.2} dB, at the end {end:.2} dB");
    assert!(kept == deepest && deepest > 10.0 && end < 1.0, "{kept} {deepest} {end}");
    assert!(fast.try_next().is_none());
}

#[test]
fn what_cannot_be_had_is_refused() {
    let rig = Rig::new();
    let ask = |hz, taps: &[String]| {
        let want = Want { hz, taps: taps.to_vec(), slots: false, extras: Vec::new() };
        rig.telemetry.subscribe(want).map(|_| ()).unwrap_err().to_string()
    };
    assert!(ask(0.5, &[]).contains("1 Hz to 60 Hz"));
    assert!(ask(f64::NAN, &[]).contains("1 Hz to 60 Hz"));
    assert_eq!(ask(10.0, &["lim/ouf".into()]), "no tap \"lim/ouf\" (did you mean \"lim/out\"?)");
    assert!(ask(10.0, &["compressor/out".into()]).ends_with("<slot>/out of a, lim"));
    assert!(ask(10.0, &["rack/in/x/y".into()]).starts_with("no tap"));
    let many: String = (0..30).map(|n| format!("[[slot]]\nid = \"s{n}\"\nunit = \"gain\"\n")).collect();
    rig.host.control().reload(plan(&[&many])).unwrap();
    let all: Vec<String> = (0..30).flat_map(|n| [format!("s{n}/in"), format!("s{n}/out")]).collect();
    assert!(ask(10.0, &all).contains("at most 48"));
    assert!(rig.telemetry.shared.posts().is_empty());
}

#[test]
fn while_nobody_hears_there_are_no_readings() {
    let mut rig = Rig::new();
    let mut feed = rig.feed(10.0, &["in"]);
    rig.run(0.12, &mut [&mut feed]);
    rig.ports.0 = Some(0.5);
    rig.quanta(4);
    rig.poll();
    rig.host.audible.store(false, Relaxed);
    let got = rig.run(0.5, &mut [&mut feed]);
    assert!(
        got[0].len() >= 4 && got[0].iter().all(|f| !f.audible && f.taps.is_empty() && f.slots.is_empty())
    );
    rig.host.audible.store(true, Relaxed);
    let got = rig.run(0.12, &mut [&mut feed]);
    let r = &got[0][0].taps[0].1;
    assert!((20_000..28_000).contains(&r.frames_missed), "{}", r.frames_missed);
    assert!((r.channels[0].peak + 6.0206).abs() < 1e-3, "heard before, told later");
}

#[test]
fn a_reset_is_for_all_and_told_to_all() {
    let mut rig = Rig::new();
    let mut feed = rig.feed(10.0, &["in"]);
    let changes = rig.host.control().subscribe();
    rig.run(0.12, &mut [&mut feed]);
    rig.ports.0 = Some(0.5);
    rig.run(0.03, &mut []);
    rig.telemetry.reset(Client(7));
    let told = changes.next().unwrap();
    assert_eq!((told.client, &told.kind), (Client(7), &Kind::MeterReset));
    let got = rig.run(0.2, &mut [&mut feed]);
    let r = &got[0][0].taps[0].1;
    assert!(r.channels[0].peak > -6.1 && r.channels[0].peak_max == f64::NEG_INFINITY, "{r:?}");
}

#[test]
fn load_is_told_to_each_since_its_last_read() {
    let mut rig = Rig::new();
    let (mut slow, mut fast) = (rig.feed(1.0, &[]), rig.feed(20.0, &[]));
    rig.run(0.06, &mut [&mut fast]);
    rig.host.load.note(Duration::from_micros(750), 48, 48_000);
    rig.host.load.note(Duration::from_micros(250), 48, 48_000);
    let got = rig.run(0.96, &mut [&mut fast]);
    for load in [got[0][0].load, slow.try_next().unwrap().load, rig.telemetry.load()] {
        assert!((load.dsp_load - 0.75).abs() < 1e-6 && (load.mean_load - 0.5).abs() < 1e-6, "{load:?}");
        assert_eq!((load.periods, load.xruns, load.histogram[24], load.histogram[8]), (2, 3, 1, 1));
    }
    assert_eq!(got[0][1].load.dsp_load, 0.0);
    rig.run(0.5, &mut []);
    assert_eq!(rig.telemetry.load().dsp_load, 0.0, "of the last second");
}

#[test]
fn the_thread_serves_tokio_and_ends_with_its_last_handle() {
    let Rig { host, mut periods, mut ports, .. } = Rig::new();
    let telemetry = Telemetry::start(host, Standards::default()).unwrap();
    let mut feed = telemetry
        .clone()
        .subscribe(Want { hz: 60.0, taps: vec!["out".into()], slots: true, extras: Vec::new() })
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let frame = runtime.block_on(feed.next()).unwrap();
    periods.run(QUANTUM, &mut ports);
    assert_eq!(frame.sequence, 1);
    assert!(runtime.block_on(feed.next()).is_some());
    drop(telemetry);
    while runtime.block_on(feed.next()).is_some() {}
}
