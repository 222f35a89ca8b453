// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audio half: drive, the way through the model, and what follows it.

use super::model::Model;
use super::{Name, P};
use crate::dsp::math::db_to_gain;
use crate::dsp::shaping::{Lane, Shaping};
use crate::dsp::simd::Class;
use crate::dsp::tape_heads::{Heads, Passed};
use crate::dsp::wide::Kernel;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::Values;
use crate::units::auto_gain::{self, AutoGain};
use crate::units::top_rate::{Past, Waiting, factor};
use crate::units::{Block, Format, Unit};

/// Corner in Hz below which what the model adds is a constant. It is found by two equal low-passes of first
/// order, with this time constant in seconds.
const DC_HZ: f64 = 5.0;
pub(super) const DC_SECONDS: f64 = 0.643_594 / (2.0 * std::f64::consts::PI * DC_HZ);
/// Full scales after the drive that count when the constant is found: of what the model adds, and of what goes into
/// one that loses what is far too loud.
const COUNTS: f64 = 4.0;
/// A constant below this is none.
const TINY: f64 = 1e-30;

/// Vectors have one entry a channel.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `drive` | gain into the model of the audio that comes out | frame |
/// | `before` | what goes into the model, as far as it counts for the constant | scratch |
/// | `constants` | what the model adds below the corner, in the model's scale | frame |
pub struct SaturatorUnit {
    class: Class,
    scale: f64,
    saturates: bool,
    shaping: Shaping,
    model: Model,
    lanes: Vec<Lane>,
    drive: Waiting,
    past: Past,
    before: Vec<Frames>,
    constants: Vec<[f64; 2]>,
    /// Coefficient of the low-passes that find them.
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
            saturates: Model::saturates(name),
            model: Model::new(name, format, values, &shaping),
            lanes: (0..n).map(|_| shaping.lane()).collect(),
            drive: Waiting::new(shaping.latency(), scale * db_to_gain(values.get(P::Drive))),
            past: Past::new(n, shaping.latency()),
            before: vec![SILENCE; n],
            constants: vec![[0.0; 2]; n],
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
        self.past.remember(block);
        self.through(block);
        if let Some((heads, passed)) = &mut self.heads {
            block.audio.iter_mut().zip(passed).for_each(|(audio, p)| heads.process(p, audio));
        }
        self.past.difference(block, &[1.0; QUANTUM]);
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
        self.past.reset();
        self.constants.fill([0.0; 2]);
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
    /// Up, through the model, and down; what the model makes of a constant and the drive are taken back.
    fn through(&mut self, block: &mut Block<'_>) {
        let mut drive = block.ramp(P::Drive).gains(self.class);
        drive.iter_mut().for_each(|d| *d *= self.scale);
        let (width, most) = (self.shaping.width(), COUNTS * self.scale);
        let counts = if self.saturates { most } else { f64::INFINITY };
        for ((lane, audio), before) in self.lanes.iter_mut().zip(block.audio.iter_mut()).zip(&mut self.before)
        {
            audio.iter_mut().zip(&drive).for_each(|(x, d)| *x *= d);
            let x = lane.up(&self.shaping, audio);
            width.run(Means { x, counts, means: before });
        }
        self.model.follow(block);
        self.model.process(width, &mut self.lanes);
        self.drive.turn(&mut drive);
        let back = drive.map(|d| 1.0 / d);
        for (c, (lane, audio)) in self.lanes.iter_mut().zip(block.audio.iter_mut()).enumerate() {
            let mut after = SILENCE;
            width.run(Means { x: lane.top(), counts: f64::INFINITY, means: &mut after });
            lane.down(&self.shaping, audio);
            let [mut first, mut second] = self.constants[c];
            for i in 0..QUANTUM {
                let added = within(after[i] - self.before[c][i], most);
                first += self.slow * (added - first);
                second += self.slow * (first - second);
                audio[i] = (audio[i] - second) * back[i];
            }
            self.constants[c] = [first, second].map(|v| if v.abs() < TINY { 0.0 } else { v });
        }
    }
}

/// Means of the samples of each frame, none beyond ±`counts`.
///
/// Where that clips, the aliases that would fall near zero lie at multiples of the sample rate, where a mean over
/// a frame has its zeros.
struct Means<'a> {
    x: &'a [f64],
    counts: f64,
    means: &'a mut Frames,
}

impl Kernel for Means<'_> {
    #[inline(always)]
    fn run(self) {
        let factor = self.x.len() / QUANTUM;
        let share = 1.0 / factor as f64;
        for (mean, x) in self.means.iter_mut().zip(self.x.chunks_exact(factor)) {
            // Factors are even: two sums that do not wait for each other.
            let (mut even, mut odd) = (0.0, 0.0);
            for [a, b] in x.as_chunks::<2>().0 {
                even += within(*a, self.counts);
                odd += within(*b, self.counts);
            }
            *mean = (even + odd) * share;
        }
    }
}

#[inline(always)]
fn within(x: f64, most: f64) -> f64 {
    let x = if x > most { most } else { x };
    if x < -most { -most } else { x }
}
