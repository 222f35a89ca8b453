// SPDX-License-Identifier: MIT OR Apache-2.0
//! The telemetry as `MeterService` serves it: a task for each stream, which ends with its reader.

use lathe_core::param::suggest;
use tokio::sync::mpsc;
use tonic::Status;

use super::look_request::Places;
use super::v1;
use super::{Answers, Closing, Meters, answers, farewell, look, look_request, readings, refuse};
use crate::control::Client;
use crate::telemetry::{Alarm, AlarmEvent, EXTRAS, Extra, Feed, Frame, Refused, Telemetry, Want, extras};

impl Meters for Telemetry {
    fn watch(
        &self,
        request: v1::WatchMetersRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchMetersResponse>, Status> {
        let extras = request.readings.iter().map(|symbol| extra(symbol)).collect::<Result<_, _>>()?;
        let want = Want { hz: request.hz, taps: request.taps, slots: !request.slots.is_empty(), extras };
        let feed = self.subscribe(want).map_err(refused)?;
        let (to, from) = mpsc::channel(1);
        let slots = request.slots;
        tokio::spawn(pass_on(feed, move |frame| answer(&frame, &slots), to, closing));
        Ok(answers(from))
    }

    fn alarm_events(&self, seen: &mut Option<u64>) -> Vec<AlarmEvent> {
        Telemetry::alarm_events(self, seen)
    }

    fn alarms(&self) -> Vec<Alarm> {
        Telemetry::alarms(self).into_iter().filter(|(_, on)| *on).map(|(alarm, _)| alarm).collect()
    }

    fn watch_spectrum(
        &self,
        request: v1::WatchSpectrumRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchSpectrumResponse>, Status> {
        let watch =
            look_request::spectrum(&request, self).map_err(|(field, why)| refuse::field(field, why))?;
        let feed = Telemetry::watch(self, watch).map_err(refused)?;
        let (to, from) = mpsc::channel(1);
        tokio::spawn(pass_on(feed, look::spectrum, to, closing));
        Ok(answers(from))
    }

    fn watch_scope(
        &self,
        request: v1::WatchScopeRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchScopeResponse>, Status> {
        let feed = Telemetry::watch(self, look_request::pair(&request)).map_err(refused)?;
        let (to, from) = mpsc::channel(1);
        tokio::spawn(pass_on(feed, look::pair, to, closing));
        Ok(answers(from))
    }

    fn reset(&self, client: Client) {
        Telemetry::reset(self, client);
    }
}

impl Places for Telemetry {
    fn channels(&self, tap: &str) -> usize {
        Telemetry::channels(self, tap)
    }
    fn delay(&self, from: &str, to: &str) -> Option<usize> {
        Telemetry::delay(self, from, to)
    }
}

/// The reading of a symbol, or those there are.
fn extra(symbol: &str) -> Result<&'static Extra, Status> {
    extras::find(symbol).ok_or_else(|| {
        let all: Vec<&str> = EXTRAS.iter().map(|e| e.symbol).collect();
        let near = suggest(symbol, all.iter().copied());
        let hint = near
            .map_or_else(|| format!("there are {}", all.join(", ")), |n| format!("did you mean \"{n}\"?"));
        refuse::field("readings", format!("no reading \"{symbol}\": {hint}"))
    })
}

fn refused(e: Refused) -> Status {
    let field = match e {
        Refused::Rate(_) => "hz",
        Refused::Tap(_) | Refused::TooMany(_) => "taps",
        Refused::Setting(_) | Refused::Reference | Refused::Delay { .. } => "analysis",
        Refused::Full => return refuse::exhausted("meter subscribers", e),
        Refused::Budget { .. } | Refused::Memory { .. } => return refuse::exhausted("analysis budget", e),
    };
    refuse::field(field, e.to_string())
}

/// Frames to the reader. While it is busy the feed merges what comes, so it gets the newest and all maxima.
async fn pass_on<W, F, R>(
    mut feed: Feed<W, F>,
    answer: impl Fn(F) -> R,
    to: mpsc::Sender<Result<R, Status>>,
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
        place.send(Ok(answer(frame)));
    }
}

fn answer(frame: &Frame, slots: &[String]) -> v1::WatchMetersResponse {
    let load = v1::Load {
        dsp_load: frame.load.dsp_load,
        mean_load: frame.load.mean_load,
        xruns: frame.load.xruns,
        periods: frame.load.periods,
        histogram: frame.load.histogram.to_vec(),
        clock_deviation: frame.load.clock.map(|c| c.deviation),
    };
    v1::WatchMetersResponse {
        sequence: frame.sequence,
        missed: frame.missed,
        engine_frame: frame.engine_frame,
        audible: frame.audible,
        taps: frame.taps.iter().map(|(name, r)| readings::tap(name, r, frame.extras_of(name))).collect(),
        slots: readings::slots(slots, &frame.slots, &frame.trails),
        load: Some(load),
    }
}
