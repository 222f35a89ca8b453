// SPDX-License-Identifier: MIT OR Apache-2.0
//! `saturator`: harmonics of a tube stage, of tape, of a transformer, by number, or of a soft curve.
//!
//! What every model has in common: quiet sound keeps its level, whatever the drive, so that drive changes the
//! colour alone; sound that saturates loses level, which `auto_gain` gives back. Levels: a sine at 0 VU is
//! −18 dBFS. The model works at a higher rate, between filters of linear phase; the way takes a constant whole
//! number of frames, the same for every model. A quiet signal passes within 0.01 dB from 20 Hz to 20 kHz,
//! but for `tape_speed`.
//!
//! Asymmetric curves make a constant. What is below 5 Hz is taken from what the model adds, not from the sound
//! itself; so there is no high-pass in the way of a quiet signal.

mod audio;
mod model;
#[cfg(test)]
mod tests;

use super::top_rate::{self, NORMAL, QUALITIES};
use super::{Format, Kind, Notes, Refusal, UnitSpec, auto_gain};
use crate::dsp::tape_heads::Heads;
use crate::param::{self, Choice, ParamSpec, Values};
use audio::SaturatorUnit;

const MODELS: &[Choice] = &[
    Choice {
        symbol: "tube",
        doc: "A triode stage: mostly the second harmonic; loud passages shift its bias.",
    },
    Choice {
        symbol: "tape",
        doc: "Magnetic hysteresis after Jiles and Atherton: mostly the third harmonic.",
    },
    Choice { symbol: "transformer", doc: "A core that saturates with the flux: low frequencies only." },
    Choice {
        symbol: "harmonics",
        doc: "Harmonics 2 to 7 at stated levels, for a sine in full scale after the drive.",
    },
    Choice { symbol: "soft", doc: "A hyperbolic tangent." },
];

const SPEEDS: &[Choice] = &[
    Choice { symbol: "off", doc: "No losses." },
    Choice { symbol: "ips_7_5", doc: "7.5 inches per second." },
    Choice { symbol: "ips_15", doc: "15 inches per second." },
    Choice { symbol: "ips_30", doc: "30 inches per second." },
];

/// Inches per second, by the index of `tape_speed`.
const INCHES: [f64; 4] = [0.0, 7.5, 15.0, 30.0];

const HARMONIC_DOC: &str = "Level of this harmonic, re the fundamental, that model `harmonics` gives a sine in full scale after the drive.";

const fn harmonic(symbol: &'static str, name: &'static str, default: f64) -> ParamSpec {
    param::float(symbol, name, param::Unit::Decibel, (-120.0, -30.0), default).step(0.1).doc(HARMONIC_DOC)
}

crate::params! {
    pub enum P {
        Model = param::choice("model", "Model", MODELS, 0)
            .doc("What saturates."),
        Quality = param::choice("quality", "Quality", QUALITIES, NORMAL)
            .doc("Times the sample rate that the unit works at, at 44.1 and 48 kHz; half as many at twice the rate, but at least 2."),
        Drive = param::float("drive", "Drive", param::Unit::Decibel, (-24.0, 36.0), 0.0).step(0.1)
            .doc("Level into the model, taken back behind it."),
        Output = param::float("output", "Output", param::Unit::Decibel, (-24.0, 24.0), 0.0).step(0.1)
            .doc("Level change after everything else."),
        AutoGain = param::toggle("auto_gain", "Auto gain", false)
            .doc("Gives back the loudness that the model takes: up to 24 dB, 63 % of a change in 3 s but no faster than 3 dB per second; it stands still below -70 LUFS."),
        Asymmetry = param::float("asymmetry", "Asymmetry", param::Unit::Percent, (0.0, 100.0), 30.0).step(1.0)
            .doc("Even harmonics: how cold the tube is biased, how far the transformer's core is magnetised, how far off its middle the soft curve stands."),
        Grid = param::float("grid", "Grid time", param::Unit::Millisecond, (5.0, 50.0), 20.0).log().step(1.0)
            .doc("Time in which the tube's bias recovers by 63 % from what drove its grid positive."),
        TapeBias = param::float("tape_bias", "Tape bias", param::Unit::Percent, (0.0, 100.0), 75.0).step(1.0)
            .doc("Without bias the tape's hysteresis is whole and quiet sound is the least linear; with all of it little is left."),
        TapeSpeed = param::choice("tape_speed", "Tape speed", SPEEDS, 0)
            .doc("Losses of gap and spacing and the bump of the heads, model `tape`."),
        H2 = harmonic("h2", "2nd harmonic", -50.0),
        H3 = harmonic("h3", "3rd harmonic", -60.0),
        H4 = harmonic("h4", "4th harmonic", -120.0),
        H5 = harmonic("h5", "5th harmonic", -120.0),
        H6 = harmonic("h6", "6th harmonic", -120.0),
        H7 = harmonic("h7", "7th harmonic", -120.0),
    }
}

/// The models, in the order of the choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Tube,
    Tape,
    Transformer,
    Harmonics,
    Soft,
}

impl Name {
    const ALL: [Name; 5] = [Name::Tube, Name::Tape, Name::Transformer, Name::Harmonics, Name::Soft];

    fn chosen(values: &Values) -> Name {
        Name::ALL[values.choice(P::Model).min(Name::ALL.len() - 1)]
    }
}

pub struct Saturator;

impl Kind for Saturator {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "saturator",
        name: "Saturator",
        doc: "Tube, tape, transformer, stated harmonics or a soft curve, oversampled; quiet sound keeps its level.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = SaturatorUnit;

    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }

    fn build(format: &Format, values: &Values, (): ()) -> Result<SaturatorUnit, Refusal> {
        let inches = match Name::chosen(values) {
            Name::Tape => INCHES[values.choice(P::TapeSpeed).min(INCHES.len() - 1)],
            _ => 0.0,
        };
        let heads = (inches > 0.0).then(|| Heads::new(format.rate(), inches));
        Ok(SaturatorUnit::new(format, values, heads))
    }

    fn listen() -> Option<ParamSpec> {
        Some(top_rate::delta())
    }

    fn time_constant(_: &Format, values: &Values) -> f64 {
        let model = match Name::chosen(values) {
            Name::Tube => values.get(P::Grid) / 1000.0,
            Name::Tape => model::FRESH_TAPE,
            _ => 0.0,
        };
        let match_level = if values.on(P::AutoGain) { auto_gain::WINDOW } else { 0.0 };
        // Two low-passes in series take about twice as long as one.
        model.max(2.0 * audio::DC_SECONDS).max(match_level)
    }
}
