// SPDX-License-Identifier: MIT OR Apache-2.0
//! A response as a drawing: SVG that needs nothing else, frequency on a logarithmic axis, level in dB.

use std::fmt::Write;

use super::axes::{escaped, frequencies, multiples, step};
use crate::client::v1::GetResponseResponse;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 480.0;
/// Room for the labels: left, top, right, bottom.
const ROOM: (f64, f64, f64, f64) = (56.0, 40.0, 16.0, 44.0);
/// One colour a curve; readable on white, also for those who do not see red and green.
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#7a5c00"];
/// Lowest level drawn, in dB under the highest.
const DEEPEST: f64 = 96.0;

/// The axes: frequency in Hz and level in dB to points.
struct Plane {
    hz: (f64, f64),
    db: (f64, f64),
}

impl Plane {
    fn x(&self, hz: f64) -> f64 {
        let share = (hz.max(1.0) / self.hz.0).ln() / (self.hz.1 / self.hz.0).ln();
        ROOM.0 + share * (WIDTH - ROOM.0 - ROOM.2)
    }

    fn y(&self, db: f64) -> f64 {
        let share = (self.db.1 - db.clamp(self.db.0, self.db.1)) / (self.db.1 - self.db.0);
        ROOM.1 + share * (HEIGHT - ROOM.1 - ROOM.3)
    }
}

/// The whole drawing. `title` stands above it.
pub fn draw(title: &str, r: &GetResponseResponse) -> String {
    let levels = || r.curves.iter().flat_map(|c| &c.level_db).copied().filter(|v| v.is_finite());
    let high = levels().fold(0.0, f64::max);
    let low = levels().fold(0.0, f64::min).max(high - DEEPEST);
    // Steps of the level axis that give 4 to 12 lines.
    let step = step(high - low, 10.0, &[0.5, 1.0, 3.0, 6.0, 12.0, 24.0]);
    let db = (((low / step).floor() - 0.5) * step, ((high / step).ceil() + 0.5) * step);
    let first = r.frequencies_hz.first().copied().unwrap_or(20.0).max(1.0);
    let last = r.frequencies_hz.last().copied().unwrap_or(20_000.0).max(first * 1.01);
    let p = Plane { hz: (first, last), db };
    let mut s = String::new();
    let (left, right) = (ROOM.0, WIDTH - ROOM.2);
    let (top, bottom) = (ROOM.1, HEIGHT - ROOM.3);
    let _ = write!(
        s,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">
<title>{title}</title>
<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>
<text x="{left}" y="24" font-size="15">{title}</text>
"##,
        title = escaped(title)
    );
    for level in multiples(db.0, db.1, step) {
        let (y, color) = (p.y(level), if level == 0.0 { "#888" } else { "#ddd" });
        let _ = writeln!(
            s,
            r##"<path d="M{left} {y:.1}H{right}" stroke="{color}"/><text x="{:.0}" y="{:.1}" text-anchor="end">{level}</text>"##,
            left - 6.0,
            y + 4.0
        );
    }
    for (hz, label) in frequencies(first, last) {
        let (x, color) = (p.x(hz), if label.is_some() { "#ccc" } else { "#eee" });
        let _ = writeln!(s, r##"<path d="M{x:.1} {top}V{bottom}" stroke="{color}"/>"##);
        if let Some(label) = label {
            let _ = writeln!(
                s,
                r##"<text x="{x:.1}" y="{:.0}" text-anchor="middle">{label}</text>"##,
                bottom + 18.0
            );
        }
    }
    let _ = writeln!(
        s,
        r##"<text x="{:.0}" y="{:.0}" text-anchor="end">Hz</text><text x="12" y="{:.0}">dB</text>"##,
        right,
        HEIGHT - 8.0,
        top + 4.0
    );
    for (k, c) in r.curves.iter().enumerate() {
        let color = COLORS[k % COLORS.len()];
        let points: Vec<String> = r
            .frequencies_hz
            .iter()
            .zip(&c.level_db)
            .map(|(hz, level)| format!("{:.2},{:.2}", p.x(*hz), p.y(*level)))
            .collect();
        // Later curves are dashed, so that equal ones show both.
        let dash = if k == 0 { String::new() } else { format!(r#" stroke-dasharray="{} 6""#, 10 - k.min(6)) };
        let _ = writeln!(
            s,
            r##"<polyline points="{}" fill="none" stroke="{color}" stroke-width="2"{dash}/>"##,
            points.join(" ")
        );
        let _ = writeln!(
            s,
            r##"<text x="{:.0}" y="24" fill="{color}" text-anchor="end">{}</text>"##,
            right - 48.0 * (r.curves.len() - 1 - k) as f64,
            escaped(&c.name)
        );
    }
    s + "</svg>\n"
}
