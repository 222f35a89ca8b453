// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wider registers for loops that the compiler vectorises, without another bit in the result.
//!
//! A kernel compiled once for every x86-64 processor has registers of two f64. Here it is compiled again
//! with AVX2 (four), without fused multiply-add, and the processor is asked once which it may run. Lanes do
//! not meet in a sum and every operation rounds as before, so both give the same bits.
#![allow(unsafe_code, reason = "calls a function whose instructions were found present")]

/// Work that is compiled for both widths: `run` and all it calls are `#[inline(always)]`.
pub trait Kernel {
    fn run(self);
}

/// What the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    avx2: bool,
}

impl Width {
    /// What every processor of this architecture has.
    pub const BASE: Width = Width { avx2: false };

    /// Control side. The widest registers there are.
    pub fn detected() -> Width {
        #[cfg(target_arch = "x86_64")]
        let avx2 = is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let avx2 = false;
        Width { avx2 }
    }

    /// Audio thread.
    #[inline(always)]
    pub fn run<K: Kernel>(self, kernel: K) {
        #[cfg(target_arch = "x86_64")]
        if self.avx2 {
            // SAFETY: `avx2` is true only where `detected` found the instructions.
            return unsafe { with_avx2(kernel) };
        }
        kernel.run();
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}
