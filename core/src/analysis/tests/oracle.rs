// SPDX-License-Identifier: MIT OR Apache-2.0
//! Agreement with an independent meter, the `ebur128` crate, on minutes of what moves like programme, music and speech.

use ebur128::{Channel, EbuR128, Mode};

use super::signals::{Kind, Programme};
use crate::analysis::LoudnessMeter;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

struct Worst {
    momentary: f64,
    short_term: f64,
}

fn compare(rate: u32, name: &str, map: &[Channel], kind: Kind, seconds: u32) {
    let layout = Layout::named(name).unwrap();
    let mut ours = LoudnessMeter::new(rate, &layout);
    let mut theirs =
        EbuR128::new(layout.len() as u32, rate, Mode::M | Mode::S | Mode::I | Mode::LRA).unwrap();
    theirs.set_channel_map(map).unwrap();
    let mut sources: Vec<Programme> =
        (0..layout.len()).map(|c| Programme::new(rate, kind, c as u64 + 3)).collect();
    let mut worst = Worst { momentary: 0.0, short_term: 0.0 };
    // Where the crate's 100 ms and our steps end with a quantum.
    let common = if rate.is_multiple_of(640) { rate as usize / 10 } else { rate as usize / 10 * 32 };
    for q in 0..(seconds * rate) as usize / QUANTUM {
        let audio: Vec<Frames> = sources.iter_mut().map(|p| std::array::from_fn(|_| p.next())).collect();
        ours.process(&audio);
        let planes: Vec<&[f64]> = audio.iter().map(|a| &a[..]).collect();
        theirs.add_frames_planar_f64(&planes).unwrap();
        let frames = (q + 1) * QUANTUM;
        if frames.is_multiple_of(common) && frames > 4 * rate as usize {
            let r = ours.read();
            let m = (r.momentary.unwrap() - theirs.loudness_momentary().unwrap()).abs();
            let s = (r.short_term.unwrap() - theirs.loudness_shortterm().unwrap()).abs();
            (worst.momentary, worst.short_term) = (worst.momentary.max(m), worst.short_term.max(s));
        }
    }
    let (r, i, lra) = (ours.read(), theirs.loudness_global().unwrap(), theirs.loudness_range().unwrap());
    let (integrated, range) = (r.integrated.unwrap(), r.loudness_range.unwrap());
    println!(
        "{kind:?}, {name} at {rate} Hz: I {integrated:.4} against {i:.4}, range {range:.3} against {lra:.3}, M within {:.4}, S within {:.4}",
        worst.momentary, worst.short_term
    );
    assert!((integrated - i).abs() < 0.05 && worst.momentary < 0.05 && worst.short_term < 0.05);
    // The crate transforms the 48 kHz filters anew at other rates, we keep their response; it takes one short-term value a second, we ten.
    // Of a minute it has 57, whose percentiles are coarse; ours are held to the letter in `definition`.
    let bound = if seconds < 120 { 2.0 } else { 1.0 };
    assert!((range - lra).abs() < bound, "{range} {lra}");
}

#[test]
fn an_independent_meter_agrees() {
    use Channel::*;
    for (rate, kind, seconds) in [
        (44_100, Kind::Noise, 60),
        (48_000, Kind::Noise, 120),
        (48_000, Kind::Music, 120),
        (48_000, Kind::Speech, 120),
        (44_100, Kind::Speech, 60),
        (96_000, Kind::Music, 30),
        (192_000, Kind::Noise, 30),
    ] {
        compare(rate, "stereo", &[Left, Right], kind, seconds);
    }
    let surround = [Left, Right, Center, Unused, LeftSurround, RightSurround];
    compare(48_000, "5.1", &surround, Kind::Music, 60);
    let bed = [Left, Right, Center, Unused, Mp135, Mm135, Mp090, Mm090];
    compare(48_000, "7.1.4", &[&bed[..], &[Up045, Um045, Up135, Um135]].concat(), Kind::Noise, 60);
}
