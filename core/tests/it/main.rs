// SPDX-License-Identifier: MIT OR Apache-2.0
//! The core's measurements that need a whole engine: see each module.

mod alignment;
mod auto_gain;
mod cases;
mod clicks;
mod dither;
mod drags;
mod fades;
mod invariance;
mod monitor;
mod params;
mod response;
mod rig;
mod swap;
