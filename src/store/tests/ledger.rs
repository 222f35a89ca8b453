// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ledger under failing calls, power cuts and content that is none.

use lathe_core::analysis::{Integrator, IntegratorSettings};
use lathe_core::dsp::QUANTUM;
use lathe_core::units::Layout;

use super::fake::{Fault, Faulty, MemDisk};
use super::*;
use crate::store::envelope::{encode, seal};

/// An album whose figures all come from `n` seconds of noise: a closed track and an open one.
fn ledger(n: u64) -> LedgerFile {
    let layout = Layout::named("stereo").expect("a layout");
    let mut whole = Integrator::new(48_000, &layout, IntegratorSettings::default());
    let mut r = Random(n);
    for _ in 0..750 * n {
        let mut noise = || (r.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        let x: [f64; QUANTUM] = std::array::from_fn(|_| noise() * 0.2);
        whole.process(&[x, x.map(|v| v * 0.5)]);
    }
    let figures = whole.figures();
    let track = |name: &str, state| Track {
        name: name.into(),
        tap: "out".into(),
        sample_rate: 48_000,
        layout: "stereo".into(),
        state,
        why: String::new(),
        begun_unix_ms: n,
        ended_unix_ms: None,
        start_frame: 64,
        position: whole.position(),
        pauses: 0,
        interruptions: 0,
        xruns: 0,
        figures: figures.clone(),
    };
    let mut album = Album::new("an album", n);
    album.id = "0123456789abcdef".into();
    (album.sample_rate, album.layout, album.figures) = (48_000, "stereo".into(), Some(figures.clone()));
    album.tracks = vec![track("Song 1", TrackState::Closed), track("Song 2", TrackState::Paused)];
    LedgerFile { saved_unix_ms: n, album, whole: Some(whole.save()), open: Some(whole.save()) }
}

/// Only its beginning: nothing was integrated yet.
fn small(n: u64) -> LedgerFile {
    let mut album = Album::new("an album", n);
    album.id = format!("{n:016x}");
    LedgerFile { saved_unix_ms: n, album, whole: None, open: None }
}

fn number(disk: &Arc<dyn Disk>) -> u64 {
    let (read, refused) = LedgerStore::new(disk.clone()).load();
    assert_eq!(refused, []);
    read.map_or(0, |r| r.content.saved_unix_ms)
}

#[test]
fn every_figure_comes_back_bit_for_bit() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::default());
    let store = LedgerStore::new(disk.clone());
    let mut file = ledger(8);
    // What is silent is −∞, and what is not known is not there.
    file.album.tracks[0].figures.true_peak = f64::NEG_INFINITY;
    file.album.tracks[0].figures.dr = None;
    store.save(&file).expect("saves");
    let read = store.load().0.expect("is there").content;
    assert_eq!(read, file);
    let bytes = disk.read("ledger.toml", 1 << 30).expect("reads").len();
    println!("{bytes} bytes for 8 s, {} bins", read.whole.expect("some").loudness.blocks.len());
    store.keep(&file.album).expect("keeps");
    assert_eq!(store.album(&file.album.id).expect("is kept"), file.album);
}

#[test]
fn a_save_is_new_or_old_whatever_fails() {
    for errno in [libc::ENOSPC, libc::EIO, libc::EROFS] {
        for at in 0.. {
            let disk: Arc<dyn Disk> = Arc::new(MemDisk::default());
            let faulty = Arc::new(Faulty::new(disk.clone()));
            let store = LedgerStore::new(faulty.clone());
            (1..=3).for_each(|n| store.save(&small(n)).expect("saves"));
            faulty.arm(at, if at % 2 == 0 { Fault::Errno(errno) } else { Fault::Always(errno) });
            let saved = store.save(&small(4)).is_ok();
            let (calls, hit) = faulty.disarm();
            assert_eq!(number(&disk), if saved { 4 } else { 3 }, "call {at}");
            // An album that is over, likewise.
            faulty.arm(at, Fault::Errno(errno));
            let kept = store.keep(&small(9).album).is_ok();
            faulty.disarm();
            let there = store.album("0000000000000009").is_ok();
            assert_eq!(there, kept, "call {at}");
            store.keep(&small(9).album).expect("keeps");
            assert_eq!(store.albums().expect("lists").0.len(), 1);
            if at >= calls {
                assert!(saved && !hit);
                break;
            }
        }
    }
}

#[test]
fn the_ledger_survives_every_prefix() {
    let memory = MemDisk::default();
    let store = LedgerStore::new(Arc::new(memory.clone()));
    let mut done = vec![0];
    for n in 1..=6 {
        store.save(&small(n)).expect("saves");
        done.push(memory.log_len());
    }
    let (log, mut random) = (memory.log(), Random(5));
    for end in 0..=log.len() {
        let acknowledged = done.iter().rposition(|d| *d <= end).expect("0 is") as u64;
        for eighths in 0..=8 {
            let cut = MemDisk::after_power_cut_by_chance(&log[..end], eighths, &mut random);
            let (read, refused) = LedgerStore::new(Arc::new(cut)).load();
            assert_eq!(refused, []);
            let found = read.map_or(0, |r| r.content.saved_unix_ms);
            assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} after {acknowledged}");
        }
    }
}

#[test]
fn content_that_cannot_be_is_refused() {
    let disk: Arc<dyn Disk> = Arc::new(MemDisk::default());
    let store = LedgerStore::new(disk.clone());
    let whole = ledger(4);
    type Wrong = fn(&mut LedgerFile);
    let wrong: [(&str, Wrong); 9] = [
        ("no album's id", |f| f.album.id = "../../etc/passwd".into()),
        ("cannot be seen", |f| f.album.name = "a\u{202e}b".into()),
        ("is open, and it is not the last", |f| f.album.tracks[0].state = TrackState::Running),
        ("do not fit", |f| f.open = None),
        ("do not fit", |f| f.whole = None),
        ("a rate of 0 Hz", |f| f.album.tracks[1].sample_rate = 0),
        ("65 channels", |f| f.album.layout = ["L"; 65].join("+")),
        ("the end of time", |f| f.open.as_mut().expect("open").position = u64::MAX >> 1),
        ("blocks of one level", |f| f.whole.as_mut().expect("some").loudness.blocks[0].count = 1 << 41),
    ];
    for (words, make) in wrong {
        let mut file = whole.clone();
        make(&mut file);
        let told = store.save(&file).expect_err(words).to_string();
        assert!(told.contains(words), "{words}: {told}");
        // As another program could write it.
        let text = String::from_utf8(encode("ledger", &file).expect("encodes")).expect("text");
        let (_, body) = text.split_once('\n').expect("a header");
        _ = disk.remove("ledger.toml");
        crate::store::disk::write_all(
            &mut *disk.create("ledger.toml").expect("creates"),
            &seal("ledger", body),
        )
        .expect("writes");
        let (read, refused) = store.load();
        assert!(read.is_none() && refused[0].1.to_string().contains(words), "{words}: {refused:?}");
    }
}
