// SPDX-License-Identifier: MIT OR Apache-2.0
//! `stereo`: rotation, balance, mid against side, width, mono bass and a guard of the correlation, in this
//! order. Works on every pair of left and right of the layout; channels without a partner pass, as late as the
//! others. Neutral settings pass every bit.
//!
//! Rotation turns `[L; R]` by the angle: a quarter turn of 45° brings the middle to the right alone. Width is the
//! gain of the side `S = (L − R)/2`; with constant power both it and the mid `M = (L + R)/2` get `√(2/(1 + w²))`, so
//! that `M² + w²S²` stays for mid and side of equal power. The mono maker is in `mono.rs`, the guard in `guard.rs`, and
//! `change.rs` brings a new design in without a click.

mod change;
mod guard;
mod mono;
mod picture;
#[cfg(test)]
mod tests;

use self::guard::Guard;
use self::mono::{Mono, MonoMaker, Slope};
use self::picture::{Balance, Picture};
use super::{Block, Format, Kind, Notes, Readings, Refusal, Unit, UnitSpec};
use crate::dsp::simd::Class;
use crate::dsp::{Frames, QUANTUM};
use crate::param::{self, Choice, ParamSpec, Values};

crate::params! {
    pub enum P {
        Width = param::float("width", "Width", param::Unit::Percent, (0.0, 200.0), 100.0).step(1.0)
            .doc("Gain of the side: 0 % is mono, 200 % twice the side."),
        ConstantPower = param::toggle("constant_power", "Constant power", false)
            .doc("Lowers the level as the width grows and lifts it as it shrinks, so that equally strong mid and side keep their power."),
        MidSide = param::float("mid_side", "Mid/side", param::Unit::Decibel, (-24.0, 24.0), 0.0).step(0.1)
            .doc("Level of the side against the mid: half of it lifts the one and half lowers the other."),
        Rotation = param::float("rotation", "Rotation", param::Unit::Degree, (-90.0, 90.0), 0.0).step(0.5)
            .doc("Turns the stereo picture to the right (above 0) or to the left; at 45 degrees what was in the middle is at one side."),
        Balance = param::float("balance", "Balance", param::Unit::Percent, (-100.0, 100.0), 0.0).step(1.0).designed()
            .doc("Attenuates the right (below 0) or left (above 0) channels; unity at the centre."),
        MonoSlope = param::choice("mono_slope", "Mono slope", SLOPES, 0).designed()
            .doc("How the side is removed below the mono frequency."),
        MonoFreq = param::float("mono_freq", "Mono frequency", param::Unit::Hertz, (20.0, 500.0), 120.0).log().step(1.0).designed()
            .doc("Where the side is down by 3 dB (`first`) or 6 dB (`lr2`, `lr4`)."),
        MonoPhase = param::choice("mono_phase", "Mono phase", PHASES, 0)
            .doc("Phase of what removes the side. Linear phase delays by 43 ms."),
        Guard = param::toggle("guard", "Correlation guard", false)
            .doc("Narrows the side where the correlation of left and right would fall below its limit."),
        GuardMin = param::float("guard_min", "Guard limit", param::Unit::None, (-0.9, 0.9), 0.0).step(0.05)
            .doc("Least correlation, as a mean over 300 ms; the side goes down within 100 ms and comes back within 500 ms."),
    }
}

const SLOPES: &[Choice] = &[
    Choice { symbol: "off", doc: "Leaves the side." },
    Choice { symbol: "first", doc: "6 dB per octave, for vinyl; the mid keeps every bit of its phase." },
    Choice { symbol: "lr2", doc: "Linkwitz-Riley, 12 dB per octave." },
    Choice { symbol: "lr4", doc: "Linkwitz-Riley, 24 dB per octave." },
];

const PHASES: &[Choice] = &[
    Choice { symbol: "minimum", doc: "No delay; an all-pass gives the mid the phase of the side." },
    Choice { symbol: "linear", doc: "Mid and side keep their phase." },
];

/// Choice of [`P::MonoPhase`].
const PHASE_LINEAR: usize = 1;

const LISTEN: &[Choice] = &[
    Choice { symbol: "off", doc: "Nothing." },
    Choice { symbol: "mid", doc: "What the two channels of a pair have in common, at the output." },
    Choice { symbol: "side", doc: "What they differ by, at the output." },
];

/// Choice of what is listened to.
const LISTEN_MID: u16 = 1;

pub struct Stereo;

/// Everything that `balance` and the mono maker's parameters ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    balance: [f64; 2],
    mono: Mono,
}

fn is_linear(values: &Values) -> bool {
    values.choice(P::MonoPhase) == PHASE_LINEAR
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Stereo {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "stereo",
        name: "Stereo",
        doc: "Width, mid/side balance, rotation and balance of every stereo pair, mono bass with a phase-matched mid, and a correlation guard.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = StereoUnit;

    fn design(format: &Format, values: &Values, _: &mut Notes) -> Result<Design, Refusal> {
        let b = values.get(P::Balance) * 0.01;
        let slope = Slope::ALL[values.choice(P::MonoSlope).min(Slope::ALL.len() - 1)];
        let mono = Mono::new(slope, values.get(P::MonoFreq), is_linear(values), format.rate());
        Ok(Design { balance: [1.0 - b.max(0.0), 1.0 + b.min(0.0)], mono })
    }

    fn build(format: &Format, values: &Values, parts: Design) -> Result<StereoUnit, Refusal> {
        let pairs = format.layout.pairs();
        Ok(StereoUnit {
            class: Class::chosen(),
            balance: Balance::new(parts.balance, format.sample_rate),
            guard: Guard::new(pairs.len(), format.rate()),
            mono: MonoMaker::new(parts, format, is_linear(values)),
            pairs,
        })
    }

    fn listen() -> Option<ParamSpec> {
        let what = param::choice("listen", "Listen", LISTEN, 0);
        Some(what.doc("The part of the output that is heard at the monitor."))
    }

    fn time_constant(format: &Format, values: &Values) -> f64 {
        let guard = if values.on(P::Guard) { guard::SLOWEST } else { 0.0 };
        let slope = Slope::ALL[values.choice(P::MonoSlope).min(Slope::ALL.len() - 1)];
        guard.max(mono::time_constant(slope, values.get(P::MonoFreq), is_linear(values), format.rate()))
    }

    fn designs_long(values: &Values) -> bool {
        is_linear(values)
    }
}

/// Audio half.
pub struct StereoUnit {
    class: Class,
    /// Channels of left and right of each pair.
    pairs: Vec<(usize, usize)>,
    balance: Balance,
    mono: MonoMaker,
    guard: Guard,
}

impl Unit for StereoUnit {
    type Parts = Design;

    fn exchange(&mut self, parts: &mut Option<Design>, at: usize) {
        if let Some(design) = parts {
            self.balance.go(design.balance, at);
        }
        self.mono.exchange(parts, at);
    }

    fn process(&mut self, block: &mut Block<'_>) {
        let picture = Picture::new(block, &mut self.balance, self.class);
        for pair in &self.pairs {
            picture.apply(block.audio, *pair);
        }
        self.mono.process(&self.pairs, block.audio);
        let (on, limit) = (block.ramp(P::Guard), block.ramp(P::GuardMin));
        self.guard.process(on, limit, &self.pairs, block.audio);
        if let Some(listen) = &mut block.listen {
            for (l, r) in &self.pairs {
                let (mid, side) = mid_side(&block.audio[*l], &block.audio[*r]);
                let heard = if listen.what == LISTEN_MID { mid } else { side };
                listen.out[*l] = heard;
                listen.out[*r] = heard;
            }
        }
    }

    fn reset(&mut self) {
        self.mono.reset();
        self.guard.reset();
    }

    fn latency(&self) -> usize {
        self.mono.latency()
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = self.guard.reduction();
    }
}

/// Audio thread. Mid and side of a pair.
#[inline(always)]
fn mid_side(left: &Frames, right: &Frames) -> (Frames, Frames) {
    let (mut mid, mut side) = (*left, *left);
    for i in 0..QUANTUM {
        mid[i] = (left[i] + right[i]) * 0.5;
        side[i] = (left[i] - right[i]) * 0.5;
    }
    (mid, side)
}
