// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that carry an id are made once, however often they arrive.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most that are remembered.
const MOST: usize = 1024;

/// What was made under an id.
struct Made {
    id: String,
    content: u64,
    revision: u64,
}

/// The last requests with an id.
#[derive(Default)]
pub struct Recent(VecDeque<Made>);

/// An id that was used for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused;

/// A number for the content of a request.
pub fn content(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

impl Recent {
    /// The revision of the same request made before.
    ///
    /// # Errors
    /// The id was given to another request.
    pub fn find(&self, id: &str, content: u64) -> Result<Option<u64>, Reused> {
        match self.0.iter().find(|m| m.id == id) {
            Some(m) if m.content == content => Ok(Some(m.revision)),
            Some(_) => Err(Reused),
            None => Ok(None),
        }
    }

    pub fn remember(&mut self, id: &str, content: u64, revision: u64) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Made { id: id.to_string(), content, revision });
    }
}
