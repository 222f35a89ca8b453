// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the bridge knows: the latest readings, and what falls and is held between them. Time is the engine's frames,
//! so the bridge reads the same whatever the network does.

use std::collections::VecDeque;

use super::ink::Ink;
use super::scale::{Peak, SCALES, Scale};
use super::spectrum::Kind;
use crate::client::v1::{
    GetStatusResponse, Rack, TapReadings, WatchMetersResponse, WatchScopeResponse, WatchSpectrumResponse,
};

/// Peaks of bars fall by 20 dB in 1.7 s and are marked for 1.5 s.
const FALL_DB_PER_S: f64 = 20.0 / 1.7;
const HOLD_S: f64 = 1.5;
/// Looks at a pair that are drawn over each other.
const AFTERGLOW: usize = 4;
/// The goniometer grows by at most so much (54 dB), and falls back to that at this factor a look.
const LARGEST: f64 = 1.0 / 512.0;
const RELAX: f64 = 0.94;

/// All that is drawn.
#[derive(Clone, Debug)]
pub struct State {
    pub server: String,
    pub status: GetStatusResponse,
    pub rack: Rack,
    pub ink: Ink,
    /// Taps whose levels are shown; the first one is looked at closely.
    pub taps: Vec<String>,
    pub scale: &'static Scale,
    /// LUFS that the programme shall have.
    pub target: Option<f64>,
    pub kind: Kind,
    pub help: bool,
    /// `None`: none came yet.
    pub meters: Option<WatchMetersResponse>,
    /// Of the taps and channels of `meters`.
    pub bars: Vec<Vec<Channel>>,
    /// Of the slots of `meters`: the deepest, held.
    pub reductions: Vec<Held>,
    pub spectrum: Option<WatchSpectrumResponse>,
    pub scope: Scope,
    /// Why there is no spectrum or goniometer.
    pub spectrum_refused: Option<String>,
    pub scope_refused: Option<String>,
    /// Readings that were made but never came here.
    pub missed: u64,
    /// The last thing that was done or went wrong.
    pub note: String,
    /// Why no readings come.
    pub lost: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        State {
            server: String::new(),
            status: GetStatusResponse::default(),
            rack: Rack::default(),
            ink: Ink::default(),
            taps: vec!["out".to_string()],
            scale: &SCALES[0],
            target: None,
            kind: Kind::default(),
            help: false,
            meters: None,
            bars: Vec::new(),
            reductions: Vec::new(),
            spectrum: None,
            scope: Scope::default(),
            spectrum_refused: None,
            scope_refused: None,
            missed: 0,
            note: String::new(),
            lost: None,
        }
    }
}

/// One channel on the chosen scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    pub body: f64,
    pub tail: f64,
    pub mark: Held,
    /// Since the reset, or since the scale was chosen where the daemon keeps none.
    pub highest: f64,
    pub lamp: Lamp,
}

impl Default for Channel {
    fn default() -> Self {
        let low = f64::NEG_INFINITY;
        Channel { body: low, tail: low, mark: Held::default(), highest: low, lamp: Lamp::Off }
    }
}

/// Lit until the reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lamp {
    Off,
    /// Between the samples over full scale.
    Over,
    /// Samples at full scale.
    Clip,
}

/// The highest of a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    pub value: f64,
    seconds: f64,
}

impl Default for Held {
    fn default() -> Self {
        Held { value: f64::NEG_INFINITY, seconds: 0.0 }
    }
}

impl Held {
    fn take(&mut self, value: f64, seconds: f64) {
        self.seconds += seconds;
        if value >= self.value || self.seconds > HOLD_S {
            *self = Held { value, seconds: 0.0 };
        }
    }
}

/// Points of a pair, and how large they are drawn.
#[derive(Clone, Debug)]
pub struct Scope {
    pub looks: VecDeque<Vec<[f32; 2]>>,
    pub correlation: Option<f64>,
    pub balance: Option<f64>,
    pub mono: Option<f64>,
    /// What the edge of the picture is, full scale 1.
    pub edge: f64,
}

impl Default for Scope {
    fn default() -> Self {
        Scope { looks: VecDeque::new(), correlation: None, balance: None, mono: None, edge: 1.0 }
    }
}

impl Scope {
    pub fn take(&mut self, look: &WatchScopeResponse) {
        let points = look.points.chunks_exact(2).map(|p| [p[0], p[1]]);
        self.looks.push_back(points.filter(|p| p.iter().all(|x| x.is_finite())).collect());
        while self.looks.len() > AFTERGLOW {
            self.looks.pop_front();
        }
        let all = self.looks.iter().flatten().flatten();
        let highest = all.fold(0.0, |top: f64, x| top.max(f64::from(x.abs())));
        self.edge = highest.max(self.edge * RELAX).max(LARGEST);
        (self.correlation, self.balance, self.mono) = (look.correlation, look.balance, look.mono);
    }
}

impl State {
    /// Readings that are asked for beyond the usual ones.
    pub fn readings(&self) -> Vec<String> {
        let scale = self.scale.symbol.map(str::to_string);
        scale.into_iter().chain(["clips".to_string()]).collect()
    }

    /// The taps to ask for, each once.
    pub fn wanted_taps(&self) -> Vec<String> {
        let mut once: Vec<String> = Vec::new();
        for tap in &self.taps {
            if !once.contains(tap) {
                once.push(tap.clone());
            }
        }
        once
    }

    /// The tap that is looked at closely.
    pub fn tap(&self) -> &str {
        self.taps.first().map_or("out", String::as_str)
    }

    /// Its readings.
    pub fn looked_at(&self) -> Option<&TapReadings> {
        let taps = &self.meters.as_ref()?.taps;
        taps.iter().find(|t| t.tap == self.tap()).or(taps.first())
    }

    /// All taps that `t` goes through: of the rack, then of each slot.
    pub fn all_taps(&self) -> Vec<String> {
        let slots = self.rack.slots.iter().flat_map(|s| [format!("{}/in", s.id), format!("{}/out", s.id)]);
        ["in", "out", "monitor"].map(String::from).into_iter().chain(slots).collect()
    }

    /// Looks so many taps further on.
    pub fn next_tap(&mut self, by: isize) {
        let all = self.all_taps();
        let at = all.iter().position(|t| t == self.tap()).map_or(0, |at| at as isize + by);
        let next = all[at.rem_euclid(all.len() as isize) as usize].clone();
        match self.taps.first_mut() {
            Some(first) => *first = next,
            None => self.taps.push(next),
        }
        self.forget();
    }

    /// Another scale: what was held was of the old one.
    pub fn choose(&mut self, scale: &'static Scale) {
        self.scale = scale;
        self.bars.clear();
    }

    /// A new measurement has begun.
    pub fn reset(&mut self) {
        self.bars.clear();
        self.reductions.clear();
        self.missed = 0;
    }

    /// Nothing that was read belongs to what comes.
    pub fn forget(&mut self) {
        (self.meters, self.spectrum, self.scope) = (None, None, Scope::default());
        (self.spectrum_refused, self.scope_refused) = (None, None);
        self.bars.clear();
        self.reductions.clear();
    }

    /// The next readings.
    pub fn take(&mut self, m: WatchMetersResponse) {
        let rate = match self.status.audio.as_ref().map_or(0, |a| a.sample_rate) {
            0 => 48_000.0,
            rate => f64::from(rate),
        };
        let before = self.meters.as_ref().map_or(m.engine_frame, |b| b.engine_frame);
        if before > m.engine_frame {
            self.bars.clear(); // another engine
        }
        let seconds = m.engine_frame.saturating_sub(before) as f64 / rate;
        self.missed += m.missed;
        self.bars.resize(m.taps.len(), Vec::new());
        for (bars, tap) in self.bars.iter_mut().zip(&m.taps) {
            bars.resize(tap.channels.len(), Channel::default());
            for (n, bar) in bars.iter_mut().enumerate() {
                bar.take(self.scale, tap, n, seconds);
            }
        }
        self.reductions.resize(m.slots.len(), Held::default());
        for (held, slot) in self.reductions.iter_mut().zip(&m.slots) {
            held.take(slot.gain_reduction, seconds);
        }
        self.meters = Some(m);
    }
}

/// A reading of one channel by its symbol.
fn reading(tap: &TapReadings, symbol: &str, channel: usize) -> Option<f64> {
    let of = |name: &str| name.strip_prefix(symbol).is_some_and(|rest| rest.starts_with('/'));
    tap.readings.iter().filter(|r| of(&r.name)).nth(channel)?.value
}

impl Channel {
    fn take(&mut self, scale: &Scale, tap: &TapReadings, n: usize, seconds: f64) {
        let c = &tap.channels[n];
        self.body = match scale.symbol {
            None => c.rms,
            Some(symbol) => reading(tap, symbol, n).unwrap_or(f64::NEG_INFINITY),
        };
        let (now, highest) = match scale.peak {
            Peak::Sample(up) => (c.peak + up, c.peak_max + up),
            Peak::True => (c.true_peak, c.true_peak_max),
            Peak::Reading | Peak::None => (self.body, self.highest.max(self.body)),
        };
        self.tail = match scale.peak {
            Peak::Sample(_) | Peak::True => now.max(self.tail - FALL_DB_PER_S * seconds),
            Peak::Reading | Peak::None => now,
        };
        self.mark.take(now, seconds);
        self.highest = highest;
        self.lamp = match reading(tap, "clips", n).unwrap_or(0.0) {
            clips if clips > 0.0 => Lamp::Clip,
            _ if c.true_peak_max > 0.0 => Lamp::Over,
            _ => Lamp::Off,
        };
    }
}
