// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programmes that are hard on a limiter.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::units::rig::{Noise, band, kaiser, peak};

const PI: f64 = std::f64::consts::PI;

pub fn amp(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// A programme of bursts of noise, sines, clicks, silence and full-scale squares.
pub fn programme(noise: &mut Noise, n: usize) -> Vec<f64> {
    let mut x = Vec::with_capacity(n);
    while x.len() < n {
        let len = 1 + (noise.next().abs() * 3000.0) as usize;
        let level = amp(30.0 * noise.next() - 6.0);
        let (f, kind) = (PI * noise.next().abs(), (noise.next().abs() * 5.0) as u32);
        for i in 0..len {
            x.push(match kind {
                0 => level * noise.next(),
                1 => level * (f * i as f64).sin(),
                2 => {
                    if noise.next() > 0.99 {
                        level
                    } else {
                        0.0
                    }
                }
                3 => level * (f * i as f64).sin().signum(),
                _ => 0.01 * noise.next(),
            });
        }
    }
    x.truncate(n);
    x
}

/// Band-limits to 20 kHz (−6 dB at 21 kHz, nothing above 22 kHz).
pub fn limit_band(x: &[f64], fs: f64) -> Vec<f64> {
    band(x, fs, 0.0, 20_800.0, (fs / 48e3 * 200.0) as usize)
}

pub fn scaled(mut x: Vec<f64>, db: f64) -> Vec<f64> {
    let g = amp(db) / peak(&x);
    x.iter_mut().for_each(|v| *v *= g);
    x
}

pub fn burst(hz: f64, fs: f64, n: usize) -> Vec<f64> {
    let (period, len, fade) = (0.05 * fs, 0.03 * fs, 0.002 * fs);
    (0..n)
        .map(|i| {
            let t = i as f64 % period;
            let edge = t.min(len - t).clamp(0.0, fade) / fade;
            (0.5 - 0.5 * (PI * edge).cos()) * (2.0 * PI * hz / fs * i as f64).sin()
        })
        .collect()
}

pub fn kick(fs: f64, n: usize, noise: &mut Noise) -> Vec<f64> {
    (0..n)
        .map(|i| {
            let t = (i as f64 / fs) % 0.25;
            (-t / 0.08).exp() * (2.0 * PI * (60.0 * t + 4.0 * (1.0 - (-t / 0.02).exp()))).sin()
                + 0.2 * noise.next()
        })
        .collect()
}

pub fn pink(n: usize, noise: &mut Noise) -> Vec<f64> {
    // Paul Kellet's three-pole approximation.
    let mut b = [0.0; 3];
    (0..n)
        .map(|_| {
            let w = noise.next();
            b[0] = 0.99765 * b[0] + w * 0.099046;
            b[1] = 0.963 * b[1] + w * 0.2965164;
            b[2] = 0.57 * b[2] + w * 1.0526913;
            b[0] + b[1] + b[2] + w * 0.1848
        })
        .collect()
}

/// Impulses at fractional positions, band-limited with a windowed sinc of 20 kHz.
pub fn impulses(fs: f64, n: usize, noise: &mut Noise) -> Vec<f64> {
    let mut x = vec![0.0; n];
    let fc = 20_000.0f64.min(0.45 * fs) * 2.0 / fs;
    for k in 1..n / 2000 {
        let at = k as f64 * 2000.0 + noise.next();
        for (i, v) in x.iter_mut().enumerate().skip(at as usize - 500).take(1000) {
            let t = i as f64 - at;
            let s = if t == 0.0 { 1.0 } else { (PI * fc * t).sin() / (PI * fc * t) };
            *v += s * kaiser(t / 500.0, 10.0);
        }
    }
    x
}

/// The same bursts, switched on and off.
pub fn gated(hz: f64, fs: f64, n: usize) -> Vec<f64> {
    let (period, len) = (0.05 * fs, 0.03 * fs);
    (0..n)
        .map(|i| if i as f64 % period < len { (2.0 * PI * hz / fs * i as f64).sin() } else { 0.0 })
        .collect()
}

/// A dense programme: a kick, a bass, chords and noise on two channels, peaks at 0 dBFS.
pub fn mix(fs: f64, n: usize, noise: &mut Noise) -> Vec<Vec<f64>> {
    let chord = [220.0, 277.2, 329.6, 440.0, 659.3, 987.8];
    let mut out = vec![vec![0.0; n]; 2];
    let mut low = [0.0; 2];
    for i in 0..n {
        let t = i as f64 / fs;
        let (beat, half) = (t % 0.5, (t + 0.25) % 0.5);
        let kick =
            (-beat / 0.09).exp() * (2.0 * PI * (52.0 * beat + 3.0 * (1.0 - (-beat / 0.015).exp()))).sin();
        let note = [55.0, 55.0, 73.4, 65.4][(t / 0.5) as usize % 4];
        let bass: f64 = (1..8).map(|k| (2.0 * PI * note * f64::from(k) * t).sin() / f64::from(k)).sum();
        let snare = (-half / 0.06).exp();
        let hat = (-(t % 0.125) / 0.02).exp();
        for (c, out) in out.iter_mut().enumerate() {
            let tune: f64 = chord
                .iter()
                .enumerate()
                .map(|(k, f)| (2.0 * PI * f * (1.0 + 0.001 * c as f64) * t + (k * (c + 1)) as f64).sin())
                .sum();
            let w = noise.next();
            low[c] += 0.3 * (w - low[c]);
            out[i] =
                0.9 * kick + 0.25 * bass + 0.09 * tune + 0.5 * snare * low[c] + 0.12 * hat * (w - low[c]);
        }
    }
    let top = out.iter().map(|c| peak(c)).fold(0.0, f64::max);
    out.iter_mut().flatten().for_each(|v| *v /= top);
    out
}
