// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with an audio file: which file, what is wrong, what to do about it.
use std::io;
use std::path::{Path, PathBuf};

/// One sentence for the user. The variants tell a caller which exit code it is.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused: not found, no permission, disk full (see [`FileError::io_kind`]).
    #[error("cannot {doing} {}: {source}; {}", path.display(), io_remedy(source.kind()))]
    Io { path: PathBuf, doing: &'static str, source: io::Error },
    /// The bytes are not what they claim to be.
    #[error("{} is damaged or not an audio file: {what}; {remedy}", path.display())]
    BadData { path: PathBuf, what: String, remedy: &'static str },
    /// The file may be fine, but this program does not handle what is in it.
    #[error("{} cannot be used: {what}; {remedy}", path.display())]
    Unsupported { path: PathBuf, what: String, remedy: &'static str },
    /// What was asked for does not exist or does not fit together.
    #[error("cannot do this with {}: {what}; {remedy}", path.display())]
    Request { path: PathBuf, what: String, remedy: String },
    /// A bit depth that is not one of ours.
    #[error("'{given}' is not a bit depth; use one of 16, 20, 24, 32f, 64f")]
    BitDepth { given: String },
}

const REMEDY_CONVERT: &str = "convert it to PCM WAV or FLAC first";
const REMEDY_COPY: &str = "copy or export the file again";

impl FileError {
    /// True when the system, not the data, is at fault (the exit code for I/O errors).
    pub fn is_io(&self) -> bool {
        matches!(self, FileError::Io { .. })
    }

    /// The kind of an I/O error, so that "not found" can be told from "disk full".
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            FileError::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        FileError::Io { path: path.into(), doing, source }
    }

    pub(crate) fn bad(path: &Path, what: impl Into<String>) -> Self {
        FileError::BadData { path: path.into(), what: what.into(), remedy: REMEDY_COPY }
    }

    pub(super) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        FileError::Unsupported { path: path.into(), what: what.into(), remedy: REMEDY_CONVERT }
    }

    pub(super) fn request(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        FileError::Request { path: path.into(), what: what.into(), remedy: remedy.into() }
    }
}

fn io_remedy(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check the permissions of the file and its directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::IsADirectory => "name a file, not a directory",
        io::ErrorKind::ReadOnlyFilesystem => "choose a directory that can be written to",
        _ => "check the disk and try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_file_the_fault_and_the_remedy() {
        let e = FileError::io(Path::new("a.wav"), "open", io::ErrorKind::NotFound.into());
        assert!(e.is_io());
        assert_eq!(e.io_kind(), Some(io::ErrorKind::NotFound));
        let text = e.to_string();
        assert!(text.contains("open a.wav") && text.ends_with("check the path"), "{text}");
        let text = FileError::bad(Path::new("b.wav"), "0 channels").to_string();
        assert!(text.contains("b.wav") && text.contains("0 channels; copy or"), "{text}");
    }
}
