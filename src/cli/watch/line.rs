// SPDX-License-Identifier: MIT OR Apache-2.0
//! One set of readings as a line of text, or as a JSON object.

use serde_json::{Map, Value, json};

use crate::cli::remote::number;
use crate::client::v1::{ChannelReadings, TapReadings, WatchMetersResponse};

/// A level in few characters: `-12.3`, `-inf`.
pub fn level(v: f64) -> String {
    match v {
        v if v == f64::NEG_INFINITY || v < -199.0 => "-inf".to_string(),
        v if v.is_finite() => format!("{v:.1}"),
        _ => "?".to_string(),
    }
}

/// A reading that may not be known: `-`.
pub fn known(v: Option<f64>) -> String {
    v.map_or_else(|| "-".to_string(), level)
}

/// What the deepest of the slots do, then load and glitches; for a log or a pipe.
pub fn text(m: &WatchMetersResponse) -> String {
    let mut parts = Vec::new();
    for t in &m.taps {
        let channels = |of: fn(&ChannelReadings) -> f64| {
            t.channels.iter().map(|c| level(of(c))).collect::<Vec<_>>().join("/")
        };
        parts.push(format!(
            "{}: M {} S {} I {} LUFS, peak {} rms {} dBFS, true peak {} max {} dBTP",
            t.tap,
            known(t.momentary),
            known(t.short_term),
            known(t.integrated),
            channels(|c| c.peak),
            channels(|c| c.rms),
            level(t.true_peak),
            level(t.true_peak_max)
        ));
    }
    if !m.slots.is_empty() {
        let all = m.slots.iter().map(|s| format!("{} {:.1}", s.slot, s.gain_reduction));
        parts.push(format!("reduction {} dB", all.collect::<Vec<_>>().join(", ")));
    }
    if let Some(load) = &m.load {
        parts.push(format!("load {:.0} %, {} xruns", load.dsp_load * 100.0, load.xruns));
    }
    if !m.audible {
        parts.push("no audio".to_string());
    }
    parts.join("; ")
}

/// For programs: silence and what is not known are null.
pub fn json(m: &WatchMetersResponse) -> Value {
    let slots: Map<String, Value> =
        m.slots.iter().map(|s| (s.slot.clone(), number(s.gain_reduction))).collect();
    let load = m.load.clone().unwrap_or_default();
    json!({
        "sequence": m.sequence, "missed": m.missed, "engine_frame": m.engine_frame, "audible": m.audible,
        "taps": m.taps.iter().map(tap).collect::<Vec<_>>(), "gain_reduction": slots,
        "dsp_load": number(load.dsp_load), "mean_load": number(load.mean_load),
        "xruns": load.xruns, "periods": load.periods,
    })
}

fn tap(t: &TapReadings) -> Value {
    let maybe = |v: Option<f64>| v.map_or(Value::Null, number);
    let channel = |c: &ChannelReadings| {
        json!({
            "peak": number(c.peak), "peak_max": number(c.peak_max), "rms": number(c.rms),
            "true_peak": number(c.true_peak), "true_peak_max": number(c.true_peak_max), "dc": number(c.dc),
        })
    };
    json!({
        "tap": t.tap, "momentary": maybe(t.momentary), "short_term": maybe(t.short_term),
        "integrated": maybe(t.integrated), "loudness_range": maybe(t.loudness_range),
        "momentary_max": maybe(t.momentary_max), "short_term_max": maybe(t.short_term_max),
        "true_peak": number(t.true_peak), "true_peak_max": number(t.true_peak_max),
        "correlation": maybe(t.correlation), "balance": maybe(t.balance),
        "frames_missed": t.frames_missed, "frames_missed_total": t.frames_missed_total,
        "non_finite": t.non_finite, "channels": t.channels.iter().map(channel).collect::<Vec<_>>(),
    })
}
