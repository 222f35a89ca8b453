// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wavefront in AVX2 registers of four lanes.

use std::arch::x86_64::*;

use super::wavefront::wavefront;
use super::{Coefs, FACTORS, Lanes, State, TINY};
use crate::dsp::{Frames, QUANTUM};

type Reg = __m256d;
const W: usize = 4;

wavefront!(#[target_feature(enable = "avx2,fma")]);

macro_rules! ops {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $t:ty),*) -> $out:ty = $e:expr;)*) => {
        $($(#[$doc])* #[target_feature(enable = "avx2,fma")] #[inline] fn $name($($arg: $t),*) -> $out { $e })*
    };
}

ops! {
    fn zero() -> Reg = _mm256_setzero_pd();
    fn splat(x: f64) -> Reg = _mm256_set1_pd(x);
    fn load(a: &[f64; W]) -> Reg = _mm256_setr_pd(a[0], a[1], a[2], a[3]);
    fn sub(a: Reg, b: Reg) -> Reg = _mm256_sub_pd(a, b);
    fn mul(a: Reg, b: Reg) -> Reg = _mm256_mul_pd(a, b);
    fn select(on: Reg, off: Reg, new: Reg) -> Reg = _mm256_blendv_pd(off, new, on);
    fn at_most(a: Reg, most: f64) -> Reg = _mm256_cmp_pd::<_CMP_LE_OQ>(a, splat(most));
    fn flushed(a: Reg) -> Reg = {
        let size = _mm256_andnot_pd(splat(-0.0), a);
        _mm256_and_pd(a, _mm256_cmp_pd::<_CMP_NLT_UQ>(size, splat(TINY)))
    };
}

#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn lanes(a: Reg) -> [f64; W] {
    let (low, high) = (_mm256_castpd256_pd128(a), _mm256_extractf128_pd::<1>(a));
    [
        _mm_cvtsd_f64(low),
        _mm_cvtsd_f64(_mm_unpackhi_pd(low, low)),
        _mm_cvtsd_f64(high),
        _mm_cvtsd_f64(_mm_unpackhi_pd(high, high)),
    ]
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn mul_add<const FUSED: bool>(a: Reg, b: Reg, c: Reg) -> Reg {
    if FUSED { _mm256_fmadd_pd(a, b, c) } else { _mm256_add_pd(_mm256_mul_pd(a, b), c) }
}

/// Up by one group; the lowest is `frame`.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn shift_in<const C: usize>(a: Reg, frame: &[f64; C]) -> Reg {
    match C {
        1 => _mm256_blend_pd::<0b0001>(_mm256_permute4x64_pd::<0b10_01_00_00>(a), splat(frame[0])),
        2 => {
            let up = _mm256_permute2f128_pd::<0x08>(a, a);
            _mm256_insertf128_pd::<0>(up, _mm_setr_pd(frame[0], frame[1]))
        }
        _ => _mm256_setr_pd(frame[0], frame[1], frame[2], frame[3]),
    }
}

/// The highest group.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn top<const C: usize>(a: Reg) -> [f64; C] {
    let (all, mut frame) = (lanes(a), [0.0; C]);
    frame.copy_from_slice(&all[W - C..]);
    frame
}

/// Audio thread. Channel by channel to frame by frame, four frames at a time.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn to_frames<const C: usize>(audio: &[Frames; C], buf: &mut Lanes<C>) {
    if C == 1 {
        return super::wavefront::to_frames(audio, buf);
    }
    for (n, frames) in buf.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        for (m, channels) in audio.chunks(4).enumerate() {
            let mut x = [zero(); 4];
            for (x, channel) in x.iter_mut().zip(channels) {
                *x = load(&channel.as_chunks::<4>().0[n]);
            }
            for (frame, x) in frames.iter_mut().zip(turned(x)) {
                let c = (C - 4 * m).min(4);
                frame[4 * m..4 * m + c].copy_from_slice(&lanes(x)[..c]);
            }
        }
    }
}

/// Audio thread. Frame by frame to channel by channel, four frames at a time.
#[target_feature(enable = "avx2,fma")]
#[inline]
pub(super) fn to_channels<const C: usize>(buf: &Lanes<C>, audio: &mut [Frames; C]) {
    if C == 1 {
        return super::wavefront::to_channels(buf, audio);
    }
    for (n, frames) in buf.as_chunks::<4>().0.iter().enumerate() {
        for (m, channels) in audio.chunks_mut(4).enumerate() {
            let mut x = [zero(); 4];
            for (x, frame) in x.iter_mut().zip(frames) {
                let (c, mut all) = ((C - 4 * m).min(4), [0.0; 4]);
                all[..c].copy_from_slice(&frame[4 * m..4 * m + c]);
                *x = load(&all);
            }
            for (channel, x) in channels.iter_mut().zip(turned(x)) {
                channel.as_chunks_mut::<4>().0[n] = lanes(x);
            }
        }
    }
}

/// Rows for columns.
#[target_feature(enable = "avx2,fma")]
#[inline]
fn turned([a, b, c, d]: [Reg; 4]) -> [Reg; 4] {
    let (ab, ab1) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
    let (cd, cd1) = (_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d));
    [
        _mm256_permute2f128_pd::<0x20>(ab, cd),
        _mm256_permute2f128_pd::<0x20>(ab1, cd1),
        _mm256_permute2f128_pd::<0x31>(ab, cd),
        _mm256_permute2f128_pd::<0x31>(ab1, cd1),
    ]
}
