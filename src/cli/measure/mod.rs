// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe measure`: loudness, peaks and all else that the instruments tell of files.
//!
//! | file | what it holds |
//! |---|---|
//! | `run` | one file from end to end; many over all cores |
//! | `places` | channel masks to layouts, and so to weights |
//! | `detail` | spectrum, goniometer, correlation over time: only where they are wanted |
//! | `figures` | the figures as people read them: names, units, decimals |
//! | `json`, `table`, `csv` | what goes to stdout |
//! | `report`, `charts`, `svg` | the page, its drawings, and how one is drawn |

mod charts;
mod csv;
mod detail;
mod figures;
mod json;
mod places;
mod report;
mod run;
mod svg;
mod table;

use std::path::{Path, PathBuf};

use self::run::{Measured, Wanted};
use super::text;
use crate::exit::{Exit, Failure};
use crate::files;

/// Measure loudness, peaks, dynamics, spectrum and stereo of files
///
/// Loudness after ITU-R BS.1770-5 and EBU Tech 3341 and 3342, the same at every sample rate; true peaks within
/// 0.01 dB up to 0.47 of the rate. Silence is null in JSON and -inf in text, and what a file is too short for is
/// null and -: short-term and the range need 3 s, DR 6 s, the rest of the loudness 0.4 s. Surrounds weigh as their
/// place in the file's channel mask asks. Samples at full scale are those at the last code of an integer file, or
/// at ±1.0. Samples that are no audio (NaN, infinite, beyond +80 dBFS) are measured as silence and counted.
/// Several files are measured over all cores and told in the order in which they were named.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  \
    lathe measure master.wav\n  \
    lathe measure --json *.flac | jq .integrated_lufs\n  \
    lathe measure --csv master.wav > loudness.csv\n  \
    lathe measure --report album.html 01.wav 02.wav 03.wav")]
pub struct Args {
    /// One JSON object per file
    #[arg(long)]
    json: bool,
    /// With --json: also spectrum, loudness histogram, correlation by octaves and the highest true peaks
    #[arg(long, requires = "json")]
    detail: bool,
    /// Loudness and true peak over time, ten rows a second, as CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Also writes a page with all figures and drawings, complete in one file
    #[arg(long, value_name = "FILE.html", value_parser = page)]
    report: Option<PathBuf>,
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A page is told by its name, so that an audio file in its place is not overwritten.
fn page(name: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(name);
    let html = path.extension().is_some_and(|e| ["html", "htm"].iter().any(|h| e.eq_ignore_ascii_case(h)));
    if html {
        Ok(path)
    } else {
        Err(format!("{name} does not end in .html; a report needs a name of its own"))
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(folder) = args.report.as_deref().and_then(Path::parent).filter(|p| *p != Path::new(""))
        && !folder.is_dir()
    {
        let what = format!("the folder {} does not exist; make it first", folder.display());
        return Err(Failure::new(Exit::Usage, what));
    }
    let report = args.report.is_some();
    let wanted = Wanted { series: args.csv || report, detail: args.detail || report };
    let (mut measured, mut failed) = (Vec::new(), Vec::new());
    if args.csv {
        println!("{}", csv::HEAD);
    }
    run::all(&args.files, wanted, |file, result| match result {
        Ok(m) => {
            talk(file, &m);
            match () {
                () if args.json => super::print_json(&json::object(file, &m)),
                () if args.csv => csv::print(file, &m),
                () => print!("{}", table::of(file, &m, !measured.is_empty())),
            }
            measured.push((file.to_path_buf(), if report { m } else { m.lean() }));
        }
        Err(e) => {
            eprintln!("lathe: {e}");
            failed.push((file.to_path_buf(), e.to_string()));
        }
    });
    if !args.json && !args.csv && measured.len() > 1 {
        print!("\n{}", table::comparison(&measured));
    }
    if let Some(file) = args.report.as_deref().filter(|_| !measured.is_empty()) {
        let page = report::page(&measured, &failed);
        files::replace(file, page.as_bytes())
            .map_err(|e| Failure::new(Exit::Io, format!("cannot write {}: {e}", text(file))))?;
    }
    if failed.is_empty() { Ok(()) } else { Err(Failure::quiet(Exit::Io)) }
}

/// What the reader of the figures has to know about the file.
fn talk(path: &Path, m: &Measured) {
    figures::warnings(m).into_iter().for_each(|w| eprintln!("lathe: {}: {w}", path.display()));
}
