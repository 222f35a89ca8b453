// SPDX-License-Identifier: MIT OR Apache-2.0
//! Digital filters whose magnitude is that of an analog prototype almost up to half the sample rate.
//!
//! 1. Every pole and zero that lies within the band goes to `z = e^s`, exactly. Against the prototype the
//!    magnitude is then wrong by a factor that has no feature left in the band: it is smooth however narrow
//!    or low the filter is.
//! 2. That factor is fitted by one more section. In `u = sin²(ω/2)` a section's squared magnitude is a
//!    quadratic over a quadratic, so its five numbers are those of a linear least-squares problem, solved a
//!    few times with the weights of the round before (Sanathanan & Koerner 1963) and then with more weight
//!    where the error is greatest (Lawson 1961). The roots that lie inside the unit circle are closed form.
//! 3. What misses the aim, mostly with resonances just above half the sample rate, is polished by
//!    Levenberg and Marquardt's method on the error in dB, in logarithms of frequency and damping, so
//!    that every step is a stable minimum-phase filter.
//!
//! Work is bounded, the order of all operations is fixed, and no number is carried from one design to the
//! next: the same prototype and rate give the same bits on every machine. Control side.
//!
//! Polynomials here are in `t = j·tan(ω/2)`, where `cos²(ω/2)·|c0 + c1 t + c2 t²|` has the square
//! `(c0 v − c2 u)² + c1² u v`, `v = 1 − u`, and `1 + t` is a root at `z = 0`, which changes nothing.

use super::polish::{Quad, polish};
use super::prototype::{Factor, MAX_STAGES, Prototype};
use crate::dsp::svf::{Chain, Section};
use std::f64::consts::PI;

/// Highest frequency that is fitted, as a share of half the sample rate.
pub const FIT_TOP: f64 = 0.95;

/// Points of the fit: what is fitted is smooth. The last is at the corner.
pub(super) const POINTS: usize = 40;

/// Poles and zeros this wide (`k`) or near the end of the band may be moved by the polish: its points see all
/// there is of them.
const WIDE: f64 = 0.7;

/// Rounds of the linear fit, of which the first find the weights and the others even the error out.
const ROUNDS: usize = 12;
const FIRST_ROUNDS: usize = 4;

/// The levels of a prototype that matter, in power: −40 dB. What is lower counts less.
const FLOOR: f64 = 1e-4;

/// dB of a difference of natural logarithms of power.
pub(super) const DB: f64 = 10.0 / std::f64::consts::LN_10;

/// A polynomial in t.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Poly(pub [f64; 3]);

impl Poly {
    /// No pole and no zero: two roots at z = 0.
    const TRIVIAL: Poly = Poly([1.0, 2.0, 1.0]);

    pub(super) fn power(&self, u: f64) -> f64 {
        let Poly([c0, c1, c2]) = *self;
        let (v, even) = (1.0 - u, c0 * (1.0 - u) - c2 * u);
        even * even + c1 * c1 * u * v
    }

    /// `(1 + t/g)` or `(c0 + c1 t)` in place of the root at z = 0 of a first-order polynomial.
    fn with_root(&self, c0: f64, c1: f64) -> Poly {
        // The polynomial is (a + b t)(1 + t): a = p0, b = p2.
        let Poly([a, _, b]) = *self;
        Poly([a * c0, a * c1 + b * c0, b * c1])
    }
}

/// One section in the making.
#[derive(Clone, Copy, Debug)]
struct Pair {
    num: Poly,
    den: Poly,
}

impl Pair {
    const TRIVIAL: Pair = Pair { num: Poly::TRIVIAL, den: Poly::TRIVIAL };

    fn section(&self) -> Section {
        let (Poly(n), Poly(d)) = (self.num, self.den);
        let g = (d[0] / d[2]).sqrt();
        Section { g, k: d[1] * g / d[0], hp: n[2] / d[2], bp: n[1] * g / d[0], lp: n[0] / d[0] }
    }
}

/// `g` and `k` of the poles of the analog `s² + k s + 1` at `w` radians a frame, mapped by `z = e^s`.
pub fn mapped_poles(w: f64, k: f64) -> (f64, f64) {
    let q = 0.5 * k;
    // Each is worked out without differences of nearly equal numbers:
    // sum = 1 + a1 + a2, diff = 1 − a1 + a2, rest = 1 − a2.
    let (sum, diff, rest) = if q < 1.0 {
        let (e, y) = (libm::exp(-q * w), 0.5 * w * (1.0 - q * q).sqrt());
        let (fall, sin, cos) = (libm::expm1(-q * w), libm::sin(y), libm::cos(y));
        let fall2 = fall * fall;
        (fall2 + 4.0 * e * sin * sin, fall2 + 4.0 * e * cos * cos, -libm::expm1(-2.0 * q * w))
    } else {
        let fast = q + (q * q - 1.0).sqrt();
        let (m1, m2) = (libm::expm1(-fast * w), libm::expm1(-w / fast));
        (m1 * m2, (2.0 + m1) * (2.0 + m2), -libm::expm1(-2.0 * q * w))
    };
    let g = (sum / diff).sqrt();
    (g, 2.0 * rest / (diff * g))
}

/// A factor's roots at `z = e^s`, its value at DC or its slope there kept; `None` if they lie beyond half
/// the rate or if there are none.
fn map(factor: Factor, rate: f64) -> Option<Poly> {
    let w = |hz: f64| 2.0 * PI * hz / rate;
    match factor {
        Factor::One => None,
        Factor::S { hz } => Some(Poly([0.0, 2.0 / w(hz), 2.0 / w(hz)])),
        Factor::SS { hz } => Some(Poly([0.0, 0.0, 4.0 / (w(hz) * w(hz))])),
        Factor::First { hz } => {
            let g = libm::tanh(0.5 * w(hz));
            Some(Poly([1.0, 1.0 + 1.0 / g, 1.0 / g]))
        }
        Factor::Second { hz, k } => {
            let high = w(hz) * (1.0 - 0.25 * k * k).max(0.0).sqrt();
            if high >= PI {
                return None;
            }
            let (g, k) = mapped_poles(w(hz), k);
            Some(Poly([1.0, k / g, 1.0 / (g * g)]))
        }
    }
}

/// A place of the fit: `u`, the prototype's power there, and how much it counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    pub u: f64,
    pub power: f64,
    pub weight: f64,
}

/// The design in the making.
struct Fit<'a> {
    prototype: &'a Prototype,
    rate: f64,
    points: [Point; POINTS],
    pairs: [Pair; MAX_STAGES],
    /// Which numerators and denominators the polish may move.
    open: [(bool, bool); MAX_STAGES],
}

/// A correction: `gain · n/d`.
#[derive(Clone, Copy, Debug)]
struct Correction {
    pair: Pair,
    error_db: f64,
}

/// A design and how far it is from its prototype at the points of the fit, in dB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matched {
    pub chain: Chain,
    pub error_db: f64,
}

impl Matched {
    /// Both in series; the errors add up at worst.
    pub fn and(&self, next: &Matched) -> Matched {
        let mut chain = self.chain;
        next.chain.as_slice().iter().for_each(|s| chain.add(*s));
        Matched { chain, error_db: self.error_db + next.error_db }
    }
}

/// The prototype at `rate` Hz. `closed` is a section worth trying first: it is taken if it meets the aim.
pub fn matched(prototype: &Prototype, rate: f64, closed: Option<Section>) -> Matched {
    if let Some(section) = closed {
        let error_db = closed_error(prototype, rate, &section);
        if error_db <= prototype.aim_db {
            return Matched { chain: Chain::one(section), error_db };
        }
    }
    let fit = Fit::new(prototype, rate);
    let mut best = fit.plain();
    for attempt in [Fit::merged, Fit::corrected, Fit::polished] {
        if best.error_db <= prototype.aim_db {
            break;
        }
        if let Some(next) = attempt(&fit)
            && next.error_db < best.error_db
        {
            best = next;
        }
    }
    best
}

/// Largest error of a section against the prototype, in dB: over the band and around the corner.
fn closed_error(prototype: &Prototype, rate: f64, section: &Section) -> f64 {
    let mut worst = 0.0f64;
    let mut look = |freq: f64| {
        if freq < 0.5 * FIT_TOP * rate {
            let m = section.magnitude(freq, rate);
            worst = worst.max(libm::log(m * m / prototype.power(freq)).abs());
        }
    };
    (0..POINTS - 1).for_each(|i| look(place(i) * rate / (2.0 * PI)));
    for stage in prototype.stages() {
        for factor in [stage.zeros, stage.poles] {
            let (hz, width) = match factor {
                Factor::Second { hz, k } => (hz, k.clamp(1e-3, 1.0)),
                Factor::First { hz } => (hz, 1.0),
                _ => continue,
            };
            for step in [-3.0, -2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 3.0] {
                look(hz * libm::exp(step * width));
            }
        }
    }
    DB * worst
}

/// ω of point `i` of all but the last: Chebyshev's places, which are denser towards the top.
fn place(i: usize) -> f64 {
    FIT_TOP * PI * libm::sin(0.5 * PI * (i as f64 + 0.5) / (POINTS as f64 - 1.5))
}

/// ω at the corner of the first stage, if that is in the band and not a zero; or else a small one.
fn corner(prototype: &Prototype, rate: f64) -> f64 {
    const LOW: f64 = 1e-3;
    let Some(first) = prototype.stages().first() else { return LOW };
    let w = match (first.zeros, first.poles) {
        (Factor::Second { k: 0.0, .. }, _) => LOW,
        (_, Factor::First { hz } | Factor::Second { hz, .. }) => 2.0 * PI * hz / rate,
        _ => LOW,
    };
    if w < FIT_TOP * PI { w } else { LOW }
}

impl<'a> Fit<'a> {
    fn new(prototype: &'a Prototype, rate: f64) -> Fit<'a> {
        let mut points = [Point::default(); POINTS];
        for (i, p) in points.iter_mut().enumerate() {
            let w = if i == POINTS - 1 { corner(prototype, rate) } else { place(i) };
            let (sin, power) = (libm::sin(0.5 * w), prototype.power(w * rate / (2.0 * PI)));
            let low = (power / FLOOR).min(1.0);
            *p = Point { u: sin * sin, power, weight: low.sqrt().sqrt().max(1e-3) };
        }
        let mut fit = Fit {
            prototype,
            rate,
            points,
            pairs: [Pair::TRIVIAL; MAX_STAGES],
            open: [(true, true); MAX_STAGES],
        };
        for (i, stage) in prototype.stages().iter().enumerate() {
            let (num, den) = (map(stage.zeros, rate), map(stage.poles, rate));
            let beyond = 0.45 * rate;
            let wide =
                |f: Factor| matches!(f, Factor::Second { hz, k } if k >= WIDE || k > 0.0 && hz > beyond);
            fit.open[i] = (num.is_none() || wide(stage.zeros), den.is_none() || wide(stage.poles));
            fit.pairs[i] = Pair { num: num.unwrap_or(Poly::TRIVIAL), den: den.unwrap_or(Poly::TRIVIAL) };
            if let (Factor::One, Factor::Second { .. }, Some(den)) = (stage.zeros, stage.poles, den) {
                fit.pairs[i].num = fit.free_zeros(stage.poles, den);
            }
        }
        fit
    }

    fn pairs(&self) -> &[Pair] {
        &self.pairs[..self.prototype.stages().len()]
    }

    /// The best numerator of a low-pass section, unity at DC, by linear least squares.
    fn free_zeros(&self, poles: Factor, den: Poly) -> Poly {
        let mut system = System::<2>::default();
        for p in &self.points {
            let freq = 2.0 * libm::asin(p.u.sqrt()) * self.rate / (2.0 * PI);
            let want = den.power(p.u) / poles.power(freq);
            let (v, w) = (1.0 - p.u, p.weight / want);
            system.add([p.u * v * w, p.u * p.u * w], (want - v * v) * w);
        }
        let [n1, n2] = system.solve();
        root([1.0, n1, n2]).unwrap_or(Poly::TRIVIAL)
    }

    /// What is left to be corrected: the prototype over `pairs`.
    fn rest(&self, pairs: &[Pair]) -> [Point; POINTS] {
        let mut rest = self.points;
        for p in &mut rest {
            let have: f64 = pairs.iter().map(|q| q.num.power(p.u) / q.den.power(p.u)).product();
            p.power /= have;
        }
        rest
    }

    fn chain(&self, pairs: &[Pair], correction: &Pair, extra: bool) -> Chain {
        let mut chain = Chain::EMPTY;
        for pair in pairs {
            chain.add(pair.section());
        }
        if extra {
            chain.add(correction.section());
        }
        chain
    }

    /// Without a correction but for the gain.
    fn plain(&self) -> Matched {
        let rest = self.rest(self.pairs());
        let (mut low, mut high) = (f64::INFINITY, 0.0f64);
        for p in rest.iter().filter(|p| p.weight >= 1.0) {
            (low, high) = (low.min(p.power), high.max(p.power));
        }
        if low > high {
            (low, high) = (1.0, 1.0); // all of it lies below the floor
        }
        let gain = (low * high).sqrt().sqrt();
        let mut pairs = self.pairs;
        pairs[0].num.0.iter_mut().for_each(|c| *c *= gain);
        let chain = self.chain(&pairs[..self.pairs().len()], &Pair::TRIVIAL, false);
        Matched { chain, error_db: 0.5 * DB * libm::log(high / low) }
    }

    /// A first-order stage has room for a correction of first order.
    fn merged(&self) -> Option<Matched> {
        let last = self.pairs().len() - 1;
        let stage = self.prototype.stages()[last];
        if !matches!(stage.poles, Factor::First { .. }) {
            return None;
        }
        let mut pairs = self.pairs;
        let c = if matches!(stage.zeros, Factor::One) {
            // No zero: there is room for two.
            let c = linear_fit::<4, 2, 1>(&self.rest(self.pairs()))?;
            pairs[last].num = c.pair.num;
            c
        } else {
            let c = linear_fit::<3, 1, 1>(&self.rest(self.pairs()))?;
            pairs[last].num = pairs[last].num.with_root(c.pair.num.0[0], c.pair.num.0[2]);
            c
        };
        pairs[last].den = pairs[last].den.with_root(c.pair.den.0[0], c.pair.den.0[2]);
        Some(Matched { chain: self.chain(&pairs[..=last], &Pair::TRIVIAL, false), error_db: c.error_db })
    }

    /// One section more.
    fn corrected(&self) -> Option<Matched> {
        let c = linear_fit::<5, 2, 2>(&self.rest(self.pairs()))?;
        Some(Matched { chain: self.chain(self.pairs(), &c.pair, true), error_db: c.error_db })
    }

    /// One section more, and every numerator and denominator that is not tied to narrow roots of the
    /// prototype's, from several starts.
    fn polished(&self) -> Option<Matched> {
        /// Denominators and numerators `[b1, b2, a1, a2]` that nearly cancel.
        const STARTS: [[f64; 4]; 3] = [[0.55, 0.05, 0.5, 0.05], [0.8, 0.16, 0.6, 0.1], [1.2, 0.36, 0.9, 0.2]];
        let unfold = |b1: f64, b2: f64| Poly([1.0 + b1 + b2, 2.0 - 2.0 * b2, 1.0 - b1 + b2]);
        let linear = linear_fit::<5, 2, 2>(&self.rest(self.pairs())).map(|c| c.pair);
        let starts = STARTS.map(|s| Some(Pair { num: unfold(s[0], s[1]), den: unfold(s[2], s[3]) }));
        let mut best: Option<Matched> = None;
        for start in [linear].into_iter().chain(starts).flatten() {
            let next = self.polish_from(start);
            if best.is_none_or(|b| next.error_db < b.error_db) {
                best = Some(next);
            }
            if best.is_some_and(|b| b.error_db <= self.prototype.aim_db) {
                break;
            }
        }
        best
    }

    fn polish_from(&self, start: Pair) -> Matched {
        let mut quads = [Quad::default(); super::polish::MOST];
        let mut count = 0;
        // Which polynomial each one is: pair and half.
        let mut seats = [(0, false); super::polish::MOST];
        let mut pairs = [Pair::TRIVIAL; MAX_STAGES + 1];
        pairs[..MAX_STAGES].copy_from_slice(&self.pairs);
        let len = self.pairs().len();
        pairs[len] = start;
        let mut open = |i: usize, den: bool, poly: &Poly| {
            if let Some(seat) = quads.get_mut(count) {
                (*seat, seats[count]) = (Quad::new(poly, den), (i, den));
                count += 1;
            }
        };
        open(len, false, &start.num);
        open(len, true, &start.den);
        for (i, (pair, free)) in pairs.iter().zip(&self.open).enumerate().take(len) {
            if free.0 {
                open(i, false, &pair.num);
            }
            if free.1 {
                open(i, true, &pair.den);
            }
        }
        let mut fixed = pairs;
        for (i, den) in &seats[..count] {
            let seat = if *den { &mut fixed[*i].den } else { &mut fixed[*i].num };
            *seat = Poly::TRIVIAL;
        }
        let (gain, error) = polish(&self.rest(&fixed[..=len]), &mut quads[..count]);
        for (quad, (i, den)) in quads[..count].iter().zip(&seats) {
            let seat = if *den { &mut pairs[*i].den } else { &mut pairs[*i].num };
            *seat = quad.poly();
        }
        pairs[len].num.0.iter_mut().for_each(|c| *c *= gain);
        Matched { chain: self.chain(&pairs[..len], &pairs[len], true), error_db: error }
    }
}

/// The minimum-phase polynomial whose power is `n0 v² + n1 u v + n2 u²`, if that is positive everywhere.
fn root(n: [f64; 3]) -> Option<Poly> {
    let (a, c) = (n[0].max(0.0).sqrt(), n[2].max(0.0).sqrt());
    let middle = n[1] + 2.0 * a * c;
    (n[0] > 0.0 && n[2] > 0.0 && middle > 0.0).then(|| Poly([a, middle.sqrt(), c]))
}

/// The same of first order, `n0 v + n1 u`, with a root at z = 0.
fn first_root(n: [f64; 2]) -> Option<Poly> {
    let (a, b) = (n[0].max(0.0).sqrt(), n[1].max(0.0).sqrt());
    (n[0] > 0.0 && n[1] > 0.0).then_some(Poly([a, a + b, b]))
}

/// A rational fit of the points' powers in `u`: degree `NUM` over degree `DEN`, `N` unknowns.
fn linear_fit<const N: usize, const NUM: usize, const DEN: usize>(
    points: &[Point; POINTS],
) -> Option<Correction> {
    let basis = |degree: usize, u: f64| -> [f64; 3] {
        let v = 1.0 - u;
        if degree == 2 { [v * v, u * v, u * u] } else { [v, u, 0.0] }
    };
    let mut weights = points.map(|p| p.weight);
    let mut den = [1.0, if DEN == 2 { 2.0 } else { 1.0 }, 1.0];
    let mut best: Option<Correction> = None;
    for round in 0..ROUNDS {
        let mut system = System::<N>::default();
        for (p, weight) in points.iter().zip(&weights) {
            let (n, d) = (basis(NUM, p.u), basis(DEN, p.u));
            let old: f64 = (0..=DEN).map(|i| den[i] * d[i]).sum();
            let w = weight / (p.power * old.abs().max(1e-12));
            let mut row = [0.0; N];
            row[..=NUM].copy_from_slice(&n[..=NUM]);
            for i in 1..=DEN {
                row[NUM + i] = -p.power * d[i];
            }
            system.add(row.map(|r| r * w), p.power * d[0] * w);
        }
        let x = system.solve();
        den[1..=DEN].copy_from_slice(&x[NUM + 1..]);
        let (num, pole) = if DEN == 2 {
            (root([x[0], x[1], x[2]]), root([1.0, den[1], den[2]]))
        } else {
            let num = if NUM == 2 { root([x[0], x[1], x[2]]) } else { first_root([x[0], x[1]]) };
            (num, first_root([1.0, den[1]]))
        };
        let mut errors = [0.0; POINTS];
        let mut worst = 0.0f64;
        for (p, e) in points.iter().zip(&mut errors) {
            let (n, d) = (basis(NUM, p.u), basis(DEN, p.u));
            let model: f64 = (0..=NUM).map(|i| x[i] * n[i]).sum();
            let ratio = model / (p.power * (0..=DEN).map(|i| den[i] * d[i]).sum::<f64>());
            *e = p.weight * (ratio - 1.0).abs();
            worst = worst.max(*e);
        }
        if let (Some(num), Some(den)) = (num, pole) {
            let error_db = DB * worst;
            if best.is_none_or(|b| error_db < b.error_db) {
                best = Some(Correction { pair: Pair { num, den }, error_db });
            }
        }
        if round + 1 >= FIRST_ROUNDS {
            for (w, e) in weights.iter_mut().zip(&errors) {
                *w *= ((*e + 0.05 * worst) / (1.05 * worst)).max(1e-6).sqrt();
            }
            let most = weights.iter().fold(0.0, |a: f64, b| a.max(*b));
            weights.iter_mut().for_each(|w| *w /= most);
        }
    }
    best
}

/// Normal equations of a least-squares problem.
pub(super) struct System<const N: usize> {
    pub a: [[f64; N]; N],
    pub b: [f64; N],
}

impl<const N: usize> Default for System<N> {
    fn default() -> Self {
        System { a: [[0.0; N]; N], b: [0.0; N] }
    }
}

impl<const N: usize> System<N> {
    pub(super) fn add(&mut self, row: [f64; N], want: f64) {
        for i in 0..N {
            for j in 0..N {
                self.a[i][j] += row[i] * row[j];
            }
            self.b[i] += row[i] * want;
        }
    }

    /// By Gauss with pivots; a column that says nothing gives 0.
    pub(super) fn solve(mut self) -> [f64; N] {
        for (i, row) in self.a.iter_mut().enumerate() {
            row[i] *= 1.0 + 1e-12;
        }
        solve(&mut self.a, &mut self.b, N);
        self.b
    }
}

/// Solves the first `n` rows of `a x = b` in place; `b` becomes x.
pub(super) fn solve<const N: usize>(a: &mut [[f64; N]; N], b: &mut [f64; N], n: usize) {
    for c in 0..n {
        let mut pivot = c;
        for r in c + 1..n {
            if a[r][c].abs() > a[pivot][c].abs() {
                pivot = r;
            }
        }
        a.swap(c, pivot);
        b.swap(c, pivot);
        if a[c][c].abs() < 1e-300 {
            continue;
        }
        for r in c + 1..n {
            let m = a[r][c] / a[c][c];
            let (above, below) = a.split_at_mut(r);
            for (x, y) in below[0][c..n].iter_mut().zip(&above[c][c..n]) {
                *x -= m * y;
            }
            b[r] -= m * b[c];
        }
    }
    for c in (0..n).rev() {
        let rest: f64 = (c + 1..n).map(|k| a[c][k] * b[k]).sum();
        b[c] = if a[c][c].abs() < 1e-300 { 0.0 } else { (b[c] - rest) / a[c][c] };
    }
}
