// SPDX-License-Identifier: MIT OR Apache-2.0
//! One name per control, the same everywhere: `eq/band1/gain`, `air/low/mute`, `rack/bypass`.
//!
//! An [`Address`] is text taken apart; a [`Target`] is what it means in one plan, in numbers.

use std::fmt;
use std::str::FromStr;

use super::plan::RackPlan;
use crate::param::{ParamIndex, ParamSpec, suggest};

/// The first part of the addresses of the rack itself.
pub const RACK: &str = "rack";
/// The rack's own switch: everything dry, delayed alike.
pub const BYPASS: &str = "bypass";

/// Longest address in bytes; longer ones are not looked up.
pub const MAX_ADDRESS: usize = 256;

/// The name of a control, not yet known to exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `rack/bypass`.
    RackBypass,
    /// `<slot>/<param>`; the parameter's symbol may have groups.
    Slot { slot: String, param: String },
}

/// A control of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    RackBypass,
    /// The slot's position in [`RackPlan::walk`] and the parameter's in its table.
    Param {
        slot: usize,
        param: ParamIndex,
    },
}

/// Why an address means nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AddressError {
    #[error("\"{0}\" is not an address: <slot>/<parameter>, in lower-case letters, digits and _")]
    Malformed(String),
    #[error("there is no slot \"{slot}\"{hint}")]
    UnknownSlot { slot: String, hint: String },
    #[error("slot \"{slot}\" has no parameter \"{param}\"{hint}")]
    UnknownParam { slot: String, param: String, hint: String },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let part = |p: &str| {
            p.starts_with(|c: char| c.is_ascii_lowercase())
                && p.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        match text.split_once('/') {
            Some((slot, param)) if text.len() <= MAX_ADDRESS && text.split('/').all(part) => {
                Ok(Address::new(slot, param))
            }
            _ => Err(AddressError::Malformed(text.chars().take(64).flat_map(char::escape_debug).collect())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::RackBypass => write!(f, "{RACK}/{BYPASS}"),
            Address::Slot { slot, param } => write!(f, "{slot}/{param}"),
        }
    }
}

impl Address {
    pub fn new(slot: &str, param: &str) -> Self {
        match (slot, param) {
            (RACK, BYPASS) => Address::RackBypass,
            _ => Address::Slot { slot: slot.to_string(), param: param.to_string() },
        }
    }
}

fn did_you_mean(near: Option<impl fmt::Display>) -> String {
    near.map_or_else(String::new, |n| format!(" (did you mean \"{n}\"?)"))
}

impl RackPlan {
    /// What an address means here.
    ///
    /// # Errors
    /// The slot or parameter is not there; says what was probably meant.
    pub fn target(&self, address: &Address) -> Result<Target, AddressError> {
        let Address::Slot { slot, param } = address else { return Ok(Target::RackBypass) };
        let walk = self.walk();
        let Some(position) = walk.iter().position(|s| s.id == *slot) else {
            if slot == RACK {
                let hint = did_you_mean(suggest(param, [BYPASS].into_iter()).map(|p| format!("{RACK}/{p}")));
                return Err(AddressError::UnknownParam { slot: slot.clone(), param: param.clone(), hint });
            }
            let ids = walk.iter().map(|s| s.id.as_str()).chain([RACK]);
            return Err(AddressError::UnknownSlot {
                slot: slot.clone(),
                hint: did_you_mean(suggest(slot, ids)),
            });
        };
        let table = &walk[position].table;
        match table.find(param) {
            Some(param) => Ok(Target::Param { slot: position, param }),
            None => {
                let near = suggest(param, table.specs().iter().map(|s| s.symbol.as_ref()));
                let hint = did_you_mean(near.map(|p| format!("{slot}/{p}")));
                Err(AddressError::UnknownParam { slot: slot.clone(), param: param.clone(), hint })
            }
        }
    }

    /// [`target`](Self::target) of an address as text.
    ///
    /// # Errors
    /// Also if the text is no address.
    pub fn find(&self, address: &str) -> Result<Target, AddressError> {
        self.target(&address.parse()?)
    }

    /// The address of a control; `None` if the plan has no such control.
    pub fn address(&self, target: Target) -> Option<Address> {
        match target {
            Target::RackBypass => Some(Address::RackBypass),
            Target::Param { slot, param } => {
                let walk = self.walk();
                let slot = walk.get(slot)?;
                let spec = slot.table.specs().get(usize::from(param.0))?;
                Some(Address::new(&slot.id, &spec.symbol))
            }
        }
    }

    /// Every parameter of every slot with its address, in walk and table order; not `rack/bypass`.
    pub fn params(&self) -> Vec<(Address, Target, &ParamSpec)> {
        let slots = self.walk().into_iter().enumerate();
        slots
            .flat_map(|(slot, s)| {
                s.table.iter().map(move |(param, spec)| {
                    (Address::new(&s.id, &spec.symbol), Target::Param { slot, param }, spec)
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::load;
    use super::*;

    fn plan() -> RackPlan {
        load(super::super::tests::TREE, "tree.toml").expect("the tree loads").plan
    }

    #[test]
    fn every_address_finds_its_control_and_back() {
        let plan = plan();
        let all = plan.params();
        assert!(all.iter().any(|(a, ..)| a.to_string() == "air/low/mute"), "{all:?}");
        for (address, target, spec) in all {
            assert_eq!(plan.find(&address.to_string()), Ok(target), "{address}");
            assert_eq!(plan.address(target), Some(address));
            let Target::Param { slot, param } = target else { panic!("{target:?}") };
            assert_eq!(plan.walk()[slot].table[param].symbol, spec.symbol);
        }
        assert_eq!(plan.find("rack/bypass"), Ok(Target::RackBypass));
        assert_eq!(plan.address(Target::RackBypass).map(|a| a.to_string()).as_deref(), Some("rack/bypass"));
    }

    #[test]
    fn a_slip_gets_a_suggestion() {
        let plan = plan();
        let error = |a: &str| plan.find(a).expect_err(a).to_string();
        assert_eq!(error("vl/trim"), "there is no slot \"vl\" (did you mean \"vol\"?)");
        assert_eq!(error("vol/trmi"), "slot \"vol\" has no parameter \"trmi\" (did you mean \"vol/trim\"?)");
        assert_eq!(
            error("air/lo/gain"),
            "slot \"air\" has no parameter \"lo/gain\" (did you mean \"air/low/gain\"?)"
        );
        assert_eq!(
            error("rack/bypas"),
            "slot \"rack\" has no parameter \"bypas\" (did you mean \"rack/bypass\"?)"
        );
        for bad in ["", "vol", "/vol/trim", "vol//trim", "vol/trim/", "Vol/trim", "vol/\u{1b}[0m", "vol/9"] {
            assert!(matches!(bad.parse::<Address>(), Err(AddressError::Malformed(_))), "{bad:?}");
        }
        assert!(!"a/\u{1b}[2J".parse::<Address>().expect_err("malformed").to_string().contains('\u{1b}'));
    }
}
