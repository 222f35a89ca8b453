// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the spectral and stereo instruments are asked for, and how a wrong question is refused.
//!
//! Subscribers choose settings over the network, so every number is checked when an instrument is made; after
//! that nothing can fail. Levels of these instruments are those of the sine with the same power: a sine of
//! full scale reads 0 dBFS (the convention of AES17), in a line, a band or a row alike.

use crate::dsp::{Frames, SILENCE};

/// A setting outside its range, as one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}; allowed is {allowed}")]
pub struct Refused {
    pub setting: &'static str,
    pub value: String,
    pub allowed: String,
}

/// Sample rates in Hz that the instruments are made for.
const RATES: (u32, u32) = (8_000, 768_000);
/// Most signals that one instrument looks at.
pub const MOST_SOURCES: usize = 16;

/// Refuses a number outside `low..=high`.
pub(super) fn within(
    setting: &'static str,
    value: f64,
    (low, high): (f64, f64),
    unit: &str,
) -> Result<(), Refused> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    let space = if unit.is_empty() { "" } else { " " };
    Err(Refused {
        setting,
        value: format!("{value}{space}{unit}"),
        allowed: format!("{low} to {high}{space}{unit}"),
    })
}

/// Refuses a number that is none of `choices`.
pub(super) fn one_of(setting: &'static str, value: usize, choices: &[usize]) -> Result<(), Refused> {
    if choices.contains(&value) {
        return Ok(());
    }
    let names: Vec<String> = choices.iter().map(usize::to_string).collect();
    Err(Refused { setting, value: value.to_string(), allowed: format!("one of {}", names.join(", ")) })
}

pub(super) fn check_rate(rate: u32) -> Result<(), Refused> {
    within("sample rate", f64::from(rate), (f64::from(RATES.0), f64::from(RATES.1)), "Hz")
}

/// One signal to look at, made of the channels of a tap (counted from 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Channel(usize),
    /// Half the sum of two channels.
    Mid(usize, usize),
    /// Half the difference of two channels.
    Side(usize, usize),
}

impl Source {
    /// Every channel by itself.
    pub fn each(channels: usize) -> Vec<Source> {
        (0..channels.min(MOST_SOURCES)).map(Source::Channel).collect()
    }

    fn channels(self) -> [usize; 2] {
        match self {
            Source::Channel(c) => [c, c],
            Source::Mid(a, b) | Source::Side(a, b) => [a, b],
        }
    }

    /// Refuses a channel that is not there.
    pub(super) fn check(self, channels: usize) -> Result<(), Refused> {
        match self.channels().into_iter().find(|c| *c >= channels) {
            None => Ok(()),
            Some(c) => Err(Refused {
                setting: "channel",
                value: c.to_string(),
                allowed: match channels {
                    0 => "none, as there are no channels".to_string(),
                    n => format!("0 to {}", n - 1),
                },
            }),
        }
    }

    /// One quantum of the signal; what is no number is taken as silence.
    pub(super) fn take(self, audio: &[Frames]) -> Frames {
        let [a, b] = self.channels().map(|c| audio.get(c).unwrap_or(&SILENCE));
        let sign = match self {
            Source::Channel(_) => return finite(a),
            Source::Mid(..) => 0.5,
            Source::Side(..) => -0.5,
        };
        let (a, b) = (finite(a), finite(b));
        std::array::from_fn(|i| 0.5 * a[i] + sign * b[i])
    }
}

/// Refuses none, too many, and channels that are not there.
pub(super) fn check_sources(sources: &[Source], channels: usize) -> Result<(), Refused> {
    within("number of sources", sources.len() as f64, (1.0, MOST_SOURCES as f64), "")?;
    sources.iter().try_for_each(|s| s.check(channels))
}

/// The samples that are numbers, silence for the others.
pub(super) fn finite(x: &Frames) -> Frames {
    x.each_ref().map(|v| if v.is_finite() { *v } else { 0.0 })
}

/// Level in dB of a power relative to that of a full-scale sine; −∞ for silence.
pub(super) fn power_db(power: f64) -> f32 {
    super::decibels(power.sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_sentences() {
        let told = |r: Result<(), Refused>| r.unwrap_err().to_string();
        assert_eq!(told(one_of("size", 1000, &[1024, 2048])), "size is 1000; allowed is one of 1024, 2048");
        assert_eq!(told(within("window", 7.0, (10.0, 90.0), "ms")), "window is 7 ms; allowed is 10 to 90 ms");
        assert!(told(within("tilt", f64::NAN, (0.0, 6.0), "dB")).starts_with("tilt is NaN"));
        assert_eq!(told(Source::Mid(0, 2).check(2)), "channel is 2; allowed is 0 to 1");
        assert_eq!(told(check_sources(&[], 2)), "number of sources is 0; allowed is 1 to 16");
        assert!(check_rate(48_000).is_ok() && check_rate(0).is_err());
    }

    #[test]
    fn signals_are_made_of_channels() {
        let audio = [[0.5; 64], [-0.25; 64], [f64::NAN; 64]];
        assert_eq!(Source::Mid(0, 1).take(&audio)[9], 0.125);
        assert_eq!(Source::Side(0, 1).take(&audio)[9], 0.375);
        assert_eq!(Source::Channel(2).take(&audio)[9], 0.0);
    }
}
