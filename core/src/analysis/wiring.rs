// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wiring of one tap against another that it should be alike: which channel each one resembles, and with which sign,
//! over ten seconds, the delay between the two taken out. See [`WiringCheck`].

use std::collections::VecDeque;

use super::polarity::{WINDOW_SECONDS, Wiring, WiringCheck};
use super::spectrum_settings::{Refused, check_rate, finite, within};
use super::transfer::MOST_DELAY;
use crate::dsp::{Frames, QUANTUM};

/// What to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WiringSettings {
    /// Of the tap; the reference has as many.
    pub channels: usize,
    /// Frames by which the reference is delayed.
    pub delay: usize,
}

/// What each channel resembles; `None` until ten seconds are full, in silence, and where it is like nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct WiringReadings {
    pub channels: Vec<Option<Wiring>>,
    pub delay: usize,
}

#[derive(Clone, Debug)]
pub struct WiringMeter {
    settings: WiringSettings,
    check: WiringCheck,
    /// Of every channel of the reference: its newest frames, as many as it is delayed.
    lines: Vec<VecDeque<f64>>,
    /// Frames to come until the lines are full.
    wait: usize,
}

impl WiringMeter {
    /// For so many channels in all: those of the reference come first.
    ///
    /// # Errors
    /// Taps of different numbers of channels; a delay that is too long.
    pub fn new(rate: u32, channels: usize, settings: &WiringSettings) -> Result<Self, Refused> {
        check_rate(rate)?;
        within("delay", settings.delay as f64, (0.0, MOST_DELAY as f64), "frames")?;
        let (own, others) = (settings.channels, channels.saturating_sub(settings.channels));
        if own != others || own == 0 {
            return Err(Refused {
                setting: "number of channels of the reference",
                value: others.to_string(),
                allowed: format!("what the tap has: {own}"),
            });
        }
        let check = WiringCheck::new(rate, own, WINDOW_SECONDS);
        let mut meter =
            WiringMeter { settings: *settings, check, lines: vec![VecDeque::new(); own], wait: 0 };
        meter.reset();
        Ok(meter)
    }

    pub fn reset(&mut self) {
        self.check.reset();
        self.wait = self.settings.delay;
        for line in &mut self.lines {
            line.clear();
            line.resize(self.settings.delay, 0.0);
        }
    }

    /// No window spans what was missed.
    pub fn gap(&mut self, _: u64) {
        self.reset();
    }

    /// One quantum of every channel of both, the reference's first.
    pub fn process(&mut self, audio: &[Frames]) {
        let (reference, own) = audio.split_at(self.settings.channels.min(audio.len()));
        let delayed = |(line, x): (&mut VecDeque<f64>, &Frames)| -> Frames {
            line.extend(finite(x));
            std::array::from_fn(|_| line.pop_front().unwrap_or_default())
        };
        let reference: Vec<Frames> = self.lines.iter_mut().zip(reference).map(delayed).collect();
        if self.wait > 0 {
            self.wait = self.wait.saturating_sub(QUANTUM);
            return;
        }
        let own: Vec<Frames> = own.iter().map(finite).collect();
        self.check.process(&reference, &own);
    }

    pub fn read(&self) -> WiringReadings {
        let channels = (0..self.settings.channels).map(|c| self.check.read(c)).collect();
        WiringReadings { channels, delay: self.settings.delay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tests::signals::Noise;

    /// Exchanged and one of them inverted, 100 frames late.
    #[test]
    fn it_is_found_behind_a_delay_and_not_beside_it() {
        let settings = WiringSettings { channels: 2, delay: 100 };
        let mut right = WiringMeter::new(48_000, 4, &settings).unwrap();
        let mut beside = WiringMeter::new(48_000, 4, &WiringSettings { delay: 90, ..settings }).unwrap();
        let (mut noise, mut late) = ([Noise(5), Noise(6)], [const { VecDeque::new() }; 2]);
        late.iter_mut().for_each(|l: &mut VecDeque<f64>| l.resize(100, 0.0));
        let start = std::time::Instant::now();
        for _ in 0..7510 {
            let x: [Frames; 2] = noise.each_mut().map(|n| std::array::from_fn(|_| 0.1 * n.next()));
            let y: Vec<Frames> = late
                .iter_mut()
                .zip(&x)
                .map(|(l, x)| {
                    l.extend(x);
                    std::array::from_fn(|_| l.pop_front().unwrap())
                })
                .collect();
            let both = [x[0], x[1], y[1].map(|v| -v), y[0]];
            right.process(&both);
            beside.process(&both);
        }
        println!("two of them took {:?} for ten seconds", start.elapsed());
        let read = right.read().channels;
        println!("{read:?}");
        let of = |n: usize| read[n].map(|w| (w.source, w.inverted, w.likeness > 0.999));
        assert_eq!((of(0), of(1)), (Some((1, true, true)), Some((0, false, true))));
        assert_eq!(beside.read().channels, [None, None], "noise is like nothing ten frames beside it");
        right.gap(1);
        assert_eq!(right.read().channels, [None, None]);
    }

    #[test]
    fn taps_of_other_channels_and_long_delays_are_refused() {
        let refused = |channels, of, delay| {
            WiringMeter::new(48_000, channels, &WiringSettings { channels: of, delay })
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            refused(3, 2, 0),
            "number of channels of the reference is 1; allowed is what the tap has: 2"
        );
        assert!(refused(4, 2, MOST_DELAY + 1).contains("allowed is 0 to 262144 frames"));
    }
}
