// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe panic`, `undo`, `redo` and `history`: stop the sound, and go back and forth.

use serde_json::json;

use super::remote::{Remote, change_json, unheard};
use crate::client::v1::{GetStatusRequest, ListHistoryRequest, RedoRequest, SetPanicRequest, UndoRequest};
use crate::exit::Failure;

/// Silence main in 5 ms and keep it silent, or end that
///
/// It outlasts undo, recall, reload and a restart until it is ended. Without on or off it is on: in an
/// emergency nobody wants to think.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe panic\n  lathe panic off\n  lathe panic --status\n  lathe panic on --json | jq .audible"
)]
pub struct PanicArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only say how it stands
    #[arg(long, conflicts_with = "state")]
    status: bool,
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    state: Option<String>,
}

/// Take back the last step of history
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe undo\n  lathe undo --json | jq -r .what")]
pub struct UndoArgs {
    #[command(flatten)]
    remote: Remote,
}

/// Make again what was taken back last
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe redo\n  lathe redo --json | jq -r .what")]
pub struct RedoArgs {
    #[command(flatten)]
    remote: Remote,
}

/// List what undo would take back, the newest first
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe history\n  lathe history --limit 5\n  lathe history --json | jq -r '.steps[0].what'"
)]
pub struct HistoryArgs {
    #[command(flatten)]
    remote: Remote,
    /// At most so many steps
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=256))]
    limit: Option<i32>,
}

pub fn panic(args: &PanicArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let word = |on: bool| format!("panic {}", if on { "on" } else { "off" });
    if args.status {
        let panic = client.call(client.system().get_status(GetStatusRequest {}))?.panic;
        args.remote.say(|| json!({ "panic": panic }), || word(panic));
        return Ok(());
    }
    let panic = args.state.as_deref() != Some("off");
    let done = client.call(client.rack().set_panic(SetPanicRequest { panic }))?;
    let more = json!({ "panic": done.panic });
    args.remote.say(|| change_json(done.revision, done.audible, more), || word(done.panic));
    unheard(done.audible);
    Ok(())
}

pub fn undo(args: &UndoArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let done = client.call(client.rack().undo(UndoRequest {}))?;
    let more = json!({ "what": done.what });
    args.remote
        .say(|| change_json(done.revision, done.audible, more), || format!("taken back: {}", done.what));
    unheard(done.audible);
    Ok(())
}

pub fn redo(args: &RedoArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let done = client.call(client.rack().redo(RedoRequest {}))?;
    let more = json!({ "what": done.what });
    args.remote
        .say(|| change_json(done.revision, done.audible, more), || format!("made again: {}", done.what));
    unheard(done.audible);
    Ok(())
}

pub fn history(args: &HistoryArgs) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let page_size = args.limit.unwrap_or(0);
    let steps = client.call(client.rack().list_history(ListHistoryRequest { page_size }))?.steps;
    if steps.is_empty() {
        eprintln!("lathe: history is empty");
    }
    let who = |client: u64| if client == 0 { "daemon".to_string() } else { format!("client {client}") };
    args.remote.say(
        || {
            let steps = steps.iter().map(|s| json!({ "what": s.what, "client": s.client }));
            json!({ "steps": steps.collect::<Vec<_>>() })
        },
        || steps.iter().map(|s| format!("{:<32} {}", s.what, who(s.client))).collect::<Vec<_>>().join("\n"),
    );
    Ok(())
}
