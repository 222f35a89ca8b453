// SPDX-License-Identifier: MIT OR Apache-2.0
//! The telemetry as `MeterService` serves it: a task for each stream, which ends with its reader.

use tokio::sync::mpsc;
use tonic::Status;

use super::v1;
use super::{Answers, Closing, Meters, answers, farewell, readings, refuse};
use crate::control::Client;
use crate::telemetry::{Feed, Frame, Refused, Telemetry, Want};

impl Meters for Telemetry {
    fn watch(
        &self,
        request: v1::WatchMetersRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchMetersResponse>, Status> {
        let want = Want { hz: request.hz, taps: request.taps, slots: !request.slots.is_empty() };
        let feed = self.subscribe(want).map_err(refused)?;
        let (to, from) = mpsc::channel(1);
        tokio::spawn(pass_on(feed, request.slots, to, closing));
        Ok(answers(from))
    }

    fn reset(&self, client: Client) {
        Telemetry::reset(self, client);
    }
}

fn refused(e: Refused) -> Status {
    let field = match e {
        Refused::Rate(_) => "hz",
        Refused::Tap { .. } | Refused::TooMany(_) => "taps",
        Refused::Full => return refuse::exhausted("meter subscribers", e),
    };
    refuse::field(field, e.to_string())
}

/// Frames to the reader. While it is busy the feed merges what comes, so it gets the newest and all maxima.
async fn pass_on(
    mut feed: Feed,
    slots: Vec<String>,
    to: mpsc::Sender<Result<v1::WatchMetersResponse, Status>>,
    mut closing: Closing,
) {
    loop {
        let place = tokio::select! {
            place = to.reserve() => place,
            () = closing.wait() => return farewell(&to),
        };
        let Ok(place) = place else { return };
        let frame = tokio::select! {
            frame = feed.next() => frame,
            () = to.closed() => return,
            () = closing.wait() => None,
        };
        // The telemetry ends with the daemon too.
        let Some(frame) = frame else {
            drop(place);
            return farewell(&to);
        };
        place.send(Ok(answer(&frame, &slots)));
    }
}

fn answer(frame: &Frame, slots: &[String]) -> v1::WatchMetersResponse {
    let load = v1::Load {
        dsp_load: frame.load.dsp_load,
        mean_load: frame.load.mean_load,
        xruns: frame.load.xruns,
        periods: frame.load.periods,
        histogram: frame.load.histogram.to_vec(),
    };
    v1::WatchMetersResponse {
        sequence: frame.sequence,
        missed: frame.missed,
        engine_frame: frame.engine_frame,
        audible: frame.audible,
        taps: frame.taps.iter().map(|(name, r)| readings::tap(name, r)).collect(),
        slots: readings::slots(slots, &frame.slots),
        load: Some(load),
    }
}
