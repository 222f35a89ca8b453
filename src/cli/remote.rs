// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every verb that talks to a daemon has: where it is, the form of the answer, the words around it.

use serde_json::{Map, Value, json};

use crate::client::v1::ParamValue;
use crate::client::{Client, DEFAULT, Server};
use crate::exit::{Exit, Failure};

/// Where the daemon is, and how its answer is shown.
#[derive(clap::Args, Debug)]
pub struct Remote {
    #[command(flatten)]
    pub at: At,
    /// JSON on stdout
    #[arg(long)]
    pub json: bool,
}

/// Where the daemon is.
#[derive(clap::Args, Debug)]
pub struct At {
    /// Where the daemon answers: HOST[:PORT] or unix:PATH; else LATHE_SERVER, else 127.0.0.1:7701
    #[arg(long, value_name = "ADDR", global = false)]
    server: Option<Server>,
}

impl At {
    /// Connects, or says in one line why not.
    pub fn connect(&self) -> Result<Client, Failure> {
        match &self.server {
            Some(server) => Client::connect(server),
            None => Client::connect(&usual()?),
        }
    }
}

impl Remote {
    pub fn connect(&self) -> Result<Client, Failure> {
        self.at.connect()
    }

    /// One JSON value if that is wanted, else the text; nothing if the text is empty.
    pub fn say(&self, json: impl FnOnce() -> Value, text: impl FnOnce() -> String) {
        if self.json {
            super::print_json(&json());
        } else {
            let text = text();
            if !text.is_empty() {
                println!("{}", text.trim_end_matches('\n'));
            }
        }
    }
}

/// The server of the environment, else the usual one.
pub fn usual() -> Result<Server, Failure> {
    let named = std::env::var("LATHE_SERVER").ok().filter(|s| !s.trim().is_empty());
    let text = named.as_deref().unwrap_or(DEFAULT);
    text.parse().map_err(|e| Failure::new(Exit::Usage, format!("LATHE_SERVER: {e}")))
}

/// Tells a person that a change was made where nobody hears it.
pub fn unheard(audible: bool) {
    if !audible {
        eprintln!("lathe: done, but nobody hears it yet: no audio runs, or a new chain is still settling");
    }
}

/// A number for JSON: what is silent or not known is null.
pub fn number(v: f64) -> Value {
    if v.is_finite() { json!(v) } else { Value::Null }
}

/// One control for JSON.
pub fn value_json(v: &ParamValue) -> Value {
    json!({ "address": v.address, "real": number(v.real), "norm": number(v.norm), "text": v.text })
}

/// What a change came to, for JSON: its own keys after `revision` and `audible`.
pub fn change_json(revision: u64, audible: bool, more: Value) -> Value {
    let mut object = Map::new();
    object.insert("revision".into(), json!(revision));
    object.insert("audible".into(), json!(audible));
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}

/// A moment as people and programs read it: `2026-11-23T01:09:24Z`.
pub fn moment(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years; the year begins in March, so the leap day is its last.
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
}

/// A name as a terminal may show it: control characters of a file or the network do nothing.
pub fn safe(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
