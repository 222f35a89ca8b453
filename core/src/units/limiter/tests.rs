// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an engineer would measure on the limiter.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::audio::ceiling;
use super::signals::{amp, programme};
use crate::units::rig::{Move, Noise, Rig, band, db, peak, sine};

const PI: f64 = std::f64::consts::PI;

#[test]
fn below_the_ceiling_every_bit_passes() {
    for rate in [44_100, 48_000, 96_000, 192_000] {
        for s in [
            vec![],
            vec![("lookahead", 10.0), ("hold", 20.0)],
            vec![("lookahead", 0.5), ("hold", 0.0), ("link", 30.0)],
            vec![("style", 1.0), ("clip", 1.0), ("quality", 2.0)],
            vec![("style", 2.0), ("link_release", 20.0), ("quality", 0.0)],
            vec![("style", 3.0), ("detector", 1.0)],
            vec![("style", 4.0), ("clip", 1.0), ("clip_depth", 4.0)],
        ] {
            let mut rig = Rig::new("limiter", rate, "5.1", &s);
            let d = rig.unit.latency();
            // Noise never true-peaks above the sum of its neighbours: far enough below.
            let x: Vec<Vec<f64>> =
                (1..=6).map(|c| Noise(c).vec(64 * 300).iter().map(|v| v * 0.2).collect()).collect();
            let y = rig.run(&x);
            for (x, y) in x.iter().zip(&y) {
                assert!(y[..d].iter().all(|v| *v == 0.0) && y[d..] == x[..x.len() - d], "{rate} {s:?}");
            }
            assert!(rig.reductions.iter().all(|r| *r == 0.0));
            println!("{rate} Hz {s:?}: latency {d} frames");
        }
    }
}

#[test]
fn after_limiting_every_bit_passes_again() {
    let loud = [sine(100.0, 48e3, 2.0, 48_000), sine(100.0, 48e3, 0.5, 288_000)].concat();
    for style in 0..5 {
        let mut rig = Rig::new("limiter", 48_000, "mono", &[("style", f64::from(style))]);
        let (y, d) = (rig.run(std::slice::from_ref(&loud)).remove(0), rig.unit.latency());
        let from = y.len() - (d..y.len()).rev().take_while(|n| y[*n] == loud[*n - d]).count();
        let after = (from - 48_000) as f64 / 48e3;
        println!("style {style}: every bit again {after:.2} s after");
        assert!(after < if style == 4 { 10.0 } else { 4.0 });
    }
}

#[test]
fn silence_before_the_stream_only_shifts_it_and_reset_is_fresh() {
    let x = vec![Noise(3).vec(64 * 100), Noise(4).vec(64 * 100)];
    let shifted: Vec<Vec<f64>> = x.iter().map(|c| [vec![0.0; 64 * 7], c.clone()].concat()).collect();
    let s = [("gain", 12.0), ("link", 50.0)];
    let mut rig = Rig::new("limiter", 48_000, "stereo", &s);
    let y = rig.run(&x);
    rig.unit.reset();
    let again = rig.run(&x);
    let late = Rig::new("limiter", 48_000, "stereo", &s).run(&shifted);
    for c in 0..2 {
        assert!(y[c] == again[c] && y[c][..] == late[c][64 * 7..]);
    }
}

#[test]
fn no_sample_is_ever_above_the_ceiling() {
    let mut noise = Noise(0x1234_5678_9abc_def1);
    let (mut samples, mut tightest) = (0usize, f64::NEG_INFINITY);
    // `tests/soak limiter` asks for more, with another seed.
    let asked = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<usize>().ok());
    let seed = asked("LATHE_SEED").unwrap_or(0) as u64;
    noise.0 ^= seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let wanted = asked("LATHE_SAMPLES").unwrap_or(0);
    for round in 0.. {
        if round >= 48 && samples >= wanted {
            break;
        }
        let rate = [44_100, 48_000, 96_000, 192_000][round % 4];
        let layout = ["stereo", "mono", "5.1"][round % 3];
        let mut pick = |low: f64, high: f64| low + (high - low) * noise.next().abs();
        let s = [
            ("lookahead", pick(0.5, 10.0)),
            ("hold", pick(0.0, 20.0)),
            ("release", pick(5.0, 300.0)),
            ("link", pick(0.0, 100.0)),
            ("ceiling", pick(-24.0, 0.0)),
            ("gain", pick(0.0, 24.0)),
            ("link_release", pick(0.0, 100.0)),
            ("style", (round % 5) as f64),
            ("detector", (round / 5 % 2) as f64),
            ("clip", (round / 2 % 4 / 3) as f64),
            ("clip_depth", pick(0.0, 4.0)),
            ("quality", (round / 3 % 3) as f64),
        ];
        let mut rig = Rig::new("limiter", rate, layout, &s);
        rig.watch = Some("ceiling");
        let n = 64 * 256;
        let mut moves: Vec<(usize, &str, f64)> = Vec::new();
        for k in 0..12 {
            let at = (k * n / 12) + (pick(0.0, 1000.0) as usize);
            let (symbol, low, high) = [
                ("ceiling", -24.0, 0.0),
                ("gain", 0.0, 24.0),
                ("release", 5.0, 500.0),
                ("link", 0.0, 100.0),
                ("hold", 0.0, 20.0),
                ("link_release", 0.0, 100.0),
                ("clip_depth", 0.0, 4.0),
            ][k % 7];
            moves.push((at, symbol, pick(low, high)));
        }
        let x: Vec<Vec<f64>> = (0..rig.format.channels()).map(|_| programme(&mut noise, n)).collect();
        let (y, d) = (rig.run_with(&x, None, &moves), rig.unit.latency());
        for y in &y {
            for (i, c) in (d..n).zip(&rig.watched) {
                let c = ceiling(*c);
                tightest = tightest.max(y[i].abs() / c - 1.0);
                assert!(y[i].abs() <= c, "{s:?}, frame {i}: {} above {c}", y[i]);
                assert!((y[i].abs() as f32) <= c as f32);
                samples += 1;
            }
        }
    }
    println!("{samples} samples, nearest to the ceiling: {tightest:.1e} of it");
    assert!(samples > 1_500_000 && tightest > -1e-6);
}

#[test]
fn links_within_groups_and_reads_its_reduction() {
    let levels = [6.0, -20.0, -20.0, -20.0, 3.0, -20.0];
    let x: Vec<Vec<f64>> = levels.iter().map(|l| vec![amp(*l); 64 * 3000]).collect();
    // Peaks and what lasts are linked apart: in transparent the leveller takes a part.
    for (style, link, lasting) in
        [(0.0, 0.0, 0.0), (0.0, 50.0, 50.0), (0.0, 100.0, 100.0), (0.0, 100.0, 0.0), (2.0, 30.0, 0.0)]
    {
        let s = [("link", link), ("link_release", lasting), ("ceiling", 0.0), ("style", style)];
        let mut rig = Rig::new("limiter", 48_000, "5.1", &s);
        let y = rig.run(&x);
        let got: Vec<f64> = levels.iter().zip(&y).map(|(l, y)| db(y[y.len() - 1]) - l).collect();
        let share = super::STYLES[style as usize].share;
        let mix = |db: f64| -0.01 * (lasting * share + link * (1.0 - share)) * db;
        for (g, w) in got.iter().zip([-6.0, mix(6.0), mix(6.0), 0.0, -3.0, mix(3.0)]) {
            assert!((g - w).abs() < 0.01, "link {link}, release {lasting}: {got:?}, {w}");
        }
        assert!((rig.reductions[2999] - 6.0).abs() < 0.01, "reading {}", rig.reductions[2999]);
        println!("link {link} %, release {lasting} %: {got:.4?} dB");
    }
}

#[test]
fn links_come_and_go_without_a_jump() {
    let x: Vec<Vec<f64>> =
        (0..2).map(|c| sine(80.0 + 20.0 * c as f64, 48e3, 2.0 - c as f64, 64 * 3000)).collect();
    let moves = [
        (40_000, "link", 0.0),
        (80_000, "link_release", 0.0),
        (120_000, "link", 100.0),
        (140_000, "link_release", 100.0),
    ];
    let y = Rig::new("limiter", 48_000, "stereo", &[]).run_with(&x, None, &moves);
    let still = Rig::new("limiter", 48_000, "stereo", &[]).run(&x);
    for (y, still) in y.iter().zip(&still) {
        let above = |x: &[f64]| db(peak(&band(x, 48e3, 5_000.0, 24_000.0, 700)));
        let (got, floor) = (above(&y[20_000..]), above(&still[20_000..]));
        println!("above 5 kHz: {got:.1} dBFS, without moves {floor:.1}");
        assert!(got < -100.0 && y[190_000..] == still[190_000..]);
    }
}

#[test]
fn the_release_takes_the_stated_time() {
    for rate in [44_100u32, 48_000, 192_000] {
        for (release, lookahead) in [(60.0, 2.0), (20.0, 2.0), (250.0, 10.0)] {
            let fs = f64::from(rate);
            let on = (fs * 1.5) as usize / 64 * 64;
            let tail = (fs * release * 0.008) as usize / 64 * 64 + 6400;
            // Down in 24 frames, without an overshoot between the samples.
            let fall = (0..24).map(|k| 0.01 + 1.99 * (0.5 + 0.5 * (PI * f64::from(k) / 24.0).cos()));
            let x = [vec![2.0; on], fall.collect(), vec![0.01; tail]].concat();
            // Dense has no leveller.
            let set = release / super::STYLES[2].release;
            let s =
                [("release", set), ("lookahead", lookahead), ("hold", 0.0), ("ceiling", 0.0), ("style", 2.0)];
            let mut rig = Rig::new("limiter", rate, "mono", &s);
            let (y, d) = (rig.run(std::slice::from_ref(&x)).remove(0), rig.unit.latency());
            let goal = amp(-6.0206 * (-1f64).exp());
            let n = (on + 100..y.len() - d).find(|&n| y[n + d] / x[n] >= goal).unwrap();
            let ms = (n - on) as f64 / fs * 1000.0;
            println!("{rate} Hz, release {release} ms, lookahead {lookahead}: {ms:.2} ms");
            assert!((ms - release).abs() < 0.02 * release + 0.6, "{ms}");
        }
    }
}

#[test]
fn a_step_of_any_parameter_leaves_no_click() {
    let fs = 48e3;
    let bands_low: &[(f64, f64)] = &[(5000.0, 25_000.0)];
    let bands_high: &[(f64, f64)] = &[(1500.0, 4500.0), (16_000.0, 25_000.0)];
    let steps: &[(&str, f64, f64)] = &[
        ("ceiling", -1.0, -12.0),
        ("ceiling", -12.0, -1.0),
        ("gain", 0.0, 12.0),
        ("gain", 12.0, 0.0),
        ("gain", 0.0, 3.0),
        ("release", 60.0, 1000.0),
        ("release", 60.0, 5.0),
        ("link", 100.0, 0.0),
        ("link", 0.0, 100.0),
        ("link_release", 100.0, 0.0),
        ("hold", 10.0, 0.0),
        ("hold", 0.0, 20.0),
    ];
    let mut worst = f64::NEG_INFINITY;
    for (hz, bands) in [(100.0, bands_low), (10_000.0, bands_high)] {
        for base in [-1.0, 0.0, -6.0] {
            for (symbol, from, to) in steps {
                let x = vec![sine(hz, fs, 0.5, 72_000), sine(hz, fs, 1.0, 72_000)];
                let render = |v: f64, moves: &[Move<'_>]| {
                    let mut s = vec![("ceiling", base)];
                    s.retain(|(k, _)| k != symbol);
                    s.push((symbol, v));
                    Rig::new("limiter", 48_000, "stereo", &s).run_with(&x, None, moves)
                };
                let (a, b) = (render(*from, &[]), render(*to, &[]));
                let y = render(*from, &[(36_013, symbol, *to)]);
                for (c, y) in y.iter().enumerate() {
                    for (low, high) in bands {
                        let p = |x: &[f64]| peak(&band(&x[19_200..], fs, *low, *high, 700));
                        let floor = p(&a[c]).max(p(&b[c]));
                        let over = db(p(y) - floor);
                        println!(
                            "{hz} Hz ch {c}, ceiling {base}, {symbol} {from} -> {to}, {low} Hz up: {over:.1} dBFS over {:.1}",
                            db(floor)
                        );
                        worst = worst.max(over);
                    }
                }
            }
        }
    }
    println!("worst {worst:.1} dBFS");
    assert!(worst <= -100.0, "{worst}");
}

#[test]
fn a_step_of_a_level_stays_between_its_levels() {
    for (symbol, from, to) in [
        ("ceiling", -1.0, -12.0),
        ("ceiling", -12.0, -1.0),
        ("gain", 0.0, 12.0),
        ("gain", 12.0, 0.0),
        ("gain", 3.0, 9.0),
    ] {
        for level in [0.1, 0.5, 1.0] {
            // Samples of one magnitude, true peaks 3 dB above them: the envelope is every sample.
            let x: Vec<f64> = (0..96_000).map(|i| level * [1.0, 1.0, -1.0, -1.0][i % 4]).collect();
            let y = &Rig::new("limiter", 48_000, "mono", &[(symbol, from)]).run_with(
                &[x],
                None,
                &[(48_000, symbol, to)],
            )[0];
            let (a, b) = (db(y[47_999].abs()), db(y[95_999].abs()));
            let out = y[48_000..]
                .iter()
                .map(|v| db(v.abs()))
                .map(|v| (v - a.max(b)).max(a.min(b) - v))
                .fold(0.0, f64::max);
            println!("{symbol} {from} -> {to} at {level}: {a:.2} to {b:.2} dB, {out:.4} dB outside");
            assert!(out < 0.5);
        }
    }
}
