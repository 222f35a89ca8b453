// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stream of changes: the full state first, then what changes. A slow reader delays nobody.
//!
//! The writer puts changes into a bounded queue of this reader and never waits. If the queue ran over, the
//! rest of it is dropped too, and a full state says how many changes are in it that were not told.

use std::collections::HashMap;
use std::time::Duration;

use lathe_core::param::ParamSpec;
use tokio::sync::mpsc;

use super::{Answers, Closing, Rooms, answers, aside, convert, farewell, tell, v1};
use crate::control::change::Receiver;
use crate::control::{Change, Client, Control, Handle, Kind};

/// Time between two looks at the queue.
const POLL: Duration = Duration::from_millis(5);
/// Answers on their way to one client.
const AHEAD: usize = 16;

/// The rack at one moment, and what is needed to tell values of it.
struct Full {
    rack: v1::Rack,
    specs: HashMap<String, ParamSpec>,
}

impl Full {
    fn of(control: &Control) -> Self {
        let specs = control.controls().into_iter().map(|l| (l.address, l.spec)).collect();
        Full { rack: convert::rack(control), specs }
    }
}

/// One reader.
struct Watcher {
    host: Handle,
    closing: Closing,
    changes: Receiver,
    to: mpsc::Sender<Result<v1::WatchRackResponse, tonic::Status>>,
    specs: HashMap<String, ParamSpec>,
    /// All up to this revision is told.
    told: u64,
}

pub(super) fn start(rooms: &Rooms) -> Answers<v1::WatchRackResponse> {
    let (to, from) = mpsc::channel(AHEAD);
    let (host, closing) = (rooms.host.clone(), rooms.closing.clone());
    tokio::spawn(async move {
        let host_ = host.clone();
        let begin = aside(move || {
            let mut control = host_.control();
            (control.subscribe(), Full::of(&control))
        });
        let Ok((changes, full)) = begin.await else { return };
        let mut watcher = Watcher { host, closing, changes, to, specs: HashMap::new(), told: 0 };
        if watcher.full(full, Client::LOCAL, 0).await {
            watcher.run().await;
        }
    });
    answers(from)
}

impl Watcher {
    async fn run(mut self) {
        loop {
            let lost = self.changes.lost();
            let going = match self.changes.next() {
                first if lost > 0 => self.catch_up(lost + u64::from(first.is_some())).await,
                Some(change) => self.change(&change).await,
                None => self.pause().await,
            };
            if !going {
                return;
            }
        }
    }

    /// False when the client left or the server stops.
    async fn pause(&mut self) -> bool {
        tokio::select! {
            () = tokio::time::sleep(POLL) => true,
            () = self.to.closed() => false,
            () = self.closing.wait() => {
                farewell(&self.to);
                false
            }
        }
    }

    /// A full state in place of what was lost and of what still waits.
    async fn catch_up(&mut self, mut lost: u64) -> bool {
        while self.changes.next().is_some() {
            lost += 1;
        }
        let Some(full) = self.now().await else { return false };
        self.full(full, Client::LOCAL, lost).await
    }

    async fn now(&mut self) -> Option<Full> {
        let host = self.host.clone();
        aside(move || Full::of(&host.control())).await.ok()
    }

    async fn full(&mut self, full: Full, client: Client, lost: u64) -> bool {
        self.told = full.rack.revision;
        self.specs = full.specs;
        let (revision, change) = (full.rack.revision, v1::watch_rack_response::Change::Rack(full.rack));
        let answer = v1::WatchRackResponse { revision, client: client.0, lost, change: Some(change) };
        tell(&self.to, &mut self.closing, answer).await
    }

    async fn change(&mut self, change: &Change) -> bool {
        let in_sound = matches!(change.kind, Kind::Layout | Kind::Values(_) | Kind::Panic(_));
        if in_sound && change.revision <= self.told {
            return true; // it is in a full state that was told
        }
        let told = match &change.kind {
            Kind::SnapshotStored(name) => snapshot(v1::SnapshotAction::Stored, name),
            Kind::SnapshotRecalled(name) => snapshot(v1::SnapshotAction::Recalled, name),
            Kind::SnapshotDeleted(name) => snapshot(v1::SnapshotAction::Deleted, name),
            Kind::Layout => {
                let Some(full) = self.now().await else { return false };
                return self.full(full, change.client, 0).await;
            }
            Kind::Panic(on) => v1::watch_rack_response::Change::Panic(*on),
            Kind::MeterReset => v1::watch_rack_response::Change::MetersReset(true),
            Kind::Values(values) => {
                let value = |(a, v): &(String, f64)| Some(convert::value(a, self.specs.get(a)?, *v));
                // Of an address that was set twice in a batch, the last one stands.
                let mut seen = std::collections::HashSet::new();
                let mut last: Vec<_> =
                    values.iter().rev().filter(|(a, _)| seen.insert(a)).filter_map(value).collect();
                last.reverse();
                v1::watch_rack_response::Change::Values(v1::ChangedValues { values: last })
            }
        };
        self.told = self.told.max(change.revision);
        let (revision, client) = (change.revision, change.client.0);
        let answer = v1::WatchRackResponse { revision, client, lost: 0, change: Some(told) };
        tell(&self.to, &mut self.closing, answer).await
    }
}

fn snapshot(action: v1::SnapshotAction, name: &str) -> v1::watch_rack_response::Change {
    let (action, name) = (action.into(), name.to_string());
    v1::watch_rack_response::Change::Snapshot(v1::ChangedSnapshot { action, name })
}
