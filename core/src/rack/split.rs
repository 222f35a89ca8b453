// SPDX-License-Identifier: MIT OR Apache-2.0
//! The splits: what divides the signal into branches that are lists of slots again.

use crate::param::{self, Choice, ParamSpec, ParamTable};
use crate::units::{Layout, Role, SlotParam};

/// How a split divides its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SplitKind {
    /// Copies that sum.
    Parallel,
    /// Mid and side of every pair; what is in no pair passes aligned.
    MidSide,
    /// Left and right of every pair; what is in no pair passes aligned.
    LeftRight,
    /// A crossover whose bands sum to an all-pass.
    Bands,
}

/// Fewest and most bands of a crossover, and most branches of a parallel split.
pub const BANDS: std::ops::RangeInclusive<usize> = 2..=6;
pub const MAX_PARALLEL: usize = 8;

crate::params! {
    /// What each branch of a split has.
    pub enum BranchParam {
        Gain = param::float("gain", "Gain", param::Unit::Decibel, (-60.0, 24.0), 0.0).step(0.1)
            .doc("Level of the branch in the sum."),
        Mute = param::toggle("mute", "Mute", false)
            .doc("Takes the branch out of the sum; its slots keep running."),
    }
}

const SLOPES: &[Choice] = &[
    Choice { symbol: "lr4", doc: "Linkwitz-Riley, 24 dB per octave" },
    Choice { symbol: "lr8", doc: "Linkwitz-Riley, 48 dB per octave" },
];

const SLOPE: ParamSpec =
    param::choice("slope", "Slope", SLOPES, 0).doc("Steepness of every crossover of the split.");

/// Crossover frequencies that split the hearing range evenly, by number of bands.
const DEFAULT_FREQS: &[&[f64]] = &[
    &[1000.0],
    &[200.0, 2500.0],
    &[120.0, 800.0, 5000.0],
    &[100.0, 400.0, 1600.0, 6400.0],
    &[80.0, 250.0, 800.0, 2500.0, 8000.0],
];

const FREQ_SYMBOLS: [(&str, &str); 5] = [
    ("freq1", "Frequency 1"),
    ("freq2", "Frequency 2"),
    ("freq3", "Frequency 3"),
    ("freq4", "Frequency 4"),
    ("freq5", "Frequency 5"),
];

/// Position of the parameters in a `bands` split's table: `slope`, then `freq1` ….
pub const SLOPE_INDEX: param::ParamIndex = param::ParamIndex(0);
pub const FIRST_FREQ: u16 = 1;

impl SplitKind {
    pub const ALL: [SplitKind; 4] =
        [SplitKind::Parallel, SplitKind::MidSide, SplitKind::LeftRight, SplitKind::Bands];

    /// As in `split = "bands"`.
    pub fn symbol(self) -> &'static str {
        match self {
            SplitKind::Parallel => "parallel",
            SplitKind::MidSide => "midside",
            SplitKind::LeftRight => "leftright",
            SplitKind::Bands => "bands",
        }
    }

    pub fn from_symbol(s: &str) -> Option<SplitKind> {
        Self::ALL.into_iter().find(|k| k.symbol() == s)
    }

    pub fn doc(self) -> &'static str {
        match self {
            SplitKind::Parallel => "Copies of the input, each through its branch, summed.",
            SplitKind::MidSide => {
                "Mid = (L+R)/2 and side = (L-R)/2 of every pair, each through its branch; other channels pass aligned."
            }
            SplitKind::LeftRight => {
                "Left and right channels, each side through its branch; other channels pass aligned."
            }
            SplitKind::Bands => {
                "A Linkwitz-Riley crossover, 2 to 6 bands; with the branches neutral the sum is an all-pass, flat within 1e-5 dB."
            }
        }
    }

    /// Ids that the branches must have, in this order; `None`: free.
    pub fn fixed_branches(self) -> Option<[&'static str; 2]> {
        match self {
            SplitKind::MidSide => Some(["mid", "side"]),
            SplitKind::LeftRight => Some(["left", "right"]),
            _ => None,
        }
    }

    /// How many branches there may be.
    pub fn branch_count(self) -> std::ops::RangeInclusive<usize> {
        match self {
            SplitKind::Parallel => 1..=MAX_PARALLEL,
            SplitKind::MidSide | SplitKind::LeftRight => 2..=2,
            SplitKind::Bands => BANDS,
        }
    }

    /// The whole table of a split slot with these branches: its own lines, the branches', the slot's.
    pub fn table(self, branches: &[&str]) -> ParamTable {
        let mut own = Vec::new();
        if self == SplitKind::Bands {
            own.push(SLOPE);
            let freqs = DEFAULT_FREQS[branches.len().clamp(2, 6) - 2];
            own.extend(freqs.iter().zip(FREQ_SYMBOLS).map(|(f, (symbol, name))| {
                param::float(symbol, name, param::Unit::Hertz, (20.0, 20_000.0), *f)
                    .log()
                    .designed()
                    .doc("Where two neighbouring bands meet, both at -6 dB; in rising order.")
            }));
        }
        let mut table = ParamTable::new(&own);
        for b in branches {
            table = table.group(b, b, BranchParam::SPECS);
        }
        table.and(SlotParam::SPECS)
    }

    /// Index of a branch's parameter in [`table`](Self::table).
    pub fn branch_param(self, branches: usize, branch: usize, p: BranchParam) -> param::ParamIndex {
        let own = if self == SplitKind::Bands { branches } else { 0 };
        param::ParamIndex((own + branch * BranchParam::SPECS.len()) as u16 + p as u16)
    }

    /// The channels that the slots of branch `branch` are given, for an input of `layout`.
    pub fn branch_layout(self, layout: &Layout, branch: usize) -> Layout {
        let pairs = layout.pairs();
        let side =
            |right: bool| -> Vec<usize> { pairs.iter().map(|&(l, r)| if right { r } else { l }).collect() };
        match self {
            SplitKind::Parallel | SplitKind::Bands => layout.clone(),
            SplitKind::LeftRight => layout.select(&side(branch == 1)),
            SplitKind::MidSide => {
                let mut l = layout.select(&side(false));
                if l.len() == 1 {
                    l.roles[0] = Role::Mono;
                }
                l
            }
        }
    }
}
