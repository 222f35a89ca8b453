// SPDX-License-Identifier: MIT OR Apache-2.0
//! An engine that runs on a thread of its own, some times faster than time, and a disk that can be full,
//! stuck or nearly full. The input names its frame, so that what was recorded says where it is from.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_core::dsp::QUANTUM;
use lathe_core::engine::{Periods, Ports};
use lathe_core::rack;

use crate::control::{AudioState, Control, Host};
use crate::files::{BitDepth, Container, Storage, open};
use crate::print::entry::{Entry, Source};
use crate::print::folder::{Folder, OsFolder};
use crate::print::{Limits, PrintError, Prints, Want};

/// Of a ramp's step, exact in 24 bits.
pub const STEP: f64 = 1.0 / 8_388_608.0;

pub struct TestHost {
    control: Mutex<Control>,
    periods: Mutex<Periods>,
    pub audible: AtomicBool,
    pub xruns: AtomicU64,
    pub paused: AtomicBool,
    rate: AtomicU32,
    stop: AtomicBool,
}

impl Host for TestHost {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn audio(&self) -> AudioState {
        let (audible, xruns) = (self.audible.load(SeqCst), self.xruns.load(SeqCst));
        AudioState { audible, xruns, rate: self.rate.load(SeqCst), ..AudioState::default() }
    }
    fn reopen(&self) {}
}

/// Frame n of the engine is n steps, on both channels.
struct Ramp(u64);

impl Ports for Ramp {
    fn read(&mut self, channel: usize, _: usize, into: &mut [f64]) {
        for (i, x) in into.iter_mut().enumerate() {
            *x = (self.0 + i as u64) as f64 * STEP;
        }
        if channel == 1 {
            self.0 += into.len() as u64;
        }
    }
    fn write_main(&mut self, _: usize, _: usize, _: &[f64]) {}
    fn write_monitor(&mut self, _: usize, _: usize, _: &[f64]) {}
}

impl TestHost {
    /// Runs so many quanta at once.
    pub fn burst(&self, quanta: usize) {
        let mut periods = self.periods.lock().unwrap();
        let mut ports = Ramp(self.control().status().unwrap().frame.load(SeqCst));
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
}

/// What a disk does.
pub struct Faults {
    /// Held while it is stuck.
    pub gate: Mutex<()>,
    /// Bytes that still fit.
    pub room: AtomicI64,
    /// Said to be free.
    pub free: AtomicU64,
}

pub struct TestFolder {
    inner: OsFolder,
    pub faults: Arc<Faults>,
}

struct TestFile {
    inner: Box<dyn Storage>,
    faults: Arc<Faults>,
}

impl Write for TestFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.faults.gate.lock().unwrap());
        // Only what makes the file longer takes room.
        let (at, end) = (self.inner.stream_position()?, self.inner.seek(SeekFrom::End(0))?);
        self.inner.seek(SeekFrom::Start(at))?;
        let fits = (end - at) as i64 + self.faults.room.load(SeqCst);
        let n = (bytes.len() as i64).min(fits);
        if n <= 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = self.inner.write(&bytes[..n as usize])?;
        self.faults.room.fetch_sub((n as i64 - (end - at) as i64).max(0), SeqCst);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Seek for TestFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Storage for TestFile {
    fn set_len(&mut self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }
}

impl Folder for TestFolder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(TestFile { inner: self.inner.create(name)?, faults: self.faults.clone() }))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        self.inner.open(name)
    }
    fn publish(&self, part: &str, name: &str) -> io::Result<()> {
        self.inner.publish(part, name)
    }
    fn put(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        self.inner.put(name, bytes, durable)
    }
    fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        self.inner.read(name, most)
    }
    fn hash(&self, name: &str) -> io::Result<String> {
        self.inner.hash(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
    fn free(&self) -> io::Result<u64> {
        Ok(self.faults.free.load(SeqCst))
    }
}

pub const LIMITS: Limits = Limits { buffer_seconds: 2, spare_bytes: 1 << 20 };

pub struct Rig {
    pub host: Arc<TestHost>,
    pub prints: Prints,
    pub faults: Arc<Faults>,
    pub dir: tempfile::TempDir,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Two gains, stereo, 48 kHz.
fn control() -> Control {
    let text = "format = 1\n[rack]\nname = \"t\"\nlayout = \"stereo\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"\n";
    Control::new(rack::load(text, "test").unwrap().plan)
}

impl Rig {
    pub fn new() -> Rig {
        let mut control = control();
        let engine = control.start(48_000).unwrap();
        let host = Arc::new(TestHost {
            control: Mutex::new(control),
            periods: Mutex::new(Periods::new(engine, QUANTUM)),
            audible: AtomicBool::new(true),
            xruns: AtomicU64::new(3),
            paused: AtomicBool::new(false),
            rate: AtomicU32::new(48_000),
            stop: AtomicBool::new(false),
        });
        // Past the fade with which main begins.
        host.burst(100);
        let (ours, dir) = (host.clone(), tempfile::tempdir().unwrap());
        let thread = std::thread::spawn(move || {
            while !ours.stop.load(SeqCst) {
                if !ours.paused.load(SeqCst) {
                    ours.burst(5);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let faults = Arc::new(Faults {
            gate: Mutex::new(()),
            room: AtomicI64::new(1 << 40),
            free: AtomicU64::new(1 << 40),
        });
        let inner = OsFolder::open(dir.path()).unwrap();
        let folder = Arc::new(TestFolder { inner, faults: faults.clone() });
        let prints = Prints::on(host.clone(), folder, LIMITS);
        Rig { host, prints, faults, dir, thread: Some(thread) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Everything in the directory but the lock.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != ".lock");
        names.sort();
        names
    }

    pub fn start(&self, name: &str) -> Result<Entry, PrintError> {
        self.prints.start(&want(name))
    }

    pub fn entry(&self, name: &str) -> Entry {
        self.prints.get(name).unwrap().0
    }

    /// Waits until this holds of a print.
    #[track_caller]
    pub fn until(&self, name: &str, holds: impl Fn(&Entry) -> bool) -> Entry {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let entry = self.entry(name);
            if holds(&entry) {
                return entry;
            }
            assert!(Instant::now() < end, "it stays so: {entry:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub fn over(&self, name: &str) -> Entry {
        self.until(name, |e| e.state.is_over())
    }

    pub fn sidecar(&self, name: &str) -> Entry {
        serde_json::from_slice(&std::fs::read(self.path(&format!("{name}.json"))).unwrap()).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.host.stop.store(true, SeqCst);
        let _ = self.thread.take().map(|t| t.join());
    }
}

pub fn want(name: &str) -> Want {
    Want {
        name: name.into(),
        description: String::new(),
        source: Source::In,
        container: Container::Wav,
        depth: BitDepth::F32,
        seconds: None,
    }
}

/// The right channel of a file, in steps of the ramp.
pub fn steps(path: &Path) -> Vec<u64> {
    let mut reader = open(path).unwrap();
    let mut out = vec![Vec::new(); 2];
    let n = reader.read(&mut out, 1 << 24).unwrap();
    assert!(!reader.warnings().truncated, "{}", path.display());
    out[1][..n].iter().map(|x| (x / STEP).round() as u64).collect()
}
