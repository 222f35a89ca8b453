// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values as arguments of OSC, the same for all that stands in fields.

use super::SILENCE;
use crate::osc::Arg;

pub fn text(s: &str) -> Arg {
    Arg::Str(s.to_string())
}

pub fn count(n: u64) -> Arg {
    Arg::Int(n.min(i32::MAX as u64) as i32)
}

/// Levels that are not known and silence are −200.
pub fn level(v: Option<f64>) -> Arg {
    Arg::Float(v.filter(|v| *v > SILENCE).unwrap_or(SILENCE) as f32)
}
