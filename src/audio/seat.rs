// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where an engine sits while a driver runs it. Audio thread and supervisor.
//!
//! Each callback takes the box, runs it and puts it back: one atomic swap each way, no waiting. So
//! the supervisor can take the engine from a driver that is gone and give it to another, with all its
//! state. No box is ever dropped by the audio thread: what it cannot put back it parks.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use crossbeam_utils::atomic::AtomicCell;
use lathe_core::engine::{Engine, Frame, Periods, Ports};

use crate::control::load::LoadMeter;

/// An engine ready to be driven, and the period it was last driven at.
pub struct Seated {
    periods: Periods,
    /// 0: not yet driven from this seat.
    period: usize,
}

/// The buffers of a driver, for when there is no engine to fill them.
pub trait DriverPorts: Ports {
    /// Audio thread. Fills the outputs with silence.
    fn silence(&mut self);
    /// Audio thread. Passes the input to the outputs.
    fn dry(&mut self);
}

/// One driver's seat.
#[derive(Default)]
pub struct Seat {
    engine: AtomicCell<Option<Box<Seated>>>,
    /// An engine that came back after another had been put in.
    parked: AtomicCell<Option<Box<Seated>>>,
    /// The engine panicked and waits in `parked`; until another comes the input passes.
    wrecked: AtomicBool,
    /// Main was to be silent when the engine panicked.
    quiet: AtomicBool,
    cycles: AtomicU64,
    /// What the driver's callback takes; written by the driver.
    pub load: Arc<LoadMeter>,
}

const _: () = assert!(AtomicCell::<Option<Box<Seated>>>::is_lock_free());

impl Seated {
    /// Control side.
    #[allow(clippy::disallowed_methods, reason = "control side")]
    pub fn new(engine: Engine) -> Box<Self> {
        Box::new(Seated { periods: Periods::new(engine, lathe_core::dsp::QUANTUM), period: 0 })
    }

    /// Control side. Main begins in silence and fades in.
    pub fn fade_in(&mut self) {
        self.periods.engine_mut().fade_in();
    }

    pub fn engine(&self) -> &Engine {
        self.periods.engine()
    }
}

impl Seat {
    /// Supervisor. Puts an engine in; returns one that sat there.
    pub fn put(&self, mut seated: Box<Seated>) -> Option<Box<Seated>> {
        seated.period = 0;
        let earlier = self.engine.swap(Some(seated));
        self.wrecked.store(false, Ordering::Release);
        earlier
    }

    /// Supervisor. Takes the engine away, waiting up to `patience` for a callback that has it.
    #[allow(clippy::disallowed_methods, reason = "control side")]
    pub fn take(&self, patience: Duration) -> Option<Box<Seated>> {
        let end = std::time::Instant::now() + patience;
        loop {
            if let Some(seated) = self.engine.take() {
                return Some(seated);
            }
            if self.is_wrecked() || std::time::Instant::now() >= end {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Supervisor. Drops what the audio thread could not.
    pub fn clear_parked(&self) {
        drop(self.parked.take());
    }

    /// True if the engine panicked and another is needed.
    pub fn is_wrecked(&self) -> bool {
        self.wrecked.load(Ordering::Acquire)
    }

    /// Callbacks so far.
    pub fn cycles(&self) -> u64 {
        self.cycles.load(Ordering::Relaxed)
    }

    /// Audio thread. One period. Returns the engine's frame of the period's first sample, if an engine
    /// sits here and this is its first period of that length.
    #[rtsan_standalone::nonblocking]
    pub fn run(&self, frames: usize, ports: &mut impl DriverPorts) -> Option<Frame> {
        self.cycles.fetch_add(1, Ordering::Relaxed);
        let Some(mut seated) = self.engine.take() else {
            if self.is_wrecked() && !self.quiet.load(Ordering::Relaxed) {
                ports.dry()
            } else {
                ports.silence()
            }
            return None;
        };
        let first = seated.period != frames;
        if first {
            seated.period = frames;
            seated.periods.set_period(frames);
        }
        let at = seated.periods.engine().frame();
        self.load.enter(at);
        let done = catch_unwind(AssertUnwindSafe(|| seated.periods.run(frames, ports)));
        match done {
            Ok(()) => {
                self.put_back(seated);
                first.then_some(at)
            }
            Err(payload) => {
                // The payload was allocated by the panic and must not be freed here.
                std::mem::forget(payload);
                self.wreck(seated, ports);
                None
            }
        }
    }

    fn put_back(&self, seated: Box<Seated>) {
        if let Some(newer) = self.engine.swap(Some(seated))
            && let Some(older) = self.engine.swap(Some(newer))
        {
            self.park(older);
        }
    }

    /// Audio thread. This period's input goes out as it came in, unless main was to be silent.
    fn wreck(&self, seated: Box<Seated>, ports: &mut impl DriverPorts) {
        let status = seated.engine().status();
        let quiet = status.panic.load(Ordering::Relaxed) || status.closing.load(Ordering::Relaxed);
        if quiet {
            ports.silence()
        } else {
            ports.dry()
        }
        self.park(seated);
        self.quiet.store(quiet, Ordering::Relaxed);
        self.wrecked.store(true, Ordering::Release);
    }

    /// Audio thread. The supervisor empties the place every few milliseconds; a second box before that
    /// is leaked rather than freed.
    fn park(&self, seated: Box<Seated>) {
        std::mem::forget(self.parked.swap(Some(seated)));
    }
}

thread_local! {
    /// Set on threads that must not print.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Silences the panic message of the calling thread. Audio thread, once at its start.
pub fn silence_panics_here() {
    QUIET.set(true);
}

/// Installs the panic hook that knows of [`silence_panics_here`]. Main thread, at the start.
#[allow(clippy::disallowed_methods, reason = "control side")]
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let earlier = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                earlier(info);
            }
        }));
    });
}
