// SPDX-License-Identifier: MIT OR Apache-2.0
//! `gain`: trim, polarity, balance and a DC block. Neutral settings pass every bit.

use super::{Block, Format, GLIDE_MS, Kind, Notes, Ramp, Refusal, Unit, UnitSpec, ramp_frames};
use crate::dsp::ramp::Quintic;
use crate::dsp::simd::Class;
use crate::dsp::{Frames, QUANTUM};
use crate::param::{self, Values};

crate::params! {
    pub enum P {
        Trim = param::float("trim", "Trim", param::Unit::Decibel, (-60.0, 24.0), 0.0).step(0.1)
            .doc("Level change of all channels."),
        Polarity = param::toggle("polarity", "Polarity invert", false)
            .doc("Inverts all channels; fades through silence."),
        Balance = param::float("balance", "Balance", param::Unit::Percent, (-100.0, 100.0), 0.0).step(1.0).designed()
            .doc("Attenuates the right (below 0) or left (above 0) channels; unity at the centre; centre and LFE stay."),
        DcBlock = param::toggle("dc_block", "DC block", false)
            .doc("First-order high-pass, -3 dB at 3.5 Hz."),
    }
}

/// Corner of the DC block in Hz.
const DC_HZ: f64 = 3.5;

pub struct Gain;

/// Side of the stereo picture a channel belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Middle,
    Right,
}

/// Gains of the left and the right channels, made from `balance`. The law has a corner at the centre,
/// so the gains travel, not the balance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sides {
    left: f64,
    right: f64,
}

/// Audio half.
pub struct GainUnit {
    class: Class,
    sides: Vec<Side>,
    /// Gains under way.
    left: Quintic,
    right: Quintic,
    travel: u32,
    /// One low-pass state a channel; what it holds is the DC.
    dc: Vec<f64>,
    /// Low-pass coefficients `y += k (x − y)`, with the corner exactly at [`DC_HZ`].
    k: f64,
    /// What a quantum leaves of the state, and the share of each of its frames in the new one.
    kept: f64,
    weights: Frames,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Gain {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "gain",
        name: "Gain",
        doc: "Trim, polarity, balance and a DC block.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = GainUnit;

    fn design(_: &Format, values: &Values, _: &mut Notes) -> Result<Sides, Refusal> {
        let b = values.get(P::Balance) * 0.01;
        Ok(Sides { left: 1.0 - b.max(0.0), right: 1.0 + b.min(0.0) })
    }

    fn build(format: &Format, _: &Values, parts: Sides) -> Result<GainUnit, Refusal> {
        let side = |r: &super::Role| match r {
            r if r.is_left() => Side::Left,
            r if r.is_right() => Side::Right,
            _ => Side::Middle,
        };
        // y += k (x − y) has its −3 dB point at w for k = −b + √(b² + 2b), b = 1 − cos w.
        let b = 1.0 - libm::cos(2.0 * std::f64::consts::PI * DC_HZ / format.rate());
        let k = -b + (b * b + 2.0 * b).sqrt();
        let mut kept = 1.0;
        let mut weights = [0.0; QUANTUM];
        for w in weights.iter_mut().rev() {
            (*w, kept) = (kept * k, kept * (1.0 - k));
        }
        Ok(GainUnit {
            class: Class::chosen(),
            sides: format.layout.roles.iter().map(side).collect(),
            left: Quintic::at(parts.left),
            right: Quintic::at(parts.right),
            travel: ramp_frames(GLIDE_MS, format.sample_rate),
            dc: vec![0.0; format.channels()],
            k,
            kept,
            weights,
        })
    }

    fn time_constant(_: &Format, values: &Values) -> f64 {
        if values.on(P::DcBlock) { 1.0 / (2.0 * std::f64::consts::PI * DC_HZ) } else { 0.0 }
    }
}

impl Unit for GainUnit {
    type Parts = Sides;

    fn exchange(&mut self, parts: &mut Option<Sides>, _: usize) {
        if let Some(to) = parts {
            self.left.go(to.left, self.travel);
            self.right.go(to.right, self.travel);
        }
    }

    fn process(&mut self, block: &mut Block<'_>) {
        let (trim, polarity) = (block.ramp(P::Trim), block.ramp(P::Polarity));
        let dc_block = block.ramp(P::DcBlock);
        let away = [travel(&mut self.left), [1.0; QUANTUM], travel(&mut self.right)];
        let mut common = trim.gains(self.class);
        for (i, g) in common.iter_mut().enumerate() {
            *g *= 1.0 - 2.0 * polarity.at(i);
        }
        for ((audio, side), dc) in block.audio.iter_mut().zip(&self.sides).zip(&mut self.dc) {
            let away = &away[*side as usize];
            if matches!(dc_block, Ramp::Hold(0.0)) {
                *dc = self.kept * *dc + weighed(&self.weights, audio);
                for i in 0..QUANTUM {
                    audio[i] *= common[i] * away[i];
                }
                continue;
            }
            for i in 0..QUANTUM {
                let x = audio[i];
                *dc += self.k * (x - *dc);
                audio[i] = (x - dc_block.at(i) * *dc) * (common[i] * away[i]);
            }
        }
    }

    fn reset(&mut self) {
        self.dc.fill(0.0);
    }
}

/// What a quantum brings to the low-pass that nobody hears.
fn weighed(weights: &Frames, x: &Frames) -> f64 {
    let mut lanes = [0.0; 8];
    for (x, w) in x.as_chunks::<8>().0.iter().zip(weights.as_chunks::<8>().0) {
        for i in 0..8 {
            lanes[i] += w[i] * x[i];
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

/// This quantum's gains of one side.
fn travel(side: &mut Quintic) -> Frames {
    let mut out = [side.value(); QUANTUM];
    side.quantum(&mut out);
    out
}
