// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where each channel of a file stands, and so what it weighs in loudness.
//!
//! By the channel mask of WAVE_FORMAT_EXTENSIBLE, else by the named layout of as many channels. Speakers that
//! the rack has no role for (the centres, the fronts between) all weigh 1. Where neither tells, every channel
//! weighs 1, and that is said.

use lathe_core::units::{Layout, NAMED, Role};

use crate::files::AudioSpec;

/// The channels of one file, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    pub layout: Layout,
    pub names: Vec<String>,
    /// False: nothing tells where the channels stand.
    pub known: bool,
}

/// Mask bits without a role here, by the names of ITU-R BS.2051 where it has one.
const OTHERS: [(u32, &str); 6] =
    [(0x40, "Lc"), (0x80, "Rc"), (0x100, "Cb"), (0x800, "Tc"), (0x2000, "Ctf"), (0x1_0000, "Ctb")];

impl Places {
    pub fn of(spec: &AudioSpec) -> Places {
        spec.channel_mask
            .and_then(|mask| Places::masked(mask, spec.channels))
            .or_else(|| Places::named(spec.channels))
            .unwrap_or_else(|| Places::unknown(spec.channels))
    }

    /// `None` if the mask has a bit that means nothing, or not one bit for each channel.
    fn masked(mask: u32, channels: usize) -> Option<Places> {
        let place = |bit: u32| -> Option<(Role, String)> {
            let role = Role::all().find(|r| *r != Role::Mono && r.mask_bit() == Some(bit));
            match (role, OTHERS.iter().find(|(b, _)| *b == bit)) {
                (Some(role), _) => Some((role, role.name().to_string())),
                (None, Some((_, name))) => Some((Role::Mono, name.to_string())),
                (None, None) => None,
            }
        };
        if mask.count_ones() as usize != channels {
            return None;
        }
        if channels == 1 && mask == 0x4 {
            return Places::named(1);
        }
        let bits = (0..32).map(|n| 1u32 << n).filter(|bit| mask & bit != 0);
        let (roles, names): (Vec<Role>, Vec<String>) = bits.map(place).collect::<Option<Vec<_>>>()?.into_iter().unzip();
        Some(Places { layout: Layout::new(&roles), names, known: true })
    }

    fn named(channels: usize) -> Option<Places> {
        let (_, roles) = NAMED.iter().find(|(_, roles)| roles.len() == channels)?;
        let layout = Layout::new(roles);
        let names = layout.names().into_iter().map(String::from).collect();
        Some(Places { layout, names, known: true })
    }

    fn unknown(channels: usize) -> Places {
        let names = (1..=channels).map(|n| n.to_string()).collect();
        Places { layout: Layout::new(&vec![Role::Mono; channels]), names, known: false }
    }

    /// The layout's name, or that of every channel.
    pub fn name(&self) -> String {
        let named = NAMED.iter().find(|(_, roles)| *roles == self.layout.roles.as_slice());
        match named {
            _ if !self.known => format!("{} channels, places not known", self.names.len()),
            Some((name, _)) => name.to_string(),
            None => self.names.join("+"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::Encoding;

    fn of(channels: usize, channel_mask: Option<u32>) -> Places {
        let encoding = Encoding::Int { bits: 16 };
        Places::of(&AudioSpec { sample_rate: 48_000, channels, channel_mask, frames: None, encoding })
    }

    #[test]
    fn surrounds_weigh_more_wherever_the_mask_puts_them() {
        for (channels, mask, name, weights) in [
            (1, None, "mono", vec![1.0]),
            (2, Some(0x3), "stereo", vec![1.0; 2]),
            // 5.1 with sides, and with backs in their place.
            (6, Some(0x60f), "5.1", vec![1.0, 1.0, 1.0, 0.0, 1.41, 1.41]),
            (6, Some(0x3f), "L+R+C+LFE+Lb+Rb", vec![1.0, 1.0, 1.0, 0.0, 1.41, 1.41]),
            (6, None, "5.1", vec![1.0, 1.0, 1.0, 0.0, 1.41, 1.41]),
            (8, Some(0x63f), "7.1", vec![1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41]),
            // 6.1: the back centre is at 180°.
            (7, Some(0x70f), "L+R+C+LFE+Cb+Ls+Rs", vec![1.0, 1.0, 1.0, 0.0, 1.0, 1.41, 1.41]),
            (2, Some(0x600), "Ls+Rs", vec![1.41, 1.41]),
        ] {
            let p = of(channels, mask);
            assert_eq!((p.name().as_str(), p.layout.loudness_weights(), p.known), (name, weights, true));
            assert_eq!(p.names.len(), channels);
        }
    }

    #[test]
    fn what_is_not_known_weighs_1_and_says_so() {
        let p = of(10, None);
        assert_eq!((p.name().as_str(), p.known), ("10 channels, places not known", false));
        assert_eq!(p.layout.loudness_weights(), [1.0; 10]);
        // A mask that does not fit the channels, or has a bit that means nothing, is none.
        assert_eq!(of(2, Some(0x7)).name(), "stereo");
        assert!(!of(9, Some(0x8000_00ff | 0x8000_0000)).known);
    }
}
