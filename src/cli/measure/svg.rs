// SPDX-License-Identifier: MIT OR Apache-2.0
//! One drawing of the page: an SVG that stretches to any width, and labels around it that do not.
//!
//! The drawing is 1000 by 1000 units whatever its size on the page; lines keep their width
//! (`non-scaling-stroke`), labels are HTML placed in percent. So one page serves a telephone and a wide screen.

use std::fmt::Write;

use crate::cli::axes::{escaped, frequencies, multiples, step};

/// Units of the drawing, both ways.
const UNITS: f64 = 1000.0;

/// One line of an axis; a label may be left out, or only stand where there is room.
struct Line {
    at: f64,
    label: Option<String>,
    minor: bool,
}

/// From a quantity to its place.
pub struct Axis {
    from: f64,
    to: f64,
    logarithmic: bool,
    lines: Vec<Line>,
}

impl Axis {
    /// With lines at multiples of the first of these steps that leaves at most `most` parts.
    pub fn linear(from: f64, to: f64, most: f64, steps: &[f64]) -> Axis {
        let step = step(to - from, most, steps);
        let decimals = usize::from(step.fract() != 0.0);
        let line = |v: f64| Line { at: v, label: Some(format!("{v:.decimals$}")), minor: false };
        let lines = multiples(from, to, step).into_iter().map(line).collect();
        Axis { from, to, logarithmic: false, lines }
    }

    /// Seconds from 0 on.
    pub fn time(to: f64) -> Axis {
        const STEPS: [f64; 17] = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0,
        ];
        let to = to.max(0.1);
        let step = step(to, 12.0, &STEPS).max(to / 12.0);
        let label = |v: f64| super::figures::time(v, u32::from(step < 1.0));
        let line = |(n, v): (usize, f64)| Line { at: v, label: Some(label(v)), minor: n % 2 == 1 };
        let lines = multiples(0.0, to, step).into_iter().enumerate().map(line).collect();
        Axis { from: 0.0, to, logarithmic: false, lines }
    }

    /// Hz.
    pub fn frequency(from: f64, to: f64) -> Axis {
        let line = |(at, label): (f64, Option<String>)| Line { at, label, minor: false };
        Axis { from, to, logarithmic: true, lines: frequencies(from, to).into_iter().map(line).collect() }
    }

    pub fn from(&self) -> f64 {
        self.from
    }

    pub fn to(&self) -> f64 {
        self.to
    }

    /// 0 … 1; what lies outside is put at the end.
    fn share(&self, v: f64) -> f64 {
        let v = v.clamp(self.from, self.to);
        match self.logarithmic {
            true => (v / self.from).ln() / (self.to / self.from).ln(),
            false => (v - self.from) / (self.to - self.from),
        }
    }
}

/// A drawing on two axes. A class names a colour of the style sheet: `a`, `b`, `c`, `d`.
pub struct Plot {
    title: &'static str,
    unit: &'static str,
    x: Axis,
    y: Axis,
    shapes: String,
    keys: String,
}

impl Plot {
    /// `unit` is said beside the title.
    pub fn new(title: &'static str, unit: &'static str, x: Axis, y: Axis) -> Plot {
        Plot { title, unit, x, y, shapes: String::new(), keys: String::new() }
    }

    pub fn y(&self) -> &Axis {
        &self.y
    }

    fn point(&self, x: f64, y: f64) -> (f64, f64) {
        (UNITS * self.x.share(x), UNITS * (1.0 - self.y.share(y)))
    }

    /// Explains a colour; `kind` is `line`, `dash` or `fill`.
    pub fn key(&mut self, class: &str, kind: &str, text: &str) {
        let _ = write!(self.keys, r#"<span class="key {class} {kind}">{}</span>"#, escaped(text));
    }

    /// A line through points; `None` breaks it.
    pub fn line(&mut self, class: &str, points: impl IntoIterator<Item = Option<(f64, f64)>>) {
        let (mut path, mut pen) = (String::new(), 'M');
        for p in points {
            let Some((x, y)) = p else {
                pen = 'M';
                continue;
            };
            let (x, y) = self.point(x, y);
            let _ = write!(path, "{pen}{x:.1} {y:.1}");
            pen = 'L';
        }
        if !path.is_empty() {
            let _ = writeln!(self.shapes, r#"<path class="{class} line" d="{path}"/>"#);
        }
    }

    /// What lies between two lines: (x, low, high); `None` breaks it.
    pub fn area(&mut self, class: &str, points: impl IntoIterator<Item = Option<(f64, f64, f64)>>) {
        let mut path = String::new();
        let mut run: Vec<(f64, f64, f64)> = Vec::new();
        for p in points.into_iter().chain([None]) {
            match p {
                Some(p) => run.push(p),
                None => {
                    let up = run.iter().map(|(x, _, high)| (*x, *high));
                    let back = run.iter().rev().map(|(x, low, _)| (*x, *low));
                    for (n, (x, y)) in up.chain(back).enumerate() {
                        let (x, y) = self.point(x, y);
                        let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
                    }
                    path.push_str(if run.is_empty() { "" } else { "Z" });
                    run.clear();
                }
            }
        }
        if !path.is_empty() {
            let _ = writeln!(self.shapes, r#"<path class="{class} area" d="{path}"/>"#);
        }
    }

    /// Bars from the bottom: (from, to, height).
    pub fn bars(&mut self, class: &str, bars: impl IntoIterator<Item = (f64, f64, f64)>) {
        let mut path = String::new();
        for (from, to, height) in bars {
            let ((x0, y), (x1, _)) = (self.point(from, height), self.point(to, height));
            let _ = write!(path, "M{x0:.1} {UNITS}V{y:.1}H{x1:.1}V{UNITS}Z");
        }
        if !path.is_empty() {
            let _ = writeln!(self.shapes, r#"<path class="{class} bar" d="{path}"/>"#);
        }
    }

    /// A level line across the whole width.
    pub fn level(&mut self, class: &str, y: f64) {
        if (self.y.from..=self.y.to).contains(&y) {
            let y = self.point(self.x.from, y).1;
            let _ = writeln!(self.shapes, r#"<path class="{class} dash" d="M0 {y:.1}H{UNITS}"/>"#);
        }
    }

    /// An upright line through the whole height.
    pub fn upright(&mut self, class: &str, x: f64) {
        if (self.x.from..=self.x.to).contains(&x) {
            let x = self.point(x, self.y.from).0;
            let _ = writeln!(self.shapes, r#"<path class="{class} dash" d="M{x:.1} 0V{UNITS}"/>"#);
        }
    }

    /// The whole figure; `class` may make it wide.
    pub fn html(&self, class: &str) -> String {
        let mut grid = String::new();
        let mut labels = String::new();
        for l in &self.y.lines {
            let share = 1.0 - self.y.share(l.at);
            let _ = write!(grid, r#"<path class="grid" d="M0 {:.1}H{UNITS}"/>"#, UNITS * share);
            if let Some(label) = &l.label {
                let _ = write!(labels, r#"<span class="y" style="top:{:.2}%">{label}</span>"#, 100.0 * share);
            }
        }
        for l in &self.x.lines {
            let share = self.x.share(l.at);
            let faint = if l.label.is_some() { "grid" } else { "grid faint" };
            let _ = write!(grid, r#"<path class="{faint}" d="M{:.1} 0V{UNITS}"/>"#, UNITS * share);
            if let Some(label) = &l.label {
                let minor = if l.minor { "x minor" } else { "x" };
                let _ = write!(labels, r#"<span class="{minor}" style="left:{:.2}%">{label}</span>"#, 100.0 * share);
            }
        }
        let (title, unit) = (escaped(self.title), escaped(self.unit));
        format!(
            "<figure class=\"{class}\">\n<figcaption><b>{title}</b> <i>{unit}</i> {keys}</figcaption>\n<div class=\"frame\">\
             <svg viewBox=\"0 0 {UNITS} {UNITS}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{title}, {unit}\">\n\
             {grid}\n{shapes}</svg>{labels}</div>\n</figure>\n",
            keys = self.keys,
            shapes = self.shapes,
        )
    }
}

/// A figure that has nothing to draw, and why.
pub fn nothing(title: &str, class: &str, why: &str) -> String {
    format!(
        "<figure class=\"{class}\">\n<figcaption><b>{}</b></figcaption>\n<p class=\"none\">{}</p>\n</figure>\n",
        escaped(title),
        escaped(why)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_stand_where_the_axes_say() {
        let y = Axis::linear(-60.0, 0.0, 6.0, &[3.0, 6.0, 12.0]);
        let mut p = Plot::new("Level", "dB", Axis::frequency(10.0, 1000.0), y);
        p.line("a", [Some((10.0, -60.0)), Some((100.0, -30.0)), None, Some((5000.0, 6.0))]);
        p.area("b", [Some((10.0, -60.0, 0.0)), Some((1000.0, -60.0, 0.0))]);
        p.level("c", 3.0);
        p.key("a", "line", "a < b");
        let html = p.html("wide");
        // What lies outside is put at the edge; a level outside is not drawn.
        assert!(html.contains(r#"d="M0.0 1000.0L500.0 500.0M1000.0 0.0""#), "{html}");
        assert!(html.contains(r#"d="M0.0 0.0L1000.0 0.0L1000.0 1000.0L0.0 1000.0Z""#), "{html}");
        assert!(!html.contains("dash") && html.contains("a &lt; b"), "{html}");
        assert!(html.contains(r#"<span class="y" style="top:20.00%">-12</span>"#), "{html}");
        assert!(html.contains(r#"<span class="x" style="left:50.00%">100</span>"#), "{html}");
    }

    #[test]
    fn time_has_few_labels_however_long_it_is() {
        for (seconds, last) in [(0.4, "0:00.4"), (65.0, "1:00"), (3600.0, "1:00:00"), (1e6, "277:46:40")] {
            let axis = Axis::time(seconds);
            let labels: Vec<&str> = axis.lines.iter().filter_map(|l| l.label.as_deref()).collect();
            assert!((4..=13).contains(&labels.len()) && labels.last() == Some(&last), "{seconds}: {labels:?}");
        }
    }
}
