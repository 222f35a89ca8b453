// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a print is promised to be, over an engine and a disk that do as they are told.

mod rig;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use self::rig::{LIMITS, Rig, STEP, steps, want};
use super::entry::{FaultKind, Source, State};
use super::folder::OsFolder;
use super::*;
use crate::control::edit::{Edit, Input, Item, When};
use crate::control::{Client, Host as _};

#[test]
fn a_print_has_every_frame_and_says_all_about_itself() {
    let rig = Rig::new();
    let begun = rig.prints.start(&Want { description: "take one".into(), ..want("Song 1") }).unwrap();
    assert_eq!((begun.state, begun.file.as_str()), (State::Recording, "Song 1.wav"));
    assert_eq!(rig.names(), [".Song 1.wav.part", "Song 1.json"]);
    rig.until("Song 1", |e| e.frames > 100_000);
    let engine = rig.host.control().status().unwrap().frame.load(SeqCst);
    let done = rig.prints.stop("Song 1").unwrap();
    assert_eq!((done.state, done.why.as_str()), (State::Done, "stopped"), "{done:?}");
    assert_eq!(rig.names(), ["Song 1.json", "Song 1.wav"]);
    assert!(done.start_frame + done.frames >= engine, "up to the frame of the stop");
    let audio = steps(&rig.path("Song 1.wav"));
    assert_eq!(audio.len() as u64, done.frames);
    let wanted: Vec<u64> = (done.start_frame..done.start_frame + done.frames).collect();
    assert!(audio == wanted, "every frame, each in its place");
    // The sidecar.
    let said = rig.sidecar("Song 1");
    assert_eq!((said.frames, said.start_frame, said.state), (done.frames, done.start_frame, State::Done));
    let bytes = std::fs::read(rig.path("Song 1.wav")).unwrap();
    assert_eq!(said.hashes.audio, Some(blake3::hash(&bytes).to_hex().to_string()));
    assert_eq!(said.hashes.rack, blake3::hash(said.rack.as_bytes()).to_hex().to_string());
    assert_eq!(said.hashes.values, facts::values_hash(&said.values));
    assert!(said.values.contains_key("a/trim") && said.values.contains_key("monitor/level"), "{said:?}");
    assert_eq!(lathe_core::rack::load(&said.rack, "sidecar").unwrap().plan.name, "t");
    assert_eq!((said.changed, said.revision_first), (false, said.revision_last));
    assert_eq!((said.gaps, said.xruns, said.sound_revisions.len()), (0, 0, 1));
    // The chunk in the file.
    assert_eq!(&bytes[48..52], b"bext");
    assert_eq!(bytes[48..48 + said.bext().chunk().len()], said.bext().chunk());
    assert_eq!(said.bext().description, "take one");
    assert_eq!(said.loudness.integrated_lufs, None, "a ramp is no sound");
    let peak = said.loudness.sample_peak_dbfs.unwrap();
    let last = (done.start_frame + done.frames - 1) as f64 * STEP;
    assert!((peak - 20.0 * last.log10()).abs() < 0.001, "{peak} dBFS");
}

#[test]
fn every_format_and_an_exact_length() {
    let rig = Rig::new();
    for (name, container, depth) in [
        ("a", Container::Wav, BitDepth::I24),
        ("b", Container::Rf64, BitDepth::F32),
        ("c", Container::Flac, BitDepth::I24),
    ] {
        let source = if name == "a" { Source::Out } else { Source::In };
        let wanted = Want { container, depth, source, seconds: Some(0.5), ..want(name) };
        rig.prints.start(&wanted).unwrap();
        let done = rig.over(name);
        assert_eq!((done.state, done.frames), (State::Done, 24_000), "{done:?}");
        let audio = steps(&rig.path(&done.file));
        assert_eq!(audio.len(), 24_000);
        // Dither moves by two steps at most.
        let near = |(n, x): (usize, &u64)| x.abs_diff(done.start_frame + n as u64) <= 2;
        assert!(audio.iter().enumerate().all(near), "{container:?}");
    }
    assert_eq!(rig.prints.list().unwrap().prints.len(), 3);
}

#[test]
fn a_gap_is_exact_is_silence_and_fails_the_print() {
    let rig = Rig::new();
    rig.start("slow").unwrap();
    rig.until("slow", |e| e.frames > 1000);
    let gate = rig.faults.gate.lock().unwrap();
    // Two seconds are 1500 quanta; a few hundred more wait to be written.
    rig.host.burst(6000);
    drop(gate);
    let after = rig.entry("slow").frames;
    rig.until("slow", |e| e.frames > after + 400_000);
    let failed = rig.prints.stop("slow").unwrap();
    println!("{}", failed.why);
    assert_eq!((failed.state, failed.gaps), (State::Failed, failed.faults.len() as u64));
    let audio = steps(&rig.path("slow.wav"));
    assert_eq!(audio.len() as u64, failed.frames, "the file is kept, and as long as the time was");
    let silent: Vec<usize> = (0..audio.len()).filter(|&n| audio[n] == 0).collect();
    assert_eq!(silent.len() as u64, failed.gap_frames);
    for fault in &failed.faults {
        let (from, to) = (fault.at_frame as usize, (fault.at_frame + fault.frames) as usize);
        assert!(fault.kind == FaultKind::Gap && audio[from..to].iter().all(|x| *x == 0), "{fault:?}");
    }
    let start = failed.start_frame;
    let fine = |(n, x): (usize, &u64)| *x == 0 || *x == start + n as u64;
    assert!(audio.iter().enumerate().all(fine), "what is after a gap is in its place");
    assert!(failed.gap_frames > 100_000 && failed.why.contains("gap"), "{}", failed.why);
    assert!(rig.sidecar("slow").hashes.audio.is_some());
}

#[test]
fn a_full_disk_ends_it_and_keeps_what_was_written() {
    let rig = Rig::new();
    for (name, container) in [("wav", Container::Wav), ("flac", Container::Flac)] {
        rig.faults.room.store(1 << 40, SeqCst);
        let depth = BitDepth::I24;
        rig.prints.start(&Want { container, depth, ..want(name) }).unwrap();
        rig.faults.room.store(900_001, SeqCst);
        let failed = rig.over(name);
        println!("{}", failed.why);
        assert_eq!(failed.state, State::Failed);
        assert!(failed.why.contains("the disk refused"), "{}", failed.why);
        let audio = steps(&rig.path(&failed.file));
        assert!(audio.len() as u64 == failed.frames && failed.frames > 50_000, "{}", failed.frames);
        assert!(audio.iter().enumerate().all(|(n, x)| x.abs_diff(failed.start_frame + n as u64) <= 2));
    }
    assert_eq!(rig.names(), ["flac.flac", "flac.json", "wav.json", "wav.wav"]);
}

#[test]
fn room_on_the_disk_is_left() {
    let rig = Rig::new();
    rig.start("a").unwrap();
    rig.faults.free.store((1 << 20) - 1, SeqCst);
    let failed = rig.over("a");
    assert!(failed.state == State::Failed && failed.why.contains("1 MiB are to stay so"), "{}", failed.why);
    assert_eq!(steps(&rig.path("a.wav")).len() as u64, failed.frames);
    let refused = rig.start("b").unwrap_err();
    assert!(matches!(&refused, PrintError::Disk { why, .. } if why.contains("stay so")), "{refused}");
    assert_eq!(rig.prints.list().unwrap().free, (1 << 20) - 1);
}

#[test]
fn xruns_fail_a_print_and_changes_are_told() {
    let rig = Rig::new();
    rig.start("x").unwrap();
    rig.until("x", |e| e.frames > 1000);
    let frames = rig.entry("x").frames;
    rig.host.xruns.fetch_add(2, SeqCst);
    rig.until("x", |e| e.xruns > 0);
    let item = Item { address: "a/trim".into(), input: Input::Real(-6.0), ramp_ms: None };
    let edit = Edit { client: Client(1), items: vec![item], when: When::Now, validate_only: false };
    rig.host.control().edit(&edit).unwrap();
    let failed = rig.prints.stop("").unwrap();
    assert_eq!((failed.state, failed.xruns, failed.gaps), (State::Failed, 2, 0));
    let fault = failed.faults[0];
    assert!(fault.kind == FaultKind::Xrun && fault.count == 2 && fault.at_frame >= frames, "{fault:?}");
    assert!(failed.why.starts_with("2 xruns"), "{}", failed.why);
    let said = rig.sidecar("x");
    assert!(said.changed && said.revision_last == said.revision_first + 1);
    assert_eq!(said.values["a/trim"], 0.0, "the values are those of the start");
}

#[test]
fn another_engine_or_no_listener_ends_it_as_failed() {
    let rig = Rig::new();
    rig.start("rate").unwrap();
    rig.host.restart(96_000);
    let failed = rig.over("rate");
    assert!(failed.state == State::Failed && failed.why.contains("from 48000 Hz to 96000 Hz"), "{failed:?}");
    rig.start("engine").unwrap();
    rig.host.restart(96_000);
    let failed = rig.over("engine");
    assert!(failed.why.contains("the engine was replaced"), "{}", failed.why);
    rig.start("gone").unwrap();
    rig.host.audible.store(false, SeqCst);
    let failed = rig.over("gone");
    assert_eq!((failed.state, failed.why.as_str()), (State::Failed, "the audio server is gone"));
    for entry in ["rate", "engine", "gone"].map(|n| rig.entry(n)) {
        assert_eq!(steps(&rig.path(&entry.file)).len() as u64, entry.frames, "{} is kept", entry.name);
    }
    assert!(matches!(rig.start("unheard"), Err(PrintError::Unheard(_))));
    rig.host.audible.store(true, SeqCst);
    rig.host.paused.store(true, SeqCst);
    assert_eq!(rig.start("silent").unwrap_err(), PrintError::Unheard("no audio came".into()));
    rig.host.paused.store(false, SeqCst);
    let end = Instant::now() + Duration::from_secs(5);
    while rig.names().iter().any(|n| n.contains("silent")) {
        assert!(Instant::now() < end, "{:?}", rig.names());
        std::thread::sleep(Duration::from_millis(5));
    }
    let armed = || rig.host.control().status().unwrap().taps.load(SeqCst);
    while armed() > 0 {
        assert!(Instant::now() < end, "{} taps stay armed", armed());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(rig.prints.get("silent").is_err());
}

#[test]
fn names_are_names_and_nothing_is_overwritten() {
    let rig = Rig::new();
    for bad in [
        "../../etc/passwd",
        "a/b",
        "/etc/passwd",
        "..",
        ".hidden",
        "a\\b",
        "a\nb",
        "a\0b",
        "a\u{202e}b",
        &"x".repeat(97),
        &"日".repeat(70),
    ] {
        let refused = rig.start(bad).unwrap_err();
        assert!(matches!(refused, PrintError::Name(_)), "{bad:?}: {refused}");
    }
    assert_eq!(rig.names(), [""; 0]);
    for seconds in [-1.0, f64::NAN, f64::INFINITY, 1e9] {
        let refused = rig.prints.start(&Want { seconds: Some(seconds), ..want("a") }).unwrap_err();
        assert!(matches!(refused, PrintError::Seconds(_)), "{refused}");
    }
    let flac = Want { container: Container::Flac, ..want("a") };
    assert!(matches!(rig.prints.start(&flac), Err(PrintError::Format(_))));
    assert!(matches!(rig.prints.start(&Want { depth: BitDepth::I16, ..want("a") }), Err(PrintError::Format(_))));
    let long = Want { description: "d".repeat(257), ..want("a") };
    assert_eq!(rig.prints.start(&long).unwrap_err(), PrintError::Description(257));
    // A file of that name, of whatever origin, is left alone.
    std::fs::write(rig.path("mine.wav"), b"mine").unwrap();
    assert_eq!(rig.start("mine").unwrap_err(), PrintError::Exists("mine".into()));
    assert_eq!(std::fs::read(rig.path("mine.wav")).unwrap(), b"mine");
    for name in ["one", "two", " three ", ""] {
        rig.start(name).unwrap();
    }
    assert_eq!(rig.start("five").unwrap_err(), PrintError::TooMany);
    let refused = rig.prints.stop("").unwrap_err();
    assert!(refused.to_string().contains("\"one\", \"two\", \"three\""), "{refused}");
    rig.prints.stop("three").unwrap();
    assert_eq!(rig.start("one").unwrap_err(), PrintError::Exists("one".into()));
    assert_eq!(rig.prints.stop("three").unwrap_err(), PrintError::Over("three".into()));
    let refused = rig.prints.stop("tw").unwrap_err().to_string();
    assert!(refused.contains("no print \"tw\" (did you mean \"two\"?)"), "{refused}");
    // One that took the name while it was recorded keeps it.
    std::fs::write(rig.path("two.wav"), b"theirs").unwrap();
    let failed = rig.prints.stop("two").unwrap();
    assert!(failed.state == State::Failed && failed.why.contains("could not get its name"), "{}", failed.why);
    assert_eq!(std::fs::read(rig.path("two.wav")).unwrap(), b"theirs");
    assert_eq!(steps(&rig.path(".two.wav.part")).len() as u64, failed.frames);
    rig.prints.end();
    let left = rig.entry("one");
    assert_eq!((left.state, left.why.as_str()), (State::Done, "lathed was told to end"));
    // Those that are taken away are forgotten.
    std::fs::remove_file(rig.path("three.json")).unwrap();
    let names: Vec<String> = rig.prints.list().unwrap().prints.into_iter().map(|(e, _)| e.name).collect();
    assert!(names.len() == 3 && names[2].starts_with("print 20"), "{names:?}");
}

#[test]
fn what_a_killed_daemon_left_is_completed_and_marked() {
    let rig = Rig::new();
    for (name, container) in [("a", Container::Wav), ("b", Container::Flac)] {
        rig.prints.start(&Want { container, depth: BitDepth::I24, ..want(name) }).unwrap();
    }
    // Past a checkpoint at least.
    std::thread::sleep(Duration::from_millis(2300));
    // As a kill leaves it: whatever the disk has at this moment.
    let left = tempfile::tempdir().unwrap();
    for name in rig.names() {
        std::fs::copy(rig.path(&name), left.path().join(&name)).unwrap();
    }
    let after = |name: &str| left.path().join(name);
    std::fs::write(after(".7-123.tmp"), b"half a sidecar").unwrap();
    std::fs::write(after("notes.json"), b"{}").unwrap();
    let mut forged = rig.sidecar("a");
    (forged.name, forged.file) = ("forged".into(), "../a.wav".into());
    std::fs::write(after("forged.json"), serde_json::to_vec(&forged).unwrap()).unwrap();
    let prints = Prints::on(rig.host.clone(), Arc::new(OsFolder::open(left.path()).unwrap()), LIMITS);
    let listed = prints.list().unwrap().prints;
    assert_eq!(listed.iter().map(|(e, _)| e.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    for (entry, _) in &listed {
        println!("{}: {} frames, {}", entry.file, entry.frames, entry.why);
        assert!(entry.state == State::Failed && entry.why.contains("interrupted"), "{entry:?}");
        let audio = steps(&after(&entry.file));
        assert!(audio.len() > 100_000 && entry.hashes.audio.is_some(), "{}", audio.len());
        assert!(entry.container == Container::Flac || audio.len() as u64 == entry.frames);
        let start = entry.start_frame;
        assert!(start > 0 && audio.iter().enumerate().all(|(n, x)| x.abs_diff(start + n as u64) <= 2));
    }
    assert!(!after(".7-123.tmp").exists() && after("notes.json").exists() && !after(".a.wav.part").exists());
    // Once and for all: another start finds nothing to do.
    drop(prints);
    let again = Prints::on(rig.host.clone(), Arc::new(OsFolder::open(left.path()).unwrap()), LIMITS);
    assert_eq!(again.list().unwrap().prints, listed);
    // One directory, one daemon.
    let refused = OsFolder::open(left.path()).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::ResourceBusy);
}
