// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tones, and levels read from a spectrum, as an analyser reads them.

use std::f64::consts::PI;

use lathe_core::dsp::fft::RealFft;
use lathe_core::dsp::math::kaiser;

/// Shape of the window: side lobes at −207 dB.
const SHAPE: f64 = 26.5;
/// Bins from the middle of a tone to the side lobes.
pub const LOBE: usize = 9;
/// The band in which noise and distortion are read, AES17: up to this many Hz.
pub const BAND_HZ: f64 = 20_000.0;

/// Power of each bin of a signal, full scale 1.0: a tone of amplitude 1 has 1 in its bin.
pub struct Spectrum {
    power: Vec<f64>,
    rate: f64,
    /// Bins over which a window spreads the power of one.
    spread: f64,
}

impl Spectrum {
    /// Of all of `x`, whose length is a power of two.
    pub fn new(x: &[f64], rate: u32) -> Spectrum {
        let half = x.len() as f64 / 2.0;
        let window: Vec<f64> = (0..x.len()).map(|n| kaiser((n as f64 - half) / half, SHAPE)).collect();
        let windowed: Vec<f64> = x.iter().zip(&window).map(|(x, w)| x * w).collect();
        let (sum, squares) = window.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
        let scale = 4.0 / (sum * sum);
        let bins = RealFft::new(x.len()).spectrum(&windowed);
        Spectrum {
            power: bins.iter().map(|(re, im)| scale * (re * re + im * im)).collect(),
            rate: f64::from(rate),
            spread: x.len() as f64 * squares / (sum * sum),
        }
    }

    /// The bin nearest to a frequency, an odd one: then no alias of the tone falls on one of its harmonics.
    pub fn odd_bin(hz: f64, points: usize, rate: u32) -> usize {
        (hz * points as f64 / f64::from(rate)) as usize | 1
    }

    /// Frequency of a bin in Hz.
    pub fn hz(bin: usize, points: usize, rate: u32) -> f64 {
        bin as f64 * f64::from(rate) / points as f64
    }

    /// Bins from the lowest that is no DC to the end of the band.
    fn band(&self) -> std::ops::RangeInclusive<usize> {
        let top = BAND_HZ * 2.0 * (self.power.len() - 1) as f64 / self.rate;
        LOBE..=(top as usize).min(self.power.len() - 1)
    }

    /// Power in a bin.
    pub fn at(&self, bin: usize) -> f64 {
        self.power[bin]
    }

    /// Mean square, ×2, of all that is in the band and not at these bins: a sine of amplitude 1 is 1.
    pub fn rest(&self, without: &[usize]) -> f64 {
        let near = |bin: usize| without.iter().any(|w| w.abs_diff(bin) <= LOBE);
        self.band().filter(|b| !near(*b)).map(|b| self.power[b]).sum::<f64>() / self.spread
    }

    /// The highest power in the band that is not at a multiple of this bin.
    pub fn highest_apart(&self, bin: usize) -> f64 {
        let apart = |b: &usize| (b % bin).min(bin - b % bin) > LOBE;
        self.band().filter(apart).map(|b| self.power[b]).fold(0.0, f64::max)
    }
}

/// A sum of sines of these bins of `points`, of this amplitude each; the phases differ, so that the peaks do not meet.
/// `fade` frames long they come up, as a detector without overshoot would have it.
pub fn tones(bins: &[usize], points: usize, amplitude: f64, frames: usize, fade: usize) -> Vec<f64> {
    let mut out = vec![0.0; frames];
    for (k, bin) in bins.iter().enumerate() {
        // Newman's phases: π k² / n.
        let phase = PI * (k * k) as f64 / bins.len() as f64;
        for (n, y) in out.iter_mut().enumerate() {
            let turn = (bin * n % points) as f64 / points as f64;
            *y += amplitude * libm::sin(2.0 * PI * turn + phase);
        }
    }
    for (n, y) in out.iter_mut().take(fade).enumerate() {
        let u = n as f64 / fade as f64;
        *y *= u * u * u * (10.0 + u * (6.0 * u - 15.0));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 1 << 14;

    fn db(power: f64) -> f64 {
        10.0 * power.max(1e-30).log10()
    }

    #[test]
    fn it_reads_what_was_put_in() {
        let bin = Spectrum::odd_bin(997.0, N, 48_000);
        let mut x = tones(&[bin], N, 0.5, N, 0);
        // A third harmonic at −80 dB, a tone of its own at −90 dB, both of the fundamental.
        let others = [(3 * bin, 0.5e-4), (4000, 0.5 * 10f64.powf(-4.5))];
        for (b, a) in others {
            x.iter_mut().zip(tones(&[b], N, a, N, 0)).for_each(|(x, t)| *x += t);
        }
        let s = Spectrum::new(&x, 48_000);
        let (tone, rest, apart) = (db(s.at(bin)), db(s.rest(&[bin])), db(s.highest_apart(bin)));
        println!("tone {tone:.4} dB, the rest {rest:.4} dB, apart from harmonics {apart:.4} dB");
        assert!((tone + 6.0206).abs() < 1e-3);
        let sum = 10.0 * (1e-8f64 + 1e-9).log10() - 6.0206;
        assert!((rest - sum).abs() < 0.01, "{rest}, wanted {sum}");
        assert!((apart + 96.0206).abs() < 1e-3);
        assert!(db(s.rest(&[bin, 3 * bin, 4000])) < -190.0);
    }

    #[test]
    fn noise_is_read_by_its_power() {
        let mut s = 3u64;
        let x: Vec<f64> = (0..N)
            .map(|_| {
                s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (s >> 11) as f64 / (1u64 << 52) as f64 - 1.0
            })
            .collect();
        // Mean square 1/3, of which the band has 20 of 24 kHz; twice that as a sine would have it.
        let wanted = 10.0 * (2.0 / 3.0 * 20.0 / 24.0f64).log10();
        let got = db(Spectrum::new(&x, 48_000).rest(&[]));
        println!("white noise {got:.2} dB, wanted {wanted:.2} dB");
        assert!((got - wanted).abs() < 0.3);
    }
}
