// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pattern's text to its steps.

use super::{MAX_ALTERNATIVES, PatternError};

/// One place of a compiled pattern. Jumps lead forward only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Char(char),
    /// `?`
    One,
    /// `*`: stays here while it takes, and lets the next place begin at any time.
    Star,
    /// `[a-z]`, `[!a-z]`: inclusive ranges.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// Begins an alternative; the next one is there.
    Fork(usize),
    /// Ends an alternative.
    Jump(usize),
    /// After `//`, at the beginning of a level: what follows may begin here, or further down.
    Level,
    /// Within a level that `//` skips; always follows [`Level`](Step::Level).
    Inside,
}

impl Step {
    /// Work of one visit, in comparisons.
    pub(super) fn cost(&self) -> u32 {
        match self {
            Step::Class { ranges, .. } => ranges.len() as u32,
            _ => 1,
        }
    }

    /// Where taking `c` at this place leads.
    pub(super) fn take(&self, c: char, place: usize) -> Option<usize> {
        let within = c != '/';
        match self {
            Step::Char(own) => (*own == c).then_some(place + 1),
            Step::One => within.then_some(place + 1),
            Step::Star => within.then_some(place),
            Step::Class { ranges, negated } => {
                let listed = ranges.iter().any(|&(low, high)| (low..=high).contains(&c));
                (within && listed != *negated).then_some(place + 1)
            }
            Step::Level => within.then_some(place + 1),
            Step::Inside => Some(if within { place } else { place - 1 }),
            Step::Fork(_) | Step::Jump(_) => None,
        }
    }
}

/// Compiles a pattern that begins with `/` and is not too long.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, PatternError> {
    let mut parser = Parser { text, at: 0, steps: Vec::with_capacity(text.len() + 8), alternatives: 0 };
    while let Some(c) = parser.next() {
        parser.outside(c)?;
    }
    if parser.steps.last() == Some(&Step::Inside) {
        parser.steps.push(Step::One);
        parser.steps.push(Step::Star);
    }
    Ok(parser.steps)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    steps: Vec<Step>,
    alternatives: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn outside(&mut self, c: char) -> Result<(), PatternError> {
        match c {
            '{' => self.braces(),
            '/' => {
                self.steps.push(Step::Char('/'));
                if self.peek() == Some('/') {
                    while self.peek() == Some('/') {
                        self.next();
                    }
                    self.steps.extend([Step::Level, Step::Inside]);
                }
                Ok(())
            }
            c => self.within_level(c),
        }
    }

    /// One step of what may also stand in an alternative.
    fn within_level(&mut self, c: char) -> Result<(), PatternError> {
        let at = self.at - c.len_utf8();
        match c {
            '?' => self.steps.push(Step::One),
            // Several stars are one.
            '*' if self.text[..at].ends_with('*') => {}
            '*' => self.steps.push(Step::Star),
            '[' => return self.class(at),
            ']' | '}' => return Err(PatternError::Unopened(c, at)),
            c => self.steps.push(Step::Char(c)),
        }
        Ok(())
    }

    fn class(&mut self, opened: usize) -> Result<(), PatternError> {
        let negated = self.peek() == Some('!');
        if negated {
            self.next();
        }
        let mut ranges = Vec::new();
        loop {
            let at = self.at;
            match self.next().ok_or(PatternError::Unclosed('[', opened))? {
                ']' => break,
                '/' => return Err(PatternError::Slash(at)),
                low => ranges.push((low, self.upper(low, at)?)),
            }
        }
        if ranges.is_empty() {
            return Err(PatternError::EmptyClass(opened));
        }
        self.steps.push(Step::Class { ranges, negated });
        Ok(())
    }

    /// The other end of a range that begins with `low`, or `low` alone; a `-` before `]` is a `-`.
    fn upper(&mut self, low: char, at: usize) -> Result<char, PatternError> {
        let mut ahead = self.text[self.at..].chars();
        let (Some('-'), Some(high)) = (ahead.next(), ahead.next()) else { return Ok(low) };
        match high {
            ']' => Ok(low),
            '/' => Err(PatternError::Slash(at)),
            high if high < low => Err(PatternError::Backwards(at, low, high)),
            high => {
                self.at += 1 + high.len_utf8();
                Ok(high)
            }
        }
    }

    /// `{a,b}`: fork, a, jump to the end, fork, b, jump to the end; the last fork is none.
    fn braces(&mut self) -> Result<(), PatternError> {
        let opened = self.at - 1;
        let mut jumps = Vec::new();
        let mut fork = self.alternative()?;
        loop {
            let at = self.at;
            match self.next().ok_or(PatternError::Unclosed('{', opened))? {
                '{' => return Err(PatternError::Nested(at)),
                '/' => return Err(PatternError::Slash(at)),
                '}' => break,
                ',' => {
                    jumps.push(self.steps.len());
                    self.steps.push(Step::Jump(0));
                    self.steps[fork] = Step::Fork(self.steps.len());
                    fork = self.alternative()?;
                }
                c => self.within_level(c)?,
            }
        }
        // The last alternative has no other; its fork only goes on.
        let end = self.steps.len();
        self.steps[fork] = Step::Jump(fork + 1);
        for jump in jumps {
            self.steps[jump] = Step::Jump(end);
        }
        Ok(())
    }

    fn alternative(&mut self) -> Result<usize, PatternError> {
        self.alternatives += 1;
        if self.alternatives > MAX_ALTERNATIVES {
            return Err(PatternError::TooManyAlternatives);
        }
        self.steps.push(Step::Fork(0));
        Ok(self.steps.len() - 1)
    }
}
