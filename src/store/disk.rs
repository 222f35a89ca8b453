// SPDX-License-Identifier: MIT OR Apache-2.0
//! The system calls of one directory, as a trait: tests fail, shorten and record each of them.
//!
//! Files are opened relative to the directory, never through a symbolic link, and their names are
//! made here, never by users.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

/// Attempts at a call that a signal interrupts; a storm that lasts longer is an error.
const INTERRUPTS: usize = 1000;

/// One directory. Calls do what the system call does, no more: interruptions and short writes are
/// the business of [`write_all`] and [`retry`].
pub trait Disk: Send + Sync {
    /// Creates a file that must not exist, for writing, readable by its owner only.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Renames, over what may be there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes creations, renames and removals last.
    fn sync_dir(&self) -> io::Result<()>;
    /// The file's bytes; more than `max` of them are not read, and are an error of kind `FileTooLarge`.
    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>>;
    /// The names of everything in the directory that is UTF-8.
    fn list(&self) -> io::Result<Vec<String>>;
}

/// A file being written.
pub trait DiskFile: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Makes what was written last.
    fn sync(&mut self) -> io::Result<()>;
}

/// Repeats a call while it is interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut left = INTERRUPTS;
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted && left > 0 => left -= 1,
            done => return done,
        }
    }
}

/// Writes everything, in as many calls as it takes.
pub(super) fn write_all(file: &mut dyn DiskFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match retry(|| file.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => bytes = &bytes[n.min(bytes.len())..],
        }
    }
    Ok(())
}

/// A directory of the operating system.
#[derive(Debug)]
pub struct OsDisk {
    dir: OwnedFd,
}

impl OsDisk {
    /// Opens a directory; its last part may not be a symbolic link.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let dir = retry(|| Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?))?;
        Ok(OsDisk { dir })
    }

    fn open_file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        retry(|| Ok(File::from(rustix::fs::openat(&self.dir, name, flags, mode)?)))
    }

    /// Opens the file that the lock is on.
    pub(super) fn lock_file(&self, name: &str) -> io::Result<File> {
        self.open_file(name, OFlags::RDWR | OFlags::CREATE)
    }
}

impl Disk for OsDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.open_file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.dir, from, &self.dir, to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.dir, name, AtFlags::empty())?)
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.dir)?)
    }

    fn read(&self, name: &str, max: u64) -> io::Result<Vec<u8>> {
        // Without NONBLOCK a named pipe would hold us for ever.
        let file = self.open_file(name, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        if about.len() > max {
            return Err(too_large(about.len(), max));
        }
        let mut bytes = Vec::with_capacity(about.len() as usize);
        file.take(max + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max {
            return Err(too_large(bytes.len() as u64, max));
        }
        Ok(bytes)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_str().ok();
            if let Some(name) = name.filter(|n| !matches!(*n, "." | ".."))
                && entry.file_type() != FileType::Directory
            {
                names.push(name.to_string());
            }
        }
        names.sort();
        Ok(names)
    }
}

pub(super) fn too_large(len: u64, max: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has {len} bytes; at most {max} are read"))
}

impl DiskFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self).write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}
