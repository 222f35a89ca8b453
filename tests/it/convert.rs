// SPDX-License-Identifier: MIT OR Apache-2.0
//! Delivery: conversion between all rates as an engineer measures it, the limiter at the delivered rate, and the
//! ceiling that a finished file keeps.
use std::f64::consts::PI;
use std::sync::atomic::Ordering::Relaxed;

use lathe_core::dsp::fft::RealFft;
use lathe_core::dsp::math::kaiser;
use lathe_core::rack;
use lathe_core::rack::plan::RackPlan;
use lathed::audio::offline::{Progress, RenderError, RenderOptions, render_file};
use lathed::files::{BitDepth, Converter, DELIVERY_RATES, WriteOptions};
use serde_json::Value;

use crate::files::{Desk, assert_same, noise, sine};

/// Points of a spectrum, and the window's shape: side lobes at −260 dB, 12 bins from the middle.
const POINTS: usize = 1 << 15;
const SHAPE: f64 = 28.0;
const LOBE: usize = 12;

pub fn db(x: f64) -> f64 {
    20.0 * x.max(1e-20).log10()
}

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    DELIVERY_RATES.into_iter().flat_map(|f| DELIVERY_RATES.map(|t| (f, t))).filter(|(f, t)| f != t)
}

pub fn convert(from: u32, to: u32, x: Vec<f64>) -> Vec<f64> {
    let (mut c, frames, mut out) = (Converter::new(from, to, 1).unwrap(), x.len(), vec![Vec::new()]);
    c.push(&[x], frames, &mut out);
    c.finish(&mut out);
    out.remove(0)
}

/// The sum of cosines of these frequencies and this amplitude each, long enough for [`POINTS`] of the output.
fn tones(from: u32, to: u32, hz: &[f64], amplitude: f64) -> Vec<f64> {
    let frames = (POINTS as u64 + 2 * u64::from(to) / 50) * u64::from(from) / u64::from(to) + 1;
    let at = |n: u64, f: f64| (2.0 * PI * (f / f64::from(from) * n as f64).fract()).cos();
    (0..frames).map(|n| amplitude * hz.iter().map(|f| at(n, *f)).sum::<f64>()).collect()
}

/// Amplitude of every bin of the middle of `y`.
fn spectrum(y: &[f64]) -> Vec<f64> {
    let middle = (y.len() - POINTS) / 2;
    let half = POINTS as f64 / 2.0;
    let window: Vec<f64> = (0..POINTS).map(|n| kaiser((n as f64 - half) / half, SHAPE)).collect();
    let x: Vec<f64> = y[middle..].iter().zip(&window).map(|(y, w)| y * w).collect();
    let scale = 2.0 / window.iter().sum::<f64>();
    RealFft::new(POINTS).spectrum(&x).iter().map(|b| scale * b.0.hypot(b.1)).collect()
}

#[test]
fn every_pair_of_rates_is_flat_to_20_khz() {
    let mut worst = 0.0f64;
    for (from, to) in pairs() {
        // 48 tones from 40 Hz to 20 kHz, each in the middle of a bin of the output.
        let bin = f64::from(to) / POINTS as f64;
        let place = |k: i32| (40.0 * 500f64.powf(f64::from(k) / 47.0) / bin).floor() as usize;
        let mut bins: Vec<usize> = (0..48).map(place).collect();
        bins.dedup_by(|a, b| *a < *b + 2 * LOBE);
        assert!(bins.len() > 20 && *bins.last().unwrap() as f64 * bin > 19_990.0);
        let hz: Vec<f64> = bins.iter().map(|b| *b as f64 * bin).collect();
        let spectrum = spectrum(&convert(from, to, tones(from, to, &hz, 0.01)));
        for (b, f) in bins.iter().zip(&hz) {
            let ripple = db(spectrum[*b] / 0.01).abs();
            worst = worst.max(ripple);
            assert!(ripple < 0.001, "{from} to {to}: {ripple} dB at {f} Hz");
        }
    }
    println!("ripple to 20 kHz at most {worst:.1e} dB, 30 pairs");
}

#[test]
fn no_pair_of_rates_leaves_a_spur() {
    let mut worst = (-400.0f64, 0, 0, 0.0);
    for (from, to) in pairs() {
        let bin = f64::from(to) / POINTS as f64;
        // The last one lies where the filter fades: it comes out lower, and its images must not come out at all.
        let low = f64::from(from.min(to));
        for f in [997.0, 6000.0, 19_950.0, 0.49 * low] {
            let place = (f / bin).round() as usize;
            let mut s = spectrum(&convert(from, to, tones(from, to, &[place as f64 * bin], 0.5)));
            s[place.saturating_sub(LOBE)..=(place + LOBE).min(POINTS / 2)].fill(0.0);
            let spur = db(s.iter().fold(0.0, |m: f64, v| m.max(*v)) / 0.5);
            if spur > worst.0 {
                worst = (spur, from, to, f);
            }
            assert!(spur < -170.0, "{from} to {to}: {spur:.1} dB from a tone at {f} Hz");
        }
    }
    println!("highest spur {:.1} dB: {} to {} Hz, {} Hz", worst.0, worst.1, worst.2, worst.3);
}

#[test]
fn what_lies_above_the_new_half_rate_is_gone() {
    let mut worst = -400.0f64;
    for (from, to) in pairs().filter(|(f, t)| f > t) {
        let (edge, end) = (f64::from(to) / 2.0, f64::from(from) / 2.0);
        let above = [1.0, 10.0, 100.0, 500.0, 1000.0, 2000.0].map(|d| edge + d);
        for f in above.into_iter().filter(|f| *f < end).chain([0.5 * (edge + end), end - 50.0]) {
            let y = convert(from, to, tones(from, to, &[f], 0.5));
            // The edges of the tone itself are sound of every frequency.
            let middle = &y[y.len() / 4..3 * y.len() / 4];
            let peak = db(middle.iter().fold(0.0, |m: f64, v| m.max(v.abs())) / 0.5);
            worst = worst.max(peak);
            assert!(peak < -150.0, "{from} to {to}: {peak:.1} dB of a tone at {f} Hz");
        }
    }
    println!("tones from 1 Hz above half the new rate: {worst:.1} dB");
}

#[test]
fn a_sweep_folds_nothing_back() {
    // Up to half the input's rate; what is left of it past the new one is as low as any tone.
    for (from, to) in [(96_000u32, 44_100u32), (192_000, 48_000), (88_200, 44_100)] {
        let frames = from as usize * 2;
        let (low, end) = (0.5 * f64::from(to) + 60.0, 0.5 * f64::from(from) - 60.0);
        let seconds = frames as f64 / f64::from(from);
        let phase = |t: f64| 2.0 * PI * (low * t + (end - low) * t * t / (2.0 * seconds));
        let fade = |n: usize| kaiser((n as f64 - frames as f64 / 2.0) / (frames as f64 / 2.0), SHAPE);
        let x = (0..frames).map(|n| 0.5 * fade(n) * phase(n as f64 / f64::from(from)).sin()).collect();
        let left = db(convert(from, to, x).iter().fold(0.0, |m: f64, v| m.max(v.abs())) / 0.5);
        println!("{from} to {to}: sweep above half the new rate {left:.1} dB");
        assert!(left < -150.0);
    }
}

// ---- lathe render --rate

pub fn rack_text(slots: &str) -> String {
    format!("format = 1\n[rack]\nname = \"t\"\nlayout = \"stereo\"\n{slots}")
}

pub const LIMITER: &str =
    "[[slot]]\nid = \"lim\"\nunit = \"limiter\"\nparams = { ceiling = -1, gain = 12 }\n";
const GAIN: &str = "[[slot]]\nid = \"trim\"\nunit = \"gain\"\n";

pub fn desk(racks: &[(&str, String)]) -> Desk {
    let desk = Desk::new();
    for (name, text) in racks {
        std::fs::write(desk.path(name), text).unwrap();
    }
    desk
}

#[test]
fn a_converted_render_has_the_frames_that_fill_its_time_and_stays_in_place() {
    let desk = desk(&[("gain.toml", rack_text(GAIN)), ("lim.toml", rack_text(LIMITER))]);
    for (from, to, frames) in [
        (96_000u32, 44_100u32, 50_001usize),
        (44_100, 96_000, 12_345),
        (48_000, 44_100, 1),
        (48_000, 192_000, 0),
    ] {
        let mut audio = vec![vec![0.0; frames]; 2];
        // 100 ms, a whole frame at every rate; low enough for the limiter, too.
        let (click, wanted) = (from as usize / 10, to as usize / 10);
        audio.iter_mut().for_each(|c| c.get_mut(click).into_iter().for_each(|x| *x = 0.1));
        desk.write("in.wav", from, BitDepth::F32, &audio);
        for rack in ["gain.toml", "lim.toml"] {
            let line = format!("render --json --bits 64f --rate {to} --rack {rack} in.wav out.wav");
            let said = desk.lathe(&line).exits(0);
            let (spec, out) = desk.read("out.wav");
            let length = (frames as f64 * f64::from(to) / f64::from(from)).round() as usize;
            assert_eq!((spec.sample_rate, out[0].len()), (to, length), "{line}");
            let json = said.json();
            assert_eq!((&json["input_rate"], &json["sample_rate"]), (&from.into(), &to.into()));
            assert_eq!(json["frames"], length);
            if frames > click {
                let loudest = |c: &Vec<f64>| (0..c.len()).max_by(|a, b| c[*a].abs().total_cmp(&c[*b].abs()));
                assert_eq!(
                    out.iter().map(|c| loudest(c).unwrap()).collect::<Vec<_>>(),
                    [wanted; 2],
                    "{line}"
                );
            }
        }
    }
}

#[test]
fn a_tail_is_in_the_converted_length() {
    let desk = desk(&[("gain.toml", rack_text(GAIN))]);
    desk.write("in.wav", 96_000, BitDepth::F32, &noise(2, 1000, 0.5));
    desk.lathe("render --tail 0.25 --rate 48000 --rack gain.toml in.wav out.wav").exits(0);
    assert_eq!(desk.read("out.wav").1[0].len(), 500 + 12_000);
}

#[test]
fn the_input_s_own_rate_is_no_conversion() {
    let desk = Desk::new();
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 20_000, 0.9));
    let said = desk.lathe("render --json --rate 48000 --rack racks/multiband.toml in.wav a.wav").exits(0);
    desk.lathe("render --rack racks/multiband.toml in.wav b.wav").exits(0);
    assert_same(&desk.read("a.wav").1, &desk.read("b.wav").1);
    assert!(said.json()["conversion"].is_null() && said.err.is_empty(), "{}", said.err);
}

#[test]
fn where_the_conversion_stands_is_said() {
    let key = "[[slot]]\nid = \"c\"\nunit = \"compressor\"\nsidechain = \"main_in\"\n";
    let promised = rack_text(LIMITER).replace("layout", "latency_ms = 1\nlayout");
    let desk = desk(&[
        ("lim.toml", rack_text(&format!("{GAIN}{LIMITER}"))),
        ("gain.toml", rack_text(GAIN)),
        ("key.toml", rack_text(&format!("{GAIN}{LIMITER}{key}"))),
        ("promised.toml", promised),
    ]);
    desk.write("in.wav", 96_000, BitDepth::F32, &noise(2, 4000, 0.1));
    let render = |rack: &str| desk.lathe(&format!("render --json --rate 44100 --rack {rack} in.wav out.wav"));
    let said = render("lim.toml").exits(0);
    let wanted: Value = serde_json::json!({ "before": "lim", "whole_rack": false });
    assert!(said.json()["conversion"] == wanted && said.err.is_empty(), "{} {}", said.out, said.err);
    let said = render("gain.toml").exits(0);
    assert!(said.json()["conversion"]["before"].is_null(), "{}", said.out);
    assert!(said.err.contains("no limiter; 96000 Hz became 44100 Hz after its last slot"), "{}", said.err);
    let said = render("key.toml").exits(0);
    assert_eq!(said.json()["conversion"]["whole_rack"], true);
    let words = "slot \"c\" listens to \"main_in\" across the conversion; the whole rack ran at 44100 Hz";
    assert!(said.err.contains(words), "{}", said.err);
    // Cut in two, a rack still keeps what it promises.
    let said = render("promised.toml").exits(78);
    assert!(said.err.contains("exceeds latency_ms = 1"), "{}", said.err);
}

#[test]
fn rates_that_cannot_be_are_refused() {
    let desk = desk(&[("gain.toml", rack_text(GAIN))]);
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    desk.write("odd.wav", 44_101, BitDepth::F32, &noise(2, 100, 0.5));
    for rate in ["22050", "0", "-48000", "48k", "384000"] {
        let said = desk.lathe(&format!("render --rate {rate} --rack gain.toml in.wav out.wav")).exits(2);
        let list = "44100, 48000, 88200, 96000, 176400, 192000";
        assert!(said.err.contains(list) || rate.starts_with('-'), "{rate}: {}", said.err);
    }
    let said = desk.lathe("render --rate 48000 --rack gain.toml odd.wav out.wav").exits(74);
    let words =
        "44101 Hz does not convert to 48000 Hz: their ratio, 48000/44101, is not one of small numbers";
    assert!(said.err.contains("odd.wav") && said.err.contains(words), "{}", said.err);
    assert_eq!(desk.names(), ["gain.toml", "in.wav", "odd.wav"]);
}

#[test]
fn what_is_not_audio_does_not_spread_through_the_conversion() {
    let desk = desk(&[("lim.toml", rack_text(LIMITER))]);
    let mut audio = sine(2, 20_000, 96_000, 997.0, -20.0);
    audio[0][10_000] = f64::NAN;
    audio[1][5000] = f64::INFINITY;
    desk.write("in.wav", 96_000, BitDepth::F32, &audio);
    let said = desk.lathe("render --json --rate 44100 --rack lim.toml in.wav out.wav").exits(0);
    assert_eq!(said.json()["refused_samples"], 2);
    assert!(desk.read("out.wav").1.iter().flatten().all(|x| x.is_finite()));
}

// ---- the ceiling

/// The true peak in dB by Fourier transform: 32 points a frame of the audio with silence around it. It may lie
/// 0.01 dB higher between two of them.
pub fn true_peak(planes: &[Vec<f64>]) -> f64 {
    const TIMES: usize = 32;
    let mut top = 0.0f64;
    for x in planes {
        let size = (x.len() + 65_536).next_power_of_two();
        let mut padded = x.clone();
        padded.resize(size, 0.0);
        let mut bins = RealFft::new(size).spectrum(&padded);
        // Half of the middle of a real signal's spectrum belongs to either side.
        let middle = &mut bins[size / 2];
        *middle = (0.5 * middle.0, 0.5 * middle.1);
        bins.resize(size / 2 * TIMES + 1, (0.0, 0.0));
        let all = RealFft::new(size * TIMES).signal(&bins);
        top = all.iter().fold(top, |m, v| m.max(v.abs() * TIMES as f64));
    }
    db(top)
}

/// Loud and full of edges: bursts, clipped noise, tones near half the rate.
pub fn hard(frames: usize, rate: u32) -> Vec<Vec<f64>> {
    let mut audio = noise(2, frames, 1.0);
    let (a, b) = (sine(2, frames, rate, 11_025.0, 0.0), sine(2, frames, rate, 19_000.0, -3.0));
    for (c, x) in audio.iter_mut().enumerate() {
        for n in 0..frames {
            x[n] = match (n / 4000) % 4 {
                0 => f64::from((3.0 * x[n]).clamp(-0.9, 0.9) as f32),
                1 => a[c][n],
                2 if n % 500 < 40 => b[c][n],
                2 => 0.0,
                _ => 0.3 * x[n],
            };
        }
    }
    audio
}

#[test]
fn an_exact_render_keeps_its_ceiling() {
    let desk = desk(&[("lim.toml", rack_text(&format!("{GAIN}{LIMITER}")))]);
    let mut again = 0;
    for (rate, options, out) in [
        (48_000, "--bits 32f", "a.wav"),
        (44_100, "--bits 16", "b.flac"),
        (96_000, "--bits 16 --rate 44100", "c.wav"),
        (44_100, "--bits 24 --rate 96000", "d.wav"),
        (192_000, "--bits 16 --rate 48000", "e.wav"),
        (88_200, "--bits 24", "f.wav"),
        (176_400, "--bits 32f", "g.wav"),
        (88_200, "--bits 16 --rate 44100", "h.wav"),
        (176_400, "--bits 16 --rate 48000", "i.wav"),
    ] {
        desk.write("in.wav", rate, BitDepth::F32, &hard(24_000, rate));
        let said =
            desk.lathe(&format!("render --json --exact {options} --rack lim.toml in.wav {out}")).exits(0);
        let exact = said.json()["exact"].clone();
        let peak = true_peak(&desk.read(out).1);
        println!("{rate} Hz {options}: {peak:.4} dBTP measured here; {exact}");
        let get = |key: &str| exact[key].as_f64().unwrap();
        assert!(peak <= -1.0, "{peak} dBTP");
        // Nor is it lower than it has to be, and what is said of it is so.
        assert!(peak > -1.1 && (peak - get("true_peak_dbtp")).abs() < 0.012, "{peak} dBTP, {exact}");
        assert_eq!((get("over_db"), get("ceiling_dbtp"), &exact["slot"]), (0.0, -1.0, &"lim".into()));
        let renders = exact["renders"].as_u64().unwrap();
        assert!((1..=3).contains(&renders) && (renders > 1) == (get("set_dbtp") < -1.0), "{exact}");
        assert!(said.err.contains("the ceiling of -1 dBTP is kept"), "{}", said.err);
        again += renders - 1;
    }
    assert!(again > 0, "nothing here had to be rendered again");
    let mut names = desk.names();
    names.retain(|n| !n.starts_with(|c: char| ('a'..='i').contains(&c) && n.as_bytes()[1] == b'.'));
    assert_eq!(names, ["in.wav", "lim.toml"]);
}

#[test]
fn a_gain_after_the_limiter_is_met_too_as_far_as_the_ceiling_goes() {
    let after = |db: u32| rack_text(&format!("{LIMITER}{GAIN}params = {{ trim = {db} }}\n"));
    let desk = desk(&[("some.toml", after(6)), ("much.toml", after(24))]);
    desk.write("in.wav", 48_000, BitDepth::F32, &sine(2, 10_000, 48_000, 997.0, -3.0));
    let said = desk.lathe("render --json --exact --rack some.toml in.wav a.wav").exits(0);
    let set = said.json()["exact"]["set_dbtp"].as_f64().unwrap();
    assert!((set + 7.0).abs() < 0.05 && true_peak(&desk.read("a.wav").1) <= -1.0, "{set}");
    // The ceiling ends at -24 dBTP: the file is kept, what it is over is said, and the code is 1.
    let said = desk.lathe("render --json --exact --rack much.toml in.wav b.wav").exits(1);
    let over = said.json()["exact"]["over_db"].as_f64().unwrap();
    assert!((over - 1.0).abs() < 0.05, "{over}");
    assert!(said.err.contains("dB over the ceiling of -1 dBTP"), "{}", said.err);
    assert_eq!(desk.read("b.wav").1[0].len(), 10_000);
}

#[test]
fn what_has_no_ceiling_cannot_be_held_to_one() {
    let branch = "[[slot]]\nid = \"par\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"a\"\n\
                  [[slot.branch.slot]]\nid = \"low\"\nunit = \"limiter\"\n";
    let with = |params: &str| rack_text(&LIMITER.replace("gain = 12", params));
    let desk = desk(&[
        ("none.toml", rack_text(GAIN)),
        ("branch.toml", rack_text(branch)),
        ("off.toml", with("bypass = true")),
        ("half.toml", with("mix = 50")),
    ]);
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    for (rack, words) in [
        ("none", "the rack has none; add a slot with unit = \"limiter\""),
        ("branch", "stands in a branch of \"par\""),
        ("off", "\"lim\" is bypassed"),
        ("half", "\"lim\" is mixed with the dry signal: mix 50 %"),
    ] {
        let said = desk.lathe(&format!("render --exact --rack {rack}.toml in.wav out.wav")).exits(2);
        assert!(said.out.is_empty() && said.err.contains(words), "{rack}: {}", said.err);
    }
    assert!(!desk.path("out.wav").exists());
}

#[test]
fn silence_keeps_every_ceiling() {
    let desk = desk(&[("lim.toml", rack_text(LIMITER))]);
    desk.write("in.wav", 48_000, BitDepth::F32, &vec![vec![0.0; 5000]; 2]);
    let said = desk.lathe("render --json --exact --rack lim.toml in.wav out.wav").exits(0);
    let exact = said.json()["exact"].clone();
    assert!(exact["true_peak_dbtp"].is_null() && exact["renders"] == 1, "{exact}");
}

fn plan(slots: &str) -> RackPlan {
    rack::load(&rack_text(slots), "t").unwrap().plan
}

#[test]
fn progress_ends_where_it_was_going() {
    let desk = Desk::new();
    let frames = 40_001;
    desk.write("in.wav", 48_000, BitDepth::F32, &hard(frames, 48_000));
    let options = |rate, exact| RenderOptions {
        bits: BitDepth::F32,
        tail: 0.0,
        rate,
        exact,
        write: WriteOptions::default(),
    };
    let render = |options, progress: &Progress| {
        render_file(&plan(LIMITER), &desk.path("in.wav"), &desk.path("out.wav"), options, progress)
    };
    let progress = Progress::default();
    render(options(Some(44_100), false), &progress).unwrap();
    assert_eq!((progress.done.load(Relaxed), progress.more.load(Relaxed)), (frames as u64, 0));
    let progress = Progress::default();
    let report = render(options(None, true), &progress).unwrap();
    // Rendered and measured, as often as it had to be.
    let renders = report.exact.unwrap().renders as u64;
    assert_eq!(progress.done.load(Relaxed), 2 * frames as u64 * renders);
    assert_eq!(progress.more.load(Relaxed), 2 * frames as u64 * (renders - 1));
    // Stopped, it leaves what was there.
    std::fs::write(desk.path("out.wav"), b"older").unwrap();
    let progress = Progress::default();
    progress.stop.store(15, Relaxed);
    let stopped = render(options(Some(96_000), true), &progress);
    assert!(matches!(stopped, Err(RenderError::Stopped(_))));
    assert_eq!(std::fs::read(desk.path("out.wav")).unwrap(), b"older");
    assert_eq!(desk.names(), ["in.wav", "out.wav"]);
}

// ---- quality

#[test]
fn a_quality_that_nothing_has_is_said() {
    let desk = desk(&[("gain.toml", rack_text(GAIN))]);
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    let said = desk.lathe("render --json --quality max --rack gain.toml in.wav out.wav").exits(0);
    assert!(said.err.contains("no unit of this rack has a choice of quality"), "{}", said.err);
    let json = said.json();
    assert_eq!((&json["quality"], &json["differs_from_live"]), (&"max".into(), &false.into()));
    let said = desk.lathe("render --quality best --rack gain.toml in.wav out.wav").exits(2);
    assert!(said.err.contains("eco, normal, high, max"), "{}", said.err);
}
