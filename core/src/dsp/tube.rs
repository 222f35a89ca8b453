// SPDX-License-Identifier: MIT OR Apache-2.0
//! A triode stage whose bias shifts: where the grid conducts, it charges the coupling capacitor, and the stage
//! recovers through the grid leak. So the second harmonic depends on how loud it has just been.

use super::curves::triode;
use super::wide::{Kernel, Width};

/// Grid voltage from which the grid conducts, and the span over which it begins to.
const CONDUCTS: f64 = 0.5;
const ONSET: f64 = 0.4;
/// Time constant of the charging in seconds.
const CHARGES: f64 = 0.002;
/// Voltage that the capacitor cannot exceed.
const FULL: f64 = 4.0;
/// A charge below this is none.
const TINY: f64 = 1e-30;

/// Where the stage stands, for each sample.
#[derive(Clone, Copy)]
pub struct Bias<'a> {
    /// Grid voltage at rest.
    pub grid: &'a [f64],
    /// The curve's value there, and one over its slope.
    pub rest: &'a [f64],
    pub unity: &'a [f64],
    /// Share of the charge that leaks away.
    pub leak: &'a [f64],
}

/// One channel's stage.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tube {
    /// Voltage of the coupling capacitor.
    charge: f64,
}

impl Tube {
    pub fn reset(&mut self) {
        self.charge = 0.0;
    }

    /// Audio thread. In place, at `rate` in Hz. Small signals pass as they are.
    pub fn process(&mut self, width: Width, x: &mut [f64], bias: Bias<'_>, rate: f64) {
        let fill = 1.0 / (CHARGES * rate);
        let mut q = self.charge;
        for (x, (b, drain)) in x.iter_mut().zip(bias.grid.iter().zip(bias.leak)) {
            *x -= q;
            q += fill * grid_current(*x + b - CONDUCTS) * (1.0 - q * (1.0 / FULL)) - drain * q;
            q = if q > FULL { FULL } else { q };
        }
        self.charge = if q < TINY { 0.0 } else { q };
        width.run(Curve { x, bias });
    }
}

/// A parabola and then a straight line, without a corner.
#[inline(always)]
fn grid_current(over: f64) -> f64 {
    let t = if over > ONSET { ONSET } else { over };
    let t = if t > 0.0 { t } else { 0.0 };
    t * (over - 0.5 * t) * (1.0 / ONSET)
}

struct Curve<'a> {
    x: &'a mut [f64],
    bias: Bias<'a>,
}

impl Kernel for Curve<'_> {
    #[inline(always)]
    fn run(self) {
        let Bias { grid, rest, unity, .. } = self.bias;
        for (x, ((b, r), u)) in self.x.iter_mut().zip(grid.iter().zip(rest).zip(unity)) {
            *x = (triode(*x + b) - r) * u;
        }
    }
}
