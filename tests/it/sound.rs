// SPDX-License-Identifier: MIT OR Apache-2.0
//! How the units sound: `docs/sound.md` is what is measured, and nothing gets worse in silence.
use lathed::cli::sound::{markdown, worse};

use crate::docs::golden;
use crate::files::repository;

#[test]
fn the_page_of_sound_is_current_and_no_figure_is_worse() {
    let page = markdown().unwrap();
    let committed = std::fs::read_to_string(repository().join("docs/sound.md")).unwrap_or_default();
    // Before it may be written anew: then it would be too late.
    let worse = worse(&committed, &page);
    assert!(worse.is_empty(), "{}", worse.join("\n"));
    golden("docs/sound.md", &page);
}
