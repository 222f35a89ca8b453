// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything but values: subscriptions, history, panic, snapshots, and the questions a program asks.

use std::net::SocketAddr;

use super::clients::MAX_CLIENTS;
use super::codec::{Arg, Message};
use super::desk::{Desk, current_message};
use super::dispatch::Turn;
use super::feed::{Feed, MAX_GROUPS};
use super::reply;
use super::request::{Code, OscRequest, Subtree};
use crate::control::{Audible, Reloaded};

/// Most `/sync`s that wait.
const MAX_SYNCS: usize = 1024;

impl Desk {
    pub(super) fn subscribe(
        &mut self,
        turn: &mut Turn,
        address: &str,
        subtree: Option<Subtree>,
        hz: u32,
        port: Option<u16>,
    ) {
        if port.is_some() && !turn.proved {
            return turn.refuse(address, Code::Role, "another port needs a proved address; see /hello");
        }
        let full = self.sources.listeners() >= MAX_CLIENTS;
        let Some(source) = self.sources.get(turn.from) else { return };
        if source.feed.is_none() && full {
            return turn.refuse(
                address,
                Code::Failed,
                format!("{MAX_CLIENTS} clients have subscribed already"),
            );
        }
        let to = SocketAddr::new(turn.from.ip(), port.unwrap_or(turn.from.port()));
        let norm = source.norm;
        let feed = source.feed.get_or_insert_with(|| Feed::new(to, turn.client.0, norm));
        feed.to = to;
        if !feed.subscribe(subtree, hz, turn.now) {
            turn.refuse(address, Code::Failed, format!("{MAX_GROUPS} subscriptions are the most"));
        }
    }

    pub(super) fn unsubscribe(&mut self, turn: &Turn) {
        if let Some(feed) = self.sources.get(turn.from).and_then(|s| s.feed.take()) {
            feed.end(self.meters.as_deref());
        }
    }

    /// The nonce, or the proof by it.
    pub(super) fn hello(&mut self, turn: &mut Turn, address: &str, nonce: Option<i32>) {
        let seconds = self.start.elapsed().as_secs();
        if let (Some(nonce), Some(source)) = (nonce, self.sources.get(turn.from))
            && self.nonces.accepts(turn.from, seconds, nonce)
        {
            source.ledger.proved = true;
            turn.proved = true;
        }
        // A short answer while every byte counts.
        let name = if turn.proved { self.settings.name.as_str() } else { "" };
        let nonce = self.nonces.of(turn.from, seconds);
        turn.answer(address, reply::hello(name, env!("CARGO_PKG_VERSION"), nonce));
    }

    pub(super) fn sync(&mut self, turn: &mut Turn, address: &str, number: i32) {
        if self.syncs.len() >= MAX_SYNCS {
            return turn.refuse(address, Code::Failed, format!("{MAX_SYNCS} wait already"));
        }
        let revision = self.host.control().revision();
        self.syncs.push((turn.from, number, Audible::new(&*self.host, revision)));
    }

    pub(super) fn status(&self, number: Option<i32>) -> Message {
        let audio = self.host.audio();
        let control = self.host.control();
        let (revision, panic) = (control.revision(), control.panic());
        drop(control);
        let text = |s: &str| Arg::Str(s.to_string());
        let count = |n: u64| Arg::Int(n.min(i32::MAX as u64) as i32);
        let latency_ms = audio.latency as f64 * 1e3 / f64::from(audio.rate.max(1));
        let fields = [
            ("name", text(&self.settings.name)),
            ("version", text(env!("CARGO_PKG_VERSION"))),
            ("backend", text(audio.backend)),
            ("source", text(audio.source)),
            ("rate", count(u64::from(audio.rate))),
            ("period", count(audio.period as u64)),
            ("latency", count(audio.latency as u64)),
            ("latency_ms", Arg::Float(latency_ms as f32)),
            ("audible", Arg::Bool(audio.audible)),
            ("hung", Arg::Bool(audio.hung)),
            ("xruns", count(audio.xruns)),
            ("lost_engines", count(audio.lost_engines)),
            ("panic", Arg::Bool(panic)),
            ("revision", count(revision)),
        ];
        reply::status(number, &fields)
    }

    /// What changes something and is no set.
    pub(super) fn act(&mut self, turn: &mut Turn, address: &str, request: OscRequest) {
        match request {
            OscRequest::Undo | OscRequest::Redo => self.travel(turn, address, request == OscRequest::Undo),
            OscRequest::Panic(on) => {
                // Told to others as every change is; those who only asked hear it here.
                self.host.control().set_panic(on, turn.client);
            }
            OscRequest::MeterReset => {
                let Some(meters) = &self.meters else {
                    return turn.refuse(address, Code::Failed, "this rack has no meters");
                };
                meters.reset();
                self.tell_all(&Message::new("/meter/reset", Vec::new()), Some(turn.client));
            }
            snapshot => self.snapshot(turn, address, snapshot),
        }
    }

    fn travel(&mut self, turn: &mut Turn, address: &str, back: bool) {
        let mut control = self.host.control();
        let went = if back { control.undo(turn.client) } else { control.redo(turn.client) };
        drop(control);
        match went {
            Ok(Some((Reloaded::Ports, _))) => self.host.reopen(),
            Ok(Some((Reloaded::Sent(_), _))) => {}
            Ok(None) => {
                let what = if back { "undo" } else { "redo" };
                turn.refuse(address, Code::Failed, format!("there is nothing to {what}"));
            }
            Err(e) => turn.refuse(address, Code::Failed, e),
        }
    }

    fn snapshot(&mut self, turn: &mut Turn, address: &str, request: OscRequest) {
        let Some(snapshots) = self.snapshots.clone() else {
            return turn.refuse(address, Code::Failed, "no snapshots are kept here");
        };
        let client = turn.client;
        let done = match request {
            OscRequest::SnapshotStore { name } => snapshots.store(&name, client),
            OscRequest::SnapshotRecall { name, seconds } => {
                snapshots.recall(&name, seconds, client).map(drop)
            }
            OscRequest::SnapshotDelete { name } => snapshots.delete(&name, client),
            OscRequest::SnapshotList => {
                let names = snapshots.list();
                return turn.answer(address, reply::snapshot_list(names.iter().map(String::as_str)));
            }
            OscRequest::SnapshotCurrent => return turn.answer(address, current_message(&*snapshots)),
            _ => return,
        };
        match done {
            Ok(()) => self.tell_all(&current_message(&*snapshots), None),
            Err(e) => turn.refuse(address, Code::Failed, e),
        }
    }
}
