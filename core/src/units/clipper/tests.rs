// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a clipper must do, measured.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::units::rig::{Noise, Rig, db, peak, sine, true_peak};
use crate::units::tones::{RATES, idle, tone};

const QUALITIES: [&str; 3] = ["eco", "normal", "high"];

#[test]
fn a_hard_clip_leaves_no_alias() {
    for rate in [44_100, 48_000, 96_000] {
        for (q, name) in QUALITIES.iter().enumerate() {
            for (hz, knee) in [(5_000.0, 0.0), (5_000.0, 30.0), (1_000.0, 0.0), (10_000.0, 0.0)] {
                let set = [("gain", 12.0), ("quality", q as f64), ("knee", knee)];
                let t = tone("clipper", rate, &set, hz, 0.0, 0.1);
                println!(
                    "{rate} Hz, {name}, {hz} Hz, knee {knee} %: aliases {:.1} dBc at most, {:.1} in all",
                    t.alias, t.aliases
                );
                let most = match (q, hz as u32) {
                    (0, 10_000) => -80.0,
                    (0, 5_000) => -98.0,
                    _ => -100.0,
                };
                assert!(t.alias < most, "{:.1} dBc", t.alias);
            }
        }
    }
}
