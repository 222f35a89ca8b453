// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `params` of one slot against its parameter table.

use std::ops::Range;

use super::diagnostic::{Sink, list};
use super::layout::{At, ParamLayout, ParamText, Scalar};
use super::plan::{Content, SlotPlan};
use super::split::{FIRST_FREQ, SplitKind};
use crate::param::{Fault, ParamIndex, ParamKind, ParamSpec, ParamTable, ValueError, Values, quoted, short};

/// Sets every value that is written; `of` names the unit or split in messages.
pub(super) fn fill(
    params: &[ParamLayout],
    table: &ParamTable,
    of: &str,
    values: &mut Values,
    sink: &mut Sink,
) {
    let mut fill = Fill { table, of, values, sink, given: vec![None; table.len()] };
    fill.group(params, "");
}

struct Fill<'a> {
    table: &'a ParamTable,
    of: &'a str,
    values: &'a mut Values,
    sink: &'a mut Sink,
    /// Where each parameter was set.
    given: Vec<Option<Range<usize>>>,
}

impl Fill<'_> {
    fn group(&mut self, params: &[ParamLayout], prefix: &str) {
        for p in params {
            let symbol = format!("{prefix}{}", p.key.value);
            let inside = format!("{symbol}/");
            let is_group = self.table.specs().iter().any(|s| s.symbol.starts_with(&inside));
            match (&p.value, self.table.find(&symbol)) {
                (ParamText::Group(inner), _) if is_group => self.group(inner, &inside),
                (ParamText::Value(v), Some(index)) => self.set(index, &p.key, v),
                (ParamText::Group(_), Some(index)) => {
                    let allowed = self.table[index].allowed();
                    let message = format!("\"{symbol}\" is one value, not a group: {allowed}");
                    self.sink.error(p.key.span.clone(), message).label(allowed);
                }
                (ParamText::Value(_), None) if is_group => self.not_a_value(&p.key, &symbol),
                _ => self.unknown(&p.key, prefix),
            }
        }
    }

    fn set(&mut self, index: ParamIndex, key: &At<String>, value: &At<Scalar>) {
        let spec = &self.table[index];
        if let Some(first) = self.given[index.0 as usize].replace(key.span.clone()) {
            self.sink
                .error(key.span.clone(), format!("\"{}\" is set twice", spec.symbol))
                .label("set again here")
                .related(first, "first set here");
        }
        match read(spec, &value.value) {
            Ok(v) => self.values.set(index, v),
            Err(refused) => {
                let (allowed, hint) = (refused.allowed.clone(), String::new());
                // The hint comes as help of its own.
                let message = ValueError { hint, ..refused }.to_string();
                let names = spec.choices().iter().map(|c| c.symbol);
                let d = self.sink.error(value.span.clone(), message).label(allowed);
                if let Scalar::Text(text) = &value.value {
                    d.suggest(text, names);
                }
            }
        }
    }

    fn not_a_value(&mut self, key: &At<String>, symbol: &str) {
        let names = self.names(&format!("{symbol}/"));
        let first = names.first().map_or("", String::as_str);
        self.sink
            .error(key.span.clone(), format!("\"{symbol}\" is a group of parameters, not one value"))
            .label(format!("a group of {}", list(names.iter().map(String::as_str))))
            .help(format!("write {} = {{ {first} = … }}", key.value));
    }

    fn unknown(&mut self, key: &At<String>, prefix: &str) {
        let names = self.names(prefix);
        let allowed = list(condensed(&names).iter().map(String::as_str));
        let place = match prefix {
            "" => self.of.to_string(),
            group => format!("\"{}\" of {}", group.trim_end_matches('/'), self.of),
        };
        self.sink
            .error(
                key.span.clone(),
                format!("{place} has no parameter {}; it has {allowed}", quoted(&key.value)),
            )
            .label(format!("one of {allowed}"))
            .suggest(&key.value, names.iter().map(String::as_str));
    }

    /// Parameters and groups at one level of the table, in its order.
    fn names(&self, prefix: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for rest in self.table.specs().iter().filter_map(|s| s.symbol.strip_prefix(prefix)) {
            let name = rest.split('/').next().unwrap_or(rest);
            if !out.iter().any(|n| n == name) {
                out.push(name.to_string());
            }
        }
        out
    }
}

/// `band1`, `band2`, … `band24` as one entry `band1 … band24`.
fn condensed(names: &[String]) -> Vec<String> {
    const FEW: usize = 6;
    let stem = |n: &str| n.trim_end_matches(|c: char| c.is_ascii_digit()).to_string();
    let mut out = Vec::new();
    for run in names.chunk_by(|a, b| stem(a) == stem(b) && a.len() > stem(a).len()) {
        match run {
            [first, .., last] if run.len() > FEW => out.push(format!("{first} … {last}")),
            few => out.extend_from_slice(few),
        }
    }
    out
}

/// The value, or why what is written is not one.
fn read(spec: &ParamSpec, value: &Scalar) -> Result<f64, ValueError> {
    let number = matches!(spec.kind, ParamKind::Float | ParamKind::Integer);
    let wrong_type = |given: String| Err(ValueError::new(spec, given, Fault::Type));
    match value {
        Scalar::Other(kind) => wrong_type(kind.to_string()),
        Scalar::Bool(b) if spec.kind == ParamKind::Toggle => Ok(f64::from(u8::from(*b))),
        Scalar::Bool(b) => wrong_type(b.to_string()),
        Scalar::Number(v) if !number => wrong_type(short(*v)),
        Scalar::Number(v) => spec.check(*v),
        // In a file a choice is its symbol: indices are for wires.
        Scalar::Text(t) if matches!(spec.kind, ParamKind::Choice(_)) => {
            let found = spec.choices().iter().position(|c| c.symbol == t);
            found.map(|i| i as f64).ok_or_else(|| ValueError::text(spec, t, Fault::Choice))
        }
        Scalar::Text(t) => spec.parse(t),
    }
}

/// Crossover frequencies must rise; the error stands at one that is written.
pub(super) fn rising(params: &[ParamLayout], plan: &SlotPlan, sink: &mut Sink) {
    let Content::Split { kind: SplitKind::Bands, branches } = &plan.content else { return };
    let bands = branches.len();
    let freq = |n: usize| plan.values.get(ParamIndex(FIRST_FREQ + n as u16 - 1));
    for n in 1..bands.clamp(2, 6) - 1 {
        let (m, low, high) = (n + 1, freq(n), freq(n + 1));
        if low < high {
            continue;
        }
        let (low, high) = (short(low), short(high));
        let message =
            format!("crossover frequencies must rise: freq{m} = {high} Hz is not above freq{n} = {low} Hz");
        let default = |n: usize, hz: &str| format!("freq{n} is not given; with {bands} bands it is {hz} Hz");
        match (written(params, n), written(params, m)) {
            (Some(first), Some(second)) => sink
                .error(second, message)
                .label(format!("must be above {low} Hz"))
                .related(first, "not below the next")
                .done(),
            (None, Some(second)) => {
                let label = format!("must be above {low} Hz");
                sink.error(second, message).label(label).help(default(n, &low)).done();
            }
            (Some(first), None) => {
                let label = format!("must be below {high} Hz");
                sink.error(first, message).label(label).help(default(m, &high)).done();
            }
            (None, None) => {}
        }
    }
}

/// Where crossover frequency `n` is written.
fn written(params: &[ParamLayout], n: usize) -> Option<Range<usize>> {
    let p = params.iter().find(|p| p.key.value == format!("freq{n}"))?;
    match &p.value {
        ParamText::Value(v) => Some(v.span.clone()),
        ParamText::Group(_) => None,
    }
}
