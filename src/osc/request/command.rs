// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fixed commands in one table: address, arguments, and whether they only ask.

use lathe_core::param::suggest;

use super::super::codec::Booleans;
use super::args::Args;
use super::{Code, LedgerErrand, OscRequest, PrintErrand, Subtree, Wrong};

/// Rates that a subscription may ask for, Hz.
pub const RATES: std::ops::RangeInclusive<i64> = 1..=60;
/// Ports that answers may be sent to; those below are of the system.
pub const PORTS: std::ops::RangeInclusive<i64> = 1024..=65_535;
/// Longest morph in seconds.
pub const MAX_MORPH: f64 = 600.0;
/// How many of a list may be asked for, and how many come if nothing is said.
pub const LISTED: std::ops::RangeInclusive<i64> = 1..=100;
pub const USUALLY_LISTED: usize = 20;

type Decode = fn(Args<'_>) -> Result<Option<OscRequest>, Wrong>;

/// One command. `None` of its `decode` is a button's release.
pub struct Command {
    pub address: &'static str,
    /// Changes nothing, so that a pattern may reach it.
    pub asks: bool,
    pub decode: Decode,
}

const fn asks(address: &'static str, decode: Decode) -> Command {
    Command { address, asks: true, decode }
}

const fn acts(address: &'static str, decode: Decode) -> Command {
    Command { address, asks: false, decode }
}

/// All of them.
pub const COMMANDS: &[Command] = &[
    acts("/subscribe", |a| subscribe(a).map(Some)),
    acts("/unsubscribe", |a| bare(a, OscRequest::Unsubscribe)),
    acts("/xremote", |a| bare(a, OscRequest::Xremote)),
    acts("/booleans", |a| booleans(a).map(Some)),
    acts("/snapshot/store", |a| named(a, |name| OscRequest::SnapshotStore { name })),
    acts("/snapshot/recall", |a| recall(a).map(Some)),
    acts("/snapshot/delete", |a| named(a, |name| OscRequest::SnapshotDelete { name })),
    asks("/snapshot/list", |a| bare(a, OscRequest::SnapshotList)),
    asks("/snapshot/current", |a| bare(a, OscRequest::SnapshotCurrent)),
    acts("/ledger/start", |a| {
        texts(a, TRACK, |[name, tap]| OscRequest::Ledger(LedgerErrand::Start { name, tap }))
    }),
    acts("/ledger/pause", |a| button(a, OscRequest::Ledger(LedgerErrand::Pause))),
    acts("/ledger/resume", |a| button(a, OscRequest::Ledger(LedgerErrand::Resume))),
    acts("/ledger/close", |a| button(a, OscRequest::Ledger(LedgerErrand::Close))),
    acts("/ledger/album", |a| texts(a, ALBUM, |[name]| OscRequest::Ledger(LedgerErrand::Album(name)))),
    asks("/ledger/status", |a| bare(a, OscRequest::Ledger(LedgerErrand::Status))),
    asks("/ledger/tracks", |a| tracks(a).map(Some)),
    asks("/ledger/albums", |a| listed(a, |most| OscRequest::Ledger(LedgerErrand::Albums(most)))),
    acts("/print/start", |a| {
        texts(a, PRINT, |[name, source]| OscRequest::Print(PrintErrand::Start { name, source }))
    }),
    acts("/print/stop", |a| texts(a, NAMED_PRINT, |[name]| OscRequest::Print(PrintErrand::Stop(name)))),
    asks("/print/status", |a| print_status(a).map(Some)),
    asks("/print/list", |a| listed(a, |most| OscRequest::Print(PrintErrand::List(most)))),
    asks("/alarms", |a| bare(a, OscRequest::Alarms)),
    acts("/undo", |a| button(a, OscRequest::Undo)),
    acts("/redo", |a| button(a, OscRequest::Redo)),
    acts("/panic", |a| panic(a).map(Some)),
    acts("/meter/reset", |a| button(a, OscRequest::MeterReset)),
    asks("/status", |a| a.echo().map(|n| Some(OscRequest::Status(n)))),
    asks("/ping", |a| a.echo().map(|n| Some(OscRequest::Ping(n)))),
    asks("/hello", |a| a.echo().map(|n| Some(OscRequest::Hello(n)))),
    asks("/sync", |a| a.echo().map(|n| Some(OscRequest::Sync(n.unwrap_or(0))))),
];

pub fn find(address: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.address == address)
}

/// What is said of an address that is nothing.
pub fn unknown(address: &str) -> String {
    // Only names that begin and end up alike: a flood of nonsense costs no long comparisons.
    let alike = COMMANDS
        .iter()
        .map(|c| c.address)
        .filter(|a| a.get(..2) == address.get(..2) && a.len().abs_diff(address.len()) <= 1);
    let near = suggest(address, alike);
    let hint = near.map_or_else(String::new, |n| format!(" (did you mean \"{n}\"?)"));
    format!(
        "there is no such address{hint}; controls are /rack/<slot>/<parameter>, readings /meter/<tap>/<reading>"
    )
}

fn bare(args: Args<'_>, request: OscRequest) -> Result<Option<OscRequest>, Wrong> {
    args.none("expected no argument")?;
    Ok(Some(request))
}

fn button(args: Args<'_>, request: OscRequest) -> Result<Option<OscRequest>, Wrong> {
    Ok(args.pressed()?.then_some(request))
}

fn named(mut args: Args<'_>, make: fn(String) -> OscRequest) -> Result<Option<OscRequest>, Wrong> {
    const EXPECTED: &str = "expected s, the snapshot's name";
    let name = args.name(EXPECTED)?;
    args.none(EXPECTED)?;
    Ok(Some(make(name)))
}

const TRACK: &str = "expected [s name] [s tap], such as \"Song 1\" \"in\", or a button's 1";
const ALBUM: &str = "expected [s name], or a button's 1";
const PRINT: &str =
    "expected [s name] [s source], such as \"Song 1\" \"main\" (or \"monitor\", \"input\"), or a button's 1";
const NAMED_PRINT: &str = "expected [s name], or a button's 1";

/// Names that may be left out or empty; a button's press leaves out all of them.
fn texts<const N: usize>(
    mut args: Args<'_>,
    expected: &str,
    make: fn([String; N]) -> OscRequest,
) -> Result<Option<OscRequest>, Wrong> {
    if !args.is_text() && args.is_single() {
        return button(args, make(std::array::from_fn(|_| String::new())));
    }
    let mut given = std::array::from_fn(|_| String::new());
    for text in &mut given {
        *text = args.name_or_none(expected)?;
    }
    args.none(expected)?;
    Ok(Some(make(given)))
}

fn most(args: &mut Args<'_>, expected: &str) -> Result<usize, Wrong> {
    let most = within(args, &LISTED, ["a list has", " entries"])?;
    args.none(expected)?;
    Ok(most.and_then(|n| n.try_into().ok()).unwrap_or(USUALLY_LISTED))
}

fn listed(mut args: Args<'_>, make: fn(usize) -> OscRequest) -> Result<Option<OscRequest>, Wrong> {
    let most = most(&mut args, "expected [i most]")?;
    Ok(Some(make(most)))
}

/// `[s album] [i most]`.
fn tracks(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected [s album's id] [i most]";
    let album = if args.is_text() { args.name_or_none(EXPECTED)? } else { String::new() };
    let most = most(&mut args, EXPECTED)?;
    Ok(OscRequest::Ledger(LedgerErrand::Tracks { album, most }))
}

fn print_status(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected [s name]";
    let name = args.name_or_none(EXPECTED)?;
    args.none(EXPECTED)?;
    Ok(OscRequest::Print(PrintErrand::Status(name)))
}

fn recall(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected s, the snapshot's name, and maybe f, the seconds of the morph";
    let name = args.name(EXPECTED)?;
    let given = args;
    let seconds = match args.take() {
        None => 0.0,
        Some(arg) => arg.raw_number().ok_or_else(|| given.wrong(EXPECTED))?,
    };
    args.none(EXPECTED)?;
    if !(0.0..=MAX_MORPH).contains(&seconds) {
        return Err((Code::Value, format!("{seconds} s is not allowed: a morph takes 0 to {MAX_MORPH} s")));
    }
    Ok(OscRequest::SnapshotRecall { name, seconds })
}

fn panic(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected i: 1 fades to silence, 0 lets the sound back";
    let on = args.switch().ok_or_else(|| args.wrong(EXPECTED))?;
    args.none(EXPECTED)?;
    Ok(OscRequest::Panic(on))
}

/// `s tags` for `T` and `F`, `s integers` for `i` 1 and 0.
fn booleans(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected s: \"tags\" to be sent T and F, \"integers\" for i 1 and 0";
    let booleans = match args.text() {
        Some("tags") => Booleans::Tags,
        Some("integers") => Booleans::Integers,
        _ => return Err(args.wrong(EXPECTED)),
    };
    args.none(EXPECTED)?;
    Ok(OscRequest::Booleans(booleans))
}

/// `[s subtree] [i hz] [i port]`: each may be left out, but a port only follows a rate.
fn subscribe(mut args: Args<'_>) -> Result<OscRequest, Wrong> {
    const EXPECTED: &str = "expected [s subtree] [i hz] [i port], such as \"/meter/out\" 20";
    let subtree = args.text().map(Subtree::parse).transpose();
    let subtree = subtree.map_err(|e| (Code::Pattern, format!("not a subtree: {e}")))?;
    let hz = within(&mut args, &RATES, ["updates per second from", ""])?;
    let port = if hz.is_some() { within(&mut args, &PORTS, ["port from", ""])? } else { None };
    args.none(EXPECTED)?;
    let (hz, port) = (hz.and_then(|n| n.try_into().ok()), port.and_then(|n| n.try_into().ok()));
    Ok(OscRequest::Subscribe { subtree, hz, port })
}

fn within(
    args: &mut Args<'_>,
    range: &std::ops::RangeInclusive<i64>,
    [what, unit]: [&str; 2],
) -> Result<Option<i64>, Wrong> {
    match args.whole() {
        Some(n) if !range.contains(&n) => {
            let (low, high) = (range.start(), range.end());
            Err((Code::Value, format!("{n} is not allowed: {what} {low} to {high}{unit}")))
        }
        n => Ok(n),
    }
}
