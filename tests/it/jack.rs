// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon on a private JACK server: ports, latency, bit-identity, periods, loss and return.

use std::path::Path;
use std::time::{Duration, Instant};

use super::clients::{Clients, Recording};
use super::jackd::{Jackd, signal, wait_for};
use super::lathed::{GAIN, Lathed, Origin};
use super::music::{music, rendered, speech};
use super::osc::Peer;
use lathed::osc::Arg;

/// Non-zero noise, the same for the same seed.
pub fn noise(channels: usize, frames: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut x = seed | 1;
    let mut next = || {
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        let v = (x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        if v == 0.0 { 0.25 } else { 0.5 * v }
    };
    (0..channels).map(|_| (0..frames).map(|_| next()).collect()).collect()
}

/// Plays `input` through a running daemon from a multiple of 64 of its engine's frames on.
fn play(server: &Jackd, daemon: &Lathed, input: &[Vec<f32>]) -> (Recording, Origin) {
    let origin = daemon.origin().expect("the log names the origin");
    assert_eq!(origin.engine_frame % 64, 0, "a driver begins on a whole quantum");
    let roles = &["L", "R"][..input.len()];
    let recording = Clients::start(server, "lathe", roles, input, 8192, origin.jack_frame).finish();
    (recording, origin)
}

/// Plays `input` through a daemon that runs `rack` and compares every sample with what `lathe render`
/// makes of it, shifted by the latency that JACK reports. A run with an xrun is repeated, at most five
/// times. Returns (samples compared, samples of the output that are not zero, latency, runs).
pub fn assert_bit_identical(
    rack: &Path,
    rate: u32,
    period: u32,
    input: &[Vec<f32>],
) -> (usize, usize, u32, u32) {
    let expected = rendered(rack, rate, input);
    let server = Jackd::start(rate, period);
    for run in 1..=6 {
        let daemon = Lathed::on(&server, &["--rack", rack.to_str().unwrap()]);
        let (live, _) = play(&server, &daemon, input);
        assert_eq!(live.reported.0, live.reported.1, "one path, one latency");
        let shift = live.reported.0 as usize;
        let compared = input[0].len();
        let differ: usize = (0..input.len())
            .map(|c| {
                let (a, b) = (&live.audio[c][shift..][..compared], &expected[c]);
                assert_eq!(b.len(), compared, "a render has exactly its input's frames");
                a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
            })
            .sum();
        if differ == 0 {
            let heard = live.audio.iter().flatten().filter(|x| **x != 0.0).count();
            return (compared * input.len(), heard, live.reported.0, run);
        }
        // The daemon tells of xruns within a second and a half.
        let told = Instant::now();
        while !live.disturbed && daemon.xruns() == 0 {
            assert!(
                told.elapsed() < Duration::from_millis(1500),
                "{differ} of {} samples differ, and no xrun explains it",
                compared * input.len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("run {run}: {differ} samples differ, with an xrun; again");
    }
    panic!("six runs in a row had xruns");
}

#[test]
fn the_latency_that_jack_reports_is_the_one_that_is_there() {
    println!("period  reported  measured");
    for period in [64, 100, 128, 441, 1024] {
        let server = Jackd::start(48_000, period);
        let daemon = Lathed::on(&server, &["--rack", GAIN]);
        let input = noise(2, 9600, u64::from(period));
        let (live, _) = play(&server, &daemon, &input);
        let measured = live.audio[0].iter().position(|x| *x != 0.0).expect("audio passes");
        println!("{period:6}  {:8}  {measured:8}", live.reported.0);
        assert_eq!(live.reported, (measured as u32, measured as u32), "period {period}");
        assert_eq!(daemon.ready("latency"), measured.to_string());
        assert_eq!(daemon.ready("period"), period.to_string());
        let same = live.disturbed || live.audio[1][measured..][..9600] == input[1];
        assert!(same, "what goes in comes out at period {period}");
    }
}

#[test]
fn ports_and_ready_line_are_as_promised() {
    let server = Jackd::start(48_000, 256);
    let daemon = Lathed::on(&server, &["--client-name", "rack_a", "--rack", GAIN]);
    println!("start to ready on JACK: {} ms", daemon.start_to_ready.as_millis());
    let line = daemon.stdout();
    let expected =
        "ready backend=jack source=jack rate=48000 period=256 latency=0 state=file osc=off http=off";
    assert_eq!(line, [expected]);
    let ports = server.lsp(&[]).unwrap();
    for name in ["in_L", "in_R", "out_L", "out_R", "monitor_L", "monitor_R"] {
        assert!(ports.lines().any(|l| l == format!("rack_a:{name}")), "{name} in {ports}");
    }
    assert_eq!(ports.lines().filter(|l| l.starts_with("rack_a:")).count(), 6);
}

#[test]
fn real_music_and_speech_are_bit_identical_to_a_render() {
    let shipped = |name| Path::new(env!("CARGO_MANIFEST_DIR")).join("config/racks").join(name);
    const FRAMES: usize = 540_032;
    let (music, music_rate) = music(FRAMES);
    let (speech, speech_rate) = speech(FRAMES);
    for (rack, rate, period, input) in [
        (shipped("multiband.toml"), music_rate, 128, &music),
        (shipped("midside.toml"), music_rate, 100, &music),
        (shipped("speech.toml"), speech_rate, 64, &speech),
        (shipped("stereo-master.toml"), 96_000, 441, &noise(2, FRAMES, 7)),
    ] {
        let (compared, heard, latency, runs) = assert_bit_identical(&rack, rate, period, input);
        let rack = rack.file_name().unwrap().display();
        println!(
            "{rack}, {rate} Hz, {period}: {compared} samples equal, {heard} not zero, latency {latency}, run {runs}"
        );
        assert!(compared >= 1_000_000 && heard >= 1_000_000, "{rack}: {heard} samples are not zero");
    }
}

#[test]
fn the_period_can_change_at_run_time() {
    let server = Jackd::start(48_000, 256);
    let daemon = Lathed::on(&server, &["--rack", GAIN]);
    println!("period  reported  measured");
    for period in [16u32, 8192, 48, 1024, 64, 441, 4096, 256] {
        let done = server.tool("jack_bufsize").arg(period.to_string()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        wait_for("the daemon to follow", Duration::from_secs(5), || {
            daemon.origin().filter(|o| o.period == period)
        });
        let input = noise(2, 24_000, u64::from(period));
        let (live, _) = play(&server, &daemon, &input);
        let measured = live.audio[0].iter().position(|x| *x != 0.0).expect("audio passes");
        println!("{period:6}  {:8}  {measured:8}", live.reported.0);
        let expected = if period % 64 == 0 { 0 } else { 64 };
        assert_eq!(live.reported, (expected, expected), "period {period}");
        assert!(live.disturbed || measured as u32 == expected, "period {period}: measured {measured}");
    }
}

/// The monitor's ports, while main is 6 dB lower than the input.
#[test]
fn the_monitor_has_its_own_ports() {
    let dir = tempfile::tempdir().unwrap();
    let rack = dir.path().join("eq.toml");
    let slot = "[[slot]]\nid = \"eq\"\nunit = \"equalizer\"\nparams = { output = -6 }\n";
    std::fs::write(&rack, format!("format = 1\n[rack]\nname = \"t\"\nlayout = \"stereo\"\n{slot}")).unwrap();
    let server = Jackd::start(48_000, 128);
    let daemon = Lathed::on(&server, &["--rack", rack.to_str().unwrap(), "--osc", "127.0.0.1:0"]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let desk = Peer { socket, to: daemon.ready("osc").parse().unwrap() };
    let input = noise(2, 24_000, 3);
    // Levels in dB re the input, from the part where every fade is over.
    let heard = |ports: &str| {
        let origin = daemon.origin().unwrap();
        let clients = Clients::between(&server, "lathe", &["L", "R"], ports, &input, 8192, origin.jack_frame);
        let live = clients.finish();
        let power = |c: &[f32]| c.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        10.0 * (power(&live.audio[0][..24_000]) / power(&input[0])).log10()
    };
    let set = |address: &str, arg: Arg| {
        assert_eq!(desk.ask(address, &[arg]), [], "{address}");
        desk.send("/sync", &[Arg::Int(1)]);
        let synced = desk.all(Duration::from_millis(300));
        assert!(synced.iter().any(|m| m.address == "/synced"), "{address}: {synced:?}");
    };
    let main = heard("monitor");
    set("/rack/monitor/source", Arg::Str("in".into()));
    let source = heard("monitor");
    set("/rack/monitor/listen/eq", Arg::Int(1));
    let (band, out) = (heard("monitor"), heard("out"));
    println!("monitor: main {main:.2}, in {source:.2}, a band {band:.2}; main itself {out:.2} dB");
    assert!((main + 6.0).abs() < 0.2 && source.abs() < 0.2 && band < -8.0 && (out + 6.0).abs() < 0.2);
}

/// Kills of the server, from the environment or as many as fit.
fn kills() -> usize {
    std::env::var("LATHE_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20)
}

#[test]
fn a_killed_server_is_found_again_with_ports_and_connections() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("lathed.toml");
    std::fs::write(&config, "[jack]\nconnect = [[\"system:capture_1\", \"lathe:in_L\"]]\n").unwrap();
    let mut server = Jackd::start(48_000, 128);
    let mut daemon = Lathed::on(&server, &["--rack", GAIN, "--config", config.to_str().unwrap()]);
    let configured = ("system:capture_1", "lathe:in_L");
    let by_hand = ("lathe:out_R", "system:playback_2");
    let connected = |server: &Jackd, pair: (&str, &str)| server.is_connected(pair.0, pair.1).then_some(());
    wait_for("the configured pair", Duration::from_secs(5), || connected(&server, configured));
    server.connect(by_hand.0, by_hand.1);
    let (mut times, mut sizes) = (Vec::new(), Vec::new());
    for n in 0..kills() {
        // Seen by the daemon's own poll before it is lost.
        std::thread::sleep(Duration::from_millis(250));
        let lines = daemon.log().len();
        server.kill();
        daemon.wait_log(lines, "going on unheard");
        let rate = if n % 2 == 0 { 96_000 } else { 48_000 };
        server.run(rate, 128);
        let back = Instant::now();
        let drives = format!("rate={rate}");
        daemon.wait_log(lines, &drives);
        wait_for("both pairs", Duration::from_secs(5), || {
            connected(&server, configured)?;
            connected(&server, by_hand)
        });
        assert!(daemon.is_running());
        times.push(back.elapsed().as_millis());
        if n % 2 == 1 {
            sizes.push(daemon.size());
        }
    }
    println!("{} kills: ms from the server's first answer to ports and connections: {times:?}", times.len());
    println!("(files, threads, KiB resident) after every second kill: {sizes:?}");
    let (first, last) = (sizes.first().unwrap(), sizes.last().unwrap());
    assert_eq!((first.0, first.1), (last.0, last.1), "files and threads grow: {sizes:?}");
    assert!(times.iter().all(|t| *t <= 1000), "within 1 s: {times:?}");
    let input = noise(2, 9600, 3);
    let (live, _) = play(&server, &daemon, &input);
    assert!(live.audio[0].iter().any(|x| *x != 0.0), "audio passes after all that");
}

#[test]
fn a_hung_server_is_reported_and_does_not_hold_up_the_end() {
    let server = Jackd::start(48_000, 128);
    let mut daemon = Lathed::on(&server, &["--rack", GAIN]);
    let lines = daemon.log().len();
    let hung = Instant::now();
    signal(server.pid(), "STOP");
    daemon.wait_log(lines, "hangs");
    println!("reported after {} ms", hung.elapsed().as_millis());
    assert!(hung.elapsed() < Duration::from_secs(1));
    signal(server.pid(), "CONT");
    daemon.wait_log(lines, "goes on");
    let (live, _) = play(&server, &daemon, &noise(2, 9600, 5));
    assert!(live.audio[0].iter().any(|x| *x != 0.0), "audio passes again");
    signal(server.pid(), "STOP");
    let end = Instant::now();
    daemon.signal("TERM");
    let status = daemon.wait(Duration::from_secs(4));
    println!("ended after {} ms with the server stopped", end.elapsed().as_millis());
    assert!(status.success() && end.elapsed() < Duration::from_secs(2), "{status}");
}

#[test]
fn without_a_server_the_daemon_waits_and_says_so() {
    let mut server = Jackd::none();
    let daemon = Lathed::on(&server, &["--rack", GAIN]);
    assert_eq!((daemon.ready("backend"), daemon.ready("source")), ("jack", "none"));
    assert_eq!((daemon.ready("rate"), daemon.ready("latency")), ("0", "0"));
    server.run(44_100, 100);
    daemon.wait_log(0, "rate=44100");
}

#[test]
fn term_fades_out_and_ends() {
    let server = Jackd::start(48_000, 128);
    let mut daemon = Lathed::on(&server, &["--rack", GAIN]);
    let origin = daemon.origin().unwrap();
    let input = vec![vec![0.5f32; 96_000]; 2];
    let clients = Clients::start(&server, "lathe", &["L", "R"], &input, 0, origin.jack_frame);
    clients.wait_started();
    let end = Instant::now();
    daemon.signal("TERM");
    let status = daemon.wait(Duration::from_secs(4));
    let took = end.elapsed();
    assert!(status.success() && took < Duration::from_secs(2), "{status} after {took:?}");
    let live = clients.finish();
    let out = &live.audio[0];
    let begin = out.iter().position(|x| *x != 0.5).expect("a fade");
    let silent = out.iter().position(|x| *x == 0.0).expect("silence");
    let step = out[begin - 1..=silent].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
    let ms = (silent - begin) as f64 / 48.0;
    println!("ended {took:?} after TERM; fade of {ms:.1} ms, largest step {step:.5}");
    assert!(live.disturbed || ((40.0..=51.0).contains(&ms) && step < 0.002), "{ms} ms, step {step}");
}

#[test]
fn a_reload_leaves_the_running_sound_alone_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let rack = dir.path().join("rack.toml");
    std::fs::copy(GAIN, &rack).unwrap();
    let server = Jackd::start(48_000, 128);
    for attempt in 1..=6 {
        let daemon = Lathed::on(&server, &["--rack", rack.to_str().unwrap()]);
        let origin = daemon.origin().unwrap();
        let input = noise(2, 96_000, 11);
        let clients = Clients::start(&server, "lathe", &["L", "R"], &input, 4096, origin.jack_frame);
        clients.wait_started();
        let lines = daemon.log().len();
        daemon.signal("HUP");
        daemon.wait_log(lines, "rack reloaded");
        std::fs::write(&rack, super::daemon::BROKEN).unwrap();
        daemon.signal("HUP");
        let refused = daemon.wait_log(lines, "was not reloaded");
        assert!(refused.contains("rack.toml:10:"), "{refused}");
        std::fs::copy(GAIN, &rack).unwrap();
        let live = clients.finish();
        let shift = live.reported.0 as usize;
        let differ = (0..2).filter(|&c| live.audio[c][shift..][..96_000] != input[c]).count();
        if differ == 0 {
            println!("192000 samples equal across a good and a bad reload, run {attempt}");
            return;
        }
        assert!(live.disturbed || daemon.xruns() > 0, "the sound changed, and no xrun explains it");
    }
    panic!("six runs in a row had xruns");
}

/// Not a test: a client that counts xruns into a file and is late when it is told to, in a process of its own.
#[test]
#[ignore = "the body of a helper process"]
fn late_client() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    struct Count(Arc<AtomicU64>);
    impl jack::NotificationHandler for Count {
        fn xrun(&mut self, _: &jack::Client) -> jack::Control {
            self.0.fetch_add(1, Relaxed);
            jack::Control::Continue
        }
    }
    struct Late(Arc<AtomicU64>);
    impl jack::ProcessHandler for Late {
        fn process(&mut self, _: &jack::Client, _: &jack::ProcessScope) -> jack::Control {
            let ms = self.0.swap(0, Relaxed);
            if ms > 0 {
                std::thread::sleep(Duration::from_millis(ms));
            }
            jack::Control::Continue
        }
    }
    let Some(dir) = std::env::var_os("LATHE_TEST_LATE") else { return };
    let dir = Path::new(&dir);
    let (client, _) = jack::Client::new("late", jack::ClientOptions::NO_START_SERVER).unwrap();
    let (xruns, late) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let port = client.register_port("out", jack::AudioOut::default()).unwrap();
    let client = client.activate_async(Count(xruns.clone()), Late(late.clone())).unwrap();
    loop {
        if std::fs::remove_file(dir.join("late")).is_ok() {
            late.store(40, Relaxed);
        }
        std::fs::write(dir.join("new"), xruns.load(Relaxed).to_string()).unwrap();
        std::fs::rename(dir.join("new"), dir.join("xruns")).unwrap();
        if dir.join("end").exists() {
            drop((client, port));
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn our_xruns_are_as_many_as_another_client_is_told_of() {
    let server = Jackd::start(48_000, 256);
    let daemon = Lathed::on(&server, &["--rack", GAIN, "--http", "127.0.0.1:0"]);
    let dir = tempfile::tempdir().unwrap();
    let mut other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["jack::late_client", "--exact", "--ignored", "--nocapture"])
        .env("JACK_DEFAULT_SERVER", server.name())
        .env("JACK_NO_START_SERVER", "1")
        .env("LATHE_TEST_LATE", dir.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let counts = || {
        let page = super::metrics::scrape(daemon.ready("http"));
        let theirs = std::fs::read_to_string(dir.path().join("xruns")).ok()?.parse::<u64>().ok()?;
        Some((super::metrics::value(&page, "lathe_audio_xruns") as u64, theirs))
    };
    // Counts that have not changed for half a second.
    let settled = || {
        let (mut last, mut since) = (None, Instant::now());
        wait_for("the counts to settle", Duration::from_secs(20), || {
            let now = counts();
            if now.is_none() || now != last {
                (last, since) = (now, Instant::now());
            }
            last.filter(|_| since.elapsed() > Duration::from_millis(500))
        })
    };
    let before = settled();
    for _ in 0..10 {
        let late = dir.path().join("late");
        std::fs::write(&late, "").unwrap();
        wait_for("it to be late", Duration::from_secs(5), || (!late.exists()).then_some(()));
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = settled();
    signal(server.pid(), "STOP");
    std::thread::sleep(Duration::from_millis(100));
    signal(server.pid(), "CONT");
    let stopped = settled();
    std::fs::write(dir.path().join("end"), "").unwrap();
    assert!(other.wait().unwrap().success());
    let (ours, theirs) = (after.0 - before.0, after.1 - before.1);
    println!("10 late cycles of 40 ms: {ours} xruns of ours, {theirs} of another client's");
    let (ours_stopped, theirs_stopped) = (stopped.0 - after.0, stopped.1 - after.1);
    println!("a server stopped for 100 ms: {ours_stopped} of ours, {theirs_stopped} of the other's");
    assert!(theirs >= 5, "late cycles are xruns");
    assert_eq!((ours, ours_stopped), (theirs, theirs_stopped));
}

#[test]
fn freewheeling_is_faster_than_time_and_bit_exact() {
    let server = Jackd::start(48_000, 256);
    let mut daemon = Lathed::on(&server, &["--rack", GAIN, "--http", "127.0.0.1:0"]);
    let origin = daemon.origin().unwrap();
    const SECONDS: usize = 16;
    let input = noise(2, SECONDS * 48_000, 13);
    let before = super::metrics::scrape(daemon.ready("http"));
    let clients = Clients::start(&server, "lathe", &["L", "R"], &input, 4096, origin.jack_frame);
    clients.wait_started();
    let begin = Instant::now();
    let wheel = |on| assert!(server.tool("jack_freewheel").arg(on).output().unwrap().status.success());
    wheel("y");
    wait_for("six seconds of audio", Duration::from_secs(10), || {
        let page = super::metrics::scrape(daemon.ready("http"));
        let frames = |page| super::metrics::value(page, "lathe_engine_frames");
        (frames(&page) - frames(&before) > 6.0 * 48_000.0).then_some(())
    });
    wheel("n");
    let live = clients.finish();
    let took = begin.elapsed();
    let shift = live.reported.0 as usize;
    let frames = SECONDS * 48_000;
    let differ: usize = (0..2)
        .map(|c| live.audio[c][shift..][..frames].iter().zip(&input[c]).filter(|(a, b)| a != b).count())
        .sum();
    println!("{SECONDS} s in {took:?}; {differ} of {} samples differ", 2 * frames);
    assert!(took < Duration::from_secs(SECONDS as u64 - 2), "{took:?}");
    let after = super::metrics::scrape(daemon.ready("http"));
    let ran = |name| super::metrics::value(&after, name) - super::metrics::value(&before, name);
    assert!(ran("lathe_engine_frames") >= frames as f64 && ran("lathe_audio_lost_engines") == 0.0);
    assert!(live.disturbed || differ == 0, "{differ} samples differ, and nothing explains it");
    assert!(daemon.is_running() && daemon.log().iter().all(|l| !l.contains("hangs")));
    // Back in time: audio still passes.
    let origin = daemon.origin().unwrap();
    let again = Clients::start(&server, "lathe", &["L", "R"], &noise(2, 9600, 5), 4096, origin.jack_frame);
    assert!(again.finish().audio[0].iter().any(|x| *x != 0.0));
}

struct Gone(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl jack::NotificationHandler for Gone {
    #[allow(unsafe_code, reason = "the trait's signature; the body stores a flag")]
    unsafe fn shutdown(&mut self, _: jack::ClientStatus, _: &str) {
        self.0.store(true, std::sync::atomic::Ordering::Release);
    }
}

/// Not a test: a client with six ports that does nothing but come back, to compare the daemon with.
#[test]
#[ignore = "the body of a helper process"]
fn empty_client() {
    loop {
        let Ok((client, _)) = jack::Client::new("lathe", jack::ClientOptions::NO_START_SERVER) else {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let ports: Vec<_> =
            (0..6).map(|n| client.register_port(&n.to_string(), jack::AudioOut::default())).collect();
        let gone = std::sync::Arc::default();
        let Ok(client) = client.activate_async(Gone(std::sync::Arc::clone(&gone)), ()) else { continue };
        while !gone.load(std::sync::atomic::Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop((client, ports));
    }
}

/// Not run by itself: how much of the daemon's growth over kills is libjack's own.
#[test]
#[ignore = "a comparison for people: tests/soak jack-growth"]
fn growth_of_an_empty_client() {
    let mut server = Jackd::start(48_000, 128);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["jack::empty_client", "--exact", "--ignored", "--nocapture"])
        .env("JACK_DEFAULT_SERVER", server.name())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut sizes = Vec::new();
    for n in 0..kills() {
        let there = |s: &Jackd| s.lsp(&[]).filter(|l| l.contains("lathe:5")).map(|_| ());
        wait_for("the client", Duration::from_secs(5), || there(&server));
        if n % 2 == 1 {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            sizes.extend(status.lines().find_map(|l| l.strip_prefix("VmRSS:")).map(|l| l.trim().to_string()));
        }
        server.kill();
        server.run(if n % 2 == 0 { 96_000 } else { 48_000 }, 128);
    }
    let _ = child.kill();
    let _ = child.wait();
    println!("an empty client after every second kill: {sizes:?}");
}
