// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fades are w·A + (1−w)·B of the two steady renders with w monotone: bypass, mix, exchange, swap.

use lathe_core::param::Motion;
use lathe_core::rack::plan::RackPlan;

use crate::cases::{all_working, name, rack};
use crate::rig::{Rig, music, sine};

const RATE: u32 = 48_000;
const STEP: usize = 24_000 / 64 * 64;
/// Frames of one look at the fade.
const WINDOW: usize = 96;

/// What a fade did: the largest level error in dB, the largest step back of w.
struct Fade {
    error_db: f64,
    back: f64,
}

/// Fits w(t) = u + v·t in every window, on both channels, and compares the level with the fit's.
fn fit(y: &[Vec<f64>], a: &[Vec<f64>], b: &[Vec<f64>]) -> Fade {
    let n = y[0].len();
    let (mut error_db, mut back, mut high) = (0.0f64, 0.0f64, 0.0f64);
    for start in (STEP - 4 * WINDOW..n - WINDOW).step_by(WINDOW) {
        let rows = || {
            (0..y.len()).flat_map(move |c| {
                (0..WINDOW).map(move |i| {
                    let k = start + i;
                    let t = (i as f64 - (WINDOW - 1) as f64 / 2.0) / WINDOW as f64;
                    (t, a[c][k], b[c][k], y[c][k])
                })
            })
        };
        // Normal equations of y − a = (u + v·t)·(b − a).
        let (mut s0, mut s1, mut s2, mut r0, mut r1, mut loud) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (t, a, b, y) in rows() {
            let d = b - a;
            s0 += d * d;
            s1 += t * d * d;
            s2 += t * t * d * d;
            r0 += d * (y - a);
            r1 += t * d * (y - a);
            loud += a * a + b * b;
        }
        let det = s0 * s2 - s1 * s1;
        let clear = s0 > 2e-5 * loud && det > 1e-9 * s0 * s0;
        let (u, v) = if clear { ((r0 * s2 - r1 * s1) / det, (s0 * r1 - s1 * r0) / det) } else { (high, 0.0) };
        let (mut got, mut fitted) = (0.0, 0.0);
        for (t, a, b, y) in rows() {
            let f = a + (u + v * t) * (b - a);
            got += y * y;
            fitted += f * f;
        }
        // Windows with next to nothing in them say nothing about level.
        if loud > 1e-6 * WINDOW as f64 && fitted > 1e-2 * loud {
            error_db = error_db.max((10.0 * (got / fitted).log10()).abs());
        }
        if clear {
            back = back.max(high - u);
            high = high.max(u);
        }
    }
    Fade { error_db, back }
}

fn renders(from: &RackPlan, to: &RackPlan, live: Option<(&str, f64)>, x: &[Vec<f64>]) -> Fade {
    let mut rig = Rig::new(from, RATE);
    let (head, tail): (Vec<_>, Vec<_>) = x.iter().map(|c| (c[..STEP].to_vec(), c[STEP..].to_vec())).unzip();
    let mut y = rig.run(&head);
    match live {
        Some((symbol, value)) => rig.set(&[("u", symbol, value)], 0),
        None => rig.install(to),
    }
    for (y, t) in y.iter_mut().zip(rig.run(&tail)) {
        y.extend(t);
    }
    let (a, b) = (Rig::new(from, RATE).run(x), Rig::new(to, RATE).run(x));
    fit(&y, &a, &b)
}

fn signals(frames: usize) -> Vec<(&'static str, Vec<Vec<f64>>)> {
    vec![
        ("100 Hz", sine(2, frames, 100.0, 0.0, RATE)),
        ("10 kHz", sine(2, frames, 10_000.0, 0.0, RATE)),
        ("music", music(2, frames, RATE, 21)),
    ]
}

#[test]
fn bypass_and_mix_fade_between_the_steady_renders() {
    let mut over = Vec::new();
    for slot in all_working() {
        for (symbol, from, to) in [
            ("bypass", 0.0, 1.0),
            ("bypass", 1.0, 0.0),
            ("mix", 100.0, 0.0),
            ("mix", 0.0, 100.0),
            ("mix", 30.0, 80.0),
        ] {
            let a = rack("stereo", vec![slot.clone().with(symbol, from)]);
            let b = rack("stereo", vec![slot.clone().with(symbol, to)]);
            for (signal, x) in signals(48_000) {
                let f = renders(&a, &b, Some((symbol, to)), &x);
                if f.error_db > 0.1 || f.back > 0.02 {
                    over.push(format!(
                        "{}/{symbol} {from} to {to} on {signal}: {:.3} dB, w back by {:.3}",
                        name(&slot),
                        f.error_db,
                        f.back
                    ));
                }
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

#[test]
fn structural_steps_fade_between_the_steady_renders() {
    let mut over = Vec::new();
    for slot in all_working() {
        for (i, spec) in slot.table.clone().iter().filter(|(_, s)| s.change == Motion::Structural) {
            let now = slot.values.get(i);
            for to in [spec.min, spec.max].into_iter().filter(|v| *v != now) {
                let a = rack("stereo", vec![slot.clone()]);
                let b = rack("stereo", vec![slot.clone().with(&spec.symbol, to)]);
                let same = Rig::new(&a, RATE).spec.latency == Rig::new(&b, RATE).spec.latency;
                if !same {
                    continue; // through silence, see swap.rs
                }
                for (signal, x) in signals(150_000) {
                    let f = renders(&a, &b, None, &x);
                    if f.error_db > 0.1 || f.back > 0.02 {
                        over.push(format!(
                            "{}/{} to {} on {signal}: {:.3} dB, w back by {:.3}",
                            name(&slot),
                            spec.symbol,
                            spec.show(to),
                            f.error_db,
                            f.back
                        ));
                    }
                }
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// Steps of designed parameters whose new design settles within 5 ms (0.1 dB) or slower (1.5 dB).
#[test]
fn exchanges_fade_between_the_steady_renders() {
    let mut over = Vec::new();
    for slot in all_working() {
        for (symbol, from, to) in exchanges(&name(&slot)) {
            let a = rack("stereo", vec![slot.clone().with(symbol, *from)]);
            let b = rack("stereo", vec![slot.clone().with(symbol, *to)]);
            let tau = Rig::new(&b, RATE).spec.steps.iter().map(|s| s.time_constant).fold(0.0, f64::max);
            let (allowed, back) = if tau <= 0.005 { (0.1, 0.02) } else { (1.5, 0.05) };
            for (signal, x) in signals(96_000) {
                let f = renders(&a, &b, Some((symbol, *to)), &x);
                println!("{}/{symbol} {from} to {to} on {signal}: {:.3} dB", name(&slot), f.error_db);
                if f.error_db > allowed || f.back > back {
                    over.push(format!(
                        "{}/{symbol} {from} to {to} on {signal} (time constant {:.1} ms): {:.3} dB, w back by {:.3}",
                        name(&slot),
                        1000.0 * tau,
                        f.error_db,
                        f.back
                    ));
                }
            }
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}

/// Designed steps to measure, by unit.
fn exchanges(unit: &str) -> &'static [(&'static str, f64, f64)] {
    match unit {
        "bands" => &[
            ("freq1", 120.0, 200.0),
            ("freq2", 800.0, 1500.0),
            ("freq1", 200.0, 60.0),
            ("freq3", 5000.0, 9000.0),
            ("freq1", 20.0, 700.0),
            ("freq1", 700.0, 20.0),
            ("freq2", 220.0, 4900.0),
            ("freq2", 4900.0, 220.0),
        ],
        "equalizer" => &[
            ("band1/gain", -12.0, 12.0),
            ("band1/freq", 200.0, 2000.0),
            ("band1/freq", 2000.0, 60.0),
            ("band1/q", 0.5, 8.0),
            ("band1/on", 1.0, 0.0),
            ("band1/shape", 0.0, 3.0),
            ("band1/channel", 0.0, 3.0),
            ("band1/q", 0.1, 40.0),
            ("band1/q", 40.0, 0.1),
            ("band1/freq", 10.0, 20_000.0),
            ("band1/freq", 20_000.0, 30.0),
            ("band1/gain", -24.0, 24.0),
        ],
        "gain" => &[("balance", -50.0, 80.0)],
        "stereo" => &[
            ("mono_freq", 200.0, 90.0),
            ("mono_freq", 500.0, 30.0),
            ("mono_freq", 20.0, 400.0),
            ("mono_slope", 0.0, 1.0),
            ("mono_slope", 1.0, 2.0),
            ("mono_slope", 3.0, 0.0),
        ],
        _ => &[],
    }
}
