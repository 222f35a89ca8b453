// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe bench`: what each unit and whole racks cost, one thread, in this process.

use std::path::PathBuf;
use std::time::Instant;

use lathe_core::analysis::LoudnessMeter;
use lathe_core::analysis::true_peak::PeakMeter;
use lathe_core::dsp::convolver::{self, Convolver, Delay, Shape, Voice};
use lathe_core::dsp::math::quantum;
use lathe_core::dsp::oversample::{OversampleFilters, Oversampler, Stop};
use lathe_core::dsp::simd::Class;
use lathe_core::dsp::svf::{self, Coefs, Section, State};
use lathe_core::dsp::{Frames, QUANTUM};
use lathe_core::engine::tap::Tap;
use lathe_core::engine::{
    BuildError, ChainSpec, Command, Engine, Link, Periods, Ports, TapPoint, TapReader, build, link,
};
use lathe_core::rack;
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::{Layout, Role};
use serde_json::json;

use super::load_rack;
use crate::exit::{Exit, Failure};
use crate::racks::SHIPPED;

/// Time units and racks: nanoseconds per frame, worst block, latency
///
/// Single figures move with the machine: compare rows of one run.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe bench\n  lathe bench --rack master.toml --rate 96000 --period 64\n  lathe bench --json | jq -r '[.name, .ns_med] | @tsv'"
)]
pub struct Args {
    /// Time this rack instead of the built-in list
    #[arg(long, short, value_name = "FILE")]
    rack: Option<PathBuf>,
    /// Sample rate in Hz
    #[arg(long, default_value_t = 48_000, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    rate: u32,
    /// Frames per block
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8192))]
    period: u32,
    /// Seconds of audio per row
    #[arg(long, default_value_t = 4, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
    /// Only the row with this name, or rows whose name contains it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// One JSON line per row
    #[arg(long)]
    json: bool,
}

/// Rows of single units, as racks.
const UNITS: &[(&str, &str)] = &[
    ("empty rack", ""),
    ("gain", "unit = \"gain\"\nparams = { trim = -1 }"),
    (
        "equalizer, 8 bells",
        "unit = \"equalizer\"\nparams = { band1 = {freq=60,gain=2}, band2 = {freq=120,gain=-2}, band3 = {freq=300,gain=1}, \
         band4 = {freq=800,gain=-1}, band5 = {freq=2000,gain=2}, band6 = {freq=5000,gain=-2}, band7 = {freq=9000,gain=1}, \
         band8 = {freq=15000,gain=3} }",
    ),
    (
        "equalizer, 8 bells, linear phase, high",
        "unit = \"equalizer\"\nparams = { phase = \"linear\", length = \"high\", band1 = {freq=60,gain=2}, \
         band2 = {freq=120,gain=-2}, band3 = {freq=300,gain=1}, band4 = {freq=800,gain=-1}, band5 = {freq=2000,gain=2}, \
         band6 = {freq=5000,gain=-2}, band7 = {freq=9000,gain=1}, band8 = {freq=15000,gain=3} }",
    ),
    ("compressor", "unit = \"compressor\"\nparams = { threshold = -24, ratio = 3, knee = 6 }"),
    (
        "compressor, peak detector",
        "unit = \"compressor\"\nparams = { threshold = -24, ratio = 3, knee = 6, detector = \"peak\" }",
    ),
    ("limiter", "unit = \"limiter\"\nparams = { gain = 6, ceiling = -1 }"),
    ("limiter, lookahead 5 ms", "unit = \"limiter\"\nparams = { gain = 6, ceiling = -1, lookahead = 5 }"),
    (
        "limiter, dense, soft clip",
        "unit = \"limiter\"\nparams = { gain = 9, ceiling = -1, style = \"dense\", clip = true }",
    ),
    ("clipper", "unit = \"clipper\"\nparams = { gain = 6, ceiling = -1 }"),
    ("saturator, tube", "unit = \"saturator\"\nparams = { model = \"tube\", drive = 6 }"),
    ("saturator, tape", "unit = \"saturator\"\nparams = { model = \"tape\", drive = 6 }"),
    ("stereo", "unit = \"stereo\"\nparams = { width = 130, mono_slope = \"lr4\", guard = true }"),
    (
        "stereo, linear phase",
        "unit = \"stereo\"\nparams = { width = 130, mono_slope = \"lr4\", mono_phase = \"linear\" }",
    ),
    ("dither", "unit = \"dither\"\nparams = { bits = 16 }"),
    ("dither, strong shaping", "unit = \"dither\"\nparams = { bits = 16, shape = \"strong\" }"),
    (
        "4 bands LR4",
        "split = \"bands\"\n[[slot.branch]]\nid=\"a\"\n[[slot.branch]]\nid=\"b\"\n[[slot.branch]]\nid=\"c\"\n[[slot.branch]]\nid=\"d\"",
    ),
    (
        "4 bands LR4, a compressor each",
        "split = \"bands\"\n[[slot.branch]]\nid=\"a\"\n[[slot.branch.slot]]\nid=\"c1\"\nunit=\"compressor\"\n[[slot.branch]]\nid=\"b\"\n\
         [[slot.branch.slot]]\nid=\"c2\"\nunit=\"compressor\"\n[[slot.branch]]\nid=\"c\"\n[[slot.branch.slot]]\nid=\"c3\"\nunit=\"compressor\"\n\
         [[slot.branch]]\nid=\"d\"\n[[slot.branch.slot]]\nid=\"c4\"\nunit=\"compressor\"",
    ),
];

/// 24 bells from 30 Hz to 18 kHz, each with `more`.
fn bells(more: &str) -> String {
    let band = |n: i32| {
        let (freq, gain) = (30.0 * 600f64.powf(f64::from(n - 1) / 23.0), if n % 2 == 0 { -2 } else { 2 });
        format!("band{n} = {{ freq = {freq:.0}, gain = {gain}{more} }}")
    };
    let bands: Vec<String> = (1..=24).map(band).collect();
    format!("unit = \"equalizer\"\nparams = {{ {} }}", bands.join(", "))
}

/// What a kernel does to a quantum of every channel.
type Kernel = Box<dyn FnMut(&mut [Frames])>;

/// Kernels alone, as they run inside the units: name and channels.
fn kernels() -> Vec<(&'static str, usize, Kernel)> {
    let class = Class::chosen();
    let cascade = |sections: u8, channels: usize| -> Kernel {
        let coefs: Vec<Coefs> = (0..sections)
            .map(|n| 0.005 * f64::from(n + 1))
            .map(|g| Coefs::new(&Section { g, k: 0.9, hp: 1.0, bp: 0.95, lp: 1.0 }))
            .collect();
        let places: Vec<u8> = (0..sections).collect();
        let mut states = vec![vec![State::default(); coefs.len()]; channels];
        Box::new(move |audio| svf::cascade(class, &coefs, &places, &mut states, audio))
    };
    let math = |f: fn(Class, &mut Frames)| -> Kernel {
        Box::new(move |audio| audio.iter_mut().for_each(|a| f(class, a)))
    };
    let convolver = |taps: usize| -> Kernel {
        let shape = Shape::new(taps, Delay::None);
        let impulse: Vec<f64> = (0..taps).map(|n| 1.0 / (n + 1) as f64).collect();
        let kernel = convolver::Kernel::new(&shape, &[&impulse]);
        let (mut input, mut voice) = (Convolver::new(&shape, 2), Voice::new(&shape, 2));
        Box::new(move |audio| {
            input.process(&shape, audio);
            voice.process(&shape, &kernel, &input, &[0, 1], audio);
        })
    };
    let oversampler = |factor: usize| -> Kernel {
        let filters = OversampleFilters::new(48_000.0, factor, Stop::Nyquist);
        let mut each = [Oversampler::new(&filters), Oversampler::new(&filters)];
        Box::new(move |audio| {
            for (o, a) in each.iter_mut().zip(audio) {
                o.up(&filters, a);
                o.down(&filters, a);
            }
        })
    };
    let layout = Layout::new(&[Role::Left, Role::Right]);
    let loudness = || -> Kernel {
        let mut meter = LoudnessMeter::new(48_000, &layout);
        Box::new(move |audio| meter.process(audio))
    };
    let with_true_peak = || -> Kernel {
        let (mut meter, mut peaks, mut moment) = (LoudnessMeter::new(48_000, &layout), PeakMeter::new(2), 0);
        Box::new(move |audio| {
            moment += 1;
            meter.process(audio);
            peaks.process(audio, moment, true);
        })
    };
    vec![
        ("kernel loudness, M/S/I and range", 2, loudness()),
        ("kernel loudness with true peak", 2, with_true_peak()),
        ("kernel convolver, 65536 taps", 2, convolver(65_536)),
        ("kernel convolver, 4096 taps", 2, convolver(4096)),
        ("kernel oversampling x8, up and down", 2, oversampler(8)),
        ("kernel svf, 8 sections", 2, cascade(8, 2)),
        ("kernel svf, 16 sections", 2, cascade(16, 2)),
        ("kernel svf, 8 sections, 8 pairs", 16, cascade(8, 16)),
        ("kernel log2", 1, math(quantum::log2)),
        ("kernel exp2", 1, math(quantum::exp2)),
        ("kernel levels in dB", 1, math(quantum::gain_to_db)),
        ("kernel amplitudes of dB", 1, math(quantum::db_to_gain)),
    ]
}

/// Quanta in one timed block of a kernel, so that reading the clock costs nothing beside it.
const KERNEL_QUANTA: usize = 16;

/// One row of the table.
struct Row {
    name: String,
    ns_med: f64,
    ns_mean: f64,
    ns_p99: f64,
    max_block_us: f64,
    latency: usize,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let mut plans: Vec<(String, RackPlan)> = Vec::new();
    match &args.rack {
        Some(path) => {
            let plan = load_rack(path)?;
            for slot in &plan.slots {
                let one = RackPlan { slots: vec![slot.clone()], latency_ms: None, ..plan.clone() };
                plans.push((format!("slot {}", slot.id), one));
            }
            plans.push((format!("rack {}", plan.name), plan));
        }
        None => {
            let many = [("24 bells", ""), ("24 dynamic bells", ", range = -6, threshold = -40")]
                .map(|(name, more)| (format!("equalizer, {name}"), bells(more)));
            let units = UNITS.iter().map(|(name, slot)| (name.to_string(), slot.to_string()));
            for (name, slot) in units.chain(many) {
                let slot =
                    if slot.is_empty() { String::new() } else { format!("[[slot]]\nid = \"s\"\n{slot}\n") };
                let text = format!("format = 1\n[rack]\nname = \"bench\"\nlayout = \"stereo\"\n{slot}");
                let plan = loaded(&text, &name)?;
                plans.push((name, plan));
            }
            for (name, text) in SHIPPED {
                plans.push((format!("rack {name}"), loaded(text, name)?));
            }
            if let Some((name, text)) = SHIPPED.first() {
                plans.push((format!("rack {name}{TAPPED}"), loaded(text, name)?));
            }
        }
    }
    let mut kernels = if args.rack.is_none() { kernels() } else { Vec::new() };
    if let Some(only) = &args.only {
        let names = plans.iter().map(|(n, _)| n.as_str()).chain(kernels.iter().map(|k| k.0));
        let names = names.map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let exact =
            plans.iter().map(|(n, _)| n.as_str()).chain(kernels.iter().map(|k| k.0)).any(|n| n == only);
        let wanted = |n: &str| if exact { n == only } else { n.contains(only.as_str()) };
        plans.retain(|(n, _)| wanted(n));
        kernels.retain(|k| wanted(k.0));
        if plans.is_empty() && kernels.is_empty() {
            return Err(Failure::new(
                Exit::Usage,
                format!("no row has \"{only}\" in its name; there are {names}"),
            ));
        }
    }
    if !args.json {
        println!(
            "{} Hz, {} frames a block, {} s a row, {}; ns per frame, all channels",
            args.rate,
            args.period,
            args.seconds,
            Class::chosen()
        );
        println!(
            "{:<34} {:>9} {:>9} {:>9} {:>12} {:>9} {:>11}",
            "", "median", "mean", "p99", "worst block", "latency", "x real time"
        );
    }
    for (name, plan) in &plans {
        match row(name, plan, args) {
            Ok(row) => print(&row, args),
            Err(e @ BuildError::Source { .. }) if name.starts_with("slot ") => {
                eprintln!("lathe: {name} is timed only in its rack: {e}");
            }
            Err(e) => return Err(Failure::new(Exit::Config, e)),
        }
    }
    for (name, channels, kernel) in kernels {
        print(&kernel_row(name, channels, kernel, args), args);
    }
    Ok(())
}

fn loaded(text: &str, name: &str) -> Result<RackPlan, Failure> {
    rack::load(text, name).map(|l| l.plan).map_err(|e| Failure::new(Exit::Config, e.render(false)))
}

fn print(r: &Row, args: &Args) {
    if args.json {
        super::print_json(&json!({
            "name": r.name, "ns_med": r.ns_med, "ns_mean": r.ns_mean, "ns_p99": r.ns_p99,
            "max_block_us": r.max_block_us, "latency": r.latency,
        }));
    } else {
        let speed = 1e9 / f64::from(args.rate) / r.ns_mean;
        println!(
            "{:<34} {:>9.1} {:>9.1} {:>9.1} {:>9.1} us {:>9} {:>11.0}",
            r.name, r.ns_med, r.ns_mean, r.ns_p99, r.max_block_us, r.latency, speed
        );
    }
}

/// Noise with a moving level on every channel, and a place for what comes out.
struct Buffers {
    audio: Vec<Vec<f32>>,
    at: usize,
    out: Vec<f32>,
}

impl Ports for Buffers {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        let x = &self.audio[channel % self.audio.len()][self.at + from..];
        into.iter_mut().zip(x).for_each(|(o, x)| *o = f64::from(*x));
    }
    fn write_main(&mut self, _: usize, _: usize, audio: &[f64]) {
        self.out.iter_mut().zip(audio).for_each(|(o, x)| *o = *x as f32);
        std::hint::black_box(&self.out);
    }
    fn write_monitor(&mut self, channel: usize, from: usize, audio: &[f64]) {
        self.write_main(channel, from, audio);
    }
}

/// End of the name of a row whose audio is copied out at every tap, for any number of instruments.
const TAPPED: &str = ", every tap armed";

/// Arms every tap of a chain.
fn arm(link: &mut Link, spec: &ChainSpec) -> Vec<TapReader> {
    let main = [TapPoint::In, TapPoint::Out, TapPoint::Monitor].map(|p| (p, spec.layout.len()));
    let slots = spec.slots.iter().flat_map(|s| {
        [TapPoint::slot_in(&s.id), TapPoint::slot_out(&s.id)].map(|p| (p, s.format.channels()))
    });
    let both = |(point, channels)| {
        let (tap, reader) = Tap::new(point, channels, 1 << 16);
        link.send(Command::Arm(Box::new(tap))).is_ok().then_some(reader)
    };
    main.into_iter().chain(slots).filter_map(both).collect()
}

fn row(name: &str, plan: &RackPlan, args: &Args) -> Result<Row, BuildError> {
    let built = build(plan, args.rate)?;
    let latency = built.spec.latency;
    let channels = built.spec.inputs.iter().sum();
    let (mut link, audio) = link();
    let mut taps = if name.ends_with(TAPPED) { arm(&mut link, &built.spec) } else { Vec::new() };
    let period = args.period as usize;
    let mut periods = Periods::new(Engine::new(built, audio), period);
    let mut b = Buffers { audio: noise(channels, 65_536 + 8192), at: 0, out: vec![0.0; QUANTUM] };
    let blocks = (args.seconds as usize * args.rate as usize / period).max(8);
    let mut ns = Vec::with_capacity(blocks);
    for n in 0..blocks + blocks / 4 {
        b.at = (n * period) % 65_536;
        let start = Instant::now();
        periods.run(period, &mut b);
        let took = start.elapsed().as_nanos() as f64;
        taps.iter_mut().for_each(|tap| while tap.read().is_some() {});
        if n >= blocks / 4 {
            ns.push(took);
        }
    }
    Ok(Row { latency, ..Row::new(name, ns, period) })
}

/// One kernel over the same noise again and again.
fn kernel_row(name: &str, channels: usize, mut kernel: Kernel, args: &Args) -> Row {
    let source: Vec<Frames> = noise(channels, QUANTUM)
        .iter()
        .map(|x| std::array::from_fn(|i| f64::from(x[i].abs()) + 0.001))
        .collect();
    let mut audio = source.clone();
    let frames = KERNEL_QUANTA * QUANTUM;
    let blocks = (args.seconds as usize * args.rate as usize / frames).max(8);
    let mut ns = Vec::with_capacity(blocks);
    for n in 0..blocks + blocks / 4 {
        let start = Instant::now();
        for _ in 0..KERNEL_QUANTA {
            audio.copy_from_slice(&source);
            kernel(&mut audio);
            std::hint::black_box(&mut audio);
        }
        let took = start.elapsed().as_nanos() as f64;
        if n >= blocks / 4 {
            ns.push(took);
        }
    }
    Row::new(name, ns, frames)
}

impl Row {
    /// From the nanoseconds of blocks of so many frames.
    fn new(name: &str, mut ns: Vec<f64>, frames: usize) -> Row {
        let mean = ns.iter().sum::<f64>() / ns.len() as f64;
        ns.sort_by(f64::total_cmp);
        let frames = frames as f64;
        Row {
            name: name.to_string(),
            ns_med: ns[ns.len() / 2] / frames,
            ns_mean: mean / frames,
            ns_p99: ns[ns.len() * 99 / 100] / frames,
            max_block_us: ns.last().copied().unwrap_or(0.0) / 1000.0,
            latency: 0,
        }
    }
}

fn noise(channels: usize, frames: usize) -> Vec<Vec<f32>> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..channels.max(1))
        .map(|_| (0..frames).map(|n| next() * (0.1 + 0.4 * ((n / 4000) % 3) as f32)).collect())
        .collect()
}
