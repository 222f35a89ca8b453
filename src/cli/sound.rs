// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lathe sound`: every unit of the catalog measured at every rate, as the page `docs/sound.md`.
//!
//! | file | what it holds |
//! |---|---|
//! | `cases` | the settings with which each unit is measured |
//! | `spectrum` | tones, and levels read from a spectrum |
//! | `figures` | the measurements |
//! | `page` | the page, and what in one page is worse than in another |
//!
//! Nothing here asks the system for a sine or a logarithm, so the page is the same from every machine.

mod cases;
mod figures;
mod page;
mod spectrum;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use lathe_core::units::CATALOG;

use cases::Case;
use figures::Figures;
pub use page::worse;

use crate::exit::{Exit, Failure};
use crate::files::DELIVERY_RATES;

/// Measure every unit at every sample rate, as the page docs/sound.md
///
/// Latency, noise, distortion, aliases, response and overshoot, with this build; takes up to a minute.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  lathe sound > docs/sound.md")]
pub struct Args {}

pub fn run(_: &Args) -> Result<(), Failure> {
    let page = markdown().map_err(|e| Failure::new(Exit::Software, e))?;
    print!("{page}");
    Ok(())
}

/// A case and what was measured at each of the rates.
struct Measured {
    case: Case,
    figures: Vec<Figures>,
}

/// The page; a test holds `docs/sound.md` to it.
///
/// # Errors
/// A unit that cannot be built with the settings of a case.
pub fn markdown() -> Result<String, String> {
    let cases: Vec<Case> = CATALOG.iter().flat_map(|k| cases::of(*k)).collect();
    let jobs: Vec<(usize, u32)> =
        (0..cases.len()).flat_map(|c| DELIVERY_RATES.map(|rate| (c, rate))).collect();
    let done: Mutex<Vec<Option<Result<Figures, String>>>> = Mutex::new(jobs.iter().map(|_| None).collect());
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((n, (case, rate))) = {
            let n = next.fetch_add(1, Relaxed);
            jobs.get(n).map(|j| (n, *j))
        } {
            let figures = Figures::measure(&cases[case], rate);
            if let Ok(mut done) = done.lock() {
                done[n] = Some(figures);
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let figures: Vec<Figures> =
        done.into_inner().unwrap_or_default().into_iter().flatten().collect::<Result<_, _>>()?;
    if figures.len() != jobs.len() {
        return Err("a measurement failed: a fault in the program".into());
    }
    let mut figures = figures.into_iter();
    let measured = cases
        .into_iter()
        .map(|case| Measured { case, figures: figures.by_ref().take(DELIVERY_RATES.len()).collect() });
    Ok(page::page(&measured.collect::<Vec<_>>()))
}
