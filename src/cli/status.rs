// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe status`: how the daemon stands.

use serde_json::{Value, json};

use super::remote::{Remote, number, safe};
use crate::client::Client;
use crate::client::v1::{GetStatusRequest, GetStatusResponse};
use crate::exit::Failure;

/// Show how the running daemon stands: backend, rate, latency, load, rack, revision
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  lathe status\n  lathe status --server unix:/run/lathe/lathed.sock\n  lathe status --json | jq .xruns"
)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let client = args.remote.connect()?;
    let status = client.call(client.system().get_status(GetStatusRequest {}))?;
    let server = client.server().to_string();
    args.remote.say(|| json(&status, &server), || text(&status, &server));
    Ok(())
}

/// The running engine's sample rate in Hz.
pub fn rate(client: &Client) -> Result<Option<u32>, Failure> {
    let status = client.call(client.system().get_status(GetStatusRequest {}))?;
    Ok(status.audio.map(|a| a.sample_rate).filter(|hz| *hz > 0))
}

fn json(s: &GetStatusResponse, server: &str) -> Value {
    let a = s.audio.clone().unwrap_or_default();
    json!({
        "server": server, "version": s.version, "backend": a.backend, "source": a.source,
        "sample_rate": a.sample_rate, "period_frames": a.period_frames, "latency_frames": a.latency_frames,
        "audible": a.audible, "hung": a.hung, "xruns": a.xruns, "lost_engines": a.lost_engines,
        "rack": s.rack_name, "revision": s.revision, "applied_revision": s.applied_revision,
        "engine_frame": s.engine_frame, "panic": s.panic, "snapshot": s.snapshot,
        "uptime_seconds": number(s.uptime_seconds),
    })
}

/// For people: one line a matter, the alarming ones in capitals.
pub fn text(s: &GetStatusResponse, server: &str) -> String {
    let a = s.audio.clone().unwrap_or_default();
    let rate = match a.sample_rate {
        0 => "no audio".to_string(),
        hz => {
            let ms = f64::from(a.latency_frames) * 1000.0 / f64::from(hz);
            format!("{hz} Hz, period {}, latency {} frames ({ms:.2} ms)", a.period_frames, a.latency_frames)
        }
    };
    let mut out = format!("daemon    lathed {} at {server}, up {}\n", s.version, span(s.uptime_seconds));
    out += &format!("audio     {}, source {}, {rate}\n", a.backend, a.source);
    out += &format!(
        "sound     {}, {} xruns, {} engines lost\n",
        match (s.panic, a.hung, a.audible) {
            (true, ..) => "PANIC: main is silenced (end it with: lathe panic off)",
            (_, true, _) => "HUNG: the driver's last cycle is too old",
            (_, _, true) => "audible",
            _ => "nobody hears it",
        },
        a.xruns,
        a.lost_engines
    );
    let name = if s.rack_name.is_empty() { "(no name)".to_string() } else { safe(&s.rack_name) };
    out += &format!("rack      {name}, revision {} ({} in the sound)\n", s.revision, s.applied_revision);
    if !s.snapshot.is_empty() {
        out += &format!("snapshot  {}\n", safe(&s.snapshot));
    }
    out
}

/// `3 d 4 h`, `4 h 12 min`, `12 min 5 s`, `5 s`.
fn span(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}
