// SPDX-License-Identifier: MIT OR Apache-2.0
//! The highest true peaks of a programme and when they were, in constant memory.
//!
//! What stands nearer to a higher one of its channel than the spacing is the same event and not listed.

/// One true peak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruePeakAt {
    pub channel: usize,
    /// The frame at or before it, counted from the beginning.
    pub frame: u64,
    pub amplitude: f64,
}

/// The highest so many, the highest first.
#[derive(Clone, Debug)]
pub struct TopPeaks {
    most: usize,
    spacing: u64,
    kept: Vec<TruePeakAt>,
}

impl TopPeaks {
    /// `spacing` in frames.
    pub fn new(most: usize, spacing: u64) -> Self {
        TopPeaks { most, spacing, kept: Vec::with_capacity(most + 1) }
    }

    pub fn reset(&mut self) {
        self.kept.clear();
    }

    /// Whether one of this height may be listed.
    pub fn wants(&self, amplitude: f64) -> bool {
        amplitude > 0.0
            && (self.kept.len() < self.most || self.kept.last().is_some_and(|t| amplitude > t.amplitude))
    }

    pub fn push(&mut self, peak: TruePeakAt) {
        let same = |t: &TruePeakAt| t.channel == peak.channel && t.frame.abs_diff(peak.frame) < self.spacing;
        if !self.wants(peak.amplitude) || self.kept.iter().any(|t| same(t) && t.amplitude >= peak.amplitude) {
            return;
        }
        let spacing = self.spacing;
        self.kept.retain(|t| t.channel != peak.channel || t.frame.abs_diff(peak.frame) >= spacing);
        let at = self.kept.partition_point(|t| t.amplitude >= peak.amplitude);
        self.kept.insert(at, peak);
        self.kept.truncate(self.most);
    }

    /// The highest first; of equals the earlier first.
    pub fn list(&self) -> &[TruePeakAt] {
        &self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_one_of_each_event_is_kept() {
        let mut top = TopPeaks::new(3, 100);
        let mut push = |frame, amplitude| top.push(TruePeakAt { channel: 0, frame, amplitude });
        for (frame, amplitude) in
            [(10, 0.5), (50, 0.9), (120, 0.8), (400, 0.7), (900, 0.2), (1000, 0.6), (1500, 0.1)]
        {
            push(frame, amplitude);
        }
        let list: Vec<(u64, f64)> = top.list().iter().map(|t| (t.frame, t.amplitude)).collect();
        assert_eq!(list, [(50, 0.9), (400, 0.7), (1000, 0.6)]);
        top.push(TruePeakAt { channel: 1, frame: 60, amplitude: 0.95 });
        assert_eq!((top.list()[0].channel, top.list()[1].frame, top.list().len()), (1, 50, 3));
    }
}
