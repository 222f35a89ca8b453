// SPDX-License-Identifier: MIT OR Apache-2.0
//! `dither`: the last slot of a rack, which brings the output to whole numbers of 16, 20 or 24 bits.
//!
//! What it writes lies exactly on the grid, value/2^(bits − 1), and never above 1 − 1 LSB. It is not neutral
//! at any setting: it adds the noise that [`crate::dsp::dither`] states. Digital silence stays silence.

use super::{Block, Format, Kind, Note, Notes, Place, Refusal, Unit, UnitSpec};
use crate::dsp::QUANTUM;
use crate::dsp::dither::{DEFAULT_SEED, Dither as Kernel, Target};
use crate::dsp::noise_shaper::{Shaper, Strength};
use crate::param::{self, Choice, Values};

const SHAPES: &[Choice] = &[
    Choice { symbol: "tpdf", doc: "Flat noise." },
    Choice { symbol: "light", doc: "Less noise where the ear is keen: 5 dB more in all, 8 dB less heard." },
    Choice { symbol: "strong", doc: "Still less there: 13 dB more noise in all, 14 dB less heard." },
];

const SHAPE_TPDF: usize = 0;
const SHAPE_LIGHT: usize = 1;

/// From here on there is nothing to shape: the noise lies below any converter's.
const NO_SHAPE_BITS: u32 = 24;

crate::params! {
    pub enum P {
        Bits = param::integer("bits", "Bits", (16, 24), 24).step(4.0)
            .doc("Length of the output's integers: 16, 20 and 24 are usual."),
        Shape = param::choice("shape", "Shape", SHAPES, SHAPE_TPDF).designed()
            .doc("Spectrum of the noise; shaped ones are there for up to 23 bits at 44.1, 48, 88.2 and 96 kHz."),
        Seed = param::integer("seed", "Seed", (0, 65_535), 0)
            .doc("Start of the random numbers: the same seed gives the same dither."),
    }
}

pub struct Dither;

/// Audio half.
pub struct DitherUnit {
    kernel: Kernel,
    /// What comes next, and in which frame of the coming quantum.
    next: Option<(Target, usize)>,
}

#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "control half")]
impl Kind for Dither {
    const SPEC: UnitSpec = UnitSpec {
        symbol: "dither",
        name: "Dither",
        doc: "Reduces the output to integers of 16, 20 or 24 bits, with triangular dither and shaped noise; the last slot of a rack.",
        params: P::SPECS,
        repeat: None,
        sidechain: false,
        sound: 1,
    };
    type Unit = DitherUnit;

    fn design(format: &Format, values: &Values, notes: &mut Notes) -> Result<Target, Refusal> {
        let bits = libm::round(values.get(P::Bits)) as u32;
        let seed = DEFAULT_SEED.wrapping_add(libm::round(values.get(P::Seed)) as u64);
        let strength = match values.choice(P::Shape) {
            SHAPE_TPDF => return Ok(Target { bits, shaper: Shaper::FLAT, seed }),
            SHAPE_LIGHT => Strength::Light,
            _ => Strength::Strong,
        };
        let mut refuse = |why: String| {
            notes.0.push(Note { param: P::Shape.into(), text: format!("effective tpdf: {why}") })
        };
        let shaper = if bits >= NO_SHAPE_BITS {
            refuse(format!("at {bits} bits there is no noise to hide"));
            None
        } else {
            let shaper = Shaper::design(strength, format.sample_rate);
            if shaper.is_none() {
                let rate = format.sample_rate;
                refuse(format!("noise is shaped at 44.1, 48, 88.2 and 96 kHz, not at {rate} Hz"));
            }
            shaper
        };
        Ok(Target { bits, shaper: shaper.unwrap_or(Shaper::FLAT), seed })
    }

    fn build(format: &Format, _: &Values, parts: Target) -> Result<DitherUnit, Refusal> {
        Ok(DitherUnit { kernel: Kernel::new(format.channels(), parts, format.rate()), next: None })
    }

    fn place() -> Place {
        Place::Last
    }
}

impl Unit for DitherUnit {
    type Parts = Target;

    /// At once, without a fade: between two grids there is nothing but noise, and a fade would lie on neither.
    fn exchange(&mut self, parts: &mut Option<Target>, at: usize) {
        self.next = parts.map(|target| (target, at.min(QUANTUM - 1)));
    }

    fn process(&mut self, block: &mut Block<'_>) {
        for i in 0..QUANTUM {
            if let Some((target, _)) = self.next.filter(|n| n.1 == i) {
                self.kernel.set(target);
                self.next = None;
            }
            let lsb = 1.0 / self.kernel.scale();
            self.kernel.begin(block.audio.iter().all(|c| c[i] == 0.0));
            for (n, channel) in block.audio.iter_mut().enumerate() {
                channel[i] = self.kernel.next(n, channel[i]).value * lsb;
            }
        }
    }

    fn reset(&mut self) {
        if let Some((target, _)) = self.next.take() {
            self.kernel.set(target);
        }
        self.kernel.reset();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "tests")]
mod tests {
    use super::super::rig::{Noise, Rig, db, sine};
    use super::super::{Layout, Notes, find};
    use super::*;

    const RATE: u32 = 48_000;

    fn on_grid(x: &[f64], bits: i32) -> bool {
        let scale = 2f64.powi(bits - 1);
        x.iter().all(|v| (v * scale).fract() == 0.0 && (-1.0..=1.0 - 1.0 / scale).contains(v))
    }

    #[test]
    fn every_sample_lies_on_the_grid() {
        for bits in [16, 20, 24] {
            for shape in 0..3 {
                let settings = [("bits", f64::from(bits)), ("shape", f64::from(shape))];
                let mut rig = Rig::new("dither", RATE, "stereo", &settings);
                let mut noise = Noise(5);
                let loud: Vec<Vec<f64>> =
                    (0..2).map(|_| noise.vec(64_000).iter().map(|v| 1.1 * v).collect()).collect();
                let y = rig.run(&loud);
                assert!(y.iter().all(|c| on_grid(c, bits)), "{bits} bits, shape {shape}");
                let top = y.iter().flatten().fold(0.0f64, |m, v| m.max(*v));
                assert_eq!(top, 1.0 - 2f64.powi(1 - bits), "{bits} bits, shape {shape}");
            }
        }
    }

    /// At the level and spectrum of the kernel, and the same in every run.
    #[test]
    fn seeded_runs_repeat_and_have_the_level_of_theory() {
        let x = vec![sine(997.0, f64::from(RATE), 0.25, 256_000); 2];
        for (bits, wanted) in [(16.0, -96.33), (24.0, -144.49)] {
            let run =
                |seed: f64| Rig::new("dither", RATE, "stereo", &[("bits", bits), ("seed", seed)]).run(&x);
            let y = run(7.0);
            assert!(y == run(7.0) && y[0] != run(8.0)[0] && y[0] != y[1], "{bits} bits");
            for (y, x) in y.iter().zip(&x) {
                let power = y.iter().zip(x).map(|(y, x)| (y - x).powi(2)).sum::<f64>() / y.len() as f64;
                let level = db(power.sqrt());
                println!("{bits} bits: {level:.3} dBFS rms");
                assert!((level - wanted).abs() < 0.05, "{bits} bits: {level}");
            }
        }
    }

    /// A change lands on its frame; what is before it has the old grid, what comes then the new one.
    #[test]
    fn a_change_lands_on_its_frame() {
        let x = vec![sine(100.0, f64::from(RATE), 0.5, 6400)];
        let mut rig = Rig::new("dither", RATE, "mono", &[("bits", 24.0)]);
        let y = rig.run_with(&x, None, &[(3210, "bits", 16.0)]).remove(0);
        assert!(on_grid(&y, 24) && on_grid(&y[3210..], 16));
        assert!(y[3190..3210].iter().any(|v| (v * 32_768.0).fract() != 0.0));
    }

    #[test]
    fn what_cannot_be_shaped_is_said() {
        let kind = find("dither").unwrap();
        let table = kind.table();
        for (rate, bits, wanted) in [
            (192_000, 16.0, "effective tpdf: noise is shaped at 44.1, 48, 88.2 and 96 kHz, not at 192000 Hz"),
            (48_000, 24.0, "effective tpdf: at 24 bits there is no noise to hide"),
        ] {
            let mut values = table.defaults();
            values.set(P::Bits, bits);
            values.set(P::Shape, 2.0);
            let format = Format { sample_rate: rate, layout: Layout::named("stereo").unwrap() };
            let mut notes = Notes::default();
            kind.build(&format, &values, &mut notes).unwrap();
            assert_eq!(notes.0.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), [wanted]);
            values.set(P::Shape, 0.0);
            let mut notes = Notes::default();
            kind.build(&format, &values, &mut notes).unwrap();
            assert!(notes.0.is_empty());
        }
    }
}
