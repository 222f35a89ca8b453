// SPDX-License-Identifier: MIT OR Apache-2.0
//! The names of all controls: `<slot>/<param>`, `rack/bypass`, `monitor/<param>` and
//! `monitor/listen/<slot>`.

use lathe_core::engine::monitor::MonitorParam;
use lathe_core::param::{self, ParamIndex, ParamSpec, ParamTable};
use lathe_core::rack::address::{AddressError, Target};
use lathe_core::units::SlotParam;

use super::{Settings, listening};

/// A control, resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Rack(Target),
    Monitor(ParamIndex),
    /// What is listened to of the slot at this position in [`RackPlan::walk`](lathe_core::rack::plan::RackPlan::walk).
    Listen(usize),
}

/// One control with what it is and how it stands.
#[derive(Clone, Debug)]
pub struct Control {
    pub address: String,
    pub spec: ParamSpec,
    pub value: f64,
}

/// The declaration of `rack/bypass`.
pub fn rack_bypass() -> ParamSpec {
    SlotParam::SPECS[SlotParam::Bypass as usize].clone()
}

fn monitor_table() -> ParamTable {
    ParamTable::new(MonitorParam::SPECS)
}

impl Settings {
    /// What an address means, with its declaration and its value.
    pub fn find(&self, address: &str) -> Result<(Place, ParamSpec, f64), AddressError> {
        if let Some(slot) = address.strip_prefix(listening::PREFIX) {
            return self.find_listening(slot);
        }
        if let Some(symbol) = address.strip_prefix("monitor/") {
            let table = monitor_table();
            let Some(p) = table.find(symbol) else {
                let near = param::suggest(symbol, table.specs().iter().map(|s| s.symbol.as_ref()));
                let hint = near.map(|n| format!(" (did you mean \"monitor/{n}\"?)")).unwrap_or_default();
                return Err(AddressError::UnknownParam {
                    slot: "monitor".into(),
                    param: symbol.into(),
                    hint,
                });
            };
            return Ok((Place::Monitor(p), table[p].clone(), self.monitor.get(p)));
        }
        let target = self.rack.find(address)?;
        let place = Place::Rack(target);
        Ok(match target {
            Target::RackBypass => (place, rack_bypass(), f64::from(u8::from(self.rack.bypass))),
            Target::Param { slot, param } => {
                let slot = self.rack.walk()[slot];
                (place, slot.table[param].clone(), slot.values.get(param))
            }
        })
    }

    /// The value of a place that was found here.
    pub fn value(&self, place: Place) -> f64 {
        match place {
            Place::Monitor(p) => self.monitor.get(p),
            Place::Listen(slot) => self.rack.walk().get(slot).map_or(0.0, |s| self.listens_to(&s.id)),
            Place::Rack(Target::RackBypass) => f64::from(u8::from(self.rack.bypass)),
            Place::Rack(Target::Param { slot, param }) => {
                self.rack.walk().get(slot).map_or(0.0, |s| s.values.get(param))
            }
        }
    }

    /// Sets one value that has been checked.
    pub fn set(&mut self, place: Place, value: f64) {
        match place {
            Place::Monitor(p) => self.monitor.set(p, value),
            Place::Listen(slot) => {
                let id = self.rack.walk()[slot].id.clone();
                self.listen(&id, value);
            }
            Place::Rack(Target::RackBypass) => self.rack.bypass = value >= 0.5,
            Place::Rack(Target::Param { slot, param }) => {
                let id = self.rack.walk()[slot].id.clone();
                if let Some(slot) = self.rack.slot_mut(&id) {
                    slot.values.set(param, value);
                }
            }
        }
    }

    /// Every control there is, the rack's in schedule order, then `rack/bypass`, then the monitor's, then
    /// what can be listened to.
    pub fn controls(&self) -> Vec<Control> {
        let mut out = Vec::new();
        for slot in self.rack.walk() {
            out.extend(slot.table.iter().map(|(i, spec)| Control {
                address: format!("{}/{}", slot.id, spec.symbol),
                spec: spec.clone(),
                value: slot.values.get(i),
            }));
        }
        let value = f64::from(u8::from(self.rack.bypass));
        out.push(Control { address: "rack/bypass".into(), spec: rack_bypass(), value });
        out.extend(monitor_table().iter().map(|(i, spec)| Control {
            address: format!("monitor/{}", spec.symbol),
            spec: spec.clone(),
            value: self.monitor.get(i),
        }));
        for slot in self.rack.walk() {
            out.extend(listening::spec(slot).map(|spec| Control {
                address: format!("{}{}", listening::PREFIX, slot.id),
                spec,
                value: self.listens_to(&slot.id),
            }));
        }
        out
    }
}
