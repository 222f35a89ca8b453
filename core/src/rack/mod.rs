// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rack as a document: layout (as written), plan (checked), addresses.

pub mod plan;
pub mod split;
