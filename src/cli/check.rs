// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe check`: every error of a rack file at once.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use lathe_core::engine;
use lathe_core::rack::{self, Diagnostics, Loaded};
use serde_json::json;

use super::remote::At;
use crate::exit::{Exit, Failure};

/// Check rack files: every error at once, with its place, its reason and the allowed range
///
/// Exit code 1 if a rack is wrong. A good rack gets one line with its slots (those in branches counted)
/// and its latency, and a note for whatever the rate cannot realise as asked.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe check rack.toml\n  lathe check --rate 96000 racks/*.toml\n  lathe check --live rack.toml\n  lathe check --schema > rack.schema.json"
)]
pub struct Args {
    /// Sample rate in Hz to build for
    #[arg(long, default_value_t = 48_000, value_name = "HZ", value_parser = clap::value_parser!(u32).range(8_000..=384_000))]
    rate: u32,
    /// One JSON object per file
    #[arg(long)]
    json: bool,
    /// Print the JSON Schema of the rack file, for editors, and end
    #[arg(long)]
    schema: bool,
    /// Ask the daemon that runs: could it load this, and what would a reload change
    #[arg(long, conflicts_with_all = ["rate", "schema"])]
    live: bool,
    #[command(flatten)]
    at: At,
    /// Rack files (TOML)
    #[arg(required_unless_present = "schema", value_name = "RACK")]
    racks: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.schema {
        let schema = rack::schema::schema();
        println!("{}", serde_json::to_string_pretty(&schema).unwrap_or_default());
        return Ok(());
    }
    let (mut wrong, mut unread) = (false, false);
    for path in &args.racks {
        if args.live {
            let bytes = super::read_bytes(path)?;
            let name = super::text(path);
            let text = String::from_utf8(bytes)
                .map_err(|_| Failure::new(Exit::Failed, format!("{name} is not UTF-8 text")))?;
            wrong |= !super::reload::check(&args.at, &name, &text, args.json)?;
            continue;
        }
        match super::read_rack(path) {
            Ok(rack) => wrong |= !check(path, rack, args),
            Err(e) => {
                eprintln!("lathe: {}", e.message);
                unread = true;
            }
        }
    }
    match (unread, wrong) {
        (true, _) => Err(Failure::quiet(Exit::Io)),
        (_, true) => Err(Failure::quiet(Exit::Failed)),
        _ => Ok(()),
    }
}

/// Checks one file and says what it found; false if it is wrong.
fn check(path: &Path, rack: Result<Loaded, Diagnostics>, args: &Args) -> bool {
    let name = super::text(path);
    let color = std::io::stderr().is_terminal();
    let loaded = match rack {
        Ok(loaded) => loaded,
        Err(found) if args.json => {
            let (omitted, found) = (found.omitted, found.diagnostics);
            super::print_json(&json!({ "file": name, "ok": false, "errors": found, "omitted": omitted }));
            return false;
        }
        Err(found) => {
            eprint!("{}", found.render(color));
            return false;
        }
    };
    if !args.json && !loaded.warnings.is_empty() {
        eprint!("{}", loaded.warnings.render(color));
    }
    match engine::build(&loaded.plan, args.rate) {
        Ok(built) => {
            let spec = &built.spec;
            let notes = notes(spec);
            let ms = spec.latency as f64 * 1000.0 / f64::from(args.rate);
            if args.json {
                super::print_json(&json!({
                    "file": name, "ok": true, "slots": spec.slots.len() - 1, "sample_rate": args.rate,
                    "latency_frames": spec.latency, "latency_ms": ms, "notes": notes, "warnings": loaded.warnings.diagnostics,
                }));
            } else {
                let n = spec.slots.len() - 1;
                let s = if n == 1 { "" } else { "s" };
                println!(
                    "{name}: ok, {} slot{s}, {}, latency {} frames ({ms:.2} ms) at {} Hz",
                    n,
                    loaded.plan.layout.name(),
                    spec.latency,
                    args.rate
                );
                notes.iter().for_each(|n| println!("  note: {n}"));
            }
            true
        }
        Err(e) => {
            if args.json {
                super::print_json(
                    &json!({ "file": name, "ok": false, "errors": [{ "severity": "error", "message": e.to_string() }], "omitted": 0 }),
                );
            } else {
                eprintln!("{name}: error: {e}");
            }
            false
        }
    }
}

/// What this rate could not realise as asked.
fn notes(spec: &engine::ChainSpec) -> Vec<String> {
    spec.slots
        .iter()
        .flat_map(|s| {
            s.notes.0.iter().map(move |n| format!("{}/{}: {}", s.id, s.table[n.param].symbol, n.text))
        })
        .collect()
}
