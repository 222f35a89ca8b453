// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logarithms and exponentials of whole quanta, as many at once as a register has lanes. Audio thread.
//!
//! The functions of [`super`] themselves, compiled once more for wider registers. Nothing is fused, so
//! every class gives the bits of one value at a time, and the errors stated there hold here.
#![allow(unsafe_code, reason = "calls functions whose instructions a class vouches for")]

use crate::dsp::Frames;
use crate::dsp::simd::Class;
#[cfg(target_arch = "x86_64")]
use crate::dsp::simd::Isa;

macro_rules! quantum {
    ($($(#[$doc:meta])* $name:ident, $wide:ident: |$x:ident| $value:expr;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(class: Class, values: &mut Frames) {
                match class.isa {
                    // SAFETY: a class with these instructions exists only where the processor was found
                    // to have them.
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx512 => unsafe { avx512::$name(values) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Isa::Avx2 => unsafe { avx2::$name(values) },
                    _ => $wide(values),
                }
            }

            #[inline(always)]
            fn $wide(values: &mut Frames) {
                for v in values.iter_mut() {
                    let $x = *v;
                    *v = $value;
                }
            }
        )*

        #[cfg(target_arch = "x86_64")]
        mod avx2 {
            use crate::dsp::Frames;
            $(
                #[target_feature(enable = "avx2")]
                pub fn $name(values: &mut Frames) {
                    super::$wide(values);
                }
            )*
        }

        #[cfg(target_arch = "x86_64")]
        mod avx512 {
            use crate::dsp::Frames;
            $(
                #[target_feature(enable = "avx2,avx512f,avx512dq")]
                pub fn $name(values: &mut Frames) {
                    super::$wide(values);
                }
            )*
        }
    };
}

quantum! {
    /// Audio thread. Base-2 logarithms of positive, normal numbers; error below 4e-15 · max(1, |result|).
    log2, each_log2: |x| super::log2(x);
    /// Audio thread. Powers of 2, exponents within ±1000; relative error below 2e-15.
    exp2, each_exp2: |x| super::exp2(x);
    /// Audio thread. Amplitudes of levels in dB; relative error below 1e-14 within ±300 dB.
    db_to_gain, each_db_to_gain: |x| super::db_to_gain(x);
    /// Audio thread. Levels in dB of amplitudes, whose sign does not count; no lower than −240 dB.
    /// Error below 1e-12 dB.
    gain_to_db, each_gain_to_db: |x| super::gain_to_db(x.abs());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::QUANTUM;

    /// Worst error of `wide` from `right` over steps through `range`, and that every class has the bits
    /// of `one`.
    fn worst(
        wide: fn(Class, &mut Frames),
        one: fn(f64) -> f64,
        error: impl Fn(f64, f64) -> f64,
        range: (f64, f64),
    ) -> f64 {
        let mut worst = 0.0f64;
        for n in 0..2000 {
            let at = |i: usize| range.0 + (range.1 - range.0) * (n * QUANTUM + i) as f64 / 128_000.0;
            let x: Frames = std::array::from_fn(at);
            for class in Class::all() {
                let mut y = x;
                wide(class, &mut y);
                for (x, y) in x.iter().zip(y) {
                    assert_eq!(one(*x).to_bits(), y.to_bits(), "{class} of {x}");
                    worst = worst.max(error(*x, y));
                }
            }
        }
        worst
    }

    #[test]
    fn every_class_has_the_bits_of_one_value_and_the_stated_error() {
        let e = worst(log2, super::super::log2, |x, y| (y - libm::log2(x)).abs(), (1e-6, 4.0));
        println!("log2: {e:.1e}");
        assert!(e < 20.0 * 4e-15, "{e:e}");
        let e = worst(exp2, super::super::exp2, |x, y| (y / libm::exp2(x) - 1.0).abs(), (-999.0, 999.0));
        println!("exp2: {e:.1e}");
        assert!(e < 2e-15, "{e:e}");
        let gain = |x: f64, y: f64| (y / libm::pow(10.0, x / 20.0) - 1.0).abs();
        let e = worst(db_to_gain, super::super::db_to_gain, gain, (-300.0, 300.0));
        println!("db_to_gain: {e:.1e}");
        assert!(e < 1e-14, "{e:e}");
        let level = |x: f64, y: f64| (y - 20.0 * libm::log10(x.abs().max(1e-12))).abs();
        let e = worst(gain_to_db, |x| super::super::gain_to_db(x.abs()), level, (-2.0, 2.0));
        println!("gain_to_db: {e:.1e} dB");
        assert!(e < 1e-12, "{e:e}");
    }
}
