// SPDX-License-Identifier: MIT OR Apache-2.0
//! Between a session's thread, JACK's threads and the supervisor: atomics, and the names of ports.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::Frame;
use lathe_core::rack::plan::RackPlan;

use super::seat::Seat;

/// Most ports of one kind: inputs, main outputs, monitor outputs.
pub const MAX_PORTS: usize = 64;

/// Names of the ports to register, in channel order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNames {
    /// Main inputs, then sidechains.
    pub inputs: Vec<String>,
    pub main: Vec<String>,
    pub monitor: Vec<String>,
    pub(super) main_inputs: usize,
}

impl PortNames {
    pub fn new(plan: &RackPlan) -> Self {
        let names = |prefix: &str| plan.layout.names().iter().map(|n| format!("{prefix}_{n}")).collect();
        let mut inputs: Vec<String> = names("in");
        let main_inputs = inputs.len();
        for port in &plan.sidechains {
            match port.layout.len() {
                1 => inputs.push(format!("sidechain_{}", port.name)),
                _ => {
                    inputs.extend(port.layout.names().iter().map(|n| format!("sidechain_{}_{n}", port.name)))
                }
            }
        }
        PortNames { inputs, main: names("out"), monitor: names("monitor"), main_inputs }
    }
}

/// How far a session is. Goes up only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// No server has answered yet.
    Waiting,
    /// Opened, ports registered, rate and period known; waits for the engine.
    Opened,
    /// The engine sits in the seat.
    Seated,
    /// Audio runs.
    Active,
    /// Closed; the thread has ended.
    Over,
}

/// Between the session's thread, JACK's threads and the supervisor.
#[derive(Default)]
pub struct Shared {
    pub seat: Seat,
    phase: AtomicU8,
    pub rate: AtomicU32,
    pub period: AtomicU32,
    pub xruns: AtomicU64,
    /// Frames of the engine, without the driver's own.
    pub engine_latency: AtomicUsize,
    /// Latencies are to be computed anew.
    pub recompute: AtomicBool,
    /// The server is gone, or no longer the one that was opened.
    pub gone: AtomicBool,
    pub stop: AtomicBool,
    /// Attempts that no server answered.
    pub attempts: AtomicU64,
    /// A server answered, but did not take us: as a rule another client has our name.
    pub refused: AtomicBool,
    /// The transport: 0 not known, 1 stopped, 2 rolling.
    rolling: AtomicU8,
    origin: [AtomicU64; 2],
    /// Odd while an origin is being written.
    origins: AtomicU64,
}

impl Shared {
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Waiting,
            1 => Phase::Opened,
            2 => Phase::Seated,
            3 => Phase::Active,
            _ => Phase::Over,
        }
    }

    /// Goes on to `phase`, never back.
    pub fn advance(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
    }

    /// Frames from our inputs to our outputs at the current period.
    pub fn latency(&self) -> u32 {
        let period = self.period.load(Ordering::Relaxed) as usize;
        let ours = if period.is_multiple_of(QUANTUM) { 0 } else { QUANTUM };
        (self.engine_latency.load(Ordering::Relaxed) + ours) as u32
    }

    /// What the server's transport does, as it was last looked at.
    pub fn rolling(&self) -> Option<bool> {
        match self.rolling.load(Ordering::Relaxed) {
            0 => None,
            n => Some(n == 2),
        }
    }

    pub(super) fn set_rolling(&self, rolling: bool) {
        self.rolling.store(1 + u8::from(rolling), Ordering::Relaxed);
    }

    /// Audio thread. The engine's frame `engine` went in at JACK's frame time `jack`.
    pub fn set_origin(&self, engine: Frame, jack: u32) {
        self.origins.fetch_add(1, Ordering::AcqRel);
        self.origin[0].store(engine, Ordering::Release);
        self.origin[1].store(u64::from(jack), Ordering::Release);
        self.origins.fetch_add(1, Ordering::AcqRel);
    }

    /// The last origin, once it is not `known`: its number, the engine's frame and JACK's frame time of
    /// the same sample. `None` while it is being written, too.
    pub fn origin_after(&self, known: u64) -> Option<(u64, Frame, u64)> {
        let n = self.origins.load(Ordering::Acquire);
        let origin = (n, self.origin[0].load(Ordering::Acquire), self.origin[1].load(Ordering::Acquire));
        let whole = n.is_multiple_of(2) && self.origins.load(Ordering::Acquire) == n;
        (whole && n != known).then_some(origin)
    }

    pub(super) fn should_end(&self) -> bool {
        self.stop.load(Ordering::Acquire) || self.gone.load(Ordering::Acquire)
    }
}
