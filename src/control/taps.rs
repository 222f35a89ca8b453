// SPDX-License-Identifier: MIT OR Apache-2.0
//! What those who only look at audio ask of the engine: taps, and which chain is running.

use std::sync::Arc;

use lathe_core::engine::tap::{Tap, TapId};
use lathe_core::engine::{ChainSpec, Command, Status};

use super::{Client, Control, Kind};

/// The engine that runs now: another `status` is another engine.
#[derive(Clone)]
pub struct Sound {
    pub status: Arc<Status>,
    /// The chain last sent; it runs once `status.chain` has reached `revision`.
    pub spec: Arc<ChainSpec>,
    pub revision: u64,
}

impl Control {
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
