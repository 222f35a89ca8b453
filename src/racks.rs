// SPDX-License-Identifier: MIT OR Apache-2.0
//! The racks that come with the program, built in.

/// Name and text of each, the default first.
pub const SHIPPED: &[(&str, &str)] = &[
    ("stereo-master", include_str!("../config/racks/stereo-master.toml")),
    ("speech", include_str!("../config/racks/speech.toml")),
    ("surround", include_str!("../config/racks/surround.toml")),
    ("multiband", include_str!("../config/racks/multiband.toml")),
    ("midside", include_str!("../config/racks/midside.toml")),
    ("mono", include_str!("../config/racks/mono.toml")),
];

/// The rack that runs when none is named.
pub const DEFAULT: (&str, &str) = SHIPPED[0];
