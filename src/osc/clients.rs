// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everyone who has sent something lately, and the few of them who listen.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::codec::Booleans;
use super::feed::Feed;
use super::policy::{Bucket, Ledger, Role, Standing};
use crate::control::Client;

/// Most subscribers.
pub const MAX_CLIENTS: usize = 32;
/// Most sources remembered; who was silent longest is forgotten.
const MAX_SOURCES: usize = 256;
/// Numbers of our clients begin here, those of fixed receivers one bit below; other transports have others.
const FIRST: u64 = 1 << 40;
/// The number of the first fixed receiver.
pub const FIRST_TARGET: u64 = 1 << 39;

/// One address that sends.
pub struct Source {
    pub client: Client,
    pub role: Role,
    pub ledger: Ledger,
    pub heard: Instant,
    /// Packets it may send.
    pub packets: Bucket,
    /// `/error`s it gets.
    pub errors: Bucket,
    /// Bytes of answers it gets.
    pub answers: Bucket,
    /// It has used `/norm`.
    pub norm: bool,
    /// How it wants switches.
    pub booleans: Booleans,
    pub feed: Option<Feed>,
}

/// All of them.
pub struct Sources {
    map: HashMap<SocketAddr, Source>,
    next: u64,
}

impl Default for Sources {
    fn default() -> Self {
        Sources { map: HashMap::new(), next: FIRST }
    }
}

impl Sources {
    /// The source of this address; a new one if it is not known. The second is who was forgotten for it.
    pub fn hear(
        &mut self,
        from: SocketAddr,
        standing: Standing,
        now: Instant,
    ) -> (&mut Source, Option<Source>) {
        let mut forgotten = None;
        if !self.map.contains_key(&from) && self.map.len() >= MAX_SOURCES {
            let silent = self.map.iter().filter(|(_, s)| s.feed.is_none()).min_by_key(|(_, s)| s.heard);
            forgotten = silent.map(|(a, _)| *a).and_then(|a| self.map.remove(&a));
        }
        let source = self.map.entry(from).or_insert_with(|| {
            self.next += 1;
            Source {
                client: Client(self.next),
                role: standing.role,
                ledger: Ledger::new(standing.proved),
                heard: now,
                packets: Bucket::new(20_000.0, 5_000.0, now),
                errors: Bucket::new(200.0, 50.0, now),
                answers: Bucket::new(4e6, 1e6, now),
                norm: false,
                booleans: Booleans::default(),
                feed: None,
            }
        });
        (source, forgotten)
    }

    pub fn forget(&mut self, from: SocketAddr) -> Option<Source> {
        self.map.remove(&from)
    }

    pub fn get(&mut self, from: SocketAddr) -> Option<&mut Source> {
        self.map.get_mut(&from)
    }

    pub fn listeners(&self) -> usize {
        self.map.values().filter(|s| s.feed.is_some()).count()
    }

    /// Those who listen.
    pub fn feeds(&mut self) -> impl Iterator<Item = (Client, &mut Ledger, &mut Feed)> {
        self.map.values_mut().filter_map(|s| Some((s.client, &mut s.ledger, s.feed.as_mut()?)))
    }

    /// Ends the subscriptions of who was silent for longer than `lease`.
    pub fn expire(&mut self, lease: Duration, now: Instant) -> Vec<Feed> {
        let silent = |s: &&mut Source| now.saturating_duration_since(s.heard) > lease;
        self.map.values_mut().filter(silent).filter_map(|s| s.feed.take()).collect()
    }
}
