// SPDX-License-Identifier: MIT OR Apache-2.0
//! What everyone is told: each accepted change, with its revision and who made it.

use std::sync::Arc;
use std::sync::mpsc;

use lathe_core::rack::plan::RackPlan;

/// Who asked for a change. Numbers are given out by the transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client(pub u64);

impl Client {
    /// The daemon itself: signals, start.
    pub const LOCAL: Client = Client(0);
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Addresses and their new values, in real units.
    Values(Vec<(String, f64)>),
    /// Slots came, went or moved: read everything anew.
    Layout,
    Panic(bool),
    SnapshotStored(String),
    SnapshotRecalled(String),
    SnapshotDeleted(String),
}

/// One change, as told to all.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub revision: u64,
    pub client: Client,
    pub kind: Kind,
}

/// A receiver that falls this many changes behind loses the rest and is told so by [`Receiver::lost`].
const QUEUE: usize = 1024;

/// Tells every subscriber; never waits for one.
#[derive(Default)]
pub struct Changes {
    subscribers: Vec<(mpsc::SyncSender<Arc<Change>>, Arc<std::sync::atomic::AtomicU64>)>,
}

/// One subscriber's end.
pub struct Receiver {
    queue: mpsc::Receiver<Arc<Change>>,
    lost: Arc<std::sync::atomic::AtomicU64>,
}

impl Receiver {
    /// The next change, if one has come.
    pub fn next(&self) -> Option<Arc<Change>> {
        self.queue.try_recv().ok()
    }

    /// How many changes this subscriber has missed since it last asked.
    pub fn lost(&self) -> u64 {
        self.lost.swap(0, std::sync::atomic::Ordering::Relaxed)
    }
}

impl Changes {
    pub fn subscribe(&mut self) -> Receiver {
        let (sender, queue) = mpsc::sync_channel(QUEUE);
        let lost = Arc::new(std::sync::atomic::AtomicU64::new(0));
        self.subscribers.push((sender, lost.clone()));
        Receiver { queue, lost }
    }

    pub fn tell(&mut self, revision: u64, client: Client, kind: Kind) {
        if matches!(&kind, Kind::Values(v) if v.is_empty()) {
            return;
        }
        let change = Arc::new(Change { revision, client, kind });
        self.subscribers.retain(|(s, lost)| match s.try_send(change.clone()) {
            Ok(()) => true,
            Err(mpsc::TrySendError::Full(_)) => {
                lost.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                true
            }
            Err(mpsc::TrySendError::Disconnected(_)) => false,
        });
    }
}

/// How two racks differ.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    Layout,
    Values(Vec<(String, f64)>),
}

/// The values that differ, or that the slots do.
pub fn differences(old: &RackPlan, new: &RackPlan) -> Difference {
    let (a, b) = (old.walk(), new.walk());
    let same_slots = a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| a.id == b.id && a.table.len() == b.table.len())
        && old.layout == new.layout;
    if !same_slots {
        return Difference::Layout;
    }
    let mut out = Vec::new();
    for (a, b) in a.iter().zip(&b) {
        for (i, spec) in b.table.iter().filter(|(i, _)| a.values.get(*i) != b.values.get(*i)) {
            out.push((format!("{}/{}", b.id, spec.symbol), b.values.get(i)));
        }
    }
    if old.bypass != new.bypass {
        out.push(("rack/bypass".into(), f64::from(u8::from(new.bypass))));
    }
    Difference::Values(out)
}
