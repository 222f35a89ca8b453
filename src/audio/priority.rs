// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real-time rights for the clock's thread. One of the named files with `unsafe`. Clock thread, once.
#![allow(unsafe_code)]

/// Below what JACK's own threads take.
const PRIORITY: libc::c_int = 5;

/// Asks for SCHED_FIFO for the calling thread. True if it was granted; without it the clock still runs.
pub fn ask_for_fifo() -> bool {
    let param = libc::sched_param { sched_priority: PRIORITY };
    // SAFETY: 0 is the calling thread, and `param` is a valid value that is only read during the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &param) == 0 }
}
