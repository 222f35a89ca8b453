// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audio half: drive, the way through the model, and what follows it.

use super::model::Model;
use super::{Name, P};
use crate::dsp::delay::DelayLine;
use crate::dsp::math::db_to_gain;
use crate::dsp::shaping::{Lane, Shaping};
use crate::dsp::simd::Class;
use crate::dsp::tape_heads::{Heads, Passed};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::Values;
use crate::units::auto_gain::{self, AutoGain};
use crate::units::top_rate::{Waiting, factor};
use crate::units::{Block, Format, Unit};

/// Corner in Hz below which what the model adds is a constant, and its time constant in seconds.
const DC_HZ: f64 = 5.0;
pub(super) const DC_SECONDS: f64 = 1.0 / (2.0 * std::f64::consts::PI * DC_HZ);
/// What comes in counts no further than this many times full scale after the drive when the constant is found:
/// what a curve has lost of something far too loud is none.
const COUNTS: f64 = 4.0;
/// A constant below this is none.
const TINY: f64 = 1e-30;

/// Vectors have one entry a channel.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `drive` | gain into the model of the audio that comes out | frame |
/// | `dry` | audio on its way past the model | frame |
/// | `late` | the same as late as what the model gives | scratch |
/// | `constants` | what the model adds below the corner, full scale | frame |
pub struct SaturatorUnit {
    class: Class,
    scale: f64,
    top_rate: f64,
    shaping: Shaping,
    model: Model,
    lanes: Vec<Lane>,
    drive: Waiting,
    dry: DelayLine,
    late: Vec<Frames>,
    constants: Vec<f64>,
    /// Coefficient of the low-pass that finds them.
    slow: f64,
    heads: Option<(Heads, Vec<Passed>)>,
    auto_gain: AutoGain,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl SaturatorUnit {
    pub(super) fn new(format: &Format, values: &Values, heads: Option<Heads>) -> SaturatorUnit {
        let (n, rate, name) = (format.channels(), format.rate(), Name::chosen(values));
        let shaping = Shaping::new(rate, factor(values.choice(P::Quality), rate), Model::shaper(name));
        let scale = Model::scale(name);
        SaturatorUnit {
            class: Class::chosen(),
            scale,
            top_rate: rate * shaping.factor() as f64,
            model: Model::new(name, format, values, &shaping),
            lanes: (0..n).map(|_| shaping.lane()).collect(),
            drive: Waiting::new(shaping.latency(), scale * db_to_gain(values.get(P::Drive))),
            dry: DelayLine::new(n, shaping.latency()),
            late: vec![SILENCE; n],
            constants: vec![0.0; n],
            slow: 1.0 - libm::exp(-1.0 / (DC_SECONDS * rate)),
            heads: heads.map(|h| (h, vec![Passed::default(); n])),
            auto_gain: AutoGain::new(format, auto_gain::FIRM),
            shaping,
        }
    }
}

impl Unit for SaturatorUnit {
    type Parts = ();

    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}

    fn process(&mut self, block: &mut Block<'_>) {
        let weight = block.ramp(P::AutoGain);
        self.auto_gain.hear(weight, block.audio);
        self.dry.process(block.audio, &mut self.late);
        let back = self.through(block);
        self.block_dc(block.audio, &back);
        if let Some((heads, passed)) = &mut self.heads {
            block.audio.iter_mut().zip(passed).for_each(|(audio, p)| heads.process(p, audio));
        }
        if let Some(listen) = &mut block.listen {
            for ((heard, y), x) in listen.out.iter_mut().zip(block.audio.iter()).zip(&self.late) {
                heard.iter_mut().zip(y.iter().zip(x)).for_each(|(h, (y, x))| *h = y - x);
            }
        }
        self.auto_gain.apply(weight, block.audio);
        let output = block.ramp(P::Output).gains(self.class);
        for audio in block.audio.iter_mut() {
            audio.iter_mut().zip(&output).for_each(|(x, g)| *x *= g);
        }
    }

    fn reset(&mut self) {
        self.lanes.iter_mut().for_each(Lane::reset);
        self.model.reset();
        self.drive.reset();
        self.dry.reset();
        self.constants.fill(0.0);
        if let Some((_, passed)) = &mut self.heads {
            passed.fill(Passed::default());
        }
        self.auto_gain.reset();
    }

    fn latency(&self) -> usize {
        self.shaping.latency()
    }
}

impl SaturatorUnit {
    /// Up, through the model, and down; the drive is taken back, by the gains that are returned.
    fn through(&mut self, block: &mut Block<'_>) -> Frames {
        let mut drive = block.ramp(P::Drive).gains(self.class);
        drive.iter_mut().for_each(|d| *d *= self.scale);
        for (lane, audio) in self.lanes.iter_mut().zip(block.audio.iter_mut()) {
            audio.iter_mut().zip(&drive).for_each(|(x, d)| *x *= d);
            lane.up(&self.shaping, audio);
        }
        self.model.follow(block);
        let grid = block.ramp(P::Grid).last() / 1000.0;
        self.model.process(self.shaping.width(), &mut self.lanes, self.top_rate, grid);
        self.drive.turn(&mut drive);
        let back = drive.map(|d| 1.0 / d);
        for (lane, audio) in self.lanes.iter_mut().zip(block.audio.iter_mut()) {
            lane.down(&self.shaping, audio);
            audio.iter_mut().zip(&back).for_each(|(x, b)| *x *= b);
        }
        back
    }

    /// Takes the constant that the model makes.
    fn block_dc(&mut self, audio: &mut [Frames], back: &Frames) {
        for ((y, x), constant) in audio.iter_mut().zip(&self.late).zip(&mut self.constants) {
            let mut c = *constant;
            for i in 0..QUANTUM {
                let most = COUNTS * self.scale * back[i];
                c += self.slow * (y[i] - within(x[i], most) - c);
                y[i] -= c;
            }
            *constant = if c.abs() < TINY { 0.0 } else { c };
        }
    }
}

#[inline(always)]
fn within(x: f64, most: f64) -> f64 {
    let x = if x > most { most } else { x };
    if x < -most { -most } else { x }
}
