// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every ring between the control side and the audio thread.
//!
//! A command travels out in a box and the box comes home as an event, so the audio thread frees
//! nothing. It takes a command only while the way home has room for every box that is with it.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use rtrb::{Consumer, Producer, RingBuffer};

use super::Frame;
use super::chain::Chain;
use super::spec::SlotIndex;
use super::tap::{Tap, TapId};
use super::transition::Transition;
use crate::param::ParamIndex;

/// Commands that fit on the way out, and events on the way home.
pub const CAPACITY: usize = 256;

/// One change of one slot.
pub enum Write {
    /// Ramp a gliding parameter to `to` over `frames`.
    Glide { slot: SlotIndex, param: ParamIndex, to: f64, frames: u32 },
    /// Listen to this of a slot's unit, 0 to nothing, instead of what was listened to before.
    Listen { slot: SlotIndex, what: u16 },
    /// Exchange designed parts: an `Option<Parts>` of the slot's unit; what is left in it travels home.
    Parts { slot: SlotIndex, parts: Box<dyn Any + Send> },
}

/// Changes that land together, on one quantum.
pub struct Batch {
    pub revision: u64,
    /// The frame on which the ramps begin; a past frame means at once.
    pub at: Frame,
    pub writes: Box<[Write]>,
}

/// A new chain and how to get there; comes home with the old chain in it.
pub struct Install {
    pub revision: u64,
    pub chain: Box<Chain>,
    pub transition: Transition,
}

/// From the control side.
pub enum Command {
    Apply(Box<Batch>),
    Install(Box<Install>),
    /// Starts copying audio at a point.
    Arm(Box<Tap>),
    /// Stops this tap; it comes home.
    Disarm(TapId),
}

/// Home again.
pub enum Event {
    Applied(Box<Batch>),
    Installed(Box<Install>),
    Disarmed(Box<Tap>),
    /// A command that could not be carried out, whole.
    Refused(Command),
}

/// What the audio thread shows of itself, without a ring.
#[derive(Debug, Default)]
pub struct Status {
    /// Frames processed since the engine was built.
    pub frame: AtomicU64,
    /// The last revision that is in the sound.
    pub applied: AtomicU64,
    /// Input samples that were not audio (NaN, infinite, beyond +80 dBFS) and were replaced by zero.
    pub refused_input: AtomicU64,
    /// Quanta in which a unit was reset because its output was not finite.
    pub resets: AtomicU64,
    /// Frames from main in to main out, without the driver's own.
    pub latency: AtomicUsize,
    /// The revision of the chain that runs; 0 for the first.
    pub chain: AtomicU64,
    /// Taps armed now.
    pub taps: AtomicUsize,
    pub reductions: Reductions,
    /// Chains installed since the start.
    pub installs: AtomicU64,
    /// Ask for silence within 5 ms, until it is taken back.
    pub panic: AtomicBool,
    /// Ask for the 50 ms fade before the end.
    pub closing: AtomicBool,
    /// Main is silent because of either.
    pub silent: AtomicBool,
}

/// Slots that show their gain reduction: every slot of the largest rack, and the rack itself.
pub const SHOWN_SLOTS: usize = 257;

/// The deepest gain reduction of each slot, by its number in the chain that runs, since someone took it.
///
/// Bits of an `f32`, which for positive numbers are in the order of the numbers. 0: nothing was shown;
/// a slot that reduces nothing shows the smallest number there is.
#[derive(Debug)]
pub struct Reductions([AtomicU32; SHOWN_SLOTS]);

impl Default for Reductions {
    fn default() -> Self {
        Reductions(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Reductions {
    /// Audio thread. A reduction in dB, ≥ 0.
    pub fn show(&self, slot: usize, db: f64) {
        let Some(deepest) = self.0.get(slot) else { return };
        let bits = (db as f32).clamp(f32::MIN_POSITIVE, f32::MAX);
        let bits = if bits.is_finite() { bits.to_bits() } else { return };
        if bits > deepest.load(Relaxed) {
            deepest.fetch_max(bits, Relaxed);
        }
    }

    /// Takes the deepest in dB since the last call; `None` if the slot has shown nothing since.
    pub fn take(&self, slot: usize) -> Option<f64> {
        let deepest = self.0.get(slot)?;
        let bits = if deepest.load(Relaxed) == 0 { 0 } else { deepest.swap(0, Relaxed) };
        let db = f32::from_bits(bits);
        (bits > 0).then_some(if db <= f32::MIN_POSITIVE { 0.0 } else { f64::from(db) })
    }
}

/// The control side's end.
pub struct Link {
    pub commands: Producer<Command>,
    pub events: Consumer<Event>,
    pub status: Arc<Status>,
}

/// The audio thread's end.
pub struct AudioLink {
    commands: Consumer<Command>,
    events: Producer<Event>,
    pub status: Arc<Status>,
    /// Boxes taken whose events are still to be sent.
    with_us: usize,
}

/// Both ends.
pub fn link() -> (Link, AudioLink) {
    let (command_in, command_out) = RingBuffer::new(CAPACITY);
    let (event_in, event_out) = RingBuffer::new(CAPACITY);
    let status = Arc::new(Status::default());
    (
        Link { commands: command_in, events: event_out, status: status.clone() },
        AudioLink { commands: command_out, events: event_in, status, with_us: 0 },
    )
}

impl AudioLink {
    /// Audio thread. Looks at the next command, if its way home is free.
    pub fn peek(&self) -> Option<&Command> {
        if self.events.slots() <= self.with_us { None } else { self.commands.peek().ok() }
    }

    /// Audio thread. Takes the next command, if its way home is free; its event is owed from now on.
    pub fn take(&mut self) -> Option<Command> {
        if self.events.slots() <= self.with_us {
            return None;
        }
        let command = self.commands.pop().ok()?;
        self.with_us += 1;
        Some(command)
    }

    /// Audio thread. Sends a box home. There is room: [`take`](Self::take) kept it.
    pub fn home(&mut self, event: Event) {
        self.with_us = self.with_us.saturating_sub(1);
        if let Err(rtrb::PushError::Full(event)) = self.events.push(event) {
            // Cannot happen while every box is counted; leaking beats freeing here.
            std::mem::forget(event);
        }
    }

    /// Audio thread. A command taken that had no box: nothing goes home for it.
    pub fn done(&mut self) {
        self.with_us = self.with_us.saturating_sub(1);
    }

    /// Audio thread.
    pub fn applied(&self, revision: u64) {
        self.status.applied.fetch_max(revision, Relaxed);
    }
}

#[allow(clippy::disallowed_methods, reason = "control side")]
impl Link {
    /// Sends a command, or gives it back if the way out is full.
    pub fn send(&mut self, command: Command) -> Result<(), Command> {
        self.commands.push(command).map_err(|rtrb::PushError::Full(c)| c)
    }

    /// Drops what has come home; control side. Returns the installs that are complete.
    pub fn collect(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.pop().ok()).collect()
    }
}
