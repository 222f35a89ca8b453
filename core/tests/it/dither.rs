// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rack that ends in a dither: what main puts out lies on the grid, and is the same live as offline.

use std::sync::atomic::Ordering::Relaxed;

use lathe_core::engine::Write;
use lathe_core::rack::plan::{RackPlan, SlotPlan};
use lathe_core::units::find;

use crate::cases::rack;
use crate::rig::{Rig, Rng, music};

const RATE: u32 = 48_000;

fn unit(id: &str, symbol: &str) -> SlotPlan {
    SlotPlan::unit(id, find(symbol).unwrap())
}

fn master(bits: f64) -> RackPlan {
    let dither = unit("d", "dither").with("bits", bits).with("shape", 1.0);
    let limiter = unit("lim", "limiter").with("gain", 6.0);
    RackPlan {
        latency_ms: Some(20.0),
        ..rack("stereo", vec![unit("vol", "gain").with("trim", -0.3), limiter, dither])
    }
}

/// Samples that are not whole multiples of the LSB.
fn beside(y: &[Vec<f64>], bits: i32) -> usize {
    y.iter().flatten().filter(|v| (*v * 2f64.powi(bits - 1)).fract() != 0.0).count()
}

fn bypass_rack(rig: &mut Rig, to: f64) {
    let slot = rig.spec.find_slot("rack").unwrap();
    let param = rig.spec.slots[slot.0 as usize].table.find("bypass").unwrap();
    rig.send(vec![Write::Glide { slot, param, to, frames: 960 }]);
}

#[test]
fn main_is_on_the_grid_whenever_nothing_fades() {
    for bits in [16, 20, 24] {
        let plan = master(f64::from(bits));
        let x = music(2, 48_000, RATE, 3);
        let mut rig = Rig::new(&plan, RATE);
        assert_eq!(beside(&rig.run(&x), bits), 0, "{bits} bits");
        // While main fades it is on no grid; what is heard at rest is.
        rig.link.status.panic.store(true, Relaxed);
        rig.run(&x);
        rig.link.status.panic.store(false, Relaxed);
        assert!(beside(&rig.run(&x), bits) > 0, "{bits} bits: a fade");
        assert_eq!(beside(&rig.run(&x), bits), 0, "{bits} bits, after panic");
        for bypass in [1.0, 0.0] {
            bypass_rack(&mut rig, bypass);
            rig.run(&x);
            let on = beside(&rig.run(&x), bits) == 0;
            assert_eq!(on, bypass == 0.0, "{bits} bits, bypass {bypass}");
        }
        // What changes before it is blended before it: not one sample leaves the grid.
        let mut other = plan.clone();
        other.slots.insert(1, unit("eq", "equalizer").with("band1/gain", 3.0));
        rig.install(&other);
        assert_eq!(beside(&rig.run(&x), bits), 0, "{bits} bits, during a swap");
        rig.set(&[("vol", "trim", -6.0), ("eq", "band1/gain", -3.0)], 0);
        assert_eq!(beside(&rig.run(&x), bits), 0, "{bits} bits, during moves");
    }
}

/// A rack that has run for a while, in odd periods, prints a song with the bits of its render.
#[test]
fn a_song_after_silence_has_the_bits_of_its_render() {
    let dither = unit("d", "dither").with("bits", 16.0).with("shape", 2.0).with("seed", 5.0);
    let plan = rack("stereo", vec![unit("vol", "gain").with("trim", -3.0), dither]);
    let song = music(2, 32_000, RATE, 8);
    let render = Rig::new(&plan, RATE).run(&song);
    let mut r = Rng(4);
    let mut live = Rig::new(&plan, RATE);
    live.periods.set_period(1);
    live.run_in(&music(2, 12_345, RATE, 9), &mut || 1 + r.below(2000));
    live.run_in(&vec![vec![0.0; 50_000]; 2], &mut || 441);
    let silence = vec![vec![0.0; 64]; 2];
    let whole: Vec<Vec<f64>> = song.iter().zip(&silence).map(|(a, b)| [&a[..], b].concat()).collect();
    let got = live.run_in(&whole, &mut || 100);
    for (got, want) in got.iter().zip(&render) {
        assert!(got[64..] == want[..], "live differs from the render");
    }
}
