// SPDX-License-Identifier: MIT OR Apache-2.0
//! `clipper`: cuts what lies above a ceiling, with a corner or a knee, at a higher rate and with second-order
//! antiderivative antialiasing.
//!
//! At that rate no sample is above the ceiling. On the way down a clipped wave loses what its edges had above
//! half the sample rate, and a wave without that rings over the ceiling: a tone of 5 kHz driven 12 dB over it by
//! 1.4 dB, noise by 3.1 dB, with or without a knee. So a limiter follows where a ceiling is promised to someone.
//!
//! Below the ceiling the sound passes as through the filters of the higher rate alone: within 0.005 dB to
//! 20 kHz, in phase, late by a constant whole number of frames, which only `quality` changes.

use super::top_rate::{self, NORMAL, Past, QUALITIES, Tracks, Waiting, factor};
use super::{Block, Format, Kind, Notes, Place, Readings, Refusal, Unit, UnitSpec};
use crate::dsp::Frames;
use crate::dsp::adaa::Clip;
use crate::dsp::math::{db_to_gain, gain_to_db};
use crate::dsp::shaping::{Lane, Shaper, Shaping};
use crate::dsp::simd::Class;
use crate::param::{self, ParamSpec, Values};

crate::params! {
    pub enum P {
        Ceiling = param::float("ceiling", "Ceiling", param::Unit::Decibel, (-24.0, 0.0), 0.0).step(0.1)
            .doc("Level in dBFS that nothing exceeds at the rate the unit works at; the sample rate's own filter then rings over it."),
        Gain = param::float("gain", "Gain", param::Unit::Decibel, (-24.0, 36.0), 0.0).step(0.1)
            .doc("Gain before the clipping."),
        Knee = param::float("knee", "Knee", param::Unit::Percent, (0.0, 100.0), 0.0).step(1.0)
            .doc("How far below the ceiling the bend begins, in percent of the ceiling, and as far above it it ends; 0 is a corner."),
        Quality = param::choice("quality", "Quality", QUALITIES, NORMAL)
            .doc("Times the sample rate that the unit works at, at 44.1 and 48 kHz; half as many at twice the rate, but at least 2."),
    }
}

pub struct Clipper;

/// What each channel has of its own.
struct Channel {
    lane: Lane,
    clip: Clip,
}

/// Audio half.
pub struct ClipperUnit {
    class: Class,
    shaping: Shaping,
    channels: Vec<Channel>,
    /// Half width of the knee at the top rate, of the ceiling.
    knee: Tracks<1>,
    /// The ceiling and the gain of the audio that comes out.
    ceiling: Waiting,
    gain: Waiting,
    past: Past,
    /// Largest sample at the top rate over the ceiling, of the last quantum.
    over: f64,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Clipper {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "clipper",
        name: "Clipper",
        doc: "Clips at a ceiling, hard or with a knee, without audible aliases.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = ClipperUnit;

    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }

    fn build(format: &Format, values: &Values, (): ()) -> Result<ClipperUnit, Refusal> {
        let (n, rate) = (format.channels(), format.rate());
        let shaping = Shaping::new(rate, factor(values.choice(P::Quality), rate), Shaper::Mean);
        let waiting = |p| Waiting::new(shaping.latency(), db_to_gain(values.get(p)));
        Ok(ClipperUnit {
            class: Class::chosen(),
            channels: (0..n).map(|_| Channel { lane: shaping.lane(), clip: Clip::default() }).collect(),
            knee: Tracks::new(shaping.factor(), [0.01 * values.get(P::Knee)]),
            ceiling: waiting(P::Ceiling),
            gain: waiting(P::Gain),
            past: Past::new(n, shaping.latency()),
            over: 1.0,
            shaping,
        })
    }

    fn place() -> Place {
        Place::Clips
    }

    fn listen() -> Option<ParamSpec> {
        Some(top_rate::delta())
    }
}

impl Unit for ClipperUnit {
    type Parts = ();

    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}

    fn process(&mut self, block: &mut Block<'_>) {
        self.past.remember(block);
        let knee = block.ramp(P::Knee);
        self.knee.follow(knee.is_moving(), |i| [0.01 * knee.at(i)]);
        let mut gain = block.ramp(P::Gain).gains(self.class);
        let mut ceiling = block.ramp(P::Ceiling).gains(self.class);
        let into: Frames = std::array::from_fn(|i| gain[i] / ceiling[i]);
        self.gain.turn(&mut gain);
        self.ceiling.turn(&mut ceiling);
        let [knee] = self.knee.rows();
        self.over = 1.0;
        for (channel, audio) in self.channels.iter_mut().zip(block.audio.iter_mut()) {
            audio.iter_mut().zip(&into).for_each(|(x, g)| *x *= g);
            let top = channel.lane.up(&self.shaping, audio);
            self.over = top.iter().fold(self.over, |m, x| if x.abs() > m { x.abs() } else { m });
            channel.clip.process(self.shaping.width(), top, knee);
            channel.lane.down(&self.shaping, audio);
            audio.iter_mut().zip(&ceiling).for_each(|(x, c)| *x *= c);
        }
        self.past.difference(block, &gain);
    }

    fn reset(&mut self) {
        for c in &mut self.channels {
            c.lane.reset();
            c.clip.reset();
        }
        self.gain.reset();
        self.ceiling.reset();
        self.past.reset();
        self.over = 1.0;
    }

    fn latency(&self) -> usize {
        self.shaping.latency()
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = Some(gain_to_db(self.over));
    }
}

#[cfg(test)]
mod tests;
