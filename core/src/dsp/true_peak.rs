// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks, frame by frame: what the signal reaches between a sample and its two neighbours.
//!
//! Half-band filters double the rate once, twice or three times: to 8 points a frame below 50 kHz, 4 below 100 kHz,
//! 2 above. The first filter is long and decides how near to half the sample rate a peak is still seen; after it
//! half of the band is empty and 10 and 6 taps do. A parabola through the highest point of each interval finds the
//! rest. All in f32, which only *reads* the peaks; the samples themselves are judged by the caller in f64.
//!
//! | detail | taps of the first filter | flat within | to this share of the rate |
//! |---|---|---|---|
//! | normal | 158 | 0.003 dB | 0.487 |
//! | high | 184 | 0.002 dB | 0.4885 |
//!
//! All loops run along the frames in one fixed order, so every register width gives the same bits.

use std::sync::OnceLock;

use super::remez::half_band;
use super::wide::{Kernel, Width};
use super::{Frames, QUANTUM};

/// Pairs of the second and third filter.
const SECOND: usize = 5;
const THIRD: usize = 3;
/// Errors that those reach with these lengths: −76 and −80 dB.
const SECOND_RIPPLE: f64 = 1.6e-4;
const THIRD_RIPPLE: f64 = 1e-4;
/// Frames after the long filter that the others look ahead.
const REACH: usize = 3;
/// Most pairs of the long filter.
const MOST_PAIRS: usize = 96;
/// Frames computed in one register.
const ROW: usize = 16;
/// Input remembered before the newest quantum, and room behind it for the zeros of the long filter.
const PAST: usize = 2 * MOST_PAIRS;
const ROOM: usize = ROW;
/// Points between frames remembered before the newest.
const BEFORE: usize = ROW;

/// Points between frames: the last ones, then those of the newest quantum.
type Points = [f32; BEFORE + QUANTUM];

/// How closely peaks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    Normal,
    High,
}

/// Filters for one sample rate. Made on the control side, shared by the channels.
#[derive(Clone, Debug)]
pub struct TruePeakFilters {
    /// 8 up to 50 kHz, 4 up to 100 kHz, 2 above.
    factor: usize,
    /// Pairs of the long filter.
    pairs: usize,
    /// Those, the outer first, behind as many zeros as make whole rows.
    long: Vec<f32>,
    /// Pairs, the inner first.
    second: [f32; SECOND],
    third: [f32; THIRD],
    width: Width,
    /// There are too few registers for the rows of the long filter.
    rows_again: bool,
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl TruePeakFilters {
    pub fn new(sample_rate: f64, detail: Detail) -> Self {
        let factor = match sample_rate {
            r if r < 50e3 => 8,
            r if r < 100e3 => 4,
            _ => 2,
        };
        let mut long = long(detail);
        let pairs = long.len();
        let zeros = pairs.next_multiple_of(ROW) - pairs;
        long.splice(0..0, std::iter::repeat_n(0.0, zeros));
        TruePeakFilters {
            factor,
            pairs,
            long,
            second: short(0.25 / 2.0, SECOND_RIPPLE),
            third: short(0.25 / 4.0, THIRD_RIPPLE),
            width: Width::widest(),
            rows_again: !Width::widest().is_avx512(),
        }
    }

    /// Frames from a sample to the quantum that reads its peak.
    pub fn delay(&self) -> usize {
        self.pairs + REACH
    }
}

/// Pairs of the long filter, the outer first; twice their sum is 1. Each is designed once in a process.
#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
fn long(detail: Detail) -> Vec<f32> {
    static DESIGNS: [OnceLock<Vec<f32>>; 2] = [const { OnceLock::new() }; 2];
    let design = || {
        let (pass, ripple) = match detail {
            Detail::Normal => (0.4874, 3e-4),
            Detail::High => (0.4885, 2e-4),
        };
        half_band(0.5 * pass, ripple).iter().map(|g| *g as f32).collect()
    };
    DESIGNS[detail as usize].get_or_init(design).clone()
}

/// Pairs of an equiripple half-band filter, the inner first.
fn short<const N: usize>(pass: f64, ripple: f64) -> [f32; N] {
    let outer_first = half_band(pass, ripple);
    debug_assert_eq!(outer_first.len(), N);
    let mut inner_first = outer_first.iter().rev();
    std::array::from_fn(|_| inner_first.next().map_or(0.0, |g| *g as f32))
}

/// One channel's detector.
///
/// | state | meaning |
/// |---|---|
/// | `x` | input: the past, the newest quantum, room |
/// | `odd` | midpoints between frames |
/// | `first`, `third` | points at one and at three quarters of the way, up to the interval after the newest read |
/// | `last` | points at seven eighths |
/// | `interval` | peak of the last interval of the quantum before |
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct TruePeak {
    x: [f32; PAST + QUANTUM + ROOM],
    odd: Points,
    first: Points,
    third: Points,
    last: Points,
    interval: f32,
}

impl Default for TruePeak {
    fn default() -> Self {
        let none = [0.0; BEFORE + QUANTUM];
        let x = [0.0; PAST + QUANTUM + ROOM];
        TruePeak { x, odd: none, first: none, third: none, last: none, interval: 0.0 }
    }
}

/// The steps of [`TruePeak::process`], compiled for wider registers, each by itself: of one long function compilers make
/// less.
struct Take<'a>(&'a mut TruePeak, &'a TruePeakFilters, &'a Frames);

impl Kernel for Take<'_> {
    #[inline(always)]
    fn run(self) {
        let Take(t, f, input) = self;
        t.x.copy_within(QUANTUM..PAST + QUANTUM, 0);
        for (x, v) in t.x[PAST..].iter_mut().zip(input) {
            *x = *v as f32;
        }
        debug_assert!([5, 6].contains(&(f.long.len() / ROW)), "a length nobody sums");
        let from = PAST + 1 - f.pairs - f.long.len();
        if let Some(odd) = newest(&mut t.odd) {
            let again = f.rows_again;
            match f.long.len() / ROW {
                5 => midpoints::<5, 8, 80, 224>(row(&t.x, from), row(&f.long, 0), again, odd),
                _ => midpoints::<6, 9, 96, 256>(row(&t.x, from), row(&f.long, 0), again, odd),
            }
        }
    }
}

struct Refine<'a>(&'a mut TruePeak, &'a TruePeakFilters);

impl Kernel for Refine<'_> {
    #[inline(always)]
    fn run(self) {
        if self.1.factor > 2 {
            self.0.quarter_points(self.1);
        }
    }
}

struct Read<'a>(&'a mut TruePeak, &'a TruePeakFilters, &'a mut Frames);

impl Kernel for Read<'_> {
    #[inline(always)]
    fn run(self) {
        let Read(t, f, peaks) = self;
        let mut high = [0.0; QUANTUM];
        match f.factor {
            8 => t.eighths(f, &mut high),
            4 => t.quarters(f, &mut high),
            _ => t.halves(f, &mut high),
        }
        let mut last = t.interval;
        for (p, h) in peaks.iter_mut().zip(high) {
            *p = f64::from(if last > h { last } else { h });
            last = h;
        }
        t.interval = last;
    }
}

impl TruePeak {
    pub fn reset(&mut self) {
        *self = TruePeak::default();
    }

    /// Audio thread. `peaks[i]` is the highest magnitude in the two half-open intervals that touch the
    /// frame `delay()` before `input[i]`, interpolated in f32.
    pub fn process(&mut self, f: &TruePeakFilters, input: &Frames, peaks: &mut Frames) {
        self.take(f, input);
        self.refine(f);
        self.read(f, peaks);
    }

    /// Audio thread. First of three steps, each of which reads what the one before has just written, at other places:
    /// over several channels it is faster to take each step for all of them. The input, and the midpoints.
    #[inline(always)]
    pub fn take(&mut self, f: &TruePeakFilters, input: &Frames) {
        f.width.run(Take(self, f, input));
    }

    /// Audio thread. Second step: the other points.
    #[inline(always)]
    pub fn refine(&mut self, f: &TruePeakFilters) {
        f.width.run(Refine(self, f));
    }

    /// Audio thread. Third step, see [`TruePeak::process`].
    #[inline(always)]
    pub fn read(&mut self, f: &TruePeakFilters, peaks: &mut Frames) {
        f.width.run(Read(self, f, peaks));
    }

    /// Samples from frame `k` of those whose peaks are read.
    #[inline(always)]
    fn even<const N: usize>(&self, f: &TruePeakFilters, k: isize) -> &[f32; N] {
        row(&self.x, (PAST - f.delay()).wrapping_add_signed(k))
    }

    /// Midpoints behind them.
    #[inline(always)]
    fn odd<const N: usize>(&self, k: isize) -> &[f32; N] {
        row(&self.odd, (BEFORE - REACH).wrapping_add_signed(k))
    }

    /// Points at a quarter and at three quarters of each interval, up to the one after the last that is read.
    #[inline(always)]
    fn quarter_points(&mut self, f: &TruePeakFilters) {
        let (x, midpoints, from) = (&self.x, &self.odd, PAST - f.delay() - 1);
        let [e0, e1, e2, e3, e4, e5] = std::array::from_fn(|k| row::<QUANTUM>(x, from + k));
        let [o0, o1, o2, o3, o4] = std::array::from_fn(|k| row::<QUANTUM>(midpoints, BEFORE - REACH - 1 + k));
        let [c0, c1, c2, c3, c4] = f.second;
        let (Some(first), Some(third)) = (newest(&mut self.first), newest(&mut self.third)) else { return };
        for i in 0..QUANTUM {
            first[i] = c0 * (e2[i] + o2[i])
                + c1 * (o1[i] + e3[i])
                + c2 * (e1[i] + o3[i])
                + c3 * (o0[i] + e4[i])
                + c4 * (e0[i] + o4[i]);
            third[i] = c0 * (o2[i] + e3[i])
                + c1 * (e2[i] + o3[i])
                + c2 * (o1[i] + e4[i])
                + c3 * (e1[i] + o4[i])
                + c4 * (o0[i] + e5[i]);
        }
    }

    /// Those points from interval `k` of those that are read, at most 1 after.
    #[inline(always)]
    fn first(&self, k: isize) -> &[f32; QUANTUM] {
        row(&self.first, (BEFORE - 1).wrapping_add_signed(k))
    }

    #[inline(always)]
    fn third(&self, k: isize) -> &[f32; QUANTUM] {
        row(&self.third, (BEFORE - 1).wrapping_add_signed(k))
    }

    /// Highest magnitude of each interval, of two points.
    #[inline(always)]
    fn halves(&self, f: &TruePeakFilters, high: &mut [f32; QUANTUM]) {
        let (e, next) = (self.even::<QUANTUM>(f, 0), self.even::<QUANTUM>(f, 1));
        let (before, o) = (self.odd::<QUANTUM>(-1), self.odd::<QUANTUM>(0));
        for i in 0..QUANTUM {
            high[i] = Top::of(before[i], e[i], o[i]).and(e[i], o[i], next[i]).reached();
        }
    }

    /// Of four points.
    #[inline(always)]
    fn quarters(&mut self, f: &TruePeakFilters, high: &mut [f32; QUANTUM]) {
        let (a, before, b) = (self.first(0), self.third(-1), self.third(0));
        let (e, next) = (self.even::<QUANTUM>(f, 0), self.even::<QUANTUM>(f, 1));
        let o = self.odd::<QUANTUM>(0);
        for i in 0..QUANTUM {
            high[i] = Top::of(before[i], e[i], a[i])
                .and(e[i], a[i], o[i])
                .and(a[i], o[i], b[i])
                .and(o[i], b[i], next[i])
                .reached();
        }
    }

    /// Of eight points.
    #[inline(always)]
    fn eighths(&mut self, f: &TruePeakFilters, high: &mut [f32; QUANTUM]) {
        let [c0, c1, c2] = f.third;
        if let Some(last) = newest(&mut self.last) {
            let (first, third) = (&self.first, &self.third);
            let [a, a2] = std::array::from_fn(|k| row::<QUANTUM>(first, BEFORE - 1 + k));
            let b = row::<QUANTUM>(third, BEFORE - 1);
            let next = row::<QUANTUM>(&self.x, PAST - f.delay() + 1);
            let [o, after] = std::array::from_fn(|k| row::<QUANTUM>(&self.odd, BEFORE - REACH + k));
            for i in 0..QUANTUM {
                last[i] = c0 * (b[i] + next[i]) + c1 * (o[i] + a2[i]) + c2 * (a[i] + after[i]);
            }
        }
        let (a, a2) = (self.first(0), self.first(1));
        let (b0, b) = (self.third(-1), self.third(0));
        let [e, next] = std::array::from_fn(|k| self.even::<QUANTUM>(f, k as isize));
        let [before, o] = std::array::from_fn(|k| self.odd::<QUANTUM>(k as isize - 1));
        let [last, s] = std::array::from_fn(|k| row::<QUANTUM>(&self.last, BEFORE - 1 + k));
        for i in 0..QUANTUM {
            let (e, next, before, o) = (e[i], next[i], before[i], o[i]);
            let (a, a2, b0, b, s) = (a[i], a2[i], b0[i], b[i], s[i]);
            let p = c0 * (e + a) + c1 * (b0 + o) + c2 * (before + b);
            let q = c0 * (a + o) + c1 * (e + b) + c2 * (b0 + next);
            let r = c0 * (o + b) + c1 * (a + next) + c2 * (e + a2);
            high[i] = Top::of(last[i], e, p)
                .and(e, p, a)
                .and(p, a, q)
                .and(a, q, o)
                .and(q, o, r)
                .and(o, r, b)
                .and(r, b, s)
                .and(b, s, next)
                .reached();
        }
    }
}

/// Where the newest quantum of points goes, after the last ones have moved to their place before it.
#[inline(always)]
fn newest(points: &mut Points) -> Option<&mut [f32; QUANTUM]> {
    let (past, rest) = points.split_at_mut(QUANTUM);
    past[..BEFORE].copy_from_slice(rest);
    points.last_chunk_mut()
}

/// As many of a row from its `from`-th on.
#[inline(always)]
fn row<const N: usize>(x: &[f32], from: usize) -> &[f32; N] {
    x.get(from..).and_then(|x| x.first_chunk()).unwrap_or(&[0.0; N])
}

/// `out[i] = Σ pairs[j] (x[i+j] + x[i+n−1−j])` for n = 2 P = 32 N taps and L = n + QUANTUM frames; M is N + 3.
///
/// What this costs is loads, of which almost all cross a cache line. Pairs that lie a row apart meet the same rows of
/// `x`: they come one after the other, and 32 registers hold those rows. With fewer registers `rows_again`, which
/// sums in the same order, is faster.
#[inline(always)]
fn midpoints<const N: usize, const M: usize, const P: usize, const L: usize>(
    x: &[f32; L],
    pairs: &[f32; P],
    rows_again: bool,
    out: &mut [f32; QUANTUM],
) {
    let right = ROW * (2 * N) - 1;
    if rows_again {
        let mut s = [0.0f32; QUANTUM];
        for (r, c) in (0..ROW).flat_map(|r| pairs.iter().enumerate().skip(r).step_by(ROW)) {
            let (l, h): (&[f32; QUANTUM], &[f32; QUANTUM]) = (row(x, r), row(x, right - r));
            for i in 0..QUANTUM {
                s[i] += c * (l[i] + h[i]);
            }
        }
        *out = s;
        return;
    }
    type Row = [f32; ROW];
    let add = |s: Row, c: f32, a: Row, b: Row| -> Row { std::array::from_fn(|i| s[i] + c * (a[i] + b[i])) };
    let mut s = [[0.0; ROW]; QUANTUM / ROW];
    for r in 0..ROW {
        let (mut l, mut h) = ([[0.0; ROW]; M], [[0.0; ROW]; M]);
        for k in 0..M {
            l[k] = *row(x, r + ROW * k);
            h[k] = *row(x, ROW - 1 - r + ROW * (N + k));
        }
        for j in 0..N {
            let c = pairs[r + ROW * j];
            let k = N - 1 - j;
            s = [
                add(s[0], c, l[j], h[k]),
                add(s[1], c, l[j + 1], h[k + 1]),
                add(s[2], c, l[j + 2], h[k + 2]),
                add(s[3], c, l[j + 3], h[k + 3]),
            ];
        }
    }
    out.as_chunks_mut::<ROW>().0.copy_from_slice(&s);
}

/// The highest point of an interval and its neighbours, as magnitudes.
#[derive(Clone, Copy)]
struct Top {
    left: f32,
    point: f32,
    right: f32,
}

impl Top {
    #[inline(always)]
    fn of(left: f32, point: f32, right: f32) -> Top {
        Top { left: left.abs(), point: point.abs(), right: right.abs() }
    }

    #[inline(always)]
    fn and(self, left: f32, point: f32, right: f32) -> Top {
        let other = Top::of(left, point, right);
        let higher = other.point > self.point;
        Top {
            left: if higher { other.left } else { self.left },
            point: if higher { other.point } else { self.point },
            right: if higher { other.right } else { self.right },
        }
    }

    /// Where the point is a local maximum, the top of the parabola through the three.
    #[inline(always)]
    fn reached(self) -> f32 {
        let (l, c, r) = (self.left, self.point, self.right);
        let bend = (c - l) + (c - r);
        let top = c + (l - r) * (l - r) / (8.0 * bend + f32::MIN_POSITIVE);
        if (c >= l) & (c >= r) { top } else { c }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    #[test]
    fn steady_sines_read_their_amplitude() {
        // As far as 22.5 kHz within 0.01 dB at every rate; higher up the higher rates read less exactly.
        for (rate, most, bound) in [
            (44_100.0, 0.47, 0.01),
            (48_000.0, 0.47, 0.01),
            (96_000.0, 0.235, 0.01),
            (96_000.0, 0.45, 0.05),
            (192_000.0, 0.1175, 0.01),
            (192_000.0, 0.25, 0.1),
        ] {
            let f = TruePeakFilters::new(rate, Detail::Normal);
            let mut worst = 0.0f64;
            for k in 1..=47 {
                let freq = most * f64::from(k) / 47.0;
                for phase in 0..8 {
                    let w = |n: usize| (2.0 * PI * freq * n as f64 + f64::from(phase) * PI / 16.0).sin();
                    let (mut d, mut p, mut top) = (TruePeak::default(), [0.0; QUANTUM], 0.0f64);
                    for q in 0..24 {
                        d.process(&f, &std::array::from_fn(|i| w(q * 64 + i)), &mut p);
                        if q > 3 {
                            top = p.iter().copied().fold(top, f64::max);
                        }
                    }
                    // A slow sine may have no peak among so few frames.
                    if freq > 0.01 {
                        worst = worst.max((20.0 * top.log10()).abs());
                    }
                }
            }
            println!("{rate} Hz: sines up to {most} of the rate read within {worst:.4} dB");
            assert!(worst < bound, "{rate}: {worst}");
        }
    }

    #[test]
    fn wider_registers_change_no_bit() {
        for (rate, detail) in
            [(44_100.0, Detail::Normal), (96_000.0, Detail::High), (192_000.0, Detail::Normal)]
        {
            let mut f = TruePeakFilters::new(rate, detail);
            let mut all: Vec<Vec<f64>> = Vec::new();
            for width in Width::all() {
                f.width = width;
                let (mut d, mut p, mut out) = (TruePeak::default(), [0.0; QUANTUM], Vec::new());
                for q in 0..20 {
                    d.process(
                        &f,
                        &std::array::from_fn(|i| ((q * 64 + i).pow(2) as f64 * 0.01).sin()),
                        &mut p,
                    );
                    out.extend(p);
                }
                all.push(out);
            }
            assert!(all.iter().all(|o| *o == all[0]), "{rate} Hz");
        }
    }

    #[test]
    fn a_peak_constrains_both_neighbours_and_nothing_else() {
        let f = TruePeakFilters::new(48_000.0, Detail::Normal);
        let (mut d, mut p) = (TruePeak::default(), [0.0; QUANTUM]);
        let mut x = [[0.0; QUANTUM]; 3];
        x[0][10] = 1.0;
        let mut peaks = Vec::new();
        for q in x {
            d.process(&f, &q, &mut p);
            peaks.extend(p);
        }
        let at = 10 + f.delay();
        assert!(peaks[at] >= 1.0 && peaks[at + 1] >= 1.0, "{:?}", &peaks[at - 2..at + 3]);
        assert!(peaks[at - 1] > 0.9 && peaks[at - 2] < 0.3 && peaks[at + 2] < 0.3);
    }
}
