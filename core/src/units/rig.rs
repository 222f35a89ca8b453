// SPDX-License-Identifier: MIT OR Apache-2.0
//! A bench for the tests of units: one unit, its glides, moves of its parameters, and measurements.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use std::time::{Duration, Instant};

use super::{AnyKind, AnyUnit, Format, GLIDE_MS, Glides, Layout, Notes, Readings, find, ramp_frames};
use crate::dsp::{Frames, QUANTUM};
use crate::param::{Motion, ParamTable, Values};
use crate::units::{Block, Listen};

/// A parameter's new value at a frame.
pub type Move<'a> = (usize, &'a str, f64);

pub struct Rig {
    pub unit: Box<dyn AnyUnit>,
    pub format: Format,
    kind: &'static dyn AnyKind,
    table: ParamTable,
    values: Values,
    glides: Glides,
    /// Deepest gain reduction of each quantum in dB.
    pub reductions: Vec<f64>,
    /// Value of the watched parameter at every frame.
    pub watched: Vec<f64>,
    pub watch: Option<&'static str>,
    /// What of the unit is listened to, and what is heard.
    pub listen: Option<u16>,
    pub heard: Vec<Vec<f64>>,
    /// Time of each `process`.
    spent: Vec<Duration>,
}

impl Rig {
    pub fn new(symbol: &str, rate: u32, layout: &str, settings: &[(&str, f64)]) -> Rig {
        let kind = find(symbol).unwrap();
        let format = Format { sample_rate: rate, layout: Layout::named(layout).unwrap() };
        let table = kind.table();
        let mut values = table.defaults();
        for (s, v) in settings {
            let p = table.find(s).unwrap_or_else(|| panic!("{s}"));
            values.set(p, table[p].check(*v).unwrap());
        }
        let glides = Glides::new(&table, &values);
        let unit = kind.build(&format, &values, &mut Notes::default()).unwrap();
        Rig {
            unit,
            format,
            kind,
            table,
            values,
            glides,
            reductions: vec![],
            watched: vec![],
            watch: None,
            listen: None,
            heard: vec![],
            spent: vec![],
        }
    }

    fn set(&mut self, symbol: &str, value: f64, at: usize) {
        let p = self.table.find(symbol).unwrap();
        self.values.set(p, value);
        match self.table[p].change {
            Motion::Glide => self.glides.go(p, value, ramp_frames(GLIDE_MS, self.format.sample_rate), at),
            Motion::Designed => {
                let mut parts = self.kind.design(&self.format, &self.values, &mut Notes::default()).unwrap();
                self.unit.exchange(parts.as_mut(), at);
            }
            Motion::Structural => panic!("{symbol} needs another unit"),
        }
    }

    /// Median cost in ns per frame.
    pub fn cost(&mut self) -> f64 {
        self.spent.sort();
        self.spent[self.spent.len() / 2].as_nanos() as f64 / QUANTUM as f64
    }

    /// Cost of each quantum in ns per frame, in order, before [`Self::cost`].
    pub fn costs(&self) -> Vec<f64> {
        self.spent.iter().map(|t| t.as_nanos() as f64 / QUANTUM as f64).collect()
    }

    pub fn run(&mut self, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
        self.run_with(input, None, &[])
    }

    /// Runs whole quanta; `moves` in order of their frames.
    pub fn run_with(
        &mut self,
        input: &[Vec<f64>],
        sidechain: Option<&[Vec<f64>]>,
        moves: &[Move<'_>],
    ) -> Vec<Vec<f64>> {
        let cut = |x: &[Vec<f64>], n: usize| -> Vec<Frames> {
            x.iter().map(|c| c[n..n + QUANTUM].try_into().unwrap()).collect()
        };
        let mut out = vec![Vec::new(); input.len()];
        for n in (0..input[0].len() / QUANTUM).map(|q| q * QUANTUM) {
            for (at, symbol, value) in moves.iter().filter(|m| (n..n + QUANTUM).contains(&m.0)) {
                self.set(symbol, *value, at - n);
            }
            self.glides.advance();
            let mut audio = cut(input, n);
            let side = sidechain.map(|s| cut(s, n));
            let mut heard = vec![[0.0; QUANTUM]; audio.len()];
            let mut block = Block::new(&mut audio, side.as_deref(), &self.glides);
            block.listen = self.listen.map(|what| Listen { what, out: &mut heard });
            let start = Instant::now();
            self.unit.process(&mut block);
            self.spent.push(start.elapsed());
            if self.listen.is_some() {
                self.heard.resize(heard.len(), vec![]);
                self.heard.iter_mut().zip(&heard).for_each(|(h, x)| h.extend(x));
            }
            out.iter_mut().zip(&audio).for_each(|(o, a)| o.extend(a));
            let mut r = Readings::default();
            self.unit.readings(&mut r);
            self.reductions.push(r.gain_reduction.unwrap_or(0.0));
            if let Some(p) = self.watch.and_then(|w| self.table.find(w)) {
                self.watched.extend((0..QUANTUM).map(|i| self.glides.ramp(p).at(i)));
            }
        }
        out
    }
}

/// Uniform noise in ±1.
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
    pub fn vec(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.next()).collect()
    }
}

pub fn sine(hz: f64, rate: f64, amplitude: f64, n: usize) -> Vec<f64> {
    let w = 2.0 * std::f64::consts::PI * hz / rate;
    (0..n).map(|i| amplitude * (w * i as f64).sin()).collect()
}

pub fn db(x: f64) -> f64 {
    20.0 * x.max(1e-20).log10()
}

fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..200 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

pub fn kaiser(u: f64, beta: f64) -> f64 {
    if u.abs() >= 1.0 { 0.0 } else { bessel_i0(beta * (1.0 - u * u).sqrt()) / bessel_i0(beta) }
}

fn sinc(t: f64) -> f64 {
    if t == 0.0 { 1.0 } else { (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t) }
}

/// Linear-phase band filter in f64, `low..high` in Hz at −6 dB, 2·half+1 taps; output aligned, edges dropped.
pub fn band(x: &[f64], rate: f64, low: f64, high: f64, half: usize) -> Vec<f64> {
    let (a, b) = (2.0 * low / rate, 2.0 * (high / rate).min(0.5));
    let taps: Vec<f64> = (0..=2 * half)
        .map(|k| {
            let t = k as f64 - half as f64;
            (b * sinc(b * t) - a * sinc(a * t)) * kaiser(t / (half + 1) as f64, 15.0)
        })
        .collect();
    x.windows(taps.len()).map(|w| dot(w, &taps)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut acc = [0.0; 8];
    let (ac, bc) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = ac.remainder().iter().zip(bc.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in ac.zip(bc) {
        for k in 0..8 {
            acc[k] += x[k] * y[k];
        }
    }
    acc.iter().sum::<f64>() + rest
}

pub fn peak(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |p, v| p.max(v.abs()))
}

/// True peak by 32-fold band-limited interpolation in f64, 256 taps a phase.
pub fn true_peak(x: &[f64]) -> f64 {
    const TAPS: usize = 256;
    let mut top = peak(x);
    for k in 1..32 {
        let at = f64::from(k) / 32.0;
        let taps: Vec<f64> = (0..TAPS)
            .map(|j| {
                let t = j as f64 - (TAPS / 2 - 1) as f64 - at;
                sinc(t) * kaiser(t / (TAPS / 2) as f64, 12.0)
            })
            .collect();
        top = x.windows(TAPS).fold(top, |p, w| p.max(dot(w, &taps).abs()));
    }
    top
}

/// Distortion in dB below a sine of `hz` in `x`, over a whole number of its periods.
pub fn distortion(x: &[f64], hz: f64, rate: f64) -> f64 {
    let n = ((x.len() as f64 * hz / rate).floor() * rate / hz).round() as usize;
    let w = 2.0 * std::f64::consts::PI * hz / rate;
    let (mut s, mut c) = (0.0, 0.0);
    for (i, v) in x[..n].iter().enumerate() {
        s += v * (w * i as f64).sin() * 2.0 / n as f64;
        c += v * (w * i as f64).cos() * 2.0 / n as f64;
    }
    let rest: f64 = x[..n]
        .iter()
        .enumerate()
        .map(|(i, v)| (v - s * (w * i as f64).sin() - c * (w * i as f64).cos()).powi(2))
        .sum();
    db((rest / n as f64).sqrt() / ((s * s + c * c) / 2.0).sqrt())
}
