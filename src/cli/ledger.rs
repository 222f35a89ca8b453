// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe ledger`: integrated measures per track and album of the daemon, while it plays.

use clap::Subcommand;
use serde_json::{Value, json};

use super::print::length;
use super::remote::{Remote, moment, number, safe};
use crate::client::Client;
use crate::client::v1::{
    Album, CloseTrackRequest, GetAlbumRequest, LedgerFigures, ListAlbumsRequest, ListTracksRequest,
    NewAlbumRequest, PauseTrackRequest, ResumeTrackRequest, StartTrackRequest, Track, TrackState,
};
use crate::exit::Failure;

/// Measure tracks and the album while they play, and keep what was measured
///
/// A track is measured from its start to its close, without its pauses; the album is all tracks as one programme.
/// Both outlive a restart of the daemon.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe ledger start \"Song 1\"\n  lathe ledger close\n  lathe ledger album"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    Start(Start),
    Pause(Pause),
    Resume(Resume),
    Close(Close),
    List(List),
    Album(AlbumArgs),
    New(New),
}

/// Start a track; one that is open is closed on the same frame
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe ledger start \"Song 1\"\n  lathe ledger start \"Song 1, as it came\" --tap in"
)]
struct Start {
    #[command(flatten)]
    remote: Remote,
    /// What is measured: main out, main in, what is listened to, or a slot's input or output, such as eq/out
    #[arg(long, value_name = "TAP", default_value = "out")]
    tap: String,
    /// 1 to 96 printable characters; without it, one by its number
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
}

/// Pause the open track: what sounds does not count
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe ledger pause")]
struct Pause {
    #[command(flatten)]
    remote: Remote,
}

/// Go on with the paused track
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe ledger resume")]
struct Resume {
    #[command(flatten)]
    remote: Remote,
}

/// Close the open track and say what it came to
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe ledger close\n  lathe ledger close --json | jq .integrated_lufs")]
struct Close {
    #[command(flatten)]
    remote: Remote,
}

/// List the tracks of an album
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe ledger list\n  lathe ledger list --json | jq -r '.tracks[] | [.name, .integrated_lufs] | @tsv'"
)]
struct List {
    #[command(flatten)]
    remote: Remote,
    /// Which album, as `lathe ledger album --all` names it [default: the one that is being made]
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    album: String,
}

/// Show an album as one programme, or list all of them
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe ledger album\n  lathe ledger album --all")]
struct AlbumArgs {
    #[command(flatten)]
    remote: Remote,
    /// List all albums that are kept
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Which one [default: the one that is being made]
    #[arg(default_value = "", hide_default_value = true)]
    id: String,
}

/// Begin another album; the one before is kept
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe ledger new \"Second album\"")]
struct New {
    #[command(flatten)]
    remote: Remote,
    /// 1 to 96 printable characters; without it, one from the day
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Start(a) => {
            let client = a.remote.connect()?;
            let request = StartTrackRequest { name: a.name.clone(), tap: a.tap.clone() };
            let done = client.call(client.ledger().start_track(request))?;
            say(&a.remote, done.track, &done.unsaved)
        }
        Verb::Pause(Pause { remote }) => {
            let client = remote.connect()?;
            let done = client.call(client.ledger().pause_track(PauseTrackRequest {}))?;
            say(remote, done.track, &done.unsaved)
        }
        Verb::Resume(Resume { remote }) => {
            let client = remote.connect()?;
            let done = client.call(client.ledger().resume_track(ResumeTrackRequest {}))?;
            say(remote, done.track, &done.unsaved)
        }
        Verb::Close(Close { remote }) => {
            let client = remote.connect()?;
            let done = client.call(client.ledger().close_track(CloseTrackRequest {}))?;
            say(remote, done.track, &done.unsaved)
        }
        Verb::List(a) => list(a),
        Verb::Album(a) if a.all => albums(&a.remote),
        Verb::Album(a) => album(a),
        Verb::New(a) => {
            let client = a.remote.connect()?;
            let done = client.call(client.ledger().new_album(NewAlbumRequest { name: a.name.clone() }))?;
            let album = done.album.unwrap_or_default();
            warn(&done.unsaved);
            a.remote.say(|| album_json(&album, &[]), || format!("album {}", safe(&album.name)));
            Ok(())
        }
    }
}

fn say(remote: &Remote, track: Option<Track>, unsaved: &str) -> Result<(), Failure> {
    let track = track.unwrap_or_default();
    warn(unsaved);
    remote.say(|| track_json(&track), || line(&track));
    Ok(())
}

/// What is measured and not kept is told whatever the form of the answer.
fn warn(unsaved: &str) {
    if !unsaved.is_empty() {
        eprintln!("lathe: {}", safe(unsaved));
    }
}

/// Every track of an album; an empty id is the one that is being made.
fn tracks(client: &Client, id: &str) -> Result<Vec<Track>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTracksRequest { album_id: id.to_string(), page_size: 500, page_token };
        let mut page = client.call(client.ledger().list_tracks(request))?;
        all.append(&mut page.tracks);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn list(a: &List) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let all = tracks(&client, &a.album)?;
    if all.is_empty() && !a.remote.json {
        eprintln!("lathe: the album has no tracks; start one with: lathe ledger start NAME");
    }
    a.remote.say(
        || json!({ "tracks": all.iter().map(track_json).collect::<Vec<_>>() }),
        || all.iter().map(line).collect::<Vec<_>>().join("\n"),
    );
    Ok(())
}

fn album(a: &AlbumArgs) -> Result<(), Failure> {
    let client = a.remote.connect()?;
    let answer = client.call(client.ledger().get_album(GetAlbumRequest { id: a.id.clone() }))?;
    let album = answer.album.unwrap_or_default();
    let all = tracks(&client, &album.id)?;
    warn(&answer.unsaved);
    a.remote.say(|| album_json(&album, &all), || page(&album, &all));
    Ok(())
}

fn albums(remote: &Remote) -> Result<(), Failure> {
    let client = remote.connect()?;
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListAlbumsRequest { page_size: 500, page_token };
        let mut page = client.call(client.ledger().list_albums(request))?;
        all.append(&mut page.albums);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let short = |a: &Album| {
        json!({
            "id": a.id, "name": a.name, "tracks": a.tracks, "integrated_lufs": known(integrated(a)),
            "start_time": a.start_time.as_ref().map(|t| moment(t.seconds)),
            "end_time": a.end_time.as_ref().map(|t| moment(t.seconds)),
        })
    };
    let row = |a: &Album| {
        let when = a.start_time.as_ref().map_or_else(String::new, |t| moment(t.seconds));
        let plural = if a.tracks == 1 { "" } else { "s" };
        let i = level(integrated(a));
        format!("{}  {when}  {:>3} track{plural:1}  I {i} LUFS  {}", a.id, a.tracks, safe(&a.name))
    };
    remote.say(
        || json!({ "albums": all.iter().map(short).collect::<Vec<_>>() }),
        || all.iter().map(row).collect::<Vec<_>>().join("\n"),
    );
    Ok(())
}

fn integrated(a: &Album) -> Option<f64> {
    a.figures.as_ref().and_then(|f| f.integrated)
}

fn level(v: Option<f64>) -> String {
    v.filter(|v| v.is_finite()).map_or("-".into(), |v| format!("{v:.1}"))
}

fn known(v: Option<f64>) -> Value {
    v.map_or(Value::Null, number)
}

fn state_name(t: &Track) -> &'static str {
    match t.state() {
        TrackState::Unspecified => "unknown",
        TrackState::Running if !t.reason.is_empty() => "waiting",
        TrackState::Running => "running",
        TrackState::Paused => "paused",
        TrackState::Closed => "closed",
    }
}

/// What is missing in a track, in words.
fn missing(t: &Track) -> String {
    let frames = t.figures.as_ref().map_or(0, |f| f.missed_frames);
    let parts =
        [(frames, "frames missed"), (u64::from(t.interruptions), "interruptions"), (t.xruns, "xruns")];
    let told: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if told.is_empty() { String::new() } else { format!("; {}", told.join(", ")) }
}

/// The figures that are quoted, in one line.
fn figures_line(f: &LedgerFigures) -> String {
    let dr = f.dr.map_or("-".to_string(), |v| format!("{v:.0}"));
    format!(
        "I {} LUFS, LRA {} LU, M {}, S {}, TP {} dBTP, PLR {} LU, DR {dr}",
        level(f.integrated),
        level(f.loudness_range),
        level(f.momentary_max),
        level(f.short_term_max),
        level(f.true_peak),
        level(f.plr),
    )
}

/// One track as a line of the list.
fn line(t: &Track) -> String {
    let f = t.figures.clone().unwrap_or_default();
    let reason = if t.reason.is_empty() { String::new() } else { format!(" ({})", safe(&t.reason)) };
    format!(
        "{:>3} {:<32} {:>10}  {}  {}{reason}{}",
        t.number,
        safe(&t.name),
        length(f.frames, t.sample_rate),
        figures_line(&f),
        state_name(t),
        missing(t),
    )
}

/// An album with its tracks, for people.
fn page(a: &Album, tracks: &[Track]) -> String {
    let mut lines = vec![format!("{} ({})", safe(&a.name), a.id)];
    lines.extend(tracks.iter().map(line));
    if let Some(f) = &a.figures {
        let name = "the album as one programme";
        lines.push(format!("    {name:<32} {:>10}  {}", length(f.frames, a.sample_rate), figures_line(f)));
    }
    lines.join("\n")
}

/// Keys as in `lathe measure`.
fn figures_json(f: &LedgerFigures) -> Value {
    let channel = |c: &crate::client::v1::LedgerChannel| {
        json!({
            "channel": c.channel, "true_peak_dbtp": known(c.true_peak), "sample_peak_dbfs": known(c.sample_peak),
            "rms_dbfs": known(c.rms), "crest_db": known(c.crest), "dr_exact_db": known(c.dr),
            "dc_offset": number(c.dc), "clipped_samples": c.clipped_samples, "flat_tops": c.flat_tops,
        })
    };
    json!({
        "frames": f.frames, "missed_frames": f.missed_frames, "not_numbers": f.not_numbers,
        "integrated_lufs": known(f.integrated), "loudness_range_lu": known(f.loudness_range),
        "momentary_max_lufs": known(f.momentary_max), "short_term_max_lufs": known(f.short_term_max),
        "true_peak_dbtp": known(f.true_peak), "sample_peak_dbfs": known(f.sample_peak),
        "plr_lu": known(f.plr), "psr_min_lu": known(f.psr_min), "crest_db": known(f.crest),
        "dr": known(f.dr.map(f64::round)), "dr_exact_db": known(f.dr), "correlation": known(f.correlation),
        "dc_offset": number(f.dc), "clipped_samples": f.clipped_samples,
        "channels": f.channels.iter().map(channel).collect::<Vec<_>>(),
    })
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object
}

fn track_json(t: &Track) -> Value {
    let about = json!({
        "number": t.number, "name": t.name, "tap": t.tap, "sample_rate": t.sample_rate, "layout": t.layout,
        "state": state_name(t), "reason": t.reason,
        "start_time": t.start_time.as_ref().map(|t| moment(t.seconds)),
        "end_time": t.end_time.as_ref().map(|t| moment(t.seconds)),
        "start_frame": t.start_frame, "position": t.position, "pauses": t.pauses,
        "interruptions": t.interruptions, "xruns": t.xruns, "missed": t.missed,
    });
    with(about, figures_json(&t.figures.clone().unwrap_or_default()))
}

fn album_json(a: &Album, tracks: &[Track]) -> Value {
    let about = json!({
        "id": a.id, "name": a.name, "sample_rate": a.sample_rate, "layout": a.layout,
        "start_time": a.start_time.as_ref().map(|t| moment(t.seconds)),
        "end_time": a.end_time.as_ref().map(|t| moment(t.seconds)),
        "tracks": tracks.iter().map(track_json).collect::<Vec<_>>(),
    });
    with(about, figures_json(&a.figures.clone().unwrap_or_default()))
}
