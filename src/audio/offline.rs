// SPDX-License-Identifier: MIT OR Apache-2.0
//! The offline driver: the same engine on files, as fast as it goes, with the latency removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{BuildError, Engine, Link, Periods, Ports, build, link};
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::NAMED;

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
}

/// What was rendered.
#[derive(Debug)]
pub struct RenderReport {
    pub input: PathBuf,
    pub output: WriteReport,
    pub sample_rate: u32,
    /// Frames that the chain delays; already removed.
    pub latency: usize,
    /// Input samples that were not audio (NaN, infinite, beyond +80 dBFS) and were rendered as silence.
    pub refused_samples: u64,
    /// The input ended before its header said, or packets were corrupt.
    pub damaged: bool,
}

/// How to render.
#[derive(Clone, Copy, Debug)]
pub struct RenderOptions {
    pub bits: BitDepth,
    /// Seconds rendered beyond the input's end.
    pub tail: f64,
    pub write: WriteOptions,
}

/// What renders and those who watch them share.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames of input taken so far, by all renders.
    pub done: AtomicU64,
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
/// Whatever cannot be read, built or written, and [`RenderError::Stopped`].
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
    let mut reader = files::open(input)?;
    let (rate, channels) = (reader.spec().sample_rate, reader.spec().channels);
    if channels != plan.layout.len() {
        return Err(RenderError::Channels {
            file: input.to_path_buf(),
            channels,
            layout: plan.layout.name(),
            wanted: plan.layout.len(),
        });
    }
    let mut renderer = Renderer::new(plan, rate).map_err(|source| RenderError::Build { rate, source })?;
    let spec = WriteSpec { sample_rate: rate, channels, channel_mask: plan.layout.mask() };
    let mut writer = files::create(output, spec, options.bits, options.write)?;
    let mut planes = vec![vec![0.0; CHUNK]; channels];
    let mut out = vec![vec![0.0; CHUNK]; channels];
    let mut skip = renderer.latency();
    // Frames still to write once the input has ended.
    let mut owed = renderer.latency() + (options.tail * f64::from(rate)).round() as usize;
    loop {
        let got = fill(&mut reader, &mut planes)?;
        progress.done.fetch_add(got as u64, Relaxed);
        if progress.stop.load(Relaxed) != 0 {
            return Err(RenderError::Stopped(input.to_path_buf()));
        }
        let ended = got < CHUNK;
        let fed =
            if ended { (got + owed.min(CHUNK - got)).next_multiple_of(QUANTUM).min(CHUNK) } else { CHUNK };
        planes.iter_mut().for_each(|p| p[got..fed].fill(0.0));
        renderer.process(&planes, &mut out, fed);
        let real = if ended { got + owed.min(fed - got) } else { CHUNK };
        owed -= real - got;
        let first = skip.min(real);
        skip -= first;
        let slices: Vec<&[f64]> = out.iter().map(|c| &c[first..real]).collect();
        writer.write(&slices)?;
        if ended && owed == 0 {
            break;
        }
    }
    let warnings = reader.warnings();
    Ok(RenderReport {
        input: input.to_path_buf(),
        output: writer.finish()?,
        sample_rate: rate,
        latency: renderer.latency(),
        refused_samples: renderer.refused_samples(),
        damaged: warnings.truncated || warnings.corrupt_packets > 0,
    })
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
