// SPDX-License-Identifier: MIT OR Apache-2.0
//! `compressor`: feed-forward compression in the log domain with a soft knee. Neutral settings pass
//! every bit, delayed by the lookahead.
//!
//! Static curve and smoothing after Giannoulis, Massberg and Reiss, JAES 60(6) 2012: the reduction that
//! the curve asks for is linked across channels, then smoothed, then applied. Levels: the peak detector
//! reads the magnitude, so a sine reads its amplitude at its crests and less between them; the RMS
//! detector reads the mean square doubled, so a steady sine reads its amplitude exactly; the quadrature
//! detector reads the squares of two copies a quarter of a turn apart, so a sine reads its amplitude at
//! every frame and the gain does not follow its wave. Full scale is 0 dB in all; a constant reads 3 dB
//! more in the last two.

use super::{
    Block, Format, GLIDE_MS, Kind, Note, Notes, Ramp, Readings, Refusal, Unit, UnitSpec, ramp_frames,
};
use crate::dsp::ballistics::{Ballistics, Decoupled};
use crate::dsp::ballistics_glide::BallisticsGlide;
use crate::dsp::delay::DelayLine;
use crate::dsp::highpass::{Corner, HighPass};
use crate::dsp::knee::Curve;
use crate::dsp::math::quantum;
use crate::dsp::quadrature::{self, Quadrature, Turned};
use crate::dsp::simd::Class;
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{Frames, SILENCE};
use crate::param::{self, Choice, Values};

const DETECTORS: &[Choice] = &[
    Choice { symbol: "peak", doc: "magnitude of the samples" },
    Choice { symbol: "rms", doc: "mean of the squares, calibrated on sines" },
    Choice { symbol: "quadrature", doc: "level of two copies a quarter turn apart: least distortion" },
];

crate::params! {
    pub enum P {
        Threshold = param::float("threshold", "Threshold", param::Unit::Decibel, (-60.0, 0.0), -18.0).step(0.1)
            .doc("Level above which gain is reduced; a full-scale sine is 0 dB in all detectors."),
        Ratio = param::float("ratio", "Ratio", param::Unit::Ratio, (1.0, 100.0), 4.0).log().step(0.1)
            .doc("dB of input above the threshold for each dB of output; 1 reduces nothing."),
        Knee = param::float("knee", "Knee", param::Unit::Decibel, (0.0, 24.0), 6.0).step(0.1)
            .doc("Width of the bend, centred on the threshold."),
        Attack = param::float("attack", "Attack", param::Unit::Millisecond, (0.05, 250.0), 10.0).log().designed()
            .doc("Time in which a reduction covers 63 % of its change in dB; lookahead lets it begin earlier by that much."),
        Release = param::float("release", "Release", param::Unit::Millisecond, (5.0, 5000.0), 100.0).log().designed()
            .doc("Time in which a reduction gives back 63 % of its change in dB."),
        Makeup = param::float("makeup", "Make-up", param::Unit::Decibel, (-24.0, 24.0), 0.0).step(0.1)
            .doc("Gain after the compression."),
        Range = param::float("range", "Range", param::Unit::Decibel, (0.0, 60.0), 60.0).step(0.1)
            .doc("Deepest reduction."),
        Detector = param::choice("detector", "Detector", DETECTORS, DETECTOR_QUADRATURE)
            .doc("How the level is measured."),
        RmsWindow = param::float("rms_window", "RMS window", param::Unit::Millisecond, (1.0, 300.0), 10.0).log().designed()
            .doc("Time constant of the mean of the RMS detector."),
        Lookahead = param::float("lookahead", "Lookahead", param::Unit::Millisecond, (0.0, 20.0), 0.0).step(0.1).structural()
            .doc("Delays the audio, not the detector; this is the unit's latency."),
        SidechainHp = param::float("sidechain_hp", "Sidechain high-pass", param::Unit::Hertz, (10.0, 1000.0), 80.0).log()
            .doc("Corner of the second-order high-pass before the detector."),
        SidechainHpOn = param::toggle("sidechain_hp_on", "Sidechain high-pass on", false)
            .doc("Puts the high-pass before the detector."),
        Link = param::float("link", "Link", param::Unit::Percent, (0.0, 100.0), 100.0).step(1.0)
            .doc("Share of the deepest reduction of the channel's link group in its own."),
    }
}

pub struct Compressor;

/// Audio half. Vectors have one entry a channel.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `power` | doubled mean square, full scale² | frame |
/// | `turned` | the quarter turns | frame |
/// | `smooth` | reduction under way, dB | frame |
/// | `work` | level in dB, then reduction in dB, then gain | scratch |
/// | `delayed` | audio after the lookahead | scratch |
/// | `times` | attack and release constants, under way | frame |
/// | `deepest` | deepest reduction of the last quantum, dB | quantum |
pub struct CompressorUnit {
    class: Class,
    width: Width,
    rate: f64,
    rms: bool,
    groups: Vec<Vec<usize>>,
    high_pass: Vec<HighPass>,
    power: Vec<f64>,
    quadrature: Option<Quadrature>,
    turned: Vec<Turned>,
    smooth: Vec<Decoupled>,
    work: Vec<Frames>,
    delayed: Vec<Frames>,
    delay: DelayLine,
    times: BallisticsGlide,
    deepest: f64,
}

const DETECTOR_RMS: usize = 1;
const DETECTOR_QUADRATURE: usize = 2;

/// Control side. Ballistics for these values, and what cannot be reached.
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
fn ballistics(format: &Format, values: &Values, notes: &mut Notes) -> Ballistics {
    let seconds = |p| values.get(p) / 1000.0;
    let (attack, release) = (seconds(P::Attack), seconds(P::Release));
    let rms = (values.choice(P::Detector) == DETECTOR_RMS).then(|| seconds(P::RmsWindow));
    let (b, reached) = Ballistics::design(format.rate(), attack, release, rms);
    for (param, asked, got) in [(P::Attack, attack, reached.attack), (P::Release, release, reached.release)] {
        if got > asked * 1.001 {
            let text = format!("effective {:.2} ms: the RMS window is slower than that", got * 1000.0);
            notes.0.push(Note { param: param.into(), text });
        }
    }
    b
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Compressor {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "compressor",
        name: "Compressor",
        doc: "Feed-forward compressor with a soft knee, peak, RMS or quadrature detector, sidechain and lookahead.",
        params: P::SPECS,
        repeat: None,
        sidechain: true,
        sound: 2,
    };
    type Unit = CompressorUnit;

    fn design(format: &Format, values: &Values, notes: &mut Notes) -> Result<Ballistics, Refusal> {
        Ok(ballistics(format, values, notes))
    }

    fn build(format: &Format, values: &Values, parts: Ballistics) -> Result<CompressorUnit, Refusal> {
        let n = format.channels();
        let lookahead = libm::round(values.get(P::Lookahead) / 1000.0 * format.rate()) as usize;
        Ok(CompressorUnit {
            class: Class::chosen(),
            width: Width::widest(),
            rate: format.rate(),
            rms: values.choice(P::Detector) == DETECTOR_RMS,
            groups: format.layout.linked(),
            high_pass: vec![HighPass::default(); n],
            power: vec![0.0; n],
            quadrature: (values.choice(P::Detector) == DETECTOR_QUADRATURE)
                .then(|| Quadrature::new(format.rate())),
            turned: vec![Turned::default(); n],
            smooth: vec![Decoupled::default(); n],
            work: vec![SILENCE; n],
            delayed: vec![SILENCE; n],
            delay: DelayLine::new(n, lookahead),
            times: BallisticsGlide::new(parts, ramp_frames(GLIDE_MS, format.sample_rate)),
            deepest: 0.0,
        })
    }

    fn time_constant(_: &Format, values: &Values) -> f64 {
        let detector = match values.choice(P::Detector) {
            DETECTOR_RMS => values.get(P::RmsWindow) / 1000.0,
            DETECTOR_QUADRATURE => quadrature::TAU,
            _ => 0.0,
        };
        (values.get(P::Attack).max(values.get(P::Release)) / 1000.0).max(detector)
    }
}

impl Unit for CompressorUnit {
    type Parts = Ballistics;

    fn exchange(&mut self, parts: &mut Option<Ballistics>, at: usize) {
        if let Some(b) = parts.take() {
            self.times.go(b, at);
        }
    }

    fn process(&mut self, block: &mut Block<'_>) {
        let moving = self.times.advance();
        self.levels(block, moving);
        self.reductions(block);
        self.link(block.ramp(P::Link));
        let times = &self.times;
        self.deepest = 0.0;
        for (smooth, work) in self.smooth.iter_mut().zip(&mut self.work) {
            if smooth.is_at_rest() && work.iter().all(|x| *x == 0.0) {
                continue;
            }
            if moving {
                smooth.process(work, |i| times.at(i));
            } else {
                let held = times.held();
                smooth.process(work, |_| held);
            }
            self.deepest = work.iter().fold(self.deepest, |d, y| if *y > d { *y } else { d });
        }
        self.apply(block);
    }

    fn reset(&mut self) {
        self.high_pass.iter_mut().for_each(HighPass::reset);
        self.smooth.iter_mut().for_each(Decoupled::reset);
        self.power.fill(0.0);
        self.turned.fill(Turned::default());
        self.delay.reset();
        self.times.arrive();
        self.deepest = 0.0;
    }

    fn latency(&self) -> usize {
        self.delay.latency()
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = Some(self.deepest);
    }
}

impl CompressorUnit {
    /// Levels in dB of every channel's detector into `work`.
    fn levels(&mut self, block: &Block<'_>, moving: bool) {
        let sidechain: &[Frames] = block.sidechain.unwrap_or(block.audio);
        for (c, (work, x)) in self.work.iter_mut().zip(sidechain).enumerate() {
            *work = *x;
            high_pass(&mut self.high_pass[c], work, block, self.rate);
            if self.rms {
                let mut p = self.power[c];
                for (i, w) in work.iter_mut().enumerate() {
                    let k = if moving { self.times.at(i).rms } else { self.times.held().rms };
                    p += k * (2.0 * *w * *w - p);
                    *w = p;
                }
                self.power[c] = if p < 1e-30 { 0.0 } else { p };
                power_to_db(self.class, work);
            } else if let Some(quadrature) = &self.quadrature {
                self.width.run(Power { quadrature, turned: &mut self.turned[c], work });
                power_to_db(self.class, work);
            } else {
                quantum::gain_to_db(self.class, work);
            }
        }
    }

    /// Levels into the reductions that the static curve asks for, both in dB.
    fn reductions(&mut self, block: &Block<'_>) {
        let (threshold, ratio) = (block.ramp(P::Threshold), block.ramp(P::Ratio));
        let (knee, range) = (block.ramp(P::Knee), block.ramp(P::Range));
        let curve = |i| Curve::new(threshold.at(i), ratio.at(i), knee.at(i), range.at(i));
        if [threshold, ratio, knee, range].iter().any(Ramp::is_moving) {
            for work in &mut self.work {
                work.iter_mut().enumerate().for_each(|(i, w)| *w = curve(i).reduction(*w));
            }
        } else {
            let curve = curve(0);
            for work in &mut self.work {
                work.iter_mut().for_each(|w| *w = curve.reduction(*w));
            }
        }
    }

    /// Mixes the deepest reduction of each link group into its channels.
    fn link(&mut self, link: Ramp<'_>) {
        for group in self.groups.iter().filter(|g| g.len() > 1) {
            let mut deepest = SILENCE;
            for &c in group {
                for (d, w) in deepest.iter_mut().zip(&self.work[c]) {
                    *d = if *w > *d { *w } else { *d };
                }
            }
            for &c in group {
                for (i, (w, d)) in self.work[c].iter_mut().zip(&deepest).enumerate() {
                    let l = 0.01 * link.at(i);
                    *w = l * d + (1.0 - l) * *w;
                }
            }
        }
    }

    /// Reductions into gains, and gains onto the delayed audio.
    fn apply(&mut self, block: &mut Block<'_>) {
        let makeup = block.ramp(P::Makeup);
        for work in &mut self.work {
            match makeup {
                Ramp::Hold(m) => work.iter_mut().for_each(|w| *w = m - *w),
                Ramp::Move(m) => work.iter_mut().zip(m).for_each(|(w, m)| *w = m - *w),
            }
            quantum::db_to_gain(self.class, work);
        }
        if self.delay.latency() > 0 {
            self.delay.process(block.audio, &mut self.delayed);
            block.audio.copy_from_slice(&self.delayed);
        }
        for (audio, work) in block.audio.iter_mut().zip(&self.work) {
            audio.iter_mut().zip(work).for_each(|(x, g)| *x *= g);
        }
    }
}

/// [`Quadrature::power`] in place, compiled for wider registers.
struct Power<'a> {
    quadrature: &'a Quadrature,
    turned: &'a mut Turned,
    work: &'a mut Frames,
}

impl Kernel for Power<'_> {
    #[inline(always)]
    fn run(self) {
        let x = *self.work;
        self.quadrature.power(self.turned, &x, self.work);
    }
}

/// Squares of amplitudes into levels in dB.
fn power_to_db(class: Class, power: &mut Frames) {
    quantum::gain_to_db(class, power);
    power.iter_mut().for_each(|w| *w *= 0.5);
}

/// High-passes one channel's sidechain in place, as far as the toggle has come.
fn high_pass(filter: &mut HighPass, x: &mut Frames, block: &Block<'_>, rate: f64) {
    let (on, hz) = (block.ramp(P::SidechainHpOn), block.ramp(P::SidechainHp));
    if matches!(on, Ramp::Hold(0.0)) {
        filter.reset();
        return;
    }
    let mut corner = Corner::new(hz.at(0), rate);
    for (i, x) in x.iter_mut().enumerate() {
        if hz.is_moving() {
            corner = Corner::new(hz.at(i), rate);
        }
        let high = filter.next_frame(*x, &corner);
        *x += on.at(i) * (high - *x);
    }
    filter.flush();
}

#[cfg(test)]
mod tests;
