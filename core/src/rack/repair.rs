// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads past syntax errors: mends the text where the parser would lose the rest of the file.
//!
//! TOML's parser recovers within a line, but a header without its bracket swallows the lines that
//! follow, and a line that is no key ends the document. Both are mended in a copy and read again, so
//! that one slip neither hides the next error nor invents one. Nobody ever gets the mended rack.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, Error};

use super::diagnostic::Sink;

/// Times that a text is read again; each may mend many places.
const MAX_ROUNDS: usize = 12;

/// A text and the edits that let the parser through.
pub(super) struct Mended<'a> {
    original: &'a str,
    /// What to put in, by place in the original.
    inserts: BTreeMap<usize, &'static str>,
    /// Lines to pass over, by their first byte in the original.
    blanks: BTreeSet<usize>,
    pub text: String,
    /// The place of every byte put in, in the mended text.
    inserted: Vec<usize>,
}

impl<'a> Mended<'a> {
    /// Mends as far as it can be and reports every syntax error that is not only a consequence.
    pub fn new(original: &'a str, sink: &mut Sink) -> Self {
        let (inserts, blanks) = (BTreeMap::new(), BTreeSet::new());
        let mut mended =
            Mended { original, inserts, blanks, text: original.to_string(), inserted: Vec::new() };
        for round in 0.. {
            let errors = DeTable::parse_recoverable(&mended.text).1;
            let causes: Vec<bool> = errors.iter().map(|e| mended.mend(e, sink)).collect();
            if round == MAX_ROUNDS || !causes.contains(&true) {
                errors.iter().for_each(|e| mended.report(e, sink));
                break;
            }
            mended.apply();
        }
        mended
    }

    /// Places in the mended text that the original does not have.
    pub fn inserted(&self) -> Vec<usize> {
        self.inserted.clone()
    }

    fn original_place(&self, at: usize) -> usize {
        (at - self.inserted.partition_point(|&i| i < at)).min(self.original.len())
    }

    /// Adds the edit that cures this error, if there is one, and reports it where it stands.
    fn mend(&mut self, e: &Error, sink: &mut Sink) -> bool {
        let at = self.original_place(e.span().map_or(0, |s| s.start));
        let start = self.original[..at].rfind('\n').map_or(0, |i| i + 1);
        let message = e.message();
        if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
            let bracket = if message.contains("`]]`") { "]]" } else { "]" };
            return self.insert(
                at,
                bracket,
                &format!("this is not TOML: the header is not closed by {bracket}"),
                sink,
            );
        }
        if message.starts_with("missing key for inline table") && self.original[at..].starts_with('[') {
            let end = self.original[..start].trim_end().len();
            return self.insert(end, " }", "this is not TOML: the inline table is not closed by }", sink);
        }
        if message.starts_with("key with no value") && self.blanks.insert(start) {
            sink.syntax(at..at, "this is not TOML: a key needs = and a value").label("expected `=`");
            return true;
        }
        false
    }

    fn insert(&mut self, at: usize, what: &'static str, message: &str, sink: &mut Sink) -> bool {
        let fresh = self.inserts.insert(at, what).is_none();
        if fresh {
            sink.syntax(at..at, message).label(format!("expected `{}`", what.trim()));
        }
        fresh
    }

    /// Makes the mended text from the original and all edits.
    fn apply(&mut self) {
        self.text.clear();
        self.inserted.clear();
        let mut start = 0;
        for line in self.original.split_inclusive('\n') {
            let end = start + line.len();
            if self.blanks.contains(&start) {
                self.text.extend(line.bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }));
            } else {
                let mut done = start;
                for (&at, what) in self.inserts.range(start..end) {
                    self.text.push_str(&self.original[done..at]);
                    self.inserted.extend((0..what.len()).map(|n| self.text.len() + n));
                    self.text.push_str(what);
                    done = at;
                }
                self.text.push_str(&self.original[done..end]);
            }
            start = end;
        }
        if let Some(what) = self.inserts.get(&start) {
            self.inserted.extend((0..what.len()).map(|n| self.text.len() + n));
            self.text.push_str(what);
        }
    }

    /// An error that stays after all mending.
    fn report(&self, e: &Error, sink: &mut Sink) {
        let message = e.message().trim();
        let span = e.span().unwrap_or(0..0);
        let at = self.original_place(span.start)..self.original_place(span.end);
        let given = self.original.get(at.clone()).unwrap_or("").to_string();
        if message == "duplicate key" {
            sink.syntax(at, "this key is given twice").label("given again here");
        } else if message.contains("recurs") {
            sink.syntax(at, "the file is nested too deeply to be a rack");
        } else if message.starts_with("string values must be quoted") && given.is_empty() {
            sink.syntax(at, "this is not TOML: a value is missing").label("expected a value");
        } else if message.starts_with("string values must be quoted") {
            let word: String = given.chars().take(48).collect();
            sink.syntax(at, "this is not TOML: text must be in quotes").help(format!("write \"{word}\""));
        } else {
            sink.syntax(at, format!("this is not TOML: {message}"));
        }
    }
}
