// SPDX-License-Identifier: MIT OR Apache-2.0
//! All snapshots. Each version is a file of its own that is written once and never changed.
//!
//! Storing is one new file, so there is nothing it could damage. What is kept in memory is a summary;
//! files are verified again whenever they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::atomic::{sync_dir, write_new};
use super::disk::{Disk, retry};
use super::envelope::{self, Refused};
use super::error::StoreError;
use super::generations::Generations;
use super::name::{MAX_VERSION, check_name, file_name, new_id, parse_file};
use super::snapshot::{Draft, Snapshot, check_counts};

/// Most versions under one name, the newest included.
pub const MAX_VERSIONS: usize = 20;
/// Most names.
pub const MAX_SNAPSHOTS: usize = 4096;

const KIND: &str = "snapshot";
const MARKER: Generations = Generations::new("current.toml", "current");

/// Which snapshot is current, if it is not the one that was stored last.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    sequence: u64,
    id: Option<String>,
}

/// One name in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub name: String,
    pub id: String,
    /// The newest that verifies.
    pub version: u32,
    /// When that was stored.
    pub created_unix_ms: u64,
    pub author: String,
    pub layout_hash: String,
    sequence: u64,
    /// All that are on the disk, ascending; may include some that are refused.
    versions: Vec<u32>,
}

impl Summary {
    fn of(snapshot: &Snapshot, versions: Vec<u32>) -> Self {
        Summary {
            name: snapshot.name.clone(),
            id: snapshot.id.clone(),
            version: snapshot.version,
            created_unix_ms: snapshot.created_unix_ms,
            author: snapshot.author.clone(),
            layout_hash: snapshot.layout_hash.clone(),
            sequence: snapshot.sequence,
            versions,
        }
    }

    fn file(&self) -> String {
        file_name(&self.id, self.version)
    }
}

/// What is to change about a snapshot; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    pub name: Option<String>,
    pub notes: Option<String>,
    /// Id and version that it must have now.
    pub expected: Option<(String, u32)>,
}

/// The snapshots of one directory, whose lock the caller holds.
pub struct SnapshotStore {
    disk: Arc<dyn Disk>,
    entries: Vec<Summary>,
    /// The highest there is.
    sequence: u64,
    /// Id of the current one.
    current: Option<String>,
    refused: Vec<(String, Refused)>,
}

impl SnapshotStore {
    /// Reads the newest version of every snapshot that is there; what is damaged is in
    /// [`refused`](Self::refused), and the version before it is used.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let files = retry(|| disk.list()).map_err(StoreError::io("list", "the snapshots"))?;
        let mut versions = BTreeMap::<String, Vec<u32>>::new();
        for (id, version) in files.iter().filter_map(|f| parse_file(f)) {
            versions.entry(id.to_string()).or_default().push(version);
        }
        let mut store =
            SnapshotStore { disk, entries: Vec::new(), sequence: 0, current: None, refused: Vec::new() };
        for (id, mut versions) in versions {
            versions.sort_unstable();
            store.admit(&id, versions);
        }
        store.settle_names();
        store.find_current();
        Ok(store)
    }

    /// The newest version of one id that verifies.
    fn admit(&mut self, id: &str, versions: Vec<u32>) {
        for version in versions.iter().rev() {
            match read(&*self.disk, id, *version) {
                Ok(snapshot) => {
                    self.sequence = self.sequence.max(snapshot.sequence);
                    self.entries.push(Summary::of(&snapshot, versions));
                    return;
                }
                Err(reason) => self.refused.push((file_name(id, *version), reason)),
            }
        }
    }

    /// Of two files with the same name, which somebody copied here, the one stored last has it.
    fn settle_names(&mut self) {
        self.entries.sort_by_key(|e| std::cmp::Reverse(e.sequence));
        let mut taken = std::collections::BTreeSet::new();
        let (keep, lost) =
            std::mem::take(&mut self.entries).into_iter().partition(|e| taken.insert(e.name.clone()));
        self.entries = keep;
        for e in lost as Vec<Summary> {
            let reason = format!("there is a newer snapshot with the name \"{}\"", e.name);
            self.refused.push((e.file(), Refused::Content(reason)));
        }
        self.sort();
    }

    fn find_current(&mut self) {
        let (marker, refused) = MARKER.load::<Marker>(&*self.disk, |m| check_counts(&[m.sequence]));
        self.refused.extend(refused);
        let last = self.entries.iter().max_by_key(|e| e.sequence);
        self.current = match marker.map(|m| m.content) {
            Some(m) if m.sequence >= self.sequence => {
                self.sequence = m.sequence;
                m.id
            }
            _ => last.map(|e| e.id.clone()),
        };
    }

    fn sort(&mut self) {
        self.entries.sort_by_key(|e| (e.created_unix_ms, e.sequence));
    }

    /// By time, oldest first.
    pub fn list(&self) -> &[Summary] {
        &self.entries
    }

    /// Files that were refused when the store was opened, and why. They are left where they are.
    pub fn refused(&self) -> &[(String, Refused)] {
        &self.refused
    }

    fn find(&self, name: &str) -> Result<usize, StoreError> {
        let name = check_name(name)?;
        let at = self.entries.iter().position(|e| e.name == name);
        at.ok_or_else(|| StoreError::Unknown(name.to_string()))
    }

    /// The newest version under a name.
    ///
    /// # Errors
    /// It is not there or no longer verifies.
    pub fn get(&self, name: &str) -> Result<Snapshot, StoreError> {
        let entry = &self.entries[self.find(name)?];
        self.read(entry, entry.version)
    }

    /// One version under a name.
    ///
    /// # Errors
    /// It is not there or no longer verifies.
    pub fn get_version(&self, name: &str, version: u32) -> Result<Snapshot, StoreError> {
        let entry = &self.entries[self.find(name)?];
        if !entry.versions.contains(&version) {
            return Err(StoreError::UnknownVersion { name: entry.name.clone(), version });
        }
        self.read(entry, version)
    }

    /// The numbers of all versions under a name, oldest first.
    ///
    /// # Errors
    /// There is no such name.
    pub fn versions(&self, name: &str) -> Result<&[u32], StoreError> {
        Ok(&self.entries[self.find(name)?].versions)
    }

    fn read(&self, entry: &Summary, version: u32) -> Result<Snapshot, StoreError> {
        let refused = |reason| StoreError::Refused { file: file_name(&entry.id, version), reason };
        read(&*self.disk, &entry.id, version).map_err(refused)
    }

    /// Stores durably and makes it the current one; what had the name before stays as a version.
    ///
    /// # Errors
    /// Nothing was stored.
    pub fn store(&mut self, mut draft: Draft) -> Result<Snapshot, StoreError> {
        draft.name = check_name(&draft.name)?.to_string();
        let at = self.entries.iter().position(|e| e.name == draft.name);
        // Not below the clock: also above files that could not be read for now.
        let sequence = (self.sequence + 1).max(draft.created_unix_ms);
        let snapshot = self.write(draft, at, sequence)?;
        self.current = Some(snapshot.id.clone());
        Ok(snapshot)
    }

    /// Changes what is said of a snapshot, as a new version of it; its earlier versions stay with it.
    ///
    /// # Errors
    /// Nothing was changed: also if it is no longer the version that was expected, or the new name is taken.
    pub fn update(&mut self, name: &str, update: &Update) -> Result<Snapshot, StoreError> {
        let at = self.find(name)?;
        let now = (self.entries[at].id.clone(), self.entries[at].version);
        if update.expected.as_ref().is_some_and(|expected| *expected != now) {
            return Err(StoreError::Changed {
                name: self.entries[at].name.clone(),
                id: now.0,
                version: now.1,
            });
        }
        let mut draft = self.get(name)?.into_draft();
        if let Some(to) = &update.name {
            let to = check_name(to)?;
            if self.entries.iter().enumerate().any(|(i, e)| i != at && e.name == to) {
                return Err(StoreError::Exists(to.to_string()));
            }
            draft.name = to.to_string();
        }
        if let Some(notes) = &update.notes {
            draft.notes.clone_from(notes);
        }
        let sequence = self.sequence + 1;
        if self.current.as_ref() != Some(&self.entries[at].id) {
            // Ahead of the new version, which would be taken for the current one.
            self.mark(self.current.clone(), sequence + 1)?;
        }
        self.write(draft, Some(at), sequence)
    }

    fn write(&mut self, draft: Draft, at: Option<usize>, sequence: u64) -> Result<Snapshot, StoreError> {
        let mut versions = at.map_or_else(Vec::new, |i| self.entries[i].versions.clone());
        let version = versions.last().map_or(1, |v| v + 1);
        if version > MAX_VERSION {
            return Err(StoreError::Content(Refused::Content(format!(
                "version {version} is beyond the last"
            ))));
        }
        let id = match at {
            Some(i) => self.entries[i].id.clone(),
            None if self.entries.len() >= MAX_SNAPSHOTS => return Err(StoreError::Full(MAX_SNAPSHOTS)),
            None => self.unused_id(&draft.name)?,
        };
        let snapshot = Snapshot::new(draft, id, version, sequence);
        snapshot.check().map_err(StoreError::Content)?;
        let bytes = envelope::encode(KIND, &snapshot).map_err(StoreError::Content)?;
        write_new(&*self.disk, &file_name(&snapshot.id, version), &bytes)?;
        versions.push(version);
        self.prune(&snapshot.id, &mut versions);
        let summary = Summary::of(&snapshot, versions);
        match at {
            Some(i) => self.entries[i] = summary,
            None => self.entries.push(summary),
        }
        self.sequence = self.sequence.max(sequence);
        self.sort();
        Ok(snapshot)
    }

    fn unused_id(&self, name: &str) -> Result<String, StoreError> {
        let files = retry(|| self.disk.list()).map_err(StoreError::io("list", "the snapshots"))?;
        Ok(new_id(name, |id| files.iter().any(|f| f.starts_with(id))))
    }

    /// Removes the oldest; what cannot be removed now is tried again after the next store.
    fn prune(&self, id: &str, versions: &mut Vec<u32>) {
        while versions.len() > MAX_VERSIONS {
            let removed = retry(|| self.disk.remove(&file_name(id, versions[0])));
            if removed.is_err_and(|e| e.kind() != std::io::ErrorKind::NotFound) {
                return;
            }
            versions.remove(0);
        }
    }

    /// Deletes a snapshot with all its versions, durably. The newest goes last: until then it is there.
    ///
    /// # Errors
    /// The snapshot may still be there; older versions of it may be gone.
    pub fn delete(&mut self, name: &str) -> Result<(), StoreError> {
        let at = self.find(name)?;
        let was_current = self.current.as_ref() == Some(&self.entries[at].id);
        // A full disk must not keep us from deleting; there is room to say it afterwards.
        let marked = !was_current || self.mark(None, self.sequence + 1).is_ok();
        let (id, newest) = (self.entries[at].id.clone(), self.entries[at].version);
        for version in self.entries[at].versions.clone().into_iter().filter(|v| *v != newest) {
            self.remove(at, &id, version)?;
        }
        sync_dir(&*self.disk, &id)?;
        self.remove(at, &id, newest)?;
        self.entries.remove(at);
        if !marked {
            self.current = None;
            _ = self.mark(None, self.sequence + 1);
        }
        sync_dir(&*self.disk, &id)
    }

    fn remove(&mut self, at: usize, id: &str, version: u32) -> Result<(), StoreError> {
        let file = file_name(id, version);
        match retry(|| self.disk.remove(&file)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            result => result.map_err(StoreError::io("remove", file))?,
        }
        self.entries[at].versions.retain(|v| *v != version);
        Ok(())
    }

    /// The name of the snapshot that was stored or recalled last.
    pub fn current(&self) -> Option<&str> {
        let id = self.current.as_ref()?;
        self.entries.iter().find(|e| e.id == *id).map(|e| e.name.as_str())
    }

    /// Says durably which snapshot was recalled, or that none is current.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn set_current(&mut self, name: Option<&str>) -> Result<(), StoreError> {
        let id = name.map(|n| self.find(n)).transpose()?.map(|at| self.entries[at].id.clone());
        if id == self.current { Ok(()) } else { self.mark(id, self.sequence + 1) }
    }

    fn mark(&mut self, id: Option<String>, sequence: u64) -> Result<(), StoreError> {
        let marker = Marker { sequence, id };
        MARKER.save(&*self.disk, &marker)?;
        (self.sequence, self.current) = (sequence, marker.id);
        Ok(())
    }
}

/// Reads one version; it must be what its file is named by.
fn read(disk: &dyn Disk, id: &str, version: u32) -> Result<Snapshot, Refused> {
    let snapshot: Snapshot = envelope::read(disk, KIND, &file_name(id, version))?;
    if (snapshot.id.as_str(), snapshot.version) != (id, version) {
        return Err(Refused::Content(format!("it is version {} of {}", snapshot.version, snapshot.id)));
    }
    snapshot.check().map(|()| snapshot)
}
