// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture in numbers, the mono maker's mid and side in dB, and the guard's correlation.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::super::rig::{Noise, Rig, band, db, peak, sine};
use super::super::{Glides, Layout, Listen, find};
use super::*;

const RATE: u32 = 48_000;

fn noise(channels: usize, frames: usize) -> Vec<Vec<f64>> {
    let mut n = Noise(77);
    (0..channels).map(|_| n.vec(frames)).collect()
}

fn run(settings: &[(&str, f64)], x: &[Vec<f64>]) -> Vec<Vec<f64>> {
    Rig::new("stereo", RATE, "stereo", settings).run(x)
}

/// The largest deviation of both channels from what a formula wants of left and right.
fn off(settings: &[(&str, f64)], want: impl Fn(f64, f64) -> (f64, f64)) -> f64 {
    let x = noise(2, 1280);
    let y = run(settings, &x);
    (0..1280).fold(0.0, |worst, i| {
        let (l, r) = want(x[0][i], x[1][i]);
        worst.max((y[0][i] - l).abs()).max((y[1][i] - r).abs())
    })
}

#[test]
fn width_is_exact() {
    for width in [0.0, 37.0, 142.0, 200.0] {
        let w = width / 100.0;
        let plain = |m: f64| {
            move |l: f64, r: f64| {
                let (mid, side) = ((l + r) / 2.0 * m, (l - r) / 2.0 * w * m);
                (mid + side, mid - side)
            }
        };
        let a = off(&[("width", width)], plain(1.0));
        let b = off(&[("width", width), ("constant_power", 1.0)], plain((2.0 / (1.0 + w * w)).sqrt()));
        println!("{width} %: {a:.1e}, with constant power {b:.1e}");
        assert!(a < 4e-16 && b < 4e-16, "{width} %: {a:e}, {b:e}");
    }
    let y = run(&[("width", 0.0)], &noise(2, 640));
    assert_eq!(y[0], y[1], "0 % is mono");
}

#[test]
fn constant_power_keeps_the_power_of_equal_mid_and_side() {
    // Two strangers of the same power: mid and side have equal power.
    let x = noise(2, 64_000);
    let power = |x: &[Vec<f64>]| x.iter().flatten().map(|v| v * v).sum::<f64>();
    for width in [0.0, 50.0, 200.0] {
        let y = run(&[("width", width), ("constant_power", 1.0)], &x);
        let change = 10.0 * (power(&y) / power(&x)).log10();
        println!("{width} %: {change:.3} dB");
        assert!(change.abs() < 0.02, "{width} %: {change} dB");
    }
}

#[test]
fn rotation_is_exact() {
    for degrees in [-90.0, -33.0, 10.0, 45.0, 90.0] {
        let (s, c) = f64::to_radians(degrees).sin_cos();
        let worst = off(&[("rotation", degrees)], |l, r| (c * l - s * r, s * l + c * r));
        println!("{degrees} degrees: {worst:.1e}");
        assert!(worst < 4e-16, "{degrees} degrees: {worst:e}");
    }
    let same = vec![noise(1, 640).remove(0); 2];
    let y = run(&[("rotation", 45.0)], &same);
    assert!(y[0].iter().all(|v| *v == 0.0), "what was in the middle is at the right alone");
    let worst = y[1].iter().zip(&same[0]).map(|(y, x)| (y - 2f64.sqrt() * x).abs()).fold(0.0, f64::max);
    assert!(worst < 4e-16, "{worst}");
    let x = noise(2, 640);
    let y = run(&[("rotation", 90.0)], &x);
    assert!(
        y[1] == x[0] && y[0].iter().zip(&x[1]).all(|(y, x)| *y == -x),
        "a quarter turn exchanges the channels"
    );
}

#[test]
fn balance_and_mid_side_are_exact() {
    for (balance, l, r) in
        [(-100.0, 1.0, 0.0), (-50.0, 1.0, 0.5), (0.0, 1.0, 1.0), (25.0, 0.75, 1.0), (100.0, 0.0, 1.0)]
    {
        assert_eq!(off(&[("balance", balance)], |x, y| (x * l, y * r)), 0.0, "balance {balance}");
    }
    for level in [-24.0, -3.0, 6.0] {
        let up = 10f64.powf(level / 40.0);
        let worst = off(&[("mid_side", level)], |l, r| {
            let (mid, side) = ((l + r) / 2.0 / up, (l - r) / 2.0 * up);
            (mid + side, mid - side)
        });
        println!("{level} dB: {worst:.1e}");
        assert!(worst < 4e-15, "{level} dB: {worst:e}");
    }
}

/// Channels without a partner pass, as late as the pairs.
#[test]
fn what_has_no_partner_passes_aligned() {
    let work =
        [("width", 30.0), ("rotation", 20.0), ("mono_slope", 3.0), ("mono_phase", 1.0), ("balance", 40.0)];
    let x = noise(6, 6400);
    let mut rig = Rig::new("stereo", RATE, "5.1", &work);
    let (late, y) = (rig.unit.latency(), rig.run(&x));
    for c in [2, 3] {
        assert!(y[c][late..] == x[c][..6400 - late], "channel {c} of 5.1");
    }
    for (c, front) in [(4, 0), (5, 1)] {
        assert!(y[c][late..] != x[c][..6400 - late] && y[c] != y[front], "channel {c} of 5.1 is worked on");
    }
    let mono = Rig::new("stereo", RATE, "mono", &work).run(&x[..1]);
    assert!(mono[0][late..] == x[0][..6400 - late], "mono");
}

/// Complex response at `hz`, (re, im), of an impulse's answer.
fn response(h: &[f64], hz: f64, rate: u32) -> (f64, f64) {
    let w = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
    h.iter()
        .enumerate()
        .fold((0.0, 0.0), |(re, im), (n, v)| (re + v * (w * n as f64).cos(), im - v * (w * n as f64).sin()))
}

fn level((re, im): (f64, f64)) -> f64 {
    10.0 * (re * re + im * im).max(1e-30).log10()
}

/// The answers of mid and side to impulses in them.
fn answers(settings: &[(&str, f64)], rate: u32, frames: usize) -> [Vec<f64>; 2] {
    [1.0, -1.0].map(|sign| {
        let mut x = vec![vec![0.0; frames]; 2];
        (x[0][0], x[1][0]) = (1.0, sign);
        let y = Rig::new("stereo", rate, "stereo", settings).run(&x);
        let leak = y[0].iter().zip(&y[1]).map(|(l, r)| (l - sign * r).abs()).fold(0.0, f64::max);
        assert!(leak < 1e-15, "mid and side do not mix: {leak}");
        y[0].clone()
    })
}

#[test]
fn the_mono_maker_takes_the_side_and_leaves_the_mid() {
    let (mut mid_off, mut phase_off) = (0.0f64, 0.0f64);
    for rate in [44_100, 192_000] {
        for phase in [0.0, 1.0] {
            for (slope, down) in [(1.0, 12.0), (2.0, 24.0), (3.0, 24.0)] {
                for hz in [20.0, 120.0, 500.0] {
                    let settings = [("mono_slope", slope), ("mono_freq", hz), ("mono_phase", phase)];
                    let frames = (0.7 * f64::from(rate)) as usize / 64 * 64;
                    let [mid, side] = answers(&settings, rate, frames);
                    for f in [0.25, 0.5, 1.0, 2.0, 10.0].map(|k| k * hz) {
                        let (m, s) = (response(&mid, f, rate), response(&side, f, rate));
                        mid_off = mid_off.max(level(m).abs());
                        if slope > 1.0 && phase == 0.0 {
                            // The side over the mid is real and positive.
                            let (re, im) = (s.0 * m.0 + s.1 * m.1, s.1 * m.0 - s.0 * m.1);
                            phase_off = phase_off.max(im.atan2(re).abs());
                        }
                    }
                    let low = level(response(&side, hz / 4.0, rate));
                    let corner = level(response(&side, hz, rate));
                    let high = level(response(&side, 16.0 * hz, rate));
                    println!(
                        "{rate} Hz, slope {slope}, phase {phase}, {hz} Hz: side {low:.2} dB at a quarter, {corner:.2} at the corner"
                    );
                    assert!(low <= -down, "{rate} Hz, slope {slope}, phase {phase}, {hz} Hz: {low} dB");
                    let wanted = if slope == 1.0 { -3.01 } else { -6.02 };
                    let near = if phase == 0.0 { 0.01 } else { 0.6 };
                    assert!((corner - wanted).abs() < near && high.abs() < 0.05, "{corner} dB, {high} dB");
                }
            }
        }
    }
    println!("mid at most {mid_off:.1e} dB off, side out of phase by {phase_off:.1e}");
    assert!(mid_off < 1e-6 && phase_off < 1e-6, "mid {mid_off:e} dB, phase {phase_off:e}");
}

#[test]
fn linear_phase_is_symmetric_and_delays_the_mid_bit_for_bit() {
    let settings = [("mono_slope", 3.0), ("mono_phase", 1.0)];
    for (rate, wanted) in [(44_100, 1882), (48_000, 2048), (96_000, 4096)] {
        let mut rig = Rig::new("stereo", rate, "stereo", &settings);
        let late = rig.unit.latency();
        assert_eq!(late, wanted);
        let x = vec![noise(1, 12_800).remove(0); 2];
        let y = rig.run(&x);
        assert!(y[0][late..] == x[0][..12_800 - late] && y[0] == y[1], "{rate} Hz: the mid");
        let [_, side] = answers(&settings, rate, 2 * late / 64 * 64 + 128);
        let skew = (0..=late).map(|n| (side[late - n] - side[late + n]).abs()).fold(0.0, f64::max);
        println!("{rate} Hz: asymmetric by {skew:.1e}");
        assert!(skew < 1e-14, "{rate} Hz: {skew:e}");
    }
    let off = [("mono_phase", 1.0)];
    let x = noise(2, 12_800);
    let y = Rig::new("stereo", RATE, "stereo", &off).run(&x);
    assert!(y[0][2048..] == x[0][..12_800 - 2048] && y[1][2048..] == x[1][..12_800 - 2048], "off is a delay");
}

/// A tone in mid and side while the corner moves, again and again before the last move has been heard.
#[test]
fn moves_of_the_mono_maker_do_not_click() {
    for phase in [0.0, 1.0] {
        for slope in [1.0, 2.0, 3.0] {
            let settings = [("mono_slope", slope), ("mono_freq", 60.0), ("mono_phase", phase)];
            let x = vec![sine(100.0, 48_000.0, 1.0, 96_000), vec![0.0; 96_000]];
            let moves = [
                (24_010, "mono_freq", 300.0),
                (24_900, "mono_freq", 500.0),
                (25_000, "mono_freq", 20.0),
                (25_100, "balance", -60.0),
                (25_800, "mono_freq", 90.0),
                (40_000, "mono_slope", 0.0),
                (60_000, "mono_slope", slope),
                (60_001, "balance", 100.0),
            ];
            let y = Rig::new("stereo", RATE, "stereo", &settings).run_with(&x, None, &moves);
            let high = y.iter().map(|c| db(peak(&band(&c[9600..], 48_000.0, 5_500.0, 24_000.0, 400))));
            let worst = high.fold(f64::MIN, f64::max);
            println!("slope {slope}, phase {phase}: {worst:.1} dBFS above 5 kHz");
            assert!(worst < -120.0, "slope {slope}, phase {phase}: {worst:.1} dBFS");
        }
    }
}

/// After a change the sound is that of a unit built so.
#[test]
fn a_changed_mono_maker_sounds_as_one_built_so() {
    let x = noise(2, 64_000);
    for phase in [0.0, 1.0] {
        let settings = [("mono_slope", 1.0), ("mono_freq", 60.0), ("mono_phase", phase)];
        let moves = [
            (0, "mono_slope", 3.0),
            (1000, "mono_freq", 300.0),
            (2000, "mono_freq", 200.0),
            (2000, "balance", 10.0),
        ];
        let y = Rig::new("stereo", RATE, "stereo", &settings).run_with(&x, None, &moves);
        let settings = [("mono_slope", 3.0), ("mono_freq", 200.0), ("mono_phase", phase), ("balance", 10.0)];
        let want = run(&settings, &x);
        let rest = |y: &[f64], w: &[f64]| {
            db(peak(&y[48_000..].iter().zip(&w[48_000..]).map(|(a, b)| a - b).collect::<Vec<_>>()))
        };
        let null = rest(&y[0], &want[0]).max(rest(&y[1], &want[1]));
        println!("phase {phase}: null {null:.1} dB");
        assert!(null < -250.0, "phase {phase}: {null} dB");
    }
}

fn correlation(y: &[Vec<f64>]) -> f64 {
    let mean = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    mean(&y[0], &y[1]) / (mean(&y[0], &y[0]) * mean(&y[1], &y[1])).sqrt()
}

#[test]
fn the_guard_holds_the_correlation_at_its_limit() {
    // R is mostly −L, and louder.
    let n = noise(2, 640_000);
    let right: Vec<f64> = n[0].iter().zip(&n[1]).map(|(a, b)| -1.1 * a + 0.5 * b).collect();
    let x = vec![n[0].clone(), right];
    println!("input: {:.3}", correlation(&x));
    for limit in [-0.5, -0.2, 0.0, 0.3, 0.7] {
        let mut rig = Rig::new("stereo", RATE, "stereo", &[("guard", 1.0), ("guard_min", limit)]);
        let y = rig.run(&x);
        // From 2 s on, over all and over every 300 ms.
        let from = 96_000;
        let all = correlation(&y.iter().map(|c| c[from..].to_vec()).collect::<Vec<_>>());
        let parts = (from..640_000 - 14_400).step_by(14_400);
        let least = parts
            .map(|k| correlation(&y.iter().map(|c| c[k..k + 14_400].to_vec()).collect::<Vec<_>>()))
            .fold(1.0, f64::min);
        let shown = rig.reductions[rig.reductions.len() - 1];
        println!("limit {limit}: {all:.4}, at least {least:.4} over 300 ms, side down by {shown:.1} dB");
        assert!(
            (limit..limit + 0.03).contains(&all) && least > limit - 0.03,
            "limit {limit}: {all}, {least}"
        );
        assert!(shown > 1.0, "{shown} dB shown");
    }
}

#[test]
fn the_guard_leaves_what_is_above_its_limit() {
    let n = noise(2, 64_000);
    let right: Vec<f64> = n[0].iter().zip(&n[1]).map(|(a, b)| 0.9 * a + 0.5 * b).collect();
    let x = vec![n[0].clone(), right];
    let mut rig = Rig::new("stereo", RATE, "stereo", &[("guard", 1.0), ("guard_min", 0.2)]);
    assert!(rig.run(&x) == x, "every bit");
    assert!(rig.reductions.iter().all(|r| *r == 0.0));
}

#[test]
fn mid_and_side_of_the_output_can_be_listened_to() {
    let kind = find("stereo").unwrap();
    let table = kind.table();
    let mut values = table.defaults();
    values.set(P::Width, 150.0);
    let format = Format { sample_rate: RATE, layout: Layout::named("lcr").unwrap() };
    let mut unit = kind.build(&format, &values, &mut Notes::default()).unwrap();
    let glides = Glides::new(&table, &values);
    for (what, sign) in [(1, 1.0), (2, -1.0)] {
        let mut audio: Vec<Frames> = noise(3, QUANTUM).iter().map(|c| c[..].try_into().unwrap()).collect();
        let mut out = vec![[0.0; QUANTUM]; 3];
        let mut block = Block::new(&mut audio, None, &glides);
        block.listen = Some(Listen { what, out: &mut out });
        unit.process(&mut block);
        for i in 0..QUANTUM {
            let want = (audio[0][i] + sign * audio[1][i]) * 0.5;
            assert!(out[0][i] == want && out[1][i] == want && out[2][i] == 0.0);
        }
    }
    assert_eq!(kind.listen().unwrap().choices().len(), 3);
}
