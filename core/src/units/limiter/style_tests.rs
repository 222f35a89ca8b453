// SPDX-License-Identifier: MIT OR Apache-2.0
//! What tells the styles from each other, in figures, and what all of them keep.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use super::signals::{amp, mix};
use crate::units::rig::{Noise, Rig, db, distortion, sine};

const STYLES: [&str; 5] = ["transparent", "punch", "dense", "wall", "bus"];

fn rig(rate: u32, layout: &str, style: usize, more: &[(&str, f64)]) -> Rig {
    let settings = [&[("style", style as f64), ("ceiling", 0.0)], more].concat();
    Rig::new("limiter", rate, layout, &settings)
}

/// The gain in dB that met each sample of `x`.
fn gains(mut rig: Rig, x: &[f64]) -> Vec<f64> {
    let (y, d) = (rig.run(&[x.to_vec()]).remove(0), rig.unit.latency());
    x.iter().zip(&y[d..]).map(|(x, y)| db(y / x)).collect()
}

/// Levels with edges that do not overshoot between samples: (frames, level) one after the other.
fn levels(parts: &[(usize, f64)]) -> Vec<f64> {
    let mut x: Vec<f64> = Vec::new();
    for (n, level) in parts {
        let from = x.last().copied().unwrap_or(*level);
        x.extend((0..*n).map(|i| {
            let u = (i as f64 / 24.0).min(1.0);
            from + (level - from) * (0.5 - 0.5 * (std::f64::consts::PI * u).cos())
        }));
    }
    x.truncate(x.len() / 64 * 64);
    x
}

/// Figures of a style at 48 kHz.
#[derive(Debug)]
struct Figures {
    /// Integrated loudness of a dense mix driven by 12 dB, LUFS.
    loudness: f64,
    /// Standard deviation of the reduction in it, dB.
    motion: f64,
    /// ms from a peak of 1 ms, 6 dB over, until less than 0.5 dB is left.
    spike: f64,
    /// ms from two seconds of 6 dB over until 63 % is given back.
    lasting: f64,
    /// ms from 10 to 90 % of a fall of 6 dB.
    fall: f64,
    /// Largest step of the gain in 12 dB of reduction, dB a sample at 44.1 kHz.
    step: f64,
    /// THD of 50 Hz, 6 dB over, dB.
    thd: f64,
}

fn figures(style: usize) -> Figures {
    let (fs, ms) = (48e3, |frames: usize| frames as f64 / 48.0);
    let mut mixed = rig(48_000, "stereo", style, &[("gain", 12.0), ("ceiling", -1.0)]);
    let y = mixed.run(&mix(fs, 64 * 6000, &mut Noise(5)));
    let mut meter = ebur128::EbuR128::new(2, 48_000, ebur128::Mode::I).unwrap();
    let late: Vec<&[f64]> = y.iter().map(|c| &c[96_000..]).collect();
    meter.add_frames_planar_f64(&late).unwrap();
    let r = &mixed.reductions[1500..];
    let mean = r.iter().sum::<f64>() / r.len() as f64;
    let motion = (r.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / r.len() as f64).sqrt();

    let spike = levels(&[(6400, 0.05), (48, 2.0), (64 * 200, 0.05)]);
    let g = gains(rig(48_000, "mono", style, &[]), &spike[..64 * 280]);
    let after = g.iter().rposition(|g| *g < -0.5).unwrap() - 6448;
    let lasting = levels(&[(96_000, 2.0), (192_000, 0.05)]);
    let g = gains(rig(48_000, "mono", style, &[]), &lasting[..64 * 4300]);
    let back = g[96_024..].iter().position(|g| *g > -6.02 * (-1f64).exp()).unwrap();
    let fall = gains(rig(48_000, "mono", style, &[]), &levels(&[(6400, 0.05), (6400, 2.0)])[..64 * 180]);
    let at = |db: f64| fall.iter().position(|g| *g < db).unwrap();

    // The steepest there is: 12 dB at once, samples alone.
    let drop: Vec<f64> = (0..64 * 300).map(|i| if i < 6400 { 0.9 } else { amp(12.0) }).collect();
    let g = gains(rig(44_100, "mono", style, &[("detector", 1.0)]), &drop[..64 * 250]);
    let step = g[..9600].windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f64::max);
    let y = rig(48_000, "mono", style, &[]).run(&[sine(50.0, fs, 2.0, 64 * 6000)]);
    Figures {
        loudness: meter.loudness_global().unwrap(),
        motion,
        spike: ms(after),
        lasting: ms(back),
        fall: ms(at(-5.4) - at(-0.6)),
        step,
        thd: distortion(&y[0][288_000..], 50.0, fs),
    }
}

#[test]
fn each_style_has_its_figures() {
    let all: Vec<Figures> = (0..5).map(figures).collect();
    println!(
        "| style | loudness of a mix +12 dB | reduction moves by | a spike is over in | 6 dB that lasted: 63 % after | fall of 6 dB, 10 to 90 % | step | THD 50 Hz |"
    );
    for (name, f) in STYLES.iter().zip(&all) {
        println!(
            "| `{name}` | {:.2} LUFS | {:.2} dB | {:.1} ms | {:.0} ms | {:.2} ms | {:.3} dB | {:.1} dB |",
            f.loudness, f.motion, f.spike, f.lasting, f.fall, f.step, f.thd
        );
    }
    let [transparent, punch, dense, wall, bus] = &all[..] else { panic!() };
    for (name, f) in STYLES.iter().zip(&all) {
        assert!(f.thd <= -120.0, "{name}: THD {:.1} dB", f.thd);
    }
    assert!(transparent.spike < 80.0, "{}", transparent.spike);
    assert!(transparent.step <= 0.2 && bus.step <= 0.2, "{} {}", transparent.step, bus.step);
    // The wall is the loudest, dense next to it, transparent within an LU of dense, the bus below all.
    assert!(wall.loudness > dense.loudness + 0.1 && dense.loudness > punch.loudness + 0.1);
    assert!(punch.loudness > transparent.loudness && transparent.loudness > bus.loudness + 0.3);
    assert!(transparent.loudness > dense.loudness - 1.0);
    // The bus moves least; punch falls in half the time of transparent and the wall in a quarter.
    assert!(all[..4].iter().all(|f| f.motion > 1.2 * bus.motion));
    assert!(
        (punch.fall / transparent.fall - 0.5).abs() < 0.1
            && (wall.fall / transparent.fall - 0.25).abs() < 0.1
    );
    // What lasts comes back slowly where a leveller holds it.
    assert!(bus.lasting > 2.0 * transparent.lasting && transparent.lasting > 4.0 * dense.lasting);
    assert!(dense.lasting > wall.lasting && dense.spike < transparent.spike);
}

#[test]
fn a_low_tone_is_clean_whatever_the_style() {
    for (hz, most) in [(50.0, -120.0), (60.0, -120.0), (100.0, -120.0), (200.0, -100.0)] {
        for (style, name) in STYLES.iter().enumerate() {
            let y = rig(48_000, "mono", style, &[]).run(&[sine(hz, 48e3, 2.0, 64 * 6000)]);
            let thd = distortion(&y[0][288_000..], hz, 48e3);
            println!("{name}, {hz} Hz, 6 dB over: {thd:.1} dB");
            assert!(thd < most, "{name}, {hz} Hz: {thd:.1} dB");
        }
    }
}

#[test]
fn latency_is_constant_in_each_style_and_rate() {
    for rate in [44_100u32, 48_000, 88_200, 96_000, 176_400, 192_000] {
        for (style, name) in STYLES.iter().enumerate() {
            let latency = |more: &[(&str, f64)]| rig(rate, "stereo", style, more).unit.latency();
            let usual = latency(&[]);
            for more in
                [("link", 0.0), ("hold", 20.0), ("release", 2000.0), ("gain", 24.0), ("detector", 1.0)]
            {
                assert_eq!(latency(&[more]), usual, "{name}, {more:?}");
            }
            let clip = latency(&[("clip", 1.0)]);
            println!("{rate} Hz, {name}: {usual} frames, {clip} with the soft clip");
            let mut x = vec![0.0; 64 * 60];
            x[0] = 0.5;
            let y = rig(rate, "mono", style, &[]).run(&[x]).remove(0);
            assert!(y[usual] == 0.5 && y.iter().filter(|v| **v != 0.0).count() == 1);
        }
    }
}

#[test]
fn the_hold_follows_the_lowest_tone() {
    // A tone of 6 dB over, then silence and a short peak: how long the gain stays where the peak put it.
    let held = |hz: f64| {
        let tone = sine(hz, 48e3, 2.0, 48_000);
        let x = [tone, vec![0.01; 9_600]].concat();
        let g = gains(rig(48_000, "mono", 2, &[]), &x);
        let last = 48_000 - (48_000.0 / hz * 0.25) as usize;
        g[last..].iter().position(|g| *g > -5.5).unwrap() as f64 / 48.0
    };
    let (low, high) = (held(50.0), held(2_000.0));
    println!("held {low:.1} ms after 50 Hz, {high:.1} ms after 2 kHz");
    assert!(low > 8.0 && high < 5.0);
}

#[test]
fn the_soft_clip_takes_its_depth_and_no_more() {
    for depth in [1.0, 2.0, 4.0] {
        for (level, low, high) in [(-3.0, 0.0, 0.0), (12.0, depth, depth)] {
            // A level that stands still: what the clip leaves of it, the limiter lowers to the ceiling.
            let x = sine(50.0, 48e3, amp(level), 64 * 1500);
            let s = [("clip", 1.0), ("clip_depth", depth), ("style", 2.0)];
            let mut rig = rig(48_000, "mono", 2, &s[..2]);
            rig.run(&[x]);
            let limited = rig.reductions[1400];
            let taken = level.max(0.0) - limited;
            println!("{level} dBFS, depth {depth} dB: {taken:.3} dB taken by the clip");
            assert!(taken > low - 0.01 && taken < high + 0.01, "{taken}");
        }
    }
}
