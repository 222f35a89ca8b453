// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe`, the command line: one file per verb. Data on stdout, talk on stderr.

mod bench;
mod check;
mod init;
mod list;
mod measure;
mod render;

use std::io::IsTerminal;
use std::path::Path;

use clap::{Parser, Subcommand};
use lathe_core::rack;
use lathe_core::rack::plan::RackPlan;

use crate::exit::{Exit, Failure};
use crate::files::FileError;

/// The command line of the lathe mastering rack.
#[derive(Parser, Debug)]
#[command(
    name = "lathe",
    version,
    about = "Render, measure and check files with the engine of the lathe mastering rack",
    after_help = "Exit codes: 0 ok, 1 a check failed, 2 usage, 69 unavailable, 74 input/output, 78 configuration.\n\
                  The daemon that runs a rack live is `lathed`."
)]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Render(render::Args),
    Measure(measure::Args),
    Check(check::Args),
    Units(list::UnitsArgs),
    Params(list::ParamsArgs),
    Init(init::Args),
    Bench(bench::Args),
}

/// Runs one command line and returns the code to end with.
pub fn run() -> Exit {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    let done = match args.verb {
        Verb::Render(a) => render::run(&a),
        Verb::Measure(a) => measure::run(&a),
        Verb::Check(a) => check::run(&a),
        Verb::Units(a) => list::units(&a),
        Verb::Params(a) => list::params(&a),
        Verb::Init(a) => init::run(&a),
        Verb::Bench(a) => bench::run(&a),
    };
    match done {
        Ok(()) => Exit::Ok,
        Err(f) => {
            if !f.message.is_empty() {
                eprintln!("lathe: {}", f.message);
            }
            f.exit
        }
    }
}

/// Reads a rack file; every error at once, as `check` shows them.
fn load_rack(path: &Path) -> Result<RackPlan, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new(Exit::Io, format!("cannot read the rack {}: {e}", path.display())))?;
    match rack::load(&text, &path.display().to_string()) {
        Ok(loaded) => Ok(loaded.plan),
        Err(errors) => {
            eprintln!("{}", errors.render(std::io::stderr().is_terminal()));
            Err(Failure::quiet(Exit::Config))
        }
    }
}

impl From<FileError> for Failure {
    fn from(e: FileError) -> Failure {
        Failure::new(Exit::Io, e)
    }
}

/// One JSON value a line on stdout.
fn print_json(value: &serde_json::Value) {
    println!("{value}");
}
