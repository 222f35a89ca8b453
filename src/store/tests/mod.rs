// SPDX-License-Identifier: MIT OR Apache-2.0
//! The store under failing calls, kills, power cuts and damaged files.

mod basic;
mod fake;
mod faults;
mod kill;
mod ledger;
mod lock;
mod merge;
mod mutants;
mod power;

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_core::rack::load;
use lathe_core::rack::plan::RackPlan;

use super::*;

/// SplitMix64: small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// How many to do: from the environment for a soak, else this many.
fn count(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

fn plan(text: &str) -> RackPlan {
    load(text, "test").unwrap_or_else(|e| panic!("{}", e.render(false))).plan
}

fn shipped() -> RackPlan {
    plan(crate::racks::DEFAULT.1)
}

/// A draft whose values all say `n`, so that a mix of two would be seen.
fn numbered(name: &str, n: u64) -> Draft {
    let mut draft = Draft::of(name, &shipped());
    draft.values.values_mut().enumerate().for_each(|(i, v)| *v = n as f64 + i as f64 / 1024.0);
    draft.created_unix_ms = n;
    draft.notes = format!("number {n}");
    draft
}

/// The number of a draft that was stored, if it is whole.
fn number(snapshot: &Snapshot) -> u64 {
    let n = snapshot.created_unix_ms;
    let draft = numbered(&snapshot.name, n);
    assert_eq!((&snapshot.values, &snapshot.notes), (&draft.values, &draft.notes), "a mix");
    n
}

fn state(n: u64) -> LastState {
    let file = crate::racks::DEFAULT.1.to_string();
    LastState {
        revision: n,
        saved_unix_ms: n,
        rack_hash: rack_hash(&file),
        rack_file: file,
        monitor: BTreeMap::from([("volume".into(), n as f64)]),
        values: numbered("state", n).values,
        ..LastState::default()
    }
}

fn open(disk: &Arc<dyn Disk>) -> SnapshotStore {
    SnapshotStore::open(disk.clone()).expect("opens")
}
