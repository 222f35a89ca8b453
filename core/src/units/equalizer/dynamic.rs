// SPDX-License-Identifier: MIT OR Apache-2.0
//! The dynamic part of a band: a bell or shelf whose gain follows the level where the band lies.
//!
//! It stands in front of the band's static part, so that the level is that of the band's own input. A
//! state-variable filter with fixed coefficients splits off what is moved; only the multipliers of its
//! signals move, so the move is amplitude modulation of a band, at any speed:
//!
//! | shape | output, with gain `G` and filter `D = s² + ks + 1` | at the full range |
//! |---|---|---|
//! | bell | `x + (G − 1)·ks/D` | `G` at the frequency, band-pass of the band's Q |
//! | low shelf | `x + (√G − 1)·ks/D + (G − 1)/D` | the analog shelf of `range` dB |
//! | high shelf | `x + (√G − 1)·ks/D + (G − 1)·s²/D` | the analog shelf of `range` dB |
//!
//! Detector: what the same filter leaves of its input (band-pass, low-pass, high-pass), turned by a quarter
//! and squared ([`Quadrature`]): a sine reads its amplitude, without ripple. The static curve and the
//! smoothing in dB are those of the compressor; to their times comes that of the filter, Q/(π·frequency). Channels of one link group on the same route move together,
//! by the largest move any of them asks for.

use super::cascade::Lane;
use super::{B, BANDS, Shape, band_param};
use crate::dsp::ballistics::{Ballistics, Decoupled};
use crate::dsp::filters;
use crate::dsp::knee::Curve;
use crate::dsp::math::{db_to_gain, gain_to_db};
use crate::dsp::quadrature::{Quadrature, Turned};
use crate::dsp::svf::{Coefs, Section, State};
use crate::dsp::{Frames, SILENCE};
use crate::param::Values;
use crate::units::{Format, Note, Notes};

/// Index of the choice.
const EXTERNAL: usize = 1;

/// Quanta that all dynamic bands together may live through in one, beyond which the past is cut short.
const MOST_QUANTA: f64 = 96.0;

/// What moves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Bell,
    Low,
    High,
}

/// The dynamic part of one band of a design.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dynamic {
    form: Form,
    section: Section,
    coefs: Coefs,
    curve: Curve,
    /// Sign of the range.
    sign: f64,
    times: Ballistics,
    /// Attack or release, the longer, in seconds.
    pub slowest: f64,
    external: bool,
}

impl Dynamic {
    /// Control side. The dynamic part that the values ask for; `None` if the band stands still. `freq` and
    /// `q` are those of the static part.
    #[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
    pub(super) fn new(
        format: &Format,
        values: &Values,
        band: usize,
        (shape, freq, q): (Shape, f64, f64),
        notes: &mut Notes,
    ) -> Option<Dynamic> {
        let get = |p: B| values.get(band_param(band, p));
        let (range, ratio, rate) = (get(B::Range), get(B::Ratio), format.rate());
        if range == 0.0 || ratio == 1.0 || !values.on(band_param(band, B::On)) {
            return None;
        }
        let mut note = |text| notes.0.push(Note { param: band_param(band, B::Range), text });
        let form = match shape {
            Shape::Bell => Form::Bell,
            Shape::LowShelf => Form::Low,
            Shape::HighShelf => Form::High,
            _ => {
                note("only bells and shelves move with the level".to_string());
                return None;
            }
        };
        // The poles of the analog shelf of `range` dB.
        let wanted = freq
            * match form {
                Form::Bell => 1.0,
                Form::Low => libm::pow(10.0, -range / 80.0),
                Form::High => libm::pow(10.0, range / 80.0),
            };
        let real = filters::realised(wanted, rate);
        if real < wanted {
            let show = |v: f64| B::SPECS[B::Freq as usize].show(libm::round(v));
            let (wanted, real) = (show(wanted), show(real));
            note(format!("it moves from {wanted}, which is beyond this rate; effective {real}"));
        }
        let section = section(form, real, q, rate);
        let (attack, release) = (get(B::Attack) / 1000.0, get(B::Release) / 1000.0);
        Some(Dynamic {
            form,
            section,
            coefs: Coefs::new(&section),
            curve: Curve::new(get(B::Threshold), ratio, 0.0, range.abs()),
            sign: range.signum(),
            times: Ballistics::design(rate, attack, release, None).0,
            slowest: attack.max(release),
            external: values.choice(band_param(band, B::Detector)) == EXTERNAL,
        })
    }

    /// Time constant of the filter in frames.
    pub(super) fn tau(&self) -> f64 {
        self.section.time_constant()
    }

    /// True if it takes away.
    fn is_down(&self) -> bool {
        self.sign < 0.0
    }

    /// True if what one has gathered is worth something in the other: within an octave, with the same ear.
    fn alike(&self, other: &Dynamic) -> bool {
        let (f, g) = (self.section.g, other.section.g);
        self.form == other.form && self.external == other.external && f < 2.0 * g && g < 2.0 * f
    }

    /// Audio thread. Splits one quantum into what moves by half the gain in dB and by the whole.
    #[inline(always)]
    fn split(&self, state: &mut State, x: &Frames, part: &mut Part) {
        let k = self.section.k;
        let mut s = *state;
        for (i, x) in x.iter().enumerate() {
            let (band, low) = self.coefs.signals(&mut s, *x);
            let band = k * band;
            (part.half[i], part.whole[i]) = match self.form {
                Form::Bell => (0.0, band),
                Form::Low => (band, low),
                Form::High => (band, x - band - low),
            };
        }
        *state = s.flushed();
    }
}

/// The filter at `freq` Hz. The lower half-power edge of a band-pass lies where that of the analog one does.
fn section(form: Form, freq: f64, q: f64, rate: f64) -> Section {
    let tan = |f: f64| libm::tan(std::f64::consts::PI * f / rate);
    let g = tan(freq);
    let k = match form {
        Form::Bell => {
            let edge = freq * ((1.0 + 0.25 / (q * q)).sqrt() - 0.5 / q);
            g / tan(edge) - tan(edge) / g
        }
        Form::Low | Form::High => 1.0 / q,
    };
    Section { g, k, hp: 0.0, bp: 0.0, lp: 0.0 }
}

/// True if a band may go on from what it has gathered in another design.
pub(super) fn alike(a: &Option<Dynamic>, b: &Option<Dynamic>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if a.alike(b))
}

/// Frames of past that these bands may live through in `run` frames.
pub(super) fn reach(bands: &[Option<Dynamic>; BANDS], run: f64) -> f64 {
    let count = bands.iter().flatten().count();
    if count == 0 { f64::INFINITY } else { run * MOST_QUANTA / count as f64 }
}

/// What one dynamic band remembers of one lane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    filter: State,
    /// The filter of an external detector.
    ear: State,
    turned: Turned,
    /// The move in dB, of a link group: in its first lane.
    moved: Decoupled,
}

/// One quantum of a lane, split.
#[derive(Clone, Copy)]
struct Part {
    x: Frames,
    half: Frames,
    whole: Frames,
}

/// The dynamic bands of a cascade at work.
pub(super) struct Moves {
    /// `memory[lane][band]`.
    pub(super) memory: Vec<[Memory; BANDS]>,
    parts: Vec<Part>,
    /// Deepest downward move of the last quantum in dB; `None` without such a band.
    pub(super) deepest: Option<f64>,
}

impl Moves {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub(super) fn new(channels: usize) -> Moves {
        let part = Part { x: SILENCE, half: SILENCE, whole: SILENCE };
        Moves {
            memory: vec![[Memory::default(); BANDS]; channels],
            parts: vec![part; channels],
            deepest: None,
        }
    }

    pub(super) fn clear(&mut self) {
        self.memory.fill([Memory::default(); BANDS]);
        self.deepest = None;
    }

    /// Audio thread. One quantum of one band over the lanes of its route, `links` of them at a time.
    pub(super) fn run(
        &mut self,
        (d, band): (&Dynamic, usize),
        quadrature: &Quadrature,
        (lanes, links): (&[Lane], &[Vec<usize>]),
        audio: &mut [Frames],
        external: &[Frames],
    ) {
        if d.is_down() {
            self.deepest = self.deepest.or(Some(0.0));
        }
        for link in links {
            let mut moves = SILENCE;
            for &lane in link {
                let (m, part) = (&mut self.memory[lane][band], &mut self.parts[lane]);
                let mut level = SILENCE;
                if d.external {
                    let x = lanes[lane].read(external);
                    d.split(&mut m.ear, &x, part);
                    quadrature.power(&mut m.turned, &part.whole, &mut level);
                }
                part.x = lanes[lane].read(audio);
                let x = part.x;
                d.split(&mut m.filter, &x, part);
                if !d.external {
                    quadrature.power(&mut m.turned, &part.whole, &mut level);
                }
                for (most, power) in moves.iter_mut().zip(&level) {
                    let own = d.curve.reduction(0.5 * gain_to_db(*power));
                    *most = if own > *most { own } else { *most };
                }
            }
            let Some(first) = link.first() else { continue };
            let moved = &mut self.memory[*first][band].moved;
            if moved.is_at_rest() && moves.iter().all(|x| *x == 0.0) {
                continue;
            }
            moved.process(&mut moves, |_| d.times);
            if let Some(deepest) = self.deepest.as_mut().filter(|_| d.is_down()) {
                *deepest = moves.iter().fold(*deepest, |m, v| if *v > m { *v } else { m });
            }
            let root: Frames = std::array::from_fn(|i| db_to_gain(0.5 * d.sign * moves[i]));
            for &lane in link {
                let p = &self.parts[lane];
                let y = std::array::from_fn(|i| {
                    p.x[i] + (root[i] - 1.0) * p.half[i] + (root[i] * root[i] - 1.0) * p.whole[i]
                });
                lanes[lane].write(audio, &y);
            }
        }
    }
}
