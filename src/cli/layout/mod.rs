// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe layout`: a page for a tablet, made from a rack, in the format of the app that shows it.

mod pages;
pub mod stage;
pub mod touch;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use lathe_core::rack::plan::RackPlan;

use super::remote::At;
use super::{export, load_rack};
use crate::exit::{Exit, Failure};
use crate::files;

/// Write a tablet layout for a rack
///
/// A page for every slot with its faders, their values as text and the bypass; a page of meters; a page
/// of snapshots, undo and panic. It is made from a rack file, or from the rack that the daemon runs; after
/// another rack is loaded, make it anew. The tablet's network needs a role in the daemon's [[osc.allow]].
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lathe layout touchosc --rack master.toml --output master.tosc\n  \
    lathe layout open-stage-control --output master.json\n  \
    lathe layout open-stage-control --host 192.168.1.20 --rack master.toml > master.json")]
pub struct Args {
    #[command(subcommand)]
    app: App,
}

#[derive(clap::Subcommand, Debug)]
enum App {
    Touchosc(Touch),
    OpenStageControl(Stage),
}

/// For TouchOSC (.tosc)
///
/// Faders travel along /norm, so they have each parameter's own scale. In the app, add an OSC connection
/// to the daemon's host and port (UDP, 7700) whose receive port is any that is free.
///
/// The file follows the published descriptions of the format and is checked with an independent reader
/// of it. It has not been tried in the app itself.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:\n  lathe layout touchosc --rack master.toml --output master.tosc")]
struct Touch {
    #[command(flatten)]
    common: Common,
}

/// For Open Stage Control (.json)
///
/// Faders are in real units; those with equal ratios travel along /norm. Every widget sends to the host
/// and port given here, so the app needs no targets of its own. The property names are those of
/// Open Stage Control 1.30; it has not been tried in the app itself.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  lathe layout open-stage-control --host 192.168.1.20 --output master.json"
)]
struct Stage {
    #[command(flatten)]
    common: Common,
    /// Where the daemon takes OSC, as the machine that runs Open Stage Control sees it
    #[arg(long, default_value = "127.0.0.1", value_parser = host)]
    host: String,
    /// The daemon's OSC port
    #[arg(long, default_value_t = 7700, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

#[derive(clap::Args, Debug)]
struct Common {
    /// The rack file (TOML); without it, the rack that the daemon runs
    #[arg(long, short, value_name = "FILE")]
    rack: Option<PathBuf>,
    /// The file to write; without it, stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

impl Common {
    fn plan(&self) -> Result<RackPlan, Failure> {
        match &self.rack {
            Some(path) => load_rack(path),
            None => export::plan(&self.at, None),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        match &self.output {
            Some(path) => {
                write_file(path, bytes)?;
                eprintln!("wrote {}", path.display());
                Ok(())
            }
            None => std::io::stdout()
                .write_all(bytes)
                .map_err(|e| Failure::new(Exit::Io, format!("cannot write to stdout: {e}"))),
        }
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::replace(path, bytes)
        .map_err(|e| Failure::new(Exit::Io, format!("cannot write {}: {e}", path.display())))
}

/// A name or address that can stand in `host:port`.
fn host(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
        return Err("a host is a name or an address of 1 to 253 characters, without its port".to_string());
    }
    // An IPv6 address before a port stands in brackets.
    let bare = text.contains(':') && !text.starts_with('[');
    Ok(if bare { format!("[{text}]") } else { text.to_string() })
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.app {
        App::Touchosc(touch) => {
            if touch.common.output.is_none() && std::io::stdout().is_terminal() {
                let text = "a .tosc file is no text for a terminal; name a file with --output";
                return Err(Failure::new(Exit::Usage, text));
            }
            touch.common.write(&touch::layout(&touch.common.plan()?))
        }
        App::OpenStageControl(stage) => {
            let target = format!("{}:{}", stage.host, stage.port);
            stage.common.write(stage::layout(&stage.common.plan()?, &target).as_bytes())
        }
    }
}
