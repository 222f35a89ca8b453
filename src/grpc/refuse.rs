// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refusals as gRPC has them: a code, one sentence, and details that name the field and what it may be.
//!
//! A refusal travels in HTTP trailers, of which many clients take no more than 8 KiB. So the sentence and
//! the details are bounded, and what does not fit is counted.

use lathe_core::engine::BuildError;
use lathe_core::rack::address::AddressError;
use lathe_core::rack::{Diagnostics, Severity};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::control::edit::ItemError;
use crate::control::{Edit, EditError, Input, SnapshotError};
use crate::ledger::LedgerError;
use crate::print::PrintError;

/// Bytes of all details together; they grow by a third on the wire.
const MAX_DETAILS: usize = 4800;
/// Bytes of the sentence; each that is not ASCII takes three on the wire.
const MAX_MESSAGE: usize = 400;

/// What a client can tell causes apart by, `google.rpc.ErrorInfo.reason`.
fn details(reason: &str) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "lathe", std::collections::HashMap::new());
    details
}

fn status(code: Code, message: &str, details: ErrorDetails) -> Status {
    let message = message.replace('\n', " ");
    let end = message.floor_char_boundary(MAX_MESSAGE);
    let short = if end < message.len() { format!("{}…", &message[..end]) } else { message };
    Status::with_error_details(code, short, details)
}

/// One refused field.
pub fn field(field: &str, why: impl std::fmt::Display) -> Status {
    fields(Code::InvalidArgument, "INVALID_FIELD", &why.to_string(), [(field.to_string(), why.to_string())])
}

/// Several refused fields, as many as fit, and how many more there are.
fn fields(
    code: Code,
    reason: &str,
    message: &str,
    all: impl IntoIterator<Item = (String, String)>,
) -> Status {
    let mut details = details(reason);
    let (mut size, mut more) = (0, 0);
    for (field, why) in all {
        size += field.len() + why.len() + 8;
        if size > MAX_DETAILS {
            more += 1;
        } else {
            details.add_bad_request_violation(field, why);
        }
    }
    if more > 0 {
        details.add_bad_request_violation("", format!("and {more} more"));
    }
    status(code, message, details)
}

/// It cannot be done as things are.
pub fn precondition(kind: &str, subject: &str, why: impl std::fmt::Display) -> Status {
    let mut details = details(kind);
    details.add_precondition_failure_violation(kind, subject, why.to_string());
    status(Code::FailedPrecondition, &why.to_string(), details)
}

/// There is too much of something.
pub fn exhausted(subject: &str, why: impl std::fmt::Display) -> Status {
    let mut details = details("LIMIT");
    details.add_quota_failure_violation(subject, why.to_string());
    status(Code::ResourceExhausted, &why.to_string(), details)
}

/// An address that is not there.
pub fn address(field: &str, error: &AddressError) -> Status {
    let (code, reason) = match error {
        AddressError::Malformed(_) => (Code::InvalidArgument, "INVALID_FIELD"),
        _ => (Code::NotFound, "UNKNOWN_ADDRESS"),
    };
    fields(code, reason, &error.to_string(), [(field.to_string(), error.to_string())])
}

/// A batch that was refused.
pub fn edit(request: &Edit, error: &EditError) -> Status {
    match error {
        EditError::Items(items) => {
            let unknown = |e: &ItemError| matches!(e, ItemError::Address(a) if !matches!(a, AddressError::Malformed(_)));
            let (code, reason) = match items.iter().all(|(_, _, e)| unknown(e)) {
                true => (Code::NotFound, "UNKNOWN_ADDRESS"),
                false => (Code::InvalidArgument, "INVALID_VALUE"),
            };
            let first = items.first().map(|(_, a, e)| format!("{a}: {e}")).unwrap_or_default();
            let message = match items.len() {
                1 => first,
                n => format!("{n} of {} items are refused; the first: {first}", request.items.len()),
            };
            let all = items.iter().map(|(n, address, e)| (place(request, *n, e), format!("{address}: {e}")));
            fields(code, reason, &message, all)
        }
        EditError::Build(e) => build(e),
        EditError::TooMany(_) => exhausted("items", error),
        EditError::Morph(_) => field("morph_seconds", error),
        EditError::Schedule => exhausted("scheduled batches", error),
    }
}

/// The field of an item that is to blame: `items[3].real`.
fn place(request: &Edit, n: usize, error: &ItemError) -> String {
    let name = match (error, request.items.get(n).map(|i| &i.input)) {
        (ItemError::Address(_), _) => "address",
        (ItemError::Ramp(_), _) => "ramp_ms",
        (_, Some(Input::Norm(_))) => "norm",
        (_, Some(Input::Text(_))) => "text",
        _ => "real",
    };
    format!("items[{n}].{name}")
}

/// A rack that cannot be built here.
pub fn build(error: &BuildError) -> Status {
    precondition("BUILD", "rack", error)
}

/// A rack file with errors: each by its line and column.
pub fn diagnostics(found: &Diagnostics) -> Status {
    let errors: Vec<_> = found.iter().filter(|d| d.severity == Severity::Error).collect();
    let count = errors.len() + found.omitted;
    let first = errors.first().map_or_else(String::new, |d| {
        format!("{}:{}:{}: {}", found.file, d.span.line, d.span.column, d.message)
    });
    let message = match count {
        1 => first,
        n => format!("{n} errors in the rack; the first: {first}"),
    };
    let all = errors.iter().map(|d| {
        let label = if d.label.is_empty() { String::new() } else { format!(" ({})", d.label) };
        let help = d.help.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        (format!("toml:{}:{}", d.span.line, d.span.column), format!("{}{label}{help}", d.message))
    });
    fields(Code::InvalidArgument, "INVALID_RACK", &message, all)
}

/// What the prints said.
pub fn print(error: &PrintError) -> Status {
    let named = |code, reason| fields(code, reason, &error.to_string(), [("name".into(), error.to_string())]);
    match error {
        PrintError::Name(_) => field("name", error),
        PrintError::Format(_) => field("format", error),
        PrintError::Seconds(_) => field("seconds", error),
        PrintError::Description(_) => field("description", error),
        PrintError::Exists(_) => named(Code::AlreadyExists, "EXISTS"),
        PrintError::NotFound { .. } => named(Code::NotFound, "UNKNOWN_PRINT"),
        PrintError::Over(_) => precondition("OVER", "print", error),
        PrintError::Unheard(_) => precondition("UNHEARD", "audio", error),
        PrintError::TooMany => exhausted("prints", error),
        PrintError::Disk { .. } => status(Code::Unavailable, &error.to_string(), details("DISK")),
    }
}

/// What the ledger said.
pub fn ledger(error: &LedgerError) -> Status {
    match error {
        LedgerError::Name(_) => field("name", error),
        LedgerError::Tap(_) => field("tap", error),
        LedgerError::NotOpen => precondition("NOT_OPEN", "track", error),
        LedgerError::Demo => precondition("DEMO", "audio", error),
        LedgerError::Unheard(_) => precondition("UNHEARD", "audio", error),
        LedgerError::Layout { .. } => precondition("LAYOUT", "album", error),
        LedgerError::Full => exhausted("tracks", error),
        LedgerError::NoAlbum(_) => {
            fields(Code::NotFound, "UNKNOWN_ALBUM", &error.to_string(), [("id".into(), error.to_string())])
        }
        LedgerError::Disk(_) => status(Code::Unavailable, &error.to_string(), details("DISK")),
        LedgerError::Ended => status(Code::Unavailable, &error.to_string(), details("ENDED")),
    }
}

/// What the snapshots said.
pub fn snapshot(error: &SnapshotError) -> Status {
    match error {
        SnapshotError::NotFound { .. } => fields(
            Code::NotFound,
            "UNKNOWN_SNAPSHOT",
            &error.to_string(),
            [("name".into(), error.to_string())],
        ),
        SnapshotError::Name(why) => field("name", why),
        SnapshotError::Layout(differences) => {
            let mut details = details("LAYOUT");
            let mut size = 0;
            let fits = |d: &&String| {
                size += d.len() + 16;
                size < MAX_DETAILS
            };
            let told: Vec<&String> = differences.iter().take_while(fits).collect();
            told.iter().for_each(|d| {
                details.add_precondition_failure_violation("LAYOUT", "rack", d.as_str());
            });
            if told.len() < differences.len() {
                let more = format!("and {} more", differences.len() - told.len());
                details.add_precondition_failure_violation("LAYOUT", "rack", more);
            }
            status(Code::FailedPrecondition, &error.to_string(), details)
        }
        SnapshotError::Values(EditError::Items(items)) => {
            let all = items.iter().map(|(_, address, e)| (format!("values[{address}]"), e.to_string()));
            fields(Code::FailedPrecondition, "INVALID_VALUE", &error.to_string(), all)
        }
        SnapshotError::Values(e) => precondition("REFUSED", "rack", e),
        SnapshotError::Refused(why) => precondition("REFUSED", "rack", why),
        SnapshotError::Changed(why) => status(Code::Aborted, why, details("CHANGED")),
        SnapshotError::Store(_) => status(Code::Unavailable, &error.to_string(), details("STORE")),
        SnapshotError::Disabled => precondition("DISABLED", "snapshots", error),
    }
}
