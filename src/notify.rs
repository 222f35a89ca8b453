// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the service manager (systemd) is told of us: ready, reloading, stopping, how it stands, and that
//! we live. Without one, nothing. Main thread.

use std::time::Instant;

use sd_notify::NotifyState;

use crate::control::AudioState;
use crate::watchdog::{Signs, Watchdog};

/// The manager that started us, if one did.
pub struct Manager {
    watchdog: Option<Watchdog>,
    /// Told last; empty until all is ready.
    status: String,
}

impl Manager {
    /// Reads what the manager left in the environment.
    pub fn new() -> Self {
        let watchdog = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
        Manager { watchdog: watchdog.map(|l| Watchdog::new(l, Instant::now())), status: String::new() }
    }

    /// Everything is there, or again after a reload.
    pub fn ready(&mut self, audio: &AudioState) {
        self.status = describe(audio);
        tell(&[NotifyState::Ready, NotifyState::Status(&self.status)]);
    }

    /// A reload begins. Before everything is ready there is nothing to tell.
    pub fn reloading(&self) {
        if self.status.is_empty() {
            return;
        }
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the rack file")]),
            Err(error) => tracing::debug!(%error, "no time for the service manager"),
        }
    }

    /// The reload is over.
    pub fn reloaded(&mut self, audio: &AudioState) {
        if !self.status.is_empty() {
            self.ready(audio);
        }
    }

    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping, NotifyState::Status("fading out and saving")]);
    }

    /// Now and then, once all is ready: what has changed, and that we live.
    pub fn tend(&mut self, audio: &AudioState, signs: Signs, now: Instant) {
        if self.status.is_empty() {
            return;
        }
        let status = describe(audio);
        if status != self.status {
            self.status = status;
            tell(&[NotifyState::Status(&self.status)]);
        }
        if self.watchdog.as_mut().is_some_and(|w| w.is_due(signs, now)) {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

impl Default for Manager {
    fn default() -> Self {
        Manager::new()
    }
}

/// Why we end, for `systemctl status`.
pub fn failed(reason: &str) {
    let line = reason.lines().next().unwrap_or_default();
    tell(&[NotifyState::Status(&format!("failed: {line}"))]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// One line for `systemctl status`.
fn describe(audio: &AudioState) -> String {
    let AudioState { source, rate, period, latency, .. } = audio;
    match (audio.backend, audio.audible, audio.hung) {
        ("jack", _, true) => "the JACK server hangs; going on unheard".into(),
        ("jack", false, _) => "waiting for a JACK server".into(),
        _ => format!("{source} drives: {rate} Hz, {period} frames a period, latency {latency} frames"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_says_how_it_stands() {
        let runs = AudioState {
            backend: "jack",
            source: "jack",
            rate: 48_000,
            period: 128,
            latency: 146,
            audible: true,
            ..AudioState::default()
        };
        assert_eq!(describe(&runs), "jack drives: 48000 Hz, 128 frames a period, latency 146 frames");
        let hung = AudioState { hung: true, audible: false, ..runs.clone() };
        assert_eq!(describe(&hung), "the JACK server hangs; going on unheard");
        assert_eq!(describe(&AudioState { audible: false, ..runs }), "waiting for a JACK server");
    }
}
