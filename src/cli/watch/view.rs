// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meter bridge as it is drawn: a state to a frame of any size, and nothing else.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::layout::{Needs, Panels, arrange, body};
use super::state::State;
use super::{help, levels, loudness, reduction, scope, spectrum};
use crate::cli::remote::safe;

/// Draws everything.
pub fn draw(frame: &mut Frame, state: &State) {
    let screen = frame.area();
    let buffer = frame.buffer_mut();
    header(buffer, Rect { height: 1.min(screen.height), ..screen }, state);
    let inside = body(screen.as_size());
    if state.help {
        help::draw(buffer, inside, state);
    } else if let Some(why) = nothing(state) {
        let below = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
        Paragraph::new(why.join("\n")).wrap(Wrap { trim: true }).render(below.intersection(inside), buffer);
    } else {
        let panels = panels(screen.as_size(), state);
        levels::draw(buffer, &panels, state);
        loudness::draw(buffer, panels.loudness, state);
        reduction::draw(buffer, panels.reductions, state);
        scope::correlation(buffer, panels.correlation, state);
        spectrum::draw(buffer, panels.spectrum, state);
        scope::draw(buffer, panels.scope, state);
    }
    if screen.height > 1 {
        footer(buffer, Rect { y: screen.height - 1, height: 1, ..screen }, state);
    }
}

/// Why there is nothing to see.
fn nothing(state: &State) -> Option<Vec<String>> {
    if let Some(lost) = &state.lost {
        return Some(vec![format!("no readings: {}", safe(lost)), "trying again until it is back …".into()]);
    }
    match &state.meters {
        None => Some(vec!["waiting for readings …".into()]),
        Some(m) if !m.audible => {
            Some(vec!["no audio: nobody can hear the rack, so nothing is measured".into()])
        }
        Some(m) if m.taps.is_empty() => Some(vec![format!("there is no tap {} now", safe(state.tap()))]),
        Some(_) => None,
    }
}

/// Where everything is on a screen of this size; nowhere while there is nothing to see.
pub fn panels(screen: Size, state: &State) -> Panels {
    if state.help || nothing(state).is_some() {
        return Panels::default();
    }
    let taps = state.meters.as_ref().map_or(&[][..], |m| &m.taps);
    let needs = Needs {
        taps: taps.len() as u16,
        channels: taps.iter().map(|t| t.channels.len() as u16).sum(),
        slots: state.meters.as_ref().map_or(0, |m| m.slots.len() as u16),
        pair: state.looked_at().is_some_and(|t| t.channels.len() > 1),
        target: state.target.is_some(),
    };
    arrange(body(screen), needs)
}

/// A panel's first row; what remains below it.
pub fn title(buffer: &mut Buffer, area: Rect, state: &State, name: &str, about: &str) -> Rect {
    if area.height == 0 {
        return area;
    }
    let row = Rect { height: 1, ..area };
    let about = if about.is_empty() { String::new() } else { format!("{about} ") };
    let used = name.chars().count() + about.chars().count() + 1;
    let rule = "─".repeat(usize::from(area.width).saturating_sub(used));
    Line::from(vec![
        Span::styled(format!("{name} "), state.ink.bold()),
        Span::styled(about, state.ink.dim()),
        Span::styled(rule, state.ink.dim()),
    ])
    .render(row, buffer);
    Rect { y: area.y + 1, height: area.height - 1, ..area }
}

/// A line of styled pieces, as many of them as fit whole.
pub fn pieces(buffer: &mut Buffer, area: Rect, pieces: &[(String, Style)]) {
    let area = area.intersection(buffer.area);
    let mut x = area.x;
    for (text, style) in pieces {
        let length = text.chars().count() as u16;
        if area.height == 0 || x + length > area.x + area.width {
            return;
        }
        buffer.set_string(x, area.y, text, *style);
        x += length;
    }
}

fn header(buffer: &mut Buffer, area: Rect, state: &State) {
    let (s, ink) = (&state.status, state.ink);
    let a = s.audio.clone().unwrap_or_default();
    let name = if s.rack_name.is_empty() { "(no name)".to_string() } else { safe(&s.rack_name) };
    let audible = state.meters.as_ref().map_or(a.audible, |m| m.audible);
    let lamp = match (&state.lost, s.panic, audible) {
        (Some(_), ..) => " SERVER LOST ",
        (_, true, _) => " PANIC ",
        (.., false) if state.meters.is_some() => " NO AUDIO ",
        _ => "",
    };
    let source = if a.source.is_empty() { String::new() } else { format!(", {}", safe(&a.source)) };
    let drives = format!("{} {} Hz{source}", safe(&a.backend), a.sample_rate);
    let gap = if lamp.is_empty() { "" } else { " " };
    pieces(
        buffer,
        area,
        &[
            (lamp.to_string(), ink.alarm()),
            (gap.to_string(), ink.plain()),
            (name, ink.bold()),
            (format!("  {drives}"), ink.plain()),
            (format!("  {}", safe(&state.server)), ink.dim()),
        ],
    );
}

fn footer(buffer: &mut Buffer, area: Rect, state: &State) {
    let ink = state.ink;
    let mut line: Vec<(String, Style)> = Vec::new();
    if let Some(l) = state.meters.as_ref().and_then(|m| m.load.as_ref()) {
        let busy = format!("DSP load {:>3.0} %", l.dsp_load * 100.0);
        line.push((busy, ink.beyond(l.dsp_load >= 0.9)));
        line.push((format!("  {} xruns", l.xruns), ink.beyond(l.xruns > 0)));
        match l.clock_deviation {
            Some(d) if d.abs() > 0.005 => {
                line.push((format!("  clock {:+.1} %", d * 100.0), ink.beyond(true)));
            }
            _ => {}
        }
    }
    if state.missed > 0 {
        line.push((format!("  {} readings missed", state.missed), ink.dim()));
    }
    if !state.note.is_empty() {
        line.push((format!("  {}", safe(&state.note)), ink.bold()));
    }
    let space = if line.is_empty() { "" } else { "   " };
    for key in ["q quit", "? help", "m scale", "t tap", "s spectrum", "r reset"] {
        let before = if key == "q quit" { space } else { "  " };
        line.push((format!("{before}{key}"), ink.dim()));
    }
    pieces(buffer, area, &line);
}
