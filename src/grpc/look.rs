// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks at spectra and pairs, ours to theirs: pure, no sockets.

use lathe_core::analysis::scope::ScopeReadings;
use lathe_core::analysis::spectrum::SpectrumReadings;
use lathe_core::analysis::stereo_field::StereoReadings;

use super::v1;
use super::v1::watch_spectrum_response::{Row, Trace, Wiring};
use crate::telemetry::{Look, Sight};

/// One look at a spectrum.
pub fn spectrum(look: Look) -> v1::WatchSpectrumResponse {
    let mut out = v1::WatchSpectrumResponse {
        sequence: look.sequence,
        missed: look.missed,
        engine_frame: look.engine_frame,
        audible: look.audible,
        frames_missed: look.frames_missed,
        ..Default::default()
    };
    match look.sight {
        Some(Sight::Spectrum(s)) => {
            let SpectrumReadings { hz, traces, windows, .. } = s;
            let trace = |t: lathe_core::analysis::spectrum::Trace| Trace {
                level: t.level,
                hold: t.hold,
                ..Default::default()
            };
            (out.frequencies, out.windows) = (hz, windows);
            out.traces = traces.into_iter().map(trace).collect();
        }
        Some(Sight::Bands(b)) => {
            out.frequencies = b.bands.iter().map(|b| b.centre).collect();
            let both = b.levels.into_iter().zip(b.highest);
            out.traces = both.map(|(level, hold)| Trace { level, hold, ..Default::default() }).collect();
        }
        Some(Sight::LongTerm(l)) => {
            let [percentile_10, percentile_50, percentile_90] = l.percentiles;
            let trace =
                Trace { level: l.mean, percentile_10, percentile_50, percentile_90, ..Default::default() };
            (out.frequencies, out.traces, out.windows) = (l.hz, vec![trace], l.windows);
        }
        Some(Sight::Rows { hz, rows }) => {
            out.frequencies = hz;
            let row = |r: lathe_core::analysis::spectrogram::Row| Row {
                number: r.number,
                levels: r.levels,
                frames_missed: r.frames_missed,
            };
            out.rows = rows.into_iter().map(row).collect();
        }
        Some(Sight::Transfer(t)) => {
            let trace =
                Trace { level: t.magnitude, phase: t.phase, coherence: t.coherence, ..Default::default() };
            (out.frequencies, out.traces, out.windows) = (t.hz, vec![trace], t.windows);
            out.delay = t.delay as u64;
        }
        Some(Sight::Wiring(w)) => {
            let one = |w: Option<lathe_core::analysis::polarity::Wiring>| match w {
                Some(w) => {
                    Wiring { source: Some(w.source as u32), inverted: w.inverted, likeness: Some(w.likeness) }
                }
                None => Wiring::default(),
            };
            out.wiring = w.channels.into_iter().map(one).collect();
            out.delay = w.delay as u64;
        }
        Some(Sight::Pair(..)) | None => {}
    }
    out
}

/// One look at a pair.
pub fn pair(look: Look) -> v1::WatchScopeResponse {
    let mut out = v1::WatchScopeResponse {
        sequence: look.sequence,
        missed: look.missed,
        engine_frame: look.engine_frame,
        audible: look.audible,
        frames_missed: look.frames_missed,
        ..Default::default()
    };
    if let Some(Sight::Pair(ScopeReadings { points, breaks, .. }, field)) = look.sight {
        out.points = points.into_flattened();
        out.breaks = breaks;
        out.bands = bands(&field);
        (out.correlation, out.balance, out.mono) = (field.correlation, field.balance, field.mono);
    }
    out
}

fn bands(field: &StereoReadings) -> Vec<v1::watch_scope_response::Band> {
    let values = field.band_correlation.iter().zip(&field.band_balance).zip(&field.band_mono);
    let band = |(band, ((correlation, balance), mono)): (&lathe_core::analysis::octaves::Band, _)| {
        let (correlation, balance, mono): (&f32, &f32, &f32) = (correlation, balance, mono);
        v1::watch_scope_response::Band {
            frequency: band.centre,
            correlation: *correlation,
            balance: *balance,
            mono: *mono,
        }
    };
    field.bands.iter().zip(values).map(band).collect()
}
