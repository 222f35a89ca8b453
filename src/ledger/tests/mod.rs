// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a track is promised to be, over an engine, a clock and a disk that do as they are told. The programme
//! follows from the frame, so every figure is compared with one that was measured apart from the ledger.

mod rig;

use std::sync::atomic::Ordering::SeqCst;

use lathe_core::analysis::{Integrator, IntegratorSettings};
use lathe_core::units::Layout;

use self::rig::{Rig, hear, measured, open, stereo};
use super::*;
use crate::control::Host as _;

#[test]
fn a_closed_track_is_what_a_measurement_of_the_same_samples_says() {
    let rig = Rig::new();
    let begun = rig.ledger.start_track("Song 1", "in").unwrap();
    assert_eq!((begun.state(), begun.unsaved.as_str()), ("running", ""));
    rig.play(12.0);
    rig.host.xruns.fetch_add(2, SeqCst);
    rig.until(|s| s.track().unwrap().xruns == 2);
    let closed = rig.ledger.close().unwrap();
    let track = closed.track().unwrap();
    assert_eq!((track.state, track.why.as_str(), closed.state()), (TrackState::Closed, "closed", "idle"));
    let f = &track.figures;
    println!("{} frames, {:?} LUFS, DR {:?}", f.frames, f.loudness.integrated, f.dr);
    assert_eq!((f.missed, track.position, track.interruptions), (0, f.frames, 0));
    assert_eq!(*f, measured(track.start_frame, f.frames), "bit for bit");
    assert!(f.dr.is_some() && f.loudness.loudness_range.is_some_and(|r| r > 1.0), "it says something: {f:?}");
    assert!(track.has_missed(), "xruns are told");
    assert!(track.ended_unix_ms >= Some(track.begun_unix_ms));
    // The album is the one track.
    let whole = closed.album.figures.as_ref().unwrap();
    assert_eq!((whole.loudness.integrated, whole.frames), (f.loudness.integrated, f.frames));
    assert_eq!(rig.ledger.pause().unwrap_err(), LedgerError::NotOpen);
    assert_eq!(rig.ledger.resume().unwrap_err(), LedgerError::NotOpen);
    assert_eq!(rig.ledger.close().unwrap_err(), LedgerError::NotOpen);
    let end = std::time::Instant::now() + Duration::from_secs(5);
    let taps = || rig.host.control().status().unwrap().taps.load(SeqCst);
    while taps() > 0 {
        assert!(std::time::Instant::now() < end, "{} taps stay armed", taps());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_pause_leaves_out_exactly_what_sounded_in_it() {
    let rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(4.0);
    let paused = rig.ledger.pause().unwrap();
    let at = paused.track().unwrap().clone();
    assert_eq!((paused.state(), at.pauses), ("paused", 1));
    let heard = rig.host.frame();
    while rig.host.frame() < heard + 96_000 {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(rig.ledger.pause().unwrap().track(), Some(&at), "a paused one stays as it is");
    rig.ledger.resume().unwrap();
    assert_eq!(rig.ledger.resume().unwrap().state(), "running", "a running one runs on");
    rig.play(8.0);
    let closed = rig.ledger.close().unwrap();
    let t = closed.track().unwrap();
    let (first, second) = (at.figures.frames, t.figures.frames - at.figures.frames);
    let left_out = t.position - t.figures.frames;
    println!("{first} frames, {left_out} left out, {second} frames");
    assert!(left_out >= 96_000 && t.figures.missed == 0, "{t:?}");
    let mut i = stereo();
    hear(&mut i, t.start_frame, first);
    i.set_paused(true);
    i.gap(left_out);
    i.set_paused(false);
    hear(&mut i, t.start_frame + first + left_out, second);
    i.close();
    assert_eq!(t.figures, i.figures(), "bit for bit");
}

#[test]
fn tracks_without_a_gap_are_one_programme() {
    let rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(3.3);
    rig.ledger.start_track("b", "in").unwrap();
    rig.play(2.1);
    rig.ledger.start_track("", "in").unwrap();
    rig.play(4.0);
    let album = rig.ledger.close().unwrap().album;
    let names: Vec<&str> = album.tracks.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "Track 3"]);
    assert_eq!(album.tracks[0].why, "followed by \"b\"");
    for pair in album.tracks.windows(2) {
        assert_eq!(pair[1].start_frame, pair[0].start_frame + pair[0].position, "not a frame between them");
    }
    for t in &album.tracks {
        assert_eq!(t.figures, measured(t.start_frame, t.figures.frames), "{}", t.name);
    }
    let frames = album.tracks.iter().map(|t| t.figures.frames).sum();
    let mut whole = stereo();
    hear(&mut whole, album.tracks[0].start_frame, frames);
    whole.set_paused(true);
    assert_eq!(album.figures, Some(whole.figures()), "the album, bit for bit");
    // Another tap begins anew.
    rig.ledger.start_track("c", "in").unwrap();
    rig.play(0.5);
    let two = rig.ledger.start_track("d", "out").unwrap().album;
    assert_eq!(two.tracks.iter().map(|t| t.is_closed()).collect::<Vec<_>>(), [true, true, true, true, false]);
}

#[test]
fn a_restart_without_sound_in_between_costs_nothing_but_open_windows() {
    let mut rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(7.0);
    rig.host.hold();
    rig.again();
    // It waits for its place in the engine, and then goes on by itself.
    let back = rig.until(|s| s.state() == "running");
    let first = back.track().unwrap().figures.frames;
    assert_eq!(back.track().unwrap().interruptions, 1);
    rig.host.go();
    rig.play(16.0);
    rig.host.hold();
    let end = rig.host.frame();
    let closed = rig.ledger.close().unwrap();
    let t = closed.track().unwrap();
    assert_eq!(t.start_frame + t.figures.frames, end, "not a frame was lost");
    // As an integrator that was kept and resumed.
    let mut i = stereo();
    hear(&mut i, t.start_frame, first);
    let layout = Layout::named("stereo").unwrap();
    let mut i = Integrator::resume(48_000, &layout, IntegratorSettings::default(), &i.save()).unwrap();
    hear(&mut i, t.start_frame + first, t.figures.frames - first);
    i.close();
    assert_eq!(t.figures, i.figures(), "bit for bit");
    // What the gap costs.
    let unbroken = measured(t.start_frame, t.figures.frames);
    let (a, b) = (&t.figures.loudness, &unbroken.loudness);
    let off = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs();
    let costs = [off(a.integrated, b.integrated), off(a.loudness_range, b.loudness_range)];
    println!(
        "a restart costs {:.4} LU of I and {:.4} LU of LRA in {} frames",
        costs[0], costs[1], unbroken.frames
    );
    assert!(costs[0] < 0.5 && costs[1] < 1.0, "{costs:?}");
    assert_eq!(t.figures.true_peak, unbroken.true_peak);
    assert_eq!(
        (t.figures.frames, t.figures.channels[0].clips),
        (unbroken.frames, unbroken.channels[0].clips)
    );
}

#[test]
fn a_kill_costs_what_was_not_saved_and_says_so() {
    let rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    let before = rig.play(3.0);
    // Saved by itself: what lies on the disk at this moment is what a kill leaves.
    let end = std::time::Instant::now() + Duration::from_secs(10);
    let (killed, _copy) = loop {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(rig.dir.path()).unwrap() {
            let from = entry.unwrap().path();
            // A file that is renamed at this moment is looked for again.
            let _ = std::fs::copy(&from, copy.path().join(from.file_name().unwrap()));
        }
        let killed = open(&rig.host, copy.path(), &rig.full);
        let track = killed.show().unwrap().track().unwrap().clone();
        if track.figures.frames >= before.figures.frames / 2 {
            break (killed, copy);
        }
        assert!(std::time::Instant::now() < end, "nothing was saved: {track:?}");
        killed.end();
    };
    let shown = killed.show().unwrap();
    let t = shown.track().unwrap();
    assert!(t.interruptions == 1 && t.has_missed() && t.start_frame == before.start_frame, "{t:?}");
    killed.pause().unwrap();
    killed.end();
    rig.ledger.close().unwrap();
}

#[test]
fn a_lost_server_interrupts_and_another_rate_closes() {
    let mut rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(1.0);
    rig.host.audible.store(false, SeqCst);
    let waits = rig.until(|s| s.state() == "waiting");
    let frames = waits.track().unwrap().figures.frames;
    rig.until(|s| s.track().unwrap().why == "it waits: nothing can be measured: no audio runs");
    assert_eq!(rig.ledger.show().unwrap().track().unwrap().figures.frames, frames, "nothing counts");
    rig.host.audible.store(true, SeqCst);
    rig.until(|s| s.state() == "running" && s.track().unwrap().figures.frames > frames);
    rig.host.restart(48_000);
    let on = rig.until(|s| s.track().unwrap().interruptions == 2 && s.state() == "running");
    assert!(on.track().unwrap().has_missed());
    rig.play(2.0);
    rig.host.restart(44_100);
    let over = rig.until(|s| s.state() == "idle");
    let (first, why) = (over.track().unwrap().clone(), "the rate changed from 48000 Hz to 44100 Hz");
    assert_eq!(first.why, why);
    // It is continued as another track of the same album.
    let before = over.album.figures.as_ref().unwrap().loudness.integrated;
    let on = rig.ledger.start_track("a, continued", "in").unwrap();
    assert_eq!((on.album.sample_rate, on.album.tracks.len()), (44_100, 2));
    let now = on.album.figures.as_ref().unwrap().loudness.integrated;
    assert!(
        (now.unwrap() - before.unwrap()).abs() < 1e-9 || on.track().unwrap().figures.frames > 17_640,
        "{now:?}"
    );
    rig.until(|s| s.track().unwrap().figures.frames > 88_200);
    let album = rig.ledger.close().unwrap().album;
    let (a, b) = (&album.tracks[0].figures, &album.tracks[1].figures);
    let seconds = a.frames as f64 / 48_000.0 + b.frames as f64 / 44_100.0;
    let whole = album.figures.as_ref().unwrap();
    assert!((whole.frames as f64 / 44_100.0 - seconds).abs() < 1e-4, "{} of {seconds} s", whole.frames);
    let between = [a, b].map(|f| f.loudness.integrated.unwrap());
    let i = whole.loudness.integrated.unwrap();
    println!("{between:?} LUFS, together {i}");
    assert!(i > between[0].min(between[1]) - 0.01 && i < between[0].max(between[1]) + 0.01);
    assert_eq!(whole.true_peak, a.true_peak.max(b.true_peak));
    // A paused track waits for its own rate.
    rig.ledger.start_track("b", "in").unwrap();
    rig.ledger.pause().unwrap();
    rig.host.restart(48_000);
    let refused = rig.ledger.resume().unwrap_err().to_string();
    assert!(refused.contains("from 44100 Hz to 48000 Hz; close it"), "{refused}");
    rig.host.restart(44_100);
    assert_eq!(rig.ledger.resume().unwrap().state(), "running");
    // Another layout closes a track and wants another album.
    rig.ledger.close().unwrap();
    rig.host.restart(48_000);
    rig.ledger.start_track("c", "in").unwrap();
    rig.again();
    rig.ledger.end();
    let other = Rig::with("mono", rig.dir.clone());
    let over = other.until(|s| s.state() == "idle");
    assert_eq!(over.track().unwrap().why, "the layout changed from stereo to mono");
    let refused = other.ledger.start_track("d", "in").unwrap_err();
    assert_eq!(refused, LedgerError::Layout { album: "stereo".into(), sound: "mono".into() });
    other.ledger.new_album("Mono").unwrap();
    assert_eq!(other.ledger.start_track("d", "in").unwrap().album.layout, "mono");
}

#[test]
fn of_the_demo_nothing_is_written_and_what_cannot_be_is_refused() {
    let mut rig = Rig::new();
    rig.host.demo.store(true, SeqCst);
    assert_eq!(rig.ledger.start_track("a", "").unwrap_err(), LedgerError::Demo);
    rig.host.demo.store(false, SeqCst);
    rig.ledger.start_track("a", "").unwrap();
    rig.play(0.5);
    rig.ledger.end();
    rig.host.demo.store(true, SeqCst);
    rig.again();
    let waits = rig.until(|s| s.track().unwrap().why.contains("source=demo"));
    let frames = waits.track().unwrap().figures.frames;
    rig.ledger.pause().unwrap();
    assert_eq!(rig.ledger.resume().unwrap_err(), LedgerError::Demo);
    assert_eq!(rig.ledger.show().unwrap().track().unwrap().figures.frames, frames);
    assert_eq!(rig.ledger.close().unwrap().track().unwrap().figures.frames, frames);
    rig.host.demo.store(false, SeqCst);
    for bad in ["a\nb", "a\u{202e}b", &"x".repeat(97)] {
        assert!(matches!(rig.ledger.start_track(bad, ""), Err(LedgerError::Name(_))), "{bad:?}");
        assert!(matches!(rig.ledger.new_album(bad), Err(LedgerError::Name(_))), "{bad:?}");
    }
    let said = |tap: &str| rig.ledger.start_track("a", tap).unwrap_err().to_string();
    assert_eq!(
        said("comp/gain"),
        "no tap \"comp/gain\": there is in, out, monitor, and <slot>/in and <slot>/out of a"
    );
    assert_eq!(said("a/ouy"), "no tap \"a/ouy\" (did you mean \"a/out\"?)");
    assert!(said(&"a/".repeat(200)).ends_with("…\": a name of 400 bytes"));
    rig.host.audible.store(false, SeqCst);
    assert!(matches!(rig.ledger.start_track("a", ""), Err(LedgerError::Unheard(_))));
    rig.host.audible.store(true, SeqCst);
    rig.host.hold();
    assert_eq!(rig.ledger.start_track("b", "").unwrap_err(), LedgerError::Unheard("no audio came".into()));
    rig.host.go();
    assert_eq!(rig.ledger.show().unwrap().album.tracks.len(), 1, "what heard nothing is no track");
    for id in ["0123456789abcdef", "../ledger", ""] {
        assert_eq!(rig.ledger.album(id).is_ok(), id.is_empty(), "{id}");
    }
}

#[test]
fn albums_that_are_over_are_kept() {
    let mut rig = Rig::new();
    let empty = rig.ledger.new_album("First").unwrap();
    assert!(rig.ledger.former().is_empty(), "an album without a track is forgotten");
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(1.0);
    let second = rig.ledger.new_album("").unwrap();
    assert!(second.album.tracks.is_empty() && second.album.name.starts_with("Album of 20"), "{second:?}");
    let first = rig.ledger.album(&empty.album.id).unwrap();
    assert_eq!((first.name.as_str(), first.tracks[0].why.as_str()), ("First", "the album ended"));
    assert_eq!(
        first.tracks[0].figures,
        measured(first.tracks[0].start_frame, first.tracks[0].figures.frames)
    );
    rig.again();
    let listed = rig.ledger.former();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].tracks), (1, "First", 1));
    assert_eq!(listed[0].integrated, first.figures.as_ref().unwrap().loudness.integrated);
    assert_eq!(rig.ledger.album(&first.id).unwrap(), first, "bit for bit");
    assert_eq!(rig.ledger.show().unwrap().album, second.album);
}

#[test]
fn a_disk_that_refuses_stops_no_track_and_loses_no_album() {
    let mut rig = Rig::new();
    rig.ledger.new_album("One").unwrap();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(0.5);
    rig.ledger.close().unwrap();
    rig.full.store(true, SeqCst);
    let told = rig.ledger.start_track("b", "in").unwrap();
    println!("{}", told.unsaved);
    assert!(told.unsaved.contains("the ledger is not saved") && told.state() == "running");
    rig.play(0.5);
    let turned = rig.ledger.new_album("Two").unwrap();
    assert!(!turned.unsaved.is_empty());
    let id = rig.ledger.former()[0].id.clone();
    assert_eq!(rig.ledger.album(&id).unwrap().tracks.len(), 2, "it can still be read");
    // A kill at this moment finds the album as it was last saved.
    rig.again();
    let found = rig.ledger.show().unwrap().album;
    assert_eq!((found.name.as_str(), found.tracks.len()), ("One", 1));
    rig.ledger.new_album("Two").unwrap();
    rig.full.store(false, SeqCst);
    rig.until(|s| s.unsaved.is_empty());
    rig.again();
    assert_eq!(rig.ledger.show().unwrap().album.name, "Two");
    assert_eq!(
        rig.ledger.former().iter().map(|a| (a.name.as_str(), a.tracks)).collect::<Vec<_>>(),
        [("One", 1)]
    );
}

#[test]
fn a_damaged_file_falls_back_to_the_one_before() {
    let mut rig = Rig::new();
    rig.ledger.start_track("a", "in").unwrap();
    rig.play(0.5);
    let closed = rig.ledger.close().unwrap().album;
    rig.ledger.start_track("b", "in").unwrap();
    rig.ledger.end();
    let path = |n: &str| rig.dir.path().join(n);
    let damage = |name: &str| {
        let mut bytes = std::fs::read(path(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] = bytes[middle].wrapping_add(1);
        std::fs::write(path(name), bytes).unwrap();
    };
    damage("ledger.toml");
    rig.ledger = open(&rig.host, rig.dir.path(), &rig.full);
    let found = rig.ledger.show().unwrap().album;
    assert_eq!((&found.id, &found.tracks[0]), (&closed.id, &closed.tracks[0]));
    rig.ledger.end();
    let damaged = ["ledger.toml", "ledger.toml.1", "ledger.toml.2"];
    damaged.into_iter().filter(|n| path(n).exists()).for_each(damage);
    rig.ledger = open(&rig.host, rig.dir.path(), &rig.full);
    let fresh = rig.ledger.show().unwrap().album;
    assert!(fresh.id != closed.id && fresh.tracks.is_empty(), "a new album begins: {fresh:?}");
}

#[test]
fn it_follows_a_transport() {
    let rig = Rig::new();
    let roll = |rolling| {
        *rig.host.rolling.lock().unwrap() = rolling;
        // Longer than from look to look, and then through the loop once.
        std::thread::sleep(Duration::from_millis(25));
        (0..2).for_each(|_| drop(rig.ledger.show().unwrap()));
        rig.ledger.show().unwrap()
    };
    assert!(roll(Some(false)).album.tracks.is_empty());
    let begun = roll(Some(true));
    assert_eq!((begun.state(), begun.track().unwrap().name.as_str()), ("running", "Track 1"));
    rig.play(0.5);
    assert_eq!(roll(Some(false)).state(), "paused");
    assert_eq!(roll(Some(true)).state(), "running");
    // Who pauses by hand is not overruled before the transport moves again.
    rig.ledger.pause().unwrap();
    assert_eq!(roll(Some(true)).state(), "paused");
    assert_eq!(roll(None).state(), "paused", "a server that is gone says nothing");
    assert_eq!(roll(Some(true)).state(), "running");
    let closed = rig.ledger.close().unwrap();
    assert_eq!((closed.album.tracks.len(), closed.track().unwrap().pauses), (1, 2));
}

#[test]
fn a_track_of_a_slot_waits_while_the_rack_has_it_not_and_measures_no_silence() {
    let rig = Rig::new();
    rig.ledger.start_track("a", "a/out").unwrap();
    rig.play(3.0);
    rig.host.reload(&["b"]);
    let waits = rig.until(|s| s.state() == "waiting");
    let at = waits.track().unwrap().clone();
    println!("{} frames, then it waits: {}", at.figures.frames, at.why);
    assert!(at.why.contains("the rack has no a/out") && at.interruptions == 1, "{at:?}");
    // What was heard was programme to the last frame: bit for bit what was played.
    assert_eq!(at.figures.frames, at.position);
    let mut heard = stereo();
    hear(&mut heard, at.start_frame, at.figures.frames);
    assert_eq!(at.figures, heard.figures(), "bit for bit");
    let frame = rig.host.frame();
    while rig.host.frame() < frame + 48_000 {
        std::thread::sleep(Duration::from_millis(2));
    }
    let still = rig.ledger.show().unwrap();
    assert_eq!((still.state(), still.track().unwrap().figures.frames), ("waiting", at.figures.frames));
    assert!(still.track().unwrap().why.contains("the rack has no a/out"), "{:?}", still.track());
    // Another tap can be measured meanwhile, and this one again once it is back.
    assert_eq!(
        rig.ledger.start_track("b", "a/out").unwrap_err().to_string(),
        "no tap \"a/out\" (did you mean \"b/out\"?)"
    );
    rig.host.reload(&["b", "a"]);
    rig.until(|s| s.state() == "running");
    let more = rig.play(at.figures.frames as f64 / 48_000.0 + 1.0);
    assert!(more.why.is_empty() && more.figures.missed > 0, "{more:?}");
    // What came after is programme again, at the same level: no frame of silence is in its true peak or mean.
    let closed = rig.ledger.close().unwrap();
    let t = closed.track().unwrap();
    assert_eq!(t.position, t.figures.frames + t.figures.missed, "{t:?}");
    assert!(t.has_missed());
}
