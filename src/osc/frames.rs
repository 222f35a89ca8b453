// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which frame of the engine a moment is: the sample clock against the monotonic one.
//!
//! The audio thread says with which frame each period began, and when. A period may begin late and never
//! early, so the readings of the last second are kept, and the one that is ahead of all others counts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long readings count: long enough for one that was taken right after its period, short enough to
/// forget time that a server lost without telling. Drift between the clocks stays below 0.1 ms in it.
const WINDOW: Duration = Duration::from_secs(1);
/// A driver that is later than this, in seconds, beyond its period has lost the time for good.
const STALL: f64 = 0.02;
/// Most readings kept.
const KEPT: usize = 1024;

/// The relation of both clocks, for one engine.
#[derive(Default)]
pub struct FrameClock {
    engine: (usize, u64),
    rate: f64,
    readings: VecDeque<(Instant, u64)>,
}

impl FrameClock {
    /// Takes a reading: engine `engine` (any number of its own, another after time was lost) came to
    /// `frame` at `now`.
    pub fn observe(&mut self, now: Instant, engine: (usize, u64), frame: u64, rate: u32) {
        let back = self.readings.back().is_some_and(|r| r.1 > frame);
        if engine != self.engine || f64::from(rate) != self.rate || back {
            *self = FrameClock { engine, rate: f64::from(rate), readings: VecDeque::new() };
        }
        // Of readings of the same frame the first is the nearest to its period.
        if self.readings.back().is_none_or(|r| r.1 < frame) {
            let step = self.readings.back().map_or(0, |r| frame - r.1);
            let stalled = step + (STALL * self.rate) as u64;
            if self.at(now).is_some_and(|expected| expected > frame + stalled) {
                self.readings.clear();
            }
            self.readings.push_back((now, frame));
        }
        let old = |r: &(Instant, u64)| now.duration_since(r.0) > WINDOW;
        while self.readings.len() > KEPT || self.readings.front().is_some_and(old) {
            self.readings.pop_front();
        }
    }

    /// The frame at a moment; `None` while no engine runs.
    pub fn at(&self, moment: Instant) -> Option<u64> {
        let frame = |&(t, f): &(Instant, u64)| {
            let ahead = moment.saturating_duration_since(t).as_secs_f64();
            let behind = t.saturating_duration_since(moment).as_secs_f64();
            f as f64 + (ahead - behind) * self.rate
        };
        self.readings.iter().map(frame).max_by(f64::total_cmp).map(|f| f.max(0.0).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_within_a_millisecond_of_its_frame_whatever_the_period() {
        let start = Instant::now();
        for (rate, period) in [(48_000_u32, 64_u64), (48_000, 256), (44_100, 1024), (96_000, 2048)] {
            let mut clock = FrameClock::default();
            let (mut t, mut seed) = (0.0_f64, 1_u64);
            while t < 3.0 {
                // Looked at every 3 to 7 ms, as the server does.
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                t += 0.003 + 0.004 * ((seed >> 40) as f64 / f64::from(1 << 24));
                // The period under way began up to 2 ms late.
                let late = 0.002 * ((seed >> 20 & 0xffff) as f64 / 65_536.0);
                let frame = (t * f64::from(rate)) as u64 / period * period;
                let began = frame as f64 / f64::from(rate) + late;
                clock.observe(start + Duration::from_secs_f64(began), (1, 0), frame, rate);
            }
            let tag = t + 0.7;
            let frame = clock.at(start + Duration::from_secs_f64(tag)).unwrap();
            let off = frame as f64 / f64::from(rate) - tag;
            println!("{rate} Hz, period {period}: {:.3} ms", off * 1e3);
            assert!(off.abs() < 0.001, "{rate} Hz, period {period}: {off} s");
        }
    }

    #[test]
    fn another_engine_begins_anew() {
        let mut clock = FrameClock::default();
        let now = Instant::now();
        assert_eq!(clock.at(now), None);
        clock.observe(now, (1, 0), 96_000, 48_000);
        clock.observe(now, (2, 0), 480, 48_000);
        assert_eq!(clock.at(now + Duration::from_millis(10)), Some(960));
        // The same engine after a stall of half a second.
        let then = now + Duration::from_millis(500);
        clock.observe(then, (2, 0), 960, 48_000);
        assert_eq!(clock.at(then + Duration::from_millis(10)), Some(1440));
    }
}
