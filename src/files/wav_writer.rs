// SPDX-License-Identifier: MIT OR Apache-2.0
//! WAV out, and RF64 when the file grows beyond what 32 bits can count.
//!
//! A `JUNK` chunk of the right size is kept free at the start; if the file turns out too long, it
//! becomes `ds64` and the file RF64 (EBU Tech 3306 §3.2). Nothing has to be moved or known ahead.
use std::io::{self, SeekFrom};

use super::quantise::Quantiser;
use super::storage::Storage;
use super::wav_header::{SUBFORMAT_TAIL, TAG_EXTENSIBLE, TAG_FLOAT, TAG_PCM};
use super::writer::{Sink, Totals, WriteOptions};
use super::{BitDepth, Bext, WriteSpec};

/// Largest size that the RIFF header can state and that no reader takes for "unknown".
pub(super) const MAX_RIFF_BYTES: u64 = 0xffff_fffe;
const DS64_BYTES: u32 = 28;
/// Frames turned into bytes at once, and bytes collected before they are written.
const BLOCK_FRAMES: usize = 4096;
const COLLECT: usize = 1 << 18;

pub(super) struct WavSink<S: Storage> {
    out: S,
    spec: WriteSpec,
    depth: BitDepth,
    quantiser: Option<Quantiser>,
    /// Total size beyond which the file becomes RF64.
    riff_limit: u64,
    /// Its length does not change while the file is written.
    bext: Option<Bext>,
    frames: u64,
    /// Encoded, not written yet.
    bytes: Vec<u8>,
}

impl<S: Storage> WavSink<S> {
    pub fn new(
        out: S,
        spec: &WriteSpec,
        depth: BitDepth,
        options: WriteOptions,
        riff_limit: u64,
        bext: Option<Bext>,
    ) -> io::Result<Self> {
        let mut sink = WavSink::resumed(out, spec, depth, options, riff_limit, bext);
        let header = sink.header();
        sink.out.write_all(&header)?;
        Ok(sink)
    }

    /// For a file that another sink began with the same arguments; nothing is written.
    pub fn resumed(
        out: S,
        spec: &WriteSpec,
        depth: BitDepth,
        options: WriteOptions,
        riff_limit: u64,
        bext: Option<Bext>,
    ) -> Self {
        let quantiser = |bits| Quantiser::new(bits, spec, options);
        WavSink {
            out,
            spec: *spec,
            depth,
            quantiser: depth.integer_bits().map(quantiser),
            riff_limit,
            bext,
            frames: 0,
            bytes: Vec::new(),
        }
    }

    fn frame_bytes(&self) -> u64 {
        (self.depth.container_bytes() * self.spec.channels) as u64
    }

    fn data_bytes(&self) -> u64 {
        self.frames * self.frame_bytes()
    }

    /// The whole header up to the first sample, for as many frames as there are now.
    fn header(&self) -> Vec<u8> {
        let format = self.format();
        let fact: u32 = if self.depth.integer_bits().is_none() { 12 } else { 0 };
        let bext = self.bext.as_ref().map(Bext::chunk).unwrap_or_default();
        let length = 12 + 8 + DS64_BYTES + bext.len() as u32 + 8 + format.len() as u32 + fact + 8;
        let data = self.data_bytes();
        let riff = u64::from(length) - 8 + data + (data & 1);
        let is_64 = riff > self.riff_limit;
        let short = |size: u64| if is_64 { u32::MAX } else { size as u32 };

        let mut h = Vec::with_capacity(length as usize);
        h.extend(if is_64 { b"RF64" } else { b"RIFF" });
        h.extend(short(riff).to_le_bytes());
        h.extend(b"WAVE");
        h.extend(if is_64 { b"ds64" } else { b"JUNK" });
        h.extend(DS64_BYTES.to_le_bytes());
        let counts = if is_64 { [riff, data, self.frames] } else { [0; 3] };
        counts.iter().for_each(|count| h.extend(count.to_le_bytes()));
        h.extend([0; 4]); // no table of further long chunks
        h.extend(bext);
        h.extend(b"fmt ");
        h.extend((format.len() as u32).to_le_bytes());
        h.extend(format);
        if fact > 0 {
            h.extend(b"fact\x04\0\0\0");
            h.extend(short(self.frames).to_le_bytes());
        }
        h.extend(b"data");
        h.extend(short(data).to_le_bytes());
        debug_assert_eq!(h.len(), length as usize);
        h
    }

    /// The body of the `fmt ` chunk: plain for 16 bits and floats of one or two channels in their
    /// usual places, extensible for all else, as the specification asks. sox reads no 20-bit PCM in
    /// any form (WAV or FLAC); ffmpeg and libsndfile read this one.
    fn format(&self) -> Vec<u8> {
        let WriteSpec { sample_rate, channels, channel_mask } = self.spec;
        let bytes = self.depth.container_bytes();
        let tag = if self.depth.integer_bits().is_some() { TAG_PCM } else { TAG_FLOAT };
        let usual_mask = match channels {
            1 => 0x4,
            2 => 0x3,
            _ => 0,
        };
        let mask = channel_mask.unwrap_or(usual_mask);
        let extensible =
            channels > 2 || mask != usual_mask || matches!(self.depth, BitDepth::I20 | BitDepth::I24);
        let block = (channels * bytes) as u16;

        let mut f = Vec::with_capacity(40);
        f.extend(if extensible { TAG_EXTENSIBLE } else { tag }.to_le_bytes());
        f.extend((channels as u16).to_le_bytes());
        f.extend(sample_rate.to_le_bytes());
        f.extend(sample_rate.wrapping_mul(u32::from(block)).to_le_bytes());
        f.extend(block.to_le_bytes());
        f.extend((bytes as u16 * 8).to_le_bytes());
        if extensible {
            let valid_bits = self.depth.integer_bits().unwrap_or(bytes as u32 * 8) as u16;
            f.extend(22u16.to_le_bytes());
            f.extend(valid_bits.to_le_bytes());
            f.extend(mask.to_le_bytes());
            f.extend(tag.to_le_bytes());
            f.extend(SUBFORMAT_TAIL);
        } else if tag == TAG_FLOAT {
            f.extend(0u16.to_le_bytes());
        }
        f
    }

    fn flush(&mut self) -> io::Result<()> {
        let done = self.out.write_all(&self.bytes);
        self.bytes.clear();
        done
    }

    /// Writes the header for as many frames as there are now.
    fn write_header(&mut self) -> io::Result<()> {
        let header = self.header();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&header)
    }

    fn totals(&self) -> Totals {
        let (clipped, not_numbers) = self.quantiser.as_ref().map_or((0, 0), |q| (q.clipped, q.not_numbers));
        Totals { frames: self.frames, clipped, not_numbers }
    }

    /// Interleaves frames `from..to` onto `self.bytes`.
    fn encode(&mut self, planar: &[&[f64]], from: usize, to: usize) {
        for frame in from..to {
            if let Some(quantiser) = &mut self.quantiser {
                quantiser.begin(planar, frame);
            }
            for (channel, plane) in planar.iter().enumerate() {
                let sample = plane[frame];
                let Some(quantiser) = &mut self.quantiser else {
                    match self.depth {
                        BitDepth::F64 => self.bytes.extend(sample.to_le_bytes()),
                        _ => self.bytes.extend((sample as f32).to_le_bytes()),
                    }
                    continue;
                };
                let value = quantiser.quantise(channel, sample);
                match self.depth {
                    BitDepth::I16 => self.bytes.extend((value as i16).to_le_bytes()),
                    // Left-justified in 24 bits.
                    BitDepth::I20 => self.bytes.extend(&(value << 4).to_le_bytes()[..3]),
                    _ => self.bytes.extend(&value.to_le_bytes()[..3]),
                }
            }
        }
    }
}

impl<S: Storage> Sink for WavSink<S> {
    fn write(&mut self, planar: &[&[f64]]) -> io::Result<()> {
        let frames = planar.first().map_or(0, |plane| plane.len());
        let mut from = 0;
        while from < frames {
            let to = frames.min(from + BLOCK_FRAMES);
            self.encode(planar, from, to);
            self.frames += (to - from) as u64;
            from = to;
            if self.bytes.len() >= COLLECT {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        self.flush()?;
        self.write_header()?;
        self.out.seek(SeekFrom::End(0)).map(drop)
    }

    fn finish(&mut self) -> io::Result<Totals> {
        if self.data_bytes() % 2 == 1 {
            self.bytes.push(0);
        }
        self.flush()?;
        self.write_header()?;
        self.out.flush()?;
        Ok(self.totals())
    }

    fn salvage(&mut self) -> io::Result<Totals> {
        self.bytes.clear();
        let header = self.header().len() as u64;
        let there = self.out.seek(SeekFrom::End(0))?.saturating_sub(header);
        self.frames = there / self.frame_bytes();
        if self.data_bytes() % 2 == 1 {
            // There may be no room for the byte that makes it even.
            self.frames -= 1;
        }
        self.out.set_len(header + self.data_bytes())?;
        self.write_header()?;
        self.out.flush()?;
        Ok(self.totals())
    }

    fn describe(&mut self, bext: Bext) {
        debug_assert!(self.bext.as_ref().is_some_and(|b| b.chunk().len() == bext.chunk().len()));
        self.bext = Some(bext);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.out.sync()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AudioWriter, Encoding, open};
    use super::*;
    use std::path::Path;

    fn sink(spec: WriteSpec, depth: BitDepth) -> WavSink<std::fs::File> {
        let file = tempfile::tempfile().unwrap();
        WavSink::new(file, &spec, depth, WriteOptions::default(), MAX_RIFF_BYTES, None).unwrap()
    }

    fn write(path: &Path, spec: WriteSpec, depth: BitDepth, dither: bool, planes: &[&[f64]]) {
        let options = WriteOptions { dither, ..Default::default() };
        let mut writer = AudioWriter::create(path, spec, depth, options).unwrap();
        // In uneven pieces: the result must not depend on them.
        let (a, b): (Vec<_>, Vec<_>) = planes.iter().map(|p| p.split_at(p.len() / 3)).unzip();
        writer.write(&a).unwrap();
        writer.write(&b).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn every_depth_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        for (depth, scale, encoding) in [
            (BitDepth::I16, 32768.0, Encoding::Int { bits: 16 }),
            (BitDepth::I20, 524_288.0, Encoding::Int { bits: 20 }),
            (BitDepth::I24, 8_388_608.0, Encoding::Int { bits: 24 }),
            (BitDepth::F32, f64::from(1 << 20), Encoding::Float { bits: 32 }),
            (BitDepth::F64, f64::from(1 << 30), Encoding::Float { bits: 64 }),
        ] {
            for (channels, frames) in [(1, 1), (1, 10_001), (2, 4096), (6, 333), (64, 20)] {
                for name in ["a.wav", "a.rf64"] {
                    let plane = |c: usize| -> Vec<f64> {
                        let sample = |n: usize| ((n * 7919 + c * 104_729) % 65_536) as f64 - 32_768.0;
                        (0..frames).map(|n| sample(n) * (scale / 32768.0).floor() / scale).collect()
                    };
                    let planes: Vec<Vec<f64>> = (0..channels).map(plane).collect();
                    let slices: Vec<&[f64]> = planes.iter().map(Vec::as_slice).collect();
                    let mask = (channels == 6).then_some(0x3f);
                    let spec = WriteSpec { sample_rate: 96_000, channels, channel_mask: mask };
                    let path = dir.path().join(name);
                    write(&path, spec, depth, false, &slices);
                    let mut reader = open(&path).unwrap();
                    let found = reader.spec().clone();
                    assert_eq!(found.encoding, encoding);
                    assert_eq!(found.frames, Some(frames as u64));
                    assert_eq!((found.channels, found.sample_rate), (channels, 96_000));
                    assert_eq!(mask.is_some(), found.channel_mask == Some(0x3f));
                    let mut out = vec![Vec::new(); channels];
                    assert_eq!(reader.read(&mut out, frames + 5).unwrap(), frames);
                    for (read, written) in out.iter().zip(&planes) {
                        assert_eq!(read[..frames], written[..], "{depth}, {channels} channels");
                    }
                    assert!(!reader.warnings().truncated);
                    assert_eq!(std::fs::metadata(&path).unwrap().len() % 2, 0);
                }
            }
        }
    }

    #[test]
    fn dithered_renders_repeat_bit_for_bit() {
        let dir = tempfile::tempdir().unwrap();
        let spec = WriteSpec { sample_rate: 44_100, channels: 2, channel_mask: None };
        let sine: Vec<f64> = (0..9999).map(|n| (f64::from(n) * 0.1).sin()).collect();
        let render = |name: &str| {
            let path = dir.path().join(name);
            write(&path, spec, BitDepth::I16, true, &[&sine, &sine]);
            std::fs::read(path).unwrap()
        };
        assert_eq!(render("a.wav"), render("b.wav"));
    }

    #[test]
    fn sizes_switch_to_rf64_at_the_last_byte_that_32_bits_can_state() {
        let spec = WriteSpec { sample_rate: 48_000, channels: 2, channel_mask: None };
        let mut sink = sink(spec, BitDepth::I16);
        let overhead = sink.header().len() as u64 - 8;
        let last = (MAX_RIFF_BYTES - overhead) / 4;
        sink.frames = last;
        let header = sink.header();
        assert_eq!((&header[..4], &header[12..16]), (&b"RIFF"[..], &b"JUNK"[..]));
        assert_eq!(header[header.len() - 4..], ((last * 4) as u32).to_le_bytes());
        for frames in [last + 1, 50 << 30] {
            sink.frames = frames;
            let header = sink.header();
            assert_eq!((&header[..8], &header[12..16]), (&b"RF64\xff\xff\xff\xff"[..], &b"ds64"[..]));
            assert_eq!(header[20..28], (overhead + frames * 4).to_le_bytes());
            assert_eq!(header[28..36], (frames * 4).to_le_bytes());
            assert_eq!(header[36..44], frames.to_le_bytes());
            assert_eq!(header[header.len() - 8..], *b"data\xff\xff\xff\xff");
        }
    }
}
