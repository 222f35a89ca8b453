// SPDX-License-Identifier: MIT OR Apache-2.0
//! Black-box tests of the programs, and of what the repository says of itself: one module a subject.
mod alarms;
mod cli;
mod client;
mod clients;
mod convert;
mod daemon;
mod delivery;
mod docs;
mod faults;
mod files;
mod foreign;
mod grpc;
mod hostile;
mod jack;
mod jackd;
mod lathed;
mod layering;
mod layouts;
mod ledger;
mod loud;
mod measure;
mod metrics;
mod music;
mod osc;
mod osc_limits;
mod parity;
mod print;
mod racks;
mod readers;
mod recalls;
mod remote;
mod rtsan;
mod settings;
mod sound;
mod systemd;
mod timing;
mod vorbis;

/// Ends the process on an allocation inside `assert_no_alloc`; nothing else changes.
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
