// SPDX-License-Identifier: MIT OR Apache-2.0
//! gRPC: the generated code, and every method through a real socket.
mod generated;
