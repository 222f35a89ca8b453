// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the first pair of the tap relates: a bar of correlation and a goniometer of braille dots.
//!
//! In the goniometer the sum of the channels is up and their difference across: mono is a line upright, the left
//! channel alone leans to the left. Its edge is as far out as the loudest points, and says so.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bars::{labels, put};
use super::dots::Dots;
use super::state::State;
use super::view::{pieces, title};
use crate::client::v1::WatchScopeRequest;

/// Points of a look: what dots can show.
const POINTS: u32 = 256;
/// Columns of the figures behind the bar.
const FIGURES: u16 = 9;

pub fn request(tap: &str, hz: f64) -> WatchScopeRequest {
    WatchScopeRequest { hz, tap: tap.to_string(), points: POINTS, ..Default::default() }
}

/// -1 to +1, and what mono loses.
pub fn correlation(buffer: &mut Buffer, area: Rect, state: &State) {
    let (Some(t), true) = (state.looked_at(), area.height > 0) else { return };
    let ink = state.ink;
    let mono = state.scope.mono.filter(|m| m.is_finite()).map(|m| format!("  mono {m:+.1} dB"));
    let after = FIGURES + mono.as_ref().map_or(0, |m| m.chars().count() as u16);
    pieces(buffer, area, &[("corr ".into(), ink.plain()), ("-1".into(), ink.dim())]);
    let bar = Rect { x: area.x + 8, width: area.width.saturating_sub(8 + 3 + after), height: 1, ..area };
    if bar.width < 9 {
        return;
    }
    let place = |v: f64| ((v + 1.0) / 2.0 * f64::from(bar.width - 1)).round() as u16;
    for x in 0..bar.width {
        put(buffer, bar.x + x, bar.y, "─", ink.dim());
    }
    labels(buffer, bar, [(place(0.0), "0")].into_iter(), ink.dim());
    let mut line = vec![(" +1".to_string(), ink.dim())];
    if let Some(c) = t.correlation {
        let against = c < 0.0;
        let style = if against { ink.hot() } else { ink.good() };
        put(buffer, bar.x + place(c.clamp(-1.0, 1.0)), bar.y, "◆", style);
        line.push((format!("  {c:+.2}"), ink.beyond(against)));
    } else {
        line.push(("      -".to_string(), ink.plain()));
    }
    line.push((mono.unwrap_or_default(), ink.dim()));
    pieces(
        buffer,
        Rect { x: bar.x + bar.width, width: area.x + area.width - bar.x - bar.width, ..bar },
        &line,
    );
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    if area.height == 0 {
        return;
    }
    let edge = 20.0 * state.scope.edge.log10();
    let inside = title(buffer, area, state, "goniometer", &format!("{edge:.0} dBFS"));
    if inside.height < 3 || inside.width < 6 {
        return;
    }
    if let (Some(why), true) = (&state.scope_refused, state.scope.looks.is_empty()) {
        let why = crate::cli::remote::safe(why);
        pieces(buffer, inside, &[(why.chars().take(inside.width.into()).collect(), state.ink.dim())]);
        return;
    }
    let square = square(inside);
    frame(buffer, square, state);
    let mut dots = Dots::new(square);
    let (width, tall) = dots.size();
    let half = f64::from(width.min(tall) - 1) / 2.0;
    for [left, right] in state.scope.looks.iter().flatten() {
        let (l, r) = (f64::from(*left) / state.scope.edge, f64::from(*right) / state.scope.edge);
        let x = f64::from(width - 1) / 2.0 + (r - l) / 2.0 * half;
        let y = f64::from(tall - 1) / 2.0 - (l + r) / 2.0 * half;
        dots.set(x.round() as i32, y.round() as i32);
    }
    dots.draw(buffer, square, state.ink.good());
}

/// The largest square in the middle; a cell is twice as tall as wide.
fn square(area: Rect) -> Rect {
    let height = area.height.min(area.width / 2);
    let width = height * 2;
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}

/// The diamond within which no channel is beyond the edge, and the corners' names.
fn frame(buffer: &mut Buffer, square: Rect, state: &State) {
    let mut dots = Dots::new(square);
    let (width, tall) = dots.size();
    let (middle, half) = (f64::from(tall - 1) / 2.0, f64::from(width.min(tall) - 1) / 2.0);
    for y in 0..tall {
        let across = half - (f64::from(y) - middle).abs() * half / middle.max(1.0);
        dots.set((f64::from(width - 1) / 2.0 - across).round() as i32, y);
        dots.set((f64::from(width - 1) / 2.0 + across).round() as i32, y);
    }
    dots.draw(buffer, square, state.ink.dim());
    let names = &state.rack.channels;
    let name = |n: usize, other: &str| names.get(n).cloned().unwrap_or_else(|| other.to_string());
    let (left, right) = (name(0, "L"), name(1, "R"));
    let row = square.y + square.height / 4;
    pieces(buffer, Rect { x: square.x, y: row, width: 3, height: 1 }, &[(left, state.ink.dim())]);
    let x = (square.x + square.width).saturating_sub(right.chars().count() as u16);
    pieces(buffer, Rect { x, y: row, width: 3, height: 1 }, &[(right, state.ink.dim())]);
}
