// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bits in use: which word length the signal really has, whatever the file says it has.
//!
//! Every finite sample is an odd number of some smallest step 2⁻ⁿ. The finest step of all samples is the grid
//! the signal lies on, and the word length is n and the sign: 16 for what came from a CD, even when it is
//! stored in 24 bits or in floating point. Floating point has finer grids at low levels; there the count of
//! significant bits tells 24 (single precision, or 25-bit integers) from 53 (double precision).

use serde::{Deserialize, Serialize};

use crate::dsp::Frames;

const MANTISSA_BITS: u32 = 52;
const EXPONENT: u64 = 0x7ff;
const BIAS: i32 = 1075;

/// Of one channel since the reset; zero until a sample was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordLength {
    /// Bits with the sign of the integers whose grid holds every sample.
    pub word: u32,
    /// Most bits between the first and the last one of any sample.
    pub significant: u32,
}

#[derive(Clone, Debug)]
pub struct WordLengthMeter {
    channels: Vec<WordLength>,
}

impl WordLengthMeter {
    pub fn new(channels: usize) -> Self {
        WordLengthMeter { channels: vec![WordLength::default(); channels] }
    }

    pub fn reset(&mut self) {
        self.channels.fill(WordLength::default());
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for (c, x) in self.channels.iter_mut().zip(audio) {
            for v in x {
                let (word, significant) = bits(*v);
                (c.word, c.significant) = (c.word.max(word), c.significant.max(significant));
            }
        }
    }

    pub fn read(&self, channel: usize) -> WordLength {
        self.channels[channel]
    }

    pub(super) fn restore(&mut self, channel: usize, word: WordLength) {
        self.channels[channel] = word;
    }
}

/// Word length and significant bits of one sample.
#[inline(always)]
fn bits(v: f64) -> (u32, u32) {
    let raw = v.to_bits();
    let (exponent, fraction) = ((raw >> MANTISSA_BITS & EXPONENT) as i32, raw & ((1 << MANTISSA_BITS) - 1));
    let mantissa = fraction | u64::from(exponent > 0) << MANTISSA_BITS;
    if mantissa == 0 {
        return (0, 0);
    }
    let zeros = mantissa.trailing_zeros();
    // v = odd · 2^(exponent − 1075 + zeros)
    let step = exponent.max(1) - BIAS + zeros as i32;
    ((1 - step).max(1) as u32, 64 - mantissa.leading_zeros() - zeros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::signals::Noise;
    use crate::dsp::QUANTUM;

    fn read(f: impl Fn(f64) -> f64) -> WordLength {
        let (mut m, mut noise) = (WordLengthMeter::new(1), Noise(9));
        (0..50).for_each(|_| m.process(&[std::array::from_fn::<f64, QUANTUM, _>(|_| f(noise.next()))]));
        m.read(0)
    }

    #[test]
    fn the_word_that_the_signal_came_in() {
        for bits in [8, 12, 16, 20, 24, 32] {
            let steps = 2f64.powi(bits - 1);
            let r = read(|v| (v * steps).floor() / steps);
            assert_eq!(r.word, bits as u32, "{r:?}");
            // The same 6 dB down needs one bit more, in floating point too.
            assert_eq!(read(|v| (v * steps).floor() / steps * 0.5).word, bits as u32 + 1);
        }
        let single = read(|v| f64::from(v as f32));
        assert!(single.significant == 24 && single.word > 24, "{single:?}");
        assert!(read(|v| v / 3.0).significant > 50);
        assert_eq!(read(|_| 0.0), WordLength::default());
        assert_eq!(read(|_| -1.0), WordLength { word: 1, significant: 1 });
        assert_eq!(bits(f64::from_bits(1)), (1075, 1), "the smallest number there is");
    }
}
