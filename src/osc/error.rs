// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why a packet is dropped, and text from the network made fit for a log.

use super::precheck::{MAX_ARGS, MAX_ARGS_IN_ALL, MAX_DEPTH, MAX_ELEMENTS, MAX_PACKET};

/// A packet that is not decoded; `at` is the byte where it went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OscError {
    #[error("an empty packet")]
    Empty,
    #[error("a packet of {0} bytes; at most {MAX_PACKET} are taken")]
    TooLong(usize),
    #[error("{size} bytes at byte {at} are not a multiple of 4")]
    Unaligned { at: usize, size: usize },
    #[error("neither a message (\"/…\") nor a bundle (\"#bundle\") at byte {at}")]
    NotOsc { at: usize },
    #[error("the packet ends within {what} at byte {at}")]
    Truncated { what: &'static str, at: usize },
    #[error("{what} at byte {at} has no terminating zero")]
    Unterminated { what: &'static str, at: usize },
    #[error("{what} at byte {at} is not padded with zeros to 4 bytes")]
    Padding { what: &'static str, at: usize },
    #[error("{what} at byte {at} is not UTF-8")]
    Utf8 { what: &'static str, at: usize },
    #[error("a bundle element of {size} bytes at byte {at}, where {room} are left")]
    ElementSize { at: usize, size: i32, room: usize },
    #[error("a blob of {size} bytes at byte {at}, where {room} are left")]
    BlobSize { at: usize, size: i32, room: usize },
    #[error("bundles within bundles deeper than {MAX_DEPTH} at byte {at}")]
    TooDeep { at: usize },
    #[error("more than {MAX_ELEMENTS} messages and bundles in one packet")]
    TooMany,
    #[error("more than {MAX_ARGS} arguments in the message at byte {at}")]
    TooManyArgs { at: usize },
    #[error("more than {MAX_ARGS_IN_ALL} arguments in one packet")]
    TooManyArgsInAll,
    #[error("the arguments at byte {at} have no type tags")]
    NoTags { at: usize },
    #[error("type tag '{}' at byte {at} is not known", .tag.escape_default())]
    UnknownTag { at: usize, tag: char },
    #[error("the brackets of the type tags at byte {at} do not pair, or nest deeper than {MAX_DEPTH}")]
    Brackets { at: usize },
    #[error("{left} bytes are left over after the message's arguments at byte {at}")]
    LeftOver { at: usize, left: usize },
    #[error("the character argument at byte {at} is not a character")]
    NotAChar { at: usize },
    #[error("not decoded: {0}")]
    Codec(String),
}

/// Longest text that [`escaped`] lets through, in characters.
pub const MAX_SHOWN: usize = 128;

/// Text from the network as it may stand in a log or an error: control and invisible characters
/// escaped, cut with `…` after [`MAX_SHOWN`] characters.
pub fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(MAX_SHOWN));
    for (n, c) in text.chars().enumerate() {
        if n == MAX_SHOWN {
            shown.push('…');
            break;
        }
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Characters that steer a terminal or hide what a text says: controls, line and paragraph
/// separators, direction marks, zero-width and tag characters (but not the joiners of emoji).
pub(super) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
