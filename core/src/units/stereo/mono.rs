// SPDX-License-Identifier: MIT OR Apache-2.0
//! The mono maker: takes the side away below a frequency, and leaves the mid its level.
//!
//! | slope | side | mid, minimum phase | side at a quarter of the corner |
//! |---|---|---|---|
//! | first | first-order high-pass | untouched | −12.3 dB |
//! | lr2 | two first-order high-passes | first-order all-pass | −24.6 dB |
//! | lr4 | two Butterworth high-passes of second order | second-order all-pass | −48.2 dB |
//!
//! A Linkwitz–Riley high-pass over its all-pass is real and positive at every frequency (JAES 1976): side and mid
//! keep the phase they had to each other, so nothing moves sideways. The first-order all-pass inverts what is far
//! below the corner and leaves what is far above. A first-order high-pass has no such all-pass; it leads by up to
//! 90° where it has taken the side away, as on a cutting lathe.
//!
//! **Linear phase**: a kernel with the magnitude of the same low-pass is taken off the delayed side, so the mid
//! keeps every bit. Its window is flat for the middle half, where these low-passes have all but died away, and its
//! taps sum to 1, so there is no side at 0 Hz. At 48 kHz with a delay of 43 ms: within 0.1 dB above a quarter of
//! the corner from 80 Hz (`lr2` from 40 Hz), and at least 24 dB down there for every corner.

use super::change::Change;
use super::{Design, mid_side};
use crate::dsp::convolver::{Convolver, Delay, Kernel, Shape, Voice};
use crate::dsp::delay::DelayLine;
use crate::dsp::fft::{Complex, RealFft};
use crate::dsp::svf::{self, Chain, Coefs, Section, State};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::Format;
use std::f64::consts::SQRT_2;

/// The delay of linear phase, frames at 48 kHz.
const HALF_AT_48K: f64 = 2048.0;

/// Time constants that a new design runs unheard, and the most it does so, in seconds.
const TAUS: f64 = 9.0;
const LONGEST_RUN: f64 = 0.06;

/// The order of the choices of `mono_slope`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slope {
    Off,
    First,
    Lr2,
    Lr4,
}

impl Slope {
    /// By index of the choice.
    pub const ALL: [Slope; 4] = [Slope::Off, Slope::First, Slope::Lr2, Slope::Lr4];

    /// What is taken off the side at `x` times the corner, as an amplitude of linear phase.
    fn low(self, x: f64) -> f64 {
        match self {
            Slope::Off => 0.0,
            Slope::First => 1.0 - x / (1.0 + x * x).sqrt(),
            Slope::Lr2 => 1.0 / (1.0 + x * x),
            Slope::Lr4 => 1.0 / (1.0 + x * x * x * x),
        }
    }

    /// The sections of the side, the corner at the tangent `g` of half its angle.
    fn high_pass(self, g: f64) -> Chain {
        let second = |k| Section { g, k, hp: 1.0, bp: 0.0, lp: 0.0 };
        let mut chain = Chain::EMPTY;
        match self {
            Slope::Off => {}
            Slope::First => chain.add(Section::first_order(g, 1.0, 0.0)),
            Slope::Lr2 => chain.add(second(2.0)),
            Slope::Lr4 => [second(SQRT_2); 2].into_iter().for_each(|s| chain.add(s)),
        }
        chain
    }

    /// The section that gives the mid the phase of the side.
    fn all_pass(self, g: f64) -> Option<Section> {
        match self {
            Slope::Off | Slope::First => None,
            Slope::Lr2 => Some(Section::first_order(g, 1.0, -1.0)),
            Slope::Lr4 => Some(Section { g, k: SQRT_2, hp: 1.0, bp: -SQRT_2, lp: 1.0 }),
        }
    }
}

fn tangent(hz: f64, rate: f64) -> f64 {
    libm::tan(std::f64::consts::PI * hz / rate)
}

/// Frames of delay of linear phase.
fn half(rate: f64) -> usize {
    libm::round(HALF_AT_48K / 48_000.0 * rate) as usize
}

fn shape(rate: f64) -> Shape {
    Shape::new(2 * half(rate) + 1, Delay::None)
}

/// The longest time constant in seconds.
pub fn time_constant(slope: Slope, hz: f64, linear: bool, rate: f64) -> f64 {
    if linear {
        // A kernel forgets at its end, which is as long after its delay as the delay itself.
        return half(rate) as f64 / 5.0 / rate;
    }
    let chain = slope.high_pass(tangent(hz, rate));
    chain.as_slice().iter().map(|s| s.time_constant()).fold(0.0, f64::max) / rate
}

/// The designed half.
#[derive(Clone, Debug, PartialEq)]
pub struct Mono {
    slope: Slope,
    hz: f64,
    side: [Coefs; 2],
    sections: usize,
    mid: Option<Coefs>,
    /// What is taken off the side; `None` in minimum phase and where nothing is.
    low: Option<Kernel>,
    /// Frames that it runs unheard.
    settle: usize,
}

impl Mono {
    /// Control side.
    pub fn new(slope: Slope, hz: f64, linear: bool, rate: f64) -> Mono {
        let g = tangent(hz, rate);
        let chain = slope.high_pass(g);
        let side = [0, 1].map(|n| Coefs::new(&chain.sections[n]));
        let run = (TAUS * time_constant(slope, hz, false, rate)).min(LONGEST_RUN);
        let low =
            (linear && slope != Slope::Off).then(|| Kernel::new(&shape(rate), &[&low_pass(slope, hz, rate)]));
        Mono {
            slope,
            hz,
            side,
            sections: chain.len,
            mid: slope.all_pass(g).map(|s| Coefs::new(&s)),
            settle: if linear { shape(rate).settle() } else { (run * rate) as usize },
            low,
        }
    }

    /// True if nothing would be heard of a change to the other, in a unit of the same phase.
    pub fn sounds_like(&self, other: &Mono) -> bool {
        self.slope == other.slope && (self.hz == other.hz || self.slope == Slope::Off)
    }
}

/// Control side. The taps of the low-pass of linear phase.
#[allow(clippy::disallowed_methods, reason = "control side: designs filters")]
pub(super) fn low_pass(slope: Slope, hz: f64, rate: f64) -> Vec<f64> {
    let half = half(rate);
    let fft = RealFft::new(16 * half);
    let bin = |k: usize| (slope.low(k as f64 * rate / fft.size() as f64 / hz), 0.0);
    let bins: Vec<Complex> = (0..=fft.size() / 2).map(bin).collect();
    let h = fft.signal(&bins);
    let window = |n: usize| {
        let t = (2.0 * n as f64 / (half + 1) as f64 - 1.0).max(0.0);
        1.0 - t * t * t * (10.0 + t * (6.0 * t - 15.0))
    };
    let mut taps: Vec<f64> = (1..=half).rev().chain(0..=half).map(|n| h[n] * window(n)).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|t| *t /= sum);
    taps
}

/// The memory of one design: by pair, the sections of the mid and of the side; or a voice.
struct Bank {
    states: Vec<[State; 3]>,
    voice: Option<Voice>,
    /// What it changes of mid and side in this quantum.
    mid: Vec<Frames>,
    side: Vec<Frames>,
}

impl Bank {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    fn new(pairs: usize, voice: Option<Voice>) -> Bank {
        Bank {
            states: vec![[State::default(); 3]; pairs],
            voice,
            mid: vec![SILENCE; pairs],
            side: vec![SILENCE; pairs],
        }
    }

    fn reset(&mut self) {
        self.states.fill([State::default(); 3]);
        if let Some(voice) = &mut self.voice {
            voice.reset();
        }
    }

    /// One quantum of minimum phase.
    fn filter(&mut self, design: &Mono, pairs: &[(usize, usize)], audio: &[Frames]) {
        let changes = self.mid.iter_mut().zip(&mut self.side);
        for (([of_mid, of_side @ ..], (l, r)), (mid, side)) in self.states.iter_mut().zip(pairs).zip(changes)
        {
            let (m, s) = mid_side(&audio[*l], &audio[*r]);
            (*mid, *side) = (m, s);
            if let Some(coefs) = &design.mid {
                svf::process(coefs, of_mid, mid);
            }
            for (coefs, state) in design.side.iter().zip(of_side).take(design.sections) {
                svf::process(coefs, state, side);
            }
            subtract(mid, &m);
            subtract(side, &s);
        }
    }

    /// One quantum of linear phase.
    fn convolve(&mut self, design: &Mono, linear: &Linear) {
        let (Some(voice), Some(low)) = (&mut self.voice, &design.low) else {
            self.side.fill(SILENCE);
            return;
        };
        voice.process(&linear.shape, low, &linear.input, &linear.sources, &mut self.side);
        self.side.iter_mut().flatten().for_each(|s| *s = -*s);
    }
}

#[inline(always)]
fn subtract(from: &mut Frames, x: &Frames) {
    from.iter_mut().zip(x).for_each(|(y, x)| *y -= x);
}

/// What linear phase needs beside its voices.
struct Linear {
    shape: Shape,
    input: Convolver,
    /// Voice n hears pair n.
    sources: Vec<usize>,
    sides: Vec<Frames>,
    /// All channels.
    delay: DelayLine,
    delayed: Vec<Frames>,
}

impl Linear {
    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "control side: built before it runs"
    )]
    fn new(format: &Format, pairs: usize) -> Linear {
        let shape = shape(format.rate());
        Linear {
            input: Convolver::new(&shape, pairs),
            sources: (0..pairs).collect(),
            sides: vec![SILENCE; pairs],
            delay: DelayLine::new(format.channels(), half(format.rate())),
            delayed: vec![SILENCE; format.channels()],
            shape,
        }
    }

    /// Takes the sides in, and delays the audio in place.
    fn take(&mut self, pairs: &[(usize, usize)], audio: &mut [Frames]) {
        for ((l, r), side) in pairs.iter().zip(&mut self.sides) {
            *side = mid_side(&audio[*l], &audio[*r]).1;
        }
        self.input.process(&self.shape, &self.sides);
        self.delay.process(audio, &mut self.delayed);
        audio.copy_from_slice(&self.delayed);
    }
}

/// Audio half.
pub struct MonoMaker {
    change: Change,
    now: Bank,
    coming: Bank,
    linear: Option<Linear>,
}

impl MonoMaker {
    /// Control side.
    pub fn new(design: Design, format: &Format, linear: bool) -> MonoMaker {
        let pairs = format.layout.pairs().len();
        let linear = linear.then(|| Linear::new(format, pairs));
        let bank = || Bank::new(pairs, linear.as_ref().map(|l| Voice::new(&l.shape, pairs)));
        MonoMaker { change: Change::new(design, format.sample_rate), now: bank(), coming: bank(), linear }
    }

    /// Audio thread.
    pub fn exchange(&mut self, parts: &mut Option<Design>, at: usize) {
        self.change.offer(parts, at);
    }

    /// Audio thread.
    pub fn latency(&self) -> usize {
        self.linear.as_ref().map_or(0, |l| l.delay.latency())
    }

    /// Audio thread.
    pub fn reset(&mut self) {
        self.change.reset();
        self.now.reset();
        self.coming.reset();
        if let Some(linear) = &mut self.linear {
            linear.input.reset();
            linear.delay.reset();
        }
    }

    /// Audio thread. One quantum of all pairs in place.
    pub fn process(&mut self, pairs: &[(usize, usize)], audio: &mut [Frames]) {
        if let Some(linear) = &mut self.linear {
            linear.take(pairs, audio);
        }
        if self.change.coming().is_some() {
            self.process_change(pairs, audio);
        } else if self.change.now().mono.slope != Slope::Off {
            run(&mut self.now, &self.change.now().mono, self.linear.as_ref(), pairs, audio);
            apply(&self.now, pairs, audio);
        }
    }

    /// One quantum in which another design is coming.
    fn process_change(&mut self, pairs: &[(usize, usize)], audio: &mut [Frames]) {
        let fresh = self.change.is_fresh();
        let now = &self.change.now().mono;
        let Some(coming) = self.change.coming().map(|d| &d.mono) else { return };
        if fresh && coming.slope == now.slope {
            self.coming.states.copy_from_slice(&self.now.states);
        } else if fresh {
            self.coming.states.fill([State::default(); 3]);
        }
        run(&mut self.now, now, self.linear.as_ref(), pairs, audio);
        run(&mut self.coming, coming, self.linear.as_ref(), pairs, audio);
        let settle = coming.settle;
        let weights = self.change.weights(settle);
        let (mids, sides) = (self.now.mid.iter_mut(), self.now.side.iter_mut());
        let coming = self.coming.mid.iter().chain(&self.coming.side);
        for (now, coming) in mids.chain(sides).zip(coming) {
            for i in 0..QUANTUM {
                now[i] = (1.0 - weights[i]) * now[i] + weights[i] * coming[i];
            }
        }
        apply(&self.now, pairs, audio);
        if self.change.finish() {
            std::mem::swap(&mut self.now, &mut self.coming);
        }
    }
}

/// What a design changes of mid and side in this quantum, into its bank.
fn run(bank: &mut Bank, design: &Mono, linear: Option<&Linear>, pairs: &[(usize, usize)], audio: &[Frames]) {
    match linear {
        Some(linear) => bank.convolve(design, linear),
        None => bank.filter(design, pairs, audio),
    }
}

/// Adds the changes, so that what is not changed keeps its bits.
fn apply(bank: &Bank, pairs: &[(usize, usize)], audio: &mut [Frames]) {
    for ((l, r), (mid, side)) in pairs.iter().zip(bank.mid.iter().zip(&bank.side)) {
        for i in 0..QUANTUM {
            audio[*l][i] += mid[i] + side[i];
            audio[*r][i] += mid[i] - side[i];
        }
    }
}
