// SPDX-License-Identifier: MIT OR Apache-2.0
//! A value as it was sent, and what it is for one parameter.

use lathe_core::param::{Fault, ParamKind, ParamSpec, ValueError, quoted};

use super::super::codec::Arg;
use super::super::error::hidden;
use super::args::Args;
use super::{Code, Wrong};

/// In which form a value is asked for, set and answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// dB, Hz, ms; a choice's index; 1 or 0.
    #[default]
    Plain,
    /// 0..1 along the parameter's scale.
    Norm,
    /// As people read it.
    Text,
}

impl Form {
    /// What an address ends with in this form.
    pub const fn suffix(self) -> &'static str {
        match self {
            Form::Plain => "",
            Form::Norm => "/norm",
            Form::Text => "/text",
        }
    }

    /// Takes the form off the end of an address. Units may not declare `norm` or `text`.
    pub(super) fn split(address: &str) -> (&str, Form) {
        for form in [Form::Norm, Form::Text] {
            if let Some(stem) = address.strip_suffix(form.suffix()) {
                // `/rack//norm` is `/rack//` in this form.
                let whole = if stem.ends_with('/') { &address[..=stem.len()] } else { stem };
                return (whole, form);
            }
        }
        (address, Form::Plain)
    }
}

/// A value as sent, before it is known which parameter it is for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// In the parameter's unit, or the index of a choice. NaN and infinities are refused by the
    /// parameter, which knows its range.
    Real(f64),
    /// `T` or `F`.
    Switch(bool),
    /// A string without `/text`: the symbol of a choice.
    Symbol(String),
    /// 0..1 along the scale; finite and within.
    Norm(f64),
    /// As people write it.
    Text(String),
}

impl Value {
    pub(super) fn decode(form: Form, mut args: Args<'_>) -> Result<Self, Wrong> {
        let (given, expected) = (args, expected(form));
        let Some(arg) = args.take().filter(|_| args.is_empty()) else { return Err(given.wrong(expected)) };
        match (form, arg) {
            (Form::Plain, Arg::Bool(on)) => Ok(Value::Switch(*on)),
            (Form::Plain, Arg::Str(symbol)) => Ok(Value::Symbol(symbol.clone())),
            (Form::Text, Arg::Str(text)) => Ok(Value::Text(text.clone())),
            (Form::Plain, arg) => arg.raw_number().map(Value::Real).ok_or_else(|| given.wrong(expected)),
            (Form::Norm, arg) => norm(arg.raw_number().ok_or_else(|| given.wrong(expected))?),
            (Form::Text, _) => Err(given.wrong(expected)),
        }
    }

    /// The parameter's value in its own unit.
    ///
    /// # Errors
    /// Not of its type or range; says what is allowed.
    pub fn resolve(&self, spec: &ParamSpec) -> Result<f64, ValueError> {
        let named = matches!(spec.kind, ParamKind::Toggle | ParamKind::Choice(_));
        match self {
            Value::Real(value) => spec.check(*value),
            Value::Norm(norm) => spec.check(spec.from_norm(*norm)),
            Value::Switch(on) if spec.kind == ParamKind::Toggle => Ok(f64::from(u8::from(*on))),
            Value::Symbol(symbol) if named => parse(spec, symbol),
            Value::Text(text) => parse(spec, text),
            Value::Switch(on) => Err(ValueError::new(spec, on.to_string(), Fault::Type)),
            Value::Symbol(symbol) => Err(ValueError::new(spec, quoted(&shown(symbol)), Fault::Type)),
        }
    }
}

const fn expected(form: Form) -> &'static str {
    match form {
        Form::Plain => {
            "expected one value: f or i in the parameter's unit, T or F for a switch, s or i for a choice"
        }
        Form::Norm => "expected f from 0 to 1 along the parameter's scale",
        Form::Text => "expected s, the value as text, such as \"-1.5 dB\" or \"on\"",
    }
}

/// The rounding of an `f32` at the ends is taken.
fn norm(value: f64) -> Result<Value, Wrong> {
    if (-1e-6..=1.0 + 1e-6).contains(&value) {
        return Ok(Value::Norm(value.clamp(0.0, 1.0)));
    }
    Err((Code::Value, format!("{value} is not allowed: /norm is 0 to 1 along the parameter's scale")))
}

/// Longest text that is looked at, in bytes; no value is written longer.
const MAX_TEXT: usize = 64;

fn parse(spec: &ParamSpec, text: &str) -> Result<f64, ValueError> {
    if text.len() > MAX_TEXT || text.chars().any(hidden) {
        return Err(ValueError::new(spec, quoted(&shown(text)), Fault::Text));
    }
    spec.parse(text)
}

fn shown(text: &str) -> String {
    let short: String = text.chars().take(MAX_TEXT).collect();
    super::escaped(&short)
}
