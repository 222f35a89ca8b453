// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line against a daemon: what it says without one, what it reads and how it shows it.
mod live;

use lathed::cli::set::{Assignment, assignment};
use lathed::cli::watch::line;
use lathed::cli::watch::state::State;
use lathed::cli::watch::view::draw;
use lathed::cli::{reload, remote};
use lathed::client::v1::{
    ChannelReadings, GetStatusResponse, Load, Rack, SlotReadings, TapReadings, WatchMetersResponse,
};
use lathed::racks::SHIPPED;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::files::Desk;

/// Nobody listens there: a port below 1024 that is not in use on a machine of this kind.
const NOBODY: &str = "127.0.0.1:9";

const REMOTE: [&str; 30] = [
    "status",
    "list",
    "get eq/**",
    "set eq/bypass=on",
    "bypass eq",
    "panic",
    "undo",
    "redo",
    "history",
    "snapshot store a",
    "snapshot recall a",
    "snapshot list",
    "snapshot show a",
    "snapshot rename a b",
    "snapshot delete a",
    "print start a",
    "print stop",
    "print list",
    "print watch",
    "ledger start a",
    "ledger pause",
    "ledger resume",
    "ledger close",
    "ledger list",
    "ledger album",
    "ledger new a",
    "export",
    "watch",
    "check --live racks/mono.toml",
    "render --live in.wav out.wav",
];

#[test]
fn without_a_daemon_every_verb_ends_with_69_and_one_line() {
    let desk = Desk::new();
    for line in REMOTE {
        let said = desk.lathe(&format!("{line} --server {NOBODY}")).exits(69);
        assert!(said.out.is_empty() && said.err.lines().count() == 1, "{line}: {}{}", said.out, said.err);
        let told =
            said.err.contains(&format!("no daemon answers at {NOBODY}: ")) && said.err.contains("`lathed`");
        assert!(told, "{line}: {}", said.err);
    }
    let said = desk.lathe("status --server unix:nowhere.sock").exits(69);
    assert!(said.err.contains("no daemon answers at unix:nowhere.sock: no such file"), "{}", said.err);
    let output = desk.command(crate::files::LATHE).arg("undo").env("LATHE_SERVER", NOBODY).output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    assert!(String::from_utf8(output.stderr).unwrap().contains(NOBODY));
    let output = desk.command(crate::files::LATHE).arg("undo").env("LATHE_SERVER", "a b").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a wrong LATHE_SERVER is usage");
}

#[test]
fn every_verb_of_a_daemon_explains_itself_with_examples() {
    let desk = Desk::new();
    let verbs = REMOTE.iter().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        if matches!(words[0], "snapshot" | "print" | "ledger") {
            words[..2].join(" ")
        } else {
            words[0].to_string()
        }
    });
    for verb in verbs.chain(["snapshot", "print", "ledger", "completions", "man"].map(String::from)) {
        let help = desk.lathe(&format!("{verb} --help")).exits(0);
        let example = format!("Examples:\n  lathe {verb}");
        assert!(help.out.contains(&example) && help.err.is_empty(), "{verb}: {}", help.out);
    }
}

#[test]
fn wrong_usage_is_told_before_a_daemon_is_asked() {
    let desk = Desk::new();
    for (line, words) in [
        ("set", "<ADDRESS=VALUE>"),
        ("set eq/gain", "write ADDRESS=VALUE"),
        ("set eq/gain=", "gets no value"),
        ("set =3", "address before = is missing"),
        ("set a/b=1 --ramp -5", "0 to 600000"),
        ("snapshot recall a --morph 601", "0 s to 600 s"),
        ("bypass eq maybe", "on, off"),
        ("print start a --seconds 0", "above 0 s, to 604800 s"),
        ("print start a --bits 16", "24, 32f"),
        ("print watch --hz 11", "1 to 10"),
        ("ledger start a --tap", "a value is required"),
        ("ledger album --all 0123456789abcdef", "cannot be used with"),
        ("watch --hz 61", "above 0, to 60"),
        ("watch --scale k15", "k14"),
        ("watch --target 3", "-50 LUFS to 0 LUFS"),
        ("watch --once --count 2", "cannot be used with"),
        ("status --server https://x", "TLS is not spoken here"),
        ("status --server a:b", "is no address"),
        ("render in.wav out.wav", "--rack"),
        ("render --live --rack racks/mono.toml in.wav out.wav", "cannot be used with"),
        ("completions tcsh", "bash, zsh, fish"),
    ] {
        let said = desk.lathe(line).exits(2);
        assert!(said.out.is_empty() && said.err.contains(words), "lathe {line}: {}", said.err);
    }
}

#[test]
fn assignments_are_read_as_people_write_them() {
    let reads = |text: &str, address: &str, value: &str| {
        let wanted = Assignment { address: address.into(), value: value.into() };
        assert_eq!(assignment(text), Ok(wanted), "{text}");
    };
    reads("eq/band1/gain=-1.5 dB", "eq/band1/gain", "-1.5 dB");
    reads("/eq/band1/freq = 1.25 kHz ", "eq/band1/freq", "1.25 kHz");
    reads("eq/bypass=on", "eq/bypass", "on");
    reads("a/b=c=d", "a/b", "c=d");
}

#[test]
fn moments_and_levels_are_shown_plainly() {
    assert_eq!(remote::moment(0), "1970-01-01T00:00:00Z");
    assert_eq!(remote::moment(951_782_400), "2000-02-29T00:00:00Z");
    assert_eq!(remote::moment(1_795_396_164), "2026-11-23T01:09:24Z");
    assert_eq!(remote::moment(-1), "1969-12-31T23:59:59Z");
    assert_eq!(line::level(-12.34), "-12.3");
    assert_eq!(line::level(f64::NEG_INFINITY), "-inf");
    assert_eq!(line::known(None), "-");
    assert_eq!(remote::safe("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc", "a name cannot steer a terminal");
}

/// A loud left and a silent right channel.
fn readings() -> WatchMetersResponse {
    let channel = |level: f64| ChannelReadings {
        peak: level,
        rms: level - 10.0,
        true_peak: level,
        true_peak_max: level + 0.5,
        peak_max: level,
        dc: 0.0,
    };
    WatchMetersResponse {
        sequence: 7,
        audible: true,
        taps: vec![TapReadings {
            tap: "out".into(),
            momentary: Some(-14.2),
            short_term: Some(-15.0),
            integrated: None,
            true_peak: -0.3,
            true_peak_max: 0.2,
            channels: vec![channel(-0.3), channel(f64::NEG_INFINITY)],
            ..TapReadings::default()
        }],
        slots: vec![SlotReadings { slot: "limiter".into(), gain_reduction: 3.2, history: Vec::new() }],
        load: Some(Load { dsp_load: 0.12, mean_load: 0.1, xruns: 2, ..Load::default() }),
        ..WatchMetersResponse::default()
    }
}

/// What stands on a screen of this size.
fn screen(view: &State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| row.iter().map(|c| c.symbol()).collect::<String>() + "\n").collect()
}

#[test]
fn the_meter_bridge_shows_everything_and_fits_any_screen() {
    let status = GetStatusResponse { rack_name: "Stereo master".into(), ..GetStatusResponse::default() };
    let channels = vec!["L".to_string(), "R".to_string()];
    let rack = Rack { channels, ..Rack::default() };
    let mut view = State { server: "here:1".into(), status, rack, ..State::default() };
    assert!(screen(&view, 80, 24).contains("waiting for readings"));
    view.take(readings());
    let shown = screen(&view, 80, 24);
    for words in [
        "Stereo master",
        "here:1",
        "out dBFS: RMS, sample peak",
        "M    -14.2",
        "S    -15.0",
        "I        -",
        "TP     0.2",
        "   L ███",
        "   R  ",
        "-inf",
        "OVER",
        "gain reduction",
        "limiter ███",
        "3.2 dB",
        "DSP load  12 %",
        "2 xruns",
        "q quit",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    assert!(!shown.contains("PANIC"));
    view.status.panic = true;
    assert!(screen(&view, 80, 24).contains("PANIC"));
    for (width, height) in [(1, 1), (10, 2), (20, 5), (300, 100)] {
        screen(&view, width, height);
    }
}

#[test]
fn readings_are_a_line_of_text_or_of_json() {
    let text = line::text(&readings());
    let wanted = "out: M -14.2 S -15.0 I - LUFS, peak -0.3/-inf rms -10.3/-inf dBFS, true peak -0.3 max 0.2 dBTP; \
                  reduction limiter 3.2 dB; load 12 %, 2 xruns";
    assert_eq!(text, wanted);
    let json = line::json(&readings());
    assert_eq!(json["taps"][0]["channels"][1]["peak"], serde_json::Value::Null, "silence is null");
    assert_eq!(
        (&json["taps"][0]["integrated"], &json["gain_reduction"]["limiter"]),
        (&serde_json::Value::Null, &3.2.into())
    );
}

#[test]
fn a_reload_is_told_as_what_comes_goes_and_changes() {
    let plan = |text: &str| lathe_core::rack::load(text, "a").unwrap().plan;
    let head = "format = 1\n[rack]\nname = \"a\"\nlayout = \"stereo\"\n";
    let slot = |id: &str, unit: &str, params: &str| {
        format!("[[slot]]\nid = \"{id}\"\nunit = \"{unit}\"\nparams = {{ {params} }}\n")
    };
    let now = plan(&format!("{head}{}{}", slot("g", "gain", "trim = -1"), slot("l", "limiter", "")));
    let then = plan(&format!("{head}{}{}", slot("c", "compressor", ""), slot("g", "gain", "trim = -2")));
    let changes = reload::changes(&now, &then);
    assert_eq!(changes.structure, ["- l (limiter)", "+ c (compressor)"]);
    assert_eq!(changes.values, [("g/trim".to_string(), "-1 dB".to_string(), "-2 dB".to_string())]);
    for (_, text) in SHIPPED {
        assert_eq!(reload::changes(&plan(text), &plan(text)), reload::Changes::default());
    }
}

#[test]
fn completions_and_manual_pages_are_written() {
    let desk = Desk::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = desk.lathe(&format!("completions {shell}")).exits(0);
        assert!(said.out.contains("LATHE_COMPLETE") && said.err.is_empty(), "{shell}: {}", said.out);
    }
    assert!(desk.lathe("man").exits(0).out.contains(".TH lathe 1"));
    desk.lathe("man pages").exits(0);
    let pages = std::fs::read_dir(desk.path("pages")).unwrap().count();
    assert!(pages > 25, "{pages} pages");
    let page = std::fs::read_to_string(desk.path("pages/lathe-snapshot-recall.1")).unwrap();
    assert!(page.contains("Seconds to get there"), "{page}");
}

/// What a fish shell is offered for the last word of a line.
fn offered(desk: &Desk, words: &[&str]) -> String {
    let mut command = desk.command(crate::files::LATHE);
    command.env("LATHE_COMPLETE", "fish").args(["--", "lathe"]).args(words);
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_know_verbs_and_are_silent_without_a_daemon() {
    let desk = Desk::new();
    assert!(offered(&desk, &["sna"]).starts_with("snapshot"));
    assert!(offered(&desk, &["snapshot", "rec"]).starts_with("recall"));
    assert_eq!(offered(&desk, &["get", "--server", NOBODY, "eq/"]), "");
    let mut command = desk.command(crate::files::LATHE);
    command.env("LATHE_COMPLETE", "fish").env("LATHE_RACK", "racks/stereo-master.toml");
    let output = command.args(["--", "lathe", "set", "--server", NOBODY, "eq/bypass=of"]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "eq/bypass=off");
}
