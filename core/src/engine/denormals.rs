// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flush-to-zero and denormals-are-zero around a period. One of the named files with `unsafe`.
#![allow(unsafe_code)]

/// Audio thread. Runs `work` with denormals off and puts the mode back.
///
/// The argument: the compiler assumes the default floating-point environment. FTZ and DAZ only change
/// results that are or would be subnormal; the code inside computes audio with basic operations, makes
/// no decision on a subnormal being non-zero, and no value computed outside is reused inside in a way
/// that folding under the default mode would change by more than such a subnormal.
#[inline(always)]
pub fn without_denormals<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: see above; the guard inside the crate restores MXCSR (FPCR) on the way out.
    unsafe { no_denormals::no_denormals(work) }
}
