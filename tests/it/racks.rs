// SPDX-License-Identifier: MIT OR Apache-2.0
//! The racks that are shipped and shown: they load, build at every rate, and the default is transparent.
use lathe_core::rack::{self, Loaded};
use lathed::audio::offline::Renderer;
use lathed::racks::{DEFAULT, SHIPPED};

use crate::files::{assert_same, noise, repository};

const RATES: [u32; 5] = [44_100, 48_000, 88_200, 96_000, 192_000];

#[track_caller]
fn loads_and_builds(text: &str, name: &str) -> Loaded {
    let loaded = rack::load(text, name).unwrap_or_else(|e| panic!("{}", e.render(false)));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings.render(false));
    for rate in RATES {
        let renderer =
            Renderer::new(&loaded.plan, rate).unwrap_or_else(|e| panic!("{name} at {rate} Hz: {e}"));
        let ms = renderer.latency() as f64 * 1000.0 / f64::from(rate);
        assert!(ms < 100.0, "{name} at {rate} Hz: latency {ms} ms");
    }
    loaded
}

#[test]
fn every_rack_file_is_shipped_and_builds_at_every_rate() {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(repository().join("config/racks")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_string();
        if stem == "broken" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        loads_and_builds(&text, &stem);
        let shipped = SHIPPED.iter().find(|(name, _)| *name == stem);
        let (_, built_in) = shipped.unwrap_or_else(|| panic!("config/racks/{stem}.toml is not in SHIPPED"));
        assert_eq!(*built_in, text, "{stem}");
        assert!(text.starts_with("# "), "{stem}: `lathe init --list` shows the first line");
        files.push(stem);
    }
    assert_eq!(files.len(), SHIPPED.len(), "SHIPPED names a rack twice");
}

#[test]
fn the_default_rack_untouched_changes_no_bit_of_a_loud_signal() {
    let loaded = loads_and_builds(DEFAULT.1, DEFAULT.0);
    for rate in RATES {
        // +12 dBFS, with silence and a level step in it.
        let mut loud = noise(2, 50_000, 4.0);
        loud.iter_mut().for_each(|c| c[10_000..20_000].fill(0.0));
        loud.iter_mut().for_each(|c| c[30_000..].iter_mut().for_each(|x| *x *= 0.001));
        let mut renderer = Renderer::new(&loaded.plan, rate).unwrap();
        assert_same(&renderer.whole(&loud), &loud);
        assert_eq!(renderer.refused_samples(), 0);
    }
}

#[test]
fn the_rack_in_the_readme_loads() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let blocks: Vec<&str> =
        readme.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "README.md shows no rack");
    blocks.iter().for_each(|text| drop(loads_and_builds(text, "README.md")));
}
