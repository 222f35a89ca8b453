// SPDX-License-Identifier: MIT OR Apache-2.0
//! One snapshot: the rack's layout, every value, and what is needed to know what it sounded like.

use std::collections::BTreeMap;

use lathe_core::rack::address::Address;
use lathe_core::rack::export;
use lathe_core::rack::layout::MAX_FILE;
use lathe_core::rack::plan::{Content, RackPlan, SlotPlan};
use serde::{Deserialize, Serialize};

use super::envelope::Refused;
use super::name::check_name;

/// Longest notes, in bytes.
const MAX_NOTES: usize = 64 << 10;
/// Longest author, in bytes.
const MAX_AUTHOR: usize = 256;
/// Latest time and highest sequence: whole numbers that every TOML reader has, with room to count on.
pub(super) const MAX_COUNT: u64 = 1 << 53;
/// Most values; more than the largest rack has.
const MAX_VALUES: usize = 1 << 17;

/// What somebody wants to store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    pub name: String,
    pub notes: String,
    pub author: String,
    pub created_unix_ms: u64,
    /// 0 if no audio ran.
    pub sample_rate: u32,
    /// The running rack as [`export`] writes it.
    pub rack: String,
    /// [`layout_hash`] of it.
    pub layout_hash: String,
    /// [`sound_revisions`] of it.
    pub sound_revisions: BTreeMap<String, u32>,
    /// By address, in the unit of each parameter.
    pub values: BTreeMap<String, f64>,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    pub name: String,
    /// Made when the name was first stored, and the beginning of the file's name.
    pub id: String,
    /// 1 for the first under this name, then one more each time.
    pub version: u32,
    /// Rises with every store, whatever the clock does.
    pub sequence: u64,
    pub created_unix_ms: u64,
    pub author: String,
    pub notes: String,
    pub sample_rate: u32,
    pub layout_hash: String,
    pub rack: String,
    pub sound_revisions: BTreeMap<String, u32>,
    pub values: BTreeMap<String, f64>,
}

impl Draft {
    /// All that follows from a plan; the values are those of the plan, without `rack/bypass`.
    pub fn of(name: &str, plan: &RackPlan) -> Self {
        let walk = plan.walk();
        let values = walk.iter().flat_map(|s| {
            s.table.iter().map(|(i, spec)| (Address::new(&s.id, &spec.symbol).to_string(), s.values.get(i)))
        });
        Draft {
            name: name.to_string(),
            rack: export(plan),
            layout_hash: layout_hash(plan),
            sound_revisions: sound_revisions(plan),
            values: values.collect(),
            ..Draft::default()
        }
    }
}

impl Snapshot {
    pub(super) fn new(draft: Draft, id: String, version: u32, sequence: u64) -> Self {
        let Draft { name, notes, author, created_unix_ms, sample_rate, rack, .. } = draft;
        let Draft { layout_hash, sound_revisions, values, .. } = draft;
        Snapshot {
            name,
            id,
            version,
            sequence,
            created_unix_ms,
            author,
            notes,
            sample_rate,
            layout_hash,
            rack,
            sound_revisions,
            values,
        }
    }

    /// What was stored, to be stored again under another name.
    pub fn into_draft(self) -> Draft {
        let Snapshot { name, notes, author, created_unix_ms, sample_rate, rack, .. } = self;
        let Snapshot { layout_hash, sound_revisions, values, .. } = self;
        Draft {
            name,
            notes,
            author,
            created_unix_ms,
            sample_rate,
            rack,
            layout_hash,
            sound_revisions,
            values,
        }
    }

    /// What the format alone cannot say.
    pub(super) fn check(&self) -> Result<(), Refused> {
        match check_name(&self.name) {
            Ok(name) if name == self.name => {}
            Ok(_) => return Err(Refused::Content("white space around the name".into())),
            Err(e) => return Err(Refused::Content(e.to_string())),
        }
        let bounds = [
            ("notes", self.notes.len(), MAX_NOTES),
            ("author", self.author.len(), MAX_AUTHOR),
            ("rack", self.rack.len(), MAX_FILE),
        ];
        for (what, length, max) in bounds {
            if length > max {
                return Err(Refused::TooLarge(format!("\"{what}\" has {length} bytes; at most {max}")));
            }
        }
        check_counts(&[self.created_unix_ms, self.sequence])?;
        check_values(&self.values)
    }
}

/// Times and counts are such as a program of sound mind writes.
pub(super) fn check_counts(counts: &[u64]) -> Result<(), Refused> {
    match counts.iter().find(|c| **c > MAX_COUNT) {
        Some(c) => Err(Refused::Content(format!("{c} is beyond the end of time, {MAX_COUNT}"))),
        None => Ok(()),
    }
}

/// Every address is one and every value a finite number.
pub(super) fn check_values(values: &BTreeMap<String, f64>) -> Result<(), Refused> {
    if values.len() > MAX_VALUES {
        return Err(Refused::TooLarge(format!("{} values; at most {MAX_VALUES}", values.len())));
    }
    for (address, value) in values {
        address.parse::<Address>().map_err(|e| Refused::Content(e.to_string()))?;
        if !value.is_finite() {
            return Err(Refused::Content(format!("{address} = {value} is not a finite number")));
        }
    }
    Ok(())
}

/// The same for all racks with the same channels, slots, units, splits and sidechains, in the same
/// order; values, name and constant latency do not count.
pub fn layout_hash(plan: &RackPlan) -> String {
    fn reset(slots: &mut [SlotPlan]) {
        for s in slots {
            s.values = s.table.defaults();
            if let Content::Split { branches, .. } = &mut s.content {
                branches.iter_mut().for_each(|b| reset(&mut b.slots));
            }
        }
    }
    let mut plan = RackPlan { name: String::new(), latency_ms: None, ..plan.clone() };
    reset(&mut plan.slots);
    blake3::hash(export(&plan).as_bytes()).to_hex().to_string()
}

/// The sound revision of every kind of unit in the rack, by its symbol.
pub fn sound_revisions(plan: &RackPlan) -> BTreeMap<String, u32> {
    let kinds = plan.walk().into_iter().filter_map(|s| match &s.content {
        Content::Unit { kind, .. } => Some(kind.spec()),
        Content::Split { .. } => None,
    });
    kinds.map(|spec| (spec.symbol.to_string(), spec.sound)).collect()
}
