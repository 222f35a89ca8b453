// SPDX-License-Identifier: MIT OR Apache-2.0
//! A plain Fourier transform of real signals, for designs and instruments. Control side; sizes are powers of two.
//!
//! Radix 2, decimation in time; a real signal of 2n points is one complex one of n. Angles come from `libm`
//! and the order is fixed, so a design has the same bits on every processor, which the planners of faster
//! libraries do not promise. 2¹⁹ points take some 20 ms.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs filters")]

use std::f64::consts::PI;

use super::wide::{Kernel, Width};

/// Real and imaginary part.
pub type Complex = (f64, f64);

/// Transforms of real signals of one size.
#[derive(Clone, Debug)]
pub struct RealFft {
    /// e^(−2πi k/size) for the lower half circle.
    turns: Vec<Complex>,
    /// Those of every stage, one stage after the other: 1, 2, 4 … size/4 of them.
    stages: Vec<Complex>,
    size: usize,
    width: Width,
}

impl RealFft {
    /// `size` points or the next power of two, at least 4.
    pub fn new(size: usize) -> Self {
        let size = size.next_power_of_two().max(4);
        let turn = |k: usize| {
            let a = 2.0 * PI * k as f64 / size as f64;
            (libm::cos(a), -libm::sin(a))
        };
        let turns: Vec<Complex> = (0..size / 2).map(turn).collect();
        let halves = (0..(size / 2).ilog2()).map(|s| 1usize << s);
        let stages = halves.flat_map(|h| turns.iter().step_by(size / 2 / h).copied()).collect();
        RealFft { turns, stages, size, width: Width::widest() }
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// The bins 0 to size/2 of a signal of `size` points: Σ x(n) e^(−2πi kn/size).
    pub fn spectrum(&self, signal: &[f64]) -> Vec<Complex> {
        let mut work = vec![(0.0, 0.0); self.size / 2];
        let mut bins = vec![(0.0, 0.0); self.size / 2 + 1];
        self.spectrum_into(signal, &mut work, &mut bins);
        bins
    }

    /// The same without allocating: size/2 points of `work`, size/2 + 1 `bins`. A short signal ends in zeros.
    pub fn spectrum_into(&self, signal: &[f64], work: &mut [Complex], bins: &mut [Complex]) {
        let n = self.size / 2;
        let z = &mut work[..n];
        let pairs = signal.as_chunks::<2>().0;
        for (z, [a, b]) in z.iter_mut().zip(pairs) {
            *z = (*a, *b);
        }
        z[pairs.len().min(n)..].fill((0.0, 0.0));
        self.transform(z);
        for (k, bin) in bins.iter_mut().take(n + 1).enumerate() {
            let (a, b) = (z[k % n], z[(n - k) % n]);
            let (even, odd) = ((a.0 + b.0, a.1 - b.1), (a.1 + b.1, b.0 - a.0));
            let t = times(odd, if k == n { (-1.0, 0.0) } else { self.turns[k] });
            *bin = (0.5 * (even.0 + t.0), 0.5 * (even.1 + t.1));
        }
    }

    /// The signal whose bins 0 to size/2 these are; undoes [`RealFft::spectrum`].
    pub fn signal(&self, bins: &[Complex]) -> Vec<f64> {
        let n = self.size / 2;
        let zip = |k: usize| {
            let (a, b) = (bins[k], bins[n - k]);
            let (even, odd) = ((a.0 + b.0, a.1 - b.1), (a.0 - b.0, a.1 + b.1));
            let t = times(odd, (self.turns[k].0, -self.turns[k].1));
            // even + i t, its parts exchanged: the transform then goes the other way.
            (even.1 + t.0, even.0 - t.1)
        };
        let mut z: Vec<Complex> = (0..n).map(zip).collect();
        self.transform(&mut z);
        let scale = 1.0 / self.size as f64;
        z.iter().flat_map(|(im, re)| [re * scale, im * scale]).collect()
    }

    /// size/2 complex points in place.
    fn transform(&self, z: &mut [Complex]) {
        let n = z.len();
        let shift = usize::BITS - n.ilog2();
        for i in 0..n {
            let j = i.reverse_bits() >> shift;
            if i < j {
                z.swap(i, j);
            }
        }
        self.width.run(Stages { z, turns: &self.stages });
    }
}

/// The butterflies, after the points were put in their order.
struct Stages<'a> {
    z: &'a mut [Complex],
    turns: &'a [Complex],
}

impl Kernel for Stages<'_> {
    /// Two stages at a time, so that the points are fetched half as often; every number is what one at a time
    /// would make it.
    #[inline(always)]
    fn run(self) {
        let Stages { z, turns } = self;
        let of = |half: usize| &turns[half - 1..2 * half - 1];
        let mut half = 1;
        if z.len().ilog2() % 2 == 1 {
            for block in z.as_chunks_mut::<2>().0 {
                let [a, b] = block;
                cross(a, b, (1.0, -0.0));
            }
            half = 2;
        }
        while half < z.len() {
            let (first, second) = (of(half), of(2 * half).split_at(half));
            for block in z.chunks_exact_mut(4 * half) {
                let (low, high) = block.split_at_mut(2 * half);
                let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
                let points = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
                let angles = first.iter().zip(second.0.iter().zip(second.1));
                for (((a, b), (c, d)), (w, (v, u))) in points.zip(angles) {
                    cross(a, b, *w);
                    cross(c, d, *w);
                    cross(a, c, *v);
                    cross(b, d, *u);
                }
            }
            half *= 4;
        }
    }
}

/// a + w b and a − w b.
#[inline(always)]
fn cross(a: &mut Complex, b: &mut Complex, w: Complex) {
    let t = times(*b, w);
    *b = (a.0 - t.0, a.1 - t.1);
    *a = (a.0 + t.0, a.1 + t.1);
}

#[inline(always)]
fn times(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_dft_and_comes_back() {
        for size in [4, 8, 64, 1024] {
            let fft = RealFft::new(size);
            let mut s = 1u64;
            let mut next = || {
                s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (s >> 11) as f64 / (1u64 << 52) as f64 - 1.0
            };
            let x: Vec<f64> = (0..size).map(|_| next()).collect();
            let bins = fft.spectrum(&x);
            let mut worst = 0.0f64;
            for (k, b) in bins.iter().enumerate() {
                let angle = |n: usize| 2.0 * PI * ((k * n) % size) as f64 / size as f64;
                let re: f64 = x.iter().enumerate().map(|(n, x)| x * angle(n).cos()).sum();
                let im: f64 = x.iter().enumerate().map(|(n, x)| -x * angle(n).sin()).sum();
                worst = worst.max((re - b.0).hypot(im - b.1));
            }
            let back = fft.signal(&bins).iter().zip(&x).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{size} points: {worst:.1e}, back {back:.1e}");
            assert!(bins.len() == size / 2 + 1 && worst < 1e-12 && back < 1e-14);
        }
    }

    #[test]
    fn every_width_of_register_gives_the_same_bits() {
        let x: Vec<f64> = (0..2048u32).map(|n| f64::from(n * 7919 % 1009) - 504.0).collect();
        for size in [1024, 2048] {
            let mut fft = RealFft::new(size);
            let results: Vec<Vec<Complex>> = Width::all()
                .map(|w| {
                    fft.width = w;
                    fft.spectrum(&x[..size])
                })
                .collect();
            assert!(results.iter().all(|r| *r == results[0]), "{size} points, {} widths", results.len());
        }
    }
}
