// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ogg Vorbis: frame for frame what the reference decoder (libvorbis, by `oggdec`) makes of it, whole files not
//! called damaged, and damaged ones called so.
use std::path::Path;
use std::process::Command;

use lathed::files::BitDepth;

use crate::files::{Desk, noise, sine};

/// Half a step of the reference's 16 bits, and what f32 arithmetic in another order may add.
const STEP: f64 = 0.6 / 32_768.0;

fn run(program: &str, args: &[&str], dir: &Path) -> Vec<u8> {
    let done = Command::new(program).args(args).current_dir(dir).output();
    let done = done.unwrap_or_else(|e| panic!("{program}: {e}; tests/run installs what is missing"));
    assert!(done.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

/// What `oggdec` makes of a file, planar.
fn reference(dir: &Path, name: &str, channels: usize) -> Vec<Vec<f64>> {
    let bytes = run("oggdec", &["-Q", "-R", "-o", "-", name], dir);
    let samples: Vec<f64> =
        bytes.as_chunks::<2>().0.iter().map(|b| f64::from(i16::from_le_bytes(*b)) / 32_768.0).collect();
    (0..channels).map(|c| samples.iter().skip(c).step_by(channels).copied().collect()).collect()
}

/// The largest difference of two signals that have to be of one length.
#[track_caller]
fn apart(name: &str, ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> f64 {
    let lengths = |x: &[Vec<f64>]| x.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(ours), lengths(theirs), "{name}: frames, ours and the reference's");
    let pairs = ours.iter().flatten().zip(theirs.iter().flatten());
    // The reference clips at its 16 bits.
    pairs.map(|(a, b)| (a.clamp(-1.0, 32_767.0 / 32_768.0) - b).abs()).fold(0.0, f64::max)
}

/// The same frames as the reference, all of them, and not a word of damage.
#[track_caller]
fn is_whole(desk: &Desk, name: &str) -> usize {
    let said = desk.lathe(&format!("measure --json {name}")).exits(0);
    assert_eq!((&said.json()["damaged"], said.err.as_str()), (&false.into(), ""), "{name}");
    let (spec, ours) = desk.read(name);
    let theirs = reference(desk.path("").as_path(), name, spec.channels);
    let apart = apart(name, &ours, &theirs);
    println!("{name}: {} frames, {:.2} steps of 16 bits apart", ours[0].len(), apart * 32_768.0);
    assert!(apart < STEP, "{name}: {apart}");
    assert!(spec.frames.is_none_or(|f| f == ours[0].len() as u64), "{name}: {:?}", spec.frames);
    ours[0].len()
}

/// Two seconds of noise with a tone in it, as `noise.ogg`, and its frames.
fn noise_ogg(desk: &Desk) -> usize {
    const FRAMES: usize = 96_123;
    let mut audio = noise(2, FRAMES, 0.3);
    for (x, s) in audio.iter_mut().flatten().zip(sine(2, FRAMES, 48_000, 440.0, -12.0).concat()) {
        *x += s;
    }
    desk.write("noise.wav", 48_000, BitDepth::I16, &audio);
    run("oggenc", &["-Q", "-q", "6", "noise.wav", "-o", "noise.ogg"], &desk.path(""));
    FRAMES
}

/// Where the pages of a file begin, and its end.
fn pages(bytes: &[u8]) -> Vec<usize> {
    let mut at = vec![0];
    while let Some(&from) = at.last().filter(|at| **at < bytes.len()) {
        let segments = bytes[from + 26] as usize;
        let body: usize = bytes[from + 27..from + 27 + segments].iter().map(|s| *s as usize).sum();
        at.push(from + 27 + segments + body);
    }
    at
}

/// The file with all its time stamps later by so many frames, as if it were cut out of a longer one (or, earlier,
/// as if its beginning were to be left out).
fn shifted(bytes: &[u8], by: i64) -> Vec<u8> {
    let (mut out, pages) = (bytes.to_vec(), pages(bytes));
    for page in pages.windows(2).map(|w| w[0]..w[1]).skip(2) {
        let page = &mut out[page];
        let stamp = i64::from_le_bytes(page[6..14].try_into().unwrap()) + by;
        page[6..14].copy_from_slice(&stamp.to_le_bytes());
        page[22..26].fill(0);
        let crc = page.iter().fold(0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte) << 24, |c, _| {
                c << 1 ^ if c >> 31 == 1 { 0x04c1_1db7 } else { 0 }
            })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
    }
    out
}

#[test]
fn a_file_is_frame_for_frame_what_the_reference_makes_of_it() {
    let desk = Desk::new();
    for (name, rate, channels, frames) in [
        ("one", 44_100, 2, 1),
        ("packet", 44_100, 1, 64),
        ("short", 44_100, 1, 2205),
        ("telephone", 8000, 1, 8001),
        ("half", 22_050, 2, 22_051),
        ("long", 48_000, 2, 149_923),
        ("high", 96_000, 2, 40_007),
    ] {
        // Another tone in each channel, so that none is taken for another.
        let tone = |c: usize| sine(1, frames, rate, 300.0 + 170.0 * c as f64, -9.0).remove(0);
        let audio: Vec<Vec<f64>> = (0..channels).map(tone).collect();
        desk.write("in.wav", rate, BitDepth::I16, &audio);
        run("oggenc", &["-Q", "in.wav", "-o", &format!("{name}.ogg")], &desk.path(""));
        assert_eq!(is_whole(&desk, &format!("{name}.ogg")), frames);
    }
    // Another program's pages.
    noise_ogg(&desk);
    run("ffmpeg", &["-v", "error", "-i", "noise.wav", "-c:a", "libvorbis", "ffmpeg.ogg"], &desk.path(""));
    assert_eq!(is_whole(&desk, "ffmpeg.ogg"), 96_123);
    std::fs::copy("/usr/share/games/frozen-bubble/snd/hurry.ogg", desk.path("music.ogg")).unwrap();
    assert_eq!(is_whole(&desk, "music.ogg"), 24_183);
}

#[test]
fn a_piece_of_a_longer_stream_is_whole() {
    let desk = Desk::new();
    let frames = noise_ogg(&desk);
    run("vcut", &["noise.ogg", "first.ogg", "second.ogg", "40001"], &desk.path(""));
    assert_eq!(is_whole(&desk, "first.ogg"), 40_001);
    is_whole(&desk, "second.ogg");
    let bytes = std::fs::read(desk.path("noise.ogg")).unwrap();
    for by in [64, 5000] {
        std::fs::write(desk.path("later.ogg"), shifted(&bytes, by)).unwrap();
        assert_eq!(is_whole(&desk, "later.ogg"), frames, "{by} frames later");
    }
    // What lies before zero is left out at the beginning (Vorbis I, A.2), wherever the first page ends.
    let (_, whole) = desk.read("noise.ogg");
    std::fs::write(desk.path("earlier.ogg"), shifted(&bytes, -1000)).unwrap();
    let (spec, earlier) = desk.read("earlier.ogg");
    assert_eq!(spec.frames, Some(frames as u64 - 1000));
    let rest: Vec<Vec<f64>> = whole.iter().map(|c| c[1000..].to_vec()).collect();
    assert_eq!(apart("earlier.ogg", &earlier, &rest), 0.0);
}

#[test]
fn what_is_damaged_or_cut_off_says_so_and_stays_in_time() {
    let desk = Desk::new();
    let frames = noise_ogg(&desk);
    let (_, whole) = desk.read("noise.ogg");
    let bytes = std::fs::read(desk.path("noise.ogg")).unwrap();
    let pages = pages(&bytes);
    assert!(pages.len() > 6, "{} pages", pages.len());
    let middle = pages.len() / 2;
    let mut flipped = bytes.clone();
    flipped[pages[middle] + 500] ^= 0x10;
    let lost = [&bytes[..pages[middle]], &bytes[pages[middle + 1]..]].concat();
    for (name, bytes) in [("flipped.ogg", flipped), ("lost.ogg", lost)] {
        std::fs::write(desk.path(name), bytes).unwrap();
        let said = desk.lathe(&format!("measure --json {name}")).exits(0);
        assert_eq!(said.json()["damaged"], true, "{name}");
        let (_, ours) = desk.read(name);
        assert_eq!(ours[0].len(), frames, "{name}");
        let tail = frames - 1000;
        assert_eq!(ours[0][tail..], whole[0][tail..], "{name}: the last frames are where they were");
    }
    for (name, to) in [("cut.ogg", bytes.len() * 2 / 3), ("no_end.ogg", pages[pages.len() - 2])] {
        std::fs::write(desk.path(name), &bytes[..to]).unwrap();
        let said = desk.lathe(&format!("measure --json {name}")).exits(0);
        assert_eq!(said.json()["damaged"], true, "{name}");
        assert!(said.err.contains("truncated or damaged"), "{}", said.err);
        let (_, ours) = desk.read(name);
        let theirs = reference(&desk.path(""), name, 2);
        assert!(apart(name, &ours, &theirs) < STEP);
    }
}

#[test]
fn what_would_be_decoded_wrongly_is_refused() {
    let desk = Desk::new();
    desk.write("six.wav", 48_000, BitDepth::I16, &noise(6, 20_000, 0.3));
    noise_ogg(&desk);
    run("oggenc", &["-Q", "six.wav", "-o", "six.ogg"], &desk.path(""));
    let uncoupled = ["-Q", "--advanced-encode-option", "disable_coupling", "noise.wav", "-o", "two.ogg"];
    run("oggenc", &uncoupled, &desk.path(""));
    for (name, words) in [("six.ogg", "Ogg Vorbis of 6 channels"), ("two.ogg", "are not coupled")] {
        let said = desk.lathe(&format!("measure {name}")).exits(74);
        assert!(said.out.is_empty() && said.err.contains(words), "{}", said.err);
        assert!(said.err.contains("convert it to PCM WAV or FLAC first"), "{}", said.err);
    }
    // At every quality of the encoder the usual stereo is whole.
    for quality in ["-1", "0", "2", "5", "8", "10"] {
        run("oggenc", &["-Q", "-q", quality, "noise.wav", "-o", "q.ogg"], &desk.path(""));
        assert_eq!(is_whole(&desk, "q.ogg"), 96_123, "{quality}");
    }
}

#[test]
fn what_is_in_ogg_and_no_vorbis_is_read_or_refused() {
    let desk = Desk::new();
    let frames = noise_ogg(&desk);
    run("ffmpeg", &["-v", "error", "-i", "noise.wav", "-c:a", "libopus", "opus.ogg"], &desk.path(""));
    let said = desk.lathe("measure opus.ogg").exits(74);
    assert!(said.out.is_empty() && said.err.contains("unsupported audio codec"), "{}", said.err);
    run("ffmpeg", &["-v", "error", "-i", "noise.wav", "-c:a", "flac", "flac.ogg"], &desk.path(""));
    let said = desk.lathe("measure --json flac.ogg").exits(0);
    assert_eq!((&said.json()["damaged"], &said.json()["frames"]), (&false.into(), &frames.into()));
    assert_eq!(apart("flac.ogg", &desk.read("flac.ogg").1, &desk.read("noise.wav").1), 0.0);
}
