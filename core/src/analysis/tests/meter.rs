// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bundle: readers, gaps, pauses, levels, and weeks.

use std::f64::consts::PI;

use super::signals::{Noise, gain, play_tones};
use crate::analysis::loudness::energy_of;
use crate::analysis::{LoudnessMeter, Reader, TapMeter};
use crate::dsp::{Frames, QUANTUM, SILENCE};
use crate::units::Layout;

fn stereo() -> Layout {
    Layout::named("stereo").unwrap()
}

fn tone(q: usize, turns_per_frame: f64, amplitude: f64) -> Frames {
    std::array::from_fn(|i| amplitude * (2.0 * PI * turns_per_frame * (q * QUANTUM + i) as f64).sin())
}

#[test]
fn one_sample_reaches_every_reader_once() {
    let mut m = TapMeter::new(48_000, &stereo());
    let every = [1usize, 7, 100, 750, 3000];
    let mut readers: Vec<(usize, Reader, u32, u32)> =
        every.iter().map(|e| (*e, Reader::new(&m), 0, 0)).collect();
    let (mut noise, impulses) = (Noise(1), [100usize, 2001, 2002, 4500]);
    for q in 0..9000 {
        let mut x: Frames = std::array::from_fn(|_| 0.05 * noise.next());
        if impulses.contains(&q) {
            x[q % 64] = -0.5;
        }
        m.process(&[x, SILENCE]);
        for (every, reader, seen, seen_true) in &mut readers {
            if q % *every == *every - 1 {
                let r = m.read(reader);
                *seen += u32::from(r.channels[0].peak > -6.1);
                *seen_true += u32::from(r.true_peak > -6.1);
                assert_eq!(r.channels[1].peak, f64::NEG_INFINITY);
            }
        }
    }
    for (every, _, seen, seen_true) in readers {
        // Impulses between the same two reads are one maximum.
        let mut w: Vec<usize> = impulses.iter().map(|q| q / every).collect();
        w.dedup();
        println!(
            "a reader every {every} quanta: {seen} readings with an impulse, {seen_true} with its true peak"
        );
        assert_eq!(seen as usize, w.len(), "every {every}");
        assert!(seen_true as usize >= w.len(), "every {every}");
    }
}

#[test]
fn a_slow_reader_sees_the_loudness_of_a_burst() {
    let mut m = TapMeter::new(48_000, &stereo());
    let mut reader = Reader::new(&m);
    for q in 0..7500 {
        let x = if (3000..3300).contains(&q) { tone(q, 1.0 / 48.0, gain(-20.0)) } else { SILENCE };
        m.process(&[x, x]);
    }
    let r = m.read(&mut reader);
    assert!((r.momentary_max.unwrap() + 20.0).abs() < 0.03, "{r:?}");
    assert_eq!(r.momentary, Some(f64::NEG_INFINITY));
}

#[test]
fn gaps_are_flagged_and_never_spanned() {
    let mut m = TapMeter::new(48_000, &stereo());
    let (mut a, mut b) = (Reader::new(&m), Reader::new(&m));
    let play = |m: &mut TapMeter, quanta: usize| {
        (0..quanta).for_each(|q| {
            let x = tone(q, 1.0 / 48.0, 0.1);
            m.process(&[x, x]);
        });
    };
    play(&mut m, 2400);
    assert_eq!(m.read(&mut a).frames_missed, 0);
    m.gap(1920);
    let r = m.read(&mut a);
    assert_eq!((r.frames_missed, r.momentary, r.short_term), (1920, None, None));
    play(&mut m, 300);
    let r = m.read(&mut a);
    assert!(r.momentary.is_some() && r.short_term.is_none());
    // Nothing of the seam in any reading.
    assert!((r.momentary_max.unwrap() - (-20.0 + 0.007)).abs() < 0.02, "{r:?}");
    assert!((r.integrated.unwrap() - (-20.0 + 0.007)).abs() < 0.02, "{r:?}");
    assert!(r.true_peak < -19.98 && r.channels[0].rms > -23.02, "{r:?}");
    assert_eq!((r.frames_missed, m.read(&mut b).frames_missed), (0, 1920));
    m.reset();
    let r = m.read(&mut b);
    assert_eq!((r.frames_missed_total, r.integrated, r.true_peak_max), (0, None, f64::NEG_INFINITY));
    assert!(r.momentary.is_some() && r.momentary_max.is_none(), "the sound goes on: {r:?}");
    // Of what was before the reset only the filters' own ringing is left.
    (0..400).for_each(|_| m.process(&[SILENCE, SILENCE]));
    let r = m.read(&mut b);
    assert!(r.true_peak_max < -75.0 && r.momentary_max.unwrap() < -60.0, "{r:?}");
    assert!(r.momentary.unwrap() < -200.0, "{r:?}");
}

#[test]
fn a_pause_is_not_measured() {
    let mut m = LoudnessMeter::new(48_000, &stereo());
    play_tones(48_000, &[(10.0, -23.0)], &[0.0, 0.0], &mut m, |_, _| ());
    m.set_paused(true);
    play_tones(48_000, &[(10.0, -3.0)], &[0.0, 0.0], &mut m, |_, _| ());
    let r = m.read();
    assert!((r.short_term.unwrap() + 3.0).abs() < 0.05 && (r.short_term_max.unwrap() + 23.0).abs() < 0.05);
    m.set_paused(false);
    play_tones(48_000, &[(10.0, -23.0)], &[0.0, 0.0], &mut m, |_, _| ());
    let r = m.read();
    println!("around a pause: I {:.4}, max M {:.4}", r.integrated.unwrap(), r.momentary_max.unwrap());
    assert!((r.integrated.unwrap() + 22.993).abs() < 0.02 && r.loudness_range.unwrap() < 0.1, "{r:?}");
    // The high-pass still remembers what was 20 dB louder: 0.024 LU.
    assert!((r.momentary_max.unwrap() + 22.993).abs() < 0.05, "{r:?}");
}

#[test]
fn levels_of_known_signals() {
    let mut m = TapMeter::new(44_100, &stereo());
    let mut reader = Reader::new(&m);
    // Right: a quarter period later, half as large, and 0.1 off.
    for q in 0..1000 {
        let right: Frames =
            std::array::from_fn(|i| 0.1 + 0.5 * (2.0 * PI * 0.02 * ((q * QUANTUM + i) as f64 + 12.5)).sin());
        m.process(&[tone(q, 0.02, 1.0), right]);
    }
    let r = m.read(&mut reader);
    let (l, right) = (r.channels[0], r.channels[1]);
    println!("{r:#?}");
    assert!((l.rms + 3.0103).abs() < 0.01 && l.dc.abs() < 1e-3 && (right.dc - 0.1).abs() < 1e-3);
    assert!(r.correlation.unwrap().abs() < 0.01 && (r.balance.unwrap() + 0.316).abs() < 0.01);
    m.process(&[[f64::NAN; QUANTUM], SILENCE]);
    (0..207).for_each(|_| m.process(&[SILENCE, SILENCE]));
    let r = m.read(&mut reader);
    assert_eq!((r.non_finite, r.correlation, r.channels[0].rms), (64, None, f64::NEG_INFINITY));
    assert!(r.momentary.unwrap().is_finite());
}

#[test]
fn opposite_and_same() {
    for (sign, want) in [(1.0, 1.0), (-1.0, -1.0)] {
        let mut m = TapMeter::new(48_000, &stereo());
        let mut reader = Reader::new(&m);
        for q in 0..500 {
            m.process(&[tone(q, 0.03, 0.3), tone(q, 0.03, sign * 0.7)]);
        }
        let c = m.read(&mut reader).correlation.unwrap();
        assert!((c - want).abs() < 1e-12, "{c}");
    }
}

#[test]
fn the_last_frames_have_true_peaks() {
    let mut m = TapMeter::new(48_000, &stereo());
    let mut reader = Reader::new(&m);
    for q in 0..10 {
        let x = if q == 9 {
            std::array::from_fn(|i| (i as f64 / 63.0) * (PI * i as f64 / 2.0 + PI / 4.0).sin())
        } else {
            SILENCE
        };
        m.process(&[x, x]);
    }
    let before = m.read(&mut reader).true_peak;
    m.finish();
    let after = m.read(&mut reader).true_peak;
    println!("at the end of the file {before:.2}, finished {after:.2} dBTP");
    assert!(before < -2.9 && after > before + 1.0, "the sample peak first, what lies between at the end");
}

#[test]
fn days_of_steps_leave_the_readings_alone() {
    let mut m = LoudnessMeter::new(48_000, &stereo());
    // 72 minutes of a power that reads −23 LUFS, in steps of 2.5 ms; as much silence; 30 times: 3 days.
    let step = 120.0 * energy_of(-23.0);
    for round in 0..30 {
        (0..86_400 * 20).for_each(|_| m.complete(step));
        let r = m.read();
        assert!((r.momentary.unwrap() + 23.0).abs() < 1e-9 && (r.short_term.unwrap() + 23.0).abs() < 1e-9);
        assert!((r.integrated.unwrap() + 23.0).abs() < 0.001, "round {round}: {r:?}");
        (0..86_400 * 20).for_each(|_| m.complete(0.0));
        let r = m.read();
        assert_eq!(
            (r.momentary, r.short_term),
            (Some(f64::NEG_INFINITY), Some(f64::NEG_INFINITY)),
            "round {round}"
        );
    }
    let r = m.read();
    println!(
        "after 100 million steps: I {:.9} LUFS, range {:.3} LU",
        r.integrated.unwrap(),
        r.loudness_range.unwrap()
    );
    assert!((r.integrated.unwrap() + 23.0).abs() < 0.001 && r.loudness_range.unwrap() < 0.2, "{r:?}");
}
