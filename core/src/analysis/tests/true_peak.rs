// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks: steady sines, EBU Tech 3341 cases 15–23, seams.

use std::f64::consts::PI;

use crate::analysis::decibels;
use crate::analysis::top_peaks::TopPeaks;
use crate::analysis::true_peak::{PeakMeter, PeakMode};
use crate::dsp::{Frames, QUANTUM};

/// The largest true peak in dBTP of `quanta` of `x`, without the first `skip`.
fn read(x: impl Fn(usize) -> f64, skip: usize, quanta: usize) -> f64 {
    let mut m = PeakMeter::new(1);
    for q in 0..quanta {
        let audio: Frames = std::array::from_fn(|i| x(q * QUANTUM + i));
        m.process(&[audio], q as u64 + 1, true);
    }
    decibels(m.true_peak(0, skip as u64).0)
}

#[test]
fn steady_sines_at_every_frequency_and_phase() {
    // The detector counts frames, so a share of the rate reads alike at every rate.
    for (from, to) in [(0.005, 0.40), (0.40, 0.45), (0.45, 0.47)] {
        let (mut low, mut high) = (0.0f64, 0.0f64);
        for k in 0..=90 {
            let f = from + (to - from) * f64::from(k) / 90.0;
            for phase in 0..16 {
                let start = f64::from(phase) * PI / 16.0;
                let db = read(|n| (2.0 * PI * f * n as f64 + start).sin(), 4, 20);
                (low, high) = (low.min(db), high.max(db));
            }
        }
        println!("sines {from}–{to} of the rate: {low:+.4} … {high:+.4} dB");
        assert!(low > -0.01 && high < 0.01, "{low:.4} … {high:.4} dB");
    }
}

#[test]
fn band_limited_noise_against_exact_interpolation() {
    // 12 cosines of random phases under 0.45 of the rate, faded in and out; their sum can be had anywhere.
    let mut noise = super::signals::Noise(4);
    let mut worst = 0.0f64;
    for _ in 0..40 {
        let tones: Vec<(f64, f64)> =
            (0..12).map(|_| (0.225 * (1.0 + noise.next()), PI * noise.next())).collect();
        let (length, quanta) = (10.0 * QUANTUM as f64, 12);
        let fade = |t: f64| if t < length { 0.5 - 0.5 * (2.0 * PI * t / length).cos() } else { 0.0 };
        let x =
            |t: f64| fade(t) * tones.iter().map(|(f, p)| (2.0 * PI * f * t + p).cos()).sum::<f64>() / 12.0;
        let db = read(|n| x(n as f64), 0, quanta);
        let exact = (0..quanta * QUANTUM * 64).map(|n| x(n as f64 / 64.0).abs());
        worst = worst.max((db - decibels(exact.fold(0.0, f64::max))).abs());
    }
    println!("sums of twelve tones read within {worst:.4} dB");
    assert!(worst < 0.02, "{worst} dB");
}

#[test]
fn annex_2_reads_with_its_known_errors() {
    let extremes = |f: f64| {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for phase in 0..32 {
            let mut m = PeakMeter::with_mode(1, PeakMode::Itu);
            let start = f64::from(phase) * PI / 32.0;
            for q in 0..24 {
                let x = |i: usize| (2.0 * PI * f * (q * QUANTUM + i) as f64 + start).sin();
                m.process(&[std::array::from_fn(x)], q as u64 + 1, true);
            }
            let db = decibels(m.true_peak(0, 4).0);
            (low, high) = (low.min(db), high.max(db));
        }
        println!("Annex 2 at {f} of the rate: {low:+.3} … {high:+.3} dB");
        (low, high)
    };
    for (f, low, high) in
        [(0.02, 0.002, 0.009), (0.25, -0.197, 0.215), (0.44, -0.31, -0.30), (0.45, -0.455, -0.42)]
    {
        let read = extremes(f);
        assert!((read.0 - low).abs() < 0.01 && (read.1 - high).abs() < 0.015, "{f}: {read:?}");
    }
}

#[test]
fn the_highest_peaks_and_when_they_were() {
    for mode in [PeakMode::Exact, PeakMode::Itu] {
        let mut m = PeakMeter::with_mode(1, mode).with_top(TopPeaks::new(3, 4800));
        // Bursts of 12 kHz at 45°, whose peaks lie between the samples, under a smooth hill.
        let centres = [(9_000.0, 0.5), (30_001.0, 0.9), (61_234.0, 0.7), (80_000.0, 0.1)];
        let x = |n: f64| {
            let hill = |(c, a): &(f64, f64)| a * (-((n - c) / 300.0) * ((n - c) / 300.0)).exp();
            centres.iter().map(hill).sum::<f64>() * (PI * n / 2.0 + PI / 4.0).sin()
        };
        for q in 0..1500 {
            m.process(&[std::array::from_fn(|i| x((q * QUANTUM + i) as f64))], q as u64 + 1, true);
        }
        println!("{mode:?}: {:?}", m.top());
        for (t, (c, a)) in m.top().iter().zip([centres[1], centres[2], centres[0]]) {
            assert!((t.frame as f64 - c).abs() <= 8.0, "{t:?} at {c}");
            let bound = if mode == PeakMode::Exact { 0.02 } else { 0.3 };
            assert!((decibels(t.amplitude) - decibels(a)).abs() < bound, "{t:?}");
        }
        assert_eq!(m.top().len(), 3);
    }
    // A lone sample is its own place.
    let mut m = PeakMeter::new(1).with_top(TopPeaks::new(3, 4800));
    let mut x = [0.0; QUANTUM];
    x[40] = 1.0;
    (0..20).for_each(|q| m.process(&[if q == 10 { x } else { [0.0; QUANTUM] }], q + 1, true));
    assert_eq!((m.top()[0].frame, m.top()[0].amplitude), (680, 1.0));
}

#[test]
fn cases_15_to_19_sines_between_samples() {
    for (case, amplitude, divisor, degrees, want) in [
        (15, 0.50, 4.0, 0.0, -6.0),
        (16, 0.50, 4.0, 45.0, -6.0),
        (17, 0.50, 6.0, 60.0, -6.0),
        (18, 0.50, 8.0, 67.5, -6.0),
        (19, 1.41, 4.0, 45.0, 3.0),
    ] {
        let x = |n: usize| amplitude * (2.0 * PI * n as f64 / divisor + degrees * PI / 180.0).sin();
        let db = read(x, 4, 40);
        println!("case {case}: {db:.4} dBTP, exactly {:.4}", decibels(amplitude));
        assert!((db - decibels(amplitude)).abs() < 0.02, "case {case}: {db:.4}");
        assert!((want - 0.4..=want + 0.2).contains(&db), "case {case}: {db:.4}");
    }
}

/// One loud period of fs/6 in a tone of half the amplitude, made at 4 fs, band-limited and decimated.
fn burst(offset: usize) -> (Vec<f64>, f64) {
    let (frames, centre) = (1024usize, 512usize);
    let high = |t: i64| -> f64 {
        let (period, from) = (24, 4 * centre as i64);
        let amplitude = if (from..from + period).contains(&t) { 1.0 } else { 0.5 };
        amplitude * (2.0 * PI * (t - from) as f64 / 24.0).sin()
    };
    // A windowed sinc at fs/2 with 64 frames to either side.
    let reach = 256i64;
    let tap = |k: i64| -> f64 {
        let (u, w) = (k as f64 / 4.0, k as f64 / (reach + 1) as f64);
        let sinc = if k == 0 { 1.0 } else { (PI * u * 0.96).sin() / (PI * u * 0.96) };
        sinc * (0.42 + 0.5 * (PI * w).cos() + 0.08 * (2.0 * PI * w).cos())
    };
    let sum: f64 = (-reach..=reach).map(tap).sum();
    let at = |t: i64| (-reach..=reach).map(|k| tap(k) * high(t - k)).sum::<f64>() / sum;
    let samples = (0..frames).map(|n| at(4 * n as i64 + offset as i64)).collect();
    // The exact peak: at 4 fs and between, where the curve is smooth.
    let near = (4 * centre as i64 - 40..4 * centre as i64 + 64).map(|t| {
        let (l, c, r) = (at(t - 1).abs(), at(t).abs(), at(t + 1).abs());
        if c >= l && c >= r { c + (l - r) * (l - r) / (8.0 * (2.0 * c - l - r)) } else { c }
    });
    (samples, near.fold(0.0, f64::max))
}

#[test]
fn cases_20_to_23_a_peak_at_every_place() {
    for offset in 0..4 {
        let (x, peak) = burst(offset);
        let (db, exact) = (read(|n| x[n], 2, x.len() / QUANTUM), decibels(peak));
        println!("case {}: {db:.4} dBTP, made with {exact:.4}", 20 + offset);
        assert!((db - exact).abs() < 0.02, "case {}: {db:.4}, made with {exact:.4}", 20 + offset);
        assert!((-0.4..=0.2).contains(&db), "case {}: {db:.4}", 20 + offset);
    }
}

#[test]
fn a_seam_makes_no_peak() {
    // 12 kHz at 48 kHz and 45°: samples at −3 dB, true peak 0; the sound before is another.
    let x = |n: usize| (PI * n as f64 / 2.0 + PI / 4.0).sin();
    let mut m = PeakMeter::new(1);
    let mut highest = f64::NEG_INFINITY;
    for q in 0..200 {
        if q % 20 == 0 {
            m.gap();
        }
        let audio: Frames = std::array::from_fn(|i| x(q * QUANTUM + i + q / 20));
        m.process(&[audio], q as u64 + 1, true);
        highest = highest.max(decibels(m.true_peak(0, q as u64).0));
    }
    println!("true peak about seams: {highest:.4} dBTP");
    assert!(highest.abs() < 0.01, "{highest:.4} dBTP");
    assert!(m.delay() < QUANTUM, "finish() brings out all peaks with one quantum");
}
