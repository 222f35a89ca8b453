// SPDX-License-Identifier: MIT OR Apache-2.0
//! One packet: what it asks for, in order, as one change; and the answers to its sender.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use super::codec::{Message, decode};
use super::desk::Desk;
use super::error::escaped;
use super::feed::subscriber;
use super::matcher::Budget;
use super::policy::Role;
use super::precheck::MAX_ELEMENTS;
use super::reply;
use super::request::{Code, Form, LedgerErrand, OscRequest, PrintErrand, Refused, Value, requests};
use super::stats::Loss;
use super::time::{self, Due};
use crate::control::Client;
use crate::control::address::Control as Line;

/// Most `/error`s for one packet.
const MAX_ERRORS: usize = 8;
/// Most answers to one packet.
const MAX_ANSWERS: usize = 4 * MAX_ELEMENTS;

/// What our own kind answers: never answered again, or two servers would talk for ever.
const ANSWERS: [&str; 5] = ["/error", "/pong", "/synced", "/hello.reply", "/status.reply"];

/// The packet in hand.
pub(super) struct Turn {
    pub from: SocketAddr,
    pub client: Client,
    pub role: Role,
    pub proved: bool,
    pub now: Instant,
    pub budget: Budget,
    /// All controls, once a pattern has asked for them.
    pub controls: Option<Vec<Line>>,
    pub answers: Vec<Message>,
    pub errors: Vec<Refused>,
}

impl Turn {
    pub fn refuse(&mut self, address: &str, code: Code, text: impl ToString) {
        self.errors.push(Refused::new(address, code, text.to_string()));
    }

    pub fn answer(&mut self, address: &str, message: Message) {
        match self.answers.len() {
            n if n < MAX_ANSWERS => self.answers.push(message),
            MAX_ANSWERS if self.errors.len() <= MAX_ERRORS => {
                self.refuse(address, Code::Packet, format!("more than {MAX_ANSWERS} answers to one packet"));
            }
            _ => {}
        }
    }
}

impl Desk {
    pub fn packet(&mut self, from: SocketAddr, bytes: &[u8]) {
        let Some(mut turn) = self.turn(from) else { return };
        match decode(bytes) {
            Err(e) => {
                let (out, text) = (&mut self.out, e.to_string());
                out.log.dropped(&out.stats, Loss::Malformed, 1, || format!("{from}: {}", escaped(&text)));
                turn.refuse("", Code::Packet, text);
            }
            Ok(packet) => match time::due(packet.time, ntp_now()) {
                Ok(due) => self.messages(&mut turn, &packet.messages, due),
                Err(e) => turn.refuse("#bundle", Code::Value, e),
            },
        }
        self.finish(turn);
    }

    fn turn(&mut self, from: SocketAddr) -> Option<Turn> {
        let source = self.sources.get(from)?;
        Some(Turn {
            from,
            client: source.client,
            role: source.role,
            proved: source.ledger.proved,
            now: Instant::now(),
            budget: Budget::PACKET,
            controls: None,
            answers: Vec::new(),
            errors: Vec::new(),
        })
    }

    /// All sets first, as one change; then the rest in order. What acts is only done if nothing was refused.
    fn messages(&mut self, turn: &mut Turn, messages: &[Message], due: Due) {
        let mut asked: Vec<(&str, OscRequest)> = Vec::new();
        for message in messages.iter().filter(|m| !ANSWERS.contains(&m.address.as_str())) {
            match requests(message) {
                Ok(all) => asked.extend(all.into_iter().map(|r| (message.address.as_str(), r))),
                Err(refused) => turn.errors.push(refused),
            }
        }
        for (address, request) in &asked {
            let needed = role_for(request);
            if turn.role < needed {
                let text = format!("your network's role may not; this needs {needed:?}").to_lowercase();
                turn.refuse(address, Code::Role, text);
            } else if acts(request) && due != Due::Now {
                turn.refuse(address, Code::Arguments, "only sets can have a time tag ahead of now");
            }
        }
        self.note_norm(turn, &asked);
        if turn.errors.is_empty() {
            self.edit(turn, &asked, due);
        }
        for (address, request) in asked {
            let asks = role_for(&request) == Role::View;
            if asks || (turn.errors.is_empty() && acts(&request)) {
                self.request(turn, address, request);
            }
        }
    }

    /// Who uses `/norm` is told in it.
    fn note_norm(&mut self, turn: &Turn, asked: &[(&str, OscRequest)]) {
        let norm = asked.iter().any(|(_, r)| {
            matches!(
                r,
                OscRequest::Get { form: Form::Norm, .. } | OscRequest::Set { value: Value::Norm(_), .. }
            )
        });
        if let Some(source) = self.sources.get(turn.from).filter(|_| norm) {
            source.norm = true;
            if let Some(feed) = &mut source.feed {
                feed.norm = true;
            }
        }
    }

    fn request(&mut self, turn: &mut Turn, address: &str, request: OscRequest) {
        match request {
            OscRequest::Set { .. } => {} // done
            OscRequest::Get { controls, form } => self.get(turn, address, &controls, form),
            OscRequest::Meter { readings } => self.readings(turn, address, &readings),
            OscRequest::Subscribe { subtree, hz, port } => {
                self.subscribe(turn, address, subtree, hz.unwrap_or(super::feed::USUAL_HZ), port);
            }
            OscRequest::Xremote => self.subscribe(turn, address, None, 20, None),
            OscRequest::Unsubscribe => self.unsubscribe(turn),
            OscRequest::Booleans(booleans) => self.booleans(turn, booleans),
            OscRequest::Status(n) => {
                let status = self.status(n);
                turn.answer(address, status);
            }
            OscRequest::Ping(n) => turn.answer(address, reply::pong(n)),
            OscRequest::Hello(nonce) => self.hello(turn, address, nonce),
            OscRequest::Sync(n) => self.sync(turn, address, n),
            OscRequest::Alarms => match &self.alarms {
                Some(alarms) => {
                    reply::alarms(&alarms.all()).into_iter().for_each(|m| turn.answer(address, m));
                }
                None => turn.refuse(address, Code::Failed, "no alarms are watched here"),
            },
            acting => self.act(turn, address, acting),
        }
    }

    /// Sends the answers and what was refused.
    fn finish(&mut self, mut turn: Turn) {
        let Desk { sources, out, .. } = self;
        let Some(source) = sources.get(turn.from) else { return };
        if !turn.errors.is_empty() {
            let n = turn.errors.len() as u64;
            let first = turn.errors[0].to_string();
            out.log.dropped(&out.stats, Loss::Refused, n, || format!("{}: {first}", turn.from));
        }
        let more = turn.errors.len().saturating_sub(MAX_ERRORS);
        turn.errors.truncate(MAX_ERRORS);
        if more > 0 {
            turn.refuse("#bundle", Code::Packet, format!("and {more} more refusals in this packet"));
        }
        let may = |e: &&Refused| source.errors.take(1.0, turn.now) || e.address == "#bundle";
        let errors: Vec<Message> = turn.errors.iter().filter(may).map(reply::error).collect();
        out.answer(turn.from, source, &turn.answers, turn.now);
        out.send(turn.from, &mut source.ledger, &errors, source.booleans);
    }
}

/// The meters' number for who only asks.
pub(super) fn asker(client: Client) -> u64 {
    subscriber(client.0, 31)
}

/// What a request needs.
fn role_for(request: &OscRequest) -> Role {
    match request {
        OscRequest::SnapshotDelete { .. } => Role::Admin,
        OscRequest::Ledger(LedgerErrand::Status | LedgerErrand::Tracks { .. } | LedgerErrand::Albums(_))
        | OscRequest::Print(PrintErrand::Status(_) | PrintErrand::List(_)) => Role::View,
        OscRequest::Set { .. }
        | OscRequest::MeterReset
        | OscRequest::Ledger(_)
        | OscRequest::Print(_)
        | OscRequest::SnapshotStore { .. }
        | OscRequest::SnapshotRecall { .. }
        | OscRequest::Undo
        | OscRequest::Redo
        | OscRequest::Panic(_) => Role::Operate,
        _ => Role::View,
    }
}

/// Changes something, and is no set.
fn acts(request: &OscRequest) -> bool {
    role_for(request) != Role::View && !matches!(request, OscRequest::Set { .. })
}

/// Now, as time tags count.
fn ntp_now() -> u64 {
    /// From 1900 to 1970.
    const UNIX: u64 = 2_208_988_800;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(UNIX) << 32) | fraction
}
