// SPDX-License-Identifier: MIT OR Apache-2.0
//! Values as people read and write them, and the one error that a wrong value gets everywhere.

use super::{ParamKind, ParamSpec, Unit};

/// What is wrong with a refused value, the same in a file and on every wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("is out of range")]
    Range,
    #[error("is not a finite number")]
    NotFinite,
    #[error("is not a whole number")]
    NotWhole,
    #[error("is of the wrong type")]
    Type,
    #[error("is not a choice")]
    Choice,
    /// A text that is no value.
    #[error("is not allowed")]
    Text,
}

/// A refused value: says what was given, why not, what is allowed, and the closest choice if one is near.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("\"{symbol}\" = {given} {fault}: {allowed}{hint}")]
pub struct ValueError {
    pub symbol: String,
    /// As given: a number with its unit, a text in quotes, `true`.
    pub given: String,
    pub fault: Fault,
    /// The allowed range or choices, in words.
    pub allowed: String,
    /// ` (did you mean …?)` or empty.
    pub hint: String,
}

impl ValueError {
    pub fn new(spec: &ParamSpec, given: impl Into<String>, fault: Fault) -> Self {
        let (symbol, given) = (spec.symbol.to_string(), given.into());
        ValueError { symbol, given, fault, allowed: spec.allowed(), hint: String::new() }
    }

    /// A text that was refused, with the choice that it may have meant.
    pub fn text(spec: &ParamSpec, text: &str, fault: Fault) -> Self {
        let near = suggest(text, spec.choices().iter().map(|c| c.symbol));
        let hint = near.map(|s| format!(" (did you mean \"{s}\"?)")).unwrap_or_default();
        ValueError { hint, ..ValueError::new(spec, quoted(text), fault) }
    }
}

impl ParamSpec {
    /// The value for people, with its unit: `-1.5 dB`, `on`, `bell`, `4.0:1`, `1.25 kHz`.
    pub fn show(&self, value: f64) -> String {
        match self.kind {
            ParamKind::Toggle => if value >= 0.5 { "on" } else { "off" }.to_string(),
            ParamKind::Choice(c) => {
                c.get(libm::round(value) as usize).map_or_else(|| number(value), |c| c.symbol.to_string())
            }
            ParamKind::Integer => format!("{value:.0}"),
            ParamKind::Float => match self.unit {
                Unit::None => number(value),
                Unit::Ratio => format!("{}:1", number(value)),
                Unit::Hertz if value >= 1000.0 => format!("{} kHz", number(value / 1000.0)),
                unit => format!("{} {}", number(value), unit.sign()),
            },
        }
    }

    /// The allowed values in words: `-60 dB to 24 dB`, `one of "peak", "rms"`, `on or off`.
    pub fn allowed(&self) -> String {
        match self.kind {
            ParamKind::Toggle => "on or off (true or false)".to_string(),
            ParamKind::Choice(c) => {
                let list: Vec<String> = c.iter().map(|c| format!("\"{}\"", c.symbol)).collect();
                format!("one of {}", list.join(", "))
            }
            ParamKind::Integer => format!("a whole number from {:.0} to {:.0}", self.min, self.max),
            ParamKind::Float => format!("{} to {}", self.show(self.min), self.show(self.max)),
        }
    }

    /// Reads a value as people write it: a number with or without its unit, `on`, a choice's symbol.
    pub fn parse(&self, text: &str) -> Result<f64, ValueError> {
        let t = text.trim();
        let refuse = |fault| ValueError::text(self, t, fault);
        let check = |v: f64| self.check(v).map_err(|e| refuse(e.fault));
        match self.kind {
            ParamKind::Toggle => match t.to_ascii_lowercase().as_str() {
                "on" | "true" | "1" | "yes" => Ok(1.0),
                "off" | "false" | "0" | "no" => Ok(0.0),
                _ => Err(refuse(Fault::Text)),
            },
            ParamKind::Choice(c) => match c.iter().position(|c| c.symbol == t) {
                Some(index) => Ok(index as f64),
                None => t.parse().map_err(|_| refuse(Fault::Choice)).and_then(check),
            },
            ParamKind::Float | ParamKind::Integer => {
                let (t, factor) = match t.strip_suffix("kHz").or_else(|| t.strip_suffix("khz")) {
                    Some(rest) if self.unit == Unit::Hertz => (rest, 1000.0),
                    _ => (t.strip_suffix(self.unit.sign()).unwrap_or(t), 1.0),
                };
                let v: f64 = t.trim().parse().map_err(|_| refuse(Fault::Text))?;
                check(v * factor)
            }
        }
    }

    /// A number as it was given, whatever the parameter makes of it, with the unit: `30000 Hz`.
    pub(super) fn given(&self, value: f64) -> String {
        let unit = self.unit.sign();
        let gap = if unit.is_empty() || self.unit == Unit::Ratio { "" } else { " " };
        // What a single-precision float adds to a number is not shown.
        let value = format!("{value:.6e}").parse().unwrap_or(value);
        format!("{}{gap}{unit}", short(value))
    }
}

/// A text as a message shows it: in quotes, cut after 48 characters.
pub fn quoted(text: &str) -> String {
    let short: String = text.chars().take(48).collect();
    if short.len() < text.len() { format!("\"{short}…\"") } else { format!("\"{short}\"") }
}

/// A number as one would write it, however large or small it is.
pub fn short(v: f64) -> String {
    let usual = v == 0.0 || !v.is_finite() || (1e-4..1e9).contains(&v.abs());
    if usual { format!("{v}") } else { format!("{v:e}") }
}

/// A number without a tail of zeros: at most 6 significant decimals.
pub(super) fn number(v: f64) -> String {
    let s = format!("{v:.6}");
    if s.contains('.') { s.trim_end_matches('0').trim_end_matches('.').to_string() } else { s }
}

/// The nearest of `candidates` if it is near enough to be a slip of the finger.
pub fn suggest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|c| (distance(given, c), c)).min()?;
    let limit = (given.chars().count().max(near.1.chars().count()) / 3).max(1);
    (near.0 <= limit && !given.is_empty()).then_some(near.1)
}

/// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(256).collect();
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[i - 2][j - 2] + 1);
                }
                best
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::{Choice, choice, float, toggle};
    use super::*;

    #[test]
    fn values_read_and_show_with_their_units() {
        let freq = float("freq", "Frequency", Unit::Hertz, (20.0, 20_000.0), 1000.0).log();
        assert_eq!(freq.show(1250.0), "1.25 kHz");
        assert_eq!(freq.parse("1.25 kHz"), Ok(1250.0));
        assert_eq!(freq.parse("80"), Ok(80.0));
        assert_eq!(freq.parse("80 Hz"), Ok(80.0));
        assert!(freq.parse("30000").unwrap_err().to_string().contains("20 Hz to 20 kHz"));
        assert_eq!(toggle("on", "On", true).parse("off"), Ok(0.0));
        assert!(freq.check(f64::NAN).is_err());
        assert_eq!(freq.check(20_000.0 + 0.001), Ok(20_000.0), "f32 rounding at a bound");
        assert!((freq.from_norm(freq.to_norm(440.0)) - 440.0).abs() < 1e-9);
    }

    #[test]
    fn a_slip_gets_a_suggestion() {
        const C: &[Choice] = &[Choice { symbol: "bell", doc: "" }, Choice { symbol: "notch", doc: "" }];
        let shape = choice("shape", "Shape", C, 0);
        let e = shape.parse("bel").unwrap_err().to_string();
        assert!(e.contains("did you mean \"bell\""), "{e}");
        // What was given is told, and never what it was rounded to.
        let told = |v| shape.check(v).unwrap_err().to_string();
        assert_eq!(told(-1.0), "\"shape\" = -1 is out of range: one of \"bell\", \"notch\"");
        assert_eq!(told(0.5), "\"shape\" = 0.5 is not a whole number: one of \"bell\", \"notch\"");
        assert!(suggest("xyz", ["bell"].into_iter()).is_none());
    }
}
