// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real music and speech, from packages that `tests/run` installs, and what `lathe render` makes of audio.

use std::path::{Path, PathBuf};
use std::process::Command;

use lathed::files::{self, BitDepth, WriteOptions, WriteSpec};

/// A folder of `frozen-bubble-data`: several minutes of stereo music, Ogg Vorbis.
const MUSIC: &str = "/usr/share/games/frozen-bubble/snd";
/// A folder of `alsa-utils`: spoken channel names, mono WAV.
const SPEECH: &str = "/usr/share/sounds/alsa";

/// Decodes a whole file: planar, with its rate.
pub fn read(path: &Path) -> (Vec<Vec<f32>>, u32) {
    let mut reader = files::open(path).unwrap_or_else(|e| panic!("{e}; tests/run installs what is missing"));
    let spec = reader.spec().clone();
    let mut out = vec![Vec::new(); spec.channels];
    let mut part = vec![Vec::new(); spec.channels];
    loop {
        let n = reader.read(&mut part, 65_536).unwrap();
        if n == 0 {
            return (out, spec.sample_rate);
        }
        for (o, p) in out.iter_mut().zip(&part) {
            o.extend(p[..n].iter().map(|x| *x as f32));
        }
    }
}

/// Writes planar audio as 32-bit float WAV.
pub fn write(path: &Path, audio: &[Vec<f32>], rate: u32) {
    let spec = WriteSpec { sample_rate: rate, channels: audio.len(), channel_mask: None };
    let mut w = files::create(path, spec, BitDepth::F32, WriteOptions::default()).unwrap();
    let wide: Vec<Vec<f64>> = audio.iter().map(|c| c.iter().map(|x| f64::from(*x)).collect()).collect();
    let slices: Vec<&[f64]> = wide.iter().map(Vec::as_slice).collect();
    w.write(&slices).unwrap();
    w.finish().unwrap();
}

/// Stereo music at its own rate, `frames` of it with next to no digital silence.
pub fn music(frames: usize) -> (Vec<Vec<f32>>, u32) {
    let (mut audio, rate) = read(&Path::new(MUSIC).join("frozen-mainzik-1p.ogg"));
    assert!(audio.len() == 2 && audio[0].len() > frames + 200_000, "{} frames", audio[0].len());
    for c in &mut audio {
        *c = c[200_000..200_000 + frames].to_vec();
    }
    (audio, rate)
}

/// Speech on both channels, the right a little later, repeated until it is `frames` long.
pub fn speech(frames: usize) -> (Vec<Vec<f32>>, u32) {
    let mut files: Vec<PathBuf> = std::fs::read_dir(SPEECH).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "wav") && !f.ends_with("Noise.wav"));
    files.sort();
    let (mut one, mut rate) = (Vec::new(), 0);
    for f in &files {
        let (audio, r) = read(f);
        one.extend_from_slice(&audio[0]);
        rate = r;
    }
    assert!(!one.is_empty(), "{SPEECH} holds no speech");
    let left: Vec<f32> = one.iter().copied().cycle().take(frames).collect();
    let right: Vec<f32> = one.iter().copied().cycle().skip(137).take(frames).collect();
    (vec![left, right], rate)
}

/// What `lathe render` makes of `input` with this rack, 32-bit float.
pub fn rendered(rack: &Path, rate: u32, input: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("in.wav"), dir.path().join("out.wav"));
    write(&from, input, rate);
    let done = Command::new(env!("CARGO_BIN_EXE_lathe"))
        .args(["render", "--rack"])
        .args([rack, &from, &to])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    read(&to).0
}
