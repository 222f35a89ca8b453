// SPDX-License-Identifier: MIT OR Apache-2.0
//! Loudness: momentary, short-term and integrated (ITU-R BS.1770-5, EBU Tech 3341), range (Tech 3342).
//!
//! Weighted power is summed over steps of 2.5 ms, whose ends are rounded down to whole frames. Momentary
//! (400 ms) and short-term (3 s) are refreshed with every step: at the 100 ms that Tech 3341 allows, the
//! maximum of a 400 ms burst could be read 0.6 LU low. Gating blocks stay on the 100 ms grid, 75 %
//! overlapped; loudness range takes a short-term value every 100 ms.
//!
//! A window gives no reading until it has been filled since the start, the reset or the gap before.

use serde::{Deserialize, Serialize};

use super::histogram::{BadBin, Histogram, SavedBin};
use super::history::{History, LastReadings};
use super::window::SlidingSum;
use crate::dsp::kweight::KWeighting;
use crate::dsp::{Frames, QUANTUM, math};
use crate::units::Layout;

const STEPS_PER_SECOND: u64 = 400;
const MOMENTARY_STEPS: u64 = 160;
const SHORT_TERM_STEPS: u64 = 1200;
/// 100 ms: from one gating block to the next.
const GRID_STEPS: u64 = 40;
/// Integrated: −10 LU. Range: −20 LU, from the 10th to the 95th percentile.
pub(super) const INTEGRATED_GATE: f64 = 0.1;
pub(super) const RANGE_GATE: f64 = 0.01;
pub(super) const RANGE_RANKS: [f64; 2] = [0.1, 0.95];

/// BS.1770: a 997 Hz sine of full scale in one channel reads −3.01 LKFS.
const OFFSET: f64 = -0.691;

/// Loudness in LUFS of a mean weighted power; −∞ for silence.
pub fn lufs(energy: f64) -> f64 {
    const DB_PER_OCTAVE: f64 = 3.010_299_956_639_812;
    if energy > 1e-100 { OFFSET + DB_PER_OCTAVE * math::log2(energy) } else { f64::NEG_INFINITY }
}

/// Mean weighted power of a loudness in LUFS.
pub fn energy_of(lufs: f64) -> f64 {
    let gain = math::db_to_gain(lufs - OFFSET);
    gain * gain
}

/// In LUFS, the range in LU. `None`: not yet known. −∞: silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LoudnessReadings {
    pub momentary: Option<f64>,
    pub short_term: Option<f64>,
    /// `None` until a block has passed the absolute gate.
    pub integrated: Option<f64>,
    pub loudness_range: Option<f64>,
    /// Since the reset; without what was heard during a pause.
    pub momentary_max: Option<f64>,
    pub short_term_max: Option<f64>,
}

/// Momentary and short-term on the grid of 100 ms, as mean weighted powers; `None`: not yet known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Grid {
    /// Places of the grid passed since the beginning.
    pub count: u64,
    pub momentary: Option<f64>,
    pub short_term: Option<f64>,
}

/// What was integrated, as plain data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedLoudness {
    /// Gating blocks.
    pub blocks: Vec<SavedBin>,
    /// Short-term values.
    pub range: Vec<SavedBin>,
    /// Largest mean weighted powers; `None` before the first.
    pub momentary_max: Option<f64>,
    pub short_term_max: Option<f64>,
}

/// Sums of a step's frames are kept in so many lanes.
const LANES: usize = 8;

/// | state | meaning |
/// |---|---|
/// | `step` | steps completed in this stretch of unbroken audio |
/// | `left` | frames missing from the open step |
/// | `open` | weighted sum of squares of the open step |
/// | `measured` | steps since the reset, the end of a pause or a gap |
/// | `max` | largest mean power of momentary and short-term, negative before the first |
/// | `grid` | the last place of the 100 ms grid |
/// | `history` | for the last so many seconds, if that is wanted |
#[derive(Clone, Debug)]
pub struct LoudnessMeter {
    rate: u64,
    weighting: KWeighting,
    step: u64,
    left: usize,
    open: [f64; LANES],
    momentary: SlidingSum,
    short_term: SlidingSum,
    measured: u64,
    paused: bool,
    blocks: Histogram,
    range: Histogram,
    max: [f64; 2],
    grid: Grid,
    history: Option<History>,
}

impl LoudnessMeter {
    /// For a rate in Hz, at least 400.
    pub fn new(rate: u32, layout: &Layout) -> Self {
        let mut m = LoudnessMeter {
            rate: u64::from(rate.max(STEPS_PER_SECOND as u32)),
            weighting: KWeighting::new(rate, &layout.loudness_weights()),
            step: 0,
            left: 0,
            open: [0.0; LANES],
            momentary: SlidingSum::new(MOMENTARY_STEPS as usize),
            short_term: SlidingSum::new(SHORT_TERM_STEPS as usize),
            measured: 0,
            paused: false,
            blocks: Histogram::default(),
            range: Histogram::default(),
            max: [-1.0; 2],
            grid: Grid::default(),
            history: None,
        };
        m.begin();
        m
    }

    /// Also keeps what [`LoudnessMeter::last`] needs for so many seconds. 80 bytes a second.
    pub fn with_history(mut self, seconds: u32) -> Self {
        self.history = Some(History::new(seconds));
        self
    }

    /// Begins a new measurement: nothing heard before counts for integrated, range and maxima. The sound
    /// itself goes on, and with it momentary and short-term; a pause stays a pause.
    pub fn reset(&mut self) {
        self.blocks.reset();
        self.range.reset();
        self.max = [-1.0; 2];
        self.measured = 0;
    }

    /// While paused, momentary and short-term go on; integrated, range and maxima stand still.
    pub fn set_paused(&mut self, paused: bool) {
        if self.paused != paused {
            self.paused = paused;
            self.measured = 0;
        }
    }

    pub fn paused(&self) -> bool {
        self.paused
    }

    /// These many frames were missed before what comes next, which does not join what came before: no window
    /// or block spans it.
    pub fn gap(&mut self, frames: u64) {
        self.begin();
        if let Some(h) = &mut self.history {
            h.gap(frames * 10 / self.rate);
        }
    }

    fn begin(&mut self) {
        self.weighting.reset();
        self.momentary.reset();
        self.short_term.reset();
        (self.step, self.open, self.measured) = (0, [0.0; LANES], 0);
        self.left = self.frames(0, 1) as usize;
    }

    /// One quantum of every channel.
    pub fn process(&mut self, audio: &[Frames]) {
        self.process_first(audio, QUANTUM);
    }

    /// The last quantum of a file, of which only the first `frames` are sound.
    pub fn process_first(&mut self, audio: &[Frames], frames: usize) {
        let mut power = [0.0; QUANTUM];
        self.weighting.process(audio, &mut power);
        let mut rest = &power[..frames.min(QUANTUM)];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.left.min(rest.len()));
            add(&mut self.open, now);
            self.left -= now.len();
            rest = later;
            if self.left == 0 {
                let o = std::mem::take(&mut self.open);
                self.complete(((o[0] + o[4]) + (o[1] + o[5])) + ((o[2] + o[6]) + (o[3] + o[7])));
                self.left = self.frames(self.step, self.step + 1) as usize;
            }
        }
    }

    /// Frames from the end of step `from` to that of step `to`.
    fn frames(&self, from: u64, to: u64) -> u64 {
        to * self.rate / STEPS_PER_SECOND - from * self.rate / STEPS_PER_SECOND
    }

    /// One step's weighted sum of squares.
    pub(super) fn complete(&mut self, sum: f64) {
        self.step += 1;
        self.momentary.push(sum);
        self.short_term.push(sum);
        let on_grid = self.step.is_multiple_of(GRID_STEPS);
        if on_grid {
            self.pass_grid();
        }
        if self.paused {
            return;
        }
        self.measured += 1;
        if self.measured >= MOMENTARY_STEPS {
            let energy = self.mean(&self.momentary, MOMENTARY_STEPS);
            self.max[0] = self.max[0].max(energy);
            if on_grid {
                self.blocks.add(energy);
            }
        }
        if self.measured >= SHORT_TERM_STEPS {
            let energy = self.mean(&self.short_term, SHORT_TERM_STEPS);
            self.max[1] = self.max[1].max(energy);
            if on_grid {
                self.range.add(energy);
            }
        }
    }

    fn pass_grid(&mut self) {
        let known = |w, steps| (self.step >= steps).then(|| self.mean(w, steps));
        self.grid = Grid {
            count: self.grid.count + 1,
            momentary: known(&self.momentary, MOMENTARY_STEPS),
            short_term: known(&self.short_term, SHORT_TERM_STEPS),
        };
        if let Some(h) = &mut self.history {
            let frames = self.step * self.rate / STEPS_PER_SECOND
                - (self.step - GRID_STEPS) * self.rate / STEPS_PER_SECOND;
            h.push(self.momentary.newest(GRID_STEPS as usize) / frames as f64);
        }
    }

    /// The last place of the 100 ms grid, in pauses too.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Gating blocks of 400 ms since the reset, by loudness.
    pub fn blocks(&self) -> &Histogram {
        &self.blocks
    }

    /// Short-term values, ten a second, since the reset.
    pub fn short_terms(&self) -> &Histogram {
        &self.range
    }

    /// Integrated loudness and range of the last so many seconds, or of what there is; `None` without a
    /// history. Resets and pauses do not matter to it.
    pub fn last(&self, seconds: f64) -> Option<LastReadings> {
        self.history.as_ref().map(|h| h.last(seconds))
    }

    pub fn save(&self) -> SavedLoudness {
        let [momentary_max, short_term_max] = self.max.map(|m| (m >= 0.0).then_some(m));
        SavedLoudness { blocks: self.blocks.save(), range: self.range.save(), momentary_max, short_term_max }
    }

    /// Goes on from what was integrated before. The sound that comes next does not join it.
    pub fn restore(&mut self, saved: &SavedLoudness) -> Result<(), BadBin> {
        let (blocks, range) = (Histogram::restore(&saved.blocks)?, Histogram::restore(&saved.range)?);
        (self.blocks, self.range) = (blocks, range);
        self.max = [saved.momentary_max, saved.short_term_max]
            .map(|m| m.filter(|m| m.is_finite() && *m >= 0.0).unwrap_or(-1.0));
        self.begin();
        Ok(())
    }

    fn mean(&self, window: &SlidingSum, steps: u64) -> f64 {
        window.sum() / self.frames(self.step - steps, self.step) as f64
    }

    pub fn read(&self) -> LoudnessReadings {
        let now = |w, steps| (self.step >= steps).then(|| lufs(self.mean(w, steps)));
        let max = |energy| (energy >= 0.0).then(|| lufs(energy));
        LoudnessReadings {
            momentary: now(&self.momentary, MOMENTARY_STEPS),
            short_term: now(&self.short_term, SHORT_TERM_STEPS),
            integrated: self.blocks.gated_mean(INTEGRATED_GATE).map(lufs),
            loudness_range: self
                .range
                .gated_percentiles(RANGE_GATE, RANGE_RANKS)
                .map(|[low, high]| lufs(high) - lufs(low)),
            momentary_max: max(self.max[0]),
            short_term_max: max(self.max[1]),
        }
    }
}

/// Adds values to the lanes in turn.
fn add(lanes: &mut [f64; LANES], values: &[f64]) {
    let (whole, rest) = values.as_chunks::<LANES>();
    for x in whole {
        for l in 0..LANES {
            lanes[l] += x[l];
        }
    }
    for (l, x) in lanes.iter_mut().zip(rest) {
        *l += x;
    }
}
