// SPDX-License-Identifier: MIT OR Apache-2.0
//! Paths that meet are aligned to the sample, whatever their latencies; surround runs channel by
//! channel and linked.

use lathe_core::rack::plan::{BranchPlan, Content, RackPlan, SlotPlan, Source};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::{Layout, find};

use crate::cases::{rack, working};
use crate::rig::{Rig, Rng, music, null_db, sine};

const RATE: u32 = 48_000;

fn unit(id: &str, symbol: &str) -> SlotPlan {
    SlotPlan::unit(id, find(symbol).unwrap())
}

/// A compressor that does nothing but delay by `ms`.
fn delay(id: &str, ms: f64) -> SlotPlan {
    unit(id, "compressor").with("ratio", 1.0).with("lookahead", ms)
}

fn branch(id: &str, slots: Vec<SlotPlan>) -> BranchPlan {
    BranchPlan { id: id.to_string(), slots }
}

fn listening_to(mut slot: SlotPlan, to: Source) -> SlotPlan {
    if let Content::Unit { sidechain, .. } = &mut slot.content {
        *sidechain = to;
    }
    slot
}

#[test]
fn branches_of_any_latency_meet_on_the_sample() {
    let mut r = Rng(3);
    for kind in [SplitKind::Parallel, SplitKind::MidSide, SplitKind::LeftRight] {
        for _ in 0..10 {
            let (a, b) = ((r.unit() * 200.0).round() / 10.0, (r.unit() * 200.0).round() / 10.0);
            let ids = kind.fixed_branches().unwrap_or(["a", "b"]);
            // One more split inside the first branch.
            let inner = SlotPlan::split(
                "inner",
                SplitKind::Parallel,
                vec![branch("x", vec![delay("dx", b)]), branch("y", vec![])],
            )
            .with("y/mute", 1.0);
            let split = SlotPlan::split(
                "u",
                kind,
                vec![branch(ids[0], vec![delay("da", a), inner]), branch(ids[1], vec![delay("db", b)])],
            );
            let sum = if kind == SplitKind::Parallel { 2.0 } else { 1.0 };
            let plan = rack("stereo", vec![split]);
            let mut rig = Rig::new(&plan, RATE);
            let latency = rig.spec.latency;
            let x = music(2, 9_600, RATE, 4);
            let y = rig.run(&x);
            for (x, y) in x.iter().zip(&y) {
                let want: Vec<f64> = x.iter().map(|v| sum * v).collect();
                let null = null_db(&y[latency..], &want);
                assert!(null < -280.0, "{kind:?}, {a} ms against {b} ms: {null:.1} dB at {latency} frames");
            }
        }
    }
}

/// A detector that listens elsewhere hears the same moment of the programme as its own input.
#[test]
fn sidechains_are_aligned_to_the_sample() {
    // The compressor behind a delay, keyed by main in, against the same keyed by its own input: the
    // signals are the same but for the delay, so the sound must be the same bit for bit.
    let x = music(2, 48_000, RATE, 5);
    let keyed = |source: Source, before: f64, early: f64| {
        let comp = listening_to(unit("c", "compressor").with("threshold", -30.0).with("ratio", 8.0), source);
        rack("stereo", vec![unit("k", "gain"), delay("d", before), comp, delay("e", early)])
    };
    for ms in [0.0, 0.1, 3.3, 12.7] {
        let want = Rig::new(&keyed(Source::Own, ms, 1.0), RATE).run(&x);
        for source in [Source::MainIn, Source::Slot("k".into()), Source::Slot("d".into())] {
            let got = Rig::new(&keyed(source.clone(), ms, 1.0), RATE).run(&x);
            assert!(got == want, "{source:?} over {ms} ms: null {:.1} dB", null_db(&got[0], &want[0]));
        }
    }
}

/// The source may also be later than the input: then the input waits.
#[test]
fn a_late_sidechain_source_delays_the_input() {
    let x = music(2, 24_000, RATE, 6);
    let plan = |source: Source| {
        let comp = listening_to(unit("c", "compressor").with("threshold", -30.0).with("ratio", 8.0), source);
        let split = SlotPlan::split(
            "u",
            SplitKind::Parallel,
            vec![branch("a", vec![delay("late", 7.0)]), branch("b", vec![comp])],
        );
        rack("stereo", vec![split.with("a/mute", 1.0)])
    };
    let want = Rig::new(&plan(Source::Own), RATE).run(&x);
    let got = Rig::new(&plan(Source::Slot("late".into())), RATE).run(&x);
    assert!(got == want, "null {:.1} dB", null_db(&got[0], &want[0]));
}

#[test]
fn a_port_of_another_width_feeds_every_channel() {
    let mut plan = rack("stereo", vec![]);
    plan.sidechains.push(lathe_core::rack::plan::SidechainPort {
        name: "key".into(),
        layout: Layout::named("mono").unwrap(),
    });
    let comp = unit("c", "compressor").with("threshold", -40.0).with("ratio", 20.0).with("attack", 0.1);
    plan.slots.push(listening_to(comp, Source::Port("key".into())));
    let mut x = sine(2, 24_000, 300.0, -20.0, RATE);
    x.push(vec![0.0; 24_000]);
    let quiet = Rig::new(&plan, RATE).run(&x);
    assert!(quiet[0][..] == x[0][..], "a silent key changes nothing");
    x[2] = sine(1, 24_000, 1000.0, 0.0, RATE).remove(0);
    let ducked = Rig::new(&plan, RATE).run(&x);
    for c in 0..2 {
        let rms = |v: &[f64]| (v.iter().map(|x| x * x).sum::<f64>() / v.len() as f64).sqrt();
        let db = 20.0 * (rms(&ducked[c][12_000..]) / rms(&x[c][12_000..])).log10();
        assert!((-40.0..-35.0).contains(&db), "channel {c} ducked by {db:.1} dB");
    }
}

/// Every unit in 5.1: with all channels alike it does to each what it does to mono; linked groups
/// follow their loudest channel and leave other groups alone.
#[test]
fn surround_runs_channel_by_channel_and_linked() {
    let mono = music(1, 24_000, RATE, 7);
    for kind in lathe_core::units::CATALOG {
        let name = kind.spec().symbol;
        let alone = Rig::new(&rack("mono", vec![working(*kind)]), RATE).run(&mono).remove(0);
        let alike: Vec<Vec<f64>> = vec![mono[0].clone(); 6];
        let all = Rig::new(&rack("5.1", vec![working(*kind)]), RATE).run(&alike);
        for (c, y) in all.iter().enumerate() {
            if name == "dither" {
                // Every channel has noise of its own: both are at most 1.5 LSB of 24 bits off.
                let null = null_db(y, &alone);
                assert!(null < -128.9 && (c == 0) == (*y == alone), "{name}, channel {c}: null {null:.1} dB");
                continue;
            }
            assert!(*y == alone, "{name}, channel {c}: null {:.1} dB", null_db(y, &alone));
        }
        if !["compressor", "limiter"].contains(&name) {
            continue;
        }
        // Loud on the left only: the front follows it, surrounds and LFE pass untouched below their thresholds.
        let mut x: Vec<Vec<f64>> = vec![mono[0].iter().map(|v| v * 0.02).collect(); 6];
        x[0] = mono[0].clone();
        let slot = working(*kind).with(if name == "limiter" { "gain" } else { "makeup" }, 0.0);
        let mut rig = Rig::new(&rack("5.1", vec![slot]), RATE);
        let latency = rig.spec.latency;
        let y = rig.run(&x);
        let same = |c: usize| y[c][latency..] == x[c][..24_000 - latency];
        assert!(!same(0), "{name}: left is worked on");
        assert!(same(3) && same(4) && same(5), "{name}: LFE and surrounds are other groups");
        if name == "compressor" {
            assert!(!same(1) && !same(2), "{name}: right and centre follow left");
            let follows = y[1].iter().zip(&y[2]).all(|(a, b)| a == b);
            assert!(follows, "{name}: right and centre alike");
        }
    }
}

/// A rack padded to a constant latency has it, at every rate, and refuses a chain that exceeds it.
#[test]
fn latency_ms_is_kept_or_refused() {
    for rate in [44_100, 48_000, 96_000] {
        let mut plan: RackPlan = rack("stereo", vec![delay("d", 5.0)]);
        plan.latency_ms = Some(20.0);
        let rig = Rig::new(&plan, rate);
        assert_eq!(rig.spec.latency, (0.02 * f64::from(rate)).round() as usize);
        plan.latency_ms = Some(4.0);
        let Err(e) = lathe_core::engine::build(&plan, rate) else { panic!("5 ms fit into 4") };
        let text = e.to_string();
        assert!(
            text.contains(" ms) exceeds latency_ms = 4") && text.contains("raise latency_ms to 5.0"),
            "{text}"
        );
    }
}
