// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals for the tests, and what ideal instruments read of them.

use std::f64::consts::PI;

use crate::analysis::loudness::lufs;
use crate::analysis::{LoudnessMeter, LoudnessReadings};
use crate::dsp::kweight::sections;
use crate::dsp::{Frames, QUANTUM};
use crate::units::Layout;

pub const RATES: [u32; 4] = [44_100, 48_000, 96_000, 192_000];

pub fn gain(db: f64) -> f64 {
    10f64.powf(db / 20.0)
}

/// A stretch of a 1 kHz tone: seconds, and dBFS of its peak.
pub type Segment = (f64, f64);

pub const SILENT: f64 = f64::NEG_INFINITY;

/// Weighted power of a 1 kHz tone of full-scale peak, in one channel of weight 1, at any rate.
pub fn tone_power() -> f64 {
    let [shelf, highpass] = sections(48_000.0);
    let m = shelf.magnitude(1000.0, 48_000.0) * highpass.magnitude(1000.0, 48_000.0);
    0.5 * m * m
}

/// Plays 1 kHz segments, the same in all channels but for `offsets` in dB; `each` after every quantum.
pub fn play_tones(
    rate: u32,
    segments: &[Segment],
    offsets: &[f64],
    meter: &mut LoudnessMeter,
    mut each: impl FnMut(f64, &LoudnessMeter),
) {
    let mut ends = Vec::new();
    segments.iter().fold(0.0, |at, s| {
        ends.push(((at + s.0) * f64::from(rate)).round() as usize);
        at + s.0
    });
    let (frames, mut segment) = (*ends.last().unwrap(), 0);
    let gains: Vec<f64> = offsets.iter().map(|o| gain(*o)).collect();
    let mut amplitude = gain(segments[0].1);
    for q in 0..frames.div_ceil(QUANTUM) {
        let mut tone = [0.0; QUANTUM];
        for (i, v) in tone.iter_mut().enumerate() {
            let n = q * QUANTUM + i;
            while segment < ends.len() && n >= ends[segment] {
                segment += 1;
                // The last one fills its quantum.
                amplitude = segments.get(segment).map_or(amplitude, |s| gain(s.1));
            }
            // The phase is worked out exactly: 1000 n / rate, less its whole turns.
            let turn = (n as u64 * 1000 % u64::from(rate)) as f64 / f64::from(rate);
            *v = amplitude * (2.0 * PI * turn).sin();
        }
        let audio: Vec<Frames> = gains.iter().map(|g| tone.map(|v| v * g)).collect();
        meter.process(&audio);
        each(((q + 1) * QUANTUM) as f64 / f64::from(rate), meter);
    }
}

/// The readings at the end of stereo segments.
pub fn stereo_readings(rate: u32, segments: &[Segment]) -> LoudnessReadings {
    let mut meter = LoudnessMeter::new(rate, &Layout::named("stereo").unwrap());
    play_tones(rate, segments, &[0.0, 0.0], &mut meter, |_, _| ());
    meter.read()
}

/// Mean power of the segments from `from` to `to` seconds, of a tone with `unit` power at 0 dBFS.
pub fn ideal_power(segments: &[Segment], unit: f64, from: f64, to: f64) -> f64 {
    let (mut at, mut sum) = (0.0, 0.0);
    for (seconds, db) in segments {
        let overlap = (to.min(at + seconds) - from.max(at)).max(0.0);
        sum += overlap * unit * 10f64.powf(db / 10.0);
        at += seconds;
    }
    sum / (to - from)
}

/// Integrated loudness of the segments by the definition, as if the weighting had no memory.
pub fn ideal_integrated(segments: &[Segment], unit: f64) -> f64 {
    let total: f64 = segments.iter().map(|s| s.0).sum();
    let blocks = ((total - 0.4) / 0.1 + 1e-6).floor() as usize + 1;
    let power = |j: usize| ideal_power(segments, unit, 0.1 * j as f64, 0.1 * j as f64 + 0.4);
    let loud: Vec<f64> = (0..blocks).map(power).filter(|p| lufs(*p) > -70.0).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let gate = 0.1 * mean(&loud);
    lufs(mean(&loud.into_iter().filter(|p| *p > gate).collect::<Vec<_>>()))
}

/// A small generator with known bits.
pub struct Noise(pub u64);

impl Noise {
    /// Uniform in −1 … +1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// Noise that falls about 3 dB an octave, as programme does (three leaky sums, after Kellet).
pub struct Pink {
    noise: Noise,
    b: [f64; 3],
}

impl Pink {
    pub fn new(seed: u64) -> Self {
        Pink { noise: Noise(seed), b: [0.0; 3] }
    }

    pub fn next(&mut self) -> f64 {
        let w = self.noise.next();
        self.b[0] = 0.997_65 * self.b[0] + 0.099_046 * w;
        self.b[1] = 0.963 * self.b[1] + 0.296_516_4 * w;
        self.b[2] = 0.57 * self.b[2] + 1.052_691_3 * w;
        0.2 * (self.b.iter().sum::<f64>() + 0.1848 * w)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Noise that moves from level to level.
    Noise,
    /// Struck chords that die away, a bass and noise on the beat.
    Music,
    /// Voiced pulses through two resonances, hisses and pauses.
    Speech,
}

/// Something that moves like programme. Minutes of it, always the same for one seed.
pub struct Programme {
    kind: Kind,
    rate: f64,
    frame: u64,
    draw: Noise,
    pink: Pink,
    level: f64,
    slope: f64,
    /// Phases, frequencies and amplitudes of what sounds.
    tones: [[f64; 3]; 4],
    resonances: [[f64; 2]; 2],
}

impl Programme {
    pub fn new(rate: u32, kind: Kind, seed: u64) -> Self {
        Programme {
            kind,
            rate: f64::from(rate),
            frame: 0,
            draw: Noise(5 * seed),
            pink: Pink::new(17 * seed),
            level: -30.0,
            slope: 0.0,
            tones: [[0.0; 3]; 4],
            resonances: [[0.0; 2]; 2],
        }
    }

    pub fn next(&mut self) -> f64 {
        let every = |seconds: f64| (seconds * self.rate) as u64;
        let (half, beat) = (self.frame.is_multiple_of(every(0.5)), self.frame.is_multiple_of(every(0.25)));
        self.frame += 1;
        match self.kind {
            Kind::Noise => self.noise(half),
            Kind::Music => self.music(beat),
            Kind::Speech => self.speech(beat),
        }
    }

    fn noise(&mut self, half: bool) -> f64 {
        if half {
            let u = self.draw.next();
            let target = if u < -0.33 { -50.0 + 10.0 * self.draw.next() } else { -18.0 + 12.0 * u };
            self.slope = (target - self.level) / (0.5 * self.rate);
        }
        self.level += self.slope;
        gain(self.level) * self.pink.next()
    }

    fn music(&mut self, beat: bool) -> f64 {
        if beat {
            for (n, t) in self.tones.iter_mut().enumerate() {
                let u = self.draw.next();
                if u > 0.2 || n == 0 {
                    let note = 110.0 * 2f64.powf((n as f64 * 7.0 + (u * 6.0).round()) / 12.0);
                    *t = [t[0], if n == 0 { note / 2.0 } else { note }, 0.22];
                }
            }
            self.level = 0.3 * self.draw.next().abs();
        }
        self.level *= 1.0 - 25.0 / self.rate;
        let mut sum = self.level * self.draw.next();
        for t in &mut self.tones {
            t[0] = (t[0] + t[1] / self.rate).fract();
            t[2] *= 1.0 - 2.5 / self.rate;
            sum += t[2] * ((2.0 * PI * t[0]).sin() + 0.3 * (6.0 * PI * t[0]).sin());
        }
        0.4 * sum
    }

    fn speech(&mut self, beat: bool) -> f64 {
        if beat {
            let u = self.draw.next();
            // Voiced, hissing or silent.
            self.tones[0][2] = if u > -0.2 { 0.5 + 0.4 * u } else { 0.0 };
            self.slope = if (-0.5..-0.2).contains(&u) { 0.05 } else { 0.0 };
            self.tones[0][1] = 120.0 + 30.0 * self.draw.next();
            self.tones[1] = [0.0, 500.0 + 250.0 * self.draw.next(), 1500.0 + 600.0 * self.draw.next()];
        }
        let t = &mut self.tones[0];
        t[0] += t[1] / self.rate;
        let pulse = if t[0] >= 1.0 { t[2] * self.rate / 48_000.0 } else { 0.0 };
        t[0] = t[0].fract();
        let mut x = pulse;
        for (r, hz) in self.resonances.iter_mut().zip([self.tones[1][1], self.tones[1][2]]) {
            let radius = (-PI * 90.0 / self.rate).exp();
            let y = x + 2.0 * radius * (2.0 * PI * hz / self.rate).cos() * r[0] - radius * radius * r[1];
            *r = [y, r[0]];
            x = 0.2 * y;
        }
        0.011 * x + 0.1 * self.slope * self.draw.next()
    }
}
