// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an engineer would measure on a standing equaliser: curves, corners, nulls, routing, speed.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use std::f64::consts::PI;

use super::*;
use crate::dsp::{Frames, QUANTUM};
use crate::units::{Block, Glides, Layout, Unit};

/// A band as a test asks for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub shape: Shape,
    pub freq: f64,
    pub gain: f64,
    pub q: f64,
    pub order: usize,
    pub channel: usize,
    pub on: bool,
}

pub(super) fn ask(shape: Shape, freq: f64, gain: f64, q: f64) -> Ask {
    Ask { shape, freq, gain, q, order: 2, channel: 0, on: true }
}

pub(super) fn format(layout: &str, sample_rate: u32) -> Format {
    Format { sample_rate, layout: Layout::named(layout).unwrap() }
}

pub(super) fn values(bands: &[Ask]) -> Values {
    let mut v = Equalizer::SPEC.own_params().defaults();
    for (n, b) in bands.iter().enumerate() {
        let mut set = |p: B, x: f64| v.set(band_param(n, p), x);
        set(B::Shape, b.shape as usize as f64);
        set(B::Freq, b.freq);
        set(B::Gain, b.gain);
        set(B::Q, b.q);
        set(B::Order, b.order as f64);
        set(B::Channel, b.channel as f64);
        set(B::On, f64::from(u8::from(b.on)));
    }
    v
}

pub(super) fn design(f: &Format, bands: &[Ask]) -> Box<Design> {
    Equalizer::design(f, &values(bands), &mut Notes::default()).unwrap()
}

pub(super) fn unit(f: &Format, bands: &[Ask]) -> EqualizerUnit {
    Equalizer::build(f, &values(bands), design(f, bands)).unwrap()
}

/// Runs whole quanta in place.
pub(super) fn render(unit: &mut EqualizerUnit, audio: &mut [Vec<f64>]) {
    let table = Equalizer::SPEC.own_params();
    let glides = Glides::new(&table, &table.defaults());
    for from in (0..audio[0].len()).step_by(QUANTUM) {
        let mut block: Vec<Frames> =
            audio.iter().map(|c| c[from..from + QUANTUM].try_into().unwrap()).collect();
        unit.process(&mut Block::new(&mut block, None, &glides));
        for (c, b) in audio.iter_mut().zip(&block) {
            c[from..from + QUANTUM].copy_from_slice(b);
        }
    }
}

fn noise(seed: u64, frames: usize) -> Vec<f64> {
    let mut s = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        s ^= s << 13;
        s ^= s >> 7;
        s ^= s << 17;
        (s >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..frames).map(|_| 0.5 * next()).collect()
}

const LEN: usize = 1 << 18;

/// Level in dB at bin `n` of LEN of a band's impulse response, measured through the unit.
fn measure(rate: u32, bands: &[Ask]) -> Vec<f64> {
    let mut audio = vec![vec![0.0; LEN]];
    audio[0][0] = 1.0;
    render(&mut unit(&format("mono", rate), bands), &mut audio);
    let fft = realfft::RealFftPlanner::<f64>::new().plan_fft_forward(LEN);
    let mut out = fft.make_output_vec();
    fft.process(&mut audio[0], &mut out).unwrap();
    out.iter().map(|c| 10.0 * libm::log10(c.norm_sqr().max(1e-40))).collect()
}

#[derive(Clone, Copy)]
struct C(f64, f64);
impl C {
    fn db(self) -> f64 {
        10.0 * libm::log10((self.0 * self.0 + self.1 * self.1).max(1e-40))
    }
}

/// `(p s² + q s + r)` at s = jx.
fn poly(x: f64, p: f64, q: f64, r: f64) -> C {
    C(r - p * x * x, q * x)
}

/// The analog prototype in dB, s = j·x.
fn prototype(a: &Ask, x: f64) -> f64 {
    let (g, q) = (libm::pow(10.0, a.gain / 40.0), a.q);
    let rational =
        |n: (f64, f64, f64), d: (f64, f64, f64)| poly(x, n.0, n.1, n.2).db() - poly(x, d.0, d.1, d.2).db();
    let x2n = libm::pow(x, 2.0 * a.order as f64);
    let plain = (1.0, 1.0 / q, 1.0);
    match a.shape {
        Shape::Bell => rational((1.0, g / q, 1.0), (1.0, 1.0 / (g * q), 1.0)),
        Shape::HighShelf => rational((g * g, g * g.sqrt() / q, g), (1.0, g.sqrt() / q, g)),
        Shape::LowShelf => rational((g, g * g.sqrt() / q, g * g), (g, g.sqrt() / q, 1.0)),
        Shape::Highpass => 10.0 * libm::log10(x2n / (1.0 + x2n)),
        Shape::Lowpass => -10.0 * libm::log10(1.0 + x2n),
        Shape::Notch => rational((1.0, 0.0, 1.0), plain),
        Shape::Bandpass => rational((0.0, 1.0 / q, 0.0), plain),
        Shape::Allpass => 0.0,
        Shape::Tilt => rational((0.0, g, 1.0), (0.0, 1.0, g)),
    }
}

/// One matched second-order section as published: quadratic forms in φ, spectral factor, biquad.
fn vicanek(shape: Shape, w0: f64, gain: f64, q: f64, w: f64) -> f64 {
    let a = libm::pow(10.0, gain.abs() / 40.0);
    let d = if shape == Shape::Bell { 0.5 / (a * q) } else { 0.5 / q };
    let a1 = if d <= 1.0 {
        -2.0 * libm::exp(-d * w0) * libm::cos((1.0 - d * d).sqrt() * w0)
    } else {
        -2.0 * libm::exp(-d * w0) * libm::cosh((d * d - 1.0).sqrt() * w0)
    };
    let a2 = libm::exp(-2.0 * d * w0);
    let phi = |w: f64| {
        let p1 = libm::sin(0.5 * w) * libm::sin(0.5 * w);
        [1.0 - p1, p1, 4.0 * p1 * (1.0 - p1)]
    };
    let form = |k: [f64; 3], p: [f64; 3]| k[0] * p[0] + k[1] * p[1] + k[2] * p[2];
    let den = [(1.0 + a1 + a2) * (1.0 + a1 + a2), (1.0 - a1 + a2) * (1.0 - a1 + a2), -4.0 * a2];
    let p = phi(w0);
    let num = match shape {
        Shape::Bell => {
            let g2 = a * a * a * a;
            let r1 = form(den, p) * g2;
            let r2 = (den[1] - den[0] + 4.0 * (p[0] - p[1]) * den[2]) * g2;
            let b2 = (r1 - r2 * p[1] - den[0]) / (4.0 * p[1] * p[1]);
            [den[0], r2 + den[0] + 4.0 * (p[1] - p[0]) * b2, b2]
        }
        Shape::Lowpass => [den[0], (form(den, p) * q * q - den[0] * p[0]) / p[1], 0.0],
        _ => {
            let b = (form(den, p)).sqrt() * q / (4.0 * p[1]);
            [0.0, 16.0 * b * b, -4.0 * b * b]
        }
    };
    let db = 10.0 * libm::log10((form(num, phi(w)) / form(den, phi(w))).max(1e-40));
    if gain < 0.0 { -db } else { db }
}

/// The stated design of a band in dB at `f`, worked out apart from the code under test.
fn stated(a: &Ask, f: f64, rate: f64) -> f64 {
    let f0 = a.freq.min(0.49 * rate);
    let (w0, w) = (2.0 * PI * f0 / rate, 2.0 * PI * f / rate);
    let (t0, t) = (libm::tan(0.5 * w0), libm::tan(0.5 * w));
    match a.shape {
        Shape::Bell => vicanek(a.shape, w0, a.gain, a.q, w),
        Shape::Highpass | Shape::Lowpass => {
            let second: f64 = (1..=a.order / 2)
                .map(|k| 0.5 / libm::sin((2 * k - 1) as f64 * PI / (2 * a.order) as f64))
                .map(|q| vicanek(a.shape, w0, 0.0, q, w))
                .sum();
            let e = libm::exp(-w0);
            let (p0, p1) =
                (libm::sin(0.5 * w0) * libm::sin(0.5 * w0), libm::sin(0.5 * w) * libm::sin(0.5 * w));
            let den = |p: f64| (1.0 - e) * (1.0 - e) * (1.0 - p) + (1.0 + e) * (1.0 + e) * p;
            let num = if a.shape == Shape::Lowpass {
                let b0 = (1.0 - e) * (1.0 - e);
                b0 * (1.0 - p1) + (0.5 * den(p0) - b0 * (1.0 - p0)) / p0 * p1
            } else {
                0.5 * den(p0) / p0 * p1
            };
            second + if a.order % 2 == 1 { 10.0 * libm::log10(num / den(p1)) } else { 0.0 }
        }
        _ => prototype(a, t / t0),
    }
}

#[test]
fn every_shape_has_its_stated_response() {
    use Shape::*;
    let mut asks = Vec::new();
    for freq in [50.0, 400.0, 3000.0, 11_000.0, 19_000.0] {
        for q in [0.3, 1.0, 6.0] {
            for gain in [-18.0, 3.0, 18.0] {
                asks.extend([Bell, LowShelf, HighShelf, Tilt].map(|s| ask(s, freq, gain, q)));
            }
            asks.extend([Notch, Bandpass, Allpass].map(|s| ask(s, freq, 0.0, q)));
        }
        for order in 1..=8 {
            asks.extend([Highpass, Lowpass].map(|s| Ask { order, ..ask(s, freq, 0.0, 1.0) }));
        }
    }
    let mut worst = [0.0f64; 9];
    let mut analog = [0.0f64; 9];
    for rate in [44_100, 48_000, 96_000, 192_000] {
        let fs = f64::from(rate);
        for a in &asks {
            let level = measure(rate, &[*a]);
            for k in 1..60 {
                let bin = libm::pow(LEN as f64 * 0.475, f64::from(k) / 59.0).max(10.0) as usize;
                let f = bin as f64 * fs / LEN as f64;
                let want = stated(a, f, fs);
                if want < -90.0 {
                    continue;
                }
                let e = (level[bin] - want).abs();
                worst[a.shape as usize] = worst[a.shape as usize].max(e);
                assert!(e < 0.01, "{a:?} at {rate}: {f} Hz: {} for {want} dB", level[bin]);
                if rate == 192_000 && f < 20_000.0 && a.freq < 12_000.0 && want > -40.0 {
                    let e = (want - prototype(a, f / a.freq)).abs();
                    analog[a.shape as usize] = analog[a.shape as usize].max(e);
                }
            }
        }
    }
    println!("worst deviation from the stated design by shape, dB: {worst:.6?}");
    println!("stated design from analog at 192 kHz to 20 kHz, dB: {analog:.3?}");
}

#[test]
fn corners_lie_at_minus_three_decibels() {
    let mut worst = 0.0f64;
    for rate in [44_100, 48_000, 96_000, 192_000] {
        for order in 1..=8 {
            for bin in [300usize, 5000, 40_000, 110_000] {
                let freq = bin as f64 * f64::from(rate) / LEN as f64;
                if !(10.0..=40_000.0).contains(&freq) {
                    continue;
                }
                for shape in [Shape::Highpass, Shape::Lowpass] {
                    let level = measure(rate, &[Ask { order, ..ask(shape, freq, 0.0, 1.0) }])[bin];
                    let e = (level - 10.0 * libm::log10(0.5)).abs();
                    worst = worst.max(e);
                    assert!(e < 0.01, "{shape:?} order {order} at {freq} Hz of {rate}: {level} dB");
                }
            }
        }
    }
    println!("worst corner {worst:.7} dB from -3.0103");
}

#[test]
fn equal_boost_and_cut_null() {
    let mut worst = -999.0f64;
    for rate in [44_100, 192_000] {
        for shape in [Shape::Bell, Shape::LowShelf, Shape::HighShelf, Shape::Tilt] {
            for (freq, gain, q) in [
                (20.0, 12.0, 0.7),
                (30.0, 24.0, 8.0),
                (1000.0, 6.0, 40.0),
                (9000.0, 18.0, 1.0),
                (21_000.0, 24.0, 0.1),
            ] {
                let x = noise(7, 48_000 / 64 * 64);
                let mut y = vec![x.clone()];
                let bands = [ask(shape, freq, gain, q), ask(shape, freq, -gain, q)];
                render(&mut unit(&format("mono", rate), &bands), &mut y);
                let e = y[0].iter().zip(&x).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                let db = 20.0 * libm::log10(e.max(1e-20));
                worst = worst.max(db);
                assert!(db < -200.0, "{shape:?} {freq} Hz {gain} dB Q {q} at {rate}: null {db:.1} dB");
            }
        }
    }
    println!("worst null {worst:.1} dBFS");
}

#[test]
fn neutral_settings_pass_every_bit() {
    for layout in ["mono", "stereo", "5.1"] {
        let f = format(layout, 48_000);
        let off = Ask { on: false, ..ask(Shape::Lowpass, 100.0, 12.0, 1.0) };
        for bands in [&[][..], &[ask(Shape::Bell, 50.0, 0.0, 3.0), off, ask(Shape::Tilt, 50.0, 0.0, 3.0)]] {
            let x: Vec<Vec<f64>> = (0..f.channels()).map(|c| noise(c as u64 + 1, 6400)).collect();
            let mut y = x.clone();
            render(&mut unit(&f, bands), &mut y);
            assert!(x.iter().flatten().zip(y.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits()));
            assert_eq!(Equalizer::time_constant(&f, &values(bands)), 0.0);
        }
    }
}

#[test]
fn bands_work_on_their_channels_alone() {
    let f = format("stereo", 48_000);
    let bell = ask(Shape::Bell, 800.0, 9.0, 1.0);
    let run = |channel: usize, x: &[Vec<f64>; 2]| {
        let mut y = x.to_vec();
        render(&mut unit(&f, &[Ask { channel, ..bell }]), &mut y);
        y
    };
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
    let (l, r) = (noise(1, 6400), noise(2, 6400));
    let inverse: Vec<f64> = l.iter().map(|v| -v).collect();
    let x = [l.clone(), r.clone()];
    let all = run(0, &x);
    let (left, right) = (run(1, &x), run(2, &x));
    assert!(same(&left[0], &all[0]) && same(&left[1], &r), "left");
    assert!(same(&right[1], &all[1]) && same(&right[0], &l), "right");
    let (common, apart) = ([l.clone(), l.clone()], [l.clone(), inverse]);
    assert!(same(&run(3, &apart)[0], &l), "a mid band passes side");
    assert!(same(&run(4, &common)[0], &l) && same(&run(4, &common)[1], &l), "a side band passes mid");
    let (mid, side) = (run(3, &common), run(4, &apart));
    let error = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(error(&mid[0], &all[0]) < 1e-15 && error(&mid[1], &all[0]) < 1e-15, "mid");
    assert!(error(&side[0], &all[0]) < 1e-15, "side");
}

#[test]
fn other_layouts_and_what_they_lack() {
    let surround = format("5.1", 48_000);
    let bell = ask(Shape::Bell, 800.0, 9.0, 1.0);
    let x: Vec<Vec<f64>> = (0..6).map(|c| noise(c + 1, 640)).collect();
    for (channel, touched) in
        [(0, [0, 1, 2, 3, 4, 5].as_slice()), (1, &[0, 4]), (2, &[1, 5]), (3, &[0, 1, 4, 5])]
    {
        let mut y = x.clone();
        render(&mut unit(&surround, &[Ask { channel, ..bell }]), &mut y);
        for c in 0..6 {
            assert_eq!(x[c] != y[c], touched.contains(&c), "channel {c} of a band on {channel}");
        }
    }
    let mono = format("mono", 48_000);
    for (channel, route) in [(1, None), (2, None), (3, Some(Route::All)), (4, None)] {
        let mut notes = Notes::default();
        let d = Equalizer::design(&mono, &values(&[Ask { channel, ..bell }]), &mut notes).unwrap();
        assert_eq!((d.bands[0].len > 0).then_some(d.bands[0].route), route);
        assert_eq!(notes.0[0].param, band_param(0, B::Channel));
    }
    let mut notes = Notes::default();
    let high = values(&[bell, ask(Shape::HighShelf, 40_000.0, 3.0, 0.7)]);
    Equalizer::design(&format("stereo", 44_100), &high, &mut notes).unwrap();
    assert_eq!(notes.0[0].text, "40 kHz is beyond this rate; effective 21.609 kHz");
    assert_eq!(notes.0[0].param, Equalizer::SPEC.own_params().find("band2/freq").unwrap());
    assert_eq!(notes.0.len(), 1);
}

#[test]
fn no_legal_value_makes_an_unstable_filter() {
    let mut slowest = 0.0f64;
    for rate in [8000, 44_100, 48_000, 96_000, 192_000, 384_000] {
        let f = format("mono", rate);
        for shape in Shape::ALL {
            for freq in [10.0, 30.0, 200.0, 2000.0, 3900.0, 12_000.0, 20_000.0, 21_600.0, 40_000.0] {
                for q in [0.1, 0.5, 2.0, 40.0] {
                    for (gain, order) in [(-24.0, 1), (-0.01, 3), (0.01, 6), (12.0, 7), (24.0, 8)] {
                        let a = Ask { order, ..ask(shape, freq, gain, q) };
                        let d = design(&f, &[a]);
                        let tau = d.time_constant();
                        assert!(tau.is_finite() && tau >= 0.0, "{a:?} at {rate}: {tau} frames");
                        slowest = slowest.max(tau / f64::from(rate));
                        for s in &d.sections[..d.bands[0].len] {
                            assert!(
                                [s.g, s.k, s.hp, s.bp, s.lp].iter().all(|v| v.is_finite())
                                    && s.k > 0.0
                                    && s.g > 0.0,
                                "{a:?} at {rate}: {s:?}"
                            );
                        }
                        let top = (1..500).map(|n| 0.001 * f64::from(n) * f64::from(rate)).map(|f| {
                            d.sections[..d.bands[0].len]
                                .iter()
                                .map(|s| s.magnitude(f, f64::from(rate)))
                                .product::<f64>()
                        });
                        let top = 20.0 * libm::log10(top.fold(0.0, f64::max));
                        // Shelves of high Q have a peak of about Q at their frequency.
                        let peak = match shape {
                            Shape::LowShelf | Shape::HighShelf => 20.0 * libm::log10(q.max(1.0)) + 6.0,
                            Shape::Tilt => 0.5 * gain.abs() - gain.max(0.0) + 0.1,
                            _ => 0.1,
                        };
                        assert!(top < gain.max(0.0) + peak, "{a:?} at {rate}: {top} dB");
                    }
                }
            }
        }
    }
    println!("slowest filter: {slowest:.1} s");
}

#[test]
fn a_low_narrow_bell_is_quiet() {
    // Rounding noise: full scale and a power of two lower must agree but for rounding, which scales
    // with the signal; so a second run with a state of other bits (input scaled by 3, output by 1/3).
    let f = format("mono", 192_000);
    let bell = [ask(Shape::Bell, 30.0, 6.0, 8.0)];
    let n = 192_000;
    let sine = |k: f64| {
        vec![(0..n).map(|i| k * libm::sin(2.0 * PI * 1000.0 * i as f64 / 192_000.0)).collect::<Vec<f64>>()]
    };
    let (mut a, mut b) = (sine(1.0), sine(3.0));
    render(&mut unit(&f, &bell), &mut a);
    render(&mut unit(&f, &bell), &mut b);
    let sum: f64 = a[0].iter().zip(&b[0]).map(|(a, b)| (a - b / 3.0) * (a - b / 3.0)).sum();
    let db = 10.0 * libm::log10(0.5 * sum / n as f64);
    println!("rounding noise of a 30 Hz bell at 192 kHz: {db:.1} dBFS rms");
    assert!(db < -280.0);
}

#[test]
fn eight_stereo_bells_take_little_time() {
    let bands: [Ask; 8] = std::array::from_fn(|n| ask(Shape::Bell, 60.0 * f64::from(1 << n), 3.0, 1.0));
    let mut unit = unit(&format("stereo", 48_000), &bands);
    let x = [noise(1, 6400), noise(2, 6400)];
    let mut best = f64::MAX;
    for _ in 0..20 {
        let mut block: [Frames; 2] = std::array::from_fn(|c| x[c][..QUANTUM].try_into().unwrap());
        let glides = Glides::default();
        let start = std::time::Instant::now();
        for _ in 0..500 {
            unit.process(&mut Block::new(&mut block, None, &glides));
            block = std::array::from_fn(|c| x[c][..QUANTUM].try_into().unwrap());
        }
        best = best.min(start.elapsed().as_secs_f64() / 500.0 / QUANTUM as f64);
    }
    println!("8 stereo bells: {:.1} ns a frame", best * 1e9);
    assert!(best < 2e-6, "far beyond any budget: {best} s a frame");
}
