// SPDX-License-Identifier: MIT OR Apache-2.0
//! What things look like on any terminal: the terminal's own sixteen colours and its own background, light or dark;
//! what a colour says, a glyph or a word says too.

use ratatui::style::{Color, Modifier, Style};

/// Whether colours are used at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    pub colour: bool,
}

impl Default for Ink {
    fn default() -> Self {
        Ink { colour: true }
    }
}

impl Ink {
    /// None where `NO_COLOR` says so (no-color.org).
    pub fn of_environment() -> Self {
        Ink { colour: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) }
    }

    fn of(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub fn plain(self) -> Style {
        Style::new()
    }
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }
    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
    pub fn good(self) -> Style {
        self.of(Color::Green)
    }
    /// For bars alone: as text it is not read on white.
    pub fn warm(self) -> Style {
        self.of(Color::Yellow)
    }
    pub fn hot(self) -> Style {
        self.of(Color::Red)
    }
    pub fn reduction(self) -> Style {
        self.of(Color::Magenta)
    }
    /// A lamp: read without colours, too.
    pub fn alarm(self) -> Style {
        self.hot().add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
    /// A figure that is beyond what it may be.
    pub fn beyond(self, is: bool) -> Style {
        if is { self.hot().add_modifier(Modifier::BOLD) } else { self.plain() }
    }
}
