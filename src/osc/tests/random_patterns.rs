// SPDX-License-Identifier: MIT OR Apache-2.0
//! Random patterns against a reference that tries everything, on inputs small enough for that.

use super::super::matcher::Pattern;
use super::Random;

/// A pattern as the reference knows it; it shares no code with the matcher.
#[derive(Clone, Debug)]
enum Part {
    Char(char),
    Any,
    Star,
    Class(Vec<char>, bool),
    Either(Vec<Vec<Part>>),
    Below,
}

fn text_of(parts: &[Part]) -> String {
    parts.iter().fold(String::new(), |mut text, part| {
        match part {
            Part::Char(c) => text.push(*c),
            Part::Any => text.push('?'),
            Part::Star => text.push('*'),
            Part::Class(chars, not) => {
                let not = if *not { "!" } else { "" };
                text.push_str(&format!("[{not}{}]", chars.iter().collect::<String>()));
            }
            Part::Either(all) => {
                let all: Vec<String> = all.iter().map(|a| text_of(a)).collect();
                text.push_str(&format!("{{{}}}", all.join(",")));
            }
            Part::Below => text.push_str("//"),
        }
        text
    })
}

/// Exponential, and plainly right.
fn reference(parts: &[Part], text: &[char]) -> bool {
    let Some((first, rest)) = parts.split_first() else { return text.is_empty() };
    let head = text.first().copied();
    let inner = head.is_some_and(|c| c != '/');
    match first {
        Part::Char(c) => head == Some(*c) && reference(rest, &text[1..]),
        Part::Any => inner && reference(rest, &text[1..]),
        Part::Star => reference(rest, text) || inner && reference(parts, &text[1..]),
        Part::Class(chars, not) => {
            inner && head.is_some_and(|c| chars.contains(&c) != *not) && reference(rest, &text[1..])
        }
        Part::Either(all) => all.iter().any(|a| reference(&[a, rest].concat(), text)),
        Part::Below => head == Some('/') && below(rest, &text[1..]),
    }
}

/// What follows `//` may begin at any level from here on.
fn below(rest: &[Part], text: &[char]) -> bool {
    let something: &[Part] = &[Part::Any, Part::Star];
    if reference(if rest.is_empty() { something } else { rest }, text) {
        return true;
    }
    match text.iter().position(|&c| c == '/') {
        None | Some(0) => false,
        Some(n) => below(rest, &text[n + 1..]),
    }
}

const LETTERS: [char; 3] = ['a', 'b', '0'];

fn within_level(random: &mut Random) -> Part {
    match random.below(8) {
        0 => Part::Any,
        1 | 2 => Part::Star,
        3 => {
            let chars = (0..=random.below(2)).map(|_| LETTERS[random.below(3)]).collect();
            Part::Class(chars, random.below(2) == 0)
        }
        _ => Part::Char(LETTERS[random.below(3)]),
    }
}

fn random_parts(random: &mut Random) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut after_slash = false;
    let slash = |random: &mut Random| if random.below(3) == 0 { Part::Below } else { Part::Char('/') };
    parts.push(slash(random));
    for _ in 0..random.below(7) {
        let part = match random.below(7) {
            0 if !after_slash => slash(random),
            1 => {
                let branch = |random: &mut Random| {
                    let length = random.below(3);
                    (0..length).map(|_| within_level(random)).collect()
                };
                Part::Either((0..=random.below(2)).map(|_| branch(random)).collect())
            }
            _ => within_level(random),
        };
        // Two slashes in a row would be written like another pattern.
        after_slash = matches!(part, Part::Below | Part::Char('/'));
        let before = matches!(parts.last(), Some(Part::Below | Part::Char('/')));
        if !(before && after_slash) {
            parts.push(part);
        }
    }
    parts
}

fn random_address(random: &mut Random) -> String {
    let length = random.below(8);
    let letters = ['a', 'b', '0', '/', 'a', 'b'];
    std::iter::once('/').chain((0..length).map(|_| letters[random.below(6)])).collect()
}

#[test]
fn random_patterns_match_like_the_reference() {
    let mut random = Random(0x1a7e);
    let (mut matched, mut tried) = (0, 0);
    for _ in 0..60_000 {
        let parts = random_parts(&mut random);
        let text = text_of(&parts);
        let pattern = Pattern::parse(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        for _ in 0..8 {
            let address = random_address(&mut random);
            let expected = reference(&parts, &address.chars().collect::<Vec<_>>());
            assert_eq!(pattern.matches(&address), expected, "{text} on {address}");
            matched += u32::from(expected);
            tried += 1;
        }
    }
    println!("{matched} of {tried} matched");
    assert!(matched > tried / 50, "the cases tell something: {matched} of {tried}");
}
