// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bridge cell by cell, on a screen in memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use super::ink::Ink;
use super::scale::{SCALES, named};
use super::spectrum::Kind;
use super::state::{Lamp, Scope, State};
use super::view::draw;
use crate::client::v1::watch_spectrum_response::Trace;
use crate::client::v1::{
    AudioStatus, ChannelReadings, GetStatusResponse, Load, Rack, Reading, SlotReadings, TapReadings,
    WatchMetersResponse, WatchScopeResponse, WatchSpectrumResponse,
};

fn channel(rms: f64, peak: f64) -> ChannelReadings {
    ChannelReadings { peak, rms, true_peak: peak, true_peak_max: peak, peak_max: peak, dc: 0.0 }
}

/// A tap of these channels, and readings by symbol, one for each channel.
fn tap(channels: Vec<ChannelReadings>, readings: &[(&str, &[f64])]) -> TapReadings {
    let names = ["L", "R"];
    let reading =
        |symbol: &str, n: usize, v: f64| Reading { name: format!("{symbol}/{}", names[n]), value: Some(v) };
    let each = readings.iter();
    TapReadings {
        tap: "out".into(),
        momentary: Some(-14.2),
        short_term: Some(-15.0),
        integrated: Some(-16.3),
        loudness_range: Some(4.2),
        true_peak_max: -1.5,
        correlation: Some(0.5),
        channels,
        readings: each.flat_map(|(s, vs)| vs.iter().enumerate().map(|(n, v)| reading(s, n, *v))).collect(),
        ..TapReadings::default()
    }
}

fn meters(frame: u64, tap: TapReadings) -> WatchMetersResponse {
    WatchMetersResponse {
        engine_frame: frame,
        audible: true,
        taps: vec![tap],
        slots: vec![SlotReadings { slot: "limiter".into(), gain_reduction: 3.0, history: Vec::new() }],
        load: Some(Load { dsp_load: 0.12, xruns: 2, ..Load::default() }),
        ..WatchMetersResponse::default()
    }
}

fn state() -> State {
    let audio = AudioStatus {
        backend: "clock".into(),
        sample_rate: 48_000,
        source: "demo".into(),
        ..AudioStatus::default()
    };
    let status = GetStatusResponse {
        rack_name: "Stereo master".into(),
        audio: Some(audio),
        ..GetStatusResponse::default()
    };
    let rack = Rack { channels: vec!["L".into(), "R".into()], ..Rack::default() };
    State { server: "here:1".into(), status, rack, ..State::default() }
}

/// Left at -20 RMS and -6 peak, right silent.
fn shown() -> State {
    let mut s = state();
    s.take(meters(0, tap(vec![channel(-20.0, -6.0), channel(f64::NEG_INFINITY, f64::NEG_INFINITY)], &[])));
    s
}

fn buffer(state: &State, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, state)).unwrap();
    terminal.backend().buffer().clone()
}

fn rows(state: &State, width: u16, height: u16) -> Vec<String> {
    let buffer = buffer(state, width, height);
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| row.iter().map(Cell::symbol).collect::<String>()).collect()
}

fn screen(state: &State, width: u16, height: u16) -> String {
    rows(state, width, height).join("\n")
}

/// The row of the bar that begins with this name, after it.
fn bar(rows: &[String], name: &str) -> Vec<char> {
    let head = format!("{name:>4} ");
    rows.iter().find_map(|r| r.strip_prefix(&head)).unwrap_or_else(|| panic!("{rows:#?}")).chars().collect()
}

#[test]
fn a_bar_ends_at_its_level_and_the_ticks_agree() {
    // 64 columns: 5 for the name, 40 of bar, 19 of figures. -20 dBFS is at 50 %, -6 at 85 %.
    let shown = rows(&shown(), 64, 15);
    let left = bar(&shown, "L");
    let text: String = left.iter().collect();
    assert!(left[..20].iter().all(|c| *c == '█'), "RMS of -20: {text}");
    assert!(left[20..33].iter().all(|c| *c == '▒') && left[33] == '┃', "peak of -6, held: {text}");
    assert!(left[34] != '▒' && left[34] != '█', "{text}");
    assert!(text.contains(" -6.0   -6.0"), "{text}");
    let right: String = bar(&shown, "R").iter().collect();
    assert!(!right.contains(['█', '▒', '┃']) && right.contains("-inf"), "{right}");
    let axis = &shown[4];
    let end = |label: &str| axis.find(label).unwrap_or_else(|| panic!("{label} in {axis}"));
    assert_eq!(end("-20") + 1, 5 + 20, "the tick is in the cell where -20 begins: {axis}");
    assert_eq!(axis.trim_end().chars().last(), Some('0'), "full scale is the end of the bar: {axis}");
    assert_eq!(axis.trim_end().chars().count(), 45, "{axis}");
}

#[test]
fn every_scale_reads_its_own_symbol_with_its_own_ticks() {
    for scale in &SCALES {
        let mut s = state();
        s.choose(scale);
        // In the middle of the bar: a value whose place is a half, found by bisection.
        let (mut low, mut high) = (-80.0, 20.0);
        for _ in 0..60 {
            let v = (low + high) / 2.0;
            if scale.law.place(v) < 0.5 { low = v } else { high = v }
        }
        let symbol = scale.symbol.unwrap_or("none");
        let rms = if scale.symbol.is_none() { low } else { -70.0 };
        s.take(meters(0, tap(vec![channel(rms, -90.0), channel(-90.0, -90.0)], &[(symbol, &[low, -90.0])])));
        assert_eq!(s.readings(), [scale.symbol.into_iter().collect::<Vec<_>>(), vec!["clips"]].concat());
        let shown = rows(&s, 64, 15);
        let left = bar(&shown, "L");
        let solid = left.iter().take_while(|c| **c == '█').count();
        assert!((19..=20).contains(&solid), "{}: {solid} cells\n{}", scale.name, shown.join("\n"));
        assert!(shown[1].contains(scale.title), "{}", shown[1]);
        for (_, label) in &scale.ticks[..4] {
            assert!(
                shown[4].split_whitespace().any(|w| w == *label),
                "{}: {label} in {}",
                scale.name,
                shown[4]
            );
        }
    }
}

#[test]
fn the_bar_turns_yellow_and_red_where_the_scale_does() {
    let mut s = state();
    s.take(meters(0, tap(vec![channel(0.0, 0.0), channel(-90.0, -90.0)], &[])));
    let buffer = buffer(&s, 64, 15);
    let at = |place: f64| buffer[(5 + (place * 40.0) as u16, 2)].fg;
    let dbfs = named("dbfs").unwrap().law;
    assert_eq!(at(dbfs.place(-12.0)), Color::Green);
    assert_eq!(at(dbfs.place(-8.0)), Color::Yellow);
    assert_eq!(at(dbfs.place(-0.5)), Color::Red);
}

#[test]
fn the_lamp_stays_lit_until_the_reset() {
    let lit = |clips: f64, top: f64| {
        let mut s = state();
        let loud = ChannelReadings { true_peak_max: top, ..channel(-20.0, -6.0) };
        s.take(meters(0, tap(vec![loud, channel(-20.0, -6.0)], &[("clips", &[clips, 0.0])])));
        assert_eq!(s.bars[0][1].lamp, Lamp::Off);
        let buffer = buffer(&s, 64, 15);
        let row: String = (0..64).map(|x| buffer[(x, 2)].symbol()).collect();
        let lamp = row.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        (lamp, buffer[(60, 2)].modifier.contains(Modifier::REVERSED))
    };
    assert_eq!(lit(0.0, -0.1), ("    ".into(), false));
    assert_eq!(lit(0.0, 0.3), ("OVER".into(), true));
    assert_eq!(lit(2.0, 0.3), ("CLIP".into(), true));
}

#[test]
fn peaks_fall_by_20_db_in_1_7_s_and_marks_stay_for_1_5_s() {
    let mut s = state();
    let at = |seconds: f64| (seconds * 48_000.0) as u64;
    let one = |peak: f64| tap(vec![channel(-60.0, peak)], &[]);
    s.take(meters(at(0.0), one(-3.0)));
    s.take(meters(at(1.4), one(-80.0)));
    assert!((s.bars[0][0].tail - (-3.0 - 1.4 * 20.0 / 1.7)).abs() < 0.01, "{}", s.bars[0][0].tail);
    assert_eq!(s.bars[0][0].mark.value, -3.0);
    s.take(meters(at(1.6), one(-80.0)));
    assert_eq!(s.bars[0][0].mark.value, -80.0);
    s.take(meters(at(1.7), one(-80.0)));
    assert!((s.bars[0][0].tail + 23.0).abs() < 0.01, "{}", s.bars[0][0].tail);
    s.take(meters(at(0.1), one(-80.0)));
    assert_eq!(s.bars[0][0].tail, -80.0, "another engine's peak is not this one's");
}

#[test]
fn loudness_has_its_figures_and_the_target_its_line() {
    let mut s = shown();
    let plain = screen(&s, 80, 40);
    for words in
        ["M    -14.2 LUFS", "S    -15.0", "I    -16.3", "LRA    4.2 LU", "TP    -1.5 dBTP", "PLR   14.8 LU"]
    {
        assert!(plain.contains(words), "{words}\n{plain}");
    }
    assert!(!plain.contains("target"));
    // Without a target from -41 to 0 LUFS over 68 columns.
    let solid = bar(&rows(&s, 80, 40), "I").iter().take_while(|c| **c == '█').count();
    assert!((solid as f64 - (41.0 - 16.3) / 41.0 * 68.0).abs() < 1.0, "{solid}\n{plain}");
    s.target = Some(-14.0);
    let shown = rows(&s, 80, 40);
    assert!(shown.iter().any(|r| r.starts_with("target -14.0 LUFS: 2.3 LU below")), "{}", shown.join("\n"));
    // From -32 to -5 LUFS over 68 columns: the target is two thirds along.
    let bar = bar(&shown, "I");
    assert_eq!(bar.iter().position(|c| *c == '│'), Some(68 * 2 / 3), "{bar:?}");
    let solid = bar.iter().take_while(|c| **c == '█').count();
    assert!((solid as f64 - (32.0 - 16.3) / 27.0 * 68.0).abs() < 1.0, "{solid} {bar:?}");
}

#[test]
fn reduction_and_correlation_stand_at_their_values() {
    let mut s = shown();
    s.scope.take(&WatchScopeResponse { mono: Some(-0.7), ..Default::default() });
    assert!(screen(&s, 68, 15).contains("mono -0.7 dB"));
    let shown = rows(&shown(), 68, 15);
    let limiter = shown.iter().find(|r| r.contains("limiter")).unwrap();
    // 3 dB are 30 % of 40 columns.
    assert_eq!(limiter.chars().filter(|c| *c == '█').count(), 12, "{limiter}");
    assert!(limiter.contains("3.0 dB"), "{limiter}");
    let corr = shown.iter().find(|r| r.starts_with("corr")).unwrap();
    let cells: Vec<char> = corr.chars().collect();
    let (first, last) = (8, 67 - 3 - 9);
    let at = cells.iter().position(|c| *c == '◆').unwrap();
    let wanted = f64::from(first) + 0.75 * f64::from(last - first);
    assert!((at as f64 - wanted).abs() <= 1.0, "{at}, not {wanted}: {corr}");
    assert!(corr.contains("+0.50"), "{corr}");
}

/// 31 bands, all silent but the one of 1 kHz at -30 dBFS.
fn bands() -> WatchSpectrumResponse {
    let frequencies: Vec<f64> = (-17..=13).map(|n| 1000.0 * 10f64.powf(f64::from(n) / 10.0)).collect();
    let one = |hz: &f64| if (*hz - 1000.0).abs() < 1.0 { -30.0 } else { f32::NEG_INFINITY };
    let level: Vec<f32> = frequencies.iter().map(one).collect();
    let other = vec![f32::NAN; level.len()];
    let trace = |level: &[f32]| Trace { level: level.to_vec(), ..Trace::default() };
    WatchSpectrumResponse { traces: vec![trace(&level), trace(&other)], frequencies, ..Default::default() }
}

#[test]
fn a_tone_stands_over_its_frequency_at_its_level() {
    let mut s = shown();
    s.spectrum = Some(bands());
    let shown = rows(&s, 70, 30);
    let begin = shown.iter().position(|r| r.starts_with("spectrum out")).unwrap();
    let graph: Vec<Vec<char>> = shown[begin + 1..29].iter().map(|r| r.chars().collect()).collect();
    let (axis, graph) = graph.split_last().unwrap();
    let columns: Vec<usize> = (4..70).filter(|x| graph.iter().any(|r| "▁▂▃▄▅▆▇█".contains(r[*x]))).collect();
    assert_eq!(columns.len(), 2, "one band, two columns wide\n{}", shown.join("\n"));
    let label: String = axis[columns[0]..columns[0] + 2].iter().collect();
    assert_eq!(label, "1k", "{}", shown.join("\n"));
    // -30 dBFS is at two thirds of the height from the floor of -90.
    let full = graph.iter().filter(|r| r[columns[0]] == '█').count();
    assert_eq!(full, graph.len() * 2 / 3, "{}", shown.join("\n"));
    assert!(screen(&s, 30, 30).contains("1k"), "bands that share columns");
    s.kind = Kind::Line;
    let dots = screen(&s, 70, 30);
    assert!(
        dots.contains("lines, fast") && dots.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
        "{dots}"
    );
    s.spectrum = None;
    s.spectrum_refused = Some("over the budget".into());
    assert!(screen(&s, 70, 30).contains("over the budget"), "a refusal is told where it is missed");
}

#[test]
fn the_goniometer_shows_mono_upright_and_left_to_the_left() {
    let columns = |points: &[[f32; 2]]| {
        let mut s = shown();
        s.scope.take(&WatchScopeResponse { points: points.concat(), ..Default::default() });
        let buffer = buffer(&s, 120, 40);
        let begin = rows(&s, 120, 40).iter().position(|r| r.contains("goniometer")).unwrap() as u16;
        let lit = |x: u16, y: u16| {
            let cell = &buffer[(x, y)];
            cell.fg == Color::Green
                && ('\u{2801}'..='\u{28ff}').contains(&cell.symbol().chars().next().unwrap())
        };
        let inside = (begin + 1..39).flat_map(|y| (60..120).map(move |x| (x, y)));
        inside.filter(|(x, y)| lit(*x, *y)).collect::<Vec<_>>()
    };
    let line =
        |l: f32, r: f32| (-20..=20).map(|n| [l * n as f32 / 20.0, r * n as f32 / 20.0]).collect::<Vec<_>>();
    let mono = columns(&line(0.5, 0.5));
    let across: std::collections::BTreeSet<u16> = mono.iter().map(|p| p.0).collect();
    assert!(across.len() <= 2 && mono.len() >= 8, "upright: {mono:?}");
    let left = columns(&line(0.5, 0.0));
    let top = left.iter().min_by_key(|p| p.1).unwrap();
    assert!(top.0 < mono[0].0, "left leans to the left: {top:?}, mono at {}", mono[0].0);
    let against = columns(&line(0.5, -0.5));
    let down: std::collections::BTreeSet<u16> = against.iter().map(|p| p.1).collect();
    assert!(down.len() <= 2, "flat: {against:?}");
    let mut scope = Scope::default();
    scope.take(&WatchScopeResponse { points: vec![f32::NAN, 0.1, 0.25, 0.1], ..Default::default() });
    assert_eq!(scope.looks[0], [[0.25, 0.1]], "what is no number is no point");
}

#[test]
fn what_is_wrong_is_said_in_place_of_old_readings() {
    let mut s = shown();
    s.forget();
    assert!(screen(&s, 60, 15).contains("waiting for readings"));
    s.lost = Some("the daemon at here:1 has ended".into());
    let lost = screen(&s, 60, 15);
    for words in ["SERVER LOST", "the daemon at here:1 has ended", "trying again"] {
        assert!(lost.contains(words), "{words}\n{lost}");
    }
    assert!(!lost.contains('█'), "no level is older than the loss\n{lost}");
    let mut s = state();
    s.take(WatchMetersResponse { audible: false, ..Default::default() });
    assert!(screen(&s, 60, 15).contains("NO AUDIO"));
    let mut s = shown();
    s.status.panic = true;
    assert!(screen(&s, 60, 15).contains("PANIC"));
    s.note = "a\u{1b}[2Jb".into();
    assert!(screen(&s, 100, 15).contains("a\\u{1b}[2Jb"), "words of others cannot steer a terminal");
}

#[test]
fn any_size_is_drawn_and_the_stated_ones_show_what_matters() {
    let mut s = shown();
    s.spectrum = Some(bands());
    s.scope.take(&WatchScopeResponse { points: vec![0.1; 64], ..Default::default() });
    for help in [false, true] {
        s.help = help;
        for (width, height) in [(1, 1), (1, 40), (2, 2), (10, 2), (20, 5), (59, 14), (109, 40), (300, 100)] {
            screen(&s, width, height);
        }
    }
    s.help = false;
    let small = screen(&s, 60, 15);
    for words in
        ["Stereo master", "-20", "M    -14.2", "limiter", "corr", "DSP load  12 %", "2 xruns", "q quit"]
    {
        assert!(small.contains(words), "{words}\n{small}");
    }
    let large = screen(&s, 200, 60);
    for words in ["spectrum out", "goniometer", "gain reduction", "PLR", "r reset", "Stereo master", "here:1"]
    {
        assert!(large.contains(words), "{words}\n{large}");
    }
    s.help = true;
    let help = screen(&s, 80, 24);
    for words in ["next scale", "ppm-2a", "monitor", "any key goes back"] {
        assert!(help.contains(words), "{words}\n{help}");
    }
}

#[test]
fn the_background_is_never_set_and_no_color_is_no_colour() {
    let mut s = shown();
    s.spectrum = Some(bands());
    let loud = ChannelReadings { true_peak_max: 1.0, ..channel(-1.0, 0.0) };
    s.take(meters(100, tap(vec![loud, loud], &[("clips", &[1.0, 0.0])])));
    assert!(buffer(&s, 200, 60).content.iter().all(|c| c.bg == Color::Reset));
    assert!(buffer(&s, 200, 60).content.iter().any(|c| c.fg == Color::Red));
    s.ink = Ink { colour: false };
    assert!(buffer(&s, 200, 60).content.iter().all(|c| c.bg == Color::Reset && c.fg == Color::Reset));
}

#[test]
fn taps_are_gone_through_and_asked_for_once() {
    let mut s = state();
    s.rack.slots = vec![crate::client::v1::Slot { id: "eq".into(), ..Default::default() }];
    s.taps = vec!["out".into(), "in".into()];
    let mut seen = Vec::new();
    for _ in 0..5 {
        s.next_tap(1);
        seen.push(s.tap().to_string());
    }
    assert_eq!(seen, ["monitor", "eq/in", "eq/out", "in", "out"]);
    s.next_tap(-1);
    assert_eq!((s.tap(), s.wanted_taps()), ("in", vec!["in".to_string()]), "each once");
    s.taps = vec!["gone/out".into()];
    s.next_tap(1);
    assert_eq!(s.tap(), "in", "from what is not there: the first");
}
