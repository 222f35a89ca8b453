// SPDX-License-Identifier: MIT OR Apache-2.0
//! SIGKILL at a random instant, again and again on the same directory: nothing torn, nothing
//! acknowledged lost.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

const DIR: &str = "LATHE_KILL_DIR";
/// Where the child starts counting.
const FROM: &str = "LATHE_KILL_FROM";

/// The child: stores under two names and saves the state until it is killed; tells before and after.
#[test]
#[ignore = "the child process of the kill test"]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let from = std::env::var(FROM).ok().and_then(|n| n.parse().ok()).unwrap_or(1u64);
    let dir = reopened(Path::new(&dir));
    let (mut snapshots, last) = (dir.snapshots().expect("opens"), dir.last_state());
    let mut random = Random(from);
    let tell = |what: &str, n: u64| {
        let mut out = std::io::stdout();
        _ = out.write_all(format!("\n{what} {n}\n").as_bytes()).and_then(|()| out.flush());
    };
    for n in from.. {
        tell("begin", n);
        if n % 3 == 0 {
            last.save(&state(n)).expect("saves");
        } else {
            snapshots.store(numbered(if n % 3 == 1 { "a" } else { "b" }, n)).expect("stores");
        }
        tell("done", n);
        std::thread::sleep(Duration::from_micros(random.below(2000) as u64));
    }
}

fn start(dir: &Path, from: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("a test"))
        .args(["--ignored", "--exact", "store::tests::kill::child", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(FROM, from.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    (child, out)
}

/// The number after `what` on the line, if it is such a line and whole.
fn said(line: &str, what: &str) -> Option<u64> {
    line.strip_suffix('\n')?.strip_prefix(what)?.trim().parse().ok()
}

/// The last one begun and the last one done of each kind.
struct Heard {
    begun: u64,
    done: [u64; 3],
}

fn hear(line: &str, heard: &mut Heard) {
    heard.begun = said(line, "begin ").unwrap_or(heard.begun);
    if let Some(n) = said(line, "done ") {
        heard.done[(n % 3) as usize] = n;
    }
}

/// Everything there is whole, and no older than what was acknowledged.
fn verify(dir: &Path, heard: &Heard) {
    let dir = reopened(dir);
    let store = dir.snapshots().expect("opens");
    assert_eq!(store.refused(), []);
    let (last, refused) = dir.last_state().load();
    assert_eq!(refused, []);
    let state_number = last.map_or(0, |r| {
        assert_eq!(r.content, state(r.content.revision), "a mix");
        r.content.revision
    });
    let found = [state_number, get(&store, "a"), get(&store, "b")];
    for (found, done) in found.iter().zip(heard.done) {
        assert!(*found == done || *found == heard.begun, "{found} found, {done} acknowledged");
    }
    for name in ["a", "b"].into_iter().filter(|n| store.get(n).is_ok()) {
        for version in store.versions(name).expect("is there") {
            number(&store.get_version(name, *version).expect("each version is whole"));
        }
    }
}

/// The lock went with the process. A child that another thread is just starting has a copy of ours until it
/// runs its own program.
fn reopened(dir: &Path) -> StateDir {
    let begin = Instant::now();
    loop {
        match StateDir::open(Some(dir)) {
            Err(StoreError::Taken { .. }) if begin.elapsed() < Duration::from_secs(2) => {
                std::thread::sleep(Duration::from_millis(1));
            }
            opened => return opened.expect("opens"),
        }
    }
}

fn get(store: &SnapshotStore, name: &str) -> u64 {
    store.get(name).map_or(0, |s| number(&s))
}

fn left_behind(dir: &Path) -> bool {
    [dir.to_path_buf(), dir.join("snapshots")].iter().any(|d| {
        std::fs::read_dir(d)
            .is_ok_and(|mut e| e.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().ends_with(".tmp"))))
    })
}

/// Directories at once; most of a kill is waiting.
const SIDE_BY_SIDE: usize = 4;

/// What so many kills on one directory came to.
#[derive(Default)]
struct Tally {
    inside: usize,
    temps: usize,
    stores: u64,
}

fn kill_in_a_row(kills: usize, seed: u64) -> Tally {
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = Random(seed);
    let mut heard = Heard { begun: 0, done: [0; 3] };
    let mut tally = Tally::default();
    for kill in 0..kills {
        let (mut child, mut out) = start(dir.path(), heard.begun + 1);
        let mut line = String::new();
        // The instant is counted from the first line, when the store is open.
        while !line.starts_with("begin") {
            line.clear();
            assert!(out.read_line(&mut line).expect("reads") > 0, "the child of kill {kill} ended");
        }
        hear(&line, &mut heard);
        std::thread::sleep(Duration::from_micros(random.below(15_000) as u64));
        child.kill().expect("kills");
        child.wait().expect("ends");
        loop {
            line.clear();
            if out.read_line(&mut line).expect("reads") == 0 {
                break;
            }
            hear(&line, &mut heard);
        }
        tally.inside += usize::from(!heard.done.contains(&heard.begun));
        tally.temps += usize::from(left_behind(dir.path()));
        verify(dir.path(), &heard);
        assert!(!left_behind(dir.path()), "a temporary file after kill {kill} and a start");
        let begun = heard.begun as usize % 3;
        heard.done[begun] = number_of(dir.path(), begun);
    }
    tally.stores = heard.begun;
    tally
}

#[test]
fn killed_at_random_instants() {
    let kills = count("LATHE_KILLS", 1000);
    let seed = count("LATHE_SEED", 21) as u64;
    let begin = Instant::now();
    let rows: Vec<_> = (0..SIDE_BY_SIDE)
        .map(|n| {
            let share = (kills + n) / SIDE_BY_SIDE;
            std::thread::spawn(move || kill_in_a_row(share, seed.wrapping_mul(1_000_003) + n as u64))
        })
        .collect();
    let all = rows.into_iter().map(|r| r.join().expect("nothing torn, nothing lost"));
    let sum = all.fold(Tally::default(), |a, b| Tally {
        inside: a.inside + b.inside,
        temps: a.temps + b.temps,
        stores: a.stores + b.stores,
    });
    let share = 100 * sum.inside / kills;
    println!(
        "{kills} kills in {:?}, {share} % inside a write, {} left a temporary file, {} stores",
        begin.elapsed(),
        sum.temps,
        sum.stores
    );
    assert!(share >= 20, "only {share} % of {kills} kills inside an unfinished write");
}

/// What is there now counts as acknowledged from here on.
fn number_of(dir: &Path, kind: usize) -> u64 {
    let dir = reopened(dir);
    match kind {
        0 => dir.last_state().load().0.map_or(0, |r| r.content.revision),
        1 => get(&dir.snapshots().expect("opens"), "a"),
        _ => get(&dir.snapshots().expect("opens"), "b"),
    }
}

#[test]
fn a_durable_store_is_quick() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = StateDir::open(Some(dir.path())).expect("opens");
    let (mut snapshots, last) = (dir.snapshots().expect("opens"), dir.last_state());
    let mut times = Vec::new();
    for n in 1..=60 {
        let start = Instant::now();
        snapshots.store(numbered("a", n)).expect("stores");
        let middle = Instant::now();
        last.save(&state(n)).expect("saves");
        times.push((middle - start, middle.elapsed()));
    }
    let median = |mut t: Vec<Duration>| {
        t.sort();
        (t[t.len() / 2].as_secs_f64() * 1e3, t[t.len() - 1].as_secs_f64() * 1e3)
    };
    let (store, save) = times.into_iter().unzip();
    let ((store, store_max), (save, save_max)) = (median(store), median(save));
    println!("ms: snapshot {store:.2} (worst {store_max:.2}), last state {save:.2} (worst {save_max:.2})");
    assert!(store < 200.0 && save < 200.0, "{store:.1} ms, {save:.1} ms");
}
