// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session's ledger of a running daemon: over the command line, gRPC and OSC, against `lathe measure` of a
//! print of the same stretch, and over restarts and kills.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use lathed::grpc::v1::ledger_service_client::LedgerServiceClient;
use lathed::grpc::v1::{
    CloseTrackRequest, GetAlbumRequest, ListAlbumsRequest, ListTracksRequest, NewAlbumRequest,
    PauseTrackRequest, ResumeTrackRequest, StartTrackRequest, TrackState,
};
use lathed::osc::Arg;
use serde_json::Value;
use tonic::Code;

use super::files::{Desk, LATHE, Said};
use super::grpc::violations;
use super::jackd::{Jackd, wait_for};
use super::lathed::{GAIN, Lathed};
use super::music::{music, read, write};
use super::osc::Peer;
use super::remote::Remote;

/// How long an answer may take that waits for sound and disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that plays music from a file, and its desk.
struct Studio {
    desk: Desk,
    daemon: Lathed,
    args: Vec<String>,
}

impl Studio {
    fn new(more: &[&str]) -> Studio {
        let desk = Desk::new();
        let (song, rate) = music(400_000);
        write(&desk.path("song.wav"), &song, rate);
        let (state, song) = (desk.path("state"), desk.path("song.wav"));
        let usual = ["--http", "127.0.0.1:0", "--osc", "127.0.0.1:0", "--state-dir", state.to_str().unwrap()];
        let input = ["--backend", "clock", "--input", song.to_str().unwrap(), "--rack", GAIN];
        let input: &[&str] = if more.is_empty() { &input } else { more };
        let args: Vec<String> = usual.iter().chain(input).map(|a| a.to_string()).collect();
        let daemon = start(&args);
        Studio { desk, daemon, args }
    }

    fn again(&mut self, signal: &str) {
        self.daemon.signal(signal);
        self.daemon.wait(Duration::from_secs(10));
        self.daemon = start(&self.args);
    }

    #[track_caller]
    fn lathe(&self, args: &[&str]) -> Said {
        let mut command = self.desk.command(LATHE);
        let output = command.args(args).env("LATHE_SERVER", self.daemon.ready("http")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        self.lathe(&[args, &["--json"]].concat()).exits(0).json()
    }

    /// Waits until so many frames of the open track count.
    fn play(&self, frames: u64) -> Value {
        wait_for("the frames of a track", Duration::from_secs(60), || {
            let tracks = self.json(&["ledger", "list"]);
            let last = tracks["tracks"].as_array()?.last()?.clone();
            (last["frames"].as_u64()? >= frames).then_some(last)
        })
    }
}

fn start(args: &[String]) -> Lathed {
    Lathed::start(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn number(v: &Value, key: &str) -> usize {
    v[key].as_u64().unwrap_or_else(|| panic!("{key} in {v}")) as usize
}

/// A figure of `/ledger/status`.
fn told<'a>(args: &'a [Arg], key: &str) -> &'a Arg {
    let at = args.chunks(2).find(|p| p[0] == Arg::Str(key.into()));
    &at.unwrap_or_else(|| panic!("no {key} in {args:?}"))[1]
}

#[test]
fn a_track_is_what_lathe_measure_says_of_a_print_of_it() {
    let studio = Studio::new(&[]);
    // The print has the track within it, and both know their frames.
    studio.lathe(&["print", "start", "all"]).exits(0);
    let begun = studio.json(&["ledger", "start", "Song 1"]);
    assert_eq!(
        (&begun["state"], &begun["tap"], &begun["number"]),
        (&"running".into(), &"out".into(), &1.into())
    );
    studio.play(5 * 44_100);
    let track = studio.json(&["ledger", "close"]);
    // An xrun of a busy machine loses the print its good name and no frame.
    let print = studio.lathe(&["print", "stop", "--json"]).json();
    assert_eq!((&track["state"], &print["gaps"]), (&"closed".into(), &0.into()), "{print}");
    let (audio, rate) = read(&studio.desk.path("state/prints/all.wav"));
    let from = number(&track, "start_frame") - number(&print, "start_frame");
    let cut: Vec<Vec<f32>> =
        audio.iter().map(|c| c[from..from + number(&track, "frames")].to_vec()).collect();
    write(&studio.desk.path("cut.wav"), &cut, rate);
    let path = studio.desk.path("cut.wav");
    let measured = studio.lathe(&["measure", "--json", path.to_str().unwrap()]).exits(0).json();
    assert_eq!(measured["frames"], track["frames"]);
    for (key, tolerance) in [
        ("integrated_lufs", 0.01),
        ("loudness_range_lu", 0.01),
        ("momentary_max_lufs", 0.01),
        ("short_term_max_lufs", 0.01),
        ("true_peak_dbtp", 0.01),
        ("sample_peak_dbfs", 0.01),
        ("plr_lu", 0.01),
        ("psr_min_lu", 0.01),
        ("crest_db", 0.01),
        ("correlation", 0.0001),
    ] {
        let one = |v: &Value| v[key].as_f64().unwrap_or_else(|| panic!("{key} in {v}"));
        let (ours, theirs) = (one(&track), one(&measured));
        println!("{key}: {ours:.4} in the ledger, {theirs:.4} measured");
        assert!((ours - theirs).abs() <= tolerance, "{key}: {ours} in the ledger, {theirs} measured");
    }
    assert_eq!(
        (&track["clipped_samples"], &track["missed_frames"]),
        (&measured["clipped_samples"], &0.into())
    );
    let album = studio.lathe(&["ledger", "album"]).exits(0);
    assert!(album.out.contains("Song 1") && album.out.contains("as one programme") && album.err.is_empty());
    assert_eq!(studio.lathe(&["ledger", "list"]).exits(0).out.lines().count(), 1);
}

#[test]
fn every_protocol_has_the_same_ledger_and_it_outlives_restarts_and_kills() {
    let mut studio = Studio::new(&[]);
    let remote = Remote::of(&studio.daemon);
    let (run, peer) = (&remote.runtime, remote.peer());
    let mut ledger = LedgerServiceClient::new(remote.channel.clone());
    // Refusals name their field or their reason.
    for (name, tap, field) in [("a\nb", "", "name"), ("a", "eq/out", "tap")] {
        let request = StartTrackRequest { name: name.into(), tap: tap.into() };
        let refused = run.block_on(ledger.start_track(request)).unwrap_err();
        assert_eq!((refused.code(), violations(&refused)[0].0.as_str()), (Code::InvalidArgument, field));
    }
    let refused = run.block_on(ledger.pause_track(PauseTrackRequest {})).unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let refused = run.block_on(ledger.get_album(GetAlbumRequest { id: "../ledger".into() })).unwrap_err();
    assert_eq!(refused.code(), Code::NotFound, "{refused}");
    peer.send("/ledger/close", &[]);
    assert_eq!(peer.until("/error", PATIENCE)[1], Arg::Str("failed".into()));
    peer.send("/ledger/start", &[Arg::Int(3)]);
    assert_eq!(peer.until("/error", PATIENCE)[1], Arg::Str("arguments".into()));
    // OSC starts, gRPC pauses, the command line resumes, OSC closes.
    peer.send("/ledger/start", &[Arg::Str("One".into())]);
    let status = peer.until("/ledger/status", PATIENCE);
    assert_eq!(
        (told(&status, "state"), told(&status, "track")),
        (&Arg::Str("running".into()), &Arg::Str("One".into()))
    );
    studio.play(50_000);
    let paused = run.block_on(ledger.pause_track(PauseTrackRequest {})).unwrap().into_inner();
    let paused = paused.track.unwrap();
    assert_eq!((paused.state(), paused.pauses), (TrackState::Paused, 1));
    assert_eq!(studio.json(&["ledger", "resume"])["state"], "running");
    run.block_on(ledger.resume_track(ResumeTrackRequest {})).unwrap();
    studio.play(100_000);
    peer.send("/ledger/close", &[Arg::Int(1)]);
    let closed = peer.until("/ledger/status", PATIENCE);
    assert_eq!(told(&closed, "state"), &Arg::Str("idle".into()));
    let list = run.block_on(ledger.list_tracks(ListTracksRequest::default())).unwrap().into_inner();
    let figures = list.tracks[0].figures.clone().unwrap();
    assert_eq!(told(&closed, "integrated"), &Arg::Float(figures.integrated.unwrap() as f32));
    assert_eq!(told(&closed, "true_peak"), &Arg::Float(figures.true_peak.unwrap() as f32));
    assert_eq!(figures.channels.iter().map(|c| c.channel.as_str()).collect::<Vec<_>>(), ["L", "R"]);
    // One that runs when the daemon is told to end runs on, as does one that runs when it is killed.
    let before = studio.json(&["ledger", "list"])["tracks"][0].clone();
    studio.lathe(&["ledger", "start", "Two"]).exits(0);
    let played = number(&studio.play(60_000), "frames");
    drop((ledger, peer, remote));
    studio.again("TERM");
    let two = studio.play(played as u64 + 30_000);
    assert_eq!((&two["state"], &two["interruptions"]), (&"running".into(), &1.into()), "{two}");
    assert_eq!(studio.json(&["ledger", "list"])["tracks"][0], before, "what is closed stays as it is");
    studio.lathe(&["ledger", "pause"]).exits(0);
    let kept = number(&studio.json(&["ledger", "resume"]), "frames");
    studio.again("KILL");
    let two = studio.play(kept as u64 + 10_000);
    assert_eq!((&two["state"], &two["interruptions"]), (&"running".into(), &2.into()), "{two}");
    // Albums.
    let remote = Remote::of(&studio.daemon);
    let run = &remote.runtime;
    let mut ledger = LedgerServiceClient::new(remote.channel.clone());
    let first =
        run.block_on(ledger.get_album(GetAlbumRequest::default())).unwrap().into_inner().album.unwrap();
    let new = run.block_on(ledger.new_album(NewAlbumRequest { name: "Second".into() })).unwrap().into_inner();
    assert_eq!((new.album.unwrap().tracks, new.unsaved.as_str()), (0, ""));
    let code = run.block_on(ledger.close_track(CloseTrackRequest {})).unwrap_err().code();
    assert_eq!(code, Code::FailedPrecondition);
    let request = ListTracksRequest { album_id: first.id.clone(), page_size: 1, ..Default::default() };
    let page = run.block_on(ledger.list_tracks(request.clone())).unwrap().into_inner();
    assert_eq!((page.tracks.len(), page.total_size, page.tracks[0].name.as_str()), (1, 2, "One"));
    let request = ListTracksRequest { page_token: page.next_page_token, ..request };
    let page = run.block_on(ledger.list_tracks(request)).unwrap().into_inner();
    assert_eq!((page.tracks[0].name.as_str(), page.next_page_token.as_str()), ("Two", ""));
    assert_eq!(page.tracks[0].reason, "the album ended");
    let albums = run.block_on(ledger.list_albums(ListAlbumsRequest::default())).unwrap().into_inner().albums;
    assert_eq!(albums.iter().map(|a| a.tracks).collect::<Vec<_>>(), [2, 0]);
    over_osc(&remote.peer(), &first.id);
    let shown = studio.lathe(&["ledger", "album", &first.id]).exits(0).out;
    assert!(shown.contains("One") && shown.contains("Two") && shown.contains("interruptions"), "{shown}");
    assert_eq!(studio.lathe(&["ledger", "album", "--all"]).exits(0).out.lines().count(), 3);
}

/// The same lists over OSC, an album that is begun there, and what subscribers are told.
fn over_osc(peer: &Peer, first: &str) {
    let s = |text: &str| Arg::Str(text.into());
    let list = peer.ask("/ledger/tracks", &[s(first), Arg::Int(1)]);
    assert_eq!((list.len(), &list[0].args), (2, &vec![Arg::Int(1), Arg::Int(2)]), "{list:?}");
    let track = &list[1];
    assert_eq!(track.address, "/ledger/track");
    assert_eq!(
        (told(&track.args, "track"), told(&track.args, "state"), told(&track.args, "reason")),
        (&s("Two"), &s("closed"), &s("the album ended"))
    );
    let error = peer.ask("/ledger/tracks", &[s("../ledger")]);
    assert!(error[0].address == "/error" && error[0].args[1] == s("value"), "{error:?}");
    let error = peer.ask("/ledger/albums", &[Arg::Int(0)]);
    assert!(error[0].args[2] == s("0 is not allowed: a list has 1 to 100 entries"), "{error:?}");
    let albums = peer.ask("/ledger/albums", &[]);
    assert_eq!(albums[0].args, [Arg::Int(2), Arg::Int(2)]);
    assert_eq!((told(&albums[1].args, "id"), told(&albums[1].args, "tracks")), (&s(first), &Arg::Int(2)));
    assert_eq!(told(&albums[2].args, "album"), &s("Second"));
    // A tap of a slot, and one that is not there.
    peer.send("/ledger/start", &[s("x"), s("nothing/out")]);
    let error = peer.until("/error", PATIENCE);
    assert!(matches!(&error[2], Arg::Str(t) if t.starts_with("no tap \"nothing/out\"")), "{error:?}");
    peer.send("/ledger/start", &[s(""), s("input/out")]);
    let begun = peer.until("/ledger/status", PATIENCE);
    assert_eq!((told(&begun, "track"), told(&begun, "tap")), (&s("Track 1"), &s("input/out")));
    // Subscribers hear how long it is, about once a second.
    peer.send("/subscribe", &[s("/ledger")]);
    let seconds = || match told(&peer.until("/ledger/status", PATIENCE), "seconds") {
        Arg::Float(s) => *s,
        other => panic!("{other:?}"),
    };
    let (a, b) = (seconds(), seconds());
    println!("told at {a} s and {b} s");
    assert!((0.5..3.0).contains(&(b - a)));
    peer.send("/unsubscribe", &[]);
    peer.send("/ledger/album", &[s("Third")]);
    let third = wait_for("another album", PATIENCE, || {
        let args = peer.until("/ledger/status", PATIENCE);
        (told(&args, "album") == &s("Third")).then_some(args)
    });
    assert_eq!(told(&third, "state"), &s("idle"));
}

#[test]
fn of_the_demo_no_ledger_is_written() {
    let studio = Studio::new(&["--backend", "clock", "--rack", GAIN]);
    assert_eq!(studio.daemon.ready("source"), "demo");
    let refused = studio.lathe(&["ledger", "start", "a"]).exits(1);
    assert!(
        refused.err.contains("source=demo") && refused.err.contains("no ledger is written"),
        "{}",
        refused.err
    );
    let remote = Remote::of(&studio.daemon);
    let peer = remote.peer();
    peer.send("/ledger/start", &[Arg::Str("a".into())]);
    let error = peer.until("/error", PATIENCE);
    assert!(matches!(&error[2], Arg::Str(text) if text.contains("source=demo")), "{error:?}");
    assert!(studio.lathe(&["ledger", "list"]).exits(0).err.contains("lathe ledger start NAME"));
}

/// Says something to the transport of a server.
fn transport(server: &Jackd, word: &str) {
    let mut command = Command::new("jack_transport");
    command.env("JACK_DEFAULT_SERVER", server.name()).env("JACK_NO_START_SERVER", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("jackd2 has it");
    write!(child.stdin.take().unwrap(), "{word}\nquit\n").unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn under_jack_it_follows_the_transport_if_it_is_told_to() {
    let server = Jackd::start(48_000, 128);
    let desk = Desk::new();
    std::fs::write(desk.path("lathed.toml"), "[ledger]\ntransport = true\n").unwrap();
    let (config, state) = (desk.path("lathed.toml"), desk.path("state"));
    let args = [
        ["--config", config.to_str().unwrap(), "--state-dir", state.to_str().unwrap()],
        ["--backend", "jack", "--jack-server", server.name()],
        ["--http", "127.0.0.1:0", "--rack", GAIN],
    ];
    let args: Vec<String> = args.concat().iter().map(|a| a.to_string()).collect();
    let studio = Studio { daemon: start(&args), desk, args };
    let last = || studio.json(&["ledger", "list"])["tracks"].as_array().unwrap().last().cloned();
    let until = |state: &str| {
        wait_for(&format!("a track that is {state}"), Duration::from_secs(10), || {
            last().filter(|t| t["state"] == state)
        })
    };
    assert_eq!(last(), None, "it stands");
    transport(&server, "play");
    assert_eq!(until("running")["name"], "Track 1");
    studio.play(24_000);
    transport(&server, "stop");
    let paused = until("paused");
    transport(&server, "play");
    until("running");
    studio.play(paused["frames"].as_u64().unwrap() + 4_800);
    let closed = studio.json(&["ledger", "close"]);
    assert_eq!((&closed["pauses"], &closed["missed_frames"]), (&1.into(), &0.into()), "{closed}");
}
