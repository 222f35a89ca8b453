// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clock check: the frames that passed against a clock that is not the interface's.
//!
//! An interface slaved to another rate plays all the same, but every frequency and every window of a meter is
//! wrong. Fed with pairs (frames, nanoseconds of the monotonic clock) as they come, it says how fast frames
//! really pass over the last twenty seconds. A callback may come a period or two late, which over so long is
//! 0.2 % at the worst; so 0.5 % is a fault and not jitter, and clocks that merely drift (0.01 %) pass.

use std::collections::VecDeque;

/// A deviation from here on is an alarm.
pub const ALARM: f64 = 0.005;
const WINDOW_NS: u64 = 20_000_000_000;
/// Nothing is said before.
const LEAST_NS: u64 = 10_000_000_000;
/// From one pair kept to the next.
const SPACING_NS: u64 = 500_000_000;

/// How fast frames pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockReadings {
    /// Frames a second.
    pub measured_hz: f64,
    /// Of the nominal rate; 0.001 is 1000 ppm too fast.
    pub deviation: f64,
    pub alarm: bool,
}

#[derive(Clone, Debug)]
pub struct ClockCheck {
    rate: f64,
    pairs: VecDeque<(u64, u64)>,
    newest: Option<(u64, u64)>,
}

impl ClockCheck {
    /// For a nominal rate in Hz.
    pub fn new(rate: u32) -> Self {
        ClockCheck { rate: f64::from(rate.max(1)), pairs: VecDeque::with_capacity(64), newest: None }
    }

    pub fn reset(&mut self) {
        self.pairs.clear();
        self.newest = None;
    }

    /// Frames were lost, or the driver was another: what came before says nothing.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// Frames since any beginning, and nanoseconds since any other. One that goes backwards is a new beginning.
    pub fn push(&mut self, frames: u64, ns: u64) {
        if self.newest.is_some_and(|(f, n)| frames < f || ns < n) {
            self.reset();
        }
        if self.pairs.back().is_none_or(|(_, last)| ns - last >= SPACING_NS) {
            self.pairs.push_back((frames, ns));
        }
        // The oldest is kept until the next one is old enough.
        while self.pairs.get(1).is_some_and(|(_, n)| ns - n >= WINDOW_NS) {
            self.pairs.pop_front();
        }
        self.newest = Some((frames, ns));
    }

    /// `None` for the first ten seconds.
    pub fn read(&self) -> Option<ClockReadings> {
        let (frames, ns) = self.newest?;
        let (first, start) = *self.pairs.front()?;
        if ns - start < LEAST_NS {
            return None;
        }
        let measured_hz = (frames - first) as f64 * 1e9 / (ns - start) as f64;
        let deviation = measured_hz / self.rate - 1.0;
        Some(ClockReadings { measured_hz, deviation, alarm: deviation.abs() > ALARM })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::signals::Noise;

    /// Periods of `period` frames at `real` Hz, each callback up to `jitter_ms` late.
    fn run(nominal: u32, real: f64, seconds: f64, period: u64, jitter_ms: f64) -> Option<ClockReadings> {
        let (mut c, mut noise) = (ClockCheck::new(nominal), Noise(7));
        let (mut frames, mut before) = (1000, 0);
        while (frames as f64) < seconds * real {
            let late = jitter_ms * 1e6 * (0.5 + 0.5 * noise.next());
            // One that is late may be as late as the next, but not later.
            before = before.max(5_000_000_000 + (frames as f64 * 1e9 / real + late) as u64);
            c.push(frames, before);
            frames += period;
        }
        c.read()
    }

    #[test]
    fn another_rate_is_an_alarm_and_drift_and_jitter_are_not() {
        for (nominal, real, alarm) in [
            (48_000, 48_000.0, false),
            (48_000, 48_004.8, false),
            (48_000, 44_100.0, true),
            (44_100, 48_000.0, true),
            (48_000, 47_952.0, false),
            (48_000, 48_336.0, true),
            (192_000, 190_400.0, true),
        ] {
            let r = run(nominal, real, 60.0, 1024, 40.0).unwrap();
            println!("{nominal} Hz at {real}: {:.1} Hz, {:+.3} %", r.measured_hz, 100.0 * r.deviation);
            assert_eq!(r.alarm, alarm, "{r:?}");
            assert!((r.measured_hz / real - 1.0).abs() < 0.0022, "{r:?}");
        }
        assert_eq!(run(48_000, 44_100.0, 9.0, 64, 0.0), None);
        let mut c = ClockCheck::new(48_000);
        (0..2400).for_each(|n| c.push(n * 480, n * 10_000_000));
        assert!(c.read().is_some() && c.pairs.len() < 50, "{}", c.pairs.len());
        c.push(5, 30_000_000_000);
        assert_eq!(c.read(), None, "frames began anew");
    }
}
