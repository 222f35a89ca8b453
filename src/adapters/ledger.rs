// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session's ledger as the OSC server wants to see it.

use lathe_core::analysis::Figures;

use super::args::{count, level, text};
use crate::ledger::{Ledger, LedgerError, Shown};
use crate::osc::request::Code;
use crate::osc::{Arg, ports};
use crate::store::{AlbumSummary, Track, TrackState};

/// The session's ledger.
pub struct OscLedger(pub Ledger);

fn refused(e: &LedgerError) -> ports::Refusal {
    let code = match e {
        LedgerError::Name(_) | LedgerError::Tap(_) | LedgerError::NoAlbum(_) => Code::Value,
        _ => Code::Failed,
    };
    (code, e.to_string())
}

/// Of a track, in the order in which they have always been told.
fn measures(f: &Figures, rate: u32) -> [(&'static str, Arg); 7] {
    [
        ("seconds", Arg::Float((f.frames as f64 / f64::from(rate.max(1))) as f32)),
        ("frames", count(f.frames)),
        ("integrated", level(f.loudness.integrated)),
        ("loudness_range", Arg::Float(f.loudness.loudness_range.unwrap_or(0.0) as f32)),
        ("momentary_max", level(f.loudness.momentary_max)),
        ("short_term_max", level(f.loudness.short_term_max)),
        ("true_peak", level(Some(f.true_peak))),
    ]
}

/// How the ledger stands.
fn fields(done: Result<Shown, LedgerError>) -> Result<ports::Fields, ports::Refusal> {
    let shown = done.map_err(|e| refused(&e))?;
    let mut fields = vec![("state", text(shown.state())), ("album", text(&shown.album.name))];
    if let Some(t) = shown.track() {
        fields.extend([("track", text(&t.name)), ("number", count(shown.album.tracks.len() as u64))]);
        fields.extend(measures(&t.figures, t.sample_rate));
        fields.extend([
            ("missed", Arg::Bool(t.has_missed())),
            ("reason", text(&t.why)),
            ("tap", text(&t.tap)),
        ]);
    }
    let album = shown.album.figures.as_ref().and_then(|f| f.loudness.integrated);
    fields.extend([("album_integrated", level(album)), ("unsaved", text(&shown.unsaved))]);
    Ok(fields)
}

/// One of a list.
fn track(number: usize, t: &Track) -> ports::Fields {
    let state = match t.state {
        TrackState::Running if t.why.is_empty() => "running",
        TrackState::Running => "waiting",
        TrackState::Paused => "paused",
        TrackState::Closed => "closed",
    };
    let mut fields = vec![
        ("number", count(number as u64)),
        ("track", text(&t.name)),
        ("state", text(state)),
        ("tap", text(&t.tap)),
    ];
    fields.extend(measures(&t.figures, t.sample_rate));
    fields.extend([("missed", Arg::Bool(t.has_missed())), ("reason", text(&t.why))]);
    fields
}

fn album(a: &AlbumSummary) -> ports::Fields {
    vec![
        ("id", text(&a.id)),
        ("album", text(&a.name)),
        ("tracks", count(a.tracks as u64)),
        ("integrated", level(a.integrated)),
        ("over", Arg::Bool(a.ended_unix_ms.is_some())),
    ]
}

impl ports::Ledger for OscLedger {
    fn start(&self, name: &str, tap: &str) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.start_track(name, tap))
    }
    fn pause(&self) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.pause())
    }
    fn resume(&self) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.resume())
    }
    fn close(&self) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.close())
    }
    fn turn(&self, name: &str) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.new_album(name))
    }
    fn status(&self) -> Result<ports::Fields, ports::Refusal> {
        fields(self.0.show())
    }
    fn tracks(&self, album: &str, most: usize) -> Result<ports::Listing, ports::Refusal> {
        let all = self.0.album(album).map_err(|e| refused(&e))?.tracks;
        let last = all.iter().enumerate().skip(all.len().saturating_sub(most));
        Ok(ports::Listing { last: last.map(|(n, t)| track(n + 1, t)).collect(), total: all.len() })
    }
    fn albums(&self, most: usize) -> Result<ports::Listing, ports::Refusal> {
        let mut all = self.0.former();
        all.push(AlbumSummary::of(&self.0.show().map_err(|e| refused(&e))?.album));
        let last = all.iter().skip(all.len().saturating_sub(most));
        Ok(ports::Listing { last: last.map(album).collect(), total: all.len() })
    }
}
