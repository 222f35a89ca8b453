// SPDX-License-Identifier: MIT OR Apache-2.0
//! What survives the process: snapshots, the last state and the ledger, whole or not at all.
//!
//! Everything here is synchronous and belongs to the control side; nothing waits for the audio thread.
//! A write is acknowledged after it is on the disk. A file that does not verify is refused with a
//! reason and left where it is.
//!
//! | file | what it holds |
//! |---|---|
//! | `dir` | the state directory: where it is, its lock, one daemon each |
//! | `disk` | the system calls, as a trait that tests can fail |
//! | `atomic` | new files: temporary name, fsync, rename, fsync of the directory |
//! | `envelope` | the file format: header with length and BLAKE3, then TOML |
//! | `generations` | one file kept three deep; the newest that verifies wins |
//! | `name` | which names people may give, and the ids files are named by |
//! | `snapshot` | one snapshot and its text |
//! | `snapshots` | all snapshots: store, get, list, delete, versions |
//! | `difference` | a snapshot against the rack of today |
//! | `last_state` | what sounded last |
//! | `ledger` | the album that is being made, and those that are over |
//! | `merge` | the last state against the rack file of today |

mod atomic;
mod difference;
mod dir;
mod disk;
mod envelope;
mod error;
mod generations;
mod last_state;
mod ledger;
mod merge;
mod name;
mod snapshot;
mod snapshots;

#[cfg(test)]
mod tests;

pub use difference::{Difference, differences};
pub use dir::StateDir;
pub use disk::{Disk, DiskFile, OsDisk};
pub use envelope::{FORMAT, MAX_BODY, Refused};
pub use error::StoreError;
pub use generations::{Generations, Read};
pub use last_state::{LastState, LastStateStore, rack_hash};
pub use ledger::{Album, AlbumSummary, LedgerFile, LedgerStore, MAX_TRACKS, Track, TrackState};
pub use merge::{Origin, Restored, restore};
pub use name::{MAX_NAME, NameError, check_name};
pub use snapshot::{Draft, Snapshot, layout_hash, sound_revisions};
pub use snapshots::{MAX_SNAPSHOTS, MAX_VERSIONS, SnapshotStore, Summary, Update};
