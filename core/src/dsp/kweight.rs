// SPDX-License-Identifier: MIT OR Apache-2.0
//! K weighting (ITU-R BS.1770-5, Annex 1): a shelf for the head and a high-pass.
//!
//! The Recommendation tabulates both filters at 48 kHz and asks for the same response at other rates.
//! The table is the bilinear transform of two analog sections; transformed anew at another rate they
//! differ by up to 0.04 dB around 3 kHz. So the shelf's five coefficients are fitted to the 48 kHz
//! magnitude instead. The high-pass needs no fit: at its frequencies every rate is alike.

use std::f64::consts::PI;

use super::Frames;
use super::stretches::{Memory, Stretches};
use super::svf::Section;

/// The rate of the Recommendation's tables, Hz.
const TABLE_RATE: f64 = 48_000.0;
/// The analog sections that give the tables (the shelf's gains are those of its s² and s terms).
const SHELF_HZ: f64 = 1_681.974_450_955_533;
const SHELF_Q: f64 = 0.707_175_236_955_419_6;
const SHELF_HIGH: f64 = 1.584_864_701_130_855;
const SHELF_MIDDLE_EXPONENT: f64 = 0.499_666_774_154_541_6;
const HIGHPASS_HZ: f64 = 38.135_470_876_024_44;
const HIGHPASS_Q: f64 = 0.500_327_037_323_877_3;

/// The shelf is fitted from here to 20 kHz, or as far as the rate goes.
const FIT_FROM_HZ: f64 = 60.0;
const FIT_TO_HZ: f64 = 20_000.0;
const FIT_TO_SHARE: f64 = 0.46;
const FIT_POINTS: usize = 96;
const FIT_ROUNDS: usize = 6;

/// Shelf and high-pass for a rate in Hz. A tenth of a millisecond.
pub fn sections(rate: f64) -> [Section; 2] {
    let k = libm::tan(PI * HIGHPASS_HZ / TABLE_RATE);
    let highpass = Section {
        g: libm::tan(PI * HIGHPASS_HZ / rate),
        k: 1.0 / HIGHPASS_Q,
        // The table's numerator is 1, −2, 1 as it stands: 0.043 dB above unity at 48 kHz, kept at all rates.
        hp: 1.0 + k / HIGHPASS_Q + k * k,
        bp: 0.0,
        lp: 0.0,
    };
    [if rate == TABLE_RATE { table_shelf() } else { fitted_shelf(rate) }, highpass]
}

/// The tabulated shelf.
fn table_shelf() -> Section {
    Section {
        g: libm::tan(PI * SHELF_HZ / TABLE_RATE),
        k: 1.0 / SHELF_Q,
        hp: SHELF_HIGH,
        bp: libm::pow(SHELF_HIGH, SHELF_MIDDLE_EXPONENT) / SHELF_Q,
        lp: 1.0,
    }
}

/// The section at `rate` whose magnitude is closest to the tabulated one, in relative least squares.
///
/// With `X = (tan(ω/2)/g)²` the power is `(n0 + n1 X + n2 X²)/(1 + d1 X + d2 X²)`: linear in its five
/// unknowns once multiplied out, and weighted by the denominator of the round before (Sanathanan and
/// Koerner 1963). Taking the root is closed form.
fn fitted_shelf(rate: f64) -> Section {
    let (table, g) = (table_shelf(), libm::tan(PI * SHELF_HZ / rate));
    let top = FIT_TO_HZ.min(FIT_TO_SHARE * rate);
    let step = libm::log(top / FIT_FROM_HZ) / (FIT_POINTS - 1) as f64;
    let points: [(f64, f64); FIT_POINTS] = std::array::from_fn(|i| {
        let hz = FIT_FROM_HZ * libm::exp(step * i as f64);
        let (w, m) = (libm::tan(PI * hz / rate) / g, table.magnitude(hz, TABLE_RATE));
        (w * w, m * m)
    });
    let mut c = [0.0, 0.0, 0.0, table.k * table.k - 2.0, 1.0];
    for _ in 0..FIT_ROUNDS {
        let weights = points.map(|(x, power)| 1.0 / (power * (1.0 + x * (c[3] + x * c[4]))));
        let column = |f: fn(f64, f64) -> f64| -> [f64; FIT_POINTS] {
            std::array::from_fn(|i| weights[i] * f(points[i].0, points[i].1))
        };
        let columns = [
            column(|_, _| 1.0),
            column(|x, _| x),
            column(|x, _| x * x),
            column(|x, p| -p * x),
            column(|x, p| -p * x * x),
        ];
        c = least_squares(columns, column(|_, p| p));
    }
    let [n0, n1, n2, d1, d2] = c;
    let unit = 1.0 / d2.sqrt();
    let (lp, hp) = (n0.sqrt(), n2.sqrt() * unit);
    Section {
        g: g * unit.sqrt(),
        k: (d1 * unit + 2.0).sqrt(),
        hp,
        bp: (n1 * unit + 2.0 * hp * lp).sqrt(),
        lp,
    }
}

/// The combination of five columns that is nearest to `b`, by Gram and Schmidt's method.
fn least_squares<const N: usize>(mut a: [[f64; N]; 5], mut b: [f64; N]) -> [f64; 5] {
    fn dot(x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }
    let (mut r, mut q) = ([[0.0; 5]; 5], [0.0; 5]);
    for j in 0..5 {
        r[j][j] = dot(&a[j], &a[j]).sqrt();
        let unit = a[j].map(|v| v / r[j][j]);
        for k in j + 1..5 {
            r[j][k] = dot(&unit, &a[k]);
            a[k].iter_mut().zip(unit).for_each(|(v, u)| *v -= r[j][k] * u);
        }
        q[j] = dot(&unit, &b);
        b.iter_mut().zip(unit).for_each(|(v, u)| *v -= q[j] * u);
    }
    for j in (0..5).rev() {
        let rest: f64 = (j + 1..5).map(|k| r[j][k] * q[k]).sum();
        q[j] = (q[j] - rest) / r[j][j];
    }
    q
}

/// Two channels that are filtered side by side.
#[derive(Clone, Debug)]
struct Pair {
    channels: [usize; 2],
    weights: [f64; 2],
    memory: [Memory; 2],
}

/// Every channel's filters; gives the weighted power, frame by frame.
#[derive(Clone, Debug)]
pub struct KWeighting {
    filter: Stretches,
    pairs: Vec<Pair>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl KWeighting {
    /// `weights` of the channels' powers; those of 0 are not filtered.
    pub fn new(rate: u32, weights: &[f64]) -> Self {
        let heard: Vec<usize> = (0..weights.len()).filter(|c| weights[*c] > 0.0).collect();
        let pair = |c: &[usize]| match *c {
            [a, b] => {
                Pair { channels: [a, b], weights: [weights[a], weights[b]], memory: Default::default() }
            }
            // The second lane idles on the same channel.
            [a] => Pair { channels: [a, a], weights: [weights[a], 0.0], memory: Default::default() },
            _ => unreachable!("chunks of two"),
        };
        let filter = Stretches::new(&sections(f64::from(rate)));
        KWeighting { filter, pairs: heard.chunks(2).map(pair).collect() }
    }

    /// As if after silence.
    pub fn reset(&mut self) {
        self.pairs.iter_mut().for_each(|p| p.memory = Default::default());
    }

    /// `power[i]` is the weighted sum of squares of all channels in frame `i`.
    pub fn process(&mut self, audio: &[Frames], power: &mut Frames) {
        power.fill(0.0);
        for p in &mut self.pairs {
            let audio = p.channels.map(|c| &audio[c]);
            self.filter.add_power(&mut p.memory, audio, p.weights, power);
        }
    }
}
