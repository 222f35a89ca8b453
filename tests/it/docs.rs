// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is written down stays true: the generated reference, links, the head of every source file.
use std::path::{Path, PathBuf};

use crate::files::repository;

/// The files under `dir` that end in `.extension`.
pub fn below(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.map(|e| e.unwrap().path()) {
        if path.is_dir() {
            files.extend(below(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Holds `text` against a file of the repository; with `LATHE_UPDATE=1` the file is written instead.
#[track_caller]
pub fn golden(file: &str, text: &str) {
    let path = repository().join(file);
    if std::env::var_os("LATHE_UPDATE").is_some_and(|v| v == "1") {
        std::fs::write(path, text).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    let differ = text.lines().zip(wanted.lines()).position(|(a, b)| a != b);
    let line = differ.unwrap_or_else(|| text.lines().count().min(wanted.lines().count()));
    let at = |t: &str| t.lines().nth(line).unwrap_or("(end)").to_string();
    assert!(
        text == wanted,
        "{file} is not what is said now; LATHE_UPDATE=1 writes it anew\nline {}: {}\n       now: {}",
        line + 1,
        at(&wanted),
        at(text)
    );
}

#[test]
fn the_reference_of_units_is_current() {
    golden("docs/units.md", &lathed::cli::list::markdown());
}

#[test]
fn the_reference_of_meters_is_current() {
    golden("docs/meters.md", &lathed::telemetry::reference::markdown());
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut pages = below(&repository().join("docs"), "md");
    pages.extend(
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "clients/README.md"].map(|p| repository().join(p)),
    );
    let mut broken = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|t| !t.contains("://") && !t.starts_with('#')) {
            let file = target.split('#').next().unwrap_or(target);
            if !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_source_file_says_its_licence_and_what_it_is_for() {
    let folders = ["src", "tests", "core/src", "core/tests"];
    let files: Vec<PathBuf> = folders.iter().flat_map(|f| below(&repository().join(f), "rs")).collect();
    assert!(files.len() > 100, "{} source files found", files.len());
    let mut wrong = Vec::new();
    for file in files.iter().filter(|f| !f.starts_with(repository().join("src/grpc/gen"))) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut lines = text.lines();
        let licence = lines.next() == Some("// SPDX-License-Identifier: MIT OR Apache-2.0");
        if !licence || !lines.next().is_some_and(|l| l.starts_with("//! ") && l.len() > 12) {
            wrong.push(file.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "no SPDX line, then no `//!` line:\n{}", wrong.join("\n"));
}

#[test]
fn every_script_says_its_licence() {
    let folders = ["clients", "tests/foreign"];
    let scripts =
        folders.iter().flat_map(|f| ["py", "js"].map(|e| below(&repository().join(f), e))).flatten();
    let says = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().take(2).any(|l| l.ends_with(" SPDX-License-Identifier: MIT OR Apache-2.0"))
    };
    let (good, wrong): (Vec<PathBuf>, Vec<PathBuf>) = scripts.partition(says);
    assert!(good.len() > 4 && wrong.is_empty(), "without an SPDX line: {wrong:?}");
}

/// What is committed names no host that packages come from; it would bind everyone to that host.
#[test]
fn no_list_of_packages_names_a_registry() {
    for file in ["package.json", "requirements.txt"] {
        let text = std::fs::read_to_string(repository().join("tests/foreign").join(file)).unwrap();
        assert!(!text.contains("://") && !text.contains("index-url"), "{file}:\n{text}");
    }
    for lock in ["package-lock.json", "npm-shrinkwrap.json"] {
        assert!(
            !repository().join("tests/foreign").join(lock).exists(),
            "{lock} has a URL for every package"
        );
    }
}
