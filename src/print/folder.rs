// SPDX-License-Identifier: MIT OR Apache-2.0
//! The directory that prints live in, as a trait: tests put disks in its place that are full or fail.
//!
//! Files are opened relative to it, never through a symbolic link, and a file never replaces another but
//! for a sidecar its own older text.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::files::Storage;

const LOCK: &str = ".lock";
const TEMP: &str = ".tmp";

/// One directory.
pub trait Folder: Send + Sync {
    /// Creates a file that must not exist.
    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>>;
    /// Opens a file that exists, to complete it.
    fn open(&self, name: &str) -> io::Result<Box<dyn Storage>>;
    /// Gives a file its name for good, durably; an error of kind `AlreadyExists` if there is one.
    fn publish(&self, part: &str, name: &str) -> io::Result<()>;
    /// Writes a small file whole or not at all, over what was there. `durable`: it is on the disk then; else
    /// nothing waits for the disk, and it outlives this process but perhaps not the machine.
    fn put(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()>;
    /// At most so many bytes; more are an error.
    fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>>;
    /// BLAKE3 of a file's bytes, in hex.
    fn hash(&self, name: &str) -> io::Result<String>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// The names of everything in it that is UTF-8.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Bytes that can still be written.
    fn free(&self) -> io::Result<u64>;
}

/// A directory of the operating system, ours alone as long as this lives.
pub struct OsFolder {
    dir: OwnedFd,
    /// The system drops the lock with the file, whatever ends the process.
    _lock: File,
}

impl OsFolder {
    /// Opens a directory, creating it if need be, and locks it.
    ///
    /// # Errors
    /// The system's; of kind `ResourceBusy` if another daemon has it.
    pub fn open(path: &Path) -> io::Result<OsFolder> {
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        }
        let path = path.canonicalize()?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let dir = rustix::fs::openat(CWD, &path, flags, Mode::empty())?;
        let lock = open_at(&dir, LOCK, OFlags::RDWR | OFlags::CREATE)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let why = "another lathed prints there; one directory, one daemon";
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
            }
            Err(TryLockError::Error(e)) => return Err(e),
        }
        let folder = OsFolder { dir, _lock: lock };
        for name in folder.list()?.iter().filter(|n| is_temporary(n)) {
            folder.remove(name)?;
        }
        Ok(folder)
    }
}

/// `.N-PROCESS.tmp`, what a killed predecessor left of a sidecar.
fn is_temporary(name: &str) -> bool {
    let inner = name.strip_prefix('.').and_then(|n| n.strip_suffix(TEMP));
    inner.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
}

fn open_at(dir: &OwnedFd, name: &str, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::openat(dir, name, flags, Mode::from_raw_mode(0o666))?);
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

impl Folder for OsFolder {
    fn create(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(open_at(&self.dir, name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Storage>> {
        Ok(Box::new(open_at(&self.dir, name, OFlags::RDWR)?))
    }

    fn publish(&self, part: &str, name: &str) -> io::Result<()> {
        match rustix::fs::renameat_with(&self.dir, part, &self.dir, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => {
                // A file system without this rename: a second name, which must not exist either.
                rustix::fs::linkat(&self.dir, part, &self.dir, name, AtFlags::empty())?;
                rustix::fs::unlinkat(&self.dir, part, AtFlags::empty())?;
            }
            done => done?,
        }
        Ok(rustix::fs::fsync(&self.dir)?)
    }

    fn put(&self, name: &str, bytes: &[u8], durable: bool) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let temp = format!(".{}-{}{TEMP}", COUNTER.fetch_add(1, Relaxed), std::process::id());
        let written = (|| {
            let mut file = open_at(&self.dir, &temp, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?;
            file.write_all(bytes)?;
            if durable {
                file.sync_all()?;
            }
            Ok(rustix::fs::renameat(&self.dir, &temp, &self.dir, name)?)
        })();
        if let Err(e) = written {
            // If even this fails, the next start removes it.
            _ = self.remove(&temp);
            return Err(e);
        }
        if durable { Ok(rustix::fs::fsync(&self.dir)?) } else { Ok(()) }
    }

    fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let file = open_at(&self.dir, name, OFlags::RDONLY)?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let why = format!("it has more than {most} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        Ok(bytes)
    }

    fn hash(&self, name: &str) -> io::Result<String> {
        let mut file = open_at(&self.dir, name, OFlags::RDONLY)?;
        let mut hasher = blake3::Hasher::new();
        let mut part = vec![0; 1 << 18];
        loop {
            match file.read(&mut part) {
                Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
                Ok(n) => drop(hasher.update(&part[..n])),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | ".." | LOCK)
            {
                names.push(name.to_string());
            }
        }
        names.sort();
        Ok(names)
    }

    fn free(&self) -> io::Result<u64> {
        let about = rustix::fs::fstatvfs(&self.dir)?;
        Ok(about.f_bavail.saturating_mul(about.f_frsize))
    }
}
