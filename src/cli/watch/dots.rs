// SPDX-License-Identifier: MIT OR Apache-2.0
//! A canvas of braille dots, two by four in a cell: nearly square on most terminals.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::bars::put;

/// The bit of a dot in its cell, by row and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Dots, the first one at the upper left.
pub struct Dots {
    width: u16,
    height: u16,
    cells: Vec<u8>,
}

impl Dots {
    pub fn new(area: Rect) -> Self {
        let (width, height) = (area.width, area.height);
        Dots { width, height, cells: vec![0; usize::from(width) * usize::from(height)] }
    }

    /// Dots across, and down.
    pub fn size(&self) -> (i32, i32) {
        (i32::from(self.width) * 2, i32::from(self.height) * 4)
    }

    /// One dot; outside there are none.
    pub fn set(&mut self, x: i32, y: i32) {
        let (w, h) = self.size();
        if (0..w).contains(&x) && (0..h).contains(&y) {
            let cell = (y / 4) as usize * usize::from(self.width) + (x / 2) as usize;
            self.cells[cell] |= BITS[(y % 4) as usize][(x % 2) as usize];
        }
    }

    /// A column of them.
    pub fn upright(&mut self, x: i32, from: i32, to: i32) {
        (from.min(to)..=from.max(to)).for_each(|y| self.set(x, y));
    }

    /// Draws the cells that have dots; what else stands there stays.
    pub fn draw(&self, buffer: &mut Buffer, area: Rect, style: Style) {
        for (n, bits) in self.cells.iter().enumerate().filter(|(_, bits)| **bits != 0) {
            let (column, row) = (n % usize::from(self.width), n / usize::from(self.width));
            let glyph = char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ');
            let (x, y) = (area.x + column as u16, area.y + row as u16);
            put(buffer, x, y, glyph.encode_utf8(&mut [0; 4]), style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_where_they_were_put() {
        let area = Rect::new(0, 0, 2, 1);
        let mut dots = Dots::new(area);
        dots.set(0, 0);
        dots.set(1, 3);
        dots.upright(2, 3, 0);
        dots.set(-1, 0);
        dots.set(4, 4);
        let mut buffer = Buffer::empty(area);
        dots.draw(&mut buffer, area, Style::new());
        assert_eq!(buffer.content.iter().map(|c| c.symbol()).collect::<String>(), "⢁⡇");
    }
}
