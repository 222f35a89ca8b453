// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness by the letter of BS.1770-5, Annex 1, at 48 kHz: the printed biquads, every block, both gates, no
//! histogram and no sliding sum. What the meter reads is held to it.

use super::signals::*;
use crate::analysis::LoudnessMeter;
use crate::analysis::loudness::lufs;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

const SHELF: ([f64; 3], [f64; 2]) = (
    [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
    [-1.690_659_293_182_41, 0.732_480_774_215_85],
);
const HIGHPASS: ([f64; 3], [f64; 2]) = ([1.0, -2.0, 1.0], [-1.990_047_454_833_98, 0.990_072_250_366_21]);
/// 100 ms.
const STEP: usize = 4800;

fn biquad((b, a): ([f64; 3], [f64; 2]), x: &[f64]) -> Vec<f64> {
    let (mut s1, mut s2) = (0.0, 0.0);
    let each = |x: &f64| {
        let y = b[0] * x + s1;
        s1 = b[1] * x - a[0] * y + s2;
        s2 = b[2] * x - a[1] * y;
        y
    };
    x.iter().map(each).collect()
}

/// What the Recommendation makes of whole channels.
pub struct Definition {
    pub integrated: f64,
    pub momentary_max: f64,
    pub short_term_max: f64,
    pub range: f64,
}

pub fn define(channels: &[(f64, Vec<f64>)]) -> Definition {
    let frames = channels[0].1.len();
    let mut power = vec![0.0; frames];
    for (weight, x) in channels {
        let y = biquad(HIGHPASS, &biquad(SHELF, x));
        power.iter_mut().zip(y).for_each(|(p, y)| *p += weight * y * y);
    }
    let windows = |steps: usize| -> Vec<f64> {
        let of = |from: usize| power[from..from + steps * STEP].iter().sum::<f64>() / (steps * STEP) as f64;
        (0..).map(|j| j * STEP).take_while(|from| from + steps * STEP <= frames).map(of).collect()
    };
    let mean = |p: &[f64]| p.iter().sum::<f64>() / p.len() as f64;
    let gated = |p: &[f64], relative: f64| -> Vec<f64> {
        let loud: Vec<f64> = p.iter().copied().filter(|p| lufs(*p) > -70.0).collect();
        let gate = lufs(mean(&loud)) - relative;
        loud.into_iter().filter(|p| lufs(*p) > gate).collect()
    };
    let (momentary, short) = (windows(4), windows(30));
    let mut range = gated(&short, 20.0);
    range.sort_by(f64::total_cmp);
    let at = |rank: f64| lufs(range[((range.len() - 1) as f64 * rank).round() as usize]);
    let max = |p: &[f64]| lufs(p.iter().copied().fold(0.0, f64::max));
    Definition {
        integrated: lufs(mean(&gated(&momentary, 10.0))),
        momentary_max: max(&momentary),
        short_term_max: max(&short),
        range: at(0.95) - at(0.1),
    }
}

fn compare(name: &str, layout: &str, planes: Vec<Vec<f64>>) {
    let layout = Layout::named(layout).unwrap();
    let mut m = LoudnessMeter::new(48_000, &layout);
    for q in 0..planes[0].len() / QUANTUM {
        let audio: Vec<Frames> =
            planes.iter().map(|x| x[q * QUANTUM..][..QUANTUM].try_into().unwrap()).collect();
        m.process(&audio);
    }
    let d = define(&layout.loudness_weights().into_iter().zip(planes).collect::<Vec<_>>());
    let r = m.read();
    let (i, lra) = (r.integrated.unwrap(), r.loudness_range.unwrap());
    println!(
        "{name}: I {i:.5} by the letter {:.5}, range {lra:.4} and {:.4}, max M {:.4} and {:.4}",
        d.integrated,
        d.range,
        r.momentary_max.unwrap(),
        d.momentary_max
    );
    assert!((i - d.integrated).abs() < 0.002 && (lra - d.range).abs() < 0.02);
    // The meter looks 40 times as often, so it may see more and never less.
    for (ours, theirs) in [(r.momentary_max, d.momentary_max), (r.short_term_max, d.short_term_max)] {
        assert!((-1e-6..0.8).contains(&(ours.unwrap() - theirs)), "{ours:?} {theirs}");
    }
}

#[test]
fn the_meter_reads_what_the_recommendation_says() {
    let frames = 48_000 * 60 / QUANTUM * QUANTUM;
    for (name, layout, kind) in [
        ("speech in mono", "mono", Kind::Speech),
        ("music in stereo", "stereo", Kind::Music),
        ("noise in 5.0", "5.0", Kind::Noise),
        ("music in 5.1", "5.1", Kind::Music),
    ] {
        let channels = Layout::named(layout).unwrap().len();
        let plane = |c: usize| {
            let mut p = Programme::new(48_000, kind, c as u64 + 1);
            (0..frames).map(|_| p.next()).collect()
        };
        compare(name, layout, (0..channels).map(plane).collect());
    }
}
