// SPDX-License-Identifier: MIT OR Apache-2.0
//! `limiter`: a true-peak limiter whose samples are never above the ceiling. Below the ceiling it passes
//! every bit, delayed.
//!
//! Why never: each frame `n` allows a gain `a[n] ≤ C[n] / max(|x[n]|, true peak)`; the minimum over the
//! lookahead and hold is no larger, the release only comes up to it from below, and the smoothing FIR is
//! non-negative, sums to 1 and spans no more than the lookahead. So the gain that meets sample `n` is a
//! mean of values that are all ≤ `a[n]`. Every rounding on the way is downwards, and the ceiling is an
//! f32, so that rounding the result to f32 cannot lift it above either.
//!
//! The input gain is not put onto the audio before: it is the other bound of the same gain path,
//! `min(input gain, minimum)`. A move of it while the limiter works then leaves the level at the
//! ceiling; put before the lookahead, a rise would duck the audio by what it rises in that time.

use super::{Block, Format, Kind, Notes, Place, Ramp, Readings, Refusal, Unit, UnitSpec};
use crate::dsp::box_cascade::BoxCascade;
use crate::dsp::delay::DelayLine;
use crate::dsp::math::{db_to_gain, exp2, gain_to_db, quantum};
use crate::dsp::simd::Class;
use crate::dsp::sliding_min::SlidingMin;
use crate::dsp::true_peak::{TruePeak, TruePeakFilters};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::{self, Values};

crate::params! {
    pub enum P {
        Ceiling = param::float("ceiling", "Ceiling", param::Unit::Decibel, (-24.0, 0.0), -1.0).step(0.1)
            .doc("Highest true peak of the output in dBTP; samples never exceed it."),
        Gain = param::float("gain", "Gain", param::Unit::Decibel, (0.0, 24.0), 0.0).step(0.1)
            .doc("Gain before the limiting."),
        Release = param::float("release", "Release", param::Unit::Millisecond, (5.0, 2000.0), 60.0).log()
            .doc("Time in which the gain gives back 63 % of its reduction once the hold is over."),
        Hold = param::float("hold", "Hold", param::Unit::Millisecond, (0.0, 20.0), 10.0).step(0.1).structural()
            .doc("Time the gain stays down after a peak; with the lookahead half a period of the lowest note keeps it clean."),
        Lookahead = param::float("lookahead", "Lookahead", param::Unit::Millisecond, (0.5, 10.0), 2.0).step(0.1).structural()
            .doc("Time in which the gain comes down before a peak; most of the unit's latency."),
        Link = param::float("link", "Link", param::Unit::Percent, (0.0, 100.0), 100.0).step(1.0)
            .doc("Share of the lowest gain of the channel's link group in its own; never above what the channel needs."),
    }
}

pub struct Limiter;

/// Gain that is left to give back before it is given back at once: 2^-36, −217 dB.
const SNAP: f64 = 1.0 / 68_719_476_736.0;
/// Above any input gain: what a frame of silence allows.
const FREE: f64 = 16.0;
/// Keeps a quotient under its true value.
const UNDER: f64 = 1.0 - 1.0 / (1u64 << 50) as f64;

/// What each channel has of its own.
struct Channel {
    detector: TruePeak,
    minimum: SlidingMin,
    /// Gain after the release stage, input gain included.
    released: f64,
    boxes: BoxCascade,
}

/// Audio half. Vectors have one entry a channel.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `to_detector` | audio under way to the frame whose peak is read | frame |
/// | `to_output` | from there through the lookahead | frame |
/// | `ceilings` | ceiling, full scale: the last quantum and this one | frame |
/// | `gains` | gain allowed, then applied | scratch |
/// | `drive` | input gain of this quantum | frame |
/// | `driven` | input gain at the end of the last one | quantum |
/// | `release_ms`, `keep` | release and its pole, worked out anew only when it moves | frame |
/// | `lowest` | lowest gain of the last quantum over the input gain | quantum |
pub struct LimiterUnit {
    class: Class,
    rate: f64,
    filters: TruePeakFilters,
    groups: Vec<Vec<usize>>,
    channels: Vec<Channel>,
    to_detector: DelayLine,
    to_output: DelayLine,
    ceilings: [f64; 2 * QUANTUM],
    gains: Vec<Frames>,
    drive: Frames,
    driven: f64,
    scratch: Vec<Frames>,
    release_ms: f64,
    keep: f64,
    lowest: f64,
}

/// One instruction each, unlike those of `f64`, which have rules for NaN.
#[inline(always)]
fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

#[inline(always)]
fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// The ceiling in full scale: the largest f32 not above `db`.
fn ceiling(db: f64) -> f64 {
    f32_below(db_to_gain(db))
}

/// The largest f32 that is not above `c`.
fn f32_below(c: f64) -> f64 {
    let f = c as f32;
    f64::from(if f64::from(f) > c { f32::from_bits(f.to_bits() - 1) } else { f })
}

fn frames(values: &Values, p: P, rate: f64) -> usize {
    libm::round(values.get(p) / 1000.0 * rate) as usize
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Limiter {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "limiter",
        name: "Limiter",
        doc: "True-peak limiter with lookahead and hold; samples never exceed the ceiling.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = LimiterUnit;

    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }

    fn build(format: &Format, values: &Values, (): ()) -> Result<LimiterUnit, Refusal> {
        let (n, rate) = (format.channels(), format.rate());
        let lookahead = frames(values, P::Lookahead, rate).max(1);
        let window = lookahead + frames(values, P::Hold, rate);
        let filters = TruePeakFilters::new(rate);
        let gain = db_to_gain(values.get(P::Gain));
        let channel = || Channel {
            detector: TruePeak::default(),
            minimum: SlidingMin::new(window, FREE),
            released: gain,
            boxes: BoxCascade::new(lookahead, FREE, gain),
        };
        let mut unit = LimiterUnit {
            class: Class::chosen(),
            rate,
            groups: format.layout.linked(),
            channels: (0..n).map(|_| channel()).collect(),
            to_detector: DelayLine::new(n, filters.delay()),
            to_output: DelayLine::new(n, lookahead - 1),
            filters,
            ceilings: [ceiling(values.get(P::Ceiling)); 2 * QUANTUM],
            gains: vec![SILENCE; n],
            drive: [gain; QUANTUM],
            driven: gain,
            scratch: vec![SILENCE; n],
            release_ms: values.get(P::Release),
            keep: 0.0,
            lowest: 1.0,
        };
        unit.keep = unit.pole(unit.release_ms);
        Ok(unit)
    }

    fn place() -> Place {
        Place::Ceiling
    }

    fn time_constant(_: &Format, values: &Values) -> f64 {
        // What was let in at the start is held before it is released.
        (values.get(P::Release) + values.get(P::Hold) + values.get(P::Lookahead)) / 1000.0
    }
}

impl Unit for LimiterUnit {
    type Parts = ();

    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}

    fn process(&mut self, block: &mut Block<'_>) {
        self.glides(block);
        self.allow(block.audio);
        self.link(block.ramp(P::Link));
        for (channel, g) in self.channels.iter_mut().zip(&mut self.gains) {
            channel.minimum.process(g);
        }
        self.release(block.ramp(P::Release));
        self.to_output.process(&self.scratch, block.audio);
        for ((channel, g), audio) in self.channels.iter_mut().zip(&mut self.gains).zip(block.audio.iter_mut())
        {
            channel.boxes.process(g);
            audio.iter_mut().zip(g).for_each(|(x, g)| *x *= *g);
        }
    }

    fn reset(&mut self) {
        for c in &mut self.channels {
            c.detector.reset();
            c.minimum.reset();
            c.released = self.driven;
            c.boxes.reset(self.driven);
        }
        self.to_detector.reset();
        self.to_output.reset();
        let c = self.ceilings[2 * QUANTUM - 1];
        self.ceilings.fill(c);
        self.lowest = 1.0;
    }

    fn latency(&self) -> usize {
        self.to_detector.latency() + self.to_output.latency()
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = Some(-gain_to_db(self.lowest));
    }
}

impl LimiterUnit {
    /// This quantum's input gains, and its ceilings behind those of the last.
    fn glides(&mut self, block: &Block<'_>) {
        self.drive = block.ramp(P::Gain).gains(self.class);
        self.ceilings.copy_within(QUANTUM.., 0);
        let ceilings = &mut self.ceilings[QUANTUM..];
        match block.ramp(P::Ceiling) {
            Ramp::Hold(db) => ceilings.fill(ceiling(db)),
            ramp => {
                let gains = ramp.gains(self.class);
                ceilings.iter_mut().zip(gains).for_each(|(c, g)| *c = f32_below(g));
            }
        }
    }

    /// The gain each frame allows by itself; leaves the audio aligned with it in `scratch`.
    fn allow(&mut self, audio: &[Frames]) {
        self.to_detector.process(audio, &mut self.scratch);
        let ceilings = &self.ceilings[QUANTUM - self.filters.delay()..];
        let channels = self.channels.iter_mut().zip(&mut self.gains);
        for ((channel, g), (input, x)) in channels.zip(audio.iter().zip(&self.scratch)) {
            channel.detector.process(&self.filters, input, g);
            for ((g, x), c) in g.iter_mut().zip(x).zip(ceilings) {
                let peak = max(x.abs(), *g);
                // A peak at the ceiling itself allows exactly 1.
                let least = if peak <= *c { 1.0 } else { 0.0 };
                *g = min(max(c / peak * UNDER, least), FREE);
            }
        }
    }

    /// Draws the channels of each group towards the lowest gain among them, never above their own.
    fn link(&mut self, link: Ramp<'_>) {
        for group in self.groups.iter().filter(|g| g.len() > 1) {
            let mut lowest = [FREE; QUANTUM];
            for &c in group {
                lowest.iter_mut().zip(&self.gains[c]).for_each(|(l, g)| *l = min(*g, *l));
            }
            for &c in group {
                let drive = lowest.iter().zip(&self.drive);
                for (i, (g, (low, drive))) in self.gains[c].iter_mut().zip(drive).enumerate() {
                    let l = 0.01 * link.at(i);
                    // Reductions are shared, and those count from the input gain.
                    let own = if low < drive { min(*g, *drive) } else { *g };
                    *g = min(*g, l * low + (1.0 - l) * own);
                }
            }
        }
    }

    /// Down at once (the boxes smooth it), up with the release. A moving input gain is followed where
    /// the limiter leaves room: it lifts what has been released with it, and never pulls it down.
    fn release(&mut self, release: Ramp<'_>) {
        let mut keep = [self.keep; QUANTUM];
        match release {
            Ramp::Hold(ms) if ms == self.release_ms => {}
            ramp => {
                keep.iter_mut().enumerate().for_each(|(i, k)| *k = self.octaves(ramp.at(i)));
                quantum::exp2(self.class, &mut keep);
                (self.release_ms, self.keep) = (ramp.last(), keep[QUANTUM - 1]);
            }
        }
        let (mut lift, mut before) = ([1.0; QUANTUM], self.driven);
        for (l, d) in lift.iter_mut().zip(&self.drive) {
            *l = max(d / before, 1.0);
            before = *d;
        }
        self.driven = before;
        self.lowest = 1.0;
        for (channel, g) in self.channels.iter_mut().zip(&mut self.gains) {
            let mut s = channel.released;
            for (i, g) in g.iter_mut().enumerate() {
                let goal = min(*g, self.drive[i]);
                let below = s * lift[i] - goal;
                s = if below > -SNAP { goal } else { goal + below * keep[i] };
                *g = s;
            }
            channel.released = s;
            for (g, d) in g.iter().zip(&self.drive) {
                self.lowest = min(g / d, self.lowest);
            }
        }
    }

    /// The pole of the release.
    fn pole(&self, release_ms: f64) -> f64 {
        exp2(self.octaves(release_ms))
    }

    /// Its base-2 logarithm: what the boxes add to 63 % is taken out of the time stated.
    fn octaves(&self, release_ms: f64) -> f64 {
        let (mean, variance) = self.channels.first().map_or((0.0, 0.0), |c| c.boxes.moments());
        let stated = release_ms / 1000.0 * self.rate;
        let tau = stated - mean - 0.5 * variance / stated;
        -std::f64::consts::LOG2_E / if tau > 1.0 { tau } else { 1.0 }
    }
}

#[cfg(test)]
mod signals;
#[cfg(test)]
mod tests;
