// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as written: what a file says and where, before anybody asks whether it makes sense.
//!
//! What is missing stays `None` until the check, so that one mistake does not hide the next.

use std::ops::Range;

/// Longest rack file in bytes.
pub const MAX_FILE: usize = 1 << 20;
/// Splits within splits.
pub const MAX_DEPTH: usize = 8;
/// Slots of a rack, those in branches counted.
pub const MAX_SLOTS: usize = 256;

/// Something and where it stands, in bytes of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// The whole file.
#[derive(Clone, Debug, Default)]
pub struct RackLayout {
    /// `[rack]`, if there is one.
    pub rack: Option<Range<usize>>,
    pub name: Option<At<String>>,
    pub layout: Option<At<Channels>>,
    pub latency_ms: Option<At<f64>>,
    pub link: Option<Vec<Vec<At<String>>>>,
    pub sidechains: Vec<PortLayout>,
    pub slots: Vec<SlotLayout>,
}

/// A channel layout by its name or by its channels.
#[derive(Clone, Debug)]
pub enum Channels {
    Named(String),
    List(Vec<At<String>>),
    /// Given, but of a type that has been refused already.
    Refused,
}

/// One `[[rack.sidechain]]`.
#[derive(Clone, Debug)]
pub struct PortLayout {
    pub at: Range<usize>,
    pub name: Option<At<String>>,
    pub layout: Option<At<Channels>>,
}

/// One `[[slot]]`, in the rack or in a branch.
#[derive(Clone, Debug)]
pub struct SlotLayout {
    pub at: Range<usize>,
    pub id: Option<At<String>>,
    pub unit: Option<At<String>>,
    pub split: Option<At<String>>,
    pub sidechain: Option<At<String>>,
    pub params: Vec<ParamLayout>,
    /// Where the first `branch` is written, if any is.
    pub branch_at: Option<Range<usize>>,
    pub branches: Vec<BranchLayout>,
}

/// One `[[slot.branch]]`.
#[derive(Clone, Debug)]
pub struct BranchLayout {
    pub at: Range<usize>,
    pub id: Option<At<String>>,
    pub slots: Vec<SlotLayout>,
}

/// One line of `params`: a value or a group of them.
#[derive(Clone, Debug)]
pub struct ParamLayout {
    pub key: At<String>,
    pub value: ParamText,
}

#[derive(Clone, Debug)]
pub enum ParamText {
    Value(At<Scalar>),
    Group(Vec<ParamLayout>),
}

/// A value as TOML has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Number(f64),
    Bool(bool),
    Text(String),
    /// A list or a date, which no parameter takes.
    Other(&'static str),
}
