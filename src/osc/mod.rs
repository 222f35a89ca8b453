// SPDX-License-Identifier: MIT OR Apache-2.0
//! Open Sound Control as pure functions: bytes to requests, replies to bytes. No sockets here.
//!
//! | module | what it is |
//! |---|---|
//! | [`precheck`] | refuses a hostile packet before anything decodes it |
//! | [`codec`] | packets to our own flat types, and feedback to bytes |
//! | [`time`] | when a bundle's time tag is due |
//! | [`matcher`] | address patterns, in bounded work |
//! | [`request`] | what a message asks for |
//! | [`reply`] | what is answered, and values as feedback |

pub mod codec;
pub mod error;
pub mod matcher;
pub mod precheck;
pub mod reply;
pub mod request;
pub mod time;

#[cfg(test)]
mod tests;

pub use codec::{Arg, Booleans, Message, Packet, decode, encode, encode_bundle};
pub use error::{OscError, escaped};
pub use matcher::{Pattern, PatternError};
pub use request::{OscRequest, Refused, Select, Subtree, Value, requests};
