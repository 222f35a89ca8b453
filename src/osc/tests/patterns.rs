// SPDX-License-Identifier: MIT OR Apache-2.0
//! Patterns by example, and the work of the worst of them.

use super::super::matcher::{Budget, MAX_PATTERN, OutOfWork, Pattern, PatternError};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn patterns_of_osc_match_as_specified() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("/a/b", &["/a/b", "a/b"], &["/a", "/a/b/c", "/a/", "/A/b", ""]),
        ("/a*", &["/a", "/ab", "/abc"], &["/b", "/a/b", "/ba"]),
        ("/*", &["/a", "/abc"], &["/a/b"]),
        ("/*/b", &["/a/b", "//b"], &["/b", "/a/c/b"]),
        ("/a?c", &["/abc", "/aéc"], &["/ac", "/abbc", "/a/c"]),
        ("/[0-9][0-9]", &["/07", "/42"], &["/4", "/4x", "/423"]),
        ("/b[!1-3]", &["/b4", "/bx", "/b-"], &["/b1", "/b3", "/b", "/b/"]),
        ("/[a-]", &["/a", "/-"], &["/b"]),
        ("/[abx-z]", &["/a", "/y"], &["/c", "/-"]),
        ("/{band1,band10}", &["/band1", "/band10"], &["/band", "/band100", "/band2"]),
        ("/{band1,band10}/gain", &["/band1/gain", "/band10/gain"], &["/band11/gain"]),
        ("/{,x}a", &["/a", "/xa"], &["/xxa"]),
        ("/{a,b*}*", &["/a", "/ax", "/bx"], &["/x", "/xa"]),
        ("/{a?,[0-3]}z", &["/abz", "/2z"], &["/az", "/4z"]),
        ("/*a*b*", &["/ab", "/xaxbx", "/aabb"], &["/ba", "/a/b"]),
        ("/**", &["/a"], &["/a/b"]),
        ("//gain", &["/gain", "/eq/gain", "/eq/band1/gain"], &["/eq/gains", "/eq/again", "/gain/x"]),
        (
            "/rack//gain",
            &["/rack/gain", "/rack/eq/gain", "/rack/eq/band1/gain"],
            &["/eq/gain", "/racks/gain"],
        ),
        ("/rack//", &["/rack/eq", "/rack/eq/gain"], &["/rack", "/rack/", "/meter/in"]),
        ("//", &["/a", "/a/b/c"], &["/", ""]),
        ("//b//d", &["/b/d", "/a/b/c/d", "/b/b/d"], &["/d", "/a/d"]),
        ("/a//*/c", &["/a/b/c", "/a/x/b/c"], &["/a/c"]),
    ];
    for (text, yes, no) in cases {
        for address in *yes {
            assert!(pattern(text).matches(address), "{text} on {address}");
        }
        for address in *no {
            assert!(!pattern(text).matches(address), "{text} not on {address}");
        }
    }
    assert!(
        pattern("/rack/eq").is_literal() && !pattern("/rack/*").is_literal() && !pattern("//x").is_literal()
    );
}

#[test]
fn globs_of_the_command_line_descend_with_two_stars() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("eq/gain", &["eq/gain", "/eq/gain"], &["eq", "x/eq/gain"]),
        ("eq/*", &["eq/gain"], &["eq/band1/gain", "eq"]),
        ("eq/**", &["eq/gain", "eq/band1/gain"], &["eq", "air/gain"]),
        ("**/gain", &["gain", "eq/gain", "eq/band1/gain"], &["eq/again"]),
        ("eq/**/gain", &["eq/gain", "eq/band1/gain"], &["air/gain"]),
        ("**", &["a", "eq/band1/gain"], &[""]),
        ("*/bypass", &["eq/bypass", "rack/bypass"], &["a/b/bypass"]),
        ("eq/{band1,band2}/[fg]*", &["eq/band1/freq", "eq/band2/gain"], &["eq/band3/gain", "eq/band1/q"]),
    ];
    for (text, yes, no) in cases {
        let glob = Pattern::glob(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert!(yes.iter().all(|a| glob.matches(a)), "{text} on {yes:?}");
        assert!(!no.iter().any(|a| glob.matches(a)), "{text} not on {no:?}");
    }
    assert_eq!(Pattern::glob("eq/a**b"), Err(PatternError::PartOfLevel(3)));
    assert!(Pattern::glob("eq/gain").is_ok_and(|g| g.is_literal()));
}

#[test]
fn wrong_patterns_are_refused_with_the_place() {
    let cases = [
        ("a/b", PatternError::NoSlash),
        ("/[abc", PatternError::Unclosed('[', 1)),
        ("/[", PatternError::Unclosed('[', 1)),
        ("/{a,b", PatternError::Unclosed('{', 1)),
        ("/a]", PatternError::Unopened(']', 2)),
        ("/a}", PatternError::Unopened('}', 2)),
        ("/[]", PatternError::EmptyClass(1)),
        ("/[!]", PatternError::EmptyClass(1)),
        ("/[z-a]", PatternError::Backwards(2, 'z', 'a')),
        ("/{a,{b}}", PatternError::Nested(4)),
        ("/{a/b}", PatternError::Slash(3)),
        ("/[a/b]", PatternError::Slash(3)),
        ("/[+-/]", PatternError::Slash(2)),
    ];
    for (text, expected) in cases {
        assert_eq!(Pattern::parse(text), Err(expected), "{text}");
    }
    let long = format!("/{}", "a".repeat(MAX_PATTERN));
    assert_eq!(Pattern::parse(&long), Err(PatternError::TooLong(MAX_PATTERN + 1)));
    assert!(Pattern::parse(&long[..MAX_PATTERN]).is_ok());
    assert_eq!(Pattern::glob(&long), Err(PatternError::TooLong(MAX_PATTERN + 1)));
    assert!(Pattern::glob(&long[1..]).is_ok());
    let many = format!("/{{{}a}}", "a,".repeat(64));
    assert_eq!(Pattern::parse(&many), Err(PatternError::TooManyAlternatives));
}

#[test]
fn bombs_stay_within_pattern_times_address() {
    let full = |piece: &str| {
        let mut text = "/".to_string();
        while text.len() + piece.len() < MAX_PATTERN {
            text.push_str(piece);
        }
        text + "b"
    };
    let braces = format!("/{}b", "{a,a,a,a,a,a,a}".repeat(9));
    let bombs = [
        full("*a"),
        full("*"),
        full("?*"),
        full("[a-a]*"),
        full("//*"),
        full("[!b]"),
        braces,
        full("*[!ab]"),
    ];
    let address = format!("/{}", "a".repeat(255));
    let levels = "/a".repeat(128);
    for text in bombs {
        let pattern = pattern(&text);
        for address in [&address, &levels] {
            let mut budget = Budget(u32::MAX);
            assert_eq!(pattern.matches_within("", address, &mut budget), Ok(false), "{text}");
            let work = u32::MAX - budget.0;
            // Every alternative is two more places than its bytes.
            let most = (address.len() as u32 + 1) * (text.len() as u32 * 2 + 2);
            assert!(work <= most, "{text}: {work} of {most}");
        }
    }
}

#[test]
fn a_spent_budget_ends_the_match() {
    let mut budget = Budget(20);
    assert_eq!(pattern("/*a*a*a*b").matches_within("/", "aaaaaaaaaaaa", &mut budget), Err(OutOfWork));
    let mut budget = Budget(20);
    assert_eq!(pattern("/rack/*").matches_within("/meter/", "in/peak", &mut budget), Ok(false));
    assert!(budget.0 > 15, "a wrong beginning costs little, {} left", budget.0);
}

#[test]
fn the_first_level_of_a_pattern_tells_where_it_can_reach() {
    for text in ["/rack/eq/*", "/*/eq", "//gain", "/r*", "/{rack,meter}/x", "/[r]ack//", "/????/x"] {
        assert!(pattern(text).may_begin_with("rack"), "{text}");
    }
    for text in ["/meter/*", "/r/*", "/{a,b}/rack", "/racks/*", "/", "/rac/k*"] {
        assert!(!pattern(text).may_begin_with("rack"), "{text}");
    }
}

#[test]
fn a_rack_of_2000_addresses_fits_the_budget_of_a_packet() {
    let addresses: Vec<String> = (0..2_000).map(|n| format!("slot{}/band{}/gain", n / 20, n % 20)).collect();
    for text in
        ["/rack/*/*/gain", "//gain", "/rack//", "/rack/slot[0-9]/{band1,band10}/*", "/rack/*a*a*a*a*a*a*a*b"]
    {
        let (pattern, mut budget) = (pattern(text), Budget::PACKET);
        let start = std::time::Instant::now();
        let found =
            addresses.iter().filter(|a| pattern.matches_within("/rack/", a, &mut budget) == Ok(true)).count();
        let spent = Budget::PACKET.0 - budget.0;
        println!("{text}: {found} of 2,000, {spent} comparisons in {:?}", start.elapsed());
        assert!(spent < Budget::PACKET.0 / 2, "{text}: {spent}");
    }
}
