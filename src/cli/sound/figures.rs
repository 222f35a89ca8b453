// SPDX-License-Identifier: MIT OR Apache-2.0
//! The measurements: one unit in a stereo rack at one rate.
//!
//! The right channel has half of the left one's signal; the left one is read.

use lathe_core::analysis::exact_peak::ExactPeak;
use lathe_core::dsp::fft::RealFft;
use lathe_core::dsp::math::{db_to_gain, gain_to_db, kaiser};
use lathe_core::rack::plan::RackPlan;
use lathe_core::units::{Format, Layout};

use super::cases::Case;
use super::spectrum::{BAND_HZ, Spectrum, tones};
use crate::audio::offline::Renderer;

/// Points of the spectra that noise and distortion are read from.
const POINTS: usize = 1 << 15;
/// Points for the response at 44.1 and 48 kHz; as much time at the others, so that 20 Hz stands by itself.
const RESPONSE_POINTS: usize = 1 << 15;
/// Seconds in which a signal comes up, and for which a unit runs before it is read: 10 of its time constants, and
/// within these.
const FADE: f64 = 0.1;
const SETTLE: (f64, f64) = (0.3, 1.5);
/// Tones of the response, and the level that all of them together keep below.
const RESPONSE_TONES: usize = 32;
const RESPONSE_DBFS: f64 = -32.0;

/// Levels in dB, −∞ for nothing at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub rate: u32,
    /// Frames.
    pub latency: usize,
    /// Mean square of the output for silence, dBFS (a sine of full scale is 0).
    pub idle: f64,
    /// What a sine of 997 Hz at −60 dBFS leaves beside itself, dBFS.
    pub noise: f64,
    /// What a sine of 997 Hz at −6 dBFS leaves beside itself, dB below it.
    pub distortion: f64,
    /// The highest line beside a sine of 5 kHz at 0 dBFS and its harmonics, dB below it.
    pub alias: f64,
    /// Largest departure from the level at 1 kHz between 20 Hz and 20 kHz, dB; as built only.
    pub response: Option<f64>,
    /// True peak over the ceiling, dB; where there is one.
    pub overshoot: Option<f64>,
}

impl Figures {
    pub fn measure(case: &Case, rate: u32) -> Result<Figures, String> {
        let bench = Bench::new(case, rate);
        let points = RESPONSE_POINTS * rate.div_ceil(50_000).next_power_of_two() as usize;
        Ok(Figures {
            rate,
            latency: bench.renderer()?.latency(),
            idle: bench.idle()?,
            noise: bench.beside(997.0, -60.0)?.1,
            distortion: {
                let (tone, rest) = bench.beside(997.0, -6.0)?;
                rest - tone
            },
            alias: bench.alias()?,
            response: if case.as_built { Some(bench.response(points)?) } else { None },
            overshoot: bench.overshoot()?,
        })
    }
}

/// A rack with the unit, ready to be built as often as it is measured.
struct Bench {
    plan: RackPlan,
    rate: u32,
    /// Frames before it is read.
    settle: usize,
    ceiling: Option<f64>,
    what: String,
}

fn power_db(power: f64) -> f64 {
    if power > 0.0 { 0.5 * gain_to_db_wide(power) } else { f64::NEG_INFINITY }
}

/// 20 log of a number that may be as small as a power.
fn gain_to_db_wide(x: f64) -> f64 {
    if x < 1e-12 { gain_to_db(x * 1e24) - 480.0 } else { gain_to_db(x) }
}

impl Bench {
    fn new(case: &Case, rate: u32) -> Bench {
        let layout = Layout::new(&[lathe_core::units::Role::Left, lathe_core::units::Role::Right]);
        let format = Format { sample_rate: rate, layout: layout.clone() };
        let mut plan = RackPlan::empty(layout);
        let lathe_core::rack::plan::Content::Unit { kind, .. } = &case.slot.content else {
            return Bench { plan, rate, settle: 0, ceiling: None, what: case.label.clone() };
        };
        let seconds = FADE + 10.0 * kind.time_constant(&format, &case.slot.values);
        let settle = (seconds.clamp(SETTLE.0, SETTLE.1) * f64::from(rate)) as usize;
        plan.slots = vec![case.slot.clone()];
        let ceiling = case.slot.table.find("ceiling").map(|p| case.slot.values.get(p));
        Bench { plan, rate, settle, ceiling, what: format!("{} ({})", case.symbol, case.label) }
    }

    fn renderer(&self) -> Result<Renderer, String> {
        Renderer::new(&self.plan, self.rate).map_err(|e| format!("{} at {} Hz: {e}", self.what, self.rate))
    }

    /// What the left channel makes of these tones, read after the unit has settled and before their end shows.
    fn run(&self, bins: &[usize], points: usize, amplitude: f64) -> Result<Vec<f64>, String> {
        let mut renderer = self.renderer()?;
        let from = self.settle + renderer.latency();
        let fade = (FADE * f64::from(self.rate)) as usize;
        let left = tones(bins, points, amplitude, from + points + renderer.latency(), fade);
        let right = left.iter().map(|x| 0.5 * x).collect();
        let mut left = renderer.whole(&[left, right]).swap_remove(0);
        left.truncate(from + points);
        Ok(left.split_off(from))
    }

    fn idle(&self) -> Result<f64, String> {
        let out = self.run(&[], POINTS, 0.0)?;
        let mean = out.iter().map(|x| x * x).sum::<f64>() / POINTS as f64;
        Ok(power_db(2.0 * mean))
    }

    fn tone(&self, hz: f64, dbfs: f64) -> Result<(Spectrum, usize), String> {
        let bin = Spectrum::odd_bin(hz, POINTS, self.rate);
        let out = self.run(&[bin], POINTS, db_to_gain(dbfs))?;
        Ok((Spectrum::new(&out, self.rate), bin))
    }

    /// Level of a sine, and of all that is in the band beside it.
    fn beside(&self, hz: f64, dbfs: f64) -> Result<(f64, f64), String> {
        let (s, bin) = self.tone(hz, dbfs)?;
        Ok((power_db(s.at(bin)), power_db(s.rest(&[bin]))))
    }

    fn alias(&self) -> Result<f64, String> {
        let (s, bin) = self.tone(5000.0, 0.0)?;
        Ok(power_db(s.highest_apart(bin)) - power_db(s.at(bin)))
    }

    fn response(&self, points: usize) -> Result<f64, String> {
        let hz = |k: usize| 20.0 * libm::pow(BAND_HZ / 20.0, k as f64 / (RESPONSE_TONES - 1) as f64);
        let bins: Vec<usize> =
            (0..RESPONSE_TONES).map(|k| (hz(k) * points as f64 / f64::from(self.rate)) as usize).collect();
        // Next to each other the lowest would stand in each other's lobes.
        let mut apart: Vec<usize> = Vec::new();
        for b in bins {
            if apart.last().is_none_or(|last| b > last + 2 * super::spectrum::LOBE) {
                apart.push(b);
            }
        }
        // Newman's phases keep the sum of n sines within 2 √n.
        let gain = db_to_gain(RESPONSE_DBFS) / (2.0 * (apart.len() as f64).sqrt());
        let s = Spectrum::new(&self.run(&apart, points, gain)?, self.rate);
        let levels: Vec<(f64, f64)> = apart
            .iter()
            .map(|b| (Spectrum::hz(*b, points, self.rate), power_db(s.at(*b) / (gain * gain))))
            .collect();
        let near = |a: &&(f64, f64), b: &&(f64, f64)| (a.0 - 1000.0).abs().total_cmp(&(b.0 - 1000.0).abs());
        let reference = levels.iter().min_by(near).map_or(0.0, |l| l.1);
        Ok(levels.iter().map(|l| (l.1 - reference).abs()).fold(0.0, f64::max))
    }

    /// Noise up to 20 kHz and a quarter of the rate at 45°, both at +6 dBFS and faded in and out.
    fn overshoot(&self) -> Result<Option<f64>, String> {
        let Some(ceiling) = self.ceiling else { return Ok(None) };
        let frames = 1 << 14;
        let half = frames as f64 / 2.0;
        let fade = |n: usize| kaiser((n as f64 - half) / half, 6.0);
        let quarter = |n: usize| if (n / 2).is_multiple_of(2) { 1.0 } else { -1.0 };
        let stereo = [1u64, 2].map(|seed| {
            let noise = band_noise(frames, self.rate, seed);
            let peak = noise.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let noise = noise.iter().enumerate().map(|(n, x)| 2.0 * fade(n) * x / peak);
            let mut x: Vec<f64> = noise.collect();
            // ±a at every frame is a quarter of the rate with peaks of a√2 between them.
            x.extend((0..frames).map(|n| std::f64::consts::SQRT_2 * fade(n) * quarter(n)));
            x
        });
        let out = self.renderer()?.whole(&stereo);
        let mut peak = ExactPeak::new(out.len());
        peak.push(&out.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Ok(Some(gain_to_db(peak.finish()) - ceiling))
    }
}

/// White noise without anything above 20 kHz.
fn band_noise(frames: usize, rate: u32, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut turn = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        2.0 * std::f64::consts::PI * (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let top = (BAND_HZ * frames as f64 / f64::from(rate)) as usize;
    let bins: Vec<(f64, f64)> = (0..=frames / 2)
        .map(|b| {
            let a = turn();
            if b > 0 && b <= top { (libm::cos(a), libm::sin(a)) } else { (0.0, 0.0) }
        })
        .collect();
    RealFft::new(frames).signal(&bins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sound::cases::of;
    use lathe_core::units::find;

    fn measure(unit: &str, n: usize, rate: u32) -> Figures {
        let f = Figures::measure(&of(find(unit).unwrap())[n], rate).unwrap();
        println!("{unit} case {n} at {rate} Hz: {f:?}");
        f
    }

    #[test]
    fn a_gain_adds_nothing() {
        let f = measure("gain", 1, 44_100);
        assert_eq!((f.latency, f.idle, f.response, f.overshoot), (0, f64::NEG_INFINITY, None, None));
        assert!(f.noise < -190.0 && f.distortion < -190.0 && f.alias < -190.0);
        let f = measure("gain", 0, 192_000);
        assert!(f.response.is_some_and(|r| r < 1e-6));
    }

    #[test]
    fn a_limiter_is_seen_at_work() {
        let f = measure("limiter", 1, 48_000);
        assert!(f.latency > 60 && f.idle == f64::NEG_INFINITY);
        let over = f.overshoot.unwrap();
        assert!((-0.2..0.1).contains(&over), "{over} dB");
    }

    #[test]
    fn powers_have_decibels_down_to_the_smallest() {
        for db in [-10.0, -119.0, -121.0, -300.0] {
            let p = 10f64.powf(db / 10.0);
            assert!((power_db(p) - db).abs() < 1e-9, "{db}: {}", power_db(p));
        }
        assert_eq!(power_db(0.0), f64::NEG_INFINITY);
    }
}
