// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every band of the equalizer under way at once: drags, big jumps, and how soon a recall is heard.

use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::find;

use crate::cases::rack;
use crate::clicks::Fir;
use crate::rig::{Rig, Rng, peak_db, sine};

const RATE: u32 = 48_000;
const BANDS: usize = 24;
const QUANTUM: usize = 64;

/// 24 bells from 30 Hz to 18 kHz.
fn equalizer(gain: impl Fn(usize) -> f64) -> SlotPlan {
    let slot = SlotPlan::unit("u", find("equalizer").unwrap());
    (0..BANDS).fold(slot, |slot, n| {
        let name = |p: &str| format!("band{}/{p}", n + 1);
        slot.with(&name("freq"), 30.0 * 600f64.powf(n as f64 / 23.0)).with(&name("gain"), gain(n))
    })
}

/// Two seconds of a full-scale sine of 100 Hz, with 120 batches a second of what `values` says of every band
/// (frequency, gain and Q) at second `t`: what is left above 5 kHz, in dBFS.
fn dragged(values: impl Fn(&mut Rng, usize, f64) -> [f64; 3]) -> f64 {
    let mut r = Rng(77);
    let plan: RackPlan = rack("stereo", vec![equalizer(|_| 0.0)]);
    let mut rig = Rig::new(&plan, RATE);
    let x = sine(2, 2 * RATE as usize / QUANTUM * QUANTUM, 100.0, 0.0, RATE);
    let mut y = rig.run(&x.iter().map(|c| c[..9_600].to_vec()).collect::<Vec<_>>()).remove(0);
    let mut at = 9_600;
    for batch in 1.. {
        let next = (9_600 + batch * RATE as usize / 120) / QUANTUM * QUANTUM;
        if next > x[0].len() {
            break;
        }
        let t = at as f64 / f64::from(RATE);
        let names: Vec<[String; 3]> =
            (1..=BANDS).map(|n| ["freq", "gain", "q"].map(|p| format!("band{n}/{p}"))).collect();
        let mut sets = Vec::new();
        for (n, names) in names.iter().enumerate() {
            let now = values(&mut r, n, t);
            sets.extend(names.iter().zip(now).map(|(name, v)| ("u", name.as_str(), v)));
        }
        rig.set(&sets, 0);
        let part: Vec<Vec<f64>> = x.iter().map(|c| c[at..next].to_vec()).collect();
        y.extend(rig.run(&part).remove(0));
        at = next;
    }
    println!("peak {:.1} dBFS", peak_db(&y));
    Fir::band(5_000.0, 24_000.0, 2_000.0).peak(&y[4_800..])
}

#[test]
fn drags_on_every_band_leave_nothing_above_5_khz() {
    let left = dragged(|_, n, t| {
        let phase = 2.0 * std::f64::consts::PI * (0.5 + 0.07 * n as f64) * t;
        let freq = 30.0 * 600f64.powf((n as f64 + 0.4 * phase.sin()) / 23.0);
        [freq.clamp(20.0, 20_000.0), 3.0 * (1.3 * phase).sin(), 2f64.powf((0.7 * phase).sin())]
    });
    println!("120 drags a second on each of 24 bands: {left:.1} dBFS above 5 kHz");
    assert!(left < -120.0, "{left:.1} dBFS");
}

#[test]
fn jumps_of_every_band_leave_nothing_above_5_khz() {
    let left = dragged(|r, _, _| {
        [20.0 * 1_000f64.powf(r.unit()), 24.0 * r.unit() - 12.0, 0.1 * 400f64.powf(r.unit())]
    });
    println!("120 jumps a second of each of 24 bands: {left:.1} dBFS above 5 kHz");
    assert!(left < -120.0, "{left:.1} dBFS");
}

#[test]
fn a_recall_of_24_bands_is_heard_within_50_ms() {
    let (from, to) = (equalizer(|_| 0.0), equalizer(|n| if n % 2 == 0 { 6.0 } else { -4.0 }));
    for hz in [31.0, 100.0, 1_000.0, 8_000.0] {
        let x = sine(2, RATE as usize / QUANTUM * QUANTUM, hz, -6.0, RATE);
        let step = 24_000 / QUANTUM * QUANTUM;
        let part = |a: usize, b: usize| x.iter().map(|c| c[a..b].to_vec()).collect::<Vec<_>>();
        let mut rig = Rig::new(&rack("stereo", vec![from.clone()]), RATE);
        let mut y = rig.run(&part(0, step)).remove(0);
        let names: Vec<(String, f64)> = (0..BANDS)
            .map(|n| (format!("band{}/gain", n + 1), if n % 2 == 0 { 6.0 } else { -4.0 }))
            .collect();
        let sets: Vec<(&str, &str, f64)> = names.iter().map(|(n, v)| ("u", n.as_str(), *v)).collect();
        rig.set(&sets, 0);
        y.extend(rig.run(&part(step, x[0].len())).remove(0));
        let steady = |slot: &SlotPlan| Rig::new(&rack("stereo", vec![slot.clone()]), RATE).run(&x).remove(0);
        let (a, b) = (steady(&from), steady(&to));
        // Half of the way, in the mean of a whole cycle.
        let cycle = (f64::from(RATE) / hz) as usize;
        let moved = |at: usize| {
            let sum = |f: &dyn Fn(usize) -> f64| (at - cycle..at).map(|n| f(n) * f(n)).sum::<f64>();
            (sum(&|n| y[n] - a[n]) / sum(&|n| b[n] - a[n])).sqrt()
        };
        let heard = (step..x[0].len()).find(|at| moved(*at) > 0.5).expect("it is heard");
        let ms = 1_000.0 * (heard - step) as f64 / f64::from(RATE);
        println!("{hz} Hz: half of a recall of 24 bands is there after {ms:.1} ms");
        assert!(ms < 50.0 + 500.0 / hz, "{ms:.1} ms at {hz} Hz");
    }
}
