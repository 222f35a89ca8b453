// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is drawn of one file. Long programmes are joined to columns, whose extremes stay to be seen.

use std::fmt::Write;

use lathe_core::analysis::density::SIDE;

use super::detail::Stereo;
use super::figures::number;
use super::run::{HISTOGRAM_LU, Measured};
use super::svg::{Axis, Plot, nothing};

/// Most columns of a drawing over time.
const COLUMNS: usize = 700;
/// LU of a drawing of loudness, and dB of one of true peaks, at most and at least.
const LOUDNESS_SPAN: (f64, f64) = (18.0, 48.0);
const PEAK_SPAN: f64 = 24.0;
/// dB of a drawing of the spectrum, at most.
const SPECTRUM_SPAN: f64 = 84.0;
const LEVEL_STEPS: [f64; 6] = [1.0, 2.0, 3.0, 6.0, 12.0, 24.0];

/// Smallest and largest of what is known in a column, and its middle in seconds.
fn column(values: &[Option<f64>], n: usize, size: usize) -> Option<(f64, f64, f64)> {
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let middle = (n * size) as f64 + (values.len() + 1) as f64 / 2.0;
    known().next().map(|_| (middle / 10.0, low, high))
}

/// A value every 100 ms as at most [`COLUMNS`] columns.
fn columns(values: &[Option<f64>]) -> Vec<Option<(f64, f64, f64)>> {
    let size = values.len().div_ceil(COLUMNS).max(1);
    values.chunks(size).enumerate().map(|(n, of)| column(of, n, size)).collect()
}

/// A line through columns: up to the largest and down to the smallest of each.
fn through(columns: &[Option<(f64, f64, f64)>]) -> Vec<Option<(f64, f64)>> {
    let both = |c: &Option<(f64, f64, f64)>| match c {
        None => vec![None],
        Some((x, low, high)) if low == high => vec![Some((*x, *low))],
        Some((x, low, high)) => vec![Some((*x, *high)), Some((*x, *low))],
    };
    columns.iter().flat_map(both).collect()
}

/// Loudness over time.
pub fn loudness(m: &Measured) -> String {
    let title = "Loudness over time";
    let of = |f: fn(&lathe_core::analysis::dynamics::Point) -> Option<f64>| -> Vec<Option<f64>> {
        m.series.iter().map(f).collect()
    };
    let (momentary, short_term) = (of(|p| p.momentary), of(|p| p.short_term));
    let heard = || momentary.iter().chain(&short_term).flatten().copied().filter(|v| v.is_finite());
    let high = heard().fold(f64::NEG_INFINITY, f64::max);
    if !high.is_finite() {
        return nothing(title, "wide", "Nothing was heard for 400 ms or more.");
    }
    let top = (high / 3.0).ceil() * 3.0;
    let low = short_term.iter().flatten().copied().filter(|v| v.is_finite()).fold(high, f64::min);
    let bottom = (low.clamp(top - LOUDNESS_SPAN.1, top - LOUDNESS_SPAN.0) / 3.0).floor() * 3.0;
    let y = Axis::linear(bottom, top, 8.0, &LEVEL_STEPS);
    let mut p = Plot::new(title, "LUFS", Axis::time(m.seconds()), y);
    p.key("a", "fill", "momentary");
    p.area("a", columns(&momentary));
    if short_term.iter().any(Option::is_some) {
        p.key("b", "line", "short-term");
        p.line("b", through(&columns(&short_term)));
    }
    if let Some(i) = m.figures.loudness.integrated {
        p.key("c", "line", "integrated so far");
        p.line("c", through(&columns(&m.so_far)));
        p.key("c", "dash", &format!("integrated {i:.1}"));
        p.level("c", i);
    }
    p.html("wide")
}

/// The true peak of every 100 ms.
pub fn true_peak(m: &Measured) -> String {
    let title = "True peak over time";
    let high = m.figures.true_peak;
    if !high.is_finite() {
        return nothing(title, "", "The file is silent.");
    }
    let top = ((high + 0.5) / 3.0).ceil() * 3.0;
    let mut p = Plot::new(
        title,
        "dBTP",
        Axis::time(m.seconds()),
        Axis::linear(top - PEAK_SPAN, top, 8.0, &LEVEL_STEPS),
    );
    let peaks: Vec<Option<f64>> = m.series.iter().map(|p| Some(p.true_peak)).collect();
    let bottom = p.y().from();
    p.area("a", columns(&peaks).into_iter().map(|c| c.map(|(x, _, high)| (x, bottom, high))));
    p.key("d", "dash", "0 dBTP");
    p.level("d", 0.0);
    p.html("")
}

/// The long-term average spectrum with the range in which it moves.
pub fn spectrum(m: &Measured) -> String {
    let title = "Spectrum";
    let Some(s) = m.detail.as_ref().and_then(|d| d.spectrum.as_ref()) else {
        return nothing(title, "", "The analyser is not made for this sample rate.");
    };
    let levels = || s.mean.iter().chain(s.percentiles.iter().flatten()).map(|v| f64::from(*v));
    let high = levels().filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let [p10, p50, p90] = &s.percentiles;
    let (Some(first), Some(last), true) = (s.hz.first(), s.hz.last(), high.is_finite()) else {
        return nothing(title, "", "The file is too short or too quiet: no window of 0.3 s is above -70 LUFS.");
    };
    let top = (high / 6.0).ceil() * 6.0;
    let low = levels().filter(|v| v.is_finite()).fold(high, f64::min);
    let bottom = (low.clamp(top - SPECTRUM_SPAN, top - 24.0) / 6.0).floor() * 6.0;
    let x = Axis::frequency(first.min(20.0), last.max(2000.0));
    let mut p = Plot::new(title, "dBFS in 1/6 octave, Hz", x, Axis::linear(bottom, top, 8.0, &LEVEL_STEPS));
    // −∞ lies at the bottom edge.
    let at = |of: &[f32], n: usize| f64::from(of[n]).max(bottom);
    p.key("a", "fill", "10 to 90 % of the time");
    p.area("a", (0..s.hz.len()).map(|n| Some((s.hz[n], at(p10, n), at(p90, n)))));
    for (class, name, of) in [("b", "median", p50), ("c", "mean", &s.mean)] {
        p.key(class, "line", name);
        p.line(class, (0..s.hz.len()).map(|n| Some((s.hz[n], at(of, n)))));
    }
    p.html("")
}

/// How long the programme was how loud.
pub fn histogram(m: &Measured) -> String {
    let title = "Loudness histogram";
    let all: u64 = m.blocks.iter().sum();
    let (Some(first), Some(last), true) =
        (m.blocks.iter().position(|n| *n > 0), m.blocks.iter().rposition(|n| *n > 0), all > 0)
    else {
        return nothing(title, "", "No block of 400 ms is above -70 LUFS.");
    };
    let edge = |n: usize| -70.0 + HISTOGRAM_LU * n as f64;
    let share = |counts: &[u64], n: usize| {
        let sum = counts.iter().sum::<u64>().max(1) as f64;
        100.0 * counts.get(n).copied().unwrap_or(0) as f64 / sum
    };
    // At least 6 LU, so that a steady tone is not a wall.
    let (low, high) = ((edge(first) - 1.0).floor(), (edge(last + 1) + 1.0).ceil());
    let wider = ((6.0 - (high - low)) / 2.0).max(0.0).ceil();
    let x = Axis::linear(low - wider, high + wider, 10.0, &[1.0, 2.0, 5.0, 10.0, 20.0]);
    let most = (first..=last).map(|n| share(&m.blocks, n).max(share(&m.short_terms, n))).fold(0.0, f64::max);
    let y = Axis::linear(0.0, 1.05 * most, 5.0, &[0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
    let mut p = Plot::new(title, "% of the time at LUFS, steps of 0.5 LU", x, y);
    p.key("a", "fill", "momentary");
    p.bars("a", (first..=last).map(|n| (edge(n), edge(n + 1), share(&m.blocks, n))));
    if m.short_terms.iter().any(|n| *n > 0) {
        p.key("b", "line", "short-term");
        let step = |n: usize| {
            let v = share(&m.short_terms, n);
            [Some((edge(n), v)), Some((edge(n + 1), v))]
        };
        p.line("b", (first..=last).flat_map(step));
    }
    if let Some(i) = m.figures.loudness.integrated {
        p.key("c", "dash", &format!("integrated {i:.1}"));
        p.upright("c", i);
    }
    p.html("")
}

/// Correlation of the first pair over time.
pub fn correlation(m: &Measured, s: &Stereo) -> String {
    let title = "Correlation over time";
    let known: Vec<Option<f64>> =
        s.correlation.iter().map(|c| (!c.is_nan()).then_some(f64::from(*c))).collect();
    if known.iter().all(Option::is_none) {
        return nothing(title, "", "At no time were both channels heard.");
    }
    let y = Axis::linear(-1.0, 1.0, 8.0, &[0.5]);
    let mut p = Plot::new(title, "-1 opposite, +1 equal, 300 ms", Axis::time(m.seconds()), y);
    p.level("d", 0.0);
    p.area("a", columns(&known));
    p.html("")
}

/// Correlation of the octaves.
pub fn octaves(s: &Stereo) -> String {
    let title = "Correlation by octaves";
    if s.octaves.is_empty() {
        return nothing(title, "", "In no octave were both channels heard.");
    }
    let y = Axis::linear(-1.0, 1.0, 8.0, &[0.5]);
    let mut p = Plot::new(title, "300 ms, Hz", Axis::frequency(20.0, 20_000.0), y);
    p.level("d", 0.0);
    p.key("a", "fill", "lowest to mean");
    p.area("a", s.octaves.iter().map(|o| Some((o.hz, o.lowest, o.mean))));
    p.key("b", "line", "mean");
    p.line("b", s.octaves.iter().map(|o| Some((o.hz, o.mean))));
    p.html("")
}

/// Cells of the goniometer from edge to edge, at zooms up to 4.
const CELLS: usize = 96;
/// Shades of its cells.
const SHADES: usize = 6;

/// Where the first pair was, and how often.
pub fn goniometer(s: &Stereo, left: &str, right: &str) -> String {
    let title = "Goniometer";
    let extent = s.density.extent();
    if extent == 0.0 {
        return nothing(title, "", "Both channels are silent.");
    }
    // The smallest of these squares that holds every sample.
    let zoom = [8, 4, 2].into_iter().find(|z| extent * *z as f64 <= 1.0).unwrap_or(1);
    let picture = s.density.picture(zoom, (SIDE / CELLS / zoom).max(1));
    let (size, most) = (picture.len(), picture.iter().flatten().copied().max().unwrap_or(1));
    let mut shades = vec![String::new(); SHADES];
    for (row, cells) in picture.iter().rev().enumerate() {
        let mut column = 0;
        while column < size {
            let shade = shade(cells[column], most);
            let run = cells[column..].iter().take_while(|n| self::shade(**n, most) == shade).count();
            if let Some(path) = shade.and_then(|s| shades.get_mut(s)) {
                let _ = write!(path, "M{column} {row}h{run}v1h-{run}z");
            }
            column += run;
        }
    }
    let mut cells = String::new();
    for (n, path) in shades.iter().enumerate().filter(|(_, p)| !p.is_empty()) {
        let opacity = 0.25 + 0.75 * n as f64 / (SHADES - 1) as f64;
        let _ = writeln!(cells, r#"<path class="cell" opacity="{opacity:.2}" d="{path}"/>"#);
    }
    let (level, middle) = (number(Some(-20.0 * (zoom as f64).log10()), 0), size as f64 / 2.0);
    // Full scale of one channel: half the sum and half the difference make 1.
    let scale = zoom as f64 * middle;
    let diamond = format!(
        "M{middle} {}L{} {middle}L{middle} {}L{} {middle}Z",
        middle - scale,
        middle + scale,
        middle + scale,
        middle - scale
    );
    let (left, right) = (crate::cli::axes::escaped(left), crate::cli::axes::escaped(right));
    format!(
        "<figure>\n<figcaption><b>{title}</b> <i>edge at {level} dBFS; the more often, the darker, by logarithm</i></figcaption>\n\
         <div class=\"square\"><svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{title}\">\n\
         <path class=\"grid\" d=\"M0 0L{size} {size}M{size} 0L0 {size}M0 {middle}H{size}M{middle} 0V{size}\"/>\n\
         <path class=\"d line\" d=\"{diamond}\"/>\n{cells}</svg>\
         <span class=\"nw\">{left}</span><span class=\"ne\">{right}</span><span class=\"n\">+M</span><span class=\"e\">S</span></div>\n</figure>\n"
    )
}

/// Shade of a cell by the logarithm of its count; `None` for an empty one.
fn shade(count: u64, most: u64) -> Option<usize> {
    let share = (1.0 + count as f64).ln() / (1.0 + most as f64).ln();
    (count > 0).then(|| ((share * SHADES as f64) as usize).min(SHADES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_the_extremes() {
        let mut values: Vec<Option<f64>> = (0..10_000).map(|n| Some(-30.0 + f64::from(n % 7))).collect();
        values[5000] = Some(-3.0);
        values[6000] = Some(-60.0);
        values[..100].fill(None);
        let all = columns(&values);
        assert!(all.len() <= COLUMNS && all[0].is_none());
        let ends = all.iter().flatten().fold((0.0f64, -99.0f64), |(l, h), c| (l.min(c.1), h.max(c.2)));
        assert_eq!(ends, (-60.0, -3.0));
        assert!(through(&all).iter().flatten().any(|p| p.1 == -3.0));
        let few = columns(&[Some(1.0), None, Some(2.0)]);
        assert_eq!(few, [Some((0.1, 1.0, 1.0)), None, Some((0.3, 2.0, 2.0))]);
    }

    #[test]
    fn shades_grow_with_the_count() {
        assert_eq!(shade(0, 9), None);
        assert!(shade(1, 100_000) < shade(1000, 100_000));
        assert_eq!((shade(5, 5), shade(1, 1)), (Some(SHADES - 1), Some(SHADES - 1)));
    }
}
