// SPDX-License-Identifier: MIT OR Apache-2.0
//! The sum over the last so many values, without a subtraction.
//!
//! A running sum that adds the new and takes away the old keeps rounding errors of the loudest moment for
//! ever. Here the window is the end of the lap before and the beginning of this one: sums from every place
//! to the end of a lap are worked out when it is complete (van Herk 1992, with + for max). Silence is
//! exactly 0 as soon as it fills the window, after weeks as after seconds.

/// A sum over a window of fixed length; before the stream there were zeros.
#[derive(Clone, Debug)]
pub struct SlidingSum {
    /// This lap's values up to `pos`.
    lap: Vec<f64>,
    /// Of the lap before: what lies from each place to its end; one more, which is 0.
    rest: Vec<f64>,
    so_far: f64,
    pos: usize,
}

impl SlidingSum {
    pub fn new(length: usize) -> Self {
        let length = length.max(1);
        SlidingSum { lap: vec![0.0; length], rest: vec![0.0; length + 1], so_far: 0.0, pos: 0 }
    }

    pub fn reset(&mut self) {
        self.rest.fill(0.0);
        (self.so_far, self.pos) = (0.0, 0);
    }

    /// One addition, and one more when the lap is complete.
    pub fn push(&mut self, value: f64) {
        self.lap[self.pos] = value;
        self.so_far += value;
        self.pos += 1;
        if self.pos == self.lap.len() {
            for i in (0..self.pos).rev() {
                self.rest[i] = self.rest[i + 1] + self.lap[i];
            }
            (self.so_far, self.pos) = (0.0, 0);
        }
    }

    /// Sum of the last `count` values, which must lie in the window and in this lap or the one before it.
    pub fn newest(&self, count: usize) -> f64 {
        let here = count.min(self.pos);
        let before = count - here;
        let sum: f64 = self.lap[self.pos - here..self.pos].iter().sum();
        // A lap that is just complete still stands in `lap`.
        sum + if before > 0 { self.rest[self.lap.len() - before] } else { 0.0 }
    }

    pub fn sum(&self) -> f64 {
        self.rest[self.pos] + self.so_far
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_agrees_with_the_definition() {
        for length in [1, 2, 3, 40, 160] {
            let (mut w, mut all) = (SlidingSum::new(length), Vec::new());
            for i in 0..1000u32 {
                all.push(f64::from(i * 7919 % 1009));
                w.push(all[all.len() - 1]);
                let want: f64 = all.iter().rev().take(length).sum();
                assert_eq!(w.sum(), want, "window {length}, value {i}");
                let some = length.min(7);
                let want: f64 = all.iter().rev().take(some).sum();
                assert_eq!(w.newest(some), want, "newest of window {length}, value {i}");
            }
        }
    }

    #[test]
    fn silence_is_nothing_once_it_fills_the_window() {
        let mut w = SlidingSum::new(160);
        (0..1_000_003).for_each(|i| w.push(1e3 / f64::from(i + 1)));
        (0..160).for_each(|_| w.push(0.0));
        assert_eq!(w.sum(), 0.0);
    }
}
