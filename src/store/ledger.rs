// SPDX-License-Identifier: MIT OR Apache-2.0
//! The session's ledger on the disk: the album that is being made with its tracks, kept in generations, and the
//! albums that are over, a file each.
//!
//! What is open is kept with all that its integrators hold, so that it goes on after a restart; what is closed
//! is its figures.

use std::sync::Arc;

use lathe_core::analysis::Figures;
use lathe_core::analysis::integrator::Saved;
use serde::{Deserialize, Serialize};

use super::atomic::write_new;
use super::disk::{Disk, retry};
use super::envelope::{self, Refused};
use super::error::StoreError;
use super::generations::{Generations, Read};
use super::name::{check_name, is_id, new_id};
use super::snapshot::check_counts;

/// Most tracks of an album.
pub const MAX_TRACKS: usize = 500;
/// Rates and channels that there may be; wider than what a rack can have.
const RATES: std::ops::RangeInclusive<u32> = 1000..=1_536_000;
const MAX_CHANNELS: usize = 64;
/// Blocks of one level: more than in a thousand years, and their sum can still be counted.
const MAX_BLOCKS: u64 = 1 << 40;
/// Most former albums that are listed.
const MAX_ALBUMS: usize = 1000;

const FILE: Generations = Generations::new("ledger.toml", "ledger");
/// What an album that is over is called in its header and its file's name.
const ALBUM: &str = "album";

/// Where a track is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrackState {
    #[default]
    Running,
    /// What sounds does not count.
    Paused,
    /// For good.
    Closed,
}

/// One track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Track {
    pub name: String,
    /// `in`, `out` or `monitor`.
    pub tap: String,
    pub sample_rate: u32,
    /// The layout's name, or its channels joined by `+`.
    pub layout: String,
    pub state: TrackState,
    /// Why it is closed, or what it waits for; empty while all is well.
    pub why: String,
    pub begun_unix_ms: u64,
    pub ended_unix_ms: Option<u64>,
    /// The engine's frame of its first sample.
    pub start_frame: u64,
    /// Frames from the first sample to the last, pauses too; what was lost in a restart is in none.
    pub position: u64,
    pub pauses: u32,
    /// How often sound was lost and nobody can say how much: a restart, a server that was gone.
    pub interruptions: u32,
    /// Glitches that the audio server told of.
    pub xruns: u64,
    pub figures: Figures,
}

impl Track {
    pub fn is_closed(&self) -> bool {
        self.state == TrackState::Closed
    }

    /// Not all that was to count did.
    pub fn has_missed(&self) -> bool {
        self.figures.missed > 0 || self.interruptions > 0 || self.xruns > 0
    }
}

/// One album: all tracks since it was begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Album {
    /// 16 hex digits.
    pub id: String,
    pub name: String,
    pub begun_unix_ms: u64,
    /// `None` while it is being made.
    pub ended_unix_ms: Option<u64>,
    /// That of the last track, at which frames of `figures` are counted; 0 before the first.
    pub sample_rate: u32,
    /// That of every track; empty before the first.
    pub layout: String,
    /// Of all tracks as one programme; `None` before the first.
    pub figures: Option<Figures>,
    /// In their order; only the last may be open.
    pub tracks: Vec<Track>,
}

impl Album {
    pub fn new(name: &str, now_unix_ms: u64) -> Album {
        Album {
            id: new_id(name, |_| false),
            name: name.to_string(),
            begun_unix_ms: now_unix_ms,
            ended_unix_ms: None,
            sample_rate: 0,
            layout: String::new(),
            figures: None,
            tracks: Vec::new(),
        }
    }

    fn check(&self) -> Result<(), Refused> {
        let wrong = |why: String| Err(Refused::Content(why));
        if !is_id(&self.id) {
            return wrong(format!("{:?} is no album's id", self.id));
        }
        if self.tracks.len() > MAX_TRACKS {
            return wrong(format!("{} tracks; an album has at most {MAX_TRACKS}", self.tracks.len()));
        }
        for name in std::iter::once(&self.name).chain(self.tracks.iter().map(|t| &t.name)) {
            check_name(name).map_err(|e| Refused::Content(e.to_string()))?;
        }
        let open = self.tracks.iter().rev().skip(1).find(|t| !t.is_closed());
        if let Some(open) = open {
            return wrong(format!("\"{}\" is open, and it is not the last track", open.name));
        }
        let ended = |e: Option<u64>| e.unwrap_or(0);
        check_counts(&[self.begun_unix_ms, ended(self.ended_unix_ms)])?;
        for t in &self.tracks {
            check_counts(&[t.begun_unix_ms, ended(t.ended_unix_ms), t.start_frame, t.position, t.xruns])?;
            check_sound(t.sample_rate, &t.layout)?;
        }
        if self.tracks.is_empty() { Ok(()) } else { check_sound(self.sample_rate, &self.layout) }
    }
}

/// The album that is being made, and what its integrators hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerFile {
    pub saved_unix_ms: u64,
    pub album: Album,
    /// The album's integrator; `None` before the first track.
    pub whole: Option<Saved>,
    /// That of the last track, if it is open.
    pub open: Option<Saved>,
}

impl LedgerFile {
    fn check(&self) -> Result<(), Refused> {
        self.album.check()?;
        let open = self.album.tracks.last().is_some_and(|t| !t.is_closed());
        if open != self.open.is_some() || self.whole.is_some() == self.album.tracks.is_empty() {
            return Err(Refused::Content("its tracks and what was integrated do not fit".into()));
        }
        self.whole.iter().chain(&self.open).try_for_each(check_saved)?;
        check_counts(&[self.saved_unix_ms])
    }
}

/// Rates and layouts that there may be.
fn check_sound(rate: u32, layout: &str) -> Result<(), Refused> {
    if !RATES.contains(&rate) {
        return Err(Refused::Content(format!("a rate of {rate} Hz; {} to {}", RATES.start(), RATES.end())));
    }
    match layout.split('+').count() {
        1..=MAX_CHANNELS => Ok(()),
        n => Err(Refused::Content(format!("a layout of {n} channels; at most {MAX_CHANNELS}"))),
    }
}

/// Counts that can be counted on.
fn check_saved(saved: &Saved) -> Result<(), Refused> {
    check_counts(&[saved.position, saved.frames, saved.missed, saved.non_finite, saved.dr_blocks])?;
    let l = &saved.loudness;
    let blocks = saved.channels.iter().map(|c| &c.dr.blocks).chain([&l.blocks, &l.range]);
    if let Some(bin) = blocks.flatten().find(|b| b.count > MAX_BLOCKS) {
        return Err(Refused::Content(format!("{} blocks of one level", bin.count)));
    }
    for c in &saved.channels {
        check_counts(&[c.clips.samples, c.clips.runs, c.clips.flat_tops, c.clips.longest])?;
    }
    saved.true_peaks.iter().try_for_each(|t| check_counts(&[t.frame]))
}

/// Files that were not taken, by their albums' ids, and why.
pub type Unread = Vec<(String, Refused)>;

/// An album that is over, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct AlbumSummary {
    pub id: String,
    pub name: String,
    pub begun_unix_ms: u64,
    pub ended_unix_ms: Option<u64>,
    pub tracks: usize,
    pub integrated: Option<f64>,
}

impl AlbumSummary {
    pub fn of(album: &Album) -> AlbumSummary {
        AlbumSummary {
            id: album.id.clone(),
            name: album.name.clone(),
            begun_unix_ms: album.begun_unix_ms,
            ended_unix_ms: album.ended_unix_ms,
            tracks: album.tracks.len(),
            integrated: album.figures.as_ref().and_then(|f| f.loudness.integrated),
        }
    }
}

/// The files of the ledger.
#[derive(Clone)]
pub struct LedgerStore {
    disk: Arc<dyn Disk>,
}

impl LedgerStore {
    /// In a directory whose lock the caller holds.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        LedgerStore { disk }
    }

    /// Makes this what the ledger says, durably.
    ///
    /// # Errors
    /// Nothing was stored: what it said before it still says.
    pub fn save(&self, file: &LedgerFile) -> Result<(), StoreError> {
        file.check().map_err(StoreError::Content)?;
        FILE.save(&*self.disk, file)
    }

    /// The newest that verifies, and which newer files were refused, and why.
    pub fn load(&self) -> (Option<Read<LedgerFile>>, Vec<(String, Refused)>) {
        FILE.load(&*self.disk, LedgerFile::check)
    }

    /// Keeps an album that is over. One that is kept already is left as it is.
    ///
    /// # Errors
    /// It is not kept.
    pub fn keep(&self, album: &Album) -> Result<(), StoreError> {
        album.check().map_err(StoreError::Content)?;
        let file = file(&album.id);
        if envelope::read::<Album>(&*self.disk, ALBUM, &file).is_ok_and(|kept| kept == *album) {
            return Ok(());
        }
        let bytes = envelope::encode(ALBUM, album).map_err(StoreError::Content)?;
        write_new(&*self.disk, &file, &bytes)
    }

    /// An album that is over.
    ///
    /// # Errors
    /// There is none of this id, or its file is damaged.
    pub fn album(&self, id: &str) -> Result<Album, Refused> {
        if !is_id(id) {
            return Err(Refused::Missing);
        }
        let album: Album = envelope::read(&*self.disk, ALBUM, &file(id))?;
        album.check().map(|()| album)
    }

    /// The albums that are over, the oldest first, and which files were refused, and why.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn albums(&self) -> Result<(Vec<AlbumSummary>, Unread), StoreError> {
        let names = retry(|| self.disk.list()).map_err(StoreError::io("list", "the ledger"))?;
        let (mut albums, mut refused) = (Vec::new(), Vec::new());
        let id = |n: &str| n.strip_prefix("album-")?.strip_suffix(".toml").map(String::from);
        for (name, id) in names.into_iter().filter_map(|n| id(&n).map(|id| (n, id))) {
            match self.album(&id) {
                Ok(album) => albums.push(AlbumSummary::of(&album)),
                Err(why) => refused.push((name, why)),
            }
        }
        albums.sort_by(|a, b| (a.begun_unix_ms, &a.id).cmp(&(b.begun_unix_ms, &b.id)));
        albums.drain(..albums.len().saturating_sub(MAX_ALBUMS));
        Ok((albums, refused))
    }
}

fn file(id: &str) -> String {
    format!("album-{id}.toml")
}
