// SPDX-License-Identifier: MIT OR Apache-2.0
//! One file kept three deep: `last.toml`, `last.toml.1`, `last.toml.2`. The newest that verifies wins.
//!
//! A save writes the new file first and then moves the older ones back by one. A power cut may keep
//! any of those moves and lose the others; in each case the newest that verifies is old or new.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic::{stage, sync_dir};
use super::disk::{Disk, retry};
use super::envelope::{self, Refused};
use super::error::StoreError;

/// How many are kept.
const DEPTH: usize = 3;

/// A file and its predecessors.
pub struct Generations {
    name: &'static str,
    kind: &'static str,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Read<T> {
    pub content: T,
    /// The file that was used.
    pub file: String,
    /// 0 for the newest.
    pub generation: usize,
}

impl Generations {
    /// `name` is the newest file's name, `kind` stands in its header.
    pub const fn new(name: &'static str, kind: &'static str) -> Self {
        Generations { name, kind }
    }

    fn file(&self, generation: usize) -> String {
        match generation {
            0 => self.name.to_string(),
            n => format!("{}.{n}", self.name),
        }
    }

    /// The newest that verifies, and why newer ones were not used; a missing file is not worth a word.
    pub fn load<T: DeserializeOwned>(
        &self,
        disk: &dyn Disk,
        accept: impl Fn(&T) -> Result<(), Refused>,
    ) -> (Option<Read<T>>, Vec<(String, Refused)>) {
        let mut refused = Vec::new();
        for generation in 0..DEPTH {
            let file = self.file(generation);
            match envelope::read(disk, self.kind, &file).and_then(|c| accept(&c).map(|()| c)) {
                Ok(content) => return (Some(Read { content, file, generation }), refused),
                Err(Refused::Missing) => {}
                Err(reason) => refused.push((file, reason)),
            }
        }
        (None, refused)
    }

    /// Makes this the newest, durably.
    ///
    /// # Errors
    /// Nothing was stored: what was the newest still is.
    pub fn save<T: Serialize>(&self, disk: &dyn Disk, content: &T) -> Result<(), StoreError> {
        let bytes = envelope::encode(self.kind, content).map_err(StoreError::Content)?;
        let staged = stage(disk, self.name, &bytes)?;
        let mut moved = 0;
        let result = self.make_room(disk, &mut moved).and_then(|()| {
            staged.publish(self.name).map_err(StoreError::io("rename", self.name))?;
            sync_dir(disk, self.name).inspect_err(|_| _ = retry(|| disk.remove(self.name)))
        });
        if result.is_err() {
            self.move_back(disk, moved);
        }
        result
    }

    /// Moves each generation back by one, the oldest over the edge; none if the newest is missing,
    /// so that saves which fail again and again do not push good ones out.
    fn make_room(&self, disk: &dyn Disk, moved: &mut usize) -> Result<(), StoreError> {
        let there = retry(|| disk.list()).map_err(StoreError::io("list the directory of", self.name))?;
        let run = (0..DEPTH - 1).take_while(|g| there.contains(&self.file(*g))).count();
        for generation in (0..run).rev() {
            let (from, to) = (self.file(generation), self.file(generation + 1));
            match retry(|| disk.rename(&from, &to)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(StoreError::io("rename", from))?,
            }
            *moved = generation + 1;
        }
        Ok(())
    }

    /// Undoes what [`make_room`](Self::make_room) did, as far as the disk lets us.
    fn move_back(&self, disk: &dyn Disk, moved: usize) {
        if moved == 0 {
            return;
        }
        for generation in moved - 1..DEPTH - 1 {
            _ = retry(|| disk.rename(&self.file(generation + 1), &self.file(generation)));
        }
        _ = retry(|| disk.sync_dir());
    }
}
