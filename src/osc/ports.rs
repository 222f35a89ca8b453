// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server needs of other rooms, as it sees them: the readings, the snapshots, the ledger, the prints.

use std::sync::Arc;

use super::codec::Arg;
use super::request::Code;
use crate::control::Client;

/// What kind of refusal it is, and a text for the person who asked.
pub type Refusal = (Code, String);

/// The readings.
pub trait Meters: Send + Sync {
    /// The readings named, for one of the subscribers, who asks about `hz` times a second (0: now and then):
    /// names such as `out/momentary`, `out/peak/L` or `comp/gain_reduction`, and dB or what their unit is.
    /// `None` if there is nothing new.
    fn poll(&self, subscriber: u64, hz: f64, names: &[String]) -> Option<Vec<(String, f64)>>;
    fn reset(&self);
    /// All readings there are.
    fn names(&self) -> Vec<String>;
    /// Readings at a name or below it, `out/vu` or `eq/out`, that are only there for those who name them.
    fn named(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }
    /// True for a reading that is many values at once: [`frames`](Meters::frames) has them.
    fn is_frames(&self, _name: &str) -> bool {
        false
    }
    /// True for such a reading if it is few numbers, each an argument.
    fn is_numbers(&self, _name: &str) -> bool {
        false
    }
    /// The newest values of such a reading for this subscriber; `None` if there is nothing new.
    fn frames(&self, _subscriber: u64, _hz: f64, _name: &str) -> Option<Vec<f32>> {
        None
    }
    /// Why such a reading cannot be had.
    fn refused(&self, _hz: f64, _name: &str) -> Option<String> {
        None
    }
    /// This subscriber will not ask again.
    fn drop_subscriber(&self, subscriber: u64);
    /// Why nobody else can subscribe, while that is so.
    fn full(&self) -> Option<String> {
        None
    }
}

/// The snapshots. What changes something may wait for a disk; questions do not.
pub trait Snapshots: Send + Sync {
    fn store(&self, name: &str, client: Client) -> Result<(), Refusal>;
    /// The revision that holds it, or the first of a morph.
    fn recall(&self, name: &str, seconds: f64, client: Client) -> Result<u64, Refusal>;
    fn delete(&self, name: &str, client: Client) -> Result<(), Refusal>;
    fn list(&self) -> Vec<String>;
    /// The one recalled or stored last, and whether the rack was changed since.
    fn current(&self) -> Option<(String, bool)>;
}

/// The session's ledger. What changes something may wait for a disk and for the first frame.
pub trait Ledger: Send + Sync {
    /// An empty name or tap: what is usual.
    fn start(&self, name: &str, tap: &str) -> Result<Fields, Refusal>;
    fn pause(&self) -> Result<Fields, Refusal>;
    fn resume(&self) -> Result<Fields, Refusal>;
    fn close(&self) -> Result<Fields, Refusal>;
    /// Ends the album and begins another one.
    fn turn(&self, name: &str) -> Result<Fields, Refusal>;
    fn status(&self) -> Result<Fields, Refusal>;
    /// The last tracks of an album by its id, empty for the one that is being made.
    fn tracks(&self, album: &str, most: usize) -> Result<Listing, Refusal>;
    /// The last albums; at the end the one that is being made.
    fn albums(&self, most: usize) -> Result<Listing, Refusal>;
}

/// The prints. All but `known` and `moving` may wait for a disk, and a start for the first frame.
pub trait Prints: Send + Sync {
    /// An empty name or source: what is usual.
    fn start(&self, name: &str, source: &str) -> Result<Fields, Refusal>;
    /// An empty name: the only one that runs.
    fn stop(&self, name: &str) -> Result<Fields, Refusal>;
    /// An empty name: the one that began last.
    fn status(&self, name: &str) -> Result<Fields, Refusal>;
    fn list(&self, most: usize) -> Result<Listing, Refusal>;
    /// As `status`; `None` if it would have to wait for the disk.
    fn known(&self, name: &str) -> Option<Result<Fields, Refusal>>;
    /// Those that are not over, those of these names, and the one that began last: how each stands, and whether it
    /// is over.
    fn moving(&self, names: &[String]) -> Vec<(String, Fields, bool)>;
}

/// The alarms, by addresses such as `in/silence/L`.
pub trait Alarms: Send + Sync {
    /// Which have begun and ended since a number, which becomes the newest; `None` begins with what comes next.
    fn since(&self, seen: &mut Option<u64>) -> Vec<(String, bool)>;
    /// All there can be now, and whether each is on.
    fn all(&self) -> Vec<(String, bool)>;
}

/// The last of a list, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    pub last: Vec<Fields>,
    /// Of the whole list.
    pub total: usize,
}

/// How something stands: keys with their values.
pub type Fields = Vec<(&'static str, Arg)>;

/// What a server reaches beside the rack. `None`: there is none.
#[derive(Clone, Default)]
pub struct Ports {
    pub meters: Option<Arc<dyn Meters>>,
    pub snapshots: Option<Arc<dyn Snapshots>>,
    pub ledger: Option<Arc<dyn Ledger>>,
    pub prints: Option<Arc<dyn Prints>>,
    pub alarms: Option<Arc<dyn Alarms>>,
}

/// What those who subscribe without a subtree get.
pub fn is_usual(name: &str) -> bool {
    const OUT: [&str; 4] = ["out/momentary", "out/short_term", "out/integrated", "out/true_peak"];
    OUT.contains(&name) || name.ends_with("/gain_reduction")
}
