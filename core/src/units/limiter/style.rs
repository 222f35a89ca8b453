// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a style is: how the work is shared between the leveller and the peak stage, and how fast they are.
//!
//! The parameters stay what they say, and a style multiplies them; `transparent` takes release and lookahead as
//! they are.

use crate::param::Choice;

/// In the order of [`STYLES`].
pub const CHOICES: &[Choice] = &[
    Choice {
        symbol: "transparent",
        doc: "A part of what lasts is taken by a slow leveller, peaks recover fast.",
    },
    Choice {
        symbol: "punch",
        doc: "The gain falls late, in half of the lookahead, and the leveller is slow: transients keep their edge.",
    },
    Choice { symbol: "dense", doc: "The peak stage alone, with a fast recovery of every peak: loud." },
    Choice { symbol: "wall", doc: "As loud as it gets: the shortest release, lookahead and hold." },
    Choice {
        symbol: "bus",
        doc: "A slow leveller does most of it and the gain hardly moves: holds a mix together.",
    },
];

/// One style. Times that multiply a parameter are factors.
#[derive(Debug)]
pub struct Style {
    /// Of the lookahead.
    pub lookahead: f64,
    /// Of the release: that of the peak stage for reductions that last.
    pub release: f64,
    /// How much shorter the release of an isolated peak is.
    pub isolated: f64,
    /// Share of the reduction that lasts which the leveller takes.
    pub share: f64,
    /// Time in which the leveller takes it to 63 %, in ms.
    pub attack_ms: f64,
    /// The leveller's release over the peak stage's.
    pub lasting: f64,
    /// Shortest hold in ms, where no low tone asks for more.
    pub hold_ms: f64,
}

pub static STYLES: [Style; 5] = [
    Style {
        lookahead: 1.0,
        release: 1.0,
        isolated: 0.25,
        share: 0.4,
        attack_ms: 200.0,
        lasting: 6.0,
        hold_ms: 1.5,
    },
    Style {
        lookahead: 0.5,
        release: 0.8,
        isolated: 0.4,
        share: 0.3,
        attack_ms: 400.0,
        lasting: 8.0,
        hold_ms: 3.0,
    },
    Style {
        lookahead: 1.0,
        release: 0.14,
        isolated: 0.25,
        share: 0.0,
        attack_ms: 200.0,
        lasting: 8.0,
        hold_ms: 0.5,
    },
    Style {
        lookahead: 0.25,
        release: 0.1,
        isolated: 0.5,
        share: 0.0,
        attack_ms: 200.0,
        lasting: 8.0,
        hold_ms: 0.0,
    },
    Style {
        lookahead: 1.5,
        release: 2.0,
        isolated: 0.5,
        share: 0.9,
        attack_ms: 120.0,
        lasting: 8.0,
        hold_ms: 4.0,
    },
];
