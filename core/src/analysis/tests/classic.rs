// SPDX-License-Identifier: MIT OR Apache-2.0
//! The classic scales at every rate, wherever in a quantum a sound begins: VU, PPM, RMS, K-System.

use std::f64::consts::PI;

use super::signals::{RATES, gain};
use crate::analysis::ppm::{PpmMeter, PpmType};
use crate::analysis::rms::{KScale, RmsMeter};
use crate::analysis::vu::{REFERENCE_DBFS, VuMeter};
use crate::dsp::{Frames, QUANTUM};

const STARTS: [usize; 4] = [0, 1, 37, 63];

/// A tone of so many frames that begins at `start`, then silence.
fn tone(rate: u32, hz: f64, amplitude: f64, start: usize, frames: usize) -> impl Fn(usize) -> f64 {
    move |n| match n.checked_sub(start) {
        Some(n) if n < frames => amplitude * (2.0 * PI * hz * n as f64 / f64::from(rate)).sin(),
        _ => 0.0,
    }
}

fn quantum(q: usize, x: &impl Fn(usize) -> f64) -> Frames {
    std::array::from_fn(|i| x(q * QUANTUM + i))
}

fn quanta(rate: u32, seconds: f64) -> usize {
    (seconds * f64::from(rate)) as usize / QUANTUM
}

#[test]
fn vu_needle() {
    for rate in RATES {
        for start in STARTS {
            let mut m = VuMeter::new(rate, 1, REFERENCE_DBFS);
            let x = tone(rate, 1000.0, gain(-18.0), start, usize::MAX);
            let (mut reached, mut top, mut before) = (None, f64::MIN, f64::MIN);
            for q in 0..quanta(rate, 3.0) {
                m.process(&[quantum(q, &x)]);
                let (vu, end) = (m.read(0), ((q + 1) * QUANTUM - start) as f64 / f64::from(rate));
                let goal = 20.0 * 0.99f64.log10();
                if vu >= goal && reached.is_none() {
                    // Between two looks.
                    let share = (goal - before) / (vu - before);
                    reached = Some(end - (1.0 - share) * QUANTUM as f64 / f64::from(rate));
                }
                (top, before) = (top.max(vu), vu);
            }
            let (ms, over) = (1000.0 * reached.unwrap(), 100.0 * (gain(top - m.read(0)) - 1.0));
            if start == 37 {
                println!(
                    "VU at {rate} Hz: 99 % after {ms:.2} ms, overshoot {over:.3} %, rests at {:.4}",
                    m.read(0)
                );
            }
            assert!((ms - 300.0).abs() < 3.0, "{ms} ms: the standard allows 10 %");
            assert!((1.0..1.5).contains(&over) && m.read(0).abs() < 0.01, "{over} % {}", m.read(0));
        }
        // It falls as it rises: to 1 % in 300 ms.
        let mut m = VuMeter::new(rate, 1, REFERENCE_DBFS);
        let x = tone(rate, 1000.0, 0.5, 0, rate as usize * 3);
        (0..quanta(rate, 3.3)).for_each(|q| m.process(&[quantum(q, &x)]));
        let left = 100.0 * gain(m.level(0)) / 0.5;
        assert!((left - 1.0).abs() < 0.25, "{left} % left after 300 ms");
    }
}

#[test]
fn vu_reads_the_average_at_all_frequencies_and_phases() {
    for rate in RATES {
        for hz in [35.0, 1000.0, 10_000.0, 12_000.0, 11_025.0] {
            for phase in [0.0, 0.25, 0.5] {
                let mut m = VuMeter::new(rate, 1, 0.0);
                let x = |n: usize| (2.0 * PI * (hz * n as f64 / f64::from(rate)) + phase * PI).sin();
                (0..quanta(rate, 1.5)).for_each(|q| m.process(&[quantum(q, &x)]));
                // At 35 Hz the needle trembles; at a quarter of 44.1 kHz 16 points a period are left.
                let bound = if hz < 100.0 { 0.2 } else { 0.12 };
                assert!(m.read(0).abs() < bound, "{hz} Hz at {rate}, phase {phase}: {:.3}", m.read(0));
            }
        }
    }
    // Average responding: a square wave of the same peak reads 3.9 dB more than a sine.
    let mut m = VuMeter::new(192_000, 1, 0.0);
    let x = |n: usize| if (n / 960).is_multiple_of(2) { 0.5 } else { -0.5 };
    (0..quanta(192_000, 2.0)).for_each(|q| m.process(&[quantum(q, &x)]));
    assert!((m.read(0) + 6.0206 - 3.922).abs() < 0.02, "{}", m.read(0));
}

fn burst(rate: u32, kind: PpmType, ms: f64, start: usize) -> f64 {
    let mut m = PpmMeter::new(rate, 1, kind, REFERENCE_DBFS);
    let x = tone(rate, 5000.0, 0.5, start, (ms * f64::from(rate) / 1000.0).round() as usize);
    (0..quanta(rate, ms / 1000.0 + 0.02)).for_each(|q| m.process(&[quantum(q, &x)], q as u64 + 1));
    m.highest(0, 0)
}

#[test]
fn ppm_bursts_of_the_tables() {
    type Table = [(f64, f64)];
    let tables: [(PpmType, &Table); 3] = [
        (PpmType::I, &[(10.0, -1.0), (5.0, -2.0), (3.0, -4.0), (0.4, -15.0)]),
        (PpmType::IIa, &[(100.0, 0.0), (10.0, -2.0), (5.0, -4.0), (1.5, -9.0), (0.5, -17.0)]),
        (PpmType::IIb, &[(100.0, 0.0), (10.0, -2.0), (5.0, -4.0), (1.5, -9.0), (0.5, -17.0)]),
    ];
    for (kind, table) in tables {
        for rate in RATES {
            let held = burst(rate, kind, 600.0, 0);
            for (ms, want) in table {
                let reads: Vec<f64> = STARTS.iter().map(|s| burst(rate, kind, *ms, *s) - held).collect();
                println!("{kind:?} at {rate} Hz, {ms} ms: {reads:.3?} dB, table {want}");
                assert!(reads.iter().all(|r| (r - want).abs() < 0.5), "{kind:?} {rate} {ms}: {reads:?}");
            }
        }
    }
}

#[test]
fn ppm_integration_time_and_return() {
    for rate in RATES {
        for (kind, integration, tolerance) in [(PpmType::I, 5.0, 1.0), (PpmType::IIb, 10.0, 2.0)] {
            // The burst that reads 2 dB below the tone held.
            let held = burst(rate, kind, 600.0, 0);
            let (mut low, mut high) = (1.0, 20.0);
            while high - low > 0.05 {
                let ms = 0.5 * (low + high);
                if burst(rate, kind, ms, 0) - held < -2.0 { low = ms } else { high = ms }
            }
            println!("{kind:?} at {rate} Hz: integration time {low:.2} ms");
            assert!((low - integration).abs() < tolerance, "{low} ms");
        }
        for (kind, fall, time) in
            [(PpmType::I, 20.0, 1.7), (PpmType::IIa, 24.0, 2.8), (PpmType::Digital, 20.0, 1.7)]
        {
            let mut m = PpmMeter::new(rate, 1, kind, REFERENCE_DBFS);
            let x = tone(rate, 1000.0, 0.5, 0, rate as usize / QUANTUM * QUANTUM);
            let first = quanta(rate, 1.0);
            (0..first).for_each(|q| m.process(&[quantum(q, &x)], q as u64));
            assert!((m.level(0) + 6.0206).abs() < 0.1, "{kind:?}: steady {:.3}", m.level(0));
            let (from, mut q) = (m.level(0), first);
            while m.level(0) > from - fall {
                m.process(&[[0.0; QUANTUM]], q as u64);
                q += 1;
            }
            let took = ((q - first) * QUANTUM) as f64 / f64::from(rate);
            println!("{kind:?} at {rate} Hz falls {fall} dB in {took:.3} s");
            assert!((took - time).abs() < 0.02, "{took} s; the standard allows 0.3");
        }
    }
}

#[test]
fn ppm_scales_and_frequencies() {
    for rate in RATES {
        for hz in [40.0, 1000.0, 5000.0, 12_000.0, 15_000.0] {
            for phase in [0.0, 0.5] {
                let mut m = PpmMeter::new(rate, 1, PpmType::IIb, REFERENCE_DBFS);
                let x = |n: usize| {
                    gain(-18.0) * (2.0 * PI * (hz * n as f64 / f64::from(rate)) + phase * PI).sin()
                };
                (0..quanta(rate, 0.8)).for_each(|q| m.process(&[quantum(q, &x)], q as u64 + 1));
                let read = m.reading(m.highest(0, 1));
                assert!(read.abs() < 0.3, "{hz} Hz at {rate}: {read:.3} dB about the reference");
            }
        }
    }
    for (kind, at_reference, six_over) in [
        (PpmType::I, -9.0, -3.0),
        (PpmType::IIa, 4.0, 5.5),
        (PpmType::IIb, 0.0, 6.0),
        (PpmType::Digital, -18.0, -12.0),
    ] {
        assert_eq!((kind.reading(-18.0, -18.0), kind.reading(-12.0, -18.0)), (at_reference, six_over));
    }
    let mut m = PpmMeter::new(48_000, 1, PpmType::Digital, REFERENCE_DBFS);
    let mut x = [0.0; QUANTUM];
    x[11] = -0.5;
    m.process(&[x], 1);
    assert!((m.highest(0, 0) + 6.0206).abs() < 1e-3, "one sample is enough: {}", m.highest(0, 0));
}

#[test]
fn rms_windows_and_their_scales() {
    for rate in RATES {
        for seconds in [0.05, 0.3, 0.6, 10.0] {
            let mut m = RmsMeter::new(rate, 1, seconds).unwrap();
            let x = tone(rate, 1000.0, 1.0, 0, usize::MAX);
            (0..quanta(rate, seconds) + 4).for_each(|q| m.process(&[quantum(q, &x)]));
            assert!((m.read(0) + 3.0103).abs() < 0.03 && m.read_aes17(0).abs() < 0.03, "{}", m.read(0));
            // Half a window of silence later half the power is left.
            (0..quanta(rate, seconds / 2.0)).for_each(|_| m.process(&[[0.0; QUANTUM]]));
            let half = m.read(0) + 6.0206;
            // Windows are whole quanta: of 50 ms at 44.1 kHz there are 34, and 17 are half of them.
            assert!(half.abs() < 0.3, "{half} dB at half the window of {seconds} s");
            (0..quanta(rate, seconds / 2.0) + 2).for_each(|_| m.process(&[[0.0; QUANTUM]]));
            assert_eq!(m.read(0), f64::NEG_INFINITY);
        }
    }
    let refused = RmsMeter::new(48_000, 2, 0.01).err().map(|e| e.to_string());
    assert_eq!(refused.as_deref(), Some("a window of 0.01 s is outside 0.05 to 10 s"));
    // A sine of −20 dBFS is 0 on K-20, −6 on K-14, −8 on K-12.
    let rms = -20.0 - 3.0103;
    let read = [KScale::K20, KScale::K14, KScale::K12].map(|k| k.reading(rms).round());
    assert_eq!(read, [0.0, -6.0, -8.0]);
}
