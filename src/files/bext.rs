// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Broadcast Wave extension chunk `bext`, version 2, with loudness.
//!
//! Source: EBU Tech 3285 version 2 (2011), §2.3 and its table of fields; the coding history after EBU
//! R 98. Texts are ASCII there: what is not becomes `?`, and what is too long is cut.

/// Bytes of the chunk without its coding history.
const FIXED: usize = 602;
/// What a reading says that is not known, or that the field cannot hold.
const UNKNOWN: i16 = 0x7fff;
const VERSION: u16 = 2;

/// Readings over the whole file; `None` or not finite: not known, or silence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BextLoudness {
    /// LUFS.
    pub integrated: Option<f64>,
    /// LU.
    pub range: Option<f64>,
    /// dBTP.
    pub true_peak_max: Option<f64>,
    /// LUFS.
    pub momentary_max: Option<f64>,
    /// LUFS.
    pub short_term_max: Option<f64>,
}

/// The chunk's content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bext {
    /// At most 256 characters.
    pub description: String,
    /// At most 32 characters.
    pub originator: String,
    /// At most 32 characters; another for every file.
    pub reference: String,
    /// `yyyy-mm-dd`.
    pub date: String,
    /// `hh:mm:ss`.
    pub time: String,
    /// Frames from midnight to the first sample.
    pub time_reference: u64,
    pub loudness: BextLoudness,
    /// One line a step, each with its line end.
    pub history: String,
}

impl Bext {
    /// The whole chunk, padded to an even length. Only the texts' content can change it, not its loudness.
    pub fn chunk(&self) -> Vec<u8> {
        let history = ascii(&self.history, usize::MAX);
        let size = FIXED + history.len();
        let mut c = Vec::with_capacity(8 + size + 1);
        c.extend(b"bext");
        c.extend((size as u32).to_le_bytes());
        for (text, length) in [
            (&self.description, 256),
            (&self.originator, 32),
            (&self.reference, 32),
            (&self.date, 10),
            (&self.time, 8),
        ] {
            let end = c.len() + length;
            c.extend(ascii(text, length));
            c.resize(end, 0);
        }
        c.extend(self.time_reference.to_le_bytes());
        c.extend(VERSION.to_le_bytes());
        c.extend([0; 64]); // no UMID
        let l = &self.loudness;
        for reading in [l.integrated, l.range, l.true_peak_max, l.momentary_max, l.short_term_max] {
            c.extend(hundredths(reading).to_le_bytes());
        }
        c.extend([0; 180]);
        debug_assert_eq!(c.len(), 8 + FIXED);
        c.extend(history);
        if !c.len().is_multiple_of(2) {
            c.push(0);
        }
        c
    }
}

/// At most so many bytes of printable ASCII and line ends.
fn ascii(text: &str, most: usize) -> Vec<u8> {
    let fine = |c: char| c.is_ascii_graphic() || matches!(c, ' ' | '\r' | '\n');
    text.chars().take(most).map(|c| if fine(c) { c as u8 } else { b'?' }).collect()
}

/// Hundredths, rounded half away from zero, within what the standard allows, −99.99 to 99.99.
fn hundredths(reading: Option<f64>) -> i16 {
    let scaled = reading.filter(|r| r.is_finite()).map(|r| (r * 100.0).round());
    scaled.filter(|r| (-9999.0..=9999.0).contains(r)).map_or(UNKNOWN, |r| r as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bext() -> Bext {
        Bext {
            description: "Song – take 2".into(),
            originator: "lathe".into(),
            reference: "lathe-0123456789abcdef".into(),
            date: "2026-11-28".into(),
            time: "01:02:03".into(),
            time_reference: 0x1_2345_6789,
            loudness: BextLoudness {
                integrated: Some(-22.995),
                range: Some(5.004),
                true_peak_max: Some(-1.0),
                momentary_max: Some(f64::NEG_INFINITY),
                short_term_max: None,
            },
            history: "A=PCM,F=48000,W=24,M=stereo,T=lathe\r\n".into(),
        }
    }

    #[test]
    fn every_field_lies_where_the_standard_puts_it() {
        let c = bext().chunk();
        assert_eq!(&c[..4], b"bext");
        assert_eq!(c[4..8], 639u32.to_le_bytes(), "602 bytes and the history");
        let at = |offset: usize, length: usize| &c[8 + offset..8 + offset + length];
        assert_eq!(at(0, 14), b"Song ? take 2\0");
        assert!(at(13, 243).iter().all(|b| *b == 0));
        assert_eq!(at(256, 6), b"lathe\0");
        assert_eq!(at(288, 23), b"lathe-0123456789abcdef\0");
        assert_eq!(at(320, 18), b"2026-11-2801:02:03");
        assert_eq!(at(338, 4), 0x2345_6789u32.to_le_bytes(), "the low word first");
        assert_eq!(at(342, 4), 1u32.to_le_bytes());
        assert_eq!(at(346, 2), 2u16.to_le_bytes());
        assert!(at(348, 64).iter().all(|b| *b == 0));
        let readings: Vec<i16> =
            at(412, 10).as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
        assert_eq!(readings, [-2300, 500, -100, 0x7fff, 0x7fff]);
        assert!(at(422, 180).iter().all(|b| *b == 0));
        assert_eq!(at(602, 37), b"A=PCM,F=48000,W=24,M=stereo,T=lathe\r\n");
        assert_eq!((c.len(), c[c.len() - 1]), (8 + 640, 0), "padded to an even length");
    }

    #[test]
    fn what_does_not_fit_is_cut_or_not_known() {
        let long = Bext { description: "ä".repeat(300), date: "2026-11-28T".into(), ..bext() };
        let c = long.chunk();
        assert_eq!((&c[8 + 254..8 + 262], c.len()), (&b"??lathe\0"[..], bext().chunk().len()));
        for (reading, wanted) in [
            (-99.99, -9999),
            (-100.0, UNKNOWN),
            (100.0, UNKNOWN),
            (-0.004, 0),
            (0.005, 1),
            (-22.645, -2265),
            (f64::NAN, UNKNOWN),
        ] {
            assert_eq!(hundredths(Some(reading)), wanted, "{reading}");
        }
        let hostile = Bext { originator: "a\u{1b}[2J".into(), ..bext() };
        assert_eq!(&hostile.chunk()[8 + 256..8 + 261], b"a?[2J");
    }
}
