// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which Vorbis streams symphonia's decoder (0.6.1) gets right.
//!
//! It keeps the classes of all channels of a residue of type 0 or 1 in one list and lets what ends behind one channel
//! run into the next, so that several channels that are not coupled become noise: measured against libvorbis, all of
//! three channels and more, and the rare stereo without coupling. Those are refused. What is looked at is the setup
//! header (Vorbis I, 3.2.1 and 4.2.4).

/// Length of the identification header, which comes before the setup header.
const IDENTIFICATION: usize = 30;
/// Channels in the identification header.
const CHANNELS_AT: usize = 11;

/// Why these headers (identification, then setup) are of a stream that would be decoded wrongly.
pub(super) fn refusal(headers: &[u8]) -> Option<String> {
    match *headers.get(CHANNELS_AT)? {
        0 | 1 => None,
        2 => mixed_up(headers.get(IDENTIFICATION..)?).unwrap_or(false).then(|| {
            "its two channels are not coupled, which this Ogg Vorbis decoder gets wrong".to_string()
        }),
        n => Some(format!("Ogg Vorbis of {n} channels, of which this decoder gets more than two wrong")),
    }
}

/// Bits from the lowest of the first byte on.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn get(&mut self, count: usize) -> Option<usize> {
        let bit = |n: usize| Some(usize::from(self.data.get(n / 8)? >> (n % 8) & 1));
        let value = (0..count).try_fold(0, |value, n| Some(value | bit(self.at + n)? << n))?;
        self.at += count;
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.get(1)? == 1)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= 8 * self.data.len())?;
        Some(())
    }
}

/// True if a stereo stream has a residue of type 0 or 1 for both channels; `None` if the header cannot be read.
fn mixed_up(setup: &[u8]) -> Option<bool> {
    let mut bits = Bits { data: setup.strip_prefix(b"\x05vorbis")?, at: 0 };
    for _ in 0..bits.get(8)? + 1 {
        codebook(&mut bits)?;
    }
    let times = bits.get(6)? + 1;
    bits.skip(16 * times)?;
    for _ in 0..bits.get(6)? + 1 {
        floor(&mut bits)?;
    }
    let mut types = Vec::new();
    for _ in 0..bits.get(6)? + 1 {
        types.push(residue(&mut bits)?);
    }
    for _ in 0..bits.get(6)? + 1 {
        for residue in shared(&mut bits)? {
            if *types.get(residue)? != 2 {
                return Some(true);
            }
        }
    }
    Some(false)
}

fn codebook(bits: &mut Bits) -> Option<()> {
    bits.skip(24)?;
    let (dimensions, entries) = (bits.get(16)?, bits.get(24)?);
    if bits.flag()? {
        bits.skip(5)?;
        let mut done = 0;
        while done < entries {
            done += bits.get((entries - done).ilog2() as usize + 1)?;
        }
    } else {
        let sparse = bits.flag()?;
        for _ in 0..entries {
            if !sparse || bits.flag()? {
                bits.skip(5)?;
            }
        }
    }
    let lookup = bits.get(4)?;
    if lookup == 0 {
        return Some(());
    }
    bits.skip(64)?;
    let width = bits.get(4)? + 1;
    bits.skip(1)?;
    let values = match lookup {
        // The largest number whose power is no more than the entries.
        1 => (1..).take_while(|n: &usize| power(*n, dimensions).is_some_and(|p| p <= entries)).last()?,
        2 => entries.checked_mul(dimensions)?,
        _ => return None,
    };
    bits.skip(values.checked_mul(width)?)
}

fn power(base: usize, exponent: usize) -> Option<usize> {
    // Without dimensions every power would be small enough.
    (exponent > 0).then(|| base.checked_pow(exponent as u32))?.filter(|_| base < 1 << 24)
}

fn floor(bits: &mut Bits) -> Option<()> {
    match bits.get(16)? {
        0 => {
            bits.skip(8 + 16 + 16 + 6 + 8)?;
            let books = bits.get(4)? + 1;
            bits.skip(8 * books)
        }
        1 => {
            let partitions = bits.get(5)?;
            let classes = (0..partitions).map(|_| bits.get(4)).collect::<Option<Vec<usize>>>()?;
            let mut dimensions = Vec::new();
            for _ in 0..classes.iter().max().map_or(0, |top| top + 1) {
                dimensions.push(bits.get(3)? + 1);
                let subclasses = bits.get(2)?;
                bits.skip(if subclasses > 0 { 8 } else { 0 } + (8 << subclasses))?;
            }
            bits.skip(2)?;
            let range = bits.get(4)?;
            bits.skip(range * classes.iter().map(|c| dimensions[*c]).sum::<usize>())
        }
        _ => None,
    }
}

/// The type of a residue.
fn residue(bits: &mut Bits) -> Option<usize> {
    let kind = bits.get(16)?;
    bits.skip(3 * 24)?;
    let classifications = bits.get(6)? + 1;
    bits.skip(8)?;
    let mut books = 0;
    for _ in 0..classifications {
        let low = bits.get(3)?;
        let high = if bits.flag()? { bits.get(5)? } else { 0 };
        books += low.count_ones() + high.count_ones();
    }
    bits.skip(8 * books as usize)?;
    Some(kind)
}

/// The residues that a mapping of two channels uses for both of them.
fn shared(bits: &mut Bits) -> Option<Vec<usize>> {
    bits.skip(16)?;
    let submaps = if bits.flag()? { bits.get(4)? + 1 } else { 1 };
    if bits.flag()? {
        // A magnitude and an angle, of one bit each where there are two channels.
        let steps = bits.get(8)? + 1;
        bits.skip(2 * steps)?;
    }
    bits.skip(2)?;
    let of = if submaps > 1 { [bits.get(4)?, bits.get(4)?] } else { [0, 0] };
    let mut shared = Vec::new();
    for n in 0..submaps {
        bits.skip(16)?;
        let residue = bits.get(8)?;
        if of == [n, n] {
            shared.push(residue);
        }
    }
    Some(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_cut_off_or_makes_no_sense_is_left_to_the_decoder() {
        let mut headers = vec![0; IDENTIFICATION];
        headers[CHANNELS_AT] = 2;
        headers.extend(b"\x05vorbis");
        for seed in 0..200u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let noise = std::iter::repeat_with(|| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as u8
            });
            let whole: Vec<u8> = headers.iter().copied().chain(noise.take(500)).collect();
            for cut in [0, 11, 12, 30, 37, 40, 100, whole.len()] {
                refusal(&whole[..cut]);
            }
        }
        assert_eq!(refusal(&headers), None);
        headers[CHANNELS_AT] = 6;
        assert!(refusal(&headers).unwrap().contains("6 channels"));
    }
}
