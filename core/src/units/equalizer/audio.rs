// SPDX-License-Identifier: MIT OR Apache-2.0
//! The equaliser's audio half: two cascades, of which one is heard, and how the other takes its place.
//!
//! A new design first runs unheard beside the heard one for the lesser of 6 τ and 25 ms (but 2 ms at
//! least), τ being the longest time constant from the first changed band on, and then fades in over 20 ms. The output is
//! `(1 − w)·now + w·coming`, exactly one of them at either end. Each band of the coming cascade starts
//! in one of three ways:
//!
//! - **kept**: the band did not change; it copies the state and is never disturbed;
//! - **turned**: same shape and place, near in frequency, and slow; it copies the state and its
//!   coefficients travel from old to new, so that what a long resonance has gathered is not lost;
//! - **woken**: anything else starts without a past. Its integrators hear the input rise along a smooth
//!   curve, and its output takes over from what the heard cascade has at this band's place, so that
//!   neither it nor the bands behind it are struck.
//!
//! Rising, turning and taking over are done before the fade begins.

use super::cascade::{Cascade, Routes};
use super::design::{Design, PLACES};
use super::{BANDS, P};
use crate::dsp::math::db_to_gain;
use crate::dsp::ramp::Quintic;
use crate::dsp::svf::{self, State};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::{Block, Format, Unit, ramp_frames};

/// Longest unheard run in ms.
const RUN_MS: f64 = 25.0;

/// Shortest unheard run in ms, so that very fast bands do not rise with a click.
const LEAST_RUN_MS: f64 = 2.0;

/// Time of the fade in ms; where slow bands start without a past, so many of their time constants, so
/// that they are heard as they fill, but no longer than this.
const FADE_MS: f64 = 20.0;
const FADE_TAUS: f64 = 3.0;
const LONGEST_FADE_MS: f64 = 250.0;

/// Bands slower than this many ms are turned, faster ones woken: their past is gone sooner than heard.
const SLOW_MS: f64 = 5.0;

/// A band is turned if its poles change frequency by less than this factor and are damped by less than
/// this factor more: a strong resonance that is to be a weak one is better woken.
const NEAR: f64 = 2.0;

/// Share of the unheard run in which bands rise, turn and take over; the rest is for settling.
const RISE: f64 = 0.5;

/// How a band of the coming cascade begins; see the top of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    Kept,
    Turned,
    Woken,
}

/// The taking over of the coming cascade.
struct Change {
    starts: [Start; BANDS],
    /// Frames since the start; negative while it waits for its first frame.
    pos: i64,
    /// Frames in which the bands rise, turn and take over.
    rise: i64,
    /// Frames before the fade.
    run: i64,
    /// Share of the coming cascade in the output.
    fade: Quintic,
    /// Share of the way of rising bands, this quantum.
    share: Frames,
}

/// Audio half. Boxes inside: heard, coming, next and the spent ones, never more than three altogether.
pub struct EqualizerUnit {
    routes: Routes,
    now: Cascade,
    coming: Cascade,
    /// Waits until `coming` is heard; a newer one takes its seat.
    next: Option<Box<Design>>,
    /// Spent designs on their way home.
    spent: [Option<Box<Design>>; 2],
    change: Change,
    /// The coming cascade's audio.
    side: Vec<Frames>,
    run_frames: f64,
    slow_frames: f64,
    least_run: f64,
    fade_frames: u32,
    longest_fade: u32,
}

impl EqualizerUnit {
    #[allow(clippy::disallowed_macros, reason = "control side: built before it runs")]
    pub(super) fn new(format: &Format, design: Box<Design>) -> Self {
        let states = || vec![[State::default(); PLACES]; format.channels()];
        EqualizerUnit {
            routes: Routes::new(format),
            now: Cascade { design: Some(design), states: states() },
            coming: Cascade { design: None, states: states() },
            next: None,
            spent: [None, None],
            change: Change {
                starts: [Start::Kept; BANDS],
                pos: 0,
                rise: 0,
                run: 0,
                fade: Quintic::at(0.0),
                share: SILENCE,
            },
            side: vec![SILENCE; format.channels()],
            run_frames: RUN_MS * 1e-3 * format.rate(),
            slow_frames: SLOW_MS * 1e-3 * format.rate(),
            least_run: LEAST_RUN_MS * 1e-3 * format.rate(),
            fade_frames: ramp_frames(FADE_MS, format.sample_rate),
            longest_fade: ramp_frames(LONGEST_FADE_MS, format.sample_rate),
        }
    }

    /// Audio thread. Sets the coming cascade going, `at` frames into the coming quantum.
    fn begin(&mut self, design: Box<Design>, at: usize) {
        let Some(now) = &self.now.design else {
            self.now.design = Some(design);
            return;
        };
        let (mut changed, mut tau, mut woken_tau) = (false, 0.0f64, 0.0f64);
        for band in 0..BANDS {
            let start = self.start_of(now, &design, band);
            if start == Start::Woken {
                woken_tau = woken_tau.max(design.bands[band].tau);
            }
            changed |= start != Start::Kept;
            if changed {
                tau = tau.max(design.bands[band].tau);
            }
            self.change.starts[band] = start;
        }
        for (coming, now) in self.coming.states.iter_mut().zip(&self.now.states) {
            for (place, (new, old)) in coming.iter_mut().zip(now).enumerate() {
                let woken = self.change.starts[place / crate::dsp::filters::MAX_SECTIONS] == Start::Woken;
                *new = if woken { State::default() } else { *old };
            }
        }
        let run = if changed { (6.0 * tau).max(self.least_run).min(self.run_frames) } else { 0.0 };
        self.change.pos = -(at as i64);
        self.change.run = run as i64;
        self.change.rise = (run * RISE) as i64;
        self.change.fade = Quintic::at(0.0);
        let fade = ((FADE_TAUS * woken_tau) as u32).clamp(self.fade_frames, self.longest_fade);
        self.change.fade.go(1.0, if changed { fade } else { 0 });
        // Its seat is empty: nothing is dropped here.
        debug_assert!(self.coming.design.is_none());
        self.coming.design = Some(design);
    }

    fn start_of(&self, now: &Design, new: &Design, band: usize) -> Start {
        let (a, b) = (&now.bands[band], &new.bands[band]);
        if now.same_band(new, band) {
            return Start::Kept;
        }
        let near = |p: &u8| {
            let (f, g) = (&now.sections[usize::from(*p)], &new.sections[usize::from(*p)]);
            f.g < NEAR * g.g && g.g < NEAR * f.g && g.k < NEAR * f.k
        };
        let alike = a.len == b.len && a.shape == b.shape && a.route == b.route && b.len > 0;
        if alike && b.tau > self.slow_frames && new.band_places(band).iter().all(near) {
            Start::Turned
        } else {
            Start::Woken
        }
    }

    /// Audio thread. One quantum with both cascades.
    fn process_change(&mut self, audio: &mut [Frames]) {
        let c = &mut self.change;
        self.side.copy_from_slice(audio);
        if c.pos < c.rise {
            for (i, s) in c.share.iter_mut().enumerate() {
                *s = rise((c.pos + 1 + i as i64) as f64 / (c.rise + 1) as f64);
            }
            for band in 0..BANDS {
                self.now.run_band(band, &self.routes, audio);
                start_band(&self.now, &mut self.coming, c, band, &self.routes, audio, &mut self.side);
            }
        } else {
            self.now.run(&self.routes, audio);
            self.coming.run(&self.routes, &mut self.side);
        }
        for i in 0..QUANTUM {
            if c.pos >= c.run {
                let w = c.fade.next_frame();
                for (a, b) in audio.iter_mut().zip(&self.side) {
                    a[i] = (1.0 - w) * a[i] + w * b[i];
                }
            }
            c.pos += 1;
        }
        if !c.fade.is_moving() {
            self.arrive();
        }
    }

    /// Audio thread. The coming cascade is the heard one; the next sets out.
    fn arrive(&mut self) {
        std::mem::swap(&mut self.now, &mut self.coming);
        let old = self.coming.design.take();
        self.put_away(old);
        if let Some(next) = self.next.take() {
            self.begin(next, 0);
        }
    }

    fn put_away(&mut self, old: Option<Box<Design>>) {
        if old.is_some() {
            // Of three boxes one is heard, so there is always a seat.
            if let Some(seat) = self.spent.iter_mut().find(|s| s.is_none()) {
                *seat = old;
            } else {
                debug_assert!(false, "no seat for a spent design");
                std::mem::forget(old);
            }
        }
    }
}

/// Audio thread. One quantum of a band of the coming cascade while bands begin. `heard` is what the
/// heard cascade has behind this band.
fn start_band(
    now: &Cascade,
    coming: &mut Cascade,
    c: &Change,
    band: usize,
    routes: &Routes,
    heard: &[Frames],
    audio: &mut [Frames],
) {
    let start = c.starts[band];
    if start == Start::Kept {
        return coming.run_band(band, routes, audio);
    }
    let (Some(old), Some(new)) = (&now.design, &coming.design) else { return };
    for (lane, states) in routes.of(new.bands[band].route).iter().zip(&mut coming.states) {
        let mut x = lane.read(audio);
        for place in new.band_places(band).iter().map(|p| usize::from(*p)) {
            let state = &mut states[place];
            match start {
                Start::Turned => {
                    svf::morph(&old.sections[place], &new.sections[place], &c.share, state, &mut x);
                }
                _ => svf::wake(&new.coefs[place], &c.share, state, &mut x),
            }
        }
        lane.write(audio, &x);
    }
    if start == Start::Woken {
        for (x, h) in audio.iter_mut().zip(heard) {
            for i in 0..QUANTUM {
                x[i] = (1.0 - c.share[i]) * h[i] + c.share[i] * x[i];
            }
        }
    }
}

/// From 0 to 1 with three derivatives zero at both ends: `u⁴(35 − 84u + 70u² − 20u³)`.
fn rise(u: f64) -> f64 {
    let u = u.clamp(0.0, 1.0);
    let u2 = u * u;
    u2 * u2 * (35.0 - 84.0 * u + 70.0 * u2 - 20.0 * (u2 * u))
}

#[cfg(test)]
impl EqualizerUnit {
    pub(super) fn heard(&self) -> Option<&Design> {
        self.now.design.as_deref()
    }
}

impl Unit for EqualizerUnit {
    type Parts = Box<Design>;

    fn exchange(&mut self, parts: &mut Option<Box<Design>>, at: usize) {
        let home = match parts.take() {
            None => None,
            Some(new) if self.coming.design.is_none() => {
                self.begin(new, at);
                None
            }
            Some(new) => self.next.replace(new),
        };
        *parts = match home {
            Some(old) => Some(old),
            None => self.spent.iter_mut().find_map(Option::take),
        };
    }

    fn process(&mut self, block: &mut Block<'_>) {
        if self.coming.design.is_some() {
            self.process_change(block.audio);
        } else {
            self.now.run(&self.routes, block.audio);
        }
        let output = block.ramp(P::Output);
        if output.is_moving() || output.last() != 0.0 {
            let gain: Frames = std::array::from_fn(|i| db_to_gain(output.at(i)));
            for audio in block.audio.iter_mut() {
                audio.iter_mut().zip(&gain).for_each(|(x, g)| *x *= g);
            }
        }
    }

    fn reset(&mut self) {
        if let Some(newest) = self.next.take().or_else(|| self.coming.design.take()) {
            let (old, coming) = (self.now.design.replace(newest), self.coming.design.take());
            self.put_away(old);
            self.put_away(coming);
        }
        self.now.clear();
        self.coming.clear();
    }
}
