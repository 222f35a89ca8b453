// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who drives the engine: JACK, the built-in clock, the offline renderer.
//!
//! | file | what it is | thread |
//! |---|---|---|
//! | [`seat`] | where an engine sits while a driver runs it, and can be taken away | both |
//! | [`supervisor`] | owns the drivers: waits, watches, hands the engine over | supervisor |
//! | [`jack`] | one connection to a JACK server, from open to close | its own |
//! | `jack_shared` | what a session shows of itself | all |
//! | `jack_process` | what JACK calls: the period and the notifications | audio, JACK's own |
//! | `jack_latency` | latency reported to JACK; raw calls | JACK's own |
//! | `jack_server` | which server: the environment, before any thread | main |
//! | [`connections`] | port pairs to keep connected | the connection's own |
//! | [`clock`] | the built-in clock | its own |
//! | [`source`] | what the clock plays: silence, the demo, a file | clock |
//! | [`demo`] | the built-in programme | clock |
//! | [`offline`] | files through the engine, as fast as it goes | the caller's |
//! | `priority` | real-time rights for the clock; raw calls | clock |

pub mod clock;
pub mod connections;
pub mod demo;
pub mod jack;
mod jack_latency;
mod jack_process;
pub mod jack_server;
mod jack_shared;
pub mod offline;
mod priority;
pub mod seat;
pub mod source;
pub mod supervisor;
