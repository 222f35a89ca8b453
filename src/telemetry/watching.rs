// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may watch what: settings, taps, number and cost are checked before an instrument is made.

use std::collections::BTreeSet;

use super::feed::{Feed, Post};
use super::views::{BUDGET_NS, Look, Watch};
use super::{MAX_SUBSCRIBERS, MAX_TAPS, RATES, Refused, Telemetry};
use crate::control::Control;

/// A rate to check settings at while nothing runs, Hz.
const SOME_RATE: u32 = 48_000;

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
        // Made to be checked: an instrument refuses what it cannot be set to.
        drop(want.view.build(rate, channels)?);
        // Always in this order.
        let posts = self.shared.posts();
        let mut watches = self.shared.watches();
        watches.retain(|w| !w.is_gone());
        if watches.len() >= MAX_SUBSCRIBERS {
            return Err(Refused::Full);
        }
        let read = posts.iter().filter(|p| !p.is_gone()).flat_map(|p| &p.want.taps);
        let open: BTreeSet<&String> =
            read.chain(watches.iter().flat_map(|w| w.want.taps())).chain(&names).collect();
        if open.len() > MAX_TAPS {
            return Err(Refused::TooMany(open.len()));
        }
        drop(posts);
        let mut views: Vec<&Watch> = Vec::new();
        for w in watches.iter().map(|w| &w.want) {
            if !views.iter().any(|v| v.same(w)) {
                views.push(w);
            }
        }
        let used: f64 = views.iter().map(|v| v.view.cost_ns()).sum();
        let needed = want.view.cost_ns();
        if !views.iter().any(|v| v.same(&want)) && used + needed > BUDGET_NS {
            return Err(Refused::Budget { used, needed });
        }
        let post = Post::new(want);
        watches.push(post.clone());
        Ok(Feed::new(post))
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
