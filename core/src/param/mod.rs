// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a control is: declared once in a unit's `params!` table, read by everyone else.
//!
//! A parameter's value is always one `f64` in the unit of its [`ParamSpec`]: toggles are 0 or 1,
//! choices are the index of the choice. Nothing here depends on a sample rate.

mod table;
mod text;

use std::borrow::Cow;

pub use table::{ParamIndex, ParamTable, Repeat, Values};
pub use text::{Fault, ValueError, quoted, short, suggest};

/// The physical unit a value is shown and written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    None,
    Decibel,
    Hertz,
    Millisecond,
    Percent,
    /// Compression ratio, shown as `n:1`.
    Ratio,
    /// Of angle.
    Degree,
}

impl Unit {
    /// The unit's sign as written after a number, empty for bare numbers.
    pub const fn sign(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Decibel => "dB",
            Unit::Hertz => "Hz",
            Unit::Millisecond => "ms",
            Unit::Percent => "%",
            Unit::Ratio => ":1",
            Unit::Degree => "deg",
        }
    }
}

/// One of the named values of a choice parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub symbol: &'static str,
    pub doc: &'static str,
}

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    Float,
    Integer,
    Toggle,
    Choice(&'static [Choice]),
}

/// How a fader position, a ramp or a morph travels through the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Equal steps are equal ratios (frequencies, times). The range must be above zero.
    Log,
    /// The value is a level in dB and travels linearly in dB.
    Decibel,
}

/// What a change of the value costs, and so how it is made without a click.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Ramped per frame by the slot; the unit reads this frame's value.
    Glide,
    /// Goes into a design made off the audio thread; new parts are exchanged in and crossfaded.
    Designed,
    /// Changes latency, memory or topology: a new plan and a crossfaded swap of the chain.
    Structural,
}

/// The declaration of one parameter. Built by [`float`], [`integer`], [`toggle`] or [`choice`].
#[derive(Clone, Debug)]
pub struct ParamSpec {
    /// Stable id, never renamed, no unit suffix: `[a-z][a-z0-9_]*`, groups joined by `/`.
    pub symbol: Cow<'static, str>,
    /// What a person reads.
    pub name: Cow<'static, str>,
    pub unit: Unit,
    pub kind: ParamKind,
    /// Lowest and highest value, inclusive.
    pub min: f64,
    pub max: f64,
    pub default: f64,
    pub scale: Scale,
    /// The step of a detent or an arrow key, 0 if there is none; values between steps are legal.
    pub step: f64,
    pub change: Motion,
    /// One sentence.
    pub doc: &'static str,
}

/// A continuous parameter that glides; change with the builder methods.
pub const fn float(
    symbol: &'static str,
    name: &'static str,
    unit: Unit,
    range: (f64, f64),
    default: f64,
) -> ParamSpec {
    ParamSpec {
        symbol: Cow::Borrowed(symbol),
        name: Cow::Borrowed(name),
        unit,
        kind: ParamKind::Float,
        min: range.0,
        max: range.1,
        default,
        scale: match unit {
            Unit::Decibel => Scale::Decibel,
            _ => Scale::Linear,
        },
        step: 0.0,
        change: Motion::Glide,
        doc: "",
    }
}

/// A whole number. Designed by default, as whole numbers mostly shape a design.
pub const fn integer(symbol: &'static str, name: &'static str, range: (i32, i32), default: i32) -> ParamSpec {
    let mut spec = float(symbol, name, Unit::None, (range.0 as f64, range.1 as f64), default as f64);
    spec.kind = ParamKind::Integer;
    spec.step = 1.0;
    spec.change = Motion::Designed;
    spec
}

/// On or off; glides as a weight from 0 to 1.
pub const fn toggle(symbol: &'static str, name: &'static str, default: bool) -> ParamSpec {
    let mut spec = float(symbol, name, Unit::None, (0.0, 1.0), if default { 1.0 } else { 0.0 });
    spec.kind = ParamKind::Toggle;
    spec.step = 1.0;
    spec
}

/// One of several named values; `default` is an index. Structural by default.
pub const fn choice(
    symbol: &'static str,
    name: &'static str,
    choices: &'static [Choice],
    default: usize,
) -> ParamSpec {
    let range = (0.0, (choices.len() - 1) as f64);
    let mut spec = float(symbol, name, Unit::None, range, default as f64);
    spec.kind = ParamKind::Choice(choices);
    spec.step = 1.0;
    spec.change = Motion::Structural;
    spec
}

impl ParamSpec {
    /// Travels in equal ratios.
    pub const fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }
    pub const fn step(mut self, step: f64) -> Self {
        self.step = step;
        self
    }
    pub const fn designed(mut self) -> Self {
        self.change = Motion::Designed;
        self
    }
    pub const fn structural(mut self) -> Self {
        self.change = Motion::Structural;
        self
    }
    pub const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// The choices of a choice parameter, empty otherwise.
    pub fn choices(&self) -> &'static [Choice] {
        match self.kind {
            ParamKind::Choice(c) => c,
            _ => &[],
        }
    }

    /// True for values that only exist in whole steps.
    pub fn is_discrete(&self) -> bool {
        !matches!(self.kind, ParamKind::Float)
    }

    /// The value at `norm` (0..=1) along the scale; discrete kinds are rounded.
    pub fn from_norm(&self, norm: f64) -> f64 {
        let n = norm.clamp(0.0, 1.0);
        let v = match self.scale {
            Scale::Log => self.min * libm::exp(n * libm::log(self.max / self.min)),
            Scale::Linear | Scale::Decibel => self.min + n * (self.max - self.min),
        };
        let v = if self.is_discrete() { libm::round(v) } else { v };
        if n == 1.0 { self.max } else { v.clamp(self.min, self.max) }
    }

    /// Where `value` lies along the scale, 0..=1.
    pub fn to_norm(&self, value: f64) -> f64 {
        let v = value.clamp(self.min, self.max);
        match self.scale {
            Scale::Log => libm::log(v / self.min) / libm::log(self.max / self.min),
            Scale::Linear | Scale::Decibel => (v - self.min) / (self.max - self.min),
        }
    }

    /// Checks one value: finite, in range, whole where only whole numbers exist.
    /// The rounding of an `f32` at a bound is accepted and pulled onto the bound.
    pub fn check(&self, value: f64) -> Result<f64, ValueError> {
        let refuse = |fault| Err(ValueError::new(self, self.given(value), fault));
        if !value.is_finite() {
            return refuse(Fault::NotFinite);
        }
        let slack = 1e-6 * self.max.abs().max(self.min.abs());
        if value < self.min - slack || value > self.max + slack {
            return refuse(Fault::Range);
        }
        let v = value.clamp(self.min, self.max);
        if self.is_discrete() && v != libm::round(v) {
            return refuse(Fault::NotWhole);
        }
        Ok(v)
    }
}

/// Declares a unit's parameters: an index enum the unit matches on and the table all others read.
///
/// ```
/// use lathe_core::param::{self, Unit};
/// lathe_core::params! {
///     pub enum P {
///         Trim = param::float("trim", "Trim", Unit::Decibel, (-60.0, 24.0), 0.0).doc("Level change."),
///     }
/// }
/// assert_eq!(P::SPECS[P::Trim as usize].symbol, "trim");
/// ```
#[macro_export]
macro_rules! params {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($variant:ident = $spec:expr),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        $vis enum $name { $($variant),* }
        impl $name {
            /// The declarations, in the order of the enum.
            $vis const SPECS: &'static [$crate::param::ParamSpec] = &[$($spec),*];
        }
        impl From<$name> for $crate::param::ParamIndex {
            fn from(p: $name) -> Self {
                $crate::param::ParamIndex(p as u16)
            }
        }
    };
}
