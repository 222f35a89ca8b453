// SPDX-License-Identifier: MIT OR Apache-2.0
//! Conformance of the instruments: the cases of the EBU, synthesised, independent meters, and time.
//!
//! The EBU's tables are quoted from secondary sources. Besides the standard's tolerance, each case is held
//! to ±0.01 LU of what its segments amount to exactly.

mod bars;
mod classic;
mod definition;
mod dynamics;
mod field;
mod instruments;
mod integrator;
mod kweight;
mod last;
mod long_term;
mod meter;
mod octaves;
mod oracle;
mod programme;
mod rates;
pub mod signals;
mod spectrum;
mod tech3341;
mod tech3342;
mod transfer;
mod true_peak;
