// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sections in series as a wave through the lanes of registers: while one works on frame n, the section
//! behind it works on frame n − 1, so that as many recursions as there are lanes are in flight.
//!
//! A register of `W` lanes holds `W/C` sections of `C` channels. With `V` registers, section `k` sits in
//! register `k mod V` and there in group `k div V`: what register v puts out is at once the input of
//! register v + 1, and only what leaves the last one moves up by a group. In the first and last frames of
//! a quantum some sections have nothing to do; those keep their state.
//!
//! The body is a macro because functions generic over registers cannot say which instructions they may
//! use. A file that calls it brings `Reg`, `W` and the operations on them, all lane by lane:
//! `zero`, `load`, `lanes`, `sub`, `mul`; `mul_add(a, b, c)` is ab + c, fused or not; `shift_in` moves a register up
//! by a frame and puts another in below, `top` is the frame above; `at_most` finds the lanes up to a
//! number, `select` takes those from its last register and the others from the one before; `flushed`
//! makes tiny values zero. `to_frames` and `to_channels` turn a quantum from channel by channel into
//! frame by frame and back.

use super::Lanes;
use crate::dsp::Frames;

macro_rules! wavefront {
    ($(#[$attr:meta])*) => {
        /// Audio thread. Any number of sections over one quantum of `C` channels, 1 to `W`.
        $(#[$attr])*
        pub(super) fn cascade<const C: usize>(
            fused: bool,
            coefs: &[Coefs],
            places: &[u8],
            states: &mut [&mut [State]; C],
            audio: &mut [Frames; C],
        ) {
            let mut buf: Lanes<C> = [[0.0; C]; QUANTUM];
            to_frames(audio, &mut buf);
            if fused {
                passes::<C, true>(coefs, places, states, &mut buf);
            } else {
                passes::<C, false>(coefs, places, states, &mut buf);
            }
            to_channels(&buf, audio);
        }

        /// Audio thread. As many passes as the sections need; `FUSED` or plain.
        $(#[$attr])*
        fn passes<const C: usize, const FUSED: bool>(
            coefs: &[Coefs],
            places: &[u8],
            states: &mut [&mut [State]; C],
            buf: &mut Lanes<C>,
        ) {
            let group = W / C;
            for places in places.chunks(4 * group) {
                match places.len().div_ceil(group) {
                    1 => pass::<C, 1, FUSED>(coefs, places, states, buf),
                    2 => pass::<C, 2, FUSED>(coefs, places, states, buf),
                    3 => pass::<C, 3, FUSED>(coefs, places, states, buf),
                    _ => pass::<C, 4, FUSED>(coefs, places, states, buf),
                }
            }
        }

        /// Audio thread. Up to `V · W/C` sections of `C` channels over one quantum.
        $(#[$attr])*
        fn pass<const C: usize, const V: usize, const FUSED: bool>(
            coefs: &[Coefs],
            places: &[u8],
            states: &mut [&mut [State]; C],
            buf: &mut Lanes<C>,
        ) {
            let seats = V * (W / C);
            debug_assert!(places.len() <= seats && seats < QUANTUM);
            let mut k = [[zero(); FACTORS]; V];
            let (mut s1, mut s2, mut seat) = ([zero(); V], [zero(); V], [zero(); V]);
            for v in 0..V {
                let mut c = [[0.0; W]; FACTORS];
                let (mut a, mut b, mut n) = ([0.0; W], [0.0; W], [0.0; W]);
                for lane in 0..W {
                    let at = lane / C * V + v;
                    n[lane] = at as f64;
                    let coef = match places.get(at) {
                        Some(place) => {
                            let state = &states[lane % C][usize::from(*place)];
                            (a[lane], b[lane]) = (state.s1, state.s2);
                            &coefs[usize::from(*place)]
                        }
                        None => &Coefs::WIRE,
                    };
                    for (c, value) in c.iter_mut().zip(coef.as_array()) {
                        c[lane] = value;
                    }
                }
                for (k, c) in k[v].iter_mut().zip(&c) {
                    *k = load(c);
                }
                (s1[v], s2[v], seat[v]) = (load(&a), load(&b), load(&n));
            }

            let mut x = [zero(); V];
            x[0] = shift_in(zero(), &buf[0]);
            // The wave's front is at frame t; the last section is `seats − 1` frames behind.
            let behind = seats - 1;
            for t in 0..behind {
                let mut out = zero();
                for v in (0..V).rev() {
                    let on = at_most(seat[v], t as f64);
                    let (y, p1, p2) = step::<FUSED>(&k[v], x[v], s1[v], s2[v]);
                    (s1[v], s2[v]) = (select(on, s1[v], p1), select(on, s2[v], p2));
                    if v + 1 < V { x[v + 1] = y } else { out = y }
                }
                x[0] = shift_in(out, &buf[(t + 1) % QUANTUM]);
            }
            for t in behind..QUANTUM {
                let mut out = zero();
                for v in (0..V).rev() {
                    let y;
                    (y, s1[v], s2[v]) = step::<FUSED>(&k[v], x[v], s1[v], s2[v]);
                    if v + 1 < V { x[v + 1] = y } else { out = y }
                }
                x[0] = shift_in(out, &buf[(t + 1) % QUANTUM]);
                buf[(t - behind) % QUANTUM] = top(out);
            }
            for t in QUANTUM..QUANTUM + behind {
                let mut out = zero();
                for v in (0..V).rev() {
                    let off = at_most(seat[v], (t - QUANTUM) as f64);
                    let (y, p1, p2) = step::<FUSED>(&k[v], x[v], s1[v], s2[v]);
                    (s1[v], s2[v]) = (select(off, p1, s1[v]), select(off, p2, s2[v]));
                    if v + 1 < V { x[v + 1] = y } else { out = y }
                }
                x[0] = shift_in(out, &[0.0; C]);
                buf[(t - behind) % QUANTUM] = top(out);
            }

            for v in 0..V {
                let (a, b) = (lanes(flushed(s1[v])), lanes(flushed(s2[v])));
                for lane in 0..W {
                    if let Some(place) = places.get(lane / C * V + v) {
                        states[lane % C][usize::from(*place)] = State { s1: a[lane], s2: b[lane] };
                    }
                }
            }
        }

        /// Audio thread. One frame of as many sections as there are lanes: output and new state. The
        /// operations and their order are those of `Coefs::step`.
        $(#[$attr])*
        #[inline]
        fn step<const FUSED: bool>(k: &[Reg; FACTORS], x: Reg, s1: Reg, s2: Reg) -> (Reg, Reg, Reg) {
            let [e1, e2, e3, m0, m1, m2] = *k;
            let v3 = sub(x, s2);
            let y = mul_add::<FUSED>(m0, x, mul_add::<FUSED>(m1, s1, mul(m2, s2)));
            let p1 = mul_add::<FUSED>(e2, v3, mul_add::<FUSED>(e1, s1, s1));
            let p2 = mul_add::<FUSED>(e3, v3, mul_add::<FUSED>(e2, s1, s2));
            (y, p1, p2)
        }
    };
}
pub(super) use wavefront;

/// Audio thread. Frame by frame.
#[inline(always)]
pub(super) fn to_frames<const C: usize>(audio: &[Frames; C], buf: &mut Lanes<C>) {
    for (i, frame) in buf.iter_mut().enumerate() {
        for (x, audio) in frame.iter_mut().zip(audio) {
            *x = audio[i];
        }
    }
}

/// Audio thread. Channel by channel.
#[inline(always)]
pub(super) fn to_channels<const C: usize>(buf: &Lanes<C>, audio: &mut [Frames; C]) {
    for (i, frame) in buf.iter().enumerate() {
        for (x, audio) in frame.iter().zip(audio.iter_mut()) {
            audio[i] = *x;
        }
    }
}
