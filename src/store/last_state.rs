// SPDX-License-Identifier: MIT OR Apache-2.0
//! What sounded last, kept in generations, with the rack file it belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_core::rack::layout::MAX_FILE;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::envelope::Refused;
use super::error::StoreError;
use super::generations::{Generations, Read};
use super::snapshot::{check_counts, check_values};

const FILE: Generations = Generations::new("last.toml", "last");

/// All that a restart brings back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastState {
    /// Counts the changes; goes on after a restart.
    pub revision: u64,
    pub saved_unix_ms: u64,
    /// Latched silence.
    pub panic: bool,
    /// [`rack_hash`] of `rack_file`.
    pub rack_hash: String,
    /// The rack file as it was read, to see later which of its values were changed.
    pub rack_file: String,
    /// The running rack, if it is another than the file's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The values of the monitor section, which belong to no rack.
    pub monitor: BTreeMap<String, f64>,
    /// The value of every address.
    pub values: BTreeMap<String, f64>,
}

/// Identifies a rack file by its text.
pub fn rack_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl LastState {
    fn check(&self) -> Result<(), Refused> {
        for text in [Some(&self.rack_file), self.rack.as_ref()].into_iter().flatten() {
            if text.len() > MAX_FILE {
                return Err(Refused::TooLarge(format!("a rack of {} bytes; at most {MAX_FILE}", text.len())));
            }
        }
        if self.rack_hash != rack_hash(&self.rack_file) {
            return Err(Refused::Content("the hash of the rack file does not fit its text".into()));
        }
        if let Some((name, value)) = self.monitor.iter().find(|(_, v)| !v.is_finite()) {
            return Err(Refused::Content(format!("{name} = {value} is not a finite number")));
        }
        check_counts(&[self.revision, self.saved_unix_ms])?;
        check_values(&self.values)
    }
}

/// The files of the last state.
pub struct LastStateStore {
    disk: Arc<dyn Disk>,
}

impl LastStateStore {
    /// In a directory whose lock the caller holds.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        LastStateStore { disk }
    }

    /// Makes this the last state, durably.
    ///
    /// # Errors
    /// Nothing was stored: the state before is still the last.
    pub fn save(&self, state: &LastState) -> Result<(), StoreError> {
        state.check().map_err(StoreError::Content)?;
        FILE.save(&*self.disk, state)
    }

    /// The newest state that verifies, and which newer files were refused, and why.
    pub fn load(&self) -> (Option<Read<LastState>>, Vec<(String, Refused)>) {
        FILE.load(&*self.disk, LastState::check)
    }
}
