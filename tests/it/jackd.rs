// SPDX-License-Identifier: MIT OR Apache-2.0
//! A private JACK server without hardware, one a test, killed by its own process id.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Waits for a condition, never for a time alone. Panics with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "timed out after {limit:?} waiting for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(done.is_ok_and(|s| s.success()), "kill -{name} {pid}");
}

/// A server name that no other test process uses. (A killed server leaks its name until a server of the
/// same name starts again, so names are few and fixed.)
struct Name {
    name: String,
    _lock: File,
}

impl Name {
    fn take() -> Name {
        wait_for("a free server name", Duration::from_secs(120), || {
            (0..4).find_map(|n| {
                let name = format!("lathe-t{n}");
                let lock = File::create(std::env::temp_dir().join(format!("{name}.lock"))).ok()?;
                lock.try_lock().ok()?;
                Some(Name { name, _lock: lock })
            })
        })
    }
}

/// A running server.
pub struct Jackd {
    name: Name,
    child: Option<Child>,
    /// Two cores: one server at a time keeps xruns rare. `None`: it runs beside another one of the same test.
    _alone: Option<MutexGuard<'static, ()>>,
}

impl Jackd {
    pub fn start(rate: u32, period: u32) -> Jackd {
        let mut server = Jackd::none();
        server.run(rate, period);
        server
    }

    /// A name, but no server yet.
    pub fn none() -> Jackd {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        Jackd { name: Name::take(), child: None, _alone: Some(alone) }
    }

    /// A second server at once, to compare with.
    pub fn beside(_: &Jackd, rate: u32, period: u32) -> Jackd {
        let mut server = Jackd { name: Name::take(), child: None, _alone: None };
        server.run(rate, period);
        server
    }

    pub fn name(&self) -> &str {
        &self.name.name
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("a server runs").id()
    }

    /// Starts the server and waits until it answers.
    pub fn run(&mut self, rate: u32, period: u32) {
        let (rate, period) = (rate.to_string(), period.to_string());
        let child = Command::new("jackd")
            .args(["-S", "-n", self.name(), "-p", "64", "-d", "dummy", "-r", &rate, "-p", &period])
            .env("JACK_NO_START_SERVER", "1")
            .env("JACK_NO_AUDIO_RESERVATION", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("jackd is installed (package jackd2)");
        self.child = Some(child);
        wait_for("jackd to answer", Duration::from_secs(10), || self.lsp(&[]));
    }

    /// Ends the server as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What `jack_lsp` says, `None` if no server answers.
    pub fn lsp(&self, args: &[&str]) -> Option<String> {
        let out = self.tool("jack_lsp").args(["-s", self.name()]).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    }

    /// One of JACK's own tools, speaking to this server.
    pub fn tool(&self, name: &str) -> Command {
        let mut c = Command::new(name);
        c.env("JACK_DEFAULT_SERVER", self.name()).env("JACK_NO_START_SERVER", "1").stdin(Stdio::null());
        c
    }

    pub fn connect(&self, from: &str, to: &str) {
        let out = self.tool("jack_connect").args(["-s", self.name(), from, to]).output().unwrap();
        assert!(out.status.success(), "jack_connect {from} {to}: {out:?}");
    }

    /// True if these two ports are connected.
    pub fn is_connected(&self, from: &str, to: &str) -> bool {
        let listing = self.lsp(&["-c"]).unwrap_or_default();
        let mut port = "";
        listing.lines().any(|line| match line.strip_prefix("   ") {
            Some(other) => port == from && other == to,
            None => {
                port = line;
                false
            }
        })
    }
}

impl Drop for Jackd {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signal(child.id(), "CONT");
            signal(child.id(), "TERM");
            let end = Instant::now() + Duration::from_secs(3);
            while matches!(child.try_wait(), Ok(None)) && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
