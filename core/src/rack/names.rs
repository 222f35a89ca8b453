// SPDX-License-Identifier: MIT OR Apache-2.0
//! What slots, branches and ports may be called, so that every address is one path with one meaning.

use std::ops::Range;

use super::diagnostic::{Sink, quoted};
use super::layout::At;

/// Longest id of a slot, branch or port in characters.
pub const MAX_ID: usize = 32;

/// Slots may not be called this: the names stand for something else in addresses and sources.
pub const RESERVED_SLOTS: &[&str] = &["in", "out", "main_in", "monitor", "self", "reset", "rack"];

/// Branches may not be called this: a split has parameters, taps and endings of these names.
pub const RESERVED_BRANCHES: &[&str] =
    &["bypass", "mix", "in", "out", "norm", "text", "slope", "freq1", "freq2", "freq3", "freq4", "freq5"];

/// True for `[a-z][a-z0-9_]*` of at most [`MAX_ID`] characters.
pub fn is_id(id: &str) -> bool {
    id.len() <= MAX_ID
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The nearest id that is one, if anything of the text can be kept.
fn repaired(id: &str) -> Option<String> {
    let fold = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
        _ => '_',
    };
    let id: String = id.chars().map(fold).collect();
    let id: String = id.trim_start_matches(|c: char| !c.is_ascii_lowercase()).chars().take(MAX_ID).collect();
    Some(id.trim_end_matches('_').to_string()).filter(|id| !id.is_empty())
}

/// Checks one id; `what` is "slot", "branch" or "sidechain".
pub(super) fn check_id(id: &At<String>, what: &str, reserved: &[&str], sink: &mut Sink) -> bool {
    let given = quoted(&id.value);
    if id.value.len() > MAX_ID && is_id(&id.value[..id.value.floor_char_boundary(MAX_ID)]) {
        let message =
            format!("the {what} id {given} has {} characters; at most {MAX_ID} are allowed", id.value.len());
        sink.error(id.span.clone(), message).label(format!("at most {MAX_ID} characters"));
    } else if !is_id(&id.value) {
        let message = format!(
            "{given} is not an id for a {what}: a lower-case letter, then lower-case letters, digits or _"
        );
        let d = sink.error(id.span.clone(), message).label("must match [a-z][a-z0-9_]*");
        if let Some(better) = repaired(&id.value) {
            d.help(format!("did you mean \"{better}\"?"));
        }
    } else if reserved.contains(&id.value.as_str()) {
        let message =
            format!("a {what} may not be called {given}: the name is reserved ({})", reserved.join(", "));
        sink.error(id.span.clone(), message).label("reserved name");
    } else {
        return true;
    }
    false
}

/// Names given so far and where, to tell the second of two.
#[derive(Default)]
pub(super) struct Taken<'a>(std::collections::HashMap<&'a str, (&'static str, Range<usize>)>);

impl<'a> Taken<'a> {
    /// Claims a name; if somebody has it, the error points to both.
    pub fn claim(&mut self, id: &'a At<String>, what: &'static str, sink: &mut Sink) {
        match self.0.entry(&id.value) {
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert((what, id.span.clone()));
            }
            std::collections::hash_map::Entry::Occupied(first) => {
                let (who, at) = first.get();
                let message = format!("{} is the id of another {who} already", quoted(&id.value));
                sink.error(id.span.clone(), message)
                    .label(format!("this {what} needs an id of its own"))
                    .related(at.clone(), format!("first used for this {who}"));
            }
        }
    }

    pub fn contains(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }
}
