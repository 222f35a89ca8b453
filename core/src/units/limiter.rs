// SPDX-License-Identifier: MIT OR Apache-2.0
//! `limiter`: a true-peak limiter whose samples are never above the ceiling. Below the ceiling it passes
//! every bit, delayed.
//!
//! Why never: each frame `n` allows a gain `a[n] ≤ C[n] / max(|x[n]|, true peak)`; the minimum over the lookahead
//! and hold is no larger, leveller and peak stage together never let more through than that, and the smoothing
//! FIR is non-negative, sums to 1 and spans no more than the lookahead. So the gain that meets sample `n` is a
//! mean of values that are all ≤ `a[n]`. Means are taken of levels in dB, and a geometric mean is no larger than
//! its largest. Every rounding on the way is downwards, and the ceiling is an f32, so that rounding the result to
//! f32 cannot lift it above either.
//!
//! The stages: an optional soft clip takes the tips off the loudest peaks ([`clip`]); a slow leveller takes a
//! share of what lasts, the peak stage the rest ([`path`]); [`style`] says how they share the work.
//!
//! The input gain is not put onto the audio before: it is the other bound of the same gain path,
//! `min(input gain, minimum)`. A move of it while the limiter works then leaves the level at the
//! ceiling; put before the lookahead, a rise would duck the audio by what it rises in that time.

mod audio;
mod clip;
mod path;
mod style;

use super::{Format, Kind, Notes, Place, Refusal, UnitSpec};
use crate::dsp::soft_knee::DEEPEST_DB;
use crate::dsp::true_peak::Detail;
use crate::param::{self, Choice, ParamSpec, Values};
use audio::LimiterUnit;
use style::{STYLES, Style};

crate::params! {
    pub enum P {
        Ceiling = param::float("ceiling", "Ceiling", param::Unit::Decibel, (-24.0, 0.0), -1.0).step(0.1)
            .doc("Highest peak of the output: dBTP, or dBFS where the detector reads samples; samples never exceed it."),
        Gain = param::float("gain", "Gain", param::Unit::Decibel, (0.0, 24.0), 0.0).step(0.1)
            .doc("Gain before the limiting."),
        Release = param::float("release", "Release", param::Unit::Millisecond, (5.0, 2000.0), 60.0).log()
            .doc("Time in which the peak stage gives back 63 % of a reduction (dB) that lasted, once the hold is over; isolated peaks recover faster. Styles multiply it."),
        Hold = param::float("hold", "Hold", param::Unit::Millisecond, (0.0, 20.0), 10.0).step(0.1)
            .doc("Longest time the gain stays down after a peak, as low tones ask for it; with the lookahead half a period of the lowest note keeps it clean."),
        Lookahead = param::float("lookahead", "Lookahead", param::Unit::Millisecond, (0.5, 10.0), 4.0).step(0.1).structural()
            .doc("Time in which the gain comes down before a peak; most of the unit's latency. Styles multiply it."),
        Link = param::float("link", "Link", param::Unit::Percent, (0.0, 100.0), 100.0).step(1.0)
            .doc("Share of the link group's reduction of peaks (dB) in the channel's own; never less reduction than the channel needs."),
        LinkRelease = param::float("link_release", "Link release", param::Unit::Percent, (0.0, 100.0), 100.0).step(1.0)
            .doc("The same of the leveller's reduction, which lasts."),
        Style = param::choice("style", "Style", style::CHOICES, 0)
            .doc("How leveller and peak stage share the work, and how fast they are."),
        Detector = param::choice("detector", "Detector", DETECTORS, 0)
            .doc("What must stay below the ceiling."),
        Quality = param::choice("quality", "Quality", QUALITIES, 1)
            .doc("How closely true peaks are read, and how far the soft clip is oversampled."),
        Clip = param::toggle("clip", "Clip", false).structural()
            .doc("Puts a soft clip before the limiting; it adds latency."),
        ClipDepth = param::float("clip_depth", "Clip depth", param::Unit::Decibel, (0.0, DEEPEST_DB), 2.0).step(0.1)
            .doc("How much of the loudest peaks the soft clip takes at most."),
    }
}

const DETECTORS: &[Choice] = &[
    Choice { symbol: "true_peak", doc: "True peaks, between the samples too; the ceiling is in dBTP." },
    Choice { symbol: "sample", doc: "Samples alone; the ceiling is in dBFS." },
];

const QUALITIES: &[Choice] = &[
    Choice { symbol: "eco", doc: "True peaks as at normal; soft clip at 4 times the rate." },
    Choice {
        symbol: "normal",
        doc: "True peaks within 0.02 dB, of unfiltered edges within 0.12 dB; soft clip at 8 times the rate.",
    },
    Choice { symbol: "high", doc: "Unfiltered edges within 0.05 dB; soft clip at 16 times the rate." },
];

/// What someone may listen to.
const LISTENS: &[Choice] = &[
    Choice { symbol: "nothing", doc: "Main, as ever." },
    Choice { symbol: "delta", doc: "What the limiter takes away." },
    Choice { symbol: "unity_gain", doc: "The output at the loudness of the input: lower by the input gain." },
];

pub struct Limiter;

fn style(values: &Values) -> &'static Style {
    &STYLES[(values.get(P::Style) as usize).min(STYLES.len() - 1)]
}

/// Frames over which the gain comes down.
fn lookahead(values: &Values, rate: f64) -> usize {
    let ms = values.get(P::Lookahead) * style(values).lookahead;
    libm::round(ms / 1000.0 * rate).max(1.0) as usize
}

fn detail(values: &Values) -> (Detail, usize) {
    match values.get(P::Quality) as usize {
        0 => (Detail::Normal, 4),
        1 => (Detail::Normal, 8),
        _ => (Detail::High, 16),
    }
}

/// How often the soft clip oversamples: above 50 and 100 kHz less does as much.
fn clip_factor(factor: usize, rate: f64) -> usize {
    match rate {
        r if r < 50e3 => factor,
        r if r < 100e3 => factor / 2,
        _ => factor / 4,
    }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Limiter {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "limiter",
        name: "Limiter",
        doc: "True-peak limiter in two stages, with lookahead, hold and an optional soft clip; samples never exceed the ceiling.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 3,
    };
    type Unit = LimiterUnit;

    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }

    fn build(format: &Format, values: &Values, (): ()) -> Result<LimiterUnit, Refusal> {
        Ok(LimiterUnit::new(format, values))
    }

    fn listen() -> Option<ParamSpec> {
        let what = param::choice("listen", "Listen", LISTENS, 0);
        Some(what.doc("What of the limiter's work is heard at the monitor."))
    }

    fn place() -> Place {
        Place::Ceiling
    }

    fn time_constant(_: &Format, values: &Values) -> f64 {
        // What was let in at the start is held before it is released; a leveller forgets last.
        let style = style(values);
        let peak = values.get(P::Release) * style.release;
        let slowest = if style.share > 0.0 { peak * style.lasting } else { peak };
        (slowest + values.get(P::Hold) + values.get(P::Lookahead)) / 1000.0
    }
}

#[cfg(test)]
mod peak_tests;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod style_tests;
#[cfg(test)]
mod tests;
