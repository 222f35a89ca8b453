// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine that runs on a thread of its own, some times faster than time, over a programme whose every sample
//! follows from the engine's frame, so that what was measured can be measured again; and a disk that can refuse.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_core::analysis::{Figures, Integrator, IntegratorSettings};
use lathe_core::dsp::{Frames, QUANTUM};
use lathe_core::engine::{Periods, Ports};
use lathe_core::rack;
use lathe_core::units::Layout;

use crate::control::{AudioState, Control, Host};
use crate::ledger::worker::Habits;
use crate::ledger::{Ledger, Shown};
use crate::store::{Disk, DiskFile, LedgerStore, OsDisk, Track};

pub struct TestHost {
    control: Mutex<Control>,
    periods: Mutex<Periods>,
    pub audible: AtomicBool,
    pub demo: AtomicBool,
    pub rolling: Mutex<Option<bool>>,
    pub xruns: AtomicU64,
    pub paused: AtomicBool,
    rate: AtomicU32,
    channels: usize,
    stop: AtomicBool,
}

impl Host for TestHost {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn audio(&self) -> AudioState {
        let (audible, xruns) = (self.audible.load(SeqCst), self.xruns.load(SeqCst));
        let source = if self.demo.load(SeqCst) { "demo" } else { "file" };
        let rolling = *self.rolling.lock().unwrap();
        AudioState { audible, xruns, source, rolling, rate: self.rate.load(SeqCst), ..AudioState::default() }
    }
    fn reopen(&self) {}
}

/// The programme: noise in steps of half a second between −30 and −10 dBFS, another on every channel.
pub fn sample(frame: u64, channel: usize) -> f64 {
    const LEVELS: [f64; 5] = [0.1, 0.3, 0.03, 0.25, 0.15];
    let mut z = (frame * 16 + channel as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let noise = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    noise * LEVELS[(frame / 24_000) as usize % LEVELS.len()]
}

/// One quantum of it.
pub fn quantum(frame: u64, channels: usize) -> Vec<Frames> {
    (0..channels).map(|c| std::array::from_fn(|i| sample(frame + i as u64, c))).collect()
}

struct Programme {
    frame: u64,
    channels: usize,
}

impl Ports for Programme {
    fn read(&mut self, channel: usize, _: usize, into: &mut [f64]) {
        for (i, x) in into.iter_mut().enumerate() {
            *x = sample(self.frame + i as u64, channel);
        }
        if channel + 1 == self.channels {
            self.frame += into.len() as u64;
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl TestHost {
    pub fn frame(&self) -> u64 {
        self.control().status().unwrap().frame.load(SeqCst)
    }

    /// Installs this rack.
    pub fn reload(&self, slots: &[&str]) {
        let plan = rack::load(&text("stereo", slots), "test").unwrap().plan;
        self.control().reload(plan).unwrap();
    }

    fn burst(&self, quanta: usize) {
        let mut periods = self.periods.lock().unwrap();
        if self.paused.load(SeqCst) {
            return;
        }
        let mut ports = Programme { frame: self.frame(), channels: self.channels };
        for _ in 0..quanta {
            periods.run(QUANTUM, &mut ports);
        }
        drop(periods);
        self.control().tick();
    }

    /// Another engine.
    pub fn restart(&self, rate: u32) {
        let mut periods = self.periods.lock().unwrap();
        *periods = Periods::new(self.control().start(rate).unwrap(), QUANTUM);
        self.rate.store(rate, SeqCst);
    }

    /// Stops the engine; it stands still once this returns.
    pub fn hold(&self) {
        self.paused.store(true, SeqCst);
        drop(self.periods.lock().unwrap());
    }

    pub fn go(&self) {
        self.paused.store(false, SeqCst);
    }
}

/// A directory that refuses to take anything while it is told to.
pub struct TestDisk {
    inner: OsDisk,
    pub full: Arc<AtomicBool>,
}

impl Disk for TestDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        match self.full.load(SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => self.inner.create(name),
        }
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.inner.read(name, max)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
}

pub struct Rig {
    pub host: Arc<TestHost>,
    pub ledger: Ledger,
    pub dir: Arc<tempfile::TempDir>,
    pub full: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Rig {
    pub fn new() -> Rig {
        Rig::with("stereo", Arc::new(tempfile::tempdir().unwrap()))
    }

    /// With this layout, and what is in the directory.
    pub fn with(layout: &str, dir: Arc<tempfile::TempDir>) -> Rig {
        let mut control = Control::new(rack::load(&text(layout, &["a"]), "test").unwrap().plan);
        let engine = control.start(48_000).unwrap();
        let host = Arc::new(TestHost {
            control: Mutex::new(control),
            periods: Mutex::new(Periods::new(engine, QUANTUM)),
            audible: AtomicBool::new(true),
            demo: AtomicBool::new(false),
            rolling: Mutex::default(),
            xruns: AtomicU64::new(3),
            paused: AtomicBool::new(false),
            rate: AtomicU32::new(48_000),
            channels: Layout::named(layout).unwrap().len(),
            stop: AtomicBool::new(false),
        });
        host.burst(100);
        let ours = host.clone();
        let thread = std::thread::spawn(move || {
            while !ours.stop.load(SeqCst) {
                ours.burst(5);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let full = Arc::new(AtomicBool::new(false));
        let ledger = open(&host, dir.path(), &full);
        Rig { host, ledger, dir, full, thread: Some(thread) }
    }

    /// The daemon ends and starts again; the engine is what it was.
    pub fn again(&mut self) {
        self.ledger.end();
        self.ledger = open(&self.host, self.dir.path(), &self.full);
    }

    /// Waits until this holds.
    #[track_caller]
    pub fn until(&self, holds: impl Fn(&Shown) -> bool) -> Shown {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let shown = self.ledger.show().unwrap();
            if holds(&shown) {
                return shown;
            }
            assert!(Instant::now() < end, "it stays so: {shown:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until so many seconds of the open track count.
    #[track_caller]
    pub fn play(&self, seconds: f64) -> Track {
        let enough = |s: &Shown| s.track().is_some_and(|t| t.figures.frames as f64 >= seconds * 48_000.0);
        self.until(enough).track().unwrap().clone()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.ledger.end();
        self.host.stop.store(true, SeqCst);
        let _ = self.thread.take().map(|t| t.join());
    }
}

/// A ledger over what is in a directory, which saves five times a second.
pub fn open(host: &Arc<TestHost>, dir: &Path, full: &Arc<AtomicBool>) -> Ledger {
    let disk = TestDisk { inner: OsDisk::open(dir).unwrap(), full: full.clone() };
    let habits = Habits { save_every: Duration::from_millis(200), follows: true };
    Ledger::with(habits, host.clone(), LedgerStore::new(Arc::new(disk))).unwrap()
}

/// A rack of gains.
fn text(layout: &str, slots: &[&str]) -> String {
    let slots: String =
        slots.iter().map(|id| format!("[[slot]]\nid = \"{id}\"\nunit = \"gain\"\n")).collect();
    format!("format = 1\n[rack]\nname = \"t\"\nlayout = \"{layout}\"\n{slots}")
}

pub fn stereo() -> Integrator {
    Integrator::new(48_000, &Layout::named("stereo").unwrap(), IntegratorSettings::default())
}

/// Lets an integrator hear the programme from a frame on.
pub fn hear(i: &mut Integrator, from: u64, frames: u64) {
    assert!(frames.is_multiple_of(QUANTUM as u64), "{frames}");
    (0..frames / QUANTUM as u64).for_each(|q| i.process(&quantum(from + q * QUANTUM as u64, 2)));
}

/// What a measurement of these frames says.
pub fn measured(from: u64, frames: u64) -> Figures {
    let mut i = stereo();
    hear(&mut i, from, frames);
    i.close();
    i.figures()
}
