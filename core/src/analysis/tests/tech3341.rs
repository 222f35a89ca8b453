// SPDX-License-Identifier: MIT OR Apache-2.0
//! EBU Tech 3341, cases 1–6 and 9–14: integrated, momentary, short-term.

use super::signals::*;
use crate::analysis::loudness::lufs;
use crate::analysis::{LoudnessMeter, LoudnessReadings};
use crate::units::Layout;

/// The standard's tolerance, and ours about what the segments amount to, in LU.
const STANDARD: f64 = 0.1;
const OURS: f64 = 0.01;

fn check(case: &str, rate: u32, read: f64, ideal: f64, standard: f64) {
    println!("case {case} at {rate} Hz: {read:.4} (ideal {ideal:.4})");
    assert!((read - ideal).abs() < OURS, "case {case} at {rate} Hz: {read:.4}, ideal {ideal:.4}");
    assert!((read - standard).abs() <= STANDARD, "case {case} at {rate} Hz: {read:.4}, standard {standard}");
}

#[test]
fn cases_1_and_2_a_steady_tone() {
    for rate in RATES {
        for (case, db) in [("1", -23.0), ("2", -33.0)] {
            let r = stereo_readings(rate, &[(20.0, db)]);
            let ideal = lufs(2.0 * tone_power() * 10f64.powf(db / 10.0));
            assert!((ideal - (db + 0.007)).abs() < 0.001, "{ideal}");
            for read in [r.momentary, r.short_term, r.integrated, r.momentary_max, r.short_term_max] {
                check(case, rate, read.unwrap(), ideal, db);
            }
            assert!(r.loudness_range.unwrap() < 0.01);
        }
        let mut mono = LoudnessMeter::new(rate, &Layout::named("mono").unwrap());
        play_tones(rate, &[(20.0, -23.0)], &[0.0], &mut mono, |_, _| ());
        check("1 in mono", rate, mono.read().integrated.unwrap() + 3.0103, -22.993, -23.0);
    }
}

/// Every gate case.
const GATES: [(&str, &[Segment]); 3] = [
    ("3", &[(10.0, -36.0), (60.0, -23.0), (10.0, -36.0)]),
    ("4", &[(10.0, -72.0), (10.0, -36.0), (60.0, -23.0), (10.0, -36.0), (10.0, -72.0)]),
    ("5", &[(20.0, -26.0), (20.1, -20.0), (20.0, -26.0)]),
];

#[test]
fn cases_3_to_5_the_gates() {
    for rate in RATES {
        for (case, segments) in GATES {
            let read = stereo_readings(rate, segments).integrated.unwrap();
            check(case, rate, read, ideal_integrated(segments, 2.0 * tone_power()), -23.0);
        }
    }
}

/// A layout, its channels' levels, and how much lower it reads than stereo: the tone is in the front pair; in 5.1 the
/// LFE plays at full scale and does not count.
type Front = (&'static str, &'static [f64], f64);

const FRONTS: [Front; 4] = [
    ("mono", &[0.0], 3.0103),
    ("stereo", &[0.0, 0.0], 0.0),
    ("5.0", &[0.0, 0.0, SILENT, SILENT, SILENT], 0.0),
    ("5.1", &[0.0, 0.0, SILENT, 20.0, SILENT, SILENT], 0.0),
];

/// A meter of the layout after the segments.
fn readings(rate: u32, front: Front, segments: &[Segment]) -> LoudnessReadings {
    let mut meter = LoudnessMeter::new(rate, &Layout::named(front.0).unwrap());
    play_tones(rate, segments, front.1, &mut meter, |_, _| ());
    meter.read()
}

#[test]
fn cases_1_to_5_in_mono_5_0_and_5_1() {
    for rate in RATES {
        for (layout, offsets, lower) in FRONTS.into_iter().filter(|f| f.0 != "stereo") {
            for (case, segments) in [("1", &[(20.0, -23.0)][..]), GATES[0], GATES[1], GATES[2]] {
                let mut m = LoudnessMeter::new(rate, &Layout::named(layout).unwrap());
                play_tones(rate, segments, offsets, &mut m, |_, _| ());
                let ideal = ideal_integrated(segments, 2.0 * tone_power());
                let read = m.read().integrated.unwrap() + lower;
                check(&format!("{case} in {layout}"), rate, read, ideal, -23.0);
            }
        }
    }
}

#[test]
fn case_6_the_weights_of_channels() {
    let offsets = [-28.0, -28.0, -24.0, -30.0, -30.0];
    for rate in RATES {
        for lfe in [false, true] {
            let mut offsets = offsets.to_vec();
            if lfe {
                offsets.insert(3, 0.0);
            }
            let layout = Layout::named(if lfe { "5.1" } else { "5.0" }).unwrap();
            let mut meter = LoudnessMeter::new(rate, &layout);
            play_tones(rate, &[(20.0, 0.0)], &offsets, &mut meter, |_, _| ());
            let p = |db: f64| 10f64.powf(db / 10.0);
            let ideal = lufs(tone_power() * (2.0 * p(-28.0) + p(-24.0) + 2.0 * 1.41 * p(-30.0)));
            check("6", rate, meter.read().integrated.unwrap(), ideal, -23.0);
        }
    }
}

/// Lowest and highest reading after `from` seconds.
fn extremes(
    rate: u32,
    front: Front,
    segments: &[Segment],
    from: f64,
    of: fn(&LoudnessMeter) -> Option<f64>,
) -> (f64, f64) {
    let mut meter = LoudnessMeter::new(rate, &Layout::named(front.0).unwrap());
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    play_tones(rate, segments, front.1, &mut meter, |at, m| {
        if at > from {
            let read = of(m).unwrap() + front.2;
            (low, high) = (low.min(read), high.max(read));
        }
    });
    (low, high)
}

#[test]
fn cases_9_and_12_windows_of_constant_energy() {
    let s = [(1.34, -20.0), (1.66, -30.0)].repeat(5);
    let m = [(0.18, -20.0), (0.22, -30.0)].repeat(25);
    let unit = 2.0 * tone_power();
    for (rate, front) in RATES.into_iter().flat_map(|r| FRONTS.map(|f| (r, f))) {
        let (slow, shigh) = extremes(rate, front, &s, 3.0, |m| m.read().short_term);
        let (mlow, mhigh) = extremes(rate, front, &m, 1.0, |m| m.read().momentary);
        for (case, read, ideal) in [
            ("9 low", slow, lufs(ideal_power(&s, unit, 0.0, 3.0))),
            ("9 high", shigh, lufs(ideal_power(&s, unit, 0.0, 3.0))),
            ("12 low", mlow, lufs(ideal_power(&m, unit, 0.0, 0.4))),
            ("12 high", mhigh, lufs(ideal_power(&m, unit, 0.0, 0.4))),
        ] {
            check(&format!("{case} in {}", front.0), rate, read, ideal, -23.0);
        }
    }
}

#[test]
fn cases_10_and_13_maxima_of_files() {
    let ideal = lufs(2.0 * tone_power() * gain(-46.0));
    for (rate, front) in RATES.into_iter().flat_map(|r| FRONTS.map(|f| (r, f))) {
        let (mut short, mut momentary) = ((0.0f64, 0.0), (0.0f64, 0.0));
        for i in 0..20 {
            let i = f64::from(i);
            let ten = readings(rate, front, &[(0.15 * i, SILENT), (3.0, -23.0), (1.0, SILENT)]);
            let thirteen = readings(rate, front, &[(0.02 * i, SILENT), (0.4, -23.0), (1.0, SILENT)]);
            for (worst, read) in [(&mut short, ten.short_term_max), (&mut momentary, thirteen.momentary_max)]
            {
                let read = read.unwrap() + front.2;
                if (read - ideal).abs() >= worst.0 {
                    *worst = ((read - ideal).abs(), read);
                }
            }
        }
        check(&format!("10 in {}, worst of 20", front.0), rate, short.1, ideal, -23.0);
        check(&format!("13 in {}, worst of 20", front.0), rate, momentary.1, ideal, -23.0);
    }
}

#[test]
fn cases_11_and_14_maxima_while_it_plays() {
    for (rate, front) in RATES.into_iter().flat_map(|r| FRONTS.map(|f| (r, f))) {
        for (case, seconds, step) in [("11", 3.0, 0.15), ("14", 0.4, 0.02)] {
            let mut meter = LoudnessMeter::new(rate, &Layout::named(front.0).unwrap());
            let (mut segments, mut ends, mut at) = (Vec::new(), Vec::new(), 0.0);
            for i in 0..20 {
                let i = f64::from(i);
                segments.extend([(step * i, SILENT), (seconds, -38.0 + i), (seconds - step * i, SILENT)]);
                at += 2.0 * seconds;
                ends.push(at);
            }
            let (mut next, mut worst) = (0, (0.0f64, -23.0, 0.0));
            play_tones(rate, &segments, front.1, &mut meter, |at, m| {
                if next < 20 && at >= ends[next] - 1e-9 {
                    let r = m.read();
                    let read =
                        if case == "11" { r.short_term_max } else { r.momentary_max }.unwrap() + front.2;
                    let level = -38.0 + next as f64;
                    let error = read - lufs(2.0 * tone_power() * gain(2.0 * level));
                    if error.abs() >= worst.0.abs() {
                        worst = (error, read, level);
                    }
                    next += 1;
                }
            });
            assert_eq!(next, 20);
            let case = format!("{case} in {}, worst of 20", front.0);
            check(&case, rate, worst.1, worst.1 - worst.0, worst.2);
        }
    }
}

#[test]
fn rates_whose_windows_are_no_whole_frames() {
    for rate in [11_025, 22_050, 44_056, 44_101, 47_952, 88_199, 176_400] {
        let ideal = lufs(2.0 * tone_power() * gain(-46.0));
        let r = stereo_readings(rate, &[(20.0, -23.0)]);
        for read in [r.momentary, r.short_term, r.integrated, r.momentary_max, r.short_term_max] {
            check("1", rate, read.unwrap(), ideal, -23.0);
        }
        let r = stereo_readings(rate, &[(0.777, SILENT), (0.4, -23.0), (1.0, SILENT)]);
        check("13, elsewhere,", rate, r.momentary_max.unwrap(), ideal, -23.0);
    }
}

#[test]
fn a_burst_off_every_grid() {
    // Anywhere between two steps; the standard's own cases are 20 ms apart.
    let ideal = lufs(2.0 * tone_power() * gain(-46.0));
    let mut worst = 0.0f64;
    for i in 0..40 {
        let before = 0.5 + f64::from(i) * 0.000_37;
        let r = stereo_readings(48_000, &[(before, SILENT), (0.4, -23.0), (1.0, SILENT)]);
        worst = worst.max((r.momentary_max.unwrap() - ideal).abs());
    }
    println!("a burst of 400 ms off every grid reads within {worst:.4} LU");
    // The burst's end may be 1.25 ms from a step: 0.0136 LU.
    assert!(worst < 0.014);
}
