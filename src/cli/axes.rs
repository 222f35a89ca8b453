// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every drawing here has in common: lines of its axes, and text that cannot break out of it.

/// Lines of a frequency axis in Hz: 1 to 9 of every decade, labels at 1, 2 and 5.
pub fn frequencies(from: f64, to: f64) -> Vec<(f64, Option<String>)> {
    let mut out = Vec::new();
    let mut decade = 1.0;
    while decade <= to {
        for n in 1..=9u32 {
            let hz = decade * f64::from(n);
            if (from..=to).contains(&hz) {
                let label = if hz >= 1000.0 { format!("{}k", hz / 1000.0) } else { format!("{hz}") };
                out.push((hz, [1, 2, 5].contains(&n).then_some(label)));
            }
        }
        decade *= 10.0;
    }
    out
}

/// The first of these steps, which grow, that cuts `span` into at most `most` parts; the last one otherwise.
pub fn step(span: f64, most: f64, steps: &[f64]) -> f64 {
    let fits = steps.iter().copied().find(|s| span / s <= most);
    fits.or(steps.last().copied()).unwrap_or(1.0)
}

/// Multiples of `step` from `from` to `to`.
pub fn multiples(from: f64, to: f64, step: f64) -> Vec<f64> {
    let first = (from / step - 1e-9).ceil();
    let count = ((to / step + 1e-9).floor() - first + 1.0).max(0.0) as usize;
    // Without the sign of −0.
    (0..count.min(1000)).map(|n| (first + n as f64) * step + 0.0).collect()
}

/// Text for SVG and HTML, in attributes too. What may not stand in a document at all is shown as U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_labels() {
        let lines = frequencies(20.0, 20_000.0);
        let labels: Vec<&str> = lines.iter().filter_map(|(_, l)| l.as_deref()).collect();
        assert_eq!(labels, ["20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k"]);
        assert_eq!(step(40.0, 10.0, &[1.0, 3.0, 6.0]), 6.0);
        assert_eq!(multiples(-7.0, 6.0, 3.0), [-6.0, -3.0, 0.0, 3.0, 6.0]);
        assert_eq!(multiples(0.0, 0.3, 0.1).len(), 4);
        assert!(multiples(0.1, 0.2, 1.0).is_empty());
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(escaped("a<b>&\"'\u{1b}\n"), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}\u{fffd}");
    }
}
