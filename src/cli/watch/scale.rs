// SPDX-License-Identifier: MIT OR Apache-2.0
//! The scales of the bridge: where on a bar a reading ends, which ticks stand there, and where it turns hot.
//! One line of [`SCALES`] each.

/// How far along a bar a value stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Straight between (value, place); places count from 0 and the last one is the whole bar.
    Points(&'static [(f64, f64)]),
    /// As a needle that voltage moves, the end of the bar at so many dB.
    Voltage(f64),
    /// Straight from one value to another.
    Between(f64, f64),
}

impl Law {
    /// 0 at the foot of the bar to 1 at its end; what is beyond stays there, and what is not known is 0.
    pub fn place(&self, value: f64) -> f64 {
        let place = match *self {
            Law::Between(low, high) => (value - low) / (high - low),
            Law::Voltage(top) => 10f64.powf((value - top) / 20.0),
            Law::Points(points) => along(points, value),
        };
        if place.is_nan() { 0.0 } else { place.clamp(0.0, 1.0) }
    }
}

fn along(points: &[(f64, f64)], value: f64) -> f64 {
    let whole = points[points.len() - 1].1;
    if value >= points[points.len() - 1].0 {
        return 1.0;
    }
    let pair = points.windows(2).find(|p| value < p[1].0);
    pair.map_or(0.0, |p| {
        let share = ((value - p[0].0) / (p[1].0 - p[0].0)).max(0.0);
        (p[0].1 + share * (p[1].1 - p[0].1)) / whole
    })
}

/// What the pale end of a bar and its mark are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Peak {
    /// Sample peaks, this many dB higher than in dBFS.
    Sample(f64),
    True,
    /// The reading itself, held.
    Reading,
    /// No mark: a needle has none.
    None,
}

/// One scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// As `--scale` takes it.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// The reading behind the bar; none: RMS of 300 ms.
    pub symbol: Option<&'static str>,
    pub peak: Peak,
    pub law: Law,
    /// The most needed ones first: what finds no room is left out.
    pub ticks: &'static [(f64, &'static str)],
    /// Where the bar turns yellow, and red.
    pub warm: f64,
    pub hot: f64,
}

/// 2.5 % a dB in the upper 20 dB and less and less below, as digital programme meters commonly have it.
const DIGITAL: Law = Law::Points(&[
    (-70.0, 0.0),
    (-60.0, 2.5),
    (-50.0, 7.5),
    (-40.0, 15.0),
    (-30.0, 30.0),
    (-20.0, 50.0),
    (0.0, 100.0),
]);
/// The same, with room over full scale.
const DIGITAL_OVER: Law = Law::Points(&[
    (-70.0, 0.0),
    (-60.0, 2.5),
    (-50.0, 7.5),
    (-40.0, 15.0),
    (-30.0, 30.0),
    (-20.0, 50.0),
    (3.0, 107.5),
]);
const DIGITAL_TICKS: &[(f64, &str)] = &[
    (0.0, "0"),
    (-20.0, "-20"),
    (-10.0, "-10"),
    (-40.0, "-40"),
    (-30.0, "-30"),
    (-6.0, "-6"),
    (-3.0, "-3"),
    (-15.0, "-15"),
    (-60.0, "-60"),
    (-50.0, "-50"),
];
const OVER_TICKS: &[(f64, &str)] = &[
    (0.0, "0"),
    (-20.0, "-20"),
    (-10.0, "-10"),
    (-40.0, "-40"),
    (3.0, "+3"),
    (-30.0, "-30"),
    (-6.0, "-6"),
    (-3.0, "-3"),
    (-15.0, "-15"),
    (-60.0, "-60"),
    (-50.0, "-50"),
];
/// Even steps of 4 dB, from a narrow foot.
const EBU: Law = Law::Points(&[(-24.0, 0.0), (-12.0, 15.0), (12.0, 93.0), (14.0, 100.0)]);
const BBC: Law = Law::Points(&[(-2.0, 0.0), (1.0, 15.0), (7.0, 93.0), (7.5, 100.0)]);
/// Wide around the permitted maximum, narrow towards the foot; the ticks of DIN 45406, places of our own.
const DIN: Law = Law::Points(&[
    (-60.0, 0.0),
    (-50.0, 5.0),
    (-40.0, 12.0),
    (-30.0, 23.0),
    (-20.0, 40.0),
    (-10.0, 62.0),
    (0.0, 88.0),
    (5.0, 100.0),
]);
/// Even from 24 dB below zero to full scale (R. Katz, "Integrated Approach to Metering", JAES 2000).
const K12: Law = Law::Points(&[(-48.0, 0.0), (-24.0, 20.0), (12.0, 100.0)]);
const K14: Law = Law::Points(&[(-46.0, 0.0), (-24.0, 20.0), (14.0, 100.0)]);
const K20: Law = Law::Points(&[(-40.0, 0.0), (-24.0, 15.0), (20.0, 100.0)]);

/// In the order in which `m` goes through them.
#[rustfmt::skip]
pub static SCALES: [Scale; 10] = [
    Scale { name: "dbfs", title: "dBFS: RMS, sample peak", symbol: None, peak: Peak::Sample(0.0),
        law: DIGITAL, ticks: DIGITAL_TICKS, warm: -9.0, hot: -1.0 },
    Scale { name: "true-peak", title: "dBTP: RMS, true peak", symbol: None, peak: Peak::True,
        law: DIGITAL_OVER, ticks: OVER_TICKS, warm: -9.0, hot: -1.0 },
    Scale { name: "vu", title: "VU (IEC 60268-17)", symbol: Some("vu"), peak: Peak::None,
        law: Law::Voltage(3.0), warm: 0.0, hot: 0.0,
        ticks: &[(0.0, "0"), (-20.0, "-20"), (-10.0, "-10"), (3.0, "+3"), (-5.0, "-5"), (-7.0, "-7"),
            (-3.0, "-3"), (1.0, "+1"), (2.0, "+2"), (-1.0, "-1"), (-2.0, "-2")] },
    Scale { name: "ppm", title: "PPM IIb (EBU), dB", symbol: Some("ppm_2b"), peak: Peak::Reading,
        law: EBU, warm: 0.0, hot: 9.0,
        ticks: &[(0.0, "TEST"), (12.0, "+12"), (-12.0, "-12"), (8.0, "+8"), (4.0, "+4"), (-4.0, "-4"), (-8.0, "-8")] },
    Scale { name: "ppm-1", title: "PPM I (DIN), dB", symbol: Some("ppm_1"), peak: Peak::Reading,
        law: DIN, warm: -9.0, hot: 0.0,
        ticks: &[(0.0, "0"), (5.0, "+5"), (-20.0, "-20"), (-10.0, "-10"), (-40.0, "-40"), (-5.0, "-5"),
            (-30.0, "-30"), (-50.0, "-50")] },
    Scale { name: "ppm-2a", title: "PPM IIa (BBC), marks", symbol: Some("ppm_2a"), peak: Peak::Reading,
        law: BBC, warm: 4.0, hot: 6.0,
        ticks: &[(4.0, "4"), (6.0, "6"), (1.0, "1"), (7.0, "7"), (2.0, "2"), (3.0, "3"), (5.0, "5")] },
    Scale { name: "ppm-digital", title: "PPM digital, dBFS", symbol: Some("ppm_digital"), peak: Peak::Reading,
        law: DIGITAL, ticks: DIGITAL_TICKS, warm: -9.0, hot: -1.0 },
    Scale { name: "k12", title: "K-12, dB: RMS, peak", symbol: Some("k12"), peak: Peak::Sample(12.0),
        law: K12, warm: 0.0, hot: 4.0,
        ticks: &[(0.0, "0"), (12.0, "+12"), (4.0, "+4"), (-20.0, "-20"), (-10.0, "-10"), (8.0, "+8"),
            (-30.0, "-30"), (-4.0, "-4"), (-40.0, "-40")] },
    Scale { name: "k14", title: "K-14, dB: RMS, peak", symbol: Some("k14"), peak: Peak::Sample(14.0),
        law: K14, warm: 0.0, hot: 4.0,
        ticks: &[(0.0, "0"), (14.0, "+14"), (4.0, "+4"), (-20.0, "-20"), (-10.0, "-10"), (8.0, "+8"),
            (-30.0, "-30"), (-4.0, "-4"), (-40.0, "-40")] },
    Scale { name: "k20", title: "K-20, dB: RMS, peak", symbol: Some("k20"), peak: Peak::Sample(20.0),
        law: K20, warm: 0.0, hot: 4.0,
        ticks: &[(0.0, "0"), (20.0, "+20"), (4.0, "+4"), (-20.0, "-20"), (-10.0, "-10"), (12.0, "+12"),
            (8.0, "+8"), (16.0, "+16"), (-30.0, "-30"), (-4.0, "-4")] },
];

/// The scale of this name.
pub fn named(name: &str) -> Option<&'static Scale> {
    SCALES.iter().find(|s| s.name == name)
}

/// So many further on; backwards if that is below 0.
pub fn further(scale: &Scale, by: isize) -> &'static Scale {
    let at = SCALES.iter().position(|s| s.name == scale.name).unwrap_or(0);
    &SCALES[(at as isize + by).rem_euclid(SCALES.len() as isize) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::extras;
    use lathe_core::analysis::rms::KScale;

    #[test]
    fn every_scale_rises_and_holds_its_ticks_and_limits() {
        for s in &SCALES {
            let (mut last, mut v) = (0.0, -90.0);
            while v < 30.0 {
                let place = s.law.place(v);
                assert!(place >= last && place <= 1.0, "{} at {v}: {place} after {last}", s.name);
                (last, v) = (place, v + 0.25);
            }
            assert_eq!((s.law.place(f64::NEG_INFINITY), s.law.place(f64::NAN)), (0.0, 0.0), "{}", s.name);
            for (value, label) in s.ticks {
                let place = s.law.place(*value);
                assert!(place > 0.0, "{}: the tick {label} is at the foot", s.name);
                assert!(place < 1.0 || s.law.place(value - 0.1) < 1.0, "{}: {label} is off the end", s.name);
                let said = label.trim_start_matches('+').parse::<f64>().unwrap_or(0.0);
                assert_eq!(said, *value, "{}: a tick says what it stands at", s.name);
            }
            assert!(s.warm <= s.hot && s.law.place(s.hot) < 1.0, "{}", s.name);
        }
    }

    #[test]
    fn readings_exist_under_their_symbols_and_places_are_the_documented_ones() {
        for symbol in SCALES.iter().filter_map(|s| s.symbol) {
            assert!(extras::find(symbol).is_some_and(|e| e.per_channel), "{symbol}");
        }
        for (k, zero) in [("k12", KScale::K12), ("k14", KScale::K14), ("k20", KScale::K20)] {
            assert_eq!(named(k).unwrap().peak, Peak::Sample(-zero.zero_dbfs()), "{k}: full scale is its end");
            assert_eq!(named(k).unwrap().law.place(-zero.zero_dbfs()), 1.0);
        }
        let place = |name: &str, v: f64| named(name).unwrap().law.place(v);
        for (name, value, wanted) in [
            ("dbfs", -6.0, 0.85),
            ("dbfs", -20.0, 0.5),
            ("dbfs", -35.0, 0.225),
            ("dbfs", 0.0, 1.0),
            ("true-peak", 0.0, 100.0 / 107.5),
            ("vu", 0.0, 0.7079),
            ("vu", -20.0, 0.0708),
            ("ppm", 0.0, 0.54),
            ("ppm-2a", 4.0, 0.54),
            ("ppm-1", 0.0, 0.88),
            ("k20", -2.0, 0.15 + 0.85 * 0.5),
        ] {
            let is = place(name, value);
            assert!((is - wanted).abs() < 1e-4, "{name} at {value}: {is}, not {wanted}");
        }
        let step = |a: f64, b: f64| place("ppm", b) - place("ppm", a);
        assert!((step(-12.0, -8.0) - step(8.0, 12.0)).abs() < 1e-9, "marks of type II are even");
    }

    #[test]
    fn keys_go_through_all_and_around() {
        let mut s = &SCALES[0];
        for n in 1..=SCALES.len() {
            s = further(s, 1);
            assert_eq!(s.name, SCALES[n % SCALES.len()].name);
        }
        assert_eq!(further(s, -1).name, "k20");
    }
}
