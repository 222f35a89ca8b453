// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit codes of both programs, and the error that carries one.

use std::fmt;
use std::process::ExitCode;

/// What a program says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    Ok = 0,
    /// A check or comparison failed.
    Failed = 1,
    Usage = 2,
    /// No daemon, address or state directory taken.
    Unavailable = 69,
    /// A part of the daemon that must run has failed.
    Software = 70,
    Io = 74,
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(e: Exit) -> ExitCode {
        ExitCode::from(e as u8)
    }
}

/// One clear line (or a rendered report) and the code to end with.
#[derive(Clone, Debug)]
pub struct Failure {
    pub exit: Exit,
    /// Without a trailing newline; empty if all was said already.
    pub message: String,
}

impl Failure {
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Failure { exit, message: message.to_string() }
    }

    /// Everything was already printed.
    pub fn quiet(exit: Exit) -> Self {
        Failure { exit, message: String::new() }
    }
}
