// SPDX-License-Identifier: MIT OR Apache-2.0
//! The measured response of racks and slots: against stated filters, flat where it must be, refused with reasons.

use lathe_core::dsp::filters;
use lathe_core::engine::response::{Feed, Response, ResponseError, response};
use lathe_core::rack::plan::{BranchPlan, RackPlan, SlotPlan};
use lathe_core::rack::split::SplitKind;
use lathe_core::units::find;

use crate::cases::{all_working, name, neutral_units, rack, shapes};

const RATE: u32 = 96_000;

fn frequencies() -> Vec<f64> {
    (0..200).map(|k| 10.0 * f64::powf(4000.0, f64::from(k) / 199.0)).collect()
}

fn measure(plan: &RackPlan, slot: Option<&str>, feed: Feed) -> Response {
    response(plan, RATE, slot, feed, &frequencies()).unwrap()
}

fn db(x: f64) -> f64 {
    20.0 * x.log10()
}

fn equalizer(id: &str) -> SlotPlan {
    SlotPlan::unit(id, find("equalizer").unwrap())
}

#[test]
fn a_resonant_equalizer_has_the_response_of_its_sections() {
    let (f, g, q) = (30.0, 18.0, 8.0);
    let eq = equalizer("eq").with("band1/freq", f).with("band1/gain", g).with("band1/q", q);
    let r = measure(&rack("stereo", vec![eq]), Some("eq"), Feed::All);
    assert!(!r.cut && r.latency == 0 && r.curves.len() == 2);
    let chain = filters::bell(f, g, q, f64::from(RATE)).chain;
    let (mut level, mut angle) = (0.0f64, 0.0f64);
    for (k, hz) in frequencies().iter().enumerate() {
        let (mut re, mut im) = (1.0, 0.0);
        for s in chain.as_slice() {
            let (a, b) = s.response(*hz, f64::from(RATE));
            (re, im) = (re * a - im * b, re * b + im * a);
        }
        for c in &r.curves {
            level = level.max((db(c.magnitude[k]) - db(f64::hypot(re, im))).abs());
            angle = angle.max((c.phase[k] - im.atan2(re)).abs());
        }
    }
    println!("level {level:e} dB, phase {angle:e} rad");
    assert!(level < 1e-6 && angle < 1e-6, "{level:e} dB, {angle:e} rad");
}

#[test]
fn neutral_units_are_flat_with_their_latency_taken_out() {
    for slot in neutral_units() {
        let r = measure(&rack("stereo", vec![slot.clone()]), None, Feed::All);
        // Shapers are flat where their way up and down is, and the curve they stand on bends at −120 dBFS.
        let (top, most) = if shapes(&slot) { (20_000.0, 0.01) } else { (40_000.0, 1e-9) };
        for c in &r.curves {
            let count = frequencies().iter().filter(|f| **f <= top * 1.000_001).count();
            let level = c.magnitude[..count].iter().map(|m| db(*m).abs()).fold(0.0, f64::max);
            let angle = c.phase[..count].iter().map(|p| p.abs()).fold(0.0, f64::max);
            assert!(
                level < most && angle < most,
                "{}, {} frames: {level:e} dB, {angle:e} rad",
                name(&slot),
                r.latency
            );
        }
    }
}

#[test]
fn bands_are_flat_and_turn_the_phase() {
    let bands = all_working().into_iter().find(|s| name(s) == "bands").unwrap();
    let r = measure(&rack("stereo", vec![bands]), None, Feed::One(1));
    let [c] = &r.curves[..] else { panic!("{} curves", r.curves.len()) };
    let level = c.magnitude.iter().map(|m| db(*m).abs()).fold(0.0, f64::max);
    assert!(c.name == "R" && level < 1e-5, "{level:e} dB");
    assert!(c.phase.iter().any(|p| p.abs() > 2.0), "an all-pass turns");
}

#[test]
fn mid_and_side_have_their_own_curves() {
    let eq = equalizer("eq").with("band1/gain", 6.0).with("band1/channel", 4.0);
    let plan = rack("stereo", vec![eq.clone(), equalizer("other").with("band2/gain", -9.0)]);
    let peak =
        |feed| measure(&plan, Some("eq"), feed).curves[0].magnitude.iter().fold(0.0f64, |m, x| m.max(*x));
    let (mid, side) = (db(peak(Feed::Mid)), db(peak(Feed::Side)));
    assert!(mid.abs() < 1e-9 && (side - 6.0).abs() < 0.01, "mid {mid} dB, side {side} dB");
    // A slot inside a branch, its detector cut off from what is not there.
    let inner = BranchPlan { id: "a".into(), slots: vec![eq.with("bypass", 1.0)] };
    let plan = rack("stereo", vec![SlotPlan::split("p", SplitKind::Parallel, vec![inner])]);
    let r = measure(&plan, Some("eq"), Feed::Side);
    assert!(r.curves[0].magnitude.iter().all(|m| db(*m).abs() < 1e-12), "bypassed");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let plan = rack("mono", vec![equalizer("eq")]);
    let of = |slot, feed, f: &[f64]| response(&plan, RATE, slot, feed, f).unwrap_err();
    assert!(matches!(of(Some("x"), Feed::All, &[100.0]), ResponseError::NoSlot(_)));
    assert!(matches!(of(None, Feed::Side, &[100.0]), ResponseError::NoPair(_)));
    for bad in [-1.0, 48_000.1, f64::NAN, f64::INFINITY] {
        assert!(matches!(of(None, Feed::All, &[bad]), ResponseError::Frequency(..)), "{bad}");
    }
    assert!(matches!(of(None, Feed::All, &[1.0; 4097]), ResponseError::TooMany(4097)));
}
