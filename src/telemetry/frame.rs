// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a subscriber gets, and how two frames become one without losing a maximum.

use lathe_core::analysis::TapReadings;
use lathe_core::analysis::clock::ClockReadings;

use super::extras::ExtraReading;
use super::trail::LONGEST;
use crate::control::load::{Periods, STEPS};

/// Readings of one interval of one feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Counts the frames of this feed, from 1.
    pub sequence: u64,
    /// Frames of this feed that were merged into this one because the reader was late.
    pub missed: u64,
    /// Frames that the engine had processed.
    pub engine_frame: u64,
    /// Someone can hear it. If not, there are no taps and no slots.
    pub audible: bool,
    /// In the order asked for; without those whose slot is not there.
    pub taps: Vec<(String, TapReadings)>,
    /// What was asked for beyond them, of each tap that has some.
    pub extras: Vec<(String, Vec<ExtraReading>)>,
    /// Deepest gain reduction since the last read, in dB ≥ 0; in schedule order.
    pub slots: Vec<(String, f64)>,
    /// Of each slot, the deepest of every [`CELL`](super::trail::CELL) since the last read, oldest first.
    pub trails: Vec<(String, Vec<f32>)>,
    pub load: Load,
}

/// How much of its time the driver's callback needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// 0 … 1: the worst period since the last read; of [`Telemetry::load`](super::Telemetry::load), of the
    /// last second. A late period is 1 and counts in the last step of the histogram.
    pub dsp_load: f64,
    /// Mean of the same periods.
    pub mean_load: f64,
    /// Since the start.
    pub xruns: u64,
    pub periods: u64,
    /// Periods since the start by their callback's time, in 1/32 of the period.
    pub histogram: [u64; STEPS],
    /// Time in the callback since the start.
    pub busy_seconds: f64,
    /// Time of all these periods.
    pub period_seconds: f64,
    /// How fast frames pass beside the machine's clock; `None` until it is known, after 10 s.
    pub clock: Option<ClockReadings>,
}

impl Load {
    pub(super) fn new(recent: &Periods, all: &Periods, xruns: u64, clock: Option<ClockReadings>) -> Self {
        Load {
            clock,
            dsp_load: recent.worst.min(1.0),
            mean_load: recent.mean().min(1.0),
            xruns,
            periods: all.count,
            histogram: all.histogram,
            busy_seconds: all.busy_ns as f64 * 1e-9,
            period_seconds: all.time_ns as f64 * 1e-9,
        }
    }
}

impl Frame {
    /// What was asked for of a tap beyond the usual readings.
    pub fn extras_of(&self, tap: &str) -> &[ExtraReading] {
        self.extras.iter().find(|(t, _)| t == tap).map_or(&[], |(_, extras)| extras)
    }

    /// This frame together with an earlier one that nobody has read: maxima of both, else the newest.
    /// Returns what this frame has no place for while nobody can hear it.
    pub(super) fn absorb(&mut self, earlier: Frame) -> Vec<(String, TapReadings)> {
        self.missed += earlier.missed + 1;
        self.load.dsp_load = self.load.dsp_load.max(earlier.load.dsp_load);
        for (id, db) in &mut self.slots {
            if let Some((_, before)) = earlier.slots.iter().find(|(e, _)| e == id) {
                *db = db.max(*before);
            }
        }
        for (id, trail) in &mut self.trails {
            if let Some((_, before)) = earlier.trails.iter().find(|(e, _)| e == id) {
                let keep = before.len().min(LONGEST.saturating_sub(trail.len()));
                trail.splice(..0, before[before.len() - keep..].iter().copied());
            }
        }
        for (tap, extras) in &mut self.extras {
            let Some((_, before)) = earlier.extras.iter().find(|(t, _)| t == tap) else { continue };
            for extra in extras {
                if let Some(before) = before.iter().find(|b| b.name == extra.name) {
                    extra.merge(before);
                }
            }
        }
        if !self.audible {
            return earlier.taps;
        }
        merge_all(&mut self.taps, earlier.taps);
        Vec::new()
    }
}

/// Puts earlier readings into the newer ones of the same tap; what has no newer one is dropped.
pub(super) fn merge_all(newer: &mut [(String, TapReadings)], earlier: Vec<(String, TapReadings)>) {
    for (name, before) in earlier {
        if let Some((_, now)) = newer.iter_mut().find(|(n, _)| *n == name) {
            merge(now, &before);
        }
    }
}

/// Adds earlier readings for a tap that will have newer ones.
pub(super) fn carry(carried: &mut Vec<(String, TapReadings)>, name: &str, mut readings: TapReadings) {
    match carried.iter_mut().find(|(n, _)| n == name) {
        Some((_, before)) => {
            merge(&mut readings, before);
            *before = readings;
        }
        None => carried.push((name.into(), readings)),
    }
}

/// What is since the last read now reaches back to the read before.
fn merge(now: &mut TapReadings, before: &TapReadings) {
    now.true_peak = now.true_peak.max(before.true_peak);
    now.frames_missed += before.frames_missed;
    for (now, before) in now.channels.iter_mut().zip(&before.channels) {
        now.true_peak = now.true_peak.max(before.true_peak);
        now.peak = now.peak.max(before.peak);
    }
}
