// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two sections in series over a quantum of two channels, its four stretches of 16 frames at once.
//!
//! A recursion of sections waits for itself: a frame takes as long as its three operations in a row. A filter
//! that never changes can do without: each stretch is filtered as if from rest, all four side by side, and then
//! what the state before it adds is added, which is known beforehand: the response to each of the four
//! states alone. The state at the end of a stretch becomes known in the same way, so that only four steps wait
//! for each other, not 64. The rounding is another than that of the recursion, and the same on every processor:
//! lanes do not meet in a sum, and nothing is fused.

use super::svf::{Coefs, Section};
use super::wide::{Kernel, Width};
use super::{Frames, QUANTUM};

/// Frames of a stretch.
const LENGTH: usize = 16;
const STRETCHES: usize = QUANTUM / LENGTH;
/// Two channels' stretches: lane 2 s + c is stretch s of channel c.
const LANES: usize = 2 * STRETCHES;
/// Integrators of two sections.
const ORDER: usize = 4;
/// States below this (−600 dBFS) become zero, long before they are denormal.
const TINY: f64 = 1e-30;

type Lanes = [f64; LANES];

/// The state of one channel.
pub type Memory = [f64; ORDER];

/// The filter.
#[derive(Clone, Debug)]
pub struct Stretches {
    factors: [[f64; 6]; 2],
    /// What each state alone adds to the output, frame by frame.
    rings: [[f64; LENGTH]; ORDER],
    /// What each state becomes within a stretch: `passes[to][from]`.
    passes: [[f64; ORDER]; ORDER],
    width: Width,
}

impl Stretches {
    pub fn new(sections: &[Section; 2]) -> Self {
        let coefs = sections.each_ref().map(Coefs::new);
        let mut s = Stretches {
            factors: coefs.map(|c| c.as_array()),
            rings: [[0.0; LENGTH]; ORDER],
            passes: [[0.0; ORDER]; ORDER],
            width: Width::widest(),
        };
        for from in 0..ORDER {
            // One state alone, without any input.
            let mut memory = [0.0; ORDER];
            memory[from] = 1.0;
            for i in 0..LENGTH {
                let mut lanes = memory.map(|m| [m; LANES]);
                s.rings[from][i] = s.step(&mut lanes, [0.0; LANES])[0];
                memory = lanes.map(|l| l[0]);
            }
            for (to, m) in memory.into_iter().enumerate() {
                s.passes[to][from] = m;
            }
        }
        s
    }

    /// Audio thread. `power[i] += weights[0] · y₀² + weights[1] · y₁²` of the filtered channels.
    pub fn add_power(
        &self,
        memory: &mut [Memory; 2],
        audio: [&Frames; 2],
        weights: [f64; 2],
        power: &mut Frames,
    ) {
        // Turned here, where there are no wide registers: those would gather and scatter, which is slower.
        let mut frames = [[0.0; LANES]; LENGTH];
        for s in 0..STRETCHES {
            let from = LENGTH * s;
            let (a, b) = (&audio[0][from..from + LENGTH], &audio[1][from..from + LENGTH]);
            for ((x, a), b) in frames.iter_mut().zip(a).zip(b) {
                (x[2 * s], x[2 * s + 1]) = (*a, *b);
            }
        }
        let mut rest = [[0.0; LANES]; ORDER];
        self.width.run(FromRest { filter: self, frames: &mut frames, rest: &mut rest });
        let before = self.pass(memory, &rest);
        let mut filtered = [[0.0; QUANTUM]; 2];
        let [y0, y1] = &mut filtered;
        for s in 0..STRETCHES {
            let (a, b) = (y0[LENGTH * s..].iter_mut(), y1[LENGTH * s..].iter_mut());
            for ((a, b), x) in a.zip(b).zip(&frames) {
                (*a, *b) = (x[2 * s], x[2 * s + 1]);
            }
        }
        self.width.run(Ring { filter: self, filtered: &filtered, before: &before, weights, power });
    }

    /// The state before each stretch; the memory becomes that after the last.
    fn pass(&self, memory: &mut [Memory; 2], rest: &[Lanes; ORDER]) -> [Lanes; ORDER] {
        let mut before = [[0.0; LANES]; ORDER];
        for s in 0..STRETCHES {
            for (c, m) in memory.iter_mut().enumerate() {
                let mut next = [0.0; ORDER];
                for k in 0..ORDER {
                    before[k][2 * s + c] = m[k];
                    let p = &self.passes[k];
                    let passed = (p[0] * m[0] + p[1] * m[1]) + (p[2] * m[2] + p[3] * m[3]);
                    next[k] = rest[k][2 * s + c] + passed;
                }
                *m = next;
            }
        }
        for m in memory.iter_mut().flatten() {
            *m = if m.abs() < TINY { 0.0 } else { *m };
        }
        before
    }

    /// One frame of both sections in every lane. Operations and their order are those of a single section.
    #[inline(always)]
    fn step(&self, state: &mut [Lanes; ORDER], mut x: Lanes) -> Lanes {
        for (n, [e1, e2, e3, m0, m1, m2]) in self.factors.iter().enumerate() {
            for l in 0..LANES {
                let (s1, s2) = (state[2 * n][l], state[2 * n + 1][l]);
                let v3 = x[l] - s2;
                let y = m0 * x[l] + (m1 * s1 + m2 * s2);
                state[2 * n][l] = e2 * v3 + (e1 * s1 + s1);
                state[2 * n + 1][l] = e3 * v3 + (e2 * s1 + s2);
                x[l] = y;
            }
        }
        x
    }
}

/// Filters all stretches as if from rest, and says where they end.
struct FromRest<'a> {
    filter: &'a Stretches,
    frames: &'a mut [Lanes; LENGTH],
    rest: &'a mut [Lanes; ORDER],
}

impl Kernel for FromRest<'_> {
    #[inline(always)]
    fn run(self) {
        let mut state = [[0.0; LANES]; ORDER];
        for x in self.frames.iter_mut() {
            *x = self.filter.step(&mut state, *x);
        }
        *self.rest = state;
    }
}

/// Adds what the states before the stretches ring, and the weighted powers of it all to the power.
struct Ring<'a> {
    filter: &'a Stretches,
    filtered: &'a [Frames; 2],
    before: &'a [Lanes; ORDER],
    weights: [f64; 2],
    power: &'a mut Frames,
}

impl Kernel for Ring<'_> {
    #[inline(always)]
    fn run(self) {
        let [ra, rb, rc, rd] = &self.filter.rings;
        for (c, x) in self.filtered.iter().enumerate() {
            let w = self.weights[c];
            let stretches = x.as_chunks::<LENGTH>().0.iter().zip(self.power.as_chunks_mut::<LENGTH>().0);
            for (s, (x, power)) in stretches.enumerate() {
                let [ma, mb, mc, md] = self.before.each_ref().map(|m| m[2 * s + c]);
                for i in 0..LENGTH {
                    let ring = (ra[i] * ma + rb[i] * mb) + (rc[i] * mc + rd[i] * md);
                    let y = x[i] + ring;
                    power[i] += w * (y * y);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use crate::dsp::kweight::sections;
    use crate::dsp::svf::{State, process};

    #[test]
    fn it_is_the_same_filter_and_every_width_gives_the_same_bits() {
        for rate in [8_000.0, 44_100.0, 192_000.0] {
            let sections = sections(rate);
            let mut filters: Vec<(Stretches, [Memory; 2])> = Width::all()
                .map(|width| (Stretches { width, ..Stretches::new(&sections) }, [[0.0; ORDER]; 2]))
                .collect();
            let coefs = sections.each_ref().map(Coefs::new);
            let mut states = [[State::default(); 2]; 2];
            let (mut seed, mut worst) = (1u64, 0.0f64);
            for q in 0..300 {
                let mut audio = [[0.0; QUANTUM]; 2];
                for x in audio.iter_mut().flatten() {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    // A large offset shows what the high-pass loses.
                    *x = 0.5 + (seed >> 12) as f64 / (1u64 << 52) as f64 * if q > 200 { 0.0 } else { 1.0 };
                }
                let powers: Vec<Frames> = filters
                    .iter_mut()
                    .map(|(f, memory)| {
                        let mut power = [0.0; QUANTUM];
                        f.add_power(memory, audio.each_ref(), [1.0, 1.41], &mut power);
                        power
                    })
                    .collect();
                assert!(powers.iter().all(|p| p.map(f64::to_bits) == powers[0].map(f64::to_bits)));
                for (x, states) in audio.iter_mut().zip(&mut states) {
                    coefs.iter().zip(states).for_each(|(c, s)| process(c, s, x));
                }
                for i in 0..QUANTUM {
                    let want = audio[0][i] * audio[0][i] + 1.41 * (audio[1][i] * audio[1][i]);
                    worst = worst.max((powers[0][i] - want).abs());
                }
            }
            println!("{rate} Hz: power within {worst:.1e} of the recursion's");
            assert!(worst < 1e-13, "{worst:e}");
        }
    }
}
