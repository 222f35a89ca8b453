// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are there whole or not at all, after an error, a kill or a power cut.
//!
//! Temporary file in the same directory, write, fsync, rename, fsync of the directory. Without the
//! first fsync a power cut can leave a rightly named file of zeros. A failed fsync is not tried
//! again: the kernel may have dropped the pages and would report success.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::StoreError;
use super::disk::{Disk, retry, write_all};

/// Temporary files are `.<counter>-<process>.tmp`.
const TEMP: &str = ".tmp";

/// A file that is written and synced under a temporary name; removed unless published.
pub(super) struct Staged<'d> {
    disk: &'d dyn Disk,
    temp: Option<String>,
}

/// Writes the bytes under a temporary name. `name` is only for messages.
pub(super) fn stage<'d>(disk: &'d dyn Disk, name: &str, bytes: &[u8]) -> Result<Staged<'d>, StoreError> {
    let (temp, mut file) = create(disk).map_err(StoreError::io("create a temporary file for", name))?;
    let staged = Staged { disk, temp: Some(temp) };
    write_all(&mut *file, bytes).map_err(StoreError::io("write", name))?;
    retry(|| file.sync()).map_err(StoreError::io("sync", name))?;
    Ok(staged)
}

fn create(disk: &dyn Disk) -> io::Result<(String, Box<dyn super::DiskFile>)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut attempts = 8;
    loop {
        let temp = format!(".{}-{}{TEMP}", COUNTER.fetch_add(1, Relaxed), std::process::id());
        match retry(|| disk.create(&temp)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempts > 0 => attempts -= 1,
            done => return done.map(|file| (temp, file)),
        }
    }
}

impl Staged<'_> {
    /// Gives the file its name. It lasts after the directory is synced.
    pub fn publish(mut self, name: &str) -> io::Result<()> {
        if let Some(temp) = &self.temp {
            retry(|| self.disk.rename(temp, name))?;
        }
        self.temp = None;
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if let Some(temp) = &self.temp {
            // If even this fails, `clean` removes it at the next start.
            _ = retry(|| self.disk.remove(temp));
        }
    }
}

/// Writes a file that is not there yet; when it fails, it is not there.
pub(super) fn write_new(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    stage(disk, name, bytes)?.publish(name).map_err(StoreError::io("rename", name))?;
    sync_dir(disk, name).inspect_err(|_| {
        _ = retry(|| disk.remove(name));
        _ = retry(|| disk.sync_dir());
    })
}

pub(super) fn sync_dir(disk: &dyn Disk, name: &str) -> Result<(), StoreError> {
    retry(|| disk.sync_dir()).map_err(StoreError::io("sync the directory of", name))
}

/// Removes what a killed predecessor left unfinished; the caller holds the lock.
pub(super) fn clean(disk: &dyn Disk) -> io::Result<()> {
    for name in disk.list()? {
        if name.starts_with('.') && name.ends_with(TEMP) {
            retry(|| disk.remove(&name))?;
        }
    }
    Ok(())
}
