// SPDX-License-Identifier: MIT OR Apache-2.0
//! What moves by itself, or by others than OSC: prints and the ledger are looked at beside the server's thread,
//! while somebody listens. What is new is told at once, and figures alone once a second.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::codec::{Arg, Message};
use super::ports::{Fields, Ports};
use super::reply;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The same of the ledger, whose figures take some work after hours.
const LOOK_AT_LEDGER: Duration = Duration::from_millis(500);
/// Between two messages of figures alone.
const FIGURES: Duration = Duration::from_secs(1);
/// Ends of prints that are remembered; no more run at once.
const MAX_ENDED: usize = 8;
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
        let mut watch = Watch::new(ports.clone(), to);
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
    /// When the ledger was looked at.
    ledger_at: Option<Instant>,
    /// Names of the prints that were not over.
    moving: Vec<String>,
    /// Those whose end was told last.
    ended: VecDeque<String>,
    to: SyncSender<News>,
}

impl Watch {
    fn new(ports: Ports, to: SyncSender<News>) -> Watch {
        Watch {
            ports,
            looking: false,
            told: BTreeMap::new(),
            ledger_at: None,
            moving: Vec::new(),
            ended: VecDeque::new(),
            to,
        }
    }

    fn look(&mut self, now: Instant) {
        let first = !std::mem::replace(&mut self.looking, true);
        let due = self.ledger_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_AT_LEDGER);
        if (first || due)
            && let Some(ledger) = &self.ports.ledger
            && let Ok(fields) = ledger.status()
        {
            self.ledger_at = Some(now);
            self.tell("ledger", &fields, reply::ledger, false, now);
        }
        let Some(prints) = self.ports.prints.clone() else { return };
        let all = prints.moving(&self.moving);
        if first
            && all.is_empty()
            && let Ok(fields) = prints.status("")
        {
            self.tell("print", &fields, reply::print, true, now);
            self.told.remove("print");
        }
        let before = std::mem::take(&mut self.moving);
        for name in before.iter().filter(|name| all.iter().all(|(n, ..)| n != *name)) {
            self.vanished(name, now);
        }
        for (name, fields, over) in all {
            if over && self.ended.contains(&name) {
                continue;
            }
            let key = format!("print {name}");
            if self.tell(&key, &fields, reply::print, over, now) && over {
                self.told.remove(&key);
                self.ended.push_back(name);
                if self.ended.len() > MAX_ENDED {
                    self.ended.pop_front();
                }
            } else {
                self.ended.retain(|ended| *ended != name);
                self.moving.push(name);
            }
        }
    }

    /// A print that was said to record, and of which nothing is left: it did not begin.
    fn vanished(&mut self, name: &str, now: Instant) {
        let key = format!("print {name}");
        let Some((mut fields, _)) = self.told.get(&key).cloned() else { return };
        for (field, value) in &mut fields {
            match *field {
                "state" => *value = Arg::Str("failed".into()),
                "reason" => *value = Arg::Str("it did not begin".into()),
                _ => {}
            }
        }
        if self.tell(&key, &fields, reply::print, true, now) {
            self.told.remove(&key);
        } else {
            self.moving.push(name.to_string());
        }
    }

    /// Nobody listens: who comes next is told all.
    fn rest(&mut self) {
        self.looking = false;
        self.told.clear();
        self.moving.clear();
        self.ended.clear();
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::ports::{Listing, Prints, Refusal};
    use super::*;

    /// Prints by name, with their state and length.
    #[derive(Default)]
    struct Fake(Mutex<Vec<(String, &'static str, i32)>>);

    impl Fake {
        fn set(&self, name: &str, state: &'static str, seconds: i32) {
            let mut all = self.0.lock().unwrap();
            match all.iter_mut().find(|p| p.0 == name) {
                Some(p) => (p.1, p.2) = (state, seconds),
                None => all.push((name.into(), state, seconds)),
            }
        }
    }

    fn fields(name: &str, state: &str, seconds: i32) -> Fields {
        let text = |t: &str| Arg::Str(t.into());
        vec![("state", text(state)), ("name", text(name)), ("seconds", Arg::Int(seconds))]
    }

    impl Prints for Fake {
        fn start(&self, _: &str, _: &str) -> Result<Fields, Refusal> {
            unreachable!("nobody starts one here")
        }
        fn stop(&self, _: &str) -> Result<Fields, Refusal> {
            unreachable!("nor stops one")
        }
        fn status(&self, _: &str) -> Result<Fields, Refusal> {
            Ok(fields("", "idle", 0))
        }
        fn list(&self, _: usize) -> Result<Listing, Refusal> {
            unreachable!("nor lists them")
        }
        fn known(&self, _: &str) -> Option<Result<Fields, Refusal>> {
            unreachable!("nor is asked by name")
        }
        fn moving(&self, names: &[String]) -> Vec<(String, Fields, bool)> {
            let all = self.0.lock().unwrap();
            let last = all.len().saturating_sub(1);
            let wanted = |(n, p): &(usize, &(String, &'static str, i32))| {
                *n == last || p.1 != "done" || names.contains(&p.0)
            };
            let of = |(_, p): (usize, &(String, &'static str, i32))| {
                (p.0.clone(), fields(&p.0, p.1, p.2), p.1 == "done")
            };
            all.iter().enumerate().filter(wanted).map(of).collect()
        }
    }

    #[test]
    fn states_are_told_at_once_figures_once_a_second_and_ends_once() {
        let prints = Arc::new(Fake::default());
        let (to, news) = sync_channel(MAX_NEWS);
        let ports = Ports { prints: Some(prints.clone()), ..Ports::default() };
        let mut watch = Watch::new(ports, to);
        let start = Instant::now();
        let mut look = |ms: u64| {
            watch.look(start + Duration::from_millis(ms));
            let said = |n: News| format!("{:?}", n.message.args[1..].iter().step_by(2).collect::<Vec<_>>());
            news.try_iter().map(said).collect::<Vec<_>>()
        };
        let told = |name: &str, state: &str, s: i32| format!("[Str({state:?}), Str({name:?}), Int({s})]");
        assert_eq!(look(0), [told("", "idle", 0)]);
        assert!(look(100).is_empty());
        prints.set("a", "recording", 0);
        assert_eq!(look(200), [told("a", "recording", 0)]);
        prints.set("a", "recording", 1);
        assert!(look(300).is_empty(), "figures alone wait");
        assert_eq!(look(1250), [told("a", "recording", 1)]);
        // Another one that is over before anybody looked, and the first one ends after it.
        prints.set("b", "done", 1);
        assert_eq!(look(1300), [told("b", "done", 1)]);
        prints.set("a", "done", 2);
        assert_eq!(look(1400), [told("a", "done", 2)]);
        assert!(look(1500).is_empty() && look(9000).is_empty(), "ends are told once");
        // One that is seen while it tries to begin, and is taken back.
        prints.set("c", "recording", 0);
        assert_eq!(look(9100), [told("c", "recording", 0)]);
        prints.0.lock().unwrap().retain(|p| p.0 != "c");
        assert_eq!(look(9200), [told("c", "failed", 0)]);
        assert!(look(9300).is_empty(), "that is told once, too");
        watch.rest();
        watch.look(start + Duration::from_secs(10));
        assert_eq!(news.try_iter().count(), 1, "who comes next is told of the last one");
    }
}
