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
//! saturation). So everything transcendental depends on the input alone and is worked out ahead, in wide registers; in the
//! recursion four channels run side by side.

use super::math::exp2;
use super::wide::{Kernel, Width};

/// Channels side by side.
pub const LANES: usize = 4;
/// One sample of each.
pub type Four = [f64; LANES];

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

/// Four channels' magnetisation.
#[derive(Clone, Copy, Debug)]
pub struct Hysteresis {
    field: Four,
    magnetisation: Four,
    /// L and its slope where the last step ended.
    langevin: Four,
    steepness: Four,
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
    /// share of the magnetisation that a sample leaves to the next, as new tape comes.
    pub fn process(&mut self, width: Width, x: &mut [Four], reversible: &[f64], keep: f64) {
        width.run(Magnetise { state: self, x, reversible, keep });
        let still = self.magnetisation.map(|m| if m.abs() < TINY { 0.0 } else { m });
        self.magnetisation = still;
    }
}

/// L and three derivatives, of every lane of every sample.
struct Table {
    l: [[Four; AHEAD]; 4],
}

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
    x: &'a mut [Four],
    reversible: &'a [f64],
    keep: f64,
}

impl Kernel for Magnetise<'_> {
    #[inline(always)]
    fn run(self) {
        let mut table = Table { l: [[[0.0; LANES]; AHEAD]; 4] };
        for (x, c) in self.x.chunks_mut(AHEAD).zip(self.reversible.chunks(AHEAD)) {
            for (n, x) in x.iter().enumerate() {
                for i in 0..LANES {
                    let l = langevin(x[i]);
                    for k in 0..4 {
                        table.l[k][n][i] = l[k];
                    }
                }
            }
            for (n, (x, c)) in x.iter_mut().zip(c).enumerate() {
                step(self.state, x, &table, n, *c, self.keep);
            }
        }
    }
}

#[inline(always)]
fn unit(m: f64) -> f64 {
    let m = if m > 1.0 { 1.0 } else { m };
    if m < -1.0 { -1.0 } else { m }
}

/// One sample of every lane.
#[inline(always)]
fn step(s: &mut Hysteresis, x: &mut Four, table: &Table, n: usize, c: f64, keep: f64) {
    let (rest, pin) = (1.0 - c, (1.0 - c) * KAPPA);
    let mut out = [0.0; LANES];
    for i in 0..LANES {
        let (h, m) = (x[i], s.magnetisation[i]);
        let dh = h - s.field[i];
        let sign = if dh < 0.0 { -1.0 } else { 1.0 };
        let half = 0.5 * dh;
        let (l0, l1, l2, l3) = (table.l[0][n][i], table.l[1][n][i], table.l[2][n][i], table.l[3][n][i]);
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
        s.magnetisation[i] = to * keep;
        s.langevin[i] = l;
        s.steepness[i] = slope;
        out[i] = to;
    }
    *x = out;
}
