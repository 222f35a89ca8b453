// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe print`: record main, the monitor or the input of the daemon to files while it plays.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;
use serde_json::{Value, json};

use super::complete;
use super::remote::{Remote, moment, number, safe};
use crate::client::Client;
use crate::client::v1::{
    ListPrintsRequest, ListPrintsResponse, Print, PrintFaultKind, PrintFormat, PrintSource, PrintState,
    StartPrintRequest, StopPrintRequest, WatchPrintRequest, WatchPrintResponse,
};
use crate::exit::{Exit, Failure};

/// Record main, the monitor or the input to files while it plays
///
/// Files lie on the daemon's machine, in its directory for prints, each with a sidecar NAME.json: hashes of
/// audio, rack and values, loudness, and what went wrong if something did. A print with a gap or an xrun is
/// marked failed and kept.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe print start \"Song 1\"\n  lathe print watch\n  lathe print stop\n  lathe print list"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Start(Start),
    Stop(Stop),
    List(List),
    Watch(Watch),
}

/// Begin a print; returns once its first frame is recorded
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe print start \"Song 1\"\n  lathe print start \"Song 1, monitor\" --source monitor --format flac\n  lathe print start --seconds 180 --bits 24"
)]
struct Start {
    #[command(flatten)]
    remote: Remote,
    /// What is recorded: main out, what is listened to, or main in
    #[arg(long, value_name = "NAME", default_value = "out")]
    source: Source,
    /// The kind of file; WAV becomes RF64 beyond 4 GiB by itself
    #[arg(long, value_name = "FORMAT", default_value = "wav")]
    format: Format,
    /// 24 (integer, TPDF dither) or 32f (float) [default: 32f; 24 in FLAC]
    #[arg(long, value_name = "BITS", value_parser = ["24", "32f"])]
    bits: Option<String>,
    /// End by itself after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_negative_numbers = true)]
    seconds: Option<f64>,
    /// What is said of it in the file and the sidecar; at most 256 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// 1 to 96 printable characters, no slash; without it, one is made from the time
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
}

/// End a print and wait until it is on the disk; without a name, the only one
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe print stop\n  lathe print stop \"Song 1\" --json | jq .loudness")]
struct Stop {
    #[command(flatten)]
    remote: Remote,
    #[arg(default_value = "", hide_default_value = true, add = ArgValueCompleter::new(complete::prints))]
    name: String,
}

/// List all prints, the oldest first, and the room there is for more
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe print list\n  lathe print list --json | jq -r '.prints[] | select(.state == \"failed\") | .name'"
)]
struct List {
    #[command(flatten)]
    remote: Remote,
}

/// Watch a print until it is over; without a name, the one that began last
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe print watch\n  lathe print watch \"Song 1\" --hz 1 --json"
)]
struct Watch {
    #[command(flatten)]
    remote: Remote,
    /// Lines per second (1 to 10)
    #[arg(long, value_name = "HZ", default_value_t = 2.0, value_parser = hz, allow_negative_numbers = true)]
    hz: f64,
    #[arg(default_value = "", hide_default_value = true, add = ArgValueCompleter::new(complete::prints))]
    name: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Source {
    Out,
    Monitor,
    In,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Wav,
    Rf64,
    Flac,
}

fn seconds(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number of seconds"))?;
    if v > 0.0 && v <= 604_800.0 { Ok(v) } else { Err(format!("{v} s is not allowed: above 0 s, to 604800 s")) }
}

fn hz(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number"))?;
    if (1.0..=10.0).contains(&v) { Ok(v) } else { Err(format!("{v} is not allowed: 1 to 10")) }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Start(a) => start(a),
        Verb::Stop(a) => stop(a),
        Verb::List(a) => list(a),
        Verb::Watch(a) => watch(a),
    }
}

fn start(a: &Start) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let source = match a.source {
        Source::Out => PrintSource::Out,
        Source::Monitor => PrintSource::Monitor,
        Source::In => PrintSource::In,
    };
    let format = match a.format {
        Format::Wav => PrintFormat::Wav,
        Format::Rf64 => PrintFormat::Rf64,
        Format::Flac => PrintFormat::Flac,
    };
    let request = StartPrintRequest {
        name: a.name.clone(),
        source: source.into(),
        format: format.into(),
        bits: a.bits.clone().unwrap_or_default(),
        seconds: a.seconds.unwrap_or(0.0),
        description: a.description.clone(),
    };
    let p = client.call(client.prints().start_print(request))?.print.unwrap_or_default();
    a.remote.say(
        || print_json(&p),
        || {
            let (rate, channels) = (p.sample_rate, p.channels.join(" "));
            format!("printing {} to {}: {rate} Hz, {} bits, {channels}", source_name(&p), safe(&p.file), p.bits)
        },
    );
    Ok(())
}

fn stop(a: &Stop) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let request = StopPrintRequest { name: a.name.clone() };
    let mut p = client.call(client.prints().stop_print(request))?.print.unwrap_or_default();
    if !is_over(&p) {
        // A long one is still read back for its hash.
        let mut last = |m: &WatchPrintResponse| p = m.print.clone().unwrap_or_default();
        let name = a.name.clone();
        follow(&client, name, 2.0, &mut last)?;
    }
    a.remote.say(|| print_json(&p), || line(&p));
    judge(&p)
}

/// Every print, and the answer that the last of them came with.
pub fn all(client: &Client) -> Result<(Vec<Print>, ListPrintsResponse), Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListPrintsRequest { page_size: 1000, page_token };
        let mut page = client.call(client.prints().list_prints(request))?;
        all.append(&mut page.prints);
        if page.next_page_token.is_empty() {
            return Ok((all, page));
        }
        page_token = page.next_page_token;
    }
}

fn list(a: &List) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let (all, last) = all(&client)?;
    if all.is_empty() && !a.remote.json {
        eprintln!("lathe: there are no prints; begin one with: lathe print start NAME");
    }
    a.remote.say(
        || {
            json!({
                "directory": last.directory, "free_bytes": last.free_bytes, "spare_bytes": last.spare_bytes,
                "prints": all.iter().map(print_json).collect::<Vec<_>>(),
            })
        },
        || {
            let mut lines: Vec<String> = all.iter().map(line).collect();
            let free = bytes(last.free_bytes.saturating_sub(last.spare_bytes));
            lines.push(format!("{free} free in {}", safe(&last.directory)));
            lines.join("\n")
        },
    );
    Ok(())
}

fn watch(a: &Watch) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let mut last = Print::default();
    let mut broken = None;
    let mut each = |m: &WatchPrintResponse| {
        let text = if a.remote.json { watch_json(m).to_string() } else { watch_line(m) };
        let mut out = std::io::stdout().lock();
        // In a terminal one line that moves, else a line each.
        let moves = out.is_terminal() && !a.remote.json;
        let done = if moves { write!(out, "\r\x1b[2K{text}") } else { writeln!(out, "{text}") };
        broken = done.and_then(|()| out.flush()).err();
        last = m.print.clone().unwrap_or_default();
    };
    follow(&client, a.name.clone(), a.hz, &mut each)?;
    if let Some(e) = broken {
        return Err(Failure::new(Exit::Io, format!("cannot write: {e}")));
    }
    if !a.remote.json {
        let moved = if std::io::stdout().is_terminal() { "\r\x1b[2K" } else { "" };
        println!("{moved}{}", line(&last));
    }
    judge(&last)
}

/// Every moment of a print until it is over.
fn follow(
    client: &Client,
    name: String,
    hz: f64,
    each: &mut dyn FnMut(&WatchPrintResponse),
) -> Result<(), Failure> {
    let mut stream = client.call(client.prints().watch_print(WatchPrintRequest { name, hz }))?;
    loop {
        let Some(m) = client.next(&mut stream, Duration::from_secs(1))? else { continue };
        each(&m);
        if m.print.as_ref().is_none_or(is_over) {
            return Ok(());
        }
    }
}

fn is_over(p: &Print) -> bool {
    matches!(p.state(), PrintState::Done | PrintState::Failed)
}

/// A failed print ends the command with 1.
fn judge(p: &Print) -> Result<(), Failure> {
    match p.state() {
        PrintState::Failed => {
            Err(Failure::new(Exit::Failed, format!("the print {} failed: {}", safe(&p.name), safe(&p.reason))))
        }
        _ => Ok(()),
    }
}

fn state_name(p: &Print) -> &'static str {
    match p.state() {
        PrintState::Unspecified => "unknown",
        PrintState::Recording => "recording",
        PrintState::Finishing => "finishing",
        PrintState::Done => "done",
        PrintState::Failed => "failed",
    }
}

fn source_name(p: &Print) -> &'static str {
    match p.source() {
        PrintSource::Monitor => "monitor",
        PrintSource::In => "in",
        _ => "out",
    }
}

/// `1:02:03.4` of frames.
pub fn length(frames: u64, rate: u32) -> String {
    let rate = u64::from(rate.max(1));
    let (seconds, tenth) = (frames / rate, frames % rate * 10 / rate);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}.{tenth}") } else { format!("{m}:{s:02}.{tenth}") }
}

/// As people read sizes of disks.
pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        _ if n >= 1e12 => format!("{:.2} TB", n / 1e12),
        _ if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        _ => format!("{:.0} MB", n / 1e6),
    }
}

fn level(v: Option<f64>) -> String {
    v.filter(|v| v.is_finite()).map_or("-".into(), |v| format!("{v:.1}"))
}

/// One print as a line of the list.
fn line(p: &Print) -> String {
    let l = p.loudness.unwrap_or_default();
    let when = p.start_time.as_ref().map_or_else(String::new, |t| moment(t.seconds));
    let reason = if p.reason.is_empty() { String::new() } else { format!(": {}", safe(&p.reason)) };
    format!(
        "{:<32} {when}  {:>10}  {:>3} bits  I {} LUFS, TP {} dBTP  {}{reason}",
        safe(&p.file),
        length(p.frames, p.sample_rate),
        p.bits,
        level(l.integrated),
        level(l.true_peak),
        state_name(p),
    )
}

fn watch_line(m: &WatchPrintResponse) -> String {
    let p = m.print.clone().unwrap_or_default();
    let l = p.loudness.unwrap_or_default();
    let faults = match (p.gaps, p.xruns) {
        (0, 0) => String::new(),
        (gaps, xruns) => format!("; {gaps} gaps, {xruns} xruns"),
    };
    format!(
        "{} {} {}: M {} S {} I {} LUFS, TP max {} dBTP; buffer {:.0} %; {} free{faults}",
        state_name(&p),
        safe(&p.file),
        length(p.frames, p.sample_rate),
        level(m.momentary),
        level(m.short_term),
        level(l.integrated),
        level(l.true_peak),
        m.buffer * 100.0,
        bytes(m.free_bytes),
    )
}

fn known(v: Option<f64>) -> Value {
    v.map_or(Value::Null, number)
}

fn print_json(p: &Print) -> Value {
    let l = p.loudness.unwrap_or_default();
    let fault = |f: &crate::client::v1::PrintFault| {
        let kind = if f.kind() == PrintFaultKind::Xrun { "xrun" } else { "gap" };
        json!({ "kind": kind, "at_frame": f.at_frame, "frames": f.frames, "count": f.count })
    };
    let format = match p.format() {
        PrintFormat::Rf64 => "rf64",
        PrintFormat::Flac => "flac",
        _ => "wav",
    };
    json!({
        "name": p.name, "id": p.id, "file": p.file, "state": state_name(p), "reason": p.reason,
        "description": p.description, "source": source_name(p), "format": format, "bits": p.bits,
        "sample_rate": p.sample_rate, "channels": p.channels,
        "start_time": p.start_time.as_ref().map(|t| moment(t.seconds)), "start_frame": p.start_frame,
        "frames": p.frames, "latency_frames": p.latency_frames, "clipped_samples": p.clipped_samples,
        "gaps": p.gaps, "gap_frames": p.gap_frames, "xruns": p.xruns,
        "faults": p.faults.iter().map(fault).collect::<Vec<_>>(),
        "loudness": {
            "integrated_lufs": known(l.integrated), "loudness_range_lu": known(l.loudness_range),
            "true_peak_dbtp": known(l.true_peak), "sample_peak_dbfs": known(l.sample_peak),
            "momentary_max_lufs": known(l.momentary_max), "short_term_max_lufs": known(l.short_term_max),
        },
        "revision_first": p.revision_first, "revision_last": p.revision_last, "changed": p.changed,
        "audio_hash": p.audio_hash, "rack_hash": p.rack_hash, "layout_hash": p.layout_hash,
        "values_hash": p.values_hash, "buffer_used": p.buffer_used,
    })
}

fn watch_json(m: &WatchPrintResponse) -> Value {
    let mut all = print_json(&m.print.clone().unwrap_or_default());
    all["buffer"] = json!(m.buffer);
    all["momentary_lufs"] = known(m.momentary);
    all["short_term_lufs"] = known(m.short_term);
    all["free_bytes"] = json!(m.free_bytes);
    all
}
