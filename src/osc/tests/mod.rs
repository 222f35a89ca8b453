// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of this folder share: packets made by hand, and seeded randomness.

mod decode;
mod fuzz;
mod hostile;
mod patterns;
mod random_patterns;
mod replies;
mod requests;

/// SplitMix64: small, seeded, the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// A string with its zeros.
pub fn padded(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize((bytes.len() + 4) & !3, 0);
    bytes
}

/// A message of raw argument bytes.
pub fn raw(address: &str, tags: &str, args: &[u8]) -> Vec<u8> {
    [padded(address), padded(tags), args.to_vec()].concat()
}

/// A bundle of ready elements.
pub fn bundle(time: u64, elements: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"#bundle\0".to_vec();
    bytes.extend(time.to_be_bytes());
    for element in elements {
        bytes.extend((element.len() as u32).to_be_bytes());
        bytes.extend(element);
    }
    bytes
}

/// `levels` bundles, one within the other, with nothing in the innermost.
pub fn nested(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(levels * 20);
    for level in 0..levels {
        bytes.extend(b"#bundle\0\0\0\0\0\0\0\0\x01");
        if level + 1 < levels {
            bytes.extend(((levels - level - 1) as u32 * 20 - 4).to_be_bytes());
        }
    }
    bytes
}
