// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything but values: subscriptions, history, panic, snapshots, and the questions a program asks.

use std::net::SocketAddr;

use super::clients::MAX_CLIENTS;
use super::codec::{Arg, Booleans, Message};
use super::desk::{Desk, current_message};
use super::dispatch::Turn;
use super::errands::{AT_ONCE, Errand, Outcome, list_message};
use super::feed::{Feed, MAX_GROUPS};
use super::reply;
use super::request::{Code, OscRequest, PrintErrand, Subtree};
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
        if let Some(why) = self.meters.as_ref().and_then(|m| m.full()) {
            return turn.refuse(address, Code::Failed, why);
        }
        let name = subtree.as_ref().and_then(|s| super::request::meter_name(s.text()));
        if let (Some(meters), Some(name)) = (&self.meters, name) {
            let named = meters.named(name);
            let many = named.iter().filter(|n| meters.is_frames(n));
            if let Some(why) = many.filter_map(|n| meters.refused(f64::from(hz), n)).next() {
                return turn.refuse(address, Code::Failed, why);
            }
        }
        let to = SocketAddr::new(turn.from.ip(), port.unwrap_or(turn.from.port()));
        let (norm, booleans) = (source.norm, source.booleans);
        let feed = source.feed.get_or_insert_with(|| Feed::new(to, turn.client.0, norm));
        feed.booleans = booleans;
        feed.to = to;
        if !feed.subscribe(subtree, hz, turn.now) {
            turn.refuse(address, Code::Failed, format!("{MAX_GROUPS} subscriptions are the most"));
        }
    }

    /// How switches are sent to this source from now on.
    pub(super) fn booleans(&mut self, turn: &Turn, booleans: Booleans) {
        if let Some(source) = self.sources.get(turn.from) {
            source.booleans = booleans;
            source.feed.iter_mut().for_each(|f| f.booleans = booleans);
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
        let waits = self.waits(turn.from);
        let revision = self.host.control().revision();
        self.syncs.push((turn.from, number, (!waits).then(|| Audible::new(revision))));
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
            other => self.errand(turn, address, other),
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

    /// What changes snapshots, the ledger or prints, and what is asked after it, is done beside this thread.
    fn errand(&mut self, turn: &mut Turn, address: &str, request: OscRequest) {
        let prints = matches!(request, OscRequest::Print(_));
        let Some(errands) = (if prints { &mut self.printing } else { &mut self.errands }) else {
            let what = if prints { "no prints are made" } else { "neither snapshots nor a ledger are kept" };
            return turn.refuse(address, Code::Failed, format!("{what} here"));
        };
        // How a print stands is known without the disk, also while another one is being written there.
        if let (OscRequest::Print(PrintErrand::Status(name)), Some(prints)) = (&request, &self.prints)
            && let Some(known) = prints.known(name)
        {
            return match known {
                Ok(fields) => turn.answer(address, reply::print(&fields)),
                Err((code, text)) => turn.refuse(address, code, text),
            };
        }
        match (&request, &self.snapshots) {
            (OscRequest::SnapshotList, Some(s)) if !errands.waits(turn.from) => {
                return turn.answer(address, list_message(&**s));
            }
            (OscRequest::SnapshotCurrent, Some(s)) if !errands.waits(turn.from) => {
                return turn.answer(address, current_message(&**s));
            }
            _ => {}
        }
        let (from, client, idle) = (turn.from, turn.client, errands.is_idle());
        if let Err(full) = errands.send(Errand { from, client, address: address.to_string(), request }) {
            return turn.refuse(address, Code::Failed, full);
        }
        // Only the first is waited for, so that a slow disk costs this once.
        let done = if idle { errands.next(AT_ONCE) } else { None };
        match done.map(|d| d.came) {
            Some(Ok(Outcome::TellAll(current))) => self.tell_all(&current, None),
            Some(Ok(Outcome::Answer(answers))) => {
                answers.into_iter().for_each(|answer| turn.answer(address, answer));
            }
            Some(Ok(Outcome::AnswerAndTell(answer))) => {
                self.tell_all(&answer, Some(client));
                turn.answer(address, answer);
            }
            Some(Err(refused)) => turn.errors.push(refused),
            None => {}
        }
    }
}
