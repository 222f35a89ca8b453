// SPDX-License-Identifier: MIT OR Apache-2.0
//! A whole file, fed in blocks of any length: every integrated figure, and loudness over time at 10 Hz.
//!
//! How it is cut into blocks does not matter, and the zeros that fill the last quantum are no sound. Memory is
//! constant but for the series of 40 bytes each 100 ms.

use super::dynamics::Point;
use super::histogram::Histogram;
use super::integrator::{Figures, Integrator, IntegratorSettings};
use super::loudness::{INTEGRATED_GATE, lufs};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::Layout;

#[derive(Clone, Debug)]
pub struct Programme {
    integrator: Integrator,
    pending: Vec<Frames>,
    filled: usize,
    series: Vec<Point>,
}

impl Programme {
    /// For a rate in Hz.
    pub fn new(rate: u32, layout: &Layout, settings: IntegratorSettings) -> Self {
        Programme {
            integrator: Integrator::new(rate, layout, settings),
            pending: vec![SILENCE; layout.len()],
            filled: 0,
            series: Vec::new(),
        }
    }

    /// The next block, one slice for each channel of the layout, all as long as the shortest.
    pub fn push<T: AsRef<[f64]>>(&mut self, block: &[T]) {
        debug_assert_eq!(block.len(), self.pending.len());
        let frames = block.iter().map(|x| x.as_ref().len()).min().unwrap_or(0);
        let mut from = 0;
        while from < frames {
            let count = (QUANTUM - self.filled).min(frames - from);
            for (to, x) in self.pending.iter_mut().zip(block) {
                to[self.filled..self.filled + count].copy_from_slice(&x.as_ref()[from..from + count]);
            }
            self.filled += count;
            from += count;
            if self.filled == QUANTUM {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.integrator.process_first(&self.pending, self.filled);
        self.series.extend(self.integrator.point());
        self.filled = 0;
    }

    /// The file is over: the figures of it all. More may not be pushed.
    pub fn finish(&mut self) -> Figures {
        if self.filled > 0 {
            self.pending.iter_mut().for_each(|x| x[self.filled..].fill(0.0));
            self.flush();
        }
        self.integrator.close();
        self.integrator.figures()
    }

    /// What has been measured so far.
    pub fn figures(&self) -> Figures {
        self.integrator.figures()
    }

    /// Integrated loudness of what has been measured so far, in LUFS: the same as in [`Programme::figures`], at less cost.
    pub fn integrated(&self) -> Option<f64> {
        self.blocks().gated_mean(INTEGRATED_GATE).map(lufs)
    }

    /// Loudness and true peak over time: entry n at (n + 1) · 100 ms.
    pub fn series(&self) -> &[Point] {
        &self.series
    }

    /// Gating blocks by loudness.
    pub fn blocks(&self) -> &Histogram {
        self.integrator.blocks()
    }

    /// Short-term values by loudness.
    pub fn short_terms(&self) -> &Histogram {
        self.integrator.short_terms()
    }
}
