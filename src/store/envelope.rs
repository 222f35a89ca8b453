// SPDX-License-Identifier: MIT OR Apache-2.0
//! The format of every state file: one header line, then TOML.
//!
//! ```text
//! # lathe-state 1 snapshot 1234 9f3c…
//! # Written by lathed; an edited file no longer verifies. For a file to edit: lathe export
//! name = "Mix A"
//! ```
//!
//! The header is format version, what the file is, the number of bytes after the header line, and the
//! BLAKE3 hash in hex of the header up to the hash and of those bytes. There is exactly one way to
//! write a header, so every changed bit is seen, in the header too.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::{Disk, retry};

/// The format this program writes, and the newest it reads.
pub const FORMAT: u32 = 1;
/// Most bytes after the header; two rack files and the values of the largest rack fit.
pub const MAX_BODY: usize = 8 << 20;
/// Longer first lines are not looked at.
const MAX_HEADER: usize = 160;
const MAGIC: &str = "# lathe-state";
const REMARK: &str =
    "# Written by lathed; an edited file no longer verifies. For a file to edit: lathe export\n";

/// Why a file or its content is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the file is empty")]
    Empty,
    #[error("the file is too large: {0}")]
    TooLarge(String),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it does not begin with a header of lathe")]
    Header,
    #[error("it has format {0}; this lathe reads format {FORMAT}")]
    Format(u32),
    #[error("it is a file of another kind, not {0}")]
    Kind(&'static str),
    #[error("it has {found} bytes after the header, which says {wanted}")]
    Length { wanted: usize, found: usize },
    #[error("the checksum does not fit: the file was damaged or edited")]
    Checksum,
    #[error("it verifies, but is not what was expected: {0}")]
    Content(String),
    #[error("there is no such file")]
    Missing,
}

/// Text of a file of this kind, ready to be written.
///
/// # Errors
/// The content cannot be written as TOML or is too large.
pub(super) fn encode<T: Serialize>(kind: &'static str, content: &T) -> Result<Vec<u8>, Refused> {
    let toml = toml::to_string(content).map_err(|e| Refused::Content(e.to_string()))?;
    let body = format!("{REMARK}{toml}");
    if body.len() > MAX_BODY {
        return Err(Refused::TooLarge(format!("{} bytes; at most {MAX_BODY} are stored", body.len())));
    }
    Ok(seal(kind, &body))
}

/// Puts the header before a body.
pub(super) fn seal(kind: &str, body: &str) -> Vec<u8> {
    format!("{}{body}", header(FORMAT, kind, body.as_bytes())).into_bytes()
}

/// The content of a file, or why not.
///
/// # Errors
/// Every way in which the bytes are not what [`encode`] wrote.
pub(super) fn decode<T: DeserializeOwned>(kind: &'static str, bytes: &[u8]) -> Result<T, Refused> {
    let body = open(kind, bytes)?;
    toml::from_str(body).map_err(|e| Refused::Content(e.message().to_string()))
}

/// Reads and decodes a file; its size is bounded before it is read.
pub(super) fn read<T: DeserializeOwned>(
    disk: &dyn Disk,
    kind: &'static str,
    name: &str,
) -> Result<T, Refused> {
    let max = (MAX_BODY + MAX_HEADER) as u64;
    let bytes = retry(|| disk.read(name, max)).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Refused::Missing,
        io::ErrorKind::FileTooLarge => Refused::TooLarge(e.to_string()),
        _ => Refused::Unreadable(e.to_string()),
    })?;
    decode(kind, &bytes)
}

fn header(format: u32, kind: &str, body: &[u8]) -> String {
    let facts = format!("{MAGIC} {format} {kind} {}", body.len());
    let mut hash = blake3::Hasher::new();
    hash.update(facts.as_bytes()).update(b"\n").update(body);
    format!("{facts} {}\n", hash.finalize().to_hex())
}

/// The verified body.
fn open<'b>(kind: &'static str, bytes: &'b [u8]) -> Result<&'b str, Refused> {
    if bytes.is_empty() {
        return Err(Refused::Empty);
    }
    let end = bytes.iter().take(MAX_HEADER).position(|b| *b == b'\n').ok_or(Refused::Header)?;
    let (line, body) = bytes.split_at(end + 1);
    let line = std::str::from_utf8(line).map_err(|_| Refused::Header)?;
    let mut facts = line.strip_prefix(MAGIC).ok_or(Refused::Header)?.split_ascii_whitespace();
    let format = facts.next().and_then(|f| f.parse().ok()).ok_or(Refused::Header)?;
    if format != FORMAT {
        return Err(Refused::Format(format));
    }
    if facts.next() != Some(kind) {
        return Err(Refused::Kind(kind));
    }
    let wanted = facts.next().and_then(|n| n.parse().ok()).ok_or(Refused::Header)?;
    if wanted != body.len() {
        return Err(Refused::Length { wanted, found: body.len() });
    }
    if line != header(format, kind, body) {
        return Err(Refused::Checksum);
    }
    std::str::from_utf8(body).map_err(|_| Refused::Content("not UTF-8".into()))
}
