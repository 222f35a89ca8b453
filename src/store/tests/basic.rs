// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is stored comes back; names, versions, order, the current one, differences.

use super::fake::MemDisk;
use super::*;

fn memory() -> Arc<dyn Disk> {
    Arc::new(MemDisk::default())
}

fn names(store: &SnapshotStore) -> Vec<&str> {
    store.list().iter().map(|s| s.name.as_str()).collect()
}

fn rename(store: &mut SnapshotStore, name: &str, to: &str) -> Result<Snapshot, StoreError> {
    store.update(name, &Update { name: Some(to.into()), ..Update::default() })
}

#[test]
fn an_update_changes_what_it_names_and_only_the_version_it_expects() {
    let mut store = open(&memory());
    let first = store.store(numbered("a", 1)).expect("stores");
    let seen = Some((first.id.clone(), first.version));
    let notes = Update { notes: Some("warm".into()), expected: seen.clone(), ..Update::default() };
    let second = store.update("a", &notes).expect("updates");
    assert_eq!((second.notes.as_str(), second.version, &second.values), ("warm", 2, &first.values));
    let both = Update { name: Some("b".into()), notes: Some(String::new()), expected: seen };
    let refused = store.update("a", &both).expect_err("is stale");
    assert!(refused.to_string().contains("version 2"), "{refused}");
    assert_eq!(store.get("a").expect("is there"), second);
    let third = store.update("a", &Update { expected: Some((second.id, 2)), ..both }).expect("updates");
    assert_eq!((third.name.as_str(), third.notes.as_str(), third.version), ("b", "", 3));
    let long = Update { notes: Some("x".repeat(100_000)), ..Update::default() };
    assert!(matches!(store.update("b", &long), Err(StoreError::Content(_))));
    assert_eq!((store.get("b").expect("is there"), names(&store)), (third, vec!["b"]));
}

#[test]
fn everything_comes_back_bit_exact() {
    let disk = memory();
    let mut draft = Draft::of("  Ünï ❤\u{fe0f} \"x\" ", &shipped());
    let odd =
        [0.1 + 0.2, -0.0, 5e-324, f64::MAX, f64::MIN_POSITIVE, 1e21, 123_456_789.012_345_67, -1.0 / 3.0];
    let mut random = Random(8);
    for (i, v) in odd.into_iter().chain((0..2000).map(|_| f64::from_bits(random.next()))).enumerate() {
        draft.values.insert(format!("eq/p{i}"), if v.is_finite() { v } else { 1.0 });
    }
    draft.notes = "line\r\nline\n\t\"\"\" ''' \\ \u{0} \u{1b} λ\u{202e}\n\n".into();
    draft.author = "'''\n".into();
    draft.rack = draft.rack.replace('\n', "\r\n");
    (draft.sample_rate, draft.created_unix_ms) = (96_000, 1_790_000_000_123);
    let stored = open(&disk).store(draft.clone()).expect("stores");
    let read = open(&disk).get("Ünï ❤\u{fe0f} \"x\"").expect("is there");
    assert_eq!(stored, read);
    let bits =
        |values: &BTreeMap<String, f64>| -> Vec<u64> { values.values().map(|v| v.to_bits()).collect() };
    assert_eq!(bits(&read.values), bits(&draft.values));
    draft.name = read.name.clone();
    assert_eq!(read.into_draft(), draft);
}

#[test]
fn storing_a_name_again_keeps_the_old_as_a_version() {
    let disk = memory();
    let mut store = open(&disk);
    for n in 1..=30 {
        assert_eq!(store.store(numbered(" a ", n)).expect("stores").version, n as u32);
    }
    for store in [&store, &open(&disk)] {
        assert_eq!(names(store), ["a"]);
        assert_eq!(store.versions("a").expect("there"), (11..=30).collect::<Vec<u32>>());
        assert_eq!(number(&store.get_version("a", 12).expect("there")), 12);
        assert!(matches!(store.get_version("a", 10), Err(StoreError::UnknownVersion { .. })));
        assert_eq!(disk.list().expect("lists").len(), MAX_VERSIONS);
    }
}

#[test]
fn the_list_is_by_time_and_the_current_one_is_known() {
    let disk = memory();
    let mut store = open(&disk);
    assert_eq!((names(&store).len(), store.current()), (0, None));
    for (name, at) in [("c", 30), ("a", 10), ("b", 20)] {
        store.store(numbered(name, at)).expect("stores");
        assert_eq!(open(&disk).current(), Some(name));
    }
    assert_eq!(names(&open(&disk)), ["a", "b", "c"]);
    store.set_current(Some("c")).expect("marks");
    assert_eq!((store.current(), open(&disk).current()), (Some("c"), Some("c")));
    rename(&mut store, "a", "A").expect("renames");
    assert_eq!((store.current(), open(&disk).current()), (Some("c"), Some("c")));
    assert_eq!(
        (names(&open(&disk)), store.versions("A").expect("there")),
        (vec!["A", "b", "c"], &[1, 2][..])
    );
    rename(&mut store, "c", "d").expect("renames");
    assert_eq!((store.current(), open(&disk).current()), (Some("d"), Some("d")));
    assert!(matches!(rename(&mut store, "A", "b"), Err(StoreError::Exists(_))));
    store.delete("d").expect("deletes");
    assert_eq!((store.current(), open(&disk).current()), (None, None));
    assert!(matches!(store.delete("d"), Err(StoreError::Unknown(_))));
    store.set_current(Some("b")).expect("marks");
    store.set_current(None).expect("marks");
    assert_eq!(open(&disk).current(), None);
    store.store(numbered("A", 40)).expect("stores");
    assert_eq!((open(&disk).current(), names(&open(&disk))), (Some("A"), vec!["b", "A"]));
}

#[test]
fn what_cannot_be_stored_is_refused_and_nothing_changes() {
    let disk = memory();
    let mut store = open(&disk);
    store.store(numbered("a", 1)).expect("stores");
    let before = disk.list().expect("lists");
    let change = |f: fn(&mut Draft)| {
        let mut draft = numbered("a", 2);
        f(&mut draft);
        draft
    };
    let bad = [
        change(|d| d.name = "a\nb".into()),
        change(|d| d.name = "  ".into()),
        change(|d| _ = d.values.insert("eq/gain".into(), f64::NAN)),
        change(|d| _ = d.values.insert("eq/gain".into(), f64::INFINITY)),
        change(|d| _ = d.values.insert("../gain".into(), 0.0)),
        change(|d| d.notes = "x".repeat(1 << 20)),
        change(|d| d.created_unix_ms = u64::MAX),
    ];
    for draft in bad {
        let refused = store.store(draft).expect_err("refused");
        assert!(matches!(refused, StoreError::Name(_) | StoreError::Content(_)), "{refused}");
        assert_eq!((disk.list().expect("lists"), store.list().len()), (before.clone(), 1));
    }
    let kept = LastState { values: BTreeMap::from([("a/b".into(), f64::NAN)]), ..state(1) };
    assert!(LastStateStore::new(disk).save(&kept).is_err());
}

#[test]
fn two_files_with_one_name_are_one_snapshot() {
    let disk = memory();
    open(&disk).store(numbered("a", 1)).expect("stores");
    let mut other = open(&disk).store(numbered("b", 2)).expect("stores");
    (other.name, other.id, other.sequence) = ("a".into(), "0123456789abcdef".into(), 9);
    let bytes = envelope::encode("snapshot", &other).expect("encodes");
    atomic::write_new(&*disk, "0123456789abcdef-1.toml", &bytes).expect("writes");
    let store = open(&disk);
    assert_eq!((names(&store), number(&store.get("a").expect("there"))), (vec!["b", "a"], 2));
    assert!(store.refused()[0].1.to_string().contains("a newer snapshot with the name \"a\""));
}

#[test]
fn differences_are_all_told() {
    let disk = memory();
    let text = "format=1\n[rack]\nlayout='stereo'\n[[slot]]\nid='a'\nunit='gain'\n[[slot]]\nid='b'\nunit='limiter'\n";
    let then = plan(text);
    let mut draft = Draft::of("x", &then);
    draft.values.insert("rack/bypass".into(), 1.0);
    let snapshot = open(&disk).store(draft).expect("stores");
    assert_eq!(differences(&snapshot, &then), []);
    let mut now = then.clone();
    now.slots[0] = now.slots[0].clone().with("trim", -3.0);
    now.name = "other".into();
    assert_eq!(differences(&snapshot, &now), [], "values and names are no layout");
    now.slots.swap(0, 1);
    assert_eq!(differences(&snapshot, &now), [Difference::Order]);
    let other = plan(&text.replace("unit='gain'", "unit='compressor'").replace("stereo", "5.1"));
    let found = differences(&snapshot, &other);
    let has = |d: &dyn Fn(&Difference) -> bool| assert!(found.iter().any(d), "{found:#?}");
    has(&|d| d.to_string() == "slot \"a\" is \"gain\" in the snapshot and \"compressor\" in the rack");
    has(&|d| d.to_string() == "the snapshot has the channels stereo, the rack 5.1");
    has(&|d| matches!(d, Difference::OnlyInSnapshot { address, .. } if address == "a/trim"));
    has(&|d| matches!(d, Difference::OnlyInRack { address } if address == "a/ratio"));
    let mut old = snapshot.clone();
    old.values.insert("a/trim".into(), 99.0);
    old.sound_revisions.insert("limiter".into(), 0);
    let found = differences(&old, &then);
    assert!(matches!(&found[..], [Difference::OutOfRange { .. }, Difference::Sound { .. }]), "{found:#?}");
    assert!(!found.iter().any(Difference::is_layout));
    old.rack = old.rack.replace("limiter", "gone");
    assert!(matches!(differences(&old, &then)[0], Difference::Unreadable { .. }));
}
