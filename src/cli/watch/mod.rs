// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe watch`: a meter bridge in the terminal, or lines for a pipe.

pub mod bars;
mod dots;
mod help;
pub mod ink;
pub mod layout;
mod levels;
pub mod line;
mod live;
mod looks;
mod loudness;
mod reduction;
pub mod scale;
mod scope;
pub mod spectrum;
pub mod state;
#[cfg(test)]
mod tests;
pub mod view;

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::remote::Remote;
use crate::client::Client;
use crate::client::v1::{ResetMetersRequest, WatchMetersRequest};
use crate::exit::{Exit, Failure};
use ink::Ink;
use scale::{SCALES, Scale};
use state::State;

/// Watch the meters: levels, loudness, spectrum, stereo, gain reduction, DSP load and xruns
///
/// In a terminal a meter bridge: m changes the scale, t the tap, s the spectrum, r begins a new measurement for
/// everyone, ? explains, q ends it. It waits for a daemon that went away. Without a terminal, and with --plain,
/// one line of text a reading, and with --json one JSON object a line.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe watch\n  lathe watch --scale k14 --target -14\n  lathe watch --tap in --tap out --hz 30\n  lathe watch --plain --hz 1 >> levels.log\n  lathe watch --json --count 1 | jq '.taps[0].integrated'"
)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// in, out, monitor, SLOT/in or SLOT/out; may be given several times, and the first is looked at closely
    #[arg(long, value_name = "TAP", default_value = "out")]
    tap: Vec<String>,
    /// Readings per second (above 0, to 60)
    #[arg(long, default_value_t = 10.0, value_name = "HZ", value_parser = hz, allow_negative_numbers = true)]
    hz: f64,
    /// Scale of the bridge's level bars
    #[arg(long, default_value = "dbfs", value_name = "SCALE", value_parser = scales())]
    scale: &'static Scale,
    /// Integrated loudness to aim at, LUFS (-50 to 0): a line in the bridge
    #[arg(long, value_name = "LUFS", value_parser = target, allow_negative_numbers = true)]
    target: Option<f64>,
    /// Lines of text, also in a terminal
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// End after so many readings; lines, also in a terminal
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The same as --count 1
    #[arg(long, conflicts_with = "count")]
    once: bool,
    /// Begin a new measurement first, for everyone
    #[arg(long)]
    reset: bool,
}

fn hz(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number"))?;
    if v > 0.0 && v <= 60.0 { Ok(v) } else { Err(format!("{v} is not allowed: above 0, to 60")) }
}

fn target(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number"))?;
    if (-50.0..=0.0).contains(&v) { Ok(v) } else { Err(format!("{v} is not allowed: -50 LUFS to 0 LUFS")) }
}

fn scales() -> impl TypedValueParser<Value = &'static Scale> {
    PossibleValuesParser::new(SCALES.iter().map(|s| s.name))
        .map(|name| scale::named(&name).unwrap_or(&SCALES[0]))
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    if args.reset {
        client.call(client.meters().reset_meters(ResetMetersRequest {}))?;
    }
    let some = args.once || args.count.is_some();
    if args.plain || args.remote.json || some || !std::io::stdout().is_terminal() {
        return print(&client, args);
    }
    let state = State {
        ink: Ink::of_environment(),
        taps: args.tap.clone(),
        scale: args.scale,
        target: args.target,
        ..State::default()
    };
    live::run(client, state, args.hz)
}

/// A line for every reading, until the count is full or the reader is gone.
fn print(client: &Client, args: &Args) -> Result<(), Failure> {
    let request = WatchMetersRequest {
        hz: args.hz,
        taps: args.tap.clone(),
        slots: vec!["*".to_string()],
        ..Default::default()
    };
    let mut stream = client.call(client.meters().watch_meters(request))?;
    let mut left = if args.once { 1 } else { args.count.unwrap_or(u64::MAX) };
    while left > 0 {
        let Some(m) = client.next(&mut stream, Duration::from_secs(1))? else { continue };
        let line = if args.remote.json { line::json(&m).to_string() } else { line::text(&m) };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(|e| Failure::new(Exit::Io, format!("cannot write the readings: {e}")))?;
        left -= 1;
    }
    Ok(())
}
