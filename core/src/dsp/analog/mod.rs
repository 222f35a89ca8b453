// SPDX-License-Identifier: MIT OR Apache-2.0
//! Analog prototypes, and digital filters that have their magnitude at any sample rate. Control side.
//!
//! [`Prototype`] says what is wanted, [`matched`] finds sections for a rate and tells how near they come.
//! A section in closed form is taken where it is good enough, else the poles and zeros are mapped and what
//! is missing is fitted.

pub mod closed;
mod matched;
mod polish;
mod prototype;
#[cfg(test)]
mod tests;

pub use matched::{FIT_TOP, Matched, mapped_poles, matched};
pub use prototype::{
    AIM_DB, FILTER_AIM_DB, Factor, MAX_STAGES, PROPORTIONAL_TOP_DB, Prototype, Stage, proportional_q,
    root_gain, slope_q,
};
