// SPDX-License-Identifier: MIT OR Apache-2.0
//! The true-peak estimate that ITU-R BS.1770-5 prints (Annex 2): four phases of twelve taps, nothing else.
//!
//! For those who must read what every other meter of that kind reads. It is not exact: of a sine of 0 dBTP it
//! makes −0.20 … +0.22 dB at a quarter of the rate, −0.31 at 0.44 and −0.46 at 0.45, depending on the phase.
//! The Annex attenuates by 12.04 dB first to have room in integers, which floating point does not need. Its
//! table is for ×4 at 48 kHz; here it is used as it stands at every rate. None of the phases is a sample
//! itself, so that this reading may lie below the sample peak, as with the Annex.
//!
//! The coefficients are those of Table 1 of Annex 2 as many public programs quote them alike; phases 2 and 3
//! are 1 and 0 backwards. The Recommendation itself was not at hand.

use crate::dsp::{Frames, QUANTUM};

const TAPS: usize = 12;
/// From a frame to the quantum that reads what lies after it.
pub const DELAY: usize = TAPS / 2;

const PHASES: [[f64; TAPS]; 2] = [
    [
        0.001_708_984_375,
        0.010_986_328_125,
        -0.019_653_320_312_5,
        0.033_203_125,
        -0.059_448_242_187_5,
        0.137_329_101_562_5,
        0.972_167_968_75,
        -0.102_294_921_875,
        0.047_607_421_875,
        -0.026_611_328_125,
        0.014_892_578_125,
        -0.008_300_781_25,
    ],
    [
        -0.029_174_804_687_5,
        0.029_296_875,
        -0.051_757_812_5,
        0.089_111_328_125,
        -0.166_503_906_25,
        0.465_087_890_625,
        0.779_785_156_25,
        -0.200_317_382_812_5,
        0.101_562_5,
        -0.058_227_539_062_5,
        0.033_081_054_687_5,
        -0.018_920_898_437_5,
    ],
];

/// One channel: the last samples, the newest quantum last; and where its largest magnitude was.
#[derive(Clone, Debug)]
pub struct Annex2 {
    x: [f64; TAPS - 1 + QUANTUM],
    place: usize,
}

impl Default for Annex2 {
    fn default() -> Self {
        Annex2 { x: [0.0; TAPS - 1 + QUANTUM], place: 0 }
    }
}

impl Annex2 {
    pub fn reset(&mut self) {
        *self = Annex2::default();
    }

    /// The largest magnitude of all four phases over the quantum.
    pub fn process(&mut self, input: &Frames) -> f64 {
        self.x.copy_within(QUANTUM.., 0);
        self.x[TAPS - 1..].copy_from_slice(input);
        let mut top = 0.0;
        for taps in &PHASES {
            for backwards in [false, true] {
                let mut row = [0.0; QUANTUM];
                for k in 0..TAPS {
                    // The newest sample meets tap 0.
                    let tap = if backwards { taps[TAPS - 1 - k] } else { taps[k] };
                    let from = TAPS - 1 - k;
                    for (y, x) in row.iter_mut().zip(&self.x[from..from + QUANTUM]) {
                        *y += tap * x;
                    }
                }
                for (frame, y) in row.iter().enumerate() {
                    if y.abs() > top {
                        (top, self.place) = (y.abs(), frame);
                    }
                }
            }
        }
        top
    }

    /// The frame of the last quantum's largest magnitude, among the 64 that begin [`DELAY`] frames earlier.
    pub fn place(&self) -> usize {
        self.place
    }
}
