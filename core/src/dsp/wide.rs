// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wider registers for loops that the compiler vectorises, without another bit in the result.
//!
//! A kernel compiled once for every x86-64 processor has registers of two f64. Here it is compiled again
//! with AVX2 (four) and with AVX-512 (eight), and the processor is asked once which it may run. Nothing is
//! fused, lanes do not meet in a sum and every operation rounds as before, so all give the same bits.
#![allow(unsafe_code, reason = "calls functions whose instructions were found present")]

/// Work that is compiled for every width: `run` and all it calls are `#[inline(always)]`.
pub trait Kernel {
    fn run(self);
}

/// What the processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width(Registers);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each architecture has some of them")]
enum Registers {
    Base,
    Avx2,
    Avx512,
}

impl Width {
    /// Control side. What this processor can run, narrowest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Width> {
        let has = |r: &Registers| match r {
            Registers::Base => true,
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        };
        [Registers::Base, Registers::Avx2, Registers::Avx512].into_iter().filter(has).map(Width)
    }

    /// Control side. The widest registers there are.
    pub fn widest() -> Width {
        Width::all().next_back().unwrap_or(Width(Registers::Base))
    }

    /// True if there are 32 registers of 16 f32.
    pub fn is_avx512(self) -> bool {
        self.0 == Registers::Avx512
    }

    /// Audio thread.
    #[inline(always)]
    pub fn run<K: Kernel>(self, kernel: K) {
        match self.0 {
            // SAFETY: only `all` makes a width, and this one only where it found the instructions.
            #[cfg(target_arch = "x86_64")]
            Registers::Avx512 => unsafe { with_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => unsafe { with_avx2(kernel) },
            _ => kernel.run(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx2")]
fn with_avx2<K: Kernel>(kernel: K) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[inline(never)]
#[target_feature(enable = "avx512f,avx512vl,avx512dq")]
fn with_avx512<K: Kernel>(kernel: K) {
    kernel.run();
}
