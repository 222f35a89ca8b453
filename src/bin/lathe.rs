// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe`: flags, then hand over to `cli`.

fn main() -> std::process::ExitCode {
    lathed::signals::reset_sigpipe();
    lathed::cli::run().into()
}
