// SPDX-License-Identifier: MIT OR Apache-2.0
//! Refuses a packet before anything decodes it: every length, count and depth, in one pass.
//!
//! No recursion, no allocation but the list of messages, work linear in the packet. `rosc` 0.11.4
//! decodes nested bundles by unbounded recursion, and one 64 kB packet of about 3,200 of them
//! overflows the stack of the thread; so does the drop of deeply nested arrays. It is therefore
//! only given single messages that passed here.

use std::ops::Range;

use super::error::OscError;

/// Longest packet in bytes, the most that UDP carries.
pub const MAX_PACKET: usize = 65_536;
/// Deepest nesting of bundles, and of arrays within a message.
pub const MAX_DEPTH: usize = 8;
/// Most messages and bundles in one packet.
pub const MAX_ELEMENTS: usize = 1_024;
/// Most type tags in one message. No message of ours has more than three arguments.
pub const MAX_ARGS: usize = 64;
/// Most type tags in one packet: those without bytes would else make 60,000 arguments of 64 kB.
pub const MAX_ARGS_IN_ALL: usize = 4_096;

const BUNDLE: &[u8] = b"#bundle\0";
/// The bundle's name and its time tag.
const BUNDLE_HEAD: usize = 16;

/// A message that is safe to decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its bytes within the packet, both ends multiples of 4.
    pub range: Range<usize>,
    /// How many type tags; 0 without a type tag string, too.
    pub tags: usize,
}

/// What a checked packet holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The messages in the order of the bytes, out of whatever bundles they were in.
    pub messages: Vec<Element>,
    /// The outermost bundle's time tag; `None` if the packet is one bare message.
    pub time: Option<u64>,
}

/// Checks a whole packet.
///
/// # Errors
/// The first thing that is wrong with it, and where.
pub fn check(packet: &[u8]) -> Result<Layout, OscError> {
    match packet.len() {
        0 => return Err(OscError::Empty),
        n if n > MAX_PACKET => return Err(OscError::TooLong(n)),
        n if !n.is_multiple_of(4) => return Err(OscError::Unaligned { at: 0, size: n }),
        _ => {}
    }
    if !packet.starts_with(BUNDLE) {
        let element = message(packet, 0..packet.len())?;
        return Ok(Layout { messages: vec![element], time: None });
    }
    let time = bundle_time(packet, 0..packet.len())?;
    let messages = bundle_messages(packet)?;
    Ok(Layout { messages, time: Some(time) })
}

/// Walks the outermost bundle and those within it; `ends` is the stack.
fn bundle_messages(packet: &[u8]) -> Result<Vec<Element>, OscError> {
    let mut messages = Vec::new();
    let mut ends = [packet.len(); MAX_DEPTH];
    let (mut depth, mut at, mut elements, mut tags) = (1, BUNDLE_HEAD, 1, 0);
    while depth > 0 {
        if at == ends[depth - 1] {
            depth -= 1;
            continue;
        }
        let element = element(packet, at, ends[depth - 1])?;
        elements += 1;
        if elements > MAX_ELEMENTS {
            return Err(OscError::TooMany);
        }
        if packet[element.clone()].starts_with(BUNDLE) {
            bundle_time(packet, element.clone())?;
            if depth == MAX_DEPTH {
                return Err(OscError::TooDeep { at: element.start });
            }
            ends[depth] = element.end;
            depth += 1;
            at = element.start + BUNDLE_HEAD;
        } else {
            at = element.end;
            let message = message(packet, element)?;
            tags += message.tags;
            if tags > MAX_ARGS_IN_ALL {
                return Err(OscError::TooManyArgsInAll);
            }
            messages.push(message);
        }
    }
    Ok(messages)
}

/// The bytes of the element whose size stands at `at`, in a bundle that ends at `end`.
fn element(packet: &[u8], at: usize, end: usize) -> Result<Range<usize>, OscError> {
    let Some(size) = packet.get(at..end).and_then(|b| b.first_chunk()) else {
        return Err(OscError::Truncated { what: "an element's size", at });
    };
    let size = i32::from_be_bytes(*size);
    let (start, room) = (at + 4, end - at - 4);
    match usize::try_from(size) {
        Ok(n) if n == 0 || n > room => Err(OscError::ElementSize { at, size, room }),
        Ok(n) if !n.is_multiple_of(4) => Err(OscError::Unaligned { at: start, size: n }),
        Ok(n) => Ok(start..start + n),
        Err(_) => Err(OscError::ElementSize { at, size, room }),
    }
}

fn bundle_time(packet: &[u8], bundle: Range<usize>) -> Result<u64, OscError> {
    let at = bundle.start;
    let tag = packet[bundle].get(BUNDLE.len()..).and_then(|b| b.first_chunk());
    tag.map(|t| u64::from_be_bytes(*t)).ok_or(OscError::Truncated { what: "a bundle's time tag", at })
}

/// Checks one message from its address to its last argument.
fn message(packet: &[u8], range: Range<usize>) -> Result<Element, OscError> {
    let mut cursor = Cursor { packet, at: range.start, end: range.end };
    if packet[range.start] != b'/' {
        return Err(OscError::NotOsc { at: range.start });
    }
    cursor.string("an address")?;
    if cursor.room() == 0 {
        return Ok(Element { range, tags: 0 });
    }
    let at = cursor.at;
    let tags = cursor.string("a type tag string")?;
    let tags = match tags.strip_prefix(b",") {
        Some(tags) => tags,
        None if tags.is_empty() => tags,
        None => return Err(OscError::NoTags { at }),
    };
    if tags.len() > MAX_ARGS {
        return Err(OscError::TooManyArgs { at });
    }
    cursor.arguments(tags, at)?;
    match cursor.room() {
        0 => Ok(Element { range, tags: tags.len() }),
        left => Err(OscError::LeftOver { at: cursor.at, left }),
    }
}

/// Where one message is being read; never beyond `end`.
struct Cursor<'a> {
    packet: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    fn room(&self) -> usize {
        self.end - self.at
    }

    fn skip(&mut self, bytes: usize, what: &'static str) -> Result<&'a [u8], OscError> {
        if bytes > self.room() {
            return Err(OscError::Truncated { what, at: self.at });
        }
        let taken = &self.packet[self.at..self.at + bytes];
        self.at += bytes;
        Ok(taken)
    }

    /// A terminated, padded string, without its zeros.
    fn string(&mut self, what: &'static str) -> Result<&'a [u8], OscError> {
        let at = self.at;
        let rest = &self.packet[at..self.end];
        let length = rest.iter().position(|&b| b == 0).ok_or(OscError::Unterminated { what, at })?;
        // The message's end is a multiple of 4, so the padding lies within it.
        let padded = (length + 4) & !3;
        let zeros = rest.get(length..padded).ok_or(OscError::Truncated { what, at })?;
        if zeros.iter().any(|&b| b != 0) {
            return Err(OscError::Padding { what, at });
        }
        if std::str::from_utf8(&rest[..length]).is_err() {
            return Err(OscError::Utf8 { what, at });
        }
        self.at += padded;
        Ok(&rest[..length])
    }

    fn blob(&mut self) -> Result<(), OscError> {
        let at = self.at;
        let size = self.skip(4, "a blob's size")?;
        let size = size.first_chunk().map_or(0, |s| i32::from_be_bytes(*s));
        let wrong = OscError::BlobSize { at, size, room: self.room() };
        let Ok(length) = usize::try_from(size) else { return Err(wrong) };
        if length > self.room() {
            return Err(wrong);
        }
        let padded = self.skip(length.next_multiple_of(4), "a blob's padding")?;
        if padded[length..].iter().any(|&b| b != 0) {
            return Err(OscError::Padding { what: "a blob", at });
        }
        Ok(())
    }

    fn arguments(&mut self, tags: &[u8], tags_at: usize) -> Result<(), OscError> {
        let mut depth = 0_usize;
        for &tag in tags {
            match tag {
                b'[' if depth < MAX_DEPTH => depth += 1,
                b']' if depth > 0 => depth -= 1,
                b'[' | b']' => return Err(OscError::Brackets { at: tags_at }),
                tag => self.argument(tag, tags_at)?,
            }
        }
        if depth > 0 { Err(OscError::Brackets { at: tags_at }) } else { Ok(()) }
    }

    fn argument(&mut self, tag: u8, tags_at: usize) -> Result<(), OscError> {
        match tag {
            b'i' | b'f' | b'r' | b'm' => self.skip(4, "a 4-byte argument").map(drop),
            b'h' | b'd' | b't' => self.skip(8, "an 8-byte argument").map(drop),
            b's' | b'S' => self.string("a string argument").map(drop),
            b'b' => self.blob(),
            b'T' | b'F' | b'N' | b'I' => Ok(()),
            b'c' => {
                let at = self.at;
                let code =
                    self.skip(4, "a character argument")?.first_chunk().map(|c| u32::from_be_bytes(*c));
                code.and_then(char::from_u32).map(drop).ok_or(OscError::NotAChar { at })
            }
            tag => Err(OscError::UnknownTag { at: tags_at, tag: char::from(tag) }),
        }
    }
}
