// SPDX-License-Identifier: MIT OR Apache-2.0
//! Levels over frequency of the tap that is looked at: thirds of an octave as blocks, or a line of braille dots.
//! Of several channels the highest is shown at each frequency.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bars::{labels, put};
use super::dots::Dots;
use super::state::State;
use super::view::{pieces, title};
use crate::cli::remote::safe;
use crate::client::v1::watch_spectrum_request::{Analysis, FilterBands, Octaves};
use crate::client::v1::{Averaging, WatchSpectrumRequest, WatchSpectrumResponse};

/// What is drawn, in dBFS of a sine, and in Hz of a line.
const TOP: f64 = 0.0;
const FLOOR: f64 = -90.0;
const LOWEST_HZ: f64 = 20.0;
const HIGHEST_HZ: f64 = 20_000.0;
/// Bands below are not shown.
const FIRST_BAND_HZ: f64 = 19.0;
/// Columns of the dB scale.
const SCALE: u16 = 4;
/// Points an octave of the line.
const POINTS: u32 = 24;
const LOWER: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The most needed first.
const LABELS: [(f64, &str); 10] = [
    (1_000.0, "1k"),
    (100.0, "100"),
    (10_000.0, "10k"),
    (20.0, "20"),
    (20_000.0, "20k"),
    (50.0, "50"),
    (200.0, "200"),
    (500.0, "500"),
    (2_000.0, "2k"),
    (5_000.0, "5k"),
];

/// Which instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Thirds of an octave through filters of class 1, time weighting fast.
    #[default]
    Thirds,
    /// A line from a transform of three resolutions.
    Line,
}

impl Kind {
    pub fn other(self) -> Self {
        match self {
            Kind::Thirds => Kind::Line,
            Kind::Line => Kind::Thirds,
        }
    }

    fn about(self) -> &'static str {
        match self {
            Kind::Thirds => "1/3 octave, fast, dBFS",
            Kind::Line => "lines, fast, dBFS of a sine",
        }
    }

    /// What to ask the daemon for.
    pub fn request(self, tap: &str, hz: f64) -> WatchSpectrumRequest {
        let fast = Averaging::Fast as i32;
        let analysis = match self {
            Kind::Thirds => Analysis::FilterBands(FilterBands { fraction: 3, weighting: fast }),
            Kind::Line => {
                Analysis::Octaves(Octaves { averaging: fast, points: POINTS, ..Octaves::default() })
            }
        };
        WatchSpectrumRequest { hz, tap: tap.to_string(), analysis: Some(analysis), ..Default::default() }
    }
}

/// One point of what is shown: frequency, level, and the highest level.
type Point = (f64, f64, f64);

/// The highest of all channels; what is not known or silent is far below.
fn points(s: &WatchSpectrumResponse) -> Vec<Point> {
    let highest = |of: &dyn Fn(usize) -> Option<f32>| {
        let known = (0..s.traces.len()).filter_map(of).filter(|v| !v.is_nan());
        known.fold(f64::NEG_INFINITY, |top, v| top.max(f64::from(v)))
    };
    let each = s.frequencies.iter().enumerate();
    each.map(|(n, hz)| {
        let level = highest(&|t: usize| s.traces[t].level.get(n).copied());
        let hold = highest(&|t: usize| s.traces[t].hold.get(n).copied());
        (*hz, level, hold)
    })
    .collect()
}

/// 0 at the floor, 1 at the top.
fn height(db: f64) -> f64 {
    ((db - FLOOR) / (TOP - FLOOR)).clamp(0.0, 1.0)
}

/// 0 at 20 Hz, 1 at 20 kHz.
fn across(hz: f64) -> f64 {
    (hz / LOWEST_HZ).ln() / (HIGHEST_HZ / LOWEST_HZ).ln()
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let inside = title(buffer, area, state, &format!("spectrum {}", safe(state.tap())), state.kind.about());
    if inside.height < 3 || inside.width <= SCALE + 4 {
        return;
    }
    let graph =
        Rect { x: inside.x + SCALE, width: inside.width - SCALE, height: inside.height - 1, ..inside };
    levels(buffer, Rect { width: SCALE, height: graph.height, ..inside }, state);
    let below = Rect { y: inside.y + graph.height, height: 1, ..graph };
    let Some(s) = &state.spectrum else {
        let why = state.spectrum_refused.as_deref().unwrap_or("waiting …");
        pieces(buffer, graph, &[(safe(why).chars().take(graph.width.into()).collect(), state.ink.dim())]);
        return;
    };
    let points = points(s);
    let places = match state.kind {
        Kind::Thirds => thirds(buffer, graph, state, &points),
        Kind::Line => line(buffer, graph, state, &points),
    };
    labels(buffer, below, places.into_iter(), state.ink.dim());
}

/// The dB scale: every 10, 20 or 30 dB, at least two rows from each other.
fn levels(buffer: &mut Buffer, area: Rect, state: &State) {
    let rows = f64::from(area.height);
    let step = [10.0, 20.0, 30.0].into_iter().find(|s| rows * s / (TOP - FLOOR) >= 2.0).unwrap_or(30.0);
    let mut db = TOP;
    while db > FLOOR {
        let row = (((1.0 - height(db)) * rows) as u16).min(area.height - 1);
        pieces(
            buffer,
            Rect { y: area.y + row, height: 1, ..area },
            &[(format!("{db:>3.0}"), state.ink.dim())],
        );
        db -= step;
    }
}

/// Blocks, each as wide as there is room; returns where frequencies stand.
fn thirds(buffer: &mut Buffer, area: Rect, state: &State, points: &[Point]) -> Vec<(u16, &'static str)> {
    let bands: Vec<&Point> = points.iter().filter(|p| p.0 >= FIRST_BAND_HZ).collect();
    if bands.is_empty() {
        return Vec::new();
    }
    // All columns are used: some bands are a column wider; where there are too few, neighbours share one.
    let column = |n: usize| (n * usize::from(area.width) / bands.len()) as u16;
    let apart = u16::from(usize::from(area.width) / bands.len() > 2);
    let end = |n: usize| (column(n + 1) - apart).max(column(n) + 1);
    let mut tops = vec![(0, 0); usize::from(area.width)];
    let eighths = |db: f64| (height(db) * f64::from(area.height) * 8.0).round() as u32;
    for (n, (_, level, hold)) in bands.iter().enumerate() {
        for x in column(n)..end(n) {
            let top: &mut (u32, u32) = &mut tops[usize::from(x)];
            *top = (top.0.max(eighths(*level)), top.1.max(eighths(*hold)));
        }
    }
    for (x, (level, hold)) in tops.into_iter().enumerate() {
        for row in 0..area.height {
            let filled = level.saturating_sub(u32::from(row) * 8).min(8) as usize;
            let held = hold > 0 && (hold - 1) / 8 == u32::from(row);
            let (symbol, style) = match filled {
                0 if held => ("─", state.ink.dim()),
                0 => continue,
                _ => (LOWER[filled], state.ink.good()),
            };
            put(buffer, area.x + x as u16, area.y + area.height - 1 - row, symbol, style);
        }
    }
    let near = |hz: f64| {
        let off = |n: &usize| (bands[*n].0 / hz).ln().abs();
        (0..bands.len()).min_by(|a, b| off(a).total_cmp(&off(b))).filter(|n| off(n) < 0.1)
    };
    let middle = |n: usize| column(n) + (end(n) - column(n)) / 2;
    LABELS.iter().filter_map(|(hz, label)| Some((middle(near(*hz)?), *label))).collect()
}

/// A line of dots; returns where frequencies stand.
fn line(buffer: &mut Buffer, area: Rect, state: &State, points: &[Point]) -> Vec<(u16, &'static str)> {
    let mut dots = Dots::new(area);
    let (width, tall) = dots.size();
    let hz = |x: f64| LOWEST_HZ * (HIGHEST_HZ / LOWEST_HZ).powf(x / f64::from(width));
    let mut last = None;
    for x in 0..width {
        let (from, to) = (hz(f64::from(x)), hz(f64::from(x) + 1.0));
        let Some(level) = between(points, from, to) else { continue };
        let y = ((1.0 - height(level)) * f64::from(tall - 1)).round() as i32;
        dots.upright(x, last.unwrap_or(y), y);
        last = Some(y);
    }
    dots.draw(buffer, area, state.ink.good());
    let column = |hz: f64| ((across(hz) * f64::from(area.width)) as u16).min(area.width - 1);
    LABELS.iter().map(|(hz, label)| (column(*hz), *label)).collect()
}

/// The highest level from one frequency to another, or on the line between the points around them.
fn between(points: &[Point], from: f64, to: f64) -> Option<f64> {
    let begin = points.partition_point(|p| p.0 < from);
    let end = points.partition_point(|p| p.0 < to);
    if begin < end {
        return points[begin..end].iter().map(|p| p.1).reduce(f64::max);
    }
    let (a, b) = (points.get(begin.checked_sub(1)?)?, points.get(begin)?);
    let share = (from / a.0).ln() / (b.0 / a.0).ln();
    let low = |v: f64| v.max(FLOOR);
    Some(low(a.1) + share * (low(b.1) - low(a.1)))
}
