// SPDX-License-Identifier: MIT OR Apache-2.0
//! Everything that is sound and document in the lathe mastering rack; no sockets, no async, no files.
//!
//! Read top to bottom; a module may use only those above it (see `docs/architecture.md`).
//!
//! | module | what it is |
//! |---|---|
//! | [`param`] | what a control is: its name, unit, range, scale, default and how a change is made |
//! | [`dsp`] | kernels: samples in, samples out; they know no rack, no slot and no parameter |
//! | [`units`] | the processors a rack can hold, one file each, and the `CATALOG` that lists them |
//! | [`analysis`] | instruments: samples in, readings out; off the audio thread |
//! | [`rack`] | the rack as a document: layout (as written), plan (checked), addresses |
//! | [`engine`] | the real-time half: chain, quantum, ramps, swap, taps and the rings to the control side |

pub mod analysis;
pub mod dsp;
pub mod engine;
pub mod param;
pub mod rack;
pub mod units;
