// SPDX-License-Identifier: MIT OR Apache-2.0
//! The goniometer of a whole programme: how often a pair of channels was where.
//!
//! Every sample counts in a square of cells over half the difference and half the sum, so that what both channels
//! have stands upright and what only one has lies along a diagonal. Memory is constant: 576 kB. A live display
//! wants [`scope`](super::scope) instead.

/// Cells from one edge to the other.
pub const SIDE: usize = 384;
/// A sample below −100 dBFS in both channels is no place but silence.
const SILENT: f64 = 1e-5;

/// Cells from (−1, −1) to (+1, +1); what lies outside is counted at the edge.
#[derive(Clone, Debug)]
pub struct Density {
    cells: Vec<u32>,
    extent: f64,
}

impl Default for Density {
    fn default() -> Self {
        Density { cells: vec![0; SIDE * SIDE], extent: 0.0 }
    }
}

impl Density {
    /// Samples of the left and of the right channel. What is no number is left out.
    pub fn add(&mut self, left: &[f64], right: &[f64]) {
        for (l, r) in left.iter().zip(right) {
            let (x, y) = (0.5 * (r - l), 0.5 * (l + r));
            let largest = x.abs().max(y.abs());
            if !largest.is_finite() || largest < SILENT {
                continue;
            }
            self.extent = self.extent.max(largest);
            let cell = &mut self.cells[place(y) * SIDE + place(x)];
            *cell = cell.saturating_add(1);
        }
    }

    /// Largest half sum or half difference so far; 0 for silence.
    pub fn extent(&self) -> f64 {
        self.extent
    }

    /// The part within ±1/`zoom` of the middle, `joined` by `joined` cells as one: `SIDE / zoom / joined` rows of as
    /// many. Rows from the bottom (−) to the top, each from left alone (−) to right alone (+).
    pub fn picture(&self, zoom: usize, joined: usize) -> Vec<Vec<u64>> {
        let (zoom, joined) = (zoom.clamp(1, SIDE), joined.clamp(1, SIDE));
        let width = (SIDE / zoom / joined).max(1);
        let first = (SIDE - width * joined) / 2;
        let cell = |row: usize, column: usize| -> u64 {
            let rows = first + row * joined..first + (row + 1) * joined;
            let start = first + column * joined;
            rows.flat_map(|r| &self.cells[r * SIDE + start..][..joined]).map(|n| u64::from(*n)).sum()
        };
        (0..width).map(|row| (0..width).map(|column| cell(row, column)).collect()).collect()
    }
}

fn place(v: f64) -> usize {
    // Negative ones become 0.
    (((v + 1.0) * 0.5 * SIDE as f64) as usize).min(SIDE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(picture: &[Vec<u64>]) -> Vec<(usize, usize, u64)> {
        let cells = picture.iter().enumerate().flat_map(|(r, row)| {
            row.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(c, n)| (r, c, *n))
        });
        cells.collect()
    }

    #[test]
    fn what_is_equal_stands_upright_and_one_channel_lies_along_a_diagonal() {
        let mut d = Density::default();
        let ramp: Vec<f64> = (1..=1000).map(|n| f64::from(n) / 1000.0 - 1e-9).collect();
        d.add(&ramp, &ramp);
        for (row, column, _) in filled(&d.picture(1, 4)) {
            assert!(column == 48 && row >= 48, "row {row}, column {column}");
        }
        let mut d = Density::default();
        d.add(&ramp, &vec![0.0; 1000]);
        for (row, column, _) in filled(&d.picture(1, 4)) {
            assert!(row + column == 95 && row >= 48, "row {row}, column {column}");
        }
        assert!((d.extent() - 0.5).abs() < 1e-6);
    }

    #[test]
    fn every_sample_is_in_one_cell_and_far_ones_at_the_edge() {
        let mut d = Density::default();
        d.add(&[0.9, 3.0, -3.0, f64::NAN, 0.0, 1e-9], &[0.1, 3.0, -3.0, 0.5, 0.0, 0.0]);
        let whole = filled(&d.picture(1, 1));
        assert_eq!(whole.iter().map(|c| c.2).sum::<u64>(), 3);
        assert!(whole.iter().any(|c| c.0 == SIDE - 1) && whole.iter().any(|c| c.0 == 0), "{whole:?}");
        let mut d = Density::default();
        d.add(&[0.1; 7], &[0.1; 7]);
        // Within ±1/4: 96 by 96 cells, the point at 0.1 of them 19 above the middle.
        assert_eq!(d.picture(4, 1).len(), 96);
        assert_eq!(filled(&d.picture(4, 1)), [(48 + 19, 48, 7)]);
        assert!(filled(&Density::default().picture(1, 4)).is_empty());
    }
}
