// SPDX-License-Identifier: MIT OR Apache-2.0
//! Silence and stuck signals.
//!
//! *Silent*: no sample of a channel was above the level for the time given. *Stuck*: a channel has repeated one
//! value other than zero, bit for bit, for the time given, as a converter or a driver does that has died; it
//! may lie above or below the level of silence. Times are rounded up to whole quanta. A gap is no sound: what
//! ran before it starts again, and until a sample says otherwise it is not known that it is over. Silence is over
//! only with a sample [`HYSTERESIS_DB`] above the level, so that a floor at the level is no news every few seconds.

use crate::dsp::{Frames, QUANTUM};

/// Silence ends so far above its level.
pub const HYSTERESIS_DB: f64 = 3.0;

/// When to raise an alarm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlarmSettings {
    pub silence_dbfs: f64,
    pub silence_s: f64,
    pub stuck_s: f64,
}

impl Default for AlarmSettings {
    fn default() -> Self {
        AlarmSettings { silence_dbfs: -60.0, silence_s: 10.0, stuck_s: 0.5 }
    }
}

/// A setting outside its range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadAlarm {
    #[error("a level of silence of {0} dBFS is outside -200 to 0 dBFS")]
    Level(f64),
    #[error("an alarm after {0} s is outside 0.1 to 86400 s")]
    Time(f64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    /// Frames without sound, and frames that repeat the last value.
    silent: u64,
    stuck: u64,
    last: f64,
    /// There was a quantum since the last gap.
    seen: bool,
    /// A sample well above the level since it was silent, and one that was another than the one before or zero, both
    /// since the last gap.
    sounded: bool,
    moved: bool,
}

/// One channel's state: how long in seconds, and whether that is long enough for an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AlarmReadings {
    pub silent_s: f64,
    pub silent: bool,
    pub stuck_s: f64,
    pub stuck: bool,
    /// Since the last gap it has sounded, well above the level and after the last silence, and moved: what was
    /// before is over.
    pub sounded: bool,
    pub moved: bool,
}

impl AlarmReadings {
    /// It is silent, or is not; `None` while neither is known.
    pub fn silence(&self) -> Option<bool> {
        (self.silent || self.sounded).then_some(self.silent)
    }

    /// It is stuck, or is not; `None` while neither is known.
    pub fn stuckness(&self) -> Option<bool> {
        (self.stuck || self.moved).then_some(self.stuck)
    }
}

#[derive(Clone, Debug)]
pub struct Alarms {
    rate: f64,
    settings: AlarmSettings,
    level: f64,
    /// Silence is over above this.
    loud: f64,
    channels: Vec<Channel>,
}

impl Alarms {
    pub fn new(rate: u32, channels: usize, settings: AlarmSettings) -> Result<Self, BadAlarm> {
        if !(-200.0..=0.0).contains(&settings.silence_dbfs) {
            return Err(BadAlarm::Level(settings.silence_dbfs));
        }
        for time in [settings.silence_s, settings.stuck_s] {
            if !(0.1..=86_400.0).contains(&time) {
                return Err(BadAlarm::Time(time));
            }
        }
        Ok(Alarms {
            rate: f64::from(rate.max(1)),
            settings,
            level: crate::dsp::math::db_to_gain(settings.silence_dbfs),
            loud: crate::dsp::math::db_to_gain(settings.silence_dbfs + HYSTERESIS_DB),
            channels: vec![Channel::default(); channels],
        })
    }

    pub fn reset(&mut self) {
        self.channels.fill(Channel::default());
    }

    /// Nothing is known of what was missed.
    pub fn gap(&mut self) {
        self.reset();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        for (c, x) in self.channels.iter_mut().zip(audio) {
            let after = x.iter().rposition(|v| v.abs() > self.level).map(|n| QUANTUM - 1 - n);
            c.silent = after.map_or(c.silent + QUANTUM as u64, |n| n as u64);
            c.sounded |= after.is_some() && x.iter().any(|v| v.abs() > self.loud);
            c.sounded &= (c.silent as f64) < self.settings.silence_s * self.rate;
            let value = x[QUANTUM - 1];
            let changed = x.iter().rposition(|v| *v != value);
            c.stuck = match changed {
                _ if value == 0.0 => 0,
                Some(n) => (QUANTUM - 2 - n) as u64,
                None if value == c.last => c.stuck + QUANTUM as u64,
                None => QUANTUM as u64 - 1,
            };
            c.moved |= value == 0.0 || changed.is_some() || (c.seen && value != c.last);
            (c.last, c.seen) = (value, true);
        }
    }

    pub fn read(&self, channel: usize) -> AlarmReadings {
        let c = &self.channels[channel];
        let (silent_s, stuck_s) = (c.silent as f64 / self.rate, c.stuck as f64 / self.rate);
        AlarmReadings {
            silent_s,
            silent: silent_s >= self.settings.silence_s,
            stuck_s,
            stuck: stuck_s >= self.settings.stuck_s,
            sounded: c.sounded,
            moved: c.moved,
        }
    }

    /// Every channel is silent.
    pub fn all_silent(&self) -> bool {
        (0..self.channels.len()).all(|c| self.read(c).silent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::SILENCE;

    fn at(level: f64) -> Frames {
        std::array::from_fn(|i| if i % 2 == 0 { level } else { -level })
    }

    #[test]
    fn silence_and_one_value_for_ever() {
        let mut a = Alarms::new(48_000, 1, AlarmSettings::default()).unwrap();
        let mut play = |x: Frames, quanta: usize| -> AlarmReadings {
            (0..quanta).for_each(|_| a.process(&[x]));
            a.read(0)
        };
        let r = play(at(0.5), 750);
        assert_eq!((r.silent, r.stuck, r.silent_s, r.stuck_s), (false, false, 0.0, 0.0));
        // 60 dB down is silence, 59 is not; ten seconds are 7500 quanta.
        assert!(!play(at(0.001 * 0.999), 7499).silent && play(at(0.001 * 0.999), 1).silent);
        assert!(!play(at(0.001_12), 1).silent);
        assert!(!play(SILENCE, 7000).stuck, "nothing is no stuck value");
        let r = play([0.25; QUANTUM], 375);
        assert!(!r.stuck && (r.stuck_s - 0.5).abs() < 1e-4, "{r:?}");
        assert!(play([0.25; QUANTUM], 1).stuck);
        let mut moving = [0.25; QUANTUM];
        moving[60] = 0.250_000_1;
        let r = play(moving, 1);
        assert!(!r.stuck && r.stuck_s == 2.0 / 48_000.0, "{r:?}");
        a.gap();
        let r = a.read(0);
        assert_eq!((r, r.silence(), r.stuckness()), (AlarmReadings::default(), None, None));
        // What was lost says nothing; the first sample above the level, or another one, does.
        a.process(&[[1e-4; QUANTUM]]);
        assert_eq!((a.read(0).silence(), a.read(0).stuckness()), (None, None));
        a.process(&[at(0.5)]);
        assert_eq!((a.read(0).silence(), a.read(0).stuckness()), (Some(false), Some(false)));
        // A square wave whose edges are those of the quanta moves as well.
        a.gap();
        a.process(&[[0.25; QUANTUM]]);
        assert_eq!(a.read(0).stuckness(), None);
        a.process(&[[-0.25; QUANTUM]]);
        assert_eq!(a.read(0).stuckness(), Some(false));
        let bad = AlarmSettings { silence_s: 1e9, ..AlarmSettings::default() };
        assert_eq!(
            Alarms::new(48_000, 1, bad).err().map(|e| e.to_string()),
            Some("an alarm after 1000000000 s is outside 0.1 to 86400 s".into())
        );
    }

    /// A floor that passes the level every 12 s by 1 dB, then by 4 dB.
    #[test]
    fn a_floor_at_the_level_is_told_once() {
        let mut a = Alarms::new(48_000, 1, AlarmSettings::default()).unwrap();
        let (mut on, mut told) = (false, Vec::new());
        for q in 0..750 * 120 {
            let top = if q < 750 * 100 { -59.0 } else { -56.0 };
            let level = if q % (750 * 12) == 0 { top } else { -61.0 };
            a.process(&[at(crate::dsp::math::db_to_gain(level))]);
            if let Some(now) = a.read(0).silence().filter(|now| *now != on) {
                on = now;
                told.push((q as f64 / 750.0, now));
            }
        }
        println!("{told:?}");
        let states: Vec<bool> = told.iter().map(|t| t.1).collect();
        assert_eq!(states, [true, false, true], "{told:?}");
        assert!((told[0].0 - 10.0).abs() < 0.01 && told[1].0 == 108.0, "{told:?}");
    }
}
