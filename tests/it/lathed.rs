// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon as a child process: its ready line, its log, its end.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::jackd::{Jackd, signal, wait_for};

/// A rack that passes every bit.
pub const GAIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/gain.toml");

pub struct Lathed {
    child: Child,
    /// What the ready line says.
    pub ready: HashMap<String, String>,
    pub start_to_ready: Duration,
    log: Arc<Mutex<Vec<String>>>,
    stdout: Arc<Mutex<Vec<String>>>,
}

/// `engine_frame=… jack_frame=…` and the rest of that line.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    pub engine_frame: u64,
    pub jack_frame: u32,
    pub period: u32,
}

impl Lathed {
    /// Addresses are taken only by tests that ask for them.
    pub fn command(args: &[&str]) -> Command {
        let off = ["--osc", "--http"].into_iter().filter(|flag| !args.contains(flag));
        let mut all: Vec<&str> = off.flat_map(|flag| [flag, "off"]).collect();
        all.extend(args);
        Lathed::plain(&all)
    }

    /// With these flags and no others.
    pub fn plain(args: &[&str]) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_lathed"));
        c.args(args).env("JACK_NO_START_SERVER", "1").stdin(Stdio::null());
        for name in ["LATHE_LOG", "STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM"] {
            c.env_remove(name);
        }
        // A state of its own: one directory, one daemon.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let state = format!("{}/state-{}-{number}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        c.env("XDG_STATE_HOME", state);
        c
    }

    /// Starts on a JACK server and waits for the ready line.
    pub fn on(server: &Jackd, args: &[&str]) -> Lathed {
        let mut all = vec!["--backend", "jack", "--jack-server", server.name()];
        all.extend(args);
        Lathed::start(&all)
    }

    pub fn start(args: &[&str]) -> Lathed {
        Lathed::launch(Lathed::command(args))
    }

    /// Waits for the ready line of any command.
    pub fn launch(mut command: Command) -> Lathed {
        let begin = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lathed");
        let stdout = collect(child.stdout.take().unwrap());
        let log = collect(child.stderr.take().unwrap());
        let first = wait_for("the ready line", Duration::from_secs(10), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("lathed ended with {status}: {:?}", log.lock().unwrap());
            }
            stdout.lock().unwrap().first().cloned()
        });
        let start_to_ready = begin.elapsed();
        assert!(first.starts_with("ready "), "{first}");
        let pairs = first.split(' ').skip(1).filter_map(|p| p.split_once('='));
        let ready = pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Lathed { child, ready, start_to_ready, log, stdout }
    }

    pub fn ready(&self, key: &str) -> &str {
        self.ready.get(key).unwrap_or_else(|| panic!("no {key} in the ready line"))
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Lines of stdout so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().unwrap().clone()
    }

    /// Waits until the log, from line `from` on, has a line with these words.
    pub fn wait_log(&self, from: usize, words: &str) -> String {
        wait_for(&format!("{words:?} in the log"), Duration::from_secs(5), || {
            self.log.lock().unwrap().iter().skip(from).find(|l| l.contains(words)).cloned()
        })
    }

    /// The last origin that was logged.
    pub fn origin(&self) -> Option<Origin> {
        let log = self.log();
        let line = log.iter().rev().find(|l| l.contains("engine_frame="))?;
        let number = |key: &str| {
            let at = line.find(key)? + key.len();
            line[at..].split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        Some(Origin {
            engine_frame: number("engine_frame=")?,
            jack_frame: number("jack_frame=")? as u32,
            period: number(" period=")? as u32,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Xruns that the daemon has logged.
    pub fn xruns(&self) -> usize {
        self.log().iter().filter(|l| l.contains("xruns")).count()
    }

    /// Open files, threads, and resident memory in KiB.
    pub fn size(&self) -> (usize, usize, usize) {
        let of =
            |dir| std::fs::read_dir(format!("/proc/{}/{dir}", self.child.id())).map_or(0, Iterator::count);
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap_or_default();
        let resident = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        (of("fd"), of("task"), resident)
    }

    /// Waits for the end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the end of lathed", limit, || child.try_wait().ok().flatten())
    }
}

impl Drop for Lathed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of lathed:\n{}", self.log().join("\n"));
        }
    }
}

fn collect(stream: impl std::io::Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let ours = lines.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            ours.lock().unwrap().push(line);
        }
    });
    lines
}
