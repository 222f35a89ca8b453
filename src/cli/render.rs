// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe render`: files through a rack, several at a time over all cores.

mod quality;
mod report;

use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap_complete::ArgValueCompleter;
use indicatif::{ProgressBar, ProgressStyle};
use lathe_core::rack::plan::RackPlan;
use signal_hook::consts::{SIGINT, SIGTERM};

use quality::Quality;

use super::remote::At;
use super::{complete, export, load_rack, text};
use crate::audio::offline::exact::target;
use crate::audio::offline::{Progress, RenderError, RenderOptions, RenderReport, render_file};
use crate::exit::{Exit, Failure};
use crate::files::{self, BitDepth, FileError, WriteOptions};

/// Render files through a rack
///
/// The same engine as the daemon's; the rack's latency is removed, so the output has exactly the
/// input's frames and starts where the input starts. The output is written under a temporary name
/// and renamed when it is complete; a render that is stopped leaves nothing. The output's extension
/// names its format: .wav (RF64 beyond 4 GiB), .rf64 or .flac (16, 20 or 24 bits).
///
/// With --rate the last limiter of the rack and what follows it run at the delivered rate, so that its
/// ceiling holds there; the conversion is before it, and the rest of the rack runs at the input's rate.
/// A limiter that is bypassed does not count, and a clipper is none. A rack without a limiter is converted at
/// its end, but before a final dither; that is said, and so is a conversion after a limiter that stands in a
/// branch. The output then has the frames that nearest fill the input's time, and its first frame is the
/// input's.
///
/// With --exact the finished file is measured (true peak, interpolated 32 times; sample peak where the limiter's
/// detector reads samples) and, where it is over the ceiling of the last limiter, rendered again with that
/// ceiling lower by what it was over, at most twice. A file that is over even then is kept, and the exit
/// code is 1.
#[derive(clap::Args, Debug)]
#[command(override_usage = "lathe render [OPTIONS] <--rack <FILE>|--live|--snapshot <NAME>> <IN>... <OUT>")]
#[command(group = clap::ArgGroup::new("what").required(true).args(["rack", "live", "snapshot"]))]
#[command(after_help = "Examples:\n  \
    lathe render --rack master.toml mix.wav master.wav\n  \
    lathe render --rack master.toml --bits 16 mix.flac cd.wav\n  \
    lathe render --live mix.wav master.wav\n  \
    lathe render --snapshot \"Mix 3\" mix.wav master.wav\n  \
    lathe render --rack master.toml --rate 44100 --bits 16 --exact mix96.wav cd.wav\n  \
    lathe render --rack master.toml --quality max mix.wav master.wav\n  \
    lathe render --rack speech.toml ep1.wav ep2.wav ep3.wav out/")]
pub struct Args {
    /// The rack file (TOML)
    #[arg(long, short, value_name = "FILE")]
    rack: Option<PathBuf>,
    /// The rack that the daemon runs, as it stands now
    #[arg(long)]
    live: bool,
    /// A snapshot of the daemon
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::snapshots))]
    snapshot: Option<String>,
    #[command(flatten)]
    at: At,
    /// Bits of the output: 16, 20, 24 (integer, TPDF dither unless the rack ends in a dither), 32f or 64f (float)
    #[arg(long, default_value = "32f", value_name = "BITS")]
    bits: BitDepth,
    /// Sample rate of the output in Hz (44100, 48000, 88200, 96000, 176400 or 192000); the input's if left out
    #[arg(long, value_name = "HZ", value_parser = files::delivery_rate)]
    rate: Option<u32>,
    /// Hold the last limiter's ceiling to 0.000 dB in the finished file: measure and render again
    #[arg(long)]
    exact: bool,
    /// Quality of every unit that has a choice of it, for this render; another than the rack's differs from live
    #[arg(long, value_name = "QUALITY", value_enum)]
    quality: Option<Quality>,
    /// Seconds to render beyond the end of the input (0 to 3600)
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS", value_parser = tail, allow_negative_numbers = true)]
    tail: f64,
    /// Round to integers without dither
    #[arg(long)]
    no_dither: bool,
    /// One JSON object per file on stdout
    #[arg(long)]
    json: bool,
    /// Input files, then the output file; with several inputs, an existing folder
    #[arg(required = true, num_args = 2.., value_names = ["IN", "OUT"])]
    files: Vec<PathBuf>,
}

fn tail(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number of seconds"))?;
    if (0.0..=3600.0).contains(&v) { Ok(v) } else { Err(format!("{v} s is not allowed: 0 s to 3600 s")) }
}

/// One file to do.
struct Job {
    input: PathBuf,
    output: PathBuf,
}

/// The rack of a file, or of a daemon.
fn plan(args: &Args) -> Result<RackPlan, Failure> {
    match &args.rack {
        Some(path) => load_rack(path),
        None => export::plan(&args.at, args.snapshot.as_deref()),
    }
}

/// What was asked of all files that their reports repeat.
#[derive(Default)]
struct Asked {
    quality: Option<Quality>,
    differs_from_live: bool,
}

/// Changes the rack to the quality asked for, and says what that means.
fn ask(args: &Args, plan: &mut RackPlan) -> Asked {
    let Some(quality) = args.quality else { return Asked::default() };
    let applied = quality::apply(plan, quality);
    for line in quality::tell(&applied, quality) {
        eprintln!("lathe: {line}");
    }
    Asked { quality: Some(quality), differs_from_live: applied.differs_from_live() }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut plan = plan(args)?;
    let jobs = jobs(&args.files, args.bits)?;
    if args.exact {
        target(&plan).map_err(|e| Failure::new(Exit::Usage, e))?;
    }
    let asked = ask(args, &mut plan);
    let options = RenderOptions {
        bits: args.bits,
        tail: args.tail,
        rate: args.rate,
        exact: args.exact,
        write: WriteOptions {
            dither: !args.no_dither && args.bits.is_to_dither(plan.integer_bits()),
            ..WriteOptions::default()
        },
    };
    let progress = Progress::default();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_usize(signal, Arc::clone(&progress.stop), signal as usize)
            .map_err(|e| Failure::new(Exit::Io, format!("cannot listen to signals: {e}")))?;
    }
    let start = Instant::now();
    let (results, seconds) = render_all(&plan, &jobs, options, &progress);
    let done = results.iter().filter(|r| r.is_ok()).count();
    let mut worst = None;
    for (result, job) in results.into_iter().zip(&jobs) {
        match result {
            Ok(r) => {
                report::tell(&r);
                if args.json {
                    super::print_json(&report::json(&r, &asked));
                }
                if r.exact.is_some_and(|e| e.over_db() > 0.0) {
                    worst = worst.max(Some(Exit::Failed));
                }
            }
            Err(RenderError::Stopped(_)) => {}
            Err(e) => {
                eprintln!("lathe: {e}");
                worst = worst.max(Some(exit(&e, job)));
            }
        }
    }
    let signal = progress.stop.load(Relaxed);
    if signal != 0 {
        let files = if jobs.len() == 1 { "file" } else { "files" };
        eprintln!("lathe: stopped; {done} of {} {files} rendered, nothing is left of the rest", jobs.len());
        // Ends as this signal would have ended it, so that a shell sees why.
        let _ = signal_hook::low_level::emulate_default_handler(signal as i32);
    }
    if !args.json && std::io::stderr().is_terminal() {
        let took = start.elapsed().as_secs_f64();
        eprintln!("{seconds:.1} s of audio in {took:.1} s, {:.0} x real time", seconds / took.max(1e-9));
    }
    worst.map_or(Ok(()), |exit| Err(Failure::quiet(exit)))
}

/// What an error means for the exit code: a wrong output is the caller's, a wrong input the file's.
fn exit(e: &RenderError, job: &Job) -> Exit {
    match e {
        RenderError::File(FileError::Request { path, .. }) if *path == job.output => Exit::Usage,
        RenderError::SameFile(_) | RenderError::Ceiling(_) => Exit::Usage,
        RenderError::File(_) | RenderError::Ratio { .. } => Exit::Io,
        _ => Exit::Config,
    }
}

/// Pairs inputs with outputs, as `cp` does.
fn jobs(files: &[PathBuf], bits: BitDepth) -> Result<Vec<Job>, Failure> {
    let Some((out, inputs)) = files.split_last() else {
        return Err(Failure::new(Exit::Usage, "name an input and an output"));
    };
    if !out.is_dir() {
        return match inputs {
            _ if text(out).ends_with('/') => Err(Failure::new(
                Exit::Usage,
                format!("the folder {} does not exist; make it first", out.display()),
            )),
            [input] => Ok(vec![Job { input: input.clone(), output: out.clone() }]),
            _ => Err(Failure::new(
                Exit::Usage,
                format!("{} inputs need a folder as output, and {} is none", inputs.len(), out.display()),
            )),
        };
    }
    let jobs: Vec<Job> =
        inputs.iter().map(|i| Job { input: i.clone(), output: out.join(output_name(i, bits)) }).collect();
    for (n, a) in jobs.iter().enumerate() {
        if let Some(b) = jobs[..n].iter().find(|b| b.output == a.output) {
            let text = format!(
                "{} and {} would both become {}; render them one by one",
                b.input.display(),
                a.input.display(),
                a.output.display()
            );
            return Err(Failure::new(Exit::Usage, text));
        }
    }
    Ok(jobs)
}

/// The input's name, as WAV unless it is a FLAC and the bits are such as FLAC can hold.
fn output_name(input: &Path, bits: BitDepth) -> PathBuf {
    let flac = input.extension().is_some_and(|e| e.eq_ignore_ascii_case("flac"));
    let flac = flac && bits.integer_bits().is_some();
    PathBuf::from(input.file_name().unwrap_or_default()).with_extension(if flac { "flac" } else { "wav" })
}

type Results = Vec<Result<RenderReport, RenderError>>;

/// All files over all cores; also the seconds of audio they hold.
fn render_all(plan: &RackPlan, jobs: &[Job], options: RenderOptions, progress: &Progress) -> (Results, f64) {
    let lengths: Vec<(u64, u32)> = jobs.iter().map(|j| length(&j.input)).collect();
    let frames: u64 = lengths.iter().map(|l| l.0).sum();
    let seconds = lengths.iter().map(|&(f, r)| f as f64 / f64::from(r.max(1))).sum();
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<RenderReport, RenderError>>>> =
        Mutex::new(jobs.iter().map(|_| None).collect());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get()).min(jobs.len());
    // What is held to its ceiling is rendered and measured.
    let frames = if options.exact { 2 * frames } else { frames };
    let bar = bar(frames, seconds);
    std::thread::scope(|scope| {
        let work = || {
            loop {
                let n = next.fetch_add(1, Relaxed);
                let Some(job) = jobs.get(n) else { return };
                // A panic would take the reports of all other files with it.
                let r = catch_unwind(AssertUnwindSafe(|| {
                    render_file(plan, &job.input, &job.output, options, progress)
                }))
                .unwrap_or_else(|_| Err(RenderError::Panicked(job.input.clone())));
                if let Ok(mut all) = results.lock() {
                    all[n] = Some(r);
                }
            }
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        while let Some(bar) = bar.as_ref().filter(|_| !threads.iter().all(|t| t.is_finished())) {
            bar.set_length(frames + progress.more.load(Relaxed));
            bar.set_position(progress.done.load(Relaxed));
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    (results.into_inner().unwrap_or_default().into_iter().flatten().collect(), seconds)
}

/// Frames and rate of an input, zero if it cannot be told.
pub(super) fn length(path: &Path) -> (u64, u32) {
    files::open(path).map_or((0, 1), |r| (r.spec().frames.unwrap_or(0), r.spec().sample_rate))
}

/// A progress bar with ETA and × real time, if stderr is a terminal.
pub(super) fn bar(frames: u64, seconds: f64) -> Option<ProgressBar> {
    if frames == 0 || !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(frames);
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  ETA {eta}  {speed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("speed", move |s: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            let done = seconds * f64::from(s.fraction());
            let _ = write!(w, "{:.0} x real time", done / s.elapsed().as_secs_f64().max(1e-9));
        });
    bar.set_style(style);
    Some(bar)
}
