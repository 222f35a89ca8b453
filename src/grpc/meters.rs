// SPDX-License-Identifier: MIT OR Apache-2.0
//! `MeterService`: what looks at the sound, told at a steady rate.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::v1::{self, meter_service_server::MeterService};
use super::{Answers, Closing, Rooms, client, refuse};
use crate::control::Client;
use crate::telemetry::{Alarm, AlarmEvent};

/// Readings per second if nothing is said.
const DEFAULT_HZ: f64 = 10.0;

/// Where readings come from.
pub trait Meters: Send + Sync + 'static {
    /// Readings as asked for, with defaults in place of what was not said; a slow reader of the stream gets the newest.
    fn watch(
        &self,
        request: v1::WatchMetersRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchMetersResponse>, Status>;
    /// Looks at spectra.
    fn watch_spectrum(
        &self,
        request: v1::WatchSpectrumRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchSpectrumResponse>, Status>;
    /// Looks at a pair of channels.
    fn watch_scope(
        &self,
        request: v1::WatchScopeRequest,
        closing: Closing,
    ) -> Result<Answers<v1::WatchScopeResponse>, Status>;
    /// Begins a new measurement, for everyone.
    fn reset(&self, client: Client);
    /// Alarms that have begun and ended since a number, which becomes the newest.
    fn alarm_events(&self, _seen: &mut Option<u64>) -> Vec<AlarmEvent> {
        Vec::new()
    }
    /// Alarms that are on.
    fn alarms(&self) -> Vec<Alarm> {
        Vec::new()
    }
}

pub(super) struct Watched(pub Rooms);

type Answer<T> = Result<Response<T>, Status>;

impl Watched {
    fn meters(&self) -> Result<&Arc<dyn Meters>, Status> {
        self.0.meters.as_ref().ok_or_else(|| refuse::precondition("DISABLED", "meters", "meters are off"))
    }
}

#[tonic::async_trait]
impl MeterService for Watched {
    type WatchMetersStream = Answers<v1::WatchMetersResponse>;

    async fn watch_meters(
        &self,
        request: Request<v1::WatchMetersRequest>,
    ) -> Answer<Self::WatchMetersStream> {
        let mut request = request.into_inner();
        if request.hz == 0.0 {
            request.hz = DEFAULT_HZ;
        }
        if !(1.0..=60.0).contains(&request.hz) {
            return Err(refuse::field("hz", format!("{} is not allowed: 1 to 60", request.hz)));
        }
        if request.taps.is_empty() {
            request.taps.push("out".into());
        }
        Ok(Response::new(self.meters()?.watch(request, self.0.closing.clone())?))
    }

    type WatchSpectrumStream = Answers<v1::WatchSpectrumResponse>;

    async fn watch_spectrum(
        &self,
        request: Request<v1::WatchSpectrumRequest>,
    ) -> Answer<Self::WatchSpectrumStream> {
        Ok(Response::new(self.meters()?.watch_spectrum(request.into_inner(), self.0.closing.clone())?))
    }

    type WatchScopeStream = Answers<v1::WatchScopeResponse>;

    async fn watch_scope(&self, request: Request<v1::WatchScopeRequest>) -> Answer<Self::WatchScopeStream> {
        Ok(Response::new(self.meters()?.watch_scope(request.into_inner(), self.0.closing.clone())?))
    }

    async fn reset_meters(
        &self,
        request: Request<v1::ResetMetersRequest>,
    ) -> Answer<v1::ResetMetersResponse> {
        self.meters()?.reset(client(&request));
        Ok(Response::new(v1::ResetMetersResponse {}))
    }
}
