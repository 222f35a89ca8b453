// SPDX-License-Identifier: MIT OR Apache-2.0
//! Port pairs to keep connected, by full name. Session thread.
//!
//! A pair is made when both of its ends have appeared, and not again until an end has appeared anew:
//! so whoever disconnects it by hand is not fought.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A source port and a destination port.
pub type Pair = (String, String);

/// A connection seen this shortly before the server was lost was there when it was lost. (A server
/// that ends in good order takes its connections down before it tells its clients.)
const RECENT: Duration = Duration::from_millis(600);

/// The pairs that are to be made.
#[derive(Debug, Default)]
pub struct Connections {
    wanted: Vec<Wanted>,
    seen: HashMap<Pair, Instant>,
}

#[derive(Debug)]
struct Wanted {
    pair: Pair,
    /// From the settings: made again whenever an end comes back. Else once.
    always: bool,
    made: bool,
    /// A failure was logged; the next attempts are quiet.
    warned: bool,
}

/// The part of a JACK client that is needed here.
pub trait Graph {
    fn exists(&self, port: &str) -> bool;
    /// Connects, or says why not.
    fn connect(&self, pair: &Pair) -> Result<(), String>;
}

impl Connections {
    /// `configured` from the settings, `remembered` from a server that was lost.
    pub fn new(configured: &[Pair], remembered: &[Pair]) -> Self {
        let mut wanted: Vec<Wanted> = configured
            .iter()
            .map(|p| Wanted { pair: p.clone(), always: true, made: false, warned: false })
            .collect();
        for pair in remembered.iter().filter(|p| !configured.contains(p)) {
            wanted.push(Wanted { pair: pair.clone(), always: false, made: false, warned: false });
        }
        Connections { wanted, seen: HashMap::new() }
    }

    /// A port of this name is new.
    pub fn appeared(&mut self, port: &str) {
        for w in &mut self.wanted {
            w.made &= w.pair.0 != port && w.pair.1 != port;
        }
    }

    /// Makes what can be made. Returns the pairs that were made now.
    pub fn make(&mut self, graph: &impl Graph) -> Vec<Pair> {
        let mut made = Vec::new();
        for w in &mut self.wanted {
            let both = graph.exists(&w.pair.0) && graph.exists(&w.pair.1);
            w.made &= both;
            if !both || w.made {
                continue;
            }
            match graph.connect(&w.pair) {
                Ok(()) => {
                    (w.made, w.warned) = (true, false);
                    made.push(w.pair.clone());
                }
                Err(error) if !w.warned => {
                    w.warned = true;
                    tracing::warn!(error, from = w.pair.0, to = w.pair.1, "cannot connect; still trying");
                }
                Err(_) => {}
            }
        }
        self.wanted.retain(|w| w.always || !w.made);
        made
    }

    /// Our ports have these connections now.
    pub fn see(&mut self, connections: Vec<Pair>, now: Instant) {
        for pair in connections {
            self.seen.insert(pair, now);
        }
        self.seen.retain(|_, at| now.duration_since(*at) < RECENT);
    }

    /// What to restore after a loss: what was there, and what was still waited for.
    pub fn remember(self) -> Vec<Pair> {
        let mut pairs: Vec<Pair> = self.seen.into_keys().collect();
        pairs.extend(self.wanted.into_iter().filter(|w| !w.always).map(|w| w.pair));
        pairs.sort();
        pairs.dedup();
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Fake {
        ports: RefCell<Vec<&'static str>>,
    }

    impl Graph for Fake {
        fn exists(&self, port: &str) -> bool {
            self.ports.borrow().contains(&port)
        }
        fn connect(&self, _: &Pair) -> Result<(), String> {
            Ok(())
        }
    }

    fn pair(a: &str, b: &str) -> Pair {
        (a.into(), b.into())
    }

    #[test]
    fn a_configured_pair_is_made_again_when_its_other_side_restarts() {
        let graph = Fake::default();
        let mut c = Connections::new(&[pair("a", "b")], &[]);
        assert!(c.make(&graph).is_empty());
        graph.ports.borrow_mut().extend(["a", "b"]);
        assert_eq!(c.make(&graph), [pair("a", "b")]);
        assert!(c.make(&graph).is_empty(), "a hand that disconnects is not fought");
        graph.ports.borrow_mut().retain(|p| *p != "a");
        assert!(c.make(&graph).is_empty());
        graph.ports.borrow_mut().push("a");
        assert_eq!(c.make(&graph), [pair("a", "b")]);
        c.appeared("a");
        assert_eq!(c.make(&graph), [pair("a", "b")], "a restart faster than the poll");
    }

    #[test]
    fn what_was_connected_at_the_loss_is_made_once_after_it() {
        let graph = Fake::default();
        let now = Instant::now();
        let mut c = Connections::new(&[], &[]);
        c.see(vec![pair("x", "y")], now);
        c.see(vec![pair("a", "b")], now + Duration::from_secs(1));
        let mut c = Connections::new(&[], &c.remember());
        graph.ports.borrow_mut().extend(["a", "b", "x", "y"]);
        assert_eq!(c.make(&graph), [pair("a", "b")]);
        c.appeared("a");
        assert!(c.make(&graph).is_empty());
    }
}
