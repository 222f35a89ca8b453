// SPDX-License-Identifier: MIT OR Apache-2.0
//! Changes while it plays: what a step leaves beside the signal, how straight it goes from the old
//! sound to the new, and that no box is lost or freed on the way.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use std::f64::consts::PI;

use super::tests::{Ask, ask, design, format, render, unit};
use super::*;
use crate::dsp::QUANTUM;
use crate::units::{Block, Glides, Unit};

const FS: f64 = 48_000.0;
/// Quanta before the step, so that the old sound stands, and before one to a band slower than 0.1 s: longer
/// than the equaliser remembers. After it, to look for clicks; and after it, to see slow bands arrive.
const BEFORE: usize = 300;
const LONG_BEFORE: usize = 2400;
const AFTER: usize = 210;
const LONG_AFTER: usize = 500;

fn steps() -> Vec<(&'static str, Vec<Ask>, Vec<Ask>)> {
    use Shape::*;
    let mut s: Vec<(&'static str, Vec<Ask>, Vec<Ask>)> = Vec::new();
    for (f, g) in [(80.0, 8000.0), (8000.0, 80.0), (1000.0, 1400.0), (3000.0, 3100.0)] {
        for shape in [Bell, LowShelf, HighShelf, Highpass, Lowpass, Notch, Bandpass, Allpass, Tilt] {
            s.push(("freq", vec![ask(shape, f, 12.0, 1.0)], vec![ask(shape, g, 12.0, 1.0)]));
        }
        s.push(("freq", vec![ask(Bell, f, 24.0, 40.0)], vec![ask(Bell, g, 24.0, 40.0)]));
    }
    for f in [40.0, 100.0, 1000.0, 3000.0, 8000.0, 12_000.0] {
        for q in [0.1f64, 1.0, 10.0, 40.0] {
            for shape in [Bell, HighShelf, LowShelf] {
                let q = if shape == Bell { q } else { q.min(2.0) };
                s.push(("gain", vec![ask(shape, f, -24.0, q)], vec![ask(shape, f, 24.0, q)]));
            }
        }
        for (shape, gain) in [(Bell, 24.0), (Bell, -24.0), (Notch, 0.0), (Bandpass, 0.0), (Allpass, 0.0)] {
            s.push(("q", vec![ask(shape, f, gain, 0.1)], vec![ask(shape, f, gain, 40.0)]));
            s.push(("q", vec![ask(shape, f, gain, 40.0)], vec![ask(shape, f, gain, 0.1)]));
        }
        let bell = ask(Bell, f, 12.0, 2.0);
        for shape in [LowShelf, HighShelf, Highpass, Lowpass, Notch, Bandpass, Allpass, Tilt] {
            s.push(("shape", vec![bell], vec![Ask { shape, ..bell }]));
            s.push(("shape", vec![Ask { shape, ..bell }], vec![bell]));
        }
        for shape in [Highpass, Lowpass] {
            let first = Ask { order: 1, ..ask(shape, f, 0.0, 1.0) };
            s.push(("order", vec![first], vec![Ask { order: 8, ..first }]));
            s.push(("order", vec![Ask { order: 8, ..first }], vec![first]));
        }
        for q in [0.7, 8.0, 40.0] {
            let bell = ask(Bell, f, 18.0, q);
            s.push(("on", vec![Ask { on: false, ..bell }], vec![bell]));
            s.push(("on", vec![bell], vec![Ask { on: false, ..bell }]));
            for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)] {
                s.push(("channel", vec![Ask { channel: a, ..bell }], vec![Ask { channel: b, ..bell }]));
            }
            // A band behind that stays must not be struck by the one before it.
            s.push((
                "before",
                vec![ask(Tilt, 500.0, -12.0, 1.0), bell],
                vec![ask(Tilt, 500.0, 12.0, 1.0), bell],
            ));
        }
    }
    // Steps of a hand on a knob.
    for (f, q) in [(30.0, 8.0), (60.0, 2.0), (100.0, 40.0), (1000.0, 20.0)] {
        let bell = ask(Bell, f, 6.0, q);
        for gain in [5.0, 7.0, 9.0] {
            s.push(("knob", vec![bell], vec![Ask { gain, ..bell }]));
        }
        s.push(("knob", vec![bell], vec![Ask { q: q * 1.2, ..bell }]));
        s.push(("knob", vec![bell], vec![Ask { freq: f * 1.01, ..bell }]));
    }
    for order in [2, 4, 8] {
        let cut = Ask { order, ..ask(Highpass, 30.0, 0.0, 1.0) };
        s.push(("knob", vec![cut], vec![Ask { freq: 33.0, ..cut }]));
    }
    s
}

/// Left = cosine, right = sine of amplitude 1, with a step of design at quantum `before`.
fn play(hz: f64, old: &[Ask], new: Option<&[Ask]>, before: usize, after: usize) -> Vec<Vec<f64>> {
    let f = format("stereo", FS as u32);
    let mut u = unit(&f, old);
    let n = (before + after) * QUANTUM;
    let phase = |i: usize| 2.0 * PI * hz * i as f64 / FS;
    let mut x: Vec<Vec<f64>> =
        vec![(0..n).map(|i| libm::cos(phase(i))).collect(), (0..n).map(|i| libm::sin(phase(i))).collect()];
    let mut rest: Vec<Vec<f64>> = x.iter_mut().map(|c| c.split_off(before * QUANTUM)).collect();
    render(&mut u, &mut x);
    if let Some(new) = new {
        let mut parts = Some(design(&f, new));
        u.exchange(&mut parts, 0);
        assert!(parts.is_none());
    }
    render(&mut u, &mut rest);
    for (c, r) in x.iter_mut().zip(rest) {
        c.extend(r);
    }
    x
}

/// A symmetric FIR, Kaiser β 24 (side lobes below −220 dB): passes above `low`, or `low` to `high`, in Hz.
fn fir(low: f64, high: f64) -> Vec<f64> {
    let half = 480i32;
    let bessel = |x: f64| {
        (1..80)
            .fold((1.0, 1.0), |(s, t): (f64, f64), k| {
                let t = t * (0.5 * x / f64::from(k)) * (0.5 * x / f64::from(k));
                (s + t, t)
            })
            .0
    };
    let sinc = |f: f64, n: i32| {
        if n == 0 { 2.0 * f / FS } else { libm::sin(2.0 * PI * f / FS * f64::from(n)) / (PI * f64::from(n)) }
    };
    (-half..=half)
        .map(|n| {
            let r = f64::from(n) / f64::from(half + 1);
            (sinc(high, n) - sinc(low, n)) * bessel(24.0 * (1.0 - r * r).sqrt()) / bessel(24.0)
        })
        .collect()
}

/// What passes the top alone.
pub(super) fn above_5_khz() -> Vec<f64> {
    fir(5300.0, 24_000.0)
}

/// Highest sample in dBFS of what `h` passes around the step.
fn beside(x: &[f64], h: &[f64]) -> f64 {
    let from = (BEFORE - 10) * QUANTUM;
    let peak = (from..x.len() - h.len())
        .map(|i| h.iter().zip(&x[i - h.len() / 2..]).map(|(h, x)| h * x).sum::<f64>().abs())
        .fold(0.0, f64::max);
    20.0 * libm::log10(peak.max(1e-20))
}

#[test]
fn a_step_leaves_nothing_beside_the_signal() {
    // Their edges are 0.8 kHz wide, half of it on either side, so that steady tones are not seen at all.
    let (above5, middle, above16) = (fir(5300.0, 24_000.0), fir(1800.0, 4200.0), fir(16_300.0, 24_000.0));
    let mut worst = std::collections::BTreeMap::new();
    for (name, old, new) in steps() {
        let (low, high) =
            (play(100.0, &old, Some(&new), BEFORE, AFTER), play(10_000.0, &old, Some(&new), BEFORE, AFTER));
        let figures = [
            low.iter().map(|c| beside(c, &above5)).fold(-400.0, f64::max),
            high.iter().map(|c| beside(c, &middle)).fold(-400.0, f64::max),
            high.iter().map(|c| beside(c, &above16)).fold(-400.0, f64::max),
        ];
        for (k, figure) in figures.iter().enumerate() {
            if *figure > -120.0 {
                println!("{name} {k} {figure:.1}: {old:?} -> {new:?}");
            }
            let seat = worst.entry((name, k)).or_insert((-400.0, String::new()));
            if *figure > seat.0 {
                *seat = (*figure, format!("{old:?} -> {new:?}"));
            }
        }
    }
    let places = ["100 Hz, above 5 kHz", "10 kHz, 1.5 to 4.5 kHz", "10 kHz, above 16 kHz"];
    for ((name, k), (figure, step)) in &worst {
        println!("{name}, {}: {figure:.1} dBFS", places[*k]);
        assert!(*figure < -120.0, "{step}");
    }
}

/// Worst departure in dB of the level from the best monotone `w·A + (1 − w)·B`: at any time, and
/// from 5 time constants after the step; and the departure against the louder of the two sounds.
fn crookedness(hz: f64, old: &[Ask], new: &[Ask], tau: f64) -> (f64, f64, f64) {
    let before = if tau < 0.1 * FS { BEFORE } else { LONG_BEFORE };
    let [a, b] = [old, new].map(|bands| play(hz, bands, None, before, LONG_AFTER));
    let z = play(hz, old, Some(new), before, LONG_AFTER);
    let (mut w, mut worst, mut late, mut share) = (1.0f64, 0.0f64, 0.0f64, 0.0f64);
    for i in before * QUANTUM..z[0].len() {
        let d = [a[0][i] - b[0][i], a[1][i] - b[1][i]];
        let e = [z[0][i] - b[0][i], z[1][i] - b[1][i]];
        let size = d[0] * d[0] + d[1] * d[1];
        if size > 1e-12 {
            w = w.min((e[0] * d[0] + e[1] * d[1]) / size).clamp(0.0, 1.0);
        }
        let level = |p: f64, q: f64| (p * p + q * q).sqrt();
        let fit = level(b[0][i] + w * d[0], b[1][i] + w * d[1]);
        let out = level(z[0][i], z[1][i]);
        // 40 dB below the louder of the two, as in a notch or where they cancel, a ratio says nothing.
        let floor = 0.01 * level(a[0][i], a[1][i]).max(level(b[0][i], b[1][i])).max(1.0);
        let error = 20.0 * libm::log10(out.max(floor) / fit.max(floor)).abs();
        worst = worst.max(error);
        share = share.max(20.0 * libm::log10(1.0 + (out - fit).abs() / (100.0 * floor)));
        if (i - before * QUANTUM) as f64 > 5.0 * tau + 0.035 * FS {
            late = late.max(20.0 * libm::log10(out.max(floor) / level(b[0][i], b[1][i]).max(floor)).abs());
        }
    }
    (worst, late, share)
}

#[test]
fn a_step_goes_straight_from_old_to_new() {
    let mut worst: std::collections::BTreeMap<&str, (f64, String)> = Default::default();
    let mut note = |class: &'static str, error: f64, text: String| {
        let seat = worst.entry(class).or_insert((0.0, String::new()));
        if error > seat.0 {
            *seat = (error, text);
        }
    };
    let (mut count, mut loudest) = ([0; 3], 0.0f64);
    for (name, old, new) in steps() {
        if name == "channel" || name == "before" {
            continue; // the two channels of the measure would not be one signal
        }
        let d = design(&format("stereo", FS as u32), &new);
        let tau = d.time_constant();
        let f0 = new[0].freq;
        for hz in [0.5 * f0, 0.9 * f0, 0.98 * f0, f0, 1.03 * f0, 1.2 * f0, 2.0 * f0, 50.0, 1000.0, 10_000.0] {
            if !(20.0..20_000.0).contains(&hz) {
                continue;
            }
            let (any, late, share) = crookedness(hz, &old, &new, tau);
            let text = format!("{name}, tau {:.1} ms, {hz} Hz: {old:?} -> {new:?}", tau / FS * 1e3);
            // Up to 5 ms, as far as the memory reaches, and beyond.
            let class = usize::from(tau > 0.005 * FS) + usize::from(tau > 0.25 * FS);
            count[class] += 1;
            note(["fast", "slow", "slowest"][class], any, text.clone());
            loudest = loudest.max(share);
            note("after 5 tau", late, text);
        }
    }
    println!(
        "steps, fast, slow and slowest: {count:?}; against the louder of the two sounds {loudest:.4} dB"
    );
    for (class, (error, text)) in &worst {
        println!("{class}: {error:.4} dB ({text})");
        let bound = match *class {
            "slow" => 0.3,
            "slowest" => 1.5,
            _ => 0.1,
        };
        assert!(*error < bound, "{class}: {error} dB: {text}");
    }
}

/// A band dragged 120 times a second for 2 s while two tones play.
#[test]
fn a_drag_is_heard_and_leaves_nothing_beside_the_signal() {
    let f = format("stereo", FS as u32);
    let mut u = unit(&f, &[ask(Shape::Bell, 100.0, 12.0, 2.0)]);
    let (table, quanta) = (Equalizer::SPEC.own_params(), 1500);
    let glides = Glides::new(&table, &table.defaults());
    let mut out = [Vec::<f64>::new(), Vec::new()];
    let (mut sent, mut home, mut heard, mut last) = (0usize, 0usize, 0, 0u64);
    for n in 0..quanta {
        // 400 frames are one change at 120 a second.
        if n * QUANTUM / 400 != (n + 1) * QUANTUM / 400 {
            let t = n as f64 / f64::from(quanta as u32);
            let band = ask(Shape::Bell, 100.0 * libm::pow(80.0, t), 12.0 - 20.0 * t, 2.0 + 6.0 * t);
            let mut parts = Some(design(&f, &[band]));
            u.exchange(&mut parts, n * QUANTUM % 400 % QUANTUM);
            sent += 1;
            home += usize::from(parts.is_some());
            assert!(sent - home <= 2, "{sent} sent, {home} home");
        }
        let at = |i: usize, hz: f64| 2.0 * PI * hz * (n * QUANTUM + i) as f64 / FS;
        let x = std::array::from_fn(|i| 0.5 * libm::sin(at(i, 100.0)) + 0.5 * libm::sin(at(i, 60.0)));
        let mut block = [x, x];
        u.process(&mut Block::new(&mut block, None, &glides));
        out.iter_mut().zip(&block).for_each(|(o, b)| o.extend(b));
        let now = u.heard().unwrap().sections[0].g.to_bits();
        heard += usize::from(now != last);
        last = now;
    }
    let worst = out.iter().map(|x| {
        assert!(x.iter().all(|x| x.is_finite() && x.abs() < 4.5));
        let h = fir(5300.0, 24_000.0);
        let peak = (4800..x.len() - h.len())
            .map(|i| h.iter().zip(&x[i..]).map(|(h, x)| h * x).sum::<f64>().abs())
            .fold(0.0, f64::max);
        20.0 * libm::log10(peak)
    });
    let worst = worst.fold(-400.0, f64::max);
    println!("drag: {sent} sent, {home} home, {heard} heard; above 5 kHz {worst:.1} dBFS");
    assert!(heard > 40 && worst < -120.0);
}

#[test]
fn every_box_comes_home_once() {
    let f = format("stereo", FS as u32);
    let mut u = unit(&f, &[ask(Shape::Bell, 1000.0, 1.0, 1.0)]);
    let (table, mut random) = (Equalizer::SPEC.own_params(), 1u64);
    let glides = Glides::new(&table, &table.defaults());
    let mut boxes = std::collections::BTreeSet::new();
    boxes.insert(u.heard().unwrap() as *const Design as usize);
    let mut newest = 0.0;
    for n in 0..3000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let times = [0, 0, 0, 0, 0, 0, 0, 1, 2, 4][(random >> 40) as usize % 10];
        for k in 0..times {
            newest = f64::from(n % 97) * 0.2 + 0.1 * f64::from(k) + 0.05;
            let mut parts = Some(design(&f, &[ask(Shape::Bell, 1000.0, newest, 1.0)]));
            let place = |p: &Option<Box<Design>>| p.as_deref().map(|d| d as *const Design as usize);
            assert!(boxes.insert(place(&parts).unwrap()), "a box inside was freed");
            u.exchange(&mut parts, 5);
            if let Some(p) = place(&parts) {
                assert!(boxes.remove(&p), "a box that was not inside");
            }
            assert!(boxes.len() <= 3, "{} inside", boxes.len());
        }
        let mut block = [[0.25; QUANTUM]; 2];
        u.process(&mut Block::new(&mut block, None, &glides));
        if random >> 60 == 0 {
            u.reset();
        }
    }
    let mut block = [[0.25; QUANTUM]; 2];
    (0..100).for_each(|_| u.process(&mut Block::new(&mut block, None, &glides)));
    let want = design(&f, &[ask(Shape::Bell, 1000.0, newest, 1.0)]);
    assert_eq!(u.heard(), Some(&*want), "the newest is heard in the end");
    for _ in 0..3 {
        let mut none = None;
        u.exchange(&mut none, 0);
        if let Some(p) = none {
            assert!(boxes.remove(&(&*p as *const Design as usize)));
        }
    }
    assert_eq!(boxes.len(), 1);
}

#[test]
fn a_change_that_changes_nothing_keeps_every_bit() {
    let bell = [ask(Shape::Bell, 300.0, 5.0, 3.0)];
    let same = [bell[0], ask(Shape::HighShelf, 5000.0, 0.0, 2.0)];
    let (a, b) = (play(440.0, &bell, None, BEFORE, AFTER), play(440.0, &bell, Some(&same), BEFORE, AFTER));
    assert!(a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// All bands at once, at random, as a recall does it.
#[test]
fn a_recall_of_every_band_leaves_nothing_beside_the_signal() {
    let above5 = fir(5300.0, 24_000.0);
    let mut seed = 5u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut bands = || -> Vec<Ask> {
        (0..BANDS)
            .map(|_| {
                let shape = Shape::ALL[(next() * Shape::ALL.len() as f64) as usize];
                let (f, q) = (10.0 * libm::pow(4000.0, next()), 0.1 * libm::pow(400.0, next()));
                let order = 1 + (next() * 16.0) as usize;
                Ask {
                    order,
                    channel: (next() * 5.0) as usize,
                    on: next() < 0.7,
                    ..ask(shape, f, 24.0 * next() - 12.0, q)
                }
            })
            .collect()
    };
    let mut worst = -400.0f64;
    for _ in 0..60 {
        let (old, new) = (bands(), bands());
        let out = play(100.0, &old, Some(&new), BEFORE, AFTER);
        let peak = out.iter().flatten().fold(1.0, |m: f64, x| m.max(x.abs()));
        let left = out.iter().map(|c| beside(c, &above5)).fold(-400.0, f64::max) - 20.0 * libm::log10(peak);
        if left > worst {
            println!("{left:.1} dB under a peak of {:.1} dBFS", 20.0 * libm::log10(peak));
        }
        worst = worst.max(left);
    }
    println!("recalls: {worst:.1} dB above 5 kHz");
    assert!(worst < -120.0, "{worst}");
}

/// A change right behind another of a band before it: what is remembered of that band is another's.
#[test]
fn changes_that_follow_each_other_leave_nothing_beside_the_signal() {
    let (above5, f) = (fir(5300.0, 24_000.0), format("stereo", FS as u32));
    let loud = ask(Shape::Bell, 80.0, 24.0, 20.0);
    let fast = |gain: f64| ask(Shape::Bell, 9000.0, gain, 1.0);
    // The third is no other sound than the second.
    let steps: [Vec<Ask>; 6] = [
        vec![loud, fast(3.0)],
        vec![ask(Shape::Bell, 300.0, -12.0, 5.0), fast(3.0)],
        vec![ask(Shape::Bell, 300.0, -12.0, 5.0), fast(3.0), fast(0.0)],
        vec![fast(4.0), fast(-3.0)],
        vec![Ask { on: false, ..loud }, fast(-3.0)],
        vec![Ask { on: false, ..loud }, fast(-3.0)],
    ];
    let mut worst = -400.0f64;
    for gap in [1, 5, 16, 20, 30, 38, 45, 60, 100] {
        let mut u = unit(&f, &steps[0]);
        let frames = (BEFORE + AFTER + 400) * QUANTUM;
        let x: Vec<f64> = (0..frames).map(|i| libm::sin(2.0 * PI * 100.0 * i as f64 / FS)).collect();
        let mut audio = [x.clone(), x];
        let mut from = 0;
        for (n, bands) in steps.iter().enumerate().skip(1) {
            let to = (BEFORE + (n - 1) * gap) * QUANTUM;
            let mut part: Vec<Vec<f64>> = audio.iter().map(|c| c[from..to].to_vec()).collect();
            render(&mut u, &mut part);
            audio.iter_mut().zip(part).for_each(|(c, p)| c[from..to].copy_from_slice(&p));
            let mut parts = Some(design(&f, bands));
            u.exchange(&mut parts, 0);
            from = to;
        }
        let mut part: Vec<Vec<f64>> = audio.iter().map(|c| c[from..].to_vec()).collect();
        render(&mut u, &mut part);
        audio.iter_mut().zip(part).for_each(|(c, p)| c[from..].copy_from_slice(&p));
        let peak = audio.iter().flatten().fold(1.0, |m: f64, x| m.max(x.abs()));
        let left = audio.iter().map(|c| beside(c, &above5)).fold(-400.0, f64::max) - 20.0 * libm::log10(peak);
        println!("{gap} quanta apart: {left:.1} dB");
        worst = worst.max(left);
    }
    assert!(worst < -120.0, "{worst}");
}

/// Changes of bands that stand still, by the thousand and at any moment, keep every bit.
#[test]
fn changes_of_neutral_bands_keep_every_bit() {
    let f = format("stereo", FS as u32);
    let bell = ask(Shape::Bell, 300.0, 6.0, 3.0);
    let (table, mut random) = (Equalizer::SPEC.own_params(), 7u64);
    let glides = Glides::new(&table, &table.defaults());
    let (mut u, mut steady) = (unit(&f, &[bell]), unit(&f, &[bell]));
    let mut wrong = 0;
    for n in 0..8000usize {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let times = [0, 0, 0, 0, 0, 0, 0, 1, 2, 3][(random >> 40) as usize % 10];
        for k in 0..times {
            let still = ask(Shape::Bell, 100.0 + f64::from(n as u32 + k), 0.0, 1.0);
            let mut parts = Some(design(&f, &[bell, still]));
            u.exchange(&mut parts, (random >> 50) as usize % QUANTUM);
        }
        let x = std::array::from_fn(|i| libm::sin(2.0 * PI * 100.0 * (n * QUANTUM + i) as f64 / FS));
        let (mut a, mut b) = ([x, x], [x, x]);
        u.process(&mut Block::new(&mut a, None, &glides));
        steady.process(&mut Block::new(&mut b, None, &glides));
        if a != b {
            wrong += 1;
            let off = a[0].iter().zip(&b[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if wrong < 10 {
                println!("quantum {n}, {times} changes: off by {off:e}");
            }
        }
    }
    assert_eq!(wrong, 0, "quanta that differ");
}

/// Real changes among those of neutral bands, at any moment.
#[test]
fn changes_of_any_kind_at_any_moment_leave_nothing_beside_the_signal() {
    let (f, above5) = (format("stereo", FS as u32), fir(5300.0, 24_000.0));
    let (table, mut random) = (Equalizer::SPEC.own_params(), 7u64);
    let glides = Glides::new(&table, &table.defaults());
    let mut next = move |n: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % n
    };
    let mut bands: Vec<Ask> = (0..BANDS).map(|_| ask(Shape::Bell, 1000.0, 0.0, 1.0)).collect();
    let mut u = unit(&f, &bands);
    let mut out = Vec::new();
    for n in 0..12_000usize {
        if n % 8 == 0 && next(2) == 0 {
            for _ in 0..1 + next(3) {
                let b = &mut bands[next(BANDS as u64) as usize];
                match next(7) {
                    0 => b.gain = next(25) as f64 - 12.0,
                    1 => b.shape = Shape::ALL[next(15) as usize],
                    2 => b.freq = 10.0 * libm::pow(4000.0, next(1000) as f64 / 1000.0),
                    3 => b.q = 0.1 * libm::pow(400.0, next(1000) as f64 / 1000.0),
                    4 => b.on = next(3) > 0,
                    5 => b.channel = next(5) as usize,
                    _ => b.order = 1 + next(16) as usize,
                }
            }
            if next(12) == 0 {
                bands.iter_mut().for_each(|b| *b = ask(Shape::Bell, 1000.0, 0.0, 1.0));
            }
            let mut parts = Some(design(&f, &bands));
            u.exchange(&mut parts, 0);
        }
        let x = std::array::from_fn(|i| {
            0.1 * libm::sin(2.0 * PI * 100.0 * ((n * QUANTUM + i) % 480) as f64 / FS)
        });
        let mut a = [x, x];
        u.process(&mut Block::new(&mut a, None, &glides));
        out.extend(a[0]);
    }
    let (mut worst, mut place) = (0.0f64, 0);
    for i in 0..out.len() - above5.len() {
        let y = above5.iter().zip(&out[i..]).map(|(h, x)| h * x).sum::<f64>().abs();
        if y > worst {
            (worst, place) = (y, i + above5.len() / 2);
        }
    }
    let left = 20.0 * libm::log10(worst);
    println!("{left:.1} dBFS at {place}, quantum {}", place / QUANTUM);
    assert!(left < -100.0, "{left} dBFS");
}
