// SPDX-License-Identifier: MIT OR Apache-2.0
//! True peaks (ITU-R BS.1770-5, Annex 2) and sample peaks of every channel.
//!
//! By default what lies between samples is read at every rate alike, so that what is up to 0.47 of the rate
//! is within ±0.01 dB ([`interpolation`](super::interpolation)). Annex 2 asks for ×4 at 48 kHz and less above;
//! ours reads what it would miss, at the highest rates too. A true peak is then never below the sample peak,
//! which is judged in f64. [`PeakMode::Itu`] is the Annex's own filter ([`annex2`](super::annex2)).

use super::annex2::{self, Annex2};
use super::interpolation::{self, Interpolation, Interpolator};
use super::records::Records;
use super::top_peaks::{TopPeaks, TruePeakAt};
use crate::dsp::{Frames, QUANTUM};

/// How what lies between samples is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeakMode {
    /// Within ±0.01 dB up to 0.47 of the rate.
    #[default]
    Exact,
    /// After the letter of Annex 2, with its errors.
    Itu,
}

#[derive(Clone, Debug)]
enum Detector {
    Exact(Box<Interpolator>),
    Itu(Box<Annex2>),
}

/// Amplitudes. `since` is a moment as given to `process`.
#[derive(Clone, Debug)]
struct Channel {
    detector: Detector,
    true_peaks: Records,
    peaks: Records,
    true_max: f64,
    max: f64,
    /// Largest sample and true peak of the newest quantum.
    peak: f64,
    latest: f64,
}

/// True and sample peaks of all channels.
#[derive(Clone, Debug)]
pub struct PeakMeter {
    filters: Interpolation,
    mode: PeakMode,
    channels: Vec<Channel>,
    /// Quanta until the interpolation no longer reaches back to a gap or a reset.
    blind: usize,
    /// Frames processed.
    frames: u64,
    top: Option<TopPeaks>,
}

impl PeakMeter {
    /// Any rate. Before the first frame there was silence.
    pub fn new(channels: usize) -> Self {
        PeakMeter::with_mode(channels, PeakMode::Exact)
    }

    pub fn with_mode(channels: usize, mode: PeakMode) -> Self {
        let channel = Channel {
            detector: match mode {
                PeakMode::Exact => Detector::Exact(Box::default()),
                PeakMode::Itu => Detector::Itu(Box::default()),
            },
            true_peaks: Records::default(),
            peaks: Records::default(),
            true_max: 0.0,
            max: 0.0,
            peak: 0.0,
            latest: 0.0,
        };
        PeakMeter {
            filters: Interpolation::default(),
            mode,
            channels: vec![channel; channels],
            blind: 0,
            frames: 0,
            top: None,
        }
    }

    /// Also keeps a list of the highest true peaks.
    pub fn with_top(mut self, top: TopPeaks) -> Self {
        self.top = Some(top);
        self
    }

    /// Forgets all maxima; the sound itself goes on. True peaks that are still on their way are left out.
    pub fn reset(&mut self) {
        for c in &mut self.channels {
            c.true_peaks.reset();
            c.peaks.reset();
            (c.true_max, c.max) = (0.0, 0.0);
        }
        if let Some(top) = &mut self.top {
            top.reset();
        }
        self.blind = self.blind.max(1);
    }

    /// What comes next does not join what came before. Until the interpolation has filled again true peaks are
    /// sample peaks: across the seam it would see a jump that was never there.
    pub fn gap(&mut self) {
        for c in &mut self.channels {
            match &mut c.detector {
                Detector::Exact(d) => d.reset(),
                Detector::Itu(d) => d.reset(),
            }
        }
        // Exact: both filters fill. Annex 2: one is short.
        self.blind = match self.mode {
            PeakMode::Exact => 2,
            PeakMode::Itu => 1,
        };
    }

    /// Frames that pass unheard count for the times of peaks.
    pub fn skip(&mut self, frames: u64) {
        self.frames += frames;
    }

    /// One quantum of every channel at `moment`, which never falls. `keep`: it counts for the maxima since
    /// the reset. A true peak shows [`PeakMeter::delay`] frames after its sample.
    pub fn process(&mut self, audio: &[Frames], moment: u64, keep: bool) {
        let delay = self.delay() as u64;
        for (c, x) in self.channels.iter_mut().zip(audio) {
            c.peak = match &mut c.detector {
                Detector::Exact(d) => d.take(&self.filters, x),
                Detector::Itu(_) => largest(x),
            };
        }
        for (n, (c, x)) in self.channels.iter_mut().zip(audio).enumerate() {
            let peak = c.peak;
            let between = match &mut c.detector {
                Detector::Exact(d) => d.read(&self.filters),
                Detector::Itu(d) => d.process(x),
            };
            // Of Annex 2's reading the samples themselves are no part.
            let sampled = self.blind > 0 || (self.mode == PeakMode::Exact && peak >= between);
            let true_peak = if sampled { peak } else { between };
            c.latest = true_peak;
            c.peaks.push(moment, peak);
            c.true_peaks.push(moment, true_peak);
            if keep {
                c.max = larger(c.max, peak);
                c.true_max = larger(c.true_max, true_peak);
                if let Some(top) = &mut self.top
                    && top.wants(true_peak)
                {
                    let at = match &c.detector {
                        _ if sampled => self.frames + place(x, peak),
                        Detector::Exact(d) => (self.frames + d.place() as u64).saturating_sub(delay),
                        Detector::Itu(d) => (self.frames + d.place() as u64).saturating_sub(delay),
                    };
                    top.push(TruePeakAt { channel: n, frame: at, amplitude: true_peak });
                }
            }
        }
        self.blind = self.blind.saturating_sub(1);
        self.frames += QUANTUM as u64;
    }

    /// Frames from a sample to its true peak.
    pub fn delay(&self) -> usize {
        match self.mode {
            PeakMode::Exact => interpolation::DELAY,
            PeakMode::Itu => annex2::DELAY,
        }
    }

    /// Largest true peak of a channel after a moment, and since the reset.
    pub fn true_peak(&self, channel: usize, since: u64) -> (f64, f64) {
        let c = &self.channels[channel];
        (c.true_peaks.since(since), c.true_max)
    }

    /// Largest sample of a channel after a moment, and since the reset.
    pub fn peak(&self, channel: usize, since: u64) -> (f64, f64) {
        let c = &self.channels[channel];
        (c.peaks.since(since), c.max)
    }

    /// Largest true peak of all channels in the newest quantum.
    pub fn latest(&self) -> f64 {
        self.channels.iter().fold(0.0, |m, c| larger(m, c.latest))
    }

    /// The highest true peaks, the highest first; empty unless they are kept.
    pub fn top(&self) -> &[TruePeakAt] {
        self.top.as_ref().map_or(&[], TopPeaks::list)
    }

    /// Goes on from earlier maxima: (true peak, sample peak) of every channel, and the list.
    pub(super) fn restore(&mut self, maxima: &[(f64, f64)], top: &[TruePeakAt], frames: u64) {
        for (c, (true_max, max)) in self.channels.iter_mut().zip(maxima) {
            (c.true_max, c.max) = (*true_max, *max);
        }
        if let Some(kept) = &mut self.top {
            top.iter().for_each(|t| kept.push(*t));
        }
        self.frames = frames;
    }
}

/// In lanes, which meet only at the end.
fn largest(x: &Frames) -> f64 {
    let mut lanes = [0.0; 8];
    for x in x.as_chunks::<8>().0 {
        for l in 0..8 {
            lanes[l] = larger(lanes[l], x[l].abs());
        }
    }
    lanes.into_iter().fold(0.0, larger)
}

fn place(x: &Frames, peak: f64) -> u64 {
    x.iter().position(|v| v.abs() == peak).unwrap_or(0) as u64
}

/// One instruction, unlike `f64::max`, which has rules for NaN.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    if b > a { b } else { a }
}
