// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prints of one directory: read from their sidecars at the start, those that a killed daemon left
//! unfinished completed and marked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::{Entry, FORMAT, State, sidecar};
use super::folder::Folder;
use super::live::Live;
use super::recorder::put_sidecar;
use crate::files::{Container, MAX_CHANNELS, repair_wav};
use crate::store::check_name;

/// Largest sidecar that is read; a rack file and its values take less.
const MAX_SIDECAR: u64 = 8 << 20;
/// Most prints that are listed.
const MAX_PRINTS: usize = 10_000;

/// One directory with its prints, the oldest first.
pub struct Shelf {
    pub folder: Arc<dyn Folder>,
    prints: Mutex<Vec<Arc<Live>>>,
}

impl Shelf {
    /// Reads the sidecars. What is no sidecar of ours is left alone.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(folder: Arc<dyn Folder>) -> std::io::Result<Shelf> {
        let names = folder.list()?;
        let mut entries = Vec::new();
        for name in names.iter().filter_map(|n| n.strip_suffix(".json")).filter(|n| !n.starts_with('.')) {
            match read(&*folder, name) {
                Ok(entry) => entries.push(entry),
                Err(why) => tracing::warn!("{name}.json is no print: {why}"),
            }
        }
        entries.sort_by(|a, b| (a.start_unix_ms, &a.name).cmp(&(b.start_unix_ms, &b.name)));
        if entries.len() > MAX_PRINTS {
            let older = entries.len() - MAX_PRINTS;
            tracing::warn!("{older} prints are older than the {MAX_PRINTS} newest and are not listed");
            entries.drain(..older);
        }
        for entry in entries.iter_mut().filter(|e| !e.state.is_over()) {
            repair(&*folder, &names, entry);
        }
        entries.iter_mut().for_each(Entry::slim);
        let prints = entries.into_iter().map(|e| Arc::new(Live::new(e))).collect();
        Ok(Shelf { folder, prints: Mutex::new(prints) })
    }

    pub fn prints(&self) -> MutexGuard<'_, Vec<Arc<Live>>> {
        self.prints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn find(&self, name: &str) -> Option<Arc<Live>> {
        self.prints().iter().find(|p| p.name() == name).cloned()
    }

    /// Forgets those that somebody took out of the directory, by their sidecar.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn follow(&self) -> std::io::Result<()> {
        let names = self.folder.list()?;
        let there = |name: &str| names.binary_search_by(|n| n.as_str().cmp(name)).is_ok();
        self.prints().retain(|p| !p.is_over() || there(&sidecar(&p.name())));
        Ok(())
    }

    pub fn forget(&self, print: &Arc<Live>) {
        self.prints().retain(|p| !Arc::ptr_eq(p, print));
    }
}

/// One sidecar, checked: what it says leads nowhere outside of the directory.
fn read(folder: &dyn Folder, name: &str) -> Result<Entry, String> {
    let bytes = folder.read(&sidecar(name), MAX_SIDECAR).map_err(|e| e.to_string())?;
    let entry: Entry = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    if entry.format != FORMAT {
        return Err(format!("format {} is not {FORMAT}", entry.format));
    }
    let file = format!("{name}.{}", entry.container.extension());
    if entry.name != name || check_name(name) != Ok(name) || ![&file, &format!(".{file}.part")].contains(&&entry.file) {
        return Err(format!("it is of a print {:?} in {:?}", entry.name, entry.file));
    }
    if !(1..=MAX_CHANNELS).contains(&entry.channels.len()) || entry.depth().is_none() {
        return Err(format!("{} channels of {} bits", entry.channels.len(), entry.bits));
    }
    Ok(entry)
}

/// Completes what a daemon began that did not come to its end, and says so.
fn repair(folder: &dyn Folder, names: &[String], entry: &mut Entry) {
    let was = entry.state;
    entry.state = State::Failed;
    entry.why = match (names.contains(&entry.part()), names.contains(&entry.file)) {
        (true, _) => match complete(folder, entry) {
            Ok(()) => "interrupted: lathed was ended in the middle; the file has what had reached the disk".into(),
            Err(e) => format!("interrupted: lathed was ended in the middle, and the file is not whole: {e}"),
        },
        (_, true) if was == State::Recording => "interrupted: lathed was ended while it completed the file".into(),
        _ => "interrupted: lathed was ended in the middle, and the file is not there".into(),
    };
    if let Ok(hash) = folder.hash(&entry.file) {
        entry.hashes.audio = Some(hash);
    }
    tracing::warn!(print = entry.name, frames = entry.frames, "{}", entry.why);
    if let Err(e) = put_sidecar(folder, entry, true) {
        tracing::error!(print = entry.name, "its sidecar was not written: {e}");
    }
}

fn complete(folder: &dyn Folder, entry: &mut Entry) -> std::io::Result<()> {
    let part = entry.part();
    // A FLAC states what it had at its last checkpoint.
    if entry.container != Container::Flac
        && let Some(depth) = entry.depth()
    {
        let out = folder.open(&part)?;
        entry.frames = repair_wav(out, entry.container, &entry.spec(), depth, entry.bext())?;
    }
    folder.publish(&part, &entry.file)
}
