// SPDX-License-Identifier: MIT OR Apache-2.0
//! Address patterns: OSC 1.0 `? * [a-z] [!a-z] {one,two}`, which stay within one level, and `//` of
//! OSC 1.1, which descends; for the command line the same with `**` in place of `//`.
//!
//! A pattern is compiled to a line of steps and run as a set of places in it, one pass over the
//! address: at most (address + 1) × places of work whatever the pattern, no recursion, no
//! backtracking. Steps that take nothing only lead forward, so one ascending pass closes the set.

mod parse;

use parse::Step;

/// Longest pattern in bytes.
pub const MAX_PATTERN: usize = 255;
/// Most alternatives in all braces of a pattern together.
pub const MAX_ALTERNATIVES: usize = 64;
/// Most places in a compiled pattern: every byte one, every alternative two more, `//` one more.
const MAX_STEPS: usize = 512;
const WORDS: usize = MAX_STEPS / 64;

/// A pattern that is refused, with the byte where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("a pattern begins with /")]
    NoSlash,
    #[error("a pattern of {0} bytes; at most {MAX_PATTERN} are taken")]
    TooLong(usize),
    #[error("more than {MAX_ALTERNATIVES} alternatives in one pattern")]
    TooManyAlternatives,
    #[error("the {0} at byte {1} is never closed")]
    Unclosed(char, usize),
    #[error("the {0} at byte {1} closes nothing")]
    Unopened(char, usize),
    #[error("[] at byte {0} matches nothing")]
    EmptyClass(usize),
    #[error("the range {low}-{high} at byte {0} runs backwards", low = .1.escape_default(), high = .2.escape_default())]
    Backwards(usize, char, char),
    #[error("{{}} within {{}} at byte {0}: alternatives do not nest")]
    Nested(usize),
    #[error("a / within [] or {{}} at byte {0}: they stay within one level")]
    Slash(usize),
    #[error("** at byte {0} stands for whole levels: a/**/b, not a**b")]
    PartOfLevel(usize),
}

/// Work left to spend on matching, so that a packet of patterns costs no more than its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(pub u32);

impl Budget {
    /// The share of one packet, in comparisons of about 10 ns. A plain pattern takes some 40 for each
    /// address of the rack.
    pub const PACKET: Budget = Budget(500_000);
}

/// A match that was broken off because the [`Budget`] is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern is too much work for the addresses of this rack; name fewer of them")]
pub struct OutOfWork;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    steps: Vec<Step>,
    literal: bool,
}

impl Pattern {
    /// Reads an OSC pattern. A trailing `//` is all that lies below.
    ///
    /// # Errors
    /// What is wrong with it; nothing is ever half understood.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong(text.len()));
        }
        if !text.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        Self::compile(text, text)
    }

    /// Reads a pattern of the command line: no `/` needed in front, and `**` stands for any number
    /// of levels, also none: `eq/**`, `**/gain`, `eq/**/freq`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn glob(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_PATTERN {
            return Err(PatternError::TooLong(text.len()));
        }
        let rooted = format!("/{}", text.trim_start_matches('/'));
        let mut osc = String::with_capacity(rooted.len());
        let mut at = 0;
        for level in rooted[1..].split('/') {
            match level {
                "**" => osc.push_str(if osc.ends_with('/') { "" } else { "//" }),
                l if l.contains("**") => return Err(PatternError::PartOfLevel(at)),
                l => {
                    osc.push_str(if osc.ends_with('/') { "" } else { "/" });
                    osc.push_str(l);
                }
            }
            at += level.len() + 1;
        }
        Self::compile(text, &osc)
    }

    fn compile(text: &str, osc: &str) -> Result<Self, PatternError> {
        let steps = parse::steps(osc)?;
        debug_assert!(steps.len() < MAX_STEPS, "{} steps", steps.len());
        let literal = steps.iter().all(|s| matches!(s, Step::Char(_)));
        Ok(Pattern { text: text.to_string(), steps, literal })
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True if it names one address and nothing else.
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// Whether the whole of `address` matches; a leading `/` is understood if it is missing.
    pub fn matches(&self, address: &str) -> bool {
        let mut unlimited = Budget(u32::MAX);
        self.matches_within("", address, &mut unlimited).unwrap_or(false)
    }

    /// Whether `root` and `address` together match, in what is left of `budget`.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn matches_within(&self, root: &str, address: &str, budget: &mut Budget) -> Result<bool, OutOfWork> {
        let rooted = if root.is_empty() { address.starts_with('/') } else { root.starts_with('/') };
        let slash = if rooted { "" } else { "/" };
        run(&self.steps, slash.chars().chain(root.chars()).chain(address.chars()), budget)
    }

    /// Whether an address whose first level is `level` can match.
    pub fn may_begin_with(&self, level: &str) -> bool {
        let below = |s: &Step| matches!(s, Step::Level | Step::Char('/'));
        let first = match self.steps.get(1..) {
            None | Some([]) => return false,
            Some([Step::Level, ..]) => return true,
            Some(rest) => rest.iter().position(below).map_or(&self.steps[..], |n| &self.steps[..=n]),
        };
        // A cut before the next `/` leaves no jump pointing beyond it: braces hold no `/`.
        let mut unlimited = Budget(u32::MAX);
        run(first, ['/'].into_iter().chain(level.chars()), &mut unlimited).unwrap_or(false)
    }
}

/// A set of places in a pattern.
#[derive(Clone, Copy)]
struct Places([u64; WORDS]);

impl Places {
    const NONE: Places = Places([0; WORDS]);

    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }
    /// The first place not before `from`.
    fn next(&self, from: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.0.get(word)? & (!0 << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }
}

/// Runs the steps over the characters; `true` if the end of both is reached together.
fn run(steps: &[Step], text: impl Iterator<Item = char>, budget: &mut Budget) -> Result<bool, OutOfWork> {
    let mut here = Places::NONE;
    here.add(0);
    for c in text {
        let mut after = Places::NONE;
        advance(steps, &mut here, Some((c, &mut after)), budget)?;
        if after.next(0).is_none() {
            return Ok(false);
        }
        here = after;
    }
    advance(steps, &mut here, None, budget)?;
    Ok(here.next(steps.len()) == Some(steps.len()))
}

/// Closes `here` over the steps that take nothing, and takes `c` from every place in it.
fn advance(
    steps: &[Step],
    here: &mut Places,
    mut taking: Option<(char, &mut Places)>,
    budget: &mut Budget,
) -> Result<(), OutOfWork> {
    let mut from = 0;
    while let Some(place) = here.next(from) {
        from = place + 1;
        let Some(step) = steps.get(place) else { return Ok(()) };
        budget.0 = budget.0.checked_sub(step.cost()).ok_or(OutOfWork)?;
        match step {
            Step::Star => here.add(place + 1),
            Step::Level => here.add(place + 2),
            Step::Fork(other) => {
                here.add(place + 1);
                here.add(*other);
            }
            Step::Jump(to) => here.add(*to),
            Step::Char(_) | Step::One | Step::Class { .. } | Step::Inside => {}
        }
        if let Some((c, after)) = &mut taking
            && let Some(to) = step.take(*c, place)
        {
            after.add(to);
        }
    }
    Ok(())
}
