// SPDX-License-Identifier: MIT OR Apache-2.0
//! The maximum since any moment: what lets every reader have its own maxima without being registered.
//!
//! Kept are only the values that no later one has reached, oldest and largest first. The first of them after
//! a moment is the maximum since. Music leaves about ten, a fading tone one a quantum.

use std::collections::VecDeque;

/// Values kept: at 48 kHz more than 1.3 s of a tone that falls with every quantum.
const MOST: usize = 1024;

/// When full, the two oldest become one: a reader that last read between them may be told the older, larger
/// one again. None is ever lost.
#[derive(Clone, Debug, Default)]
pub struct Records {
    kept: VecDeque<(u64, f64)>,
}

impl Records {
    pub fn reset(&mut self) {
        self.kept.clear();
    }

    /// A value and its moment, not before that of the last one.
    pub fn push(&mut self, moment: u64, value: f64) {
        while self.kept.back().is_some_and(|(_, v)| *v <= value) {
            self.kept.pop_back();
        }
        if self.kept.len() == MOST
            && let Some((_, largest)) = self.kept.pop_front()
            && let Some(next) = self.kept.front_mut()
        {
            next.1 = largest;
        }
        self.kept.push_back((moment, value));
    }

    /// The largest value after `moment`; 0 if there was none.
    pub fn since(&self, moment: u64) -> f64 {
        let first = self.kept.partition_point(|(m, _)| *m <= moment);
        self.kept.get(first).map_or(0.0, |(_, v)| *v)
    }

    /// Values kept now.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_since_any_moment() {
        let (mut r, mut all) = (Records::default(), Vec::new());
        for i in 0..3000u64 {
            let v = (i * 7919 % 1009) as f64;
            all.push(v);
            r.push(i + 1, v);
            for back in [0, 1, 2, 10, 100, i] {
                let from = i.saturating_sub(back);
                let want = all[from as usize..].iter().copied().fold(0.0, f64::max);
                assert_eq!(r.since(from), want, "value {i}, since {from}");
            }
        }
        assert!(r.len() < 32 && r.since(3000) == 0.0);
    }

    #[test]
    fn none_is_lost_when_it_is_full() {
        let mut r = Records::default();
        (0..5000).for_each(|i| r.push(i + 1, 1.0 / (i + 1) as f64));
        assert_eq!((r.len(), r.since(0)), (MOST, 1.0));
        assert_eq!(r.since(4800), 1.0 / 4801.0);
        assert_eq!(r.since(1000), 1.0, "an old reader is told too much, not too little");
    }
}
