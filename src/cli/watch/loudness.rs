// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness of the tap that is looked at: figures, and bars of M, S and I about the target.
//!
//! With a target the bars are EBU Tech 3341's scale "EBU +9", from 18 LU below the target to 9 above it; without
//! one they go from -41 to 0 LUFS.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::bars::{Bar, axis, cell, put};
use super::line::{known, level};
use super::scale::Law;
use super::state::State;
use super::view::{pieces, title};
use crate::client::v1::TapReadings;

/// Columns from which figures carry their units.
const UNITS_FROM: u16 = 66;
/// Delivery asks for no more than this (EBU R 128), dBTP.
const TRUE_PEAK_LIMIT: f64 = -1.0;
const PLAIN_TICKS: [(f64, &str); 9] = [
    (-23.0, "-23"),
    (-14.0, "-14"),
    (0.0, "0"),
    (-41.0, "-41"),
    (-9.0, "-9"),
    (-30.0, "-30"),
    (-18.0, "-18"),
    (-36.0, "-36"),
    (-5.0, "-5"),
];

/// Peak to loudness of the whole.
fn plr(t: &TapReadings) -> Option<f64> {
    t.integrated.map(|i| t.true_peak_max - i).filter(|v| v.is_finite())
}

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let (Some(t), true) = (state.looked_at(), area.height > 0) else { return };
    let units = if area.width < UNITS_FROM { "LUFS, LU, dBTP" } else { "" };
    let inside = title(buffer, area, state, &format!("loudness {}", t.tap), units);
    let mut rows = inside.rows();
    figures(buffer, &mut rows, state, t);
    if let Some(target) = state.target
        && let Some(row) = rows.next()
    {
        pieces(buffer, row, &[(against(t.integrated, target), state.ink.bold())]);
    }
    let (low, high) = state.target.map_or((-41.0, 0.0), |t| (t - 18.0, t + 9.0));
    let law = Law::Between(low, high);
    let rows: Vec<Rect> = rows.collect();
    if rows.len() < 4 {
        return;
    }
    for (row, (name, value)) in
        rows.iter().zip([("M", t.momentary), ("S", t.short_term), ("I", t.integrated)])
    {
        bar(buffer, *row, state, law, name, value);
    }
    let ticks = ticks(state.target);
    let ticks: Vec<(f64, &str)> = ticks.iter().map(|(v, s)| (*v, s.as_str())).collect();
    axis(buffer, bar_area(rows[3]), law, &ticks, state.ink);
}

/// Two rows of four.
fn figures(buffer: &mut Buffer, rows: &mut impl Iterator<Item = Rect>, state: &State, t: &TapReadings) {
    let ink = state.ink;
    let beyond = ink.beyond(t.true_peak_max > TRUE_PEAK_LIMIT);
    let table = [
        [
            ("M", known(t.momentary), "LUFS", ink.plain()),
            ("S", known(t.short_term), "LUFS", ink.plain()),
            ("I", known(t.integrated), "LUFS", ink.bold()),
            ("LRA", known(t.loudness_range), "LU", ink.plain()),
        ],
        [
            ("Mmax", known(t.momentary_max), "LUFS", ink.plain()),
            ("Smax", known(t.short_term_max), "LUFS", ink.plain()),
            ("TP", level(t.true_peak_max), "dBTP", beyond),
            ("PLR", known(plr(t)), "LU", ink.plain()),
        ],
    ];
    for (figures, row) in table.into_iter().zip(rows) {
        let mut line = Vec::new();
        for (name, value, unit, style) in figures {
            let unit = if row.width < UNITS_FROM { "   ".to_string() } else { format!(" {unit:<4}  ") };
            line.push((format!("{name:<4}"), ink.dim()));
            line.push((format!("{value:>6}"), style));
            line.push((unit, ink.dim()));
        }
        line.pop_if(|(unit, _)| unit.trim().is_empty());
        pieces(buffer, row, &line);
    }
}

/// How far the programme is from where it shall be.
fn against(integrated: Option<f64>, target: f64) -> String {
    match integrated.filter(|i| i.is_finite()) {
        None => format!("target {target:.1} LUFS"),
        Some(i) if (i - target).abs() < 0.05 => format!("target {target:.1} LUFS: reached"),
        Some(i) if i < target => format!("target {target:.1} LUFS: {:.1} LU below", target - i),
        Some(i) => format!("target {target:.1} LUFS: {:.1} LU above", i - target),
    }
}

fn bar_area(row: Rect) -> Rect {
    Rect { x: row.x + 5.min(row.width), width: row.width.saturating_sub(5 + 7), ..row }
}

fn bar(buffer: &mut Buffer, row: Rect, state: &State, law: Law, name: &str, value: Option<f64>) {
    let ink = state.ink;
    pieces(buffer, row, &[(format!("{name:>4} "), ink.plain())]);
    let v = value.unwrap_or(f64::NEG_INFINITY);
    let area = bar_area(row);
    let wanted = state.target.map(|t| law.place(t));
    let bar = Bar { law, body: v, tail: v, mark: None, ticks: &[] };
    bar.draw(buffer, area, ink, |place| match wanted {
        Some(target) if place > target => ink.warm(),
        _ => ink.good(),
    });
    if let (Some(target), true) = (wanted, area.width > 0) {
        put(buffer, area.x + cell(target, area.width), area.y, "│", ink.bold());
    }
    let after = Rect { x: area.x + area.width, width: 7, ..row };
    pieces(buffer, after, &[(format!(" {:>6}", known(value)), ink.plain())]);
}

fn ticks(target: Option<f64>) -> Vec<(f64, String)> {
    let plain = || PLAIN_TICKS.iter().map(|(v, s)| (*v, s.to_string())).collect();
    target.map_or_else(plain, |t| {
        let steps = [0.0, 9.0, -18.0, -9.0, 3.0, 6.0, -3.0, -6.0, -12.0, -15.0];
        let label = |step: f64| if step == 0.0 { format!("{t:.0}") } else { format!("{step:+.0}") };
        steps.iter().map(|step| (t + step, label(*step))).collect()
    })
}
