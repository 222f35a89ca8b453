// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chains become other chains: bit-exact where nothing changes, a crossfade where something does.

use lathe_core::rack::plan::{BranchPlan, RackPlan, SlotPlan};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::{Layout, find};

use crate::rig::{Rig, music, null_db, peak_db};

const RATE: u32 = 48_000;

fn rack(slots: Vec<SlotPlan>) -> RackPlan {
    let mut plan = RackPlan::empty(Layout::named("stereo").unwrap());
    plan.slots = slots;
    plan
}

fn gain(id: &str, db: f64) -> SlotPlan {
    SlotPlan::unit(id, find("gain").unwrap()).with("trim", db)
}

fn bands(id: &str, inner: Vec<SlotPlan>) -> SlotPlan {
    let mut branches: Vec<BranchPlan> =
        ["low", "mid", "high"].iter().map(|b| BranchPlan { id: b.to_string(), slots: vec![] }).collect();
    branches[1].slots = inner;
    SlotPlan::split(id, SplitKind::Bands, branches)
}

#[test]
fn an_identical_chain_swaps_bit_exactly() {
    let plan = rack(vec![gain("a", -3.0), bands("air", vec![gain("b", 2.0)]), gain("c", 1.0)]);
    let x = music(2, 48_000, RATE, 1);
    let mut rig = Rig::new(&plan, RATE);
    let want = Rig::new(&plan, RATE).run(&x);
    let (head, tail): (Vec<_>, Vec<_>) = x.iter().map(|c| (c[..9600].to_vec(), c[9600..].to_vec())).unzip();
    let mut got = rig.run(&head);
    rig.install(&plan);
    for (g, t) in got.iter_mut().zip(rig.run(&tail)) {
        g.extend(t);
    }
    assert_eq!(rig.periods.engine().frame(), 48_000);
    assert!(got == want, "null {} dB", null_db(&got[0], &want[0]));
    assert_eq!(rig.link.status.installs.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_changed_slot_crossfades_between_the_two_steady_renders() {
    let a = rack(vec![gain("a", 0.0), bands("air", vec![gain("b", 0.0)]), gain("c", 0.0)]);
    let b = rack(vec![gain("a", 0.0), gain("n", -6.0), bands("air", vec![gain("b", 0.0)]), gain("c", 0.0)]);
    for (from, to) in [(&a, &b), (&b, &a)] {
        let x = music(2, 48_000, RATE, 2);
        let (ya, yb) = (Rig::new(from, RATE).run(&x), Rig::new(to, RATE).run(&x));
        let mut rig = Rig::new(from, RATE);
        let (head, tail): (Vec<_>, Vec<_>) =
            x.iter().map(|c| (c[..9600].to_vec(), c[9600..].to_vec())).unzip();
        let mut y = rig.run(&head);
        rig.install(to);
        for (g, t) in y.iter_mut().zip(rig.run(&tail)) {
            g.extend(t);
        }
        assert!(y[0][..9600] == ya[0][..9600]);
        let end = null_db(&y[0][12_000..], &yb[0][12_000..]);
        println!("after the fade: {end:.1} dB from the steady render, signal {:.1} dB", peak_db(&yb[0]));
        assert!(end < -280.0, "{end} dB");
    }
}

#[test]
fn an_added_delay_goes_through_silence() {
    // A rack padded to a constant latency against one that is not.
    let a = rack(vec![gain("a", 0.0)]);
    let mut b = a.clone();
    b.latency_ms = Some(10.0);
    let x = music(2, 48_000, RATE, 3);
    let mut rig = Rig::new(&a, RATE);
    let (head, tail): (Vec<_>, Vec<_>) = x.iter().map(|c| (c[..9600].to_vec(), c[9600..].to_vec())).unzip();
    rig.run(&head);
    rig.install(&b);
    let y = rig.run(&tail);
    let silent = y[0].windows(256).filter(|w| w.iter().all(|v| *v == 0.0)).count();
    assert!(silent > 0, "main was never silent");
    let late: Vec<f64> = x[0][9600 + 4800 - 480..][..30_000].to_vec();
    let end = null_db(&y[0][4800..][..30_000], &late);
    assert!(end < -280.0, "{end} dB from the delayed input");
}

/// A compressor that is not touched keeps its gain reduction while a slot behind it comes and goes.
#[test]
fn an_untouched_compressor_keeps_its_gain_reduction() {
    let comp = || {
        SlotPlan::unit("comp", find("compressor").unwrap())
            .with("threshold", -40.0)
            .with("ratio", 10.0)
            .with("release", 5000.0)
    };
    let a = rack(vec![gain("a", 0.0), comp(), gain("c", 0.0)]);
    let b = rack(vec![gain("a", 0.0), comp(), gain("new", 0.0), gain("c", 0.0)]);
    // Loud, then quiet: the reduction that is heard now is only remembered, for seconds.
    let mut x = music(2, 96_000, RATE, 9);
    x.iter_mut().for_each(|c| c[24_000..].iter_mut().for_each(|v| *v *= 0.001));
    let want = Rig::new(&a, RATE).run(&x);
    let mut rig = Rig::new(&a, RATE);
    let mut y: Vec<Vec<f64>> = vec![Vec::new(); 2];
    for (n, plan) in [&a, &b, &a].into_iter().enumerate() {
        if n > 0 {
            rig.install(plan);
        }
        let part: Vec<Vec<f64>> = x.iter().map(|c| c[n * 32_000..][..32_000].to_vec()).collect();
        for (y, p) in y.iter_mut().zip(rig.run(&part)) {
            y.extend(p);
        }
    }
    let reduction = peak_db(&want[0][60_000..]) - peak_db(&x[0][60_000..]);
    let null = null_db(&y[0], &want[0]);
    println!("{reduction:.1} dB of remembered reduction; null against no reload {null:.1} dB");
    assert!(reduction < -6.0 && null < -300.0);
}
