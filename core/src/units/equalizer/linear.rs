// SPDX-License-Identifier: MIT OR Apache-2.0
//! The equaliser's bands as kernels: linear or mixed phase by convolution, before the cascade of the others.
//!
//! The input's spectra are worked out once. A design that comes has its kernels run unheard in voices of its
//! own until they play nothing but what they ought to, then they fade in over 20 ms. Kernels of a pair form a
//! matrix: mid and side bands act first, left and right bands behind them.

use super::design::{Design, Route};
use super::{P, PHASE_LINEAR, PHASE_MINIMUM};
use crate::dsp::convolver::{Convolver, Delay, Kernel, Shape, Voice};
use crate::dsp::delay::DelayLine;
use crate::dsp::linear_phase::{self, Length, Phase};
use crate::dsp::ramp::Quintic;
use crate::dsp::svf::Section;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::Values;
use crate::units::{Format, ramp_frames};

/// Time of the fade in ms.
const FADE_MS: f64 = 20.0;

/// Mixed phase is minimum below and linear above, Hz.
const MIXED_FROM: f64 = 150.0;
const MIXED_TO: f64 = 300.0;

/// What the values ask of the unit as a whole. Control side.
pub(super) struct Plan {
    taps: usize,
    phase: Phase,
}

impl Plan {
    /// `None` for minimum phase.
    pub(super) fn new(format: &Format, values: &Values) -> Option<Plan> {
        let phase = match values.choice(P::Phase) {
            PHASE_MINIMUM => return None,
            PHASE_LINEAR => Phase::Linear,
            _ => Phase::Mixed { from: MIXED_FROM, to: MIXED_TO },
        };
        let length = [Length::Low, Length::Medium, Length::High][values.choice(P::Length).min(2)];
        Some(Plan { taps: length.taps(format.rate()), phase })
    }

    /// Frames of delay: half the kernel.
    pub(super) fn delay(&self) -> usize {
        self.taps / 2
    }

    fn shape(&self) -> Shape {
        Shape::new(self.taps, Delay::None)
    }
}

/// The kernels of one design. Control side, but for looking.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernels {
    /// Of every channel's own input.
    straight: Kernel,
    /// Of the other channel of its pair, where mid and side differ.
    cross: Option<Kernel>,
}

/// Sections of one band that is to be a kernel.
pub(super) struct Taken {
    pub route: Route,
    pub sections: Vec<Section>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs")]
impl Kernels {
    /// `None` where no band asks for any.
    pub(super) fn new(format: &Format, plan: &Plan, bands: &[Taken]) -> Option<Kernels> {
        if bands.is_empty() {
            return None;
        }
        let kernel = |routes: &[Route]| {
            let sections: Vec<Section> = bands
                .iter()
                .filter(|b| routes.contains(&b.route))
                .flat_map(|b| b.sections.iter().copied())
                .collect();
            let magnitude = |hz: f64| magnitude(&sections, hz, format.rate());
            linear_phase::design(magnitude, plan.taps, format.rate(), plan.phase).taps
        };
        let (shape, channels) = (plan.shape(), format.channels());
        let any = |routes: &[Route]| bands.iter().any(|b| routes.contains(&b.route));
        let all = kernel(&[Route::All]);
        let [mids, sides] = [any(&[Route::Mid]), any(&[Route::Side])];
        let (mut straight, mut cross) = (vec![all; channels], vec![Vec::new(); channels]);
        let pairs = format.layout.pairs();
        let mut done: [Option<(Vec<f64>, Vec<f64>)>; 2] = [None, None];
        for (c, role) in format.layout.roles.iter().enumerate() {
            let own = if role.is_left() {
                Route::Left
            } else if role.is_right() {
                Route::Right
            } else {
                continue;
            };
            let paired = (mids || sides) && pairs.iter().any(|p| p.0 == c || p.1 == c);
            if !paired && !any(&[own]) {
                continue;
            }
            let seat = &mut done[usize::from(own == Route::Right)];
            let (s, x) = seat.get_or_insert_with(|| {
                if !paired {
                    return (kernel(&[Route::All, own]), Vec::new());
                }
                let (m, s) =
                    (kernel(&[Route::All, own, Route::Mid]), kernel(&[Route::All, own, Route::Side]));
                m.iter().zip(&s).map(|(m, s)| (0.5 * (m + s), 0.5 * (m - s))).unzip()
            });
            (straight[c], cross[c]) = (s.clone(), x.clone());
        }
        let spectra =
            |taps: &[Vec<f64>]| Kernel::new(&shape, &taps.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let crossed = cross.iter().any(|c| !c.is_empty());
        Some(Kernels { straight: spectra(&straight), cross: crossed.then(|| spectra(&cross)) })
    }
}

/// |H| of sections in series at `hz`.
fn magnitude(sections: &[Section], hz: f64, rate: f64) -> f64 {
    let t = libm::tan(std::f64::consts::PI * (hz / rate).min(0.499_999));
    let square = |s: &Section| {
        let w = t / s.g;
        let (re, im) = (s.lp - s.hp * w * w, s.bp * w);
        let (a, b) = (1.0 - w * w, s.k * w);
        (re * re + im * im) / (a * a + b * b)
    };
    sections.iter().map(square).product::<f64>().sqrt()
}

/// One set of voices: by channel, from its own input and from its partner's.
struct Voices {
    straight: Voice,
    cross: Voice,
}

impl Voices {
    fn new(shape: &Shape, channels: usize) -> Voices {
        Voices { straight: Voice::new(shape, channels), cross: Voice::new(shape, channels) }
    }

    fn reset(&mut self) {
        self.straight.reset();
        self.cross.reset();
    }
}

/// Audio half.
pub(super) struct Linear {
    shape: Shape,
    /// The other channel of each one's pair; itself without one.
    partners: Vec<usize>,
    own: Vec<usize>,
    input: Convolver,
    now: Voices,
    coming: Voices,
    /// What plays while no band is a kernel.
    dry: DelayLine,
    delayed: Vec<Frames>,
    /// The same delay for what external detectors listen to.
    ear: DelayLine,
    heard: Vec<Frames>,
    side: Vec<Frames>,
    crossed: Vec<Frames>,
    /// Under way: the coming kernels differ from those heard.
    changing: bool,
    /// Frames since the change began; negative while it waits for its first frame.
    pos: i64,
    fade: Quintic,
    fade_frames: u32,
}

impl Linear {
    #[allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "control side: built before it runs"
    )]
    pub(super) fn new(format: &Format, plan: &Plan) -> Linear {
        let (shape, channels) = (plan.shape(), format.channels());
        let mut partners: Vec<usize> = (0..channels).collect();
        for (l, r) in format.layout.pairs() {
            (partners[l], partners[r]) = (r, l);
        }
        let silence = || vec![SILENCE; channels];
        Linear {
            own: (0..channels).collect(),
            partners,
            input: Convolver::new(&shape, channels),
            now: Voices::new(&shape, channels),
            coming: Voices::new(&shape, channels),
            dry: DelayLine::new(channels, plan.delay()),
            delayed: silence(),
            ear: DelayLine::new(channels, plan.delay()),
            heard: silence(),
            side: silence(),
            crossed: silence(),
            shape,
            changing: false,
            pos: 0,
            fade: Quintic::at(0.0),
            fade_frames: ramp_frames(FADE_MS, format.sample_rate),
        }
    }

    pub(super) fn latency(&self) -> usize {
        self.dry.latency()
    }

    /// Audio thread. A design is coming, `at` frames into the next quantum.
    pub(super) fn begin(&mut self, now: &Design, coming: &Design, at: usize) {
        self.changing = !now.same_kernels(coming);
        self.pos = -(at as i64);
        self.fade = Quintic::at(0.0);
        self.fade.go(1.0, self.fade_frames);
    }

    /// True while the coming kernels are not heard alone.
    pub(super) fn is_changing(&self) -> bool {
        self.changing && self.fade.is_moving()
    }

    /// Audio thread. The coming design is the heard one.
    pub(super) fn arrive(&mut self) {
        if self.changing {
            std::mem::swap(&mut self.now, &mut self.coming);
        }
        self.changing = false;
    }

    /// Audio thread. One quantum in place.
    pub(super) fn process(&mut self, audio: &mut [Frames], now: &Design, coming: Option<&Design>) {
        self.dry.process(audio, &mut self.delayed);
        self.input.process(&self.shape, audio);
        self.play(false, now.kernels.as_ref(), audio);
        let Some(coming) = coming.filter(|_| self.changing) else { return };
        let mut side = std::mem::take(&mut self.side);
        self.play(true, coming.kernels.as_ref(), &mut side);
        self.side = side;
        let settled = self.shape.settle() as i64;
        for i in 0..QUANTUM {
            if self.pos >= settled {
                let w = self.fade.next_frame();
                for (a, b) in audio.iter_mut().zip(&self.side) {
                    a[i] = (1.0 - w) * a[i] + w * b[i];
                }
            }
            self.pos += 1;
        }
    }

    /// Audio thread. What external detectors listen to, as late as the audio.
    pub(super) fn delayed_ear(&mut self, external: &[Frames]) -> &[Frames] {
        self.ear.process(external, &mut self.heard);
        &self.heard
    }

    /// Audio thread. What one design makes of this quantum.
    fn play(&mut self, coming: bool, kernels: Option<&Kernels>, out: &mut [Frames]) {
        let voices = if coming { &mut self.coming } else { &mut self.now };
        let Some(kernels) = kernels else {
            out.copy_from_slice(&self.delayed);
            return;
        };
        voices.straight.process(&self.shape, &kernels.straight, &self.input, &self.own, out);
        if let Some(cross) = &kernels.cross {
            voices.cross.process(&self.shape, cross, &self.input, &self.partners, &mut self.crossed);
            for (out, x) in out.iter_mut().zip(&self.crossed) {
                out.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            }
        }
    }

    /// Audio thread.
    pub(super) fn reset(&mut self) {
        self.input.reset();
        self.now.reset();
        self.coming.reset();
        self.dry.reset();
        self.ear.reset();
        self.changing = false;
    }
}
