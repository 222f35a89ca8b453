// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe snapshot`: store, recall and keep the rack's settings under names.

use clap::Subcommand;
use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::complete;
use super::export;
use super::remote::{Remote, change_json, moment, number, safe, unheard};
use crate::client::Client;
use crate::client::v1::{
    CreateSnapshotRequest, DeleteSnapshotRequest, ListSnapshotsRequest, RecallSnapshotRequest, Snapshot,
    UpdateSnapshotRequest,
};
use crate::exit::Failure;

/// Store, recall and manage snapshots of the running rack
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe snapshot store \"Mix 3\" --notes \"less air\"\n  lathe snapshot recall \"Mix 3\" --morph 4\n  lathe snapshot list\n  lathe snapshot show \"Mix 3\" --json | jq .values"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Store(Store),
    Recall(Recall),
    List(List),
    Show(Show),
    Rename(Rename),
    Delete(Delete),
}

/// Store the running rack; an existing name gets one more version
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe snapshot store \"Mix 3\"\n  lathe snapshot store \"Mix 3\" --notes \"less air\" --author Ann"
)]
struct Store {
    #[command(flatten)]
    remote: Remote,
    /// What to remember with it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    notes: String,
    /// Who stores it
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    author: String,
    /// 1 to 96 printable characters
    #[arg(add = ArgValueCompleter::new(complete::snapshots))]
    name: String,
}

/// Make a snapshot the running rack, as one step of history
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe snapshot recall \"Mix 3\"\n  lathe snapshot recall \"Mix 3\" --morph 4"
)]
struct Recall {
    #[command(flatten)]
    remote: Remote,
    /// Seconds to get there (0 to 600)
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = morph, allow_negative_numbers = true)]
    morph: f64,
    #[arg(add = ArgValueCompleter::new(complete::snapshots))]
    name: String,
}

/// List all snapshots, the oldest first; the current one is marked
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe snapshot list\n  lathe snapshot list --json | jq -r '.snapshots[].name'"
)]
struct List {
    #[command(flatten)]
    remote: Remote,
}

/// Show one snapshot: when, by whom, notes and its rack file
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe snapshot show \"Mix 3\"\n  lathe snapshot show \"Mix 3\" --json | jq '.values[\"limiter/ceiling\"]'"
)]
struct Show {
    #[command(flatten)]
    remote: Remote,
    #[arg(add = ArgValueCompleter::new(complete::snapshots))]
    name: String,
}

/// Give a snapshot another name
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe snapshot rename \"Mix 3\" \"Mix 3, approved\"")]
struct Rename {
    #[command(flatten)]
    remote: Remote,
    #[arg(add = ArgValueCompleter::new(complete::snapshots))]
    name: String,
    #[arg(value_name = "NEW")]
    new: String,
}

/// Remove a snapshot with all its versions
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe snapshot delete \"Mix 2\"")]
struct Delete {
    #[command(flatten)]
    remote: Remote,
    #[arg(add = ArgValueCompleter::new(complete::snapshots))]
    name: String,
}

fn morph(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number of seconds"))?;
    if (0.0..=600.0).contains(&v) { Ok(v) } else { Err(format!("{v} s is not allowed: 0 s to 600 s")) }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Store(a) => store(a),
        Verb::Recall(a) => recall(a),
        Verb::List(a) => list(a),
        Verb::Show(a) => show(a),
        Verb::Rename(a) => rename(a),
        Verb::Delete(a) => delete(a),
    }
}

fn store(a: &Store) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let (name, notes, author) = (a.name.clone(), a.notes.clone(), a.author.clone());
    let request = CreateSnapshotRequest { name, notes, author };
    let s = client.call(client.snapshots().create_snapshot(request))?.snapshot.unwrap_or_default();
    a.remote.say(|| brief_json(&s), || format!("stored {}, version {}", safe(&s.name), s.version));
    Ok(())
}

fn recall(a: &Recall) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let request = RecallSnapshotRequest { name: a.name.clone(), morph_seconds: a.morph };
    let done = client.call(client.snapshots().recall_snapshot(request))?;
    let over = if a.morph > 0.0 { format!(" over {} s", a.morph) } else { String::new() };
    a.remote.say(
        || change_json(done.revision, done.audible, json!({ "snapshot": a.name, "morph_seconds": a.morph })),
        || format!("recalled {}{over}", safe(&a.name)),
    );
    unheard(done.audible);
    Ok(())
}

/// Every snapshot without its content, and the name of the current one.
pub fn all(client: &Client) -> Result<(Vec<Snapshot>, String), Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListSnapshotsRequest { page_size: 1000, page_token };
        let page = client.call(client.snapshots().list_snapshots(request))?;
        all.extend(page.snapshots);
        if page.next_page_token.is_empty() {
            return Ok((all, page.current));
        }
        page_token = page.next_page_token;
    }
}

fn list(a: &List) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let (all, current) = all(&client)?;
    if all.is_empty() {
        eprintln!("lathe: there are no snapshots; make one with: lathe snapshot store NAME");
    }
    a.remote.say(
        || json!({ "current": current, "snapshots": all.iter().map(brief_json).collect::<Vec<_>>() }),
        || {
            let line = |s: &Snapshot| {
                let mark = if s.name == current { '*' } else { ' ' };
                let author =
                    if s.author.is_empty() { String::new() } else { format!(", by {}", safe(&s.author)) };
                format!("{mark} {:<32} {}, version {}{author}", safe(&s.name), when(s), s.version)
            };
            all.iter().map(line).collect::<Vec<_>>().join("\n")
        },
    );
    Ok(())
}

fn show(a: &Show) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let s = export::snapshot(&client, &a.name)?;
    a.remote.say(|| whole_json(&s), || whole_text(&s));
    Ok(())
}

fn rename(a: &Rename) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let snapshot = Some(Snapshot { name: a.new.clone(), ..Snapshot::default() });
    let request =
        UpdateSnapshotRequest { name: a.name.clone(), snapshot, ..UpdateSnapshotRequest::default() };
    let s = client.call(client.snapshots().update_snapshot(request))?.snapshot.unwrap_or_default();
    a.remote.say(|| brief_json(&s), || format!("{} is now {}", safe(&a.name), safe(&s.name)));
    Ok(())
}

fn delete(a: &Delete) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let request = DeleteSnapshotRequest { name: a.name.clone(), ..DeleteSnapshotRequest::default() };
    client.call(client.snapshots().delete_snapshot(request))?;
    a.remote.say(|| json!({ "deleted": a.name }), || format!("deleted {}", safe(&a.name)));
    Ok(())
}

fn when(s: &Snapshot) -> String {
    s.create_time.as_ref().map_or_else(|| "at an unknown time".to_string(), |t| moment(t.seconds))
}

fn brief_json(s: &Snapshot) -> Value {
    json!({
        "name": s.name, "id": s.id, "version": s.version, "etag": s.etag, "author": s.author,
        "create_time": s.create_time.as_ref().map(|t| moment(t.seconds)), "layout_hash": s.layout_hash,
    })
}

fn whole_json(s: &Snapshot) -> Value {
    let mut all = brief_json(s);
    let values: serde_json::Map<String, Value> =
        s.values.iter().map(|(address, v)| (address.clone(), number(*v))).collect();
    all["notes"] = json!(s.notes);
    all["sample_rate"] = json!(s.sample_rate);
    all["toml"] = json!(s.toml);
    all["sound_revisions"] = json!(s.sound_revisions);
    all["values"] = Value::Object(values);
    all
}

/// Facts as comments above the rack file, so that the whole is a rack file still.
fn whole_text(s: &Snapshot) -> String {
    let author = if s.author.is_empty() { String::new() } else { format!(" by {}", safe(&s.author)) };
    let mut out = format!("# {}, version {}, stored {}{author}\n", safe(&s.name), s.version, when(s));
    s.notes.lines().for_each(|l| out += &format!("# {}\n", safe(l)));
    out + "\n" + &s.toml
}
