// SPDX-License-Identifier: MIT OR Apache-2.0
//! Level bars of every channel of every tap, their figures, lamps and scale.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bars::{Bar, axis};
use super::layout::Panels;
use super::line::level;
use super::scale::Peak;
use super::state::{Channel, Lamp, State};
use super::view::{pieces, title};
use crate::cli::remote::safe;

/// Columns before a bar and after it: name; now, highest, lamp.
const BEFORE: u16 = 5;
const AFTER: u16 = 19;

/// The part of a row that is the bar.
fn bar_area(row: Rect) -> Rect {
    Rect { x: row.x + BEFORE.min(row.width), width: row.width.saturating_sub(BEFORE + AFTER), ..row }
}

/// Rows from the top of the panel, as many as there are.
struct Rows {
    area: Rect,
}

impl Rows {
    fn next(&mut self, height: u16) -> Option<Rect> {
        let height = height.min(self.area.height);
        let row = Rect { height, ..self.area };
        self.area = Rect { y: self.area.y + height, height: self.area.height - height, ..self.area };
        (height > 0).then_some(row)
    }
}

pub fn draw(buffer: &mut Buffer, panels: &Panels, state: &State) {
    let Some(m) = &state.meters else { return };
    let mut rows = Rows { area: panels.levels };
    for (tap, bars) in m.taps.iter().zip(&state.bars) {
        let Some(row) = rows.next(1) else { return };
        title(buffer, row, state, &safe(&tap.tap), state.scale.title);
        heads(buffer, row, state);
        for (n, channel) in bars.iter().enumerate() {
            let Some(row) = rows.next(panels.thick) else { return };
            let name = state.rack.channels.get(n).cloned().unwrap_or_else(|| (n + 1).to_string());
            one(buffer, row, state, &safe(&name), channel);
        }
        let Some(row) = rows.next(1) else { return };
        axis(buffer, bar_area(row), state.scale.law, state.scale.ticks, state.ink);
    }
}

/// What the figures behind the bars are.
fn heads(buffer: &mut Buffer, row: Rect, state: &State) {
    let bar = bar_area(row);
    if bar.width > 20 {
        let area = Rect { x: bar.x + bar.width, width: AFTER, ..row };
        let first = if state.scale.peak == Peak::None { "now" } else { "held" };
        pieces(buffer, area, &[(format!(" {first:>6}    max "), state.ink.dim())]);
    }
}

fn one(buffer: &mut Buffer, row: Rect, state: &State, name: &str, c: &Channel) {
    let (scale, ink) = (state.scale, state.ink);
    let middle = Rect { y: row.y + (row.height - 1) / 2, height: 1, ..row };
    pieces(buffer, middle, &[(format!("{name:>4.4} "), ink.plain())]);
    let mark = match scale.peak {
        Peak::None => None,
        _ => Some(c.mark.value),
    };
    let bar = Bar { law: scale.law, body: c.body, tail: c.tail, mark, ticks: scale.ticks };
    let (warm, hot) = (scale.law.place(scale.warm), scale.law.place(scale.hot));
    bar.draw(buffer, bar_area(row), ink, |place| match place {
        p if p >= hot => ink.hot(),
        p if p >= warm => ink.warm(),
        _ => ink.good(),
    });
    let now = match scale.peak {
        Peak::None => c.body,
        _ => c.mark.value,
    };
    let lamp = match c.lamp {
        Lamp::Off => ("    ", ink.plain()),
        Lamp::Over => ("OVER", ink.alarm()),
        Lamp::Clip => ("CLIP", ink.alarm()),
    };
    let bar = bar_area(middle);
    let after =
        Rect { x: bar.x + bar.width, width: (row.x + row.width).saturating_sub(bar.x + bar.width), ..middle };
    let hottest = match scale.peak {
        Peak::True => c.highest > 0.0,
        Peak::Sample(up) => c.highest >= up,
        _ => c.highest > scale.hot,
    };
    pieces(
        buffer,
        after,
        &[
            (format!(" {:>6}", level(now)), ink.plain()),
            (format!(" {:>6} ", level(c.highest)), ink.beyond(hottest)),
            (lamp.0.to_string(), lamp.1),
        ],
    );
}
