// SPDX-License-Identifier: MIT OR Apache-2.0
//! Disks that fail on command, and one in memory that remembers what was synced.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::Random;
use crate::store::disk::too_large;
use crate::store::{Disk, DiskFile};

/// What happens to the chosen call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// It fails with this error number.
    Errno(i32),
    /// It and every later call fail with it, those that clean up excepted.
    Always(i32),
    /// A write takes one byte; a call that is no write is left alone.
    Short,
}

#[derive(Default)]
struct Plan {
    calls: AtomicUsize,
    at: AtomicUsize,
    hit: AtomicBool,
    fault: Mutex<Option<Fault>>,
}

impl Plan {
    /// Counts a call; an error if it is the one, `true` if it is to be shortened.
    fn call(&self, writes: bool) -> io::Result<bool> {
        let n = self.calls.fetch_add(1, SeqCst);
        let fault = *self.fault.lock().expect("no panics");
        let at = self.at.load(SeqCst);
        match fault {
            Some(Fault::Errno(e)) if n == at => self.fail(e),
            Some(Fault::Always(e)) if n >= at => self.fail(e),
            Some(Fault::Short) if n == at && writes => {
                self.hit.store(true, SeqCst);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn fail(&self, errno: i32) -> io::Result<bool> {
        self.hit.store(true, SeqCst);
        Err(io::Error::from_raw_os_error(errno))
    }
}

/// Passes every call on but the one that is to fail.
pub(super) struct Faulty {
    inner: Arc<dyn Disk>,
    plan: Arc<Plan>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Disk>) -> Self {
        Faulty { inner, plan: Arc::default() }
    }

    /// From now on, the call after `at` others.
    pub fn arm(&self, at: usize, fault: Fault) {
        *self.plan.fault.lock().expect("no panics") = Some(fault);
        self.plan.at.store(at, SeqCst);
        self.plan.calls.store(0, SeqCst);
        self.plan.hit.store(false, SeqCst);
    }

    /// Ends the fault; how many calls were made, and whether the fault came.
    pub fn disarm(&self) -> (usize, bool) {
        *self.plan.fault.lock().expect("no panics") = None;
        (self.plan.calls.load(SeqCst), self.plan.hit.load(SeqCst))
    }
}

struct FaultyFile {
    inner: Box<dyn DiskFile>,
    plan: Arc<Plan>,
}

impl Disk for Faulty {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.plan.call(false)?;
        Ok(Box::new(FaultyFile { inner: self.inner.create(name)?, plan: self.plan.clone() }))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.plan.call(false)?;
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        // With a disk that fails for good, removing still works: else nothing could be cleaned up.
        if !matches!(*self.plan.fault.lock().expect("no panics"), Some(Fault::Always(_))) {
            self.plan.call(false)?;
        }
        self.inner.remove(name)
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.plan.call(false)?;
        self.inner.sync_dir()
    }
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        self.plan.call(false)?;
        self.inner.read(name, max)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.plan.call(false)?;
        self.inner.list()
    }
}

impl DiskFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let short = self.plan.call(true)?;
        self.inner.write(if short { &bytes[..1] } else { bytes })
    }
    fn sync(&mut self) -> io::Result<()> {
        self.plan.call(false)?;
        self.inner.sync()
    }
}

/// One change of the disk, as it left the process.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Create(String, usize),
    Write(usize, Vec<u8>),
    Sync(usize),
    Rename(String, String),
    Remove(String),
    SyncDir,
}

#[derive(Default)]
struct Memory {
    names: BTreeMap<String, usize>,
    files: Vec<Vec<u8>>,
    log: Vec<Op>,
}

/// A directory in memory with a log of what was done to it.
#[derive(Clone, Default)]
pub(super) struct MemDisk(Arc<Mutex<Memory>>);

impl MemDisk {
    pub fn log(&self) -> Vec<Op> {
        self.0.lock().expect("no panics").log.clone()
    }

    pub fn log_len(&self) -> usize {
        self.0.lock().expect("no panics").log.len()
    }

    /// What may be found after the power went off behind these calls. What was synced is there; of the
    /// rest, each change of the directory and each piece of data is there or not, by `keep`.
    pub fn after_power_cut(log: &[Op], mut keep: impl FnMut() -> bool) -> MemDisk {
        let mut names = BTreeMap::<String, usize>::new();
        let (mut safe, mut files) = (Vec::<Vec<u8>>::new(), Vec::<Vec<u8>>::new());
        // What the process sees, by which a rename knows what it moves.
        let mut seen = BTreeMap::<String, usize>::new();
        // Changes of the directory that wait: what goes away and what comes instead.
        let mut waiting = Vec::<(Option<String>, Option<(String, usize)>)>::new();
        let apply = |names: &mut BTreeMap<String, usize>,
                     (gone, come): (Option<String>, Option<(String, usize)>)| {
            gone.map(|n| names.remove(&n));
            come.map(|(n, file)| names.insert(n, file));
        };
        for op in log {
            match op {
                Op::Create(name, file) => {
                    safe.resize(file + 1, Vec::new());
                    files.resize(file + 1, Vec::new());
                    seen.insert(name.clone(), *file);
                    waiting.push((None, Some((name.clone(), *file))));
                }
                Op::Write(file, bytes) => files[*file].extend(bytes),
                Op::Sync(file) => safe[*file] = files[*file].clone(),
                Op::Rename(from, to) => {
                    let file = seen.remove(from).expect("renamed what is there");
                    seen.insert(to.clone(), file);
                    waiting.push((Some(from.clone()), Some((to.clone(), file))));
                }
                Op::Remove(name) => {
                    seen.remove(name);
                    waiting.push((Some(name.clone()), None));
                }
                Op::SyncDir => waiting.drain(..).for_each(|change| apply(&mut names, change)),
            }
        }
        waiting.into_iter().filter(|_| keep()).for_each(|change| apply(&mut names, change));
        let content = |(safe, written): (Vec<u8>, Vec<u8>)| {
            let (len, piece) = (safe.len(), 7);
            let mut out = safe;
            // Unsynced pieces come back as data or as zeros, or the file ends before them.
            for chunk in written[len..].chunks(written.len().div_ceil(piece).max(1)) {
                match (keep(), keep()) {
                    (true, _) => out.extend(chunk),
                    (false, true) => out.resize(out.len() + chunk.len(), 0),
                    (false, false) => break,
                }
            }
            out
        };
        let files = safe.into_iter().zip(files).map(content).collect();
        MemDisk(Arc::new(Mutex::new(Memory { names, files, log: Vec::new() })))
    }

    /// Keeps every unsynced change with this probability of eighths.
    pub fn after_power_cut_by_chance(log: &[Op], eighths: usize, random: &mut Random) -> MemDisk {
        Self::after_power_cut(log, || random.below(8) < eighths)
    }
}

struct MemFile(MemDisk, usize);

fn not_found() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}

impl Disk for MemDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut m = self.0.lock().expect("no panics");
        if m.names.contains_key(name) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let file = m.files.len();
        m.files.push(Vec::new());
        m.names.insert(name.into(), file);
        m.log.push(Op::Create(name.into(), file));
        Ok(Box::new(MemFile(self.clone(), file)))
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut m = self.0.lock().expect("no panics");
        let file = m.names.remove(from).ok_or_else(not_found)?;
        m.names.insert(to.into(), file);
        m.log.push(Op::Rename(from.into(), to.into()));
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        let mut m = self.0.lock().expect("no panics");
        m.names.remove(name).ok_or_else(not_found)?;
        m.log.push(Op::Remove(name.into()));
        Ok(())
    }
    fn sync_dir(&self) -> io::Result<()> {
        self.0.lock().expect("no panics").log.push(Op::SyncDir);
        Ok(())
    }
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        let m = self.0.lock().expect("no panics");
        let bytes = m.names.get(name).map(|f| m.files[*f].clone()).ok_or_else(not_found)?;
        if bytes.len() as u64 > max { Err(too_large(bytes.len() as u64, max)) } else { Ok(bytes) }
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().expect("no panics").names.keys().cloned().collect())
    }
}

impl DiskFile for MemFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut m = self.0.0.lock().expect("no panics");
        m.files[self.1].extend(bytes);
        m.log.push(Op::Write(self.1, bytes.to_vec()));
        Ok(bytes.len())
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.0.lock().expect("no panics").log.push(Op::Sync(self.1));
        Ok(())
    }
}
