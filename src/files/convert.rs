// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sample rates that are delivered, and the conversion of planar audio to them.
use lathe_core::dsp::resample::{Ratio, RatioError, Resampler};

/// The rates that a file can be delivered at, in Hz.
pub const DELIVERY_RATES: [u32; 6] = [44_100, 48_000, 88_200, 96_000, 176_400, 192_000];

/// A delivery rate as text has it.
///
/// # Errors
/// One sentence with the rates that are allowed.
pub fn delivery_rate(text: &str) -> Result<u32, String> {
    let rate = text.parse().ok().filter(|r| DELIVERY_RATES.contains(r));
    rate.ok_or_else(|| {
        let list = DELIVERY_RATES.map(|r| r.to_string()).join(", ");
        format!("a delivery at {text} Hz is not allowed: {list} Hz")
    })
}

/// All channels on their way from one rate to another: frame m of the output is the sound at the time of m of
/// its frames, so nothing is late, and there are as many as nearest fill the input's time.
#[derive(Debug)]
pub struct Converter {
    ratio: Ratio,
    channels: Vec<Resampler>,
}

impl Converter {
    /// # Errors
    /// Rates whose ratio is not one of small numbers.
    pub fn new(from: u32, to: u32, channels: usize) -> Result<Self, RatioError> {
        let ratio = Ratio::new(from, to)?;
        Ok(Converter { channels: vec![Resampler::new(&ratio); channels], ratio })
    }

    /// Takes `frames` of every plane of `input`; appends to `output` what they complete.
    pub fn push(&mut self, input: &[Vec<f64>], frames: usize, output: &mut [Vec<f64>]) {
        for ((channel, x), y) in self.channels.iter_mut().zip(input).zip(output) {
            channel.push(&self.ratio, &x[..frames], y);
        }
    }

    /// The input has ended; appends what is owed.
    pub fn finish(&mut self, output: &mut [Vec<f64>]) {
        for (channel, y) in self.channels.iter_mut().zip(output) {
            channel.finish(&self.ratio, y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_not_delivered_is_told_the_others() {
        assert_eq!(delivery_rate("96000"), Ok(96_000));
        for text in ["22050", "96k", "-1", "", "44100.5"] {
            let error = delivery_rate(text).unwrap_err();
            assert!(error.contains(text) && error.contains("44100, 48000, 88200"), "{error}");
        }
    }
}
