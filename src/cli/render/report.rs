// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `lathe render` says of a file that it has rendered.

use serde_json::{Value, json};

use super::Asked;
use crate::audio::offline::RenderReport;
use crate::audio::offline::delivery::Cut;
use crate::audio::offline::exact::Exact;
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
    let Exact { slot, ceiling_dbtp, set_dbtp, true_peak_dbtp, renders } = e;
    let held = match e.over_db() {
        over if over > 0.0 => format!("{over:.3} dB over the ceiling of {ceiling_dbtp} dBTP"),
        _ => format!("the ceiling of {ceiling_dbtp} dBTP is kept"),
    };
    let renders = match renders {
        1 => "1 render".to_string(),
        n => format!("{n} renders, \"{slot}\" at {set_dbtp:.4} dBTP"),
    };
    let peak = if true_peak_dbtp.is_finite() {
        format!("true peak {true_peak_dbtp:.3} dBTP")
    } else {
        "silence".into()
    };
    format!("{peak}, {held} ({renders})")
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

fn exact_json(e: &Exact) -> Value {
    json!({
        "slot": e.slot, "ceiling_dbtp": e.ceiling_dbtp, "set_dbtp": e.set_dbtp,
        "true_peak_dbtp": e.true_peak_dbtp.is_finite().then_some(e.true_peak_dbtp),
        "over_db": e.over_db(), "renders": e.renders,
    })
}
