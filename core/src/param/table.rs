// SPDX-License-Identifier: MIT OR Apache-2.0
//! A unit's whole parameter table: its own lines, repeated groups, and the values that go with it.

use std::borrow::Cow;
use std::ops::Index;

use super::ParamSpec;

/// The position of a parameter in its slot's table. Numbers, not names, cross to the audio thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamIndex(pub u16);

/// A group of parameters that stands `count` times, as `band1/freq`, `band2/freq` ….
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    /// Symbol of the group without its number, e.g. `band`.
    pub prefix: &'static str,
    pub name: &'static str,
    pub count: usize,
    pub params: &'static [ParamSpec],
}

/// The parameters of one slot in index order.
#[derive(Clone, Debug, Default)]
pub struct ParamTable {
    specs: Vec<ParamSpec>,
}

impl ParamTable {
    pub fn new(own: &[ParamSpec]) -> Self {
        ParamTable { specs: own.to_vec() }
    }

    /// Appends `count` numbered copies of a group: index = start + copy × group length + line.
    pub fn repeat(mut self, group: &Repeat) -> Self {
        for n in 1..=group.count {
            self = self.group(&format!("{}{n}", group.prefix), &format!("{} {n}", group.name), group.params);
        }
        self
    }

    /// Appends one group under `prefix/`.
    pub fn group(mut self, prefix: &str, name: &str, params: &[ParamSpec]) -> Self {
        self.specs.extend(params.iter().map(|p| ParamSpec {
            symbol: Cow::Owned(format!("{prefix}/{}", p.symbol)),
            name: Cow::Owned(format!("{name} {}", p.name.to_lowercase())),
            ..p.clone()
        }));
        self
    }

    /// Appends lines as they are.
    pub fn and(mut self, params: &[ParamSpec]) -> Self {
        self.specs.extend_from_slice(params);
        self
    }

    pub fn len(&self) -> usize {
        self.specs.len()
    }

    pub fn is_empty(&self) -> bool {
        self.specs.is_empty()
    }

    pub fn specs(&self) -> &[ParamSpec] {
        &self.specs
    }

    pub fn iter(&self) -> impl Iterator<Item = (ParamIndex, &ParamSpec)> {
        self.specs.iter().enumerate().map(|(i, s)| (ParamIndex(i as u16), s))
    }

    /// True if both have the same parameters in the same order: values of one fit the other.
    pub fn same_symbols(&self, other: &ParamTable) -> bool {
        self.len() == other.len() && self.specs.iter().zip(&other.specs).all(|(a, b)| a.symbol == b.symbol)
    }

    pub fn find(&self, symbol: &str) -> Option<ParamIndex> {
        self.specs.iter().position(|s| s.symbol == symbol).map(|i| ParamIndex(i as u16))
    }

    pub fn defaults(&self) -> Values {
        Values(self.specs.iter().map(|s| s.default).collect())
    }
}

impl Index<ParamIndex> for ParamTable {
    type Output = ParamSpec;
    fn index(&self, i: ParamIndex) -> &ParamSpec {
        &self.specs[i.0 as usize]
    }
}

/// The values of one slot, in the units of its table, by parameter index.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Values(Vec<f64>);

impl Values {
    pub fn get(&self, p: impl Into<ParamIndex>) -> f64 {
        self.0[p.into().0 as usize]
    }
    pub fn set(&mut self, p: impl Into<ParamIndex>, value: f64) {
        self.0[p.into().0 as usize] = value;
    }
    /// A toggle's value.
    pub fn on(&self, p: impl Into<ParamIndex>) -> bool {
        self.get(p) >= 0.5
    }
    /// A choice's index.
    pub fn choice(&self, p: impl Into<ParamIndex>) -> usize {
        libm::round(self.get(p)) as usize
    }
    pub fn as_slice(&self) -> &[f64] {
        &self.0
    }
}
