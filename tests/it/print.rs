// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints of a running daemon: bit for bit what a render gives, whole after a kill, read by others.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lathe_core::analysis::{Reader, TapMeter, TapReadings};
use lathe_core::units::Layout;
use lathed::grpc::v1::print_service_client::PrintServiceClient;
use lathed::grpc::v1::{
    ListPrintsRequest, PrintState, StartPrintRequest, StopPrintRequest, WatchPrintRequest,
};
use lathed::osc::{Arg, Message};
use serde_json::Value;
use tonic::Code;

use super::clients::Clients;
use super::files::{Desk, LATHE, Said};
use super::grpc::violations;
use super::jack::noise;
use super::jackd::{Jackd, wait_for};
use super::lathed::{GAIN, Lathed};
use super::music::{read, rendered, write};
use super::osc::{Peer, text};
use super::remote::Remote;

/// A daemon, a desk, and where the daemon prints.
struct Studio {
    desk: Desk,
    daemon: Lathed,
    args: Vec<String>,
}

impl Studio {
    /// With these arguments, reached over HTTP, printing to `prints` on the desk.
    fn new(desk: Desk, args: &[&str]) -> Studio {
        let state = desk.path("state");
        let more = ["--http", "127.0.0.1:0", "--state-dir", state.to_str().unwrap()];
        let args: Vec<String> = args.iter().chain(&more).map(|a| a.to_string()).collect();
        let daemon = Lathed::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
        Studio { desk, daemon, args }
    }

    fn again(&mut self) {
        self.daemon = Lathed::start(&self.args.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.desk.path("state/prints").join(name)
    }

    #[track_caller]
    fn lathe(&self, args: &[&str]) -> Said {
        let mut command = self.desk.command(LATHE);
        let output = command.args(args).env("LATHE_SERVER", self.daemon.ready("http")).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Prints for so many seconds and waits for the end; what `--json` says last.
    #[track_caller]
    fn print(&self, name: &str, args: &[&str]) -> Value {
        self.lathe(&[&["print", "start", name, "--json"], args].concat()).exits(0);
        let said = self.lathe(&["print", "watch", name, "--json"]).exits(0);
        serde_json::from_str(said.out.lines().last().unwrap()).unwrap()
    }

    fn list(&self) -> Vec<Value> {
        let listed = self.lathe(&["print", "list", "--json"]).exits(0).json();
        listed["prints"].as_array().unwrap().clone()
    }
}

fn number(v: &Value, key: &str) -> usize {
    v[key].as_u64().unwrap_or_else(|| panic!("{key} in {v}")) as usize
}

/// Samples that differ by a bit.
fn differ(a: &[Vec<f32>], b: &[Vec<f32>]) -> usize {
    assert_eq!((a.len(), a[0].len()), (b.len(), b[0].len()));
    a.iter().flatten().zip(b.iter().flatten()).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
}

/// ffmpeg decodes it all without a complaint; what ffprobe says of it.
fn foreign(path: &Path) -> Value {
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i", path.to_str().unwrap(), "-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_format", "-show_streams", "-of", "json", path.to_str().unwrap()])
        .output()
        .unwrap();
    serde_json::from_slice(&probe.stdout).unwrap()
}

/// The five readings of a `bext` chunk, in hundredths.
fn bext_loudness(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(4).position(|w| w == b"bext").expect("a bext chunk");
    let readings = &bytes[at + 8 + 412..][..10];
    readings.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect()
}

#[test]
fn a_print_is_bit_for_bit_a_render_and_says_its_loudness() {
    const RATE: u32 = 44_100;
    let rack = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/racks/multiband.toml");
    let desk = Desk::new();
    // An odd length, so that every turn of the loop lies elsewhere in the quanta.
    let song = noise(2, 61_003, 11);
    write(&desk.path("song.wav"), &song, RATE);
    let song_path = desk.path("song.wav");
    let studio =
        Studio::new(desk, &["--rack", rack.to_str().unwrap(), "--input", song_path.to_str().unwrap()]);
    // What came in, and then what went out.
    let heard = studio.print("in", &["--source", "in", "--seconds", "0.2"]);
    let out = studio.print("Song 1", &["--seconds", "4", "--description", "take one"]);
    assert_eq!((&out["state"], &out["reason"]), (&"done".into(), &"it has its full length".into()), "{out}");
    let (came_in, _) = read(&studio.path("in.wav"));
    let (printed, rate) = read(&studio.path("Song 1.wav"));
    assert_eq!((rate, printed[0].len()), (RATE, 4 * RATE as usize));
    // Where in the song the engine's first frame was.
    let length = song[0].len();
    let at = (0..length)
        .find(|at| (0..came_in[0].len()).all(|n| came_in[0][n] == song[0][(at + n) % length]))
        .expect("the input is the song");
    let zero = (at + length - number(&heard, "start_frame") % length) % length;
    let (start, latency) = (number(&out, "start_frame"), number(&out, "latency_frames"));
    let needed = start + printed[0].len();
    let input: Vec<Vec<f32>> =
        song.iter().map(|c| (0..needed).map(|n| c[(zero + n) % length]).collect()).collect();
    let whole = rendered(&rack, RATE, &input);
    let from = start - latency;
    let wanted: Vec<Vec<f32>> = whole.iter().map(|c| c[from..from + printed[0].len()].to_vec()).collect();
    let different = differ(&printed, &wanted);
    println!("{} samples, {different} differ, latency {latency}", 2 * printed[0].len());
    assert_eq!(different, 0, "a print of main is a render, shifted by the latency");
    // Loudness: the sidecar, the chunk, and a measurement of the file.
    let path = studio.path("Song 1.wav");
    let measured = studio.lathe(&["measure", "--json", path.to_str().unwrap()]).exits(0).json();
    let said: Value = serde_json::from_slice(&std::fs::read(studio.path("Song 1.json")).unwrap()).unwrap();
    let loud = &said["loudness"];
    let chunk = bext_loudness(&path);
    for (n, (key, tolerance)) in [
        ("integrated_lufs", 0.01),
        ("loudness_range_lu", 0.1),
        // Of white noise it depends on how far one interpolates: the instrument below says it exactly.
        ("true_peak_dbtp", 1.0),
        ("momentary_max_lufs", 0.05),
        ("short_term_max_lufs", 0.05),
    ]
    .into_iter()
    .enumerate()
    {
        let (ours, theirs) = (loud[key].as_f64().unwrap(), measured_as(&measured, key));
        println!("{key}: {ours:.3} printed, {theirs:.3} measured, {} in bext", chunk[n]);
        assert!((ours - theirs).abs() <= tolerance, "{key}: {ours} printed, {theirs} measured");
        assert_eq!(f64::from(chunk[n]), (ours * 100.0).round(), "{key}");
    }
    let ours = metered(&printed, RATE);
    for (key, wanted) in
        [("true_peak_dbtp", ours.true_peak_max), ("integrated_lufs", ours.integrated.unwrap())]
    {
        let told = loud[key].as_f64().unwrap();
        assert!((told - wanted).abs() < 0.001, "{key}: {told} printed, {wanted} of the file");
    }
    let hash = blake3::hash(&std::fs::read(&path).unwrap()).to_hex().to_string();
    assert_eq!((said["hashes"]["audio"].as_str(), out["audio_hash"].as_str()), (Some(&*hash), Some(&*hash)));
    let about = foreign(&path);
    let tags = &about["format"]["tags"];
    assert_eq!(
        (tags["comment"].as_str(), tags["encoded_by"].as_str()),
        (Some("take one"), Some("lathe")),
        "{about}"
    );
    assert_eq!(about["streams"][0]["codec_name"], "pcm_f32le");
    let reference: u64 = tags["time_reference"].as_str().unwrap().parse().unwrap();
    assert!(reference < 86_400 * u64::from(RATE), "{reference} frames since midnight");
    // The same in the other formats.
    for (format, file, codec) in
        [("rf64", "b.rf64", "pcm_s24le"), ("flac", "c.flac", "flac"), ("wav", "d.wav", "pcm_s24le")]
    {
        let name = file.split('.').next().unwrap();
        let p = studio.print(name, &["--format", format, "--bits", "24", "--seconds", "0.25"]);
        assert_eq!(p["frames"].as_u64(), Some(11_025));
        let about = foreign(&studio.path(file));
        assert_eq!(about["streams"][0]["codec_name"], codec, "{about}");
    }
    let table = studio.lathe(&["print", "list"]).exits(0).out;
    assert!(table.contains("Song 1.wav") && table.contains("free in "), "{table}");
    assert_eq!(table.lines().count(), 6, "{table}");
}

/// What the instruments of a tap say of a file.
fn metered(audio: &[Vec<f32>], rate: u32) -> TapReadings {
    let mut meter = TapMeter::new(rate, &Layout::named("stereo").unwrap());
    let mut reader = Reader::new(&meter);
    let frames = audio[0].len();
    for from in (0..frames).step_by(64) {
        let quantum = |c: &Vec<f32>| std::array::from_fn(|i| c.get(from + i).map_or(0.0, |x| f64::from(*x)));
        meter.process(&audio.iter().map(quantum).collect::<Vec<_>>());
    }
    meter.finish();
    meter.read(&mut reader)
}

/// A reading of `lathe measure`, peaks the highest of all channels.
fn measured_as(m: &Value, key: &str) -> f64 {
    match &m[key] {
        Value::Array(all) => all.iter().filter_map(Value::as_f64).fold(f64::NEG_INFINITY, f64::max),
        Value::Object(_) => panic!("{key}: {m}"),
        v => v.as_f64().unwrap_or_else(|| panic!("{key}: {m}")),
    }
}

#[test]
fn under_jack_a_print_is_a_render_and_a_lost_server_is_told() {
    let rack = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/racks/stereo-master.toml");
    let input = noise(2, 64_000, 5);
    let wanted = rendered(&rack, 48_000, &input);
    let mut server = Jackd::start(48_000, 1024);
    let args = ["--backend", "jack", "--jack-server", server.name(), "--rack", rack.to_str().unwrap()];
    let studio = Studio::new(Desk::new(), &args.map(|a| a));
    let mut same = false;
    for run in 1..=10 {
        let name = format!("run {run}");
        studio.lathe(&["print", "start", &name]).exits(0);
        let origin = studio.daemon.origin().expect("the log names the origin");
        let played = Clients::start(&server, "lathe", &["L", "R"], &input, 8192, origin.jack_frame).finish();
        let said = studio.lathe(&["print", "stop", &name, "--json"]);
        let p = said.json();
        if p["state"] != "done" {
            println!("{name}: {}", p["reason"]);
            assert!(said.code == 1 && number(&p, "xruns") > 0, "only an xrun is an excuse: {p}");
            continue;
        }
        if played.disturbed {
            continue;
        }
        let first = origin.engine_frame + u64::from(played.start.wrapping_sub(origin.jack_frame));
        let from = first as usize + number(&p, "latency_frames") - number(&p, "start_frame");
        let (printed, _) = read(&studio.path(&format!("{name}.wav")));
        let part: Vec<Vec<f32>> = printed.iter().map(|c| c[from..from + 64_000].to_vec()).collect();
        let different = differ(&part, &wanted);
        println!("{name}: {} samples, {different} differ", 2 * 64_000);
        assert_eq!(different, 0);
        same = true;
        break;
    }
    assert!(same, "ten runs in a row had xruns");
    studio.lathe(&["print", "start", "lost"]).exits(0);
    server.kill();
    let said = studio.lathe(&["print", "watch", "lost"]).exits(1);
    assert!(said.err.contains("the audio server is gone"), "{}", said.err);
    let lost = studio.list().pop().unwrap();
    assert_eq!(
        (&lost["state"], read(&studio.path("lost.wav")).0[0].len()),
        (&"failed".into(), number(&lost, "frames"))
    );
    let refused = studio.lathe(&["print", "start", "unheard"]).exits(1);
    assert!(refused.err.contains("nothing can be printed: no audio runs"), "{}", refused.err);
}

#[test]
fn a_kill_leaves_a_file_that_reads_and_the_list_outlives_restarts() {
    let mut studio = Studio::new(Desk::new(), &["--backend", "clock", "--rack", GAIN]);
    studio.print("whole", &["--seconds", "0.5"]);
    studio.lathe(&["print", "start", "killed"]).exits(0);
    studio.lathe(&["print", "start", "killed too", "--format", "flac"]).exits(0);
    wait_for("two seconds", Duration::from_secs(20), || {
        let frames = |p: &Value| p["name"] != "whole" && number(p, "frames") < 96_000;
        (!studio.list().iter().any(frames)).then_some(())
    });
    studio.daemon.signal("KILL");
    studio.daemon.wait(Duration::from_secs(5));
    assert!(studio.path(".killed.wav.part").exists() && !studio.path("killed.wav").exists());
    studio.again();
    let list = studio.list();
    let states: Vec<&str> = list.iter().map(|p| p["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["done", "failed", "failed"], "{list:?}");
    for p in &list[1..] {
        println!("{}: {} frames, {}", p["file"], p["frames"], p["reason"]);
        assert!(p["reason"].as_str().unwrap().starts_with("interrupted"), "{p}");
        let (audio, _) = read(&studio.path(p["file"].as_str().unwrap()));
        assert!(audio[0].len() > 40_000 && audio[0].len() >= number(p, "frames"), "{}", audio[0].len());
    }
    foreign(&studio.path("killed.wav"));
    // A daemon that is told to end completes what it records.
    studio.lathe(&["print", "start", "at the end"]).exits(0);
    std::thread::sleep(Duration::from_millis(300));
    studio.daemon.signal("TERM");
    assert!(studio.daemon.wait(Duration::from_secs(10)).success());
    studio.again();
    let list = studio.list();
    assert_eq!(list.len(), 4);
    let (state, why) = (list[3]["state"].as_str(), list[3]["reason"].as_str());
    assert_eq!((state, why), (Some("done"), Some("lathed was told to end")));
    foreign(&studio.path("at the end.wav"));
    assert!(list[3]["loudness"]["integrated_lufs"].is_number() || number(&list[3], "frames") < 20_000);
}

#[test]
fn requests_are_checked_and_pages_and_streams_end() {
    let studio = Studio::new(Desk::new(), &["--backend", "clock", "--osc", "127.0.0.1:0", "--rack", GAIN]);
    let remote = Remote::of(&studio.daemon);
    let mut prints = PrintServiceClient::new(remote.channel.clone());
    let run = &remote.runtime;
    let named = |name: &str| StartPrintRequest { name: name.into(), ..Default::default() };
    for (request, field) in [
        (named("../../etc/passwd"), "name"),
        (named("a\nb"), "name"),
        (named(".hidden"), "name"),
        (StartPrintRequest { source: 9, ..named("a") }, "source"),
        (StartPrintRequest { format: 9, ..named("a") }, "format"),
        (StartPrintRequest { format: 3, bits: "32f".into(), ..named("a") }, "format"),
        (StartPrintRequest { bits: "16".into(), ..named("a") }, "bits"),
        (StartPrintRequest { seconds: -1.0, ..named("a") }, "seconds"),
        (StartPrintRequest { description: "d".repeat(257), ..named("a") }, "description"),
    ] {
        let refused = run.block_on(prints.start_print(request)).unwrap_err();
        let told = violations(&refused);
        assert_eq!((refused.code(), told[0].0.as_str()), (Code::InvalidArgument, field), "{refused}");
    }
    let entries: Vec<_> =
        std::fs::read_dir(studio.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(entries, [".lock"]);
    for n in 0..5 {
        let request = StartPrintRequest { seconds: 0.05, ..named(&format!("p{n}")) };
        run.block_on(prints.start_print(request)).unwrap();
        let request = WatchPrintRequest { name: format!("p{n}"), hz: 10.0 };
        let mut stream = run.block_on(prints.watch_print(request)).unwrap().into_inner();
        let mut last = None;
        while let Some(m) = run.block_on(stream.message()).unwrap() {
            assert!(m.free_bytes > 0);
            last = m.print;
        }
        assert_eq!(last.map(|p| (p.state(), p.frames)), Some((PrintState::Done, 2400)));
    }
    let code = |status: tonic::Status| status.code();
    assert_eq!(code(run.block_on(prints.start_print(named("p1"))).unwrap_err()), Code::AlreadyExists);
    let stop = |name: &str| StopPrintRequest { name: name.into() };
    assert_eq!(code(run.block_on(prints.stop_print(stop("p1"))).unwrap_err()), Code::FailedPrecondition);
    assert_eq!(code(run.block_on(prints.stop_print(stop("q"))).unwrap_err()), Code::NotFound);
    let watch = WatchPrintRequest { name: "p1".into(), hz: 11.0 };
    assert_eq!(code(run.block_on(prints.watch_print(watch)).unwrap_err()), Code::InvalidArgument);
    let (mut names, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListPrintsRequest { page_size: 2, page_token };
        let page = run.block_on(prints.list_prints(request)).unwrap().into_inner();
        assert!(
            page.total_size == 5 && page.free_bytes > page.spare_bytes && page.directory.ends_with("prints")
        );
        names.extend(page.prints.into_iter().map(|p| p.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, ["p0", "p1", "p2", "p3", "p4"]);
    for n in 0..4 {
        run.block_on(prints.start_print(named(&format!("r{n}")))).unwrap();
    }
    assert_eq!(code(run.block_on(prints.start_print(named("r4"))).unwrap_err()), Code::ResourceExhausted);
}

#[test]
fn a_directory_that_cannot_be_had_is_no_reason_for_silence() {
    let desk = Desk::new();
    std::fs::write(desk.path("file"), b"in the way").unwrap();
    let dir = desk.path("file/prints");
    let args = ["--backend", "clock", "--rack", GAIN, "--print-dir", dir.to_str().unwrap()];
    let studio = Studio::new(desk, &args);
    let refused = studio.lathe(&["print", "start", "a"]).exits(69);
    assert!(
        refused.err.contains("nothing can be printed to") && refused.err.contains("file/prints"),
        "{}",
        refused.err
    );
    // Once it can be had, it is.
    std::fs::remove_file(studio.desk.path("file")).unwrap();
    studio.print("a", &["--seconds", "0.1"]);
    assert!(studio.desk.path("file/prints/a.wav").exists());
}

/// How long an answer may take that waits for sound and disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// A value of `/print/status` or `/print/entry` by its key.
fn told<'a>(args: &'a [Arg], key: &str) -> &'a Arg {
    let at = args.chunks(2).find(|p| p[0] == text(key));
    &at.unwrap_or_else(|| panic!("no {key} in {args:?}"))[1]
}

/// The next `/print/status` of this print in this state.
fn until(peer: &Peer, name: &str, state: &str) -> Vec<Arg> {
    wait_for(&format!("{name} {state}"), PATIENCE, || {
        let args = peer.until("/print/status", PATIENCE);
        (told(&args, "name") == &text(name) && told(&args, "state") == &text(state)).then_some(args)
    })
}

#[test]
fn tablets_start_stop_and_list_prints_and_are_told_of_all() {
    let studio = Studio::new(Desk::new(), &["--backend", "clock", "--osc", "127.0.0.1:0", "--rack", GAIN]);
    let remote = Remote::of(&studio.daemon);
    let (peer, other) = (remote.peer(), remote.peer());
    for p in [&peer, &other] {
        p.send("/subscribe", &[text("/print")]);
        assert_eq!(told(&p.until("/print/status", PATIENCE), "state"), &text("idle"));
    }
    // What is refused says what is allowed.
    for (address, args, code, words) in [
        ("/print/start", vec![text("a"), text("eq")], "value", "main (or out), monitor, input (or in)"),
        ("/print/start", vec![text("../a")], "value", "may not be a path"),
        ("/print/start", vec![text("a"), text("in"), text("b")], "arguments", "[s name] [s source]"),
        ("/print/start", vec![Arg::Int(7)], "arguments", "a button's 1"),
        ("/print/stop", vec![], "value", "none runs"),
        ("/print/status", vec![text("b")], "value", "no print \"b\""),
        ("/print/list", vec![Arg::Int(101)], "value", "has 1 to 100 entries"),
        ("/print/lst", vec![], "address", "did you mean"),
    ] {
        peer.send(address, &args);
        let error = peer.until("/error", PATIENCE);
        let said = matches!(&error[2], Arg::Str(said) if said.contains(words));
        assert!(error[1] == text(code) && said, "{error:?}");
    }
    // A button's release does nothing, its press prints main under a name of its own.
    peer.send("/print/start", &[Arg::Float(0.0)]);
    peer.send("/print/start", &[text("Take 1"), text("input")]);
    let begun = peer.until("/print/status", PATIENCE);
    assert_eq!(
        (told(&begun, "state"), told(&begun, "source"), told(&begun, "name")),
        (&text("recording"), &text("in"), &text("Take 1"))
    );
    // The other one hears of it, and how long it is, about once a second.
    let first = until(&other, "Take 1", "recording");
    let second = until(&other, "Take 1", "recording");
    let seconds = |args: &[Arg]| match told(args, "seconds") {
        Arg::Float(s) => *s,
        other => panic!("{other:?}"),
    };
    println!("told at {} s and {} s", seconds(&first), seconds(&second));
    assert!((0.5..3.0).contains(&(seconds(&second) - seconds(&first))));
    // Who comes in the middle is told with the full state.
    let late = remote.peer();
    late.send("/subscribe", &[]);
    until(&late, "Take 1", "recording");
    peer.send("/print/stop", &[]);
    let done = until(&other, "Take 1", "done");
    assert_eq!((told(&done, "gaps"), told(&done, "file")), (&Arg::Int(0), &text("Take 1.wav")));
    until(&peer, "Take 1", "done");
    // What the command line begins and ends is told, too.
    studio.lathe(&["print", "start", "By hand", "--seconds", "0.3"]).exits(0);
    until(&other, "By hand", "recording");
    until(&other, "By hand", "done");
    peer.send("/print/start", &[Arg::Float(1.0)]);
    wait_for("a print of a button", PATIENCE, || (studio.list().len() == 3).then_some(()));
    peer.send("/print/stop", &[Arg::Float(1.0)]);
    wait_for("its end", PATIENCE, || (studio.list()[2]["state"] == "done").then_some(()));
    let asked = remote.peer();
    let list: Vec<Message> = asked.ask("/print/list", &[Arg::Int(2)]);
    assert_eq!(list[0].args, [Arg::Int(2), Arg::Int(3)], "{list:?}");
    let names: Vec<&Arg> = list[1..].iter().map(|m| told(&m.args, "name")).collect();
    assert_eq!(names[0], &text("By hand"));
    assert!(list[1..].iter().all(|m| m.address == "/print/entry" && told(&m.args, "state") == &text("done")));
    // All protocols say the same of the same print.
    asked.send("/print/status", &[text("Take 1")]);
    let (osc, grpc) = (asked.until("/print/status", PATIENCE), studio.list().remove(0));
    let frames = number(&grpc, "frames") as f32 / number(&grpc, "sample_rate") as f32;
    assert_eq!((seconds(&osc), &grpc["source"], told(&osc, "source")), (frames, &"in".into(), &text("in")));
}

#[test]
fn a_print_that_fails_is_told_with_its_reason() {
    let mut server = Jackd::start(48_000, 256);
    let args = ["--backend", "jack", "--jack-server", server.name(), "--rack", GAIN, "--osc", "127.0.0.1:0"];
    let studio = Studio::new(Desk::new(), &args);
    let peer = Remote::of(&studio.daemon).peer();
    peer.send("/subscribe", &[text("/print")]);
    peer.send("/print/start", &[text("Lost"), text("monitor")]);
    until(&peer, "Lost", "recording");
    server.kill();
    let failed = until(&peer, "Lost", "failed");
    assert_eq!(told(&failed, "reason"), &text("the audio server is gone"));
    peer.send("/print/start", &[]);
    let error = peer.until("/error", PATIENCE);
    assert!(error[1] == text("failed") && format!("{error:?}").contains("no audio runs"), "{error:?}");
}
