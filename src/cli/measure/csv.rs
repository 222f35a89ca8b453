// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness over time as CSV (RFC 4180, LF): a row every 100 ms, in seconds, LUFS and dBTP.
//!
//! Integrated is that from the beginning up to the row. Empty: not yet known. `-inf`: silence.

use std::fmt::Write;
use std::path::Path;

use super::figures::number;
use super::run::Measured;
use crate::cli::text;

pub const HEAD: &str = "time_s,momentary_lufs,short_term_lufs,integrated_lufs,true_peak_dbtp,file";

pub fn print(path: &Path, m: &Measured) {
    let name = field(&text(path));
    let mut out = String::new();
    for (n, (p, so_far)) in m.series.iter().zip(&m.so_far).enumerate() {
        let value = |v: Option<f64>| v.map_or(String::new(), |v| number(Some(v), 3));
        let _ = writeln!(
            out,
            "{:.1},{},{},{},{},{name}",
            (n + 1) as f64 / 10.0,
            value(p.momentary),
            value(p.short_term),
            value(*so_far),
            value(Some(p.true_peak)),
        );
        if out.len() > 1 << 16 {
            print!("{out}");
            out.clear();
        }
    }
    print!("{out}");
}

/// Quoted where it must be.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(super::field("a b.wav"), "a b.wav");
        assert_eq!(super::field("a, \"b\".wav"), "\"a, \"\"b\"\".wav\"");
    }
}
