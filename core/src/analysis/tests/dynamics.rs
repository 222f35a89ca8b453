// SPDX-License-Identifier: MIT OR Apache-2.0
//! Crest, PSR, PLR, DR on signals whose figures are known.

use std::f64::consts::PI;

use super::signals::gain;
use crate::analysis::clips::full_scale;
use crate::analysis::{Figures, IntegratorSettings, Programme};
use crate::units::Layout;

fn measure(rate: u32, frames: usize, x: impl Fn(usize) -> f64) -> Figures {
    let mut p = Programme::new(rate, &Layout::named("mono").unwrap(), IntegratorSettings::default());
    for from in (0..frames).step_by(1000) {
        p.push(&[(from..(from + 1000).min(frames)).map(&x).collect::<Vec<f64>>()]);
    }
    p.finish()
}

#[test]
fn a_steady_sine() {
    for rate in [44_100, 48_000, 192_000] {
        let w = 2.0 * PI * 997.0 / f64::from(rate);
        let f = measure(rate, rate as usize * 10, |n| gain(-20.0) * (w * n as f64).sin());
        println!("{rate} Hz: PLR {:?}, PSR {:?}, crest {:?}, DR {:?}", f.plr, f.psr_min, f.crest, f.dr);
        // One channel of 997 Hz reads 3.01 LU lower than its peak.
        assert!((f.plr.unwrap() - 3.01).abs() < 0.02 && (f.psr_min.unwrap() - 3.01).abs() < 0.02);
        assert!((f.crest.unwrap() - 3.0103).abs() < 0.002 && f.dr.unwrap().abs() < 0.01);
        assert!(f.channels[0].dc.abs() < 1e-5 && f.correlation.is_none());
    }
}

#[test]
fn dr_of_blocks_made_for_it() {
    for rate in [44_100, 48_000] {
        let block = if rate == 44_100 { 3 * 44_160 } else { 3 * 48_000 };
        // Twelve blocks and a third of one; a spike of one sample in each of the quiet ones.
        let level = |b: usize| [0.3, 0.02, 0.25, 0.02, 0.1, 0.02][b % 6];
        let x = |n: usize| {
            let (b, i) = (n / block, n % block);
            if i == 5000 { [0.9, 0.95][b % 2] } else { level(b) * (2.0 * PI * i as f64 / 48.0).sin() }
        };
        let frames = 12 * block + block / 3;
        let f = measure(rate, frames, x);
        // Thirteen blocks: two are the loudest fifth, both at 0.3; the second peak is 0.95 as the first is.
        let loud = |b: usize| {
            let (from, to) = (b * block, (b * block + block).min(frames));
            2.0 * (from..to).map(|n| x(n) * x(n)).sum::<f64>() / (to - from) as f64
        };
        let mut blocks: Vec<f64> = (0..13).map(loud).collect();
        blocks.sort_by(f64::total_cmp);
        let want = 20.0 * (0.95 / (0.5 * (blocks[12] + blocks[11])).sqrt()).log10();
        println!("{rate} Hz: DR {:.4}, by the rule {want:.4}", f.dr.unwrap());
        assert!((f.dr.unwrap() - want).abs() < 0.006, "{:?} {want}", f.dr);
        assert_eq!(measure(rate, 2 * block - 1, x).dr, None, "two blocks have none");
    }
}

#[test]
fn psr_is_the_least_that_was() {
    // Ten seconds of noise-like pulses with high peaks, then ten of a dense tone.
    let x = |n: usize| match n {
        n if n < 480_000 => {
            if n % 480 < 12 {
                0.9 * (PI * (n % 480) as f64 / 6.0).sin()
            } else {
                0.0
            }
        }
        n => 0.5 * (2.0 * PI * n as f64 / 48.0).sin(),
    };
    let f = measure(48_000, 960_000, x);
    let (plr, psr) = (f.plr.unwrap(), f.psr_min.unwrap());
    println!("PLR {plr:.2}, smallest PSR {psr:.2}");
    assert!((psr - 3.0).abs() < 0.05 && plr > psr + 3.0, "{plr} {psr}");
}

#[test]
fn clips_dc_and_word_length_of_a_file() {
    let steps = 32_768.0;
    let x = |n: usize| {
        ((1.2 * (2.0 * PI * n as f64 / 100.0).sin()).clamp(-1.0, 1.0 - 1.0 / steps) * steps).round() / steps
    };
    let settings = IntegratorSettings { full_scale: full_scale(16), ..IntegratorSettings::default() };
    let mut p = Programme::new(48_000, &Layout::named("stereo").unwrap(), settings);
    let left: Vec<f64> = (0..48_000).map(x).collect();
    p.push(&[left.clone(), left.iter().map(|v| 0.25 + 0.25 * v).collect()]);
    let f = p.finish();
    let (l, r) = (f.channels[0], f.channels[1]);
    println!("{:?} {:?} {:?} {:?}", l.clips, l.word, r.word, f.correlation);
    assert_eq!((l.clips.runs, l.clips.flat_tops, l.word.word), (960, 960, 16));
    assert!(l.clips.longest > 15 && r.clips.samples == 0 && r.word.word == 18, "{l:?} {r:?}");
    assert!((r.dc - 0.25).abs() < 1e-3 && f.correlation.unwrap() > 0.5, "{}", r.dc);
}
