// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every system call in turn fails, is interrupted or is cut short.

use std::path::Path;

use super::fake::{Fault, Faulty};
use super::*;

const ERRORS: [i32; 5] = [libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EROFS, libc::EINTR];

fn no_temp_file(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("lists") {
        let name = entry.expect("an entry").file_name();
        assert!(!name.to_string_lossy().starts_with('.'), "left behind: {name:?}");
    }
}

/// Does `act`, which says when the fault may come, with every call failing in turn, each on a disk prepared by `before`; `after` sees what
/// a restart sees, and whether it was acknowledged. Returns the number of faults that came.
fn each_call(
    fault: impl Fn(i32) -> Fault,
    before: impl Fn(&Arc<dyn Disk>),
    act: impl Fn(&Arc<dyn Disk>, &dyn Fn()) -> bool,
    after: impl Fn(&Arc<dyn Disk>, bool),
) -> usize {
    let mut hits = 0;
    for errno in ERRORS {
        for at in 0.. {
            let dir = tempfile::tempdir().expect("a directory");
            let real: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).expect("opens"));
            before(&real);
            let faulty = Arc::new(Faulty::new(real.clone()));
            let arm = || faulty.arm(at, fault(errno));
            let acknowledged = act(&(faulty.clone() as Arc<dyn Disk>), &arm);
            let (calls, hit) = faulty.disarm();
            after(&real, acknowledged);
            no_temp_file(dir.path());
            hits += usize::from(hit);
            if matches!(fault(errno), Fault::Errno(libc::EINTR) | Fault::Short) {
                assert!(acknowledged, "an interrupted or short call is no failure");
            }
            if at >= calls {
                assert!(acknowledged && !hit, "call {at}");
                break;
            }
            assert!(at < 100, "no end");
        }
    }
    hits
}

fn every_fault(
    before: impl Fn(&Arc<dyn Disk>) + Copy,
    act: impl Fn(&Arc<dyn Disk>, &dyn Fn()) -> bool + Copy,
    after: impl Fn(&Arc<dyn Disk>, bool) + Copy,
) {
    let hits = each_call(Fault::Errno, before, act, after)
        + each_call(Fault::Always, before, act, after)
        + each_call(|_| Fault::Short, before, act, after);
    assert!(hits > 30, "only {hits} faults came");
}

#[test]
fn a_snapshot_is_new_or_old() {
    every_fault(
        |disk| _ = open(disk).store(numbered("a", 1)).expect("stores"),
        |disk, arm| {
            let mut store = open(disk);
            arm();
            store.store(numbered("a", 2)).is_ok()
        },
        |disk, acknowledged| {
            let store = open(disk);
            assert_eq!(store.refused(), []);
            assert_eq!(number(&store.get("a").expect("is there")), if acknowledged { 2 } else { 1 });
        },
    );
}

#[test]
fn a_failure_leaves_the_store_usable() {
    let disk: Arc<dyn Disk> = Arc::new(fake::MemDisk::default());
    let faulty = Arc::new(Faulty::new(disk.clone()));
    let mut store = open(&(faulty.clone() as Arc<dyn Disk>));
    let mut last = 0;
    for n in 1..200 {
        faulty.arm(n as usize % 7, Fault::Errno(libc::ENOSPC));
        let stored = store.store(numbered("a", n)).is_ok();
        last = if stored { n } else { last };
        faulty.disarm();
        match store.get("a") {
            Ok(snapshot) => assert_eq!(number(&snapshot), last),
            Err(e) => assert!(last == 0, "{e}"),
        }
        assert_eq!(open(&disk).list(), store.list());
    }
    store.store(numbered("a", 200)).expect("stores");
    assert!(last > 0 && store.versions("a").expect("there").len() <= MAX_VERSIONS);
}

#[test]
fn the_last_state_is_new_or_old() {
    for saved in 0..4 {
        every_fault(
            |disk| {
                (1..=saved).for_each(|n| LastStateStore::new(disk.clone()).save(&state(n)).expect("saves"));
            },
            |disk, arm| {
                arm();
                LastStateStore::new(disk.clone()).save(&state(9)).is_ok()
            },
            |disk, acknowledged| {
                let (read, refused) = LastStateStore::new(disk.clone()).load();
                assert_eq!(refused, []);
                let expected = if acknowledged { 9 } else { saved };
                assert_eq!(read.as_ref().map_or(0, |r| r.content.revision), expected);
                // One behind only if the disk refused to take the moves back too.
                read.inspect(|r| assert!(r.content == state(expected) && r.generation <= 1));
            },
        );
    }
}

#[test]
fn a_deleted_snapshot_is_there_whole_or_gone() {
    every_fault(
        |disk| (1..=3).for_each(|n| _ = open(disk).store(numbered("a", n)).expect("stores")),
        |disk, arm| {
            let mut store = open(disk);
            arm();
            store.delete("a").is_ok()
        },
        |disk, acknowledged| {
            let store = open(disk);
            assert_eq!(store.refused(), []);
            match store.get("a") {
                Ok(snapshot) => assert!(!acknowledged && number(&snapshot) == 3),
                Err(e) => assert!(matches!(e, StoreError::Unknown(_)), "{e}"),
            }
        },
    );
}

/// A disk that cannot be read for a moment hides a snapshot; what is stored then under its name counts.
#[test]
fn reading_fails_for_a_moment() {
    let disk: Arc<dyn Disk> = Arc::new(fake::MemDisk::default());
    (1..=3).for_each(|n| _ = open(&disk).store(numbered("a", n)).expect("stores"));
    let faulty = Arc::new(Faulty::new(disk.clone()));
    faulty.arm(1, Fault::Always(libc::EIO));
    let mut store = open(&(faulty.clone() as Arc<dyn Disk>));
    faulty.disarm();
    assert_eq!((store.list().len(), store.refused().len()), (0, 3 + 3));
    store.store(numbered("a", 1000)).expect("stores");
    assert_eq!(number(&open(&disk).get("a").expect("is there")), 1000);
    assert!(
        SnapshotStore::open({
            faulty.arm(0, Fault::Always(libc::EIO));
            faulty
        })
        .is_err()
    );
}

#[test]
fn a_storm_of_interruptions_ends() {
    let disk: Arc<dyn Disk> = Arc::new(fake::MemDisk::default());
    let faulty = Arc::new(Faulty::new(disk));
    let mut store = open(&(faulty.clone() as Arc<dyn Disk>));
    faulty.arm(0, Fault::Always(libc::EINTR));
    assert!(matches!(store.store(numbered("a", 1)), Err(StoreError::Io { .. })));
}

/// On a real file system without space: `LATHE_SMALL_DIR` names a directory with 128 kB or so.
#[test]
#[ignore = "needs a small file system: tests/soak full-disk makes one"]
fn a_full_disk() {
    let Some(dir) = std::env::var_os("LATHE_SMALL_DIR") else { return };
    let state_dir = StateDir::open(Some(Path::new(&dir))).expect("opens");
    let (mut store, last) = (state_dir.snapshots().expect("opens"), state_dir.last_state());
    last.save(&state(1)).expect("there is room for one");
    let full = |e: &StoreError| matches!(e, StoreError::Io { source, .. } if source.raw_os_error() == Some(libc::ENOSPC));
    let stored = (1..).map_while(|n| {
        store.store(numbered(&format!("s{n}"), n)).inspect_err(|e| assert!(full(e), "{e}")).ok()
    });
    let stored = stored.count();
    assert!(last.save(&state(2)).is_err_and(|e| full(&e)));
    no_temp_file(Path::new(&dir));
    no_temp_file(&Path::new(&dir).join("snapshots"));
    let mut store = state_dir.snapshots().expect("opens");
    assert_eq!((store.list().len(), store.refused().len()), (stored, 0));
    assert_eq!(last.load().0.map(|r| r.content), Some(state(1)));
    let name = store.current().expect("the last").to_string();
    store.delete(&name).expect("deletes on a full disk");
    assert_eq!((store.current(), state_dir.snapshots().expect("opens").current()), (None, None));
    (1..3).for_each(|n| store.delete(&format!("s{n}")).expect("deletes"));
    last.save(&state(2)).expect("there is room again");
    println!("{stored} snapshots, then a full disk");
}
