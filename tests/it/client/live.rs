// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same against a daemon's services in this process, on the built-in clock.
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use lathed::audio::supervisor::{Backend, Supervisor};
use lathed::control::snapshots::Library;
use lathed::control::{Client, Control, Handle};
use lathed::files::BitDepth;
use lathed::grpc::{self, Answers, Closing, Listeners, Services, v1};
use lathed::store::StateDir;
use serde_json::Value;
use tokio::sync::oneshot;

use super::{offered, readings};
use crate::files::{Desk, LATHE, Said, assert_same, noise};

/// Meters that always say the same.
struct Steady;

impl grpc::Meters for Steady {
    fn watch(
        &self,
        _: v1::WatchMetersRequest,
        _: Closing,
    ) -> Result<Answers<v1::WatchMetersResponse>, tonic::Status> {
        let five = (1..=5).map(|sequence| Ok(v1::WatchMetersResponse { sequence, ..readings() }));
        Ok(Box::pin(tokio_stream::iter(five)))
    }
    fn watch_spectrum(
        &self,
        _: v1::WatchSpectrumRequest,
        _: Closing,
    ) -> Result<Answers<v1::WatchSpectrumResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("levels only"))
    }
    fn watch_scope(
        &self,
        _: v1::WatchScopeRequest,
        _: Closing,
    ) -> Result<Answers<v1::WatchScopeResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("levels only"))
    }
    fn reset(&self, _: Client) {}
}

/// A served rack, and a desk whose `lathe` talks to it.
struct Studio {
    desk: Desk,
    server: SocketAddr,
    supervisor: Option<Supervisor>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _state: tempfile::TempDir,
}

impl Studio {
    fn new() -> Self {
        let (_, text) = lathed::racks::DEFAULT;
        let plan = lathe_core::rack::load(text, "default").unwrap().plan;
        let backend = Backend::Clock { rate: Some(48_000), period: 256, input: None };
        let supervisor = Supervisor::start(Control::new(plan), backend).unwrap();
        supervisor.wait_ready();
        let host: Handle = supervisor.shared.clone();
        let state = tempfile::tempdir().unwrap();
        let dir = StateDir::open(Some(state.path())).unwrap();
        let library = Library::new(host.clone(), dir.snapshots().unwrap());
        let tcp = grpc::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = tcp.local_addr().unwrap();
        let listeners = Listeners { tcp: vec![tcp], ..Listeners::default() };
        let services = Services {
            host,
            snapshots: Some(Arc::new(library)),
            meters: Some(Arc::new(Steady)),
            prints: None,
            ledger: None,
            http: axum::Router::new(),
            counts: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let _dir = dir;
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            let shutdown = async {
                let _ = stopped.await;
            };
            runtime.unwrap().block_on(grpc::serve(listeners, services, shutdown)).unwrap();
        });
        let (stop, thread, supervisor) = (Some(stop), Some(thread), Some(supervisor));
        Studio { desk: Desk::new(), server, supervisor, stop, thread, _state: state }
    }

    /// `lathe` with these arguments and the server in its environment.
    #[track_caller]
    fn lathe(&self, args: &[&str]) -> Said {
        let mut command = self.desk.command(LATHE);
        let output = command.args(args).env("LATHE_SERVER", self.server.to_string()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Said { code, out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        self.lathe(args).exits(0).out
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        drop(self.stop.take());
        let _ = self.thread.take().map(|t| t.join());
        let _ = self.supervisor.take().map(Supervisor::stop);
    }
}

#[test]
fn values_are_shown_set_bypassed_and_taken_back() {
    let studio = Studio::new();
    let status = studio.lathe(&["status", "--json"]).exits(0).json();
    assert_eq!((&status["backend"], &status["sample_rate"]), (&"clock".into(), &48_000.into()));
    assert!(studio.ok(&["status"]).contains("sound     audible"));
    let done = studio.ok(&["set", "limiter/ceiling=-2.5 dB", "eq/band1/freq=1.25 kHz", "eq/bypass=on"]);
    assert_eq!(done, "limiter/ceiling=-2.5 dB\neq/band1/freq=1.25 kHz\neq/bypass=on\n");
    assert_eq!(studio.ok(&["get", "-n", "limiter/ceiling"]), "-2.5 dB\n");
    assert_eq!(studio.ok(&["get", "eq/band1/f*"]), "eq/band1/freq=1.25 kHz\n");
    let refused = studio.lathe(&["set", "limiter/ceiling=30", "eq/bypass=off"]).exits(2);
    assert!(refused.out.is_empty() && refused.err.contains("limiter/ceiling"), "{}", refused.err);
    assert!(refused.err.contains(" dB to "), "the allowed range: {}", refused.err);
    assert_eq!(studio.ok(&["get", "eq/bypass"]), "eq/bypass=on\n", "all or nothing");
    let unknown = studio.lathe(&["set", "eq/band1/frex=1"]).exits(2);
    assert!(unknown.err.contains("did you mean \"eq/band1/freq\"?"), "{}", unknown.err);
    let dry = studio.lathe(&["set", "--dry-run", "--json", "limiter/ceiling=-4"]).exits(0).json();
    assert_eq!((&dry["dry_run"], &dry["values"][0]["real"]), (&true.into(), &(-4.0).into()));
    assert_eq!(studio.ok(&["bypass", "eq"]), "eq/bypass=off\n");
    assert_eq!(studio.ok(&["bypass", "rack", "on"]), "rack/bypass=on\n");
    assert!(studio.ok(&["history"]).starts_with("rack/bypass"));
    assert_eq!(studio.ok(&["undo"]), "taken back: rack/bypass\n");
    assert_eq!(studio.ok(&["redo"]), "made again: rack/bypass\n");
    assert!(studio.lathe(&["redo"]).exits(1).err.starts_with("lathe: "), "nothing left");
    assert_eq!(studio.ok(&["panic"]), "panic on\n");
    assert!(studio.ok(&["status"]).contains("PANIC"));
    assert_eq!(studio.ok(&["panic", "off"]), "panic off\n");
    std::fs::write(studio.desk.path("eq.txt"), studio.ok(&["get", "eq/**"])).unwrap();
    assert!(studio.ok(&["set", "--from", "eq.txt"]).contains("eq/band1/freq=1.25 kHz"));
}

#[test]
fn the_rack_is_listed_watched_and_completed() {
    let studio = Studio::new();
    let list = studio.lathe(&["list", "--json"]).exits(0).json();
    let ids: Vec<&str> =
        list["slots"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"eq") && ids.contains(&"limiter"), "{ids:?}");
    let text = studio.ok(&["list", "limiter"]);
    assert!(text.contains("limiter/ceiling") && !text.contains("eq/"), "{text}");
    assert!(!studio.ok(&["list", "--slots"]).contains("limiter/ceiling"));
    let lines = studio.ok(&["watch", "--json", "--count", "2"]);
    let second: Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&second["sequence"], &second["xruns"]), (&2.into(), &2.into()));
    let once = studio.ok(&["watch", "--once", "--json"]);
    assert_eq!(once, lines.lines().next().unwrap().to_string() + "\n", "--once is --count 1");
    let ended = studio.lathe(&["watch"]).exits(69);
    assert_eq!(ended.out.lines().count(), 5, "a stream that ends is told: {}", ended.err);
    let server = studio.server.to_string();
    let eq = offered(&studio.desk, &["get", "--server", &server, "limiter/ceil"]);
    assert!(eq.starts_with("limiter/ceiling"), "{eq}");
    let value = offered(&studio.desk, &["set", "--server", &server, "eq/bypass=o"]);
    assert!(value.contains("eq/bypass=on") && value.contains("eq/bypass=off"), "{value}");
    assert!(offered(&studio.desk, &["bypass", "--server", &server, "ra"]).starts_with("rack"));
}

#[test]
fn racks_and_snapshots_go_out_and_come_back() {
    let studio = Studio::new();
    studio.ok(&["set", "limiter/ceiling=-3"]);
    let stored =
        studio.lathe(&["snapshot", "store", "Mix 3", "--notes", "less air", "--json"]).exits(0).json();
    assert_eq!((&stored["name"], &stored["version"]), (&"Mix 3".into(), &1.into()));
    studio.ok(&["set", "limiter/ceiling=-6"]);
    let toml = studio.ok(&["export"]);
    assert!(toml.starts_with("format = 1") && toml.contains("ceiling = -6"), "{toml}");
    assert!(studio.ok(&["export", "--snapshot", "Mix 3"]).contains("ceiling = -3"));
    assert!(studio.ok(&["snapshot", "show", "Mix 3"]).contains("# less air"));
    std::fs::write(studio.desk.path("now.toml"), &toml).unwrap();
    assert_eq!(studio.ok(&["check", "--live", "now.toml"]), "now.toml: ok, and it is what runs\n");
    studio.ok(&["set", "limiter/ceiling=-5"]);
    let reload = studio.ok(&["check", "--live", "now.toml"]);
    assert_eq!(reload, "now.toml: ok, a reload would make 1 change\n  limiter/ceiling: -5 dB -> -6 dB\n");
    let broken = studio.lathe(&["check", "--live", "--json", "racks/broken.toml"]).exits(1).json();
    assert_eq!(broken["ok"], false);
    studio.ok(&["snapshot", "recall", "Mix 3", "--morph", "0.1"]);
    assert_eq!(studio.ok(&["get", "-n", "limiter/ceiling"]), "-3 dB\n");
    studio.ok(&["snapshot", "rename", "Mix 3", "Final"]);
    let list = studio.lathe(&["snapshot", "list", "--json"]).exits(0).json();
    assert_eq!(list["snapshots"][0]["name"], "Final");
    studio.desk.write("in.wav", 48_000, BitDepth::F32, &noise(2, 20_000, 0.9));
    std::fs::write(studio.desk.path("live.toml"), studio.ok(&["export"])).unwrap();
    studio.ok(&["render", "--live", "in.wav", "live.wav"]);
    studio.ok(&["render", "--snapshot", "Final", "in.wav", "snapshot.wav"]);
    studio.ok(&["render", "--rack", "live.toml", "in.wav", "file.wav"]);
    let (_, wanted) = studio.desk.read("file.wav");
    assert_same(&studio.desk.read("live.wav").1, &wanted);
    assert_same(&studio.desk.read("snapshot.wav").1, &wanted);
    assert_eq!(studio.ok(&["snapshot", "delete", "Final"]), "deleted Final\n");
    let gone = studio.lathe(&["snapshot", "recall", "Final"]).exits(2);
    assert!(gone.err.contains("there is no snapshot \"Final\""), "{}", gone.err);
}

/// A command on a terminal of its own; what it shows is collected while it runs.
struct Screen {
    child: std::process::Child,
    keys: std::process::ChildStdin,
    out: std::sync::mpsc::Receiver<Vec<u8>>,
    shown: Vec<u8>,
}

/// Longest wait for words on a screen.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

impl Screen {
    /// `None` without the program `script`.
    fn new(studio: &Studio, line: &str) -> Option<Screen> {
        let mut command = studio.desk.command("script");
        command.args(["-qec", line, "/dev/null"]).env("LATHE_SERVER", studio.server.to_string());
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (keys, mut from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (to, out) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n) = from.read(&mut buffer) {
                if n == 0 || to.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Screen { child, keys, out, shown: Vec::new() })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Reads on until these words came.
    fn until(&mut self, words: &str) {
        let begun = std::time::Instant::now();
        while !self.text().contains(words) {
            match self.out.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(more) => self.shown.extend(more),
                Err(_) => panic!("{words:?} did not come: {}", self.text()),
            }
        }
    }

    fn press(&mut self, keys: &str) {
        self.shown.clear();
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Its exit code and what came since the last key.
    fn end(mut self) -> (Option<i32>, String) {
        self.shown.extend(self.out.iter().flatten());
        (self.child.wait().unwrap().code(), self.text())
    }
}

#[test]
fn a_terminal_gets_a_meter_bridge_and_is_left_as_it_was() {
    let studio = Studio::new();
    let Some(mut screen) = Screen::new(&studio, &format!("stty cols 90 rows 30; {LATHE} watch")) else {
        return;
    };
    screen.until("\u{1b}[?1049h");
    // These meters end after five readings: the bridge says so, and finds them again, as often as they end.
    // Only what changes is drawn, so words are waited for one by one.
    screen.until("ended");
    screen.until("limiter");
    screen.press("?");
    screen.until("goniometer,");
    screen.press("q");
    let (code, shown) = screen.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("\u{1b}[?1049l"), "the screen that was there comes back: {shown}");
}
