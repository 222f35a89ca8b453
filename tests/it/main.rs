// SPDX-License-Identifier: MIT OR Apache-2.0
//! Black-box tests of the daemon: one binary, one module a subject.
mod clients;
mod daemon;
mod jack;
mod jackd;
mod lathed;
