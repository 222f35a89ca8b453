// SPDX-License-Identifier: MIT OR Apache-2.0
//! Black-box tests of the daemon: one binary, one module a subject.
mod clients;
mod daemon;
mod faults;
mod jack;
mod jackd;
mod lathed;
mod music;
mod rtsan;

/// Ends the process on an allocation inside `assert_no_alloc`; nothing else changes.
#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;
