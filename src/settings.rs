// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine's settings, `config/lathed.toml`: read once at the start. Main thread.
//!
//! Unknown keys and values out of range are refused with their place in the file.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::audio::connections::Pair;
use crate::osc::policy::Allow;

/// Sample rates and periods the built-in clock takes.
pub const RATES: RangeInclusive<u32> = 8_000..=768_000;
pub const PERIODS: RangeInclusive<usize> = 16..=8192;

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub machine: Machine,
    pub audio: Audio,
    pub jack: Jack,
    pub levels: Levels,
    pub osc: Osc,
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

    #[test]
    fn the_shipped_file_loads_and_says_what_holds_without_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/lathed.toml");
        let shipped = Settings::load(&path).unwrap();
        assert_eq!(shipped.audio.backend, BackendChoice::Jack);
        let empty = Settings::parse("", "empty").unwrap();
        assert_eq!(empty.audio.backend, BackendChoice::Auto);
        assert_eq!(shipped.levels.reference_dbfs.get_ref(), empty.levels.reference_dbfs.get_ref());
        assert!(shipped.jack.connect.is_empty());
        assert_eq!(shipped.osc.address(), empty.osc.address());
        assert!(shipped.osc.allow.is_empty() && shipped.osc.target.is_empty());
    }

    #[test]
    fn what_is_refused_is_refused_with_its_place() {
        for (text, place, words) in [
            ("[audio]\nbackend = \"alsa\"\n", "x.toml:2:11", "alsa"),
            ("[audio]\n  bakend = \"jack\"\n", "x.toml:2:3", "bakend"),
            ("[audio]\nrate = 4000\n", "x.toml:2:8", "8000 to 768000 Hz"),
            ("[audio]\nperiod = 9000\n", "x.toml:2:10", "16 to 8192 frames"),
            ("[levels]\nreference_dbfs = nan\n", "x.toml:2:18", "-40 to 0 dBFS"),
            ("[jack]\nclient = \"a:b\"\n", "x.toml:2:10", "colon"),
            ("[jack]\nconnect = [[\"a\"]]\n", "x.toml:2:12", ""),
            ("[jack\n", "x.toml:1:6", ""),
            ("[osc]\nlisten = \"here\"\n", "x.toml:2:10", "127.0.0.1:7700"),
            ("[[osc.allow]]\nnet = \"10.0.0.0/33\"\nrole = \"view\"\n", "x.toml:2:7", "no network"),
            ("[[osc.allow]]\nnet = \"10.0.0.0/8\"\nrole = \"root\"\n", "x.toml:3:8", "root"),
            ("[[osc.target]]\naddr = \"127.0.0.1:9000\"\nhz = 61\n", "x.toml:3:6", "1 to 60 Hz"),
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
