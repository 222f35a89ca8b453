// SPDX-License-Identifier: MIT OR Apache-2.0
//! Attack and release of a gain reduction in dB: the decoupled smoother and the design of its constants.
//!
//! Smoother after Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design", JAES
//! 60(6) 2012: a peak holder that lets go with the release, then a one-pole with the attack. In the
//! paper both poles slow the release; here the constants are solved so that the *stated* times are
//! those of the whole path, and where the release is the shorter one the second pole falls faster than
//! it rises. It changes over where its slope is zero, so there is no corner.

use super::Frames;
use super::math::one_pole;

/// One minus the pole of each stage: `y += c (x − y)`, per frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ballistics {
    /// Second stage, rising.
    pub attack: f64,
    /// Second stage, falling.
    pub fall: f64,
    /// Peak holder.
    pub release: f64,
    /// Mean of the squares; 1 for a peak detector.
    pub rms: f64,
}

/// The times reached, in seconds, where the stated ones cannot be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reached {
    pub attack: f64,
    pub release: f64,
}

/// Part of a change that is still to come at the stated time.
const REST: f64 = 0.367_879_441_171_442_33;
/// The change for which the times of an RMS detector are stated: from silence to this many dB over the
/// threshold, and back. (A peak detector has the same times for any change.)
const REFERENCE_DB: f64 = 10.0;
/// Steps in which the path of an RMS detector is followed up to the stated time.
const STEPS: usize = 1000;

impl Ballistics {
    /// Control side. Times in seconds; `rms` is the time constant of the mean, `None` for a peak
    /// detector. An RMS detector may be slower than the times asked for: see [`Reached`].
    pub fn design(rate: f64, attack: f64, release: f64, rms: Option<f64>) -> (Self, Reached) {
        let c = |seconds: f64| 1.0 - one_pole(seconds, rate);
        let (tau_a, tau_r, reached) = match rms {
            None => {
                let n = release * rate;
                let tau_r = solve(release, |t| falling(one_pole(t.min(attack), rate), one_pole(t, rate), n));
                (attack, tau_r, Reached { attack, release })
            }
            Some(window) => solve_rms(attack, release, window),
        };
        let b = Ballistics {
            attack: c(tau_a),
            fall: c(tau_r.min(tau_a)),
            release: c(tau_r),
            rms: rms.map_or(1.0, c),
        };
        (b, reached)
    }

    pub fn as_array(self) -> [f64; 4] {
        [self.attack, self.fall, self.release, self.rms]
    }

    pub fn from_array([attack, fall, release, rms]: [f64; 4]) -> Self {
        Ballistics { attack, fall, release, rms }
    }
}

/// What is left of a reduction after `n` frames of falling through both poles.
fn falling(fall: f64, release: f64, n: f64) -> f64 {
    // Two equal poles are the limit of two that differ a little.
    let r = if release - fall < 1e-7 * (1.0 - release) { release + 1e-7 * (1.0 - release) } else { release };
    let k = (1.0 - fall) * r / (r - fall);
    k * libm::pow(r, n) + (1.0 - k) * libm::pow(fall, n)
}

/// The time constant in 0..=`most` at which `rest`, which grows with it, is [`REST`]; 0 if none is.
fn solve(most: f64, rest: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..50 {
        let mid = 0.5 * (low + high);
        if rest(mid) > REST { high = mid } else { low = mid }
    }
    0.5 * (low + high)
}

/// Constants (attack, release) behind an RMS detector, and the times they reach.
fn solve_rms(attack: f64, release: f64, window: f64) -> (f64, f64, Reached) {
    let db = 10.0 / std::f64::consts::LN_10;
    // The share of the reference reduction that the detector asks for, t seconds after a step.
    let up = |t: f64| (1.0 + db * libm::log1p(-libm::exp(-t / window)) / REFERENCE_DB).max(0.0);
    let down = |t: f64| (1.0 - db * (t / window) / REFERENCE_DB).max(0.0);
    // The detector alone: up to 63 % and down to 37 %.
    let fastest_up = -window * libm::log1p(-libm::exp(-REST * REFERENCE_DB / db));
    let fastest_down = window * (1.0 - REST) * REFERENCE_DB / db;
    let reached = Reached { attack: attack.max(fastest_up), release: release.max(fastest_down) };
    let tau_a = solve(reached.attack, |tau| {
        let (mut y, dt) = (0.0, reached.attack / STEPS as f64);
        let p = one_pole(tau, 1.0 / dt);
        for i in 0..STEPS {
            let x = up((i as f64 + 0.5) * dt);
            y = x + (y - x) * p;
        }
        1.0 - y
    });
    let tau_r = solve(reached.release, |tau| {
        let (mut held, mut y, dt) = (1.0f64, 1.0f64, reached.release / STEPS as f64);
        let (pr, pf) = (one_pole(tau, 1.0 / dt), one_pole(tau.min(tau_a), 1.0 / dt));
        for i in 0..STEPS {
            let x = down((i as f64 + 0.5) * dt);
            let next = x.max(x + (held - x) * pr);
            let mid = 0.5 * (held + next);
            held = next;
            y = mid + (y - mid) * pf;
        }
        y
    });
    (tau_a, tau_r, reached)
}

/// One channel's smoother. Values are reductions in dB, ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decoupled {
    /// Output of the peak holder.
    held: f64,
    /// Output of the second stage: the reduction applied.
    y: f64,
}

/// Reductions below this in dB are none, so that the gain comes back to exactly 1.
const NOTHING_DB: f64 = 1e-12;

impl Decoupled {
    pub fn reset(&mut self) {
        *self = Decoupled::default();
    }

    /// Audio thread. One quantum in place, with the constants of each frame.
    #[inline(always)]
    pub fn process(&mut self, x: &mut Frames, c: impl Fn(usize) -> Ballistics) {
        let Decoupled { mut held, mut y } = *self;
        for (i, v) in x.iter_mut().enumerate() {
            let c = c(i);
            let let_go = held + c.release * (*v - held);
            held = if *v > let_go { *v } else { let_go };
            let up = held - y;
            y += if up > 0.0 { c.attack } else { c.fall } * up;
            *v = y;
        }
        *self =
            if held < NOTHING_DB && y < NOTHING_DB { Decoupled::default() } else { Decoupled { held, y } };
    }

    /// True when nothing is reduced and nothing is under way.
    pub fn is_at_rest(&self) -> bool {
        self.held == 0.0 && self.y == 0.0
    }
}
