// SPDX-License-Identifier: MIT OR Apache-2.0
//! Points for a goniometer: so few that they can be sent, and every peak among them.
//!
//! Samples of a pair are thinned to short stretches of time, each as two points: its first sample, so that the
//! figure is filled as the sound fills it, and the one farthest from the middle. A reader asks for at most so
//! many points of all since it last asked; stretches are then joined, and the farthest of them stays. So a peak
//! of one sample reaches a reader at 60 Hz and one at 1 Hz alike. Points are f32 for the wire.

use std::collections::VecDeque;

use super::spectrum_settings::{Refused, Source, check_rate, finite, within};
use crate::dsp::{Frames, QUANTUM};

/// Points that a reading may have at most.
pub const POINTS: (f64, f64) = (16.0, 512.0);
/// Seconds that are kept for slow readers.
const KEPT_SECONDS: f64 = 2.5;

/// What the two numbers of a point are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Axes {
    #[default]
    LeftRight,
    /// Half the sum and half the difference, left less right.
    MidSide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeSettings {
    /// The pair of channels, counted from 0.
    pub left: usize,
    pub right: usize,
    pub axes: Axes,
    /// Most points of a reading.
    pub points: usize,
}

impl ScopeSettings {
    /// Left and right, 512 points.
    pub fn new(left: usize, right: usize) -> Self {
        ScopeSettings { left, right, axes: Axes::LeftRight, points: 512 }
    }
}

/// One reader's place in the scope's time.
#[derive(Clone, Copy, Debug)]
pub struct ScopeReader {
    next: u64,
    missed: u64,
}

impl ScopeReader {
    /// Its first reading covers what comes from now on.
    pub fn new(scope: &Scope) -> Self {
        ScopeReader { next: scope.next, missed: scope.missed }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeReadings {
    /// In order of time.
    pub points: Vec<[f32; 2]>,
    /// Indices of points before which audio is missing: no line leads there.
    pub breaks: Vec<u32>,
    /// Frames since this reader's last read that none of the points stands for.
    pub frames_missed: u64,
}

/// A short stretch of time.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: [f64; 2],
    far: [f64; 2],
    frames: u32,
    after_gap: bool,
}

fn radius([a, b]: [f64; 2]) -> f64 {
    a * a + b * b
}

impl Stretch {
    /// This one and the next.
    fn and(self, next: &Stretch) -> Stretch {
        let far = if radius(next.far) > radius(self.far) { next.far } else { self.far };
        Stretch { far, frames: self.frames + next.frames, ..self }
    }
}

#[derive(Clone, Debug)]
pub struct Scope {
    settings: ScopeSettings,
    /// Frames of a stretch, a part of a quantum.
    length: usize,
    kept: usize,
    ring: VecDeque<Stretch>,
    /// Number of the stretch that comes next.
    next: u64,
    gap: bool,
    missed: u64,
}

impl Scope {
    /// For a tap of so many channels at a rate in Hz.
    pub fn new(rate: u32, channels: usize, settings: &ScopeSettings) -> Result<Self, Refused> {
        check_rate(rate)?;
        Source::Mid(settings.left, settings.right).check(channels)?;
        within("points", settings.points as f64, POINTS, "")?;
        // About 12 000 stretches a second: more than 60 readings a second can show.
        let length = ((rate / 12_000).next_power_of_two() as usize).min(QUANTUM);
        let kept = (KEPT_SECONDS * f64::from(rate)) as usize / length;
        let ring = VecDeque::with_capacity(kept);
        Ok(Scope { settings: *settings, length, kept, ring, next: 0, gap: false, missed: 0 })
    }

    /// Forgets the past; readers stay valid.
    pub fn reset(&mut self) {
        self.ring.clear();
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let (left, right) = (finite(&audio[self.settings.left]), finite(&audio[self.settings.right]));
        for (l, r) in left.chunks(self.length).zip(right.chunks(self.length)) {
            let one = |(l, r): (&f64, &f64)| {
                let point = [*l, *r];
                Stretch { first: point, far: point, frames: 1, after_gap: false }
            };
            let mut samples = l.iter().zip(r).map(one);
            let Some(first) = samples.next() else { return };
            let mut stretch = samples.fold(first, |s, next| s.and(&next));
            stretch.after_gap = std::mem::take(&mut self.gap);
            if self.ring.len() == self.kept {
                self.ring.pop_front();
            }
            self.ring.push_back(stretch);
            self.next += 1;
        }
    }

    /// These many frames were missed before what comes next.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.gap = true;
    }

    /// The points since this reader's last read.
    pub fn read(&self, reader: &mut ScopeReader) -> ScopeReadings {
        let oldest = self.next - self.ring.len() as u64;
        let lost = oldest.saturating_sub(reader.next);
        let from = (reader.next.max(oldest) - oldest) as usize;
        let new = self.ring.range(from..);
        let mut r = ScopeReadings {
            frames_missed: self.missed - reader.missed + lost * self.length as u64,
            ..ScopeReadings::default()
        };
        *reader = ScopeReader::new(self);
        // Two points a group. A group ends at a gap: leave room for those.
        let gaps = new.clone().filter(|s| s.after_gap).count();
        let groups = (self.settings.points / 2).saturating_sub(gaps).max(1);
        let most = new.len().div_ceil(groups);
        let mut group: Option<(Stretch, usize)> = None;
        for s in new {
            group = Some(match group {
                Some((g, count)) if count < most && !s.after_gap => (g.and(s), count + 1),
                full => {
                    full.into_iter().for_each(|(g, _)| self.show(&g, &mut r));
                    (*s, 1)
                }
            });
        }
        group.into_iter().for_each(|(g, _)| self.show(&g, &mut r));
        r
    }

    /// A group as its points. More gaps than points: the last groups are only counted.
    fn show(&self, group: &Stretch, r: &mut ScopeReadings) {
        if r.points.len() + 2 > self.settings.points {
            r.frames_missed += u64::from(group.frames);
            return;
        }
        if group.after_gap {
            r.breaks.push(r.points.len() as u32);
        }
        r.points.push(self.point(group.first));
        if group.far != group.first {
            r.points.push(self.point(group.far));
        }
    }

    fn point(&self, [l, r]: [f64; 2]) -> [f32; 2] {
        match self.settings.axes {
            Axes::LeftRight => [l as f32, r as f32],
            Axes::MidSide => [(0.5 * (l + r)) as f32, (0.5 * (l - r)) as f32],
        }
    }
}
