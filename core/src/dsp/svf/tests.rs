// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sections against recursions, and the classes of results against each other.
#![allow(clippy::disallowed_methods, reason = "tests")]

use super::*;

#[test]
fn any_biquad_becomes_a_section() {
    // Poles at radius r, angle t; arbitrary numerators; against the recursion itself.
    for (r, t, b) in
        [(0.99f64, 0.3f64, [1.0, -0.5, 0.3]), (0.5, 2.8, [0.2, 0.9, -1.4]), (0.9, 1.0, [0.0, 1.0, 0.0])]
    {
        let a = [-2.0 * r * libm::cos(t), r * r];
        let c = Coefs::new(&Section::from_biquad(b, a));
        let mut audio = [0.0; QUANTUM];
        (audio[0], audio[9]) = (1.0, -0.7);
        let mut want = [0.0; QUANTUM];
        for i in 0..QUANTUM {
            let at = |v: &Frames, d: usize| if i >= d { v[i - d] } else { 0.0 };
            want[i] = b[0] * audio[i] + b[1] * at(&audio, 1) + b[2] * at(&audio, 2)
                - a[0] * at(&want, 1)
                - a[1] * at(&want, 2);
        }
        process(&c, &mut State::default(), &mut audio);
        let worst = audio.iter().zip(&want).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-13, "{worst:e}");
    }
}

#[test]
fn the_inverse_undoes_and_silence_stays_silence() {
    let s = Section { g: 0.001, k: 0.02, hp: 1.1, bp: 0.3, lp: 0.9 };
    let (a, b) = (s.response(33.0, 48_000.0), s.inverse().response(33.0, 48_000.0));
    let (re, im) = (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0);
    assert!((re - 1.0).abs() < 1e-12 && im.abs() < 1e-12, "{re} {im}");
    let (mut state, mut audio) = (State::default(), [0.0; QUANTUM]);
    process(&Coefs::new(&s), &mut state, &mut audio);
    assert!(audio.iter().all(|x| x.to_bits() == 0) && state == State::default());
    state = State { s1: 1e-31, s2: -1e-31 };
    process(&Coefs::new(&s), &mut state, &mut audio);
    assert_eq!(state, State::default());
}

/// Uniform from −1 to 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

const PLACES: usize = 48;

/// Sections of any shape, of gains around 1 so that many in series stay audible, in any order of places.
fn sections(noise: &mut Noise, shape: usize) -> (Vec<Coefs>, Vec<u8>) {
    let one = |noise: &mut Noise| {
        let (hz, q) = (10.0 * libm::exp2(5.5 + 5.5 * noise.next()), libm::exp2(3.0 * noise.next()));
        let (g, k) = (libm::tan(std::f64::consts::PI * hz / 48_000.0), 1.0 / q);
        let a = libm::exp2(0.3 * noise.next());
        let (hp, bp, lp) = match shape {
            0 => (1.0, k * a, 1.0),   // bell
            1 => (a * a, k * a, 1.0), // high shelf
            2 => (1.0, k * a, a * a), // low shelf
            3 => (1.0, 0.0, 1.0),     // notch
            4 => (1.0, -k, 1.0),      // all-pass
            5 => (1.0, 0.0, 0.0),     // high-pass
            6 => (0.0, 0.0, 1.0),     // low-pass
            _ => (noise.next(), noise.next(), noise.next()),
        };
        Coefs::new(&Section { g, k, hp, bp, lp })
    };
    let coefs = (0..PLACES).map(|_| one(noise)).collect();
    let mut places: Vec<u8> = (0..PLACES as u8).collect();
    for n in (1..PLACES).rev() {
        places.swap(n, ((noise.next() + 1.0) * 0.5 * (n + 1) as f64) as usize % (n + 1));
    }
    (coefs, places)
}

/// Noise in even channels, a sine in odd ones; some zeros of either sign.
fn input(noise: &mut Noise, channels: usize, quantum: usize) -> Vec<Frames> {
    let value = |noise: &mut Noise, c: usize, i: usize| match (c % 2, i % 16) {
        (_, 7) => -0.0,
        (0, _) => noise.next(),
        _ => libm::sin(0.05 * (c + 1) as f64 * (quantum * QUANTUM + i) as f64),
    };
    (0..channels).map(|c| std::array::from_fn(|i| value(noise, c, i))).collect()
}

fn states(channels: usize) -> Vec<[State; PLACES]> {
    vec![[State::default(); PLACES]; channels]
}

fn same(a: &[Frames], b: &[Frames]) -> bool {
    a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| a.to_bits() == b.to_bits())
}

#[test]
fn plain_has_the_bits_of_one_section_after_another() {
    Class::all().filter(|c| !c.is_fused()).for_each(one_after_another);
}

fn one_after_another(class: Class) {
    let mut noise = Noise(1);
    for (count, channels) in [(1, 1), (2, 2), (3, 3), (5, 2), (8, 1), (9, 4), (16, 2), (48, 12)] {
        let (coefs, places) = sections(&mut noise, count % 7);
        let (mut a, mut b) = (states(channels), states(channels));
        for quantum in 0..4 {
            let mut x = input(&mut noise, channels, quantum);
            let mut y = x.clone();
            cascade(class, &coefs, &places[..count], &mut a, &mut x);
            for (y, b) in y.iter_mut().zip(&mut b) {
                for p in places[..count].iter().map(|p| usize::from(*p)) {
                    process(&coefs[p], &mut b[p], y);
                }
            }
            assert!(same(&x, &y) && a == b, "{class}: {count} sections of {channels} channels");
        }
    }
}

#[test]
fn bits_do_not_depend_on_what_runs_beside() {
    for class in Class::all() {
        let mut noise = Noise(2);
        for channels in [1, 2, 3, 6, 12] {
            for count in 1..=PLACES {
                let (coefs, places) = sections(&mut noise, count % 7);
                let (mut a, mut b) = (states(channels), states(channels));
                for quantum in 0..2 {
                    let mut x = input(&mut noise, channels, quantum);
                    let mut y = x.clone();
                    cascade(class, &coefs, &places[..count], &mut a, &mut x);
                    // Channel by channel, and each in two parts.
                    let cut = count / 3;
                    for (y, b) in y.iter_mut().zip(&mut b) {
                        let (y, b) = (std::slice::from_mut(y), std::slice::from_mut(b));
                        cascade(class, &coefs, &places[..cut], b, y);
                        cascade(class, &coefs, &places[cut..count], b, y);
                    }
                    assert!(same(&x, &y) && a == b, "{class}: {count} sections of {channels} channels");
                }
            }
        }
    }
}

#[test]
fn all_agree_and_those_of_a_class_to_the_bit() {
    let seconds = 0.5;
    let (mut worst, mut fused) = (f64::NEG_INFINITY, 0);
    for shape in 0..8 {
        for channels in [1, 2, 6, 12] {
            let mut noise = Noise((10 * shape + channels) as u64);
            let (coefs, places) = sections(&mut noise, shape);
            // A random section has any gain, so only one of those.
            let count = [8, 16, 8, 16, 48, 1, 1, 1][shape];
            let classes: Vec<Class> = Class::all().collect();
            let mut all: Vec<_> = classes.iter().map(|_| states(channels)).collect();
            let (mut peak, mut off) = (0.0f64, 0.0f64);
            for quantum in 0..(seconds * 48_000.0) as usize / QUANTUM {
                let x = input(&mut noise, channels, quantum);
                let mut outs = vec![x; classes.len()];
                for ((class, states), out) in classes.iter().zip(&mut all).zip(&mut outs) {
                    cascade(*class, &coefs, &places[..count], states, out);
                }
                let first = classes.iter().position(|c| c.is_fused());
                for (class, out) in classes.iter().zip(&outs) {
                    for (plain, y) in outs[0].iter().flatten().zip(out.iter().flatten()) {
                        peak = peak.max(plain.abs());
                        off = off.max((plain - y).abs());
                    }
                    let like = &outs[if class.is_fused() { first.unwrap() } else { 0 }];
                    assert!(same(out, like), "{class}: shape {shape}, {channels} channels");
                    fused += usize::from(class.is_fused());
                }
            }
            let db = 20.0 * libm::log10(off.max(1e-30) / peak);
            println!("shape {shape}, {count} sections, {channels} channels: {db:.1} dB of the peak");
            worst = worst.max(db);
        }
    }
    println!("worst {worst:.1} dB, {fused} quanta of fused classes");
    assert!(worst < -280.0, "{worst:.1} dB");
    if cfg!(target_arch = "x86_64") && is_x86_feature_detected!("avx2") {
        assert!(fused > 0);
    }
}

#[test]
fn tiny_states_become_zero_in_every_class() {
    let coefs = vec![Coefs::new(&Section { g: 0.001, k: 0.02, hp: 1.1, bp: 0.3, lp: 0.9 }); PLACES];
    let places: Vec<u8> = (0..PLACES as u8).collect();
    for class in Class::all() {
        let mut states = vec![[State { s1: 1e-31, s2: -1e-31 }; PLACES]; 3];
        let mut audio = vec![[0.0; QUANTUM]; 3];
        cascade(class, &coefs, &places[..7], &mut states, &mut audio);
        for (n, s) in states.iter().flat_map(|s| s.iter().enumerate()) {
            assert_eq!(*s == State::default(), n < 7, "{class}: place {n} is {s:?}");
        }
    }
}

/// Sum of two numbers that keeps the rounding: about 32 digits.
#[derive(Clone, Copy, Default)]
struct Wide(f64, f64);

impl Wide {
    fn sum(a: f64, b: f64) -> Wide {
        let s = a + b;
        let v = s - a;
        Wide(s, (a - (s - v)) + (b - v))
    }

    fn plus(self, o: Wide) -> Wide {
        let Wide(s, e) = Wide::sum(self.0, o.0);
        Wide::sum(s, e + (self.1 + o.1))
    }

    fn times(self, c: f64) -> Wide {
        let split = |x: f64| {
            let t = 134_217_729.0 * x;
            let high = t - (t - x);
            (high, x - high)
        };
        let (p, a, b) = (self.0 * c, split(self.0), split(c));
        let e = ((a.0 * b.0 - p) + a.0 * b.1 + a.1 * b.0) + a.1 * b.1;
        Wide::sum(p, e + self.1 * c)
    }

    fn less(self, o: Wide) -> Wide {
        self.plus(Wide(-o.0, -o.1))
    }
}

/// The bell of the analog `(s² + sA/Q + 1)/(s² + s/(AQ) + 1)`, bilinear.
fn bell(hz: f64, gain_db: f64, q: f64, rate: f64) -> Section {
    let a = libm::pow(10.0, gain_db / 40.0);
    let g = libm::tan(std::f64::consts::PI * hz / rate);
    Section { g, k: 1.0 / (a * q), hp: 1.0, bp: a / q, lp: 1.0 }
}

fn random(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1u64 << 53) as f64
}

#[test]
fn a_low_narrow_bell_adds_no_noise() {
    // The same coefficients in twice the digits, on white noise of full scale.
    for rate in [44_100.0, 48_000.0, 96_000.0, 192_000.0] {
        let c = Coefs::new(&bell(30.0, 6.0, 8.0, rate));
        let (mut state, mut s1, mut s2) = (State::default(), Wide::default(), Wide::default());
        let (mut seed, mut power, frames) = (9u64, 0.0, 3 * rate as usize);
        for _ in 0..frames {
            let x = 2.0 * random(&mut seed) - 1.0;
            let y = c.step(&mut state, x);
            let v3 = Wide(x, 0.0).less(s2);
            let want = Wide(x, 0.0).times(c.m0).plus(s1.times(c.m1)).plus(s2.times(c.m2));
            let next = v3.times(c.e2).plus(s1.times(c.e1)).plus(s1);
            (s1, s2) = (next, v3.times(c.e3).plus(s1.times(c.e2)).plus(s2));
            let e = Wide(y, 0.0).less(want).0;
            power += e * e;
        }
        let db = 10.0 * libm::log10(power / frames as f64);
        println!("rounding noise of a 30 Hz bell, Q 8, +6 dB, at {rate}: {db:.1} dBFS rms");
        assert!(db < -280.0, "{db} dBFS at {rate}");
    }
}

/// Loudest sample in dB over 18 dB, the gain of the loudest standing bell, while frequency (20 Hz to
/// 20 kHz), gain (±18 dB) and Q are others at every frame of `seconds` of a tone of full scale.
fn modulated(hz: f64, q: (f64, f64), seconds: usize) -> f64 {
    let (rate, top) = (48_000.0, 18.0);
    let (mut seed, mut state, mut loudest) = (3u64, State::default(), 0.0f64);
    let mut before = f64::INFINITY;
    for i in 0..seconds * rate as usize {
        let x = libm::sin(2.0 * std::f64::consts::PI * hz * (i as f64 / rate));
        let f = 20.0 * libm::pow(1000.0, random(&mut seed));
        let q = q.0 * libm::pow(q.1 / q.0, random(&mut seed));
        let gain = top * (2.0 * random(&mut seed) - 1.0);
        let section = bell(f, gain, q, rate);
        state = state.damped(before, section.k, x);
        before = section.k;
        let y = Coefs::new(&section).step(&mut state, x);
        assert!(y.is_finite());
        loudest = loudest.max(y.abs());
    }
    20.0 * libm::log10(loudest) - top
}

#[test]
fn a_section_may_be_modulated_at_audio_rate() {
    for hz in [100.0, 997.0, 9000.0] {
        for q in [(0.5, 4.0), (0.3, 10.0), (0.1, 40.0)] {
            let over = modulated(hz, q, 60);
            println!("{hz} Hz, Q {} to {}: {over:.1} dB above the loudest standing bell", q.0, q.1);
            assert!(over < 6.0, "{over} dB");
        }
    }
}

#[test]
fn a_section_is_the_biquad_it_was_made_of() {
    let mut seed = 77u64;
    let mut worst = 0.0f64;
    for _ in 0..2000 {
        let (r, t) = (0.9999 * random(&mut seed).sqrt(), std::f64::consts::PI * random(&mut seed));
        let a = [-2.0 * r * libm::cos(t), r * r];
        let b: [f64; 3] = std::array::from_fn(|_| 4.0 * random(&mut seed) - 2.0);
        let s = Section::from_biquad(b, a);
        for n in 1..50 {
            let w = std::f64::consts::PI * f64::from(n) / 50.0;
            let z = |c: [f64; 3]| {
                let re = c[0] + c[1] * libm::cos(w) + c[2] * libm::cos(2.0 * w);
                (re, -(c[1] * libm::sin(w) + c[2] * libm::sin(2.0 * w)))
            };
            let (num, den) = (z(b), z([1.0, a[0], a[1]]));
            let (re, im) = s.response(w / (2.0 * std::f64::consts::PI), 1.0);
            let e = (re * den.0 - im * den.1 - num.0, re * den.1 + im * den.0 - num.1);
            worst = worst.max(e.0.abs().max(e.1.abs()) / (1.0 + s.hp.abs() + s.bp.abs() + s.lp.abs()));
        }
    }
    println!("worst difference between biquad and section {worst:.1e}");
    assert!(worst < 1e-10, "{worst:e}");
}
