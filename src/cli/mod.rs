// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe`, the command line: one file per verb. Data on stdout, talk on stderr.

mod axes;
mod bench;
mod check;
mod complete;
mod curve;
mod curve_svg;
mod export;
mod init;
pub mod layout;
mod ledger;
pub mod list;
mod manual;
mod measure;
pub mod print;
pub mod reload;
pub mod remote;
mod render;
pub mod set;
pub mod show;
mod snapshot;
pub mod sound;
pub mod status;
mod steps;
pub mod watch;

use std::io::{IsTerminal, Read};
use std::path::Path;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::CompleteEnv;
use lathe_core::rack::layout::MAX_FILE;
use lathe_core::rack::plan::RackPlan;
use lathe_core::rack::{self, Diagnostics, Loaded};

use crate::exit::{Exit, Failure};

/// The command line of the lathe mastering rack.
#[derive(Parser, Debug)]
#[command(
    name = "lathe",
    version,
    about = "Render, measure and check files with the engine of the lathe mastering rack, and run the daemon's rack",
    after_help = "Exit codes: 0 ok, 1 a check failed, 2 usage, 69 unavailable, 74 input/output, 78 configuration.\n\
                  The daemon that runs a rack live is `lathed`; where it answers is said by --server or LATHE_SERVER\n\
                  (127.0.0.1:7701 if neither does)."
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
    Curve(curve::Args),
    Units(list::UnitsArgs),
    Params(list::ParamsArgs),
    Init(init::Args),
    Layout(layout::Args),
    Bench(bench::Args),
    #[command(hide = true)]
    Sound(sound::Args),
    Status(status::Args),
    List(show::ListArgs),
    Get(show::GetArgs),
    Set(set::SetArgs),
    Bypass(set::BypassArgs),
    Panic(steps::PanicArgs),
    Undo(steps::UndoArgs),
    Redo(steps::RedoArgs),
    History(steps::HistoryArgs),
    Snapshot(snapshot::Args),
    Print(print::Args),
    Ledger(ledger::Args),
    Export(export::Args),
    Watch(watch::Args),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

/// Runs one command line and returns the code to end with.
pub fn run() -> Exit {
    CompleteEnv::with_factory(Args::command).var(manual::COMPLETE).complete();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(e) => {
            let _ = e.print();
            return if e.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match perform(args.verb) {
        Ok(()) => Exit::Ok,
        Err(f) => {
            if !f.message.is_empty() {
                eprintln!("lathe: {}", f.message);
            }
            f.exit
        }
    }
}

fn perform(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Render(a) => render::run(&a),
        Verb::Measure(a) => measure::run(&a),
        Verb::Check(a) => check::run(&a),
        Verb::Curve(a) => curve::run(&a),
        Verb::Units(a) => list::units(&a),
        Verb::Params(a) => list::params(&a),
        Verb::Init(a) => init::run(&a),
        Verb::Layout(a) => layout::run(&a),
        Verb::Bench(a) => bench::run(&a),
        Verb::Sound(a) => sound::run(&a),
        Verb::Status(a) => status::run(&a),
        Verb::List(a) => show::list(&a),
        Verb::Get(a) => show::get(&a),
        Verb::Set(a) => set::run(&a),
        Verb::Bypass(a) => set::bypass(&a),
        Verb::Panic(a) => steps::panic(&a),
        Verb::Undo(a) => steps::undo(&a),
        Verb::Redo(a) => steps::redo(&a),
        Verb::History(a) => steps::history(&a),
        Verb::Snapshot(a) => snapshot::run(&a),
        Verb::Print(a) => print::run(&a),
        Verb::Ledger(a) => ledger::run(&a),
        Verb::Export(a) => export::run(&a),
        Verb::Watch(a) => watch::run(&a),
        Verb::Completions(a) => manual::completions(&a),
        Verb::Man(a) => manual::man(&a, Args::command()),
    }
}

/// Reads a rack file; every error and warning at once, as `check` shows them.
fn load_rack(path: &Path) -> Result<RackPlan, Failure> {
    let loaded = read_rack(path)?;
    let color = std::io::stderr().is_terminal();
    match loaded {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                eprint!("{}", loaded.warnings.render(color));
            }
            Ok(loaded.plan)
        }
        Err(errors) => {
            eprint!("{}", errors.render(color));
            Err(Failure::quiet(Exit::Config))
        }
    }
}

/// The outer error is the disk's, the inner one the file's.
fn read_rack(path: &Path) -> Result<Result<Loaded, Diagnostics>, Failure> {
    Ok(rack::load_bytes(&read_bytes(path)?, &text(path)))
}

/// The bytes of a rack file, as many as one may have and one more.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let refused = |e| Failure::new(Exit::Io, format!("cannot read the rack {}: {e}", path.display()));
    // One byte more than a rack may have, so that a device that never ends is refused as too long.
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(refused)?;
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}

/// A path for JSON and messages; what is not UTF-8 in it is replaced.
fn text(path: &Path) -> String {
    path.display().to_string()
}

/// One JSON value a line on stdout.
fn print_json(value: &serde_json::Value) {
    println!("{value}");
}
