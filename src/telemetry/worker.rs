// SPDX-License-Identifier: MIT OR Apache-2.0
//! The telemetry thread: follows the engine and the subscribers, reads, serves.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use lathe_core::engine::tap::TapId;

use super::alarms::{AlarmWatch, Standards};
use super::clock::Clock;
use super::extras::Extra;
use super::frame::Load;
use super::open_view::{OpenView, Watcher};
use super::reduction::Reductions;
use super::subscriber::{Moment, Subscriber};
use super::taps::OpenTap;
use super::{MAX_TAPS, Shared};
use crate::control::load::Periods;
use crate::control::taps::{Sound, place};
use crate::control::{AudioState, Handle};

/// [`super::Telemetry::load`] is of this long.
const RECENT: Duration = Duration::from_secs(1);

/// Everything the thread has.
pub(super) struct Worker {
    host: Handle,
    shared: Arc<Shared>,
    subscribers: Vec<Subscriber>,
    watchers: Vec<Watcher>,
    views: Vec<OpenView>,
    standards: Standards,
    alarms: AlarmWatch,
    clock: Clock,
    /// The first poll.
    since: Option<Instant>,
    sound: Option<Sound>,
    taps: Vec<OpenTap>,
    /// Taps of this engine to be disarmed.
    leaving: Vec<TapId>,
    /// Taps lost with their engine, and since when.
    lost: Vec<(String, Instant)>,
    reductions: Reductions,
    all: Periods,
    recent: VecDeque<(Instant, Periods)>,
}

impl Worker {
    pub fn new(host: Handle, shared: Arc<Shared>, standards: Standards) -> Self {
        Worker {
            host,
            shared,
            subscribers: Vec::new(),
            watchers: Vec::new(),
            views: Vec::new(),
            standards,
            alarms: AlarmWatch::new(standards),
            clock: Clock::new(),
            since: None,
            sound: None,
            taps: Vec::new(),
            leaving: Vec::new(),
            lost: Vec::new(),
            reductions: Reductions::default(),
            all: Periods::default(),
            recent: VecDeque::new(),
        }
    }

    /// Once every few milliseconds.
    pub fn poll(&mut self, now: Instant) {
        // Beside `now`: what comes after takes its time.
        let counted = self.sound.as_ref().map(|s| s.status.frame.load(Ordering::Relaxed));
        let audio = self.host.audio();
        self.clock.look(self.sound.as_ref().zip(counted), &audio, now);
        self.taps.iter_mut().for_each(|t| t.pump(audio.audible, now, &mut self.views));
        self.follow_subscribers(now);
        self.follow_watchers(now);
        self.follow_engine();
        self.close_taps();
        self.open_taps(now);
        self.follow_views();
        self.send();
        let told = self.alarms.look(&self.taps, self.clock.reading().as_ref());
        self.shared.board().tell(told, self.alarms.states());
        self.read_status(&audio, now);
        if self.shared.reset.swap(false, Ordering::AcqRel) {
            self.reset();
        }
        self.serve(&audio, now);
    }

    fn follow_subscribers(&mut self, now: Instant) {
        let before = self.subscribers.len();
        self.subscribers.retain(|s| !s.post.is_gone());
        let mut changed = self.subscribers.len() != before;
        let mut posts = self.shared.posts();
        posts.retain(|p| !p.is_gone());
        for post in posts.iter() {
            if !self.subscribers.iter().any(|s| Arc::ptr_eq(&s.post, post)) {
                self.subscribers.push(Subscriber::new(post.clone(), now));
                changed = true;
            }
        }
        drop(posts);
        if changed {
            let (subscribers, alarms) = (&self.subscribers, &self.alarms);
            self.taps.iter_mut().for_each(|t| equip(t, subscribers, alarms));
        }
        for tap in &self.taps {
            self.subscribers.iter_mut().for_each(|s| s.join(tap));
        }
    }

    fn follow_watchers(&mut self, now: Instant) {
        self.watchers.retain(|w| !w.post.is_gone());
        let mut posts = self.shared.watches();
        posts.retain(|p| !p.is_gone());
        for post in posts.iter() {
            if !self.watchers.iter().any(|w| Arc::ptr_eq(&w.post, post)) {
                self.watchers.push(Watcher::new(post.clone(), now));
            }
        }
    }

    /// Frees what nobody watches or what this chain has not, and makes what is missing.
    fn follow_views(&mut self) {
        let watchers = &mut self.watchers;
        let sound = self.sound.as_ref();
        self.views.retain(|view| {
            let wanted = watchers.iter().any(|w| w.post.want.same(&view.watch));
            let fits = sound.is_some_and(|s| view.fits(&s.spec));
            if !fits {
                watchers.iter_mut().filter(|w| w.post.want.same(&view.watch)).for_each(Watcher::start_over);
            }
            wanted && fits
        });
        let Some(sound) = sound else { return };
        for watcher in watchers {
            let want = &watcher.post.want;
            if !self.views.iter().any(|v| v.watch.same(want)) {
                self.views.extend(OpenView::new(want, &sound.spec));
            }
            self.views.iter().for_each(|v| watcher.join(v));
        }
    }

    fn wants(&self, tap: &str) -> bool {
        self.alarms.taps().contains(&tap)
            || self.subscribers.iter().any(|s| s.wants(tap))
            || self.watchers.iter().any(|w| w.post.want.taps().any(|t| t == tap))
    }

    /// Another engine has none of our taps.
    fn follow_engine(&mut self) {
        let sound = self.host.control().sound();
        let same = match (&self.sound, &sound) {
            (Some(a), Some(b)) => Arc::ptr_eq(&a.status, &b.status),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.sound = sound;
        if same {
            return;
        }
        self.leaving.clear();
        self.reductions.forget();
        for mut tap in std::mem::take(&mut self.taps) {
            tap.meter.finish();
            self.subscribers.iter_mut().for_each(|s| s.keep(&tap, true));
            self.lost.push((tap.name, tap.last));
        }
    }

    /// Those nobody wants, or whose slot is gone or has other channels.
    fn close_taps(&mut self) {
        let Some(sound) = self.sound.clone() else { return };
        let unwanted: Vec<String> =
            self.taps.iter().map(|t| &t.name).filter(|name| !self.wants(name)).cloned().collect();
        let (subscribers, leaving) = (&mut self.subscribers, &mut self.leaving);
        self.taps.retain(|tap| {
            let here = place(&tap.name, &sound.spec)
                .is_some_and(|(_, layout)| layout == tap.layout && sound.spec.sample_rate == tap.rate);
            let keep = here && !unwanted.contains(&tap.name);
            if !keep {
                subscribers.iter_mut().for_each(|s| s.keep(tap, true));
                if tap.outward.is_none() {
                    leaving.push(tap.id);
                }
            }
            keep
        });
        let wanted = |name: &str| subscribers.iter().any(|s| s.wants(name));
        self.lost.retain(|(name, _)| wanted(name));
    }

    fn open_taps(&mut self, now: Instant) {
        let Some(sound) = &self.sound else { return };
        let watched = self.watchers.iter().flat_map(|w| w.post.want.taps());
        let names = self.subscribers.iter().flat_map(|s| &s.post.want.taps).chain(watched).cloned();
        let alarmed = self.alarms.taps().iter().map(|t| t.to_string());
        for name in alarmed.chain(names).collect::<Vec<String>>() {
            if self.taps.len() >= MAX_TAPS + self.alarms.taps().len()
                || self.taps.iter().any(|t| t.name == name)
            {
                continue;
            }
            let Some(place) = place(&name, &sound.spec) else { continue };
            let rate = sound.spec.sample_rate;
            let mut tap = OpenTap::new(&name, place, rate, now);
            equip(&mut tap, &self.subscribers, &self.alarms);
            self.subscribers.iter_mut().for_each(|s| s.join(&tap));
            let lost = self.lost.iter().position(|(n, _)| *n == name).map(|i| self.lost.swap_remove(i).1);
            // Nobody counted what went by in between: by the time that it took, one quantum at least.
            let missed = lost.map_or(0, |since| {
                let seconds = now.saturating_duration_since(since).as_secs_f64();
                ((seconds * f64::from(rate)) as u64).max(lathe_core::dsp::QUANTUM as u64)
            });
            tap.meter.gap(missed);
            self.taps.push(tap);
        }
    }

    /// What finds no room goes with the next poll; a tap is armed only after its place was left.
    fn send(&mut self) {
        let Some(sound) = &self.sound else { return };
        if self.leaving.is_empty() && self.taps.iter().all(|t| t.outward.is_none()) {
            return;
        }
        let mut control = self.host.control();
        if !control.status().is_some_and(|s| Arc::ptr_eq(s, &sound.status)) {
            return;
        }
        while let Some(id) = self.leaving.pop() {
            if !control.disarm(id) {
                self.leaving.push(id);
                return;
            }
        }
        for open in &mut self.taps {
            if let Some(tap) = open.outward.take() {
                open.outward = control.arm(tap).err();
            }
        }
    }

    fn read_status(&mut self, audio: &AudioState, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let cell = (now.saturating_duration_since(since).as_nanos() / super::trail::CELL.as_nanos()) as u64;
        if let Some(sound) = &self.sound {
            let subscribers = &mut self.subscribers;
            self.reductions.poll(sound, |slot, db| {
                subscribers.iter_mut().filter(|_| audio.audible).for_each(|s| s.deepen(slot, db, cell));
            });
            let mut told = self.shared.reducing.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = &self.reductions.latest;
            if !told.iter().eq(latest.iter().map(|(id, _)| id)) {
                *told = latest.iter().map(|(id, _)| id.clone()).collect();
            }
        }
        let periods = self.host.load().map(|l| l.take()).unwrap_or_default();
        self.all.add(&periods);
        self.subscribers.iter_mut().for_each(|s| s.load(&periods));
        self.recent.push_back((now, periods));
        while self.recent.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > RECENT) {
            self.recent.pop_front();
        }
        let mut recent = Periods::default();
        self.recent.iter().for_each(|(_, p)| recent.add(p));
        *self.shared.load.lock().unwrap_or_else(PoisonError::into_inner) =
            Load::new(&recent, &self.all, audio.xruns, self.clock.reading());
    }

    /// What was before the reset still belongs to the readers' last interval.
    fn reset(&mut self) {
        for tap in &mut self.taps {
            self.subscribers.iter_mut().for_each(|s| s.keep(tap, false));
            tap.meter.reset();
        }
        self.views.iter_mut().for_each(OpenView::reset);
    }

    fn serve(&mut self, audio: &AudioState, now: Instant) {
        let engine_frame = self.sound.as_ref().map_or(0, |s| s.status.frame.load(Ordering::Relaxed));
        let (all, xruns) = (self.all, audio.xruns);
        let (standards, clock) = (self.standards, self.clock.reading());
        let moment = Moment { now, engine_frame, audible: audio.audible, all, xruns, standards, clock };
        for s in &mut self.subscribers {
            s.serve(&moment, &self.taps, &self.reductions);
        }
        for w in &mut self.watchers {
            w.serve(&moment, &self.views);
        }
    }
}

/// The instruments of the readings that a tap's subscribers want, and of its alarms.
fn equip(tap: &mut OpenTap, subscribers: &[Subscriber], alarms: &AlarmWatch) {
    let those = subscribers.iter().filter(|s| s.wants(&tap.name));
    let extras =
        those.flat_map(|s| s.post.want.extras.iter().map(|e: &&Extra| e.instrument(&alarms.standards)));
    tap.equip(extras.chain(alarms.instruments(&tap.name)).collect());
}

/// However the thread ends, nobody waits for it, and the engine keeps no tap of ours.
impl Drop for Worker {
    fn drop(&mut self) {
        self.leaving.extend(self.taps.drain(..).filter(|t| t.outward.is_none()).map(|t| t.id));
        self.send();
        self.subscribers.iter().for_each(|s| s.post.end());
        self.shared.posts().iter().for_each(|p| p.end());
        self.shared.watches().iter().for_each(|p| p.end());
    }
}
