// SPDX-License-Identifier: MIT OR Apache-2.0
//! Filters of one octave or a third of one, to class 1 of IEC 61260-1, each at the rate it needs.
//!
//! A band is an analog Butterworth band-pass of order 6, narrowed so that white noise through it has the power
//! of the nominal band: it is 3.6 dB down at the edges, and bands of noise add up to the whole. Its three
//! sections are matched to the analog ones (see `docs/decisions/0008-…`), so that the skirts are the same at
//! every rate, up to half of it. A band that half the rate cuts (20 kHz at 44.1 kHz) only has a lower edge: it
//! is a Butterworth high-pass of order 5 there, 3 dB down at the edge. An octave that ends near half the rate (16
//! kHz at 48 kHz), where a matched section is no longer sure, is that and such a low-pass. A band runs at the lowest rate of which its centre is at most a fifth; halved
//! rates come from [`super::spectrum_halver`].
//!
//! Eight filters, of whichever band and signal, run side by side.

use std::f64::consts::PI;

use super::octaves::{Band, bands};
use super::spectrum_halver::Halver;
use crate::dsp::analog::{Prototype, matched};
use crate::dsp::svf::Section;
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{Frames, QUANTUM};

/// Highest centre as a share of the rate that a band runs at.
const CENTRE: f64 = 0.2;
/// Noise bandwidth of a Butterworth of order 3 over its −3 dB bandwidth: (π/6)/sin(π/6).
const NOISE: f64 = PI / 3.0;
/// Where half the rate is nearer than this to the centre, what noise lacks beyond it counts.
const NEAR: f64 = 3.0;
const POINTS: usize = 2000;
/// Filters side by side.
pub(super) const LANES: usize = 8;
pub(super) type Lanes = [f64; LANES];

/// Q of the band-pass through which noise up to half the rate has the power of the nominal band.
fn quality(band: &Band, rate: f64) -> f64 {
    let (nominal, end) = (band.centre / (band.high - band.low), 0.5 * rate / band.centre);
    let mut q = nominal * NOISE;
    if end < NEAR {
        // Widths are nearly in proportion to 1/q: a few rounds of that.
        for _ in 0..4 {
            let step = end / POINTS as f64;
            let power = |i: usize| {
                let f = (i as f64 + 0.5) * step;
                1.0 / (1.0 + libm::pow(q * (f - 1.0 / f), 6.0))
            };
            q *= (0..POINTS).map(power).sum::<f64>() * step * nominal;
        }
    }
    q
}

/// The sections of a band at a rate, unity at its centre.
fn design(band: &Band, rate: f64) -> Vec<Section> {
    let octave = band.high > 1.5 * band.low;
    let mut sections = match band.high / rate {
        top if top >= 0.5 => high_pass(band.low, rate),
        top if top >= 0.45 && octave => [high_pass(band.low, rate), low_pass(band.high, rate)].concat(),
        _ => band_pass(band, rate),
    };
    let unity: f64 = sections.iter().map(|s| s.magnitude(band.centre, rate)).product();
    if let Some(s) = sections.first_mut() {
        (s.hp, s.bp, s.lp) = (s.hp / unity, s.bp / unity, s.lp / unity);
    }
    sections
}

/// Butterworth of order 5, bilinear: gains of its high and low outputs.
fn butterworth(hz: f64, rate: f64, hp: f64, lp: f64) -> Vec<Section> {
    let g = libm::tan(PI * hz / rate);
    let second = |angle: f64| Section { g, k: 2.0 * libm::cos(angle), hp, bp: 0.0, lp };
    vec![second(0.2 * PI), second(0.4 * PI), Section::first_order(g, hp, lp)]
}

fn high_pass(hz: f64, rate: f64) -> Vec<Section> {
    butterworth(hz, rate, 1.0, 0.0)
}

fn low_pass(hz: f64, rate: f64) -> Vec<Section> {
    butterworth(hz, rate, 0.0, 1.0)
}

/// Butterworth of order 6, matched to the analog one.
fn band_pass(band: &Band, rate: f64) -> Vec<Section> {
    let (centre, narrow) = (band.centre, quality(band, rate));
    // A pole p of the low-pass becomes the roots of s² − (p/Q) s + 1; p is −1 and −½ ± i√¾.
    let middle = Prototype::bandpass(centre, narrow);
    let (re, im) = (-0.5 / narrow, 0.75f64.sqrt() / narrow);
    // √((p/Q)² − 4) of the upper pole.
    let (a, b) = (re * re - im * im - 4.0, 2.0 * re * im);
    let size = (a * a + b * b).sqrt();
    let root = ((0.5 * (size + a)).sqrt(), -(0.5 * (size - a)).sqrt());
    let side = |sign: f64| {
        let (x, y) = (0.5 * (re + sign * root.0), 0.5 * (im + sign * root.1));
        let radius = (x * x + y * y).sqrt();
        Prototype::bandpass(centre * radius, -0.5 * radius / x)
    };
    let stages = [middle, side(1.0), side(-1.0)];
    let chains = stages.map(|p| matched(&p, rate, None).chain);
    chains.iter().flat_map(|c| c.as_slice().to_vec()).collect()
}

/// One section of eight filters: what the integrators gain in a frame and what the output is made of, as in
/// [`crate::dsp::svf`], and the integrators.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    e1: Lanes,
    e2: Lanes,
    e3: Lanes,
    m0: Lanes,
    m1: Lanes,
    m2: Lanes,
    s1: Lanes,
    s2: Lanes,
}

impl Row {
    fn set(&mut self, lane: usize, s: &Section) {
        let gk = s.g * (s.g + s.k);
        let c1 = 1.0 / (1.0 + gk);
        let (c2, c3) = (s.g * c1, s.g * (s.g * c1));
        let (band, low) = (s.bp - s.hp * s.k, s.lp - s.hp);
        let m1 = band * c1 + low * c2;
        let drive = s.g * m1;
        self.e1[lane] = -2.0 * (gk * c1);
        (self.e2[lane], self.e3[lane]) = (2.0 * c2, 2.0 * c3);
        (self.m0[lane], self.m1[lane], self.m2[lane]) = (s.hp + drive, m1, low - drive);
    }

    #[inline(always)]
    fn step(&mut self, x: Lanes) -> Lanes {
        let mut y = [0.0; LANES];
        for i in 0..LANES {
            let v3 = x[i] - self.s2[i];
            y[i] = self.m0[i] * x[i] + (self.m1[i] * self.s1[i] + self.m2[i] * self.s2[i]);
            let s1 = self.e2[i] * v3 + (self.e1[i] * self.s1[i] + self.s1[i]);
            self.s2[i] = self.e3[i] * v3 + (self.e2[i] * self.s1[i] + self.s2[i]);
            self.s1[i] = s1;
        }
        y
    }
}

/// Eight filters at one rate.
#[derive(Clone, Debug)]
struct Group {
    rows: Vec<Row>,
    /// Signal and band of each lane; fewer than eight in the last group of a rate.
    seats: Vec<(usize, usize)>,
    audio: Vec<Lanes>,
}

struct Run<'a>(&'a mut [Row], &'a mut [Lanes]);

impl Kernel for Run<'_> {
    #[inline(always)]
    fn run(self) {
        for x in self.1.iter_mut() {
            for row in self.0.iter_mut() {
                *x = row.step(*x);
            }
        }
    }
}

/// States below this (−600 dBFS) become zero at the end of a quantum, long before they are denormal.
const TINY: f64 = 1e-30;

impl Group {
    fn process(&mut self, width: Width, inputs: &[Vec<f64>]) {
        let n = inputs[0].len();
        let audio = &mut self.audio[..n];
        for (lane, (signal, _)) in self.seats.iter().enumerate() {
            for (to, x) in audio.iter_mut().zip(&inputs[*signal]) {
                to[lane] = *x;
            }
        }
        width.run(Run(&mut self.rows, audio));
        let flush = |v: &mut f64| *v = if v.abs() < TINY { 0.0 } else { *v };
        self.rows.iter_mut().flat_map(|r| r.s1.iter_mut().chain(&mut r.s2)).for_each(flush);
    }

    fn clear(&mut self) {
        for r in &mut self.rows {
            (r.s1, r.s2) = ([0.0; LANES], [0.0; LANES]);
        }
    }
}

/// All that runs at one rate: the signals there, and their filters.
#[derive(Clone, Debug)]
struct Stage {
    /// To this rate from the one before, for each signal; none at the first.
    halvers: Vec<Halver>,
    inputs: Vec<Vec<f64>>,
    groups: Vec<Group>,
}

/// A band and the rate at which it runs.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub band: Band,
    /// Times that the rate was halved.
    pub halved: usize,
    pub rate: f64,
    /// Frames at the band's rate until the filter has forgotten what was before, to −60 dB.
    pub settle: usize,
    sections: Vec<Section>,
}

impl Filter {
    fn new(band: &Band, base: f64) -> Self {
        let mut halved = 0;
        while band.centre <= CENTRE * base / f64::from(2u32 << halved) {
            halved += 1;
        }
        let rate = base / f64::from(1u32 << halved);
        let sections = design(band, rate);
        let tau = sections.iter().map(Section::time_constant).fold(0.0, f64::max);
        let settle = (7.0 * tau).ceil() as usize + Halver::settle() * 2;
        Filter { band: *band, halved, rate, settle, sections }
    }

    /// Gain of a steady sine at `hz`, through every halving, folded as it is there.
    #[cfg(test)]
    pub fn magnitude(&self, hz: f64) -> f64 {
        let (mut turn, mut g) = (hz / (self.rate * f64::from(1u32 << self.halved)), 1.0);
        for _ in 0..self.halved {
            g *= super::spectrum_halver::gain(turn).abs();
            turn = (2.0 * turn - (2.0 * turn).round()).abs();
        }
        g * self.sections.iter().map(|s| s.magnitude(turn * self.rate, self.rate)).product::<f64>()
    }
}

/// The filters of all bands for some signals.
#[derive(Clone, Debug)]
pub(super) struct FilterBank {
    pub filters: Vec<Filter>,
    stages: Vec<Stage>,
    width: Width,
}

impl FilterBank {
    /// `fraction` is 1 or 3. Bands whose centre is beyond 0.48 of the rate are left out.
    pub fn new(rate: u32, signals: usize, fraction: usize, low_hz: f64, high_hz: f64) -> Self {
        let base = f64::from(rate);
        let all = bands(fraction, low_hz, high_hz);
        let filters: Vec<Filter> =
            all.iter().filter(|b| b.centre < 0.48 * base).map(|b| Filter::new(b, base)).collect();
        let count = filters.iter().map(|f| f.halved + 1).max().unwrap_or(1);
        let stages = (0..count).map(|s| Stage::new(s, signals, &filters)).collect();
        FilterBank { filters, stages, width: Width::widest() }
    }

    pub fn clear(&mut self) {
        for s in &mut self.stages {
            s.halvers.iter_mut().for_each(Halver::clear);
            s.groups.iter_mut().for_each(Group::clear);
        }
    }

    /// Signal and band of the lanes of every group: all signals of a band side by side, then the next band.
    /// All in a group run at one rate.
    pub fn groups(&self) -> impl Iterator<Item = &[(usize, usize)]> {
        self.stages.iter().flat_map(|s| &s.groups).map(|g| g.seats.as_slice())
    }

    /// One quantum of every signal. `each` is told the group and what came out of its filters.
    pub fn process(&mut self, signals: &[Frames], mut each: impl FnMut(usize, &[Lanes])) {
        let mut group = 0;
        for i in 0..self.stages.len() {
            let (before, here) = self.stages.split_at_mut(i);
            let stage = &mut here[0];
            for (s, input) in stage.inputs.iter_mut().enumerate() {
                input.clear();
                match before.last() {
                    None => input.extend_from_slice(&signals[s]),
                    Some(b) => input.extend_from_slice(stage.halvers[s].push(&b.inputs[s])),
                }
            }
            for g in &mut stage.groups {
                g.process(self.width, &stage.inputs);
                each(group, &g.audio[..stage.inputs[0].len()]);
                group += 1;
            }
        }
    }
}

impl Stage {
    fn new(halved: usize, signals: usize, filters: &[Filter]) -> Self {
        let here = filters.iter().enumerate().filter(|(_, f)| f.halved == halved);
        let seats: Vec<(usize, usize)> = here.flat_map(|(b, _)| (0..signals).map(move |s| (s, b))).collect();
        let group = |seats: &[(usize, usize)]| {
            let rows = seats.iter().map(|(_, b)| filters[*b].sections.len()).max().unwrap_or(0);
            let mut rows = vec![Row::default(); rows];
            for (lane, (_, b)) in seats.iter().enumerate() {
                let sections = filters[*b].sections.iter().chain(std::iter::repeat(&Section::UNITY));
                rows.iter_mut().zip(sections).for_each(|(r, s)| r.set(lane, s));
            }
            Group { rows, seats: seats.to_vec(), audio: vec![[0.0; LANES]; QUANTUM] }
        };
        let halvers = if halved > 0 { vec![Halver::new(); signals] } else { Vec::new() };
        let inputs = (0..signals).map(|_| Vec::with_capacity(QUANTUM)).collect();
        Stage { halvers, inputs, groups: seats.chunks(LANES).map(group).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_of_register_gives_the_same_bits() {
        let results: Vec<Vec<Lanes>> = Width::all()
            .map(|w| {
                let mut bank = FilterBank::new(44_100, 2, 3, 20.0, 20_000.0);
                bank.width = w;
                let mut all = Vec::new();
                for q in 0..100u32 {
                    let x: Frames =
                        std::array::from_fn(|i| f64::from((64 * q + i as u32) * 7919 % 1009) / 504.5 - 1.0);
                    bank.process(&[x, x.map(|v| 0.5 * v)], |_, audio| all.extend_from_slice(audio));
                }
                all
            })
            .collect();
        assert!(results.iter().all(|r| *r == results[0]), "{} widths", results.len());
    }
}
