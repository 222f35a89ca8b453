// SPDX-License-Identifier: MIT OR Apache-2.0
//! What moves by itself, or by others than OSC: prints and the ledger are looked at beside the server's thread,
//! while somebody listens. What is new is told at once, and figures alone once a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::codec::{Arg, Message};
use super::ports::{Fields, Ports};
use super::reply;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two messages of figures alone.
const FIGURES: Duration = Duration::from_secs(1);
/// Most news that wait; the next look tells what found no room.
const MAX_NEWS: usize = 64;

/// How one thing stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// Which one.
    pub key: String,
    pub message: Message,
    /// It will not move any more.
    pub over: bool,
}

/// The thread, from the server's side. It ends soon after this is dropped; nobody waits for it.
pub struct Lookout {
    wanted: Arc<AtomicBool>,
    news: Receiver<News>,
}

impl Lookout {
    /// `None` if there is nothing to look at.
    pub fn start(ports: &Ports) -> std::io::Result<Option<Lookout>> {
        if ports.prints.is_none() && ports.ledger.is_none() {
            return Ok(None);
        }
        let (to, news) = sync_channel(MAX_NEWS);
        let wanted = Arc::new(AtomicBool::new(false));
        let mut watch =
            Watch { ports: ports.clone(), looking: false, told: BTreeMap::new(), moving: Vec::new(), to };
        let still = Arc::downgrade(&wanted);
        std::thread::Builder::new().name("osc-lookout".into()).spawn(move || {
            while let Some(wanted) = still.upgrade() {
                let on = wanted.load(Ordering::Acquire);
                drop(wanted);
                if on {
                    watch.look(Instant::now())
                } else {
                    watch.rest()
                }
                std::thread::sleep(LOOK);
            }
        })?;
        Ok(Some(Lookout { wanted, news }))
    }

    /// Somebody listens, or nobody.
    pub fn want(&self, on: bool) {
        self.wanted.store(on, Ordering::Release);
    }

    pub fn next(&self) -> Option<News> {
        self.news.try_recv().ok()
    }
}

struct Watch {
    ports: Ports,
    /// Somebody listened at the last look.
    looking: bool,
    /// What was told last, and when.
    told: BTreeMap<String, (Fields, Instant)>,
    /// Names of the prints that were not over.
    moving: Vec<String>,
    to: SyncSender<News>,
}

impl Watch {
    fn look(&mut self, now: Instant) {
        let first = !std::mem::replace(&mut self.looking, true);
        if let Some(ledger) = &self.ports.ledger
            && let Ok(fields) = ledger.status()
        {
            self.tell("ledger", &fields, reply::ledger, false, now);
        }
        let Some(prints) = self.ports.prints.clone() else { return };
        let mut moving = Vec::new();
        for (name, fields, over) in prints.moving(&self.moving) {
            let key = format!("print {name}");
            let told = self.tell(&key, &fields, reply::print, over, now);
            if over && told {
                self.told.remove(&key);
            } else {
                moving.push(name);
            }
        }
        self.moving = moving;
        if first
            && self.moving.is_empty()
            && let Ok(fields) = prints.status("")
        {
            // The last one, or that there is none.
            self.tell("print", &fields, reply::print, true, now);
            self.told.remove("print");
        }
    }

    /// Nobody listens: who comes next is told all.
    fn rest(&mut self) {
        self.looking = false;
        self.told.clear();
        self.moving.clear();
    }

    /// Tells it if there is something new. False if it found no room.
    fn tell(
        &mut self,
        key: &str,
        fields: &Fields,
        message: fn(&[(&str, Arg)]) -> Message,
        over: bool,
        now: Instant,
    ) -> bool {
        if let Some((before, at)) = self.told.get(key) {
            let quiet = now.saturating_duration_since(*at) < FIGURES;
            if before == fields || (quiet && differ_in_figures(before, fields)) {
                return true;
            }
        }
        let news = News { key: key.to_string(), message: message(fields), over };
        if self.to.try_send(news).is_err() {
            return false;
        }
        self.told.insert(key.to_string(), (fields.clone(), now));
        true
    }
}

/// Only numbers differ, and no key.
fn differ_in_figures(a: &Fields, b: &Fields) -> bool {
    let figure = |arg: &Arg| matches!(arg, Arg::Float(_) | Arg::Int(_));
    a.len() == b.len()
        && a.iter().zip(b).all(|((k, x), (l, y))| k == l && (x == y || (figure(x) && figure(y))))
}
