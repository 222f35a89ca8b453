// SPDX-License-Identifier: MIT OR Apache-2.0
//! Dynamic bands as an engineer would measure them: depth, times, what a burst leaves, sidechain, links, cost.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use std::f64::consts::PI;

use super::{B, Equalizer, band_param};
use crate::dsp::QUANTUM;
use crate::units::rig::{Noise, Rig};
use crate::units::{Format, Kind, Layout, Notes};

const RATE: u32 = 48_000;
const FS: f64 = RATE as f64;
/// By index of the choice.
const SHAPES: [&str; 3] = ["bell", "low_shelf", "high_shelf"];

type Settings<'a> = Vec<(&'a str, f64)>;

/// Band 1: a bell or shelf that moves.
fn moving<'a>(shape: usize, freq: f64, q: f64, range: f64, ratio: f64) -> Settings<'a> {
    vec![
        ("band1/shape", shape as f64),
        ("band1/freq", freq),
        ("band1/q", q),
        ("band1/range", range),
        ("band1/ratio", ratio),
    ]
}

fn with<'a>(mut s: Settings<'a>, more: &[(&'a str, f64)]) -> Settings<'a> {
    s.extend(more);
    s
}

fn rig(settings: &Settings) -> Rig {
    Rig::new("equalizer", RATE, "stereo", settings)
}

fn amplitude(db: f64) -> f64 {
    libm::pow(10.0, db / 20.0)
}

fn db(x: f64) -> f64 {
    20.0 * libm::log10(x.max(1e-20))
}

/// Left cosine, right sine: the root of both squares is the envelope. `level` is the amplitude of a frame.
fn pair(hz: f64, rate: f64, frames: usize, level: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
    let w = 2.0 * PI * hz / rate;
    let frames = frames / QUANTUM * QUANTUM;
    let at = |i: usize, f: fn(f64) -> f64| level(i) * f(w * i as f64);
    vec![(0..frames).map(|i| at(i, libm::cos)).collect(), (0..frames).map(|i| at(i, libm::sin)).collect()]
}

/// Level in dB of both channels together at a frame.
fn envelope(x: &[Vec<f64>], i: usize) -> f64 {
    10.0 * libm::log10((x[0][i] * x[0][i] + x[1][i] * x[1][i]).max(1e-40))
}

fn same(a: &[Vec<f64>], b: &[Vec<f64>]) -> bool {
    a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits())
}

fn null(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    db(a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max))
}

#[test]
fn a_band_that_stands_still_is_the_static_one() {
    let mut noise = Noise(5);
    let x = [noise.vec(9600), noise.vec(9600)];
    let still =
        [("band1/threshold", -70.0), ("band1/attack", 1.0), ("band1/release", 5.0), ("band1/detector", 1.0)];
    for (shape, name) in SHAPES.iter().enumerate() {
        let band = |range, ratio| with(moving(shape, 700.0, 1.0, range, ratio), &[("band1/gain", 4.0)]);
        let want = rig(&band(0.0, 4.0)).run(&x);
        for (range, ratio) in [(0.0, 100.0), (-12.0, 1.0), (12.0, 1.0)] {
            let got = rig(&with(band(range, ratio), &still)).run(&x);
            assert!(same(&got, &want), "{name} of {range} dB, {ratio}:1");
        }
        // Below the threshold there is nothing to move.
        let quiet: Vec<Vec<f64>> = x.iter().map(|c| c.iter().map(|v| v * 1e-4).collect()).collect();
        let want = rig(&band(0.0, 4.0)).run(&quiet);
        let mut r = rig(&band(-12.0, 4.0));
        assert!(same(&r.run(&quiet), &want), "{name} below its threshold");
        assert_eq!(r.reductions.iter().fold(0.0f64, |a, b| a.max(*b)), 0.0);
    }
}

#[test]
fn a_standing_tone_is_moved_by_what_the_curve_says() {
    let mut worst = [0.0f64; 3];
    let mut shown = 0.0f64;
    for rate in [44_100u32, 48_000, 96_000, 192_000] {
        // A tone at the centre of a bell, or deep in the shelf.
        for (shape, freq, q, tone) in [
            (0, 50.0, 2.0, 50.0),
            (0, 1000.0, 0.3, 1000.0),
            (0, 1000.0, 20.0, 1000.0),
            (0, 15_000.0, 1.0, 15_000.0),
            (1, 4000.0, 0.7, 60.0),
            (1, 6000.0, 0.5, 100.0),
            (2, 200.0, 0.7, 12_000.0),
            (2, 100.0, 1.0, 8000.0),
        ] {
            for (threshold, ratio, range) in
                [(-30.0, 4.0, -18.0), (-40.0, 2.0, -6.0), (-30.0, 100.0, 12.0), (-60.0, 1.5, -30.0)]
            {
                let settings = with(moving(shape, freq, q, range, ratio), &[("band1/threshold", threshold)]);
                for level in [-70.0, -35.0, -25.0, -12.0, 0.0] {
                    let frames = (1.2 * f64::from(rate)) as usize;
                    let x = pair(tone, f64::from(rate), frames, |_| amplitude(level));
                    let mut r = Rig::new("equalizer", rate, "stereo", &settings);
                    let y = r.run(&x);
                    let over = (level - threshold).max(0.0) * (1.0 - 1.0 / ratio);
                    let want = over.min(f64::abs(range)) * range.signum();
                    let end = y[0].len() - 1000..y[0].len();
                    for i in end {
                        let e = (envelope(&y, i) - level - want).abs();
                        assert!(
                            e < 0.02,
                            "{} {freq} Hz Q {q} at {rate}, {level} dBFS over {threshold}, {ratio}:1, {range}: {e} dB",
                            SHAPES[shape]
                        );
                        worst[shape] = worst[shape].max(e);
                    }
                    let reading = r.reductions.last().unwrap();
                    shown = shown.max((reading - (-want).max(0.0)).abs());
                }
            }
        }
    }
    for (shape, e) in SHAPES.iter().zip(worst) {
        println!("{shape}: within {e:.4} dB of the curve");
    }
    println!("reading: within {shown:.4} dB of the move");
    assert!(shown < 0.02, "{shown}");
}

fn quintic(u: f64) -> f64 {
    let u = u.clamp(0.0, 1.0);
    u * u * u * (10.0 - 15.0 * u + 6.0 * u * u)
}

/// Milliseconds until 63 % of the way from one level to another is covered, from frame `at` on.
fn covered(y: &[Vec<f64>], x: &[Vec<f64>], at: usize, rate: f64) -> f64 {
    let gain = |i: usize| envelope(y, i) - envelope(x, i);
    let (from, to) = (gain(at - at / 10), gain(y[0].len() - 1));
    let share = |i: usize| (gain(i) - from) / (to - from);
    // Backwards, so that what the filter rings on after a step does not count.
    let part = 1.0 - 0.367_879_441;
    let end = (at..y[0].len()).rev().find(|i| share(*i) < part).unwrap_or(at) + 1;
    (end - at) as f64 * 1000.0 / rate
}

#[test]
fn times_are_those_of_the_whole_path() {
    let mut worst = [0.0f64; 2];
    for rate in [44_100u32, 96_000] {
        let fs = f64::from(rate);
        for (shape, freq, tone, least) in [
            (0, 100.0, 100.0, 100.0),
            (0, 1000.0, 1000.0, 20.0),
            (0, 8000.0, 8000.0, 5.0),
            (1, 4000.0, 400.0, 50.0),
            (2, 200.0, 8000.0, 5.0),
        ] {
            for (attack, release) in
                [(1.0, 20.0), (5.0, 100.0), (20.0, 20.0), (50.0, 500.0), (200.0, 100.0), (500.0, 2000.0)]
            {
                for range in [-30.0, 12.0] {
                    let times = [("band1/attack", attack), ("band1/release", release)];
                    let settings = with(moving(shape, freq, 1.0, range, 4.0), &times);
                    let hold = ((8.0 * f64::max(attack, release) + 300.0) * fs / 1000.0) as usize;
                    let (low, high) = (amplitude(-38.0), amplitude(-18.0));
                    // Within three periods: a tone that jumps is not a tone.
                    let share = |i: usize| quintic((i as f64 - hold as f64) * tone / (3.0 * fs) + 0.5);
                    let rise = pair(tone, fs, 2 * hold, |i| low + (high - low) * share(i));
                    let fall = pair(tone, fs, 2 * hold, |i| high + (low - high) * share(i));
                    for (n, x, asked) in [(0, &rise, attack), (1, &fall, release)] {
                        if asked < least {
                            continue;
                        }
                        let y = Rig::new("equalizer", rate, "stereo", &settings).run(x);
                        let got = covered(&y, x, hold, fs);
                        let error = got / asked - 1.0;
                        println!(
                            "{} {freq} Hz at {rate}, {range} dB: {} of {asked} ms takes {got:.2} ms",
                            SHAPES[shape],
                            ["attack", "release"][n]
                        );
                        if error.abs() > f64::abs(worst[n]) {
                            worst[n] = error;
                        }
                    }
                }
            }
        }
    }
    println!("attack within {:.1} %, release within {:.1} %", 100.0 * worst[0], 100.0 * worst[1]);
    assert!(worst.iter().all(|e| e.abs() < 0.1), "{worst:?}");
}

/// A Kaiser high-pass with side lobes below −220 dB.
fn high_pass(hz: f64) -> Vec<f64> {
    let half = 480i32;
    (-half..=half)
        .map(|n| {
            let (t, f) = (f64::from(n), hz / FS);
            let low = if n == 0 { 2.0 * f } else { libm::sin(2.0 * PI * f * t) / (PI * t) };
            let delta = if n == 0 { 1.0 } else { 0.0 };
            (delta - low) * crate::dsp::math::kaiser(t / f64::from(half + 1), 24.0)
        })
        .collect()
}

#[test]
fn a_burst_leaves_little_beside_it() {
    let h = high_pass(5300.0);
    let beside = |x: &[f64]| {
        let peak = (0..x.len() - h.len())
            .map(|i| h.iter().zip(&x[i..]).map(|(h, x)| h * x).sum::<f64>().abs())
            .fold(0.0, f64::max);
        db(peak)
    };
    // 0.4 s of a full-scale tone that rises and falls in 20 ms as a quintic.
    let (rise, on, off) = (960.0, 9600.0, 28_800.0);
    let level = |i: usize| quintic((i as f64 - on) / rise) * (1.0 - quintic((i as f64 - off) / rise));
    let x = pair(100.0, FS, 48_000, level);
    let own = beside(&x[0]).max(beside(&x[1]));
    println!("the burst itself: {own:.1} dBFS above 5 kHz");
    let mut figures = [-400.0f64; 4];
    for (n, attack) in [1.0, 3.0, 10.0, 30.0].into_iter().enumerate() {
        for (shape, freq, q) in
            [(0, 100.0, 1.0), (0, 100.0, 8.0), (0, 300.0, 1.0), (1, 1000.0, 0.7), (2, 50.0, 0.7)]
        {
            for (range, threshold) in [(-24.0, -30.0), (12.0, -30.0), (-6.0, -6.0), (-30.0, -70.0)] {
                let more =
                    [("band1/attack", attack), ("band1/release", 50.0), ("band1/threshold", threshold)];
                let y = rig(&with(moving(shape, freq, q, range, 10.0), &more)).run(&x);
                figures[n] = figures[n].max(beside(&y[0])).max(beside(&y[1]));
            }
        }
        println!("attack {attack} ms, deepest moves of 30 dB: {:.1} dBFS above 5 kHz", figures[n]);
    }
    assert!(figures[0] < -80.0 && figures[1] < -90.0 && figures[2] < -100.0, "{figures:?}");
}

#[test]
fn an_external_detector_hears_the_sidechain_at_the_place_of_the_band() {
    let external = with(moving(0, 1000.0, 8.0, -12.0, 4.0), &[("band1/detector", 1.0)]);
    let x = pair(1000.0, FS, 48_000, |_| amplitude(-60.0));
    let moved = |settings: &Settings, side: Option<&[Vec<f64>]>| {
        let y = rig(settings).run_with(&x, side, &[]);
        envelope(&y, 47_000) + 60.0
    };
    let at = pair(1000.0, FS, 48_000, |_| amplitude(-18.0));
    let beside = pair(8000.0, FS, 48_000, |_| amplitude(-10.0));
    let (there, elsewhere) = (moved(&external, Some(&at)), moved(&external, Some(&beside)));
    println!("sidechain 12 dB over: {there:.4} dB; beside the band: {elsewhere:.4} dB");
    assert!((there + 9.0).abs() < 0.02 && elsewhere == 0.0);
    assert_eq!(moved(&external, None), 0.0, "its own input lies below the threshold");
    let own = moving(0, 1000.0, 8.0, -12.0, 4.0);
    assert_eq!(moved(&own, Some(&at)), 0.0, "a sidechain that is not asked for");
    // `self` is the unit's input; the band's own is what the band before has left.
    let cut = [("band2/freq", 1000.0), ("band2/gain", -24.0), ("band2/q", 1.0)];
    let second = |detector| {
        let band3 = [
            ("band3/range", -12.0),
            ("band3/freq", 1000.0),
            ("band3/threshold", -30.0),
            ("band3/detector", detector),
        ];
        let loud = pair(1000.0, FS, 48_000, |_| amplitude(-18.0));
        let y = rig(&with(cut.to_vec(), &band3)).run(&loud);
        envelope(&y, 47_000) + 18.0
    };
    let (input, selfish) = (second(0.0), second(1.0));
    println!("behind a cut of 24 dB: {input:.4} dB of its input, {selfish:.4} dB of `self`");
    assert!((input + 24.0).abs() < 0.001 && (selfish + 33.0).abs() < 0.02);
}

/// With an external detector under a steady tone the unit is linear and can be struck.
#[test]
fn a_shelf_at_its_range_is_the_analog_one() {
    let mut worst = [0.0f64; 3];
    for (shape, range) in
        [(0, -12.0), (0, 9.0), (1, -12.0), (1, 12.0), (1, -24.0), (2, -12.0), (2, 12.0), (2, 24.0)]
    {
        let (freq, q) = (400.0, 0.8);
        let settings = with(
            moving(shape, freq, q, range, 100.0),
            &[("band1/detector", 1.0), ("band1/threshold", -80.0)],
        );
        let frames = 96_000 / QUANTUM * QUANTUM;
        let side = pair(400.0, FS, frames, |_| 1.0);
        let mut x = vec![vec![0.0; frames]; 2];
        x[0][48_000] = 1.0;
        let y = rig(&settings).run_with(&x, Some(&side), &[]);
        for hz in [30.0, 100.0, 200.0, 300.0, 400.0, 500.0, 800.0, 1600.0, 4000.0] {
            let w = 2.0 * PI * hz / FS;
            let sum = |f: fn(f64) -> f64| -> f64 {
                y[0][48_000..].iter().enumerate().map(|(i, v)| v * f(w * i as f64)).sum()
            };
            let (re, im) = (sum(libm::cos), sum(libm::sin));
            let (s, a) = (hz / freq, libm::pow(10.0, range / 40.0));
            let size = |p: f64, q: f64, r: f64| 10.0 * libm::log10((r - p * s * s).powi(2) + (q * s).powi(2));
            let want = match shape {
                0 => size(1.0, a * a / q, 1.0) - size(1.0, 1.0 / q, 1.0),
                1 => size(a, a * a.sqrt() / q, a * a) - size(a, a.sqrt() / q, 1.0),
                _ => size(a * a, a * a.sqrt() / q, a) - size(1.0, a.sqrt() / q, a),
            };
            let e = (5.0 * libm::log10((re * re + im * im).powi(2)) - want).abs();
            worst[shape] = worst[shape].max(e);
        }
    }
    for (shape, e) in SHAPES.iter().zip(worst) {
        println!("{shape} at its range: {e:.4} dB from analog up to 4 kHz at 48 kHz");
        assert!(e < 0.05, "{shape}: {e} dB");
    }
}

#[test]
fn what_cannot_move_says_so() {
    let (kind, table) = (crate::units::find("equalizer").unwrap(), Equalizer::SPEC.own_params());
    for (settings, text) in [
        (moving(3, 100.0, 1.0, -6.0, 4.0), "only bells and shelves move with the level"),
        (
            moving(2, 20_000.0, 1.0, 12.0, 4.0),
            "it moves from 28.251 kHz, which is beyond this rate; effective 23.52 kHz",
        ),
    ] {
        let (mut values, mut notes) = (table.defaults(), Notes::default());
        for (symbol, value) in settings {
            values.set(table.find(symbol).unwrap(), value);
        }
        let format = Format { sample_rate: RATE, layout: Layout::named("stereo").unwrap() };
        kind.build(&format, &values, &mut notes).unwrap();
        let note = notes.0.iter().find(|n| n.param == band_param(0, B::Range));
        assert_eq!(note.map(|n| n.text.as_str()), Some(text));
    }
}

#[test]
fn linked_channels_move_together() {
    let settings = moving(0, 1000.0, 1.0, -12.0, 4.0);
    let mut x = pair(1000.0, FS, 48_000, |_| amplitude(-18.0));
    x[1].iter_mut().for_each(|v| *v *= 0.001);
    let level = |x: &[f64]| db(x[40_000..].iter().fold(0.0, |m: f64, v| m.max(v.abs())));
    let moved = |settings: &Settings| {
        let y = rig(settings).run(&x);
        [0, 1].map(|c| level(&y[c]) - level(&x[c]))
    };
    let both = moved(&settings);
    println!("left 12 dB over, right far below: {:.3} and {:.3} dB", both[0], both[1]);
    assert!(both.iter().all(|m| (m + 9.0).abs() < 0.02));
    let left = moved(&with(settings.clone(), &[("band1/channel", 1.0)]));
    let right = moved(&with(settings, &[("band1/channel", 2.0)]));
    assert!((left[0] + 9.0).abs() < 0.02 && left[1] == 0.0 && right == [0.0, 0.0], "{left:?} {right:?}");
}

#[test]
fn an_exchange_of_another_band_leaves_the_moves_alone() {
    // Left and right alike, so that a band on the side passes every bit, whatever it does. Loud, then
    // quiet: what is heard then is only remembered.
    let mut noise = Noise(11);
    let one: Vec<f64> = (0..96_000).map(|i| noise.next() * if i < 24_000 { 0.5 } else { 0.000_5 }).collect();
    let x = [one.clone(), one];
    let mut side = pair(300.0, FS, 96_000, |i| if i < 30_000 { 0.7 } else { 0.001 });
    side[1] = side[0].clone();
    for detector in [0.0, 1.0] {
        let band1 = with(
            moving(0, 300.0, 1.0, -18.0, 10.0),
            &[("band1/release", 3000.0), ("band1/detector", detector), ("band1/gain", 2.0)],
        );
        let settings = with(band1, &[("band2/channel", 4.0), ("band2/gain", 0.0), ("band2/q", 30.0)]);
        let moves = [
            (40_000, "band2/freq", 3000.0),
            (44_321, "band2/gain", 12.0),
            (60_010, "band2/freq", 40.0),
            (80_005, "band2/gain", 0.0),
        ];
        let want = rig(&settings).run_with(&x, Some(&side), &[]);
        let mut r = rig(&settings);
        let got = r.run_with(&x, Some(&side), &moves);
        let (null, reduction) = (null(&got, &want), r.reductions[60_000 / QUANTUM]);
        println!("detector {detector}: {reduction:.1} dB remembered, null against no exchange {null:.1} dB");
        assert!(reduction > 6.0 && null < -280.0, "{reduction} {null}");
    }
}

#[test]
fn a_change_of_the_band_itself_goes_on_from_its_move() {
    let settings = with(moving(0, 1000.0, 1.0, -12.0, 100.0), &[("band1/release", 50.0)]);
    let x = pair(1000.0, FS, 96_000, |_| 0.3);
    let mut r = rig(&settings);
    let y = r.run_with(&x, None, &[(48_000, "band1/range", -9.0), (72_000, "band1/freq", 1100.0)]);
    let gain = |i: usize| envelope(&y, i) - db(0.3);
    assert!((gain(47_999) + 12.0).abs() < 0.01);
    assert!((gain(71_999) + 9.0).abs() < 0.01, "{}", gain(71_999));
    // It never comes back to 0 on the way.
    let high = (48_000..96_000).map(gain).fold(-99.0, f64::max);
    println!("from -12 to -9 dB of range and 100 Hz up: never above {high:.2} dB");
    assert!(high < -8.0, "{high}");
}

#[test]
fn twenty_four_dynamic_bands_take_little_time() {
    let names: Vec<[String; 4]> =
        (1..=24).map(|n| ["shape", "freq", "range", "threshold"].map(|p| format!("band{n}/{p}"))).collect();
    let mut settings = Vec::new();
    for (n, [shape, freq, range, threshold]) in names.iter().enumerate() {
        settings.push((shape.as_str(), (n % 3) as f64));
        settings.push((freq.as_str(), 40.0 * libm::pow(1.28, n as f64)));
        settings.push((range.as_str(), -3.0));
        settings.push((threshold.as_str(), -80.0));
    }
    let mut noise = Noise(3);
    let x = [noise.vec(96_000), noise.vec(96_000)];
    let mut r = rig(&settings);
    r.run(&x);
    println!("24 dynamic bands in stereo, all moving: {:.0} ns a frame", r.cost());
    assert!(r.reductions.last().unwrap() > &2.0);
    assert!(r.cost() < 20_000.0, "far beyond any budget");
    // A change of a slow band lives through as much of the past as that leaves time for.
    let slow = [(6400, "band1/q", 40.0), (40_000, "band1/gain", 3.0), (70_000, "band1/gain", -3.0)];
    let mut least = vec![f64::MAX; 1500];
    for _ in 0..7 {
        let mut r = rig(&settings);
        r.run_with(&x, None, &slow);
        // The machine does other things, but not always at the same quantum.
        least.iter_mut().zip(r.costs()).for_each(|(l, c)| *l = l.min(c));
    }
    let worst = least.iter().fold(0.0f64, |a, b| a.max(*b));
    println!("slowest quantum while they are exchanged: {worst:.0} ns a frame");
    assert!(worst < 20_000.0, "{worst} ns");
}
