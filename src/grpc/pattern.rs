// SPDX-License-Identifier: MIT OR Apache-2.0
//! Patterns over addresses: `*` stays within one level, `**` descends.
//!
//! The work is the product of both lengths at most, whatever the pattern.

/// True if the text is more than an address.
pub fn is_pattern(text: &str) -> bool {
    text.contains('*')
}

/// True if `pattern` means `address`.
pub fn matches(pattern: &str, address: &str) -> bool {
    let (pattern, address) = (pattern.as_bytes(), address.as_bytes());
    // `reached[i]`: the pattern so far matches the first i bytes of the address.
    let mut reached = vec![false; address.len() + 1];
    reached[0] = true;
    let mut p = 0;
    while p < pattern.len() {
        let star = pattern[p] == b'*';
        let deep = star && pattern.get(p + 1) == Some(&b'*');
        if star {
            for i in 0..address.len() {
                reached[i + 1] |= reached[i] && (deep || address[i] != b'/');
            }
        } else {
            for i in (0..address.len()).rev() {
                reached[i + 1] = reached[i] && address[i] == pattern[p];
            }
            reached[0] = false;
        }
        p += if deep { 2 } else { 1 };
    }
    reached[address.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_and_descend() {
        for (pattern, address, wanted) in [
            ("eq/*", "eq/bypass", true),
            ("eq/*", "eq/band1/gain", false),
            ("eq/**", "eq/band1/gain", true),
            ("**", "eq/band1/gain", true),
            ("*/bypass", "eq/bypass", true),
            ("**/gain", "eq/band1/gain", true),
            ("eq/band*/gain", "eq/band12/gain", true),
            ("eq/band*/gain", "eq/band12/freq", false),
            ("eq/bypass", "eq/bypas", false),
            ("eq", "eq/bypass", false),
            ("", "eq", false),
            ("*", "eq/bypass", false),
        ] {
            assert_eq!(matches(pattern, address), wanted, "{pattern} {address}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let began = std::time::Instant::now();
        assert!(!matches(&"*a".repeat(500), &"a/".repeat(128)));
        assert!(began.elapsed() < std::time::Duration::from_secs(1));
    }
}
