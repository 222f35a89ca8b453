// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's settings, `config/lathed.toml`: read once at the start. Main thread.
//!
//! Unknown keys and values out of range are refused with their place in the file.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::audio::connections::Pair;
use crate::osc::policy::Allow;

/// Sample rates and periods the built-in clock takes.
pub const RATES: RangeInclusive<u32> = 8_000..=768_000;
pub const PERIODS: RangeInclusive<usize> = 16..=8192;
/// Seconds that a print has in memory for a slow disk, and MiB that stay free.
pub const PRINT_BUFFERS: RangeInclusive<u32> = 2..=30;
pub const PRINT_SPARE: RangeInclusive<u64> = 1..=1_048_576;
/// Seconds until an alarm begins.
pub const ALARM_SECONDS: RangeInclusive<f64> = 0.1..=86_400.0;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub machine: Machine,
    pub audio: Audio,
    pub jack: Jack,
    pub levels: Levels,
    pub alarms: Alarms,
    pub print: Print,
    pub ledger: LedgerHabits,
    pub osc: Osc,
    pub http: Http,
    pub state: State,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    pub name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audio {
    pub backend: BackendChoice,
    /// Of the built-in clock, in Hz.
    pub rate: Option<Spanned<u32>>,
    pub period: Option<Spanned<usize>>,
}

/// Who drives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// JACK if a server answers at the start, else the clock.
    #[default]
    Auto,
    /// JACK; waits for a server for ever.
    Jack,
    /// The built-in clock.
    Clock,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jack {
    pub server: String,
    pub client: Option<Spanned<String>>,
    pub connect: Vec<Pair>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Levels {
    /// dBFS of 0 VU.
    pub reference_dbfs: Spanned<f64>,
}

impl Default for Levels {
    fn default() -> Self {
        Levels { reference_dbfs: Spanned::new(0..0, -18.0) }
    }
}

/// When an alarm begins; 0 s for never.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alarms {
    pub silence_dbfs: Spanned<f64>,
    pub silence_seconds: Spanned<f64>,
    pub stuck_seconds: Spanned<f64>,
    /// A pair that looks inverted.
    pub inverted: bool,
    /// A sample clock of another rate.
    pub clock: bool,
}

impl Default for Alarms {
    fn default() -> Self {
        let seconds = |s| Spanned::new(0..0, s);
        Alarms {
            silence_dbfs: Spanned::new(0..0, -60.0),
            silence_seconds: seconds(10.0),
            stuck_seconds: seconds(0.5),
            inverted: true,
            clock: true,
        }
    }
}

impl Alarms {
    fn check(&self) -> Result<(), (usize, String)> {
        in_range("silence_dbfs", &self.silence_dbfs, &(-200.0..=0.0), "dBFS")?;
        for (key, value) in
            [("silence_seconds", &self.silence_seconds), ("stuck_seconds", &self.stuck_seconds)]
        {
            if *value.get_ref() != 0.0 {
                in_range(key, value, &ALARM_SECONDS, "s, or 0 for never")?;
            }
        }
        Ok(())
    }
}

/// Open Sound Control.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Osc {
    /// Address and port; empty for no OSC.
    pub listen: Spanned<String>,
    /// Who may use it, where others can reach it.
    pub allow: Vec<Allow>,
    /// Fixed receivers.
    pub target: Vec<OscTarget>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OscTarget {
    pub addr: SocketAddr,
    /// Readings a second.
    #[serde(default = "usual_hz")]
    pub hz: Spanned<u32>,
}

fn usual_hz() -> Spanned<u32> {
    Spanned::new(0..0, 10)
}

impl Default for Osc {
    fn default() -> Self {
        let listen = Spanned::new(0..0, "127.0.0.1:7700".to_string());
        Osc { listen, allow: Vec::new(), target: Vec::new() }
    }
}

impl Osc {
    /// Where to listen; `None` for no OSC. Without a port it is 7700.
    pub fn address(&self) -> Result<Option<SocketAddr>, String> {
        let text = self.listen.get_ref().as_str();
        if text.is_empty() {
            return Ok(None);
        }
        let host_alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 7700));
        text.parse().or(host_alone).map(Some).map_err(|_| {
            format!("listen = {text:?} is no address and port, such as 127.0.0.1:7700 or [::1]:7700")
        })
    }
}

/// gRPC and plain HTTP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Address and port on this machine; empty for none.
    pub listen: Spanned<String>,
    /// A Unix socket beside it; empty for none.
    pub socket: Spanned<String>,
    /// Planned: certificate and key.
    tls: Option<Spanned<serde::de::IgnoredAny>>,
    /// Planned: networks trusted without TLS.
    plain_lan: Option<Spanned<serde::de::IgnoredAny>>,
}

impl Default for Http {
    fn default() -> Self {
        let listen = Spanned::new(0..0, "127.0.0.1:7701".to_string());
        Http { listen, socket: Spanned::new(0..0, String::new()), tls: None, plain_lan: None }
    }
}

impl Http {
    /// Where to listen; `None` for not at all. Without a port it is 7701.
    ///
    /// # Errors
    /// No address, or one that other machines can reach: what to do instead.
    pub fn address(&self) -> Result<Option<SocketAddr>, String> {
        let text = self.listen.get_ref().as_str();
        if text.is_empty() {
            return Ok(None);
        }
        let host_alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 7701));
        let address: SocketAddr = text.parse().or(host_alone).map_err(|_| {
            format!("listen = {text:?} is no address and port, such as 127.0.0.1:7701 or [::1]:7701")
        })?;
        if address.ip().to_canonical().is_loopback() {
            return Ok(Some(address));
        }
        Err(format!(
            "listen = {text:?} is not a loopback address: {NOT_YET}. Listen on 127.0.0.1:7701 and reach it \
             from another machine through `ssh -L 7701:127.0.0.1:7701 HOST`, or set socket to a path and \
             go through `ssh -L 7701:PATH HOST`"
        ))
    }

    /// Where the Unix socket is to be.
    pub fn socket(&self) -> Result<Option<PathBuf>, String> {
        absolute("socket", &self.socket)
    }

    fn check(&self) -> Result<(), (usize, String)> {
        let tls = self.tls.as_ref().map(|v| ("tls", v.span().start));
        let lan = self.plain_lan.as_ref().map(|v| ("plain_lan", v.span().start));
        if let Some((key, at)) = tls.or(lan) {
            let reason = format!(
                "{key} is not built yet: {NOT_YET}. Take the key out and reach 127.0.0.1:7701 from another \
                 machine through an ssh tunnel (ssh -L 7701:127.0.0.1:7701 HOST)"
            );
            return Err((at, reason));
        }
        self.address().map_err(|reason| (self.listen.span().start, reason))?;
        self.socket().map(drop).map_err(|reason| (self.socket.span().start, reason))
    }
}

/// Why HTTP stays on this machine.
const NOT_YET: &str = "this version has no TLS and no tokens, so HTTP and gRPC stay on this machine";

/// What survives a restart.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// The directory; empty for `STATE_DIRECTORY`, else the XDG state folder.
    pub dir: Spanned<String>,
}

impl Default for State {
    fn default() -> Self {
        State { dir: Spanned::new(0..0, String::new()) }
    }
}

impl State {
    pub fn dir(&self) -> Result<Option<PathBuf>, String> {
        absolute("dir", &self.dir)
    }
}

/// A path that means the same wherever the daemon is started; `None` if it is empty.
fn absolute(key: &str, path: &Spanned<String>) -> Result<Option<PathBuf>, String> {
    let text = path.get_ref().as_str();
    match Path::new(text) {
        _ if text.is_empty() => Ok(None),
        path if path.is_absolute() => Ok(Some(path.to_path_buf())),
        _ => Err(format!("{key} = {text:?} is no absolute path, one that begins with /")),
    }
}

/// What the session's ledger does by itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerHabits {
    /// It starts, pauses and resumes with the transport of JACK.
    pub transport: bool,
}

/// Where prints go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Print {
    /// The directory; empty for `prints` in that of the state.
    pub dir: Spanned<String>,
    /// Seconds of audio in memory for a slow disk.
    pub buffer_s: Spanned<u32>,
    /// What stays free, in MiB.
    pub spare_mib: Spanned<u64>,
}

impl Default for Print {
    fn default() -> Self {
        Print {
            dir: Spanned::new(0..0, String::new()),
            buffer_s: Spanned::new(0..0, 5),
            spare_mib: Spanned::new(0..0, 256),
        }
    }
}

impl Print {
    pub fn dir(&self) -> Result<Option<PathBuf>, String> {
        absolute("dir", &self.dir)
    }
}

/// Why a settings file was refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{file}: cannot be read: {source}; check the path given to --config")]
    Read { file: String, source: std::io::Error },
    #[error("{file}:{line}:{column}: {reason}")]
    Refused { file: String, line: usize, column: usize, reason: String },
}

impl Settings {
    pub fn load(path: &Path) -> Result<Settings, SettingsError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { file: file.clone(), source })?;
        Settings::parse(&text, &file)
    }

    pub fn parse(text: &str, file: &str) -> Result<Settings, SettingsError> {
        let refused = |at: usize, reason: String| {
            let (line, column) = place(text, at);
            SettingsError::Refused { file: file.to_string(), line, column, reason }
        };
        let settings: Settings = toml::from_str(text)
            .map_err(|e| refused(e.span().map_or(0, |s| s.start), e.message().to_string()))?;
        settings.check().map_err(|(at, reason)| refused(at, reason))?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), (usize, String)> {
        if let Some(rate) = &self.audio.rate {
            in_range("rate", rate, &RATES, "Hz")?;
        }
        if let Some(period) = &self.audio.period {
            in_range("period", period, &PERIODS, "frames")?;
        }
        if let Some(client) = &self.jack.client {
            client_name(client.get_ref()).map_err(|reason| (client.span().start, reason))?;
        }
        self.osc.address().map_err(|reason| (self.osc.listen.span().start, reason))?;
        for target in &self.osc.target {
            in_range("hz", &target.hz, &(1..=60), "Hz")?;
        }
        self.http.check()?;
        self.state.dir().map_err(|reason| (self.state.dir.span().start, reason))?;
        self.print.dir().map_err(|reason| (self.print.dir.span().start, reason))?;
        in_range("buffer_s", &self.print.buffer_s, &PRINT_BUFFERS, "s")?;
        in_range("spare_mib", &self.print.spare_mib, &PRINT_SPARE, "MiB")?;
        self.alarms.check()?;
        in_range("reference_dbfs", &self.levels.reference_dbfs, &(-40.0..=0.0), "dBFS")
    }
}

/// Refuses what JACK would not take as a client's name.
pub fn client_name(name: &str) -> Result<(), String> {
    let fits = (1..=48).contains(&name.len());
    if fits && name.chars().all(|c| c.is_ascii_graphic() && c != ':') {
        return Ok(());
    }
    Err(format!("client name {name:?}: 1 to 48 printable ASCII characters without space or colon"))
}

fn in_range<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: &Spanned<T>,
    range: &RangeInclusive<T>,
    unit: &str,
) -> Result<(), (usize, String)> {
    if range.contains(value.get_ref()) {
        return Ok(());
    }
    let reason =
        format!("{key} = {} is out of range: {} to {} {unit}", value.get_ref(), range.start(), range.end());
    Err((value.span().start, reason))
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a file says, without where it says it.
    fn said(s: &Settings) -> String {
        let Settings { machine, audio, jack, levels, alarms, print, ledger, osc, http, state } = s;
        let rate = audio.rate.as_ref().map_or(crate::audio::clock::DEFAULT_RATE, |r| *r.get_ref());
        let period = audio.period.as_ref().map_or(crate::audio::clock::DEFAULT_PERIOD, |p| *p.get_ref());
        let client = jack.client.as_ref().map_or("lathe", |c| c.get_ref());
        format!(
            "{:?}",
            (
                (&machine.name, rate, period, &jack.server, client, &jack.connect),
                (levels.reference_dbfs.get_ref(), osc.address(), osc.allow.len(), osc.target.len()),
                (http.address(), http.socket(), state.dir()),
                (alarms.silence_dbfs.get_ref(), alarms.silence_seconds.get_ref()),
                (alarms.stuck_seconds.get_ref(), alarms.inverted, alarms.clock),
                (print.dir(), print.buffer_s.get_ref(), print.spare_mib.get_ref(), ledger.transport),
            )
        )
    }

    #[test]
    fn the_shipped_file_has_every_key_and_says_what_holds_without_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/lathed.toml");
        let shipped = Settings::load(&path).unwrap();
        let empty = Settings::parse("", "empty").unwrap();
        assert_eq!((shipped.audio.backend, empty.audio.backend), (BackendChoice::Jack, BackendChoice::Auto));
        assert_eq!(said(&shipped), said(&empty));
        let text = std::fs::read_to_string(&path).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let keys = |section: &str| table[section].as_table().unwrap().keys().cloned().collect::<Vec<_>>();
        let sections: Vec<&str> = table.keys().map(String::as_str).collect();
        assert_eq!(
            sections,
            ["alarms", "audio", "http", "jack", "ledger", "levels", "machine", "osc", "print", "state"]
        );
        assert_eq!(keys("audio"), ["backend", "period", "rate"]);
        assert_eq!(keys("jack"), ["client", "connect", "server"]);
        assert_eq!(keys("http"), ["listen", "socket"]);
        assert_eq!(keys("state"), ["dir"]);
        assert_eq!(keys("print"), ["buffer_s", "dir", "spare_mib"]);
        assert_eq!(keys("ledger"), ["transport"]);
        assert_eq!(keys("alarms"), ["clock", "inverted", "silence_dbfs", "silence_seconds", "stuck_seconds"]);
        for planned in ["tls", "plain_lan"] {
            assert!(!text.contains(planned), "{planned} is refused, so it is not offered");
        }
        // What is commented out can be taken in as it stands.
        let lines = text.lines().filter_map(|l| l.strip_prefix("# "));
        let all: Vec<&str> = lines.filter(|l| l.starts_with("[[") || l.contains(" = \"")).collect();
        let taken = Settings::parse(&all.join("\n"), "offered").unwrap();
        assert_eq!((taken.osc.allow.len(), taken.osc.target.len()), (1, 1), "{all:?}");
    }

    #[test]
    fn every_key_of_http_and_state_is_read() {
        let text =
            "[http]\nlisten = \"[::1]:9\"\nsocket = \"/run/x/lathe.sock\"\n[state]\ndir = \"/var/x\"\n";
        let s = Settings::parse(text, "x").unwrap();
        assert_eq!(s.http.address(), Ok(Some("[::1]:9".parse().unwrap())));
        assert_eq!(s.http.socket(), Ok(Some("/run/x/lathe.sock".into())));
        assert_eq!(s.state.dir(), Ok(Some("/var/x".into())));
        let s = Settings::parse("[http]\nlisten = \"127.0.0.1\"\n", "x").unwrap();
        assert_eq!(s.http.address(), Ok(Some("127.0.0.1:7701".parse().unwrap())));
        let s = Settings::parse("[http]\nlisten = \"\"\n", "x").unwrap();
        assert_eq!((s.http.address(), s.http.socket(), s.state.dir()), (Ok(None), Ok(None), Ok(None)));
    }

    #[test]
    fn what_is_refused_is_refused_with_its_place() {
        for (text, place, words) in [
            ("[audio]\nbackend = \"alsa\"\n", "x.toml:2:11", "alsa"),
            ("[audio]\n  bakend = \"jack\"\n", "x.toml:2:3", "bakend"),
            ("[audio]\nrate = 4000\n", "x.toml:2:8", "8000 to 768000 Hz"),
            ("[audio]\nperiod = 9000\n", "x.toml:2:10", "16 to 8192 frames"),
            ("[levels]\nreference_dbfs = nan\n", "x.toml:2:18", "-40 to 0 dBFS"),
            ("[alarms]\nsilence_dbfs = 3\n", "x.toml:2:16", "-200 to 0 dBFS"),
            ("[alarms]\nsilence_seconds = -1\n", "x.toml:2:19", "0.1 to 86400 s, or 0 for never"),
            ("[alarms]\nstuck_seconds = nan\n", "x.toml:2:17", "0.1 to 86400 s, or 0 for never"),
            ("[jack]\nclient = \"a:b\"\n", "x.toml:2:10", "colon"),
            ("[jack]\nconnect = [[\"a\"]]\n", "x.toml:2:12", ""),
            ("[jack\n", "x.toml:1:6", ""),
            ("[osc]\nlisten = \"here\"\n", "x.toml:2:10", "127.0.0.1:7700"),
            ("[[osc.allow]]\nnet = \"10.0.0.0/33\"\nrole = \"view\"\n", "x.toml:2:7", "no network"),
            ("[[osc.allow]]\nnet = \"10.0.0.0/8\"\nrole = \"root\"\n", "x.toml:3:8", "root"),
            ("[[osc.target]]\naddr = \"127.0.0.1:9000\"\nhz = 61\n", "x.toml:3:6", "1 to 60 Hz"),
            ("[http]\nlisten = \"nowhere\"\n", "x.toml:2:10", "127.0.0.1:7701"),
            ("[http]\nlisten = \"0.0.0.0:7701\"\n", "x.toml:2:10", "ssh -L 7701:127.0.0.1:7701 HOST"),
            ("[http]\nlisten = \"192.168.1.5\"\n", "x.toml:2:10", "socket"),
            ("[http]\nlisten = \"[::ffff:10.0.0.1]:1\"\n", "x.toml:2:10", "not a loopback"),
            ("[http]\nsocket = \"lathe.sock\"\n", "x.toml:2:10", "absolute"),
            ("[http]\ntls = { cert = \"a\", key = \"b\" }\n", "x.toml:2:7", "not built yet"),
            ("[http]\nplain_lan = [\"10.0.0.0/8\"]\n", "x.toml:2:13", "not built yet"),
            ("[http]\nport = 7701\n", "x.toml:2:1", "port"),
            ("[state]\ndir = \"state\"\n", "x.toml:2:7", "absolute"),
            ("[print]\ndir = \"prints\"\n", "x.toml:2:7", "absolute"),
            ("[print]\nbuffer_s = 31\n", "x.toml:2:12", "2 to 30 s"),
            ("[print]\nspare_mib = 0\n", "x.toml:2:13", "1 to 1048576 MiB"),
            ("[state]\npath = \"/x\"\n", "x.toml:2:1", "path"),
            ("[machine]\nnaem = \"a\"\n", "x.toml:2:1", "naem"),
            ("[levels]\nreference = 1\n", "x.toml:2:1", "reference"),
            ("[https]\n", "x.toml:1:2", "https"),
        ] {
            let error = Settings::parse(text, "x.toml").unwrap_err().to_string();
            assert!(error.starts_with(place) && error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn connections_are_pairs() {
        let s = Settings::parse("[jack]\nconnect = [[\"system:capture_1\", \"lathe:in_L\"]]", "x").unwrap();
        assert_eq!(s.jack.connect, [("system:capture_1".to_string(), "lathe:in_L".to_string())]);
    }
}
