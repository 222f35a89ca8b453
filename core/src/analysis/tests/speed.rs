// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cost per stereo frame; run with `--ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::signals::Noise;
use crate::analysis::levels::LevelMeter;
use crate::analysis::true_peak::PeakMeter;
use crate::analysis::{LoudnessMeter, Reader, TapMeter};
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

fn per_frame(name: &str, mut f: impl FnMut(usize, &[Frames])) {
    let mut noise = Noise(3);
    let audio: Vec<[Frames; 2]> =
        (0..256).map(|_| [(); 2].map(|_| std::array::from_fn(|_| 0.2 * noise.next()))).collect();
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        (0..2000).for_each(|q| f(q, black_box(&audio[q % 256][..])));
        best = best.min(start.elapsed().as_nanos() as f64 / (2000.0 * QUANTUM as f64));
    }
    println!("{name}: {best:.1} ns per stereo frame");
}

#[test]
#[ignore = "a measurement"]
fn cost() {
    let layout = Layout::named("stereo").unwrap();
    let (mut loudness, mut levels) = (LoudnessMeter::new(48_000, &layout), LevelMeter::new(48_000, &layout));
    let (mut peaks, mut all, mut moment) = (PeakMeter::new(2), TapMeter::new(48_000, &layout), 0);
    per_frame("loudness", |_, a| loudness.process(a));
    per_frame("levels", |_, a| levels.process(a));
    per_frame("peaks", |_, a| {
        moment += 1;
        peaks.process(a, moment, true);
    });
    per_frame("all", |_, a| all.process(a));
    let mut reader = Reader::new(&all);
    let start = Instant::now();
    (0..1000).for_each(|_| drop(black_box(all.read(&mut reader))));
    println!("a reading: {:.1} µs", start.elapsed().as_nanos() as f64 / 1e6);
    println!("two histograms: 256 kB; windows: {} values", 2 * (160 + 1200));
}
