// SPDX-License-Identifier: MIT OR Apache-2.0
//! The models at the top rate: what their parameters mean there, and their states.

use super::{Name, P};
use crate::dsp::adaa::Clip;
use crate::dsp::curves::{tanh, triode, triode_slope};
use crate::dsp::flux::{Core, Flux, Winding};
use crate::dsp::harmonics::{self, POWERS};
use crate::dsp::hysteresis::{Hysteresis, LANES, REVERSIBLE, Two, slope};
use crate::dsp::math::db_to_gain;
use crate::dsp::shaping::{Lane, Shaper, Shaping};
use crate::dsp::tube::{Bias, Tube};
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{QUANTUM, math};
use crate::param::Values;
use crate::units::top_rate::{Tracks, moving};
use crate::units::{Block, Format};

/// Grid voltage at rest of the coldest bias.
const COLDEST: f64 = -1.2;
/// The furthest that a soft curve and a core stand off their middle.
const SOFT_MOST: f64 = 0.6;
const CORE_MOST: f64 = 0.06;
/// Field of full scale on the tape, in units of the anhysteretic curve's.
const TAPE_FIELD: f64 = 4.0;
/// Reversible share of fully biased tape; without bias it is the paper's.
const BIASED: f64 = 0.9;
/// Seconds in which 63 % of a tape's magnetisation has given way to fresh tape.
pub(super) const FRESH_TAPE: f64 = 0.2;

/// One model and what it remembers of every channel.
pub(super) enum Model {
    Tube { stages: Vec<Tube>, bias: Tracks<4>, rate: f64 },
    Tape { tape: Vec<Hysteresis>, bias: Tracks<2>, keep: f64, work: Vec<Two> },
    Transformer { cores: Vec<Flux>, bias: Tracks<3>, winding: Winding },
    Harmonics { clips: Vec<Clip>, powers: Tracks<POWERS>, work: Vec<f64> },
    Soft { bias: Tracks<3> },
}

/// Where a hyperbolic tangent stands: off its middle, its value there, one over its slope.
fn off_middle(b: f64) -> [f64; 3] {
    let t = tanh(b);
    [b, t, 1.0 / (1.0 - t * t)]
}

/// Where the tube stands, by the asymmetry in percent, and what leaks at `rate`, by the grid's time in ms.
fn tube(asymmetry: f64, grid: f64, rate: f64) -> [f64; 4] {
    let b = 0.01 * asymmetry * COLDEST;
    [b, triode(b), 1.0 / triode_slope(b), 1000.0 / (grid * rate)]
}

/// Reversible share of the tape's magnetisation, and one over its slope.
fn tape(bias: f64) -> [f64; 2] {
    let c = REVERSIBLE + (BIASED - REVERSIBLE) * 0.01 * bias;
    [c, 1.0 / slope(c)]
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Model {
    pub(super) fn new(name: Name, format: &Format, values: &Values, shaping: &Shaping) -> Model {
        let (n, factor) = (format.channels(), shaping.factor());
        let (samples, rate) = (QUANTUM * factor, format.rate() * factor as f64);
        let asymmetry = values.get(P::Asymmetry);
        match name {
            Name::Tube => Model::Tube {
                stages: vec![Tube::default(); n],
                bias: Tracks::new(factor, tube(asymmetry, values.get(P::Grid), rate)),
                rate,
            },
            Name::Tape => Model::Tape {
                tape: vec![Hysteresis::default(); n.div_ceil(LANES)],
                bias: Tracks::new(factor, tape(values.get(P::TapeBias))),
                keep: math::one_pole(FRESH_TAPE, rate),
                work: vec![[0.0; LANES]; samples],
            },
            Name::Transformer => Model::Transformer {
                cores: vec![Flux::new(samples); n],
                bias: Tracks::new(factor, off_middle(0.01 * CORE_MOST * asymmetry)),
                winding: Winding::new(rate),
            },
            Name::Harmonics => {
                let levels = [P::H2, P::H3, P::H4, P::H5, P::H6, P::H7].map(|p| values.get(p));
                Model::Harmonics {
                    clips: vec![Clip::default(); n],
                    powers: Tracks::new(factor, harmonics::powers(levels.map(db_to_gain))),
                    work: vec![0.0; samples],
                }
            }
            Name::Soft => Model::Soft { bias: Tracks::new(factor, off_middle(0.01 * SOFT_MOST * asymmetry)) },
        }
    }
}

impl Model {
    /// What the model does to the sound besides shaping.
    pub(super) fn shaper(name: Name) -> Shaper {
        if name == Name::Harmonics { Shaper::Mean } else { Shaper::Instant }
    }

    /// True if what goes in far too loud is lost, at every frequency.
    pub(super) fn saturates(name: Name) -> bool {
        matches!(name, Name::Tube | Name::Tape | Name::Soft)
    }

    /// Gain that brings full scale to the model's own.
    pub(super) fn scale(name: Name) -> f64 {
        if name == Name::Tape { TAPE_FIELD } else { 1.0 }
    }

    pub(super) fn reset(&mut self) {
        match self {
            Model::Tube { stages, .. } => stages.iter_mut().for_each(Tube::reset),
            Model::Tape { tape, .. } => tape.iter_mut().for_each(Hysteresis::reset),
            Model::Transformer { cores, .. } => cores.iter_mut().for_each(Flux::reset),
            Model::Harmonics { clips, .. } => clips.iter_mut().for_each(Clip::reset),
            Model::Soft { .. } => {}
        }
    }

    /// Audio thread. The values of this quantum.
    pub(super) fn follow(&mut self, block: &Block<'_>) {
        let asymmetry = block.ramp(P::Asymmetry);
        match self {
            Model::Tube { bias, rate, .. } => {
                let grid = block.ramp(P::Grid);
                bias.follow(moving(&[asymmetry, grid]), |i| tube(asymmetry.at(i), grid.at(i), *rate));
            }
            Model::Tape { bias, .. } => {
                let ramp = block.ramp(P::TapeBias);
                bias.follow(ramp.is_moving(), |i| tape(ramp.at(i)));
            }
            Model::Transformer { bias, .. } => {
                bias.follow(asymmetry.is_moving(), |i| off_middle(0.01 * CORE_MOST * asymmetry.at(i)));
            }
            Model::Harmonics { powers, .. } => {
                let levels = [P::H2, P::H3, P::H4, P::H5, P::H6, P::H7].map(|p| block.ramp(p));
                powers.follow(moving(&levels), |i| harmonics::powers(levels.map(|l| db_to_gain(l.at(i)))));
            }
            Model::Soft { bias } => {
                bias.follow(asymmetry.is_moving(), |i| off_middle(0.01 * SOFT_MOST * asymmetry.at(i)));
            }
        }
    }

    /// Audio thread. One quantum of all channels at the top rate.
    pub(super) fn process(&mut self, width: Width, lanes: &mut [Lane]) {
        match self {
            Model::Tube { stages, bias, rate } => {
                let [grid, rest, unity, leak] = bias.rows();
                for (lane, stage) in lanes.iter_mut().zip(stages) {
                    stage.process(width, lane.top(), Bias { grid, rest, unity, leak }, *rate);
                }
            }
            Model::Tape { tape, bias, keep, work } => {
                let [reversible, unity] = bias.rows();
                for (lanes, tape) in lanes.chunks_mut(LANES).zip(tape) {
                    for (i, lane) in lanes.iter_mut().enumerate() {
                        work.iter_mut().zip(lane.top()).for_each(|(w, x)| w[i] = *x);
                    }
                    tape.process(width, work, reversible, *keep);
                    for (i, lane) in lanes.iter_mut().enumerate() {
                        let out = work.iter().zip(unity);
                        lane.top().iter_mut().zip(out).for_each(|(x, (w, u))| *x = w[i] * u);
                    }
                }
            }
            Model::Transformer { cores, bias, winding } => {
                let [remanence, rest, unity] = bias.rows();
                for (lane, core) in lanes.iter_mut().zip(cores) {
                    core.process(width, lane.top(), winding, Core { remanence, rest, unity });
                }
            }
            Model::Harmonics { clips, powers, work } => {
                for (lane, clip) in lanes.iter_mut().zip(clips) {
                    let x = lane.top();
                    clip.split(width, x, work);
                    harmonics::add(width, x, powers.rows(), work);
                    x.copy_from_slice(work);
                }
            }
            Model::Soft { bias } => {
                for lane in lanes {
                    width.run(Soft { x: lane.top(), bias: bias.rows() });
                }
            }
        }
    }
}

/// A hyperbolic tangent off its middle, with the slope 1 at rest.
struct Soft<'a> {
    x: &'a mut [f64],
    bias: [&'a [f64]; 3],
}

impl Kernel for Soft<'_> {
    #[inline(always)]
    fn run(self) {
        let [bias, rest, unity] = self.bias;
        for (x, ((b, r), u)) in self.x.iter_mut().zip(bias.iter().zip(rest).zip(unity)) {
            *x = (tanh(*x + b) - r) * u;
        }
    }
}
