// SPDX-License-Identifier: MIT OR Apache-2.0
//! Four moving averages in a row: a smooth, non-negative FIR that sums to exactly 1, for levels in octaves.
//!
//! Running sums in floating point drift; these are 64-bit integers that wrap (Hogenauer, IEEE Trans. ASSP
//! 29(2), 1981): differences over each box's length first, lane-wise, then four plain sums. What wraps on the way
//! comes right in the end, as the result itself fits. A level comes back as exactly itself however long the
//! stream, and every rounding is downwards: the output is never above the highest level in the window.
//!
//! Bit budget: nothing is divided between the boxes, so for levels within ±64 octaves the last sum is at most
//! `2^(F+6) · n₁n₂n₃n₄`. `F` is chosen as `56 − ⌊log₂ n₁n₂n₃n₄⌋`, at most 40. At 48 kHz and 4 ms the boxes
//! are 49, 49, 48 and 48 frames (2^22.4) and F = 34; at 192 kHz and 15 ms 721, 720, 720 and 720 (2^38) and F =
//! 18, a step of 4e-6 octaves (2e-5 dB) before the averaging, which happens at full width.

use super::quantum_ring::QuantumRing;
use super::{Aligned, Frames, QUANTUM};

/// Boxes in the cascade: peak side lobe −53 dB.
const BOXES: usize = 4;
/// More fractional bits than this gain nothing over f64.
const MOST_BITS: u32 = 40;
/// Levels are within this many octaves, 2^6.
const RANGE_BITS: u32 = 6;
/// Adding 1.5·2^52 rounds to the nearest whole number and leaves it in the low bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The cascade for one signal.
#[derive(Clone, Debug)]
pub struct BoxCascade {
    lengths: [usize; BOXES],
    /// What each pair of boxes remembers of its input.
    inputs: [QuantumRing<i64>; BOXES / 2],
    sums: [i64; BOXES],
    /// Fixed-point 1 at the input, 2^F.
    one: f64,
    product: i64,
    /// 1 / (2^F · n₁n₂n₃n₄).
    scale: f64,
}

/// Lengths of the boxes of a window of `length` ≥ 1 frames: Σ(nᵢ − 1) + 1 = `length`.
fn lengths(length: usize) -> [usize; BOXES] {
    let rest = length - 1;
    std::array::from_fn(|i| 1 + rest / BOXES + usize::from(i < rest % BOXES))
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl BoxCascade {
    /// A window of `length` ≥ 1 frames, at most 15 ms at 384 kHz. Before the stream the level was `rest`.
    pub fn new(length: usize, rest: f64) -> Self {
        let n = lengths(length.max(1));
        let product = n.iter().fold(1i64, |p, n| p * *n as i64);
        let bits = (62 - RANGE_BITS - product.ilog2()).min(MOST_BITS);
        let one = (1i64 << bits) as f64;
        let scale = 1.0 / (one * product as f64);
        let inputs = [n[0] + n[1], n[2] + n[3]].map(|n| QuantumRing::new(n, 0));
        let mut c = BoxCascade { lengths: n, inputs, sums: [0; BOXES], one, product, scale };
        c.reset(rest);
        c
    }
}

impl BoxCascade {
    /// As if the level had been `rest` for ever.
    pub fn reset(&mut self, rest: f64) {
        self.inputs.iter_mut().for_each(|r| r.fill(0));
        let value = fixed(rest * self.one);
        self.inputs[0].fill(value);
        self.sums = [0; BOXES];
        self.sums[BOXES - 1] = value.wrapping_mul(self.product);
    }

    /// As `other`, which has the same length.
    pub fn copy(&mut self, other: &BoxCascade) {
        self.inputs.iter_mut().zip(&other.inputs).for_each(|(to, from)| to.copy(from));
        self.sums = other.sums;
    }

    /// Levels that differ by this much never meet in the fixed point.
    pub fn step(&self) -> f64 {
        2.0 / self.one
    }

    /// Audio thread. One quantum of levels in place. Where all of the window was `rest`, it comes out as exactly
    /// that, whatever the fixed point makes of it.
    #[inline(always)]
    pub fn process(&mut self, x: &mut Frames, rest: Option<f64>) {
        let Aligned(v) = &mut Aligned([0i64; QUANTUM]);
        for (v, x) in v.iter_mut().zip(x.iter()) {
            *v = fixed(*x * self.one);
        }
        // Two boxes at once: (1 − z⁻ᵐ)(1 − z⁻ⁿ).
        for (input, n) in self.inputs.iter_mut().zip(self.lengths.as_chunks::<2>().0) {
            input.push(v);
            let (first, second, both) = (input.at(n[0]), input.at(n[1]), input.at(n[0] + n[1]));
            for i in 0..QUANTUM {
                v[i] = v[i].wrapping_sub(first[i]).wrapping_sub(second[i]).wrapping_add(both[i]);
            }
        }
        let [mut a, mut b, mut c, mut d] = self.sums;
        for v in v.iter_mut() {
            a = a.wrapping_add(*v);
            b = b.wrapping_add(a);
            c = c.wrapping_add(b);
            d = d.wrapping_add(c);
            *v = d;
        }
        self.sums = [a, b, c, d];
        x.iter_mut().zip(&*v).for_each(|(x, v)| *x = *v as f64 * self.scale);
        if let Some(rest) = rest {
            let whole = fixed(rest * self.one).wrapping_mul(self.product);
            x.iter_mut().zip(&*v).for_each(|(x, v)| *x = if *v == whole { rest } else { *x });
        }
    }

    /// Mean and variance of the impulse response in frames and frames².
    pub fn moments(&self) -> (f64, f64) {
        let n = self.lengths.iter().map(|n| *n as f64);
        n.fold((0.0, 0.0), |(m, v), n| (m + 0.5 * (n - 1.0), v + (n * n - 1.0) / 12.0))
    }
}

/// The largest whole number not above `v`, |v| < 2^51.
#[inline(always)]
fn fixed(v: f64) -> i64 {
    let near = (v + SHIFT) - SHIFT;
    let below = if near > v { near - 1.0 } else { near };
    ((below + SHIFT).to_bits() as i64).wrapping_sub(SHIFT.to_bits() as i64)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rest_stays_rest_and_nothing_comes_out_above_what_went_in() {
        for length in [1, 2, 3, 4, 5, 22, 96, 441, 480, 1920, 2880] {
            let mut c = BoxCascade::new(length, 0.0);
            assert!(lengths(length).iter().sum::<usize>() == length + 3);
            let mut seed = 7u64;
            let (mut input, mut worst) = (Vec::new(), f64::NEG_INFINITY);
            for q in 0..400 {
                let mut x: Frames = std::array::from_fn(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if q % 50 < 25 { 0.3 } else { 4.0 - 32.0 * (seed >> 40) as f64 / 16_777_216.0 }
                });
                input.extend(x);
                c.process(&mut x, Some(0.3));
                for (i, y) in x.iter().enumerate() {
                    let n = q * 64 + i;
                    let w = &input[(n + 1).saturating_sub(length)..=n];
                    let (low, high) = w.iter().fold((4.0f64, -32.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
                    let (low, high) =
                        if w.len() < length { (low.min(0.0), high.max(0.0)) } else { (low, high) };
                    worst = worst.max(y - high);
                    assert!(*y <= high + 1e-15 && *y >= low - 8e-6, "{length}: {y} outside {low}..{high}");
                    assert!(low != 0.3 || high != 0.3 || *y == 0.3, "{length}: {y} for a level of 0.3");
                }
            }
            println!("window {length}: one = 2^{}, highest above the window {worst:.1e}", c.one.log2());
        }
    }

    #[test]
    fn a_level_of_zero_never_drifts() {
        let mut c = BoxCascade::new(192, 0.0);
        for q in 0..20_000 {
            let mut x: Frames = std::array::from_fn(|i| if q % 10 < 6 { -(i as f64) * 0.37 } else { 0.0 });
            c.process(&mut x, None);
            assert!(q % 10 < 9 || x == [0.0; QUANTUM], "quantum {q}");
        }
    }
}
