// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a saturator must do, measured.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::units::rig::{Noise, Rig, db, peak, sine};
use crate::units::tones::{RATES, idle, tone};

const MODELS: [&str; 5] = ["tube", "tape", "transformer", "harmonics", "soft"];
const QUALITIES: [&str; 3] = ["eco", "normal", "high"];

#[test]
fn models_leave_no_alias() {
    for (m, model) in MODELS.iter().enumerate() {
        for (q, name) in QUALITIES.iter().enumerate() {
            for rate in [44_100, 48_000] {
                for (hz, drive) in [(5_000.0, 0.0), (5_000.0, 12.0), (5_000.0, 24.0)] {
                    let set = [("model", m as f64), ("drive", drive), ("quality", q as f64)];
                    let t = tone("saturator", rate, &set, hz, 0.0, 1.0);
                    println!(
                        "{rate} Hz, {model}, {name}, drive {drive}: {:.1} dBc at most, {:.1} in all; gain {:.2}, {:.1?}",
                        t.alias, t.aliases, t.gain, t.harmonics
                    );
                }
            }
        }
    }
}

#[test]
fn levels_of_harmonics() {
    for (m, model) in MODELS.iter().enumerate() {
        for level in [-40.0, -18.0, -8.0, 0.0] {
            for hz in [30.0, 100.0, 1000.0] {
                let set = [("model", m as f64)];
                let t = tone("saturator", 48_000, &set, hz, level, 1.0);
                println!(
                    "{model} {hz} Hz {level} dBFS: gain {:.3}, {:.1?}",
                    t.gain, &t.harmonics[..6]
                );
            }
        }
    }
}

#[test]
fn idles() {
    for rate in RATES {
        for (m, model) in MODELS.iter().enumerate() {
            for (q, name) in QUALITIES.iter().enumerate() {
                let (level, shift) = idle("saturator", rate, &[("model", m as f64), ("quality", q as f64)], 20.0, 20_000.0);
                println!("{rate} {model} {name}: {level:.5} dB {shift:.5}");
            }
        }
    }
}
