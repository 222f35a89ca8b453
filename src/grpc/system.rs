// SPDX-License-Identifier: MIT OR Apache-2.0
//! `SystemService`: how the daemon stands, and what happens to it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tonic::{Request, Response, Status};

use super::v1::{self, system_service_server::SystemService};
use super::{Answers, Rooms, answers, aside, client, convert, events, farewell, tell};

pub(super) struct Daemon {
    rooms: Rooms,
    since: Instant,
}

type Answer<T> = Result<Response<T>, Status>;

impl Daemon {
    pub fn new(rooms: Rooms) -> Self {
        Daemon { rooms, since: Instant::now() }
    }
}

#[tonic::async_trait]
impl SystemService for Daemon {
    async fn get_status(&self, request: Request<v1::GetStatusRequest>) -> Answer<v1::GetStatusResponse> {
        let client = client(&request).0;
        let (rooms, since) = (self.rooms.clone(), self.since);
        let status = aside(move || {
            let snapshot = rooms.snapshots.as_ref().and_then(|s| s.current()).unwrap_or_default();
            let audio = convert::audio(&rooms.host.audio());
            let control = rooms.host.control();
            let engine = control.status();
            v1::GetStatusResponse {
                version: env!("CARGO_PKG_VERSION").to_string(),
                audio: Some(audio),
                rack_name: control.plan().name.clone(),
                revision: control.revision(),
                applied_revision: engine.map_or(0, |s| s.applied.load(Relaxed)),
                engine_frame: engine.map_or(0, |s| s.frame.load(Relaxed)),
                panic: control.panic(),
                snapshot,
                uptime_seconds: since.elapsed().as_secs_f64(),
                client,
            }
        });
        Ok(Response::new(status.await?))
    }

    type WatchEventsStream = Answers<v1::WatchEventsResponse>;

    async fn watch_events(&self, _: Request<v1::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        let (to, from) = mpsc::channel(16);
        let mut events = self.rooms.events.subscribe();
        let mut closing = self.rooms.closing.clone();
        let alarms = self.rooms.meters.as_ref().map(|m| m.alarms()).unwrap_or_default();
        let first = events::state(&self.rooms.host.audio(), &alarms);
        tokio::spawn(async move {
            let (mut next, mut lost) = (first, 0);
            while tell(&to, &mut closing, v1::WatchEventsResponse { lost, ..next }).await {
                lost = 0;
                next = tokio::select! {
                    event = following(&mut events, &mut lost) => match event {
                        Some(event) => event,
                        None => return,
                    },
                    () = to.closed() => return,
                    () = closing.wait() => return farewell(&to),
                };
            }
        });
        Ok(Response::new(answers(from)))
    }
}

/// The next event; counts those that were lost before it.
async fn following(
    events: &mut broadcast::Receiver<v1::WatchEventsResponse>,
    lost: &mut u64,
) -> Option<v1::WatchEventsResponse> {
    loop {
        match events.recv().await {
            Ok(event) => return Some(event),
            Err(RecvError::Lagged(n)) => *lost += n,
            Err(RecvError::Closed) => return None,
        }
    }
}
