// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bars that fall and marks that hold.

use super::signals::RATES;
use crate::analysis::bars::{BarSettings, PeakBars};
use crate::dsp::QUANTUM;

#[test]
fn they_rise_at_once_hold_and_fall_evenly() {
    for rate in RATES {
        let second = f64::from(rate) / QUANTUM as f64;
        let mut b = PeakBars::new(rate, 1, BarSettings { hold_s: 2.0, decay_db_s: 10.0 }).unwrap();
        let silent = |b: &mut PeakBars, seconds: f64| {
            (0..(seconds * second).round() as usize).for_each(|_| b.process([0.0]));
            (b.level(0), b.mark(0))
        };
        b.process([1.0]);
        assert_eq!((b.level(0), b.mark(0)), (0.0, 0.0));
        let (bar, mark) = silent(&mut b, 1.0);
        assert!((bar + 10.0).abs() < 0.02 && mark == 0.0, "{bar} {mark}");
        let (bar, mark) = silent(&mut b, 2.0);
        println!("{rate} Hz: after 3 s the bar is at {bar:.3}, the mark at {mark:.3}");
        assert!((bar + 30.0).abs() < 0.05 && (mark + 10.0).abs() < 0.05, "{bar} {mark}");
        b.process([0.5]);
        assert!((b.level(0) + 6.02).abs() < 0.01 && (b.mark(0) + 6.02).abs() < 0.01);
        let mut b = PeakBars::new(rate, 1, BarSettings { hold_s: f64::INFINITY, decay_db_s: 20.0 }).unwrap();
        b.process([0.25]);
        let (_, mark) = silent(&mut b, 30.0);
        assert!((mark + 12.04).abs() < 0.01);
    }
    let bad = |hold_s, decay_db_s| PeakBars::new(48_000, 1, BarSettings { hold_s, decay_db_s }).is_err();
    assert!(bad(-1.0, 10.0) && bad(f64::NAN, 10.0) && bad(1.0, 2000.0) && bad(1.0, f64::NAN));
}
