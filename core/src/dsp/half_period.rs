// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long half a period of the lowest tone lasts that matters for a limiter.
//!
//! A gain that recovers between the crests of a low tone bends its wave. It need not, if it stays down for half a
//! period of the lowest tone; but held longer than that, it only costs level. The signal is averaged over half
//! quanta, filtered to some 15 to 200 Hz, and the time between its zero crossings is read; tones that are far
//! below the programme's peaks do not count.

use super::{Frames, QUANTUM};

/// Frames averaged into one value.
const SPAN: usize = QUANTUM / 2;
/// Corners in Hz: two low-passes, one high-pass.
const LOW_PASS_HZ: f64 = 160.0;
const HIGH_PASS_HZ: f64 = 12.0;
/// The tone counts if its crest is at least this share of the programme's peaks (−20 dB).
const COUNTS: f64 = 0.1;
/// Time in which the memory of peaks, and of half periods, fades to 37 %, in seconds.
const PEAKS_SECONDS: f64 = 0.2;
const FADE_SECONDS: f64 = 0.25;

/// One channel's tracker.
///
/// | state | meaning | rate |
/// |---|---|---|
/// | `low`, `still` | low-passed twice; its slow mean | half quantum |
/// | `last` | filtered value before | half quantum |
/// | `since` | frames since the last crossing | half quantum |
/// | `crest` | highest magnitude since then | half quantum |
/// | `peak` | the programme's peaks, fading | quantum |
/// | `frames` | half a period, fading where none is heard | quantum |
#[derive(Clone, Debug)]
pub struct HalfPeriod {
    low_coef: f64,
    still_coef: f64,
    peak_keep: f64,
    frames_keep: f64,
    low: [f64; 2],
    still: f64,
    last: f64,
    since: f64,
    crest: f64,
    peak: f64,
    frames: f64,
}

impl HalfPeriod {
    pub fn new(sample_rate: f64) -> Self {
        let per = |seconds: f64, span: usize| libm::exp(-(span as f64) / (seconds * sample_rate));
        let corner = |hz: f64| 1.0 - per(0.5 * std::f64::consts::FRAC_1_PI / hz, SPAN);
        HalfPeriod {
            low_coef: corner(LOW_PASS_HZ),
            still_coef: corner(HIGH_PASS_HZ),
            peak_keep: per(PEAKS_SECONDS, QUANTUM),
            frames_keep: per(FADE_SECONDS, QUANTUM),
            low: [0.0; 2],
            still: 0.0,
            last: 0.0,
            since: 0.0,
            crest: 0.0,
            peak: 0.0,
            frames: 0.0,
        }
    }

    pub fn reset(&mut self) {
        (self.low, self.still, self.last, self.since) = ([0.0; 2], 0.0, 0.0, 0.0);
        (self.crest, self.peak, self.frames) = (0.0, 0.0, 0.0);
    }

    /// Audio thread. Frames of half a period after the newest quantum; 0 if no low tone counts.
    #[inline(always)]
    pub fn frames(&self) -> f64 {
        self.frames
    }

    /// Audio thread.
    #[inline(always)]
    pub fn process(&mut self, x: &Frames) {
        let (mut sums, mut high) = ([[0.0; 8]; 2], [0.0; 8]);
        for (sum, half) in sums.iter_mut().zip(x.as_chunks::<SPAN>().0) {
            for x in half.as_chunks::<8>().0 {
                for i in 0..8 {
                    sum[i] += x[i];
                    let level = x[i].abs();
                    high[i] = if level > high[i] { level } else { high[i] };
                }
            }
        }
        for half in [4, 2, 1] {
            for i in 0..half {
                high[i] = if high[i + half] > high[i] { high[i + half] } else { high[i] };
            }
        }
        let faded = self.peak * self.peak_keep;
        self.peak = if high[0] > faded { high[0] } else { faded };
        self.frames *= self.frames_keep;
        for sum in sums {
            let [a, b, c, d, e, f, g, h] = sum;
            self.step((((a + b) + (c + d)) + ((e + f) + (g + h))) * (1.0 / SPAN as f64));
        }
    }

    /// One half quantum's mean.
    #[inline(always)]
    fn step(&mut self, mean: f64) {
        self.low[0] += self.low_coef * (mean - self.low[0]);
        self.low[1] += self.low_coef * (self.low[0] - self.low[1]);
        self.still += self.still_coef * (self.low[1] - self.still);
        let v = self.low[1] - self.still;
        // Without a branch: where a noise crosses is not to be foreseen, and all that comes after would wait for it.
        let crosses = (v > 0.0) != (self.last > 0.0);
        // Where between the two it was zero.
        let after = SPAN as f64 * (v / (v - self.last));
        let half = self.since + SPAN as f64 - after;
        let counts = crosses & (self.crest > COUNTS * self.peak) & (half > self.frames);
        self.frames = if counts { half } else { self.frames };
        self.since = if crosses { after } else { self.since + SPAN as f64 };
        let (crest, level) = (if crosses { 0.0 } else { self.crest }, v.abs());
        self.crest = if level > crest { level } else { crest };
        self.last = v;
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Half period in ms after a second of a tone and a higher one.
    fn read(hz: f64, above: f64, rate: f64) -> f64 {
        let mut h = HalfPeriod::new(rate);
        let x = |n: usize| {
            let t = n as f64 / rate;
            (2.0 * PI * hz * t).sin() + above * (2.0 * PI * 3_000.0 * t).sin()
        };
        let mut got = 0.0;
        for q in 0..(rate as usize / QUANTUM) {
            h.process(&std::array::from_fn(|i| x(q * QUANTUM + i)));
            got = h.frames();
        }
        got / rate * 1000.0
    }

    #[test]
    fn low_tones_are_timed_and_high_ones_are_not() {
        for rate in [44_100.0, 96_000.0, 192_000.0] {
            for hz in [30.0, 50.0, 100.0, 200.0] {
                let (got, wanted) = (read(hz, 0.5, rate), 500.0 / hz);
                println!("{rate} Hz, {hz} Hz: {got:.2} ms of {wanted:.2}");
                // It fades by a few percent from crossing to crossing.
                assert!(got > 0.9 * wanted && got < 1.03 * wanted);
            }
            assert!(read(2_000.0, 0.0, rate) == 0.0 && read(50.0, 20.0, rate) == 0.0);
        }
    }
}
