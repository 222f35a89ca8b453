// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gated blocks of weeks in constant memory: a histogram whose bins know their exact energy.
//!
//! 8000 bins of 0.01 LU from −70 to +10 LUFS. Means come from the sums and so are exact, but for the one bin
//! that a relative gate cuts: it counts whole or not at all. Louder blocks go to the last bin.

use super::loudness::{energy_of, lufs};

/// The absolute gate (BS.1770-5, Annex 1), LUFS.
pub const ABSOLUTE_GATE: f64 = -70.0;
const BINS: usize = 8000;
const BINS_PER_LU: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    count: u64,
    energy: f64,
}

/// Energies of blocks above the absolute gate. 128 kB.
#[derive(Clone, Debug)]
pub struct Histogram {
    bins: Vec<Bin>,
    gate: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { bins: vec![Bin::default(); BINS], gate: energy_of(ABSOLUTE_GATE) }
    }
}

impl Histogram {
    pub fn reset(&mut self) {
        self.bins.fill(Bin::default());
    }

    /// A block's mean weighted power.
    pub fn add(&mut self, energy: f64) {
        if energy > self.gate {
            let place = (lufs(energy) - ABSOLUTE_GATE) * BINS_PER_LU;
            let bin = &mut self.bins[(place.max(0.0) as usize).min(BINS - 1)];
            bin.count += 1;
            bin.energy += energy;
        }
    }

    /// Blocks above the absolute gate.
    pub fn count(&self) -> u64 {
        self.bins.iter().map(|b| b.count).sum()
    }

    /// Mean energy of the blocks above a gate at `share` of the mean of all; `None` without blocks.
    pub fn gated_mean(&self, share: f64) -> Option<f64> {
        mean(self.above(share)?)
    }

    /// Energies at two ranks (0..=1) among the blocks above a gate at `share` of the mean of all.
    pub fn gated_percentiles(&self, share: f64, ranks: [f64; 2]) -> Option<[f64; 2]> {
        let bins = self.above(share)?;
        let count: u64 = bins.iter().map(|b| b.count).sum();
        let at = |rank: f64| {
            // The nearest of the sorted blocks, counted from 0.
            let place = libm::round((count.checked_sub(1)?) as f64 * rank) as u64;
            let mut before = 0;
            let bin = bins.iter().find(|b| {
                before += b.count;
                before > place
            })?;
            Some(bin.energy / bin.count as f64)
        };
        Some([at(ranks[0])?, at(ranks[1])?])
    }

    /// The bins above the relative gate.
    fn above(&self, share: f64) -> Option<&[Bin]> {
        let gate = share * mean(&self.bins)?;
        let first = self.bins.iter().position(|b| b.count > 0 && b.energy > gate * b.count as f64)?;
        Some(&self.bins[first..])
    }
}

fn mean(bins: &[Bin]) -> Option<f64> {
    let (count, energy) = bins.iter().fold((0, 0.0), |(c, e), b| (c + b.count, e + b.energy));
    (count > 0).then(|| energy / count as f64)
}
