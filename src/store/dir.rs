// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state directory: where it is, and the lock that makes it belong to one daemon.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::atomic;
use super::disk::{Disk, OsDisk};
use super::error::StoreError;
use super::last_state::LastStateStore;
use super::ledger::LedgerStore;
use super::snapshots::SnapshotStore;

const LOCK: &str = "lock";
const SNAPSHOTS: &str = "snapshots";
const LEDGER: &str = "ledger";

/// The state directory, locked as long as this lives. Taken before any address is bound.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    disk: Arc<OsDisk>,
    /// The system drops the lock with the file, whatever ends the process.
    _lock: File,
}

impl StateDir {
    /// Where state is when no directory is named: `STATE_DIRECTORY` (the first, as systemd gives a
    /// list), else `$XDG_STATE_HOME/lathe`, else `~/.local/state/lathe`. Relative paths count as unset.
    pub fn default_path(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let absolute = |name: &str| var(name).map(PathBuf::from).filter(|p| p.is_absolute());
        let listed = var("STATE_DIRECTORY").and_then(|v| std::env::split_paths(&v).next());
        listed
            .filter(|p| p.is_absolute())
            .or_else(|| absolute("XDG_STATE_HOME").map(|p| p.join("lathe")))
            .or_else(|| absolute("HOME").map(|p| p.join(".local/state/lathe")))
    }

    /// Opens the named or the default directory, creating it for its owner only, and locks it.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if another process has it.
    pub fn open(named: Option<&Path>) -> Result<Self, StoreError> {
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => Self::default_path(|v| std::env::var_os(v)).ok_or(StoreError::Nowhere)?,
        };
        create(&path).map_err(StoreError::io("create the state directory", &path))?;
        // The directory itself may be a link (systemd's DynamicUser makes it one), what is in it not.
        let real = path.canonicalize().map_err(StoreError::io("find the state directory", &path))?;
        let disk = OsDisk::open(&real).map_err(StoreError::io("open the state directory", &path))?;
        let lock = lock(&disk, &path)?;
        atomic::clean(&disk).map_err(StoreError::io("clean the state directory", &path))?;
        Ok(StateDir { path: real, disk: Arc::new(disk), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last state.
    pub fn last_state(&self) -> LastStateStore {
        LastStateStore::new(self.disk.clone())
    }

    /// The snapshots, in a directory of their own.
    ///
    /// # Errors
    /// The directory cannot be made or listed.
    pub fn snapshots(&self) -> Result<SnapshotStore, StoreError> {
        SnapshotStore::open(self.sub(SNAPSHOTS)?)
    }

    /// The session's ledger, in a directory of its own.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn ledger(&self) -> Result<LedgerStore, StoreError> {
        Ok(LedgerStore::new(self.sub(LEDGER)?))
    }

    /// A directory in this one, for the files of one kind.
    ///
    /// # Errors
    /// The system's; also if there is a symbolic link in its place.
    pub fn sub(&self, name: &'static str) -> Result<Arc<dyn Disk>, StoreError> {
        let path = self.path.join(name);
        create(&path).map_err(StoreError::io("create", &path))?;
        let disk = OsDisk::open(&path).map_err(StoreError::io("open", &path))?;
        atomic::clean(&disk).map_err(StoreError::io("clean", &path))?;
        Ok(Arc::new(disk))
    }
}

/// Creates a directory and what is above it, and makes that last.
fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let above: Vec<&Path> = path.ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()).collect();
    // Where it may be read; the root of a foreign tree need not be ours to sync.
    above.iter().map_while(|p| File::open(p).ok()).for_each(|dir| _ = dir.sync_all());
    Ok(())
}

fn lock(disk: &OsDisk, path: &Path) -> Result<File, StoreError> {
    let mut file = disk.lock_file(LOCK).map_err(StoreError::io("open the lock in", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let pid = (&file).take(16).read_to_string(&mut pid).ok().and_then(|_| pid.trim().parse().ok());
            return Err(StoreError::Taken { dir: path.to_path_buf(), pid });
        }
        Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", path)(e)),
    }
    // Who has it is only a help to people: a full disk must not keep us from starting.
    _ = file.set_len(0).and_then(|()| file.rewind());
    _ = writeln!(file, "{}", std::process::id());
    Ok(file)
}
