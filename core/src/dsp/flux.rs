// SPDX-License-Identifier: MIT OR Apache-2.0
//! An audio transformer: its core saturates with the flux, which is the integral of the voltage.
//!
//! The flux of the input is bent by a saturating curve, and what that changes is differentiated and added to the
//! input: small signals pass as they are, without the errors of an integrator and a differentiator. As the flux
//! of a steady level falls by 6 dB per octave, so does the third harmonic by 12.

use std::f64::consts::PI;

use super::curves::tanh;
use super::wide::{Kernel, Width};

/// Below this frequency in Hz the core's inductance no longer holds the voltage.
const LEAK_HZ: f64 = 7.0;
/// Flux at which the core saturates, in seconds of full scale: the third harmonic of 30 Hz at 0 VU, which is
/// −18 dBFS, is −60 dB.
const SATURATES: f64 = 0.010_15;
/// Flux beyond which the core takes none, in parts of the saturation's: the curve has ended there.
const FULL: f64 = 6.0;
/// States below this are none.
const TINY: f64 = 1e-30;

/// Where the core stands, for each sample: remanence, and the curve's value and one over its slope there.
#[derive(Clone, Copy)]
pub struct Core<'a> {
    pub remanence: &'a [f64],
    pub rest: &'a [f64],
    pub unity: &'a [f64],
}

/// What a rate makes of it.
#[derive(Clone, Copy, Debug)]
pub struct Winding {
    /// Share of the flux that a sample keeps.
    keep: f64,
    /// Flux, in parts of the saturation's, for one sample of full scale.
    per_sample: f64,
}

impl Winding {
    /// Control side. `rate` of the samples.
    pub fn new(rate: f64) -> Winding {
        Winding { keep: libm::exp(-2.0 * PI * LEAK_HZ / rate), per_sample: 1.0 / (SATURATES * rate) }
    }
}

/// One channel's core.
#[derive(Clone, Debug)]
pub struct Flux {
    flux: f64,
    last: f64,
    work: Vec<f64>,
}

impl Flux {
    /// Control side. For so many samples at a time.
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub fn new(samples: usize) -> Flux {
        Flux { flux: 0.0, last: 0.0, work: vec![0.0; samples + 1] }
    }

    pub fn reset(&mut self) {
        (self.flux, self.last) = (0.0, 0.0);
    }

    /// Audio thread. In place, as many samples as were said.
    pub fn process(&mut self, width: Width, x: &mut [f64], winding: &Winding, core: Core<'_>) {
        let (mut flux, back) = (self.flux, 1.0 / winding.per_sample);
        for (f, x) in self.work[1..].iter_mut().zip(x.iter_mut()) {
            let all = winding.keep * flux + winding.per_sample * *x;
            let most = if all > FULL { FULL } else { all };
            flux = if most < -FULL { -FULL } else { most };
            // Voltage that a full core does not hold is lost; nothing else is taken here.
            *x -= back * (all - flux);
            *f = flux;
        }
        self.flux = if flux.abs() < TINY { 0.0 } else { flux };
        self.work[0] = self.last;
        width.run(Bend { x, work: &mut self.work, winding, core });
        self.last = self.work[self.work.len() - 1];
    }
}

struct Bend<'a> {
    x: &'a mut [f64],
    /// The last sample's difference, then the fluxes.
    work: &'a mut [f64],
    winding: &'a Winding,
    core: Core<'a>,
}

impl Kernel for Bend<'_> {
    #[inline(always)]
    fn run(self) {
        let Core { remanence, rest, unity } = self.core;
        for (f, ((b, r), u)) in self.work[1..].iter_mut().zip(remanence.iter().zip(rest).zip(unity)) {
            *f = (tanh(*f + b) - r) * u - *f;
        }
        let (keep, back) = (self.winding.keep, 1.0 / self.winding.per_sample);
        for (x, d) in self.x.iter_mut().zip(self.work.array_windows::<2>()) {
            *x += back * (d[1] - keep * d[0]);
        }
    }
}
