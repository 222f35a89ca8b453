// SPDX-License-Identifier: MIT OR Apache-2.0
//! Watching: instruments shared and freed, peaks kept, transfers matched, wiring named, the budget.

use lathe_core::analysis::scope::ScopeSettings;
use lathe_core::analysis::spectrum::SpectrumSettings;
use lathe_core::analysis::spectrum_frames::{Averaging, Shape};
use lathe_core::analysis::spectrum_settings::Source;
use lathe_core::analysis::stereo_field::StereoSettings;
use lathe_core::analysis::transfer::TransferSettings;
use lathe_core::analysis::wiring::WiringSettings;
use lathe_core::dsp::QUANTUM;

use super::rig::{Rig, SLOTS, plan};
use super::*;
use crate::control::Host as _;

fn pair(hz: f64, tap: &str) -> Watch {
    let field = StereoSettings { fraction: 0, ..StereoSettings::new(0, 1) };
    Watch { hz, tap: tap.into(), reference: None, view: View::Pair(ScopeSettings::new(0, 1), field) }
}

fn lines(tap: &str, size: usize) -> Watch {
    let settings = SpectrumSettings { shape: Shape::new(size), ..SpectrumSettings::new(&Source::each(2)) };
    Watch { hz: 10.0, tap: tap.into(), reference: None, view: View::Lines(settings) }
}

#[test]
fn one_sample_reaches_every_watcher_and_the_last_frees_the_tap() {
    let mut rig = Rig::new();
    let (mut slow, mut fast) =
        (rig.telemetry.watch(pair(1.0, "out")).unwrap(), rig.telemetry.watch(pair(60.0, "out")).unwrap());
    rig.run(0.2, &mut []);
    assert_eq!(rig.armed(), 1, "one tap for both");
    rig.ports.0 = Some(0.5);
    let (mut highest, mut looks) = ([0.0f32; 2], [0; 2]);
    for _ in 0..150 {
        rig.run(0.01, &mut []);
        for (n, feed) in [&mut slow, &mut fast].into_iter().enumerate() {
            let Some(look) = feed.try_next() else { continue };
            looks[n] += 1;
            let Some(Sight::Pair(scope, _)) = look.sight else { panic!("{look:?}") };
            assert!(scope.points.len() <= 512, "{}", scope.points.len());
            highest[n] = scope.points.iter().flatten().fold(highest[n], |m, v| m.max(v.abs()));
        }
    }
    println!("highest points {highest:?} in {looks:?} looks at 1 and 60 Hz");
    assert!(highest.iter().all(|h| *h > 0.45), "{highest:?}");
    assert!(looks[0] >= 1 && looks[1] >= 60, "{looks:?}");
    drop(fast);
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 1);
    drop(slow);
    rig.run(0.05, &mut []);
    assert_eq!(rig.armed(), 0, "freed with the last");
}

#[test]
fn a_look_that_nobody_took_is_reached_back_by_the_next() {
    let mut rig = Rig::new();
    let mut late = rig.telemetry.watch(pair(60.0, "out")).unwrap();
    rig.run(0.2, &mut []);
    late.try_next();
    rig.ports.0 = Some(0.5);
    rig.run(1.0, &mut []);
    let look = late.try_next().unwrap();
    let Some(Sight::Pair(scope, _)) = look.sight else { panic!() };
    let highest = scope.points.iter().flatten().fold(0.0f32, |m, v| m.max(v.abs()));
    println!("{} looks missed, highest point {highest}", look.missed);
    assert!(look.missed > 50 && highest > 0.45, "{} {highest}", look.missed);
}

#[test]
fn a_transfer_compares_two_taps_frame_by_frame() {
    let mut rig = Rig::new();
    let settings = TransferSettings {
        shape: Shape::new(1024),
        averaging: Averaging::Infinite,
        fraction: None,
        delay: rig.telemetry.delay("in", "out").unwrap(),
        ..TransferSettings::new(Source::Channel(0), Source::Channel(2))
    };
    let watch =
        Watch { hz: 10.0, tap: "out".into(), reference: Some("in".into()), view: View::Transfer(settings) };
    let mut feed = rig.telemetry.watch(watch).unwrap();
    let mut last = None;
    for _ in 0..20 {
        rig.ports.0 = Some(0.5);
        rig.run(0.1, &mut []);
        last = feed.try_next().or(last);
    }
    let look = last.unwrap();
    let Some(Sight::Transfer(t)) = look.sight else { panic!("{look:?}") };
    assert!(t.windows > 4, "{} windows", t.windows);
    // Where the impulse was in a window, the rack passes it unchanged.
    let known: Vec<(f32, f32)> =
        t.magnitude.iter().zip(&t.phase).filter(|(m, _)| m.is_finite()).map(|(m, p)| (*m, *p)).collect();
    let worst = known.iter().fold((0.0f32, 0.0f32), |w, k| (w.0.max(k.0.abs()), w.1.max(k.1.abs())));
    println!("{} bins, at most {} dB and {} degrees off", known.len(), worst.0, worst.1);
    assert!(known.len() > 400 && worst.0 < 0.05 && worst.1 < 0.5, "{worst:?}");
}

#[test]
fn the_budget_refuses_with_figures_and_shares_what_is_equal() {
    let rig = Rig::new();
    let mut held = Vec::new();
    let refused = loop {
        let size = [1024, 2048, 4096, 8192, 16_384, 32_768, 65_536][held.len() % 7];
        let tap = ["in", "out", "monitor"][held.len() / 7 % 3];
        let mut watch = lines(tap, size);
        if let View::Lines(s) = &mut watch.view {
            s.shape.overlap = 16;
            s.tilt = held.len() as f64 / 100.0;
        }
        match rig.telemetry.watch(watch) {
            Ok(feed) => held.push(feed),
            Err(e) => break e,
        }
        assert!(held.len() < 200, "nothing is refused");
    };
    println!("after {} instruments: {refused}", held.len());
    assert!(matches!(refused, Refused::Budget { .. }), "{refused}");
    // One that runs already costs nothing.
    let mut again = lines("in", 1024);
    if let View::Lines(s) = &mut again.view {
        s.shape.overlap = 16;
    }
    assert!(rig.telemetry.watch(again).is_ok());
    // Whoever leaves makes room.
    held.truncate(1);
    assert!(rig.telemetry.watch(lines("out", 65_536)).is_ok());
}

#[test]
fn wrong_settings_are_refused_in_one_sentence() {
    let rig = Rig::new();
    let why = |w: Watch| rig.telemetry.watch(w).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(why(lines("out", 1000)).contains("1024"), "{}", why(lines("out", 1000)));
    assert!(why(lines("eq/out", 1024)).contains("no tap"));
    assert!(why(Watch { hz: 61.0, ..lines("out", 1024) }).contains("1 Hz to 60 Hz"));
    let far = View::Pair(ScopeSettings::new(0, 9), StereoSettings::new(0, 9));
    assert!(why(Watch { view: far, ..lines("out", 1024) }).contains("0 to 1"));
    assert!(why(Watch { reference: Some("in".into()), ..lines("out", 1024) }).contains("transfer"));
}

#[test]
fn extras_are_measured_while_somebody_wants_them() {
    let mut rig = Rig::new();
    let want = |extras: &[&str]| Want {
        hz: 20.0,
        taps: vec!["out".into()],
        slots: false,
        extras: extras.iter().map(|s| extras::find(s).unwrap()).collect(),
    };
    let mut plain = rig.telemetry.subscribe(want(&[])).unwrap();
    let mut wants = rig.telemetry.subscribe(want(&["vu", "ppm_2b"])).unwrap();
    rig.run(0.2, &mut []);
    let frame = wants.try_next().unwrap();
    let names: Vec<&str> = frame.extras_of("out").iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["vu/L", "vu/R", "ppm_2b/L", "ppm_2b/R"]);
    assert!(plain.try_next().unwrap().extras.is_empty());
}

/// Noise, another on every channel.
struct Noise(u64);

impl lathe_core::engine::Ports for Noise {
    fn read(&mut self, _: usize, _: usize, into: &mut [f64]) {
        for x in into {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *x = 0.1 * ((self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0);
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

#[test]
fn wiring_names_the_inverted_channel_behind_the_racks_latency() {
    let mut rig = Rig::new();
    let turned = "[[slot]]\nid = \"lr\"\nsplit = \"leftright\"\n[[slot.branch]]\nid = \"left\"\n\
                  [[slot.branch.slot]]\nid = \"turn\"\nunit = \"gain\"\nparams = { polarity = true }\n\
                  [[slot.branch]]\nid = \"right\"\n";
    rig.host.control().reload(plan(&[turned, SLOTS[1]])).unwrap();
    let delay = rig.telemetry.delay("in", "out").unwrap();
    assert!(delay > 0, "the limiter looks ahead");
    let view = View::Wiring(WiringSettings { channels: 2, delay });
    let watch = Watch { hz: 10.0, tap: "out".into(), reference: Some("in".into()), view };
    assert_eq!(
        rig.telemetry.watch(Watch { reference: None, ..watch.clone() }).err(),
        Some(Refused::Reference)
    );
    let mut feed = rig.telemetry.watch(watch).unwrap();
    let (mut noise, mut early, mut last) = (Noise(1), None, None);
    for q in 0..9_000 {
        rig.periods.run(QUANTUM, &mut noise);
        rig.now += Duration::from_secs_f64(QUANTUM as f64 / 48_000.0);
        if q % 4 == 3 {
            rig.host.control().tick();
            rig.poll();
        }
        last = feed.try_next().or(last);
        if q == 3_000 {
            early = last.clone();
        }
    }
    let seen = |look: Option<Look>| match look.and_then(|l| l.sight) {
        Some(Sight::Wiring(w)) => w.channels.iter().map(|w| w.map(|w| (w.source, w.inverted))).collect(),
        other => panic!("{other:?}"),
    };
    let (early, late): (Vec<_>, Vec<_>) = (seen(early), seen(last));
    assert_eq!((early, late), (vec![None, None], vec![Some((0, true)), Some((1, false))]));
}

#[test]
fn comparisons_have_a_bounded_delay_and_a_bounded_memory() {
    let rig = Rig::new();
    let wiring = |delay| {
        let view = View::Wiring(WiringSettings { channels: 2, delay });
        rig.telemetry.watch(Watch { hz: 1.0, tap: "out".into(), reference: Some("in".into()), view })
    };
    let why = wiring(262_144).err().map(|e| e.to_string());
    assert_eq!(why.as_deref(), Some("a delay of 262144 frames is not allowed: 0 to 48000 frames"));
    let first = wiring(48_000).unwrap();
    let transfer = |delay| {
        let settings = TransferSettings {
            shape: Shape::new(65_536),
            delay,
            ..TransferSettings::new(Source::Channel(0), Source::Channel(2))
        };
        let view = View::Transfer(settings);
        rig.telemetry.watch(Watch { hz: 1.0, tap: "out".into(), reference: Some("in".into()), view })
    };
    let mut held = Vec::new();
    let refused = loop {
        match transfer(held.len()) {
            Ok(feed) => held.push(feed),
            Err(e) => break e,
        }
        assert!(held.len() < 64, "nothing is refused");
    };
    println!("after {} transfers: {refused}", held.len());
    assert!(matches!(refused, Refused::Memory { .. }) && held.len() >= 16, "{refused}");
    // What keeps nothing of the sort, and what is there already, is let in.
    assert!(transfer(0).is_ok() && wiring(48_000).is_ok() && rig.telemetry.watch(lines("out", 1024)).is_ok());
    drop((first, held));
    assert!(wiring(100).is_ok());
}
