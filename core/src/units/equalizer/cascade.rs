// SPDX-License-Identifier: MIT OR Apache-2.0
//! A design with its states, and the channels, middles and sides that its bands work on. Audio thread.

use super::design::{Design, PLACES, Route};
use crate::dsp::svf::{self, Lanes, State};
use crate::dsp::{Frames, QUANTUM};
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

/// The lanes of each route, by `Route as usize`. Never more than there are channels.
pub(super) struct Routes([Vec<Lane>; 5]);

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl Routes {
    pub(super) fn new(format: &Format) -> Routes {
        let roles = &format.layout.roles;
        let some = |f: fn(&crate::units::Role) -> bool| -> Vec<Lane> {
            (0..roles.len()).filter(|c| f(&roles[*c])).map(Lane::One).collect()
        };
        let pairs = format.layout.pairs();
        Routes([
            some(|_| true),
            some(|r| r.is_left()),
            some(|r| r.is_right()),
            pairs.iter().map(|p| Lane::Mid(p.0, p.1)).collect(),
            pairs.iter().map(|p| Lane::Side(p.0, p.1)).collect(),
        ])
    }

    pub(super) fn of(&self, route: Route) -> &[Lane] {
        &self.0[route as usize]
    }
}

/// A design with its states.
pub(super) struct Cascade {
    /// `None` only in the coming cascade, when nothing is coming.
    pub(super) design: Option<Box<Design>>,
    /// `states[lane][place]`.
    pub(super) states: Vec<[State; PLACES]>,
}

impl Cascade {
    /// Audio thread. One quantum of all bands.
    pub(super) fn run(&mut self, routes: &Routes, audio: &mut [Frames]) {
        let Some(d) = &self.design else { return };
        for g in d.groups() {
            run(d, &d.places[g.from..g.to], routes.of(g.route), &mut self.states, audio);
        }
    }

    pub(super) fn clear(&mut self) {
        self.states.fill([State::default(); PLACES]);
    }
}

/// Audio thread. Sections in series over the lanes, two lanes side by side.
fn run(d: &Design, places: &[u8], lanes: &[Lane], states: &mut [[State; PLACES]], audio: &mut [Frames]) {
    if places.is_empty() {
        return;
    }
    for (lanes, states) in lanes.chunks(2).zip(states.chunks_mut(2)) {
        match (lanes, states) {
            ([a, b], [s, t]) => {
                let (x, y) = (a.read(audio), b.read(audio));
                let mut buf: Lanes<2> = std::array::from_fn(|i| [x[i], y[i]]);
                svf::cascade(&d.coefs, places, &mut [s, t], &mut buf);
                a.write(audio, &std::array::from_fn(|i| buf[i][0]));
                b.write(audio, &std::array::from_fn(|i| buf[i][1]));
            }
            ([a], [s, ..]) => {
                let x = a.read(audio);
                let mut buf: Lanes<1> = std::array::from_fn(|i| [x[i]]);
                svf::cascade(&d.coefs, places, &mut [s], &mut buf);
                a.write(audio, &std::array::from_fn(|i| buf[i][0]));
            }
            _ => {}
        }
    }
}
