// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limiter on real music, rendered by the command line, beside ffmpeg's oversampled limiter in the same run:
//! how loud each is, and how far true peaks are over the ceiling.

use std::path::Path;
use std::process::Command;

use crate::music;

/// dBTP.
const CEILING: f64 = -1.0;
const FRAMES: usize = 44_100 * 20;

/// A true peak in dBTP by 32-fold band-limited interpolation, 128 taps a phase under a Kaiser window.
fn true_peak(x: &[f32]) -> f64 {
    const TAPS: usize = 128;
    let bessel = |x: f64| {
        let (mut sum, mut term) = (1.0, 1.0);
        for k in 1..100 {
            term *= (x / 2.0 / f64::from(k)).powi(2);
            sum += term;
        }
        sum
    };
    let mut top = x.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    // Between quiet samples nothing reaches the ceiling: what is looked at is within 4 dB of it.
    let near = (10f64.powf((CEILING - 4.0) / 20.0)) as f32;
    let places: Vec<usize> = (TAPS / 2..x.len() - TAPS / 2)
        .filter(|n| x[*n].abs() > near || x[n + 1].abs() > near)
        .map(|n| n + 1 - TAPS / 2)
        .collect();
    for k in 1..32 {
        let at = f64::from(k) / 32.0;
        let tap = |j: usize| {
            let t = j as f64 - (TAPS / 2 - 1) as f64 - at;
            let u = t / (TAPS / 2) as f64;
            let sinc = (std::f64::consts::PI * t).sin() / (std::f64::consts::PI * t);
            sinc * bessel(10.0 * (1.0 - u * u).max(0.0).sqrt()) / bessel(10.0)
        };
        let taps: Vec<f64> = (0..TAPS).map(tap).collect();
        for n in &places {
            let sum: f64 = x[*n..n + TAPS].iter().zip(&taps).map(|(x, t)| f64::from(*x) * t).sum();
            top = top.max(sum.abs());
        }
    }
    20.0 * top.log10()
}

/// Integrated loudness in LUFS, and the highest true peak in dBTP.
fn measured(audio: &[Vec<f32>], rate: u32) -> (f64, f64) {
    let mut meter = ebur128::EbuR128::new(audio.len() as u32, rate, ebur128::Mode::I).unwrap();
    let channels: Vec<&[f32]> = audio.iter().map(Vec::as_slice).collect();
    meter.add_frames_planar_f32(&channels).unwrap();
    let peak = audio.iter().map(|c| true_peak(c)).fold(f64::NEG_INFINITY, f64::max);
    (meter.loudness_global().unwrap(), peak)
}

fn ours(dir: &Path, style: &str, gain: f64, input: &[Vec<f32>], rate: u32) -> Vec<Vec<f32>> {
    let rack = dir.join(format!("{style}.toml"));
    let text = format!(
        "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"lim\"\nunit = \"limiter\"\n\
         params = {{ ceiling = {CEILING:.1}, gain = {gain:.1}, style = \"{style}\" }}\n"
    );
    std::fs::write(&rack, text).unwrap();
    music::rendered(&rack, rate, input)
}

fn ffmpeg(dir: &Path, gain: f64, input: &[Vec<f32>], rate: u32) -> Vec<Vec<f32>> {
    let (from, to) = (dir.join("in.wav"), dir.join("out.wav"));
    music::write(&from, input, rate);
    let filters =
        format!("volume={gain}dB,aresample={},alimiter=limit={CEILING}dB:level=0,aresample={rate}", 4 * rate);
    let done = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(&from)
        .args(["-af", &filters, "-c:a", "pcm_f32le"])
        .arg(&to)
        .output()
        .expect("ffmpeg: tests/run installs what is missing");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    music::read(&to).0
}

#[test]
fn real_music_is_as_loud_as_a_peer_makes_it_and_stays_below_the_ceiling() {
    let dir = tempfile::tempdir().unwrap();
    let (input, rate) = music::music(FRAMES);
    for gain in [6.0, 12.0] {
        let (peer, peer_peak) = measured(&ffmpeg(dir.path(), gain, &input, rate), rate);
        println!("+{gain} dB, ffmpeg alimiter x4: {peer:.2} LUFS, {peer_peak:+.3} dBTP");
        for (style, most_below) in
            [("transparent", 1.0), ("punch", 1.0), ("dense", 0.0), ("wall", 0.0), ("bus", f64::INFINITY)]
        {
            let (loud, peak) = measured(&ours(dir.path(), style, gain, &input, rate), rate);
            let over = peak - CEILING;
            println!("+{gain} dB, {style}: {loud:.2} LUFS, {over:+.4} dB over the ceiling");
            assert!(over <= 0.02, "{style}, +{gain} dB: {over:+.4} dB over");
            assert!(over > -0.1, "{style}, +{gain} dB: its peaks are {over:+.4} dB below");
            assert!(loud >= peer - most_below, "{style}, +{gain} dB: {loud:.2} LUFS, the peer {peer:.2}");
        }
    }
}
