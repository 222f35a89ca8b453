// SPDX-License-Identifier: MIT OR Apache-2.0
//! The supervisor's thread: engines, the clock, status.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Backend, Shared, State};
use crate::audio::clock::{Clock, DEFAULT_PERIOD, DEFAULT_RATE, age_limit};
use crate::audio::connections::Pair;
use crate::audio::jack::{Phase, Session};
use crate::audio::seat::{Seat, Seated};
use crate::audio::source::{DemoSource, FileSource, Source};
use crate::files::AudioReader;

/// How often it looks around. Also the pace at which what came home is collected.
const TICK: Duration = Duration::from_millis(5);

/// Who has the engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Clock,
    Jack,
}

/// When a driver last did something.
pub(super) struct Pulse {
    pub(super) cycles: u64,
    pub(super) since: Instant,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Pulse { cycles: 0, since: Instant::now() }
    }

    /// The age of the last cycle.
    pub(super) fn age(&mut self, cycles: u64) -> Duration {
        if cycles != self.cycles {
            *self = Pulse { cycles, since: Instant::now() };
        }
        self.since.elapsed()
    }
}

/// The supervisor's thread.
pub(super) struct Body {
    pub(super) shared: Arc<Shared>,
    pub(super) backend: Backend,
    pub(super) clock: Option<Clock>,
    pub(super) session: Option<Session>,
    pub(super) place: Place,
    pub(super) pulse: Pulse,
    pub(super) clock_pulse: Pulse,
    /// The rack as it is cannot be built; since the last attempt.
    pub(super) missing: Option<Instant>,
    pub(super) hung: bool,
    /// Cycles of the session when it was found hung.
    pub(super) hung_at: u64,
    pub(super) origins: u64,
    pub(super) xruns: Xruns,
    /// Periods that the file that plays was not decoded in time for.
    pub(super) glitches: Arc<AtomicU64>,
    pub(super) lost_engines: u64,
    pub(super) remembered: Vec<Pair>,
    pub(super) told_waiting: bool,
}

/// Counted over all sessions, logged at most once a second.
pub(super) struct Xruns {
    pub(super) total: u64,
    pub(super) session: u64,
    pub(super) logged: u64,
    pub(super) at: Instant,
}

impl Body {
    pub(super) fn new(shared: Arc<Shared>, backend: Backend) -> Self {
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
            glitches: Arc::default(),
            lost_engines: 0,
            remembered: Vec::new(),
            told_waiting: false,
        }
    }

    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        let (rate, period) = match &self.backend {
            Backend::Clock { rate, period, input: None } => (rate.unwrap_or(DEFAULT_RATE), *period),
            Backend::Clock { period, input: Some(path), .. } => {
                (AudioReader::open(path)?.spec().sample_rate, *period)
            }
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
    pub(super) fn source(&self, rate: u32) -> anyhow::Result<Source> {
        let layout = self.shared.control().plan().layout.clone();
        Ok(match &self.backend {
            Backend::Clock { input: Some(path), .. } => {
                Source::File(FileSource::open(path)?.counting(self.glitches.clone()))
            }
            Backend::Clock { input: None, .. } => Source::Demo(DemoSource::new(rate, &layout)),
            Backend::Jack { .. } => Source::Silence,
        })
    }

    pub(super) fn run(mut self) {
        while !self.shared.stop.load(Ordering::Acquire) {
            self.shared.rounds.fetch_add(1, Ordering::Relaxed);
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

    pub(super) fn build(&self, rate: u32) -> Result<Box<Seated>, lathe_core::engine::BuildError> {
        self.shared.control().start(rate).map(Seated::new)
    }

    pub(super) fn seat_in_clock(&mut self, seated: Box<Seated>) {
        if let Some(clock) = &self.clock {
            drop(clock.seat.put(seated));
            self.place = Place::Clock;
        }
    }

    /// The seat of the driver that has the engine.
    pub(super) fn seat(&self) -> Option<(&Seat, u32, usize)> {
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
    pub(super) fn engine_for(&mut self, rate: u32) -> Option<Box<Seated>> {
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
    pub(super) fn mend(&mut self) {
        let Some((seat, rate, _)) = self.seat() else { return };
        seat.clear_parked();
        let wrecked = seat.is_wrecked();
        if wrecked && self.missing.is_none() {
            tracing::error!("the engine failed; its input passes until another is built");
            self.lost_engines += 1;
        }
        if rate == 0 {
            return; // the session has not met its server yet
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
    pub(super) fn watch_clock(&mut self) {
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

    pub(super) fn start_clock(&mut self, source: Source, rate: u32, period: usize) -> std::io::Result<()> {
        let channels = self.shared.control().plan().layout.len();
        self.clock = Some(Clock::start(source, channels, rate, period)?);
        self.clock_pulse = Pulse::new();
        Ok(())
    }

    /// Engine from the server's seat to a clock that nobody hears.
    pub(super) fn fall_to_clock(&mut self) {
        let rate = self.seat().map_or(DEFAULT_RATE, |(_, rate, _)| rate);
        let rate = if rate == 0 { DEFAULT_RATE } else { rate };
        // A rack that does not run at the server's rate may at another.
        let (seated, rate) = match self.engine_for(rate) {
            Some(seated) => (seated, rate),
            None => match self.build(DEFAULT_RATE) {
                Ok(seated) => (seated, DEFAULT_RATE),
                Err(_) => return,
            },
        };
        self.missing = None;
        if let Some(clock) = self.clock.take() {
            clock.stop();
        }
        match self.start_clock(Source::Silence, rate, DEFAULT_PERIOD) {
            Ok(()) => self.seat_in_clock(seated),
            Err(error) => tracing::error!(%error, "the clock cannot be started"),
        }
    }

    pub(super) fn stop_clock(&mut self) {
        if let Some(clock) = self.clock.take() {
            clock.stop();
        }
    }

    pub(super) fn end(&mut self) {
        self.end_session(Duration::from_millis(700));
        self.stop_clock();
    }

    // Status.

    pub(super) fn publish(&mut self) {
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
        if let Some((seat, ..)) = self.seat() {
            *self.shared.load.lock().unwrap_or_else(PoisonError::into_inner) = seat.load.clone();
        }
        let state = self.describe(engine);
        let mut shown = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != state {
            *shown = state;
            self.shared.changed.notify_all();
        }
    }

    pub(super) fn describe(&self, engine_latency: usize) -> State {
        let mut state = State {
            backend: "jack",
            source: "none",
            latency: engine_latency,
            hung: self.hung,
            xruns: self.xruns.total + self.glitches.load(Ordering::Relaxed),
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
                state.rolling = shared.rolling();
            }
            _ => state.latency = 0,
        }
        state
    }
}

impl Xruns {
    pub(super) fn count(&mut self, session: u64) {
        self.total += session.saturating_sub(self.session);
        self.session = session;
        if self.total != self.logged && self.at.elapsed() > Duration::from_secs(1) {
            tracing::warn!(new = self.total - self.logged, total = self.total, "xruns");
            (self.logged, self.at) = (self.total, Instant::now());
        }
    }
}
