// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readings, snapshots, the ledger, the prints and the alarms as the OSC server wants to see them.

mod alarms;
mod args;
mod ledger;
mod prints;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lathe_core::analysis::meter::TapReadings;
use lathe_core::analysis::octaves::OctaveSettings;
use lathe_core::analysis::polarity::Wiring;
use lathe_core::analysis::scope::ScopeSettings;
use lathe_core::analysis::spectrum_frames::Averaging;
use lathe_core::analysis::spectrum_settings::Source;
use lathe_core::analysis::stereo_field::StereoSettings;
use lathe_core::analysis::wiring::WiringSettings;

use crate::control::snapshots::{SnapshotError, Snapshots};
use crate::control::{Client, Handle};
use crate::osc::ports;
use crate::osc::request::Code;
use crate::telemetry::{EXTRAS, Feed, Frame, Look, Refused, Sight, Telemetry, View, Want, Watch, extras};

pub use alarms::OscAlarms;
pub use ledger::OscLedger;
pub use prints::OscPrints;

/// What OSC sends for silence and for a reading that is not there yet.
const SILENCE: f64 = -200.0;
/// Readings that have a value for each channel.
const PER_CHANNEL: [&str; 4] = ["peak", "peak_max", "rms", "dc"];
/// Taps whose readings are listed; those of slots are there when they are asked for by name.
const LISTED: [&str; 3] = ["in", "out", "monitor"];
/// Readings of many values: bands of 1/6 octave from 20 Hz to 20 kHz in dBFS, the loudest channel in each; and
/// points of the first pair, left and right in turn, so few that they fit one datagram.
const SPECTRUM: &str = "spectrum";
const SCOPE: &str = "scope";
/// Which channel of main in each one resembles, from 1, negative if inverted; 0 if none.
const WIRING: &str = "wiring";
const MANY: [&str; 3] = [SPECTRUM, SCOPE, WIRING];
const SCOPE_POINTS: usize = 128;
/// Rate of what is read now and then, in Hz, and the subscriber it is kept for.
const SOMETIMES: f64 = 10.0;
const ALWAYS: u64 = u64::MAX;

/// The readings of the telemetry, a feed for each subscriber.
pub struct OscMeters {
    host: Handle,
    telemetry: Telemetry,
    feeds: Mutex<BTreeMap<u64, Subscriber>>,
    looks: Mutex<BTreeMap<(u64, String), Feed<Watch, Look>>>,
}

struct Subscriber {
    taps: BTreeSet<String>,
    /// Symbols of readings beyond the usual ones.
    extras: BTreeSet<&'static str>,
    hz: f64,
    feed: Feed,
    /// For those who ask more often than there is something new.
    last: Option<Frame>,
}

impl OscMeters {
    pub fn new(host: Handle, telemetry: Telemetry) -> Self {
        let meters = OscMeters { host, telemetry, feeds: Mutex::default(), looks: Mutex::default() };
        // What is asked for now and then must have been measured before.
        let always = meters.subscribe(LISTED.map(str::to_string).into(), BTreeSet::new(), SOMETIMES);
        meters.feeds().extend(always.map(|s| (ALWAYS, s)));
        meters
    }

    fn feeds(&self) -> MutexGuard<'_, BTreeMap<u64, Subscriber>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names of the channels at a tap.
    fn channels(&self, tap: &str) -> Vec<&'static str> {
        let control = self.host.control();
        let slot = tap.split_once('/').and_then(|(slot, _)| {
            let spec = control.spec()?;
            let index = spec.find_slot(slot)?;
            Some(spec.slots[usize::from(index.0)].format.layout.names())
        });
        slot.unwrap_or_else(|| control.plan().layout.names())
    }

    fn subscribe(
        &self,
        taps: BTreeSet<String>,
        extras: BTreeSet<&'static str>,
        hz: f64,
    ) -> Option<Subscriber> {
        let wanted = extras.iter().filter_map(|s| extras::find(s)).collect();
        let want = Want { hz, taps: taps.iter().cloned().collect(), slots: true, extras: wanted };
        let feed = self.telemetry.subscribe(want).ok()?;
        Some(Subscriber { taps, extras, hz, feed, last: None })
    }

    /// What is behind `<tap>/spectrum`, `<tap>/scope` and `<tap>/wiring`.
    fn watch_of(&self, hz: f64, name: &str) -> Option<Watch> {
        let (tap, kind) = name.rsplit_once('/')?;
        let channels = self.telemetry.channels(tap);
        let view = match kind {
            SPECTRUM => {
                let sources = Source::each(channels);
                View::Bands(OctaveSettings {
                    fraction: 6,
                    averaging: Averaging::Fast,
                    ..OctaveSettings::new(&sources)
                })
            }
            SCOPE => {
                let scope = ScopeSettings { points: SCOPE_POINTS, ..ScopeSettings::new(0, 1) };
                View::Pair(scope, StereoSettings { fraction: 0, ..StereoSettings::new(0, 1) })
            }
            WIRING => {
                let delay = self.telemetry.delay("in", tap).unwrap_or(0);
                View::Wiring(WiringSettings { channels, delay })
            }
            _ => return None,
        };
        let reference = view.compares().then(|| "in".to_string());
        Some(Watch { hz: hz.clamp(1.0, 60.0), tap: tap.into(), reference, view })
    }

    fn values(&self, frame: &Frame) -> Vec<(String, f64)> {
        let mut out: Vec<(String, f64)> =
            frame.slots.iter().map(|(slot, db)| (format!("{slot}/gain_reduction"), *db)).collect();
        for (tap, r) in &frame.taps {
            out.extend(readings(r, &self.channels(tap)).into_iter().map(|(n, v)| (format!("{tap}/{n}"), v)));
        }
        for (tap, extras) in &frame.extras {
            out.extend(extras.iter().map(|e| (format!("{tap}/{}", e.name), level(e.value))));
        }
        out
    }

    /// Names of the usual readings of a tap.
    fn usual(&self, tap: &str) -> Vec<String> {
        let channels = self.channels(tap);
        let none = TapReadings::default();
        let mut out: Vec<String> =
            readings(&none, &[]).into_iter().map(|(n, _)| format!("{tap}/{n}")).collect();
        for kind in PER_CHANNEL {
            out.extend(channels.iter().map(|c| format!("{tap}/{kind}/{c}")));
        }
        out
    }
}

/// The channel from 1, negative if it is inverted.
fn wire(w: Wiring) -> f32 {
    let channel = w.source as f32 + 1.0;
    if w.inverted { -channel } else { channel }
}

/// A level, or what is sent for silence and for what is not known.
fn level(v: Option<f64>) -> f64 {
    v.filter(|v| v.is_finite()).unwrap_or(SILENCE)
}

/// The tap that a reading is of, and which reading; `None` for those of slots.
fn tap_of(name: &str) -> Option<(&str, &str)> {
    let (front, last) = name.rsplit_once('/')?;
    if last == "gain_reduction" {
        return None;
    }
    let has_channels =
        |kind: &str| PER_CHANNEL.contains(&kind) || extras::find(kind).is_some_and(|e| e.per_channel);
    match front.rsplit_once('/') {
        Some((tap, kind)) if has_channels(kind) => Some((tap, kind)),
        _ => Some((front, last)),
    }
}

/// Every reading of one tap by name, in dB or what its unit is.
fn readings(r: &TapReadings, channels: &[&str]) -> Vec<(String, f64)> {
    let mut out: Vec<(String, f64)> = [
        ("momentary", level(r.momentary)),
        ("short_term", level(r.short_term)),
        ("integrated", level(r.integrated)),
        ("momentary_max", level(r.momentary_max)),
        ("short_term_max", level(r.short_term_max)),
        ("true_peak", level(Some(r.true_peak))),
        ("true_peak_max", level(Some(r.true_peak_max))),
        ("loudness_range", r.loudness_range.unwrap_or(0.0)),
        ("correlation", r.correlation.unwrap_or(0.0)),
        ("balance", r.balance.unwrap_or(0.0)),
    ]
    .into_iter()
    .map(|(n, v)| (n.to_string(), v))
    .collect();
    for (name, c) in channels.iter().zip(&r.channels) {
        let values = [c.peak, c.peak_max, c.rms, c.dc];
        let named = PER_CHANNEL.iter().zip(values);
        out.extend(named.map(|(kind, v)| (format!("{kind}/{name}"), level(Some(v)))));
    }
    out
}

impl ports::Meters for OscMeters {
    fn poll(&self, subscriber: u64, hz: f64, names: &[String]) -> Option<Vec<(String, f64)>> {
        let parts = || names.iter().filter_map(|n| tap_of(n));
        let taps: BTreeSet<String> = parts().map(|(tap, _)| tap.to_string()).collect();
        let extras: BTreeSet<&'static str> =
            parts().filter_map(|(_, kind)| extras::find(kind)).map(|e| e.symbol).collect();
        let asked = hz <= 0.0;
        let hz = if asked { SOMETIMES } else { hz.clamp(1.0, 60.0) };
        let once = hz == SOMETIMES && extras.is_empty() && taps.iter().all(|t| LISTED.contains(&t.as_str()));
        let subscriber = if once { ALWAYS } else { subscriber };
        let mut feeds = self.feeds();
        let fits = feeds
            .get(&subscriber)
            .is_some_and(|s| s.hz == hz && taps.is_subset(&s.taps) && extras.is_subset(&s.extras));
        if !fits {
            feeds.insert(subscriber, self.subscribe(taps, extras, hz)?);
        }
        let s = feeds.get_mut(&subscriber)?;
        let fresh = s.feed.try_next();
        if fresh.is_none() && hz != SOMETIMES {
            return None;
        }
        if fresh.is_some() {
            s.last = fresh;
        }
        let last = s.last.clone();
        drop(feeds);
        if last.is_none() && !asked {
            return None;
        }
        let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut values = last.map_or_else(Vec::new, |frame| self.values(&frame));
        values.retain(|(name, _)| wanted.contains(name.as_str()));
        if asked {
            // A question gets an answer, also in the first moments and while nobody hears.
            let known: BTreeSet<String> = values.iter().map(|(name, _)| name.clone()).collect();
            let missing = names.iter().filter(|n| !known.contains(*n));
            values.extend(missing.map(|n| (n.clone(), SILENCE)));
        }
        Some(values)
    }

    fn reset(&self) {
        self.telemetry.reset(Client::LOCAL);
    }

    fn names(&self) -> Vec<String> {
        let mut out: Vec<String> = LISTED.iter().flat_map(|tap| self.usual(tap)).collect();
        // What shows one now, and what will as soon as it runs.
        let mut reducing = self.telemetry.reducing();
        let control = self.host.control();
        let slots = control.plan().walk();
        reducing.retain(|id| slots.iter().any(|s| s.id == *id));
        for slot in &slots {
            let will = ["threshold", "ceiling"].iter().any(|p| slot.table.find(p).is_some());
            if will && !reducing.contains(&slot.id) {
                reducing.push(slot.id.clone());
            }
        }
        out.extend(reducing.iter().map(|id| format!("{id}/gain_reduction")));
        out
    }

    fn named(&self, name: &str) -> Vec<String> {
        let parts: Vec<&str> = name.split('/').collect();
        let (tap, rest) = match parts.as_slice() {
            [tap, rest @ ..] if LISTED.contains(tap) => (tap.to_string(), rest),
            [slot, end @ ("in" | "out"), rest @ ..] => (format!("{slot}/{end}"), rest),
            _ => return Vec::new(),
        };
        let is_slot = !LISTED.contains(&tap.as_str());
        if is_slot && !self.host.control().plan().walk().iter().any(|s| parts.first() == Some(&s.id.as_str()))
        {
            return Vec::new();
        }
        let usual = if is_slot { self.usual(&tap) } else { Vec::new() };
        if rest.is_empty() {
            return usual;
        }
        let channels = self.channels(&tap);
        let extras = EXTRAS.iter().flat_map(|e| e.names(&channels)).map(|n| format!("{tap}/{n}"));
        let many = MANY.map(|n| format!("{tap}/{n}"));
        let below =
            |n: &String| n.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        usual.into_iter().chain(extras).chain(many).filter(below).collect()
    }

    fn is_frames(&self, name: &str) -> bool {
        MANY.iter().any(|kind| name.strip_suffix(kind).is_some_and(|front| front.ends_with('/')))
    }

    fn is_numbers(&self, name: &str) -> bool {
        name.strip_suffix(WIRING).is_some_and(|front| front.ends_with('/'))
    }

    fn frames(&self, subscriber: u64, hz: f64, name: &str) -> Option<Vec<f32>> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (subscriber, name.to_string());
        if !looks.contains_key(&key) {
            let feed = self.telemetry.watch(self.watch_of(hz, name)?).ok()?;
            looks.insert(key.clone(), feed);
        }
        match looks.get_mut(&key)?.try_next()?.sight? {
            Sight::Spectrum(s) => {
                // The loudest channel in every band.
                let bands = s.hz.len();
                let loudest = |b: usize| {
                    s.traces.iter().filter_map(|t| t.level.get(b)).fold(f32::NEG_INFINITY, |m, v| m.max(*v))
                };
                Some((0..bands).map(|b| loudest(b).max(SILENCE as f32)).collect())
            }
            Sight::Pair(scope, _) => Some(scope.points.into_flattened()),
            Sight::Wiring(w) => Some(w.channels.iter().map(|w| w.map_or(0.0, wire)).collect()),
            _ => None,
        }
    }

    fn refused(&self, hz: f64, name: &str) -> Option<String> {
        self.telemetry.watch(self.watch_of(hz, name)?).err().map(|e| e.to_string())
    }

    fn drop_subscriber(&self, subscriber: u64) {
        self.feeds().remove(&subscriber);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|(s, _), _| *s != subscriber);
    }

    fn full(&self) -> Option<String> {
        self.telemetry.is_full().then(|| Refused::Full.to_string())
    }
}

/// The snapshot library with texts for errors.
pub struct OscSnapshots(pub Arc<dyn Snapshots>);

fn refusal(e: SnapshotError) -> ports::Refusal {
    let code = match e {
        SnapshotError::Values(_) => Code::Value,
        _ => Code::Failed,
    };
    (code, e.to_string())
}

impl ports::Snapshots for OscSnapshots {
    fn store(&self, name: &str, client: Client) -> Result<(), ports::Refusal> {
        self.0.create(name, "", "", client).map(drop).map_err(refusal)
    }
    fn recall(&self, name: &str, seconds: f64, client: Client) -> Result<u64, ports::Refusal> {
        self.0.recall(name, seconds, client).map_err(refusal)
    }
    fn delete(&self, name: &str, client: Client) -> Result<(), ports::Refusal> {
        self.0.delete(name, client).map_err(refusal)
    }
    fn list(&self) -> Vec<String> {
        self.0.list().into_iter().map(|s| s.name).collect()
    }
    fn current(&self) -> Option<(String, bool)> {
        let name = self.0.current()?;
        let changed = self.0.is_changed(&name);
        Some((name, changed))
    }
}
