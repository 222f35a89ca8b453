// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to the audio: one task looks, everyone is told, and health is kept current.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::{Closing, Meters, convert, v1};
use crate::control::{AudioState, Handle};
use crate::telemetry::{Alarm, AlarmEvent, AlarmKind};

/// The name under which health tells whether audio can be heard.
pub(super) const AUDIO: &str = "lathe.v1.audio";
/// Time between two looks.
const POLL: Duration = Duration::from_millis(20);
/// Events that a reader may be behind before it loses some.
const QUEUE: usize = 256;

/// Where events are told.
#[derive(Clone)]
pub(crate) struct Events(broadcast::Sender<v1::WatchEventsResponse>);

impl Events {
    pub fn new() -> Self {
        Events(broadcast::Sender::new(QUEUE))
    }

    pub fn subscribe(&self) -> broadcast::Receiver<v1::WatchEventsResponse> {
        self.0.subscribe()
    }
}

/// Somebody hears it.
fn is_heard(audio: &AudioState) -> bool {
    audio.audible && !audio.hung
}

fn event(kind: v1::EventType, count: u64, message: String, now: &AudioState) -> v1::WatchEventsResponse {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_millis() as u64);
    v1::WatchEventsResponse {
        r#type: kind.into(),
        time: Some(convert::time(time)),
        message,
        audio: Some(convert::audio(now)),
        count,
        lost: 0,
        alarm: None,
        alarms: Vec::new(),
    }
}

/// How it stands, as the first answer has it, with the alarms that are on.
pub(super) fn state(now: &AudioState, on: &[Alarm]) -> v1::WatchEventsResponse {
    let message = if is_heard(now) { "audio runs" } else { "audio cannot be heard" };
    let mut alarms: Vec<v1::Alarm> = Vec::new();
    for a in on {
        let one = alarm(std::slice::from_ref(a));
        match alarms.iter_mut().find(|b| (b.kind, &b.tap) == (one.kind, &one.tap)) {
            Some(same) => same.channels.extend(one.channels),
            None => alarms.push(one),
        }
    }
    v1::WatchEventsResponse { alarms, ..event(v1::EventType::State, 0, message.into(), now) }
}

/// Alarms of one kind and tap.
fn alarm(alarms: &[Alarm]) -> v1::Alarm {
    let kind = match alarms.first().map(|a| a.kind) {
        Some(AlarmKind::Silence) => v1::AlarmKind::Silence,
        Some(AlarmKind::Stuck) => v1::AlarmKind::Stuck,
        Some(AlarmKind::Inverted) => v1::AlarmKind::Inverted,
        Some(AlarmKind::Clock) => v1::AlarmKind::Clock,
        None => v1::AlarmKind::Unspecified,
    };
    v1::Alarm {
        kind: kind.into(),
        tap: alarms.first().map(|a| a.tap.to_string()).unwrap_or_default(),
        channels: alarms.iter().filter_map(|a| a.channel).map(String::from).collect(),
    }
}

fn alarmed(e: AlarmEvent, now: &AudioState) -> v1::WatchEventsResponse {
    let kind = if e.on { v1::EventType::AlarmStarted } else { v1::EventType::AlarmEnded };
    let (time, count) = (Some(convert::time(e.unix_ms)), e.alarms.len() as u64);
    v1::WatchEventsResponse { time, alarm: Some(alarm(&e.alarms)), ..event(kind, count, e.message, now) }
}

/// What happened between two looks.
fn between(before: &AudioState, now: &AudioState) -> Vec<v1::WatchEventsResponse> {
    let mut out = Vec::new();
    let lost = now.lost_engines.saturating_sub(before.lost_engines);
    if lost > 0 {
        out.push(event(v1::EventType::EngineLost, lost, format!("{lost} engines lost and replaced"), now));
    }
    let format = |a: &AudioState| (a.backend, a.source, a.rate, a.period, a.latency);
    match (is_heard(before), is_heard(now)) {
        (true, false) if now.hung => {
            out.push(event(v1::EventType::AudioStopped, 1, "the server hangs".into(), now));
        }
        (true, false) => out.push(event(v1::EventType::AudioStopped, 1, "the server is gone".into(), now)),
        (false, true) => out.push(event(v1::EventType::AudioStarted, 1, "audio runs".into(), now)),
        (true, true) if format(before) != format(now) => {
            let message = format!("{} at {} Hz, {} frames a period", now.source, now.rate, now.period);
            out.push(event(v1::EventType::AudioChanged, 1, message, now));
        }
        _ => {}
    }
    let xruns = now.xruns.saturating_sub(before.xruns);
    if xruns > 0 {
        out.push(event(v1::EventType::Xrun, xruns, format!("{xruns} glitches"), now));
    }
    out
}

/// Says whether audio can be heard.
pub(super) async fn tell_health(health: &HealthReporter, now: &AudioState) {
    let status = if is_heard(now) { ServingStatus::Serving } else { ServingStatus::NotServing };
    health.set_service_status(AUDIO, status).await;
}

/// Looks until the server stops.
pub(super) async fn run(
    host: Handle,
    meters: Option<Arc<dyn Meters>>,
    events: Events,
    health: HealthReporter,
    mut closing: Closing,
) {
    let mut before = host.audio();
    let mut seen = None;
    tell_health(&health, &before).await;
    loop {
        let now = host.audio();
        if is_heard(&now) != is_heard(&before) {
            tell_health(&health, &now).await;
        }
        for event in between(&before, &now) {
            let _ = events.0.send(event); // nobody listens: nothing is owed
        }
        for e in meters.as_ref().map(|m| m.alarm_events(&mut seen)).unwrap_or_default() {
            let _ = events.0.send(alarmed(e, &now));
        }
        before = now;
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            () = closing.wait() => break,
        }
    }
    for name in ["", AUDIO] {
        health.set_service_status(name, ServingStatus::NotServing).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_one_event() {
        let silent = AudioState { backend: "jack", source: "none", ..AudioState::default() };
        let runs = AudioState { source: "jack", rate: 48_000, period: 64, audible: true, ..silent.clone() };
        let kinds = |a: &AudioState, b: &AudioState| -> Vec<(v1::EventType, u64)> {
            between(a, b).iter().map(|e| (e.r#type(), e.count)).collect()
        };
        assert_eq!(kinds(&runs, &runs), []);
        assert_eq!(kinds(&silent, &runs), [(v1::EventType::AudioStarted, 1)]);
        assert_eq!(kinds(&runs, &silent), [(v1::EventType::AudioStopped, 1)]);
        let hung = AudioState { hung: true, lost_engines: 2, ..runs.clone() };
        assert_eq!(kinds(&runs, &hung), [(v1::EventType::EngineLost, 2), (v1::EventType::AudioStopped, 1)]);
        let other = AudioState { period: 128, xruns: 3, ..runs.clone() };
        assert_eq!(kinds(&runs, &other), [(v1::EventType::AudioChanged, 1), (v1::EventType::Xrun, 3)]);
    }
}
