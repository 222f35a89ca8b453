// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gain reduction by the names of slots. The audio thread shows it by number, and numbers change with
//! the chain.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use lathe_core::engine::ChainSpec;
use lathe_core::engine::link::SHOWN_SLOTS;

use crate::control::taps::Sound;

/// What each slot last showed.
#[derive(Default)]
pub(super) struct Reductions {
    /// The chain that the numbers mean.
    spec: Option<Arc<ChainSpec>>,
    /// In schedule order.
    pub latest: Vec<(String, f64)>,
}

impl Reductions {
    /// Takes what was shown since the last call; tells each slot's name and reduction to `deepest`.
    pub fn poll(&mut self, sound: &Sound, mut deepest: impl FnMut(&str, f64)) {
        let taken: Vec<Option<f64>> = (0..sound.spec.slots.len().max(self.slots()).min(SHOWN_SLOTS))
            .map(|n| sound.status.reductions.take(n))
            .collect();
        let before = self.spec.clone();
        let runs = sound.status.chain.load(Relaxed) >= sound.revision;
        if self.spec.is_none() || runs {
            self.spec = Some(sound.spec.clone());
        }
        let Some(now) = self.spec.clone() else { return };
        let id = |spec: &ChainSpec, n: usize| spec.slots.get(n).map(|s| s.id.clone());
        let changed = before.as_ref().is_some_and(|b| !Arc::ptr_eq(b, &now));
        let mut latest = Vec::with_capacity(now.slots.len());
        for (n, slot) in now.slots.iter().enumerate() {
            // While the chain changes a number may mean either slot: only what means the same counts.
            let sure = !changed || before.as_ref().and_then(|b| id(b, n)).as_ref() == Some(&slot.id);
            let shown = taken.get(n).copied().flatten().filter(|_| sure);
            if let Some(db) = shown {
                deepest(&slot.id, db);
            }
            let last = || self.latest.iter().find(|(id, _)| *id == slot.id).map(|(_, db)| *db);
            if let Some(db) = shown.or_else(last) {
                latest.push((slot.id.clone(), db));
            }
        }
        self.latest = latest;
    }

    /// Another engine: its numbers are those of its first chain.
    pub fn forget(&mut self) {
        *self = Reductions::default();
    }

    fn slots(&self) -> usize {
        self.spec.as_ref().map_or(0, |s| s.slots.len())
    }
}
