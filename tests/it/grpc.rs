// SPDX-License-Identifier: MIT OR Apache-2.0
//! gRPC: the generated code, and every method through a real socket.
mod generated;
mod rack;
mod rig;
mod server;
mod stored;
mod system;
mod watch;

pub use rig::violations;
