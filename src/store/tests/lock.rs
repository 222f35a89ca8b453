// SPDX-License-Identifier: MIT OR Apache-2.0
//! One directory, one daemon; and where the directory is.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::exit::Exit;

#[test]
fn a_second_one_is_told_who_has_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a/b");
    let first = StateDir::open(Some(&path)).expect("opens");
    for p in [&path, &path.parent().expect("a").join("b")] {
        let mode = std::fs::metadata(p).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    let refused = StateDir::open(Some(&path)).expect_err("taken");
    assert_eq!(refused.exit(), Exit::Unavailable);
    assert!(refused.to_string().contains(&format!("(process {})", std::process::id())), "{refused}");
    drop(first);
    StateDir::open(Some(&path)).expect("free again");
}

#[test]
fn of_many_at_once_one_gets_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let barrier = std::sync::Barrier::new(16);
    let got: Vec<Option<StateDir>> = std::thread::scope(|s| {
        let open = || {
            barrier.wait();
            StateDir::open(Some(dir.path())).ok()
        };
        let threads: Vec<_> = (0..16).map(|_| s.spawn(open)).collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    assert_eq!(got.iter().flatten().count(), 1);
}

#[test]
fn what_a_killed_one_left_is_removed_and_links_are_not_followed() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = StateDir::open(Some(dir.path())).expect("opens");
    state.snapshots().expect("opens").store(numbered("a", 1)).expect("stores");
    drop(state);
    for left in [".0-1.tmp", "snapshots/.7-99.tmp"] {
        std::fs::write(dir.path().join(left), "half").expect("writes");
    }
    let state = StateDir::open(Some(dir.path())).expect("opens");
    assert_eq!(number(&state.snapshots().expect("opens").get("a").expect("is there")), 1);
    assert!(!dir.path().join(".0-1.tmp").exists() && !dir.path().join("snapshots/.7-99.tmp").exists());
    std::fs::rename(dir.path().join("snapshots"), dir.path().join("elsewhere")).expect("moves");
    symlink(dir.path().join("elsewhere"), dir.path().join("snapshots")).expect("links");
    assert!(matches!(state.snapshots(), Err(StoreError::Io { .. })));
    drop(state);
    std::fs::remove_file(dir.path().join("lock")).expect("removes");
    symlink("elsewhere/lock", dir.path().join("lock")).expect("links");
    assert!(matches!(StateDir::open(Some(dir.path())), Err(StoreError::Io { .. })));
}

#[test]
fn the_default_place() {
    let place = |vars: &[(&str, &str)]| {
        let find = |name: &str| vars.iter().find(|v| v.0 == name).map(|v| OsString::from(v.1));
        StateDir::default_path(find)
    };
    let home = ("HOME", "/home/eng");
    let at = |p: &str| Some(Path::new(p).to_path_buf());
    assert_eq!(place(&[("STATE_DIRECTORY", "/var/lib/lathe:/x"), home]), at("/var/lib/lathe"));
    assert_eq!(place(&[("XDG_STATE_HOME", "/s"), home]), at("/s/lathe"));
    assert_eq!(
        place(&[("XDG_STATE_HOME", "rel"), ("STATE_DIRECTORY", ""), home]),
        at("/home/eng/.local/state/lathe")
    );
    assert_eq!(place(&[]), None::<PathBuf>);
}
