// SPDX-License-Identifier: MIT OR Apache-2.0
//! Owns whoever drives the engine, on a thread of its own: waits for a server, hands the engine over,
//! watches, and takes it back.
//!
//! There is always a driver. While no server drives, a clock that nobody hears does, so changes are
//! still applied. This thread makes no call that waits for a server; sessions do ([`super::jack`]).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::{Clock, DEFAULT_PERIOD, DEFAULT_RATE, age_limit};
use super::connections::Pair;
use super::jack::{ANSWER, Phase, PortNames, Session, SessionSettings};
use super::seat::{Seat, Seated};
use super::source::{DemoSource, FileSource, Source};
use crate::control::Control;

/// How often it looks around. Also the pace at which what came home is collected.
const TICK: Duration = Duration::from_millis(5);

/// Who is to drive.
#[derive(Clone, Debug)]
pub enum Backend {
    Jack { client_name: String, connect: Vec<Pair> },
    Clock { rate: Option<u32>, period: usize, input: Option<std::path::PathBuf> },
}

/// What drives now, for people and programs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// `jack` or `clock`.
    pub backend: &'static str,
    /// `jack`, `demo`, `file` or `none`.
    pub source: &'static str,
    /// Of the audible driver, 0 while there is none.
    pub rate: u32,
    pub period: usize,
    /// Frames from main in to main out, the driver's own included.
    pub latency: usize,
    /// Someone can hear it, or could: a server or the clock asked for drives.
    pub audible: bool,
    /// The server's last cycle is too old.
    pub hung: bool,
    /// Glitches that JACK told of.
    pub xruns: u64,
    /// Engines lost to a panic or a hung driver.
    pub lost_engines: u64,
}

/// Between the supervisor and whoever asks.
pub struct Shared {
    pub control: Mutex<Control>,
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    /// The rack's ports changed: another engine and other ports are needed.
    reopen: AtomicBool,
    /// There is something to say in a ready line.
    ready: AtomicBool,
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

    /// Asks for a new engine with the ports of the rack as it is now.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }
}

impl Supervisor {
    /// Starts driving. A file that cannot be opened is the only error that can be told at once.
    pub fn start(control: Control, backend: Backend) -> anyhow::Result<Supervisor> {
        let shared = Arc::new(Shared {
            control: Mutex::new(control),
            state: Mutex::default(),
            changed: Condvar::new(),
            stop: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            ready: AtomicBool::new(false),
        });
        let mut body = Body::new(shared.clone(), backend);
        body.begin()?;
        let thread = std::thread::Builder::new().name("supervisor".into()).spawn(move || body.run())?;
        Ok(Supervisor { shared, thread })
    }

    /// Waits until audio runs, or until it is clear that no server is there yet.
    pub fn wait_ready(&self) -> State {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.shared.ready.load(Ordering::Acquire) && !self.thread.is_finished() {
            let wait = self.shared.changed.wait_timeout(state, Duration::from_millis(50));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.clone()
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

/// Who has the engine.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Clock,
    Jack,
}

/// When a driver last did something.
struct Pulse {
    cycles: u64,
    since: Instant,
}

impl Pulse {
    fn new() -> Self {
        Pulse { cycles: 0, since: Instant::now() }
    }

    /// The age of the last cycle.
    fn age(&mut self, cycles: u64) -> Duration {
        if cycles != self.cycles {
            *self = Pulse { cycles, since: Instant::now() };
        }
        self.since.elapsed()
    }
}

/// The supervisor's thread.
struct Body {
    shared: Arc<Shared>,
    backend: Backend,
    clock: Option<Clock>,
    session: Option<Session>,
    place: Place,
    pulse: Pulse,
    clock_pulse: Pulse,
    /// The rack as it is cannot be built; since the last attempt.
    missing: Option<Instant>,
    hung: bool,
    /// Cycles of the session when it was found hung.
    hung_at: u64,
    origins: u64,
    xruns: Xruns,
    lost_engines: u64,
    remembered: Vec<Pair>,
    told_waiting: bool,
}

/// Counted over all sessions, logged at most once a second.
struct Xruns {
    total: u64,
    session: u64,
    logged: u64,
    at: Instant,
}

impl Body {
    fn new(shared: Arc<Shared>, backend: Backend) -> Self {
        Body {
            shared,
            backend,
            clock: None,
            session: None,
            place: Place::Clock,
            pulse: Pulse::new(),
            clock_pulse: Pulse::new(),
            missing: None,
            hung: false,
            hung_at: 0,
            origins: 0,
            xruns: Xruns { total: 0, session: 0, logged: 0, at: Instant::now() },
            lost_engines: 0,
            remembered: Vec::new(),
            told_waiting: false,
        }
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let (rate, period) = match &self.backend {
            Backend::Clock { rate, period, input: None } => (rate.unwrap_or(DEFAULT_RATE), *period),
            Backend::Clock { period, input: Some(path), .. } => (FileSource::open(path)?.rate(), *period),
            Backend::Jack { .. } => (DEFAULT_RATE, DEFAULT_PERIOD),
        };
        let seated = self.build(rate)?;
        let source = self.source(rate)?;
        self.start_clock(source, rate, period)?;
        self.seat_in_clock(seated);
        self.start_session();
        Ok(())
    }

    /// What the clock plays.
    fn source(&self, rate: u32) -> anyhow::Result<Source> {
        let layout = self.shared.control().plan().layout.clone();
        Ok(match &self.backend {
            Backend::Clock { input: Some(path), .. } => Source::File(FileSource::open(path)?),
            Backend::Clock { input: None, .. } => Source::Demo(DemoSource::new(rate, &layout)),
            Backend::Jack { .. } => Source::Silence,
        })
    }

    fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.control().tick();
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.reopen();
            }
            self.mend();
            self.watch_clock();
            self.follow_session();
            self.publish();
            std::thread::sleep(TICK);
        }
        self.end();
    }

    // Engines.

    fn build(&self, rate: u32) -> Result<Box<Seated>, lathe_core::engine::BuildError> {
        self.shared.control().start(rate).map(Seated::new)
    }

    fn seat_in_clock(&mut self, seated: Box<Seated>) {
        if let Some(clock) = &self.clock {
            drop(clock.seat.put(seated));
            self.place = Place::Clock;
        }
    }

    /// The seat of the driver that has the engine.
    fn seat(&self) -> Option<(&Seat, u32, usize)> {
        match self.place {
            Place::Clock => self.clock.as_ref().map(|c| (&*c.seat, c.rate, c.period)),
            Place::Jack => self.session.as_ref().map(|s| {
                let shared = &s.shared;
                let period = shared.period.load(Ordering::Relaxed) as usize;
                (&shared.seat, shared.rate.load(Ordering::Relaxed), period)
            }),
        }
    }

    /// Takes the engine from whoever has it; if that one is stuck in it, or it is another rate that is
    /// wanted, builds another.
    fn engine_for(&mut self, rate: u32) -> Option<Box<Seated>> {
        let held = self.seat().and_then(|(seat, rate, period)| seat.take(age_limit(rate, period)));
        match held {
            Some(seated) if seated.engine().sample_rate() == rate => Some(seated),
            held => {
                if held.is_none() {
                    self.lost_engines += 1;
                    tracing::error!("the engine is stuck in a driver that hangs; another is built");
                }
                self.build(rate)
                    .inspect_err(|error| {
                        tracing::error!(%error, rate, "the rack does not run at this sample rate; silence");
                    })
                    .ok()
            }
        }
    }

    /// Replaces an engine that panicked, or that could not be built for the rack as it was.
    fn mend(&mut self) {
        let Some((seat, rate, _)) = self.seat() else { return };
        seat.clear_parked();
        let wrecked = seat.is_wrecked();
        if wrecked && self.missing.is_none() {
            tracing::error!("the engine failed; its input passes until another is built");
            self.lost_engines += 1;
        }
        let again = self.missing.is_some_and(|since| since.elapsed() > Duration::from_secs(1));
        if !again && (!wrecked || self.missing.is_some()) {
            return;
        }
        match self.build(rate) {
            Ok(seated) => {
                self.missing = None;
                if let Some((seat, ..)) = self.seat() {
                    drop(seat.put(seated));
                }
            }
            Err(error) => {
                if self.missing.replace(Instant::now()).is_none() {
                    tracing::error!(%error, "no other engine can be built; trying again");
                }
            }
        }
    }

    /// A clock that is stuck is left to its fate, and another is started with another engine.
    fn watch_clock(&mut self) {
        let Some(clock) = self.clock.as_ref().filter(|_| self.place == Place::Clock) else { return };
        let (rate, period) = (clock.rate, clock.period);
        if self.clock_pulse.age(clock.seat.cycles()) <= clock.age_limit() {
            return;
        }
        tracing::error!("the clock hangs; another is started");
        let Some(seated) = self.engine_for(rate) else { return };
        let started = self.source(rate).and_then(|source| Ok(self.start_clock(source, rate, period)?));
        match started {
            Ok(()) => self.seat_in_clock(seated),
            Err(error) => tracing::error!(%error, "the clock cannot be started"),
        }
    }

    // The clock.

    fn start_clock(&mut self, source: Source, rate: u32, period: usize) -> std::io::Result<()> {
        let channels = self.shared.control().plan().layout.len();
        self.clock = Some(Clock::start(source, channels, rate, period)?);
        self.clock_pulse = Pulse::new();
        Ok(())
    }

    /// Engine from the server's seat to a clock that nobody hears.
    fn fall_to_clock(&mut self) {
        let rate = self.seat().map_or(DEFAULT_RATE, |(_, rate, _)| rate);
        let Some(seated) = self.engine_for(rate) else { return };
        if let Some(clock) = self.clock.take() {
            clock.stop();
        }
        match self.start_clock(Source::Silence, rate, DEFAULT_PERIOD) {
            Ok(()) => self.seat_in_clock(seated),
            Err(error) => tracing::error!(%error, "the clock cannot be started"),
        }
    }

    // Sessions.

    fn start_session(&mut self) {
        let Backend::Jack { client_name, connect } = &self.backend else { return };
        let settings = SessionSettings {
            client_name: client_name.clone(),
            ports: PortNames::new(self.shared.control().plan()),
            connect: connect.clone(),
            remembered: std::mem::take(&mut self.remembered),
        };
        (self.origins, self.xruns.session, self.hung) = (0, 0, false);
        self.pulse = Pulse::new();
        match Session::start(settings) {
            Ok(session) => self.session = Some(session),
            Err(error) => tracing::error!(%error, "cannot look for a JACK server; trying again"),
        }
    }

    fn follow_session(&mut self) {
        if !matches!(self.backend, Backend::Jack { .. }) {
            return;
        }
        let Some(session) = &self.session else { return self.start_session() };
        let shared = session.shared.clone();
        match shared.phase() {
            Phase::Waiting => self.tell_waiting(&shared),
            Phase::Opened => self.seat_in_session(&shared),
            Phase::Seated => self.pulse = Pulse::new(),
            Phase::Active => self.watch(&shared),
            Phase::Over => {}
        }
        if shared.gone.load(Ordering::Acquire) || shared.phase() == Phase::Over {
            self.lose(&shared);
        }
    }

    fn tell_waiting(&mut self, shared: &super::jack::Shared) {
        let silent = shared.attempts.load(Ordering::Acquire) == 0;
        if self.told_waiting || silent && self.pulse.since.elapsed() < ANSWER {
            return;
        }
        self.told_waiting = true;
        match shared.name_taken.load(Ordering::Relaxed) {
            true => {
                tracing::warn!("another JACK client has this name (see --client-name); waiting for it to go")
            }
            false => tracing::warn!("no JACK server answers; waiting for one"),
        }
        self.shared.ready.store(true, Ordering::Release);
    }

    fn seat_in_session(&mut self, shared: &super::jack::Shared) {
        let rate = shared.rate.load(Ordering::Relaxed);
        let seated = self.engine_for(rate);
        self.missing = seated.is_none().then(Instant::now);
        if let Some(seated) = seated {
            shared.engine_latency.store(seated.engine().latency(), Ordering::Relaxed);
            drop(shared.seat.put(seated));
        }
        self.place = Place::Jack;
        self.pulse = Pulse::new();
        shared.advance(Phase::Seated);
        self.stop_clock();
    }

    fn stop_clock(&mut self) {
        if let Some(clock) = self.clock.take() {
            clock.stop();
        }
    }

    /// The watchdog, and what the audio thread left to be said.
    fn watch(&mut self, shared: &super::jack::Shared) {
        let rate = shared.rate.load(Ordering::Relaxed);
        let period = shared.period.load(Ordering::Relaxed) as usize;
        let cycles = shared.seat.cycles();
        let age = self.pulse.age(cycles);
        if !self.hung && age > age_limit(rate, period) {
            tracing::warn!(age_ms = age.as_millis() as u64, "the JACK server hangs; going on unheard");
            (self.hung, self.hung_at) = (true, cycles);
            self.fall_to_clock();
            self.shared.ready.store(true, Ordering::Release);
        } else if self.hung && cycles > self.hung_at + 1 {
            tracing::info!("the JACK server goes on");
            self.hung = false;
            if self.place == Place::Clock {
                // An engine that was stuck may have come back to the session's seat.
                drop(shared.seat.take(Duration::ZERO));
                self.seat_in_session(shared);
            }
        }
        self.told_waiting = false;
        let (origins, engine_frame, jack_frame) = shared.origin();
        if origins != self.origins && !shared.gone.load(Ordering::Acquire) {
            self.origins = origins;
            let latency = shared.latency();
            tracing::info!(engine_frame, jack_frame, rate, period, latency, "JACK drives");
            self.shared.ready.store(true, Ordering::Release);
        }
    }

    /// The server is gone: first the engine, then the session.
    fn lose(&mut self, shared: &super::jack::Shared) {
        if self.place == Place::Jack {
            tracing::warn!("the JACK server is gone; going on unheard");
            self.fall_to_clock();
        }
        if shared.phase() == Phase::Over
            && let Some(session) = self.session.take()
        {
            self.remembered = session.finish();
            self.start_session();
        }
    }

    /// Other ports: out, and in again with another engine.
    fn reopen(&mut self) {
        fade_out(&self.shared);
        let rate = self.seat().map_or(DEFAULT_RATE, |(_, rate, _)| rate);
        let seated = match self.build(rate) {
            Ok(seated) => seated,
            Err(error) => return tracing::error!(%error, "the new rack does not run"),
        };
        if let Some((seat, rate, period)) = self.seat() {
            drop(seat.take(age_limit(rate, period)));
        }
        let period = self.clock.as_ref().map_or(DEFAULT_PERIOD, |c| c.period);
        let played = self.clock.take().and_then(Clock::stop);
        let source = match played {
            Some(file @ Source::File(_)) => Ok(file),
            _ => self.source(rate),
        };
        match source.and_then(|source| Ok(self.start_clock(source, rate, period)?)) {
            Ok(()) => self.seat_in_clock(seated),
            Err(error) => tracing::error!(%error, "the clock cannot be started"),
        }
        self.end_session(Duration::from_millis(500));
        self.start_session();
    }

    /// Asks the session to close and waits for it that long; one that does not is left to its fate.
    fn end_session(&mut self, patience: Duration) {
        let Some(session) = self.session.take() else { return };
        session.shared.stop.store(true, Ordering::Release);
        let end = Instant::now() + patience;
        while session.shared.phase() < Phase::Over && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.remembered = session.finish();
    }

    fn end(&mut self) {
        self.end_session(Duration::from_millis(700));
        self.stop_clock();
    }

    // Status.

    fn publish(&mut self) {
        let engine = self.shared.control().status().map_or(0, |s| s.latency.load(Ordering::Relaxed));
        if let Some(session) = &self.session {
            let ours = &session.shared;
            if ours.phase() == Phase::Active && ours.engine_latency.swap(engine, Ordering::Relaxed) != engine
            {
                tracing::info!(latency = ours.latency(), "latency changed");
                ours.recompute.store(true, Ordering::Release);
            }
            let session = ours.xruns.load(Ordering::Relaxed);
            self.xruns.count(session);
        }
        let state = self.describe(engine);
        let mut shown = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != state {
            *shown = state;
            self.shared.changed.notify_all();
        }
    }

    fn describe(&self, engine_latency: usize) -> State {
        let mut state = State {
            backend: "jack",
            source: "none",
            latency: engine_latency,
            hung: self.hung,
            xruns: self.xruns.total,
            lost_engines: self.lost_engines,
            ..State::default()
        };
        match (&self.backend, self.place, &self.session, &self.clock) {
            (Backend::Clock { input, .. }, _, _, Some(clock)) => {
                state.backend = "clock";
                state.source = if input.is_some() { "file" } else { "demo" };
                (state.rate, state.period) = (clock.rate, clock.period);
                state.latency += if clock.period.is_multiple_of(lathe_core::dsp::QUANTUM) { 0 } else { 64 };
                state.audible = true;
                self.shared.ready.store(true, Ordering::Release);
            }
            (Backend::Jack { .. }, Place::Jack, Some(session), _) => {
                let shared = &session.shared;
                state.source = "jack";
                state.rate = shared.rate.load(Ordering::Relaxed);
                state.period = shared.period.load(Ordering::Relaxed) as usize;
                state.latency = shared.latency() as usize;
                state.audible = !self.hung;
            }
            _ => state.latency = 0,
        }
        state
    }
}

impl Xruns {
    fn count(&mut self, session: u64) {
        self.total += session.saturating_sub(self.session);
        self.session = session;
        if self.total != self.logged && self.at.elapsed() > Duration::from_secs(1) {
            tracing::warn!(new = self.total - self.logged, total = self.total, "xruns");
            (self.logged, self.at) = (self.total, Instant::now());
        }
    }
}
