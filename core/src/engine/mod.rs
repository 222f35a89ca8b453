// SPDX-License-Identifier: MIT OR Apache-2.0
//! The real-time half: one engine, driven by JACK, the built-in clock or the offline renderer.
//!
//! | file | what it is | thread |
//! |---|---|---|
//! | [`build`] | checked rack → flat chain, boxes and all | control |
//! | [`spec`] | what a built chain looks like, for the control side to compare | control |
//! | [`transition`] | how one chain becomes another without a click | control |
//! | [`chain`] | the flat list of steps over numbered buses | audio |
//! | [`swap`] | an install under way: seats kept, the old span running as a guest | audio |
//! | [`engine`] | one quantum: commands, chain, guard, outputs, taps | audio |
//! | [`quantum`] | any period in, whole quanta inside | audio |
//! | [`output`] | the guard at the input, the fade to silence at main | audio |
//! | [`monitor`] | the monitor output: its source, level, dim, mute, mono | audio |
//! | [`listen`] | which slot is listened to | audio |
//! | [`link`] | every ring between the two sides | both |
//! | [`response`] | gain and phase of a rack or slot, measured | control |
//! | [`tap`] | audio copied out for those who only look at it | both |
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

pub mod build;
pub mod chain;
mod denormals;
#[allow(clippy::module_inception, reason = "the file of the type of that name")]
pub mod engine;
pub mod link;
pub mod listen;
pub mod monitor;
pub mod output;
pub mod quantum;
pub mod response;
pub mod spec;
pub mod swap;
pub mod tap;
pub mod transition;

pub use build::{BuildError, Built, build, design_slot};
pub use chain::Chain;
pub use engine::Engine;
pub use link::{Batch, Command, Event, Install, Link, Status, Write, link};
pub use quantum::{Periods, Ports};
pub use spec::{ChainSpec, SlotIndex};
pub use tap::{TapPoint, TapReader};
pub use transition::{Transition, transition};

/// A frame of the engine: sample times counted from its start.
pub type Frame = u64;
