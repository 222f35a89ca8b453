// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of its period a driver's callback takes, and when its last one began: written on the audio
//! thread, taken by one reader.
#![deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

/// Steps of the histogram: parts of the period.
pub const STEPS: usize = 32;

/// What has been noted since it was last taken.
#[derive(Debug)]
pub struct LoadMeter {
    /// What moments are counted from.
    zero: Instant,
    /// The engine's first frame of the period under way.
    entered: AtomicU64,
    /// That of the last period, and nanoseconds from `zero` to its beginning.
    mark: [AtomicU64; 2],
    /// Odd while `mark` is written; 0 before the first.
    marks: AtomicU64,
    busy_ns: AtomicU64,
    time_ns: AtomicU64,
    /// The worst period, in millionths of it.
    worst: AtomicU64,
    periods: AtomicU64,
    histogram: [AtomicU64; STEPS],
    /// Never taken.
    all: AtomicU64,
}

/// Some periods together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Periods {
    pub busy_ns: u64,
    pub time_ns: u64,
    /// Share of the worst period, ≥ 0; more than 1 if it was late.
    pub worst: f64,
    pub count: u64,
    /// By 1/32 of the period; the last also counts what was late.
    pub histogram: [u64; STEPS],
}

impl Default for LoadMeter {
    /// Control side.
    #[allow(clippy::disallowed_methods, reason = "control side")]
    fn default() -> Self {
        LoadMeter {
            zero: Instant::now(),
            entered: AtomicU64::new(0),
            mark: Default::default(),
            marks: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
            time_ns: AtomicU64::new(0),
            worst: AtomicU64::new(0),
            periods: AtomicU64::new(0),
            histogram: Default::default(),
            all: AtomicU64::new(0),
        }
    }
}

impl LoadMeter {
    /// Audio thread. A period begins with this frame of the engine.
    pub fn enter(&self, frame: u64) {
        self.entered.store(frame, Relaxed);
    }

    /// Audio thread, outside of the period. The period that was entered had begun at this moment.
    pub fn began(&self, begin: Instant) {
        let ns = begin.saturating_duration_since(self.zero).as_nanos() as u64;
        self.marks.fetch_add(1, AcqRel);
        self.mark[0].store(self.entered.load(Relaxed), Release);
        self.mark[1].store(ns, Release);
        self.marks.fetch_add(1, AcqRel);
    }

    /// The first frame of the last period and when it began; `None` before the first, and while that is
    /// being written.
    pub fn last_period(&self) -> Option<(u64, Instant)> {
        let n = self.marks.load(Acquire);
        let (frame, ns) = (self.mark[0].load(Acquire), self.mark[1].load(Acquire));
        let whole = n > 0 && n.is_multiple_of(2) && self.marks.load(Acquire) == n;
        whole.then(|| (frame, self.zero + Duration::from_nanos(ns)))
    }

    /// Audio thread, outside of the period. The callback for `frames` at `rate` Hz took this long.
    pub fn note(&self, took: Duration, frames: usize, rate: u32) {
        let period = frames as u64 * 1_000_000_000 / u64::from(rate.max(1));
        let took = took.as_nanos().min(u128::from(u32::MAX)) as u64;
        let share = took * 1_000_000 / period.max(1);
        self.busy_ns.fetch_add(took, Relaxed);
        self.time_ns.fetch_add(period, Relaxed);
        self.worst.fetch_max(share, Relaxed);
        self.periods.fetch_add(1, Relaxed);
        self.all.fetch_add(1, Relaxed);
        let step = (share * STEPS as u64 / 1_000_000).min(STEPS as u64 - 1) as usize;
        if let Some(count) = self.histogram.get(step) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Periods noted so far, whoever took them.
    pub fn count(&self) -> u64 {
        self.all.load(Relaxed)
    }

    /// What was noted since the last call.
    pub fn take(&self) -> Periods {
        Periods {
            busy_ns: self.busy_ns.swap(0, Relaxed),
            time_ns: self.time_ns.swap(0, Relaxed),
            worst: self.worst.swap(0, Relaxed) as f64 * 1e-6,
            count: self.periods.swap(0, Relaxed),
            histogram: self.histogram.each_ref().map(|h| h.swap(0, Relaxed)),
        }
    }
}

impl Periods {
    /// These and others.
    pub fn add(&mut self, more: &Periods) {
        self.busy_ns += more.busy_ns;
        self.time_ns += more.time_ns;
        self.worst = self.worst.max(more.worst);
        self.count += more.count;
        for (h, m) in self.histogram.iter_mut().zip(&more.histogram) {
            *h += m;
        }
    }

    /// Share of the time that was busy.
    pub fn mean(&self) -> f64 {
        self.busy_ns as f64 / self.time_ns.max(1) as f64
    }
}
