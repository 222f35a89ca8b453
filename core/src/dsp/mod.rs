// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kernels: samples in, samples out. Each knows its rate and its settings in user units, nothing else.
//!
//! The order is the same in every file: `new`, setters, `reset`, `process`, `latency`, readouts.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

pub mod adaa;
pub mod analog;
pub mod ballistics;
pub mod ballistics_glide;
pub mod box_cascade;
pub mod convolver;
pub mod crossover;
pub mod curves;
pub mod delay;
pub mod dither;
pub mod fft;
pub mod filters;
pub mod flux;
pub mod half_period;
pub mod harmonics;
pub mod highpass;
pub mod hysteresis;
pub mod knee;
pub mod kweight;
pub mod linear_phase;
pub mod math;
pub mod noise_shaper;
pub mod oversample;
pub mod quadrature;
pub mod quantum_ring;
pub mod ramp;
pub mod random;
pub mod remez;
pub mod resample;
pub mod shaping;
pub mod simd;
pub mod sliding_min;
pub mod soft_knee;
pub mod stretches;
pub mod svf;
pub mod tape_heads;
pub mod true_peak;
pub mod tube;
pub mod wide;

/// Frames in the one slice of audio every unit sees, at absolute multiples of itself.
pub const QUANTUM: usize = 64;

/// One channel's samples of one quantum, full scale ±1.0.
pub type Frames = [f64; QUANTUM];

/// A quantum of silence.
pub const SILENCE: Frames = [0.0; QUANTUM];

/// What begins on a cache line: the widest registers then never load from two.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Aligned<T>(pub T);
