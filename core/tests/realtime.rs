// SPDX-License-Identifier: MIT OR Apache-2.0
//! The audio thread allocates and frees nothing, whatever is done to it. The binary has its own
//! allocator, which counts what the thread does while it is inside the callback.
#![allow(unsafe_code)] // the allocator

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;

#[path = "it/cases.rs"]
mod cases;
#[path = "it/rig.rs"]
mod rig;

use cases::{all_working, name, rack, random_value, randomized};
use lathe_core::engine::monitor::MonitorParam;
use lathe_core::engine::{Command, Event, TapPoint, tap::Tap};
use lathe_core::param::Motion;
use lathe_core::rack::plan::{RackPlan, SlotPlan};
use rig::{Rig, Rng, music};

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    if INSIDE.with(Cell::get) {
        COUNT.with(|c| c.set(c.get() + 1));
    }
}

// SAFETY: every call is handed to the system allocator unchanged; the counters are const-initialised
// thread locals without destructors, so touching them allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, m: Memory) -> *mut u8 {
        count();
        unsafe { System.alloc(m) }
    }
    unsafe fn dealloc(&self, p: *mut u8, m: Memory) {
        count();
        unsafe { System.dealloc(p, m) }
    }
    unsafe fn alloc_zeroed(&self, m: Memory) -> *mut u8 {
        count();
        unsafe { System.alloc_zeroed(m) }
    }
    unsafe fn realloc(&self, p: *mut u8, m: Memory, n: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(p, m, n) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs one period and returns how often the thread allocated or freed in it.
fn period(rig: &mut Rig, buffers: &mut rig::Buffers, frames: usize) -> u64 {
    let before = COUNT.with(Cell::get);
    INSIDE.with(|i| i.set(true));
    rig.periods.run(frames, buffers);
    INSIDE.with(|i| i.set(false));
    COUNT.with(Cell::get) - before
}

/// One rack under random parameter changes, designs, swaps, taps and bad input.
fn torture(start: RackPlan, periods: usize, r: &mut Rng) -> u64 {
    let channels = start.layout.len();
    let audio = music(channels, 65_536, 48_000, r.next());
    let mut rig = Rig::new(&start, 48_000);
    let silence = || vec![vec![0.0; 65_536]; channels];
    let mut buffers = rig::Buffers { input: &audio, offset: 0, main: silence(), monitor: silence() };
    let mut bad = audio.clone();
    for _ in 0..200 {
        let (c, n) = (r.below(channels), r.below(65_536));
        bad[c][n] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1e-310][r.below(5)];
    }
    let (mut total, mut installing) = (0, false);
    for _ in 0..periods {
        match r.below(12) {
            // A period of one frame takes no commands: leave them room.
            _ if rig.link.commands.slots() < 128 => {}
            0..3 => change(&mut rig, r),
            3 if !installing => {
                let slot = quick(randomized(rig.plan.slots[0].clone(), r), r);
                let plan = RackPlan { slots: vec![slot], ..rig.plan.clone() };
                rig.install(&plan);
                installing = true;
            }
            4 => {
                let point = [TapPoint::In, TapPoint::Out, TapPoint::slot_out("u")][r.below(3)];
                let (tap, reader) = Tap::new(point, channels, 4096);
                drop(reader);
                let id = tap.id;
                let _ = rig.link.send(Command::Arm(Box::new(tap)));
                let _ = rig.link.send(Command::Disarm(id));
            }
            5 => {
                let panic = &rig.link.status.panic;
                panic.store(r.below(4) == 0, std::sync::atomic::Ordering::Relaxed);
            }
            6 => rig.listen("u", r.below(26) as u16),
            7 => rig.set_monitor(MonitorParam::Source, r.below(3) as f64),
            _ => {}
        }
        let frames = [64, 128, 256, 100, 441, 1][r.below(6)];
        buffers.offset = r.below(65_536 - 512);
        buffers.input = if r.below(20) == 0 { &bad } else { &audio };
        total += period(&mut rig, &mut buffers, frames);
        installing &= !rig.collect().iter().any(|e| matches!(e, Event::Installed(_)));
    }
    assert!(buffers.main.iter().chain(&buffers.monitor).flatten().all(|v| v.is_finite()));
    total
}

/// With short kernels mostly: designing long ones would be all that the test does.
fn quick(slot: SlotPlan, r: &mut Rng) -> SlotPlan {
    if slot.table.find("length").is_some() && r.below(50) > 0 { slot.with("length", 0.0) } else { slot }
}

/// One to three live changes in one batch.
fn change(rig: &mut Rig, r: &mut Rng) {
    let slot: SlotPlan = rig.plan.slots[0].clone();
    let live: Vec<(String, f64)> = (0..1 + r.below(3))
        .filter_map(|_| {
            let (_, spec) = slot.table.iter().nth(r.below(slot.table.len()))?;
            (spec.change != Motion::Structural).then(|| (spec.symbol.to_string(), random_value(spec, r)))
        })
        .collect();
    let at = rig.periods.engine().frame() + r.below(200) as u64;
    let changes: Vec<(&str, &str, f64)> = live.iter().map(|(s, v)| ("u", s.as_str(), *v)).collect();
    if !changes.is_empty() {
        rig.set(&changes, at);
    }
}

/// Periods in all; `tests/soak` asks for more.
fn periods() -> usize {
    std::env::var("LATHE_PERIODS").ok().and_then(|v| v.parse().ok()).unwrap_or(100_000)
}

fn seed() -> u64 {
    std::env::var("LATHE_SEED").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

#[test]
fn the_callback_allocates_and_frees_nothing() {
    let mut r = Rng(seed().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let all = all_working();
    let share = periods() / all.len() / 2;
    for slot in all {
        for layout in ["stereo", "5.1"] {
            let n = torture(rack(layout, vec![slot.clone()]), share, &mut r);
            println!("{} in {layout}: {n} allocations or frees in {share} periods", name(&slot));
            assert_eq!(n, 0, "{} in {layout}", name(&slot));
        }
    }
}

/// Kernels that no unit holds yet.
#[test]
fn kernels_allocate_and_free_nothing() {
    use lathe_core::dsp::convolver::{Convolver, Delay, Kernel, Shape, Voice};
    use lathe_core::dsp::oversample::{OversampleFilters, Oversampler, Stop};
    let filters = OversampleFilters::new(44_100.0, 8, Stop::Nyquist);
    let mut oversampler = Oversampler::new(&filters);
    let shape = Shape::new(20_000, Delay::None);
    let kernel = Kernel::new(&shape, &[&vec![0.01; 20_000]]);
    let (mut convolver, mut voice) = (Convolver::new(&shape, 2), Voice::new(&shape, 2));
    let (x, mut y) = ([[0.5; 64]; 2], [[0.0; 64]; 2]);
    let before = COUNT.with(Cell::get);
    INSIDE.with(|i| i.set(true));
    for _ in 0..300 {
        convolver.process(&shape, &x);
        voice.process(&shape, &kernel, &convolver, &[0, 1], &mut y);
        let [first, _] = &mut y;
        oversampler.up(&filters, &x[0]);
        oversampler.down(&filters, first);
    }
    oversampler.reset();
    convolver.reset();
    voice.reset();
    INSIDE.with(|i| i.set(false));
    assert_eq!(COUNT.with(Cell::get) - before, 0);
}

/// Input that allocates while it is read, inside the callback.
struct Planted;

impl lathe_core::engine::Ports for Planted {
    fn read(&mut self, _: usize, _: usize, into: &mut [f64]) {
        into.copy_from_slice(&std::hint::black_box(vec![0.0; into.len()]));
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

/// Runs one callback with the planted allocation in it.
fn run_planted() -> u64 {
    let mut rig = Rig::new(&rack("mono", vec![]), 48_000);
    INSIDE.with(|i| i.set(true));
    rig.periods.run(64, &mut Planted);
    INSIDE.with(|i| i.set(false));
    COUNT.with(Cell::get)
}

/// The proof that the test above can fail: an allocation in the callback is caught by the same count,
/// and under the real-time sanitizer it ends the process with a report.
#[test]
fn a_planted_allocation_is_caught() {
    if std::env::var_os("LATHE_PLANT").is_some() {
        run_planted();
        return;
    }
    if std::env::var_os("LATHE_RTSAN").is_none() {
        assert_eq!(run_planted(), 2, "one allocation, one free");
        return;
    }
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_planted_allocation_is_caught", "--nocapture"])
        .env("LATHE_PLANT", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success() && said.contains("RealtimeSanitizer"), "{}: {said}", out.status);
    println!("caught: {}", said.lines().find(|l| l.contains("ERROR")).unwrap_or(""));
}

/// Every kind of instrument for an hour of frames at 8 kHz: meters run for weeks, so what they hold must not grow.
#[test]
fn an_hour_of_metering_allocates_nothing() {
    use lathe_core::analysis::alarms::AlarmSettings;
    use lathe_core::analysis::bars::BarSettings;
    use lathe_core::analysis::ppm::PpmType;
    use lathe_core::analysis::true_peak::PeakMode;
    use lathe_core::analysis::{Instrument, IntegratorSettings, TapMeter};
    use lathe_core::dsp::{Frames, QUANTUM};
    use lathe_core::units::Layout;

    const RATE: u32 = 8000;
    let mut meter = TapMeter::empty(RATE, &Layout::named("stereo").unwrap());
    for what in [
        Instrument::Loudness,
        Instrument::Last { seconds: 3600 },
        Instrument::Peaks(PeakMode::Exact),
        Instrument::Levels,
        Instrument::Rms { seconds: 10.0 },
        Instrument::Vu { reference_dbfs: -18.0 },
        Instrument::Ppm { kind: PpmType::I, reference_dbfs: -18.0 },
        Instrument::Bars(BarSettings::default()),
        Instrument::Clips { full_scale: 1.0 },
        Instrument::WordLength,
        Instrument::Alarms(AlarmSettings::default()),
        Instrument::Polarity,
        Instrument::Integrated(IntegratorSettings::default()),
    ] {
        meter.add(what).unwrap();
    }
    let sound = music(2, 8192, RATE, 5);
    let quantum = |q: usize, gain: f64| -> [Frames; 2] {
        [0, 1].map(|c| std::array::from_fn(|i| gain * sound[c][(q * QUANTUM + i) % 8192]))
    };
    // What falls with every quantum is kept longest: it fills what is kept.
    (0..1500).for_each(|q| meter.process(&quantum(0, 0.99f64.powi(q))));
    let hours: usize = std::env::var("LATHE_HOURS").map_or(1, |h| h.parse().unwrap());
    let frames = hours * 3600 * RATE as usize;
    let mut reader = lathe_core::analysis::Reader::new(&meter);
    let mut before = COUNT.with(Cell::get);
    let mut total = 0;
    for q in 0..frames / QUANTUM {
        // It swells and fades, pauses and has gaps.
        let audio = quantum(q, 0.5 - 0.5 * (q as f64 * 0.001).cos());
        INSIDE.with(|i| i.set(true));
        if q % 40_000 == 0 {
            meter.gap(1000);
        }
        meter.process(&audio);
        INSIDE.with(|i| i.set(false));
        if q % 50_000 == 0 {
            total += COUNT.with(Cell::get) - before;
            meter.read(&mut reader);
            before = COUNT.with(Cell::get);
        }
    }
    total += COUNT.with(Cell::get) - before;
    println!("{} quanta, {total} allocations", frames / QUANTUM);
    assert_eq!(total, 0);
}
