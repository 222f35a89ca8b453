// SPDX-License-Identifier: MIT OR Apache-2.0
//! The supervisor's thread: sessions with a JACK server, from waiting to loss and return.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::body::{Body, Place, Pulse};
use super::{Backend, fade_out};
use crate::audio::clock::{Clock, DEFAULT_PERIOD, DEFAULT_RATE, age_limit};
use crate::audio::jack::{self, ANSWER, Phase, PortNames, Session, SessionSettings};
use crate::audio::source::Source;

impl Body {
    pub(super) fn start_session(&mut self) {
        let Backend::Jack { client_name, connect } = &self.backend else { return };
        let settings = SessionSettings {
            client_name: client_name.clone(),
            ports: PortNames::new(self.shared.control().plan()),
            connect: connect.clone(),
            remembered: std::mem::take(&mut self.remembered),
        };
        (self.origins, self.xruns.session, self.hung) = (0, 0, false);
        self.pulse = Pulse::new();
        match Session::start(settings) {
            Ok(session) => self.session = Some(session),
            Err(error) => tracing::error!(%error, "cannot look for a JACK server; trying again"),
        }
    }

    pub(super) fn follow_session(&mut self) {
        if !matches!(self.backend, Backend::Jack { .. }) {
            return;
        }
        let Some(session) = &self.session else { return self.start_session() };
        let shared = session.shared.clone();
        match shared.phase() {
            Phase::Waiting => self.tell_waiting(&shared),
            Phase::Opened => self.seat_in_session(&shared),
            Phase::Seated => self.watch_activation(&shared),
            Phase::Active => self.watch(&shared),
            Phase::Over => {}
        }
        if shared.gone.load(Ordering::Acquire) || shared.phase() == Phase::Over {
            self.lose(&shared);
        }
    }

    fn tell_waiting(&mut self, shared: &jack::Shared) {
        let silent = shared.attempts.load(Ordering::Acquire) == 0;
        if self.told_waiting || silent && self.pulse.since.elapsed() < ANSWER {
            return;
        }
        self.told_waiting = true;
        if shared.refused.load(Ordering::Relaxed) {
            tracing::warn!(
                "the JACK server refuses us: another client may have this name (see --client-name); \
                 trying again"
            );
        } else {
            tracing::warn!("no JACK server answers; waiting for one");
        }
        self.shared.ready.store(true, Ordering::Release);
    }

    fn seat_in_session(&mut self, shared: &jack::Shared) {
        let rate = shared.rate.load(Ordering::Relaxed);
        let seated = self.engine_for(rate);
        self.missing = seated.is_none().then(Instant::now);
        if let Some(mut seated) = seated {
            // It may come in the middle of a programme.
            seated.fade_in();
            shared.engine_latency.store(seated.engine().latency(), Ordering::Relaxed);
            drop(shared.seat.put(seated));
        }
        self.place = Place::Jack;
        self.pulse = Pulse::new();
        shared.advance(Phase::Seated);
        self.stop_clock();
    }

    /// A server may hang between our ports and its first cycle: then nobody would drive.
    fn watch_activation(&mut self, shared: &jack::Shared) {
        if !self.hung && self.pulse.since.elapsed() > ANSWER {
            tracing::warn!("the JACK server hangs; going on unheard");
            (self.hung, self.hung_at) = (true, shared.seat.cycles());
            self.fall_to_clock();
            self.shared.ready.store(true, Ordering::Release);
        }
    }

    /// The watchdog, and what the audio thread left to be said.
    fn watch(&mut self, shared: &jack::Shared) {
        let rate = shared.rate.load(Ordering::Relaxed);
        let period = shared.period.load(Ordering::Relaxed) as usize;
        let cycles = shared.seat.cycles();
        let age = self.pulse.age(cycles);
        // The first cycle may take its time, as the session starts beside it.
        let limit = if cycles == 0 { ANSWER.max(age_limit(rate, period)) } else { age_limit(rate, period) };
        if !self.hung && age > limit {
            tracing::warn!(age_ms = age.as_millis() as u64, "the JACK server hangs; going on unheard");
            (self.hung, self.hung_at) = (true, cycles);
            self.fall_to_clock();
            self.shared.ready.store(true, Ordering::Release);
        } else if self.hung && cycles > self.hung_at + 1 {
            tracing::info!("the JACK server goes on");
            self.hung = false;
            if self.place == Place::Clock {
                // An engine that was stuck may have come back to the session's seat.
                drop(shared.seat.take(Duration::ZERO));
                self.seat_in_session(shared);
            }
        }
        self.told_waiting = false;
        if self.missing.is_some() && cycles > 0 {
            // There is a server, but no engine for its rate: that is all there is to wait for.
            self.shared.ready.store(true, Ordering::Release);
        }
        if let Some((origins, engine_frame, jack_frame)) = shared.origin_after(self.origins) {
            self.origins = origins;
            let latency = shared.latency();
            tracing::info!(engine_frame, jack_frame, rate, period, latency, "JACK drives");
            self.shared.ready.store(true, Ordering::Release);
        }
    }

    /// The server is gone: first the engine, then the session.
    fn lose(&mut self, shared: &jack::Shared) {
        if self.place == Place::Jack {
            tracing::warn!("the JACK server is gone; going on unheard");
            self.fall_to_clock();
        }
        if shared.phase() == Phase::Over
            && let Some(session) = self.session.take()
        {
            self.remembered = session.finish();
            self.start_session();
        }
    }

    /// Other ports: out, and in again with another engine.
    pub(super) fn reopen(&mut self) {
        fade_out(&self.shared);
        let rate = self.seat().map_or(DEFAULT_RATE, |(_, rate, _)| rate);
        let seated = match self.build(rate) {
            Ok(seated) => seated,
            Err(error) => return tracing::error!(%error, "the new rack does not run"),
        };
        if let Some((seat, rate, period)) = self.seat() {
            drop(seat.take(age_limit(rate, period)));
        }
        let period = self.clock.as_ref().map_or(DEFAULT_PERIOD, |c| c.period);
        let played = self.clock.take().and_then(Clock::stop);
        let source = match played {
            Some(file @ Source::File(_)) => Ok(file),
            _ => self.source(rate),
        };
        match source.and_then(|source| Ok(self.start_clock(source, rate, period)?)) {
            Ok(()) => self.seat_in_clock(seated),
            Err(error) => tracing::error!(%error, "the clock cannot be started"),
        }
        self.end_session(Duration::from_millis(500));
        self.start_session();
    }

    /// Asks the session to close and waits for it that long; one that does not is left to its fate.
    pub(super) fn end_session(&mut self, patience: Duration) {
        let Some(session) = self.session.take() else { return };
        session.shared.stop.store(true, Ordering::Release);
        let end = Instant::now() + patience;
        while session.shared.phase() < Phase::Over && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.remembered = session.finish();
    }
}
