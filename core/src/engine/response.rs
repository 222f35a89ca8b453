// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a rack or a slot does to a spectrum, measured on the chain itself. Control side.
//!
//! A chain is built as for playing and struck with one sample of −120 dBFS, far below every threshold; its
//! answer is transformed at the frequencies asked for. So the curve is the realised one, whatever the units
//! are: what a rate makes of a filter, crossovers, phase, dry paths. Dynamics show as they are at rest.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side")]

use std::f64::consts::PI;

use super::{BuildError, Engine, Periods, Ports, build, link};
use crate::dsp::QUANTUM;
use crate::dsp::math::gain_to_db;
use crate::rack::plan::{Content, RackPlan, SlotPlan, Source};
use crate::units::{Layout, Place};

/// Height of the strike: 2⁻²⁰, −120.4 dBFS.
const STRIKE: f64 = 1.0 / 1_048_576.0;

/// An answer has ended where this many quanta in a row hold less than this share of the energy (−200 dB).
const QUIET_QUANTA: usize = 16;
const QUIET: f64 = 1e-20;

/// Longest answer in seconds.
const LONGEST: f64 = 20.0;

/// Frequencies transformed side by side.
const LANES: usize = 8;

/// Most frequencies of one measurement.
pub const MAX_FREQUENCIES: usize = 4096;

/// How the input is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// All channels alike; one curve for each channel.
    All,
    /// One channel alone; its curve.
    One(usize),
    /// Both channels of every pair alike, the rest silent; one curve, of (left + right)/2 of the first pair.
    Mid,
    /// Both channels of every pair opposite; one curve, of (left − right)/2 of the first pair.
    Side,
}

impl Feed {
    /// `all` (or nothing), `mid`, `side`, or a channel of the layout by name; else what is allowed.
    ///
    /// # Errors
    /// The allowed names.
    pub fn named(name: &str, layout: &Layout) -> Result<Feed, String> {
        match name {
            "" | "all" => Ok(Feed::All),
            "mid" => Ok(Feed::Mid),
            "side" => Ok(Feed::Side),
            _ => layout.names().iter().position(|n| *n == name).map(Feed::One).ok_or_else(|| {
                format!("no feed \"{name}\": all, mid, side, {} are allowed", layout.names().join(", "))
            }),
        }
    }
}

/// Frequencies at equal ratios, ends included: `points` (at least 2) from `from` to `to` Hz.
pub fn spread(from: f64, to: f64, points: usize) -> Vec<f64> {
    let last = points.max(2) - 1;
    (0..=last)
        .map(|k| if k == last { to } else { from * libm::pow(to / from, k as f64 / last as f64) })
        .collect()
}

/// A level in dB; what is under −240 dB, nothing above all, is −240.
pub fn level(magnitude: f64) -> f64 {
    gain_to_db(magnitude)
}

/// Gain and phase over frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// A channel of the layout, `mid` or `side`.
    pub name: &'static str,
    /// Linear, by frequency.
    pub magnitude: Vec<f64>,
    /// In radians, −π to π, by frequency; the latency is taken out.
    pub phase: Vec<f64>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub curves: Vec<Curve>,
    /// Frames that the measured part delays.
    pub latency: usize,
    /// The answer had not died away after 20 s; what came later is not in the curves.
    pub cut: bool,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum ResponseError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("there is no slot \"{0}\"")]
    NoSlot(String),
    #[error("the layout {0} has no pair of channels, so it has neither mid nor side")]
    NoPair(String),
    #[error("frequency {0} Hz: 0 Hz to half the sample rate, {1} Hz, are allowed")]
    Frequency(f64, f64),
    #[error("at most {MAX_FREQUENCIES} frequencies, not {0}")]
    TooMany(usize),
}

/// A dither passes every frequency alike and hides the strike under its noise: it rests.
fn rest(plan: &mut RackPlan) {
    for slot in &mut plan.slots {
        let dithers = matches!(&slot.content, Content::Unit { kind, .. } if kind.place() == Place::Last);
        if let (true, Some(bypass)) = (dithers, slot.table.find("bypass")) {
            slot.values.set(bypass, 1.0);
        }
    }
}

/// The response of the rack, or of the slot `slot` alone as it plays there, at `frequencies` in Hz.
///
/// # Errors
/// A chain that cannot be built at `rate`, a slot that is not there, mid or side without a pair, a frequency
/// beyond half the rate.
pub fn response(
    plan: &RackPlan,
    rate: u32,
    slot: Option<&str>,
    feed: Feed,
    frequencies: &[f64],
) -> Result<Response, ResponseError> {
    let top = 0.5 * f64::from(rate);
    if let Some(f) = frequencies.iter().find(|f| !(0.0..=top).contains(*f)) {
        return Err(ResponseError::Frequency(*f, top));
    }
    if frequencies.len() > MAX_FREQUENCIES {
        return Err(ResponseError::TooMany(frequencies.len()));
    }
    let mut plan = match slot {
        Some(id) => alone(plan, id).ok_or_else(|| ResponseError::NoSlot(id.to_string()))?,
        None => plan.clone(),
    };
    rest(&mut plan);
    let pairs = plan.layout.pairs();
    let pair = match feed {
        Feed::Mid | Feed::Side => {
            let first = pairs.first().copied();
            Some(first.ok_or_else(|| ResponseError::NoPair(plan.layout.name()))?)
        }
        _ => None,
    };
    let heights: Vec<f64> = (0..plan.layout.len())
        .map(|c| match feed {
            Feed::All => STRIKE,
            Feed::One(only) => f64::from(u8::from(c == only)) * STRIKE,
            Feed::Mid => f64::from(u8::from(pairs.iter().any(|p| p.0 == c || p.1 == c))) * STRIKE,
            Feed::Side if pairs.iter().any(|p| p.0 == c) => STRIKE,
            Feed::Side if pairs.iter().any(|p| p.1 == c) => -STRIKE,
            Feed::Side => 0.0,
        })
        .collect();
    let Answer { audio, latency, cut } = strike(&plan, rate, &heights)?;
    let curve = |name: &'static str, audio: &[f64]| {
        let (magnitude, phase) = transform(audio, latency, rate, frequencies);
        Curve { name, magnitude, phase }
    };
    let names = plan.layout.names();
    let curves = match (feed, pair) {
        (Feed::One(c), _) => vec![curve(names[c], &audio[c])],
        (_, Some((l, r))) => {
            let (name, sign) = if feed == Feed::Side { ("side", -1.0) } else { ("mid", 1.0) };
            let mixed: Vec<f64> = audio[l].iter().zip(&audio[r]).map(|(a, b)| 0.5 * (a + sign * b)).collect();
            vec![curve(name, &mixed)]
        }
        _ => names.iter().zip(&audio).map(|(name, a)| curve(name, a)).collect(),
    };
    Ok(Response { curves, latency, cut })
}

/// A rack with this slot alone; detectors listen to their own input.
fn alone(plan: &RackPlan, id: &str) -> Option<RackPlan> {
    let mut slot = plan.walk().into_iter().find(|s| s.id == id)?.clone();
    fn own(slot: &mut SlotPlan) {
        match &mut slot.content {
            Content::Unit { sidechain, .. } => *sidechain = Source::Own,
            Content::Split { branches, .. } => {
                branches.iter_mut().flat_map(|b| &mut b.slots).for_each(own);
            }
        }
    }
    own(&mut slot);
    Some(RackPlan { slots: vec![slot], ..RackPlan::empty(plan.layout.clone()) })
}

struct Answer {
    /// By channel.
    audio: Vec<Vec<f64>>,
    latency: usize,
    cut: bool,
}

/// One period on its way.
struct Ends<'a> {
    input: &'a [f64],
    output: &'a mut [Vec<f64>],
    main: usize,
}

impl Ports for Ends<'_> {
    fn read(&mut self, channel: usize, _: usize, into: &mut [f64]) {
        into.fill(0.0);
        // Sidechain ports stay silent.
        if channel < self.main {
            into[0] = self.input[channel];
        }
    }
    fn write_main(&mut self, channel: usize, _: usize, audio: &[f64]) {
        self.output[channel].extend_from_slice(audio);
    }
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

fn strike(plan: &RackPlan, rate: u32, heights: &[f64]) -> Result<Answer, BuildError> {
    let built = build(plan, rate)?;
    let latency = built.spec.latency;
    let (_link, audio_side) = link();
    let mut periods = Periods::new(Engine::new(built, audio_side), QUANTUM);
    let mut audio = vec![Vec::new(); heights.len()];
    let silence = vec![0.0; heights.len()];
    let (mut total, mut quiet) = (0.0f64, 0);
    let longest = (LONGEST * f64::from(rate)) as usize;
    let mut frames = 0;
    while quiet < QUIET_QUANTA && frames < longest + latency {
        let input = if frames == 0 { heights } else { &silence };
        periods.run(QUANTUM, &mut Ends { input, output: &mut audio, main: heights.len() });
        let energy: f64 = audio.iter().flat_map(|c| &c[frames..]).map(|x| x * x).sum();
        total += energy;
        frames += QUANTUM;
        let over = energy <= QUIET * total && frames > latency;
        quiet = if over { quiet + 1 } else { 0 };
    }
    Ok(Answer { audio, latency, cut: quiet < QUIET_QUANTA })
}

/// Magnitude and phase of `audio` over the strike, with `latency` frames taken out.
fn transform(audio: &[f64], latency: usize, rate: u32, frequencies: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut out = (Vec::with_capacity(frequencies.len()), Vec::with_capacity(frequencies.len()));
    for some in frequencies.chunks(LANES) {
        let mut step = [0.0; LANES];
        step.iter_mut().zip(some).for_each(|(w, f)| *w = -2.0 * PI * f / f64::from(rate));
        let turn = step.map(|w| (libm::cos(w), libm::sin(w)));
        let (mut re, mut im) = ([0.0; LANES], [0.0; LANES]);
        for (k, block) in audio.chunks(QUANTUM).enumerate() {
            // Turned on from frame to frame, set anew in every block, so that rounding does not gather.
            let start = (k * QUANTUM) as f64 - latency as f64;
            let (mut c, mut s) = (step.map(|w| libm::cos(w * start)), step.map(|w| libm::sin(w * start)));
            for x in block {
                for l in 0..LANES {
                    re[l] += x * c[l];
                    im[l] += x * s[l];
                    (c[l], s[l]) = (c[l] * turn[l].0 - s[l] * turn[l].1, c[l] * turn[l].1 + s[l] * turn[l].0);
                }
            }
        }
        for (r, i) in re.iter().zip(&im).take(some.len()) {
            out.0.push(libm::hypot(*r, *i) / STRIKE);
            out.1.push(libm::atan2(*i, *r));
        }
    }
    out
}
