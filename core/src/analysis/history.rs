// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness of the last so many seconds: a ring of sub-blocks of 100 ms, up to an hour and more.
//!
//! Gating blocks are four sub-blocks that follow each other without a gap, short-term values thirty. What lies
//! wholly within the time asked for counts, up to the last place of the 100 ms grid. Nothing is estimated:
//! the gates and percentiles are worked out from the blocks themselves.

use std::collections::VecDeque;

use super::histogram::ABSOLUTE_GATE;
use super::loudness::{INTEGRATED_GATE, RANGE_GATE, RANGE_RANKS, energy_of, lufs};

const PER_SECOND: f64 = 10.0;
const BLOCK: usize = 4;
const SHORT_TERM: usize = 30;
/// In place of a mean power: nothing was heard here.
const MISSED: f64 = -1.0;

/// LUFS and LU of the last seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LastReadings {
    /// Seconds that were there of those asked for, gaps included.
    pub seconds: f64,
    pub integrated: Option<f64>,
    pub loudness_range: Option<f64>,
}

#[derive(Clone, Debug)]
pub struct History {
    /// Mean weighted power of each 100 ms, the oldest first.
    powers: VecDeque<f64>,
    most: usize,
}

impl History {
    pub fn new(seconds: u32) -> Self {
        let most = (seconds as usize * PER_SECOND as usize).max(SHORT_TERM);
        History { powers: VecDeque::with_capacity(most), most }
    }

    pub fn push(&mut self, power: f64) {
        if self.powers.len() == self.most {
            self.powers.pop_front();
        }
        self.powers.push_back(power);
    }

    /// So many sub-blocks were missed; one at least, which parts what comes from what was.
    pub fn gap(&mut self, sub_blocks: u64) {
        (0..sub_blocks.clamp(1, self.most as u64)).for_each(|_| self.push(MISSED));
    }

    pub fn last(&self, seconds: f64) -> LastReadings {
        let wanted = (seconds.max(0.0) * PER_SECOND + 1e-6) as usize;
        let count = wanted.min(self.powers.len());
        let powers = self.powers.range(self.powers.len() - count..).copied();
        let (mut blocks, mut shorts) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut run, mut ring) = (0, [0.0; SHORT_TERM]);
        for power in powers {
            if power < 0.0 {
                run = 0;
                continue;
            }
            ring[run % SHORT_TERM] = power;
            run += 1;
            if run >= BLOCK {
                let sum: f64 = (1..=BLOCK).map(|n| ring[(run - n) % SHORT_TERM]).sum();
                blocks.push(sum / BLOCK as f64);
            }
            if run >= SHORT_TERM {
                shorts.push(ring.iter().sum::<f64>() / SHORT_TERM as f64);
            }
        }
        LastReadings {
            seconds: count as f64 / PER_SECOND,
            integrated: gated(&mut blocks, INTEGRATED_GATE).map(lufs),
            loudness_range: gated(&mut shorts, RANGE_GATE).map(|_| range(&mut shorts)),
        }
    }
}

/// Leaves what passes both gates, and gives its mean.
fn gated(powers: &mut Vec<f64>, relative: f64) -> Option<f64> {
    let mean = |p: &[f64]| (!p.is_empty()).then(|| p.iter().sum::<f64>() / p.len() as f64);
    let absolute = energy_of(ABSOLUTE_GATE);
    powers.retain(|p| *p > absolute);
    let gate = relative * mean(powers)?;
    powers.retain(|p| *p > gate);
    mean(powers)
}

fn range(powers: &mut [f64]) -> f64 {
    let last = powers.len() - 1;
    let [low, high] = RANGE_RANKS.map(|rank| {
        let place = libm::round(last as f64 * rank) as usize;
        *powers.select_nth_unstable_by(place, f64::total_cmp).1
    });
    lufs(high) - lufs(low)
}
