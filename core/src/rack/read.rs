// SPDX-License-Identifier: MIT OR Apache-2.0
//! TOML → the rack as written. Only the shape is checked: syntax, known keys, types, nesting.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, Sink, list, quoted};
use super::layout::{
    At, BranchLayout, Channels, MAX_DEPTH, MAX_FILE, MAX_SLOTS, ParamLayout, ParamText, PortLayout,
    RackLayout, Scalar, SlotLayout,
};
use super::repair::Mended;

/// Groups within groups of `params`.
const MAX_GROUPS: usize = 4;

type Value<'i> = Spanned<DeValue<'i>>;
type Table<'i> = DeTable<'i>;

/// Reads the text; what is wrong goes into the sink, what is right comes back.
/// `None` if nothing further can be said about the file.
pub(super) fn read(text: &str, sink: &mut Sink) -> Option<RackLayout> {
    if text.len() > MAX_FILE {
        sink.error(0..0, format!("the file has {} bytes; a rack has at most {MAX_FILE}", text.len()));
        return None;
    }
    let mended = Mended::new(text, sink);
    sink.inserted = mended.inserted();
    let doc = DeTable::parse_recoverable(&mended.text).0;
    let doc = doc.get_ref();
    if doc.is_empty() && !sink.has_errors() {
        sink.error(0..0, "the rack file is empty")
            .help("the least is: format = 1, and [rack] with layout = \"stereo\"");
        return None;
    }
    let mut reader = Reader { sink, slots: 0 };
    reader.format(doc).then(|| reader.document(doc))
}

struct Reader<'s> {
    sink: &'s mut Sink,
    /// Slots read so far.
    slots: usize,
}

impl Reader<'_> {
    /// Checks `format`; false if the rest is not for us to read.
    fn format(&mut self, doc: &Table) -> bool {
        let Some(value) = doc.get("format") else {
            self.sink
                .error(0..0, "\"format\" is missing: a rack file begins with format = 1")
                .help("add the line: format = 1")
                .absence();
            return true;
        };
        let DeValue::Integer(i) = value.get_ref() else {
            let kind = type_name(value.get_ref());
            self.sink.error(value.span(), format!("\"format\" is {kind}; it must be 1")).label("must be 1");
            return true;
        };
        match number(value.get_ref()) {
            Some(1.0) => true,
            Some(n) if n > 1.0 => {
                let message = format!(
                    "format {i} is newer than this lathe, which reads format 1: it may mean things that are unknown here"
                );
                self.sink
                    .error(value.span(), message)
                    .label("must be 1")
                    .help("read this rack with a newer lathe");
                false
            }
            _ => {
                self.sink
                    .error(value.span(), format!("there is no format {i}; it must be 1"))
                    .label("must be 1");
                true
            }
        }
    }

    fn document(&mut self, doc: &Table) -> RackLayout {
        self.known(doc, &["format", "rack", "slot"], "a rack file");
        let mut out = RackLayout::default();
        if let Some(value) = doc.get("rack") {
            out.rack = Some(value.span());
            match value.get_ref() {
                DeValue::Table(t) => self.rack(t, &mut out),
                other => self.wrong_type(value, "rack", "a table", other).help("write [rack]").done(),
            }
        }
        out.slots = self.slots(doc, "[[slot]]", 0);
        out
    }

    fn rack(&mut self, t: &Table, out: &mut RackLayout) {
        self.known(t, &["name", "layout", "latency_ms", "link", "sidechain"], "[rack]");
        out.name = self.string(t, "name");
        out.layout = self.channels(t, "layout");
        out.latency_ms = self.number(t, "latency_ms");
        if let Some(value) = t.get("link") {
            out.link = self.link(value);
        }
        for (at, t) in self.tables(t, "sidechain", "[[rack.sidechain]]") {
            self.known(t, &["name", "layout"], "[[rack.sidechain]]");
            let (name, layout) = (self.string(t, "name"), self.channels(t, "layout"));
            out.sidechains.push(PortLayout { at, name, layout });
        }
    }

    fn link(&mut self, value: &Value) -> Option<Vec<Vec<At<String>>>> {
        let DeValue::Array(groups) = value.get_ref() else {
            self.wrong_type(value, "link", "a list of lists of channel names", value.get_ref());
            return None;
        };
        groups.iter().map(|g| self.strings(g, "link")).collect()
    }

    fn slots(&mut self, t: &Table, header: &str, depth: usize) -> Vec<SlotLayout> {
        let mut out = Vec::new();
        for (at, t) in self.tables(t, "slot", header) {
            self.slots += 1;
            if self.slots > MAX_SLOTS {
                if self.slots == MAX_SLOTS + 1 {
                    self.sink.error(at, format!("the rack has more than {MAX_SLOTS} slots"));
                }
                break;
            }
            out.push(self.slot(at, t, header, depth));
        }
        out
    }

    fn slot(&mut self, at: Range<usize>, t: &Table, header: &str, depth: usize) -> SlotLayout {
        self.known(t, &["id", "unit", "split", "params", "sidechain", "branch"], header);
        let mut params = Vec::new();
        if let Some(value) = t.get("params") {
            match value.get_ref() {
                DeValue::Table(p) => params = self.params(p, 1),
                other => self
                    .wrong_type(value, "params", "a table", other)
                    .help("write params = { name = value, … }")
                    .done(),
            }
        }
        SlotLayout {
            at,
            id: self.string(t, "id"),
            unit: self.string(t, "unit"),
            split: self.string(t, "split"),
            sidechain: self.string(t, "sidechain"),
            params,
            branch_at: t.get("branch").map(Spanned::span),
            branches: self.branches(t, &inner(header, "branch"), depth + 1),
        }
    }

    fn branches(&mut self, t: &Table, header: &str, depth: usize) -> Vec<BranchLayout> {
        if let Some(value) = t.get("branch").filter(|_| depth > MAX_DEPTH) {
            let message = format!("splits are nested more than {MAX_DEPTH} deep");
            self.sink.error(value.span(), message);
            return Vec::new();
        }
        let tables = self.tables(t, "branch", header);
        let mut branch = |(at, t)| {
            self.known(t, &["id", "slot"], header);
            let id = self.string(t, "id");
            BranchLayout { at, id, slots: self.slots(t, &inner(header, "slot"), depth) }
        };
        tables.into_iter().map(&mut branch).collect()
    }

    fn params(&mut self, t: &Table, depth: usize) -> Vec<ParamLayout> {
        let mut out = Vec::new();
        for (key, value) in t.iter() {
            let key = At { value: key.get_ref().to_string(), span: key.span() };
            let value = match value.get_ref() {
                DeValue::Table(_) if depth > MAX_GROUPS => {
                    self.sink.error(key.span, format!("parameters are nested more than {MAX_GROUPS} deep"));
                    continue;
                }
                DeValue::Table(inner) => ParamText::Group(self.params(inner, depth + 1)),
                v => ParamText::Value(At { value: scalar(v), span: value.span() }),
            };
            out.push(ParamLayout { key, value });
        }
        out.sort_by_key(|p| p.key.span.start);
        out
    }
}

/// `[[slot]]` → `[[slot.branch]]`.
fn inner(header: &str, key: &str) -> String {
    format!("{}.{key}]]", header.trim_end_matches(']'))
}

/// The readers of single values.
impl Reader<'_> {
    /// Refuses every key that is not listed.
    fn known(&mut self, t: &Table, keys: &[&str], what: &str) {
        for (key, _) in t.iter().filter(|(k, _)| !keys.contains(&k.get_ref().as_ref())) {
            let allowed = list(keys.iter().copied());
            self.sink
                .error(
                    key.span(),
                    format!("{what} has no key {}; it may have {allowed}", quoted(key.get_ref())),
                )
                .label(format!("one of {allowed}"))
                .suggest(key.get_ref(), keys.iter().copied());
        }
    }

    fn wrong_type(&mut self, at: &Value, key: &str, wanted: &str, given: &DeValue) -> &mut Diagnostic {
        self.sink
            .error(at.span(), format!("\"{key}\" is {}; it must be {wanted}", type_name(given)))
            .label(format!("must be {wanted}"))
    }

    fn string(&mut self, t: &Table, key: &str) -> Option<At<String>> {
        let value = t.get(key)?;
        match value.get_ref() {
            DeValue::String(s) => Some(At { value: s.to_string(), span: value.span() }),
            other => {
                self.wrong_type(value, key, "a string", other);
                // Still given, so that nobody calls it missing; one place gets one error.
                Some(At { value: String::new(), span: value.span() })
            }
        }
    }

    fn number(&mut self, t: &Table, key: &str) -> Option<At<f64>> {
        let value = t.get(key)?;
        let n = number(value.get_ref());
        if n.is_none() {
            self.wrong_type(value, key, "a number", value.get_ref());
        }
        Some(At { value: n?, span: value.span() })
    }

    fn channels(&mut self, t: &Table, key: &str) -> Option<At<Channels>> {
        let value = t.get(key)?;
        let channels = match value.get_ref() {
            DeValue::String(s) => Channels::Named(s.to_string()),
            DeValue::Array(_) => self.strings(value, key).map_or(Channels::Refused, Channels::List),
            other => {
                self.wrong_type(value, key, "the name of a layout or a list of channel names", other);
                Channels::Refused
            }
        };
        Some(At { value: channels, span: value.span() })
    }

    /// A list of strings; `None` if anything in it is something else.
    fn strings(&mut self, value: &Value, key: &str) -> Option<Vec<At<String>>> {
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(value, key, "a list of channel names", value.get_ref());
            return None;
        };
        let mut out = Some(Vec::new());
        for item in items.iter() {
            match (item.get_ref().as_str(), &mut out) {
                (Some(s), Some(list)) => list.push(At { value: s.to_string(), span: item.span() }),
                (Some(_), None) => {}
                (None, _) => {
                    self.wrong_type(item, key, "a list of channel names", item.get_ref());
                    out = None;
                }
            }
        }
        out
    }

    /// The tables of a list of tables, with where each is written.
    fn tables<'t, 'i>(
        &mut self,
        t: &'t Table<'i>,
        key: &str,
        header: &str,
    ) -> Vec<(Range<usize>, &'t Table<'i>)> {
        let Some(value) = t.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(value, key, "a list of tables", value.get_ref())
                .help(format!("write {header}, with two brackets"));
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                DeValue::Table(t) => out.push((item.span(), t)),
                other => self.wrong_type(item, key, "a list of tables", other).done(),
            }
        }
        out
    }
}

/// The number, if it is one. What is too large for `f64` becomes infinite, and is refused as that.
fn number(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Integer(i) if i.radix() == 10 => i.as_str().parse().ok(),
        DeValue::Integer(i) => {
            Some(i128::from_str_radix(i.as_str(), i.radix()).map_or(f64::INFINITY, |v| v as f64))
        }
        DeValue::Float(f) => Some(f.as_str().parse().unwrap_or(f64::NAN)),
        _ => None,
    }
}

fn scalar(value: &DeValue) -> Scalar {
    match value {
        DeValue::Boolean(b) => Scalar::Bool(*b),
        DeValue::String(s) => Scalar::Text(s.to_string()),
        other => number(other).map_or(Scalar::Other(type_name(other)), Scalar::Number),
    }
}

fn type_name(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
