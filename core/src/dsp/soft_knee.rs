// SPDX-License-Identifier: MIT OR Apache-2.0
//! A soft clip that takes only so much: peaks are lowered by up to a depth, and what is far above passes lowered
//! by just that.
//!
//! The gain falls from 1 to the depth along a quintic smoothstep of the magnitude, so the curve and its first two
//! derivatives are continuous and harmonics fall by 24 dB an octave. It is linear below and above the knee.

/// The knee as multiples of the ceiling: where the gain begins to fall, and where it has fallen.
const FROM: f64 = 0.85;
const TO: f64 = 2.45;
/// Deepest in dB for which the curve still rises everywhere.
pub const DEEPEST_DB: f64 = 4.0;

/// What the curve takes away from `x`: `x` less this is the clipped sample. `over` is 1 / ceiling, `share` is 1
/// less the gain at the depth.
#[inline(always)]
pub fn excess(x: f64, over: f64, share: f64) -> f64 {
    let u = (x.abs() * over - FROM) * (1.0 / (TO - FROM));
    let u = if u > 0.0 { u } else { 0.0 };
    let u = if u < 1.0 { u } else { 1.0 };
    x * share * (u * u * u * (10.0 + u * (6.0 * u - 15.0)))
}

/// The magnitude below which nothing is taken away, for a ceiling of 1.
pub const fn onset() -> f64 {
    FROM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_everywhere_is_odd_and_takes_no_more_than_the_depth() {
        for db in [0.5, 2.0, 3.0, DEEPEST_DB] {
            let share = 1.0 - libm::pow(10.0, -db / 20.0);
            let (mut before, mut slope) = (0.0, f64::INFINITY);
            for k in 1..100_000 {
                let x = f64::from(k) * 1e-4;
                let y = x - excess(x, 1.0, share);
                slope = slope.min((y - before) * 1e4);
                before = y;
                assert_eq!(excess(-x, 1.0, share), -excess(x, 1.0, share));
                assert!(y >= x * (1.0 - share) * 0.999_999 && (x > FROM || y == x), "{x}: {y}");
            }
            println!("{db} dB deep: least slope {slope:.3}");
            assert!(slope > 0.0);
        }
    }
}
