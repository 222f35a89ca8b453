// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe watch`: a meter bridge in the terminal, or lines for a pipe.

pub mod line;
pub mod view;

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::remote::Remote;
use crate::client::Client;
use crate::client::v1::{GetRackRequest, GetStatusRequest, ResetMetersRequest, WatchMetersRequest};
use crate::exit::{Exit, Failure};
use view::View;

/// Watch the meters: levels, true peak, loudness, gain reduction, DSP load and xruns
///
/// In a terminal a meter bridge (q ends it, r begins a new measurement, for everyone); else, and with
/// --plain, one line of text a reading, and with --json one JSON object a line.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe watch\n  lathe watch --tap in --tap out --hz 30\n  lathe watch --plain --hz 1 >> levels.log\n  lathe watch --json --count 1 | jq '.taps[0].integrated'"
)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// in, out, monitor, SLOT/in or SLOT/out; may be given several times
    #[arg(long, value_name = "TAP", default_value = "out")]
    tap: Vec<String>,
    /// Readings per second (above 0, to 60)
    #[arg(long, default_value_t = 10.0, value_name = "HZ", value_parser = hz, allow_negative_numbers = true)]
    hz: f64,
    /// Lines of text, also in a terminal
    #[arg(long, conflicts_with = "json")]
    plain: bool,
    /// End after so many readings; lines, also in a terminal
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Begin a new measurement first, for everyone
    #[arg(long)]
    reset: bool,
}

fn hz(s: &str) -> Result<f64, String> {
    let v: f64 = s.parse().map_err(|_| format!("{s} is not a number"))?;
    if v > 0.0 && v <= 60.0 { Ok(v) } else { Err(format!("{v} is not allowed: above 0, to 60")) }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    if args.reset {
        client.call(client.meters().reset_meters(ResetMetersRequest {}))?;
    }
    let request = WatchMetersRequest {
        hz: args.hz,
        taps: args.tap.clone(),
        slots: vec!["*".to_string()],
        ..Default::default()
    };
    let lines = args.plain || args.remote.json || args.count.is_some() || !std::io::stdout().is_terminal();
    if lines { print(&client, args, request) } else { bridge(&client, request) }
}

/// A line for every reading, until the count is full or the reader is gone.
fn print(client: &Client, args: &Args, request: WatchMetersRequest) -> Result<(), Failure> {
    let mut stream = client.call(client.meters().watch_meters(request))?;
    let mut left = args.count.unwrap_or(u64::MAX);
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

fn bridge(client: &Client, request: WatchMetersRequest) -> Result<(), Failure> {
    let rack = client.call(client.rack().get_rack(GetRackRequest {}))?.rack.unwrap_or_default();
    let status = client.call(client.system().get_status(GetStatusRequest {}))?;
    let mut view =
        View { server: client.server().to_string(), status, channels: rack.channels, ..View::default() };
    let io = |e: std::io::Error| Failure::new(Exit::Io, format!("cannot draw on this terminal: {e}"));
    let mut terminal = ratatui::try_init().map_err(io)?;
    let done = watch(client, request, &mut view, &mut terminal);
    ratatui::restore();
    done
}

/// Draws every reading and listens to the keys in between.
fn watch(
    client: &Client,
    request: WatchMetersRequest,
    view: &mut View,
    terminal: &mut DefaultTerminal,
) -> Result<(), Failure> {
    let io = |e: std::io::Error| Failure::new(Exit::Io, format!("cannot draw on this terminal: {e}"));
    let mut stream = client.call(client.meters().watch_meters(request))?;
    let mut asked = Instant::now();
    loop {
        terminal.draw(|frame| view::draw(frame, view)).map_err(io)?;
        if let Some(m) = client.next(&mut stream, Duration::from_millis(50))? {
            view.missed += m.missed;
            view.meters = Some(m);
        }
        while event::poll(Duration::ZERO).map_err(io)? {
            let Event::Key(key) = event::read().map_err(io)? else { continue };
            let control = key.modifiers.contains(KeyModifiers::CONTROL);
            match key.code {
                _ if key.kind == KeyEventKind::Release => {}
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if control => return Ok(()),
                KeyCode::Char('r') => {
                    client.call(client.meters().reset_meters(ResetMetersRequest {}))?;
                    view.note = "measurement begun anew".to_string();
                    view.missed = 0;
                }
                _ => {}
            }
        }
        if asked.elapsed() > Duration::from_secs(1) {
            view.status = client.call(client.system().get_status(GetStatusRequest {}))?;
            asked = Instant::now();
        }
    }
}
