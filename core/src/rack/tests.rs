// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each mistake a rack file can have: where it is reported, what is allowed, what was probably meant.

use super::diagnostic::MAX_DIAGNOSTICS;
use super::plan::Source;
use super::*;
use crate::param::{self, Choice, Repeat, Values};
use crate::units::{Block, Erased, Format, Kind, Notes, Refusal, Unit, UnitSpec, gain};

/// Splits and gains, to several depths.
pub(super) const TREE: &str = r#"
format = 1

[rack]
name = "Tree"
layout = "stereo"
latency_ms = 60

[[slot]]
id = "vol"
unit = "gain"
params = { trim = -1.5, polarity = true, balance = "25 %", mix = 50 }

[[slot]]
id = "air"
split = "bands"
params = { freq1 = "0.12 kHz", freq2 = 2500, slope = "lr8", low = { gain = -1, mute = true } }
  [[slot.branch]]
  id = "low"
    [[slot.branch.slot]]
    id = "low_ms"
    split = "midside"
      [[slot.branch.slot.branch]]
      id = "mid"
        [[slot.branch.slot.branch.slot]]
        id = "mid_vol"
        unit = "gain"
        params = { dc_block = "on", bypass = true }
      [[slot.branch.slot.branch]]
      id = "side"
  [[slot.branch]]
  id = "middle"
  [[slot.branch]]
  id = "high"

[[slot]]
id = "last"
unit = "gain"
"#;

/// A unit with all that `gain` has not: a sidechain, a choice, a whole number, a repeated group.
struct Probe;

const MODES: &[Choice] = &[Choice { symbol: "peak", doc: "" }, Choice { symbol: "rms", doc: "" }];

impl Kind for Probe {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "probe",
        name: "Probe",
        doc: "For tests.",
        params: &[
            param::choice("mode", "Mode", MODES, 0),
            param::float("depth", "Depth", param::Unit::None, (0.0, 1.0), 0.5),
            param::integer("count", "Count", (1, 8), 2),
            param::toggle("on", "On", false),
        ],
        repeat: Some(Repeat {
            prefix: "band",
            name: "Band",
            count: 24,
            params: &[
                param::float("freq", "Frequency", param::Unit::Hertz, (20.0, 20_000.0), 1000.0).log(),
                param::float("gain", "Gain", param::Unit::Decibel, (-24.0, 24.0), 0.0),
            ],
        }),
        sidechain: true,
        sound: 1,
    };
    type Unit = ProbeUnit;
    fn design(_: &Format, _: &Values, _: &mut Notes) -> Result<(), Refusal> {
        Ok(())
    }
    fn build(_: &Format, _: &Values, (): ()) -> Result<ProbeUnit, Refusal> {
        Ok(ProbeUnit)
    }
}

struct ProbeUnit;

impl Unit for ProbeUnit {
    type Parts = ();
    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}
    fn process(&mut self, _: &mut Block<'_>) {}
    fn reset(&mut self) {}
}

pub(super) const PROBES: &[&dyn AnyKind] = &[&Erased::<gain::Gain>::NEW, &Erased::<Probe>::NEW];

pub(super) fn load_probe(text: &str) -> Result<Loaded, Diagnostics> {
    load_from(PROBES, text, "rack.toml")
}

fn errors(text: &str) -> Diagnostics {
    match load_probe(text) {
        Ok(_) => panic!("loads, and should not:\n{text}"),
        Err(e) => e,
    }
}

/// Takes `‹` and `›` out of the text and gives the byte ranges that stood between them.
fn marked(text: &str) -> (String, Vec<std::ops::Range<usize>>) {
    let (mut out, mut ranges, mut start) = (String::new(), Vec::new(), 0);
    for c in text.chars() {
        match c {
            '‹' => start = out.len(),
            '›' => ranges.push(start..out.len()),
            c => out.push(c),
        }
    }
    (out, ranges)
}

/// One diagnostic for each marked place, in order, each with these words in what is shown.
fn case(text: &str, words: &[&[&str]]) {
    let (text, places) = marked(text);
    let found = errors(&text);
    let shown = found.render(false);
    let spans: Vec<_> = found.iter().map(|d| d.span.start..d.span.end).collect();
    assert_eq!(spans, places, "\n{text}\n{shown}");
    assert_eq!(words.len(), places.len(), "{shown}");
    for (d, words) in found.iter().zip(words) {
        let before = &text[..d.span.start];
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        let line = before.matches('\n').count() + 1;
        assert_eq!((d.span.line, d.span.column), (line, column), "{shown}");
        assert!(shown.contains(&format!("--> rack.toml:{line}:{column}\n")), "{line}:{column}\n{shown}");
        let all = format!("{} | {} | {}", d.message, d.label, d.help.as_deref().unwrap_or(""));
        for word in *words {
            assert!(all.contains(word), "{word:?} is not in: {all}");
        }
    }
}

const HEAD: &str = "format = 1\n[rack]\nlayout = \"stereo\"\n";

/// A case about the slots of a stereo rack.
fn slots(text: &str, words: &[&[&str]]) {
    case(&format!("{HEAD}{text}"), words);
}

/// A case about the parameters of one unit.
fn params(unit: &str, params: &str, words: &[&[&str]]) {
    slots(&format!("[[slot]]\nid = \"x\"\nunit = \"{unit}\"\nparams = {{ {params} }}\n"), words);
}

/// Branches with these ids.
fn branches(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("[[slot.branch]]\nid = \"{id}\"\n")).collect()
}

#[test]
fn the_tree_resolves() {
    let plan = load(TREE, "tree.toml").unwrap_or_else(|e| panic!("{}", e.render(false))).plan;
    assert_eq!((plan.name.as_str(), plan.latency_ms), ("Tree", Some(60.0)));
    let walk = plan.walk();
    let ids: Vec<&str> = walk.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["vol", "air", "low_ms", "mid_vol", "last"]);
    let value = |slot: usize, symbol: &str| {
        let s = walk[slot];
        s.values.get(s.table.find(symbol).expect(symbol))
    };
    assert_eq!((value(0, "trim"), value(0, "polarity"), value(0, "balance")), (-1.5, 1.0, 25.0));
    assert_eq!((value(1, "freq1"), value(1, "freq2"), value(1, "slope")), (120.0, 2500.0, 1.0));
    assert_eq!((value(1, "low/gain"), value(1, "low/mute"), value(1, "high/gain")), (-1.0, 1.0, 0.0));
    assert_eq!((value(3, "dc_block"), value(3, "bypass"), value(3, "mix")), (1.0, 1.0, 100.0));
}

#[test]
fn sidechains_resolve() {
    let text = format!(
        "{HEAD}[[rack.sidechain]]\nname = \"kick\"\n\
         [[slot]]\nid = \"a\"\nunit = \"probe\"\nsidechain = \"kick\"\n\
         [[slot]]\nid = \"p\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"one\"\n\
         [[slot.branch.slot]]\nid = \"b\"\nunit = \"probe\"\nsidechain = \"a\"\n\
         [[slot.branch]]\nid = \"two\"\n[[slot.branch.slot]]\nid = \"c\"\nunit = \"probe\"\nsidechain = \"b\"\n\
         [[slot]]\nid = \"d\"\nunit = \"probe\"\nsidechain = \"p\"\n\
         [[slot]]\nid = \"e\"\nunit = \"probe\"\nsidechain = \"main_in\"\n"
    );
    let plan = load_probe(&text).unwrap_or_else(|e| panic!("{}", e.render(false))).plan;
    let source = |s: &&plan::SlotPlan| match &s.content {
        plan::Content::Unit { sidechain, .. } => Some(sidechain.clone()),
        plan::Content::Split { .. } => None,
    };
    let found: Vec<Source> = plan.walk().iter().filter_map(source).collect();
    let slot = |id: &str| Source::Slot(id.to_string());
    assert_eq!(found, [Source::Port("kick".into()), slot("a"), slot("b"), slot("p"), Source::MainIn]);
    assert_eq!(plan.sidechains[0].layout.name(), "mono");
}

#[test]
fn syntax() {
    case(
        "format = 1\n[rack‹›\nlayout = ‹stereo›\nname = \"abc‹›\n[[slot]‹›\nid = \"a\"\nunit = ‹›\n\
         params = { trim = 1, mix ‹2› }\n[[slot]]\n\
         id ‹›\"x\"\nunit = ‹\"gian\"›\nparams = { trim = 1‹›\n\n[[slot]]\nid = ‹\"a\"›\nunit = \"gain\"\n"
            .replace("mix ‹2›", "mix ‹›2")
            .as_str(),
        &[
            &["the header is not closed by ]", "expected `]`"],
            &["text must be in quotes", "write \"stereo\""],
            &["not TOML"],
            &["the header is not closed by ]", "expected `]`"],
            &["a value is missing"],
            &["expected `=`"],
            &["a key needs = and a value"],
            &["did you mean \"gain\"?"],
            &["the inline table is not closed by }"],
            &["another slot already"],
        ],
    );
    slots("[[slot]]\nid = \"a\"\n‹id› = \"b\"\nunit = \"gain\"\n", &[&["given twice"]]);
}

#[test]
fn errors_beside_a_syntax_error_are_still_found() {
    let text = "format = 1\n[rack]\nlayout = \"sterio\"\n[[slot]]\nid = \nunit = \"gian\"\n";
    let found = errors(text);
    let lines: Vec<usize> = found.iter().map(|d| d.span.line).collect();
    assert_eq!(lines, [3, 5, 6], "{}", found.render(false));
    assert!(!found.lines().contains("has no \"id\""), "the id may only have been lost\n{found}");
}

#[test]
fn the_file_as_a_whole() {
    for empty in ["", "\n\n", "# nothing\n"] {
        let found = errors(empty);
        assert_eq!(
            found.lines(),
            format!(
                "rack.toml:1:1: error: {}",
                "the rack file is empty (the least is: format = 1, and [rack] with layout = \"stereo\")\n"
            )
        );
        assert!(found.render(false).contains("error: the rack file is empty"));
    }
    let large = errors(&"#".repeat(layout::MAX_FILE + 1));
    assert!(large.lines().contains("at most 1048576"), "{large}");
    let found = load_bytes(b"format = 1\n# \xff\n", "rack.toml").expect_err("not UTF-8");
    assert_eq!(found.lines(), "rack.toml:2:3: error: the file is not UTF-8 text\n");
    let loaded = load_probe(HEAD).expect("a rack without slots");
    assert_eq!(
        loaded.warnings.lines(),
        "rack.toml:1:1: warning: the rack has no slots: it passes the audio unchanged\n"
    );
}

#[test]
fn format_number() {
    case("‹›[rack]\nlayout = \"mono\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"", &[&["\"format\" is missing"]]);
    case(
        "format = ‹2›\n[rack]\nlayout = \"nonsense of the future\"\n",
        &[&["format 2 is newer", "must be 1"]],
    );
    case(
        "format = ‹0›\n[rack]\nlayout = \"mono\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"",
        &[&["no format 0", "must be 1"]],
    );
    case(
        "format = ‹\"1\"›\n[rack]\nlayout = \"mono\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"",
        &[&["is a string"]],
    );
}

#[test]
fn keys() {
    case(
        "format = 1\n‹tittle› = 1\n[rack]\nlayout = \"mono\"\n‹lattency_ms› = 2\n[[slot]]\nid = \"a\"\nunit = \"gain\"\n‹parms› = {}\n",
        &[
            &["a rack file has no key \"tittle\"", "\"format\", \"rack\", \"slot\""],
            &["did you mean \"latency_ms\"?", "\"name\", \"layout\""],
            &["[[slot]] has no key", "did you mean \"params\"?"],
        ],
    );
    slots("‹[[slot]]›\nunit = \"gain\"\n", &[&["has no \"id\""]]);
    slots("‹[[slot]]›\nid = \"a\"\n", &[&["neither \"unit\" nor \"split\"", "\"gain\"", "\"bands\""]]);
    slots(
        "[[slot]]\nid = \"a\"\nunit = \"gain\"\nsplit = ‹\"bands\"›\n[[slot.branch]]\nid = \"b\"\n[[slot.branch]]\nid = \"c\"\n",
        &[&["names both"]],
    );
    case(
        "format = 1\n‹[rack]›\nname = \"x\"\n[[slot]]\nid = \"a\"\nunit = \"gain\"",
        &[&["[rack] has no \"layout\""]],
    );
    case("‹›format = 1\n[[slot]]\nid = \"a\"\nunit = \"gain\"", &[&["[rack] is missing"]]);
}

#[test]
fn types() {
    case(
        "format = 1\n[rack]\nname = ‹7›\nlayout = ‹true›\nlatency_ms = ‹\"60\"›\nlink = ‹3›\nsidechain = ‹{ name = \"a\" }›\n\
         [[slot]]\nid = ‹1.5›\nunit = ‹[]›\nparams = ‹4›\nsidechain = ‹1979-05-27›\n",
        &[
            &["\"name\" is a whole number", "must be a string"],
            &["\"layout\" is true or false", "the name of a layout or a list"],
            &["\"latency_ms\" is a string", "must be a number"],
            &["\"link\" is a whole number", "a list of lists"],
            &["\"sidechain\" is a table", "write [[rack.sidechain]], with two brackets"],
            &["\"id\" is a number", "must be a string"],
            &["\"unit\" is a list", "must be a string"],
            &["\"params\" is a whole number", "params = { name = value, … }"],
            &["\"sidechain\" is a date", "must be a string"],
        ],
    );
    slots("‹[slot]›\nid = \"a\"\n", &[&["write [[slot]], with two brackets"]]);
}

#[test]
fn layouts() {
    let rack = |rest: &str, words: &[&[&str]]| {
        case(&format!("format = 1\n[rack]\n{rest}\n[[slot]]\nid = \"a\"\nunit = \"gain\"\n"), words);
    };
    rack("layout = ‹\"sterio\"›", &[&["no layout \"sterio\"", "\"7.1.4\"", "did you mean \"stereo\"?"]]);
    rack("layout = [\"L\", ‹\"l\"›]", &[&["no channel \"l\"", "\"LFE\""]]);
    rack("layout = [\"L\", \"R\", ‹\"L\"›]", &[&["\"L\" is the id of another channel already"]]);
    rack("layout = ‹[]›", &[&["at least one"]]);
    rack("layout = ‹[\"M\", \"L\"]›", &[&["stands alone"]]);
    rack("layout = [\"L\", ‹2›]", &[&["a list of channel names"]]);
    rack(
        "layout = \"lcr\"\nlink = [[\"L\", \"R\"], [‹\"L\"›, ‹\"LFE\"›]]",
        &[&["another link group"], &["not in the layout, which has \"L\", \"R\", \"C\""]],
    );
    for bad in ["-1", "2000.1", "nan", "inf", "1e99"] {
        rack(&format!("layout = \"mono\"\nlatency_ms = ‹{bad}›"), &[&["0 ms to 2000 ms"]]);
    }
    rack("name = ‹\"\"›\nlayout = \"mono\"", &[&["1 to 96 printable"]]);
    rack("name = ‹\"a\\u001bb\"›\nlayout = \"mono\"", &[&["1 to 96 printable"]]);
}

#[test]
fn link_groups_replace_the_usual_ones() {
    let linked = |link: &str| {
        let text =
            format!("format = 1\n[rack]\nlayout = \"5.1\"\n{link}\n[[slot]]\nid = \"a\"\nunit = \"gain\"");
        load_probe(&text).expect("loads").plan.layout
    };
    let usual = linked("");
    assert_eq!(usual.linked(), [vec![0, 1, 2], vec![3], vec![4, 5]]);
    assert_eq!(
        linked("link = [[\"L\", \"R\"], [\"Ls\", \"Rs\"]]").linked(),
        [vec![0, 1], vec![2], vec![3], vec![4, 5]]
    );
    assert_eq!(
        linked("link = [[\"Rs\", \"Ls\"], [\"C\", \"L\", \"R\"]]"),
        usual,
        "the same links are the same layout"
    );
}

#[test]
fn ids() {
    for (id, better) in [("Low Comp", "low_comp"), ("9lives", "lives"), ("a-b", "a_b"), ("é!x", "x")] {
        slots(
            &format!("[[slot]]\nid = ‹\"{id}\"›\nunit = \"gain\"\n"),
            &[&["[a-z][a-z0-9_]*", &format!("did you mean \"{better}\"?")]],
        );
    }
    slots("[[slot]]\nid = ‹\"\"›\nunit = \"gain\"\n", &[&["is not an id for a slot"]]);
    slots(
        &format!("[[slot]]\nid = ‹\"{}\"›\nunit = \"gain\"\n", "a".repeat(33)),
        &[&["has 33 characters", "at most 32"]],
    );
    for reserved in names::RESERVED_SLOTS {
        slots(
            &format!("[[slot]]\nid = ‹\"{reserved}\"›\nunit = \"gain\"\n"),
            &[&["the name is reserved", "main_in"]],
        );
    }
}

#[test]
fn duplicate_ids_point_to_both() {
    let text = format!(
        "{HEAD}[[slot]]\nid = \"a\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"b\"\n[[slot.branch.slot]]\nid = \"a\"\nunit = \"gain\"\n"
    );
    let found = errors(&text);
    let d = &found.diagnostics[0];
    assert_eq!((d.span.line, d.span.column), (10, 6));
    assert_eq!((d.related[0].span.line, d.related[0].span.column), (5, 6));
    let shown = found.render(false);
    assert!(
        shown.contains("first used for this slot") && shown.contains("needs an id of its own"),
        "{shown}"
    );
    slots(
        "[[slot]]\nid = \"a\"\nunit = \"gain\"\n[[rack.sidechain]]\nname = ‹\"a\"›\n",
        &[&["another slot already"]],
    );
}

#[test]
fn units_and_splits() {
    slots(
        "[[slot]]\nid = \"a\"\nunit = ‹\"gian\"›\n",
        &[&["no unit \"gian\"", "\"gain\", \"probe\"", "did you mean \"gain\"?"]],
    );
    slots("[[slot]]\nid = \"a\"\nunit = ‹\"bands\"›\n", &[&["write split = \"bands\""]]);
    slots("[[slot]]\nid = \"a\"\nsplit = ‹\"gain\"›\n", &[&["write unit = \"gain\""]]);
    slots("[[slot]]\nid = \"a\"\nsplit = ‹\"midsid\"›\n", &[&["\"leftright\"", "did you mean \"midside\"?"]]);
    slots(
        "[[slot]]\nid = \"a\"\nunit = \"gain\"\n[[slot.‹branch›]]\nid = \"b\"\n"
            .replace("[[slot.‹branch›]]", "‹[[slot.branch]]›")
            .as_str(),
        &[&["a unit has no branches"]],
    );
    case(
        "format = 1\n[rack]\nlayout = \"mono\"\n[[slot]]\nid = \"a\"\nsplit = ‹\"leftright\"›\n[[slot.branch]]\nid = \"left\"\n[[slot.branch]]\nid = \"right\"\n",
        &[&["needs a pair", "the signal is mono"]],
    );
    let nested = "[[slot]]\nid = \"a\"\nsplit = \"midside\"\n[[slot.branch]]\nid = \"mid\"\n[[slot.branch.slot]]\nid = \"b\"\nsplit = ‹\"midside\"›\n\
        [[slot.branch.slot.branch]]\nid = \"mid\"\n[[slot.branch.slot.branch]]\nid = \"side\"\n[[slot.branch]]\nid = \"side\"\n";
    slots(nested, &[&["needs a pair", "mono"]]);
}

#[test]
fn branch_ids_and_counts() {
    let split = |kind: &str, rest: &str, words: &[&[&str]]| {
        slots(&format!("[[slot]]\nid = \"a\"\nsplit = \"{kind}\"\n{rest}"), words);
    };
    split(
        "midside",
        "[[slot.branch]]\nid = ‹\"side\"›\n[[slot.branch]]\nid = ‹\"mid\"›\n",
        &[&["must be \"mid\"", "in this order"], &["must be \"side\""]],
    );
    for (kind, ids, words) in [
        ("bands", vec!["one"], ["2 to 6 branches", "here are 1"]),
        ("bands", vec!["a", "b", "c", "d", "e", "f", "g"], ["2 to 6 branches", "here are 7"]),
        ("parallel", vec![], ["1 to 8 branches", "here are 0"]),
        ("leftright", vec!["left"], ["exactly 2 branches: \"left\", \"right\"", "here are 1"]),
    ] {
        let text = format!("‹[[slot]]›\nid = \"a\"\nsplit = \"{kind}\"\n{}", branches(&ids));
        slots(&text, &[&words]);
    }
    for reserved in names::RESERVED_BRANCHES {
        split("parallel", &format!("[[slot.branch]]\nid = ‹\"{reserved}\"›\n"), &[&["the name is reserved"]]);
    }
    split(
        "parallel",
        "[[slot.branch]]\nid = \"b\"\n[[slot.branch]]\nid = ‹\"b\"›\n",
        &[&["another branch already"]],
    );
    split(
        "parallel",
        "‹[[slot.branch]]›\n[[slot.branch]]\nid = ‹\"B\"›\n",
        &[&["this branch has no \"id\""], &["did you mean \"b\"?"]],
    );
}

#[test]
fn parameters() {
    params(
        "gain",
        "‹trmi› = 1",
        &[&[
            "unit \"gain\" has no parameter \"trmi\"",
            "\"trim\", \"polarity\", \"balance\", \"dc_block\", \"bypass\", \"mix\"",
            "did you mean \"trim\"?",
        ]],
    );
    params("gain", "trim = ‹24.5›", &[&["\"trim\" = 24.5 dB is out of range: -60 dB to 24 dB"]]);
    params(
        "gain",
        "trim = ‹\"30 dB\"›, mix = ‹-1›",
        &[&["\"30 dB\"", "-60 dB to 24 dB"], &["-1 % is out of range: 0 % to 100 %"]],
    );
    for bad in [
        "nan",
        "inf",
        "-inf",
        "1e999",
        "99999999999999999999999",
        "1e300",
        "0xffffffffffffffffffffffffffffffffffff",
    ] {
        params("gain", &format!("trim = ‹{bad}›"), &[&["-60 dB to 24 dB"]]);
    }
    params(
        "gain",
        "trim = ‹\"loud\"›, polarity = ‹1›, dc_block = ‹\"maybe\"›",
        &[&["-60 dB to 24 dB"], &["on or off"], &["on or off"]],
    );
    params(
        "gain",
        "trim = ‹true›, balance = ‹[1]›",
        &[&["true is of the wrong type"], &["a list is of the wrong type"]],
    );
    params("gain", "‹trim› = { x = 1 }", &[&["one value, not a group"]]);
    params("probe", "mode = ‹\"rns\"›", &[&["one of \"peak\", \"rms\"", "did you mean \"rms\"?"]]);
    params(
        "probe",
        "mode = ‹1›, count = ‹2.5›",
        &[&["one of \"peak\", \"rms\""], &["2.5 is not a whole number: a whole number from 1 to 8"]],
    );
    params("probe", "mode = ‹\"1\"›", &[&["\"1\" is not a choice"]]);
    params("probe", "‹band1› = 3", &[&["a group of parameters", "write band1 = { freq = … }"]]);
    params("probe", "‹bnad1› = { freq = 1, q = 2 }", &[&["did you mean \"band1\"?", "\"band1 … band24\""]]);
    params(
        "probe",
        "band3 = { ‹frq› = 80, gain = ‹25› }",
        &[
            &["\"band3\" of unit \"probe\" has no parameter", "did you mean \"freq\"?"],
            &["\"band3/gain\" = 25 dB"],
        ],
    );
    params("probe", "band1 = { gain = 1 }, ‹\"band1/gain\"› = 2", &[&["\"band1/gain\" is set twice"]]);
    slots(
        &format!(
            "[[slot]]\nid = \"a\"\nsplit = \"parallel\"\nparams = {{ one = {{ ‹gian› = 1 }}, ‹tow› = {{ gain = 1 }} }}\n{}",
            branches(&["one", "two"])
        ),
        &[&["did you mean \"gain\"?"], &["did you mean \"two\"?"]],
    );
}

#[test]
fn crossovers_rise() {
    let bands = |params: &str, words: &[&[&str]]| {
        let ids = branches(&["low", "mid", "high"]);
        slots(&format!("[[slot]]\nid = \"a\"\nsplit = \"bands\"\nparams = {{ {params} }}\n{ids}"), words);
    };
    bands(
        "freq1 = 500, freq2 = ‹400›",
        &[&["freq2 = 400 Hz is not above freq1 = 500 Hz", "must be above 500 Hz"]],
    );
    bands("freq1 = ‹3000›", &[&["must be below 2500 Hz", "freq2 is not given; with 3 bands it is 2500 Hz"]]);
    bands("freq2 = ‹200›", &[&["must be above 200 Hz", "freq1 is not given"]]);
    bands("‹freq3› = 5000", &[&["has no parameter \"freq3\"", "\"freq1\", \"freq2\""]]);
}

#[test]
fn sidechain_sources() {
    let listen = |source: &str, words: &[&[&str]]| {
        slots(
            &format!(
                "[[slot]]\nid = \"first\"\nunit = \"gain\"\n[[slot]]\nid = \"x\"\nunit = \"probe\"\nsidechain = ‹\"{source}\"›\n[[slot]]\nid = \"last\"\nunit = \"gain\"\n"
            ),
            words,
        );
    };
    listen(
        "frist",
        &[&["no sidechain source \"frist\"", "\"self\", \"main_in\", \"first\"", "did you mean \"first\"?"]],
    );
    listen("last", &[&["\"last\" comes later", "\"first\""]]);
    listen("x", &[&["its own output", "\"self\" is its own input"]]);
    slots(
        "[[slot]]\nid = \"a\"\nunit = \"gain\"\nsidechain = ‹\"self\"›\n",
        &[&["\"gain\" does not listen to a sidechain"]],
    );
    let ancestor = format!(
        "[[slot]]\nid = \"p\"\nsplit = \"parallel\"\nsidechain = ‹\"self\"›\n{}[[slot.branch.slot]]\nid = \"x\"\nunit = \"probe\"\nsidechain = ‹\"p\"›\n",
        branches(&["b"])
    );
    slots(&ancestor, &[&["a split has no sidechain"], &["the split around this slot"]]);
    slots(
        "[[rack.sidechain]]\nname = ‹\"self\"›\n[[rack.sidechain]]\nname = \"k\"\n[[rack.sidechain]]\nname = ‹\"k\"›\n‹[[rack.sidechain]]›\n[[slot]]\nid = \"a\"\nunit = \"gain\"\n",
        &[&["reserved"], &["another sidechain already"], &["[[rack.sidechain]] has no \"name\""]],
    );
}

#[test]
fn bounds() {
    let slot = |n: usize| format!("[[slot]]\nid = \"s{n}\"\nunit = \"gain\"\n");
    let full: String = (0..layout::MAX_SLOTS).map(slot).collect();
    assert!(load_probe(&format!("{HEAD}{full}")).is_ok());
    let found = errors(&format!("{HEAD}{full}{}{}", slot(1000), slot(1001)));
    assert_eq!(found.lines(), "rack.toml:772:1: error: the rack has more than 256 slots\n");
    let deep = |depth: usize| {
        let mut text = HEAD.to_string();
        let mut path = "slot".to_string();
        for n in 0..depth {
            text +=
                &format!("[[{path}]]\nid = \"s{n}\"\nsplit = \"parallel\"\n[[{path}.branch]]\nid = \"b\"\n");
            path += ".branch.slot";
        }
        text
    };
    assert!(load_probe(&deep(layout::MAX_DEPTH)).is_ok());
    assert!(errors(&deep(layout::MAX_DEPTH + 1)).lines().contains("nested more than 8 deep"));
}

#[test]
fn all_forms_of_a_report() {
    let text = "format = 1\n[rack]\nlayout = \"stereo\"\n[[slot]]\nid = \"vol\"\nunit = \"gain\"\nparams = { trmi = 3 }\n";
    let found = load(text, "racks/a.toml").expect_err("a slip");
    assert_eq!(
        found.lines(),
        "racks/a.toml:7:12: error: unit \"gain\" has no parameter \"trmi\"; it has \"trim\", \"polarity\", \
         \"balance\", \"dc_block\", \"bypass\", \"mix\" (did you mean \"trim\"?)\n"
    );
    let json = serde_json::to_value(&found).expect("JSON");
    assert_eq!(json["file"], "racks/a.toml");
    assert_eq!(json["diagnostics"][0]["severity"], "error");
    assert_eq!((&json["diagnostics"][0]["line"], &json["diagnostics"][0]["column"]), (&7.into(), &12.into()));
    assert_eq!(json["diagnostics"][0]["help"], "did you mean \"trim\"?");
    assert!(found.render(true).contains("\u{1b}["));
    assert!(!found.render(false).contains('\u{1b}'));
}

#[test]
fn nothing_from_the_file_acts_on_the_terminal() {
    let text = format!(
        "{HEAD}# \u{1b}[2J \u{9b}31m \u{202e}\n[[slot]]\nid = \"a\u{9b}31m\u{202e}b\" # \u{9b}2J\u{200f}\nunit = \"\\u001b[2J\"\n\"\\u009b\" = \"\u{7}\"\n"
    );
    let found = load(&text, "bad\u{1b}[2J\u{9b}.toml").expect_err("refused");
    let json = serde_json::to_string(&found).expect("JSON");
    for shown in [found.render(false), found.lines(), found.to_string(), json] {
        let bad =
            shown.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{200f}'));
        assert_eq!(bad, None, "{shown:?}");
    }
}

#[test]
fn thousands_of_errors_are_counted() {
    let text: String = HEAD.to_string() + &"[[slot]]\nid = \"A\"\nunit = \"x\"\n".repeat(200);
    let found = errors(&text);
    assert_eq!((found.diagnostics.len(), found.omitted), (MAX_DIAGNOSTICS, 300));
    assert!(found.render(false).ends_with("… and 300 more\n"));
}
