// SPDX-License-Identifier: MIT OR Apache-2.0
//! `StoreError`: what was attempted, on what, and what to do.

use std::io;
use std::path::PathBuf;

use super::envelope::Refused;
use super::name::NameError;
use crate::exit::Exit;

/// Why something was not stored or not found. Whatever was stored before is still there.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the state directory {} is in use by another lathed{}; one directory, one daemon: stop it or give --state-dir",
        dir.display(), pid.map_or_else(String::new, |p| format!(" (process {p})")))]
    Taken { dir: PathBuf, pid: Option<u32> },
    #[error(
        "there is no place for state: give --state-dir, or set STATE_DIRECTORY, XDG_STATE_HOME or HOME to an absolute path"
    )]
    Nowhere,
    #[error("cannot {what} {}: {source}", file.display())]
    Io { what: &'static str, file: PathBuf, source: io::Error },
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("there is no snapshot \"{0}\"")]
    Unknown(String),
    #[error("snapshot \"{name}\" has no version {version}")]
    UnknownVersion { name: String, version: u32 },
    #[error("there is already a snapshot \"{0}\"")]
    Exists(String),
    #[error("snapshot \"{name}\" is another one by now, version {version} of {id}; read it again and retry")]
    Changed { name: String, id: String, version: u32 },
    #[error("there are already {0} snapshots, which is the most: delete some first")]
    Full(usize),
    #[error("{file} is refused: {reason}")]
    Refused { file: String, reason: Refused },
    #[error("{0}; nothing was stored")]
    Content(Refused),
}

impl StoreError {
    pub(super) fn io(what: &'static str, file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
        let file = file.into();
        move |source| StoreError::Io { what, file, source }
    }

    /// What a program ends with that cannot go on without its state.
    pub fn exit(&self) -> Exit {
        match self {
            StoreError::Taken { .. } => Exit::Unavailable,
            StoreError::Nowhere => Exit::Config,
            StoreError::Io { .. } | StoreError::Refused { .. } => Exit::Io,
            _ => Exit::Failed,
        }
    }
}
