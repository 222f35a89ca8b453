// SPDX-License-Identifier: MIT OR Apache-2.0
//! What those who only look at audio ask of the engine: taps, what they are called, and which chain is running.

use std::sync::Arc;

use lathe_core::engine::tap::{Tap, TapId};
use lathe_core::engine::{ChainSpec, Command, Status, TapPoint};
use lathe_core::param::suggest;
use lathe_core::units::Layout;

use super::{Client, Control, Kind};

/// The engine that runs now: another `status` is another engine.
#[derive(Clone)]
pub struct Sound {
    pub status: Arc<Status>,
    /// The chain last sent; it runs once `status.chain` has reached `revision`.
    pub spec: Arc<ChainSpec>,
    pub revision: u64,
}

/// A name that is no tap of the accepted rack.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("no tap \"{name}\"{hint}")]
pub struct NoTap {
    pub name: String,
    /// What there is.
    pub hint: String,
}

/// Where a tap is in a chain, and its channels; `None` if its slot is not there.
pub fn place(name: &str, spec: &ChainSpec) -> Option<(TapPoint, Layout)> {
    let main = || spec.layout.clone();
    match name {
        "in" => return Some((TapPoint::In, main())),
        "out" => return Some((TapPoint::Out, main())),
        "monitor" => return Some((TapPoint::Monitor, main())),
        _ => {}
    }
    let (id, end) = name.rsplit_once('/')?;
    let slot = &spec.slots[spec.find_slot(id)?.0 as usize];
    let point = match end {
        "in" => TapPoint::slot_in(id),
        "out" => TapPoint::slot_out(id),
        _ => return None,
    };
    Some((point, slot.format.layout.clone()))
}

impl Control {
    /// Refuses the first name that is no tap of the accepted rack.
    ///
    /// # Errors
    /// With what there is.
    pub fn check_taps(&self, names: &[String]) -> Result<(), NoTap> {
        let slots: Vec<String> = self.plan().walk().iter().map(|s| s.id.to_string()).collect();
        let mut known: Vec<String> = ["in", "out", "monitor"].map(String::from).to_vec();
        known.extend(slots.iter().flat_map(|s| [format!("{s}/in"), format!("{s}/out")]));
        let Some(name) = names.iter().find(|n| !known.contains(n)) else { return Ok(()) };
        let near = suggest(name, known.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!(" (did you mean \"{near}\"?)"),
            None if slots.is_empty() => ": there is in, out and monitor".into(),
            None => {
                format!(": there is in, out, monitor, and <slot>/in and <slot>/out of {}", slots.join(", "))
            }
        };
        Err(NoTap { name: name.clone(), hint })
    }

    /// `None` before the first engine.
    pub fn sound(&self) -> Option<Sound> {
        let r = self.running.as_ref()?;
        Some(Sound { status: r.link.status.clone(), spec: r.spec.clone(), revision: r.installed })
    }

    /// Sends a tap to the engine; gives it back if the way out is full or nothing runs.
    pub fn arm(&mut self, tap: Box<Tap>) -> Result<(), Box<Tap>> {
        let Some(running) = &mut self.running else { return Err(tap) };
        running.link.send(Command::Arm(tap)).map_err(|back| match back {
            Command::Arm(tap) => tap,
            _ => unreachable!("what comes back is what was sent"),
        })
    }

    /// Takes this tap from the engine; false if the way out is full.
    pub fn disarm(&mut self, tap: TapId) -> bool {
        self.running.as_mut().is_none_or(|r| r.link.send(Command::Disarm(tap)).is_ok())
    }

    /// Tells everyone that readings since the reset begin anew.
    pub fn tell_meter_reset(&mut self, client: Client) {
        self.changes.tell(self.revision, client, Kind::MeterReset);
    }
}
