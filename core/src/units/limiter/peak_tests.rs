// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks over the ceiling, read by an independent interpolation ×32, and how near to it they come.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::signals::{burst, gated, impulses, kick, limit_band, mix, pink, scaled};
use crate::units::rig::{Noise, Rig, db, peak, true_peak};

const PI: f64 = std::f64::consts::PI;
const STYLES: [&str; 5] = ["transparent", "punch", "dense", "wall", "bus"];

/// Frames of each signal; `tests/soak peaks` asks for more.
fn frames() -> usize {
    let asked = std::env::var("LATHE_SAMPLES").ok().and_then(|v| v.parse::<usize>().ok());
    asked.unwrap_or(64 * 200) / 64 * 64
}

fn seed() -> u64 {
    std::env::var("LATHE_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// How far the true peak of what this makes of `x` is over a ceiling of −1 dB.
fn over(x: &[f64], rate: u32, settings: &[(&str, f64)]) -> f64 {
    let x = x[..x.len() / 64 * 64].to_vec();
    let y = Rig::new("limiter", rate, "mono", settings).run(&[x]).remove(0);
    assert!(db(peak(&y)) <= -1.0 + 1e-6, "sample peak {}", db(peak(&y)));
    db(true_peak(&y)) + 1.0
}

/// Band-limited to 20 kHz: name, signal, level in dBFS.
fn clean(fs: f64, n: usize, noise: &mut Noise) -> Vec<(&'static str, Vec<f64>, f64)> {
    let wide = noise.vec(n + 2000);
    // What begins at once is not band-limited.
    let fade = |x: Vec<f64>| -> Vec<f64> {
        let n = x.len();
        let at = |i: usize| (i.min(n - 1 - i) as f64 / 400.0).min(1.0);
        x.iter().enumerate().map(|(i, v)| v * (0.5 - 0.5 * (PI * at(i)).cos())).collect()
    };
    let set = vec![
        ("white +12", limit_band(&wide, fs), 12.0),
        ("white +18", limit_band(&wide, fs), 18.0),
        ("pink +12", limit_band(&pink(n + 2000, noise), fs), 12.0),
        ("fs/4 at 45 deg", (0..n).map(|i| (PI / 2.0 * i as f64 + PI / 4.0).sin()).collect(), 6.0),
        ("bursts 11.97 kHz", burst(11_970.0, fs, n), 12.0),
        ("bursts 15 kHz", burst(15_000.0, fs, n), 12.0),
        ("bursts 19 kHz", burst(19_000.0, fs, n), 12.0),
        ("kick and noise", limit_band(&kick(fs, n + 2000, noise), fs), 12.0),
        ("impulses, 20 kHz", impulses(fs, n, noise), 12.0),
        ("mix", limit_band(&mix(fs, n + 2000, noise)[0], fs), 12.0),
    ];
    set.into_iter().map(|(name, x, level)| (name, fade(x), level)).collect()
}

/// With all that a digital clip or switch leaves up to half the rate.
fn rough(fs: f64, n: usize, noise: &mut Noise) -> Vec<(&'static str, Vec<f64>, f64)> {
    let clip = |x: &[f64], db: f64| -> Vec<f64> {
        let g = super::signals::amp(db) / peak(x);
        x.iter().map(|v| (v * g).clamp(-1.0, 1.0)).collect()
    };
    let mut raw = vec![0.0; n];
    raw.iter_mut().step_by(1777).for_each(|v| *v = 1.0);
    let tone: Vec<f64> = (0..n).map(|i| (2.0 * PI * 997.0 / fs * i as f64).sin()).collect();
    vec![
        ("clipped pink", clip(&pink(n, noise), 15.0), 6.0),
        ("clipped 997 Hz", clip(&tone, 18.0), 6.0),
        ("gated 5 kHz", gated(5_000.0, fs, n), 12.0),
        ("gated 15 kHz", gated(15_000.0, fs, n), 12.0),
        ("random signs", (0..n).map(|_| noise.next().signum()).collect(), 6.0),
        ("impulses, raw", raw, 12.0),
    ]
}

/// Every case at a rate with a style; the worst of the clean and of the rough ones.
fn worst(rate: u32, style: usize, quality: f64) -> (f64, f64) {
    let (fs, mut noise) = (f64::from(rate), Noise(99 ^ seed().wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    let settings = [("ceiling", -1.0), ("style", style as f64), ("quality", quality)];
    let measure = |set: Vec<(&str, Vec<f64>, f64)>, near: bool| {
        let mut worst = f64::NEG_INFINITY;
        for (name, x, level) in set {
            let over = over(&scaled(x, level), rate, &settings);
            println!("{rate} Hz {}, {name}: {over:+.4} dB", STYLES[style]);
            // It does not buy this with level.
            assert!(!near || over > -0.1, "{rate} Hz {}, {name}: only {over:+.4} dB", STYLES[style]);
            worst = worst.max(over);
        }
        worst
    };
    let clean = measure(clean(fs, frames(), &mut noise), true);
    let rough = measure(rough(fs, frames(), &mut noise), true);
    println!("{rate} Hz {}, quality {quality}: clean {clean:+.4} dB, rough {rough:+.4} dB", STYLES[style]);
    (clean, rough)
}

fn check(rate: u32, style: usize, quality: f64, most: (f64, f64)) {
    let (clean, rough) = worst(rate, style, quality);
    assert!(clean <= most.0, "{rate} Hz {}: {clean:+.4} dB on band-limited material", STYLES[style]);
    assert!(rough <= most.1, "{rate} Hz {}: {rough:+.4} dB on unfiltered edges", STYLES[style]);
}

#[test]
fn true_peaks_stay_at_the_ceiling_at_44_100_in_every_style() {
    (0..5).for_each(|style| check(44_100, style, 1.0, (0.02, 0.12)));
}

#[test]
fn true_peaks_stay_at_the_ceiling_at_48_000_in_every_style() {
    (0..5).for_each(|style| check(48_000, style, 1.0, (0.02, 0.12)));
}

#[test]
fn true_peaks_stay_at_the_ceiling_at_high_rates() {
    for rate in [88_200, 96_000, 176_400, 192_000] {
        [0, 3].into_iter().for_each(|style| check(rate, style, 1.0, (0.02, 0.12)));
    }
}

#[test]
fn true_peaks_at_other_qualities() {
    check(44_100, 0, 0.0, (0.02, 0.12));
    check(44_100, 0, 2.0, (0.01, 0.05));
}

#[test]
fn behind_the_soft_clip_true_peaks_stay_too() {
    for rate in [44_100u32, 48_000, 96_000, 192_000] {
        let (fs, mut noise) = (f64::from(rate), Noise(7 ^ seed()));
        for (name, x, level) in clean(fs, frames(), &mut noise) {
            for style in [0, 3] {
                let settings = [("style", f64::from(style)), ("clip", 1.0), ("clip_depth", 4.0)];
                let over = over(&scaled(x.clone(), level), rate, &settings);
                println!("{rate} Hz, style {style}, clipped {name}: {over:+.4} dB");
                assert!(over <= 0.05, "{rate} Hz, {name}: {over:+.4} dB");
            }
        }
    }
}
