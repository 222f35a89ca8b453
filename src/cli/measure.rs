// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe measure`: loudness and peaks of files, through the `ebur128` crate.

use std::path::{Path, PathBuf};

use ebur128::{Channel, EbuR128, Mode};
use lathe_core::units::{NAMED, Role};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::files::{self, AudioSpec, Encoding, FileError};

/// Measure loudness and peaks of files
///
/// BS.1770 / EBU R 128 loudness, sample and true peak. True peak is interpolated 4 times below
/// 96 kHz, twice at 96 kHz and not at all from 192 kHz up. Silence is null in JSON and -inf in text,
/// and what a file is too short for is null and -: short-term and the range need 3 s, the rest of the
/// loudness 0.4 s. Surrounds weigh as their place in the file's
/// channel mask asks. Samples at full scale are those at the last code of an integer file, or at ±1.0.
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
    #[error("{0} cannot be measured: {1}")]
    Meter(PathBuf, ebur128::Error),
    #[error("{0} cannot be measured: it has {1} Hz, and the loudness filter needs {MIN_RATE} Hz or more")]
    Rate(PathBuf, u32),
}

/// Hz; the K-weighting's shelf lies at 1.7 kHz.
const MIN_RATE: u32 = 8000;

/// What was measured; levels in the unit of their name, −∞ for silence, NaN for what is too short to tell.
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
    /// NaN and infinite samples, measured as silence.
    not_numbers: u64,
    /// The file ended before its header said, or packets were corrupt.
    damaged: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut failed = false;
    for (n, file) in args.files.iter().enumerate() {
        match measure(file) {
            Ok(m) => {
                talk(file, &m);
                match args.json {
                    true => super::print_json(&to_json(file, &m)),
                    false => print(file, &m, n > 0),
                }
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
    if rate < MIN_RATE {
        return Err(MeasureError::Rate(path.to_path_buf(), rate));
    }
    let meter = |e| MeasureError::Meter(path.to_path_buf(), e);
    let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK | Mode::SAMPLE_PEAK;
    let mut ebu = EbuR128::new(channels as u32, rate, mode).map_err(meter)?;
    for (c, place) in places(reader.spec()).into_iter().enumerate() {
        ebu.set_channel(c as u32, place).map_err(meter)?;
    }
    let full_scale = full_scale(reader.spec().encoding);
    // 100 ms at a time, so that every momentary and short-term value is seen.
    let step = (rate as usize / 10).max(1);
    let mut planes = vec![Vec::new(); channels];
    let (mut frames, mut clipped, mut not_numbers) = (0u64, 0u64, 0u64);
    let (mut momentary, mut short_term) = (f64::NAN, f64::NAN);
    loop {
        let got = reader.read(&mut planes, step)?;
        if got == 0 {
            break;
        }
        for x in planes.iter_mut().flat_map(|p| &mut p[..got]) {
            if !x.is_finite() {
                not_numbers += 1;
                *x = 0.0;
            }
            clipped += u64::from(x.abs() >= full_scale);
        }
        let slices: Vec<&[f64]> = planes.iter().map(|p| &p[..got]).collect();
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
        integrated_lufs: if momentary.is_nan() { f64::NAN } else { ebu.loudness_global().map_err(meter)? },
        momentary_max_lufs: momentary,
        short_term_max_lufs: short_term,
        loudness_range_lu: if short_term > f64::NEG_INFINITY {
            ebu.loudness_range().map_err(meter)?
        } else {
            f64::NAN
        },
        true_peak: peaks(&|c| ebu.true_peak(c))?,
        sample_peak: peaks(&|c| ebu.sample_peak(c))?,
        clipped_samples: clipped,
        not_numbers,
        damaged: reader.warnings().truncated || reader.warnings().corrupt_packets > 0,
    })
}

/// The smallest level that counts as full scale: one step below 1.0 is the last code of an integer.
fn full_scale(encoding: Encoding) -> f64 {
    match encoding {
        Encoding::Int { bits } => 1.0 - (1.0 - f64::from(bits)).exp2(),
        Encoding::Float { .. } | Encoding::Lossy { .. } => 1.0,
    }
}

/// Where each channel stands, by the channel mask or else by the named layout of as many channels;
/// empty where neither tells, then the meter's own order holds (ITU-R BS.1770-5, table 4).
fn places(spec: &AudioSpec) -> Vec<Channel> {
    let named = || NAMED.iter().find(|(_, roles)| roles.len() == spec.channels).map(|(_, r)| r.to_vec());
    let roles = match spec.channel_mask.map(roles) {
        Some(roles) if roles.len() == spec.channels => roles,
        _ => named().unwrap_or_default(),
    };
    let sides = roles.contains(&Role::LeftSide);
    roles.iter().map(|r| place(*r, sides)).collect()
}

/// The channels of a mask that this program knows, in file order.
fn roles(mask: u32) -> Vec<Role> {
    let known = Role::all().filter(|r| *r != Role::Mono);
    known.filter(|r| r.mask_bit().is_some_and(|bit| mask & bit != 0)).collect()
}

/// Backs stand at 110° where there are no sides, else at 135°.
fn place(role: Role, sides: bool) -> Channel {
    match role {
        Role::Mono | Role::Center => Channel::Center,
        Role::Left => Channel::Left,
        Role::Right => Channel::Right,
        Role::Lfe => Channel::Unused,
        Role::LeftBack if sides => Channel::Mp135,
        Role::RightBack if sides => Channel::Mm135,
        Role::LeftBack => Channel::LeftSurround,
        Role::RightBack => Channel::RightSurround,
        Role::LeftSide => Channel::Mp090,
        Role::RightSide => Channel::Mm090,
        Role::TopFrontLeft => Channel::Up045,
        Role::TopFrontRight => Channel::Um045,
        Role::TopBackLeft => Channel::Up135,
        Role::TopBackRight => Channel::Um135,
    }
}

/// What the reader of the figures has to know about the file.
fn talk(path: &Path, m: &Measured) {
    let name = path.display();
    if m.damaged {
        eprintln!("lathe: {name}: the file is truncated or damaged; what could be read was measured");
    }
    if m.not_numbers > 0 {
        eprintln!(
            "lathe: {name}: {} samples were not numbers (NaN or infinite) and were measured as silence",
            m.not_numbers
        );
    }
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
        "file": super::text(path),
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
        "not_numbers": m.not_numbers,
        "damaged": m.damaged,
    })
}

fn print(path: &Path, m: &Measured, again: bool) {
    if again {
        println!();
    }
    let seconds = m.frames as f64 / f64::from(m.sample_rate);
    println!("{}", path.display());
    let s = if m.channels == 1 { "" } else { "s" };
    println!("  {} Hz, {} channel{s}, {seconds:.3} s", m.sample_rate, m.channels);
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
        if value.is_nan() || value == f64::INFINITY {
            println!("  {name:<17} {:>8} {unit}", "-");
        } else {
            println!("  {name:<17} {value:>8.2} {unit}");
        }
    }
    println!("  {:<17} {:>8} samples", "at full scale", m.clipped_samples);
}
