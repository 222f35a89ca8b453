// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon and the command line around `lathe-core`.
pub mod files;
