// SPDX-License-Identifier: MIT OR Apache-2.0
//! K weighting: the table, the same response at every rate, the weights of channels.

use crate::dsp::kweight::sections;
use crate::dsp::svf::Section;
use crate::units::{Layout, Role};

fn decibels(rate: f64, hz: f64) -> f64 {
    sections(rate).iter().map(|s| 20.0 * s.magnitude(hz, rate).log10()).sum()
}

#[test]
fn the_table_of_the_recommendation() {
    let shelf = Section::from_biquad(
        [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85],
        [-1.690_659_293_182_41, 0.732_480_774_215_85],
    );
    let highpass = Section::from_biquad([1.0, -2.0, 1.0], [-1.990_047_454_833_98, 0.990_072_250_366_21]);
    let mut worst = 0.0f64;
    for i in 0..=400 {
        let hz = 5.0 * (4700.0f64).powf(f64::from(i) / 400.0);
        let table = 20.0 * (shelf.magnitude(hz, 48e3) * highpass.magnitude(hz, 48e3)).log10();
        worst = worst.max((decibels(48e3, hz) - table).abs());
    }
    println!("48 kHz: the table within {worst:.1e} dB");
    assert!(worst < 1e-9);
}

#[test]
fn every_rate_has_the_same_response() {
    for rate in
        [8e3, 11_025.0, 16e3, 22_050.0, 32e3, 44.1e3, 50e3, 88.2e3, 96e3, 176.4e3, 192e3, 384e3, 768e3]
    {
        let start = std::time::Instant::now();
        let designed = sections(rate);
        let (spent, mut worst, mut at) = (start.elapsed(), 0.0f64, 0.0);
        let top = 20e3f64.min(0.46 * rate);
        for i in 0..=1000 {
            let hz = 10.0 * (top / 10.0).powf(f64::from(i) / 1000.0);
            let e = (decibels(rate, hz) - decibels(48e3, hz)).abs();
            if e > worst {
                (worst, at) = (e, hz);
            }
        }
        println!("{rate} Hz: within {worst:.6} dB (at {at:.0} Hz), designed in {spent:?}");
        let bound = if rate < 32e3 { 0.02 } else { 0.001 };
        assert!(worst < bound, "{rate} Hz: {worst:.6} dB at {at:.0} Hz");
        for s in designed {
            assert!(s.g > 0.0 && s.k > 0.0 && s.hp.is_finite() && s.bp.is_finite(), "{s:?}");
        }
    }
}

#[test]
fn weights_of_the_layouts() {
    let weights = |name: &str| -> Vec<f64> { Layout::named(name).unwrap().loudness_weights() };
    assert_eq!(weights("mono"), [1.0]);
    assert_eq!(weights("5.1"), [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]);
    assert_eq!(weights("7.1.4"), [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41, 1.0, 1.0, 1.0, 1.0]);
    let backs = Layout::new(&[Role::Left, Role::Right, Role::LeftBack, Role::RightBack]);
    assert_eq!(backs.loudness_weights(), [1.0, 1.0, 1.41, 1.41]);
}
