// SPDX-License-Identifier: MIT OR Apache-2.0
//! From `f64` to integers: TPDF dither, rounding, clamping at full scale, counting.
//!
//! Triangular dither of two least significant bits peak to peak makes the first two moments of the
//! total error independent of the signal (Lipshitz, Wannamaker, Vanderkooy, "Quantization and
//! Dither: A Theoretical Survey", JAES 40/5, 1992). Its power with the quantiser's is LSB²/4.

/// The seed when the caller has no wish of its own: fixed, so that a render repeats bit for bit.
pub const DEFAULT_SEED: u64 = 0x6c61_7468_6500_0001;

/// xoshiro256++ 1.0 (Blackman and Vigna, 2019), seeded by SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Xoshiro256 {
    s: [u64; 4],
}

impl Xoshiro256 {
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut split_mix = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Xoshiro256 { s: [split_mix(), split_mix(), split_mix(), split_mix()] }
    }

    pub fn next(&mut self) -> u64 {
        let s = &mut self.s;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1), all 53 bits of the mantissa.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// Turns samples of full scale ±1.0 into integers, one dither generator per channel, so that the
/// result does not depend on how the audio is cut into blocks.
#[derive(Debug)]
pub(super) struct Quantiser {
    /// 2^(bits−1).
    scale: f64,
    /// Empty: plain rounding.
    generators: Vec<Xoshiro256>,
    /// Samples that rounded beyond full scale, ±∞ included.
    pub clipped: u64,
    /// NaNs, written as zero.
    pub not_numbers: u64,
}

impl Quantiser {
    pub fn new(bits: u32, channels: usize, dither: bool, seed: u64) -> Self {
        let generator = |channel: u64| {
            // A different, fixed seed for every channel; SplitMix64 takes care of the rest.
            Xoshiro256::new(seed ^ channel.wrapping_mul(0xd134_2543_de82_ef95))
        };
        let count = if dither { channels as u64 } else { 0 };
        Quantiser {
            scale: (1u64 << (bits - 1)) as f64,
            generators: (0..count).map(generator).collect(),
            clipped: 0,
            not_numbers: 0,
        }
    }

    /// One sample of `channel`; ties round to even.
    pub fn quantise(&mut self, channel: usize, sample: f64) -> i32 {
        let dither = match self.generators.get_mut(channel) {
            Some(generator) => generator.uniform() - generator.uniform(),
            None => 0.0,
        };
        if sample.is_nan() {
            self.not_numbers += 1;
            return 0;
        }
        let rounded = (sample * self.scale + dither).round_ties_even();
        if rounded < -self.scale || rounded > self.scale - 1.0 {
            self.clipped += 1;
        }
        rounded.clamp(-self.scale, self.scale - 1.0) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_matches_its_published_reference() {
        // First outputs of xoshiro256++ from the state {1, 2, 3, 4}.
        let mut generator = Xoshiro256 { s: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| generator.next()).collect();
        assert_eq!(first, [41943041, 58720359, 3588806011781223, 3591011842654386]);
    }

    #[test]
    fn dithered_16_bit_error_is_a_quarter_lsb_squared() {
        let count = 1_000_000;
        let mut quantiser = Quantiser::new(16, 1, true, DEFAULT_SEED);
        let (mut power, mut mean) = (0.0, 0.0);
        for n in 0..count {
            let x = 0.25 * (n as f64 * 0.0123).sin();
            let error = f64::from(quantiser.quantise(0, x)) / 32768.0 - x;
            power += error * error / f64::from(count);
            mean += error / f64::from(count);
        }
        let dbfs = 10.0 * f64::log10(power);
        println!("16-bit TPDF total noise {dbfs:.3} dBFS rms re 1.0, mean {mean:.2e}");
        assert!((dbfs + 96.33).abs() < 0.05, "{dbfs:.3} dBFS, wanted -96.33 ± 0.05");
        assert!(mean.abs() < 1e-7, "mean {mean:e}");
    }

    #[test]
    fn error_power_does_not_follow_the_signal() {
        // Without dither the error of a constant depends on the constant; with TPDF it does not.
        for step in 0..8 {
            let x = f64::from(step) / 8.0 / 32768.0;
            let mut quantiser = Quantiser::new(16, 1, true, 1);
            let power = (0..200_000)
                .map(|_| (f64::from(quantiser.quantise(0, x)) - x * 32768.0).powi(2))
                .sum::<f64>()
                / 200_000.0;
            assert!((power - 0.25).abs() < 0.005, "at {step}/8 LSB: {power:.4} LSB², wanted 0.25");
        }
    }

    #[test]
    fn channels_differ_and_seeds_repeat() {
        let run = |seed, channel| {
            let mut quantiser = Quantiser::new(24, 2, true, seed);
            (0..64).map(|_| quantiser.quantise(channel, 0.1)).collect::<Vec<_>>()
        };
        assert_eq!(run(7, 0), run(7, 0));
        assert_ne!(run(7, 0), run(7, 1));
        assert_ne!(run(7, 0), run(8, 0));
    }

    #[test]
    fn plain_rounding_is_exact_and_clips_are_counted() {
        let mut quantiser = Quantiser::new(16, 1, false, 0);
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
