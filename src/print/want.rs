// SPDX-License-Identifier: MIT OR Apache-2.0
//! What somebody wants printed, what the machine allows, and why it is refused.

use super::MAX_RUNNING;
use super::entry::Source;
use crate::files::{BitDepth, Container};
use crate::store::check_name;

/// Longest name in bytes: a file system's 255 less what is put around it.
pub const MAX_NAME_BYTES: usize = 200;
/// Longest description, as the chunk `bext` has it.
pub const MAX_DESCRIPTION: usize = 256;
/// Longest print that can be asked for, in seconds.
pub const MAX_SECONDS: f64 = 7.0 * 86_400.0;

/// What the machine allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seconds of audio that memory holds for a slow disk, 2 to 30; at most 256 MiB, but 2 s always.
    pub buffer_seconds: u32,
    /// Bytes that stay free: a print ends before it takes them.
    pub spare_bytes: u64,
}

/// What is to be printed.
#[derive(Clone, Debug)]
pub struct Want {
    /// Empty: one is made from the time.
    pub name: String,
    pub description: String,
    pub source: Source,
    pub container: Container,
    /// 24 or 32f.
    pub depth: BitDepth,
    /// It ends by itself after so many; `None`: when it is stopped.
    pub seconds: Option<f64>,
}

/// Why it is not printed, or not stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PrintError {
    #[error("{0}")]
    Name(String),
    #[error("there is already a print \"{0}\", and prints are never overwritten; choose another name")]
    Exists(String),
    #[error("there is no print \"{name}\"{hint}")]
    NotFound { name: String, hint: String },
    #[error("the print \"{0}\" is over")]
    Over(String),
    #[error("{MAX_RUNNING} prints run, which is the most; stop one first")]
    TooMany,
    #[error("{0}")]
    Format(String),
    #[error("{0} s is not a length: above 0 s, to {MAX_SECONDS} s")]
    Seconds(f64),
    #[error("the description has {0} characters; it may have {MAX_DESCRIPTION}")]
    Description(usize),
    #[error("nothing can be printed: {0}")]
    Unheard(String),
    #[error("nothing can be printed to {dir}: {why}")]
    Disk { dir: String, why: String },
}

/// The name as the file has it.
pub(super) fn file_name(name: &str) -> Result<&str, PrintError> {
    let refused = |why: String| Err(PrintError::Name(why));
    let name = check_name(name).map_err(|e| PrintError::Name(e.to_string()))?;
    if let Some(c) = name.chars().find(|c| matches!(c, '/' | '\\')) {
        return refused(format!("the name has a {c}; it names a file and may not be a path"));
    }
    if name.starts_with('.') {
        return refused("the name begins with a dot, which would hide the file".into());
    }
    if name.len() > MAX_NAME_BYTES {
        return refused(format!("the name takes {} bytes; a file's may take {MAX_NAME_BYTES}", name.len()));
    }
    Ok(name)
}

/// As many frames as that.
pub(super) fn frames(seconds: Option<f64>, rate: u32) -> Result<u64, PrintError> {
    let Some(seconds) = seconds else { return Ok(u64::MAX) };
    if !(seconds > 0.0 && seconds <= MAX_SECONDS) {
        return Err(PrintError::Seconds(seconds));
    }
    Ok(((seconds * f64::from(rate)).round() as u64).max(1))
}
