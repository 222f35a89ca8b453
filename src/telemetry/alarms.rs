// SPDX-License-Identifier: MIT OR Apache-2.0
//! Alarms: a channel of main in or out that is silent or stuck, a pair that looks inverted, a sample clock of another
//! rate. Each is told once when it begins and once when it ends. Telemetry thread; the audio thread copies two taps.
//!
//! What is not known changes nothing: a gap, another engine or a server that is gone neither ends an alarm nor
//! begins one, so that an idle rack tells of its silence once and not after every restart of the server.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use lathe_core::analysis::alarms::{AlarmReadings, AlarmSettings};
use lathe_core::analysis::clock::ClockReadings;
use lathe_core::analysis::polarity::OPPOSITE;
use lathe_core::analysis::{Instrument, Running};
use lathe_core::units::Layout;

use super::taps::OpenTap;

/// The taps that are watched.
const TAPS: [&str; 2] = ["in", "out"];
/// Events that are kept for their readers.
const KEPT: usize = 256;
/// That of a correlation ends so much above its threshold.
const LESS_OPPOSITE: f64 = 0.2;

/// What the machine's settings say of readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standards {
    /// dBFS of 0 VU.
    pub reference_dbfs: f64,
    pub alarms: AlarmSettings,
    pub raise: Raise,
}

impl Default for Standards {
    /// Without alarms.
    fn default() -> Self {
        Standards { reference_dbfs: -18.0, alarms: AlarmSettings::default(), raise: Raise::default() }
    }
}

/// Which alarms there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raise {
    pub silence: bool,
    pub stuck: bool,
    pub inverted: bool,
    pub clock: bool,
}

/// What an alarm is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmKind {
    Silence,
    Stuck,
    Inverted,
    Clock,
}

impl AlarmKind {
    pub const ALL: [AlarmKind; 4] =
        [AlarmKind::Silence, AlarmKind::Stuck, AlarmKind::Inverted, AlarmKind::Clock];

    /// Never renamed.
    pub const fn symbol(self) -> &'static str {
        match self {
            AlarmKind::Silence => "silence",
            AlarmKind::Stuck => "stuck",
            AlarmKind::Inverted => "inverted",
            AlarmKind::Clock => "clock",
        }
    }
}

/// One that may be on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    pub kind: AlarmKind,
    /// `in` or `out`; empty for the clock.
    pub tap: &'static str,
    /// As the layout calls it; `None` where it is not of one channel.
    pub channel: Option<&'static str>,
}

impl Alarm {
    /// Such as `in/silence/L`, `out/inverted`, `clock`.
    pub fn address(&self) -> String {
        let parts = [Some(self.tap).filter(|t| !t.is_empty()), Some(self.kind.symbol()), self.channel];
        parts.into_iter().flatten().collect::<Vec<_>>().join("/")
    }
}

/// Alarms of one kind and tap that began or ended at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct AlarmEvent {
    pub alarms: Vec<Alarm>,
    /// They began; if not, they ended.
    pub on: bool,
    /// One sentence.
    pub message: String,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// What is told, for all who read it.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// How many events there have been.
    count: u64,
    events: VecDeque<AlarmEvent>,
    all: Vec<(Alarm, bool)>,
    raised: [u64; AlarmKind::ALL.len()],
}

impl Board {
    pub fn tell(&mut self, events: Vec<AlarmEvent>, all: &[(Alarm, bool)]) {
        if self.all != all {
            self.all = all.to_vec();
        }
        for event in events {
            for alarm in event.alarms.iter().filter(|_| event.on) {
                self.raised[alarm.kind as usize] += 1;
            }
            self.count += 1;
            self.events.push_back(event);
            if self.events.len() > KEPT {
                self.events.pop_front();
            }
        }
    }

    pub fn since(&self, seen: &mut Option<u64>) -> Vec<AlarmEvent> {
        let from = seen.replace(self.count).unwrap_or(self.count);
        let first = self.count - self.events.len() as u64;
        self.events.iter().skip(from.saturating_sub(first) as usize).cloned().collect()
    }

    pub fn all(&self) -> Vec<(Alarm, bool)> {
        self.all.clone()
    }

    pub fn raised(&self, kind: AlarmKind) -> u64 {
        self.raised[kind as usize]
    }
}

/// The alarms, as they stand.
pub(super) struct AlarmWatch {
    pub standards: Standards,
    /// Of each tap, when it was seen first.
    layouts: [Option<Layout>; TAPS.len()],
    states: Vec<(Alarm, bool)>,
}

impl AlarmWatch {
    pub fn new(standards: Standards) -> Self {
        let clock = Alarm { kind: AlarmKind::Clock, tap: "", channel: None };
        let states = if standards.raise.clock { vec![(clock, false)] } else { Vec::new() };
        AlarmWatch { standards, layouts: Default::default(), states }
    }

    /// The taps that are to be open.
    pub fn taps(&self) -> &'static [&'static str] {
        let Raise { silence, stuck, inverted, clock: _ } = self.standards.raise;
        if silence || stuck || inverted { &TAPS } else { &[] }
    }

    /// What a tap is to have.
    pub fn instruments(&self, tap: &str) -> Vec<Instrument> {
        let Raise { silence, stuck, inverted, clock: _ } = self.standards.raise;
        let levels = (silence || stuck).then_some(Instrument::Alarms(self.standards.alarms));
        let some = levels.into_iter().chain(inverted.then_some(Instrument::Polarity));
        some.filter(|_| self.taps().contains(&tap)).collect()
    }

    pub fn states(&self) -> &[(Alarm, bool)] {
        &self.states
    }

    /// What has begun and ended since the last look.
    pub fn look(&mut self, taps: &[OpenTap], clock: Option<&ClockReadings>) -> Vec<AlarmEvent> {
        let mut told = Vec::new();
        for (n, name) in self.taps().iter().enumerate() {
            let Some(tap) = taps.iter().find(|t| t.name == *name) else { continue };
            if self.layouts[n].as_ref() != Some(&tap.layout) {
                self.begin_tap(n, &tap.layout, &mut told);
            }
            let instruments = tap.meter.instruments();
            let levels = instruments.get(&Instrument::Alarms(self.standards.alarms));
            let polarity = instruments.get(&Instrument::Polarity);
            let read = |alarm: &Alarm| match (alarm.kind, levels, polarity) {
                (AlarmKind::Inverted, _, Some(Running::Polarity(m))) => m.correlation().and_then(opposite),
                (kind, Some(Running::Alarms(m)), _) => {
                    let channel = tap.layout.names().iter().position(|c| Some(*c) == alarm.channel)?;
                    let r: AlarmReadings = m.read(channel);
                    if kind == AlarmKind::Silence { r.silence() } else { r.stuckness() }
                }
                _ => None,
            };
            self.follow(name, read, &mut told);
        }
        let read = |_: &Alarm| clock.and_then(|r| r.alarm);
        self.follow("", read, &mut told);
        let unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
        told.into_iter().map(|(alarms, on, over)| self.event(alarms, on, over, clock, unix_ms)).collect()
    }

    /// A tap of other channels: their alarms end, and those of the new ones have not begun.
    fn begin_tap(&mut self, n: usize, layout: &Layout, told: &mut Vec<Told>) {
        let tap = TAPS[n];
        for (alarm, on) in self.states.iter().filter(|(a, on)| a.tap == tap && *on) {
            add(told, alarm, !*on, true);
        }
        self.states.retain(|(a, _)| a.tap != tap);
        let Raise { silence, stuck, inverted, clock: _ } = self.standards.raise;
        for (kind, wanted) in [(AlarmKind::Silence, silence), (AlarmKind::Stuck, stuck)] {
            let names = layout.names();
            let each = names.iter().filter(|_| wanted).map(|c| Alarm { kind, tap, channel: Some(*c) });
            self.states.extend(each.map(|a| (a, false)));
        }
        if inverted && !layout.pairs().is_empty() {
            self.states.push((Alarm { kind: AlarmKind::Inverted, tap, channel: None }, false));
        }
        self.layouts[n] = Some(layout.clone());
    }

    /// The alarms of a tap by what is read of each.
    fn follow(&mut self, tap: &str, read: impl Fn(&Alarm) -> Option<bool>, told: &mut Vec<Told>) {
        for (alarm, on) in self.states.iter_mut().filter(|(a, _)| a.tap == tap) {
            let Some(now) = read(alarm).filter(|now| now != on) else { continue };
            *on = now;
            add(told, alarm, now, false);
        }
    }

    /// Says it in words, in the log too.
    fn event(
        &self,
        alarms: Vec<Alarm>,
        on: bool,
        over: bool,
        clock: Option<&ClockReadings>,
        unix_ms: u64,
    ) -> AlarmEvent {
        let Alarm { kind, tap, .. } = alarms[0];
        let who = alarms.iter().filter_map(|a| a.channel).collect::<Vec<_>>().join(", ");
        let AlarmSettings { silence_dbfs, silence_s, stuck_s } = self.standards.alarms;
        let message = match (kind, on) {
            _ if over => format!("{tap}: {who} {} is over: the channels are others", kind.symbol()),
            (AlarmKind::Silence, true) => {
                format!("{tap}: {who} silent for {silence_s} s, no sample above {silence_dbfs} dBFS")
            }
            (AlarmKind::Silence, false) => format!("{tap}: {who} has sound again"),
            (AlarmKind::Stuck, true) => format!("{tap}: {who} stuck on one value for {stuck_s} s"),
            (AlarmKind::Stuck, false) => format!("{tap}: {who} is no longer stuck"),
            (AlarmKind::Inverted, true) => {
                format!("{tap}: one channel of the first pair looks inverted against the other")
            }
            (AlarmKind::Inverted, false) => format!("{tap}: the first pair looks right again"),
            (AlarmKind::Clock, true) => format!(
                "the sample clock runs at {:.0} Hz, {:+.2} % beside its rate: frequencies and loudness are wrong by as \
                 much; is the interface slaved to another rate?",
                clock.map_or(f64::NAN, |r| r.measured_hz),
                clock.map_or(f64::NAN, |r| r.deviation * 100.0)
            ),
            (AlarmKind::Clock, false) => "the sample clock runs at its rate again".into(),
        };
        if on {
            tracing::warn!("alarm: {message}")
        } else {
            tracing::info!("alarm over: {message}")
        }
        AlarmEvent { alarms, on, message, unix_ms }
    }
}

/// Alarms of one kind and tap, whether they began, and whether they ended with their channels.
type Told = (Vec<Alarm>, bool, bool);

fn add(told: &mut Vec<Told>, alarm: &Alarm, on: bool, over: bool) {
    let same = |t: &&mut Told| {
        let first = &t.0[0];
        (first.kind, first.tap, t.1, t.2) == (alarm.kind, alarm.tap, on, over)
    };
    match told.iter_mut().find(same) {
        Some(t) => t.0.push(alarm.clone()),
        None => told.push((vec![alarm.clone()], on, over)),
    }
}

/// `None` between the two thresholds.
fn opposite(correlation: f64) -> Option<bool> {
    let (on, off) = (correlation <= OPPOSITE, correlation > OPPOSITE + LESS_OPPOSITE);
    (on || off).then_some(on)
}
