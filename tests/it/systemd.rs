// SPDX-License-Identifier: MIT OR Apache-2.0
//! As a service: what the manager is told, the units as systemd reads them, the journal, the end.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::files::repository;
use super::jackd::{Jackd, wait_for};
use super::lathed::{GAIN, Lathed};

/// A service manager that writes down what it is told.
struct FakeManager {
    socket: UnixDatagram,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl FakeManager {
    fn new() -> FakeManager {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        FakeManager { socket, path, _dir: dir }
    }

    /// Starts a daemon under this manager, with a watchdog's limit in ms.
    fn start(&self, args: &[&str], limit_ms: u64) -> Lathed {
        let mut command = Lathed::command(args);
        command.env("NOTIFY_SOCKET", &self.path).env("WATCHDOG_USEC", (limit_ms * 1000).to_string());
        Lathed::launch(command)
    }

    /// The next message.
    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        let n = self.socket.recv(&mut buffer).expect("a message within 5 s");
        String::from_utf8(buffer[..n].to_vec()).unwrap()
    }

    /// The next message with this line's beginning.
    fn until(&self, line: &str) -> String {
        wait_for(line, Duration::from_secs(10), || {
            let message = self.next();
            message.lines().any(|l| l.starts_with(line)).then_some(message)
        })
    }

    /// Times between so many of the next feeds, in ms.
    fn feeds(&self, n: usize) -> Vec<u128> {
        self.until("WATCHDOG=1");
        let gap = |_| {
            let last = Instant::now();
            self.until("WATCHDOG=1");
            last.elapsed().as_millis()
        };
        (0..n).map(gap).collect()
    }
}

#[test]
fn the_manager_is_told_of_ready_life_reload_and_end() {
    let manager = FakeManager::new();
    let mut daemon = manager.start(&["--backend", "clock", "--rack", GAIN], 400);
    let ready = manager.next();
    assert!(ready.starts_with("READY=1\nSTATUS=demo drives: 48000 Hz, 256 frames"), "first: {ready}");
    let feeds = manager.feeds(8);
    println!("fed every {feeds:?} ms with a limit of 400 ms");
    assert!(feeds.iter().all(|ms| *ms < 400), "{feeds:?}");
    daemon.signal("HUP");
    let reloading = manager.until("RELOADING=1");
    let stamp = reloading.lines().find_map(|l| l.strip_prefix("MONOTONIC_USEC=")).expect("its time");
    assert!(stamp.parse::<u64>().unwrap() > 0, "{reloading}");
    manager.until("READY=1");
    daemon.signal("TERM");
    manager.until("STOPPING=1");
    assert!(daemon.wait(Duration::from_secs(4)).success());
}

#[test]
fn a_server_that_is_gone_or_hangs_does_not_starve_the_watchdog() {
    let manager = FakeManager::new();
    let mut server = Jackd::start(48_000, 128);
    let args = ["--backend", "jack", "--jack-server", server.name(), "--rack", GAIN];
    let mut daemon = manager.start(&args, 400);
    assert!(manager.until("READY=1").contains("STATUS=jack drives: 48000 Hz, 128 frames"));
    super::jackd::signal(server.pid(), "STOP");
    manager.until("STATUS=the JACK server hangs");
    let hung = manager.feeds(5);
    super::jackd::signal(server.pid(), "CONT");
    manager.until("STATUS=jack drives");
    server.kill();
    manager.until("STATUS=waiting for a JACK server");
    let gone = manager.feeds(5);
    println!("fed every {hung:?} ms while it hangs, {gone:?} ms while it is gone");
    assert!(hung.iter().chain(&gone).all(|ms| *ms < 400));
    server.run(44_100, 256);
    manager.until("STATUS=jack drives: 44100 Hz, 256 frames");
    assert!(daemon.is_running());
}

#[test]
fn a_daemon_that_stands_still_is_not_fed() {
    let manager = FakeManager::new();
    let daemon = manager.start(&["--backend", "clock"], 400);
    manager.until("READY=1");
    daemon.signal("STOP");
    manager.socket.set_read_timeout(Some(Duration::from_millis(600))).unwrap();
    while manager.socket.recv(&mut [0; 4096]).is_ok() {} // what was on its way
    daemon.signal("CONT");
    manager.until("WATCHDOG=1");
}

#[test]
fn why_it_did_not_start_is_its_status() {
    let manager = FakeManager::new();
    let mut command = Lathed::command(&["--backend", "clock", "--rack", "/nowhere/rack.toml"]);
    let out = command.env("NOTIFY_SOCKET", &manager.path).output().unwrap();
    assert_eq!(out.status.code(), Some(74));
    assert!(manager.next().starts_with("STATUS=failed: cannot read the rack /nowhere/rack.toml"));
}

/// The unit as a file of its own, with the program that was built now.
fn unit(dir: &Path, name: &str) -> PathBuf {
    let text = std::fs::read_to_string(repository().join("systemd").join(name)).unwrap();
    assert!(text.contains("ExecStart=/usr/local/bin/lathed "), "{name}");
    let file = dir.join(Path::new(name).file_name().unwrap().to_str().unwrap().replace('@', "@voice"));
    std::fs::write(&file, text.replace("/usr/local/bin/lathed", env!("CARGO_BIN_EXE_lathed"))).unwrap();
    file
}

fn analyze(args: &[&str], file: Option<&Path>) -> (bool, String) {
    let mut command = Command::new("systemd-analyze");
    // A user's units need a place for sockets.
    command.args(args).args(file).env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"));
    let out = command.output();
    let out = out.expect("systemd-analyze is installed (package systemd)");
    let text = [out.stdout, out.stderr].concat();
    (out.status.success(), String::from_utf8_lossy(&text).into_owned())
}

const UNITS: [&str; 3] = ["lathed.service", "lathed@.service", "user/lathed.service"];

#[test]
fn systemd_takes_the_units_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        let file = unit(dir.path(), name);
        let mut args = vec!["verify", "--man=no"];
        args.extend(name.starts_with("user").then_some("--user"));
        let (fine, said) = analyze(&args, Some(&file));
        let ours: Vec<&str> = said.lines().filter(|l| l.contains("lathed")).collect();
        assert!(fine && ours.is_empty(), "{name}: {said}");
        // It does complain of what is wrong.
        let text = std::fs::read_to_string(&file).unwrap().replace("WatchdogSec=10", "WatchdogSec=often");
        std::fs::write(&file, text).unwrap();
        let (_, said) = analyze(&args, Some(&file));
        assert!(said.contains("Failed to parse sec value"), "{name}: {said}");
    }
}

#[test]
fn the_sandbox_leaves_little_open() {
    let dir = tempfile::tempdir().unwrap();
    for name in UNITS {
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], Some(&unit(dir.path(), name)));
        let score = said.lines().find_map(|l| l.split("exposure level for ").nth(1)?.split(": ").nth(1));
        let score: f64 = score.and_then(|s| s.split(' ').next()?.parse().ok()).expect("a score");
        println!("{name}: exposure {score}");
        assert!(score <= 2.0 || name.starts_with("user"), "{name}: {said}");
    }
    for name in &UNITS[..2] {
        let text = std::fs::read_to_string(repository().join("systemd").join(name)).unwrap();
        let has = |line: &str| text.lines().any(|l| l == line);
        // What JACK and real time need stays open.
        assert!(
            has("RestrictRealtime=no") && has("LimitRTPRIO=95") && has("LimitMEMLOCK=infinity"),
            "{name}"
        );
        for closed in ["PrivateTmp=", "RemoveIPC=", "PrivateIPC=", "PrivateUsers=", "DynamicUser="] {
            assert!(!text.lines().any(|l| l.starts_with(closed)), "{name}: {closed}");
        }
    }
}

/// The sets of system calls that systemd knows, those in them spelled out.
fn call_sets() -> BTreeMap<String, BTreeSet<String>> {
    let (_, text) = analyze(&["syscall-filter", "--no-pager"], None);
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        if line.starts_with('@') {
            name = line.trim().to_string();
        } else if let Some(call) = line.split_whitespace().next().filter(|_| !line.trim().starts_with('#')) {
            sets.entry(name.clone()).or_default().insert(call.to_string());
        }
    }
    sets
}

fn spelled_out(sets: &BTreeMap<String, BTreeSet<String>>, name: &str) -> BTreeSet<String> {
    let calls = sets.get(name).unwrap_or_else(|| panic!("systemd knows no set {name}"));
    let inner = calls.iter().filter(|c| c.starts_with('@')).flat_map(|c| spelled_out(sets, c));
    calls.iter().filter(|c| !c.starts_with('@')).cloned().chain(inner).collect()
}

/// No manager runs here that could hold the daemon to its sandbox: what it calls is held against it.
#[test]
fn the_daemon_makes_no_system_call_that_its_unit_forbids() {
    let text = std::fs::read_to_string(repository().join("systemd/lathed.service")).unwrap();
    let (sets, mut allowed) = (call_sets(), BTreeSet::new());
    for filter in text.lines().filter_map(|l| l.strip_prefix("SystemCallFilter=")) {
        let not = filter.starts_with('~');
        for set in filter.trim_start_matches('~').split(' ') {
            let calls = spelled_out(&sets, set);
            allowed = if not { &allowed - &calls } else { &allowed | &calls };
        }
    }
    assert!(allowed.len() > 100 && !allowed.contains("mount") && !allowed.contains("setuid"));
    let server = Jackd::start(48_000, 1024);
    let dir = tempfile::tempdir().unwrap();
    let (traced, socket) = (dir.path().join("calls"), dir.path().join("lathe.sock"));
    let plain = Lathed::command(&[
        "--backend",
        "jack",
        "--jack-server",
        server.name(),
        "--osc",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
        "--socket",
        socket.to_str().unwrap(),
    ]);
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-c", "-U", "name", "-o", traced.to_str().unwrap()]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut daemon = Lathed::launch(command);
    let status = Command::new(env!("CARGO_BIN_EXE_lathe"))
        .args(["status", "--server", &format!("unix:{}", socket.display())])
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    daemon.signal("HUP");
    daemon.wait_log(0, "rack reloaded");
    daemon.signal("TERM");
    assert!(daemon.wait(Duration::from_secs(20)).success());
    let calls = wait_for("the trace", Duration::from_secs(10), || {
        let text = std::fs::read_to_string(&traced).ok().filter(|t| t.lines().count() > 20)?;
        Some(text.lines().skip(2).map(|l| l.trim().to_string()).collect::<BTreeSet<String>>())
    });
    let forbidden: Vec<&String> = calls
        .difference(&allowed)
        .filter(|c| !c.starts_with('-') && *c != "total" && !c.is_empty())
        .collect();
    println!("{} different system calls, {} allowed", calls.len(), allowed.len());
    assert!(calls.contains("sendto") || calls.contains("recvfrom"), "{calls:?}");
    assert!(forbidden.is_empty(), "the unit forbids {forbidden:?}");
}

#[test]
fn to_the_journal_lines_have_a_priority_and_no_time() {
    use std::io::Read;
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stat = rustix::fs::fstat(&reader).unwrap();
    let mut command = Lathed::command(&["--backend", "clock", "--rack", "/nowhere/rack.toml"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino)).stderr(writer);
    assert_eq!(command.status().unwrap().code(), Some(74));
    drop(command);
    let mut said = String::new();
    reader.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("<3>lathed: cannot read the rack"), "{said}");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let stat = rustix::fs::fstat(&reader).unwrap();
    let mut command = Lathed::command(&["--backend", "jack", "--jack-server", "lathe-no-such-server"]);
    command.env("JOURNAL_STREAM", format!("{}:{}", stat.st_dev, stat.st_ino)).stdout(Stdio::null());
    let mut child = command.stderr(writer).spawn().unwrap();
    drop(command);
    let mut lines = String::new();
    wait_for("a warning in the journal", Duration::from_secs(10), || {
        let mut some = [0; 512];
        let n = reader.read(&mut some).unwrap();
        lines.push_str(&String::from_utf8_lossy(&some[..n]));
        lines.contains("<4>lathed::audio::supervisor::sessions: no JACK server answers").then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(lines.lines().all(|l| l.starts_with('<')), "{lines}");
}

/// Sets a value, and ends the daemon at once by each signal: the next one has it.
#[test]
fn the_last_state_is_saved_at_the_end_and_the_end_is_soon() {
    use lathed::osc::{Arg, Booleans, Message, encode};
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().to_str().unwrap();
    let args = ["--backend", "clock", "--osc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state-dir", state];
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let gain = |daemon: &Lathed| {
        let server = daemon.ready("http").to_string();
        let mut lathe = Command::new(env!("CARGO_BIN_EXE_lathe"));
        let out = lathe.args(["get", "eq/band2/gain", "--server", &server]);
        let out = out.output().unwrap();
        assert!(out.status.success(), "{out:?}");
        String::from_utf8(out.stdout).unwrap()
    };
    for (signal, value) in [("TERM", 3.5_f32), ("INT", -2.25)] {
        let mut daemon = Lathed::start(&args);
        daemon.signal("PIPE");
        let set = Message::new("/rack/eq/band2/gain", vec![Arg::Float(value)]);
        let sync = Message::new("/sync", vec![Arg::Int(1)]);
        for message in [set, sync] {
            socket.send_to(&encode(&message, Booleans::Integers), daemon.ready("osc")).unwrap();
        }
        socket.recv(&mut [0; 65_536]).expect("/synced");
        let begin = Instant::now();
        daemon.signal(signal);
        let status = daemon.wait(Duration::from_secs(4));
        println!("{signal}: {status} after {} ms", begin.elapsed().as_millis());
        assert!(status.success() && begin.elapsed() < Duration::from_secs(2));
        let next = Lathed::start(&args);
        assert_eq!(next.ready("state"), "restored");
        let shown = gain(&next);
        assert!(shown.contains(&value.to_string()), "{signal}: {shown}");
    }
}
