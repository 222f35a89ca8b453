// SPDX-License-Identifier: MIT OR Apache-2.0
//! Snapshots of the running rack: stored durably, recalled as one change.
//!
//! The disk has a lock of its own, so that a store never holds up a fader.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::change::{Client, Kind};
use super::host::Handle;
use crate::store::{self, Draft, Snapshot, SnapshotStore, StoreError, Summary, differences};

/// Why a snapshot call came to nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    #[error("there is no snapshot \"{name}\"{hint}")]
    NotFound { name: String, hint: String },
    #[error("{0}")]
    Name(String),
    #[error("the snapshot belongs to another layout: {}", .0.join("; "))]
    Layout(Vec<String>),
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Store(String),
    #[error("snapshots need a state directory, and this daemon has none")]
    Disabled,
}

/// What transports may do with snapshots.
pub trait Snapshots: Send + Sync {
    /// Stores the running values; an existing name keeps its old version.
    fn create(
        &self,
        name: &str,
        notes: &str,
        author: &str,
        client: Client,
    ) -> Result<Snapshot, SnapshotError>;
    /// Recalls in `morph_seconds` (0: the usual crossfades); returns the revision.
    fn recall(&self, name: &str, morph_seconds: f64, client: Client) -> Result<u64, SnapshotError>;
    fn list(&self) -> Vec<Summary>;
    fn get(&self, name: &str) -> Result<Snapshot, SnapshotError>;
    fn delete(&self, name: &str, client: Client) -> Result<(), SnapshotError>;
    fn rename(&self, name: &str, to: &str) -> Result<Snapshot, SnapshotError>;
    /// The name last stored or recalled.
    fn current(&self) -> Option<String>;
}

/// The snapshots of one state directory and the rack they are taken of.
pub struct Library {
    host: Handle,
    store: Mutex<SnapshotStore>,
}

impl Library {
    pub fn new(host: Handle, store: SnapshotStore) -> Self {
        Library { host, store: Mutex::new(store) }
    }

    fn store(&self) -> MutexGuard<'_, SnapshotStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, client: Client, kind: Kind) {
        self.host.control().tell(client, kind);
    }

    fn refused(&self, e: StoreError) -> SnapshotError {
        match e {
            StoreError::Unknown(name) => {
                let store = self.store();
                let names = store.list().iter().map(|s| s.name.as_str());
                let hint = lathe_core::param::suggest(&name, names);
                let hint = hint.map(|h| format!(" (did you mean \"{h}\"?)")).unwrap_or_default();
                SnapshotError::NotFound { name, hint }
            }
            StoreError::Name(e) => SnapshotError::Name(e.to_string()),
            StoreError::Exists(_) => SnapshotError::Name(e.to_string()),
            e => SnapshotError::Store(e.to_string()),
        }
    }
}

/// Milliseconds since 1970, for people.
pub(crate) fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

impl Snapshots for Library {
    fn create(
        &self,
        name: &str,
        notes: &str,
        author: &str,
        client: Client,
    ) -> Result<Snapshot, SnapshotError> {
        store::check_name(name).map_err(|e| SnapshotError::Name(e.to_string()))?;
        let draft = {
            let control = self.host.control();
            let mut draft = Draft::of(name, control.plan());
            draft.values.insert("rack/bypass".into(), f64::from(u8::from(control.plan().bypass)));
            draft.sample_rate = control.spec().map_or(0, |s| s.sample_rate);
            draft
        };
        let draft = Draft {
            notes: notes.to_string(),
            author: author.to_string(),
            created_unix_ms: now_unix_ms(),
            ..draft
        };
        let stored = self.store().store(draft).map_err(|e| self.refused(e))?;
        self.tell(client, Kind::SnapshotStored(stored.name.clone()));
        Ok(stored)
    }

    fn recall(&self, name: &str, morph_seconds: f64, client: Client) -> Result<u64, SnapshotError> {
        let snapshot = self.get(name)?;
        let mut control = self.host.control();
        let apart = differences(&snapshot, control.plan());
        if apart.iter().any(store::Difference::is_layout) {
            return Err(SnapshotError::Layout(apart.iter().map(ToString::to_string).collect()));
        }
        for note in &apart {
            tracing::warn!(snapshot = name, "{note}");
        }
        let revision = control
            .recall(&snapshot.values, morph_seconds, client, &format!("recall \"{name}\""))
            .map_err(|e| SnapshotError::Refused(e.to_string()))?;
        control.tell(client, Kind::SnapshotRecalled(snapshot.name.clone()));
        drop(control);
        // Which one is current is a convenience: a disk that fails here takes nothing from the recall.
        if let Err(e) = self.store().set_current(Some(&snapshot.name)) {
            tracing::warn!("the current snapshot was not remembered: {e}");
        }
        Ok(revision)
    }

    fn list(&self) -> Vec<Summary> {
        self.store().list().to_vec()
    }

    fn get(&self, name: &str) -> Result<Snapshot, SnapshotError> {
        let found = self.store().get(name);
        found.map_err(|e| self.refused(e))
    }

    fn delete(&self, name: &str, client: Client) -> Result<(), SnapshotError> {
        let done = self.store().delete(name);
        done.map_err(|e| self.refused(e))?;
        self.tell(client, Kind::SnapshotDeleted(name.to_string()));
        Ok(())
    }

    fn rename(&self, name: &str, to: &str) -> Result<Snapshot, SnapshotError> {
        let done = self.store().rename(name, to);
        done.map_err(|e| self.refused(e))
    }

    fn current(&self) -> Option<String> {
        self.store().current().map(str::to_string)
    }
}
