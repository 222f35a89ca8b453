// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe curve`: gain and phase over frequency of a rack or one of its slots, as a table, JSON or a drawing.

use std::path::PathBuf;

use clap_complete::ArgValueCompleter;
use lathe_core::engine::response::{self, Feed, MAX_FREQUENCIES};
use serde_json::json;

use super::remote::Remote;
use super::{complete, curve_svg};
use crate::client::v1::{GetResponseRequest, GetResponseResponse, ResponseCurve};
use crate::exit::{Exit, Failure};
use crate::files;

/// Show what a rack, or one slot of it, does to the spectrum: level and phase by frequency
///
/// Measured on the chain itself with a strike of -120 dBFS: what the rate makes of every filter is in it, and
/// dynamics are at rest. Of the running rack, or of a file with --rack.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe curve eq\n  lathe curve eq --feed side --svg side.svg\n  lathe curve --rack master.toml --rate 44100 --points 512 --json\n  lathe curve --from 20 --to 200 --points 50"
)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// A slot; without it, the whole rack
    #[arg(value_name = "SLOT", add = ArgValueCompleter::new(complete::addresses))]
    slot: Option<String>,
    /// A rack file instead of the running rack
    #[arg(long, short, value_name = "FILE")]
    rack: Option<PathBuf>,
    /// How the input is fed: all, mid, side or a channel by name, alone
    #[arg(long, default_value = "all", value_name = "FEED")]
    feed: String,
    /// Sample rate in Hz [default: the running engine's; 48000 for a file]
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    rate: Option<u32>,
    /// Lowest frequency in Hz
    #[arg(long, default_value_t = 20.0, value_name = "HZ", value_parser = frequency)]
    from: f64,
    /// Highest frequency in Hz [default: 20000, or half the rate if that is lower]
    #[arg(long, value_name = "HZ", value_parser = frequency)]
    to: Option<f64>,
    /// Number of frequencies, at equal ratios, 2 to 4096 [default: 31; 512 for a drawing]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=MAX_FREQUENCIES as i64))]
    points: Option<u16>,
    /// Draw the level to this file (SVG)
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn frequency(text: &str) -> Result<f64, String> {
    let hz: f64 = text.parse().map_err(|_| "a frequency in Hz, 1 to 192000".to_string())?;
    if (1.0..=192_000.0).contains(&hz) { Ok(hz) } else { Err("1 Hz to 192000 Hz are allowed".to_string()) }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let points = args.points.map_or(if args.svg.is_some() { 512 } else { 31 }, usize::from);
    let slot = args.slot.as_deref().unwrap_or_default().trim_matches('/');
    let usage = |why: String| Failure::new(Exit::Usage, why);
    let spread = |rate: u32| {
        let to = args.to.unwrap_or((0.5 * f64::from(rate)).min(20_000.0));
        if args.from >= to {
            return Err(usage(format!("--from {} Hz is not below --to {to} Hz", args.from)));
        }
        Ok(response::spread(args.from, to, points))
    };
    let got = match &args.rack {
        Some(file) => {
            let (plan, rate) = (super::load_rack(file)?, args.rate.unwrap_or(48_000));
            let feed = Feed::named(&args.feed, &plan.layout).map_err(|e| usage(format!("--feed: {e}")))?;
            let frequencies = spread(rate)?;
            let only = Some(slot).filter(|s| !s.is_empty());
            let r = response::response(&plan, rate, only, feed, &frequencies)
                .map_err(|e| usage(format!("{}: {e}", super::text(file))))?;
            let curve = |c: &response::Curve| ResponseCurve {
                name: c.name.to_string(),
                level_db: c.magnitude.iter().map(|m| response::level(*m)).collect(),
                phase_rad: c.phase.clone(),
            };
            GetResponseResponse {
                revision: 0,
                sample_rate: rate,
                latency_frames: r.latency as u32,
                curves: r.curves.iter().map(curve).collect(),
                frequencies_hz: frequencies,
                cut: r.cut,
            }
        }
        None => {
            let client = args.remote.connect()?;
            let rate = match args.rate {
                Some(rate) => rate,
                None => super::status::rate(&client)?.unwrap_or(48_000),
            };
            let request = GetResponseRequest {
                slot: slot.to_string(),
                frequencies_hz: spread(rate)?,
                feed: args.feed.clone(),
                sample_rate: rate,
            };
            client.call(client.rack().get_response(request))?
        }
    };
    if got.cut {
        eprintln!("lathe: the response had not died away after 20 s; what came later is not in it");
    }
    if let Some(file) = &args.svg {
        let what = if slot.is_empty() { "rack" } else { slot };
        let drawing = curve_svg::draw(&format!("{what}, {} Hz", got.sample_rate), &got);
        files::replace(file, drawing.as_bytes())
            .map_err(|e| Failure::new(Exit::Io, format!("{}: {e}", super::text(file))))?;
        if !args.remote.json {
            return Ok(());
        }
    }
    args.remote.say(|| as_json(slot, &got), || table(&got));
    Ok(())
}

fn as_json(slot: &str, r: &GetResponseResponse) -> serde_json::Value {
    let curve =
        |c: &ResponseCurve| json!({ "name": c.name, "level_db": c.level_db, "phase_rad": c.phase_rad });
    json!({
        "slot": if slot.is_empty() { None } else { Some(slot) },
        "sample_rate": r.sample_rate, "latency_frames": r.latency_frames, "cut": r.cut,
        "frequencies_hz": r.frequencies_hz, "curves": r.curves.iter().map(curve).collect::<Vec<_>>(),
    })
}

fn table(r: &GetResponseResponse) -> String {
    let mut out = format!("{:>10}", "Hz");
    for c in &r.curves {
        out += &format!("  {:>9}  {:>8}", format!("{} dB", c.name), "rad");
    }
    for (k, hz) in r.frequencies_hz.iter().enumerate() {
        out += &format!("\n{hz:>10.1}");
        for c in &r.curves {
            let at = |values: &[f64]| values.get(k).map_or(f64::NAN, |v| (v * 1000.0).round() / 1000.0 + 0.0);
            out += &format!("  {:>+9.3}  {:>+8.3}", at(&c.level_db), at(&c.phase_rad));
        }
    }
    out
}
