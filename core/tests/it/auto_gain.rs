// SPDX-License-Identifier: MIT OR Apache-2.0
//! The equalizer's auto gain: as loud as before, slowly, still in silence, the same in any periods.

use lathe_core::analysis::LoudnessMeter;
use lathe_core::dsp::{Frames, QUANTUM};
use lathe_core::rack::plan::SlotPlan;
use lathe_core::units::{Layout, find};

use crate::cases::rack;
use crate::clicks::Fir;
use crate::rig::{Rig, Rng, sine};

const RATE: u32 = 48_000;

/// Seeded pink noise (Kellet's filter), about −18 dBFS rms.
fn pink(seconds: f64, seed: u64) -> Vec<Vec<f64>> {
    let frames = (seconds * f64::from(RATE)) as usize / QUANTUM * QUANTUM;
    let mut r = Rng(seed | 1);
    let channel = |r: &mut Rng| {
        let mut b = [0.0f64; 3];
        let mut next = || {
            let w = 2.0 * r.unit() - 1.0;
            b[0] = 0.997_65 * b[0] + 0.099_046 * w;
            b[1] = 0.963 * b[1] + 0.296_516_4 * w;
            b[2] = 0.57 * b[2] + 1.052_691_3 * w;
            0.07 * (b[0] + b[1] + b[2] + 0.1848 * w)
        };
        (0..frames).map(|_| next()).collect()
    };
    (0..2).map(|_| channel(&mut r)).collect()
}

fn eq(settings: &[(&str, f64)]) -> SlotPlan {
    settings.iter().fold(SlotPlan::unit("u", find("equalizer").unwrap()), |s, (k, v)| s.with(k, *v))
}

const SHELF: [(&str, f64); 3] = [("band1/shape", 2.0), ("band1/freq", 2_000.0), ("band1/gain", 6.0)];

fn rig(settings: &[(&str, f64)], auto: bool) -> Rig {
    let slot = eq(settings).with("auto_gain", f64::from(u8::from(auto)));
    Rig::new(&rack("stereo", vec![slot]), RATE)
}

/// Integrated loudness, LUFS.
fn loudness(audio: &[Vec<f64>]) -> f64 {
    let mut meter = LoudnessMeter::new(RATE, &Layout::named("stereo").unwrap());
    for from in (0..audio[0].len()).step_by(QUANTUM) {
        let quantum: Vec<Frames> =
            audio.iter().map(|c| c[from..from + QUANTUM].try_into().unwrap()).collect();
        meter.process(&quantum);
    }
    meter.read().integrated.unwrap()
}

/// Gain in dB at each frame, from the render without auto gain.
fn gains(with: &[Vec<f64>], without: &[Vec<f64>]) -> Vec<f64> {
    let pairs = with[0].iter().zip(&without[0]);
    pairs.map(|(a, b)| if b.abs() > 1e-9 { 20.0 * (a / b).log10() } else { f64::NAN }).collect()
}

fn last(gains: &[f64]) -> f64 {
    *gains.iter().rev().find(|g| g.is_finite()).unwrap()
}

#[test]
fn a_shelf_changes_the_sound_and_not_the_loudness() {
    for settings in [&SHELF[..], &[("band1/freq", 300.0), ("band1/gain", -9.0)]] {
        let x = pink(20.0, 3);
        let (mut on, mut off) = (rig(settings, true), rig(settings, false));
        let (y, z) = (on.run(&x), off.run(&x));
        let tail = |v: &[Vec<f64>]| v.iter().map(|c| c[10 * RATE as usize..].to_vec()).collect::<Vec<_>>();
        let (input, matched, raw) = (loudness(&tail(&x)), loudness(&tail(&y)), loudness(&tail(&z)));
        println!("from 10 s on: input {input:.3}, without {raw:.3}, with auto gain {matched:.3} LUFS");
        assert!((raw - input).abs() > 0.5 && (matched - input).abs() < 0.1, "{matched} after {input}");
    }
}

#[test]
fn it_takes_its_time() {
    let x = pink(26.0, 7);
    let at = 10 * RATE as usize / QUANTUM * QUANTUM;
    let run = |auto: bool| {
        let mut rig = rig(&[("band1/shape", 2.0), ("band1/freq", 2_000.0), ("band1/gain", 0.0)], auto);
        let part = |r: std::ops::Range<usize>| x.iter().map(|c| c[r.clone()].to_vec()).collect::<Vec<_>>();
        let mut y = rig.run(&part(0..at));
        rig.set(&[("u", "band1/gain", 2.0)], 0);
        y.iter_mut().zip(rig.run(&part(at..x[0].len()))).for_each(|(y, t)| y.extend(t));
        y
    };
    let g = gains(&run(true), &run(false));
    let (before, end) = (last(&g[..at]), last(&g));
    let reached = (at..g.len()).find(|n| (g[*n] - before).abs() > 0.632 * (end - before).abs()).unwrap();
    let seconds = (reached - at) as f64 / f64::from(RATE);
    let known: Vec<(usize, f64)> = g.iter().copied().enumerate().filter(|g| g.1.is_finite()).collect();
    let slew = known
        .iter()
        .zip(known.iter().skip(4_800))
        .map(|(a, b)| (b.1 - a.1).abs() * f64::from(RATE) / (b.0 - a.0) as f64)
        .fold(0.0, f64::max);
    println!("{before:.3} to {end:.3} dB: 63 % after {seconds:.2} s, fastest {slew:.3} dB/s");
    assert!(before.abs() < 1e-9 && end < -0.4, "{before} to {end}");
    assert!((2.5..3.5).contains(&seconds) && slew < 1.001);
    // A large change meets the limit.
    let x = pink(3.0, 8);
    let large = [("band1/shape", 2.0), ("band1/freq", 100.0), ("band1/gain", 30.0)];
    let g = gains(&rig(&large, true).run(&x), &rig(&large, false).run(&x));
    println!("after 3 s of a boost of 30 dB: {:.3} dB", last(&g));
    assert!((-3.0..-2.8).contains(&last(&g)), "{}", last(&g));
    let x = pink(20.0, 8);
    let g = gains(&rig(&large, true).run(&x), &rig(&large, false).run(&x));
    assert!((last(&g) + 12.0).abs() < 0.001, "at most 12 dB: {}", last(&g));
}

#[test]
fn silence_changes_nothing() {
    let mut x = pink(6.0, 12);
    let silent = 5 * RATE as usize / QUANTUM * QUANTUM;
    let start = x[0].len();
    for c in &mut x {
        c.extend((0..silent).map(|n| 1e-6 * (n as f64 * 0.05).sin()));
        let again = c[..RATE as usize].to_vec();
        c.extend(again);
    }
    let g = gains(&rig(&SHELF, true).run(&x), &rig(&SHELF, false).run(&x));
    let (before, after) =
        (last(&g[..start]), g[start + silent + 1..].iter().find(|g| g.is_finite()).unwrap());
    println!("before 5 s of silence {before:.4} dB, after it {after:.4} dB");
    // The gate takes about a second to find the silence; the averages of nothing keep their ratio.
    assert!((before - after).abs() < 0.02, "{before} to {after}");
}

#[test]
fn any_periods_give_the_same_bits() {
    let x = pink(2.0, 5);
    let wanted = rig(&SHELF, true).run(&x);
    let (_, monitor) = rig(&SHELF, true).run_both(&x);
    assert_eq!(wanted, monitor);
    for period in [256, 1024, 441, 1] {
        let got = rig(&SHELF, true).run_in(&x, &mut || period);
        let late = if period % QUANTUM == 0 { 0 } else { QUANTUM };
        for (g, w) in got.iter().zip(&wanted) {
            assert!(g[late..] == w[..w.len() - late], "periods of {period}");
        }
    }
}

#[test]
fn toggling_it_leaves_no_click_and_off_is_off() {
    let half = 24_000 / QUANTUM * QUANTUM;
    let fir = Fir::band(5_000.0, 24_000.0, 2_000.0);
    let settings = [("band1/shape", 1.0), ("band1/freq", 1_000.0), ("band1/gain", -15.0)];
    let x = sine(2, 24 * half, 100.0, 0.0, RATE);
    let off = rig(&settings, false).run(&x);
    let mut rig = rig(&settings, true);
    let part = |r: std::ops::Range<usize>| x.iter().map(|c| c[r.clone()].to_vec()).collect::<Vec<_>>();
    let mut y = rig.run(&part(0..20 * half)).remove(0);
    println!("correction {:.2} dB", gains(&[y.clone()], &off)[20 * half - 100]);
    for (n, to) in [(20, 0.0), (21, 1.0), (22, 0.0), (23, 1.0)] {
        rig.set(&[("u", "auto_gain", to)], 0);
        y.extend(rig.run(&part(n * half..(n + 1) * half)).remove(0));
        if to == 0.0 {
            let from = n * half + 2_000;
            assert!(y[from..] == off[0][from..y.len()], "off is not what it is without");
        }
    }
    let (start, at) = (half, 19 * half);
    let (slewing, toggled) = (fir.peak(&y[start..8 * half]), fir.peak(&y[at..]));
    println!("above 5 kHz: on its way {slewing:.1} dBFS, toggled {toggled:.1} dBFS");
    assert!(slewing < -120.0 && toggled < -120.0);
}
