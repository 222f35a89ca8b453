// SPDX-License-Identifier: MIT OR Apache-2.0
//! Diagnostics as people see them: source line, caret, label and help; or one line each.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Severity, Span, is_unprintable};

/// Bytes of a source line that are still shown; of a longer one only the place is given.
const MAX_SHOWN_LINE: usize = 1000;

impl Diagnostics {
    /// For people: each with its source line, caret, label and help, colours for a terminal if asked.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let text = visible(&self.text);
        let shown: Vec<String> = self.iter().map(|d| renderer.render(&[self.group(d, &text)])).collect();
        let mut out = shown.join("\n\n");
        out.push('\n');
        if self.omitted > 0 {
            out.push_str(&format!("\n… and {} more\n", self.omitted));
        }
        out
    }

    /// `file:line:column: error: message`, one line each.
    pub fn lines(&self) -> String {
        self.iter().map(|d| self.line(d) + "\n").collect()
    }

    fn line(&self, d: &Diagnostic) -> String {
        let severity = if d.severity == Severity::Error { "error" } else { "warning" };
        let help = d.help.as_ref().map_or_else(String::new, |h| format!(" ({h})"));
        format!("{}:{}:{}: {severity}: {}{help}", self.file, d.span.line, d.span.column, d.message)
    }

    fn group<'a>(&'a self, d: &'a Diagnostic, text: &'a str) -> Group<'a> {
        let level = if d.severity == Severity::Error { Level::ERROR } else { Level::WARNING };
        let title = level.primary_title(d.message.as_str());
        let group = match self.snippet(d, text) {
            Some(snippet) => title.element(snippet),
            None => {
                title.element(Origin::path(self.file.as_str()).line(d.span.line).char_column(d.span.column))
            }
        };
        group.elements(d.help.iter().map(|h| Level::HELP.message(h.as_str())))
    }

    /// The lines from the first to the last place; `None` if one is too long to show.
    fn snippet<'a>(&'a self, d: &'a Diagnostic, text: &'a str) -> Option<Snippet<'a, Annotation<'a>>> {
        let spans = || std::iter::once(&d.span).chain(d.related.iter().map(|r| &r.span));
        let first = spans().min_by_key(|s| s.start)?;
        let from = text[..first.start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = |at: usize| at + text[at..].lines().next().map_or(0, str::len);
        let to = spans().map(|s| line_end(s.start)).max()?;
        if text[from..to].split('\n').any(|l| l.len() > MAX_SHOWN_LINE) {
            return None;
        }
        // A place that runs over several lines is shown by its first.
        let local = |s: &Span| s.start - from..s.end.min(line_end(s.start)).max(s.start) - from;
        let primary = AnnotationKind::Primary.span(local(&d.span)).label(label(&d.label));
        let related =
            d.related.iter().map(|r| AnnotationKind::Context.span(local(&r.span)).label(label(&r.label)));
        let snippet = Snippet::source(&text[from..to]).path(self.file.as_str()).line_start(first.line);
        Some(snippet.annotation(primary).annotations(related))
    }
}

fn label(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The source with such characters replaced by others of the same length, so that spans stay true.
/// Controls of one byte and tabs are left: the renderer shows them by their pictures.
fn visible(text: &str) -> String {
    let swap = |c: char| match c.len_utf8() {
        2 if is_unprintable(c) => '¿',
        3 if is_unprintable(c) => '\u{fffd}',
        _ => c,
    };
    text.chars().map(swap).collect()
}
