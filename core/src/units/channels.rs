// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which channels a unit is given: their roles, pairs and link groups.

use std::fmt;

/// What one channel is. Orders follow the WAV speaker order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    Mono,
    Left,
    Right,
    Center,
    Lfe,
    LeftBack,
    RightBack,
    LeftSide,
    RightSide,
    TopFrontLeft,
    TopFrontRight,
    TopBackLeft,
    TopBackRight,
}

use Role::*;

const NAMES: &[(Role, &str)] = &[
    (Mono, "M"),
    (Left, "L"),
    (Right, "R"),
    (Center, "C"),
    (Lfe, "LFE"),
    (LeftBack, "Lb"),
    (RightBack, "Rb"),
    (LeftSide, "Ls"),
    (RightSide, "Rs"),
    (TopFrontLeft, "Ltf"),
    (TopFrontRight, "Rtf"),
    (TopBackLeft, "Ltb"),
    (TopBackRight, "Rtb"),
];

/// Left and right of each pair that mid/side and left/right work on.
const PAIRS: &[(Role, Role)] = &[
    (Left, Right),
    (LeftBack, RightBack),
    (LeftSide, RightSide),
    (TopFrontLeft, TopFrontRight),
    (TopBackLeft, TopBackRight),
];

impl Role {
    /// Every role there is, in WAV speaker order.
    pub fn all() -> impl Iterator<Item = Role> + Clone {
        NAMES.iter().map(|(r, _)| *r)
    }

    /// The name used in port names and racks: `L`, `LFE`, `Ltf` ….
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(r, _)| *r == self).map_or("?", |(_, n)| n)
    }

    pub fn from_name(name: &str) -> Option<Role> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(r, _)| *r)
    }

    pub fn is_left(self) -> bool {
        PAIRS.iter().any(|(l, _)| *l == self)
    }

    pub fn is_right(self) -> bool {
        PAIRS.iter().any(|(_, r)| *r == self)
    }

    /// Bit of the WAV channel mask, `None` for mono.
    pub fn mask_bit(self) -> Option<u32> {
        Some(match self {
            Mono | Center => 0x4,
            Left => 0x1,
            Right => 0x2,
            Lfe => 0x8,
            LeftBack => 0x10,
            RightBack => 0x20,
            LeftSide => 0x200,
            RightSide => 0x400,
            TopFrontLeft => 0x1000,
            TopFrontRight => 0x4000,
            TopBackLeft => 0x8000,
            TopBackRight => 0x2_0000,
        })
    }

    /// Detectors of one group are linked: the bed, the surrounds, the tops; the LFE stands alone.
    fn group(self) -> u8 {
        match self {
            Mono | Left | Right | Center => 0,
            LeftBack | RightBack | LeftSide | RightSide => 1,
            TopFrontLeft | TopFrontRight | TopBackLeft | TopBackRight => 2,
            Lfe => 3,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The channels of a rack or of a branch in it, in port and file order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    pub roles: Vec<Role>,
    /// Link group of each channel.
    pub groups: Vec<u8>,
}

/// The layouts that have a name.
pub const NAMED: &[(&str, &[Role])] = &[
    ("mono", &[Mono]),
    ("stereo", &[Left, Right]),
    ("lcr", &[Left, Right, Center]),
    ("quad", &[Left, Right, LeftSide, RightSide]),
    ("5.0", &[Left, Right, Center, LeftSide, RightSide]),
    ("5.1", &[Left, Right, Center, Lfe, LeftSide, RightSide]),
    ("7.1", &[Left, Right, Center, Lfe, LeftBack, RightBack, LeftSide, RightSide]),
    (
        "7.1.4",
        &[
            Left,
            Right,
            Center,
            Lfe,
            LeftBack,
            RightBack,
            LeftSide,
            RightSide,
            TopFrontLeft,
            TopFrontRight,
            TopBackLeft,
            TopBackRight,
        ],
    ),
];

/// The weight of a channel's power (BS.1770-5, Annex 1 Table 3 and Annex 3 Table 4).
///
/// 1.41 between 60° and 120° of azimuth and below 30° of elevation, otherwise 1; the LFE does not count.
/// Sides stand at ±90…110°, the backs of 7.1 at ±135° and tops at 30° and more (ITU-R BS.2051). Backs in a
/// layout without sides are its surrounds and weigh 1.41: that rule is ours.
/// The Recommendation itself was not at hand: the weights are those of the ITU Journal, ICT Discoveries 3(1),
/// 2020, Table 2 (60°, 90°, 110° +1.5 dB; 0°, 30°, 135° 0 dB) and of the `ebur128` crate; the numbers of its
/// tables are not verified.
fn loudness_weight(role: Role, layout: &Layout) -> f64 {
    let sides = [Role::LeftSide, Role::RightSide].iter().any(|r| layout.roles.contains(r));
    match role {
        Role::Lfe => 0.0,
        Role::LeftSide | Role::RightSide => 1.41,
        Role::LeftBack | Role::RightBack if !sides => 1.41,
        _ => 1.0,
    }
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Layout {
    /// The weight of each channel's power in loudness (BS.1770-5).
    pub fn loudness_weights(&self) -> Vec<f64> {
        self.roles.iter().map(|r| loudness_weight(*r, self)).collect()
    }

    pub fn new(roles: &[Role]) -> Self {
        Layout { roles: roles.to_vec(), groups: roles.iter().map(|r| r.group()).collect() }
    }

    pub fn named(name: &str) -> Option<Layout> {
        NAMED.iter().find(|(n, _)| *n == name).map(|(_, roles)| Layout::new(roles))
    }

    /// The layout's name, or its channels joined by `+`.
    pub fn name(&self) -> String {
        let named = NAMED.iter().find(|(_, roles)| *roles == self.roles.as_slice());
        named.map_or_else(|| self.names().join("+"), |(n, _)| n.to_string())
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.roles.iter().map(|r| r.name()).collect()
    }

    pub fn len(&self) -> usize {
        self.roles.len()
    }

    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }

    /// Indices (left, right) of every complete pair.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        let find = |r: Role| self.roles.iter().position(|x| *x == r);
        PAIRS.iter().filter_map(|(l, r)| Some((find(*l)?, find(*r)?))).collect()
    }

    /// The channels at these indices, with their roles and groups.
    pub fn select(&self, channels: &[usize]) -> Layout {
        Layout {
            roles: channels.iter().map(|&c| self.roles[c]).collect(),
            groups: channels.iter().map(|&c| self.groups[c]).collect(),
        }
    }

    /// Channels of each link group, groups in order of their first channel.
    pub fn linked(&self) -> Vec<Vec<usize>> {
        let mut out: Vec<Vec<usize>> = Vec::new();
        for (c, g) in self.groups.iter().enumerate() {
            match out.iter_mut().find(|m| self.groups[m[0]] == *g) {
                Some(members) => members.push(c),
                None => out.push(vec![c]),
            }
        }
        out
    }

    /// Links the channels anew, as `linked(earlier, later)` says. Groups are numbered by their first
    /// channel, unless they are the usual ones, which keep their numbers: equal links are equal layouts.
    pub fn relink(&mut self, linked: impl Fn(usize, usize) -> bool) {
        let mut groups: Vec<u8> = Vec::new();
        for c in 0..self.len() {
            let next = groups.iter().max().map_or(0, |g| g + 1);
            groups.push((0..c).find(|&b| linked(b, c)).map_or(next, |b| groups[b]));
        }
        let (usual, new) = (Layout::new(&self.roles), Layout { roles: self.roles.clone(), groups });
        *self = if new.linked() == usual.linked() { usual } else { new };
    }

    /// WAV channel mask; `None` where the order cannot be told by a mask.
    pub fn mask(&self) -> Option<u32> {
        let bits: Option<Vec<u32>> = self.roles.iter().map(|r| r.mask_bit()).collect();
        let bits = bits?;
        bits.is_sorted().then(|| bits.iter().fold(0, |m, b| m | b))
    }
}

/// What a unit is built for.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// Frames per second.
    pub sample_rate: u32,
    pub layout: Layout,
}

impl Format {
    pub fn channels(&self) -> usize {
        self.layout.len()
    }

    /// Sample rate in Hz.
    pub fn rate(&self) -> f64 {
        f64::from(self.sample_rate)
    }
}
