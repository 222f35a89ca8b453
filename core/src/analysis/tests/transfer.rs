// SPDX-License-Identifier: MIT OR Apache-2.0
//! Transfers of known filters, delays and unrelated noise.

use super::signals::Noise;
use crate::analysis::spectrum_frames::Averaging;
use crate::analysis::spectrum_settings::Source;
use crate::analysis::transfer::{MOST_DELAY, TransferAnalyser, TransferSettings};
use crate::dsp::filters;
use crate::dsp::svf::{Coefs, Section, State, process};
use crate::dsp::{Frames, QUANTUM};

fn settings(fraction: Option<usize>, averaging: Averaging) -> TransferSettings {
    TransferSettings { fraction, averaging, ..TransferSettings::new(Source::Channel(0), Source::Channel(1)) }
}

/// Noise into a chain of sections after a delay, with other noise added behind it.
struct Device {
    noise: Noise,
    sections: Vec<(Coefs, State)>,
    line: Vec<f64>,
    added: f64,
}

impl Device {
    fn new(sections: &[Section], delay: usize, added: f64) -> Self {
        let sections = sections.iter().map(|s| (Coefs::new(s), State::default())).collect();
        Device { noise: Noise(21), sections, line: vec![0.0; delay], added }
    }

    fn next(&mut self) -> [Frames; 2] {
        let x: Frames = std::array::from_fn(|_| 0.5 * self.noise.next());
        self.line.extend_from_slice(&x);
        let mut y: Frames = std::array::from_fn(|i| self.line[i]);
        self.line.drain(..QUANTUM);
        self.sections.iter_mut().for_each(|(c, s)| process(c, s, &mut y));
        y.iter_mut().for_each(|y| *y += self.added * self.noise.next());
        [x, y]
    }
}

fn response(sections: &[Section], hz: f64, rate: f64) -> (f64, f64) {
    sections
        .iter()
        .map(|s| s.response(hz, rate))
        .fold((1.0, 0.0), |a, b| (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0))
}

#[test]
fn a_known_filter_is_measured() {
    for (rate, hz, gain, q) in
        [(48_000u32, 1000.0, 6.0, 1.0), (44_100, 100.0, -9.0, 0.7), (96_000, 8000.0, 12.0, 2.0)]
    {
        let chain = filters::bell(hz, gain, q, f64::from(rate)).chain;
        for fraction in [None, Some(24)] {
            let mut t = TransferAnalyser::new(rate, 2, &settings(fraction, Averaging::Infinite)).unwrap();
            let mut device = Device::new(chain.as_slice(), 0, 0.0);
            (0..12_000).for_each(|_| t.process(&device.next()));
            let r = t.read();
            let (mut db, mut degrees, mut least) = (0.0f64, 0.0f64, 1.0f64);
            for (i, hz) in
                r.hz.iter().enumerate().filter(|(_, hz)| **hz > 20.0 && **hz < 0.45 * f64::from(rate))
            {
                let (re, im) = response(chain.as_slice(), *hz, f64::from(rate));
                db = db.max((f64::from(r.magnitude[i]) - 20.0 * re.hypot(im).log10()).abs());
                degrees = degrees.max((f64::from(r.phase[i]) - im.atan2(re).to_degrees()).abs());
                least = least.min(f64::from(r.coherence[i]));
            }
            println!(
                "{rate} Hz, bell of {gain} dB at {hz} Hz, {fraction:?}: within {db:.4} dB and {degrees:.3}°, coherence from {least:.6}, {} windows",
                r.windows
            );
            assert!(db < 0.05 && degrees < 0.5 && least > 0.997);
        }
    }
}

#[test]
fn a_delay_is_found_and_taken_out() {
    for delay in [0usize, 1, 64, 1000, 7777] {
        let chain = filters::bell(3000.0, 9.0, 1.0, 48e3).chain;
        let mut t = TransferAnalyser::new(48_000, 2, &settings(None, Averaging::Slow)).unwrap();
        let mut device = Device::new(chain.as_slice(), delay, 0.0);
        assert_eq!(t.residual_delay(), None);
        (0..1500).for_each(|_| t.process(&device.next()));
        assert_eq!(t.residual_delay(), Some(delay as i64));
        assert_eq!(t.align(), delay);
        assert!(t.read().hz.is_empty());
        (0..6000).for_each(|_| t.process(&device.next()));
        let r = t.read();
        let (mut db, mut degrees) = (0.0f64, 0.0f64);
        for (i, hz) in r.hz.iter().enumerate().filter(|(_, hz)| **hz > 20.0 && **hz < 20e3) {
            let (re, im) = response(chain.as_slice(), *hz, 48e3);
            db = db.max((f64::from(r.magnitude[i]) - 20.0 * re.hypot(im).log10()).abs());
            degrees = degrees.max((f64::from(r.phase[i]) - im.atan2(re).to_degrees()).abs());
        }
        println!("{delay} frames: then within {db:.4} dB and {degrees:.3}°");
        assert!(db < 0.05 && degrees < 0.5 && t.residual_delay() == Some(0));
    }
}

#[test]
fn coherence_is_the_share_that_the_input_explains() {
    for (added, want) in [(0.0, 1.0), (0.25, 0.8), (0.5, 0.5)] {
        let mut t = TransferAnalyser::new(48_000, 2, &settings(Some(3), Averaging::Infinite)).unwrap();
        let mut device = Device::new(&[], 0, added);
        (0..15_000).for_each(|_| t.process(&device.next()));
        let r = t.read();
        let high =
            r.hz.iter()
                .zip(&r.coherence)
                .filter(|(hz, _)| **hz > 2000.0 && **hz < 15_000.0)
                .map(|(_, c)| f64::from(*c));
        let (low, high) = high.fold((1.0f64, 0.0f64), |m, c| (m.0.min(c), m.1.max(c)));
        println!("{added} added: coherence {low:.3} to {high:.3} for {want}");
        assert!((low - want).abs() < 0.03 && (high - want).abs() < 0.03);
        // Noise at the output does not bias the magnitude.
        let bias =
            r.hz.iter()
                .zip(&r.magnitude)
                .filter(|(hz, _)| **hz > 2000.0 && **hz < 15_000.0)
                .map(|(_, m)| m.abs())
                .fold(0.0, f32::max);
        assert!(bias < 0.2, "{bias}");
    }
}

#[test]
fn a_gap_and_a_silent_reference() {
    let mut t = TransferAnalyser::new(
        48_000,
        2,
        &TransferSettings { delay: 100, ..settings(None, Averaging::Infinite) },
    )
    .unwrap();
    let mut device = Device::new(&[], 100, 0.0);
    for i in 0..3000 {
        // What is missed leaves both signals displaced to one another in time.
        if i == 1500 {
            (0..777).for_each(|_| {
                device.next();
            });
            t.gap(777 * 64);
        }
        t.process(&device.next());
    }
    let r = t.read();
    let least = r.coherence.iter().skip(1).copied().fold(1.0, f32::min);
    println!("around a gap: coherence from {least:.9}");
    assert!(least > 0.999_999 && r.frames_missed == 777 * 64 && r.delay == 100);
    let mut t = TransferAnalyser::new(48_000, 2, &settings(None, Averaging::Fast)).unwrap();
    (0..600).for_each(|_| t.process(&[[0.0; QUANTUM], [0.5; QUANTUM]]));
    let r = t.read();
    assert!(r.magnitude.iter().chain(&r.phase).chain(&r.coherence).all(|v| v.is_nan()) && r.windows > 0);
    let far = TransferSettings { delay: MOST_DELAY + 1, ..settings(None, Averaging::Fast) };
    assert_eq!(
        TransferAnalyser::new(48_000, 2, &far).unwrap_err().to_string(),
        "delay is 262145 frames; allowed is 0 to 262144 frames"
    );
}
