// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a clipper must do, measured.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::dsp::QUANTUM;
use crate::dsp::shaping::{Shaper, Shaping};
use crate::units::rig::{Noise, Rig, db, peak, sine, true_peak};
use crate::units::tones::{QUALITIES, RATES, heard, idle, step_leaves, tone};

#[test]
fn a_hard_clip_leaves_no_alias() {
    for rate in [44_100, 48_000, 96_000] {
        for (q, name) in QUALITIES.iter().enumerate() {
            for (hz, knee) in [(5_000.0, 0.0), (5_000.0, 30.0), (1_000.0, 0.0), (10_000.0, 0.0)] {
                let set = [("gain", 12.0), ("quality", q as f64), ("knee", knee)];
                let t = tone("clipper", rate, &set, hz, 0.0, 0.1);
                println!(
                    "{rate} Hz, {name}, {hz} Hz, knee {knee} %: aliases {:.1} dBc at most, {:.1} in all",
                    t.alias, t.aliases
                );
                let most = match (q, hz as u32) {
                    (0, 10_000) => -80.0,
                    (0, 5_000) => -99.0,
                    _ => -105.0,
                };
                assert!(t.alias < most, "{:.1} dBc", t.alias);
            }
        }
    }
}

#[test]
fn a_quiet_signal_passes_flat_and_as_late_as_is_said() {
    for rate in RATES {
        for (q, name) in QUALITIES.iter().enumerate() {
            for knee in [0.0, 100.0] {
                let set = [("quality", q as f64), ("knee", knee)];
                let (level, shift) = idle("clipper", rate, &set, 20.0, 20_000.0);
                let late = Rig::new("clipper", rate, "mono", &set).unit.latency();
                println!(
                    "{rate} Hz, {name}, knee {knee} %: {late} frames, {level:.5} dB, {shift:.1e} samples off"
                );
                // A knee of 100 % bends from silence on, by the cube.
                assert!(level < 0.005 && shift < 1e-6);
            }
        }
    }
}

#[test]
fn a_steady_level_meets_the_curve() {
    // Constants pass the filters unchanged, so they show the curve itself.
    for (x, knee) in [(0.3, 0.0), (0.7, 0.0), (2.0, 0.0), (0.45, 50.0), (0.5, 50.0), (0.6, 50.0), (0.9, 50.0)]
    {
        let c = 0.5;
        let set = [("ceiling", 20.0 * f64::log10(c)), ("knee", knee)];
        let mut rig = Rig::new("clipper", 48_000, "mono", &set);
        let y = rig.run(&[vec![x; 20 * QUANTUM]]).remove(0)[19 * QUANTUM];
        let h = knee / 100.0;
        let d = (h - (x / c - 1.0f64).abs()).max(0.0);
        let want = c * ((x / c).min(1.0) - if h > 0.0 { d.powi(3) / (6.0 * h * h) } else { 0.0 });
        println!("{x} into a ceiling of {c}, knee {knee} %: {y:.9}, {:.1e} off", y - want);
        assert!((y - want).abs() < 1e-5);
    }
}

/// Sines, square-like and random material driven 12 dB over: how far the way down overshoots.
#[test]
fn nothing_is_over_the_ceiling_at_the_top_and_little_below() {
    let n = 24_000 / QUANTUM * QUANTUM;
    let mut r = Noise(9);
    let noise: Vec<f64> = r.vec(n);
    let mut smooth = vec![0.0; n];
    let mut s = 0.0;
    for (y, x) in smooth.iter_mut().zip(&noise) {
        s += 0.2 * (x - s);
        *y = 2.0 * s;
    }
    let material =
        [("100 Hz", sine(100.0, 48e3, 1.0, n)), ("5 kHz", sine(5e3, 48e3, 1.0, n)), ("noise", smooth)];
    for knee in [0.0, 50.0, 100.0] {
        for (name, x) in &material {
            let mut rig =
                Rig::new("clipper", 48_000, "mono", &[("gain", 12.0), ("ceiling", -1.0), ("knee", knee)]);
            let y = rig.run(std::slice::from_ref(x)).remove(0);
            let (samples, truth) = (db(peak(&y[2000..])) + 1.0, db(true_peak(&y[2000..])) + 1.0);
            println!("{name}, knee {knee} %: {samples:+.2} dB of the ceiling, true peak {truth:+.2}");
            assert!(truth < 3.2, "{truth}");
        }
    }
    // At the top rate, by the kernels alone.
    let shaping = Shaping::new(48_000.0, 8, Shaper::Mean);
    let (mut lane, mut clip) = (shaping.lane(), crate::dsp::adaa::Clip::default());
    let mut top = 0.0f64;
    for q in noise.as_chunks::<QUANTUM>().0 {
        let samples = lane.up(&shaping, &q.map(|x| 4.0 * x));
        clip.process(shaping.width(), samples, &[0.0; QUANTUM * 8]);
        top = top.max(peak(samples));
    }
    assert!(top <= 1.0, "{top}");
}

#[test]
fn the_difference_is_what_was_cut_off() {
    let n = 200 * QUANTUM;
    let x = sine(1000.0, 48e3, 1.0, n);
    let quiet: Vec<f64> = x.iter().map(|x| 0.3 * x).collect();
    // 1.995 into a ceiling of 0.891, and what does not reach it.
    for (name, x, from, to) in [("loud", &x, 0.5, 1.5), ("quiet", &quiet, -200.0, -100.0)] {
        let (out, delta) = heard("clipper", &[("gain", 6.0), ("ceiling", -1.0)], x);
        let (level, main) = (db(peak(&delta[2000..])), db(peak(&out[2000..])));
        println!("{name}: {main:.2} dBFS out, the difference {level:.1}");
        assert!((from..to).contains(&level));
        let mut alone = Rig::new("clipper", 48_000, "mono", &[("gain", 6.0), ("ceiling", -1.0)]);
        let want = alone.run(std::slice::from_ref(x)).remove(0);
        assert!(want == out, "listening changes nothing");
    }
}

#[test]
fn anything_that_comes_stays_finite_and_is_forgotten_at_once() {
    let n = 100 * QUANTUM;
    for q in 0..3 {
        let set = [("gain", 36.0), ("ceiling", -24.0), ("quality", f64::from(q))];
        let mut r = Noise(77);
        let mut x: Vec<f64> =
            (0..n).map(|k| 1e4 * if k % 5 == 0 { r.next().signum() } else { r.next() }).collect();
        x.extend(sine(300.0, 48e3, 1e-4, n));
        let mut rig = Rig::new("clipper", 48_000, "mono", &set);
        let y = rig.run(&[x]).remove(0);
        let mut calm = Rig::new("clipper", 48_000, "mono", &set);
        let want = calm.run(&[[vec![0.0; n], sine(300.0, 48e3, 1e-4, n)].concat()]).remove(0);
        assert!(y.iter().all(|v| v.abs() < 0.2), "{}", peak(&y));
        let after = n + 2 * rig.unit.latency() + 8;
        assert!(y[after..] == want[after..], "bit for bit {} frames after", after - n);
    }
}

#[test]
fn steps_leave_no_click() {
    for (symbol, from, to) in [
        ("gain", 0.0, 12.0),
        ("gain", 36.0, -24.0),
        ("ceiling", 0.0, -24.0),
        ("ceiling", -24.0, 0.0),
        ("knee", 0.0, 100.0),
        ("knee", 100.0, 0.0),
    ] {
        let set = [("gain", 6.0), ("ceiling", -6.0), ("knee", 30.0), (symbol, from)];
        let (moving, steady) = step_leaves("clipper", &set, (symbol, to), 0.0);
        println!("{symbol} {from} to {to}: {moving:.1} dBFS above 5 kHz, steady {steady:.1}");
        assert!(moving < (steady + 1.0).max(-120.0));
        // Below the ceiling nothing but the glide is there.
        let set = [("gain", 0.0), ("ceiling", 0.0), ("knee", 0.0)];
        if symbol == "gain" && from == 0.0 {
            let (moving, steady) = step_leaves("clipper", &set, (symbol, 12.0), -20.0);
            println!("quiet: {moving:.1} dBFS, steady {steady:.1}");
            assert!(moving < -140.0);
        }
    }
}

/// A ceiling that moves does not move what is below it, though the sound is on its way for a while.
#[test]
fn a_moving_ceiling_leaves_quiet_sound_alone() {
    let x = sine(1000.0, 48e3, 0.02, 300 * QUANTUM);
    let mut rig = Rig::new("clipper", 48_000, "mono", &[]);
    let y = rig.run_with(std::slice::from_ref(&x), None, &[(100 * QUANTUM, "ceiling", -24.0)]).remove(0);
    let late = rig.unit.latency();
    let off = y[late + 200..].iter().zip(&x[200..]).map(|(y, x)| (y - x).abs()).fold(0.0, f64::max);
    println!("off by {:.1} dB of the sine", db(off / 0.02));
    assert!(db(off / 0.02) < -90.0);
}
