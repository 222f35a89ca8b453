// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which instructions the kernels use: chosen once in a process, on the control side.
//!
//! Two classes of results. *plain* rounds after every multiplication and every addition, in one fixed
//! order, and gives the same bits on every processor. *fused* rounds once for both, which is faster and
//! differs from plain by rounding noise (below −280 dB of the signal). Lanes never meet in a sum, so
//! within a class the width of the registers changes no bit: AVX2, AVX-512 and NEON agree.
//!
//! `LATHE_SIMD` in the environment holds a process to less than the best: `plain`, `avx2`, `avx512` or
//! `neon`. What it asks for and the processor lacks is not done: the best that there is takes its place.

use std::sync::OnceLock;

/// The instructions of a kernel. Only [`Class::all`] makes them, so what a class needs is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class(pub(super) Isa);

/// Sets of instructions, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each processor has some of them")]
pub(super) enum Isa {
    Portable,
    Neon,
    Avx2,
    Avx512,
}

impl Class {
    /// The same bits on every processor.
    pub const PLAIN: Class = Class(Isa::Portable);

    /// Any thread. What this processor can do, worst first.
    pub fn all() -> impl Iterator<Item = Class> {
        let has = |isa: &Isa| match isa {
            Isa::Portable => true,
            Isa::Neon => cfg!(target_arch = "aarch64"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx2")
                    && is_x86_feature_detected!("fma")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx2 | Isa::Avx512 => false,
        };
        [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512].into_iter().filter(has).map(Class)
    }

    /// Control side. What this process uses: the best there is, or what `LATHE_SIMD` says. The same
    /// answer for as long as the process lives.
    pub fn chosen() -> Class {
        static CHOSEN: OnceLock<Class> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let asked = std::env::var("LATHE_SIMD").unwrap_or_default();
            Class::all().find(|c| c.name() == asked).or(Class::all().last()).unwrap_or(Class::PLAIN)
        })
    }

    /// As `LATHE_SIMD` says it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Isa::Portable => "plain",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}
