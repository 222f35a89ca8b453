// SPDX-License-Identifier: MIT OR Apache-2.0
//! The power goes off behind every single call: what was acknowledged is there, the rest is whole or not.

use super::fake::MemDisk;
use super::*;

/// All ways in which what was not synced may come back.
fn cuts(log: &[fake::Op], random: &mut Random, check: impl Fn(Arc<dyn Disk>)) {
    check(Arc::new(MemDisk::after_power_cut(log, || false)));
    check(Arc::new(MemDisk::after_power_cut(log, || true)));
    for eighths in 1..8 {
        check(Arc::new(MemDisk::after_power_cut_by_chance(log, eighths, random)));
    }
}

#[test]
fn snapshots_survive_every_prefix() {
    let memory = MemDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let mut store = open(&disk);
    // Length of the log at each acknowledgement.
    let mut done = vec![0];
    for n in 1..=25 {
        store.store(numbered("a", n)).expect("stores");
        done.push(memory.log_len());
    }
    let mut random = Random(3);
    let log = memory.log();
    for end in 0..=log.len() {
        let acknowledged = done.iter().rposition(|d| *d <= end).expect("0 is") as u64;
        cuts(&log[..end], &mut random, |disk| {
            let store = open(&disk);
            assert!(store.refused().is_empty(), "{:?}", store.refused());
            let found = store.get("a").map_or(0, |s| number(&s));
            assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} after {acknowledged}");
        });
    }
}

#[test]
fn a_deleted_snapshot_comes_back_whole_or_not_at_all() {
    let memory = MemDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    let mut store = open(&disk);
    (1..=5).for_each(|n| _ = store.store(numbered("a", n)).expect("stores"));
    let (from, mut random) = (memory.log_len(), Random(4));
    store.delete("a").expect("deletes");
    let log = memory.log();
    for end in from..=log.len() {
        cuts(&log[..end], &mut random, |disk| match open(&disk).get("a") {
            Ok(snapshot) => assert!(number(&snapshot) == 5 && end < log.len(), "{end} of {}", log.len()),
            Err(e) => assert!(matches!(e, StoreError::Unknown(_)), "{e}"),
        });
    }
}

#[test]
fn the_last_state_survives_every_prefix() {
    let memory = MemDisk::default();
    let store = LastStateStore::new(Arc::new(memory.clone()));
    let mut done = vec![0];
    for n in 1..=6 {
        store.save(&state(n)).expect("saves");
        done.push(memory.log_len());
    }
    let mut random = Random(5);
    let log = memory.log();
    for end in 0..=log.len() {
        let acknowledged = done.iter().rposition(|d| *d <= end).expect("0 is") as u64;
        for _ in 0..8 {
            cuts(&log[..end], &mut random, |disk| {
                let (read, refused) = LastStateStore::new(disk).load();
                assert_eq!(refused, []);
                let found = read.map_or(0, |r| {
                    assert_eq!(r.content, state(r.content.revision));
                    r.content.revision
                });
                assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} after {acknowledged}");
            });
        }
    }
}

/// The replay itself: without the fsync of the file, it must find torn files.
#[test]
fn the_replay_sees_a_missing_fsync() {
    let memory = MemDisk::default();
    let disk: Arc<dyn Disk> = Arc::new(memory.clone());
    open(&disk).store(numbered("a", 1)).expect("stores");
    let log: Vec<_> = memory.log().into_iter().filter(|op| !matches!(op, fake::Op::Sync(_))).collect();
    let torn: Arc<dyn Disk> = Arc::new(MemDisk::after_power_cut(&log, || false));
    assert_eq!(open(&torn).refused().iter().map(|r| &r.1).collect::<Vec<_>>(), [&Refused::Empty]);
}
