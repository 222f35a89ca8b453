// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damaged files: refused with a reason, never a panic, and the one before is used.

use super::fake::MemDisk;
use super::*;
use crate::store::disk::write_all;
use crate::store::envelope::{decode, encode, seal};

/// One to four injuries.
fn injure(bytes: &[u8], r: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=r.below(4) {
        let at = r.below(out.len());
        let to = (at + 1 + r.below(64)).min(out.len());
        match r.below(9) {
            _ if out.is_empty() => out.push(r.next() as u8),
            0 | 1 => out[at] ^= 1 << r.below(8),
            2 => out.truncate(at),
            3 => out[at..to].fill(0),
            4 => drop(out.drain(at..to)),
            5 => drop(out.splice(at..at, (0..r.below(16)).map(|_| r.next() as u8).collect::<Vec<_>>())),
            6 => out.extend_from_within(at..to),
            7 => out[..at.min(120)].rotate_left(usize::from(at > 0)),
            _ => {
                let line = out.iter().position(|b| *b == b'\n').unwrap_or(0);
                let at = r.below(line);
                out[at] = b'0' + r.below(10) as u8;
            }
        }
    }
    out
}

fn put(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    _ = disk.remove(name);
    write_all(&mut *disk.create(name).expect("creates"), bytes).expect("writes");
}

#[test]
fn damaged_files_are_refused_or_read_right() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::default());
    let stored = open(&disk).store(numbered("a", 1)).expect("stores");
    let newer = open(&disk).store(numbered("a", 2)).expect("stores");
    let (older, file) = (name::file_name(&stored.id, 1), name::file_name(&newer.id, 2));
    let whole = disk.read(&file, 1 << 30).expect("reads");
    let store = LastStateStore::new(disk.clone());
    (1..=3).for_each(|n| store.save(&state(n)).expect("saves"));
    let last = disk.read("last.toml", 1 << 30).expect("reads");
    let (mut r, mutants, mut same) = (Random(11), count("LATHE_MUTANTS", 10_000), 0);
    for n in 0..mutants {
        let (snapshot, state_file) = (injure(&whole, &mut r), injure(&last, &mut r));
        match decode::<Snapshot>("snapshot", &snapshot) {
            Ok(read) => assert!(snapshot == whole && read == newer, "mutant {n} was read"),
            Err(reason) => assert!(!reason.to_string().is_empty()),
        }
        match decode::<LastState>("last", &state_file) {
            Ok(read) => assert!(state_file == last && read == state(3), "mutant {n} was read"),
            Err(_) if n % 8 == 0 => {
                put(&*disk, &file, &snapshot);
                put(&*disk, "last.toml", &state_file);
                let found = open(&disk);
                let expected = if snapshot == whole { 2 } else { 1 };
                assert_eq!(number(&found.get("a").expect("the older one")), expected);
                assert_eq!(found.refused().len(), 2 - expected as usize, "{older}: {:?}", found.refused());
                let (read, refused) = store.load();
                let read = read.expect("the one before");
                assert_eq!((read.content, read.file.as_str()), (state(2), "last.toml.1"));
                assert_eq!(refused[0].0, "last.toml");
            }
            Err(_) => {}
        }
        same += usize::from(snapshot == whole);
    }
    println!("{mutants} damaged snapshots and states, {same} of them as they were");
    assert!(same < mutants / 20, "the injuries do nothing");
}

/// What a program with our checksum but other ideas could write.
#[test]
fn sealed_nonsense_is_refused_without_a_panic() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::default());
    let stored = open(&disk).store(numbered("a", 1)).expect("stores");
    let text = String::from_utf8(encode("snapshot", &stored).expect("encodes")).expect("text");
    let (_, body) = text.split_once('\n').expect("a header");
    let (file, mut r) = (name::file_name(&stored.id, 1), Random(12));
    for _ in 0..count("LATHE_MUTANTS", 10_000) / 10 {
        let body = String::from_utf8_lossy(&injure(body.as_bytes(), &mut r)).into_owned();
        put(&*disk, &file, &seal("snapshot", &body));
        for summary in open(&disk).list() {
            let snapshot = open(&disk).get(&summary.name).expect("was verified");
            _ = differences(&snapshot, &shipped());
        }
        put(&*disk, "last.toml", &seal("last", &body));
        assert!(LastStateStore::new(disk.clone()).load().0.is_none());
    }
    for n in [100, 100_000, 1_000_000] {
        let nested = [
            format!("name = {}", "[".repeat(n)),
            format!("name = {}1{}", "[".repeat(n), "]".repeat(n)),
            format!("values = {}1{}", "{ a = ".repeat(n), " }".repeat(n)),
            format!("values{} = 1", ".a".repeat(n)),
        ];
        for body in nested {
            let refused = decode::<Snapshot>("snapshot", &seal("snapshot", &body)).expect_err("refused");
            assert!(matches!(refused, Refused::Content(_)), "{refused}");
        }
    }
}

#[test]
fn each_kind_of_damage_has_its_reason() {
    let whole = encode("snapshot", &Snapshot::new(numbered("a", 1), "0".repeat(16), 1, 1)).expect("encodes");
    let text = String::from_utf8(whole.clone()).expect("text");
    let reason = |bytes: &[u8]| decode::<Snapshot>("snapshot", bytes).expect_err("refused").to_string();
    assert_eq!(reason(b""), "the file is empty");
    assert_eq!(reason(&[0; 500]), "it does not begin with a header of lathe");
    assert_eq!(reason(b"format = 1\n[rack]\n"), "it does not begin with a header of lathe");
    let newer = text.replacen("# lathe-state 1 ", "# lathe-state 2 ", 1);
    assert_eq!(reason(newer.as_bytes()), "it has format 2; this lathe reads format 1");
    let other = text.replacen(" snapshot ", " last ", 1);
    assert_eq!(reason(other.as_bytes()), "it is a file of another kind, not snapshot");
    let cut = reason(&whole[..whole.len() - 10]);
    assert!(cut.contains("bytes after the header, which says"), "{cut}");
    let edited = text.replace("number 1", "number 2");
    assert_eq!(reason(edited.as_bytes()), "the checksum does not fit: the file was damaged or edited");
}

/// A gigabyte of nothing, a link to elsewhere, a pipe nobody writes to.
#[test]
fn strange_files_are_not_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::open(dir.path()).expect("opens"));
    let id = open(&disk).store(numbered("a", 1)).expect("stores").id;
    let at = |version| dir.path().join(name::file_name(&id, version));
    std::fs::File::create(at(2)).and_then(|f| f.set_len(1 << 30)).expect("a sparse file");
    std::os::unix::fs::symlink(at(1), at(3)).expect("a link");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at(4),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let store = open(&disk);
    assert_eq!(number(&store.get("a").expect("the one that is whole")), 1);
    let reasons: Vec<String> = store.refused().iter().map(|(_, r)| r.to_string()).collect();
    assert!(reasons[0].contains("not a regular file"), "{reasons:?}");
    assert!(reasons[1].contains("symbolic link"), "{reasons:?}");
    assert!(reasons[2].contains("1073741824 bytes; at most"), "{reasons:?}");
}
