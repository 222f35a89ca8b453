// SPDX-License-Identifier: MIT OR Apache-2.0
//! Designs that take longer than a change may wait for them (long kernels): made by a thread beside the writer.
//!
//! One design of a slot is made at a time, always for the newest values; the next begins when it is home. So a
//! drag is heard as fast as designs can be made, and nothing else waits. Control side.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};

use lathe_core::engine::design_slot;
use lathe_core::param::{Motion, ParamIndex};
use lathe_core::rack::plan::{Content, SlotPlan};
use lathe_core::units::{Format, Notes};

/// A boxed `Option<Parts>`; `None` if the values could not be designed.
pub(super) type Parts = Option<Box<dyn Any + Send>>;

/// A slot's parts, and the slot as it was when they were asked for.
pub(super) struct Design {
    pub slot: SlotPlan,
    pub parts: Parts,
}

struct Job {
    slot: SlotPlan,
    format: Format,
}

/// The thread and what is with it.
#[derive(Default)]
pub(super) struct Designers {
    /// `None` until the first design; the thread ends when this is dropped.
    line: Option<(Sender<Job>, Receiver<Design>)>,
    /// Slots with a design under way.
    busy: BTreeSet<String>,
    home: BTreeMap<String, Design>,
}

/// True if this slot's design is not made while a change waits.
pub(super) fn is_long(slot: &SlotPlan) -> bool {
    matches!(&slot.content, Content::Unit { kind, .. } if kind.designs_long(&slot.values))
}

/// True if parts for one can be used in the other: the same unit with the same structural values.
fn fits(design: &SlotPlan, slot: &SlotPlan) -> bool {
    let same = |i: ParamIndex| design.values.get(i) == slot.values.get(i);
    design.content == slot.content
        && slot.table.iter().all(|(i, line)| line.change != Motion::Structural || same(i))
}

impl Designers {
    /// A design that is home, of these values or of earlier ones; the newest are asked for if they are not
    /// those. `None`: nothing is home yet.
    pub fn take(&mut self, slot: &SlotPlan, format: &Format) -> Option<Design> {
        if let Some((_, home)) = &self.line {
            for design in home.try_iter() {
                self.busy.remove(&design.slot.id);
                self.home.insert(design.slot.id.clone(), design);
            }
        }
        let design = self.home.remove(&slot.id).filter(|d| fits(&d.slot, slot));
        if design.as_ref().is_none_or(|d| d.slot.values != slot.values) {
            self.ask(slot, format);
        }
        design
    }

    fn ask(&mut self, slot: &SlotPlan, format: &Format) {
        if !self.busy.insert(slot.id.clone()) {
            return;
        }
        if self.line.is_none() {
            self.line = start();
        }
        let job = Job { slot: slot.clone(), format: format.clone() };
        let sent = self.line.as_ref().is_some_and(|(out, _)| out.send(job).is_ok());
        if !sent {
            // No thread can be had: asked for again at the next turn.
            self.line = None;
            self.busy.clear();
        }
    }
}

fn start() -> Option<(Sender<Job>, Receiver<Design>)> {
    let (out, jobs) = channel::<Job>();
    let (done, home) = channel();
    let work = move || {
        for Job { slot, format } in jobs {
            let parts = design_slot(&slot, &format, &mut Notes::default()).ok().flatten();
            if done.send(Design { slot, parts }).is_err() {
                return;
            }
        }
    };
    match std::thread::Builder::new().name("lathe-design".into()).spawn(work) {
        Ok(_) => Some((out, home)),
        Err(e) => {
            tracing::error!(error = %e, "no thread for designs");
            None
        }
    }
}
