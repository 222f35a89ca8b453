// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe measure`: loudness and peaks of files, through the `ebur128` crate.

use std::path::{Path, PathBuf};

use ebur128::{EbuR128, Mode};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{self, FileError};

/// Measure loudness and peaks of files
///
/// BS.1770 / EBU R 128 loudness, sample and true peak. True peak is interpolated 4 times below
/// 96 kHz, twice at 96 kHz and not at all from 192 kHz up. Silence is null in JSON and -inf in text.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe measure master.wav\n  lathe measure --json *.flac | jq .integrated_lufs"
)]
pub struct Args {
    /// One JSON object per file
    #[arg(long)]
    json: bool,
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Why a file was not measured.
#[derive(Debug, thiserror::Error)]
enum MeasureError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}: cannot be measured: {1}")]
    Meter(PathBuf, ebur128::Error),
}

/// What was measured; levels in the unit of their name, −∞ for silence.
struct Measured {
    sample_rate: u32,
    channels: usize,
    frames: u64,
    integrated_lufs: f64,
    momentary_max_lufs: f64,
    short_term_max_lufs: f64,
    loudness_range_lu: f64,
    true_peak: Vec<f64>,
    sample_peak: Vec<f64>,
    clipped_samples: u64,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut failed = false;
    for (n, file) in args.files.iter().enumerate() {
        match measure(file) {
            Ok(m) if args.json => super::print_json(&to_json(file, &m)),
            Ok(m) => {
                if n > 0 {
                    println!();
                }
                print(file, &m);
            }
            Err(e) => {
                eprintln!("lathe: {e}");
                failed = true;
            }
        }
    }
    if failed { Err(Failure::quiet(Exit::Io)) } else { Ok(()) }
}

fn measure(path: &Path) -> Result<Measured, MeasureError> {
    let mut reader = files::open(path)?;
    let (rate, channels) = (reader.spec().sample_rate, reader.spec().channels);
    let meter = |e| MeasureError::Meter(path.to_path_buf(), e);
    let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK | Mode::SAMPLE_PEAK;
    let mut ebu = EbuR128::new(channels as u32, rate, mode).map_err(meter)?;
    // 100 ms at a time, so that every momentary and short-term value is seen.
    let step = (rate as usize / 10).max(1);
    let mut planes = vec![Vec::new(); channels];
    let (mut frames, mut clipped) = (0u64, 0u64);
    let (mut momentary, mut short_term) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    loop {
        let got = reader.read(&mut planes, step)?;
        if got == 0 {
            break;
        }
        let slices: Vec<&[f64]> = planes.iter().map(|p| &p[..got]).collect();
        clipped += slices.iter().flat_map(|s| s.iter()).filter(|x| x.abs() >= 1.0).count() as u64;
        ebu.add_frames_planar_f64(&slices).map_err(meter)?;
        frames += got as u64;
        if frames >= u64::from(rate) * 4 / 10 {
            momentary = momentary.max(ebu.loudness_momentary().map_err(meter)?);
        }
        if frames >= u64::from(rate) * 3 {
            short_term = short_term.max(ebu.loudness_shortterm().map_err(meter)?);
        }
    }
    let db = |v: f64| 20.0 * v.log10();
    let peaks = |f: &dyn Fn(u32) -> Result<f64, ebur128::Error>| -> Result<Vec<f64>, MeasureError> {
        (0..channels as u32).map(|c| f(c).map(db).map_err(meter)).collect()
    };
    Ok(Measured {
        sample_rate: rate,
        channels,
        frames,
        integrated_lufs: ebu.loudness_global().map_err(meter)?,
        momentary_max_lufs: momentary,
        short_term_max_lufs: short_term,
        loudness_range_lu: ebu.loudness_range().map_err(meter)?,
        true_peak: peaks(&|c| ebu.true_peak(c))?,
        sample_peak: peaks(&|c| ebu.sample_peak(c))?,
        clipped_samples: clipped,
    })
}

fn max(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A level with two decimals, null for silence.
fn level(v: f64) -> Value {
    if v.is_finite() { json!((v * 100.0).round() / 100.0) } else { Value::Null }
}

fn to_json(path: &Path, m: &Measured) -> Value {
    json!({
        "file": path,
        "sample_rate": m.sample_rate,
        "channels": m.channels,
        "frames": m.frames,
        "integrated_lufs": level(m.integrated_lufs),
        "momentary_max_lufs": level(m.momentary_max_lufs),
        "short_term_max_lufs": level(m.short_term_max_lufs),
        "loudness_range_lu": level(m.loudness_range_lu),
        "true_peak_dbtp": level(max(&m.true_peak)),
        "true_peak_dbtp_per_channel": m.true_peak.iter().map(|v| level(*v)).collect::<Vec<_>>(),
        "sample_peak_dbfs": level(max(&m.sample_peak)),
        "sample_peak_dbfs_per_channel": m.sample_peak.iter().map(|v| level(*v)).collect::<Vec<_>>(),
        "plr_lu": level(max(&m.true_peak) - m.integrated_lufs),
        "clipped_samples": m.clipped_samples,
    })
}

fn print(path: &Path, m: &Measured) {
    let seconds = m.frames as f64 / f64::from(m.sample_rate);
    println!("{}", path.display());
    println!("  {} Hz, {} channel(s), {seconds:.3} s", m.sample_rate, m.channels);
    let rows = [
        ("integrated", m.integrated_lufs, "LUFS"),
        ("momentary max", m.momentary_max_lufs, "LUFS"),
        ("short-term max", m.short_term_max_lufs, "LUFS"),
        ("loudness range", m.loudness_range_lu, "LU"),
        ("true peak", max(&m.true_peak), "dBTP"),
        ("sample peak", max(&m.sample_peak), "dBFS"),
        ("peak to loudness", max(&m.true_peak) - m.integrated_lufs, "LU"),
    ];
    for (name, value, unit) in rows {
        if value.is_nan() {
            println!("  {name:<17} {:>8} {unit}", "-");
        } else {
            println!("  {name:<17} {value:>8.2} {unit}");
        }
    }
    println!("  {:<17} {:>8} samples", "at full scale", m.clipped_samples);
}
