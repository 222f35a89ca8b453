// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linkwitz–Riley crossover of 2 to 6 bands whose sum is an all-pass, flat within 1e-5 dB.
//!
//! Each crossover is a squared Butterworth of order 2 (LR4) or 4 (LR8), bilinear, so that low and
//! high pass share their poles at any rate. A lower band also passes the all-pass of every crossover
//! above it, or the sum would dip (Linkwitz & Riley, JAES 1976; D'Appolito 1984). Sections are
//! trapezoidal state-variable filters (Zavalishin). New frequencies run beside the old ones and are
//! crossfaded, all bands together.

use super::ramp::Quintic;
use super::{Frames, QUANTUM, SILENCE};

/// Most crossover points.
pub const MAX_POINTS: usize = 5;

/// Quality factors of a Butterworth of order 2 and of order 4.
const BUTTERWORTH_2: [f64; 1] = [std::f64::consts::FRAC_1_SQRT_2];
const BUTTERWORTH_4: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_376_4];

/// Steepness of every crossover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slope {
    Lr4,
    Lr8,
}

impl Slope {
    fn qs(self) -> &'static [f64] {
        match self {
            Slope::Lr4 => &BUTTERWORTH_2,
            Slope::Lr8 => &BUTTERWORTH_4,
        }
    }
}

/// One second-order section's coefficients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Coef {
    g: f64,
    k: f64,
    a: f64,
}

impl Coef {
    fn new(hz: f64, q: f64, rate: f64) -> Self {
        let g = libm::tan(std::f64::consts::PI * hz / rate);
        let k = 1.0 / q;
        Coef { g, k, a: 1.0 / (1.0 + g * (g + k)) }
    }
}

/// The designed half: everything that depends on the frequencies. Plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Points {
    count: usize,
    coef: [[Coef; 2]; MAX_POINTS],
    /// Frames that new points run unheard before they fade in.
    settle: u32,
}

impl Points {
    /// Crossover frequencies in Hz, rising; what this rate cannot realise is clamped to 0.45 fs and a
    /// frequency below its lower neighbour is raised to it.
    pub fn new(freqs: &[f64], slope: Slope, rate: f64) -> Self {
        let mut coef = [[Coef::default(); 2]; MAX_POINTS];
        let mut lowest = 5.0;
        let mut tau = 0.0f64;
        for (point, f) in coef.iter_mut().zip(freqs) {
            lowest = f.max(lowest).min(0.45 * rate);
            for (c, q) in point.iter_mut().zip(slope.qs()) {
                *c = Coef::new(lowest, *q, rate);
                tau = tau.max(2.0 * q / (2.0 * std::f64::consts::PI * lowest));
            }
        }
        let settle = (3.0 * tau).min(0.015) * rate;
        Points { count: freqs.len().min(MAX_POINTS), coef, settle: settle as u32 }
    }
}

/// Longest time constant of a crossover at these frequencies, in seconds.
pub fn time_constant(freqs: &[f64], slope: Slope) -> f64 {
    let q = slope.qs().iter().fold(0.0, |m: f64, q| m.max(*q));
    freqs.iter().map(|f| 2.0 * q / (2.0 * std::f64::consts::PI * f)).fold(0.0, f64::max)
}

/// Two channels side by side: the recursion waits for its own result, so two cost as much as one.
type Pair = [f64; 2];
type PairFrames = [Pair; QUANTUM];

/// State of one second-order section of two channels.
#[derive(Clone, Copy, Debug, Default)]
struct Svf {
    s1: Pair,
    s2: Pair,
}

/// What a section puts out: low, band, high.
type Outs = (Pair, Pair, Pair);

impl Svf {
    #[inline(always)]
    fn tick(&mut self, c: &Coef, x: Pair) -> Outs {
        let (mut lp, mut bp, mut hp) = ([0.0; 2], [0.0; 2], [0.0; 2]);
        for i in 0..2 {
            hp[i] = (x[i] - (c.k + c.g) * self.s1[i] - self.s2[i]) * c.a;
            let gh = c.g * hp[i];
            bp[i] = gh + self.s1[i];
            self.s1[i] = bp[i] + gh;
            let gb = c.g * bp[i];
            lp[i] = gb + self.s2[i];
            self.s2[i] = lp[i] + gb;
        }
        (lp, bp, hp)
    }

    /// The all-pass of this section, in place.
    #[inline(always)]
    fn all_pass(&mut self, c: &Coef, io: &mut PairFrames) {
        for x in io.iter_mut() {
            let (_, bp, _) = self.tick(c, *x);
            for i in 0..2 {
                x[i] -= 2.0 * c.k * bp[i];
            }
        }
    }
}

/// Low pass of `low` and high pass of `high` in one loop, so that neither waits for the other.
#[inline(always)]
fn low_and_high(c: &Coef, (l, h): (&mut Svf, &mut Svf), low: &mut PairFrames, high: &mut PairFrames) {
    for (a, b) in low.iter_mut().zip(high.iter_mut()) {
        (*a, _, _) = l.tick(c, *a);
        (_, _, *b) = h.tick(c, *b);
    }
}

/// States of two channels at one crossover point.
#[derive(Clone, Copy, Debug, Default)]
struct PointState {
    first: Svf,
    low: [Svf; 3],
    high: [Svf; 3],
    /// All-pass of this point in every band below its own low band.
    all: [[Svf; 2]; MAX_POINTS],
}

/// One running set: coefficients and the states of all pairs of channels.
#[derive(Clone, Debug)]
struct Bank {
    points: Points,
    state: Vec<[PointState; MAX_POINTS]>,
}

impl Bank {
    /// Splits one pair of channels; `bands[b]` receives band b. Audio thread.
    fn split(&mut self, sections: usize, pair: usize, input: &PairFrames, bands: &mut [PairFrames]) {
        let mut rest = *input;
        let n = self.points.count;
        for p in 0..n {
            let c = &self.points.coef[p];
            let s = &mut self.state[pair][p];
            let mut low = rest;
            for (l, h) in low.iter_mut().zip(rest.iter_mut()) {
                (*l, _, *h) = s.first.tick(&c[0], *l);
            }
            // A squared Butterworth: every section twice; the first one is shared by both ways.
            for i in 1..2 * sections {
                low_and_high(&c[i % sections], (&mut s.low[i - 1], &mut s.high[i - 1]), &mut low, &mut rest);
            }
            for (band, all) in bands[..p].iter_mut().zip(&mut s.all) {
                for (svf, c) in all.iter_mut().zip(c).take(sections) {
                    svf.all_pass(c, band);
                }
            }
            bands[p] = low;
        }
        bands[n] = rest;
    }
}

/// The kernel. Bands out = points + 1.
#[derive(Clone, Debug)]
pub struct Crossover {
    sections: usize,
    now: Bank,
    coming: Bank,
    next: Option<Points>,
    /// Frames until `coming` fades in; meaningful while `exchanging`.
    wait: u32,
    fade: Quintic,
    fade_frames: u32,
    exchanging: bool,
}

impl Crossover {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(channels: usize, points: Points, slope: Slope, rate: f64) -> Self {
        let bank = Bank { points, state: vec![[PointState::default(); MAX_POINTS]; channels.div_ceil(2)] };
        Crossover {
            sections: slope.qs().len(),
            now: bank.clone(),
            coming: bank,
            next: None,
            wait: 0,
            fade: Quintic::at(0.0),
            fade_frames: (0.02 * rate) as u32,
            exchanging: false,
        }
    }

    pub fn bands(&self) -> usize {
        self.now.points.count + 1
    }

    /// Moves to other points; the newest wins while an exchange is under way. Audio thread.
    pub fn exchange(&mut self, points: Points) {
        if points.count == self.now.points.count {
            self.next = Some(points);
        }
    }

    pub fn reset(&mut self) {
        let target = if self.exchanging { self.coming.points } else { self.now.points };
        self.now.points = self.next.take().unwrap_or(target);
        self.exchanging = false;
        self.now.state.iter_mut().for_each(|s| *s = [PointState::default(); MAX_POINTS]);
    }

    /// One quantum: `bands[b]` holds the channels of band b. Audio thread.
    pub fn process(&mut self, input: &[Frames], bands: &mut [&mut [Frames]]) {
        self.begin_exchange();
        let mut weight = SILENCE;
        let fading = self.exchanging && self.wait == 0;
        if fading {
            self.fade.quantum(&mut weight);
        }
        let n = self.now.points.count + 1;
        for (p, x) in input.chunks(2).enumerate() {
            let right = x.get(1).unwrap_or(&SILENCE);
            let x: PairFrames = std::array::from_fn(|i| [x[0][i], right[i]]);
            let mut a = [[[0.0; 2]; QUANTUM]; MAX_POINTS + 1];
            self.now.split(self.sections, p, &x, &mut a);
            if self.exchanging {
                let mut b = [[[0.0; 2]; QUANTUM]; MAX_POINTS + 1];
                self.coming.split(self.sections, p, &x, &mut b);
                for (a, b) in a.iter_mut().zip(&b).take(if fading { n } else { 0 }) {
                    for ((a, b), w) in a.iter_mut().flatten().zip(b.iter().flatten()).zip(twice(&weight)) {
                        *a = w * b + (1.0 - w) * *a;
                    }
                }
            }
            for (band, a) in bands.iter_mut().zip(&a).take(n) {
                for (side, out) in band.iter_mut().skip(2 * p).take(2).enumerate() {
                    for (o, a) in out.iter_mut().zip(a) {
                        *o = a[side];
                    }
                }
            }
        }
        self.end_exchange(fading);
    }

    fn begin_exchange(&mut self) {
        if self.exchanging {
            return;
        }
        if let Some(points) = self.next.take().filter(|p| *p != self.now.points) {
            // Near the old frequency the old state is the best guess; far from it, it would ring.
            let near = |p: usize| {
                let (old, new) = (self.now.points.coef[p][0].g, points.coef[p][0].g);
                old < 2.0 * new && new < 2.0 * old
            };
            for (to, from) in self.coming.state.iter_mut().zip(&self.now.state) {
                for (p, (to, from)) in to.iter_mut().zip(from).enumerate() {
                    *to = if near(p) { *from } else { PointState::default() };
                }
            }
            self.coming.points = points;
            self.exchanging = true;
            self.wait = points.settle.next_multiple_of(QUANTUM as u32);
            self.fade = Quintic::at(0.0);
            self.fade.go(1.0, self.fade_frames);
        }
    }

    fn end_exchange(&mut self, fading: bool) {
        if self.exchanging && !fading {
            self.wait = self.wait.saturating_sub(QUANTUM as u32);
        } else if fading && !self.fade.is_moving() {
            std::mem::swap(&mut self.now, &mut self.coming);
            self.exchanging = false;
        }
    }
}

/// Every weight for both channels of a pair.
fn twice(weights: &Frames) -> impl Iterator<Item = &f64> {
    weights.iter().flat_map(|w| [w, w])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum of the bands' impulse responses, as |H| in dB at some frequencies: worst deviation from 0.
    fn worst_ripple(freqs: &[f64], slope: Slope, rate: f64) -> f64 {
        let mut x = Crossover::new(1, Points::new(freqs, slope, rate), slope, rate);
        let mut sum = Vec::new();
        for q in 0..4096 {
            let mut input = SILENCE;
            if q == 0 {
                input[0] = 1.0;
            }
            let mut out = vec![[SILENCE]; freqs.len() + 1];
            let mut refs: Vec<&mut [Frames]> = out.iter_mut().map(|o| o.as_mut_slice()).collect();
            x.process(&[input], &mut refs);
            sum.extend((0..QUANTUM).map(|i| out.iter().map(|b| b[0][i]).sum::<f64>()));
        }
        (0..200)
            .map(|k| {
                let w = 2.0 * std::f64::consts::PI * 20.0 * (20_000.0f64 / 20.0).powf(f64::from(k) / 199.0)
                    / rate;
                let (re, im) = sum.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, v)| {
                    (re + v * (w * n as f64).cos(), im - v * (w * n as f64).sin())
                });
                (10.0 * (re * re + im * im).log10()).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn the_bands_sum_flat() {
        for slope in [Slope::Lr4, Slope::Lr8] {
            for freqs in [
                &[1000.0][..],
                &[200.0, 400.0],
                &[120.0, 800.0, 5000.0],
                &[100.0, 150.0, 1000.0, 1500.0],
                &[80.0, 250.0, 800.0, 2500.0, 8000.0],
            ] {
                let worst = worst_ripple(freqs, slope, 48_000.0);
                println!("{slope:?} {freqs:?}: {worst:.1e} dB");
                assert!(worst < 1e-5, "{slope:?} {freqs:?}: {worst} dB");
            }
        }
    }

    #[test]
    fn each_band_is_6_db_down_where_it_meets_its_neighbour() {
        let rate = 48_000.0;
        let mut x = Crossover::new(1, Points::new(&[1000.0], Slope::Lr4, rate), Slope::Lr4, rate);
        let mut peak = [0.0f64; 2];
        for q in 0..400 {
            let input: Frames = std::array::from_fn(|i| {
                (2.0 * std::f64::consts::PI * 1000.0 * (q * QUANTUM + i) as f64 / rate).sin()
            });
            let (mut low, mut high) = ([SILENCE], [SILENCE]);
            x.process(&[input], &mut [&mut low, &mut high]);
            if q > 200 {
                peak[0] = low[0].iter().fold(peak[0], |m, v| m.max(v.abs()));
                peak[1] = high[0].iter().fold(peak[1], |m, v| m.max(v.abs()));
            }
        }
        for p in peak {
            let db = 20.0 * p.log10();
            assert!((db + 6.02).abs() < 0.01, "{db} dB at the crossover");
        }
    }
}
