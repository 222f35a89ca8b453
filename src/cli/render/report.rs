// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `lathe render` says of a file that it has rendered.

use serde_json::{Value, json};

use super::Asked;
use crate::audio::offline::RenderReport;
use crate::audio::offline::delivery::Cut;
use crate::audio::offline::exact::{Exact, Measured, Peaks};
use crate::cli::text;

/// Talk on stderr.
pub fn tell(r: &RenderReport) {
    let (input, output) = (r.input.display(), r.output.path.display());
    if r.refused_samples > 0 {
        eprintln!(
            "lathe: {input}: {} samples were not audio (NaN, infinite or beyond +80 dBFS) and were rendered as silence",
            r.refused_samples
        );
    }
    if r.damaged {
        eprintln!("lathe: {input}: the input is truncated or damaged; what could be read was rendered");
    }
    if let Some(note) = &r.note {
        eprintln!("lathe: {output}: {note}");
    }
    if let Some(e) = &r.exact {
        eprintln!("lathe: {output}: {}", exact(e));
    }
    if r.output.clipped > 0 {
        eprintln!(
            "lathe: {output}: {} samples were over full scale and clipped; lower a ceiling or render floats",
            r.output.clipped
        );
    }
}

fn exact(e: &Exact) -> String {
    let Exact { slot, peaks, ceiling_db, set_db, measured, renders } = e;
    let unit = peaks.unit();
    let held = match e.over_db() {
        over if over > 0.0 => format!("{over:.3} dB over the ceiling of {ceiling_db} {unit}"),
        _ => format!("the ceiling of {ceiling_db} {unit} is kept"),
    };
    let renders = match renders {
        1 => "1 render".to_string(),
        n => format!("{n} renders, \"{slot}\" at {set_db:.4} {unit}"),
    };
    let Measured { true_peak_dbtp, sample_peak_dbfs, .. } = measured;
    match peaks {
        _ if !true_peak_dbtp.is_finite() => format!("silence, {held} ({renders})"),
        Peaks::True => format!("true peak {true_peak_dbtp:.3} dBTP, {held} ({renders})"),
        Peaks::Sample => format!(
            "sample peak {sample_peak_dbfs:.3} dBFS, {held} ({renders}); its detector reads samples, and the \
             true peak is {true_peak_dbtp:.3} dBTP"
        ),
    }
}

/// Data on stdout.
pub fn json(r: &RenderReport, asked: &Asked) -> Value {
    json!({
        "file": text(&r.input), "output": text(&r.output.path),
        "input_rate": r.input_rate, "sample_rate": r.sample_rate,
        "frames": r.output.frames, "latency_frames": r.latency,
        "clipped_samples": r.output.clipped, "refused_samples": r.refused_samples, "damaged": r.damaged,
        "conversion": conversion(&r.conversion), "exact": r.exact.as_ref().map(exact_json),
        "quality": asked.quality.map(|q| q.to_string()), "differs_from_live": asked.differs_from_live,
    })
}

/// `null` where nothing was converted, else the slot before which it was, `null` for after the last.
fn conversion(cut: &Cut) -> Value {
    match cut {
        Cut::Nowhere => Value::Null,
        Cut::Before(slot) => json!({ "before": slot, "whole_rack": false }),
        Cut::End => json!({ "before": null, "whole_rack": false }),
        Cut::Start { .. } => json!({ "before": null, "whole_rack": true }),
    }
}

/// A ceiling is in dBTP or in dBFS; the other is `null`.
fn exact_json(e: &Exact) -> Value {
    let only = |peaks: Peaks, db: f64| (e.peaks == peaks).then_some(db);
    let finite = |db: f64| db.is_finite().then_some(db);
    json!({
        "slot": e.slot,
        "ceiling_dbtp": only(Peaks::True, e.ceiling_db), "set_dbtp": only(Peaks::True, e.set_db),
        "ceiling_dbfs": only(Peaks::Sample, e.ceiling_db), "set_dbfs": only(Peaks::Sample, e.set_db),
        "true_peak_dbtp": finite(e.measured.true_peak_dbtp),
        "sample_peak_dbfs": finite(e.measured.sample_peak_dbfs),
        "over_db": e.over_db(), "renders": e.renders,
    })
}
