// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signs of life: which threads must be there, and when the service manager's watchdog may be fed.
//! Nothing here reads a clock or talks to anyone. Main thread.

use std::time::{Duration, Instant};

/// Counters that go up as long as someone lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// Rounds of the supervisor.
    pub rounds: u64,
    /// Periods that the driver's callback has run.
    pub cycles: u64,
    /// Someone hears these periods.
    pub audible: bool,
}

/// When a counter last changed.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    count: u64,
    since: Instant,
}

impl Pulse {
    /// True if it changed within `patience`.
    fn beats(&mut self, count: u64, now: Instant, patience: Duration) -> bool {
        if count != self.count {
            *self = Pulse { count, since: now };
        }
        now.saturating_duration_since(self.since) < patience
    }
}

/// Decides when the manager is told that we live.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog {
    limit: Duration,
    rounds: Pulse,
    cycles: Pulse,
    fed: Option<Instant>,
}

impl Watchdog {
    /// `limit`: the time without a word after which the manager ends us.
    pub fn new(limit: Duration, now: Instant) -> Self {
        let pulse = Pulse { count: 0, since: now };
        Watchdog { limit, rounds: pulse, cycles: pulse, fed: None }
    }

    /// True if the manager is to be told now: four times in its limit, as long as sound is heard or the
    /// supervisor works. A server that is gone is no reason to end; nobody who would look for it again is.
    pub fn is_due(&mut self, signs: Signs, now: Instant) -> bool {
        let patience = self.limit / 2;
        let works = self.rounds.beats(signs.rounds, now, patience);
        let sounds = self.cycles.beats(signs.cycles, now, patience) && signs.audible;
        let due = self.fed.is_none_or(|at| now.saturating_duration_since(at) >= self.limit / 4);
        let feed = due && (works || sounds);
        if feed {
            self.fed = Some(now);
        }
        feed
    }
}

/// The first part that should run and does not.
pub fn first_missing<'a>(parts: &[(&'a str, bool)]) -> Option<&'a str> {
    parts.iter().find(|(_, runs)| !runs).map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Feeds in 60 s of looks every 50 ms.
    fn feeds(signs: impl Fn(u64) -> Signs) -> Vec<u64> {
        let begin = Instant::now();
        let mut dog = Watchdog::new(LIMIT, begin);
        (0..1200).filter(|n| dog.is_due(signs(*n), begin + Duration::from_millis(50 * n))).collect()
    }

    #[test]
    fn fed_four_times_in_its_limit_while_the_supervisor_works() {
        let gone = |n| Signs { rounds: n, cycles: 0, audible: false };
        let times = feeds(gone);
        assert_eq!(times.len(), 24, "a server that is gone is no reason to end: {times:?}");
        assert!(times.windows(2).all(|w| w[1] - w[0] == 50), "every 2.5 s: {times:?}");
    }

    #[test]
    fn a_stuck_supervisor_starves_it_unless_sound_is_heard() {
        let stuck = |n: u64| Signs { rounds: n.min(100), cycles: 7, audible: true };
        let last = *feeds(stuck).last().unwrap();
        println!("stuck at 5.0 s, last fed at {} s", last as f64 / 20.0);
        assert!((100..200).contains(&last), "at most half the limit after: look {last}");
        let heard = |n: u64| Signs { rounds: n.min(100), cycles: n, audible: true };
        assert_eq!(feeds(heard).len(), 24);
        let unheard = |n: u64| Signs { rounds: n.min(100), cycles: n, audible: false };
        assert!(*feeds(unheard).last().unwrap() < 200, "a clock that nobody hears is no life");
        let never = |_| Signs::default();
        assert!(feeds(never).iter().all(|n| *n < 100));
    }

    #[test]
    fn back_to_life_is_fed_at_once() {
        let pause =
            |n: u64| Signs { rounds: if n < 100 { n } else { n.max(600) }, cycles: 0, audible: false };
        let times = feeds(pause);
        assert!(times.contains(&601), "{times:?}");
        assert!(!times.iter().any(|n| (210..600).contains(n)), "{times:?}");
    }

    #[test]
    fn the_first_that_is_missing_is_named() {
        assert_eq!(first_missing(&[("a", true), ("b", true)]), None);
        assert_eq!(first_missing(&[("a", true), ("b", false), ("c", false)]), Some("b"));
        let thread = std::thread::spawn(|| std::panic::resume_unwind(Box::new("gone")));
        while !thread.is_finished() {
            std::thread::yield_now();
        }
        assert_eq!(first_missing(&[("thread", !thread.is_finished())]), Some("thread"));
    }
}
