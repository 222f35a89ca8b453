// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams beside the meters, of spectrum and pair: there while they are wanted, and told why where they are not.

use std::time::{Duration, Instant};

use crate::client::{Client, Stream};
use crate::exit::Failure;

/// Longest wait for a daemon while somebody watches, and between two tries after a refusal.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// Messages of one stream that are taken at once.
pub const AT_ONCE: usize = 64;

/// A stream beside the meters, as it was asked for; `None`: refused, or it ended.
pub struct Look<Request, Response> {
    request: Request,
    stream: Option<Stream<Response>>,
    tried: Instant,
}

/// Opens a stream where another one is wanted than there is, or where the one there was has ended.
pub fn turn<Request: Clone + PartialEq, Response>(
    look: &mut Option<Look<Request, Response>>,
    wanted: Option<Request>,
    refused: &mut Option<String>,
    open: impl FnOnce(Request) -> Result<Stream<Response>, Failure>,
) {
    let Some(request) = wanted else {
        *look = None;
        return;
    };
    let there = look
        .as_ref()
        .is_some_and(|l| l.request == request && (l.stream.is_some() || l.tried.elapsed() < PATIENCE));
    if there {
        return;
    }
    let (stream, why) = match open(request.clone()) {
        Ok(stream) => (Some(stream), None),
        Err(why) => (None, Some(why.message)),
    };
    *refused = why;
    *look = Some(Look { request, stream, tried: Instant::now() });
}

/// All messages that have come.
pub fn take<Request, Response>(
    client: &Client,
    look: &mut Option<Look<Request, Response>>,
    refused: &mut Option<String>,
) -> Vec<Response> {
    let mut come = Vec::new();
    let Some(look) = look else { return come };
    while let Some(stream) = &mut look.stream {
        match client.next(stream, Duration::ZERO) {
            Ok(Some(message)) if come.len() < AT_ONCE => come.push(message),
            Ok(_) => break,
            Err(why) => {
                (look.stream, look.tried) = (None, Instant::now());
                *refused = Some(why.message);
            }
        }
    }
    come
}
