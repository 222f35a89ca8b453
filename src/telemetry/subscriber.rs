// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the telemetry thread knows of one subscriber. Its readers are its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_core::analysis::clock::ClockReadings;
use lathe_core::analysis::{Reader, TapReadings};

use super::alarms::Standards;
use super::extras::{Extra, ExtraReading};
use super::feed::Post;
use super::frame::{Frame, Load, carry, merge_all};
use super::reduction::Reductions;
use super::taps::OpenTap;
use super::trail::Trail;
use crate::control::load::Periods;

/// One subscriber.
pub(super) struct Subscriber {
    pub post: Arc<Post>,
    due: Instant,
    sequence: u64,
    readers: HashMap<String, Reader>,
    /// Readings of meters that are no more, and of a time before nobody could hear.
    carried: Vec<(String, TapReadings)>,
    deepest: Vec<(String, f64)>,
    trails: Vec<(String, Trail)>,
    periods: Periods,
}

/// What all frames of one poll have in common.
pub(super) struct Moment {
    pub now: Instant,
    pub engine_frame: u64,
    pub audible: bool,
    pub all: Periods,
    pub xruns: u64,
    /// The machine's.
    pub standards: Standards,
    pub clock: Option<ClockReadings>,
}

impl Subscriber {
    pub fn new(post: Arc<Post>, now: Instant) -> Self {
        Subscriber {
            due: now + interval(&post),
            post,
            sequence: 0,
            readers: HashMap::new(),
            carried: Vec::new(),
            deepest: Vec::new(),
            trails: Vec::new(),
            periods: Periods::default(),
        }
    }

    pub fn wants(&self, tap: &str) -> bool {
        self.post.want.taps.iter().any(|t| t == tap)
    }

    /// Reads from this meter from now on.
    pub fn join(&mut self, tap: &OpenTap) {
        if self.wants(&tap.name) && !self.readers.contains_key(&tap.name) {
            self.readers.insert(tap.name.clone(), Reader::new(&tap.meter));
        }
    }

    /// Reads a meter for the last time, or before its maxima are forgotten.
    pub fn keep(&mut self, tap: &OpenTap, leave: bool) {
        if let Some(reader) = self.readers.get_mut(&tap.name) {
            carry(&mut self.carried, &tap.name, tap.meter.read(reader));
        }
        if leave {
            self.readers.remove(&tap.name);
        }
    }

    /// A slot's gain reduction in dB, at a time in cells of [`trail::CELL`].
    pub fn deepen(&mut self, slot: &str, db: f64, cell: u64) {
        if !self.post.want.slots {
            return;
        }
        match self.trails.iter_mut().find(|(id, _)| id == slot) {
            Some((_, trail)) => trail.deepen(db, cell),
            None => self.trails.push((slot.into(), Trail::new(db, cell))),
        }
        match self.deepest.iter_mut().find(|(id, _)| id == slot) {
            Some((_, deepest)) => *deepest = deepest.max(db),
            None => self.deepest.push((slot.into(), db)),
        }
    }

    pub fn load(&mut self, periods: &Periods) {
        self.periods.add(periods);
    }

    /// Puts a frame in the post if one is due; never waits for the reader.
    pub fn serve(&mut self, moment: &Moment, taps: &[OpenTap], reductions: &Reductions) {
        if moment.now < self.due {
            return;
        }
        self.due += interval(&self.post);
        if self.due < moment.now {
            self.due = moment.now + interval(&self.post);
        }
        self.sequence += 1;
        let mut frame = Frame {
            sequence: self.sequence,
            missed: 0,
            engine_frame: moment.engine_frame,
            audible: moment.audible,
            taps: Vec::new(),
            extras: Vec::new(),
            slots: Vec::new(),
            trails: Vec::new(),
            load: Load::new(&std::mem::take(&mut self.periods), &moment.all, moment.xruns, moment.clock),
        };
        if moment.audible {
            // Before the readers move on.
            frame.extras = self.extras(taps, &moment.standards);
            frame.taps = self.readings(taps);
            frame.slots = self.reductions(reductions);
            frame.trails = self.trails.iter_mut().map(|(id, t)| (id.clone(), t.take())).collect();
            self.trails.retain(|(id, _)| reductions.latest.iter().any(|(l, _)| l == id));
        }
        if let Some(earlier) = self.post.take() {
            for (name, readings) in frame.absorb(earlier) {
                carry(&mut self.carried, &name, readings);
            }
        }
        self.post.put(frame);
    }

    fn readings(&mut self, taps: &[OpenTap]) -> Vec<(String, TapReadings)> {
        let mut out = Vec::with_capacity(self.post.want.taps.len());
        for name in &self.post.want.taps {
            if let (Some(tap), Some(reader)) =
                (taps.iter().find(|t| t.name == *name), self.readers.get_mut(name))
            {
                out.push((name.clone(), tap.meter.read(reader)));
            }
        }
        merge_all(&mut out, std::mem::take(&mut self.carried));
        out
    }

    fn extras(&self, taps: &[OpenTap], standards: &Standards) -> Vec<(String, Vec<ExtraReading>)> {
        let want = &self.post.want;
        let here = |name: &String| {
            let tap = taps.iter().find(|t| t.name == *name)?;
            let reader = self.readers.get(name)?;
            let values = |e: &&'static Extra| e.values(&tap.meter, reader, &tap.layout, standards);
            Some((name.clone(), want.extras.iter().flat_map(values).collect()))
        };
        if want.extras.is_empty() { Vec::new() } else { want.taps.iter().filter_map(here).collect() }
    }

    /// A slot that has not run since the last read keeps what it last showed.
    fn reductions(&mut self, reductions: &Reductions) -> Vec<(String, f64)> {
        let deepest = std::mem::take(&mut self.deepest);
        if !self.post.want.slots {
            return Vec::new();
        }
        let deepest = |id: &str| deepest.iter().find(|(d, _)| d == id).map(|(_, db)| *db);
        reductions.latest.iter().map(|(id, db)| (id.clone(), deepest(id).unwrap_or(*db))).collect()
    }
}

fn interval(post: &Post) -> Duration {
    Duration::from_secs_f64(1.0 / post.want.hz)
}
