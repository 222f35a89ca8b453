// SPDX-License-Identifier: MIT OR Apache-2.0
//! Owns whoever drives the engine, on a thread of its own: waits for a server, hands the engine over,
//! watches, and takes it back.
//!
//! There is always a driver. While no server drives, a clock that nobody hears does, so changes are
//! still applied. This thread makes no call that waits for a server; sessions do ([`super::jack`]).

mod body;
mod sessions;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use self::body::Body;
use super::connections::Pair;
use crate::control::load::LoadMeter;
use crate::control::{Control, Host};

/// Who is to drive.
#[derive(Clone, Debug)]
pub enum Backend {
    Jack { client_name: String, connect: Vec<Pair> },
    Clock { rate: Option<u32>, period: usize, input: Option<std::path::PathBuf> },
}

pub use crate::control::host::AudioState as State;

/// Between the supervisor and whoever asks.
pub struct Shared {
    pub control: Mutex<Control>,
    state: Mutex<State>,
    /// Of the seat that drives.
    load: Mutex<Arc<LoadMeter>>,
    changed: Condvar,
    stop: AtomicBool,
    /// The rack's ports changed: another engine and other ports are needed.
    reopen: AtomicBool,
    /// There is something to say in a ready line.
    ready: AtomicBool,
    /// Rounds of the supervisor's thread.
    rounds: AtomicU64,
}

/// The running supervisor.
pub struct Supervisor {
    pub shared: Arc<Shared>,
    thread: std::thread::JoinHandle<()>,
}

impl Shared {
    pub fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes up as long as the supervisor works.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// Asks for a new engine with the ports of the rack as it is now.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }
}

impl Host for Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        Shared::control(self)
    }
    fn audio(&self) -> State {
        self.state()
    }
    fn reopen(&self) {
        Shared::reopen(self);
    }
    fn load(&self) -> Option<Arc<LoadMeter>> {
        Some(self.load.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Supervisor {
    /// Starts driving. A file that cannot be opened is the only error that can be told at once.
    pub fn start(control: Control, backend: Backend) -> anyhow::Result<Supervisor> {
        let shared = Arc::new(Shared {
            control: Mutex::new(control),
            state: Mutex::default(),
            load: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            rounds: AtomicU64::new(0),
        });
        let mut body = Body::new(shared.clone(), backend);
        body.begin()?;
        let thread = std::thread::Builder::new().name("supervisor".into()).spawn(move || body.run())?;
        Ok(Supervisor { shared, thread })
    }

    /// True once audio runs or it is clear that no server is there yet; waits that long at most.
    pub fn is_ready(&self, patience: Duration) -> bool {
        let state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = || self.shared.ready.load(Ordering::Acquire) || self.thread.is_finished();
        if !ready() {
            drop(self.shared.changed.wait_timeout(state, patience));
        }
        ready()
    }

    /// False if the thread has failed: nobody would look after the audio.
    pub fn is_running(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Waits until audio runs, or until it is clear that no server is there yet.
    pub fn wait_ready(&self) -> State {
        while !self.is_ready(Duration::from_millis(50)) {}
        self.shared.state()
    }

    /// Fades out, then ends within about a second, whatever the server does.
    pub fn stop(self) {
        fade_out(&self.shared);
        self.shared.stop.store(true, Ordering::Release);
        let end = Instant::now() + Duration::from_secs(1);
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Asks for the 50 ms fade and waits until it has been heard, or is late.
fn fade_out(shared: &Shared) {
    let Some(status) = shared.control().status().cloned() else { return };
    status.closing.store(true, Ordering::Relaxed);
    let state = shared.state();
    let end = Instant::now() + Duration::from_millis(300);
    while !status.silent.load(Ordering::Relaxed) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(1));
    }
    if state.rate > 0 {
        // What was rendered last is still on its way.
        let periods = 2.0 * state.period as f64 / f64::from(state.rate);
        std::thread::sleep(Duration::from_secs_f64(periods.min(0.3)));
    }
}
