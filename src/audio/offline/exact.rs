// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exact ceiling: what a render's peaks may be, and whether the file that was written keeps it. A limiter whose
//! detector reads samples has a ceiling in dBFS: it is held to sample peaks, and its true peak is only told.
//!
//! A limiter that works frame by frame holds its ceiling within hundredths of a decibel; what conversion, dither and
//! rounding add comes on top. A file can be measured when it is done, so it is rendered again with the ceiling
//! lower by what it was over.

use std::path::Path;

use lathe_core::analysis::decibels;
use lathe_core::analysis::exact_peak::ExactPeak;
use lathe_core::param::ParamIndex;
use lathe_core::rack::plan::{Content, RackPlan, SlotPlan};
use lathe_core::units::Place;

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
        "--exact holds the ceiling of a limiter, and the rack has none: clipper \"{0}\" rings over its own; add a slot with unit = \"limiter\" after it"
    )]
    OnlyClipped(String),
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

/// Which peaks a ceiling is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peaks {
    /// dBTP.
    True,
    /// dBFS.
    Sample,
}

impl Peaks {
    pub fn unit(self) -> &'static str {
        match self {
            Peaks::True => "dBTP",
            Peaks::Sample => "dBFS",
        }
    }
}

/// The ceiling that a render is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub slot: String,
    pub param: ParamIndex,
    pub peaks: Peaks,
    /// dB, as are all that follow, in the unit of `peaks`.
    pub ceiling: f64,
    /// The lowest that the parameter takes.
    pub lowest: f64,
}

/// How a render came to its ceiling.
#[derive(Clone, Debug, PartialEq)]
pub struct Exact {
    pub slot: String,
    pub peaks: Peaks,
    /// What the rack asks for, in the unit of `peaks`.
    pub ceiling_db: f64,
    /// Where the limiter's ceiling stood in the last render.
    pub set_db: f64,
    /// Of the file that was written.
    pub measured: Measured,
    pub renders: usize,
}

/// The peaks of a file; −∞ for silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub true_peak_dbtp: f64,
    pub sample_peak_dbfs: f64,
    /// By how many dB ways to read the true peak differ.
    pub doubt_db: f64,
}

impl Measured {
    /// What a ceiling of this kind is held against.
    pub fn peak_db(&self, peaks: Peaks) -> f64 {
        match peaks {
            Peaks::True => self.true_peak_dbtp,
            Peaks::Sample => self.sample_peak_dbfs,
        }
    }

    /// How much of what that says may be in doubt: of samples nothing is.
    pub(super) fn doubt_db(&self, peaks: Peaks) -> f64 {
        match peaks {
            Peaks::True => self.doubt_db,
            Peaks::Sample => 0.0,
        }
    }
}

impl Exact {
    /// 0 if the ceiling is kept.
    pub fn over_db(&self) -> f64 {
        (self.measured.peak_db(self.peaks) - self.ceiling_db).max(0.0)
    }
}

/// The ceiling of the last limiter of the main chain.
///
/// # Errors
/// A rack without one, or one that does not hold.
pub fn target(plan: &RackPlan) -> Result<Target, NoCeiling> {
    let clips =
        |s: &&SlotPlan| matches!(&s.content, Content::Unit { kind, .. } if kind.place() == Place::Clips);
    let none = || match plan.slots.iter().rfind(clips) {
        Some(clipper) => NoCeiling::OnlyClipped(clipper.id.clone()),
        None => NoCeiling::NoLimiter,
    };
    let slot = plan.slots.iter().rfind(|s| holds(s, LIMITER)).ok_or_else(none)?;
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
    Ok(Target { slot: slot.id.clone(), param, peaks: peaks(slot), ceiling, lowest })
}

/// What the limiter in this slot holds below its ceiling.
fn peaks(slot: &SlotPlan) -> Peaks {
    let detector = slot.table.find("detector");
    let chosen = detector.and_then(|p| slot.table[p].choices().get(slot.values.choice(p)));
    if chosen.is_some_and(|c| c.symbol == "sample") { Peaks::Sample } else { Peaks::True }
}

/// The peaks of a file. Tells `read` how many frames it has read, and goes no further if that says no.
pub(super) fn measure(file: &Path, mut read: impl FnMut(usize) -> bool) -> Result<Measured, FileError> {
    let mut reader = files::open(file)?;
    let mut planes = vec![Vec::new(); reader.spec().channels];
    let mut peak = ExactPeak::new(planes.len());
    let mut sample = 0.0f64;
    loop {
        let got = reader.read(&mut planes, super::CHUNK)?;
        sample = planes.iter().flat_map(|p| &p[..got]).fold(sample, |m, x| m.max(x.abs()));
        peak.push(&planes.iter().map(|p| &p[..got]).collect::<Vec<_>>());
        if got == 0 || !read(got) {
            let (peak, doubt) = peak.finish_with_doubt();
            let above = if peak > 0.0 { decibels(peak + doubt) - decibels(peak) } else { 0.0 };
            return Ok(Measured {
                true_peak_dbtp: decibels(peak),
                sample_peak_dbfs: decibels(sample),
                doubt_db: above,
            });
        }
    }
}
