// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gated blocks of weeks in constant memory: a histogram whose bins know their exact energy.
//!
//! 11000 bins of 0.01 LU from −70 to +40 LUFS. Means come from the sums and so are exact, but for the one bin
//! that a relative gate cuts: it counts whole or not at all. Louder blocks go to the last bin.

use super::loudness::{energy_of, lufs};

/// The absolute gate (BS.1770-5, Annex 1), LUFS.
pub const ABSOLUTE_GATE: f64 = -70.0;
const BINS: usize = 11_000;
const BINS_PER_LU: f64 = 100.0;

#[derive(Clone, Copy, Debug, Default)]
struct Bin {
    count: u64,
    energy: f64,
}

/// A bin that is not empty, as plain data to be kept and read back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SavedBin {
    /// 0.01 LU from −70 LUFS.
    pub index: u16,
    pub count: u64,
    /// Sum of the blocks' mean weighted powers.
    pub energy: f64,
}

/// Why saved bins are not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadBin {
    #[error("bin {0} is not one of 0 to {last}", last = BINS - 1)]
    Index(u16),
    #[error("bin {0} holds {1} blocks with an energy of {2}, which is not what such blocks have")]
    Energy(u16, u64, f64),
    #[error("bin {0} is there twice or out of order")]
    Order(u16),
}

/// Energies of blocks above the absolute gate. 176 kB.
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

    /// Blocks in every 0.01 LU that has any: the lower edge in LUFS and how many.
    pub fn bins(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let edge = |i: usize| ABSOLUTE_GATE + i as f64 / BINS_PER_LU;
        self.bins.iter().enumerate().filter(|(_, b)| b.count > 0).map(move |(i, b)| (edge(i), b.count))
    }

    /// The same in steps of so many LU, from −70 LUFS on, empty ones too.
    pub fn coarse(&self, lu: f64) -> Vec<u64> {
        let per_step = (lu * BINS_PER_LU).max(1.0) as usize;
        self.bins.chunks(per_step).map(|bins| bins.iter().map(|b| b.count).sum()).collect()
    }

    /// Sum of the `count` largest energies. The bin where they end counts with its mean.
    pub fn sum_of_largest(&self, count: u64) -> f64 {
        let (mut left, mut sum) = (count, 0.0);
        for b in self.bins.iter().rev().filter(|b| b.count > 0) {
            let taken = left.min(b.count);
            sum += if taken == b.count { b.energy } else { b.energy * (taken as f64 / b.count as f64) };
            left -= taken;
            if left == 0 {
                break;
            }
        }
        sum
    }

    pub fn save(&self) -> Vec<SavedBin> {
        let full = self.bins.iter().enumerate().filter(|(_, b)| b.count > 0);
        full.map(|(i, b)| SavedBin { index: i as u16, count: b.count, energy: b.energy }).collect()
    }

    /// Goes on from what [`Histogram::save`] gave; from elsewhere it may be anything.
    pub fn restore(saved: &[SavedBin]) -> Result<Histogram, BadBin> {
        let mut h = Histogram::default();
        for (n, s) in saved.iter().enumerate() {
            let bin = h.bins.get_mut(usize::from(s.index)).ok_or(BadBin::Index(s.index))?;
            if n > 0 && saved[n - 1].index >= s.index {
                return Err(BadBin::Order(s.index));
            }
            let mean = s.energy / s.count as f64;
            let low = energy_of(ABSOLUTE_GATE + f64::from(s.index) / BINS_PER_LU);
            let high = if usize::from(s.index) == BINS - 1 { f64::MAX } else { low * 1.003 };
            // A bin is 0.23 % wide; rounding may put a block just beside it.
            if s.count == 0 || !(mean >= low * 0.999 && mean <= high) {
                return Err(BadBin::Energy(s.index, s.count, s.energy));
            }
            *bin = Bin { count: s.count, energy: s.energy };
        }
        Ok(h)
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
