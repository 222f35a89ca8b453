// SPDX-License-Identifier: MIT OR Apache-2.0
//! The last so many seconds.

use super::signals::*;
use crate::analysis::LoudnessMeter;
use crate::dsp::{Frames, SILENCE};
use crate::units::Layout;

fn stereo(rate: u32) -> LoudnessMeter {
    LoudnessMeter::new(rate, &Layout::named("stereo").unwrap())
}

#[test]
fn the_last_seconds_are_measured_as_if_there_were_no_others() {
    for rate in [44_100, 48_000] {
        let mut m = stereo(rate).with_history(60);
        let segments = [(20.0, -10.0), (10.0, -33.0), (10.0, -23.0)];
        play_tones(rate, &segments, &[0.0, 0.0], &mut m, |_, _| ());
        m.reset();
        for (seconds, levels) in
            [(9.0, &[(9.0, -23.0)][..]), (20.0, &[(10.0, -33.0), (10.0, -23.0)]), (600.0, &segments)]
        {
            let (r, alone) = (m.last(seconds).unwrap(), stereo_readings(rate, levels));
            println!(
                "{rate} Hz, last {seconds} s: {r:?}, alone {:?} {:?}",
                alone.integrated, alone.loudness_range
            );
            // A sub-block that the last quantum just reached moves the window by 100 ms.
            assert!((r.integrated.unwrap() - alone.integrated.unwrap()).abs() < 0.1);
            assert!((r.loudness_range.unwrap() - alone.loudness_range.unwrap()).abs() < 0.2);
            assert!((r.seconds - seconds.min(40.0)).abs() < 0.15, "{}", r.seconds);
        }
    }
}

#[test]
fn no_block_spans_a_gap_and_the_ring_does_not_grow() {
    let mut m = stereo(48_000).with_history(10);
    let loud: Frames = [0.1; 64];
    let play = |m: &mut LoudnessMeter, x: Frames, quanta: usize| (0..quanta).for_each(|_| m.process(&[x, x]));
    // 300 ms are no block; two times 300 ms with a gap of two seconds are none either.
    play(&mut m, loud, 225);
    m.gap(96_000);
    play(&mut m, loud, 225);
    let r = m.last(10.0).unwrap();
    assert_eq!((r.integrated, r.loudness_range, r.seconds), (None, None, 2.6));
    play(&mut m, SILENCE, 750 * 20);
    let r = m.last(60.0).unwrap();
    assert_eq!((r.integrated, r.seconds), (None, 10.0));
    assert!(stereo(48_000).last(10.0).is_none());
}
