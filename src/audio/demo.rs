// SPDX-License-Identifier: MIT OR Apache-2.0
//! The built-in programme: drums, bass and chords made in code, so that there is something to work on
//! where there is no server and no file. Any thread.
//!
//! A pure function of rate and frame: deterministic, nothing allocated after [`Demo::new`]. Eight bars
//! in four-four at 120 beats a minute, sixteen seconds, then again. Peaks near −6 dBFS.

/// Beats per second.
const BEATS: f64 = 2.0;
const BARS: u64 = 8;
/// Seconds before it starts over.
pub const LOOP_S: u64 = 16;
const TABLE: usize = 2048;

/// Root of each bar's chord as a MIDI note, and whether it is minor: A minor, F, C, G.
const BARS_CHORDS: [(f64, bool); 4] = [(57.0, true), (53.0, false), (60.0, false), (55.0, false)];
/// Bass pattern: semitones over the root on each eighth of a bar; `None` rests.
const BASS: [Option<f64>; 8] =
    [Some(0.0), None, Some(0.0), Some(12.0), None, Some(0.0), Some(7.0), Some(10.0)];

/// The programme at one sample rate.
pub struct Demo {
    rate: f64,
    frames: u64,
    sine: Box<[f64]>,
    /// A dull saw of eight partials.
    pad: Box<[f64]>,
}

impl Demo {
    pub fn new(rate: u32) -> Self {
        let table = |wave: &dyn Fn(f64) -> f64| {
            (0..=TABLE).map(|n| wave(std::f64::consts::TAU * n as f64 / TABLE as f64)).collect()
        };
        let partials = |x: f64| (1..=8).map(|k| libm::sin(f64::from(k) * x) / f64::from(k * k)).sum();
        Demo {
            rate: f64::from(rate),
            frames: u64::from(rate) * LOOP_S,
            sine: table(&libm::sin),
            pad: table(&partials),
        }
    }

    /// Left and right of one frame; any frame, in any order.
    pub fn frame(&self, frame: u64) -> [f64; 2] {
        let frame = frame % self.frames;
        let t = frame as f64 / self.rate;
        let beat = t * BEATS;
        let bar = (beat / 4.0) as u64;
        let (root, minor) = BARS_CHORDS[(bar % 4) as usize];
        let drums = if bar == 0 { [self.kick(beat); 2] } else { self.drums(frame, beat, bar) };
        let bass = self.bass(t, beat, root);
        let pads = self.chord(t, beat, root, minor);
        let lead = if bar >= BARS / 2 { self.lead(t, beat, root, minor) } else { [0.0; 2] };
        let mix = |c: usize| 0.31 * (drums[c] + bass + pads[c] + lead[c]);
        [mix(0), mix(1)]
    }

    /// A period of a table at `turns`, interpolated.
    fn wave(&self, table: &[f64], turns: f64) -> f64 {
        let at = (turns - turns.floor()) * TABLE as f64;
        let i = at as usize;
        table[i] + (at - i as f64) * (table[i + 1] - table[i])
    }

    fn drums(&self, frame: u64, beat: f64, bar: u64) -> [f64; 2] {
        let noise = noise(frame);
        let back = (beat + 1.0) % 2.0 / BEATS;
        let body = self.wave(&self.sine, 190.0 * back);
        let snare = 0.45 * (0.6 * noise + 0.5 * body) * libm::exp(-back / 0.07);
        let eighth = beat * 2.0 % 1.0 / (2.0 * BEATS);
        let open = (beat * 2.0) as u64 % 8 == 7 && bar % 2 == 1;
        let hat = 0.14 * (noise - noise_before(frame)) * libm::exp(-eighth / if open { 0.12 } else { 0.025 });
        let common = self.kick(beat) + snare;
        [common + 0.7 * hat, common + hat]
    }

    /// A falling sine on every beat.
    fn kick(&self, beat: f64) -> f64 {
        let t = beat % 1.0 / BEATS;
        let turns = 48.0 * t + 110.0 * 0.03 * (1.0 - libm::exp(-t / 0.03));
        0.75 * self.wave(&self.sine, turns) * libm::exp(-t / 0.12) * (t * 1000.0).min(1.0)
    }

    fn bass(&self, t: f64, beat: f64, root: f64) -> f64 {
        let eighths = beat * 2.0;
        let Some(step) = BASS[eighths as usize % 8] else { return 0.0 };
        let at = eighths % 1.0 / (2.0 * BEATS);
        let hz = pitch(root - 24.0 + step);
        let shape = (at * 200.0).min(1.0) * libm::exp(-at / 0.25) * ((0.25 - at) * 100.0).clamp(0.0, 1.0);
        0.38 * self.wave(&self.pad, hz * t) * shape
    }

    /// Three held notes, each a little apart in tune between left and right.
    fn chord(&self, t: f64, beat: f64, root: f64, minor: bool) -> [f64; 2] {
        let at = beat % 4.0 / BEATS;
        let shape = (at * 8.0).min(1.0) * ((4.0 / BEATS - at) * 20.0).min(1.0);
        // Makes room for the kick.
        let duck = 1.0 - 0.6 * libm::exp(-(beat % 1.0) / BEATS / 0.12);
        let mut out = [0.0; 2];
        for (n, step) in [0.0, if minor { 3.0 } else { 4.0 }, 7.0].into_iter().enumerate() {
            let hz = pitch(root + step);
            let place = 0.3 + 0.2 * n as f64;
            out[0] += (1.0 - place) * self.wave(&self.pad, (hz * 0.998) * t);
            out[1] += place * self.wave(&self.pad, (hz * 1.002) * t + 0.31);
        }
        out.map(|x| 0.19 * x * shape * duck)
    }

    /// Plucked sixteenths that wander from side to side.
    fn lead(&self, t: f64, beat: f64, root: f64, minor: bool) -> [f64; 2] {
        let sixteenths = beat * 4.0;
        let n = sixteenths as u64;
        let steps = [0.0, 7.0, 12.0, if minor { 15.0 } else { 16.0 }];
        let hz = pitch(root + 12.0 + steps[(n * 3 % 4) as usize]);
        let at = sixteenths % 1.0 / (4.0 * BEATS);
        let shape = (at * 300.0).min(1.0) * libm::exp(-at / 0.06);
        let side = 0.5 + 0.4 * self.wave(&self.sine, beat / 8.0);
        let x = 0.2 * self.wave(&self.sine, hz * t) * shape;
        [x * (1.0 - side), x * side]
    }
}

/// Hz of a MIDI note.
fn pitch(note: f64) -> f64 {
    440.0 * libm::exp2((note - 69.0) / 12.0)
}

/// White noise, −1..1, the same for the same frame.
fn noise(frame: u64) -> f64 {
    let mut x = frame.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn noise_before(frame: u64) -> f64 {
    noise(frame.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programme_peaks_near_minus_6_dbfs_at_any_rate_and_is_wide_but_not_odd() {
        for rate in [44_100, 48_000, 96_000] {
            let demo = Demo::new(rate);
            let (mut peak, mut lr, mut ll, mut rr, mut sum) = (0.0f64, 0.0, 0.0, 0.0, 0.0);
            for n in 0..u64::from(rate) * LOOP_S {
                let [l, r] = demo.frame(n);
                peak = peak.max(l.abs()).max(r.abs());
                (lr, ll, rr, sum) = (lr + l * r, ll + l * l, rr + r * r, sum + l);
            }
            let db = 20.0 * peak.log10();
            let correlation = lr / (ll * rr).sqrt();
            let dc = sum / (f64::from(rate) * LOOP_S as f64);
            let rms = 10.0 * (ll / (f64::from(rate) * LOOP_S as f64)).log10();
            println!(
                "{rate} Hz: peak {db:.2} dBFS, RMS {rms:.1} dBFS, correlation {correlation:.2}, DC {dc:.1e}"
            );
            assert!((-7.0..=-5.0).contains(&db), "peak {db:.2} dBFS at {rate} Hz");
            assert!((0.5..0.99).contains(&correlation), "correlation {correlation:.3}");
            assert!(dc.abs() < 1e-2, "DC {dc}");
        }
    }

    #[test]
    fn it_starts_over_and_is_the_same_every_time() {
        let demo = Demo::new(48_000);
        let again = Demo::new(48_000);
        for n in (0..48_000 * LOOP_S).step_by(997) {
            assert_eq!(demo.frame(n), again.frame(n + 3 * 48_000 * LOOP_S));
        }
    }
}
