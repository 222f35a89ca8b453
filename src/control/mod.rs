// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one writer: every change of the rack goes through here, in one order, with a revision number.
//!
//! Control side throughout. [`Control`] keeps two racks: the one *accepted*, which is what everyone is
//! told, and the one *sent*, which is what the engine has been told. Whatever could not be sent (an
//! install is under way, the ring is full) is the difference of the two and follows at the next
//! [`tick`](Control::tick): the last value wins, and nothing is lost. The engine itself may be lost (a
//! hung server keeps it for ever): another is built from the accepted rack.
//!
//! | file | what it is |
//! |---|---|
//! | [`address`] | the names of all controls: the rack's and the monitor's |
//! | [`listening`] | which slot is listened to, and what of it |
//! | [`edit`] | a batch of sets: checked whole, then made |
//! | [`history`] | undo and redo |
//! | [`change`] | what everyone is told |
//! | [`recall`] | many values as one change, at once or as a morph |
//! | [`snapshots`] | snapshots of the running rack |
//! | [`keeper`] | keeps the last state on the disk |
//! | [`host`] | what a transport holds |
//! | [`designers`] | designs that take long, made beside the writer |
//! | [`load`] | how much of its period a driver's callback takes |
//! | [`taps`] | what those who only look at audio ask for |

pub mod address;
pub mod change;
mod designers;
pub mod edit;
pub mod history;
pub mod host;
pub mod keeper;
mod listening;
pub mod load;
mod moves;
pub mod recall;
pub mod snapshots;
pub mod taps;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::engine::{
    Batch, BuildError, Built, ChainSpec, Command, Engine, Event, Frame, Install, Link, Status, build, link,
    transition,
};
use lathe_core::param::{ParamTable, Values};
use lathe_core::rack::plan::RackPlan;

pub use change::{Change, Client, Kind};
pub use edit::{Applied, Edit, EditError, Input, Item, When};
pub use host::{Audible, AudioState, Handle, Host};
pub use snapshots::{SnapshotError, Snapshots};

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// Accepted under this revision; it is on its way to the audio thread or follows what is.
    Sent(u64),
    /// Accepted, but the rack has other ports: a new engine is needed ([`Control::start`]).
    Ports,
}

/// All that a person sets: the rack with its values, the monitor, and what of a slot is listened to.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub rack: RackPlan,
    pub monitor: Values,
    pub listening: Option<listening::Listening>,
}

/// The running half: what there is only while an engine runs.
struct Running {
    spec: Arc<ChainSpec>,
    /// The revision that `spec` was sent under; 0 for an engine's first.
    installed: u64,
    link: Link,
    sent: Settings,
    /// An install has left and is not home yet.
    installing: bool,
    /// The accepted rack needs another chain than the one sent.
    pending: bool,
    /// Values differ between accepted and sent.
    behind: bool,
    /// Batches that have left for a frame still to come, with the slots they change: nothing may
    /// overtake them there, and no chain may be exchanged under them.
    under_way: Vec<(u64, BTreeSet<String>)>,
    designers: designers::Designers,
}

/// The single writer.
pub struct Control {
    accepted: Settings,
    running: Option<Running>,
    revision: u64,
    history: history::History,
    changes: change::Changes,
    scheduled: Vec<edit::Scheduled>,
    morph: Option<recall::Morph>,
    /// Latched silence; the engine's flag follows it.
    panicked: bool,
    /// The text of the rack file that was read last.
    file: String,
    /// The running rack as text, if it is another than the file's.
    loaded: Option<String>,
}

impl Control {
    pub fn new(rack: RackPlan) -> Self {
        let monitor = ParamTable::new(MonitorParam::SPECS).defaults();
        Control {
            accepted: Settings { rack, monitor, listening: None },
            running: None,
            revision: 0,
            history: history::History::default(),
            changes: change::Changes::default(),
            scheduled: Vec::new(),
            morph: None,
            panicked: false,
            file: String::new(),
            loaded: None,
        }
    }

    /// Remembers the text of the rack file that the accepted rack was read from.
    pub fn set_file(&mut self, text: &str) {
        self.file = text.to_string();
        self.loaded = None;
    }

    /// Starts from what a state directory remembers: values that are allowed, panic and the revision.
    pub fn restore(&mut self, restored: &crate::store::Restored) {
        for (address, value) in restored.values.iter().chain(&restored.monitor) {
            if let Ok((place, spec, _)) = self.accepted.find(address)
                && let Ok(value) = spec.check(*value)
            {
                self.accepted.set(place, value);
            }
        }
        self.panicked = restored.panic;
        self.revision = restored.revision;
        self.loaded = restored.rack.clone();
    }

    /// Tells everyone of something that changes no value.
    pub fn tell(&mut self, client: Client, kind: Kind) {
        self.changes.tell(self.revision, client, kind);
    }

    /// Changes whenever the last state does.
    fn stamp(&self) -> u64 {
        self.revision
    }

    /// The rack as last accepted, with its values.
    pub fn plan(&self) -> &RackPlan {
        &self.accepted.rack
    }

    pub fn spec(&self) -> Option<&Arc<ChainSpec>> {
        self.running.as_ref().map(|r| &r.spec)
    }

    /// What the audio thread shows of itself; `None` before the first engine.
    pub fn status(&self) -> Option<&Arc<Status>> {
        self.running.as_ref().map(|r| &r.link.status)
    }

    /// The last revision given to a change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Builds an engine of its own for the accepted rack at `sample_rate` Hz; an earlier one is let go.
    pub fn start(&mut self, sample_rate: u32) -> Result<Engine, BuildError> {
        let built = build(&self.accepted.rack, sample_rate)?;
        self.revision += 1;
        let (link, audio) = link();
        // Panic is latched through every rebuild, and a new engine counts its frames from 0.
        link.status.panic.store(self.panicked, Relaxed);
        link.status.applied.store(self.revision, Relaxed);
        let counted = self.status().map_or(0, |s| s.frame.load(Relaxed));
        self.scheduled.iter_mut().for_each(|s| s.shift(counted));
        let monitor = ParamTable::new(MonitorParam::SPECS).defaults();
        let behind = monitor != self.accepted.monitor || self.accepted.listening.is_some();
        if !behind {
            // It is built from everything that was accepted.
            link.status.applied.store(self.revision, Relaxed);
        }
        let sent = Settings { rack: self.accepted.rack.clone(), monitor, listening: None };
        self.running = Some(Running {
            spec: built.spec.clone(),
            installed: 0,
            link,
            sent,
            installing: false,
            pending: false,
            behind,
            under_way: Vec::new(),
            designers: designers::Designers::default(),
        });
        let mut engine = Engine::new(built, audio);
        engine.fade_in();
        Ok(engine)
    }

    /// Accepts another rack. A rack that cannot be built changes nothing.
    pub fn reload(&mut self, rack: RackPlan) -> Result<Reloaded, BuildError> {
        self.replace(rack, Client::LOCAL, "load")
    }

    /// Accepts another rack for a client; one step of history.
    pub fn replace(&mut self, rack: RackPlan, client: Client, what: &str) -> Result<Reloaded, BuildError> {
        let built = match &self.running {
            Some(r) => Some(build(&rack, r.spec.sample_rate)?),
            None => None,
        };
        let before = std::mem::replace(&mut self.accepted.rack, rack);
        let changed = change::differences(&before, &self.accepted.rack);
        self.morph = None;
        self.history.push(before, client, what, None);
        Ok(self.adopt(built, client, changed))
    }

    /// Sends the accepted rack on its way and tells everyone.
    fn adopt(&mut self, built: Option<Built>, client: Client, changed: change::Difference) -> Reloaded {
        self.accepted.forget_deaf();
        self.revision += 1;
        let kind = match changed {
            change::Difference::Layout => Kind::Layout,
            change::Difference::Values(v) => Kind::Values(v),
        };
        self.changes.tell(self.revision, client, kind);
        let (Some(running), Some(built)) = (&mut self.running, built) else { return Reloaded::Ports };
        if !running.spec.same_ports(&built.spec) {
            return Reloaded::Ports;
        }
        if running.is_busy() {
            running.pending = true;
        } else {
            running.install(&self.accepted, built, self.revision);
        }
        Reloaded::Sent(self.revision)
    }

    /// Takes home what has come home and sends what waits. Call it every few milliseconds.
    pub fn tick(&mut self) {
        self.release_scheduled();
        let morphing = self.morph_is_due();
        let wanted = if morphing || self.running.as_ref().is_some_and(|r| r.behind) {
            Some(self.wanted())
        } else {
            None
        };
        let Some(running) = &mut self.running else { return };
        for event in running.link.collect() {
            match event {
                Event::Installed(_) => running.installing = false,
                Event::Applied(b) => running.under_way.retain(|(revision, _)| *revision != b.revision),
                _ => {}
            }
        }
        if running.pending && !running.is_busy() {
            running.pending = false;
            // It was built when it was accepted, so it can be built.
            if let Ok(built) = build(&self.accepted.rack, running.spec.sample_rate)
                && running.spec.same_ports(&built.spec)
            {
                running.install(&self.accepted, built, self.revision);
            }
        } else if let Some(wanted) = wanted {
            running.send_moves(&wanted, self.revision, 0, &[], false);
        }
    }

    /// True once every change accepted so far is on its way or in the sound.
    pub fn is_settled(&self) -> bool {
        self.running.as_ref().is_none_or(|r| !r.is_busy() && !r.pending && !r.behind)
    }

    /// True if the audio thread has applied this revision.
    pub fn is_applied(&self, revision: u64) -> bool {
        self.running.as_ref().is_some_and(|r| {
            let waits = r.pending || r.behind || r.under_way.iter().any(|(earlier, _)| *earlier <= revision);
            !waits && r.link.status.applied.load(Relaxed) >= revision
        })
    }

    /// Latched silence at main, or its end.
    pub fn set_panic(&mut self, on: bool, client: Client) {
        self.panicked = on;
        if let Some(status) = self.status() {
            status.panic.store(on, Relaxed);
        }
        self.revision += 1;
        if let Some(running) = &mut self.running {
            // The flag is in force at once; an empty batch says so in its turn.
            running.behind |= !running.send(Vec::new(), self.revision, 0);
        }
        self.changes.tell(self.revision, client, Kind::Panic(on));
    }

    pub fn panic(&self) -> bool {
        self.panicked
    }

    /// A receiver of every change from now on.
    pub fn subscribe(&mut self) -> change::Receiver {
        self.changes.subscribe()
    }
}

/// Designs that are home.
#[derive(Default)]
struct Long {
    /// What to send instead, where a design is of earlier values.
    to: Option<Settings>,
    /// By slot.
    parts: moves::Designs,
}

impl Running {
    /// Sends a new chain, then the values of kept slots that differ. What does not fit follows later.
    fn install(&mut self, to: &Settings, built: Built, revision: u64) {
        let (spec, mut chain) = (built.spec, built.chain);
        let transition = transition(&self.spec, &spec, &mut chain);
        let kept: Vec<usize> = transition.slots.iter().map(|&(_, new)| new).collect();
        let install = Command::Install(Box::new(Install { revision, chain, transition }));
        if self.link.send(install).is_err() {
            self.pending = true;
            return;
        }
        self.installing = true;
        // What is new was built with its values; what was kept still has the old ones.
        let mut sent = to.rack.clone();
        moves::keep_old_values(&self.sent.rack, &mut sent, &spec, &kept);
        self.sent.rack = sent;
        self.spec = spec;
        self.installed = revision;
        // They follow at the next tick.
        self.behind = true;
    }

    /// True while no other chain may be sent.
    fn is_busy(&self) -> bool {
        self.installing || !self.under_way.is_empty()
    }

    /// Sends what differs as one batch at frame `at`, but for slots that a batch under way has; `told`:
    /// even an empty one, for its revision.
    fn send_moves(&mut self, to: &Settings, revision: u64, at: Frame, ramps: moves::Ramps, told: bool) {
        let mut held = self.under_way.iter().flat_map(|(_, slots)| slots.iter().cloned()).collect();
        let long = self.long_designs(to, &mut held);
        let to = long.to.as_ref().unwrap_or(to);
        let m = moves::moves(&self.sent, to, &self.spec, ramps, &held, long.parts);
        let nothing = m.writes.is_empty() && !told;
        if !nothing && !self.send(m.writes, revision, at) {
            self.behind = true;
            return;
        }
        if at > self.link.status.frame.load(Relaxed) && !m.changed.is_empty() {
            self.under_way.push((revision, m.changed));
        }
        moves::copy_values(to, &mut self.sent, &m.left);
        self.behind = !m.left.is_empty() || long.to.is_some();
    }

    /// Designs that take long: what is home is sent, the rest is held until it is.
    fn long_designs(&mut self, to: &Settings, held: &mut BTreeSet<String>) -> Long {
        let mut long = Long::default();
        for slot in to.rack.walk().into_iter().filter(|s| designers::is_long(s)) {
            if held.contains(&slot.id) {
                continue;
            }
            let was = self.sent.rack.walk().into_iter().find(|s| s.id == slot.id);
            let Some(index) = self.spec.find_slot(&slot.id) else { continue };
            if !was.is_some_and(|was| moves::needs_design(was, slot)) {
                continue;
            }
            let format = &self.spec.slots[usize::from(index.0)].format;
            let Some(design) = self.designers.take(slot, format) else {
                held.insert(slot.id.clone());
                continue;
            };
            if design.slot.values != slot.values {
                // Values of a moment ago, on the way to those wanted.
                let to = long.to.get_or_insert_with(|| to.clone());
                if let Some(seat) = to.rack.slot_mut(&slot.id) {
                    seat.values = design.slot.values;
                }
            }
            long.parts.insert(slot.id.clone(), design.parts);
        }
        long
    }

    /// False if the way out is full.
    fn send(&mut self, writes: Vec<lathe_core::engine::Write>, revision: u64, at: Frame) -> bool {
        let batch = Batch { revision, at, writes: writes.into() };
        self.link.send(Command::Apply(Box::new(batch))).is_ok()
    }
}
