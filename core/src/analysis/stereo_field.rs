// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a pair of channels relates, as a whole and band by band: correlation, balance, what mono loses.
//!
//! All over one sliding window, rounded to whole quanta; while it fills, over what there is. Bands are those
//! of [`super::octaves_filter`], with the same filter for both channels, so they do not change the relation
//! between them; their windows are as long but later by the filters' delay.

use super::octaves::{Band, check_range};
use super::octaves_filter::{FilterBank, Lanes};
use super::spectrum_settings::{Refused, Source, check_rate, finite, one_of, within};
use super::window::SlidingSum;
use crate::dsp::{Frames, QUANTUM};

/// A channel below −120 dBFS RMS has no correlation and no balance.
const SILENT: f64 = 1e-12;
const WINDOW_MS: (f64, f64) = (100.0, 3000.0);

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StereoSettings {
    /// The pair of channels, counted from 0.
    pub left: usize,
    pub right: usize,
    pub window_ms: f64,
    /// Bands in an octave, 1 or 3; 0 for none.
    pub fraction: usize,
    pub low_hz: f64,
    pub high_hz: f64,
}

impl StereoSettings {
    /// 300 ms, octaves from 31.5 Hz to 16 kHz.
    pub fn new(left: usize, right: usize) -> Self {
        StereoSettings { left, right, window_ms: 300.0, fraction: 1, low_hz: 31.5, high_hz: 16_000.0 }
    }

    fn check(&self, rate: u32, channels: usize) -> Result<(), Refused> {
        check_rate(rate)?;
        Source::Mid(self.left, self.right).check(channels)?;
        within("window", self.window_ms, WINDOW_MS, "ms")?;
        one_of("bands an octave", self.fraction, &[0, 1, 3])?;
        check_range(self.low_hz, self.high_hz)
    }
}

/// `None`, and NaN in bands: not known, or not defined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StereoReadings {
    /// −1 (opposite) … 0 (unrelated) … +1 (the same but for gain).
    pub correlation: Option<f64>,
    /// −1 (left alone) … +1 (right alone): the difference of the RMS values over their sum.
    pub balance: Option<f64>,
    /// dB by which the mono sum is below the channels: `10 log10(2 E[M²]/(E[L²] + E[R²]))`, M half the sum. 0 for
    /// equal channels, −3 for unrelated ones, −∞ for opposite ones.
    pub mono: Option<f64>,
    pub bands: Vec<Band>,
    pub band_correlation: Vec<f32>,
    pub band_balance: Vec<f32>,
    pub band_mono: Vec<f32>,
    /// Frames since the start that no reading has seen.
    pub frames_missed: u64,
}

/// Sums of one band, or of the whole, over the window.
#[derive(Clone, Debug)]
struct Sums {
    ll: SlidingSum,
    rr: SlidingSum,
    lr: SlidingSum,
    /// Squares of the sum, by themselves: as a difference of the others they would not reach zero.
    mm: SlidingSum,
    /// Samples of the last quanta.
    count: SlidingSum,
}

impl Sums {
    fn new(quanta: usize) -> Self {
        let s = SlidingSum::new(quanta);
        Sums { ll: s.clone(), rr: s.clone(), lr: s.clone(), mm: s.clone(), count: s }
    }

    fn reset(&mut self) {
        for sum in [&mut self.ll, &mut self.rr, &mut self.lr, &mut self.mm, &mut self.count] {
            sum.reset();
        }
    }

    /// What one quantum adds, of so many samples.
    fn push(&mut self, samples: impl Iterator<Item = (f64, f64)>) {
        let (mut q, mut n) = ([0.0; 4], 0.0);
        for (l, r) in samples {
            let m = 0.5 * (l + r);
            q = [q[0] + l * l, q[1] + r * r, q[2] + l * r, q[3] + m * m];
            n += 1.0;
        }
        self.ll.push(q[0]);
        self.rr.push(q[1]);
        self.lr.push(q[2]);
        self.mm.push(q[3]);
        self.count.push(n);
    }

    /// Correlation, balance and mono.
    fn read(&self) -> [Option<f64>; 3] {
        let (ll, rr) = (self.ll.sum(), self.rr.sum());
        let silent = SILENT * self.count.sum();
        if !(ll > silent || rr > silent) {
            return [None; 3];
        }
        let (l, r) = (ll.sqrt(), rr.sqrt());
        let both = ll > silent && rr > silent;
        let correlation = both.then(|| (self.lr.sum() / (l * r)).clamp(-1.0, 1.0));
        let kept = 2.0 * self.mm.sum() / (ll + rr);
        [correlation, Some((r - l) / (r + l)), Some(super::decibels(kept.sqrt()))]
    }
}

/// The bands of one group of filters.
#[derive(Clone, Debug)]
struct Group {
    /// Each with its band; the lanes are its left and right.
    sums: Vec<(usize, Sums)>,
    /// Samples to leave out, and how many after a gap.
    wait: usize,
    settle: usize,
}

impl Group {
    fn add(&mut self, audio: &[Lanes]) {
        let left_out = self.wait.min(audio.len());
        self.wait -= left_out;
        for (i, (_, sums)) in self.sums.iter_mut().enumerate() {
            sums.push(audio[left_out..].iter().map(|x| (x[2 * i], x[2 * i + 1])));
        }
    }
}

#[derive(Clone, Debug)]
pub struct StereoField {
    pair: [usize; 2],
    whole: Sums,
    bank: Option<FilterBank>,
    groups: Vec<Group>,
    missed: u64,
}

impl StereoField {
    /// For a tap of so many channels at a rate in Hz. Bands beyond 0.48 of the rate are left out.
    pub fn new(rate: u32, channels: usize, settings: &StereoSettings) -> Result<Self, Refused> {
        settings.check(rate, channels)?;
        let frames = 1e-3 * settings.window_ms * f64::from(rate);
        let quanta = libm::round(frames / QUANTUM as f64).max(1.0) as usize;
        let (low, high) = (settings.low_hz, settings.high_hz);
        let bank = (settings.fraction > 0).then(|| FilterBank::new(rate, 2, settings.fraction, low, high));
        let groups = bank.iter().flat_map(|bank| {
            bank.groups().map(|seats| Group {
                // A band's two signals lie side by side, and eight lanes are four bands.
                sums: seats.as_chunks::<2>().0.iter().map(|s| (s[0].1, Sums::new(quanta))).collect(),
                wait: 0,
                settle: seats.iter().map(|(_, b)| bank.filters[*b].settle).max().unwrap_or(0),
            })
        });
        Ok(StereoField {
            pair: [settings.left, settings.right],
            whole: Sums::new(quanta),
            groups: groups.collect(),
            bank,
            missed: 0,
        })
    }

    /// Empties the windows; the sound goes on.
    pub fn reset(&mut self) {
        self.whole.reset();
        self.groups.iter_mut().flat_map(|g| &mut g.sums).for_each(|(_, s)| s.reset());
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        let pair = self.pair.map(|c| finite(&audio[c]));
        self.whole.push(pair[0].iter().copied().zip(pair[1]));
        if let Some(bank) = &mut self.bank {
            let groups = &mut self.groups;
            bank.process(&pair, |g, audio| groups[g].add(audio));
        }
    }

    /// These many frames were missed before what comes next; windows begin anew, bands when their filters
    /// have forgotten the seam.
    pub fn gap(&mut self, frames: u64) {
        self.missed += frames;
        self.reset();
        self.bank.iter_mut().for_each(FilterBank::clear);
        self.groups.iter_mut().for_each(|g| g.wait = g.settle);
    }

    pub fn read(&self) -> StereoReadings {
        let [correlation, balance, mono] = self.whole.read();
        let bands: Vec<Band> = self.bank.iter().flat_map(|b| b.filters.iter().map(|f| f.band)).collect();
        let mut r = StereoReadings {
            correlation,
            balance,
            mono,
            band_correlation: vec![f32::NAN; bands.len()],
            band_balance: vec![f32::NAN; bands.len()],
            band_mono: vec![f32::NAN; bands.len()],
            bands,
            frames_missed: self.missed,
        };
        for (band, sums) in self.groups.iter().flat_map(|g| &g.sums) {
            let [c, b, m] = sums.read().map(|v| v.map_or(f32::NAN, |v| v as f32));
            (r.band_correlation[*band], r.band_balance[*band], r.band_mono[*band]) = (c, b, m);
        }
        r
    }
}
