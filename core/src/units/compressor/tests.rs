// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an engineer would measure on the compressor.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::units::rig::{Move, Noise, Rig, band, db, distortion, peak, sine};

const RATE: u32 = 48_000;
const FS: f64 = 48_000.0;

/// The textbook curve: output level in dB.
fn curve(x: f64, t: f64, r: f64, w: f64) -> f64 {
    if 2.0 * (x - t) < -w {
        x
    } else if 2.0 * (x - t) <= w && w > 0.0 {
        x + (1.0 / r - 1.0) * (x - t + w / 2.0).powi(2) / (2.0 * w)
    } else {
        t + (x - t) / r
    }
}

fn steady(amplitude: f64, n: usize) -> Vec<f64> {
    vec![amplitude; n]
}

fn amp(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

#[test]
fn the_static_curve_is_the_textbooks() {
    let mut worst = (0.0f64, 0.0f64);
    for (t, r, w) in [(-18.0, 4.0, 6.0), (-30.0, 100.0, 0.0), (-24.0, 2.0, 24.0), (-40.0, 1.5, 12.0)] {
        let mut level = -60.0;
        while level <= 0.0 {
            let s = [
                ("threshold", t),
                ("ratio", r),
                ("knee", w),
                ("attack", 1.0),
                ("release", 20.0),
                ("detector", 0.0),
            ];
            let y = Rig::new("compressor", RATE, "mono", &s).run(&[steady(amp(level), 9600)]);
            worst.0 = worst.0.max((db(y[0][9599]) - curve(level, t, r, w)).abs());
            if (level * 2.0) as i32 % 8 == 0 {
                for detector in [1.0, 2.0] {
                    let s = [&s[..], &[("detector", detector), ("rms_window", 50.0)]].concat();
                    let x = [sine(1000.0, FS, amp(level), 48_000)];
                    let y = Rig::new("compressor", RATE, "mono", &s).run(&x);
                    let rms = (y[0][43_200..].iter().map(|v| v * v).sum::<f64>() / 4800.0 * 2.0).sqrt();
                    worst.1 = worst.1.max((db(rms) - curve(level, t, r, w)).abs());
                }
            }
            level += 0.5;
        }
    }
    println!(
        "static curve: peak detector on steady levels {:.1e} dB, RMS and quadrature on sines {:.4} dB",
        worst.0, worst.1
    );
    assert!(worst.0 < 1e-9 && worst.1 < 0.01, "{worst:?}");
}

/// Frames until the gain in dB has covered 63 % of its way, interpolated; frame `from` is the first of the
/// step and has already gone one frame of the way.
fn time_to_63(gain: &[f64], from: usize, before: f64, after: f64) -> f64 {
    let goal = before + (after - before) * (1.0 - (-1f64).exp());
    let past = |g: f64| if after < before { g <= goal } else { g >= goal };
    let n = (from..gain.len()).find(|&n| past(gain[n])).unwrap();
    let (a, b) = (gain[n - 1], gain[n]);
    (n - from) as f64 + (goal - a) / (b - a)
}

#[test]
fn attack_and_release_reach_63_percent_in_the_stated_time() {
    let mut worst = 0.0f64;
    for rate in [44_100u32, 48_000, 96_000, 192_000] {
        let fs = f64::from(rate);
        for (attack, release, rms) in [
            (0.05, 5.0, None),
            (0.1, 5000.0, None),
            (1.0, 20.0, None),
            (10.0, 100.0, None),
            (30.0, 200.0, None),
            (100.0, 50.0, None),
            (250.0, 5.0, None),
            (10.0, 100.0, Some(10.0)),
            (30.0, 200.0, Some(20.0)),
            (5.0, 40.0, Some(2.0)),
        ] {
            if rate > 50_000 && release > 1000.0 {
                continue;
            }
            let on = ((attack * 12.0 + rms.unwrap_or(0.0) * 20.0) * fs / 1000.0) as usize / 64 * 64 + 640;
            let off = (release * 3.0 * fs / 1000.0) as usize / 64 * 64 + 640;
            let (lead, low) = (640, amp(-90.0));
            // 10 dB over the threshold and back; a constant reads 3.01 dB more in the RMS detector.
            let high = amp(if rms.is_some() { -13.0103 } else { -10.0 });
            let x = [steady(low, lead), steady(high, on), steady(low, off)].concat();
            let mut s = vec![("threshold", -20.0), ("knee", 0.0), ("attack", attack), ("release", release)];
            s.push(("detector", 0.0));
            if let Some(w) = rms {
                s.extend([("detector", 1.0), ("rms_window", w)]);
            }
            let y = Rig::new("compressor", rate, "mono", &s).run(std::slice::from_ref(&x));
            let gain: Vec<f64> = y[0].iter().zip(&x).map(|(y, x)| db(y / x)).collect();
            let a = time_to_63(&gain, lead, 0.0, -7.5);
            let r = time_to_63(&gain, lead + on, -7.5, 0.0);
            for (name, got, ms) in [("attack", a, attack), ("release", r, release)] {
                let want = ms * fs / 1000.0;
                let error = (got - want).abs() / (0.01 * want).max(1.0);
                worst = worst.max(error);
                if rate == 48_000 {
                    println!(
                        "{name} {ms} ms (attack {attack}, release {release}, rms {rms:?}): {:.3} ms",
                        got / fs * 1000.0
                    );
                }
                assert!(error < 1.0, "{rate}: {name} {ms}: {got} frames, stated {want}");
            }
        }
    }
    println!("worst: {worst:.2} of (1 % or 1 sample)");
}

#[test]
fn neutral_settings_pass_every_bit_delayed_by_the_lookahead() {
    let x: Vec<Vec<f64>> = (1..=6).map(|s| Noise(s).vec(64 * 200)).collect();
    for lookahead in [0.0, 0.3, 5.0, 20.0] {
        for s in [
            vec![("ratio", 1.0), ("threshold", -60.0)],
            vec![("threshold", 0.0), ("knee", 0.0), ("ratio", 100.0), ("detector", 0.0)],
            vec![("ratio", 1.0), ("detector", 1.0), ("sidechain_hp_on", 1.0)],
            vec![("range", 0.0), ("threshold", -60.0)],
        ] {
            let s = [s, vec![("lookahead", lookahead)]].concat();
            let mut rig = Rig::new("compressor", RATE, "5.1", &s);
            let d = rig.unit.latency();
            assert_eq!(d, (lookahead * 48.0f64).round() as usize);
            let y = rig.run(&x);
            for (x, y) in x.iter().zip(&y) {
                assert!(y[..d].iter().all(|v| *v == 0.0) && y[d..] == x[..x.len() - d], "{s:?}");
            }
        }
    }
}

#[test]
fn silence_before_the_stream_only_shifts_it_and_reset_is_fresh() {
    for s in [vec![("lookahead", 3.0), ("sidechain_hp_on", 1.0)], vec![("detector", 1.0), ("release", 20.0)]]
    {
        let x = vec![Noise(3).vec(64 * 100), Noise(4).vec(64 * 100)];
        let shifted: Vec<Vec<f64>> = x.iter().map(|c| [vec![0.0; 64 * 7], c.clone()].concat()).collect();
        let mut rig = Rig::new("compressor", RATE, "stereo", &s);
        let y = rig.run(&x);
        rig.unit.reset();
        let again = rig.run(&x);
        let late = Rig::new("compressor", RATE, "stereo", &s).run(&shifted);
        for c in 0..2 {
            assert!(y[c] == again[c] && y[c][..] == late[c][64 * 7..]);
        }
    }
}

#[test]
fn linked_channels_share_reductions_within_their_group() {
    // 5.1: L R C | LFE | Ls Rs; only L and Ls are over the threshold.
    let levels = [-6.0, -40.0, -30.0, -40.0, -12.0, -40.0];
    let x: Vec<Vec<f64>> = levels.iter().map(|l| steady(amp(*l), 64 * 300)).collect();
    for link in [0.0, 50.0, 100.0] {
        let s = [("threshold", -18.0), ("knee", 0.0), ("link", link), ("attack", 1.0), ("detector", 0.0)];
        let mut rig = Rig::new("compressor", RATE, "5.1", &s);
        let y = rig.run(&x);
        let got: Vec<f64> = levels.iter().zip(&y).map(|(l, y)| l - db(y[y.len() - 1])).collect();
        let l = link / 100.0;
        let want = [9.0, 9.0 * l, 9.0 * l, 0.0, 4.5, 4.5 * l];
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-6, "link {link}: {got:?}, expected {want:?}");
        }
        assert!((rig.reductions[299] - 9.0).abs() < 1e-6, "reading {}", rig.reductions[299]);
        println!("link {link} %: reductions {got:.3?}");
    }
}

#[test]
fn the_sidechain_is_heard_without_the_lookahead() {
    let (n, d) = (64 * 150, 240);
    let x = steady(0.01, n);
    let side = [steady(0.0, 4800), steady(1.0, n - 4800)].concat();
    let s = [("lookahead", 5.0), ("attack", 1.0), ("knee", 0.0), ("detector", 0.0)];
    let y = Rig::new("compressor", RATE, "mono", &s).run_with(&[x], Some(&[side]), &[]);
    assert!(y[0][4799] == 0.01 && y[0][4800] < 0.01 && y[0][d - 1] == 0.0);
    assert!((db(y[0][n - 1]) + 53.5).abs() < 1e-6, "{}", db(y[0][n - 1]));
    // 40 Hz over the threshold does not get through a high-pass at 400 Hz: 40 dB down.
    let s = [("sidechain_hp_on", 1.0), ("sidechain_hp", 400.0), ("knee", 0.0)];
    let mut rig = Rig::new("compressor", RATE, "mono", &s);
    rig.run(&[sine(40.0, FS, 1.0, 48_000)]);
    assert!(rig.reductions[700] == 0.0, "{}", rig.reductions[700]);
}

/// Peak of the residual in dBFS above what two steady renders hold, in the bands of `bands` (Hz).
fn residual(y: &[f64], before: &[f64], after: &[f64], bands: &[(f64, f64)]) -> (f64, f64) {
    bands.iter().fold((0.0f64, 0.0f64), |(worst, floor), (low, high)| {
        let p = |x: &[f64]| peak(&band(x, FS, *low, *high, 700));
        let f = p(before).max(p(after));
        (worst.max(p(y) - f), floor.max(f))
    })
}

/// The bands in which a step may be heard beside a sine.
const BESIDE_100: &[(f64, f64)] = &[(5000.0, 25_000.0)];
const BESIDE_10K: &[(f64, f64)] = &[(1500.0, 4500.0), (16_000.0, 25_000.0)];

#[test]
fn a_step_of_any_parameter_leaves_no_click() {
    let base = [("attack", 10.0), ("release", 100.0), ("ratio", 4.0)];
    let steps: &[(&str, f64, f64)] = &[
        ("threshold", -18.0, -30.0),
        ("threshold", -30.0, -10.0),
        ("ratio", 4.0, 20.0),
        ("ratio", 20.0, 1.0),
        ("knee", 0.0, 24.0),
        ("makeup", 0.0, -12.0),
        ("makeup", -24.0, 0.0),
        ("range", 60.0, 3.0),
        ("link", 100.0, 0.0),
        ("sidechain_hp", 80.0, 1000.0),
        ("sidechain_hp_on", 0.0, 1.0),
        ("attack", 10.0, 100.0),
        ("attack", 10.0, 0.5),
        ("release", 100.0, 1000.0),
        ("release", 100.0, 20.0),
        ("rms_window", 10.0, 100.0),
    ];
    let mut worst = f64::NEG_INFINITY;
    for (hz, bands) in [(100.0, BESIDE_100), (10_000.0, BESIDE_10K)] {
        for detector in [0.0, 1.0, 2.0] {
            for (symbol, from, to) in steps {
                let x = vec![sine(hz, FS, 1.0, 96_000), sine(hz, FS, 0.5, 96_000)];
                let render = |v: f64, moves: &[Move<'_>]| {
                    let s = [&base[..], &[("detector", detector), (symbol, v)]].concat();
                    Rig::new("compressor", RATE, "stereo", &s).run_with(&x, None, moves).remove(0)[38_400..]
                        .to_vec()
                };
                let (a, b) = (render(*from, &[]), render(*to, &[]));
                let y = render(*from, &[(48_013, symbol, *to)]);
                let (over, floor) = residual(&y, &a, &b, bands);
                println!(
                    "{hz} Hz, {} {symbol} {from} -> {to}: {:.1} dBFS over a floor of {:.1}",
                    ["peak", "rms", "quadrature"][detector as usize],
                    db(over),
                    db(floor)
                );
                worst = worst.max(db(over));
            }
        }
    }
    println!("worst {worst:.1} dBFS");
    assert!(worst <= -100.0, "{worst}");
}

#[test]
fn a_step_of_a_level_stays_between_its_levels() {
    for (symbol, from, to) in
        [("makeup", 0.0, 12.0), ("threshold", -10.0, -30.0), ("threshold", -30.0, -10.0)]
    {
        let x = vec![steady(0.7, 96_000)];
        let y = &Rig::new("compressor", RATE, "mono", &[(symbol, from)]).run_with(
            &x,
            None,
            &[(48_000, symbol, to)],
        )[0];
        let (a, b) = (db(y[47_999]), db(y[95_999]));
        let out = y[48_000..].iter().map(|v| (db(*v) - a.max(b)).max(a.min(b) - db(*v))).fold(0.0, f64::max);
        println!("{symbol} {from} -> {to}: {a:.2} to {b:.2} dB, {out:.4} dB outside");
        assert!(out < 0.5);
    }
}

#[test]
fn a_steady_tone_is_not_bent_by_the_quadrature_detector() {
    // What the others leave is the square law's: a gain that follows the wave.
    for (name, detector, most) in [
        ("peak", 0.0, [-55.0, -75.0]),
        ("RMS 10 ms", 1.0, [-60.0, -110.0]),
        ("quadrature", 2.0, [-105.0, -115.0]),
    ] {
        for (hz, most) in [50.0, 1000.0].into_iter().zip(most) {
            let s = [
                ("attack", 10.0),
                ("release", 100.0),
                ("knee", 0.0),
                ("threshold", -8.0),
                ("detector", detector),
            ];
            let y = Rig::new("compressor", RATE, "mono", &s).run(&[sine(hz, FS, 1.0, 192_000)]);
            let got = distortion(&y[0][96_000..], hz, FS);
            println!("THD+N {name}, {hz} Hz, 10/100 ms, 4:1, 8 dB over: {got:.1} dB");
            assert!(got < most, "{name}, {hz} Hz: {got} dB");
        }
    }
}

#[test]
fn what_it_costs() {
    for (name, s) in [
        ("peak", vec![("detector", 0.0)]),
        ("quadrature", vec![]),
        ("rms", vec![("detector", 1.0)]),
        ("all", vec![("detector", 1.0), ("sidechain_hp_on", 1.0), ("lookahead", 5.0)]),
    ] {
        let mut rig = Rig::new("compressor", RATE, "stereo", &s);
        let x = vec![Noise(1).vec(64 * 10_000), Noise(2).vec(64 * 10_000)];
        rig.run(&x);
        println!("{name}: {:.1} ns per stereo frame, half of the quanta in less", rig.cost());
    }
}
