// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon: flags, then `daemon::run`.

use clap::Parser;

fn main() {
    let flags = lathed::daemon::Flags::parse();
    std::process::exit(lathed::daemon::run(flags));
}
