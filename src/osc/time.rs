// SPDX-License-Identifier: MIT OR Apache-2.0
//! When a bundle's time tag is due, relative to now and never by absolute date.

use std::time::Duration;

/// The time tag that says "immediately". 0, which some senders use, is taken alike.
pub const IMMEDIATELY: u64 = 1;
/// Farthest ahead that a bundle is scheduled.
pub const MAX_AHEAD: Duration = Duration::from_secs(10);

/// When a bundle is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// At once: it has no time tag, says so, or is late.
    Now,
    /// This long from now.
    In(Duration),
}

/// A time tag that is not scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the time tag lies {} s ahead; bundles are scheduled up to {} s ahead", .0.as_secs(), MAX_AHEAD.as_secs())]
pub struct TooFarAhead(pub Duration);

/// When `tag` is due if it is `now`; both NTP, seconds since 1900 times 2^32.
///
/// The difference wraps, so that the end of the NTP era in 2036 is a second like any other.
///
/// # Errors
/// More than [`MAX_AHEAD`].
pub fn due(tag: Option<u64>, now: u64) -> Result<Due, TooFarAhead> {
    let Some(tag) = tag.filter(|&t| t > IMMEDIATELY) else { return Ok(Due::Now) };
    let ahead = tag.wrapping_sub(now) as i64;
    if ahead <= 0 {
        return Ok(Due::Now);
    }
    let ahead = ahead as u64;
    let nanos = ((ahead & 0xffff_ffff) * 1_000_000_000) >> 32;
    let ahead = Duration::new(ahead >> 32, nanos as u32);
    if ahead > MAX_AHEAD { Err(TooFarAhead(ahead)) } else { Ok(Due::In(ahead)) }
}
