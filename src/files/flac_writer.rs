// SPDX-License-Identifier: MIT OR Apache-2.0
//! FLAC out, one frame at a time, by way of flacenc; sources: RFC 9639.
//!
//! flacenc's own stream keeps every frame in memory, so only its frame encoder and its MD5 are used
//! here. STREAMINFO is written by this file, first without MD5 and in full at the end. flacenc also
//! refuses rates above 96 kHz in its STREAMINFO, though its frame headers know them; frames are
//! therefore encoded under a stand-in rate, and get their true header afterwards.
use std::io::{self, SeekFrom};

use flacenc::bitsink::ByteSink;
use flacenc::component::{BitRepr, Frame, FrameHeader, FrameOffset, StreamInfo};
use flacenc::config::Encoder;
use flacenc::error::{Verified, Verify};
use flacenc::source::{Context, Fill, FrameBuf};

use super::quantise::Quantiser;
use super::storage::Storage;
use super::writer::{Sink, Totals, WriteOptions};
use super::{BitDepth, WriteSpec};

const BLOCK_FRAMES: usize = 4096;
/// A rate within flacenc's limits that no frame header can state, which makes decoders take it
/// from STREAMINFO. Hz.
const STAND_IN_RATE: usize = 65_537;
/// Above this flacenc needs the stand-in. Hz.
const MAX_FLACENC_RATE: u32 = 96_000;
const STREAMINFO_BYTES: usize = 34;
/// Speakers that FLAC implies for one to eight channels; any other mask needs a comment.
const IMPLIED_MASKS: [u32; 8] = [0x4, 0x3, 0x7, 0x33, 0x37, 0x3f, 0x70f, 0x63f];

/// Bytes collected before they are written.
const COLLECT: usize = 1 << 18;

pub(super) struct FlacSink<S: Storage> {
    out: S,
    spec: WriteSpec,
    bits: u32,
    quantiser: Quantiser,
    config: Verified<Encoder>,
    info: StreamInfo,
    /// MD5 of the samples.
    digest: Context,
    block: FrameBuf,
    /// Interleaved samples of the block being filled.
    pending: Vec<i32>,
    samples_as_bytes: Vec<u8>,
    frames: u64,
    blocks: u32,
    /// Smallest and largest encoded block, in bytes.
    sizes: Option<(usize, usize)>,
    /// Encoded, not written yet.
    encoded: Vec<u8>,
    /// Length of the file and frames in it after the last write that succeeded.
    written: (u64, u64),
    /// STREAMINFO may state the MD5: it is that of all that is in the file.
    whole: bool,
}

impl<S: Storage> FlacSink<S> {
    pub fn new(out: S, spec: &WriteSpec, depth: BitDepth, options: WriteOptions) -> io::Result<Self> {
        let bits = depth.integer_bits().ok_or_else(|| other("FLAC holds integers only"))?;
        let rate = match spec.sample_rate {
            rate @ ..=MAX_FLACENC_RATE => rate as usize,
            _ => STAND_IN_RATE,
        };
        let config = Encoder::default().into_verified().map_err(|(_, e)| other(e))?;
        let mut sink = FlacSink {
            out,
            spec: *spec,
            bits,
            quantiser: Quantiser::new(bits, spec, options),
            config,
            info: StreamInfo::new(rate, spec.channels, bits as usize).map_err(other)?,
            digest: Context::new(bits as usize, spec.channels),
            block: FrameBuf::with_size(spec.channels, BLOCK_FRAMES).map_err(other)?,
            pending: Vec::with_capacity(BLOCK_FRAMES * spec.channels),
            samples_as_bytes: Vec::new(),
            frames: 0,
            blocks: 0,
            sizes: None,
            encoded: Vec::new(),
            written: (0, 0),
            whole: false,
        };
        let head = sink.head();
        sink.out.write_all(&head)?;
        sink.written.0 = head.len() as u64;
        Ok(sink)
    }

    /// Everything before the first frame.
    fn head(&self) -> Vec<u8> {
        let implied = IMPLIED_MASKS.get(self.spec.channels.wrapping_sub(1)).copied();
        let comment = self.spec.channel_mask.filter(|&mask| Some(mask) != implied);
        let mut head = b"fLaC".to_vec();
        // Block type 0, or 0x80 when it is the last one before the audio.
        head.extend([if comment.is_none() { 0x80 } else { 0 }, 0, 0, STREAMINFO_BYTES as u8]);
        head.extend(self.stream_info());
        if let Some(mask) = comment {
            let tag = format!("WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x{mask:X}");
            let mut body = b"\x05\0\0\0lathe\x01\0\0\0".to_vec();
            body.extend((tag.len() as u32).to_le_bytes());
            body.extend(tag.bytes());
            head.push(0x84);
            head.extend(&(body.len() as u32).to_be_bytes()[1..]);
            head.extend(body);
        }
        head
    }

    /// RFC 9639 §8.2.
    fn stream_info(&self) -> [u8; STREAMINFO_BYTES] {
        let mut info = [0; STREAMINFO_BYTES];
        let block = (BLOCK_FRAMES as u16).to_be_bytes();
        info[0..2].copy_from_slice(&block);
        info[2..4].copy_from_slice(&block);
        let (smallest, largest) = self.sizes.unwrap_or((0, 0));
        info[4..7].copy_from_slice(&(smallest as u32).to_be_bytes()[1..]);
        info[7..10].copy_from_slice(&(largest as u32).to_be_bytes()[1..]);
        // 20 bits of rate, 3 of channels, 5 of bits, 36 of frames (0: unknown, too many).
        let frames = if self.frames < 1 << 36 { self.frames } else { 0 };
        let packed = u64::from(self.spec.sample_rate) << 44
            | (self.spec.channels as u64 - 1) << 41
            | u64::from(self.bits - 1) << 36
            | frames;
        info[10..18].copy_from_slice(&packed.to_be_bytes());
        if self.whole {
            info[18..34].copy_from_slice(&self.digest.md5_digest());
        }
        info
    }

    /// Encodes and writes what is pending, as one frame.
    fn flush_block(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let width = self.bits.div_ceil(8) as usize;
        self.samples_as_bytes.clear();
        for sample in &self.pending {
            self.samples_as_bytes.extend(&sample.to_le_bytes()[..width]);
        }
        self.digest.fill_le_bytes(&self.samples_as_bytes, width).map_err(other)?;
        self.block.fill_interleaved(&self.pending).map_err(other)?;
        let frame =
            flacenc::encode_fixed_size_frame(&self.config, &self.block, self.blocks as usize, &self.info)
                .map_err(other)?;
        let frame = self.with_true_rate(frame)?;
        let mut bytes = ByteSink::new();
        frame.write(&mut bytes).map_err(other)?;
        let bytes = bytes.into_inner();
        self.encoded.extend_from_slice(&bytes);
        let (smallest, largest) = self.sizes.unwrap_or((usize::MAX, 0));
        self.sizes = Some((smallest.min(bytes.len()), largest.max(bytes.len())));
        self.frames += (self.pending.len() / self.spec.channels) as u64;
        self.blocks += 1;
        self.pending.clear();
        if self.encoded.len() >= COLLECT { self.flush() } else { Ok(()) }
    }

    /// Writes what is encoded.
    fn flush(&mut self) -> io::Result<()> {
        let done = self.out.write_all(&self.encoded);
        if done.is_ok() {
            self.written = (self.written.0 + self.encoded.len() as u64, self.frames);
        }
        self.encoded.clear();
        done
    }

    /// Writes everything before the first frame anew, for as many frames as there are now.
    fn write_head(&mut self) -> io::Result<()> {
        let head = self.head();
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&head)
    }

    fn totals(&self) -> Totals {
        let Quantiser { clipped, not_numbers, .. } = self.quantiser;
        Totals { frames: self.frames, clipped, not_numbers }
    }

    /// Gives a frame that was encoded under the stand-in rate a header with its own. A last block
    /// too short for flacenc's header stays without a rate, which is valid as well.
    fn with_true_rate(&self, frame: Frame) -> io::Result<Frame> {
        if self.spec.sample_rate <= MAX_FLACENC_RATE {
            return Ok(frame);
        }
        let header = FrameHeader::new(
            frame.block_size(),
            frame.header().channel_assignment().clone(),
            self.bits as usize,
            self.spec.sample_rate as usize,
            FrameOffset::Frame(self.blocks),
        );
        match header {
            Ok(header) => Frame::new(header, frame.into_parts().1.into_iter()).map_err(other),
            Err(_) => Ok(frame),
        }
    }
}

impl<S: Storage> Sink for FlacSink<S> {
    fn write(&mut self, planar: &[&[f64]]) -> io::Result<()> {
        let frames = planar.first().map_or(0, |plane| plane.len());
        for frame in 0..frames {
            self.quantiser.begin(planar, frame);
            for (channel, plane) in planar.iter().enumerate() {
                self.pending.push(self.quantiser.quantise(channel, plane[frame]));
            }
            if self.pending.len() == BLOCK_FRAMES * self.spec.channels {
                self.flush_block()?;
            }
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> io::Result<u64> {
        self.flush()?;
        self.write_head()?;
        self.out.seek(SeekFrom::End(0))?;
        Ok(self.frames)
    }

    fn finish(&mut self) -> io::Result<Totals> {
        self.flush_block()?;
        self.flush()?;
        self.whole = true;
        self.write_head()?;
        self.out.flush()?;
        Ok(self.totals())
    }

    fn salvage(&mut self) -> io::Result<Totals> {
        self.encoded.clear();
        self.pending.clear();
        let length;
        (length, self.frames) = self.written;
        self.out.set_len(length)?;
        self.write_head()?;
        self.out.flush()?;
        Ok(self.totals())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.out.sync()
    }
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("FLAC encoder: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::{AudioWriter, Encoding, open};
    use super::*;
    use std::fs::File;
    use std::path::Path;
    use symphonia::core::codecs::audio::AudioDecoderOptions;
    use symphonia::core::formats::TrackType;
    use symphonia::core::io::MediaSourceStream;

    /// A second opinion on the MD5 in STREAMINFO.
    fn verified(path: &Path) -> Option<bool> {
        let source = MediaSourceStream::new(Box::new(File::open(path).unwrap()), Default::default());
        let mut format = symphonia::default::get_probe()
            .probe(&Default::default(), source, Default::default(), Default::default())
            .unwrap();
        let track = format.default_track(TrackType::Audio).unwrap();
        let params = track.codec_params.as_ref().unwrap().audio().unwrap().clone();
        let options = AudioDecoderOptions::default().verify(true);
        let mut decoder = symphonia::default::get_codecs().make_audio_decoder(&params, &options).unwrap();
        while let Some(packet) = format.next_packet().unwrap() {
            decoder.decode(&packet).unwrap();
        }
        decoder.finalize().verify_ok
    }

    fn check(depth: BitDepth, sample_rate: u32, channels: usize, frames: usize) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.flac");
        let bits = depth.integer_bits().unwrap();
        let scale = f64::from(1 << (bits - 1));
        let plane = |c: usize| -> Vec<f64> {
            let sine = |n: usize| (n as f64 * 0.01 * (c + 1) as f64).sin() * 0.99 * scale;
            let noise = |n: usize| ((n * 7919 + c * 31) % 97) as f64;
            (0..frames).map(|n| (sine(n) + noise(n)).clamp(-scale, scale - 1.0).trunc() / scale).collect()
        };
        let planes: Vec<Vec<f64>> = (0..channels).map(plane).collect();
        let slices: Vec<&[f64]> = planes.iter().map(Vec::as_slice).collect();
        let spec = WriteSpec { sample_rate, channels, channel_mask: None };
        let options = WriteOptions { dither: false, ..Default::default() };
        let mut writer = AudioWriter::create(&path, spec, depth, options).unwrap();
        writer.write(&slices).unwrap();
        assert_eq!(writer.finish().unwrap().frames, frames as u64);

        let case = format!("{depth} bits, {sample_rate} Hz, {channels} channels, {frames} frames");
        let mut reader = open(&path).unwrap();
        let found = reader.spec().clone();
        assert_eq!(found.encoding, Encoding::Int { bits: bits as u16 }, "{case}");
        assert_eq!((found.sample_rate, found.channels), (sample_rate, channels), "{case}");
        let mut out = vec![Vec::new(); channels];
        assert_eq!(reader.read(&mut out, frames + 1).unwrap(), frames, "{case}");
        for (read, written) in out.iter().zip(&planes) {
            assert!(read[..frames] == written[..], "{case}");
        }
        assert_eq!(verified(&path), Some(true), "{case}");
    }

    #[test]
    fn every_depth_rate_and_length_comes_back() {
        for depth in [BitDepth::I16, BitDepth::I20, BitDepth::I24] {
            for (rate, channels, frames) in [
                (44_100, 2, 20_000),
                (48_000, 1, 1),
                (88_200, 2, 4095),
                (96_000, 3, 4096),
                (176_400, 2, 4097),
                (192_000, 2, 8192 + 100),
                (192_000, 6, 31),
                (384_000, 1, 5000),
                (12_345, 8, 5000),
                (98_765, 2, 5000),
            ] {
                check(depth, rate, channels, frames);
            }
        }
    }

    #[test]
    fn short_last_blocks_of_every_length() {
        for frames in 1..80 {
            check(BitDepth::I16, 48_000, 2, frames);
        }
    }

    #[test]
    fn an_unusual_mask_is_kept_in_a_comment() {
        let spec = WriteSpec { sample_rate: 48_000, channels: 2, channel_mask: Some(0x600) };
        let file = tempfile::tempfile().unwrap();
        let sink = FlacSink::new(file, &spec, BitDepth::I16, WriteOptions::default()).unwrap();
        let head = sink.head();
        assert_eq!(head[4], 0);
        assert!(String::from_utf8_lossy(&head).contains("CHANNEL_MASK=0x600"));
    }
}
