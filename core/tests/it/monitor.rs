// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is heard at the monitor: its sources, a band alone; and that main never knows.

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::monitor::MonitorParam;
use lathe_core::rack::plan::{BranchPlan, RackPlan, SlotPlan};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::find;

use crate::cases::{rack, working};
use crate::clicks::Fir;
use crate::rig::{Rig, Rng, music, null_db, peak_db, sine};

const RATE: u32 = 48_000;
const MAIN: f64 = 0.0;
const IN: f64 = 1.0;
const DELTA: f64 = 2.0;

fn unit(id: &str, symbol: &str) -> SlotPlan {
    SlotPlan { id: id.into(), ..working(find(symbol).unwrap()) }
}

/// A compressor, two equalizers (the second in the side alone), a limiter.
fn chain(layout: &str) -> RackPlan {
    let branch = |id: &str, slots| BranchPlan { id: id.into(), slots };
    let ms = vec![branch("mid", vec![]), branch("side", vec![unit("inner", "equalizer")])];
    let split = SlotPlan::split("ms", SplitKind::MidSide, ms);
    rack(layout, vec![unit("comp", "compressor"), unit("eq", "equalizer"), split, unit("lim", "limiter")])
}

fn same_bits(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[test]
fn whatever_is_listened_to_main_keeps_its_bits() {
    for layout in ["stereo", "5.1"] {
        let plan = chain(layout);
        let x = music(plan.layout.len(), 1_600 * QUANTUM, RATE, 5);
        let alone = Rig::new(&plan, RATE).run(&x);
        let (mut rig, mut r) = (Rig::new(&plan, RATE), Rng(11));
        let (mut main, mut other) = (vec![Vec::new(); x.len()], 0.0f64);
        for from in (0..x[0].len()).step_by(16 * QUANTUM) {
            match r.below(4) {
                0 => rig.set_monitor(MonitorParam::Source, r.below(3) as f64),
                1 => rig.set_monitor(MonitorParam::Mono, r.below(2) as f64),
                _ => rig.listen(["eq", "inner", "lim"][r.below(3)], r.below(4) as u16),
            }
            let part: Vec<_> = x.iter().map(|c| c[from..from + 16 * QUANTUM].to_vec()).collect();
            let (m, monitor) = rig.run_both(&part);
            for (all, m) in main.iter_mut().zip(&m) {
                all.extend(m);
            }
            other = other.max(monitor[0].iter().zip(&m[0]).fold(0.0, |w, (a, b)| w.max((a - b).abs())));
        }
        assert!(same_bits(&main, &alone), "{layout}: main changed");
        assert!(other > 0.05, "{layout}: the monitor was main all along");
    }
}

#[test]
fn the_sources_are_exact() {
    for layout in ["mono", "stereo", "5.1"] {
        let slots = vec![SlotPlan::unit("eq", find("equalizer").unwrap()), unit("lim", "limiter")];
        let plan = rack(layout, slots);
        let x = music(plan.layout.len(), 300 * QUANTUM, RATE, 9);
        let listen = |source: f64, plan: &RackPlan| {
            let mut rig = Rig::new(plan, RATE);
            rig.set_monitor(MonitorParam::Source, source);
            let latency = rig.spec.latency;
            let (main, monitor) = rig.run_both(&x);
            (main, monitor, latency)
        };
        let settled = 20 * QUANTUM;
        let (main, monitor, latency) = listen(MAIN, &plan);
        assert!(latency > 0 && same_bits(&main, &monitor), "{layout}: main is not the default's bits");
        let late = |n: usize, c: usize| x[c][n - latency];
        let (_, monitor, _) = listen(IN, &plan);
        let (main, delta, _) = listen(DELTA, &plan);
        for c in 0..x.len() {
            for n in settled..x[0].len() {
                assert_eq!(monitor[c][n], late(n, c), "{layout}: in, channel {c}, frame {n}");
                assert_eq!(delta[c][n], main[c][n] - late(n, c), "{layout}: delta, channel {c}, frame {n}");
            }
        }
        let neutral = rack(layout, vec![SlotPlan::unit("eq", find("equalizer").unwrap())]);
        let (_, delta, _) = listen(DELTA, &neutral);
        assert!(delta.iter().all(|c| c[settled..].iter().all(|v| *v == 0.0)), "{layout}: delta of nothing");
    }
}

/// Level of each monitor channel, in dB re the input's, while `band1` of `eq` is listened to.
fn heard(layout: &str, settings: &[(&str, f64)], hz: f64, side: bool) -> Vec<f64> {
    let slot =
        settings.iter().fold(SlotPlan::unit("eq", find("equalizer").unwrap()), |s, (k, v)| s.with(k, *v));
    let plan = rack(layout, vec![slot]);
    let frames = RATE as usize * 2;
    let w = 2.0 * std::f64::consts::PI * hz / f64::from(RATE);
    let tone: Vec<f64> = (0..frames).map(|n| (w * n as f64).sin()).collect();
    let x: Vec<Vec<f64>> = (0..plan.layout.len())
        .map(|c| tone.iter().map(|v| if side && c % 2 == 1 { -v } else { *v }).collect())
        .collect();
    let mut rig = Rig::new(&plan, RATE);
    rig.listen("eq", 1);
    let (_, monitor) = rig.run_both(&x);
    let power = |c: &[f64]| c[frames / 2..].iter().map(|v| v * v).sum::<f64>().max(1e-30);
    monitor.iter().zip(&x).map(|(m, x)| 10.0 * (power(m) / power(x)).log10()).collect()
}

#[test]
fn a_band_alone_is_what_it_works_on() {
    let (f, q) = (1000.0, 4.0);
    let bell: &[(&str, f64)] = &[("band1/freq", f), ("band1/q", q)];
    let edge = f * ((1.0 + 0.25 / (q * q)).sqrt() + 0.5 / q);
    let mut worst = 0.0f64;
    let mut near = |what: &str, got: f64, wanted: f64| {
        println!("{what}: {got:.3} dB, wanted {wanted}");
        worst = worst.max((got - wanted).abs());
    };
    near("bell at its frequency, no gain set", heard("stereo", bell, f, false)[0], 0.0);
    near("bell at its upper edge", heard("stereo", bell, edge, false)[1], -3.01);
    let shape = |shape: f64| vec![("band1/shape", shape), ("band1/freq", f), ("band1/gain", 6.0)];
    near("low shelf, below", heard("stereo", &shape(1.0), 50.0, false)[0], 0.0);
    near("low shelf, at its frequency", heard("stereo", &shape(1.0), f, false)[0], -3.01);
    near("high shelf, above", heard("stereo", &shape(2.0), 18_000.0, false)[0], 0.0);
    near("high-pass, at its frequency", heard("stereo", &shape(3.0), f, false)[0], -3.01);
    near("tilt, anywhere", heard("stereo", &shape(8.0), 77.0, false)[0], 0.0);
    assert!(worst < 0.05, "{worst} dB");
    let channel = |c: f64| [bell, &[("band1/channel", c)]].concat();
    let left = heard("stereo", &channel(1.0), f, false);
    assert!(left[0] > -0.01 && left[1] < -200.0, "left: {left:?}");
    let (mid, side) = (heard("stereo", &channel(3.0), f, true), heard("stereo", &channel(4.0), f, true));
    assert!(mid[0] < -200.0 && mid[1] < -200.0, "mid of what is all side: {mid:?}");
    assert!(side[0] > -0.01 && side[1] > -0.01, "side: {side:?}");
    let surround = heard("5.1", bell, f, false);
    assert!(surround.iter().all(|l| *l > -0.01), "5.1: {surround:?}");
    let surround = heard("5.1", &channel(1.0), f, false);
    let lefts: Vec<bool> = surround.iter().map(|l| *l > -0.01).collect();
    assert_eq!(lefts, [true, false, false, false, true, false], "{surround:?}");
}

/// One thing that happens while the monitor is heard.
type Event<'a> = (&'a str, Box<dyn Fn(&mut Rig)>);

/// Peak in a band of the monitor on a sine of full scale while these happen, half a second apart.
fn clicks(plan: &RackPlan, hz: f64, fir: &Fir, events: &[Event]) {
    let half = 24_000 / QUANTUM * QUANTUM;
    let x = sine(plan.layout.len(), half * (events.len() + 1), hz, 0.0, RATE);
    let mut rig = Rig::new(plan, RATE);
    let mut y = vec![Vec::new(); x.len()];
    for n in 0..=events.len() {
        let part: Vec<_> = x.iter().map(|c| c[n * half..(n + 1) * half].to_vec()).collect();
        if n > 0 {
            (events[n - 1].1)(&mut rig);
        }
        for (all, m) in y.iter_mut().zip(rig.run_both(&part).1) {
            all.extend(m);
        }
    }
    let mut over = Vec::new();
    for (n, (what, _)) in events.iter().enumerate() {
        let at = (n + 1) * half;
        let got = y.iter().map(|c| fir.peak(&c[at - 2_000..at + half - 2_000])).fold(f64::MIN, f64::max);
        println!("{hz} Hz, {what}: {got:.1} dBFS");
        if got > -120.0 {
            over.push(format!("{hz} Hz, {what}: {got:.1} dBFS"));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

fn event<'a>(what: &'a str, does: impl Fn(&mut Rig) + 'static) -> Event<'a> {
    (what, Box::new(does))
}

#[test]
fn nothing_clicks_at_the_monitor() {
    let set = |symbol: &'static str, v: f64| move |rig: &mut Rig| rig.set(&[("eq", symbol, v)], 0);
    let source = |v: f64| move |rig: &mut Rig| rig.set_monitor(MonitorParam::Source, v);
    let slots = vec![unit("eq", "equalizer"), SlotPlan { id: "eq2".into(), ..unit("eq", "equalizer") }];
    let plan = rack("stereo", slots);
    let events = [
        event("main to in", source(IN)),
        event("in to delta", source(DELTA)),
        event("delta to main", source(MAIN)),
        event("listen", |r| r.listen("eq", 1)),
        event("frequency up", set("band1/freq", 3_000.0)),
        event("frequency down", set("band1/freq", 40.0)),
        event("narrower", set("band1/q", 20.0)),
        event("another shape", set("band1/shape", 1.0)),
        event("other channels", set("band1/channel", 3.0)),
        event("and others", set("band1/channel", 1.0)),
        event("another band", |r| r.listen("eq", 2)),
        event("another slot", |r| r.listen("eq2", 1)),
        event("no more", |r| r.listen("eq2", 0)),
    ];
    clicks(&plan, 100.0, &Fir::band(5_000.0, 24_000.0, 2_000.0), &events);
    clicks(&plan, 10_000.0, &Fir::band(1_500.0, 4_500.0, 1_000.0), &events);
    clicks(&plan, 10_000.0, &Fir::band(16_000.0, 24_000.0, 2_000.0), &events);
}

#[test]
fn a_slot_that_leaves_while_it_is_heard_does_not_click() {
    let eq = || unit("eq", "equalizer");
    let lone = rack("stereo", vec![eq()]);
    // The limiter brings latency: the swap goes through silence at main.
    let later = rack("stereo", vec![unit("lim", "limiter"), eq()]);
    let without = rack("stereo", vec![unit("lim", "limiter")]);
    let gain = rack("stereo", vec![SlotPlan { id: "eq".into(), ..unit("eq", "gain") }]);
    let install = |p: &RackPlan| {
        let p = p.clone();
        move |rig: &mut Rig| rig.install(&p)
    };
    let again = |rig: &mut Rig| rig.listen("eq", 1);
    let fir = Fir::band(5_000.0, 24_000.0, 2_000.0);
    clicks(
        &lone,
        100.0,
        &fir,
        &[
            event("listen", again),
            event("more latency before it", install(&later)),
            event("it goes", install(&without)),
            event("it comes again", install(&lone)),
            event("another unit under its name", install(&gain)),
        ],
    );
    let source = |v: f64| move |rig: &mut Rig| rig.set_monitor(MonitorParam::Source, v);
    let fir = Fir::band(5_000.0, 24_000.0, 2_000.0);
    clicks(
        &lone,
        100.0,
        &fir,
        &[event("delta", source(DELTA)), event("latency", install(&later)), event("none", install(&lone))],
    );
}

#[test]
fn panic_is_silence_at_the_monitor_too() {
    for (source, listen) in [(IN, 0), (DELTA, 0), (MAIN, 1)] {
        let mut rig = Rig::new(&rack("stereo", vec![unit("eq", "equalizer")]), RATE);
        rig.set_monitor(MonitorParam::Source, source);
        rig.listen("eq", listen);
        let x = sine(2, 100 * QUANTUM, 300.0, 0.0, RATE);
        let before = peak_db(&rig.run_both(&x).1[0]);
        rig.link.status.panic.store(true, std::sync::atomic::Ordering::Relaxed);
        let after = rig.run_both(&x).1;
        let silent = after.iter().flat_map(|c| &c[5 * QUANTUM..]).all(|v| *v == 0.0);
        assert!(before > -30.0 && silent, "source {source}, listen {listen}: {before} dBFS before");
    }
}

#[test]
fn a_rack_inside_a_split_is_heard_on_both_sides() {
    let x = sine(2, 200 * QUANTUM, 200.0, 0.0, RATE);
    let mut rig = Rig::new(&chain("stereo"), RATE);
    rig.listen("inner", 1);
    let (_, monitor) = rig.run_both(&x);
    let from = 100 * QUANTUM;
    assert!(peak_db(&monitor[0][from..]) > -40.0, "{} dBFS", peak_db(&monitor[0][from..]));
    assert_eq!(null_db(&monitor[0][from..], &monitor[1][from..]), -600.0);
}

/// The limiter's delta is what it takes away, and unity gain its output without the input gain.
#[test]
fn what_a_limiter_takes_away_and_its_output_at_the_input_s_level() {
    let slot = |gain: f64, clip: f64| unit("lim", "limiter").with("gain", gain).with("clip", clip);
    for (gain, clip) in [(6.0, 0.0), (12.0, 1.0)] {
        let x = crate::rig::music(2, 600 * QUANTUM, RATE, 11);
        let heard = |what: u16| {
            let mut rig = Rig::new(&rack("stereo", vec![slot(gain, clip)]), RATE);
            rig.listen("lim", what);
            let (main, monitor) = rig.run_both(&x);
            (main, monitor, rig.spec.latency)
        };
        let ((main, delta, latency), (same, unity, _)) = (heard(1), heard(2));
        assert!(main == same, "listening changes nothing");
        let (amp, from) = (10f64.powf(gain / 20.0), 100 * QUANTUM);
        for c in 0..2 {
            let (mut sum, mut level) = (f64::MIN, f64::MIN);
            for n in from..main[c].len() {
                let driven = amp * x[c][n - latency];
                sum = sum.max((main[c][n] + delta[c][n] - driven).abs());
                level = level.max((unity[c][n] * amp - main[c][n]).abs());
            }
            println!(
                "gain {gain}, clip {clip}: delta and main miss the input by {sum:.1e}, unity gain by {level:.1e}"
            );
            assert!(sum < 1e-12 && level < 1e-12 && peak_db(&delta[c][from..]) > -40.0);
        }
    }
    // Where it takes nothing away, there is nothing.
    let mut rig = Rig::new(&rack("stereo", vec![slot(0.0, 0.0)]), RATE);
    rig.listen("lim", 1);
    let quiet = sine(2, 200 * QUANTUM, 300.0, -6.0, RATE);
    let delta = rig.run_both(&quiet).1;
    assert!(delta.iter().flat_map(|c| &c[100 * QUANTUM..]).all(|v| *v == 0.0));
}

#[test]
fn listening_to_a_limiter_does_not_click() {
    let plan = rack("stereo", vec![unit("lim", "limiter").with("gain", 3.0)]);
    let set = |symbol: &'static str, v: f64| move |rig: &mut Rig| rig.set(&[("lim", symbol, v)], 0);
    let events = [
        event("delta", |r: &mut Rig| r.listen("lim", 1)),
        event("unity gain", |r: &mut Rig| r.listen("lim", 2)),
        event("more gain", set("gain", 6.0)),
        event("no more", |r: &mut Rig| r.listen("lim", 0)),
    ];
    clicks(&plan, 100.0, &Fir::band(5_000.0, 24_000.0, 2_000.0), &events);
}
