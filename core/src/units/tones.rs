// SPDX-License-Identifier: MIT OR Apache-2.0
//! Measurements of units that make harmonics: their levels, and what lies beside them.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::rig::{Rig, db, sine};
use crate::dsp::QUANTUM;
use crate::dsp::fft::RealFft;

/// Every rate that units are measured at.
pub const RATES: [u32; 6] = [44_100, 48_000, 88_200, 96_000, 176_400, 192_000];
/// Frames of one spectrum.
pub const SPAN: usize = 16_384;

/// What a steady tone has become.
#[derive(Debug)]
pub struct Tone {
    /// Amplitude of the fundamental in dB of that put in.
    pub gain: f64,
    /// Harmonics 2, 3 … in dB of the fundamental, as far as half the rate.
    pub harmonics: Vec<f64>,
    /// The largest line below 20 kHz that is no harmonic, and all of them, in dB of the fundamental.
    pub alias: f64,
    pub aliases: f64,
}

/// A frequency near `hz` of which a spectrum has a whole, odd number of periods.
pub fn near(hz: f64, rate: f64) -> (usize, f64) {
    let k = (hz / rate * SPAN as f64) as usize | 1;
    (k, k as f64 * rate / SPAN as f64)
}

/// Amplitudes of the lines of the last [`SPAN`] frames.
pub fn lines(y: &[f64]) -> Vec<f64> {
    let fft = RealFft::new(SPAN);
    let scale =
        |(k, (re, im)): (usize, &(f64, f64))| re.hypot(*im) * if k == 0 { 1.0 } else { 2.0 } / SPAN as f64;
    fft.spectrum(&y[y.len() - SPAN..]).iter().enumerate().map(scale).collect()
}

/// Plays a sine of about `hz` at `level` dBFS for `settle` seconds and then looks.
pub fn tone(symbol: &str, rate: u32, settings: &[(&str, f64)], hz: f64, level: f64, settle: f64) -> Tone {
    let fs = f64::from(rate);
    let (k, hz) = near(hz, fs);
    let amplitude = 10f64.powf(level / 20.0);
    let n = ((settle * fs) as usize + SPAN).div_ceil(QUANTUM) * QUANTUM;
    let mut rig = Rig::new(symbol, rate, "mono", settings);
    let y = rig.run(&[sine(hz, fs, amplitude, n)]).remove(0);
    let l = lines(&y);
    let fundamental = l[k];
    let mut t = Tone { gain: db(fundamental / amplitude), harmonics: vec![], alias: 0.0, aliases: 0.0 };
    let last = (20_000.0 * SPAN as f64 / fs) as usize;
    for (n, a) in l.iter().enumerate().skip(1).take(SPAN / 2 - 1) {
        if n % k == 0 {
            if n > k {
                t.harmonics.push(db(a / fundamental));
            }
        } else if n <= last {
            t.alias = t.alias.max(a / fundamental);
            t.aliases += (a / fundamental).powi(2);
        }
    }
    (t.alias, t.aliases) = (db(t.alias), db(t.aliases.sqrt()));
    t
}

/// Largest deviation in dB from 0 dB between `from` and `to` Hz of a strike of −140 dBFS, and from linear phase in
/// samples.
pub fn idle(symbol: &str, rate: u32, settings: &[(&str, f64)], from: f64, to: f64) -> (f64, f64) {
    const STRIKE: f64 = 1e-7;
    let mut rig = Rig::new(symbol, rate, "mono", settings);
    let late = rig.unit.latency();
    let mut x = vec![0.0; (f64::from(rate) * 0.25) as usize / QUANTUM * QUANTUM];
    x[0] = STRIKE;
    let y = rig.run(&[x]).remove(0);
    let (mut level, mut shift) = (0.0f64, 0.0f64);
    for n in 0..=24 {
        let hz = from * (to / from).powf(f64::from(n) / 24.0);
        let w = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
        let (mut re, mut im) = (0.0, 0.0);
        for (n, v) in y.iter().enumerate() {
            let a = w * (n as f64 - late as f64);
            re += v * a.cos() / STRIKE;
            im -= v * a.sin() / STRIKE;
        }
        level = level.max(db(re.hypot(im)).abs());
        // Below 1 kHz a turn of the DC block's size is no delay.
        if hz > 1000.0 {
            shift = shift.max((im.atan2(re) / w).abs());
        }
    }
    (level, shift)
}

pub const QUALITIES: [&str; 3] = ["eco", "normal", "high"];

/// What a unit gives and lets one hear as its choice 1.
pub fn heard(symbol: &str, settings: &[(&str, f64)], x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut rig = Rig::new(symbol, 48_000, "mono", settings);
    rig.listen = Some(1);
    let out = rig.run(&[x.to_vec()]).remove(0);
    (out, rig.heard.remove(0))
}

/// Plays a sine of 100 Hz at `level` dBFS and sets a parameter: the peak above 5 kHz in dBFS around the change, and
/// the largest of those that stand still at either end and at three places between.
pub fn step_leaves(symbol: &str, settings: &[(&str, f64)], to: (&str, f64), level: f64) -> (f64, f64) {
    const HALF: usize = 150;
    let at = 9_600 / QUANTUM * QUANTUM;
    let x = sine(100.0, 48e3, 10f64.powf(level / 20.0), 4 * at);
    let high = |settings: &[(&str, f64)], moves: &[super::rig::Move<'_>], from: usize, to: usize| {
        let mut rig = Rig::new(symbol, 48_000, "mono", settings);
        let y = rig.run_with(&[x[..to].to_vec()], None, moves).remove(0);
        db(super::rig::peak(&super::rig::band(&y[from..], 48e3, 6_000.0, 24_000.0, HALF)))
    };
    let moving = high(settings, &[(at, to.0, to.1)], at - 2 * HALF, 4 * at);
    let from = settings.iter().rev().find(|s| s.0 == to.0).map_or(to.1, |s| s.1);
    let still = |way: f64| {
        let value = from + way * (to.1 - from);
        let value =
            if (value - to.1).abs() < 1.5 && to.1 <= 1.0 && from <= 1.0 { value.round() } else { value };
        high(&[settings, &[(to.0, value)]].concat(), &[], at - 2 * HALF, 2 * at)
    };
    (moving, [0.0, 0.25, 0.5, 0.75, 1.0].map(still).into_iter().fold(-400.0, f64::max))
}

/// Amplitude of the line at `hz`, of which the last `n` frames have whole periods.
pub fn line(y: &[f64], rate: f64, hz: f64, n: usize) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (i, v) in y[y.len() - n..].iter().enumerate() {
        let w = 2.0 * std::f64::consts::PI * (hz / rate * i as f64).fract();
        re += v * w.cos();
        im += v * w.sin();
    }
    2.0 * re.hypot(im) / n as f64
}
