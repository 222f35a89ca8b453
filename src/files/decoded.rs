// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every format but WAV in, by way of symphonia: FLAC, AIFF, CAF, MP3, AAC, ALAC, Ogg Vorbis.
//!
//! Encoder delay and padding are cut off wherever the file states them: by symphonia for MP3 and the end of
//! Vorbis, here for AAC (see `gapless`) and for what lies before zero in Vorbis. A packet that does not decode is
//! counted and replaced by silence of its length, so that everything after it stays in time (after a page of
//! Vorbis that is lost, from the second page on); a file in which nothing at all decodes is an error, and so
//! is a change of rate or channels on the way.
//!
//! symphonia is written to return errors, but it is a large parser of foreign data: a panic in it
//! is caught here and reported as a damaged file.
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_FLAC, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::gapless::{self, Trim};
use super::reader::{Warnings, prepare_planes};
use super::spec::MAX_CHANNELS;
use super::{AudioSpec, FileError, decoded_facts as facts, vorbis};

/// Longest silence that stands in for damaged packets, in frames (an Ogg page may hold seconds);
/// more is a damaged time stamp.
const MAX_FILL: u64 = 1 << 18;
/// Most silence before the first packet that can be decoded: a file of nothing else is no reason to take all memory.
const MAX_LEAD: usize = 1 << 24;

pub(super) struct DecodedReader {
    path: PathBuf,
    /// Shares its position with the one that symphonia reads; used to start again.
    file: File,
    spec: AudioSpec,
    stream: Stream,
}

/// symphonia's half, made anew by `rewind`.
struct Stream {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    exact_stamps: bool,
    vorbis: bool,
    /// AAC only; everything else is trimmed by its decoder.
    trim: Trim,
    /// Length by the file's own account.
    stated: Option<u64>,
    /// Frames decoded and not yet handed out: `planes[..][at..]`.
    planes: Vec<Vec<f64>>,
    at: usize,
    /// Frames still to be dropped at the start, and frames handed out so far.
    skip: u64,
    given: u64,
    /// Time stamp at which the next packet should begin.
    expected_pts: Option<i64>,
    /// Frames of silence owed before the first packet that can be decoded.
    lead: usize,
    decoded_any: bool,
    ended: bool,
    warnings: Warnings,
}

impl DecodedReader {
    pub fn new(path: &Path, file: File) -> Result<Self, FileError> {
        let (stream, spec) = facts::guarded(path, || Stream::open(path, &file))?;
        Ok(DecodedReader { path: path.into(), file, spec, stream })
    }

    pub fn spec(&self) -> &AudioSpec {
        &self.spec
    }

    pub fn warnings(&self) -> Warnings {
        self.stream.warnings
    }

    pub fn rewind(&mut self) -> Result<(), FileError> {
        (self.stream, _) = facts::guarded(&self.path, || Stream::open(&self.path, &self.file))?;
        Ok(())
    }

    pub fn read(&mut self, out: &mut [Vec<f64>], frames: usize) -> Result<usize, FileError> {
        let planes = prepare_planes(&self.path, out, self.spec.channels, frames)?;
        let (path, spec, stream) = (&self.path, &self.spec, &mut self.stream);
        let mut done = 0;
        while done < frames {
            if stream.pending() == 0 {
                if stream.ended {
                    break;
                }
                facts::guarded(path, || stream.decode_next(path, spec))?;
                continue;
            }
            let count = stream.pending().min(frames - done);
            for (plane, source) in planes.iter_mut().zip(&stream.planes) {
                plane[done..done + count].copy_from_slice(&source[stream.at..stream.at + count]);
            }
            stream.at += count;
            done += count;
        }
        Ok(done)
    }
}

impl Stream {
    fn open(path: &Path, file: &File) -> Result<(Stream, AudioSpec), FileError> {
        let again = || -> Result<File, FileError> {
            let rewound = file.try_clone().and_then(|mut file| file.rewind().map(|()| file));
            rewound.map_err(|e| FileError::io(path, "read", e))
        };
        let edit = gapless::mp4_edit(&mut again()?).map_err(|e| FileError::io(path, "read", e))?;
        let mut found = probe(path, Box::new(again()?));
        if found.is_err() && is_ogg(&mut again()?) {
            // symphonia looks at the end of an Ogg file first, and gives up on one that is cut off.
            // What it cannot search, it reads from the front.
            found = probe(path, Box::new(ReadOnlySource::new(again()?)));
        }
        let mut format = found.map_err(|e| facts::open_error(path, e))?;
        let tags = gapless::itunes_tag(&mut *format);
        let no_audio = || FileError::unsupported(path, "there is no audio track in it");
        let track = format.default_track(TrackType::Audio).ok_or_else(no_audio)?;
        let params = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(no_audio)?;
        let (track_id, params, start) = (track.id, params.clone(), track.start_ts.get());
        let headers = params.extra_data.as_deref().filter(|_| params.codec == CODEC_ID_VORBIS);
        if let Some(why) = headers.and_then(vorbis::refusal) {
            return Err(FileError::unsupported(path, why));
        }
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&params, &AudioDecoderOptions::default())
            .map_err(|e| facts::open_error(path, e))?;
        let container = format.format_info().short_name;
        let stated = facts::exact_frames(track, &params, container);
        let trim = match params.codec {
            CODEC_ID_AAC => gapless::aac_trim(track.delay, stated, tags, edit),
            _ => Trim::default(),
        };
        let mut stream = Stream {
            format,
            decoder,
            track: track_id,
            exact_stamps: matches!(params.codec, CODEC_ID_FLAC | CODEC_ID_VORBIS),
            vorbis: params.codec == CODEC_ID_VORBIS,
            trim,
            stated: trim.frames.or(stated),
            planes: Vec::new(),
            at: 0,
            skip: trim.delay,
            given: 0,
            expected_pts: (params.codec == CODEC_ID_FLAC).then_some(start),
            lead: 0,
            decoded_any: false,
            ended: false,
            warnings: Warnings::default(),
        };
        let mut spec = stream.describe(path, &params)?;
        if container == "aiff" && spec.channels > 2 {
            spec.channel_mask = None; // made up by symphonia; AIFF has no such field
        }
        Ok((stream, spec))
    }

    /// Decodes up to the first audio, because not every header states rate and channels rightly.
    fn describe(&mut self, path: &Path, params: &AudioCodecParameters) -> Result<AudioSpec, FileError> {
        let channels = params.channels.clone().unwrap_or_default();
        let mut spec = AudioSpec {
            sample_rate: params.sample_rate.unwrap_or(0),
            channels: channels.count(),
            channel_mask: facts::channel_mask(&channels),
            frames: self.stated,
            encoding: facts::encoding(params, &*self.decoder),
        };
        while !self.decoded_any && !self.ended {
            self.decode_first(path, &mut spec)?;
        }
        facts::check(path, &spec)?;
        Ok(spec)
    }

    fn decode_first(&mut self, path: &Path, spec: &mut AudioSpec) -> Result<(), FileError> {
        let Some(packet) = self.next_packet(path)? else {
            return Ok(());
        };
        let gap = self.gap_before(&packet);
        if gap > 0 {
            self.warnings.corrupt_packets += 1;
            self.lead = (self.lead + gap).min(MAX_LEAD);
        }
        match self.decoder.decode(&packet) {
            Ok(buffer) => {
                let found = buffer.spec();
                spec.sample_rate = found.rate();
                spec.channels = found.channels().count();
                spec.channel_mask = facts::channel_mask(found.channels());
                buffer.copy_to_vecs_planar(&mut self.planes);
                let lead = std::mem::take(&mut self.lead);
                self.prepend_silence(lead);
                self.accept();
                Ok(())
            }
            Err(e) => {
                is_damage(path, e)?;
                self.warnings.corrupt_packets += 1;
                let frames = packet.dur.get();
                if self.exact_stamps && frames <= MAX_FILL {
                    self.lead = (self.lead + frames as usize).min(MAX_LEAD);
                }
                Ok(())
            }
        }
    }

    fn prepend_silence(&mut self, frames: usize) {
        for plane in &mut self.planes {
            plane.splice(..0, std::iter::repeat_n(0.0, frames));
        }
    }

    fn pending(&self) -> usize {
        self.planes.first().map_or(0, Vec::len) - self.at
    }

    /// One packet of our track; `None` at the end.
    fn next_packet(&mut self, path: &Path) -> Result<Option<Packet>, FileError> {
        loop {
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(SymphoniaError::IoError(e)) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    self.warnings.truncated = true;
                    break;
                }
                Err(e) => return Err(facts::read_error(path, e)),
            }
        }
        self.ended = true;
        self.warnings.truncated |= self.stated.is_some_and(|frames| self.given < frames);
        if !self.decoded_any && self.warnings.corrupt_packets > 0 {
            return Err(FileError::bad(path, "none of its audio packets could be decoded"));
        }
        Ok(None)
    }

    fn decode_next(&mut self, path: &Path, spec: &AudioSpec) -> Result<(), FileError> {
        self.at = 0;
        self.planes.iter_mut().for_each(Vec::clear);
        let Some(packet) = self.next_packet(path)? else {
            return Ok(());
        };
        let gap = self.gap_before(&packet);
        match self.decoder.decode(&packet) {
            Ok(buffer) => {
                let found = buffer.spec();
                if found.rate() != spec.sample_rate || found.channels().count() != spec.channels {
                    let (rate, channels) = (found.rate(), found.channels().count());
                    return Err(facts::changed(path, &format!("to {rate} Hz and {channels} channels")));
                }
                buffer.copy_to_vecs_planar(&mut self.planes);
                if gap > 0 {
                    self.warnings.corrupt_packets += 1;
                    self.prepend_silence(gap);
                }
                self.accept();
                Ok(())
            }
            Err(e) => self.damaged(path, e, &packet, spec),
        }
    }

    /// FLAC and Vorbis: frames lost before this packet, because the demuxer drops a damaged frame or
    /// page without a word. Elsewhere time stamps are not exact enough to tell.
    fn gap_before(&mut self, packet: &Packet) -> usize {
        let pts = packet.pts.get();
        // The time of a packet goes on over what is cut off it: the first of a Vorbis stream is cut off whole,
        // because nothing overlaps it.
        let whole = packet.dur.saturating_add(packet.trim_start).saturating_add(packet.trim_end);
        let next = i64::try_from(whole.get()).ok().and_then(|whole| pts.checked_add(whole));
        let expected = std::mem::replace(&mut self.expected_pts, next);
        if expected.is_none() && self.vorbis {
            // What ends before zero was put in front by the encoder (Vorbis I, A.2).
            let begins = pts.saturating_add(i64::try_from(packet.trim_start.get()).unwrap_or(i64::MAX));
            self.skip = begins.min(0).unsigned_abs();
        }
        match expected.map(|expected| pts.saturating_sub(expected)) {
            Some(gap) if self.exact_stamps && (1..=MAX_FILL as i64).contains(&gap) => gap as usize,
            _ => 0,
        }
    }

    fn damaged(
        &mut self,
        path: &Path,
        error: SymphoniaError,
        packet: &Packet,
        spec: &AudioSpec,
    ) -> Result<(), FileError> {
        is_damage(path, error)?;
        self.replace_by_silence(packet, spec);
        Ok(())
    }

    fn replace_by_silence(&mut self, packet: &Packet, spec: &AudioSpec) {
        self.warnings.corrupt_packets += 1;
        let frames = packet.dur.get();
        let in_frames = self.format.tracks().iter().find(|t| t.id == self.track).is_some_and(|t| {
            t.time_base.is_some_and(|b| b.numer.get() == 1 && b.denom.get() == spec.sample_rate)
        });
        if in_frames && frames <= MAX_FILL && spec.channels <= MAX_CHANNELS {
            self.planes.resize(spec.channels, Vec::new());
            self.planes.iter_mut().for_each(|plane| plane.resize(frames as usize, 0.0));
            let any = self.decoded_any;
            self.accept();
            self.decoded_any = any;
        }
    }

    /// Cuts what was just decoded to the part between delay and padding.
    fn accept(&mut self) {
        self.decoded_any = true;
        let decoded = self.planes.first().map_or(0, Vec::len);
        let skipped = self.skip.min(decoded as u64);
        self.skip -= skipped;
        self.at = skipped as usize;
        if let Some(frames) = self.trim.frames {
            let left = usize::try_from(frames - self.given).unwrap_or(usize::MAX);
            let keep = self.at + left.min(decoded - self.at);
            self.planes.iter_mut().for_each(|plane| plane.truncate(keep));
        }
        self.given += self.pending() as u64;
        self.ended |= self.trim.frames == Some(self.given);
    }
}

fn probe(path: &Path, source: Box<dyn MediaSource>) -> Result<Box<dyn FormatReader>, SymphoniaError> {
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|e| e.to_str()) {
        hint.with_extension(extension);
    }
    let source = MediaSourceStream::new(source, Default::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&hint, source, format, metadata)
}

fn is_ogg(file: &mut File) -> bool {
    let mut magic = [0; 4];
    file.read_exact(&mut magic).is_ok() && &magic == b"OggS"
}

/// Passes over what is damage of one packet; anything else is an error.
fn is_damage(path: &Path, error: SymphoniaError) -> Result<(), FileError> {
    match error {
        // The MPEG decoder reports a change of rate or channels in this way.
        SymphoniaError::DecodeError(what) if what.contains("signal spec") => Err(facts::changed(path, what)),
        SymphoniaError::DecodeError(_) => Ok(()),
        SymphoniaError::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => Err(facts::read_error(path, other)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AudioWriter, BitDepth, Encoding, WriteOptions, WriteSpec};
    use super::*;

    fn read_all(path: &Path) -> (Vec<f64>, Warnings) {
        let mut reader = DecodedReader::new(path, File::open(path).unwrap()).unwrap();
        let (mut all, mut out) = (Vec::new(), vec![Vec::new()]);
        loop {
            let count = reader.read(&mut out, 1000).unwrap();
            if count == 0 {
                return (all, reader.warnings());
            }
            all.extend(&out[0][..count]);
        }
    }

    /// 40 blocks of a sine as FLAC, and the samples in it.
    fn flac(dir: &Path) -> (PathBuf, Vec<f64>) {
        let sine: Vec<f64> = (0..40 * 4096).map(|n| (f64::from(n) * 0.05).sin() * 0.5).collect();
        let path = dir.join("a.flac");
        let spec = WriteSpec { sample_rate: 48_000, channels: 1, channel_mask: None };
        let options = WriteOptions { dither: false, ..Default::default() };
        let mut writer = AudioWriter::create(&path, spec, BitDepth::I16, options).unwrap();
        writer.write(&[&sine]).unwrap();
        writer.finish().unwrap();
        let rounded = |x: &f64| (x * 32768.0).round_ties_even() / 32768.0;
        (path, sine.iter().map(rounded).collect())
    }

    #[test]
    fn a_damaged_packet_becomes_silence_and_the_rest_stays_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let (path, samples) = flac(dir.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 40].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        let (read, warnings) = read_all(&path);
        assert_eq!(read.len(), samples.len());
        assert!((1..=2).contains(&warnings.corrupt_packets), "{warnings:?}");
        let differing = read.iter().zip(&samples).filter(|(a, b)| a != b).count();
        assert!(differing <= 2 * 4096, "{differing} samples differ");
    }

    #[test]
    fn a_truncated_flac_gives_what_is_there_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (path, samples) = flac(dir.path());
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let (read, warnings) = read_all(&path);
        assert!(warnings.truncated && warnings.corrupt_packets <= 1, "{warnings:?}");
        assert!(read.len() > samples.len() / 3 && read.len() < samples.len(), "{}", read.len());
        let whole = read.len() / 4096 * 4096 - 4096;
        assert_eq!(read[..whole], samples[..whole]);
    }

    #[test]
    fn rewind_repeats() {
        let dir = tempfile::tempdir().unwrap();
        let (path, samples) = flac(dir.path());
        let mut reader = DecodedReader::new(&path, File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.spec().frames, Some(samples.len() as u64));
        assert_eq!(reader.spec().encoding, Encoding::Int { bits: 16 });
        let mut out = vec![Vec::new()];
        for _ in 0..2 {
            assert_eq!(reader.read(&mut out, samples.len() + 1).unwrap(), samples.len());
            assert_eq!(out[0][..samples.len()], samples);
            assert_eq!(reader.read(&mut out, 1).unwrap(), 0);
            reader.rewind().unwrap();
        }
    }
}
