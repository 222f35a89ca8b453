// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a stream of looks is asked for, theirs to ours: pure, no sockets. What was not said takes the
//! instrument's own setting; what is out of range is refused by the instrument.

use lathe_core::analysis::long_term::LongTermSettings;
use lathe_core::analysis::octaves::OctaveSettings;
use lathe_core::analysis::octaves_meter::{OctaveMeterSettings, Weighting};
use lathe_core::analysis::scope::{Axes, ScopeSettings};
use lathe_core::analysis::spectrogram::SpectrogramSettings;
use lathe_core::analysis::spectrum::{Scale, SpectrumSettings};
use lathe_core::analysis::spectrum_frames::Averaging;
use lathe_core::analysis::spectrum_multi::MultiSettings;
use lathe_core::analysis::spectrum_settings::Source;
use lathe_core::analysis::stereo_field::StereoSettings;
use lathe_core::analysis::transfer::TransferSettings;
use lathe_core::analysis::windows::Window;
use lathe_core::analysis::wiring::WiringSettings;

use super::v1;
use super::v1::watch_spectrum_request::{self as ask, Analysis};
use crate::telemetry::{View, Watch};

/// Looks per second if nothing is said.
const SPECTRUM_HZ: f64 = 10.0;
const SCOPE_HZ: f64 = 25.0;

/// A field that is not understood, and why.
pub type Bad = (&'static str, String);

/// Channels at a tap, and frames from one tap to another.
pub trait Places {
    fn channels(&self, tap: &str) -> usize;
    fn delay(&self, from: &str, to: &str) -> Option<usize>;
}

/// The value, or the one in its place where it is 0.
fn or(value: u32, usual: usize) -> usize {
    if value == 0 { usual } else { value as usize }
}

fn source(s: &v1::Signal) -> Source {
    let (left, right) = (s.left as usize, s.right as usize);
    match s.kind() {
        v1::signal::Kind::Unspecified => Source::Channel(left),
        v1::signal::Kind::Mid => Source::Mid(left, right),
        v1::signal::Kind::Side => Source::Side(left, right),
    }
}

/// The same in a list where the channels of another tap come first.
fn behind(source: Source, others: usize) -> Source {
    match source {
        Source::Channel(c) => Source::Channel(c + others),
        Source::Mid(a, b) => Source::Mid(a + others, b + others),
        Source::Side(a, b) => Source::Side(a + others, b + others),
    }
}

fn window(w: v1::Window, usual: Window) -> Window {
    match w {
        v1::Window::Unspecified => usual,
        v1::Window::Hann => Window::Hann,
        v1::Window::BlackmanHarris => Window::BlackmanHarris,
        v1::Window::Kaiser => Window::Kaiser,
        v1::Window::FlatTop => Window::FlatTop,
    }
}

fn averaging(a: v1::Averaging, usual: Averaging) -> Averaging {
    match a {
        v1::Averaging::Unspecified => usual,
        v1::Averaging::Off => Averaging::Off,
        v1::Averaging::Fast => Averaging::Fast,
        v1::Averaging::Slow => Averaging::Slow,
        v1::Averaging::Infinite => Averaging::Infinite,
    }
}

/// A stream of spectra.
///
/// # Errors
/// A time weighting that filters do not have.
pub fn spectrum(request: &v1::WatchSpectrumRequest, places: &dyn Places) -> Result<Watch, Bad> {
    let tap = named(&request.tap, "out");
    let hz = if request.hz == 0.0 { SPECTRUM_HZ } else { request.hz };
    let channels = places.channels(&tap);
    let sources: Vec<Source> = match request.signals.is_empty() {
        true => Source::each(channels),
        false => request.signals.iter().map(source).collect(),
    };
    let mut reference = None;
    let default = Analysis::Octaves(ask::Octaves::default());
    let view = match request.analysis.as_ref().unwrap_or(&default) {
        Analysis::Lines(l) => View::Lines(lines(l, &sources)),
        Analysis::Octaves(o) => View::Octaves(octaves(o, &sources)),
        Analysis::Bands(b) => {
            let usual = OctaveSettings::new(&sources);
            View::Bands(OctaveSettings {
                fraction: or(b.fraction, usual.fraction),
                averaging: averaging(b.averaging(), usual.averaging),
                hold_decay: b.hold_decay.unwrap_or(usual.hold_decay),
                ..usual
            })
        }
        Analysis::FilterBands(b) => {
            let usual = OctaveMeterSettings::new(&sources);
            let weighting = match b.weighting() {
                v1::Averaging::Unspecified => usual.weighting,
                v1::Averaging::Fast => Weighting::Fast,
                v1::Averaging::Slow => Weighting::Slow,
                v1::Averaging::Infinite => Weighting::Equal,
                v1::Averaging::Off => {
                    return Err((
                        "filter_bands.weighting",
                        "off is no time weighting: fast, slow or infinite".into(),
                    ));
                }
            };
            View::FilterBands(OctaveMeterSettings {
                fraction: or(b.fraction, usual.fraction),
                weighting,
                ..usual
            })
        }
        Analysis::LongTerm(l) => {
            let usual = LongTermSettings::new(&sources);
            View::LongTerm(LongTermSettings { fraction: or(l.fraction, usual.fraction), ..usual })
        }
        Analysis::Spectrogram(s) => {
            let usual = SpectrogramSettings::new(&sources);
            View::Spectrogram(SpectrogramSettings {
                size: or(s.size, usual.size),
                points: or(s.points, usual.points),
                rows_hz: if s.rows_hz == 0.0 { usual.rows_hz } else { s.rows_hz },
                ..usual
            })
        }
        Analysis::Transfer(t) => {
            let from = named(&t.reference, "in");
            let others = places.channels(&from);
            let of = t.reference_signal.as_ref().map_or(Source::Channel(0), source);
            let measured = behind(sources.first().copied().unwrap_or(Source::Channel(0)), others);
            let usual = TransferSettings::new(of, measured);
            let delay = t.delay.map(|d| d as usize).or_else(|| places.delay(&from, &tap)).unwrap_or(0);
            let settings = TransferSettings {
                shape: lathe_core::analysis::spectrum_frames::Shape {
                    size: or(t.size, usual.shape.size),
                    ..usual.shape
                },
                averaging: averaging(t.averaging(), usual.averaging),
                fraction: if t.fraction == 0 { usual.fraction } else { Some(t.fraction as usize) },
                delay,
                ..usual
            };
            reference = Some(from);
            View::Transfer(settings)
        }
        Analysis::Wiring(w) => {
            let from = named(&w.reference, "in");
            let delay = w.delay.map(|d| d as usize).or_else(|| places.delay(&from, &tap)).unwrap_or(0);
            reference = Some(from);
            View::Wiring(WiringSettings { channels, delay })
        }
    };
    Ok(Watch { hz, tap, reference, view })
}

fn lines(l: &ask::Lines, sources: &[Source]) -> SpectrumSettings {
    let usual = SpectrumSettings::new(sources);
    let shape = lathe_core::analysis::spectrum_frames::Shape {
        size: or(l.size, usual.shape.size),
        window: window(l.window(), usual.shape.window),
        overlap: or(l.overlap, usual.shape.overlap),
    };
    SpectrumSettings {
        shape,
        averaging: averaging(l.averaging(), usual.averaging),
        scale: if l.density { Scale::Density } else { Scale::Level },
        hold_decay: l.hold_decay.unwrap_or(usual.hold_decay),
        tilt: l.tilt,
        ..usual
    }
}

fn octaves(o: &ask::Octaves, sources: &[Source]) -> MultiSettings {
    let usual = MultiSettings::new(sources);
    let shape = lathe_core::analysis::spectrum_frames::Shape {
        size: or(o.size, usual.shape.size),
        window: window(o.window(), usual.shape.window),
        ..usual.shape
    };
    MultiSettings {
        shape,
        averaging: averaging(o.averaging(), usual.averaging),
        points: or(o.points, usual.points),
        hold_decay: o.hold_decay.unwrap_or(usual.hold_decay),
        tilt: o.tilt,
        ..usual
    }
}

/// A stream of looks at a pair.
pub fn pair(request: &v1::WatchScopeRequest) -> Watch {
    let (left, right) = match (request.left, request.right) {
        (0, 0) => (0, 1),
        (a, b) => (a as usize, b as usize),
    };
    let scope = ScopeSettings::new(left, right);
    let scope = ScopeSettings {
        axes: if request.mid_side { Axes::MidSide } else { Axes::LeftRight },
        points: or(request.points, scope.points),
        ..scope
    };
    let field = StereoSettings::new(left, right);
    let field = StereoSettings {
        window_ms: if request.window_ms == 0.0 { field.window_ms } else { request.window_ms },
        fraction: request.fraction as usize,
        ..field
    };
    let hz = if request.hz == 0.0 { SCOPE_HZ } else { request.hz };
    Watch { hz, tap: named(&request.tap, "out"), reference: None, view: View::Pair(scope, field) }
}

fn named(name: &str, usual: &str) -> String {
    if name.is_empty() { usual.to_string() } else { name.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stereo;

    impl Places for Stereo {
        fn channels(&self, _: &str) -> usize {
            2
        }
        fn delay(&self, _: &str, _: &str) -> Option<usize> {
            Some(146)
        }
    }

    #[test]
    fn what_is_not_said_is_the_instruments_own() {
        let watch = spectrum(&v1::WatchSpectrumRequest::default(), &Stereo).unwrap();
        assert_eq!((watch.hz, watch.tap.as_str(), &watch.reference), (10.0, "out", &None));
        assert_eq!(watch.view, View::Octaves(MultiSettings::new(&Source::each(2))));
    }

    #[test]
    fn a_transfer_counts_its_channels_behind_the_references() {
        let analysis = Some(Analysis::Transfer(ask::Transfer::default()));
        let request = v1::WatchSpectrumRequest { analysis, ..Default::default() };
        let watch = spectrum(&request, &Stereo).unwrap();
        assert_eq!(watch.reference.as_deref(), Some("in"));
        let View::Transfer(t) = watch.view else { panic!("{watch:?}") };
        assert_eq!((t.reference, t.measured, t.delay), (Source::Channel(0), Source::Channel(2), 146));
    }

    #[test]
    fn filters_have_no_weighting_off() {
        let bands = ask::FilterBands { weighting: v1::Averaging::Off as i32, ..Default::default() };
        let request =
            v1::WatchSpectrumRequest { analysis: Some(Analysis::FilterBands(bands)), ..Default::default() };
        assert_eq!(spectrum(&request, &Stereo).unwrap_err().0, "filter_bands.weighting");
    }
}
