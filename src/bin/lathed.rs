// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon: flags, then `daemon::run`.

fn main() {}
