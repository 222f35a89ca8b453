// SPDX-License-Identifier: MIT OR Apache-2.0
//! What each slot takes off: from 0 on the left, wide in the first decibels.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bars::{Bar, axis};
use super::scale::Law;
use super::state::State;
use super::view::{pieces, title};
use crate::cli::remote::safe;

const LAW: Law = Law::Points(&[(0.0, 0.0), (3.0, 30.0), (6.0, 50.0), (10.0, 70.0), (20.0, 100.0)]);
const TICKS: [(f64, &str); 6] =
    [(3.0, "3"), (10.0, "10"), (6.0, "6"), (1.0, "1"), (20.0, "20"), (15.0, "15")];
const BEFORE: u16 = 19;
const AFTER: u16 = 9;

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let (Some(m), true) = (&state.meters, area.height > 0) else { return };
    let inside = title(buffer, area, state, "gain reduction", "dB");
    let bar_area =
        |row: Rect| Rect { x: row.x + BEFORE, width: row.width.saturating_sub(BEFORE + AFTER), ..row };
    if inside.width > BEFORE + AFTER {
        // On the title's own rule, behind its words.
        axis(buffer, bar_area(Rect { height: 1, ..area }), LAW, &TICKS, state.ink);
    }
    let rows = inside.rows().zip(m.slots.iter().zip(&state.reductions));
    for (row, (slot, held)) in rows {
        pieces(buffer, row, &[(format!("{:>18.18} ", safe(&slot.slot)), state.ink.plain())]);
        let gr = slot.gain_reduction;
        let bar = Bar { law: LAW, body: gr, tail: gr, mark: Some(held.value), ticks: &TICKS };
        let area = bar_area(row);
        bar.draw(buffer, area, state.ink, |_| state.ink.reduction());
        let after = Rect { x: area.x + area.width, width: AFTER, ..row };
        pieces(buffer, after, &[(format!(" {:>5.1} dB", held.value.max(0.0)), state.ink.plain())]);
    }
}
