// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests that carry an id are made once, however often they arrive.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most that are remembered.
const MOST: usize = 1024;

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    pub revision: u64,
    /// It waits for its frame.
    pub scheduled: bool,
}

/// What was made under an id.
struct Entry {
    id: String,
    content: u64,
    made: Made,
}

/// The last requests with an id.
#[derive(Default)]
pub struct Recent(VecDeque<Entry>);

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
    /// What the same request came to before.
    ///
    /// # Errors
    /// The id was given to another request.
    pub fn find(&self, id: &str, content: u64) -> Result<Option<Made>, Reused> {
        match self.0.iter().find(|e| e.id == id) {
            Some(e) if e.content == content => Ok(Some(e.made)),
            Some(_) => Err(Reused),
            None => Ok(None),
        }
    }

    pub fn remember(&mut self, id: &str, content: u64, made: Made) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Entry { id: id.to_string(), content, made });
    }
}
