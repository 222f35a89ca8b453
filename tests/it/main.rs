// SPDX-License-Identifier: MIT OR Apache-2.0
//! Black-box tests of the programs, and of what the repository says of itself.
mod cli;
mod docs;
mod files;
mod layering;
mod racks;
