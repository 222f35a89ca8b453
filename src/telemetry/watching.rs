// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may watch what: settings, taps, number, cost and memory are checked before an instrument is made.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard};

use super::feed::{Feed, Post};
use super::views::{BUDGET_NS, Look, MEMORY, Watch};
use super::{MAX_SUBSCRIBERS, MAX_TAPS, RATES, Refused, Telemetry};
use crate::control::Control;

/// A rate to check settings at while nothing runs, Hz.
const SOME_RATE: u32 = 48_000;

type Watches = Vec<Arc<Post<Watch, Look>>>;

impl Telemetry {
    /// Looks from now on; the first after one interval.
    ///
    /// # Errors
    /// A rate, tap or setting outside what is allowed; too many taps or readers; more than the analysis budget
    /// holds, beside what is watched already. Instruments that are shared count once.
    pub fn watch(&self, want: Watch) -> Result<Feed<Watch, Look>, Refused> {
        if !RATES.contains(&want.hz) {
            return Err(Refused::Rate(want.hz));
        }
        if want.reference.is_some() != want.view.compares() {
            return Err(Refused::Reference);
        }
        let control = self.host.control();
        let names: Vec<String> = want.taps().cloned().collect();
        control.check_taps(&names)?;
        let channels = names.iter().map(|name| channels(&control, name)).sum();
        let rate = control.spec().map_or(SOME_RATE, |s| s.sample_rate);
        drop(control);
        self.check_delay(&want, rate)?;
        drop(self.room(&want, rate)?);
        // Made to be checked: an instrument refuses what it cannot be set to. Nobody waits for it.
        drop(want.view.build(rate, channels)?);
        let mut watches = self.room(&want, rate)?;
        let post = Post::new(want);
        watches.push(post.clone());
        Ok(Feed::new(post))
    }

    /// A second, or what the rack delays if that is more.
    fn check_delay(&self, want: &Watch, rate: u32) -> Result<(), Refused> {
        let (Some(delay), Some(from)) = (want.view.delay(), &want.reference) else { return Ok(()) };
        let most = self.delay(from, &want.tap).unwrap_or(0).max(rate as usize);
        if delay > most { Err(Refused::Delay { delay, most }) } else { Ok(()) }
    }

    /// Those who watch, if there is room for one more.
    fn room(&self, want: &Watch, rate: u32) -> Result<MutexGuard<'_, Watches>, Refused> {
        // Always in this order.
        let posts = self.shared.posts();
        let mut watches = self.shared.watches();
        watches.retain(|w| !w.is_gone());
        if watches.len() >= MAX_SUBSCRIBERS {
            return Err(Refused::Full);
        }
        let read = posts.iter().filter(|p| !p.is_gone()).flat_map(|p| &p.want.taps);
        let watched = watches.iter().flat_map(|w| w.want.taps());
        let open: BTreeSet<&String> = read.chain(watched).chain(want.taps()).collect();
        if open.len() > MAX_TAPS {
            return Err(Refused::TooMany(open.len()));
        }
        let mut views: Vec<&Watch> = Vec::new();
        for w in watches.iter().map(|w| &w.want) {
            if !views.iter().any(|v| v.same(w)) {
                views.push(w);
            }
        }
        if !views.iter().any(|v| v.same(want)) {
            let used: f64 = views.iter().map(|v| v.view.cost_ns()).sum();
            let needed = want.view.cost_ns();
            if used + needed > BUDGET_NS {
                return Err(Refused::Budget { used, needed });
            }
            let used: f64 = views.iter().map(|v| v.view.bytes(rate)).sum();
            let needed = want.view.bytes(rate);
            if needed > 0.0 && used + needed > MEMORY {
                return Err(Refused::Memory { used, needed });
            }
        }
        Ok(watches)
    }

    /// Channels at a tap of the accepted rack, by name.
    pub fn channels(&self, tap: &str) -> usize {
        channels(&self.host.control(), tap)
    }

    /// Frames from one tap to another in the running chain, if it has both and the second is the later.
    pub fn delay(&self, from: &str, to: &str) -> Option<usize> {
        let control = self.host.control();
        let spec = control.spec()?;
        let at = |tap: &str| match tap {
            "in" => Some(0),
            "out" | "monitor" => Some(spec.latency),
            _ => {
                let (id, end) = tap.rsplit_once('/')?;
                let slot = &spec.slots[usize::from(spec.find_slot(id)?.0)];
                let bus = if end == "in" { slot.input } else { slot.output };
                Some(spec.buses[bus].latency)
            }
        };
        at(to)?.checked_sub(at(from)?)
    }
}

/// Of the running chain, or of the accepted rack's layout.
fn channels(control: &Control, tap: &str) -> usize {
    let slot = tap.rsplit_once('/').and_then(|(id, _)| {
        let spec = control.spec()?;
        Some(spec.slots[usize::from(spec.find_slot(id)?.0)].format.channels())
    });
    slot.unwrap_or_else(|| control.plan().layout.len())
}
