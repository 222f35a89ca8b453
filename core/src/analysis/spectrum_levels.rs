// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transforms of one shape at the rate, a quarter and a sixteenth of it: short windows for high frequencies,
//! long ones for low.
//!
//! A quarter of the rate makes the bins four times finer at the same cost of a window, and four times fewer
//! windows. Each resolution serves from where the next finer one ends: the pass band of its filters, or the
//! frequencies at which analysers usually change, whichever is lower.

use super::spectrum_frames::{Framer, Shape, Transform};
use super::spectrum_halver::{Halver, PASS};
use super::spectrum_settings::{Refused, one_of};
use crate::dsp::QUANTUM;

/// Numbers of resolutions that may be asked for.
pub const RESOLUTIONS: [usize; 2] = [1, 3];
/// Each finer resolution has this part of the rate before it.
pub(super) const STEP: usize = 4;
/// Highest frequency of the second and the third resolution, Hz.
const TOPS_HZ: [f64; 2] = [1200.0, 300.0];

pub(super) fn check_resolutions(resolutions: usize) -> Result<(), Refused> {
    one_of("resolutions", resolutions, &RESOLUTIONS)
}

/// Highest frequency for which a resolution is used; it blends with the coarser one over half an octave
/// either way.
pub(super) fn top(resolution: usize, rate: f64) -> f64 {
    match resolution.checked_sub(1).and_then(|r| TOPS_HZ.get(r)) {
        None => 0.5 * rate,
        Some(hz) => {
            let lower = rate / STEP.pow(resolution as u32) as f64;
            hz.min(PASS * lower / std::f64::consts::SQRT_2)
        }
    }
}

/// Hz from one bin of a resolution to the next.
pub(super) fn bin_hz(resolution: usize, shape: &Shape, rate: f64) -> f64 {
    rate / (STEP.pow(resolution as u32) * shape.size) as f64
}

/// One signal at all resolutions.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    framers: Vec<Framer>,
    /// Two for each resolution but the first.
    halvers: Vec<[Halver; 2]>,
}

impl Levels {
    pub fn new(shape: &Shape, resolutions: usize) -> Self {
        Levels {
            framers: vec![Framer::new(shape); resolutions],
            halvers: vec![[Halver::new(), Halver::new()]; resolutions - 1],
        }
    }

    /// Windows begin anew, after the filters have filled.
    pub fn clear(&mut self) {
        let mut waits = 0usize;
        for (r, framer) in self.framers.iter_mut().enumerate() {
            if r > 0 {
                // Through one step of four: once the first half has settled, the second begins to.
                waits = waits.div_ceil(STEP) + Halver::settle().div_ceil(2) + Halver::settle();
                waits = waits.next_multiple_of(QUANTUM);
            }
            framer.clear(waits);
        }
        self.halvers.iter_mut().flatten().for_each(Halver::clear);
    }

    /// One quantum. `each` is told the resolution and the powers of every window that is due.
    pub fn push(&mut self, x: &[f64], transform: &mut Transform, mut each: impl FnMut(usize, &[f64])) {
        let mut now = [0.0; QUANTUM];
        now.copy_from_slice(x);
        let mut n = QUANTUM;
        for (r, framer) in self.framers.iter_mut().enumerate() {
            if r > 0 {
                let [first, second] = &mut self.halvers[r - 1];
                let fewer = second.push(first.push(&now[..n]));
                n = fewer.len();
                now[..n].copy_from_slice(fewer);
            }
            if framer.push(&now[..n]) {
                each(r, transform.powers(framer));
            }
        }
    }
}
