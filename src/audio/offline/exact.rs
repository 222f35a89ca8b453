// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exact ceiling: what a render's true peak may be, and whether the file that was written keeps it.
//!
//! A limiter that works frame by frame holds its ceiling within hundredths of a decibel; what conversion, dither and
//! rounding add comes on top. A file can be measured when it is done, so it is rendered again with the ceiling
//! lower by what it was over.

use std::path::Path;

use lathe_core::analysis::decibels;
use lathe_core::analysis::exact_peak::ExactPeak;
use lathe_core::param::ParamIndex;
use lathe_core::rack::plan::{Content, RackPlan};

use super::delivery::{LIMITER, holds};
use crate::files::{self, FileError};

/// Renders after the first.
pub(super) const AGAIN: usize = 2;
/// What a ceiling is lowered by beyond the overshoot, in dB.
pub(super) const MARGIN: f64 = 0.001;

/// Why a rack has no ceiling that could be held.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoCeiling {
    #[error(
        "--exact holds the ceiling of a limiter, and the rack has none; add a slot with unit = \"limiter\""
    )]
    NoLimiter,
    #[error(
        "--exact holds the ceiling of the last limiter, which stands in a branch of \"{0}\"; put one after it"
    )]
    InBranch(String),
    #[error("--exact holds the ceiling of the last limiter, but \"{0}\" is bypassed")]
    Bypassed(String),
    #[error(
        "--exact holds the ceiling of the last limiter, but \"{slot}\" is mixed with the dry signal: mix {mix} %, 100 % is needed"
    )]
    Mixed { slot: String, mix: f64 },
}

/// The ceiling that a render is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub slot: String,
    pub param: ParamIndex,
    /// dBTP.
    pub ceiling: f64,
    /// The lowest that the parameter takes.
    pub lowest: f64,
}

/// How a render came to its ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    pub slot: String,
    /// What the rack asks for.
    pub ceiling_dbtp: f64,
    /// Where the limiter's ceiling stood in the last render.
    pub set_dbtp: f64,
    /// Of the file that was written; −∞ for silence.
    pub true_peak_dbtp: f64,
    pub renders: usize,
}

impl Exact {
    /// 0 if the ceiling is kept.
    pub fn over_db(&self) -> f64 {
        (self.true_peak_dbtp - self.ceiling_dbtp).max(0.0)
    }
}

/// The ceiling of the last limiter of the main chain.
///
/// # Errors
/// A rack without one, or one that does not hold.
pub fn target(plan: &RackPlan) -> Result<Target, NoCeiling> {
    let slot = plan.slots.iter().rfind(|s| holds(s, LIMITER)).ok_or(NoCeiling::NoLimiter)?;
    if matches!(slot.content, Content::Split { .. }) {
        return Err(NoCeiling::InBranch(slot.id.clone()));
    }
    let value = |symbol: &str| slot.table.find(symbol).map(|p| slot.values.get(p));
    if plan.bypass {
        return Err(NoCeiling::Bypassed("rack".into()));
    }
    if value("bypass").is_some_and(|v| v > 0.0) {
        return Err(NoCeiling::Bypassed(slot.id.clone()));
    }
    if let Some(mix) = value("mix").filter(|v| *v < 100.0) {
        return Err(NoCeiling::Mixed { slot: slot.id.clone(), mix });
    }
    let param = slot.table.find("ceiling").ok_or(NoCeiling::NoLimiter)?;
    let (ceiling, lowest) = (slot.values.get(param), slot.table[param].min);
    Ok(Target { slot: slot.id.clone(), param, ceiling, lowest })
}

/// The true peak of a file in dBTP, −∞ for silence, and by how many dB ways to read it differ. Tells `read` how many frames it has
/// read, and goes no further if that says no.
pub(super) fn true_peak(file: &Path, mut read: impl FnMut(usize) -> bool) -> Result<(f64, f64), FileError> {
    let mut reader = files::open(file)?;
    let mut planes = vec![Vec::new(); reader.spec().channels];
    let mut peak = ExactPeak::new(planes.len());
    loop {
        let got = reader.read(&mut planes, super::CHUNK)?;
        peak.push(&planes.iter().map(|p| &p[..got]).collect::<Vec<_>>());
        if got == 0 || !read(got) {
            let (peak, doubt) = peak.finish_with_doubt();
            let above = if peak > 0.0 { decibels(peak + doubt) - decibels(peak) } else { 0.0 };
            return Ok((decibels(peak), above));
        }
    }
}
