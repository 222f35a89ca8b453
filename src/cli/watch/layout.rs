// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who gets room on a screen. Panels give way in this order, the first to go first: goniometer, spectrum,
//! correlation, gain reduction, loudness; levels stay. From [`WIDE`] columns on, spectrum and goniometer have a
//! column of their own.

use ratatui::layout::{Rect, Size};

/// Columns from which there are two.
pub const WIDE: u16 = 110;
/// Rows that a spectrum and a goniometer need with their titles, and columns beside each other.
const SPECTRUM_ROWS: u16 = 6;
const SCOPE_ROWS: u16 = 8;
const BESIDE_COLUMNS: u16 = 76;
/// Rows of loudness: its title and figures; bars and their scale besides.
const FIGURES_ROWS: u16 = 3;
const LOUDNESS_BARS_ROWS: u16 = 4;

/// What there is to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs {
    pub taps: u16,
    /// Of all taps together.
    pub channels: u16,
    /// With gain reduction.
    pub slots: u16,
    /// There are two channels.
    pub pair: bool,
    pub target: bool,
}

/// Where each panel is; a panel without rows is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Panels {
    pub levels: Rect,
    /// Rows of one bar.
    pub thick: u16,
    pub loudness: Rect,
    pub reductions: Rect,
    pub correlation: Rect,
    pub spectrum: Rect,
    pub scope: Rect,
}

/// The body of the screen: all but its first and last rows.
pub fn body(screen: Size) -> Rect {
    Rect::new(0, 1.min(screen.height), screen.width, screen.height.saturating_sub(2))
}

/// Rows of one column, dealt out in the order in which panels stay: after one that finds no room there is none.
struct Rows {
    left: u16,
    full: bool,
}

impl Rows {
    /// At least some rows and at most so many, or none.
    fn panel(&mut self, least: u16, most: u16) -> u16 {
        self.full |= self.left < least;
        if self.full { 0 } else { self.more(most.min(self.left)) }
    }
    /// So many rows for a panel that is there, if there are as many.
    fn more(&mut self, rows: u16) -> u16 {
        let got = if rows <= self.left { rows } else { 0 };
        self.left -= got;
        got
    }
}

/// Deals out the body.
pub fn arrange(body: Rect, needs: Needs) -> Panels {
    let wide = body.width >= WIDE;
    let left = if wide { (body.width * 9 / 20).clamp(56, 100) } else { body.width };
    let mut rows = Rows { left: body.height, full: false };
    let bars = needs.channels + needs.taps;
    let mut levels = rows.panel(1, bars + needs.taps);
    let figures = FIGURES_ROWS + u16::from(needs.target);
    let mut loudness = rows.panel(figures, figures);
    let reductions = if needs.slots > 0 { rows.panel(2, 1 + needs.slots) } else { 0 };
    let correlation = if needs.pair { rows.panel(1, 1) } else { 0 };
    let mut spectrum = if wide { 0 } else { rows.panel(SPECTRUM_ROWS, SPECTRUM_ROWS) };
    // A spectrum grows to what the goniometer needs first.
    let first = if spectrum > 0 { SCOPE_ROWS + 2 - SPECTRUM_ROWS } else { 0 };
    if loudness > 0 && rows.left >= LOUDNESS_BARS_ROWS + first {
        loudness += rows.more(LOUDNESS_BARS_ROWS);
    }
    let mut thick = 1;
    let spare = if wide { 2 } else { 3 * bars + 12 };
    while thick < 3
        && rows.left >= needs.channels + spare
        && levels == bars + needs.taps + needs.channels * (thick - 1)
    {
        levels += rows.more(needs.channels);
        thick += 1;
    }
    if spectrum > 0 {
        spectrum += rows.more(rows.left);
    }
    let heights = [levels, loudness, reductions, correlation];
    let shown = heights.iter().filter(|h| **h > 0).count() as u16;
    let gap = u16::from(rows.left + 1 >= shown && wide);
    let mut y = body.y;
    let mut place = |height: u16| {
        let area = Rect::new(body.x, y, left, height);
        y += height + if height > 0 { gap } else { 0 };
        area
    };
    let [levels, loudness, reductions, correlation] = heights.map(&mut place);
    let rest = match wide {
        true => Rect::new(body.x + left + 2, body.y, body.width - left - 2, body.height),
        false => place(spectrum),
    };
    let (spectrum, scope) = divide(rest, needs.pair);
    Panels { levels, thick, loudness, reductions, correlation, spectrum, scope }
}

/// Spectrum and goniometer: below each other where that leaves both their rows, else beside, else the spectrum alone.
fn divide(area: Rect, pair: bool) -> (Rect, Rect) {
    let none = Rect { height: 0, ..area };
    if area.height < SPECTRUM_ROWS {
        return (none, none);
    }
    if !pair {
        return (area, none);
    }
    let below = area.height * 9 / 20;
    if below >= SCOPE_ROWS + 2 && area.width < area.height * 4 {
        let upper = Rect { height: area.height - below, ..area };
        return (upper, Rect { y: area.y + upper.height, height: below, ..area });
    }
    if area.width >= BESIDE_COLUMNS && area.height >= SCOPE_ROWS {
        let across = ((area.height - 1) * 2).clamp(20, area.width * 2 / 5);
        let first = Rect { width: area.width - across - 2, ..area };
        return (first, Rect { x: first.x + first.width + 2, width: across, ..area });
    }
    (area, none)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Needs = Needs { taps: 1, channels: 2, slots: 2, pair: true, target: false };

    fn all(p: &Panels) -> [Rect; 6] {
        [p.levels, p.loudness, p.reductions, p.correlation, p.spectrum, p.scope]
    }

    #[test]
    fn panels_stay_on_the_screen_and_apart_at_every_size() {
        let surround = Needs { taps: 3, channels: 36, slots: 9, pair: true, target: true };
        let mono = Needs { taps: 1, channels: 1, ..Needs::default() };
        for needs in [STEREO, surround, mono] {
            for (width, height) in (1..=220).flat_map(|w| (0..70).map(move |h| (w, h))) {
                let body = body(Size { width, height });
                let panels = all(&arrange(body, needs));
                let shown: Vec<Rect> = panels.into_iter().filter(|r| r.height > 0).collect();
                for (n, a) in shown.iter().enumerate() {
                    assert_eq!(a.intersection(body), *a, "{width}x{height}: {a:?} is off {body:?}");
                    for b in &shown[n + 1..] {
                        assert!(a.intersection(*b).is_empty(), "{width}x{height}: {a:?} over {b:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn panels_give_way_in_order() {
        // From the last to go to the first.
        let order = |p: &Panels| {
            let [levels, loudness, reductions, correlation, spectrum, scope] = all(p).map(|r| r.height > 0);
            [levels, loudness, reductions, correlation, spectrum, scope]
        };
        for width in [60, 80, 100] {
            let mut last = 0;
            for height in 3..70 {
                let shown = order(&arrange(body(Size { width, height }), STEREO));
                let count = shown.iter().take_while(|s| **s).count();
                assert!(shown[count..].iter().all(|s| !s), "{width}x{height}: {shown:?}");
                assert!(count >= last, "{width}x{height} shows less than a smaller one");
                last = count;
            }
            assert_eq!(last, 6, "{width} columns");
        }
        let at = |width, height| order(&arrange(body(Size { width, height }), STEREO));
        assert_eq!(at(60, 15), [true, true, true, true, false, false]);
        assert_eq!(at(80, 24), [true, true, true, true, true, true]);
        assert_eq!(at(200, 60), [true; 6]);
    }
}
