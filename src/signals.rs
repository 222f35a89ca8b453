// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signal dispositions that std does not offer. One of the named files with `unsafe`.
#![allow(unsafe_code)]

/// A closed pipe ends the command line quietly instead of panicking in a print.
pub fn reset_sigpipe() {
    // SAFETY: called first thing in main, before any other thread exists; SIG_DFL is always valid.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
