// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a message asks for. Knows the addresses and argument types, not what is in the rack.
//!
//! A pattern reaches controls, readings, and the commands that only ask; a command that acts must be
//! named in full, so that `/meter//*` reads everything and resets nothing. `/norm` and `/text` are
//! forms only when written out: `/rack/eq/*` names every control once.

mod args;
mod command;
mod select;
mod value;

use super::codec::{Booleans, Message};
use super::error::escaped;
use super::matcher::{MAX_PATTERN, Pattern};
use args::Args;
pub use select::{Select, Subtree, control_address, meter_address, meter_name};
pub use value::{Form, Value};

/// One thing asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum OscRequest {
    /// The values of controls, answered on their own addresses in this form.
    Get {
        controls: Select,
        form: Form,
    },
    Set {
        controls: Select,
        value: Value,
    },
    /// Readings, named `<tap>/<reading>`.
    Meter {
        readings: Select,
    },
    MeterReset,
    Subscribe {
        /// `None` is all changes and the usual readings.
        subtree: Option<Subtree>,
        hz: Option<u32>,
        /// Answers go to this port of the sender's host.
        port: Option<u16>,
    },
    Unsubscribe,
    Xremote,
    /// How switches are answered and fed back.
    Booleans(Booleans),
    SnapshotStore {
        name: String,
    },
    SnapshotRecall {
        name: String,
        /// Length of the morph.
        seconds: f64,
    },
    SnapshotDelete {
        name: String,
    },
    SnapshotList,
    SnapshotCurrent,
    Ledger(LedgerErrand),
    Print(PrintErrand),
    Alarms,
    Undo,
    Redo,
    Panic(bool),
    /// The number, if there is one, comes back with the answer; so for the next three.
    Status(Option<i32>),
    Ping(Option<i32>),
    /// With the nonce of an earlier answer it proves the sender's address.
    Hello(Option<i32>),
    Sync(i32),
}

impl OscRequest {
    /// True for what changes nothing.
    pub fn is_question(&self) -> bool {
        use {LedgerErrand as L, PrintErrand as P};
        matches!(
            self,
            OscRequest::SnapshotList
                | OscRequest::SnapshotCurrent
                | OscRequest::Ledger(L::Status | L::Tracks { .. } | L::Albums(_))
                | OscRequest::Print(P::Status(_) | P::List(_))
        )
    }
}

/// What is asked of the session's ledger.
#[derive(Clone, Debug, PartialEq)]
pub enum LedgerErrand {
    /// A track of this name and tap; empty: what is usual.
    Start {
        name: String,
        tap: String,
    },
    Pause,
    Resume,
    Close,
    /// The album is over, and one of this name begins; empty: one from the day.
    Album(String),
    Status,
    /// The last so many tracks of an album; empty: the one that is being made.
    Tracks {
        album: String,
        most: usize,
    },
    /// The last so many albums.
    Albums(usize),
}

/// What is asked of the prints. An empty name: one that is made, or the only one that is meant.
#[derive(Clone, Debug, PartialEq)]
pub enum PrintErrand {
    Start {
        name: String,
        source: String,
    },
    Stop(String),
    Status(String),
    /// The last so many.
    List(usize),
}

/// What kind of refusal, the second argument of `/error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// There is nothing of this name.
    Address,
    /// The pattern is wrong, or not taken here.
    Pattern,
    /// Wrong number or types of arguments.
    Arguments,
    /// The right type, but out of range.
    Value,
    /// The packet is no OSC, or takes too much work.
    Packet,
    /// The sender's network may not do this.
    Role,
    /// Understood and allowed, but it cannot be done now.
    Failed,
}

impl Code {
    pub const fn symbol(self) -> &'static str {
        match self {
            Code::Address => "address",
            Code::Pattern => "pattern",
            Code::Arguments => "arguments",
            Code::Value => "value",
            Code::Packet => "packet",
            Code::Role => "role",
            Code::Failed => "failed",
        }
    }
}

/// A message that is not done, for `/error` to its sender. Address and text are fit for a log.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{address}: {text}")]
pub struct Refused {
    pub address: String,
    pub code: Code,
    pub text: String,
}

impl Refused {
    pub fn new(address: &str, code: Code, text: impl Into<String>) -> Self {
        Refused { address: escaped(address), code, text: text.into() }
    }
}

/// What a message asks for: one request, or several if its address is a pattern, or none for the
/// release of a button.
///
/// # Errors
/// The message as a whole is refused, with what would have been right.
pub fn requests(message: &Message) -> Result<Vec<OscRequest>, Refused> {
    let address = message.address.as_str();
    let refuse = |code, text: String| Refused::new(address, code, text);
    if address.len() > MAX_PATTERN {
        let text = format!("an address of {} bytes; at most {MAX_PATTERN} are taken", address.len());
        return Err(refuse(Code::Address, text));
    }
    let args = Args::new(&message.args);
    if !address.contains(WILD) && !address.contains("//") {
        return literal(address, args).map_err(|(code, text)| refuse(code, text));
    }
    let pattern = Pattern::parse(address).map_err(|e| refuse(Code::Pattern, e.to_string()))?;
    several(address, &pattern, args).map_err(|(code, text)| refuse(code, text))
}

const WILD: [char; 6] = ['?', '*', '[', ']', '{', '}'];

/// Why not; the address is added by the caller.
type Wrong = (Code, String);

fn literal(address: &str, args: Args<'_>) -> Result<Vec<OscRequest>, Wrong> {
    if let Some(command) = command::find(address) {
        return (command.decode)(args).map(|r| r.into_iter().collect());
    }
    if let Some(name) = address.strip_prefix("/rack/") {
        let (name, form) = Form::split(name);
        let controls = Select::control(name).map_err(|text| (Code::Address, text))?;
        return Ok(vec![control(controls, form, args)?]);
    }
    if let Some(name) = address.strip_prefix("/meter/") {
        let readings = Select::reading(name).map_err(|text| (Code::Address, text))?;
        args.none("reads; send it without arguments")?;
        return Ok(vec![OscRequest::Meter { readings }]);
    }
    Err((Code::Address, command::unknown(address)))
}

/// A control is set by one argument and asked for by none.
fn control(controls: Select, form: Form, args: Args<'_>) -> Result<OscRequest, Wrong> {
    if args.is_empty() {
        return Ok(OscRequest::Get { controls, form });
    }
    Ok(OscRequest::Set { controls, value: Value::decode(form, args)? })
}

fn several(address: &str, pattern: &Pattern, args: Args<'_>) -> Result<Vec<OscRequest>, Wrong> {
    let mut asked = Vec::new();
    if pattern.may_begin_with("rack") {
        let (stem, form) = Form::split(address);
        let stem = Pattern::parse(stem).map_err(|e| (Code::Pattern, e.to_string()))?;
        asked.push(control(Select::Many(stem), form, args)?);
    }
    if pattern.may_begin_with("meter") && args.is_empty() {
        asked.push(OscRequest::Meter { readings: Select::Many(pattern.clone()) });
    }
    let reached = || command::COMMANDS.iter().filter(|c| pattern.matches(c.address));
    for command in reached().filter(|c| c.asks && args.is_empty()) {
        asked.extend((command.decode)(args)?);
    }
    let reads = pattern.may_begin_with("meter") || reached().any(|c| c.asks);
    match reached().next() {
        _ if !asked.is_empty() => Ok(asked),
        _ if reads && !args.is_empty() => {
            Err((Code::Arguments, "this pattern reads; send it without arguments".to_string()))
        }
        Some(c) => Err((Code::Pattern, format!("{} acts, so it is only taken by its full name", c.address))),
        None => {
            Err((Code::Address, "nothing begins like this pattern; try /rack//* or /meter//*".to_string()))
        }
    }
}
