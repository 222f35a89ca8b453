// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recall of many values as one change, at once or as a morph over a time.
//!
//! In a morph gliding parameters ramp for its whole length. Designed ones travel along their scale in
//! steps of a design each, which the unit crossfades; toggles, choices and structural ones change at the
//! start. A later set of a parameter takes it out of the morph.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lathe_core::param::{Motion, ParamKind, ParamSpec};

use super::address::Place;
use super::change::Client;
use super::edit::{Edit, EditError, Input, Item, When};
use super::{Control, Settings};

/// Longest morph in seconds.
pub const MAX_MORPH: f64 = 600.0;
/// Time between two steps of a designed parameter.
const STEP: Duration = Duration::from_millis(33);

/// Designed parameters on their way to what was accepted.
pub(super) struct Morph {
    begun: Instant,
    length: Duration,
    stepped: Instant,
    /// Place, declaration and the value it set out from.
    items: Vec<(Place, ParamSpec, f64)>,
}

impl Control {
    /// Makes all of `values` one change; addresses that are not there are left out. Returns the revision.
    ///
    /// # Errors
    /// A value out of range, a rack that cannot be built, or `morph_seconds` outside 0 to 600.
    pub fn recall(
        &mut self,
        values: &BTreeMap<String, f64>,
        morph_seconds: f64,
        client: Client,
        what: &str,
    ) -> Result<u64, EditError> {
        if !(0.0..=MAX_MORPH).contains(&morph_seconds) {
            return Err(EditError::Morph(morph_seconds));
        }
        let before = self.accepted.clone();
        let items: Vec<Item> = values
            .iter()
            .filter(|(a, _)| before.find(a).is_ok())
            .map(|(address, value)| Item {
                address: address.clone(),
                input: Input::Real(*value),
                ramp_ms: (morph_seconds > 0.0).then_some(morph_seconds * 1000.0),
            })
            .collect();
        let travelling: Vec<(Place, ParamSpec, f64)> = items
            .iter()
            .filter_map(|i| before.find(&i.address).ok())
            .filter(|(_, spec, _)| spec.change == Motion::Designed && spec.kind == ParamKind::Float)
            .collect();
        let edit = Edit { client, items, when: When::Now, validate_only: false };
        let checked = self.check(&edit)?;
        self.morph = None;
        if morph_seconds > 0.0 && !travelling.is_empty() {
            let now = Instant::now();
            let length = Duration::from_secs_f64(morph_seconds);
            self.morph = Some(Morph { begun: now, length, stepped: now, items: travelling });
        }
        let done = self.make(&edit, &checked, what);
        if done.is_err() {
            self.morph = None;
        }
        done.map(|()| self.revision)
    }

    /// What the engine is to have now: what was accepted, but for what a morph still holds back.
    pub(super) fn wanted(&self) -> Settings {
        let mut wanted = self.accepted.clone();
        if let Some(morph) = &self.morph {
            let u = morph.begun.elapsed().as_secs_f64() / morph.length.as_secs_f64();
            for (place, spec, from) in &morph.items {
                let to = self.accepted.value(*place);
                let at = spec.to_norm(*from) + u.clamp(0.0, 1.0) * (spec.to_norm(to) - spec.to_norm(*from));
                wanted.set(*place, if u >= 1.0 { to } else { spec.from_norm(at) });
            }
        }
        wanted
    }

    /// Takes parameters that were set by hand out of the morph.
    pub(super) fn leave_morph(&mut self, places: &[Place]) {
        if let Some(morph) = &mut self.morph {
            morph.items.retain(|(p, ..)| !places.contains(p));
        }
    }

    /// True if the next step of a morph is due; ends one that has arrived.
    pub(super) fn morph_is_due(&mut self) -> bool {
        let Some(morph) = &mut self.morph else { return false };
        let now = Instant::now();
        if now - morph.begun >= morph.length {
            self.morph = None;
            return true;
        }
        let due = now - morph.stepped >= STEP;
        if due {
            morph.stepped = now;
        }
        due
    }
}
