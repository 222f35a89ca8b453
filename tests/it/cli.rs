// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line, verb by verb: what it does, what it says where, and the code it ends with.
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use lathe_core::dsp::QUANTUM;
use lathe_core::rack;
use lathed::audio::offline::Renderer;
use lathed::files::{BitDepth, Encoding};
use lathed::racks::SHIPPED;
use serde_json::Value;

use crate::docs::golden;
use crate::files::{Desk, LATHE, assert_same, noise, sine};

const VERBS: [&str; 9] =
    ["render", "measure", "check", "curve", "layout", "units", "params", "init", "bench"];

/// The keys of an object, in alphabetical order.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn every_verb_explains_itself_with_examples() {
    let desk = Desk::new();
    let said = desk.lathe("--help").exits(0);
    assert!(said.out.contains("Exit codes: 0 ok") && said.err.is_empty());
    for verb in VERBS {
        assert!(said.out.contains(&format!("\n  {verb} ")), "{verb} is not in the list:\n{}", said.out);
        let help = desk.lathe(&format!("{verb} --help")).exits(0);
        assert!(help.out.contains("Examples:\n  lathe ") && help.err.is_empty(), "{verb}: {}", help.out);
    }
    assert!(desk.lathe("--version").exits(0).out.starts_with("lathe "));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_allowed() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    let render = "render --rack racks/stereo-master.toml";
    for (line, words) in [
        ("", "Usage: lathe"),
        ("rendr", "render"),
        ("render a.wav b.wav", "--rack"),
        (&format!("{render} a.wav"), "<IN>... <OUT>"),
        (&format!("{render} --bits 32 a.wav b.wav"), "16, 20, 24, 32f, 64f"),
        (&format!("{render} --tail -1 a.wav b.wav"), "0 s to 3600 s"),
        (&format!("{render} --tail x a.wav b.wav"), "not a number of seconds"),
        (&format!("{render} a.wav a.wav"), "both input and output"),
        (&format!("{render} a.wav racks/../a.wav"), "both input and output"),
        (&format!("{render} a.wav a.wav b.wav"), "need a folder"),
        (&format!("{render} a.wav nowhere/"), "nowhere/ does not exist"),
        (&format!("{render} a.wav b.mp3"), ".wav, .rf64, .flac"),
        (&format!("{render} a.wav b.flac"), "choose 16, 20 or 24 bits"),
        ("measure", "<FILE>"),
        ("check", "<RACK>"),
        ("check --rate 5 racks/mono.toml", "8000..=384000"),
        ("params limitr", "did you mean \"limiter\"?"),
        ("init --template speach x.toml", "did you mean \"speech\"?"),
        ("bench --seconds 1 --only nothing", "\"rack stereo-master\""),
        ("bench --period 0", "1..=8192"),
    ] {
        let said = desk.lathe(line).exits(2);
        assert!(said.out.is_empty() && said.err.contains(words), "lathe {line}: {}", said.err);
    }
    assert_eq!(desk.names(), ["a.wav"]);
}

#[test]
fn a_closed_pipe_is_not_a_panic() {
    let desk = Desk::new();
    for line in ["params", "params --markdown", "check --schema"] {
        let script = format!("\"$0\" {line} | head -n 1");
        let output = desk.command("sh").args(["-c", &script, LATHE]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout.iter().filter(|b| **b == b'\n').count(), 1);
    }
}

// ---- check

#[test]
fn check_gives_a_good_rack_one_line() {
    let desk = Desk::new();
    let said = desk.lathe("check racks/stereo-master.toml racks/mono.toml --rate 44100").exits(0);
    let lines: Vec<&str> = said.out.lines().collect();
    assert_eq!(lines.len(), 2, "{}", said.out);
    assert!(lines[0].starts_with("racks/stereo-master.toml: ok, 4 slots, stereo, latency "), "{}", lines[0]);
    assert!(lines[0].ends_with(" ms) at 44100 Hz") && said.err.is_empty(), "{}", lines[0]);
    let good = desk.lathe("check --json racks/mono.toml").exits(0).json();
    let wanted = ["file", "latency_frames", "latency_ms", "notes", "ok", "sample_rate", "slots", "warnings"];
    assert_eq!(keys(&good), wanted);
    assert_eq!(good["ok"], true);
}

#[test]
fn check_shows_every_error_of_a_broken_rack() {
    let desk = Desk::new();
    let said = desk.lathe("check racks/broken.toml").exits(1);
    assert!(said.out.is_empty(), "errors are talk: {}", said.out);
    golden("tests/it/golden/broken.txt", &said.err);
    let json = desk.lathe("check --json racks/broken.toml").exits(1).json();
    assert_eq!((keys(&json), &json["ok"]), (vec!["errors", "file", "ok", "omitted"], &Value::Bool(false)));
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), said.err.matches("\n --> ").count() + said.err.matches("\n  --> ").count());
    for key in ["column", "end", "help", "label", "line", "message", "related", "severity", "start"] {
        assert!(errors.iter().all(|e| !e[key].is_null() || key == "help"), "{key}");
    }
}

#[test]
fn check_goes_on_after_a_bad_file_and_the_worst_decides() {
    let desk = Desk::new();
    std::fs::write(desk.path("latin.toml"), b"format = 1\n[rack]\nname = \"M\xfcnchen\"\n").unwrap();
    std::fs::write(desk.path("none.toml"), "").unwrap();
    std::fs::write(desk.path("bare.toml"), "format = 1\n[rack]\nname = \"bare\"\nlayout = \"mono\"\n")
        .unwrap();
    let late = "format = 1\n[rack]\nname = \"late\"\nlayout = \"mono\"\nlatency_ms = 1\n\
                [[slot]]\nid = \"l\"\nunit = \"limiter\"\n";
    std::fs::write(desk.path("late.toml"), late).unwrap();
    let said = desk.lathe("check latin.toml none.toml late.toml bare.toml").exits(1);
    for words in ["not UTF-8 text", "latin.toml:3:10", "the rack file is empty", "exceeds latency_ms = 1"] {
        assert!(said.err.contains(words), "{words}\n{}", said.err);
    }
    assert!(said.err.contains("warning: the rack has no slots"), "{}", said.err);
    assert!(said.out.starts_with("bare.toml: ok, 0 slots"), "{}", said.out);
    let said = desk.lathe("check no.toml racks/broken.toml racks racks/mono.toml").exits(74);
    assert!(said.err.contains("cannot read the rack no.toml: No such file"), "{}", said.err);
    assert!(said.out.starts_with("racks/mono.toml: ok"), "{}", said.out);
    let warned = desk.lathe("check --json bare.toml").exits(0).json();
    assert_eq!(warned["warnings"][0]["severity"], "warning");
}

#[test]
fn a_curve_is_a_table_json_and_a_drawing() {
    let desk = Desk::new();
    let band = "{ freq = 1000, gain = 6, q = 1 }";
    let rack = format!(
        "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"eq\"\nunit = \"equalizer\"\nparams = {{ band1 = {band} }}\n"
    );
    std::fs::write(desk.path("eq.toml"), rack).unwrap();
    let said = desk.lathe("curve eq --rack eq.toml --from 100 --to 10000 --points 3 --rate 96000").exits(0);
    let lines: Vec<Vec<&str>> = said.out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["Hz", "L", "dB", "rad", "R", "dB", "rad"]);
    let peak: f64 = lines[2][1].parse().unwrap();
    assert!(lines.len() == 4 && lines[2][0] == "1000.0" && (peak - 6.0).abs() < 0.001, "{}", said.out);
    let json = desk.lathe("curve --rack eq.toml --feed side --points 7 --json --svg eq.svg").exits(0);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        keys(&json),
        ["curves", "cut", "frequencies_hz", "latency_frames", "sample_rate", "slot"],
        "{json}"
    );
    assert_eq!(json["curves"][0]["name"], "side");
    assert_eq!(json["curves"][0]["level_db"].as_array().unwrap().len(), 7);
    let drawing = std::fs::read_to_string(desk.path("eq.svg")).unwrap();
    assert!(drawing.starts_with("<svg ") && drawing.ends_with("</svg>\n"), "{drawing}");
    assert_eq!(drawing.matches("<polyline").count(), 1, "{drawing}");
    for (line, why) in [
        ("curve no --rack eq.toml", "there is no slot \"no\""),
        ("curve --rack eq.toml --feed up", "all, mid, side, L, R are allowed"),
        ("curve --rack eq.toml --to 30000", "0 Hz to half the sample rate, 24000 Hz, are allowed"),
        ("curve --rack eq.toml --from 500 --to 100", "is not below"),
        ("curve --rack eq.toml --points 1", "2..=4096"),
    ] {
        let said = desk.lathe(line).exits(2);
        assert!(said.err.contains(why) && said.out.is_empty(), "{line}: {}", said.err);
    }
}

#[test]
fn the_schema_is_json() {
    let said = Desk::new().lathe("check --schema").exits(0);
    assert!(said.json()["$schema"].is_string() && said.err.is_empty(), "{}", said.out);
}

// ---- render

#[test]
fn the_default_rack_gives_the_input_back_bit_for_bit() {
    let desk = Desk::new();
    for frames in [0, 1, 63, 64, 146, 5000, 16_384, 40_001] {
        let audio = noise(2, frames, 1.5);
        desk.write("in.wav", 48_000, BitDepth::F32, &audio);
        let said = desk.lathe("render --json --rack racks/stereo-master.toml in.wav out.wav").exits(0);
        assert!(said.err.is_empty(), "{}", said.err);
        let (spec, out) = desk.read("out.wav");
        assert_same(&out, &audio);
        assert_eq!((spec.sample_rate, spec.encoding), (48_000, Encoding::Float { bits: 32 }));
        let json = said.json();
        assert_eq!(json["frames"], frames);
        let wanted = [
            "clipped_samples",
            "conversion",
            "damaged",
            "differs_from_live",
            "exact",
            "file",
            "frames",
            "input_rate",
            "latency_frames",
            "output",
            "quality",
            "refused_samples",
            "sample_rate",
        ];
        assert_eq!(keys(&json), wanted);
    }
    assert_eq!(desk.names(), ["in.wav", "out.wav"]);
}

#[test]
fn the_tail_is_added_and_nothing_else() {
    let desk = Desk::new();
    let audio = noise(2, 1000, 0.5);
    desk.write("in.wav", 44_100, BitDepth::F32, &audio);
    desk.lathe("render --tail 0.5 --rack racks/stereo-master.toml in.wav out.wav").exits(0);
    let mut wanted = audio;
    wanted.iter_mut().for_each(|c| c.resize(1000 + 22_050, 0.0));
    assert_same(&desk.read("out.wav").1, &wanted);
}

#[test]
fn every_depth_holds_the_signal_within_its_dither() {
    let desk = Desk::new();
    let audio = noise(2, 20_000, 0.9);
    desk.write("in.wav", 48_000, BitDepth::F32, &audio);
    for (bits, extension) in
        [("16", "wav"), ("20", "wav"), ("24", "wav"), ("16", "flac"), ("24", "flac"), ("16", "rf64")]
    {
        let line = format!("render --bits {bits} --rack racks/stereo-master.toml in.wav out.{extension}");
        desk.lathe(&line).exits(0);
        let (spec, out) = desk.read(&format!("out.{extension}"));
        let bits: u16 = bits.parse().unwrap();
        assert_eq!((spec.encoding, out[0].len()), (Encoding::Int { bits }, 20_000), "{line}");
        let step = (1.0 - f64::from(bits)).exp2();
        let error =
            |c: usize| (0..20_000).map(move |n| (n, c)).map(|(n, c)| (out[c][n] - audio[c][n]) / step);
        let worst = (0..2).flat_map(error).fold(0.0, |w: f64, e| w.max(e.abs()));
        // TPDF is ±1 step, rounding ±½; much less would be no dither.
        assert!((1.2..=1.5).contains(&worst), "{line}: {worst} steps");
    }
    for bits in ["32f", "64f"] {
        desk.lathe(&format!("render --bits {bits} --rack racks/stereo-master.toml in.wav out.wav")).exits(0);
        assert_same(&desk.read("out.wav").1, &audio);
    }
}

const DITHERS: &str = "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"lim\"\nunit = \"limiter\"\n\
    [[slot]]\nid = \"d\"\nunit = \"dither\"\n";

/// What the rack has made integers of is written as it is, if it fits; dither comes once.
#[test]
fn a_rack_that_dithers_is_not_dithered_again() {
    let desk = Desk::new();
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 20_000, 0.5));
    for (rack, file, once) in [(16, 16, true), (16, 24, true), (24, 16, false)] {
        let text = format!("{DITHERS}params = {{ bits = {rack}, shape = \"light\" }}\n");
        std::fs::write(desk.path("d.toml"), text).unwrap();
        desk.lathe("render --bits 64f --rack d.toml in.wav whole.wav").exits(0);
        desk.lathe(&format!("render --bits {file} --rack d.toml in.wav out.wav")).exits(0);
        let (whole, out) = (desk.read("whole.wav").1, desk.read("out.wav").1);
        let step = (1.0 - f64::from(rack)).exp2();
        assert!(whole.iter().flatten().all(|v| (v / step).fract() == 0.0), "{rack} bits of the rack");
        assert_eq!(whole == out, once, "{rack} bits of the rack, {file} of the file");
    }
}

#[test]
fn check_warns_of_what_follows_a_limiter_and_refuses_what_follows_a_dither() {
    let desk = Desk::new();
    let gain = "[[slot]]\nid = \"vol\"\nunit = \"gain\"\n";
    let (limiter, _) = DITHERS.split_once("[[slot]]\nid = \"d\"").unwrap();
    std::fs::write(desk.path("r.toml"), format!("{limiter}{gain}")).unwrap();
    let said = desk.lathe("check r.toml").exits(0);
    assert!(said.err.contains("warning: slot \"vol\" comes after \"lim\""), "{}", said.err);
    assert_eq!(desk.lathe("check --json r.toml").exits(0).json()["warnings"].as_array().unwrap().len(), 1);
    std::fs::write(desk.path("r.toml"), format!("{DITHERS}{gain}")).unwrap();
    let said = desk.lathe("check r.toml").exits(1);
    assert!(said.err.contains("error: slot \"d\" makes the final integers"), "{}", said.err);
}

#[test]
fn without_dither_integers_pass_untouched_and_clips_are_told() {
    let desk = Desk::new();
    let audio: Vec<f64> = (-32_768..32_768).map(|n| f64::from(n) / 32_768.0).collect();
    desk.write("in.wav", 48_000, BitDepth::I16, &[audio.clone(), audio.clone()]);
    desk.lathe("render --bits 16 --no-dither --rack racks/stereo-master.toml in.wav out.wav").exits(0);
    assert_same(&desk.read("out.wav").1, &[audio.clone(), audio]);
    desk.write("hot.wav", 48_000, BitDepth::F32, &[vec![1.5; 100], vec![0.0; 100]]);
    let said = desk.lathe("render --json --bits 24 --rack racks/stereo-master.toml hot.wav out.wav").exits(0);
    assert_eq!(said.json()["clipped_samples"], 100);
    assert!(said.err.contains("100 samples were over full scale"), "{}", said.err);
}

#[test]
fn several_files_go_into_a_folder() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("out")).unwrap();
    let audio: Vec<_> = (1..=6).map(|n| noise(2, 3000 * n, 0.5)).collect();
    for (n, audio) in audio.iter().enumerate() {
        desk.write(&format!("{n}.wav"), 48_000, BitDepth::F32, audio);
    }
    desk.write("f.flac", 44_100, BitDepth::I16, &noise(2, 500, 0.5));
    let said = desk
        .lathe("render --json --rack racks/stereo-master.toml 0.wav 1.wav 2.wav 3.wav 4.wav 5.wav f.flac out")
        .exits(0);
    for (n, (line, audio)) in said.out.lines().zip(&audio).enumerate() {
        let json: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&json["file"], &json["frames"]), (&format!("{n}.wav").into(), &audio[0].len().into()));
        assert_same(&desk.read(&format!("out/{n}.wav")).1, audio);
    }
    // FLAC holds no floats: its name changes unless the bits are such as it holds.
    assert_eq!(desk.read("out/f.wav").0.sample_rate, 44_100);
    desk.lathe("render --bits 24 --rack racks/stereo-master.toml f.flac out/").exits(0);
    assert_eq!(desk.read("out/f.flac").0.encoding, Encoding::Int { bits: 24 });

    std::fs::create_dir(desk.path("other")).unwrap();
    desk.write("other/0.wav", 48_000, BitDepth::F32, &audio[0]);
    let said = desk.lathe("render --rack racks/stereo-master.toml 0.wav other/0.wav out").exits(2);
    assert!(said.err.contains("0.wav and other/0.wav would both become out/0.wav"), "{}", said.err);
}

#[test]
fn one_bad_file_does_not_stop_the_others() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("out")).unwrap();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    desk.write("mono.wav", 48_000, BitDepth::F32, &noise(1, 100, 0.5));
    std::fs::write(desk.path("empty.wav"), b"").unwrap();
    let said = desk.lathe("render --rack racks/stereo-master.toml empty.wav a.wav out").exits(74);
    assert!(said.err.contains("empty.wav") && desk.path("out/a.wav").exists(), "{}", said.err);
    let said = desk.lathe("render --rack racks/stereo-master.toml mono.wav a.wav out").exits(78);
    let words =
        "mono.wav has 1 channel, but the rack's layout \"stereo\" has 2; use a rack with layout \"mono\"";
    assert!(said.err.contains(words), "{}", said.err);
    assert!(!desk.path("out/mono.wav").exists());
}

#[test]
fn a_bad_rack_is_a_matter_of_configuration() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    let said = desk.lathe("render --rack racks/broken.toml a.wav b.wav").exits(78);
    assert!(said.out.is_empty() && said.err.contains("racks/broken.toml:6:10"), "{}", said.err);
    let side = "format = 1\n[rack]\nname = \"s\"\nlayout = \"stereo\"\n[[rack.sidechain]]\nname = \"key\"\nlayout = \"mono\"\n\
                [[slot]]\nid = \"c\"\nunit = \"compressor\"\nsidechain = \"key\"\n";
    std::fs::write(desk.path("side.toml"), side).unwrap();
    let said = desk.lathe("render --rack side.toml a.wav b.wav").exits(78);
    assert!(said.err.contains("sidechain port \"key\""), "{}", said.err);
    desk.lathe("render --rack no.toml a.wav b.wav").exits(74);
    let said = desk.lathe("render --rack racks/stereo-master.toml a.wav no/b.wav").exits(74);
    let words = "cannot create no/b.wav: No such file or directory (os error 2); check the path";
    assert!(said.err.contains(words), "{}", said.err);
    assert_eq!(desk.names(), ["a.wav", "side.toml"]);
}

/// Starts the render of a long file and waits until it writes.
fn long_render(desk: &Desk) -> Child {
    desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 120 * 48_000, 0.5));
    std::fs::write(desk.path("out.wav"), b"older").unwrap();
    let line = "render --rack racks/multiband.toml in.wav out.wav";
    let child = desk.command(LATHE).args(line.split(' ')).spawn().unwrap();
    let start = Instant::now();
    while !desk.names().iter().any(|n| n.ends_with(".tmp")) {
        assert!(start.elapsed() < Duration::from_secs(60), "no temporary file: {:?}", desk.names());
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn a_killed_render_leaves_nothing_under_the_final_name() {
    let desk = Desk::new();
    let mut child = long_render(&desk);
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9), "it ended before it was killed");
    assert_eq!(std::fs::read(desk.path("out.wav")).unwrap(), b"older");
}

#[test]
fn a_stopped_render_cleans_up_and_says_so() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        let desk = Desk::new();
        let child = long_render(&desk);
        let script = format!("kill -{signal} {}", child.id());
        assert!(desk.command("sh").args(["-c", &script]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(number));
        assert_eq!(desk.names(), ["in.wav", "out.wav"]);
        assert_eq!(std::fs::read(desk.path("out.wav")).unwrap(), b"older");
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("stopped; 0 of 1 file"), "{err}");
    }
}

#[test]
fn pieces_do_not_show() {
    let desk = Desk::new();
    let audio = noise(2, 70_001, 0.8);
    desk.write("in.wav", 48_000, BitDepth::F64, &audio);
    for name in ["multiband", "midside"] {
        desk.lathe(&format!("render --bits 64f --rack racks/{name}.toml in.wav out.wav")).exits(0);
        let (_, rendered) = desk.read("out.wav");
        let text = std::fs::read_to_string(desk.path(&format!("racks/{name}.toml"))).unwrap();
        let plan = rack::load(&text, name).unwrap().plan;
        assert_same(&rendered, &Renderer::new(&plan, 48_000).unwrap().whole(&audio));
        for piece in [QUANTUM, 7 * QUANTUM] {
            assert_same(&rendered, &in_pieces(Renderer::new(&plan, 48_000).unwrap(), &audio, piece));
        }
        // The second of several files is rendered like the first.
        std::fs::create_dir_all(desk.path("two")).unwrap();
        std::fs::copy(desk.path("in.wav"), desk.path("again.wav")).unwrap();
        desk.lathe(&format!("render --bits 64f --rack racks/{name}.toml in.wav again.wav two")).exits(0);
        assert_same(&desk.read("two/in.wav").1, &rendered);
        assert_same(&desk.read("two/again.wav").1, &rendered);
    }
}

/// The whole signal, `piece` frames at a time, latency removed.
fn in_pieces(mut renderer: Renderer, audio: &[Vec<f64>], piece: usize) -> Vec<Vec<f64>> {
    let (frames, latency) = (audio[0].len(), renderer.latency());
    let mut out = vec![Vec::new(); audio.len()];
    let mut buffer = vec![vec![0.0; piece]; audio.len()];
    for from in (0..frames + latency).step_by(piece) {
        let at = |c: &Vec<f64>| (from..from + piece).map(|n| c.get(n).copied().unwrap_or(0.0)).collect();
        let input: Vec<Vec<f64>> = audio.iter().map(at).collect();
        renderer.process(&input, &mut buffer, piece);
        out.iter_mut().zip(&buffer).for_each(|(o, b)| o.extend_from_slice(b));
    }
    out.iter().map(|c| c[latency..latency + frames].to_vec()).collect()
}

// ---- measure

#[test]
fn a_sine_measures_as_the_standard_says() {
    let desk = Desk::new();
    // EBU Tech 3341, case 1, and BS.1770: 1 kHz at -23 dBFS on both channels.
    desk.write("sine.wav", 48_000, BitDepth::F32, &sine(2, 5 * 48_000, 48_000, 1000.0, -23.0));
    let json = desk.lathe("measure --json sine.wav").exits(0).json();
    let wanted = [
        "balance",
        "bits_in_use",
        "channel_names",
        "channels",
        "clipped_samples",
        "clipped_samples_per_channel",
        "correlation",
        "crest_db",
        "damaged",
        "dc_offset",
        "dc_offset_per_channel",
        "dr",
        "dr_exact_db",
        "encoding",
        "file",
        "flat_tops",
        "frames",
        "integrated_lufs",
        "layout",
        "longest_clip_samples",
        "loudness_range_lu",
        "momentary_max_lufs",
        "mono_sum_db",
        "not_numbers",
        "plr_lu",
        "psr_min_lu",
        "rms_dbfs_per_channel",
        "sample_peak_dbfs",
        "sample_peak_dbfs_per_channel",
        "sample_rate",
        "seconds",
        "short_term_max_lufs",
        "significant_bits",
        "true_peak_at_s",
        "true_peak_dbtp",
        "true_peak_dbtp_per_channel",
    ];
    assert_eq!(keys(&json), wanted);
    for (key, wanted) in [
        ("integrated_lufs", -22.993),
        ("momentary_max_lufs", -22.993),
        ("short_term_max_lufs", -22.993),
        ("true_peak_dbtp", -23.0),
        ("sample_peak_dbfs", -23.0),
        ("loudness_range_lu", 0.0),
    ] {
        let got = json[key].as_f64().unwrap();
        assert!((got - wanted).abs() <= 0.01, "{key} {got}, wanted {wanted} ± 0.01");
    }
    let table = desk.lathe("measure sine.wav").exits(0);
    assert!(table.out.contains("integrated          -22.99 LUFS\n") && table.err.is_empty(), "{}", table.out);
}

#[test]
fn surrounds_weigh_by_their_place() {
    let desk = Desk::new();
    // One channel at a time: front 0 dB, surrounds of 5.1 and sides of 7.1 +1.5 dB, LFE nothing.
    for (channels, channel, wanted) in
        [(6, 0, Some(-26.0)), (6, 3, None), (6, 4, Some(-24.5)), (8, 4, Some(-26.0)), (8, 6, Some(-24.5))]
    {
        let mut audio = vec![vec![0.0; 3 * 48_000]; channels];
        audio[channel] = sine(1, 3 * 48_000, 48_000, 1000.0, -23.0).remove(0);
        desk.write("a.wav", 48_000, BitDepth::F32, &audio);
        let json = desk.lathe("measure --json a.wav").exits(0).json();
        let got = json["integrated_lufs"].as_f64();
        let same =
            got.is_some() == wanted.is_some() && (got.unwrap_or(0.0) - wanted.unwrap_or(0.0)).abs() < 0.05;
        assert!(same, "channel {channel} of {channels}: {got:?}, wanted {wanted:?}");
    }
}

#[test]
fn silence_and_what_is_too_short_are_null() {
    let desk = Desk::new();
    desk.write("silence.wav", 48_000, BitDepth::I16, &vec![vec![0.0; 5 * 48_000]; 2]);
    desk.write("short.wav", 48_000, BitDepth::F32, &noise(2, 1000, 0.5));
    desk.write("none.wav", 48_000, BitDepth::F32, &[vec![], vec![]]);
    desk.write("slow.wav", 100, BitDepth::F32, &noise(2, 1000, 0.5));
    let levels =
        ["integrated_lufs", "momentary_max_lufs", "short_term_max_lufs", "loudness_range_lu", "plr_lu"];
    for file in ["silence.wav", "short.wav", "none.wav"] {
        let json = desk.lathe(&format!("measure --json {file}")).exits(0).json();
        assert!(levels.iter().all(|k| json[k].is_null()), "{json}");
        assert_eq!(json["true_peak_dbtp"].is_null(), file != "short.wav", "{json}");
    }
    let table = desk.lathe("measure short.wav").exits(0).out;
    assert!(table.contains("integrated               - LUFS") && !table.contains("inf"), "{table}");
    let table = desk.lathe("measure silence.wav").exits(0).out;
    assert!(table.contains("integrated            -inf LUFS") && !table.contains("NaN"), "{table}");
    let said = desk.lathe("measure slow.wav").exits(74);
    assert!(said.err.contains("100 Hz, and the loudness filter needs 8000 Hz"), "{}", said.err);
}

#[test]
fn full_scale_is_the_last_code_of_an_integer_file() {
    let desk = Desk::new();
    let peaks = vec![0.0, 32_767.0 / 32_768.0, -1.0, 0.5, 32_766.0 / 32_768.0];
    desk.write("int.wav", 48_000, BitDepth::I16, std::slice::from_ref(&peaks));
    desk.write("float.wav", 48_000, BitDepth::F32, &[peaks]);
    let json = |name: &str| desk.lathe(&format!("measure --json {name}")).exits(0).json();
    assert_eq!(json("int.wav")["clipped_samples"], 2);
    assert_eq!(json("float.wav")["clipped_samples"], 1);
}

#[test]
fn a_missing_file_does_not_keep_the_others_from_being_measured() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 48_000, 0.5));
    desk.write("b.flac", 44_100, BitDepth::I16, &noise(1, 44_100, 0.5));
    let said = desk.lathe("measure --json a.wav no.wav b.flac").exits(74);
    let files: Vec<Value> = said.out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((files.len(), &files[0]["file"], &files[1]["file"]), (2, &"a.wav".into(), &"b.flac".into()));
    assert!(said.err.contains("cannot open no.wav"), "{}", said.err);
}

#[test]
fn a_name_that_is_not_utf_8_is_a_name() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    let strange = OsStr::from_bytes(b"\xff\xe9.wav");
    std::fs::rename(desk.path("a.wav"), desk.path("racks").join("..").join(strange)).unwrap();
    let mut measure = desk.command(LATHE);
    assert!(measure.args(["measure", "--json"]).arg(strange).status().unwrap().success());
    let mut render = desk.command(LATHE);
    render.args(["render", "--json", "--rack", "racks/stereo-master.toml"]).arg(strange).arg("b.wav");
    assert!(render.status().unwrap().success());
}

// ---- units, params, init, bench

#[test]
fn units_and_params_list_the_catalog() {
    let desk = Desk::new();
    let units = desk.lathe("units --json").exits(0).json();
    let params = desk.lathe("params --json").exits(0).json();
    let text = desk.lathe("units").exits(0).out;
    for unit in units.as_array().unwrap() {
        assert_eq!(keys(unit), ["doc", "kind", "params", "symbol"]);
        let symbol = unit["symbol"].as_str().unwrap();
        assert!(text.lines().any(|l| l.starts_with(symbol)), "{symbol}");
        let table = params.as_array().unwrap().iter().find(|t| t["symbol"] == unit["symbol"]).unwrap();
        assert_eq!(unit["params"], table["params"].as_array().unwrap().len());
        let one = desk.lathe(&format!("params {symbol} --json")).exits(0).json();
        assert_eq!(one.as_array().unwrap().len(), 1);
        assert_eq!(one[0], *table);
        assert!(desk.lathe(&format!("params {symbol}")).exits(0).out.starts_with(&format!("{symbol} (")));
    }
    let wanted =
        ["change", "choices", "default", "doc", "max", "min", "name", "scale", "step", "symbol", "unit"];
    for param in params.as_array().unwrap().iter().flat_map(|t| t["params"].as_array().unwrap()) {
        assert_eq!(keys(param), wanted);
        assert!(!param["doc"].as_str().unwrap().is_empty(), "{param}");
        let number = |key: &str| param[key].as_f64().unwrap();
        assert!((number("min")..=number("max")).contains(&number("default")), "{param}");
    }
}

#[test]
fn init_writes_every_template_and_overwrites_none() {
    let desk = Desk::new();
    let list = desk.lathe("init --list").exits(0).out;
    for (name, text) in SHIPPED {
        assert!(list.lines().any(|l| l.split_whitespace().next() == Some(name)), "{list}");
        let said = desk.lathe(&format!("init --template {name} {name}.toml")).exits(0);
        assert!(
            said.out.is_empty() && said.err.contains(&format!("lathed --rack {name}.toml")),
            "{}",
            said.err
        );
        assert_eq!(std::fs::read_to_string(desk.path(&format!("{name}.toml"))).unwrap(), *text);
        desk.lathe(&format!("check {name}.toml")).exits(0);
    }
    desk.lathe("init").exits(0);
    std::fs::write(desk.path("rack.toml"), "mine").unwrap();
    let said = desk.lathe("init").exits(2);
    assert!(said.err.contains("rack.toml is there already; --force replaces it"), "{}", said.err);
    assert_eq!(std::fs::read_to_string(desk.path("rack.toml")).unwrap(), "mine");
    desk.lathe("init --force").exits(0);
    assert_eq!(std::fs::read_to_string(desk.path("rack.toml")).unwrap(), SHIPPED[0].1);
    desk.lathe("init no/such/rack.toml").exits(74);
}

#[test]
fn bench_gives_a_row_a_line() {
    let desk = Desk::new();
    let json = desk.lathe("bench --seconds 1 --only gain --json").exits(0).json();
    assert_eq!(keys(&json), ["latency", "max_block_us", "name", "ns_mean", "ns_med", "ns_p99"]);
    assert!(json["name"] == "gain" && json["ns_med"].as_f64().unwrap() > 0.0, "{json}");
    let kernels = desk.lathe("bench --seconds 1 --only svf --json").exits(0);
    assert_eq!(kernels.out.lines().count(), 3, "{}", kernels.out);
    // A slot that listens to an earlier one is timed in its rack only, and that is said.
    let keyed = "format = 1\n[rack]\nname = \"keyed\"\nlayout = \"stereo\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"\n\
                 [[slot]]\nid = \"c\"\nunit = \"compressor\"\nsidechain = \"a\"\n";
    std::fs::write(desk.path("keyed.toml"), keyed).unwrap();
    let said = desk.lathe("bench --seconds 1 --rack keyed.toml --json").exits(0);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert!(said.err.contains("slot c is timed only in its rack"), "{}", said.err);
    desk.lathe("bench --seconds 1 --rack racks/broken.toml").exits(78);
}
