// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linear and mixed phase in the unit: curve, phase, routes, exchange, and what it delays.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use std::f64::consts::PI;

use super::tests::{Ask, ask, format};
use super::*;
use crate::dsp::QUANTUM;
use crate::param::Values;
use crate::units::{Block, Glides, Kind, Unit};

const FS: f64 = 48_000.0;

fn values(phase: usize, length: usize, bands: &[Ask]) -> Values {
    let mut v = super::tests::values(bands);
    v.set(P::Phase, phase as f64);
    v.set(P::Length, length as f64);
    v
}

fn build(layout: &str, v: &Values) -> EqualizerUnit {
    let f = format(layout, FS as u32);
    Equalizer::build(&f, v, Equalizer::design(&f, v, &mut Notes::default()).unwrap()).unwrap()
}

/// Runs whole quanta in place, with an exchange before quantum `at`.
fn run(u: &mut EqualizerUnit, audio: &mut [Vec<f64>], mut parts: Option<(usize, Box<Design>)>) {
    let table = Equalizer::SPEC.own_params();
    let glides = Glides::new(&table, &table.defaults());
    for q in 0..audio[0].len() / QUANTUM {
        if parts.as_ref().is_some_and(|(at, _)| *at == q) {
            let mut design = parts.take().map(|p| p.1);
            u.exchange(&mut design, 0);
        }
        let range = q * QUANTUM..(q + 1) * QUANTUM;
        let mut block: Vec<[f64; QUANTUM]> =
            audio.iter().map(|c| c[range.clone()].try_into().unwrap()).collect();
        u.process(&mut Block::new(&mut block, None, &glides));
        audio.iter_mut().zip(&block).for_each(|(c, b)| c[range.clone()].copy_from_slice(b));
    }
}

/// Impulse response of one output channel to an impulse on some inputs.
fn impulse(u: &mut EqualizerUnit, heights: &[f64], frames: usize) -> Vec<Vec<f64>> {
    let mut audio: Vec<Vec<f64>> = heights
        .iter()
        .map(|h| {
            let mut c = vec![0.0; frames.next_multiple_of(QUANTUM)];
            c[0] = *h;
            c
        })
        .collect();
    run(u, &mut audio, None);
    audio
}

/// Level in dB and phase in radians at `hz`, `delay` frames taken out.
fn response(x: &[f64], hz: f64, delay: usize) -> (f64, f64) {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, v) in x.iter().enumerate() {
        let a = -2.0 * PI * hz / FS * (n as f64 - delay as f64);
        re += v * libm::cos(a);
        im += v * libm::sin(a);
    }
    (20.0 * libm::log10(libm::hypot(re, im).max(1e-12)), libm::atan2(im, re))
}

/// Level in dB of the minimum-phase design of the same bands.
fn wanted(bands: &[Ask], routes: &[Route], hz: f64) -> f64 {
    let d = super::tests::design(&format("stereo", FS as u32), bands);
    let level = |p: &u8| libm::log10(d.sections[usize::from(*p)].magnitude(hz, FS));
    (0..BANDS)
        .filter(|b| routes.contains(&d.bands[*b].route))
        .flat_map(|b| d.band_places(b))
        .map(level)
        .sum::<f64>()
        * 20.0
}

#[test]
fn linear_phase_has_the_curve_and_no_phase() {
    let bands = [
        ask(Shape::Bell, 300.0, 6.0, 2.0),
        ask(Shape::HighShelf, 8000.0, -4.0, 0.7),
        ask(Shape::Highpass, 120.0, 0.0, 1.0),
    ];
    let v = values(1, 1, &bands);
    let mut u = build("stereo", &v);
    let delay = u.latency();
    assert_eq!(delay, 8191, "half of 16,383 taps");
    let out = impulse(&mut u, &[1.0, 0.0], 2 * delay + 1);
    assert!(out[1].iter().all(|x| x.abs() < 1e-14), "channels stay apart");
    let asymmetry = (1..=delay).map(|k| (out[0][delay - k] - out[0][delay + k]).abs()).fold(0.0, f64::max);
    let (mut level, mut phase) = (0.0f64, 0.0f64);
    for hz in [100.0, 200.0, 300.0, 500.0, 1000.0, 4000.0, 8000.0, 12_000.0, 20_000.0] {
        let (l, p) = response(&out[0], hz, delay);
        level = level.max((l - wanted(&bands, &[Route::All], hz)).abs());
        phase = phase.max(p.abs());
    }
    println!("level {level:.4} dB, phase {phase:.1e} rad, asymmetry {asymmetry:.1e}");
    assert!(level < 0.05 && phase < 1e-9 && asymmetry < 1e-13);
}

#[test]
fn mid_side_left_and_right_bands_act_where_they_should() {
    let bands = [
        ask(Shape::Bell, 1000.0, 6.0, 1.0),
        Ask { channel: 3, ..ask(Shape::HighShelf, 5000.0, 8.0, 0.7) },
        Ask { channel: 4, ..ask(Shape::Bell, 2000.0, -9.0, 1.0) },
        Ask { channel: 1, ..ask(Shape::Bell, 4000.0, 3.0, 1.0) },
    ];
    let delay = build("stereo", &values(1, 0, &bands)).latency();
    let frequencies = [500.0, 1000.0, 2000.0, 4000.0, 9000.0];
    let mut worst = 0.0f64;
    for (heights, route) in [([1.0, 1.0], Route::Mid), ([1.0, -1.0], Route::Side)] {
        let mut u = build("stereo", &values(1, 0, &bands));
        let out = impulse(&mut u, &heights, 2 * delay + 1);
        for hz in frequencies {
            for (channel, routes) in [(0, &[Route::All, route, Route::Left][..]), (1, &[Route::All, route])] {
                worst = worst.max((response(&out[channel], hz, delay).0 - wanted(&bands, routes, hz)).abs());
            }
        }
    }
    println!("worst {worst:.4} dB");
    assert!(worst < 0.05, "{worst}");
    // A centre has the bands for all alone.
    let mut u = build("lcr", &values(1, 0, &bands));
    let roles = format("lcr", FS as u32).layout.roles;
    let centre = roles.iter().position(|r| !r.is_left() && !r.is_right()).unwrap();
    let mut heights = vec![0.0; 3];
    heights[centre] = 1.0;
    let out = impulse(&mut u, &heights, 2 * delay + 1);
    for hz in frequencies {
        let off = response(&out[centre], hz, delay).0 - wanted(&bands, &[Route::All], hz);
        assert!(off.abs() < 0.05, "{hz} Hz: {off} dB");
    }
}

#[test]
fn a_band_may_stay_at_minimum_phase_and_mixed_phase_is_linear_above() {
    let bands = [ask(Shape::Bell, 60.0, 6.0, 1.0), ask(Shape::Bell, 3000.0, -6.0, 1.0)];
    let mut v = values(1, 1, &bands);
    v.set(band_param(0, B::Phase), 1.0);
    let of = |v: &Values| {
        let mut u = build("stereo", v);
        let delay = u.latency();
        (impulse(&mut u, &[1.0, 0.0], 4 * delay).remove(0), delay)
    };
    let (kept, delay) = of(&v);
    let before = kept[..delay - 480].iter().map(|x| x * x).sum::<f64>();
    let ((level, _), (_, phase)) = (response(&kept, 60.0, delay), response(&kept, 9000.0, delay));
    println!("energy before {before:.1e}, 60 Hz {level:.3} dB, phase at 9 kHz {phase:.1e} rad");
    assert!(before < 1e-10 && (level - 6.0).abs() < 0.02 && phase.abs() < 0.02);
    let (mixed, delay) = of(&values(2, 1, &bands));
    let early = mixed[..delay - 480].iter().map(|x| x * x).sum::<f64>();
    let phase =
        [500.0, 3000.0, 9000.0].map(|hz| response(&mixed, hz, delay).1.abs()).into_iter().fold(0.0, f64::max);
    println!("mixed: energy before {early:.1e}, phase above 500 Hz {phase:.1e} rad");
    assert!(early < 1e-4 && phase < 0.01);
}

#[test]
fn without_bands_it_is_a_delay_to_the_bit() {
    let mut u = build("stereo", &values(1, 2, &[]));
    let delay = u.latency();
    assert_eq!(delay, 32_767);
    let x: Vec<f64> = (0..40_000 / 64 * 64).map(|n| libm::sin(0.1 * n as f64)).collect();
    let mut audio = vec![x.clone(), x.clone()];
    run(&mut u, &mut audio, None);
    assert!(audio[0][delay..].iter().zip(&x).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn kernels_are_exchanged_straight_and_without_a_click() {
    let f = format("stereo", FS as u32);
    let settings = [
        vec![],
        vec![ask(Shape::Bell, 100.0, 12.0, 1.0)],
        vec![
            ask(Shape::Bell, 100.0, -12.0, 2.0),
            Ask { channel: 3, ..ask(Shape::HighShelf, 6000.0, 6.0, 0.7) },
        ],
        vec![ask(Shape::Highpass, 300.0, 0.0, 1.0)],
    ];
    let frames = 96_000 / QUANTUM * QUANTUM;
    let sine = |hz: f64| (0..frames).map(|n| libm::sin(2.0 * PI * hz * n as f64 / FS)).collect::<Vec<_>>();
    let (mut beside, mut crooked) = (-400.0f64, 0.0f64);
    for (a, b) in [(0, 1), (1, 0), (1, 2), (2, 3), (3, 1)] {
        let [from, to] = [a, b].map(|k: usize| values(1, 0, &settings[k]));
        for hz in [100.0, 10_000.0] {
            let x = sine(hz);
            let steady = |v: &Values| {
                let mut audio = vec![x.clone(), x.clone()];
                run(&mut build("stereo", v), &mut audio, None);
                audio
            };
            let (old, new) = (steady(&from), steady(&to));
            let mut audio = vec![x.clone(), x.clone()];
            let at = frames / QUANTUM / 2;
            let design = Equalizer::design(&f, &to, &mut Notes::default()).unwrap();
            run(&mut build("stereo", &from), &mut audio, Some((at, design)));
            // Between the two, by one weight: what is left beside the best w(t) of 20 ms in quintic steps.
            let (mut w, mut rest) = (1.0f64, vec![0.0; frames]);
            for n in at * QUANTUM..frames {
                let d = [old[0][n] - new[0][n], old[1][n] - new[1][n]];
                let e = [audio[0][n] - new[0][n], audio[1][n] - new[1][n]];
                let size = d[0] * d[0] + d[1] * d[1];
                if size > 1e-4 {
                    let now = (e[0] * d[0] + e[1] * d[1]) / size;
                    assert!(now < w + 1e-6 && now > -1e-6, "w goes back: {w} to {now}");
                    w = now;
                }
                rest[n] = e[0] - w * d[0];
            }
            crooked = crooked.max(rest.iter().map(|r| r.abs()).fold(0.0, f64::max));
            let last = frames - 1;
            assert!((audio[0][last] - new[0][last]).abs() < 1e-13, "arrived");
            if hz < 1000.0 {
                let high = super::exchange_tests::above_5_khz();
                let from = at * QUANTUM - 2000;
                let peak = (from..frames - high.len())
                    .map(|i| high.iter().zip(&audio[0][i..]).map(|(h, x)| h * x).sum::<f64>().abs())
                    .fold(0.0, f64::max);
                beside = beside.max(20.0 * libm::log10(peak.max(1e-20)));
            }
        }
    }
    println!("above 5 kHz {beside:.1} dBFS; beside the straight way {crooked:.1e}");
    assert!(beside < -120.0 && crooked < 0.02, "{beside} dBFS, {crooked}");
}
