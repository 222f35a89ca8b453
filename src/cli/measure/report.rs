// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page: every figure and drawing of every file in one document that needs nothing else, no script either.
//!
//! It is written so that it is also well-formed XML. Text that comes from files is escaped.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use lathe_core::analysis::decibels;

use super::figures::{self, number, time};
use super::run::Measured;
use super::{charts, text};
use crate::cli::axes::escaped;

const STYLE: &str = include_str!("report.css");

/// How the figures are meant, for who did not measure them.
const NOTES: [&str; 6] = [
    "Loudness after ITU-R BS.1770-5 and EBU Tech 3341; the range after EBU Tech 3342. Momentary is over 400 ms, \
     short-term over 3 s; integrated is gated at -70 LUFS and 10 LU below the mean.",
    "True peaks are interpolated, within 0.01 dB up to 0.47 of the sample rate. Of peaks of one channel within \
     100 ms the highest is listed.",
    "Peak to loudness is the true peak over the integrated loudness; PSR the true peak of 3 s over the short-term \
     loudness of the same. DR is that of the TT meter.",
    "The spectrum is the mean of the powers of all channels; a full-scale sine in each of them reads 0 dBFS. \
     Windows of 0.3 s or more below -70 LUFS, or 10 LU below the mean of the others, do not count.",
    "Mono sum: by how much the sum of the first pair is below its channels; 0 dB for equal ones, -3 for unrelated.",
    "-inf is silence; - is what the file is too short for, or what is not defined.",
];

/// The document. `failed` could not be measured: which, and why.
pub fn page(files: &[(PathBuf, Measured)], failed: &[(PathBuf, String)]) -> String {
    let title = match files {
        [(path, _)] => format!("{}: measured", figures::short(path)),
        _ => format!("{} files: measured", files.len()),
    };
    let mut out = String::new();
    let _ = write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n",
        escaped(&title)
    );
    if files.len() > 1 {
        comparison(&mut out, files);
    }
    for (n, (path, m)) in files.iter().enumerate() {
        section(&mut out, n + 1, path, m);
    }
    if !failed.is_empty() {
        out.push_str("<section>\n<h2>Not measured</h2>\n<ul>\n");
        failed.iter().for_each(|(_, why)| {
            let _ = writeln!(out, "<li class=\"warning\">{}</li>", escaped(why));
        });
        out.push_str("</ul>\n</section>\n");
    }
    out.push_str("<footer>\n");
    for note in NOTES {
        let _ = writeln!(out, "<p>{}</p>", escaped(note));
    }
    let _ = write!(
        out,
        "<p>lathe {}</p>\n</footer>\n</main>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

fn comparison(out: &mut String, files: &[(PathBuf, Measured)]) {
    let (heads, rows) = figures::comparison(files);
    out.push_str("<section>\n<h1>Comparison</h1>\n<div class=\"scroll\"><table>\n<tr>");
    for head in heads {
        let _ = write!(out, "<th>{}</th>", escaped(head));
    }
    out.push_str("</tr>\n");
    for (n, row) in rows.iter().enumerate() {
        let _ = write!(out, "<tr><th><a href=\"#file{}\"><bdi>{}</bdi></a></th>", n + 1, escaped(&row[0]));
        row[1..].iter().for_each(|cell| {
            let _ = write!(out, "<td>{}</td>", escaped(cell));
        });
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n</section>\n");
}

fn section(out: &mut String, n: usize, path: &Path, m: &Measured) {
    let (name, whole) = (escaped(&figures::short(path)), escaped(&text(path)));
    let facts = escaped(&figures::facts(m));
    let _ = writeln!(
        out,
        "<section id=\"file{n}\">\n<h1 title=\"{whole}\"><bdi>{name}</bdi></h1>\n<p class=\"facts\">{facts}</p>"
    );
    for warning in figures::warnings(m) {
        let _ = writeln!(out, "<p class=\"warning\">{}</p>", escaped(&warning));
    }
    cards(out, m);
    out.push_str("<div class=\"drawings\">\n");
    out.push_str(&charts::loudness(m));
    out.push_str(&charts::spectrum(m));
    out.push_str(&charts::histogram(m));
    out.push_str(&charts::true_peak(m));
    if let Some(s) = m.detail.as_ref().and_then(|d| d.stereo.as_ref()) {
        let pair = m.places.layout.pairs().first().copied().unwrap_or((0, 1));
        let name = |c: usize| m.places.names.get(c).map_or("", String::as_str);
        out.push_str(&charts::correlation(m, s));
        out.push_str(&charts::octaves(s));
        out.push_str(&charts::goniometer(s, name(pair.0), name(pair.1)));
    }
    table_of_figures(out, m);
    table_of_peaks(out, m);
    table_of_channels(out, m);
    out.push_str("</div>\n</section>\n");
}

/// What is looked for first.
fn cards(out: &mut String, m: &Measured) {
    let (f, l) = (&m.figures, &m.figures.loudness);
    out.push_str("<div class=\"cards\">\n");
    for (name, value, unit) in [
        ("integrated", number(m.integrated(), 1), "LUFS"),
        ("loudness range", number(l.loudness_range, 1), "LU"),
        ("true peak", number(Some(f.true_peak), 2), "dBTP"),
        ("short-term max", number(l.short_term_max, 1), "LUFS"),
        ("peak to loudness", number(f.plr, 1), "LU"),
        ("dynamic range", number(m.dr(), 0), "DR"),
    ] {
        let hot = if name == "true peak" && f.true_peak > 0.0 { " hot" } else { "" };
        let _ = writeln!(
            out,
            "<div class=\"card{hot}\"><span>{name}</span><b>{value}</b><i>{unit}</i></div>"
        );
    }
    out.push_str("</div>\n");
}

fn table_of_figures(out: &mut String, m: &Measured) {
    out.push_str("<figure>\n<figcaption><b>Figures</b></figcaption>\n<div class=\"scroll\"><table>\n");
    let mut rows = figures::rows(m);
    if let Some((lowest, at)) = m.detail.as_ref().and_then(|d| d.stereo.as_ref()?.lowest()) {
        let more = format!("300 ms to {}", time(at, 1));
        let value = number(Some(lowest), 3);
        let after = rows.iter().position(|r| r.name == "correlation").map_or(rows.len(), |n| n + 1);
        rows.insert(after, figures::Row { name: "lowest correlation", value, unit: "", more });
    }
    for r in rows {
        let _ = writeln!(
            out,
            "<tr><th>{}</th><td>{}</td><td class=\"unit\">{}</td><td class=\"unit\">{}</td></tr>",
            escaped(r.name),
            escaped(&r.value),
            escaped(r.unit),
            escaped(&r.more)
        );
    }
    out.push_str("</table></div>\n</figure>\n");
}

fn table_of_peaks(out: &mut String, m: &Measured) {
    if m.figures.true_peaks.is_empty() {
        return;
    }
    let rate = f64::from(m.spec.sample_rate);
    out.push_str(
        "<figure>\n<figcaption><b>Highest true peaks</b></figcaption>\n<div class=\"scroll\"><table>\n\
         <tr><th></th><th>dBTP</th><th>at</th><th>channel</th></tr>\n",
    );
    for (n, t) in m.figures.true_peaks.iter().enumerate() {
        let (level, name) = (decibels(t.amplitude), m.places.names.get(t.channel).map_or("", String::as_str));
        let hot = if level > 0.0 { " class=\"hot\"" } else { "" };
        let _ = writeln!(
            out,
            "<tr><th>{}</th><td{hot}>{}</td><td>{}</td><td>{}</td></tr>",
            n + 1,
            number(Some(level), 2),
            time(t.frame as f64 / rate, 3),
            escaped(name)
        );
    }
    out.push_str("</table></div>\n</figure>\n");
}

fn table_of_channels(out: &mut String, m: &Measured) {
    out.push_str(
        "<figure class=\"wide\">\n<figcaption><b>Channels</b></figcaption>\n<div class=\"scroll\"><table>\n\
         <tr><th></th><th>true peak dBTP</th><th>sample peak dBFS</th><th>RMS dBFS</th><th>crest dB</th><th>DR dB</th>\
         <th>DC %</th><th>at full scale</th><th>flat tops</th><th>bits in use</th></tr>\n",
    );
    for (name, c) in m.places.names.iter().zip(&m.figures.channels) {
        let bits = match c.word.word {
            0 => "-".to_string(),
            word @ 1..=32 => word.to_string(),
            _ => format!("float, {}", c.word.significant),
        };
        let _ = write!(out, "<tr><th>{}</th>", escaped(name));
        for cell in [
            number(Some(c.true_peak), 2),
            number(Some(c.sample_peak), 2),
            number(Some(c.rms), 2),
            number(c.crest, 2),
            number(c.dr, 2),
            number(Some(100.0 * c.dc), 4),
            c.clips.samples.to_string(),
            c.clips.flat_tops.to_string(),
            bits,
        ] {
            let _ = write!(out, "<td>{cell}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n</figure>\n");
}
