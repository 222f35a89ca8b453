// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a band lets one listen to: the part of the unit's input that it works on, on its channels.
//!
//! One second-order section: the band-pass of a bell, what lies below or above the frequency of a shelf or
//! a cut, all of it for a tilt. While it is listened to it travels to where the band is put, frame by frame.
//! It reads the input and writes only where the listener is, so main keeps its bits.

use super::cascade::Routes;
use super::design::Route;
use super::{BANDS, Shape};
use crate::dsp::filters::realised;
use crate::dsp::ramp::Quintic;
use crate::dsp::svf::{self, Coefs, Section, State};
use crate::dsp::{QUANTUM, SILENCE};
use crate::units::{Block, Format, GLIDE_MS, ramp_frames};

/// Damping of the low-pass and high-pass that stand for shelves and cuts: Butterworth.
const FLAT: f64 = std::f64::consts::SQRT_2;

/// What one band works on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    /// Tangent of the frequency and damping.
    g: f64,
    k: f64,
    /// Share of what is above, around and below the frequency.
    shares: [f64; 3],
    /// `None`: this layout has no such channels.
    route: Option<Route>,
}

impl Region {
    pub(super) const NOTHING: Region = Region { g: 1.0, k: FLAT, shares: [0.0; 3], route: None };

    /// Control side. `freq` in Hz.
    pub(super) fn new(shape: Shape, freq: f64, q: f64, route: Option<Route>, rate: f64) -> Region {
        use Shape::*;
        let g = libm::tan(std::f64::consts::PI * realised(freq, rate) / rate);
        let (k, shares) = match shape {
            Bell | Notch | Bandpass | Allpass | PassiveHigh => (1.0 / q, [0.0, 1.0, 0.0]),
            LowShelf | Highpass | BaxandallLow | PassiveLow | LrHighpass => (FLAT, [0.0, 0.0, 1.0]),
            HighShelf | Lowpass | BaxandallHigh | LrLowpass => (FLAT, [1.0, 0.0, 0.0]),
            Tilt => (FLAT, [1.0; 3]),
        };
        Region { g, k, shares, route }
    }

    fn journey(&self) -> [f64; 5] {
        let [high, band, low] = self.shares;
        [libm::log(self.g), libm::log(self.k), high, band, low]
    }
}

/// The section of a region somewhere on its way.
fn coefs([g, k, high, band, low]: [f64; 5]) -> Coefs {
    let (g, k) = (libm::exp(g), libm::exp(k));
    Coefs::new(&Section { g, k, hp: high, bp: band * k, lp: low })
}

/// Audio half.
pub(super) struct BandListen {
    /// Of the newest design.
    pub(super) regions: [Region; BANDS],
    /// The band listened to, counted from 1; 0: none.
    what: u16,
    /// What is heard, or where it travels to.
    region: Region,
    travel: [Quintic; 5],
    coefs: Coefs,
    /// By lane.
    states: Vec<State>,
    /// 0 while the channels change.
    level: Quintic,
    fade_frames: u32,
}

impl BandListen {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub(super) fn new(format: &Format, regions: [Region; BANDS]) -> BandListen {
        BandListen {
            regions,
            what: 0,
            region: Region::NOTHING,
            travel: [Quintic::at(0.0); 5],
            coefs: coefs(Region::NOTHING.journey()),
            states: vec![State::default(); format.channels()],
            level: Quintic::at(1.0),
            fade_frames: ramp_frames(GLIDE_MS, format.sample_rate),
        }
    }

    /// Audio thread. Before the bands have changed `block.audio`.
    pub(super) fn process(&mut self, routes: &Routes, block: &mut Block<'_>) {
        let Some(listen) = &mut block.listen else {
            self.what = 0;
            return;
        };
        let wanted = usize::from(listen.what).checked_sub(1).and_then(|b| self.regions.get(b));
        let wanted = wanted.copied().unwrap_or(Region::NOTHING);
        self.follow(listen.what, wanted);
        let Some(route) = self.region.route else { return };
        let travels = self.travel.iter().any(Quintic::is_moving).then(|| self.way());
        for (lane, state) in routes.of(route).0.iter().zip(&mut self.states) {
            let mut audio = lane.read(block.audio);
            match &travels {
                Some(way) => svf::process_moving(way, state, &mut audio),
                None => svf::process(&self.coefs, state, &mut audio),
            }
            lane.write(listen.out, &audio);
        }
        let mut weights = SILENCE;
        if self.level.quantum(&mut weights) {
            for c in listen.out.iter_mut() {
                c.iter_mut().zip(&weights).for_each(|(x, w)| *x *= w);
            }
        } else if self.level.value() == 0.0 {
            listen.out.fill(SILENCE);
        }
    }

    /// Audio thread. As after `new`, with the newest design.
    pub(super) fn reset(&mut self) {
        self.what = 0;
    }

    /// Goes where the band is. Other channels take their turn through silence.
    fn follow(&mut self, what: u16, wanted: Region) {
        if self.what != what {
            self.what = what;
            self.level = Quintic::at(1.0);
            self.jump(wanted);
        } else if self.region.route != wanted.route && self.region.route.is_some() {
            if self.level.value() == 0.0 && !self.level.is_moving() {
                self.jump(wanted);
            } else if self.level.target() != 0.0 {
                self.level.go(0.0, self.fade_frames);
            }
        } else {
            if self.region.route.is_none() && wanted.route.is_some() {
                self.level = Quintic::at(0.0);
                self.jump(wanted);
            }
            if self.level.target() != 1.0 {
                self.level.go(1.0, self.fade_frames);
            }
            if self.region != wanted {
                self.region = wanted;
                self.coefs = coefs(wanted.journey());
                for (q, to) in self.travel.iter_mut().zip(wanted.journey()) {
                    q.go(to, self.fade_frames);
                }
            }
        }
    }

    fn jump(&mut self, to: Region) {
        self.region = to;
        self.coefs = coefs(to.journey());
        self.travel = to.journey().map(Quintic::at);
        self.states.fill(State::default());
    }

    /// The sections of the coming frames.
    fn way(&mut self) -> [Coefs; QUANTUM] {
        std::array::from_fn(|_| coefs(self.travel.each_mut().map(Quintic::next_frame)))
    }
}
