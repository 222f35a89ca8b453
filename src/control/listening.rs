// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which slot is listened to, and what of it: `monitor/listen/<slot>`.
//!
//! One pair of ears: one slot at a time, the others read 0. It belongs to no rack, no snapshot, no history
//! and no last state, so a restart hears main.

use lathe_core::param::ParamSpec;
use lathe_core::rack::address::AddressError;
use lathe_core::rack::plan::{Content, SlotPlan};

use super::Settings;
use super::address::Place;

/// What comes before the slot in an address.
pub const PREFIX: &str = "monitor/listen/";

/// A slot and the value that its unit takes, never 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Listening {
    pub slot: String,
    pub what: f64,
}

/// What a slot lets one listen to; `None` if nothing.
pub fn spec(slot: &SlotPlan) -> Option<ParamSpec> {
    let Content::Unit { kind, .. } = &slot.content else { return None };
    let spec = kind.listen()?;
    Some(ParamSpec { name: format!("{} {}", slot.id, spec.name.to_lowercase()).into(), ..spec })
}

impl Settings {
    /// What stands behind [`PREFIX`].
    pub fn find_listening(&self, id: &str) -> Result<(Place, ParamSpec, f64), AddressError> {
        let walk = self.rack.walk();
        let found = walk.iter().enumerate().find(|(_, s)| s.id == id);
        match found.and_then(|(n, s)| Some((n, spec(s)?))) {
            Some((n, spec)) => Ok((Place::Listen(n), spec, self.listens_to(id))),
            None => Err(AddressError::UnknownParam {
                slot: "monitor".into(),
                param: format!("listen/{id}"),
                hint: self.hint(),
            }),
        }
    }

    fn hint(&self) -> String {
        let walk = self.rack.walk();
        let ids: Vec<&str> = walk.iter().filter(|s| spec(s).is_some()).map(|s| s.id.as_str()).collect();
        match ids.as_slice() {
            [] => " (no slot of this rack can be listened to)".into(),
            ids => format!(" (can be listened to: {})", ids.join(", ")),
        }
    }

    /// The value of `monitor/listen/<id>`.
    pub fn listens_to(&self, id: &str) -> f64 {
        self.listening.as_ref().filter(|l| l.slot == id).map_or(0.0, |l| l.what)
    }

    /// Listens to this of a slot, or no longer to the slot.
    pub fn listen(&mut self, id: &str, what: f64) {
        if what != 0.0 {
            self.listening = Some(Listening { slot: id.to_string(), what });
        } else if self.listens_to(id) != 0.0 {
            self.listening = None;
        }
    }

    /// Listens no longer to what the rack has not.
    pub fn forget_deaf(&mut self) {
        let walk = self.rack.walk();
        let there = |l: &Listening| {
            let slot = walk.iter().find(|s| s.id == l.slot);
            slot.and_then(|s| spec(s)).is_some_and(|spec| spec.check(l.what).is_ok())
        };
        if self.listening.as_ref().is_some_and(|l| !there(l)) {
            self.listening = None;
        }
    }
}
