// SPDX-License-Identifier: MIT OR Apache-2.0
//! Magnetic hysteresis after Jiles and Atherton (Journal of Magnetism and Magnetic Materials 61, 1986), for tape
//! as in Chowdhury, "Real-time physical modelling for analog tape machines", DAFx-19, written from the equations.
//!
//! In units of the saturation magnetisation and of the anhysteretic curve's field `a`, with
//! `q = h + α m`, `D = L(q) − m`, `L(q) = coth q − 1/q` (Langevin) and δ the sign of the field's change:
//!
//! ```text
//! dm/dh = ( (1−c) [δD > 0] D / ((1−c) δ κ − α D) + c L'(q) ) / ( 1 − c α L'(q) )
//! ```
//!
//! `κ` is the pinning (the coercivity), `c` the reversible share. From sample to sample the field goes in a straight line,
//! and the step is the trapezoidal rule, solved by two rounds of Newton's method, always two: `m` enters
//! the equation almost linearly, so they leave less than 1e-6 at full drive. The rule is stable for any step.
//!
//! Because α is small, `L(h + α m)` is expanded about `h`, to the third power of α m (error below 1e-8 of
//! saturation). So everything transcendental depends on the input alone and is worked out ahead, in wide registers;
//! in the recursion two channels run side by side.

use super::math::exp2;
use super::wide::{Kernel, Width};

/// Channels side by side.
pub const LANES: usize = 2;
/// One sample of each.
pub type Two = [f64; LANES];

/// α Ms/a and k/a of the paper's tape: Ms 350 kA/m, a 22 kA/m, k 27 kA/m, α 1.6e-3.
const ALPHA: f64 = 1.6e-3 * 350.0 / 22.0;
const KAPPA: f64 = 27.0 / 22.0;
/// The reversible share of the paper's tape.
pub const REVERSIBLE: f64 = 0.17;

/// Samples worked out ahead.
const AHEAD: usize = 64;
/// Below this the functions are their series.
const SMALL: f64 = 0.5;
/// States below this are none.
const TINY: f64 = 1e-30;

/// Slope of a small signal about the demagnetised state, saturation per field. Any thread.
pub fn slope(reversible: f64) -> f64 {
    reversible / 3.0 / (1.0 - reversible * ALPHA / 3.0)
}

/// Two channels' magnetisation.
#[derive(Clone, Copy, Debug)]
pub struct Hysteresis {
    field: Two,
    magnetisation: Two,
    /// L and its slope where the last step ended.
    langevin: Two,
    steepness: Two,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Hysteresis {
            field: [0.0; LANES],
            magnetisation: [0.0; LANES],
            langevin: [0.0; LANES],
            steepness: [1.0 / 3.0; LANES],
        }
    }
}

impl Hysteresis {
    pub fn reset(&mut self) {
        *self = Hysteresis::default();
    }

    /// Audio thread. Fields become magnetisations, in place. `reversible` is c for each sample, 0 to 0.95; `keep` the
    /// share of the tape that a sample leaves to the next; the rest gives way to fresh tape.
    pub fn process(&mut self, width: Width, x: &mut [Two], reversible: &[f64], keep: f64) {
        width.run(Magnetise { state: self, x, reversible, keep });
        let still = self.magnetisation.map(|m| if m.abs() < TINY { 0.0 } else { m });
        self.magnetisation = still;
    }
}

/// L, L', L''/2 and L'''/6 of every lane of every sample.
type Table = [[f64; AHEAD * LANES]; 4];

/// L(q), L', L''/2 and L'''/6.
#[inline(always)]
fn langevin(q: f64) -> [f64; 4] {
    const C: [f64; 8] = [
        1.0 / 3.0,
        -1.0 / 45.0,
        2.0 / 945.0,
        -1.0 / 4_725.0,
        2.0 / 93_555.0,
        -1_382.0 / 638_512_875.0,
        4.0 / 18_243_225.0,
        -3_617.0 / 162_820_783_125.0,
    ];
    let a = q.abs();
    let z = if a < SMALL { q * q } else { 0.0 };
    let (mut s0, mut s1, mut s2, mut s3) = (0.0, 0.0, 0.0, 0.0);
    for n in (0..8).rev() {
        let k = (2 * n + 1) as f64;
        s0 = s0 * z + C[n];
        s1 = s1 * z + k * C[n];
        if n > 0 {
            s2 = s2 * z + 0.5 * k * (k - 1.0) * C[n];
            s3 = s3 * z + (1.0 / 6.0) * k * (k - 1.0) * (k - 2.0) * C[n];
        }
    }
    let far = if a < SMALL { 1.0 } else { a };
    let e = exp2(-2.0 * std::f64::consts::LOG2_E * far);
    let (d, r) = (1.0 / (1.0 - e), 1.0 / far);
    let coth = (1.0 + e) * d;
    // csch² = coth² − 1.
    let p = 4.0 * e * d * d;
    let l0 = (coth - r).copysign(q);
    let l1 = r * r - p;
    let l2 = (coth * p - r * r * r) * 1f64.copysign(q);
    let l3 = r * r * r * r - p * (p + 2.0 * coth * coth) * (1.0 / 3.0);
    if a < SMALL { [q * s0, s1, q * s2, s3] } else { [l0, l1, l2, l3] }
}

struct Magnetise<'a> {
    state: &'a mut Hysteresis,
    x: &'a mut [Two],
    reversible: &'a [f64],
    keep: f64,
}

impl Kernel for Magnetise<'_> {
    #[inline(always)]
    fn run(self) {
        let mut table: Table = [[0.0; AHEAD * LANES]; 4];
        for (x, c) in self.x.chunks_mut(AHEAD).zip(self.reversible.chunks(AHEAD)) {
            let [t0, t1, t2, t3] = &mut table;
            let rows = t0.iter_mut().zip(t1).zip(t2.iter_mut().zip(t3));
            for (q, ((t0, t1), (t2, t3))) in x.as_flattened().iter().zip(rows) {
                [*t0, *t1, *t2, *t3] = langevin(*q);
            }
            for (n, (x, c)) in x.iter_mut().zip(c).enumerate() {
                step(self.state, x, &table, n * LANES, *c, self.keep);
            }
        }
    }
}

#[inline(always)]
fn unit(m: f64) -> f64 {
    let m = if m > 1.0 { 1.0 } else { m };
    if m < -1.0 { -1.0 } else { m }
}

/// One sample of every lane, `at` the first one's place in the table.
#[inline(always)]
fn step(s: &mut Hysteresis, x: &mut Two, table: &Table, at: usize, c: f64, keep: f64) {
    let (rest, pin) = (1.0 - c, (1.0 - c) * KAPPA);
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        let (h, m) = (x[i], s.magnetisation[i]);
        let dh = h - s.field[i];
        let sign = if dh < 0.0 { -1.0 } else { 1.0 };
        let half = 0.5 * dh;
        let [l0, l1, l2, l3] = table.each_ref().map(|t| t[at + i]);
        // Slope where the step begins, in its direction.
        let t = sign * (s.langevin[i] - m);
        let t = if t > 0.0 { t } else { 0.0 };
        let (v, w) = (pin - ALPHA * t, 1.0 - c * ALPHA * s.steepness[i]);
        let begin = (rest * t + c * s.steepness[i] * v) / (v * w);
        let mut to = unit(m + dh * begin);
        let (mut l, mut slope) = (l0, l1);
        for _ in 0..2 {
            let d = ALPHA * to;
            l = l0 + d * (l1 + d * (l2 + d * l3));
            slope = l1 + d * (2.0 * l2 + d * (3.0 * l3));
            let t = sign * (l - to);
            let live = t > 0.0;
            let t = if live { t } else { 0.0 };
            let (v, w) = (pin - ALPHA * t, 1.0 - c * ALPHA * slope);
            let r = 1.0 / (v * w);
            let end = (rest * t + c * slope * v) * r;
            let bend = rest * pin * (1.0 - ALPHA * slope) * w * (r * r);
            let bend = if live { sign * bend } else { 0.0 };
            let off = to - m - half * (begin + end);
            let next = unit(to - off / (1.0 + half * bend));
            l += slope * (ALPHA * (next - to));
            to = next;
        }
        s.field[i] = h;
        // Fresh tape has what the field turns reversibly.
        s.magnetisation[i] = to + (1.0 - keep) * (c * l0 - to);
        s.langevin[i] = l;
        s.steepness[i] = slope;
        out[i] = to;
    }
    *x = out;
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;

    /// The equation as it stands, from `libm`.
    fn rate(h: f64, m: f64, sign: f64, c: f64) -> f64 {
        let q = h + ALPHA * m;
        let (l, l1) = if q.abs() < 0.1 {
            (
                q / 3.0 - q.powi(3) / 45.0 + 2.0 * q.powi(5) / 945.0,
                1.0 / 3.0 - q * q / 15.0 + 2.0 * q.powi(4) / 189.0,
            )
        } else {
            let coth = 1.0 / libm::tanh(q);
            (coth - 1.0 / q, 1.0 / (q * q) - coth * coth + 1.0)
        };
        let d = l - m;
        let turns = if d * sign > 0.0 { (1.0 - c) * d / ((1.0 - c) * sign * KAPPA - ALPHA * d) } else { 0.0 };
        (turns + c * l1) / (1.0 - c * ALPHA * l1)
    }

    /// Runge and Kutta's fourth order in `parts` steps for each sample.
    fn reference(fields: &[f64], c: f64, parts: usize) -> Vec<f64> {
        let (mut h, mut m) = (0.0, 0.0);
        let mut go = |to: f64| {
            let (dh, sign) = ((to - h) / parts as f64, if to < h { -1.0 } else { 1.0 });
            for _ in 0..parts {
                let a = rate(h, m, sign, c);
                let b = rate(h + 0.5 * dh, m + 0.5 * dh * a, sign, c);
                let e = rate(h + 0.5 * dh, m + 0.5 * dh * b, sign, c);
                let f = rate(h + dh, m + dh * e, sign, c);
                m += dh * (a + 2.0 * b + 2.0 * e + f) / 6.0;
                h += dh;
            }
            h = to;
            m
        };
        fields.iter().map(|to| go(*to)).collect()
    }

    fn magnetised(fields: &[f64], c: f64) -> Vec<f64> {
        let (mut tape, share) = (Hysteresis::default(), vec![c; fields.len()]);
        let mut x: Vec<Two> = fields.iter().map(|h| [*h, -*h]).collect();
        tape.process(Width::widest(), &mut x, &share, 1.0);
        assert!(x.iter().all(|x| x[0] == -x[1]), "odd, and channel by channel");
        x.iter().map(|x| x[0]).collect()
    }

    /// A triangle from 0 to ±`top`, `n` samples a period.
    fn triangle(top: f64, n: usize, periods: usize) -> Vec<f64> {
        let at = |k: usize| {
            let u = (k as f64 / n as f64 + 0.25).fract();
            top * (4.0 * (u - 0.5).abs() - 1.0)
        };
        (1..=n * periods).map(|k| -at(k)).collect()
    }

    #[test]
    fn the_loop_is_that_of_the_equation() {
        for (c, coercivity, remanence) in [(REVERSIBLE, 0.918, 0.260), (0.7, 0.301, 0.094)] {
            let h = triangle(6.0, 2000, 3);
            let (m, want) = (magnetised(&h, c), reference(&h, c, 20));
            let off = m.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            // Where the last loop's falling branch meets the axes.
            let falling = 4000 + 500..4000 + 1500;
            let cross = |v: &dyn Fn(usize) -> f64, out: &dyn Fn(usize) -> f64| {
                let n = falling.clone().find(|n| v(*n) > 0.0 && v(n + 1) <= 0.0).unwrap();
                let u = v(n) / (v(n) - v(n + 1));
                out(n) + u * (out(n + 1) - out(n))
            };
            let hc = -cross(&|n| m[n], &|n| h[n]);
            let mr = cross(&|n| h[n], &|n| m[n]);
            let closed = (2000..4000).map(|n| (m[n] - m[n + 2000]).abs()).fold(0.0, f64::max);
            println!(
                "c {c}: coercivity {hc:.4} a ({:.1} kA/m), remanence {mr:.4} Ms, tip {:.4}; off the equation {off:.1e}, closes {closed:.1e}",
                22.0 * hc,
                m[4500 - 1],
            );
            assert!(off < 1e-5 && closed < 1e-6);
            assert!((hc / coercivity - 1.0).abs() < 0.01 && (mr / remanence - 1.0).abs() < 0.01);
        }
    }

    #[test]
    fn a_sine_at_audio_steps_follows_the_equation() {
        let sine = |top: f64, per: f64| -> Vec<f64> {
            (1..4000).map(|n| top * libm::sin(f64::from(n) * per)).collect()
        };
        for (top, per, most) in [(0.5, 0.02, 1e-5), (4.0, 0.02, 1e-4), (4.0, 0.1, 2e-3)] {
            let h = sine(top, per);
            let (m, want) = (magnetised(&h, 0.7), reference(&h, 0.7, 40));
            let off = m.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{top} a, {per} rad a sample: off the equation by {off:.1e} Ms");
            assert!(off < most, "{off}");
        }
    }

    #[test]
    fn langevin_and_its_derivatives_are_right() {
        let mut worst = [0.0f64; 4];
        for k in -40_000..40_000 {
            let q = f64::from(k) * 0.001 + 0.000_37;
            let [l, l1, l2, l3] = langevin(q);
            let near = |d: f64| langevin(q + d);
            let d = 1e-4;
            let slopes = [
                (near(d)[0] - near(-d)[0]) / (2.0 * d) - l1,
                (near(d)[1] - near(-d)[1]) / (4.0 * d) - l2,
                (near(d)[2] - near(-d)[2]) / (6.0 * d) - l3,
            ];
            if q.abs() > 0.3 {
                worst[0] = worst[0].max((l - (1.0 / libm::tanh(q) - 1.0 / q)).abs());
            }
            worst.iter_mut().skip(1).zip(slopes).for_each(|(w, s)| *w = w.max(s.abs()));
        }
        println!("errors {worst:?}");
        assert!(worst[0] < 3e-14 && worst[1..].iter().all(|w| *w < 1e-7), "{worst:?}");
        assert_eq!(langevin(0.0), [0.0, 1.0 / 3.0, 0.0, -1.0 / 45.0]);
    }

    #[test]
    fn it_stays_finite_and_within_saturation() {
        let (mut tape, mut x) = (Hysteresis::default(), vec![[0.0; LANES]; 1024]);
        for (n, x) in x.iter_mut().enumerate() {
            let s = if n % 3 == 0 { -1.0 } else { 1.0 };
            *x = if n < 512 { [s * 1e8, s * 1e3] } else { [s * 30.0, 1e8 * (n as f64).sin()] };
        }
        tape.process(Width::widest(), &mut x, &[0.9; 1024], 0.999_99);
        assert!(
            x.iter().flatten().all(|m| m.abs() <= 1.0),
            "{:?}",
            x.iter().flatten().find(|m| m.is_nan() || m.abs() > 1.0)
        );
    }

    #[test]
    fn every_width_gives_the_same_bits() {
        let x: Vec<Two> = (0..2048).map(|n| [0.1, 5.0].map(|a| a * (n as f64 * 0.05).sin())).collect();
        let all: Vec<Vec<Two>> = Width::all()
            .map(|w| {
                let mut y = x.clone();
                Hysteresis::default().process(w, &mut y, &[0.7; 2048], 0.999);
                y
            })
            .collect();
        assert!(all.iter().all(|y| *y == all[0]));
    }
}
