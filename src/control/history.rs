// SPDX-License-Identifier: MIT OR Apache-2.0
//! Undo and redo: whole racks, so that a step back is exactly what was there. A drag (one client, one
//! parameter, pauses under a second) is one step.

use std::time::{Duration, Instant};

use lathe_core::engine::{BuildError, build};
use lathe_core::rack::plan::RackPlan;

use super::change::{Client, differences};
use super::{Control, Reloaded};

/// Steps kept.
pub const STEPS: usize = 256;
/// Sets of one parameter by one client with shorter pauses than this are one drag.
const DRAG: Duration = Duration::from_secs(1);

/// One step back or forward.
#[derive(Clone, Debug)]
pub struct Step {
    /// The rack on the other side of the step.
    rack: RackPlan,
    pub client: Client,
    /// In words: `eq/band1/gain`, `load`, `recall "Verse"`.
    pub what: String,
    /// The address of a drag and when it last moved.
    drag: Option<(String, Instant)>,
}

/// The way back and the way forward.
#[derive(Default)]
pub struct History {
    back: Vec<Step>,
    forward: Vec<Step>,
}

impl History {
    /// Remembers what was there before a change; `drag` is the address if it set exactly one.
    pub fn push(&mut self, before: RackPlan, client: Client, what: &str, drag: Option<&str>) {
        self.forward.clear();
        let now = Instant::now();
        if let (Some(last), Some(address)) = (self.back.last_mut(), drag)
            && last.client == client
            && let Some((dragged, at)) = &mut last.drag
            && dragged == address
            && now.duration_since(*at) < DRAG
        {
            *at = now;
            return;
        }
        if self.back.len() == STEPS {
            self.back.remove(0);
        }
        let drag = drag.map(|a| (a.to_string(), now));
        self.back.push(Step { rack: before, client, what: what.to_string(), drag });
    }

    /// What undo would take back, the newest first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.back.iter().rev()
    }
}

impl Control {
    pub fn history(&self) -> &History {
        &self.history
    }

    /// One step back; `None` if there is none.
    pub fn undo(&mut self, client: Client) -> Result<Option<(Reloaded, String)>, BuildError> {
        self.travel(client, |h| (&mut h.back, &mut h.forward))
    }

    /// One step forward again; `None` if there is none.
    pub fn redo(&mut self, client: Client) -> Result<Option<(Reloaded, String)>, BuildError> {
        self.travel(client, |h| (&mut h.forward, &mut h.back))
    }

    fn travel(
        &mut self,
        client: Client,
        ends: impl Fn(&mut History) -> (&mut Vec<Step>, &mut Vec<Step>),
    ) -> Result<Option<(Reloaded, String)>, BuildError> {
        let Some(step) = ends(&mut self.history).0.last().cloned() else { return Ok(None) };
        let built = match &self.running {
            Some(r) => Some(build(&step.rack, r.spec.sample_rate)?),
            None => None,
        };
        self.morph = None;
        let before = std::mem::replace(&mut self.accepted.rack, step.rack);
        let changed = differences(&before, &self.accepted.rack);
        let (from, to) = ends(&mut self.history);
        from.pop();
        to.push(Step { rack: before, client, what: step.what.clone(), drag: None });
        Ok(Some((self.adopt(built, client, changed), step.what)))
    }
}
