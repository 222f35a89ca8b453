// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is said of slots that stand in the wrong order.

use super::*;

fn rack(slots: &str) -> String {
    format!("format = 1\n[rack]\nlayout = \"stereo\"\n{slots}")
}

fn slot(id: &str, unit: &str) -> String {
    format!("[[slot]]\nid = \"{id}\"\nunit = \"{unit}\"\n")
}

fn errors(slots: &str) -> String {
    load(&rack(slots), "r").expect_err("a rack that is wrong").lines()
}

fn warnings(slots: &str) -> String {
    load(&rack(slots), "r").unwrap_or_else(|e| panic!("{e}")).warnings.lines()
}

#[test]
fn a_dither_that_is_last_is_fine() {
    assert_eq!(warnings(&(slot("lim", "limiter") + &slot("d", "dither"))), "");
    assert_eq!(warnings(&slot("d", "dither")), "");
}

#[test]
fn a_dither_that_is_not_last_is_refused() {
    let told = errors(&(slot("d", "dither") + &slot("vol", "gain")));
    let wanted =
        "r:6:8: error: slot \"d\" makes the final integers, so it must be the last slot; \"vol\" follows it";
    assert!(told.starts_with(wanted) && told.lines().count() == 1, "{told}");
}

#[test]
fn two_dithers_are_refused_once() {
    let told = errors(&(slot("a", "dither") + &slot("b", "dither")));
    assert!(
        told.contains("slots \"a\" and \"b\" both make the final integers") && told.lines().count() == 1,
        "{told}"
    );
}

#[test]
fn a_dither_in_a_split_is_refused() {
    let branch = |id: &str, inner: &str| {
        format!("[[slot.branch]]\nid = \"{id}\"\n[[slot.branch.slot]]\nid = \"x_{id}\"\nunit = \"{inner}\"\n")
    };
    let split = "[[slot]]\nid = \"ms\"\nsplit = \"midside\"\n".to_string();
    let told = errors(&(split + &branch("mid", "gain") + &branch("side", "dither")));
    assert!(
        told.contains("\"x_side\" makes the final integers, so it cannot stand in split \"ms\""),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn a_mixed_dither_is_warned_of() {
    let mixed = |mix: &str| warnings(&(slot("d", "dither") + &format!("params = {{ mix = {mix} }}\n")));
    assert!(mixed("50").contains("\"mix\" of slot \"d\" is 50 %: only at 100 %"), "{}", mixed("50"));
    assert_eq!((mixed("100").as_str(), mixed("\"100 %\"").as_str()), ("", ""));
}

#[test]
fn what_comes_after_a_limiter_is_warned_of() {
    let slots =
        slot("lim", "limiter") + &slot("eq", "equalizer") + &slot("vol", "gain") + &slot("d", "dither");
    let told = warnings(&slots);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(
        told.contains("warning: slot \"eq\" comes after \"lim\", whose ceiling no longer holds"),
        "{told}"
    );
    // What a later limiter catches is no matter.
    assert_eq!(warnings(&(slot("a", "limiter") + &slot("eq", "equalizer") + &slot("b", "limiter"))), "");
}

#[test]
fn a_rack_knows_the_bits_of_its_output() {
    let bits = |params: &str| {
        let text = rack(&(slot("lim", "limiter") + &slot("d", "dither") + params));
        load(&text, "r").unwrap_or_else(|e| panic!("{e}")).plan.integer_bits()
    };
    assert_eq!(bits("params = { bits = 16 }\n"), Some(16));
    assert_eq!(bits(""), Some(24));
    assert_eq!(bits("params = { mix = 50 }\n"), None);
    assert_eq!(bits("params = { bypass = true }\n"), None);
    assert_eq!(load(&rack(&slot("vol", "gain")), "r").unwrap().plan.integer_bits(), None);
}

/// A parallel split with this unit in one of its branches.
fn split(id: &str, inner: &str, unit: &str) -> String {
    format!(
        "[[slot]]\nid = \"{id}\"\nsplit = \"parallel\"\n[[slot.branch]]\nid = \"b\"\n\
         [[slot.branch.slot]]\nid = \"{inner}\"\nunit = \"{unit}\"\n"
    )
}

#[test]
fn a_clipper_holds_no_ceiling() {
    let last = "slot \"clip\" clips at a higher rate, and on the way down its output rings over its ceiling";
    for after in ["", "[[slot]]\nid = \"d\"\nunit = \"dither\"\n"] {
        let told = warnings(&(slot("eq", "equalizer") + &slot("clip", "clipper") + after));
        assert!(told.contains(last) && told.lines().count() == 1, "{told}");
    }
    // Something follows: nobody takes its ceiling for that of the output.
    assert_eq!(warnings(&(slot("clip", "clipper") + &slot("vol", "gain"))), "");
    assert_eq!(warnings(&(slot("clip", "clipper") + &slot("lim", "limiter"))), "");
    // After a limiter it is one more thing that exceeds that.
    let told = warnings(&(slot("lim", "limiter") + &slot("clip", "clipper")));
    assert!(told.contains("slot \"clip\" comes after \"lim\"") && told.lines().count() == 1, "{told}");
}

#[test]
fn a_conversion_after_a_limiter_is_warned_of() {
    let two = split("a", "low", "limiter") + &split("b", "high", "limiter");
    let told = warnings(&two);
    let wanted = "limiter \"low\" stands in a branch of \"a\": rendered to another rate, the audio is converted \
                  after it, before \"b\"";
    assert!(told.contains(wanted) && told.lines().count() == 1, "{told}");
    assert_eq!(warnings(&(two + &slot("lim", "limiter"))), "");
    assert_eq!(warnings(&(split("a", "low", "limiter") + &slot("eq", "equalizer"))), "");
    assert_eq!(warnings(&(split("a", "low", "compressor") + &split("b", "high", "limiter"))), "");
}
