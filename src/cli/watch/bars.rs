// SPDX-License-Identifier: MIT OR Apache-2.0
//! Level bars that lie, to an eighth of a cell, and the ticks below them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::ink::Ink;
use super::scale::Law;

/// A cell filled by so many eighths from the left.
const EIGHTHS: [&str; 8] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
const FULL: &str = "█";
const PALE: &str = "▒";
const MARK: &str = "┃";
const TICK: &str = "╎";

/// One bar: what it shows, in the unit of its law.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    pub law: Law,
    /// Where the solid part ends.
    pub body: f64,
    /// Where the pale part behind it ends.
    pub tail: f64,
    /// A mark that is held.
    pub mark: Option<f64>,
    /// Values with a tick in the empty part.
    pub ticks: &'a [(f64, &'a str)],
}

/// The cell of a place from 0 to 1.
pub fn cell(place: f64, width: u16) -> u16 {
    ((place * f64::from(width)).floor() as u16).min(width.saturating_sub(1))
}

impl Bar<'_> {
    /// Draws it in every row of the area; `style` is asked with the place of each cell, 0 to 1.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, ink: Ink, style: impl Fn(f64) -> Style) {
        let width = area.width;
        let eighths = |v: f64| (self.law.place(v) * f64::from(width) * 8.0).round() as u32;
        let (body, tail) = (eighths(self.body), eighths(self.tail));
        let pale = tail.div_ceil(8).max(body / 8);
        let mark = self.mark.filter(|m| self.law.place(*m) > 0.0).map(|m| {
            let place = self.law.place(m) * f64::from(width);
            ((place - 1e-9).ceil() as u16).clamp(1, width.max(1)) - 1
        });
        let ticks: Vec<u16> = self.ticks.iter().map(|(v, _)| cell(self.law.place(*v), width)).collect();
        for column in 0..width {
            let filled = body.saturating_sub(u32::from(column) * 8).min(8) as usize;
            let is_pale = tail > body && u32::from(column) < pale;
            let colour = style((f64::from(column) + 0.5) / f64::from(width));
            let (symbol, style) = match filled {
                8 => (FULL, colour),
                _ if mark == Some(column) => (MARK, colour),
                4.. if is_pale => (FULL, colour),
                _ if is_pale => (PALE, colour),
                1.. => (EIGHTHS[filled], colour),
                _ if ticks.contains(&column) => (TICK, ink.dim()),
                _ => (" ", Style::new()),
            };
            for row in 0..area.height {
                put(buffer, area.x + column, area.y + row, symbol, style);
            }
        }
    }
}

/// Labels along a row, the first ones first; what would touch another is left out.
pub fn labels<'a>(
    buffer: &mut Buffer,
    area: Rect,
    wanted: impl Iterator<Item = (u16, &'a str)>,
    style: Style,
) {
    let mut taken: Vec<(u16, u16)> = Vec::new();
    for (column, label) in wanted {
        let length = label.chars().count() as u16;
        if length > area.width || area.height == 0 {
            continue;
        }
        let begin = column.saturating_sub(length / 2).min(area.width - length);
        let end = begin + length;
        if taken.iter().all(|(b, e)| end < *b || begin > *e) {
            taken.push((begin, end));
            for (n, c) in label.chars().enumerate() {
                put(buffer, area.x + begin + n as u16, area.y, c.encode_utf8(&mut [0; 4]), style);
            }
        }
    }
}

/// The ticks of a law below its bars.
pub fn axis(buffer: &mut Buffer, area: Rect, law: Law, ticks: &[(f64, &str)], ink: Ink) {
    let wanted = ticks.iter().map(|(v, label)| (cell(law.place(*v), area.width), *label));
    labels(buffer, area, wanted, ink.dim());
}

/// One cell, if it is on the screen.
pub fn put(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, style: Style) {
    if let Some(c) = buffer.cell_mut((x, y)) {
        c.set_symbol(symbol).set_style(style);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scale::named;
    use super::*;

    fn row(bar: &Bar, width: u16) -> String {
        let area = Rect::new(0, 0, width, 1);
        let mut buffer = Buffer::empty(area);
        bar.draw(&mut buffer, area, Ink::default(), |_| Style::new());
        buffer.content.iter().map(|c| c.symbol()).collect()
    }

    fn bar(body: f64, tail: f64, mark: Option<f64>) -> Bar<'static> {
        Bar { law: named("dbfs").unwrap().law, body, tail, mark, ticks: &[] }
    }

    #[test]
    fn a_bar_ends_where_the_scale_says() {
        // −6 dBFS is at 85 %: 34 of 40 cells.
        assert_eq!(row(&bar(-6.0, -6.0, None), 40), "█".repeat(34) + &" ".repeat(6));
        // −20 at half; −10 at 75 %, the mark in the last cell before it.
        assert_eq!(
            row(&bar(-20.0, -10.0, Some(-4.0)), 20),
            format!("{}{}  ┃  ", "█".repeat(10), "▒".repeat(5))[..]
        );
        // An eighth of a cell is 0.5 % of 25 cells, 0.2 dB.
        assert_eq!(row(&bar(-19.8, -19.8, None), 25), "█".repeat(12) + "▋" + &" ".repeat(12));
        assert_eq!(row(&bar(f64::NEG_INFINITY, f64::NEG_INFINITY, Some(f64::NEG_INFINITY)), 5), "     ");
        assert_eq!(row(&bar(3.0, 6.0, Some(6.0)), 5), "█████");
        assert_eq!(row(&bar(f64::NAN, f64::NAN, None), 5), "     ");
    }

    #[test]
    fn labels_stand_at_their_cells_and_never_touch() {
        let dbfs = named("dbfs").unwrap();
        for width in 1..200 {
            let area = Rect::new(0, 0, width, 1);
            let mut buffer = Buffer::empty(area);
            axis(&mut buffer, area, dbfs.law, dbfs.ticks, Ink::default());
            let text: String = buffer.content.iter().map(|c| c.symbol()).collect();
            for word in text.split_whitespace() {
                assert!(dbfs.ticks.iter().any(|(_, l)| *l == word), "{width}: {text}");
            }
            if width >= 40 {
                let at = text.find("-20").unwrap() as i32 + 1;
                assert!((at - i32::from(width) / 2).abs() <= 1, "{width}: -20 is at half: {text}");
            }
        }
    }
}
