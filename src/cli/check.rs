// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe check`: every error of a rack file at once.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use lathe_core::{engine, rack};
use serde_json::json;

use crate::exit::{Exit, Failure};

/// Check rack files: every error at once, with its place, its reason and the allowed range
///
/// Exit code 1 if a rack is wrong. A good rack gets one line with its slots and its latency.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe check rack.toml\n  lathe check --rate 96000 racks/*.toml\n  lathe check --schema > rack.schema.json"
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
    #[arg(required_unless_present = "schema", value_name = "RACK")]
    racks: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.schema {
        let schema = rack::schema::schema();
        println!("{}", serde_json::to_string_pretty(&schema).unwrap_or_default());
        return Ok(());
    }
    let mut failed = false;
    for path in &args.racks {
        failed |= !check(path, args)?;
    }
    if failed { Err(Failure::quiet(Exit::Failed)) } else { Ok(()) }
}

/// Checks one file and says what it found; false if it is wrong.
fn check(path: &Path, args: &Args) -> Result<bool, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(Exit::Io, format!("cannot read {name}: {e}")))?;
    let color = std::io::stderr().is_terminal();
    let loaded = match rack::load(&text, &name) {
        Ok(loaded) => loaded,
        Err(errors) => {
            if args.json {
                super::print_json(&json!({ "file": name, "ok": false, "errors": errors.diagnostics }));
            } else {
                eprintln!("{}", errors.render(color));
            }
            return Ok(false);
        }
    };
    match engine::build(&loaded.plan, args.rate) {
        Ok(built) => {
            let spec = &built.spec;
            let notes = notes(spec);
            let ms = spec.latency as f64 * 1000.0 / f64::from(args.rate);
            if args.json {
                super::print_json(&json!({
                    "file": name, "ok": true, "slots": spec.slots.len() - 1, "sample_rate": args.rate,
                    "latency_frames": spec.latency, "latency_ms": ms, "notes": notes,
                }));
            } else {
                let n = spec.slots.len() - 1;
                println!(
                    "{name}: ok, {} slots, {}, latency {} frames ({ms:.2} ms) at {} Hz",
                    n,
                    loaded.plan.layout.name(),
                    spec.latency,
                    args.rate
                );
                notes.iter().for_each(|n| println!("  note: {n}"));
            }
            Ok(true)
        }
        Err(e) => {
            if args.json {
                super::print_json(
                    &json!({ "file": name, "ok": false, "errors": [{ "message": e.to_string() }] }),
                );
            } else {
                eprintln!("{name}: error: {e}");
            }
            Ok(false)
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
