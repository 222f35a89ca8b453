// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who drives the engine: JACK, the built-in clock, the offline renderer.

pub mod offline;
