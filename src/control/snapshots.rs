// SPDX-License-Identifier: MIT OR Apache-2.0
//! Storing and recalling the running rack, as transports see it.

use super::Client;
use crate::store::{Snapshot, Summary};

/// Why a snapshot was not stored, found or recalled. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// `hint` is ` (did you mean …?)` or empty.
    #[error("there is no snapshot \"{name}\"{hint}")]
    NotFound { name: String, hint: String },
    /// The name cannot be given: what is wrong with it.
    #[error("{0}")]
    Name(String),
    /// The running rack has another layout; each way in which it differs.
    #[error("the running rack has another layout: {}", .0.join("; "))]
    Layout(Vec<String>),
    /// What the store said.
    #[error("{0}")]
    Store(String),
    #[error("snapshots are off: the daemon runs without a state directory")]
    Disabled,
}

/// All snapshots. Calls may wait for the disk; none holds the one writer meanwhile.
pub trait Snapshots: Send + Sync {
    /// Stores the running rack, durably; an existing name gets one more version.
    fn create(
        &self,
        name: &str,
        notes: &str,
        author: &str,
        client: Client,
    ) -> Result<Snapshot, SnapshotError>;
    /// Makes it the running rack within these seconds; returns the revision.
    fn recall(&self, name: &str, morph_seconds: f64, client: Client) -> Result<u64, SnapshotError>;
    /// Oldest first.
    fn list(&self) -> Vec<Summary>;
    /// The newest version.
    fn get(&self, name: &str) -> Result<Snapshot, SnapshotError>;
    fn delete(&self, name: &str, client: Client) -> Result<(), SnapshotError>;
    fn rename(&self, name: &str, to: &str) -> Result<Snapshot, SnapshotError>;
    /// The name that was recalled or stored last, if it is still there.
    fn current(&self) -> Option<String>;
}
