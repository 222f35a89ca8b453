// SPDX-License-Identifier: MIT OR Apache-2.0
//! Engines that fail: a unit that panics, a unit that never returns, racks with other ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::time::{Duration, Instant};

use assert_no_alloc::assert_no_alloc;
use lathe_core::engine::Ports;
use lathe_core::param::Values;
use lathe_core::rack::plan::{RackPlan, SidechainPort, SlotPlan};
use lathe_core::units::{self, AnyKind, Block, Erased, Format, Kind, Layout, Notes, Refusal, Unit, UnitSpec};
use lathed::audio::seat::{DriverPorts, Seat, Seated, install_panic_hook, silence_panics_here};
use lathed::audio::supervisor::{Backend, Supervisor};
use lathed::control::{Control, Reloaded};

use super::jackd::{Jackd, wait_for};

/// A unit that does what `ACT` says.
struct Faulty<const ACT: usize>;
struct FaultyUnit<const ACT: usize>;

const PANIC: usize = 0;
const HANG: usize = 1;
static ACTS: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

impl<const ACT: usize> Kind for Faulty<ACT> {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "faulty",
        name: "Faulty",
        doc: "Fails on demand.",
        params: &[],
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = FaultyUnit<ACT>;
    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }
    fn build(_: &Format, _: &Values, (): ()) -> Result<FaultyUnit<ACT>, Refusal> {
        Ok(FaultyUnit)
    }
}

impl<const ACT: usize> Unit for FaultyUnit<ACT> {
    type Parts = ();
    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}
    fn process(&mut self, block: &mut Block<'_>) {
        block.audio.iter_mut().flatten().for_each(|x| *x *= 0.5);
        if ACT == PANIC && ACTS[PANIC].swap(false, AcqRel) {
            panic!("on demand");
        }
        while ACT == HANG && ACTS[HANG].load(Acquire) {
            // Spinning would starve the test itself, as the clock's thread has real-time rights.
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    fn reset(&mut self) {}
}

static PANICS: &dyn AnyKind = &Erased::<Faulty<PANIC>>::NEW;
static HANGS: &dyn AnyKind = &Erased::<Faulty<HANG>>::NEW;

fn plan(layout: &str, kind: &'static dyn AnyKind) -> RackPlan {
    let mut plan = RackPlan::empty(Layout::named(layout).unwrap());
    plan.slots = vec![SlotPlan::unit("unit", kind)];
    plan
}

/// A stereo driver with a fixed period.
struct Buffers {
    input: [Vec<f64>; 2],
    output: [Vec<f64>; 2],
}

impl Ports for Buffers {
    fn read(&mut self, channel: usize, from: usize, into: &mut [f64]) {
        into.copy_from_slice(&self.input[channel][from..from + into.len()]);
    }
    fn write_main(&mut self, channel: usize, from: usize, audio: &[f64]) {
        self.output[channel][from..from + audio.len()].copy_from_slice(audio);
    }
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl DriverPorts for Buffers {
    fn silence(&mut self) {
        self.output.iter_mut().for_each(|o| o.fill(0.0));
    }
    fn dry(&mut self) {
        for (o, i) in self.output.iter_mut().zip(&self.input) {
            o.copy_from_slice(i);
        }
    }
}

#[test]
fn an_engine_that_panics_passes_its_input_in_the_same_period() {
    install_panic_hook();
    silence_panics_here();
    let mut control = Control::new(plan("stereo", PANICS));
    let seat = Seat::default();
    let mut ports =
        Buffers { input: [vec![0.8; 256], vec![-0.4; 256]], output: [vec![1.0; 256], vec![1.0; 256]] };
    assert_eq!(seat.run(256, &mut ports), None);
    assert_eq!(ports.output[0], vec![0.0; 256], "an empty seat is silent");
    seat.put(Seated::new(control.start(48_000).unwrap()));
    assert_eq!(assert_no_alloc(|| seat.run(256, &mut ports)), Some(0), "the first period's frame");
    // A new engine fades in over 20 ms.
    (0..5).for_each(|_| assert_eq!(assert_no_alloc(|| seat.run(256, &mut ports)), None));
    assert_eq!(ports.output[0], vec![0.4; 256]);
    ACTS[PANIC].store(true, Release);
    seat.run(256, &mut ports);
    assert!(seat.is_wrecked());
    assert_eq!(ports.output, ports.input, "the whole period, in the same period");
    assert_no_alloc(|| seat.run(256, &mut ports));
    assert_eq!(ports.output, ports.input, "and until another engine comes");
    seat.clear_parked();
    seat.put(Seated::new(control.start(48_000).unwrap()));
    (0..5).for_each(|_| _ = assert_no_alloc(|| seat.run(256, &mut ports)));
    assert_eq!(ports.output[1], vec![-0.2; 256]);
    assert!(!seat.is_wrecked());
}

#[test]
fn an_engine_can_be_taken_from_a_driver_at_any_time_and_keeps_its_place() {
    let mut control = Control::new(plan("stereo", units::find("gain").unwrap()));
    let seats = [Arc::new(Seat::default()), Arc::new(Seat::default())];
    seats[0].put(Seated::new(control.start(48_000).unwrap()));
    let stop = Arc::new(AtomicBool::new(false));
    let drivers: Vec<_> = seats
        .iter()
        .cloned()
        .map(|seat| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let silence = || [vec![0.0; 128], vec![0.0; 128]];
                let mut ports = Buffers { input: silence(), output: silence() };
                while !stop.load(Acquire) {
                    assert_no_alloc(|| seat.run(128, &mut ports));
                    std::thread::yield_now();
                }
            })
        })
        .collect();
    let mut last = 0;
    for n in 0..2000 {
        let (from, to) = (&seats[n % 2], &seats[(n + 1) % 2]);
        let seated = from.take(Duration::from_secs(5)).expect("taken between two periods");
        assert!(seated.engine().frame() >= last);
        last = seated.engine().frame();
        let cycles = to.cycles();
        assert!(to.put(seated).is_none());
        while to.cycles() < cycles + 1 + n as u64 % 3 {
            std::thread::yield_now();
        }
    }
    stop.store(true, Release);
    drivers.into_iter().for_each(|d| d.join().unwrap());
    println!("2000 moves between two drivers, {last} frames driven");
    assert!(last > 0);
}

/// A unit that cannot be built while `ON` is set: it fails on the thread that builds, not on the audio thread.
struct Unbuildable;
static ON: AtomicBool = AtomicBool::new(false);

impl Kind for Unbuildable {
    const SPEC: UnitSpec = Faulty::<HANG>::SPEC;
    type Unit = FaultyUnit<2>;
    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }
    fn build(_: &Format, _: &Values, (): ()) -> Result<FaultyUnit<2>, Refusal> {
        assert!(!ON.load(Acquire), "on demand");
        Ok(FaultyUnit)
    }
}

static UNBUILDABLE: &dyn AnyKind = &Erased::<Unbuildable>::NEW;

#[test]
fn a_supervisor_that_fails_is_seen_and_its_end_is_soon() {
    let s = Supervisor::start(Control::new(plan("stereo", UNBUILDABLE)), clock()).unwrap();
    s.wait_ready();
    let rounds = s.shared.rounds();
    wait_for("the next round", Duration::from_secs(5), || (s.shared.rounds() > rounds).then_some(()));
    assert!(s.is_running());
    ON.store(true, Release);
    s.shared.reopen();
    wait_for("it to fail", Duration::from_secs(5), || (!s.is_running()).then_some(()));
    assert!(s.is_ready(Duration::from_secs(5)), "nobody waits for it");
    let begin = Instant::now();
    s.stop();
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
}

/// A host at which every thread fails that asks it, once `broken` is set.
struct Broken {
    control: std::sync::Mutex<Control>,
    broken: AtomicBool,
}

impl lathed::control::Host for Broken {
    fn control(&self) -> std::sync::MutexGuard<'_, Control> {
        assert!(!self.broken.load(Acquire), "on demand");
        self.control.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
    fn audio(&self) -> lathed::control::AudioState {
        assert!(!self.broken.load(Acquire), "on demand");
        Default::default()
    }
    fn reopen(&self) {}
}

#[test]
fn threads_that_fail_are_seen() {
    let control = Control::new(plan("stereo", units::find("gain").unwrap()));
    let host = Arc::new(Broken { control: std::sync::Mutex::new(control), broken: AtomicBool::new(false) });
    let dir = tempfile::tempdir().unwrap();
    let state = lathed::store::StateDir::open(Some(dir.path())).unwrap();
    let keeper = lathed::control::keeper::Keeper::start(host.clone(), state.last_state()).unwrap();
    let telemetry = lathed::telemetry::Telemetry::start(host.clone(), Default::default()).unwrap();
    let socket = lathed::osc::bind("127.0.0.1:0".parse().unwrap(), &[]).unwrap();
    let osc = lathed::osc::Server::start(socket, host.clone(), None, None, Default::default()).unwrap();
    let running = || [keeper.is_running(), telemetry.is_running(), osc.is_running()];
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(running(), [true; 3]);
    host.broken.store(true, Release);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let get = lathed::osc::Message::new("/rack/unit/bypass", vec![]);
    let get = lathed::osc::encode(&get, lathed::osc::Booleans::Integers);
    client.send_to(&get, osc.address()).unwrap();
    wait_for("all to fail", Duration::from_secs(5), || (running() == [false; 3]).then_some(()));
    drop(osc);
    keeper.stop();
}

#[test]
fn a_grpc_server_of_which_a_part_fails_ends_with_an_error() {
    let control = Control::new(plan("stereo", units::find("gain").unwrap()));
    let host = Arc::new(Broken { control: std::sync::Mutex::new(control), broken: AtomicBool::new(false) });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listeners = lathed::grpc::Listeners {
        tcp: vec![lathed::grpc::bind("127.0.0.1:0".parse().unwrap()).unwrap()],
        sockets: Vec::new(),
    };
    let services = lathed::grpc::Services {
        host: host.clone(),
        snapshots: None,
        meters: None,
        prints: None,
        ledger: None,
        http: axum::Router::new(),
        counts: Arc::default(),
    };
    let served = runtime.spawn(lathed::grpc::serve(listeners, services, std::future::pending()));
    std::thread::sleep(Duration::from_millis(100));
    assert!(!served.is_finished());
    host.broken.store(true, Release);
    let ended = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), served).await });
    let error = ended.expect("it ends").unwrap().unwrap_err();
    assert!(error.to_string().contains("the watch over the audio has failed"), "{error}");
}

fn clock() -> Backend {
    Backend::Clock { rate: None, period: 256, input: None }
}

/// Frames that the newest engine has run.
fn frames(s: &Supervisor) -> u64 {
    s.shared.control().status().unwrap().frame.load(Relaxed)
}

#[test]
fn a_driver_that_is_stuck_in_an_engine_is_replaced() {
    let s = Supervisor::start(Control::new(plan("stereo", HANGS)), clock()).unwrap();
    s.wait_ready();
    wait_for("the first frames", Duration::from_secs(5), || (frames(&s) > 0).then_some(()));
    ACTS[HANG].store(true, Release);
    let begin = Instant::now();
    wait_for("another engine", Duration::from_secs(5), || (s.shared.state().lost_engines > 0).then_some(()));
    println!("replaced after {} ms", begin.elapsed().as_millis());
    ACTS[HANG].store(false, Release);
    wait_for("it to run", Duration::from_secs(5), || (frames(&s) > 4800).then_some(()));
    s.stop();
}

#[test]
fn a_rack_with_other_ports_gets_another_engine() {
    let gain = units::find("gain").unwrap();
    let s = Supervisor::start(Control::new(plan("stereo", gain)), clock()).unwrap();
    s.wait_ready();
    let reloaded = s.shared.control().reload(plan("5.1", gain)).unwrap();
    assert_eq!(reloaded, Reloaded::Ports);
    s.shared.reopen();
    wait_for("six channels", Duration::from_secs(5), || {
        let six = s.shared.control().spec().is_some_and(|spec| spec.layout.len() == 6);
        (six && frames(&s) > 4800).then_some(())
    });
    s.stop();
}

/// Not a test: the body of a process of its own, as libjack takes its server from the environment.
#[test]
#[ignore = "the body of a helper process"]
fn other_ports_on_jack() {
    let gain = units::find("gain").unwrap();
    let client_name = "lathe".to_string();
    let backend = Backend::Jack { client_name, connect: Vec::new() };
    let s = Supervisor::start(Control::new(plan("stereo", gain)), backend).unwrap();
    assert_eq!(s.wait_ready().source, "jack");
    let (look, _) = jack::Client::new("look", jack::ClientOptions::NO_START_SERVER).unwrap();
    let ours = || look.ports(Some("^lathe:"), None, jack::PortFlags::empty());
    assert_eq!(ours().len(), 6);
    let mut wider = plan("lcr", gain);
    let [mono, stereo] = ["mono", "stereo"].map(|l| Layout::named(l).unwrap());
    wider.sidechains = vec![
        SidechainPort { name: "voice".into(), layout: mono },
        SidechainPort { name: "mix".into(), layout: stereo },
    ];
    assert_eq!(s.shared.control().reload(wider).unwrap(), Reloaded::Ports);
    s.shared.reopen();
    let expected = [
        "in_L",
        "in_R",
        "in_C",
        "sidechain_voice",
        "sidechain_mix_L",
        "sidechain_mix_R",
        "out_L",
        "out_R",
        "out_C",
        "monitor_L",
        "monitor_R",
        "monitor_C",
    ];
    wait_for("the new ports", Duration::from_secs(5), || {
        (ours() == expected.map(|p| format!("lathe:{p}"))).then_some(())
    });
    let reported =
        || look.port_by_name("lathe:out_L").map(|p| p.get_latency_range(jack::LatencyType::Capture));
    for (latency_ms, frames) in [(10.0, 480), (25.0, 1200), (10.0, 480)] {
        let mut padded = s.shared.control().plan().clone();
        padded.latency_ms = Some(latency_ms);
        assert!(matches!(s.shared.control().reload(padded), Ok(Reloaded::Sent(_))));
        wait_for("JACK to report the new latency", Duration::from_secs(5), || {
            (reported() == Some((frames, frames))).then_some(())
        });
        wait_for("the change to be complete", Duration::from_secs(5), || {
            (s.shared.control().is_settled() && s.shared.state().latency == frames as usize).then_some(())
        });
    }
    let before = frames(&s);
    wait_for("audio", Duration::from_secs(5), || (frames(&s) > before + 4800).then_some(()));
    drop(look);
    s.stop();
}

#[test]
fn a_rack_with_other_ports_has_them_registered() {
    let server = Jackd::start(48_000, 256);
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["faults::other_ports_on_jack", "--exact", "--ignored", "--nocapture"])
        .env("JACK_DEFAULT_SERVER", server.name())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
