// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limiter's audio half. Audio thread.
//!
//! While both links are whole, which is the usual case, the channels of a group have one gain and one path works
//! it out. When a link leaves 100 %, each channel's path begins as a copy of the group's: its past is then one
//! that needed at least as much as the channel did. When the links are whole again, the channels' boxes fill
//! with the group's values, and then the group's path is enough.

use super::clip::Clip;
use super::path::{Drive, FREE, Path, Times, highest, max, min};
use super::style::Style;
use super::{P, clip_factor, detail, lookahead, style};
use crate::dsp::half_period::HalfPeriod;
use crate::dsp::math::{db_to_gain, exp2, log2};
use crate::dsp::quantum_ring::QuantumRing;
use crate::dsp::simd::Class;
use crate::dsp::true_peak::{TruePeak, TruePeakFilters};
use crate::dsp::wide::{Kernel, Width};
use crate::dsp::{Aligned, Frames, QUANTUM, SILENCE};
use crate::param::Values;
use crate::units::{Block, Format, Ramp, Readings, Unit};

/// 1 / (20·log10(2)).
const OCTAVES_PER_DB: f64 = 1.0 / 6.020_599_913_279_624;
/// Peaks are at most this far above the ceiling: 144 dB, in octaves.
const DEEPEST: f64 = -24.0;
/// The error of two logarithms and a power together, per octave and for the last.
const ERROR: f64 = 1.0 / (1u64 << 46) as f64;
/// The longest hold in seconds.
const LONGEST_HOLD: f64 = 0.020;
/// The hold over half a period of the lowest tone.
const HOLD_OVER: f64 = 1.1;

/// What each channel has of its own.
struct Channel {
    detector: TruePeak,
    half_period: HalfPeriod,
    /// Audio to be limited, as far back as the output.
    audio: QuantumRing,
    /// The input, if a soft clip makes something else of it.
    input: Option<QuantumRing>,
    path: Path,
    /// Peaks, then gains.
    row: Aligned<Frames>,
    /// Reduction of the leveller.
    level: Frames,
}

/// A link group.
struct Group {
    members: Vec<usize>,
    path: Path,
    /// Frames of the window: lookahead and hold.
    window: usize,
    /// The gain of all members, unless they are apart.
    row: Aligned<Frames>,
    apart: bool,
}

/// Audio half.
///
/// | state | meaning, unit | rate |
/// |---|---|---|
/// | `ceilings` | ceiling, full scale, as far back as the detector reads | frame |
/// | `octaves` | their logarithms | frame |
/// | `ceiling` | the newest that stood still | quantum |
/// | `drive_db` | input gain at the end of the last quantum | quantum |
/// | `release_ms`, `times` | release, and what follows from it when it moves | quantum |
/// | `apart` | quanta for which the channels' paths still run by themselves | quantum |
/// | `deepest` | deepest reduction of the last quantum, octaves | quantum |
pub struct LimiterUnit {
    class: Class,
    width: Width,
    rate: f64,
    style: &'static Style,
    filters: Option<TruePeakFilters>,
    to_detector: usize,
    lookahead: usize,
    clip: Option<Clip>,
    channels: Vec<Channel>,
    groups: Vec<Group>,
    ceilings: QuantumRing,
    octaves: QuantumRing,
    ceiling: Still,
    drive_db: f64,
    release_ms: f64,
    times: Times,
    apart: usize,
    deepest: f64,
}

/// A ceiling that stands still: in dB, in full scale, and that in octaves.
struct Still {
    db: f64,
    gain: f64,
    octaves: f64,
    /// For so many, until all that is remembered is this.
    quanta: usize,
}

impl Still {
    fn new(db: f64) -> Still {
        let gain = ceiling(db);
        Still { db, gain, octaves: log2(gain), quanta: 0 }
    }
}

/// The ceiling in full scale: the largest f32 not above `db`.
pub fn ceiling(db: f64) -> f64 {
    f32_below(db_to_gain(db))
}

/// The largest f32 that is not above `c`.
#[inline(always)]
fn f32_below(c: f64) -> f64 {
    let f = c as f32;
    f64::from(if f64::from(f) > c { f32::from_bits(f.to_bits() - 1) } else { f })
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control side: built before it runs")]
impl LimiterUnit {
    pub(super) fn new(format: &Format, values: &Values) -> LimiterUnit {
        let (n, rate, style) = (format.channels(), format.rate(), style(values));
        let (detail, factor) = detail(values);
        let lookahead = lookahead(values, rate);
        let longest = lookahead + (LONGEST_HOLD * rate) as usize + 1;
        let filters = TruePeakFilters::new(rate, detail);
        let to_detector = filters.delay();
        let over = db_to_gain(values.get(P::Gain)) / ceiling(values.get(P::Ceiling));
        let share = 1.0 - 1.0 / db_to_gain(values.get(P::ClipDepth));
        let clip = values.on(P::Clip).then(|| Clip::new(rate, n, clip_factor(factor, rate), (over, share)));
        let (back, clipped) = (to_detector + lookahead, clip.as_ref().map_or(0, Clip::latency));
        let drive_db = values.get(P::Gain);
        let path = Path::new(lookahead, longest, drive_db * OCTAVES_PER_DB);
        let channel = || Channel {
            detector: TruePeak::default(),
            half_period: HalfPeriod::new(rate),
            audio: QuantumRing::new(back, 0.0),
            input: clip.is_some().then(|| QuantumRing::new(back + clipped, 0.0)),
            path: path.clone(),
            row: Aligned(SILENCE),
            level: SILENCE,
        };
        let group = |members| {
            let (path, row) = (path.clone(), Aligned(SILENCE));
            Group { members, path, window: lookahead, row, apart: false }
        };
        let release_ms = values.get(P::Release);
        let still = Still::new(values.get(P::Ceiling));
        LimiterUnit {
            class: Class::chosen(),
            width: Width::widest(),
            rate,
            style,
            filters: (values.get(P::Detector) == 0.0).then_some(filters),
            to_detector,
            lookahead,
            channels: (0..n).map(|_| channel()).collect(),
            groups: format.layout.linked().into_iter().map(group).collect(),
            clip,
            ceilings: QuantumRing::new(to_detector + clipped, still.gain),
            octaves: QuantumRing::new(to_detector + clipped, still.octaves),
            ceiling: still,
            drive_db,
            release_ms,
            times: Times::new(style, release_ms, rate, path.boxes.moments()),
            apart: 0,
            deepest: 0.0,
        }
    }
}

impl Unit for LimiterUnit {
    type Parts = ();

    fn exchange(&mut self, _: &mut Option<()>, _: usize) {}

    fn process(&mut self, block: &mut Block<'_>) {
        self.width.run(Work { unit: self, block });
    }

    fn reset(&mut self) {
        let drive = self.drive_db * OCTAVES_PER_DB;
        for c in &mut self.channels {
            c.detector.reset();
            c.half_period.reset();
            c.audio.fill(0.0);
            if let Some(r) = &mut c.input {
                r.fill(0.0);
            }
            c.path.reset(drive);
        }
        for g in &mut self.groups {
            g.path.reset(drive);
            g.window = self.lookahead;
        }
        if let Some(clip) = &mut self.clip {
            clip.reset();
        }
        for ring in [&mut self.ceilings, &mut self.octaves] {
            let newest = ring.at(0)[QUANTUM - 1];
            ring.fill(newest);
        }
        (self.apart, self.deepest) = (0, 0.0);
    }

    fn latency(&self) -> usize {
        self.clip.as_ref().map_or(0, Clip::latency) + self.to_detector + self.lookahead - 1
    }

    fn readings(&self, out: &mut Readings) {
        out.gain_reduction = Some(self.deepest * (1.0 / OCTAVES_PER_DB));
    }
}

/// [`LimiterUnit::process`], compiled for wider registers.
struct Work<'a, 'b> {
    unit: &'a mut LimiterUnit,
    block: &'a mut Block<'b>,
}

impl Kernel for Work<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let (unit, block) = (self.unit, self.block);
        let drive = unit.drive(block.ramp(P::Gain));
        unit.times(block.ramp(P::Release));
        for group in &mut unit.groups {
            group.path.begin(&unit.times);
        }
        unit.ceilings(block.ramp(P::Ceiling));
        unit.clip(block, &drive);
        unit.peaks(block);
        let links = [block.ramp(P::Link), block.ramp(P::LinkRelease)];
        unit.separate(&links);
        unit.deepest = 0.0;
        for g in 0..unit.groups.len() {
            if unit.apart > 0 && unit.groups[g].members.len() > 1 {
                unit.each(g, &links, &drive);
            } else {
                unit.together(g, &drive);
            }
        }
        unit.apply(block.audio);
        unit.listen(block, &drive);
    }
}

impl LimiterUnit {
    /// This quantum's input gain in octaves.
    #[inline(always)]
    fn drive(&mut self, ramp: Ramp<'_>) -> Drive {
        let octaves = std::array::from_fn(|i| ramp.at(i) * OCTAVES_PER_DB);
        let moves = ramp.is_moving() || ramp.last() != self.drive_db;
        let mut before = self.drive_db * OCTAVES_PER_DB;
        let falls = moves.then(|| {
            octaves.map(|now| {
                let fall = max(before - now, 0.0);
                before = now;
                fall
            })
        });
        self.drive_db = ramp.last();
        Drive { octaves, falls }
    }

    #[inline(always)]
    fn times(&mut self, ramp: Ramp<'_>) {
        if ramp.last() != self.release_ms {
            self.release_ms = ramp.last();
            let moments = self.groups.first().map_or((0.0, 0.0), |g| g.path.boxes.moments());
            self.times = Times::new(self.style, self.release_ms, self.rate, moments);
        }
    }

    #[inline(always)]
    fn ceilings(&mut self, ramp: Ramp<'_>) {
        let row = match ramp {
            Ramp::Hold(db) => {
                if db != self.ceiling.db {
                    self.ceiling = Still::new(db);
                }
                if self.ceiling.quanta > self.ceilings.quanta() {
                    return;
                }
                self.ceiling.quanta += 1;
                self.octaves.push(&[self.ceiling.octaves; QUANTUM]);
                [self.ceiling.gain; QUANTUM]
            }
            ramp => {
                self.ceiling.quanta = 0;
                let row = ramp.gains(self.class).map(f32_below);
                self.octaves.push(&row.map(log2));
                row
            }
        };
        self.ceilings.push(&row);
    }

    /// The soft clip, on the audio as the limiter will drive it.
    #[inline(always)]
    fn clip(&mut self, block: &mut Block<'_>, drive: &Drive) {
        let Some(clip) = &mut self.clip else { return };
        for (c, x) in self.channels.iter_mut().zip(block.audio.iter()) {
            if let Some(r) = &mut c.input {
                r.push(x);
            }
        }
        let (mut over, mut share) = (drive.octaves, block.ramp(P::ClipDepth).gains(self.class));
        over.iter_mut().zip(self.ceilings.at(0)).for_each(|(o, c)| *o = exp2(*o) / *c);
        share.iter_mut().for_each(|s| *s = 1.0 - 1.0 / *s);
        clip.process(block.audio, &over, &share);
    }

    /// Each channel's peaks, and each group's window.
    #[inline(always)]
    fn peaks(&mut self, block: &Block<'_>) {
        let longest = LONGEST_HOLD * self.rate;
        let hold = min(block.ramp(P::Hold).last() * 0.001 * self.rate, longest);
        let least = min(self.style.hold_ms * 0.001 * self.rate, hold);
        for (channel, x) in self.channels.iter_mut().zip(block.audio.iter()) {
            channel.half_period.process(x);
            channel.audio.push(x);
        }
        self.read_peaks(block);
        for channel in &mut self.channels {
            let now = channel.audio.at(self.to_detector);
            channel.row.0.iter_mut().zip(now).for_each(|(p, x)| *p = max(x.abs(), *p));
        }
        for group in &mut self.groups {
            let halves = group.members.iter().map(|c| self.channels[*c].half_period.frames());
            let half = halves.fold(0.0, max);
            // A window that opens no faster than time passes never takes in again what has left it.
            let wanted = max(min(HOLD_OVER * half - 0.5 * self.lookahead as f64, hold), least);
            group.window = (self.lookahead + wanted as usize).min(group.window + QUANTUM);
        }
    }

    /// True peaks of every channel, one step after the other.
    #[inline(always)]
    fn read_peaks(&mut self, block: &Block<'_>) {
        let Some(f) = &self.filters else {
            self.channels.iter_mut().for_each(|c| c.row.0 = SILENCE);
            return;
        };
        for (channel, x) in self.channels.iter_mut().zip(block.audio.iter()) {
            channel.detector.take(f, x);
        }
        for channel in &mut self.channels {
            channel.detector.refine(f);
        }
        for channel in &mut self.channels {
            channel.detector.read(f, &mut channel.row.0);
        }
    }

    /// Decides whether the channels need paths of their own.
    #[inline(always)]
    fn separate(&mut self, links: &[Ramp<'_>; 2]) {
        if links.iter().all(|l| matches!(l, Ramp::Hold(100.0))) {
            self.apart = self.apart.saturating_sub(1);
            return;
        }
        if self.apart == 0 {
            for group in self.groups.iter().filter(|g| g.members.len() > 1) {
                for c in &group.members {
                    self.channels[*c].path.copy(&group.path);
                }
            }
        }
        self.apart = self.lookahead.div_ceil(QUANTUM) + 1;
    }

    /// One gain for all of a group.
    #[inline(always)]
    fn together(&mut self, g: usize, drive: &Drive) {
        let Group { members, path, window, row: Aligned(row), apart } = &mut self.groups[g];
        *apart = false;
        *row = SILENCE;
        for c in members.iter() {
            row.iter_mut().zip(&self.channels[*c].row.0).for_each(|(r, p)| *r = max(*r, *p));
        }
        let back = self.to_detector + self.clip.as_ref().map_or(0, Clip::latency);
        allow(row, self.ceilings.at(back), self.octaves.at(back));
        path.need(row, *window, drive);
        let Aligned(level) = &mut Aligned(path.leveller(row, &self.times, drive));
        row.iter_mut().zip(&*level).for_each(|(r, l)| *r = max(*r - *l, 0.0));
        path.peaks(row, &self.times, drive);
        row.iter_mut().zip(&*level).for_each(|(r, l)| *r += *l);
        self.deepest = max(self.deepest, highest(row));
        smooth(path, row, drive);
        row.iter_mut().for_each(|r| *r = exp2(*r));
    }

    /// A gain for each channel of a group, drawn towards the group's by the links.
    #[inline(always)]
    fn each(&mut self, g: usize, links: &[Ramp<'_>; 2], drive: &Drive) {
        let back = self.to_detector + self.clip.as_ref().map_or(0, Clip::latency);
        let (ceilings, octaves) = (self.ceilings.at(back), self.octaves.at(back));
        let [link, lasting] = links.map(|l| -> Frames { std::array::from_fn(|i| 0.01 * l.at(i)) });
        let group = &mut self.groups[g];
        group.apart = true;
        let mut low = [FREE; QUANTUM];
        for c in &group.members {
            let row = &mut self.channels[*c].row.0;
            allow(row, ceilings, octaves);
            low.iter_mut().zip(&*row).for_each(|(l, r)| *l = min(*l, *r));
        }
        group.path.need(&mut low, group.window, drive);
        let shared = group.path.leveller(&low, &self.times, drive);
        let mut peaks = SILENCE;
        for c in &group.members {
            let Channel { path, row: Aligned(row), level, .. } = &mut self.channels[*c];
            path.need(row, group.window, drive);
            *level = path.leveller(row, &self.times, drive);
            for i in 0..QUANTUM {
                level[i] = lasting[i] * shared[i] + (1.0 - lasting[i]) * level[i];
                row[i] = max(row[i] - level[i], 0.0);
                peaks[i] = max(peaks[i], row[i]);
            }
        }
        group.path.peaks(&mut peaks, &self.times, drive);
        for c in &group.members {
            let Channel { path, row: Aligned(row), level, .. } = &mut self.channels[*c];
            path.begin(&self.times);
            path.peaks(row, &self.times, drive);
            for i in 0..QUANTUM {
                row[i] = level[i] + (link[i] * peaks[i] + (1.0 - link[i]) * row[i]);
            }
            self.deepest = max(self.deepest, highest(row));
            smooth(path, row, drive);
            row.iter_mut().for_each(|r| *r = exp2(*r));
        }
        peaks.iter_mut().zip(&shared).for_each(|(p, l)| *p += *l);
        smooth(&mut group.path, &mut peaks, drive);
    }

    #[inline(always)]
    fn apply(&mut self, audio: &mut [Frames]) {
        let back = self.to_detector + self.lookahead - 1;
        for group in &self.groups {
            for c in &group.members {
                let (channel, x) = (&self.channels[*c], &mut audio[*c]);
                let (late, gains) =
                    (channel.audio.at(back), if group.apart { &channel.row } else { &group.row });
                x.iter_mut().zip(late).zip(&gains.0).for_each(|((x, late), g)| *x = late * g);
            }
        }
    }

    /// What is heard of the limiter's work.
    #[inline(always)]
    fn listen(&mut self, block: &mut Block<'_>, drive: &Drive) {
        let Some(listen) = &mut block.listen else { return };
        let (back, gains) = (self.latency(), drive.octaves.map(exp2));
        for ((channel, heard), wet) in self.channels.iter().zip(listen.out.iter_mut()).zip(&*block.audio) {
            let dry = channel.input.as_ref().unwrap_or(&channel.audio).at(back);
            for i in 0..QUANTUM {
                heard[i] = match listen.what {
                    1 => dry[i] * gains[i] - wet[i],
                    _ => wet[i] / gains[i],
                };
            }
        }
    }
}

/// What a frame's peak allows, in octaves: never more than it may be, and all that is asked for where the peak is
/// at the ceiling.
#[inline(always)]
fn allow(peaks: &mut Frames, ceilings: &Frames, octaves: &Frames) {
    for i in 0..QUANTUM {
        let peak = max(peaks[i], f64::MIN_POSITIVE);
        let top = log2(peak);
        let under = octaves[i] - top - (octaves[i].abs() + top.abs() + 1.0) * ERROR;
        let least = if peak <= ceilings[i] { 0.0 } else { DEEPEST };
        peaks[i] = min(max(under, least), FREE);
    }
}

/// Reductions become gains in octaves, and smooth.
#[inline(always)]
fn smooth(path: &mut Path, row: &mut Frames, drive: &Drive) {
    row.iter_mut().zip(&drive.octaves).for_each(|(r, d)| *r = *d - *r);
    let rest = if drive.falls.is_none() { Some(drive.octaves[0]) } else { None };
    path.boxes.process(row, rest);
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::*;
    use crate::units::rig::Noise;
    use crate::units::{Glides, Kind, Layout, limiter::Limiter};

    #[test]
    fn wider_registers_change_no_bit() {
        let format = Format { sample_rate: 48_000, layout: Layout::named("stereo").unwrap() };
        let table = Limiter::SPEC.own_params();
        for (link, style, clip) in [(100.0, 0.0, 0.0), (40.0, 3.0, 1.0), (0.0, 4.0, 0.0)] {
            let mut values = table.defaults();
            for (p, v) in [(P::Gain, 7.0), (P::Link, link), (P::Style, style), (P::Clip, clip)] {
                values.set(p, v);
            }
            let glides = Glides::new(&table, &values);
            let render = |width: Width| {
                let (mut unit, mut noise, mut out) =
                    (LimiterUnit::new(&format, &values), Noise(8), Vec::new());
                unit.width = width;
                for _ in 0..300 {
                    let mut audio = [(); 2].map(|_| -> Frames { std::array::from_fn(|_| noise.next()) });
                    unit.process(&mut Block::new(&mut audio, None, &glides));
                    out.extend(audio);
                }
                out
            };
            let narrow = Width::all().next().map(render);
            assert!(Width::all().all(|w| Some(render(w)) == narrow), "link {link}");
        }
    }
}
