// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which JACK server: libjack reads its name from the environment. One of the named files with `unsafe`.
//! Main thread, before any other exists.
#![allow(unsafe_code)]

use std::path::Path;

/// libjack's own variable for the server to speak to when none is named.
const VARIABLE: &str = "JACK_DEFAULT_SERVER";

/// Chooses the server `name` for every client of this process.
///
/// Returns false, and changes nothing, where another thread is running already.
pub fn choose(name: &str) -> bool {
    if threads() != Some(1) {
        return false;
    }
    // SAFETY: writing the environment is only unsound while another thread may read it. This process
    // has one thread, the one that is here, as the kernel just said.
    unsafe { std::env::set_var(VARIABLE, name) };
    true
}

/// Threads of this process.
fn threads() -> Option<usize> {
    Some(std::fs::read_dir(Path::new("/proc/self/task")).ok()?.count())
}
