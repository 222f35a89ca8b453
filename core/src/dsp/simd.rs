// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which instructions the kernels use: chosen once in a process, on the control side.
//!
//! There are two classes of results. *Plain* ones are rounded after every multiplication and every
//! addition, in one fixed order, and have the same bits on every processor. *Fused* ones are rounded once
//! for both, which is faster, and differ from plain ones by rounding noise (below −280 dB of the peak).
//! Lanes never meet in a sum, so the width of the registers changes no bit: AVX2, AVX-512, NEON and the
//! portable code agree in plain, and the first three in fused.
//!
//! Plain is what a process uses: fusing gains 2 to 13 %, and the same render on every machine is worth more.
//! `LATHE_SIMD` in the environment chooses otherwise: `fused`, or fused by `avx2`, `avx512` or `neon`. What
//! the processor lacks is not done: plain takes its place.

use std::sync::OnceLock;

/// The instructions of a kernel and the class of its results. Only [`Class::all`] makes them, so what a
/// class needs is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub(super) isa: Isa,
    pub(super) fused: bool,
}

/// Sets of instructions, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "each processor has some of them")]
pub(super) enum Isa {
    Portable,
    Neon,
    Avx2,
    Avx512,
}

impl Isa {
    const ALL: [Isa; 4] = [Isa::Portable, Isa::Neon, Isa::Avx2, Isa::Avx512];

    /// Any thread. True if this processor has it.
    fn is_here(self) -> bool {
        match self {
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
        }
    }
}

impl Class {
    /// Plain, without any special instructions.
    pub const PORTABLE: Class = Class { isa: Isa::Portable, fused: false };

    /// Any thread. What this processor can do: plain and then fused, slower ones first.
    pub fn all() -> impl Iterator<Item = Class> {
        let plain = Isa::ALL.into_iter().map(|isa| Class { isa, fused: false });
        let fused = Isa::ALL.into_iter().skip(1).map(|isa| Class { isa, fused: true });
        plain.chain(fused).filter(|c| c.isa.is_here())
    }

    /// Control side. What this process uses: plain in the widest registers, or what `LATHE_SIMD` says. The same
    /// answer for as long as the process lives.
    pub fn chosen() -> Class {
        static CHOSEN: OnceLock<Class> = OnceLock::new();
        *CHOSEN.get_or_init(|| Class::asked(&std::env::var("LATHE_SIMD").unwrap_or_default()))
    }

    fn asked(name: &str) -> Class {
        let named = match name {
            "fused" => Class::all().filter(|c| c.fused).last(),
            _ => Class::all().find(|c| c.fused && c.registers() == name),
        };
        named.or(Class::all().filter(|c| !c.fused).last()).unwrap_or(Class::PORTABLE)
    }

    /// True if the results are fused.
    pub fn is_fused(self) -> bool {
        self.fused
    }

    fn registers(self) -> &'static str {
        match self.isa {
            Isa::Portable => "portable",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }
}

/// `plain avx2`, `fused avx512`.
impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", if self.fused { "fused" } else { "plain" }, self.registers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_usual_and_fused_is_had_where_it_is_asked_for() {
        assert!(!Class::asked("").is_fused() && Class::asked("sse9") == Class::asked(""));
        assert_eq!(Class::asked("fused"), Class::all().last().unwrap());
        assert_eq!(Class::all().next(), Some(Class::PORTABLE));
        for class in Class::all().filter(|c| c.is_fused()) {
            assert_eq!(Class::asked(class.registers()), class);
        }
    }
}
