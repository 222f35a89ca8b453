// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Fourier analysers: lines, noise, averages, gaps.

use std::f64::consts::PI;

use super::signals::Noise;
use crate::analysis::spectrum::{Line, Scale, SpectrumAnalyser, SpectrumSettings};
use crate::analysis::spectrum_frames::{Averaging, OVERLAPS, SIZES, Shape};
use crate::analysis::spectrum_multi::{MultiAnalyser, MultiSettings};
use crate::analysis::spectrum_settings::Source;
use crate::analysis::windows::Window;
use crate::dsp::fft::RealFft;
use crate::dsp::{Frames, QUANTUM, SILENCE};

/// Quantum `q` of a sine; the phase is worked out exactly from whole turns.
pub fn sine(q: usize, hz: f64, rate: f64, amplitude: f64, phase: f64) -> Frames {
    std::array::from_fn(|i| {
        let turns = (q * QUANTUM + i) as f64 * hz / rate;
        amplitude * (2.0 * PI * (turns - turns.floor()) + phase).sin()
    })
}

fn one(size: usize, window: Window, averaging: Averaging) -> SpectrumSettings {
    SpectrumSettings {
        shape: Shape { size, window, overlap: 4 },
        averaging,
        ..SpectrumSettings::new(&[Source::Channel(0)])
    }
}

#[test]
fn a_sine_is_found_anywhere_with_every_window_and_size() {
    let (rate, mut random) = (48_000.0, Noise(5));
    for window in Window::ALL {
        for size in SIZES {
            let mut a = SpectrumAnalyser::new(48_000, 1, &one(size, window, Averaging::Off)).unwrap();
            let (mut worst, mut off, mut scalloping) = (0.0f64, 0.0f64, 0.0f64);
            let count = if size > 16_384 { 6 } else { 24 };
            for i in 0..count {
                // Anywhere from one main lobe above 0 to one below half the rate: the ends themselves, too.
                let (low, high) = (window.lobe_bins() as f64, (size / 2 - window.lobe_bins()) as f64);
                let bin = match i {
                    0 => low,
                    1 => high,
                    _ => low + (high - low) * 0.5 * (1.0 + random.next()),
                };
                let (hz, level, phase) =
                    (bin * rate / size as f64, 10.0 * random.next() - 15.0, 3.0 * random.next());
                a.gap(0);
                for q in 0..size / QUANTUM {
                    a.process(&[sine(q, hz, rate, 10f64.powf(level / 20.0), phase)]);
                }
                let lines = a.lines(0, 1);
                worst = worst.max((lines[0].level - level).abs());
                off = off.max((lines[0].hz - hz).abs() * size as f64 / rate);
                let top = a.read().traces[0].level.iter().copied().fold(f32::MIN, f32::max);
                scalloping = scalloping.max(level - f64::from(top));
            }
            println!(
                "{window:?} of {size}: level within {worst:.4} dB, place within {off:.4} bin; \
                 the bin itself at most {scalloping:.3} dB low"
            );
            // At the very ends the mirror image's side lobes are in the way: 32 dB down with Hann.
            assert!(worst < 0.1 && off < 0.05, "{window:?} of {size}: {worst} dB, {off} bins");
            let most = [1.44, 0.84, 0.52, 0.02][Window::ALL.iter().position(|w| *w == window).unwrap()];
            assert!(scalloping < most, "{window:?} of {size}: {scalloping}");
        }
    }
}

#[test]
fn a_quiet_line_beside_a_loud_one() {
    let mut a = SpectrumAnalyser::new(48_000, 1, &one(8192, Window::Kaiser, Averaging::Off)).unwrap();
    for q in 0..128 {
        let (loud, quiet) = (sine(q, 1000.3, 48e3, 1.0, 0.0), sine(q, 1100.0, 48e3, 10f64.powf(-6.5), 1.0));
        a.process(&[std::array::from_fn(|i| loud[i] + quiet[i])]);
    }
    let lines = a.lines(0, 40);
    let quiet = lines.iter().find(|l| (l.hz - 1100.0).abs() < 2.0).unwrap();
    println!("130 dB below a line 100 Hz away: {quiet:?}");
    assert!((quiet.level + 130.0).abs() < 0.05 && (quiet.hz - 1100.0).abs() < 0.1);
}

#[test]
fn the_transform_agrees_with_another() {
    let mut noise = Noise(2);
    for size in [1024usize, 16_384] {
        let x: Vec<f64> = (0..size).map(|_| noise.next()).collect();
        let mut theirs = realfft::RealFftPlanner::<f64>::new().plan_fft_forward(size);
        let theirs = std::sync::Arc::get_mut(&mut theirs).map_or_else(
            || unreachable!(),
            |fft| {
                let mut out = fft.make_output_vec();
                fft.process(&mut x.clone(), &mut out).unwrap();
                out
            },
        );
        let ours = RealFft::new(size).spectrum(&x);
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a.0 - b.re).hypot(a.1 - b.im)).fold(0.0, f64::max);
        println!("{size} points: {worst:.1e}");
        assert!(worst < 1e-11, "{worst}");
    }
}

#[test]
fn noise_has_its_density_and_its_power() {
    // Uniform noise of amplitude 0.5: −7.78 dBFS over all frequencies, a full-scale sine being 0.
    let (rate, power) = (48_000.0, 2.0 * 0.25 / 3.0);
    let want = 10.0 * f64::log10(power / (rate / 2.0));
    for (window, overlap) in Window::ALL.into_iter().zip([4, 8, 16, 4]) {
        let mut settings = one(2048, window, Averaging::Infinite);
        (settings.scale, settings.shape.overlap) = (Scale::Density, overlap);
        let mut a = SpectrumAnalyser::new(48_000, 1, &settings).unwrap();
        let mut noise = Noise(7);
        // 1000 bins of some 700 independent windows: a standard deviation of 0.005 dB.
        (0..22_500).for_each(|_| a.process(&[std::array::from_fn(|_| 0.5 * noise.next())]));
        let r = a.read();
        let linear: Vec<f64> = r.traces[0].level.iter().map(|l| 10f64.powf(f64::from(*l) / 10.0)).collect();
        let mean = 10.0 * (linear[8..1016].iter().sum::<f64>() / 1008.0).log10();
        let whole = 10.0 * (linear.iter().sum::<f64>() * r.hz[1]).log10();
        println!("{window:?}: density {mean:.3} dB/Hz for {want:.3}, all {whole:.3} dB");
        assert!((mean - want).abs() < 0.03 && (whole - 10.0 * power.log10()).abs() < 0.03);
    }
}

/// Levels of the bin nearest `hz`, of a sine of full scale that begins after a silence and ends.
fn step(averaging: Averaging, decay: f64, mut each: impl FnMut(f64, f64, f64)) {
    let mut settings = one(1024, Window::Hann, averaging);
    (settings.hold_decay, settings.shape.overlap) = (decay, 16);
    let mut a = SpectrumAnalyser::new(48_000, 1, &settings).unwrap();
    for q in 0..6000 {
        let on = (1500..3750).contains(&q);
        a.process(&[if on { sine(q, 3000.0, 48e3, 1.0, 0.0) } else { SILENCE }]);
        if let Some(t) = a.read().traces.first().filter(|t| !t.level.is_empty()) {
            each((q + 1) as f64 * 64.0 / 48e3 - 2.0, f64::from(t.level[64]), f64::from(t.hold[64]));
        }
    }
}

#[test]
fn averages_rise_and_fall_with_their_time() {
    for (averaging, tau) in [(Averaging::Fast, 0.125), (Averaging::Slow, 1.0)] {
        let (mut rise, mut fall) = (f64::NAN, f64::NAN);
        let (share, left) = (10.0 * (1.0 - (-1f64).exp()).log10(), 10.0 * (-1f64).exp().log10());
        let mut top = 0.0;
        step(averaging, 0.0, |t, level, _| {
            if rise.is_nan() && level > share {
                rise = t;
            }
            if t <= 3.0 {
                top = level;
            } else if fall.is_nan() && level < top + left {
                fall = t - 3.0;
            }
        });
        println!("{averaging:?}: 63 % after {:.1} ms, 37 % after {:.1} ms", 1e3 * rise, 1e3 * fall);
        // A window of 21 ms is half behind.
        assert!((rise - tau).abs() < 0.014 && (fall - tau).abs() < 0.014);
    }
    let mut last = 0.0;
    step(Averaging::Infinite, 0.0, |t, level, _| {
        if (t - 3.0).abs() < 1e-3 {
            last = level;
        }
    });
    println!("3 s of 5: {last:.3} dB");
    assert!((last - 10.0 * 0.6f64.log10()).abs() < 0.03);
}

#[test]
fn what_is_held_falls_as_asked() {
    for decay in [0.0, 20.0, 60.0] {
        let mut at_end = 0.0;
        step(Averaging::Off, decay, |_, _, hold| at_end = hold);
        // The last whole window of the tone ended 3 s before the end.
        println!("{decay} dB/s: {at_end:.2} dB after 3 s");
        assert!((at_end + 3.0 * decay).abs() < 0.02 * decay + 0.01, "{decay}: {at_end}");
    }
}

#[test]
fn the_tilt_turns_around_1_khz() {
    let mut settings = one(4096, Window::Hann, Averaging::Off);
    settings.tilt = 4.5;
    let mut a = SpectrumAnalyser::new(48_000, 1, &settings).unwrap();
    let mut flat = SpectrumAnalyser::new(48_000, 1, &one(4096, Window::Hann, Averaging::Off)).unwrap();
    let mut noise = Noise(1);
    for _ in 0..64 {
        let x: Frames = std::array::from_fn(|_| noise.next());
        a.process(&[x]);
        flat.process(&[x]);
    }
    let (tilted, flat) = (a.read(), flat.read());
    for (k, hz) in tilted.hz.iter().enumerate().skip(1) {
        let turned = tilted.traces[0].level[k] - flat.traces[0].level[k];
        assert!((f64::from(turned) - 4.5 * (hz / 1000.0).log2()).abs() < 1e-3, "{hz} Hz: {turned}");
    }
}

#[test]
fn no_window_spans_a_gap() {
    // With the seam in it, a Kaiser window would show it 40 dB below the tone everywhere.
    for averaging in [Averaging::Off, Averaging::Fast, Averaging::Infinite] {
        let mut a = SpectrumAnalyser::new(48_000, 1, &one(2048, Window::Kaiser, averaging)).unwrap();
        (0..200).for_each(|q| a.process(&[sine(q, 3000.0, 48e3, 1.0, 0.0)]));
        a.gap(1000);
        let between = a.read();
        assert_eq!(between.traces[0].level.is_empty(), averaging != Averaging::Infinite);
        for q in 0..200 {
            a.process(&[sine(q, 9000.0, 48e3, 1.0, 2.0)]);
            let r = a.read();
            if let Some(seam) = r.traces[0].level.get(600..1000) {
                let most = seam.iter().copied().fold(f32::MIN, f32::max);
                assert!(most < -130.0, "{averaging:?}, quantum {q}: {most} dB");
            }
        }
        let r = a.read();
        println!(
            "{averaging:?}: 3 kHz {:.1} dB, 9 kHz {:.2} dB",
            r.traces[0].level[128], r.traces[0].level[384]
        );
        assert_eq!(r.frames_missed, 1000);
        assert_eq!(r.traces[0].level[128] > -10.0, averaging == Averaging::Infinite);
    }
}

#[test]
fn a_reading_changes_nothing_and_silence_is_silence() {
    let settings = SpectrumSettings::new(&[Source::Mid(0, 1), Source::Side(0, 1)]);
    let mut often = SpectrumAnalyser::new(44_100, 2, &settings).unwrap();
    let mut once = often.clone();
    let mut noise = Noise(4);
    for _ in 0..500 {
        let x: Frames = std::array::from_fn(|_| noise.next());
        often.process(&[x, x]);
        once.process(&[x, x]);
        let _ = (often.read(), often.lines(0, 3));
    }
    assert_eq!(often.read(), once.read());
    assert!(often.read().traces[1].level.iter().all(|l| *l == f32::NEG_INFINITY));
    assert!(often.lines(1, 3).is_empty() && often.lines(2, 3).is_empty());
    often.process(&[[f64::NAN; QUANTUM], [f64::INFINITY; QUANTUM]]);
    assert!(often.read().traces[0].level.iter().all(|l| l.is_finite()));
    often.reset();
    assert!(often.read().traces[0].level.is_empty());
}

#[test]
fn wrong_settings_are_refused_with_what_is_allowed() {
    let refused = |change: &dyn Fn(&mut SpectrumSettings)| {
        let mut s = SpectrumSettings::new(&[Source::Channel(0)]);
        change(&mut s);
        SpectrumAnalyser::new(48_000, 2, &s).unwrap_err().to_string()
    };
    let told = refused(&|s| s.shape.size = 1000);
    assert_eq!(told, "size is 1000; allowed is one of 1024, 2048, 4096, 8192, 16384, 32768, 65536");
    assert_eq!(refused(&|s| s.shape.overlap = 2), "overlap is 2; allowed is one of 4, 8, 16");
    assert_eq!(refused(&|s| s.hold_decay = -1.0), "hold decay is -1 dB/s; allowed is 0 to 1000 dB/s");
    assert_eq!(refused(&|s| s.tilt = f64::NAN), "tilt is NaN dB/oct; allowed is 0 to 6 dB/oct");
    assert_eq!(refused(&|s| s.sources[0] = Source::Mid(0, 7)), "channel is 7; allowed is 0 to 1");
    let s = SpectrumSettings::new(&[Source::Channel(0)]);
    assert!(SpectrumAnalyser::new(0, 1, &s).is_err() && SpectrumAnalyser::new(48_000, 0, &s).is_err());
    assert!(OVERLAPS.iter().all(|o| (1024 / o).is_multiple_of(QUANTUM)));
}

#[test]
fn three_resolutions_show_a_sine_at_its_level_anywhere() {
    for rate in [44_100u32, 48_000, 96_000, 192_000] {
        let settings =
            MultiSettings { averaging: Averaging::Off, ..MultiSettings::new(&[Source::Channel(0)]) };
        let mut a = MultiAnalyser::new(rate, 1, &settings).unwrap();
        let (mut worst, mut at) = (0.0f64, 0.0);
        // Where the resolutions meet, and around.
        for hz in [
            24.7, 31.0, 57.3, 210.0, 233.0, 300.0, 341.0, 420.0, 850.0, 1000.0, 1200.0, 1503.0, 1700.0,
            5005.0, 19_000.0,
        ] {
            a.gap(0);
            // Until the longest window is full: 16 × 4096, and what the filters take.
            for q in 0..1100 {
                a.process(&[sine(q, hz, f64::from(rate), 0.5, 1.0)]);
            }
            let r = a.read();
            let (i, top) = r.traces[0]
                .level
                .iter()
                .enumerate()
                .fold((0, f32::MIN), |m, (i, l)| if *l > m.1 { (i, *l) } else { m });
            let e = (f64::from(top) + 6.0206).abs();
            let steps = 48.0 * (r.hz[i] / hz).log2().abs();
            assert!(steps < 0.6, "{rate}: {hz} Hz is shown at {}", r.hz[i]);
            if e > worst {
                (worst, at) = (e, hz);
            }
        }
        println!("{rate} Hz: within {worst:.3} dB, at {at} Hz");
        assert!(worst < 0.1, "{rate}: {worst} at {at}");
    }
}

#[test]
fn three_resolutions_never_span_a_gap() {
    let mut settings = MultiSettings::new(&[Source::Channel(0)]);
    (settings.averaging, settings.shape) =
        (Averaging::Infinite, Shape { window: Window::Kaiser, ..Shape::new(1024) });
    let mut a = MultiAnalyser::new(48_000, 1, &settings).unwrap();
    // A constant that begins at once is a seam for any filter or window that saw silence before.
    a.gap(0);
    (0..1000).for_each(|_| a.process(&[[0.5; QUANTUM]]));
    let r = a.read();
    // Bins of 2.9 Hz at a sixteenth of the rate: the main lobe of 0 Hz ends below 20.
    let most = r.traces[0].level.iter().zip(&r.hz).filter(|(_, hz)| **hz > 24.0).map(|(l, _)| *l);
    let most = most.fold(f32::MIN, f32::max);
    println!("beside a constant that begins in a gap: {most:.0} dB");
    assert!(most < -110.0);
}

#[test]
fn lines_are_the_strongest_first() {
    let mut a =
        SpectrumAnalyser::new(48_000, 1, &one(4096, Window::BlackmanHarris, Averaging::Slow)).unwrap();
    for q in 0..300 {
        let (x, y) = (sine(q, 440.0, 48e3, 0.1, 0.0), sine(q, 5000.0, 48e3, 0.2, 0.0));
        a.process(&[std::array::from_fn(|i| x[i] + y[i])]);
    }
    let near = |l: &Line, hz: f64, level: f64| (l.hz - hz).abs() < 0.1 && (l.level - level).abs() < 0.01;
    let lines = a.lines(0, 2);
    assert!(
        lines.len() == 2 && near(&lines[0], 5000.0, -13.979) && near(&lines[1], 440.0, -20.0),
        "{lines:?}"
    );
}
