// SPDX-License-Identifier: MIT OR Apache-2.0
//! All that is known of one print: what lists show, and what its sidecar `NAME.json` keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::files::{Bext, BextLoudness, BitDepth, Container, WriteSpec};
use crate::utc::moment;

/// Of the sidecar; a reader that does not know it leaves the file alone.
pub const FORMAT: u32 = 1;
/// Faults that are kept one by one; all are counted.
pub const MAX_FAULTS: usize = 100;

/// What is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Main out, as the driver receives it.
    #[default]
    Out,
    Monitor,
    /// Main in, as the engine received it.
    In,
}

impl Source {
    /// The tap's name.
    pub fn symbol(self) -> &'static str {
        match self {
            Source::Out => "out",
            Source::Monitor => "monitor",
            Source::In => "in",
        }
    }

    pub fn from_symbol(symbol: &str) -> Option<Source> {
        [Source::Out, Source::Monitor, Source::In].into_iter().find(|s| s.symbol() == symbol)
    }
}

/// Where a print is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Recording,
    /// The end is recorded; the file is brought to the disk and hashed.
    Finishing,
    /// Every frame from start to end is in it.
    Done,
    /// Something is missing in it, or it ended before it was to; `why` says what. It is kept.
    Failed,
}

impl State {
    pub fn is_over(self) -> bool {
        matches!(self, State::Done | State::Failed)
    }
}

/// What a fault was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Frames that did not reach the file in time; silence stands in their place.
    Gap,
    /// Glitches that the audio server told of; how many frames each took is not known.
    Xrun,
}

/// Something that makes a print a failed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: FaultKind,
    /// Frames from the start of the print; of an xrun, where it was noticed (within 20 ms).
    pub at_frame: u64,
    /// Frames lost; 0 if it is not known.
    pub frames: u64,
    /// How many at once.
    pub count: u64,
}

/// Over the whole print; `None`: too short to tell, or silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loudness {
    pub integrated_lufs: Option<f64>,
    pub loudness_range_lu: Option<f64>,
    pub true_peak_dbtp: Option<f64>,
    pub sample_peak_dbfs: Option<f64>,
    pub momentary_max_lufs: Option<f64>,
    pub short_term_max_lufs: Option<f64>,
}

/// BLAKE3, in hex.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hashes {
    /// Of the audio file; `None` until it was read back.
    pub audio: Option<String>,
    /// Of the text in `rack`.
    pub rack: String,
    /// The same for all racks with the same channels, slots, units, splits and sidechains.
    pub layout: String,
    /// Of the rack file as it was last read.
    pub rack_file: String,
    /// Of `values`, a line `address=value` each, in the order of the addresses.
    pub values: String,
}

/// One print.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub format: u32,
    pub name: String,
    /// 16 hex digits, another for every print.
    pub id: String,
    /// Beside the sidecar.
    pub file: String,
    pub state: State,
    /// Why it ended, or what is wrong with it, in one sentence.
    pub why: String,
    pub description: String,
    pub source: Source,
    #[serde(with = "container")]
    pub container: Container,
    /// `24` or `32f`.
    pub bits: String,
    pub sample_rate: u32,
    pub layout: String,
    pub channels: Vec<String>,
    pub channel_mask: Option<u32>,
    /// Milliseconds since 1970.
    pub start_unix_ms: u64,
    /// The same for people.
    pub start_utc: String,
    /// The engine's frame of the first sample.
    pub start_frame: u64,
    pub frames: u64,
    /// From main in to main out when it began.
    pub latency_frames: u64,
    /// Samples clamped to full scale; integers only.
    pub clipped_samples: u64,
    /// The most of the buffer that was ever full, 0 to 1: how near it came to a gap.
    pub buffer_used: f64,
    pub gaps: u64,
    pub gap_frames: u64,
    pub xruns: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    pub loudness: Loudness,
    /// Revisions at the start and at the end.
    pub revision_first: u64,
    pub revision_last: u64,
    /// Something was changed between them.
    pub changed: bool,
    pub hashes: Hashes,
    pub program: String,
    /// The sound revision of every kind of unit in the rack.
    pub sound_revisions: BTreeMap<String, u32>,
    pub rack_name: String,
    /// The rack at the start as a rack file, and every value; only in the sidecar.
    pub rack: String,
    pub values: BTreeMap<String, f64>,
}

impl Entry {
    /// The name the file has until it is complete.
    pub fn part(&self) -> String {
        format!(".{}.part", self.file)
    }

    pub fn sidecar(&self) -> String {
        sidecar(&self.name)
    }

    pub fn depth(&self) -> Option<BitDepth> {
        self.bits.parse().ok()
    }

    pub fn spec(&self) -> WriteSpec {
        let (sample_rate, channels) = (self.sample_rate, self.channels.len());
        WriteSpec { sample_rate, channels, channel_mask: self.channel_mask }
    }

    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.sample_rate.max(1))
    }

    /// When its first frame was.
    pub fn begin(&mut self, unix_ms: u64) {
        self.start_unix_ms = unix_ms;
        self.start_utc = moment((unix_ms / 1000) as i64);
    }

    /// Without what only the sidecar has.
    pub fn slim(&mut self) {
        (self.rack, self.values) = Default::default();
    }

    pub fn note(&mut self, fault: Fault) {
        match fault.kind {
            FaultKind::Gap => {
                self.gaps += 1;
                self.gap_frames += fault.frames;
            }
            FaultKind::Xrun => self.xruns += fault.count,
        }
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }

    /// What was noted, in words; `None` if nothing was.
    pub fn trouble(&self) -> Option<String> {
        let plural = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let gaps = (self.gaps > 0).then(|| {
            let frames = plural(self.gap_frames, "frame");
            format!("{} of together {frames}, which are silence in it", plural(self.gaps, "gap"))
        });
        let xruns =
            (self.xruns > 0).then(|| format!("{} that the server told of", plural(self.xruns, "xrun")));
        let all: Vec<String> = gaps.into_iter().chain(xruns).collect();
        let first = self.faults.first()?;
        let at = first.at_frame as f64 / f64::from(self.sample_rate.max(1));
        Some(format!("{}; the first at {at:.3} s (frame {})", all.join(" and "), first.at_frame))
    }

    /// The chunk `bext`. Its length is the same at every time of the print's life.
    pub fn bext(&self) -> Bext {
        let utc = moment((self.start_unix_ms / 1000) as i64);
        let (date, time) = utc.trim_end_matches('Z').split_once('T').unwrap_or_default();
        let midnight_ms = self.start_unix_ms % 86_400_000;
        let l = &self.loudness;
        Bext {
            description: if self.description.is_empty() { &self.name } else { &self.description }.clone(),
            originator: "lathe".into(),
            reference: format!("lathe-{}", self.id),
            date: date.into(),
            time: time.into(),
            time_reference: midnight_ms * u64::from(self.sample_rate) / 1000,
            loudness: BextLoudness {
                integrated: l.integrated_lufs,
                range: l.loudness_range_lu,
                true_peak_max: l.true_peak_dbtp,
                momentary_max: l.momentary_max_lufs,
                short_term_max: l.short_term_max_lufs,
            },
            history: self.history(),
        }
    }

    /// EBU R 98, one line.
    fn history(&self) -> String {
        let mode = match self.channels.len() {
            1 => ",M=mono",
            2 => ",M=stereo",
            _ => "",
        };
        let (bits, float) = match self.bits.strip_suffix('f') {
            Some(bits) => (bits, " float"),
            None => (self.bits.as_str(), ""),
        };
        let (rate, source) = (self.sample_rate, self.source.symbol());
        format!("A=PCM,F={rate},W={bits}{mode},T={}; {source}{float}; UTC\r\n", self.program)
    }
}

/// The sidecar of a print of this name.
pub fn sidecar(name: &str) -> String {
    format!("{name}.json")
}

/// Containers by their extension.
mod container {
    use super::Container;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(c: &Container, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(c.extension())
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(d: D) -> Result<Container, D::Error> {
        let text = String::deserialize(d)?;
        let all = [Container::Wav, Container::Rf64, Container::Flac];
        let found = all.into_iter().find(|c| c.extension() == text);
        found.ok_or_else(|| de::Error::custom(format!("{text:?} is none of wav, rf64, flac")))
    }
}
