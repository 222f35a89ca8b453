// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wavefront in AVX-512 registers of eight lanes; the bits are those of AVX2.

use std::arch::x86_64::*;

use super::avx2::{to_channels, to_frames};
use super::wavefront::wavefront;
use super::{Coefs, FACTORS, Lanes, State, TINY};
use crate::dsp::{Frames, QUANTUM};

type Reg = __m512d;
const W: usize = 8;

wavefront!(#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]);

macro_rules! ops {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $t:ty),*) -> $out:ty = $e:expr;)*) => {
        $($(#[$doc])* #[target_feature(enable = "avx2,fma,avx512f,avx512dq")] #[inline]
        fn $name($($arg: $t),*) -> $out { $e })*
    };
}

ops! {
    fn zero() -> Reg = _mm512_setzero_pd();
    fn splat(x: f64) -> Reg = _mm512_set1_pd(x);
    fn load(a: &[f64; W]) -> Reg = _mm512_setr_pd(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    fn sub(a: Reg, b: Reg) -> Reg = _mm512_sub_pd(a, b);
    fn mul(a: Reg, b: Reg) -> Reg = _mm512_mul_pd(a, b);
    fn select(on: __mmask8, off: Reg, new: Reg) -> Reg = _mm512_mask_blend_pd(on, off, new);
    fn at_most(a: Reg, most: f64) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(a, splat(most));
    fn flushed(a: Reg) -> Reg =
        _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_NLT_UQ>(_mm512_abs_pd(a), splat(TINY)), a);
    fn low_half(a: Reg) -> __m256d = _mm512_castpd512_pd256(a);
    fn high_half(a: Reg) -> __m256d = _mm512_extractf64x4_pd::<1>(a);
}

#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
#[inline]
fn lanes(a: Reg) -> [f64; W] {
    let ([a, b, c, d], [e, f, g, h]) = (super::avx2::lanes(low_half(a)), super::avx2::lanes(high_half(a)));
    [a, b, c, d, e, f, g, h]
}

#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
#[inline]
fn mul_add<const FUSED: bool>(a: Reg, b: Reg, c: Reg) -> Reg {
    if FUSED { _mm512_fmadd_pd(a, b, c) } else { _mm512_add_pd(_mm512_mul_pd(a, b), c) }
}

/// Up by one group; the lowest is `frame`.
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
#[inline]
fn shift_in<const C: usize>(a: Reg, frame: &[f64; C]) -> Reg {
    let bits = _mm512_castpd_si512(a);
    match C {
        1 => _mm512_mask_mov_pd(
            _mm512_castsi512_pd(_mm512_alignr_epi64::<7>(bits, bits)),
            0b0000_0001,
            splat(frame[0]),
        ),
        2 => {
            let up = _mm512_castsi512_pd(_mm512_alignr_epi64::<6>(bits, bits));
            _mm512_insertf64x2::<0>(up, _mm_setr_pd(frame[0], frame[1]))
        }
        4 => {
            let up = _mm512_castsi512_pd(_mm512_alignr_epi64::<4>(bits, bits));
            _mm512_insertf64x4::<0>(up, _mm256_setr_pd(frame[0], frame[1], frame[2], frame[3]))
        }
        _ => {
            let mut all = [0.0; W];
            all[..C].copy_from_slice(frame);
            load(&all)
        }
    }
}

/// The highest group.
#[target_feature(enable = "avx2,fma,avx512f,avx512dq")]
#[inline]
fn top<const C: usize>(a: Reg) -> [f64; C] {
    let (all, mut frame) = (lanes(a), [0.0; C]);
    frame.copy_from_slice(&all[W - C..]);
    frame
}
