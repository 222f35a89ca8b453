// SPDX-License-Identifier: MIT OR Apache-2.0
//! From `f64` to the integers of a file: the dither of the racks with flat noise, or plain rounding; clamping at
//! full scale, counting.

use lathe_core::dsp::dither::{Dither, Target};
use lathe_core::dsp::noise_shaper::Shaper;

pub use lathe_core::dsp::dither::DEFAULT_SEED;

use super::{WriteOptions, WriteSpec};

/// Turns samples of full scale ±1.0 into integers. The result does not depend on how the audio is cut into blocks.
#[derive(Debug)]
pub(super) struct Quantiser {
    /// 2^(bits−1).
    scale: f64,
    /// `None`: plain rounding.
    dither: Option<Dither>,
    /// Samples that rounded beyond full scale, ±∞ included.
    pub clipped: u64,
    /// NaNs, written as zero.
    pub not_numbers: u64,
}

impl Quantiser {
    pub fn new(bits: u32, spec: &WriteSpec, options: WriteOptions) -> Self {
        let target = Target { bits, shaper: Shaper::FLAT, seed: options.seed };
        let dither = || Dither::new(spec.channels, target, f64::from(spec.sample_rate));
        Quantiser {
            scale: (1u64 << (bits - 1)) as f64,
            dither: options.dither.then(dither),
            clipped: 0,
            not_numbers: 0,
        }
    }

    /// Begins a frame of these planes; [`Self::quantise`] then takes its samples.
    pub fn begin(&mut self, planar: &[&[f64]], frame: usize) {
        if let Some(dither) = &mut self.dither {
            dither.begin(planar.iter().all(|plane| plane[frame] == 0.0));
        }
    }

    /// One sample of `channel`; ties round to even.
    pub fn quantise(&mut self, channel: usize, sample: f64) -> i32 {
        if sample.is_nan() {
            self.not_numbers += 1;
            return 0;
        }
        let (value, clipped) = match &mut self.dither {
            Some(dither) => {
                let q = dither.next(channel, sample);
                (q.value, q.clipped)
            }
            None => {
                let rounded = (sample * self.scale).round_ties_even();
                let value = rounded.clamp(-self.scale, self.scale - 1.0);
                (value, value != rounded)
            }
        };
        self.clipped += u64::from(clipped);
        value as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiser(bits: u32, channels: usize, dither: bool, seed: u64) -> Quantiser {
        let spec = WriteSpec { sample_rate: 48_000, channels, channel_mask: None };
        Quantiser::new(bits, &spec, WriteOptions { dither, seed })
    }

    #[test]
    fn dithered_16_bit_error_is_a_quarter_lsb_squared() {
        let plane: Vec<f64> = (0..1_000_000).map(|n| 0.25 * (f64::from(n) * 0.0123).sin()).collect();
        let mut quantiser = quantiser(16, 1, true, DEFAULT_SEED);
        let (mut power, mut mean) = (0.0, 0.0);
        for (n, x) in plane.iter().enumerate() {
            quantiser.begin(&[&plane], n);
            let error = f64::from(quantiser.quantise(0, *x)) / 32768.0 - x;
            power += error * error / 1e6;
            mean += error / 1e6;
        }
        let dbfs = 10.0 * f64::log10(power);
        println!("16-bit TPDF total noise {dbfs:.3} dBFS rms re 1.0, mean {mean:.2e}");
        assert!((dbfs + 96.33).abs() < 0.05, "{dbfs:.3} dBFS, wanted -96.33 ± 0.05");
        assert!(mean.abs() < 1e-7, "mean {mean:e}");
    }

    #[test]
    fn channels_differ_and_seeds_repeat() {
        let run = |seed, channel| {
            let mut quantiser = quantiser(24, 2, true, seed);
            let one = |_| {
                quantiser.begin(&[&[0.1], &[0.1]], 0);
                quantiser.quantise(channel, 0.1)
            };
            (0..64).map(one).collect::<Vec<_>>()
        };
        assert_eq!(run(7, 0), run(7, 0));
        assert_ne!(run(7, 0), run(7, 1));
        assert_ne!(run(7, 0), run(8, 0));
    }

    /// A file that begins in digital silence has it, and so has a long gap.
    #[test]
    fn digital_silence_stays_silence() {
        let mut quantiser = quantiser(16, 2, true, 1);
        let mut frame = |l: f64| {
            quantiser.begin(&[&[l], &[0.0]], 0);
            [quantiser.quantise(0, l), quantiser.quantise(1, 0.0)]
        };
        assert!((0..1000).all(|_| frame(0.0) == [0, 0]));
        assert!((0..1000).any(|_| frame(1e-9) != [0, 0]));
        (0..48_000).for_each(|_| _ = frame(0.0));
        assert!((0..1000).all(|_| frame(0.0) == [0, 0]));
    }

    #[test]
    fn plain_rounding_is_exact_and_clips_are_counted() {
        let mut quantiser = quantiser(16, 1, false, 0);
        for value in -32768..=32767 {
            assert_eq!(quantiser.quantise(0, f64::from(value) / 32768.0), value);
        }
        assert_eq!(quantiser.clipped, 0);
        assert_eq!(quantiser.quantise(0, 1.0), 32767);
        assert_eq!(quantiser.quantise(0, f64::NEG_INFINITY), -32768);
        assert_eq!(quantiser.quantise(0, f64::NAN), 0);
        assert_eq!((quantiser.clipped, quantiser.not_numbers), (2, 1));
    }
}
