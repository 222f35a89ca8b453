// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads taps and what the engine shows of itself, on a thread of its own; every subscriber at its own rate.
//!
//! The newest frame wins and no maximum is lost: a frame that its reader did not take in time is merged
//! into the next. Taps are armed on first use, shared between subscribers, and freed with the last.
//!
//! | file | what it is |
//! |---|---|
//! | [`alarms`] | silence, stuck and inverted channels and a wrong clock, told once when they begin and end |
//! | `clock` | how fast frames pass, beside the machine's clock |
//! | [`extras`] | readings beyond the usual ones, a line each |
//! | [`views`] | spectra, rows, transfers, pairs: what they are asked for, cost and show |
//! | [`watching`] | who may watch what: checked before it is made |
//! | `open_view` | instruments that run, and their watchers |
//! | [`feed`] | a subscriber's end |
//! | [`frame`] | what it gets, and how two frames become one |
//! | `taps` | open taps with their meters |
//! | [`reference`] | the page of all readings |
//! | `reduction` | gain reduction by the names of slots |
//! | `subscriber` | what the thread knows of one subscriber |
//! | `trail` | gain reduction over time |
//! | `worker` | the thread |

#[cfg(test)]
mod alarm_tests;
pub mod alarms;
mod clock;
pub mod extras;
pub mod feed;
pub mod frame;
mod open_view;
mod reduction;
pub mod reference;
#[cfg(test)]
mod rig;
mod subscriber;
mod taps;
#[cfg(test)]
mod tests;
mod trail;
#[cfg(test)]
mod view_tests;
pub mod views;
pub mod watching;
mod worker;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_core::analysis::spectrum_settings::Refused as BadSetting;

use crate::control::taps::NoTap;
use crate::control::{Client, Handle};

pub use alarms::{Alarm, AlarmEvent, AlarmKind, Raise, Standards};
pub use extras::{EXTRAS, Extra, ExtraReading};
pub use feed::Feed;
pub use frame::{Frame, Load};
pub use views::{BUDGET_NS, Look, MEMORY, Sight, View, Watch};

/// How often taps are read.
const POLL: Duration = Duration::from_millis(5);
/// Most taps open at once; the engine has a few more, for others.
pub const MAX_TAPS: usize = 48;
/// Most subscribers at once, of all transports together.
pub const MAX_SUBSCRIBERS: usize = 256;
/// Frames a second.
pub const RATES: std::ops::RangeInclusive<f64> = 1.0..=60.0;

/// What a subscriber wants to read.
#[derive(Clone, Debug)]
pub struct Want {
    /// Frames a second, 1 … 60.
    pub hz: f64,
    /// `in`, `out`, `monitor`, `<slot>/in`, `<slot>/out`.
    pub taps: Vec<String>,
    /// Gain reduction of every slot that has one.
    pub slots: bool,
    /// Readings of each tap beyond the usual ones.
    pub extras: Vec<&'static Extra>,
}

/// A subscription that cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refused {
    #[error("{0} Hz is not a rate of readings: 1 Hz to 60 Hz")]
    Rate(f64),
    #[error(transparent)]
    Tap(#[from] NoTap),
    #[error("{0} taps would be open at once: at most {MAX_TAPS}")]
    TooMany(usize),
    #[error("{MAX_SUBSCRIBERS} subscribers read meters already, which is the most")]
    Full,
    #[error(transparent)]
    Setting(#[from] BadSetting),
    #[error("a transfer and a comparison of wiring need a reference tap and nothing else does")]
    Reference,
    #[error(
        "the analysis budget of {BUDGET_NS:.0} ns a frame does not hold this: {used:.0} ns are in use and it needs {needed:.0} ns; \
         take fewer signals or smaller transforms, or end another stream"
    )]
    Budget { used: f64, needed: f64 },
    #[error("a delay of {delay} frames is not allowed: 0 to {most} frames")]
    Delay { delay: usize, most: usize },
    #[error(
        "the {:.0} MiB that comparisons of taps may keep do not hold this: {:.1} MiB are in use and it needs {:.1} MiB; \
         take a shorter delay or a smaller transform, or end another stream",
        MEMORY / MIB, used / MIB, needed / MIB
    )]
    Memory { used: f64, needed: f64 },
}

const MIB: f64 = 1_048_576.0;

/// Between the thread and those who ask.
pub(super) struct Shared {
    posts: Mutex<Vec<Arc<feed::Post>>>,
    watches: Mutex<Vec<Arc<feed::Post<Watch, Look>>>>,
    load: Mutex<Load>,
    /// Slots that show a gain reduction, in schedule order.
    reducing: Mutex<Vec<String>>,
    alarms: Mutex<alarms::Board>,
    reset: AtomicBool,
    stop: AtomicBool,
}

/// The readings of the running rack. The thread ends with the last clone.
#[derive(Clone)]
pub struct Telemetry {
    host: Handle,
    shared: Arc<Shared>,
    thread: Option<Arc<std::thread::JoinHandle<()>>>,
    _alive: Arc<Alive>,
}

struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Shared {
            posts: Mutex::default(),
            watches: Mutex::default(),
            load: Mutex::default(),
            reducing: Mutex::default(),
            alarms: Mutex::default(),
            reset: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        })
    }

    fn posts(&self) -> MutexGuard<'_, Vec<Arc<feed::Post>>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, alarms::Board> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watches(&self) -> MutexGuard<'_, Vec<Arc<feed::Post<Watch, Look>>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telemetry {
    /// Starts the thread.
    pub fn start(host: Handle, standards: Standards) -> std::io::Result<Telemetry> {
        let mut telemetry = Telemetry::idle(host.clone());
        let shared = telemetry.shared.clone();
        let thread = std::thread::Builder::new().name("telemetry".into()).spawn(move || {
            let mut worker = worker::Worker::new(host, shared.clone(), standards);
            while !shared.stop.load(Ordering::Acquire) {
                worker.poll(Instant::now());
                std::thread::sleep(POLL);
            }
        })?;
        telemetry.thread = Some(Arc::new(thread));
        Ok(telemetry)
    }

    /// Without a thread.
    fn idle(host: Handle) -> Telemetry {
        let shared = Shared::new();
        Telemetry { host, shared: shared.clone(), thread: None, _alive: Arc::new(Alive(shared)) }
    }

    /// False if the thread has failed.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|t| !t.is_finished())
    }

    /// Frames from now on; the first after one interval.
    pub fn subscribe(&self, mut want: Want) -> Result<Feed, Refused> {
        if !RATES.contains(&want.hz) {
            return Err(Refused::Rate(want.hz));
        }
        let mut seen = BTreeSet::new();
        want.taps.retain(|name| seen.insert(name.clone()));
        self.host.control().check_taps(&want.taps)?;
        let mut posts = self.shared.posts();
        posts.retain(|p| !p.is_gone());
        if posts.len() >= MAX_SUBSCRIBERS {
            return Err(Refused::Full);
        }
        let watches = self.shared.watches();
        let watched = watches.iter().filter(|w| !w.is_gone()).flat_map(|w| w.want.taps());
        let open: BTreeSet<&String> =
            posts.iter().flat_map(|p| &p.want.taps).chain(watched).chain(&want.taps).collect();
        if open.len() > MAX_TAPS {
            return Err(Refused::TooMany(open.len()));
        }
        drop(watches);
        let post = feed::Post::new(want);
        posts.push(post.clone());
        Ok(Feed::new(post))
    }

    /// True while nobody else can subscribe.
    pub fn is_full(&self) -> bool {
        self.shared.posts().iter().filter(|p| !p.is_gone()).count() >= MAX_SUBSCRIBERS
    }

    /// All readings since the reset begin anew, for everyone.
    pub fn reset(&self, client: Client) {
        self.shared.reset.store(true, Ordering::Release);
        self.host.control().tell_meter_reset(client);
    }

    /// Slots that show a gain reduction now, in schedule order.
    pub fn reducing(&self) -> Vec<String> {
        self.shared.reducing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What has begun and ended since a number, which becomes the newest; `None` begins with what comes next.
    pub fn alarm_events(&self, since: &mut Option<u64>) -> Vec<AlarmEvent> {
        self.shared.board().since(since)
    }

    /// Every alarm there can be now, and whether it is on.
    pub fn alarms(&self) -> Vec<(Alarm, bool)> {
        self.shared.board().all()
    }

    /// How often alarms of a kind have begun.
    pub fn alarms_raised(&self, kind: AlarmKind) -> u64 {
        self.shared.board().raised(kind)
    }

    /// Of the last second.
    pub fn load(&self) -> Load {
        *self.shared.load.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
