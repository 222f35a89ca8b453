// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wavefront in arrays of two lanes, rounded after every operation: the same bits everywhere.

use super::wavefront::{to_channels, to_frames, wavefront};
use super::{Coefs, FACTORS, Lanes, State, TINY};
use crate::dsp::{Frames, QUANTUM};

type Reg = [f64; 2];
const W: usize = 2;

wavefront!();

macro_rules! ops {
    ($(fn $name:ident($($arg:ident: $t:ty),*) -> $out:ty = $e:expr;)*) => {
        $(#[inline(always)] fn $name($($arg: $t),*) -> $out { $e })*
    };
}

ops! {
    fn zero() -> Reg = [0.0; W];
    fn load(a: &[f64; W]) -> Reg = *a;
    fn lanes(a: Reg) -> [f64; W] = a;
    fn sub(a: Reg, b: Reg) -> Reg = [a[0] - b[0], a[1] - b[1]];
    fn mul(a: Reg, b: Reg) -> Reg = [a[0] * b[0], a[1] * b[1]];
    fn select(on: [bool; W], off: Reg, new: Reg) -> Reg =
        [if on[0] { new[0] } else { off[0] }, if on[1] { new[1] } else { off[1] }];
    fn at_most(a: Reg, most: f64) -> [bool; W] = [a[0] <= most, a[1] <= most];
    fn flushed(a: Reg) -> Reg = a.map(|v| if v.abs() < TINY { 0.0 } else { v });
}

#[inline(always)]
fn mul_add<const _FUSED: bool>(a: Reg, b: Reg, c: Reg) -> Reg {
    [a[0] * b[0] + c[0], a[1] * b[1] + c[1]]
}

/// Up by one group; the lowest is `frame`.
#[inline(always)]
fn shift_in<const C: usize>(a: Reg, frame: &[f64; C]) -> Reg {
    if C == 1 { [frame[0], a[0]] } else { [frame[0], frame[C - 1]] }
}

/// The highest group.
#[inline(always)]
fn top<const C: usize>(a: Reg) -> [f64; C] {
    let mut frame = [0.0; C];
    frame.copy_from_slice(&a[W - C..]);
    frame
}
