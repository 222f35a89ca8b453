// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the music starts and ends in AAC, whose decoder hands out delay and padding as well.
//!
//! Three places may say so: the track itself (CAF), Apple's `iTunSMPB` comment, or the edit list of
//! an MP4, which symphonia reads but does not show. Sources: ISO/IEC 14496-12 §8.6.6 (edit list);
//! Apple Technical Q&A and QuickTime File Format, appendix "Audio Priming".
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::formats::FormatReader;
use symphonia::core::meta::RawValue;

/// A `moov` atom larger than this is left alone: 64 MiB are days of audio.
const MAX_MOOV: u64 = 64 << 20;
/// More encoder delay than this, in frames, is not a delay.
const MAX_DELAY: u64 = 1 << 20;

/// Frames to drop at the start, and how many to keep after that (`None`: all).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Trim {
    pub delay: u64,
    pub frames: Option<u64>,
}

/// `delay` and `frames` as symphonia gives them, with what the two other places say.
pub(super) fn aac_trim(
    delay: Option<u32>,
    frames: Option<u64>,
    itunes: Option<Trim>,
    edit: Option<u64>,
) -> Trim {
    if let Some(trim) = itunes {
        return trim;
    }
    if let Some(delay @ 1..) = delay {
        // CAF: its count of valid frames leaves out delay and padding.
        return Trim { delay: u64::from(delay), frames };
    }
    // MP4: the media's duration counts the delay; writers shorten it by the padding.
    let delay = edit.unwrap_or(0);
    Trim { delay, frames: frames.map(|frames| frames.saturating_sub(delay)) }
}

/// " 00000000 00000840 000001CA 00000000003F31F6 …": delay, padding, valid frames.
fn parse_itunes(text: &str) -> Option<Trim> {
    let mut fields = text.split_whitespace().skip(1);
    let delay = u64::from_str_radix(fields.next()?, 16).ok()?;
    let frames = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
    (delay <= MAX_DELAY && frames > 0).then_some(Trim { delay, frames: Some(frames) })
}

pub(super) fn itunes_tag(format: &mut dyn FormatReader) -> Option<Trim> {
    let mut metadata = format.metadata();
    let revision = metadata.skip_to_latest()?;
    let tags = revision.media.tags.iter();
    tags.filter(|tag| tag.raw.key.ends_with("iTunSMPB")).find_map(|tag| match &tag.raw.value {
        RawValue::String(text) => parse_itunes(text),
        _ => None,
    })
}

/// The delay that the edit list of an MP4's first audio track states, in units of its media. Leaves
/// the file at its start. `None` for any other file, and where there is nothing sensible.
pub(super) fn mp4_edit(file: &mut File) -> io::Result<Option<u64>> {
    let moov = read_moov(file);
    file.rewind()?;
    match moov {
        Ok(moov) => Ok(moov.and_then(|moov| delay_of_first_sound(&moov))),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(e) => Err(e),
    }
}

fn read_moov(file: &mut File) -> io::Result<Option<Vec<u8>>> {
    for index in 0..1024 {
        let start = file.stream_position()?;
        let mut head = [0; 16];
        file.read_exact(&mut head[..8])?;
        let mut size = u64::from(u32_at(&head, 0).unwrap_or(0));
        let mut header = 8;
        if size == 1 {
            file.read_exact(&mut head[8..])?;
            size = u64_at(&head, 8).unwrap_or(0);
            header = 16;
        }
        // Only a file that begins with `ftyp` is taken for an MP4.
        if size < header || (index == 0 && &head[4..8] != b"ftyp") {
            return Ok(None);
        }
        if &head[4..8] == b"moov" {
            let mut moov = Vec::new();
            if size <= MAX_MOOV {
                file.take(size - header).read_to_end(&mut moov)?;
            }
            return Ok(Some(moov));
        }
        let Some(next) = start.checked_add(size).filter(|&next| next <= i64::MAX as u64) else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(next))?;
    }
    Ok(None)
}

fn delay_of_first_sound(moov: &[u8]) -> Option<u64> {
    let is_sound = |trak: &&[u8]| {
        let handler = child(trak, b"mdia").and_then(|mdia| child(mdia, b"hdlr"));
        handler.and_then(|hdlr| hdlr.get(8..12)) == Some(b"soun")
    };
    let trak = children(moov).filter(|(id, _)| id == b"trak").map(|(_, t)| t).find(is_sound)?;
    let elst = child(child(trak, b"edts")?, b"elst")?;
    let count = u32_at(elst, 4)? as usize;
    let (wide, entry) = if *elst.first()? == 1 { (true, 20) } else { (false, 12) };
    // An empty edit (−1) delays the presentation; the first real one says where the music starts.
    let start = (0..count.min(16)).find_map(|n| {
        let at = 8 + n * entry;
        let time = match wide {
            true => u64_at(elst, at + 8)? as i64,
            false => i64::from(u32_at(elst, at + 4)? as i32),
        };
        u64::try_from(time).ok()
    })?;
    (start <= MAX_DELAY).then_some(start)
}

/// The atoms directly inside `body`, each with its name; stops at the first that does not fit.
fn children(mut body: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = u32_at(body, 0)? as usize;
        let id = body.get(4..8)?.try_into().ok()?;
        let inner = body.get(8..size)?;
        body = &body[size..];
        Some((id, inner))
    })
}

fn child<'a>(body: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    children(body).find(|(id, _)| id == name).map(|(_, inner)| inner)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atom(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), &name[..], body].concat()
    }

    fn moov(elst: &[u8]) -> Vec<u8> {
        let mdia = atom(b"mdia", &atom(b"hdlr", b"\0\0\0\0\0\0\0\0soun\0\0\0\0"));
        let edts = atom(b"edts", &atom(b"elst", elst));
        atom(b"trak", &[edts, mdia].concat())
    }

    #[test]
    fn edit_lists_of_both_versions() {
        let narrow = [
            &[0, 0, 0, 0, 0, 0, 0, 2][..],
            &[0, 0, 0, 9, 255, 255, 255, 255, 0, 1, 0, 0],
            &[0, 0, 0, 9, 0, 0, 4, 0, 0, 1, 0, 0],
        ]
        .concat();
        assert_eq!(delay_of_first_sound(&moov(&narrow)), Some(1024));
        let wide = [&[1, 0, 0, 0, 0, 0, 0, 1][..], &[0; 8], &2112u64.to_be_bytes(), &[0, 1, 0, 0]];
        assert_eq!(delay_of_first_sound(&moov(&wide.concat())), Some(2112));
        for cut in 0..narrow.len() {
            delay_of_first_sound(&moov(&narrow[..cut]));
        }
    }

    #[test]
    fn itunes_comment() {
        let trim = parse_itunes(" 00000000 00000840 000001CA 00000000003F31F6 00000000");
        assert_eq!(trim, Some(Trim { delay: 2112, frames: Some(0x3f_31f6) }));
        assert_eq!(parse_itunes("00000000 zz"), None);
    }
}
