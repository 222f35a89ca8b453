// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a render promises of the file it delivers: its ceiling on real music and in dBFS, one dither, the quality
//! that was asked for, and what it says where a ceiling cannot be promised.
use std::f64::consts::TAU;

use lathed::files::BitDepth;
use serde_json::Value;

use crate::convert::{LIMITER, convert, db, desk, hard, rack_text, true_peak};
use crate::files::{assert_same, noise};
use crate::music;

fn sample_peak(planes: &[Vec<f64>]) -> f64 {
    db(planes.iter().flatten().fold(0.0, |m: f64, x| m.max(x.abs())))
}

fn rms(x: &[f64]) -> f64 {
    (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64).sqrt()
}

#[test]
fn an_exact_render_of_music_keeps_its_ceiling() {
    let desk = desk(&[("lim.toml", rack_text(LIMITER))]);
    let (audio, rate) = music::music(3 * 44_100);
    let audio: Vec<Vec<f64>> = audio.iter().map(|c| c.iter().map(|x| f64::from(*x)).collect()).collect();
    for (from, options) in
        [(44_100, "--bits 16"), (88_200, "--bits 16 --rate 44100"), (176_400, "--bits 24 --rate 48000")]
    {
        let at = |c: &Vec<f64>| if from == rate { c.clone() } else { convert(rate, from, c.clone()) };
        desk.write("in.wav", from, BitDepth::F64, &audio.iter().map(at).collect::<Vec<_>>());
        let said =
            desk.lathe(&format!("render --json --exact {options} --rack lim.toml in.wav out.wav")).exits(0);
        let exact = said.json()["exact"].clone();
        let peak = true_peak(&desk.read("out.wav").1);
        println!("music, {from} Hz {options}: {peak:.4} dBTP measured here; {exact}");
        assert!(peak <= -1.0 && peak > -1.05, "{peak} dBTP");
        assert_eq!((&exact["over_db"], &exact["ceiling_dbfs"]), (&0.0.into(), &Value::Null));
    }
}

#[test]
fn a_ceiling_in_dbfs_is_one_of_samples() {
    let limiter = LIMITER.replace("gain = 12", "gain = 12, detector = \"sample\"");
    let after = format!("{limiter}[[slot]]\nid = \"trim\"\nunit = \"gain\"\nparams = {{ trim = 3 }}\n");
    let desk = desk(&[("lim.toml", rack_text(&limiter)), ("after.toml", rack_text(&after))]);
    for (rate, rack, options) in [
        (48_000, "lim.toml", "--bits 32f"),
        (44_100, "lim.toml", "--bits 16"),
        (96_000, "lim.toml", "--bits 16 --rate 44100"),
        (176_400, "after.toml", "--bits 24 --rate 48000"),
    ] {
        desk.write("in.wav", rate, BitDepth::F32, &hard(24_000, rate));
        let said =
            desk.lathe(&format!("render --json --exact {options} --rack {rack} in.wav out.wav")).exits(0);
        let exact = said.json()["exact"].clone();
        let (_, out) = desk.read("out.wav");
        let (sample, peak) = (sample_peak(&out), true_peak(&out));
        println!("{rack}, {rate} Hz {options}: {sample:.4} dBFS, {peak:.4} dBTP measured here; {exact}");
        assert!(sample <= -1.0 && sample > -1.02, "{sample} dBFS");
        // Held to true peaks it would have been lower, which nobody asked for.
        assert!(peak > -0.9, "{peak} dBTP");
        let get = |key: &str| exact[key].as_f64().unwrap();
        assert_eq!((get("ceiling_dbfs"), get("over_db"), &exact["ceiling_dbtp"]), (-1.0, 0.0, &Value::Null));
        assert!((get("sample_peak_dbfs") - sample).abs() < 1e-6, "{exact}");
        assert!((get("true_peak_dbtp") - peak).abs() < 0.012, "{exact}");
        for words in ["the ceiling of -1 dBFS is kept", "its detector reads samples, and the true peak is"] {
            assert!(said.err.contains(words), "{}", said.err);
        }
    }
}

#[test]
fn a_render_that_was_lowered_is_dithered_once_and_last() {
    let limiter = LIMITER.replace(", gain = 12", "");
    let dither = "[[slot]]\nid = \"d\"\nunit = \"dither\"\nparams = { bits = 16, shape = \"tpdf\" }\n";
    let desk = desk(&[
        ("plain.toml", rack_text(&limiter)),
        ("dithers.toml", rack_text(&format!("{limiter}{dither}"))),
    ]);
    // Half a second that has to be limited, then two of a tone below the last bit, which passes as it is.
    const LOUD: usize = 24_000;
    let mut audio = hard(LOUD, 48_000);
    for c in &mut audio {
        c.iter_mut().for_each(|x| *x *= 1.5);
        c.extend((0..96_000).map(|n| 1e-5 * (TAU * 997.0 / 48_000.0 * f64::from(n)).sin()));
    }
    desk.write("in.wav", 48_000, BitDepth::F64, &audio);
    for (rack, bits) in [("plain.toml", 16), ("dithers.toml", 16), ("dithers.toml", 24)] {
        let said =
            desk.lathe(&format!("render --json --exact --bits {bits} --rack {rack} in.wav out.wav")).exits(0);
        assert!(said.json()["exact"]["renders"].as_u64().unwrap() > 1, "{rack}: {}", said.out);
        let (_, out) = desk.read("out.wav");
        let off_grid = out.iter().flatten().filter(|x| (**x * 32_768.0).fract() != 0.0).count();
        assert_eq!(off_grid, 0, "{rack}, {bits} bits: samples off the grid of 16 bits");
        // The limiter has let go a second later. TPDF dither and rounding are half a step rms; twice, 0.71.
        for (o, x) in out.iter().zip(&audio) {
            let from = LOUD + 48_000;
            let error: Vec<f64> = o[from..].iter().zip(&x[from..]).map(|(o, x)| (o - x) * 32_768.0).collect();
            let floor = rms(&error);
            println!("{rack}, {bits} bits: noise {floor:.4} steps of 16 bits");
            assert!((0.49..0.51).contains(&floor), "{floor} steps");
        }
        assert!(true_peak(&out.iter().map(|c| c[..LOUD + 1000].to_vec()).collect::<Vec<_>>()) <= -1.0);
    }
}

/// Frames by which `y` is later than `x`, to fractions: the top of their correlation, by a parabola.
fn later(x: &[f64], y: &[f64]) -> f64 {
    let at = |lag: i64| -> f64 { (8..x.len() - 8).map(|n| x[n] * y[(n as i64 + lag) as usize]).sum() };
    let all: Vec<f64> = (-8..=8).map(at).collect();
    let top = (1..16).max_by(|a, b| all[*a].total_cmp(&all[*b])).unwrap();
    let (a, b, c) = (all[top - 1], all[top], all[top + 1]);
    top as f64 - 8.0 + 0.5 * (a - c) / (a - 2.0 * b + c)
}

#[test]
fn a_quality_is_built_said_and_stays_in_time() {
    let slot = |unit: &str, params: &str| {
        format!("[[slot]]\nid = \"x_{unit}\"\nunit = \"{unit}\"\nparams = {{ {params} }}\n")
    };
    let units = [
        ("saturator", "drive = 12"),
        ("clipper", "gain = 12, ceiling = -1"),
        ("limiter", "gain = 12, ceiling = -1, clip = true"),
    ];
    // Loud for the shapers, and quiet noise for the clock, which passes them all but for their filters.
    let (loud, quiet) = (12_000, 12_000);
    let mut audio = noise(2, loud + quiet, 0.5);
    audio.iter_mut().for_each(|c| c[loud..].iter_mut().for_each(|x| *x *= 0.01));
    let all: String = units.map(|(unit, params)| slot(unit, params)).concat();
    for rate in [44_100, 96_000] {
        let mut racks: Vec<(&str, String, usize)> =
            units.iter().map(|(unit, params)| (*unit, slot(unit, params), 1)).collect();
        racks.push(("all", all.clone(), 3));
        for (name, slots, count) in racks {
            let set = slots.replace("params = { ", "params = { quality = \"high\", ");
            let desk = desk(&[("rack.toml", rack_text(&slots)), ("high.toml", rack_text(&set))]);
            desk.write("in.wav", rate, BitDepth::F32, &audio);
            let render = |words: &str, out: &str| {
                desk.lathe(&format!("render --json --bits 64f {words} in.wav {out}")).exits(0)
            };
            let live = render("--rack rack.toml", "live.wav");
            let said = render("--quality high --rack rack.toml", "high.wav");
            let wanted = render("--rack high.toml", "wanted.wav");
            let (_, high) = desk.read("high.wav");
            assert_same(&high, &desk.read("wanted.wav").1);
            let (_, plain) = desk.read("live.wav");
            let differs: Vec<f64> = high[0].iter().zip(&plain[0]).map(|(a, b)| a - b).collect();
            let differs = db(rms(&differs[..loud]) / rms(&plain[0][..loud]));
            let clock = [&high, &plain].map(|out| later(&audio[0][loud + 4000..], &out[0][loud + 4000..]));
            println!("{name} at {rate} Hz: high differs by {differs:.1} dB; later by {clock:.4?} frames");
            assert!(differs > -120.0 && differs < -10.0, "{name}: {differs} dB");
            assert!(clock.iter().all(|c| c.abs() < 0.5), "{name}: {clock:?} frames");
            let (live, said, wanted) = (live.json(), (said.json(), said.err), wanted.json());
            assert_eq!((&said.0["quality"], &said.0["differs_from_live"]), (&"high".into(), &true.into()));
            assert_eq!((&live["quality"], &live["differs_from_live"]), (&Value::Null, &false.into()));
            assert_eq!(said.0["latency_frames"], wanted["latency_frames"]);
            assert!(
                said.1.contains("the render therefore differs from what the rack plays live"),
                "{}",
                said.1
            );
            assert_eq!(said.1.matches("high (the rack says normal)").count(), count, "{}", said.1);
        }
    }
}

#[test]
fn a_clipper_is_not_taken_for_a_limiter() {
    let clipper = "[[slot]]\nid = \"clip\"\nunit = \"clipper\"\nparams = { gain = 12, ceiling = -1 }\n";
    let desk = desk(&[("clip.toml", rack_text(clipper))]);
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 24_000, 0.5));
    desk.lathe("render --bits 64f --rack clip.toml in.wav out.wav").exits(0);
    let (_, out) = desk.read("out.wav");
    let (sample, peak) = (sample_peak(&out), true_peak(&out));
    println!("noise 12 dB into a clipper at -1: {sample:.2} dBFS, {peak:.2} dBTP");
    assert!(sample > 0.0 && peak > 0.0, "a clipper that holds its ceiling would count");
    let said = desk.lathe("check clip.toml").exits(0);
    let words = "slot \"clip\" clips at a higher rate, and on the way down its output rings over its ceiling";
    assert!((said.out.clone() + &said.err).contains(words), "{}{}", said.out, said.err);
    let said = desk.lathe("render --exact --rack clip.toml in.wav no.wav").exits(2);
    assert!(said.err.contains("clipper \"clip\" rings over its own; add a slot with"), "{}", said.err);
    assert!(!desk.path("no.wav").exists());
}

#[test]
fn a_conversion_after_a_limiter_is_said_by_render_and_check() {
    let split = |id: &str, inner: &str| {
        format!(
            "[[slot]]\nid = \"{id}\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"b\"\n\
             [[slot.branch.slot]]\nid = \"{inner}\"\nunit = \"limiter\"\n"
        )
    };
    let two = split("a", "low") + &split("b", "high");
    let off = LIMITER.replace("gain = 12", "bypass = true");
    let desk = desk(&[
        ("two.toml", rack_text(&two)),
        ("held.toml", rack_text(&format!("{two}{LIMITER}"))),
        ("off.toml", rack_text(&off)),
    ]);
    desk.write("in.wav", 96_000, BitDepth::F32, &noise(2, 4000, 0.1));
    let render = |rack: &str, more: &str| {
        desk.lathe(&format!("render --json {more} --rack {rack} in.wav out.wav")).exits(0).err
    };
    let words = "96000 Hz became 44100 Hz before \"b\" and after limiter \"low\"";
    assert!(render("two.toml", "--rate 44100").contains(words));
    let said = desk.lathe("check two.toml").exits(0);
    assert!((said.out + &said.err).contains("rendered to another rate, the audio is converted after it"));
    assert!(!render("held.toml", "--rate 44100").contains("became"));
    assert!(!render("two.toml", "").contains("became"));
    let told = render("off.toml", "--rate 44100");
    assert!(
        told.contains("limiter \"lim\" is not at work; 96000 Hz became 44100 Hz after its last slot"),
        "{told}"
    );
}
