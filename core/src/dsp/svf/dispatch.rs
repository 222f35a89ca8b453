// SPDX-License-Identifier: MIT OR Apache-2.0
//! From a class to its instructions, as many channels at once as a register has lanes. Audio thread.
#![allow(unsafe_code, reason = "calls functions whose instructions a class vouches for")]

use super::{Coefs, State, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::dsp::Frames;
use crate::dsp::simd::{Class, Isa};

/// Audio thread. See [`super::cascade`].
pub(super) fn cascade<S: AsMut<[State]>>(
    class: Class,
    coefs: &[Coefs],
    places: &[u8],
    mut states: &mut [S],
    mut audio: &mut [Frames],
) {
    while let n @ 1.. = lanes(class, states.len().min(audio.len())) {
        let ((s, more_states), (a, more_audio)) = (states.split_at_mut(n), audio.split_at_mut(n));
        // A register half full costs as much as a full one, but a short wave is done sooner.
        let isa = match class.isa {
            Isa::Avx512 if n * places.len() <= 4 => Isa::Avx2,
            isa => isa,
        };
        match n {
            1 => narrow::<1, S>(isa, class.fused, coefs, places, s, a),
            2 => narrow::<2, S>(isa, class.fused, coefs, places, s, a),
            #[cfg(target_arch = "x86_64")]
            _ => wide(isa, class.fused, coefs, places, s, a),
            #[cfg(not(target_arch = "x86_64"))]
            _ => {}
        }
        (states, audio) = (more_states, more_audio);
    }
}

/// Channels to take together of so many; 0 for none.
fn lanes(class: Class, channels: usize) -> usize {
    let most = match class.isa {
        Isa::Portable | Isa::Neon => 2,
        Isa::Avx2 => 4,
        Isa::Avx512 => 8,
    };
    match channels.min(most) {
        0 => 0,
        n => 1 << n.ilog2(),
    }
}

fn by_lane<const C: usize, S: AsMut<[State]>>(states: &mut [S]) -> [&mut [State]; C] {
    let mut states = states.iter_mut();
    std::array::from_fn(|_| states.next().map_or(&mut [][..], S::as_mut))
}

/// Audio thread. One or two channels.
fn narrow<const C: usize, S: AsMut<[State]>>(
    isa: Isa,
    fused: bool,
    coefs: &[Coefs],
    places: &[u8],
    states: &mut [S],
    audio: &mut [Frames],
) {
    let Ok(audio) = <&mut [Frames; C]>::try_from(audio) else { return };
    let states = &mut by_lane(states);
    match isa {
        // SAFETY: a class with these instructions exists only where the processor was found to have them.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::cascade::<C>(fused, coefs, places, states, audio) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => unsafe { avx2::cascade::<C>(fused, coefs, places, states, audio) },
        // SAFETY: every AArch64 processor has these.
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => unsafe { super::neon::cascade::<C>(fused, coefs, places, states, audio) },
        _ => portable::cascade::<C>(fused, coefs, places, states, audio),
    }
}

/// Audio thread. Four or eight channels.
#[cfg(target_arch = "x86_64")]
fn wide<S: AsMut<[State]>>(
    isa: Isa,
    fused: bool,
    coefs: &[Coefs],
    places: &[u8],
    states: &mut [S],
    audio: &mut [Frames],
) {
    if let Ok(audio) = <&mut [Frames; 8]>::try_from(&mut *audio) {
        // SAFETY: only the class of AVX-512 takes eight, and it exists only where the processor has it.
        unsafe { avx512::cascade(fused, coefs, places, &mut by_lane(states), audio) }
    } else if let Ok(audio) = <&mut [Frames; 4]>::try_from(audio) {
        let states = &mut by_lane(states);
        match isa {
            // SAFETY: as above.
            Isa::Avx512 => unsafe { avx512::cascade(fused, coefs, places, states, audio) },
            // SAFETY: as above; the class of AVX-512 asks for AVX2 too, and no other takes four.
            _ => unsafe { avx2::cascade(fused, coefs, places, states, audio) },
        }
    }
}
