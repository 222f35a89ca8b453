// SPDX-License-Identifier: MIT OR Apache-2.0
//! The façade for files: any cut into blocks, ends within a quantum, the series.

use super::signals::{Kind, Noise, Programme as Source};
use crate::analysis::dynamics::Point;
use crate::analysis::loudness::lufs;
use crate::analysis::{Figures, IntegratorSettings, LoudnessMeter, Programme};
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

fn stereo() -> Layout {
    Layout::named("stereo").unwrap()
}

fn source(seconds: f64, kind: Kind) -> [Vec<f64>; 2] {
    [1, 2].map(|seed| {
        let mut p = Source::new(48_000, kind, seed);
        (0..(seconds * 48_000.0) as usize).map(|_| p.next()).collect()
    })
}

fn in_blocks(planes: &[Vec<f64>; 2], mut length: impl FnMut() -> usize) -> (Figures, Vec<Point>) {
    let mut p = Programme::new(48_000, &stereo(), IntegratorSettings::default());
    let mut from = 0;
    while from < planes[0].len() {
        let to = (from + length()).min(planes[0].len());
        p.push(&[&planes[0][from..to], &planes[1][from..to]]);
        from = to;
    }
    (p.finish(), p.series().to_vec())
}

#[test]
fn any_cut_into_blocks_gives_the_same_bits() {
    let planes = source(12.345, Kind::Music);
    let mut noise = Noise(8);
    let whole = in_blocks(&planes, || usize::MAX / 2);
    for _ in 0..3 {
        let cut = in_blocks(&planes, || (700.0 * (1.0 + noise.next())) as usize);
        assert!(cut == whole, "{:?} {:?}", cut.0, whole.0);
    }
    assert_eq!(in_blocks(&planes, || 1), whole);
    assert_eq!(whole.0.frames, planes[0].len() as u64);
}

#[test]
fn the_meter_of_a_tap_reads_the_same() {
    let planes = source(20.0, Kind::Speech);
    let (f, series) = in_blocks(&planes, || 4096);
    let mut m = LoudnessMeter::new(48_000, &stereo());
    let mut points = Vec::new();
    for q in 0..planes[0].len() / QUANTUM {
        let audio: Vec<Frames> =
            planes.iter().map(|x| x[q * QUANTUM..][..QUANTUM].try_into().unwrap()).collect();
        let before = m.grid().count;
        m.process(&audio);
        if m.grid().count > before {
            points.push((m.grid().momentary.map(lufs), m.grid().short_term.map(lufs)));
        }
    }
    assert_eq!(f.loudness, m.read());
    assert_eq!(series.iter().map(|p| (p.momentary, p.short_term)).collect::<Vec<_>>(), points);
    assert_eq!((series.len(), series[2].momentary, series[28].short_term), (200, None, None));
    assert!(series[3].momentary.is_some() && series[29].short_term.is_some());
    let loudest = series.iter().map(|p| p.true_peak).fold(f64::MIN, f64::max);
    assert_eq!(loudest, f.true_peak, "the largest of the series is the largest of all");
}

#[test]
fn zeros_behind_the_end_are_no_sound() {
    // 3 s less one frame: no short-term value, no range, and an RMS of the frames there are.
    for (frames, short) in [(143_999, false), (144_000, true)] {
        let x = vec![0.1; frames];
        let (f, _) = in_blocks(&[x.clone(), x], || 1000);
        assert_eq!(f.loudness.short_term_max.is_some(), short, "{frames}");
        assert!((f.channels[0].rms + 20.0).abs() < 1e-9 && (f.channels[0].dc - 0.1).abs() < 1e-12);
    }
    let (f, series) = in_blocks(&[vec![], vec![]], || 1);
    assert_eq!((f.frames, f.loudness.integrated, f.plr, f.true_peak), (0, None, None, f64::NEG_INFINITY));
    assert!(series.is_empty() && f.dr.is_none() && f.crest.is_none());
}

#[test]
fn numbers_that_are_none_count_as_silence() {
    let mut planes = source(2.0, Kind::Noise);
    (planes[0][5000], planes[1][6000]) = (f64::NAN, f64::INFINITY);
    let (f, _) = in_blocks(&planes, || 512);
    assert_eq!(f.non_finite, 2);
    assert!(f.loudness.integrated.unwrap().is_finite() && f.true_peak < 10.0);
}
