// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programme meters that read quasi-peaks: IEC 60268-10 types I, IIa and IIb, and the digital one.
//!
//! Two diodes charge two stores through resistances, a fast and a slow one, and the needle reads their weighted
//! sum; both discharge at a constant rate in dB. The constants were fitted to the standard's table for single
//! bursts of 5 kHz, in dB below the same tone held:
//!
//! | ms | type I | read | type II | read | tolerance held |
//! |---|---|---|---|---|---|
//! | 100 | – | | 0 | −0.1 | ±0.5 |
//! | 10 | −1 | −0.8 | −2 | −2.1 | ±0.5 |
//! | 5 | −2 | −2.2 | −4 | −3.8 | ±0.5 |
//! | 3 | −4 | −3.9 | – | | ±0.5 |
//! | 1.5 | – | | −9 | −9.3 | ±0.5 |
//! | 0.5 | – | | −17 | −16.8 | ±0.5 |
//! | 0.4 | −15 | −15.0 | – | | ±0.5 |
//!
//! Type I returns by 20 dB in 1.7 s, type II by 24 dB in 2.8 s (±0.3 s), at an even speed.
//!
//! Sources: EBU Tech 3205-E (1979), §3.3 (integration time 10 ± 2 ms: the burst of 5 kHz that reads 2 dB below
//! it held) and §3.10 (return), as quoted from it; the tables of both types as Wikipedia ("Peak programme meter")
//! and the BBC's test signals give them. IEC 60268-10 itself was not at hand: its tolerances are not verified, and
//! ours of ±0.5 dB is the smallest one that is quoted for any of these bursts.
//!
//! The digital one (IEC 60268-18) shows every sample at once and falls by 20 dB in 1.7 s: delay below 150 ms,
//! integration below 5 ms, return 1.7 ± 0.3 s are quoted from secondary sources.

use super::decibels;
use super::records::Records;
use super::rectifier::Rectifier;
use crate::dsp::Frames;

/// Over the alignment level: the permitted maximum level (EBU R 68), dB.
const PERMITTED_MAXIMUM: f64 = 9.0;
/// BBC: dB from mark to mark, and the mark of the alignment level.
const MARK_DB: f64 = 4.0;
const ALIGNMENT_MARK: f64 = 4.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PpmType {
    /// DIN, Nordic: dB below the permitted maximum level, 9 dB over the reference.
    I,
    /// BBC: marks 1 to 7, 4 dB apart, the reference at 4.
    IIa,
    /// EBU: dB about the reference ("TEST").
    IIb,
    /// Sample peaks in dBFS.
    Digital,
}

/// Times to 63 % of two stores that charge while the signal is above them, the weight of the first, and the
/// fall in dB a second.
struct Ballistics {
    charge_ms: [f64; 2],
    weight: f64,
    fall: f64,
}

impl PpmType {
    fn ballistics(self) -> Ballistics {
        match self {
            PpmType::I => {
                Ballistics { charge_ms: [0.056_131_63, 1.516_721_56], weight: 0.033_399_52, fall: 20.0 / 1.7 }
            }
            PpmType::IIa | PpmType::IIb => {
                Ballistics { charge_ms: [1.642_818_43, 20.614_219_81], weight: 0.819_282_7, fall: 24.0 / 2.8 }
            }
            PpmType::Digital => Ballistics { charge_ms: [0.0, 0.0], weight: 1.0, fall: 20.0 / 1.7 },
        }
    }

    /// What its scale shows for a steady sine of so many dBFS.
    pub fn reading(self, level_dbfs: f64, reference_dbfs: f64) -> f64 {
        let over = level_dbfs - reference_dbfs;
        match self {
            PpmType::I => over - PERMITTED_MAXIMUM,
            PpmType::IIa => ALIGNMENT_MARK + over / MARK_DB,
            PpmType::IIb => over,
            PpmType::Digital => level_dbfs,
        }
    }
}

/// Factors a point.
#[derive(Clone, Copy, Debug)]
struct Rates {
    charge: [f64; 2],
    weights: [f64; 2],
    fall: f64,
}

#[derive(Clone, Debug, Default)]
struct Channel {
    stores: [f64; 2],
    highest: Records,
}

#[derive(Clone, Debug)]
pub struct PpmMeter {
    kind: PpmType,
    reference_dbfs: f64,
    /// The digital one has none.
    rectifier: Option<Rectifier>,
    rates: Rates,
    channels: Vec<Channel>,
}

impl PpmMeter {
    pub fn new(rate: u32, channels: usize, kind: PpmType, reference_dbfs: f64) -> Self {
        let rectifier = (kind != PpmType::Digital).then(|| Rectifier::new(rate, channels));
        let points = f64::from(rate.max(1)) * rectifier.as_ref().map_or(1, Rectifier::factor) as f64;
        let b = kind.ballistics();
        let charge = |ms: f64| if ms > 0.0 { 1.0 - libm::exp(-1000.0 / (ms * points)) } else { 1.0 };
        let mut rates = Rates {
            charge: b.charge_ms.map(charge),
            weights: [b.weight, 1.0 - b.weight],
            fall: libm::pow(10.0, -b.fall / 20.0 / points),
        };
        if rectifier.is_some() {
            // A steady tone of 1 kHz shall read its peak; the stores rest a little below it.
            let gain = 1.0 / steady(&rates, points);
            rates.weights = rates.weights.map(|w| w * gain);
        }
        PpmMeter { kind, reference_dbfs, rectifier, rates, channels: vec![Channel::default(); channels] }
    }

    /// The needles lie at rest, and maxima are forgotten.
    pub fn reset(&mut self) {
        if let Some(r) = &mut self.rectifier {
            r.reset();
        }
        self.channels.iter_mut().for_each(|c| *c = Channel::default());
    }

    /// Nothing is known of what was missed: the needles begin anew. Maxima stay.
    pub fn gap(&mut self) {
        if let Some(r) = &mut self.rectifier {
            r.reset();
        }
        self.channels.iter_mut().for_each(|c| c.stores = [0.0; 2]);
    }

    /// One quantum of every channel at `moment`, which never falls.
    pub fn process(&mut self, audio: &[Frames], moment: u64) {
        for (n, (c, x)) in self.channels.iter_mut().zip(audio).enumerate() {
            let highest = match &mut self.rectifier {
                Some(r) => run(&self.rates, &mut c.stores, r.process(n, x)),
                None => run(&self.rates, &mut c.stores, &x.map(f64::abs)),
            };
            if c.stores[0].max(c.stores[1]) < 1e-30 {
                c.stores = [0.0; 2];
            }
            c.highest.push(moment, highest);
        }
    }

    /// Where the needle stands in dBFS of a sine's peak.
    pub fn level(&self, channel: usize) -> f64 {
        decibels(shown(&self.rates, &self.channels[channel].stores))
    }

    /// The highest it stood after a moment; lower than [`PpmMeter::level`] only if nothing came since.
    pub fn highest(&self, channel: usize, since: u64) -> f64 {
        decibels(self.channels[channel].highest.since(since))
    }

    /// A level in dBFS on the meter's own scale.
    pub fn reading(&self, level_dbfs: f64) -> f64 {
        self.kind.reading(level_dbfs, self.reference_dbfs)
    }

    pub fn kind(&self) -> PpmType {
        self.kind
    }
}

fn shown(rates: &Rates, stores: &[f64; 2]) -> f64 {
    rates.weights[0] * stores[0] + rates.weights[1] * stores[1]
}

/// Lets the stores follow the magnitudes; the highest that the needle shows.
fn run(rates: &Rates, stores: &mut [f64; 2], magnitudes: &[f64]) -> f64 {
    let (mut highest, [mut a, mut b]) = (0.0, *stores);
    for m in magnitudes {
        let (over_a, over_b) = (m - a * rates.fall, m - b * rates.fall);
        a = a * rates.fall + rates.charge[0] * if over_a > 0.0 { over_a } else { 0.0 };
        b = b * rates.fall + rates.charge[1] * if over_b > 0.0 { over_b } else { 0.0 };
        let now = shown(rates, &[a, b]);
        highest = if now > highest { now } else { highest };
    }
    *stores = [a, b];
    highest
}

/// What a tone of 1 kHz and amplitude 1 reads in the end.
fn steady(rates: &Rates, points: f64) -> f64 {
    let step = 2.0 * std::f64::consts::PI * 1000.0 / points;
    let (mut stores, mut highest) = ([0.0; 2], 0.0);
    // Whole periods of 1 kHz at every usual rate: a tenth of a second, five times.
    let tenth: Vec<f64> = (0..(points / 10.0) as usize).map(|n| libm::sin(step * n as f64).abs()).collect();
    (0..5).for_each(|_| highest = run(rates, &mut stores, &tenth));
    highest
}
