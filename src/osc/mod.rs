// SPDX-License-Identifier: MIT OR Apache-2.0
//! Open Sound Control: pure functions from bytes to requests and from replies to bytes, and the server.
//!
//! | module | what it is |
//! |---|---|
//! | [`precheck`] | refuses a hostile packet before anything decodes it |
//! | [`codec`] | packets to our own flat types, and feedback to bytes |
//! | [`time`] | when a bundle's time tag is due |
//! | [`matcher`] | address patterns, in bounded work |
//! | [`request`] | what a message asks for |
//! | [`reply`] | what is answered, and values as feedback |
//! | [`policy`] | networks, roles, proof of an address, rates |
//! | [`ports`] | what is needed of meters and snapshots |
//! | [`server`] | the socket and the thread |
//! | `desk` | what the thread holds, and what it does between packets |
//! | `queue` | packets that wait, a line for every source |
//! | `dispatch`, `edits`, `actions` | one packet: order and answers; values; the rest |
//! | `errands` | what waits for a disk, on threads of its own |
//! | `lookout` | what moves by itself: prints and the ledger |
//! | `clients`, `feed` | who sends; what one receiver is told |
//! | `frames` | which frame of the engine a moment is |
//! | `outbox` | messages to datagrams |
//! | `streams` | TCP connections and their framings |
//! | [`stats`] | counters, and the log's measure |

mod actions;
mod clients;
pub mod codec;
mod desk;
mod dispatch;
mod edits;
mod errands;
pub mod error;
mod feed;
mod frames;
mod lookout;
pub mod matcher;
mod outbox;
pub mod policy;
pub mod ports;
pub mod precheck;
mod queue;
pub mod reply;
pub mod request;
pub mod server;
pub mod stats;
mod streams;
pub mod time;

#[cfg(test)]
mod tests;

pub use codec::{Arg, Booleans, Message, Packet, decode, encode, encode_bundle};
pub use error::{OscError, escaped};
pub use matcher::{Pattern, PatternError};
pub use ports::Ports;
pub use request::{OscRequest, Refused, Select, Subtree, Value, requests};
pub use server::{BindError, OscSettings, Server, Sockets, Target, bind};
