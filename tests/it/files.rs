// SPDX-License-Identifier: MIT OR Apache-2.0
//! A desk to work on: a folder of its own, audio made and read back, the command line run in it;
//! and what the command line makes of files that are damaged or hold no audio.
use std::path::PathBuf;
use std::process::{Command, Stdio};

use lathed::files::{AudioSpec, BitDepth, WriteOptions, WriteSpec, create, open};

pub const LATHE: &str = env!("CARGO_BIN_EXE_lathe");

/// What a command said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The whole of it, for a failed assertion.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        let Said { code: got, out, err } = &self;
        assert_eq!(*got, code, "exit code\nstdout: {out}\nstderr: {err}");
        self
    }

    /// stdout as one JSON value.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}\n{}", self.out))
    }
}

pub struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    /// An empty folder with the shipped racks in `racks/`.
    pub fn new() -> Self {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(desk.path("racks")).unwrap();
        for entry in std::fs::read_dir(repository().join("config/racks")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), desk.path("racks").join(entry.file_name())).unwrap();
        }
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What lies on the desk, hidden files too, the racks not.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|n| n != "racks");
        names.sort();
        names
    }

    /// A command that runs here, without a terminal.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `lathe` with the words of `line` as arguments; whatever it does, it does not panic.
    #[track_caller]
    pub fn lathe(&self, line: &str) -> Said {
        let output = self.command(LATHE).args(line.split_whitespace()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = Said {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(said.code != 101 && !said.err.contains("panicked"), "lathe {line}\n{}", said.err);
        said
    }

    pub fn write(&self, name: &str, rate: u32, depth: BitDepth, planes: &[Vec<f64>]) {
        let spec = WriteSpec { sample_rate: rate, channels: planes.len(), channel_mask: None };
        let options = WriteOptions { dither: false, ..WriteOptions::default() };
        let mut writer = create(self.path(name), spec, depth, options).unwrap();
        writer.write(&planes.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
    }

    pub fn read(&self, name: &str) -> (AudioSpec, Vec<Vec<f64>>) {
        let mut reader = open(self.path(name)).unwrap();
        let spec = reader.spec().clone();
        let mut planes = vec![Vec::new(); spec.channels];
        let frames = reader.read(&mut planes, 1 << 24).unwrap();
        planes.iter_mut().for_each(|p| p.truncate(frames));
        (spec, planes)
    }
}

/// The folder of `Cargo.toml`.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// White noise within ±`peak`, exact in 32-bit floats, another for each channel.
pub fn noise(channels: usize, frames: usize, peak: f64) -> Vec<Vec<f64>> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f64::from((peak * ((state >> 40) as f64 / f64::from(1 << 23) - 1.0)) as f32)
    };
    (0..channels).map(|_| (0..frames).map(|_| next()).collect()).collect()
}

/// The same sine on every channel; `dbfs` is its peak.
pub fn sine(channels: usize, frames: usize, rate: u32, hz: f64, dbfs: f64) -> Vec<Vec<f64>> {
    let (step, gain) = (std::f64::consts::TAU * hz / f64::from(rate), 10f64.powf(dbfs / 20.0));
    vec![(0..frames).map(|n| gain * (n as f64 * step).sin()).collect(); channels]
}

/// Compares bit by bit and names the first sample that differs.
#[track_caller]
pub fn assert_same(got: &[Vec<f64>], wanted: &[Vec<f64>]) {
    assert_eq!(got.len(), wanted.len(), "channels");
    for (c, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(got.len(), wanted.len(), "frames of channel {c}");
        if let Some(n) = (0..got.len()).find(|&n| got[n].to_bits() != wanted[n].to_bits()) {
            panic!("channel {c}, frame {n}: {:?}, wanted {:?}", got[n], wanted[n]);
        }
    }
}

/// Reads `name` with `render` and `measure`; both refuse it as I/O (74), with these words, and leave nothing.
#[track_caller]
fn refused(desk: &Desk, name: &str, words: &str) {
    let before = desk.names();
    for line in [format!("render --rack racks/stereo-master.toml {name} out.wav"), format!("measure {name}")]
    {
        let said = desk.lathe(&line).exits(74);
        assert!(said.out.is_empty() && said.err.contains(name) && said.err.contains(words), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert_eq!(desk.names(), before);
}

#[test]
fn what_is_not_audio_is_refused_with_a_reason() {
    let desk = Desk::new();
    desk.write("whole.wav", 48_000, BitDepth::I16, &noise(2, 1000, 0.5));
    let whole = std::fs::read(desk.path("whole.wav")).unwrap();
    let format = whole.windows(4).position(|w| w == b"fmt ").unwrap() + 8;
    let cut = |at: usize, bytes: &[u8]| {
        let (at, mut damaged) = (format + at, whole.clone());
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        damaged
    };
    std::fs::create_dir(desk.path("folder.wav")).unwrap();
    for (name, bytes, words) in [
        ("empty.wav", Vec::new(), "0 bytes"),
        ("text.wav", b"not audio at all. ".repeat(500), "not an audio file of a known format"),
        ("header.wav", whole[..20].to_vec(), "header"),
        ("no_channels.wav", cut(2, &[0, 0]), "0 channels"),
        ("no_rate.wav", cut(4, &[0; 4]), "0 Hz"),
    ] {
        std::fs::write(desk.path(name), bytes).unwrap();
        refused(&desk, name, words);
    }
    refused(&desk, "folder.wav", "directory");
    refused(&desk, "missing.wav", "check the path");
    refused(&desk, "/dev/null", "not a regular file");
}

#[test]
fn a_truncated_file_is_done_as_far_as_it_goes_and_says_so() {
    let desk = Desk::new();
    let audio = noise(2, 48_000, 0.5);
    desk.write("whole.wav", 48_000, BitDepth::F32, &audio);
    let whole = std::fs::read(desk.path("whole.wav")).unwrap();
    std::fs::write(desk.path("cut.wav"), &whole[..whole.len() - 80_003]).unwrap();
    let said = desk.lathe("render --json --rack racks/stereo-master.toml cut.wav out.wav").exits(0);
    assert!(said.err.contains("cut.wav: the input is truncated"), "{}", said.err);
    assert_eq!(said.json()["damaged"], true);
    let kept = 48_000 - 80_003usize.div_ceil(8);
    let wanted: Vec<Vec<f64>> = audio.iter().map(|c| c[..kept].to_vec()).collect();
    assert_same(&desk.read("out.wav").1, &wanted);
    let said = desk.lathe("measure --json cut.wav").exits(0);
    assert!(said.err.contains("cut.wav: the file is truncated"), "{}", said.err);
    assert_eq!((&said.json()["damaged"], said.json()["frames"].as_u64()), (&true.into(), Some(kept as u64)));
}

#[test]
fn what_is_no_number_becomes_silence_and_is_counted() {
    let desk = Desk::new();
    let mut audio = sine(2, 48_000, 48_000, 997.0, -20.0);
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    (0..30).for_each(|n| audio[0][20_000 + n] = bad[n % 3]);
    desk.write("some.wav", 48_000, BitDepth::F32, &audio);
    desk.write("all.wav", 48_000, BitDepth::F32, &[vec![f64::NAN; 48_000], vec![f64::NAN; 48_000]]);
    for (name, count) in [("some.wav", 30), ("all.wav", 96_000)] {
        let line = format!("render --json --rack racks/stereo-master.toml {name} out_{name}");
        let said = desk.lathe(&line).exits(0);
        assert_eq!(said.json()["refused_samples"], count, "{name}");
        assert!(said.err.contains(&format!("{count} samples were not audio")), "{}", said.err);
        let (_, out) = desk.read(&format!("out_{name}"));
        assert!(out.iter().flatten().all(|x| x.is_finite()));
        assert_eq!(out[0].len(), 48_000);
        assert!(name == "some.wav" || out.iter().flatten().all(|x| *x == 0.0));
        let said = desk.lathe(&format!("measure --json {name}")).exits(0);
        assert_eq!(said.json()["not_numbers"], count, "{name}");
        assert_eq!(said.json()["integrated_lufs"].is_null(), name == "all.wav", "{}", said.out);
    }
}

#[test]
fn a_failed_render_leaves_an_older_output_alone() {
    let desk = Desk::new();
    std::fs::write(desk.path("out.wav"), b"older").unwrap();
    std::fs::write(desk.path("in.wav"), b"").unwrap();
    desk.lathe("render --rack racks/stereo-master.toml in.wav out.wav").exits(74);
    assert_eq!(std::fs::read(desk.path("out.wav")).unwrap(), b"older");
    assert_eq!(desk.names(), ["in.wav", "out.wav"]);
}
