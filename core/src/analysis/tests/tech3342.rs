// SPDX-License-Identifier: MIT OR Apache-2.0
//! EBU Tech 3342, cases 1–4: loudness range.

use super::signals::*;

#[test]
fn cases_1_to_4() {
    let cases: [(&str, &[f64], f64); 4] = [
        ("1", &[-20.0, -30.0], 10.0),
        ("2", &[-20.0, -15.0], 5.0),
        ("3", &[-40.0, -20.0], 20.0),
        ("4", &[-50.0, -35.0, -20.0, -35.0, -50.0], 15.0),
    ];
    for rate in RATES {
        for (case, levels, want) in cases {
            let segments: Vec<Segment> = levels.iter().map(|db| (20.0, *db)).collect();
            let read = stereo_readings(rate, &segments).loudness_range.unwrap();
            println!("case {case} at {rate} Hz: {read:.4} LU");
            // The standard allows 1 LU.
            assert!((read - want).abs() < 0.05, "case {case} at {rate} Hz: {read:.4} LU, expected {want}");
        }
    }
}

#[test]
fn the_range_does_not_depend_on_the_layout() {
    use crate::analysis::LoudnessMeter;
    use crate::units::Layout;
    let segments: Vec<Segment> = [-50.0, -35.0, -20.0, -35.0, -50.0].map(|db| (20.0, db)).to_vec();
    for (layout, offsets) in
        [("mono", &[0.0][..]), ("5.0", &[0.0; 5]), ("5.1", &[0.0, 0.0, 0.0, 40.0, 0.0, 0.0])]
    {
        for rate in [44_100, 96_000] {
            let mut m = LoudnessMeter::new(rate, &Layout::named(layout).unwrap());
            play_tones(rate, &segments, offsets, &mut m, |_, _| ());
            let read = m.read().loudness_range.unwrap();
            println!("case 4 in {layout} at {rate} Hz: {read:.4} LU");
            assert!((read - 15.0).abs() < 0.05, "{layout} at {rate} Hz: {read:.4} LU");
        }
    }
}
