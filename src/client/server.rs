// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a daemon answers: `127.0.0.1:7701`, a host without its port, or `unix:PATH`.

use std::fmt;
use std::str::FromStr;

/// Where `lathed` answers unless told otherwise.
pub const DEFAULT: &str = "127.0.0.1:7701";
const PORT: &str = "7701";

/// An address of a daemon, as it is shown and as tonic takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    shown: String,
    uri: String,
}

impl Server {
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("a socket needs a path: unix:/run/lathe/lathed.sock".to_string());
            }
            let whole = std::path::absolute(path).map_err(|e| e.to_string())?;
            return Ok(Server { shown: format!("unix:{path}"), uri: format!("unix:{}", whole.display()) });
        }
        if text.starts_with("https:") {
            return Err("TLS is not spoken here; use an SSH tunnel or the Unix socket".to_string());
        }
        let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let wrong = || format!("\"{text}\" is no address: HOST, HOST:PORT, [IPV6]:PORT or unix:PATH");
        let (host, port) = match bare.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !host.contains(':') => (host, port),
            Some((host, port)) if host.starts_with('[') && host.ends_with(']') => (host, port),
            Some(_) if bare.starts_with('[') && bare.ends_with(']') => (bare, PORT),
            Some(_) => return Err(wrong()),
            None => (bare, PORT),
        };
        let letters = |c: char| c.is_ascii_alphanumeric() || ".-_[]:".contains(c);
        if host.is_empty() || !host.chars().all(letters) || !matches!(port.parse::<u16>(), Ok(1..)) {
            return Err(wrong());
        }
        Ok(Server { shown: format!("{host}:{port}"), uri: format!("http://{host}:{port}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_completed() {
        for (given, shown, uri) in [
            ("127.0.0.1:7701", "127.0.0.1:7701", "http://127.0.0.1:7701"),
            ("studio", "studio:7701", "http://studio:7701"),
            ("http://studio:80/", "studio:80", "http://studio:80"),
            ("[::1]:9", "[::1]:9", "http://[::1]:9"),
            ("[::1]", "[::1]:7701", "http://[::1]:7701"),
            ("unix:/run/l.sock", "unix:/run/l.sock", "unix:/run/l.sock"),
            ("unix:///run/l.sock", "unix:/run/l.sock", "unix:/run/l.sock"),
        ] {
            let server: Server = given.parse().expect(given);
            assert_eq!((server.to_string().as_str(), server.uri()), (shown, uri));
        }
        for wrong in ["", ":", "a:b", "a:0", "a:70000", "::1", "unix:", "https://a", "a b", "a/b"] {
            assert!(wrong.parse::<Server>().is_err(), "{wrong}");
        }
    }
}
