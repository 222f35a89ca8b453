// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who may do what, and who gets how many bytes: networks, roles, proof of an address, and rates.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// What a network may do; each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and listen.
    View,
    /// Set, undo, panic, store and recall.
    Operate,
    /// Delete snapshots.
    Admin,
}

/// A network, `192.168.1.0/24`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    bits: u8,
}

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: an address, or such as 192.168.1.0/24 or fd00::/8");
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |b| b.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Net { address, bits })
    }
}

impl<'de> serde::Deserialize<'de> for Net {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Net {
    pub fn contains(&self, ip: IpAddr) -> bool {
        let differing = match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.bits)
    }
}

/// One entry of the allow-list.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    pub net: Net,
    pub role: Role,
}

/// What is known of an address before it has said anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub role: Role,
    /// Nobody from outside can have forged it.
    pub proved: bool,
}

/// How an address stands; `None` is not listened to.
///
/// The narrowest network of the list decides; loopback is `admin` if the list does not name it. A listed
/// address counts as proved if it is of a private range: a public one may be forged by anyone, so it has
/// to send back the nonce of `/hello` first.
pub fn standing(ip: IpAddr, allow: &[Allow]) -> Option<Standing> {
    let ip = ip.to_canonical();
    let listed = allow.iter().filter(|a| a.net.contains(ip)).max_by_key(|a| a.net.bits);
    match listed {
        Some(a) => Some(Standing { role: a.role, proved: is_private(ip) }),
        None if ip.is_loopback() => Some(Standing { role: Role::Admin, proved: true }),
        None => None,
    }
}

/// Loopback, link-local, private, and the carriers' shared range, which overlay networks use.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v) => {
            let [a, b, ..] = v.octets();
            v.is_loopback() || v.is_private() || v.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v) => v.is_loopback() || v.is_unique_local() || v.is_unicast_link_local(),
    }
}

/// A source that can be answered without sending to the whole network.
pub fn is_answerable(from: SocketAddr) -> bool {
    let ip = from.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v) if v.is_broadcast());
    from.port() != 0 && !broadcast && !ip.is_multicast() && ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

/// Bytes to and from an address: one that is not proved is never sent more than it sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    pub proved: bool,
    received: u64,
    sent: u64,
}

impl Ledger {
    pub fn new(proved: bool) -> Self {
        Ledger { proved, ..Ledger::default() }
    }

    pub fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Whether so many bytes may be sent; counts them if so.
    pub fn may_send(&mut self, bytes: usize) -> bool {
        if !self.proved && self.sent + bytes as u64 > self.received {
            return false;
        }
        self.sent += bytes as u64;
        true
    }
}

/// Nonces of `/hello`: a keyed hash of address and minute, so that nothing is kept for who only asks.
#[derive(Default)]
pub struct Nonces(RandomState);

impl Nonces {
    const PERIOD: u64 = 60;

    /// The nonce of an address, `seconds` after the start.
    pub fn of(&self, address: SocketAddr, seconds: u64) -> i32 {
        self.0.hash_one((address, seconds / Self::PERIOD)) as i32
    }

    /// True for the nonce of this minute and the one before.
    pub fn accepts(&self, address: SocketAddr, seconds: u64, nonce: i32) -> bool {
        let before = seconds.checked_sub(Self::PERIOD).map(|s| self.of(address, s));
        nonce == self.of(address, seconds) || Some(nonce) == before
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    burst: f64,
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    pub fn new(burst: f64, per_second: f64, now: Instant) -> Self {
        Bucket { burst, per_second, left: burst, at: now }
    }

    pub fn take(&mut self, tokens: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        self.left = (self.left + passed.as_secs_f64() * self.per_second).min(self.burst);
        let enough = self.left >= tokens;
        if enough {
            self.left -= tokens;
        }
        enough
    }
}

/// Time a subscription lives without a message.
pub const LEASE: Duration = Duration::from_secs(10);
