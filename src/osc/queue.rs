// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packets that have come and are not done: a line for every source, served in turn, so that a flood from
//! one keeps nobody else waiting. A set that waits is replaced by a later one of the same control, so that a
//! fader that moves faster than it is read costs one place; a full line loses its oldest packet.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// Most packets and bytes in one line.
const LINE: usize = 4096;
const LINE_BYTES: usize = 4 << 20;
/// Most lines.
const LINES: usize = 64;

#[derive(Default)]
struct Line {
    packets: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How many have left.
    left: u64,
    /// The number of the set that waits for each address, since the last packet that was no plain set: sets
    /// of different controls may change places with each other, but with nothing else.
    sets: HashMap<Vec<u8>, u64>,
}

impl Line {
    /// True if the packet has taken the place of an earlier one.
    fn replaces(&mut self, packet: &[u8]) -> bool {
        let Some(address) = plain_set(packet).filter(|_| self.sets.len() <= LINE) else {
            self.sets.clear();
            return false;
        };
        let number = self.left + self.packets.len() as u64;
        let Some(earlier) = self.sets.get_mut(address) else {
            self.sets.insert(address.to_vec(), number);
            return false;
        };
        let place = earlier.checked_sub(self.left).and_then(|n| self.packets.get_mut(n as usize));
        match place {
            Some(place) => place.copy_from_slice(packet),
            None => *earlier = number,
        }
        *earlier != number
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.len();
        self.left += 1;
        Some(packet)
    }
}

/// All lines.
#[derive(Default)]
pub struct Queue {
    lines: HashMap<SocketAddr, Line>,
    turn: VecDeque<SocketAddr>,
}

impl Queue {
    /// How many packets were lost for this one.
    pub fn push(&mut self, from: SocketAddr, packet: &[u8]) -> u64 {
        if !self.lines.contains_key(&from) {
            if self.lines.len() >= LINES {
                return 1;
            }
            self.turn.push_back(from);
        }
        let line = self.lines.entry(from).or_default();
        if line.replaces(packet) {
            return 0;
        }
        line.bytes += packet.len();
        line.packets.push_back(packet.to_vec());
        let mut lost = 0;
        while line.packets.len() > LINE || line.bytes > LINE_BYTES {
            line.pop();
            lost += 1;
        }
        lost
    }

    pub fn pop(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let from = self.turn.pop_front()?;
        let line = self.lines.get_mut(&from)?;
        let packet = line.pop();
        if line.packets.is_empty() {
            self.lines.remove(&from);
        } else {
            self.turn.push_back(from);
        }
        Some((from, packet?))
    }

    pub fn is_empty(&self) -> bool {
        self.turn.is_empty()
    }
}

/// The padded address of a bare message that sets one control by name to one number in its own unit.
fn plain_set(packet: &[u8]) -> Option<&[u8]> {
    let (head, _value) = packet.split_last_chunk::<4>()?;
    let (address, tags) = head.split_last_chunk::<4>()?;
    let name = address.strip_prefix(b"/rack/")?;
    let zeros = name.iter().rev().take_while(|b| **b == 0).count();
    let name = &name[..name.len() - zeros];
    let literal = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/'));
    let plain = literal && !name.ends_with(b"/norm") && !name.windows(2).any(|w| w == b"//");
    ((1..=4).contains(&zeros) && plain && matches!(tags, b",f\0\0" | b",i\0\0")).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::super::codec::{Arg, Booleans, Message, encode};
    use super::*;

    fn set(address: &str, value: f32) -> Vec<u8> {
        encode(&Message::new(address, vec![Arg::Float(value)]), Booleans::Integers)
    }

    #[test]
    fn sources_take_turns_and_a_faster_fader_leaves_its_last_value() {
        let [a, b] = [1, 2].map(|p| SocketAddr::from(([127, 0, 0, 1], p)));
        let mut queue = Queue::default();
        for n in 0..10_000 {
            assert_eq!(queue.push(a, &set("/rack/a/x", n as f32)), 0);
        }
        queue.push(a, &set("/rack/a/y", 1.0));
        queue.push(a, &set("/rack/a/x", 2.0));
        queue.push(a, &set("/rack/a/x/norm", 0.5));
        queue.push(a, &set("/rack/a/x", 3.0));
        queue.push(b, b"/ping\0\0\0");
        assert_eq!(queue.pop(), Some((a, set("/rack/a/x", 2.0))));
        assert_eq!(queue.pop().map(|p| p.0), Some(b));
        assert_eq!(queue.pop(), Some((a, set("/rack/a/y", 1.0))));
        queue.push(a, &set("/rack/a/x", 4.0));
        assert_eq!(queue.pop(), Some((a, set("/rack/a/x/norm", 0.5))), "nothing passes it");
        queue.push(a, &set("/rack/a/y", 5.0));
        assert_eq!(queue.pop(), Some((a, set("/rack/a/x", 4.0))));
        queue.push(a, &set("/rack/a/x", 6.0));
        assert_eq!(queue.pop(), Some((a, set("/rack/a/y", 5.0))));
        assert_eq!(queue.pop(), Some((a, set("/rack/a/x", 6.0))));
        assert!(queue.pop().is_none() && queue.is_empty());
    }

    #[test]
    fn a_full_line_loses_its_oldest() {
        let a = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut queue = Queue::default();
        let lost: u64 = (0..LINE + 10).map(|n| queue.push(a, &set(&format!("/rack/a/x{n}"), 0.0))).sum();
        assert_eq!(lost, 10);
        assert_eq!(queue.pop(), Some((a, set("/rack/a/x10", 0.0))));
    }
}
