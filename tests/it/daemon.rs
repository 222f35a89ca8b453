// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon without a server: flags, settings, exit codes, the built-in clock.

use std::process::Output;
use std::time::{Duration, Instant};

use lathed::files::{AudioWriter, BitDepth, WriteOptions, WriteSpec};

use super::jackd::{Jackd, signal};
use super::lathed::{GAIN, Lathed};

/// A rack with a value out of range in line 10.
pub const BROKEN: &str = include_str!("broken.toml");

fn run(args: &[&str]) -> Output {
    Lathed::command(args).output().unwrap()
}

/// Exit code and stderr.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let out = run(args);
    assert!(out.stdout.is_empty(), "nothing on stdout: {out:?}");
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn ready_on_the_clock_and_gone_on_term() {
    let mut daemon = Lathed::start(&["--backend", "clock", "--rack", GAIN]);
    println!("start to ready on the clock: {} ms", daemon.start_to_ready.as_millis());
    let expected =
        "ready backend=clock source=demo rate=48000 period=256 latency=0 state=file osc=off http=off";
    assert_eq!(daemon.stdout(), [expected]);
    let end = Instant::now();
    daemon.signal("TERM");
    assert!(daemon.wait(Duration::from_secs(4)).success());
    println!("ended after {} ms", end.elapsed().as_millis());
    assert!(end.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_file_is_looped_at_its_own_rate() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in.wav");
    let spec = WriteSpec { sample_rate: 32_000, channels: 1, channel_mask: None };
    let mut w = AudioWriter::create(&path, spec, BitDepth::I16, WriteOptions::default()).unwrap();
    w.write(&[&vec![0.25; 5000]]).unwrap();
    w.finish().unwrap();
    let daemon = Lathed::start(&[
        "--backend",
        "clock",
        "--rack",
        GAIN,
        "--period",
        "100",
        "--input",
        path.to_str().unwrap(),
    ]);
    assert_eq!((daemon.ready("source"), daemon.ready("rate")), ("file", "32000"));
    assert_eq!((daemon.ready("period"), daemon.ready("latency")), ("100", "64"));
}

#[test]
fn flags_that_contradict_each_other_are_usage_errors() {
    for (args, words) in [
        (&["--backend", "jack", "--input", "x.wav"][..], "--input"),
        (&["--backend", "jack", "--rate", "48000"], "--rate"),
        (&["--backend", "jack", "--period", "64"], "--period"),
        (&["--backend", "clock", "--input", "x.wav", "--rate", "48000"], "--rate"),
        (&["--backend", "clock", "--period", "9"], "16"),
        (&["--client-name", "a:b"], "colon"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let (code, text) = refused(args);
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(words), "{args:?}: {text}");
    }
}

#[test]
fn settings_racks_and_files_that_cannot_be_used_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("bad.toml");
    std::fs::write(&config, "[audio]\nrate = 1\n").unwrap();
    let (code, text) = refused(&["--config", config.to_str().unwrap()]);
    assert_eq!(code, Some(78));
    assert!(text.contains("bad.toml:2:8: rate = 1 is out of range: 8000 to 768000 Hz"), "{text}");
    let (code, text) = refused(&["--backend", "clock", "--rack", "/nowhere/rack.toml"]);
    assert_eq!(code, Some(74), "{text}");
    let rack = dir.path().join("rack.toml");
    std::fs::write(&rack, BROKEN).unwrap();
    let (code, text) = refused(&["--backend", "clock", "--rack", rack.to_str().unwrap()]);
    assert_eq!(code, Some(78), "{text}");
    assert!(text.contains("rack.toml:10:"), "{text}");
    let (code, text) = refused(&["--backend", "clock", "--input", "/nowhere/mix.flac"]);
    assert_eq!(code, Some(74), "{text}");
    assert!(text.contains("mix.flac"), "{text}");
}

#[test]
fn the_settings_hold_unless_a_flag_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lathed.toml");
    std::fs::write(&config, "[audio]\nbackend = \"clock\"\nrate = 96000\nperiod = 64\n").unwrap();
    let daemon = Lathed::start(&["--config", config.to_str().unwrap(), "--period", "512"]);
    assert_eq!((daemon.ready("rate"), daemon.ready("period")), ("96000", "512"));
}

#[test]
fn auto_takes_the_server_that_answers_else_the_clock() {
    let mut server = Jackd::none();
    let daemon = Lathed::start(&["--jack-server", server.name()]);
    assert_eq!((daemon.ready("backend"), daemon.ready("source")), ("clock", "demo"));
    drop(daemon);
    server.run(48_000, 128);
    let daemon = Lathed::start(&["--jack-server", server.name()]);
    assert_eq!((daemon.ready("backend"), daemon.ready("source")), ("jack", "jack"));
}

#[test]
fn a_second_daemon_of_the_same_name_waits_for_the_first_to_go() {
    let server = Jackd::start(48_000, 128);
    let first = Lathed::on(&server, &[]);
    let second = Lathed::on(&server, &[]);
    assert_eq!(second.ready("source"), "none");
    second.wait_log(0, "may have this name");
    drop(first);
    second.wait_log(0, "JACK drives");
}

#[test]
fn a_second_term_ends_at_once_and_a_hung_server_does_not_hold_up_the_start() {
    let server = Jackd::start(48_000, 128);
    signal(server.pid(), "STOP");
    let mut daemon = Lathed::on(&server, &[]);
    assert_eq!((daemon.ready("backend"), daemon.ready("source")), ("jack", "none"));
    daemon.signal("TERM");
    daemon.wait_log(0, "ending");
    daemon.signal("TERM");
    assert!(daemon.wait(Duration::from_millis(500)).success());
}

#[test]
fn help_has_examples_and_logs_can_be_json() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("--jack-server"), "{help}");
    let mut daemon = Lathed::start(&["--backend", "clock", "--log-format", "json"]);
    daemon.signal("INT");
    assert!(daemon.wait(Duration::from_secs(4)).success());
    let log = daemon.log();
    assert!(!log.is_empty());
    for line in log {
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
}

/// What a restart finds, by the state directory and the rack file.
#[test]
fn the_state_is_restored_merged_or_left_and_belongs_to_one_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let rack = dir.path().join("rack.toml");
    let state = dir.path().join("state");
    std::fs::copy(GAIN, &rack).unwrap();
    let args = ["--rack", rack.to_str().unwrap(), "--state-dir", state.to_str().unwrap()];
    let run = |more: &[&str], expected: &str| {
        let mut all = args.to_vec();
        all.extend(["--backend", "clock"]);
        all.extend(more);
        let mut daemon = Lathed::start(&all);
        assert_eq!(daemon.ready("state"), expected, "{more:?}");
        daemon.signal("TERM");
        assert!(daemon.wait(Duration::from_secs(5)).success());
    };
    run(&[], "file");
    run(&[], "restored");
    let text = std::fs::read_to_string(&rack).unwrap();
    std::fs::write(&rack, format!("{text}\n# another line\n")).unwrap();
    run(&[], "merged");
    run(&[], "restored");
    run(&["--fresh"], "file");
    let first = Lathed::start(&args);
    let second = Lathed::command(&args).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(69), "{said}");
    assert!(said.contains("in use by another lathed") && said.contains("--state-dir"), "{said}");
    drop(first);
}

/// The daemon over OSC: a set is answered, remembered and back after a restart.
#[test]
fn osc_sets_gets_stores_and_outlives_a_restart() {
    use lathed::osc::{Arg, Booleans, Message, decode, encode};
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let args = ["--backend", "clock", "--osc", "127.0.0.1:0", "--state-dir", state];
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let ask = |daemon: &Lathed, address: &str, args: Vec<Arg>, answer: &str| -> Vec<Arg> {
        let message = Message::new(address, args);
        socket.send_to(&encode(&message, Booleans::Integers), daemon.ready("osc")).unwrap();
        loop {
            let mut buffer = [0; 65_536];
            let n = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("no {answer}: {e}"));
            let packet = decode(&buffer[..n]).unwrap();
            if let Some(m) = packet.messages.into_iter().find(|m| m.address == answer) {
                return m.args;
            }
        }
    };
    let gain = "/rack/eq/band2/gain";
    {
        let mut daemon = Lathed::start(&args);
        let set = Message::new(gain, vec![Arg::Float(3.5)]);
        socket.send_to(&encode(&set, Booleans::Integers), daemon.ready("osc")).unwrap();
        let synced = ask(&daemon, "/sync", vec![Arg::Int(7)], "/synced");
        assert_eq!(synced, [Arg::Int(7), Arg::Int(1)], "audible");
        assert_eq!(ask(&daemon, gain, vec![], gain), [Arg::Float(3.5)]);
        let refused = ask(&daemon, gain, vec![Arg::Float(99.0)], "/error");
        assert!(matches!(&refused[2], Arg::Str(text) if text.contains("30 dB")), "{refused:?}");
        let store = Message::new("/snapshot/store", vec![Arg::Str("Verse".into())]);
        socket.send_to(&encode(&store, Booleans::Integers), daemon.ready("osc")).unwrap();
        let current = ask(&daemon, "/snapshot/current", vec![], "/snapshot/current");
        assert_eq!(current[0], Arg::Str("Verse".into()));
        let momentary = "/meter/out/momentary";
        let heard = (0..40).find_map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            match ask(&daemon, momentary, vec![], momentary)[..] {
                [Arg::Float(lufs)] if lufs > -60.0 => Some(lufs),
                _ => None,
            }
        });
        println!("the built-in programme reads {heard:?} LUFS");
        assert!(heard.is_some_and(|lufs| (-40.0..0.0).contains(&lufs)));
        daemon.signal("TERM");
        assert!(daemon.wait(Duration::from_secs(5)).success());
    }
    let daemon = Lathed::start(&args);
    assert_eq!(daemon.ready("state"), "restored");
    assert_eq!(ask(&daemon, gain, vec![], gain), [Arg::Float(3.5)]);
    // A second daemon on the same address, with a state of its own.
    let taken = daemon.ready("osc");
    let second = Lathed::command(&["--backend", "clock", "--osc", taken]).output().unwrap();
    assert_eq!(second.status.code(), Some(69), "{}", String::from_utf8_lossy(&second.stderr));
    let exposed = Lathed::command(&["--backend", "clock", "--osc", "0.0.0.0:0"]).output().unwrap();
    let said = String::from_utf8_lossy(&exposed.stderr);
    assert!(exposed.status.code() == Some(78) && said.contains("osc.allow"), "{said}");
}
