// SPDX-License-Identifier: MIT OR Apache-2.0
//! The same programme at every rate reads the same: loudness, range, true peak.

use std::f64::consts::PI;

use super::signals::Noise;
use crate::analysis::{Figures, IntegratorSettings, Programme};
use crate::units::Layout;

/// Tones from 45 Hz to 19 kHz that come and go, worked out for the moments that a rate has.
fn programme(rate: u32, seconds: usize) -> Figures {
    let mut noise = Noise(77);
    let mut draw = || 0.5 + 0.5 * noise.next();
    let tones: Vec<[f64; 5]> = (0..16)
        .map(|n| {
            let hz = 45.0 * (19_000.0f64 / 45.0).powf(n as f64 / 15.0);
            [hz, draw(), 0.25 * hz.powf(-0.25) * (0.4 + draw()), 0.05 + 1.5 * draw(), draw()]
        })
        .collect();
    let mut p = Programme::new(rate, &Layout::named("stereo").unwrap(), IntegratorSettings::default());
    let tenth = rate as usize / 10;
    for block in 0..10 * seconds {
        let mut planes = [vec![0.0; tenth], vec![0.0; tenth]];
        for t in &tones {
            // A turning pointer, set anew for each block.
            let at = block as f64 / 10.0;
            let start = 2.0 * PI * (t[0] * at + t[1]);
            let (step, mut re, mut im) = (2.0 * PI * t[0] / f64::from(rate), start.cos(), start.sin());
            let (c, s) = (step.cos(), step.sin());
            let [left, right] = &mut planes;
            for (i, (l, r)) in left.iter_mut().zip(right).enumerate() {
                let seconds = at + i as f64 / f64::from(rate);
                // A triangle in time that is no sine, so that loudness moves.
                let turn = (t[3] * seconds + t[4]).fract();
                let level = t[2] * (1.0 - (2.0 * turn - 1.0).abs());
                *l += level * re;
                *r += level * im;
                (re, im) = (re * c - im * s, re * s + im * c);
            }
        }
        p.push(&planes);
    }
    p.finish()
}

#[test]
fn one_programme_at_all_rates() {
    let base = programme(48_000, 30);
    let base = (base.loudness.integrated.unwrap(), base.loudness.loudness_range.unwrap(), base.true_peak);
    println!("48000 Hz: I {:.4}, range {:.4}, true peak {:.4}", base.0, base.1, base.2);
    for rate in [44_100, 88_200, 96_000, 176_400, 192_000] {
        let f = programme(rate, 30);
        let l = f.loudness;
        let (i, lra) = (l.integrated.unwrap(), l.loudness_range.unwrap());
        println!("{rate} Hz: I {i:.4}, range {lra:.4}, true peak {:.4}", f.true_peak);
        assert!(
            (i - base.0).abs() < 0.01 && (lra - base.1).abs() < 0.02 && (f.true_peak - base.2).abs() < 0.02
        );
    }
}
