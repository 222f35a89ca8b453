// SPDX-License-Identifier: MIT OR Apache-2.0
//! The prints as the OSC server wants to see them.

use super::args::{count, level, text};
use crate::files::{BitDepth, Container};
use crate::osc::request::Code;
use crate::osc::{Arg, ports};
use crate::print::entry::{Entry, Source, State};
use crate::print::live::Progress;
use crate::print::{PrintError, Prints, Want};

/// The prints of a daemon.
pub struct OscPrints(pub Prints);

fn refused(e: &PrintError) -> ports::Refusal {
    let code = match e {
        PrintError::Name(_) | PrintError::Exists(_) | PrintError::NotFound { .. } => Code::Value,
        _ => Code::Failed,
    };
    (code, e.to_string())
}

/// As tablets and as taps call them; empty is main.
fn source(symbol: &str) -> Result<Source, ports::Refusal> {
    let found = match symbol {
        "" | "main" => Some(Source::Out),
        "input" => Some(Source::In),
        symbol => Source::from_symbol(symbol),
    };
    let refusal = || format!("\"{symbol}\" is no source of a print: main (or out), monitor, input (or in)");
    found.ok_or_else(|| (Code::Value, refusal()))
}

fn state(e: &Entry) -> &'static str {
    match e.state {
        State::Recording => "recording",
        State::Finishing => "finishing",
        State::Done => "done",
        State::Failed => "failed",
    }
}

/// One print; the same keys in the same places, also if there is none.
fn fields(e: Option<&Entry>) -> ports::Fields {
    let of = |get: fn(&Entry) -> &str| text(e.map_or("", get));
    let counted = |get: fn(&Entry) -> u64| count(e.map_or(0, get));
    vec![
        ("state", text(e.map_or("idle", state))),
        ("name", of(|e| &e.name)),
        ("source", of(|e| e.source.symbol())),
        ("seconds", Arg::Float(e.map_or(0.0, Entry::seconds) as f32)),
        ("reason", of(|e| &e.why)),
        ("gaps", counted(|e| e.gaps)),
        ("xruns", counted(|e| e.xruns)),
        ("integrated", level(e.and_then(|e| e.loudness.integrated_lufs))),
        ("true_peak", level(e.and_then(|e| e.loudness.true_peak_dbtp))),
        ("file", of(|e| &e.file)),
    ]
}

/// A print as it was found, or that there is none.
fn standing(
    name: &str,
    found: Result<(Entry, Progress), PrintError>,
) -> Result<ports::Fields, ports::Refusal> {
    match found {
        Ok((e, _)) => Ok(fields(Some(&e))),
        Err(PrintError::NotFound { .. }) if name.is_empty() => Ok(fields(None)),
        Err(e) => Err(refused(&e)),
    }
}

impl ports::Prints for OscPrints {
    /// WAV of 32-bit floats, as everywhere if nothing else is said.
    fn start(&self, name: &str, from: &str) -> Result<ports::Fields, ports::Refusal> {
        let want = Want {
            name: name.to_string(),
            description: String::new(),
            source: source(from)?,
            container: Container::Wav,
            depth: BitDepth::F32,
            seconds: None,
        };
        self.0.start(&want).map(|e| fields(Some(&e))).map_err(|e| refused(&e))
    }

    fn stop(&self, name: &str) -> Result<ports::Fields, ports::Refusal> {
        self.0.stop(name).map(|e| fields(Some(&e))).map_err(|e| refused(&e))
    }

    fn status(&self, name: &str) -> Result<ports::Fields, ports::Refusal> {
        standing(name, self.0.get(name))
    }

    fn known(&self, name: &str) -> Option<Result<ports::Fields, ports::Refusal>> {
        self.0.known(name).map(|found| standing(name, found))
    }

    fn list(&self, most: usize) -> Result<ports::Listing, ports::Refusal> {
        let all = self.0.list().map_err(|e| refused(&e))?.prints;
        let last = all.iter().skip(all.len().saturating_sub(most));
        Ok(ports::Listing { last: last.map(|(e, _)| fields(Some(e))).collect(), total: all.len() })
    }

    fn moving(&self, names: &[String]) -> Vec<(String, ports::Fields, bool)> {
        let all = self.0.moving(names);
        all.iter().map(|e| (e.name.clone(), fields(Some(e)), e.state.is_over())).collect()
    }
}
