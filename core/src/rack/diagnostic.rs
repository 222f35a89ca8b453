// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a rack file and where: collected, put in order, and shown with carets.

use std::fmt;
use std::ops::Range;

use serde::Serialize;

pub(super) use crate::param::{quoted, short};

/// More than this many are counted, not shown: nobody reads them, and a hostile file has thousands.
pub const MAX_DIAGNOSTICS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// A place in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// 1-based line of the first character.
    pub line: usize,
    /// 1-based column of the first character, in characters.
    pub column: usize,
    /// Byte range in the text.
    pub start: usize,
    pub end: usize,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Related {
    #[serde(flatten)]
    pub span: Span,
    pub label: String,
}

/// What an error is made of, which decides whether it can be trusted beside a syntax error.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    /// The text is not TOML.
    Syntax,
    /// Something is not there; beside a syntax error it may only have been lost by it.
    Absence,
    Plain,
}

/// One error or warning: one sentence, one place, what is allowed, what was probably meant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// One sentence with the offending value and the allowed range.
    pub message: String,
    #[serde(flatten)]
    pub span: Span,
    /// What stands at the caret, mostly the allowed range; may be empty.
    pub label: String,
    pub related: Vec<Related>,
    pub help: Option<String>,
    #[serde(skip)]
    nature: Nature,
}

impl Diagnostic {
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Help that offers the nearest of the allowed names, if one is near.
    pub(super) fn suggest<'a>(&mut self, given: &str, names: impl IntoIterator<Item = &'a str>) -> &mut Self {
        if let Some(s) = crate::param::suggest(given, names.into_iter()) {
            self.help = Some(format!("did you mean \"{s}\"?"));
        }
        self
    }

    pub(super) fn related(&mut self, at: Range<usize>, label: impl Into<String>) -> &mut Self {
        self.related.push(Related { span: at.into(), label: label.into() });
        self
    }

    /// Says that the error is about something that is not there.
    pub(super) fn absence(&mut self) -> &mut Self {
        self.nature = Nature::Absence;
        self
    }

    /// Ends a chain of these calls as a statement.
    pub(super) fn done(&mut self) {}

    fn spans(&mut self) -> impl Iterator<Item = &mut Span> {
        std::iter::once(&mut self.span).chain(self.related.iter_mut().map(|r| &mut r.span))
    }

    fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        [&mut self.message, &mut self.label]
            .into_iter()
            .chain(&mut self.help)
            .chain(self.related.iter_mut().map(|r| &mut r.label))
    }
}

impl From<Range<usize>> for Span {
    fn from(r: Range<usize>) -> Self {
        Span { line: 0, column: 0, start: r.start, end: r.end }
    }
}

/// Collects while a file is read and checked.
#[derive(Default)]
pub(super) struct Sink {
    list: Vec<Diagnostic>,
    /// Bytes of the text as read that the file does not have; all but syntax errors count them.
    pub inserted: Vec<usize>,
}

impl Sink {
    pub fn error(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, at, message.into())
    }

    pub fn warning(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, at, message.into())
    }

    pub fn syntax(&mut self, at: Range<usize>, message: impl Into<String>) -> &mut Diagnostic {
        let d = self.push(Severity::Error, at, message.into());
        d.nature = Nature::Syntax;
        d
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    fn push(&mut self, severity: Severity, at: Range<usize>, message: String) -> &mut Diagnostic {
        let (span, nature) = (at.into(), Nature::Plain);
        let (label, related, help) = (String::new(), Vec::new(), None);
        self.list.push(Diagnostic { severity, message, span, label, related, help, nature });
        self.list.last_mut().expect("just pushed")
    }

    /// In file order, with lines and columns, without what only follows from a syntax error.
    pub fn finish(mut self, text: &str, file: &str) -> Diagnostics {
        let index = LineIndex::new(text);
        let in_file = |at: &mut usize| *at -= self.inserted.partition_point(|i| i < at);
        for d in &mut self.list {
            if d.nature != Nature::Syntax {
                d.spans().flat_map(|s| [&mut s.start, &mut s.end]).for_each(in_file);
            }
            d.spans().for_each(|s| index.resolve(s));
            d.texts().for_each(|t| *t = clean(t));
        }
        self.list.sort_by_key(|d| (d.span.start, d.nature != Nature::Syntax));
        self.drop_consequences();
        // One place, one error: a second one there mostly follows from the first.
        self.list
            .dedup_by(|a, b| a.span == b.span && (a.nature != Nature::Absence || a.message == b.message));
        let omitted = self.list.len().saturating_sub(MAX_DIAGNOSTICS);
        self.list.truncate(MAX_DIAGNOSTICS);
        Diagnostics { file: clean(file), diagnostics: self.list, omitted, text: text.to_string() }
    }

    /// One syntax error a line stands; what is merely missing may have been lost by it.
    fn drop_consequences(&mut self) {
        let syntax = |d: &Diagnostic| d.nature == Nature::Syntax;
        let mut lines: Vec<usize> = self.list.iter().filter(|d| syntax(d)).map(|d| d.span.line).collect();
        if lines.is_empty() {
            return;
        }
        lines.dedup();
        let mut last = 0;
        self.list.retain(|d| match d.nature {
            Nature::Syntax => std::mem::replace(&mut last, d.span.line) != d.span.line,
            Nature::Absence => false,
            Nature::Plain => lines.binary_search(&d.span.line).is_err(),
        });
    }
}

/// Byte offsets of the line starts.
struct LineIndex<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        LineIndex { text, starts }
    }

    /// Pulls the span onto characters of the text and finds its line and column.
    fn resolve(&self, s: &mut Span) {
        s.start = self.text.floor_char_boundary(s.start);
        s.end = self.text.floor_char_boundary(s.end).max(s.start);
        s.line = self.starts.partition_point(|&l| l <= s.start);
        s.column = self.text[self.starts[s.line - 1]..s.start].chars().count() + 1;
    }
}

/// Everything that was found in one file, in file order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diagnostics {
    pub file: String,
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are than are listed.
    pub omitted: usize,
    #[serde(skip)]
    pub(super) text: String,
}

impl Diagnostics {
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.diagnostics.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.lines().trim_end())
    }
}

impl std::error::Error for Diagnostics {}

/// Characters that a terminal acts on instead of showing: controls and text direction.
pub(super) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Text fit for a terminal: what it would act on is written as an escape.
fn clean(text: &str) -> String {
    let escape = |c: char| if is_unprintable(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Names as a message lists them.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ")
}
