// SPDX-License-Identifier: MIT OR Apache-2.0
//! Oversampling ×2 to ×16 between linear-phase filters, with a round trip of whole frames.
//!
//! Up: a cascade of half-band filters, each twice as fast and shorter than the one before. Down: the same
//! mirrored, or, for what a true-peak limiter follows, with a last step that is no half-band and stops at
//! half the sample rate: a half-band lets the octave's edge fold back, and such tones overshoot between
//! samples where no short interpolator sees them.
//!
//! Pass bands end at 20 kHz at 44.1 and 48 kHz and at 0.4167 of the rate above; there they err by less than
//! 1e-4 dB, and images and aliases are at −120 dB. Designed by [`remez`](super::remez).
//!
//! | step | taps at 44.1 kHz | at 48 kHz and above |
//! |---|---|---|
//! | 1 ↔ 2 | 163 | 91 |
//! | 2 ↔ 4 | 27 | 23 |
//! | 4 ↔ 8, 8 ↔ 16 | 15, 11 | 15, 11 |
//! | 2 → 1, stopping at half the rate | 303 | 171 |
//!
//! **Whole frames.** A half-band of 4k − 1 taps delays by 2k − 1 of its own samples, so the sum of all steps
//! is a whole number of samples at the top rate, not at the bottom one. Each step down may take the later
//! sample of its two, which is half a sample of delay less at its lower rate; the steps that do are the
//! binary digits of what is over.
//!
//! All loops run along the frames in one fixed order, so every register width gives the same bits.

use super::remez::{half_band, low_pass};
use super::wide::{Kernel, Width};
use super::{Frames, QUANTUM, SILENCE};

/// Most steps: ×16.
pub const MOST_STEPS: usize = 4;
/// The largest error in the stop bands, gain 1: −120.9 dB; half-bands err as much in the pass band.
const RIPPLE: f64 = 0.9e-6;
/// The largest error of the last step down in the pass band where it is no half-band: 3.5e-5 dB.
const LAST_RIPPLE: f64 = 4e-6;
/// End of the pass band in Hz where the rate has room for it, and the bounds as shares of the rate.
const PASS_HZ: f64 = 20_000.0;
const PASS_SHARE: (f64, f64) = (20.0 / 48.0, 20.0 / 44.1);
/// Frames that are summed together in registers.
const TILE: usize = 16;

/// Where the way down begins to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At the sample rate less the pass band: what folds back lies above the pass band.
    Mirror,
    /// At half the sample rate: nothing folds back. Some 70 frames later.
    Nyquist,
}

/// Filters for one sample rate and factor. Made on the control side, shared by the channels.
#[derive(Clone, Debug)]
pub struct OversampleFilters {
    /// Sides of each half-band upwards, from the lowest step on; first half.
    up: Vec<Vec<f64>>,
    down: Vec<Down>,
    latency: usize,
    pass: f64,
    width: Width,
}

/// One step down.
#[derive(Clone, Debug)]
struct Down {
    /// Taps that meet the samples of the same parity as the newest one, first half.
    near: Sides,
    /// Taps that meet the others.
    far: Sides,
    /// It takes the later sample of two.
    later: bool,
}

/// Half of a symmetric filter: pairs, then the centre where the length is odd.
#[derive(Clone, Debug, Default)]
struct Sides {
    pairs: Vec<f64>,
    centre: Option<f64>,
}

impl Sides {
    fn len(&self) -> usize {
        2 * self.pairs.len() + usize::from(self.centre.is_some())
    }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl OversampleFilters {
    /// `factor` is 1, 2, 4, 8 or 16; others are taken as the next lower one. Some milliseconds.
    pub fn new(sample_rate: f64, factor: usize, stop: Stop) -> Self {
        let steps = (factor.max(1).ilog2() as usize).min(MOST_STEPS);
        let share = (PASS_HZ / sample_rate).clamp(PASS_SHARE.0, PASS_SHARE.1);
        // The band that step s keeps, as a share of its higher rate.
        let at = |share: f64, step: usize| share / (2 << step) as f64;
        let up: Vec<Vec<f64>> = (0..steps).map(|s| half_band(at(share, s), RIPPLE)).collect();
        let mut down: Vec<Down> = match stop {
            Stop::Mirror => up.iter().map(|g| Down::half_band(g)).collect(),
            Stop::Nyquist => (0..steps)
                .map(|s| match s {
                    0 => Down::whole(&low_pass(at(share, 0), at(0.5, 0), LAST_RIPPLE, RIPPLE)),
                    _ => Down::half_band(&half_band(at(0.5, s), RIPPLE)),
                })
                .collect(),
        };
        let delays = up.iter().zip(&down).map(|(u, d)| 2 * u.len() - 1 + d.delay());
        let total: usize = delays.enumerate().map(|(s, d)| d << (steps - 1 - s)).sum();
        let over = total & ((1 << steps) - 1);
        for (s, d) in down.iter_mut().enumerate() {
            d.later = over >> (steps - 1 - s) & 1 == 1;
        }
        OversampleFilters {
            up,
            down,
            latency: total >> steps,
            pass: share * sample_rate,
            width: Width::widest(),
        }
    }

    /// 1, 2, 4, 8 or 16.
    pub fn factor(&self) -> usize {
        1 << self.up.len()
    }

    /// Frames of the way up and down together.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// End of the pass band in Hz.
    pub fn pass_band(&self) -> f64 {
        self.pass
    }
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl Down {
    fn half_band(g: &[f64]) -> Down {
        let pairs = g.iter().map(|g| 0.5 * g).collect();
        let far = Sides { pairs: Vec::new(), centre: Some(0.5) };
        Down { near: Sides { pairs, centre: None }, far, later: false }
    }

    /// From the centre tap and those after it.
    fn whole(h: &[f64]) -> Down {
        let last = h.len() - 1;
        let sides = |from: usize| Sides {
            pairs: (1..=last).rev().skip(from).step_by(2).map(|n| h[n]).collect(),
            centre: (last - from).is_multiple_of(2).then_some(h[0]),
        };
        Down { near: sides(0), far: sides(1), later: false }
    }

    /// Samples at its higher rate, when it takes the earlier of two.
    fn delay(&self) -> usize {
        // Of a half-band the far taps are one: the zeros around it are not there.
        self.near.len() - 1
    }
}

/// One channel: the samples that each step remembers, and those at the rates between.
#[derive(Clone, Debug)]
pub struct Oversampler {
    up: Vec<Row>,
    /// Samples of the newest one's parity and the others.
    down: Vec<(Row, Row)>,
    /// One buffer a rate, the lowest first; the last is the top.
    buffers: Vec<Vec<f64>>,
}

/// The past that a filter reaches, then the newest quantum.
#[derive(Clone, Debug)]
struct Row(Vec<f64>);

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Row {
    fn new(past: usize) -> Row {
        Row(vec![0.0; past + QUANTUM])
    }
}

impl Row {
    /// Makes room for a quantum and gives it.
    #[inline(always)]
    fn next(&mut self) -> &mut [f64] {
        let past = self.0.len() - QUANTUM;
        self.0.copy_within(QUANTUM.., 0);
        &mut self.0[past..]
    }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Oversampler {
    pub fn new(f: &OversampleFilters) -> Self {
        Oversampler {
            up: f.up.iter().map(|g| Row::new(2 * g.len() - 1)).collect(),
            down: f.down.iter().map(|d| (Row::new(d.near.len() - 1), Row::new(d.far_past()))).collect(),
            buffers: (0..=f.up.len()).map(|s| vec![0.0; QUANTUM << s]).collect(),
        }
    }
}

impl Oversampler {
    pub fn reset(&mut self) {
        self.up.iter_mut().for_each(|r| r.0.fill(0.0));
        for (a, b) in &mut self.down {
            a.0.fill(0.0);
            b.0.fill(0.0);
        }
        self.buffers.iter_mut().for_each(|b| b.fill(0.0));
    }

    /// Audio thread. The quantum at the top rate, to be worked on in place; [`Oversampler::down`] takes it
    /// from there.
    pub fn up(&mut self, f: &OversampleFilters, input: &Frames) -> &mut [f64] {
        self.buffers[0].copy_from_slice(input);
        f.width.run(Rise { o: self, f });
        &mut self.buffers[f.up.len()]
    }

    /// Audio thread. The quantum at the top rate once more.
    #[inline]
    pub fn top(&mut self) -> &mut [f64] {
        self.buffers.last_mut().map_or(&mut [][..], |b| b)
    }

    /// Audio thread. Brings the top rate's quantum back.
    pub fn down(&mut self, f: &OversampleFilters, output: &mut Frames) {
        f.width.run(Fall { o: self, f });
        output.copy_from_slice(&self.buffers[0]);
    }
}

/// [`Oversampler::up`].
struct Rise<'a> {
    o: &'a mut Oversampler,
    f: &'a OversampleFilters,
}

impl Kernel for Rise<'_> {
    #[inline(always)]
    fn run(self) {
        for (s, (g, row)) in self.f.up.iter().zip(&mut self.o.up).enumerate() {
            let (low, high) = self.o.buffers.split_at_mut(s + 1);
            double(g, row, &low[s], &mut high[0]);
        }
    }
}

/// [`Oversampler::down`].
struct Fall<'a> {
    o: &'a mut Oversampler,
    f: &'a OversampleFilters,
}

impl Kernel for Fall<'_> {
    #[inline(always)]
    fn run(self) {
        for (s, (d, (near, far))) in self.f.down.iter().zip(&mut self.o.down).enumerate().rev() {
            let (low, high) = self.o.buffers.split_at_mut(s + 1);
            halve(d, near, far, &high[0], &mut low[s]);
        }
    }
}

impl Down {
    /// Samples of the other parity before the quantum that the filter reaches.
    fn far_past(&self) -> usize {
        match self.far.len() {
            1 => self.near.pairs.len(),
            n => n,
        }
    }
}

/// Every sample of `from` becomes two.
#[inline(always)]
fn double(g: &[f64], row: &mut Row, from: &[f64], to: &mut [f64]) {
    let k = g.len();
    for (x, y) in from.as_chunks::<QUANTUM>().0.iter().zip(to.as_chunks_mut::<{ 2 * QUANTUM }>().0) {
        row.next().copy_from_slice(x);
        let mut sides = SILENCE;
        symmetric(&row.0, g, None, &mut sides);
        for ((y, side), x) in y.as_chunks_mut::<2>().0.iter_mut().zip(&sides).zip(&row.0[k..]) {
            *y = [*side, *x];
        }
    }
}

/// Every two samples of `from` become one.
#[inline(always)]
fn halve(d: &Down, near: &mut Row, far: &mut Row, from: &[f64], to: &mut [f64]) {
    for (x, y) in from.as_chunks::<{ 2 * QUANTUM }>().0.iter().zip(to.as_chunks_mut::<QUANTUM>().0) {
        let (n, f) = (near.next(), far.next());
        let pairs = x.as_chunks::<2>().0;
        if d.later {
            for ((n, f), x) in n.iter_mut().zip(f).zip(pairs) {
                [*f, *n] = *x;
            }
        } else {
            for ((n, f), x) in n.iter_mut().zip(f).zip(pairs) {
                [*n, *f] = *x;
            }
        }
        // Before an earlier sample the nearest of the other parity is the one of the frame before.
        let from = usize::from(d.later);
        symmetric(&near.0, &d.near.pairs, d.near.centre, y);
        let mut others = SILENCE;
        symmetric(&far.0[from..], &d.far.pairs, d.far.centre, &mut others);
        y.iter_mut().zip(&others).for_each(|(y, o)| *y += *o);
    }
}

/// `out[i] = Σ pairs[j] (x[i+j] + x[i+n−1−j])` and the centre, for n taps.
#[inline(always)]
fn symmetric(x: &[f64], pairs: &[f64], centre: Option<f64>, out: &mut Frames) {
    let n = 2 * pairs.len() + usize::from(centre.is_some());
    for (t, out) in out.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
        let Some(x) = x.get(t * TILE..t * TILE + n - 1 + TILE) else { return };
        let mut sum = [0.0; TILE];
        for (left, (right, c)) in x.array_windows::<TILE>().zip(x.array_windows::<TILE>().rev().zip(pairs)) {
            for i in 0..TILE {
                sum[i] += c * (left[i] + right[i]);
            }
        }
        if let (Some(c), Some(x)) = (centre, x.get(pairs.len()..).and_then(|x| x.first_chunk::<TILE>())) {
            for i in 0..TILE {
                sum[i] += c * x[i];
            }
        }
        *out = sum;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    const RATES: [f64; 6] = [44_100.0, 48_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0];
    const STOPS: [Stop; 2] = [Stop::Mirror, Stop::Nyquist];

    fn round_trip(f: &OversampleFilters, x: &[f64]) -> Vec<f64> {
        let (mut o, mut out) = (Oversampler::new(f), Vec::new());
        for q in x.as_chunks::<QUANTUM>().0 {
            let mut y = SILENCE;
            o.up(f, q);
            o.down(f, &mut y);
            out.extend(y);
        }
        out
    }

    /// Response of the way up at the top rate.
    fn upward(f: &OversampleFilters) -> Vec<f64> {
        let (mut o, mut out) = (Oversampler::new(f), Vec::new());
        for q in 0..8 {
            let mut x = SILENCE;
            x[0] = if q == 0 { 1.0 } else { 0.0 };
            out.extend_from_slice(o.up(f, &x));
        }
        out
    }

    /// Response of the way down: what each sample of the top rate does to a late frame.
    fn downward(f: &OversampleFilters) -> Vec<f64> {
        let (n, at) = (f.factor(), 7 * QUANTUM);
        let mut h = vec![0.0; at * n];
        for phase in 0..n {
            let (mut o, mut y) = (Oversampler::new(f), SILENCE);
            for q in 0..8 {
                let top = o.buffers.last_mut().unwrap();
                top.fill(0.0);
                top[phase] = if q == 0 { 1.0 } else { 0.0 };
                o.down(f, &mut y);
                for (i, v) in y.iter().enumerate().filter(|(i, _)| q * QUANTUM + i < at) {
                    // Frame i answers a sample that is `phase` after frame 0: earlier in the response.
                    let age = (q * QUANTUM + i) * n + n - 1 - phase;
                    if age < h.len() {
                        h[age] = *v;
                    }
                }
            }
        }
        h
    }

    /// Magnitude at `f`, a share of the rate of `h`.
    fn magnitude(h: &[f64], f: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (n, v) in h.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            let turn = 2.0 * PI * (f * n as f64).fract();
            re += v * turn.cos();
            im += v * turn.sin();
        }
        re.hypot(im)
    }

    fn db(v: f64) -> f64 {
        20.0 * v.max(1e-20).log10()
    }

    #[test]
    fn round_trips_are_flat_whole_and_linear_in_phase() {
        for rate in RATES {
            for (factor, stop) in [2, 4, 8, 16].into_iter().flat_map(|n| STOPS.map(|s| (n, s))) {
                let f = OversampleFilters::new(rate, factor, stop);
                let d = f.latency();
                let mut x = vec![0.0; QUANTUM * 12];
                x[0] = 1.0;
                let h = round_trip(&f, &x);
                assert_eq!(f.factor(), factor);
                assert!(f.pass_band() >= 20e3 - 1e-9);
                let mirror = (0..=d).map(|k| (h[d + k] - h[d - k]).abs()).fold(0.0, f64::max);
                assert!(mirror < 1e-15, "{mirror}");
                assert!(h[2 * d + 1..].iter().all(|v| *v == 0.0));
                let flat = |n: i32| db(magnitude(&h, f.pass_band() / rate * f64::from(n) / 200.0)).abs();
                let worst = (0..=200).map(flat).fold(0.0, f64::max);
                println!(
                    "{rate} Hz x{factor} {stop:?}: latency {d}, to {:.1} kHz within {worst:.1e} dB",
                    f.pass_band() / 1e3
                );
                assert!(worst < 1e-4, "{worst}");
            }
        }
    }

    #[test]
    fn images_and_aliases_are_120_db_down() {
        for rate in RATES {
            for (factor, stop) in [2, 4, 8, 16].into_iter().flat_map(|n| STOPS.map(|s| (n, s))) {
                let f = OversampleFilters::new(rate, factor, stop);
                let (up, down, n) = (upward(&f), downward(&f), factor as f64);
                assert!((down.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{}", down.iter().sum::<f64>());
                let pass = f.pass_band() / rate;
                let (mut image, mut alias) = (0.0f64, 0.0f64);
                for k in 1..=factor / 2 {
                    for i in -60..=60 {
                        let part = f64::from(i) / 60.0;
                        let edge = if stop == Stop::Nyquist { 0.5 } else { pass };
                        let (a, b) = (k as f64 + pass * part, k as f64 + edge * part);
                        image = image.max(magnitude(&up, a.min(n - a) / n) / n);
                        alias = alias.max(magnitude(&down, b.min(n - b) / n));
                    }
                }
                println!(
                    "{rate} Hz x{factor} {stop:?}: images {:.1} dB, aliases {:.1} dB",
                    db(image),
                    db(alias)
                );
                assert!(db(image) < -120.0 && db(alias) < -120.0);
            }
        }
    }

    #[test]
    fn a_round_trip_nulls_against_the_delay() {
        for (rate, factor, stop) in
            [(44_100.0, 8, Stop::Nyquist), (48_000.0, 4, Stop::Mirror), (96_000.0, 16, Stop::Nyquist)]
        {
            let f = OversampleFilters::new(rate, factor, stop);
            let tones: Vec<f64> = (1..=23).map(|k| f.pass_band() / rate * f64::from(k) / 23.0).collect();
            let sum =
                |n: usize| tones.iter().map(|t| (2.0 * PI * t * n as f64 + t * 99.0).sin()).sum::<f64>();
            let x: Vec<f64> = (0..QUANTUM * 60).map(|n| sum(n) / 23.0).collect();
            let (y, d) = (round_trip(&f, &x), f.latency());
            let from = 2 * d;
            let (mut power, mut rest) = (0.0, 0.0);
            for n in from..x.len() {
                power += x[n - d] * x[n - d];
                rest += (y[n] - x[n - d]) * (y[n] - x[n - d]);
            }
            let null = 0.5 * db(rest / power);
            println!("{rate} Hz x{factor} {stop:?}: null {null:.1} dB");
            // 1e-4 dB is a part of 1.15e-5.
            assert!(null < -98.8, "{null}");
        }
    }

    #[test]
    fn wider_registers_change_no_bit() {
        let x: Vec<f64> = (0..QUANTUM * 20).map(|n| (n as f64 * n as f64 * 0.01).sin()).collect();
        let mut f = OversampleFilters::new(44_100.0, 16, Stop::Nyquist);
        let widest = round_trip(&f, &x);
        for width in Width::all() {
            f.width = width;
            assert!(round_trip(&f, &x) == widest, "{width:?}");
        }
    }

    #[test]
    fn factor_one_is_the_signal_and_odd_rates_hold_20_khz() {
        let x: Vec<f64> = (0..QUANTUM * 4).map(|n| n as f64).collect();
        let one = OversampleFilters::new(48_000.0, 1, Stop::Mirror);
        assert!(one.latency() == 0 && round_trip(&one, &x) == x);
        for rate in [32_000.0, 46_000.0, 47_250.0, 384_000.0] {
            let f = OversampleFilters::new(rate, 4, Stop::Nyquist);
            assert!(f.pass_band() >= (0.45f64 * rate).min(20e3), "{rate}: {}", f.pass_band());
        }
    }
}
