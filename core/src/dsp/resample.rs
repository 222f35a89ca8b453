// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conversion between sample rates by a rational ratio, for files. Not for the audio thread.
//!
//! Output frame m is what the band-limited signal has at the time of m frames: `Σ x[n] h(m·down/up − n)`, with h a
//! Kaiser-windowed sinc in f64, so nothing is late and nothing is interpolated between taps: there is one filter
//! for each of the `up` fractions that occur. Its pass band ends at 20 kHz where the lower rate is 44.1 kHz and at
//! the same share of every other one; it stops at half the lower rate. So nothing folds back and nothing is mirrored,
//! and what is left between the two is fading. 190 dB asked of the window give −180 dB and a ripple of 1e-8 dB.
//!
//! | way | filters | taps each |
//! |---|---|---|
//! | 44.1 → 48 kHz | 160 | 288 |
//! | 96 → 44.1 kHz | 147 | 608 |
//! | 192 → 44.1 kHz | 147 | 1200 |
//!
//! Sums run in 16 lanes that meet in one fixed order, so every register width gives the same bits.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "off the audio thread: converts files"
)]

use std::f64::consts::PI;

use super::math::bessel_i0;
use super::wide::{Kernel, Width};

/// Of the window, in dB; what stands at the edges of the bands is 10 dB less.
const ATTENUATION: f64 = 190.0;
/// End of the pass band as a share of the lower rate.
const PASS: f64 = 20.0 / 44.1;
/// Sums side by side; the taps of a filter are a multiple.
const LANES: usize = 16;
/// Most taps of all filters together, 32 MiB: ratios of rates that have next to no common divisor need more.
const MOST_TAPS: usize = 1 << 22;

/// Two rates whose ratio would need too large a set of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{from} Hz does not convert to {to} Hz: their ratio, {up}/{down}, is not one of small numbers")]
pub struct RatioError {
    pub from: u32,
    pub to: u32,
    pub up: usize,
    pub down: usize,
}

/// The filters from one rate to another. Shared by the channels.
#[derive(Clone, Debug)]
pub struct Ratio {
    up: usize,
    down: usize,
    /// Taps of one filter.
    taps: usize,
    /// By fraction, `taps` each, for samples in order of time.
    filters: Vec<f64>,
    width: Width,
}

impl Ratio {
    /// Some milliseconds for usual rates.
    ///
    /// # Errors
    /// Rates that are 0 or whose ratio needs more than 32 MiB of taps.
    pub fn new(from: u32, to: u32) -> Result<Ratio, RatioError> {
        let common = common_divisor(from, to).max(1);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        let refused = RatioError { from, to, up, down };
        if from == 0 || to == 0 {
            return Err(refused);
        }
        let (rate, low) = (f64::from(from), f64::from(from.min(to)));
        let (pass, stop) = (PASS * low / rate, 0.5 * low / rate);
        // Kaiser's formulas, frequencies as shares of the rate that comes in.
        let beta = 0.1102 * (ATTENUATION - 8.7);
        let length = (ATTENUATION - 8.0) / (2.285 * 2.0 * PI * (stop - pass));
        let taps = (libm::ceil(length) as usize).next_multiple_of(LANES);
        if taps.saturating_mul(up) > MOST_TAPS {
            return Err(refused);
        }
        let half = (taps / 2) as f64;
        let (corner, whole) = (pass + stop, bessel_i0(beta));
        let tap = |n: usize| {
            let (fraction, k) = (n / taps, n % taps);
            let t = k as f64 - (half - 1.0) - fraction as f64 / up as f64;
            let u = t / half;
            // Nothing at the very end, where the other half has no tap.
            let window = if u.abs() < 1.0 { bessel_i0(beta * (1.0 - u * u).sqrt()) / whole } else { 0.0 };
            corner * sinc(corner * t) * window
        };
        let filters = (0..up * taps).map(tap).collect();
        Ok(Ratio { up, down, taps, filters, width: Width::widest() })
    }

    /// Frames out of so many frames in: the nearest whole number.
    pub fn frames(&self, input: u64) -> u64 {
        let (up, down) = (self.up as u128, self.down as u128);
        ((2 * u128::from(input) * up + down) / (2 * down)) as u64
    }
}

fn common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

fn sinc(t: f64) -> f64 {
    if t == 0.0 { 1.0 } else { libm::sin(PI * t) / (PI * t) }
}

/// One channel on its way from one rate to another; before its first frame there was silence.
///
/// | state | meaning |
/// |---|---|
/// | `past` | input from the oldest sample that the next output reaches |
/// | `dropped` | samples before those, with the silence before the first counted |
/// | `taken`, `given` | frames in and out so far |
#[derive(Clone, Debug)]
pub struct Resampler {
    past: Vec<f64>,
    dropped: u64,
    taken: u64,
    given: u64,
}

impl Resampler {
    pub fn new(ratio: &Ratio) -> Self {
        Resampler { past: vec![0.0; ratio.taps / 2 - 1], dropped: 0, taken: 0, given: 0 }
    }

    /// Takes the next frames of the input and appends to `output` those that they complete.
    pub fn push(&mut self, ratio: &Ratio, input: &[f64], output: &mut Vec<f64>) {
        self.past.extend_from_slice(input);
        self.taken += input.len() as u64;
        let known = self.dropped + self.past.len() as u64;
        // Output m reads `taps` samples from ⌊m·down/up⌋ on.
        let last = known.saturating_sub(ratio.taps as u64 - 1) * ratio.up as u64;
        self.give(ratio, last.div_ceil(ratio.down as u64), output);
    }

    /// The input has ended, with silence after it: appends what is still owed.
    pub fn finish(&mut self, ratio: &Ratio, output: &mut Vec<f64>) {
        let end = ratio.frames(self.taken);
        if end > self.given {
            let reach =
                (u128::from(end - 1) * ratio.down as u128 / ratio.up as u128) as u64 + ratio.taps as u64;
            let have = self.dropped + self.past.len() as u64;
            self.past.resize(self.past.len() + reach.saturating_sub(have) as usize, 0.0);
            self.give(ratio, end, output);
        }
    }

    /// Output up to frame `end`; `past` holds what that takes.
    fn give(&mut self, ratio: &Ratio, end: u64, output: &mut Vec<f64>) {
        let count = end.saturating_sub(self.given) as usize;
        let from = output.len();
        output.resize(from + count, 0.0);
        let start = self.given * ratio.down as u64;
        let place = start / ratio.up as u64;
        let (x, fraction) = ((place - self.dropped) as usize, (start % ratio.up as u64) as usize);
        ratio.width.run(Convolve { ratio, past: &self.past, x, fraction, out: &mut output[from..] });
        self.given += count as u64;
        let next = self.given * ratio.down as u64 / ratio.up as u64 - self.dropped;
        let drop = (next as usize).min(self.past.len());
        self.past.drain(..drop);
        self.dropped += drop as u64;
    }
}

/// A run of outputs; the first reads from `x` on with the filter of `fraction`.
struct Convolve<'a> {
    ratio: &'a Ratio,
    past: &'a [f64],
    x: usize,
    fraction: usize,
    out: &'a mut [f64],
}

impl Kernel for Convolve<'_> {
    #[inline(always)]
    fn run(self) {
        let Ratio { up, down, taps, ref filters, .. } = *self.ratio;
        let (mut x, mut fraction) = (self.x, self.fraction);
        for y in self.out {
            *y = dot(&self.past[x..x + taps], &filters[fraction * taps..(fraction + 1) * taps]);
            fraction += down;
            x += fraction / up;
            fraction %= up;
        }
    }
}

/// `Σ a[k] b[k]` over a multiple of [`LANES`], in lanes that meet in one fixed order.
#[inline(always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for i in 0..LANES {
            sums[i] += a[i] * b[i];
        }
    }
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            sums[i] += sums[i + n];
        }
        n /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATES: [u32; 6] = [44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

    fn convert(ratio: &Ratio, x: &[f64], piece: &mut dyn FnMut() -> usize) -> Vec<f64> {
        let (mut r, mut out, mut rest) = (Resampler::new(ratio), Vec::new(), x);
        while !rest.is_empty() {
            let (now, then) = rest.split_at(piece().min(rest.len()));
            r.push(ratio, now, &mut out);
            rest = then;
        }
        r.finish(ratio, &mut out);
        out
    }

    #[test]
    fn lengths_are_exact_and_pieces_do_not_show() {
        let mut s = 1u64;
        let mut random = move || {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (s >> 33) as usize
        };
        for (from, to) in [(44_100, 48_000), (96_000, 44_100), (192_000, 44_100), (48_000, 192_000)] {
            let ratio = Ratio::new(from, to).unwrap();
            for frames in [0usize, 1, 2, 100, 5000] {
                let x: Vec<f64> = (0..frames).map(|n| (n as f64 * 0.37).sin()).collect();
                let whole = convert(&ratio, &x, &mut || frames.max(1));
                let wanted = (frames as f64 * f64::from(to) / f64::from(from)).round() as usize;
                assert_eq!(whole.len(), wanted, "{frames} frames from {from} to {to}");
                assert!(whole == convert(&ratio, &x, &mut || 1 + random() % 700), "{from} to {to}: pieces");
            }
        }
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let mut ratio = Ratio::new(96_000, 44_100).unwrap();
        let x: Vec<f64> = (0..4000).map(|n| (n as f64 * 0.11).sin()).collect();
        let outputs: Vec<Vec<f64>> = Width::all()
            .map(|w| {
                ratio.width = w;
                convert(&ratio, &x, &mut || 999)
            })
            .collect();
        assert!(outputs.windows(2).all(|w| w[0] == w[1]));
    }

    #[test]
    fn an_impulse_stays_where_it_is_in_time() {
        for (from, to) in RATES.iter().flat_map(|f| RATES.map(|t| (*f, t))).filter(|(f, t)| f != t) {
            let ratio = Ratio::new(from, to).unwrap();
            // A frame that falls on a whole frame of the output: 10 ms.
            let mut x = vec![0.0; from as usize / 50];
            x[from as usize / 100] = 1.0;
            let y = convert(&ratio, &x, &mut || 4096);
            let at = to as usize / 100;
            let top = y.iter().map(|v| v.abs()).enumerate().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
            let mirror = (1..at.min(y.len() - at)).map(|k| (y[at + k] - y[at - k]).abs()).fold(0.0, f64::max);
            assert!(top == at && mirror < 1e-14, "{from} to {to}: peak at {top}, wanted {at}; {mirror:e}");
        }
    }

    #[test]
    fn ratios_without_a_common_divisor_are_refused() {
        assert_eq!(Ratio::new(44_101, 48_000).unwrap_err().up, 48_000);
        assert!(Ratio::new(0, 48_000).is_err() && Ratio::new(1_535_999, 44_100).is_err());
        for from in [8000, 11_025, 16_000, 22_050, 32_000, 352_800, 384_000, 768_000, 1_536_000] {
            assert!(Ratio::new(from, 44_100).is_ok() && Ratio::new(from, 192_000).is_ok(), "{from}");
        }
    }
}
