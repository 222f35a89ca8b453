// SPDX-License-Identifier: MIT OR Apache-2.0
//! A message's arguments, taken one after the other, and what is said when they are not as expected.

use super::super::codec::Arg;
use super::super::error::{escaped, hidden};
use super::{Code, Wrong};

/// Longest snapshot name in characters.
pub const MAX_NAME: usize = 96;

/// What is left of the arguments.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    rest: &'a [Arg],
}

impl<'a> Args<'a> {
    pub fn new(rest: &'a [Arg]) -> Self {
        Args { rest }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn take(&mut self) -> Option<&'a Arg> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// The next argument, if it is text.
    pub fn text(&mut self) -> Option<&'a str> {
        let Some(Arg::Str(text)) = self.rest.first() else { return None };
        self.take();
        Some(text)
    }

    /// The next argument, if it is a whole number; faders send whole numbers as `f`.
    pub fn whole(&mut self) -> Option<i64> {
        let n = self.rest.first()?.number().filter(|n| n.fract() == 0.0 && n.abs() <= 1e15)?;
        self.take();
        Some(n as i64)
    }

    /// The next argument as on or off: `i f T F`, 1 or 0.
    pub fn switch(&mut self) -> Option<bool> {
        let on = match self.rest.first()? {
            Arg::Bool(on) => *on,
            arg => match arg.number()? {
                1.0 => true,
                0.0 => false,
                _ => return None,
            },
        };
        self.take();
        Some(on)
    }

    /// Nothing may be left.
    pub fn none(&self, expected: &str) -> Result<(), Wrong> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong(expected)) }
    }

    /// A button's press: no argument, a bang, or 1; its release, 0, asks for nothing.
    pub fn pressed(mut self) -> Result<bool, Wrong> {
        const EXPECTED: &str = "expected no argument, or a button's 1 (0, its release, does nothing)";
        if self.is_empty() || self.rest == [Arg::Impulse] {
            return Ok(true);
        }
        let on = self.switch().ok_or_else(|| self.wrong(EXPECTED))?;
        self.none(EXPECTED)?;
        Ok(on)
    }

    /// An optional number that comes back with the answer.
    pub fn echo(mut self) -> Result<Option<i32>, Wrong> {
        const EXPECTED: &str = "expected no argument, or [i number] to be sent back";
        if self.is_empty() {
            return Ok(None);
        }
        let number = self.whole().and_then(|n| i32::try_from(n).ok()).ok_or_else(|| self.wrong(EXPECTED))?;
        self.none(EXPECTED)?;
        Ok(Some(number))
    }

    /// The next argument is text.
    pub fn is_text(&self) -> bool {
        matches!(self.rest.first(), Some(Arg::Str(_)))
    }

    /// One argument is left.
    pub fn is_single(&self) -> bool {
        self.rest.len() == 1
    }

    /// A name that may be left out or be empty.
    pub fn name_or_none(&mut self, expected: &str) -> Result<String, Wrong> {
        match self.rest.first() {
            None => Ok(String::new()),
            Some(Arg::Str(s)) if s.is_empty() => {
                self.take();
                Ok(String::new())
            }
            Some(_) => self.name(expected),
        }
    }

    /// A snapshot's name: a name, never a path. Files are not named by it.
    pub fn name(&mut self, expected: &str) -> Result<String, Wrong> {
        let name = self.text().ok_or_else(|| self.wrong(expected))?;
        let length = name.chars().count();
        if !(1..=MAX_NAME).contains(&length) || name.chars().any(hidden) || name.trim().is_empty() {
            let text = format!(
                "a name has 1 to {MAX_NAME} printable characters; given {length}: \"{}\"",
                escaped(name)
            );
            return Err((Code::Value, text));
        }
        Ok(name.to_string())
    }

    /// The refusal: what was expected, and the type tags that are left over or did not fit.
    pub fn wrong(&self, expected: &str) -> Wrong {
        let tags: String = self.rest.iter().take(8).map(Arg::tag).collect();
        let more = if self.rest.len() > 8 { "…" } else { "" };
        let given = if tags.is_empty() { "nothing".to_string() } else { format!("\",{tags}{more}\"") };
        (Code::Arguments, format!("{expected}; here stands {given}"))
    }
}
