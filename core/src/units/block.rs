// SPDX-License-Identifier: MIT OR Apache-2.0
//! One quantum as a unit sees it: audio, sidechain and the gliding values of this quantum's frames.

use crate::dsp::math::{self, quantum};
use crate::dsp::ramp::Quintic;
use crate::dsp::simd::Class;
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::param::{Motion, ParamIndex, ParamTable, Scale, Values};

/// What a unit processes, in place.
pub struct Block<'a> {
    /// One `Frames` a channel, in the order of the unit's layout.
    pub audio: &'a mut [Frames],
    /// The detector's input, as many channels as `audio`; `None`: listen to `audio` itself.
    pub sidechain: Option<&'a [Frames]>,
    /// Someone listens to a part of this unit's work. What is written there never reaches main, and what
    /// is done for it must leave `audio` as it would be.
    pub listen: Option<Listen<'a>>,
    glides: &'a Glides,
}

/// Where a unit writes what someone listens to.
pub struct Listen<'a> {
    /// The value of [`Kind::listen`](super::Kind::listen), never 0.
    pub what: u16,
    /// As many channels as `audio`, silent.
    pub out: &'a mut [Frames],
}

impl<'a> Block<'a> {
    pub fn new(audio: &'a mut [Frames], sidechain: Option<&'a [Frames]>, glides: &'a Glides) -> Self {
        Block { audio, sidechain, listen: None, glides }
    }

    /// Audio thread. This quantum's values of a gliding parameter.
    pub fn ramp(&self, p: impl Into<ParamIndex>) -> Ramp<'a> {
        self.glides.ramp(p.into())
    }
}

/// A gliding parameter's values over one quantum.
#[derive(Clone, Copy, Debug)]
pub enum Ramp<'a> {
    /// It stands still.
    Hold(f64),
    /// It moves; one value a frame.
    Move(&'a Frames),
}

impl Ramp<'_> {
    /// The value at frame `i` of the quantum.
    #[inline(always)]
    pub fn at(&self, i: usize) -> f64 {
        match self {
            Ramp::Hold(v) => *v,
            Ramp::Move(v) => v[i],
        }
    }

    pub fn is_moving(&self) -> bool {
        matches!(self, Ramp::Move(_))
    }

    /// Audio thread. Amplitudes of a level in dB; one that stands still is worked out once.
    pub fn gains(&self, class: Class) -> Frames {
        match self {
            Ramp::Hold(db) => [math::db_to_gain(*db); QUANTUM],
            Ramp::Move(db) => {
                let mut gains = **db;
                quantum::db_to_gain(class, &mut gains);
                gains
            }
        }
    }

    /// Value at the quantum's last frame.
    pub fn last(&self) -> f64 {
        self.at(QUANTUM - 1)
    }
}

/// A value set but not yet begun: it starts `at` frames into the coming quantum.
#[derive(Clone, Copy, Debug)]
struct Pending {
    to: f64,
    frames: u32,
    at: usize,
}

/// One gliding parameter. Logarithmic scales travel in the logarithm.
#[derive(Clone, Copy, Debug)]
struct Glide {
    quintic: Quintic,
    pending: Option<Pending>,
    log: bool,
    /// Bounds along the way, in the travelling domain.
    bounds: (f64, f64),
    /// The value at rest, exactly as set.
    target: f64,
    moving: bool,
    frames: Frames,
}

impl Glide {
    fn travel(&self, v: f64) -> f64 {
        if self.log { libm::log(v) } else { v }
    }

    fn arrive(&self, x: f64) -> f64 {
        if self.log { libm::exp(x) } else { x }
    }

    /// Audio thread. Works out the values of the coming quantum.
    fn advance(&mut self) {
        self.moving = false;
        if self.pending.is_none() && !self.quintic.is_moving() {
            return;
        }
        let before = self.target;
        for i in 0..QUANTUM {
            if let Some(p) = self.pending.filter(|p| p.at <= i) {
                self.pending = None;
                let to = self.travel(p.to).clamp(self.bounds.0, self.bounds.1);
                self.target = if to == self.travel(p.to) { p.to } else { self.arrive(to) };
                self.quintic.go(to, p.frames);
            }
            let settled = !self.quintic.is_moving();
            let x = self.quintic.next_frame().clamp(self.bounds.0, self.bounds.1);
            let arrived = !self.quintic.is_moving();
            self.frames[i] = if settled && self.pending.is_some() {
                before
            } else if arrived {
                self.target
            } else if self.log {
                libm::exp(x)
            } else {
                x
            };
        }
        self.moving = true;
    }
}

/// The gliding values of one slot. Parameters that do not glide keep their value for reading.
#[derive(Clone, Debug, Default)]
pub struct Glides {
    /// By parameter index; `None` for parameters that do not glide.
    glides: Vec<Option<Glide>>,
    fixed: Vec<f64>,
    /// Number of glides that may be under way: none is the common case and costs nothing.
    active: bool,
}

impl Glides {
    #[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
    pub fn new(table: &ParamTable, values: &Values) -> Self {
        let glide = |(i, spec): (ParamIndex, &crate::param::ParamSpec)| {
            (spec.change == Motion::Glide).then(|| {
                let log = spec.scale == Scale::Log;
                let travel = |v: f64| if log { libm::log(v) } else { v };
                Glide {
                    quintic: Quintic::at(travel(values.get(i))),
                    pending: None,
                    log,
                    bounds: (travel(spec.min), travel(spec.max)),
                    target: values.get(i),
                    moving: false,
                    frames: SILENCE,
                }
            })
        };
        Glides { glides: table.iter().map(glide).collect(), fixed: values.as_slice().to_vec(), active: false }
    }

    /// Audio thread. Sets out for `to`, beginning `at` frames into the coming quantum.
    pub fn go(&mut self, p: ParamIndex, to: f64, frames: u32, at: usize) {
        if let Some(Some(g)) = self.glides.get_mut(p.0 as usize) {
            g.pending = Some(Pending { to, frames, at: at.min(QUANTUM - 1) });
            self.active = true;
        }
    }

    /// Audio thread. Works out the values of the coming quantum; once a quantum.
    pub fn advance(&mut self) {
        if !self.active {
            return;
        }
        self.active = false;
        for g in self.glides.iter_mut().flatten() {
            g.advance();
            self.active |= g.moving;
        }
    }

    /// Audio thread. Takes over the motion of `other`, which has the same table. Never allocates.
    pub fn copy_from(&mut self, other: &Glides) {
        for (to, from) in self.glides.iter_mut().zip(&other.glides) {
            if let (Some(to), Some(from)) = (to, from) {
                *to = *from;
            }
        }
        self.active = other.active;
    }

    /// Audio thread.
    pub fn ramp(&self, p: ParamIndex) -> Ramp<'_> {
        let i = p.0 as usize;
        match self.glides.get(i) {
            Some(Some(g)) if g.moving => Ramp::Move(&g.frames),
            Some(Some(g)) => Ramp::Hold(g.target),
            _ => Ramp::Hold(self.fixed.get(i).copied().unwrap_or(0.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::param::{Unit, float};

    fn glides() -> Glides {
        let table = ParamTable::new(&[
            float("g", "G", Unit::Decibel, (-60.0, 24.0), 0.0),
            float("f", "F", Unit::Hertz, (20.0, 20_000.0), 100.0).log(),
        ]);
        Glides::new(&table, &table.defaults())
    }

    #[test]
    fn a_ramp_begins_on_its_frame_and_ends_exactly() {
        let mut g = glides();
        g.go(ParamIndex(0), -6.0, 100, 10);
        let mut v = Vec::new();
        for _ in 0..3 {
            g.advance();
            v.extend((0..QUANTUM).map(|i| g.ramp(ParamIndex(0)).at(i)));
        }
        assert!(v[..10].iter().all(|x| *x == 0.0), "{:?}", &v[..12]);
        assert!(v[10] < 0.0);
        assert!(v[108] > -6.0 && v[109] == -6.0 && v[191] == -6.0);
        g.advance();
        assert!(!g.ramp(ParamIndex(0)).is_moving());
    }

    #[test]
    fn frequencies_travel_in_octaves() {
        let mut g = glides();
        g.go(ParamIndex(1), 10_000.0, 128, 0);
        g.advance();
        let half = g.ramp(ParamIndex(1)).at(63);
        assert!((half - 1000.0).abs() < 1e-6, "{half}");
        g.advance();
        assert_eq!(g.ramp(ParamIndex(1)).at(63), 10_000.0);
    }
}
