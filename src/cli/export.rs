// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe export`, and the running rack or a snapshot as a rack for the verbs that work on files.

use std::io::IsTerminal;

use clap_complete::ArgValueCompleter;
use lathe_core::rack::{self, plan::RackPlan};
use serde_json::json;

use super::complete;
use super::remote::{At, Remote};
use crate::client::Client;
use crate::client::v1::{GetRackFileRequest, GetSnapshotRequest, Snapshot};
use crate::exit::{Exit, Failure};

/// Write the running settings as a complete rack file to stdout
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe export > rack.toml\n  lathe export --snapshot \"Mix 3\" > mix3.toml\n  lathe export --json | jq .revision"
)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// A snapshot instead of the running settings
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(complete::snapshots))]
    snapshot: Option<String>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    if let Some(name) = &args.snapshot {
        let s = snapshot(&client, name)?;
        args.remote
            .say(|| json!({ "snapshot": s.name, "version": s.version, "toml": s.toml }), || s.toml.clone());
        return Ok(());
    }
    let file = client.call(client.rack().get_rack_file(GetRackFileRequest {}))?;
    args.remote.say(|| json!({ "revision": file.revision, "toml": file.toml }), || file.toml.clone());
    Ok(())
}

/// A snapshot whole.
pub fn snapshot(client: &Client, name: &str) -> Result<Snapshot, Failure> {
    let got = client.call(client.snapshots().get_snapshot(GetSnapshotRequest { name: name.to_string() }))?;
    Ok(got.snapshot.unwrap_or_default())
}

/// The rack that a daemon runs, or one of its snapshots, for use here.
pub fn plan(at: &At, name: Option<&str>) -> Result<RackPlan, Failure> {
    let client = at.connect()?;
    let text = match name {
        Some(name) => snapshot(&client, name)?.toml,
        None => running(&client)?,
    };
    loaded(&text, &format!("rack of {}", client.server()))
}

/// The text of the running rack.
pub fn running(client: &Client) -> Result<String, Failure> {
    Ok(client.call(client.rack().get_rack_file(GetRackFileRequest {}))?.toml)
}

/// Reads a rack's text; what is wrong with it is shown here.
pub fn loaded(text: &str, name: &str) -> Result<RackPlan, Failure> {
    match rack::load(text, name) {
        Ok(loaded) => Ok(loaded.plan),
        Err(errors) => {
            eprint!("{}", errors.render(std::io::stderr().is_terminal()));
            Err(Failure::new(Exit::Config, format!("{name} cannot be read by this version of lathe")))
        }
    }
}
