// SPDX-License-Identifier: MIT OR Apache-2.0
//! A batch of sets: checked whole, then made, as one atomic change on one quantum.

use lathe_core::engine::{BuildError, Frame, build};
use lathe_core::param::{Motion, ParamSpec, ValueError};
use lathe_core::rack::address::AddressError;

use super::Control;
use super::address::{Control as Line, Place};
use super::change::{Client, Kind};
use super::listening::{Listening, PREFIX};

/// A value as a client gives it.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// In the parameter's unit; a choice by index.
    Real(f64),
    /// 0 to 1 along the scale.
    Norm(f64),
    /// As people write it: `-1.5 dB`, `on`, `bell`.
    Text(String),
}

/// One set.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub address: String,
    pub input: Input,
    /// Milliseconds to get there; the usual time if `None`. Only gliding parameters have one.
    pub ramp_ms: Option<f64>,
}

/// When a batch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Now,
    /// On this frame of the engine; a past one means now.
    At(Frame),
}

/// A batch.
#[derive(Clone, Debug)]
pub struct Edit {
    pub client: Client,
    pub items: Vec<Item>,
    pub when: When,
    /// Check only.
    pub validate_only: bool,
}

/// What a batch came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The revision that holds it; the current one for a check and for a batch that waits for its frame.
    pub revision: u64,
    /// It waits for its frame.
    pub scheduled: bool,
    /// Address and value of every item, in real units, as accepted.
    pub values: Vec<(String, f64)>,
}

/// Why one item was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ItemError {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error("norm {0} is not allowed: 0 to 1")]
    Norm(f64),
    #[error("ramp {0} ms is not allowed: 0 ms to 600000 ms")]
    Ramp(f64),
}

/// Why a batch was refused; nothing of it was made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EditError {
    /// Index into the items, its address and the reason; all of them.
    #[error("{}", .0.iter().map(|(_, a, e)| format!("{a}: {e}")).collect::<Vec<_>>().join("; "))]
    Items(Vec<(usize, String, ItemError)>),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("a batch holds at most {MAX_ITEMS} items, not {0}")]
    TooMany(usize),
    #[error("a morph of {0} s is not allowed: 0 s to 600 s")]
    Morph(f64),
    #[error("{MAX_SCHEDULED} batches wait for their frame already")]
    Schedule,
}

/// Most items of a batch, and most batches that wait for their frame.
pub const MAX_ITEMS: usize = 4096;
pub const MAX_SCHEDULED: usize = 1024;
/// Longest ramp in milliseconds.
const MAX_RAMP_MS: f64 = 600_000.0;
/// Batches leave for the audio thread at most this long before their frame, in seconds.
const AHEAD: f64 = 0.1;

/// A batch that waits for its frame.
pub(super) struct Scheduled {
    at: Frame,
    edit: Edit,
}

impl Scheduled {
    /// The engine counts its frames anew: `counted` of the old ones are over.
    pub(super) fn shift(&mut self, counted: Frame) {
        self.at = self.at.saturating_sub(counted);
        self.edit.when = When::At(self.at);
    }
}

/// One item, checked.
pub(super) struct Checked {
    place: Place,
    spec: ParamSpec,
    value: f64,
}

impl Control {
    /// Every control with its declaration and value.
    pub fn controls(&self) -> Vec<Line> {
        self.accepted.controls()
    }

    /// One control's declaration and value.
    pub fn get(&self, address: &str) -> Result<(ParamSpec, f64), AddressError> {
        self.accepted.find(address).map(|(_, spec, value)| (spec, value))
    }

    /// Makes a batch, or nothing of it.
    pub fn edit(&mut self, edit: &Edit) -> Result<Applied, EditError> {
        if edit.items.len() > MAX_ITEMS {
            return Err(EditError::TooMany(edit.items.len()));
        }
        let checked = self.check(edit)?;
        let values: Vec<(String, f64)> =
            edit.items.iter().zip(&checked).map(|(i, c)| (i.address.clone(), c.value)).collect();
        if edit.validate_only {
            return Ok(Applied { revision: self.revision, scheduled: false, values });
        }
        if let When::At(at) = edit.when
            && self.is_early(at)
        {
            if self.scheduled.len() >= MAX_SCHEDULED {
                return Err(EditError::Schedule);
            }
            self.scheduled.push(Scheduled { at, edit: edit.clone() });
            return Ok(Applied { revision: self.revision, scheduled: true, values });
        }
        let what = match edit.items.as_slice() {
            [one] => one.address.clone(),
            many => format!("{} values", many.len()),
        };
        let places: Vec<Place> = checked.iter().map(|c| c.place).collect();
        self.leave_morph(&places);
        self.make(edit, &checked, &what)?;
        Ok(Applied { revision: self.revision, scheduled: false, values })
    }

    /// Checks every item; all errors at once.
    pub(super) fn check(&self, edit: &Edit) -> Result<Vec<Checked>, EditError> {
        let (mut checked, mut errors) = (Vec::new(), Vec::new());
        for (n, item) in edit.items.iter().enumerate() {
            match self.check_item(item) {
                Ok(c) => checked.push(c),
                Err(e) => errors.push((n, item.address.clone(), e)),
            }
        }
        if errors.is_empty() { Ok(checked) } else { Err(EditError::Items(errors)) }
    }

    fn check_item(&self, item: &Item) -> Result<Checked, ItemError> {
        let (place, spec, _) = self.accepted.find(&item.address)?;
        let value = match &item.input {
            Input::Real(v) => spec.check(*v)?,
            Input::Norm(n) if (0.0..=1.0).contains(n) => spec.from_norm(*n),
            Input::Norm(n) => return Err(ItemError::Norm(*n)),
            Input::Text(t) => spec.parse(t)?,
        };
        if let Some(ms) = item.ramp_ms.filter(|ms| !(0.0..=MAX_RAMP_MS).contains(ms)) {
            return Err(ItemError::Ramp(ms));
        }
        Ok(Checked { place, spec, value })
    }

    /// Makes a checked batch; `what` is its name in the history.
    pub(super) fn make(&mut self, edit: &Edit, checked: &[Checked], what: &str) -> Result<(), EditError> {
        let mut wanted = self.accepted.clone();
        for c in checked {
            wanted.set(c.place, c.value);
        }
        let structural = checked.iter().any(|c| c.spec.change == Motion::Structural)
            && structure(&wanted.rack) != structure(&self.accepted.rack);
        let built = match &self.running {
            Some(r) if structural => Some(build(&wanted.rack, r.spec.sample_rate)?),
            _ => None,
        };
        let before = std::mem::replace(&mut self.accepted, wanted);
        if checked.iter().any(|c| matches!(c.place, Place::Rack(_))) {
            let drag = (edit.items.len() == 1).then(|| edit.items[0].address.as_str());
            self.history.push(before.rack, edit.client, what, drag);
        }
        self.revision += 1;
        let mut told: Vec<(String, f64)> =
            edit.items.iter().zip(checked).map(|(i, c)| (i.address.clone(), c.value)).collect();
        told.extend(self.no_longer_heard(before.listening.as_ref(), &told));
        self.changes.tell(self.revision, edit.client, Kind::Values(told));
        self.send_edit(edit, built);
        Ok(())
    }

    /// The slot listened to before, if another took its place without its being named.
    fn no_longer_heard(&self, before: Option<&Listening>, told: &[(String, f64)]) -> Option<(String, f64)> {
        let address = format!("{PREFIX}{}", before?.slot);
        let named = told.iter().any(|(a, _)| *a == address);
        (!named && self.accepted.listens_to(&before?.slot) == 0.0).then_some((address, 0.0))
    }

    fn send_edit(&mut self, edit: &Edit, built: Option<lathe_core::engine::Built>) {
        let wanted = self.wanted();
        let Some(running) = &mut self.running else { return };
        match built {
            // The engine that comes with the other ports is built from what was accepted.
            Some(built) if !running.spec.same_ports(&built.spec) => return,
            Some(_) if running.is_busy() => running.pending = true,
            Some(built) => return running.install(&self.accepted, built, self.revision),
            None => {}
        }
        let ramps: Vec<(String, f64)> =
            edit.items.iter().filter_map(|i| Some((i.address.clone(), i.ramp_ms?))).collect();
        let at = match edit.when {
            When::Now => 0,
            When::At(frame) => frame,
        };
        running.send_moves(&wanted, self.revision, at, &ramps, true);
    }

    fn is_early(&self, at: Frame) -> bool {
        let Some(running) = &self.running else { return false };
        let now = running.link.status.frame.load(std::sync::atomic::Ordering::Relaxed);
        at > now + (AHEAD * f64::from(running.spec.sample_rate)) as u64
    }

    /// Sends batches whose frame is near. An item that is refused by now is refused alone in the log.
    pub(super) fn release_scheduled(&mut self) {
        if self.scheduled.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.scheduled);
        waiting.sort_by_key(|s| s.at);
        for s in waiting {
            if self.is_early(s.at) {
                self.scheduled.push(s);
            } else if let Err(e) = self.edit(&s.edit) {
                tracing::warn!("a scheduled batch was refused: {e}");
            }
        }
    }
}

/// The values that decide the chain, to tell a real change from a set to the same value.
fn structure(rack: &lathe_core::rack::plan::RackPlan) -> Vec<f64> {
    let mut out = Vec::new();
    for slot in rack.walk() {
        let fixed = slot.table.iter().filter(|(_, s)| s.change == Motion::Structural);
        out.extend(fixed.map(|(i, _)| slot.values.get(i)));
    }
    out
}
