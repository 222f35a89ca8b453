// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe measure`: figures against files whose figures are known, rows over time, the page, and the order of many.
use std::fmt::Write as _;
use std::process::Child;
use std::time::Duration;

use ebur128::{Channel, EbuR128, Mode};
use lathed::files::{BitDepth, WriteOptions, WriteSpec, create};
use serde_json::Value;

use crate::files::{Desk, LATHE, noise, sine};
use crate::music;

/// Asserts a figure, and prints it if it is another.
#[track_caller]
fn close(json: &Value, key: &str, wanted: f64, tolerance: f64) {
    let got = json[key].as_f64().unwrap_or(f64::NAN);
    assert!((got - wanted).abs() <= tolerance, "{key} is {got}, wanted {wanted} ± {tolerance}\n{json}");
}

fn measured(desk: &Desk, name: &str) -> Value {
    desk.lathe(&format!("measure --json --detail {name}")).exits(0).json()
}

#[test]
fn a_tone_reads_the_same_at_every_rate_and_in_every_layout() {
    let desk = Desk::new();
    // 1 kHz at -23 dBFS in so many channels; what their weights add up to (BS.1770-5: 1.41 for surrounds).
    for (channels, layout, weights) in [
        (1, "mono", 1.0),
        (2, "stereo", 2.0),
        (5, "5.0", 3.0 + 2.82),
        (6, "5.1", 3.0 + 2.82),
        (8, "7.1", 5.0 + 2.82),
    ] {
        for rate in [44_100, 48_000, 96_000, 192_000] {
            let frames = 4 * rate as usize;
            desk.write("a.wav", rate, BitDepth::F32, &sine(channels, frames, rate, 1000.0, -23.0));
            let json = measured(&desk, "a.wav");
            // Stereo reads -22.993.
            let wanted = -22.993 + 10.0 * f64::log10(weights / 2.0);
            for key in ["integrated_lufs", "momentary_max_lufs", "short_term_max_lufs"] {
                close(&json, key, wanted, 0.01);
            }
            close(&json, "loudness_range_lu", 0.0, 0.01);
            close(&json, "true_peak_dbtp", -23.0, 0.02);
            close(&json, "plr_lu", -23.0 - wanted, 0.02);
            close(&json, "crest_db", 3.01, 0.01);
            assert_eq!((&json["layout"], &json["frames"]), (&layout.into(), &frames.into()));
            assert_eq!(json["true_peak_dbtp_per_channel"].as_array().unwrap().len(), channels);
        }
    }
}

#[test]
fn true_peaks_between_samples_are_found_with_their_time() {
    let desk = Desk::new();
    for rate in [44_100u32, 48_000, 96_000, 192_000] {
        let frames = 3 * rate as usize;
        // A quarter of the rate at 45°: samples at -9.03 and -3.01, peaks at -6 and 0 dBTP; both fade in and out.
        let tone = |from: f64, to: f64, gain: f64| -> Vec<f64> {
            let at = |n: usize| n as f64 / f64::from(rate);
            let window = |t: f64| ((t - from) / 0.1).clamp(0.0, 1.0) * ((to - t) / 0.1).clamp(0.0, 1.0);
            let phase = |n: usize| std::f64::consts::FRAC_PI_2 * (n as f64 + 0.5);
            (0..frames).map(|n| gain * window(at(n)) * phase(n).sin()).collect()
        };
        desk.write("a.wav", rate, BitDepth::F32, &[tone(0.2, 1.0, 0.5012), tone(1.5, 2.3, 1.0)]);
        let json = measured(&desk, "a.wav");
        close(&json, "true_peak_dbtp", 0.0, 0.01);
        close(&json, "sample_peak_dbfs", -3.01, 0.01);
        let list = json["true_peaks"].as_array().unwrap();
        let at = json["true_peak_at_s"].as_f64().unwrap();
        assert!((1.59..2.21).contains(&at) && list[0]["channel"] == "R", "{at} s, {}", list[0]);
        let left = list.iter().find(|t| t["channel"] == "L").unwrap();
        close(left, "dbtp", -6.0, 0.02);
        assert!((0.29..0.91).contains(&left["at_s"].as_f64().unwrap()), "{left}");
        let levels: Vec<f64> = list.iter().map(|t| t["dbtp"].as_f64().unwrap()).collect();
        assert!(levels.len() > 10 && levels.is_sorted_by(|a, b| a >= b), "{levels:?}");
    }
}

#[test]
fn range_dynamics_stereo_and_health() {
    let desk = Desk::new();
    let rate = 48_000;
    let part = |db: f64| sine(1, 20 * 48_000, rate, 997.0, db).remove(0);
    let quiet_loud = [part(-30.0), part(-20.0)].concat();
    // The right channel opposite and off its middle.
    let right: Vec<f64> = quiet_loud.iter().map(|x| 0.01 - x).collect();
    desk.write("a.wav", rate, BitDepth::I24, &[quiet_loud.clone(), right]);
    let json = measured(&desk, "a.wav");
    close(&json, "loudness_range_lu", 10.0, 0.1);
    close(&json, "correlation", -1.0, 0.03);
    close(&json, "dc_offset", 0.01, 1e-6);
    assert!(json["mono_sum_db"].as_f64().unwrap() < -15.0, "{json}");
    // Blocks of 3 s; the loudest fifth of 14 are two of the loud ones, their peak the same sine.
    close(&json, "dr_exact_db", 0.4, 0.5);
    assert_eq!((&json["dr"], &json["bits_in_use"]), (&0.0.into(), &24.into()));
    let octave = |hz: f64| {
        let all = json["stereo"]["octaves"].as_array().unwrap();
        all.iter().find(|o| o["hz"] == hz).unwrap_or_else(|| panic!("no {hz} Hz: {all:?}")).clone()
    };
    close(&octave(1000.0), "correlation_mean", -1.0, 0.01);
    // The line is in its band and nowhere else; a full-scale sine reads 0 dBFS.
    let spectrum = &json["spectrum"];
    let numbers = |key: &str| -> Vec<f64> {
        spectrum[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap_or(-200.0)).collect()
    };
    let (hz, mean, high) = (numbers("frequencies_hz"), numbers("mean_dbfs"), numbers("p90_dbfs"));
    let at = (0..hz.len()).max_by(|a, b| mean[*a].total_cmp(&mean[*b])).unwrap();
    assert!(
        (hz[at] / 997.0).log2().abs() < 1.0 / 11.0 && (high[at] + 20.0).abs() < 0.3,
        "{} Hz, {}",
        hz[at],
        high[at]
    );
    let far = (0..hz.len()).filter(|n| (hz[*n] / 997.0).log2().abs() > 1.0 && hz[*n] > 100.0);
    assert!(far.clone().all(|n| mean[n] < -80.0), "{:?}", far.map(|n| mean[n]).collect::<Vec<_>>());
    // 16 bits in a file of 24, and floats that are more.
    let sixteen: Vec<f64> =
        noise(1, 9000, 0.5)[0].iter().map(|x| (x * 32_768.0).round() / 32_768.0).collect();
    desk.write("b.wav", rate, BitDepth::I24, &[sixteen]);
    desk.write("c.wav", rate, BitDepth::F32, &noise(1, 9000, 1e-3));
    assert_eq!(measured(&desk, "b.wav")["bits_in_use"], 16);
    let float = measured(&desk, "c.wav");
    assert!(float["bits_in_use"].is_null() && float["significant_bits"] == 24, "{float}");
    assert!(float["correlation"].is_null() && float["stereo"].is_null(), "{float}");
    // A flat top of five samples and a single one.
    let mut flat = vec![0.0; 9000];
    flat[100] = 1.0;
    flat[5000..5005].fill(-1.0);
    desk.write("d.wav", rate, BitDepth::F32, &[flat]);
    let json = measured(&desk, "d.wav");
    assert_eq!((&json["clipped_samples"], &json["flat_tops"]), (&6.into(), &1.into()));
    assert_eq!(json["longest_clip_samples"], 5);
}

#[test]
fn one_wild_sample_does_not_hide_the_rest() {
    let desk = Desk::new();
    let mut audio = sine(2, 4 * 48_000, 48_000, 1000.0, -23.0);
    audio[0][100_000] = 1e30;
    audio[1][100_000] = f64::NEG_INFINITY;
    desk.write("a.wav", 48_000, BitDepth::F32, &audio);
    let said = desk.lathe("measure --json a.wav").exits(0);
    assert!(said.err.contains("a.wav: 2 samples were not audio"), "{}", said.err);
    close(&said.json(), "integrated_lufs", -22.993, 0.02);
    assert_eq!(said.json()["not_numbers"], 2);
}

#[test]
fn channels_that_stand_nowhere_weigh_the_same_and_that_is_said() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &sine(10, 2 * 48_000, 48_000, 1000.0, -33.0));
    let said = desk.lathe("measure --json a.wav").exits(0);
    assert!(said.err.contains("nothing tells where its 10 channels stand"), "{}", said.err);
    assert!(said.json()["layout"].is_null());
    close(&said.json(), "integrated_lufs", -26.0, 0.02);
    // 6.1 by its mask: one surround alone, then the back centre alone.
    let mut spec = WriteSpec { sample_rate: 48_000, channels: 7, channel_mask: Some(0x70f) };
    for (channel, wanted) in [(5, -24.51), (4, -26.0)] {
        let mut planes = vec![vec![0.0; 2 * 48_000]; 7];
        planes[channel] = sine(1, 2 * 48_000, 48_000, 1000.0, -23.0).remove(0);
        let mut w = create(desk.path("b.wav"), spec, BitDepth::F32, WriteOptions::default()).unwrap();
        w.write(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        w.finish().unwrap();
        close(&measured(&desk, "b.wav"), "integrated_lufs", wanted, 0.01);
    }
    spec.channel_mask = None;
    assert_eq!(spec.channels, 7);
}

// ---- over time

/// The rows of a CSV, fields as written.
fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().skip(1).map(|l| l.splitn(6, ',').collect()).collect()
}

#[test]
fn rows_over_time_begin_when_they_are_known_and_end_at_the_figures() {
    let desk = Desk::new();
    for rate in [44_100u32, 48_000, 88_200] {
        let tone = sine(2, 4 * rate as usize, rate, 1000.0, -23.0);
        let silence = vec![0.0; 4 * rate as usize];
        let audio: Vec<Vec<f64>> = tone.iter().map(|t| [&t[..], &silence[..]].concat()).collect();
        desk.write("a.wav", rate, BitDepth::F32, &audio);
        let said = desk.lathe("measure --csv a.wav").exits(0);
        let head = "time_s,momentary_lufs,short_term_lufs,integrated_lufs,true_peak_dbtp,file\n";
        assert!(said.out.starts_with(head) && said.err.is_empty(), "{}{}", said.out, said.err);
        let rows = rows(&said.out);
        assert_eq!(rows.len(), 80, "{rate}");
        let first = |column: usize| rows.iter().position(|r| !r[column].is_empty()).map(|n| rows[n][0]);
        assert_eq!(
            [first(1), first(2), first(3), first(4)],
            [Some("0.4"), Some("3.0"), Some("0.4"), Some("0.1")]
        );
        for (n, row) in rows.iter().enumerate() {
            assert_eq!((row[0], row[5]), (format!("{:.1}", (n + 1) as f64 / 10.0).as_str(), "a.wav"));
        }
        let value = |n: usize, column: usize| rows[n][column].parse::<f64>().unwrap();
        for column in [1, 2, 3] {
            assert!((value(39, column) + 22.993).abs() < 0.01, "{rate}: {:?}", rows[39]);
        }
        assert!((value(20, 4) + 23.0).abs() < 0.02, "{:?}", rows[20]);
        assert_eq!((rows[79][1], rows[79][2], rows[79][4]), ("-inf", "-inf", "-inf"), "{rate}");
        let json = desk.lathe("measure --json a.wav").exits(0).json();
        close(&json, "integrated_lufs", value(79, 3), 1e-9);
        let most = (0..80).filter(|n| !rows[*n][2].is_empty()).map(|n| value(n, 2)).fold(-99.0, f64::max);
        close(&json, "short_term_max_lufs", most, 0.01);
    }
    desk.write("short.wav", 48_000, BitDepth::F32, &noise(1, 1000, 0.5));
    assert_eq!(desk.lathe("measure --csv short.wav").exits(0).out.lines().count(), 1);
    // Two files, one of them with a name that must be quoted.
    std::fs::copy(desk.path("a.wav"), desk.path("b,\"c\".wav")).unwrap();
    let said = desk.command(LATHE).args(["measure", "--csv", "a.wav", "b,\"c\".wav"]).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(text.lines().count(), 161);
    assert!(text.ends_with(",\"b,\"\"c\"\".wav\"\n"), "{}", text.lines().last().unwrap());
}

// ---- the page

/// The elements of a well-formed document, in order; panics where it is not.
fn elements(page: &str) -> Vec<String> {
    let body = page.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    let (mut open, mut seen) = (Vec::new(), Vec::new());
    let mut rest = body;
    while let Some(at) = rest.find(['<', '>', '&']) {
        match &rest[at..=at] {
            ">" => panic!("a bare > in {}", &rest[..at]),
            "&" => {
                let end = rest[at..].find(';').expect("an entity ends");
                let known = ["&amp", "&lt", "&gt", "&quot", "&#39"].contains(&&rest[at..at + end]);
                assert!(known, "{}", &rest[at..at + end]);
                rest = &rest[at + end..];
            }
            _ => {
                let end = at + tag_end(&rest[at..]);
                let tag = &rest[at + 1..end];
                let name = tag.split([' ', '/']).find(|n| !n.is_empty()).unwrap_or_default().to_string();
                if tag.starts_with('/') {
                    assert_eq!(open.pop(), Some(name), "closed by <{tag}>");
                } else {
                    seen.push(name.clone());
                    if name == "style" {
                        // Nothing in it is markup.
                        rest = &rest[rest.find("</style>").expect("the style ends") + 8..];
                        continue;
                    }
                    if !tag.ends_with('/') {
                        open.push(name);
                    }
                }
                rest = &rest[end + 1..];
            }
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    seen
}

/// Where a tag ends; attributes are quoted and hold no `<`.
fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (n, c) in tag.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return n,
            '<' if n > 0 => panic!("< in a tag: {}", &tag[..n]),
            _ => {}
        }
    }
    panic!("a tag without an end: {tag}")
}

const DRAWINGS: [&str; 7] = [
    "Loudness over time",
    "Spectrum",
    "Loudness histogram",
    "True peak over time",
    "Correlation over time",
    "Correlation by octaves",
    "Goniometer",
];

#[test]
fn the_page_holds_everything_and_needs_nothing() {
    let desk = Desk::new();
    let mut audio = sine(2, 5 * 48_000, 48_000, 997.0, -20.0);
    let hiss = noise(2, 5 * 48_000, 0.05);
    audio.iter_mut().zip(&hiss).for_each(|(a, h)| a.iter_mut().zip(h).for_each(|(a, h)| *a += h));
    desk.write("a.wav", 48_000, BitDepth::I16, &audio);
    let said = desk.lathe("measure --report page.html a.wav").exits(0);
    assert!(said.out.starts_with("a.wav\n") && said.err.is_empty(), "{}", said.err);
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    let seen = elements(&page);
    let count = |name: &str| seen.iter().filter(|n| *n == name).count();
    assert_eq!((count("svg"), count("section"), count("script"), count("img")), (7, 1, 0, 0));
    for title in DRAWINGS.iter().chain(&["Highest true peaks", "Figures", "Channels"]) {
        assert!(page.contains(&format!("<b>{title}</b>")), "{title}");
    }
    // Nothing is fetched: the only address is the name of the language.
    assert_eq!(page.matches("://").count(), 1);
    assert!(
        !page.contains("url(") && !page.contains("@import") && page.contains("prefers-color-scheme: dark")
    );
    // The figures of the page are those of the table, and no number is missing in a drawing.
    for line in said.out.lines().filter(|l| l.starts_with("  integrated") || l.starts_with("  true peak")) {
        let value = line.split_whitespace().find(|w| w.parse::<f64>().is_ok()).unwrap();
        assert!(page.contains(&format!("<td>{value}</td>")), "{line}");
    }
    assert!(
        !page.contains("NaN") && !page.contains("inf\"") && !page.contains("infL"),
        "no numbers in a drawing"
    );
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn names_are_text_wherever_they_stand() {
    let desk = Desk::new();
    let names = ["<script>alert(1)<!-- & \"quoted\" 'too'.wav", "a\u{1b}[31m\u{202e}b\n.wav"];
    for name in names {
        desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 48_000, 0.5));
        std::fs::rename(desk.path("a.wav"), desk.path(name)).unwrap();
    }
    let mut command = desk.command(LATHE);
    let said =
        command.args(["measure", "--report", "page.html"]).args(names).arg("no<b>.wav").output().unwrap();
    assert_eq!(said.status.code(), Some(74));
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    let seen = elements(&page);
    assert!(!seen.iter().any(|n| n == "script") && !page.contains('\u{1b}'));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;!-- &amp; &quot;quoted&quot; &#39;too&#39;.wav"));
    assert!(
        page.contains("<h1>Comparison</h1>")
            && page.contains("Not measured")
            && page.contains("no&lt;b&gt;.wav")
    );
}

#[test]
fn a_page_of_what_has_little_to_show() {
    let desk = Desk::new();
    desk.write("silence.wav", 48_000, BitDepth::I16, &vec![vec![0.0; 5 * 48_000]; 2]);
    desk.write("short.wav", 48_000, BitDepth::F32, &noise(2, 1000, 0.5));
    desk.write("one.wav", 48_000, BitDepth::F32, &noise(2, 1, 0.5));
    desk.write("none.wav", 48_000, BitDepth::F32, &[vec![], vec![]]);
    desk.write("mono.wav", 8_000, BitDepth::F32, &noise(1, 40_000, 0.5));
    desk.write("wide.wav", 48_000, BitDepth::F32, &noise(12, 48_000, 0.5));
    desk.write("huge.wav", 48_000, BitDepth::F32, &noise(2, 48_000, 5000.0));
    let files = "silence.wav short.wav one.wav none.wav mono.wav wide.wav huge.wav";
    desk.lathe(&format!("measure --report page.html {files}")).exits(0);
    let page = std::fs::read_to_string(desk.path("page.html")).unwrap();
    let seen = elements(&page);
    assert_eq!(seen.iter().filter(|n| *n == "section").count(), 8);
    assert!(!page.contains("NaN"), "no numbers in a drawing");
    for why in
        ["The file is silent.", "too short or too quiet", "Nothing was heard", "Both channels are silent."]
    {
        assert!(page.contains(why), "{why}");
    }
    for file in files.split(' ') {
        let json = measured(&desk, file);
        assert_eq!(json["file"], file);
    }
}

#[test]
fn wrong_usage_writes_nothing() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 100, 0.5));
    let before = std::fs::read(desk.path("a.wav")).unwrap();
    for (line, words) in [
        ("measure --report a.wav a.wav", "does not end in .html"),
        ("measure --report no/where.html a.wav", "the folder no does not exist"),
        ("measure --json --csv a.wav", "cannot be used with"),
        ("measure --detail a.wav", "--json"),
    ] {
        let said = desk.lathe(line).exits(2);
        assert!(said.out.is_empty() && said.err.contains(words), "lathe {line}: {}", said.err);
    }
    let said = desk.lathe("measure --report page.html no.wav").exits(74);
    assert!(said.out.is_empty(), "{}", said.out);
    assert_eq!(
        (desk.names(), std::fs::read(desk.path("a.wav")).unwrap()),
        (vec!["a.wav".to_string()], before)
    );
    std::fs::create_dir(desk.path("page.html")).unwrap();
    let said = desk.lathe("measure --report page.html a.wav").exits(74);
    assert!(said.err.contains("cannot write page.html"), "{}", said.err);
}

// ---- many files

#[test]
fn many_at_once_are_what_each_is_by_itself() {
    let desk = Desk::new();
    let mut names = String::new();
    for (n, (rate, channels, seconds)) in
        [(48_000, 2, 9), (44_100, 2, 1), (96_000, 1, 2), (8_000, 6, 12), (48_000, 2, 0), (44_100, 2, 5)]
            .into_iter()
            .enumerate()
    {
        let name = format!("{n}.wav");
        desk.write(
            &name,
            rate,
            BitDepth::F32,
            &noise(channels, rate as usize * seconds, 0.1 * (n + 1) as f64),
        );
        let _ = write!(names, " {name}");
    }
    let together = desk.lathe(&format!("measure --json --detail{names}")).exits(0).out;
    let alone: String = names
        .split_whitespace()
        .map(|name| desk.lathe(&format!("measure --json --detail {name}")).exits(0).out)
        .collect();
    assert_eq!(together, alone);
    // The table: one after the other, then a line for each.
    let table = desk.lathe(&format!("measure{names}")).exits(0).out;
    let last: Vec<&str> = table.lines().rev().take(6).map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(last, ["5.wav", "4.wav", "3.wav", "2.wav", "1.wav", "0.wav"]);
    assert!(!desk.lathe("measure 0.wav").exits(0).out.contains("LRA LU"));
}

/// Largest resident size of a process that runs to its end, in bytes.
fn peak_memory(mut child: Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        peak = peak.max(1024 * kilobytes.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success());
            return peak;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn memory_grows_with_the_rows_and_not_with_the_sound() {
    let desk = Desk::new();
    let minute = noise(1, 60 * 8_000, 0.3);
    let mut peaks = Vec::new();
    for minutes in [1usize, 60] {
        let spec = WriteSpec { sample_rate: 8_000, channels: 1, channel_mask: None };
        let mut w = create(desk.path("a.wav"), spec, BitDepth::I16, WriteOptions::default()).unwrap();
        (0..minutes).for_each(|_| w.write(&[&minute[0]]).unwrap());
        w.finish().unwrap();
        peaks.push(peak_memory(desk.command(LATHE).args(["measure", "--json", "a.wav"]).spawn().unwrap()));
    }
    let grown = peaks[1].saturating_sub(peaks[0]) as f64 / 1e6;
    println!("a minute: {:.1} MB; an hour: {grown:.1} MB more", peaks[0] as f64 / 1e6);
    // 35,400 rows of some 60 bytes, in a vector that doubles; the sound would be 58 MB, as f64 230 MB.
    assert!(peaks[0] > 1_000_000 && grown < 12.0, "an hour takes {grown} MB more than a minute");
}

// ---- an independent meter

/// Integrated, range, and largest differences of momentary and short-term from `rows` by the `ebur128` crate.
fn oracle(audio: &[Vec<f32>], rate: u32, rows: &[Vec<&str>]) -> (f64, f64, f64, f64) {
    let mut theirs = EbuR128::new(2, rate, Mode::M | Mode::S | Mode::I | Mode::LRA).unwrap();
    theirs.set_channel_map(&[Channel::Left, Channel::Right]).unwrap();
    let step = rate as usize / 10;
    let (mut momentary, mut short_term) = (0.0f64, 0.0f64);
    for (n, row) in rows.iter().enumerate() {
        let part: Vec<&[f32]> = audio.iter().map(|c| &c[n * step..(n + 1) * step]).collect();
        theirs.add_frames_planar_f32(&part).unwrap();
        let apart = |ours: &str, theirs: f64| match ours.parse::<f64>() {
            // Far below the gate both may read what they like.
            Ok(ours) if ours > -70.0 || theirs > -70.0 => (ours - theirs).abs(),
            _ => 0.0,
        };
        momentary = momentary.max(apart(row[1], theirs.loudness_momentary().unwrap()));
        short_term = short_term.max(apart(row[2], theirs.loudness_shortterm().unwrap()));
    }
    (theirs.loudness_global().unwrap(), theirs.loudness_range().unwrap(), momentary, short_term)
}

#[test]
fn an_independent_meter_agrees_on_music_and_speech() {
    let desk = Desk::new();
    for (name, (audio, rate)) in
        [("music", music::music(240 * 44_100)), ("speech", music::speech(150 * 48_000))]
    {
        music::write(&desk.path("a.wav"), &audio, rate);
        let json = desk.lathe("measure --json a.wav").exits(0).json();
        let csv = desk.lathe("measure --csv a.wav").exits(0).out;
        let rows = rows(&csv);
        assert!(rows.len() >= 1500, "{name}: {} rows", rows.len());
        let (integrated, range, momentary, short_term) = oracle(&audio, rate, &rows);
        println!(
            "{name} at {rate} Hz: I {} against {integrated:.3} LUFS, range {} against {range:.2} LU; \
             M within {momentary:.4}, S within {short_term:.4} LU",
            json["integrated_lufs"], json["loudness_range_lu"]
        );
        close(&json, "integrated_lufs", integrated, 0.05);
        // The crate takes a short-term value a second, ours are ten.
        close(&json, "loudness_range_lu", range, 0.3);
        assert!(momentary < 0.05 && short_term < 0.05, "{name}: M {momentary}, S {short_term}");
    }
}

/// `lathe` in a shell that lets no file grow beyond 2 KiB: its write fails (`trap`), or the process is killed at it.
fn with_no_room(desk: &Desk, trap: &str, line: &str) -> std::process::Output {
    let script = format!("{trap} ulimit -f 4; exec {LATHE} {line}");
    desk.command("sh").args(["-c", &script]).output().unwrap()
}

#[test]
fn a_report_or_drawing_that_cannot_be_finished_leaves_the_old_one_whole() {
    let desk = Desk::new();
    desk.write("a.wav", 48_000, BitDepth::F32, &noise(2, 48_000, 0.1));
    for (line, name) in [
        ("measure --report page.html a.wav", "page.html"),
        ("curve --rack racks/stereo-master.toml --points 2000 --svg curve.svg", "curve.svg"),
        ("layout touchosc --rack racks/stereo-master.toml -o desk.tosc", "desk.tosc"),
    ] {
        std::fs::write(desk.path(name), "the old one").unwrap();
        let done = with_no_room(&desk, "trap '' XFSZ;", line);
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(74), "{line}: {err}");
        assert!(err.contains(name) && err.contains("File too large"), "{line}: {err}");
        assert_eq!(std::fs::read(desk.path(name)).unwrap(), b"the old one", "{line}");
        assert!(desk.names().iter().all(|n| !n.starts_with(".lathe-")), "{:?}", desk.names());
        // Killed in the middle of the write.
        let done = with_no_room(&desk, "", line);
        assert_eq!(done.status.code(), None, "{line}: {done:?}");
        assert_eq!(std::fs::read(desk.path(name)).unwrap(), b"the old one", "{line}");
        for name in desk.names().iter().filter(|n| n.starts_with(".lathe-")) {
            std::fs::remove_file(desk.path(name)).unwrap();
        }
        desk.lathe(line).exits(0);
        let whole = std::fs::read(desk.path(name)).unwrap();
        assert!(whole.len() > 2048, "{line}: {} bytes", whole.len());
    }
    assert_eq!(desk.names(), ["a.wav", "curve.svg", "desk.tosc", "page.html"]);
}
