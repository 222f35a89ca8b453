// SPDX-License-Identifier: MIT OR Apache-2.0
//! Snapshots of the running rack: stored durably, recalled as one change.
//!
//! The disk has a lock of its own, so that a store never holds up a fader.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::change::{Client, Kind};
use super::edit::EditError;
use super::host::Handle;
use crate::store::{self, Draft, Snapshot, SnapshotStore, StoreError, Summary, Update, differences};

/// Why a snapshot call came to nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SnapshotError {
    #[error("there is no snapshot \"{name}\"{hint}")]
    NotFound { name: String, hint: String },
    #[error("{0}")]
    Name(String),
    #[error("the snapshot belongs to another layout: {}", .0.join("; "))]
    Layout(Vec<String>),
    /// Values that are not allowed; nothing was recalled.
    #[error(transparent)]
    Values(EditError),
    #[error("{0}")]
    Refused(String),
    /// It is not the version that was expected.
    #[error("{0}")]
    Changed(String),
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
    /// Changes the name or the notes.
    fn update(&self, name: &str, update: &Update, client: Client) -> Result<Snapshot, SnapshotError>;
    /// The name last stored or recalled.
    fn current(&self) -> Option<String>;
    /// True if the rack's values are others than this snapshot's.
    fn is_changed(&self, name: &str) -> bool;
}

/// The snapshots of one state directory and the rack they are taken of.
pub struct Library {
    host: Handle,
    store: Mutex<SnapshotStore>,
    /// What questions are answered from, so that none waits for a disk.
    shown: Mutex<Shown>,
}

/// What the store last said of itself.
#[derive(Clone, Default)]
struct Shown {
    list: Vec<Summary>,
    current: Option<String>,
    /// The last snapshot whose values were compared with the rack's.
    compared: Option<Arc<Snapshot>>,
}

impl Library {
    pub fn new(host: Handle, store: SnapshotStore) -> Self {
        let library = Library { host, store: Mutex::new(store), shown: Mutex::default() };
        drop(library.store());
        library
    }

    /// The store; what it says of itself is shown once it is given back.
    fn store(&self) -> Store<'_> {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Store { store, shown: &self.shown }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, client: Client, kind: Kind) {
        self.host.control().tell(client, kind);
    }

    fn refused(&self, e: StoreError) -> SnapshotError {
        match e {
            StoreError::Unknown(name) => {
                let shown = self.shown();
                let names = shown.list.iter().map(|s| s.name.as_str());
                let hint = lathe_core::param::suggest(&name, names);
                let hint = hint.map(|h| format!(" (did you mean \"{h}\"?)")).unwrap_or_default();
                SnapshotError::NotFound { name, hint }
            }
            StoreError::Name(e) => SnapshotError::Name(e.to_string()),
            StoreError::Exists(_) => SnapshotError::Name(e.to_string()),
            StoreError::Changed { .. } => SnapshotError::Changed(e.to_string()),
            e => SnapshotError::Store(e.to_string()),
        }
    }
}

/// The store while somebody works on it.
struct Store<'a> {
    store: MutexGuard<'a, SnapshotStore>,
    shown: &'a Mutex<Shown>,
}

impl Deref for Store<'_> {
    type Target = SnapshotStore;
    fn deref(&self) -> &SnapshotStore {
        &self.store
    }
}

impl DerefMut for Store<'_> {
    fn deref_mut(&mut self) -> &mut SnapshotStore {
        &mut self.store
    }
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.list != self.store.list() {
            shown.list = self.store.list().to_vec();
            shown.compared = None;
        }
        shown.current = self.store.current().map(str::to_string);
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
        let done = self.store().store(draft);
        let stored = done.map_err(|e| self.refused(e))?;
        self.shown().compared = Some(Arc::new(stored.clone()));
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
            .map_err(|e| match e {
                EditError::Items(_) => SnapshotError::Values(e),
                e => SnapshotError::Refused(e.to_string()),
            })?;
        control.tell(client, Kind::SnapshotRecalled(snapshot.name.clone()));
        drop(control);
        // Which one is current is a convenience: a disk that fails here takes nothing from the recall.
        if let Err(e) = self.store().set_current(Some(&snapshot.name)) {
            tracing::warn!("the current snapshot was not remembered: {e}");
        }
        self.shown().compared = Some(Arc::new(snapshot));
        Ok(revision)
    }

    fn list(&self) -> Vec<Summary> {
        self.shown().list.clone()
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

    fn update(&self, name: &str, update: &Update, client: Client) -> Result<Snapshot, SnapshotError> {
        let done = self.store().update(name, update);
        let updated = done.map_err(|e| self.refused(e))?;
        self.tell(client, Kind::SnapshotStored(updated.name.clone()));
        Ok(updated)
    }

    fn current(&self) -> Option<String> {
        self.shown().current.clone()
    }

    fn is_changed(&self, name: &str) -> bool {
        let known = self.shown().compared.clone().filter(|s| s.name == name);
        let Some(snapshot) = known.or_else(|| self.get(name).ok().map(Arc::new)) else { return true };
        self.shown().compared = Some(snapshot.clone());
        let control = self.host.control();
        snapshot.values.iter().any(|(address, value)| control.get(address).map(|(_, v)| v) != Ok(*value))
    }
}
