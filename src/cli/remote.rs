// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every verb that talks to a daemon has: where it is, the form of the answer, the words around it.

use serde_json::{Map, Value, json};

use crate::client::v1::ParamValue;
use crate::client::{Client, DEFAULT, Server};
use crate::exit::{Exit, Failure};
pub use crate::utc::moment;

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

/// A name as a terminal may show it: control characters of a file or the network do nothing.
pub fn safe(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
