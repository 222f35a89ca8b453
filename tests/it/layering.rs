// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may know whom: every path in the sources against the table of `docs/architecture.md`.
//!
//! The table itself is read, so that it cannot become wrong. Code under `cfg(test)` is not looked at.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::docs::below;
use crate::files::repository;

/// The files that may say `unsafe`; each gives its reason on the spot.
const UNSAFE: [&str; 11] = [
    "core/src/dsp/math/quantum.rs",
    "core/src/dsp/svf/dispatch.rs",
    "core/src/dsp/wide.rs",
    "core/src/engine/denormals.rs",
    "core/tests/realtime.rs", // the counting allocator
    "src/audio/jack_latency.rs",
    "src/audio/jack_process.rs",
    "src/audio/jack_server.rs",
    "src/audio/priority.rs",
    "src/signals.rs",
    "tests/it/jack.rs", // the signature of a trait
];

/// Everything may use it.
const OPEN_TO_ALL: &str = "thiserror";

/// One row: the whole names of modules it may use, and crates; `None` for everything.
struct Room {
    name: String,
    uses: Option<Vec<String>>,
    crates: Option<Vec<String>>,
}

fn rooms() -> Vec<Room> {
    let page = std::fs::read_to_string(repository().join("docs/architecture.md")).unwrap();
    let rows = page.lines().skip_while(|l| !l.starts_with("| module")).skip(2);
    let mut rooms = Vec::new();
    for row in rows.take_while(|l| l.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_string();
        let inner = name.starts_with("core::");
        let list = |cell: &str, whole: &dyn Fn(&str) -> String| match cell {
            "everything" => None,
            "nothing of ours" | "" => Some(Vec::new()),
            _ => Some(cell.split(", ").map(whole).collect()),
        };
        let uses = list(cells[1], &|m| if inner { format!("core::{m}") } else { m.to_string() });
        let crates = list(cells[2], &|c| c.replace('-', "_"));
        rooms.push(Room { name, uses, crates });
    }
    rooms
}

/// True if `path` is `module` or something in it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A source file: its module as a path (`core::units::limiter`) and its code without comments and tests.
struct Source {
    file: PathBuf,
    module: Vec<String>,
    code: String,
}

fn sources() -> Vec<Source> {
    let mut all = Vec::new();
    for (folder, prefix) in [("core/src", Some("core")), ("src", None)] {
        let root = repository().join(folder);
        let files = below(&root, "rs");
        let tests: BTreeSet<PathBuf> = files.iter().flat_map(|f| test_modules(f)).collect();
        for file in files.into_iter().filter(|f| !tests.contains(f) && !in_tests(f)) {
            let inside = file.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Vec<String> = prefix.map(String::from).into_iter().collect();
            module.extend(inside.iter().map(|p| p.to_str().unwrap().to_string()));
            module.pop_if(|last| last == "mod");
            if inside.starts_with("bin") || matches!(inside.to_str(), Some("lib" | "main")) {
                continue; // they only put the rooms together
            }
            let code = code(&std::fs::read_to_string(&file).unwrap());
            all.push(Source { file, module, code });
        }
    }
    all
}

/// True for a file of a folder of tests.
fn in_tests(file: &Path) -> bool {
    file.parent().is_some_and(|p| p.ends_with("tests"))
}

/// The files that `file` declares under `cfg(test)`.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap();
    let stem = file.file_stem().unwrap().to_str().unwrap();
    let folder = match stem {
        "mod" | "lib" => file.parent().unwrap().to_path_buf(),
        _ => file.with_extension(""),
    };
    let after = text.split("#[cfg(test)]\n").skip(1);
    let names = after
        .filter_map(|t| t.lines().find(|l| !l.starts_with("#["))?.strip_prefix("mod ")?.strip_suffix(';'));
    names.map(|n| folder.join(n).with_extension("rs")).collect()
}

/// Without comments, and without the tests, which are at the bottom.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "#[cfg(test)]" {
            let next = lines.find(|l| !l.starts_with("#[")).unwrap_or_default();
            if next.ends_with('{') && next.starts_with("mod ") {
                break;
            }
            continue;
        }
        let line = line.split_once("// ").map_or(line, |(code, _)| code);
        if !line.trim_start().starts_with("//") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Every path that a use tree names: `a::{b, c::d as e}` is `a::b` and `a::c::d`. Returns the rest.
fn tree<'a>(text: &'a str, so_far: &str, paths: &mut Vec<String>) -> &'a str {
    let mut path = so_far.to_string();
    let mut rest = text.trim_start();
    loop {
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = inner.trim_start().trim_start_matches(',').trim_start();
                match inner.strip_prefix('}') {
                    Some(end) => return end,
                    None if inner.is_empty() => return inner,
                    None => {
                        let left = inner.len();
                        inner = tree(inner, &path, paths);
                        inner = &inner[inner.find([',', '}']).unwrap_or(inner.len())..];
                        assert!(inner.len() < left, "a use tree that this test cannot read: {text:.60}");
                    }
                }
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 && rest[..end] != *"self" {
            path =
                if path.is_empty() { rest[..end].to_string() } else { format!("{path}::{}", &rest[..end]) };
        }
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(more) if more.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{') => {
                rest = more
            }
            _ => {
                paths.push(path);
                return rest;
            }
        }
    }
}

/// What stands after each whole word `root::` that begins a path.
fn paths_from(code: &str, root: &str, prefix: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let start = format!("{root}::");
    for (at, _) in code.match_indices(&start) {
        if !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            tree(&code[at + start.len()..], prefix, &mut paths);
        }
    }
    paths
}

/// Paths of ours that the file names, whole; those by `super` only where they leave their room.
fn ours(source: &Source) -> Vec<String> {
    let inner = source.module[0] == "core";
    let mut paths = paths_from(&source.code, "crate", if inner { "core" } else { "" });
    paths.extend(paths_from(&source.code, "lathe_core", "core"));
    for up in paths_from(&source.code, "super", "") {
        let more = up.split("::").take_while(|s| *s == "super").count();
        let keep = source.module.len().saturating_sub(1 + more);
        let mut path = source.module[..keep].to_vec();
        path.extend(up.split("::").skip(more).map(String::from));
        paths.push(path.join("::"));
    }
    paths
}

/// The crates that the two packages depend on, as they are written in code.
fn dependencies() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for manifest in ["Cargo.toml", "core/Cargo.toml"] {
        let text = std::fs::read_to_string(repository().join(manifest)).unwrap();
        let table: toml::Table = text.parse().unwrap();
        for section in ["dependencies", "dev-dependencies"] {
            names.extend(table[section].as_table().unwrap().keys().map(|k| k.replace('-', "_")));
        }
    }
    names.remove("lathe_core");
    names
}

#[test]
fn the_table_points_only_down() {
    let rooms = rooms();
    assert!(rooms.len() >= 10, "{} rooms found in docs/architecture.md", rooms.len());
    for (n, room) in rooms.iter().enumerate() {
        for used in room.uses.iter().flatten().filter(|u| *u != "core") {
            let above = rooms[..n].iter().any(|r| within(used, &r.name));
            assert!(above, "{} uses {used}, which is not above it in the table", room.name);
        }
    }
}

#[test]
fn every_path_is_in_the_table() {
    let rooms = rooms();
    let crates = dependencies();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let module = source.module.join("::");
        let file = source.file.strip_prefix(repository()).unwrap().display();
        let Some(room) = rooms.iter().find(|r| within(&module, &r.name)) else {
            if module != "core" {
                wrong.push(format!("{file}: \"{module}\" is not in the table of docs/architecture.md"));
            }
            continue;
        };
        let paths = ours(&source);
        seen += paths.len();
        for path in &paths {
            // A macro of the crate root, `crate::params!`, is no module.
            let is_room = rooms.iter().any(|r| within(path, &r.name) || within(&r.name, path));
            let allowed = |uses: &Vec<String>| uses.iter().any(|u| within(path, u));
            if is_room && !within(path, &room.name) && !room.uses.as_ref().is_none_or(allowed) {
                wrong.push(format!("{file}: {} may not use {path}", room.name));
            }
        }
        let own: BTreeSet<&str> = paths.iter().filter_map(|p| p.rsplit("::").next()).collect();
        for name in crates.iter().filter(|c| **c != OPEN_TO_ALL && !own.contains(c.as_str())) {
            let used = !paths_from(&source.code, name, "").is_empty();
            if used && !room.crates.as_ref().is_none_or(|c| c.contains(name)) {
                wrong.push(format!("{file}: {} may not use the crate {name}", room.name));
            }
        }
    }
    assert!(seen > 150, "only {seen} paths found; has the way of writing them changed?");
    assert!(wrong.is_empty(), "against the table of docs/architecture.md:\n{}", wrong.join("\n"));
}

#[test]
fn use_trees_are_read_whole() {
    let code =
        "use crate::{a, b::{self, c as d}};\nlet x = crate::e::f(1);\nuse mycrate::g;\nuse super::super::h;";
    assert_eq!(paths_from(code, "crate", "core"), ["core::a", "core::b", "core::b::c", "core::e::f"]);
    let module = ["core", "units", "limiter", "audio"].map(String::from).to_vec();
    let source = Source { file: PathBuf::new(), module, code: code.into() };
    assert!(ours(&source).contains(&"core::units::h".to_string()), "{:?}", ours(&source));
}

#[test]
fn unsafe_stays_in_the_named_files() {
    let folders = ["src", "tests", "core/src", "core/tests"];
    let mut wrong = Vec::new();
    for file in folders.iter().flat_map(|f| below(&repository().join(f), "rs")) {
        let name = file.strip_prefix(repository()).unwrap().to_str().unwrap().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe(", "allow(unsafe_code"];
        let says =
            text.lines().any(|l| !l.trim_start().starts_with("//") && words.iter().any(|w| l.contains(w)));
        if says && !UNSAFE.contains(&name.as_str()) && name != "tests/it/layering.rs" {
            wrong.push(name);
        } else if says && !text.contains("SAFETY:") && !text.contains("reason = ") && name.contains("src/") {
            wrong.push(format!("{name}: without SAFETY"));
        }
    }
    assert!(wrong.is_empty(), "unsafe outside of the named files:\n{}", wrong.join("\n"));
}
