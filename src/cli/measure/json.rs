// SPDX-License-Identifier: MIT OR Apache-2.0
//! One JSON object a file. Keys say their unit; what is not known, not defined or silent is null.

use std::path::Path;

use lathe_core::analysis::integrator::ChannelFigures;
use serde_json::{Value, json};

use super::detail::{Detail, Stereo};
use super::run::{HISTOGRAM_LU, Measured};
use crate::cli::text;

/// A number with so many decimals, null for silence and what there is none of.
fn number(v: Option<f64>, decimals: i32) -> Value {
    let scale = 10f64.powi(decimals);
    let rounded = v.map(|v| (v * scale).round() / scale + 0.0).filter(|v| v.is_finite());
    rounded.map_or(Value::Null, Value::from)
}

/// A level, loudness or range.
fn level(v: impl Into<Option<f64>>) -> Value {
    number(v.into(), 3)
}

fn levels(all: &[f32]) -> Vec<Value> {
    all.iter().map(|v| number(Some(f64::from(*v)), 2)).collect()
}

pub fn object(path: &Path, m: &Measured) -> Value {
    let (f, l) = (&m.figures, &m.figures.loudness);
    let each = |of: fn(&ChannelFigures) -> Value| f.channels.iter().map(of).collect::<Vec<_>>();
    let mut object = json!({
        "file": text(path),
        "sample_rate": m.spec.sample_rate,
        "channels": m.spec.channels,
        "layout": if m.places.known { Some(m.places.name()) } else { None },
        "channel_names": m.places.names,
        "encoding": m.spec.encoding.to_string(),
        "frames": f.frames,
        "seconds": number(Some(m.seconds()), 6),
        "integrated_lufs": level(l.integrated),
        "momentary_max_lufs": level(l.momentary_max),
        "short_term_max_lufs": level(l.short_term_max),
        "loudness_range_lu": level(l.loudness_range),
        "true_peak_dbtp": level(f.true_peak),
        "true_peak_dbtp_per_channel": each(|c| level(c.true_peak)),
        "true_peak_at_s": number(m.peak_at().map(|p| p.0), 6),
        "sample_peak_dbfs": level(f.sample_peak),
        "sample_peak_dbfs_per_channel": each(|c| level(c.sample_peak)),
        "rms_dbfs_per_channel": each(|c| level(c.rms)),
        "plr_lu": level(f.plr),
        "psr_min_lu": level(f.psr_min),
        "crest_db": level(f.crest),
        "dr": m.dr(),
        "dr_exact_db": level(f.dr),
        "correlation": number(f.correlation, 6),
        "balance": number(m.balance(), 6),
        "mono_sum_db": level(m.mono()),
        "dc_offset": number(Some(m.dc()), 9),
        "dc_offset_per_channel": each(|c| number(Some(c.dc), 9)),
        "clipped_samples": m.clipped(),
        "clipped_samples_per_channel": each(|c| c.clips.samples.into()),
        "flat_tops": m.flat_tops(),
        "longest_clip_samples": m.longest_clip(),
        "bits_in_use": m.bits(),
        "significant_bits": m.significant_bits(),
        "not_numbers": m.not_audio,
        "damaged": m.damaged,
    });
    if let (Some(d), Some(o)) = (&m.detail, object.as_object_mut()) {
        o.insert("spectrum".into(), spectrum(d));
        o.insert("loudness_histogram".into(), histogram(m));
        o.insert("stereo".into(), d.stereo.as_ref().map_or(Value::Null, stereo));
        o.insert("true_peaks".into(), true_peaks(m));
    }
    object
}

/// Bands of 1/6 octave; percentiles over windows above both gates.
fn spectrum(d: &Detail) -> Value {
    let Some(s) = &d.spectrum else { return Value::Null };
    json!({
        "bands_per_octave": 6,
        "frequencies_hz": s.hz.iter().map(|hz| number(Some(*hz), 2)).collect::<Vec<_>>(),
        "mean_dbfs": levels(&s.mean),
        "p10_dbfs": levels(&s.percentiles[0]),
        "p50_dbfs": levels(&s.percentiles[1]),
        "p90_dbfs": levels(&s.percentiles[2]),
        "windows": s.windows,
        "windows_all": s.windows_all,
        "gate_lufs": level(s.gate),
    })
}

/// From −70 LUFS up to the last step that holds any.
fn histogram(m: &Measured) -> Value {
    let last = |h: &[u64]| h.iter().rposition(|n| *n > 0).map_or(0, |n| n + 1);
    let steps = last(&m.blocks).max(last(&m.short_terms));
    json!({
        "from_lufs": -70.0,
        "step_lu": HISTOGRAM_LU,
        "momentary": &m.blocks[..steps],
        "short_term": &m.short_terms[..steps],
    })
}

fn stereo(s: &Stereo) -> Value {
    let octave = |o: &super::detail::Octave| {
        json!({
            "hz": o.hz, "correlation_mean": number(Some(o.mean), 3), "correlation_min": number(Some(o.lowest), 3),
        })
    };
    json!({
        "correlation_min": number(s.lowest().map(|l| l.0), 3),
        "correlation_min_at_s": number(s.lowest().map(|l| l.1), 1),
        "octaves": s.octaves.iter().map(octave).collect::<Vec<_>>(),
    })
}

/// The highest first.
fn true_peaks(m: &Measured) -> Value {
    let rate = f64::from(m.spec.sample_rate);
    let peak = |t: &lathe_core::analysis::top_peaks::TruePeakAt| {
        json!({
            "at_s": number(Some(t.frame as f64 / rate), 6),
            "channel": m.places.names.get(t.channel),
            "dbtp": level(lathe_core::analysis::decibels(t.amplitude)),
        })
    };
    m.figures.true_peaks.iter().map(peak).collect()
}
