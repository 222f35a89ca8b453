// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was running when a print began: the rack, its values, and their hashes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::entry::Hashes;
use crate::control::Control;
use crate::store::{Draft, rack_hash};

/// The running rack at one moment.
pub struct Facts {
    pub revision: u64,
    pub rack_name: String,
    pub rack: String,
    pub values: BTreeMap<String, f64>,
    pub sound_revisions: BTreeMap<String, u32>,
    pub hashes: Hashes,
}

impl Facts {
    pub fn of(control: &Control) -> Facts {
        let plan = control.plan();
        let Draft { rack, layout_hash, sound_revisions, .. } = Draft::of("", plan);
        let values = values(control);
        let hashes = Hashes {
            audio: None,
            rack: rack_hash(&rack),
            layout: layout_hash,
            rack_file: control.last_state().rack_hash,
            values: values_hash(&values),
        };
        let (revision, rack_name) = (control.revision(), plan.name.clone());
        Facts { revision, rack_name, rack, values, sound_revisions, hashes }
    }
}

/// Every value, those of the monitor too, which can be printed as well.
pub fn values(control: &Control) -> BTreeMap<String, f64> {
    control.controls().into_iter().map(|c| (c.address, c.value)).collect()
}

/// BLAKE3 of a line `address=value` each, values with as many digits as tell them apart.
pub fn values_hash(values: &BTreeMap<String, f64>) -> String {
    let mut text = String::new();
    for (address, value) in values {
        _ = writeln!(text, "{address}={value:?}"); // a string takes everything
    }
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
