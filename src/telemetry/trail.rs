// SPDX-License-Identifier: MIT OR Apache-2.0
//! A slot's gain reduction over time: the deepest of every hundredth of a second, for those who draw it.

use std::time::Duration;

/// The time that one value stands for.
pub(super) const CELL: Duration = Duration::from_millis(10);
/// Most values of one frame: 10 s.
pub(super) const LONGEST: usize = 1000;

/// What has gathered since it was taken last.
pub(super) struct Trail {
    cells: Vec<f32>,
    /// The one being filled.
    cell: u64,
    deepest: f32,
}

impl Trail {
    pub fn new(db: f64, cell: u64) -> Self {
        Trail { cells: Vec::new(), cell, deepest: db as f32 }
    }

    /// A reduction in dB. Cells that nothing was told of in between are as deep as this one.
    pub fn deepen(&mut self, db: f64, cell: u64) {
        let db = db as f32;
        if cell <= self.cell {
            self.deepest = self.deepest.max(db);
            return;
        }
        self.cells.push(self.deepest);
        let missed = ((cell - self.cell - 1) as usize).min(LONGEST);
        self.cells.extend(std::iter::repeat_n(db, missed));
        let over = self.cells.len().saturating_sub(LONGEST);
        self.cells.drain(..over);
        (self.cell, self.deepest) = (cell, db);
    }

    /// The full ones, oldest first.
    pub fn take(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_deepest_and_none_is_told_twice() {
        let mut t = Trail::new(1.0, 5);
        t.deepen(3.0, 5);
        t.deepen(2.0, 6);
        assert_eq!(t.take(), [3.0]);
        t.deepen(4.0, 9);
        assert_eq!(t.take(), [2.0, 4.0, 4.0], "what was not told of is as deep as the next");
        t.deepen(0.0, 5_000);
        assert_eq!(t.take().len(), LONGEST);
    }
}
