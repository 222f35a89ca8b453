// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rack files that nobody would write: mutated, endless, nested beyond reason. Refused, never a panic.

use super::tests::{TREE, load_probe};
use super::{Loaded, export::export, layout::MAX_FILE};

/// SplitMix64: small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PIECES: &[&str] = &[
    "[[slot]]\n",
    "[slot]\n",
    "[[slot.branch]]\n",
    "[[slot.branch.slot]]\n",
    "[rack]\n",
    "[[rack.sidechain]]\n",
    "id = \"a\"\n",
    "unit = \"probe\"\n",
    "split = \"midside\"\n",
    "sidechain = \"vol\"\n",
    "params = { ",
    " }",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    "\r",
    "\t",
    "=",
    ".",
    ",",
    "#",
    "nan",
    "-inf",
    "1e999",
    "0x",
    "1979-05-27",
    "true",
    "é",
    "\u{202e}",
    "\u{1b}",
    "\0",
    "\\u{d800}",
    "\\",
    "freq1 = 20000, ",
    "low = { gain = 99 }, ",
    "\u{feff}",
    "a.b.c = 1\n",
];

/// One to six edits, each on a character boundary.
fn mutate(text: &str, r: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=r.below(6) {
        let at = r.below(chars.len());
        let to = (at + r.below(24)).min(chars.len());
        match r.below(5) {
            0 => drop(chars.drain(at..to)),
            1 => drop(chars.splice(at..at, r.pick(PIECES).chars())),
            2 => drop(chars.splice(at..to, r.pick(PIECES).chars())),
            3 => {
                let copy = chars[at..to].to_vec();
                let into = r.below(chars.len());
                drop(chars.splice(into..into, copy));
            }
            _ => {
                let lines: Vec<String> =
                    chars.iter().collect::<String>().split('\n').map(str::to_string).collect();
                let mut lines = lines;
                let (a, b) = (r.below(lines.len()), r.below(lines.len()));
                lines.swap(a, b);
                chars = lines.join("\n").chars().collect();
            }
        }
    }
    chars.into_iter().collect()
}

/// Whatever comes back is consistent: errors have places and can be shown, plans can be written.
fn survive(text: &str) -> bool {
    match load_probe(text) {
        Ok(Loaded { plan, .. }) => {
            let written = export(&plan);
            let again = load_probe(&written).unwrap_or_else(|e| panic!("{}\n{written}", e.render(false)));
            assert_eq!(plan, again.plan, "{written}");
            true
        }
        Err(found) => {
            assert!(!found.is_empty(), "refused without a reason:\n{text}");
            let shown = found.render(false);
            assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
            for d in &found {
                assert!(d.span.end <= text.len() && d.span.line > 0 && d.span.column > 0, "{d:?}");
                let at = format!("--> rack.toml:{}:{}\n", d.span.line, d.span.column);
                assert!(shown.contains(&at), "{at}{shown}\n{text:?}");
            }
            false
        }
    }
}

#[test]
fn mutated_racks_are_refused_or_loaded() {
    // `tests/soak racks` asks for more, with another seed.
    let asked = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let mut r = Random(asked("LATHE_SEED").unwrap_or(1).max(1));
    let count = asked("LATHE_MUTANTS").unwrap_or(5000) as usize;
    let loaded = (0..count).filter(|_| survive(&mutate(TREE, &mut r))).count();
    assert!(
        (count / 100..count * 4 / 5).contains(&loaded),
        "{loaded} of {count} mutants load: they miss the point"
    );
}

#[test]
fn endless_nesting_is_refused() {
    let n = 100_000;
    let texts = [
        "[".repeat(n),
        format!("a = {}", "[".repeat(n)),
        format!("a = {}1{}", "[".repeat(n), "]".repeat(n)),
        format!("a = {}1{}", "{ a = ".repeat(n), " }".repeat(n)),
        format!("a = {}", "{ a = ".repeat(n)),
        format!("a = {}", "[{ a = ".repeat(n)),
        format!("a{} = 1", ".a".repeat(n)),
        format!("[a{}]\n", ".a".repeat(n)),
        format!("[[a{}]]\n", ".a".repeat(n)),
        format!("a = {}1", format!("{{ a{} = ", ".a".repeat(79)).repeat(4000)),
        format!("[[slot{}]]\n", ".branch.slot".repeat(39)),
        (0..39).map(|d| format!("[[slot{}]]\n[[slot{0}.branch]]\n", ".branch.slot".repeat(d))).collect(),
        "]".repeat(n),
        "}".repeat(n),
        "\"".repeat(n),
        "a\n".repeat(n),
        "[[slot]]\n".repeat(n),
        "#\n".repeat(MAX_FILE / 2),
        "x".repeat(MAX_FILE),
        "x=1,".repeat(MAX_FILE / 4),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let text = if text.len() > MAX_FILE { text[..MAX_FILE].to_string() } else { text };
        assert!(!survive(&text), "{}", &text[..40]);
        let took = start.elapsed().as_secs_f64();
        assert!(took < 5.0, "{took:.1} s for {}…", &text[..text.len().min(40)]);
    }
}
