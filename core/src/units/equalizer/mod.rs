// SPDX-License-Identifier: MIT OR Apache-2.0
//! `equalizer`: 24 bands in series, each with its shape and its place in the stereo picture.
//!
//! Bands that do nothing are left out of the design, so neutral settings pass every bit. Designs are
//! stated in [`crate::dsp::filters`]; how bells and shelves move with the level, in `dynamic.rs`; how a new one is taken in without a click, in `audio.rs`.

mod audio;
mod cascade;
mod design;
mod dynamic;
#[cfg(test)]
mod dynamic_tests;
#[cfg(test)]
mod exchange_tests;
mod history;
mod linear;
#[cfg(test)]
mod linear_tests;
mod listen;
#[cfg(test)]
mod tests;

pub use audio::EqualizerUnit;
pub use design::{Band, Design, Route};
pub use listen::Region;

use super::{Format, Kind, Notes, Refusal, UnitSpec};
use crate::param::{self, Choice, ParamIndex, ParamSpec, Repeat, Values};

/// Bands in series.
pub const BANDS: usize = 24;

crate::params! {
    pub enum P {
        Output = param::float("output", "Output", param::Unit::Decibel, (-24.0, 18.0), 0.0).step(0.1)
            .doc("Level change after the last band."),
        Phase = param::choice("phase", "Phase", PHASES, 0)
            .doc("The phase of the bands that follow the unit. Linear and mixed phase delay by half of `length`."),
        Length = param::choice("length", "Length", LENGTHS, 1)
            .doc("How long the kernels of linear and mixed phase are: longer ones are exact at lower frequencies."),
        AutoGain = param::toggle("auto_gain", "Auto gain", false)
            .doc("Takes back what the bands add to the loudness or take from it, before `output`: up to 12 dB, 63 % of a change in 3 s but no faster than 1 dB per second; it stands still below -70 LUFS."),
    }
}

const PHASES: &[Choice] = &[
    Choice { symbol: "minimum", doc: "As an analog equalizer; no delay." },
    Choice {
        symbol: "linear",
        doc: "All frequencies are delayed alike; narrow and low bands ring before the sound, too.",
    },
    Choice {
        symbol: "mixed",
        doc: "Minimum phase below 150 Hz, linear above 300 Hz: little ringing before the sound.",
    },
];

/// Choices of [`P::Phase`].
const PHASE_MINIMUM: usize = 0;
const PHASE_LINEAR: usize = 1;

const LENGTHS: &[Choice] = &[
    Choice { symbol: "low", doc: "85 ms, a delay of 43 ms: for bands above 300 Hz." },
    Choice { symbol: "medium", doc: "341 ms, a delay of 171 ms: for bands above 80 Hz." },
    Choice { symbol: "high", doc: "1365 ms, a delay of 683 ms: down to 30 Hz." },
];

crate::params! {
    /// The parameters of one band.
    pub enum B {
        On = param::toggle("on", "On", true).designed()
            .doc("Off: the band is left out."),
        Shape = param::choice("shape", "Shape", SHAPES, 0).designed()
            .doc("What the band does to the spectrum."),
        Freq = param::float("freq", "Frequency", param::Unit::Hertz, (10.0, 40_000.0), 1000.0).log().designed()
            .doc("Centre of a bell, notch, band-pass, all-pass or tilt; middle of a shelf; -3 dB point of a high-pass, low-pass or Baxandall shelf, -6 dB point of a Linkwitz-Riley filter. It may lie above half the sample rate."),
        Gain = param::float("gain", "Gain", param::Unit::Decibel, (-30.0, 30.0), 0.0).step(0.1).designed()
            .doc("Gain of a bell or shelf; of a tilt, the difference between its two ends; the boost of a passive shape."),
        Q = param::float("q", "Q", param::Unit::None, (0.1, 40.0), std::f64::consts::FRAC_1_SQRT_2).log().designed()
            .doc("Narrowness of a bell, notch, band-pass or all-pass, overshoot of a shelf; the others have none. See `width`."),
        Order = param::integer("order", "Order", (1, 16), 2)
            .doc("Slope of a high-pass or low-pass: 6 dB per octave each. Butterworth has all of them, Linkwitz-Riley 2, 4, 8 and 16."),
        Channel = param::choice("channel", "Channel", CHANNELS, 0).designed()
            .doc("The channels the band works on; left, right, mid and side mean every stereo pair of the layout."),
        Width = param::choice("width", "Width", WIDTHS, 0).designed()
            .doc("What states the width of a bell or shelf."),
        Slope = param::float("slope", "Slope", param::Unit::None, (0.1, 1.0), 1.0).step(0.01).designed()
            .doc("Steepness of a shelf whose width is stated by `slope`; 1 is the steepest without a bump."),
        Cut = param::float("cut", "Cut", param::Unit::Decibel, (0.0, 30.0), 0.0).step(0.1).designed()
            .doc("The cut of a passive shape, at the same time as its boost."),
        CutFreq = param::float("cut_freq", "Cut frequency", param::Unit::Hertz, (1000.0, 40_000.0), 10_000.0).log().designed()
            .doc("Where the cut of `passive_high` has lost all but 3 dB; that of `passive_low` follows the frequency."),
        Phase = param::choice("phase", "Phase", BAND_PHASES, 0).designed()
            .doc("Whether the band has the phase of the unit or stays at minimum phase."),
        Range = param::float("range", "Range", param::Unit::Decibel, (-30.0, 30.0), 0.0).step(0.1).designed()
            .doc("How far a bell or shelf moves at most with the level, in front of its static gain: down or up; 0: it stands still. A band that moves stays at minimum phase."),
        Threshold = param::float("threshold", "Threshold", param::Unit::Decibel, (-80.0, 0.0), -30.0).step(0.1).designed()
            .doc("Level above which a band with a range moves: of a sine in full scale, of the part of the detector's input on which the band works."),
        Ratio = param::float("ratio", "Ratio", param::Unit::Ratio, (1.0, 100.0), 4.0).log().step(0.1).designed()
            .doc("A band moves by 1 − 1/ratio dB for each dB above the threshold, towards its range; 1: it stands still."),
        Attack = param::float("attack", "Attack", param::Unit::Millisecond, (1.0, 500.0), 10.0).log().designed()
            .doc("Time in which a move covers 63 % of its way in dB."),
        Release = param::float("release", "Release", param::Unit::Millisecond, (5.0, 5000.0), 100.0).log().designed()
            .doc("Time in which a move goes back 63 % of its way in dB."),
        Detector = param::choice("detector", "Detector", DETECTORS, 0).designed()
            .doc("What a band with a range listens to, at its own frequency; linked channels move together, by the largest move."),
    }
}

const SHAPES: &[Choice] = &[
    Choice { symbol: "bell", doc: "Boost or cut around the frequency." },
    Choice { symbol: "low_shelf", doc: "Boost or cut below the frequency." },
    Choice { symbol: "high_shelf", doc: "Boost or cut above the frequency." },
    Choice { symbol: "highpass", doc: "Removes what is below the frequency." },
    Choice { symbol: "lowpass", doc: "Removes what is above the frequency." },
    Choice { symbol: "notch", doc: "Removes the frequency alone." },
    Choice { symbol: "bandpass", doc: "Leaves what is around the frequency." },
    Choice { symbol: "allpass", doc: "Turns the phase and leaves the level." },
    Choice { symbol: "tilt", doc: "Lowers one side of the frequency and raises the other." },
    Choice { symbol: "baxandall_low", doc: "A first-order low shelf, as of a tone control." },
    Choice {
        symbol: "baxandall_high",
        doc: "A first-order high shelf; at 20 to 40 kHz it lifts the air alone.",
    },
    Choice { symbol: "passive_low", doc: "A low boost and, of another slope and higher up, a low cut." },
    Choice { symbol: "passive_high", doc: "A bell and a first-order high cut." },
    Choice { symbol: "lr_highpass", doc: "A Linkwitz-Riley high-pass." },
    Choice { symbol: "lr_lowpass", doc: "A Linkwitz-Riley low-pass." },
];

/// What a band does to the spectrum; the order of its choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Bell,
    LowShelf,
    HighShelf,
    Highpass,
    Lowpass,
    Notch,
    Bandpass,
    Allpass,
    Tilt,
    BaxandallLow,
    BaxandallHigh,
    PassiveLow,
    PassiveHigh,
    LrHighpass,
    LrLowpass,
}

impl Shape {
    /// By index of the choice.
    pub const ALL: [Shape; 15] = [
        Shape::Bell,
        Shape::LowShelf,
        Shape::HighShelf,
        Shape::Highpass,
        Shape::Lowpass,
        Shape::Notch,
        Shape::Bandpass,
        Shape::Allpass,
        Shape::Tilt,
        Shape::BaxandallLow,
        Shape::BaxandallHigh,
        Shape::PassiveLow,
        Shape::PassiveHigh,
        Shape::LrHighpass,
        Shape::LrLowpass,
    ];
}

const WIDTHS: &[Choice] = &[
    Choice { symbol: "q", doc: "`q` alone." },
    Choice {
        symbol: "proportional",
        doc: "`q` at 24 dB and a quarter of it at 0 dB, of a bell: small moves are wide, large ones narrow.",
    },
    Choice { symbol: "slope", doc: "`slope`, of a shelf of second order." },
];

const BAND_PHASES: &[Choice] = &[
    Choice { symbol: "unit", doc: "As the unit's `phase` says." },
    Choice { symbol: "minimum", doc: "Minimum phase, behind the bands of another." },
];

/// Choice of [`B::Phase`].
const BAND_MINIMUM: usize = 1;

const CHANNELS: &[Choice] = &[
    Choice { symbol: "stereo", doc: "All channels." },
    Choice { symbol: "left", doc: "The left channels." },
    Choice { symbol: "right", doc: "The right channels." },
    Choice { symbol: "mid", doc: "What the two channels of a pair have in common." },
    Choice { symbol: "side", doc: "What the two channels of a pair differ by." },
];

const DETECTORS: &[Choice] = &[
    Choice { symbol: "input", doc: "The input of the band." },
    Choice { symbol: "sidechain", doc: "The sidechain of the slot; `self` is the input of the first band." },
];

/// The index of a parameter of band `band`, counted from 0.
pub fn band_param(band: usize, p: B) -> ParamIndex {
    ParamIndex((P::SPECS.len() + band * B::SPECS.len()) as u16 + p as u16)
}

pub struct Equalizer;

#[allow(clippy::disallowed_methods, reason = "control half")]
impl Kind for Equalizer {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "equalizer",
        name: "Equalizer",
        doc: "Up to 24 parametric bands in series, each on all channels or on left, right, mid or side; bells and shelves also move with the level.",
        params: P::SPECS,
        repeat: Some(Repeat { prefix: "band", name: "Band", count: BANDS, params: B::SPECS }),
        sidechain: true,
        sound: 2,
    };
    type Unit = EqualizerUnit;

    fn design(format: &Format, values: &Values, notes: &mut Notes) -> Result<Box<Design>, Refusal> {
        Ok(Box::new(Design::new(format, values, notes)))
    }

    fn build(format: &Format, values: &Values, parts: Box<Design>) -> Result<EqualizerUnit, Refusal> {
        let linear = linear::Plan::new(format, values).map(|plan| linear::Linear::new(format, &plan));
        Ok(EqualizerUnit::new(format, parts, linear))
    }

    fn designs_long(values: &Values) -> bool {
        values.choice(P::Phase) != PHASE_MINIMUM
    }

    fn listen() -> Option<ParamSpec> {
        let bands = param::integer("listen", "Listen", (0, BANDS as i32), 0);
        Some(bands.doc("The band whose part of the input is heard at the monitor; 0: none."))
    }

    fn time_constant(format: &Format, values: &Values) -> f64 {
        // A kernel forgets at its end, which is as long after its delay as the delay itself.
        let kernel = linear::Plan::new(format, values).map_or(0.0, |plan| plan.delay() as f64 / 5.0);
        let d = Design::cascade(format, values);
        let filters = d.time_constant().max(kernel) / format.rate();
        let moves = d.dynamics.iter().flatten().fold(filters, |t, d| t.max(d.slowest));
        moves.max(if values.on(P::AutoGain) { crate::units::auto_gain::WINDOW } else { 0.0 })
    }
}
