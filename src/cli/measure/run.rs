// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file through the instruments, and many files over all cores.
//!
//! Memory does not grow with the length of a file, but for what is kept of every 100 ms.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use lathe_core::analysis::clips;
use lathe_core::analysis::dynamics::Point;
use lathe_core::analysis::{Figures, IntegratorSettings, Programme};
use lathe_core::dsp::{Frames, QUANTUM, SILENCE};

use super::detail::{Detail, Recorder};
use super::places::Places;
use crate::cli::render;
use crate::files::{self, AudioSpec, Encoding, FileError};

/// Hz; the K-weighting's shelf lies at 1.7 kHz.
const MIN_RATE: u32 = 8000;
/// +80 dBFS: what is beyond it is no audio (as in a rack), and would hide all else for as long as a window is.
const LOUDEST: f64 = 1e4;
/// Frames between two looks at the file.
const CHUNK: usize = 64 * QUANTUM;
/// Steps of the histograms in LU.
pub const HISTOGRAM_LU: f64 = 0.5;

/// Why a file was not measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0} cannot be measured: it has {1} Hz, and the loudness filter needs {MIN_RATE} Hz or more")]
    Rate(PathBuf, u32),
    #[error("{0} could not be measured: a fault in the program; please report it with the file")]
    Panicked(PathBuf),
}

/// What is measured beyond the figures, because somebody looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Loudness over time.
    pub series: bool,
    pub detail: bool,
}

/// All that was measured of one file.
#[derive(Clone, Debug)]
pub struct Measured {
    pub spec: AudioSpec,
    pub places: Places,
    pub figures: Figures,
    /// Entry n is at (n + 1) · 100 ms.
    pub series: Vec<Point>,
    /// Integrated loudness from the beginning up to the same places.
    pub so_far: Vec<Option<f64>>,
    /// Gating blocks of 400 ms, and short-term values, in steps of [`HISTOGRAM_LU`] from −70 LUFS.
    pub blocks: Vec<u64>,
    pub short_terms: Vec<u64>,
    pub detail: Option<Detail>,
    /// Samples that were no audio, measured as silence.
    pub not_audio: u64,
    /// The file ended before its header said, or packets were corrupt.
    pub damaged: bool,
}

impl Measured {
    pub fn seconds(&self) -> f64 {
        self.figures.frames as f64 / f64::from(self.spec.sample_rate)
    }

    /// Without what only drawings need.
    pub fn lean(self) -> Measured {
        Measured { series: Vec::new(), so_far: Vec::new(), detail: None, ..self }
    }
}

/// One file from end to end; `done` counts its frames as they pass.
fn measure(path: &Path, wanted: Wanted, done: &AtomicU64) -> Result<Measured, MeasureError> {
    let mut reader = files::open(path)?;
    let spec = reader.spec().clone();
    let rate = spec.sample_rate;
    if rate < MIN_RATE {
        return Err(MeasureError::Rate(path.to_path_buf(), rate));
    }
    let places = Places::of(&spec);
    let full_scale = full_scale(spec.encoding);
    let settings = IntegratorSettings { full_scale, ..IntegratorSettings::default() };
    let mut programme = Programme::new(rate, &places.layout, settings);
    let mut recorder = wanted.detail.then(|| Recorder::new(rate, &places.layout));
    let mut planes = vec![Vec::new(); spec.channels];
    let mut quantum = vec![SILENCE; spec.channels];
    let (mut so_far, mut points, mut not_audio) = (Vec::new(), 0, 0);
    loop {
        let got = reader.read(&mut planes, CHUNK)?;
        if got == 0 {
            break;
        }
        not_audio += clean(&mut planes, got);
        for from in (0..got).step_by(QUANTUM) {
            let frames = QUANTUM.min(got - from);
            let block: Vec<&[f64]> = planes.iter().map(|p| &p[from..from + frames]).collect();
            programme.push(&block);
            let passed = programme.series().len() > points;
            points = programme.series().len();
            if let Some(r) = &mut recorder {
                fill(&mut quantum, &block);
                r.process(&quantum, frames, passed);
            }
            if wanted.series && passed {
                so_far.resize(points, programme.integrated());
            }
        }
        done.fetch_add(got as u64, Relaxed);
    }
    let figures = programme.finish();
    let series = programme.series();
    so_far.resize(if wanted.series { series.len() } else { 0 }, figures.loudness.integrated);
    Ok(Measured {
        series: if wanted.series { series.to_vec() } else { Vec::new() },
        so_far,
        blocks: programme.blocks().coarse(HISTOGRAM_LU),
        short_terms: programme.short_terms().coarse(HISTOGRAM_LU),
        detail: recorder.map(Recorder::finish),
        not_audio,
        damaged: reader.warnings().truncated || reader.warnings().corrupt_packets > 0,
        spec,
        places,
        figures,
    })
}

/// What is no audio becomes silence; how many samples that were.
fn clean(planes: &mut [Vec<f64>], frames: usize) -> u64 {
    let mut count = 0;
    for x in planes.iter_mut().flat_map(|p| &mut p[..frames]) {
        // NaN is in no range.
        if !(-LOUDEST..=LOUDEST).contains(x) {
            count += 1;
            *x = 0.0;
        }
    }
    count
}

/// A block of at most a quantum, and zeros behind it.
fn fill(quantum: &mut [Frames], block: &[&[f64]]) {
    for (to, x) in quantum.iter_mut().zip(block) {
        to[..x.len()].copy_from_slice(x);
        to[x.len()..].fill(0.0);
    }
}

/// The smallest level that counts as full scale.
fn full_scale(encoding: Encoding) -> f64 {
    match encoding {
        Encoding::Int { bits } => clips::full_scale(u32::from(bits)),
        Encoding::Float { .. } | Encoding::Lossy { .. } => 1.0,
    }
}

/// All files over all cores, with a progress bar; `each` is told of them in their order, as early as that can be.
pub fn all(files: &[PathBuf], wanted: Wanted, mut each: impl FnMut(&Path, Result<Measured, MeasureError>)) {
    let lengths: Vec<(u64, u32)> = files.iter().map(|f| render::length(f)).collect();
    let frames: u64 = lengths.iter().map(|l| l.0).sum();
    let seconds = lengths.iter().map(|&(f, r)| f as f64 / f64::from(r.max(1))).sum();
    let bar = render::bar(frames, seconds);
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get()).min(files.len());
    std::thread::scope(|scope| {
        let (sender, results) = channel();
        for _ in 0..cores {
            let (sender, next, done) = (sender.clone(), &next, &done);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    let Some(file) = files.get(n) else { return };
                    // A panic would take the figures of all other files with it.
                    let r = catch_unwind(AssertUnwindSafe(|| measure(file, wanted, done)));
                    let r = r.unwrap_or_else(|_| Err(MeasureError::Panicked(file.clone())));
                    if sender.send((n, r)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut early: Vec<Option<Result<Measured, MeasureError>>> = files.iter().map(|_| None).collect();
        let mut told = 0;
        loop {
            match results.recv_timeout(Duration::from_millis(50)) {
                Ok((n, r)) => early[n] = Some(r),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Some(r) = early.get_mut(told).and_then(Option::take) {
                match &bar {
                    Some(bar) => bar.suspend(|| each(&files[told], r)),
                    None => each(&files[told], r),
                }
                told += 1;
            }
            if let Some(bar) = &bar {
                bar.set_position(done.load(Relaxed));
            }
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}
