// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one receiver is told: changes, at most 30 times a second for each control and always the last
//! value, and readings at the rates it asked for.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::codec::{Booleans, Message};
use super::matcher::Budget;
use super::ports::{Meters, is_usual};
use super::reply;
use super::request::{Form, Subtree, control_address, meter_address, meter_name};

/// Shortest time between two values of one control.
const EVERY: Duration = Duration::from_nanos(33_333_334);
/// Time to the next look for readings that were not there yet.
const SOON: Duration = Duration::from_millis(2);
/// Shortest time between two full states.
const STATE_EVERY: Duration = Duration::from_millis(250);
/// Most subtrees of one receiver.
pub const MAX_GROUPS: usize = 16;
/// Rate of readings where none was asked for, Hz.
pub const USUAL_HZ: u32 = 10;

/// A set of forms of one control.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms(u8);

impl Forms {
    pub const fn of(form: Form) -> Forms {
        Forms(1 << form as u8)
    }
    fn and(self, other: Forms) -> Forms {
        Forms(self.0 | other.0)
    }
    fn without(self, other: Forms) -> Forms {
        Forms(self.0 & !other.0)
    }
    fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The forms in it.
    pub fn iter(self) -> impl Iterator<Item = Form> {
        [Form::Plain, Form::Text, Form::Norm].into_iter().filter(move |f| self.0 & Forms::of(*f).0 != 0)
    }
}

/// One thing subscribed to.
struct Group {
    /// `None`: all changes and the usual readings.
    subtree: Option<Subtree>,
    hz: u32,
    due: Instant,
    subscriber: u64,
}

/// One control, as told.
struct Told {
    sent: Option<Instant>,
    value: f64,
    owed: Forms,
}

/// One receiver.
pub struct Feed {
    pub to: SocketAddr,
    /// It speaks `/norm`, so it is told in it.
    pub norm: bool,
    /// How it wants switches.
    pub booleans: Booleans,
    id: u64,
    groups: Vec<Group>,
    covered: HashMap<String, bool>,
    told: HashMap<String, Told>,
    waiting: HashSet<String>,
    owes_state: bool,
    state_at: Option<Instant>,
}

impl Feed {
    /// `id` is unique among receivers.
    pub fn new(to: SocketAddr, id: u64, norm: bool) -> Self {
        Feed {
            to,
            norm,
            booleans: Booleans::default(),
            id,
            groups: Vec::new(),
            covered: HashMap::new(),
            told: HashMap::new(),
            waiting: HashSet::new(),
            owes_state: true,
            state_at: None,
        }
    }

    /// Adds a subtree, or changes its rate. False if there are too many.
    pub fn subscribe(&mut self, subtree: Option<Subtree>, hz: u32, now: Instant) -> bool {
        let text = |s: &Option<Subtree>| s.as_ref().map(|s| s.text().to_string());
        if let Some(group) = self.groups.iter_mut().find(|g| text(&g.subtree) == text(&subtree)) {
            group.hz = hz;
            return true;
        }
        if self.groups.len() >= MAX_GROUPS {
            return false;
        }
        let subscriber = subscriber(self.id, self.groups.len());
        self.groups.push(Group { subtree, hz, due: now, subscriber });
        self.covered.clear();
        self.owes_state = true;
        true
    }

    /// The rack is another one, or changes were missed.
    pub fn start_over(&mut self) {
        self.covered.clear();
        self.told.clear();
        self.waiting.clear();
        self.owes_state = true;
    }

    pub fn end(&self, meters: Option<&dyn Meters>) {
        for group in &self.groups {
            if let Some(m) = meters {
                m.drop_subscriber(group.subscriber);
            }
        }
    }

    /// Whether it is told of this whole address.
    pub fn covers(&mut self, address: &str) -> bool {
        if let Some(&known) = self.covered.get(address) {
            return known;
        }
        let covers = self.groups.iter().any(|g| match &g.subtree {
            None => true,
            Some(s) => s.covers(address, &mut Budget::PACKET.clone()).unwrap_or(false),
        });
        self.covered.insert(address.to_string(), covers);
        covers
    }

    fn forms(&self) -> Forms {
        let usual = Forms::of(Form::Plain).and(Forms::of(Form::Text));
        if self.norm { usual.and(Forms::of(Form::Norm)) } else { usual }
    }

    /// A control has changed; `own` is the form in which this receiver set it itself.
    pub fn changed(&mut self, name: &str, value: f64, own: Option<Form>) {
        if !self.covers(&control_address(name)) {
            return;
        }
        let forms = self.forms();
        let none = Told { sent: None, value, owed: Forms::default() };
        let told = self.told.entry(name.to_string()).or_insert(none);
        told.value = value;
        told.owed = told.owed.and(forms);
        if let Some(own) = own {
            told.owed = told.owed.without(Forms::of(own));
        }
        if !told.owed.is_empty() {
            self.waiting.insert(name.to_string());
        }
    }

    /// What is due now: name, value, forms.
    pub fn ready(&mut self, now: Instant) -> Vec<(String, f64, Forms)> {
        let mut out = Vec::new();
        let told = &mut self.told;
        self.waiting.retain(|name| {
            let Some(t) = told.get_mut(name) else { return false };
            if t.sent.is_some_and(|sent| now.duration_since(sent) < EVERY) {
                return true;
            }
            t.sent = Some(now);
            out.push((name.clone(), t.value, std::mem::take(&mut t.owed)));
            false
        });
        out
    }

    /// True if the full state is to be sent now; it counts as sent.
    pub fn take_state(&mut self, now: Instant) -> bool {
        if !self.owes_state || self.state_at.is_some_and(|at| now.duration_since(at) < STATE_EVERY) {
            return false;
        }
        self.owes_state = false;
        self.state_at = Some(now);
        self.waiting.clear();
        self.told.values_mut().for_each(|t| t.owed = Forms::default());
        true
    }

    /// The forms of the full state.
    pub fn state_forms(&self) -> Forms {
        self.forms()
    }

    /// The readings that are due.
    pub fn readings(&mut self, meters: &dyn Meters, now: Instant) -> Vec<Message> {
        let mut out = Vec::new();
        for group in self.groups.iter_mut().filter(|g| now >= g.due) {
            let every = Duration::from_secs_f64(1.0 / f64::from(group.hz.max(1)));
            let mut budget = Budget::PACKET;
            let wanted = |name: &String| match &group.subtree {
                None => is_usual(name),
                Some(s) => s.covers(&meter_address(name), &mut budget).unwrap_or(false),
            };
            let mut names: Vec<String> = meters.names().into_iter().filter(wanted).collect();
            if let Some(name) = group.subtree.as_ref().and_then(|s| meter_name(s.text())) {
                names.extend(meters.named(name));
            }
            let (many, names): (Vec<String>, Vec<String>) =
                names.into_iter().partition(|n| meters.is_frames(n));
            let hz = f64::from(group.hz);
            let frames: Vec<Message> = many
                .iter()
                .filter_map(|name| {
                    let message = if meters.is_numbers(name) { reply::numbers } else { reply::frames };
                    Some(message(name, &meters.frames(group.subscriber, hz, name)?))
                })
                .collect();
            let new = match names.is_empty() {
                true => (many.is_empty() || !frames.is_empty()).then(Vec::new),
                false => meters.poll(group.subscriber, hz, &names),
            };
            out.extend(frames);
            let Some(new) = new else {
                // It comes in a moment: an interval that was missed by a hair is not waited for again.
                group.due = now + SOON;
                continue;
            };
            // Late once is not twice in a row afterwards.
            group.due = (group.due + every).max(now);
            out.extend(new.iter().map(|(name, value)| reply::reading(name, Some(*value))));
        }
        out
    }
}

/// The meters' number of a receiver's `n`th subscription.
pub fn subscriber(id: u64, n: usize) -> u64 {
    (id << 5) | n as u64
}
