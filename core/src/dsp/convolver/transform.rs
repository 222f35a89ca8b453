// SPDX-License-Identifier: MIT OR Apache-2.0
//! The convolver's transform: 64, 512 or 4096 complex points, in steps of 64 points that may be spread in time.
//!
//! Two real blocks a, b of B samples are the polynomial a(z) + b(z) zᴮ; modulo zᴮ − i it is a(z) + i b(z),
//! B complex numbers. Products modulo zᴮ − i are products modulo z²ᴮ + 1, whose upper half is the linear
//! convolution with a kernel of up to B taps (overlap-save). So the imaginary part of the result is the
//! output, and no bin is special.
//!
//! Modulo zⁿ − C splits into eight times modulo zⁿᐟ⁸ − rωᵏ, with r⁸ = C and ω⁸ = 1: multiply the eight parts
//! by 1, r … r⁷ and take their DFT. Within a block r is one number, so all passes but the last run along
//! contiguous points; the last turns 8×8 points over. The order of the bins does not matter to products and
//! is left as it falls. 8 points lie together as a [`Pack`]; a step, 64 points, is one DFT of eight packs.
//!
//! One fixed order of operations, no fused ones: every register width gives the same bits.
#![allow(clippy::needless_range_loop, reason = "loops along lanes")]

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, PI};

/// Points that lie together.
pub const LANES: usize = 8;

/// Eight complex points.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct Pack {
    pub re: [f64; LANES],
    pub im: [f64; LANES],
}

impl Pack {
    pub const ZERO: Pack = Pack { re: [0.0; LANES], im: [0.0; LANES] };
}

/// Real and imaginary part.
type Complex = (f64, f64);

/// r … r⁷ of one block.
type Roots = [Complex; 7];

/// The constants of one size. Made on the control side.
#[derive(Clone, Debug)]
pub struct Transform {
    /// Of each pass but the last, and of each of its blocks.
    passes: Vec<Vec<Roots>>,
    /// Of the last pass, for eight blocks at a time.
    last: Vec<[Pack; 7]>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Transform {
    /// `points` is 64, 512, 4096 … (8² and up).
    pub fn new(points: usize) -> Self {
        // Angles of the constants C, block after block.
        let mut angles = vec![FRAC_PI_2];
        let mut passes = Vec::new();
        let roots = |angle: f64| -> Roots {
            std::array::from_fn(|j| {
                let a = angle / 8.0 * (j + 1) as f64;
                (libm::cos(a), libm::sin(a))
            })
        };
        while angles.len() * LANES < points {
            passes.push(angles.iter().map(|a| roots(*a)).collect());
            let split = |a: &f64| std::array::from_fn::<f64, 8, _>(|k| a / 8.0 + 0.25 * PI * k as f64);
            angles = angles.iter().flat_map(split).collect();
        }
        let last = angles.as_chunks::<LANES>().0.iter().map(|a| {
            let r = a.map(roots);
            std::array::from_fn(|j| Pack {
                re: std::array::from_fn(|l| r[l][j].0),
                im: std::array::from_fn(|l| r[l][j].1),
            })
        });
        Transform { passes, last: last.collect() }
    }
}

impl Transform {
    /// Passes of one transform; each is [`Transform::steps`] steps.
    pub fn passes(&self) -> usize {
        self.passes.len() + 1
    }

    pub fn steps(&self) -> usize {
        self.last.len()
    }

    /// Audio thread. Step `step` of a pass forward that is not the last.
    #[inline(always)]
    pub fn forward(&self, pass: usize, step: usize, work: &mut [Pack]) {
        let Some((roots, first, apart)) = self.seat(pass, step) else { return };
        let packs = gather(work, first, apart);
        let out = split(|j, l| (packs[j].re[l], packs[j].im[l]), |j, _| roots[j]);
        scatter(work, first, apart, &out);
    }

    /// Audio thread. Step `step` of the last pass forward, from eight packs of the work: eight blocks, which
    /// are turned so that they lie in the lanes.
    #[inline(always)]
    pub fn forward_last(&self, step: usize, work: &[Pack]) -> [Pack; 8] {
        let Some(blocks) = work.as_chunks::<8>().0.get(step) else { return [Pack::ZERO; 8] };
        let roots = &self.last[step];
        split(|j, l| (blocks[l].re[j], blocks[l].im[j]), |j, l| (roots[j].re[l], roots[j].im[l]))
    }

    /// Audio thread. Step `step` of the first pass back, into eight packs of the work.
    #[inline(always)]
    pub fn back_first(&self, step: usize, bins: &[Pack; 8], work: &mut [Pack]) {
        let Some(blocks) = work.as_chunks_mut::<8>().0.get_mut(step) else { return };
        let (mut out, roots) = ([Pack::ZERO; 8], &self.last[step]);
        let put = |j: usize, l: usize, (re, im)| (out[l].re[j], out[l].im[j]) = (re, im);
        join(bins, |j, l| (roots[j].re[l], roots[j].im[l]), put);
        *blocks = out;
    }

    /// Audio thread. Step `step` of the pass back that undoes the forward one.
    #[inline(always)]
    pub fn back(&self, pass: usize, step: usize, work: &mut [Pack]) {
        let Some((roots, first, apart)) = self.seat(pass, step) else { return };
        let mut out = [Pack::ZERO; 8];
        let put = |j: usize, l: usize, (re, im)| (out[j].re[l], out[j].im[l]) = (re, im);
        join(&gather(work, first, apart), |j, _| roots[j], put);
        scatter(work, first, apart, &out);
    }

    /// The constants of a step's block, its first pack, and how far apart its eight are.
    #[inline(always)]
    fn seat(&self, pass: usize, step: usize) -> Option<(&Roots, usize, usize)> {
        let blocks = self.passes.get(pass)?;
        let shift = self.last.len().ilog2() - blocks.len().ilog2();
        let (block, at, apart) = (step >> shift, step & ((1 << shift) - 1), 1 << shift);
        Some((blocks.get(block)?, block * 8 * apart + at, apart))
    }
}

/// Eight packs, `apart` from each other.
#[inline(always)]
fn gather(work: &[Pack], first: usize, apart: usize) -> [Pack; 8] {
    std::array::from_fn(|j| work[first + j * apart])
}

#[inline(always)]
fn scatter(work: &mut [Pack], first: usize, apart: usize, packs: &[Pack; 8]) {
    for j in 0..8 {
        work[first + j * apart] = packs[j];
    }
}

/// One block into eight: times r … r⁷, then the DFT. `at(j, l)` is part j of the block in lane l, `root(j, l)`
/// what part j + 1 is multiplied by. The compiler vectorises over the lanes as long as what it writes to is
/// its own.
#[inline(always)]
fn split(at: impl Fn(usize, usize) -> Complex, root: impl Fn(usize, usize) -> Complex) -> [Pack; 8] {
    let mut out = [Pack::ZERO; 8];
    for l in 0..LANES {
        let (mut re, mut im) = ([0.0; 8], [0.0; 8]);
        (re[0], im[0]) = at(0, l);
        for j in 1..8 {
            let ((a, b), (c, s)) = (at(j, l), root(j - 1, l));
            (re[j], im[j]) = (a * c - b * s, a * s + b * c);
        }
        dft(&mut re, &mut im);
        for j in 0..8 {
            (out[j].re[l], out[j].im[l]) = (re[j], im[j]);
        }
    }
    out
}

/// Eight blocks into one, times 8: undoes [`split`]. `put(j, l, part)` takes part j of the block in lane l.
#[inline(always)]
fn join(
    packs: &[Pack; 8],
    root: impl Fn(usize, usize) -> Complex,
    mut put: impl FnMut(usize, usize, Complex),
) {
    for l in 0..LANES {
        let (mut re, mut im) = ([0.0; 8], [0.0; 8]);
        for j in 0..8 {
            (re[j], im[j]) = (packs[j].re[l], packs[j].im[l]);
        }
        dft(&mut im, &mut re);
        put(0, l, (re[0], im[0]));
        for j in 1..8 {
            let ((a, b), (c, s)) = ((re[j], im[j]), root(j - 1, l));
            put(j, l, (a * c + b * s, b * c - a * s));
        }
    }
}

/// X(k) = Σ x(j) e^(2πi jk/8). With the parts exchanged it goes the other way.
#[inline(always)]
fn dft(re: &mut [f64; 8], im: &mut [f64; 8]) {
    #[inline(always)]
    fn four(re: [f64; 4], im: [f64; 4]) -> ([f64; 4], [f64; 4]) {
        let (ar, ai, br, bi) = (re[0] + re[2], im[0] + im[2], re[0] - re[2], im[0] - im[2]);
        let (cr, ci, dr, di) = (re[1] + re[3], im[1] + im[3], re[1] - re[3], im[1] - im[3]);
        ([ar + cr, br - di, ar - cr, br + di], [ai + ci, bi + dr, ai - ci, bi - dr])
    }
    const S: f64 = FRAC_1_SQRT_2;
    let (er, ei) = four([re[0], re[2], re[4], re[6]], [im[0], im[2], im[4], im[6]]);
    let (or, oi) = four([re[1], re[3], re[5], re[7]], [im[1], im[3], im[5], im[7]]);
    let tr = [or[0], S * (or[1] - oi[1]), -oi[2], -S * (or[3] + oi[3])];
    let ti = [oi[0], S * (or[1] + oi[1]), or[2], S * (or[3] - oi[3])];
    for k in 0..4 {
        (re[k], im[k]) = (er[k] + tr[k], ei[k] + ti[k]);
        (re[k + 4], im[k + 4]) = (er[k] - tr[k], ei[k] - ti[k]);
    }
}
