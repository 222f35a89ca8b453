// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conformance of the instruments: the cases of the EBU, synthesised, an independent meter, and time.
//!
//! The EBU's tables are quoted from secondary sources. Besides the standard's tolerance, each case is held
//! to ±0.02 LU of what its segments amount to exactly.

mod kweight;
mod meter;
mod oracle;
pub(super) mod signals;
mod speed;
mod tech3341;
mod tech3342;
mod true_peak;
