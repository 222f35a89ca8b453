// SPDX-License-Identifier: MIT OR Apache-2.0
//! The daemon and the command line around `lathe-core`.
//!
//! | module | what it is |
//! |---|---|
//! | [`audio`] | who drives the engine: JACK, the built-in clock, the offline renderer |
//! | [`files`] | audio files in and out |
//! | [`control`] | the one writer |
//! | [`grpc`] | the services of `proto/lathe/v1`: one port and a Unix socket |
//! | [`settings`] | the machine's settings, `config/lathed.toml` |
//! | [`daemon`] | start order, stop order, signals, reload |
//! | [`ledger`] | integrated measures per track and album, kept over restarts |
//! | [`log`] | log lines: escaped, and not too many |
//! | [`watchdog`], [`notify`] | signs of life, and what the service manager is told |
//! | [`metrics`] | `/metrics` for Prometheus |
//! | [`osc`] | Open Sound Control: bytes to requests and back |
//! | [`racks`] | the racks that come with the program |
//! | [`store`] | snapshots and the last state on the disk |
//! | [`telemetry`] | reads taps and what the engine shows; every subscriber at its own rate |
//! | [`adapters`] | readings and snapshots as the OSC server sees them |
//! | [`client`] | a small client of a running daemon, for the command line |
//! | [`cli`] | the command line `lathe`, one file per verb |
//! | [`print`] | records main, the monitor or the input to files while it plays |
//! | [`utc`] | moments as people read them |
//! | [`exit`], [`signals`] | exit codes and signal dispositions of both programs |

pub mod adapters;
pub mod audio;
pub mod cli;
pub mod client;
pub mod control;
pub mod daemon;
pub mod exit;
pub mod files;
pub mod grpc;
pub mod ledger;
pub mod log;
pub mod metrics;
pub mod notify;
pub mod osc;
pub mod print;
pub mod racks;
pub mod settings;
pub mod signals;
pub mod store;
pub mod telemetry;
pub mod utc;
pub mod watchdog;
