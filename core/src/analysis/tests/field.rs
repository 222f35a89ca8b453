// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stereo: correlation by band, balance, mono, and the points of the scope.

use super::signals::Noise;
use super::spectrum::sine;
use crate::analysis::scope::{Axes, Scope, ScopeReader, ScopeSettings};
use crate::analysis::stereo_field::{StereoField, StereoSettings};
use crate::dsp::{Frames, QUANTUM, SILENCE};

fn sum(parts: &[Frames]) -> Frames {
    std::array::from_fn(|i| parts.iter().map(|p| p[i]).sum())
}

#[test]
fn correlation_is_exact_band_by_band() {
    for rate in [44_100u32, 48_000, 192_000] {
        let fs = f64::from(rate);
        let mut f = StereoField::new(rate, 2, &StereoSettings::new(0, 1)).unwrap();
        // One tone in each octave, turned in the right channel by so many degrees; whole periods in a window.
        let turned = [(62.5, 0.0), (250.0, 180.0), (1000.0, 90.0), (4000.0, 60.0), (8000.0, 120.0f64)];
        for q in 0..(2.0 * fs) as usize / QUANTUM {
            let of = |right: bool| -> Vec<Frames> {
                let phase = |degrees: f64| if right { degrees.to_radians() } else { 0.0 };
                turned.iter().map(|(hz, d)| sine(q, *hz, fs, 0.1, phase(*d))).collect()
            };
            f.process(&[sum(&of(false)), sum(&of(true))]);
        }
        let r = f.read();
        for (hz, degrees) in turned {
            let i = r.bands.iter().position(|b| b.low < hz && hz < b.high).unwrap();
            let (got, want) = (f64::from(r.band_correlation[i]), degrees.to_radians().cos());
            println!("{rate}: {hz} Hz by {degrees}°: {got:.4} for {want:.4}");
            // What leaks from the next octave, 21 dB down, moves 4 and 8 kHz by 0.008.
            assert!((got - want).abs() < 0.01, "{rate}: {hz} Hz: {got} for {want}");
            let mono = 10.0 * (0.5 * (1.0 + want)).log10();
            assert!((f64::from(r.band_mono[i]) - mono).abs() < 0.1 || mono < -40.0 && r.band_mono[i] < -35.0);
        }
        let want = turned.iter().map(|(_, d)| d.to_radians().cos()).sum::<f64>() / 5.0;
        assert!((r.correlation.unwrap() - want).abs() < 0.005, "{r:?}");
    }
}

#[test]
fn equal_opposite_and_unrelated_channels() {
    let (mut a, mut b) = (Noise(1), Noise(99));
    let mut settings = StereoSettings::new(0, 1);
    (settings.window_ms, settings.fraction) = (3000.0, 3);
    let mut read = |right: &dyn Fn(&Frames, &Frames) -> Frames| {
        let mut f = StereoField::new(48_000, 2, &settings).unwrap();
        for _ in 0..2300 {
            let (x, y): (Frames, Frames) =
                (std::array::from_fn(|_| a.next()), std::array::from_fn(|_| b.next()));
            f.process(&[x, right(&x, &y)]);
        }
        f.read()
    };
    let same = read(&|x, _| *x);
    assert!((same.correlation.unwrap() - 1.0).abs() < 1e-12 && same.balance == Some(0.0));
    assert!(same.mono.unwrap().abs() < 1e-9);
    assert!(same.band_correlation.iter().all(|c| *c == 1.0) && same.band_balance.iter().all(|c| *c == 0.0));
    let opposite = read(&|x, _| x.map(|v| -v));
    assert!((opposite.correlation.unwrap() + 1.0).abs() < 1e-12 && opposite.mono == Some(f64::NEG_INFINITY));
    assert!(opposite.band_correlation.iter().all(|c| *c == -1.0));
    assert!(opposite.band_mono.iter().all(|m| *m == f32::NEG_INFINITY));
    let half = read(&|x, _| x.map(|v| 0.5 * v));
    println!(
        "half as loud on the right: balance {:.4}, mono {:.3} dB",
        half.balance.unwrap(),
        half.mono.unwrap()
    );
    assert!(
        (half.balance.unwrap() + 1.0 / 3.0).abs() < 1e-12 && (half.correlation.unwrap() - 1.0).abs() < 1e-12
    );
    assert!((half.mono.unwrap() - 10.0 * (2.0 * 0.5625 / 1.25f64).log10()).abs() < 1e-9);
    let unrelated = read(&|_, y| *y);
    println!("unrelated: {:.4}, mono {:.3} dB", unrelated.correlation.unwrap(), unrelated.mono.unwrap());
    // 144 000 samples: a standard deviation of 0.0026.
    assert!(unrelated.correlation.unwrap().abs() < 0.01 && (unrelated.mono.unwrap() + 3.01).abs() < 0.05);
    let alone = read(&|_, _| SILENCE);
    assert_eq!((alone.correlation, alone.balance), (None, Some(-1.0)));
    assert!(alone.band_correlation.iter().all(|c| c.is_nan()) && (alone.mono.unwrap() + 3.0103).abs() < 1e-4);
}

#[test]
fn windows_are_as_long_as_asked_and_gaps_empty_them() {
    let mut f =
        StereoField::new(48_000, 2, &StereoSettings { window_ms: 600.0, ..StereoSettings::new(0, 1) })
            .unwrap();
    let mut noise = Noise(5);
    let mut next = move || -> Frames { std::array::from_fn(|_| noise.next()) };
    (0..1000).for_each(|_| {
        let x = next();
        f.process(&[x, x]);
    });
    // 600 ms later, nothing of what was before is left.
    let mut gone = None;
    for q in 0..600 {
        let x = next();
        f.process(&[x, x.map(|v| -v)]);
        if f.read().correlation.unwrap() < -1.0 + 1e-9 {
            gone = gone.or(Some((q + 1) as f64 * 64.0 / 48.0));
        }
    }
    println!("gone after {:.1} ms", gone.unwrap());
    assert!((gone.unwrap() - 600.0).abs() < 1.4);
    f.gap(64);
    let r = f.read();
    assert_eq!((r.correlation, r.balance, r.mono, r.frames_missed), (None, None, None, 64));
    assert!(r.band_correlation.iter().all(|c| c.is_nan()));
    for q in 0..1000 {
        let x = next();
        f.process(&[x, x]);
        let r = f.read();
        assert!(r.correlation.unwrap() > 1.0 - 1e-9);
        assert!(r.band_correlation.iter().all(|c| c.is_nan() || *c == 1.0), "quantum {q}: {r:?}");
    }
    assert!(f.read().band_correlation.iter().all(|c| *c == 1.0));
    assert!(StereoField::new(48_000, 1, &StereoSettings::new(0, 1)).is_err());
}

#[test]
fn one_sample_reaches_every_reader_of_the_scope() {
    for rate in [44_100u32, 192_000] {
        for (axes, want) in [(Axes::LeftRight, [-0.9f32, 0.4]), (Axes::MidSide, [-0.25, -0.65])] {
            let mut s = Scope::new(rate, 2, &ScopeSettings { axes, ..ScopeSettings::new(0, 1) }).unwrap();
            let mut readers: Vec<(usize, ScopeReader, u32, usize)> = [60.0, 5.0, 1.0]
                .map(|hz| ((f64::from(rate) / 64.0 / hz) as usize, ScopeReader::new(&s), 0, 0))
                .to_vec();
            let mut noise = Noise(8);
            for q in 0..4 * rate as usize / 64 {
                let mut x: [Frames; 2] = [(); 2].map(|_| std::array::from_fn(|_| 0.1 * noise.next()));
                if q == rate as usize / 64 {
                    (x[0][17], x[1][17]) = (-0.9, 0.4);
                }
                s.process(&x);
                for (every, reader, seen, most) in &mut readers {
                    if q % *every == *every - 1 {
                        let r = s.read(reader);
                        let is =
                            |p: &&[f32; 2]| (p[0] - want[0]).abs() < 1e-6 && (p[1] - want[1]).abs() < 1e-6;
                        *seen += r.points.iter().filter(is).count() as u32;
                        *most = r.points.len().max(*most);
                        assert!(r.frames_missed == 0 && r.breaks.is_empty());
                    }
                }
            }
            for (every, _, seen, most) in readers {
                println!(
                    "{rate}, {axes:?}: a reader every {every} quanta saw it {seen} times, in at most {most} points"
                );
                assert!(seen == 1 && (256..=512).contains(&most), "{rate}, every {every}: {seen}, {most}");
            }
        }
    }
}

#[test]
fn gaps_and_slow_readers_of_the_scope_are_told() {
    let mut s = Scope::new(48_000, 2, &ScopeSettings { points: 64, ..ScopeSettings::new(0, 1) }).unwrap();
    let mut reader = ScopeReader::new(&s);
    let mut noise = Noise(8);
    let mut play = |s: &mut Scope, quanta: usize| {
        (0..quanta).for_each(|_| s.process(&[(); 2].map(|_| std::array::from_fn(|_| noise.next()))));
    };
    play(&mut s, 10);
    s.gap(500);
    play(&mut s, 10);
    let r = s.read(&mut reader);
    assert!(
        r.frames_missed == 500 && r.breaks.len() == 1 && r.points.len() <= 64 && r.points.len() > 32,
        "{r:?}"
    );
    assert!((r.breaks[0] as usize).abs_diff(r.points.len() / 2) <= 2);
    // After ten seconds only the last 2.5 are there.
    play(&mut s, 7500);
    let r = s.read(&mut reader);
    println!("after 10 s: {} points, {} frames missed", r.points.len(), r.frames_missed);
    assert!(r.points.len() <= 64 && (r.frames_missed as f64 - 360_000.0).abs() < 100.0);
    assert_eq!(s.read(&mut reader), Default::default());
    // More gaps than points.
    for _ in 0..200 {
        s.gap(1);
        play(&mut s, 1);
    }
    let r = s.read(&mut reader);
    assert!(r.points.len() <= 64 && r.frames_missed > 200);
    s.reset();
    assert!(s.read(&mut reader).points.is_empty());
    assert_eq!(
        Scope::new(48_000, 2, &ScopeSettings { points: 513, ..ScopeSettings::new(0, 1) })
            .unwrap_err()
            .to_string(),
        "points is 513; allowed is 16 to 512"
    );
}
