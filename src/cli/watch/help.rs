// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the keys do and what the bars mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::scale::SCALES;
use super::state::State;

const KEYS: [(&str, &str); 6] = [
    ("m M", "next scale, the one before"),
    ("t T", "next tap, the one before"),
    ("s", "thirds of an octave, or lines"),
    ("r", "new measurement, for everyone: I, LRA, maxima, lamps"),
    ("q Esc", "end"),
    ("? h", "this; any key goes back"),
];
const WORDS: [&str; 7] = [
    "bars       solid: RMS or the scale's reading; pale: peaks;",
    "           ┃ and held: the highest of 1.5 s",
    "OVER CLIP  true peaks over full scale; samples at it",
    "loudness   M 400 ms, S 3 s, I gated since the reset;",
    "           PLR is TP less I",
    "no room    first goes the goniometer, then spectrum,",
    "           correlation, gain reduction, loudness",
];

pub fn draw(buffer: &mut Buffer, area: Rect, state: &State) {
    let mut lines: Vec<String> = KEYS.iter().map(|(key, does)| format!("{key:<10} {does}")).collect();
    lines.extend(WORDS.map(String::from));
    let names = |names: &[super::scale::Scale]| names.iter().map(|s| s.name).collect::<Vec<_>>().join(" ");
    let half = SCALES.len() / 2;
    lines.push(format!("scales     {}", names(&SCALES[..half])));
    lines.push(format!("           {}", names(&SCALES[half..])));
    lines.push(format!("taps       {}", state.all_taps().join(" ")));
    for (row, line) in area.rows().zip(lines) {
        Line::from(line).render(row, buffer);
    }
}
