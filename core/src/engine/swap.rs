// SPDX-License-Identifier: MIT OR Apache-2.0
//! An install under way: seats kept, the old span running as a guest, the blend between them.
//! Audio thread.

use super::chain::{Chain, crossfade};
use super::link::Install;
use super::transition::{GuestOp, Patch};
use crate::dsp::ramp::Quintic;
use crate::dsp::{Frames, QUANTUM, SILENCE};

/// Where a swap stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// New steps run unheard for this many more frames.
    Settle(u32),
    /// The blend moves from old to new.
    Fade,
    /// Main is on its way to silence.
    Out,
    /// The blend has switched; silence for this many more frames.
    Hold(u32),
    Done,
}

/// The guest and its way out.
pub struct Swap {
    /// After [`Swap::begin`], `install.chain` is the old chain.
    pub install: Box<Install>,
    phase: Phase,
    weight: Quintic,
    weights: Frames,
}

impl Swap {
    /// Puts the new chain in the old one's place and moves the kept boxes over.
    pub fn begin(mut install: Box<Install>, chain: &mut Box<Chain>) -> Self {
        std::mem::swap(chain, &mut install.chain);
        let (new, old) = (chain, &mut install.chain);
        for &(i, j) in &install.transition.seats {
            if let (Some(a), Some(b)) = (old.steps.get_mut(i), new.steps.get_mut(j)) {
                // An old step that runs no more must not run as a guest either.
                std::mem::swap(&mut a.op, &mut b.op);
            }
        }
        for &(i, j) in &install.transition.slots {
            if let (Some(a), Some(b)) = (old.slots.get(i), new.slots.get_mut(j)) {
                b.glides.copy_from(&a.glides);
                b.faults = a.faults;
            }
        }
        patch(new, &install, true);
        let t = &install.transition;
        let phase = match t.patches.is_empty() {
            true => Phase::Done,
            false => Phase::Settle(t.settle),
        };
        Swap { phase, weight: Quintic::at(0.0), weights: SILENCE, install }
    }

    /// True once the old chain can go home.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// True while main is to be silent for the switch.
    pub fn wants_silence(&self) -> bool {
        matches!(self.phase, Phase::Out | Phase::Hold(_))
    }

    /// Starts a quantum; `silent`: main is silent now. Returns true when the blend switches.
    pub fn advance(&mut self, silent: bool) -> bool {
        let t = &self.install.transition;
        match self.phase {
            Phase::Settle(left) if left > 0 => {
                self.phase = Phase::Settle(left.saturating_sub(QUANTUM as u32));
            }
            Phase::Settle(_) if t.silence => self.phase = Phase::Out,
            Phase::Settle(_) => {
                self.weight.go(1.0, t.fade);
                self.phase = Phase::Fade;
            }
            Phase::Out if silent => {
                self.phase = Phase::Hold(t.hold);
                self.weights = [1.0; QUANTUM];
                return true;
            }
            Phase::Hold(left) if left > 0 => {
                self.phase = Phase::Hold(left.saturating_sub(QUANTUM as u32));
            }
            Phase::Fade if !self.weight.is_moving() => self.phase = Phase::Done,
            Phase::Hold(_) => self.phase = Phase::Done,
            _ => {}
        }
        if self.phase == Phase::Fade {
            self.weight.quantum(&mut self.weights);
        } else if self.phase == Phase::Done {
            self.weights = [1.0; QUANTUM];
        }
        false
    }

    /// Carries out one guest operation. Returns how many units had to be reset.
    pub fn guest(&mut self, op: GuestOp, new: &mut Chain) -> u64 {
        let old = &mut self.install.chain;
        match op {
            GuestOp::Import { from, to } => {
                if let (Some(from), Some(to)) = (new.buses.get(from), old.buses.get_mut(to)) {
                    copy(from, to);
                }
                0
            }
            GuestOp::Run { first, count } => {
                (first..first + count).filter(|&s| old.run_step(s)).count() as u64
            }
            GuestOp::Blend { old: a, new: b, out } => {
                let mut mixed = new.buses.get_mut(out).map(std::mem::take).unwrap_or_default();
                if let (Some(a), Some(b)) = (old.buses.get(a), new.buses.get(b)) {
                    copy(b, &mut mixed);
                    for (m, a) in mixed.iter_mut().zip(a) {
                        crossfade(&self.weights, a, m);
                    }
                }
                if let Some(slot) = new.buses.get_mut(out) {
                    *slot = mixed;
                }
                0
            }
        }
    }

    /// The end: the new chain reads its own buses again, and the old one may go home.
    pub fn finish(self, chain: &mut Chain) -> Box<Install> {
        patch(chain, &self.install, false);
        self.install
    }
}

fn copy(from: &[Frames], to: &mut [Frames]) {
    for (t, f) in to.iter_mut().zip(from) {
        *t = *f;
    }
}

/// Points the patched places at the blends, or back at the buses themselves.
fn patch(chain: &mut Chain, install: &Install, blended: bool) {
    for &(place, blend, own) in &install.transition.patches {
        let bus = if blended { blend } else { own };
        match place {
            Patch::MainOut => chain.main_out = bus,
            Patch::Dry => chain.dry = bus,
            Patch::Arg { step, arg } => {
                if let Some(a) = chain.steps.get_mut(step).and_then(|s| s.ins.get_mut(arg)) {
                    *a = bus;
                }
            }
        }
    }
}
