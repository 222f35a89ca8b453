// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tracks and albums: started, paused, closed, kept and resumed.

use super::signals::{Kind, Programme as Source};
use crate::analysis::integrator::{BadSaved, Saved, State};
use crate::analysis::{Integrator, IntegratorSettings, Programme};
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

fn stereo() -> Layout {
    Layout::named("stereo").unwrap()
}

fn new() -> Integrator {
    Integrator::new(48_000, &stereo(), IntegratorSettings::default())
}

fn quanta(seed: u64, seconds: usize) -> Vec<[Frames; 2]> {
    let mut sources = [1, 2].map(|c| Source::new(48_000, Kind::Music, seed + c));
    (0..750 * seconds).map(|_| sources.each_mut().map(|s| std::array::from_fn(|_| s.next()))).collect()
}

#[test]
fn a_track_reads_what_a_measurement_of_its_print_reads() {
    let audio = quanta(10, 30);
    let (mut track, mut album) = (new(), new());
    quanta(50, 10).iter().for_each(|a| album.process(a));
    let mut file = Programme::new(48_000, &stereo(), IntegratorSettings::default());
    for a in &audio {
        track.process(a);
        album.process(a);
        file.push(a);
    }
    track.close();
    let (a, b) = (track.figures(), file.finish());
    println!("track {:?}", a.loudness);
    assert_eq!(a, b);
    assert!(album.figures().frames == a.frames + 480_000);
    track.process(&audio[0]);
    track.set_paused(false);
    assert_eq!((track.figures(), track.state()), (a, State::Closed), "closed for good");
}

#[test]
fn what_was_saved_goes_on_as_after_a_gap() {
    let audio = quanta(3, 40);
    let (first, second) = audio.split_at(750 * 17 + 3);
    let mut unbroken = new();
    first.iter().for_each(|a| unbroken.process(a));
    let saved = unbroken.save();
    let mut resumed = Integrator::resume(48_000, &stereo(), IntegratorSettings::default(), &saved).unwrap();
    unbroken.gap(0);
    let told = |i: &Integrator| {
        let mut f = i.figures();
        // Windows that were open are not kept; what was integrated is.
        (f.loudness.momentary, f.loudness.short_term) = (None, None);
        f
    };
    assert_eq!(told(&resumed), told(&unbroken));
    assert_eq!(resumed.save(), saved);
    for a in second {
        unbroken.process(a);
        resumed.process(a);
    }
    assert_eq!(resumed.figures(), unbroken.figures(), "to the last bit");
    assert_eq!(resumed.save(), unbroken.save());
    // And not far from what it would be without any break.
    let mut whole = new();
    audio.iter().for_each(|a| whole.process(a));
    let (i, j) =
        (resumed.figures().loudness.integrated.unwrap(), whole.figures().loudness.integrated.unwrap());
    println!("resumed {i:.4}, whole {j:.4} LUFS");
    assert!((i - j).abs() < 0.1);
}

#[test]
fn a_pause_and_a_gap_count_for_nothing() {
    let (loud, quiet) = ([[0.9; QUANTUM]; 2], [[0.05; QUANTUM]; 2]);
    let mut i = new();
    let play =
        |i: &mut Integrator, x: &[Frames; 2], seconds: usize| (0..750 * seconds).for_each(|_| i.process(x));
    // The beginning is amid sound, so that there is no step.
    i.gap(0);
    play(&mut i, &quiet, 5);
    i.set_paused(true);
    play(&mut i, &loud, 5);
    i.gap(48_000);
    i.set_paused(false);
    play(&mut i, &quiet, 5);
    i.gap(4800);
    play(&mut i, &quiet, 5);
    let f = i.figures();
    println!("{f:?}");
    assert_eq!((f.frames, f.missed, i.state()), (15 * 48_000, 4800, State::Running));
    assert!((f.channels[0].rms + 26.02).abs() < 0.01 && (f.sample_peak + 26.02).abs() < 0.01);
    assert!(f.true_peak < -25.9, "nothing of the seams: {}", f.true_peak);
}

#[test]
fn what_was_kept_badly_is_refused() {
    let mut i = new();
    quanta(1, 5).iter().for_each(|a| i.process(a));
    let good = i.save();
    let resume = |s: &Saved| Integrator::resume(48_000, &stereo(), IntegratorSettings::default(), s).err();
    assert_eq!(resume(&good), None);
    let wrong = |f: fn(&mut Saved)| {
        let mut s = good.clone();
        f(&mut s);
        let e = resume(&s);
        println!("{}", e.as_ref().map(ToString::to_string).unwrap_or_default());
        e
    };
    assert_eq!(wrong(|s| s.rate = 44_100), Some(BadSaved::Rate(44_100, 48_000)));
    assert_eq!(wrong(|s| drop(s.channels.pop())), Some(BadSaved::Channels(1, 2)));
    assert!(wrong(|s| s.products = f64::NAN).is_some());
    assert!(wrong(|s| s.channels[1].sums.squares = f64::INFINITY).is_some());
    assert!(wrong(|s| s.loudness.blocks[0].index = 11_000).is_some());
    assert!(wrong(|s| s.loudness.blocks[0].energy = 1e9).is_some());
    assert!(wrong(|s| s.loudness.range[0].count = 0).is_some());
    assert!(wrong(|s| s.loudness.blocks.reverse()).is_some());
    assert!(wrong(|s| s.channels[0].dr.blocks[0].energy = f64::NAN).is_some());
}
