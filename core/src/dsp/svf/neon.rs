// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wavefront in NEON registers of two lanes; every AArch64 processor has them.

use std::arch::aarch64::*;

use super::wavefront::{to_channels, to_frames, wavefront};
use super::{Coefs, FACTORS, Lanes, State, TINY};
use crate::dsp::{Frames, QUANTUM};

type Reg = float64x2_t;
const W: usize = 2;

wavefront!(#[target_feature(enable = "neon")]);

macro_rules! ops {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $out:ty = $e:expr;)*) => {
        $(#[target_feature(enable = "neon")] #[inline] fn $name($($arg: $t),*) -> $out { $e })*
    };
}

ops! {
    fn zero() -> Reg = vdupq_n_f64(0.0);
    fn splat(x: f64) -> Reg = vdupq_n_f64(x);
    fn load(a: &[f64; W]) -> Reg = vsetq_lane_f64::<1>(a[1], vdupq_n_f64(a[0]));
    fn lanes(a: Reg) -> [f64; W] = [vgetq_lane_f64::<0>(a), vgetq_lane_f64::<1>(a)];
    fn sub(a: Reg, b: Reg) -> Reg = vsubq_f64(a, b);
    fn mul(a: Reg, b: Reg) -> Reg = vmulq_f64(a, b);
    fn select(on: uint64x2_t, off: Reg, new: Reg) -> Reg = vbslq_f64(on, new, off);
    fn at_most(a: Reg, most: f64) -> uint64x2_t = vcleq_f64(a, splat(most));
    fn flushed(a: Reg) -> Reg = vbslq_f64(vcltq_f64(vabsq_f64(a), splat(TINY)), zero(), a);
}

#[target_feature(enable = "neon")]
#[inline]
fn mul_add<const FUSED: bool>(a: Reg, b: Reg, c: Reg) -> Reg {
    if FUSED { vfmaq_f64(c, a, b) } else { vaddq_f64(vmulq_f64(a, b), c) }
}

/// Up by one group; the lowest is `frame`.
#[target_feature(enable = "neon")]
#[inline]
fn shift_in<const C: usize>(a: Reg, frame: &[f64; C]) -> Reg {
    if C == 1 { vzip1q_f64(splat(frame[0]), a) } else { load(&[frame[0], frame[C - 1]]) }
}

/// The highest group.
#[target_feature(enable = "neon")]
#[inline]
fn top<const C: usize>(a: Reg) -> [f64; C] {
    let mut frame = [0.0; C];
    frame.copy_from_slice(&lanes(a)[W - C..]);
    frame
}
