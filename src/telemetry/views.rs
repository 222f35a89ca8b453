// SPDX-License-Identifier: MIT OR Apache-2.0
//! What one can look at besides levels: spectra, bands, rows, transfers, pairs of channels. What they are asked
//! for, what they cost, and what they show.

use lathe_core::analysis::long_term::{LongTerm, LongTermReadings, LongTermSettings};
use lathe_core::analysis::octaves::{OctaveAnalyser, OctaveSettings};
use lathe_core::analysis::octaves_meter::{OctaveMeter, OctaveMeterReadings, OctaveMeterSettings};
use lathe_core::analysis::scope::{Scope, ScopeReader, ScopeReadings, ScopeSettings};
use lathe_core::analysis::spectrogram::{Row, Spectrogram, SpectrogramSettings};
use lathe_core::analysis::spectrum::{SpectrumAnalyser, SpectrumReadings, SpectrumSettings};
use lathe_core::analysis::spectrum_multi::{MultiAnalyser, MultiSettings};
use lathe_core::analysis::spectrum_settings::Refused;
use lathe_core::analysis::stereo_field::{StereoField, StereoReadings, StereoSettings};
use lathe_core::analysis::transfer::{TransferAnalyser, TransferReadings, TransferSettings};
use lathe_core::analysis::wiring::{WiringMeter, WiringReadings, WiringSettings};
use lathe_core::dsp::{Frames, QUANTUM};

/// An instrument with its settings. Equal ones on equal taps are shared.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    Lines(SpectrumSettings),
    Octaves(MultiSettings),
    Bands(OctaveSettings),
    FilterBands(OctaveMeterSettings),
    LongTerm(LongTermSettings),
    Spectrogram(SpectrogramSettings),
    /// The first channels are those of the reference's tap.
    Transfer(TransferSettings),
    /// Which channel of the reference's tap each one resembles.
    Wiring(WiringSettings),
    /// Points and the relation of a pair.
    Pair(ScopeSettings, StereoSettings),
}

/// What somebody watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// Readings a second, 1 … 60.
    pub hz: f64,
    /// As in [`Want::taps`](super::Want).
    pub tap: String,
    /// The tap that a transfer begins at, or that wiring is compared with.
    pub reference: Option<String>,
    pub view: View,
}

impl View {
    /// It compares its tap with another one.
    pub fn compares(&self) -> bool {
        matches!(self, View::Transfer(_) | View::Wiring(_))
    }
}

impl Watch {
    /// True if one instrument serves both.
    pub(super) fn same(&self, other: &Watch) -> bool {
        self.tap == other.tap && self.reference == other.reference && self.view == other.view
    }

    /// Its taps, the reference's first.
    pub fn taps(&self) -> impl Iterator<Item = &String> {
        self.reference.iter().chain([&self.tap])
    }
}

/// What an instrument shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    Spectrum(SpectrumReadings),
    Bands(OctaveMeterReadings),
    LongTerm(LongTermReadings),
    Rows { hz: Vec<f64>, rows: Vec<Row> },
    Transfer(TransferReadings),
    Wiring(WiringReadings),
    Pair(ScopeReadings, StereoReadings),
}

/// One look.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Counts the looks of this feed, from 1.
    pub sequence: u64,
    /// Looks that were merged into this one because the reader was late.
    pub missed: u64,
    /// Frames that the engine had processed.
    pub engine_frame: u64,
    /// Someone can hear it. If not, there is no sight.
    pub audible: bool,
    /// `None`: the slot is not there, or nobody can hear it.
    pub sight: Option<Sight>,
    /// Frames that no reading has seen, since the last look.
    pub frames_missed: u64,
}

/// What all instruments together may cost, in nanoseconds for a frame at 48 kHz: a quarter of a core.
pub const BUDGET_NS: f64 = 5_200.0;

/// What all comparisons of taps together may keep, in bytes. Sixteen channels at 192 kHz keep about 150 MB.
pub const MEMORY: f64 = 256.0 * 1024.0 * 1024.0;

impl View {
    /// Frames by which the reference is delayed, of a comparison.
    pub fn delay(&self) -> Option<usize> {
        match self {
            View::Transfer(s) => Some(s.delay),
            View::Wiring(s) => Some(s.delay),
            _ => None,
        }
    }

    /// About what a comparison keeps, in bytes: the reader chooses its delay, and every delay is another one. The
    /// others are bounded by the analysis budget alone.
    pub fn bytes(&self, rate: u32) -> f64 {
        match self {
            // The delay; rings, windows, transforms and averages of both.
            View::Transfer(s) => 8.0 * s.delay as f64 + 128.0 * s.shape.size as f64,
            // The delays, which grow by doubling, and the sums over ten seconds of quanta.
            View::Wiring(s) => {
                let (n, quanta) = (s.channels as f64, 10.0 * f64::from(rate) / QUANTUM as f64);
                16.0 * n * s.delay as f64 + 16.0 * n * (n + 2.0) * quanta
            }
            _ => 0.0,
        }
    }

    /// About what it costs, in nanoseconds for a frame at 48 kHz, fitted to what each kind took in a release build on
    /// one core of a small server.
    pub fn cost_ns(&self) -> f64 {
        /// Of one signal: a transform of n points every n/overlap samples.
        fn transforms(size: usize, overlap: usize) -> f64 {
            overlap as f64 * (0.65 * f64::from(size.max(1024).ilog2()) - 2.75)
        }
        // Three resolutions on a grid of octaves.
        let grid = |size, overlap| 1.4 * transforms(size, overlap) + 10.0;
        match self {
            View::Lines(s) => s.sources.len() as f64 * transforms(s.shape.size, s.shape.overlap),
            View::Octaves(s) => s.sources.len() as f64 * grid(s.shape.size, s.shape.overlap),
            View::Bands(s) => s.sources.len() as f64 * grid(s.shape.size, s.shape.overlap),
            View::FilterBands(s) => s.sources.len() as f64 * 15.0 * s.fraction as f64,
            View::LongTerm(s) => s.sources.len() as f64 * transforms(s.shape.size, s.shape.overlap),
            View::Spectrogram(s) => s.sources.len() as f64 * (transforms(s.size, 8) + 20.0),
            View::Transfer(s) => 2.0 * transforms(s.shape.size, s.shape.overlap),
            // Every channel with every one of the other tap and itself.
            View::Wiring(s) => (s.channels * (s.channels + 2)) as f64 + 4.0 * s.channels as f64,
            View::Pair(_, s) => 8.0 + 62.0 * s.fraction as f64,
        }
    }

    /// Makes it for a tap, or a pair of taps, of so many channels.
    pub(super) fn build(&self, rate: u32, channels: usize) -> Result<Running, Refused> {
        Ok(match self {
            View::Lines(s) => Running::Lines(Box::new(SpectrumAnalyser::new(rate, channels, s)?)),
            View::Octaves(s) => Running::Octaves(Box::new(MultiAnalyser::new(rate, channels, s)?)),
            View::Bands(s) => Running::Bands(Box::new(OctaveAnalyser::new(rate, channels, s)?)),
            View::FilterBands(s) => Running::FilterBands(Box::new(OctaveMeter::new(rate, channels, s)?)),
            View::LongTerm(s) => Running::LongTerm(Box::new(LongTerm::new(rate, channels, s)?)),
            View::Spectrogram(s) => Running::Spectrogram(Box::new(Spectrogram::new(rate, channels, s)?)),
            View::Transfer(s) => Running::Transfer(Box::new(TransferAnalyser::new(rate, channels, s)?)),
            View::Wiring(s) => Running::Wiring(Box::new(WiringMeter::new(rate, channels, s)?)),
            View::Pair(s, f) => Running::Pair(
                Box::new(Scope::new(rate, channels, s)?),
                Box::new(StereoField::new(rate, channels, f)?),
            ),
        })
    }
}

/// One that runs.
pub(super) enum Running {
    Lines(Box<SpectrumAnalyser>),
    Octaves(Box<MultiAnalyser>),
    Bands(Box<OctaveAnalyser>),
    FilterBands(Box<OctaveMeter>),
    LongTerm(Box<LongTerm>),
    Spectrogram(Box<Spectrogram>),
    Transfer(Box<TransferAnalyser>),
    Wiring(Box<WiringMeter>),
    Pair(Box<Scope>, Box<StereoField>),
}

/// Where one reader is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    scope: Option<ScopeReader>,
    row: u64,
    missed: u64,
}

impl Running {
    pub fn process(&mut self, audio: &[Frames]) {
        match self {
            Running::Lines(i) => i.process(audio),
            Running::Octaves(i) => i.process(audio),
            Running::Bands(i) => i.process(audio),
            Running::FilterBands(i) => i.process(audio),
            Running::LongTerm(i) => i.process(audio),
            Running::Spectrogram(i) => i.process(audio),
            Running::Transfer(i) => i.process(audio),
            Running::Wiring(i) => i.process(audio),
            Running::Pair(scope, field) => {
                scope.process(audio);
                field.process(audio);
            }
        }
    }

    pub fn gap(&mut self, frames: u64) {
        match self {
            Running::Lines(i) => i.gap(frames),
            Running::Octaves(i) => i.gap(frames),
            Running::Bands(i) => i.gap(frames),
            Running::FilterBands(i) => i.gap(frames),
            Running::LongTerm(i) => i.gap(frames),
            Running::Spectrogram(i) => i.gap(frames),
            Running::Transfer(i) => i.gap(frames),
            Running::Wiring(i) => i.gap(frames),
            Running::Pair(scope, field) => {
                scope.gap(frames);
                field.gap(frames);
            }
        }
    }

    /// Begins averages and held levels anew.
    pub fn reset(&mut self) {
        match self {
            Running::Lines(i) => i.reset(),
            Running::Octaves(i) => i.reset(),
            Running::Bands(i) => i.reset(),
            Running::FilterBands(i) => i.reset(),
            Running::LongTerm(i) => i.reset(),
            Running::Spectrogram(_) => {}
            Running::Transfer(i) => i.reset(),
            Running::Wiring(i) => i.reset(),
            Running::Pair(scope, field) => {
                scope.reset();
                field.reset();
            }
        }
    }

    /// A reader that begins now; so many frames were missed before.
    pub fn place(&self, missed: u64) -> Place {
        match self {
            Running::Spectrogram(i) => Place { row: i.next_row(), missed, ..Place::default() },
            Running::Pair(scope, _) => {
                Place { scope: Some(ScopeReader::new(scope)), missed, ..Place::default() }
            }
            _ => Place { missed, ..Place::default() },
        }
    }

    /// What there is to see from a reader's place on; so many frames were missed until now.
    pub fn look(&self, place: &mut Place, missed: u64) -> (Sight, u64) {
        let since = missed.saturating_sub(place.missed);
        place.missed = missed;
        let sight = match self {
            Running::Lines(i) => Sight::Spectrum(i.read()),
            Running::Octaves(i) => Sight::Spectrum(i.read()),
            Running::Bands(i) => Sight::Spectrum(i.read()),
            Running::FilterBands(i) => Sight::Bands(i.read()),
            Running::LongTerm(i) => Sight::LongTerm(i.read()),
            Running::Spectrogram(i) => {
                let rows = i.rows_from(place.row).cloned().collect();
                place.row = i.next_row();
                Sight::Rows { hz: i.hz().to_vec(), rows }
            }
            Running::Transfer(i) => Sight::Transfer(i.read()),
            Running::Wiring(i) => Sight::Wiring(i.read()),
            Running::Pair(scope, field) => {
                let reader = place.scope.get_or_insert_with(|| ScopeReader::new(scope));
                Sight::Pair(scope.read(reader), field.read())
            }
        };
        (sight, since)
    }
}
