// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random numbers for dither: fast, the same on every processor, repeatable from a seed.
//!
//! xoshiro256++ 1.0, seeded by SplitMix64 (Blackman and Vigna, "Scrambled linear pseudorandom number
//! generators", ACM TOMS 47, 2021). Its period is 2²⁵⁶ − 1; nothing here is secret.

/// One generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Xoshiro256 {
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

    /// One of several generators of the same seed; `lane` tells them apart.
    pub fn lane(seed: u64, lane: usize) -> Self {
        // SplitMix64 takes care of the rest.
        Xoshiro256::new(seed ^ (lane as u64).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// Any thread. 64 random bits.
    #[inline(always)]
    pub fn bits(&mut self) -> u64 {
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

    /// Any thread. Uniform in [0, 1), all 53 bits of the mantissa.
    #[inline(always)]
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Any thread. Triangular in (−1, 1): the difference of two uniform numbers.
    #[inline(always)]
    pub fn triangular(&mut self) -> f64 {
        self.uniform() - self.uniform()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_its_published_reference() {
        // First outputs from the state {1, 2, 3, 4}.
        let mut generator = Xoshiro256 { s: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| generator.bits()).collect();
        assert_eq!(first, [41943041, 58720359, 3588806011781223, 3591011842654386]);
    }

    #[test]
    fn lanes_and_seeds_are_strangers() {
        let run = |seed, lane| {
            let mut g = Xoshiro256::lane(seed, lane);
            (0..100_000).map(|_| g.triangular()).collect::<Vec<f64>>()
        };
        let (a, b, c) = (run(1, 0), run(1, 1), run(2, 0));
        assert_eq!(a, run(1, 0));
        for (name, other) in [("lane", &b), ("seed", &c)] {
            let n = a.len() as f64;
            let correlation = a.iter().zip(other).map(|(x, y)| x * y).sum::<f64>() * 6.0 / n;
            println!("another {name}: correlation {correlation:.4}");
            assert!(correlation.abs() < 0.015, "another {name}: correlation {correlation}");
        }
        let power = a.iter().map(|x| x * x).sum::<f64>() / a.len() as f64;
        assert!((power - 1.0 / 6.0).abs() < 0.002, "power {power}, wanted 1/6");
    }
}
