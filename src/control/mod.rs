// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one writer: every change of the rack goes through here, in one order, with a revision number.
//!
//! Control side throughout. The engine may be lost (a hung server keeps it for ever) and replaced:
//! the plan held here is the truth from which another is built.

use std::sync::Arc;

use lathe_core::engine::{
    Batch, BuildError, ChainSpec, Command, Engine, Event, Install, Link, Status, Write, build, design_slot,
    link, transition,
};
use lathe_core::param::Motion;
use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::{Notes, glide_frames};

/// What a reload came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// On its way to the audio thread under this revision.
    Sent(u64),
    /// Waits until the install before it is complete; the newest wins.
    Waiting,
    /// The rack has other ports: a new engine is needed ([`Control::start`]).
    Ports,
}

/// The running half: what there is only while an engine runs.
struct Running {
    spec: Arc<ChainSpec>,
    link: Link,
    /// An install has left and is not home yet.
    installing: bool,
}

/// The single writer.
pub struct Control {
    plan: RackPlan,
    /// A plan accepted while an install was under way.
    waiting: Option<RackPlan>,
    running: Option<Running>,
    revision: u64,
}

impl Control {
    pub fn new(plan: RackPlan) -> Self {
        Control { plan, waiting: None, running: None, revision: 0 }
    }

    /// The rack as last accepted.
    pub fn plan(&self) -> &RackPlan {
        self.waiting.as_ref().unwrap_or(&self.plan)
    }

    pub fn spec(&self) -> Option<&Arc<ChainSpec>> {
        self.running.as_ref().map(|r| &r.spec)
    }

    /// What the audio thread shows of itself; `None` before the first engine.
    pub fn status(&self) -> Option<&Arc<Status>> {
        self.running.as_ref().map(|r| &r.link.status)
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Builds an engine of its own for the current plan at `sample_rate` Hz; an earlier one is let go.
    pub fn start(&mut self, sample_rate: u32) -> Result<Engine, BuildError> {
        let plan = self.waiting.take().unwrap_or_else(|| self.plan.clone());
        let built = build(&plan, sample_rate)?;
        self.plan = plan;
        self.revision += 1;
        let (link, audio) = link();
        if let Some(earlier) = &self.running {
            // Panic is latched through every rebuild.
            let panic = earlier.link.status.panic.load(std::sync::atomic::Ordering::Relaxed);
            link.status.panic.store(panic, std::sync::atomic::Ordering::Relaxed);
        }
        self.running = Some(Running { spec: built.spec.clone(), link, installing: false });
        Ok(Engine::new(built, audio))
    }

    /// Accepts another rack. A rack that cannot be built changes nothing.
    pub fn reload(&mut self, plan: RackPlan) -> Result<Reloaded, BuildError> {
        let Some(running) = &self.running else {
            self.plan = plan;
            return Ok(Reloaded::Ports);
        };
        let rate = running.spec.sample_rate;
        let built = build(&plan, rate)?;
        if !running.spec.same_ports(&built.spec) {
            self.waiting = Some(plan);
            return Ok(Reloaded::Ports);
        }
        if running.installing {
            self.waiting = Some(plan);
            return Ok(Reloaded::Waiting);
        }
        Ok(self.install(plan, built))
    }

    fn install(&mut self, plan: RackPlan, built: lathe_core::engine::Built) -> Reloaded {
        let Some(running) = &mut self.running else { return Reloaded::Ports };
        self.revision += 1;
        let (spec, mut chain) = (built.spec, built.chain);
        let transition = transition(&running.spec, &spec, &mut chain);
        let kept: Vec<usize> = transition.slots.iter().map(|&(_, new)| new).collect();
        let batch = moves(&self.plan, &plan, &spec, &kept, self.revision);
        let install = Command::Install(Box::new(Install { revision: self.revision, chain, transition }));
        if running.link.send(install).is_err() {
            self.waiting = Some(plan);
            return Reloaded::Waiting;
        }
        running.installing = true;
        running.spec = spec;
        if !batch.writes.is_empty() {
            // The ring had room for the install after a collect; a batch that does not fit is made anew.
            if running.link.send(Command::Apply(Box::new(batch))).is_err() {
                self.waiting = Some(plan);
                return Reloaded::Waiting;
            }
        }
        self.plan = plan;
        Reloaded::Sent(self.revision)
    }

    /// Takes home what has come home and sends what waits. Call it every few milliseconds.
    pub fn tick(&mut self) {
        let Some(running) = &mut self.running else { return };
        for event in running.link.collect() {
            if let Event::Installed(_) = event {
                running.installing = false;
            }
        }
        if !running.installing
            && let Some(plan) = self.waiting.take()
        {
            match build(&plan, running.spec.sample_rate) {
                Ok(built) if running.spec.same_ports(&built.spec) => {
                    self.install(plan, built);
                }
                _ => self.waiting = Some(plan),
            }
        }
    }

    /// True once every change accepted so far is in the sound.
    pub fn is_settled(&self) -> bool {
        self.waiting.is_none() && self.running.as_ref().is_none_or(|r| !r.installing)
    }
}

/// The values of kept slots that differ between two plans, as one batch.
fn moves(old: &RackPlan, new: &RackPlan, spec: &ChainSpec, kept: &[usize], revision: u64) -> Batch {
    let before = old.walk();
    let mut writes = Vec::new();
    for slot in new.walk() {
        let Some(index) = spec.find_slot(&slot.id) else { continue };
        let Some(was) = before.iter().find(|s| s.id == slot.id) else { continue };
        if kept.contains(&(index.0 as usize)) && was.table.len() == slot.table.len() {
            writes.extend(slot_moves(was, slot, spec, index));
        }
    }
    Batch { revision, at: 0, writes: writes.into() }
}

fn slot_moves(
    was: &SlotPlan,
    slot: &SlotPlan,
    spec: &ChainSpec,
    index: lathe_core::engine::SlotIndex,
) -> Vec<Write> {
    let changed: Vec<_> =
        slot.table.iter().filter(|(i, _)| was.values.get(*i) != slot.values.get(*i)).collect();
    let mut writes: Vec<Write> = changed
        .iter()
        .filter(|(_, s)| s.change == Motion::Glide)
        .map(|(i, s)| {
            let (from, to) = (was.values.get(*i), slot.values.get(*i));
            Write::Glide { slot: index, param: *i, to, frames: glide_frames(s, from, to, spec.sample_rate) }
        })
        .collect();
    if changed.iter().any(|(_, s)| s.change == Motion::Designed) {
        let format = &spec.slots[index.0 as usize].format;
        // The plan was built a moment ago, so its designs exist.
        if let Ok(Some(parts)) = design_slot(slot, format, &mut Notes::default()) {
            writes.push(Write::Parts { slot: index, parts });
        }
    }
    writes
}
