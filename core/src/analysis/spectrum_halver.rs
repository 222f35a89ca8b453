// SPDX-License-Identifier: MIT OR Apache-2.0
//! Half the rate: what lets long windows and low bands cost little.
//!
//! An equiripple half-band filter: flat within 1e-6 (9e-6 dB) up to 0.4 of the lower rate; what would fold to
//! below that is 120 dB down. 0.4 to 0.5 of the lower rate is its transition and not to be looked at.

use std::sync::OnceLock;

use crate::dsp::QUANTUM;
use crate::dsp::remez::half_band;

/// End of the pass band as a share of the lower rate.
pub(super) const PASS: f64 = 0.4;
const RIPPLE: f64 = 1e-6;

/// First half of the taps beside the centre, outermost first; the same for every rate.
fn sides() -> &'static [f64] {
    static SIDES: OnceLock<Vec<f64>> = OnceLock::new();
    SIDES.get_or_init(|| half_band(0.5 * PASS, RIPPLE).iter().map(|g| 0.5 * g).collect())
}

/// Gain at `turn`, a share of the higher rate.
#[cfg(test)]
pub(super) fn gain(turn: f64) -> f64 {
    let k = sides().len();
    let pair =
        |(i, g): (usize, &f64)| 2.0 * g * libm::cos(std::f64::consts::TAU * turn * (2 * (k - i) - 1) as f64);
    0.5 + sides().iter().enumerate().map(pair).sum::<f64>()
}

/// One signal on its way to half the rate.
#[derive(Clone, Debug)]
pub(super) struct Halver {
    /// The past, then the newest samples: those that meet the sides, and those that meet the centre.
    near: Vec<f64>,
    far: Vec<f64>,
    /// A sample that waits for its other one.
    odd: Option<f64>,
    out: Vec<f64>,
}

impl Halver {
    pub fn new() -> Self {
        let k = sides().len();
        Halver {
            near: vec![0.0; 2 * k - 1 + QUANTUM],
            far: vec![0.0; k + QUANTUM],
            odd: None,
            out: vec![0.0; QUANTUM],
        }
    }

    /// Samples at the lower rate until nothing is left of what was before.
    pub fn settle() -> usize {
        2 * sides().len()
    }

    pub fn clear(&mut self) {
        self.near.fill(0.0);
        self.far.fill(0.0);
        self.odd = None;
    }

    /// At most a quantum; half as many come out, give or take one that has to wait.
    pub fn push(&mut self, samples: &[f64]) -> &[f64] {
        let (g, past) = (sides(), self.near.len() - QUANTUM);
        let (k, mut n) = (g.len(), 0);
        for x in samples {
            match self.odd.take() {
                None => self.odd = Some(*x),
                Some(first) => {
                    (self.near[past + n], self.far[k + n]) = (first, *x);
                    n += 1;
                }
            }
        }
        let out = &mut self.out[..n];
        // Between the k-th and the next of 2k samples lies the one that meets the centre.
        for (out, x) in out.iter_mut().zip(&self.far) {
            *out = 0.5 * x;
        }
        for (i, g) in g.iter().enumerate() {
            let (old, new) = (&self.near[i..i + n], &self.near[past - i..past - i + n]);
            for ((out, a), b) in out.iter_mut().zip(old).zip(new) {
                *out += g * (a + b);
            }
        }
        self.near.copy_within(n..n + past, 0);
        self.far.copy_within(n..n + k, 0);
        &self.out[..n]
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    #[test]
    fn it_passes_and_stops_as_it_says_and_any_split_is_the_same() {
        println!("{} taps", 4 * sides().len() - 1);
        for i in 0..=400 {
            let turn = 0.5 * f64::from(i) / 400.0;
            if turn <= 0.5 * PASS {
                assert!((gain(turn) - 1.0).abs() < 1.1 * RIPPLE, "{turn}: {}", gain(turn));
            }
            if turn >= 0.5 - 0.5 * PASS {
                assert!(gain(turn).abs() < 1.1 * RIPPLE, "{turn}: {}", gain(turn));
            }
        }
        for turn in [0.0, 0.01, 0.13, 0.2, 0.24, 0.3] {
            let x: Vec<f64> = (0..1024).map(|n| (2.0 * PI * turn * f64::from(n) + 1.0).cos()).collect();
            let run = |chunk: usize| {
                let (mut h, mut y) = (Halver::new(), Vec::new());
                x.chunks(chunk).for_each(|c| y.extend_from_slice(h.push(c)));
                y
            };
            let y = run(64);
            assert!(y.len() == 512 && y == run(1) && y == run(7));
            // The centre lies 2k samples before the second of each two.
            let delay = (2 * sides().len()) as f64;
            for (m, y) in y.iter().enumerate().skip(Halver::settle()) {
                let want = gain(turn) * (2.0 * PI * turn * ((2 * m + 1) as f64 - delay) + 1.0).cos();
                assert!((y - want).abs() < 1e-12, "{turn}, {m}: {y} for {want}");
            }
        }
    }
}
