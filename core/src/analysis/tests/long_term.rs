// SPDX-License-Identifier: MIT OR Apache-2.0
//! Spectra over a whole programme, and rows over time.

use super::signals::Noise;
use super::spectrum::sine;
use crate::analysis::long_term::{LongTerm, LongTermSettings};
use crate::analysis::spectrogram::{BYTE_LOW_DB, BYTES_PER_DB, Spectrogram, SpectrogramSettings};
use crate::analysis::spectrum_frames::Shape;
use crate::analysis::spectrum_settings::Source;
use crate::dsp::{Frames, QUANTUM, SILENCE};

fn db(level: f64) -> f64 {
    10f64.powf(level / 20.0)
}

/// Seconds of a 1 kHz tone at a level.
fn tone(l: &mut LongTerm, seconds: f64, level: f64) {
    (0..(seconds * 750.0) as usize).for_each(|q| l.process(&[sine(q, 1000.0, 48e3, db(level), 0.0)]));
}

fn mono(fraction: usize) -> LongTerm {
    LongTerm::new(
        48_000,
        1,
        &LongTermSettings {
            fraction,
            shape: Shape::new(4096),
            ..LongTermSettings::new(&[Source::Channel(0)])
        },
    )
    .unwrap()
}

#[test]
fn gates_leave_out_silence_and_what_is_quiet() {
    let mut l = mono(3);
    assert!(l.read().hz.is_empty());
    tone(&mut l, 10.0, -20.0);
    (0..7500).for_each(|_| l.process(&[SILENCE]));
    tone(&mut l, 10.0, -40.0);
    let r = l.read();
    let i = r.hz.iter().position(|hz| (hz - 1000.0).abs() < 1.0).unwrap();
    // The relative gate: 10 LU below the mean of −20 and −40 dBFS, half of each; K weighting is 0 dB at 1 kHz,
    // −0.69 and +0.69 cancel, and a sine's RMS is 3.01 dB below its peak.
    let gate = -20.0 - 3.01 + 10.0 * (0.505f64).log10() - 10.0;
    println!(
        "mean {:.3} dB, gate {:.2} LUFS, {} of {} windows",
        r.mean[i],
        r.gate.unwrap(),
        r.windows,
        r.windows_all
    );
    assert!((f64::from(r.mean[i]) + 20.0).abs() < 0.05 && (r.gate.unwrap() - gate).abs() < 0.1);
    assert!((r.windows as f64 / r.windows_all as f64 - 1.0 / 3.0).abs() < 0.01);
    assert!(r.percentiles.iter().all(|p| (f64::from(p[i]) + 20.0).abs() <= 0.5));
    l.reset();
    assert_eq!((l.read().windows_all, l.read().gate), (0, None));
}

#[test]
fn percentiles_are_shares_of_time() {
    // Levels that rise evenly from −30 to −20 dBFS: 10 % are below −29, half below −25, 90 % below −21.
    let mut l = mono(6);
    for step in 0..200 {
        // The same phase all along.
        (0..75).for_each(|q| {
            l.process(&[sine(step * 75 + q, 3350.0, 48e3, db(-30.0 + 0.05 * step as f64), 0.0)])
        });
    }
    let r = l.read();
    let i = r.mean.iter().enumerate().fold(0, |m, (i, l)| if *l > r.mean[m] { i } else { m });
    let p: Vec<f32> = r.percentiles.iter().map(|p| p[i]).collect();
    println!("{:.0} Hz: 10, 50, 90 %: {p:?}, mean {:.2}", r.hz[i], r.mean[i]);
    for (got, want) in p.iter().zip([-29.0, -25.0, -21.0]) {
        assert!((f64::from(*got) - want).abs() < 0.3, "{got} for {want}");
    }
}

#[test]
fn the_mean_is_that_of_all_sources_and_of_noise() {
    let mut l = LongTerm::new(48_000, 2, &LongTermSettings::new(&Source::each(2))).unwrap();
    let mut noise = Noise(17);
    for _ in 0..60 * 750 {
        l.process(&[(); 2].map(|_| std::array::from_fn(|_| 0.3 * noise.next())));
    }
    let r = l.read();
    // From 1 kHz on a band and a minute of two signals scatter by less than 0.03 dB.
    let mut worst = 0.0f64;
    for (hz, level) in r.hz.iter().zip(&r.mean).filter(|(hz, _)| **hz > 1000.0) {
        let band = hz * (10f64.powf(0.025) - 10f64.powf(-0.025));
        let want = 10.0 * (2.0 * 2.0 * 0.09 / 3.0 * band / 24_000.0).log10();
        worst = worst.max((f64::from(*level) - want).abs());
    }
    println!("two channels of noise: within {worst:.3} dB");
    assert!(worst < 0.1);
}

#[test]
fn a_gap_is_not_in_the_average() {
    let mut l = mono(3);
    for part in 0..20 {
        (0..150).for_each(|q| l.process(&[sine(q, 1000.0, 48e3, 0.5, 0.7 * part as f64)]));
        l.gap(10);
    }
    let r = l.read();
    let far =
        r.hz.iter()
            .zip(&r.percentiles[2])
            .filter(|(hz, _)| **hz > 3000.0)
            .map(|(_, l)| *l)
            .fold(f32::MIN, f32::max);
    println!("two octaves from a tone with 20 seams: {far:.0} dB");
    assert!(far < -95.0 && r.frames_missed == 200);
}

#[test]
fn rows_come_in_time_with_the_level_of_a_sine() {
    for rate in [44_100u32, 48_000, 96_000] {
        for (rows_hz, resolutions) in [(30.0, 1), (12.5, 1), (30.0, 3)] {
            let settings = SpectrogramSettings {
                rows_hz,
                resolutions,
                ..SpectrogramSettings::new(&[Source::Channel(0), Source::Channel(1)])
            };
            let mut s = Spectrogram::new(rate, 2, &settings).unwrap();
            let (mut next, mut count, mut last) = (s.next_row(), 0, None);
            let quanta = 3 * rate as usize / QUANTUM;
            for q in 0..quanta {
                s.process(&[sine(q, 2345.0, f64::from(rate), db(-33.3), 0.0), SILENCE]);
                for row in s.rows_from(next) {
                    assert_eq!(row.number, count);
                    let due = row.end as f64 * rows_hz / f64::from(rate);
                    // On the first whole quantum.
                    assert!(
                        due - due.round() > -1e-9 && due - due.round() < 64.0 * rows_hz / f64::from(rate),
                        "{due}"
                    );
                    count += 1;
                    last = Some(row.clone());
                }
                next = s.next_row();
            }
            let row = last.unwrap();
            let at = s.hz().iter().position(|hz| (hz / 2345.0).log2().abs() <= 0.5 / 24.0).unwrap();
            let level = BYTE_LOW_DB + f64::from(row.levels[0][at]) / BYTES_PER_DB;
            println!("{rate} Hz, {rows_hz} rows/s: {count} rows of {} bytes, {level} dB", s.hz().len());
            assert!((level + 33.3).abs() <= 0.35 && row.levels[0].iter().max() == Some(&row.levels[0][at]));
            assert!(row.levels[1].iter().all(|b| *b == 0));
            assert!(count as f64 > 3.0 * rows_hz - 0.1 * rows_hz - 2.0);
        }
    }
}

#[test]
fn a_row_follows_the_sound_and_no_row_spans_a_gap() {
    let settings = SpectrogramSettings { size: 1024, ..SpectrogramSettings::new(&[Source::Channel(0)]) };
    let mut s = Spectrogram::new(48_000, 1, &settings).unwrap();
    (0..750).for_each(|q| s.process(&[if q < 375 { sine(q, 5000.0, 48e3, 1.0, 0.0) } else { SILENCE }]));
    let at = s.hz().iter().position(|hz| (hz / 5000.0).log2().abs() <= 0.5 / 24.0).unwrap();
    let loud: Vec<u64> = s.rows_from(0).filter(|r| r.levels[0][at] > 200).map(|r| r.end).collect();
    let end = *loud.last().unwrap();
    println!("the tone ends at 24000, in the row that ends at {end}");
    assert!((24_000..26_000).contains(&end) && s.rows_from(0).last().unwrap().levels[0][at] == 0);
    let before = s.next_row();
    s.gap(12_345);
    (0..200).for_each(|q| s.process(&[sine(q, 1000.0, 48e3, 1.0, 1.6)]));
    let rows: Vec<_> = s.rows_from(before).collect();
    assert_eq!((rows[0].frames_missed, rows[1].frames_missed), (12_345, 0));
    let (high, tone) = (s.hz().iter().position(|hz| *hz > 8000.0).unwrap(), 240.0);
    for row in &rows {
        assert!(row.levels[0].iter().all(|b| f64::from(*b) <= tone + 1.0));
        assert!(row.levels[0][high..].iter().all(|b| *b < 64), "{row:?}");
    }
    // Memory: four seconds of rows.
    (0..20_000).for_each(|_| s.process(&[[0.1; QUANTUM] as Frames]));
    assert_eq!(s.rows_from(0).count(), 120);
    s.reset();
    assert_eq!(s.rows_from(0).count(), 0);
    let told = Spectrogram::new(48_000, 1, &SpectrogramSettings { rows_hz: 100.0, ..settings })
        .unwrap_err()
        .to_string();
    assert_eq!(told, "rows a second is 100 Hz; allowed is 1 to 60 Hz");
}
