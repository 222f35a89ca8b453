// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon's process callback at work: reloads, other periods, everything a unit can do. `tests/run`
//! builds this with the real-time sanitizer, which ends the daemon at its first violation.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lathe_core::engine::{Engine, Ports, build, link};
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::Layout;
use lathed::audio::seat::{DriverPorts, Seat, Seated};

use super::clients::Clients;
use super::jack::noise;
use super::jackd::{Jackd, wait_for};
use super::lathed::Lathed;

#[test]
fn the_daemons_callback_stays_real_time_through_reloads_and_periods() {
    let dir = tempfile::tempdir().unwrap();
    let rack = dir.path().join("rack.toml");
    let shipped = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("config/racks").join(name);
    std::fs::copy(shipped("stereo-master.toml"), &rack).unwrap();
    let server = Jackd::start(48_000, 256);
    let mut daemon = Lathed::on(&server, &["--rack", rack.to_str().unwrap()]);
    let jack_frame = daemon.origin().expect("the log names the origin").jack_frame;
    let playing = Clients::start(&server, "lathe", &["L", "R"], &noise(2, 240_000, 3), 0, jack_frame);
    playing.wait_started();
    for name in ["multiband.toml", "midside.toml", "speech.toml", "stereo-master.toml"] {
        let from = daemon.log().len();
        std::fs::copy(shipped(name), &rack).unwrap();
        daemon.signal("HUP");
        daemon.wait_log(from, "rack reloaded");
        std::thread::sleep(Duration::from_millis(400));
    }
    playing.finish();
    for period in [100u32, 1024, 256] {
        assert!(server.tool("jack_bufsize").arg(period.to_string()).output().unwrap().status.success());
        wait_for("the daemon to follow", Duration::from_secs(5), || {
            daemon.origin().filter(|o| o.period == period)
        });
    }
    assert!(daemon.is_running(), "{:?}", daemon.log());
    daemon.signal("TERM");
    let status = daemon.wait(Duration::from_secs(5));
    let log = daemon.log();
    assert!(!log.iter().any(|l| l.contains("RealtimeSanitizer")), "{log:?}");
    assert!(status.success(), "{status}: {log:?}");
}

/// Ports that allocate when they are read.
struct Planted;

impl Ports for Planted {
    fn read(&mut self, _: usize, _: usize, into: &mut [f64]) {
        into.copy_from_slice(&std::hint::black_box(vec![0.0; into.len()]));
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl DriverPorts for Planted {
    fn silence(&mut self) {}
    fn dry(&mut self) {}
}

/// A planted allocation in the callback's body ends its process: by the real-time sanitizer where it is
/// built in, else by the allocator of this test binary.
#[test]
fn a_planted_violation_is_caught() {
    let sanitizer = std::env::var_os("LATHE_RTSAN").is_some();
    if std::env::var_os("LATHE_PLANT").is_some() {
        let plan = RackPlan::empty(Layout::named("mono").unwrap());
        let seat = Seat::default();
        seat.put(Seated::new(Engine::new(build(&plan, 48_000).unwrap(), link().1)));
        if sanitizer {
            seat.run(64, &mut Planted);
        } else {
            assert_no_alloc::assert_no_alloc(|| seat.run(64, &mut Planted));
        }
        return;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "rtsan::a_planted_violation_is_caught", "--nocapture"])
        .env("LATHE_PLANT", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success(), "not caught: {said}");
    assert!(!sanitizer || said.contains("RealtimeSanitizer"), "{said}");
    println!("caught: {}", said.lines().find(|l| !l.trim().is_empty()).unwrap_or(""));
}
