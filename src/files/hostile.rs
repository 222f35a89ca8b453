// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damaged files: whatever the bytes, opening and reading returns, and never panics.
use std::path::Path;

use lathe_core::dsp::random::Xoshiro256;

use super::{AudioWriter, BitDepth, WriteOptions, WriteSpec, open};

const MUTATIONS: u64 = 3000;

fn written(name: &str, depth: BitDepth, channels: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let spec = WriteSpec { sample_rate: 44_100, channels, channel_mask: None };
    let mut writer = AudioWriter::create(&path, spec, depth, WriteOptions::default()).unwrap();
    let sine: Vec<f64> = (0..300).map(|n| (f64::from(n) * 0.05).sin()).collect();
    writer.write(&vec![&sine[..]; channels]).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

/// 16-bit stereo AIFF, 48 kHz, 100 frames.
fn aiff() -> Vec<u8> {
    let mut bytes = b"FORM\0\0\x01\xbeAIFFCOMM\0\0\0\x12\0\x02\0\0\0\x64\0\x10".to_vec();
    bytes.extend([0x40, 0x0e, 0xbb, 0x80, 0, 0, 0, 0, 0, 0]);
    bytes.extend(b"SSND\0\0\x01\x98\0\0\0\0\0\0\0\0");
    bytes.extend((0..200i16).flat_map(|n| (n * 100).to_be_bytes()));
    bytes
}

/// Reads to the end, within a bound on what so small a file could hold.
fn swallow(path: &Path) {
    let Ok(mut reader) = open(path) else { return };
    let mut planes = vec![Vec::new(); reader.spec().channels];
    for _ in 0..1000 {
        match reader.read(&mut planes, 4096) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// Some bytes replaced, mostly in the header; now and then a part cut out or repeated.
fn mutate(original: &[u8], generator: &mut Xoshiro256) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let mut pick = |bound: usize| (generator.bits() % bound.max(1) as u64) as usize;
    for _ in 0..=pick(6) {
        let reach = if pick(4) == 0 { bytes.len() } else { bytes.len().min(96) };
        let at = pick(reach);
        bytes[at] = [0, 1, 0x7f, 0x80, 0xff, pick(256) as u8][pick(6)];
    }
    match pick(8) {
        0 => bytes.truncate(pick(bytes.len())),
        1 => {
            let at = pick(bytes.len());
            let piece = bytes[at..bytes.len().min(at + 16)].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {}
    }
    bytes
}

fn survive(name: &str, original: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, original).unwrap();
    let mut reader = open(&path).expect("the unharmed file opens");
    let mut planes = vec![Vec::new(); reader.spec().channels];
    assert!(reader.read(&mut planes, 4096).unwrap() >= 100);
    for seed in 0..MUTATIONS {
        std::fs::write(&path, mutate(original, &mut Xoshiro256::new(seed))).unwrap();
        swallow(&path);
    }
}

#[test]
fn damaged_wav() {
    survive("a.wav", &written("a.wav", BitDepth::I16, 2));
    survive("a.wav", &written("a.wav", BitDepth::F32, 3));
}

#[test]
fn damaged_rf64() {
    survive("a.wav", &written("a.rf64", BitDepth::I24, 2));
}

#[test]
fn damaged_flac() {
    survive("a.flac", &written("a.flac", BitDepth::I16, 2));
}

#[test]
fn damaged_aiff() {
    survive("a.aiff", &aiff());
}
