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

#[test]
fn a_woken_section_hears_the_share_and_ends_as_if_it_had_always_run() {
    let coefs = Coefs::new(&Section { g: 0.2, k: 0.7, hp: 1.3, bp: 0.9, lp: 0.8 });
    let (mut woken, mut run) = (State::default(), State::default());
    let mut noise = Noise(3);
    let x: Frames = std::array::from_fn(|_| noise.next());
    let (mut a, mut b) = (x, x);
    wake(&coefs, &[1.0; QUANTUM], &mut woken, &mut a);
    process(&coefs, &mut run, &mut b);
    let off = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(woken == run && off < 1e-15, "{off:e}");
    // With nothing to hear, the input passes by the integrators alone.
    (woken, a) = (State::default(), x);
    wake(&coefs, &[0.0; QUANTUM], &mut woken, &mut a);
    let off = a.iter().zip(&x).map(|(a, x)| (a - 1.3 * x).abs()).fold(0.0, f64::max);
    assert!(woken == State::default() && off < 1e-14, "{off:e}");
}
