// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine that a test runs by hand, quantum by quantum, in a time of its own.

use std::sync::atomic::Ordering::Relaxed;

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{Periods, Ports};
use lathe_core::rack;
use lathe_core::rack::plan::RackPlan;

use super::worker::Worker;
use super::*;
use crate::control::Control;
use crate::control::load::LoadMeter;
use crate::control::{AudioState, Host};

pub(super) const SLOTS: [&str; 2] =
    ["[[slot]]\nid = \"a\"\nunit = \"gain\"\n", "[[slot]]\nid = \"lim\"\nunit = \"limiter\"\n"];

pub(super) fn plan(slots: &[&str]) -> RackPlan {
    let text = format!("format = 1\n[rack]\nname = \"t\"\nlayout = \"stereo\"\n{}", slots.concat());
    rack::load(&text, "test").unwrap_or_else(|e| panic!("{e}")).plan
}

pub(super) struct TestHost {
    pub control: Mutex<Control>,
    pub audible: AtomicBool,
    pub load: Arc<LoadMeter>,
}

impl Host for TestHost {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap()
    }
    fn audio(&self) -> AudioState {
        AudioState { audible: self.audible.load(Relaxed), xruns: 3, ..AudioState::default() }
    }
    fn reopen(&self) {}
    fn load(&self) -> Option<Arc<LoadMeter>> {
        Some(self.load.clone())
    }
}

/// Silence, but for one sample in both channels.
pub(super) struct Impulse(pub Option<f64>);

impl Ports for Impulse {
    fn read(&mut self, channel: usize, _: usize, into: &mut [f64]) {
        into.fill(0.0);
        if let Some(x) = self.0 {
            into[17] = x;
            if channel == 1 {
                self.0 = None;
            }
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

pub(super) struct Rig {
    pub host: Arc<TestHost>,
    pub telemetry: Telemetry,
    pub worker: Worker,
    pub periods: Periods,
    pub ports: Impulse,
    pub now: Instant,
    pub rate: u32,
}

impl Rig {
    pub fn new() -> Rig {
        let mut control = Control::new(plan(&SLOTS));
        let engine = control.start(48_000).unwrap();
        let host = Arc::new(TestHost {
            control: Mutex::new(control),
            audible: AtomicBool::new(true),
            load: Arc::default(),
        });
        let telemetry = Telemetry::idle(host.clone());
        let worker = Worker::new(host.clone(), telemetry.shared.clone(), Standards::default());
        let periods = Periods::new(engine, QUANTUM);
        Rig { host, telemetry, worker, periods, ports: Impulse(None), now: Instant::now(), rate: 48_000 }
    }

    pub fn restart(&mut self, rate: u32) {
        self.periods = Periods::new(self.host.control().start(rate).unwrap(), QUANTUM);
        self.rate = rate;
    }

    pub fn quanta(&mut self, n: usize) {
        for _ in 0..n {
            self.periods.run(QUANTUM, &mut self.ports);
            self.now += Duration::from_secs_f64(QUANTUM as f64 / f64::from(self.rate));
        }
        self.host.control().tick();
    }

    pub fn poll(&mut self) {
        self.worker.poll(self.now);
    }

    /// So many seconds, polled every four quanta; what each feed got on the way.
    pub fn run(&mut self, seconds: f64, feeds: &mut [&mut Feed]) -> Vec<Vec<Frame>> {
        let mut got = vec![Vec::new(); feeds.len()];
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            self.quanta(4);
            self.poll();
            for (feed, got) in feeds.iter_mut().zip(&mut got) {
                got.extend(feed.try_next());
            }
        }
        got
    }

    pub fn armed(&self) -> usize {
        self.host.control().status().unwrap().taps.load(Relaxed)
    }

    pub fn feed(&self, hz: f64, taps: &[&str]) -> Feed {
        let taps = taps.iter().map(|t| t.to_string()).collect();
        self.telemetry.subscribe(Want { hz, taps, slots: true, extras: Vec::new() }).unwrap()
    }
}
