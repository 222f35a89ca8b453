// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meter bridge as it is drawn: a state and the latest readings, to a frame of any size.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::line::{known, level};
use crate::client::v1::{ChannelReadings, GetStatusResponse, TapReadings, WatchMetersResponse};

/// The floor of the level bars in dBFS, and the deepest gain reduction shown in dB.
const FLOOR: f64 = -60.0;
const DEEPEST: f64 = 20.0;

/// All that is drawn.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub server: String,
    pub status: GetStatusResponse,
    /// Channel names in port order; numbers stand in for those that are missing.
    pub channels: Vec<String>,
    pub meters: Option<WatchMetersResponse>,
    /// Readings that were made but never came here.
    pub missed: u64,
    /// The last thing that was done or went wrong.
    pub note: String,
}

/// Draws everything; what does not fit is left out from the bottom.
pub fn draw(frame: &mut Frame, view: &View) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)])
            .areas(frame.area());
    header(frame, head, view);
    let mut rows = Rows { area: body, at: 0 };
    if let Some(m) = &view.meters {
        m.taps.iter().for_each(|t| tap(frame, &mut rows, t, &view.channels));
        reductions(frame, &mut rows, m);
        load(frame, &mut rows, m, view.missed);
    } else {
        rows.put(frame, Line::from("waiting for readings …"));
    }
    let keys = if view.note.is_empty() { String::new() } else { format!("   {}", view.note) };
    frame.render_widget(Line::from(format!("q quit   r reset{keys}")).style(dim()), foot);
}

/// The lines of an area, from the top.
struct Rows {
    area: Rect,
    at: u16,
}

impl Rows {
    fn put(&mut self, frame: &mut Frame, line: Line) {
        if self.at < self.area.height {
            let row = Rect { y: self.area.y + self.at, height: 1, ..self.area };
            frame.render_widget(line, row);
            self.at += 1;
        }
    }
    fn gap(&mut self) {
        self.at += 1;
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}
fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn header(frame: &mut Frame, area: Rect, view: &View) {
    let s = &view.status;
    let a = s.audio.clone().unwrap_or_default();
    let name = if s.rack_name.is_empty() { "(no name)".to_string() } else { s.rack_name.clone() };
    let mut spans = vec![
        Span::styled(name, bold()),
        Span::raw(format!("  {} {} Hz, source {}, {}", a.backend, a.sample_rate, a.source, view.server)),
    ];
    let loud = Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD);
    let audible = view.meters.as_ref().map_or(a.audible, |m| m.audible);
    match (s.panic, audible) {
        (true, _) => spans.push(Span::styled("  PANIC ", loud)),
        (_, false) => spans.push(Span::styled("  NO AUDIO ", loud)),
        _ => {}
    }
    frame.render_widget(Line::from(spans), area);
}

fn tap(frame: &mut Frame, rows: &mut Rows, t: &TapReadings, names: &[String]) {
    rows.put(
        frame,
        Line::from(vec![
            Span::styled(format!("{:<12}", t.tap), bold()),
            Span::raw(format!("M {:>6}  S {:>6}  ", known(t.momentary), known(t.short_term))),
            Span::styled(format!("I {:>6} LUFS", known(t.integrated)), bold()),
            Span::raw(format!("  LRA {:>5} LU", known(t.loudness_range))),
            Span::styled(format!("  TP max {:>6} dBTP", level(t.true_peak_max)), over(t.true_peak_max)),
        ]),
    );
    let width = rows.area.width.saturating_sub(32);
    for (n, c) in t.channels.iter().enumerate() {
        let name = names.get(n).cloned().unwrap_or_else(|| (n + 1).to_string());
        rows.put(frame, channel(&name, c, width));
    }
    rows.gap();
}

/// One channel: the bar is RMS, its tail the peak, then both as numbers and the true peak's maximum.
fn channel(name: &str, c: &ChannelReadings, width: u16) -> Line<'static> {
    let at = |v: f64| ((v - FLOOR) / -FLOOR * f64::from(width)).clamp(0.0, f64::from(width)) as usize;
    let (rms, peak) = (at(c.rms), at(c.peak).max(at(c.rms)));
    let rest = usize::from(width) - peak;
    let color = match c.peak {
        p if p >= -0.1 => Color::Red,
        p if p >= -9.0 => Color::Yellow,
        _ => Color::Green,
    };
    Line::from(vec![
        Span::raw(format!("{name:>4} ")),
        Span::styled("█".repeat(rms), Style::new().fg(color)),
        Span::styled("▒".repeat(peak - rms), Style::new().fg(color)),
        Span::styled("·".repeat(rest), dim()),
        Span::raw(format!(" {:>6} {:>6} ", level(c.peak), level(c.rms))),
        Span::styled(format!("max {:>6}", level(c.true_peak_max)), over(c.true_peak_max)),
    ])
}

/// Red from full scale on.
fn over(dbtp: f64) -> Style {
    if dbtp >= 0.0 { Style::new().fg(Color::Red).add_modifier(Modifier::BOLD) } else { Style::new() }
}

fn reductions(frame: &mut Frame, rows: &mut Rows, m: &WatchMetersResponse) {
    if m.slots.is_empty() {
        return;
    }
    rows.put(frame, Line::styled("gain reduction", bold()));
    let width = rows.area.width.saturating_sub(26);
    for s in &m.slots {
        let share = (s.gain_reduction / DEEPEST).clamp(0.0, 1.0);
        let bar = (share * f64::from(width)).round() as usize;
        rows.put(
            frame,
            Line::from(vec![
                Span::raw(format!("{:>14.14} ", s.slot)),
                Span::styled("█".repeat(bar), Style::new().fg(Color::Magenta)),
                Span::styled("·".repeat(usize::from(width) - bar), dim()),
                Span::raw(format!(" {:>6.1} dB", s.gain_reduction)),
            ]),
        );
    }
    rows.gap();
}

fn load(frame: &mut Frame, rows: &mut Rows, m: &WatchMetersResponse, missed: u64) {
    let Some(l) = &m.load else { return };
    let color = match l.dsp_load {
        v if v >= 0.9 => Color::Red,
        v if v >= 0.7 => Color::Yellow,
        _ => Color::Green,
    };
    let xruns = if l.xruns > 0 { Style::new().fg(Color::Red) } else { Style::new() };
    rows.put(
        frame,
        Line::from(vec![
            Span::raw("DSP load "),
            Span::styled(format!("{:>5.1} %", l.dsp_load * 100.0), Style::new().fg(color)),
            Span::raw(format!("  mean {:>5.1} %  ", l.mean_load * 100.0)),
            Span::styled(format!("{} xruns", l.xruns), xruns),
            Span::styled(format!("  {missed} readings missed"), dim()),
        ]),
    );
}
