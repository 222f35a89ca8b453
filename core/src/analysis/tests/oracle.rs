// SPDX-License-Identifier: MIT OR Apache-2.0
//! Agreement with an independent meter, the `ebur128` crate, on minutes of noise that moves like programme.

use ebur128::{Channel, EbuR128, Mode};

use super::signals::{Noise, Pink, gain};
use crate::analysis::LoudnessMeter;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

struct Worst {
    momentary: f64,
    short_term: f64,
}

fn compare(rate: u32, name: &str, map: &[Channel], seconds: u32) {
    let layout = Layout::named(name).unwrap();
    let mut ours = LoudnessMeter::new(rate, &layout);
    let mut theirs =
        EbuR128::new(layout.len() as u32, rate, Mode::M | Mode::S | Mode::I | Mode::LRA).unwrap();
    theirs.set_channel_map(map).unwrap();
    let mut pinks: Vec<Pink> = (0..layout.len()).map(|c| Pink::new(c as u64 + 17)).collect();
    // A level drawn every half second, reached in as long; a third of the time it is quiet.
    let (mut draw, mut level, mut slope) = (Noise(5), -30.0, 0.0);
    let mut worst = Worst { momentary: 0.0, short_term: 0.0 };
    // Where the crate's 100 ms and our steps end with a quantum.
    let common = if rate.is_multiple_of(640) { rate as usize / 10 } else { rate as usize / 10 * 32 };
    let half = (rate as usize / 2 / QUANTUM).max(1);
    for q in 0..(seconds * rate) as usize / QUANTUM {
        if q % half == 0 {
            let u = draw.next();
            let target = if u < -0.33 { -50.0 + 10.0 * draw.next() } else { -18.0 + 12.0 * u };
            slope = (target - level) / half as f64;
        }
        level += slope;
        let g = gain(level);
        let audio: Vec<Frames> = pinks.iter_mut().map(|p| std::array::from_fn(|_| g * p.next())).collect();
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
        "{name} at {rate} Hz: I {integrated:.4} against {i:.4}, range {range:.3} against {lra:.3}, M within {:.4}, S within {:.4}",
        worst.momentary, worst.short_term
    );
    assert!((integrated - i).abs() < 0.05 && worst.momentary < 0.05 && worst.short_term < 0.05);
    // The crate transforms the 48 kHz filters anew at other rates, we keep their response; it takes one short-term value a second, we ten.
    assert!((range - lra).abs() < 1.0);
}

#[test]
fn an_independent_meter_agrees() {
    use Channel::*;
    for (rate, seconds) in [(44_100, 180), (48_000, 240), (96_000, 120), (192_000, 120)] {
        compare(rate, "stereo", &[Left, Right], seconds);
    }
    compare(48_000, "5.1", &[Left, Right, Center, Unused, LeftSurround, RightSurround], 120);
    let bed = [Left, Right, Center, Unused, Mp135, Mm135, Mp090, Mm090];
    compare(48_000, "7.1.4", &[&bed[..], &[Up045, Um045, Up135, Um135]].concat(), 60);
}
