// SPDX-License-Identifier: MIT OR Apache-2.0
//! Thousands of recalls, undos, reloads and batches while audio runs: no allocation in the callback, no
//! click, nothing that is not a number, and at the end the sound of the settings that stand there.

use std::collections::BTreeMap;
use std::f64::consts::PI;
use std::time::{Duration, Instant};

use assert_no_alloc::assert_no_alloc;
use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{Periods, Ports};
use lathe_core::param::ParamKind;
use lathe_core::rack::{self, plan::RackPlan};
use lathed::control::address::Control as Line;
use lathed::control::{Client, Control, Edit, Input, Item, Reloaded, When};
use lathed::grpc::v1;
use lathed::osc::{Arg, Booleans, encode_bundle};

use super::clients::{Clients, Recording};
use super::jack::noise;
use super::jackd::Jackd;
use super::lathed::Lathed;
use super::music::rendered;
use super::osc::{message, text};
use super::remote::{Busiest, Remote, from_env, reachable};

const RATE: usize = 48_000;
/// The steady sound.
const HZ: f64 = 100.0;
const LEVEL: f64 = 0.1;

/// Racks with the same ports, all of whose changes are gain-like on a sine: levels, filters, splits.
const RACKS: [&str; 3] = [
    r#"
format = 1
[rack]
name = "A"
layout = "stereo"
[[slot]]
id = "trim"
unit = "gain"
[[slot]]
id = "eq"
unit = "equalizer"
params = { band1 = { freq = 200, gain = 3 }, band2 = { freq = 3000, gain = -2 } }
[[slot]]
id = "bands"
split = "bands"
  [[slot.branch]]
  id = "low"
    [[slot.branch.slot]]
    id = "low_gain"
    unit = "gain"
  [[slot.branch]]
  id = "high"
"#,
    r#"
format = 1
[rack]
name = "B"
layout = "stereo"
[[slot]]
id = "eq"
unit = "equalizer"
params = { band1 = { freq = 400, gain = -4 } }
[[slot]]
id = "sides"
split = "midside"
  [[slot.branch]]
  id = "mid"
  [[slot.branch]]
  id = "side"
    [[slot.branch.slot]]
    id = "side_gain"
    unit = "gain"
[[slot]]
id = "trim"
unit = "gain"
"#,
    r#"
format = 1
[rack]
name = "C"
layout = "stereo"
[[slot]]
id = "trim"
unit = "gain"
[[slot]]
id = "eq"
unit = "equalizer"
[[slot]]
id = "last"
unit = "gain"
params = { trim = -2 }
"#,
];

/// xorshift64*, seeded.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A new value of a control: anything it takes, but for levels, which stay within 12 dB, as a sine at
    /// +80 dB says nothing of clicks.
    fn value(&mut self, line: &Line) -> f64 {
        let spec = &line.spec;
        match spec.kind {
            ParamKind::Float if spec.unit == lathe_core::param::Unit::Decibel => {
                (24.0 * self.unit() - 12.0).clamp(spec.min, spec.max)
            }
            ParamKind::Float => spec.from_norm(self.unit()),
            _ => spec.min + self.below((spec.max - spec.min) as usize + 1) as f64,
        }
    }

    /// One to eight changes of the controls drawn from.
    fn batch(&mut self, lines: &[Line], drawn: fn(&Line) -> bool) -> Vec<(String, f64)> {
        let sounding: Vec<&Line> = lines.iter().filter(|l| drawn(l)).collect();
        (0..1 + self.below(8))
            .map(|_| {
                let line = sounding[self.below(sounding.len())];
                (line.address.clone(), self.value(line))
            })
            .collect()
    }
}

/// What sounds and leaves the latency as it is: a chain of another latency comes through silence.
fn is_gain_like(line: &Line) -> bool {
    let latency = ["/phase", "/length"].iter().any(|p| line.address.ends_with(p));
    !line.address.starts_with("monitor/") && (!latency || line.address.contains("/band"))
}

/// Everything of the rack that sounds, with phase and length of the equalizer.
fn sounds(line: &Line) -> bool {
    !line.address.starts_with("monitor/")
}

fn plan(n: usize) -> RackPlan {
    rack::load(RACKS[n], "rack").unwrap_or_else(|e| panic!("{}", e.render(false))).plan
}

/// A sine in, the first channel out, without an allocation.
struct Sine {
    frame: usize,
    out: Vec<f64>,
}

impl Ports for Sine {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        for (n, x) in into.iter_mut().enumerate() {
            let t = (self.frame + from + n) % RATE;
            *x = LEVEL * (2.0 * PI * HZ * t as f64 / RATE as f64 + 0.3 * channel as f64).sin();
        }
    }
    fn write_main(&mut self, channel: usize, _: usize, audio: &[f64]) {
        if channel == 0 {
            assert!(self.out.len() + audio.len() <= self.out.capacity());
            self.out.extend_from_slice(audio);
        }
    }
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl Sine {
    /// Room for so many quanta more.
    fn run(&mut self, control: &mut Control, periods: &mut Periods, quanta: usize) {
        self.out.reserve(quanta * QUANTUM);
        for _ in 0..quanta {
            assert_no_alloc(|| periods.run(QUANTUM, self));
            self.frame += QUANTUM;
            control.tick();
        }
    }
}

/// A linear-phase high-pass at 5 kHz with 2 kHz of edge and 200 dB of stop band.
fn highpass() -> Vec<f64> {
    let (edge, cut, rate) = (2_000.0, 4_000.0, RATE as f64);
    let n = ((200.0 - 8.0) / (2.285 * 2.0 * PI * edge / rate)).ceil() as usize | 1;
    let half = (n / 2) as f64;
    let bessel = |x: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..200 {
            term *= (x / (2.0 * f64::from(k))).powi(2);
            sum += term;
        }
        sum
    };
    (0..n)
        .map(|i| {
            let t = i as f64 - half;
            let window = bessel(20.0 * (1.0 - (t / half).powi(2)).max(0.0).sqrt()) / bessel(20.0);
            let low = if t == 0.0 { 2.0 * cut / rate } else { (PI * t * 2.0 * cut / rate).sin() / (PI * t) };
            window * (if t == 0.0 { 1.0 } else { 0.0 } - low)
        })
        .collect()
}

/// Peak of what a recording of the sine has above 5 kHz, and of the recording, in dBFS; and where.
fn clicks(audio: &[f64]) -> (f64, f64, usize) {
    let fir = highpass();
    let (mut most, mut place) = (0.0_f64, 0);
    for (n, w) in audio.windows(fir.len()).enumerate() {
        let y: f64 = w.iter().zip(&fir).map(|(a, b)| a * b).sum();
        if y.abs() > most {
            (most, place) = (y.abs(), n + fir.len() / 2);
        }
    }
    let db = |x: f64| 20.0 * x.max(1e-30).log10();
    (db(most), db(audio.iter().fold(0.0, |m: f64, x| m.max(x.abs()))), place)
}

/// What is done, by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Recall(usize),
    Undo,
    Redo,
    Reload(usize),
    Batch,
}

const SNAPSHOTS: usize = 6;

impl Random {
    fn act(&mut self) -> Act {
        match self.below(20) {
            0..6 => Act::Recall(self.below(SNAPSHOTS)),
            6..9 => Act::Undo,
            9..11 => Act::Redo,
            11..13 => Act::Reload(self.below(RACKS.len())),
            _ => Act::Batch,
        }
    }
}

#[test]
fn thousands_of_changes_allocate_nothing_click_nowhere_and_end_where_they_should() {
    torture(from_env("LATHE_RECALLS", 2_000), is_gain_like);
}

#[test]
fn changes_of_latency_in_a_stream_of_others_click_nowhere_and_end_where_they_should() {
    torture(from_env("LATHE_RECALLS", 500) / 10, sounds);
}

/// So many changes of the controls drawn, in process.
fn torture(count: u64, drawn: fn(&Line) -> bool) {
    let seed = from_env("LATHE_SEED", 1);
    let mut r = Random::new(seed);
    let mut control = Control::new(plan(0));
    let engine = control.start(RATE as u32).unwrap();
    let mut periods = Periods::new(engine, QUANTUM);
    let mut sine = Sine { frame: 0, out: Vec::new() };
    let snapshots: Vec<BTreeMap<String, f64>> = (0..SNAPSHOTS)
        .map(|n| {
            let lines = Control::new(plan(n % RACKS.len())).controls();
            let sounding = lines.iter().filter(|l| drawn(l));
            sounding.map(|l| (l.address.clone(), r.value(l))).collect()
        })
        .collect();
    sine.run(&mut control, &mut periods, 100);
    sine.out.clear();
    let (mut worst, mut loudest, mut longest) = (f64::NEG_INFINITY, f64::NEG_INFINITY, Duration::ZERO);
    let (mut done, mut refused, mut installs) = (0, 0, 0);
    let mut last = Vec::new();
    for n in 0..count {
        let act = r.act();
        let begun = Instant::now();
        let made = match act {
            Act::Recall(s) => control.recall(&snapshots[s], 0.0, Client(1), "recall").is_ok(),
            Act::Undo => control.undo(Client(1)).is_ok_and(|s| s.is_some()),
            Act::Redo => control.redo(Client(1)).is_ok_and(|s| s.is_some()),
            Act::Reload(p) => matches!(control.reload(plan(p)), Ok(Reloaded::Sent(_))),
            Act::Batch => {
                let batch = r.batch(&control.controls(), drawn);
                let when = match r.below(4) {
                    0 => When::At(periods.engine().frame() + r.below(6_000) as u64),
                    _ => When::Now,
                };
                let item =
                    |(address, v): (String, f64)| Item { address, input: Input::Real(v), ramp_ms: None };
                let items = batch.into_iter().map(item).collect();
                control.edit(&Edit { client: Client(2), items, when, validate_only: false }).is_ok()
            }
        };
        longest = longest.max(begun.elapsed());
        done += u64::from(made);
        refused += u64::from(!made);
        last.push(format!("{n} {act:?}"));
        // Sometimes the next comes at once, sometimes when everything is quiet again.
        let quanta = match r.below(12) {
            0 => 1_600,
            1..4 => 100 + r.below(200),
            _ => r.below(24),
        };
        sine.run(&mut control, &mut periods, quanta);
        if sine.out.len() > 20 * RATE || n + 1 == count {
            assert!(sine.out.iter().all(|x| x.is_finite()), "up to change {n}");
            let (left, peak, place) = clicks(&sine.out);
            if left > worst {
                println!("change {n}: {left:.1} dBFS above 5 kHz at {place}, peak {peak:.1} dBFS");
            }
            (worst, loudest) = (worst.max(left), loudest.max(peak));
            let keep = sine.out.len() - 1_000;
            sine.out.drain(..keep);
            last.clear();
        }
        installs = control.status().unwrap().installs.load(std::sync::atomic::Ordering::Relaxed);
    }
    // All settings back.
    assert!(matches!(control.reload(plan(0)), Ok(Reloaded::Sent(_))));
    sine.run(&mut control, &mut periods, 8_000);
    assert!(control.is_settled() && *control.plan() == plan(0));
    sine.out.clear();
    let from = sine.frame;
    sine.run(&mut control, &mut periods, 1_500);
    let mut fresh = Control::new(plan(0));
    let mut other = Periods::new(fresh.start(RATE as u32).unwrap(), QUANTUM);
    let mut same = Sine { frame: from - 8_000 * QUANTUM, out: Vec::new() };
    same.run(&mut fresh, &mut other, 8_000);
    same.out.clear();
    same.run(&mut fresh, &mut other, 1_500);
    let off = sine.out.iter().zip(&same.out).map(|(a, b)| (a - b).abs()).fold(1e-30, f64::max);
    println!(
        "{done} changes made, {refused} refused, {installs} chains; above 5 kHz {worst:.1} dBFS at most, \
         peak {loudest:.1} dBFS; slowest change {longest:?}; at the end {:.1} dB from a fresh engine",
        20.0 * off.log10()
    );
    assert!(done > count / 2 && installs > count / 40);
    assert!(20.0 * off.log10() < -180.0);
    assert!(worst < -100.0, "{worst:.1} dBFS");
}

/// Not a test: the empty client to compare with, the daemon's ports and nothing between them.
#[test]
#[ignore = "the body of a helper process"]
fn pass_through() {
    struct Pass(Vec<(jack::Port<jack::AudioIn>, jack::Port<jack::AudioOut>)>);
    impl jack::ProcessHandler for Pass {
        fn process(&mut self, _: &jack::Client, scope: &jack::ProcessScope) -> jack::Control {
            for (from, to) in &mut self.0 {
                to.as_mut_slice(scope).copy_from_slice(from.as_slice(scope));
            }
            jack::Control::Continue
        }
    }
    let (client, _) = jack::Client::new("lathe", jack::ClientOptions::NO_START_SERVER).unwrap();
    let pairs = ["L", "R"].map(|c| {
        let from = client.register_port(&format!("in_{c}"), jack::AudioIn::default()).unwrap();
        (from, client.register_port(&format!("out_{c}"), jack::AudioOut::default()).unwrap())
    });
    let client = client.activate_async((), Pass(pairs.into())).unwrap();
    std::thread::sleep(Duration::from_secs(600));
    drop(client);
}

/// The empty client in a process of its own.
struct Empty(std::process::Child);

impl Empty {
    fn on(server: &Jackd) -> Empty {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["recalls::pass_through", "--exact", "--ignored", "--nocapture"])
            .env("JACK_DEFAULT_SERVER", server.name())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let there = || server.lsp(&[]).filter(|ports| ports.contains("lathe:out_R")).map(drop);
        super::jackd::wait_for("the empty client", Duration::from_secs(10), there);
        Empty(child)
    }
}

impl Drop for Empty {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PERIOD: u32 = 512;
/// Time between two changes, and what the sound is given before, to settle, and to be compared, in seconds.
const PACE: Duration = Duration::from_millis(12);
const BEFORE: f64 = 0.5;
const SETTLE: f64 = 4.0;
const COMPARED: f64 = 3.0;

/// What one run came to.
struct Run {
    ours: Recording,
    empty: Recording,
    sent: usize,
    /// Processor time in any one period, its mean share, the longest time between two looks, in seconds.
    cpu: (f64, f64, f64),
}

/// The sine, and noise at the end.
fn programme(count: usize) -> Vec<Vec<f32>> {
    let steady = ((BEFORE + SETTLE + count as f64 * PACE.as_secs_f64()) * RATE as f64) as usize / 64 * 64;
    let sine = |c: usize, n: usize| LEVEL * (2.0 * PI * HZ * n as f64 / RATE as f64 + 0.3 * c as f64).sin();
    let mut all: Vec<Vec<f32>> = (0..2).map(|c| (0..steady).map(|n| sine(c, n) as f32).collect()).collect();
    let end = noise(2, (COMPARED * RATE as f64) as usize / 64 * 64, 23);
    all.iter_mut().zip(end).for_each(|(all, end)| all.extend(end));
    all
}

/// Random changes over OSC, gRPC and HUP at a steady pace.
fn change(remote: &Remote, daemon: &Lathed, count: usize, r: &mut Random) -> usize {
    let peer = remote.peer();
    let lines = Control::new(plan(2)).controls();
    let common = |l: &&Line| l.address.starts_with("trim/") || l.address.starts_with("eq/");
    let lines: Vec<Line> = lines.iter().filter(common).cloned().collect();
    let begun = Instant::now();
    let mut loads = tokio::task::JoinSet::new();
    for n in 0..count {
        match r.act() {
            Act::Recall(s) => peer.send("/snapshot/recall", &[text(&format!("S{s}"))]),
            Act::Undo => peer.send("/undo", &[]),
            Act::Redo => peer.send("/redo", &[]),
            Act::Reload(_) if r.below(6) == 0 => daemon.signal("HUP"),
            Act::Reload(p) => {
                let mut rack = remote.rack();
                let request = v1::LoadRackRequest { toml: RACKS[p].into(), ..Default::default() };
                loads.spawn_on(async move { rack.load_rack(request).await }, remote.runtime.handle());
            }
            Act::Batch => {
                let sets: Vec<_> = r
                    .batch(&lines, is_gain_like)
                    .into_iter()
                    .map(|(a, v)| message(&format!("/rack/{a}"), &[Arg::Float(v as f32)]))
                    .collect();
                peer.raw(&encode_bundle(&sets, 1, Booleans::Integers));
            }
        }
        let due = begun + PACE * (n as u32 + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let loads = remote.runtime.block_on(loads.join_all());
    assert!(loads.iter().all(Result::is_ok), "{loads:?}");
    loads.len()
}

fn run(count: usize, swapped: bool, r: &mut Random, input: &[Vec<f32>], file: &std::path::Path) -> Run {
    let first = Jackd::start(RATE as u32, PERIOD);
    let second = Jackd::beside(&first, RATE as u32, PERIOD);
    let (with_us, beside) = if swapped { (&second, &first) } else { (&first, &second) };
    let daemon = Lathed::on(with_us, &reachable(&["--rack", file.to_str().unwrap()]));
    let remote = Remote::of(&daemon);
    for s in 0..SNAPSHOTS {
        remote.load(RACKS[s % RACKS.len()]).unwrap();
        let lines = Control::new(plan(s % RACKS.len())).controls();
        remote.set(&r.batch(&lines, is_gain_like), None, None).unwrap();
        remote.store(&format!("S{s}"));
    }
    remote.load(RACKS[0]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let _empty = Empty::on(beside);
    let origin = daemon.origin().expect("the log names the origin");
    let their = Clients::start(beside, "lathe", &["L", "R"], input, 8192, 0);
    let our = Clients::start(with_us, "lathe", &["L", "R"], input, 8192, origin.jack_frame);
    their.wait_started();
    our.wait_started();
    let busiest = Busiest::of(daemon.pid());
    let over = std::sync::atomic::AtomicBool::new(false);
    let (sent, cpu) = std::thread::scope(|s| {
        let stop = || over.load(std::sync::atomic::Ordering::Acquire);
        let watcher = s.spawn(move || busiest.watch(f64::from(PERIOD) / RATE as f64, stop));
        std::thread::sleep(Duration::from_secs_f64(BEFORE));
        let loads = change(&remote, &daemon, count, r);
        let back = remote.load(RACKS[0]).unwrap();
        println!("{count} changes, {loads} of them loads; all back, heard = {}", back.audible);
        over.store(true, std::sync::atomic::Ordering::Release);
        (count, watcher.join().unwrap())
    });
    Run { ours: our.finish(), empty: their.finish(), sent, cpu }
}

#[test]
fn thousands_of_changes_on_a_running_server_cost_no_glitch() {
    let (count, seed) = (from_env("LATHE_RECALLS", 2_000) as usize, from_env("LATHE_SEED", 1));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rack.toml");
    std::fs::write(&file, RACKS[0]).unwrap();
    let a_run = (count / 2).min(5_000);
    let input = programme(a_run);
    let expected = rendered(&file, RATE as u32, &input);
    let mut r = Random::new(seed);
    let (mut ours, mut theirs, mut quiet, mut sent) = (0, 0, 0, 0);
    let period = f64::from(PERIOD) / RATE as f64;
    let mut cpu = (f64::INFINITY, 0.0);
    for round in 0.. {
        let run = run(a_run, round % 2 == 1, &mut r, &input, &file);
        (ours, theirs, sent) = (ours + run.ours.xruns, theirs + run.empty.xruns, sent + run.sent);
        let (most, mean, gap) = run.cpu;
        // Another's time slice can hide a callback from who looks: the quietest run of several counts.
        cpu = if most < cpu.0 { (most, mean) } else { cpu };
        println!(
            "round {round}: xruns {} beside {} of the empty client; callback at most {:.1} % of a period in \
             any period, {:.1} % in the mean, never looked away for more than {:.2} ms",
            run.ours.xruns,
            run.empty.xruns,
            100.0 * most / period,
            100.0 * mean,
            1e3 * gap
        );
        assert!(run.ours.audio.iter().flatten().all(|x| x.is_finite()), "not a number");
        if !run.ours.disturbed {
            let shift = run.ours.reported.0 as usize;
            let steady = input[0].len() - (COMPARED * RATE as f64) as usize;
            let sound: Vec<f64> =
                run.ours.audio[0][shift + 4_800..steady].iter().map(|x| f64::from(*x)).collect();
            let (left, peak, place) = clicks(&sound);
            let tail = input[0].len() - RATE..input[0].len();
            let off = (0..2)
                .flat_map(|c| {
                    let live = &run.ours.audio[c][shift..];
                    tail.clone().map(|n| f64::from((live[n] - expected[c][n]).abs())).collect::<Vec<_>>()
                })
                .fold(1e-30, f64::max);
            let off = 20.0 * off.log10();
            println!(
                "above 5 kHz {left:.1} dBFS at most, at {place}, peak {peak:.1} dBFS; the last second is \
                 {off:.1} dB from a render"
            );
            assert!(left < -100.0, "{left:.1} dBFS at {place}");
            assert!(off < -120.0, "{off:.1} dB from a render of the same settings");
            quiet += 1;
        }
        if sent >= count && ours <= theirs && quiet > 0 && cpu.0 < period / 2.0 {
            break;
        }
        assert!(round < 7 + count / 5_000, "{ours} xruns beside {theirs}, {quiet} rounds without any");
    }
    println!(
        "{sent} changes: {ours} xruns beside {theirs} of an empty client; callback at most {:.1} % of its period",
        100.0 * cpu.0 / period
    );
}
