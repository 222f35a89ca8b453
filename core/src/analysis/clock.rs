// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clock check: the frames that passed against a clock that is not the interface's.
//!
//! An interface slaved to another rate plays all the same, but every frequency and every window of a meter is
//! wrong. Fed with pairs (frames, nanoseconds of the monotonic clock) as they come, it says how fast frames
//! really pass over the last twenty seconds. Frames come by whole periods and callbacks may be late: a count is
//! taken when it has just moved, and what a period and [`LATE`] make of the window is allowed for. What is 0.5 %
//! beyond that, and stays so for [`LASTS_NS`], is a fault and not jitter; clocks that merely drift (0.01 %) pass.

use std::collections::VecDeque;

/// A deviation from here on, beyond what is uncertain of it, is an alarm, which ends below the second.
const ALARM: f64 = 0.005;
const OVER: f64 = 0.004;
/// Seconds by which a callback or a poll may be late.
const LATE: f64 = 0.02;
/// An alarm begins and ends after it was so at every look for so long.
const LASTS_NS: u64 = 1_000_000_000;
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
    /// It is an alarm, or is not; `None` while that is not settled.
    pub alarm: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct ClockCheck {
    rate: f64,
    pairs: VecDeque<(u64, u64)>,
    /// The last count, and when it was first seen.
    newest: Option<(u64, u64)>,
    /// What the looks say, and since when all of them do.
    run: Option<(bool, u64)>,
    alarm: Option<bool>,
}

impl ClockCheck {
    /// For a nominal rate in Hz.
    pub fn new(rate: u32) -> Self {
        ClockCheck {
            rate: f64::from(rate.max(1)),
            pairs: VecDeque::with_capacity(64),
            newest: None,
            run: None,
            alarm: None,
        }
    }

    pub fn reset(&mut self) {
        self.pairs.clear();
        (self.newest, self.run, self.alarm) = (None, None, None);
    }

    /// Frames were lost, or the driver was another: what came before says nothing.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// Frames since any beginning, by whole periods, and nanoseconds since any other. One that goes backwards is a
    /// new beginning.
    pub fn push(&mut self, frames: u64, ns: u64, period: usize) {
        if self.newest.is_some_and(|(f, n)| frames < f || ns < n) {
            self.reset();
        }
        // How old a count is that has not moved is not known.
        let Some((before, _)) = self.newest else {
            self.newest = Some((frames, ns));
            return;
        };
        if frames == before {
            return;
        }
        if self.pairs.back().is_none_or(|(_, last)| ns - last >= SPACING_NS) {
            self.pairs.push_back((frames, ns));
        }
        // The oldest is kept until the next one is old enough.
        while self.pairs.get(1).is_some_and(|(_, n)| ns - n >= WINDOW_NS) {
            self.pairs.pop_front();
        }
        self.newest = Some((frames, ns));
        self.settle(ns, period);
    }

    fn settle(&mut self, ns: u64, period: usize) {
        let (Some(r), Some((_, start))) = (self.read(), self.pairs.front()) else { return };
        let uncertain = (period as f64 / self.rate + LATE) * 1e9 / (ns - start) as f64;
        let beyond = r.deviation.abs() - uncertain;
        if !(OVER..=ALARM).contains(&beyond) {
            let on = beyond > ALARM;
            let (_, since) = *self.run.insert(self.run.filter(|(so, _)| *so == on).unwrap_or((on, ns)));
            if ns - since >= LASTS_NS {
                self.alarm = Some(on);
            }
        } else {
            self.run = None;
        }
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
        Some(ClockReadings { measured_hz, deviation, alarm: self.alarm })
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
            c.push(frames, before, period as usize);
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
            (48_000, 48_480.0, true),
            (192_000, 189_600.0, true),
        ] {
            let r = run(nominal, real, 60.0, 1024, 40.0).unwrap();
            println!("{nominal} Hz at {real}: {:.1} Hz, {:+.3} %", r.measured_hz, 100.0 * r.deviation);
            assert_eq!(r.alarm, Some(alarm), "{r:?}");
            assert!((r.measured_hz / real - 1.0).abs() < 0.0022, "{r:?}");
        }
        assert_eq!(run(48_000, 44_100.0, 9.0, 64, 0.0), None);
        let mut c = ClockCheck::new(48_000);
        (0..2400).for_each(|n| c.push(n * 480, n * 10_000_000, 480));
        assert!(c.read().is_some() && c.pairs.len() < 50, "{}", c.pairs.len());
        c.push(5, 30_000_000_000, 480);
        assert_eq!(c.read(), None, "frames began anew");
    }

    /// Frames by whole periods, looked at every 5 ms and now and then 50 ms late, at the first rate and from a time in
    /// seconds on at the second: when the alarm changed, and to what.
    fn polled(nominal: u32, real: [f64; 2], then: f64, seconds: f64, period: u64) -> Vec<(f64, bool)> {
        let (mut c, mut noise, mut told) = (ClockCheck::new(nominal), Noise(9), Vec::new());
        let (mut now, mut on) = (0.0, false);
        while now < seconds {
            let late = if noise.next() > 0.98 { 0.05 } else { 0.0 };
            // At the worst it is late between the clock and the count.
            let at: f64 = now + late;
            let frames = at.min(then) * real[0] + (at - then).max(0.0) * real[1];
            c.push(frames as u64 / period * period, (now * 1e9) as u64, period as usize);
            if let Some(so) = c.read().and_then(|r| r.alarm).filter(|so| *so != on) {
                on = so;
                told.push((now, so));
            }
            now += 0.005 + late;
        }
        told
    }

    #[test]
    fn long_periods_and_late_looks_are_no_alarm() {
        for nominal in [44_100, 48_000, 96_000] {
            for period in [16, 1024, 8192] {
                let told = polled(nominal, [f64::from(nominal); 2], 0.0, 600.0, period);
                assert_eq!(told, [], "{nominal} Hz by {period}");
            }
        }
        for period in [64, 8192] {
            let told = polled(48_000, [44_100.0, 48_000.0], 60.0, 180.0, period);
            println!("by {period}: {told:?}");
            assert_eq!(told.iter().map(|t| t.1).collect::<Vec<_>>(), [true, false], "{told:?}");
            assert!(told[0].0 < 20.0 && told[1].0 > 60.0 && told[1].0 < 90.0, "{told:?}");
        }
    }
}
