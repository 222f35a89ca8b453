// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to datagrams: one alone as it is, several as bundles that fit into one frame of a network.

use super::codec::{Booleans, Message, encode};
use super::time::IMMEDIATELY;

/// Most bytes of a datagram of several messages.
pub const MAX_DATAGRAM: usize = 1_400;
const HEAD: usize = 16;

/// The datagrams that carry these messages, in order.
pub fn datagrams(messages: &[Message], booleans: Booleans) -> Vec<Vec<u8>> {
    let encoded: Vec<Vec<u8>> = messages.iter().map(|m| encode(m, booleans)).collect();
    let (mut out, mut from) = (Vec::new(), 0);
    while from < encoded.len() {
        let mut bytes = HEAD;
        let mut to = from;
        while to < encoded.len() && (to == from || bytes + 4 + encoded[to].len() <= MAX_DATAGRAM) {
            bytes += 4 + encoded[to].len();
            to += 1;
        }
        out.push(if to == from + 1 { encoded[from].clone() } else { bundle(&encoded[from..to], bytes) });
        from = to;
    }
    out
}

fn bundle(messages: &[Vec<u8>], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size);
    out.extend_from_slice(b"#bundle\0");
    out.extend_from_slice(&IMMEDIATELY.to_be_bytes());
    for message in messages {
        out.extend_from_slice(&(message.len() as u32).to_be_bytes());
        out.extend_from_slice(message);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::codec::{Arg, decode};
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_in_order() {
        let messages: Vec<Message> =
            (0..300).map(|n| Message::new(format!("/rack/slot/p{n}"), vec![Arg::Int(n)])).collect();
        let packed = datagrams(&messages, Booleans::Integers);
        assert!(packed.len() < 10 && packed.iter().all(|d| d.len() <= MAX_DATAGRAM));
        let back: Vec<Message> = packed.iter().flat_map(|d| decode(d).unwrap().messages).collect();
        assert_eq!(back, messages);
        assert_eq!(datagrams(&messages[..1], Booleans::Integers), [encode(&messages[0], Booleans::Integers)]);
        assert!(datagrams(&[], Booleans::Integers).is_empty());
    }
}
