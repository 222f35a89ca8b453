// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table for people.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::figures::{self, number};
use super::run::Measured;
use crate::cli::text;

/// One file; `again`: after another one.
pub fn of(path: &Path, m: &Measured, again: bool) -> String {
    let mut out = String::from(if again { "\n" } else { "" });
    let _ = writeln!(out, "{}\n  {}", text(path), figures::facts(m));
    for r in figures::rows(m) {
        let line = format!("  {:<17} {:>8} {:<4}  {}", r.name, r.value, r.unit, r.more);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if m.spec.channels > 1 {
        let _ = writeln!(out, "  {:<9} {:>8} {:>8} {:>8} {:>9} {:>10}", "", "dBTP", "dBFS", "RMS", "DC %", "full scale");
        for (name, c) in m.places.names.iter().zip(&m.figures.channels) {
            let _ = writeln!(
                out,
                "  {name:<9} {:>8} {:>8} {:>8} {:>9} {:>10}",
                number(Some(c.true_peak), 2),
                number(Some(c.sample_peak), 2),
                number(Some(c.rms), 2),
                number(Some(100.0 * c.dc), 4),
                c.clips.samples,
            );
        }
    }
    out
}

/// One line a file.
pub fn comparison(files: &[(PathBuf, Measured)]) -> String {
    let (heads, rows) = figures::comparison(files);
    let heads: Vec<String> = heads.into_iter().map(String::from).collect();
    let all = || std::iter::once(&heads).chain(&rows);
    let width = |column: usize| all().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut out = String::new();
    for row in all() {
        let cell = |(n, (text, width)): (usize, (&String, &usize))| match n {
            0 => format!("{text:<width$}"),
            _ => format!("  {text:>width$}"),
        };
        let line: String = row.iter().zip(&widths).enumerate().map(cell).collect();
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}
