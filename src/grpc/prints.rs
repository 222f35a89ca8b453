// SPDX-License-Identifier: MIT OR Apache-2.0
//! `PrintService`: thin handlers over the prints.

use std::time::Duration;

use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::v1::{self, print_service_server::PrintService};
use super::{Answers, Rooms, answers, aside, convert, farewell, refuse, tell};
use crate::files::{BitDepth, Container};
use crate::print::entry::{Entry, Fault, FaultKind, Source, State};
use crate::print::live::Progress;
use crate::print::{PrintError, Prints, Want};

/// Prints of a page if nothing is said, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 1000;
/// Answers a second if nothing is said, and what may be.
const DEFAULT_HZ: f64 = 2.0;
const RATES: std::ops::RangeInclusive<f64> = 1.0..=10.0;

pub(super) struct Printed(pub Rooms);

type Answer<T> = Result<Response<T>, Status>;

impl Printed {
    /// Runs what may wait for the disk.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Prints) -> Result<T, PrintError> + Send + 'static,
    ) -> Result<T, Status> {
        let off = || refuse::precondition("DISABLED", "prints", "this daemon has no place for prints");
        let prints = self.0.prints.clone().ok_or_else(off)?;
        aside(move || work(&prints)).await?.map_err(|e| refuse::print(&e))
    }
}

#[tonic::async_trait]
impl PrintService for Printed {
    async fn start_print(&self, request: Request<v1::StartPrintRequest>) -> Answer<v1::StartPrintResponse> {
        let want = want(request.into_inner())?;
        let begun = self.on_disk(move |p| p.start(&want)).await?;
        Ok(Response::new(v1::StartPrintResponse { print: Some(print(begun)) }))
    }

    async fn stop_print(&self, request: Request<v1::StopPrintRequest>) -> Answer<v1::StopPrintResponse> {
        let name = request.into_inner().name;
        let ended = self.on_disk(move |p| p.stop(&name)).await?;
        Ok(Response::new(v1::StopPrintResponse { print: Some(print(ended)) }))
    }

    async fn list_prints(&self, request: Request<v1::ListPrintsRequest>) -> Answer<v1::ListPrintsResponse> {
        let v1::ListPrintsRequest { page_size, page_token } = request.into_inner();
        let size = match usize::try_from(page_size) {
            Ok(0) => PAGE,
            Ok(n) => n.min(MAX_PAGE),
            Err(_) => return Err(refuse::field("page_size", "0 or more")),
        };
        let all = self.on_disk(Prints::list).await?;
        // A token is the id of the last one told, so that one removed between two pages skips nothing.
        let from = match page_token.as_str() {
            "" => 0,
            token => {
                let place = token.split_once('-').and_then(|(id, n)| Some((id, n.parse::<usize>().ok()?)));
                let (id, n) = place.ok_or_else(|| refuse::field("page_token", "this is no page token"))?;
                let found = all.prints.iter().position(|(e, _)| e.id == id);
                found.map_or(n, |at| at + 1).min(all.prints.len())
            }
        };
        let (total, to) = (all.prints.len(), from.saturating_add(size).min(all.prints.len()));
        let next_page_token = match to < total {
            true => format!("{}-{}", all.prints[to - 1].0.id, to - 1),
            false => String::new(),
        };
        Ok(Response::new(v1::ListPrintsResponse {
            prints: all.prints.into_iter().take(to).skip(from).map(|(e, _)| print(e)).collect(),
            next_page_token,
            total_size: total as i32,
            directory: all.dir,
            free_bytes: all.free,
            spare_bytes: all.spare,
        }))
    }

    type WatchPrintStream = Answers<v1::WatchPrintResponse>;

    async fn watch_print(&self, request: Request<v1::WatchPrintRequest>) -> Answer<Self::WatchPrintStream> {
        let v1::WatchPrintRequest { name, hz } = request.into_inner();
        let hz = if hz == 0.0 { DEFAULT_HZ } else { hz };
        if !RATES.contains(&hz) {
            return Err(refuse::field("hz", format!("{hz} is not allowed: 1 to 10")));
        }
        let mut next = self.on_disk(move |p| p.get(&name).map(|now| moment(p, now))).await?;
        let name = next.print.as_ref().map(|p| p.name.clone()).unwrap_or_default();
        let (to, from) = mpsc::channel(1);
        let (rooms, mut closing) = (Printed(self.0.clone()), self.0.closing.clone());
        tokio::spawn(async move {
            loop {
                let over = next.print.as_ref().is_none_or(|p| is_over(p.state()));
                if !tell(&to, &mut closing, next).await || over {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs_f64(1.0 / hz)) => {}
                    () = to.closed() => return,
                    () = closing.wait() => return farewell(&to),
                }
                let name = name.clone();
                next = match rooms.on_disk(move |p| p.get(&name).map(|now| moment(p, now))).await {
                    Ok(next) => next,
                    Err(gone) => {
                        let _ = to.send(Err(gone)).await; // nobody listens: nothing is owed
                        return;
                    }
                };
            }
        });
        Ok(Response::new(answers(from)))
    }
}

fn is_over(state: v1::PrintState) -> bool {
    matches!(state, v1::PrintState::Done | v1::PrintState::Failed)
}

/// What a request asks for, with defaults in place of what was not said.
fn want(r: v1::StartPrintRequest) -> Result<Want, Status> {
    let source = match r.source() {
        v1::PrintSource::Unspecified | v1::PrintSource::Out => Source::Out,
        v1::PrintSource::Monitor => Source::Monitor,
        v1::PrintSource::In => Source::In,
    };
    let container = match r.format() {
        v1::PrintFormat::Unspecified | v1::PrintFormat::Wav => Container::Wav,
        v1::PrintFormat::Rf64 => Container::Rf64,
        v1::PrintFormat::Flac => Container::Flac,
    };
    if v1::PrintSource::try_from(r.source).is_err() {
        return Err(refuse::field("source", format!("{} is no source: out, monitor, in", r.source)));
    }
    if v1::PrintFormat::try_from(r.format).is_err() {
        return Err(refuse::field("format", format!("{} is no format: wav, rf64, flac", r.format)));
    }
    let depth = match (r.bits.as_str(), container) {
        ("", Container::Flac) => BitDepth::I24,
        ("", _) => BitDepth::F32,
        (bits, _) => {
            let known = bits.parse().ok().filter(|d| matches!(d, BitDepth::I24 | BitDepth::F32));
            known.ok_or_else(|| refuse::field("bits", format!("{bits:?} cannot be printed: 24 or 32f")))?
        }
    };
    let seconds = (r.seconds != 0.0).then_some(r.seconds);
    Ok(Want { name: r.name, description: r.description, source, container, depth, seconds })
}

/// A print as it stands.
fn print(e: Entry) -> v1::Print {
    let state = match e.state {
        State::Recording => v1::PrintState::Recording,
        State::Finishing => v1::PrintState::Finishing,
        State::Done => v1::PrintState::Done,
        State::Failed => v1::PrintState::Failed,
    };
    let source = match e.source {
        Source::Out => v1::PrintSource::Out,
        Source::Monitor => v1::PrintSource::Monitor,
        Source::In => v1::PrintSource::In,
    };
    let format = match e.container {
        Container::Wav => v1::PrintFormat::Wav,
        Container::Rf64 => v1::PrintFormat::Rf64,
        Container::Flac => v1::PrintFormat::Flac,
    };
    let l = &e.loudness;
    v1::Print {
        state: state.into(),
        source: source.into(),
        format: format.into(),
        loudness: Some(v1::PrintLoudness {
            integrated: l.integrated_lufs,
            loudness_range: l.loudness_range_lu,
            true_peak: l.true_peak_dbtp,
            sample_peak: l.sample_peak_dbfs,
            momentary_max: l.momentary_max_lufs,
            short_term_max: l.short_term_max_lufs,
        }),
        faults: e.faults.iter().map(fault).collect(),
        start_time: Some(convert::time(e.start_unix_ms)),
        name: e.name,
        id: e.id,
        file: e.file,
        reason: e.why,
        description: e.description,
        bits: e.bits,
        sample_rate: e.sample_rate,
        channels: e.channels,
        start_frame: e.start_frame,
        frames: e.frames,
        latency_frames: e.latency_frames,
        clipped_samples: e.clipped_samples,
        gaps: e.gaps,
        gap_frames: e.gap_frames,
        xruns: e.xruns,
        revision_first: e.revision_first,
        revision_last: e.revision_last,
        changed: e.changed,
        audio_hash: e.hashes.audio.unwrap_or_default(),
        rack_hash: e.hashes.rack,
        layout_hash: e.hashes.layout,
        values_hash: e.hashes.values,
        buffer_used: e.buffer_used,
    }
}

fn fault(f: &Fault) -> v1::PrintFault {
    let kind = match f.kind {
        FaultKind::Gap => v1::PrintFaultKind::Gap,
        FaultKind::Xrun => v1::PrintFaultKind::Xrun,
    };
    v1::PrintFault { kind: kind.into(), at_frame: f.at_frame, frames: f.frames, count: f.count }
}

/// One print at this moment, with the room there is.
fn moment(prints: &Prints, (entry, p): (Entry, Progress)) -> v1::WatchPrintResponse {
    v1::WatchPrintResponse {
        print: Some(print(entry)),
        buffer: p.buffer,
        momentary: p.momentary,
        short_term: p.short_term,
        true_peak: p.true_peak,
        free_bytes: prints.free(),
    }
}
