// SPDX-License-Identifier: MIT OR Apache-2.0
//! `LedgerService`: thin handlers over the session's ledger.

use std::ops::Range;

use lathe_core::analysis::Figures;
use lathe_core::analysis::integrator::ChannelFigures;
use tonic::{Request, Response, Status};

use super::v1::{self, ledger_service_server::LedgerService};
use super::{Rooms, aside, convert, refuse};
use crate::ledger::{Ledger, LedgerError, Shown};
use crate::store::{Album, AlbumSummary, Track, TrackState};

/// Of a page if nothing is said, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;

pub(super) struct Kept(pub Rooms);

type Answer<T> = Result<Response<T>, Status>;

impl Kept {
    /// Runs what may wait for the disk or for sound.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, Status> {
        let off = || refuse::precondition("DISABLED", "ledger", "this daemon keeps no ledger");
        let ledger = self.0.ledger.clone().ok_or_else(off)?;
        aside(move || work(&ledger)).await?.map_err(|e| refuse::ledger(&e))
    }
}

#[tonic::async_trait]
impl LedgerService for Kept {
    async fn start_track(&self, request: Request<v1::StartTrackRequest>) -> Answer<v1::StartTrackResponse> {
        let v1::StartTrackRequest { name, tap } = request.into_inner();
        let shown = self.aside(move |l| l.start_track(&name, &tap)).await?;
        let (track, unsaved) = last(shown);
        Ok(Response::new(v1::StartTrackResponse { track, unsaved }))
    }

    async fn pause_track(&self, _: Request<v1::PauseTrackRequest>) -> Answer<v1::PauseTrackResponse> {
        let (track, unsaved) = last(self.aside(Ledger::pause).await?);
        Ok(Response::new(v1::PauseTrackResponse { track, unsaved }))
    }

    async fn resume_track(&self, _: Request<v1::ResumeTrackRequest>) -> Answer<v1::ResumeTrackResponse> {
        let (track, unsaved) = last(self.aside(Ledger::resume).await?);
        Ok(Response::new(v1::ResumeTrackResponse { track, unsaved }))
    }

    async fn close_track(&self, _: Request<v1::CloseTrackRequest>) -> Answer<v1::CloseTrackResponse> {
        let (track, unsaved) = last(self.aside(Ledger::close).await?);
        Ok(Response::new(v1::CloseTrackResponse { track, unsaved }))
    }

    async fn list_tracks(&self, request: Request<v1::ListTracksRequest>) -> Answer<v1::ListTracksResponse> {
        let v1::ListTracksRequest { album_id, page_size, page_token } = request.into_inner();
        let album = self.aside(move |l| l.album(&album_id)).await?;
        let total = album.tracks.len();
        let (range, next_page_token) = page(page_size, &page_token, total)?;
        let tracks = range.map(|n| track(n, &album.tracks[n])).collect();
        Ok(Response::new(v1::ListTracksResponse { tracks, next_page_token, total_size: total as i32 }))
    }

    async fn get_album(&self, request: Request<v1::GetAlbumRequest>) -> Answer<v1::GetAlbumResponse> {
        let id = request.into_inner().id;
        let work = move |l: &Ledger| Ok((l.album(&id)?, l.show()?.unsaved));
        let (found, unsaved) = self.aside(work).await?;
        Ok(Response::new(v1::GetAlbumResponse { album: Some(album(&found)), unsaved }))
    }

    async fn new_album(&self, request: Request<v1::NewAlbumRequest>) -> Answer<v1::NewAlbumResponse> {
        let name = request.into_inner().name;
        let shown = self.aside(move |l| l.new_album(&name)).await?;
        let (album, unsaved) = (Some(album(&shown.album)), shown.unsaved);
        Ok(Response::new(v1::NewAlbumResponse { album, unsaved }))
    }

    async fn list_albums(&self, request: Request<v1::ListAlbumsRequest>) -> Answer<v1::ListAlbumsResponse> {
        let v1::ListAlbumsRequest { page_size, page_token } = request.into_inner();
        let (mut all, now) = self.aside(|l| Ok((l.former(), l.show()?))).await?;
        all.push(AlbumSummary::of(&now.album));
        let (range, next_page_token) = page(page_size, &page_token, all.len())?;
        let albums = all[range].iter().map(summary).collect();
        Ok(Response::new(v1::ListAlbumsResponse { albums, next_page_token, total_size: all.len() as i32 }))
    }
}

/// Lists only grow at their end, so a token is the number of those that were told.
fn page(size: i32, token: &str, total: usize) -> Result<(Range<usize>, String), Status> {
    let size = match usize::try_from(size) {
        Ok(0) => PAGE,
        Ok(n) => n.min(MAX_PAGE),
        Err(_) => return Err(refuse::field("page_size", "0 or more")),
    };
    let from = match token {
        "" => 0,
        token => token.parse().map_err(|_| refuse::field("page_token", "this is no page token"))?,
    };
    let (from, to) = (total.min(from), total.min(from.saturating_add(size)));
    Ok((from..to, if to < total { to.to_string() } else { String::new() }))
}

fn last(shown: Shown) -> (Option<v1::Track>, String) {
    let number = shown.album.tracks.len().saturating_sub(1);
    (shown.track().map(|t| track(number, t)), shown.unsaved)
}

fn track(index: usize, t: &Track) -> v1::Track {
    let state = match t.state {
        TrackState::Running => v1::TrackState::Running,
        TrackState::Paused => v1::TrackState::Paused,
        TrackState::Closed => v1::TrackState::Closed,
    };
    v1::Track {
        number: index as u32 + 1,
        name: t.name.clone(),
        tap: t.tap.clone(),
        sample_rate: t.sample_rate,
        layout: t.layout.clone(),
        state: state.into(),
        reason: t.why.clone(),
        start_time: Some(convert::time(t.begun_unix_ms)),
        end_time: t.ended_unix_ms.map(convert::time),
        start_frame: t.start_frame,
        position: t.position,
        pauses: t.pauses,
        interruptions: t.interruptions,
        xruns: t.xruns,
        missed: t.has_missed(),
        figures: Some(figures(&t.figures, &t.layout)),
    }
}

fn album(a: &Album) -> v1::Album {
    v1::Album {
        id: a.id.clone(),
        name: a.name.clone(),
        start_time: Some(convert::time(a.begun_unix_ms)),
        end_time: a.ended_unix_ms.map(convert::time),
        sample_rate: a.sample_rate,
        layout: a.layout.clone(),
        figures: a.figures.as_ref().map(|f| figures(f, &a.layout)),
        tracks: a.tracks.len() as u32,
    }
}

fn summary(a: &AlbumSummary) -> v1::Album {
    let integrated = a.integrated;
    v1::Album {
        id: a.id.clone(),
        name: a.name.clone(),
        start_time: Some(convert::time(a.begun_unix_ms)),
        end_time: a.ended_unix_ms.map(convert::time),
        figures: Some(v1::LedgerFigures { integrated, ..Default::default() }),
        tracks: a.tracks as u32,
        ..Default::default()
    }
}

fn known(v: impl Into<Option<f64>>) -> Option<f64> {
    v.into().filter(|v| v.is_finite())
}

fn figures(f: &Figures, layout: &str) -> v1::LedgerFigures {
    let names = crate::ledger::channels(layout);
    let largest = |m: f64, c: &ChannelFigures| if c.dc.abs() > m.abs() { c.dc } else { m };
    v1::LedgerFigures {
        frames: f.frames,
        missed_frames: f.missed,
        not_numbers: f.non_finite,
        integrated: known(f.loudness.integrated),
        loudness_range: known(f.loudness.loudness_range),
        momentary_max: known(f.loudness.momentary_max),
        short_term_max: known(f.loudness.short_term_max),
        true_peak: known(f.true_peak),
        sample_peak: known(f.sample_peak),
        plr: known(f.plr),
        psr_min: known(f.psr_min),
        crest: known(f.crest),
        dr: known(f.dr),
        correlation: known(f.correlation),
        dc: f.channels.iter().fold(0.0, largest),
        clipped_samples: f.channels.iter().map(|c| c.clips.samples).sum(),
        channels: names.iter().zip(&f.channels).map(|(name, c)| channel(name, c)).collect(),
    }
}

fn channel(name: &str, c: &ChannelFigures) -> v1::LedgerChannel {
    v1::LedgerChannel {
        channel: name.to_string(),
        true_peak: known(c.true_peak),
        sample_peak: known(c.sample_peak),
        rms: known(c.rms),
        crest: known(c.crest),
        dr: known(c.dr),
        dc: c.dc,
        clipped_samples: c.clips.samples,
        flat_tops: c.clips.flat_tops,
    }
}
