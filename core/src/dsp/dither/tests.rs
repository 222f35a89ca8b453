// SPDX-License-Identifier: MIT OR Apache-2.0
//! Noise levels, moments, spectra, full scale and silence, as one would measure a converter.

use super::super::fft::RealFft;
use super::super::noise_shaper::Strength;
use super::*;

const RATE: f64 = 48_000.0;

fn flat(bits: u32) -> Target {
    Target { bits, shaper: Shaper::FLAT, seed: DEFAULT_SEED }
}

fn shaped(strength: Strength, rate: u32) -> Target {
    Target { shaper: Shaper::design(strength, rate).unwrap(), ..flat(16) }
}

/// Integers in LSB.
fn run(target: Target, x: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut d = Dither::new(1, target, RATE);
    let one = |x: f64| {
        d.begin(x == 0.0);
        d.next(0, x).value
    };
    x.into_iter().map(one).collect()
}

fn sine(hz: f64, rate: f64, amplitude: f64, n: usize) -> Vec<f64> {
    (0..n).map(|i| amplitude * (2.0 * std::f64::consts::PI * hz / rate * i as f64).sin()).collect()
}

/// Mean and variance of the error in LSB.
fn moments(target: Target, x: &[f64]) -> (f64, f64) {
    let scale = (1u64 << (target.bits - 1)) as f64;
    let errors: Vec<f64> = run(target, x.iter().copied()).iter().zip(x).map(|(y, x)| y - x * scale).collect();
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n;
    (mean, errors.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / n)
}

#[test]
fn the_noise_has_the_level_of_theory() {
    let x = sine(997.0, RATE, 0.25, 1 << 19);
    for (bits, wanted) in [(16, -96.33), (20, -120.41), (24, -144.49)] {
        let (mean, variance) = moments(flat(bits), &x);
        let db = 10.0 * variance.log10() - 20.0 * f64::from(1 << (bits - 1)).log10();
        println!("{bits} bits: {db:.3} dBFS rms, mean {mean:.5} LSB");
        assert!((db - wanted).abs() < 0.05 && mean.abs() < 0.005, "{bits} bits: {db:.3} dBFS, {mean} LSB");
    }
}

/// Constants from 0 to 1 LSB: without dither the error would follow them.
#[test]
fn mean_and_variance_do_not_follow_the_signal() {
    let targets = [
        ("tpdf", flat(16)),
        ("light", shaped(Strength::Light, 44_100)),
        ("strong", shaped(Strength::Strong, 48_000)),
    ];
    for (name, target) in targets {
        let wanted = 0.25 * target.shaper.total();
        let (mut off, mut drift) = (0.0f64, 0.0f64);
        for step in 0..=16 {
            let x = vec![(100.0 + f64::from(step) / 16.0) / 32_768.0; 600_000];
            let (mean, variance) = moments(target, &x);
            off = off.max(mean.abs());
            drift = drift.max((variance / wanted - 1.0).abs());
        }
        println!("{name}: mean at most {off:.5} LSB, variance within {:.2} %", 100.0 * drift);
        assert!(off < 0.01 && drift < 0.01, "{name}: mean {off} LSB, variance {:.2} %", 100.0 * drift);
    }
}

#[test]
fn a_faint_tone_has_no_harmonics() {
    const N: usize = 1 << 20;
    let bin = (997.0 / RATE * N as f64).round() as usize;
    let x = sine(bin as f64 * RATE / N as f64, RATE, 10f64.powf(-110.0 / 20.0), N);
    let fft = RealFft::new(N);
    let targets = [
        ("tpdf", flat(16)),
        ("light", shaped(Strength::Light, 48_000)),
        ("strong", shaped(Strength::Strong, 48_000)),
    ];
    for (name, target) in targets {
        let y: Vec<f64> = run(target, x.iter().copied()).iter().map(|v| v / 32_768.0).collect();
        let power: Vec<f64> =
            fft.spectrum(&y).iter().map(|(re, im)| (re * re + im * im) * (2.0 / N as f64).powi(2)).collect();
        let tone = 10.0 * power[bin].log10();
        let mut worst = f64::MIN;
        for h in (2..=24).map(|n| n * bin).filter(|b| *b < N / 2 - 300) {
            let around = (h - 256..=h + 256).filter(|k| *k != h).map(|k| power[k]).sum::<f64>() / 512.0;
            worst = worst.max(10.0 * (power[h] / around).log10());
        }
        println!("{name}: tone {tone:.2} dBFS, highest harmonic {worst:.1} dB over the noise in its bin");
        // Of 23 bins of noise the highest is 5 dB over the mean, and 12 dB once in 10⁵ tests.
        assert!((tone + 110.0).abs() < 0.3 && worst < 12.0, "{name}: {tone} dBFS, {worst} dB");
    }
}

#[test]
fn each_shaper_has_the_spectrum_of_its_design() {
    const SIZE: usize = 4096;
    let fft = RealFft::new(SIZE);
    let window: Vec<f64> =
        (0..SIZE).map(|n| 1.0 - (2.0 * std::f64::consts::PI * n as f64 / SIZE as f64).cos()).collect();
    for rate in [44_100, 48_000, 88_200, 96_000] {
        for strength in [Strength::Light, Strength::Strong] {
            let target = shaped(strength, rate);
            let x = sine(440.0, f64::from(rate), 0.3, 1 << 20);
            let error: Vec<f64> =
                run(target, x.iter().copied()).iter().zip(&x).map(|(y, x)| y - x * 32_768.0).collect();
            let mut power = vec![0.0; SIZE / 2 + 1];
            let mut count = 0.0;
            for start in (0..error.len() - SIZE).step_by(SIZE / 2) {
                let part: Vec<f64> =
                    error[start..start + SIZE].iter().zip(&window).map(|(e, w)| e * w).collect();
                for (p, (re, im)) in power.iter_mut().zip(fft.spectrum(&part)) {
                    *p += re * re + im * im;
                }
                count += 1.5 * SIZE as f64;
            }
            let mut worst = (0.0f64, 0.0);
            // 64 bands of 32 bins each.
            for band in 0..SIZE / 64 {
                let bins = (band * 32).max(1)..(band + 1) * 32;
                let got: f64 = bins.clone().map(|k| power[k] / count).sum();
                let hz = |k: usize| k as f64 * f64::from(rate) / SIZE as f64;
                let wanted: f64 = bins.map(|k| 0.25 * target.shaper.power(hz(k), f64::from(rate))).sum();
                let off = 10.0 * (got / wanted).log10();
                if off.abs() > worst.0.abs() {
                    worst = (off, hz(band * 32));
                }
            }
            println!("{strength:?} at {rate} Hz: {:.3} dB off at {:.0} Hz", worst.0, worst.1);
            assert!(worst.0.abs() < 0.3, "{strength:?} at {rate} Hz: {:.3} dB at {:.0} Hz", worst.0, worst.1);
        }
    }
}

/// A square far over full scale, then a quiet tone: every sample is in range, and the shaper is not wound up.
#[test]
fn full_scale_is_never_passed_and_soon_forgotten() {
    for (strength, rate) in [(Strength::Strong, 44_100), (Strength::Strong, 96_000)] {
        let target = shaped(strength, rate);
        let loud = (0..20_000).map(|n| if n % 100 < 50 { 1.2 } else { -1.2 });
        let full = sine(1000.0, f64::from(rate), 1.0, 20_000);
        let quiet = sine(1000.0, f64::from(rate), 0.01, 20_000);
        let x: Vec<f64> = loud.chain(full).chain(quiet).collect();
        let y = run(target, x.iter().copied());
        assert!(y.iter().all(|v| (-32_768.0..=32_767.0).contains(v) && v.fract() == 0.0));
        assert!(y[..20_000].contains(&32_767.0) && y[..20_000].contains(&-32_768.0));
        let error = |n: usize| (y[n] - x[n] * 32_768.0).abs();
        let after = (40_000..40_100).map(error).fold(0.0, f64::max);
        let usual = (50_000..60_000).map(error).fold(0.0, f64::max);
        println!("{strength:?} at {rate} Hz: error after the clip {after:.1} LSB, usually up to {usual:.1}");
        assert!(after < 1.5 * usual, "{after} LSB after the clip, usually {usual}");
    }
    let mut d = Dither::new(1, flat(16), RATE);
    d.begin(false);
    assert_eq!(d.next(0, 2.0), Quantised { value: 32_767.0, clipped: true });
    assert_eq!(d.next(0, f64::NEG_INFINITY), Quantised { value: -32_768.0, clipped: true });
}

/// After a second of digital silence the output is, too; what then comes is dithered as it was at first.
#[test]
fn silence_is_blanked_and_the_next_programme_begins_anew() {
    let target = shaped(Strength::Strong, 48_000);
    let second = RATE as usize;
    let song = sine(997.0, RATE, 1e-4, 10_000).into_iter().map(|v| v + 1e-9);
    let silence = |frames: usize| std::iter::repeat_n(0.0, frames);
    let x: Vec<f64> = silence(777).chain(song.clone()).chain(silence(second + 500)).chain(song).collect();
    let y = run(target, x);
    assert!(y[..777].iter().all(|v| *v == 0.0), "it begins stopped");
    let (end, blank) = (10_777, 10_777 + second - 1);
    let still = y[end..blank].iter().filter(|v| **v != 0.0).count();
    assert!(still > second / 2, "{still} samples of noise in the second before");
    assert!(y[blank..blank + 501].iter().all(|v| *v == 0.0), "silent from the last frame of the second on");
    assert!(y[777..end] == y[blank + 501..], "the same programme has the same bits");
}

#[test]
fn a_gap_short_of_a_second_goes_on() {
    let gap = vec![0.0; RATE as usize - 1];
    let x: Vec<f64> = [0.1].into_iter().chain(gap).chain([0.1; 100]).collect();
    let y = run(flat(16), x);
    assert!(y[y.len() - 200..y.len() - 100].iter().any(|v| *v != 0.0));
}

#[test]
fn channels_have_noise_of_their_own() {
    let mut d = Dither::new(2, flat(16), RATE);
    let (mut cross, mut power) = (0.0, 0.0);
    for _ in 0..200_000 {
        d.begin(false);
        let (a, b) = (d.next(0, 1e-9).value, d.next(1, 1e-9).value);
        cross += a * b;
        power += 0.5 * (a * a + b * b);
    }
    let correlation = cross / power;
    println!("correlation {correlation:.4}");
    assert!(correlation.abs() < 0.01, "{correlation}");
}
