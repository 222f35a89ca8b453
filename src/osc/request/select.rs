// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which controls or readings a message names: one, or those that match a pattern.

use lathe_core::rack::address::{Address, BYPASS, RACK};

use super::super::error::escaped;
use super::super::matcher::{Budget, OutOfWork, Pattern, PatternError};

/// Names without `/rack/` or `/meter/`.
#[derive(Clone, Debug, PartialEq)]
pub enum Select {
    /// `eq/band1/gain`, `rack/bypass`; or a reading, `in/peak/L`.
    One(String),
    /// Over whole addresses, `/rack/…` and `/meter/…`.
    Many(Pattern),
}

/// The address of a control: `/rack/eq/bypass`, and `/rack/bypass` for `rack/bypass`.
pub fn control_address(name: &str) -> String {
    let (root, name) = control_parts(name);
    format!("{root}{name}")
}

/// The address of a reading.
pub fn meter_address(name: &str) -> String {
    format!("{METER}{name}")
}

/// What follows `/meter/` in an address without a pattern.
pub fn meter_name(address: &str) -> Option<&str> {
    let name = address.strip_prefix(METER)?.trim_end_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '/';
    (!name.is_empty() && name.chars().all(plain)).then_some(name)
}

const METER: &str = "/meter/";

fn control_parts(name: &str) -> (&'static str, &str) {
    let own = name.strip_prefix(RACK).and_then(|n| n.strip_prefix('/')).filter(|&n| n == BYPASS);
    ("/rack/", own.unwrap_or(name))
}

impl Select {
    /// The control that follows `/rack/` in an address; not yet known to exist.
    pub(super) fn control(name: &str) -> Result<Self, String> {
        if name == BYPASS {
            return Ok(Select::One(format!("{RACK}/{BYPASS}")));
        }
        match name.parse::<Address>() {
            // `/rack/rack/bypass` would be a second name for one control.
            Ok(Address::RackBypass) => Err("the bypass of the whole rack is /rack/bypass".to_string()),
            Ok(_) => Ok(Select::One(name.to_string())),
            Err(e) => Err(e.to_string()),
        }
    }

    /// The reading that follows `/meter/`: `<tap>/<reading>`, where channels may be in capitals.
    pub(super) fn reading(name: &str) -> Result<Self, String> {
        let level = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.contains('/') && name.split('/').all(level) {
            return Ok(Select::One(name.to_string()));
        }
        Err(format!(
            "\"{}\" is not a reading: /meter/<tap>/<reading>, such as /meter/out/momentary",
            escaped(name)
        ))
    }

    /// Whether it names this control, `eq/bypass`.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn has_control(&self, name: &str, budget: &mut Budget) -> Result<bool, OutOfWork> {
        let (root, rest) = control_parts(name);
        self.has(name, root, rest, budget)
    }

    /// Whether it names this reading, `in/peak/L`.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn has_reading(&self, name: &str, budget: &mut Budget) -> Result<bool, OutOfWork> {
        self.has(name, METER, name, budget)
    }

    fn has(&self, name: &str, root: &str, rest: &str, budget: &mut Budget) -> Result<bool, OutOfWork> {
        match self {
            Select::One(own) => Ok(own == name),
            Select::Many(pattern) => pattern.matches_within(root, rest, budget),
        }
    }
}

/// What a subscription is for: an address or pattern, and all below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Subtree {
    itself: Pattern,
    below: Pattern,
}

impl Subtree {
    /// Reads `/rack/eq`, `/meter/*/true_peak`, `/` for everything.
    ///
    /// # Errors
    /// The pattern is wrong.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if !text.starts_with('/') {
            return Err(PatternError::NoSlash);
        }
        let stem = text.trim_end_matches('/');
        let itself = Pattern::parse(if stem.is_empty() { "/" } else { stem })?;
        Ok(Subtree { itself, below: Pattern::parse(&format!("{stem}//"))? })
    }

    /// As it was asked for, without a `/` at the end.
    pub fn text(&self) -> &str {
        self.itself.text()
    }

    /// Whether it covers a whole address, `/rack/eq/bypass`.
    ///
    /// # Errors
    /// The budget is spent.
    pub fn covers(&self, address: &str, budget: &mut Budget) -> Result<bool, OutOfWork> {
        Ok(self.itself.matches_within("", address, budget)?
            || self.below.matches_within("", address, budget)?)
    }
}
