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
    pub width: usize,
    pub slope: f64,
    pub cut: f64,
    pub cut_freq: f64,
}

pub(super) fn ask(shape: Shape, freq: f64, gain: f64, q: f64) -> Ask {
    let (width, slope, cut, cut_freq) = (0, 1.0, 0.0, 10_000.0);
    Ask { shape, freq, gain, q, order: 2, channel: 0, on: true, width, slope, cut, cut_freq }
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
        set(B::Width, b.width as f64);
        set(B::Slope, b.slope);
        set(B::Cut, b.cut);
        set(B::CutFreq, b.cut_freq);
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

/// The analog prototype in dB at `f` Hz, worked out apart from the code under test.
fn analog(a: &Ask, f: f64) -> f64 {
    let x = f / a.freq;
    let (g, mut q) = (libm::pow(10.0, a.gain / 40.0), a.q);
    if a.width == 1 && matches!(a.shape, Shape::Bell | Shape::PassiveHigh) {
        q = (q * libm::pow(0.25, 1.0 - (a.gain.abs() / 24.0).min(1.0))).max(0.1);
    }
    if a.width == 2 && matches!(a.shape, Shape::LowShelf | Shape::HighShelf) {
        q = 1.0 / ((g + 1.0 / g) * (1.0 / a.slope - 1.0) + 2.0).sqrt();
    }
    let rational =
        |n: (f64, f64, f64), d: (f64, f64, f64)| poly(x, n.0, n.1, n.2).db() - poly(x, d.0, d.1, d.2).db();
    // A first-order shelf: `boost` dB on one side, with its corner where the boost has lost 3 dB.
    let first = |x: f64, gain: f64| {
        let b = libm::pow(10.0, gain.abs() / 20.0);
        gain.signum() * (poly(x, 0.0, 1.0, b).db() - poly(x, 0.0, 1.0, 1.0).db())
    };
    let x2n = libm::pow(x, 2.0 * a.order as f64);
    // Twice a Butterworth of half the order.
    let half = 2.0 * 10.0 * libm::log10(1.0 + libm::pow(x, a.order as f64));
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
        Shape::BaxandallLow => first(x, a.gain),
        Shape::BaxandallHigh => first(1.0 / x, a.gain),
        Shape::PassiveLow => {
            let cut = Ask { freq: 8.0 * a.freq, q: 0.6, ..ask(Shape::LowShelf, 0.0, -a.cut, 0.6) };
            first(x, a.gain) + analog(&cut, f)
        }
        Shape::PassiveHigh => analog(&Ask { shape: Shape::Bell, ..*a }, f) + first(a.cut_freq / f, -a.cut),
        Shape::LrHighpass => 10.0 * libm::log10(x2n) - half,
        Shape::LrLowpass => -half,
    }
}

/// How near a shape comes: dB, up to which share of half the rate, down to which level.
fn promise(shape: Shape) -> (f64, f64, f64) {
    use Shape::*;
    match shape {
        Bell | LowShelf | HighShelf | Tilt | BaxandallLow | BaxandallHigh => (0.02, 0.95, -999.0),
        // Two of them in a row.
        PassiveLow | PassiveHigh => (0.04, 0.95, -999.0),
        Allpass => (1e-6, 0.95, -999.0),
        Highpass | Lowpass | Notch | Bandpass | LrHighpass | LrLowpass => (0.1, 0.9, -40.0),
    }
}

#[test]
fn every_shape_is_the_analog_one() {
    use Shape::*;
    let mut asks = Vec::new();
    for freq in [50.0, 3000.0, 19_000.0, 30_000.0] {
        for q in [0.3, 6.0] {
            for gain in [-18.0, 24.0] {
                asks.extend([Bell, LowShelf, HighShelf].map(|s| ask(s, freq, gain, q)));
            }
            asks.extend([Notch, Bandpass, Allpass].map(|s| ask(s, freq, 0.0, q)));
        }
        for gain in [-18.0, 3.0] {
            asks.extend([Tilt, BaxandallLow, BaxandallHigh].map(|s| ask(s, freq, gain, 1.0)));
            asks.push(Ask { width: 1, ..ask(Bell, freq, gain, 2.0) });
            asks.extend([LowShelf, HighShelf].map(|s| Ask {
                width: 2,
                slope: 0.6,
                ..ask(s, freq, gain, 9.0)
            }));
            for cut in [0.0, 15.0] {
                asks.push(Ask { cut, ..ask(PassiveLow, 0.05 * freq, gain, 1.0) });
                asks.push(Ask { cut, cut_freq: 5000.0, width: 1, ..ask(PassiveHigh, freq, gain, 1.0) });
            }
        }
        for order in [1, 2, 3, 8, 15, 16] {
            asks.extend([Highpass, Lowpass].map(|s| Ask { order, ..ask(s, freq, 0.0, 1.0) }));
        }
        for order in [2, 4, 8, 16] {
            asks.extend([LrHighpass, LrLowpass].map(|s| Ask { order, ..ask(s, freq, 0.0, 1.0) }));
        }
    }
    for rate in [44_100, 48_000, 96_000, 192_000] {
        let fs = f64::from(rate);
        let mut worst = [0.0f64; Shape::ALL.len()];
        for a in &asks {
            // The measure is as long as it takes the slowest to fall silent.
            let level = measure(rate, &[*a]);
            let (bound, top, floor) = promise(a.shape);
            for k in 1..80 {
                let bin = libm::pow(0.5 * LEN as f64 * top, f64::from(k) / 79.0).max(10.0) as usize;
                let f = bin as f64 * fs / LEN as f64;
                let want = analog(a, f);
                if want < floor || a.shape == Allpass && a.freq > 0.49 * fs {
                    continue;
                }
                let e = (level[bin] - want).abs();
                worst[a.shape as usize] = worst[a.shape as usize].max(e);
                assert!(e < bound, "{a:?} at {rate}: {f} Hz: {} for {want} dB", level[bin]);
            }
        }
        for (shape, e) in Shape::ALL.iter().zip(worst) {
            println!("{shape:?} at {rate}: {e:.4} dB from analog");
        }
    }
}

#[test]
fn a_rack_sounds_alike_at_every_rate() {
    use Shape::*;
    let racks: [&[Ask]; 3] = [
        &[ask(Bell, 16_000.0, 12.0, 1.0)],
        &[ask(Lowpass, 18_000.0, 0.0, 1.0), ask(BaxandallHigh, 40_000.0, 9.0, 1.0)],
        &[
            ask(Highpass, 25.0, 0.0, 1.0),
            ask(LowShelf, 90.0, 2.0, 0.7),
            ask(Bell, 250.0, -3.0, 1.0),
            ask(Bell, 3000.0, 2.0, 2.0),
            ask(Bell, 9000.0, -4.0, 4.0),
            ask(HighShelf, 12_000.0, 4.0, 0.7),
            ask(Bell, 19_000.0, 6.0, 0.5),
            ask(Tilt, 1000.0, 2.0, 1.0),
        ],
    ];
    for rack in racks {
        let (low, high) = (measure(44_100, rack), measure(96_000, rack));
        // The nearest bin of the other rate: half a bin off at most, which is less than 0.001 dB here.
        let at = |level: &[f64], rate: f64, f: f64| {
            let (bin, part) = ((f * LEN as f64 / rate) as usize, (f * LEN as f64 / rate).fract());
            level[bin] * (1.0 - part) + level[bin + 1] * part
        };
        let worst = (1..2000)
            .map(|i| 10.0 * f64::from(i))
            .map(|f| (at(&low, 44_100.0, f) - at(&high, 96_000.0, f)).abs())
            .fold(0.0, f64::max);
        println!("{} bands at 44.1 and 96 kHz: {worst:.4} dB apart to 20 kHz", rack.len());
        assert!(worst < 0.1, "{rack:?}: {worst} dB");
    }
}

#[test]
fn twenty_four_bands_are_designed_at_once() {
    let f = format("stereo", 44_100);
    let shapes = [Shape::Bell, Shape::HighShelf, Shape::Bell, Shape::BaxandallHigh, Shape::Lowpass];
    let bands: Vec<Ask> = (0..BANDS)
        .map(|n| ask(shapes[n % 5], 400.0 * libm::pow(1.2, n as f64), 6.5 - n as f64, 0.5 + 0.2 * n as f64))
        .collect();
    let values = values(&bands);
    let mut best = f64::MAX;
    for _ in 0..9 {
        let start = std::time::Instant::now();
        let d = Design::new(&f, &values, &mut Notes::default());
        best = best.min(start.elapsed().as_secs_f64());
        assert!(d.bands.iter().all(|b| b.len > 0));
    }
    println!("24 bands designed in {:.2} ms", best * 1e3);
    assert!(best < 0.05, "{best} s");
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
                    assert!(e < 0.05, "{shape:?} order {order} at {freq} Hz of {rate}: {level} dB");
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
        for shape in [
            Shape::Bell,
            Shape::LowShelf,
            Shape::HighShelf,
            Shape::Tilt,
            Shape::BaxandallLow,
            Shape::BaxandallHigh,
        ] {
            for (freq, gain, q) in [
                (20.0, 12.0, 0.7),
                (30.0, 24.0, 8.0),
                (1000.0, 6.0, 40.0),
                (9000.0, 18.0, 1.0),
                (21_000.0, 24.0, 0.1),
                (40_000.0, 30.0, 1.0),
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
    let high = values(&[bell, ask(Shape::Allpass, 40_000.0, 3.0, 0.7), ask(Shape::Bell, 40_000.0, 3.0, 0.7)]);
    Equalizer::design(&format("stereo", 44_100), &high, &mut notes).unwrap();
    assert_eq!(notes.0[0].text, "40 kHz is beyond this rate; effective 21.609 kHz");
    assert_eq!(notes.0[0].param, Equalizer::SPEC.own_params().find("band2/freq").unwrap());
    assert_eq!(notes.0.len(), 1);
    let mut notes = Notes::default();
    let odd = values(&[Ask { order: 3, ..ask(Shape::LrLowpass, 100.0, 0.0, 1.0) }]);
    Equalizer::design(&format("stereo", 44_100), &odd, &mut notes).unwrap();
    assert_eq!(notes.0[0].text, "Linkwitz-Riley filters have order 2, 4, 8 or 16; effective 4");
    assert_eq!(notes.0[0].param, band_param(0, B::Order));
}

#[test]
fn no_legal_value_makes_an_unstable_filter() {
    let (mut slowest, mut over) = (0.0f64, (0.0f64, String::new()));
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
                        // The loudest up to 0.95 of half the rate, where it is fitted, and above.
                        let chain = &d.sections[..d.bands[0].len];
                        let level = |n: i32| {
                            let f = 0.001 * f64::from(n) * f64::from(rate);
                            let m: f64 = chain.iter().map(|s| s.magnitude(f, f64::from(rate))).product();
                            20.0 * libm::log10(m)
                        };
                        let top = (1..=475).map(level).fold(-999.0, f64::max);
                        let above = (475..500).map(level).fold(-999.0, f64::max);
                        // Shelves of high Q have a peak of about Q at their frequency.
                        let peak = match shape {
                            Shape::LowShelf | Shape::HighShelf => 20.0 * libm::log10(q.max(1.0)) + 6.0,
                            Shape::Tilt => 0.5 * gain.abs() - gain.max(0.0) + 0.1,
                            _ => 0.1,
                        };
                        assert!(top < gain.max(0.0) + peak, "{a:?} at {rate}: {top} dB");
                        if above - gain.max(0.0) - peak > over.0 {
                            over = (above - gain.max(0.0) - peak, format!("{a:?} at {rate}"));
                        }
                    }
                }
            }
        }
    }
    println!("slowest filter: {slowest:.1} s; above the fitted band {:.2} dB more ({})", over.0, over.1);
    assert!(over.0 < 3.0, "{over:?}");
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
