// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a saturator must do, measured.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]

use crate::analysis::LoudnessMeter;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;
use crate::units::rig::{Noise, Rig, db, peak, sine};
use crate::units::tones::{QUALITIES, RATES, heard, idle, line, step_leaves, tone};

const MODELS: [&str; 5] = ["tube", "tape", "transformer", "harmonics", "soft"];
const TUBE: f64 = 0.0;
const TAPE: f64 = 1.0;
const TRANSFORMER: f64 = 2.0;
const HARMONICS: f64 = 3.0;
const SOFT: f64 = 4.0;
/// 0 VU in dBFS.
const VU: f64 = -18.0;

/// Aliases of 5 kHz in full scale, the worst line below 20 kHz.
#[test]
fn models_leave_no_alias() {
    for (m, model) in MODELS.iter().enumerate() {
        for (q, name) in QUALITIES.iter().enumerate() {
            let more = [(48_000, 0.0), (48_000, 24.0)];
            for (rate, drive) in [44_100, 48_000, 96_000].map(|r| (r, 12.0)).into_iter().chain(more) {
                let set = [("model", m as f64), ("drive", drive), ("quality", q as f64)];
                let t = tone("saturator", rate, &set, 5_000.0, 0.0, 0.7);
                println!(
                    "{rate} Hz, {model}, {name}, drive {drive}: {:.1} dBc at most, {:.1} in all",
                    t.alias, t.aliases
                );
                let hot = drive > 12.0;
                let most = match (m as f64, q) {
                    (TAPE, 2) => {
                        if hot {
                            -78.0
                        } else {
                            -98.0
                        }
                    }
                    (TAPE, 1) => {
                        if hot {
                            -45.0
                        } else {
                            -88.0
                        }
                    }
                    (TAPE, _) => {
                        if hot {
                            -30.0
                        } else {
                            -60.0
                        }
                    }
                    (_, 2) => -110.0,
                    (_, 1) => {
                        if hot {
                            -74.0
                        } else {
                            -102.0
                        }
                    }
                    _ => {
                        if hot {
                            -40.0
                        } else {
                            -99.0
                        }
                    }
                };
                assert!(t.alias < most, "{:.1} dBc over {most}", t.alias);
            }
        }
    }
}

#[test]
fn a_quiet_signal_passes_flat_and_as_late_as_is_said() {
    for rate in RATES {
        for (q, name) in QUALITIES.iter().enumerate() {
            let mut latencies = vec![];
            for (m, model) in MODELS.iter().enumerate() {
                for drive in [0.0, 24.0].into_iter().filter(|d| *d == 0.0 || rate == 48_000) {
                    let set = [("model", m as f64), ("quality", q as f64), ("drive", drive)];
                    let (level, shift) = idle("saturator", rate, &set, 20.0, 20_000.0);
                    latencies.push(Rig::new("saturator", rate, "mono", &set).unit.latency());
                    println!(
                        "{rate} Hz, {name}, {model}, drive {drive}: {level:.5} dB, {shift:.1e} samples off"
                    );
                    assert!(level < 0.01 && shift < 0.05);
                }
            }
            println!("{rate} Hz, {name}: {} frames", latencies[0]);
            assert!(latencies.iter().all(|l| *l == latencies[0]), "{latencies:?}");
        }
    }
}

#[test]
fn harmonics_have_the_levels_asked_for() {
    let asked = [-42.0, -38.0, -55.0, -47.0, -61.0, -52.0];
    let names = ["h2", "h3", "h4", "h5", "h6", "h7"];
    for (hz, drive, level) in
        [(997.0, 0.0, 0.0), (100.0, 0.0, 0.0), (997.0, 18.0, VU), (2_000.0, 12.0, -12.0)]
    {
        for quality in 0..3 {
            let mut set = vec![("model", HARMONICS), ("drive", drive), ("quality", f64::from(quality))];
            set.extend(names.into_iter().zip(asked));
            let t = tone("saturator", 48_000, &set, hz, level, 0.5);
            let off = t.harmonics.iter().zip(asked).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
            println!(
                "{hz} Hz at {level} dBFS, drive {drive}, quality {quality}: {:.3?}, off {off:.4}; fundamental {:+.2}",
                &t.harmonics[..6],
                t.gain
            );
            assert!(off < 0.1 && t.alias < -105.0, "{off} dB, {} dBc", t.alias);
        }
    }
    // At 20 dB less, harmonic n is 20 (n − 1) dB less beside the fundamental, and the level is its own.
    let t =
        tone("saturator", 48_000, &[("model", HARMONICS), ("h2", -40.0), ("h3", -120.0)], 997.0, -20.0, 0.5);
    println!("20 dB less: {:.2?}, {:.4} dB", &t.harmonics[..2], t.gain);
    assert!((t.harmonics[0] + 60.0).abs() < 0.1 && t.gain.abs() < 0.001);
}

#[test]
fn the_transformer_follows_the_flux() {
    let h3 = |hz: f64| {
        let x = sine(hz, 48e3, 10f64.powf(VU / 20.0), 60_032);
        let y = Rig::new("saturator", 48_000, "mono", &[("model", TRANSFORMER)]).run(&[x]).remove(0);
        db(line(&y, 48e3, 3.0 * hz, 4800) / line(&y, 48e3, hz, 4800))
    };
    let levels: Vec<f64> = [30.0, 60.0, 120.0, 240.0, 480.0, 1000.0].into_iter().map(h3).collect();
    println!("third harmonic at 0 VU, 30 to 1000 Hz: {levels:.2?} dB");
    assert!((levels[0] + 60.0).abs() < 0.5 && levels[5] < -110.0);
    let falls: Vec<f64> = levels[..5].windows(2).map(|w| w[0] - w[1]).collect();
    println!("falls by {falls:.2?} dB per octave");
    // At 30 Hz the core's own corner, 7 Hz, still shows.
    assert!(falls.iter().skip(1).all(|f| (f - 12.04).abs() < 0.3) && (11.2..12.1).contains(&falls[0]));
}

#[test]
fn tape_tube_and_soft_have_the_harmonics_they_are_known_for() {
    let at = |set: &[(&str, f64)], level: f64| tone("saturator", 48_000, set, 1000.0, level, 1.0).harmonics;
    let tape = at(&[("model", TAPE)], VU);
    println!("tape at 0 VU: {:.1?}; at +8: {:.1?}", &tape[..3], &at(&[("model", TAPE)], VU + 8.0)[..3]);
    assert!((-50.0..-38.0).contains(&tape[1]) && tape[0] < -150.0, "odd alone");
    let bare = at(&[("model", TAPE), ("tape_bias", 0.0)], VU);
    println!("without bias: {:.1?}", &bare[..3]);
    assert!(bare[1] > tape[1] + 6.0);
    for cold in [0.0, 30.0, 100.0] {
        let tube = at(&[("model", TUBE), ("asymmetry", cold)], VU);
        println!("tube, asymmetry {cold} %, at 0 VU: {:.1?}", &tube[..3]);
        assert!(cold == 0.0 || tube[0] > tube[1] + 10.0, "the second leads");
    }
    let soft = at(&[("model", SOFT), ("asymmetry", 0.0)], VU);
    println!("soft at 0 VU: {:.1?}", &soft[..3]);
    assert!(soft[0] < -200.0 && (soft[1] + 57.6).abs() < 1.0, "x³/3 of 0.126 is −57.6 dB");
}

/// A loud passage drives the grid positive; the second harmonic of what follows is another, until it has recovered.
#[test]
fn the_tube_shifts_its_bias_and_recovers() {
    let (n, rate) = (48_000, 48e3);
    for grid in [5.0, 50.0] {
        let x = [sine(1000.0, rate, 4.0, n), sine(1000.0, rate, 0.126, n)].concat();
        let y = Rig::new("saturator", 48_000, "mono", &[("grid", grid)]).run(&[x]).remove(0);
        // Second harmonic around a moment, over 10 ms under Hann's window.
        let second = |ms: usize| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, v) in y[n + 48 * ms..][..480].iter().enumerate() {
                let w = 2.0 * std::f64::consts::PI * i as f64;
                let hann = (1.0 - (w / 480.0).cos()) / 240.0;
                re += hann * v * (w * 2000.0 / rate).cos();
                im += hann * v * (w * 2000.0 / rate).sin();
            }
            db(re.hypot(im) / 0.126)
        };
        let [soon, later, rest] = [5, 40, 900].map(second);
        println!("{grid} ms: {soon:.2} dB after 10 ms, {later:.2} after 45 ms, {rest:.2} at rest");
        assert!((soon - rest).abs() > 0.3 && (grid == 5.0) == ((later - rest).abs() < 0.1));
    }
}

fn loudness(audio: &[Vec<f64>]) -> f64 {
    let mut meter = LoudnessMeter::new(48_000, &Layout::named("stereo").unwrap());
    for from in (0..audio[0].len() / QUANTUM).map(|q| q * QUANTUM) {
        let quantum: Vec<Frames> =
            audio.iter().map(|c| c[from..from + QUANTUM].try_into().unwrap()).collect();
        meter.process(&quantum);
    }
    meter.read().integrated.unwrap()
}

/// Kellet's filter, about −18 dBFS.
fn pink(frames: usize, r: &mut Noise) -> Vec<f64> {
    let mut b = [0.0f64; 3];
    (0..frames)
        .map(|_| {
            let w = r.next();
            b[0] = 0.997_65 * b[0] + 0.099_046 * w;
            b[1] = 0.963 * b[1] + 0.296_516_4 * w;
            b[2] = 0.57 * b[2] + 1.052_691_3 * w;
            0.07 * (b[0] + b[1] + b[2] + 0.1848 * w)
        })
        .collect()
}

/// Kicks, a bass, chords and hats at 120 beats a minute, with peaks near full scale.
fn music(frames: usize, r: &mut Noise) -> Vec<f64> {
    let tau = 2.0 * std::f64::consts::PI;
    (0..frames)
        .map(|n| {
            let t = n as f64 / 48e3;
            let (beat, eighth) = (t % 0.5, t % 0.25);
            let kick = 0.5 * (-beat / 0.09).exp() * (tau * (50.0 * beat - 6.0 * (-beat / 0.02).exp())).sin();
            let bass = 0.15 * (tau * [55.0, 65.4, 49.0, 41.2][(t / 2.0) as usize % 4] * t).sin();
            let chord: f64 = [220.0, 277.2, 329.6].iter().map(|f| 0.05 * (tau * f * t).sin()).sum();
            kick + bass + chord * (1.0 - 0.5 * beat) + 0.08 * (-eighth / 0.03).exp() * r.next()
        })
        .collect()
}

#[test]
fn auto_gain_keeps_the_loudness() {
    let (frames, from) = (48_000 * 18 / QUANTUM * QUANTUM, 48_000 * 8);
    let mut r = Noise(21);
    let signals = [
        ("pink noise", vec![pink(frames, &mut r), pink(frames, &mut r)]),
        ("music", vec![music(frames, &mut r), music(frames, &mut r)]),
    ];
    for (name, x) in &signals {
        let tail = |v: &[Vec<f64>]| v.iter().map(|c| c[from..].to_vec()).collect::<Vec<_>>();
        let input = loudness(&tail(x));
        for (m, model) in MODELS.iter().enumerate() {
            let set =
                [("model", m as f64), ("drive", 15.0), ("h3", -30.0), ("auto_gain", 1.0), ("quality", 0.0)];
            let y = Rig::new("saturator", 48_000, "stereo", &set).run(x);
            let raw = Rig::new("saturator", 48_000, "stereo", &[&set[..3], &set[4..]].concat()).run(x);
            let (matched, raw) = (loudness(&tail(&y)) - input, loudness(&tail(&raw)) - input);
            println!("{model}, drive 15 dB, {name}: {raw:+.2} LU without, {matched:+.3} LU with auto gain");
            assert!(matched.abs() < 0.2, "{matched}");
        }
    }
}

#[test]
fn what_models_add_has_no_constant_and_the_input_keeps_its_own() {
    for (m, model) in MODELS.iter().enumerate() {
        let set = [("model", m as f64), ("drive", 12.0), ("asymmetry", 100.0), ("h2", -30.0)];
        let mut rig = Rig::new("saturator", 48_000, "mono", &set);
        let y = rig.run(&[sine(400.0, 48e3, 0.5, 96_000)]).remove(0);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let made = mean(&y[96_000 - 48_000..]);
        let mut rig = Rig::new("saturator", 48_000, "mono", &[("model", m as f64)]);
        let kept = mean(&rig.run(&[vec![0.01; 96_000]]).remove(0)[90_000..]);
        println!("{model}: makes {:.1} dBFS, keeps 0.01 as {kept:.6}", db(made.abs()));
        assert!(made.abs() < 1e-5 && (kept - 0.01).abs() < 1e-6);
    }
}

#[test]
fn the_difference_is_the_distortion() {
    let x = sine(1000.0, 48e3, 0.5, 300 * QUANTUM);
    for (m, model) in MODELS.iter().enumerate() {
        let set = [("model", m as f64), ("output", -6.0)];
        let (out, delta) = heard("saturator", &set, &x);
        let mut rig = Rig::new("saturator", 48_000, "mono", &set);
        let want = rig.run(std::slice::from_ref(&x)).remove(0);
        assert!(out == want, "listening changes nothing");
        let late = rig.unit.latency();
        let gain = 10f64.powf(-6.0 / 20.0);
        let sum =
            (late..out.len()).map(|n| (out[n] / gain - x[n - late] - delta[n]).abs()).fold(0.0, f64::max);
        let level = db(peak(&delta[200 * QUANTUM..]));
        println!(
            "{model}: the difference is {level:.1} dBFS, and what is added to the sound within {sum:.0e}"
        );
        assert!(sum < 1e-15 * 16.0 && (-90.0..-10.0).contains(&level));
    }
}

#[test]
fn anything_that_comes_stays_finite_and_is_forgotten_soon() {
    let n = 75 * QUANTUM;
    for (m, model) in MODELS.iter().enumerate() {
        for quality in 0..3 {
            let set = [("model", m as f64), ("drive", 36.0), ("quality", f64::from(quality)), ("h7", -30.0)];
            let mut r = Noise(77);
            let after = 10 * n;
            let mut x: Vec<f64> =
                (0..n).map(|k| 1e4 * if k % 5 == 0 { r.next().signum() } else { r.next() }).collect();
            x.extend(sine(300.0, 48e3, 0.01, after));
            let y = Rig::new("saturator", 48_000, "mono", &set).run(&[x]).remove(0);
            let calm = [vec![0.0; n], sine(300.0, 48e3, 0.01, after)].concat();
            let want = Rig::new("saturator", 48_000, "mono", &set).run(&[calm]).remove(0);
            assert!(y.iter().all(|v| v.is_finite() && v.abs() < 1e6), "{}", peak(&y));
            let off = |ms: usize| -> f64 {
                let at = n + 48 * ms;
                let d: Vec<f64> = (at..at + 480).map(|n| y[n] - want[n]).collect();
                db(peak(&d) / peak(&want[at..at + 480]))
            };
            println!(
                "{model}, quality {quality}: off by {:.1} dB after 100 ms, {:.1} after 500",
                off(100),
                off(500)
            );
            assert!(off(100) < -10.0 && off(500) < -60.0);
        }
    }
}

#[test]
fn steps_leave_no_click() {
    let moves: [(f64, &str, f64, f64); 16] = [
        (TUBE, "drive", 0.0, 12.0),
        (TUBE, "asymmetry", 0.0, 100.0),
        (TUBE, "grid", 5.0, 50.0),
        (TUBE, "output", -24.0, 24.0),
        (TAPE, "drive", -24.0, 24.0),
        (TAPE, "tape_bias", 0.0, 100.0),
        (TRANSFORMER, "drive", 0.0, 24.0),
        (TRANSFORMER, "asymmetry", 0.0, 100.0),
        (HARMONICS, "drive", -24.0, 0.0),
        (HARMONICS, "h2", -120.0, -30.0),
        (HARMONICS, "h3", -120.0, -30.0),
        (HARMONICS, "h5", -120.0, -30.0),
        (HARMONICS, "h7", -120.0, -30.0),
        (SOFT, "drive", 0.0, 12.0),
        (SOFT, "asymmetry", 0.0, 100.0),
        (SOFT, "auto_gain", 0.0, 1.0),
    ];
    let mut over = vec![];
    for (model, symbol, a, b) in moves {
        for (from, to) in [(a, b), (b, a)] {
            for level in [0.0, -20.0] {
                let (moving, steady) =
                    step_leaves("saturator", &[("model", model), (symbol, from)], (symbol, to), level);
                let line = format!(
                    "{} at {level} dBFS, {symbol} {from} to {to}: {moving:.1} dBFS above 5 kHz, steady {steady:.1}",
                    MODELS[model as usize]
                );
                println!("{line}");
                // These two follow the level as dynamics do: the tube's bias, and the tape's first curve where the
                // field grows.
                let least = if model == TAPE || model == TUBE { -100.0 } else { -120.0 };
                if moving > (steady + 1.0).max(least) {
                    over.push(line);
                }
            }
        }
    }
    assert!(over.is_empty(), "over:\n{}", over.join("\n"));
}

#[test]
fn tape_speed_has_its_losses() {
    for (speed, top) in [(1.0, -3.2), (2.0, -1.2), (3.0, -0.5)] {
        let set = [("model", TAPE), ("tape_speed", speed)];
        let level = |hz: f64| tone("saturator", 48_000, &set, hz, -60.0, 0.5).gain;
        let (low, high) = (level(1000.0), level(20_000.0));
        println!("speed {speed}: {low:.2} dB at 1 kHz, {high:.2} at 20 kHz");
        assert!(low.abs() < 0.3 && (high - low - top).abs() < 0.3);
    }
}
