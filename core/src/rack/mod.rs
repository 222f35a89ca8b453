// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as a document: layout (as written), plan (checked), addresses, schema, export.
//!
//! [`load`] is the way in: text → layout → plan, or everything that is wrong with the text.

pub mod address;
mod check;
mod check_order;
mod check_params;
mod check_slots;
pub mod diagnostic;
pub mod export;
pub mod layout;
pub mod names;
pub mod plan;
mod read;
mod render;
mod repair;
pub mod schema;
pub mod split;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;

pub use check::{LATENCY_MS, MAX_NAME, PORT_LAYOUT};
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use export::export;

use crate::units::{AnyKind, CATALOG};
use diagnostic::Sink;
use plan::RackPlan;

/// A rack that can be built, and what its author should still know.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub plan: RackPlan,
    pub warnings: Diagnostics,
}

/// Reads and checks a rack file; `file_name` is only shown.
///
/// # Errors
/// All errors at once, and the warnings between them.
pub fn load(text: &str, file_name: &str) -> Result<Loaded, Diagnostics> {
    load_from(CATALOG, text, file_name)
}

/// [`load`] of what was read from a disk or a wire: text that is not UTF-8 is an error like any other.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(bytes: &[u8], file_name: &str) -> Result<Loaded, Diagnostics> {
    match std::str::from_utf8(bytes) {
        Ok(text) => load(text, file_name),
        Err(e) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(layout::MAX_FILE)]);
            let mut sink = Sink::default();
            let at = e.valid_up_to();
            sink.syntax(at..at + 1, "the file is not UTF-8 text").label("not UTF-8 from here");
            Err(sink.finish(&text, file_name))
        }
    }
}

fn load_from(catalog: &[&'static dyn AnyKind], text: &str, file_name: &str) -> Result<Loaded, Diagnostics> {
    let mut sink = Sink::default();
    let plan = read::read(text, &mut sink).map(|rack| check::check(&rack, catalog, &mut sink));
    let failed = sink.has_errors();
    let found = sink.finish(text, file_name);
    match plan {
        Some(plan) if !failed => Ok(Loaded { plan, warnings: found }),
        _ => Err(found),
    }
}
