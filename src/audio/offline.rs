// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offline driver: the same engine on files, as fast as it goes, with the latency removed.
//!
//! | file | what it holds |
//! |---|---|
//! | [`delivery`] | where a rack's audio changes its rate |
//! | [`exact`] | the ceiling that a file is held to, and how it is measured |
//! | `stages` | racks and conversion, one after the other |

pub mod delivery;
pub mod exact;
mod stages;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use lathe_core::analysis::decibels;
use lathe_core::dsp::QUANTUM;
use lathe_core::dsp::resample::RatioError;
use lathe_core::engine::{BuildError, Engine, Link, Periods, Ports, build, link};
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::NAMED;

use delivery::{Cut, Delivery};
use exact::{AGAIN, Exact, MARGIN, Measured, NoCeiling, Target};
use stages::Stages;

use crate::files::{self, BitDepth, FileError, WriteOptions, WriteReport, WriteSpec};

/// Frames that go through the engine between two looks at the files.
const CHUNK: usize = 256 * QUANTUM;

/// Why a file was not rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("rack at {rate} Hz: {source}")]
    Build { rate: u32, source: BuildError },
    #[error(
        "{} has {channels} channel{}, but the rack's layout \"{layout}\" has {wanted}; use a rack with {}",
        file.display(), if *channels == 1 { "" } else { "s" }, layout_of(*channels)
    )]
    Channels { file: PathBuf, channels: usize, layout: String, wanted: usize },
    #[error("{0} could not be rendered: a fault in the program; please report it with the file")]
    Panicked(PathBuf),
    #[error("{0} is both input and output; name another output file")]
    SameFile(PathBuf),
    #[error("the rack listens to sidechain port \"{0}\", which a file render does not have")]
    Sidechain(String),
    #[error("{0} was not rendered: stopped by a signal")]
    Stopped(PathBuf),
    #[error("{}: {source}; convert it to a usual rate first", file.display())]
    Ratio { file: PathBuf, source: RatioError },
    #[error(transparent)]
    Ceiling(#[from] NoCeiling),
}

/// What was rendered.
#[derive(Debug)]
pub struct RenderReport {
    pub input: PathBuf,
    pub output: WriteReport,
    /// Hz of the input.
    pub input_rate: u32,
    /// Hz of the output.
    pub sample_rate: u32,
    pub conversion: Cut,
    /// What should be known of the conversion.
    pub note: Option<String>,
    /// Frames of the output that the chain delays; already removed.
    pub latency: usize,
    /// Input samples that were not audio (NaN, infinite, beyond +80 dBFS) and were rendered as silence.
    pub refused_samples: u64,
    /// The input ended before its header said, or packets were corrupt.
    pub damaged: bool,
    /// How the ceiling was held, if that was asked.
    pub exact: Option<Exact>,
}

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct RenderOptions {
    pub bits: BitDepth,
    /// Seconds rendered beyond the input's end.
    pub tail: f64,
    /// Hz of the output; the input's if `None`.
    pub rate: Option<u32>,
    /// The file keeps the last limiter's ceiling, measured.
    pub exact: bool,
    pub write: WriteOptions,
}

/// What renders and those who watch them share.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames of input rendered or measured so far, in all files.
    pub done: AtomicU64,
    /// Frames that became necessary on the way: renders that were not exact yet.
    pub more: AtomicU64,
    /// Anything but 0 ends the renders, which then leave no file; a signal's number, mostly.
    pub stop: Arc<AtomicUsize>,
}

/// One engine fed from memory: planar f64 in, planar f64 out.
pub struct Renderer {
    periods: Periods,
    link: Link,
    latency: usize,
    channels: usize,
}

/// A chunk on its way through.
struct Chunk<'a> {
    input: &'a [Vec<f64>],
    output: &'a mut [Vec<f64>],
}

impl Ports for Chunk<'_> {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        into.copy_from_slice(&self.input[channel][from..from + into.len()]);
    }
    fn write_main(&mut self, channel: usize, from: usize, audio: &[f64]) {
        self.output[channel][from..from + audio.len()].copy_from_slice(audio);
    }
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl Renderer {
    pub fn new(plan: &RackPlan, rate: u32) -> Result<Self, BuildError> {
        let built = build(plan, rate)?;
        let latency = built.spec.latency;
        let channels = built.spec.layout.len();
        let (link, audio) = link();
        Ok(Renderer { periods: Periods::new(Engine::new(built, audio), QUANTUM), link, latency, channels })
    }

    /// Frames from input to output.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// Runs `frames` (a multiple of 64) from `input` to `output`, both planar and long enough.
    pub fn process(&mut self, input: &[Vec<f64>], output: &mut [Vec<f64>], frames: usize) {
        debug_assert!(frames.is_multiple_of(QUANTUM));
        self.periods.run(frames, &mut Chunk { input, output });
    }

    /// The whole of a signal in memory, latency removed: as many frames out as in.
    pub fn whole(&mut self, input: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let frames = input.first().map_or(0, Vec::len);
        let fed = (frames + self.latency).next_multiple_of(QUANTUM);
        let padded: Vec<Vec<f64>> = input
            .iter()
            .map(|c| {
                let mut c = c.clone();
                c.resize(fed, 0.0);
                c
            })
            .collect();
        let mut out = vec![vec![0.0; fed]; self.channels];
        self.process(&padded, &mut out, fed);
        out.iter().map(|c| c[self.latency..self.latency + frames].to_vec()).collect()
    }

    pub fn refused_samples(&self) -> u64 {
        self.link.status.refused_input.load(Relaxed)
    }
}

/// Renders one file. The output appears under its name only when it is whole.
///
/// # Errors
/// Whatever cannot be read, built, converted or written, and [`RenderError::Stopped`].
pub fn render_file(
    plan: &RackPlan,
    input: &Path,
    output: &Path,
    options: RenderOptions,
    progress: &Progress,
) -> Result<RenderReport, RenderError> {
    if same_file(input, output) {
        return Err(RenderError::SameFile(input.to_path_buf()));
    }
    if let Some(port) = plan.sidechains.first() {
        return Err(RenderError::Sidechain(port.name.clone()));
    }
    let target = if options.exact { Some(exact::target(plan)?) } else { None };
    let reader = files::open(input)?;
    let channels = reader.spec().channels;
    if channels != plan.layout.len() {
        return Err(RenderError::Channels {
            file: input.to_path_buf(),
            channels,
            layout: plan.layout.name(),
            wanted: plan.layout.len(),
        });
    }
    let mut job = Job { input, output, options, progress, reader, channels };
    let (done, exact) = match target {
        None => (job.render(plan)?, None),
        Some(target) => {
            let (done, exact) = job.hold(plan, target)?;
            (done, Some(exact))
        }
    };
    let warnings = job.reader.warnings();
    Ok(RenderReport {
        input: input.to_path_buf(),
        output: done.complete.keep()?,
        input_rate: done.delivery.from,
        sample_rate: done.delivery.to,
        conversion: done.delivery.cut.clone(),
        note: done.delivery.note(),
        latency: done.latency,
        refused_samples: done.refused_samples,
        damaged: warnings.truncated || warnings.corrupt_packets > 0,
        exact,
    })
}

/// One file on its way; may be rendered more than once.
struct Job<'a> {
    input: &'a Path,
    output: &'a Path,
    options: RenderOptions,
    progress: &'a Progress,
    reader: files::AudioReader,
    channels: usize,
}

/// A render that has no name yet.
struct Done {
    complete: files::Complete,
    delivery: Delivery,
    /// The largest sample before it was rounded, and clipped where the file holds integers.
    loudest: f64,
    latency: usize,
    refused_samples: u64,
}

impl Job<'_> {
    /// The whole file through the rack once.
    fn render(&mut self, plan: &RackPlan) -> Result<Done, RenderError> {
        let from = self.reader.spec().sample_rate;
        let delivery = Delivery::new(plan, from, self.options.rate.unwrap_or(from));
        if delivery.cut != Cut::Nowhere && plan.latency_ms.is_some() {
            // In two parts nobody would see that the rack exceeds what it promises.
            build(plan, from).map_err(|source| RenderError::Build { rate: from, source })?;
        }
        let mut stages = Stages::new(&delivery, self.channels, self.input)?;
        let spec =
            WriteSpec { sample_rate: delivery.to, channels: self.channels, channel_mask: plan.layout.mask() };
        let mut writer = files::create(self.output, spec, self.options.bits, self.options.write)?;
        let mut planes = vec![vec![0.0; CHUNK]; self.channels];
        let mut tail = (self.options.tail * f64::from(from)).round() as usize;
        let (mut ended, mut loudest) = (false, 0.0);
        while !ended || tail > 0 {
            let got = if ended { 0 } else { fill(&mut self.reader, &mut planes)? };
            self.progress.done.fetch_add(got as u64, Relaxed);
            if self.progress.stop.load(Relaxed) != 0 {
                return Err(RenderError::Stopped(self.input.to_path_buf()));
            }
            ended |= got < CHUNK;
            // After the input's end its tail is rendered: silence in.
            let silent = if ended { tail.min(CHUNK - got) } else { 0 };
            tail -= silent;
            planes.iter_mut().for_each(|p| p[got..got + silent].fill(0.0));
            let made = stages.run(&planes, got + silent, ended && tail == 0);
            loudest = made.iter().flatten().fold(loudest, |m: f64, x| m.max(x.abs()));
            write(&mut writer, made)?;
        }
        Ok(Done {
            complete: writer.complete()?,
            delivery,
            loudest,
            latency: stages.latency(),
            refused_samples: stages.refused_samples(),
        })
    }

    /// Renders until the file that is written keeps the ceiling: measured, lowered by what it was over, rendered
    /// again, at most [`AGAIN`] times.
    fn hold(&mut self, plan: &RackPlan, target: Target) -> Result<(Done, Exact), RenderError> {
        let mut plan = plan.clone();
        let mut set = target.ceiling;
        let mut renders = 1;
        loop {
            let before = self.progress.done.load(Relaxed);
            let done = self.render(&plan)?;
            let measured = self.measure(&done)?;
            let (peaks, doubt) = (target.peaks, measured.doubt_db(target.peaks));
            let over = measured.peak_db(peaks) - target.ceiling;
            if over <= 0.0 || renders > AGAIN || set == target.lowest {
                let Target { slot, ceiling: ceiling_db, .. } = target;
                return Ok((done, Exact { slot, peaks, ceiling_db, set_db: set, measured, renders }));
            }
            // What was clipped is over by more than can be measured.
            let over = over.max(decibels(done.loudest) - target.ceiling);
            set = (set - over - doubt - MARGIN).max(target.lowest);
            if let Some(slot) = plan.slot_mut(&target.slot) {
                slot.values.set(target.param, set);
            }
            self.reader.rewind()?;
            let frames = self.progress.done.load(Relaxed) - before;
            self.progress.more.fetch_add(frames, Relaxed);
            renders += 1;
        }
    }

    /// The peaks of what was written.
    fn measure(&self, done: &Done) -> Result<Measured, RenderError> {
        let (from, to) = (u64::from(done.delivery.from), u64::from(done.delivery.to));
        let mut stopped = false;
        let peak = exact::measure(done.complete.temporary(), |frames| {
            // Counted in frames of the input, as all work is.
            self.progress.done.fetch_add(frames as u64 * from / to, Relaxed);
            stopped |= self.progress.stop.load(Relaxed) != 0;
            !stopped
        })?;
        if stopped { Err(RenderError::Stopped(self.input.to_path_buf())) } else { Ok(peak) }
    }
}

fn write(writer: &mut files::AudioWriter, planes: &[Vec<f64>]) -> Result<(), FileError> {
    writer.write(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Reads a whole chunk unless the file ends before it is full.
fn fill(reader: &mut files::AudioReader, planes: &mut [Vec<f64>]) -> Result<usize, FileError> {
    let channels = planes.len();
    let mut part = vec![Vec::new(); channels];
    let mut got = 0;
    while got < CHUNK {
        let n = reader.read(&mut part, CHUNK - got)?;
        if n == 0 {
            break;
        }
        for (plane, part) in planes.iter_mut().zip(&part) {
            plane[got..got + n].copy_from_slice(&part[..n]);
        }
        got += n;
    }
    Ok(got)
}

/// A layout of so many channels, in words.
fn layout_of(channels: usize) -> String {
    let named = NAMED.iter().find(|(_, roles)| roles.len() == channels);
    named.map_or_else(|| format!("a layout of {channels} channels"), |(name, _)| format!("layout \"{name}\""))
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
