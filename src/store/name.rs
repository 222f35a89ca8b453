// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which names people may give, and the ids that files are named by instead.
//!
//! A name is 1–96 characters that can be seen, and the ordinary space between them; white space around
//! it is taken off. Two names that look alike should be one name, and a name must not change how the
//! text around it is shown, so refused are: control characters, every other kind of space, characters
//! that set the writing direction, invisible ones, and what Unicode keeps for private or internal use.
//! Joiners and variation selectors are needed by Persian, Indic scripts and emoji: they are accepted
//! after a character that is not ASCII. Names are compared character by character, without folding.

use std::time::{SystemTime, UNIX_EPOCH};

/// Longest name in characters.
pub const MAX_NAME: usize = 96;
/// Highest number of a version.
pub(super) const MAX_VERSION: u32 = 1 << 31;
/// Characters of an id.
const ID: usize = 16;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("the name is empty; it must have 1 to {MAX_NAME} printable characters")]
    Empty,
    #[error("the name has {0} characters; it must have 1 to {MAX_NAME}")]
    TooLong(usize),
    #[error("the name has the character U+{0:04X}, which cannot be seen; it must have printable characters")]
    Unprintable(u32),
}

/// The name as it is kept.
///
/// # Errors
/// It is empty, too long, or has a character that cannot be seen.
pub fn check_name(name: &str) -> Result<&str, NameError> {
    let name = name.trim();
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    let length = name.chars().count();
    if length > MAX_NAME {
        return Err(NameError::TooLong(length));
    }
    let mut before = ' ';
    for c in name.chars() {
        let fine = if is_joiner(c) { !before.is_ascii() && !is_joiner(before) } else { is_visible(c) };
        if !fine {
            return Err(NameError::Unprintable(c.into()));
        }
        before = c;
    }
    // A joiner at the end joins nothing; a variation selector belongs to what is before it.
    match before {
        '\u{200c}' | '\u{200d}' => Err(NameError::Unprintable(before.into())),
        _ => Ok(name),
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
}

fn is_visible(c: char) -> bool {
    c == ' '
        || !(c.is_control()
            || c.is_whitespace()
            || matches!(c,
                // Soft hyphen, grapheme joiner, direction marks, fillers, vowel separators.
                '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                // Private use, interlinear marks, tags and all behind them.
                | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..)
            || u32::from(c) & 0xfffe == 0xfffe
            || matches!(c, '\u{fdd0}'..='\u{fdef}'))
}

/// A new id that is not taken: 16 hex digits.
pub(super) fn new_id(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_nanos());
    let mut attempt = 0u64;
    loop {
        let seed = format!("{name}\n{nanos} {} {attempt}", std::process::id());
        let id = blake3::hash(seed.as_bytes()).to_hex()[..ID].to_string();
        if !taken(&id) {
            return id;
        }
        attempt += 1;
    }
}

/// The file of one version of a snapshot.
pub(super) fn file_name(id: &str, version: u32) -> String {
    format!("{id}-{version}.toml")
}

/// The id and version that a file is named by, if it is one of ours.
pub(super) fn parse_file(file: &str) -> Option<(&str, u32)> {
    let (id, version) = file.strip_suffix(".toml")?.split_once('-')?;
    let number = version.parse().ok()?;
    (is_id(id) && (1..=MAX_VERSION).contains(&number) && file == file_name(id, number))
        .then_some((id, number))
}

pub(super) fn is_id(id: &str) -> bool {
    id.len() == ID && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_can_be_read() {
        let long = "ä".repeat(MAX_NAME);
        for good in
            ["A", "Mix A – final (2)", "../../etc/passwd", "日本語", "می\u{200c}خواهم", "❤\u{fe0f}", &long]
        {
            assert_eq!(check_name(good), Ok(good));
        }
        assert_eq!(check_name("👩\u{200d}🎤"), Ok("👩\u{200d}🎤"));
        assert_eq!(check_name("  a b \n"), Ok("a b"));
    }

    #[test]
    fn names_that_cannot() {
        assert_eq!(check_name(" \t"), Err(NameError::Empty));
        assert_eq!(check_name(&"x".repeat(97)), Err(NameError::TooLong(97)));
        for bad in [
            "a\nb",
            "a\0",
            "a\u{7f}b",
            "a\u{85}b",
            "a\u{1b}[2J",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200b}b",
            "a\u{feff}b",
            "a\u{a0}b",
            "a\u{2028}b",
            "a\u{200d}b",
            "é\u{200d}",
            "é\u{200d}\u{200d}é",
            "\u{200d}é",
            "\u{ad}",
            "\u{3164}",
            "a\u{fe0f}",
            "\u{e000}",
            "\u{e0041}",
            "\u{ffff}",
            "\u{10ffff}",
        ] {
            assert!(matches!(check_name(bad), Err(NameError::Unprintable(_))), "{bad:?}");
        }
    }

    #[test]
    fn only_our_own_files() {
        let id = new_id("a", |_| false);
        assert_ne!(id, new_id("a", |i| i == id));
        assert_eq!(parse_file(&file_name(&id, 7)), Some((id.as_str(), 7)));
        for other in [
            "0123456789abcdef-07.toml",
            "0123456789abcdef-0.toml",
            "0123456789abcdef-4294967295.toml",
            "0123456789ABCDEF-1.toml",
            "x-1.toml",
            "0123456789abcdef-1.toml.1",
            "0123456789abcdef-+1.toml",
            "current.toml",
        ] {
            assert_eq!(parse_file(other), None, "{other}");
        }
    }
}
