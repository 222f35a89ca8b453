// SPDX-License-Identifier: MIT OR Apache-2.0
//! Four moving averages in a row: a smooth, non-negative FIR that sums to exactly 1, for gains.
//!
//! Running sums in floating point drift; these are 64-bit integers, so a gain of 1 comes back as exactly
//! 1 however long the stream. Every rounding is downwards: the output is never above the largest gain in
//! the window.
//!
//! Bit budget: nothing is divided between the boxes, so for gains up to `2^M` the last sum is at most
//! `2^(F+M) · n₁n₂n₃n₄`. `F` is chosen as `62 − M − ⌊log₂ n₁n₂n₃n₄⌋` (at most 40), which keeps it below
//! 2^63. With M = 4: at 48 kHz and 2 ms the boxes are 25, 25, 25 and 24 frames (2^18.5) and F = 40; at
//! 192 kHz and 10 ms 481, 481, 481 and 480 (2^35.6) and F = 23, a step of 1.2e-7 (1e-6 dB) before the
//! averaging, which happens at full width.

use super::Frames;

/// Boxes in the cascade: peak side lobe −53 dB.
const BOXES: usize = 4;
/// More fractional bits than this gain nothing over f64.
const MOST_BITS: u32 = 40;

#[derive(Clone, Debug)]
struct Box64 {
    /// The values in the box; the oldest at `pos`.
    ring: Vec<i64>,
    pos: usize,
    /// Their sum.
    sum: i64,
}

/// The cascade for one channel.
#[derive(Clone, Debug)]
pub struct BoxCascade {
    boxes: [Box64; BOXES],
    /// Fixed-point 1 at the input, 2^F.
    one: i64,
    /// The last sum for a gain of 1.
    full: i64,
    /// Just under 1 / `full`, so that the conversion never rounds up.
    scale: f64,
    length: usize,
}

/// Lengths of the boxes of a window of `length` ≥ 1 frames: Σ(nᵢ − 1) + 1 = `length`.
fn lengths(length: usize) -> [usize; BOXES] {
    let rest = length - 1;
    std::array::from_fn(|i| 1 + rest / BOXES + usize::from(i < rest % BOXES))
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl BoxCascade {
    /// A window of `length` ≥ 1 frames, at most 10 ms at 384 kHz, for gains from 0 to `most` (a power of
    /// two). Before the stream the gain was `rest`.
    pub fn new(length: usize, most: f64, rest: f64) -> Self {
        let n = lengths(length);
        let product = n.iter().fold(1i64, |p, n| p * *n as i64);
        let one = 1i64 << (62 - product.ilog2() - (most as u32).ilog2()).min(MOST_BITS);
        let full = one * product;
        let boxes = n.map(|n| Box64 { ring: vec![0; n], pos: 0, sum: 0 });
        let mut c =
            BoxCascade { boxes, one, full, scale: (1.0 - 1.0 / (1u64 << 50) as f64) / full as f64, length };
        c.reset(rest);
        c
    }
}

impl BoxCascade {
    /// As if the gain had been `rest` for ever.
    pub fn reset(&mut self, rest: f64) {
        let mut value = (rest * self.one as f64) as i64;
        for b in &mut self.boxes {
            b.ring.fill(value);
            value *= b.ring.len() as i64;
            b.sum = value;
        }
    }

    /// Audio thread. One quantum of gains in place.
    pub fn process(&mut self, x: &mut Frames) {
        let one = self.one as f64;
        let mut v = x.map(|g| (g * one) as i64);
        for b in &mut self.boxes {
            let (ring, mut pos, mut sum) = (b.ring.as_mut_slice(), b.pos, b.sum);
            for v in v.iter_mut() {
                sum = sum.wrapping_add(*v).wrapping_sub(std::mem::replace(&mut ring[pos], *v));
                pos = if pos + 1 == ring.len() { 0 } else { pos + 1 };
                *v = sum;
            }
            (b.pos, b.sum) = (pos, sum);
        }
        for (x, v) in x.iter_mut().zip(v) {
            *x = if v == self.full { 1.0 } else { v as f64 * self.scale };
        }
    }

    /// Frames of the window.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Mean and variance of the impulse response in frames and frames².
    pub fn moments(&self) -> (f64, f64) {
        let n = self.boxes.iter().map(|b| b.ring.len() as f64);
        n.fold((0.0, 0.0), |(m, v), n| (m + 0.5 * (n - 1.0), v + (n * n - 1.0) / 12.0))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_stays_one_and_nothing_comes_out_above_what_went_in() {
        for length in [1, 2, 3, 4, 5, 22, 96, 441, 480, 1920] {
            let mut c = BoxCascade::new(length, 16.0, 1.0);
            assert!(c.full.ilog2() < 63 && lengths(length).iter().sum::<usize>() == length + 3);
            let mut seed = 7u64;
            let (mut input, mut worst) = (Vec::new(), f64::NEG_INFINITY);
            for q in 0..400 {
                let mut x: Frames = std::array::from_fn(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if q % 50 < 25 { 1.0 } else { 16.0 * (seed >> 40) as f64 / 16_777_216.0 }
                });
                input.extend(x);
                c.process(&mut x);
                for (i, y) in x.iter().enumerate() {
                    let n = q * 64 + i;
                    let w = &input[(n + 1).saturating_sub(length)..=n];
                    let (low, high) = w.iter().fold((16.0f64, 0.0f64), |(l, h), v| (l.min(*v), h.max(*v)));
                    let (low, high) =
                        if w.len() < length { (low.min(1.0), high.max(1.0)) } else { (low, high) };
                    worst = worst.max(y - high);
                    assert!(*y <= high && *y >= low - 2e-7, "{length}: {y} outside {low}..{high}");
                    assert!(low != 1.0 || high != 1.0 || *y == 1.0, "{length}: {y} for a gain of 1");
                }
            }
            println!("window {length}: one = 2^{}, highest above the window {worst:.1e}", c.one.ilog2());
        }
    }
}
