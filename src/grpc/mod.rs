// SPDX-License-Identifier: MIT OR Apache-2.0
//! The services of `proto/lathe/v1`.

/// Messages, clients and servers, generated from `proto/lathe/v1`; a test regenerates and compares.
#[allow(clippy::all, clippy::pedantic, rustdoc::all)]
pub mod v1 {
    include!("gen/lathe.v1.rs");

    /// What reflection shows.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/lathe.v1.bin");
}
