// SPDX-License-Identifier: MIT OR Apache-2.0
//! A design with its states, and the channels, middles and sides that its bands work on. Audio thread.

use super::design::{Design, PLACES, Route};
use super::dynamic::Moves;
use crate::dsp::quadrature::Quadrature;
use crate::dsp::simd::Class;
use crate::dsp::svf::{self, State};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::Format;

/// What one run of a section listens to and writes to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane {
    One(usize),
    /// (left + right)/2 of a pair.
    Mid(usize, usize),
    /// (left − right)/2.
    Side(usize, usize),
}

impl Lane {
    /// Its channel, or the first of its pair.
    fn first(self) -> usize {
        match self {
            Lane::One(c) | Lane::Mid(c, _) | Lane::Side(c, _) => c,
        }
    }

    /// Audio thread.
    #[inline(always)]
    pub(super) fn read(self, audio: &[Frames]) -> Frames {
        match self {
            Lane::One(c) => audio[c],
            Lane::Mid(l, r) => std::array::from_fn(|i| (audio[l][i] + audio[r][i]) * 0.5),
            Lane::Side(l, r) => std::array::from_fn(|i| (audio[l][i] - audio[r][i]) * 0.5),
        }
    }

    /// Audio thread. Mid and side add what was changed, so that a mid band passes every bit of a signal
    /// that is side alone, and the other way round.
    #[inline(always)]
    pub(super) fn write(self, audio: &mut [Frames], y: &Frames) {
        let (l, r, sign) = match self {
            Lane::One(c) => {
                audio[c] = *y;
                return;
            }
            Lane::Mid(l, r) => (l, r, 1.0),
            Lane::Side(l, r) => (l, r, -1.0),
        };
        let before = self.read(audio);
        for i in 0..QUANTUM {
            let change = y[i] - before[i];
            audio[l][i] += change;
            audio[r][i] += sign * change;
        }
    }
}

/// The lanes of each route, by `Route as usize`, and what they are worked on with. Never more than there
/// are channels; `Route::All` is every channel in order.
pub(super) struct Routes {
    lanes: [Vec<Lane>; 5],
    /// Lanes that move together.
    links: [Vec<Vec<usize>>; 5],
    quadrature: Quadrature,
    class: Class,
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl Routes {
    pub(super) fn new(format: &Format) -> Routes {
        let roles = &format.layout.roles;
        let some = |f: fn(&crate::units::Role) -> bool| -> Vec<Lane> {
            (0..roles.len()).filter(|c| f(&roles[*c])).map(Lane::One).collect()
        };
        let pairs = format.layout.pairs();
        let lanes = [
            some(|_| true),
            some(|r| r.is_left()),
            some(|r| r.is_right()),
            pairs.iter().map(|p| Lane::Mid(p.0, p.1)).collect(),
            pairs.iter().map(|p| Lane::Side(p.0, p.1)).collect(),
        ];
        let groups = format.layout.linked();
        let links = lanes.each_ref().map(|lanes: &Vec<Lane>| {
            let of = |group: &Vec<usize>| -> Vec<usize> {
                (0..lanes.len()).filter(|n| group.contains(&lanes[*n].first())).collect()
            };
            groups.iter().map(of).filter(|link| !link.is_empty()).collect()
        });
        Routes { lanes, links, quadrature: Quadrature::new(format.rate()), class: Class::chosen() }
    }

    pub(super) fn of(&self, route: Route) -> (&[Lane], &[Vec<usize>]) {
        (&self.lanes[route as usize], &self.links[route as usize])
    }
}

/// A design with its states.
pub(super) struct Cascade {
    /// `None` only in the coming cascade, when nothing is coming.
    pub(super) design: Option<Box<Design>>,
    /// `states[lane][place]`.
    pub(super) states: Vec<[State; PLACES]>,
    pub(super) moves: Moves,
}

impl Cascade {
    /// Audio thread. One quantum of all bands; `external` is what external detectors listen to.
    pub(super) fn run(&mut self, routes: &Routes, audio: &mut [Frames], external: &[Frames]) {
        let Some(d) = &self.design else { return };
        self.moves.deepest = None;
        for g in d.groups() {
            if let Some((band, Some(dynamic))) = g.dynamic.map(|band| (band, &d.dynamics[band])) {
                self.moves.run((dynamic, band), &routes.quadrature, routes.of(g.route), audio, external);
            }
            run(d, &d.places[g.from..g.to], routes, g.route, &mut self.states, audio);
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.fill([State::default(); PLACES]);
        self.moves.clear();
    }
}

/// Channels of middles and sides that are taken at once.
const TOGETHER: usize = 8;

/// Audio thread. Sections in series over the lanes of a route.
fn run(
    d: &Design,
    places: &[u8],
    routes: &Routes,
    route: Route,
    states: &mut [[State; PLACES]],
    audio: &mut [Frames],
) {
    if places.is_empty() {
        return;
    }
    if route == Route::All {
        return svf::cascade(routes.class, &d.coefs, places, states, audio);
    }
    for (lanes, states) in routes.of(route).0.chunks(TOGETHER).zip(states.chunks_mut(TOGETHER)) {
        let mut work = [SILENCE; TOGETHER];
        let work = &mut work[..lanes.len()];
        for (x, lane) in work.iter_mut().zip(lanes) {
            *x = lane.read(audio);
        }
        svf::cascade(routes.class, &d.coefs, places, states, work);
        for (y, lane) in work.iter().zip(lanes) {
            lane.write(audio, y);
        }
    }
}
