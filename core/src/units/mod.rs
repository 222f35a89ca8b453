// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processors a rack can hold, one file each, and the `CATALOG` that lists them.
//!
//! A unit has two halves. The control half ([`Kind`]) is pure in (format, values): it designs and
//! builds, may allocate and may refuse. The audio half ([`Unit`]) cannot fail, allocate, free or wait.
//! A new unit is one new file and one line in [`CATALOG`].
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod auto_gain;
mod block;
mod channels;
pub mod clipper;
pub mod compressor;
pub mod dither;
pub mod equalizer;
mod erased;
pub mod gain;
pub mod limiter;
#[cfg(test)]
pub(crate) mod rig;
pub mod saturator;
pub mod stereo;
#[cfg(test)]
mod tones;
mod top_rate;

pub use block::{Block, Glides, Listen, Ramp};
pub use channels::{Format, Layout, NAMED, Role};
pub use erased::{AnyKind, AnyUnit, Erased};

use crate::dsp::QUANTUM;
use crate::param::{self, ParamIndex, ParamSpec, ParamTable, Repeat, Values};

/// Every kind of unit there is, in the order in which they are listed to people.
pub static CATALOG: &[&dyn AnyKind] = &[
    &Erased::<gain::Gain>::NEW,
    &Erased::<equalizer::Equalizer>::NEW,
    &Erased::<compressor::Compressor>::NEW,
    &Erased::<stereo::Stereo>::NEW,
    &Erased::<saturator::Saturator>::NEW,
    &Erased::<clipper::Clipper>::NEW,
    &Erased::<limiter::Limiter>::NEW,
    &Erased::<dither::Dither>::NEW,
];

/// The kind with this symbol.
pub fn find(symbol: &str) -> Option<&'static dyn AnyKind> {
    CATALOG.iter().copied().find(|k| k.spec().symbol == symbol)
}

/// What a kind of unit says of itself.
#[derive(Debug)]
pub struct UnitSpec {
    /// Stable id, as in `unit = "equalizer"`.
    pub symbol: &'static str,
    pub name: &'static str,
    /// One or two sentences for people.
    pub doc: &'static str,
    pub params: &'static [ParamSpec],
    /// A group of parameters that stands several times, after `params`.
    pub repeat: Option<Repeat>,
    /// True if the unit listens to a sidechain source.
    pub sidechain: bool,
    /// Raised by one whenever the same settings sound different from before.
    pub sound: u32,
}

impl UnitSpec {
    /// The unit's own parameters, without those every slot has.
    pub fn own_params(&self) -> ParamTable {
        let table = ParamTable::new(self.params);
        match &self.repeat {
            Some(group) => table.repeat(group),
            None => table,
        }
    }
}

crate::params! {
    /// What every slot has without writing code for it; stands after the unit's own parameters.
    pub enum SlotParam {
        Bypass = param::toggle("bypass", "Bypass", false)
            .doc("Fades to the dry signal, delayed like the wet one; the unit keeps running."),
        Mix = param::float("mix", "Mix", param::Unit::Percent, (0.0, 100.0), 100.0)
            .doc("Share of the wet signal; exactly dry at 0 %, exactly wet at 100 %."),
    }
}

/// Where in a rack a unit may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    /// It holds a ceiling, which what comes after it may exceed.
    Ceiling,
    /// It cuts what is above a level, and its output still rings over that: it holds no ceiling.
    Clips,
    /// It makes the final integers: the last slot of the main path, and only once.
    Last,
}

/// Control half: pure in (format, values). No history, no clock. May allocate and refuse.
pub trait Kind: 'static {
    const SPEC: UnitSpec;
    type Unit: Unit;

    /// Makes the parts that the designed parameters ask for. What this rate cannot realise is clamped
    /// here and noted; the values stay as they are.
    fn design(
        format: &Format,
        values: &Values,
        notes: &mut Notes,
    ) -> Result<<Self::Unit as Unit>::Parts, Refusal>;

    /// Builds the audio half around its first parts.
    fn build(
        format: &Format,
        values: &Values,
        parts: <Self::Unit as Unit>::Parts,
    ) -> Result<Self::Unit, Refusal>;

    /// What of its work the unit lets one listen to at the monitor, `monitor/listen/<slot>`: a choice or an
    /// integer whose 0 is nothing. The value comes as [`Listen::what`].
    fn listen() -> Option<ParamSpec> {
        None
    }

    /// The longest time constant in seconds: how fast the unit forgets how it was started.
    fn time_constant(_format: &Format, _values: &Values) -> f64 {
        0.0
    }

    /// Where in a rack the unit may stand.
    fn place() -> Place {
        Place::Anywhere
    }

    /// True if a design may take longer than the few milliseconds that a change may wait for it.
    fn designs_long(_values: &Values) -> bool {
        false
    }
}

/// Audio half. Cannot fail, allocate, free or wait.
pub trait Unit: Send + 'static {
    /// Ready-made coefficients, kernels, impulse responses; `()` if none.
    type Parts: Send + 'static;

    /// Audio thread. Takes the parts offered and leaves an old set, or `None`, in their place.
    /// `at` is the frame of the coming quantum at which the change begins.
    fn exchange(&mut self, parts: &mut Option<Self::Parts>, at: usize);

    /// Audio thread. Exactly one quantum, in place, planar.
    fn process(&mut self, block: &mut Block<'_>);

    /// Audio thread. Back to the state after `build`.
    fn reset(&mut self);

    /// Frames, constant once built. A unit pads itself to an integer.
    fn latency(&self) -> usize {
        0
    }

    /// Audio thread. What the unit shows of its work in the last quantum.
    fn readings(&self, _out: &mut Readings) {}
}

/// What a unit shows of its work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Readings {
    /// Deepest gain reduction of the quantum in dB, ≥ 0; `None` for units that reduce nothing.
    pub gain_reduction: Option<f64>,
}

/// What a design could not do as asked, for people: "effective" values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes(pub Vec<Note>);

/// One note about one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub param: ParamIndex,
    pub text: String,
}

/// A unit that cannot be built as asked: the parameter if one is to blame, and why.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    pub param: Option<ParamIndex>,
    pub reason: String,
}

/// Frames of a ramp of `ms` milliseconds.
pub fn ramp_frames(ms: f64, sample_rate: u32) -> u32 {
    libm::round(ms * f64::from(sample_rate) / 1000.0).clamp(0.0, 1e9) as u32
}

/// Milliseconds that a change of a gliding parameter takes when nobody says otherwise.
pub const GLIDE_MS: f64 = 20.0;

/// Levels travel at most this many dB in [`GLIDE_MS`]; larger moves take longer in proportion.
const GLIDE_DB: f64 = 12.0;

/// Frames that a change of a gliding parameter from one value to another takes when nobody says otherwise.
pub fn glide_frames(spec: &ParamSpec, from: f64, to: f64, sample_rate: u32) -> u32 {
    let far = match spec.scale {
        param::Scale::Decibel => (to - from).abs() / GLIDE_DB,
        _ => 1.0,
    };
    ramp_frames(GLIDE_MS * far.max(1.0), sample_rate)
}

const _: () = assert!(QUANTUM == 64, "the latencies stated in the documents assume 64 frames");
