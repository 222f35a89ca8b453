// SPDX-License-Identifier: MIT OR Apache-2.0
//! What must not matter: the periods audio comes in, silence before it, and slots that do nothing.

use lathe_core::dsp::QUANTUM;
use lathe_core::rack::plan::{RackPlan, SlotPlan};

use crate::cases::{all_working, name, neutral_units, rack, randomized, shapes, splits};
use crate::rig::{Rig, Rng, music, null_db};

const RATE: u32 = 48_000;
const FRAMES: usize = 40_000 / QUANTUM * QUANTUM;

/// Every case: working and at random.
fn cases() -> Vec<(String, RackPlan)> {
    let mut r = Rng(77);
    let mut all = Vec::new();
    for slot in all_working() {
        all.push((name(&slot), rack("stereo", vec![slot.clone()])));
        for n in 0..3 {
            let s = randomized(slot.clone(), &mut r);
            all.push((format!("{} at random {n}", name(&slot)), rack("stereo", vec![s])));
        }
    }
    let mut chain: Vec<SlotPlan> = all_working();
    for (n, s) in chain.iter_mut().enumerate() {
        s.id = format!("s{n}");
    }
    // Inner ids of the splits would collide in one rack.
    let splits_at = chain.len() - splits().len();
    chain.truncate(splits_at + 1);
    all.push(("a chain of all units".to_string(), rack("stereo", chain)));
    for layout in ["mono", "5.1"] {
        for slot in all_working() {
            if layout == "mono" && ["midside", "leftright"].contains(&name(&slot).as_str()) {
                continue;
            }
            all.push((format!("{} in {layout}", name(&slot)), rack(layout, vec![slot])));
        }
    }
    all.extend(shipped());
    all
}

/// Every rack that comes with the program.
fn shipped() -> Vec<(String, RackPlan)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/racks");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().is_some_and(|n| n != "broken") {
            let text = std::fs::read_to_string(&path).unwrap();
            let loaded = lathe_core::rack::load(&text, &path.display().to_string());
            all.push((path.display().to_string(), loaded.unwrap_or_else(|e| panic!("{e}")).plan));
        }
    }
    assert!(all.len() >= 5, "{folder}");
    all
}

#[test]
fn any_partition_gives_the_same_bits() {
    for (name, plan) in cases() {
        let x = music(plan.layout.len(), FRAMES, RATE, 5);
        let want = Rig::new(&plan, RATE).run(&x);
        let mut r = Rng(9);
        type Partition = Box<dyn FnMut() -> usize>;
        let partitions: Vec<(&str, Partition)> = vec![
            ("1", Box::new(|| 1)),
            ("100", Box::new(|| 100)),
            ("8192", Box::new(|| 8192)),
            ("random 1..8192", Box::new(move || 1 + r.below(8192))),
        ];
        for (kind, mut period) in partitions {
            let mut rig = Rig::new(&plan, RATE);
            // What is not always a multiple of 64 is buffered from its first frame on.
            let delay = if kind == "8192" { 0 } else { QUANTUM };
            rig.periods.set_period(if delay == 0 { QUANTUM } else { 1 });
            let got = rig.run_in(&x, &mut *period);
            for (c, (g, w)) in got.iter().zip(&want).enumerate() {
                let same = g[delay..] == w[..FRAMES - delay];
                assert!(same, "{name}, periods of {kind}, channel {c}: null {} dB", null_db(&g[delay..], w));
            }
        }
    }
}

/// The largest block a rack works in: kernels of an equalizer have blocks of 4096 frames, those of a mono maker 512.
fn block(plan: &RackPlan) -> usize {
    let kernels = |symbol: &str| {
        let on = |s: &&SlotPlan| s.table.find(symbol).is_some_and(|p| s.values.get(p) != 0.0);
        plan.walk().iter().any(on)
    };
    match () {
        () if kernels("phase") => 4096,
        () if kernels("mono_phase") => 512,
        () => QUANTUM,
    }
}

#[test]
fn silence_before_shifts_the_output_exactly() {
    for (name, plan) in cases() {
        let x = music(plan.layout.len(), FRAMES, RATE, 6);
        let want = Rig::new(&plan, RATE).run(&x);
        let block = block(&plan);
        for k in [64, 640, 4096, 4992] {
            let late: Vec<Vec<f64>> =
                x.iter().map(|c| [vec![0.0; k], c[..FRAMES - k].to_vec()].concat()).collect();
            let got = Rig::new(&plan, RATE).run(&late);
            for (g, w) in got.iter().zip(&want) {
                let null = null_db(&g[k..], w);
                let exact = g[k..] == w[..FRAMES - k];
                let held = if k % block == 0 { exact } else { null < -200.0 };
                assert!(held, "{name}, {k} zeros, blocks of {block}: null {null} dB");
            }
        }
    }
}

#[test]
fn neutral_units_and_splits_null_against_a_delay() {
    let all = neutral_units().into_iter().chain(splits());
    for layout in ["mono", "stereo", "5.1"] {
        for slot in all.clone() {
            let name = name(&slot);
            // Shapers work between the filters of a higher rate: `response.rs` says how flat they are.
            if shapes(&slot)
                || name == "bands"
                || (layout == "mono" && (name == "midside" || name == "leftright"))
            {
                continue;
            }
            let plan = rack(layout, vec![slot]);
            // Below every threshold and ceiling that a default may have.
            let mut x = music(plan.layout.len(), FRAMES, RATE, 7);
            x.iter_mut().flatten().for_each(|v| *v *= 0.05);
            let mut rig = Rig::new(&plan, RATE);
            let latency = rig.spec.latency;
            let y = rig.run(&x);
            for (y, x) in y.iter().zip(&x) {
                let null = null_db(&y[latency..], x);
                // A dither is never neutral: its error is at most 1.5 LSB of 24 bits.
                let allowed = if name == "dither" { -134.9 } else { -280.0 };
                assert!(null <= allowed, "{name} in {layout}: {null:.1} dB against a delay of {latency}");
            }
        }
    }
}

#[test]
fn neutral_bands_null_against_their_all_pass() {
    let plan = rack("stereo", vec![splits().remove(3)]);
    let x = music(2, FRAMES, RATE, 8);
    let y = Rig::new(&plan, RATE).run(&x);
    let mut want = x[0].clone();
    for hz in [120.0, 800.0, 5000.0] {
        all_pass(&mut want, hz, std::f64::consts::FRAC_1_SQRT_2);
    }
    let null = null_db(&y[0], &want);
    println!("four bands against three all-passes: {null:.1} dB");
    assert!(null <= -280.0, "{null} dB");
}

/// Second-order all-pass, written apart from the kernel's: the low-noise normal form with the
/// matrix exponential replaced by the bilinear one.
fn all_pass(x: &mut [f64], hz: f64, q: f64) {
    let g = (std::f64::consts::PI * hz / f64::from(RATE)).tan();
    let (mut s1, mut s2) = (0.0, 0.0);
    for v in x {
        let band = (g * (*v - s2) + s1) / (1.0 + g * (g + 1.0 / q));
        let low = s2 + g * band;
        s1 = 2.0 * band - s1;
        s2 = 2.0 * low - s2;
        *v -= 2.0 / q * band;
    }
}

#[test]
fn bypass_and_mix_zero_are_the_delayed_input_bit_for_bit() {
    for (name, plan) in cases() {
        if name.contains("chain") || name.contains(".toml") {
            continue;
        }
        for (symbol, value) in [("bypass", 1.0), ("mix", 0.0)] {
            let mut plan = plan.clone();
            plan.slots[0] = plan.slots[0].clone().with(symbol, value);
            let x = music(plan.layout.len(), FRAMES, RATE, 10);
            let mut rig = Rig::new(&plan, RATE);
            let latency = rig.spec.latency;
            let y = rig.run(&x);
            for (y, x) in y.iter().zip(&x) {
                assert!(y[latency..] == x[..FRAMES - latency], "{name}, {symbol} = {value}");
            }
        }
    }
}

#[test]
fn what_is_not_audio_is_zeroed_and_counted_and_leaves_no_trace() {
    for (name, plan) in cases() {
        let channels = plan.layout.len();
        let clean = music(channels, FRAMES, RATE, 11);
        let mut dirty = clean.clone();
        for (n, bad) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3.4e38, 1e-310].into_iter().enumerate() {
            dirty[0][1000 + n] = bad;
        }
        let mut zeroed = clean.clone();
        zeroed[0][1000..1005].fill(0.0);
        let mut rig = Rig::new(&plan, RATE);
        let got = rig.run(&dirty);
        let want = Rig::new(&plan, RATE).run(&zeroed);
        let status = &rig.link.status;
        let refused = status.refused_input.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(refused, 4, "{name}");
        assert!(got.iter().flatten().all(|v| v.is_finite()), "{name}: not finite");
        assert!(got == want, "{name}: {} dB", null_db(&got[0], &want[0]));
    }
}
