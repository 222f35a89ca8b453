// SPDX-License-Identifier: MIT OR Apache-2.0
//! Convolution with long kernels: 1 to 262,144 taps, no added latency, the same work in every quantum.
//!
//! The kernel is cut into partitions of 64, 512 and 4096 taps (Gardner 1995; partitioned overlap-save), each
//! size with a delay line of spectra. A quantum is whole when a unit sees it, so the 64s answer at once. The
//! larger blocks are collected for one block's time, worked on in equal shares over the next one, and played
//! in the third: they serve taps from twice their size on.
//!
//! | block | taps served | work of a block is done in |
//! |---|---|---|
//! | 64 | 0 … 1023 | its quantum |
//! | 512 | 1024 … 8191 | 8 quanta |
//! | 4096 | 8192 … | 64 quanta |
//!
//! With an added latency of 1024 or 8192 frames the smaller blocks are not needed, which costs less: a
//! linear-phase kernel waits far longer for its own middle.
//!
//! The input's half ([`Convolver`]) and a kernel's half ([`Voice`]) are apart, so that two kernels share the
//! spectra of one input: a new kernel runs in a second voice for [`Shape::settle`] frames, then fades in.
//!
//! Against direct convolution: −290 dB. The mathematics is in [`transform`]. No sum crosses lanes and nothing
//! is fused: the same input from the first quantum on gives the same bits on every processor.

mod transform;

use super::wide::{Kernel as Work, Width};
use super::{Frames, QUANTUM, SILENCE};
use transform::{LANES, Pack, Transform};

/// Most taps of a kernel.
pub const MOST_TAPS: usize = 262_144;
/// Sizes of the blocks; each is eight times the one before.
const BLOCKS: [usize; 3] = [64, 512, 4096];
/// Packs of one quantum.
const QUANTUM_PACKS: usize = QUANTUM / LANES;

/// What the convolver may add to the kernel's own delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    None,
    /// 1024 frames: no blocks of 64.
    Short,
    /// 8192 frames: blocks of 4096 only.
    Long,
}

/// Everything that kernels of one length have in common. Made on the control side.
#[derive(Clone, Debug)]
pub struct Shape {
    taps: usize,
    delay: Delay,
    levels: Vec<Level>,
    width: Width,
}

/// One size of blocks.
#[derive(Clone, Debug)]
struct Level {
    transform: Transform,
    /// Frames of a block, and quanta.
    block: usize,
    quanta: usize,
    /// The taps it serves begin here.
    from: usize,
    partitions: usize,
    /// Quanta of a block's time in which the input is transformed; the rest is the voices'.
    inward: usize,
}

#[allow(clippy::disallowed_methods, reason = "control side: built before it runs")]
impl Shape {
    /// For kernels of up to `taps`: 1 to [`MOST_TAPS`]; others are taken as the nearest.
    pub fn new(taps: usize, delay: Delay) -> Self {
        let taps = taps.clamp(1, MOST_TAPS);
        let added = delay.frames();
        let mut levels = Vec::new();
        for (n, block) in BLOCKS.into_iter().enumerate().skip(delay as usize) {
            let from = if n == delay as usize { 0 } else { 2 * block - added };
            let to = BLOCKS.get(n + 1).map_or(taps, |next| taps.min(2 * next - added));
            if from < to {
                levels.push(Level::new(block, from, (to - from).div_ceil(block)));
            }
        }
        Shape { taps, delay, levels, width: Width::widest() }
    }

    /// Frames added to the kernel's own delay.
    pub fn latency(&self) -> usize {
        self.delay.frames()
    }

    /// Most taps of a kernel.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Frames after which a voice with a new kernel plays nothing of the old one.
    pub fn settle(&self) -> usize {
        self.levels.last().map_or(0, |l| if l.quanta == 1 { 0 } else { 2 * l.block })
    }
}

impl Delay {
    fn frames(self) -> usize {
        match self {
            Delay::None => 0,
            Delay::Short => 2 * BLOCKS[1],
            Delay::Long => 2 * BLOCKS[2],
        }
    }
}

impl Level {
    fn new(block: usize, from: usize, partitions: usize) -> Level {
        let (transform, quanta) = (Transform::new(block), block / QUANTUM);
        // In steps of 64 points: transforming costs as many as there are passes, and a partition one.
        let (there, all) = (transform.passes(), 2 * transform.passes() + partitions);
        let inward = (quanta * there).div_ceil(all).min(quanta - 1);
        Level { transform, block, quanta, from, partitions, inward }
    }

    /// Steps to have done after quantum `n` of `quanta`, of `all`.
    fn due(n: usize, quanta: usize, all: usize) -> usize {
        (all * (n + 1)).div_ceil(quanta.max(1))
    }
}

/// A kernel's spectra. Made on the control side, milliseconds; sent to the audio thread in a box.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// `levels[level][channel]`: bins outermost, so that a product reads straight through.
    levels: Vec<Vec<Vec<Pack>>>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs")]
impl Kernel {
    /// One list of taps for all channels, or one for each. Taps beyond the shape's are left out.
    pub fn new(shape: &Shape, channels: &[&[f64]]) -> Self {
        let spectra = |l: &Level| channels.iter().map(|taps| l.spectra(taps)).collect();
        Kernel { levels: shape.levels.iter().map(spectra).collect() }
    }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: designs")]
impl Level {
    fn spectra(&self, taps: &[f64]) -> Vec<Pack> {
        let (count, scale) = (self.partitions, 1.0 / self.block as f64);
        let mut all = vec![Pack::ZERO; self.block / LANES * count];
        for part in 0..count {
            let from = self.from + part * self.block;
            let tap =
                |n: usize| if n < self.block { taps.get(from + n).map_or(0.0, |t| t * scale) } else { 0.0 };
            let mut work: Vec<Pack> = (0..self.block / LANES)
                .map(|p| Pack { re: std::array::from_fn(|l| tap(p * LANES + l)), im: [0.0; LANES] })
                .collect();
            for pass in 0..self.transform.passes() {
                for step in 0..self.transform.steps() {
                    self.forward(pass, step, &mut work, &mut all, part);
                }
            }
        }
        all
    }
}

impl Level {
    /// One step forward; the last pass puts its bins to `part` of `spectra`.
    #[inline(always)]
    fn forward(&self, pass: usize, step: usize, work: &mut [Pack], spectra: &mut [Pack], part: usize) {
        if pass + 1 < self.transform.passes() {
            return self.transform.forward(pass, step, work);
        }
        let bins = self.transform.forward_last(step, work);
        let rows = spectra[step * 8 * self.partitions..].chunks_exact_mut(self.partitions);
        for (row, b) in rows.zip(&bins) {
            row[part] = *b;
        }
    }
}

/// The input's half: what came in, as spectra.
#[derive(Clone, Debug)]
pub struct Convolver {
    /// `levels[level][channel]`.
    levels: Vec<Vec<Inward>>,
    clock: usize,
}

/// One channel's input at one size.
///
/// | state | meaning |
/// |---|---|
/// | `last` | the newest block of samples, quantum by quantum overwritten |
/// | `coming` | the block being collected beside the one before it |
/// | `work` | the block being transformed |
/// | `spectra` | the last blocks, as [`Kernel`]'s, the newest at `newest`, then older ones, round |
/// | `done` | steps of the transform |
#[derive(Clone, Debug)]
struct Inward {
    last: Vec<f64>,
    coming: Vec<Pack>,
    work: Vec<Pack>,
    spectra: Vec<Pack>,
    newest: usize,
    done: usize,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Convolver {
    pub fn new(shape: &Shape, channels: usize) -> Self {
        let inward = |l: &Level| Inward {
            last: vec![0.0; l.block],
            coming: vec![Pack::ZERO; l.block / LANES],
            work: vec![Pack::ZERO; l.block / LANES],
            spectra: vec![Pack::ZERO; l.block / LANES * l.partitions],
            newest: 0,
            done: usize::MAX,
        };
        Convolver { levels: shape.levels.iter().map(|l| vec![inward(l); channels]).collect(), clock: 0 }
    }
}

impl Convolver {
    pub fn reset(&mut self) {
        for i in self.levels.iter_mut().flatten() {
            i.last.fill(0.0);
            i.coming.fill(Pack::ZERO);
            i.work.fill(Pack::ZERO);
            i.spectra.fill(Pack::ZERO);
            (i.newest, i.done) = (0, usize::MAX);
        }
        self.clock = 0;
    }

    /// Audio thread. One quantum of every channel. Every voice takes its turn after this.
    pub fn process(&mut self, shape: &Shape, input: &[Frames]) {
        shape.width.run(Take { convolver: self, shape, input });
        self.clock = self.clock.wrapping_add(1);
    }
}

/// [`Convolver::process`].
struct Take<'a> {
    convolver: &'a mut Convolver,
    shape: &'a Shape,
    input: &'a [Frames],
}

impl Work for Take<'_> {
    #[inline(always)]
    fn run(self) {
        let clock = self.convolver.clock;
        for (l, channels) in self.shape.levels.iter().zip(&mut self.convolver.levels) {
            for (i, x) in channels.iter_mut().zip(self.input) {
                i.process(l, clock % l.quanta, x);
            }
        }
    }
}

impl Inward {
    #[inline(always)]
    fn process(&mut self, l: &Level, quantum: usize, x: &Frames) {
        if l.quanta == 1 {
            self.collect(0, x);
            self.begin(l);
            self.advance(l, usize::MAX);
            return;
        }
        if quantum == 0 {
            self.begin(l);
        }
        self.collect(quantum, x);
        if quantum < l.inward {
            self.advance(l, Level::due(quantum, l.inward, l.transform.passes() * l.transform.steps()));
        }
    }

    /// A block is whole: it is next to be transformed.
    #[inline(always)]
    fn begin(&mut self, l: &Level) {
        std::mem::swap(&mut self.coming, &mut self.work);
        self.newest = if self.newest == 0 { l.partitions - 1 } else { self.newest - 1 };
        self.done = 0;
    }

    #[inline(always)]
    fn collect(&mut self, quantum: usize, x: &Frames) {
        let packs = &mut self.coming[quantum * QUANTUM_PACKS..][..QUANTUM_PACKS];
        let last = &mut self.last[quantum * QUANTUM..][..QUANTUM];
        let (new, old) = (x.as_chunks::<LANES>().0, last.as_chunks_mut::<LANES>().0);
        for ((p, x), old) in packs.iter_mut().zip(new).zip(old) {
            *p = Pack { re: *old, im: *x };
            *old = *x;
        }
    }

    /// Transforms until `due` steps are done.
    #[inline(always)]
    fn advance(&mut self, l: &Level, due: usize) {
        let steps = l.transform.steps();
        let due = due.min(l.transform.passes() * steps);
        while self.done < due {
            let (pass, step) = (self.done >> steps.ilog2(), self.done & (steps - 1));
            l.forward(pass, step, &mut self.work, &mut self.spectra, self.newest);
            self.done += 1;
        }
    }
}

/// A kernel's half: products with the input's spectra, and the way back.
#[derive(Clone, Debug)]
pub struct Voice {
    /// `levels[level][channel]`.
    levels: Vec<Vec<Outward>>,
}

/// One channel's output at one size.
///
/// | state | meaning |
/// |---|---|
/// | `work` | the block on its way back |
/// | `playing` | the block being played, in the imaginary parts |
/// | `done` | cost in steps so far |
/// | `at` | the next thing to do: products with the first pass back, then the other passes |
#[derive(Clone, Debug)]
struct Outward {
    work: Vec<Pack>,
    playing: Vec<Pack>,
    done: usize,
    at: usize,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl Voice {
    pub fn new(shape: &Shape, channels: usize) -> Self {
        let outward = |l: &Level| Outward {
            work: vec![Pack::ZERO; l.block / LANES],
            playing: vec![Pack::ZERO; l.block / LANES],
            done: usize::MAX,
            at: usize::MAX,
        };
        Voice { levels: shape.levels.iter().map(|l| vec![outward(l); channels]).collect() }
    }
}

impl Voice {
    pub fn reset(&mut self) {
        for o in self.levels.iter_mut().flatten() {
            o.work.fill(Pack::ZERO);
            o.playing.fill(Pack::ZERO);
            (o.done, o.at) = (usize::MAX, usize::MAX);
        }
    }

    /// Audio thread. This quantum's output, after [`Convolver::process`] of the same quantum. The kernel may
    /// be another than before; see [`Shape::settle`]. Channel `c` hears channel `sources[c]` of the input.
    pub fn process(
        &mut self,
        shape: &Shape,
        kernel: &Kernel,
        input: &Convolver,
        sources: &[usize],
        output: &mut [Frames],
    ) {
        shape.width.run(Give { voice: self, shape, kernel, input, sources, output });
    }
}

/// [`Voice::process`].
struct Give<'a> {
    voice: &'a mut Voice,
    shape: &'a Shape,
    kernel: &'a Kernel,
    input: &'a Convolver,
    sources: &'a [usize],
    output: &'a mut [Frames],
}

impl Work for Give<'_> {
    #[inline(always)]
    fn run(self) {
        let quantum = self.input.clock.wrapping_sub(1);
        self.output.fill(SILENCE);
        let sides = self.kernel.levels.iter().zip(&self.input.levels);
        for ((l, outs), (kernels, ins)) in self.shape.levels.iter().zip(&mut self.voice.levels).zip(sides) {
            for (c, ((o, from), y)) in
                outs.iter_mut().zip(self.sources).zip(self.output.iter_mut()).enumerate()
            {
                let Some(k) = kernels.get(c).or(kernels.first()) else { return };
                let Some(i) = ins.get(*from) else { return };
                o.process(l, quantum % l.quanta, k, i, y);
            }
        }
    }
}

impl Outward {
    #[inline(always)]
    fn process(&mut self, l: &Level, quantum: usize, kernel: &[Pack], input: &Inward, y: &mut Frames) {
        if l.quanta == 1 {
            (self.done, self.at) = (0, 0);
            self.advance(l, kernel, input, usize::MAX);
            std::mem::swap(&mut self.work, &mut self.playing);
        } else if quantum == 0 {
            std::mem::swap(&mut self.work, &mut self.playing);
            (self.done, self.at) = (0, 0);
        }
        if l.quanta > 1 && quantum >= l.inward {
            let all = l.transform.steps() * (l.partitions + l.transform.passes());
            self.advance(l, kernel, input, Level::due(quantum - l.inward, l.quanta - l.inward, all));
        }
        let packs = &self.playing[quantum * QUANTUM_PACKS..][..QUANTUM_PACKS];
        for (y, p) in y.as_chunks_mut::<LANES>().0.iter_mut().zip(packs) {
            for (y, v) in y.iter_mut().zip(&p.im) {
                *y += v;
            }
        }
    }

    /// Works until `due` steps of cost are done.
    #[inline(always)]
    fn advance(&mut self, l: &Level, kernel: &[Pack], input: &Inward, due: usize) {
        let (steps, passes) = (l.transform.steps(), l.transform.passes());
        while self.done < due && self.at < steps * passes {
            let (pass, step) = (self.at >> steps.ilog2(), self.at & (steps - 1));
            if pass == 0 {
                let bins = products(step, l.partitions, kernel, input);
                l.transform.back_first(step, &bins, &mut self.work);
                self.done += l.partitions + 1;
            } else {
                l.transform.back(passes - 1 - pass, step, &mut self.work);
                self.done += 1;
            }
            self.at += 1;
        }
    }
}

/// Sums of the products of eight packs of bins over the partitions.
#[inline(always)]
fn products(step: usize, partitions: usize, kernel: &[Pack], input: &Inward) -> [Pack; 8] {
    let mut bins = [Pack::ZERO; 8];
    let from = step * 8 * partitions;
    let (x, h) = (&input.spectra[from..], &kernel[from..]);
    let rows = x.chunks_exact(partitions).zip(h.chunks_exact(partitions));
    for (sum, (x, h)) in bins.iter_mut().zip(rows) {
        let (newer, older) = h.split_at(partitions - input.newest);
        let (wrapped, straight) = x.split_at(input.newest);
        *sum = add_products(*sum, straight, newer);
        *sum = add_products(*sum, wrapped, older);
    }
    bins
}

#[inline(always)]
fn add_products(mut sum: Pack, x: &[Pack], h: &[Pack]) -> Pack {
    for (x, h) in x.iter().zip(h) {
        for l in 0..LANES {
            sum.re[l] += x.re[l] * h.re[l] - x.im[l] * h.im[l];
            sum.im[l] += x.re[l] * h.im[l] + x.im[l] * h.re[l];
        }
    }
    sum
}

#[cfg(test)]
mod tests;
