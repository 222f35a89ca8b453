// SPDX-License-Identifier: MIT OR Apache-2.0
//! Open taps, each with its meter, shared between subscribers.

use std::time::Instant;

use lathe_core::analysis::{Instrument, TapMeter};
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::tap::{Tap, TapId};
use lathe_core::engine::{TapPoint, TapReader};
use lathe_core::units::Layout;

use super::open_view::OpenView;

/// What a tap holds before it loses audio.
const SECONDS: usize = 2;

/// One tap with its meter.
pub(super) struct OpenTap {
    pub name: String,
    pub id: TapId,
    pub layout: Layout,
    pub rate: u32,
    pub meter: TapMeter,
    reader: TapReader,
    /// Still to be sent to the engine.
    pub outward: Option<Box<Tap>>,
    /// Instruments beyond the usual ones.
    extras: Vec<Instrument>,
    /// Frames that nobody could hear, not measured.
    skipped: u64,
    /// When audio last came.
    pub last: Instant,
}

impl OpenTap {
    pub fn new(name: &str, (point, layout): (TapPoint, Layout), rate: u32, now: Instant) -> Self {
        let (tap, reader) = Tap::new(point, layout.len(), rate as usize * SECONDS);
        OpenTap {
            name: name.into(),
            id: tap.id,
            meter: TapMeter::new(rate, &layout),
            layout,
            rate,
            reader,
            outward: Some(Box::new(tap)),
            extras: Vec::new(),
            skipped: 0,
            last: now,
        }
    }

    /// Has these instruments beyond the usual ones, and no others.
    pub fn equip(&mut self, wanted: Vec<Instrument>) {
        let idle: Vec<_> = self.extras.iter().filter(|i| !wanted.contains(i)).copied().collect();
        idle.iter().for_each(|i| self.meter.remove(i));
        for what in &wanted {
            // What a layout has not (a pair, in mono) reads as not known.
            let _ = self.meter.add(*what);
        }
        self.extras = wanted;
    }

    /// Measures what has come, here and in the views of this tap. What nobody can hear is not measured but
    /// counted as missed.
    pub fn pump(&mut self, audible: bool, now: Instant, views: &mut [OpenView]) {
        while let Some(chunk) = self.reader.read() {
            self.last = now;
            let missed = chunk.missed + std::mem::take(&mut self.skipped);
            if !audible {
                self.skipped = missed + QUANTUM as u64;
                continue;
            }
            if missed > 0 {
                self.meter.gap(missed);
                views.iter_mut().for_each(|v| v.gap(&self.name, missed));
            }
            self.meter.process(&chunk.audio);
            views.iter_mut().for_each(|v| v.process(&self.name, chunk.frame, &chunk.audio));
        }
    }
}
