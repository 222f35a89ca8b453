// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that the server's thread holds, and what it does between packets: changes and readings out, leases,
//! `/sync`, the sample clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::clients::{FIRST_TARGET, Source, Sources};
use super::codec::{Arg, Booleans, Message};
use super::errands::{Done, Errands, Outcome};
use super::feed::{Feed, Forms};
use super::frames::FrameClock;
use super::lookout::{Lookout, News};
use super::outbox::datagrams;
use super::policy::{Ledger, Nonces};
use super::ports::{Alarms, Meters, Ports, Prints, Snapshots};
use super::reply;
use super::request::{Form, control_address};
use super::server::OscSettings;
use super::stats::{Log, Loss, Stats};
use super::streams::Streams;
use crate::control::change::Receiver;
use crate::control::{Audible, Change, Client, Handle, Kind};

/// Changes of ours that are still to come back, at most.
const MAX_OWN: usize = 2048;

/// A change that a client made by name, so that it is not told of it in the same form.
pub(super) struct Own {
    pub client: Client,
    /// `None` if it waits for its frame; then the names tell it.
    pub revision: Option<u64>,
    pub names: Vec<String>,
    pub forms: HashMap<String, Form>,
}

/// The way out.
pub(super) struct Out {
    pub socket: UdpSocket,
    pub streams: Streams,
    pub stats: Arc<Stats>,
    pub log: Log,
}

impl Out {
    /// Answers, as far as a source may have answers.
    pub fn answer(&mut self, to: SocketAddr, source: &mut Source, answers: &[Message], now: Instant) {
        let bytes: usize = datagrams(answers, source.booleans).iter().map(Vec::len).sum();
        if source.answers.take(bytes as f64, now) {
            self.send(to, &mut source.ledger, answers, source.booleans);
        } else {
            self.log.dropped(&self.stats, Loss::Unsent, 1, || format!("{to}: too many answers"));
        }
    }

    /// Sends; what an address may not have, or the network does not take, is counted.
    pub fn send(&mut self, to: SocketAddr, ledger: &mut Ledger, messages: &[Message], booleans: Booleans) {
        for datagram in datagrams(messages, booleans) {
            let Out { socket, streams, .. } = self;
            let mut send = || match streams.send(to, &datagram) {
                Some(taken) => taken,
                None => socket.send_to(&datagram, to).is_ok(),
            };
            if ledger.may_send(datagram.len()) && send() {
                self.stats.count_sent();
            } else {
                self.log.dropped(&self.stats, Loss::Unsent, 1, || to.to_string());
            }
        }
    }
}

pub(super) struct Desk {
    pub host: Handle,
    pub meters: Option<Arc<dyn Meters>>,
    pub snapshots: Option<Arc<dyn Snapshots>>,
    pub prints: Option<Arc<dyn Prints>>,
    pub alarms: Option<Arc<dyn Alarms>>,
    /// The last alarm that was heard of.
    pub alarm: Option<u64>,
    pub settings: OscSettings,
    pub receiver: Receiver,
    pub sources: Sources,
    pub targets: Vec<Feed>,
    pub own: VecDeque<Own>,
    /// Those without an [`Audible`] wait for the snapshots of their source first.
    pub syncs: Vec<(SocketAddr, i32, Option<Audible>)>,
    pub errands: Option<Errands>,
    /// The same for prints.
    pub printing: Option<Errands>,
    pub lookout: Option<Lookout>,
    /// What the lookout told last, by its key.
    pub standing: BTreeMap<String, News>,
    pub clock: FrameClock,
    pub nonces: Nonces,
    pub start: Instant,
    pub out: Out,
}

impl Desk {
    pub fn new(out: Out, host: Handle, ports: Ports, settings: OscSettings) -> std::io::Result<Self> {
        let start = Instant::now();
        let target = |(n, t): (usize, &super::server::Target)| {
            let mut feed = Feed::new(t.addr, FIRST_TARGET + n as u64, false);
            feed.subscribe(None, t.hz, start);
            feed
        };
        let targets = settings.targets.iter().enumerate().map(target).collect();
        let receiver = host.control().subscribe();
        let some = ports.snapshots.is_some() || ports.ledger.is_some();
        let errands = some.then(|| Errands::start("osc-disk", &ports, true)).transpose()?;
        let some = ports.prints.is_some();
        let printing = some.then(|| Errands::start("osc-print", &ports, false)).transpose()?;
        let lookout = Lookout::start(&ports)?;
        let Ports { meters, snapshots, prints, alarms, .. } = ports;
        Ok(Desk {
            host,
            meters,
            snapshots,
            prints,
            alarms,
            alarm: None,
            settings,
            receiver,
            sources: Sources::default(),
            targets,
            own: VecDeque::new(),
            syncs: Vec::new(),
            errands,
            printing,
            lookout,
            standing: BTreeMap::new(),
            clock: FrameClock::default(),
            nonces: Nonces::default(),
            start,
            out,
        })
    }

    /// Everything that is due.
    pub fn tend(&mut self, now: Instant) {
        let meters = self.meters.clone();
        for feed in self.sources.expire(self.settings.lease, now) {
            feed.end(meters.as_deref());
        }
        self.out.stats.set_clients(self.sources.listeners());
        self.take_errands_home(now);
        self.hear_changes();
        self.hear_news();
        self.hear_alarms();
        self.tell(now);
        self.answer_syncs();
    }

    /// Answers those whose snapshots are done.
    fn take_errands_home(&mut self, now: Instant) {
        let next = |e: &mut Option<Errands>| e.as_mut().and_then(|e| e.next(Duration::ZERO));
        while let Some(Done { from, came }) = next(&mut self.errands).or_else(|| next(&mut self.printing)) {
            let answers = match came {
                Ok(Outcome::TellAll(current)) => {
                    self.tell_all(&current, None);
                    continue;
                }
                Ok(Outcome::Answer(answers)) => answers,
                Ok(Outcome::AnswerAndTell(answer)) => {
                    let client = self.sources.get(from).map(|s| s.client);
                    self.tell_all(&answer, client);
                    vec![answer]
                }
                Err(refused) => {
                    let Out { stats, log, .. } = &mut self.out;
                    log.dropped(stats, Loss::Refused, 1, || format!("{from}: {refused}"));
                    let may = self.sources.get(from).is_some_and(|s| s.errors.take(1.0, now));
                    if !may {
                        continue;
                    }
                    vec![reply::error(&refused)]
                }
            };
            if let Some(source) = self.sources.get(from) {
                self.out.answer(from, source, &answers, now);
            }
        }
    }

    /// Forgets those whose connections are over.
    pub fn leave_streams(&mut self) {
        for from in self.out.streams.sweep() {
            let Some(source) = self.sources.forget(from) else { continue };
            if let Some(feed) = &source.feed {
                feed.end(self.meters.as_deref());
            }
            if let Some(meters) = &self.meters {
                meters.drop_subscriber(super::dispatch::asker(source.client));
            }
        }
    }

    /// True if something may be due soon.
    pub fn is_busy(&self) -> bool {
        let errands = [&self.errands, &self.printing].into_iter().flatten().any(|e| !e.is_idle());
        errands || !self.targets.is_empty() || !self.syncs.is_empty() || self.sources.listeners() > 0
    }

    /// True while something that this source asked for is not done.
    pub fn waits(&self, from: SocketAddr) -> bool {
        [&self.errands, &self.printing].into_iter().flatten().any(|e| e.waits(from))
    }

    fn hear_alarms(&mut self) {
        let Some(alarms) = &self.alarms else { return };
        for alarm in alarms.since(&mut self.alarm) {
            self.tell_all(&reply::alarm(&alarm), None);
        }
    }

    /// Tells what has moved by itself: prints and the ledger.
    fn hear_news(&mut self) {
        let wanted = !self.targets.is_empty() || self.sources.listeners() > 0;
        let Some(lookout) = &self.lookout else { return };
        lookout.want(wanted);
        if !wanted {
            self.standing.clear();
        }
        while let Some(news) = self.lookout.as_ref().filter(|_| wanted).and_then(Lookout::next) {
            if self.standing.get(&news.key).is_some_and(|n| n.message == news.message) {
                continue;
            }
            self.tell_all(&news.message, None);
            // Of those that are over the last one is remembered.
            self.standing.retain(|_, n| !n.over || n.message.address != news.message.address);
            self.standing.insert(news.key.clone(), news);
        }
    }

    /// Takes a reading of the sample clock.
    pub fn observe(&mut self, now: Instant) {
        let audio = self.host.audio();
        let began = self.host.load().and_then(|l| l.last_period());
        let control = self.host.control();
        let (Some(status), Some(spec)) = (control.status(), control.spec()) else { return };
        // A host that does not say when its periods begin has one period counted as soon as it begins.
        let counted = || (status.frame.load(Relaxed).saturating_sub(audio.period as u64), now);
        let (frame, at) = began.unwrap_or_else(counted);
        // A glitch has lost time: what was read before it is no longer so.
        let engine = (Arc::as_ptr(status).addr(), audio.xruns);
        self.clock.observe(at, engine, frame, spec.sample_rate);
    }

    /// Marks what has changed for everyone who is to know.
    pub fn hear_changes(&mut self) {
        let mut anew = false;
        while let Some(change) = self.receiver.next() {
            match &change.kind {
                Kind::Values(values) => self.values_changed(&change, values),
                Kind::Layout => anew = true,
                Kind::Panic(on) => self.tell_all(&panic_message(*on), Some(change.client)),
                Kind::SnapshotStored(_) | Kind::SnapshotRecalled(_) | Kind::SnapshotDeleted(_) => {}
                Kind::MeterReset => {
                    self.tell_all(&Message::new("/meter/reset", Vec::new()), Some(change.client))
                }
            }
        }
        if anew || self.receiver.lost() > 0 {
            self.sources.feeds().for_each(|(_, _, f)| f.start_over());
            self.targets.iter_mut().for_each(Feed::start_over);
        }
    }

    fn values_changed(&mut self, change: &Change, values: &[(String, f64)]) {
        let own = self.own.iter().position(|o| {
            o.client == change.client
                && match o.revision {
                    Some(r) => r == change.revision,
                    None => o.names.iter().eq(values.iter().map(|v| &v.0)),
                }
        });
        let own = own.and_then(|n| self.own.remove(n));
        for (name, value) in values {
            for (client, _, feed) in self.sources.feeds() {
                let form = own.as_ref().filter(|o| o.client == client).and_then(|o| o.forms.get(name));
                feed.changed(name, *value, form.copied());
            }
            self.targets.iter_mut().for_each(|f| f.changed(name, *value, None));
        }
    }

    /// Remembers a change by name until it comes back.
    pub fn expect_own(&mut self, own: Own) {
        if self.own.len() >= MAX_OWN {
            self.own.pop_front();
        }
        self.own.push_back(own);
    }

    /// One message to all who listen for it, but for its sender.
    pub fn tell_all(&mut self, message: &Message, but: Option<Client>) {
        let messages = std::slice::from_ref(message);
        for (client, ledger, feed) in self.sources.feeds() {
            if Some(client) != but && feed.covers(&message.address) {
                self.out.send(feed.to, ledger, messages, feed.booleans);
            }
        }
        for feed in &self.targets {
            self.out.send(feed.to, &mut Ledger::new(true), messages, feed.booleans);
        }
    }

    /// Full states, values and readings that are due.
    fn tell(&mut self, now: Instant) {
        let Desk { host, meters, snapshots, alarms, sources, targets, out, standing, .. } = self;
        let mut one = |ledger: &mut Ledger, feed: &mut Feed| {
            let mut messages = Vec::new();
            if feed.take_state(now) {
                messages.extend(state(host, snapshots.as_deref(), feed));
                let alarms = alarms.as_ref().map(|a| a.all()).unwrap_or_default();
                messages.extend(alarms.iter().map(reply::alarm).filter(|m| feed.covers(&m.address)));
                messages.extend(
                    standing.values().filter(|n| feed.covers(&n.message.address)).map(|n| n.message.clone()),
                );
            }
            let ready = feed.ready(now);
            if !ready.is_empty() {
                let control = host.control();
                for (name, value, forms) in ready {
                    if let Ok((spec, _)) = control.get(&name) {
                        messages.extend(forms.iter().map(|f| reply::value(&name, &spec, value, f)));
                    }
                }
            }
            if let Some(meters) = meters.as_deref() {
                messages.extend(feed.readings(meters, now));
            }
            out.send(feed.to, ledger, &messages, feed.booleans);
        };
        sources.feeds().for_each(|(_, ledger, feed)| one(ledger, feed));
        targets.iter_mut().for_each(|feed| one(&mut Ledger::new(true), feed));
    }

    fn answer_syncs(&mut self) {
        let Desk { host, syncs, sources, out, errands, printing, .. } = self;
        let waits = |to| [&*errands, &*printing].into_iter().flatten().any(|e: &Errands| e.waits(to));
        syncs.retain_mut(|(to, number, audible)| {
            if audible.is_none() && waits(*to) {
                return true;
            }
            let audible = audible.get_or_insert_with(|| Audible::new(host.control().revision()));
            let Some(audible) = audible.poll(&**host) else { return true };
            if let Some(source) = sources.get(*to) {
                out.send(*to, &mut source.ledger, &[reply::synced(*number, audible)], source.booleans);
            }
            false
        });
    }
}

pub(super) fn panic_message(on: bool) -> Message {
    Message::new("/panic", vec![Arg::Bool(on)])
}

pub(super) fn current_message(snapshots: &dyn Snapshots) -> Message {
    let current = snapshots.current();
    reply::snapshot_current(current.as_ref().map(|c| c.0.as_str()), current.as_ref().is_some_and(|c| c.1))
}

/// All that a receiver has asked to be told of, as it stands.
fn state(host: &Handle, snapshots: Option<&dyn Snapshots>, feed: &mut Feed) -> Vec<Message> {
    let mut out = Vec::new();
    let forms: Forms = feed.state_forms();
    let control = host.control();
    let (controls, panic) = (control.controls(), control.panic());
    drop(control);
    for c in controls.iter().filter(|c| feed.covers(&control_address(&c.address))) {
        out.extend(forms.iter().map(|f| reply::value(&c.address, &c.spec, c.value, f)));
    }
    if feed.covers("/panic") {
        out.push(panic_message(panic));
    }
    if let Some(s) = snapshots.filter(|_| feed.covers("/snapshot/current")) {
        out.push(current_message(s));
    }
    out
}
