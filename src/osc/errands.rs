// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits for a disk: snapshots are stored, recalled and deleted and the ledger is written on a thread of
//! their own, so that nobody's fader waits for them; prints, which take longer, have another one. What one source
//! asks of each stays in its order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use super::codec::Message;
use super::desk::current_message;
use super::ports::{Fields, Ledger, Ports, Prints, Refusal, Snapshots};
use super::reply;
use super::request::{Code, LedgerErrand, OscRequest, PrintErrand, Refused};
use crate::control::Client;

/// Most that wait; of one host; and of all, where questions begin to be refused, so that changes find room.
pub const MAX_ERRANDS: usize = 64;
const MAX_OF_ONE: usize = 24;
const MAX_QUESTIONS: usize = 32;
/// What is done within this is answered in its place among the answers; what takes longer, when it is done.
pub const AT_ONCE: Duration = Duration::from_millis(3);

/// One thing to be done for one source.
pub struct Errand {
    pub from: SocketAddr,
    pub client: Client,
    pub address: String,
    pub request: OscRequest,
}

/// What came of one.
pub struct Done {
    pub from: SocketAddr,
    pub came: Result<Outcome, Refused>,
}

/// Whom to tell.
pub enum Outcome {
    Answer(Vec<Message>),
    /// Who asked, and everyone else.
    AnswerAndTell(Message),
    /// The current snapshot may be another one.
    TellAll(Message),
}

/// The thread, from the server's side.
pub struct Errands {
    /// `None` once it is to end.
    out: Option<SyncSender<Errand>>,
    home: Receiver<Done>,
    /// Whose are out.
    waiting: Vec<SocketAddr>,
    thread: Option<std::thread::JoinHandle<()>>,
    /// What was accepted is done before the end; else what has not begun is left out, and nobody waits.
    patient: bool,
    ended: Arc<AtomicBool>,
}

impl Errands {
    pub fn start(name: &str, ports: &Ports, patient: bool) -> std::io::Result<Errands> {
        let (out, taken) = sync_channel(MAX_ERRANDS);
        let (back, home) = channel();
        let (ports, ended) = (ports.clone(), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::Builder::new().name(name.into());
        let over = ended.clone();
        let thread = thread.spawn(move || {
            let all = taken.iter().take_while(|_| patient || !over.load(Ordering::Acquire));
            run(&ports, all, &back);
        })?;
        Ok(Errands { out: Some(out), home, waiting: Vec::new(), thread: Some(thread), patient, ended })
    }

    /// Sends one off, or says how many wait already.
    ///
    /// # Errors
    /// Too many of all, of this host, or, for a question, more than half.
    pub fn send(&mut self, errand: Errand) -> Result<(), String> {
        let from = errand.from;
        let own = self.waiting.iter().filter(|w| w.ip() == from.ip()).count();
        let (all, question) = (self.waiting.len(), errand.request.is_question());
        if own >= MAX_OF_ONE {
            return Err(format!("{own} requests of this host wait for the disk already"));
        }
        if question && all >= MAX_QUESTIONS {
            return Err(format!("{all} requests wait for the disk already"));
        }
        if self.out.as_ref().is_none_or(|out| out.try_send(errand).is_err()) {
            return Err(format!("{all} requests wait for the disk already"));
        }
        self.waiting.push(from);
        Ok(())
    }

    /// True while something that this source asked for is not done.
    pub fn waits(&self, from: SocketAddr) -> bool {
        self.waiting.contains(&from)
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next that is done, or will be in so long.
    pub fn next(&mut self, patience: Duration) -> Option<Done> {
        let done = match patience.is_zero() {
            true => self.home.try_recv().ok()?,
            false => self.home.recv_timeout(patience).ok()?,
        };
        if let Some(n) = self.waiting.iter().position(|from| *from == done.from) {
            self.waiting.remove(n);
        }
        Some(done)
    }
}

impl Drop for Errands {
    /// Waits for what was accepted, if it is patient: a print takes longer than an end may.
    fn drop(&mut self) {
        self.out = None;
        self.ended.store(true, Ordering::Release);
        if !self.patient {
            return;
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that waits for the disk for OSC had ended by a panic");
        }
    }
}

fn run(ports: &Ports, taken: impl Iterator<Item = Errand>, back: &Sender<Done>) {
    let without = |what: &str| Err((Code::Failed, format!("no {what} here")));
    for Errand { from, client, address, request } in taken {
        let done = match &request {
            OscRequest::Ledger(errand) => match &ports.ledger {
                Some(ledger) => written(&**ledger, errand),
                None => without("ledger is kept"),
            },
            OscRequest::Print(errand) => match &ports.prints {
                Some(prints) => printed(&**prints, errand),
                None => without("prints are made"),
            },
            _ => match &ports.snapshots {
                Some(snapshots) => kept(&**snapshots, &request, client),
                None => without("snapshots are kept"),
            },
        };
        let came = done.map_err(|(code, text)| Refused::new(&address, code, text));
        if back.send(Done { from, came }).is_err() {
            return; // the server is gone
        }
    }
}

fn kept(snapshots: &dyn Snapshots, request: &OscRequest, client: Client) -> Result<Outcome, Refusal> {
    match request {
        OscRequest::SnapshotStore { name } => snapshots.store(name, client)?,
        OscRequest::SnapshotRecall { name, seconds } => {
            snapshots.recall(name, *seconds, client)?;
        }
        OscRequest::SnapshotDelete { name } => snapshots.delete(name, client)?,
        _ => {}
    }
    Ok(outcome(snapshots, request))
}

fn written(ledger: &dyn Ledger, errand: &LedgerErrand) -> Result<Outcome, Refusal> {
    let fields: Fields = match errand {
        LedgerErrand::Start { name, tap } => ledger.start(name, tap)?,
        LedgerErrand::Pause => ledger.pause()?,
        LedgerErrand::Resume => ledger.resume()?,
        LedgerErrand::Close => ledger.close()?,
        LedgerErrand::Album(name) => ledger.turn(name)?,
        LedgerErrand::Status => return Ok(Outcome::Answer(vec![reply::ledger(&ledger.status()?)])),
        LedgerErrand::Tracks { album, most } => {
            let tracks = ledger.tracks(album, *most)?;
            return Ok(Outcome::Answer(reply::listing("/ledger/tracks", "/ledger/track", &tracks)));
        }
        LedgerErrand::Albums(most) => {
            let albums = ledger.albums(*most)?;
            return Ok(Outcome::Answer(reply::listing("/ledger/albums", "/ledger/album", &albums)));
        }
    };
    Ok(Outcome::AnswerAndTell(reply::ledger(&fields)))
}

fn printed(prints: &dyn Prints, errand: &PrintErrand) -> Result<Outcome, Refusal> {
    let fields: Fields = match errand {
        PrintErrand::Start { name, source } => prints.start(name, source)?,
        PrintErrand::Stop(name) => prints.stop(name)?,
        PrintErrand::Status(name) => prints.status(name)?,
        PrintErrand::List(most) => {
            let list = prints.list(*most)?;
            return Ok(Outcome::Answer(reply::listing("/print/list", "/print/entry", &list)));
        }
    };
    // Others are told by who looks at what moves.
    Ok(Outcome::Answer(vec![reply::print(&fields)]))
}

fn outcome(snapshots: &dyn Snapshots, request: &OscRequest) -> Outcome {
    match request {
        OscRequest::SnapshotList => Outcome::Answer(vec![list_message(snapshots)]),
        OscRequest::SnapshotCurrent => Outcome::Answer(vec![current_message(snapshots)]),
        _ => Outcome::TellAll(current_message(snapshots)),
    }
}

/// The answer to `/snapshot/list`.
pub fn list_message(snapshots: &dyn Snapshots) -> Message {
    let names = snapshots.list();
    reply::snapshot_list(names.iter().map(String::as_str))
}
